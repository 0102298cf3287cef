/* SPDX-License-Identifier: BSD-3-Clause */
/* tests/fuzz/fuzz-qcow2.c - any bytes as a qcow2 image.
 *
 * What is taken as a header is written so that it is taken again.  An image is
 * looked at from all sides and written to; one in which a check finds nothing
 * is sound afterwards, too, and gives back what it was given.
 */
#include "io/bytes.h"
#include "formats/qcow2/header.h"
#include "include/vdisk.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/look.h"

#include <string.h>

#define NAME "image.qcow2"
#define MAX_BYTES (1u << 20)
#define MAX_DISK (UINT64_C(64) << 20) /* of one that is written to */
#define PIECES 6
#define PIECE_BYTES 700u

/* -- header ---------------------------------------------------------------- */

static void
assert_round_trip(const Qcow2Header *hdr)
{
    uint8_t raw[QCOW2_HEADER_BYTES] = {0};
    g_autoptr(GError) error = NULL;
    Qcow2Header again;

    qcow2_header_encode(hdr, raw);
    (void) qcow2_header_decode(&again, raw, "again", &error);
    g_assert_no_error(error);
    g_assert_cmpuint(again.size, ==, hdr->size);
    g_assert_cmpuint(again.n_l1, ==, hdr->n_l1);
    g_assert_cmpuint(again.l1_off, ==, hdr->l1_off);
    g_assert_cmpuint(again.reftable_off, ==, hdr->reftable_off);
    g_assert_cmpuint(again.refcount_order, ==, hdr->refcount_order);
    g_assert_cmpuint(again.incompatible, ==, hdr->incompatible);
    g_assert_cmpuint(again.header_bytes, ==, hdr->header_bytes);
}

static void
try_header(const uint8_t *data, size_t size)
{
    uint8_t raw[QCOW2_HEADER_BYTES] = {0};
    Qcow2Header hdr;
    Qcow2Extensions ext = {0};

    memcpy(raw, data, MIN(size, sizeof(raw)));
    if (!qcow2_header_decode(&hdr, raw, "fuzz", NULL))
        return;
    assert_round_trip(&hdr);
    if (qcow2_extensions_decode(&ext, &hdr, data,
                                MIN(size, qcow2_cluster_bytes(&hdr)), "fuzz",
                                NULL))
        for (unsigned bit = 0; bit < 64; bit += 5)
            g_free(qcow2_feature_name(&ext, bit % 3, bit));
    qcow2_extensions_clear(&ext);
}

/* -- writing --------------------------------------------------------------- */

static bool
is_sound(VdDisk *disk)
{
    VdCheckResult result = {.max_findings = 1};
    bool ok = vd_disk_check(disk, NULL, &result, NULL) && !result.corruptions &&
              !result.check_errors;

    vd_check_result_clear(&result);
    return ok;
}

static bool
opens_sound(VdContext *ctx, const char *path)
{
    VdDisk *disk = vd_disk_open(ctx, path, "qcow2", NULL, VD_OPEN_CHECK, NULL);
    bool ok = disk && vd_disk_size(disk) <= MAX_DISK && is_sound(disk);

    if (disk)
        (void) vd_disk_close(disk, NULL);
    return ok;
}

static uint64_t
place_of(const VdDisk *disk, unsigned i)
{
    uint64_t size = vd_disk_size(disk);

    return (size - PIECE_BYTES) / (PIECES - 1) * i;
}

static bool
write_pieces(VdDisk *disk)
{
    uint8_t piece[PIECE_BYTES];
    bool ok = true;

    for (unsigned i = 0; i < PIECES; i++) {
        memset(piece, 'a' + (int) i, sizeof(piece));
        ok = vd_disk_pwrite(disk, piece, sizeof(piece), place_of(disk, i), 0,
                            NULL) &&
             ok;
    }
    ok = vd_disk_write_zeroes(disk, place_of(disk, 1), PIECE_BYTES,
                              VD_REQ_MAY_UNMAP, NULL) &&
         ok;
    (void) vd_disk_discard(disk, place_of(disk, 2), PIECE_BYTES, NULL);
    return ok;
}

/* Pieces of small disks overlap; the last one is whole in any case. */
static void
assert_written(VdDisk *disk)
{
    uint8_t piece[PIECE_BYTES];
    g_autoptr(GError) error = NULL;

    (void) vd_disk_pread(disk, piece, sizeof(piece), place_of(disk, PIECES - 1),
                         &error);
    g_assert_no_error(error);
    for (unsigned i = 0; i < PIECE_BYTES; i++)
        g_assert_cmpuint(piece[i], ==, 'a' + PIECES - 1);
}

/* An image may name a data file: that is none of ours to change. */
static bool
may_change(const uint8_t *data, size_t size)
{
    return size >= 80 && !(vio_get_be64(data + 72) & QCOW2_INCOMPAT_DATA_FILE);
}

static void
change(VdContext *ctx, const char *path)
{
    g_autoptr(GError) error = NULL;
    bool sound = opens_sound(ctx, path), ok;
    VdDisk *disk =
        vd_disk_open(ctx, path, "qcow2", NULL,
                     VD_OPEN_RDWR | VD_OPEN_UNMAP | VD_OPEN_NO_FLUSH, &error);

    if (!disk) {
        g_assert_nonnull(error);
        return;
    }
    ok = vd_disk_size(disk) >= 4 * PIECE_BYTES;
    ok = ok && write_pieces(disk);
    ok = vd_disk_close(disk, NULL) && ok;
    if (!sound)
        return;
    disk = vd_disk_open(ctx, path, "qcow2", NULL, VD_OPEN_CHECK, &error);
    g_assert_no_error(error);
    g_assert_true(is_sound(disk));
    if (ok)
        assert_written(disk);
    (void) vd_disk_close(disk, NULL);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static VdContext *ctx;
    VdContextParams params = {.engine = "threads", .workers = 1};
    g_autofree char *path = fuzz_look_path(NAME);

    if (size > MAX_BYTES)
        return 0;
    if (!ctx)
        ctx = vd_context_new(&params, NULL);
    g_assert_nonnull(ctx);
    try_header(data, size);
    fuzz_look_write(NAME, data, size);
    (void) fuzz_look_at(NAME, "qcow2");
    if (may_change(data, size))
        change(ctx, path);
    return 0;
}
