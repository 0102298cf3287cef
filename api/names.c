/* SPDX-License-Identifier: BSD-3-Clause */
/* api/names.c - which files an image has, and giving them other names or none.
 *
 * The file that names the others is held first, so that what is read in it
 * still stands when the others are held.
 *
 * Concurrency: no state of its own.
 */
#include "api/disk.h"

#include "block/moves.h"
#include "block/name.h"
#include "io/offload.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

/* -- listing ----------------------------------------------------------------
 */

typedef struct {
    VdDisk *disk;
    char **files;
} FilesCall;

/* The file at the bottom of a node without extents. */
static char **
files_of_leaf(VdNode *node)
{
    char **files = g_new0(char *, 2);

    while (vd_node_child(node, "file") != NULL)
        node = vd_node_child(node, "file");
    files[0] = g_strdup(vd_node_name(node));
    return files;
}

static char **
files_of(VdNode *node)
{
    const VdDriver *drv = vd_node_driver(node);

    return drv->list_files ? drv->list_files(node) : files_of_leaf(node);
}

static bool
files_co_list(void *arg, GError **error)
{
    FilesCall *call = arg;

    call->files = files_of(call->disk->node);
    return true;
}

char **
vd_disk_list_files(VdDisk *disk)
{
    FilesCall call = {.disk = disk};

    if (!vd_context_run(disk->ctx, files_co_list, &call, NULL))
        return g_new0(char *, 1);
    return call.files;
}

static bool
children_co_list(void *arg, GError **error)
{
    FilesCall *call = arg;
    VdNode *node = call->disk->node;
    GPtrArray *paths = NULL;

    if (vd_node_driver(node)->co_find_children == NULL) {
        call->files = g_new0(char *, 1);
        return true;
    }
    if (!vd_node_driver(node)->co_find_children(node, &paths, error))
        return false;
    g_ptr_array_set_free_func(paths, NULL);
    g_ptr_array_add(paths, NULL);
    call->files = (char **) g_ptr_array_free(paths, FALSE);
    return true;
}

char **
vd_disk_list_children(VdDisk *disk, GError **error)
{
    FilesCall call = {.disk = disk};

    (void) vd_context_run(disk->ctx, children_co_list, &call, error);
    return call.files;
}

/* -- doing something to all files of an image ---------------------------------
 */

typedef struct NamesCall NamesCall;

struct NamesCall {
    VdContext *ctx;
    const char *name;     /* as given */
    const char *path;     /* of it */
    const char *new_path; /* rename */
    unsigned flags;
    VdMoves *moves;
    char *remains; /* unlink: the name under which it was left half removed */
    VdNode *node;  /* open for its descriptor only */
    bool (*hold)(NamesCall *call, GError **error);    /* on a worker */
    bool (*co_node)(NamesCall *call, GError **error); /* what it is about */
    bool (*blocking)(NamesCall *call, GError **error);
    GError *error;
    bool ok;
};

static void
names_work(void *opaque)
{
    NamesCall *call = opaque;

    call->ok = call->blocking(call, &call->error);
}

static bool
names_co_work(NamesCall *call, bool (*func)(NamesCall *call, GError **error),
              GError **error)
{
    call->blocking = func;
    vio_co_offload(call->ctx->loop, names_work, call);
    if (call->error != NULL)
        g_propagate_error(error, g_steal_pointer(&call->error));
    return call->ok;
}

/* A path, and nothing else, stands behind @name. */
static const char *
names_path(const char *name, GError **error)
{
    const char *path = vd_name_strip_file(name);

    if (*path != '\0' &&
        (path != name || vd_name_kind(path, NULL) == VD_NAME_PATH))
        return path;
    return vd_throw_null(error, VD_ERROR_INVALID_ARGUMENT,
                         "'%s' is not the name of a file", name);
}

static bool
names_check_kind(const NamesCall *call, const char *doing, GError **error)
{
    struct stat st;

    if (lstat(call->path, &st) != 0)
        return vd_throw_errno(error, errno, "Could not open '%s'", call->path);
    if (S_ISLNK(st.st_mode))
        return vd_throw(error, VD_ERROR_REFUSED,
                        "%s: is a symbolic link; what it leads to is to be %s "
                        "by its own name",
                        call->path, doing);
    return S_ISREG(st.st_mode) ||
           vd_throw(error, VD_ERROR_REFUSED,
                    "%s: is no regular file and is not %s", call->path, doing);
}

