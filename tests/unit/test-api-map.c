/* SPDX-License-Identifier: BSD-3-Clause */
/* tests/unit/test-api-map.c - what vd_disk_map() says. */
#include "tests/unit/api-test.h"

#include <fcntl.h>
#include <glib/gstdio.h>
#include <unistd.h>

/* 4 MiB with one MiB of data at 1 MiB. */
static const char *
make_island(const ApiTest *t, const char *name)
{
    const char *path = api_test_path(t, name);
    g_autofree uint8_t *buf = g_malloc(MIB);
    int fd = g_open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0644);

    api_test_fill(buf, MIB, 0, 1);
    g_assert_cmpint(ftruncate(fd, 4 * MIB), ==, 0);
    g_assert_cmpint(pwrite(fd, buf, MIB, MIB), ==, MIB);
    (void) close(fd);
    return path;
}

static VdMapEntry
map_at(VdDisk *disk, uint64_t off)
{
    VdMapEntry entry;
    GError *error = NULL;

    vd_disk_map(disk, off, vd_disk_size(disk) - off, &entry, &error);
    g_assert_no_error(error);
    g_assert_cmpuint(entry.off, ==, off);
    g_assert_cmpuint(entry.len, >, 0);
    return entry;
}

static void
test_holes_of_a_raw_file_are_zero(ApiTest *t, gconstpointer unused)
{
    const char *path = make_island(t, "a.raw");
    VdDisk *disk = api_test_open(t, path, "raw", 0);
    VdMapEntry hole = map_at(disk, 0), data = map_at(disk, MIB);
    VdMapEntry tail = map_at(disk, 2 * MIB);

    g_assert_cmpuint(hole.len, ==, MIB);
    g_assert_cmphex(hole.flags, ==,
                    VD_MAP_PRESENT | VD_MAP_ZERO | VD_MAP_OFFSET);
    g_assert_cmpuint(data.len, ==, MIB);
    g_assert_cmphex(data.flags, ==,
                    VD_MAP_PRESENT | VD_MAP_DATA | VD_MAP_OFFSET);
    g_assert_cmpuint(data.host_offset, ==, MIB);
    g_assert_cmpstr(data.host_file, ==, path);
    g_assert_cmpuint(data.depth, ==, 0);
    g_assert_cmpuint(tail.len, ==, 2 * MIB);
    api_test_close(disk);
}

static void
test_window_shifts_host_offset(ApiTest *t, gconstpointer unused)
{
    const char *path = make_island(t, "a.raw");
    VdDisk *disk = api_test_open_opts(
        t, 0, "driver=raw,offset=1M,size=2M,file.filename=%s", path);
    VdMapEntry data = map_at(disk, 4096);

    g_assert_cmpuint(data.host_offset, ==, MIB + 4096);
    g_assert_cmpuint(data.len, ==, MIB - 4096);
    api_test_close(disk);
}

static void
test_answer_stays_inside_the_question(ApiTest *t, gconstpointer unused)
{
    VdDisk *disk = api_test_open(t, make_island(t, "a.raw"), "raw", 0);
    VdMapEntry entry;

    g_assert_true(vd_disk_map(disk, MIB + 512, 1024, &entry, NULL));
    g_assert_cmpuint(entry.off, ==, MIB + 512);
    g_assert_cmpuint(entry.len, ==, 1024);
    api_test_close(disk);
}

static void
test_filter_does_not_hide_the_file(ApiTest *t, gconstpointer unused)
{
    const char *path = make_island(t, "a.raw");
    VdDisk *disk = api_test_open_opts(
        t, 0, "driver=raw,file.driver=readonly,file.file.filename=%s", path);
    VdMapEntry hole = map_at(disk, 0), data = map_at(disk, MIB);

    g_assert_true(hole.flags & VD_MAP_ZERO);
    g_assert_cmpuint(data.host_offset, ==, MIB);
    g_assert_cmpstr(data.host_file, ==, path);
    api_test_close(disk);
}

static void
test_range_outside_is_refused(ApiTest *t, gconstpointer unused)
{
    static const uint64_t ranges[][2] = {
        {0, 0}, {4 * MIB, 1}, {0, 4 * MIB + 1}, {UINT64_MAX, UINT64_MAX}};
    VdDisk *disk = api_test_open(t, make_island(t, "a.raw"), "raw", 0);

    for (unsigned i = 0; i < G_N_ELEMENTS(ranges); i++) {
        g_autoptr(GError) error = NULL;
        VdMapEntry entry;

        g_assert_false(
            vd_disk_map(disk, ranges[i][0], ranges[i][1], &entry, &error));
        g_assert_error(error, VD_ERROR, VD_ERROR_OUT_OF_RANGE);
    }
    api_test_close(disk);
}

static void
test_entries_cover_a_random_disk(ApiTest *t, gconstpointer unused)
{
    const char *path = api_test_path(t, "a.raw");
    g_autofree char *text = NULL;
    gsize len;
    uint64_t data = 0;
    VdDisk *disk;

    api_test_make_sparse(path, 64 * MIB, 11);
    g_assert_true(g_file_get_contents(path, &text, &len, NULL));
    disk = api_test_open(t, path, "raw", 0);
    for (uint64_t off = 0; off < len;) {
        VdMapEntry entry = map_at(disk, off);

        if (entry.flags & VD_MAP_ZERO)
            for (uint64_t i = 0; i < entry.len; i++)
                g_assert_cmpint(text[off + i], ==, 0);
        else
            data += entry.len;
        off += entry.len;
    }
    g_assert_cmpuint(data, >, 0);
    api_test_close(disk);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    api_test_add("/api/map/holes-of-a-raw-file-are-zero",
                 test_holes_of_a_raw_file_are_zero);
    api_test_add("/api/map/window-shifts-host-offset",
                 test_window_shifts_host_offset);
    api_test_add("/api/map/answer-stays-inside-the-question",
                 test_answer_stays_inside_the_question);
    api_test_add("/api/map/filter-does-not-hide-the-file",
                 test_filter_does_not_hide_the_file);
    api_test_add("/api/map/range-outside-is-refused",
                 test_range_outside_is_refused);
    api_test_add("/api/map/entries-cover-a-random-disk",
                 test_entries_cover_a_random_disk);
    return g_test_run();
}
