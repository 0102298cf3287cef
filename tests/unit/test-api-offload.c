/* SPDX-License-Identifier: BSD-3-Clause */
/* tests/unit/test-api-offload.c - what a copy leaves to the file system.
 *
 * The driver "file" is one that claims to share blocks wherever both ends are
 * aligned to them, and copies: which is what sharing looks like from above.
 */
#include "tests/unit/api-test.h"

#include "block/drivers.h"
#include "block/registry.h"
#include "block/rw.h"
#include "formats/raw.h"
#include "formats/vmdk/driver.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#define BLOCK 4096
#define MOST_MISSES 24 /* 16, and what was under way */

static struct {
    bool refuses;
    bool wants_share; /* what it must be asked for */
    unsigned calls;
    uint64_t bytes, zero_blocks;
    bool fails_windows;
    unsigned windows;
} below; /* one a test */

static void
count_zero_blocks(const uint8_t *buf, uint64_t len)
{
    static const uint8_t zeroes[BLOCK];

    for (uint64_t pos = 0; pos + BLOCK <= len; pos += BLOCK)
        below.zero_blocks += memcmp(buf + pos, zeroes, BLOCK) == 0;
}

static bool
below_co_copy_range(VdNode *src, uint64_t src_off, VdNode *dst,
                    uint64_t dst_off, uint64_t len, bool share, GError **error)
{
    g_autofree uint8_t *buf = g_malloc(len);
    struct iovec iov;
    VioVec vec = vio_vec_from_buf(&iov, buf, len);

    below.calls++;
    g_assert_true(share == below.wants_share);
    if (below.refuses || (src_off | dst_off | len) % BLOCK != 0)
        return vd_throw(error, VD_ERROR_NOT_SUPPORTED, "not to be shared");
    if (!vd_node_co_pread(src, src_off, buf, len, error) ||
        !vd_file_driver.co_pwritev(dst, dst_off, &vec, 0, error))
        return false;
    count_zero_blocks(buf, len);
    below.bytes += len;
    return true;
}

/* A window that fails half way. */
static bool
below_co_copy_window(VdNode *src, VdNode *dst, VioWindow *w)
{
    bool ok;

    below.windows++;
    if (!below.fails_windows)
        return vd_file_driver.co_copy_window(src, dst, w);
    w->len /= 2;
    ok = vd_file_driver.co_copy_window(src, dst, w);
    w->len *= 2;
    return ok && false;
}

static VdDriver sharing_driver;

static const VdDriver *const drivers[] = {
    &sharing_driver, &vd_memory_driver, &vd_raw_driver, &vd_vmdk_driver, NULL,
};

static void
offload_set_up(ApiTest *t, gconstpointer params)
{
    api_test_set_up(t, NULL);
    sharing_driver = vd_file_driver;
    sharing_driver.co_copy_range = below_co_copy_range;
    sharing_driver.co_copy_window = below_co_copy_window;
    vd_registry_set(drivers);
    memset(&below, 0, sizeof(below));
    below.wants_share = true;
}

/* -- making and copying ------------------------------------------------------
 */

typedef struct {
    uint64_t data, zeroes; /* bytes, by turns; the zeroes are written */
} Pattern;

static void
make_pattern(const char *path, uint64_t size, const Pattern *pattern)
{
    g_autofree uint8_t *buf = g_malloc0(size);
    int fd = open(path, O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC, 0600);

    for (uint64_t off = 0; off < size; off += pattern->data + pattern->zeroes)
        api_test_fill(buf + off, MIN(pattern->data, size - off), off, 5);
    g_assert_cmpint(pwrite(fd, buf, size, 0), ==, (ssize_t) size);
    (void) close(fd);
}

/* The chain at @src to the new raw image @name; its path. */
static const char *
copy_new(const ApiTest *t, const char *src, const char *name, VdOffload offload,
         VdCopyResult *result)
{
    const char *dst = api_test_path(t, name);
    VdDisk *source = api_test_open(t, src, NULL, 0);
    VdCreateParams create = {
        .filename = dst, .format = "raw", .size = vd_disk_size(source)};
    VdCopyParams params = api_test_to_new;
    GError *error = NULL;
    VdCreation *creation = vd_create_begin(t->ctx, &create, &error);

    g_assert_no_error(error);
    params.offload = offload;
    api_test_copy_and_commit(creation, &source, 1, &params, result);
    api_test_close(source);
    return dst;
}

