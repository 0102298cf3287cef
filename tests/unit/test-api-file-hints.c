/* SPDX-License-Identifier: BSD-3-Clause */
/* test-api-file-hints - what a new file's system is told.
 *
 * The program has an ioctl() of its own, which stands in for file systems that
 * know the hints, and for those that refuse them.
 */
#include "api-test.h"

#include <errno.h>
#include <linux/fs.h>
#include <stdarg.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

static struct {
    int extent_error, flags_error; /* errno to fail with */
    unsigned extents, flags;       /* how many files were told */
    uint32_t extent_size, extent_flags;
    int file_flags;
} host;

static int
fail_with(int errnum)
{
    errno = errnum;
    return errnum ? -1 : 0;
}

static int
told_extent(const struct fsxattr *attr)
{
    host.extents++;
    host.extent_size = attr->fsx_extsize;
    host.extent_flags = attr->fsx_xflags;
    return fail_with(host.extent_error);
}

static int
told_flags(const int *flags)
{
    host.flags++;
    host.file_flags = *flags;
    return fail_with(host.flags_error);
}

__attribute__((visibility("default"))) int
ioctl(int fd, unsigned long request, ...)
{
    va_list args;

    va_start(args, request);
    void *arg = va_arg(args, void *);
    va_end(args);
    if (request == FS_IOC_FSGETXATTR)
        memset(arg, 0, sizeof(struct fsxattr));
    else if (request == FS_IOC_FSSETXATTR)
        return told_extent(arg);
    else if (request == FS_IOC_GETFLAGS)
        *(int *) arg = FS_NOATIME_FL;
    else if (request == FS_IOC_SETFLAGS)
        return told_flags(arg);
    else
        return (int) syscall(SYS_ioctl, fd, request, arg);
    return 0;
}

static void
create(const ApiTest *t, const char *format, const char *options)
{
    VdCreateParams params = {.filename = api_test_path(t, "new"),
                             .format = format,
                             .size = 3 * MIB,
                             .options = options};
    GError *error = NULL;

    g_assert_true(vd_create(t->ctx, &params, &error));
    g_assert_no_error(error);
}

static const char *
only_warning(const ApiTest *t)
{
    g_assert_cmpuint(t->warnings->len, ==, 1);
    return t->warnings->pdata[0];
}

static void
set_up(ApiTest *t, gconstpointer params)
{
    memset(&host, 0, sizeof(host));
    api_test_set_up(t, params);
}

static void
test_new_files_grow_by_mebibytes(ApiTest *t, gconstpointer unused)
{
    create(t, "raw", NULL);
    g_assert_cmpuint(host.extents, ==, 1);
    g_assert_cmpuint(host.extent_size, ==, MIB);
    g_assert_true(host.extent_flags & FS_XFLAG_EXTSIZE);
    g_assert_cmpuint(host.flags, ==, 0);
}

static void
test_every_file_of_an_image_is_told(ApiTest *t, gconstpointer unused)
{
    create(t, "vmdk", "subformat=monolithicFlat,extent_size_hint=64k,nocow=on");
    g_assert_cmpuint(host.extents, ==, 2);
    g_assert_cmpuint(host.extent_size, ==, 64 * KIB);
    g_assert_cmpuint(host.flags, ==, 2);
    g_assert_cmpint(host.file_flags, ==, FS_NOATIME_FL | FS_NOCOW_FL);
}

static void
test_a_successor_is_told_too(ApiTest *t, gconstpointer unused)
{
    create(t, "raw", NULL);
    create(t, "raw", "extent_size_hint=2M");
    g_assert_cmpuint(host.extents, ==, 2);
    g_assert_cmpuint(host.extent_size, ==, 2 * MIB);
}

static void
test_nothing_is_told_of_none(ApiTest *t, gconstpointer unused)
{
    create(t, "raw", "extent_size_hint=0,nocow=off");
    g_assert_cmpuint(host.extents, ==, 0);
    g_assert_cmpuint(host.flags, ==, 0);
}

static void
test_a_refused_default_is_silent(ApiTest *t, gconstpointer unused)
{
    host.extent_error = EOPNOTSUPP;
    create(t, "raw", NULL);
    g_assert_cmpuint(host.extents, ==, 1);
    g_assert_cmpuint(t->warnings->len, ==, 0);
}

static void
test_a_refused_wish_is_told_once(ApiTest *t, gconstpointer unused)
{
    host.extent_error = EOPNOTSUPP;
    create(t, "vmdk", "subformat=monolithicFlat,extent_size_hint=1M");
    g_assert_cmpuint(host.extents, ==, 2);
    g_assert_cmpstr(only_warning(t), ==,
                    "Failed to set extent size hint: Operation not supported");
}

static void
test_nocow_is_done_where_nothing_is_copied(ApiTest *t, gconstpointer unused)
{
    host.flags_error = EOPNOTSUPP;
    create(t, "raw", "nocow=on");
    g_assert_cmpuint(host.flags, ==, 1);
    g_assert_cmpuint(t->warnings->len, ==, 0);
}

static void
test_nocow_that_fails_is_told(ApiTest *t, gconstpointer unused)
{
    host.flags_error = EPERM;
    create(t, "raw", "nocow=on");
    g_assert_cmpstr(only_warning(t), ==,
                    "Failed to turn off copy-on-write: Operation not "
                    "permitted");
}

static void
test_too_large_a_hint_is_refused(ApiTest *t, gconstpointer unused)
{
    VdCreateParams params = {.filename = api_test_path(t, "new"),
                             .format = "raw",
                             .size = MIB,
                             .options = "extent_size_hint=4G"};
    g_autoptr(GError) error = NULL;

    g_assert_false(vd_create(t->ctx, &params, &error));
    g_assert_error(error, VD_ERROR, VD_ERROR_INVALID_ARGUMENT);
    g_assert_cmpstr(error->message, ==, "Extent size hint is too large");
    g_assert_false(g_file_test(params.filename, G_FILE_TEST_EXISTS));
}

static void
add(const char *path, void (*func)(ApiTest *, gconstpointer))
{
    g_test_add(path, ApiTest, NULL, set_up, func, api_test_tear_down);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    add("/api/file-hints/new-files-grow-by-mebibytes",
        test_new_files_grow_by_mebibytes);
    add("/api/file-hints/every-file-of-an-image-is-told",
        test_every_file_of_an_image_is_told);
    add("/api/file-hints/a-successor-is-told-too",
        test_a_successor_is_told_too);
    add("/api/file-hints/nothing-is-told-of-none",
        test_nothing_is_told_of_none);
    add("/api/file-hints/a-refused-default-is-silent",
        test_a_refused_default_is_silent);
    add("/api/file-hints/a-refused-wish-is-told-once",
        test_a_refused_wish_is_told_once);
    add("/api/file-hints/nocow-is-done-where-nothing-is-copied",
        test_nocow_is_done_where_nothing_is_copied);
    add("/api/file-hints/nocow-that-fails-is-told",
        test_nocow_that_fails_is_told);
    add("/api/file-hints/too-large-a-hint-is-refused",
        test_too_large_a_hint_is_refused);
    return g_test_run();
}
