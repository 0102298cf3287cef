/* SPDX-License-Identifier: BSD-3-Clause */
/* tools/img/compare/hash.c - compare --hash: a number for what an image holds,
 * to be held against that of another on another machine.
 *
 * Concurrency: main thread only.
 */
#include "tools/img/compare/compare.h"

#include <stdio.h>
#include <string.h>

#include "tools/json.h"
#include "tools/output.h"

static bool
hash_image(const CompareJob *job, int i, VdHashResult *result)
{
    g_autoptr(GError) error = NULL;
    Progress *progress =
        progress_begin(job->common->progress, COMPARE_PROGRESS_STEP);
    VdHashParams params = {.with_size = job->strict,
                           .progress = progress_update,
                           .progress_opaque = progress};
    bool ok = vd_disk_hash(job->disks[i], &params, result, &error);

    progress_end(progress, ok);
    if (!ok)
        out_failure(job->names[i], error, "'%s': %s", job->names[i],
                    error->message);
    return ok;
}

static char *
hash_text(const VdHashResult *result)
{
    GString *text = g_string_new(NULL);

    for (unsigned i = 0; i < VD_HASH_BYTES; i++)
        g_string_append_printf(text, "%02x", result->digest[i]);
    return g_string_free(text, FALSE);
}

static bool
hash_is_same(const CompareJob *job, const VdHashResult *hashes)
{
    return job->n_images < 2 ||
           memcmp(hashes[0].digest, hashes[1].digest, VD_HASH_BYTES) == 0;
}

static void
hash_print_human(const CompareJob *job, const VdHashResult *hashes)
{
    for (int i = 0; i < job->n_images; i++) {
        g_autofree char *text = hash_text(&hashes[i]);

        printf("%s  %s\n", text, job->names[i]);
    }
}

static GVariant *
hash_describe(const CompareJob *job, int i, const VdHashResult *result)
{
    g_auto(GVariantBuilder) object = JSON_BUILDER_INIT;
    g_autofree char *text = hash_text(result);

    json_add_string(&object, "filename", job->names[i]);
    json_add_string(&object, "hash", text);
    json_add_uint(&object, "virtual-size", vd_disk_size(job->disks[i]));
    json_add_uint(&object, "bytes-read", result->bytes_read);
    return g_variant_builder_end(&object);
}

static void
hash_print_json(const CompareJob *job, const VdHashResult *hashes)
{
    g_auto(GVariantBuilder) object = JSON_BUILDER_INIT;
    g_auto(GVariantBuilder) images =
        G_VARIANT_BUILDER_INIT(G_VARIANT_TYPE("aa{sv}"));

    for (int i = 0; i < job->n_images; i++)
        g_variant_builder_add_value(&images, hash_describe(job, i, &hashes[i]));
    json_add_string(&object, "algorithm", "sha256");
    json_add_uint(&object, "block-size", VD_HASH_BLOCK);
    json_add_bool(&object, "strict", job->strict);
    if (job->n_images == 2)
        json_add_bool(&object, "identical", hash_is_same(job, hashes));
    json_add(&object, "images", g_variant_builder_end(&images));
    json_print(g_variant_builder_end(&object), JSON_AS_GIVEN);
}

int
compare_hashes(const CompareJob *job)
{
    VdHashResult hashes[2];

    for (int i = 0; i < job->n_images; i++)
        if (!hash_image(job, i, &hashes[i]))
            return hashes[i].failed_map ? COMPARE_MAP_ERROR
                                        : COMPARE_READ_ERROR;
    if (job->common->json)
        hash_print_json(job, hashes);
    else if (!job->common->quiet)
        hash_print_human(job, hashes);
    return hash_is_same(job, hashes) ? COMPARE_SAME : COMPARE_DIFFERENT;
}
