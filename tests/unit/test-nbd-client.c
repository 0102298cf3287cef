/* SPDX-License-Identifier: BSD-3-Clause */
/* tests/unit/test-nbd-client.c - the client, byte for byte, and against servers
 * that mean harm. */
#include <inttypes.h>
#include <string.h>

#include "block/proto/nbd/client.h"
#include "block/rw.h"
#include "include/vdisk-snapshot.h"
#include "io/op.h"
#include "io/sync.h"
#include "io/tls.h"
#include "tests/unit/nbd-script.h"

#define OPT "49484156454f5054 "
#define REP "0003e889045565a9 "
#define GREETING "> 4e42444d41474943 49484156454f5054 0003\n< 00000003\n"
#define NO_EXT                                                                 \
    "< " OPT "0000000b 00000000\n> " REP "0000000b 80000001 00000000\n"
#define STRUCTURED                                                             \
    "< " OPT "00000008 00000000\n> " REP "00000008 00000001 00000000\n"
#define EXTENDED                                                               \
    "< " OPT "0000000b 00000000\n> " REP "0000000b 00000001 00000000\n"
#define ASK_CONTEXT                                                            \
    "< " OPT "0000000a 0000001c 00000001 61 00000001 0000000f "                \
    "626173653a616c6c6f636174696f6e\n"
#define CONTEXT                                                                \
    ASK_CONTEXT "> " REP "0000000a 00000004 00000013 00000001 "                \
                "626173653a616c6c6f636174696f6e\n> " REP                       \
                "0000000a 00000001 00000000\n"
#define ASK_GO "< " OPT "00000007 0000000b 00000001 61 0002 0000 0003\n"
#define GO_OF(size, flags)                                                     \
    ASK_GO                                                                     \
    "> " REP "00000007 00000003 0000000c 0000 " size " " flags "\n> " REP      \
    "00000007 00000003 0000000e 0003 00000001 00001000 02000000\n> " REP       \
    "00000007 00000001 00000000\n"
#define GO GO_OF("0000000000100000", "05ed")
#define SHAKE GREETING NO_EXT STRUCTURED CONTEXT GO

/* Requests of the first slot, first use; 512 bytes at 0x200. */
#define COOKIE "0000000000010000 "
#define READ "< 25609513 0000 0000 " COOKIE "0000000000000200 00000200\n"
#define CHUNK(flags, type, len) "668e33ef " flags " " type " " COOKIE len " "
#define SIXTEEN "00112233445566778899aabbccddeeff"
#define SIXTYFOUR SIXTEEN SIXTEEN SIXTEEN SIXTEEN
#define HALF SIXTYFOUR SIXTYFOUR SIXTYFOUR SIXTYFOUR
#define SECTOR HALF HALF

static VdNode *
start(TestCo *t, const char *text, const char *more, NbdScript **script)
{
    g_autofree char *options = NULL;
    g_autoptr(GError) error = NULL;
    VdNode *node;

    *script = nbd_script_new(t, text);
    options = nbd_script_options(*script, more);
    node = test_co_try_open(t, options, VD_OPEN_RDWR | VD_OPEN_UNMAP, &error);
    g_assert_no_error(error);
    return node;
}

static void
expect_sector(const uint8_t *bytes)
{
    for (unsigned i = 0; i < 512; i++)
        g_assert_cmpuint(bytes[i], ==, i % 16 * 17);
}

/* -- by the book ----------------------------------------------------------- */

static void
test_reads_chunks_in_any_order(TestCo *t)
{
    NbdScript *script;
    uint8_t buf[512];
    g_autoptr(GError) error = NULL;
    VdNode *node = start(
        t,
        SHAKE READ
        "> " CHUNK("0000", "0002", "0000000c") "0000000000000300 00000100\n> " CHUNK(
            "0000", "0001", "00000108") "0000000000000200 " HALF
                                        "\n> " CHUNK("0001", "0000",
                                                     "00000000") "\n",
        "export=a", &script);

    g_assert_cmpuint(vd_node_size(node), ==, 1 << 20);
    memset(buf, 'x', sizeof(buf));
    g_assert_true(vd_node_co_pread(node, 512, buf, sizeof(buf), &error));
    g_assert_no_error(error);
    for (unsigned i = 0; i < 512; i++)
        g_assert_cmpuint(buf[i], ==, i < 256 ? i % 16 * 17 : 0);
    test_co_close(node);
    nbd_script_end(script);
}

