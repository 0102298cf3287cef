/* SPDX-License-Identifier: BSD-3-Clause */
/* formats/qcow2/packed.c - places for compressed clusters.
 *
 * They lie behind one another at any byte, across the border of two clusters of
 * the file if the next one is free.  A cluster that has room left is open; its
 * count is how many compressed ones touch it, so it may be given back while it
 * is open, and is closed by that (give-up.c).
 *
 * Concurrency: one place at a time, under packed_lock.  What was found out
 * about the open cluster is looked at again after each yield.
 */
#include "formats/qcow2/qcow2.h"

#include <inttypes.h>

static uint64_t
cluster_at(const Qcow2State *s, uint64_t off)
{
    return off >> s->hdr.cluster_bits;
}

/* Sectors are counted: places are whole ones for whoever looks at an entry. */
static unsigned
offset_bits(const Qcow2State *s)
{
    return 62 - (s->hdr.cluster_bits - 8);
}

uint64_t
qcow2_packed_word(const Qcow2State *s, uint64_t off, uint64_t len)
{
    uint64_t more = (off + len - 1) / 512 - off / 512;

    return QCOW2_COMPRESSED | more << offset_bits(s) | off;
}

void
qcow2_give_up_packed(Qcow2State *s, uint64_t off, uint64_t len)
{
    uint64_t cluster = qcow2_cluster_bytes(&s->hdr);
    uint64_t last = cluster_at(s, off + len - 1);

    /* Others use them, too: one user less each. */
    for (uint64_t i = cluster_at(s, off); i <= last; i++)
        qcow2_give_up(s->refcounts, i << s->hdr.cluster_bits, cluster);
}

/* -- the open cluster ------------------------------------------------------ */

static void
open_behind(Qcow2State *s, uint64_t end)
{
    bool full = (end & (qcow2_cluster_bytes(&s->hdr) - 1)) == 0;

    s->packed_at = full ? 0 : end;
}

/* Can the open cluster take @len bytes, with what is behind it?  *next: that
 * was counted for them. */
static bool
packed_co_reach(Qcow2State *s, uint64_t at, uint64_t len, bool *fits,
                bool *next, GError **error)
{
    uint64_t behind = cluster_at(s, at) + 1, count = 0;

    *fits = *next = false;
    if (!qcow2_refcount_co_get(s->refcounts, behind - 1, &count, error))
        return false;
    if (count == 0 || count == qcow2_refcount_max(s->hdr.refcount_order))
        return true;
    if (cluster_at(s, at + len - 1) == behind &&
        !qcow2_co_allocate_at(s->refcounts, behind, next, error))
        return false;
    *fits = cluster_at(s, at + len - 1) < behind || *next;
    return true;
}

/* @len bytes at the end of the open cluster; *off 0: they do not fit. */
static bool
packed_co_join(Qcow2State *s, uint64_t len, uint64_t *off, GError **error)
{
    uint64_t at = s->packed_at, cluster = cluster_at(s, at);
    bool fits, next;

    *off = 0;
    if (!packed_co_reach(s, at, len, &fits, &next, error))
        return false;
    if (!fits)
        return true;
    if (!qcow2_refcount_co_add(s->refcounts, cluster, 1, error))
        return false; /* with @next, a leak at most */
    if (s->packed_at == at) {
        *off = at;
        open_behind(s, at + len);
        return true;
    }
    /* Given back meanwhile. */
    qcow2_give_up_packed(s, at, next ? len : 1);
    return true;
}

static bool
packed_co_place(Qcow2State *s, uint64_t len, uint64_t *off, GError **error)
{
    *off = 0;
    if (s->packed_at && !packed_co_join(s, len, off, error))
        return false;
    if (*off)
        return true;
    if (!qcow2_co_allocate_all(s->refcounts, 1, off, error))
        return false;
    open_behind(s, *off + len);
    return true;
}

bool
qcow2_co_place_packed(Qcow2State *s, uint64_t len, uint64_t *off,
                      GError **error)
{
    uint64_t place = 0;
    bool ok;

    vio_co_mutex_lock(&s->packed_lock);
    ok = packed_co_place(s, len, &place, error);
    vio_co_mutex_unlock(&s->packed_lock);
    if (!ok)
        return false;
    *off = place;
    if ((place + len) >> MIN(offset_bits(s), 56) == 0)
        return true;
    qcow2_give_up_packed(s, place, len);
    return vd_throw(error, VD_ERROR_NO_SPACE,
                    "%s: no entry can name a compressed cluster at byte "
                    "%" PRIu64,
                    vd_node_name(s->file), place);
}
