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
#include "vsphere/export.h"
#include "vsphere/open-params.h"
#include "vsphere/transports.h"
#include "vsphere/worker.h"

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
    bool write;
} Find;

static bool
find_work(void *arg, GError **error)
{
    const Find *find = arg;
    VsphereState *s = find->s;
    const VsTargetSpec spec = {
        .vm = find->params->vm,
        .snapshot = find->params->snapshot,
        .disk = find->params->disk,
        .fcd = find->params->fcd,
        .fcd_datastore = find->params->fcd_datastore,
        .write = find->write,
    };

    s->session = vs_open_params_session(find->params, error);
    if (!s->session)
        return false;
    s->session_name = vs_session_publish(s->session);
    s->target = vs_target_find(s->session, &spec, error);
    return s->target != NULL;
}

typedef struct {
    const VsTransport *transport;
    const VsPrepare *how;
    VsAttachment *attachment;
    VdOptions *opts; /* out */
} Prepare;

static bool
prepare_work(void *arg, GError **error)
{
    Prepare *p = arg;

    p->opts = p->transport->prepare(p->how, p->attachment, error);
    return p->opts != NULL;
}

static bool
check_lease_work(void *arg, GError **error)
{
    const VsAttachment *attachment = arg;

    return vs_lease_check(attachment->lease, error);
}

static bool
complete_work(void *arg, GError **error)
{
    VsAttachment *attachment = arg;

    return vs_lease_complete(g_steal_pointer(&attachment->lease), error);
}

static bool
release_work(void *arg, GError **error)
{
    return vs_transport_release(arg, error);
}

/* The last one out logs out. */
static bool
forget_work(void *arg, GError **error)
{
    VsphereState *s = arg;

    if (s->session_name)
        vs_session_forget(s->session_name);
    g_clear_pointer(&s->session_name, g_free);
    g_clear_pointer(&s->session, vs_session_unref);
    g_clear_pointer(&s->target, vs_target_free);
    return true;
}

/* Whoever stops the node stops it. */
static bool
vsphere_co_work(VdNode *node, VsWork work, void *arg, GError **error)
{
    return vs_co_work(vd_node_loop(node), work, arg, vd_node_env(node)->cancel,
                      error);
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
    VsphereState *s = vd_node_state(node);
    g_autoptr(GError) problem = NULL;

    if (!vs_co_work(vd_node_loop(node), release_work, &s->attachment, NULL,
                    &problem))
        vd_node_warn(node, "%s", problem->message);
}

/* A lease is at its end when all has come. */
static bool
vsphere_co_complete(VdNode *node, GError **error)
{
    VsphereState *s = vd_node_state(node);
    VdNode *stream = vd_node_file(vd_node_file(node));

    return !s->attachment.lease || vd_node_limits(stream)->open_ended ||
           vsphere_co_work(node, complete_work, &s->attachment, error);
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

/* Has it failed because the server has ended the lease?  Then that is the
 * reason: the URL of one that is over is none. */
static void
vsphere_co_explain(VdNode *node, GError **error)
{
    VsphereState *s = vd_node_state(node);
    g_autoptr(GError) why = NULL;

    if (!s->attachment.lease || vd_error_is(*error, VD_ERROR_CANCELLED) ||
        vsphere_co_work(node, check_lease_work, &s->attachment, &why))
        return;
    g_clear_error(error);
    g_propagate_error(error, g_steal_pointer(&why));
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
    Prepare prepare = {transport, &how, &s->attachment, NULL};
    g_autoptr(VdOptions) opts = NULL;

    if (vsphere_co_work(node, prepare_work, &prepare, error)) {
        opts = child_options(transport, prepare.opts, own);
        if (filter_co_open_child(
                node, opts, vd_node_flags(node) & ~VD_OPEN_OPEN_ENDED, error) &&
            vsphere_co_settle(node, transport, &how, error)) {
            s->transport = transport;
            return true;
        }
    }
    vsphere_co_explain(node, error);
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
    vsphere_co_let_go(node);
    (void) vs_co_work(vd_node_loop(node), forget_work, vd_node_state(node),
                      NULL, NULL); /* cannot fail */
}

static bool
vsphere_co_open(VdNode *node, VdOptions *opts, GError **error)
{
    VsphereState *s = vd_node_state(node);
    g_auto(VsOpenParams) params = {0};
    Find find = {s, &params, vd_node_is_writable(node)};
    g_autoptr(VdOptions) said = NULL;

    if (!vs_open_params_take(&params, opts, error) ||
        !vs_open_params_check(&params, error) ||
        (params.server && !vd_policy_check_secret(node, params.server, error)))
        return false;
    said = vd_options_copy(opts);
    for (const char *const *name = child_drivers; *name; name++)
        vd_options_free(vd_options_take_sub(opts, *name));
    if (vsphere_co_work(node, find_work, &find, error) &&
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
