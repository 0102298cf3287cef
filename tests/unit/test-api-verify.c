/* SPDX-License-Identifier: BSD-3-Clause */
/* tests/unit/test-api-verify.c - a copy is held against what was read. */
#include "tests/unit/api-test.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

static const char *const kinds[] = {
    "raw",
    "monolithicSparse",
    "monolithicFlat",
    "twoGbMaxExtentSparse",
    "twoGbMaxExtentFlat",
    "streamOptimized",
    "vmfs",
    "seSparse",
};

/* A new image under way. */
typedef struct {
    const ApiTest *t;
    VdCreation *creation;
    VdCopySums *sums;
    VdCopyParams params;
    VdCopyResult result;
} Copy;

static void
copy_begin(Copy *c, const ApiTest *t, const char *kind, const char *path,
           uint64_t size)
{
    bool raw = strcmp(kind, "raw") == 0;
    g_autofree char *options = g_strdup_printf("subformat=%s", kind);
    VdCreateParams params = {.filename = path,
                             .format = raw ? "raw" : "vmdk",
                             .size = size,
                             .options = raw ? NULL : options};
    GError *error = NULL;

    *c = (Copy){.t = t, .params = api_test_to_new};
    c->sums = c->params.sums = vd_copy_sums_new();
    c->creation = vd_create_begin(t->ctx, &params, &error);
    g_assert_no_error(error);
}

static void
copy_fill(Copy *c, VdDisk *const *sources, unsigned n)
{
    GError *error = NULL;
    VdDisk *target = vd_creation_disk(c->creation, &error);

    g_assert_no_error(error);
    vd_copy(sources, n, target, &c->params, &c->result, &error);
    g_assert_no_error(error);
    api_test_close(target);
}

static uint64_t
copy_verify(Copy *c, GError **error)
{
    GError *open_error = NULL;
    VdDisk *target =
        vd_creation_reopen(c->creation, VD_OPEN_TRY_DIRECT, &open_error);
    uint64_t verified = 0;

    g_assert_no_error(open_error);
    (void) vd_copy_verify(target, c->sums, NULL, NULL, &verified, error);
    api_test_close(target);
    return verified;
}

static void
copy_end(Copy *c)
{
    vd_creation_abort(c->creation);
    vd_copy_sums_free(c->sums);
}

/* Write @byte at @off of a file, or what is another one than there is. */
static void
damage(const char *path, uint64_t off, int byte)
{
    int fd = open(path, O_RDWR | O_CLOEXEC);
    uint8_t b;

    g_assert_cmpint(fd, >=, 0);
    g_assert_cmpint(pread(fd, &b, 1, (off_t) off), ==, 1);
    b = byte >= 0 ? (uint8_t) byte : b ^ 0x10;
    g_assert_cmpint(pwrite(fd, &b, 1, (off_t) off), ==, 1);
    (void) close(fd);
}

static void
assert_failed(GError *error, const char *file, const char *what)
{
    g_assert_error(error, VD_ERROR, VD_ERROR_CORRUPT);
    g_assert_true(g_str_has_prefix(error->message, "verification failed: "));
    g_assert_nonnull(strstr(error->message, file));
    g_assert_nonnull(strstr(error->message, what));
    g_error_free(error);
}

/* -- what is right -----------------------------------------------------------
 */

static void
verify_kind(ApiTest *t, const char *kind, VdDisk *source)
{
    uint64_t size = vd_disk_size(source);
    GError *error = NULL;
    Copy c;

    g_test_message("%s, %" G_GUINT64_FORMAT " bytes", kind, size);
    copy_begin(&c, t, kind, api_test_path(t, "dst.vmdk"), size);
    copy_fill(&c, &source, 1);
    g_assert_cmpuint(copy_verify(&c, &error), ==, (size + 511) / 512 * 512);
    g_assert_no_error(error);
    copy_end(&c);
}

