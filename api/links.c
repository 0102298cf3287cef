/* SPDX-License-Identifier: BSD-3-Clause */
/* api/links.c - a chain as it lies there: each link with its files, who uses
 * them, and what is wrong.
 *
 * Links are opened one by one, headers only, so that a broken chain can be
 * looked at as far as it goes; if nothing strikes the eye, the whole is opened
 * as a reader would.  Nothing is locked.
 *
 * Concurrency: as synchronous calls have it.
 */
#include "api/disk.h"

#include "block/image-lock.h"
#include "block/vmware-lock.h"
#include "block/name.h"
#include "io/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#define LINKS_FLAGS                                                            \
    (VD_OPEN_NO_IO | VD_OPEN_NO_PARENT | VD_OPEN_NO_LOCK | VD_OPEN_CHECK)
#define NO_CID UINT32_MAX

static void
links_file_free(void *opaque)
{
    VdChainFile *file = opaque;

    g_free(file->path);
    g_free(file);
}

static void
links_link_free(void *opaque)
{
    VdChainLink *link = opaque;

    g_free(link->name);
    g_free(link->coming_cid);
    g_clear_pointer(&link->info, vd_info_free);
    g_ptr_array_unref(link->files);
    g_ptr_array_unref(link->problems);
    g_free(link);
}

static VdChainLink *
links_link_new(const char *name)
{
    VdChainLink *link = g_new0(VdChainLink, 1);

    link->name = g_strdup(name);
    link->files = g_ptr_array_new_with_free_func(links_file_free);
    link->problems = g_ptr_array_new_with_free_func(g_free);
    return link;
}

G_GNUC_PRINTF(2, 3)
static void
links_complain(VdChainLink *link, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    g_ptr_array_add(link->problems, g_strdup_vprintf(format, args));
    va_end(args);
}

/* -- files ------------------------------------------------------------------
 */

static VdUse
links_use_of(const char *path)
{
    VIO_AUTO_FD fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);

    if (!vd_vmware_lock_check(path, NULL))
        return VD_USE_VMWARE;
    if (fd < 0)
        return VD_USE_UNKNOWN;
    switch (vd_image_lock_ask(fd)) {
    case VD_LOCK_USED_NOT:
        return VD_USE_NONE;
    case VD_LOCK_USED_READ:
        return VD_USE_READ;
    case VD_LOCK_USED_WRITE:
        return VD_USE_WRITE;
    case VD_LOCK_USED_UNKNOWN:
        break;
    }
    return VD_USE_UNKNOWN;
}

/* What is on a server is no file here. */
static void
links_add_file(VdChainLink *link, const char *path)
{
    VdChainFile *file;
    struct stat st;
    int failure = stat(path, &st) != 0 ? errno : 0;

    if (failure != 0 && vd_name_kind(path, NULL) != VD_NAME_PATH)
        return;
    file = g_new0(VdChainFile, 1);
    file->path = g_strdup(path);
    file->size = file->allocated = -1;
    g_ptr_array_add(link->files, file);
    if (failure != 0) {
        links_complain(link, "%s: %s", path, g_strerror(failure));
        return;
    }
    file->size = S_ISREG(st.st_mode) ? st.st_size : -1;
    file->allocated = S_ISREG(st.st_mode) ? (int64_t) st.st_blocks * 512 : -1;
    file->exists = true;
    file->use = links_use_of(path);
}

static void
links_add_files(VdChainLink *link, VdDisk *disk)
{
    g_auto(GStrv) files = vd_disk_list_files(disk);

    for (unsigned i = 0; files[i] != NULL; i++)
        links_add_file(link, files[i]);
}

/* -- one link ---------------------------------------------------------------
 */

/* The top is the user's choice, and may have a format; the others are their
 * children's. */
typedef struct {
    VdContext *ctx;
    const char *format;
    const VdInfo *child; /* NULL = it is the top */
} Finding;

static VdDisk *
links_open_how(const Finding *how, const char *name, VdOpenFlags flags,
               GError **error)
{
    return how->child != NULL
               ? vd_disk_open_parent(how->ctx, how->child, flags, error)
               : vd_disk_open(how->ctx, name, how->format, NULL, flags, error);
}

/* Its extents as well if they can be read: they tell sizes and dirty marks. */
static VdDisk *
links_open(const Finding *how, VdChainLink *link, GError **error)
{
    g_autoptr(GError) failure = NULL;
    VdDisk *disk = links_open_how(how, link->name, LINKS_FLAGS, &failure);

    if (disk != NULL)
        return disk;
    disk = links_open_how(how, link->name, LINKS_FLAGS | VD_OPEN_NO_EXTENTS,
                          error);
    if (disk != NULL)
        links_complain(link, "%s", failure->message);
    return disk;
}

