/* SPDX-License-Identifier: BSD-3-Clause */
/* block/filter/fault.c - filter "fault": makes requests fail, slow or small.
 *
 * Which ones fail is said by the options of block/filter/fault-rules.h.
 * Besides: delay-ns with delay-op, to hold requests back; align, max-transfer,
 * opt-write-zero, max-write-zero, opt-discard, max-discard, to give the layers
 * above a storage with such limits; config, a file with rules.  It also goes
 * by QEMU's name "blkdebug"; the child may be called "image", as there.
 *
 * A request that is to fail does not reach the child.  One that comes to a
 * break point (block/filter/fault-breaks.h) stops before that is decided.
 *
 * Concurrency: whether a request fails is decided when it arrives, before any
 * delay, so the order of arrival is what counts.
 */
#include "block/drivers.h"
#include "block/chain.h"
#include "block/filter/fault-breaks.h"
#include "block/filter/fault-rules.h"
#include "block/filter/filter.h"
#include "block/open.h"
#include "block/options-internal.h"
#include "io/offload.h"
#include "io/op.h"

#include <inttypes.h>
#include <string.h>

#define FAULT_MAX_ALIGN (UINT64_C(1) << 20)
#define FAULT_MAX_CONFIG (UINT64_C(1) << 20)

typedef struct {
    FaultRules *rules;
    FaultBreaks *breaks;
    uint64_t delay_ns;
    FaultOp delay_op;
    uint64_t max_zeroes, max_discard; /* bytes; 0 = any */
} FaultState;

/* -- open -------------------------------------------------------------------
 */

typedef struct {
    const char *path;
    char *text;
    GError *error;
} FaultConfigRead;

static void
fault_read_config(void *opaque)
{
    FaultConfigRead *work = opaque;
    gsize len = 0;

    if (g_file_get_contents(work->path, &work->text, &len, &work->error) &&
        len > FAULT_MAX_CONFIG)
        g_clear_pointer(&work->text, g_free);
}

static bool
fault_co_take_config(VdNode *node, VdOptions *opts, GError **error)
{
    g_autofree char *path = NULL;
    g_autofree char *text = NULL;
    FaultConfigRead work = {0};

    vd_options_take_string(opts, "config", &path); /* may be absent */
    if (!path || *path == '\0')
        return true;
    work.path = path;
    vio_co_offload(vd_node_loop(node), fault_read_config, &work);
    text = work.text;
    if (work.error) {
        (void) vd_throw(error, VD_ERROR_NOT_FOUND,
                        "Could not read blkdebug config file: %s",
                        work.error->message);
        g_clear_error(&work.error);
        return false;
    }
    if (!text)
        return vd_throw(error, VD_ERROR_LIMIT,
                        "%s: more than %" PRIu64 " bytes of rules", path,
                        FAULT_MAX_CONFIG);
    return fault_config_parse(text, opts, error) ||
           vd_prefix(error, "%s: ", path);
}

static bool
fault_power_of_two(uint64_t value)
{
    return value != 0 && (value & (value - 1)) == 0;
}

static bool
fault_take_limits(VdNode *node, VdOptions *opts, GError **error)
{
    FaultState *s = vd_node_state(node);
    VdLimits *limits = vd_node_limits(node);
    uint64_t align = limits->request_align;

    if (!vd_options_take_size(opts, "align", &align, error) ||
        !vd_options_take_size(opts, "max-transfer", &limits->max_transfer,
                              error) ||
        !vd_options_take_size(opts, "opt-write-zero", &limits->zeroes_align,
                              error) ||
        !vd_options_take_size(opts, "max-write-zero", &s->max_zeroes, error) ||
        !vd_options_take_size(opts, "opt-discard", &limits->discard_align,
                              error) ||
        !vd_options_take_size(opts, "max-discard", &s->max_discard, error))
        return false;
    if (!fault_power_of_two(align) || align > FAULT_MAX_ALIGN)
        return vd_throw(error, VD_ERROR_INVALID_ARGUMENT,
                        "Cannot meet constraints with align %" PRIu64, align);
    if (limits->max_transfer % align != 0 || s->max_zeroes % align != 0 ||
        s->max_discard % align != 0)
        return vd_throw(error, VD_ERROR_INVALID_ARGUMENT,
                        "limits of the fault filter are no multiples of align "
                        "%" PRIu64,
                        align);
    limits->request_align = (uint32_t) align;
    return true;
}