static void
test_good_copies_pass(ApiTest *t, gconstpointer unused)
{
    const char *src = api_test_path(t, "src");

    for (unsigned i = 0; i < G_N_ELEMENTS(kinds); i++)
        for (uint32_t seed = 0; seed < 4; seed++) {
            VdDisk *source;

            api_test_make_sparse(src, 9 * MIB + seed * 200, 7 * i + seed);
            source = api_test_open(t, src, "raw", 0);
            verify_kind(t, kinds[i], source);
            api_test_close(source);
        }
}

static void
test_zeroes_cost_no_reading(ApiTest *t, gconstpointer unused)
{
    VdDisk *source = api_test_memory(t, 1024 * GIB);

    verify_kind(t, "raw", source);
    verify_kind(t, "monolithicSparse", source);
    verify_kind(t, "streamOptimized", source);
    api_test_close(source);
}

static void
test_long_zero_runs_make_long_items(ApiTest *t, gconstpointer unused)
{
    const char *src = api_test_path(t, "src");
    GError *error = NULL;
    VdDisk *source;
    Copy c;

    api_test_make_sparse(src, 40 * MIB, 3);
    source = api_test_open(t, src, "raw", 0);
    copy_begin(&c, t, "raw", api_test_path(t, "dst"), 40 * MIB);
    c.params.sparse_size = 16 * MIB;
    copy_fill(&c, &source, 1);
    g_assert_cmpuint(copy_verify(&c, &error), ==, 40 * MIB);
    g_assert_no_error(error);
    copy_end(&c);
    api_test_close(source);
}

static void
test_all_of_several_sources_counts(ApiTest *t, gconstpointer unused)
{
    const char *a = api_test_path(t, "a"), *b = api_test_path(t, "b");
    uint64_t joint = 3 * MIB + 512 + 5 * MIB;
    GError *error = NULL;
    VdDisk *sources[2];
    Copy c;

    api_test_make_full(a, 3 * MIB + 100, 1);
    api_test_make_sparse(b, 5 * MIB, 2);
    sources[0] = api_test_open(t, a, "raw", 0);
    sources[1] = api_test_open(t, b, "raw", 0);
    copy_begin(&c, t, "raw", api_test_path(t, "dst"), joint);
    copy_fill(&c, sources, 2);
    g_assert_cmpuint(copy_verify(&c, &error), ==, joint);
    g_assert_no_error(error);
    copy_end(&c);
    api_test_close(sources[0]);
    api_test_close(sources[1]);
}

static void
test_what_a_parent_provides_is_left_out(ApiTest *t, gconstpointer unused)
{
    const char *base = api_test_path(t, "base.vmdk");
    VdCreateParams params = {.filename = base, .format = "vmdk", .size = MIB};
    VdCreateParams child = {.filename = api_test_path(t, "child.vmdk"),
                            .format = "vmdk",
                            .size = UINT64_MAX,
                            .backing_file = base,
                            .backing_format = "vmdk"};
    GError *error = NULL;
    VdDisk *source;
    Copy c = {.t = t, .params = {.sparse_size = 4096, .skip_depth = 1}};
    uint8_t bytes[4096];

    vd_create(t->ctx, &params, &error);
    vd_create(t->ctx, &child, &error);
    g_assert_no_error(error);
    api_test_fill(bytes, sizeof(bytes), 0, 1);
    source = api_test_open(t, child.filename, "vmdk", VD_OPEN_RDWR);
    vd_disk_pwrite(source, bytes, sizeof(bytes), 256 * KIB, 0, &error);
    g_assert_no_error(error);
    child.filename = api_test_path(t, "copy.vmdk");
    c.creation = vd_create_begin(t->ctx, &child, &error);
    c.sums = c.params.sums = vd_copy_sums_new();
    copy_fill(&c, &source, 1);
    g_assert_cmpuint(copy_verify(&c, &error), ==, 64 * KIB);
    g_assert_no_error(error);
    copy_end(&c);
    api_test_close(source);
}

/* -- the source --------------------------------------------------------------
 */

