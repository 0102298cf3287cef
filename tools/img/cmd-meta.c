/* SPDX-License-Identifier: BSD-3-Clause */
/* tools/img/cmd-meta.c - vdisk-img meta: keys and values of the descriptor.
 *
 * Concurrency: main thread only.
 */
#include <stdio.h>
#include <string.h>

#include "tools/img/commands.h"
#include "tools/images.h"
#include "tools/json.h"
#include "tools/output.h"
#include "tools/requests.h"

#define META_USAGE 2
#define META_DESCRIPTOR (VD_OPEN_NO_IO | VD_OPEN_NO_EXTENTS | VD_OPEN_NO_PARENT)

enum { OPT_LINK = OPT_PRIVATE };

static const CmdOption meta_options[] = {
    CMD_ROW_FORMAT,
    CMD_ROW_IMAGE_OPTS,
    {OPT_LINK, "link", NULL,
     "this link of the chain only: do not look into parents"},
    CMD_ROW_FORCE_SHARE,
    CMD_ROWS_COMMON,
};

typedef struct {
    const CommonOptions *common;
    const char *name, *key, *value;
    bool link;
} MetaJob;

typedef struct {
    const char *name;
    unsigned n_operands; /* the file included */
    const char *operands;
    bool writes;
    bool (*run)(VdDisk *disk, const MetaJob *job);
} MetaAction;

static bool
meta_get(VdDisk *disk, const MetaJob *job)
{
    g_autofree char *value = vd_disk_get_meta(disk, job->key);
    g_auto(GVariantBuilder) object = JSON_BUILDER_INIT;

    if (!value) {
        out_failure(job->name, NULL, "%s: has no key '%s'", job->name,
                    job->key);
        return false;
    }
    if (!job->common->json) {
        puts(value);
        return true;
    }
    json_add_string(&object, job->key, value);
    json_print(g_variant_builder_end(&object), JSON_AS_GIVEN);
    return true;
}

static bool
meta_list(VdDisk *disk, const MetaJob *job)
{
    g_auto(GStrv) keys = vd_disk_list_meta(disk);
    g_auto(GVariantBuilder) object = JSON_BUILDER_INIT;

    for (char **key = keys; *key; key++) {
        g_autofree char *value = vd_disk_get_meta(disk, *key);

        if (job->common->json)
            json_add_string(&object, *key, value ? value : "");
        else
            printf("%s=%s\n", *key, value ? value : "");
    }
    if (job->common->json)
        json_print(g_variant_builder_end(&object), JSON_AS_GIVEN);
    return true;
}

/* A job without a value removes the key. */
static bool
meta_set(VdDisk *disk, const MetaJob *job)
{
    g_autoptr(GError) error = NULL;
    g_auto(GVariantBuilder) object = JSON_BUILDER_INIT;

    if (!vd_disk_set_meta(disk, job->key, job->value, &error)) {
        out_failure(job->name, error, "Could not change '%s': %s", job->name,
                    error->message);
        return false;
    }
    if (!job->common->json)
        return true;
    if (job->value)
        json_add_string(&object, job->key, job->value);
    json_print(g_variant_builder_end(&object), JSON_AS_GIVEN);
    return true;
}

static const MetaAction meta_actions[] = {
    {"get", 2, "FILE KEY", false, meta_get},
    {"set", 3, "FILE KEY VALUE", true, meta_set},
    {"list", 1, "FILE", false, meta_list},
    {"unset", 2, "FILE KEY", true, meta_set},
};

static const MetaAction *
meta_action(const char *name)
{
    for (size_t i = 0; i < G_N_ELEMENTS(meta_actions); i++)
        if (!strcmp(meta_actions[i].name, name))
            return &meta_actions[i];
    return NULL;
}

/* Looking needs the parents for what this link does not say; changing needs no
 * more than the descriptor. */
static unsigned
meta_open_flags(const MetaAction *action, const MetaJob *job)
{
    if (action->writes)
        return VD_OPEN_RDWR | META_DESCRIPTOR;
    return job->link ? META_DESCRIPTOR : 0;
}

static bool
meta_in_context(VdContext *ctx, const MetaAction *action, const MetaJob *job)
{
    ImageSpec spec =
        image_spec(job->common, job->name, meta_open_flags(action, job));
    VdDisk *disk = image_open(ctx, &spec);

    if (!disk)
        return false;
    bool ok = action->run(disk, job);
    if (job->common->stats)
        requests_add_disk(disk, job->name);
    if (ok && action->writes)
        return image_close(disk, job->name);
    image_close_quietly(disk);
    return ok;
}

static int
meta_run(const MetaAction *action, const MetaJob *job)
{
    VdContext *ctx = image_context_new(job->common);

    if (!ctx)
        return 1;
    bool ok = meta_in_context(ctx, action, job);
    vd_context_free(ctx);
    return ok ? 0 : 1;
}

static int
meta_operands(OptParser *parser, MetaJob *job)
{
    char **words = opts_operands(parser);
    int n = opts_n_operands(parser);
    const MetaAction *action = n > 0 ? meta_action(words[0]) : NULL;

    if (!action)
        return opts_fail_try(parser, "Expecting get, set, list or unset");
    if ((unsigned) n != action->n_operands + 1)
        return opts_fail_try(parser, "meta %s expects %s", action->name,
                             action->operands);
    if (action->writes && job->common->force_share)
        return opts_fail(parser, "--force-share is for get and list");
    job->name = words[1];
    job->key = n > 2 ? words[2] : NULL;
    job->value = n > 3 ? words[3] : NULL;
    return meta_run(action, job);
}

static int
cmd_meta_run(const Command *command, int argc, char **argv)
{
    g_autoptr(OptParser) parser = opts_begin(command, argc, argv);
    MetaJob job = {.common = opts_common(parser)};
    int code;

    while ((code = opts_next(parser)) > 0)
        if (code == OPT_LINK)
            job.link = true;
    if (code == OPTS_STOP)
        return opts_status(parser);
    return meta_operands(parser, &job);
}

const Command cmd_meta = {
    .name = "meta",
    .summary = "read and change the metadata of an image",
    .operands = "get|set|list|unset FILE [KEY [VALUE]]",
    .no_names = ~2u,
    .example = "set disk.vmdk adapterType lsilogic",
    .options = meta_options,
    .usage_status = META_USAGE,
    .run = cmd_meta_run,
};
