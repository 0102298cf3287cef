/* SPDX-License-Identifier: BSD-3-Clause */
/* block/proto/memory.c - protocol driver "memory": a disk in this process.
 *
 * Contents live in chunks of 64 KiB that come with the first write to them
 * and go with discard, zeroes over the whole chunk, or close; what has no
 * chunk reads as zeroes and is mapped as such.  So a disk of any size costs
 * what was written to it.  Options: size (default 0).
 *
 * Concurrency: nothing here yields, so requests never interleave.
 */
#include "block/drivers.h"
#include "block/proto/size-name.h"

#include <inttypes.h>
#include <string.h>

#define MEMORY_CHUNK (UINT64_C(64) << 10)
/* Chunks looked at by one map call: bounds its time on sparse disks. */
#define MEMORY_MAP_STEPS 4096

typedef struct {
    GHashTable *chunks; /* index of the chunk -> its bytes */
} MemoryState;

static gpointer
memory_key(uint64_t off)
{
    return GSIZE_TO_POINTER(off / MEMORY_CHUNK);
}

static uint8_t *
memory_find(const MemoryState *s, uint64_t off)
{
    return g_hash_table_lookup(s->chunks, memory_key(off));
}

/* Bytes from @off to the end of its chunk, at most @len. */
static uint64_t
memory_step(uint64_t off, uint64_t len)
{
    return MIN(len, MEMORY_CHUNK - off % MEMORY_CHUNK);
}

static bool
memory_co_open(VdNode *node, VdOptions *opts, GError **error)
{
    MemoryState *s = vd_node_state(node);
    uint64_t size = 0;

    if (!vd_take_disk_size(opts, "memory", &size, error))
        return false;
    s->chunks = g_hash_table_new_full(NULL, NULL, NULL, g_free);
    vd_node_set_size(node, size);
    vd_node_set_name(node, "memory");
    vd_node_set_write_flags(node, VD_REQ_FUA,
                            VD_REQ_FUA | VD_REQ_MAY_UNMAP | VD_REQ_NO_FALLBACK);
    return true;
}

static void
memory_co_close(VdNode *node)
{
    MemoryState *s = vd_node_state(node);

    g_clear_pointer(&s->chunks, g_hash_table_unref);
}

static bool
memory_co_map(VdNode *node, uint64_t off, uint64_t len, unsigned want,
              VdRun *run, GError **error)
{
    const MemoryState *s = vd_node_state(node);
    bool data = memory_find(s, off) != NULL;
    uint64_t end = off, limit = off + len;

    if (!data && g_hash_table_size(s->chunks) == 0)
        end = limit;
    for (unsigned i = 0; i < MEMORY_MAP_STEPS && end < limit; i++) {
        if ((memory_find(s, end) != NULL) != data)
            break;
        end += memory_step(end, limit - end);
    }
    *run = (VdRun){
        .kind = data ? VD_RUN_DATA : VD_RUN_ZERO,
        .len = end - off,
        .child_off = off,
    };
    return true;
}

static bool
memory_co_preadv(VdNode *node, uint64_t off, const VioVec *dst, GError **error)
{
    const MemoryState *s = vd_node_state(node);
    size_t done = 0;

    while (done < dst->len) {
        size_t n = memory_step(off + done, dst->len - done);
        VioVec part = vio_vec_slice(dst, done, n);
        const uint8_t *chunk = memory_find(s, off + done);

        if (chunk)
            vio_vec_copy_in(&part, chunk + (off + done) % MEMORY_CHUNK);
        else
            vio_vec_zero(&part);
        done += n;
    }
    return true;
}

static uint8_t *
memory_obtain(MemoryState *s, uint64_t off, GError **error)
{
    uint8_t *chunk = memory_find(s, off);

    if (chunk)
        return chunk;
    chunk = g_try_malloc0(MEMORY_CHUNK);
    if (!chunk)
        return vd_throw_null(error, VD_ERROR_NO_MEMORY,
                             "memory: no memory left for the %" PRIu64
                             " bytes at offset %" PRIu64,
                             MEMORY_CHUNK, off - off % MEMORY_CHUNK);
    g_hash_table_insert(s->chunks, memory_key(off), chunk);
    return chunk;
}

