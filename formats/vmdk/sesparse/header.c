/* SPDX-License-Identifier: BSD-3-Clause */
/* formats/vmdk/sesparse/header.c - the headers of a seSparse extent, checked
 * field by field.
 *
 * Concurrency: pure functions.
 */
#include "formats/vmdk/sesparse/header.h"
#include "io/bytes.h"
#include "formats/vmdk/sparse/header.h"

#include "io/zero.h"

#define CONST_MAGIC UINT64_C(0x00000000cafebabe)
#define VOLATILE_MAGIC UINT64_C(0x00000000cafecafe)
#define VERSION UINT64_C(0x0000000200000001)

#define AT_VERSION 8
#define AT_CAPACITY 16
#define AT_GRAIN 24
#define AT_TABLE 32
#define AT_FLAGS 40
#define AT_RESERVED 48
#define AT_PARTS 80
#define AT_PAD 208

#define MIB_SECTORS (UINT64_C(1) << 11)
#define MAX_SECTOR (UINT64_C(1) << 54) /* bytes fit into 63 bits */

static const char *const part_names[VMDK_SE_N_PARTS] = {
    "volatile header", "journal header", "journal", "grain directory",
    "grain tables",    "free bitmap",    "backmap", "grains",
};

bool
vmdk_se_header_is_magic(const uint8_t *head, size_t len)
{
    return len >= sizeof(uint64_t) && vio_get_le64(head) == CONST_MAGIC;
}

/* -- constant header
 * -------------------------------------------------------------- */

static bool
wants(const char *name, const char *what, uint64_t found, uint64_t wanted,
      GError **error)
{
    return found == wanted ||
           vd_throw(error, VD_ERROR_NOT_SUPPORTED,
                    "%s: seSparse header with %s %#" G_GINT64_MODIFIER
                    "x, only %#" G_GINT64_MODIFIER "x is known",
                    name, what, found, wanted);
}

static bool
check_constants(const uint8_t *raw, const char *name, GError **error)
{
    if (vio_get_le64(raw) != CONST_MAGIC)
        return vd_throw(error, VD_ERROR_CORRUPT,
                        "%s: no seSparse extent: magic %#" G_GINT64_MODIFIER
                        "x, wanted %#" G_GINT64_MODIFIER "x",
                        name, vio_get_le64(raw), CONST_MAGIC);
    if (!wants(name, "version", vio_get_le64(raw + AT_VERSION), VERSION,
               error) ||
        !wants(name, "grains of sectors", vio_get_le64(raw + AT_GRAIN),
               VMDK_SE_GRAIN_SECTORS, error) ||
        !wants(name, "tables of sectors", vio_get_le64(raw + AT_TABLE),
               VMDK_SE_TABLE_SECTORS, error) ||
        !wants(name, "flags", vio_get_le64(raw + AT_FLAGS), 0, error))
        return false;
    if (!vio_is_zero(raw + AT_RESERVED, AT_PARTS - AT_RESERVED) ||
        !vio_is_zero(raw + AT_PAD, VMDK_SE_HEADER_BYTES - AT_PAD))
        return vd_throw(error, VD_ERROR_NOT_SUPPORTED,
                        "%s: seSparse header with values in reserved places",
                        name);
    return true;
}

static bool
decode_part(const uint8_t *raw, VmdkSePart i, const char *name,
            VmdkSeRegion *part, GError **error)
{
    const uint8_t *at = raw + AT_PARTS + 16 * i;

    part->start = vio_get_le64(at);
    part->n = vio_get_le64(at + 8);
    if (part->start > MAX_SECTOR || part->n > MAX_SECTOR - part->start)
        return vd_throw(error, VD_ERROR_LIMIT,
                        "%s: the %s at sector %" G_GUINT64_FORMAT
                        " of %" G_GUINT64_FORMAT
                        " sectors lie behind all limits",
                        name, part_names[i], part->start, part->n);
    return true;
}

