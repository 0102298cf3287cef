/* SPDX-License-Identifier: BSD-3-Clause */
/* tools/img/info-json.h - the document of vdisk-img info --output=json. */
#pragma once

#include "tools/images.h"

typedef enum InfoWhat {
    INFO_CHAIN = 1 << 0,
    INFO_GRAPH = 1 << 1,
    INFO_LIMITS = 1 << 2,
} InfoWhat;

/* @graphs: of image_chain_graphs(); @what: InfoWhat. */
void info_print_json(const GPtrArray *graphs, unsigned what, bool as_array);

/* An object of what the node's limits say; floating. */
GVariant *info_limits_to_variant(const VdGraphNode *node);