static void
memory_grow_to(VdNode *node, uint64_t end)
{
    if (end > vd_node_size(node))
        vd_node_set_size(node, end);
}

static bool
memory_co_pwritev(VdNode *node, uint64_t off, const VioVec *src,
                  VdReqFlags flags, GError **error)
{
    MemoryState *s = vd_node_state(node);
    size_t done = 0;

    while (done < src->len) {
        size_t n = memory_step(off + done, src->len - done);
        VioVec part = vio_vec_slice(src, done, n);
        uint8_t *chunk = memory_obtain(s, off + done, error);

        if (!chunk)
            return false;
        vio_vec_copy_out(&part, chunk + (off + done) % MEMORY_CHUNK);
        done += n;
    }
    memory_grow_to(node, off + src->len);
    return true;
}

/* Remove the chunks that lie wholly in [@from, @to), both on boundaries, by
 * whichever way is shorter: the range's chunks or all that exist. */
static void
memory_drop(MemoryState *s, uint64_t from, uint64_t to)
{
    GHashTableIter iter;
    gpointer key;

    if ((to - from) / MEMORY_CHUNK <= g_hash_table_size(s->chunks)) {
        for (uint64_t at = from; at < to; at += MEMORY_CHUNK)
            g_hash_table_remove(s->chunks, memory_key(at));
        return;
    }
    g_hash_table_iter_init(&iter, s->chunks);
    while (g_hash_table_iter_next(&iter, &key, NULL)) {
        uint64_t at = GPOINTER_TO_SIZE(key) * MEMORY_CHUNK;

        if (at >= from && at < to)
            g_hash_table_iter_remove(&iter);
    }
}

/* Zero a part of one chunk. */
static void
memory_wipe(MemoryState *s, uint64_t off, uint64_t len)
{
    uint8_t *chunk = len > 0 ? memory_find(s, off) : NULL;

    if (chunk)
        memset(chunk + off % MEMORY_CHUNK, 0, len);
}

static void
memory_clear(MemoryState *s, uint64_t off, uint64_t len)
{
    uint64_t end = off + len;
    uint64_t from = off % MEMORY_CHUNK ? off + memory_step(off, len) : off;
    uint64_t to = MAX(from, end - end % MEMORY_CHUNK);

    memory_wipe(s, off, from - off);
    memory_drop(s, from, to);
    memory_wipe(s, to, end - to);
}

static bool
memory_co_write_zeroes(VdNode *node, uint64_t off, uint64_t len,
                       VdReqFlags flags, GError **error)
{
    memory_clear(vd_node_state(node), off, len);
    memory_grow_to(node, off + len);
    return true;
}

static bool
memory_co_discard(VdNode *node, uint64_t off, uint64_t len, GError **error)
{
    memory_clear(vd_node_state(node), off, len);
    return true;
}

static bool
memory_co_truncate(VdNode *node, uint64_t size, VdPrealloc prealloc,
                   GError **error)
{
    uint64_t old = vd_node_size(node);

    /* What is cut off must not come back when the disk grows again. */
    if (size < old)
        memory_clear(vd_node_state(node), size, old - size);
    vd_node_set_size(node, size);
    return true;
}

static int64_t
memory_co_allocated_size(VdNode *node)
{
    const MemoryState *s = vd_node_state(node);

    return (int64_t) (g_hash_table_size(s->chunks) * MEMORY_CHUNK);
}

static const char *const memory_schemes[] = {"memory", NULL};

const VdDriver vd_memory_driver = {
    VD_DRIVER_HEADER,
    .name = "memory",
    .kind = VD_DRIVER_PROTOCOL,
    .caps = VD_CAP_ZERO_FAST,
    .state_size = sizeof(MemoryState),
    .schemes = memory_schemes,
    .parse_name = vd_parse_size_name,
    .co_open = memory_co_open,
    .co_close = memory_co_close,
    .co_map = memory_co_map,
    .co_preadv = memory_co_preadv,
    .co_pwritev = memory_co_pwritev,
    .co_write_zeroes = memory_co_write_zeroes,
    .co_discard = memory_co_discard,
    .co_truncate = memory_co_truncate,
    .co_allocated_size = memory_co_allocated_size,
};
