/* SPDX-License-Identifier: BSD-3-Clause */
/* tools/img/bench/output.c - what bench says.
 *
 * The first and last of the human lines are qemu-img's to the letter; what is
 * ours stands in between and behind.
 *
 * Concurrency: no state.
 */
#include "tools/img/bench/output.h"

#include <inttypes.h>
#include <stdio.h>

#include "tools/human.h"
#include "tools/json.h"

#define NS_PER_SEC 1000000000.0

char *
bench_throughput_text(double bytes_per_second)
{
    g_autofree char *size = human_size((uint64_t) bytes_per_second);

    return g_strdup_printf("%s/s", size);
}

char *
bench_iops_text(double iops)
{
    return human_digits(iops);
}

/* -- lines ---------------------------------------------------------------- */

static void
how_many_print(const BenchPlan *plan)
{
    const char *kind = bench_plan_kind(plan);

    if (plan->count && plan->seconds > 0)
        printf("Sending %u %s requests in at most %g seconds", plan->count,
               kind, plan->seconds);
    else if (plan->seconds > 0)
        printf("Sending %s requests for %g seconds", kind, plan->seconds);
    else
        printf("Sending %u %s requests", plan->count, kind);
}

static void
plan_print_more(const BenchPlan *plan)
{
    if (plan->random)
        printf("Random order, seed %" PRIu64 "\n", plan->seed);
    if (plan->reads && plan->writes)
        printf("Reads and writes as %u to %u\n", plan->reads, plan->writes);
    if (plan->disks)
        printf("%u disks, a thread each\n", plan->threads);
    else if (plan->threads > 1)
        printf("%u threads, %s\n", plan->threads,
               bench_plan_writes(plan) ? "one handle" : "a handle each");
    if (plan->warmup > 0)
        printf("Warming up for %g seconds\n", plan->warmup);
}

void
bench_print_plan(const BenchPlan *plan, bool brief)
{
    how_many_print(plan);
    printf(", %" PRIu32 " bytes each, %" PRIu64
           " in parallel (starting at offset %" PRIu64 ", step size %" PRIu32
           ")\n",
           plan->buf_size, bench_plan_parallel(plan), plan->offset, plan->step);
    if (plan->flush_interval)
        printf("Sending flush every %u requests\n", plan->flush_interval);
    if (!brief)
        plan_print_more(plan);
    fflush(stdout); /* the run may take long */
}

static void
latency_print(const char *kind, const Latency *latency)
{
    if (latency->count == 0)
        return;
    g_autofree char *min = human_time((double) latency->min_ns);
    g_autofree char *mean = human_time(latency_mean(latency));
    printf("%s latency: min %s, avg %s", kind, min, mean);
    for (size_t i = 0; i < LATENCY_PERCENTILES; i++) {
        g_autofree char *text = human_time((double) latency_percentile(
            latency, latency_percentiles[i].percent));
        printf(", %s %s", latency_percentiles[i].name, text);
    }
    g_autofree char *max = human_time((double) latency->max_ns);
    printf(", max %s\n", max);
}

static void
cpu_print(const BenchResult *result)
{
    double ns = result->cpu_seconds * NS_PER_SEC;
    g_autofree char *all = human_time(ns);
    g_autofree char *each =
        human_time(ns / (double) MAX(result->requests, UINT64_C(1)));

    printf("processor time: %s, %s a request\n", all, each);
}

static void
figures_print(const BenchResult *result)
{
    g_autofree char *iops = bench_iops_text(bench_result_iops(result));
    g_autofree char *rate =
        bench_throughput_text(bench_result_throughput(result));

    printf("engine: %s\n", result->engine);
    printf("requests: %" PRIu64 " (%" PRIu64 " reads, %" PRIu64
           " writes, %" PRIu64 " flushes)\n",
           result->requests, result->read.count, result->write.count,
           result->flush.count);
    printf("IOPS: %s\n", iops);
    printf("throughput: %s\n", rate);
    cpu_print(result);
    latency_print("read", &result->read);
    latency_print("write", &result->write);
    latency_print("flush", &result->flush);
}

