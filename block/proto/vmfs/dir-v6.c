/* SPDX-License-Identifier: BSD-3-Clause */
/* block/proto/vmfs/dir-v6.c - entries of directories of VMFS 6.
 *
 * Behind a header of 64 KiB there are blocks; which of them hold entries stands
 * in blocks that the header names, four bits for each.  Blocks that were never
 * written may hold anything, so only these tell.  There are hashes, too, which
 * nobody needs who reads all of it.
 *
 * Concurrency: no state.
 */
#include "block/proto/vmfs/dir.h"

#include <inttypes.h>
#include <string.h>

#include "block/error.h"
#include "block/proto/vmfs/mapping.h"
#include "io/bytes.h"

#define HEADER_BYTES 0x10000u
#define HEAD_BYTES 0x210u /* of the header, what we look at */
#define VERSION 0xf50001u
#define VERSION_DEBUG 0xfdc001u
#define MAX_MAPS 128u

#define BLOCK_HEAD 64u
#define BLOCK_BITMAP 8
#define KIND_ENTRIES 1
#define KIND_MAP 3
#define STATE_KIND 3 /* bits of what a map says of a block */
#define STATE_NOT_WRITTEN 8

/* Read with one request. */
#define WINDOW_BYTES 65536u

typedef struct {
    VmfsFs *fs;
    const VmfsFd *dir;
    VmfsDirFunc fn;
    void *arg;
    bool enough;     /* fn has said so */
    uint32_t unit;   /* bytes of a block */
    uint8_t *map;    /* a block of states */
    uint8_t *window; /* bytes from window_off on */
    uint64_t window_off;
} Scan;

static bool
throw_dir(const Scan *s, GError **error, const char *what, uint64_t value)
{
    return vd_throw(error, VD_ERROR_CORRUPT,
                    "descriptor 0x%08" PRIx32 ": its directory has %s %" PRIu64
                    ", which cannot be right",
                    s->dir->address, what, value);
}

bool
vmfs_dir_decode_v6(const uint8_t raw[VMFS_DIR_V6_ENTRY_BYTES],
                   VmfsDirEntry *entry)
{
    *entry = (VmfsDirEntry){
        .type = vio_get_le32(raw),
        .address = vio_get_le32(raw + 4),
    };
    memcpy(entry->name, raw + 24, VMFS_NAME_BYTES);
    return entry->address != 0 && entry->name[0];
}

/* A bit that is set belongs to a free slot. */
static bool
scan_entries(Scan *s, const uint8_t *block, GError **error)
{
    unsigned slots = vio_get_le16(block + 4);
    const uint8_t *bitmap = block + BLOCK_BITMAP;

    if (vio_get_le16(block + 2) != KIND_ENTRIES)
        return throw_dir(s, error, "a block of kind", vio_get_le16(block + 2));
    if (slots > (s->unit - BLOCK_HEAD) / VMFS_DIR_V6_ENTRY_BYTES)
        return throw_dir(s, error, "a number of slots", slots);
    for (unsigned i = 0; i < slots && !s->enough; i++) {
        const uint8_t *raw =
            block + BLOCK_HEAD + (size_t) i * VMFS_DIR_V6_ENTRY_BYTES;
        VmfsDirEntry entry;

        if (!(bitmap[i / 8] >> i % 8 & 1) && vmfs_dir_decode_v6(raw, &entry))
            s->enough = !s->fn(&entry, s->arg);
    }
    return true;
}

static bool
scan_co_block(Scan *s, uint64_t index, GError **error)
{
    uint64_t off = HEADER_BYTES + index * s->unit;
    uint64_t start = off - off % WINDOW_BYTES;

    if (off >= s->dir->len)
        return throw_dir(s, error, "no block", index);
    if (s->window_off != start) {
        s->window_off = 0;
        if (!vmfs_file_co_read(s->fs, s->dir, start, s->window, WINDOW_BYTES,
                               error))
            return false;
        s->window_off = start;
    }
    return scan_entries(s, s->window + (off - start), error);
}

/* @first: the block that its first four bits are about. */
static bool
scan_co_map(Scan *s, uint64_t first, GError **error)
{
    const uint8_t *states = s->map + BLOCK_HEAD;
    uint64_t blocks = (s->dir->len - HEADER_BYTES) / s->unit;

    if (vio_get_le16(s->map + 2) != KIND_MAP)
        return throw_dir(s, error, "a map of kind", vio_get_le16(s->map + 2));
    for (uint32_t i = 0; i < 2 * (s->unit - BLOCK_HEAD); i++) {
        unsigned state = i % 2 ? states[i / 2] & 0xf : states[i / 2] >> 4;

        if (s->enough || first + i >= blocks)
            break;
        if ((state & STATE_KIND) == KIND_ENTRIES &&
            !(state & STATE_NOT_WRITTEN) && !scan_co_block(s, first + i, error))
            return false;
    }
    return true;
}

static bool
scan_co_maps(Scan *s, GError **error)
{
    uint8_t head[HEAD_BYTES];
    uint32_t version, n_maps;

    if (s->dir->len < HEADER_BYTES)
        return throw_dir(s, error, "a length", s->dir->len);
    if (!vmfs_file_co_read(s->fs, s->dir, 0, head, sizeof(head), error))
        return false;
    version = vio_get_le32(head);
    n_maps = vio_get_le32(head + 0xc);
    if (version != VERSION && version != VERSION_DEBUG)
        return throw_dir(s, error, "version", version);
    if (n_maps > MAX_MAPS)
        return throw_dir(s, error, "a number of maps", n_maps);
    for (uint32_t i = 0; i < n_maps && !s->enough; i++) {
        uint64_t index = vio_get_le32(head + 0x10 + (size_t) i * 4);

        if (!vmfs_file_co_read(s->fs, s->dir, HEADER_BYTES + index * s->unit,
                               s->map, s->unit, error) ||
            !scan_co_map(s, (uint64_t) i * 2 * (s->unit - BLOCK_HEAD), error))
            return false;
    }
    return true;
}

bool
vmfs_dir_co_read_v6(VmfsFs *fs, const VmfsFd *dir, VmfsDirFunc fn, void *arg,
                    GError **error)
{
    uint32_t unit = fs->info.layout.unit;
    g_autofree uint8_t *map = g_malloc(unit);
    g_autofree uint8_t *window = g_malloc(WINDOW_BYTES);
    Scan s = {
        .fs = fs,
        .dir = dir,
        .fn = fn,
        .arg = arg,
        .unit = unit,
        .map = map,
        .window = window,
    };

    return scan_co_maps(&s, error);
}
