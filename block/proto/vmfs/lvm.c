/* SPDX-License-Identifier: BSD-3-Clause */
/* block/proto/vmfs/lvm.c - what a device says of the volumes that are on it.
 *
 * Behind the header, at fixed distances: a table of volumes (VMFS 6 has one),
 * and up to eight tables of 8192 physical extents each, with a bitmap in front.
 * An extent is 256 MiB, in VMFS 6 as long as it says.  Devices with more tables
 * (above 16 TiB in VMFS 5) have the others in further regions, which begin with
 * a short header, are laid out like the first, and name one another.
 *
 * Concurrency: no state.
 */
#include "block/proto/vmfs/lvm.h"

#include <inttypes.h>

#include "block/proto/vmfs/partition.h"
#include "block/rw.h"
#include "io/bytes.h"

#define HEADER_BYTES 512
#define REGION_BYTES 24
#define OLD_UNIT 512u
#define LEAST_UNIT 4096u
#define LARGEST_UNIT 65536u
#define MAX_TABLES 8u  /* of a region */
#define MAX_REGIONS 4u /* 64 TiB, the longest device of VMFS 5 */
#define ENTRIES_OF_TABLE 8192u
#define OLD_BITMAP_BYTES 1024u
#define RESERVED_VOLUMES 1024u /* room that the table of volumes has */

#define FLAG_VMFS_L 1u

/* -- structures ------------------------------------------------------------ */

static bool
check_version(const VmfsLvmHeader *h, uint32_t flags, const char *name,
              GError **error)
{
    if (h->major < 3 || h->major > 6)
        return vd_throw(error, VD_ERROR_NOT_SUPPORTED,
                        "%s: LVM version %" PRIu32 ".%" PRIu32
                        " is not known, only 3 to 6",
                        name, h->major, h->minor);
    if (h->major == 6 && (flags & FLAG_VMFS_L))
        return vd_throw(error, VD_ERROR_NOT_SUPPORTED,
                        "%s: is a VMFS-L volume, which cannot be read", name);
    return true;
}

static bool
check_tables(const VmfsLvmHeader *h, const char *name, GError **error)
{
    if (h->n_volumes > VMFS_LVM_MAX_VOLUMES)
        return vd_throw(error, VD_ERROR_LIMIT,
                        "%s: LVM header: %" PRIu32 " volumes, at most %d", name,
                        h->n_volumes, VMFS_LVM_MAX_VOLUMES);
    if (h->n_tables > MAX_TABLES)
        return vd_throw(error, VD_ERROR_CORRUPT,
                        "%s: LVM header: %" PRIu32 " tables, at most %u", name,
                        h->n_tables, MAX_TABLES);
    if (h->n_entries > MAX_REGIONS * MAX_TABLES * ENTRIES_OF_TABLE)
        return vd_throw(error, VD_ERROR_LIMIT,
                        "%s: LVM header: %" PRIu32 " extents, at most %u", name,
                        h->n_entries,
                        MAX_REGIONS * MAX_TABLES * ENTRIES_OF_TABLE);
    return true;
}

bool
vmfs_lvm_decode_header(const uint8_t raw[512], const char *name,
                       VmfsLvmHeader *header, GError **error)
{
    VmfsLvmHeader h = {
        .major = vio_get_le32(raw + 0x04),
        .minor = vio_get_le32(raw + 0x08),
        .n_volumes = vio_get_le32(raw + 0x66),
        .n_entries = vio_get_le32(raw + 0x6a),
        .n_tables = MAX(vio_get_le32(raw + 0xbe), 1),
        .more = vio_get_le64(raw + 0xc2),
        .unit = OLD_UNIT,
        .device = vmfs_uuid_decode(raw + 0x82),
    };

    if (vio_get_le32(raw) != VMFS_LVM_MAGIC)
        return vd_throw(error, VD_ERROR_CORRUPT,
                        "%s: LVM header begins with 0x%08" PRIx32
                        ", not with 0x%08x",
                        name, vio_get_le32(raw), VMFS_LVM_MAGIC);
    if (!check_version(&h, vio_get_le32(raw + 0xd2), name, error))
        return false;
    if (h.major == 6)
        h.unit = vio_get_le32(raw + 0xca);
    if (h.major == 6 && (h.unit < LEAST_UNIT || h.unit > LARGEST_UNIT ||
                         (h.unit & (h.unit - 1)) != 0))
        return vd_throw(error, VD_ERROR_CORRUPT,
                        "%s: LVM header: alignment of metadata %" PRIu32
                        " is no power of two from %u to %u",
                        name, h.unit, LEAST_UNIT, LARGEST_UNIT);
    if (!check_tables(&h, name, error))
        return false;
    *header = h;
    return true;
}

void
vmfs_lvm_decode_volume(const uint8_t raw[VMFS_LVM_VOLUME_BYTES],
                       VmfsLvmVolume *volume)
{
    *volume = (VmfsLvmVolume){
        .uuid = vmfs_uuid_decode(raw + 0x54),
        .snapshot_id = vio_get_le32(raw + 0x64),
        .id = vio_get_le32(raw + 0x70),
        .first_pe = vio_get_le64(raw + 0x78),
        .last_pe = vio_get_le64(raw + 0x80),
        .n_devices = vio_get_le32(raw + 0x90),
    };
}

