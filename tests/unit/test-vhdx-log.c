/* SPDX-License-Identifier: BSD-3-Clause */
/* tests/unit/test-vhdx-log.c - logs with changes in them: which are due, and
 * that readers and writers see the same.
 *
 * Most images are fixed ones whose first pages the log changes. */
#include "tests/unit/vhdx-test.h"

#include <string.h>

#define PAGE 4096u
#define LOG_BYTES (1u << 20)
#define N_PAGES 6
#define OTHER_GUID "fedcba9876543210"

static uint64_t
page_off(unsigned i)
{
    return VHDX_TEST_DATA + i * (uint64_t) PAGE;
}

static void
make_image(TestCo *t)
{
    VdNode *node;

    vhdx_test_create(t, 4 * MIB, "subformat=fixed");
    node = vhdx_test_open(t, VD_OPEN_RDWR);
    test_co_write_pattern(node, 0, N_PAGES * PAGE, 1);
    test_co_close(node);
    vhdx_test_name_log(t, VHDX_TEST_GUID);
}

/* @wanted: a letter for each page: what fills it; '.' = as it was, '0' = zero.
 */
static void
assert_pages(VdNode *node, const char *wanted)
{
    for (unsigned i = 0; wanted[i]; i++) {
        g_autofree uint8_t *buf = g_malloc(PAGE);
        g_autoptr(GError) error = NULL;

        if (wanted[i] == '.') {
            test_co_assert_pattern(node, i * (uint64_t) PAGE, PAGE, 1);
            continue;
        }
        vd_node_co_pread(node, i * (uint64_t) PAGE, buf, PAGE, &error);
        g_assert_no_error(error);
        for (unsigned k = 0; k < PAGE; k++)
            g_assert_cmpint(buf[k], ==, wanted[i] == '0' ? 0 : wanted[i]);
    }
}

static bool
has_pending_log(VdNode *node)
{
    const VhdxState *s = vd_node_state(node);

    return s->replay.patches != NULL;
}

static void
assert_read_only_leaves_file(TestCo *t, const char *wanted)
{
    size_t len_before, len_after;
    g_autofree char *before =
        vmdk_test_read_file(t, VHDX_TEST_NAME, &len_before);
    g_autofree char *after = NULL;
    VdNode *node = vhdx_test_open(t, 0);

    g_assert_true(has_pending_log(node));
    assert_pages(node, wanted);
    vhdx_test_assert_sound(node);
    test_co_close(node);
    after = vmdk_test_read_file(t, VHDX_TEST_NAME, &len_after);
    g_assert_cmpmem(before, len_before, after, len_after);
}

/* First by a reader, then by a writer, then from the file itself. */
static void
assert_replayed(TestCo *t, const char *wanted)
{
    VdNode *node;

    assert_read_only_leaves_file(t, wanted);
    node = vhdx_test_open(t, VD_OPEN_RDWR);
    assert_pages(node, wanted);
    test_co_close(node);
    node = vhdx_test_open(t, 0);
    g_assert_false(has_pending_log(node));
    assert_pages(node, wanted);
    test_co_close(node);
}

static void
assert_refused(TestCo *t, VdErrorCode code, const char *text)
{
    vhdx_test_assert_refused(t, 0, code, text);
    vhdx_test_assert_refused(t, VD_OPEN_RDWR, code, text);
}

/* An entry that changes one page. */
static uint32_t
put_one(TestCo *t, uint32_t off, uint64_t sequence, uint32_t tail,
        unsigned page, char fill)
{
    VhdxTestEntry entry = {.off = off,
                           .sequence = sequence,
                           .tail = tail,
                           .n_pages = 1,
                           .pages = {{page_off(page), 0, (uint8_t) fill}}};

    return vhdx_test_put_entry(t, &entry);
}

/* -- sequences --------------------------------------------------------------
 */

static void
test_replays_from_the_tail_on(TestCo *t)
{
    uint32_t end;

    make_image(t);
    end = put_one(t, 0, 1, 0, 0, 'a');
    end = put_one(t, end, 2, 0, 1, 'b');
    put_one(t, end, 3, 0, 0, 'c');
    assert_replayed(t, "cb...");
}

static void
test_leaves_what_is_before_the_tail(TestCo *t)
{
    uint32_t second, third;

    make_image(t);
    second = put_one(t, 0, 1, 0, 0, 'a');
    third = put_one(t, second, 2, 0, 1, 'b');
    put_one(t, third, 3, second, 2, 'c');
    assert_replayed(t, ".bc..");
}

