/* SPDX-License-Identifier: BSD-3-Clause */
/* vsphere/import-driver.c - driver "vsphere-import": a machine that a server
 * makes of the image that is written here.
 *
 * New images only, and of them streamOptimized VMDK, from the first byte to the
 * last.  The first bytes say how large the disk is: then the server is asked
 * for the machine, and all bytes go to where it wants them, through the driver
 * "https".  All that lasts as long as the transaction, whose commit ends first
 * the request and then the lease.  Whatever fails, or is stopped, before that
 * gives the lease back, and the server removes the machine.
 *
 * Options: new-vm, datastore, pool (vsphere/import.h), and those by which the
 * driver "vsphere" knows its server.
 *
 * Concurrency: one loop; bytes leave in order (block/proto/sink.h).  All
 * talking to the server blocks, so it is done on workers.
 */
#include "vsphere/driver.h"

#include "block/error.h"
#include "block/open.h"
#include "block/proto/sink.h"
#include "block/rw.h"
#include "block/transaction.h"
#include "vsphere/import.h"
#include "vsphere/open-params.h"
#include "vsphere/web.h"
#include "vsphere/worker.h"

#include <string.h>

#define TRANSPORT "lease"

typedef struct {
    VdSink sink; /* first */
    VdEnv env;   /* of what is opened below */
    VsOpenParams params;
    VsImportSpec spec;
    VsSession *session;
    char *session_name; /* under which it is published */
    VsImportPlace *place;
    uint64_t capacity; /* of the disk; 0 = not known yet */
    VsLease *lease;    /* NULL = has not begun, or is over */
    VdTicketSource *tickets;
    char *url;      /* name of what is below */
    VdNode *upload; /* NULL = not open */
} Import;

typedef struct {
    Import *import; /* the transaction's */
} ImportState;

/* -- on workers -------------------------------------------------------------
 */

static bool
find_work(void *arg, GError **error)
{
    Import *imp = arg;

    imp->session = vs_open_params_session(&imp->params, error);
    if (!imp->session)
        return false;
    imp->session_name = vs_session_publish(imp->session);
    imp->place = vs_import_find_place(imp->session, &imp->spec, error);
    return imp->place != NULL;
}

static void
take_disk(Import *imp, const VsLeaseDisk *disk)
{
    g_autofree char *shown = vs_lease_shown(disk);
    const VsWebFile file = {
        .url = shown,
        .secret_url = disk->url,
        .thumbprint = disk->thumbprint,
        .with_cookie = disk->on_server,
        .fate = vs_lease_fate(imp->lease),
        .timeout = VS_LEASE_SILENCE_S,
        .header = "Overwrite: t",
    };

    imp->tickets = vs_web_tickets_new(imp->session_name, &file);
    imp->url =
        vs_web_new_name(imp->session, &file, imp->tickets, VS_IMPORT_TYPE);
}

static bool
begin_work(void *arg, GError **error)
{
    Import *imp = arg;
    const VsLeaseDisk *disk;

    imp->lease = vs_import_begin(imp->session, imp->place, imp->capacity,
                                 imp->sink.cancel, &disk, error);
    if (!imp->lease)
        return false;
    take_disk(imp, disk);
    return true;
}

static bool
complete_work(void *arg, GError **error)
{
    Import *imp = arg;

    return vs_lease_complete(g_steal_pointer(&imp->lease), error);
}

static bool
abort_work(void *arg, GError **error)
{
    Import *imp = arg;

    vs_lease_abort(g_steal_pointer(&imp->lease));
    return true;
}

/* The last one out logs out. */
static bool
let_go_work(void *arg, GError **error)
{
    Import *imp = arg;

    g_clear_pointer(&imp->tickets, vd_ticket_source_close);
    if (imp->session_name)
        vs_session_forget(imp->session_name);
    g_clear_pointer(&imp->session_name, g_free);
    g_clear_pointer(&imp->session, vs_session_unref);
    return true;
}