static void
test_speaks_extended_headers(TestCo *t)
{
    NbdScript *script;
    g_autoptr(GError) error = NULL;
    uint8_t buf[512];
    VdNode *node = start(
        t,
        GREETING EXTENDED CONTEXT GO
        "< 21e41c71 0000 0000 " COOKIE "0000000000000200 0000000000000200\n"
        "> 6e8a278c 0001 0001 " COOKIE "0000000000000200 0000000000000208 "
        "0000000000000200 " SECTOR "\n"
        "< 21e41c71 0020 0001 0000000000020000 0000000000000000 "
        "0000000000000002 4142\n"
        "> 6e8a278c 0001 0000 0000000000020000 0000000000000000 "
        "0000000000000000\n",
        "export=a", &script);

    g_assert_true(vd_node_co_pread(node, 512, buf, sizeof(buf), &error));
    expect_sector(buf);
    g_assert_true(vd_node_co_pwrite(node, 0, "AB", 2, &error));
    test_co_close(node);
    nbd_script_end(script);
}

static void
test_zeroes_ask_for_no_more_than_offered(TestCo *t)
{
    NbdScript *script;
    g_autoptr(GError) error = NULL;
    VdNode *node = start(
        t,
        SHAKE
        "< 25609513 0002 0006 " COOKIE "0000000000000200 00000200\n"
        "> " CHUNK(
            "0001", "0000",
            "00000000") "\n"
                        "< 25609513 0000 0004 0000000000020000 0000000000000000 "
                        "00100000\n> 67446698 00000000 0000000000020000\n"
                        "< 25609513 0000 0003 0000000000030000 0000000000000000 "
                        "00000000\n> 67446698 00000000 0000000000030000\n",
        "export=a", &script);

    g_assert_true(vd_node_co_write_zeroes(node, 512, 512, 0, &error));
    g_assert_true(vd_node_co_discard(node, 0, 1 << 20, &error));
    g_assert_true(vd_node_co_flush(node, &error));
    g_assert_false(
        vd_node_co_write_zeroes(node, 0, 512, VD_REQ_NO_FALLBACK, &error));
    g_assert_error(error, VD_ERROR, VD_ERROR_NOT_SUPPORTED);
    test_co_close(node);
    nbd_script_end(script);
}

/* A long one goes in pieces that do not wait for each other. */
static void
test_pieces_of_a_trim_go_side_by_side(TestCo *t)
{
    NbdScript *script;
    g_autoptr(GError) error = NULL;
    VdNode *node = start(
        t,
        GREETING NO_EXT STRUCTURED CONTEXT GO_OF(
            "0000000140000000",
            "05ed") "< 25609513 0000 0004 " COOKIE "0000000000000000 80000000\n"
                    "< 25609513 0000 0004 0000000000010001 0000000080000000 80000000\n"
                    "< 25609513 0000 0004 0000000000010002 0000000100000000 40000000\n"
                    "> 67446698 00000000 0000000000010002\n"
                    "> 67446698 00000000 0000000000010000\n"
                    "> 67446698 00000000 0000000000010001\n",
        "export=a", &script);

    g_assert_true(vd_node_co_discard(node, 0, 5ull << 30, &error));
    test_co_close(node);
    nbd_script_end(script);
}

static void
test_one_question_tells_all_extents(TestCo *t)
{
    NbdScript *script;
    g_autoptr(GError) error = NULL;
    VdNode *node = start(
        t,
        SHAKE
        "< 25609513 0000 0007 " COOKIE "0000000000000000 00100000\n"
        "> " CHUNK(
            "0001", "0005",
            "0000001c") "00000001 00010000 00000000 00020000 00000003 01000000 00000002\n",
        "export=a", &script);
    VdRun run;

    g_assert_true(vd_node_co_map(node, 0, 1 << 20, VD_WANT_ZERO, &run, &error));
    g_assert_cmpint(run.kind, ==, VD_RUN_DATA);
    g_assert_cmpuint(run.len, ==, 0x10000);
    g_assert_true(
        vd_node_co_map(node, 0x18000, 1 << 19, VD_WANT_ZERO, &run, &error));
    g_assert_cmpint(run.kind, ==, VD_RUN_ZERO);
    g_assert_false(run.allocated);
    g_assert_cmpuint(run.len, ==, 0x18000);
    g_assert_true(
        vd_node_co_map(node, 0x80000, 0x80000, VD_WANT_ZERO, &run, &error));
    g_assert_cmpint(run.kind, ==, VD_RUN_ZERO);
    g_assert_true(run.allocated);
    g_assert_cmpuint(run.len, ==, 0x80000);
    test_co_close(node);
    nbd_script_end(script);
}

