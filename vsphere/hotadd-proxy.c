/* SPDX-License-Identifier: BSD-3-Clause */
/* vsphere/hotadd-proxy.c - the virtual machine that we run in, as the server
 * knows it.
 *
 * Concurrency: as vsphere/session.h.
 */
#include "vsphere/hotadd-proxy.h"

#include "block/error.h"
#include "vsphere/hotadd-self.h"
#include "vsphere/inventory.h"
#include "vsphere/properties.h"
#include "vsphere/reply.h"
#include "vsphere/scsi-list.h"

#include <string.h>

#define SETTLE_LOOKS 600
#define SETTLE_PAUSE_US (G_USEC_PER_SEC / 5)
#define MAX_SLOT 0xffff

/* -- who we are ------------------------------------------------------------ */

VsRef *
vs_hotadd_find_proxy(VsSession *session, const char *root, GError **error)
{
    g_auto(GStrv) uuids = vs_hotadd_own_uuids(root, error);

    if (!uuids)
        return NULL;
    for (unsigned instance = 0; instance < 2; instance++) {
        for (char **uuid = uuids; *uuid; uuid++) {
            g_autoptr(GError) problem = NULL;
            VsRef *vm = vs_inventory_find_vm_by_uuid(session, *uuid, instance,
                                                     &problem);

            if (vm)
                return vm;
            if (problem) {
                g_propagate_error(error, g_steal_pointer(&problem));
                return NULL;
            }
        }
    }
    return vd_throw_null(error, VD_ERROR_VM_NOT_FOUND,
                         "%s: does not know the machine that we run in (%s)",
                         vs_session_name(session), uuids[0]);
}

/* -- its controllers ------------------------------------------------------- */

static char *
extra_config(VsSession *session, const VsRef *vm, const char *key)
{
    static const char *const paths[] = {"config.extraConfig", NULL};
    g_autoptr(VsProperties) properties =
        vs_properties_fetch(session, vm, paths, NULL);
    const VsXml *all =
        properties ? vs_properties_get(properties, paths[0]) : NULL;

    for (const VsXml *option = all ? all->first : NULL; option;
         option = option->next)
        if (g_strcmp0(vs_xml_text(option, "key"), key) == 0)
            return g_strdup(vs_xml_text(option, "value"));
    return NULL;
}

char *
vs_hotadd_pci_address(VsSession *session, const VsRef *proxy, int bus,
                      const char *root)
{
    g_autofree char *key = g_strdup_printf("scsi%d.pciSlotNumber", bus);
    g_autofree char *value = extra_config(session, proxy, key);
    guint64 slot;

    if (!value ||
        !g_ascii_string_to_unsigned(value, 10, 0, MAX_SLOT, &slot, NULL))
        return NULL;
    return vs_scsi_slot_address(root, (unsigned) slot);
}

/* -- what is going on with it ---------------------------------------------- */

static GPtrArray *
recent_tasks(VsSession *session, const VsRef *vm, GError **error)
{
    static const char *const paths[] = {"recentTask", NULL};
    g_autoptr(VsProperties) properties =
        vs_properties_fetch(session, vm, paths, error);
    const VsXml *all =
        properties ? vs_properties_get(properties, paths[0]) : NULL;
    GPtrArray *tasks;

    if (!properties)
        return NULL;
    tasks = g_ptr_array_new_with_free_func((GDestroyNotify) vs_ref_free);
    for (const VsXml *e = all ? all->first : NULL; e; e = e->next) {
        VsRef *task = vs_ref_from_xml(e);

        if (task)
            g_ptr_array_add(tasks, task);
    }
    return tasks;
}

/* A task that the server has forgotten meanwhile is over, too; what nobody can
 * be asked about need not be. */
static bool
look_at_task(VsSession *session, const VsRef *task, bool *running,
             GError **error)
{
    static const char *const paths[] = {"info.state", NULL};
    g_autoptr(GError) cause = NULL;
    g_autoptr(VsProperties) properties =
        vs_properties_fetch(session, task, paths, &cause);
    const char *state =
        properties ? vs_properties_text(properties, paths[0]) : NULL;

    *running = state && (!strcmp(state, "running") || !strcmp(state, "queued"));
    if (properties || vd_error_is(cause, VD_ERROR_NOT_FOUND))
        return true;
    g_propagate_error(error, g_steal_pointer(&cause));
    return false;
}

/* *@busy: one of its tasks is running. */
static bool
look_at_tasks(VsSession *session, const VsRef *proxy, bool *busy,
              GError **error)
{
    g_autoptr(GPtrArray) tasks = recent_tasks(session, proxy, error);

    *busy = false;
    for (guint i = 0; tasks && i < tasks->len && !*busy; i++)
        if (!look_at_task(session, tasks->pdata[i], busy, error))
            return false;
    return tasks != NULL;
}

bool
vs_hotadd_settle(VsSession *session, const VsRef *proxy, GError **error)
{
    for (unsigned look = 0; look < SETTLE_LOOKS; look++) {
        bool busy;

        if (!look_at_tasks(session, proxy, &busy, error))
            return false;
        if (!busy)
            return true;
        g_usleep(SETTLE_PAUSE_US);
    }
    return vd_throw(error, VD_ERROR_BUSY,
                    "%s: something is going on with the machine that we run "
                    "in, and does not end",
                    vs_session_name(session));
}
