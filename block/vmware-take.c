/* SPDX-License-Identifier: BSD-3-Clause */
/* block/vmware-take.c - taking VMware's locks: Lamport's bakery with files.
 *
 *   mkdir NAME.lck
 *   mkdir D            "I am choosing my place"; whoever comes has to wait
 *   create E
 *   place = 1 + the highest of all M
 *   write E, rename it to M
 *   rmdir D
 *   wait for each D that is there now to go: its owner may have got a lower
 *     place; those that come later get higher ones
 *   wait for each M that is in the way and before us: lower place or, with
 *     equal ones, lower name
 *   ...
 *   unlink M, rmdir NAME.lck if that was the last one
 *
 * On the way we remove what nobody needs any more: members of processes that
 * are gone, what somebody began eight seconds ago and did not finish, files
 * with other names.  To remove a member takes the D of its number, so that
 * nobody can make a new one of that name between the look and the removal.
 *
 * Concurrency: a lock belongs to one thread at a time.  All of it blocks for
 * calls of the file system; nothing waits for other users.  The hook is set
 * while nothing runs.
 */
#include "block/vmware-lock.h"

#include "block/vmware-member.h"
#include "io/fd.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define STUCK_NS (INT64_C(8) * 1000000000)
#define MAX_TRIES 1000 /* directories that vanish, numbers that are taken */

typedef struct {
    char text[VD_VMWARE_NAME_BYTES];
} Name;

struct VdVmwareLock {
    char *path;
    char *dir; /* NAME.lck, absolute; NULL: there is no place for one */
    bool exclusive;
    bool unseen; /* granted without a member: nothing can be written here */
    Name member; /* "" = none */
    uint64_t place;
    int64_t looked_ns; /* when choosing was complete; 0 = not yet */
    GArray *choosing;  /* of Name: D that are waited for */
    int64_t ahead_ns;  /* the file system's clock before the monotonic one */

    Name blocker; /* whom the last look saw */
    VdVmwareMember blocking;
};

static VdVmwareHook step_hook;
static void *step_hook_arg;

void
vd_vmware_lock_set_hook(VdVmwareHook hook, void *opaque)
{
    step_hook = hook;
    step_hook_arg = opaque;
}

/* 0 or -errno: what a system call gave, unless the hook has it fail. */
static int
ask_hook(const char *name)
{
    return step_hook ? -step_hook(name, step_hook_arg) : 0;
}

static int64_t
monotonic_ns(void)
{
    return g_get_monotonic_time() * 1000;
}

static int64_t
changed_ns(const struct stat *st)
{
    return st->st_mtim.tv_sec * INT64_C(1000000000) + st->st_mtim.tv_nsec;
}

static Name
name_of(char letter, unsigned number)
{
    Name name;

    g_snprintf(name.text, sizeof(name.text), "%c%05u.lck", letter,
               number & 0xffff);
    return name;
}

static Name
name_with(char letter, const char *like)
{
    Name name;

    g_strlcpy(name.text, like, sizeof(name.text));
    name.text[0] = letter;
    return name;
}

/* -- the directory --------------------------------------------------------- */

/* No symbolic link: what is removed here must be a lock's. */
static DIR *
open_directory(const char *path)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    DIR *dir = fd < 0 ? NULL : fdopendir(fd);

    if (fd >= 0 && !dir)
        vio_fd_cleanup(&fd);
    return dir;
}

static void
close_directory(DIR **dir)
{
    if (*dir)
        (void) closedir(*dir); /* was only read */
}

#define AUTO_DIR __attribute__((cleanup(close_directory))) DIR *

/* What has not been touched for so long is not going to be finished. */
static bool
is_stuck(const VdVmwareLock *lock, int dirfd, const char *name)
{
    struct stat st;

    return fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
           monotonic_ns() + lock->ahead_ns - changed_ns(&st) >= STUCK_NS;
}

