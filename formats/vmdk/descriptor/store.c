/* SPDX-License-Identifier: BSD-3-Clause */
/* formats/vmdk/descriptor/store.c - a changed descriptor back to where it came
 * from.
 *
 * Durable in any case: the data that a new content id announces must not be on
 * disk before it.  Embedded: see embedded.c.  A file of its own: a new file
 * beside it, durable, locked as the old one, renamed over it; so that a crash
 * leaves the old text or the new one.  Where that would break something (a
 * symbolic link, further hard links, no local file) or does not matter (nobody
 * knows the image yet), in place.
 *
 * After a rename our descriptor's lock protects a file without a name, so the
 * new one is locked before it gets its name, and kept open (desc_fd).
 *
 * Concurrency: under desc_lock.
 */
#include "formats/vmdk/descriptor/embedded.h"

#include "block/image-lock.h"
#include "block/open.h"
#include "io/fd.h"
#include "io/offload.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

typedef struct {
    const char *path;
    const char *text;
    size_t len;
    bool lock;
    bool in_place; /* out: it has to be */
    int fd;        /* out */
    GError *error;
} Replace;

/* -- on a worker thread
 * --------------------------------------------------------- */

/* Owner and mode of the file that is replaced. */
static bool
copy_owner(int fd, const struct stat *st)
{
    struct stat own;

    if (fstat(fd, &own))
        return false;
    if ((own.st_uid != st->st_uid || own.st_gid != st->st_gid) &&
        fchown(fd, st->st_uid, st->st_gid))
        return false;
    return fchmod(fd, st->st_mode & 07777) == 0;
}

static int
sync_directory_of(const char *path)
{
    g_autofree char *dir = g_path_get_dirname(path);

    return vio_sync_directory(dir);
}

static bool
fill_new_file(Replace *job, const char *temp, int fd, const struct stat *st)
{
    if (!copy_owner(fd, st)) {
        job->in_place = true; /* not ours to give away */
        return false;
    }
    if (!vio_write_all(fd, job->text, job->len) || fsync(fd))
        return vd_throw_errno(&job->error, errno, "%s: writing", temp);
    return !job->lock ||
           vd_image_lock(fd, VD_LOCK_WRITE, job->path, NULL, &job->error);
}

static void
replace_with(Replace *job, const struct stat *st)
{
    g_autofree char *temp = g_strdup_printf("%s.new-XXXXXX", job->path);
    VIO_AUTO_FD fd = g_mkstemp_full(temp, O_RDWR | O_CLOEXEC, 0600);
    int err;

    if (fd < 0) {
        job->in_place = true; /* no new files in this directory */
        return;
    }
    if (!fill_new_file(job, temp, fd, st)) {
        (void) unlink(temp); /* the failure is told already */
        return;
    }
    if (rename(temp, job->path)) {
        vd_throw_errno(&job->error, errno, "%s: renaming to %s", temp,
                       job->path);
        (void) unlink(temp);
        return;
    }
    err = sync_directory_of(job->path);
    if (err < 0)
        vd_throw_errno(&job->error, -err, "%s: making the new name durable",
                       job->path);
    job->fd = vio_fd_steal(&fd);
}

static void
replace_main(void *opaque)
{
    Replace *job = opaque;
    struct stat st;

    if (lstat(job->path, &st) || !S_ISREG(st.st_mode) || st.st_nlink > 1)
        job->in_place = true;
    else
        replace_with(job, &st);
}

/* The file that took the place of the one that was opened, as it is. */
static void
rewrite_main(void *opaque)
{
    Replace *job = opaque;

    if (lseek(job->fd, 0, SEEK_SET) != 0 ||
        !vio_write_all(job->fd, job->text, job->len) ||
        ftruncate(job->fd, (off_t) job->len) || fsync(job->fd))
        vd_throw_errno(&job->error, errno, "%s: writing", job->path);
}

/* -- on the loop
 * ------------------------------------------------------------------ */

static bool
store_co_in_place(VmdkState *s, const char *text, size_t len, GError **error)
{
    return vd_node_co_pwrite(s->file, 0, text, len, error) &&
           (vd_node_size(s->file) <= len ||
            vd_node_co_truncate(s->file, len, VD_PREALLOC_OFF, error)) &&
           vd_node_co_flush(s->file, error);
}

static bool
is_plain_file(const VmdkState *s)
{
    return !strcmp(vd_node_driver(s->file)->name, "file") &&
           !vd_node_env(s->node)->tx;
}

static bool
store_co_file(VmdkState *s, const char *text, size_t len, GError **error)
{
    Replace job = {.path = vd_node_name(s->file),
                   .text = text,
                   .len = len,
                   .fd = -1,
                   .lock = !(vd_node_flags(s->node) &
                             (VD_OPEN_NO_LOCK | VD_OPEN_FORCE_SHARE))};

    if (!is_plain_file(s))
        return store_co_in_place(s, text, len, error);
    vio_co_offload(vd_node_loop(s->node), replace_main, &job);
    if (job.in_place && s->desc_fd < 0)
        return store_co_in_place(s, text, len, error);
    if (job.in_place) {
        job.fd = s->desc_fd;
        vio_co_offload(vd_node_loop(s->node), rewrite_main, &job);
    } else if (job.fd >= 0) {
        if (s->desc_fd >= 0)
            (void) close(s->desc_fd); /* a file without a name */
        s->desc_fd = job.fd;
    }
    if (job.error)
        g_propagate_error(error, job.error);
    return !job.error;
}

bool
vmdk_descriptor_co_store(VmdkState *s, GError **error)
{
    size_t len;
    g_autofree char *text = vmdk_descriptor_text(s->desc, &len);
    bool ok = s->has_header
                  ? vmdk_descriptor_co_store_embedded(s, text, len, error)
                  : store_co_file(s, text, len, error);

    return ok ||
           vd_prefix(error,
                     "%s: writing the descriptor: ", vd_node_name(s->file));
}