/* What QEMU calls "image" is called "file" in every other driver. */
static void
fault_rename_child(VdOptions *opts)
{
    g_autoptr(VdOptions) image = vd_options_take_sub(opts, "image");

    vd_options_put_sub(opts, "file", image);
}

static bool
fault_co_setup(VdNode *node, VdOptions *opts, GError **error)
{
    FaultState *s = vd_node_state(node);

    s->delay_op = FAULT_ANY;
    fault_rename_child(opts);
    if (!fault_co_take_config(node, opts, error) ||
        !fault_take_op(opts, "delay-op", &s->delay_op, error) ||
        !vd_options_take_uint(opts, "delay-ns", &s->delay_ns, error))
        return false;
    s->breaks = fault_breaks_new();
    s->rules = fault_rules_new(opts, error);
    return s->rules &&
           filter_co_open_child(node, opts, vd_node_flags(node), error) &&
           fault_take_limits(node, opts, error);
}

static void
fault_co_close(VdNode *node)
{
    FaultState *s = vd_node_state(node);

    g_clear_pointer(&s->rules, fault_rules_free);
    g_clear_pointer(&s->breaks, fault_breaks_free);
}

static bool
fault_co_open(VdNode *node, VdOptions *opts, GError **error)
{
    if (fault_co_setup(node, opts, error))
        return true;
    fault_co_close(node);
    return false;
}

/* -- requests ---------------------------------------------------------------
 */

/* A request has come so far: rules may arm, and it may have to stop. */
static void
fault_co_event(VdNode *node, FaultEvent event)
{
    FaultState *s = vd_node_state(node);

    fault_rules_event(s->rules, event);
    fault_breaks_co_pass(s->breaks, event);
}

/* Decide about one request; false = it has failed. */
static bool
fault_co_pass(VdNode *node, FaultOp op, uint64_t off, uint64_t len,
              GError **error)
{
    FaultState *s = vd_node_state(node);
    int errnum = fault_rules_check(s->rules, op, off, len);
    int r = 0;

    if (s->delay_ns > 0 && fault_op_matches(s->delay_op, op))
        r = vio_co_sleep(vd_node_loop(node), s->delay_ns,
                         vd_node_env(node)->cancel);
    if (errnum != 0)
        return vd_throw_errno(error, errnum,
                              "%s: injected failure of %s, %" PRIu64
                              " bytes at offset %" PRIu64,
                              vd_node_name(node), fault_op_name(op), len, off);
    return r == 0 ||
           vd_throw_errno(error, -r, "%s: delayed request", vd_node_name(node));
}

/* The child is asked as the top of its chain: what its parents provide is its
 * content too, as seen from here. */
static bool
fault_co_map(VdNode *node, uint64_t off, uint64_t len, unsigned want,
             VdRun *run, GError **error)
{
    VdNode *child = filter_child(node);
    VdChainRun found;

    if (!fault_co_pass(node, FAULT_MAP, off, len, error) ||
        !vd_chain_co_map(child, off, len, want, &found, error))
        return false;
    *run = (VdRun){.kind = VD_RUN_ZERO, .len = found.run.len};
    if (found.run.kind == VD_RUN_ZERO)
        return true;
    run->kind = VD_RUN_DATA;
    run->child = child;
    run->child_off = off;
    return true;
}

static bool
fault_co_preadv(VdNode *node, uint64_t off, const VioVec *dst, GError **error)
{
    fault_co_event(node, FAULT_EVENT_READ_AIO);
    return fault_co_pass(node, FAULT_READ, off, dst->len, error) &&
           filter_co_preadv(node, off, dst, error);
}