void
vmfs_lvm_decode_entry(const uint8_t raw[VMFS_LVM_ENTRY_BYTES],
                      VmfsLvmEntry *entry)
{
    *entry = (VmfsLvmEntry){
        .used = raw[0] != 0,
        .volume_id = vio_get_le32(raw + 5),
        .physical = vio_get_le64(raw + 9),
        .logical = vio_get_le64(raw + 0x11),
        .len = vio_get_le64(raw + 0x19),
    };
}

/* -- loading --------------------------------------------------------------- */

typedef struct {
    VdNode *device;
    uint64_t start; /* of the partition */
    VmfsLvmHeader header;
    GArray *entries; /* of VmfsLvmEntry, all that are in use */
    GArray *tables;  /* of VmfsLvmTables */
} Load;

void
vmfs_piece_free(VmfsPiece *piece)
{
    if (!piece)
        return;
    g_array_unref(piece->entries);
    g_clear_pointer(&piece->tables, g_array_unref);
    g_free(piece);
}

/* Tables, and where there are more. */
typedef struct {
    uint64_t start; /* byte of the device */
    uint32_t n_tables;
    uint64_t more; /* byte of the partition; 0 = nowhere */
} Region;

static uint64_t
lvm_byte(const Load *load, uint64_t off)
{
    return load->start + VMFS_LVM_OFFSET + off;
}

static bool
load_co_header(Load *load, GError **error)
{
    uint8_t raw[HEADER_BYTES];

    return vd_node_co_pread(load->device, lvm_byte(load, 0), raw, sizeof(raw),
                            error) &&
           vmfs_lvm_decode_header(raw, vd_node_name(load->device),
                                  &load->header, error);
}

static uint32_t
bitmap_bytes(const VmfsLvmHeader *h)
{
    return h->major < 6 ? OLD_BITMAP_BYTES : MAX(h->unit, OLD_BITMAP_BYTES);
}

/* A pair of bitmap and table follows the other. */
static uint64_t
table_offset(const Load *load, const Region *region, uint32_t table)
{
    const VmfsLvmHeader *h = &load->header;
    uint64_t pair =
        bitmap_bytes(h) + (uint64_t) ENTRIES_OF_TABLE * VMFS_LVM_ENTRY_BYTES;

    return region->start + h->unit + RESERVED_VOLUMES * VMFS_LVM_VOLUME_BYTES +
           table * pair + bitmap_bytes(h);
}

/* Lengths and places that a volume cannot have are found here, so that nothing
 * behind overflows. */
static bool
add_entry(Load *load, const uint8_t *raw, uint64_t off, GError **error)
{
    uint64_t most = (uint64_t) VD_MAX_SIZE - load->start;
    VmfsLvmEntry e;

    vmfs_lvm_decode_entry(raw, &e);
    if (!e.used)
        return true;
    if (e.len == 0 || e.len > most || e.logical > most - e.len ||
        e.physical > most - e.len)
        return vd_throw(
            error, VD_ERROR_CORRUPT,
            "%s: LVM extent at byte %" PRIu64 ": %" PRIu64
            " bytes from %" PRIu64 " as %" PRIu64 " of the volume: too large",
            vd_node_name(load->device), off, e.len, e.physical, e.logical);
    e.physical += load->start;
    g_array_append_val(load->entries, e);
    return true;
}

static bool
load_co_table(Load *load, uint64_t off, uint32_t n, GError **error)
{
    size_t len = (size_t) n * VMFS_LVM_ENTRY_BYTES;
    g_autofree uint8_t *raw = g_malloc(len);

    if (!vd_node_co_pread(load->device, off, raw, len, error))
        return false;
    for (uint32_t i = 0; i < n; i++) {
        size_t at = (size_t) i * VMFS_LVM_ENTRY_BYTES;

        if (!add_entry(load, raw + at, off + at, error))
            return false;
    }
    return true;
}

/* The first one is what the partition begins with. */
static void
note_tables(Load *load, const Region *region)
{
    VmfsLvmTables tables = {
        .start = load->tables->len > 0 ? region->start : load->start,
        .end = table_offset(load, region, region->n_tables),
    };

    g_array_append_val(load->tables, tables);
}

/* *@left: extents that the device has and that have not been seen yet. */
static bool
load_co_region(Load *load, const Region *region, uint32_t *left, GError **error)
{
    note_tables(load, region);
    for (uint32_t table = 0; *left > 0 && table < region->n_tables; table++) {
        uint32_t n = MIN(*left, ENTRIES_OF_TABLE);

        if (!load_co_table(load, table_offset(load, region, table), n, error))
            return false;
        *left -= n;
    }
    return true;
}

