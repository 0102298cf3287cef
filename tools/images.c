/* SPDX-License-Identifier: BSD-3-Clause */
/* tools/images.c - contexts, opening, and walking chains by name.
 *
 * Concurrency: main thread only.
 */
#include "tools/images.h"

#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#include "tools/human.h"
#include "tools/output.h"
#include "tools/requests.h"
#include "tools/signals.h"

#define CHAIN_MAX_LINKS 256

static void
warning_take(const char *message, void *opaque)
{
    const CommonOptions *common = opaque;

    if (!common->mute)
        out_warning("%s", message);
}

static VdContext *
context_new(const CommonOptions *common, bool fixed_thread, uint64_t buffers)
{
    g_autoptr(GError) error = NULL;
    VdContextParams params = {
        .engine = common->engine,
        .fixed_thread = fixed_thread,
        .workers = common->workers,
        .buffer_limit = buffers,
        .warn = warning_take,
        .warn_opaque = (void *) common,
        .allow_paths = (const char *const *) common->allow_paths->pdata,
    };

    if (!vi_connect(common->vi) || !requests_begin(common, &params.observer))
        return NULL;
    VdContext *ctx = vd_context_new(&params, &error);
    if (!ctx)
        out_failure(NULL, error, "%s", error->message);
    return ctx;
}

VdContext *
image_context_new(const CommonOptions *common)
{
    return context_new(common, true, 0);
}

VdContext *
image_context_new_sized(const CommonOptions *common, uint64_t buffers)
{
    return context_new(common, true, buffers);
}

VdContext *
image_context_new_shared(const CommonOptions *common)
{
    return context_new(common, false, 0);
}

VdContext *
image_context_begin(const CommonOptions *common)
{
    VdContext *ctx = image_context_new(common);

    if (ctx)
        signals_watch(ctx);
    return ctx;
}

void
image_context_end(VdContext *ctx)
{
    signals_watch(NULL);
    vd_context_free(ctx);
}

ImageSpec
image_spec(const CommonOptions *common, const char *name, unsigned flags)
{
    if (common->force_share)
        flags |= VD_OPEN_FORCE_SHARE;
    return (ImageSpec){
        .name = name,
        .format = common->format,
        .image_opts = common->image_opts,
        .native = g_strcmp0(common->engine, "aio") == 0,
        .flags = (VdOpenFlags) flags,
    };
}

VdImageRef
image_ref(const ImageSpec *spec)
{
    unsigned flags = spec->flags | (spec->image_opts ? VD_OPEN_IMAGE_OPTS : 0);

    return (VdImageRef){.name = spec->name,
                        .format = spec->format,
                        .flags = (VdOpenFlags) flags};
}

VdDisk *
image_open(VdContext *ctx, const ImageSpec *spec)
{
    g_autoptr(GError) error = NULL;
    unsigned flags = spec->flags;

    if (spec->image_opts && spec->format) {
        out_failure(spec->name, NULL,
                    "--image-opts and --format are mutually exclusive");
        return NULL;
    }
    if (spec->native && !(flags & (VD_OPEN_DIRECT | VD_OPEN_NO_IO))) {
        out_failure(spec->name, NULL,
                    "Could not open '%s': aio=native was specified, but it "
                    "requires cache.direct=on, which was not specified.",
                    spec->name);
        return NULL;
    }
    if (spec->image_opts)
        flags |= VD_OPEN_IMAGE_OPTS;
    VdDisk *disk = vd_disk_open(ctx, spec->name, spec->format, NULL,
                                (VdOpenFlags) flags, &error);
    if (!disk)
        out_failure(spec->name, error, "Could not open '%s': %s", spec->name,
                    error->message);
    return disk;
}

bool
image_close(VdDisk *disk, const char *name)
{
    g_autoptr(GError) error = NULL;

    if (vd_disk_close(disk, &error))
        return true;
    out_failure(name, error, "Could not close '%s': %s", name, error->message);
    return false;
}

void
image_close_quietly(VdDisk *disk)
{
    if (disk)
        (void) vd_disk_close(disk, NULL); /* read-only: nothing to lose */
}

/* -- chains --------------------------------------------------------------- */

VdDisk *
image_open_parent(VdContext *ctx, const VdInfo *child, VdOpenFlags flags)
{
    g_autoptr(GError) error = NULL;
    VdDisk *disk = vd_disk_open_parent(ctx, child, flags, &error);
    const char *name = child->full_backing_filename;

    if (!disk && name)
        out_failure(name, error, "Could not open '%s': %s", name,
                    error->message);
    else if (!disk)
        out_failure(child->filename, error, "%s", error->message);
    return disk;
}

