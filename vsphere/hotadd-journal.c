/* SPDX-License-Identifier: BSD-3-Clause */
/* vsphere/hotadd-journal.c - which disks have been attached to this machine and
 * not been taken away again.
 *
 *   NAME.attach      one record
 *   NAME.attach.new  one that is being written: locked, written, made durable,
 *                    then renamed over the other
 *   turn             locked by who looks for the device that appears
 *
 * A lock is on a file, a name may meanwhile be another one's: whoever has got a
 * lock looks whether the name still leads there.  Where the file system knows
 * no locks, the process that a record names tells whether it is alive.
 *
 * Concurrency: an entry belongs to one thread at a time; other processes, and
 * other threads with entries of their own, any time.
 */
#include "vsphere/hotadd-journal.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "io/fd.h"
#include "vsphere/sys-file.h"

#define DEFAULT_DIR "/var/tmp"
#define DIR_NAME "vdisk-hotadd"
#define SUFFIX ".attach"
#define NEW_SUFFIX SUFFIX ".new"
#define TURN_NAME "turn"
#define MAX_FILES 65536
#define MAX_TRIES 100 /* against others who clear away what we begin */

struct VsHotaddEntry {
    char *dir, *path;
    int fd; /* locked; -1 = not made yet */
};

/* -- the directory --------------------------------------------------------- */

/* What is in it decides which devices are taken off a machine. */
static bool
check_dir(const char *dir, GError **error)
{
    struct stat st;

    if (lstat(dir, &st) != 0)
        return vd_throw_errno(error, errno, "%s", dir);
    if (!S_ISDIR(st.st_mode) || st.st_uid != geteuid() ||
        (st.st_mode & (S_IWGRP | S_IWOTH)))
        return vd_throw(error, VD_ERROR_REFUSED,
                        "%s: not a directory that is ours and that nobody "
                        "else may write to",
                        dir);
    return true;
}

char *
vs_hotadd_journal_dir(const char *tmp_dir, GError **error)
{
    const char *above = tmp_dir ? tmp_dir : DEFAULT_DIR;
    g_autofree char *dir = g_build_filename(above, DIR_NAME, NULL);
    int err;

    if (mkdir(dir, 0700) != 0 && errno != EEXIST)
        return vd_throw_errno_null(error, errno, "%s: making it", dir);
    if (!check_dir(dir, error))
        return NULL;
    err = vio_sync_directory(above);
    if (err < 0)
        return vd_throw_errno_null(error, -err, "%s: making it durable", dir);
    return g_steal_pointer(&dir);
}

/* -- locks ----------------------------------------------------------------- */

typedef enum { LOCK_GOT, LOCK_HELD, LOCK_UNKNOWN } LockResult;

static LockResult
try_lock(int fd)
{
    int r;

    do
        r = flock(fd, LOCK_EX | LOCK_NB);
    while (r != 0 && errno == EINTR);
    if (r == 0)
        return LOCK_GOT;
    return errno == EWOULDBLOCK ? LOCK_HELD : LOCK_UNKNOWN;
}

static bool
is_same_file(int fd, const char *path)
{
    struct stat ours, named;

    return fstat(fd, &ours) == 0 && lstat(path, &named) == 0 &&
           ours.st_dev == named.st_dev && ours.st_ino == named.st_ino;
}

bool
vs_hotadd_journal_try_turn(const char *dir, int *turn, GError **error)
{
    g_autofree char *path = g_build_filename(dir, TURN_NAME, NULL);
    VIO_AUTO_FD fd = open(
        path, O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0600);

    if (fd < 0)
        return vd_throw_errno(error, errno, "%s", path);
    *turn = try_lock(fd) == LOCK_HELD ? -1 : vio_fd_steal(&fd);
    return true;
}

/* -- writing --------------------------------------------------------------- */

/* An empty file of that name that nobody else can take for a leftover; -1 with
 * errno set. */
static int
make_locked(const char *path)
{
    for (unsigned tries = 0; tries < MAX_TRIES; tries++) {
        VIO_AUTO_FD fd = open(
            path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);

        if (fd < 0 && errno == EEXIST)
            (void) unlink(path); /* of somebody who died: see below */
        else if (fd < 0)
            return -1;
        else if (try_lock(fd) != LOCK_HELD && is_same_file(fd, path))
            return vio_fd_steal(&fd);
    }
    errno = EBUSY;
    return -1;
}

static bool
write_durably(int fd, const char *text)
{
    return vio_write_all(fd, text, strlen(text)) && fsync(fd) == 0;
}

/* Only who holds the entry writes a new one, or its name is not known to
 * anybody yet. */
static bool
put(VsHotaddEntry *entry, const VsHotaddRecord *record, GError **error)
{
    g_autofree char *fresh = g_strconcat(entry->path, ".new", NULL);
    g_autofree char *text = vs_hotadd_record_encode(record);
    VIO_AUTO_FD fd = make_locked(fresh);
    int err;

    if (fd < 0 || !write_durably(fd, text) || rename(fresh, entry->path) != 0) {
        err = errno;
        if (fd >= 0)
            (void) unlink(fresh); /* the first failure counts */
        return vd_throw_errno(error, err, "%s: writing down what is attached",
                              entry->path);
    }
    vio_fd_cleanup(&entry->fd);
    entry->fd = vio_fd_steal(&fd);
    err = vio_sync_directory(entry->dir);
    return err == 0 ||
           vd_throw_errno(error, -err, "%s: making it durable", entry->path);
}

static VsHotaddEntry *
entry_at(const char *dir, const char *name)
{
    VsHotaddEntry *entry = g_new0(VsHotaddEntry, 1);

    entry->dir = g_strdup(dir);
    entry->path = g_build_filename(dir, name, NULL);
    entry->fd = -1;
    return entry;
}

