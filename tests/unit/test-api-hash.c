/* SPDX-License-Identifier: BSD-3-Clause */
/* tests/unit/test-api-hash.c - one number for what a disk holds. */
#include "tests/unit/api-test.h"

#include <string.h>

#define BLOCK ((uint64_t) VD_HASH_BLOCK)

/* Another implementation, of the words in vdisk-manage.h. */
static void
add_number(GChecksum *sum, uint64_t number)
{
    for (int shift = 56; shift >= 0; shift -= 8) {
        uint8_t byte = (uint8_t) (number >> shift);

        g_checksum_update(sum, &byte, 1);
    }
}

static void
add_block(GChecksum *sum, VdDisk *disk, uint64_t off)
{
    static const uint8_t zeroes[BLOCK];
    g_autofree uint8_t *block = g_malloc0(BLOCK);
    g_autoptr(GChecksum) inner = g_checksum_new(G_CHECKSUM_SHA256);
    uint8_t digest[VD_HASH_BYTES];
    gsize len = sizeof(digest);

    g_assert_true(vd_disk_pread(
        disk, block, MIN(BLOCK, vd_disk_size(disk) - off), off, NULL));
    if (memcmp(block, zeroes, BLOCK) == 0)
        return;
    g_checksum_update(inner, block, (gssize) BLOCK);
    g_checksum_get_digest(inner, digest, &len);
    add_number(sum, off / BLOCK);
    g_checksum_update(sum, digest, sizeof(digest));
}

static void
assert_hash(VdDisk *disk, bool with_size)
{
    g_autoptr(GChecksum) sum = g_checksum_new(G_CHECKSUM_SHA256);
    VdHashParams params = {.with_size = with_size};
    VdHashResult result;
    uint8_t wanted[VD_HASH_BYTES];
    gsize len = sizeof(wanted);
    GError *error = NULL;

    vd_disk_hash(disk, &params, &result, &error);
    g_assert_no_error(error);
    for (uint64_t off = 0; off < vd_disk_size(disk); off += BLOCK)
        add_block(sum, disk, off);
    if (with_size) {
        add_number(sum, UINT64_MAX);
        add_number(sum, vd_disk_size(disk));
    }
    g_checksum_get_digest(sum, wanted, &len);
    g_assert_cmpmem(result.digest, VD_HASH_BYTES, wanted, len);
}

static void
test_is_what_its_words_say(ApiTest *t, gconstpointer unused)
{
    static const uint64_t sizes[] = {512, 65536, 66048, 20 * MIB + 1536};
    const char *path = api_test_path(t, "a");

    for (unsigned i = 0; i < G_N_ELEMENTS(sizes); i++) {
        VdDisk *file;

        api_test_make_sparse(path, sizes[i], i + 1);
        file = api_test_open(t, path, "raw", 0);
        assert_hash(file, false);
        assert_hash(file, true);
        api_test_close(file);
    }
}

static void
test_little_memory_is_enough(ApiTest *t, gconstpointer unused)
{
    VdContextParams params = {.buffer_limit = 1, .workers = 1};
    VdContext *ctx = vd_context_new(&params, NULL);
    const char *path = api_test_path(t, "a");
    VdDisk *file;

    api_test_make_full(path, 30 * MIB + 700, 3);
    file = vd_disk_open(ctx, path, "raw", NULL, 0, NULL);
    g_assert_nonnull(file);
    assert_hash(file, false);
    api_test_close(file);
    vd_context_free(ctx);
}

static void
test_zeroes_are_not_read(ApiTest *t, gconstpointer unused)
{
    VdDisk *disk = api_test_memory(t, 64 * GIB);
    VdHashResult result;
    uint8_t value = 1;

    g_assert_true(vd_disk_pwrite(disk, &value, 1, 50 * GIB, 0, NULL));
    g_assert_true(vd_disk_hash(disk, NULL, &result, NULL));
    g_assert_cmpuint(result.bytes_read, >, 0);
    g_assert_cmpuint(result.bytes_read, <, 16 * MIB);
    api_test_close(disk);
}

static void
test_failure_names_the_lowest_byte(ApiTest *t, gconstpointer unused)
{
    const char *path = api_test_path(t, "a");
    g_autoptr(GError) error = NULL;
    VdHashResult result;
    VdDisk *disk;

    api_test_make_full(path, 40 * MIB, 1);
    disk = api_test_open_opts(
        t, 0,
        "driver=raw,file.driver=fault,"
        "file.inject-error.0.event=read_aio,file.inject-error.0.sector=%u,"
        "file.inject-error.1.event=read_aio,file.inject-error.1.sector=%u,"
        "file.file.filename=%s",
        7 * 2048, 5 * 2048, path);
    g_assert_false(vd_disk_hash(disk, NULL, &result, &error));
    g_assert_error(error, VD_ERROR, VD_ERROR_IO);
    g_assert_false(result.failed_map);
    g_assert_true(g_str_has_prefix(error->message,
                                   "error while reading at byte 5242880: "));
    api_test_close(disk);
}

static void
test_progress_reaches_the_end(ApiTest *t, gconstpointer unused)
{
    const char *path = api_test_path(t, "a");
    uint64_t last = 0;
    VdHashParams params = {.progress = api_test_count_progress,
                           .progress_opaque = &last};
    VdHashResult result;
    VdDisk *disk;

    api_test_make_full(path, 8 * MIB, 1);
    disk = api_test_open(t, path, "raw", 0);
    g_assert_true(vd_disk_hash(disk, &params, &result, NULL));
    g_assert_cmpuint(last, ==, 8 * MIB);
    g_assert_cmpuint(result.bytes_read, ==, 8 * MIB);
    api_test_close(disk);
}

static void
test_cancelled_context_hashes_nothing(ApiTest *t, gconstpointer unused)
{
    VdDisk *disk = api_test_memory(t, MIB);
    g_autoptr(GError) error = NULL;
    VdHashResult result;

    vd_context_cancel(t->ctx);
    g_assert_false(vd_disk_hash(disk, NULL, &result, &error));
    g_assert_error(error, VD_ERROR, VD_ERROR_CANCELLED);
    api_test_close(disk);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    api_test_add("/api/hash/is-what-its-words-say", test_is_what_its_words_say);
    api_test_add("/api/hash/little-memory-is-enough",
                 test_little_memory_is_enough);
    api_test_add("/api/hash/zeroes-are-not-read", test_zeroes_are_not_read);
    api_test_add("/api/hash/failure-names-the-lowest-byte",
                 test_failure_names_the_lowest_byte);
    api_test_add("/api/hash/progress-reaches-the-end",
                 test_progress_reaches_the_end);
    api_test_add("/api/hash/cancelled-context-hashes-nothing",
                 test_cancelled_context_hashes_nothing);
    return g_test_run();
}
