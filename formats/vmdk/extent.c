/* SPDX-License-Identifier: BSD-3-Clause */
/* formats/vmdk/extent.c - the extents of a disk: opening and finding them.
 *
 * The extent lines decide what a disk is made of; createType is hearsay.  Every
 * line counts, whatever its access word.
 *
 * Concurrency: open and close only; vmdk_extent_at() never yields.
 */
#include "formats/vmdk/extent-files.h"
#include "formats/vmdk/sesparse/sesparse.h"
#include "formats/vmdk/sparse/sparse.h"

#include "block/open.h"

VmdkExtent *
vmdk_extent_at(const VmdkState *s, uint64_t off)
{
    unsigned lo = 0, hi = s->n_extents - 1;

    while (lo < hi) {
        unsigned mid = lo + (hi - lo + 1) / 2;

        if (s->extents[mid].start <= off)
            lo = mid;
        else
            hi = mid - 1;
    }
    return &s->extents[lo];
}

uint64_t
vmdk_extent_grain_bytes(const VmdkExtent *e)
{
    if (e->sesparse)
        return VMDK_SE_GRAIN_BYTES;
    return e->sparse ? e->sparse->grain_bytes : 0;
}

bool
vmdk_extent_is_unclean(const VmdkExtent *e)
{
    return (e->sparse && e->sparse->hdr.unclean) ||
           (e->sesparse && e->sesparse->vol.replay);
}

bool
vmdk_extent_is_stream(const VmdkExtent *e)
{
    return e->ops == &vmdk_stream_ops || e->ops == &vmdk_fill_ops;
}

/* The descriptor's word on the size counts if it is not above the header's. */
bool
vmdk_extent_settle_size(VmdkExtent *e, uint64_t capacity_sectors,
                        uint64_t line_sectors, GError **error)
{
    uint64_t sectors = capacity_sectors;

    e->capacity_sectors = capacity_sectors;
    if (line_sectors > sectors)
        vd_node_warn(e->state->node,
                     "%s: the descriptor says %" G_GUINT64_FORMAT
                     " sectors, the extent has %" G_GUINT64_FORMAT,
                     vd_node_name(e->file), line_sectors, sectors);
    if (line_sectors && line_sectors < sectors)
        sectors = line_sectors;
    if (sectors > VD_MAX_SIZE / VMDK_SECTOR)
        return vd_throw(error, VD_ERROR_LIMIT,
                        "%s: capacity of %" G_GUINT64_FORMAT
                        " sectors, at most %" G_GUINT64_FORMAT,
                        vd_node_name(e->file), sectors,
                        (uint64_t) VD_MAX_SIZE / VMDK_SECTOR);
    e->len = sectors * VMDK_SECTOR;
    return true;
}

bool
vmdk_extent_co_read_parent(VmdkExtent *e, uint64_t off, uint8_t *buf,
                           size_t len, GError **error)
{
    VdNode *parent = vd_node_parent(e->state->node);
    struct iovec iov;
    VioVec dst = vio_vec_from_buf(&iov, buf, len);

    if (!parent)
        return vd_throw(error, VD_ERROR_NOT_FOUND,
                        "%s: byte %" G_GUINT64_FORMAT
                        " comes from the parent, which is not open",
                        vd_node_name(e->state->node), e->start + off);
    return vd_node_co_preadv_eof(parent, e->start + off, &dst, error);
}

/* -- kinds
 * ---------------------------------------------------------------------- */

/* Kinds that we know by name only. */
static bool
refuse_kind(const VmdkState *s, const VmdkExtentLine *line, GError **error)
{
    const char *why = "is not supported";

    if (line->type == VMDK_TYPE_VMFSRDM)
        why = "maps a raw device: its data are on a LUN, not in the file; an "
              "option extents.N.filename can name that";
    else if (line->type == VMDK_TYPE_VSANSPARSE)
        why = "is an object on vSAN: there is no file to read";
    return vd_throw(error, VD_ERROR_NOT_SUPPORTED,
                    "%s: extent \"%s\" of type %s %s", vd_node_name(s->file),
                    line->file ? line->file : "",
                    vmdk_extent_type_name(line->type), why);
}

static bool
is_sparse(VmdkExtentType type)
{
    return type == VMDK_TYPE_SPARSE || type == VMDK_TYPE_VMFSSPARSE;
}

/* The mapping file of a raw device holds no data; a file or device that the
 * caller names instead does. */
static bool
type_is_known(VmdkExtentType type, unsigned index, const VdOptions *opts)
{
    return type == VMDK_TYPE_FLAT || type == VMDK_TYPE_VMFS ||
           is_sparse(type) || type == VMDK_TYPE_SESPARSE ||
           type == VMDK_TYPE_VMFSRAW || type == VMDK_TYPE_ZERO ||
           (type == VMDK_TYPE_VMFSRDM && vmdk_extent_override(index, opts));
}

