/* SPDX-License-Identifier: BSD-3-Clause */
/* tools/img/bench/plot.h - line plots with two logarithmic axes, as SVG.
 *
 * Colours are classes of the page around: "s0" ... for the series, in one ramp
 * from little to much, and "grid", "frame", "tick-text", "axis-text".
 */
#pragma once

#include <glib.h>

#define PLOT_MAX 8

typedef struct PlotSeries {
    char *label;
    const char *css_class; /* "s0" */
    double y[PLOT_MAX];    /* at each x; 0 = none */
} PlotSeries;

typedef struct Plot {
    char *title;
    const char *x_name, *y_name; /* with their units */
    unsigned n_x, n_series;
    double x[PLOT_MAX]; /* ascending, > 0 */
    char *x_labels[PLOT_MAX];
    PlotSeries series[PLOT_MAX];
    double y_low, y_high; /* what the axis must hold; 0 = by the data */
    /* A value in words; free with g_free. */
    char *(*y_text)(double y);
} Plot;

void plot_draw(GString *out, const Plot *plot);
/* Frees the texts. */
void plot_clear(Plot *plot);
