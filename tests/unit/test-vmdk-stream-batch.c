/* SPDX-License-Identifier: BSD-3-Clause */
/* tests/unit/test-vmdk-stream-batch.c - many grains of a stream with one
 * request: what is counted, and what goes wrong in the middle.
 */
#include <string.h>

#include "io/bytes.h"
#include "formats/vmdk/stream/reader.h"
#include "tests/support/leaf.h"
#include "tests/unit/stream-image.h"

#define GRAINS 24

typedef struct {
    StreamImage *image;
    uint64_t records[GRAINS];
    uint8_t *buf;
    VdNode *file;
    VmdkStreamReader *reader;
} Batched;

static void
set_up(Batched *b, unsigned n)
{
    *b = (Batched){.image = stream_image_new(GRAINS * 128, false),
                   .buf = g_malloc(GRAINS * STREAM_GRAIN)};
    for (unsigned i = 0; i < n; i++)
        b->records[i] = stream_image_add(b->image, i);
}

static void
open_it(TestCo *t, Batched *b)
{
    test_leaf_install();
    b->file = stream_image_open(t, b->image);
    b->reader = vmdk_stream_reader_new(b->file, &b->image->hdr);
    test_leaf_reset_counts();
}

static void
tear_down(Batched *b)
{
    vmdk_stream_reader_co_free(b->reader);
    test_co_close(b->file);
    test_leaf_remove();
    g_free(b->buf);
    stream_image_free(b->image);
}

/* Grains @from to @to, but the first @skip bytes. */
static bool
co_read(Batched *b, unsigned from, unsigned to, size_t skip, GError **error)
{
    VmdkStreamPart parts[GRAINS];
    struct iovec iov[GRAINS];
    uint8_t *at = b->buf;
    unsigned n = 0;

    memset(b->buf, 0xee, GRAINS * STREAM_GRAIN);
    for (unsigned i = from; i < to; i++, skip = 0) {
        size_t len = STREAM_GRAIN - skip;

        parts[n] = (VmdkStreamPart){b->records[i], i, skip,
                                    vio_vec_from_buf(&iov[n], at, len)};
        at += len;
        n++;
    }
    return vmdk_stream_co_read_parts(b->reader, parts, n, error);
}

static void
assert_reads(Batched *b, unsigned from, unsigned to, size_t skip)
{
    g_autofree uint8_t *plain = g_malloc(STREAM_GRAIN);
    g_autoptr(GError) error = NULL;
    const uint8_t *at = b->buf;

    g_assert_true(co_read(b, from, to, skip, &error));
    g_assert_no_error(error);
    for (unsigned i = from; i < to; i++, skip = 0) {
        stream_plain(i, plain);
        g_assert_cmpmem(at, STREAM_GRAIN - skip, plain + skip,
                        STREAM_GRAIN - skip);
        at += STREAM_GRAIN - skip;
    }
}

static void
assert_fails(Batched *b, const char *words)
{
    g_autoptr(GError) error = NULL;

    g_assert_false(co_read(b, 0, 16, 0, &error));
    g_assert_error(error, VD_ERROR, VD_ERROR_CORRUPT);
    if (!strstr(error->message, words))
        g_error("no '%s' in '%s'", words, error->message);
}

/* -- what it costs ---------------------------------------------------------
 */

static void
test_one_read_for_many_grains(TestCo *t)
{
    Batched b;

    set_up(&b, GRAINS);
    stream_image_end_in_front(b.image);
    open_it(t, &b);
    assert_reads(&b, 2, 18, 0);
    g_assert_cmpuint(test_leaf_count(TEST_OP_READ), ==, 1);
    assert_reads(&b, 0, GRAINS, 0); /* more than go at once */
    g_assert_cmpuint(test_leaf_count(TEST_OP_READ), ==, 3);
    g_assert_cmpuint(b.reader->lru.length, ==, 0);
    tear_down(&b);
}

static void
test_parts_of_grains_at_the_ends(TestCo *t)
{
    Batched b;

    set_up(&b, GRAINS);
    stream_image_end_in_front(b.image);
    open_it(t, &b);
    assert_reads(&b, 3, 9, 1234);
    g_assert_cmpuint(test_leaf_count(TEST_OP_READ), ==, 2);
    assert_reads(&b, 0, 9, 0); /* grain 3 is in the cache */
    g_assert_cmpuint(test_leaf_count(TEST_OP_READ), ==, 4);
    tear_down(&b);
}

