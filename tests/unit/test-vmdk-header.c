/* SPDX-License-Identifier: BSD-3-Clause */
/* tests/unit/test-vmdk-header.c - sparse header: fields, refusals, layouts. */
#include "formats/vmdk/sparse/header.h"

#include <string.h>

#include "io/bytes.h"

/* The first bytes of a 10 MiB monolithicSparse disk that VMware made. */
static const uint8_t vmware_header[80] = {
    0x4b, 0x44, 0x4d, 0x56, 0x01, 0x00, 0x00, 0x00, 0x03, 0x00, 0x00, 0x00,
    0x00, 0x50, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x80, 0x00, 0x00, 0x00,
    0x00, 0x00, 0x00, 0x00, 0x01, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
    0x14, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x02, 0x00, 0x00,
    0x15, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x1a, 0x00, 0x00, 0x00,
    0x00, 0x00, 0x00, 0x00, 0x80, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
    0x00, 0x0a, 0x20, 0x0d, 0x0a, 0x00, 0x00, 0x00,
};

typedef struct {
    uint8_t raw[VMDK_HEADER_BYTES];
} Fixture;

static void
set_up(Fixture *f, gconstpointer data)
{
    memset(f->raw, 0, sizeof(f->raw));
    memcpy(f->raw, vmware_header, sizeof(vmware_header));
}

static void
assert_good(Fixture *f, VmdkHeader *hdr)
{
    g_autoptr(GError) error = NULL;

    g_assert_true(vmdk_header_decode(f->raw, "x.vmdk", hdr, &error));
    g_assert_no_error(error);
}

/* Refused with @code and a message that has @words and the file's name, and
 * the output left alone. */
static void
assert_refused(Fixture *f, VdErrorCode code, const char *words)
{
    g_autoptr(GError) error = NULL;
    VmdkHeader hdr = {.version = 77};

    g_assert_false(vmdk_header_decode(f->raw, "x.vmdk", &hdr, &error));
    g_assert_error(error, VD_ERROR, (int) code);
    g_assert_cmpuint(hdr.version, ==, 77);
    g_assert_true(g_str_has_prefix(error->message, "x.vmdk: "));
    if (!strstr(error->message, words))
        g_error("no '%s' in '%s'", words, error->message);
}

/* -- decoding -------------------------------------------------------------- */

static void
test_decodes_what_vmware_wrote(Fixture *f, gconstpointer data)
{
    VmdkHeader hdr;

    assert_good(f, &hdr);
    g_assert_cmpuint(hdr.version, ==, 1);
    g_assert_cmphex(hdr.flags, ==, 3);
    g_assert_cmpuint(hdr.capacity_sectors, ==, 20480);
    g_assert_cmpuint(hdr.grain_sectors, ==, 128);
    g_assert_cmpuint(hdr.desc_sector, ==, 1);
    g_assert_cmpuint(hdr.desc_sectors, ==, 20);
    g_assert_cmpuint(hdr.gtes_per_gt, ==, 512);
    g_assert_cmpuint(hdr.rgd_sector, ==, 21);
    g_assert_cmpuint(hdr.gd_sector, ==, 26);
    g_assert_cmpuint(hdr.overhead_sectors, ==, 128);
    g_assert_false(hdr.unclean);
    g_assert_cmpuint(hdr.compress_algorithm, ==, 0);
}

static void
test_encode_gives_the_same_bytes(Fixture *f, gconstpointer data)
{
    uint8_t raw[VMDK_HEADER_BYTES];
    VmdkHeader hdr;

    assert_good(f, &hdr);
    memset(raw, 0xee, sizeof(raw));
    vmdk_header_encode(&hdr, raw);
    g_assert_cmpmem(raw, sizeof(raw), f->raw, sizeof(f->raw));
}

static void
test_unclean_byte_is_told(Fixture *f, gconstpointer data)
{
    VmdkHeader hdr;

    f->raw[72] = 1;
    assert_good(f, &hdr);
    g_assert_true(hdr.unclean);
}

static void
test_foreign_magic_is_refused(Fixture *f, gconstpointer data)
{
    memcpy(f->raw, "COWD", 4);
    assert_refused(f, VD_ERROR_CORRUPT, "43 4f 57 44");
}