static bool
fault_co_pwritev(VdNode *node, uint64_t off, const VioVec *src,
                 VdReqFlags flags, GError **error)
{
    fault_co_event(node, FAULT_EVENT_WRITE_AIO);
    fault_co_event(node, FAULT_EVENT_PWRITEV);
    return fault_co_pass(node, FAULT_WRITE, off, src->len, error) &&
           filter_co_pwritev(node, off, src, flags, error);
}

static bool
fault_co_write_zeroes(VdNode *node, uint64_t off, uint64_t len,
                      VdReqFlags flags, GError **error)
{
    FaultState *s = vd_node_state(node);
    uint64_t most = s->max_zeroes ? s->max_zeroes : len;

    while (len > 0) {
        uint64_t n = MIN(len, most);

        fault_co_event(node, FAULT_EVENT_PWRITEV_ZERO);
        if (!fault_co_pass(node, FAULT_ZEROES, off, n, error) ||
            !filter_co_write_zeroes(node, off, n, flags, error))
            return false;
        off += n;
        len -= n;
    }
    return true;
}

static bool
fault_co_discard(VdNode *node, uint64_t off, uint64_t len, GError **error)
{
    const FaultState *s = vd_node_state(node);
    uint64_t most = s->max_discard ? s->max_discard : len;

    while (len > 0) {
        uint64_t n = MIN(len, most);

        if (!fault_co_pass(node, FAULT_DISCARD, off, n, error) ||
            !filter_co_discard(node, off, n, error))
            return false;
        off += n;
        len -= n;
    }
    return true;
}

static bool
fault_co_flush_to_os(VdNode *node, GError **error)
{
    fault_co_event(node, FAULT_EVENT_FLUSH_TO_OS);
    return true;
}

static bool
fault_co_flush_to_disk(VdNode *node, GError **error)
{
    fault_co_event(node, FAULT_EVENT_FLUSH_TO_DISK);
    return fault_co_pass(node, FAULT_FLUSH, 0, 0, error);
}

static bool
fault_on_break(VdNode *node, VdBreak *call, GError **error)
{
    FaultState *s = vd_node_state(node);

    return fault_breaks_call(s->breaks, call, error);
}

static bool
fault_co_truncate(VdNode *node, uint64_t size, VdPrealloc prealloc,
                  GError **error)
{
    return fault_co_pass(node, FAULT_TRUNCATE, 0, size, error) &&
           filter_co_truncate(node, size, prealloc, error);
}

/* blkdebug:[CONFIG]:IMAGE, where CONFIG contains no colon. */
static bool
blkdebug_parse_name(const char *name, VdOptions *opts, GError **error)
{
    const char *config = strchr(name, ':') + 1;
    const char *image = strchr(config, ':');
    g_autofree char *path = NULL;

    if (!image || image[1] == '\0')
        return vd_throw(error, VD_ERROR_INVALID_ARGUMENT,
                        "blkdebug requires both config file and image path");
    path = g_strndup(config, (gsize) (image - config));
    if (*path != '\0')
        vd_options_set(opts, "config", path);
    vd_options_set(opts, "image.filename", image + 1);
    return true;
}

#define FAULT_DRIVER                                                           \
    VD_DRIVER_HEADER,                                                          \
        .kind = VD_DRIVER_FILTER, .state_size = sizeof(FaultState),            \
        .co_open = fault_co_open, .co_close = fault_co_close,                  \
        .co_map = fault_co_map, .co_preadv = fault_co_preadv,                  \
        .co_pwritev = fault_co_pwritev,                                        \
        .co_write_zeroes = fault_co_write_zeroes,                              \
        .co_discard = fault_co_discard,                                        \
        .co_flush_to_os = fault_co_flush_to_os,                                \
        .co_flush_to_disk = fault_co_flush_to_disk,                            \
        .co_truncate = fault_co_truncate, .on_break = fault_on_break

const VdDriver vd_fault_driver = {FAULT_DRIVER, .name = "fault"};
static const char *const blkdebug_schemes[] = {"blkdebug", NULL};
const VdDriver vd_blkdebug_driver = {
    FAULT_DRIVER,
    .name = "blkdebug",
    .schemes = blkdebug_schemes,
    .parse_name = blkdebug_parse_name,
};