/* By sharing: the same as by writing. */
static void
assert_shares_well(const ApiTest *t, const char *src, VdCopyResult *shared)
{
    VdCopyResult written;
    const char *a = copy_new(t, src, "a", VD_OFFLOAD_NONE, &written);
    const char *b = copy_new(t, src, "b", VD_OFFLOAD_SHARE, shared);

    api_test_assert_same_files(a, b);
    g_assert_cmpuint(api_test_allocated(a), ==, api_test_allocated(b));
    g_assert_cmpuint(shared->bytes_read, ==, written.bytes_read);
    g_assert_cmpuint(shared->bytes_zero, ==, written.bytes_zero);
    g_assert_cmpuint(shared->bytes_offloaded, ==, below.bytes);
    g_assert_cmpuint(written.bytes_offloaded, ==, 0);
    g_assert_cmpuint(below.zero_blocks, ==, 0);
}

/* -- tests -------------------------------------------------------------------
 */

static void
test_long_data_are_shared(ApiTest *t, gconstpointer unused)
{
    static const Pattern patterns[] = {
        {MIB, 64 * KIB}, {512 * KIB, 4 * KIB}, {5 * MIB, MIB}, {20 * MIB, 0}};
    const char *src = api_test_path(t, "src");
    VdCopyResult result;

    for (unsigned i = 0; i < G_N_ELEMENTS(patterns); i++) {
        below.bytes = 0;
        make_pattern(src, 20 * MIB, &patterns[i]);
        assert_shares_well(t, src, &result);
        g_assert_cmpuint(result.bytes_offloaded, >, 10 * MIB);
    }
}

static void
test_short_data_are_written(ApiTest *t, gconstpointer unused)
{
    static const Pattern pattern = {64 * KIB, 64 * KIB};
    const char *src = api_test_path(t, "src");
    VdCopyResult result;

    make_pattern(src, 8 * MIB, &pattern);
    assert_shares_well(t, src, &result);
    g_assert_cmpuint(below.calls, ==, 0);
}

static void
test_random_contents_survive(ApiTest *t, gconstpointer unused)
{
    const char *src = api_test_path(t, "src");
    VdCopyResult result;

    for (uint32_t seed = 1; seed < 6; seed++) {
        below.bytes = 0;
        api_test_make_sparse(src, 30 * MIB + seed * 100, seed);
        assert_shares_well(t, src, &result);
    }
}

static void
test_refusal_is_taken_for_an_answer(ApiTest *t, gconstpointer unused)
{
    static const Pattern pattern = {MIB, 4 * KIB};
    const char *src = api_test_path(t, "src");
    VdCopyResult result;

    below.refuses = true;
    make_pattern(src, 60 * MIB, &pattern);
    assert_shares_well(t, src, &result);
    g_assert_cmpuint(below.calls, >, 0);
    g_assert_cmpuint(below.calls, <=, MOST_MISSES);
}

/* The source's blocks are not those of the target. */
static void
test_odd_places_are_written(ApiTest *t, gconstpointer unused)
{
    static const Pattern pattern = {20 * MIB, 0};
    const char *src = api_test_path(t, "src");
    VdCopyParams params = {.sparse_size = 4096, .offload = VD_OFFLOAD_SHARE};
    VdDisk *source, *target;
    VdCompareResult same;
    GError *error = NULL;
    VdCopyResult result;

    make_pattern(src, 20 * MIB, &pattern);
    source =
        api_test_open_opts(t, 0, "driver=raw,offset=512,file.filename=%s", src);
    api_test_make_full(api_test_path(t, "dst"), 20 * MIB, 1);
    target = api_test_open(t, api_test_path(t, "dst"), "raw", VD_OPEN_RDWR);
    vd_copy(&source, 1, target, &params, &result, &error);
    g_assert_no_error(error);
    g_assert_cmpuint(below.calls, >, 0);
    g_assert_cmpuint(result.bytes_offloaded, ==, 0);
    api_test_close(target);
    target = api_test_open(t, api_test_path(t, "dst"), "raw", 0);
    vd_compare(source, target, NULL, &same, &error);
    g_assert_no_error(error);
    g_assert_cmpuint(same.first_difference, ==, 20 * MIB - 512);
    api_test_close(target);
    api_test_close(source);
}

