/* SPDX-License-Identifier: BSD-3-Clause */
/* tools/img/map/links.h - what each link of a chain holds, column by column.
 *
 * However large a disk is, it is cut in a bounded number of columns.
 */
#pragma once

#include "tools/images.h"

typedef enum MapKind {
    MAP_KIND_DATA,
    MAP_KIND_COMPRESSED,
    MAP_KIND_ZERO,
    MAP_KIND_NONE, /* last: it is the ground of a strip */
    MAP_KINDS
} MapKind;

typedef struct MapColumn {
    uint64_t bytes[MAP_KINDS];
} MapColumn;

typedef struct MapLink {
    char *name, *format;
    uint64_t size;
    uint64_t totals[MAP_KINDS];
    MapColumn *columns;
} MapLink;

typedef struct MapPicture {
    GPtrArray *links; /* of MapLink, from the top down */
    uint64_t size;    /* of the largest */
    unsigned columns; /* over all of @size */
} MapPicture;

extern const char *const map_kind_words[MAP_KINDS];

/* Reads the maps of all links of the chain of @spec.  False after a message; to
 * be cleared in any case. */
bool map_links_read(MapPicture *picture, VdContext *ctx, const ImageSpec *spec);
void map_links_clear(MapPicture *picture);

/* Where column @i begins, a byte of the disk. */
uint64_t map_column_start(const MapPicture *picture, unsigned i);
/* "vmdk, 10 GiB", and how much there is of each kind; g_free. */
char *map_link_figures(const MapLink *link);
