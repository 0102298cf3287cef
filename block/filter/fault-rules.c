/* SPDX-License-Identifier: BSD-3-Clause */
/* block/filter/fault-rules.c - which request is to fail, and how.
 *
 * Concurrency: a value of its owner; nothing yields.
 */
#include "block/filter/fault-rules.h"

#include "block/error.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define FAULT_ANY_SECTOR UINT64_MAX
#define FAULT_SECTOR 512

typedef struct {
    FaultEvent event;
    uint64_t state; /* 0 = any */
    int errnum;
    uint64_t sector;
    FaultOp op;
    bool once, armed;
} FaultInject;

typedef struct {
    FaultEvent event;
    uint64_t state; /* 0 = any */
    uint64_t new_state;
} FaultSetState;

struct FaultRules {
    GArray *inject;    /* FaultInject */
    GArray *set_state; /* FaultSetState */
    uint64_t state;

    FaultOp nth_op;
    uint64_t nth, count, seen; /* nth = UINT64_MAX: none is to fail */
    int nth_errno;
};

/* In the order of FaultOp. */
static const char *const fault_op_names[] = {
    "read", "write",    "zeroes", "discard", "flush",
    "map",  "truncate", "any",    NULL,
};

/* QEMU's names of the same, for iotype. */
static const char *const fault_iotype_names[] = {
    "read", "write", "write-zeroes", "discard", "flush", "block-status", NULL,
};

/* In the order of FaultEvent. */
static const char *const fault_event_names[] = {
    "none",         "read_aio",    "write_aio",     "pwritev",
    "pwritev_zero", "flush_to_os", "flush_to_disk", NULL,
};

static const struct {
    const char *name;
    int errnum;
} fault_errnos[] = {
    {"EIO", EIO},         {"ENOSPC", ENOSPC}, {"EINVAL", EINVAL},
    {"EACCES", EACCES},   {"EPERM", EPERM},   {"EROFS", EROFS},
    {"ENOMEM", ENOMEM},   {"EDQUOT", EDQUOT}, {"ETIMEDOUT", ETIMEDOUT},
    {"ENOTSUP", ENOTSUP}, {"EFBIG", EFBIG},   {"EBUSY", EBUSY},
    {"EBADE", EBADE},
};

const char *
fault_op_name(FaultOp op)
{
    return fault_op_names[op];
}

bool
fault_op_matches(FaultOp wanted, FaultOp op)
{
    return wanted == op || (wanted == FAULT_ANY && op != FAULT_MAP);
}

bool
fault_take_op(VdOptions *opts, const char *key, FaultOp *op, GError **error)
{
    unsigned index = *op;

    if (!vd_options_take_enum(opts, key, fault_op_names, &index, error))
        return false;
    *op = (FaultOp) index;
    return true;
}

/* A name or a number. */
static bool
fault_take_errno(VdOptions *opts, const char *key, int *errnum, GError **error)
{
    g_autofree char *text = NULL;
    guint64 number;

    vd_options_take_string(opts, key, &text); /* absent: stays NULL */
    if (!text)
        return true;
    for (unsigned i = 0; i < G_N_ELEMENTS(fault_errnos); i++) {
        if (strcmp(text, fault_errnos[i].name) == 0) {
            *errnum = fault_errnos[i].errnum;
            return true;
        }
    }
    if (!g_ascii_string_to_unsigned(text, 10, 1, 4095, &number, NULL))
        return vd_throw(error, VD_ERROR_INVALID_ARGUMENT,
                        "Parameter '%s' does not accept value '%s'", key, text);
    *errnum = (int) number;
    return true;
}

bool
fault_event_by_name(const char *name, FaultEvent *event)
{
    for (unsigned i = FAULT_EVENT_NONE + 1; fault_event_names[i]; i++) {
        if (strcmp(name, fault_event_names[i]) == 0) {
            *event = (FaultEvent) i;
            return true;
        }
    }
    return false;
}

static bool
fault_take_event(VdOptions *opts, FaultEvent *event, GError **error)
{
    const char *name = vd_options_peek(opts, "event");
    unsigned index = FAULT_EVENT_NONE;

    if (name && !g_strv_contains(fault_event_names, name))
        return vd_throw(error, VD_ERROR_INVALID_ARGUMENT,
                        "the event '%s' never happens here", name);
    if (!vd_options_take_enum(opts, "event", fault_event_names, &index, error))
        return false;
    *event = (FaultEvent) index;
    return true;
}

/* -- rules in QEMU's way ----------------------------------------------------
 */

typedef bool (*FaultTakeRule)(FaultRules *rules, VdOptions *opts,
                              GError **error);

static bool
fault_take_inject(FaultRules *rules, VdOptions *opts, GError **error)
{
    FaultInject rule = {
        .errnum = EIO,
        .sector = FAULT_ANY_SECTOR,
        .op = FAULT_ANY,
    };
    unsigned iotype = FAULT_ANY;
    bool immediately = false; /* ours always fails before anything is done */

    if (!fault_take_event(opts, &rule.event, error) ||
        !vd_options_take_uint(opts, "state", &rule.state, error) ||
        !fault_take_errno(opts, "errno", &rule.errnum, error) ||
        !vd_options_take_uint(opts, "sector", &rule.sector, error) ||
        !vd_options_take_enum(opts, "iotype", fault_iotype_names, &iotype,
                              error) ||
        !vd_options_take_bool(opts, "once", &rule.once, error) ||
        !vd_options_take_bool(opts, "immediately", &immediately, error))
        return false;
    rule.op = (FaultOp) iotype;
    g_array_append_val(rules->inject, rule);
    return true;
}