#define ASK_BOTH                                                               \
    "< " OPT "0000000a 00000034 00000001 61 00000002 0000000f "                \
    "626173653a616c6c6f636174696f6e 00000014 "                                 \
    "71656d753a64697274792d6269746d61703a6262\n"

#define GO_TERABYTE GO_OF("0000010000000000", "05ed")

/* Each answer is used up, so the next question is twice as long: beyond 2 GiB,
 * since there are extended headers.  The next connection has none. */
static void
test_questions_grow(TestCo *t)
{
    g_autoptr(GString) text =
        g_string_new(GREETING EXTENDED CONTEXT GO_TERABYTE);
    uint64_t at = 0, len = 64 << 20;
    NbdScript *script;
    VdNode *node;

    for (unsigned i = 0; i < 7; i++, at += len, len *= 2)
        g_string_append_printf(
            text,
            "< 21e41c71 0000 0007 %016x %016" PRIx64 " %016" PRIx64 "\n"
            "> 6e8a278c 0001 0006 %016x %016" PRIx64 " 0000000000000018 "
            "00000001 00000001 %016" PRIx64 " 0000000000000003\n",
            (i + 1) << 16, at, len, (i + 1) << 16, at, len);
    g_string_append_printf(
        text,
        "< 21e41c71 0000 0007 0000000000080000 %016" PRIx64 " %016" PRIx64
        "\nclose\n" GREETING NO_EXT STRUCTURED CONTEXT GO_TERABYTE
        "< 25609513 0000 0007 " COOKIE "%016" PRIx64 " 80000000\n"
        "> " CHUNK("0001", "0005", "0000000c") "00000001 80000000 00000003\n",
        at, len, at);
    at += UINT64_C(1) << 31;
    node = start(t, text->str, "export=a,reconnect-delay=30", &script);
    for (uint64_t off = 0; off < at;) {
        g_autoptr(GError) error = NULL;
        VdRun run;

        g_assert_true(
            vd_node_co_map(node, off, at - off, VD_WANT_ZERO, &run, &error));
        g_assert_cmpint(run.kind, ==, VD_RUN_ZERO);
        off += run.len;
    }
    test_co_close(node);
    nbd_script_end(script);
}

static void
test_bitmap_tells_what_is_dirty(TestCo *t)
{
    NbdScript *script;
    g_autoptr(GArray) ranges = g_array_new(FALSE, FALSE, sizeof(VdDirtyRange));
    g_autoptr(GPtrArray) list = NULL;
    g_autoptr(GError) error = NULL;
    VdNode *node = start(
        t,
        GREETING NO_EXT STRUCTURED ASK_BOTH
        "> " REP "0000000a 00000004 00000018 00000000 "
        "71656d753a64697274792d6269746d61703a6262\n> " REP
        "0000000a 00000001 00000000\n" GO "< 25609513 0000 0007 " COOKIE
        "0000000000000000 00100000\n"
        "> " CHUNK(
            "0001", "0005",
            "00000014") "00000000 00010000 00000000 00020000 00000001\n"
                        "< 25609513 0000 0007 0000000000020000 0000000000030000 000d0000\n"
                        "> 668e33ef 0001 0005 0000000000020000 0000000c "
                        "00000000 01000000 00000001\n",
        "export=a,x-dirty-bitmap=qemu:dirty-bitmap:bb", &script);
    const VdDriver *driver = vd_node_driver(node);
    const VdDirtyRange *range;

    list = driver->co_list_bitmaps(node, &error);
    g_assert_cmpuint(list->len, ==, 1);
    g_assert_true(
        driver->co_read_bitmap(node, "bb", 0, 1 << 20, ranges, &error));
    g_assert_cmpuint(ranges->len, ==, 1);
    range = &g_array_index(ranges, VdDirtyRange, 0);
    g_assert_cmpuint(range->off, ==, 0x10000);
    g_assert_cmpuint(range->len, ==, 0xf0000);
    g_assert_false(
        driver->co_read_bitmap(node, "c", 0, 1 << 20, ranges, &error));
    g_assert_error(error, VD_ERROR, VD_ERROR_NOT_FOUND);
    test_co_close(node);
    nbd_script_end(script);
}