/* The raw @src and the streamOptimized @stream, of the same 6 MiB. */
static void
make_stream(ApiTest *t, const char *src, const char *stream)
{
    GError *error = NULL;
    VdDisk *source;
    Copy c;

    api_test_make_full(src, 6 * MIB, 5);
    source = api_test_open(t, src, "raw", 0);
    copy_begin(&c, t, "streamOptimized", stream, 6 * MIB);
    copy_fill(&c, &source, 1);
    vd_creation_commit(g_steal_pointer(&c.creation), &error);
    g_assert_no_error(error);
    copy_end(&c);
    api_test_close(source);
}

/* Of a disk that nothing is known of yet. */
static uint64_t
bytes_read_by_copy(ApiTest *t, const char *path, const char *kind, bool verify)
{
    VdDisk *source = api_test_open(t, path, NULL, 0);
    VdStats stats;
    GError *error = NULL;
    Copy c;

    copy_begin(&c, t, kind, api_test_path(t, "dst"), vd_disk_size(source));
    c.params.sums = verify ? c.sums : NULL;
    copy_fill(&c, &source, 1);
    if (verify)
        (void) copy_verify(&c, &error);
    g_assert_no_error(error);
    vd_disk_get_stats(source, &stats);
    copy_end(&c);
    api_test_close(source);
    return stats.leaf_read_bytes;
}

static void
test_source_is_read_once(ApiTest *t, gconstpointer unused)
{
    static const char *const ways[] = {"raw", "streamOptimized"};
    const char *files[] = {api_test_path(t, "src"),
                           api_test_path(t, "stream.vmdk")};

    make_stream(t, files[0], files[1]);
    for (unsigned i = 0; i < G_N_ELEMENTS(files); i++)
        for (unsigned j = 0; j < G_N_ELEMENTS(ways); j++)
            g_assert_cmpuint(bytes_read_by_copy(t, files[i], ways[j], true), ==,
                             bytes_read_by_copy(t, files[i], ways[j], false));
}

/* It can be handed over all the same; only who verifies looks inside. */
static void
test_damaged_record_of_the_source_is_found(ApiTest *t, gconstpointer unused)
{
    const char *src = api_test_path(t, "src");
    const char *stream = api_test_path(t, "stream.vmdk");
    GError *error = NULL;
    VdDisk *source, *target;
    Copy c;

    make_stream(t, src, stream);
    damage(stream, api_test_file_size(stream) / 2, -1);

    source = api_test_open(t, stream, "vmdk", 0);
    copy_begin(&c, t, "streamOptimized", api_test_path(t, "dst"), 6 * MIB);
    target = vd_creation_disk(c.creation, &error);
    g_assert_false(vd_copy(&source, 1, target, &c.params, NULL, &error));
    g_assert_error(error, VD_ERROR, VD_ERROR_CORRUPT);
    g_assert_true(g_str_has_prefix(error->message, "error while reading at "));
    g_error_free(error);
    (void) vd_disk_close(target, NULL);
    copy_end(&c);
    api_test_close(source);
}

/* -- what is wrong -----------------------------------------------------------
 */

/* Data of 4 MiB, then a hole of 4 MiB. */
static void
begin_half(ApiTest *t, Copy *c, const char *kind, const char *name)
{
    const char *src = api_test_path(t, "src");
    VdDisk *source;

    api_test_make_full(src, 4 * MIB, 9);
    g_assert_cmpint(truncate(src, 8 * MIB), ==, 0);
    source = api_test_open(t, src, "raw", 0);
    copy_begin(c, t, kind, api_test_path(t, name), 8 * MIB);
    copy_fill(c, &source, 1);
    api_test_close(source);
}

