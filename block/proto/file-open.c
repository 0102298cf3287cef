/* SPDX-License-Identifier: BSD-3-Clause */
/* block/proto/file-open.c - opening files and block devices.
 *
 * Options: filename; locking=auto|on|off; copy-offload=reflink|full|off;
 * exclusive=on|off (a block device that is mounted, or part of something, is
 * refused, and cannot be as long as it is open); aio, accepted for the sake of
 * QEMU's option strings (the engine is chosen for the whole context).
 *
 * Concurrency: the descriptor is locked before anybody looks at the contents.
 */
#include "block/proto/file.h"

#include "block/image-lock.h"
#include "block/name.h"
#include "block/transaction.h"
#include "io/fd.h"
#include "io/offload.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <string.h>

/* Large enough to stream at device speed, small enough to keep several in
 * flight. */
#define FILE_OPT_TRANSFER (UINT64_C(1) << 20)

enum { FILE_LOCKING_AUTO, FILE_LOCKING_ON, FILE_LOCKING_OFF };

static const char *const file_locking_names[] = {"auto", "on", "off", NULL};
static const char *const file_aio_names[] = {"threads", "native", "io_uring",
                                             NULL};
static const char *const file_copy_names[] = {"reflink", "full", "off", NULL};

typedef struct {
    char *filename;
    unsigned locking;
    bool exclusive;
} FileOpen;

