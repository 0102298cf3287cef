/* SPDX-License-Identifier: BSD-3-Clause */
/* api/clone.c - a copy of a disk with all its links in one, of whatever kind.
 *
 * Nothing but the public calls in the right order; each of them cleans up after
 * itself, and the target comes into being with the last one.
 *
 * Concurrency: as synchronous calls have it.
 */
#include "api/disk.h"

#include <string.h>

#define CLONE_FORMAT "vmdk"
#define CLONE_DEFAULT_KIND "monolithicSparse"

typedef struct {
    VdContext *ctx;
    const char *target;
    const VdCloneParams *params;
    VdDisk *source;
    char *options; /* of the creation */
    VdCreation *creation;
    VdCopyResult *result;
} Clone;

/* -- of which kind? ----------------------------------------------------------
 */

/* What the link at the bottom says: the others are deltas. */
static char *
clone_base_kind(VdDisk *source)
{
    g_autoptr(GVariant) facts = NULL;
    VdNode *base = source->node;
    const char *kind = NULL;

    while (vd_node_parent(base) != NULL)
        base = vd_node_parent(base);
    if (strcmp(vd_node_driver(base)->name, CLONE_FORMAT) != 0)
        return NULL;
    facts = vd_node_describe(base);
    if (!g_variant_lookup(facts, "create-type", "&s", &kind))
        return NULL;
    if (g_str_has_prefix(kind, "2Gb"))
        return g_strconcat("twoGb", kind + strlen("2Gb"), NULL);
    return g_strdup(kind);
}

static bool
clone_is_thin(VdDisk *source)
{
    g_autofree char *thin = vd_disk_get_meta(source, "thinProvisioned");

    return g_strcmp0(thin, "1") == 0;
}

static const VdOptionInfo *
clone_find_option(const char *format, const char *name)
{
    const VdOptionInfo *info = vd_format_create_options(format);

    while (info != NULL && info->name != NULL && strcmp(info->name, name) != 0)
        info++;
    return info != NULL && info->name != NULL ? info : NULL;
}

char *
vd_clone_subformat(VdDisk *source)
{
    const VdOptionInfo *info = clone_find_option(CLONE_FORMAT, "subformat");
    g_autofree char *kind = clone_base_kind(source);

    if (kind != NULL && strcmp(kind, "vmfs") == 0 && clone_is_thin(source))
        return g_strdup("vmfsThin");
    if (kind != NULL && strcmp(kind, "seSparse") != 0 &&
        strcmp(kind, "vmfsSparse") != 0 && info != NULL &&
        info->choices != NULL && g_strv_contains(info->choices, kind))
        return g_steal_pointer(&kind);
    return g_strdup(CLONE_DEFAULT_KIND);
}

static const char *
clone_format(const VdCloneParams *params)
{
    return params->format != NULL ? params->format : CLONE_FORMAT;
}

static bool
clone_settle_options(Clone *c, GError **error)
{
    const char *given = c->params->options;
    g_autoptr(VdOptions) opts = vd_options_new();
    g_autofree char *kind = NULL;

    if (given != NULL && *given != '\0' &&
        !vd_options_parse(opts, given, error))
        return false;
    c->options = g_strdup(given != NULL ? given : "");
    if (strcmp(clone_format(c->params), CLONE_FORMAT) != 0 ||
        vd_options_peek(opts, "subformat") != NULL)
        return true;
    kind = vd_clone_subformat(c->source);
    g_free(c->options);
    c->options = g_strdup_printf("%s%ssubformat=%s", given ? given : "",
                                 given && *given ? "," : "", kind);
    return true;
}

/* -- doing it ----------------------------------------------------------------
 */

static bool
clone_copy(Clone *c, VdDisk *target, GError **error)
{
    VdCopyParams copy = {
        .sparse_size = UINT64_MAX,
        .target_is_zero = true,
        .progress = c->params->progress,
        .progress_opaque = c->params->progress_opaque,
    };

    return vd_copy(&c->source, 1, target, &copy, c->result, error) &&
           vd_disk_keep_meta(target, c->source, c->options, error);
}

static bool
clone_fill(Clone *c, GError **error)
{
    VdDisk *target = vd_creation_disk(c->creation, error);
    bool ok;

    if (target == NULL)
        return false;
    ok = clone_copy(c, target, error);
    return vd_disk_close(target, ok ? error : NULL) && ok;
}

/* Of the source's flags, what is for the target as well. */
static VdOpenFlags
clone_lock_flag(VdOpenFlags source)
{
    return source & VD_OPEN_NO_LOCK ? 0 : source & VD_OPEN_VMWARE_LOCK;
}

static bool
clone_create(Clone *c, GError **error)
{
    VdCreateParams create = {
        .filename = c->target,
        .format = clone_format(c->params),
        .size = MAX(c->params->size, vd_disk_size(c->source)),
        .options = c->options,
        .sync = true,
        .no_clobber = !c->params->overwrite,
        .open_flags = VD_OPEN_UNMAP | VD_OPEN_NO_FLUSH |
                      clone_lock_flag(c->params->source_flags),
    };

    c->creation = vd_create_begin(c->ctx, &create, error);
    return c->creation != NULL;
}

static bool
clone_run(Clone *c, GError **error)
{
    if (!clone_settle_options(c, error) || !clone_create(c, error))
        return false;
    if (clone_fill(c, error))
        return vd_creation_commit(c->creation, error);
    vd_creation_abort(c->creation);
    return false;
}

bool
vd_clone(VdContext *ctx, const char *source, const char *target,
         const VdCloneParams *params, VdCopyResult *result, GError **error)
{
    static const VdCloneParams defaults;
    VdCopyResult unused;
    Clone c = {.ctx = ctx,
               .target = target,
               .params = params != NULL ? params : &defaults,
               .result = result != NULL ? result : &unused};
    bool ok;

    c.source = vd_disk_open(ctx, source, c.params->source_format, NULL,
                            c.params->source_flags, error);
    if (c.source == NULL)
        return false;
    ok = clone_run(&c, error);
    g_free(c.options);
    (void) vd_disk_close(c.source, NULL); /* was only read */
    return ok;
}
