/* SPDX-License-Identifier: BSD-3-Clause */
/* tests/unit/test-qcow2-codec.c - what is on the disk and what it means:
 * header, extensions, L2 entries, compressed clusters, refcounts. */
#include "io/bytes.h"
#include "formats/qcow2/l2.h"
#include "formats/qcow2/refcount.h"

#include <string.h>

#define CLUSTER 65536u

/* qemu-img 7.2's header of a disk of 10 MiB, with "-b b.raw -F raw", and its
 * extensions but for the names of features. */
static const uint8_t qemus[] = {
    0x51, 0x46, 0x49, 0xfb, 0,   0, 0, 3,    0,   0,   0,   0, 0, 0,    0, 0x90,
    0,    0,    0,    5,    0,   0, 0, 16,   0,   0,   0,   0, 0, 0xa0, 0, 0,
    0,    0,    0,    0,    0,   0, 0, 1,    0,   0,   0,   0, 0, 3,    0, 0,
    0,    0,    0,    0,    0,   1, 0, 0,    0,   0,   0,   1, 0, 0,    0, 0,
    0,    0,    0,    0,    0,   0, 0, 0,    0,   0,   0,   0, 0, 0,    0, 0,
    0,    0,    0,    0,    0,   0, 0, 0,    0,   0,   0,   0, 0, 0,    0, 0,
    0,    0,    0,    4,    0,   0, 0, 0x70, 0,   0,   0,   0, 0, 0,    0, 0,
    0xe2, 0x79, 0x2a, 0xca, 0,   0, 0, 3,    'r', 'a', 'w', 0, 0, 0,    0, 0,
    0,    0,    0,    0,    0,   0, 0, 0,    0,   0,   0,   0, 0, 0,    0, 0,
    'b',  '.',  'r',  'a',  'w',
};

static void
decode(Qcow2Header *hdr, const uint8_t *raw)
{
    g_autoptr(GError) error = NULL;

    (void) qcow2_header_decode(hdr, raw, "x.qcow2", &error);
    g_assert_no_error(error);
}

static void
test_header_of_qemu(void)
{
    Qcow2Header hdr;

    decode(&hdr, qemus);
    g_assert_cmpuint(hdr.version, ==, 3);
    g_assert_cmpuint(hdr.size, ==, 10 << 20);
    g_assert_cmpuint(qcow2_cluster_bytes(&hdr), ==, CLUSTER);
    g_assert_cmpuint(hdr.backing_off, ==, 0x90);
    g_assert_cmpuint(hdr.backing_len, ==, 5);
    g_assert_cmpuint(hdr.n_l1, ==, 1);
    g_assert_cmpuint(hdr.l1_off, ==, 3 * CLUSTER);
    g_assert_cmpuint(hdr.reftable_off, ==, CLUSTER);
    g_assert_cmpuint(hdr.reftable_clusters, ==, 1);
    g_assert_cmpuint(hdr.refcount_order, ==, 4);
    g_assert_cmpuint(hdr.header_bytes, ==, 112);
}

static void
test_header_is_written_as_read(void)
{
    uint8_t raw[QCOW2_HEADER_BYTES];
    Qcow2Header hdr;

    decode(&hdr, qemus);
    qcow2_header_encode(&hdr, raw);
    g_assert_cmpmem(raw, sizeof(raw), qemus, sizeof(raw));
}

/* What is behind 72 bytes means nothing there. */
static void
test_header_of_version_2(void)
{
    uint8_t raw[QCOW2_HEADER_BYTES], again[QCOW2_HEADER_BYTES];
    Qcow2Header hdr;

    memcpy(raw, qemus, sizeof(raw));
    raw[7] = 2;
    memset(raw + 72, 0xff, sizeof(raw) - 72);
    decode(&hdr, raw);
    g_assert_cmpuint(hdr.incompatible, ==, 0);
    g_assert_cmpuint(hdr.refcount_order, ==, 4);
    g_assert_cmpuint(hdr.header_bytes, ==, QCOW2_HEADER_V2_BYTES);
    qcow2_header_encode(&hdr, again);
    g_assert_cmpmem(again, 72, raw, 72);
}

/* -- extensions ------------------------------------------------------------ */

