/* SPDX-License-Identifier: BSD-3-Clause */
/* tests/unit/test-vmdk-random.c - every writable kind against an oracle in
 * memory: random writes, zeroes, discards, several at a time, with flushes and
 * reopenings in between; now and then the disk is compacted meanwhile. */
#include "tests/support/effort.h"
#include "tests/unit/vmdk-test.h"

#include <string.h>

#define DISK_SIZE (7 * MIB + 3 * 512)
#define ROUNDS 600
#define PARALLEL 4
#define COMPACT_EVERY 25 /* rounds */
#define MAX_LEN (300 * KIB)

typedef struct {
    TestCo *t;
    const char *name;
    VdNode *node;
    GRand *rand;
    uint8_t *oracle;
} Rig;

typedef enum { OP_WRITE, OP_ZERO, OP_UNMAP, OP_DISCARD, OP_READ } OpKind;

typedef struct {
    Rig *rig;
    OpKind kind;
    uint64_t off, len;
    uint8_t *buf;
} Op;

static uint64_t
pick(Rig *rig, uint64_t below)
{
    return (uint64_t) g_rand_double_range(rig->rand, 0, (double) below);
}

static void
assert_same(const Rig *rig, uint64_t off, const uint8_t *buf, uint64_t len)
{
    for (uint64_t i = 0; i < len; i++)
        if (buf[i] != rig->oracle[off + i])
            g_error("%s: byte %" G_GUINT64_FORMAT " is %02x, wanted %02x",
                    rig->name, off + i, buf[i], rig->oracle[off + i]);
}

/* A discarded byte is what it was, or zero, and stays that. */
static void
learn_discarded(Rig *rig, const Op *op)
{
    g_autoptr(GError) error = NULL;

    vd_node_co_pread(rig->node, op->off, op->buf, op->len, &error);
    g_assert_no_error(error);
    for (uint64_t i = 0; i < op->len; i++) {
        if (op->buf[i])
            g_assert_cmphex(op->buf[i], ==, rig->oracle[op->off + i]);
        rig->oracle[op->off + i] = op->buf[i];
    }
}

static bool
op_co_run(void *arg, GError **error)
{
    Op *op = arg;
    Rig *rig = op->rig;

    switch (op->kind) {
    case OP_WRITE:
        return vd_node_co_pwrite(rig->node, op->off, op->buf, op->len, error);
    case OP_ZERO:
        return vd_node_co_write_zeroes(rig->node, op->off, op->len, 0, error);
    case OP_UNMAP:
        return vd_node_co_write_zeroes(rig->node, op->off, op->len,
                                       VD_REQ_MAY_UNMAP, error);
    case OP_DISCARD:
        return vd_node_co_discard(rig->node, op->off, op->len, error);
    case OP_READ:
        if (!vd_node_co_pread(rig->node, op->off, op->buf, op->len, error))
            return false;
        assert_same(rig, op->off, op->buf, op->len);
        return true;
    }
    g_assert_not_reached();
}

static void
op_expect(Op *op)
{
    Rig *rig = op->rig;

    if (op->kind == OP_WRITE) {
        test_pattern_fill(op->buf, op->len, op->off, g_rand_int(rig->rand));
        if (pick(rig, 8) == 0)
            memset(op->buf, 0, op->len / 2);
        memcpy(rig->oracle + op->off, op->buf, op->len);
    } else if (op->kind == OP_ZERO || op->kind == OP_UNMAP) {
        memset(rig->oracle + op->off, 0, op->len);
    }
}

/* A request inside its share of the disk, so that those of one round do not
 * overlap; shares shift, so that they meet inside grains. */
static void
op_init(Op *op, Rig *rig, uint64_t lo, uint64_t hi)
{
    static const OpKind kinds[] = {OP_WRITE, OP_WRITE, OP_WRITE,  OP_READ,
                                   OP_ZERO,  OP_UNMAP, OP_DISCARD};
    uint64_t unit = pick(rig, 3) ? 512 : 1;
    uint64_t max = MIN(hi - lo, pick(rig, 2) ? MAX_LEN : 20 * KIB);

    op->rig = rig;
    op->kind = kinds[pick(rig, G_N_ELEMENTS(kinds))];
    op->len = pick(rig, max / unit) * unit + unit;
    op->len = MIN(op->len, hi - lo);
    op->off = lo + pick(rig, hi - lo - op->len + 1);
    if (unit > 1 && op->off - op->off % unit >= lo)
        op->off -= op->off % unit;
    op->buf = g_malloc(op->len);
    op_expect(op);
}

