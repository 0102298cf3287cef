/* SPDX-License-Identifier: BSD-3-Clause */
/* tools/img/check-image.c - checking an image, and mending it, for "check" and
 * "repair".
 *
 * Concurrency: main thread only.
 */
#include "tools/img/check-image.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "tools/images.h"
#include "tools/json.h"
#include "tools/output.h"
#include "tools/requests.h"

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
    if (f->grain != VD_NO_GRAIN)
        json_add_uint(&object, "grain", f->grain);
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
check_fail(const CheckJob *job, const GError *error)
{
    if (!job->params.profile &&
        g_error_matches(error, VD_ERROR, VD_ERROR_NOT_SUPPORTED)) {
        out_failure(job->name, error, "%s",
                    job->params.repair
                        ? error->message
                        : "This image format does not support checks");
        return CHECK_UNSUPPORTED;
    }
    out_failure(job->name, error, "Check failed: %s", error->message);
    return CHECK_FAILED;
}

static bool
was_mended(const VdCheckResult *r)
{
    return r->corruptions_fixed || r->leaks_fixed;
}

static void
mended_print(const VdCheckResult *r)
{
    findings_print(r);
    printf("The following inconsistencies were found and repaired:\n\n"
           "    %" PRIu64 " leaked clusters\n"
           "    %" PRIu64 " corruptions\n\n"
           "Double checking the fixed image now...\n",
           r->leaks_fixed, r->corruptions_fixed);
}

/* After a repair that changed something the state behind it counts. */
static bool
check_twice(VdDisk *disk, const CheckJob *job, VdCheckResult *result,
            GError **error)
{
    VdCheckResult first = {.max_findings = job->max_findings};
    bool ok = vd_disk_check(disk, &job->params, &first, error);

    if (!ok || !was_mended(&first)) {
        *result = first;
        return ok;
    }
    if (!job->common->json && !job->common->quiet)
        mended_print(&first);
    VdCheckParams look = {.profile = job->params.profile};
    ok = vd_disk_check(disk, &look, result, error);
    result->corruptions_fixed = first.corruptions_fixed;
    result->leaks_fixed = first.leaks_fixed;
    vd_check_result_clear(&first);
    return ok;
}

static int
check_disk(VdDisk *disk, const CheckJob *job)
{
    g_autoptr(GError) error = NULL;
    VdCheckResult result = {.max_findings = job->max_findings};
    int status;

    if (!check_twice(disk, job, &result, &error)) {
        status = check_fail(job, error);
    } else {
        status = result_status(&result);
        if (job->common->json)
            check_print_json(&result, job->name, vd_disk_format(disk));
        else if (!job->common->quiet)
            check_print_human(&result);
    }
    vd_check_result_clear(&result);
    return status;
}

static int
check_in_context(VdContext *ctx, const CheckJob *job)
{
    unsigned flags = job->cache | VD_OPEN_CHECK;

    if (job->params.repair)
        flags |= VD_OPEN_RDWR | VD_OPEN_UNMAP;
    ImageSpec spec = image_spec(job->common, job->name, flags);
    VdDisk *disk = image_open(ctx, &spec);
    if (!disk)
        return CHECK_FAILED;
    int status = check_disk(disk, job);
    if (job->common->stats)
        requests_add_disk(disk, job->name);
    if (!job->params.repair)
        image_close_quietly(disk);
    else if (!image_close(disk, job->name))
        status = CHECK_FAILED;
    return status;
}

int
check_image(const CheckJob *job)
{
    VdContext *ctx = image_context_begin(job->common);

    if (!ctx)
        return CHECK_FAILED;
    int status = check_in_context(ctx, job);
    image_context_end(ctx);
    return status;
}