VsHotaddEntry *
vs_hotadd_entry_new(const char *dir, const VsHotaddRecord *record,
                    GError **error)
{
    g_autofree char *name = g_strdup_printf(
        "%d-%08x%08x" SUFFIX, (int) getpid(), g_random_int(), g_random_int());
    g_autoptr(VsHotaddEntry) entry = entry_at(dir, name);

    if (put(entry, record, error))
        return g_steal_pointer(&entry);
    if (entry->fd >= 0)
        (void) unlink(entry->path); /* it says what will not be */
    return NULL;
}

bool
vs_hotadd_entry_update(VsHotaddEntry *entry, const VsHotaddRecord *record,
                       GError **error)
{
    return put(entry, record, error);
}

/* Whether that is durable is no matter: at worst a disk is looked for that is
 * not there. */
bool
vs_hotadd_entry_remove(VsHotaddEntry *entry, GError **error)
{
    bool ok = unlink(entry->path) == 0 ||
              vd_throw_errno(error, errno, "%s: removing it", entry->path);

    vs_hotadd_entry_leave(entry);
    return ok;
}

void
vs_hotadd_entry_leave(VsHotaddEntry *entry)
{
    if (!entry)
        return;
    vio_fd_cleanup(&entry->fd);
    g_free(entry->path);
    g_free(entry->dir);
    g_free(entry);
}

/* -- reading --------------------------------------------------------------- */

void
vs_hotadd_found_free(VsHotaddFound *found)
{
    vs_hotadd_record_free(found->record);
    vs_hotadd_entry_leave(found->entry);
    g_free(found);
}

/* A file that only we can have made; -1 with errno set: ENOENT = it is gone. */
static int
open_own(const char *path, GError **error)
{
    VIO_AUTO_FD fd =
        open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    struct stat st;

    if (fd < 0 && errno == ENOENT)
        return -1;
    if (fd < 0 || fstat(fd, &st) != 0) {
        (void) vd_throw_errno(error, errno, "%s", path);
        return -1;
    }
    if (!S_ISREG(st.st_mode) || st.st_uid != geteuid() || st.st_nlink > 1) {
        (void) vd_throw(error, VD_ERROR_REFUSED, "%s: not a file of ours",
                        path);
        return -1;
    }
    return vio_fd_steal(&fd);
}

static VsHotaddRecord *
read_record(int fd, GError **error)
{
    g_autofree char *text = g_malloc(VS_HOTADD_RECORD_BYTES + 1);
    ssize_t n = pread(fd, text, VS_HOTADD_RECORD_BYTES + 1, 0);

    if (n < 0)
        return vd_throw_errno_null(error, errno, "reading it");
    return vs_hotadd_record_decode(text, (size_t) n, error);
}

/* Opens what is called so now; -1 without an error: it is gone. */
static int
open_and_try_lock(const char *path, LockResult *lock, GError **error)
{
    for (unsigned tries = 0; tries < MAX_TRIES; tries++) {
        VIO_AUTO_FD fd = open_own(path, error);

        if (fd < 0)
            return -1;
        *lock = try_lock(fd);
        if (*lock != LOCK_GOT || is_same_file(fd, path))
            return vio_fd_steal(&fd);
    }
    (void) vd_throw(error, VD_ERROR_IN_USE, "%s: is replaced all the time",
                    path);
    return -1;
}

/* NULL without an error: it is gone. */
static VsHotaddFound *
find_at(const char *dir, const char *name, GError **error)
{
    g_autoptr(VsHotaddEntry) entry = entry_at(dir, name);
    VsHotaddRecord *record;
    VsHotaddFound *found;
    LockResult lock;

    entry->fd = open_and_try_lock(entry->path, &lock, error);
    if (entry->fd < 0)
        return NULL;
    record = read_record(entry->fd, error);
    if (!record)
        return vd_prefix_null(error, "%s: ", entry->path);
    found = g_new0(VsHotaddFound, 1);
    found->record = record;
    if (lock == LOCK_GOT ||
        (lock == LOCK_UNKNOWN && !vs_hotadd_record_is_alive(record)))
        found->entry = g_steal_pointer(&entry);
    return found;
}

/* What somebody began who died before it was a record. */
static void
clear_unfinished(const char *dir, const char *name)
{
    g_autofree char *path = g_build_filename(dir, name, NULL);
    VIO_AUTO_FD fd = open_own(path, NULL);

    if (fd >= 0 && try_lock(fd) == LOCK_GOT && is_same_file(fd, path))
        (void) unlink(path); /* else it stays, and does no harm */
}

GPtrArray *
vs_hotadd_journal_list(const char *dir, GPtrArray *warnings, GError **error)
{
    g_autoptr(GPtrArray) names = vs_sys_names(dir, MAX_FILES, error);
    GPtrArray *list;

    if (!names)
        return NULL;
    list =
        g_ptr_array_new_with_free_func((GDestroyNotify) vs_hotadd_found_free);
    for (guint i = 0; i < names->len; i++) {
        g_autoptr(GError) problem = NULL;
        const char *name = names->pdata[i];
        VsHotaddFound *found = NULL;

        if (g_str_has_suffix(name, NEW_SUFFIX))
            clear_unfinished(dir, name);
        else if (g_str_has_suffix(name, SUFFIX))
            found = find_at(dir, name, &problem);
        if (found)
            g_ptr_array_add(list, found);
        if (problem)
            g_ptr_array_add(
                warnings, g_strdup_printf("left alone: %s", problem->message));
    }
    return list;
}
