/* SPDX-License-Identifier: BSD-3-Clause */
/* tests/unit/test-proto-file-direct.c - the file driver with O_DIRECT, and on
 * block devices.
 *
 * What alignment there is depends on where the temporary directory lies; that
 * requests of any shape work does not.
 */
#include "block/rw.h"
#include "io/fd.h"
#include "tests/support/co-test.h"
#include "tests/support/loop-device.h"
#include "tests/support/pattern.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#define KIB UINT64_C(1024)
#define MIB (KIB * KIB)

/* NULL (and the test skipped) where the file system has no O_DIRECT.
 * @options_to: ends where the name goes. */
static VdNode *
open_direct_as(TestCo *t, const char *options_to, uint64_t size,
               VdOpenFlags flags)
{
    g_autofree char *path = test_co_path(t, "f");
    g_autofree char *options = g_strconcat(options_to, path, NULL);
    g_autoptr(GError) error = NULL;
    VdNode *node;

    test_file_make(path, size);
    node = test_co_try_open(t, options, flags | VD_OPEN_DIRECT, &error);
    if (!node) {
        g_assert_error(error, VD_ERROR, VD_ERROR_NOT_SUPPORTED);
        g_test_skip("no O_DIRECT on the file system of TMPDIR");
    }
    return node;
}

static VdNode *
open_direct(TestCo *t, uint64_t size, VdOpenFlags flags)
{
    return open_direct_as(t, "driver=file,filename=", size, flags);
}

static void
test_alignment_is_found(TestCo *t)
{
    VdNode *node = open_direct(t, MIB, 0);
    const VdLimits *limits;

    if (!node)
        return;
    limits = vd_node_limits(node);
    g_assert_cmpuint(limits->request_align, >=, 512);
    g_assert_cmpuint(limits->request_align, <=, 4096);
    g_assert_cmpuint(limits->mem_align, >, 0);
    test_co_close(node);
}

static void
test_odd_requests_work(TestCo *t)
{
    VdNode *node = open_direct(t, 4 * MIB, VD_OPEN_RDWR);

    if (!node)
        return;
    test_co_write_pattern(node, 0, MIB, 1);
    test_co_write_pattern(node, 777, 3, 2);
    test_co_write_pattern(node, 5000, 100001, 2);
    test_co_assert_pattern(node, 0, 777, 1);
    test_co_assert_pattern(node, 777, 3, 2);
    test_co_assert_pattern(node, 780, 5000 - 780, 1);
    test_co_assert_pattern(node, 5000, 100001, 2);
    test_co_assert_pattern(node, 105001, MIB - 105001, 1);
    test_co_close(node);
    node = test_co_open_file(t, "file", "f", 0); /* the cache agrees */
    test_co_assert_pattern(node, 5000, 100001, 2);
    test_co_close(node);
}

static void
test_odd_end_of_file_can_be_read(TestCo *t)
{
    VdNode *node = open_direct(t, 10 * KIB + 77, 0);

    if (!node)
        return;
    g_assert_cmpuint(vd_node_size(node), ==, 10 * KIB + 77);
    test_co_assert_zero(node, 0, 10 * KIB + 77);
    test_co_assert_zero(node, 10 * KIB + 70, 7);
    test_co_close(node);
}

static void
test_map_answers_in_whole_blocks(TestCo *t)
{
    VdNode *node = open_direct(t, MIB + 100, VD_OPEN_RDWR);
    uint64_t align, off = 0;

    if (!node)
        return;
    align = vd_node_limits(node)->request_align;
    test_co_write_pattern(node, 256 * KIB, 64 * KIB, 1);
    while (off < vd_node_size(node)) {
        g_autoptr(GError) error = NULL;
        VdRun run;

        vd_node_co_map(node, off, vd_node_size(node) - off, VD_WANT_ZERO, &run,
                       &error);
        g_assert_no_error(error);
        off += run.len;
        g_assert_true(off % align == 0 || off == vd_node_size(node));
    }
    test_co_close(node);
}

static void
test_full_preallocation_ends_at_odd_size(TestCo *t)
{
    VdNode *node = open_direct(t, 1000, VD_OPEN_RDWR);
    g_autofree char *path = test_co_path(t, "f");
    g_autoptr(GError) error = NULL;

    if (!node)
        return;
    vd_node_co_truncate(node, 2 * MIB + 1, VD_PREALLOC_FULL, &error);
    g_assert_no_error(error);
    g_assert_cmpuint(test_file_size(path), ==, 2 * MIB + 1);
    test_co_assert_zero(node, 0, 2 * MIB + 1);
    test_co_close(node);
}

#define LONGER 400 /* times that the file gets longer */

typedef struct {
    VdNode *node;
    bool done;
} Appending;

