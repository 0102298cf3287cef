/* SPDX-License-Identifier: BSD-3-Clause */
/* tools/img/bench/html-plots.c - which plots a report has, and their series.
 *
 * Concurrency: no state.
 */
#include "tools/img/bench/html-plots.h"

#include "tools/human.h"
#include "tools/img/bench/html-style.h"
#include "tools/img/bench/plot.h"

/* -- rates ---------------------------------------------------------------- */

static char *
count_text(double value)
{
    if (value >= 999500)
        return g_strdup_printf("%.3gM", value / 1e6);
    if (value >= 999.5)
        return g_strdup_printf("%.3gk", value / 1e3);
    return g_strdup_printf("%.3g", value);
}

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
        series->css_class = bench_ramp_colour(s, axis->n);
        series->label = kind->over_depth
                            ? human_size(axis->values[s])
                            : g_strdup_printf("depth %u", axis->values[s]);
        for (unsigned i = 0; i < plot->n_x; i++)
            series->y[i] = kind->value(kind->over_depth ? grid->cells[s][i]
                                                        : grid->cells[i][s]);
    }
}

void
bench_rate_plots_append(GString *out, const BenchGrid *grid)
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

/* -- latencies ------------------------------------------------------------ */

static void
latency_set_series(Plot *plot, const BenchGrid *grid, unsigned size)
{
    plot->n_series = LATENCY_PERCENTILES;
    for (unsigned i = 0; i < plot->n_x; i++) {
        g_autofree Latency *all = bench_result_latency(grid->cells[size][i]);
        for (unsigned p = 0; p < LATENCY_PERCENTILES; p++)
            plot->series[p].y[i] = (double) latency_percentile(
                all, latency_percentiles[p].percent);
    }
    for (unsigned p = 0; p < LATENCY_PERCENTILES; p++) {
        plot->series[p].css_class = bench_percentile_colours[p];
        plot->series[p].label = g_strdup(latency_percentiles[p].name);
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

void
latency_plots_append(GString *out, const BenchGrid *grid)
{
    Plot plots[BENCH_AXIS_MAX] = {0};

    for (unsigned s = 0; s < grid->sizes.n; s++) {
        g_autofree char *size = human_size(grid->sizes.values[s]);
        plots[s].title = g_strdup_printf("Latency, %s requests", size);
        plots[s].y_name = "time of a request (log)";
        plots[s].y_text = bench_html_time;
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