static void
test_goes_round_the_end(TestCo *t)
{
    VhdxTestEntry entry = {.off = LOG_BYTES - 2 * PAGE,
                           .sequence = 7,
                           .tail = LOG_BYTES - 2 * PAGE,
                           .n_pages = 3,
                           .pages = {{page_off(0), 0, 'a'},
                                     {page_off(1), 0, 'b'},
                                     {page_off(2), 0, 'c'}}};
    uint32_t end;

    make_image(t);
    end = vhdx_test_put_entry(t, &entry);
    g_assert_cmpuint(end, ==, 2 * PAGE);
    put_one(t, end, 8, entry.off, 3, 'd');
    assert_replayed(t, "abcd.");
}

static void
test_leaves_a_torn_entry(TestCo *t)
{
    VhdxTestEntry torn = {
        .sequence = 2,
        .n_pages = 2,
        .pages = {{page_off(1), 0, 'b'}, {page_off(2), 0, 'c'}},
        .torn = PAGE};

    make_image(t);
    torn.off = put_one(t, 0, 1, 0, 0, 'a');
    vhdx_test_put_entry(t, &torn);
    assert_replayed(t, "a....");
}

/* The sectors are there, but one byte is not what it was. */
static void
test_leaves_an_entry_with_a_wrong_sum(TestCo *t)
{
    uint32_t second;

    make_image(t);
    second = put_one(t, 0, 1, 0, 0, 'a');
    put_one(t, second, 2, 0, 1, 'b');
    vhdx_test_poke(t, VHDX_TEST_LOG + second + PAGE + 100, "x", 1);
    assert_replayed(t, "a....");
}

static void
test_takes_the_newest_sequence(TestCo *t)
{
    uint32_t end;

    make_image(t);
    end = put_one(t, 0, 1, 0, 0, 'a');
    put_one(t, end, 2, 0, 1, 'b');
    put_one(t, 64 * PAGE, 9, 64 * PAGE, 2, 'c');
    put_one(t, 32 * PAGE, 5, 32 * PAGE, 3, 'd');
    assert_replayed(t, "..c..");
}

static void
test_a_gap_in_numbers_ends_a_sequence(TestCo *t)
{
    uint32_t end;

    make_image(t);
    end = put_one(t, 0, 5, 0, 0, 'a');
    put_one(t, end, 7, 0, 1, 'b'); /* its tail is not in its sequence */
    assert_replayed(t, "a....");
}

static void
test_ignores_other_logs(TestCo *t)
{
    VhdxTestEntry other = {.sequence = 2,
                           .guid = OTHER_GUID,
                           .n_pages = 1,
                           .pages = {{page_off(1), 0, 'b'}}};

    make_image(t);
    other.off = put_one(t, 0, 1, 0, 0, 'a');
    vhdx_test_put_entry(t, &other);
    assert_replayed(t, "a....");
    vhdx_test_name_log(t, "no such log here");
    assert_refused(t, VD_ERROR_CORRUPT, "no whole sequence");
}

static void
test_an_empty_log_is_not_looked_at(TestCo *t)
{
    VdNode *node;

    make_image(t);
    put_one(t, 0, 1, 0, 0, 'a');
    vhdx_test_name_log(t, NULL);
    node = vhdx_test_open(t, 0);
    g_assert_false(has_pending_log(node));
    assert_pages(node, ".....");
    test_co_close(node);
}

static void
test_zeroes(TestCo *t)
{
    VhdxTestEntry entry = {.sequence = 1,
                           .n_pages = 3,
                           .pages = {{page_off(0), 4 * PAGE, 0},
                                     {page_off(2), 0, 'b'},
                                     {page_off(3), 0, 'c'}}};

    make_image(t);
    vhdx_test_put_entry(t, &entry);
    assert_replayed(t, "00bc.");
}

/* An entry without descriptors only moves the tail. */
static void
test_an_entry_may_be_empty(TestCo *t)
{
    VhdxTestEntry empty = {.sequence = 2};

    make_image(t);
    empty.off = put_one(t, 0, 1, 0, 0, 'a');
    empty.tail = empty.off;
    vhdx_test_put_entry(t, &empty);
    assert_replayed(t, ".....");
}

/* -- metadata ---------------------------------------------------------------
 */

static void
put_zeroes(TestCo *t, uint64_t off)
{
    VhdxTestEntry entry = {
        .sequence = 1, .n_pages = 1, .pages = {{off, PAGE, 0}}};

    make_image(t);
    vhdx_test_put_entry(t, &entry);
}