static void
test_changed_data_are_found(ApiTest *t, gconstpointer unused)
{
    static const uint64_t places[] = {0, MIB - 1, 2 * MIB + 77, 4 * MIB - 1};
    GError *error = NULL;
    Copy c;

    for (unsigned i = 0; i < G_N_ELEMENTS(places); i++) {
        uint64_t piece = places[i] / MIB * MIB;
        g_autofree char *text = g_strdup_printf(
            "the 1048576 bytes at offset %" G_GUINT64_FORMAT " are not", piece);

        begin_half(t, &c, "raw", "dst");
        damage(api_test_path(t, "dst"), places[i], -1);
        (void) copy_verify(&c, &error);
        assert_failed(g_steal_pointer(&error), "dst", text);
        copy_end(&c);
    }
}

static void
test_lowest_of_several_is_told(ApiTest *t, gconstpointer unused)
{
    GError *error = NULL;
    Copy c;

    begin_half(t, &c, "raw", "dst");
    for (uint64_t off = 8 * MIB - 1; off > MIB; off -= 300 * KIB)
        damage(api_test_path(t, "dst"), off, 0xaa);
    (void) copy_verify(&c, &error);
    assert_failed(error, "dst", "bytes at offset 1048576 ");
    copy_end(&c);
}

static void
test_something_in_a_hole_is_found(ApiTest *t, gconstpointer unused)
{
    static const uint64_t places[] = {4 * MIB, 6 * MIB + 5, 8 * MIB - 1};
    GError *error = NULL;
    Copy c;

    for (unsigned i = 0; i < G_N_ELEMENTS(places); i++) {
        g_autofree char *text = g_strdup_printf(
            "the byte at offset %" G_GUINT64_FORMAT " is 0xaa", places[i]);

        begin_half(t, &c, "raw", "dst");
        damage(api_test_path(t, "dst"), places[i], 0xaa);
        (void) copy_verify(&c, &error);
        assert_failed(g_steal_pointer(&error), "dst", text);
        copy_end(&c);
    }
}

static void
test_every_kind_is_read_from_its_files(ApiTest *t, gconstpointer unused)
{
    static const struct {
        const char *kind, *file;
    } cases[] = {
        {"monolithicSparse", "d.vmdk"},
        {"monolithicFlat", "d-flat.vmdk"},
        {"twoGbMaxExtentSparse", "d-s001.vmdk"},
        {"twoGbMaxExtentFlat", "d-f001.vmdk"},
        {"streamOptimized", "d.vmdk"},
    };
    GError *error = NULL;
    Copy c;

    for (unsigned i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_test_message("%s", cases[i].kind);
        begin_half(t, &c, cases[i].kind, "d.vmdk");
        damage(api_test_path(t, cases[i].file), MIB + 99, -1);
        (void) copy_verify(&c, &error);
        g_assert_error(error, VD_ERROR, VD_ERROR_CORRUPT);
        g_clear_error(&error);
        copy_end(&c);
    }
}

static void
test_lost_table_is_found(ApiTest *t, gconstpointer unused)
{
    GError *error = NULL;
    uint8_t head[512];
    uint64_t directory;
    uint32_t table;
    Copy c;
    int fd;

    begin_half(t, &c, "monolithicSparse", "d.vmdk");
    fd = open(api_test_path(t, "d.vmdk"), O_RDWR | O_CLOEXEC);
    g_assert_cmpint(pread(fd, head, sizeof(head), 0), ==, sizeof(head));
    memcpy(&directory, head + 56, sizeof(directory));
    directory = GUINT64_FROM_LE(directory) * 512;
    g_assert_cmpint(pread(fd, &table, 4, (off_t) directory), ==, 4);
    memset(head, 0, sizeof(head));
    g_assert_cmpint(
        pwrite(fd, head, 4, (off_t) GUINT32_FROM_LE(table) * 512 + 4 * 4), ==,
        4);
    (void) close(fd);
    (void) copy_verify(&c, &error);
    assert_failed(error, "d.vmdk", "bytes at offset 0 ");
    copy_end(&c);
}