static bool
check_capacity(uint64_t capacity, const char *name, GError **error)
{
    if (!capacity)
        return vd_throw(error, VD_ERROR_CORRUPT,
                        "%s: a seSparse extent with a capacity of 0", name);
    return capacity <= VMDK_SE_MAX_SECTORS ||
           vd_throw(error, VD_ERROR_LIMIT,
                    "%s: capacity of %" G_GUINT64_FORMAT
                    " sectors, seSparse extents have at most "
                    "%" G_GUINT64_FORMAT,
                    name, capacity, VMDK_SE_MAX_SECTORS);
}

bool
vmdk_se_header_decode(const uint8_t raw[VMDK_SE_HEADER_BYTES], const char *name,
                      VmdkSeHeader *hdr, GError **error)
{
    VmdkSeHeader found = {.capacity_sectors = vio_get_le64(raw + AT_CAPACITY)};

    if (!check_constants(raw, name, error) ||
        !check_capacity(found.capacity_sectors, name, error))
        return false;
    for (unsigned i = 0; i < VMDK_SE_N_PARTS; i++)
        if (!decode_part(raw, i, name, &found.part[i], error))
            return false;
    *hdr = found;
    return true;
}

void
vmdk_se_header_encode(const VmdkSeHeader *hdr,
                      uint8_t raw[VMDK_SE_HEADER_BYTES])
{
    memset(raw, 0, VMDK_SE_HEADER_BYTES);
    vio_put_le64(raw, CONST_MAGIC);
    vio_put_le64(raw + AT_VERSION, VERSION);
    vio_put_le64(raw + AT_CAPACITY, hdr->capacity_sectors);
    vio_put_le64(raw + AT_GRAIN, VMDK_SE_GRAIN_SECTORS);
    vio_put_le64(raw + AT_TABLE, VMDK_SE_TABLE_SECTORS);
    for (unsigned i = 0; i < VMDK_SE_N_PARTS; i++) {
        vio_put_le64(raw + AT_PARTS + 16 * i, hdr->part[i].start);
        vio_put_le64(raw + AT_PARTS + 16 * i + 8, hdr->part[i].n);
    }
}

/* -- against the file
 * ------------------------------------------------------------- */

static bool
check_inside(const VmdkSeHeader *hdr, VmdkSePart i, uint64_t need,
             uint64_t file_sectors, const char *name, GError **error)
{
    const VmdkSeRegion *part = &hdr->part[i];

    if (part->n < need)
        return vd_throw(error, VD_ERROR_CORRUPT,
                        "%s: the %s has %" G_GUINT64_FORMAT
                        " sectors, wanted %" G_GUINT64_FORMAT,
                        name, part_names[i], part->n, need);
    return (part->start && need <= file_sectors &&
            part->start <= file_sectors - need) ||
           vd_throw(error, VD_ERROR_CORRUPT,
                    "%s: the %s at sector %" G_GUINT64_FORMAT
                    " does not lie inside the file of %" G_GUINT64_FORMAT
                    " sectors",
                    name, part_names[i], part->start, file_sectors);
}

static bool
check_apart(const VmdkSeHeader *hdr, VmdkSePart i, VmdkSePart k,
            const char *name, GError **error)
{
    const VmdkSeRegion *a = &hdr->part[i], *b = &hdr->part[k];

    return a->start + a->n <= b->start || b->start + b->n <= a->start ||
           vd_throw(error, VD_ERROR_CORRUPT,
                    "%s: the %s at sector %" G_GUINT64_FORMAT
                    " and the %s at sector %" G_GUINT64_FORMAT " overlap",
                    name, part_names[i], a->start, part_names[k], b->start);
}

bool
vmdk_se_header_check_file(const VmdkSeHeader *hdr, uint64_t file_bytes,
                          const char *name, GError **error)
{
    static const VmdkSePart read[] = {VMDK_SE_VOLATILE, VMDK_SE_DIRECTORY,
                                      VMDK_SE_TABLES, VMDK_SE_GRAINS};
    uint64_t sectors = file_bytes / VMDK_SECTOR;
    uint64_t gd_bytes =
        (uint64_t) vmdk_se_header_n_tables(hdr) * sizeof(uint64_t);

    if (!check_inside(hdr, VMDK_SE_VOLATILE, 1, sectors, name, error) ||
        !check_inside(hdr, VMDK_SE_DIRECTORY,
                      (gd_bytes + VMDK_SECTOR - 1) / VMDK_SECTOR, sectors, name,
                      error))
        return false;
    /* No sector that an entry in memory could not name. */
    if (hdr->part[VMDK_SE_GRAINS].start <= VMDK_SE_ZERO)
        return vd_throw(error, VD_ERROR_CORRUPT,
                        "%s: the grains begin at sector %" G_GUINT64_FORMAT
                        ", on the header",
                        name, hdr->part[VMDK_SE_GRAINS].start);
    for (unsigned i = 0; i < G_N_ELEMENTS(read); i++)
        for (unsigned k = 0; k < i; k++)
            if (!check_apart(hdr, read[k], read[i], name, error))
                return false;
    return true;
}

