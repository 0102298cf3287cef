/* SPDX-License-Identifier: BSD-3-Clause */
/* formats/vhdx/log-write.c - the table of blocks to the file, through the log.
 *
 *   (blocks are durable) - entry - barrier - pages to their places
 *
 * What comes next begins with a barrier, too, behind which the entry is not
 * needed any more.  The first entry makes the log valid:
 *
 *   entry - barrier - headers name the log - barrier - pages to their places
 *
 * so that headers never name a log without a whole sequence in it.  A close
 * that succeeds leaves an empty log behind.
 *
 * The ids of the file and of what the guest sees change before the first
 * change of the image.
 *
 * Concurrency: one at a time, under the flush_lock of the blocks.
 */
#include "formats/vhdx/vhdx.h"

#include "formats/common/crc32c.h"

#include <inttypes.h>

#define FRONT_BYTES VHDX_LOG_SECTOR

bool
vhdx_co_begin(VdBlocks *blocks, GError **error)
{
    VhdxState *s = blocks->spec.format;
    VhdxHeader hdr = s->headers.now;

    vd_uuid_new(hdr.file_write);
    if (!blocks->same)
        vd_uuid_new(hdr.data_write);
    s->log.file_bytes = vd_node_size(s->file);
    return vhdx_headers_co_store(&s->headers, s->file, &hdr, error);
}

/* The barrier that follows makes it durable. */
bool
vhdx_co_note_end(VdBlocks *blocks, GError **error)
{
    VhdxState *s = blocks->spec.format;

    s->log.file_bytes = vd_node_size(s->file);
    return true;
}

/* -- an entry -------------------------------------------------------------- */

static void
put_page(uint8_t *descriptor, uint8_t *sector, const VdPageWrite *write,
         uint64_t sequence)
{
    memcpy(descriptor, "desc", 4);
    memcpy(descriptor + VHDX_DESC_TRAILING_AT, write->bytes + VHDX_DATA_LOW_AT,
           VHDX_LOG_SECTOR - VHDX_DATA_LOW_AT);
    memcpy(descriptor + VHDX_DESC_LEADING_AT, write->bytes, VHDX_DATA_BYTES_AT);
    vio_put_le64(descriptor + VHDX_DESC_OFF_AT, write->off);
    vio_put_le64(descriptor + VHDX_DESC_SEQUENCE_AT, sequence);
    memcpy(sector, "data", 4);
    vio_put_le32(sector + VHDX_DATA_HIGH_AT, (uint32_t) (sequence >> 32));
    memcpy(sector + VHDX_DATA_BYTES_AT, write->bytes + VHDX_DATA_BYTES_AT,
           VHDX_DATA_BYTES);
    vio_put_le32(sector + VHDX_DATA_LOW_AT, (uint32_t) sequence);
}

static void
put_header(const VhdxLogWriter *log, uint8_t *p, uint32_t len, unsigned n)
{
    memcpy(p, "loge", 4);
    vio_put_le32(p + VHDX_ENTRY_LEN_AT, len);
    vio_put_le32(p + VHDX_ENTRY_TAIL_AT, log->tail);
    vio_put_le64(p + VHDX_ENTRY_SEQUENCE_AT, log->sequence);
    vio_put_le32(p + VHDX_ENTRY_COUNT_AT, n);
    memcpy(p + VHDX_ENTRY_LOG_AT, log->guid, VD_UUID_BYTES);
    vio_put_le64(p + VHDX_ENTRY_FLUSHED_AT,
                 log->file_bytes / VHDX_MIB * VHDX_MIB);
    vio_put_le64(p + VHDX_ENTRY_LAST_AT,
                 (log->file_bytes + VHDX_MIB - 1) / VHDX_MIB * VHDX_MIB);
    vio_put_le32(p + VHDX_ENTRY_CRC_AT, vd_crc32c(0, p, len));
}

static uint8_t *
entry_new(const VhdxLogWriter *log, const VdPageWrite *writes, unsigned n,
          uint32_t len)
{
    uint8_t *entry = g_malloc0(len);

    for (unsigned i = 0; i < n; i++)
        put_page(entry + VHDX_ENTRY_DESCRIPTORS_AT + i * VHDX_DESCRIPTOR_BYTES,
                 entry + FRONT_BYTES + (size_t) i * VHDX_LOG_SECTOR, &writes[i],
                 log->sequence);
    put_header(log, entry, len, n);
    return entry;
}