static void
test_extensions(void)
{
    static const uint8_t more[] = {
        0x12, 0x34, 0x56, 0x78, 0, 0, 0, 5,  'w', 'h', 'a', 't', '?', 1,   1, 1,
        0x44, 0x41, 0x54, 0x41, 0, 0, 0, 6,  'd', '.', 'd', 'a', 't', 'a', 0, 0,
        0x68, 0x03, 0xf8, 0x57, 0, 0, 0, 48, 0,   9,   'n', 'i', 'n', 'e',
    };
    g_autofree uint8_t *raw = g_malloc0(CLUSTER);
    g_autofree char *nine = NULL, *dirty = NULL, *ten = NULL;
    g_autoptr(GError) error = NULL;
    Qcow2Extensions ext;
    Qcow2Header hdr;

    memcpy(raw, qemus, 128);
    vio_put_be64(raw + 8, 1024); /* the name of the backing file */
    memcpy(raw + 128, more, sizeof(more));
    decode(&hdr, raw);
    qcow2_extensions_decode(&ext, &hdr, raw, CLUSTER, "x", &error);
    g_assert_no_error(error);
    g_assert_cmpstr(ext.backing_format, ==, "raw");
    g_assert_cmpstr(ext.data_file, ==, "d.data");
    g_assert_cmpuint(ext.others->len, ==, 1);
    g_assert_cmphex(g_array_index(ext.others, Qcow2Extension, 0).type, ==,
                    0x12345678);
    nine = qcow2_feature_name(&ext, 0, 9);
    dirty = qcow2_feature_name(&ext, 0, 0);
    ten = qcow2_feature_name(&ext, 0, 10);
    g_assert_cmpstr(nine, ==, "nine");
    g_assert_cmpstr(dirty, ==, "dirty bit");
    g_assert_cmpstr(ten, ==, "bit 10");
    qcow2_extensions_clear(&ext);
}

/* -- entries --------------------------------------------------------------- */

typedef struct {
    unsigned version;
    bool extended, external;
    uint64_t off; /* of the guest */
    uint64_t word, bitmap;
    Qcow2Kind kind;
    uint64_t place;
} Row;

#define C QCOW2_COPIED
#define P UINT64_C(0x50000)

static const Row rows[] = {
    {3, false, false, 0, 0, 0, QCOW2_ABSENT, 0},
    {3, false, false, 0, C | P, 0, QCOW2_DATA, P},
    {3, false, false, 0, P, 0, QCOW2_DATA, P},
    {3, false, false, 0, 1, 0, QCOW2_ZEROES, 0},
    {3, false, false, 0, C | P | 1, 0, QCOW2_ZERO_PLACE, P},
    {2, false, false, 0, C | P, 0, QCOW2_DATA, P},
    {2, false, false, 0, C | P | 1, 0, QCOW2_BAD, P},
    {3, false, false, 0, C | (P + 512), 0, QCOW2_BAD, 0},
    {3, false, false, 0, C | P | 2, 0, QCOW2_BAD, 0},
    {3, false, false, 0, C | P | UINT64_C(1) << 56, 0, QCOW2_BAD, 0},
    {3, false, false, 0, QCOW2_COMPRESSED | P, 0, QCOW2_PACKED, 0},
    /* Subclusters of 2 KiB: the second has data, the third zeroes. */
    {3, true, false, 0, C | P, 0x400000002, QCOW2_ABSENT, P},
    {3, true, false, 2048, C | P, 0x400000002, QCOW2_DATA, P},
    {3, true, false, 4096, C | P, 0x400000002, QCOW2_ZERO_PLACE, P},
    {3, true, false, 4096, 0, 0x400000000, QCOW2_ZEROES, 0},
    {3, true, false, 0, C | P, 0x100000001, QCOW2_BAD, 0},
    {3, true, false, 0, 0, 1, QCOW2_BAD, 0},
    {3, true, false, 0, C | P | 1, 1, QCOW2_BAD, 0},
    /* In a data file a cluster is where the guest has it. */
    {3, false, true, 0, C, 0, QCOW2_DATA, 0},
    {3, false, true, 0, 0, 0, QCOW2_ABSENT, 0},
    {3, false, true, P, C | P, 0, QCOW2_DATA, P},
    {3, false, true, 0, C | P, 0, QCOW2_BAD, 0},
    {3, false, true, 0, QCOW2_COMPRESSED | P, 0, QCOW2_BAD, 0},
};

