/* SPDX-License-Identifier: BSD-3-Clause */
/* api/create.c - new images, all or nothing.
 *
 * A creation is one transaction of block/transaction.h from begin to commit or
 * abort; in between the new image may be opened and filled.
 *
 * Concurrency: a creation belongs to its context; all work is done in
 * coroutines of it.
 */
#include "api/create.h"

#include "block/name.h"

#include <string.h>

#define CREATE_LOCK_FLAGS (VD_OPEN_VMWARE_LOCK | VD_OPEN_NO_LOCK)

struct VdCreation {
    VdContext *ctx;
    VdTransaction *tx;
    VdEnv env;
    char *filename, *format;
    VdOptions *reopen; /* what the format wants for vd_creation_disk() */
    VdOpenFlags open_flags;
};

static void
creation_co_free(VdCreation *creation)
{
    vd_tx_free(creation->tx);
    vd_context_drop_env(creation->ctx, &creation->env);
    g_free(creation->filename);
    g_free(creation->format);
    vd_options_free(creation->reopen);
    g_free(creation);
}

static VdCreation *
creation_co_new(VdContext *ctx, const VdCreateParams *params)
{
    VdCreation *creation = g_new0(VdCreation, 1);

    creation->ctx = ctx;
    creation->tx = vd_tx_new(ctx->loop, params->sync, params->no_clobber);
    if (params->in_place)
        vd_tx_overwrite(creation->tx);
    creation->filename = g_strdup(params->filename);
    creation->format = g_strdup(params->format);
    creation->reopen = vd_options_new();
    creation->open_flags = params->open_flags;
    if ((params->open_flags & CREATE_LOCK_FLAGS) == VD_OPEN_VMWARE_LOCK)
        vd_tx_lock_vmware(creation->tx);
    vd_context_adopt_env(ctx, &creation->env);
    return creation;
}

/* -- the parent --------------------------------------------------------------
 */

static char *
create_locate_parent(const VdCreatePlan *plan, GError **error)
{
    return vd_parent_locate(plan->driver, plan->filename, plan->backing_file,
                            error);
}

static bool
create_check_parent_name(const VdCreatePlan *plan, const char *path,
                         GError **error)
{
    if (strcmp(plan->filename, plan->backing_file) != 0 &&
        strcmp(plan->filename, path) != 0)
        return true;
    return vd_throw(error, VD_ERROR_INVALID_ARGUMENT,
                    "Trying to create an image with the same filename as the "
                    "backing file");
}

/* As the new image will: what it could not open later is refused now. */
static VdDisk *
create_co_open_parent(VdContext *ctx, const VdCreatePlan *plan,
                      VdOpenFlags flags, GError **error)
{
    g_autofree char *path = create_locate_parent(plan, error);

    if (path == NULL || !create_check_parent_name(plan, path, error))
        return NULL;
    return vd_disk_co_open_parent(ctx, plan->filename, path,
                                  plan->backing_format, flags, error);
}

/* As the new image is to name it. */
static bool
create_localise_parent(VdCreatePlan *plan, const VdCreateParams *params,
                       GError **error)
{
    char *name;

    if (plan->backing_file == NULL || !params->backing_from_here)
        return true;
    name = vd_path_relative(plan->filename, plan->backing_file);
    if (name == NULL)
        return vd_throw(error, VD_ERROR_NOT_FOUND,
                        "%s: cannot name %s as its parent", plan->filename,
                        plan->backing_file);
    g_free(plan->backing_file);
    plan->backing_file = name;
    return true;
}

/* The headers alone, of a parent that is not to be checked: a format that
 * stores something about it finds that there.  *@parent NULL: there is none, or
 * a server would have to be asked.  Who overwrites nothing is told of the file
 * itself that it is there. */
static bool
create_co_peek_parent(VdContext *ctx, const VdCreatePlan *plan,
                      const VdCreateParams *params, VdDisk **parent,
                      GError **error)
{
    g_autofree char *path = create_locate_parent(plan, error);

    if (path == NULL ||
        (!params->no_clobber && !create_check_parent_name(plan, path, error)))
        return false;
    if (vd_name_kind(path, NULL) == VD_NAME_PATH)
        *parent = vd_disk_co_open_parent(
            ctx, plan->filename, path, plan->backing_format,
            VD_OPEN_NO_IO | VD_OPEN_NO_PARENT | VD_OPEN_FORCE_SHARE, NULL);
    return true;
}

static bool
create_co_take_parent(VdCreation *creation, const VdCreatePlan *plan,
                      const VdCreateParams *params, VdDisk **parent,
                      GError **error)
{
    if (plan->backing_file == NULL)
        return true;
    if (params->backing_unchecked)
        return create_co_peek_parent(creation->ctx, plan, params, parent,
                                     error);
    *parent = create_co_open_parent(
        creation->ctx, plan, creation->open_flags & CREATE_LOCK_FLAGS, error);
    return *parent != NULL;
}

