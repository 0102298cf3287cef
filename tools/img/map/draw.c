/* SPDX-License-Identifier: BSD-3-Clause */
/* tools/img/map/draw.c - a chain as strips, one for each link.
 *
 * A column of a strip shows in its height which share of its bytes is of which
 * kind.
 *
 * Concurrency: no state.
 */
#include "tools/img/map/draw.h"

#include <string.h>

#include "tools/human.h"
#include "tools/img/svg.h"

#define PICTURE_WIDTH 1000.0
#define PICTURE_MARGIN 24.0
#define PICTURE_TOP 92.0 /* headline and legend */
#define STRIP_WIDTH (PICTURE_WIDTH - 2 * PICTURE_MARGIN)
#define STRIP_HEIGHT 30.0
#define LINK_HEIGHT 84.0 /* strip, its texts, distance */
#define AXIS_HEIGHT 44.0
#define AXIS_TICKS 10
#define NAME_MAX_CHARS 90

static const char picture_css[] =
    "svg{--ground:#fff;--ink:#1b1f24;--soft:#59636e;--frame:#afb8c1;"
    "--data:#1f6feb;--compressed:#8250df;--zero:#d4a72c;--none:#eef1f4;"
    "font:13px system-ui,sans-serif;background:var(--ground)}\n"
    "@media(prefers-color-scheme:dark){svg{--ground:#0d1117;--ink:#e6edf3;"
    "--soft:#9198a1;--frame:#3d444d;--data:#4493f8;--compressed:#ab7df8;"
    "--zero:#d29922;--none:#21262d}}\n"
    ".ground{fill:var(--ground)}\n"
    "text{fill:var(--ink)}.soft{fill:var(--soft)}.head{font-size:17px;"
    "font-weight:600}.name{font-weight:600}\n"
    ".end{text-anchor:end}.middle{text-anchor:middle}\n"
    ".data{fill:var(--data)}.compressed{fill:var(--compressed)}"
    ".zero{fill:var(--zero)}.unallocated{fill:var(--none)}\n"
    ".frame{fill:none;stroke:var(--frame)}.tick{stroke:var(--frame)}\n";

/* -- strips --------------------------------------------------------------- */

static double
place_x(const MapPicture *picture, uint64_t off)
{
    if (picture->size == 0)
        return PICTURE_MARGIN;
    return PICTURE_MARGIN + STRIP_WIDTH * (double) off / (double) picture->size;
}

/* Height of one kind in a column, and where it begins: data stand at the
 * bottom, the other kinds upon them. */
static double
share_height(const MapColumn *column, MapKind kind, double *below)
{
    uint64_t all = 0, under = 0;

    for (int k = 0; k < MAP_KINDS; k++)
        all += column->bytes[k];
    for (int k = 0; k < (int) kind; k++)
        under += column->bytes[k];
    if (all == 0)
        return 0;
    *below = STRIP_HEIGHT * (double) under / (double) all;
    return STRIP_HEIGHT * (double) column->bytes[kind] / (double) all;
}

/* Columns of equal look are one rectangle. */
static unsigned
columns_alike(const MapPicture *picture, const MapLink *link, unsigned i,
              MapKind kind)
{
    double below = 0, other_below = 0;
    double height = share_height(&link->columns[i], kind, &below);
    unsigned n = 1;

    while (i + n < picture->columns &&
           map_column_start(picture, i + n) < link->size &&
           share_height(&link->columns[i + n], kind, &other_below) == height &&
           other_below == below)
        n++;
    return n;
}

static void
kind_draw(GString *out, const MapPicture *picture, const MapLink *link,
          MapKind kind, double y)
{
    if (link->totals[kind] == 0)
        return;
    svg_path_begin(out, map_kind_words[kind]);
    for (unsigned i = 0, n; i < picture->columns; i += n) {
        double below = 0;
        double height = share_height(&link->columns[i], kind, &below);
        n = columns_alike(picture, link, i, kind);
        if (height <= 0)
            continue;
        double x = place_x(picture, map_column_start(picture, i));
        double end =
            place_x(picture, MIN(link->size, map_column_start(picture, i + n)));
        svg_path_rect(out, x, y + STRIP_HEIGHT - below - height, end - x,
                      height);
    }
    svg_path_end(out);
}

