/* SPDX-License-Identifier: BSD-3-Clause */
/* tests/unit/test-vmdk-stress.c - many requests at a time on one disk, against
 * an oracle in memory.
 *
 * Requests in flight never share a byte, but they share grains and tables all
 * the time.  The cache has room for hardly any table, and somebody always
 * flushes. */
#include "tests/support/effort.h"
#include "tests/unit/vmdk-test.h"

#include <string.h>

#define DISK_SIZE (9 * MIB + 5 * 512)
#define WORKERS 12
#define STEPS 120
#define MAX_LEN (90 * KIB)
#define TINY_CACHE (3 * 4096)

typedef struct {
    uint64_t off, end;
} Busy;

typedef struct {
    TestCo *t;
    VdNode *node;
    GRand *rand;
    uint8_t *oracle;
    Busy busy[WORKERS]; /* bytes of requests in flight; off = end: none */
    unsigned unit;      /* offsets are multiples of this */
} Rig;

typedef struct {
    Rig *rig;
    Busy *busy;
    uint8_t *buf;
} Worker;

static uint32_t
roll(Rig *rig, uint32_t sides)
{
    return (uint32_t) g_rand_int_range(rig->rand, 0, (gint32) sides);
}

static bool
is_busy(const Rig *rig, uint64_t off, uint64_t end)
{
    for (unsigned i = 0; i < WORKERS; i++)
        if (off < rig->busy[i].end && rig->busy[i].off < end)
            return true;
    return false;
}

/* Bytes that nobody uses, often right beside somebody's. */
static void
claim(Worker *w)
{
    Rig *rig = w->rig;
    uint64_t off, end;

    do {
        uint64_t len = 1 + roll(rig, roll(rig, 2) ? MAX_LEN : 9 * KIB);
        const Busy *beside = &rig->busy[roll(rig, WORKERS)];

        off = roll(rig, 2) && beside->end ? beside->end
                                          : roll(rig, (uint32_t) DISK_SIZE);
        off = off / rig->unit * rig->unit;
        len = (len + rig->unit - 1) / rig->unit * rig->unit;
        end = MIN(off + len, DISK_SIZE);
    } while (off >= end || is_busy(rig, off, end));
    *w->busy = (Busy){off, end};
}

static bool
compare(Worker *w, GError **error)
{
    Rig *rig = w->rig;
    uint64_t off = w->busy->off, len = w->busy->end - off;

    if (!vd_node_co_pread(rig->node, off, w->buf, len, error))
        return false;
    for (uint64_t i = 0; i < len; i++)
        if (w->buf[i] != rig->oracle[off + i])
            g_error("byte %" G_GUINT64_FORMAT " is %02x, wanted %02x", off + i,
                    w->buf[i], rig->oracle[off + i]);
    return true;
}

static bool
write_some(Worker *w, GError **error)
{
    Rig *rig = w->rig;
    uint64_t off = w->busy->off, len = w->busy->end - off;

    test_pattern_fill(w->buf, len, off, g_rand_int(rig->rand));
    if (roll(rig, 6) == 0)
        memset(w->buf, 0, len);
    memcpy(rig->oracle + off, w->buf, len);
    return vd_node_co_pwrite(rig->node, off, w->buf, len, error);
}

static bool
zero_some(Worker *w, GError **error)
{
    Rig *rig = w->rig;
    uint64_t off = w->busy->off, len = w->busy->end - off;
    VdReqFlags flags = roll(rig, 2) ? VD_REQ_MAY_UNMAP : 0;

    memset(rig->oracle + off, 0, len);
    return vd_node_co_write_zeroes(rig->node, off, len, flags, error);
}

/* What was discarded is what it was, or zero, and stays that. */
static bool
discard_some(Worker *w, GError **error)
{
    Rig *rig = w->rig;
    uint64_t off = w->busy->off, len = w->busy->end - off;

    if (!vd_node_co_discard(rig->node, off, len, error) ||
        !vd_node_co_pread(rig->node, off, w->buf, len, error))
        return false;
    for (uint64_t i = 0; i < len; i++)
        g_assert_true(!w->buf[i] || w->buf[i] == rig->oracle[off + i]);
    memcpy(rig->oracle + off, w->buf, len);
    return true;
}

static bool
worker_co_step(Worker *w, GError **error)
{
    switch (roll(w->rig, 10)) {
    case 0:
        return vd_node_co_flush(w->rig->node, error);
    case 1:
    case 2:
        return compare(w, error);
    case 3:
        return discard_some(w, error);
    case 4:
    case 5:
        return zero_some(w, error);
    default:
        return write_some(w, error);
    }
}

static bool
worker_co_main(void *arg, GError **error)
{
    Worker *w = arg;

    for (unsigned i = 0; i < test_effort_steps(STEPS); i++) {
        claim(w);
        if (!worker_co_step(w, error))
            return false;
        *w->busy = (Busy){w->busy->end, w->busy->end};
    }
    return true;
}

static void
run_workers(Rig *rig)
{
    g_autoptr(VioCoGroup) group = vio_co_group_new(WORKERS);
    g_autoptr(GError) error = NULL;
    Worker workers[WORKERS];

    for (unsigned i = 0; i < WORKERS; i++) {
        workers[i] = (Worker){rig, &rig->busy[i], g_malloc(MAX_LEN + 8192)};
        vio_co_group_spawn(group, worker_co_main, &workers[i], NULL);
    }
    vio_co_group_join(group, &error);
    g_assert_no_error(error);
    for (unsigned i = 0; i < WORKERS; i++)
        g_free(workers[i].buf);
}

