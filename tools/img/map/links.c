/* SPDX-License-Identifier: BSD-3-Clause */
/* tools/img/map/links.c - reading the maps of a chain.
 *
 * Each link is opened without its parent and its whole map read once.
 *
 * Concurrency: main thread only.
 */
#include "tools/img/map/links.h"

#include "tools/human.h"
#include "tools/output.h"

/* Columns of all strips together, which bounds the size of the file. */
#define COLUMNS_ALL 16000
#define COLUMNS_MAX 950

const char *const map_kind_words[MAP_KINDS] = {"data", "compressed", "zero",
                                               "unallocated"};

/* -- columns -------------------------------------------------------------- */

static MapKind
entry_kind(const VdMapEntry *e)
{
    if (e->flags & VD_MAP_ZERO)
        return e->flags & VD_MAP_PRESENT ? MAP_KIND_ZERO : MAP_KIND_NONE;
    if (e->flags & VD_MAP_DATA)
        return e->flags & VD_MAP_COMPRESSED ? MAP_KIND_COMPRESSED
                                            : MAP_KIND_DATA;
    return MAP_KIND_NONE;
}

uint64_t
map_column_start(const MapPicture *picture, unsigned i)
{
    return (uint64_t) ((unsigned __int128) picture->size * i /
                       picture->columns);
}

/* The column that @off lies in. */
static unsigned
column_at(const MapPicture *picture, uint64_t off)
{
    unsigned i =
        (unsigned) ((unsigned __int128) off * picture->columns / picture->size);

    while (map_column_start(picture, i + 1) <= off) /* rounding */
        i++;
    return i;
}

static void
link_add(const MapPicture *picture, MapLink *link, const VdMapEntry *e)
{
    MapKind kind = entry_kind(e);
    uint64_t off = e->off;
    uint64_t end = e->off + e->len;

    link->totals[kind] += e->len;
    for (unsigned i = column_at(picture, off); off < end; i++) {
        uint64_t next = MIN(end, map_column_start(picture, i + 1));
        link->columns[i].bytes[kind] += next - off;
        off = next;
    }
}

/* -- links ---------------------------------------------------------------- */

static bool
link_walk(const MapPicture *picture, MapLink *link, VdDisk *disk)
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

/* @disk, which may be NULL after a message, is closed here. */
static bool
link_read(const MapPicture *picture, MapLink *link, VdDisk *disk)
{
    bool ok;

    if (!disk)
        return false;
    link->columns = g_new0(MapColumn, picture->columns);
    ok = link_walk(picture, link, disk);
    image_close_quietly(disk);
    return ok;
}

static void
link_free(void *data)
{
    MapLink *link = data;

    g_free(link->name);
    g_free(link->format);
    g_free(link->columns);
    g_free(link);
}

static void
links_list(MapPicture *picture, const GPtrArray *infos)
{
    picture->links = g_ptr_array_new_with_free_func(link_free);
    for (unsigned i = 0; i < infos->len; i++) {
        const VdInfo *info = infos->pdata[i];
        MapLink *link = g_new0(MapLink, 1);
        link->name = g_strdup(info->filename);
        link->format = g_strdup(info->format);
        link->size = info->virtual_size;
        picture->size = MAX(picture->size, link->size);
        g_ptr_array_add(picture->links, link);
    }
    uint64_t columns = MIN(COLUMNS_MAX, COLUMNS_ALL / infos->len);
    picture->columns = (unsigned) MIN(columns, MAX(picture->size, 1));
}

bool
map_links_read(MapPicture *picture, VdContext *ctx, const ImageSpec *spec)
{
    g_autoptr(GPtrArray) infos = image_chain_infos(ctx, spec, true);
    ImageSpec alone = *spec;

    if (!infos)
        return false;
    links_list(picture, infos);
    alone.flags |= VD_OPEN_NO_PARENT;
    for (unsigned i = 0; i < infos->len; i++) {
        VdDisk *disk =
            i ? image_open_parent(ctx, infos->pdata[i - 1], alone.flags)
              : image_open(ctx, &alone);
        if (!link_read(picture, picture->links->pdata[i], disk))
            return false;
    }
    return true;
}

void
map_links_clear(MapPicture *picture)
{
    g_clear_pointer(&picture->links, g_ptr_array_unref);
}

char *
map_link_figures(const MapLink *link)
{
    g_autofree char *size = human_size(link->size);
    GString *text = g_string_new(NULL);

    g_string_append_printf(text, "%s, %s", link->format, size);
    for (int k = 0; k < MAP_KINDS; k++) {
        if (link->totals[k] == 0)
            continue;
        g_autofree char *bytes = human_size(link->totals[k]);
        g_string_append_printf(
            text, " \xc2\xb7 %s %s (%.1f %%)", map_kind_words[k], bytes,
            100.0 * (double) link->totals[k] / (double) link->size);
    }
    return g_string_free(text, FALSE);
}
