/* SPDX-License-Identifier: BSD-3-Clause */
/* tools/img/map-picture.c - a chain as strips, one for each link.
 *
 * Each link is opened without its parent and its whole map read once.  A strip
 * is cut in columns: however large a disk is, the picture has a bounded size. A
 * column shows in its height which share of its bytes is of which kind.
 *
 * Concurrency: main thread only.
 */
#include "tools/img/map-picture.h"

#include <stdio.h>
#include <string.h>

#include "tools/human.h"
#include "tools/img/svg.h"
#include "tools/json.h"
#include "tools/output.h"

#define PICTURE_WIDTH 1000.0
#define PICTURE_MARGIN 24.0
#define PICTURE_TOP 92.0 /* headline and legend */
#define STRIP_WIDTH (PICTURE_WIDTH - 2 * PICTURE_MARGIN)
#define STRIP_HEIGHT 30.0
#define LINK_HEIGHT 84.0 /* strip, its texts, distance */
#define AXIS_HEIGHT 44.0
#define AXIS_TICKS 10
/* Columns of all strips together, which bounds the size of the file. */
#define COLUMNS_ALL 16000
#define COLUMNS_MAX 950
#define NAME_MAX_CHARS 90

typedef enum Kind {
    KIND_DATA,
    KIND_COMPRESSED,
    KIND_ZERO,
    KIND_NONE, /* last: it is the ground of a strip */
    KINDS
} Kind;

static const char *const kind_words[KINDS] = {"data", "compressed", "zero",
                                              "unallocated"};

typedef struct Column {
    uint64_t bytes[KINDS];
} Column;

typedef struct Link {
    char *name, *format;
    uint64_t size;
    uint64_t totals[KINDS];
    Column *columns;
} Link;

typedef struct Picture {
    GPtrArray *links; /* of Link, from the top down */
    uint64_t size;    /* of the largest */
    unsigned columns; /* over all of @size */
} Picture;

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

static void
link_free(void *data)
{
    Link *link = data;

    g_free(link->name);
    g_free(link->format);
    g_free(link->columns);
    g_free(link);
}

/* -- reading maps --------------------------------------------------------- */

static Kind
entry_kind(const VdMapEntry *e)
{
    if (e->flags & VD_MAP_ZERO)
        return e->flags & VD_MAP_PRESENT ? KIND_ZERO : KIND_NONE;
    if (e->flags & VD_MAP_DATA)
        return e->flags & VD_MAP_COMPRESSED ? KIND_COMPRESSED : KIND_DATA;
    return KIND_NONE;
}

static uint64_t
column_start(const Picture *picture, unsigned i)
{
    return (uint64_t) ((unsigned __int128) picture->size * i /
                       picture->columns);
}

/* The column that @off lies in. */
static unsigned
column_at(const Picture *picture, uint64_t off)
{
    unsigned i =
        (unsigned) ((unsigned __int128) off * picture->columns / picture->size);

    while (column_start(picture, i + 1) <= off) /* rounding */
        i++;
    return i;
}

static void
link_add(const Picture *picture, Link *link, const VdMapEntry *e)
{
    Kind kind = entry_kind(e);
    uint64_t off = e->off;
    uint64_t end = e->off + e->len;

    link->totals[kind] += e->len;
    for (unsigned i = column_at(picture, off); off < end; i++) {
        uint64_t next = MIN(end, column_start(picture, i + 1));
        link->columns[i].bytes[kind] += next - off;
        off = next;
    }
}

static bool
link_walk(const Picture *picture, Link *link, VdDisk *disk)
{
    uint64_t size = MIN(link->size, vd_disk_size(disk));

    for (uint64_t off = 0; off < size;) {
        g_autoptr(GError) error = NULL;
        VdMapEntry e;
        if (!vd_disk_map(disk, off, size - off, &e, &error)) {
            out_failure(link->name, error, "Could not read the map of '%s': %s",
                        link->name, error->message);
            return false;
        }
        link_add(picture, link, &e);
        off += e.len;
    }
    return true;
}

