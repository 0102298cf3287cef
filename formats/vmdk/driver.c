/* SPDX-License-Identifier: BSD-3-Clause */
/* formats/vmdk/driver.c - format driver "vmdk".
 *
 * Requests find their extents here; the rest is theirs (extent.h).  Nearly
 * always a request lies within one extent.
 *
 * Options: extents.N.* and file.* (children; what extents.N.filename names is
 * read in the place of line N's file, of a raw device mapping too);
 * parent=PATH, parent-dirs=DIR[:DIR...]; keep-cbt=on: rather refuse writes than
 * end change tracking; force-dirty=on: read seSparse extents as their tables
 * are, whose journal nobody has replayed; recover=on: read streamOptimized
 * files from record to record, without their tables; in-order=on: the same,
 * while the rest of the file is coming from a server that sends it as a whole;
 * compress_level=N of a new stream that is opened to be filled.
 *
 * Concurrency: requests overlap freely; what they must not do at the same time
 * is the extents' business.
 */
#include "formats/vmdk/driver.h"
#include "formats/vmdk/compact.h"
#include "formats/vmdk/chain/chain.h"
#include "formats/vmdk/resize/resize.h"
#include "formats/vmdk/sesparse/header.h"
#include "formats/vmdk/sparse/sparse.h"
#include "formats/vmdk/stream/repair.h"

#include <string.h>

#define PROBE_SURE 100

static int
vmdk_probe(const uint8_t *head, size_t len, uint64_t size, const char *filename)
{
    if (len >= 4 && (!memcmp(head, "KDMV", 4) || !memcmp(head, "COWD", 4)))
        return PROBE_SURE;
    if (vmdk_se_header_is_magic(head, len))
        return PROBE_SURE;
    if (len >= VMDK_HEADER_BYTES && vmdk_header_is_unfinished(head))
        return PROBE_SURE;
    return vmdk_descriptor_probe((const char *) head, len);
}

/* -- reading
 * -------------------------------------------------------------------- */

static bool
refuse_unopened(const VmdkExtent *e, GError **error)
{
    return vd_throw(error, VD_ERROR_NOT_FOUND,
                    "%s: the extent at byte %" G_GUINT64_FORMAT
                    " was not opened",
                    vd_node_name(e->state->node), e->start);
}

static bool
refuse_append_only(const VmdkState *s, const char *what, GError **error)
{
    return vd_throw(error, VD_ERROR_NOT_SUPPORTED,
                    "%s: a streamOptimized image that is being written cannot "
                    "be %s",
                    vd_node_name(s->node), what);
}

static bool
vmdk_co_map(VdNode *node, uint64_t off, uint64_t len, unsigned want, VdRun *run,
            GError **error)
{
    VmdkState *s = vd_node_state(node);
    VmdkExtent *e = s->extents;
    uint64_t inner;

    if (G_UNLIKELY(s->n_extents != 1)) {
        if (!s->n_extents)
            return refuse_append_only(s, "read", error);
        e = vmdk_extent_at(s, off);
    }
    if (G_UNLIKELY(!e->ops))
        return refuse_unopened(e, error);
    inner = off - e->start;
    return e->ops->co_map(e, inner, MIN(len, e->len - inner), run, error);
}

static bool
vmdk_co_decode(VdNode *node, uint64_t off, const VdRun *run, const VioVec *dst,
               GError **error)
{
    VmdkExtent *e = vmdk_extent_at(vd_node_state(node), off);

    return e->ops->co_decode(e, off - e->start, run, dst, error);
}

/* -- writing
 * --------------------------------------------------------------------- */

static bool
refuse_access(const VmdkExtent *e, GError **error)
{
    return vd_throw(error, VD_ERROR_READ_ONLY,
                    "%s: bytes %" G_GUINT64_FORMAT " to %" G_GUINT64_FORMAT
                    " are marked %s in the descriptor",
                    vd_node_name(e->state->node), e->start,
                    e->start + e->len - 1, vmdk_access_name(e->access));
}

/* The part of [off, off + len) that lies in the first extent it touches; NULL
 * if that may not be changed. */
