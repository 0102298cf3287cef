/* SPDX-License-Identifier: BSD-3-Clause */
/* block/filter/fault-breaks.h - break points of the fault filter.
 *
 * A break point belongs to an event and has a tag.  The next request that comes
 * to the event uses it up, and stops there until the tag is resumed.
 */
#pragma once

#include "block/driver.h"
#include "block/filter/fault-rules.h"

typedef struct FaultBreaks FaultBreaks;

FaultBreaks *fault_breaks_new(void);
/* No request may be stopped. */
void fault_breaks_free(FaultBreaks *breaks);

/* A request has come to @event: stop it if that is wanted. */
void fault_breaks_co_pass(FaultBreaks *breaks, FaultEvent event);

/* VdDriver.on_break */
bool fault_breaks_call(FaultBreaks *breaks, VdBreak *call, GError **error);
