/* SPDX-License-Identifier: BSD-3-Clause */
/* tests/unit/test-block-copy.c - copies below the disks: what happens beside
 * them, and what must not be stepped around.
 *
 * The driver "file" is one that can do something else before it copies.
 */
#include "block/drivers.h"
#include "block/node-internal.h"
#include "block/registry.h"
#include "formats/qcow2/driver.h"
#include "tests/unit/vmdk-test.h"

#include <string.h>

#define GRAIN (64 * KIB)
#define MAX_DRIVERS 32

static struct {
    VdDriver driver;
    const VdDriver *table[MAX_DRIVERS];
    void (*meanwhile)(VdNode *disk);
    VdNode *disk;
    unsigned calls;
    bool holds_writes;
    VioCoQueue held;
} below; /* one a test */

static void
below_passes(void)
{
    below.calls++;
    if (below.meanwhile)
        below.meanwhile(below.disk);
}

static bool
below_co_copy_window(VdNode *src, VdNode *dst, VioWindow *w)
{
    below_passes();
    return vd_file_driver.co_copy_window(src, dst, w);
}

static bool
below_co_copy_range(VdNode *src, uint64_t src_off, VdNode *dst,
                    uint64_t dst_off, uint64_t len, bool share, GError **error)
{
    below_passes();
    return vd_file_driver.co_copy_range(src, src_off, dst, dst_off, len, share,
                                        error);
}

static bool
below_co_pwritev(VdNode *node, uint64_t off, const VioVec *src,
                 VdReqFlags flags, GError **error)
{
    while (below.holds_writes)
        vio_co_queue_wait(&below.held);
    return vd_file_driver.co_pwritev(node, off, src, flags, error);
}

static void
begin(void)
{
    const VdDriver *const *all;
    unsigned n = 0;

    test_register_drivers();
    all = vd_registry_table();
    memset(&below, 0, sizeof(below));
    below.driver = vd_file_driver;
    below.driver.co_copy_window = below_co_copy_window;
    below.driver.co_copy_range = below_co_copy_range;
    below.driver.co_pwritev = below_co_pwritev;
    for (; all[n]; n++) {
        g_assert_cmpuint(n + 1, <, MAX_DRIVERS);
        below.table[n] = all[n] == &vd_file_driver ? &below.driver : all[n];
    }
    vd_registry_set(below.table);
}

/* -- both ways ---------------------------------------------------------------
 */

typedef bool (*CopyWay)(VdNode *src, VdNode *dst, uint64_t off, uint64_t len);

static bool
copy_window(VdNode *src, VdNode *dst, uint64_t off, uint64_t len)
{
    g_autofree uint8_t *buf = g_malloc(len);
    VioWindow w = {.buf = buf, .len = len};

    return vd_node_co_copy_window(src, off, dst, off, &w);
}

static bool
copy_range(VdNode *src, VdNode *dst, uint64_t off, uint64_t len)
{
    return vd_node_co_copy_range(src, off, dst, off, len, false, NULL);
}

static const CopyWay ways[] = {copy_window, copy_range};

/* A raw disk of zeroes that the kernel may copy to. */
static VdNode *
make_raw(TestCo *t, const char *name, uint64_t size)
{
    g_autofree char *path = test_co_path(t, name);
    g_autofree char *options = g_strdup_printf(
        "driver=raw,file.driver=file,file.copy-offload=full,file.filename=%s",
        path);

    test_file_make(path, size);
    return test_co_open(t, options, VD_OPEN_RDWR);
}

/* -- the source changes ------------------------------------------------------
 */

/* The first grain is given up, and others want its place. */
static void
use_place_again(VdNode *disk)
{
    g_autoptr(GError) error = NULL;

    vd_node_co_discard(disk, 0, GRAIN, &error);
    g_assert_no_error(error);
    vd_node_co_flush(disk, &error);
    g_assert_no_error(error);
    test_co_write_pattern(disk, 10 * GRAIN, 2 * GRAIN, 2);
    vd_node_co_flush(disk, &error);
    g_assert_no_error(error);
}