static VmdkExtent *
extent_for_change(VmdkState *s, uint64_t off, uint64_t *len, GError **error)
{
    VmdkExtent *e;

    if (!s->n_extents) {
        refuse_append_only(s, "written at random", error);
        return NULL;
    }
    e = vmdk_extent_at(s, off);
    *len = MIN(*len, e->start + e->len - off);
    if (e->access != VMDK_ACCESS_RW) {
        refuse_access(e, error);
        return NULL;
    }
    if (!e->ops || !e->ops->co_write) {
        refuse_unopened(e, error);
        return NULL;
    }
    return e;
}

static bool
vmdk_co_pwritev(VdNode *node, uint64_t off, const VioVec *src, VdReqFlags flags,
                GError **error)
{
    VmdkState *s = vd_node_state(node);

    for (size_t done = 0; done < src->len;) {
        uint64_t len = src->len - done;
        VmdkExtent *e = extent_for_change(s, off + done, &len, error);
        VioVec part;

        if (!e || !vmdk_co_note_change(s, error))
            return false;
        part = vio_vec_slice(src, done, (size_t) len);
        if (!e->ops->co_write(e, off + done - e->start, &part, error))
            return false;
        done += part.len;
    }
    return true;
}

static bool
vmdk_co_write_zeroes(VdNode *node, uint64_t off, uint64_t len, VdReqFlags flags,
                     GError **error)
{
    VmdkState *s = vd_node_state(node);

    while (len) {
        uint64_t part = len;
        VmdkExtent *e = extent_for_change(s, off, &part, error);

        if (!e || !vmdk_co_note_change(s, error) ||
            !e->ops->co_write_zeroes(e, off - e->start, part, flags, error))
            return false;
        off += part;
        len -= part;
    }
    return true;
}

/* Only advice: what may not be changed stays as it is. */
static bool
vmdk_co_discard(VdNode *node, uint64_t off, uint64_t len, GError **error)
{
    VmdkState *s = vd_node_state(node);

    while (len) {
        uint64_t part = len;
        VmdkExtent *e = extent_for_change(s, off, &part, NULL);

        if (e && (!vmdk_co_note_change(s, error) ||
                  !e->ops->co_discard(e, off - e->start, part, error)))
            return false;
        if (!s->n_extents)
            return true;
        off += part;
        len -= part;
    }
    return true;
}

static bool
vmdk_co_uncover(VdNode *node, uint64_t off, uint64_t len, uint64_t *bytes,
                GError **error)
{
    VmdkState *s = vd_node_state(node);

    while (len) {
        uint64_t part = len;
        VmdkExtent *e = extent_for_change(s, off, &part, NULL);

        if (e && e->ops->co_uncover &&
            !e->ops->co_uncover(e, off - e->start, part, bytes, error))
            return false;
        if (!s->n_extents)
            return true;
        off += part;
        len -= part;
    }
    return true;
}

/* -- write-back
 * --------------------------------------------------------------------- */

static bool
vmdk_co_flush_to_os(VdNode *node, GError **error)
{
    VmdkState *s = vd_node_state(node);

    for (unsigned i = 0; i < s->n_extents; i++) {
        VmdkExtent *e = &s->extents[i];

        if (e->ops && e->ops->co_flush && !e->ops->co_flush(e, error))
            return false;
    }
    return true;
}

/* A stream that nobody has ended gets its end here; after a failure it stays
 * recognisably unfinished. */
static bool
vmdk_co_finish_stream(VmdkState *s, GError **error)
{
    VdAppend end = {0};

    return s->stream_ended || s->stream_failed ||
           vmdk_stream_co_append(s->writer, &end, error);
}

static bool
vmdk_co_finish(VdNode *node, GError **error)
{
    VmdkState *s = vd_node_state(node);
    bool ok = true;

    if (s->writer)
        return vmdk_co_finish_stream(s, error);
    for (unsigned i = 0; i < s->n_extents; i++) {
        VmdkExtent *e = &s->extents[i];

        /* All get their chance; the first failure is told. */
        if (e->ops && e->ops->co_finish &&
            !e->ops->co_finish(e, ok ? error : NULL))
            ok = false;
    }
    return ok;
}

/* -- streams
 * ---------------------------------------------------------------------------
 */

static bool
vmdk_encode(VdNode *node, uint64_t off, const void *src, size_t len, void *dst,
            size_t *dst_len, GError **error)
{
    const VmdkState *s = vd_node_state(node);

    return vmdk_stream_encode(off, src, len, s->level, dst, dst_len, error);
}