/* The one behind @region, in its place. */
static bool
load_co_next_region(const Load *load, Region *region, GError **error)
{
    const char *name = vd_node_name(load->device);
    uint8_t raw[REGION_BYTES];
    uint64_t at = region->more;

    if (at == 0 || at > (uint64_t) VD_MAX_SIZE - load->start)
        return vd_throw(error, VD_ERROR_CORRUPT,
                        "%s: LVM header: %" PRIu32 " extents, but no tables "
                        "that they could all be in",
                        name, load->header.n_entries);
    at += load->start;
    if (!vd_node_co_pread(load->device, at, raw, sizeof(raw), error))
        return false;
    *region = (Region){
        .start = at,
        .n_tables = vio_get_le32(raw + 4),
        .more = vio_get_le64(raw + 0x10),
    };
    return (vio_get_le32(raw) == VMFS_LVM_MAGIC &&
            region->n_tables <= MAX_TABLES) ||
           vd_throw(error, VD_ERROR_CORRUPT,
                    "%s: byte %" PRIu64 ": 0x%08" PRIx32 " and %" PRIu32
                    " tables, where more tables of LVM should be",
                    name, at, vio_get_le32(raw), region->n_tables);
}

static bool
load_co_tables(Load *load, GError **error)
{
    const VmfsLvmHeader *h = &load->header;
    uint32_t left = h->n_entries;
    Region region = {lvm_byte(load, 0), h->n_tables, h->more};

    if (!load_co_region(load, &region, &left, error))
        return false;
    for (unsigned n = 1; left > 0 && n < MAX_REGIONS; n++)
        if (!load_co_next_region(load, &region, error) ||
            !load_co_region(load, &region, &left, error))
            return false;
    return left == 0 ||
           vd_throw(error, VD_ERROR_CORRUPT,
                    "%s: LVM header: %" PRIu32 " extents, and %" PRIu32
                    " of them are in no table",
                    vd_node_name(load->device), h->n_entries, left);
}

static size_t
count_entries(const GPtrArray *pieces)
{
    size_t n = 0;

    for (guint i = 0; i < pieces->len; i++)
        n += ((const VmfsPiece *) g_ptr_array_index(pieces, i))->entries->len;
    return n;
}

static bool
add_piece(const Load *load, const VmfsLvmVolume *volume, GPtrArray *pieces,
          GError **error)
{
    VmfsPiece *piece;

    if (pieces->len >= VMFS_LVM_MAX_PIECES)
        return vd_throw(error, VD_ERROR_LIMIT,
                        "%s: more than %d extents of volumes",
                        vd_node_name(load->device), VMFS_LVM_MAX_PIECES);
    if (count_entries(pieces) + load->entries->len > VMFS_LVM_MAX_ENTRIES)
        return vd_throw(error, VD_ERROR_LIMIT,
                        "%s: volumes of more than %u extents of LVM together",
                        vd_node_name(load->device), VMFS_LVM_MAX_ENTRIES);
    piece = g_new0(VmfsPiece, 1);
    piece->device = load->device;
    piece->device_id = load->header.device;
    piece->volume = *volume;
    piece->entries = g_array_new(FALSE, FALSE, sizeof(VmfsLvmEntry));
    piece->tables = g_array_ref(load->tables);
    for (guint i = 0; i < load->entries->len; i++) {
        VmfsLvmEntry e = g_array_index(load->entries, VmfsLvmEntry, i);

        if (e.volume_id == volume->id)
            g_array_append_val(piece->entries, e);
    }
    g_ptr_array_add(pieces, piece);
    return true;
}

/* Slots of volumes that were taken away are empty. */
static bool
load_co_volumes(Load *load, GPtrArray *pieces, GError **error)
{
    uint32_t most = load->header.major < 6 ? VMFS_LVM_MAX_VOLUMES : 1;
    uint32_t n = CLAMP(load->header.n_volumes, 1, most);
    size_t len = (size_t) n * VMFS_LVM_VOLUME_BYTES;
    g_autofree uint8_t *raw = g_malloc(len);

    if (!vd_node_co_pread(load->device, lvm_byte(load, load->header.unit), raw,
                          len, error))
        return false;
    for (uint32_t i = 0; i < n; i++) {
        VmfsLvmVolume volume;

        vmfs_lvm_decode_volume(raw + (size_t) i * VMFS_LVM_VOLUME_BYTES,
                               &volume);
        if (volume.n_devices > 0 && !add_piece(load, &volume, pieces, error))
            return false;
    }
    return true;
}

bool
vmfs_lvm_co_load(VdNode *device, uint64_t start, GPtrArray *pieces,
                 GError **error)
{
    g_autoptr(GArray) entries = g_array_new(FALSE, FALSE, sizeof(VmfsLvmEntry));
    g_autoptr(GArray) tables = g_array_new(FALSE, FALSE, sizeof(VmfsLvmTables));
    Load load = {
        .device = device,
        .start = start,
        .entries = entries,
        .tables = tables,
    };

    return load_co_header(&load, error) && load_co_tables(&load, error) &&
           load_co_volumes(&load, pieces, error);
}
