/* SPDX-License-Identifier: BSD-3-Clause */
/* formats/qcow2/create.c - new qcow2 images, and how large they become.
 *
 *   header | refcount table | refcount blocks | L1 table [ | L2 tables | data ]
 *
 * Concurrency: create only.
 */
#include "formats/qcow2/first.h"
#include "formats/qcow2/new.h"

#include "block/open.h"
#include "block/transaction.h"
#include "block/codec/codec.h"
#include "formats/blocks/new.h"

#include <inttypes.h>

#define PIECE_BYTES (1u << 20)

/* -- the first cluster ----------------------------------------------------- */

static uint8_t *
first_cluster(Qcow2New *new, GError **error)
{
    Qcow2First first = {
        .hdr = new->hdr,
        .ext = {.backing_format =
                    new->backing_name ? new->backing_format : NULL,
                .data_file = new->data_file},
        .backing_name = new->backing_name,
    };

    return qcow2_first_encode(&first, 0, 0, error);
}

/* -- tables ---------------------------------------------------------------- */

/* @n entries of 8 bytes from cluster @at on: @first, then a cluster more each
 * time. */
static bool
new_co_fill(VdNode *file, const Qcow2New *new, uint64_t at, uint64_t n,
            uint64_t first, GError **error)
{
    VdPagesLayout layout = {.off = at << new->hdr.cluster_bits,
                            .n = n,
                            .entry_bytes = 8,
                            .big_endian = true};

    return vd_blocks_co_fill_table(file, &layout, first,
                                   qcow2_cluster_bytes(&new->hdr), error);
}

static void
set_ones(uint8_t *block, unsigned order, uint64_t n)
{
    unsigned bits = 1u << order;

    for (uint64_t i = 0; i < n; i++) {
        if (bits < 8)
            block[i * bits / 8] |= (uint8_t) (1u << (i * bits % 8));
        else
            block[(i + 1) * bits / 8 - 1] = 1;
    }
}

static bool
new_co_write_blocks(VdNode *file, const Qcow2New *new, GError **error)
{
    size_t cluster = qcow2_cluster_bytes(&new->hdr);
    uint64_t per_block = cluster * 8 >> new->hdr.refcount_order;
    g_autofree uint8_t *block = g_malloc(cluster);

    for (uint64_t i = 0; i < new->n_blocks; i++) {
        memset(block, 0, cluster);
        set_ones(block, new->hdr.refcount_order,
                 MIN(new->total - i *per_block, per_block));
        if (!vd_node_co_pwrite(file, (new->blocks + i) << new->hdr.cluster_bits,
                               block, cluster, error))
            return false;
    }
    return true;
}

/* Entries with all of their subclusters. */
static bool
new_co_write_extended(VdNode *file, const Qcow2New *new, GError **error)
{
    uint64_t n = qcow2_new_disk_clusters(new), per_piece = PIECE_BYTES / 16;
    g_autofree uint8_t *piece = g_malloc(PIECE_BYTES);
    uint64_t first = new->data_file ? 0 : new->data;
    /* Above a parent nothing counts yet. */
    uint64_t bitmap = new->backing_name ? 0 : UINT64_C(0xffffffff);

    for (uint64_t i = 0; i < n; i += per_piece) {
        uint64_t count = MIN(per_piece, n - i);

        for (uint64_t k = 0; k < count; k++) {
            vio_put_be64(piece + 16 * k,
                         ((first + i + k) << new->hdr.cluster_bits) |
                             QCOW2_COPIED);
            vio_put_be64(piece + 16 * k + 8, bitmap);
        }
        if (!vd_node_co_pwrite(file,
                               (new->l2 << new->hdr.cluster_bits) + 16 * i,
                               piece, 16 * count, error))
            return false;
    }
    return true;
}

static bool
new_co_write_l2(VdNode *file, const Qcow2New *new, GError **error)
{
    uint64_t first = new->data_file ? 0 : new->data << new->hdr.cluster_bits;

    if (!new->n_l2)
        return true;
    if (!new_co_fill(file, new, new->l1, new->n_l2,
                     (new->l2 << new->hdr.cluster_bits) | QCOW2_COPIED, error))
        return false;
    if (new->hdr.incompatible & QCOW2_INCOMPAT_EXTENDED_L2)
        return new_co_write_extended(file, new, error);
    return new_co_fill(file, new, new->l2, qcow2_new_disk_clusters(new),
                       first | QCOW2_COPIED, error);
}

