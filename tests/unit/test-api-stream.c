/* SPDX-License-Identifier: BSD-3-Clause */
/* tests/unit/test-api-stream.c - copies to a target that takes records.
 *
 * The target is a driver of this file, "tape": it wants its records in
 * ascending order and nothing after their end, takes its time to encode them,
 * and keeps what they say.
 */
#include "tests/unit/api-test.h"

#include "block/drivers.h"
#include "block/registry.h"
#include "formats/raw.h"

#include <string.h>

#define UNIT (UINT64_C(64) << 10)
#define BOUND (UNIT + 512)

typedef struct {
    GHashTable *units;  /* number -> GBytes */
    uint64_t next_off;  /* records below it have been taken */
    unsigned appending; /* calls whose place is not assigned */
    unsigned fail_nth;  /* append that fails; 0 = none */
    uint64_t bad_unit;  /* encode of it fails; UINT64_MAX = none */
    unsigned appends;
    int encoding, most_encoding; /* atomic */
    bool side_by_side; /* nobody is done with one before another has begun */
    bool ended;
} Tape;

static Tape tape; /* one a test */

static bool
tape_co_open(VdNode *node, VdOptions *opts, GError **error)
{
    uint64_t size = 0;

    if (!vd_options_take_size(opts, "size", &size, error))
        return false;
    vd_node_set_size(node, size);
    return true;
}

static void
tape_note_encoding(void)
{
    int now = g_atomic_int_add(&tape.encoding, 1) + 1;
    int most = g_atomic_int_get(&tape.most_encoding);

    while (now > most &&
           !g_atomic_int_compare_and_exchange(&tape.most_encoding, most, now))
        most = g_atomic_int_get(&tape.most_encoding);
}

#define PATIENCE_MS 60000u

static void
tape_await_company(void)
{
    for (unsigned ms = 0; ms < PATIENCE_MS; ms++) {
        if (g_atomic_int_get(&tape.most_encoding) > 1)
            return;
        g_usleep(1000);
    }
    tape.side_by_side = false; /* none is coming */
}

/* A record is its unit turned inside out, behind a length. */
static bool
tape_encode(VdNode *node, uint64_t off, const void *src, size_t len, void *dst,
            size_t *dst_len, GError **error)
{
    uint8_t *out = dst;

    tape_note_encoding();
    g_assert_cmpuint(off % UNIT, ==, 0);
    g_assert_cmpuint(len, <=, UNIT);
    g_assert_cmpuint(*dst_len, >=, BOUND);
    g_usleep(off / UNIT * 7919 % 500); /* the order of ends is not that of
                                          starts */
    if (tape.side_by_side)
        tape_await_company();
    (void) g_atomic_int_add(&tape.encoding, -1);
    if (off / UNIT == tape.bad_unit)
        return vd_throw(error, VD_ERROR_FAILED, "this one does not encode");
    for (size_t i = 0; i < len; i++)
        out[i] = ((const uint8_t *) src)[i] ^ 0x55;
    *dst_len = len;
    return true;
}

static void
tape_keep(const VdRecord *record, const uint8_t *bytes)
{
    uint8_t *plain = g_memdup2(bytes, record->len);

    for (size_t i = 0; i < record->len; i++)
        plain[i] ^= 0x55;
    g_hash_table_insert(tape.units, GSIZE_TO_POINTER(record->off / UNIT),
                        g_bytes_new_take(plain, record->len));
}

static void
tape_take(const VdAppend *append)
{
    const uint8_t *bytes = vio_vec_contiguous(&append->bytes);

    for (size_t i = 0; i < append->n_records; i++) {
        const VdRecord *record = &append->records[i];

        g_assert_cmpuint(record->off, >=, tape.next_off);
        tape.next_off = record->off + 1;
        tape_keep(record, bytes);
        bytes += record->len;
    }
}

static bool
tape_co_append(VdNode *node, const VdAppend *append, GError **error)
{
    g_assert_false(tape.ended);
    if (append->n_records == 0) {
        tape.ended = true;
        return true;
    }
    g_assert_cmpuint(tape.appending++, ==, 0); /* one is placed at a time */
    vio_co_reschedule();
    if (++tape.appends == tape.fail_nth) {
        tape.appending--;
        return vd_throw(error, VD_ERROR_NO_SPACE, "the tape is full");
    }
    tape_take(append);
    tape.appending--;
    append->placed(append->placed_arg);
    vio_co_reschedule(); /* the "write" overlaps with the next one */
    return true;
}