static void
test_changes_the_table(TestCo *t)
{
    put_zeroes(t, VHDX_TEST_TABLE); /* no block has a place any more */
    assert_replayed(t, "000000");
}

static void
test_changes_metadata(TestCo *t)
{
    put_zeroes(t, VHDX_TEST_METADATA);
    vhdx_test_assert_refused(t, 0, VD_ERROR_CORRUPT, "metadata");
}

static void
test_grows_the_file(TestCo *t)
{
    VhdxTestEntry entry = {.sequence = 1,
                           .last = 20 * MIB,
                           .n_pages = 1,
                           .pages = {{page_off(0), 0, 'a'}}};
    uint64_t size;
    VdNode *node;

    make_image(t);
    vhdx_test_put_entry(t, &entry);
    assert_replayed(t, "a....");
    node = test_co_open_file(t, "file", VHDX_TEST_NAME, 0);
    size = vd_node_size(node);
    test_co_close(node);
    g_assert_cmpuint(size, ==, 20 * MIB);
}

/* -- what is refused --------------------------------------------------------
 */

static void
test_refuses_a_truncated_file(TestCo *t)
{
    VhdxTestEntry entry = {.sequence = 1,
                           .flushed = 20 * MIB,
                           .last = 20 * MIB,
                           .n_pages = 1,
                           .pages = {{page_off(0), 0, 'a'}}};

    make_image(t);
    vhdx_test_put_entry(t, &entry);
    assert_refused(t, VD_ERROR_CORRUPT, "truncated");
}

static void
test_refuses_targets(TestCo *t)
{
    static const uint64_t targets[] = {0, VHDX_HEADER_AT(1), VHDX_TEST_LOG,
                                       VHDX_TEST_TABLE - PAGE};

    for (unsigned i = 0; i < G_N_ELEMENTS(targets); i++) {
        VhdxTestEntry entry = {
            .sequence = 1, .n_pages = 1, .pages = {{targets[i], 0, 'a'}}};

        make_image(t);
        vhdx_test_put_entry(t, &entry);
        assert_refused(t, VD_ERROR_CORRUPT, "wants to write");
    }
}

static void
test_refuses_a_tail_outside(TestCo *t)
{
    make_image(t);
    put_one(t, 0, 1, 16 * PAGE, 0, 'a');
    assert_refused(t, VD_ERROR_CORRUPT, "no whole sequence");
}

static void
test_refuses_sizes_beyond_all_bounds(TestCo *t)
{
    VhdxTestEntry entry = {.sequence = 1, .last = UINT64_MAX};

    make_image(t);
    vhdx_test_put_entry(t, &entry);
    assert_refused(t, VD_ERROR_CORRUPT, "wants a file");
}

static void
test_refuses_versions_of_the_log(TestCo *t)
{
    make_image(t);
    put_one(t, 0, 1, 0, 0, 'a');
    vhdx_test_poke_header(t, 0, 64, "\1", 1);
    vhdx_test_poke_header(t, 1, 64, "\1", 1);
    assert_refused(t, VD_ERROR_NOT_SUPPORTED, "version 1");
}

/* -- our own ----------------------------------------------------------------
 */

/* As after a crash: the table is what it was before the last entry or torn, and
 * the log has gone round its end meanwhile. */
static void
test_our_log_brings_the_table_back(TestCo *t)
{
    const unsigned n = 140; /* entries of two sectors */
    g_autofree uint8_t *front = g_malloc(VHDX_TEST_TABLE);
    static const uint8_t none[PAGE];
    VdNode *node;

    vhdx_test_create(t, n * MIB, "");
    node = vhdx_test_open(t, VD_OPEN_RDWR);
    for (unsigned i = 0; i < n; i++) {
        g_autoptr(GError) error = NULL;

        test_co_write_pattern(node, i * MIB, 512, i);
        vd_node_co_flush(node, &error);
        g_assert_no_error(error);
    }
    vhdx_test_peek(t, 0, front, VHDX_TEST_TABLE);
    test_co_close(node);
    node = vhdx_test_open(t, 0);
    g_assert_false(has_pending_log(node));
    test_co_close(node);

    vhdx_test_poke(t, 0, front, VHDX_TEST_TABLE);
    vhdx_test_poke(t, VHDX_TEST_TABLE, none, sizeof(none));
    for (unsigned round = 0; round < 2; round++) {
        node = vhdx_test_open(t, round ? VD_OPEN_RDWR : 0);
        g_assert_cmpint(has_pending_log(node), ==, !round);
        for (unsigned i = 0; i < n; i++)
            test_co_assert_pattern(node, i * MIB, 512, i);
        vhdx_test_assert_sound(node);
        test_co_close(node);
    }
}

