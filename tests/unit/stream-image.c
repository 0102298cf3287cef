/* SPDX-License-Identifier: BSD-3-Clause */
/* tests/unit/stream-image.c - streamOptimized files made by hand. */
#include "tests/unit/stream-image.h"

#include <string.h>
#include <zlib.h>

#include "io/bytes.h"
#include "tests/support/pattern.h"

StreamImage *
stream_image_new(uint64_t capacity_sectors, bool at_end)
{
    StreamImage *image = g_new0(StreamImage, 1);

    vmdk_header_layout_stream(&image->hdr, capacity_sectors, at_end);
    image->bytes = g_byte_array_new();
    stream_image_add_zeroes(image, image->hdr.overhead_sectors * VMDK_SECTOR);
    image->n_grains = vmdk_header_n_gts(&image->hdr) * STREAM_GTES;
    image->entries = g_new0(uint32_t, image->n_grains);
    image->directory = g_array_new(FALSE, TRUE, sizeof(uint32_t));
    g_array_set_size(image->directory, (guint) vmdk_header_n_gts(&image->hdr));
    return image;
}

void
stream_image_free(StreamImage *image)
{
    g_byte_array_unref(image->bytes);
    g_array_unref(image->directory);
    g_free(image->entries);
    g_free(image);
}

void
stream_plain(uint64_t grain, uint8_t plain[STREAM_GRAIN])
{
    test_pattern_fill(plain, STREAM_GRAIN, grain * STREAM_GRAIN, 7);
    for (size_t i = STREAM_GRAIN / 2; i < STREAM_GRAIN; i++)
        plain[i] = (uint8_t) ("sector "[i % 7] + grain % 3);
}

void
stream_image_add_zeroes(StreamImage *image, size_t len)
{
    guint at = image->bytes->len;

    g_byte_array_set_size(image->bytes, at + (guint) len);
    memset(image->bytes->data + at, 0, len);
}

void
stream_image_add_sector(StreamImage *image, const void *sector)
{
    g_byte_array_append(image->bytes, sector, VMDK_SECTOR);
}

void
stream_image_add_marker(StreamImage *image, uint32_t type, uint64_t value)
{
    uint8_t raw[VMDK_SECTOR] = {0};

    vio_put_le64(raw, value);
    vio_put_le32(raw + 12, type);
    stream_image_add_sector(image, raw);
}

uint64_t
stream_image_add_packed(StreamImage *image, uint64_t lba, const void *packed,
                        size_t len)
{
    uint64_t record = image->bytes->len;
    uint8_t head[12];
    size_t n = sizeof(head);

    vio_put_le64(head, lba);
    vio_put_le32(head + 8, (uint32_t) len);
    if (image->hdr.flags & VMDK_FLAG_MARKERS) {
        g_byte_array_append(image->bytes, head, sizeof(head));
    } else {
        n = 4;
        g_byte_array_append(image->bytes, head + 8, 4);
    }
    g_byte_array_append(image->bytes, packed, (guint) len);
    stream_image_add_zeroes(image, (VMDK_SECTOR - (n + len) % VMDK_SECTOR) %
                                       VMDK_SECTOR);
    return record;
}

uint64_t
stream_image_add_bytes(StreamImage *image, uint64_t grain, const void *plain,
                       size_t len, bool raw)
{
    g_autofree uint8_t *packed = g_malloc(compressBound(len) + 64);
    z_stream z = {0};
    uint64_t record;

    g_assert_cmpint(
        deflateInit2(&z, 6, Z_DEFLATED, raw ? -15 : 15, 8, Z_DEFAULT_STRATEGY),
        ==, Z_OK);
    z.next_in = (Bytef *) plain;
    z.avail_in = (uInt) len;
    z.next_out = packed;
    z.avail_out = (uInt) compressBound(len) + 64;
    g_assert_cmpint(deflate(&z, Z_FINISH), ==, Z_STREAM_END);
    record = stream_image_add_packed(image, grain * 128, packed, z.total_out);
    deflateEnd(&z);
    image->entries[grain] = (uint32_t) (record / VMDK_SECTOR);
    return record;
}

uint64_t
stream_image_add(StreamImage *image, uint64_t grain)
{
    g_autofree uint8_t *plain = g_malloc(STREAM_GRAIN);

    stream_plain(grain, plain);
    return stream_image_add_bytes(image, grain, plain, STREAM_GRAIN, false);
}

static void
put_entries(uint8_t *to, const uint32_t *entries, size_t n)
{
    for (size_t i = 0; i < n; i++)
        vio_put_le32(to + i * 4, entries[i]);
}

void
stream_image_add_table(StreamImage *image, uint64_t index)
{
    guint at;

    stream_image_add_marker(image, VMDK_MARKER_GT, 4);
    at = image->bytes->len;
    g_array_index(image->directory, uint32_t, index) = at / VMDK_SECTOR;
    stream_image_add_zeroes(image, STREAM_GTES * 4);
    put_entries(image->bytes->data + at, image->entries + index * STREAM_GTES,
                STREAM_GTES);
}

void
stream_image_end_in_front(StreamImage *image)
{
    uint64_t n = vmdk_header_n_gts(&image->hdr);
    uint8_t *data;

    stream_image_add_zeroes(image, VMDK_SECTOR); /* end of stream */
    data = image->bytes->data;
    for (uint64_t i = 0; i < n; i++) {
        uint64_t at = vmdk_header_gt_sector(&image->hdr, i);

        vio_put_le32(data + image->hdr.gd_sector * VMDK_SECTOR + i * 4,
                     (uint32_t) at);
        put_entries(data + at * VMDK_SECTOR, image->entries + i * STREAM_GTES,
                    STREAM_GTES);
    }
    vmdk_header_encode(&image->hdr, data);
}

void
stream_image_end_behind(StreamImage *image, bool patched)
{
    uint64_t gd_sectors = vmdk_header_gd_sectors(&image->hdr);
    VmdkHeader footer = image->hdr;
    uint8_t raw[VMDK_HEADER_BYTES];
    guint at;

    stream_image_add_marker(image, VMDK_MARKER_GD, gd_sectors);
    at = image->bytes->len;
    stream_image_add_zeroes(image, gd_sectors * VMDK_SECTOR);
    put_entries(image->bytes->data + at, (uint32_t *) image->directory->data,
                image->directory->len);
    stream_image_add_marker(image, VMDK_MARKER_FOOTER, 1);
    footer.gd_sector = at / VMDK_SECTOR;
    vmdk_header_encode(&footer, raw);
    stream_image_add_sector(image, raw);
    stream_image_add_marker(image, VMDK_MARKER_EOS, 0);
    if (patched)
        image->hdr.gd_sector = footer.gd_sector;
    vmdk_header_encode(&image->hdr, image->bytes->data);
}

VdNode *
stream_image_open(TestCo *t, const StreamImage *image)
{
    g_autofree char *path = test_co_path(t, "image.vmdk");
    g_autoptr(GError) error = NULL;

    g_file_set_contents(path, (const char *) image->bytes->data,
                        image->bytes->len, &error);
    g_assert_no_error(error);
    return test_co_open_file(t, "file", "image.vmdk", 0);
}

VdNode *
stream_target_new(TestCo *t, const char *name, VdNode **top)
{
    g_autofree char *path = test_co_path(t, name);

    test_file_make(path, 0);
    *top = test_co_open_file(t, "raw", name, VD_OPEN_RDWR);
    return vd_node_child(*top, "file");
}
