/* SPDX-License-Identifier: BSD-3-Clause */
/* vsphere/transports.c - ways on which the bytes of a disk come here.
 *
 * Concurrency: no state.
 */
#include "vsphere/transports.h"

#include "block/error.h"
#include "vsphere/export.h"
#include "vsphere/folder.h"
#include "vsphere/san.h"

#include <string.h>

/* -- attached to our machine -------------------------------------------------
 */

#define MS_NS (UINT64_C(1000) * 1000)
#define MAX_WAIT_MS (UINT64_C(3600) * 1000)

/* tmp-dir: see vsphere/hotadd.h; timeout-ms: until the device has come. */
static bool
take_hotadd(VdOptions *said, VsHotaddParams *params, char **tmp_dir,
            GError **error)
{
    uint64_t ms = 0;

    vd_options_take_string(said, "tmp-dir", tmp_dir);
    if (!vd_options_take_uint(said, "timeout-ms", &ms, error))
        return false;
    params->tmp_dir = *tmp_dir;
    params->appear_ns = MIN(ms, MAX_WAIT_MS) * MS_NS;
    return true;
}

static VdOptions *
prepare_hotadd(const VsPrepare *how, VsAttachment *attachment, GError **error)
{
    VsHotaddParams params = {.session = how->session, .cancel = how->cancel};
    g_autofree char *tmp_dir = NULL;

    if (!take_hotadd(how->said, &params, &tmp_dir, error))
        return NULL;
    attachment->hotadd =
        vs_hotadd_attach(&params, how->target, how->write, error);
    return attachment->hotadd ? vs_hotadd_options(attachment->hotadd) : NULL;
}

/* -- over the network -------------------------------------------------------
 */

/* Whoever says it knows of a way that the server does not know of: tickets say
 * it, too, and the driver would believe them. */
static bool
take_port(VdOptions *said, unsigned *port, GError **error)
{
    uint64_t value = 0;

    if (!vd_options_take_uint(said, "port", &value, error))
        return false;
    if (value > G_MAXUINT16)
        return vd_throw(error, VD_ERROR_INVALID_ARGUMENT,
                        "Parameter 'nfc.port' expects a number up to %u",
                        G_MAXUINT16);
    *port = (unsigned) value;
    return true;
}

static VdOptions *
prepare_nfc(const VsPrepare *how, const char *tls, VsAttachment *attachment,
            GError **error)
{
    VsDiskAccess access = {
        .vm = how->target->vm,
        .host = how->target->host,
        .disk_key = how->target->disk_key,
        .write = how->write,
    };
    VdOptions *opts;

    if (!vs_target_need_vm(how->target,
                           "hosts let in for disks of machines only", error) ||
        !take_port(how->said, &access.port, error))
        return NULL;
    opts = vd_options_new();
    attachment->tickets = vs_disk_tickets_new(how->session_name, &access);
    vd_options_set(opts, "driver", "nfc");
    vd_options_set(opts, "path", how->target->file);
    vd_options_set(opts, "tls", tls);
    vd_options_set(opts, "ticket-source",
                   vd_ticket_source_name(attachment->tickets));
    return opts;
}

static VdOptions *
prepare_nbdssl(const VsPrepare *how, VsAttachment *attachment, GError **error)
{
    return prepare_nfc(how, "on", attachment, error);
}

static VdOptions *
prepare_nbd(const VsPrepare *how, VsAttachment *attachment, GError **error)
{
    return prepare_nfc(how, "off", attachment, error);
}

/* -- all of them ------------------------------------------------------------
 */

const VsTransport vs_transports[] = {
    {"san", "san", "file.file", vs_san_prepare, vs_san_co_check},
    {"hotadd", "hotadd", "file", prepare_hotadd, NULL},
    {"nbdssl", "nfc", "file", prepare_nbdssl, NULL},
    {"nbd", "nfc", "file", prepare_nbd, NULL},
    {"folder", "https", "file.file", vs_folder_prepare, NULL},
    {"lease", "https", "file.file", vs_export_prepare, NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

const VsTransport *
vs_transport_find(const char *name)
{
    for (const VsTransport *t = vs_transports; t->name; t++)
        if (strcmp(t->name, name) == 0)
            return t;
    return NULL;
}

VdOptions *
vs_transport_said(const VdOptions *all_said, const char *driver)
{
    g_autoptr(VdOptions) all = vd_options_copy(all_said);

    return vd_options_take_sub(all, driver);
}

void
vs_transport_move_below(VdOptions *to, const char *prefix, VdOptions *from)
{
    const char *first;

    while ((first = vd_options_first(from))) {
        g_autofree char *key = g_strdup(first);
        g_autofree char *below = g_strconcat(prefix, ".", key, NULL);
        g_autofree char *value = NULL;

        vd_options_take_string(from, key, &value);
        vd_options_set(to, below, value);
    }
}

bool
vs_transport_release(VsAttachment *attachment, GError **error)
{
    VsHotadd *hotadd = g_steal_pointer(&attachment->hotadd);

    if (attachment->tickets)
        vd_ticket_source_close(attachment->tickets);
    attachment->tickets = NULL;
    vs_lease_abort(g_steal_pointer(&attachment->lease));
    g_clear_pointer(&attachment->volume, vs_san_volume_free);
    return !hotadd || vs_hotadd_detach(hotadd, error);
}