/* More pages than an entry takes. */
static void
test_many_pages_at_once(TestCo *t)
{
    const uint64_t n = 300, step = 512 * MIB;
    VdNode *node;

    vhdx_test_create(t, n * step, "");
    node = vhdx_test_open(t, VD_OPEN_RDWR);
    for (uint64_t i = 0; i < n; i++)
        test_co_write_pattern(node, i * step, 512, (uint32_t) i);
    test_co_close(node);
    node = vhdx_test_open(t, 0);
    for (uint64_t i = 0; i < n; i++)
        test_co_assert_pattern(node, i * step, 512, (uint32_t) i);
    vhdx_test_assert_sound(node);
    test_co_close(node);
}

static void
peek_ids(TestCo *t, uint8_t ids[48])
{
    VdNode *node = vhdx_test_open(t, 0);
    const VhdxState *s = vd_node_state(node);

    memcpy(ids, s->headers.now.file_write, 16);
    memcpy(ids + 16, s->headers.now.data_write, 16);
    memcpy(ids + 32, s->headers.now.log, 16);
    g_assert_true(s->headers.sound[0] && s->headers.sound[1]);
    test_co_close(node);
}

static void
test_ids_change_with_the_first_write(TestCo *t)
{
    static const uint8_t none[16];
    uint8_t before[48], after[48];
    VdNode *node;

    vhdx_test_create(t, 4 * MIB, "");
    peek_ids(t, before);
    test_co_close(vhdx_test_open(t, VD_OPEN_RDWR)); /* changes nothing */
    peek_ids(t, after);
    g_assert_cmpmem(before, 48, after, 48);
    node = vhdx_test_open(t, VD_OPEN_RDWR);
    test_co_write_pattern(node, 0, 512, 1);
    test_co_close(node);
    peek_ids(t, after);
    g_assert_cmpint(memcmp(before, after, 16), !=, 0);
    g_assert_cmpint(memcmp(before + 16, after + 16, 16), !=, 0);
    g_assert_cmpmem(after + 32, 16, none, 16);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    test_co_add("/vhdx/log/replays-from-the-tail-on",
                test_replays_from_the_tail_on);
    test_co_add("/vhdx/log/leaves-what-is-before-the-tail",
                test_leaves_what_is_before_the_tail);
    test_co_add("/vhdx/log/goes-round-the-end", test_goes_round_the_end);
    test_co_add("/vhdx/log/leaves-a-torn-entry", test_leaves_a_torn_entry);
    test_co_add("/vhdx/log/leaves-an-entry-with-a-wrong-sum",
                test_leaves_an_entry_with_a_wrong_sum);
    test_co_add("/vhdx/log/takes-the-newest-sequence",
                test_takes_the_newest_sequence);
    test_co_add("/vhdx/log/a-gap-in-numbers-ends-a-sequence",
                test_a_gap_in_numbers_ends_a_sequence);
    test_co_add("/vhdx/log/ignores-other-logs", test_ignores_other_logs);
    test_co_add("/vhdx/log/an-empty-log-is-not-looked-at",
                test_an_empty_log_is_not_looked_at);
    test_co_add("/vhdx/log/zeroes", test_zeroes);
    test_co_add("/vhdx/log/an-entry-may-be-empty", test_an_entry_may_be_empty);
    test_co_add("/vhdx/log/changes-the-table", test_changes_the_table);
    test_co_add("/vhdx/log/changes-metadata", test_changes_metadata);
    test_co_add("/vhdx/log/grows-the-file", test_grows_the_file);
    test_co_add("/vhdx/log/refuses-a-truncated-file",
                test_refuses_a_truncated_file);
    test_co_add("/vhdx/log/refuses-targets", test_refuses_targets);
    test_co_add("/vhdx/log/refuses-a-tail-outside",
                test_refuses_a_tail_outside);
    test_co_add("/vhdx/log/refuses-sizes-beyond-all-bounds",
                test_refuses_sizes_beyond_all_bounds);
    test_co_add("/vhdx/log/refuses-versions", test_refuses_versions_of_the_log);
    test_co_add("/vhdx/log/our-log-brings-the-table-back",
                test_our_log_brings_the_table_back);
    test_co_add("/vhdx/log/many-pages-at-once", test_many_pages_at_once);
    test_co_add("/vhdx/log/ids-change-with-the-first-write",
                test_ids_change_with_the_first_write);
    return g_test_run();
}