/* Whoever stops the transfer stops it. */
static bool
import_co_work(Import *imp, VsWork work, GError **error)
{
    return vs_co_work(imp->sink.loop, work, imp, imp->sink.cancel, error);
}

/* -- sending ----------------------------------------------------------------
 */

static bool
import_co_begin(Import *imp, const void *head, size_t len, GError **error)
{
    if (!vs_stream_capacity(head, len, &imp->capacity))
        return vd_throw(error, VD_ERROR_NOT_SUPPORTED,
                        "%s: servers make machines of streamOptimized VMDK "
                        "only",
                        imp->sink.name);
    if (!import_co_work(imp, begin_work, error))
        return false;
    imp->upload = vd_tx_co_file(imp->env.tx, &imp->env, imp->url, 0,
                                VD_PREALLOC_OFF, error);
    return imp->upload != NULL;
}

static void
note_position(Import *imp, const void *data, size_t len)
{
    uint64_t off;

    if (vs_stream_position(data, len, imp->capacity, &off))
        vs_lease_set_percent(imp->lease,
                             (unsigned) (off / (imp->capacity / 100 + 1)));
}

static bool
import_co_send(VdSink *sink, const void *data, size_t len, GError **error)
{
    Import *imp = (Import *) sink;

    if (imp->upload)
        note_position(imp, data, len);
    else if (!import_co_begin(imp, data, len, error))
        return false;
    return vd_node_co_pwrite(imp->upload, sink->pos, data, len, error);
}

/* -- the end ----------------------------------------------------------------
 */

static void
import_co_close_upload(Import *imp)
{
    VdNode *upload = g_steal_pointer(&imp->upload);

    if (upload)
        (void) vd_node_co_close(upload, NULL); /* the request has ended */
}

static void
import_co_let_go(Import *imp)
{
    (void) vs_co_work(imp->sink.loop, let_go_work, imp, NULL,
                      NULL); /* cannot fail */
}

/* What was opened below has been ended before. */
static bool
import_co_end(void *opaque, bool commit, GError **error)
{
    Import *imp = opaque;
    bool ok;

    if (commit && imp->sink.failure) {
        g_propagate_error(error, g_error_copy(imp->sink.failure));
        return false;
    }
    if (commit && !imp->upload)
        return vd_throw(error, VD_ERROR_INVALID_ARGUMENT,
                        "%s: no disk has come", imp->sink.name);
    import_co_close_upload(imp);
    ok = import_co_work(imp, commit ? complete_work : abort_work, error);
    import_co_let_go(imp);
    return ok;
}

static void
import_free(void *opaque)
{
    Import *imp = opaque;

    vs_open_params_clear(&imp->params);
    vs_import_spec_clear(&imp->spec);
    vs_import_place_free(imp->place);
    vd_sink_clear(&imp->sink);
    g_free(imp->url);
    g_free(imp);
}

/* -- nodes on it ------------------------------------------------------------
 */

bool
vs_import_check(const VsOpenParams *params, GError **error)
{
    if (params->vm || params->snapshot || params->disk || params->fcd ||
        params->fcd_datastore)
        return vd_throw(error, VD_ERROR_INVALID_ARGUMENT,
                        "A new virtual machine cannot be one that exists: "
                        "'new-vm' makes no sense with 'vm', 'snapshot', 'disk' "
                        "or 'fcd'");
    return !params->transports || strcmp(params->transports, TRANSPORT) == 0 ||
           vd_throw(error, VD_ERROR_NOT_SUPPORTED,
                    "New virtual machines are made by transport " TRANSPORT
                    ", not '%s'",
                    params->transports);
}

static char *
import_key(const VsOpenParams *params, const VsImportSpec *spec)
{
    return g_strdup_printf("%s:%s:%s", VS_IMPORT_DRIVER,
                           params->session ? params->session : params->server,
                           spec->vm);
}