/* Both halves of what somebody began; what fails here stays. */
static void
remove_unfinished(int dirfd, const char *name)
{
    Name entry = name_with('E', name), choosing = name_with('D', name);

    (void) unlinkat(dirfd, entry.text, 0);
    (void) unlinkat(dirfd, choosing.text, AT_REMOVEDIR);
}

/* Nobody can make a member of that number meanwhile; what fails stays. */
static void
remove_stale(int dirfd, const char *name, const VdVmwareMember *stale)
{
    Name choosing = name_with('D', name);
    VdVmwareMember now;

    if (mkdirat(dirfd, choosing.text, 0777) != 0)
        return;
    vd_vmware_member_read(dirfd, name, &now);
    if (!now.gone && now.stale && now.len == stale->len &&
        memcmp(now.text, stale->text, now.len) == 0)
        (void) unlinkat(dirfd, name, 0);
    (void) unlinkat(dirfd, choosing.text, AT_REMOVEDIR);
}

/* False: there is no such member (any more). */
static bool
read_member(int dirfd, const char *name, VdVmwareMember *member)
{
    vd_vmware_member_read(dirfd, name, member);
    if (member->gone)
        return false;
    if (!member->stale)
        return true;
    remove_stale(dirfd, name, member);
    return false;
}

/* -- a place in the queue -------------------------------------------------- */

/* Hidden files may be a network file system's, for those that are open. */
static bool
is_rubbish(const char *name)
{
    return name[0] != '.' && vd_vmware_name_kind(name) == VD_VMWARE_NAME_OTHER;
}

/* One more than the highest; tidies up on the way. */
static uint64_t
choose_place(const VdVmwareLock *lock, DIR *dir, const char *own_entry)
{
    const struct dirent *entry;
    VdVmwareMember member;
    uint64_t highest = 0;

    rewinddir(dir);
    while ((entry = readdir(dir))) {
        const char *name = entry->d_name;
        VdVmwareName kind = vd_vmware_name_kind(name);

        if (is_rubbish(name))
            (void) unlinkat(dirfd(dir), name, 0);
        else if (kind == VD_VMWARE_NAME_MEMBER &&
                 read_member(dirfd(dir), name, &member))
            highest = MAX(highest, member.place);
        else if (kind == VD_VMWARE_NAME_ENTRY && strcmp(name, own_entry) != 0 &&
                 is_stuck(lock, dirfd(dir), name))
            remove_unfinished(dirfd(dir), name);
    }
    return highest + 1;
}

static int
write_entry(VdVmwareLock *lock, DIR *dir, int fd, const char *entry)
{
    char text[VD_VMWARE_MEMBER_BYTES];
    struct stat st;

    if (fstat(fd, &st) != 0)
        return -errno;
    lock->ahead_ns = changed_ns(&st) - monotonic_ns();
    lock->place = choose_place(lock, dir, entry);
    vd_vmware_member_write(text, lock->dir, lock->place, lock->exclusive);
    return vio_write_all(fd, text, sizeof(text)) ? 0 : -errno;
}

/* An entry that becomes the member.  -ENOENT: somebody took us for stuck. */
static int
make_member(VdVmwareLock *lock, DIR *dir, const char *member)
{
    Name entry = name_with('E', member);
    int fd, r = ask_hook(entry.text);

    if (r < 0)
        return r;
    fd = openat(dirfd(dir), entry.text,
                O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644);
    if (fd < 0)
        return -errno;
    r = write_entry(lock, dir, fd, entry.text);
    if (close(fd) != 0 && r == 0)
        r = -errno;
    if (r == 0)
        r = ask_hook(member);
    if (r == 0 && renameat(dirfd(dir), entry.text, dirfd(dir), member) != 0)
        r = -errno;
    if (r < 0 && r != -ENOENT)
        (void) unlinkat(dirfd(dir), entry.text, 0);
    return r;
}