static void
file_open_clear(FileOpen *how)
{
    g_free(how->filename);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(FileOpen, file_open_clear)

bool
file_parse_name(const char *name, VdOptions *opts, GError **error)
{
    const char *path = vd_name_strip_file(name);
    /* So that whoever opens what we call it finds it, too. */
    bool has_colon = vd_name_kind(path, NULL) == VD_NAME_SCHEME;
    g_autofree char *plain = g_strconcat(has_colon ? "./" : "", path, NULL);

    if (*path == '\0')
        return vd_throw(error, VD_ERROR_INVALID_ARGUMENT,
                        "the name of a file is empty");
    vd_options_set(opts, "filename", plain);
    return true;
}

static bool
file_take_options(VdNode *node, VdOptions *opts, FileOpen *how, GError **error)
{
    FileState *s = vd_node_state(node);
    unsigned copy = FILE_COPY_REFLINK, aio = 0;

    s->direct = vd_node_flags(node) & VD_OPEN_DIRECT;
    if (vd_node_flags(node) & VD_OPEN_NO_LOCK)
        how->locking = FILE_LOCKING_OFF;
    vd_options_take_string(opts, "filename", &how->filename);
    if (!how->filename || *how->filename == '\0')
        return vd_throw(error, VD_ERROR_INVALID_ARGUMENT,
                        "The 'file' block driver requires a file name");
    if (!vd_options_take_enum(opts, "locking", file_locking_names,
                              &how->locking, error) ||
        !vd_options_take_enum(opts, "aio", file_aio_names, &aio, error) ||
        !vd_options_take_enum(opts, "copy-offload", file_copy_names, &copy,
                              error) ||
        !vd_options_take_bool(opts, "exclusive", &how->exclusive, error))
        return false;
    s->copy_offload = copy;
    return true;
}

/* O_EXCL means that for block devices, and for nothing else. */
static int
file_co_exclusive_flag(VdNode *node, const FileOpen *how, const char *path)
{
    struct statx stx;

    if (!how->exclusive || vio_co_statx(vd_node_loop(node), AT_FDCWD, path, 0,
                                        STATX_TYPE, &stx) < 0)
        return 0; /* opening will say why */
    return S_ISBLK(stx.stx_mode) ? O_EXCL : 0;
}

/* With O_NONBLOCK, so that a named pipe is refused rather than waited for. */
static int
file_co_open_fd(VdNode *node, const FileOpen *how, GError **error)
{
    const FileState *s = vd_node_state(node);
    VdTransaction *tx = vd_node_env(node)->tx;
    const char *path = how->filename;
    int flags = O_CLOEXEC | O_NOCTTY | O_NONBLOCK, fd;

    if (tx)
        path = vd_tx_translate(tx, path);
    flags |= vd_node_is_writable(node) ? O_RDWR : O_RDONLY;
    flags |= s->direct ? O_DIRECT : 0;
    flags |= file_co_exclusive_flag(node, how, path);
    fd = vio_co_openat(vd_node_loop(node), AT_FDCWD, path, flags, 0);
    if (fd == -EINVAL && s->direct)
        (void) vd_throw(error, VD_ERROR_NOT_SUPPORTED,
                        "Could not open '%s': the file system does not "
                        "support direct I/O",
                        how->filename);
    else if (fd < 0)
        (void) vd_throw_errno(error, -fd, "Could not open '%s'", how->filename);
    return fd;
}

/* -- locks ------------------------------------------------------------------
 */

typedef struct {
    int fd;
    VdLockMode mode;
    const char *path;
    bool check_vmware;
    bool unsupported, ok;
    GError *error;
} FileLock;

/* Blocking calls, to read the lock directory, too. */
static void
file_lock_work(void *opaque)
{
    FileLock *work = opaque;

    work->ok = (!work->check_vmware ||
                vd_vmware_lock_check(work->path, &work->error)) &&
               vd_image_lock(work->fd, work->mode, work->path,
                             &work->unsupported, &work->error);
}

static bool
file_is_held_by_creation(const VdNode *node, const FileOpen *how)
{
    const VdTransaction *tx = vd_node_env(node)->tx;

    return tx && vd_tx_holds_vmware_lock(tx, how->filename);
}

static VdLockMode
file_lock_mode(const VdNode *node)
{
    if (vd_node_is_writable(node))
        return VD_LOCK_WRITE;
    if (vd_node_flags(node) & VD_OPEN_FORCE_SHARE)
        return VD_LOCK_SHARE;
    return VD_LOCK_READ;
}

/* What is just being created is held by its transaction.  Those who read
 * although somebody writes have no use for a lock. */
static bool
file_wants_vmware_lock(const VdNode *node, const FileOpen *how)
{
    return (vd_node_flags(node) & VD_OPEN_VMWARE_LOCK) &&
           how->locking != FILE_LOCKING_OFF &&
           file_lock_mode(node) != VD_LOCK_SHARE &&
           !file_is_held_by_creation(node, how);
}

/* Before the file is opened: whoever has the lock may put another one in its
 * place.  Devices have no place for a lock. */
static bool
file_co_lock_vmware(VdNode *node, const FileOpen *how, GError **error)
{
    FileState *s = vd_node_state(node);
    struct statx stx;
    int r;

    if (!file_wants_vmware_lock(node, how))
        return true;
    r = vio_co_statx(vd_node_loop(node), AT_FDCWD, how->filename, 0, STATX_TYPE,
                     &stx);
    if (r < 0)
        return vd_throw_errno(error, -r, "Could not open '%s'", how->filename);
    if (!S_ISREG(stx.stx_mode))
        return true;
    s->vmware_lock =
        vd_vmware_co_lock(vd_node_env(node), how->filename,
                          file_lock_mode(node) == VD_LOCK_WRITE, error);
    return s->vmware_lock != NULL;
}

static bool
file_co_lock(VdNode *node, int fd, const FileOpen *how, GError **error)
{
    FileState *s = vd_node_state(node);
    FileLock work = {
        .fd = fd,
        .mode = file_lock_mode(node),
        .path = how->filename,
    };

    s->writable_elsewhere =
        how->locking == FILE_LOCKING_OFF || work.mode == VD_LOCK_SHARE;
    if (how->locking == FILE_LOCKING_OFF)
        return true;
    work.check_vmware = work.mode == VD_LOCK_WRITE && !s->vmware_lock &&
                        !file_is_held_by_creation(node, how);
    vio_co_offload_brief(vd_node_loop(node), file_lock_work, &work);
    if (!work.ok) {
        g_propagate_error(error, work.error);
        return false;
    }
    if (!work.unsupported)
        return true;
    if (how->locking == FILE_LOCKING_ON)
        return vd_throw(error, VD_ERROR_NOT_SUPPORTED,
                        "%s: the file system has no locks, and locking=on "
                        "asks for them",
                        how->filename);
    vd_node_warn(node,
                 "%s: the file system has no locks; nobody is kept "
                 "from using the image at the same time",
                 how->filename);
    return true;
}

/* -- what it is -------------------------------------------------------------
 */

/* Size and block size of a device come from its driver. */
static bool
file_take_device(VdNode *node, int fd, const char *filename, GError **error)
{
    uint64_t size = 0;
    int block = 512;

    if (ioctl(fd, BLKGETSIZE64, &size) < 0)
        return vd_throw_errno(error, errno, "Could not open '%s'", filename);
    if (ioctl(fd, BLKSSZGET, &block) < 0 || block < 512 ||
        (block & (block - 1)) != 0)
        block = 512;
    /* Anything finer is done by reading and writing blocks. */
    vd_node_limits(node)->zeroes_align = (uint64_t) block;
    vd_node_limits(node)->discard_align = (uint64_t) block;
    vd_node_set_size(node, size);
    return true;
}

static bool
file_co_identify(VdNode *node, int fd, const char *filename, struct statx *stx,
                 GError **error)
{
    FileState *s = vd_node_state(node);
    int r = vio_co_statx(vd_node_loop(node), fd, "", AT_EMPTY_PATH,
                         STATX_BASIC_STATS | STATX_DIOALIGN, stx);

    if (r < 0)
        return vd_throw_errno(error, -r, "Could not open '%s'", filename);
    if (S_ISDIR(stx->stx_mode))
        return vd_throw(error, VD_ERROR_INVALID_ARGUMENT,
                        "'file' driver requires '%s' to be a regular file",
                        filename);
    if (!S_ISREG(stx->stx_mode) && !S_ISBLK(stx->stx_mode))
        return vd_throw(error, VD_ERROR_INVALID_ARGUMENT,
                        "Could not open '%s': neither a regular file nor a "
                        "block device",
                        filename);
    if (stx->stx_size > (uint64_t) VD_MAX_SIZE)
        return vd_throw_errno(error, EFBIG, "Could not open '%s'", filename);
    s->is_device = S_ISBLK(stx->stx_mode);
    vd_node_set_size(node, stx->stx_size);
    return !s->is_device || file_take_device(node, fd, filename, error);
}

/* Once we know that it can be read without waiting for somebody: io_uring takes
 * O_NONBLOCK on files at its word and fails requests that it cannot finish at
 * once. */
static bool
file_set_blocking(int fd, const char *filename, GError **error)
{
    int flags = fcntl(fd, F_GETFL);

    if (flags >= 0 && fcntl(fd, F_SETFL, flags & ~O_NONBLOCK) == 0)
        return true;
    return vd_throw_errno(error, errno, "Could not open '%s'", filename);
}

static bool
file_co_open_locked(VdNode *node, const FileOpen *how, GError **error)
{
    FileState *s = vd_node_state(node);
    VIO_AUTO_FD fd = -1;
    struct statx stx;

    fd = file_co_open_fd(node, how, error);
    if (fd < 0 || !file_co_identify(node, fd, how->filename, &stx, error) ||
        !file_set_blocking(fd, how->filename, error) ||
        !file_co_lock(node, fd, how, error))
        return false;
    s->file = vio_co_file_new(vd_node_loop(node), vio_fd_steal(&fd),
                              s->direct ? VIO_FILE_DIRECT : 0);
    vd_node_limits(node)->opt_transfer = FILE_OPT_TRANSFER;
    vd_node_set_write_flags(node, VD_REQ_FUA,
                            VD_REQ_MAY_UNMAP | VD_REQ_NO_FALLBACK);
    if (s->direct)
        file_co_find_alignment(node, &stx);
    file_behind_set_up(node);
    return true;
}

bool
file_co_open(VdNode *node, VdOptions *opts, GError **error)
{
    FileState *s = vd_node_state(node);
    g_auto(FileOpen) how = {0};

    if (!file_take_options(node, opts, &how, error))
        return false;
    vd_node_set_name(node, how.filename);
    if (!file_co_lock_vmware(node, &how, error))
        return false;
    if (file_co_open_locked(node, &how, error))
        return true;
    vd_vmware_co_unlock(vd_node_loop(node), g_steal_pointer(&s->vmware_lock));
    return false;
}
