/* SPDX-License-Identifier: BSD-3-Clause */
/* block/spans.c - a write whose parts go different ways, side by side.
 *
 * Concurrency: as the format's functions allow.
 */
#include "block/spans.h"

#define SPANS_IN_FLIGHT 16

typedef struct {
    const VdSpanFuncs *funcs;
    VdSpan span;
} Piece;

static bool
piece_co_write(void *arg, GError **error)
{
    const Piece *piece = arg;

    return piece->funcs->co_write(&piece->span, error);
}

/* The part of @src from @done on. */
static bool
piece_co_cut(Piece *piece, const VdSpan *whole, size_t done, GError **error)
{
    piece->span = *whole;
    piece->span.off += done;
    piece->span.src = vio_vec_slice(&whole->src, done, whole->src.len - done);
    return piece->funcs->co_cut(&piece->span, error);
}

/* @piece is the first one. */
static bool
spans_co_write_many(Piece *piece, const VdSpan *whole, GError **error)
{
    g_autoptr(VioCoGroup) group = vio_co_group_new(SPANS_IN_FLIGHT);
    GError *uncut = NULL;
    size_t done = 0;
    bool ok;

    do {
        done += piece->span.src.len;
        vio_co_group_spawn(group, piece_co_write,
                           g_memdup2(piece, sizeof(*piece)), g_free);
    } while (done < whole->src.len && !vio_co_group_failed(group) &&
             piece_co_cut(piece, whole, done, &uncut));
    /* Join in any case: pieces in flight still read the source. */
    ok = vio_co_group_join(group, uncut ? NULL : error) && !uncut;
    if (uncut)
        g_propagate_error(error, uncut);
    return ok;
}

bool
vd_spans_co_write(const VdSpanFuncs *funcs, void *format, uint64_t off,
                  const VioVec *src, GError **error)
{
    const VdSpan whole = {.format = format, .off = off, .src = *src};
    Piece piece = {.funcs = funcs};

    if (!piece_co_cut(&piece, &whole, 0, error))
        return false;
    return piece.span.src.len == src->len
               ? funcs->co_write(&piece.span, error)
               : spans_co_write_many(&piece, &whole, error);
}