/* -- volatile header
 * -------------------------------------------------------------- */

bool
vmdk_se_volatile_decode(const uint8_t raw[VMDK_SE_HEADER_BYTES],
                        const char *name, VmdkSeVolatile *vol, GError **error)
{
    if (vio_get_le64(raw) != VOLATILE_MAGIC)
        return vd_throw(error, VD_ERROR_CORRUPT,
                        "%s: volatile header with magic %#" G_GINT64_MODIFIER
                        "x, wanted %#" G_GINT64_MODIFIER "x",
                        name, vio_get_le64(raw), VOLATILE_MAGIC);
    *vol = (VmdkSeVolatile){
        .free_table = vio_get_le64(raw + 8),
        .next_transaction = vio_get_le64(raw + 16),
        .replay = vio_get_le64(raw + 24),
    };
    return true;
}

void
vmdk_se_volatile_encode(const VmdkSeVolatile *vol,
                        uint8_t raw[VMDK_SE_HEADER_BYTES])
{
    memset(raw, 0, VMDK_SE_HEADER_BYTES);
    vio_put_le64(raw, VOLATILE_MAGIC);
    vio_put_le64(raw + 8, vol->free_table);
    vio_put_le64(raw + 16, vol->next_transaction);
    vio_put_le64(raw + 24, vol->replay);
}

/* -- layout
 * ----------------------------------------------------------------------- */

static uint64_t
divide_up(uint64_t a, uint64_t b)
{
    return (a + b - 1) / b;
}

uint32_t
vmdk_se_header_n_tables(const VmdkSeHeader *hdr)
{
    return (uint32_t) divide_up(hdr->capacity_sectors,
                                (uint64_t) VMDK_SE_ENTRIES *
                                    VMDK_SE_GRAIN_SECTORS);
}

static uint64_t
whole_mibs(uint64_t sectors)
{
    return divide_up(sectors, MIB_SECTORS) * MIB_SECTORS;
}

void
vmdk_se_header_layout(VmdkSeHeader *hdr, uint64_t capacity_sectors)
{
    VmdkSeRegion *part = hdr->part;
    uint64_t grains = divide_up(capacity_sectors, VMDK_SE_GRAIN_SECTORS);
    uint64_t tables;

    *hdr = (VmdkSeHeader){.capacity_sectors = capacity_sectors};
    tables = vmdk_se_header_n_tables(hdr);
    part[VMDK_SE_VOLATILE] = (VmdkSeRegion){1, 1};
    part[VMDK_SE_JOURNAL_HEADER] = (VmdkSeRegion){2, 2};
    part[VMDK_SE_JOURNAL].n = MIB_SECTORS;
    part[VMDK_SE_DIRECTORY].n =
        whole_mibs(divide_up(tables * sizeof(uint64_t), VMDK_SECTOR));
    part[VMDK_SE_TABLES].n = whole_mibs(tables * VMDK_SE_TABLE_SECTORS);
    part[VMDK_SE_BITMAP].n = whole_mibs(divide_up(grains, 8 * VMDK_SECTOR));
    part[VMDK_SE_BACKMAP].n =
        whole_mibs(divide_up(grains * sizeof(uint64_t), VMDK_SECTOR));
    part[VMDK_SE_GRAINS].n = grains * VMDK_SE_GRAIN_SECTORS;
    for (unsigned i = VMDK_SE_JOURNAL; i < VMDK_SE_N_PARTS; i++)
        part[i].start = i == VMDK_SE_JOURNAL
                            ? MIB_SECTORS
                            : part[i - 1].start + part[i - 1].n;
}
