/* SPDX-License-Identifier: BSD-3-Clause */
/* tools/img/bench-html.c - a page with facts, plots and a table.
 *
 * Depths and sizes are ordered, and so are percentiles: their lines have one
 * hue each, from light to dark.
 *
 * Concurrency: no state.
 */
#include "tools/img/bench-html.h"

#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>

#include "tools/human.h"
#include "tools/img/bench-output.h"
#include "tools/img/plot.h"
#include "tools/img/svg.h"

static const char page_css[] =
    ":root{color-scheme:light dark;--ground:#fff;--ink:#1b1f24;--soft:#59636e;"
    "--frame:#afb8c1;--grid:#e4e8ec;--card:#f6f8fa;--s0:#86b6ef;--s1:#5c9be6;"
    "--s2:#3a82d8;--s3:#2468bd;--s4:#174f98;--s5:#0e3a75;--s6:#082a57;"
    "--s7:#041b3b;--p0:#eda35e;--p1:#d9762b;--p2:#b04e0f;--p3:#6f2a03}\n"
    "@media(prefers-color-scheme:dark){:root{--ground:#0d1117;--ink:#e6edf3;"
    "--soft:#9198a1;--frame:#3d444d;--grid:#21262d;--card:#151b23;"
    "--s0:#3b6ea8;--s1:#4f86c6;--s2:#659ddd;--s3:#7fb2ee;--s4:#9bc6f8;"
    "--s5:#b8d8fd;--s6:#d3e8ff;--s7:#ecf5ff;--p0:#b5652a;--p1:#dd8544;"
    "--p2:#f5a96d;--p3:#ffd9b8}}\n"
    "body{margin:0 auto;padding:24px;max-width:1120px;background:var(--ground);"
    "color:var(--ink);font:15px/1.45 system-ui,sans-serif}\n"
    "h1{font-size:24px;margin:0 0 4px;overflow-wrap:anywhere}"
    "h2{font-size:18px;margin:32px 0 8px}p{margin:4px 0 12px;"
    "color:var(--soft)}\n"
    ".plots{display:grid;grid-template-columns:"
    "repeat(auto-fit,minmax(min(460px,100%),1fr));gap:16px}"
    ".plots svg{width:100%;height:auto;background:var(--card);"
    "border-radius:8px;padding:12px;box-sizing:border-box}\n"
    "dl{display:grid;grid-template-columns:max-content 1fr;gap:2px 16px;"
    "margin:12px 0}dt{color:var(--soft)}dd{margin:0;overflow-wrap:anywhere}\n"
    ".scroll{overflow-x:auto}table{border-collapse:collapse;width:100%;"
    "font-variant-numeric:tabular-nums}th,td{padding:4px 10px;text-align:right;"
    "border-bottom:1px solid var(--grid);white-space:nowrap}th{"
    "color:var(--soft);font-weight:600}\n"
    "svg text{fill:var(--ink);font:12px system-ui,sans-serif}"
    "svg .plot-title{font-size:15px;font-weight:600}"
    "svg .tick-text,svg .axis-text{fill:var(--soft)}"
    ".end{text-anchor:end}.middle{text-anchor:middle}\n"
    ".frame{fill:none;stroke:var(--frame)}.grid{stroke:var(--grid)}"
    ".line{fill:none;stroke-width:2.2;stroke-linejoin:round}\n"
    ".s0{stroke:var(--s0)}.s1{stroke:var(--s1)}.s2{stroke:var(--s2)}"
    ".s3{stroke:var(--s3)}.s4{stroke:var(--s4)}.s5{stroke:var(--s5)}"
    ".s6{stroke:var(--s6)}.s7{stroke:var(--s7)}.p0{stroke:var(--p0)}"
    ".p1{stroke:var(--p1)}.p2{stroke:var(--p2)}.p3{stroke:var(--p3)}"
    ".dot{fill:var(--card);stroke-width:2}\n";

static const char *const ramp[BENCH_AXIS_MAX] = {"s0", "s1", "s2", "s3",
                                                 "s4", "s5", "s6", "s7"};
