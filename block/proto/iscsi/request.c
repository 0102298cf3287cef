/* SPDX-License-Identifier: BSD-3-Clause */
/* block/proto/iscsi/request.c - reads, writes, zeroes, unmap, flush.
 *
 * Bounds, alignment and the length of payloads are the door's.
 *
 * Concurrency: changes that overlap wait for each other, because a unit may do
 * what it has in any order.
 */
#include "block/proto/iscsi/client.h"

#include <inttypes.h>

/* Bytes of one command, if the unit does not tell what it takes: with nothing
 * to be written, and with something. */
#define LONGEST_UNMAP (UINT64_C(1) << 30)
#define LONGEST_SAME (UINT64_C(32) << 20)

/* A request: what it says to the unit. */
typedef struct Request {
    VioIscsiCommand command;
    const char *what;
    uint64_t off, len;
} Request;

static uint64_t
to_blocks(const IscsiClient *client, uint64_t bytes)
{
    return bytes / client->unit.block_size;
}

static bool
request_throw(const IscsiClient *client, const Request *r, GError **error)
{
    g_autofree char *what = g_strdup_printf(
        "%s of %" PRIu64 " bytes at offset %" PRIu64, r->what, r->len, r->off);

    return iscsi_throw_status(client->target, &r->command, what, error);
}

/* -- data ------------------------------------------------------------------ */

/* With a good answer a unit should tell how much is missing.  From one that
 * does not, what was in memory before would pass for content: so a mark is put
 * at the end of each piece, and must be gone afterwards.  Nobody sends in
 * smaller ones, but at the end: this is the default of MaxRecvDataSegmentLength
 * (RFC 7143, 13.12). */
#define PIECE 8192u

/* Takes a piece off @rest; *@place is where its mark is. */
static bool
next_mark(VioVec *rest, VioVec *place)
{
    size_t len = MIN(rest->len, PIECE);

    if (len == 0)
        return false;
    *place = vio_vec_slice(rest, len - sizeof(uint64_t), sizeof(uint64_t));
    *rest = vio_vec_slice(rest, len, rest->len - len);
    return true;
}

static void
set_marks(const VioVec *dst, uint64_t mark)
{
    VioVec rest = *dst, place;

    while (next_mark(&rest, &place))
        vio_vec_copy_in(&place, &mark);
}

/* Bytes in front of the first piece that has not come. */
static size_t
length_come(const VioVec *dst, uint64_t mark)
{
    VioVec rest = *dst, place;
    size_t come = 0;
    uint64_t found;

    while (next_mark(&rest, &place)) {
        vio_vec_copy_out(&place, &found);
        if (found == mark)
            break;
        come = dst->len - rest.len;
    }
    return come;
}

bool
iscsi_co_preadv(VdNode *node, uint64_t off, const VioVec *dst, GError **error)
{
    IscsiClient *client = vd_node_state(node);
    Request r = {
        .command.in = dst,
        .what = "read",
        .off = off,
        .len = dst->len,
    };
    size_t got;

    r.command.cdb_len = scsi_put_read(r.command.cdb, to_blocks(client, off),
                                      (uint32_t) to_blocks(client, dst->len));
    set_marks(dst, client->mark);
    if (!iscsi_client_co_run(client, &r.command, error))
        return false;
    if (r.command.status != VIO_SCSI_GOOD)
        return request_throw(client, &r, error);
    got = MIN(r.command.got, length_come(dst, client->mark));
    return got == dst->len ||
           vd_throw(error, VD_ERROR_IO,
                    "%s: read at offset %" PRIu64 ": %zu bytes came of %zu",
                    client->target->name, off, got, dst->len);
}

/* A change, from before to after.  False: nobody knows what came of it. */
static bool
change_co_run(IscsiClient *client, Request *r, bool durable, GError **error)
{
    VioRange *range = vio_range_co_lock(client->changes, r->off, r->len, true);
    bool ok;

    vd_status_changed(&client->status, r->off, r->len);
    ok = iscsi_client_co_run(client, &r->command, error);
    vd_status_changed(&client->status, r->off, r->len);
    vio_range_unlock(client->changes, range);
    if (ok && r->command.status == VIO_SCSI_GOOD && !durable)
        client->acked++;
    return ok;
}

bool
iscsi_co_pwritev(VdNode *node, uint64_t off, const VioVec *src,
                 VdReqFlags flags, GError **error)
{
    IscsiClient *client = vd_node_state(node);
    bool fua = flags & VD_REQ_FUA;
    Request r = {
        .command.out = src,
        .what = "write",
        .off = off,
        .len = src->len,
    };

    r.command.cdb_len =
        scsi_put_write(r.command.cdb, to_blocks(client, off),
                       (uint32_t) to_blocks(client, src->len), fua);
    return change_co_run(client, &r, fua, error) &&
           (r.command.status == VIO_SCSI_GOOD ||
            request_throw(client, &r, error));
}

/* -- zeroes and unmap ------------------------------------------------------ */

/* Of the commands that change a range without data for all of it. */
typedef enum RangeKind { RANGE_SAME, RANGE_SAME_UNMAP, RANGE_UNMAP } RangeKind;

static uint64_t
longest(const IscsiClient *client, RangeKind kind)
{
    const ScsiUnit *unit = &client->unit;
    uint64_t blocks = kind == RANGE_UNMAP ? unit->max_unmap : unit->max_same;
    uint64_t bytes = kind == RANGE_SAME ? LONGEST_SAME : LONGEST_UNMAP;

    return blocks > 0 && blocks < bytes / unit->block_size
               ? blocks * unit->block_size
               : bytes;
}

