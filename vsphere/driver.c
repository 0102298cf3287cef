/* SPDX-License-Identifier: BSD-3-Clause */
/* vsphere/driver.c - driver "vsphere": a disk of a virtual machine.
 *
 * It finds the disk and then opens another driver on it as its child "file",
 * by the first transport that works.  All talking to the server blocks, so it
 * is done on workers; requests go to the child and never come here again.
 *
 * Options: vsphere/open-params.c; others go to the driver of the transport.
 *
 * Concurrency: what is found out at the opening does not change.
 */
#include "vsphere/driver.h"

#include "block/filter/filter.h"
#include "block/open.h"
#include "io/offload.h"
#include "vsphere/export.h"
#include "vsphere/open-params.h"
#include "vsphere/transports.h"

#include <string.h>

#define DEFAULT_TRANSPORTS "hotadd:nbdssl:nbd"

typedef struct {
    VsSession *session;
    char *session_name; /* under which it is published */
    VsTarget *target;
    const VsTransport *transport;
    VsAttachment attachment;
} VsphereState;

/* -- on workers -------------------------------------------------------------
 */

typedef struct {
    VsphereState *s;
    const VsOpenParams *params;
    const VsTransport *transport;
    const VsPrepare *how;
    bool write;
    VioCancel *cancel;
    VdOptions *opts; /* out */
    bool ok;
    GError *error;
} Work;

static bool
work_co_run(VdNode *node, VioFunc fn, Work *work, GError **error)
{
    work->s = vd_node_state(node);
    work->cancel = vd_node_env(node)->cancel;
    work->write = vd_node_is_writable(node);
    vio_co_offload(vd_node_loop(node), fn, work);
    if (!work->ok)
        g_propagate_error(error, g_steal_pointer(&work->error));
    return work->ok;
}

static void
find_work(void *opaque)
{
    Work *work = opaque;
    VsphereState *s = work->s;
    const VsTargetSpec spec = {
        .vm = work->params->vm,
        .snapshot = work->params->snapshot,
        .disk = work->params->disk,
        .fcd = work->params->fcd,
        .fcd_datastore = work->params->fcd_datastore,
        .write = work->write,
    };

    vs_session_set_thread_cancel(work->cancel);
    s->session = vs_open_params_session(work->params, &work->error);
    if (s->session) {
        s->session_name = vs_session_publish(s->session);
        s->target = vs_target_find(s->session, &spec, &work->error);
    }
    vs_session_set_thread_cancel(NULL);
    work->ok = s->target != NULL;
}

static void
prepare_work(void *opaque)
{
    Work *work = opaque;
    VsphereState *s = work->s;

    vs_session_set_thread_cancel(work->cancel);
    work->opts =
        work->transport->prepare(work->how, &s->attachment, &work->error);
    vs_session_set_thread_cancel(NULL);
    work->ok = work->opts != NULL;
}

static void
complete_work(void *opaque)
{
    Work *work = opaque;
    VsLease *lease = g_steal_pointer(&work->s->attachment.lease);

    vs_session_set_thread_cancel(work->cancel);
    work->ok = vs_lease_complete(lease, &work->error);
    vs_session_set_thread_cancel(NULL);
}

static void
release_work(void *opaque)
{
    Work *work = opaque;

    work->ok = vs_transport_release(&work->s->attachment, &work->error);
}

/* The last one out logs out. */
static void
forget_work(void *opaque)
{
    Work *work = opaque;
    VsphereState *s = work->s;

    if (s->session_name)
        vs_session_forget(s->session_name);
    g_clear_pointer(&s->session_name, g_free);
    g_clear_pointer(&s->session, vs_session_unref);
    g_clear_pointer(&s->target, vs_target_free);
    work->ok = true;
}

/* -- transports -------------------------------------------------------------
 */

/* Options that have been said for the driver of a transport, "nfc.KEY", go with
 * those that its opening takes. */
static const char *const child_drivers[] = {"nfc", "hotadd", "https", "san",
                                            NULL};

/* Frees @prepared, which counts more. */
static VdOptions *
child_options(const VsTransport *transport, VdOptions *prepared,
              VdOptions *said)
{
    g_autoptr(VdOptions) opts = prepared;
    VdOptions *result = vd_options_new();

    vs_transport_move_below(result, transport->edge, said);
    vs_transport_move_below(result, "file", opts);
    return result;
}

/* The opening, or the closing, has its own errors. */
static void
vsphere_co_let_go(VdNode *node)
{
    g_autoptr(GError) problem = NULL;
    Work work = {0};

    if (!work_co_run(node, release_work, &work, &problem))
        vd_node_warn(node, "%s", problem->message);
}

