/* SPDX-License-Identifier: BSD-3-Clause */
/* block/moves.c - changes to the names of files that can be taken back.
 *
 * Concurrency: a VdMoves belongs to one thread at a time.  The hook is set
 * while nothing runs.
 */
#include "block/moves.h"

#include "block/image-lock.h"
#include "block/vmware-lock.h"
#include "io/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

typedef struct {
    VdMoveKind kind;
    char *path, *other;
} Step;

typedef struct {
    int fd;
    dev_t dev;
    ino_t ino;
} Held;

struct VdMoves {
    GPtrArray *steps;    /* of Step, in the order in which they were done */
    GPtrArray *unsynced; /* directories, each once */
    GArray *held;        /* of Held */
};

static VdMoveHook step_hook;
static void *step_hook_arg;

void
vd_moves_set_hook(VdMoveHook hook, void *opaque)
{
    step_hook = hook;
    step_hook_arg = opaque;
}

static bool
ask_hook(VdMoveKind kind, const char *path, GError **error)
{
    int errnum = step_hook ? step_hook(kind, path, step_hook_arg) : 0;

    return errnum == 0 || vd_throw_errno(error, errnum, "%s", path);
}

static void
step_free(void *opaque)
{
    Step *step = opaque;

    g_free(step->path);
    g_free(step->other);
    g_free(step);
}

VdMoves *
vd_moves_new(void)
{
    VdMoves *moves = g_new0(VdMoves, 1);

    moves->steps = g_ptr_array_new_with_free_func(step_free);
    moves->unsynced = g_ptr_array_new_with_free_func(g_free);
    moves->held = g_array_new(FALSE, FALSE, sizeof(Held));
    return moves;
}

void
vd_moves_free(VdMoves *moves)
{
    if (!moves)
        return;
    for (guint i = 0; i < moves->held->len; i++)
        vio_fd_cleanup(&g_array_index(moves->held, Held, i).fd);
    g_array_unref(moves->held);
    g_ptr_array_unref(moves->unsynced);
    g_ptr_array_unref(moves->steps);
    g_free(moves);
}

/* -- holding ----------------------------------------------------------------
 */

static bool
is_held(const VdMoves *moves, const struct stat *st)
{
    for (guint i = 0; i < moves->held->len; i++) {
        const Held *held = &g_array_index(moves->held, Held, i);

        if (held->dev == st->st_dev && held->ino == st->st_ino)
            return true;
    }
    return false;
}

/* A file that may not be written to can be held as well: the locks are read
 * locks. */
bool
vd_moves_hold(VdMoves *moves, const char *path, GError **error)
{
    VIO_AUTO_FD fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    struct stat st;
    Held held;

    if (fd < 0 || fstat(fd, &st))
        return vd_throw_errno(error, errno, "Could not open '%s'", path);
    if (is_held(moves, &st))
        return true;
    if (!vd_vmware_lock_check(path, error) ||
        !vd_image_lock(fd, VD_LOCK_CREATE, path, NULL, error))
        return false;
    held = (Held){.fd = vio_fd_steal(&fd), .dev = st.st_dev, .ino = st.st_ino};
    g_array_append_val(moves->held, held);
    return true;
}

/* -- steps ------------------------------------------------------------------
 */

static void
note_directory(VdMoves *moves, const char *path)
{
    char *dir = g_path_get_dirname(path);

    if (g_ptr_array_find_with_equal_func(moves->unsynced, dir, g_str_equal,
                                         NULL))
        g_free(dir);
    else
        g_ptr_array_add(moves->unsynced, dir);
}

static void
note_step(VdMoves *moves, VdMoveKind kind, const char *path, const char *other)
{
    Step *step = g_new0(Step, 1);

    step->kind = kind;
    step->path = g_strdup(path);
    step->other = g_strdup(other);
    g_ptr_array_add(moves->steps, step);
    note_directory(moves, path);
    if (other)
        note_directory(moves, other);
}

static bool
throw_link(int errnum, const char *from, const char *to, GError **error)
{
    if (errnum == EXDEV)
        return vd_throw(error, VD_ERROR_NOT_SUPPORTED,
                        "%s: %s would be on another file system; make a copy "
                        "there (clone, convert) and remove this one",
                        from, to);
    if (errnum == EPERM || errnum == EOPNOTSUPP || errnum == EMLINK)
        return vd_throw(error, VD_ERROR_NOT_SUPPORTED,
                        "%s: cannot have the second name %s for a while, which "
                        "it takes to rename it safely; make a copy (clone, "
                        "convert) and remove this one",
                        from, to);
    return vd_throw_errno(error, errnum, "%s: giving it the name %s", from, to);
}

