/* SPDX-License-Identifier: BSD-3-Clause */
/* block/proto/file-cache.h - what files leave behind in the page cache. */
#pragma once

#include "block/node.h"

/* Large transfers of @leaf leave nothing there from now on, if it is a file
 * that is read and written through the page cache, and the kernel can do it
 * (io/uncached.h). */
void vd_file_set_uncached(VdNode *leaf, bool on);