static void
test_short_target_is_found(ApiTest *t, gconstpointer unused)
{
    GError *error = NULL;
    Copy c;

    begin_half(t, &c, "raw", "dst");
    g_assert_cmpint(truncate(api_test_path(t, "dst"), 8 * MIB - 512), ==, 0);
    (void) copy_verify(&c, &error);
    assert_failed(error, "dst", "has 8388096 bytes");
    copy_end(&c);
}

static void
test_cancelling_ends_it(ApiTest *t, gconstpointer unused)
{
    GError *error = NULL;
    uint64_t verified;
    VdDisk *target;
    Copy c;

    begin_half(t, &c, "raw", "dst");
    target = vd_creation_reopen(c.creation, 0, &error);
    g_assert_no_error(error);
    vd_context_cancel(t->ctx);
    g_assert_false(
        vd_copy_verify(target, c.sums, NULL, NULL, &verified, &error));
    g_assert_error(error, VD_ERROR, VD_ERROR_CANCELLED);
    g_error_free(error);
    vd_context_cancel_reset(t->ctx);
    api_test_close(target);
    copy_end(&c);
}

/* -- direct, if it can be ----------------------------------------------------
 */

static void
test_page_cache_is_told_of(ApiTest *t, gconstpointer unused)
{
    /* A regular file of a file system that never has direct I/O. */
    const char *path = "/proc/version";
    GError *error = NULL;
    VdDisk *disk;

    disk = vd_disk_open(t->ctx, path, "raw", NULL,
                        VD_OPEN_DIRECT | VD_OPEN_NO_LOCK, &error);
    g_assert_null(disk);
    g_assert_error(error, VD_ERROR, VD_ERROR_NOT_SUPPORTED);
    g_clear_error(&error);
    disk = api_test_open(t, path, "raw", VD_OPEN_TRY_DIRECT | VD_OPEN_NO_LOCK);
    g_assert_cmpuint(t->warnings->len, ==, 1);
    g_assert_nonnull(strstr(t->warnings->pdata[0], "/proc/version: "));
    g_assert_nonnull(strstr(t->warnings->pdata[0], "page cache"));
    api_test_close(disk);
}

static void
test_other_failures_stay_failures(ApiTest *t, gconstpointer unused)
{
    GError *error = NULL;

    g_assert_null(vd_disk_open(t->ctx, api_test_path(t, "none"), "raw", NULL,
                               VD_OPEN_TRY_DIRECT, &error));
    g_assert_error(error, VD_ERROR, VD_ERROR_NOT_FOUND);
    g_error_free(error);
    g_assert_cmpuint(t->warnings->len, ==, 0);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    api_test_add("/api/verify/good-copies-pass", test_good_copies_pass);
    api_test_add("/api/verify/zeroes-cost-no-reading",
                 test_zeroes_cost_no_reading);
    api_test_add("/api/verify/long-items", test_long_zero_runs_make_long_items);
    api_test_add("/api/verify/several-sources",
                 test_all_of_several_sources_counts);
    api_test_add("/api/verify/parents-part-is-left-out",
                 test_what_a_parent_provides_is_left_out);
    api_test_add("/api/verify/source-is-read-once", test_source_is_read_once);
    api_test_add("/api/verify/damaged-record-of-the-source",
                 test_damaged_record_of_the_source_is_found);
    api_test_add("/api/verify/changed-data", test_changed_data_are_found);
    api_test_add("/api/verify/lowest-is-told", test_lowest_of_several_is_told);
    api_test_add("/api/verify/something-in-a-hole",
                 test_something_in_a_hole_is_found);
    api_test_add("/api/verify/every-kind",
                 test_every_kind_is_read_from_its_files);
    api_test_add("/api/verify/lost-table", test_lost_table_is_found);
    api_test_add("/api/verify/short-target", test_short_target_is_found);
    api_test_add("/api/verify/cancel", test_cancelling_ends_it);
    api_test_add("/api/verify/page-cache-is-told-of",
                 test_page_cache_is_told_of);
    api_test_add("/api/verify/other-failures",
                 test_other_failures_stay_failures);
    return g_test_run();
}
