/* SPDX-License-Identifier: BSD-3-Clause */
/* tools/img/info-json.h - the document of vdisk-img info --output=json. */
#pragma once

#include "tools/images.h"

/* @infos: of image_chain_infos() for @spec. */
void info_print_json(VdContext *ctx, const ImageSpec *spec,
                     const GPtrArray *infos, bool as_array);
