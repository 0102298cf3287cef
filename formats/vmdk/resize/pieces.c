/* SPDX-License-Identifier: BSD-3-Clause */
/* formats/vmdk/resize/pieces.c - further extents of a split disk.
 *
 * Their files are new: a file that is in the way may be somebody else's, and
 * stays.
 *
 * Concurrency: as resize.c says.
 */
#include "formats/vmdk/create/create.h"
#include "formats/vmdk/descriptor/names.h"
#include "formats/vmdk/resize/resize.h"
#include "formats/vmdk/sparse/new-file.h"
#include "formats/vmdk/sparse/sparse.h"

#include "block/open.h"

#include <string.h>

/* Names in a row that are tried. */
#define MAX_TAKEN 1000

/* -- how large, and what they are called
 * ------------------------------------------ */

static bool
is_split(const VmdkState *s)
{
    const char *type = vmdk_descriptor_get(s->desc, "createType");

    return type && (!g_ascii_strcasecmp(type, "twoGbMaxExtentSparse") ||
                    !g_ascii_strcasecmp(type, "twoGbMaxExtentFlat") ||
                    !g_ascii_strcasecmp(type, "2GbMaxExtentSparse") ||
                    !g_ascii_strcasecmp(type, "2GbMaxExtentFlat"));
}

/* A disk of one extent does not tell: the smallest size in use that it fits
 * into. */
static uint64_t
guess_size(uint64_t len)
{
    static const uint32_t known[] = {VMDK_SPLIT_SECTORS, 4194304, 8323072};

    for (unsigned i = 0; i < G_N_ELEMENTS(known); i++)
        if (len <= (uint64_t) known[i] * VMDK_SECTOR)
            return (uint64_t) known[i] * VMDK_SECTOR;
    return len;
}

uint64_t
vmdk_pieces_size(const VmdkState *s)
{
    uint64_t full = 0;

    if (!is_split(s))
        return 0;
    for (unsigned i = 0; i + 1 < s->n_extents; i++)
        full = MAX(full, s->extents[i].len);
    return full ? full : guess_size(s->extents[0].len);
}

/* The number in "x-s001.vmdk" plus one; NULL if there is none. */
static char *
successor(const char *file)
{
    const char *dot = strrchr(file, '.');
    const char *end = dot ? dot : file + strlen(file), *first = end;
    uint64_t number;

    while (first > file && g_ascii_isdigit(first[-1]))
        first--;
    if (end - first < 3 || end - first > 9 || first - file < 2 ||
        first[-2] != '-')
        return NULL;
    number = g_ascii_strtoull(first, NULL, 10) + 1;
    return g_strdup_printf("%.*s%0*" G_GUINT64_FORMAT "%s",
                           (int) (first - file), file, (int) (end - first),
                           number, end);
}

/* As the others are called; a descriptor may have been renamed without its
 * extents. */
static char *
next_file(const VmdkState *s, const VmdkDescriptor *desc)
{
    unsigned n = vmdk_descriptor_n_extents(desc);
    const VmdkExtentLine *last = vmdk_descriptor_extent(desc, n - 1);
    char *file = last->file ? successor(last->file) : NULL;
    g_autofree char *path = NULL;

    if (file)
        return file;
    path =
        vmdk_name_extent(vd_node_name(s->file),
                         last->type == VMDK_TYPE_SPARSE ? VMDK_NAME_SPLIT_SPARSE
                                                        : VMDK_NAME_SPLIT_FLAT,
                         n + 1);
    return g_path_get_basename(path);
}

/* -- making
 * ------------------------------------------------------------------------ */

void
vmdk_pieces_init(VmdkPieces *pieces, VmdkState *s)
{
    *pieces = (VmdkPieces){.s = s, .env = *vd_node_env(s->node)};
    pieces->extents = g_array_new(FALSE, TRUE, sizeof(VmdkExtent));
    if (pieces->env.tx)
        return;
    pieces->tx = vd_tx_new(vd_node_loop(s->node), false, true);
    vd_tx_allow_flushes(pieces->tx);
    pieces->env.tx = pieces->tx;
}

/* Grains and marks as in the extents that are there. */
static VmdkHeader
piece_header(const VmdkState *s, uint64_t sectors)
{
    const VmdkHeader *like = &s->extents[s->n_extents - 1].sparse->hdr;
    VmdkHeader hdr;

    vmdk_header_layout_sparse(&hdr, sectors, like->grain_sectors, false);
    hdr.flags |= like->flags & VMDK_FLAG_ZEROED_GTE;
    hdr.version = hdr.flags & VMDK_FLAG_ZEROED_GTE ? 2 : 1;
    return hdr;
}