static void
test_unfinished_magic_is_refused_as_such(Fixture *f, gconstpointer data)
{
    g_assert_false(vmdk_header_is_unfinished(f->raw));
    vmdk_header_mark_unfinished(f->raw);
    g_assert_true(vmdk_header_is_unfinished(f->raw));
    assert_refused(f, VD_ERROR_CORRUPT, "unfinished streamOptimized file");
}

static void
test_versions(Fixture *f, gconstpointer data)
{
    VmdkHeader hdr;

    for (uint32_t v = 1; v <= 3; v++) {
        vio_put_le32(f->raw + 4, v);
        assert_good(f, &hdr);
        g_assert_cmpuint(hdr.version, ==, v);
    }
    vio_put_le32(f->raw + 4, 4);
    assert_refused(f, VD_ERROR_NOT_SUPPORTED, "Unsupported VMDK version 4");
    vio_put_le32(f->raw + 4, 0);
    assert_refused(f, VD_ERROR_NOT_SUPPORTED, "Unsupported VMDK version 0");
}

static void
test_unknown_high_flags_are_refused(Fixture *f, gconstpointer data)
{
    for (int bit = 18; bit < 32; bit++) {
        vio_put_le32(f->raw + 8, 3u | 1u << bit);
        assert_refused(f, VD_ERROR_NOT_SUPPORTED, "unknown incompatible bits");
    }
}

static void
test_unknown_low_flags_are_ignored(Fixture *f, gconstpointer data)
{
    VmdkHeader hdr;

    vio_put_le32(f->raw + 8, 0xfffb);
    assert_good(f, &hdr);
}

static void
test_markers_need_compression(Fixture *f, gconstpointer data)
{
    vio_put_le32(f->raw + 8, 0x20001);
    assert_refused(f, VD_ERROR_CORRUPT, "markers (bit 17) without");
}

static void
test_compression_must_be_said_twice(Fixture *f, gconstpointer data)
{
    VmdkHeader hdr;

    f->raw[77] = 1;
    assert_refused(f, VD_ERROR_CORRUPT, "contradict");
    vio_put_le32(f->raw + 8, 0x30001);
    assert_good(f, &hdr);
    f->raw[77] = 0;
    assert_refused(f, VD_ERROR_CORRUPT, "contradict");
}

static void
test_unknown_algorithm_is_refused(Fixture *f, gconstpointer data)
{
    vio_put_le32(f->raw + 8, 0x30001);
    f->raw[78] = 1; /* 256 */
    assert_refused(f, VD_ERROR_NOT_SUPPORTED, "compression algorithm 256");
}

static void
test_text_mode_transfer_is_named(Fixture *f, gconstpointer data)
{
    VmdkHeader hdr;

    f->raw[75] = 0x0a;
    assert_refused(f, VD_ERROR_CORRUPT, "transfer in text mode");
    vio_put_le32(f->raw + 8, 2); /* detector not valid: bytes mean nothing */
    assert_good(f, &hdr);
}

static void
test_granularity(Fixture *f, gconstpointer data)
{
    static const uint64_t bad[] = {0, 3, 127, 129, (1 << 21) - 1};
    VmdkHeader hdr;

    for (uint64_t g = 1; g <= VMDK_MAX_GRAIN_SECTORS; g *= 2) {
        vio_put_le64(f->raw + 20, g);
        assert_good(f, &hdr);
    }
    for (size_t i = 0; i < G_N_ELEMENTS(bad); i++) {
        vio_put_le64(f->raw + 20, bad[i]);
        assert_refused(f, VD_ERROR_CORRUPT,
                       "Invalid granularity, image may be corrupt");
    }
    vio_put_le64(f->raw + 20, UINT64_C(1) << 22);
    assert_refused(f, VD_ERROR_LIMIT, "at most 2097152");
    vio_put_le64(f->raw + 20, UINT64_C(1) << 63);
    assert_refused(f, VD_ERROR_LIMIT, "Invalid granularity");
}

