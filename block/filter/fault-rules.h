/* SPDX-License-Identifier: BSD-3-Clause */
/* block/filter/fault-rules.h - which request is to fail, and how.
 *
 * Two sets of options say so.  Ours: fail-op=OP,fail-nth=N[,fail-count=C]
 * [,fail-errno=E] fails the Nth (from 0) request of a kind and C-1 after it
 * (C = 0: all after it).  QEMU's: rules inject-error.N.* and set-state.N.*,
 * or the same in a file named by "config".
 *
 * In the latter a request is announced as an event; a rule whose event and
 * state match becomes armed (and disarms those of other events) and fails
 * requests from then on, or only the next with once=on.
 */
#pragma once

#include "block/options.h"

typedef enum FaultOp {
    FAULT_READ,
    FAULT_WRITE,
    FAULT_ZEROES,
    FAULT_DISCARD,
    FAULT_FLUSH,
    FAULT_MAP,
    FAULT_TRUNCATE,
    FAULT_ANY, /* of all but MAP */
} FaultOp;

typedef enum FaultEvent {
    FAULT_EVENT_NONE, /* at open: rules without an event */
    FAULT_EVENT_READ_AIO,
    FAULT_EVENT_WRITE_AIO,
    FAULT_EVENT_PWRITEV,
    FAULT_EVENT_PWRITEV_ZERO,
    FAULT_EVENT_FLUSH_TO_OS,
    FAULT_EVENT_FLUSH_TO_DISK,
} FaultEvent;

typedef struct FaultRules FaultRules;

/* False if there is no such event. */
bool fault_event_by_name(const char *name, FaultEvent *event);

/* "read", "write" ...: for messages, and the values of fail-op. */
const char *fault_op_name(FaultOp op);
/* Take an operation's name; absent leaves @op alone. */
bool fault_take_op(VdOptions *opts, const char *key, FaultOp *op,
                   GError **error);
bool fault_op_matches(FaultOp wanted, FaultOp op);

/* Take all options that make rules ("config" must have been taken already). */
FaultRules *fault_rules_new(VdOptions *opts, GError **error);
void fault_rules_free(FaultRules *rules);

void fault_rules_event(FaultRules *rules, FaultEvent event);
/* The errno with which this request is to fail; 0 = let it pass. */
int fault_rules_check(FaultRules *rules, FaultOp op, uint64_t off,
                      uint64_t len);

/* Turn the text of a config file into options of @opts. */
bool fault_config_parse(const char *text, VdOptions *opts, GError **error);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(FaultRules, fault_rules_free)