static void
test_error_text_is_escaped(TestCo *t)
{
    NbdScript *script;
    uint8_t buf[512];
    g_autoptr(GError) error = NULL;
    VdNode *node =
        start(t,
              SHAKE READ
              "> " CHUNK("0001", "8001", "0000000a") "0000001c 0004 611b5b62\n",
              "export=a", &script);

    g_assert_false(vd_node_co_pread(node, 512, buf, sizeof(buf), &error));
    g_assert_error(error, VD_ERROR, VD_ERROR_NO_SPACE);
    g_assert_nonnull(strstr(error->message, "a\\x1b[b"));
    g_assert_nonnull(strstr(error->message, "offset 512"));
    test_co_close(node);
    nbd_script_end(script);
}

/* -- old and odd servers --------------------------------------------------- */

static void
test_option_that_kills_is_left_out(TestCo *t)
{
    NbdScript *script;
    VdNode *node =
        start(t,
              GREETING "< " OPT "0000000b 00000000\nclose\n" GREETING "< " OPT
                       "00000008 00000000\nclose\n" GREETING GO,
              "export=a", &script);

    test_co_close(node);
    nbd_script_end(script);
}

static void
test_old_server_is_asked_by_name(TestCo *t)
{
    NbdScript *script;
    uint8_t buf[512];
    VdNode *node =
        start(t,
              "> 4e42444d41474943 49484156454f5054 0002\n< 00000002\n"
              "< " OPT "00000001 00000001 61\n> 0000000000100000 0001\n" READ
              "> 67446698 00000000 " COOKIE SECTOR "\n",
              "export=a", &script);

    g_assert_true(vd_node_co_pread(node, 512, buf, sizeof(buf), NULL));
    expect_sector(buf);
    test_co_close(node);
    nbd_script_end(script);
}

static void
test_unknown_export_tells_what_there_is(TestCo *t)
{
    NbdScript *script = nbd_script_new(
        t, GREETING NO_EXT STRUCTURED ASK_CONTEXT
        "> " REP "0000000a 80000006 00000000\n" ASK_GO "> " REP
        "00000007 80000006 00000002 6e6f\n"
        "< " OPT "00000003 00000000\n> " REP "00000003 00000002 00000006 "
        "00000002 62 0a\n> " REP "00000003 00000001 00000000\n");
    g_autofree char *options = nbd_script_options(script, "export=a");
    g_autoptr(GError) error = NULL;

    g_assert_null(test_co_try_open(t, options, 0, &error));
    g_assert_error(error, VD_ERROR, VD_ERROR_NOT_FOUND);
    g_assert_nonnull(strstr(error->message, "'b\\x0a'"));
    nbd_script_end(script);
}

/* -- hostile answers ------------------------------------------------------- */

static void
expect_read_fails(TestCo *t, const char *answer, const char *text)
{
    g_autofree char *all =
        g_strconcat(SHAKE READ "> ", answer, "\nwait\n", NULL);
    NbdScript *script;
    g_autoptr(GError) error = NULL;
    uint8_t buf[512];
    VdNode *node = start(t, all, "export=a", &script);

    g_assert_false(vd_node_co_pread(node, 512, buf, sizeof(buf), &error));
    g_test_message("%s", error->message);
    g_assert_error(error, VD_ERROR, VD_ERROR_CORRUPT);
    g_assert_nonnull(strstr(error->message, text));
    g_clear_error(&error);
    /* For good. */
    g_assert_false(vd_node_co_pread(node, 512, buf, sizeof(buf), &error));
    g_assert_error(error, VD_ERROR, VD_ERROR_CORRUPT);
    test_co_close(node);
    nbd_script_end(script);
}

