/* SPDX-License-Identifier: BSD-3-Clause */
/* vsphere/scsi-find.c - which SCSI device is the disk that was just attached?
 *
 * Concurrency: looking is done on workers, waiting on the loop; no state.
 */
#include "vsphere/scsi-find.h"

#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "io/offload.h"
#include "io/op.h"

/* -- choosing -------------------------------------------------------------- */

static bool
is_new(const VsScsiDevice *device, const VsScsiWanted *wanted)
{
    return !vs_scsi_list_find(wanted->before, device->address);
}

/* Names of this kind tell disks apart; a serial number or what a vendor makes
 * up need not. */
static bool
has_foreign_name(const VsScsiDevice *device, const VsScsiWanted *wanted)
{
    for (guint i = 0; wanted->name && i < device->names->len; i++)
        if (g_str_has_prefix(device->names->pdata[i], "naa."))
            return true;
    return false;
}

static bool
is_named(const VsScsiDevice *device, const VsScsiWanted *wanted)
{
    const char *digits = wanted->name ? strchr(wanted->name, '.') : NULL;

    return digits && (vs_scsi_device_has_name(device, wanted->name) ||
                      g_strcmp0(device->serial, digits + 1) == 0);
}

/* Which of the ways leads to @device: 1 to 4, as above; 0 = none. */
static unsigned
way_to(const char *root, const VsScsiDevice *device, const VsScsiWanted *wanted)
{
    VsScsiPlace place;

    if (!is_new(device, wanted))
        return 0;
    if (is_named(device, wanted))
        return 1;
    if (has_foreign_name(device, wanted))
        return 0;
    place = wanted->pci_address
                ? vs_scsi_place(root, device, wanted->pci_address)
                : VS_SCSI_PLACE_UNKNOWN;
    if (place == VS_SCSI_PLACE_ELSEWHERE)
        return 0;
    if (device->target != wanted->unit)
        return wanted->sure ? 0 : 4;
    return place == VS_SCSI_PLACE_BELOW ? 2 : 3;
}

static VsScsiChoice
throw_several(const VsScsiDevice *a, const VsScsiDevice *b, GError **error)
{
    (void) vd_throw(error, VD_ERROR_REFUSED,
                    "SCSI devices %s (%s) and %s (%s) both look like the disk "
                    "that was attached",
                    a->address, a->block ? a->block : "no node", b->address,
                    b->block ? b->block : "no node");
    return VS_SCSI_FAILED;
}

/* By the kernel's own word: a device without a size has not been looked at by
 * it yet. */
static VsScsiChoice
judge(const VsScsiDevice *device, const VsScsiWanted *wanted, unsigned way,
      GError **error)
{
    if (!device->block || device->size == 0)
        return VS_SCSI_NOT_YET;
    if (device->size == wanted->size)
        return way < 4 ? VS_SCSI_FOUND : VS_SCSI_LIKELY;
    if (way == 4)
        return VS_SCSI_NOT_YET; /* somebody else's */
    (void) vd_throw(error, VD_ERROR_REFUSED,
                    "SCSI device %s (%s) is where the attached disk should be, "
                    "but has %" PRIu64 " bytes, not %" PRIu64,
                    device->address, device->block, device->size, wanted->size);
    return VS_SCSI_FAILED;
}

VsScsiChoice
vs_scsi_choose(const char *root, const GPtrArray *now,
               const VsScsiWanted *wanted, const VsScsiDevice **found,
               GError **error)
{
    const VsScsiDevice *best = NULL, *other = NULL;
    unsigned best_way = 0;

    for (guint i = 0; i < now->len; i++) {
        const VsScsiDevice *device = now->pdata[i];
        unsigned way = way_to(root, device, wanted);

        if (way == 0 || (best && way > best_way))
            continue;
        other = way == best_way ? device : NULL;
        if (!other)
            best = device;
        best_way = way;
    }
    if (!best)
        return VS_SCSI_NOT_YET;
    if (other && best_way == 4)
        return VS_SCSI_NOT_YET; /* one of them may show a name yet */
    if (other)
        return throw_several(best, other, error);
    *found = best;
    return judge(best, wanted, best_way, error);
}

/* -- waiting --------------------------------------------------------------- */

typedef struct {
    const VsScsiWait *wait;
    const VsScsiWanted *wanted;
    GHashTable *asked; /* hosts, to look for devices */
    char *likely;      /* the address of what the last look found likely */
    VsScsiChoice choice;
    VsScsiDevice *found;
    GPtrArray *seen; /* what the last look saw */
    GError *error;
} Look;

/* A node may be of a device that was called so before.  In the trees of tests
 * the number of a device may be missing, and what stands for it is none. */
static bool
has_node(const char *root, const VsScsiDevice *device)
{
    g_autofree char *path = vs_scsi_node_path(root, device->block);
    g_autofree char *number = vs_scsi_node_number(root, device->block);
    g_autofree char *found = NULL;
    struct stat st;

    if (stat(path, &st) != 0)
        return false;
    if (!number && root && *root)
        return true;
    found = g_strdup_printf("%u:%u", major(st.st_rdev), minor(st.st_rdev));
    return S_ISBLK(st.st_mode) && g_strcmp0(number, found) == 0;
}

