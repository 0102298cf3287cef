/* SPDX-License-Identifier: BSD-3-Clause */
/* tests/unit/test-proto-file.c - the file driver on regular files. */
#include "block/rw.h"
#include "io/fd.h"
#include "tests/support/co-test.h"
#include "tests/support/pattern.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define KIB UINT64_C(1024)
#define MIB (KIB * KIB)

/* A file of the test's, @size bytes, all hole. */
static VdNode *
open_new(TestCo *t, uint64_t size, VdOpenFlags flags)
{
    g_autofree char *path = test_co_path(t, "f");

    test_file_make(path, size);
    return test_co_open_file(t, "file", "f", flags);
}

static uint64_t
allocated(TestCo *t)
{
    g_autofree char *path = test_co_path(t, "f");

    return test_file_allocated(path);
}

static VdRun
map_at(VdNode *node, uint64_t off, uint64_t len, unsigned want)
{
    g_autoptr(GError) error = NULL;
    VdRun run;

    vd_node_co_map(node, off, len, want, &run, &error);
    g_assert_no_error(error);
    return run;
}

/* -- open -------------------------------------------------------------------
 */

static void
test_missing_file_says_so(TestCo *t)
{
    g_autofree char *path = test_co_path(t, "nothing");
    g_autofree char *options = g_strdup_printf("driver=file,filename=%s", path);
    g_autofree char *wanted =
        g_strdup_printf("Could not open '%s': No such file or directory", path);
    g_autoptr(GError) error = NULL;

    g_assert_null(test_co_try_open(t, options, 0, &error));
    g_assert_error(error, VD_ERROR, VD_ERROR_NOT_FOUND);
    g_assert_true(g_str_has_suffix(error->message, wanted));
}

static void
test_odd_files_are_refused(TestCo *t)
{
    g_autofree char *pipe = test_co_path(t, "pipe");
    g_autofree char *options = g_strdup_printf("driver=file,filename=%s", pipe);
    g_autofree char *dir = g_strdup_printf("driver=file,filename=%s", t->dir);
    g_autoptr(GError) of_pipe = NULL;
    g_autoptr(GError) of_dir = NULL;

    g_assert_cmpint(mkfifo(pipe, 0600), ==, 0);
    g_assert_null(test_co_try_open(t, options, 0, &of_pipe));
    g_assert_error(of_pipe, VD_ERROR, VD_ERROR_INVALID_ARGUMENT);
    g_assert_null(test_co_try_open(t, dir, 0, &of_dir));
    g_assert_nonnull(strstr(of_dir->message, "to be a regular file"));
}

static void
test_options_are_checked(TestCo *t)
{
    static const char *const bad[] = {
        "driver=file", "driver=file,filename=", "driver=file,filename=/,x=y",
        "driver=file,filename=/,locking=maybe"};

    for (unsigned i = 0; i < G_N_ELEMENTS(bad); i++) {
        g_autoptr(GError) error = NULL;

        g_assert_null(test_co_try_open(t, bad[i], 0, &error));
        g_assert_nonnull(error);
    }
}

static void
test_second_writer_is_refused(TestCo *t)
{
    VdNode *first = open_new(t, MIB, VD_OPEN_RDWR);
    g_autofree char *path = test_co_path(t, "f");
    g_autofree char *options = g_strdup_printf("driver=file,filename=%s", path);
    g_autofree char *unlocked =
        g_strdup_printf("driver=file,locking=off,filename=%s", path);
    g_autoptr(GError) error = NULL;
    VdNode *second;

    g_assert_null(test_co_try_open(t, options, VD_OPEN_RDWR, &error));
    g_assert_error(error, VD_ERROR, VD_ERROR_IN_USE);
    g_assert_nonnull(strstr(error->message, "Failed to get \"write\" lock"));
    second = test_co_open(t, unlocked, VD_OPEN_RDWR);
    test_co_close(second);
    second = test_co_open(t, options, VD_OPEN_RDWR | VD_OPEN_NO_LOCK);
    test_co_close(second);
    test_co_close(first);
    second = test_co_open(t, options, VD_OPEN_RDWR);
    test_co_close(second);
}

