/* SPDX-License-Identifier: BSD-3-Clause */
/* tools/img/bench/html-style.c - style sheet of the report, names of colours.
 *
 * Depths and sizes are ordered, and so are percentiles: their lines have one
 * hue each, from light to dark.
 *
 * Concurrency: no state.
 */
#include "tools/img/bench/html-style.h"

const char bench_html_css[] =
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

const char *const bench_percentile_colours[LATENCY_PERCENTILES] = {"p0", "p1",
                                                                   "p2", "p3"};

const char *
bench_ramp_colour(unsigned i, unsigned n)
{
    static const char *const ramp[BENCH_AXIS_MAX] = {"s0", "s1", "s2", "s3",
                                                     "s4", "s5", "s6", "s7"};

    return ramp[n > 1 ? i * (BENCH_AXIS_MAX - 1) / (n - 1)
                      : BENCH_AXIS_MAX / 2];
}

char *
bench_html_time(double ns)
{
    static const char *const units[] = {"ns", "\xc2\xb5s", "ms", "s"};
    size_t unit = 0;

    for (; ns >= 999.5 && unit + 1 < G_N_ELEMENTS(units); unit++)
        ns /= 1000;
    return g_strdup_printf("%.3g %s", ns, units[unit]);
}
