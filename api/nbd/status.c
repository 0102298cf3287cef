/* SPDX-License-Identifier: BSD-3-Clause */
/* api/nbd/status.c - block status: the map, the depth, what has changed.
 *
 * An answer may be shorter than the request, so the work that one asks for has
 * a bound: so many extents, so many look-ups.
 *
 * Concurrency: the coroutine of the request.
 */
#include "api/nbd/server.h"

#include "io/bytes.h"

#define STATUS_EXTENTS (1u << 16)
#define STATUS_LOOKUPS (1u << 17)
#define STATUS_BREATH 256u     /* look-ups, then others have their turn */
#define STATUS_BITS (1u << 16) /* of a bitmap at a time */

/* An answer as it goes over the wire, but for the extent that may still grow.
 */
typedef struct {
    const NbdJob *job;
    GByteArray *bytes;
    uint64_t off; /* behind the last extent */
    uint64_t end;
    uint64_t len, status; /* the last extent; len 0 = there is none */
    unsigned n, max;      /* extents, with the last */
    unsigned lookups;
} Status;

static void
status_put_last(Status *s)
{
    bool extended = s->job->client->headers == NBD_HEADERS_EXTENDED;
    uint8_t raw[16];

    if (extended) {
        vio_put_be64(raw, s->len);
        vio_put_be64(raw + 8, s->status);
    } else {
        vio_put_be32(raw, (uint32_t) s->len);
        vio_put_be32(raw + 4, (uint32_t) s->status);
    }
    g_byte_array_append(s->bytes, raw, extended ? 16 : 8);
}

/* False: it would be one extent too many. */
static bool
status_add(Status *s, uint64_t len, uint64_t status)
{
    if (s->n > 0 && s->status == status) {
        s->len += len;
        s->off += len;
        return true;
    }
    if (s->n == s->max)
        return false;
    if (s->n > 0)
        status_put_last(s);
    s->n++;
    s->len = len;
    s->status = status;
    s->off += len;
    return true;
}

static bool
status_co_may_go_on(Status *s)
{
    if (s->off >= s->end || s->lookups >= STATUS_LOOKUPS)
        return false;
    if (++s->lookups % STATUS_BREATH == 0)
        vio_co_reschedule();
    return true;
}

/* -- the kinds ------------------------------------------------------------- */

static VdNode *
status_node(const Status *s)
{
    return s->job->client->export->disk->node;
}

/* What nobody knows (a parent that was not opened) is told as data. */
static uint64_t
allocation_of(const VdMapEntry *entry)
{
    uint64_t status = 0;

    if ((entry->flags & (VD_MAP_DATA | VD_MAP_ZERO)) == VD_MAP_ZERO)
        status |= NBD_STATE_HOLE;
    if (entry->flags & VD_MAP_ZERO)
        status |= NBD_STATE_ZERO;
    return status;
}

static bool
status_co_allocation(Status *s, GError **error)
{
    VdMapEntry entry;

    while (status_co_may_go_on(s)) {
        if (!vd_map_co_entry(status_node(s), s->off, s->end - s->off, &entry,
                             error))
            return false;
        if (!status_add(s, entry.len, allocation_of(&entry)))
            break;
    }
    return true;
}

/* @links 0: the depth, from 1 on, 0 where there is nothing; else whether one of
 * so many links from the top has it. */
static bool
status_co_chain(Status *s, unsigned links, GError **error)
{
    VdNode *node = status_node(s);

    while (status_co_may_go_on(s)) {
        VdChainRun found;
        unsigned epoch = vd_node_enter(node);
        bool ok = vd_chain_co_map(node, s->off, s->end - s->off,
                                  VD_WANT_DEFAULT, &found, error);
        uint64_t depth;

        vd_node_leave(node, epoch);
        if (!ok)
            return false;
        depth = found.link != NULL ? found.depth + 1 : 0;
        if (links > 0)
            depth = depth > 0 && depth <= links;
        if (!status_add(s, found.run.len, depth))
            break;
    }
    return true;
}

static bool
status_add_ranges(Status *s, const GArray *ranges, uint64_t end)
{
    for (unsigned i = 0; i < ranges->len; i++) {
        const VdDirtyRange *r = &g_array_index(ranges, VdDirtyRange, i);

        if (r->off > s->off && !status_add(s, r->off - s->off, 0))
            return false;
        if (!status_add(s, MIN(r->len, end - r->off), 1))
            return false;
    }
    return s->off >= end || status_add(s, end - s->off, 0);
}

static bool
status_co_bitmap(Status *s, const NbdContext *context, GError **error)
{
    VdNode *node = status_node(s);
    bool room = true;

    while (room && status_co_may_go_on(s)) {
        g_autoptr(GArray) ranges =
            g_array_new(FALSE, FALSE, sizeof(VdDirtyRange));
        uint64_t len = MIN(s->end - s->off, context->granularity * STATUS_BITS);

        if (!vd_node_driver(node)->co_read_bitmap(node, context->bitmap, s->off,
                                                  len, ranges, error))
            return false;
        room = status_add_ranges(s, ranges, s->off + len);
    }
    return true;
}

static bool
status_co_find(Status *s, const NbdContext *context, GError **error)
{
    switch (context->kind) {
    case NBD_TELL_ALLOCATION:
        return status_co_allocation(s, error);
    case NBD_TELL_DEPTH:
        return status_co_chain(s, 0, error);
    case NBD_TELL_CHANGES:
        return status_co_chain(s, context->links, error);
    case NBD_TELL_BITMAP:
        return status_co_bitmap(s, context, error);
    }
    g_assert_not_reached();
}

/* -- answers --------------------------------------------------------------- */

static bool
status_co_send(Status *s, uint32_t id, bool done)
{
    bool extended = s->job->client->headers == NBD_HEADERS_EXTENDED;
    uint8_t body[8];
    struct iovec iov;
    VioVec payload;

    status_put_last(s);
    payload = vio_vec_from_buf(&iov, s->bytes->data, s->bytes->len);
    vio_put_be32(body, id);
    vio_put_be32(body + 4, s->n);
    return vd_nbd_reply_co_chunk(
        s->job, extended ? NBD_CHUNK_BLOCK_STATUS_EXT : NBD_CHUNK_BLOCK_STATUS,
        done, body, extended ? 8 : 4, &payload);
}

/* What was found in front of a failure is an answer. */
static bool
status_co_tell(const NbdJob *job, uint32_t id, bool done)
{
    g_autoptr(GByteArray) bytes = g_byte_array_new();
    const GPtrArray *contexts = job->client->export->contexts;
    GError *error = NULL;
    Status s = {
        .job = job,
        .bytes = bytes,
        .off = job->req.offset,
        .end = job->req.offset + job->len,
        .max = job->req.flags & NBD_CMD_FLAG_REQ_ONE ? 1 : STATUS_EXTENTS,
    };

    if (status_co_find(&s, g_ptr_array_index(contexts, id - 1), &error))
        return status_co_send(&s, id, done);
    if (s.n == 0) {
        (void) vd_nbd_reply_co_gerror(job, "block status", error);
        return false;
    }
    g_error_free(error);
    return status_co_send(&s, id, done);
}

bool
vd_nbd_status_co_run(const NbdJob *job)
{
    const GArray *chosen = job->client->contexts;
    unsigned n = job->ids != NULL ? job->n_ids : chosen->len;

    for (unsigned i = 0; i < n; i++) {
        uint32_t id = job->ids != NULL ? job->ids[i]
                                       : g_array_index(chosen, unsigned, i) + 1;

        if (!status_co_tell(job, id, i + 1 == n))
            return false;
    }
    return true;
}