static const char *const percentile_ramp[BENCH_PERCENTILES] = {"p0", "p1", "p2",
                                                               "p3"};

/* Line @i of @n, spread over the whole ramp. */
static const char *
ramp_colour(unsigned i, unsigned n)
{
    return ramp[n > 1 ? i * (BENCH_AXIS_MAX - 1) / (n - 1)
                      : BENCH_AXIS_MAX / 2];
}

/* -- values in words ------------------------------------------------------ */

static char *
count_text(double value)
{
    if (value >= 999500)
        return g_strdup_printf("%.3gM", value / 1e6);
    if (value >= 999.5)
        return g_strdup_printf("%.3gk", value / 1e3);
    return g_strdup_printf("%.3g", value);
}

static char *
time_text(double ns)
{
    static const char *const units[] = {"ns", "\xc2\xb5s", "ms", "s"};
    size_t unit = 0;

    for (; ns >= 999.5 && unit + 1 < G_N_ELEMENTS(units); unit++)
        ns /= 1000;
    return g_strdup_printf("%.3g %s", ns, units[unit]);
}

/* -- plots ---------------------------------------------------------------- */

static double
cell_rate(const BenchResult *cell)
{
    return bench_result_throughput(cell) / (1 << 20);
}

/* One line for each depth, over sizes; or the other way round. */
typedef struct PlotKind {
    const char *title, *y_name;
    double (*value)(const BenchResult *cell);
    bool over_depth;
} PlotKind;

static const PlotKind plot_kinds[] = {
    {"Throughput over block size", "MiB/s (log)", cell_rate, false},
    {"IOPS over block size", "requests per second (log)", bench_result_iops,
     false},
    {"Throughput over depth", "MiB/s (log)", cell_rate, true},
    {"IOPS over depth", "requests per second (log)", bench_result_iops, true},
};

static void
plot_set_x(Plot *plot, const BenchGrid *grid, bool depth)
{
    const BenchAxis *axis = depth ? &grid->depths : &grid->sizes;

    plot->x_name = depth ? "requests in parallel (log)" : "block size (log)";
    plot->n_x = axis->n;
    for (unsigned i = 0; i < axis->n; i++) {
        plot->x[i] = axis->values[i];
        plot->x_labels[i] = depth ? g_strdup_printf("%u", axis->values[i])
                                  : human_size(axis->values[i]);
    }
}

static void
plot_set_series(Plot *plot, const BenchGrid *grid, const PlotKind *kind)
{
    const BenchAxis *axis = kind->over_depth ? &grid->sizes : &grid->depths;

    plot->n_series = axis->n;
    for (unsigned s = 0; s < axis->n; s++) {
        PlotSeries *series = &plot->series[s];
        series->css_class = ramp_colour(s, axis->n);
        series->label = kind->over_depth
                            ? human_size(axis->values[s])
                            : g_strdup_printf("depth %u", axis->values[s]);
        for (unsigned i = 0; i < plot->n_x; i++)
            series->y[i] = kind->value(kind->over_depth ? grid->cells[s][i]
                                                        : grid->cells[i][s]);
    }
}

static void
rate_plots_append(GString *out, const BenchGrid *grid)
{
    g_string_append(out, "<div class=\"plots\">\n");
    for (size_t k = 0; k < G_N_ELEMENTS(plot_kinds); k++) {
        Plot plot = {.title = g_strdup(plot_kinds[k].title),
                     .y_name = plot_kinds[k].y_name,
                     .y_text = count_text};
        plot_set_x(&plot, grid, plot_kinds[k].over_depth);
        plot_set_series(&plot, grid, &plot_kinds[k]);
        plot_draw(out, &plot);
        plot_clear(&plot);
    }
    g_string_append(out, "</div>\n");
}