static void
test_hostile_answers(TestCo *t)
{
    static const struct {
        const char *answer, *text;
    } cases[] = {
        {"12345678 00000000", "magic 12345678"},
        {"6e8a278c 0001 0000", "magic 6e8a278c"},
        {"67446698 00000000 " COOKIE SECTOR, "simple reply"},
        {"668e33ef 0001 0001 0000000000020000 00000009", "cookie 20000"},
        {"668e33ef 0001 0001 0000000000010001 00000009", "cookie 10001"},
        {"668e33ef 0001 0001 000000000001ffff 00000009", "cookie 1ffff"},
        {CHUNK("0001", "0001", "00000008"), "data chunk of 8"},
        {CHUNK("0001", "0001", "00000209") "0000000000000200",
         "chunk of 513 bytes"},
        {CHUNK("0001", "0001", "ffffffff") "0000000000000200", "chunk of"},
        {CHUNK("0001", "0001", "00000108") "00000000000001ff", "offset 511"},
        {CHUNK("0001", "0001", "00000108") "0000000000000301", "offset 769"},
        {CHUNK("0001", "0001", "00000108") "ffffffffffffffff", "chunk of 256"},
        {CHUNK("0001", "0001", "00000108") "0000000000000200 " HALF,
         "256 of 512 bytes came"},
        {CHUNK("0000", "0002", "0000000c") "0000000000000200 00000100" CHUNK(
             "0000", "0002", "0000000c") "00000000000002ff 00000001",
         "overlaps"},
        {CHUNK("0000", "0002", "0000000c") "0000000000000300 00000100" CHUNK(
             "0000", "0002", "0000000c") "0000000000000200 00000101",
         "overlaps"},
        {CHUNK("0001", "0002", "0000000c") "0000000000000200 00000000",
         "chunk of 0 bytes"},
        {CHUNK("0001", "0002", "0000000d"), "hole chunk of 13"},
        {CHUNK("0001", "0000", "00000000"), "0 of 512 bytes came"},
        {CHUNK("0000", "0000", "00000000"), "empty chunk"},
        {CHUNK("0001", "0000", "00000001"), "empty chunk"},
        {CHUNK("0001", "0003", "00000000"), "chunk of type 3"},
        {CHUNK("0001", "0005", "0000000c"), "status chunk of 12"},
        {CHUNK("0001", "8001", "00000005"), "error chunk of 5"},
        {CHUNK("0001", "8001", "80000000"), "error chunk of"},
        {CHUNK("0001", "8001", "00000007") "00000005 0002", "error text of 2"},
    };

    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++)
        expect_read_fails(t, cases[i].answer, cases[i].text);
}

static void
expect_map_fails(TestCo *t, const char *answer, const char *text)
{
    g_autofree char *all = g_strconcat(SHAKE "< 25609513 0000 0007 " COOKIE
                                             "0000000000000000 00100000\n> ",
                                       answer, "\nwait\n", NULL);
    NbdScript *script;
    g_autoptr(GError) error = NULL;
    VdRun run;
    VdNode *node = start(t, all, "export=a", &script);

    g_assert_false(
        vd_node_co_map(node, 0, 1 << 20, VD_WANT_ZERO, &run, &error));
    g_test_message("%s", error->message);
    g_assert_error(error, VD_ERROR, VD_ERROR_CORRUPT);
    g_assert_nonnull(strstr(error->message, text));
    test_co_close(node);
    nbd_script_end(script);
}

static void
test_hostile_extents(TestCo *t)
{
    expect_map_fails(t, CHUNK("0001", "0005", "00000004") "00000001",
                     "status chunk of 4");
    expect_map_fails(t, CHUNK("0001", "0005", "0000000b") "00000001",
                     "status chunk of 11");
    expect_map_fails(t, CHUNK("0001", "0005", "fffffffc") "00000001",
                     "status chunk of 4294967292");
    expect_map_fails(
        t, CHUNK("0001", "0005", "0000000c") "00000001 00000000 00000003",
        "extent of 0 bytes");
    expect_map_fails(
        t,
        CHUNK("0001", "0005",
              "00000014") "00000001 ffffffff 00000003 00000200 00000000",
        "beyond the end");
    expect_map_fails(
        t,
        CHUNK("0001", "0005",
              "00000014") "00000001 00100000 00000003 00000200 00000000",
        "extent of 512 bytes at offset 1048576");
    expect_map_fails(t, CHUNK("0001", "0006", "00000018"), "chunk of type 6");
}

/* -- hostile handshakes ---------------------------------------------------- */

static void
expect_open_fails(TestCo *t, const char *text, const char *more, int code,
                  const char *words)
{
    NbdScript *script = nbd_script_new(t, text);
    g_autofree char *options = nbd_script_options(script, more);
    g_autoptr(GError) error = NULL;

    g_assert_null(test_co_try_open(t, options, VD_OPEN_RDWR, &error));
    g_test_message("%s", error->message);
    g_assert_error(error, VD_ERROR, code);
    g_assert_nonnull(strstr(error->message, words));
    nbd_script_end(script);
}