static void
test_force_share_reads_beside_a_writer(TestCo *t)
{
    VdNode *writer = open_new(t, MIB, VD_OPEN_RDWR);
    VdNode *reader = test_co_open_file(t, "file", "f", VD_OPEN_FORCE_SHARE);

    test_co_write_pattern(writer, 0, 4096, 1);
    test_co_assert_pattern(reader, 0, 4096, 1);
    /* What the other one writes is never taken for a hole. */
    g_assert_cmpint(map_at(reader, 64 * KIB, KIB, VD_WANT_ZERO).kind, ==,
                    VD_RUN_ZERO);
    test_co_write_pattern(writer, 64 * KIB, 64 * KIB, 1);
    g_assert_cmpint(map_at(reader, 64 * KIB, KIB, VD_WANT_ZERO).kind, ==,
                    VD_RUN_DATA);
    test_co_close(reader);
    test_co_close(writer);
}

static void
test_readers_share(TestCo *t)
{
    VdNode *first = open_new(t, MIB, 0);
    VdNode *second = test_co_open_file(t, "file", "f", 0);

    test_co_close(second);
    test_co_close(first);
}

static void
test_vmware_lock_keeps_writers_out(TestCo *t)
{
    g_autofree char *path = test_co_path(t, "f");
    g_autofree char *dir = g_strconcat(path, ".lck", NULL);
    g_autofree char *member = g_build_filename(dir, "M01234.lck", NULL);
    g_autofree char *options = g_strdup_printf("driver=file,filename=%s", path);
    g_autoptr(GError) error = NULL;
    char text[512] = "uuid=another-machine 1-2(vmx) 1 X 01234 lc=1";
    VdNode *node;

    test_file_make(path, MIB);
    g_assert_cmpint(mkdir(dir, 0777), ==, 0);
    g_assert_true(g_file_set_contents(member, text, sizeof(text), NULL));
    g_assert_null(test_co_try_open(t, options, VD_OPEN_RDWR, &error));
    g_assert_error(error, VD_ERROR, VD_ERROR_IN_USE);
    node = test_co_open(t, options, 0); /* readers do not mind */
    test_co_close(node);
}

/* -- data -------------------------------------------------------------------
 */

static void
test_reads_back_writes(TestCo *t)
{
    VdNode *node = open_new(t, 8 * MIB, VD_OPEN_RDWR);

    test_co_write_pattern(node, 12345, 3 * MIB, 7);
    test_co_assert_zero(node, 0, 12345);
    test_co_assert_pattern(node, 12345, 3 * MIB, 7);
    test_co_close(node);
    node = test_co_open_file(t, "file", "f", 0);
    test_co_assert_pattern(node, 12345, 3 * MIB, 7);
    test_co_close(node);
}

static void
test_fua_and_flush_work(TestCo *t)
{
    VdNode *node = open_new(t, MIB, VD_OPEN_RDWR);
    g_autofree uint8_t *buf = g_malloc(4096);
    g_autoptr(GError) error = NULL;
    struct iovec iov;
    VioVec src = vio_vec_from_buf(&iov, buf, 4096);

    test_pattern_fill(buf, 4096, 8192, 1);
    vd_node_co_pwritev(node, 8192, &src, VD_REQ_FUA, &error);
    g_assert_no_error(error);
    vd_node_co_flush(node, &error);
    g_assert_no_error(error);
    test_co_assert_pattern(node, 8192, 4096, 1);
    test_co_close(node);
}

static void
test_file_cut_behind_our_back_is_an_error(TestCo *t)
{
    g_autofree char *path = test_co_path(t, "f");
    VdNode *node = open_new(t, MIB, 0);
    g_autoptr(GError) error = NULL;
    uint8_t buf[512];

    g_assert_cmpint(truncate(path, 1000), ==, 0);
    g_assert_false(vd_node_co_pread(node, 900, buf, sizeof(buf), &error));
    g_assert_error(error, VD_ERROR, VD_ERROR_IO);
    g_assert_nonnull(strstr(error->message, "ends at byte 1000"));
    test_co_close(node);
}

static void
test_write_errors_name_file_and_offset(TestCo *t)
{
    VdNode *node = open_new(t, MIB, VD_OPEN_RDWR);
    g_autofree char *path = test_co_path(t, "f");
    g_autoptr(GError) error = NULL;

    g_assert_false(
        vd_node_co_truncate(node, VD_MAX_SIZE, VD_PREALLOC_FALLOC, &error));
    g_assert_nonnull(error);
    g_assert_true(g_str_has_prefix(error->message, path));
    g_assert_cmpuint(vd_node_size(node), ==, MIB);
    g_assert_cmpuint(test_file_size(path), ==, MIB);
    test_co_close(node);
}