/* By turns whole blocks and odd bytes; the end stays an odd one. */
static bool
append_co(void *arg, GError **error)
{
    Appending *a = arg;
    g_autofree uint8_t *buf = g_malloc0(64 * KIB);
    bool ok = true;

    for (unsigned i = 0; ok && i < LONGER; i++) {
        uint64_t end = vd_node_size(a->node), next = (end + 4095) / 4096 * 4096;

        ok = vd_node_co_pwrite(a->node, next, buf, 8 * KIB, error) &&
             vd_node_co_pwrite(a->node, next + 8 * KIB, buf, 77, error);
    }
    a->done = true;
    return ok;
}

static bool
read_end_co(void *arg, GError **error)
{
    Appending *a = arg;
    uint8_t byte;

    while (!a->done)
        if (!vd_node_co_pread(a->node, vd_node_size(a->node) - 1, &byte, 1,
                              error))
            return false;
    return true;
}

/* A direct read reaches over the end, and so comes back short; what came behind
 * the end meanwhile is none of its business. */
static void
test_end_is_read_while_it_moves(TestCo *t)
{
    VdNode *node = open_direct_as(
        t, "driver=raw,file.driver=file,file.filename=", 10 * KIB + 77,
        VD_OPEN_RDWR);
    g_autoptr(VioCoGroup) group = vio_co_group_new(5);
    g_autoptr(GError) error = NULL;
    Appending a = {0};

    if (!node)
        return;
    a.node = vd_node_child(node, "file"); /* which may grow */
    vio_co_group_spawn(group, append_co, &a, NULL);
    for (unsigned i = 0; i < 4; i++)
        vio_co_group_spawn(group, read_end_co, &a, NULL);
    vio_co_group_join(group, &error);
    g_assert_no_error(error);
    test_co_close(node);
}

/* -- devices ----------------------------------------------------------------
 */

static char *
loop_new(TestCo *t, uint64_t size)
{
    g_autofree char *path = test_co_path(t, "disk");

    test_file_make(path, size);
    return test_loop_new(path);
}

static void
use_device(TestCo *t, VdOpenFlags flags)
{
    char *device = loop_new(t, 16 * MIB);
    g_autofree char *options = NULL;
    g_autoptr(GError) error = NULL;
    g_autoptr(GError) too_large = NULL;
    VdNode *node;

    if (!device)
        return;
    options = g_strdup_printf("driver=file,filename=%s", device);
    node = test_co_open(t, options, VD_OPEN_RDWR | VD_OPEN_UNMAP | flags);
    g_assert_cmpuint(vd_node_size(node), ==, 16 * MIB);
    test_co_write_pattern(node, 1234, 8 * MIB, 1);
    vd_node_co_write_zeroes(node, MIB, MIB + 10, 0, &error);
    g_assert_no_error(error);
    vd_node_co_write_zeroes(node, 3 * MIB, MIB, VD_REQ_MAY_UNMAP, &error);
    g_assert_no_error(error);
    vd_node_co_flush(node, &error);
    g_assert_no_error(error);
    test_co_assert_zero(node, 0, 1234);
    test_co_assert_pattern(node, 1234, MIB - 1234, 1);
    test_co_assert_zero(node, MIB, MIB + 10);
    test_co_assert_pattern(node, 2 * MIB + 10, MIB - 10, 1);
    test_co_assert_zero(node, 3 * MIB, MIB);
    test_co_assert_pattern(node, 4 * MIB, 4 * MIB + 1234, 1);
    vd_node_co_discard(node, 5 * MIB, MIB, &error);
    g_assert_no_error(error);
    test_co_assert_pattern(node, 6 * MIB, MIB, 1);
    vd_node_co_truncate(node, 8 * MIB, VD_PREALLOC_OFF, &error);
    g_assert_no_error(error);
    g_assert_cmpuint(vd_node_size(node), ==, 16 * MIB);
    g_assert_false(
        vd_node_co_truncate(node, 32 * MIB, VD_PREALLOC_OFF, &too_large));
    g_assert_error(too_large, VD_ERROR, VD_ERROR_NO_SPACE);
    test_co_close(node);
    test_loop_free(device);
}

static void
test_device_through_the_cache(TestCo *t)
{
    use_device(t, 0);
}

static void
test_device_directly(TestCo *t)
{
    use_device(t, VD_OPEN_DIRECT);
}

/* -- devices that another host has reserved --------------------------------
 */

/* So many requests are refused, as the kernel does then. */
static int reserved;

static bool
refuse_request(void)
{
    if (g_atomic_int_add(&reserved, -1) > 0) {
        errno = EBADE;
        return true;
    }
    g_atomic_int_set(&reserved, 0);
    return false;
}