static bool
new_co_write(VdNode *file, Qcow2New *new, GError **error)
{
    g_autofree uint8_t *first = first_cluster(new, error);

    return first &&
           new_co_fill(file, new, new->reftable, new->n_blocks,
                       new->blocks << new->hdr.cluster_bits, error) &&
           new_co_write_blocks(file, new, error) &&
           new_co_write_l2(file, new, error) &&
           vd_node_co_pwrite(file, 0, first, qcow2_cluster_bytes(&new->hdr),
                             error);
}

/* -- files ----------------------------------------------------------------- */

static bool
new_co_data_file(VdTransaction *tx, const VdCreateSpec *spec,
                 const Qcow2New *new, GError **error)
{
    g_autofree char *path = NULL;
    VdNode *file;

    if (!new->data_file)
        return true;
    path = vd_path_combine(spec->filename, new->data_file);
    file = vd_tx_co_file(tx, spec->env, path, new->hdr.size,
                         new->prealloc == VD_PREALLOC_METADATA ? VD_PREALLOC_OFF
                                                               : new->prealloc,
                         error);
    return file && vd_node_co_close(file, error);
}

static VdPrealloc
file_prealloc(const Qcow2New *new)
{
    return new->data_file || new->prealloc == VD_PREALLOC_METADATA
               ? VD_PREALLOC_OFF
               : new->prealloc;
}

/* Tables are written as far as they are used, and the rest has to be zero: so
 * it is in a new file, and not in a device. */
static bool
new_co_clear(VdNode *file, const Qcow2New *new, GError **error)
{
    uint64_t end = new->total << new->hdr.cluster_bits;
    VdRun run = {.len = 0};

    for (uint64_t off = 0; off < end; off += run.len)
        if (!vd_node_co_map(file, off, end - off, VD_WANT_ZERO, &run, error) ||
            (run.kind != VD_RUN_ZERO &&
             !vd_node_co_write_zeroes(file, off, run.len, 0, error)))
            return false;
    return true;
}

static bool
new_co_files(VdTransaction *tx, const VdCreateSpec *spec, Qcow2New *new,
             GError **error)
{
    VdNode *file = vd_tx_co_file(tx, spec->env, spec->filename,
                                 new->total << new->hdr.cluster_bits,
                                 file_prealloc(new), error);

    if (!file)
        return false;
    /* What was allocated for it is known to be zero. */
    if ((file_prealloc(new) == VD_PREALLOC_OFF &&
         !new_co_clear(file, new, error)) ||
        !new_co_write(file, new, error)) {
        (void) vd_node_co_close(file, NULL);
        return false;
    }
    return vd_node_co_close(file, error) &&
           new_co_data_file(tx, spec, new, error);
}

bool
qcow2_co_create(VdTransaction *tx, const VdCreateSpec *spec, GError **error)
{
    Qcow2New new;
    bool ok = qcow2_new_init(&new, spec, error) &&
              new_co_files(tx, spec, &new, error);

    if (ok && spec->reopen)
        vd_codec_set_level(spec->reopen, new.level);
    qcow2_new_clear(&new);
    return ok;
}

/* -- measuring ------------------------------------------------------------- */

static bool
new_co_measure(Qcow2New *new, const VdMeasureSpec *spec,
               VdMeasureResult *result, GError **error)
{
    uint64_t tables = qcow2_new_disk_tables(new);
    uint64_t clusters = new->data_file ? 0 : qcow2_new_disk_clusters(new);
    uint64_t cluster = qcow2_cluster_bytes(&new->hdr), used = 0;
    bool full = new->prealloc != VD_PREALLOC_OFF;

    if (!vd_blocks_co_count(spec, cluster, &used, error))
        return false;
    qcow2_new_lay_out(new, tables, clusters);
    result->fully_allocated = new->total *cluster;
    /* All of the metadata count, as for QEMU: the image may be filled later. */
    result->required = new->total *cluster;
    if (!full && !new->data_file)
        result->required -= (clusters - used) * cluster;
    return !spec->source || qcow2_bitmaps_co_measure(spec->source, &new->hdr,
                                                     &result->bitmaps, error);
}

bool
qcow2_co_measure(const VdMeasureSpec *spec, VdMeasureResult *result,
                 GError **error)
{
    VdCreateSpec create = {.size = spec->size, .options = spec->options};
    Qcow2New new;
    bool ok = qcow2_new_init(&new, &create, error) &&
              new_co_measure(&new, spec, result, error);

    qcow2_new_clear(&new);
    return ok;
}
