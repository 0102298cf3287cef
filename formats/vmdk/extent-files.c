/* SPDX-License-Identifier: BSD-3-Clause */
/* formats/vmdk/extent-files.c - the files that the extent lines of a disk name.
 *
 * Files must lie where the policy allows (vd_policy_check), since whoever made
 * the image named them; what the open options name instead (extents.N.filename)
 * is the caller's own word.
 *
 * Several raw extents may be pieces of one file or device, as a partitioned
 * disk's are: it is opened once, for writing if one of them wants that.  A disk
 * whose pieces overlap can only be read.  Two names of one file are found by
 * the file's lock.
 *
 * Concurrency: open and close only.
 */
#include "formats/vmdk/extent-files.h"
#include "formats/vmdk/state.h"

#include "block/open.h"

#include <string.h>

/* One path, and all extents that are there. */
typedef struct {
    unsigned n;
    bool raw;   /* all of them */
    bool write; /* one of them wants to */
    VdNode *node;
} FileUse;

static bool
is_raw(VmdkExtentType type)
{
    return type != VMDK_TYPE_SPARSE && type != VMDK_TYPE_SESPARSE &&
           type != VMDK_TYPE_VMFSSPARSE;
}

/* -- names
 * ------------------------------------------------------------------------ */

static char *
option_key(unsigned index)
{
    return g_strdup_printf("extents.%u.filename", index);
}

const char *
vmdk_extent_override(unsigned index, const VdOptions *opts)
{
    g_autofree char *key = option_key(index);

    return opts ? vd_options_peek(opts, key) : NULL;
}

static char *
path_of(const VmdkState *s, unsigned index, const VmdkExtentLine *line,
        const VdOptions *opts)
{
    const char *given = vmdk_extent_override(index, opts);
    g_autofree char *name = NULL;

    if (given)
        return g_strdup(given);
    name = g_strdelimit(g_strdup(line->file), "\\", '/');
    return vd_path_combine(vd_node_name(s->file), name);
}

void
vmdk_extent_note_file(VmdkExtent *e, unsigned index, const VmdkExtentLine *line,
                      const VdOptions *opts)
{
    VmdkState *s = e->state;
    FileUse *use;

    e->path = path_of(s, index, line, opts);
    e->named_by_caller = vmdk_extent_override(index, opts) != NULL;
    if (!s->file_uses)
        s->file_uses =
            g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
    use = g_hash_table_lookup(s->file_uses, e->path);
    if (!use) {
        use = g_new0(FileUse, 1);
        use->raw = true;
        g_hash_table_insert(s->file_uses, g_strdup(e->path), use);
    }
    use->n++;
    use->raw &= is_raw(e->type);
    use->write |= e->access == VMDK_ACCESS_RW;
}

/* -- opening
 * ---------------------------------------------------------------------- */

/* Is it another extent's too, in a way that writing one would harm the other,
 * or the descriptor's? */
static bool
check_unshared(const VmdkExtent *e, const FileUse *use, GError **error)
{
    const VmdkState *s = e->state;
    bool shared =
        (use->n > 1 && !use->raw) || !strcmp(e->path, vd_node_name(s->file));

    return !shared || !use->write || !vd_node_is_writable(s->node) ||
           vd_throw(error, VD_ERROR_REFUSED,
                    "%s: is named twice by the disk, which can therefore only "
                    "be read",
                    e->path);
}

/* It is open already; options for opening it came too late. */
static bool
share(VmdkExtent *e, const char *edge, VdOptions *opts, VdNode *node,
      GError **error)
{
    g_autoptr(VdOptions) sub = opts ? vd_options_take_sub(opts, edge) : NULL;
    g_autofree char *filename = NULL;

    if (sub)
        vd_options_take_string(sub, "filename", &filename);
    if (sub && !vd_options_is_empty(sub))
        return vd_throw(error, VD_ERROR_INVALID_ARGUMENT,
                        "%s: is the file of another extent, whose options "
                        "count; those of %s do not",
                        e->path, edge);
    e->file = node;
    return true;
}

bool
vmdk_extent_co_open_file(VmdkExtent *e, unsigned index, VdOptions *opts,
                         GError **error)
{
    VmdkState *s = e->state;
    FileUse *use = g_hash_table_lookup(s->file_uses, e->path);
    g_autofree char *edge = g_strdup_printf("extents.%u", index);
    VdOpenFlags flags = vd_node_flags(s->node);

    if (!check_unshared(e, use, error))
        return false;
    if (use->raw && use->node)
        return share(e, edge, opts, use->node, error);
    if (!vmdk_extent_override(index, opts) &&
        !vd_policy_check(vd_node_env(s->node), vd_node_name(s->file), e->path,
                         error))
        return false;
    if (!use->write)
        flags &= ~VD_OPEN_RDWR;
    e->file = vd_node_co_open_child(s->node, edge, e->path, opts, flags, error);
    use->node = e->file;
    return e->file != NULL;
}

/* -- pieces of one file
 * ------------------------------------------------------------- */

static int
compare_places(const void *a, const void *b)
{
    const VmdkExtent *x = *(const VmdkExtent *const *) a;
    const VmdkExtent *y = *(const VmdkExtent *const *) b;

    if (x->file != y->file)
        return (uintptr_t) x->file < (uintptr_t) y->file ? -1 : 1;
    return x->file_off < y->file_off ? -1 : x->file_off > y->file_off;
}

static GPtrArray *
list_pieces(const VmdkState *s)
{
    GPtrArray *pieces = g_ptr_array_new();

    for (unsigned i = 0; i < s->n_extents; i++) {
        VmdkExtent *e = &s->extents[i];
        const FileUse *use =
            e->path ? g_hash_table_lookup(s->file_uses, e->path) : NULL;

        if (use && use->n > 1 && use->raw && use->write && e->file)
            g_ptr_array_add(pieces, e);
    }
    g_ptr_array_sort(pieces, compare_places);
    return pieces;
}

bool
vmdk_extents_share_files(const VmdkState *s)
{
    g_autoptr(GHashTable) files = g_hash_table_new(NULL, NULL);

    for (unsigned i = 0; i < s->n_extents; i++)
        if (s->extents[i].file && !g_hash_table_add(files, s->extents[i].file))
            return true;
    return false;
}

void
vmdk_extent_forget_files(VmdkState *s)
{
    g_clear_pointer(&s->file_uses, g_hash_table_unref);
}

bool
vmdk_extents_check_apart(VmdkState *s, GError **error)
{
    g_autoptr(GPtrArray) pieces = NULL;

    if (!s->file_uses)
        return true;
    pieces = list_pieces(s);
    vmdk_extent_forget_files(s);
    if (!vd_node_is_writable(s->node))
        return true;
    for (unsigned i = 1; i < pieces->len; i++) {
        const VmdkExtent *a = g_ptr_array_index(pieces, i - 1);
        const VmdkExtent *b = g_ptr_array_index(pieces, i);

        if (a->file == b->file && b->file_off - a->file_off < a->len)
            return vd_throw(error, VD_ERROR_REFUSED,
                            "%s: byte %" G_GUINT64_FORMAT
                            " is named twice by the disk, which can therefore "
                            "only be read",
                            b->path, b->file_off);
    }
    return true;
}