static bool
pieces_co_make_file(VmdkPieces *pieces, const char *path, uint64_t len,
                    bool flat, VdPrealloc prealloc, GError **error)
{
    VdNode *file =
        vd_tx_co_file(pieces->env.tx, &pieces->env, path, flat ? len : 0,
                      flat ? prealloc : VD_PREALLOC_OFF, error);
    bool ok = file != NULL;

    if (!file)
        return false;
    if (!flat) {
        VmdkHeader hdr = piece_header(pieces->s, len / VMDK_SECTOR);

        ok = vmdk_layout_co_write_new(file, &hdr, prealloc, error);
    }
    ok = ok && (!pieces->tx || vd_node_co_flush(file, error));
    return vd_node_co_close(file, ok ? error : NULL) && ok;
}

static bool
pieces_co_open(VmdkPieces *pieces, const VmdkExtentLine *line, GError **error)
{
    VmdkState *s = pieces->s;
    VmdkExtent e;
    bool ok = vmdk_extent_co_open_line(s, s->n_extents + pieces->extents->len,
                                       line, &e, error);

    g_array_append_val(pieces->extents, e); /* to be closed in any case */
    return ok;
}

/* Under the first free name from @line->file on, which is replaced by it: a
 * crash may have left files that no descriptor names. */
static bool
pieces_co_make_somewhere(VmdkPieces *pieces, VmdkExtentLine *line,
                         VdPrealloc prealloc, GError **error)
{
    const char *base = vd_node_name(pieces->s->file);

    for (unsigned tries = MAX_TAKEN; tries; tries--) {
        g_autofree char *path = vd_path_combine(base, line->file);
        g_autofree char *taken = NULL;
        g_autoptr(GError) failure = NULL;

        if (pieces_co_make_file(pieces, path, line->sectors * VMDK_SECTOR,
                                line->type != VMDK_TYPE_SPARSE, prealloc,
                                &failure))
            return true;
        if (tries == 1 ||
            !g_error_matches(failure, VD_ERROR, VD_ERROR_EXISTS)) {
            g_propagate_error(error, g_steal_pointer(&failure));
            return false;
        }
        taken = line->file;
        line->file = successor(taken);
    }
    g_assert_not_reached();
}

bool
vmdk_pieces_co_add(VmdkPieces *pieces, VmdkDescriptor *desc, uint64_t len,
                   VdPrealloc prealloc, GError **error)
{
    VmdkState *s = pieces->s;
    VmdkExtentLine line = {.type = s->extents[s->n_extents - 1].type,
                           .sectors = len / VMDK_SECTOR,
                           .file = next_file(s, desc)};
    bool ok = pieces_co_make_somewhere(pieces, &line, prealloc, error) &&
              vmdk_descriptor_add_extent(desc, &line, error) &&
              pieces_co_open(pieces, &line, error);

    g_free(line.file);
    return ok;
}

bool
vmdk_pieces_co_sync(VmdkPieces *pieces, GError **error)
{
    return !pieces->extents->len || !pieces->tx ||
           vd_tx_co_sync(pieces->tx, error);
}

/* -- ending
 * ------------------------------------------------------------------------ */

static void
pieces_clear(VmdkPieces *pieces)
{
    g_clear_pointer(&pieces->tx, vd_tx_free);
    g_clear_pointer(&pieces->extents, g_array_unref);
}

/* Behind the ones that there are. */
static void
append_extents(VmdkState *s, const GArray *added)
{
    unsigned n = s->n_extents + added->len;
    VmdkExtent *all = g_new(VmdkExtent, n);
    const VmdkExtent *new = (const VmdkExtent *) (void *) added->data;

    memcpy(all, s->extents, s->n_extents * sizeof(VmdkExtent));
    memcpy(all + s->n_extents, new, added->len * sizeof(VmdkExtent));
    for (unsigned i = s->n_extents; i < n; i++)
        all[i].start = all[i - 1].start + all[i - 1].len;
    vmdk_extents_replace(s, all, n);
}

void
vmdk_pieces_co_accept(VmdkPieces *pieces)
{
    /* Everything is durable already, and nothing has to be renamed. */
    if (pieces->tx)
        (void) vd_tx_co_commit(pieces->tx, NULL);
    if (pieces->extents->len)
        append_extents(pieces->s, pieces->extents);
    pieces_clear(pieces);
}

void
vmdk_pieces_co_drop(VmdkPieces *pieces, bool keep_files)
{
    vd_node_co_stop_flushes(pieces->s->node);
    for (unsigned i = 0; i < pieces->extents->len; i++) {
        VmdkExtent *e = &g_array_index(pieces->extents, VmdkExtent, i);

        vmdk_extent_clear(e);
        if (e->file) /* nothing was written to it through this node */
            (void) vd_node_co_close_child(pieces->s->node, e->file, NULL);
    }
    vd_node_allow_flushes(pieces->s->node);
    if (pieces->tx && keep_files)
        (void) vd_tx_co_commit(pieces->tx, NULL); /* as above */
    else if (pieces->tx)
        vd_tx_co_abort(pieces->tx);
    pieces_clear(pieces);
}
