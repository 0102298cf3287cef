/* SPDX-License-Identifier: BSD-3-Clause */
/* vsphere/transports.c - ways on which the bytes of a disk come here.
 *
 * Concurrency: no state.
 */
#include "vsphere/transports.h"

#include "block/error.h"

#include <string.h>

/* -- over the network -------------------------------------------------------
 */

static VdOptions *
prepare_nfc(const char *session_name, const VsTarget *target, bool write,
            const char *tls, VsAttachment *attachment)
{
    const VsDiskAccess access = {
        .vm = target->vm,
        .host = target->host,
        .disk_key = target->disk_key,
        .write = write,
    };
    VdOptions *opts = vd_options_new();

    attachment->tickets = vs_ticket_source_new(session_name, &access);
    vd_options_set(opts, "driver", "nfc");
    vd_options_set(opts, "path", target->file);
    vd_options_set(opts, "tls", tls);
    vd_options_set(opts, "ticket-source",
                   vd_ticket_source_name(attachment->tickets));
    return opts;
}

static VdOptions *
prepare_nbdssl(VsSession *session, const char *session_name,
               const VsTarget *target, bool write, VsAttachment *attachment,
               GError **error)
{
    return prepare_nfc(session_name, target, write, "on", attachment);
}

static VdOptions *
prepare_nbd(VsSession *session, const char *session_name,
            const VsTarget *target, bool write, VsAttachment *attachment,
            GError **error)
{
    return prepare_nfc(session_name, target, write, "off", attachment);
}

/* -- all of them ------------------------------------------------------------
 */

const VsTransport vs_transports[] = {
    {"nbdssl", prepare_nbdssl},
    {"nbd", prepare_nbd},
    {NULL, NULL},
};

const VsTransport *
vs_transport_find(const char *name)
{
    for (const VsTransport *t = vs_transports; t->name; t++)
        if (strcmp(t->name, name) == 0)
            return t;
    return NULL;
}

bool
vs_transport_release(VsAttachment *attachment, GError **error)
{
    if (attachment->tickets)
        vd_ticket_source_close(attachment->tickets);
    attachment->tickets = NULL;
    return true;
}
