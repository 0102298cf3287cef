/* SPDX-License-Identifier: BSD-3-Clause */
/* formats/qcow2/append.c - compressed clusters written: records, and requests
 * that want to be compressed.
 *
 *   encode (workers) - lock the clusters - places, in order - the next may have
 *   its own - data - entries - unlock
 *
 * A record is a compressed cluster, or, with a whole cluster's length, one that
 * does not shrink and is stored as it is.
 *
 * Concurrency: one loop; clusters are locked as for other writes.
 */
#include "formats/qcow2/qcow2.h"

#include "io/offload.h"

#include <inttypes.h>
#include <string.h>

/* What a request compresses at a time; one cluster at least. */
#define STEP_BYTES (UINT64_C(1) << 20)

const VdRecordFormat *
qcow2_record_format(VdNode *node)
{
    const Qcow2State *s = vd_node_state(node);

    /* There are no compressed clusters in data files. */
    return s->refcounts && !s->tables->external ? &s->records : NULL;
}

/* -- encoding -------------------------------------------------------------- */

static bool
qcow2_pack(const Qcow2State *s, const uint8_t *cluster, uint8_t *dst,
           size_t *dst_len, GError **error)
{
    size_t bytes = qcow2_cluster_bytes(&s->hdr), used = bytes - 1;

    if (!vd_codec_shrink(qcow2_codec(&s->hdr), s->level, cluster, bytes, dst,
                         &used, error))
        return false;
    if (!used)
        memcpy(dst, cluster, bytes);
    *dst_len = used ? used : bytes;
    return true;
}

/* The cluster that the disk's end cuts off goes on with zeroes. */
bool
qcow2_encode(VdNode *node, uint64_t off, const void *src, size_t len, void *dst,
             size_t *dst_len, GError **error)
{
    const Qcow2State *s = vd_node_state(node);
    size_t bytes = qcow2_cluster_bytes(&s->hdr);
    g_autofree uint8_t *padded = NULL;

    if (len == bytes)
        return qcow2_pack(s, src, dst, dst_len, error);
    padded = g_malloc0(bytes);
    memcpy(padded, src, len);
    return qcow2_pack(s, padded, dst, dst_len, error);
}

/* -- placing --------------------------------------------------------------- */

typedef struct {
    Qcow2State *s;
    const VdAppend *append;
    uint64_t *places; /* in the file; 0 = has none */
} Append;

static bool
is_plain(const Append *a, size_t i)
{
    return a->append->records[i].len == qcow2_cluster_bytes(&a->s->hdr);
}

static bool
append_co_place(Append *a, GError **error)
{
    bool ok = true;

    for (size_t i = 0; ok && i < a->append->n_records; i++)
        ok = is_plain(a, i)
                 ? qcow2_co_allocate_all(a->s->refcounts, 1, &a->places[i],
                                         error)
                 : qcow2_co_place_packed(a->s, a->append->records[i].len,
                                         &a->places[i], error);
    return ok;
}

/* Places from @i on. */
static void
append_give_up(Append *a, size_t i)
{
    for (; i < a->append->n_records; i++)
        if (a->places[i])
            qcow2_give_up_packed(a->s, a->places[i], a->append->records[i].len);
}

/* Records that came to lie behind one another go in one write. */
static bool
append_co_write(Append *a, GError **error)
{
    const VdAppend *append = a->append;
    size_t pos = 0, n = append->n_records;

    for (size_t i = 0, next; i < n; i = next) {
        size_t len = 0;
        VioVec part;

        for (next = i; next < n && a->places[next] == a->places[i] + len;)
            len += append->records[next++].len;
        part = vio_vec_slice(&append->bytes, pos, len);
        if (!vd_node_co_pwritev(a->s->file, a->places[i], &part, 0, error))
            return false;
        pos += len;
    }
    return true;
}

static bool
append_co_set(Append *a, size_t i, GError **error)
{
    const VdRecord *record = &a->append->records[i];
    Qcow2State *s = a->s;
    Qcow2Entry entry = {.word = a->places[i] | QCOW2_COPIED};

    if (!is_plain(a, i))
        entry.word = qcow2_packed_word(s, a->places[i], record->len);
    else if (s->tables->extended)
        entry.bitmap = UINT32_MAX;
    /* Another cluster may have had just this entry once. */
    qcow2_decoded_forget(s->decoded, entry.word);
    return qcow2_co_own_table(s, record->off, error) &&
           qcow2_co_replace(s, record->off, &entry, error);
}