typedef struct {
    VdNode *node;
    VdCompactParams params;
    VdCompactResult result;
} Compact;

/* Large grains of a COWD extent stay where they are. */
static unsigned
pick_what(Rig *rig)
{
    const VmdkSparse *sp = vmdk_test_state(rig->node)->extents[0].sparse;

    if (sp && sp->place_unit != sp->grain_bytes)
        return VD_COMPACT_SHRINK;
    return 1 + (unsigned) pick(rig, 3);
}

/* Changes of the disk wait for it, reads do not. */
static bool
compact_co_run(void *arg, GError **error)
{
    Compact *c = arg;

    return vd_node_co_compact(c->node, &c->params, &c->result, error);
}

static void
run_round(Rig *rig)
{
    g_autoptr(VioCoGroup) group = vio_co_group_new(PARALLEL + 1);
    Compact compact = {.node = rig->node};
    g_autoptr(GError) error = NULL;
    unsigned n = 1 + (unsigned) pick(rig, PARALLEL);
    Op ops[PARALLEL];
    uint64_t lo = 0;

    for (unsigned i = 0; i < n; i++) {
        uint64_t hi = i + 1 == n ? DISK_SIZE
                                 : lo + 1024 + pick(rig, (DISK_SIZE - lo) / 2);

        op_init(&ops[i], rig, lo, hi);
        lo = hi;
    }
    for (unsigned i = 0; i < n; i++) {
        vio_co_group_spawn(group, op_co_run, &ops[i], NULL);
        if (i > 0 || pick(rig, COMPACT_EVERY))
            continue;
        compact.params.what = pick_what(rig);
        vio_co_group_spawn(group, compact_co_run, &compact, NULL);
    }
    vio_co_group_join(group, &error);
    g_assert_no_error(error);
    for (unsigned i = 0; i < n; i++) {
        if (ops[i].kind == OP_DISCARD)
            learn_discarded(rig, &ops[i]);
        g_free(ops[i].buf);
    }
}

static void
verify(Rig *rig)
{
    g_autofree uint8_t *buf = g_malloc(DISK_SIZE);
    g_autoptr(GError) error = NULL;

    vd_node_co_pread(rig->node, 0, buf, DISK_SIZE, &error);
    g_assert_no_error(error);
    assert_same(rig, 0, buf, DISK_SIZE);
}

static void
open_rig(Rig *rig)
{
    rig->node = vmdk_test_open(rig->t, rig->name, VD_OPEN_RDWR | VD_OPEN_UNMAP);
}

static void
reopen(Rig *rig)
{
    test_co_close(rig->node);
    rig->node = vmdk_test_open(rig->t, rig->name, 0);
    verify(rig);
    vmdk_test_assert_sound(rig->node, true);
    test_co_close(rig->node);
    open_rig(rig);
}

static void
run(TestCo *t, const char *name, const uint8_t *initial, uint32_t seed)
{
    Rig rig = {.t = t, .name = name, .rand = g_rand_new_with_seed(seed)};
    g_autoptr(GError) error = NULL;

    rig.oracle = g_malloc0(DISK_SIZE);
    if (initial)
        memcpy(rig.oracle, initial, DISK_SIZE);
    open_rig(&rig);
    g_assert_cmpuint(vd_node_size(rig.node), ==, DISK_SIZE);
    for (unsigned round = 0; round < test_effort_steps(ROUNDS); round++) {
        run_round(&rig);
        if (pick(&rig, 20) == 0) {
            vd_node_co_flush(rig.node, &error);
            g_assert_no_error(error);
        }
        if (pick(&rig, 100) == 0)
            reopen(&rig);
    }
    verify(&rig);
    reopen(&rig);
    test_co_close(rig.node);
    g_rand_free(rig.rand);
    g_free(rig.oracle);
}

