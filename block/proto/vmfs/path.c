/* SPDX-License-Identifier: BSD-3-Clause */
/* block/proto/vmfs/path.c - paths and symbolic links.
 *
 * Hosts call a volume /vmfs/volumes/UUID or /vmfs/volumes/LABEL, and so do
 * links and the names of parents that are stored in disks.
 *
 * Concurrency: no state.
 */
#include "block/proto/vmfs/path.h"

#include <inttypes.h>
#include <string.h>

#include "block/error.h"
#include "block/proto/vmfs/dir.h"
#include "block/proto/vmfs/mapping.h"

#define HOST_PREFIX "/vmfs/volumes/"
/* Of directories that one path leads through. */
#define MAX_BYTES (UINT64_C(1) << 30)

typedef struct {
    VmfsFs *fs;
    const char *path; /* as it was asked for */
    GString *rest;    /* what is still to be walked */
    GArray *dirs;     /* addresses, from the root to where we are */
    VmfsFd *fd;       /* the last of them, or what is there */
    char *name;       /* by which it was found last */
    unsigned links;
    uint64_t bytes; /* of directories so far */
} Walk;

static bool
walk_fail(const Walk *w, VdErrorCode code, GError **error, const char *problem)
{
    return vd_throw(error, code, "%s: %s", w->path, problem);
}

/* -- places ---------------------------------------------------------------- */

static bool
walk_co_go_to(Walk *w, uint32_t address, GError **error)
{
    VmfsFd *fd = vmfs_fd_co_read(w->fs, address, error);

    if (!fd)
        return vd_prefix(error, "%s: ", w->path);
    vmfs_fd_free(w->fd);
    w->fd = fd;
    if (fd->type == VMFS_TYPE_DIRECTORY)
        g_array_append_val(w->dirs, address);
    return true;
}

static bool
walk_co_go_to_root(Walk *w, GError **error)
{
    g_array_set_size(w->dirs, 0);
    return walk_co_go_to(w, VMFS_FD_ROOT, error) &&
           (w->dirs->len == 1 ||
            walk_fail(w, VD_ERROR_CORRUPT, error, "the root is no directory"));
}

/* To the last directory. */
static bool
walk_co_go_back(Walk *w, GError **error)
{
    guint last = w->dirs->len - 1;
    uint32_t address = g_array_index(w->dirs, uint32_t, last);

    g_array_set_size(w->dirs, last);
    return walk_co_go_to(w, address, error) &&
           (w->dirs->len > last || walk_fail(w, VD_ERROR_CORRUPT, error,
                                             "a directory is none any more"));
}

/* The root is its own parent; what is no directory has none. */
static bool
walk_co_go_up(Walk *w, GError **error)
{
    if (w->fd->type != VMFS_TYPE_DIRECTORY)
        return walk_fail(w, VD_ERROR_NOT_FOUND, error,
                         "what is in front of '..' is no directory");
    if (w->dirs->len > 1)
        g_array_set_size(w->dirs, w->dirs->len - 1);
    return walk_co_go_back(w, error);
}

/* -- entries --------------------------------------------------------------- */

typedef struct {
    const char *name;
    uint32_t address; /* 0 = not found */
} Search;

static bool
search_entry(const VmfsDirEntry *entry, void *arg)
{
    Search *s = arg;

    if (strcmp(entry->name, s->name) == 0)
        s->address = entry->address;
    return s->address == 0;
}

static bool
walk_co_enter(Walk *w, const char *name, GError **error)
{
    Search s = {.name = name};

    if (w->fd->type != VMFS_TYPE_DIRECTORY)
        return walk_fail(w, VD_ERROR_NOT_FOUND, error,
                         "what is in front of the end of the path is no "
                         "directory");
    w->bytes += MIN(w->fd->len, MAX_BYTES);
    if (w->bytes > MAX_BYTES)
        return walk_fail(w, VD_ERROR_LIMIT, error,
                         "the directories on the way are too large");
    if (!vmfs_dir_co_read(w->fs, w->fd, search_entry, &s, error))
        return vd_prefix(error, "%s: ", w->path);
    if (s.address == 0)
        return vd_throw(error, VD_ERROR_NOT_FOUND,
                        "%s: there is no '%s' in the volume", w->path, name);
    g_free(w->name);
    w->name = g_strdup(name);
    return walk_co_go_to(w, s.address, error);
}

