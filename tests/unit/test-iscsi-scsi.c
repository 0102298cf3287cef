/* SPDX-License-Identifier: BSD-3-Clause */
/* tests/unit/test-iscsi-scsi.c - iSCSI without a target: names and options,
 * SCSI in bytes. */
#include <string.h>

#include "block/error.h"
#include "block/proto/iscsi/client.h"
#include "io/bytes.h"

/* -- names ----------------------------------------------------------------- */

static IscsiTarget *
parse(const char *name, GError **error)
{
    g_autoptr(VdOptions) opts = vd_options_new();
    IscsiTarget *t = NULL;

    if (iscsi_parse_name(name, opts, error))
        t = iscsi_target_new(opts, error);
    if (t)
        g_assert_true(vd_options_is_empty(opts));
    return t;
}

static void
expect(const char *name, const char *canonical)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(IscsiTarget) t = parse(name, &error);

    g_assert_no_error(error);
    g_assert_cmpstr(t->name, ==, canonical);
}

static void
expect_refusal(const char *name, const char *words)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(IscsiTarget) t = parse(name, &error);

    g_assert_null(t);
    g_assert_error(error, VD_ERROR, VD_ERROR_INVALID_ARGUMENT);
    g_test_message("%s", error->message);
    g_assert_nonnull(strstr(error->message, words));
    g_assert_null(strstr(error->message, "geheim"));
}

static void
test_names(void)
{
    expect("iscsi://h/iqn.2024-01.test:x/1",
           "iscsi://h:3260/iqn.2024-01.test:x/1");
    expect("ISCSI://[::1]:99/iqn.x/0", "iscsi://[::1]:99/iqn.x/0");
    expect("iscsi://h/iqn.x%3Ay/16383", "iscsi://h:3260/iqn.x:y/16383");
    expect("iscsi://a%40b@h/iqn.x/0?password-file=/p",
           "iscsi://a%40b@h:3260/iqn.x/0?password-file=/p");
    expect("iscsi://h/iqn.x/0?connections=4&header-digest=crc32c&open-timeout=9"
           "&initiator-name=iqn.me&reconnect-delay=1&request-timeout=2"
           "&login-timeout=3",
           "iscsi://h:3260/iqn.x/0?initiator-name=iqn.me");
    expect("iscsi://u@h/iqn.x/0?password-file=/p%26q,r&initiator-name=iqn.a:b",
           "iscsi://u@h:3260/iqn.x/0?password-file=/p%26q%2Cr"
           "&initiator-name=iqn.a%3Ab");
}

static void
test_refusals(void)
{
    g_autofree char *longest = g_strdup_printf("iscsi://h/%0300d/0", 1);

    expect_refusal("iscsi://h", "expected iscsi://");
    expect_refusal("iscsi:h/iqn.x/0", "expected iscsi://");
    expect_refusal("iscsi://h/iqn.x", "expected iscsi://");
    expect_refusal("iscsi:///iqn.x/0", "portal is missing");
    expect_refusal("iscsi://:3260/iqn.x/0", "host of the portal is missing");
    expect_refusal("iscsi://h//0", "name of the target");
    expect_refusal(longest, "name of the target");
    expect_refusal("iscsi://h/iqn.x/", "lun");
    expect_refusal("iscsi://h/iqn.x/16384", "lun");
    expect_refusal("iscsi://h/iqn.x/-1", "lun");
    expect_refusal("iscsi://h/iqn.x/0/1", "lun");
    expect_refusal("iscsi://[::1/iqn.x/0", "no address");
    expect_refusal("iscsi://h/iqn.x/0?nonsense=1", "unknown key");
    expect_refusal("iscsi://h/iqn.x/0?connections", "has no value");
    expect_refusal("iscsi://h/iqn.x/0?connections=17", "connections");
    expect_refusal("iscsi://h/iqn.x/0?header-digest=md5", "header-digest");
    expect_refusal("iscsi://h/iqn%00x/0", "not well encoded");
}

/* Nobody finds a password in a message, wherever it was put. */
static void
test_passwords(void)
{
    expect_refusal("iscsi://u:geheim@h/iqn.x/0", "password-file");
    expect_refusal("iscsi://u%geheim@h/iqn.x/0", "password-file");
    expect_refusal("iscsi://u%abgeheim@h/iqn.x/0?password-file=/p",
                   "for passwords there is");
    expect_refusal("iscsi://u:geheim@h", "expected iscsi://");
    expect_refusal("iscsi://u:p@geheim@h", "expected iscsi://");
    expect_refusal("iscsi://u@h/iqn.x/0", "user and password-file");
    expect_refusal("iscsi://h/iqn.x/0?password-file=/p",
                   "user and password-file");
}

/* -- commands -------------------------------------------------------------- */

