/* SPDX-License-Identifier: BSD-3-Clause */
/* vsphere/import-place.c - where in the inventory a new machine is to be.
 *
 * A machine needs a folder, a datastore and a resource pool.  The first two are
 * said; the third is known by the hosts that have the datastore, unless they
 * belong to several clusters.
 *
 * Concurrency: no state.
 */
#include "vsphere/import.h"

#include "block/error.h"
#include "vsphere/inventory.h"
#include "vsphere/properties.h"
#include "vsphere/reply.h"

#include <string.h>

/* Hosts of a datastore that are looked at. */
#define MAX_HOSTS 4096u

/* -- words ------------------------------------------------------------------
 */

bool
vs_import_spec_take(VsImportSpec *spec, VdOptions *opts, GError **error)
{
    vd_options_take_string(opts, "new-vm", &spec->vm);
    vd_options_take_string(opts, "datastore", &spec->datastore);
    vd_options_take_string(opts, "pool", &spec->pool);
    if (!spec->vm || !spec->datastore)
        return vd_throw(error, VD_ERROR_INVALID_ARGUMENT,
                        "A new virtual machine needs both 'new-vm', its place "
                        "in the inventory, and a 'datastore'");
    return true;
}

void
vs_import_spec_clear(VsImportSpec *spec)
{
    g_free(spec->vm);
    g_free(spec->datastore);
    g_free(spec->pool);
}

void
vs_import_place_free(VsImportPlace *place)
{
    if (!place)
        return;
    g_free(place->name);
    g_free(place->datastore);
    vs_ref_free(place->folder);
    vs_ref_free(place->pool);
    vs_ref_free(place->host);
    g_free(place);
}

/* -- resource pools ---------------------------------------------------------
 */

static VsRef *
fetch_ref(VsSession *session, const VsRef *object, const char *property,
          GError **error)
{
    const char *const paths[] = {property, NULL};
    g_autoptr(VsProperties) p =
        vs_properties_fetch(session, object, paths, error);
    VsRef *ref = p ? vs_properties_ref(p, property) : NULL;

    if (p && !ref)
        (void) vd_throw(error, VD_ERROR_NOT_FOUND, "%s: %s %s has no %s",
                        vs_session_name(session), object->type, object->value,
                        property);
    return ref;
}

/* That of the cluster, or lone host, which @host is in. */
static bool
take_host(VsSession *session, VsImportPlace *place, const VsRef *host,
          GError **error)
{
    g_autoptr(VsRef) parent = fetch_ref(session, host, "parent", error);

    place->pool =
        parent ? fetch_ref(session, parent, "resourcePool", error) : NULL;
    place->host = vs_ref_copy(host);
    return place->pool != NULL;
}

/* All hosts that have the datastore; VsRef. */
static GPtrArray *
hosts_of(VsSession *session, const VsRef *datastore, GError **error)
{
    static const char *const paths[] = {"host", NULL};
    g_autoptr(VsProperties) p =
        vs_properties_fetch(session, datastore, paths, error);
    const VsXml *list = p ? vs_properties_get(p, "host") : NULL;
    GPtrArray *hosts;

    if (!p)
        return NULL;
    hosts = g_ptr_array_new_with_free_func((GDestroyNotify) vs_ref_free);
    for (const VsXml *e = list ? list->first : NULL;
         e && hosts->len < MAX_HOSTS; e = e->next) {
        VsRef *host = vs_ref_from_xml(vs_xml_child(e, "key"));

        if (host)
            g_ptr_array_add(hosts, host);
    }
    return hosts;
}

/* What all @hosts belong to; NULL without @error = several, or nothing. */
static VsRef *
common_parent(VsSession *session, const GPtrArray *hosts, GError **error)
{
    static const char *const paths[] = {"parent", NULL};
    g_autoptr(VsProperties) p =
        hosts->len > 0 ? vs_properties_fetch_many(session, hosts, paths, error)
                       : NULL;
    g_autoptr(VsRef) common = NULL;

    for (unsigned i = 0; p && i < vs_properties_count(p); i++) {
        VsRef *parent = vs_ref_from_xml(vs_properties_get_nth(p, i, "parent"));
        bool other = !parent || (common && !vs_ref_equal(parent, common));

        if (common || other)
            vs_ref_free(parent);
        else
            common = parent;
        if (other)
            return NULL;
    }
    return g_steal_pointer(&common);
}