static bool
needs_file(const VmdkExtent *e)
{
    return e->type != VMDK_TYPE_ZERO && e->access != VMDK_ACCESS_NOACCESS;
}

static bool
setup_flat(VmdkExtent *e, const VmdkExtentLine *line, GError **error)
{
    uint64_t size = vd_node_size(e->file);

    if (line->offset_sectors > VD_MAX_SIZE / VMDK_SECTOR - line->sectors)
        return vd_throw(error, VD_ERROR_LIMIT,
                        "%s: offset of %" G_GUINT64_FORMAT
                        " sectors is too large",
                        e->path, line->offset_sectors);
    e->ops = &vmdk_flat_ops;
    e->file_off = line->offset_sectors * VMDK_SECTOR;
    if (size < e->file_off + e->len)
        vd_node_warn(e->state->node,
                     "%s: has %" G_GUINT64_FORMAT " bytes, the descriptor says "
                     "%" G_GUINT64_FORMAT "; the rest reads as zeroes",
                     e->path, size, e->file_off + e->len);
    return true;
}

/* e->file is open, or not needed. */
static bool
extent_co_setup_extent(VmdkExtent *e, const VmdkExtentLine *line,
                       GError **error)
{
    if (!needs_file(e)) {
        e->ops = &vmdk_zero_ops;
        return true;
    }
    if (is_sparse(e->type))
        return vmdk_sparse_co_open(e, line->sectors, error);
    if (e->type == VMDK_TYPE_SESPARSE)
        return vmdk_sesparse_co_open(e, line->sectors, error);
    return setup_flat(e, line, error);
}

/* -- one extent
 * ----------------------------------------------------------------------- */

/* With only the headers wanted, what is not there is not missed; and a check
 * tells rather than fails.  @problem is taken over. */
static bool
tolerate(VmdkExtent *e, GError *problem, GError **error)
{
    VdOpenFlags flags = vd_node_flags(e->state->node);

    if (!(flags & VD_OPEN_NO_IO) &&
        (!(flags & VD_OPEN_CHECK) || vd_error_is(problem, VD_ERROR_REFUSED) ||
         vd_error_is(problem, VD_ERROR_IN_USE) ||
         vd_error_is(problem, VD_ERROR_CANCELLED))) {
        g_propagate_error(error, problem);
        return false;
    }
    vmdk_sparse_free(e);
    vmdk_sesparse_free(e);
    e->ops = NULL;
    e->problem = problem;
    return true;
}

static bool
extent_co_find(VmdkExtent *e, unsigned index, const VmdkExtentLine *line,
               VdOptions *opts, GError **error)
{
    VmdkState *s = e->state;

    if (!type_is_known(e->type, index, opts))
        return refuse_kind(s, line, error);
    if (e->path && !vmdk_extent_co_open_file(e, index, opts, error))
        return false;
    return !e->path || !e->file || !is_sparse(e->type) ||
           vmdk_co_finish_repair(s->node, e->file, error);
}

static bool
extent_co_open_extent(VmdkExtent *e, unsigned index, const VmdkExtentLine *line,
                      VdOptions *opts, GError **error)
{
    VdOpenFlags flags = vd_node_flags(e->state->node);
    GError *failure = NULL;

    if (!extent_co_find(e, index, line, opts, &failure))
        return tolerate(e, failure, error);
    if (extent_co_setup_extent(e, line, &failure))
        return true;
    /* Of a file that is there a reader of headers wants to hear. */
    if (flags & VD_OPEN_CHECK && e->file != e->state->file)
        return tolerate(e, failure, error);
    g_propagate_error(error, failure);
    return false;
}

/* -- the whole disk
 * ---------------------------------------------------------------- */

/* Places in the disk, from the lengths that opening has settled. */
static bool
lay_out(VmdkState *s, GError **error)
{
    uint64_t off = 0;

    for (unsigned i = 0; i < s->n_extents; i++) {
        s->extents[i].start = off;
        if (s->extents[i].len > VD_MAX_SIZE - off)
            return vd_throw(
                error, VD_ERROR_LIMIT,
                "%s: the extents add up to more than %" G_GUINT64_FORMAT
                " bytes",
                vd_node_name(s->file), (uint64_t) VD_MAX_SIZE);
        off += s->extents[i].len;
    }
    vd_node_set_size(s->node, off);
    return true;
}

static bool
extent_init(VmdkExtent *e, VmdkState *s, const VmdkExtentLine *line,
            GError **error)
{
    if (line->sectors > VD_MAX_SIZE / VMDK_SECTOR)
        return vd_throw(error, VD_ERROR_LIMIT,
                        "%s: extent of %" G_GUINT64_FORMAT " sectors",
                        vd_node_name(s->file), line->sectors);
    *e = (VmdkExtent){.state = s,
                      .access = line->access,
                      .type = line->type,
                      .len = line->sectors * VMDK_SECTOR};
    return true;
}