static void
assert_cdb(const uint8_t *cdb, unsigned len, unsigned wanted, const char *hex)
{
    g_autoptr(GString) text = g_string_new(NULL);

    for (unsigned i = 0; i < len; i++)
        g_string_append_printf(text, "%02x", cdb[i]);
    g_assert_cmpuint(len, ==, wanted);
    g_assert_cmpstr(text->str, ==, hex);
}

static void
test_commands(void)
{
    uint8_t cdb[SCSI_CDB_MAX], params[SCSI_UNMAP_BYTES];

    assert_cdb(cdb, scsi_put_read(cdb, 0x12345678, 0x9abc), 10,
               "28001234567800"
               "9abc"
               "00");
    assert_cdb(cdb, scsi_put_read(cdb, UINT32_MAX, 1), 16,
               "880000000000ffffffff"
               "00000001"
               "0000");
    assert_cdb(cdb, scsi_put_write(cdb, 1, 0x10000, true), 16,
               "8a080000000000000001"
               "00010000"
               "0000");
    assert_cdb(cdb, scsi_put_write(cdb, 1, 2, false), 10,
               "2a000000000100000200");
    assert_cdb(cdb, scsi_put_write_same(cdb, 3, 4, true), 16,
               "93080000000000000003"
               "00000004"
               "0000");
    assert_cdb(cdb, scsi_put_unmap(cdb), 10, "42000000000000001800");
    scsi_put_unmap_range(params, 5, 6);
    assert_cdb(params, sizeof(params), SCSI_UNMAP_BYTES,
               "0016"
               "0010"
               "00000000"
               "0000000000000005"
               "00000006"
               "00000000");
    assert_cdb(cdb, scsi_put_inquiry(cdb, SCSI_PAGE_LIMITS), 6, "1201b000ff00");
    assert_cdb(cdb, scsi_put_inquiry(cdb, SCSI_INQUIRY_STANDARD), 6,
               "12000000ff00");
    assert_cdb(cdb, scsi_put_status(cdb, 7), 16,
               "9e120000000000000007"
               "00002008"
               "0000");
    assert_cdb(cdb, scsi_put_capacity(cdb, true), 16,
               "9e100000000000000000"
               "00000020"
               "0000");
    assert_cdb(cdb, scsi_put_capacity(cdb, false), 10, "25000000000000000000");
    assert_cdb(cdb, scsi_put_flush(cdb), 10, "35000000000000000000");
}

/* -- answers --------------------------------------------------------------- */

static const char *
take_capacity(uint64_t last, uint32_t block_size, size_t len, ScsiUnit *unit)
{
    uint8_t bytes[SCSI_CAPACITY_ROOM] = {0};

    vio_put_be64(bytes, last);
    vio_put_be32(bytes + 8, block_size);
    bytes[14] = 0xc0;
    *unit = (ScsiUnit){0};
    return scsi_take_capacity(unit, bytes, len, true);
}

static void
test_capacity(void)
{
    static const uint8_t old[8] = {0, 0, 0x0f, 0xff, 0, 0, 2, 0};
    static const uint8_t full[8] = {255, 255, 255, 255, 0, 0, 2, 0};
    ScsiUnit unit = {0};

    g_assert_null(take_capacity(9, 4096, 32, &unit));
    g_assert_cmpuint(unit.blocks, ==, 10);
    g_assert_cmpuint(unit.block_size, ==, 4096);
    g_assert_true(unit.thin && unit.zeroes);
    g_assert_null(take_capacity(9, 512, 12, &unit)); /* of an old target */
    g_assert_false(unit.thin || unit.zeroes);
    g_assert_nonnull(take_capacity(9, 512, 11, &unit));
    g_assert_nonnull(take_capacity(9, 0, 32, &unit));
    g_assert_nonnull(take_capacity(9, 520, 32, &unit));
    g_assert_nonnull(take_capacity(9, 256, 32, &unit));
    g_assert_nonnull(take_capacity(9, 1u << 17, 32, &unit));
    g_assert_nonnull(take_capacity(UINT64_MAX, 512, 32, &unit));
    g_assert_nonnull(take_capacity(UINT64_MAX / 512, 512, 32, &unit));
    g_assert_null(scsi_take_capacity(&unit, old, sizeof(old), false));
    g_assert_cmpuint(unit.blocks, ==, 4096);
    g_assert_nonnull(scsi_take_capacity(&unit, full, sizeof(full), false));
    g_assert_nonnull(scsi_take_capacity(&unit, old, 7, false));
}

static void
test_inquiry(void)
{
    uint8_t bytes[36] = {0};
    bool is_missing;

    g_assert_null(scsi_take_inquiry(bytes, sizeof(bytes), &is_missing));
    g_assert_nonnull(scsi_take_inquiry(bytes, 4, &is_missing));
    g_assert_false(is_missing);
    bytes[0] = 0x05; /* a CD */
    g_assert_nonnull(scsi_take_inquiry(bytes, sizeof(bytes), &is_missing));
    g_assert_false(is_missing);
    bytes[0] = 0x7f;
    g_assert_nonnull(scsi_take_inquiry(bytes, sizeof(bytes), &is_missing));
    g_assert_true(is_missing);
}

