/* SPDX-License-Identifier: BSD-3-Clause */
/* block/image-lock.c - who uses an image: byte-range locks that QEMU knows.
 *
 * All locks are read locks of one byte each, held by the open file
 * description.  Read locks never collide; a conflict is found by testing
 * after taking, so of two that open at the same time at least one sees the
 * other.
 *
 *   byte 100 + i: "I use permission i"
 *   byte 200 + i: "I do not let others use permission i"
 *
 * Concurrency: no state; any thread.  Never blocks on a local file system.
 */
#include "block/image-lock.h"

#include <errno.h>
#include <fcntl.h>

#define USE_BYTE 100
#define DENY_BYTE 200

enum {
    PERM_READ,
    PERM_WRITE,
    PERM_WRITE_UNCHANGED,
    PERM_RESIZE,
    N_PERMS,
};

#define BIT(perm) (1u << (perm))
#define ALL_PERMS (BIT(N_PERMS) - 1)

static const char *const perm_names[N_PERMS] = {
    "consistent read",
    "write",
    "write unchanged",
    "resize",
};

/* What a mode takes and what it tests. */
typedef struct {
    unsigned use, deny; /* bytes taken: bits of USE_BYTE and DENY_BYTE */
    unsigned test_used; /* of these nobody may be a user */
} LockSet;

static const LockSet lock_sets[] = {
    [VD_LOCK_SHARE] = {BIT(PERM_READ), 0, 0},
    [VD_LOCK_READ] = {BIT(PERM_READ), BIT(PERM_WRITE) | BIT(PERM_RESIZE),
                      BIT(PERM_WRITE) | BIT(PERM_RESIZE)},
    [VD_LOCK_WRITE] = {BIT(PERM_READ) | BIT(PERM_WRITE) | BIT(PERM_RESIZE),
                       BIT(PERM_WRITE) | BIT(PERM_RESIZE),
                       BIT(PERM_WRITE) | BIT(PERM_RESIZE)},
    [VD_LOCK_CREATE] = {BIT(PERM_WRITE) | BIT(PERM_RESIZE),
                        BIT(PERM_WRITE) | BIT(PERM_RESIZE), ALL_PERMS},
};

/* 0 or -errno. */
static int
set_lock(int fd, off_t start, off_t len, short type)
{
    struct flock lock = {
        .l_type = type,
        .l_whence = SEEK_SET,
        .l_start = start,
        .l_len = len,
    };

    return fcntl(fd, F_OFD_SETLK, &lock) == 0 ? 0 : -errno;
}

/* 1 somebody else holds the byte, 0 nobody, -errno. */
static int
test_lock(int fd, off_t byte)
{
    struct flock lock = {
        .l_type = F_WRLCK,
        .l_whence = SEEK_SET,
        .l_start = byte,
        .l_len = 1,
    };

    if (fcntl(fd, F_OFD_GETLK, &lock) != 0)
        return -errno;
    return lock.l_type != F_UNLCK;
}

/* Hold exactly the bytes of @mask among those from @base. */
static int
take_bytes(int fd, off_t base, unsigned mask)
{
    for (unsigned i = 0; i < N_PERMS; i++) {
        int r = set_lock(fd, base + i, 1, (mask & BIT(i)) ? F_RDLCK : F_UNLCK);

        if (r < 0)
            return r;
    }
    return 0;
}

static bool
throw_conflict(GError **error, const char *what, unsigned perm,
               const char *name)
{
    return vd_throw(error, VD_ERROR_IN_USE,
                    "Failed to get %s\"%s\" lock\n"
                    "Is another process using the image [%s]?",
                    what, perm_names[perm], name);
}

/* A permission that one of the bytes from @base denies; N_PERMS = none, or
 * -errno. */
static int
find_held(int fd, off_t base, unsigned mask)
{
    for (unsigned i = 0; i < N_PERMS; i++) {
        int held = (mask & BIT(i)) ? test_lock(fd, base + i) : 0;

        if (held < 0)
            return held;
        if (held)
            return i;
    }
    return N_PERMS;
}

/* 0, 1 = conflict (error set), or -errno. */
static int
test_conflicts(int fd, const LockSet *set, const char *name, GError **error)
{
    int denied = find_held(fd, DENY_BYTE, set->use);
    int used;

    if (denied < 0)
        return denied;
    if (denied < N_PERMS) {
        (void) throw_conflict(error, "", denied, name);
        return 1;
    }
    used = find_held(fd, USE_BYTE, set->test_used);
    if (used < 0)
        return used;
    if (used < N_PERMS) {
        (void) throw_conflict(error, "shared ", used, name);
        return 1;
    }
    return 0;
}

static int
take_then_test(int fd, const LockSet *set, const char *name, GError **error)
{
    int r = take_bytes(fd, USE_BYTE, set->use);

    if (r == 0)
        r = take_bytes(fd, DENY_BYTE, set->deny);
    return r < 0 ? r : test_conflicts(fd, set, name, error);
}

/* Some file systems know no locks, or have no server for them. */
static bool
means_unsupported(int errnum)
{
    return errnum == EINVAL || errnum == ENOLCK || errnum == ENOSYS ||
           errnum == EOPNOTSUPP;
}

bool
vd_image_lock(int fd, VdLockMode mode, const char *name, bool *unsupported,
              GError **error)
{
    int r = take_then_test(fd, &lock_sets[mode], name, error);

    if (unsupported)
        *unsupported = false;
    if (r == 0)
        return true;
    vd_image_unlock(fd);
    if (r > 0)
        return false;
    if (means_unsupported(-r)) {
        if (unsupported)
            *unsupported = true;
        return true;
    }
    if (r == -EAGAIN || r == -EACCES)
        return throw_conflict(error, "", PERM_WRITE, name);
    return vd_throw_errno(error, -r, "%s: cannot lock the image", name);
}

void
vd_image_unlock(int fd)
{
    /* Unlocking what is not held is no error, and nobody could act on one. */
    (void) set_lock(fd, USE_BYTE, N_PERMS, F_UNLCK);
    (void) set_lock(fd, DENY_BYTE, N_PERMS, F_UNLCK);
}

VdLockUsers
vd_image_lock_ask(int fd)
{
    int writer = find_held(fd, USE_BYTE, BIT(PERM_WRITE) | BIT(PERM_RESIZE));
    int user = find_held(fd, USE_BYTE, ALL_PERMS);

    if (writer < 0 || user < 0)
        return VD_LOCK_USED_UNKNOWN;
    if (writer < N_PERMS)
        return VD_LOCK_USED_WRITE;
    return user < N_PERMS ? VD_LOCK_USED_READ : VD_LOCK_USED_NOT;
}
