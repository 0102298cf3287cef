/* SPDX-License-Identifier: BSD-3-Clause */
/* formats/vmdk/resize/shrink.c - a shorter disk.
 *
 * From the moment at which the descriptor tells of it nobody can reach what is
 * behind the new end; giving its space back may fail without harm, and is made
 * up for by the next who resizes.
 *
 * Concurrency: as resize.c says; reads that have begun before are outlasted.
 */
#include "formats/vmdk/resize/resize.h"
#include "formats/vmdk/sparse/sparse.h"

#include "block/open.h"
#include "io/offload.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* -- what would be lost
 * ------------------------------------------------------------ */

static bool
shrink_co_check_tail(VmdkState *s, uint64_t size, GError **error)
{
    for (unsigned i = s->n_extents; i-- > 0;) {
        VmdkExtent *e = &s->extents[i];
        uint64_t end = 0;

        if (e->start + e->len <= size)
            return true;
        if (e->ops->co_used_end && !e->ops->co_used_end(e, &end, error))
            return false;
        if (end && e->start + end > size)
            return vd_throw(error, VD_ERROR_REFUSED,
                            "%s: there are data up to byte %" PRIu64
                            ", which a size of %" PRIu64
                            " would cut off; discard-tail lets them go",
                            vd_node_name(s->file), e->start + end, size);
    }
    return true;
}

/* Extents [0, n) stay. */
static unsigned
count_kept(const VmdkState *s, uint64_t size)
{
    unsigned n = s->n_extents;

    while (n > 1 && s->extents[n - 1].start >= size)
        n--;
    return n;
}

/* The new last one is cut where it can be cut. */
static bool
check_last(const VmdkState *s, unsigned kept, GError **error)
{
    const VmdkExtent *e = &s->extents[kept - 1];

    return e->access == VMDK_ACCESS_RW ||
           vd_throw(error, VD_ERROR_NOT_SUPPORTED,
                    "%s: extent %u is marked %s and cannot be cut",
                    vd_node_name(s->file), kept - 1,
                    vmdk_access_name(e->access));
}

/* -- the new text
 * -------------------------------------------------------------------- */

static VmdkDescriptor *
shorter_text(const VmdkState *s, uint64_t size, unsigned kept,
             bool keep_geometry, GError **error)
{
    g_autoptr(VmdkDescriptor) desc =
        vmdk_resize_text(s, size, keep_geometry, error);

    if (!desc)
        return NULL;
    while (vmdk_descriptor_n_extents(desc) > kept)
        vmdk_descriptor_remove_extent(desc,
                                      vmdk_descriptor_n_extents(desc) - 1);
    if (!vmdk_resize_text_set_len(desc, kept - 1,
                                  size - s->extents[kept - 1].start, error))
        return NULL;
    return g_steal_pointer(&desc);
}

/* -- giving back
 * --------------------------------------------------------------------- */

typedef struct {
    const char *path;
    int errnum;
} Removal;

static void
remove_main(void *opaque)
{
    Removal *job = opaque;
    struct stat st;

    if (lstat(job->path, &st) || !S_ISREG(st.st_mode))
        return; /* a device, or a link to one: never ours */
    job->errnum = unlink(job->path) ? errno : 0;
}

/* Only files that belong to the disk alone: what an image names may be
 * anything, a device for one. */
static bool
is_own_file(const VmdkExtent *e)
{
    return e->path && !e->named_by_caller && (e->sparse || !e->file_off) &&
           !strcmp(vd_node_driver(e->file)->name, "file") &&
           e->access == VMDK_ACCESS_RW;
}

static bool
shrink_co_remove(VmdkState *s, VmdkExtent *e, GError **error)
{
    Removal job = {.path = e->path};
    bool own = e->file && e->file != s->file && is_own_file(e), ok = true;

    if (e->file && e->file != s->file)
        ok = vd_node_co_close_child(s->node, e->file, error);
    if (own && ok) {
        vio_co_offload(vd_node_loop(s->node), remove_main, &job);
        ok = !job.errnum || vd_throw_errno(error, job.errnum,
                                           "%s: removing the extent", e->path);
    }
    vmdk_extent_clear(e);
    return ok;
}

/* The disk in memory; the extents that went are the caller's. */
static VmdkExtent *
forget_tail(VmdkState *s, uint64_t size, unsigned kept, unsigned *n_gone)
{
    VmdkExtent *gone;

    *n_gone = s->n_extents - kept;
    gone = g_memdup2(s->extents + kept, *n_gone * sizeof(VmdkExtent));
    if (*n_gone)
        vmdk_extents_replace(
            s, g_memdup2(s->extents, kept * sizeof(VmdkExtent)), kept);
    s->extents[kept - 1].len = size - s->extents[kept - 1].start;
    return gone;
}

static bool
shrink_co_give_back(VmdkState *s, VmdkExtent *gone, unsigned n_gone,
                    GError **error)
{
    VmdkExtent *last = &s->extents[s->n_extents - 1];
    bool ok = !last->ops->co_shrink || last->ops->co_shrink(last, error);

    vd_node_co_stop_flushes(s->node);
    for (unsigned i = 0; i < n_gone; i++)
        ok = shrink_co_remove(s, &gone[i], ok ? error : NULL) && ok;
    vd_node_allow_flushes(s->node);
    return ok;
}

/* The disk has its new size, whatever becomes of this. */
static void
shrink_co_finish(VmdkState *s, uint64_t size, unsigned kept)
{
    g_autoptr(GError) error = NULL;
    g_autofree VmdkExtent *gone = NULL;
    unsigned n_gone;

    vd_node_set_size(s->node, size);
    vd_node_co_settle(s->node);
    gone = forget_tail(s, size, kept, &n_gone);
    if (!shrink_co_give_back(s, gone, n_gone, &error))
        vd_node_warn(s->node,
                     "%s: is shorter, but not all of the space was given "
                     "back: %s",
                     vd_node_name(s->file), error->message);
}

bool
vmdk_resize_co_shrink(VmdkState *s, uint64_t size, const VdResize *how,
                      GError **error)
{
    unsigned kept = count_kept(s, size);
    VmdkDescriptor *next;
    bool on_disk;

    if (!check_last(s, kept, error) ||
        (!how->discard_tail && !shrink_co_check_tail(s, size, error)) ||
        !vmdk_co_note_resize(s, error))
        return false;
    next = shorter_text(s, size, kept, how->keep_geometry, error);
    if (!next || !vmdk_resize_co_switch(s, next, &on_disk, error))
        return false;
    shrink_co_finish(s, size, kept);
    return true;
}