static void
test_places_are_kept_while_they_are_copied(TestCo *t)
{
    for (unsigned i = 0; i < G_N_ELEMENTS(ways); i++) {
        VdNode *dst;

        begin();
        vmdk_test_create(t, i ? "b.vmdk" : "a.vmdk", 10 * MIB, "");
        dst = make_raw(t, "t", MIB);
        below.disk = vmdk_test_open(t, i ? "b.vmdk" : "a.vmdk",
                                    VD_OPEN_RDWR | VD_OPEN_UNMAP);
        test_co_write_pattern(below.disk, 0, 4 * GRAIN, 1);
        below.meanwhile = use_place_again;
        g_assert_true(ways[i](below.disk, dst, 0, GRAIN));
        g_assert_cmpuint(below.calls, ==, 1);
        test_co_assert_pattern(dst, 0, GRAIN, 1);
        test_co_assert_zero(below.disk, 0, GRAIN);
        test_co_close(dst);
        test_co_close(below.disk);
    }
}

/* -- the target changes ------------------------------------------------------
 */

typedef struct {
    VdNode *disk, *src;
    CopyWay way;
    bool copied;
} Race;

static bool
write_co_end(void *arg, GError **error)
{
    const Race *race = arg;

    test_co_write_pattern(vd_node_file(race->disk), MIB, GRAIN, 3);
    return true;
}

static bool
shrink_co_disk(void *arg, GError **error)
{
    const Race *race = arg;

    return vd_node_co_truncate(race->disk, MIB, VD_PREALLOC_OFF, error);
}

static bool
copy_co_end(void *arg, GError **error)
{
    Race *race = arg;

    race->copied = race->way(race->src, race->disk, MIB, MIB);
    return true;
}

static bool
let_go(void *arg, GError **error)
{
    below.holds_writes = false;
    vio_co_queue_wake_all(&below.held);
    return true;
}

/* The resize waits for a write, and a copy for the resize. */
static void
test_a_shorter_target_stays_so(TestCo *t)
{
    for (unsigned i = 0; i < G_N_ELEMENTS(ways); i++) {
        g_autoptr(VioCoGroup) group = vio_co_group_new(4);
        g_autoptr(GError) error = NULL;
        Race race = {.way = ways[i]};

        begin();
        race.src = make_raw(t, "s", 2 * MIB);
        race.disk = make_raw(t, "t", 2 * MIB);
        below.holds_writes = true;
        vio_co_group_spawn(group, write_co_end, &race, NULL);
        vio_co_group_spawn(group, shrink_co_disk, &race, NULL);
        vio_co_group_spawn(group, copy_co_end, &race, NULL);
        vio_co_group_spawn(group, let_go, NULL, NULL);
        vio_co_group_join(group, &error);
        g_assert_no_error(error);
        g_assert_false(race.copied);
        g_assert_cmpuint(below.calls, ==, 0);
        g_assert_cmpuint(vd_node_size(race.disk), ==, MIB);
        g_assert_cmpuint(vd_node_size(vd_node_file(race.disk)), ==, MIB);
        test_co_close(race.disk);
        test_co_close(race.src);
    }
}

/* -- what sees requests ------------------------------------------------------
 */

/* A disk without anything of its own, whose parent is this filter. */
static VdNode *
open_on_filter(TestCo *t, const char *filter)
{
    g_autofree char *path = test_co_path(t, "p");
    g_autofree char *parent = g_strdup_printf(
        "json:{\"driver\":\"%s\",\"file\":{\"driver\":\"raw\",\"file\":"
        "{\"driver\":\"file\",\"filename\":\"%s\"}}}",
        filter, path);
    g_autoptr(GError) error = NULL;
    VdNode *node;

    vmdk_test_try_create_of(t, &vd_qcow2_driver, "c", MIB, "", &error);
    g_assert_no_error(error);
    node = test_co_open_file(t, "qcow2", "c", 0);
    vd_node_co_open_parent(node, parent, NULL, &error);
    g_assert_no_error(error);
    return node;
}

