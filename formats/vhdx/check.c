/* SPDX-License-Identifier: BSD-3-Clause */
/* formats/vhdx/check.c - is a VHDX image what it says?
 *
 * Mended is what there is twice: headers and region table.  A log is replayed
 * by opening for writing.
 *
 * Concurrency: yields for pages of the table, and to mend.
 */
#include "formats/blocks/compact.h"
#include "formats/vhdx/vhdx.h"

/* -- copies ---------------------------------------------------------------- */

static bool
headers_co_mend(VhdxState *s, GError **error)
{
    VhdxHeader hdr = s->headers.now;

    vd_uuid_new(hdr.file_write);
    return vhdx_headers_co_store(&s->headers, s->file, &hdr, error);
}

static bool
regions_co_mend(VhdxState *s, unsigned bad, GError **error)
{
    g_autofree uint8_t *raw = g_malloc(VHDX_REGION_TABLE_BYTES);

    if (!vhdx_co_read(s, VHDX_REGION_TABLE_AT(!bad), raw,
                      VHDX_REGION_TABLE_BYTES, error) ||
        !vd_node_co_pwrite(s->file, VHDX_REGION_TABLE_AT(bad), raw,
                           VHDX_REGION_TABLE_BYTES, error) ||
        !vd_node_co_flush(s->file, error))
        return false;
    s->regions.sound[bad] = true;
    return true;
}

static bool
copies_co_mend(VhdxState *s, VdCheckResult *result, GError **error)
{
    if (!s->headers.sound[0] || !s->headers.sound[1]) {
        if (!headers_co_mend(s, error))
            return false;
        result->corruptions_fixed++;
    }
    for (unsigned i = 0; i < 2; i++) {
        if (s->regions.sound[i])
            continue;
        if (!regions_co_mend(s, i, error))
            return false;
        result->corruptions_fixed++;
    }
    return true;
}

/* Headers are written under that lock. */
static bool
check_co_mend(VhdxState *s, VdCheckResult *result, GError **error)
{
    bool ok;

    result->corruptions_fixed += s->replayed;
    s->replayed = false;
    vio_co_mutex_lock(&s->blocks->flush_lock);
    ok = copies_co_mend(s, result, error);
    vio_co_mutex_unlock(&s->blocks->flush_lock);
    return ok;
}

static void
check_copies(const VhdxState *s, VdCheckResult *result)
{
    const char *name = vd_node_name(s->file);

    for (unsigned i = 0; i < 2; i++) {
        if (!s->headers.sound[i])
            vd_finding_add(result, VD_FINDING_CORRUPTION, name,
                           VHDX_HEADER_AT(i),
                           "this header is damaged; the other one is not");
        if (!s->regions.sound[i])
            vd_finding_add(result, VD_FINDING_CORRUPTION, name,
                           VHDX_REGION_TABLE_AT(i),
                           "this region table is damaged; the other one is "
                           "not");
    }
    if (s->replay.patches)
        vd_finding_add(result, VD_FINDING_NOTE, name, s->headers.now.log_off,
                       "the log holds changes that have not reached their "
                       "places; opening for writing (or -r all) replays it");
}

/* -- sector bitmaps -------------------------------------------------------- */

static bool
is_place(const VhdxState *s, uint64_t value)
{
    uint64_t off = value & VHDX_PLACE_MASK;

    return off >= VHDX_MIB &&
           off < vd_pages_file_bytes(&s->blocks->spec.table, s->file) &&
           !vhdx_regions_touch(&s->regions, off, VHDX_MIB);
}

/* Of [first, end): is one partly present? */
static bool
chunk_co_has_partly(const VhdxState *s, uint64_t first, uint64_t end,
                    bool *partly, GError **error)
{
    *partly = false;
    for (uint64_t i = first; i < end && !*partly; i++) {
        uint64_t value = 0;

        if (!vd_pages_co_get(s->blocks->pages, vd_blocks_entry_of(s->blocks, i),
                             &value, error))
            return false;
        *partly = (value & VHDX_STATE_MASK) == VHDX_PARTLY_PRESENT;
    }
    return true;
}

static bool
check_co_bitmap(const VhdxState *s, uint64_t chunk, VdCheckResult *result,
                GError **error)
{
    const VdPagesLayout *table = &s->blocks->spec.table;
    uint64_t ratio = s->blocks->spec.interleave, value = 0, state;
    uint64_t entry = chunk * (ratio + 1) + ratio;
    bool partly;

    if (!vd_pages_co_get(s->blocks->pages, entry, &value, error) ||
        !chunk_co_has_partly(s, chunk * ratio,
                             MIN((chunk + 1) * ratio, s->blocks->n), &partly,
                             error))
        return false;
    state = value & VHDX_STATE_MASK;
    if ((state == VHDX_PRESENT && is_place(s, value)) ||
        (state == VHDX_NOT_PRESENT && !partly))
        return true;
    vd_finding_add(result, VD_FINDING_CORRUPTION, vd_node_name(s->file),
                   table->off + entry * table->entry_bytes,
                   "the entry of sector bitmap %" G_GUINT64_FORMAT
                   " names no place in the file%s",
                   chunk, partly ? ", though a block needs it" : "");
    return true;
}

static bool
check_co_bitmaps(const VhdxState *s, VdCheckResult *result, GError **error)
{
    uint64_t ratio = s->blocks->spec.interleave;

    for (uint64_t i = 0; s->meta.has_parent && i * ratio < s->blocks->n; i++)
        if (!check_co_bitmap(s, i, result, error))
            return false;
    return true;
}

bool
vhdx_co_compact(VdNode *node, const VdCompactParams *params,
                VdCompactResult *result, GError **error)
{
    VhdxState *s = vd_node_state(node);

    return vd_blocks_co_compact(s->blocks, params, !s->meta.leave_allocated,
                                result, error);
}

/* -- all of it ------------------------------------------------------------- */

bool
vhdx_co_check(VdNode *node, const VdCheckParams *params, VdCheckResult *result,
              GError **error)
{
    VhdxState *s = vd_node_state(node);
    VdBlocksSurvey survey = {0};

    if (!vd_blocks_check_params(node, params, error) ||
        !vd_blocks_co_flush(s->blocks, error) ||
        (params->repair & VD_REPAIR_ALL && !check_co_mend(s, result, error)))
        return false;
    if (params->repair &&
        !vd_blocks_co_mend_leaks(s->blocks, &result->leaks_fixed, error))
        return false;
    check_copies(s, result);
    if (!vd_blocks_co_survey(s->blocks, &survey, result, error) ||
        !check_co_bitmaps(s, result, error))
        return false;
    if (!s->meta.has_parent)
        result->leaks += survey.leaked;
    vd_blocks_fill_result(s->blocks, &survey, result);
    return true;
}
