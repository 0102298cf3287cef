/* SPDX-License-Identifier: BSD-3-Clause */
/* tools/img/cmd-snapshot.c - vdisk-img snapshot: the snapshots inside an image,
 * or the links of a chain in their place.
 *
 * Formats that keep no snapshots inside have none to list, and none can be
 * made.
 *
 * Concurrency: main thread only.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "tools/formats.h"
#include "tools/human.h"
#include "tools/images.h"
#include "tools/img/commands.h"
#include "tools/img/snapshot-table.h"
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
hint_child(const SnapshotJob *job, const char *format)
{
    if (format_has_option(format, "backing_file"))
        out_hint("A child disk keeps the state that its parent has now: "
                 "create -f %s -b %s -F %s CHILD",
                 format, job->file, format);
}

/* qemu-img says so little of a failed creation: the rest is a hint. */
static void
create_fail(const SnapshotJob *job, const VdDisk *disk, const GError *error)
{
    int number = vd_error_to_errno(error);

    out_failure(job->file, error, "Could not create snapshot '%s': -%d (%s)",
                job->name, number, g_strerror(number));
    if (number == ENOTSUP)
        hint_child(job, vd_disk_format(disk));
    else
        out_hint("%s", error->message);
}

static void
snapshot_fail(const SnapshotJob *job, const VdDisk *disk, const GError *error)
{
    bool missing = g_error_matches(error, VD_ERROR, VD_ERROR_NOT_FOUND);
    bool alien = g_error_matches(error, VD_ERROR, VD_ERROR_NOT_SUPPORTED);

    if (job->action == 'c')
        create_fail(job, disk, error);
    else if (job->action == 'a')
        out_failure(job->file, error, "Could not apply snapshot '%s': %s",
                    job->name,
                    missing ? "Failed to load snapshot: No such file or "
                              "directory"
                    : alien ? "Block driver does not support snapshots"
                            : error->message);
    else
        out_failure(job->file, error, "Could not delete snapshot '%s': %s",
                    job->name,
                    missing || alien ? "snapshot not found" : error->message);
}

static bool
snapshot_change(const SnapshotJob *job, VdDisk *disk)
{
    g_autoptr(GError) error = NULL;
    bool ok =
        job->action == 'c'   ? vd_disk_create_snapshot(disk, job->name, &error)
        : job->action == 'a' ? vd_disk_apply_snapshot(disk, job->name, &error)
                             : vd_disk_delete_snapshot(disk, job->name, &error);

    if (ok)
        return true;
    snapshot_fail(job, disk, error);
    return false;
}

static void
list_print(const SnapshotJob *job, const GPtrArray *list)
{
    g_auto(GVariantBuilder) object = JSON_BUILDER_INIT;
    g_autoptr(GString) text = g_string_new(NULL);

    if (job->common->json) {
        json_add_string(&object, "filename", job->file);
        json_add(&object, "snapshots", snapshots_to_variant(list));
        json_print(g_variant_builder_end(&object), JSON_AS_GIVEN);
    } else if (list && list->len) {
        snapshot_table_append(text, list);
        fputs(text->str, stdout);
    }
}

/* Formats without snapshots have none. */
static bool
snapshot_list(const SnapshotJob *job, VdDisk *disk)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GPtrArray) list = vd_disk_list_snapshots(disk, &error);

    if (!list && !g_error_matches(error, VD_ERROR, VD_ERROR_NOT_SUPPORTED)) {
        out_failure(job->file, error,
                    "Could not list the snapshots of '%s': "
                    "%s",
                    job->file, error->message);
        return false;
    }
    list_print(job, list);
    return true;
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
    if (!disk)
        return false;
    bool ok = lists ? snapshot_list(job, disk) : snapshot_change(job, disk);
    if (ok && !lists)
        return image_close(disk, job->file);
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