void
bench_print_result(const BenchResult *result, bool brief)
{
    if (result->interrupted)
        printf("Interrupted after %3.3f seconds.\n", result->seconds);
    else
        printf("Run completed in %3.3f seconds.\n", result->seconds);
    if (!brief)
        figures_print(result);
}

/* -- JSON ----------------------------------------------------------------- */

static void
add_double(GVariantBuilder *object, const char *key, double value)
{
    json_add(object, key, g_variant_new_double(value));
}

void
bench_json_add_target(GVariantBuilder *object, const BenchTarget *target,
                      const BenchResult *result)
{
    json_add_string(object, "filename", target->name);
    if (target->further)
        json_add(object, "further-disks",
                 json_strings((const char *const *) target->further->pdata,
                              (int) target->further->len));
    json_add_string(object, "format", result->format);
    json_add_uint(object, "virtual-size", result->size);
    json_add_string(object, "cache", target->cache_name);
    json_add_string(object, "engine", result->engine);
}

void
bench_json_add_plan(GVariantBuilder *object, const BenchPlan *plan)
{
    json_add_string(object, "kind", bench_plan_kind(plan));
    if (plan->reads && plan->writes) {
        json_add_uint(object, "read-share", plan->reads);
        json_add_uint(object, "write-share", plan->writes);
    }
    json_add_string(object, "order", plan->random ? "random" : "sequential");
    if (plan->random || (plan->reads && plan->writes))
        json_add_uint(object, "seed", plan->seed);
    json_add_uint(object, "offset", plan->offset);
    json_add_uint(object, "threads", plan->threads);
    if (plan->flush_interval) {
        json_add_uint(object, "flush-interval", plan->flush_interval);
        json_add_bool(object, "drain", !plan->no_drain);
    }
    if (plan->count)
        json_add_uint(object, "count", plan->count);
    if (plan->seconds > 0)
        add_double(object, "time", plan->seconds);
    if (plan->warmup > 0)
        add_double(object, "warmup", plan->warmup);
}

void
bench_json_add_shape(GVariantBuilder *object, const BenchPlan *plan)
{
    json_add_uint(object, "buffer-size", plan->buf_size);
    json_add_uint(object, "step-size", plan->step);
    json_add_uint(object, "depth", plan->depth);
}

static void
add_latency(GVariantBuilder *object, const char *key, const Latency *latency)
{
    g_auto(GVariantBuilder) inner = JSON_BUILDER_INIT;

    if (latency->count == 0)
        return;
    json_add_uint(&inner, "count", latency->count);
    json_add_uint(&inner, "min", latency->min_ns);
    json_add_uint(&inner, "avg", (uint64_t) latency_mean(latency));
    for (size_t i = 0; i < LATENCY_PERCENTILES; i++)
        json_add_uint(
            &inner, latency_percentiles[i].name,
            latency_percentile(latency, latency_percentiles[i].percent));
    json_add_uint(&inner, "max", latency->max_ns);
    json_add(object, key, g_variant_builder_end(&inner));
}

void
bench_json_add_figures(GVariantBuilder *object, const BenchResult *result)
{
    g_auto(GVariantBuilder) latencies = JSON_BUILDER_INIT;

    json_add_uint(object, "requests", result->requests);
    json_add_uint(object, "reads", result->read.count);
    json_add_uint(object, "writes", result->write.count);
    json_add_uint(object, "flushes", result->flush.count);
    json_add_uint(object, "bytes", result->bytes);
    add_double(object, "elapsed", result->seconds);
    add_double(object, "cpu-seconds", result->cpu_seconds);
    add_double(object, "iops", bench_result_iops(result));
    json_add_uint(object, "throughput",
                  (uint64_t) bench_result_throughput(result));
    add_latency(&latencies, "read", &result->read);
    add_latency(&latencies, "write", &result->write);
    add_latency(&latencies, "flush", &result->flush);
    json_add(object, "latency-ns", g_variant_builder_end(&latencies));
    if (result->interrupted)
        json_add_bool(object, "interrupted", true);
}
