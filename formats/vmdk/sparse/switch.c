/* SPDX-License-Identifier: BSD-3-Clause */
/* formats/vmdk/sparse/switch.c - changes that take effect with one sector.
 *
 * Whatever has to change together is first written behind the end of the file;
 * the header, one sector, then says that it is there.
 *
 * Concurrency: under flush_lock.
 */
#include "formats/vmdk/sparse/relayout.h"

#include <string.h>

static bool
switch_co_write(VmdkExtent *e, const uint8_t *raw, GError **error)
{
    return vd_node_co_flush(e->file, error) &&
           vd_node_co_pwrite(e->file, 0, raw, VMDK_HEADER_BYTES, error) &&
           vd_node_co_flush(e->file, error);
}

/* After a failure nobody knows which one is on the disk.  Either is right now,
 * but would not stay so. */
static void
switch_co_restore(VmdkExtent *e)
{
    VmdkSparse *sp = e->sparse;

    if (switch_co_write(e, sp->raw, NULL))
        return;
    sp->header_unknown = true;
    sp->marked = false;
}

/* Where the descriptor is, is not our business here. */
static void
note_in_state(VmdkState *s, const VmdkHeader *hdr)
{
    uint64_t sector = s->header.desc_sector, n = s->header.desc_sectors;

    s->header = *hdr;
    s->header.desc_sector = sector;
    s->header.desc_sectors = n;
}

bool
vmdk_sparse_co_switch_header(VmdkExtent *e, const VmdkHeader *hdr,
                             GError **error)
{
    VmdkSparse *sp = e->sparse;
    uint8_t raw[VMDK_HEADER_BYTES];

    memcpy(raw, sp->raw, sizeof(raw));
    sp->kind->patch(hdr, raw);
    if (!switch_co_write(e, raw, error)) {
        switch_co_restore(e);
        return false;
    }
    memcpy(sp->raw, raw, sizeof(raw));
    sp->hdr = *hdr;
    if (e->file == e->state->file)
        note_in_state(e->state, hdr);
    return true;
}

bool
vmdk_sparse_co_reserve_end(VmdkExtent *e, uint64_t bytes, uint64_t *place,
                           GError **error)
{
    VmdkSparse *sp = e->sparse;
    uint64_t next = sp->next;
    VmdkPlace got;

    bytes = (bytes + sp->place_unit - 1) & ~(sp->place_unit - 1);
    if (!vmdk_sparse_reserve_new(e, bytes, &got, error))
        return false;
    if (!vd_node_co_truncate(e->file, sp->next, VD_PREALLOC_OFF, error)) {
        sp->next = next; /* nothing has been written there */
        return false;
    }
    *place = got.off;
    return true;
}

bool
vmdk_sparse_co_cut_end(VmdkExtent *e, uint64_t size, uint64_t next,
                       GError **error)
{
    VmdkSparse *sp = e->sparse;

    /* What the header may point to is not taken away. */
    if (sp->header_unknown)
        return true;
    if (vd_node_size(e->file) > size &&
        !vd_node_co_truncate(e->file, size, VD_PREALLOC_OFF, error))
        return false;
    sp->next = next;
    return true;
}