static void
convert_to_vmdk(const ApiTest *t, const char *src, const char *dst,
                const char *options)
{
    VdDisk *source = api_test_open(t, src, "raw", 0);
    VdCreateParams create = {.filename = dst,
                             .format = "vmdk",
                             .options = options,
                             .size = vd_disk_size(source)};
    VdCopyParams params = api_test_to_new;
    GError *error = NULL;
    VdCreation *creation = vd_create_begin(t->ctx, &create, &error);

    g_assert_no_error(error);
    params.offload = VD_OFFLOAD_SHARE;
    api_test_copy_and_commit(creation, &source, 1, &params, NULL);
    api_test_close(source);
    g_assert_cmpuint(below.calls, ==, 0); /* its tables would not know */
}

static void
test_grains_of_any_link_are_shared(ApiTest *t, gconstpointer unused)
{
    static const char *const kinds[] = {
        "subformat=monolithicSparse", "subformat=twoGbMaxExtentFlat",
        "subformat=vmfs", "subformat=streamOptimized"};
    static const Pattern pattern = {2 * MIB, 128 * KIB};
    const char *src = api_test_path(t, "src");
    const char *vmdk = api_test_path(t, "v.vmdk");
    VdCreateParams child = {.filename = api_test_path(t, "c.vmdk"),
                            .format = "vmdk",
                            .size = UINT64_MAX,
                            .backing_file = vmdk};
    GError *error = NULL;
    VdCopyResult result;

    make_pattern(src, 20 * MIB, &pattern);
    for (unsigned i = 0; i < G_N_ELEMENTS(kinds); i++) {
        bool stored = i + 1 < G_N_ELEMENTS(kinds);

        g_test_message("%s", kinds[i]);
        below.bytes = below.calls = 0;
        convert_to_vmdk(t, src, vmdk, kinds[i]);
        assert_shares_well(t, vmdk, &result);
        api_test_assert_same_files(src, api_test_path(t, "b"));
        g_assert_true((result.bytes_offloaded > 10 * MIB) == stored);
        below.bytes = 0;
        vd_create(t->ctx, &child, &error);
        g_assert_no_error(error);
        assert_shares_well(t, child.filename, &result);
        g_assert_true((result.bytes_offloaded > 10 * MIB) == stored);
        (void) unlink(child.filename);
    }
}

static void
test_what_is_shared_can_be_verified(ApiTest *t, gconstpointer unused)
{
    static const VdOffload ways[] = {VD_OFFLOAD_SHARE, VD_OFFLOAD_WHOLE};
    static const Pattern pattern = {2 * MIB, 128 * KIB};
    const char *src = api_test_path(t, "src");
    GError *error = NULL;
    uint64_t verified;

    make_pattern(src, 20 * MIB, &pattern);
    for (unsigned i = 0; i < G_N_ELEMENTS(ways); i++) {
        VdCopySums *sums = vd_copy_sums_new();
        VdCopyParams params = {.sparse_size = 4096, .offload = ways[i]};
        VdDisk *source = api_test_open(t, src, "raw", 0), *target;
        VdCopyResult result;

        below.wants_share = ways[i] == VD_OFFLOAD_SHARE;
        api_test_make_full(api_test_path(t, "dst"), 20 * MIB, 1);
        target = api_test_open(t, api_test_path(t, "dst"), "raw", VD_OPEN_RDWR);
        params.sums = sums;
        vd_copy(&source, 1, target, &params, &result, &error);
        g_assert_no_error(error);
        g_assert_cmpuint(result.bytes_offloaded, >, 10 * MIB);
        vd_copy_verify(target, sums, NULL, NULL, &verified, &error);
        g_assert_no_error(error);
        g_assert_cmpuint(verified, ==, 20 * MIB);
        api_test_close(target);
        api_test_close(source);
        vd_copy_sums_free(sums);
    }
}

static void
test_whole_ranges_are_not_read(ApiTest *t, gconstpointer unused)
{
    static const Pattern pattern = {MIB, 64 * KIB};
    const char *src = api_test_path(t, "src");
    VdCopyResult result;

    below.wants_share = false;
    make_pattern(src, 20 * MIB, &pattern);
    api_test_assert_same_files(
        src, copy_new(t, src, "a", VD_OFFLOAD_WHOLE, &result));
    g_assert_cmpuint(result.bytes_read, ==, 0);
    g_assert_cmpuint(result.bytes_offloaded, ==, 20 * MIB);
    g_assert_cmpuint(below.zero_blocks, >, 0);
}

