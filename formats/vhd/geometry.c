/* SPDX-License-Identifier: BSD-3-Clause */
/* formats/vhd/geometry.c - cylinders, heads and sectors of a VHD.
 *
 * The rule is that of the format's specification (appendix); all divisions are
 * whole-numbered.
 *
 * Concurrency: any thread.
 */
#include "formats/vhd/footer.h"

#include <glib.h>

#define MAX_CYLINDERS 65535
#define MAX_HEADS 16

uint64_t
vhd_geometry_sectors(const VhdGeometry *geometry)
{
    return (uint64_t) geometry->cylinders * geometry->heads * geometry->sectors;
}

VhdGeometry
vhd_geometry_of(uint64_t sectors)
{
    uint64_t total = MIN(sectors, (uint64_t) MAX_CYLINDERS * MAX_HEADS * 255);
    uint64_t per_track = 17, heads, tracks = total / per_track;

    heads = MAX((tracks + 1023) / 1024, 4);
    if (total >= (uint64_t) MAX_CYLINDERS * MAX_HEADS * 63) {
        per_track = 255;
        heads = MAX_HEADS;
        tracks = total / per_track;
    } else {
        if (tracks >= heads * 1024 || heads > MAX_HEADS) {
            per_track = 31;
            heads = MAX_HEADS;
            tracks = total / per_track;
        }
        if (tracks >= heads * 1024) {
            per_track = 63;
            heads = MAX_HEADS;
            tracks = total / per_track;
        }
    }
    return (VhdGeometry){.cylinders = (uint16_t) (tracks / heads),
                         .heads = (uint8_t) heads,
                         .sectors = (uint8_t) per_track};
}
