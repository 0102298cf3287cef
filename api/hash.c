/* SPDX-License-Identifier: BSD-3-Clause */
/* api/hash.c - one number for what a disk holds, however it is stored.
 *
 * SHA-256 over a record for each block of 64 KiB that is not all zero, in
 * ascending order: its number (64 bits, big-endian), and the SHA-256 of the
 * block, behind the end of the disk filled up with zeroes.  If the size counts,
 * a last record of the number 2^64-1 and the size in bytes, both in 64 bits.
 * What the map knows to be zero is not read.
 *
 * Concurrency: a walker starts items in ascending order; they read side by
 * side, hash on worker threads, and add their records one after the other.
 */
#include "api/disk.h"
#include "api/meter.h"

#include "io/buffer.h"
#include "io/offload.h"
#include "io/zero.h"

#include <nettle/sha2.h>
#include <string.h>

#define HASH_BLOCK ((uint64_t) VD_HASH_BLOCK)
#define HASH_ITEM_BLOCKS 16
#define HASH_ITEM (HASH_BLOCK * HASH_ITEM_BLOCKS)
#define HASH_DEPTH 16
#define HASH_SIZE_RECORD UINT64_MAX

G_STATIC_ASSERT(VD_HASH_BYTES == SHA256_DIGEST_SIZE);

typedef struct {
    VdDisk *disk;
    uint64_t size;
    VioCoGroup *group;
    VioTurnstile turn;
    uint64_t tickets;
    struct sha256_ctx records;

    uint64_t fail_off;
    bool fail_map;
    GError *error;

    VdMeter meter;
    uint64_t read;
} Hash;

/* Some whole blocks that follow each other. */
typedef struct {
    Hash *h;
    uint64_t off, len;
    uint64_t ticket;
    uint8_t *buf;
    bool zero[HASH_ITEM_BLOCKS];
    uint8_t digest[HASH_ITEM_BLOCKS][VD_HASH_BYTES];
} HashItem;

/* Takes @error over. */
static void
hash_fail(Hash *h, uint64_t off, bool map, GError *error)
{
    if (h->error != NULL && h->fail_off <= off) {
        g_error_free(error);
        return;
    }
    g_clear_error(&h->error);
    h->error = error;
    h->fail_off = off;
    h->fail_map = map;
}

/* -- items -------------------------------------------------------------------
 */

/* On a worker. */
static void
hash_digest_blocks(void *opaque)
{
    HashItem *item = opaque;
    struct sha256_ctx sha;

    for (unsigned i = 0; i < item->len / HASH_BLOCK; i++) {
        const uint8_t *block = item->buf + i * HASH_BLOCK;

        item->zero[i] = vio_is_zero(block, HASH_BLOCK);
        if (item->zero[i])
            continue;
        sha256_init(&sha);
        sha256_update(&sha, HASH_BLOCK, block);
        sha256_digest(&sha, VD_HASH_BYTES, item->digest[i]);
    }
}

static bool
hash_co_blocks(HashItem *item)
{
    Hash *h = item->h;
    VioLoop *loop = h->disk->ctx->loop;
    uint64_t have = MIN(item->len, h->size - item->off);
    GError *error = NULL;
    bool ok;

    item->buf = vio_co_buffer_get(loop, item->len);
    ok = vd_node_co_pread(h->disk->node, item->off, item->buf, have, &error);
    if (ok) {
        memset(item->buf + have, 0, item->len - have);
        vio_co_offload(loop, hash_digest_blocks, item);
        h->read += have;
        h->meter.now.done += have;
    } else {
        (void) vd_prefix(&error,
                         "error while reading at byte %" G_GUINT64_FORMAT ": ",
                         item->off);
        hash_fail(h, item->off, false, error);
    }
    vio_buffer_put(loop, item->buf, item->len);
    return ok;
}

static void
hash_add_record(Hash *h, uint64_t number, const uint8_t *bytes, size_t len)
{
    uint64_t be = GUINT64_TO_BE(number);

    sha256_update(&h->records, sizeof(be), (const uint8_t *) &be);
    sha256_update(&h->records, len, bytes);
}

static void
hash_add_blocks(Hash *h, const HashItem *item)
{
    for (unsigned i = 0; i < item->len / HASH_BLOCK; i++)
        if (!item->zero[i])
            hash_add_record(h, item->off / HASH_BLOCK + i, item->digest[i],
                            VD_HASH_BYTES);
}