static const VdRecordFormat *
tape_record_format(VdNode *node)
{
    static const VdRecordFormat format = {
        .unit = UNIT, .bound = BOUND, .once = true};

    return &format;
}

static const VdDriver tape_driver = {
    VD_DRIVER_HEADER,
    .name = "tape",
    .kind = VD_DRIVER_PROTOCOL,
    .caps = VD_CAP_APPEND_ONLY | VD_CAP_ENCODE,
    .state_size = 1,
    .co_open = tape_co_open,
    .record_format = tape_record_format,
    .encode = tape_encode,
    .co_append = tape_co_append,
};

static const VdDriver *const stream_drivers[] = {
    &vd_file_driver,
    &vd_memory_driver,
    &vd_fault_driver,
    &vd_readonly_driver,
    &vd_raw_driver,
    &tape_driver,
    NULL,
};

/* -- fixture -----------------------------------------------------------------
 */

static void
stream_set_up(ApiTest *t, gconstpointer unused)
{
    VdContextParams params = {.workers = 4};

    api_test_set_up(t, &params);
    vd_registry_set(stream_drivers);
    tape = (Tape){.bad_unit = UINT64_MAX};
    tape.units =
        g_hash_table_new_full(NULL, NULL, NULL, (GDestroyNotify) g_bytes_unref);
}

static void
stream_tear_down(ApiTest *t, gconstpointer unused)
{
    g_hash_table_unref(tape.units);
    api_test_tear_down(t, NULL);
}

static VdDisk *
open_tape(const ApiTest *t, uint64_t size)
{
    return api_test_open_opts(t, VD_OPEN_RDWR,
                              "driver=tape,size=%" G_GUINT64_FORMAT, size);
}

static bool
is_zero(const char *bytes, uint64_t len)
{
    return len == 0 ||
           (bytes[0] == 0 && memcmp(bytes, bytes + 1, len - 1) == 0);
}

/* The tape has each unit of the file that is not zero, and perhaps others. */
static void
assert_tape_is_file(const char *path)
{
    g_autofree char *text = NULL;
    gsize len;

    g_assert_true(g_file_get_contents(path, &text, &len, NULL));
    for (gsize off = 0; off < len; off += UNIT) {
        gsize n = MIN(UNIT, len - off);
        GBytes *kept =
            g_hash_table_lookup(tape.units, GSIZE_TO_POINTER(off / UNIT));

        if (kept == NULL)
            g_assert_true(is_zero(text + off, n));
        else
            g_assert_cmpmem(g_bytes_get_data(kept, NULL),
                            g_bytes_get_size(kept), text + off, n);
    }
}

static void
copy_file_to_tape(const ApiTest *t, const char *path,
                  const VdCopyParams *params, VdCopyResult *result)
{
    VdDisk *source = api_test_open(t, path, "raw", 0);
    VdDisk *target = open_tape(t, vd_disk_size(source));
    GError *error = NULL;

    vd_copy(&source, 1, target, params, result, &error);
    g_assert_no_error(error);
    api_test_close(source);
    api_test_close(target);
}

/* -- tests
 * --------------------------------------------------------------------- */

static void
test_records_arrive_in_order(ApiTest *t, gconstpointer unused)
{
    const char *path = api_test_path(t, "src");
    VdCopyResult result;

    api_test_make_sparse(path, 50 * MIB + 1536, 4);
    copy_file_to_tape(t, path, NULL, &result);
    g_assert_true(tape.ended);
    assert_tape_is_file(path);
    g_assert_cmpuint(g_hash_table_size(tape.units), <, 50 * 16);
    g_assert_cmpuint(result.bytes_written, >, 0);
    g_assert_cmpuint(result.bytes_zero, >, 0);
}

static void
test_encoding_runs_side_by_side(ApiTest *t, gconstpointer unused)
{
    const char *path = api_test_path(t, "src");

    tape.side_by_side = true;
    api_test_make_full(path, 16 * MIB, 4);
    copy_file_to_tape(t, path, NULL, NULL);
    assert_tape_is_file(path);
    g_assert_cmpint(tape.most_encoding, >, 1);
}

static void
test_empty_disk_is_only_ended(ApiTest *t, gconstpointer unused)
{
    VdDisk *source = api_test_memory(t, 2048 * GIB);
    VdDisk *target = open_tape(t, 2048 * GIB);

    g_assert_true(vd_copy(&source, 1, target, NULL, NULL, NULL));
    g_assert_true(tape.ended);
    g_assert_cmpuint(tape.appends, ==, 0);
    api_test_close(source);
    api_test_close(target);
}