/* -- map --------------------------------------------------------------------
 */

static void
test_map_tells_holes_only_when_asked(TestCo *t)
{
    VdNode *node = open_new(t, 8 * MIB, VD_OPEN_RDWR);
    VdRun run;

    test_co_write_pattern(node, 2 * MIB, MIB, 1);
    run = map_at(node, 0, 8 * MIB, 0);
    g_assert_cmpint(run.kind, ==, VD_RUN_DATA);
    g_assert_cmpuint(run.len, ==, 8 * MIB);
    run = map_at(node, 0, 8 * MIB, VD_WANT_ZERO);
    g_assert_cmpint(run.kind, ==, VD_RUN_ZERO);
    g_assert_cmpuint(run.len, ==, 2 * MIB);
    run = map_at(node, 2 * MIB + 512, 4 * MIB, VD_WANT_ZERO);
    g_assert_cmpint(run.kind, ==, VD_RUN_DATA);
    g_assert_cmpuint(run.len, ==, MIB - 512);
    g_assert_cmpuint(run.child_off, ==, 2 * MIB + 512);
    run = map_at(node, 3 * MIB, 5 * MIB, VD_WANT_ZERO);
    g_assert_cmpint(run.kind, ==, VD_RUN_ZERO);
    g_assert_cmpuint(run.len, ==, 5 * MIB);
    test_co_close(node);
}

static void
test_map_follows_changes(TestCo *t)
{
    VdNode *node = open_new(t, 8 * MIB, VD_OPEN_RDWR | VD_OPEN_UNMAP);
    g_autoptr(GError) error = NULL;

    g_assert_cmpint(map_at(node, MIB, MIB, VD_WANT_ZERO).kind, ==, VD_RUN_ZERO);
    test_co_write_pattern(node, 0, 4 * MIB, 1);
    g_assert_cmpint(map_at(node, MIB, MIB, VD_WANT_ZERO).kind, ==, VD_RUN_DATA);
    vd_node_co_discard(node, MIB, MIB, &error);
    g_assert_no_error(error);
    g_assert_cmpint(map_at(node, MIB, MIB, VD_WANT_ZERO).kind, ==, VD_RUN_ZERO);
    test_co_write_pattern(node, MIB, MIB, 1);
    vd_node_co_write_zeroes(node, 2 * MIB, MIB, VD_REQ_MAY_UNMAP, &error);
    g_assert_no_error(error);
    g_assert_cmpuint(map_at(node, MIB, 3 * MIB, VD_WANT_ZERO).len, ==, MIB);
    test_co_close(node);
}

/* -- zeroes and discard -----------------------------------------------------
 */

static void
zero_middle(TestCo *t, VdReqFlags flags)
{
    VdNode *node = open_new(t, 4 * MIB, VD_OPEN_RDWR | VD_OPEN_UNMAP);
    g_autoptr(GError) error = NULL;

    test_co_write_pattern(node, 0, 4 * MIB, 1);
    vd_node_co_write_zeroes(node, MIB + 100, 2 * MIB, flags, &error);
    g_assert_no_error(error);
    test_co_assert_pattern(node, 0, MIB + 100, 1);
    test_co_assert_zero(node, MIB + 100, 2 * MIB);
    test_co_assert_pattern(node, 3 * MIB + 100, MIB - 100, 1);
    test_co_close(node);
}

static void
test_zeroes_keep_their_space(TestCo *t)
{
    zero_middle(t, 0);
    g_assert_cmpuint(allocated(t), >=, 4 * MIB);
}

static void
test_zeroes_that_may_unmap_give_space_back(TestCo *t)
{
    zero_middle(t, VD_REQ_MAY_UNMAP);
    g_assert_cmpuint(allocated(t), <, 4 * MIB);
}

static void
test_zeroes_behind_the_end_make_it_longer(TestCo *t)
{
    g_autofree char *path = test_co_path(t, "f");
    g_autoptr(GError) error = NULL;
    VdNode *node, *file;

    test_file_make(path, MIB + 100);
    node = test_co_open_file(t, "raw", "f", VD_OPEN_RDWR | VD_OPEN_UNMAP);
    file = vd_node_child(node, "file");
    vd_node_co_write_zeroes(file, MIB, MIB, VD_REQ_MAY_UNMAP, &error);
    g_assert_no_error(error);
    g_assert_cmpuint(vd_node_size(file), ==, 2 * MIB);
    g_assert_cmpuint(test_file_size(path), ==, 2 * MIB);
    test_co_assert_zero(file, 0, 2 * MIB);
    test_co_close(node);
}