static void
test_longer_record_than_thought_at_the_end(TestCo *t)
{
    g_autofree uint8_t *noise = g_malloc(STREAM_GRAIN);
    g_autoptr(GRand) rand = g_rand_new_with_seed(1);
    Batched b;

    for (size_t i = 0; i < STREAM_GRAIN; i++)
        noise[i] = (uint8_t) g_rand_int(rand);
    set_up(&b, 3);
    b.records[3] =
        stream_image_add_bytes(b.image, 3, noise, STREAM_GRAIN, false);
    stream_image_end_in_front(b.image);
    open_it(t, &b);
    b.reader->guess = 4096;
    g_assert_true(co_read(&b, 0, 4, 0, NULL));
    g_assert_cmpmem(b.buf + 3 * STREAM_GRAIN, STREAM_GRAIN, noise,
                    STREAM_GRAIN);
    tear_down(&b);
}

/* -- where they are ----------------------------------------------------------
 */

static void
test_any_order_and_gaps(TestCo *t)
{
    static const unsigned order[] = {7, 6, 0, 1, 2, 5, 3, 4, 9, 8};
    Batched b;

    set_up(&b, 0);
    for (unsigned i = 0; i < G_N_ELEMENTS(order); i++) {
        b.records[order[i]] = stream_image_add(b.image, order[i]);
        stream_image_add_zeroes(b.image, i == 4 ? 4 << 20 : i * VMDK_SECTOR);
    }
    stream_image_end_in_front(b.image);
    open_it(t, &b);
    assert_reads(&b, 0, 10, 0);
    assert_reads(&b, 1, 8, 512);
    tear_down(&b);
}

static void
test_one_record_for_several_grains_is_refused(TestCo *t)
{
    Batched b;

    set_up(&b, 16);
    stream_image_end_in_front(b.image);
    open_it(t, &b);
    b.records[6] = b.records[5];
    assert_fails(&b, "grain of sector 640 where the table has that of sector "
                     "768");
    tear_down(&b);
}

/* -- damage ----------------------------------------------------------------
 */

static void
test_first_damage_is_told(TestCo *t)
{
    g_autofree char *words = NULL;
    Batched b;

    set_up(&b, 16);
    words = g_strdup_printf("grain at byte %" G_GUINT64_FORMAT, b.records[5]);
    memset(b.image->bytes->data + b.records[5] + 100, 0x55, 64);
    memset(b.image->bytes->data + b.records[9] + 100, 0x55, 64);
    stream_image_end_in_front(b.image);
    vio_put_le32(b.image->bytes->data + b.records[12] + 8, 1 << 20);
    open_it(t, &b);
    assert_fails(&b, words);
    tear_down(&b);
}

static void
test_bad_heads_are_told(TestCo *t)
{
    for (unsigned bad = 0; bad < 16; bad += 5) {
        Batched b;

        set_up(&b, 16);
        vio_put_le32(b.image->bytes->data + b.records[bad] + 8, 1 << 20);
        stream_image_end_in_front(b.image);
        open_it(t, &b);
        assert_fails(&b, "compressed grain of 1048576 bytes, at most 131072");
        tear_down(&b);
    }
}

static void
test_end_of_the_file_in_the_middle(TestCo *t)
{
    static const int cuts[] = {-4096, -8, 4, 20, 700};

    for (size_t i = 0; i < G_N_ELEMENTS(cuts); i++) {
        Batched b;

        set_up(&b, 16);
        g_byte_array_set_size(b.image->bytes,
                              (guint) (b.records[11] + (guint) cuts[i]));
        open_it(t, &b);
        assert_fails(&b, "but the file ends at byte");
        tear_down(&b);
    }
}

static void
test_read_error_is_told(TestCo *t)
{
    g_autoptr(GError) error = NULL;
    Batched b;

    set_up(&b, 16);
    stream_image_end_in_front(b.image);
    open_it(t, &b);
    test_leaf_fail_nth(TEST_OP_READ, 0, EIO);
    g_assert_false(co_read(&b, 0, 16, 0, &error));
    g_assert_error(error, VD_ERROR, VD_ERROR_IO);
    assert_reads(&b, 0, 16, 0);
    tear_down(&b);
}

#define ADD(path, fn) test_co_add("/vmdk/stream/batch/" path, fn)

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    ADD("one-read-for-many-grains", test_one_read_for_many_grains);
    ADD("parts-of-grains-at-the-ends", test_parts_of_grains_at_the_ends);
    ADD("longer-record-than-thought",
        test_longer_record_than_thought_at_the_end);
    ADD("any-order-and-gaps", test_any_order_and_gaps);
    ADD("one-record-for-several-grains",
        test_one_record_for_several_grains_is_refused);
    ADD("damage/first-is-told", test_first_damage_is_told);
    ADD("damage/heads", test_bad_heads_are_told);
    ADD("damage/end-of-the-file", test_end_of_the_file_in_the_middle);
    ADD("damage/read-error", test_read_error_is_told);
    return g_test_run();
}
