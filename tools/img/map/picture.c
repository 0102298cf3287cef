/* SPDX-License-Identifier: BSD-3-Clause */
/* tools/img/map/picture.c - the picture into its file, the figures to stdout.
 *
 * Concurrency: main thread only.
 */
#include "tools/img/map/picture.h"

#include <stdio.h>

#include "tools/img/map/draw.h"
#include "tools/img/svg.h"
#include "tools/json.h"

static GVariant *
link_json(const MapLink *link)
{
    g_auto(GVariantBuilder) object = JSON_BUILDER_INIT;

    json_add_string(&object, "filename", link->name);
    json_add_string(&object, "format", link->format);
    json_add_uint(&object, "virtual-size", link->size);
    for (int k = 0; k < MAP_KINDS; k++)
        json_add_uint(&object, map_kind_words[k], link->totals[k]);
    return g_variant_builder_end(&object);
}

static void
figures_print_json(const MapPicture *picture, const char *path)
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
figures_print(const MapPicture *picture)
{
    for (unsigned i = 0; i < picture->links->len; i++) {
        const MapLink *link = picture->links->pdata[i];
        g_autofree char *figures = map_link_figures(link);
        printf("%s: %s\n", link->name, figures);
    }
}

bool
map_picture(VdContext *ctx, const ImageSpec *spec, const char *path, bool json)
{
    MapPicture picture = {0};
    bool ok = svg_file_check(path) && map_links_read(&picture, ctx, spec);

    if (ok) {
        GString *document = map_picture_draw(&picture);
        ok = svg_file_write(path, document);
        g_string_free(document, TRUE);
    }
    if (ok && json)
        figures_print_json(&picture, path);
    else if (ok)
        figures_print(&picture);
    map_links_clear(&picture);
    return ok;
}