/* What comes at their addresses is another device, or attached anew. */
static void
forget_gone(GPtrArray *before, const GPtrArray *now)
{
    for (guint i = before->len; i-- > 0;) {
        const VsScsiDevice *device = before->pdata[i];

        if (!vs_scsi_list_find(now, device->address))
            g_ptr_array_remove_index(before, i);
    }
}

/* What is only likely has to be so twice: before that, what makes another one
 * fit better may not have appeared yet. */
static bool
is_settled(Look *look, const VsScsiDevice *found)
{
    bool again = g_strcmp0(look->likely, found->address) == 0;

    if (look->choice == VS_SCSI_FOUND)
        return true;
    g_free(look->likely);
    look->likely = g_strdup(found->address);
    return again;
}

static VsScsiDevice *
take_out(GPtrArray *list, const VsScsiDevice *device)
{
    guint i;

    g_assert(g_ptr_array_find(list, device, &i));
    return g_ptr_array_steal_index(list, i);
}

static void
look_work(void *opaque)
{
    Look *look = opaque;
    const char *root = look->wait->root;
    const VsScsiDevice *found = NULL;

    g_clear_pointer(&look->seen, g_ptr_array_unref);
    vs_scsi_rescan(root, look->asked);
    look->seen = vs_scsi_list(root, &look->error);
    if (look->seen)
        forget_gone(look->wanted->before, look->seen);
    look->choice = look->seen ? vs_scsi_choose(root, look->seen, look->wanted,
                                               &found, &look->error)
                              : VS_SCSI_FAILED;
    if (look->choice > VS_SCSI_NOT_YET && has_node(root, found) &&
        is_settled(look, found))
        look->found = take_out(look->seen, found);
}

static char *
describe_new(const Look *look)
{
    g_autoptr(GString) text = g_string_new(NULL);

    for (guint i = 0; i < look->seen->len; i++) {
        const VsScsiDevice *device = look->seen->pdata[i];

        if (is_new(device, look->wanted))
            g_string_append_printf(text, "%s%s (%s, %" PRIu64 " bytes)",
                                   text->len ? ", " : "", device->address,
                                   device->block ? device->block : "no node",
                                   device->size);
    }
    return g_strdup(text->len ? text->str : "none");
}

static void
throw_missing(const Look *look, GError **error)
{
    g_autofree char *news = describe_new(look);

    (void) vd_throw(error, VD_ERROR_TIMED_OUT,
                    "the attached disk (target %u, %" PRIu64
                    " bytes%s%s) has not appeared as a SCSI device within "
                    "%" PRIu64 " s; new devices: %s",
                    look->wanted->unit, look->wanted->size,
                    look->wanted->name ? ", " : "",
                    look->wanted->name ? look->wanted->name : "",
                    look->wait->limit_ns / G_USEC_PER_SEC / 1000, news);
}

/* False when there is no time left, or with an error. */
static bool
scsi_co_pause(VioLoop *loop, const VsScsiWait *wait, uint64_t until,
              GError **error)
{
    uint64_t now = vio_now_ns();
    int r;

    if (now >= until)
        return false;
    r = vio_co_sleep(loop, MIN(wait->interval_ns, until - now), wait->cancel);
    return r == 0 ||
           vd_throw_errno(error, -r, "waiting for the kernel's SCSI devices");
}

VsScsiDevice *
vs_scsi_co_await(VioLoop *loop, const VsScsiWait *wait,
                 const VsScsiWanted *wanted, GError **error)
{
    uint64_t until = vio_now_ns() + wait->limit_ns;
    g_autoptr(GHashTable) asked =
        g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    Look look = {.wait = wait, .wanted = wanted, .asked = asked};

    do
        vio_co_offload(loop, look_work, &look);
    while (!look.found && !look.error &&
           scsi_co_pause(loop, wait, until, &look.error));
    if (!look.found && !look.error)
        throw_missing(&look, &look.error);
    if (look.error)
        g_propagate_error(error, look.error);
    g_clear_pointer(&look.seen, g_ptr_array_unref);
    g_free(look.likely);
    return look.found;
}

typedef struct {
    const char *root, *address;
    bool there;
} Presence;

static void
presence_work(void *opaque)
{
    Presence *p = opaque;

    p->there = vs_scsi_is_there(p->root, p->address);
}

bool
vs_scsi_co_await_end(VioLoop *loop, const VsScsiWait *wait, const char *address,
                     GError **error)
{
    uint64_t until = vio_now_ns() + wait->limit_ns;
    Presence p = {.root = wait->root, .address = address};
    GError *problem = NULL;

    do
        vio_co_offload(loop, presence_work, &p);
    while (p.there && scsi_co_pause(loop, wait, until, &problem));
    if (problem) {
        g_propagate_error(error, problem);
        return false;
    }
    return !p.there ||
           vd_throw(error, VD_ERROR_TIMED_OUT,
                    "SCSI device %s is still there %" PRIu64
                    " s after its disk was detached",
                    address, wait->limit_ns / G_USEC_PER_SEC / 1000);
}
