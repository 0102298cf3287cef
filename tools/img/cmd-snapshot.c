/* SPDX-License-Identifier: BSD-3-Clause */
/* tools/img/cmd-snapshot.c - vdisk-img snapshot: the snapshots inside an image,
 * or the links of a chain in their place.
 *
 * No format that is known so far keeps snapshots inside: there are none to list
 * and none can be made.
 *
 * Concurrency: main thread only.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "tools/formats.h"
#include "tools/human.h"
#include "tools/images.h"
#include "tools/img/commands.h"
#include "tools/img/vmsd.h"
#include "tools/json.h"
#include "tools/output.h"

enum { OPT_CHAIN = OPT_PRIVATE };

static const CmdOption snapshot_options[] = {
    {'l', "list", NULL, "list the snapshots (default)"},
    {'a', "apply", "NAME", "go back to a snapshot"},
    {'c', "create", "NAME", "make a snapshot"},
    {'d', "delete", "NAME", "delete a snapshot"},
    {OPT_CHAIN, "chain", NULL, "list the links of the chain like snapshots"},
    CMD_ROW_FORMAT,
    CMD_ROW_IMAGE_OPTS,
    CMD_ROW_FORCE_SHARE,
    CMD_ROW_QUIET,
    CMD_ROWS_COMMON,
};

typedef struct {
    CommonOptions *common;
    const char *file, *name;
    int action; /* the option; 0 = none was given */
} SnapshotJob;

/* -- inside the image ------------------------------------------------------ */

static void
snapshot_refuse(const SnapshotJob *job, const VdDisk *disk)
{
    const char *format = vd_disk_format(disk);

    if (job->action == 'c')
        out_failure(job->file, NULL,
                    "Could not create snapshot '%s': -95 (Operation not "
                    "supported)",
                    job->name);
    else if (job->action == 'a')
        out_failure(job->file, NULL,
                    "Could not apply snapshot '%s': Block driver does not "
                    "support snapshots",
                    job->name);
    else
        out_failure(job->file, NULL,
                    "Could not delete snapshot '%s': snapshot not found",
                    job->name);
    if (job->action == 'c' && format_has_option(format, "backing_file"))
        out_hint("A child disk keeps the state that its parent has now: "
                 "create -f %s -b %s -F %s CHILD",
                 format, job->file, format);
}

static void
snapshot_list(const SnapshotJob *job)
{
    g_auto(GVariantBuilder) object = JSON_BUILDER_INIT;

    if (!job->common->json)
        return;
    json_add_string(&object, "filename", job->file);
    json_add(&object, "snapshots",
             g_variant_new_array(G_VARIANT_TYPE_VARDICT, NULL, 0));
    json_print(g_variant_builder_end(&object), JSON_AS_GIVEN);
}

static bool
snapshot_in_context(VdContext *ctx, const SnapshotJob *job)
{
    bool lists = !job->action || job->action == 'l';
    ImageSpec spec =
        image_spec(job->common, job->file, lists ? 0 : VD_OPEN_RDWR);

    if (!lists && job->common->force_share) {
        out_failure(job->file, NULL,
                    "Could not open '%s': force-share=on can only be used "
                    "with read-only images",
                    job->file);
        return false;
    }
    VdDisk *disk = image_open(ctx, &spec);
    if (disk && lists)
        snapshot_list(job);
    else if (disk)
        snapshot_refuse(job, disk);
    bool ok = disk && lists;
    image_close_quietly(disk); /* nothing was written */
    return ok;
}

/* -- a chain --------------------------------------------------------------- */

static bool
link_cid(const VdChainLink *link, const char *key, uint64_t *cid)
{
    return link->info && link->info->specific &&
           g_variant_lookup(link->info->specific, key, "t", cid);
}

static char *
cid_text(const VdChainLink *link, const char *key)
{
    uint64_t cid;

    if (!link_cid(link, key, &cid) ||
        (cid == UINT32_MAX && !link->info->backing_filename))
        return g_strdup("-");
    return g_strdup_printf("%08" PRIx64, cid);
}

static uint64_t
link_allocated(const VdChainLink *link)
{
    uint64_t sum = 0;

    for (unsigned i = 0; i < link->files->len; i++) {
        const VdChainFile *file = link->files->pdata[i];
        sum += (uint64_t) MAX(file->allocated, 0);
    }
    return sum;
}

static char *
date_text(const VmsdSnapshot *s)
{
    g_autoptr(GDateTime) date = NULL;

    if (s && s->created_us)
        date = g_date_time_new_from_unix_local(s->created_us / G_USEC_PER_SEC);
    return date ? g_date_time_format(date, "%Y-%m-%d %H:%M:%S") : g_strdup("-");
}

/* A name comes from a file that anybody may have written. */
static char *
tag_text(const VmsdSnapshot *s)
{
    char *tag = g_utf8_make_valid(s && s->name ? s->name : "-", -1);

    for (char *c = tag; *c; c++)
        if (g_ascii_iscntrl(*c))
            *c = '?';
    return tag;
}