/* -- links and absolute paths ---------------------------------------------- */

static bool
is_called(const VmfsFs *fs, const char *name)
{
    g_autofree char *uuid = vmfs_uuid_text(&fs->info.uuid);

    return strcmp(name, fs->info.label) == 0 ||
           g_ascii_strcasecmp(name, uuid) == 0;
}

/* w->rest begins with a slash. */
static bool
walk_strip_volume(Walk *w, GError **error)
{
    const char *name = w->rest->str + strlen(HOST_PREFIX);
    g_autofree char *volume = NULL;

    if (!g_str_has_prefix(w->rest->str, HOST_PREFIX))
        return true;
    volume = g_strndup(name, strcspn(name, "/"));
    if (!is_called(w->fs, volume))
        return vd_throw(error, VD_ERROR_NOT_FOUND,
                        "%s: volume '%s' is another one than '%s', which is "
                        "open",
                        w->path, volume, w->fs->info.label);
    g_string_erase(w->rest, 0, (gssize) (strlen(HOST_PREFIX) + strlen(volume)));
    return true;
}

static bool
walk_co_follow(Walk *w, GError **error)
{
    g_autofree char *target = NULL;

    if (++w->links > VMFS_MAX_LINKS)
        return walk_fail(w, VD_ERROR_LIMIT, error,
                         "too many symbolic links on the way");
    target = vmfs_path_co_read_link(w->fs, w->fd, error);
    if (!target)
        return vd_prefix(error, "%s: ", w->path);
    g_string_prepend_c(w->rest, '/');
    g_string_prepend(w->rest, target);
    if (*target == '/')
        return walk_strip_volume(w, error) && walk_co_go_to_root(w, error);
    return walk_co_go_back(w, error);
}

char *
vmfs_path_co_read_link(VmfsFs *fs, const VmfsFd *fd, GError **error)
{
    g_autofree char *target = NULL;

    if (fd->len == 0 || fd->len > VMFS_MAX_PATH)
        return vd_throw_null(error, VD_ERROR_CORRUPT,
                             "a symbolic link of %" PRIu64 " bytes", fd->len);
    target = g_malloc0((size_t) fd->len + 1);
    if (!vmfs_file_co_read(fs, fd, 0, target, (size_t) fd->len, error))
        return NULL;
    return g_steal_pointer(&target);
}

/* -- the walk -------------------------------------------------------------- */

/* The next name, taken from the front; NULL = there is none. */
static char *
walk_take_name(Walk *w)
{
    size_t slashes = strspn(w->rest->str, "/");
    size_t len = strcspn(w->rest->str + slashes, "/");
    char *name = g_strndup(w->rest->str + slashes, len);

    g_string_erase(w->rest, 0, (gssize) (slashes + len));
    if (len == 0)
        g_clear_pointer(&name, g_free);
    return name;
}

static bool
walk_co_step(Walk *w, const char *name, GError **error)
{
    if (strcmp(name, ".") == 0)
        return true;
    if (strcmp(name, "..") == 0)
        return walk_co_go_up(w, error);
    return walk_co_enter(w, name, error) &&
           (w->fd->type != VMFS_TYPE_SYMLINK || walk_co_follow(w, error));
}

static bool
walk_co_all(Walk *w, GError **error)
{
    bool ok = walk_strip_volume(w, error) && walk_co_go_to_root(w, error);

    while (ok) {
        g_autofree char *name = walk_take_name(w);

        if (!name)
            return true;
        ok = walk_co_step(w, name, error);
    }
    return false;
}

VmfsFd *
vmfs_path_co_find(VmfsFs *fs, const char *path, char **name, GError **error)
{
    Walk w = {.fs = fs, .path = path};

    if (strlen(path) > VMFS_MAX_PATH)
        return vd_throw_null(error, VD_ERROR_LIMIT,
                             "a path of %zu bytes, at most %d", strlen(path),
                             VMFS_MAX_PATH);
    w.rest = g_string_new(path);
    w.dirs = g_array_new(FALSE, FALSE, sizeof(uint32_t));
    if (!walk_co_all(&w, error))
        g_clear_pointer(&w.fd, vmfs_fd_free);
    g_string_free(w.rest, TRUE);
    g_array_unref(w.dirs);
    if (w.fd)
        *name = g_steal_pointer(&w.name);
    g_free(w.name);
    return w.fd;
}
