/* SPDX-License-Identifier: BSD-3-Clause */
/* tools/img/bench/plot.c - axes, grid, lines, legend.
 *
 * Both axes are logarithmic: sizes and depths are chosen by factors, and what
 * is measured over them spans several powers of ten.
 *
 * Concurrency: no state.
 */
#include "tools/img/bench/plot.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "tools/img/svg.h"

#define PLOT_WIDTH 520.0
#define PLOT_HEIGHT 340.0
#define PLOT_LEFT 76.0
#define PLOT_RIGHT 16.0
#define PLOT_TOP 64.0
#define PLOT_BOTTOM 52.0
#define PLOT_INNER_WIDTH (PLOT_WIDTH - PLOT_LEFT - PLOT_RIGHT)
#define PLOT_INNER_HEIGHT (PLOT_HEIGHT - PLOT_TOP - PLOT_BOTTOM)
#define LEGEND_CHAR 6.6

typedef struct Axes {
    const Plot *plot;
    double low, high; /* logarithms of y */
} Axes;

static void
range_take(double *low, double *high, double value)
{
    if (value <= 0)
        return;
    if (*low <= 0 || value < *low)
        *low = value;
    if (value > *high)
        *high = value;
}

/* A little more than the data, so that no point lies on the frame. */
static Axes
axes_new(const Plot *plot)
{
    double low = plot->y_low, high = plot->y_high;

    for (unsigned s = 0; s < plot->n_series; s++)
        for (unsigned i = 0; i < plot->n_x; i++)
            range_take(&low, &high, plot->series[s].y[i]);
    if (low <= 0)
        low = high = 1;
    /* At least a factor of four, or there might be no label. */
    double room = MAX(0.06, (log10(4) - log10(high / low)) / 2);
    return (Axes){plot, log10(low) - room, log10(high) + room};
}

static double
x_at(const Axes *axes, unsigned i)
{
    const Plot *plot = axes->plot;
    double span = log(plot->x[plot->n_x - 1] / plot->x[0]);
    double share = plot->n_x > 1 ? log(plot->x[i] / plot->x[0]) / span : 0.5;

    return PLOT_LEFT + 14 + share * (PLOT_INNER_WIDTH - 28);
}

static double
y_at(const Axes *axes, double value)
{
    double share = (log10(value) - axes->low) / (axes->high - axes->low);

    return PLOT_HEIGHT - PLOT_BOTTOM - share * PLOT_INNER_HEIGHT;
}

static void
y_tick_draw(GString *out, const Axes *axes, double value)
{
    double y = y_at(axes, value);
    g_autofree char *text = axes->plot->y_text(value);

    svg_line(out, "grid", PLOT_LEFT, y, PLOT_WIDTH - PLOT_RIGHT, y);
    svg_text(out, "tick-text end", PLOT_LEFT - 8, y + 4, text);
}

/* 1 2 5 10 20 50 ... where few powers of ten are seen, else those only. */
static void
y_axis_draw(GString *out, const Axes *axes)
{
    static const double steps[] = {1, 2, 5};
    bool fine = axes->high - axes->low < 2.2;

    for (int power = (int) floor(axes->low); power <= (int) axes->high + 1;
         power++) {
        for (size_t i = 0; i < (fine ? G_N_ELEMENTS(steps) : 1); i++) {
            double value = steps[i] * pow(10, power);
            if (log10(value) > axes->low && log10(value) < axes->high)
                y_tick_draw(out, axes, value);
        }
    }
}

static void
x_axis_draw(GString *out, const Axes *axes)
{
    double bottom = PLOT_HEIGHT - PLOT_BOTTOM;

    for (unsigned i = 0; i < axes->plot->n_x; i++) {
        double x = x_at(axes, i);
        svg_line(out, "grid", x, PLOT_TOP, x, bottom);
        svg_text(out, "tick-text middle", x, bottom + 18,
                 axes->plot->x_labels[i]);
    }
    svg_text(out, "axis-text middle", PLOT_LEFT + PLOT_INNER_WIDTH / 2,
             bottom + 40, axes->plot->x_name);
    svg_text(out, "axis-text", 4, PLOT_TOP - 10, axes->plot->y_name);
    svg_rect(out, "frame", PLOT_LEFT, PLOT_TOP, PLOT_INNER_WIDTH,
             PLOT_INNER_HEIGHT, NULL);
}

static void
point_draw(GString *out, const Axes *axes, const PlotSeries *series, unsigned i)
{
    g_autofree char *value = axes->plot->y_text(series->y[i]);
    g_autofree char *title = g_strdup_printf(
        "%s, %s: %s", axes->plot->x_labels[i], series->label, value);
    g_autofree char *css = g_strdup_printf("dot %s", series->css_class);

    svg_circle(out, css, x_at(axes, i), y_at(axes, series->y[i]), 3.5, title);
}

static void
series_draw(GString *out, const Axes *axes, const PlotSeries *series)
{
    g_autofree char *css = g_strdup_printf("line %s", series->css_class);
    bool first = true;

    svg_path_begin(out, css);
    for (unsigned i = 0; i < axes->plot->n_x; i++) {
        if (series->y[i] <= 0)
            continue;
        svg_path_point(out, first, x_at(axes, i), y_at(axes, series->y[i]));
        first = false;
    }
    svg_path_end(out);
    for (unsigned i = 0; i < axes->plot->n_x; i++)
        if (series->y[i] > 0)
            point_draw(out, axes, series, i);
}

static void
legend_draw(GString *out, const Plot *plot)
{
    double x = PLOT_LEFT;

    for (unsigned s = 0; s < plot->n_series; s++) {
        const PlotSeries *series = &plot->series[s];
        g_autofree char *css = g_strdup_printf("line %s", series->css_class);
        svg_line(out, css, x, 34, x + 14, 34);
        svg_text(out, "tick-text", x + 18, 38, series->label);
        x += 30 + LEGEND_CHAR * (double) strlen(series->label);
    }
}

void
plot_draw(GString *out, const Plot *plot)
{
    Axes axes = axes_new(plot);

    svg_begin(out, PLOT_WIDTH, PLOT_HEIGHT, plot->title, NULL);
    svg_text(out, "plot-title", 4, 16, plot->title);
    legend_draw(out, plot);
    y_axis_draw(out, &axes);
    x_axis_draw(out, &axes);
    for (unsigned s = 0; s < plot->n_series; s++)
        series_draw(out, &axes, &plot->series[s]);
    svg_end(out);
}

void
plot_clear(Plot *plot)
{
    g_clear_pointer(&plot->title, g_free);
    for (unsigned i = 0; i < plot->n_x; i++)
        g_clear_pointer(&plot->x_labels[i], g_free);
    for (unsigned s = 0; s < plot->n_series; s++)
        g_clear_pointer(&plot->series[s].label, g_free);
}
