/* SPDX-License-Identifier: BSD-3-Clause */
/* formats/vmdk/sparse/cowd.c - what is special about a COWD extent at work.
 *
 * Its header names the first free sector of the file, and others that write
 * the extent rely on it: were it behind, they would put a grain where one is.
 * So it runs ahead of the entries:
 *
 *   data, free sector - barrier - tables [ - barrier - directory ]
 *
 * A crash in between leaves it too high, which loses space.
 *
 * Concurrency: under flush_lock.
 */
#include "formats/vmdk/bytes.h"
#include "formats/vmdk/sparse/sparse.h"

static bool
cowd_co_note_end(VmdkExtent *e, GError **error)
{
    VmdkSparse *sp = e->sparse;
    uint32_t free_sector = (uint32_t) (sp->next / VMDK_SECTOR);

    if (!sp->next || free_sector == sp->hdr.free_sector)
        return true;
    vmdk_put32(sp->raw + VMDK_COWD_FREE_BYTE, free_sector);
    if (!vmdk_sparse_co_store_header(e, VMDK_COWD_FREE_BYTE, error))
        return vd_prefix(
            error, "%s: moving the first free sector: ", vd_node_name(e->file));
    sp->hdr.free_sector = free_sector;
    return true;
}

const VmdkSparseKind vmdk_cowd_kind = {
    .header_bytes = VMDK_COWD_HEADER_BYTES,
    .decode = vmdk_cowd_decode,
    .unclean_byte = VMDK_COWD_UNCLEAN_BYTE,
    .unclean_len = sizeof(uint32_t),
    .co_note_end = cowd_co_note_end,
};