static bool
create_co_write(VdCreation *creation, VdCreatePlan *plan, VdNode *parent,
                GError **error)
{
    VdFileHints hints;
    VdCreateSpec spec = {
        .filename = plan->filename,
        .size = plan->size,
        .options = plan->options,
        .backing = parent,
        .backing_name = plan->backing_file,
        .backing_format = plan->backing_format,
        .env = &creation->env,
        .reopen = creation->reopen,
    };

    if (spec.size == UINT64_MAX && parent != NULL)
        spec.size = vd_node_size(parent);
    if (spec.size == UINT64_MAX)
        return vd_throw(error, VD_ERROR_INVALID_ARGUMENT,
                        "Image creation needs a size parameter");
    if (spec.size > VD_MAX_SIZE)
        return vd_throw(error, VD_ERROR_LIMIT,
                        "image size %" G_GUINT64_FORMAT
                        " is above the maximum of %" G_GINT64_FORMAT,
                        spec.size, VD_MAX_SIZE);
    if (!vd_create_take_hints(plan, &hints, error))
        return false;
    vd_tx_set_hints(creation->tx, &hints);
    if (vd_create_name_is_fixed(plan->filename) &&
        !(plan->driver->caps & VD_CAP_MADE_INSIDE))
        return vd_throw(error, VD_ERROR_NOT_SUPPORTED,
                        "%s: an image of format '%s' needs a file that grows",
                        plan->filename, plan->driver->name);
    return plan->driver->co_create(creation->tx, &spec, error) &&
           vd_options_finish(plan->options, error);
}

static bool
create_co_fill(VdCreation *creation, const VdCreateParams *params,
               GError **error)
{
    g_autoptr(VdCreatePlan) plan = vd_create_plan_new(params, error);
    VdDisk *parent = NULL;
    bool ok;

    if (plan == NULL || !create_localise_parent(plan, params, error) ||
        !create_co_take_parent(creation, plan, params, &parent, error))
        return false;
    ok = create_co_write(creation, plan, parent != NULL ? parent->node : NULL,
                         error);
    if (parent != NULL)
        (void) vd_disk_co_close(parent, NULL); /* was opened read-only */
    return ok;
}

/* -- public ------------------------------------------------------------------
 */

typedef struct {
    VdContext *ctx;
    const VdCreateParams *params;
    VdCreation *creation;
    VdDisk *disk;
} CreateCall;

static bool
create_co_look_at_parent(void *arg, GError **error)
{
    CreateCall *call = arg;
    g_autoptr(VdCreatePlan) plan = vd_create_plan_new(call->params, error);

    if (plan == NULL || !create_localise_parent(plan, call->params, error))
        return false;
    if (plan->backing_file == NULL)
        return vd_throw(error, VD_ERROR_INVALID_ARGUMENT,
                        "%s: is to have no parent", plan->filename);
    call->disk = create_co_open_parent(
        call->ctx, plan, call->params->open_flags & CREATE_LOCK_FLAGS, error);
    return call->disk != NULL;
}

VdDisk *
vd_create_open_parent(VdContext *ctx, const VdCreateParams *params,
                      GError **error)
{
    CreateCall call = {.ctx = ctx, .params = params};

    if (!vd_context_run(ctx, create_co_look_at_parent, &call, error))
        return NULL;
    return call.disk;
}

static bool
create_co_begin(void *arg, GError **error)
{
    CreateCall *call = arg;
    VdCreation *creation = creation_co_new(call->ctx, call->params);

    if (create_co_fill(creation, call->params, error)) {
        call->creation = creation;
        return true;
    }
    vd_tx_co_abort(creation->tx);
    creation_co_free(creation);
    return false;
}

VdCreation *
vd_create_begin(VdContext *ctx, const VdCreateParams *params, GError **error)
{
    CreateCall call = {.ctx = ctx, .params = params};

    if (!vd_context_run(ctx, create_co_begin, &call, error))
        return NULL;
    return call.creation;
}

static bool
create_co_disk(void *arg, GError **error)
{
    CreateCall *call = arg;
    VdCreation *creation = call->creation;

    call->disk = vd_disk_co_open(
        call->ctx, creation->filename, creation->format,
        vd_options_copy(creation->reopen), creation->open_flags | VD_OPEN_RDWR,
        creation->tx, error);
    return call->disk != NULL;
}

VdDisk *
vd_creation_disk(VdCreation *creation, GError **error)
{
    CreateCall call = {.ctx = creation->ctx, .creation = creation};

    if (!vd_context_run(creation->ctx, create_co_disk, &call, error))
        return NULL;
    return call.disk;
}

typedef struct {
    VdCreation *creation;
    VdOpenFlags flags;
    VdDisk *disk;
} ReopenCall;

static bool
create_co_reopen(void *arg, GError **error)
{
    ReopenCall *call = arg;
    VdCreation *creation = call->creation;

    call->disk =
        vd_disk_co_open(creation->ctx, creation->filename, creation->format,
                        NULL, call->flags, creation->tx, error);
    return call->disk != NULL;
}

VdDisk *
vd_creation_reopen(VdCreation *creation, VdOpenFlags flags, GError **error)
{
    ReopenCall call = {.creation = creation, .flags = flags};

    if (!vd_context_run(creation->ctx, create_co_reopen, &call, error))
        return NULL;
    return call.disk;
}

static bool
create_co_commit(void *arg, GError **error)
{
    VdCreation *creation = arg;
    bool ok = vd_tx_co_commit(creation->tx, error);

    if (!ok)
        vd_tx_co_abort(creation->tx);
    creation_co_free(creation);
    return ok;
}

bool
vd_creation_commit(VdCreation *creation, GError **error)
{
    return vd_context_run(creation->ctx, create_co_commit, creation, error);
}

static bool
create_co_abort(void *arg, GError **error)
{
    VdCreation *creation = arg;

    vd_tx_co_abort(creation->tx);
    creation_co_free(creation);
    return true;
}

void
vd_creation_abort(VdCreation *creation)
{
    if (creation != NULL)
        (void) vd_context_run(creation->ctx, create_co_abort, creation, NULL);
}

bool
vd_create(VdContext *ctx, const VdCreateParams *params, GError **error)
{
    VdCreation *creation = vd_create_begin(ctx, params, error);

    return creation != NULL && vd_creation_commit(creation, error);
}