static bool
link_read(const Picture *picture, Link *link, VdContext *ctx,
          const ImageSpec *spec)
{
    ImageSpec alone = *spec;
    bool ok;

    alone.flags |= VD_OPEN_NO_PARENT;
    VdDisk *disk = image_open(ctx, &alone);
    if (!disk)
        return false;
    link->columns = g_new0(Column, picture->columns);
    ok = link_walk(picture, link, disk);
    image_close_quietly(disk);
    return ok;
}

static void
links_list(Picture *picture, const GPtrArray *infos)
{
    picture->links = g_ptr_array_new_with_free_func(link_free);
    for (unsigned i = 0; i < infos->len; i++) {
        const VdInfo *info = infos->pdata[i];
        Link *link = g_new0(Link, 1);
        link->name = g_strdup(info->filename);
        link->format = g_strdup(info->format);
        link->size = info->virtual_size;
        picture->size = MAX(picture->size, link->size);
        g_ptr_array_add(picture->links, link);
    }
    uint64_t columns = MIN(COLUMNS_MAX, COLUMNS_ALL / infos->len);
    picture->columns = (unsigned) MIN(columns, MAX(picture->size, 1));
}

static bool
links_read(Picture *picture, VdContext *ctx, const ImageSpec *spec)
{
    g_autoptr(GPtrArray) infos = image_chain_infos(ctx, spec, true);
    ImageSpec next = *spec;

    if (!infos)
        return false;
    links_list(picture, infos);
    for (unsigned i = 0; i < infos->len; i++) {
        const VdInfo *info = infos->pdata[i];
        if (!link_read(picture, picture->links->pdata[i], ctx, &next))
            return false;
        next = (ImageSpec){.name = info->full_backing_filename,
                           .format = info->backing_format,
                           .flags = spec->flags};
    }
    return true;
}

/* -- drawing -------------------------------------------------------------- */

static double
place_x(const Picture *picture, uint64_t off)
{
    if (picture->size == 0)
        return PICTURE_MARGIN;
    return PICTURE_MARGIN + STRIP_WIDTH * (double) off / (double) picture->size;
}

/* Height of one kind in a column, and where it begins: data stand at the
 * bottom, the other kinds upon them. */