static void
test_discard_gives_space_back(TestCo *t)
{
    VdNode *node = open_new(t, 4 * MIB, VD_OPEN_RDWR | VD_OPEN_UNMAP);
    g_autoptr(GError) error = NULL;

    test_co_write_pattern(node, 0, 4 * MIB, 1);
    vd_node_co_discard(node, 0, 2 * MIB, &error);
    g_assert_no_error(error);
    g_assert_cmpuint(allocated(t), <=, 2 * MIB + 64 * KIB);
    test_co_assert_pattern(node, 2 * MIB, 2 * MIB, 1);
    test_co_close(node);
}

/* -- size -------------------------------------------------------------------
 */

static void
resize(TestCo *t, uint64_t size, VdPrealloc prealloc)
{
    VdNode *node = open_new(t, MIB, VD_OPEN_RDWR);
    g_autofree char *path = test_co_path(t, "f");
    g_autoptr(GError) error = NULL;

    test_co_write_pattern(node, 0, MIB, 1);
    vd_node_co_truncate(node, size, prealloc, &error);
    g_assert_no_error(error);
    g_assert_cmpuint(vd_node_size(node), ==, size);
    g_assert_cmpuint(test_file_size(path), ==, size);
    test_co_assert_pattern(node, 0, MIN(size, MIB), 1);
    if (size > MIB)
        test_co_assert_zero(node, MIB, size - MIB);
    test_co_close(node);
}

static void
test_grow_sparsely(TestCo *t)
{
    resize(t, 64 * MIB, VD_PREALLOC_OFF);
    g_assert_cmpuint(allocated(t), <, 2 * MIB);
}

static void
test_grow_reserving_space(TestCo *t)
{
    resize(t, 5 * MIB + 1, VD_PREALLOC_FALLOC);
    g_assert_cmpuint(allocated(t), >=, 5 * MIB);
}

static void
test_grow_writing_zeroes(TestCo *t)
{
    resize(t, 5 * MIB + 1, VD_PREALLOC_FULL);
    g_assert_cmpuint(allocated(t), >=, 5 * MIB);
}

static void
test_shrink(TestCo *t)
{
    resize(t, 12345, VD_PREALLOC_OFF);
}

static void
test_odd_preallocation_is_refused(TestCo *t)
{
    VdNode *node = open_new(t, MIB, VD_OPEN_RDWR);
    g_autoptr(GError) of_shrink = NULL;
    g_autoptr(GError) of_metadata = NULL;

    g_assert_false(vd_node_co_truncate(node, 10, VD_PREALLOC_FULL, &of_shrink));
    g_assert_error(of_shrink, VD_ERROR, VD_ERROR_INVALID_ARGUMENT);
    g_assert_false(
        vd_node_co_truncate(node, 2 * MIB, VD_PREALLOC_METADATA, &of_metadata));
    g_assert_error(of_metadata, VD_ERROR, VD_ERROR_NOT_SUPPORTED);
    g_assert_cmpuint(vd_node_size(node), ==, MIB);
    test_co_close(node);
}

/* -- copy -------------------------------------------------------------------
 */

/* Whether extents can be shared depends on the file system; that bytes arrive
 * or nothing is claimed does not. */
static void
copy(TestCo *t, const char *offload, bool must_work)
{
    VdNode *src = open_new(t, MIB, VD_OPEN_RDWR);
    g_autofree char *path = test_co_path(t, "copy");
    g_autofree char *options = g_strdup_printf(
        "driver=file,copy-offload=%s,filename=%s", offload, path);
    g_autoptr(GError) error = NULL;
    VdNode *dst;
    bool ok;

    test_co_write_pattern(src, 0, MIB, 1);
    test_file_make(path, 2 * MIB);
    dst = test_co_open(t, options, VD_OPEN_RDWR);
    ok = vd_node_co_copy_range(src, 64 * KIB, dst, 64 * KIB, 512 * KIB, false,
                               &error);
    if (ok) {
        test_co_assert_zero(dst, 0, 64 * KIB);
        test_co_assert_pattern(dst, 64 * KIB, 512 * KIB, 1);
        test_co_assert_zero(dst, 576 * KIB, KIB);
    } else {
        g_assert_error(error, VD_ERROR, VD_ERROR_NOT_SUPPORTED);
        test_co_assert_zero(dst, 0, 2 * MIB);
    }
    g_assert_true(ok || !must_work);
    test_co_close(dst);
    test_co_close(src);
}