/* Takes over @params and @spec. */
static Import *
import_new(const VdNode *node, VsOpenParams *params, VsImportSpec *spec)
{
    Import *imp = g_new0(Import, 1);

    vd_sink_init(&imp->sink, node, spec->vm);
    imp->sink.co_send = import_co_send;
    imp->env = *vd_node_env(node);
    imp->env.cancel = imp->sink.cancel; /* that of the node may change */
    imp->params = *params;
    imp->spec = *spec;
    *params = (VsOpenParams){0};
    *spec = (VsImportSpec){0};
    return imp;
}

static bool
import_co_start(VdNode *node, Import *imp, GError **error)
{
    return (!imp->params.server ||
            vd_policy_check_secret(node, imp->params.server, error)) &&
           import_co_work(imp, find_work, error);
}

static bool
check_use(VdNode *node, const VsImportSpec *spec, GError **error)
{
    if (!vd_node_env(node)->tx)
        return vd_throw(error, VD_ERROR_NOT_SUPPORTED,
                        "%s: is a virtual machine that is to be made: a new "
                        "image can be sent there",
                        spec->vm);
    return vd_node_is_writable(node) ||
           vd_throw(error, VD_ERROR_NOT_SUPPORTED,
                    "%s: cannot be read back before all of it is there",
                    spec->vm);
}

/* Only what has started is kept: another opening would take it for that. */
static Import *
import_co_find(VdNode *node, VsOpenParams *params, VsImportSpec *spec,
               GError **error)
{
    VdTransaction *tx = vd_node_env(node)->tx;
    g_autofree char *key = import_key(params, spec);
    Import *imp = vd_tx_kept(tx, key);

    if (imp)
        return imp;
    imp = import_new(node, params, spec);
    if (!import_co_start(node, imp, error)) {
        import_co_let_go(imp);
        import_free(imp);
        return NULL;
    }
    vd_tx_keep(tx, key, imp, import_co_end, import_free);
    return imp;
}

static bool
import_co_open(VdNode *node, VdOptions *opts, GError **error)
{
    ImportState *s = vd_node_state(node);
    g_auto(VsOpenParams) params = {0};
    g_auto(VsImportSpec) spec = {0};

    if (!vs_import_spec_take(&spec, opts, error) ||
        !vs_open_params_take(&params, opts, error) ||
        !vs_import_check(&params, error) || !check_use(node, &spec, error))
        return false;
    vd_node_set_name(node, spec.vm);
    s->import = import_co_find(node, &params, &spec, error);
    if (!s->import)
        return false;
    vd_node_limits(node)->sequential = true;
    vd_node_set_size(node, s->import->sink.size);
    return true;
}

static bool
import_co_preadv(VdNode *node, uint64_t off, const VioVec *dst, GError **error)
{
    const ImportState *s = vd_node_state(node);

    return vd_sink_read(&s->import->sink, off, dst, error);
}

static bool
import_co_pwritev(VdNode *node, uint64_t off, const VioVec *src,
                  VdReqFlags flags, GError **error)
{
    ImportState *s = vd_node_state(node);

    return vd_sink_co_pwritev(&s->import->sink, off, src, error);
}

static bool
import_co_truncate(VdNode *node, uint64_t size, VdPrealloc prealloc,
                   GError **error)
{
    ImportState *s = vd_node_state(node);

    return vd_sink_truncate(&s->import->sink, node, size, error);
}

const VdDriver vd_vsphere_import_driver = {
    VD_DRIVER_HEADER,
    .name = VS_IMPORT_DRIVER,
    .kind = VD_DRIVER_PROTOCOL,
    .caps = VD_CAP_STREAM,
    .state_size = sizeof(ImportState),
    .co_open = import_co_open,
    .co_preadv = import_co_preadv,
    .co_pwritev = import_co_pwritev,
    .co_truncate = import_co_truncate,
};