/* -- windows -----------------------------------------------------------------
 */

static void
test_files_are_copied_by_windows(ApiTest *t, gconstpointer unused)
{
    static const Pattern pattern = {MIB, 64 * KIB};
    const char *src = api_test_path(t, "src");
    VdCopyResult result;

    make_pattern(src, 20 * MIB, &pattern);
    api_test_assert_same_files(src,
                               copy_new(t, src, "a", VD_OFFLOAD_NONE, &result));
    g_assert_cmpuint(below.windows, ==, 20);
    g_assert_cmpuint(result.bytes_read, ==, 20 * MIB);
    g_assert_cmpuint(result.bytes_zero, ==, 18 * 64 * KIB);
    g_assert_cmpuint(result.bytes_written, ==, 20 * MIB - 18 * 64 * KIB);
}

static void
test_failing_windows_are_copied_otherwise(ApiTest *t, gconstpointer unused)
{
    const char *src = api_test_path(t, "src");
    const char *dst;
    VdCopyResult good, bad;

    api_test_make_sparse(src, 60 * MIB + 777, 3);
    dst = copy_new(t, src, "a", VD_OFFLOAD_NONE, &good);
    g_assert_cmpuint(below.windows, >, MOST_MISSES);
    below.windows = 0;
    below.fails_windows = true;
    api_test_assert_same_files(dst,
                               copy_new(t, src, "b", VD_OFFLOAD_NONE, &bad));
    g_assert_cmpuint(below.windows, >, 0);
    g_assert_cmpuint(below.windows, <=, MOST_MISSES);
    g_assert_cmpmem(&good, sizeof(good), &bad, sizeof(bad));
}

/* What the target has is not zero, or the bytes are to be seen. */
static void
test_no_windows_if_there_is_more_to_do(ApiTest *t, gconstpointer unused)
{
    static const Pattern pattern = {MIB, 64 * KIB};
    const char *src = api_test_path(t, "src");
    const char *dst = api_test_path(t, "dst");

    make_pattern(src, 20 * MIB, &pattern);
    for (unsigned i = 0; i < 3; i++) {
        VdCopySums *sums = vd_copy_sums_new();
        VdCopyParams params = {.sparse_size = 4096};
        VdDisk *source = api_test_open(t, src, "raw", 0), *target;
        GError *error = NULL;

        params.target_is_zero = i > 0;
        params.sums = i == 1 ? sums : NULL;
        params.rate_limit = i == 2 ? 1000 * MIB : 0;
        api_test_make_full(dst, 20 * MIB, 1);
        if (i > 0)
            g_assert_cmpint(truncate(dst, 0) | truncate(dst, 20 * MIB), ==, 0);
        target = api_test_open(t, dst, "raw", VD_OPEN_RDWR);
        vd_copy(&source, 1, target, &params, NULL, &error);
        g_assert_no_error(error);
        api_test_close(target);
        api_test_close(source);
        vd_copy_sums_free(sums);
        api_test_assert_same_files(src, dst);
        g_assert_cmpuint(below.windows, ==, 0);
    }
}

static void
add(const char *path, void (*func)(ApiTest *, gconstpointer))
{
    g_test_add(path, ApiTest, NULL, offload_set_up, func, api_test_tear_down);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    add("/api/offload/long-data", test_long_data_are_shared);
    add("/api/offload/short-data", test_short_data_are_written);
    add("/api/offload/random", test_random_contents_survive);
    add("/api/offload/refusal", test_refusal_is_taken_for_an_answer);
    add("/api/offload/odd-places", test_odd_places_are_written);
    add("/api/offload/any-link", test_grains_of_any_link_are_shared);
    add("/api/offload/verified", test_what_is_shared_can_be_verified);
    add("/api/offload/whole", test_whole_ranges_are_not_read);
    add("/api/window/files", test_files_are_copied_by_windows);
    add("/api/window/failing-ones", test_failing_windows_are_copied_otherwise);
    add("/api/window/more-to-do", test_no_windows_if_there_is_more_to_do);
    return g_test_run();
}