static void
chain_print_row(unsigned id, const VdChainLink *link, const VmsdSnapshot *s)
{
    g_autofree char *tag = tag_text(s);
    g_autofree char *date = date_text(s);
    g_autofree char *cid = cid_text(link, "cid");
    g_autofree char *parent = cid_text(link, "parent-cid");
    g_autofree char *size = human_size(link_allocated(link));

    printf("%-7u %-16s %8s %19s %-8s %-10s %s\n", id, tag, size, date, cid,
           parent, link->name);
}

static GVariant *
chain_row_to_variant(unsigned id, const VdChainLink *link,
                     const VmsdSnapshot *s)
{
    g_auto(GVariantBuilder) object = JSON_BUILDER_INIT;
    uint64_t cid;

    json_add_uint(&object, "id", id);
    if (s && s->name)
        json_add_string(&object, "name", s->name);
    if (s && s->created_us) {
        json_add_uint(&object, "date-sec",
                      (uint64_t) s->created_us / G_USEC_PER_SEC);
        json_add_uint(&object, "date-nsec",
                      (uint64_t) s->created_us % G_USEC_PER_SEC * 1000);
    }
    json_add_string(&object, "filename", link->name);
    if (link_cid(link, "cid", &cid))
        json_add_uint(&object, "cid", cid);
    if (link_cid(link, "parent-cid", &cid))
        json_add_uint(&object, "parent-cid", cid);
    json_add_uint(&object, "actual-size", link_allocated(link));
    return g_variant_builder_end(&object);
}

/* From the oldest on, as snapshots are listed. */
static void
chain_print(const SnapshotJob *job, const GPtrArray *links,
            const GPtrArray *told)
{
    g_auto(GVariantBuilder) object = JSON_BUILDER_INIT;
    GVariantBuilder list;

    g_variant_builder_init(&list, G_VARIANT_TYPE("aa{sv}"));
    if (!job->common->json)
        printf("Snapshot list:\n%-7s %-16s %8s %19s %-8s %-10s %s\n", "ID",
               "TAG", "ON DISK", "DATE", "CID", "PARENT CID", "FILE");
    for (unsigned i = links->len; i-- > 0;) {
        const VdChainLink *link = links->pdata[i];
        const VmsdSnapshot *s = vmsd_find(told, link->name);
        unsigned id = links->len - i;

        if (job->common->json)
            g_variant_builder_add_value(&list,
                                        chain_row_to_variant(id, link, s));
        else
            chain_print_row(id, link, s);
    }
    json_add_string(&object, "filename", job->file);
    json_add(&object, "chain", g_variant_builder_end(&list));
    if (job->common->json)
        json_print(g_variant_builder_end(&object), JSON_AS_GIVEN);
}

static bool
chain_in_context(VdContext *ctx, const SnapshotJob *job)
{
    g_autoptr(GError) error = NULL;
    const char *path = image_local_path(job->file);
    g_autoptr(GPtrArray) links =
        vd_chain_examine(ctx, job->file, job->common->format, &error);

    if (!links) {
        out_failure(job->file, error, "Could not open '%s': %s", job->file,
                    error->message);
        return false;
    }
    g_autoptr(GPtrArray) told =
        path ? vmsd_read_beside(path) : g_ptr_array_new();
    chain_print(job, links, told);
    return true;
}

/* -- the command ----------------------------------------------------------- */

static int
snapshot_run(const SnapshotJob *job)
{
    job->common->mute =
        job->action == OPT_CHAIN; /* "chain" tells what is odd */
    VdContext *ctx = image_context_new(job->common);

    if (!ctx)
        return 1;
    bool ok = job->action == OPT_CHAIN ? chain_in_context(ctx, job)
                                       : snapshot_in_context(ctx, job);
    vd_context_free(ctx);
    return ok ? 0 : 1;
}

static int
cmd_snapshot_run(const Command *command, int argc, char **argv)
{
    g_autoptr(OptParser) parser = opts_begin(command, argc, argv);
    SnapshotJob job = {.common = opts_common(parser)};
    int code;

    while ((code = opts_next(parser)) > 0) {
        if (job.action)
            return opts_fail_try(parser, "Cannot mix '-l', '-a', '-c', '-d'");
        job.action = code;
        job.name = opts_arg(parser);
    }
    if (code == OPTS_STOP)
        return opts_status(parser);
    if (opts_n_operands(parser) != 1)
        return opts_fail_try(parser, "Expecting one image file name");
    if (job.action == OPT_CHAIN && job.common->image_opts)
        return opts_fail(parser, "--chain takes the name of a file");
    job.file = opts_operands(parser)[0];
    return snapshot_run(&job);
}

const Command cmd_snapshot = {
    .name = "snapshot",
    .summary = "list, make, apply and delete snapshots",
    .operands = "FILE",
    .example = "--chain disk-000002.vmdk",
    .options = snapshot_options,
    .usage_status = 1,
    .run = cmd_snapshot_run,
};
