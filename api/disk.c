/* SPDX-License-Identifier: BSD-3-Clause */
/* api/disk.c - disk handles: open, close, facts, counters.
 *
 * Concurrency: a handle belongs to the loop of its context.  Closing waits
 * until every request that was accepted before has been answered.
 */
#include "api/disk.h"

#include <string.h>

static void
disk_free(VdDisk *disk)
{
    vd_context_drop_env(disk->ctx, &disk->env);
    g_free(disk->named_by);
    g_free(disk->name);
    g_free(disk);
}

/* Frees @opts. */
static VdNode *
disk_co_try_direct(VdDisk *disk, const char *format, VdOptions *opts,
                   VdOpenFlags flags, GError **error)
{
    g_autoptr(VdOptions) again = opts != NULL ? vd_options_copy(opts) : NULL;
    VdOpenFlags buffered = flags & ~VD_OPEN_TRY_DIRECT;
    GError *cause = NULL;
    VdNode *node = vd_co_open(&disk->env, disk->name, format, opts,
                              buffered | VD_OPEN_DIRECT, &cause);

    if (node != NULL)
        return node;
    if (!g_error_matches(cause, VD_ERROR, VD_ERROR_NOT_SUPPORTED)) {
        g_propagate_error(error, cause);
        return NULL;
    }
    g_error_free(cause);
    node = vd_co_open(&disk->env, disk->name, format, g_steal_pointer(&again),
                      buffered, error);
    if (node != NULL)
        vd_node_warn(node,
                     "%s: the file system does not support direct I/O: what "
                     "is read may come from the page cache, not from the disk",
                     vd_node_name(node));
    return node;
}

/* Frees @opts. */
static VdDisk *
disk_co_open_node(VdDisk *disk, const char *format, VdOptions *opts,
                  VdOpenFlags flags, GError **error)
{
    if (flags & VD_OPEN_TRY_DIRECT)
        disk->node = disk_co_try_direct(disk, format, opts, flags, error);
    else
        disk->node =
            vd_co_open(&disk->env, disk->name, format, opts, flags, error);
    if (disk->node != NULL)
        return disk;
    disk_free(disk);
    return NULL;
}

static VdDisk *
disk_new(VdContext *ctx, const char *name)
{
    VdDisk *disk = g_new0(VdDisk, 1);

    disk->ctx = ctx;
    disk->name = g_strdup(name);
    vd_context_adopt_env(ctx, &disk->env);
    return disk;
}

VdDisk *
vd_disk_co_open(VdContext *ctx, const char *name, const char *format,
                VdOptions *opts, VdOpenFlags flags, VdTransaction *tx,
                GError **error)
{
    VdDisk *disk = disk_new(ctx, name);

    disk->env.tx = tx;
    return disk_co_open_node(disk, format, opts, flags, error);
}

VdDisk *
vd_disk_co_open_chain(VdContext *ctx, const char *name, const char *format,
                      VdOptions *opts, VdOpenFlags flags, unsigned link,
                      GError **error)
{
    VdDisk *disk = disk_new(ctx, name);

    disk->env.writable_link = link;
    return disk_co_open_node(disk, format, opts, flags, error);
}

VdDisk *
vd_disk_co_open_parent(VdContext *ctx, const char *image, const char *name,
                       const char *format, VdOpenFlags flags, GError **error)
{
    VdDisk *disk = disk_new(ctx, name);

    disk->env.named_by = disk->named_by = g_strdup(image);
    if (!vd_policy_check_parent(&disk->env, image, name, error)) {
        disk_free(disk);
        return NULL;
    }
    return disk_co_open_node(disk, format, NULL, flags, error);
}

bool
vd_disk_co_close(VdDisk *disk, GError **error)
{
    bool ok;

    vd_breaks_release(disk);
    while (disk->in_flight > 0)
        vio_co_queue_wait(&disk->idle);
    ok = vd_node_co_close(disk->node, error);
    disk_free(disk);
    return ok;
}

void
vd_disk_enter(VdDisk *disk)
{
    disk->in_flight++;
}

void
vd_disk_leave(VdDisk *disk)
{
    g_assert(disk->in_flight > 0);
    if (--disk->in_flight == 0)
        vio_co_queue_wake_all(&disk->idle);
}

/* -- public -------------------------------------------------------------- */

typedef struct {
    VdContext *ctx;
    const char *name, *format, *options;
    VdOpenFlags flags;
    VdDisk *disk;
} OpenCall;