/* In the place of the C library's, for the pool of threads. */
ssize_t
preadv2(int fd, const struct iovec *iov, int n, off_t off, int flags)
{
    return refuse_request() ? -1
                            : syscall(SYS_preadv2, fd, iov, n, (long) off,
                                      (long) (off >> 32), flags);
}

ssize_t
pwritev2(int fd, const struct iovec *iov, int n, off_t off, int flags)
{
    return refuse_request() ? -1
                            : syscall(SYS_pwritev2, fd, iov, n, (long) off,
                                      (long) (off >> 32), flags);
}

int
fdatasync(int fd)
{
    return refuse_request() ? -1 : (int) syscall(SYS_fdatasync, fd);
}

/* Also by the test itself, for the device. */
int
ioctl(int fd, unsigned long what, ...)
{
    va_list args;
    void *arg;

    va_start(args, what);
    arg = va_arg(args, void *);
    va_end(args);
    return refuse_request() ? -1 : (int) syscall(SYS_ioctl, fd, what, arg);
}

static void
refuse_some(void)
{
    g_atomic_int_set(&reserved, 2);
}

static void
assert_all_were_refused(void)
{
    g_assert_cmpint(g_atomic_int_get(&reserved), ==, 0);
}

/* Until it is let go, or nobody wants to wait any more. */
static void
test_reserved_device(TestCo *t)
{
    char *device = loop_new(t, 4 * MIB);
    g_autofree char *options = NULL;
    g_autoptr(GError) error = NULL;
    uint8_t byte;
    VdNode *node;

    if (!device)
        return;
    options = g_strdup_printf("driver=file,filename=%s", device);
    node = test_co_open(t, options, VD_OPEN_RDWR | VD_OPEN_DIRECT);
    refuse_some();
    test_co_write_pattern(node, 0, MIB, 1);
    assert_all_were_refused();
    refuse_some();
    test_co_assert_pattern(node, 0, MIB, 1);
    assert_all_were_refused();
    refuse_some();
    (void) vd_node_co_write_zeroes(node, MIB, MIB, 0, &error);
    g_assert_no_error(error);
    assert_all_were_refused();
    refuse_some();
    (void) vd_node_co_flush(node, &error);
    g_assert_no_error(error);
    assert_all_were_refused();
    g_atomic_int_set(&reserved, 1000);
    t->env.cancel = vio_cancel_new();
    vio_cancel_fire(t->env.cancel);
    g_assert_false(vd_node_co_pread(node, 0, &byte, 1, &error));
    g_assert_error(error, VD_ERROR, VD_ERROR_CANCELLED);
    g_assert_cmpint(g_atomic_int_get(&reserved), ==, 999);
    g_atomic_int_set(&reserved, 0);
    g_clear_pointer(&t->env.cancel, vio_cancel_unref);
    test_co_close(node);
    test_loop_free(device);
}

/* Of files that is nothing that would pass. */
static void
test_reserved_file(TestCo *t)
{
    VdNode *node = open_direct(t, MIB, 0);
    g_autoptr(GError) error = NULL;
    uint8_t byte;

    if (!node)
        return;
    g_atomic_int_set(&reserved, 1);
    g_assert_false(vd_node_co_pread(node, 0, &byte, 1, &error));
    g_assert_error(error, VD_ERROR, VD_ERROR_IN_USE);
    g_assert_nonnull(strstr(error->message, "reserved"));
    test_co_close(node);
}

static void
run_by_threads(gconstpointer fn)
{
    g_assert_true(test_co_run(VIO_ENGINE_THREADS, *(const TestCoFunc *) fn));
}

static void
add_for_threads(const char *path, TestCoFunc fn)
{
    g_test_add_data_func_full(path, g_memdup2(&fn, sizeof(fn)), run_by_threads,
                              g_free);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    test_co_add("/direct/alignment-is-found", test_alignment_is_found);
    test_co_add("/direct/odd-requests-work", test_odd_requests_work);
    test_co_add("/direct/odd-end-of-file-can-be-read",
                test_odd_end_of_file_can_be_read);
    test_co_add("/direct/map-answers-in-whole-blocks",
                test_map_answers_in_whole_blocks);
    test_co_add("/direct/full-preallocation-ends-at-odd-size",
                test_full_preallocation_ends_at_odd_size);
    test_co_add("/direct/end-is-read-while-it-moves",
                test_end_is_read_while_it_moves);
    test_co_add("/device/through-the-cache", test_device_through_the_cache);
    test_co_add("/device/directly", test_device_directly);
    add_for_threads("/threads/device/reserved", test_reserved_device);
    add_for_threads("/threads/direct/reserved", test_reserved_file);
    return g_test_run();
}