static void
test_copy_by_sharing(TestCo *t)
{
    copy(t, "reflink", false);
}

static void
test_copy_in_the_kernel_when_asked(TestCo *t)
{
    copy(t, "full", true);
}

static void
test_copy_can_be_switched_off(TestCo *t)
{
    VdNode *src = open_new(t, MIB, 0);
    g_autofree char *path = test_co_path(t, "copy");
    g_autofree char *options =
        g_strdup_printf("driver=file,copy-offload=off,filename=%s", path);
    g_autoptr(GError) error = NULL;
    VdNode *dst;

    test_file_make(path, MIB);
    dst = test_co_open(t, options, VD_OPEN_RDWR);
    g_assert_false(vd_node_co_copy_range(src, 0, dst, 0, MIB, false, &error));
    g_assert_error(error, VD_ERROR, VD_ERROR_NOT_SUPPORTED);
    test_co_close(dst);
    test_co_close(src);
}

static void
test_allocated_size_counts_blocks(TestCo *t)
{
    VdNode *node = open_new(t, 64 * MIB, VD_OPEN_RDWR);

    test_co_write_pattern(node, 0, MIB, 1);
    g_assert_cmpint(vd_node_co_allocated_size(node), ==, allocated(t));
    g_assert_cmpint(vd_node_co_allocated_size(node), <, 64 * MIB);
    test_co_close(node);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    test_co_add("/file/open/missing-file-says-so", test_missing_file_says_so);
    test_co_add("/file/open/odd-files-are-refused", test_odd_files_are_refused);
    test_co_add("/file/open/options-are-checked", test_options_are_checked);
    test_co_add("/file/lock/second-writer-is-refused",
                test_second_writer_is_refused);
    test_co_add("/file/lock/force-share-reads-beside-a-writer",
                test_force_share_reads_beside_a_writer);
    test_co_add("/file/lock/readers-share", test_readers_share);
    test_co_add("/file/lock/vmware-lock-keeps-writers-out",
                test_vmware_lock_keeps_writers_out);
    test_co_add("/file/data/reads-back-writes", test_reads_back_writes);
    test_co_add("/file/data/fua-and-flush-work", test_fua_and_flush_work);
    test_co_add("/file/data/file-cut-behind-our-back-is-an-error",
                test_file_cut_behind_our_back_is_an_error);
    test_co_add("/file/data/write-errors-name-file-and-offset",
                test_write_errors_name_file_and_offset);
    test_co_add("/file/map/tells-holes-only-when-asked",
                test_map_tells_holes_only_when_asked);
    test_co_add("/file/map/follows-changes", test_map_follows_changes);
    test_co_add("/file/zeroes/keep-their-space", test_zeroes_keep_their_space);
    test_co_add("/file/zeroes/that-may-unmap-give-space-back",
                test_zeroes_that_may_unmap_give_space_back);
    test_co_add("/file/discard/gives-space-back",
                test_discard_gives_space_back);
    test_co_add("/file/zeroes/behind-the-end-make-it-longer",
                test_zeroes_behind_the_end_make_it_longer);
    test_co_add("/file/size/grow-sparsely", test_grow_sparsely);
    test_co_add("/file/size/grow-reserving-space", test_grow_reserving_space);
    test_co_add("/file/size/grow-writing-zeroes", test_grow_writing_zeroes);
    test_co_add("/file/size/shrink", test_shrink);
    test_co_add("/file/size/odd-preallocation-is-refused",
                test_odd_preallocation_is_refused);
    test_co_add("/file/copy/by-sharing", test_copy_by_sharing);
    test_co_add("/file/copy/in-the-kernel-when-asked",
                test_copy_in_the_kernel_when_asked);
    test_co_add("/file/copy/can-be-switched-off",
                test_copy_can_be_switched_off);
    test_co_add("/file/size/allocated-size-counts-blocks",
                test_allocated_size_counts_blocks);
    return g_test_run();
}
