/* SPDX-License-Identifier: BSD-3-Clause */
/* formats/vdi/header.c - the header of a VDI file, in both of its versions.
 *
 * Layout: other-formats dossier, D.  Little endian.
 *
 * Concurrency: never yields.
 */
#include "formats/vdi/header.h"
#include "io/bytes.h"

#include <inttypes.h>

#define MAGIC UINT32_C(0xbeda107f)
#define MAGIC_AT 64
#define VERSION_1_1 UINT32_C(0x00010001)
#define HEADER_1_BYTES 400 /* without magic and version; with LCHS */
#define MAX_BLOCK_BYTES (256u << 20)

static const char text[] = "<<< vdisk Virtual Disk Image >>>\n";

/* Where the fields are. */
typedef struct {
    unsigned type, flags, comment, size, block, extra, blocks, allocated;
    unsigned create, modify, parent_create, parent_modify;
} Layout;

static const Layout layout_0 = {.type = 72,
                                .flags = 76,
                                .comment = 80,
                                .size = 352,
                                .block = 360,
                                .blocks = 364,
                                .allocated = 368,
                                .create = 372,
                                .modify = 388,
                                .parent_create = 404};
static const Layout layout_1 = {.type = 76,
                                .flags = 80,
                                .comment = 84,
                                .size = 368,
                                .block = 376,
                                .extra = 380,
                                .blocks = 384,
                                .allocated = 388,
                                .create = 392,
                                .modify = 408,
                                .parent_create = 424,
                                .parent_modify = 440};

#define OLD_TABLE_AT 420 /* version 0 has it right behind the header */
#define TABLE_AT 340
#define DATA_AT 344
#define SECTOR_AT 360
#define COMMENT_BYTES 256

const char *
vdi_type_name(VdiType type)
{
    static const char *const names[] = {NULL, "dynamic", "static", "undo",
                                        "differencing"};

    return type < G_N_ELEMENTS(names) ? names[type] : NULL;
}

bool
vdi_header_is_magic(const uint8_t *head, size_t len)
{
    return len >= MAGIC_AT + 4 && vio_get_le32(head + MAGIC_AT) == MAGIC;
}

/* -- reading --------------------------------------------------------------- */

static void
copy_uuid(uint8_t *to, const uint8_t *raw, unsigned at)
{
    if (at)
        memcpy(to, raw + at, VD_UUID_BYTES);
}

static void
take_fields(VdiHeader *hdr, const Layout *at, const uint8_t *raw)
{
    hdr->type = vio_get_le32(raw + at->type);
    hdr->flags = vio_get_le32(raw + at->flags);
    memcpy(hdr->comment, raw + at->comment, COMMENT_BYTES);
    hdr->size = vio_get_le64(raw + at->size);
    hdr->block_bytes = vio_get_le32(raw + at->block);
    hdr->extra_bytes = at->extra ? vio_get_le32(raw + at->extra) : 0;
    hdr->n_blocks = vio_get_le32(raw + at->blocks);
    hdr->n_allocated = vio_get_le32(raw + at->allocated);
    copy_uuid(hdr->create, raw, at->create);
    copy_uuid(hdr->modify, raw, at->modify);
    copy_uuid(hdr->parent_create, raw, at->parent_create);
    copy_uuid(hdr->parent_modify, raw, at->parent_modify);
}

static bool
bad(GError **error, const char *name, const char *what, uint64_t found,
    const char *wanted)
{
    return vd_throw(error, VD_ERROR_CORRUPT,
                    "%s: %s in the VDI header is %" PRIu64 ", not %s", name,
                    what, found, wanted);
}

static bool
check_sizes(const VdiHeader *hdr, const char *name, GError **error)
{
    uint64_t block = hdr->block_bytes, n = hdr->n_blocks;

    if (!block || (block & (block - 1)) || block < VDI_SECTOR ||
        block > MAX_BLOCK_BYTES)
        return bad(error, name, "the block size", block,
                   "a power of two from 512 to 256 MiB");
    if (hdr->extra_bytes > block || hdr->extra_bytes % VDI_SECTOR)
        return bad(error, name, "the extra data of a block", hdr->extra_bytes,
                   "a number of sectors below the block size");
    if (hdr->size > n * block || hdr->size > VD_MAX_SIZE)
        return bad(error, name, "the disk size", hdr->size,
                   "within the number of blocks");
    return true;
}

static bool
check_places(const VdiHeader *hdr, const char *name, GError **error)
{
    uint64_t end = hdr->table_off + hdr->n_blocks * UINT64_C(4);

    if (hdr->table_off < (hdr->old ? OLD_TABLE_AT : VDI_HEADER_BYTES))
        return bad(error, name, "the offset of the table", hdr->table_off,
                   "behind the header");
    if (hdr->data_off < end)
        return bad(error, name, "the offset of the data", hdr->data_off,
                   "behind the table");
    return true;
}