static void
run_kind(TestCo *t, const char *options, uint32_t seed)
{
    vmdk_test_create(t, "d.vmdk", DISK_SIZE, options);
    run(t, "d.vmdk", NULL, seed);
}

static void
test_monolithic_sparse(TestCo *t)
{
    run_kind(t, "", 1);
}

static void
test_small_grains(TestCo *t)
{
    run_kind(t, "grain_size=4k", 2);
}

static void
test_zeroed_grain(TestCo *t)
{
    run_kind(t, "grain_size=4k,zeroed_grain=on", 3);
}

static void
test_monolithic_flat(TestCo *t)
{
    run_kind(t, "subformat=monolithicFlat", 4);
}

static void
test_split_sparse(TestCo *t)
{
    run_kind(t, "subformat=twoGbMaxExtentSparse,split_size=2M", 5);
}

static void
test_split_flat(TestCo *t)
{
    run_kind(t, "subformat=twoGbMaxExtentFlat,split_size=3M", 6);
}

static void
test_vmfs_sparse(TestCo *t)
{
    run_kind(t, "subformat=vmfsSparse", 10);
}

/* Half of the base has data. */
static uint8_t *
make_base(TestCo *t, const char *options)
{
    uint8_t *bytes = g_malloc0(DISK_SIZE);
    VdNode *node;

    vmdk_test_create(t, "base.vmdk", DISK_SIZE, options);
    node = vmdk_test_open(t, "base.vmdk", VD_OPEN_RDWR);
    for (uint64_t off = 100 * KIB; off + 200 * KIB < DISK_SIZE;
         off += 400 * KIB) {
        test_co_write_pattern(node, off, 200 * KIB, 77);
        test_pattern_fill(bytes + off, 200 * KIB, off, 77);
    }
    test_co_close(node);
    return bytes;
}

static void
run_child(TestCo *t, const char *base_options, const char *options,
          uint32_t seed)
{
    g_autofree uint8_t *bytes = make_base(t, base_options);

    vmdk_test_create_child(t, "child.vmdk", DISK_SIZE, options, "base.vmdk");
    run(t, "child.vmdk", bytes, seed);
}

static void
test_child(TestCo *t)
{
    run_child(t, "", "", 7);
}

static void
test_child_with_zeroed_grain(TestCo *t)
{
    run_child(t, "grain_size=8k", "zeroed_grain=on,grain_size=4k", 8);
}

static void
test_split_child_over_flat(TestCo *t)
{
    run_child(t, "subformat=monolithicFlat",
              "subformat=twoGbMaxExtentSparse,split_size=2M", 9);
}

static void
test_vmfs_sparse_child(TestCo *t)
{
    run_child(t, "subformat=monolithicFlat", "subformat=vmfsSparse", 11);
}

static void
test_vmfs_sparse_child_of_larger_grains(TestCo *t)
{
    run_child(t, "subformat=vmfsSparse", "subformat=vmfsSparse,grain_size=16k",
              12);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    test_co_add("/vmdk/random/monolithic-sparse", test_monolithic_sparse);
    test_co_add("/vmdk/random/small-grains", test_small_grains);
    test_co_add("/vmdk/random/zeroed-grain", test_zeroed_grain);
    test_co_add("/vmdk/random/monolithic-flat", test_monolithic_flat);
    test_co_add("/vmdk/random/split-sparse", test_split_sparse);
    test_co_add("/vmdk/random/split-flat", test_split_flat);
    test_co_add("/vmdk/random/child", test_child);
    test_co_add("/vmdk/random/child-zeroed-grain",
                test_child_with_zeroed_grain);
    test_co_add("/vmdk/random/split-child-over-flat",
                test_split_child_over_flat);
    test_co_add("/vmdk/random/vmfs-sparse", test_vmfs_sparse);
    test_co_add("/vmdk/random/vmfs-sparse-child", test_vmfs_sparse_child);
    test_co_add("/vmdk/random/vmfs-sparse-child-of-larger-grains",
                test_vmfs_sparse_child_of_larger_grains);
    return g_test_run();
}
