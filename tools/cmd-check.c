/* SPDX-License-Identifier: BSD-3-Clause */
/* tools/cmd-check.c - vdisk-img check: is an image consistent?
 *
 * Exit codes: 0 yes, 1 the check failed, 2 corrupt or not as the profile wants
 * it, 3 leaks only, 63 the
 * format has no check (or, with -r, no repair).
 *
 * Concurrency: main thread only.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "tools/commands.h"
#include "tools/images.h"
#include "tools/json.h"
#include "tools/output.h"
#include "tools/signals.h"

enum { OPT_MAX_FINDINGS = OPT_PRIVATE, OPT_PROFILE };

enum {
    CHECK_CLEAN = 0,
    CHECK_FAILED = 1,
    CHECK_CORRUPT = 2,
    CHECK_LEAKS = 3,
    CHECK_UNSUPPORTED = 63,
};

static const CmdOption check_options[] = {
    CMD_ROW_FORMAT,
    CMD_ROW_IMAGE_OPTS,
    CMD_ROW_SOURCE_CACHE,
    {OPT_MAX_FINDINGS, "max-findings", "N",
     "how many findings to list; default 100"},
    {OPT_PROFILE, "profile", "NAME",
     "further rules: esxi-import, for streamOptimized files"},
    CMD_ROW_QUIET,
    CMD_ROW_FORCE_SHARE,
    CMD_ROWS_COMMON,
};

/* -- human ---------------------------------------------------------------- */

static void
findings_print(const VdCheckResult *r)
{
    for (unsigned i = 0; r->findings && i < r->findings->len; i++) {
        const VdFinding *f = r->findings->pdata[i];
        printf("%s: %s: offset %" PRIu64 ": %s%s%s\n", f->kind,
               f->file ? f->file : "?", f->offset, f->rule ? f->rule : "",
               f->rule ? ": " : "", f->detail);
    }
}

static void
counts_print(const VdCheckResult *r)
{
    if (!r->corruptions && !r->leaks && !r->check_errors && !r->breaches) {
        puts("No errors were found on the image.");
        return;
    }
    if (r->corruptions)
        printf("\n%" PRIu64 " errors were found on the image.\n"
               "Data may be corrupted, or further writes to the image may "
               "corrupt it.\n",
               r->corruptions);
    if (r->leaks)
        printf("\n%" PRIu64 " leaked clusters were found on the image.\n"
               "This means waste of disk space, but no harm to data.\n",
               r->leaks);
    if (r->breaches)
        printf("\n%" PRIu64 " rules of the profile are broken.\n", r->breaches);
    if (r->check_errors)
        printf("\n%" PRIu64
               " internal errors have occurred during the check.\n",
               r->check_errors);
}

static double
percent(uint64_t part, uint64_t whole)
{
    return whole ? 100.0 * (double) part / (double) whole : 0;
}

static void
check_print_human(const VdCheckResult *r)
{
    findings_print(r);
    counts_print(r);
    if (r->total_clusters && r->allocated_clusters)
        printf("%" PRIu64 "/%" PRIu64 " = %0.2f%% allocated, %0.2f%% "
               "fragmented, %0.2f%% compressed clusters\n",
               r->allocated_clusters, r->total_clusters,
               percent(r->allocated_clusters, r->total_clusters),
               percent(r->fragmented_clusters, r->allocated_clusters),
               percent(r->compressed_clusters, r->allocated_clusters));
    if (r->image_end_offset)
        printf("Image end offset: %" PRIu64 "\n", r->image_end_offset);
}

/* -- JSON ----------------------------------------------------------------- */

static GVariant *
finding_to_variant(const VdFinding *f)
{
    g_auto(GVariantBuilder) object = JSON_BUILDER_INIT;

    json_add_string(&object, "kind", f->kind);
    if (f->file)
        json_add_string(&object, "extent", f->file);
    json_add_uint(&object, "offset", f->offset);
    if (f->rule)
        json_add_string(&object, "rule", f->rule);
    json_add_string(&object, "detail", f->detail);
    return g_variant_builder_end(&object);
}

static void
findings_add(GVariantBuilder *object, const VdCheckResult *r)
{
    g_auto(GVariantBuilder) list =
        G_VARIANT_BUILDER_INIT(G_VARIANT_TYPE("aa{sv}"));

    if (!r->findings || r->findings->len == 0)
        return;
    for (unsigned i = 0; i < r->findings->len; i++)
        g_variant_builder_add_value(&list,
                                    finding_to_variant(r->findings->pdata[i]));
    json_add(object, "findings", g_variant_builder_end(&list));
}