static void
test_entries(void)
{
    for (unsigned i = 0; i < G_N_ELEMENTS(rows); i++) {
        const Row *row = &rows[i];
        Qcow2Header hdr = {.version = row->version, .cluster_bits = 16};
        Qcow2Tables tables = {
            .hdr = &hdr, .extended = row->extended, .external = row->external};
        Qcow2Entry entry = {row->word, row->bitmap};
        uint64_t place = 0;

        g_test_message("row %u", i);
        g_assert_cmpint(qcow2_entry_kind(&tables, &entry, row->off, &place), ==,
                        row->kind);
        if (row->kind != QCOW2_BAD && row->kind != QCOW2_PACKED)
            g_assert_cmphex(place, ==, row->place);
    }
}

/* Bits of the offset: 62 - (cluster_bits - 8). */
static void
test_packed_places(void)
{
    static const struct {
        unsigned bits;
        uint64_t word, off;
        uint32_t len;
    } cases[] = {
        {16, 0x10000, 0x10000, 512},
        {16, 0x10001, 0x10001, 511},
        {16, UINT64_C(1) << 54 | 0x101ff, 0x101ff, 513},
        {16, UINT64_C(0xff) << 54, 0, 131072},
        {9, UINT64_C(1) << 61 | 0x1234, 0x1234, 1024 - 0x34},
        {21, UINT64_C(3) << 49 | 0x200, 0x200, 2048},
        {21, UINT64_C(0x1fff) << 49, 0, 4194304},
    };

    for (unsigned i = 0; i < G_N_ELEMENTS(cases); i++) {
        Qcow2Header hdr = {.version = 3, .cluster_bits = cases[i].bits};
        uint64_t off;
        uint32_t len;

        qcow2_entry_packed(&hdr, QCOW2_COMPRESSED | cases[i].word, &off, &len);
        g_assert_cmphex(off, ==, cases[i].off);
        g_assert_cmpuint(len, ==, cases[i].len);
    }
}

/* -- refcounts ------------------------------------------------------------- */

/* Counts of less than a byte begin with the lowest bits; others are big
 * endian. */
static void
test_refcount_widths(void)
{
    static const uint8_t wanted[7][16] = {{0x20, 0},
                                          {0, 0x0c},
                                          {0, 0, 0xa0},
                                          {[5] = 0x5a},
                                          {[10] = 0, [11] = 0x5a},
                                          {[12] = 0, [15] = 0x5a},
                                          {[15] = 0x5a}};
    static const unsigned at[7] = {5, 5, 5, 5, 5, 3, 1};

    for (unsigned order = 0; order < 7; order++) {
        uint8_t block[16] = {0};

        qcow2_refcount_put(block, order, at[order],
                           0x5a & qcow2_refcount_max(order));
        if (order < 2) /* 0x5a has a 0 there */
            qcow2_refcount_put(block, order, at[order],
                               qcow2_refcount_max(order));
        g_assert_cmpmem(block, sizeof(block), wanted[order], 16);
    }
    g_assert_cmpuint(qcow2_refcount_max(0), ==, 1);
    g_assert_cmpuint(qcow2_refcount_max(4), ==, 65535);
    g_assert_cmpuint(qcow2_refcount_max(6), ==, UINT64_MAX);
}

/* A count leaves those beside it alone. */
static void
test_refcounts_beside_one_another(void)
{
    for (unsigned order = 0; order < 7; order++) {
        uint8_t full[64], block[64];

        memset(full, 0xff, sizeof(full));
        memset(block, 0, sizeof(block));
        for (unsigned i = 0; i < (sizeof(block) * 8) >> order; i++)
            qcow2_refcount_put(block, order, i, qcow2_refcount_max(order));
        g_assert_cmpmem(block, sizeof(block), full, sizeof(full));
        qcow2_refcount_put(block, order, 2, 0);
        qcow2_refcount_put(block, order, 2, qcow2_refcount_max(order));
        g_assert_cmpmem(block, sizeof(block), full, sizeof(full));
    }
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/qcow2/header/of-qemu", test_header_of_qemu);
    g_test_add_func("/qcow2/header/written-as-read",
                    test_header_is_written_as_read);
    g_test_add_func("/qcow2/header/version-2", test_header_of_version_2);
    g_test_add_func("/qcow2/extensions", test_extensions);
    g_test_add_func("/qcow2/entries", test_entries);
    g_test_add_func("/qcow2/packed-places", test_packed_places);
    g_test_add_func("/qcow2/refcount/widths", test_refcount_widths);
    g_test_add_func("/qcow2/refcount/beside",
                    test_refcounts_beside_one_another);
    return g_test_run();
}