/* -EEXIST: the number is somebody's. */
static int
try_number(VdVmwareLock *lock, DIR *dir, unsigned number)
{
    Name choosing = name_of('D', number), member = name_of('M', number);
    struct stat st;
    int r = ask_hook(choosing.text);

    if (r == 0 && mkdirat(dirfd(dir), choosing.text, 0777) != 0)
        r = -errno;
    if (r < 0)
        return r;
    if (fstatat(dirfd(dir), member.text, &st, AT_SYMLINK_NOFOLLOW) == 0)
        r = -EEXIST;
    else
        r = make_member(lock, dir, member.text);
    (void) unlinkat(dirfd(dir), choosing.text, AT_REMOVEDIR);
    if (r == 0)
        lock->member = member;
    return r;
}

/* -EAGAIN: the last user has just removed the directory, the number is taken,
 * or somebody took us for stuck. */
static int
try_enter(VdVmwareLock *lock)
{
    int r = ask_hook("");
    AUTO_DIR dir = NULL;

    if (r == 0 && mkdir(lock->dir, 0777) != 0 && errno != EEXIST)
        r = -errno;
    if (r < 0)
        return r;
    dir = open_directory(lock->dir);
    if (!dir)
        return errno == ENOENT ? -EAGAIN : -errno;
    /* A process and its fork draw the same numbers. */
    r = try_number(lock, dir, g_random_int() ^ (unsigned) getpid());
    if (r < 0)
        (void) rmdir(lock->dir); /* unless others are there */
    return r == -ENOENT || r == -EEXIST ? -EAGAIN : r;
}

/* -- entering -------------------------------------------------------------- */

/* Where the lock directory is; false: a lock has no place here, since the name
 * leads to a descriptor of a process. */
static bool
settle_directory(VdVmwareLock *lock)
{
    g_autofree char *link = g_file_read_link(lock->path, NULL);
    g_autofree char *parent = g_path_get_dirname(lock->path);
    g_autofree char *name = g_path_get_basename(lock->path);
    char *real = realpath(parent, NULL);

    if ((link && g_str_has_prefix(link, "/proc/")) ||
        (real && g_str_has_prefix(real, "/proc/"))) {
        free(real);
        return false;
    }
    lock->dir = g_strdup_printf("%s/%s.lck", real ? real : parent, name);
    free(real);
    return true;
}

static bool
means_unwritable(int errnum)
{
    return errnum == EROFS || errnum == EACCES || errnum == EPERM;
}

/* A file system that is read-only, a snapshot maybe, says nothing about who
 * uses the disk now; a directory does, even if it is not for us to write to. */
static bool
enter_unseen(VdVmwareLock *lock, int errnum, GError **error)
{
    if (lock->exclusive)
        return vd_throw(error, VD_ERROR_PERMISSION,
                        "%s: cannot lock the image for writing: no entry can "
                        "be made in %s: %s",
                        lock->path, lock->dir, g_strerror(errnum));
    lock->unseen = true;
    if (errnum == EROFS)
        g_clear_pointer(&lock->dir, g_free);
    return true;
}

static bool
enter(VdVmwareLock *lock, GError **error)
{
    int r = -EAGAIN;

    if (!settle_directory(lock))
        return true;
    for (unsigned i = 0; i < MAX_TRIES && r == -EAGAIN; i++)
        r = try_enter(lock);
    if (r == 0)
        return true;
    if (means_unwritable(-r))
        return enter_unseen(lock, -r, error);
    return vd_throw_errno(error, -r, "%s: cannot lock the image: %s",
                          lock->path, lock->dir);
}

VdVmwareLock *
vd_vmware_lock_enter(const char *path, bool exclusive, GError **error)
{
    VdVmwareLock *lock = g_new0(VdVmwareLock, 1);

    lock->path = g_strdup(path);
    lock->exclusive = exclusive;
    lock->choosing = g_array_new(FALSE, FALSE, sizeof(Name));
    if (enter(lock, error))
        return lock;
    vd_vmware_lock_release(lock);
    return NULL;
}

/* -- looking --------------------------------------------------------------- */

static void
note_choosing(VdVmwareLock *lock, DIR *dir)
{
    const struct dirent *entry;

    while ((entry = readdir(dir)))
        if (vd_vmware_name_kind(entry->d_name) == VD_VMWARE_NAME_CHOOSING) {
            Name name = name_with('D', entry->d_name);

            g_array_append_val(lock->choosing, name);
        }
    lock->looked_ns = monotonic_ns();
}