bool
vd_moves_link(VdMoves *moves, const char *from, const char *to, GError **error)
{
    if (!ask_hook(VD_MOVE_LINK, to, error))
        return false;
    if (linkat(AT_FDCWD, from, AT_FDCWD, to, 0) != 0)
        return throw_link(errno, from, to, error);
    note_step(moves, VD_MOVE_LINK, to, NULL);
    return true;
}

bool
vd_moves_rename(VdMoves *moves, const char *from, const char *to,
                GError **error)
{
    if (!ask_hook(VD_MOVE_RENAME, to, error))
        return false;
    if (renameat2(AT_FDCWD, from, AT_FDCWD, to, RENAME_NOREPLACE) != 0)
        return throw_link(errno, from, to, error);
    note_step(moves, VD_MOVE_RENAME, to, from);
    return true;
}

static bool
take_after(int fd, const char *like)
{
    struct stat st;

    if (stat(like, &st))
        return false;
    if (fchown(fd, st.st_uid, st.st_gid) && errno != EPERM)
        return false;
    return fchmod(fd, st.st_mode & 07777) == 0;
}

/* Named last: with a hard link, which overwrites nothing. */
static bool
create_named(const char *temp, int fd, const char *path, const char *text,
             size_t len, const char *like, GError **error)
{
    if (!take_after(fd, like) || !vio_write_all(fd, text, len) || fsync(fd))
        return vd_throw_errno(error, errno, "Could not create '%s'", path);
    if (linkat(AT_FDCWD, temp, AT_FDCWD, path, 0) != 0)
        return throw_link(errno, like, path, error);
    return true;
}

bool
vd_moves_create(VdMoves *moves, const char *path, const char *text, size_t len,
                const char *like, GError **error)
{
    g_autofree char *dir = g_path_get_dirname(path);
    g_autofree char *temp = g_build_filename(dir, ".vdisk-XXXXXX", NULL);
    VIO_AUTO_FD fd = -1;
    bool ok;

    if (!ask_hook(VD_MOVE_CREATE, path, error))
        return false;
    fd = g_mkstemp_full(temp, O_RDWR | O_CLOEXEC, 0600);
    if (fd < 0)
        return vd_throw_errno(error, errno, "Could not create '%s'", path);
    ok = create_named(temp, fd, path, text, len, like, error);
    (void) unlink(temp); /* one name too many, or a failure that is told */
    if (ok)
        note_step(moves, VD_MOVE_CREATE, path, NULL);
    return ok;
}

bool
vd_moves_unlink(VdMoves *moves, const char *path, const char *kept_as,
                GError **error)
{
    if (!ask_hook(VD_MOVE_UNLINK, path, error))
        return false;
    if (unlink(path) != 0)
        return vd_throw_errno(error, errno, "%s: removing it", path);
    note_step(moves, VD_MOVE_UNLINK, path, kept_as);
    return true;
}

static bool
sync_directory(const char *dir, GError **error)
{
    int err;

    if (!ask_hook(VD_MOVE_SYNC, dir, error))
        return false;
    err = vio_sync_directory(dir);
    return err == 0 ||
           vd_throw_errno(error, -err, "%s: flushing the directory to disk",
                          dir);
}

bool
vd_moves_sync(VdMoves *moves, GError **error)
{
    for (guint i = 0; i < moves->unsynced->len; i++)
        if (!sync_directory(moves->unsynced->pdata[i], error))
            return false;
    g_ptr_array_set_size(moves->unsynced, 0);
    return true;
}

/* -- taking back ------------------------------------------------------------
 */

/* Nothing better can be done if one of these fails: on with the others. */
static void
undo_step(const Step *step)
{
    switch (step->kind) {
    case VD_MOVE_LINK:
    case VD_MOVE_CREATE:
        (void) unlink(step->path);
        break;
    case VD_MOVE_RENAME:
        (void) renameat2(AT_FDCWD, step->path, AT_FDCWD, step->other,
                         RENAME_NOREPLACE);
        break;
    case VD_MOVE_UNLINK:
        if (step->other)
            (void) linkat(AT_FDCWD, step->other, AT_FDCWD, step->path, 0);
        break;
    case VD_MOVE_SYNC:
        break;
    }
}

void
vd_moves_undo(VdMoves *moves)
{
    while (moves->steps->len) {
        undo_step(moves->steps->pdata[moves->steps->len - 1]);
        g_ptr_array_set_size(moves->steps, (int) moves->steps->len - 1);
    }
    for (guint i = 0; i < moves->unsynced->len; i++)
        (void) sync_directory(moves->unsynced->pdata[i], NULL);
    g_ptr_array_set_size(moves->unsynced, 0);
}