static void
test_compressed_grain_has_a_lower_limit(Fixture *f, gconstpointer data)
{
    VmdkHeader hdr;

    vio_put_le32(f->raw + 8, 0x30001);
    f->raw[77] = 1;
    vio_put_le64(f->raw + 20, VMDK_MAX_STREAM_GRAIN_SECTORS);
    assert_good(f, &hdr);
    vio_put_le64(f->raw + 20, VMDK_MAX_STREAM_GRAIN_SECTORS * 2);
    assert_refused(f, VD_ERROR_LIMIT, "at most 8192");
}

static void
test_table_entries(Fixture *f, gconstpointer data)
{
    VmdkHeader hdr;

    for (uint32_t n = 1; n <= VMDK_MAX_GTES_PER_GT; n *= 2) {
        vio_put_le32(f->raw + 44, n);
        assert_good(f, &hdr);
    }
    vio_put_le32(f->raw + 44, 0);
    assert_refused(f, VD_ERROR_CORRUPT, "L2 table size");
    vio_put_le32(f->raw + 44, 511);
    assert_refused(f, VD_ERROR_CORRUPT, "511 entries");
    vio_put_le32(f->raw + 44, 1 << 17);
    assert_refused(f, VD_ERROR_LIMIT, "L2 table size too big");
    vio_put_le32(f->raw + 44, UINT32_MAX);
    assert_refused(f, VD_ERROR_LIMIT, "L2 table size too big");
}

static void
test_capacity_limits(Fixture *f, gconstpointer data)
{
    VmdkHeader hdr;

    /* 32 Mi directory entries of 32 MiB each, and one sector more. */
    vio_put_le64(f->raw + 12, UINT64_C(65536) << 25);
    assert_good(f, &hdr);
    g_assert_cmpuint(vmdk_header_n_gts(&hdr), ==, VMDK_MAX_GD_ENTRIES);
    vio_put_le64(f->raw + 12, (UINT64_C(65536) << 25) + 1);
    assert_refused(f, VD_ERROR_LIMIT, "L1 size too big: 33554433");
    vio_put_le64(f->raw + 12, UINT64_MAX);
    assert_refused(f, VD_ERROR_LIMIT, "L1 size too big");
}

static void
test_capacity_in_bytes_does_not_overflow(Fixture *f, gconstpointer data)
{
    vio_put_le64(f->raw + 12, UINT64_C(1) << 55); /* 2^64 bytes */
    vio_put_le64(f->raw + 20, VMDK_MAX_GRAIN_SECTORS);
    vio_put_le32(f->raw + 44, VMDK_MAX_GTES_PER_GT);
    assert_refused(f, VD_ERROR_LIMIT, "capacity of 36028797018963968 sectors");
}

static void
test_capacity_zero_holds_only_a_descriptor(Fixture *f, gconstpointer data)
{
    VmdkHeader hdr;

    vio_put_le64(f->raw + 12, 0);
    vio_put_le64(f->raw + 56, 0);
    assert_good(f, &hdr);
    g_assert_cmpuint(vmdk_header_n_gts(&hdr), ==, 0);
    g_assert_cmpuint(hdr.desc_sectors, ==, 20);
}

static void
test_descriptor_size_without_place_means_nothing(Fixture *f, gconstpointer data)
{
    VmdkHeader hdr;

    vio_put_le64(f->raw + 28, 0);
    vio_put_le64(f->raw + 36, UINT64_MAX);
    assert_good(f, &hdr);
    g_assert_cmpuint(hdr.desc_sectors, ==, 0);
}

static void
test_descriptor_limit(Fixture *f, gconstpointer data)
{
    VmdkHeader hdr;

    vio_put_le64(f->raw + 36, VMDK_MAX_DESC_SECTORS);
    assert_good(f, &hdr);
    vio_put_le64(f->raw + 36, VMDK_MAX_DESC_SECTORS + 1);
    assert_refused(f, VD_ERROR_LIMIT, "descriptor of 2049 sectors");
}

static void
test_redundant_directory_needs_its_flag(Fixture *f, gconstpointer data)
{
    VmdkHeader hdr;

    vio_put_le32(f->raw + 8, 1);
    assert_good(f, &hdr);
    g_assert_cmpuint(hdr.rgd_sector, ==, 0);
}