VdOptions *
vd_disk_parse_options(const char *name, const char *text, VdOpenFlags flags,
                      GError **error)
{
    g_autoptr(VdOptions) opts = vd_options_new();

    if ((flags & VD_OPEN_IMAGE_OPTS) && !vd_options_parse(opts, name, error))
        return NULL;
    if (text != NULL && text[0] != '\0' && !vd_options_parse(opts, text, error))
        return NULL;
    return g_steal_pointer(&opts);
}

static bool
disk_co_open_call(void *arg, GError **error)
{
    OpenCall *call = arg;
    bool by_opts = call->flags & VD_OPEN_IMAGE_OPTS;
    VdOptions *opts =
        vd_disk_parse_options(call->name, call->options, call->flags, error);

    if (opts == NULL)
        return false;
    call->disk = vd_disk_co_open(call->ctx, by_opts ? NULL : call->name,
                                 call->format, opts, call->flags, NULL, error);
    return call->disk != NULL;
}

VdDisk *
vd_disk_open(VdContext *ctx, const char *name, const char *format,
             const char *options, VdOpenFlags flags, GError **error)
{
    OpenCall call = {.ctx = ctx,
                     .name = name,
                     .format = format,
                     .options = options,
                     .flags = flags};

    if (!vd_context_run(ctx, disk_co_open_call, &call, error))
        return NULL;
    return call.disk;
}

typedef struct {
    VdContext *ctx;
    const VdInfo *child;
    VdOpenFlags flags;
    VdDisk *disk;
} OpenParentCall;

static bool
disk_co_open_parent_call(void *arg, GError **error)
{
    OpenParentCall *call = arg;
    const VdInfo *child = call->child;

    call->disk = vd_disk_co_open_parent(
        call->ctx, child->stored_in, child->full_backing_filename,
        child->backing_format, call->flags, error);
    return call->disk != NULL;
}

VdDisk *
vd_disk_open_parent(VdContext *ctx, const VdInfo *child, VdOpenFlags flags,
                    GError **error)
{
    OpenParentCall call = {.ctx = ctx, .child = child, .flags = flags};

    if (child->full_backing_filename == NULL)
        return vd_throw_null(
            error, VD_ERROR_NOT_FOUND,
            "%s: where its parent '%s' is cannot be told", child->filename,
            child->backing_filename != NULL ? child->backing_filename : "");
    if (!vd_context_run(ctx, disk_co_open_parent_call, &call, error))
        return NULL;
    return call.disk;
}

static bool
disk_co_close_call(void *arg, GError **error)
{
    return vd_disk_co_close(arg, error);
}

bool
vd_disk_close(VdDisk *disk, GError **error)
{
    if (disk == NULL)
        return true;
    return vd_context_run(disk->ctx, disk_co_close_call, disk, error);
}

uint64_t
vd_disk_size(const VdDisk *disk)
{
    return vd_node_size(disk->node);
}

bool
vd_disk_is_open_ended(const VdDisk *disk)
{
    return vd_node_limits(disk->node)->open_ended;
}

const char *
vd_disk_format(const VdDisk *disk)
{
    return vd_node_driver(disk->node)->name;
}

VdContext *
vd_disk_context(const VdDisk *disk)
{
    return disk->ctx;
}

unsigned
vd_disk_count_links(const VdDisk *disk)
{
    return vd_chain_depth(disk->node);
}

/* -- counters ------------------------------------------------------------ */

static void
disk_sum_leaves(const VdNode *node, VdStats *sum)
{
    const VdStats *own = vd_node_stats(node);
    const char *edge;
    VdNode *child;

    for (unsigned i = 0; (child = vd_node_nth_child(node, i, &edge)); i++)
        disk_sum_leaves(child, sum);
    if (vd_node_parent(node) != NULL)
        disk_sum_leaves(vd_node_parent(node), sum);
    if (vd_node_nth_child(node, 0, &edge) != NULL)
        return;
    sum->leaf_reads += own->reads;
    sum->leaf_read_bytes += own->read_bytes;
    sum->leaf_writes += own->writes;
    sum->leaf_written_bytes += own->written_bytes;
}

void
vd_disk_get_stats(const VdDisk *disk, VdStats *stats)
{
    VdStats sum = *vd_node_stats(disk->node);

    sum.leaf_reads = sum.leaf_read_bytes = 0;
    sum.leaf_writes = sum.leaf_written_bytes = 0;
    disk_sum_leaves(disk->node, &sum);
    *stats = sum;
}