static void
test_hostile_handshakes(TestCo *t)
{
    static const struct {
        const char *text, *words;
    } cases[] = {
        {"> 485454502f312e3120343030204261640d0a\nwait\n", "no NBD server"},
        {"> 4e42444d41474943 0000000000000000\nwait\n",
         "greeting with magic 0000000000000000"},
        {GREETING "> 0003e889045565aa 0000000b 00000001 00000000\nwait\n",
         "option reply with magic"},
        {GREETING "> " REP "00000008 00000001 00000000\nwait\n",
         "reply to option 8"},
        {GREETING "> " REP "0000000b 00000001 00000001 00\nwait\n",
         "acknowledgement of 1 bytes"},
        {GREETING "> " REP "0000000b 00000003 00000000\nwait\n",
         "type 3 to option EXTENDED_HEADERS"},
        {GREETING "> " REP "0000000b 80000001 ffffffff\nwait\n",
         "option reply of 4294967295 bytes"},
        {GREETING NO_EXT STRUCTURED ASK_CONTEXT
         "> " REP "0000000a 00000004 00000004 00000001\nwait\n",
         "context reply of 4"},
        {GREETING NO_EXT STRUCTURED CONTEXT ASK_GO
         "> " REP "00000007 00000003 00000001 00\nwait\n",
         "info of 1 bytes"},
        {GREETING NO_EXT STRUCTURED CONTEXT ASK_GO
         "> " REP "00000007 00000003 0000000b 0000 000000000010000005\nwait\n",
         "info 0 of 11 bytes"},
        {GREETING NO_EXT STRUCTURED CONTEXT ASK_GO
         "> " REP "00000007 00000001 00000000\nwait\n",
         "no size"},
        {GREETING NO_EXT STRUCTURED CONTEXT ASK_GO
         "> " REP "00000007 00000003 0000000e 0003 00000003 00001000 02000000\n"
         "wait\n",
         "minimum 3"},
        {GREETING NO_EXT STRUCTURED CONTEXT ASK_GO
         "> " REP "00000007 00000003 0000000e 0003 00000200 00001000 00000100\n"
         "wait\n",
         "maximum 256"},
        {GREETING NO_EXT STRUCTURED CONTEXT GO_OF("8000000000000000",
                                                  "0001") "wait\n",
         "export of 9223372036854775808 bytes"},
        {GREETING NO_EXT STRUCTURED CONTEXT GO_OF("0000000000100000",
                                                  "0000") "wait\n",
         "flags of the export are missing"},
    };

    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++)
        expect_open_fails(t, cases[i].text, "export=a", VD_ERROR_CORRUPT,
                          cases[i].words);
    expect_open_fails(t,
                      GREETING "close\n" GREETING "close\n" GREETING "close\n",
                      "export=a", VD_ERROR_IO, "closed the connection");
    expect_open_fails(
        t, GREETING NO_EXT STRUCTURED CONTEXT GO_OF("0000000000100000", "0003"),
        "export=a", VD_ERROR_READ_ONLY, "read-only");
}

static void
test_dripping_server_times_out(TestCo *t)
{
    expect_open_fails(t, "drip 4e42444d4147494349484156454f5054\nwait\n",
                      "export=a,handshake-timeout=1", VD_ERROR_TIMED_OUT,
                      "timed out");
}

typedef struct {
    TestCo *t;
    NbdScript *script;
} Caller;

/* Calls back when the server has fallen silent. */
static bool
call_back_co(void *arg, GError **error)
{
    Caller *caller = arg;

    while (!nbd_script_waits(caller->script))
        (void) vio_co_sleep(caller->t->loop, 1000 * 1000, NULL);
    vio_cancel_fire(caller->t->env.cancel);
    return true;
}

/* Half an answer, and then nothing: whoever waits can be called back, and the
 * disk can be closed. */
