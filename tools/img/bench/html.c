/* SPDX-License-Identifier: BSD-3-Clause */
/* tools/img/bench/html.c - a page with facts, plots and a table.
 *
 * Concurrency: no state.
 */
#include "tools/img/bench/html.h"

#include <string.h>
#include <sys/utsname.h>

#include "tools/human.h"
#include "tools/img/bench/html-plots.h"
#include "tools/img/bench/html-style.h"
#include "tools/img/bench/output.h"
#include "tools/img/svg.h"

/* -- table----------------------------------------------------------------- */

static void
cell_append(GString *out, const char *text)
{
    g_string_append(out, "<td>");
    svg_append_text(out, text);
    g_string_append(out, "</td>");
}

static void
row_append(GString *out, const BenchGrid *grid, unsigned s, unsigned d)
{
    const BenchResult *cell = grid->cells[s][d];
    g_autofree Latency *all = bench_result_latency(cell);
    g_autofree char *size = human_size(grid->sizes.values[s]);
    g_autofree char *iops = bench_iops_text(bench_result_iops(cell));
    g_autofree char *rate =
        bench_throughput_text(bench_result_throughput(cell));
    g_autofree char *mean = bench_html_time(latency_mean(all));
    g_autofree char *max = bench_html_time((double) all->max_ns);

    g_string_append_printf(out, "<tr><td>%s</td><td>%u</td>", size,
                           grid->depths.values[d]);
    g_string_append_printf(out, "<td>%" G_GUINT64_FORMAT "</td>",
                           cell->requests);
    cell_append(out, iops);
    cell_append(out, rate);
    cell_append(out, mean);
    for (size_t p = 0; p < LATENCY_PERCENTILES; p++) {
        g_autofree char *text = bench_html_time(
            (double) latency_percentile(all, latency_percentiles[p].percent));
        cell_append(out, text);
    }
    cell_append(out, max);
    g_string_append(out, "</tr>\n");
}

static void
table_append(GString *out, const BenchGrid *grid)
{
    g_string_append(out, "<h2>All figures</h2>\n<div class=\"scroll\"><table>\n"
                         "<thead><tr><th>block size</th><th>depth</th>"
                         "<th>requests</th><th>IOPS</th><th>throughput</th>"
                         "<th>average</th>");
    for (size_t p = 0; p < LATENCY_PERCENTILES; p++)
        g_string_append_printf(out, "<th>%s</th>", latency_percentiles[p].name);
    g_string_append(out, "<th>max</th></tr></thead>\n<tbody>\n");
    for (unsigned s = 0; s < grid->sizes.n; s++)
        for (unsigned d = 0; d < grid->depths.n; d++)
            row_append(out, grid, s, d);
    g_string_append(out, "</tbody></table></div>\n");
}

/* -- facts ---------------------------------------------------------------- */

static void
fact_append(GString *out, const char *name, const char *value)
{
    g_string_append_printf(out, "<dt>%s</dt><dd>", name);
    svg_append_text(out, value);
    g_string_append(out, "</dd>\n");
}

/* As /proc/cpuinfo calls the first one. */
static char *
cpu_model(void)
{
    g_autofree char *text = NULL;
    const char *line;

    if (!g_file_get_contents("/proc/cpuinfo", &text, NULL, NULL) ||
        !(line = strstr(text, "model name")) || !(line = strchr(line, ':')))
        return g_strdup("unknown");
    line += strspn(line, ": \t");
    return g_strndup(line, strcspn(line, "\n"));
}

static char *
what_was_done(const BenchPlan *plan)
{
    GString *text = g_string_new(NULL);

    g_string_append_printf(text, "%s, %s order", bench_plan_kind(plan),
                           plan->random ? "random" : "sequential");
    if (plan->random)
        g_string_append_printf(text, " (seed %" G_GUINT64_FORMAT ")",
                               plan->seed);
    if (plan->reads && plan->writes)
        g_string_append_printf(text, ", reads to writes %u:%u", plan->reads,
                               plan->writes);
    g_string_append_printf(text, ", %u thread%s", plan->threads,
                           plan->threads == 1 ? "" : "s");
    if (plan->seconds > 0)
        g_string_append_printf(text, ", %g s for each point", plan->seconds);
    if (plan->count)
        g_string_append_printf(text, ", %s%u requests for each point",
                               plan->seconds > 0 ? "at most " : "",
                               plan->count);
    return g_string_free(text, FALSE);
}

static void
machine_facts_append(GString *out)
{
    struct utsname system = {0};
    g_autofree char *model = cpu_model();
    g_autofree char *cpu =
        g_strdup_printf("%s, %u CPUs", model, g_get_num_processors());

    (void) uname(&system); /* cannot fail; else empty */
    g_autofree char *kernel = g_strdup_printf("%s %s (%s)", system.sysname,
                                              system.release, system.machine);
    fact_append(out, "Processor", cpu);
    fact_append(out, "Kernel", kernel);
}

static void
facts_append(GString *out, const BenchReport *report)
{
    const BenchResult *cell = report->grid->cells[0][0];
    g_autoptr(GDateTime) now = g_date_time_new_now_local();
    g_autofree char *date = g_date_time_format(now, "%Y-%m-%d %H:%M:%S %z");
    g_autofree char *size = human_size(cell->size);
    g_autofree char *image =
        g_strdup_printf("%s, %s, %s", report->target->name, cell->format, size);
    g_autofree char *done = what_was_done(report->plan);
    g_autofree char *access = g_strdup_printf(
        "engine %s, cache mode %s", cell->engine, report->target->cache_name);

    g_string_append(out, "<dl>\n");
    fact_append(out, "Image", image);
    fact_append(out, "Requests", done);
    fact_append(out, "Access", access);
    machine_facts_append(out);
    fact_append(out, "libvdisk", vd_version());
    fact_append(out, "Date", date);
    fact_append(out, "Command", report->command_line);
    g_string_append(out, "</dl>\n");
}

/* -- page ----------------------------------------------------------------- */

GString *
bench_html(const BenchReport *report)
{
    GString *out = g_string_new("<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n"
                                "<meta charset=\"utf-8\"/>\n<title>");
    g_autofree char *title =
        g_strdup_printf("Benchmark of %s", report->target->name);

    svg_append_text(out, title);
    g_string_append_printf(out,
                           "</title>\n<meta name=\"viewport\" "
                           "content=\"width=device-width,initial-scale=1\"/>\n"
                           "<style>\n%s</style>\n</head>\n<body>\n<h1>",
                           bench_html_css);
    svg_append_text(out, title);
    g_string_append(out, "</h1>\n");
    facts_append(out, report);
    g_string_append(out, "<h2>Throughput and IOPS</h2>\n");
    bench_rate_plots_append(out, report->grid);
    g_string_append(out, "<h2>Latency</h2>\n<p>How long requests took, by "
                         "percentile: of a hundred requests 99 took no longer "
                         "than p99. All plots have one scale.</p>\n");
    latency_plots_append(out, report->grid);
    table_append(out, report->grid);
    g_string_append(out, "</body>\n</html>\n");
    return out;
}