/* The keys stand in the order of output. */
static void
check_print_json(const VdCheckResult *r, const char *name, const char *format)
{
    g_auto(GVariantBuilder) object = JSON_BUILDER_INIT;
    const struct {
        const char *key;
        uint64_t value;
    } counts[] = {
        {"image-end-offset", r->image_end_offset},
        {"compressed-clusters", r->compressed_clusters},
        {"total-clusters", r->total_clusters},
        {"corruptions", r->corruptions},
        {"corruptions-fixed", r->corruptions_fixed},
        {"leaks", r->leaks},
        {"leaks-fixed", r->leaks_fixed},
        {"allocated-clusters", r->allocated_clusters},
        {"fragmented-clusters", r->fragmented_clusters},
        {"breaches", r->breaches},
    };

    for (size_t i = 0; i < G_N_ELEMENTS(counts); i++)
        if (counts[i].value)
            json_add_uint(&object, counts[i].key, counts[i].value);
    json_add_uint(&object, "check-errors", r->check_errors);
    json_add_string(&object, "filename", name);
    json_add_string(&object, "format", format);
    findings_add(&object, r);
    json_print(g_variant_builder_end(&object), JSON_RANKED);
}

/* -- the command ---------------------------------------------------------- */

static int
result_status(const VdCheckResult *r)
{
    if (r->check_errors)
        return CHECK_FAILED;
    if (r->corruptions || r->breaches)
        return CHECK_CORRUPT;
    return r->leaks ? CHECK_LEAKS : CHECK_CLEAN;
}

static int
check_fail(const char *name, const char *profile, const GError *error)
{
    if (!profile && g_error_matches(error, VD_ERROR, VD_ERROR_NOT_SUPPORTED)) {
        out_failure(name, error, "This image format does not support checks");
        return CHECK_UNSUPPORTED;
    }
    out_failure(name, error, "Check failed: %s", error->message);
    return CHECK_FAILED;
}

static int
check_disk(VdDisk *disk, const CommonOptions *common, const char *name,
           const char *profile, unsigned max_findings)
{
    g_autoptr(GError) error = NULL;
    VdCheckParams params = {.profile = profile};
    VdCheckResult result = {.max_findings = max_findings};
    int status;

    if (!vd_disk_check(disk, &params, &result, &error)) {
        status = check_fail(name, profile, error);
    } else {
        status = result_status(&result);
        if (common->json)
            check_print_json(&result, name, vd_disk_format(disk));
        else if (!common->quiet)
            check_print_human(&result);
    }
    vd_check_result_clear(&result);
    return status;
}

static int
check_run(const CommonOptions *common, const char *name, VdOpenFlags cache,
          const char *profile, unsigned max_findings)
{
    VdContext *ctx = image_context_new(common);
    int status = CHECK_FAILED;

    if (!ctx)
        return status;
    signals_watch(ctx);
    ImageSpec spec = image_spec(common, name, cache | VD_OPEN_CHECK);
    VdDisk *disk = image_open(ctx, &spec);
    if (disk)
        status = check_disk(disk, common, name, profile, max_findings);
    if (disk && common->stats)
        image_print_stats(disk, name);
    image_close_quietly(disk);
    signals_watch(NULL);
    vd_context_free(ctx);
    return status;
}

static int
cmd_check_run(const Command *command, int argc, char **argv)
{
    g_autoptr(OptParser) parser = opts_begin(command, argc, argv);
    VdOpenFlags cache = 0;
    const char *profile = NULL;
    unsigned max_findings = 0;
    int code;

    while ((code = opts_next(parser)) > 0) {
        const char *arg = opts_arg(parser);
        if (code == 'T' && !opts_parse_cache("source cache", arg, &cache))
            return command->usage_status;
        if (code == OPT_PROFILE)
            profile = arg;
        if (code == OPT_MAX_FINDINGS &&
            !opts_parse_number(arg, 1, 1000000, &max_findings))
            return opts_fail(parser, "Invalid number of findings: %s", arg);
    }
    if (code == OPTS_STOP)
        return opts_status(parser);
    if (opts_n_operands(parser) != 1)
        return opts_fail_try(parser, "Expecting one image file name");
    return check_run(opts_common(parser), opts_operands(parser)[0], cache,
                     profile, max_findings);
}

const Command cmd_check = {
    .name = "check",
    .summary = "check an image for inconsistencies",
    .operands = "FILE",
    .options = check_options,
    .usage_status = CHECK_FAILED,
    .run = cmd_check_run,
};