static void
test_silent_server_can_be_left(TestCo *t)
{
    Caller caller = {.t = t};
    uint8_t buf[512];
    g_autoptr(GError) error = NULL;
    g_autoptr(VioCancel) cancel = vio_cancel_new();
    g_autoptr(VioCoGroup) group = vio_co_group_new(1);
    VdNode *node =
        start(t,
              SHAKE READ
              "> " CHUNK("0001", "0001", "00000208") "0000000000000200" SIXTEEN
                                                     "\nwait\n",
              "export=a", &caller.script);

    t->env.cancel = cancel;
    vio_co_group_spawn(group, call_back_co, &caller, NULL);
    g_assert_false(vd_node_co_pread(node, 512, buf, sizeof(buf), &error));
    g_assert_error(error, VD_ERROR, VD_ERROR_CANCELLED);
    g_assert_true(vio_co_group_join(group, NULL));
    test_co_close(node);
    t->env.cancel = NULL;
    nbd_script_end(caller.script);
}

/* The same when nobody calls: the reply that has not begun, and the one that
 * does not go on, are waited for as long as was said. */
static void
test_silent_server_times_out(TestCo *t)
{
    NbdScript *script;
    uint8_t buf[512];
    g_autoptr(GError) error = NULL;
    VdNode *node =
        start(t, SHAKE READ "wait\n", "export=a,request-timeout=1", &script);
    NbdClient *client = vd_node_state(node);

    /* A read is tried once more, but nobody greets any more. */
    client->reconnect.attempt_ns = 1000 * 1000;
    g_assert_false(vd_node_co_pread(node, 512, buf, sizeof(buf), &error));
    g_assert_error(error, VD_ERROR, VD_ERROR_TIMED_OUT);
    test_co_close(node);
    nbd_script_end(script);
}

/* -- TLS that somebody takes away --------------------------------------------
 */

#define START_TLS "< " OPT "00000005 00000000\n> " REP "00000005 "
#define TLS "export=a,tls=on,tls-verify-peer=off"

static void
test_stripped_tls_is_noticed(TestCo *t)
{
    expect_open_fails(t, GREETING START_TLS "80000001 00000000\nwait\n", TLS,
                      VD_ERROR_PERMISSION, "does not offer TLS");
    expect_open_fails(
        t, "> 4e42444d41474943 49484156454f5054 0002\n< 00000002\nwait\n", TLS,
        VD_ERROR_PERMISSION, "does not offer TLS");
    expect_open_fails(t, "> 4e42444d41474943 0000420281861253\nwait\n", TLS,
                      VD_ERROR_NOT_SUPPORTED, "without TLS");
    expect_open_fails(
        t, GREETING START_TLS "00000001 00000000 15030300020228\nwait\n", TLS,
        VD_ERROR_CORRUPT, "clear text");
    expect_open_fails(
        t,
        GREETING START_TLS
        "00000001 00000000\n< 16\n> 00112233445566778899aabbcc\nwait\n",
        TLS, VD_ERROR_PERMISSION, "TLS: ");
}

/* -- lost connections ------------------------------------------------------ */

#define WRITE2 "< 25609513 0000 0001 " COOKIE "0000000000000000 00000002 4142\n"
#define OK1 "> 67446698 00000000 " COOKIE "\n"
#define FLUSH(cookie)                                                          \
    "< 25609513 0000 0003 " cookie "0000000000000000 00000000\n"               \
    "> 67446698 00000000 " cookie "\n"

static void
test_lost_request_is_sent_again(TestCo *t)
{
    NbdScript *script;
    g_autoptr(GError) error = NULL;
    VdNode *node = start(
        t, SHAKE WRITE2 "close\n" SHAKE WRITE2 OK1 FLUSH("0000000000020000 "),
        "export=a,reconnect-delay=30", &script);

    g_assert_true(vd_node_co_pwrite(node, 0, "AB", 2, &error));
    g_assert_no_error(error);
    g_assert_true(vd_node_co_flush(node, &error));
    test_co_close(node);
    nbd_script_end(script);
}

static void
test_acknowledged_but_lost_fails_the_flush(TestCo *t)
{
    NbdScript *script;
    g_autoptr(GError) error = NULL;
    VdNode *node = start(t, SHAKE WRITE2 OK1 "close\n" SHAKE FLUSH(COOKIE),
                         "export=a,reconnect-delay=30", &script);

    g_assert_true(vd_node_co_pwrite(node, 0, "AB", 2, &error));
    g_assert_false(vd_node_co_flush(node, &error));
    g_assert_error(error, VD_ERROR, VD_ERROR_IO);
    g_assert_nonnull(strstr(error->message, "may have forgotten"));
    test_co_close(node);
    nbd_script_end(script);
}