static bool
fault_take_set_state(FaultRules *rules, VdOptions *opts, GError **error)
{
    FaultSetState rule = {0};

    if (!fault_take_event(opts, &rule.event, error) ||
        !vd_options_take_uint(opts, "state", &rule.state, error) ||
        !vd_options_take_uint(opts, "new_state", &rule.new_state, error))
        return false;
    if (rule.new_state == 0)
        return vd_throw(error, VD_ERROR_INVALID_ARGUMENT,
                        "a set-state rule without new_state");
    g_array_append_val(rules->set_state, rule);
    return true;
}

/* The members 0, 1, 2 ... of list @key. */
static bool
fault_take_list(FaultRules *rules, VdOptions *opts, const char *key,
                FaultTakeRule take, GError **error)
{
    g_autoptr(VdOptions) list = vd_options_take_sub(opts, key);

    for (unsigned i = 0; !vd_options_is_empty(list); i++) {
        g_autofree char *index = g_strdup_printf("%u", i);
        g_autoptr(VdOptions) rule = vd_options_take_sub(list, index);

        if (vd_options_is_empty(rule))
            return vd_options_finish(list, error) ||
                   vd_prefix(error, "%s: ", key);
        if (!take(rules, rule, error) || !vd_options_finish(rule, error))
            return vd_prefix(error, "%s.%u: ", key, i);
    }
    return true;
}

/* -- rules in our way -------------------------------------------------------
 */

static bool
fault_take_nth(FaultRules *rules, VdOptions *opts, GError **error)
{
    rules->nth = UINT64_MAX;
    rules->nth_op = FAULT_ANY;
    rules->nth_errno = EIO;
    rules->count = 1;
    return fault_take_op(opts, "fail-op", &rules->nth_op, error) &&
           vd_options_take_uint(opts, "fail-nth", &rules->nth, error) &&
           vd_options_take_uint(opts, "fail-count", &rules->count, error) &&
           fault_take_errno(opts, "fail-errno", &rules->nth_errno, error);
}

static bool
fault_check_nth(FaultRules *rules, FaultOp op)
{
    uint64_t index;

    if (!fault_op_matches(rules->nth_op, op))
        return false;
    index = rules->seen++;
    return index >= rules->nth &&
           (rules->count == 0 || index - rules->nth < rules->count);
}

/* -- all of them ------------------------------------------------------------
 */

FaultRules *
fault_rules_new(VdOptions *opts, GError **error)
{
    g_autoptr(FaultRules) rules = g_new0(FaultRules, 1);

    rules->state = 1;
    rules->inject = g_array_new(FALSE, FALSE, sizeof(FaultInject));
    rules->set_state = g_array_new(FALSE, FALSE, sizeof(FaultSetState));
    if (!fault_take_nth(rules, opts, error) ||
        !fault_take_list(rules, opts, "inject-error", fault_take_inject,
                         error) ||
        !fault_take_list(rules, opts, "set-state", fault_take_set_state, error))
        return NULL;
    fault_rules_event(rules, FAULT_EVENT_NONE);
    return g_steal_pointer(&rules);
}

void
fault_rules_free(FaultRules *rules)
{
    g_array_unref(rules->inject);
    g_array_unref(rules->set_state);
    g_free(rules);
}

static bool
fault_state_fits(const FaultRules *rules, uint64_t state)
{
    return state == 0 || state == rules->state;
}

/* The first rule of an event that arms disarms those of earlier events. */
static void
fault_arm(FaultRules *rules, FaultEvent event)
{
    bool fresh = true;

    for (guint i = 0; i < rules->inject->len; i++) {
        FaultInject *rule = &g_array_index(rules->inject, FaultInject, i);

        if (rule->event != event || !fault_state_fits(rules, rule->state))
            continue;
        for (guint k = 0; fresh && k < rules->inject->len; k++)
            g_array_index(rules->inject, FaultInject, k).armed = false;
        fresh = false;
        rule->armed = true;
    }
}

void
fault_rules_event(FaultRules *rules, FaultEvent event)
{
    uint64_t next = rules->state;

    fault_arm(rules, event);
    for (guint i = 0; i < rules->set_state->len; i++) {
        const FaultSetState *rule =
            &g_array_index(rules->set_state, FaultSetState, i);

        if (rule->event == event && fault_state_fits(rules, rule->state))
            next = rule->new_state;
    }
    rules->state = next;
}

static bool
fault_hits(const FaultInject *rule, FaultOp op, uint64_t off, uint64_t len)
{
    if (!rule->armed || op == FAULT_TRUNCATE || !fault_op_matches(rule->op, op))
        return false;
    if (rule->sector == FAULT_ANY_SECTOR)
        return true;
    return rule->sector >= off / FAULT_SECTOR && len > 0 &&
           rule->sector <= (off + len - 1) / FAULT_SECTOR;
}

int
fault_rules_check(FaultRules *rules, FaultOp op, uint64_t off, uint64_t len)
{
    if (fault_check_nth(rules, op))
        return rules->nth_errno;
    for (guint i = 0; i < rules->inject->len; i++) {
        FaultInject *rule = &g_array_index(rules->inject, FaultInject, i);

        if (!fault_hits(rule, op, off, len))
            continue;
        rule->armed = !rule->once;
        return rule->errnum;
    }
    return 0;
}