/* A lease is at its end when all has come. */
static bool
vsphere_co_complete(VdNode *node, GError **error)
{
    const VsphereState *s = vd_node_state(node);
    VdNode *stream = vd_node_file(vd_node_file(node));
    Work work = {0};

    return !s->attachment.lease || vd_node_limits(stream)->open_ended ||
           work_co_run(node, complete_work, &work, error);
}

/* Some ways end where others begin: with the disk being open. */
static bool
vsphere_co_settle(VdNode *node, const VsTransport *transport,
                  const VsPrepare *how, GError **error)
{
    const VsphereState *s = vd_node_state(node);

    if ((!transport->co_check ||
         transport->co_check(node, how, &s->attachment, error)) &&
        (!s->attachment.lease ||
         (vs_export_check(s->target, vd_node_size(node), error) &&
          vsphere_co_complete(node, error))))
        return true;
    (void) vd_node_co_close_child(node, vd_node_file(node), NULL);
    return false;
}

/* After a failure what was prepared has been let go of. */
static bool
vsphere_co_try(VdNode *node, const VsTransport *transport,
               const VdOptions *said, GError **error)
{
    VsphereState *s = vd_node_state(node);
    g_autoptr(VdOptions) own = vs_transport_said(said, transport->driver);
    const VsPrepare how = {
        .session = s->session,
        .session_name = s->session_name,
        .target = s->target,
        .write = vd_node_is_writable(node),
        .in_order = vd_node_flags(node) & VD_OPEN_IN_ORDER,
        .all_said = said,
        .said = own,
        .cancel = vd_node_env(node)->cancel,
    };
    Work work = {.transport = transport, .how = &how};
    g_autoptr(VdOptions) opts = NULL;

    if (work_co_run(node, prepare_work, &work, error)) {
        opts = child_options(transport, work.opts, own);
        if (filter_co_open_child(
                node, opts, vd_node_flags(node) & ~VD_OPEN_OPEN_ENDED, error) &&
            vsphere_co_settle(node, transport, &how, error)) {
            s->transport = transport;
            return true;
        }
    }
    vsphere_co_let_go(node);
    return false;
}

typedef struct {
    VdNode *node;
    const VdOptions *said; /* for the transport's driver */
    bool tell;             /* somebody wants to know what was refused */
    GString *reasons;
    GError *last;
} Attempts;

static void
attempts_add(Attempts *a, const char *name, GError *why)
{
    if (a->tell)
        vd_node_warn(a->node, "transport %s is not used: %s", name,
                     why->message);
    g_string_append_printf(a->reasons, "%s%s: %s", a->reasons->len ? "; " : "",
                           name, why->message);
    g_clear_error(&a->last);
    a->last = why;
}

/* Nothing that another transport could change. */
static bool
is_final(const GError *error)
{
    return vd_error_is(error, VD_ERROR_CANCELLED);
}

static bool
attempts_co_one(Attempts *a, const char *name)
{
    const VsTransport *transport = vs_transport_find(name);
    GError *why = NULL;

    if (strcmp(name, "file") == 0 || *name == '\0')
        return false; /* of lists that are for local disks, too */
    if (transport && vsphere_co_try(a->node, transport, a->said, &why))
        return true;
    if (!transport)
        why = g_error_new(VD_ERROR, VD_ERROR_NOT_IMPLEMENTED,
                          "there is no such transport in this build");
    attempts_add(a, name, why);
    return false;
}

static bool
vsphere_co_open_transport(VdNode *node, const VsOpenParams *params,
                          const VdOptions *said, GError **error)
{
    const char *list =
        params->transports ? params->transports : DEFAULT_TRANSPORTS;
    g_auto(GStrv) names = g_strsplit(list, ":", -1);
    const VsphereState *s = vd_node_state(node);
    g_autoptr(GString) reasons = g_string_new(NULL);
    Attempts a = {
        .node = node,
        .said = said,
        .tell = params->transports != NULL,
        .reasons = reasons,
    };
    bool ok = false;

    for (char **name = names; *name && !ok; name++) {
        ok = attempts_co_one(&a, *name);
        if (a.last && is_final(a.last))
            break;
    }
    if (!ok && !a.last)
        (void) vd_throw(&a.last, VD_ERROR_INVALID_ARGUMENT,
                        "no transport in '%s' is one for disks of servers",
                        list);
    if (!ok)
        (void) vd_throw(error, (VdErrorCode) a.last->code,
                        "%s: %s: no transport works: %s",
                        vs_session_name(s->session), s->target->file,
                        reasons->len ? reasons->str : a.last->message);
    g_clear_error(&a.last);
    return ok;
}

/* -- the driver -------------------------------------------------------------
 */