static void
test_places_beyond_any_file_are_refused(Fixture *f, gconstpointer data)
{
    static const int fields[] = {28, 48, 56, 64};

    for (size_t i = 0; i < G_N_ELEMENTS(fields); i++) {
        set_up(f, NULL);
        vio_put_le64(f->raw + fields[i], UINT64_MAX - 1);
        assert_refused(f, VD_ERROR_CORRUPT, "at sector 18446744073709551614");
    }
}

static void
test_directory_over_the_header_is_refused(Fixture *f, gconstpointer data)
{
    vio_put_le64(f->raw + 56, 0);
    assert_refused(f, VD_ERROR_CORRUPT, "directory at sector 0");
}

static void
test_directory_at_end_needs_markers(Fixture *f, gconstpointer data)
{
    VmdkHeader hdr;

    vio_put_le64(f->raw + 56, VMDK_GD_AT_END);
    assert_refused(f, VD_ERROR_CORRUPT, "without markers");
    vio_put_le32(f->raw + 8, 0x10001);
    f->raw[77] = 1;
    assert_refused(f, VD_ERROR_CORRUPT, "without markers");
    vio_put_le32(f->raw + 8, 0x30001);
    assert_good(f, &hdr);
    g_assert_cmpuint(hdr.gd_sector, ==, VMDK_GD_AT_END);
}

/* Whatever one byte becomes, decode answers and its promises hold. */
static void
test_any_byte_may_change(Fixture *f, gconstpointer data)
{
    for (int i = 0; i < 80; i++)
        for (int v = 0; v < 256; v++) {
            g_autoptr(GError) error = NULL;
            VmdkHeader hdr;

            set_up(f, NULL);
            f->raw[i] = (uint8_t) v;
            if (!vmdk_header_decode(f->raw, "x", &hdr, &error)) {
                g_assert_nonnull(error);
                continue;
            }
            g_assert_cmpuint(vmdk_header_n_gts(&hdr), <=, VMDK_MAX_GD_ENTRIES);
            g_assert_cmpuint(hdr.grain_sectors, >=, 1);
            g_assert_cmpuint(hdr.gtes_per_gt, >=, 1);
            (void) vmdk_header_check_file(&hdr, 65536, "x", NULL);
        }
}

/* -- against the file -------------------------------------------------------
 */

static void
assert_misplaced(const VmdkHeader *hdr, uint64_t bytes, const char *words)
{
    g_autoptr(GError) error = NULL;

    g_assert_false(vmdk_header_check_file(hdr, bytes, "x.vmdk", &error));
    g_assert_error(error, VD_ERROR, VD_ERROR_CORRUPT);
    if (!strstr(error->message, words))
        g_error("no '%s' in '%s'", words, error->message);
}

static void
test_file_must_hold_the_directory(Fixture *f, gconstpointer data)
{
    VmdkHeader hdr;

    assert_good(f, &hdr);
    g_assert_true(vmdk_header_check_file(&hdr, 27 * 512, "x.vmdk", NULL));
    assert_misplaced(&hdr, 27 * 512 - 1,
                     "File truncated, expecting at least 13824 bytes");
    assert_misplaced(&hdr, 100, "header");
}

static void
test_areas_must_not_overlap(Fixture *f, gconstpointer data)
{
    VmdkHeader hdr;

    assert_good(f, &hdr);
    hdr.gd_sector = 20;
    assert_misplaced(&hdr, 65536, "overlaps descriptor");
    hdr.gd_sector = 26;
    hdr.desc_sectors = 26;
    assert_misplaced(&hdr, 65536, "(sectors 26 to 26)");
}

static void
test_directory_at_end_is_not_looked_for(void)
{
    VmdkHeader hdr;

    vmdk_header_layout_stream(&hdr, 20480, true);
    g_assert_true(vmdk_header_check_file(&hdr, 21 * 512, "x.vmdk", NULL));
}

/* -- layouts ----------------------------------------------------------------
 */

typedef struct {
    uint64_t capacity;
    bool embedded;
    uint64_t n_gts, gd_sectors, rgd, rgt0, gd, gt0, overhead;
} Vector;