/* @data is one block, of zeroes. */
static void
range_prepare(const IscsiClient *client, RangeKind kind, Request *r,
              uint8_t *data)
{
    uint64_t block = to_blocks(client, r->off);
    uint32_t blocks = (uint32_t) to_blocks(client, r->len);

    if (kind == RANGE_UNMAP) {
        scsi_put_unmap_range(data, block, blocks);
        r->command.cdb_len = scsi_put_unmap(r->command.cdb);
    } else {
        r->command.cdb_len = scsi_put_write_same(r->command.cdb, block, blocks,
                                                 kind == RANGE_SAME_UNMAP);
    }
}

/* The unit does not take such commands, and is not asked for more of them. */
static bool
range_refuse(IscsiClient *client, RangeKind kind, const Request *r,
             GError **error)
{
    client->no_same |= kind == RANGE_SAME;
    client->no_same_unmap |= kind == RANGE_SAME_UNMAP;
    client->no_unmap |= kind == RANGE_UNMAP;
    return vd_throw(error, VD_ERROR_NOT_SUPPORTED,
                    "%s: the unit does not know the command: %s",
                    client->target->name, r->what);
}

/* In pieces, one after another. */
static bool
range_co_run(IscsiClient *client, RangeKind kind, uint64_t off, uint64_t len,
             GError **error)
{
    size_t block_size = client->unit.block_size;
    g_autofree uint8_t *data = g_malloc0(block_size);
    struct iovec iov;
    VioVec out = vio_vec_from_buf(
        &iov, data, kind == RANGE_UNMAP ? SCSI_UNMAP_BYTES : block_size);

    while (len > 0) {
        Request r = {
            .command.out = &out,
            .what = kind == RANGE_UNMAP ? "unmap" : "writing zeroes",
            .off = off,
            .len = MIN(len, longest(client, kind)),
        };

        range_prepare(client, kind, &r, data);
        if (!change_co_run(client, &r, false, error))
            return false;
        if (iscsi_is_unknown(&r.command))
            return range_refuse(client, kind, &r, error);
        if (r.command.status != VIO_SCSI_GOOD)
            return request_throw(client, &r, error);
        off += r.len;
        len -= r.len;
    }
    return true;
}

/* Without unmapping it is the unit that writes, and not quickly. */
bool
iscsi_co_write_zeroes(VdNode *node, uint64_t off, uint64_t len,
                      VdReqFlags flags, GError **error)
{
    IscsiClient *client = vd_node_state(node);
    const ScsiUnit *unit = &client->unit;

    if ((flags & VD_REQ_MAY_UNMAP) && unit->zeroes && unit->can_unmap_same &&
        !client->no_same_unmap) {
        g_autoptr(GError) cause = NULL;

        if (range_co_run(client, RANGE_SAME_UNMAP, off, len, &cause))
            return true;
        if (!client->no_same_unmap) {
            g_propagate_error(error, g_steal_pointer(&cause));
            return false;
        }
    }
    if (client->no_same || (flags & VD_REQ_NO_FALLBACK))
        return vd_throw(
            error, VD_ERROR_NOT_SUPPORTED, "%s: the unit cannot write zeroes%s",
            client->target->name, client->no_same ? "" : " quickly");
    return range_co_run(client, RANGE_SAME, off, len, error);
}

bool
iscsi_co_discard(VdNode *node, uint64_t off, uint64_t len, GError **error)
{
    IscsiClient *client = vd_node_state(node);
    const ScsiUnit *unit = &client->unit;

    if (unit->can_unmap && !client->no_unmap)
        return range_co_run(client, RANGE_UNMAP, off, len, error);
    if (unit->can_unmap_same && !client->no_same_unmap)
        return range_co_run(client, RANGE_SAME_UNMAP, off, len, error);
    return vd_throw(error, VD_ERROR_NOT_SUPPORTED,
                    "%s: the unit does not unmap", client->target->name);
}

/* -- flush ----------------------------------------------------------------- */

static bool
check_losses(IscsiClient *client, GError **error)
{
    if (!client->losses)
        return true;
    client->losses = false;
    client->flushed = client->acked;
    return vd_throw(error, VD_ERROR_IO,
                    "%s: flush: the session was lost while changes had not "
                    "been flushed; the unit may have forgotten them",
                    client->target->name);
}

/* Any session will do: it is one cache. */
bool
iscsi_co_flush(VdNode *node, GError **error)
{
    IscsiClient *client = vd_node_state(node);
    uint64_t acked = client->acked;
    VioIscsiCommand command = {0};

    if (client->no_flush)
        return check_losses(client, error);
    if (!client->unit.write_cache) {
        client->flushed = acked; /* as soon as it is acknowledged */
        return check_losses(client, error);
    }
    command.cdb_len = scsi_put_flush(command.cdb);
    if (!iscsi_client_co_run(client, &command, error))
        return false;
    if (iscsi_is_unknown(&command)) {
        client->no_flush = true;
        vd_node_warn(node,
                     "%s: the unit cannot flush: nobody knows whether what is "
                     "written is durable",
                     client->target->name);
    } else if (command.status != VIO_SCSI_GOOD) {
        return iscsi_throw_status(client->target, &command, "flush", error);
    }
    if (!check_losses(client, error))
        return false;
    client->flushed = MAX(client->flushed, acked);
    return true;
}
