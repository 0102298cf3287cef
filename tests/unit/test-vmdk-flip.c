/* SPDX-License-Identifier: BSD-3-Clause */
/* tests/unit/test-vmdk-flip.c - damaged images of every kind: whatever bits are
 * wrong, the worst is an error.  (Most useful with the sanitizers on.) */
#include "tests/support/effort.h"
#include "tests/unit/vmdk-test.h"

#include <string.h>

#define ROUNDS 50
#define DISK_SIZE (6 * MIB)

static void
use(VdNode *node, GRand *rand)
{
    g_autofree char *buf = g_malloc(MIB);
    uint64_t size = vd_node_size(node);
    VdCheckResult result = {.max_findings = 5};
    VdRun run;

    for (unsigned i = 0; i < 6; i++) {
        uint64_t len = MIN(size, i % 2 ? 512 : MIB);
        uint64_t off = g_rand_double(rand) * (double) (size - len);

        if (vd_node_co_map(node, off, size - off, 0, &run, NULL))
            g_assert_cmpuint(run.len, >, 0);
        (void) vd_node_co_pread(node, off, buf, len, NULL);
        if (!vd_node_is_writable(node))
            continue;
        (void) vd_node_co_pwrite(node, off, buf, len / 2, NULL);
        (void) vd_node_co_write_zeroes(node, off, len, VD_REQ_MAY_UNMAP, NULL);
        (void) vd_node_co_discard(node, off, len, NULL);
    }
    (void) vd_node_co_flush(node, NULL);
    (void) vd_vmdk_driver.co_check(node, &(VdCheckParams){0}, &result, NULL);
    g_clear_pointer(&result.findings, g_ptr_array_unref);
    g_variant_unref(g_variant_ref_sink(vd_vmdk_driver.describe(node)));
}

static void
open_and_use(TestCo *t, VdOpenFlags flags, GRand *rand)
{
    VdNode *node = vmdk_test_try_open(t, "d.vmdk", flags, NULL);

    if (!node)
        return;
    /* What a flipped capacity makes of it need not be walked through. */
    if (vd_node_size(node) && vd_node_size(node) < 1024 * GIB)
        use(node, rand);
    (void) vd_node_co_close(node, NULL);
}

/* Damage the first @area bytes of @victim again and again. */
static void
damage(TestCo *t, const char *victim, size_t area, uint32_t seed)
{
    g_autoptr(GRand) rand = g_rand_new_with_seed(seed);
    char *good = test_dir_new();
    size_t len;
    g_autofree char *bytes = vmdk_test_read_file(t, victim, &len);

    test_dir_copy(t->dir, good);
    for (unsigned round = 0; round < test_effort_steps(ROUNDS); round++) {
        unsigned n = 1 + round % 3;

        test_dir_copy(good, t->dir);
        for (unsigned i = 0; i < n; i++) {
            size_t at =
                (size_t) g_rand_int_range(rand, 0, (gint32) MIN(area, len));
            char flipped =
                (char) (bytes[at] ^ (1 << g_rand_int_range(rand, 0, 8)));

            vmdk_test_poke(t, victim, at, &flipped, 1);
        }
        open_and_use(t, round % 4 ? 0 : VD_OPEN_NO_IO, rand);
        open_and_use(t, VD_OPEN_RDWR | VD_OPEN_UNMAP | VD_OPEN_NO_FLUSH, rand);
        g_ptr_array_set_size(t->warnings, 0);
    }
    test_dir_remove(good);
}

static void
make(TestCo *t, const char *options)
{
    VdNode *node;

    vmdk_test_create(t, "d.vmdk", DISK_SIZE, options);
    node = vmdk_test_open(t, "d.vmdk", VD_OPEN_RDWR);
    for (unsigned i = 0; i < 5; i++)
        test_co_write_pattern(node, i * MIB + i * 5000, 100 * KIB, i + 1);
    test_co_close(node);
}

static void
test_header(TestCo *t)
{
    make(t, "");
    damage(t, "d.vmdk", 80, 1);
}

static void
test_embedded_descriptor(TestCo *t)
{
    make(t, "");
    damage(t, "d.vmdk", 1024, 2);
}

static void
test_tables(TestCo *t)
{
    make(t, "grain_size=4k,zeroed_grain=on");
    damage(t, "d.vmdk", 60 * 512, 3);
}

static void
test_descriptor_of_flat(TestCo *t)
{
    make(t, "subformat=twoGbMaxExtentFlat,split_size=2M");
    damage(t, "d.vmdk", 400, 4);
}

static void
test_descriptor_of_split_sparse(TestCo *t)
{
    make(t, "subformat=twoGbMaxExtentSparse,split_size=2M");
    damage(t, "d.vmdk", 400, 5);
}

static void
test_split_extent(TestCo *t)
{
    make(t, "subformat=twoGbMaxExtentSparse,split_size=2M");
    damage(t, "d-s002.vmdk", 80, 6);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    test_co_add("/vmdk/flip/header", test_header);
    test_co_add("/vmdk/flip/embedded-descriptor", test_embedded_descriptor);
    test_co_add("/vmdk/flip/tables", test_tables);
    test_co_add("/vmdk/flip/flat-descriptor", test_descriptor_of_flat);
    test_co_add("/vmdk/flip/split-descriptor", test_descriptor_of_split_sparse);
    test_co_add("/vmdk/flip/split-extent", test_split_extent);
    return g_test_run();
}
