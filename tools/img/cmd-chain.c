/* SPDX-License-Identifier: BSD-3-Clause */
/* tools/img/cmd-chain.c - vdisk-img chain: the links of a chain, and whether
 * they hold.
 *
 * Concurrency: main thread only.
 */
#include <inttypes.h>
#include <stdio.h>

#include "tools/img/commands.h"
#include "tools/human.h"
#include "tools/images.h"
#include "tools/json.h"
#include "tools/output.h"

#define CHAIN_USAGE 2

static const CmdOption chain_options[] = {
    CMD_ROW_FORMAT,
    CMD_ROWS_COMMON,
};

static const char *const use_words[] = {
    [VD_USE_NONE] = "none",       [VD_USE_READ] = "read",
    [VD_USE_WRITE] = "write",     [VD_USE_VMWARE] = "vmware",
    [VD_USE_UNKNOWN] = "unknown",
};

static const char *const use_texts[] = {
    [VD_USE_NONE] = "",
    [VD_USE_READ] = ", somebody reads it",
    [VD_USE_WRITE] = ", somebody writes to it",
    [VD_USE_VMWARE] = ", a VMware product uses it",
    [VD_USE_UNKNOWN] = ", unknown who uses it",
};

static unsigned
problems_count(const GPtrArray *links)
{
    unsigned n = 0;

    for (unsigned i = 0; i < links->len; i++)
        n += ((const VdChainLink *) links->pdata[i])->problems->len;
    return n;
}

static bool
link_fact(const VdChainLink *link, const char *key, uint64_t *value)
{
    return link->info && link->info->specific &&
           g_variant_lookup(link->info->specific, key, "t", value);
}

static const char *
link_kind(const VdChainLink *link)
{
    const char *kind = NULL;

    if (link->info && link->info->specific)
        (void) g_variant_lookup(link->info->specific, "create-type", "&s",
                                &kind);
    return kind;
}

/* -- human ---------------------------------------------------------------- */

static void
file_print(const VdChainFile *file)
{
    if (!file->exists) {
        printf("    file: %s, missing\n", file->path);
        return;
    }
    if (file->size < 0) {
        printf("    file: %s, a device%s\n", file->path, use_texts[file->use]);
        return;
    }
    g_autofree char *size = human_size((uint64_t) file->size);
    g_autofree char *allocated = human_size((uint64_t) file->allocated);
    printf("    file: %s, %s, %s on disk%s\n", file->path, size, allocated,
           use_texts[file->use]);
}

static void
facts_print(const VdChainLink *link)
{
    const char *kind = link_kind(link);
    uint64_t cid, parent_cid;

    if (!link->info)
        return;
    g_autofree char *size = human_size(link->info->virtual_size);
    printf("    format: %s%s%s\n", link->info->format, kind ? ", " : "",
           kind ? kind : "");
    printf("    virtual size: %s (%" PRIu64 " bytes)\n", size,
           link->info->virtual_size);
    if (!link_fact(link, "cid", &cid) ||
        !link_fact(link, "parent-cid", &parent_cid))
        return;
    printf("    content id: %08" PRIx64 "\n", cid);
    if (link->info->backing_filename)
        printf("    parent: %s, content id %08" PRIx64 "\n",
               link->info->backing_filename, parent_cid);
}

static void
chain_print(const GPtrArray *links)
{
    unsigned n = problems_count(links);

    for (unsigned i = 0; i < links->len; i++) {
        const VdChainLink *link = links->pdata[i];

        printf("%u: %s\n", i, link->name);
        facts_print(link);
        for (unsigned k = 0; k < link->files->len; k++)
            file_print(link->files->pdata[k]);
        for (unsigned k = 0; k < link->problems->len; k++)
            printf("    problem: %s\n",
                   (const char *) link->problems->pdata[k]);
    }
    if (n == 0)
        puts("The chain is sound.");
    else
        printf("%u problem%s found in the chain.\n", n,
               n == 1 ? " was" : "s were");
}

/* -- JSON ----------------------------------------------------------------- */

