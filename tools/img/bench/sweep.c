/* SPDX-License-Identifier: BSD-3-Clause */
/* tools/img/bench/sweep.c - cell by cell, with a line for each; then the page.
 *
 * Concurrency: main thread only.
 */
#include "tools/img/bench/sweep.h"

#include <inttypes.h>
#include <stdio.h>

#include "tools/human.h"
#include "tools/img/bench/html.h"
#include "tools/img/bench/output.h"
#include "tools/img/svg.h"
#include "tools/json.h"
#include "tools/output.h"
#include "tools/signals.h"

static void
cell_print(const BenchPlan *plan, const BenchResult *result)
{
    g_autofree Latency *all = bench_result_latency(result);
    g_autofree char *size = human_size(plan->buf_size);
    g_autofree char *iops = bench_iops_text(bench_result_iops(result));
    g_autofree char *rate =
        bench_throughput_text(bench_result_throughput(result));
    g_autofree char *p50 = human_time((double) latency_percentile(all, 50));
    g_autofree char *p99 = human_time((double) latency_percentile(all, 99));

    printf("%s, depth %u: %s IOPS, %s, p50 %s, p99 %s\n", size, plan->depth,
           iops, rate, p50, p99);
    fflush(stdout);
}

/* False if there is to be no other. */
static bool
cell_run(const BenchTarget *target, const BenchPlan *plan, BenchResult **cell)
{
    BenchResult *result = bench_run(target, plan, NULL, NULL);

    if (!result)
        return false;
    if (result->interrupted) {
        bench_leave_if_abandoned(result);
        bench_result_free(result);
        return false;
    }
    *cell = result;
    if (!target->common.json)
        cell_print(plan, result);
    return true;
}

static bool
grid_run(const BenchTarget *target, const BenchPlan *plan, BenchGrid *grid)
{
    BenchPlan cell = *plan;

    if (!target->common.json)
        printf("Sending %s requests of %u sizes and %u depths\n",
               bench_plan_kind(plan), grid->sizes.n, grid->depths.n);
    fflush(stdout);
    for (unsigned s = 0; s < grid->sizes.n; s++) {
        for (unsigned d = 0; d < grid->depths.n; d++) {
            cell.buf_size = grid->sizes.values[s];
            cell.step = cell.buf_size;
            cell.depth = grid->depths.values[d];
            if (!cell_run(target, &cell, &grid->cells[s][d]))
                return false;
        }
    }
    return true;
}

static void
grid_clear(BenchGrid *grid)
{
    for (unsigned s = 0; s < grid->sizes.n; s++)
        for (unsigned d = 0; d < grid->depths.n; d++)
            g_clear_pointer(&grid->cells[s][d], bench_result_free);
}

static GVariant *
cells_json(const BenchGrid *grid)
{
    g_auto(GVariantBuilder) list =
        G_VARIANT_BUILDER_INIT(G_VARIANT_TYPE("aa{sv}"));

    for (unsigned s = 0; s < grid->sizes.n; s++) {
        for (unsigned d = 0; d < grid->depths.n; d++) {
            g_auto(GVariantBuilder) cell = JSON_BUILDER_INIT;
            json_add_uint(&cell, "buffer-size", grid->sizes.values[s]);
            json_add_uint(&cell, "depth", grid->depths.values[d]);
            bench_json_add_figures(&cell, grid->cells[s][d]);
            g_variant_builder_add_value(&list, g_variant_builder_end(&cell));
        }
    }
    return g_variant_builder_end(&list);
}

static void
sweep_print_json(const BenchTarget *target, const BenchPlan *plan,
                 const BenchGrid *grid, const char *path)
{
    g_auto(GVariantBuilder) object = JSON_BUILDER_INIT;

    bench_json_add_target(&object, target, grid->cells[0][0]);
    bench_json_add_plan(&object, plan);
    json_add_string(&object, "report", path);
    json_add(&object, "cells", cells_json(grid));
    json_print(g_variant_builder_end(&object), JSON_AS_GIVEN);
}

static bool
report_write(const BenchReport *report, const char *path)
{
    GString *page = bench_html(report);
    bool ok = svg_file_write(path, page);

    g_string_free(page, TRUE);
    return ok;
}

int
bench_sweep(const BenchTarget *target, const BenchPlan *plan, BenchGrid *grid,
            const char *path, const char *command_line)
{
    BenchReport report = {.target = target,
                          .plan = plan,
                          .grid = grid,
                          .command_line = command_line};
    bool ok = svg_file_check(path) && grid_run(target, plan, grid) &&
              report_write(&report, path);

    if (ok && target->common.json)
        sweep_print_json(target, plan, grid, path);
    else if (ok)
        printf("Report written to %s\n", path);
    grid_clear(grid);
    return ok ? 0 : 1;
}