static void
vsphere_co_release(VdNode *node)
{
    Work work = {0};

    vsphere_co_let_go(node);
    (void) work_co_run(node, forget_work, &work, NULL); /* cannot fail */
}

static bool
vsphere_co_open(VdNode *node, VdOptions *opts, GError **error)
{
    VsphereState *s = vd_node_state(node);
    g_auto(VsOpenParams) params = {0};
    Work work = {.params = &params};
    g_autoptr(VdOptions) said = NULL;

    if (!vs_open_params_take(&params, opts, error) ||
        (params.server && !vd_policy_check_secret(node, params.server, error)))
        return false;
    said = vd_options_copy(opts);
    for (const char *const *name = child_drivers; *name; name++)
        vd_options_free(vd_options_take_sub(opts, *name));
    if (work_co_run(node, find_work, &work, error) &&
        vsphere_co_open_transport(node, &params, said, error)) {
        vd_node_set_name(node, s->target->file);
        return true;
    }
    vsphere_co_release(node);
    return false;
}

/* Closing a child can fail, and is to be told.  It goes first: what it stands
 * on may be taken away below it. */
static bool
vsphere_co_finish(VdNode *node, GError **error)
{
    VdNode *child = vd_node_file(node);
    bool ok;

    if (!child)
        return true;
    ok = vsphere_co_complete(node, error);
    return vd_node_co_close_child(node, child, ok ? error : NULL) && ok;
}

static void
vsphere_co_close(VdNode *node)
{
    (void) vsphere_co_finish(node, NULL); /* read-only: nothing to lose */
    vsphere_co_release(node);
}

const char *
vs_driver_transport(VdNode *node)
{
    const VsphereState *s = vd_node_state(node);

    return s->transport->name;
}

static void
add_text(GVariantBuilder *dict, const char *key, const char *text)
{
    g_variant_builder_add(dict, "{sv}", key,
                          g_variant_new_string(text ? text : ""));
}

static GVariant *
vsphere_describe(VdNode *node)
{
    const VsphereState *s = vd_node_state(node);
    GVariantBuilder dict;

    g_variant_builder_init(&dict, G_VARIANT_TYPE_VARDICT);
    add_text(&dict, "server", vs_session_name(s->session));
    if (s->target->vm) {
        add_text(&dict, "vm", s->target->vm->value);
        add_text(&dict, "vm-name", s->target->vm_name);
    }
    if (s->target->snapshot)
        add_text(&dict, "snapshot", s->target->snapshot->value);
    add_text(&dict, "transport", s->transport->name);
    g_variant_builder_add(&dict, "{sv}", "links",
                          g_variant_new_uint64(s->target->links));
    return g_variant_builder_end(&dict);
}

/* -- metadata: the child's --------------------------------------------------
 */

static const char *
vsphere_get_meta(VdNode *node, const char *key)
{
    VdNode *child = vd_node_file(node);
    const VdDriver *driver = vd_node_driver(child);

    return driver->get_meta ? driver->get_meta(child, key) : NULL;
}

static char **
vsphere_list_meta(VdNode *node)
{
    VdNode *child = vd_node_file(node);
    const VdDriver *driver = vd_node_driver(child);

    return driver->list_meta ? driver->list_meta(child) : g_new0(char *, 1);
}

static bool
vsphere_co_set_meta(VdNode *node, const char *key, const char *value,
                    GError **error)
{
    VdNode *child = vd_node_file(node);
    const VdDriver *driver = vd_node_driver(child);

    if (!driver->co_set_meta)
        return vd_throw(error, VD_ERROR_NOT_IMPLEMENTED,
                        "%s: metadata cannot be changed over transport %s",
                        vd_node_name(node), vs_driver_transport(node));
    return driver->co_set_meta(child, key, value, error);
}

static const char *const vsphere_schemes[] = {"vsphere", NULL};

const VdDriver vd_vsphere_driver = {
    VD_DRIVER_HEADER,
    .name = "vsphere",
    .kind = VD_DRIVER_FILTER,
    .state_size = sizeof(VsphereState),
    .caps = VD_CAP_FIXED_SIZE | VD_CAP_GUEST_BYTES,
    .schemes = vsphere_schemes,
    .parse_name = vs_name_parse_to_open,
    .co_open = vsphere_co_open,
    .co_finish = vsphere_co_finish,
    .co_close = vsphere_co_close,
    .co_preadv = filter_co_preadv,
    .co_pwritev = filter_co_pwritev,
    .co_write_zeroes = filter_co_write_zeroes,
    .co_discard = filter_co_discard,
    .describe = vsphere_describe,
    .get_meta = vsphere_get_meta,
    .list_meta = vsphere_list_meta,
    .co_set_meta = vsphere_co_set_meta,
};
