/* SPDX-License-Identifier: BSD-3-Clause */
/* tests/unit/test-scsi-id.c - names of logical units, as devices,
 * servers and the kernel write them. */
#include "block/scsi-id.h"

#include <string.h>

#define NAA                                                                    \
    "\x01\x03\x00\x10"                                                         \
    "\x60\x00\xc2\x9a\x12\x34\x56\x78\x9a\xbc\xde\xf0\x11\x22\x33\x44"
#define NAA_NAME "naa.6000c29a123456789abcdef011223344"

/* The page's body; its header is put before it. */
typedef struct {
    const char *what, *body;
    size_t len;
    const char *names; /* one blank between two */
} Page;

#define PAGE(what, body, names)                                                \
    {                                                                          \
        what, body, sizeof(body) - 1, names                                    \
    }

static const Page pages[] = {
    PAGE("empty", "", ""),
    PAGE("naa", NAA, NAA_NAME),
    PAGE("twice", NAA NAA, NAA_NAME),
    PAGE("short-naa", "\x01\x03\x00\x08\x50\x00\xc5\x00\x01\x02\x03\x04",
         "naa.5000c50001020304"),
    PAGE("piv", "\x61\x83\x00\x08\x50\x00\xc5\x00\x01\x02\x03\x04",
         "naa.5000c50001020304"),
    PAGE("of-a-port", "\x01\x13\x00\x08\x50\x00\xc5\x00\x01\x02\x03\x04", ""),
    PAGE("of-the-target", "\x01\x23\x00\x08\x50\x00\xc5\x00\x01\x02\x03\x04",
         ""),
    PAGE("naa-as-text",
         "\x02\x03\x00\x08"
         "50012345",
         ""),
    PAGE("naa-of-no-length", "\x01\x03\x00\x00", ""),
    PAGE("naa-too-short", "\x01\x03\x00\x04\x50\x00\xc5\x00", ""),
    PAGE("eui", "\x01\x02\x00\x08\x00\x25\x38\x01\x02\x03\x04\x05",
         "eui.0025380102030405"),
    PAGE("t10",
         "\x02\x01\x00\x14"
         "ATA     WDC-1 2     ",
         "t10.ATA_____WDC2D1_2"),
    PAGE("t10-then-naa",
         "\x02\x01\x00\x08"
         "VMware  " NAA,
         "t10.VMware " NAA_NAME),
    PAGE("t10-of-blanks",
         "\x02\x01\x00\x08"
         "        ",
         ""),
    PAGE("t10-binary",
         "\x01\x01\x00\x08"
         "VMware  ",
         ""),
    PAGE("by-name",
         "\x03\x08\x00\x14"
         "naa.5000C50001020304",
         "naa.5000c50001020304"),
    PAGE("iqn",
         "\x03\x08\x00\x08"
         "iqn.2001",
         ""),
    PAGE("other-types",
         "\x01\x00\x00\x02zz"
         "\x01\x04\x00\x04\0\0\0\1" NAA,
         NAA_NAME),
    PAGE("cut-in-header", NAA "\x01\x03\x00", NAA_NAME),
    PAGE("cut-in-data", NAA "\x01\x03\x00\x10\x60\x00", NAA_NAME),
    PAGE("length-beyond-end", "\x01\x03\x00\xff\x60\x00", ""),
};

static GBytes *
page_new(uint8_t code, const void *body, size_t len)
{
    GByteArray *page = g_byte_array_new();
    const uint8_t header[] = {0, code, (uint8_t) (len >> 8), (uint8_t) len};

    g_byte_array_append(page, header, sizeof(header));
    g_byte_array_append(page, body, (guint) len);
    return g_byte_array_free_to_bytes(page);
}

static char *
decode(const uint8_t *page, size_t len)
{
    g_autoptr(GPtrArray) names = vd_scsi_names_decode(page, len);

    g_ptr_array_add(names, NULL);
    return g_strjoinv(" ", (char **) names->pdata);
}

static char *
decode_bytes(GBytes *page)
{
    gsize len;
    const uint8_t *bytes = g_bytes_get_data(page, &len);

    return decode(bytes, len);
}

static void
test_page(gconstpointer data)
{
    const Page *page = data;
    g_autoptr(GBytes) bytes = page_new(0x83, page->body, page->len);
    g_autofree char *names = decode_bytes(bytes);

    g_assert_cmpstr(names, ==, page->names);
}

static void
test_page_of_another_code(void)
{
    g_autoptr(GBytes) bytes = page_new(0x80, NAA, sizeof(NAA) - 1);
    g_autofree char *names = decode_bytes(bytes);

    g_assert_cmpstr(names, ==, "");
}