static const Vector vectors[] = {
    {20480, true, 1, 1, 21, 22, 26, 27, 128},
    {2097152, true, 32, 1, 21, 22, 150, 151, 384},
    {16777216, true, 256, 2, 21, 23, 1047, 1049, 2176},
    {83886080, true, 1280, 10, 21, 31, 5151, 5161, 10368},
    {125829120, true, 1920, 15, 21, 36, 7716, 7731, 15488},
    {2147483648, true, 32768, 256, 21, 277, 131349, 131605, 262784},
    {4294967295, true, 65536, 512, 21, 533, 262677, 263189, 525440},
    {20480, false, 1, 1, 1, 2, 6, 7, 128},
    {4192256, false, 64, 1, 1, 2, 258, 259, 640},
    {8323072, false, 127, 1, 1, 2, 510, 511, 1024},
};

static void
test_sparse_layouts_match_real_files(void)
{
    for (size_t i = 0; i < G_N_ELEMENTS(vectors); i++) {
        const Vector *v = &vectors[i];
        VmdkHeader hdr;

        vmdk_header_layout_sparse(&hdr, v->capacity, VMDK_GRAIN_SECTORS,
                                  v->embedded);
        g_assert_cmpuint(vmdk_header_n_gts(&hdr), ==, v->n_gts);
        g_assert_cmpuint(vmdk_header_gd_sectors(&hdr), ==, v->gd_sectors);
        g_assert_cmpuint(hdr.rgd_sector, ==, v->rgd);
        g_assert_cmpuint(vmdk_header_rgt_sector(&hdr, 0), ==, v->rgt0);
        g_assert_cmpuint(hdr.gd_sector, ==, v->gd);
        g_assert_cmpuint(vmdk_header_gt_sector(&hdr, 0), ==, v->gt0);
        g_assert_cmpuint(vmdk_header_gt_sector(&hdr, 1), ==, v->gt0 + 4);
        g_assert_cmpuint(hdr.overhead_sectors, ==, v->overhead);
        g_assert_cmpuint(hdr.desc_sector, ==, v->embedded ? 1 : 0);
    }
}

static void
test_sparse_layout_is_vmwares_own(Fixture *f, gconstpointer data)
{
    uint8_t raw[VMDK_HEADER_BYTES];
    VmdkHeader hdr;

    vmdk_header_layout_sparse(&hdr, 20480, VMDK_GRAIN_SECTORS, true);
    vmdk_header_encode(&hdr, raw);
    g_assert_cmpmem(raw, sizeof(raw), f->raw, sizeof(f->raw));
}

static void
test_stream_layout_in_front(void)
{
    VmdkHeader hdr;

    vmdk_header_layout_stream(&hdr, 20480, false);
    g_assert_cmpuint(hdr.version, ==, 3);
    g_assert_cmphex(hdr.flags, ==, 0x30001);
    g_assert_cmpuint(hdr.compress_algorithm, ==, 1);
    g_assert_cmpuint(hdr.rgd_sector, ==, 0);
    g_assert_cmpuint(hdr.gd_sector, ==, 21);
    g_assert_cmpuint(vmdk_header_gt_sector(&hdr, 0), ==, 22);
    g_assert_cmpuint(hdr.overhead_sectors, ==, 128);

    vmdk_header_layout_stream(&hdr, UINT64_C(2) << 31, false); /* 2 TiB */
    g_assert_cmpuint(hdr.gd_sector, ==, 21);
    g_assert_cmpuint(hdr.overhead_sectors, ==, 262784);
}

static void
test_stream_layout_at_end(void)
{
    VmdkHeader hdr;

    vmdk_header_layout_stream(&hdr, UINT64_C(1) << 40, true);
    g_assert_cmpuint(hdr.gd_sector, ==, VMDK_GD_AT_END);
    g_assert_cmpuint(hdr.overhead_sectors, ==, 128);
    g_assert_cmpuint(hdr.desc_sectors, ==, 20);
}