static bool
vmdk_co_append(VdNode *node, const VdAppend *append, GError **error)
{
    VmdkState *s = vd_node_state(node);

    if (!s->writer)
        return vd_throw(error, VD_ERROR_NOT_SUPPORTED,
                        "%s: only new streamOptimized images take compressed "
                        "grains",
                        vd_node_name(node));
    if (!vmdk_stream_co_append(s->writer, append, error)) {
        s->stream_failed = true;
        return false;
    }
    s->stream_ended |= !append->n_records;
    return true;
}

/* Both the new stream and the one that is read: 64 KiB to a zlib stream behind
 * its place in the disk. */
static const VdRecordFormat *
vmdk_record_format(VdNode *node)
{
    const VmdkState *s = vd_node_state(node);
    const VmdkHeader *hdr;

    if (s->writer)
        hdr = &s->header;
    else if (s->n_extents == 1 && s->extents[0].ops == &vmdk_stream_ops)
        hdr = &s->extents[0].sparse->hdr;
    else
        return NULL;
    return (hdr->flags & VMDK_FLAG_MARKERS) &&
                   hdr->grain_sectors == VMDK_GRAIN_SECTORS
               ? &vmdk_stream_records
               : NULL;
}

static bool
vmdk_co_read_record(VdNode *node, uint64_t off, const VdRun *run, void *dst,
                    size_t *dst_len, GError **error)
{
    const VmdkState *s = vd_node_state(node);
    const VmdkSparse *sp = s->extents[0].sparse;

    return vmdk_stream_co_read_record(sp->reader, run->child_off,
                                      off >> sp->grain_shift, dst, dst_len,
                                      error);
}

static bool
vmdk_co_check_alone(VdNode *node, const VdCheckParams *params,
                    VdCheckResult *result, GError **error)
{
    VmdkState *s = vd_node_state(node);
    bool ok;

    vio_co_mutex_lock(&s->job_lock);
    ok = vmdk_co_check(node, params, result, error);
    vio_co_mutex_unlock(&s->job_lock);
    return ok;
}

const VdDriver vd_vmdk_driver = {
    VD_DRIVER_HEADER,
    .name = "vmdk",
    .kind = VD_DRIVER_FORMAT,
    .caps = VD_CAP_HAS_PARENT | VD_CAP_ENCODE,
    .state_size = sizeof(VmdkState),
    .create_options = vmdk_create_options,
    .probe = vmdk_probe,
    .co_open = vmdk_co_open,
    .co_finish = vmdk_co_finish,
    .co_close = vmdk_co_close,
    .co_create = vmdk_co_create,
    .co_map = vmdk_co_map,
    .co_decode = vmdk_co_decode,
    .co_pwritev = vmdk_co_pwritev,
    .co_write_zeroes = vmdk_co_write_zeroes,
    .co_discard = vmdk_co_discard,
    .co_flush_to_os = vmdk_co_flush_to_os,
    .co_resize = vmdk_co_resize,
    .record_format = vmdk_record_format,
    .encode = vmdk_encode,
    .co_append = vmdk_co_append,
    .co_read_record = vmdk_co_read_record,
    .decode_record = vmdk_stream_decode,
    .get_info = vmdk_get_info,
    .describe = vmdk_describe,
    .get_meta = vmdk_get_meta,
    .list_meta = vmdk_list_meta,
    .co_set_meta = vmdk_co_set_meta,
    .amend_options = vmdk_amend_options,
    .co_amend = vmdk_co_amend,
    .co_keep_meta = vmdk_co_keep_meta,
    .co_measure = vmdk_co_measure,
    .list_files = vmdk_list_files,
    .co_rename = vmdk_co_rename,
    .co_check = vmdk_co_check_alone,
    .co_unlink = vmdk_co_unlink,
    .co_repair_stream = vmdk_stream_co_repair,
    .co_rebuild = vmdk_co_rebuild,
    .co_compact = vmdk_co_compact,
    .co_chain_begin = vmdk_co_chain_begin,
    .co_chain_end = vmdk_co_chain_end,
    .co_set_parent = vmdk_co_set_parent,
    .co_make_empty = vmdk_co_make_empty,
    .co_uncover = vmdk_co_uncover,
    .co_find_children = vmdk_co_find_children,
    .locate_parent = vmdk_locate_parent,
};