static void
test_write_fails_at_once_without_a_delay(TestCo *t)
{
    NbdScript *script;
    g_autoptr(GError) error = NULL;
    VdNode *node =
        start(t, SHAKE WRITE2 "close\n" SHAKE WRITE2 OK1, "export=a", &script);

    g_assert_false(vd_node_co_pwrite(node, 0, "AB", 2, &error));
    g_assert_error(error, VD_ERROR, VD_ERROR_IO);
    g_clear_error(&error);
    g_assert_true(vd_node_co_pwrite(node, 0, "AB", 2, &error));
    test_co_close(node);
    nbd_script_end(script);
}

static void
test_lost_read_asks_in_one_piece(TestCo *t)
{
    NbdScript *script;
    uint8_t buf[512];
    g_autoptr(GError) error = NULL;
    VdNode *node = start(
        t,
        SHAKE READ "close\n" SHAKE "< 25609513 0004 0000 " COOKIE
                   "0000000000000200 00000200\n"
                   "> " CHUNK("0001", "8001", "00000006") "00000005 0000\n",
        "export=a", &script);

    g_assert_false(vd_node_co_pread(node, 512, buf, sizeof(buf), &error));
    g_assert_error(error, VD_ERROR, VD_ERROR_IO);
    g_assert_nonnull(strstr(error->message, "read of 512 bytes"));
    test_co_close(node);
    nbd_script_end(script);
}

static void
test_another_disk_is_refused(TestCo *t)
{
    NbdScript *script;
    g_autoptr(GError) error = NULL;
    VdNode *node =
        start(t,
              SHAKE WRITE2 "close\n" GREETING NO_EXT STRUCTURED CONTEXT GO_OF(
                  "0000000000080000", "05ed") "wait\n",
              "export=a,reconnect-delay=30", &script);

    g_assert_false(vd_node_co_pwrite(node, 0, "AB", 2, &error));
    g_assert_error(error, VD_ERROR, VD_ERROR_IO);
    g_assert_nonnull(strstr(error->message, "another disk"));
    test_co_close(node);
    nbd_script_end(script);
}

/* An attempt lasts no longer than the requests wait. */
static void
test_silent_successor_is_left_in_time(TestCo *t)
{
    NbdScript *script;
    g_autoptr(GError) error = NULL;
    VdNode *node =
        start(t, SHAKE WRITE2 "close\nconn 1\nwait\n",
              "export=a,reconnect-delay=1,handshake-timeout=86400", &script);

    g_assert_false(vd_node_co_pwrite(node, 0, "AB", 2, &error));
    g_assert_error(error, VD_ERROR, VD_ERROR_TIMED_OUT);
    test_co_close(node);
    nbd_script_end(script);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    test_co_add("/read/chunks", test_reads_chunks_in_any_order);
    test_co_add("/extended", test_speaks_extended_headers);
    test_co_add("/zeroes", test_zeroes_ask_for_no_more_than_offered);
    test_co_add("/pieces", test_pieces_of_a_trim_go_side_by_side);
    test_co_add("/status", test_one_question_tells_all_extents);
    test_co_add("/status/grows", test_questions_grow);
    test_co_add("/bitmap", test_bitmap_tells_what_is_dirty);
    test_co_add("/error-text", test_error_text_is_escaped);
    test_co_add("/old/kills", test_option_that_kills_is_left_out);
    test_co_add("/old/export-name", test_old_server_is_asked_by_name);
    test_co_add("/unknown-export", test_unknown_export_tells_what_there_is);
    test_co_add("/hostile/answers", test_hostile_answers);
    test_co_add("/hostile/extents", test_hostile_extents);
    test_co_add("/hostile/handshakes", test_hostile_handshakes);
    test_co_add("/hostile/drip", test_dripping_server_times_out);
    test_co_add("/hostile/silence", test_silent_server_can_be_left);
    test_co_add("/hostile/no-answer", test_silent_server_times_out);
    if (vio_tls_available())
        test_co_add("/hostile/stripped-tls", test_stripped_tls_is_noticed);
    test_co_add("/lost/again", test_lost_request_is_sent_again);
    test_co_add("/lost/flush", test_acknowledged_but_lost_fails_the_flush);
    test_co_add("/lost/at-once", test_write_fails_at_once_without_a_delay);
    test_co_add("/lost/one-piece", test_lost_read_asks_in_one_piece);
    test_co_add("/lost/in-time", test_silent_successor_is_left_in_time);
    test_co_add("/lost/another-disk", test_another_disk_is_refused);
    return g_test_run();
}