/* What layouts give, decode takes, and it lies in the file. */
static void
test_layouts_decode(void)
{
    for (uint64_t c = 1; c < UINT64_C(1) << 40; c = c * 7 + 3)
        for (int kind = 0; kind < 4; kind++) {
            g_autoptr(GError) error = NULL;
            uint8_t raw[VMDK_HEADER_BYTES];
            VmdkHeader hdr, back;

            if (kind < 2)
                vmdk_header_layout_sparse(&hdr, c, 128, kind == 1);
            else
                vmdk_header_layout_stream(&hdr, c, kind == 3);
            vmdk_header_encode(&hdr, raw);
            g_assert_true(vmdk_header_decode(raw, "x", &back, &error));
            g_assert_no_error(error);
            g_assert_cmpuint(back.gd_sector, ==, hdr.gd_sector);
            g_assert_cmpuint(back.overhead_sectors, ==, hdr.overhead_sectors);
            g_assert_true(vmdk_header_check_file(
                &back, hdr.overhead_sectors * 512, "x", &error));
            g_assert_cmpuint(hdr.overhead_sectors % 128, ==, 0);
        }
}

#define ADD(path, func)                                                        \
    g_test_add("/vmdk/header/" path, Fixture, NULL, set_up, func, NULL)

static void
add_decode_tests(void)
{
    ADD("decodes-what-vmware-wrote", test_decodes_what_vmware_wrote);
    ADD("encode-gives-the-same-bytes", test_encode_gives_the_same_bytes);
    ADD("unclean-byte-is-told", test_unclean_byte_is_told);
    ADD("foreign-magic-is-refused", test_foreign_magic_is_refused);
    ADD("unfinished-magic-is-refused-as-such",
        test_unfinished_magic_is_refused_as_such);
    ADD("versions", test_versions);
    ADD("unknown-high-flags-are-refused", test_unknown_high_flags_are_refused);
    ADD("unknown-low-flags-are-ignored", test_unknown_low_flags_are_ignored);
    ADD("markers-need-compression", test_markers_need_compression);
    ADD("compression-must-be-said-twice", test_compression_must_be_said_twice);
    ADD("unknown-algorithm-is-refused", test_unknown_algorithm_is_refused);
    ADD("text-mode-transfer-is-named", test_text_mode_transfer_is_named);
    ADD("granularity", test_granularity);
    ADD("compressed-grain-has-a-lower-limit",
        test_compressed_grain_has_a_lower_limit);
    ADD("table-entries", test_table_entries);
    ADD("capacity-limits", test_capacity_limits);
    ADD("capacity-in-bytes-does-not-overflow",
        test_capacity_in_bytes_does_not_overflow);
    ADD("capacity-zero-holds-only-a-descriptor",
        test_capacity_zero_holds_only_a_descriptor);
    ADD("descriptor-size-without-place-means-nothing",
        test_descriptor_size_without_place_means_nothing);
    ADD("descriptor-limit", test_descriptor_limit);
    ADD("redundant-directory-needs-its-flag",
        test_redundant_directory_needs_its_flag);
    ADD("places-beyond-any-file-are-refused",
        test_places_beyond_any_file_are_refused);
    ADD("directory-over-the-header-is-refused",
        test_directory_over_the_header_is_refused);
    ADD("directory-at-end-needs-markers", test_directory_at_end_needs_markers);
    ADD("any-byte-may-change", test_any_byte_may_change);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    add_decode_tests();
    ADD("file-must-hold-the-directory", test_file_must_hold_the_directory);
    ADD("areas-must-not-overlap", test_areas_must_not_overlap);
    g_test_add_func("/vmdk/header/directory-at-end-is-not-looked-for",
                    test_directory_at_end_is_not_looked_for);
    g_test_add_func("/vmdk/header/sparse-layouts-match-real-files",
                    test_sparse_layouts_match_real_files);
    ADD("sparse-layout-is-vmwares-own", test_sparse_layout_is_vmwares_own);
    g_test_add_func("/vmdk/header/stream-layout-in-front",
                    test_stream_layout_in_front);
    g_test_add_func("/vmdk/header/stream-layout-at-end",
                    test_stream_layout_at_end);
    g_test_add_func("/vmdk/header/layouts-decode", test_layouts_decode);
    return g_test_run();
}