/* At the head of the ring, in two pieces where it goes round. */
static bool
ring_co_write(const VhdxState *s, const uint8_t *entry, uint32_t len,
              GError **error)
{
    const VhdxHeader *hdr = &s->headers.now;
    uint64_t head = ((uint64_t) s->log.tail + s->log.used) % hdr->log_bytes;
    uint64_t first = MIN(len, hdr->log_bytes - head);

    return vd_node_co_pwrite(s->file, hdr->log_off + head, entry, first,
                             error) &&
           (first == len ||
            vd_node_co_pwrite(s->file, hdr->log_off, entry + first, len - first,
                              error));
}

static bool
refuse_full(const VhdxState *s, GError **error)
{
    return vd_throw(error, VD_ERROR_IO,
                    "%s: the log is full of changes that could not be written "
                    "to their places",
                    vd_node_name(s->file));
}

static bool
entry_co_write(VhdxState *s, const VdPageWrite *writes, unsigned n,
               GError **error)
{
    uint32_t len = FRONT_BYTES + n * VHDX_LOG_SECTOR;
    g_autofree uint8_t *entry = NULL;

    if (len > s->headers.now.log_bytes / 2 - s->log.used)
        return refuse_full(s, error);
    entry = entry_new(&s->log, writes, n, len);
    if (!ring_co_write(s, entry, len, error) ||
        !vd_node_co_flush(s->file, error))
        return vd_prefix(error, "writing the log: ");
    s->log.used += len;
    s->log.sequence++;
    return true;
}

/* -- putting pages --------------------------------------------------------- */

/* All that is in the log has reached its place, durably. */
static void
advance_tail(VhdxState *s)
{
    s->log.tail = (uint32_t) (((uint64_t) s->log.tail + s->log.used) %
                              s->headers.now.log_bytes);
    s->log.used = 0;
}

static bool
log_co_name(VhdxState *s, GError **error)
{
    VhdxHeader hdr = s->headers.now;

    if (s->log.is_open)
        return true;
    memcpy(hdr.log, s->log.guid, VD_UUID_BYTES);
    s->log.is_open = vhdx_headers_co_store(&s->headers, s->file, &hdr, error);
    return s->log.is_open;
}

static bool
batch_co_put(VhdxState *s, const VdPageWrite *writes, unsigned n,
             GError **error)
{
    if (!entry_co_write(s, writes, n, error) || !log_co_name(s, error))
        return false;
    for (unsigned i = 0; i < n; i++)
        if (!vd_node_co_pwrite(s->file, writes[i].off, writes[i].bytes,
                               writes[i].len, error))
            return false;
    return true;
}

static void
log_begin(VhdxLogWriter *log)
{
    if (log->sequence)
        return;
    vd_uuid_new(log->guid);
    log->sequence = 1;
}

static bool
refuse_stuck(const VhdxState *s, GError **error)
{
    return vd_throw(error, VD_ERROR_IO,
                    "%s: a change of its size has failed halfway; it must be "
                    "opened anew",
                    vd_node_name(s->file));
}

bool
vhdx_co_put(void *arg, const VdPageWrite *writes, unsigned n, GError **error)
{
    VdBlocks *blocks = arg;
    VhdxState *s = blocks->spec.format;
    bool owed = s->log.owed;

    s->log.file_bytes = MIN(s->log.file_bytes, vd_node_size(s->file));

    if (s->log.stuck)
        return refuse_stuck(s, error);
    log_begin(&s->log);
    if (!owed)
        advance_tail(s); /* the caller's barrier */
    s->log.owed = true;
    for (unsigned done = 0, now; done < n; done += now) {
        now = MIN(n - done, VHDX_LOG_DESCRIPTORS);
        if (done && !owed) {
            if (!vd_node_co_flush(s->file, error))
                return false;
            advance_tail(s);
        }
        if (!batch_co_put(s, writes + done, now, error))
            return false;
    }
    s->log.owed = false;
    return true;
}

/* Entries tell how long the file must be. */
bool
vhdx_co_empty_log(VdBlocks *blocks, GError **error)
{
    VhdxState *s = blocks->spec.format;
    VhdxHeader hdr = s->headers.now;

    if (s->log.stuck)
        return refuse_stuck(s, error);
    if (!s->log.is_open)
        return true;
    memset(hdr.log, 0, sizeof(hdr.log));
    if (!vhdx_headers_co_store(&s->headers, s->file, &hdr, error))
        return false;
    s->log = (VhdxLogWriter){.file_bytes = s->log.file_bytes};
    return true;
}

bool
vhdx_co_finish(VdNode *node, GError **error)
{
    VhdxState *s = vd_node_state(node);

    return vd_blocks_co_flush(s->blocks, error) &&
           (s->log.stuck || vhdx_co_empty_log(s->blocks, error));
}