static GVariant *
files_to_variant(const GPtrArray *files)
{
    GVariantBuilder list;

    g_variant_builder_init(&list, G_VARIANT_TYPE("aa{sv}"));
    for (unsigned i = 0; i < files->len; i++) {
        const VdChainFile *file = files->pdata[i];
        g_auto(GVariantBuilder) object = JSON_BUILDER_INIT;

        json_add_string(&object, "filename", file->path);
        json_add_bool(&object, "exists", file->exists);
        if (file->size >= 0)
            json_add_uint(&object, "size", (uint64_t) file->size);
        if (file->allocated >= 0)
            json_add_uint(&object, "actual-size", (uint64_t) file->allocated);
        if (file->exists)
            json_add_string(&object, "use", use_words[file->use]);
        g_variant_builder_add_value(&list, g_variant_builder_end(&object));
    }
    return g_variant_builder_end(&list);
}

static void
facts_add(GVariantBuilder *object, const VdChainLink *link)
{
    const char *kind = link_kind(link);
    uint64_t cid;

    if (!link->info)
        return;
    json_add_string(object, "format", link->info->format);
    if (kind)
        json_add_string(object, "create-type", kind);
    json_add_uint(object, "virtual-size", link->info->virtual_size);
    if (link_fact(link, "cid", &cid))
        json_add_uint(object, "cid", cid);
    if (link_fact(link, "parent-cid", &cid))
        json_add_uint(object, "parent-cid", cid);
    if (link->info->backing_filename)
        json_add_string(object, "backing-filename",
                        link->info->backing_filename);
}

static GVariant *
link_to_variant(const VdChainLink *link)
{
    g_auto(GVariantBuilder) object = JSON_BUILDER_INIT;

    json_add_string(&object, "filename", link->name);
    facts_add(&object, link);
    json_add(&object, "files", files_to_variant(link->files));
    json_add(&object, "problems",
             json_strings((const char *const *) link->problems->pdata,
                          (int) link->problems->len));
    return g_variant_builder_end(&object);
}

static void
chain_print_json(const GPtrArray *links)
{
    g_auto(GVariantBuilder) object = JSON_BUILDER_INIT;
    GVariantBuilder list;

    g_variant_builder_init(&list, G_VARIANT_TYPE("aa{sv}"));
    for (unsigned i = 0; i < links->len; i++)
        g_variant_builder_add_value(&list, link_to_variant(links->pdata[i]));
    json_add(&object, "links", g_variant_builder_end(&list));
    json_add_uint(&object, "problems", problems_count(links));
    json_print(g_variant_builder_end(&object), JSON_AS_GIVEN);
}

/* -- the command ---------------------------------------------------------- */

static int
chain_run(CommonOptions *common, const char *name)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GPtrArray) links = NULL;

    common->mute = true; /* what is odd stands in the result */
    VdContext *ctx = image_context_new(common);
    if (!ctx)
        return 1;
    links = vd_chain_examine(ctx, name, common->format, &error);
    vd_context_free(ctx);
    if (!links) {
        out_failure(name, error, "Could not open '%s': %s", name,
                    error->message);
        return 1;
    }
    if (common->json)
        chain_print_json(links);
    else
        chain_print(links);
    return problems_count(links) ? 1 : 0;
}

static int
cmd_chain_run(const Command *command, int argc, char **argv)
{
    g_autoptr(OptParser) parser = opts_begin(command, argc, argv);

    if (opts_next(parser) == OPTS_STOP)
        return opts_status(parser);
    if (opts_n_operands(parser) != 1)
        return opts_fail_try(parser, "Expecting one image file name");
    return chain_run(opts_common(parser), opts_operands(parser)[0]);
}

const Command cmd_chain = {
    .name = "chain",
    .summary = "show the links of a chain, and whether they hold",
    .operands = "FILE",
    .example = "snapshot-000002.vmdk",
    .options = chain_options,
    .usage_status = CHAIN_USAGE,
    .run = cmd_chain_run,
};
