/* SPDX-License-Identifier: BSD-3-Clause */
/* tools/img/compare/contents.c - compare: the verdict, and the ranges that
 * differ.
 *
 * Concurrency: main thread only.
 */
#include "tools/img/compare/compare.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "tools/json.h"
#include "tools/output.h"

#define SECTOR_MASK ((uint64_t) 511)
/* In a document, where what comes first is known last. */
#define MAX_RANGES (1u << 20)

/* What has come of a job so far. */
typedef struct {
    const CompareJob *job;
    bool verdict_given;
    GArray *differences; /* of VdDifference, for JSON */
    uint64_t left_out;   /* there was no room for them */
} Outcome;

/* An object of its own would be large: there may be a million of them. */
static void
contents_print_ranges(const Outcome *o)
{
    const char *comma = "";

    fputs(",\n    \"differences\": [", stdout);
    for (guint i = 0; i < o->differences->len; i++) {
        const VdDifference *it =
            &g_array_index(o->differences, VdDifference, i);

        printf("%s\n        {\n            \"start\": %" PRIu64
               ",\n            \"length\": %" PRIu64,
               comma, it->off, it->len);
        if (o->job->strict)
            printf(",\n            \"status\": %s",
                   it->status ? "true" : "false");
        fputs("\n        }", stdout);
        comma = ",";
    }
    puts("\n    ]\n}");
}

static void
contents_print_json(const Outcome *o, const VdCompareResult *result)
{
    const CompareJob *job = o->job;
    g_auto(GVariantBuilder) object = JSON_BUILDER_INIT;
    g_autofree char *text = NULL;

    json_add_bool(&object, "identical", result->identical);
    json_add_uint(&object, "size1", vd_disk_size(job->disks[0]));
    json_add_uint(&object, "size2", vd_disk_size(job->disks[1]));
    if (result->first_difference != UINT64_MAX)
        json_add_uint(&object, "first-difference", result->first_difference);
    json_add_uint(&object, "bytes-compared", result->bytes_compared);
    if (o->left_out > 0)
        json_add_uint(&object, "differences-left-out", o->left_out);
    text = json_to_text(g_variant_builder_end(&object), JSON_AS_GIVEN);
    if (job->all) {
        *strrchr(text, '\n') = '\0'; /* what follows the last brace, */
        *strrchr(text, '\n') = '\0'; /* and that one */
    }
    fputs(text, stdout);
    if (job->all)
        contents_print_ranges(o);
}

static void
contents_print_verdict(const CompareJob *job, const VdCompareResult *result)
{
    uint64_t shorter =
        MIN(vd_disk_size(job->disks[0]), vd_disk_size(job->disks[1]));
    /* qemu-img compares in sectors, and scripts know its offsets. */
    uint64_t sector = result->first_difference & ~SECTOR_MASK;

    if (job->strict && result->sizes_differ) {
        puts("Strict mode: Image size mismatch!");
        return;
    }
    if (result->sizes_differ && result->first_difference >= shorter)
        puts("Warning: Image size mismatch!");
    if (result->identical)
        puts("Images are identical.");
    else if (result->status_differs)
        printf("Strict mode: Offset %" PRIu64 " block status mismatch!\n",
               result->first_difference);
    else
        printf("Content mismatch at offset %" PRIu64 "!\n", sector);
}

/* The first range gives the verdict. */
static void
contents_print_range(Outcome *o, const VdDifference *it)
{
    VdDisk *const *disks = o->job->disks;
    VdCompareResult so_far = {
        .sizes_differ = vd_disk_size(disks[0]) != vd_disk_size(disks[1]),
        .first_difference = it->first,
        .status_differs = it->status,
    };

    if (!o->verdict_given)
        contents_print_verdict(o->job, &so_far);
    o->verdict_given = true;
    printf("Offset %" PRIu64 ", length %" PRIu64 ": %s\n", it->off, it->len,
           it->status ? "block status differs" : "contents differ");
}

/* VdDifferenceFunc */
static void
contents_take_range(const VdDifference *difference, void *opaque)
{
    Outcome *o = opaque;

    if (!o->job->common->json) {
        if (!o->job->common->quiet)
            contents_print_range(o, difference);
    } else if (o->differences->len < MAX_RANGES)
        g_array_append_vals(o->differences, difference, 1);
    else
        o->left_out++;
}

static int
contents_fail(const CompareJob *job, const VdCompareResult *result,
              const GError *error)
{
    const char *file = NULL;

    if (result->failed_side == 1 || result->failed_side == 2)
        file = job->names[result->failed_side - 1];
    if (file)
        out_failure(file, error, "'%s': %s", file, error->message);
    else
        out_failure(NULL, error, "%s", error->message);
    return result->failed_map ? COMPARE_MAP_ERROR : COMPARE_READ_ERROR;
}

static int
contents_compare(Outcome *o)
{
    const CompareJob *job = o->job;
    g_autoptr(GError) error = NULL;
    VdCompareResult result = {0};
    Progress *progress =
        progress_begin(job->common->progress, COMPARE_PROGRESS_STEP);
    VdCompareParams params = {
        .strict = job->strict,
        .difference = job->all ? contents_take_range : NULL,
        .difference_opaque = o,
        .progress = progress_update,
        .progress_opaque = progress,
    };
    bool ok =
        vd_compare(job->disks[0], job->disks[1], &params, &result, &error);

    if (ok && result.identical)
        progress_done(progress);
    /* The line of progress ends behind the verdict, as qemu-img's does. */
    if (ok && !job->common->json && !job->common->quiet && !o->verdict_given)
        contents_print_verdict(job, &result);
    progress_end(progress, false);
    if (!ok)
        return contents_fail(job, &result, error);
    if (job->common->json)
        contents_print_json(o, &result);
    return result.identical ? COMPARE_SAME : COMPARE_DIFFERENT;
}

int
compare_contents(const CompareJob *job)
{
    g_autoptr(GArray) differences =
        g_array_new(FALSE, FALSE, sizeof(VdDifference));
    Outcome outcome = {.job = job, .differences = differences};

    return contents_compare(&outcome);
}