static bool
links_examine(const Finding *how, VdChainLink *link, GError **error)
{
    VdDisk *disk = links_open(how, link, error);

    if (disk == NULL)
        return false;
    link->info = vd_disk_get_info(disk, error);
    links_add_files(link, disk);
    link->coming_cid = vd_disk_get_meta(disk, "parentAfterCommit");
    (void) vd_disk_close(disk, NULL); /* was only looked at */
    if (link->info == NULL)
        return false;
    if (link->info->dirty)
        links_complain(link, "was not closed cleanly");
    if (link->info->encrypted)
        links_complain(link, "is encrypted: its data cannot be read");
    return true;
}

/* -- one link and the next --------------------------------------------------
 */

static uint32_t
links_cid(const VdChainLink *link, const char *key)
{
    uint64_t cid = NO_CID;

    if (link->info != NULL && link->info->specific != NULL)
        (void) g_variant_lookup(link->info->specific, key, "t", &cid);
    return (uint32_t) cid;
}

/* A commit that is under way has told what the parent's will be. */
static bool
links_cid_is_coming(const VdChainLink *link, uint32_t cid)
{
    guint64 coming;

    return link->coming_cid != NULL &&
           g_ascii_string_to_unsigned(link->coming_cid, 16, 0, UINT32_MAX,
                                      &coming, NULL) &&
           coming == cid;
}

static void
links_compare(VdChainLink *child, const VdChainLink *parent)
{
    uint32_t wanted = links_cid(child, "parent-cid");
    uint32_t cid = links_cid(parent, "cid");

    if (parent->info == NULL)
        return;
    if (cid != wanted && !links_cid_is_coming(child, cid))
        links_complain(child,
                       "remembers content id %08x, its parent %s has %08x",
                       wanted, parent->name, cid);
    if (child->info->virtual_size != parent->info->virtual_size)
        links_complain(child,
                       "has %" G_GUINT64_FORMAT " bytes, its parent "
                       "%" G_GUINT64_FORMAT,
                       child->info->virtual_size, parent->info->virtual_size);
}

static bool
links_same_file(const char *a, const char *b)
{
    struct stat st_a, st_b;

    return stat(vd_name_strip_file(a), &st_a) == 0 &&
           stat(vd_name_strip_file(b), &st_b) == 0 &&
           st_a.st_dev == st_b.st_dev && st_a.st_ino == st_b.st_ino;
}

/* False: not to be followed, which has been noted. */
static bool
links_may_follow(const GPtrArray *links, VdChainLink *last, const char *next)
{
    for (unsigned i = 0; i < links->len; i++) {
        const VdChainLink *link = links->pdata[i];

        if (!links_same_file(link->name, next))
            continue;
        links_complain(last, "its parent %s is above it: a loop", next);
        return false;
    }
    if (links->len < VD_MAX_CHAIN)
        return true;
    links_complain(last, "there are more than %d links", VD_MAX_CHAIN);
    return false;
}

/* The parent of the last link; false: that was all. */
static bool
links_step(VdContext *ctx, GPtrArray *links)
{
    VdChainLink *last = links->pdata[links->len - 1], *next;
    const char *path = last->info->full_backing_filename;
    Finding how = {.ctx = ctx, .child = last->info};
    g_autoptr(GError) error = NULL;

    if (last->info->backing_filename == NULL)
        return false;
    if (path == NULL) {
        links_complain(last, "where its parent \"%s\" is cannot be told",
                       last->info->backing_filename);
        return false;
    }
    if (!links_may_follow(links, last, path))
        return false;
    next = links_link_new(path);
    g_ptr_array_add(links, next);
    if (!links_examine(&how, next, &error)) {
        links_complain(next, "%s", error->message);
        return false;
    }
    links_compare(last, next);
    return true;
}

/* -- all of them ------------------------------------------------------------
 */

static bool
links_are_sound(const GPtrArray *links)
{
    for (unsigned i = 0; i < links->len; i++)
        if (((const VdChainLink *) links->pdata[i])->problems->len > 0)
            return false;
    return true;
}

/* What only shows when the data are to be read. */
static void
links_try_whole(VdContext *ctx, GPtrArray *links, const char *format)
{
    VdChainLink *top = links->pdata[0];
    g_autoptr(GError) error = NULL;
    VdDisk *disk =
        vd_disk_open(ctx, top->name, format, NULL, VD_OPEN_FORCE_SHARE, &error);

    if (disk == NULL)
        links_complain(top, "%s", error->message);
    else
        (void) vd_disk_close(disk, NULL); /* was only tried */
}

GPtrArray *
vd_chain_examine(VdContext *ctx, const char *name, const char *format,
                 GError **error)
{
    g_autoptr(GPtrArray) links =
        g_ptr_array_new_with_free_func(links_link_free);
    VdChainLink *top = links_link_new(name);
    Finding how = {.ctx = ctx, .format = format};

    g_ptr_array_add(links, top);
    if (!links_examine(&how, top, error))
        return NULL;
    while (links_step(ctx, links))
        ;
    if (links_are_sound(links))
        links_try_whole(ctx, links, format);
    return g_steal_pointer(&links);
}
