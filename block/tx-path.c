/* SPDX-License-Identifier: BSD-3-Clause */
/* block/tx-path.c - making, replacing and removing files for transactions.
 *
 * The old file is exchanged with the new one rather than overwritten, where
 * the file system can do that, so that a failure at a later file can be undone.
 *
 * Concurrency: one TxFile belongs to one thread at a time.
 */
#include "block/tx-path.h"

#include "block/image-lock.h"
#include "block/name.h"
#include "io/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

#define NEW_FILE_MODE 0644
#define MAX_LINKS 40

TxFile *
vd_tx_file_new(const char *requested)
{
    TxFile *file = g_new0(TxFile, 1);

    file->requested = g_strdup(requested);
    file->new_fd = -1;
    file->old_fd = -1;
    return file;
}

static void
let_go(TxFile *file)
{
    vio_fd_cleanup(&file->new_fd);
    vio_fd_cleanup(&file->old_fd);
    file->new_fd = -1;
    file->old_fd = -1;
    vd_vmware_lock_release(g_steal_pointer(&file->vmware_lock));
}

void
vd_tx_file_free(TxFile *file)
{
    let_go(file);
    g_free(file->requested);
    g_free(file->target);
    g_free(file->temp);
    g_free(file);
}

const char *
vd_tx_file_path(const TxFile *file)
{
    return file->state == TX_SUCCESSOR ? file->temp : file->target;
}

static bool
throw_create(const TxFile *file, int errnum, GError **error)
{
    return vd_throw_errno(error, errnum, "Could not create '%s'",
                          file->requested);
}

/* -- making ---------------------------------------------------------------- */

/* The file that symbolic links at @path lead to, whether it exists or not;
 * NULL after too many. */
static char *
follow_links(const char *path)
{
    char *at = g_strdup(path);

    for (unsigned i = 0; i < MAX_LINKS; i++) {
        g_autofree char *link = g_file_read_link(at, NULL);
        g_autofree char *dir = NULL;

        if (!link)
            return at;
        dir = g_path_get_dirname(at);
        g_free(at);
        at = g_path_is_absolute(link) ? g_steal_pointer(&link)
                                      : g_build_filename(dir, link, NULL);
    }
    g_free(at);
    return NULL;
}

static bool
make_new(TxFile *file, GError **error)
{
    file->new_fd = open(file->target, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC,
                        NEW_FILE_MODE);
    if (file->new_fd < 0)
        return throw_create(file, errno, error);
    file->state = TX_NEW;
    return true;
}