static bool
check_version(VdiHeader *hdr, const uint8_t *raw, const char *name,
              GError **error)
{
    uint32_t version = vio_get_le32(raw + MAGIC_AT + 4);

    hdr->old = version >> 16 == 0;
    if (version >> 16 <= 1)
        return true;
    return vd_throw(error, VD_ERROR_NOT_SUPPORTED,
                    "%s: VDI version %u.%u; versions 0 and 1 are known", name,
                    version >> 16, version & 0xffff);
}

/* Version 0 has no fields for what follows the header. */
static bool
take_places(VdiHeader *hdr, const uint8_t *raw, const char *name,
            GError **error)
{
    uint64_t end = OLD_TABLE_AT + hdr->n_blocks * UINT64_C(4);
    uint32_t sector = hdr->old ? VDI_SECTOR : vio_get_le32(raw + SECTOR_AT);

    hdr->table_off = hdr->old ? OLD_TABLE_AT : vio_get_le32(raw + TABLE_AT);
    hdr->data_off = hdr->old ? (uint32_t) end : vio_get_le32(raw + DATA_AT);
    if (hdr->old && end > UINT32_MAX)
        return bad(error, name, "the number of blocks", hdr->n_blocks,
                   "below 2^30");
    if (sector && sector != VDI_SECTOR)
        return bad(error, name, "the sector size", sector, "512");
    return true;
}

bool
vdi_header_decode(VdiHeader *hdr, const uint8_t *raw, const char *name,
                  GError **error)
{
    *hdr = (VdiHeader){0};
    if (!vdi_header_is_magic(raw, VDI_HEADER_BYTES))
        return vd_throw(error, VD_ERROR_UNKNOWN_FORMAT,
                        "%s: no VDI signature at byte %d", name, MAGIC_AT);
    if (!check_version(hdr, raw, name, error))
        return false;
    take_fields(hdr, hdr->old ? &layout_0 : &layout_1, raw);
    if (!vdi_type_name(hdr->type))
        return bad(error, name, "the type", hdr->type, "1 to 4");
    return take_places(hdr, raw, name, error) &&
           check_sizes(hdr, name, error) && check_places(hdr, name, error);
}

/* -- writing --------------------------------------------------------------- */

void
vdi_header_encode(const VdiHeader *hdr, uint8_t raw[VDI_HEADER_BYTES])
{
    const Layout *at = &layout_1;

    memset(raw, 0, VDI_HEADER_BYTES);
    memcpy(raw, text, sizeof(text));
    vio_put_le32(raw + MAGIC_AT, MAGIC);
    vio_put_le32(raw + MAGIC_AT + 4, VERSION_1_1);
    vio_put_le32(raw + MAGIC_AT + 8, HEADER_1_BYTES);
    vio_put_le32(raw + at->type, hdr->type);
    vio_put_le32(raw + at->flags, hdr->flags);
    vio_put_le32(raw + TABLE_AT, hdr->table_off);
    vio_put_le32(raw + DATA_AT, hdr->data_off);
    vio_put_le32(raw + SECTOR_AT, VDI_SECTOR);
    vio_put_le64(raw + at->size, hdr->size);
    vio_put_le32(raw + at->block, hdr->block_bytes);
    vio_put_le32(raw + at->blocks, hdr->n_blocks);
    vio_put_le32(raw + at->allocated, hdr->n_allocated);
    memcpy(raw + at->create, hdr->create, VD_UUID_BYTES);
    memcpy(raw + at->modify, hdr->modify, VD_UUID_BYTES);
}

void
vdi_header_set_allocated(const VdiHeader *hdr, uint8_t *raw, uint32_t n)
{
    vio_put_le32(raw + (hdr->old ? layout_0 : layout_1).allocated, n);
}

void
vdi_header_set_layout(const VdiHeader *hdr, uint8_t *raw)
{
    const Layout *at = hdr->old ? &layout_0 : &layout_1;

    vio_put_le64(raw + at->size, hdr->size);
    vio_put_le32(raw + at->blocks, hdr->n_blocks);
    vdi_header_set_allocated(hdr, raw, hdr->n_allocated);
    if (hdr->old)
        return;
    vio_put_le32(raw + TABLE_AT, hdr->table_off);
    vio_put_le32(raw + DATA_AT, hdr->data_off);
}

void
vdi_header_set_modified(const VdiHeader *hdr, uint8_t *raw,
                        const uint8_t uuid[VD_UUID_BYTES])
{
    memcpy(raw + (hdr->old ? layout_0 : layout_1).modify, uuid, VD_UUID_BYTES);
}
