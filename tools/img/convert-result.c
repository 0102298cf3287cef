/* SPDX-License-Identifier: BSD-3-Clause */
/* tools/img/convert-result.c - what a conversion has to say when it is done.
 *
 * Concurrency: main thread only.
 */
#include "tools/img/convert.h"

#include <inttypes.h>
#include <stdio.h>

#include "tools/images.h"
#include "tools/json.h"
#include "tools/output.h"

static int64_t
target_actual_size(const ConvertJob *job)
{
    ImageSpec spec = {.name = job->target,
                      .format = job->target_format,
                      .image_opts = job->target_image_opts};
    g_autoptr(GPtrArray) infos = image_chain_infos(job->ctx, &spec, false);

    return infos ? ((const VdInfo *) infos->pdata[0])->actual_size : -1;
}

static void
numbers_add(GVariantBuilder *object, const ConvertJob *job)
{
    double elapsed =
        (double) (g_get_monotonic_time() - job->started_us) / G_USEC_PER_SEC;
    double rate = elapsed > 0 ? (double) job->total / elapsed : 0;

    json_add_uint(object, "bytes-read", job->result.bytes_read);
    json_add_uint(object, "bytes-written", job->result.bytes_written);
    json_add_uint(object, "bytes-zero", job->result.bytes_zero);
    json_add_uint(object, "bytes-offloaded", job->result.bytes_offloaded);
    if (job->copy.salvage)
        json_add_uint(object, "bytes-salvaged", job->result.salvaged);
    if (job->verify)
        json_add_uint(object, "verified", job->verified);
    if (job->resume)
        json_add_uint(object, "resumed-at", job->resumed_at);
    json_add(object, "elapsed", g_variant_new_double(elapsed));
    json_add_uint(object, "rate", (uint64_t) rate);
}

static void
result_print_json(const ConvertJob *job)
{
    g_auto(GVariantBuilder) object = JSON_BUILDER_INIT;
    int64_t actual = target_actual_size(job);

    json_add(
        &object, "source",
        json_strings((const char *const *) job->sources, (int) job->n_sources));
    json_add_string(&object, "target", job->target);
    if (job->target_format)
        json_add_string(&object, "format", job->target_format);
    json_add_uint(&object, "virtual-size", job->total);
    if (actual >= 0)
        json_add_uint(&object, "actual-size", (uint64_t) actual);
    numbers_add(&object, job);
    json_add_string(&object, "engine", vd_context_engine(job->ctx));
    json_add(&object, "warnings", json_strings(out_warnings(), -1));
    json_print(g_variant_builder_end(&object), JSON_AS_GIVEN);
}

void
convert_result_print(const ConvertJob *job)
{
    if (job->result.salvaged && !job->common->quiet)
        out_warning("%" PRIu64 " bytes could not be read and are zeroes in "
                    "'%s'",
                    job->result.salvaged, job->target);
    if (job->common->json)
        result_print_json(job);
    else if (job->verify && !job->common->quiet)
        printf("Target verified: %" PRIu64 " bytes.\n", job->verified);
}
