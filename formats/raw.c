/* SPDX-License-Identifier: BSD-3-Clause */
/* formats/raw.c - format driver "raw": the bytes of the file, or a window of
 * them.
 *
 * Options: offset, size (a window; both in bytes).  Without size the disk is
 * the file from offset to its end, rounded up to whole sectors: the missing
 * part of the last sector reads as zeroes, and the first write into it makes
 * the file that long.
 *
 * That a disk which was only guessed to be raw must not turn into something
 * else by a write to its first sector is the door's business.
 *
 * Concurrency: immutable after open but for the size; requests overlap freely.
 */
#include "formats/raw.h"

#include "block/open.h"
#include "block/rw.h"
#include "block/transaction.h"

#include <inttypes.h>

#define RAW_SECTOR UINT64_C(512)

typedef struct {
    uint64_t offset; /* where the window begins in the child */
    bool windowed;   /* "size" was given: the end is fixed, too */
} RawState;

static uint64_t
raw_round_up(uint64_t size)
{
    return (size + RAW_SECTOR - 1) / RAW_SECTOR * RAW_SECTOR;
}

static VdNode *
raw_child(const VdNode *node)
{
    return vd_node_file(node);
}

/* Bytes of the disk that the child really has. */
static uint64_t
raw_stored(const VdNode *node)
{
    const RawState *s = vd_node_state(node);

    return vd_node_size(raw_child(node)) - s->offset;
}

static int
raw_probe(const uint8_t *head, size_t len, uint64_t size, const char *filename)
{
    return 0; /* anything is raw if it is nothing else */
}

static bool
raw_set_window(VdNode *node, uint64_t size, GError **error)
{
    RawState *s = vd_node_state(node);
    uint64_t have = vd_node_size(raw_child(node));

    if (s->offset > have)
        return vd_throw(error, VD_ERROR_INVALID_ARGUMENT,
                        "%s: offset %" PRIu64 " is behind the end at %" PRIu64,
                        vd_node_name(raw_child(node)), s->offset, have);
    if (!s->windowed) {
        vd_node_set_size(node, raw_round_up(have - s->offset));
        return true;
    }
    if (size % RAW_SECTOR != 0)
        return vd_throw(error, VD_ERROR_INVALID_ARGUMENT,
                        "size %" PRIu64 " is no multiple of %" PRIu64, size,
                        RAW_SECTOR);
    if (size > have - s->offset)
        return vd_throw(error, VD_ERROR_INVALID_ARGUMENT,
                        "%s: %" PRIu64 " bytes at offset %" PRIu64
                        " end behind the file, which has %" PRIu64,
                        vd_node_name(raw_child(node)), size, s->offset, have);
    vd_node_set_size(node, size);
    return true;
}

static bool
raw_co_open(VdNode *node, VdOptions *opts, GError **error)
{
    RawState *s = vd_node_state(node);
    VdNode *child = vd_node_co_open_child(node, "file", NULL, opts,
                                          vd_node_flags(node), error);
    uint64_t size = UINT64_MAX;

    if (!child || !vd_options_take_size(opts, "offset", &s->offset, error) ||
        !vd_options_take_size(opts, "size", &size, error))
        return false;
    s->windowed = size != UINT64_MAX;
    if (!raw_set_window(node, size, error))
        return false;
    /* Alignment is left to the door of the child. */
    vd_node_limits(node)->opt_transfer = vd_node_limits(child)->opt_transfer;
    vd_node_limits(node)->sequential = vd_node_limits(child)->sequential;
    vd_node_limits(node)->open_ended =
        vd_node_limits(child)->open_ended && !s->windowed && s->offset == 0;
    vd_node_set_name(node, vd_node_name(child));
    vd_node_set_write_flags(node, VD_REQ_FUA,
                            VD_REQ_FUA | VD_REQ_MAY_UNMAP | VD_REQ_NO_FALLBACK);
    return true;
}

static bool
raw_co_read_on(VdNode *node, void *buf, size_t len, size_t *got, GError **error)
{
    return vd_node_co_read_on(raw_child(node), buf, len, got, error);
}

static bool
raw_co_map(VdNode *node, uint64_t off, uint64_t len, unsigned want, VdRun *run,
           GError **error)
{
    const RawState *s = vd_node_state(node);
    uint64_t stored = raw_stored(node);

    if (off >= stored) {
        /* The file would have it there if it had it. */
        *run = (VdRun){.kind = VD_RUN_ZERO,
                       .len = len,
                       .allocated = true,
                       .child = raw_child(node),
                       .child_off = s->offset + off};
        return true;
    }
    *run = (VdRun){
        .kind = VD_RUN_DATA,
        .len = MIN(len, stored - off),
        .child = raw_child(node),
        .child_off = s->offset + off,
    };
    return true;
}

/* Complete the last sector before something is written into the part of it
 * that the file does not have. */
static bool
raw_co_complete(VdNode *node, uint64_t end, GError **error)
{
    const RawState *s = vd_node_state(node);

    return end <= raw_stored(node) ||
           vd_node_co_truncate(raw_child(node), s->offset + vd_node_size(node),
                               VD_PREALLOC_OFF, error);
}

static bool
raw_co_pwritev(VdNode *node, uint64_t off, const VioVec *src, VdReqFlags flags,
               GError **error)
{
    const RawState *s = vd_node_state(node);

    return raw_co_complete(node, off + src->len, error) &&
           vd_node_co_pwritev(raw_child(node), s->offset + off, src, flags,
                              error);
}

