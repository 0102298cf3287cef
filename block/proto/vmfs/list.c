/* SPDX-License-Identifier: BSD-3-Clause */
/* block/proto/vmfs/list.c - what is in a directory, for people.
 *
 * What is wrong with one file is told with it: the others may be what somebody
 * wants to rescue.  A directory that leads back to one above it is such a
 * problem, too.
 *
 * Concurrency: no state.
 */
#include <inttypes.h>
#include <string.h>

#include "block/open.h"
#include "block/proto/text.h"
#include "block/proto/vmfs/dir.h"
#include "block/proto/vmfs/path.h"
#include "block/proto/vmfs/state.h"

#define MAX_DEPTH 64
/* A volume has at most 130690 files. */
#define MAX_ENTRIES 200000u
/* Of them, with the directories in front: those in one another have long ones
 * in front. */
#define MAX_NAME_BYTES (UINT64_C(64) << 20)
/* Of directories, which may be holes for the most part in hostile volumes. */
#define MAX_BYTES (UINT64_C(32) << 30)

typedef struct {
    VmfsFs *fs;
    bool recursive;
    GPtrArray *entries;  /* of VdFileEntry */
    GHashTable *visited; /* addresses of directories that are listed */
    unsigned depth;
    /* In all directories so far. */
    unsigned found;
    uint64_t name_bytes;
    uint64_t bytes;
} List;

/* -- entries --------------------------------------------------------------- */

static VdFileKind
kind_of(uint32_t type)
{
    switch (type) {
    case VMFS_TYPE_DIRECTORY:
        return VD_FILE_DIRECTORY;
    case VMFS_TYPE_FILE:
        return VD_FILE_REGULAR;
    case VMFS_TYPE_SYMLINK:
        return VD_FILE_SYMLINK;
    case VMFS_TYPE_SYSTEM:
        return VD_FILE_SYSTEM;
    case VMFS_TYPE_RDM:
        return VD_FILE_RDM;
    default:
        return VD_FILE_UNKNOWN;
    }
}

/* Takes @problem over: the first one counts. */
static void
set_problem(VdFileEntry *entry, GError *problem)
{
    if (!entry->problem)
        entry->problem =
            vd_escape_text(problem->message, strlen(problem->message));
    g_error_free(problem);
}

static VdFileEntry *
add_entry(List *list, const char *prefix, const char *name)
{
    VdFileEntry *entry = g_new0(VdFileEntry, 1);

    entry->name = g_strconcat(prefix, name, NULL);
    entry->label = vd_escape_text(entry->name, strlen(entry->name));
    entry->kind = VD_FILE_UNKNOWN;
    entry->allocated = -1;
    g_ptr_array_add(list->entries, entry);
    return entry;
}

static void
entry_co_fill(VmfsFs *fs, VdFileEntry *entry, const VmfsFd *fd)
{
    g_autofree char *target = NULL;
    GError *problem = NULL;

    entry->kind = kind_of(fd->type);
    entry->size = fd->len;
    entry->allocated = vmfs_fd_allocated(fd);
    entry->mtime_s = fd->mtime;
    entry->mode = fd->mode;
    entry->uid = fd->uid;
    entry->gid = fd->gid;
    if (fd->type != VMFS_TYPE_SYMLINK)
        return;
    target = vmfs_path_co_read_link(fs, fd, &problem);
    if (target)
        entry->target = vd_escape_text(target, strlen(target));
    else
        set_problem(entry, problem);
}

/* -- directories ----------------------------------------------------------- */

typedef struct {
    List *list;
    size_t prefix;   /* bytes in front of each name */
    GArray *entries; /* of VmfsDirEntry */
} Collect;

static bool
has_too_many(const List *list)
{
    return list->found > MAX_ENTRIES || list->name_bytes > MAX_NAME_BYTES;
}

static bool
collect_entry(const VmfsDirEntry *entry, void *arg)
{
    Collect *collect = arg;

    if (strcmp(entry->name, ".") == 0 || strcmp(entry->name, "..") == 0)
        return true;
    g_array_append_vals(collect->entries, entry, 1);
    collect->list->found++;
    collect->list->name_bytes += collect->prefix + strlen(entry->name);
    return !has_too_many(collect->list);
}

static int
compare_entries(const void *a, const void *b)
{
    const VmfsDirEntry *x = a, *y = b;

    return strcmp(x->name, y->name);
}

static bool list_co_directory(List *list, const char *prefix, const VmfsFd *fd,
                              GError **error);