static void
latency_set_series(Plot *plot, const BenchGrid *grid, unsigned size)
{
    plot->n_series = BENCH_PERCENTILES;
    for (unsigned i = 0; i < plot->n_x; i++) {
        g_autofree BenchLatency *all =
            bench_result_latency(grid->cells[size][i]);
        for (unsigned p = 0; p < BENCH_PERCENTILES; p++)
            plot->series[p].y[i] = (double) bench_latency_percentile(
                all, bench_percentiles[p].percent);
    }
    for (unsigned p = 0; p < BENCH_PERCENTILES; p++) {
        plot->series[p].css_class = percentile_ramp[p];
        plot->series[p].label = g_strdup(bench_percentiles[p].name);
    }
}

/* Plots that are read side by side have one scale. */
static void
latency_set_range(Plot *plots, unsigned n)
{
    double low = 0, high = 0;

    for (unsigned k = 0; k < n; k++) {
        for (unsigned p = 0; p < plots[k].n_series; p++) {
            for (unsigned i = 0; i < plots[k].n_x; i++) {
                double y = plots[k].series[p].y[i];
                high = MAX(high, y);
                if (y > 0 && (low <= 0 || y < low))
                    low = y;
            }
        }
    }
    for (unsigned k = 0; k < n; k++) {
        plots[k].y_low = low;
        plots[k].y_high = high;
    }
}

static void
latency_plots_append(GString *out, const BenchGrid *grid)
{
    Plot plots[BENCH_AXIS_MAX] = {0};

    for (unsigned s = 0; s < grid->sizes.n; s++) {
        g_autofree char *size = human_size(grid->sizes.values[s]);
        plots[s].title = g_strdup_printf("Latency, %s requests", size);
        plots[s].y_name = "time of a request (log)";
        plots[s].y_text = time_text;
        plot_set_x(&plots[s], grid, true);
        latency_set_series(&plots[s], grid, s);
    }
    latency_set_range(plots, grid->sizes.n);
    g_string_append(out, "<div class=\"plots\">\n");
    for (unsigned s = 0; s < grid->sizes.n; s++) {
        plot_draw(out, &plots[s]);
        plot_clear(&plots[s]);
    }
    g_string_append(out, "</div>\n");
}

/* -- text ----------------------------------------------------------------- */

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
    g_autofree BenchLatency *all = bench_result_latency(cell);
    g_autofree char *size = human_size(grid->sizes.values[s]);
    g_autofree char *iops = bench_iops_text(bench_result_iops(cell));
    g_autofree char *rate =
        bench_throughput_text(bench_result_throughput(cell));
    g_autofree char *mean = time_text(bench_latency_mean(all));
    g_autofree char *max = time_text((double) all->max_ns);

    g_string_append_printf(out, "<tr><td>%s</td><td>%u</td>", size,
                           grid->depths.values[d]);
    g_string_append_printf(out, "<td>%" G_GUINT64_FORMAT "</td>",
                           cell->requests);
    cell_append(out, iops);
    cell_append(out, rate);
    cell_append(out, mean);
    for (size_t p = 0; p < BENCH_PERCENTILES; p++) {
        g_autofree char *text = time_text((double) bench_latency_percentile(
            all, bench_percentiles[p].percent));
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
    for (size_t p = 0; p < BENCH_PERCENTILES; p++)
        g_string_append_printf(out, "<th>%s</th>", bench_percentiles[p].name);
    g_string_append(out, "<th>max</th></tr></thead>\n<tbody>\n");
    for (unsigned s = 0; s < grid->sizes.n; s++)
        for (unsigned d = 0; d < grid->depths.n; d++)
            row_append(out, grid, s, d);
    g_string_append(out, "</tbody></table></div>\n");
}

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
                           page_css);
    svg_append_text(out, title);
    g_string_append(out, "</h1>\n");
    facts_append(out, report);
    g_string_append(out, "<h2>Throughput and IOPS</h2>\n");
    rate_plots_append(out, report->grid);
    g_string_append(out, "<h2>Latency</h2>\n<p>How long requests took, by "
                         "percentile: of a hundred requests 99 took no longer "
                         "than p99. All plots have one scale.</p>\n");
    latency_plots_append(out, report->grid);
    table_append(out, report->grid);
    g_string_append(out, "</body>\n</html>\n");
    return out;
}
