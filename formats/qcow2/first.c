/* SPDX-License-Identifier: BSD-3-Clause */
/* formats/qcow2/first.c - rewriting the first cluster.
 *
 *   what is behind the first sector goes to places that the old header does
 *   not look at - barrier - the first sector, which looks at them - barrier
 *
 * Where that cannot be had (extensions beyond the first sector that change) the
 * old bytes stand in a file beside the image meanwhile (block/undo.h).
 *
 * Concurrency: no change of the image is in flight.
 */
#include "formats/qcow2/first.h"

#include "block/undo.h"

#define SECTOR 512u

Qcow2First
qcow2_first_of(const Qcow2State *s)
{
    return (Qcow2First){
        .hdr = s->hdr, .ext = s->ext, .backing_name = s->backing_name};
}

/* -- encoding -------------------------------------------------------------- */

static uint64_t
round_8(uint64_t n)
{
    return (n + 7) / 8 * 8;
}

/* Behind the extensions and, if it is near, out of the way. */
static uint64_t
place_of_name(uint64_t end, uint64_t len, uint64_t cluster, uint64_t avoid,
              uint64_t avoid_len)
{
    uint64_t behind = round_8(avoid + avoid_len);

    if (end + len > avoid && end < avoid + avoid_len && behind >= end &&
        behind + len <= cluster)
        return behind;
    return end;
}

uint8_t *
qcow2_first_encode(Qcow2First *first, uint64_t avoid, uint64_t avoid_len,
                   GError **error)
{
    Qcow2Header *hdr = &first->hdr;
    uint64_t cluster = qcow2_cluster_bytes(hdr);
    uint64_t name = first->backing_name ? strlen(first->backing_name) : 0;
    uint64_t end = hdr->header_bytes + qcow2_extensions_bytes(&first->ext);
    uint8_t head[QCOW2_HEADER_BYTES];
    uint8_t *raw;

    if (name > QCOW2_MAX_NAME)
        return vd_throw_null(error, VD_ERROR_LIMIT,
                             "the backing file's name has more than 1023 "
                             "bytes");
    if (end + name > cluster)
        return vd_throw_null(error, VD_ERROR_LIMIT,
                             "the names of other files do not fit into the "
                             "first cluster of %zu bytes",
                             (size_t) cluster);
    hdr->backing_off =
        name ? place_of_name(end, name, cluster, avoid, avoid_len) : 0;
    hdr->backing_len = (uint32_t) name;
    raw = g_malloc0(cluster);
    qcow2_header_encode(hdr, head);
    memcpy(raw, head, MIN(hdr->header_bytes, sizeof(head)));
    qcow2_extensions_encode(&first->ext, raw + hdr->header_bytes);
    if (name)
        memcpy(raw + hdr->backing_off, first->backing_name, name);
    return raw;
}

/* -- storing --------------------------------------------------------------- */

/* Does a reader of the old header look at byte @at? */
static bool
is_looked_at(const Qcow2State *s, uint64_t at)
{
    uint64_t end = s->hdr.header_bytes + qcow2_extensions_bytes(&s->ext);

    return at < end || (at >= s->hdr.backing_off &&
                        at < s->hdr.backing_off + s->hdr.backing_len);
}

static bool
is_in_the_way(const Qcow2State *s, const uint8_t *old, const uint8_t *raw)
{
    uint64_t cluster = qcow2_cluster_bytes(&s->hdr);

    for (uint64_t i = SECTOR; i < cluster; i++)
        if (old[i] != raw[i] && is_looked_at(s, i))
            return true;
    return false;
}

static bool
first_co_write_in_order(Qcow2State *s, const uint8_t *old, const uint8_t *raw,
                        GError **error)
{
    uint64_t cluster = qcow2_cluster_bytes(&s->hdr);

    for (uint64_t i = SECTOR; i < cluster; i += SECTOR)
        if (memcmp(old + i, raw + i, SECTOR) &&
            !vd_node_co_pwrite(s->file, i, raw + i, SECTOR, error))
            return false;
    return vd_node_co_flush(s->file, error) &&
           vd_node_co_pwrite(s->file, 0, raw, SECTOR, error) &&
           vd_node_co_flush(s->file, error);
}

static bool
first_co_write_undoable(Qcow2State *s, const uint8_t *raw, GError **error)
{
    VdUndo *undo = vd_undo_new(s->file);
    bool ok =
        vd_undo_co_write(undo, 0, raw, qcow2_cluster_bytes(&s->hdr), error) &&
        vd_undo_co_end(undo, error);

    if (!ok)
        (void) vd_undo_co_cancel(undo, NULL); /* the first failure counts */
    vd_undo_free(undo);
    return ok;
}

/* Fields of the header that we do not know stay. */
static void
keep_unknown(const Qcow2State *s, const Qcow2First *first, const uint8_t *old,
             uint8_t *raw)
{
    if (first->hdr.header_bytes == s->hdr.header_bytes &&
        s->hdr.header_bytes > QCOW2_HEADER_BYTES)
        memcpy(raw + QCOW2_HEADER_BYTES, old + QCOW2_HEADER_BYTES,
               s->hdr.header_bytes - QCOW2_HEADER_BYTES);
}

static bool
first_co_write(Qcow2State *s, const Qcow2First *first, uint8_t *raw,
               GError **error)
{
    uint64_t cluster = qcow2_cluster_bytes(&s->hdr);
    g_autofree uint8_t *old = g_malloc(cluster);
    struct iovec iov;
    VioVec dst = vio_vec_from_buf(&iov, old, cluster);

    if (!vd_node_co_preadv_eof(s->file, 0, &dst, error))
        return false;
    keep_unknown(s, first, old, raw);
    return is_in_the_way(s, old, raw)
               ? first_co_write_undoable(s, raw, error)
               : first_co_write_in_order(s, old, raw, error);
}

static void
replace_text(char **text, const char *other)
{
    char *copy = g_strdup(other);

    g_free(*text);
    *text = copy;
}

static void
take_over(Qcow2State *s, const Qcow2First *first)
{
    s->hdr = first->hdr;
    if (s->backing_name != first->backing_name)
        replace_text(&s->backing_name, first->backing_name);
    if (s->ext.backing_format != first->ext.backing_format)
        replace_text(&s->ext.backing_format, first->ext.backing_format);
    if (s->ext.data_file != first->ext.data_file)
        replace_text(&s->ext.data_file, first->ext.data_file);
    s->ext.has_bitmaps = first->ext.has_bitmaps;
    s->ext.n_bitmaps = first->ext.n_bitmaps;
    s->ext.bitmaps_bytes = first->ext.bitmaps_bytes;
    s->ext.bitmaps_off = first->ext.bitmaps_off;
}

bool
qcow2_co_store_first(Qcow2State *s, Qcow2First *first, bool only_check,
                     GError **error)
{
    g_autofree uint8_t *raw = qcow2_first_encode(first, s->hdr.backing_off,
                                                 s->hdr.backing_len, error);
    bool ok;

    if (!raw)
        return vd_prefix(error, "%s: ", vd_node_name(s->file));
    if (only_check)
        return true;
    vio_co_mutex_lock(&s->flush_lock);
    ok = first_co_write(s, first, raw, error);
    if (ok)
        take_over(s, first);
    vio_co_mutex_unlock(&s->flush_lock);
    return ok;
}
