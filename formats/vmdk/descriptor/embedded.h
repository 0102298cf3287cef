/* SPDX-License-Identifier: BSD-3-Clause */
/* formats/vmdk/descriptor/embedded.h - storing a descriptor in the file that it
 * is embedded in. */
#pragma once

#include "formats/vmdk/state.h"

/* The text, durable (unless the image is just being created): the old one or
 * the new one after a crash.  NO_SPACE if the area is too small. */
bool vmdk_descriptor_co_store_embedded(VmdkState *s, const char *text,
                                       size_t len, GError **error);