/* Those that are there no more, or will never get on, are waited for no more.
 */
static void
strike_choosing(VdVmwareLock *lock, int dirfd)
{
    bool late = monotonic_ns() - lock->looked_ns >= STUCK_NS;

    for (guint i = lock->choosing->len; i > 0; i--) {
        const char *name = g_array_index(lock->choosing, Name, i - 1).text;
        bool stuck = late || is_stuck(lock, dirfd, name);

        if (stuck)
            remove_unfinished(dirfd, name);
        if (stuck || faccessat(dirfd, name, F_OK, AT_SYMLINK_NOFOLLOW) != 0)
            g_array_remove_index_fast(lock->choosing, i - 1);
    }
}

/* With a place of our own nobody who comes later can be before us. */
static bool
is_in_the_way(const VdVmwareLock *lock, const char *name,
              const VdVmwareMember *member)
{
    if (!lock->exclusive && !member->exclusive)
        return false;
    if (lock->unseen || !member->understood)
        return true;
    return member->place < lock->place || (member->place == lock->place &&
                                           strcmp(name, lock->member.text) < 0);
}

static bool
find_blocker(VdVmwareLock *lock, DIR *dir)
{
    const struct dirent *entry;
    VdVmwareMember member;

    rewinddir(dir);
    while ((entry = readdir(dir))) {
        const char *name = entry->d_name;

        if (vd_vmware_name_kind(name) != VD_VMWARE_NAME_MEMBER ||
            strcmp(name, lock->member.text) == 0 ||
            !read_member(dirfd(dir), name, &member) ||
            !is_in_the_way(lock, name, &member))
            continue;
        lock->blocker = name_with('M', name);
        lock->blocking = member;
        return true;
    }
    return false;
}

static VdVmwareTurn
look_into(VdVmwareLock *lock, DIR *dir)
{
    /* Who is not ready is seen in a pass of its own: reading a directory takes
     * time, in which an E can become an M and its D go. */
    if (!lock->unseen && lock->looked_ns == 0)
        note_choosing(lock, dir);
    strike_choosing(lock, dirfd(dir));
    if (lock->choosing->len > 0)
        return VD_VMWARE_CHOOSING;
    return find_blocker(lock, dir) ? VD_VMWARE_HELD : VD_VMWARE_GRANTED;
}

VdVmwareTurn
vd_vmware_lock_look(VdVmwareLock *lock, GError **error)
{
    AUTO_DIR dir = NULL;

    if (!lock->dir)
        return VD_VMWARE_GRANTED;
    dir = open_directory(lock->dir);
    if (!dir && lock->unseen)
        return VD_VMWARE_GRANTED; /* there is none, or not for us to see */
    if (dir && (lock->unseen || faccessat(dirfd(dir), lock->member.text, F_OK,
                                          AT_SYMLINK_NOFOLLOW) == 0))
        return look_into(lock, dir);
    (void) vd_throw(error, VD_ERROR_IN_USE,
                    "%s: somebody took our lock '%s/%s' away", lock->path,
                    lock->dir, lock->member.text);
    return VD_VMWARE_FAILED;
}

bool
vd_vmware_lock_throw(const VdVmwareLock *lock, GError **error)
{
    return vd_vmware_member_throw(&lock->blocking, lock->dir,
                                  lock->blocker.text, lock->path, error);
}

void
vd_vmware_lock_release(VdVmwareLock *lock)
{
    g_autofree char *member = NULL;

    if (!lock)
        return;
    if (lock->member.text[0]) {
        member = g_build_filename(lock->dir, lock->member.text, NULL);
        (void) unlink(member);   /* what fails here is stale with our end */
        (void) rmdir(lock->dir); /* unless others are there */
    }
    g_array_unref(lock->choosing);
    g_free(lock->dir);
    g_free(lock->path);
    g_free(lock);
}