static bool
hash_co_item(void *arg, GError **error)
{
    HashItem *item = arg;
    Hash *h = item->h;
    bool ok = item->off < h->fail_off && hash_co_blocks(item);

    vio_turnstile_co_enter(&h->turn, item->ticket);
    if (ok)
        hash_add_blocks(h, item);
    vio_turnstile_release(&h->turn, item->ticket);
    vd_meter_update(&h->meter);
    return true; /* failures are in the hash, with their offsets */
}

/* -- walking -----------------------------------------------------------------
 */

/* What has been gathered at @pending begins; it goes on behind it. */
static void
hash_co_start(HashItem *pending)
{
    Hash *h = pending->h;
    HashItem *item;

    if (pending->len == 0)
        return;
    item = g_new(HashItem, 1);
    item->h = h;
    item->off = pending->off;
    item->len = pending->len;
    item->ticket = h->tickets++;
    vio_co_group_spawn(h->group, hash_co_item, item, g_free);
    pending->off += pending->len;
    pending->len = 0;
}

/* The blocks from @off to @end are not known to be zero. */
static void
hash_co_take(HashItem *pending, uint64_t off, uint64_t end)
{
    if (pending->off + pending->len != off) {
        hash_co_start(pending);
        pending->off = off;
    }
    while (off < end && pending->h->error == NULL) {
        uint64_t len = MIN(end - off, HASH_ITEM - pending->len);

        pending->len += len;
        off += len;
        if (pending->len == HASH_ITEM)
            hash_co_start(pending);
    }
}

static bool
hash_co_look(Hash *h, uint64_t off, VdMapEntry *entry)
{
    GError *error = NULL;

    if (!vd_context_check_cancel(h->disk->ctx, &error)) {
        hash_fail(h, off, false, error);
        return false;
    }
    if (vd_map_co_entry(h->disk->node, off, h->size - off, entry, &error))
        return true;
    (void) vd_prefix(&error,
                     "error while reading block status at offset "
                     "%" G_GUINT64_FORMAT ": ",
                     off);
    hash_fail(h, off, true, error);
    return false;
}

static void
hash_co_walk(Hash *h, HashItem *pending)
{
    uint64_t taken = 0; /* end of the last block that was */
    VdMapEntry entry;

    for (uint64_t off = 0; off < h->size && h->error == NULL;
         off = entry.off + entry.len) {
        uint64_t end;

        if (!hash_co_look(h, off, &entry))
            return;
        if (entry.flags & VD_MAP_ZERO) {
            h->meter.now.zero += entry.len;
        } else {
            end = entry.off + entry.len + HASH_BLOCK - 1;
            end -= end % HASH_BLOCK;
            hash_co_take(pending,
                         MAX(taken, entry.off - entry.off % HASH_BLOCK), end);
            taken = end;
        }
        h->meter.now.total = h->size - h->meter.now.zero;
    }
    hash_co_start(pending);
}

static bool
hash_co_run(void *arg, GError **error)
{
    Hash *h = arg;
    uint64_t depth = h->disk->ctx->buffer_limit / 2 / HASH_ITEM;
    g_autofree HashItem *pending = g_new0(HashItem, 1);

    pending->h = h;
    vd_disk_enter(h->disk);
    h->group = vio_co_group_new(MIN(HASH_DEPTH, depth));
    hash_co_walk(h, pending);
    (void) vio_co_group_join(h->group, NULL); /* members do not fail */
    vio_co_group_free(h->group);
    vio_turnstile_clear(&h->turn);
    vd_meter_co_finish(&h->meter);
    vd_disk_leave(h->disk);
    if (h->error == NULL)
        return true;
    g_propagate_error(error, g_steal_pointer(&h->error));
    return false;
}

/* -- public ------------------------------------------------------------------
 */

bool
vd_disk_hash(VdDisk *disk, const VdHashParams *params, VdHashResult *result,
             GError **error)
{
    const VdHashParams defaults = {0};
    Hash h = {.disk = disk, .size = vd_disk_size(disk), .fail_off = UINT64_MAX};
    uint64_t size = GUINT64_TO_BE(h.size);
    bool ok;

    if (params == NULL)
        params = &defaults;
    *result = (VdHashResult){0};
    sha256_init(&h.records);
    vd_meter_init(&h.meter, disk->ctx->loop, params->progress,
                  params->progress_opaque);
    h.meter.now.total = h.size;
    ok = vd_context_run(disk->ctx, hash_co_run, &h, error);
    result->failed_map = h.fail_map;
    result->bytes_read = h.read;
    if (!ok)
        return false;
    if (params->with_size)
        hash_add_record(&h, HASH_SIZE_RECORD, (const uint8_t *) &size,
                        sizeof(size));
    sha256_digest(&h.records, VD_HASH_BYTES, result->digest);
    return true;
}
