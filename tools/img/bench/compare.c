/* SPDX-License-Identifier: BSD-3-Clause */
/* tools/img/bench/compare.c - medians of alternating runs.
 *
 * Alternation, so that what changes with time (other load, clock rates, caches)
 * strikes both; medians, so that one odd round does not.
 *
 * Concurrency: main thread only.
 */
#include "tools/img/bench/compare.h"

#include <stdio.h>
#include <stdlib.h>

#include "tools/human.h"
#include "tools/img/bench/output.h"
#include "tools/json.h"

typedef enum Figure { FIG_IOPS, FIG_RATE, FIG_P50, FIG_P99, FIGURES } Figure;

static const char *const figure_names[FIGURES] = {"iops", "throughput", "p50",
                                                  "p99"};

typedef struct Side {
    const BenchTarget *target;
    GPtrArray *results; /* of BenchResult, a round each */
    double medians[FIGURES];
} Side;

static double
figure_of(const BenchResult *result, Figure figure)
{
    g_autofree Latency *all = NULL;

    if (figure == FIG_IOPS)
        return bench_result_iops(result);
    if (figure == FIG_RATE)
        return bench_result_throughput(result);
    all = bench_result_latency(result);
    return (double) latency_percentile(all, figure == FIG_P50 ? 50 : 99);
}

static int
double_compare(const void *a, const void *b)
{
    double x = *(const double *) a, y = *(const double *) b;

    return (x > y) - (x < y);
}

static double
median_of(const GPtrArray *results, unsigned rounds, Figure figure)
{
    g_autofree double *values = g_new0(double, rounds);

    for (unsigned i = 0; i < rounds; i++)
        values[i] = figure_of(results->pdata[i], figure);
    qsort(values, rounds, sizeof(*values), double_compare);
    return (values[(rounds - 1) / 2] + values[rounds / 2]) / 2;
}

static double
ratio_of(const Side sides[2], Figure figure)
{
    double below = sides[0].medians[figure];

    return below > 0 ? sides[1].medians[figure] / below : 0;
}

static void
round_print(const Side sides[2], unsigned i)
{
    printf("round %u:", i + 1);
    for (int s = 0; s < 2; s++) {
        const BenchResult *result = sides[s].results->pdata[i];
        g_autofree char *iops = bench_iops_text(bench_result_iops(result));
        g_autofree char *rate =
            bench_throughput_text(bench_result_throughput(result));
        printf("%s %c %s IOPS, %s", s ? ";" : "", 'A' + s, iops, rate);
    }
    putchar('\n');
    fflush(stdout);
}

static void
medians_print(const Side sides[2])
{
    for (int s = 0; s < 2; s++) {
        const double *m = sides[s].medians;
        g_autofree char *iops = bench_iops_text(m[FIG_IOPS]);
        g_autofree char *rate = bench_throughput_text(m[FIG_RATE]);
        g_autofree char *p50 = human_time(m[FIG_P50]);
        g_autofree char *p99 = human_time(m[FIG_P99]);
        printf("median %c: %s IOPS, %s, p50 %s, p99 %s\n", 'A' + s, iops, rate,
               p50, p99);
    }
    printf("ratio B/A: %.3f IOPS, %.3f p50, %.3f p99\n",
           ratio_of(sides, FIG_IOPS), ratio_of(sides, FIG_P50),
           ratio_of(sides, FIG_P99));
}

static void
sides_print(const Side sides[2])
{
    for (int s = 0; s < 2; s++) {
        const BenchResult *result = sides[s].results->pdata[0];
        printf("%c: %s (%s, engine %s, cache %s)\n", 'A' + s,
               sides[s].target->name, result->format, result->engine,
               sides[s].target->cache_name);
    }
}

static GVariant *
side_json(const Side *side, unsigned rounds)
{
    g_auto(GVariantBuilder) object = JSON_BUILDER_INIT;
    g_auto(GVariantBuilder) median = JSON_BUILDER_INIT;
    g_auto(GVariantBuilder) list =
        G_VARIANT_BUILDER_INIT(G_VARIANT_TYPE("aa{sv}"));

    bench_json_add_target(&object, side->target, side->results->pdata[0]);
    for (unsigned i = 0; i < rounds; i++) {
        g_auto(GVariantBuilder) one = JSON_BUILDER_INIT;
        bench_json_add_figures(&one, side->results->pdata[i]);
        g_variant_builder_add_value(&list, g_variant_builder_end(&one));
    }
    json_add(&object, "rounds", g_variant_builder_end(&list));
    for (int f = 0; f < FIGURES; f++)
        json_add(&median, figure_names[f],
                 g_variant_new_double(side->medians[f]));
    json_add(&object, "median", g_variant_builder_end(&median));
    return g_variant_builder_end(&object);
}

static void
compare_print_json(const Side sides[2], const BenchPlan *plan, unsigned rounds)
{
    g_auto(GVariantBuilder) object = JSON_BUILDER_INIT;
    g_auto(GVariantBuilder) ratio = JSON_BUILDER_INIT;

    bench_json_add_plan(&object, plan);
    bench_json_add_shape(&object, plan);
    json_add(&object, "a", side_json(&sides[0], rounds));
    json_add(&object, "b", side_json(&sides[1], rounds));
    for (int f = 0; f < FIGURES; f++)
        json_add(&ratio, figure_names[f],
                 g_variant_new_double(ratio_of(sides, (Figure) f)));
    json_add(&object, "ratio", g_variant_builder_end(&ratio));
    json_print(g_variant_builder_end(&object), JSON_AS_GIVEN);
}

static void
compare_sum_up(Side sides[2], const BenchPlan *plan, unsigned rounds, bool json)
{
    for (int s = 0; s < 2; s++)
        for (int f = 0; f < FIGURES; f++)
            sides[s].medians[f] =
                median_of(sides[s].results, rounds, (Figure) f);
    if (json) {
        compare_print_json(sides, plan, rounds);
        return;
    }
    sides_print(sides);
    medians_print(sides);
}

/* One round; false if there is to be no other. */
static bool
round_run(Side sides[2], const BenchPlan *plan, bool *failed)
{
    for (int s = 0; s < 2; s++) {
        BenchResult *result = bench_run(sides[s].target, plan, NULL, NULL);
        *failed = !result;
        if (!result)
            return false;
        g_ptr_array_add(sides[s].results, result);
        if (result->interrupted)
            bench_leave_if_abandoned(result);
        if (result->interrupted)
            return false;
    }
    return true;
}

int
bench_compare(const BenchTarget targets[2], const BenchPlan *plan,
              unsigned rounds)
{
    Side sides[2] = {{.target = &targets[0]}, {.target = &targets[1]}};
    bool json = targets[0].common.json;
    bool failed = false;
    unsigned done = 0;

    for (int s = 0; s < 2; s++)
        sides[s].results =
            g_ptr_array_new_with_free_func((GDestroyNotify) bench_result_free);
    if (!json)
        bench_print_plan(plan, false);
    while (done < rounds && round_run(sides, plan, &failed)) {
        if (!json)
            round_print(sides, done);
        done++;
    }
    if (done > 0 && !failed)
        compare_sum_up(sides, plan, done, json);
    for (int s = 0; s < 2; s++)
        g_ptr_array_unref(sides[s].results);
    return done == rounds ? 0 : 1;
}
