/* SPDX-License-Identifier: BSD-3-Clause */
/* block/undo-file.c - the side file of an undo log.
 *
 * Made where nothing was, never followed through a link.  An empty one means
 * nothing: so emptying it is the moment at which a change is done with, and
 * whether its name goes is no matter.
 *
 * Concurrency: system calls run on a worker.
 */
#include "block/undo-internal.h"

#include "block/node-internal.h"
#include "block/open-internal.h"
#include "io/fd.h"
#include "io/offload.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#define SUFFIX ".vdisk-repair"

typedef struct {
    const char *path, *image;
    VdUndoFound found;
    GError *error;
} FileWork;

/* The leaf below filters. */
static const VdNode *
leaf_of(const VdNode *node)
{
    while (node && node->driver->kind == VD_DRIVER_FILTER)
        node = vd_node_file(node);
    return node;
}

char *
vd_undo_path(VdNode *file)
{
    const VdNode *leaf = leaf_of(file);

    if (!leaf || strcmp(leaf->driver->name, "file"))
        return NULL;
    return g_strconcat(vd_node_name(leaf), SUFFIX, NULL);
}

static bool
undo_co_work(VdNode *file, VioFunc fn, FileWork *work, GError **error)
{
    work->image = vd_node_name(leaf_of(file));
    vio_co_offload_brief(vd_node_loop(file), fn, work);
    if (!work->error)
        return true;
    g_propagate_error(error, work->error);
    return false;
}

static void
look_work(void *opaque)
{
    FileWork *work = opaque;
    struct stat st, image;

    if (lstat(work->path, &st)) {
        if (errno != ENOENT && errno != ENOTDIR)
            vd_throw_errno(&work->error, errno, "%s", work->path);
        work->found = VD_UNDO_ABSENT;
    } else if (!S_ISREG(st.st_mode) || st.st_nlink != 1 ||
               stat(work->image, &image) ||
               (st.st_uid != image.st_uid && st.st_uid != geteuid())) {
        work->found = VD_UNDO_STRANGE;
    } else {
        work->found = st.st_size ? VD_UNDO_THERE : VD_UNDO_EMPTY;
    }
}

bool
vd_undo_co_look(VdNode *file, const char *path, VdUndoFound *found,
                GError **error)
{
    FileWork work = {.path = path};

    if (!undo_co_work(file, look_work, &work, error))
        return false;
    *found = work.found;
    return true;
}

static int
sync_directory_of(const char *path)
{
    g_autofree char *dir = g_path_get_dirname(path);

    return vio_sync_directory(dir);
}

static void
make_work(void *opaque)
{
    FileWork *work = opaque;
    VIO_AUTO_FD fd = -1;
    int err;

    look_work(work);
    if (work->error)
        return;
    if (work->found == VD_UNDO_EMPTY)
        (void) unlink(work->path); /* else making it fails */
    fd = open(work->path, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
              0600);
    if (fd < 0)
        vd_throw_errno(&work->error, errno,
                       "%s: making a place for what was there before",
                       work->path);
    else if ((err = sync_directory_of(work->path)) < 0)
        vd_throw_errno(&work->error, -err, "%s: making the name durable",
                       work->path);
}

VdNode *
vd_undo_co_make(VdNode *file, const char *path, GError **error)
{
    FileWork work = {.path = path};

    if (!undo_co_work(file, make_work, &work, error))
        return NULL;
    return vd_undo_co_open(file, path, VD_OPEN_RDWR, error);
}

VdNode *
vd_undo_co_open(VdNode *file, const char *path, VdOpenFlags flags,
                GError **error)
{
    VdOptions *opts = vd_options_new();
    VdOpenImage how = {
        .env = vd_node_env(file), .format = "file", .flags = flags};
    VdNode *log;

    vd_options_set(opts, "filename", path);
    log = vd_image_co_open(&how, opts, error);
    if (log)
        log->growable = (flags & VD_OPEN_RDWR) != 0;
    return log;
}

static void
unlink_work(void *opaque)
{
    FileWork *work = opaque;

    (void) unlink(work->path); /* an empty one says nothing */
}

bool
vd_undo_co_remove(VdNode *log, const char *path, GError **error)
{
    FileWork work = {.path = path};
    bool ok = vd_node_co_truncate(log, 0, VD_PREALLOC_OFF, error) &&
              vd_node_co_flush(log, error);

    if (ok)
        vio_co_offload(vd_node_loop(log), unlink_work, &work);
    (void) vd_node_co_close(log, NULL); /* nothing is left to be written */
    return ok;
}