static bool
raw_co_write_zeroes(VdNode *node, uint64_t off, uint64_t len, VdReqFlags flags,
                    GError **error)
{
    const RawState *s = vd_node_state(node);

    return raw_co_complete(node, off + len, error) &&
           vd_node_co_write_zeroes(raw_child(node), s->offset + off, len, flags,
                                   error);
}

static bool
raw_co_discard(VdNode *node, uint64_t off, uint64_t len, GError **error)
{
    const RawState *s = vd_node_state(node);
    uint64_t stored = raw_stored(node);

    if (off >= stored)
        return true;
    return vd_node_co_discard(raw_child(node), s->offset + off,
                              MIN(len, stored - off), error);
}

static bool
raw_co_truncate(VdNode *node, uint64_t size, VdPrealloc prealloc,
                GError **error)
{
    const RawState *s = vd_node_state(node);
    uint64_t rounded = raw_round_up(size);

    if (s->windowed)
        return vd_throw(error, VD_ERROR_NOT_SUPPORTED,
                        "%s: a raw disk of a fixed size cannot be resized",
                        vd_node_name(node));
    if (rounded > (uint64_t) VD_MAX_SIZE - s->offset)
        return vd_throw(error, VD_ERROR_LIMIT,
                        "%s: size %" PRIu64 " at offset %" PRIu64
                        " is above the maximum %" PRIu64,
                        vd_node_name(node), rounded, s->offset,
                        (uint64_t) VD_MAX_SIZE);
    /* To the byte: the rest of the last sector needs no place. */
    if (!vd_node_co_truncate(raw_child(node), s->offset + size, prealloc,
                             error))
        return false;
    vd_node_set_size(node, rounded);
    return true;
}

/* -- creating ---------------------------------------------------------------
 */

static const char *const raw_prealloc_names[] = {"off", "metadata", "falloc",
                                                 "full", NULL};

static const VdOptionSpec raw_create_options[] = {
    {"size", VD_OPTION_SIZE, NULL, "Virtual disk size", NULL},
    VD_NO_COW_ROW,
    {"preallocation", VD_OPTION_ENUM, NULL,
     "Preallocation mode (allowed values: off, falloc, full)",
     raw_prealloc_names, true},
    VD_EXTENT_SIZE_ROW,
    {NULL},
};

static bool
raw_take_create_options(VdOptions *opts, VdPrealloc *prealloc, GError **error)
{
    uint64_t size = 0;
    unsigned index = 0;

    if (!vd_options_take_enum(opts, "preallocation", raw_prealloc_names, &index,
                              error) ||
        !vd_options_take_size(opts, "size", &size, error))
        return false;
    *prealloc = (VdPrealloc) index; /* in that order */
    return true;
}

static bool
raw_co_create(VdTransaction *tx, const VdCreateSpec *spec, GError **error)
{
    VdPrealloc prealloc;
    VdNode *file;

    if (spec->backing_name)
        return vd_throw(error, VD_ERROR_NOT_SUPPORTED,
                        "Backing file not supported for file format 'raw'");
    if (!raw_take_create_options(spec->options, &prealloc, error))
        return false;
    if (spec->size > (uint64_t) VD_MAX_SIZE)
        return vd_throw(error, VD_ERROR_LIMIT,
                        "size %" PRIu64 " is above the maximum %" PRIu64,
                        spec->size, (uint64_t) VD_MAX_SIZE);
    file = vd_tx_co_file(tx, spec->env, spec->filename,
                         raw_round_up(spec->size), prealloc, error);
    return file && vd_node_co_close(file, error);
}

static bool
raw_co_measure(const VdMeasureSpec *spec, VdMeasureResult *result,
               GError **error)
{
    VdPrealloc prealloc;

    if (!raw_take_create_options(spec->options, &prealloc, error))
        return false;
    result->required = result->fully_allocated = raw_round_up(spec->size);
    return true;
}

/* What the storage says of the disk holds if all of it is shown. */
static const VdDriver *
raw_meta_driver(const VdNode *node)
{
    const RawState *s = vd_node_state(node);

    return s->windowed || s->offset > 0 ? NULL
                                        : vd_node_driver(raw_child(node));
}

static const char *
raw_get_meta(VdNode *node, const char *key)
{
    const VdDriver *drv = raw_meta_driver(node);

    return drv && drv->get_meta ? drv->get_meta(raw_child(node), key) : NULL;
}

static char **
raw_list_meta(VdNode *node)
{
    const VdDriver *drv = raw_meta_driver(node);

    return drv && drv->list_meta ? drv->list_meta(raw_child(node)) : NULL;
}

const VdDriver vd_raw_driver = {
    VD_DRIVER_HEADER,
    .name = "raw",
    .kind = VD_DRIVER_FORMAT,
    .caps = VD_CAP_RAW | VD_CAP_MADE_INSIDE,
    .state_size = sizeof(RawState),
    .create_options = raw_create_options,
    .probe = raw_probe,
    .co_open = raw_co_open,
    .co_create = raw_co_create,
    .co_measure = raw_co_measure,
    .co_map = raw_co_map,
    .co_pwritev = raw_co_pwritev,
    .co_read_on = raw_co_read_on,
    .co_write_zeroes = raw_co_write_zeroes,
    .co_discard = raw_co_discard,
    .co_truncate = raw_co_truncate,
    .get_meta = raw_get_meta,
    .list_meta = raw_list_meta,
};