/* Each in memory of its own, for whoever watches that. */
static void
test_page_cut_anywhere(void)
{
    static const char body[] = "\x02\x01\x00\x08"
                               "VMware  " NAA NAA;
    g_autoptr(GBytes) whole = page_new(0x83, body, sizeof(body) - 1);
    gsize size;
    const uint8_t *bytes = g_bytes_get_data(whole, &size);

    for (size_t len = 0; len <= size; len++) {
        g_autofree uint8_t *page = g_memdup2(bytes, len);
        g_autofree char *names = decode(page, len);
        g_autofree char *serial = vd_scsi_serial_decode(page, len);

        g_assert_null(serial);
        g_assert_true(g_str_has_prefix("t10.VMware " NAA_NAME, names));
    }
}

static void
test_many_names_end(void)
{
    g_autoptr(GByteArray) body = g_byte_array_new();
    g_autoptr(GBytes) bytes = NULL;
    g_autoptr(GPtrArray) names = NULL;
    gsize len;
    const uint8_t *page;

    for (unsigned i = 0; i < 4000; i++) {
        const uint8_t name[] = {
            1, 3, 0, 8, 0x50, 0, 0, 0, 0, 0, (uint8_t) (i >> 8), (uint8_t) i};

        g_byte_array_append(body, name, sizeof(name));
    }
    bytes = page_new(0x83, body->data, body->len);
    page = g_bytes_get_data(bytes, &len);
    names = vd_scsi_names_decode(page, len);
    g_assert_cmpuint(names->len, ==, VD_SCSI_MAX_NAMES);
}

/* -- serial numbers -------------------------------------------------------- */

static void
assert_serial(uint8_t code, const char *body, size_t len, const char *wanted)
{
    g_autoptr(GBytes) bytes = page_new(code, body, len);
    gsize size;
    const uint8_t *page = g_bytes_get_data(bytes, &size);
    g_autofree char *serial = vd_scsi_serial_decode(page, size);

    g_assert_cmpstr(serial, ==, wanted);
}

static void
test_serial(void)
{
    assert_serial(0x80, "  6000C29A  ", 12, "6000c29a");
    assert_serial(0x80, "a b", 3, "a b");
    assert_serial(0x80, "abc\0def", 7, "abc");
    assert_serial(0x80, "    ", 4, NULL);
    assert_serial(0x80, "", 0, NULL);
    assert_serial(0x80, "a\tb", 3, NULL);
    assert_serial(0x80, "a\xff", 2, NULL);
    assert_serial(0x83, "6000C29A", 8, NULL);
}

/* -- texts ----------------------------------------------------------------- */

static const char *const texts[][2] = {
    {"naa.6000C29A123456789ABCDEF011223344", NAA_NAME},
    {"NAA.6000c29a123456789abcdef011223344", NAA_NAME},
    {"wwn-0x6000c29a123456789abcdef011223344", NAA_NAME},
    {"eui.0025380102030405", "eui.0025380102030405"},
    {"t10.ATA     WDC-1", "t10.ATA_____WDC2D1"},
    {"t10.ATA_____WDC2D1_____", "t10.ATA_____WDC2D1"},
    {"naa.6000c29", NULL},
    {"naa.6000c29a12345678z", NULL},
    {"naa.6000c29a123456789", NULL},
    {"naa.6000c29a123456789abcdef01122334455667788", NULL},
    {"naa.", NULL},
    {"t10.", NULL},
    {"t10.____", NULL},
    {"", NULL},
    {"mpx.vmhba1:C0:T0:L0", NULL},
};

static void
test_texts(void)
{
    for (unsigned i = 0; i < G_N_ELEMENTS(texts); i++) {
        g_autofree char *name = vd_scsi_name_canonical(texts[i][0]);

        g_assert_cmpstr(name, ==, texts[i][1]);
    }
}

static void
test_uuid(void)
{
    static const char *const uuids[][2] = {
        {"6000C29a-1234-5678-9abc-def011223344", NAA_NAME},
        {"6000c29a123456789abcdef011223344", NAA_NAME},
        {"6000c29a-1234-5678-9abc-def01122334", NULL},
        {"6000c29a-1234-5678-9abc-def0112233445", NULL},
        {"6000c29a-1234-5678-9abc-def01122334g", NULL},
        {"", NULL},
    };

    for (unsigned i = 0; i < G_N_ELEMENTS(uuids); i++) {
        g_autofree char *name = vd_scsi_name_from_uuid(uuids[i][0]);

        g_assert_cmpstr(name, ==, uuids[i][1]);
    }
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    for (unsigned i = 0; i < G_N_ELEMENTS(pages); i++) {
        g_autofree char *path =
            g_strconcat("/scsi-id/page/", pages[i].what, NULL);

        g_test_add_data_func(path, &pages[i], test_page);
    }
    g_test_add_func("/scsi-id/page/of-another-code", test_page_of_another_code);
    g_test_add_func("/scsi-id/page/cut-anywhere", test_page_cut_anywhere);
    g_test_add_func("/scsi-id/page/many-names-end", test_many_names_end);
    g_test_add_func("/scsi-id/serial", test_serial);
    g_test_add_func("/scsi-id/texts", test_texts);
    g_test_add_func("/scsi-id/uuid", test_uuid);
    return g_test_run();
}