/* Nobody else may use the old file from now on, not even read it. */
static bool
lock_old(TxFile *file, GError **error)
{
    file->old_fd =
        open(file->target, O_RDWR | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    if (file->old_fd < 0)
        return throw_create(file, errno, error);
    return (file->vmware_lock || vd_vmware_lock_check(file->target, error)) &&
           vd_image_lock(file->old_fd, VD_LOCK_CREATE, file->requested, NULL,
                         error);
}

/* As far as we may: somebody else's file stays readable to its owner only if
 * it can be given to him. */
static bool
copy_owner_and_mode(int fd, const struct stat *old)
{
    if (fchown(fd, old->st_uid, old->st_gid) != 0 &&
        fchown(fd, (uid_t) -1, old->st_gid) != 0 && errno != EPERM)
        return false;
    return fchmod(fd, old->st_mode & 0777) == 0;
}

/* A bind mount of a file can be written to, but nothing can take its place. */
static bool
is_mount_point(const char *path)
{
    struct statx stx;

    return statx(AT_FDCWD, path, 0, 0, &stx) == 0 &&
           (stx.stx_attributes & STATX_ATTR_MOUNT_ROOT);
}

/* In /tmp and its like only owners may replace a file. */
static bool
is_kept_by_sticky_bit(const char *dir, const struct stat *old)
{
    struct stat st;
    uid_t me = geteuid();

    return me != 0 && me != old->st_uid && stat(dir, &st) == 0 &&
           (st.st_mode & S_ISVTX) && me != st.st_uid;
}

/* What rename() would refuse at the very end. */
static bool
check_replaceable(const TxFile *file, const char *dir, const struct stat *old,
                  GError **error)
{
    if (is_mount_point(file->target))
        return vd_throw_errno(error, EBUSY,
                              "Could not create '%s': a mount point can be "
                              "written to, but not replaced",
                              file->requested);
    if (is_kept_by_sticky_bit(dir, old))
        return vd_throw_errno(error, EPERM,
                              "Could not create '%s': the directory lets only "
                              "its owner replace the file",
                              file->requested);
    return true;
}

static bool
make_successor(TxFile *file, const struct stat *old, GError **error)
{
    g_autofree char *dir = g_path_get_dirname(file->target);

    if (!check_replaceable(file, dir, old, error))
        return false;
    file->temp = g_build_filename(dir, ".vdisk-XXXXXX", NULL);
    file->new_fd = g_mkstemp_full(file->temp, O_RDWR | O_CLOEXEC, 0600);
    if (file->new_fd < 0)
        return throw_create(file, errno, error);
    file->state = TX_SUCCESSOR;
    if (!copy_owner_and_mode(file->new_fd, old))
        return throw_create(file, errno, error);
    return true;
}

/* Nothing may take the place of the old file. */
static bool
is_forbidden(const GError *error)
{
    return g_error_matches(error, VD_ERROR, VD_ERROR_PERMISSION) ||
           g_error_matches(error, VD_ERROR, VD_ERROR_READ_ONLY) ||
           g_error_matches(error, VD_ERROR, VD_ERROR_IN_USE);
}

/* The lock must go again, as with devices: see make_in_place(). */
static bool
make_overwritten(TxFile *file, GError **error)
{
    if (ftruncate(file->old_fd, 0) != 0)
        return throw_create(file, errno, error);
    vd_image_unlock(file->old_fd);
    file->new_fd = vio_fd_steal(&file->old_fd);
    file->state = TX_OVERWRITTEN;
    return true;
}

static bool
make_over(TxFile *file, const struct stat *old, TxOld how, GError **error)
{
    g_autoptr(GError) wrong = NULL;

    if (!lock_old(file, error))
        return false;
    if (make_successor(file, old, &wrong))
        return true;
    if (how == TX_OLD_OVERWRITE && file->state == TX_NOTHING &&
        is_forbidden(wrong))
        return make_overwritten(file, error);
    g_propagate_error(error, g_steal_pointer(&wrong));
    return false;
}

/* The lock must go again before the device is opened for writing: locks of
 * two descriptors see one another. */
static bool
make_in_place(TxFile *file, const struct stat *old, GError **error)
{
    if (S_ISDIR(old->st_mode))
        return throw_create(file, EISDIR, error);
    if (S_ISBLK(old->st_mode)) {
        if (!lock_old(file, error))
            return false;
        vd_image_unlock(file->old_fd);
        file->new_fd = vio_fd_steal(&file->old_fd);
    }
    file->state = TX_IN_PLACE;
    return true;
}

bool
vd_tx_file_resolve(TxFile *file, GError **error)
{
    struct stat st;

    file->target = follow_links(vd_name_strip_file(file->requested));
    if (!file->target)
        return throw_create(file, ELOOP, error);
    file->is_special = stat(file->target, &st) == 0 && !S_ISREG(st.st_mode);
    return true;
}

bool
vd_tx_file_make(TxFile *file, TxOld old, GError **error)
{
    struct stat st;

    if (stat(file->target, &st) != 0) {
        if (errno != ENOENT)
            return throw_create(file, errno, error);
        return make_new(file, error);
    }
    if (old == TX_OLD_REFUSE)
        return throw_create(file, EEXIST, error);
    if (!S_ISREG(st.st_mode))
        return make_in_place(file, &st, error);
    return make_over(file, &st, old, error);
}

/* -- ending ---------------------------------------------------------------- */

bool
vd_tx_file_sync(const TxFile *file, GError **error)
{
    if (file->new_fd >= 0 && fsync(file->new_fd) != 0)
        return vd_throw_errno(error, errno, "%s: flushing to disk",
                              file->requested);
    return true;
}

bool
vd_tx_file_sync_directory(const TxFile *file, GError **error)
{
    g_autofree char *dir = g_path_get_dirname(file->target);
    int err = vio_sync_directory(dir);

    return err == 0 ||
           vd_throw_errno(error, -err, "%s: flushing the directory to disk",
                          dir);
}

static bool
cannot_exchange(int errnum)
{
    return errnum == EINVAL || errnum == ENOSYS || errnum == EOPNOTSUPP ||
           errnum == ENOENT; /* the old file was removed meanwhile */
}

bool
vd_tx_file_replace(TxFile *file, GError **error)
{
    if (file->state != TX_SUCCESSOR)
        return true;
    if (renameat2(AT_FDCWD, file->temp, AT_FDCWD, file->target,
                  RENAME_EXCHANGE) == 0) {
        file->state = TX_EXCHANGED;
        return true;
    }
    if (!cannot_exchange(errno) || rename(file->temp, file->target) != 0)
        return vd_throw_errno(error, errno, "%s: replacing the old file",
                              file->requested);
    file->state = TX_RENAMED;
    return true;
}

void
vd_tx_file_put_back(TxFile *file)
{
    if (file->state == TX_EXCHANGED &&
        renameat2(AT_FDCWD, file->temp, AT_FDCWD, file->target,
                  RENAME_EXCHANGE) == 0)
        file->state = TX_SUCCESSOR;
}

/* Only the file that we made: somebody may have put another in its place. */
static void
unlink_own(const char *path, int fd)
{
    struct stat named, own;

    if (fd >= 0 && fstat(fd, &own) == 0 && lstat(path, &named) == 0 &&
        own.st_dev == named.st_dev && own.st_ino == named.st_ino)
        (void) unlink(path); /* nothing better can be done */
}

void
vd_tx_file_settle(TxFile *file)
{
    if (file->state == TX_EXCHANGED)
        unlink_own(file->temp, file->old_fd);
    file->state = TX_NOTHING;
    let_go(file);
}

void
vd_tx_file_remove(TxFile *file)
{
    if (file->state == TX_NEW)
        unlink_own(file->target, file->new_fd);
    else if (file->state == TX_SUCCESSOR)
        unlink_own(file->temp, file->new_fd);
    else if (file->state == TX_OVERWRITTEN)
        (void) ftruncate(file->new_fd, 0); /* nothing rather than a half */
    /* What could not be put back stays under its temporary name. */
    file->state = TX_NOTHING;
    let_go(file);
}