static void
test_filters_among_parents_are_asked(TestCo *t)
{
    static const char *const filters[] = {"throttle", "fault", "readonly"};
    VdNode *node, *dst;

    begin();
    node = make_raw(t, "p", MIB);
    test_co_write_pattern(node, 0, MIB, 1);
    test_co_close(node);
    dst = make_raw(t, "t", MIB);
    for (unsigned i = 0; i < G_N_ELEMENTS(filters); i++) {
        node = open_on_filter(t, filters[i]);
        g_assert_false(copy_window(node, dst, 0, MIB));
        g_assert_false(copy_range(node, dst, 0, MIB));
        g_assert_cmpuint(below.calls, ==, 0);
        test_co_assert_pattern(node, 0, MIB, 1);
        g_assert_cmpuint(vd_node_stats(vd_node_parent(node))->reads, >, 0);
        test_co_close(node);
    }
    test_co_close(dst);
}

static void
test_no_windows_past_who_looks_for_zeroes(TestCo *t)
{
    static const char *const doors[] = {
        "detect-zeroes=on,file.driver=file",
        "file.driver=file,file.detect-zeroes=on",
        "file.driver=raw,file.detect-zeroes=on,file.file.driver=file"};
    VdNode *src;

    begin();
    src = make_raw(t, "s", MIB);
    test_co_close(make_raw(t, "t", MIB));
    for (unsigned i = 0; i < G_N_ELEMENTS(doors); i++) {
        g_autofree char *path = test_co_path(t, "t");
        g_autofree char *options = g_strdup_printf(
            "driver=raw,%s,%s=%s", doors[i],
            i < 2 ? "file.filename" : "file.file.filename", path);
        VdNode *dst = test_co_open(t, options, VD_OPEN_RDWR);

        g_assert_false(copy_window(src, dst, 0, MIB));
        g_assert_cmpuint(below.calls, ==, 0);
        test_co_close(dst);
    }
    test_co_close(src);
}

/* -- numbers -----------------------------------------------------------------
 */

static void
assert_stats(const VdNode *node, uint64_t reads, uint64_t writes)
{
    const VdStats *stats = vd_node_stats(node);

    g_assert_cmpuint(stats->reads, ==, reads);
    g_assert_cmpuint(stats->read_bytes, ==, reads * MIB);
    g_assert_cmpuint(stats->writes, ==, writes);
    g_assert_cmpuint(stats->written_bytes, ==, writes * MIB);
}

static void
test_windows_are_counted_once_a_node(TestCo *t)
{
    VdNode *src, *dst;

    begin();
    src = make_raw(t, "s", 2 * MIB);
    dst = make_raw(t, "t", 2 * MIB);
    g_assert_true(copy_window(src, dst, 0, MIB));
    assert_stats(src, 1, 0);
    assert_stats(vd_node_file(src), 1, 0);
    assert_stats(dst, 0, 1);
    assert_stats(vd_node_file(dst), 0, 1);
    g_assert_cmpuint(vd_node_stats(src)->leaf_reads, ==, 1);
    g_assert_cmpuint(vd_node_stats(dst)->leaf_writes, ==, 1);
    g_assert_true(copy_window(vd_node_file(src), vd_node_file(dst), MIB, MIB));
    assert_stats(src, 1, 0);
    assert_stats(vd_node_file(src), 2, 0);
    assert_stats(vd_node_file(dst), 0, 2);
    test_co_close(dst);
    test_co_close(src);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    test_co_add("/block/copy/places",
                test_places_are_kept_while_they_are_copied);
    test_co_add("/block/copy/shorter", test_a_shorter_target_stays_so);
    test_co_add("/block/copy/filters", test_filters_among_parents_are_asked);
    test_co_add("/block/copy/detect-zeroes",
                test_no_windows_past_who_looks_for_zeroes);
    test_co_add("/block/copy/stats", test_windows_are_counted_once_a_node);
    return g_test_run();
}