/* The end of a path tells more than its middle. */
static char *
name_short(const char *name)
{
    g_autofree char *valid = g_utf8_make_valid(name, -1);
    long len = g_utf8_strlen(valid, -1);

    if (len <= NAME_MAX_CHARS)
        return g_steal_pointer(&valid);
    return g_strconcat(
        "\xe2\x80\xa6",
        g_utf8_offset_to_pointer(valid, len - NAME_MAX_CHARS + 1), NULL);
}

static void
link_draw(GString *out, const MapPicture *picture, unsigned index, double y)
{
    const MapLink *link = picture->links->pdata[index];
    double width = place_x(picture, link->size) - PICTURE_MARGIN;
    g_autofree char *name = name_short(link->name);
    g_autofree char *figures = map_link_figures(link);
    g_autofree char *label = g_strdup_printf("%u  %s", index, name);

    svg_text(out, "name", PICTURE_MARGIN, y, label);
    svg_text(out, "soft", PICTURE_MARGIN, y + 17, figures);
    y += 25;
    svg_rect(out, "unallocated", PICTURE_MARGIN, y, width, STRIP_HEIGHT, NULL);
    for (int k = 0; k < MAP_KIND_NONE; k++)
        kind_draw(out, picture, link, (MapKind) k, y);
    svg_rect(out, "frame", PICTURE_MARGIN, y, width, STRIP_HEIGHT, link->name);
}

/* -- legend and axis ------------------------------------------------------ */

static void
legend_draw(GString *out, double y)
{
    double x = PICTURE_MARGIN;

    for (int k = 0; k < MAP_KINDS; k++) {
        svg_rect(out, map_kind_words[k], x, y - 11, 14, 14, NULL);
        svg_rect(out, "frame", x, y - 11, 14, 14, NULL);
        svg_text(out, "soft", x + 20, y, map_kind_words[k]);
        x += 46 + 7.0 * (double) strlen(map_kind_words[k]);
    }
}

/* A step of 1, 2, 4 ... of a unit that makes at most AXIS_TICKS of them. */
static uint64_t
tick_step(uint64_t size)
{
    uint64_t step = 1;

    while (size / step > AXIS_TICKS)
        step *= 2;
    return step;
}

static void
axis_draw(GString *out, const MapPicture *picture, double y)
{
    uint64_t step = tick_step(picture->size);

    svg_line(out, "tick", PICTURE_MARGIN, y, PICTURE_WIDTH - PICTURE_MARGIN, y);
    for (uint64_t off = 0; off <= picture->size; off += step) {
        double x = place_x(picture, off);
        g_autofree char *text = human_size(off);
        const char *anchor = "soft middle";
        if (off == 0)
            anchor = "soft";
        else if (x > PICTURE_WIDTH - PICTURE_MARGIN - 30)
            anchor = "soft end";
        svg_line(out, "tick", x, y, x, y + 6);
        svg_text(out, anchor, x, y + 22, text);
    }
    svg_text(out, "soft middle", PICTURE_WIDTH / 2, y + 40,
             "offset in the disk");
}

/* -- all of it ------------------------------------------------------------ */

GString *
map_picture_draw(const MapPicture *picture)
{
    GString *out = g_string_new("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    double axis = PICTURE_TOP + LINK_HEIGHT * picture->links->len;
    double height = axis + AXIS_HEIGHT + 8;
    const MapLink *top = picture->links->pdata[0];
    g_autofree char *name = name_short(top->name);
    g_autofree char *title = g_strdup_printf("Allocation of %s", name);

    svg_begin(out, PICTURE_WIDTH, height, title, picture_css);
    svg_rect(out, "ground", 0, 0, PICTURE_WIDTH, height, NULL);
    svg_text(out, "head", PICTURE_MARGIN, 32, title);
    legend_draw(out, 58);
    for (unsigned i = 0; i < picture->links->len; i++)
        link_draw(out, picture, i, PICTURE_TOP + LINK_HEIGHT * i);
    axis_draw(out, picture, axis - 14);
    svg_end(out);
    return out;
}