static void
note_file(VmdkExtent *e, unsigned index, const VmdkExtentLine *line,
          const VdOptions *opts)
{
    if (needs_file(e) && type_is_known(e->type, index, opts))
        vmdk_extent_note_file(e, index, line, opts);
}

static bool
setup_lines(VmdkState *s, const VdOptions *opts, GError **error)
{
    bool embedded = s->has_header && s->header.capacity_sectors;

    s->n_extents = vmdk_descriptor_n_extents(s->desc);
    if (!s->n_extents)
        return vd_throw(error, VD_ERROR_CORRUPT,
                        "%s: the descriptor has no extents",
                        vd_node_name(s->file));
    s->extents = g_new0(VmdkExtent, s->n_extents);
    for (unsigned i = 0; i < s->n_extents; i++) {
        const VmdkExtentLine *line = vmdk_descriptor_extent(s->desc, i);
        VmdkExtent *e = &s->extents[i];

        if (!extent_init(e, s, line, error))
            return false;
        /* An embedded descriptor describes the file it is in, whatever name
         * it gives: files get renamed. */
        if (embedded && e->type == VMDK_TYPE_SPARSE) {
            e->file = s->file;
            embedded = false;
        } else {
            note_file(e, i, line, opts);
        }
    }
    return true;
}

static void
warn_bare(const VmdkState *s)
{
    const char *name = vd_node_name(s->file);

    if (s->header_parent)
        vd_node_warn(s->node,
                     "%s: is one extent of a disk; its header names %s as its "
                     "parent, which is not looked at",
                     name, s->header_parent);
    else
        vd_node_warn(s->node,
                     "%s: is one extent of a disk; whether there is a parent "
                     "is unknown",
                     name);
}

static VmdkExtentType
bare_type(const VmdkState *s)
{
    if (s->bare_sesparse)
        return VMDK_TYPE_SESPARSE;
    return s->header.cowd ? VMDK_TYPE_VMFSSPARSE : VMDK_TYPE_SPARSE;
}

/* An extent without any descriptor. */
static bool
extent_co_open_bare(VmdkState *s, GError **error)
{
    VmdkExtent *e;

    if (vd_node_is_writable(s->node))
        return vd_throw(error, VD_ERROR_READ_ONLY,
                        "%s: is one extent of a disk; open the disk's "
                        "descriptor to write",
                        vd_node_name(s->file));
    warn_bare(s);
    s->n_extents = 1;
    e = s->extents = g_new0(VmdkExtent, 1);
    *e = (VmdkExtent){.state = s,
                      .file = s->file,
                      .access = VMDK_ACCESS_RDONLY,
                      .type = bare_type(s)};
    return s->bare_sesparse ? vmdk_sesparse_co_open(e, 0, error)
                            : vmdk_sparse_co_open(e, 0, error);
}

bool
vmdk_extents_co_open(VmdkState *s, VdOptions *opts, GError **error)
{
    if (!s->desc)
        return extent_co_open_bare(s, error) && lay_out(s, error);
    if (!setup_lines(s, opts, error))
        return false;
    if (vd_node_flags(s->node) & VD_OPEN_NO_EXTENTS)
        return lay_out(s, error);
    for (unsigned i = 0; i < s->n_extents; i++)
        if (!extent_co_open_extent(&s->extents[i], i,
                                   vmdk_descriptor_extent(s->desc, i), opts,
                                   error))
            return false;
    return vmdk_extents_check_apart(s, error) && lay_out(s, error);
}

bool
vmdk_extent_co_open_line(VmdkState *s, unsigned index,
                         const VmdkExtentLine *line, VmdkExtent *e,
                         GError **error)
{
    bool ok;

    if (!extent_init(e, s, line, error))
        return false;
    note_file(e, index, line, NULL);
    ok = extent_co_open_extent(e, index, line, NULL, error);
    vmdk_extent_forget_files(s);
    return ok;
}

void
vmdk_extents_replace(VmdkState *s, VmdkExtent *extents, unsigned n)
{
    if (!s->old_extents)
        s->old_extents = g_ptr_array_new_with_free_func(g_free);
    g_ptr_array_add(s->old_extents, s->extents);
    s->extents = extents;
    s->n_extents = n;
}

void
vmdk_extent_clear(VmdkExtent *e)
{
    vmdk_sparse_free(e);
    vmdk_sesparse_free(e);
    g_clear_pointer(&e->path, g_free);
    g_clear_error(&e->problem);
}

void
vmdk_extents_free(VmdkState *s)
{
    for (unsigned i = 0; i < s->n_extents; i++)
        vmdk_extent_clear(&s->extents[i]);
    g_clear_pointer(&s->extents, g_free);
    g_clear_pointer(&s->old_extents, g_ptr_array_unref);
    vmdk_extent_forget_files(s);
    s->n_extents = 0;
}