/* Open the link that is held by now. */
static VdDisk *
names_co_open(NamesCall *call, GError **error)
{
    VdDisk *disk =
        vd_disk_co_open(call->ctx, call->name, NULL, NULL,
                        VD_OPEN_NO_IO | VD_OPEN_NO_EXTENTS | VD_OPEN_NO_PARENT |
                            VD_OPEN_CHECK | VD_OPEN_NO_LOCK,
                        NULL, error);

    call->node = disk != NULL ? disk->node : NULL;
    return disk;
}

static bool
names_co_call(void *arg, GError **error)
{
    NamesCall *call = arg;
    VdDisk *disk;
    bool ok;

    if (!names_co_work(call, call->hold, error))
        return false;
    disk = names_co_open(call, error);
    if (disk == NULL)
        return false;
    ok = call->co_node(call, error);
    (void) vd_disk_co_close(disk, NULL); /* was read only */
    return ok;
}

/* -- renaming ----------------------------------------------------------------
 */

static bool
rename_hold(NamesCall *call, GError **error)
{
    return names_check_kind(call, "renamed", error) &&
           vd_moves_hold(call->moves, call->path, error);
}

/* Where there are no hard links, there may be a rename that overwrites
 * nothing. */
static bool
rename_one_file(NamesCall *call, GError **error)
{
    g_autoptr(GError) failure = NULL;
    bool ok;

    if (vd_moves_link(call->moves, call->path, call->new_path, &failure))
        ok = vd_moves_unlink(call->moves, call->path, call->new_path, error);
    else if (vd_error_is(failure, VD_ERROR_NOT_SUPPORTED))
        ok = vd_moves_rename(call->moves, call->path, call->new_path, error);
    else
        return g_propagate_error(error, g_steal_pointer(&failure)), false;
    ok = ok && vd_moves_sync(call->moves, error);
    if (!ok)
        vd_moves_undo(call->moves);
    return ok;
}

static bool
rename_co_node(NamesCall *call, GError **error)
{
    const VdDriver *drv = vd_node_driver(call->node);

    if (drv->co_rename != NULL)
        return drv->co_rename(call->node, call->new_path, call->flags,
                              call->moves, error);
    return names_co_work(call, rename_one_file, error);
}

bool
vd_image_rename(VdContext *ctx, const char *old_path, const char *new_path,
                unsigned flags, GError **error)
{
    g_autoptr(VdMoves) moves = vd_moves_new();
    NamesCall call = {.ctx = ctx,
                      .name = old_path,
                      .path = names_path(old_path, error),
                      .flags = flags,
                      .moves = moves,
                      .hold = rename_hold,
                      .co_node = rename_co_node};

    if (call.path == NULL)
        return false;
    call.new_path = names_path(new_path, error);
    return call.new_path != NULL &&
           vd_context_run(ctx, names_co_call, &call, error);
}

/* -- removing ----------------------------------------------------------------
 */

/* Somebody was interrupted while removing it? */
static bool
unlink_find_remains(NamesCall *call)
{
    g_autofree char *remains = g_strconcat(call->path, VD_MOVES_REMOVING, NULL);
    struct stat st;

    if (lstat(call->path, &st) == 0 || errno != ENOENT ||
        lstat(remains, &st) != 0)
        return false;
    call->remains = g_strconcat("file:", remains, NULL);
    call->name = call->remains;
    call->path = vd_name_strip_file(call->remains);
    return true;
}

static bool
unlink_hold(NamesCall *call, GError **error)
{
    (void) unlink_find_remains(call); /* either way there is something to do */
    return names_check_kind(call, "removed", error) &&
           vd_moves_hold(call->moves, call->path, error);
}

static bool
unlink_one_file(NamesCall *call, GError **error)
{
    return vd_moves_unlink(call->moves, call->path, NULL, error) &&
           vd_moves_sync(call->moves, error);
}

static bool
unlink_co_node(NamesCall *call, GError **error)
{
    const VdDriver *drv = vd_node_driver(call->node);

    if (drv->co_unlink != NULL)
        return drv->co_unlink(call->node, call->flags, call->moves, error);
    return names_co_work(call, unlink_one_file, error);
}

bool
vd_image_unlink(VdContext *ctx, const char *path, unsigned flags,
                GError **error)
{
    g_autoptr(VdMoves) moves = vd_moves_new();
    NamesCall call = {.ctx = ctx,
                      .name = path,
                      .path = names_path(path, error),
                      .flags = flags,
                      .moves = moves,
                      .hold = unlink_hold,
                      .co_node = unlink_co_node};
    bool ok =
        call.path != NULL && vd_context_run(ctx, names_co_call, &call, error);

    g_free(call.remains);
    return ok;
}
