/* SPDX-License-Identifier: BSD-3-Clause */
/* tools/img/map/draw.h - the links of a chain as a picture. */
#pragma once

#include "tools/img/map/links.h"

/* An SVG document. */
GString *map_picture_draw(const MapPicture *picture);