static void
verify(Rig *rig, VdNode *node)
{
    g_autofree uint8_t *all = g_malloc(DISK_SIZE);
    g_autoptr(GError) error = NULL;

    vd_node_co_pread(node, 0, all, DISK_SIZE, &error);
    g_assert_no_error(error);
    for (uint64_t i = 0; i < DISK_SIZE; i++)
        if (all[i] != rig->oracle[i])
            g_error("at the end byte %" G_GUINT64_FORMAT " is %02x, not %02x",
                    i, all[i], rig->oracle[i]);
}

/* @oracle: what the disk reads as; taken over. */
static void
run(TestCo *t, VdOpenFlags flags, uint8_t *oracle, uint32_t seed)
{
    VdTableCache *cache = vd_table_cache_ref(t->loop);
    g_autoptr(GError) error = NULL;
    Rig rig = {.t = t,
               .rand = g_rand_new_with_seed(seed),
               .oracle = oracle,
               .unit = seed % 2 ? 512 : 1};

    flags |= VD_OPEN_RDWR | VD_OPEN_UNMAP;
    vd_table_cache_set_limit(cache, TINY_CACHE);
    rig.node = vmdk_test_try_open(t, "d.vmdk", flags, &error);
    if (vd_error_is(error, VD_ERROR_NOT_SUPPORTED)) {
        g_test_skip("no direct I/O here");
    } else {
        g_assert_no_error(error);
        run_workers(&rig);
        verify(&rig, rig.node);
        test_co_close(rig.node);
        rig.node = vmdk_test_open(t, "d.vmdk", 0);
        verify(&rig, rig.node);
        vmdk_test_assert_sound(rig.node, true);
        test_co_close(rig.node);
    }
    vd_table_cache_unref(cache);
    g_rand_free(rig.rand);
    g_free(rig.oracle);
}

static void
run_kind(TestCo *t, const char *options, VdOpenFlags flags, uint32_t seed)
{
    vmdk_test_create(t, "d.vmdk", DISK_SIZE, options);
    run(t, flags, g_malloc0(DISK_SIZE), seed);
}

static void
run_child(TestCo *t, uint64_t base_size, const char *base_options,
          const char *options, uint32_t seed)
{
    uint8_t *oracle = g_malloc0(DISK_SIZE);
    uint64_t full = MIN(base_size, DISK_SIZE);
    VdNode *node;

    vmdk_test_create(t, "base.vmdk", base_size, base_options);
    node = vmdk_test_open(t, "base.vmdk", VD_OPEN_RDWR);
    test_co_write_pattern(node, 0, full, 99);
    test_pattern_fill(oracle, full, 0, 99);
    test_co_close(node);
    vmdk_test_create_child(t, "d.vmdk", DISK_SIZE, options, "base.vmdk");
    run(t, 0, oracle, seed);
}

static void
test_sparse(TestCo *t)
{
    run_kind(t, "", 0, 1);
}

static void
test_small_grains_of_odd_bytes(TestCo *t)
{
    run_kind(t, "grain_size=4k", 0, 2);
}

static void
test_split(TestCo *t)
{
    run_kind(t, "subformat=twoGbMaxExtentSparse,split_size=2M,grain_size=4k", 0,
             4);
}

static void
test_direct(TestCo *t)
{
    run_kind(t, "grain_size=4k", VD_OPEN_DIRECT, 6);
}

static void
test_direct_split_flat(TestCo *t)
{
    run_kind(t, "subformat=twoGbMaxExtentFlat,split_size=3M", VD_OPEN_DIRECT,
             8);
}

static void
test_detected_zeroes(TestCo *t)
{
    run_kind(t, "grain_size=16k,zeroed_grain=on", VD_OPEN_DETECT_ZEROES, 10);
}

static void
test_writethrough(TestCo *t)
{
    run_kind(t, "grain_size=8k", VD_OPEN_WRITETHROUGH, 12);
}

static void
test_child(TestCo *t)
{
    run_child(t, DISK_SIZE, "grain_size=4k", "", 14);
}

static void
test_child_with_zero_marks(TestCo *t)
{
    run_child(t, DISK_SIZE, "", "grain_size=4k,zeroed_grain=on", 16);
}

static void
test_split_child_of_flat(TestCo *t)
{
    run_child(t, DISK_SIZE, "subformat=monolithicFlat",
              "subformat=twoGbMaxExtentSparse,split_size=2M,grain_size=16k",
              18);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
#define ADD(path, fn) test_co_add("/vmdk/stress/" path, fn)
    ADD("sparse", test_sparse);
    ADD("small-grains", test_small_grains_of_odd_bytes);
    ADD("split", test_split);
    ADD("direct", test_direct);
    ADD("direct-split-flat", test_direct_split_flat);
    ADD("detected-zeroes", test_detected_zeroes);
    ADD("writethrough", test_writethrough);
    ADD("child", test_child);
    ADD("child-zero-marks", test_child_with_zero_marks);
    ADD("split-child-of-flat", test_split_child_of_flat);
#undef ADD
    return g_test_run();
}
