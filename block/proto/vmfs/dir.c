/* SPDX-License-Identifier: BSD-3-Clause */
/* block/proto/vmfs/dir.c - entries of directories.
 *
 * Those of VMFS 3 and 5 are arrays.
 *
 * Concurrency: no state.
 */
#include "block/proto/vmfs/dir.h"

#include <inttypes.h>
#include <string.h>

#include "block/error.h"
#include "block/proto/vmfs/mapping.h"
#include "io/bytes.h"

#define V5_NAME 12
#define V5_NAME_BYTES 128
#define V5_AT_ONCE 448u /* entries */
#define MAX_BYTES (UINT64_C(64) << 20)

bool
vmfs_dir_decode_v5(const uint8_t raw[VMFS_DIR_V5_ENTRY_BYTES],
                   VmfsDirEntry *entry)
{
    *entry = (VmfsDirEntry){
        .type = vio_get_le32(raw),
        .address = vio_get_le32(raw + 4),
    };
    memcpy(entry->name, raw + V5_NAME, V5_NAME_BYTES);
    return entry->address != 0 && entry->name[0];
}

static bool
read_co_v5(VmfsFs *fs, const VmfsFd *dir, VmfsDirFunc fn, void *arg,
           GError **error)
{
    const size_t chunk = V5_AT_ONCE * VMFS_DIR_V5_ENTRY_BYTES;
    g_autofree uint8_t *raw = g_malloc(chunk);

    for (uint64_t off = 0; off < dir->len; off += chunk) {
        size_t n = (size_t) MIN(chunk, dir->len - off);

        if (!vmfs_file_co_read(fs, dir, off, raw, n, error))
            return false;
        for (size_t at = 0; at + VMFS_DIR_V5_ENTRY_BYTES <= n;
             at += VMFS_DIR_V5_ENTRY_BYTES) {
            VmfsDirEntry entry;

            if (vmfs_dir_decode_v5(raw + at, &entry) && !fn(&entry, arg))
                return true;
        }
    }
    return true;
}

bool
vmfs_dir_co_read(VmfsFs *fs, const VmfsFd *dir, VmfsDirFunc fn, void *arg,
                 GError **error)
{
    if (dir->type != VMFS_TYPE_DIRECTORY)
        return vd_throw(error, VD_ERROR_INVALID_ARGUMENT, "no directory");
    if (dir->len > MAX_BYTES)
        return vd_throw(error, VD_ERROR_LIMIT,
                        "descriptor 0x%08" PRIx32 ": a directory of %" PRIu64
                        " bytes, at most %" PRIu64,
                        dir->address, dir->len, MAX_BYTES);
    return fs->info.layout.v6 ? vmfs_dir_co_read_v6(fs, dir, fn, arg, error)
                              : read_co_v5(fs, dir, fn, arg, error);
}