/* A directory has one parent; in a hostile volume the same ones may be reached
 * in very many ways. */
static bool
list_co_below(List *list, VdFileEntry *entry, const VmfsFd *fd, GError **error)
{
    g_autofree char *prefix = NULL;

    if (g_hash_table_contains(list->visited, GUINT_TO_POINTER(fd->address)))
        return vd_throw(error, VD_ERROR_CORRUPT,
                        "the directory has been listed elsewhere already");
    if (list->depth >= MAX_DEPTH)
        return vd_throw(error, VD_ERROR_LIMIT,
                        "more than %d directories in one another", MAX_DEPTH);
    prefix = g_strconcat(entry->name, "/", NULL);
    return list_co_directory(list, prefix, fd, error);
}

/* They are not longer than what they are in. */
static bool
check_bytes(List *list, const VmfsFd *fd, GError **error)
{
    uint64_t most = MIN(list->fs->volume->size, MAX_BYTES);

    if (list->bytes <= most)
        list->bytes += MIN(fd->len, MAX_BYTES);
    return list->bytes <= most ||
           vd_throw(error, VD_ERROR_LIMIT,
                    "directories of more than %" PRIu64 " bytes", most);
}

static void
list_co_entry(List *list, const char *prefix, const VmfsDirEntry *found)
{
    VdFileEntry *entry = add_entry(list, prefix, found->name);
    GError *problem = NULL;
    g_autoptr(VmfsFd) fd = vmfs_fd_co_read(list->fs, found->address, &problem);

    entry->kind = kind_of(found->type);
    if (!fd) {
        set_problem(entry, problem);
        return;
    }
    entry_co_fill(list->fs, entry, fd);
    if (list->recursive && entry->kind == VD_FILE_DIRECTORY &&
        !list_co_below(list, entry, fd, &problem))
        set_problem(entry, problem);
}

static bool
list_co_directory(List *list, const char *prefix, const VmfsFd *fd,
                  GError **error)
{
    g_autoptr(GArray) found = g_array_new(FALSE, FALSE, sizeof(VmfsDirEntry));
    Collect collect = {list, strlen(prefix), found};

    (void) g_hash_table_add(list->visited, GUINT_TO_POINTER(fd->address));
    if (!check_bytes(list, fd, error) ||
        !vmfs_dir_co_read(list->fs, fd, collect_entry, &collect, error))
        return false;
    if (has_too_many(list))
        return vd_throw(error, VD_ERROR_LIMIT,
                        "more than %u files, or %" PRIu64 " bytes of names",
                        MAX_ENTRIES, MAX_NAME_BYTES);
    g_array_sort(found, compare_entries);
    list->depth++;
    for (guint i = 0; i < found->len; i++)
        list_co_entry(list, prefix, &g_array_index(found, VmfsDirEntry, i));
    list->depth--;
    return true;
}

/* -- what was asked for ---------------------------------------------------- */

static void
list_co_itself(List *list, const char *path, const VmfsFd *fd)
{
    g_autofree char *name = g_path_get_basename(path);

    entry_co_fill(list->fs, add_entry(list, "", name), fd);
}

static bool
list_co_node(VdNode *node, unsigned flags, GPtrArray *entries, GError **error)
{
    const VmfsState *s = vd_node_state(node);
    g_autoptr(GHashTable) visited = g_hash_table_new(NULL, NULL);
    List list = {
        .fs = s->fs,
        .recursive = flags & VD_LIST_RECURSIVE,
        .entries = entries,
        .visited = visited,
    };

    if (s->fd->type != VMFS_TYPE_DIRECTORY) {
        list_co_itself(&list, s->path, s->fd);
        return true;
    }
    return list_co_directory(&list, "", s->fd, error) ||
           vd_prefix(error, "%s: ", vd_node_name(node));
}

GPtrArray *
vmfs_co_list_directory(const VdEnv *env, VdOptions *opts, unsigned flags,
                       GError **error)
{
    g_autoptr(GPtrArray) entries =
        g_ptr_array_new_with_free_func((GDestroyNotify) vd_file_entry_free);
    VdOptions *copy = vd_options_copy(opts);
    VdNode *node;
    bool ok;

    vd_options_set(copy, "list", "on");
    node = vd_co_open(env, NULL, "vmfs", copy, 0, error);
    if (!node)
        return NULL;
    ok = list_co_node(node, flags, entries, error);
    (void) vd_node_co_close(node, NULL); /* only read: nothing to lose */
    return ok ? g_steal_pointer(&entries) : NULL;
}