/* All lengths, and lengths that they state, of all pages: under valgrind and
 * ASan this is what it looks at. */
static void
test_pages_cut_short(void)
{
    void (*const takes[])(ScsiUnit *, const uint8_t *,
                          size_t) = {scsi_take_mode, scsi_take_names,
                                     scsi_take_limits, scsi_take_provisioning};
    static const uint8_t pages[] = {0x08, 0x83, 0xb0, 0xb2};

    for (size_t kind = 0; kind < G_N_ELEMENTS(takes); kind++)
        for (size_t len = 0; len <= SCSI_INQUIRY_ROOM; len++) {
            g_autofree uint8_t *bytes = g_malloc(len ? len : 1);
            ScsiUnit unit = {0};

            memset(bytes, 0xff, len);
            if (len > 1)
                bytes[1] = pages[kind];
            takes[kind](&unit, bytes, len);
            g_assert_cmpuint(unit.names_len, <=, sizeof(unit.names));
        }
}

static void
test_mode(void)
{
    uint8_t bytes[] = {23, 0, 0x90, 0, 0x88, 18, 4, 0};
    ScsiUnit unit = {.write_cache = true};

    scsi_take_mode(&unit, bytes, sizeof(bytes));
    g_assert_true(unit.write_protected && unit.fua && unit.write_cache);
    bytes[2] = 0;
    bytes[6] = 0;
    scsi_take_mode(&unit, bytes, sizeof(bytes));
    g_assert_false(unit.write_protected || unit.fua || unit.write_cache);
    unit.write_cache = true;
    bytes[4] = 0x0a; /* another page: nothing is known */
    scsi_take_mode(&unit, bytes, sizeof(bytes));
    g_assert_true(unit.write_cache);
}

static GArray *
take_status(uint64_t block, unsigned n, const uint64_t (*found)[3])
{
    const ScsiUnit unit = {.blocks = 1000};
    GArray *stretches = g_array_new(FALSE, FALSE, sizeof(ScsiStretch));
    g_autofree uint8_t *bytes = g_malloc0(8 + 16 * n);

    vio_put_be32(bytes, 4 + 16 * n);
    for (unsigned i = 0; i < n; i++) {
        vio_put_be64(bytes + 8 + 16 * i, found[i][0]);
        vio_put_be32(bytes + 16 + 16 * i, (uint32_t) found[i][1]);
        bytes[20 + 16 * i] = (uint8_t) found[i][2];
    }
    scsi_take_status(bytes, 8 + 16 * n, block, &unit, stretches);
    return stretches;
}

static void
assert_status(uint64_t block, unsigned n, const uint64_t (*found)[3],
              unsigned wanted, uint64_t end)
{
    g_autoptr(GArray) stretches = take_status(block, n, found);

    g_assert_cmpuint(stretches->len, ==, wanted);
    for (guint i = 0; i < stretches->len; i++) {
        const ScsiStretch *s = &g_array_index(stretches, ScsiStretch, i);

        g_assert_cmpuint(s->block, ==, block);
        g_assert_cmpuint(s->blocks, >, 0);
        g_assert_true(s->mapped == (found[i][2] != 1));
        block += s->blocks;
    }
    g_assert_cmpuint(block, ==, end);
}

static void
test_status(void)
{
    static const uint64_t good[][3] = {{90, 20, 0}, {110, 10, 1}, {120, 1, 2}};
    static const uint64_t gap[][3] = {{100, 10, 0}, {111, 10, 1}};
    static const uint64_t back[][3] = {{100, 10, 0}, {100, 10, 1}};
    static const uint64_t none[][3] = {{100, 0, 0}};
    static const uint64_t before[][3] = {{0, 100, 0}};
    static const uint64_t beyond[][3] = {{100, UINT32_MAX, 1}, {0, 1, 0}};
    static const uint64_t huge[][3] = {{UINT64_MAX, UINT32_MAX, 1}};

    assert_status(100, 3, good, 3, 121);
    assert_status(100, 2, gap, 1, 110);
    assert_status(100, 2, back, 1, 110);
    assert_status(100, 1, none, 0, 100);
    assert_status(100, 1, before, 0, 100);
    assert_status(100, 2, beyond, 1, 1000);
    assert_status(100, 1, huge, 0, 100);
    assert_status(100, 0, NULL, 0, 100);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/iscsi/names", test_names);
    g_test_add_func("/iscsi/refusals", test_refusals);
    g_test_add_func("/iscsi/passwords", test_passwords);
    g_test_add_func("/iscsi/commands", test_commands);
    g_test_add_func("/iscsi/capacity", test_capacity);
    g_test_add_func("/iscsi/inquiry", test_inquiry);
    g_test_add_func("/iscsi/pages-cut-short", test_pages_cut_short);
    g_test_add_func("/iscsi/mode", test_mode);
    g_test_add_func("/iscsi/status", test_status);
    return g_test_run();
}