static bool
take_pool_of_datastore(VsSession *session, VsImportPlace *place,
                       const VsRef *datastore, GError **error)
{
    g_autoptr(GPtrArray) hosts = hosts_of(session, datastore, error);
    g_autoptr(GError) cause = NULL;
    g_autoptr(VsRef) parent = NULL;

    if (!hosts)
        return false;
    if (hosts->len == 1)
        return take_host(session, place, g_ptr_array_index(hosts, 0), error);
    parent = common_parent(session, hosts, &cause);
    if (parent) {
        place->pool = fetch_ref(session, parent, "resourcePool", error);
        return place->pool != NULL;
    }
    if (!cause)
        return vd_throw(error, VD_ERROR_INVALID_ARGUMENT,
                        "%s: datastore '%s' belongs to no single cluster: "
                        "'pool' has to tell where the machine is to run",
                        vs_session_name(session), place->datastore);
    g_propagate_error(error, g_steal_pointer(&cause));
    return false;
}

/* -- places in the inventory ------------------------------------------------
 */

static VsRef *
find(VsSession *session, const char *path, GError **error)
{
    g_autoptr(GError) cause = NULL;
    VsRef *ref = vs_inventory_find_path(session, path, &cause);

    if (ref)
        return ref;
    if (!cause)
        return vd_throw_null(error, VD_ERROR_NOT_FOUND,
                             "%s: there is no '%s' in the inventory",
                             vs_session_name(session), path);
    g_propagate_error(error, g_steal_pointer(&cause));
    return NULL;
}

static bool
is_a(const VsRef *ref, const char *const *types)
{
    return g_strv_contains(types, ref->type);
}

static bool
take_pool(VsSession *session, VsImportPlace *place, const char *path,
          GError **error)
{
    static const char *const pools[] = {"ResourcePool", "VirtualApp", NULL};
    static const char *const clusters[] = {"ComputeResource",
                                           "ClusterComputeResource", NULL};
    g_autoptr(VsRef) ref = find(session, path, error);

    if (!ref)
        return false;
    if (strcmp(ref->type, "HostSystem") == 0)
        return take_host(session, place, ref, error);
    if (is_a(ref, clusters))
        place->pool = fetch_ref(session, ref, "resourcePool", error);
    else if (is_a(ref, pools))
        place->pool = g_steal_pointer(&ref);
    else
        return vd_throw(error, VD_ERROR_INVALID_ARGUMENT,
                        "%s: '%s' is a %s, no resource pool, vApp, cluster or "
                        "host",
                        vs_session_name(session), path, ref->type);
    return place->pool != NULL;
}

/* "DC/vm/folder/name": the folder must be there, and nothing in it of that
 * name. */
static bool
take_folder(VsSession *session, VsImportPlace *place, const char *path,
            GError **error)
{
    const char *slash = strrchr(path, '/');
    g_autofree char *above =
        slash ? g_strndup(path, (gsize) (slash - path)) : NULL;
    g_autoptr(GError) cause = NULL;
    g_autoptr(VsRef) taken = NULL;

    if (!slash || slash == path || !slash[1])
        return vd_throw(error, VD_ERROR_INVALID_ARGUMENT,
                        "'%s' is no place for a virtual machine in the "
                        "inventory: DATACENTER/vm/NAME",
                        path);
    place->name = g_strdup(slash + 1);
    place->folder = find(session, above, error);
    if (!place->folder)
        return false;
    if (strcmp(place->folder->type, "Folder") != 0)
        return vd_throw(error, VD_ERROR_INVALID_ARGUMENT,
                        "%s: '%s' is a %s, no folder", vs_session_name(session),
                        above, place->folder->type);
    taken = vs_inventory_find_path(session, path, &cause);
    if (cause) {
        g_propagate_error(error, g_steal_pointer(&cause));
        return false;
    }
    return !taken || vd_throw(error, VD_ERROR_EXISTS, "%s: '%s' exists",
                              vs_session_name(session), path);
}

VsImportPlace *
vs_import_find_place(VsSession *session, const VsImportSpec *spec,
                     GError **error)
{
    g_autoptr(VsImportPlace) place = g_new0(VsImportPlace, 1);
    g_autoptr(VsRef) datacenter = NULL;
    g_autoptr(VsRef) datastore = NULL;

    place->datastore = g_strdup(spec->datastore);
    if (!take_folder(session, place, spec->vm, error))
        return NULL;
    datacenter = vs_inventory_datacenter_above(session, place->folder, error);
    if (!datacenter)
        return NULL;
    datastore = vs_inventory_find_datastore(session, datacenter,
                                            spec->datastore, error);
    if (!datastore)
        return NULL;
    if (spec->pool ? !take_pool(session, place, spec->pool, error)
                   : !take_pool_of_datastore(session, place, datastore, error))
        return NULL;
    return g_steal_pointer(&place);
}
