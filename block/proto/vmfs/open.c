/* SPDX-License-Identifier: BSD-3-Clause */
/* block/proto/vmfs/open.c - opening and closing a file.
 *
 * Options: extent or extent.N (a name, or options of the child); volume (a
 * label or uuid, where there are several); spare-extents=on|off (those without
 * anything of the volume are left out); lun-names (naa.HEX;...: a device that
 * tells another name is wrong); path; write=off|in-place (write.c); and
 * force-share, which every node has: although a host uses the file.
 *
 * We read without a lock.  So the descriptor is read again when the file has
 * been found and checked: what has changed meanwhile is looked up anew.  At the
 * end it is read once more, and a change is told.
 *
 * Concurrency: the node is visible to nobody else.
 */
#include "block/proto/vmfs/state.h"

#include <inttypes.h>
#include <string.h>

#include "block/open.h"
#include "block/proto/text.h"
#include "block/proto/vmfs/locks.h"
#include "block/proto/vmfs/path.h"

#define MAX_TRIES 4

/* By whoever opens it, that is. */
static bool
check_asked_for(const VdNode *node, GError **error)
{
    const VmfsState *s = vd_node_state(node);

    if (!s->in_place)
        return vd_throw(error, VD_ERROR_READ_ONLY,
                        "files on VMFS are never written, only read, unless "
                        "write=in-place asks for it");
    return !vd_node_named_by(node) ||
           vd_throw(error, VD_ERROR_REFUSED,
                    "is named by an image, which is not enough to be written");
}

static bool
take_options(VdNode *node, VdOptions *opts, GError **error)
{
    static const char *const modes[] = {"off", "in-place", NULL};
    VmfsState *s = vd_node_state(node);
    unsigned mode = 0;

    if (!vd_options_take_enum(opts, "write", modes, &mode, error))
        return false;
    s->in_place = mode == 1;
    if (vd_node_is_writable(node) && !check_asked_for(node, error))
        return false;
    vd_options_take_string(opts, "path", &s->path);
    if (!s->path)
        s->path = g_strdup("/");
    return vd_options_take_bool(opts, "list", &s->list, error);
}

/* -- the file -------------------------------------------------------------- */

static bool
check_type(const VmfsState *s, const VmfsFd *fd, GError **error)
{
    if (s->list || fd->type == VMFS_TYPE_FILE || fd->type == VMFS_TYPE_SYSTEM)
        return true;
    if (fd->type == VMFS_TYPE_DIRECTORY)
        return vd_throw(error, VD_ERROR_INVALID_ARGUMENT, "is a directory");
    if (fd->type == VMFS_TYPE_RDM)
        return vd_throw(error, VD_ERROR_NOT_SUPPORTED,
                        "stands for a LUN of its own (raw device mapping), "
                        "where its bytes are");
    return vd_throw(error, VD_ERROR_CORRUPT,
                    "descriptor 0x%08" PRIx32 ": type %" PRIu32 " is not known",
                    fd->address, fd->type);
}

static bool
check_co_use(VdNode *node, const VmfsFd *fd, const char *name, GError **error)
{
    const VmfsState *s = vd_node_state(node);
    g_autofree char *holder = NULL;

    if (vd_node_is_writable(node))
        return vmfs_write_check_file(s, fd, name, error);
    if (s->list || (vd_node_flags(node) & VD_OPEN_FORCE_SHARE))
        return true;
    if (!vmfs_locks_co_find_holder(s->fs, fd, &holder, error))
        return false;
    return !holder ||
           vd_throw(error, VD_ERROR_IN_USE,
                    "is used by host %s: read a snapshot's parent, or say "
                    "that it may be read all the same (force-share)",
                    holder);
}

/* Is what the volume has in the place of @fd still the same? */
static bool
compare_co_now(const VmfsState *s, const VmfsFd *fd, bool *same, GError **error)
{
    const VmfsLayout *l = &s->fs->info.layout;
    g_autoptr(GError) problem = NULL;
    g_autoptr(VmfsFd) now =
        vmfs_fd_co_read_at(s->fs->volume, l, fd->address, fd->offset, &problem);

    if (!now && !vd_error_is(problem, VD_ERROR_CORRUPT) &&
        !vd_error_is(problem, VD_ERROR_LIMIT)) {
        g_propagate_error(error, g_steal_pointer(&problem));
        return false;
    }
    *same = now && vmfs_fd_is_same(l, fd, now);
    return true;
}

/* *@again: it has changed since. */
static bool
find_co_file(VdNode *node, bool *again, GError **error)
{
    VmfsState *s = vd_node_state(node);
    g_autofree char *name = NULL;
    g_autoptr(VmfsFd) fd = vmfs_path_co_find(s->fs, s->path, &name, error);
    bool same;

    if (!fd || !check_type(s, fd, error) ||
        !check_co_use(node, fd, name, error) ||
        !compare_co_now(s, fd, &same, error))
        return false;
    *again = !same;
    if (same)
        s->fd = g_steal_pointer(&fd);
    return true;
}

static bool
open_co_file(VdNode *node, GError **error)
{
    VmfsState *s = vd_node_state(node);
    bool again = true;

    for (unsigned i = 0; again && i < MAX_TRIES; i++)
        if (!find_co_file(node, &again, error))
            return false;
    if (again)
        return vd_throw(error, VD_ERROR_IN_USE,
                        "changes again and again while it is being opened");
    vd_node_set_size(node, s->fd->len);
    return !vd_node_is_writable(node) || vmfs_write_co_begin(node, error);
}

/* -- opening and closing --------------------------------------------------- */

static void
free_state(VmfsState *s)
{
    g_clear_pointer(&s->own, g_array_unref);
    g_clear_pointer(&s->bitmap, vmfs_bitmap_free);
    g_clear_pointer(&s->fd, vmfs_fd_free);
    g_clear_pointer(&s->fs, vmfs_fs_free);
    g_clear_pointer(&s->volumes, g_ptr_array_unref);
    g_clear_pointer(&s->path, g_free);
}

bool
vmfs_co_open(VdNode *node, VdOptions *opts, GError **error)
{
    VmfsState *s = vd_node_state(node);

    vd_node_set_name(node, "vmfs"); /* until the extents have told theirs */
    if (take_options(node, opts, error) && vmfs_co_choose(node, opts, error)) {
        if (open_co_file(node, error))
            return true;
        (void) vd_prefix(error, "%s: ", vd_node_name(node));
    }
    free_state(s);
    return false;
}

/* Whoever has read it all has perhaps read what was never there at one time.
 * That nothing can be read any more says nothing about it. */
static void
check_co_unchanged(VdNode *node)
{
    const VmfsState *s = vd_node_state(node);
    bool same;

    if (!s->list && compare_co_now(s, s->fd, &same, NULL) && !same)
        vd_node_warn(node,
                     "%s: a host has changed the file while it was open: what "
                     "was read may be of different times",
                     vd_node_name(node));
}

void
vmfs_co_close(VdNode *node)
{
    check_co_unchanged(node);
    free_state(vd_node_state(node));
}
