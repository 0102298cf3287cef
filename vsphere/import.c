/* SPDX-License-Identifier: BSD-3-Clause */
/* vsphere/import.c - machines that a server makes of a disk that is sent to it.
 *
 *   ImportVApp -> ready -> POST ... -> HttpNfcLeaseComplete
 *
 * The machine is the least that can have the disk: one processor, one
 * controller.  What else it is to be is its owner's business.
 *
 * Concurrency: no state.
 */
#include "vsphere/import.h"

#include "block/error.h"
#include "io/bytes.h"
#include "vsphere/request.h"

#include <inttypes.h>
#include <string.h>

#define GUEST "otherGuest64"
#define MEMORY_MB 1024
#define CONTROLLER "VirtualLsiLogicController"
#define CONTROLLER_KEY 1000
#define DISK_KEY (-1)
#define PLACE CONTROLLER "0:0"

#define SECTOR 512u
#define STREAM_VERSION 3u
#define STREAM_FLAGS 0x30000u /* compressed, behind markers */
#define MAX_SECTORS (UINT64_C(1) << 40)

/* -- the machine ------------------------------------------------------------
 */

static void
add_controller(VsRequest *request)
{
    vs_request_open(request, "deviceChange");
    vs_request_text(request, "operation", "add");
    vs_request_open_as(request, "device", CONTROLLER);
    vs_request_int(request, "key", CONTROLLER_KEY);
    vs_request_int(request, "busNumber", 0);
    vs_request_text(request, "sharedBus", "noSharing");
    vs_request_close(request);
    vs_request_close(request);
}

/* The server names the file. */
static void
add_disk(VsRequest *request, uint64_t capacity)
{
    vs_request_open(request, "deviceChange");
    vs_request_text(request, "operation", "add");
    vs_request_text(request, "fileOperation", "create");
    vs_request_open_as(request, "device", "VirtualDisk");
    vs_request_int(request, "key", DISK_KEY);
    vs_request_open_as(request, "backing", "VirtualDiskFlatVer2BackingInfo");
    vs_request_text(request, "fileName", "");
    vs_request_text(request, "diskMode", "persistent");
    vs_request_bool(request, "thinProvisioned", true);
    vs_request_close(request);
    vs_request_int(request, "controllerKey", CONTROLLER_KEY);
    vs_request_int(request, "unitNumber", 0);
    vs_request_int(request, "capacityInKB", (int64_t) (capacity / 1024));
    vs_request_close(request);
    vs_request_close(request);
}

static VsRequest *
import_request(const VsImportPlace *place, uint64_t capacity)
{
    VsRequest *request = vs_request_new("ImportVApp", place->pool);
    g_autofree char *files = g_strdup_printf("[%s]", place->datastore);

    vs_request_open_as(request, "spec", "VirtualMachineImportSpec");
    vs_request_open(request, "configSpec");
    vs_request_text(request, "name", place->name);
    vs_request_text(request, "guestId", GUEST);
    vs_request_open(request, "files");
    vs_request_text(request, "vmPathName", files);
    vs_request_close(request);
    vs_request_int(request, "numCPUs", 1);
    vs_request_int(request, "memoryMB", MEMORY_MB);
    add_controller(request);
    add_disk(request, capacity);
    vs_request_close(request);
    vs_request_close(request);
    vs_request_ref(request, "folder", place->folder);
    vs_request_ref(request, "host", place->host);
    return request;
}

VsLease *
vs_import_begin(VsSession *session, const VsImportPlace *place,
                uint64_t capacity, VioCancel *cancel, const VsLeaseDisk **disk,
                GError **error)
{
    VsLease *lease;

    if (capacity == 0 || capacity % 1024 != 0)
        return vd_throw_null(error, VD_ERROR_INVALID_ARGUMENT,
                             "%s: disks of servers consist of one KiB or more, "
                             "and of whole ones, not of %" PRIu64 " bytes",
                             vs_session_name(session), capacity);
    lease =
        vs_lease_open(session, import_request(place, capacity), cancel, error);
    if (!lease)
        return NULL;
    *disk = vs_lease_only_disk(lease, PLACE, error);
    if (*disk)
        return lease;
    vs_lease_abort(lease);
    return NULL;
}

/* -- streams ----------------------------------------------------------------
 * Source: "Virtual Disk Format 5.0" (VMware), Stream-Optimized Compressed
 * Sparse Extents. */

bool
vs_stream_capacity(const void *head, size_t len, uint64_t *capacity)
{
    const uint8_t *raw = head;
    uint64_t sectors;

    if (len < SECTOR || memcmp(raw, "KDMV", 4) != 0 ||
        vio_get_le32(raw + 4) != STREAM_VERSION ||
        (vio_get_le32(raw + 8) & STREAM_FLAGS) != STREAM_FLAGS)
        return false;
    sectors = vio_get_le64(raw + 12);
    *capacity = sectors * SECTOR;
    return sectors <= MAX_SECTORS;
}

bool
vs_stream_position(const void *data, size_t len, uint64_t capacity,
                   uint64_t *off)
{
    const uint8_t *raw = data;

    if (len < SECTOR || vio_get_le32(raw + 8) == 0)
        return false; /* a marker */
    if (vio_get_le64(raw) >= capacity / SECTOR)
        return false;
    *off = vio_get_le64(raw) * SECTOR;
    return true;
}