static double
share_height(const Column *column, Kind kind, double *below)
{
    uint64_t all = 0, under = 0;

    for (int k = 0; k < KINDS; k++)
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
columns_alike(const Picture *picture, const Link *link, unsigned i, Kind kind)
{
    double below = 0, other_below = 0;
    double height = share_height(&link->columns[i], kind, &below);
    unsigned n = 1;

    while (i + n < picture->columns &&
           column_start(picture, i + n) < link->size &&
           share_height(&link->columns[i + n], kind, &other_below) == height &&
           other_below == below)
        n++;
    return n;
}

static void
kind_draw(GString *out, const Picture *picture, const Link *link, Kind kind,
          double y)
{
    if (link->totals[kind] == 0)
        return;
    svg_path_begin(out, kind_words[kind]);
    for (unsigned i = 0, n; i < picture->columns; i += n) {
        double below = 0;
        double height = share_height(&link->columns[i], kind, &below);
        n = columns_alike(picture, link, i, kind);
        if (height <= 0)
            continue;
        double x = place_x(picture, column_start(picture, i));
        double end =
            place_x(picture, MIN(link->size, column_start(picture, i + n)));
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

static char *
link_figures(const Link *link)
{
    g_autofree char *size = human_size(link->size);
    GString *text = g_string_new(NULL);

    g_string_append_printf(text, "%s, %s", link->format, size);
    for (int k = 0; k < KINDS; k++) {
        if (link->totals[k] == 0)
            continue;
        g_autofree char *bytes = human_size(link->totals[k]);
        g_string_append_printf(
            text, " \xc2\xb7 %s %s (%.1f %%)", kind_words[k], bytes,
            100.0 * (double) link->totals[k] / (double) link->size);
    }
    return g_string_free(text, FALSE);
}

static void
link_draw(GString *out, const Picture *picture, unsigned index, double y)
{
    const Link *link = picture->links->pdata[index];
    double width = place_x(picture, link->size) - PICTURE_MARGIN;
    g_autofree char *name = name_short(link->name);
    g_autofree char *figures = link_figures(link);
    g_autofree char *label = g_strdup_printf("%u  %s", index, name);

    svg_text(out, "name", PICTURE_MARGIN, y, label);
    svg_text(out, "soft", PICTURE_MARGIN, y + 17, figures);
    y += 25;
    svg_rect(out, "unallocated", PICTURE_MARGIN, y, width, STRIP_HEIGHT, NULL);
    for (int k = 0; k < KIND_NONE; k++)
        kind_draw(out, picture, link, (Kind) k, y);
    svg_rect(out, "frame", PICTURE_MARGIN, y, width, STRIP_HEIGHT, link->name);
}

static void
legend_draw(GString *out, double y)
{
    double x = PICTURE_MARGIN;

    for (int k = 0; k < KINDS; k++) {
        svg_rect(out, kind_words[k], x, y - 11, 14, 14, NULL);
        svg_rect(out, "frame", x, y - 11, 14, 14, NULL);
        svg_text(out, "soft", x + 20, y, kind_words[k]);
        x += 46 + 7.0 * (double) strlen(kind_words[k]);
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
axis_draw(GString *out, const Picture *picture, double y)
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

static GString *
picture_draw(const Picture *picture)
{
    GString *out = g_string_new("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    double axis = PICTURE_TOP + LINK_HEIGHT * picture->links->len;
    double height = axis + AXIS_HEIGHT + 8;
    const Link *top = picture->links->pdata[0];
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

/* -- figures -------------------------------------------------------------- */

static GVariant *
link_json(const Link *link)
{
    g_auto(GVariantBuilder) object = JSON_BUILDER_INIT;

    json_add_string(&object, "filename", link->name);
    json_add_string(&object, "format", link->format);
    json_add_uint(&object, "virtual-size", link->size);
    for (int k = 0; k < KINDS; k++)
        json_add_uint(&object, kind_words[k], link->totals[k]);
    return g_variant_builder_end(&object);
}

static void
figures_print_json(const Picture *picture, const char *path)
{
    g_auto(GVariantBuilder) object = JSON_BUILDER_INIT;
    g_auto(GVariantBuilder) links =
        G_VARIANT_BUILDER_INIT(G_VARIANT_TYPE("aa{sv}"));

    for (unsigned i = 0; i < picture->links->len; i++)
        g_variant_builder_add_value(&links,
                                    link_json(picture->links->pdata[i]));
    json_add_string(&object, "picture", path);
    json_add(&object, "links", g_variant_builder_end(&links));
    json_print(g_variant_builder_end(&object), JSON_AS_GIVEN);
}

static void
figures_print(const Picture *picture)
{
    for (unsigned i = 0; i < picture->links->len; i++) {
        const Link *link = picture->links->pdata[i];
        g_autofree char *figures = link_figures(link);
        printf("%s: %s\n", link->name, figures);
    }
}

bool
map_picture(VdContext *ctx, const ImageSpec *spec, const char *path, bool json)
{
    Picture picture = {0};
    bool ok = svg_file_check(path) && links_read(&picture, ctx, spec);

    if (ok) {
        GString *document = picture_draw(&picture);
        ok = svg_file_write(path, document);
        g_string_free(document, TRUE);
    }
    if (ok && json)
        figures_print_json(&picture, path);
    else if (ok)
        figures_print(&picture);
    if (picture.links)
        g_ptr_array_unref(picture.links);
    return ok;
}
