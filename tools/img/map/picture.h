/* SPDX-License-Identifier: BSD-3-Clause */
/* tools/img/map/picture.h - the allocation of each link of a chain, drawn. */
#pragma once

#include "tools/images.h"

/* The picture of the chain of @spec goes to @path, its figures to stdout.
 * False after a message; then @path is as it was. */
bool map_picture(VdContext *ctx, const ImageSpec *spec, const char *path,
                 bool json);
