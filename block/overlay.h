/* SPDX-License-Identifier: BSD-3-Clause */
/* block/overlay.h - VD_OPEN_TEMPORARY: changes that are gone with the disk. */
#pragma once

#include "block/open-internal.h"

/* Opens the image of @how, which is never written to, with a temporary link on
 * top of it.  Takes @opts over. */
VdNode *vd_overlay_co_open(const VdOpenImage *how, VdOptions *opts,
                           GError **error);