/* Of the image, or of the parent of @child if that is not NULL. */
static VdGraphNode *
graph_load(VdContext *ctx, const ImageSpec *spec, const VdInfo *child)
{
    g_autoptr(GError) error = NULL;
    ImageSpec headers = *spec;
    const char *name = child ? child->full_backing_filename : spec->name;

    headers.flags |= VD_OPEN_NO_PARENT | VD_OPEN_NO_IO;
    VdDisk *disk = child ? image_open_parent(ctx, child, headers.flags)
                         : image_open(ctx, &headers);
    if (!disk)
        return NULL;
    VdGraphNode *graph = vd_disk_get_graph(disk, &error);
    image_close_quietly(disk);
    if (!graph)
        out_failure(name, error, "Could not get information on '%s': %s", name,
                    error->message);
    return graph;
}

static bool
names_same_file(const char *a, const char *b)
{
    const char *path_a = image_local_path(a);
    const char *path_b = image_local_path(b);
    struct stat st_a, st_b;

    if (!strcmp(a, b))
        return true;
    return path_a && path_b && stat(path_a, &st_a) == 0 &&
           stat(path_b, &st_b) == 0 && st_a.st_dev == st_b.st_dev &&
           st_a.st_ino == st_b.st_ino;
}

static bool
chain_has(const GPtrArray *graphs, const char *name)
{
    for (unsigned i = 0; i < graphs->len; i++) {
        const VdGraphNode *link = graphs->pdata[i];
        if (names_same_file(link->info->filename, name))
            return true;
    }
    return false;
}

static bool
chain_check_next(const GPtrArray *graphs, const char *name)
{
    if (chain_has(graphs, name)) {
        out_failure(name, NULL, "Backing file '%s' creates an infinite loop.",
                    name);
        return false;
    }
    if (graphs->len >= CHAIN_MAX_LINKS) {
        out_failure(name, NULL, "'%s': more than %d images in the chain", name,
                    CHAIN_MAX_LINKS);
        return false;
    }
    return true;
}

GPtrArray *
image_chain_graphs(VdContext *ctx, const ImageSpec *spec, bool whole_chain)
{
    g_autoptr(GPtrArray) graphs =
        g_ptr_array_new_with_free_func((GDestroyNotify) vd_graph_node_free);
    const VdInfo *child = NULL;

    for (;;) {
        VdGraphNode *graph = graph_load(ctx, spec, child);
        if (!graph)
            return NULL;
        g_ptr_array_add(graphs, graph);
        child = graph->info;
        if (!whole_chain || !child->backing_filename)
            return g_steal_pointer(&graphs);
        if (child->full_backing_filename &&
            !chain_check_next(graphs, child->full_backing_filename))
            return NULL;
    }
}

GPtrArray *
image_chain_infos(VdContext *ctx, const ImageSpec *spec, bool whole_chain)
{
    g_autoptr(GPtrArray) graphs = image_chain_graphs(ctx, spec, whole_chain);

    if (!graphs)
        return NULL;
    GPtrArray *infos =
        g_ptr_array_new_with_free_func((GDestroyNotify) vd_info_free);
    for (unsigned i = 0; i < graphs->len; i++) {
        VdGraphNode *link = graphs->pdata[i];
        g_ptr_array_add(infos, g_steal_pointer(&link->info));
    }
    return infos;
}

/* -- names ---------------------------------------------------------------- */

/* Text before the first colon is a protocol unless it contains a slash. */
static bool
name_has_protocol(const char *name)
{
    const char *colon = strchr(name, ':');
    const char *slash = strchr(name, '/');

    return colon && (!slash || colon < slash);
}

const char *
image_local_path(const char *name)
{
    if (g_str_has_prefix(name, "file:"))
        return name + strlen("file:");
    return name_has_protocol(name) ? NULL : name;
}

/* -- room ----------------------------------------------------------------- */

void
image_hint_space(const GError *error, const char *name, const char *what,
                 uint64_t needed)
{
    const char *path = image_local_path(name);
    g_autofree char *dir = path ? g_path_get_dirname(path) : NULL;
    struct statvfs fs;

    if (!g_error_matches(error, VD_ERROR, VD_ERROR_NO_SPACE) || !dir ||
        statvfs(dir, &fs) != 0)
        return;
    g_autofree char *free_text =
        human_size((uint64_t) fs.f_bavail * fs.f_frsize);
    g_autofree char *need_text = human_size(needed);
    if (needed)
        out_hint("'%s' has %s left; %s may need up to %s in all.", dir,
                 free_text, what, need_text);
    else
        out_hint("'%s' has %s left.", dir, free_text);
}

void
image_hint_space_of_disk(VdContext *ctx, const ImageSpec *spec,
                         const GError *error)
{
    if (!g_error_matches(error, VD_ERROR, VD_ERROR_NO_SPACE))
        return;
    VdImageRef ref = image_ref(spec);
    unsigned flags =
        (ref.flags & ~VD_OPEN_RDWR) | VD_OPEN_NO_PARENT | VD_OPEN_NO_IO;
    VdDisk *disk = vd_disk_open(ctx, ref.name, ref.format, NULL,
                                (VdOpenFlags) flags, NULL);
    image_hint_space(error, spec->name, "the image",
                     disk ? vd_disk_size(disk) : 0);
    image_close_quietly(disk);
}
