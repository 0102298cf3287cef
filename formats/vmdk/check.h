/* SPDX-License-Identifier: BSD-3-Clause */
/* formats/vmdk/check.h - the parts of checking and repairing a disk. */
#pragma once

#include "formats/vmdk/state.h"

/* check-descriptor.c: s->desc is there. */
void vmdk_check_descriptor(const VmdkState *s, bool by_profile,
                           VdCheckResult *result);
/* What the text says wrongly and can be told from elsewhere. */
bool vmdk_repair_co_descriptor(VmdkState *s, GError **error);

/* repair.c: VdRepair bits, after a look that gave @result, whose counts then
 * tell what is left and what was mended.  @look looks again. */
typedef bool (*VmdkLook)(VmdkState *s, VdCheckResult *result, GError **error);
bool vmdk_co_repair(VmdkState *s, unsigned repair, VmdkLook look,
                    VdCheckResult *result, GError **error);