static void
test_sparse_size_nought_encodes_zeroes(ApiTest *t, gconstpointer unused)
{
    VdDisk *source = api_test_memory(t, 3 * MIB + 512);
    VdDisk *target = open_tape(t, 3 * MIB + 512);
    VdCopyParams params = {.sparse_size = 0};

    g_assert_true(vd_copy(&source, 1, target, &params, NULL, NULL));
    g_assert_cmpuint(g_hash_table_size(tape.units), ==, 3 * 16 + 1);
    api_test_close(source);
    api_test_close(target);
}

static void
test_failed_append_ends_without_end_mark(ApiTest *t, gconstpointer unused)
{
    const char *path = api_test_path(t, "src");
    VdDisk *source, *target = open_tape(t, 32 * MIB);
    g_autoptr(GError) error = NULL;

    api_test_make_full(path, 32 * MIB, 4);
    source = api_test_open(t, path, "raw", 0);
    tape.fail_nth = 4;
    g_assert_false(vd_copy(&source, 1, target, NULL, NULL, &error));
    g_assert_error(error, VD_ERROR, VD_ERROR_NO_SPACE);
    g_assert_true(
        g_str_has_prefix(error->message, "error while writing at byte "));
    g_assert_cmpuint(tape.appends, ==, 4);
    g_assert_false(tape.ended);
    api_test_close(source);
    api_test_close(target);
}

static void
test_failed_encode_names_its_unit(ApiTest *t, gconstpointer unused)
{
    const char *path = api_test_path(t, "src");
    VdDisk *source, *target = open_tape(t, 32 * MIB);
    g_autoptr(GError) error = NULL;

    api_test_make_full(path, 32 * MIB, 4);
    source = api_test_open(t, path, "raw", 0);
    tape.bad_unit = 100;
    g_assert_false(vd_copy(&source, 1, target, NULL, NULL, &error));
    g_assert_cmpstr(error->message, ==,
                    "error while writing at byte 6553600: this one does not "
                    "encode");
    g_assert_false(tape.ended);
    api_test_close(source);
    api_test_close(target);
}

static void
test_failed_read_ends_without_end_mark(ApiTest *t, gconstpointer unused)
{
    const char *path = api_test_path(t, "src");
    VdDisk *source, *target = open_tape(t, 32 * MIB);
    g_autoptr(GError) error = NULL;

    api_test_make_full(path, 32 * MIB, 4);
    source = api_test_open_opts(t, 0,
                                "driver=raw,file.driver=fault,"
                                "file.fail-op=read,file.fail-nth=9,"
                                "file.file.filename=%s",
                                path);
    g_assert_false(vd_copy(&source, 1, target, NULL, NULL, &error));
    g_assert_error(error, VD_ERROR, VD_ERROR_IO);
    g_assert_false(tape.ended);
    api_test_close(source);
    api_test_close(target);
}

static void
test_links_below_cannot_be_left_out(ApiTest *t, gconstpointer unused)
{
    VdDisk *source = api_test_memory(t, MIB), *target = open_tape(t, MIB);
    VdCopyParams params = {.sparse_size = 4096, .skip_depth = 1};
    g_autoptr(GError) error = NULL;

    g_assert_false(vd_copy(&source, 1, target, &params, NULL, &error));
    g_assert_error(error, VD_ERROR, VD_ERROR_NOT_SUPPORTED);
    api_test_close(source);
    api_test_close(target);
}

static void
add(const char *path, void (*func)(ApiTest *, gconstpointer))
{
    g_test_add(path, ApiTest, NULL, stream_set_up, func, stream_tear_down);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    add("/api/stream/records-arrive-in-order", test_records_arrive_in_order);
    add("/api/stream/encoding-runs-side-by-side",
        test_encoding_runs_side_by_side);
    add("/api/stream/empty-disk-is-only-ended", test_empty_disk_is_only_ended);
    add("/api/stream/sparse-size-nought-encodes-zeroes",
        test_sparse_size_nought_encodes_zeroes);
    add("/api/stream/failed-append-ends-without-end-mark",
        test_failed_append_ends_without_end_mark);
    add("/api/stream/failed-encode-names-its-unit",
        test_failed_encode_names_its_unit);
    add("/api/stream/failed-read-ends-without-end-mark",
        test_failed_read_ends_without_end_mark);
    add("/api/stream/links-below-cannot-be-left-out",
        test_links_below_cannot_be_left_out);
    return g_test_run();
}