static bool
append_co_set_all(Append *a, GError **error)
{
    for (size_t i = 0; i < a->append->n_records; i++)
        if (!append_co_set(a, i, error)) {
            append_give_up(a, i);
            return false;
        }
    return true;
}

static bool
append_co_locked(Append *a, GError **error)
{
    if (!append_co_place(a, error)) {
        append_give_up(a, 0);
        return false;
    }
    if (a->append->placed)
        a->append->placed(a->append->placed_arg);
    if (!append_co_write(a, error)) {
        append_give_up(a, 0);
        return false;
    }
    return append_co_set_all(a, error);
}

static bool
append_co_records(Qcow2State *s, const VdAppend *append, GError **error)
{
    const VdRecord *first = append->records;
    const VdRecord *last = first + append->n_records - 1;
    g_autofree uint64_t *places = g_new0(uint64_t, append->n_records);
    Append a = {.s = s, .append = append, .places = places};
    VioRange *range = vio_range_co_lock(
        s->allocating, first->off,
        last->off - first->off + qcow2_cluster_bytes(&s->hdr), true);
    bool ok = append_co_locked(&a, error);

    vio_range_unlock(s->allocating, range);
    return ok && qcow2_co_relieve(s, error);
}

/* At the end there is nothing to do: tables are written when they are flushed.
 */
bool
qcow2_co_append(VdNode *node, const VdAppend *append, GError **error)
{
    Qcow2State *s = vd_node_state(node);

    return append->n_records == 0 ||
           (qcow2_co_begin(s, error) && append_co_records(s, append, error));
}

/* -- requests -------------------------------------------------------------- */

typedef struct {
    Qcow2State *s;
    uint64_t off;
    const VioVec *src;
    uint8_t *in, *out; /* whole clusters */
    VdRecord *records;
    size_t n, out_len;
    GError *error;
} Step;

/* On a worker. */
static void
step_encode(void *opaque)
{
    Step *step = opaque;
    size_t bytes = qcow2_cluster_bytes(&step->s->hdr);

    vio_vec_copy_out(step->src, step->in);
    for (; step->n * bytes < step->src->len; step->n++) {
        size_t used = bytes;

        if (!qcow2_pack(step->s, step->in + step->n * bytes,
                        step->out + step->out_len, &used, &step->error))
            return;
        step->records[step->n] =
            (VdRecord){.off = step->off + step->n * bytes, .len = used};
        step->out_len += used;
    }
}

static bool
step_co_write(Qcow2State *s, uint64_t off, const VioVec *src, GError **error)
{
    size_t bytes = qcow2_cluster_bytes(&s->hdr);
    size_t room = (src->len + bytes - 1) / bytes * bytes;
    g_autofree uint8_t *in = g_malloc0(room), *out = g_malloc(room);
    g_autofree VdRecord *records = g_new(VdRecord, room / bytes);
    Step step = {.s = s,
                 .off = off,
                 .src = src,
                 .in = in,
                 .out = out,
                 .records = records};
    VdAppend append = {.records = records};
    struct iovec iov;

    vio_co_offload(vd_node_loop(s->node), step_encode, &step);
    if (step.error) {
        g_propagate_error(error, step.error);
        return false;
    }
    append.n_records = step.n;
    append.bytes = vio_vec_from_buf(&iov, out, step.out_len);
    return append_co_records(s, &append, error);
}

bool
qcow2_co_write_packed(Qcow2State *s, uint64_t off, const VioVec *src,
                      GError **error)
{
    uint64_t cluster = qcow2_cluster_bytes(&s->hdr), end = off + src->len;
    size_t most = (size_t) MAX(STEP_BYTES, cluster);
    bool ok = true;

    if (off % cluster || (end % cluster && end != s->hdr.size))
        return vd_throw(error, VD_ERROR_INVALID_ARGUMENT,
                        "%s: compressed writes are of whole clusters of "
                        "%" PRIu64 " bytes, not from %" PRIu64 " to %" PRIu64,
                        vd_node_name(s->node), cluster, off, end);
    for (size_t done = 0, n; ok && done < src->len; done += n) {
        VioVec part;

        n = MIN(src->len - done, most);
        part = vio_vec_slice(src, done, n);
        ok = step_co_write(s, off + done, &part, error);
    }
    return ok;
}
