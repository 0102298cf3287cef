/* SPDX-License-Identifier: BSD-3-Clause */
/* vsphere/export.c - disks as streams that the server exports.
 *
 * The stream, a streamOptimized VMDK, comes once and in order, while formats
 * look everywhere: so the driver "https" downloads all of it to a nameless file
 * when the disk is opened.  Behind that nobody needs the lease any more.  For
 * who reads from the first byte to the last it is downloaded meanwhile.
 *
 *   ExportVm or ExportSnapshot -> ready -> GET ... -> HttpNfcLeaseComplete
 *
 * Whatever fails, or is stopped, before the end: HttpNfcLeaseAbort.  If the
 * server ends the lease before, that stops the download.
 *
 * Concurrency: no state.
 */
#include "vsphere/export.h"

#include "block/error.h"
#include "vsphere/lease.h"
#include "vsphere/request.h"
#include "vsphere/web.h"

#include <inttypes.h>

/* A stream is at most so much longer than the disk: records of what cannot be
 * compressed, tables. */
#define SLACK (UINT64_C(16) << 20)
#define SLACK_PART 8

static bool
check_target(const VsPrepare *how, GError **error)
{
    const VsTarget *target = how->target;

    if (how->write)
        return vd_throw(error, VD_ERROR_READ_ONLY,
                        "what a server exports is only read");
    if (!vs_target_need_vm(target, "servers export those of machines only",
                           error))
        return false;
    if (!target->on_top)
        return vd_throw(error, VD_ERROR_NOT_SUPPORTED,
                        "%s: other files build on it: a server exports disks "
                        "as they are, or as of a snapshot that is named",
                        target->file);
    return target->place != NULL ||
           vd_throw(error, VD_ERROR_NOT_SUPPORTED,
                    "%s: the disk is on no controller", target->file);
}

static VdOptions *
stream_options(const VsPrepare *how, VsAttachment *attachment,
               const VsLeaseDisk *disk)
{
    uint64_t capacity = how->target->capacity;
    g_autofree char *most =
        g_strdup_printf("%" PRIu64, capacity + capacity / SLACK_PART + SLACK);
    g_autofree char *name = vs_lease_shown(disk);
    const VsWebFile file = {
        .url = name,
        .secret_url = disk->url,
        .thumbprint = disk->thumbprint,
        .with_cookie = disk->on_server,
        .fate = vs_lease_fate(attachment->lease),
        .timeout = VS_LEASE_SILENCE_S,
    };
    VdOptions *opts;

    attachment->tickets = vs_web_tickets_new(how->session_name, &file);
    opts = vs_web_options(how->session, &file, attachment->tickets);
    vd_options_set(opts, "file.download", most);
    if (how->in_order)
        vd_options_set(opts, "in-order", "on");
    return opts;
}

VdOptions *
vs_export_prepare(const VsPrepare *how, VsAttachment *attachment,
                  GError **error)
{
    const VsTarget *target = how->target;
    VsRequest *request;
    const VsLeaseDisk *disk;

    if (!check_target(how, error))
        return NULL;
    request = target->snapshot
                  ? vs_request_new("ExportSnapshot", target->snapshot)
                  : vs_request_new("ExportVm", target->vm);
    attachment->lease =
        vs_lease_open(how->session, request, how->cancel, error);
    if (!attachment->lease)
        return NULL;
    disk = vs_lease_find_disk(attachment->lease, target->place, error);
    return disk ? stream_options(how, attachment, disk) : NULL;
}

bool
vs_export_check(const VsTarget *target, uint64_t size, GError **error)
{
    return size == target->capacity ||
           vd_throw(error, VD_ERROR_CORRUPT,
                    "%s: the server exports %" PRIu64
                    " bytes of a disk of %" PRIu64,
                    target->file, size, target->capacity);
}
