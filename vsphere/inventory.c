/* SPDX-License-Identifier: BSD-3-Clause */
/* vsphere/inventory.c - finding things in the inventory.
 *
 * Concurrency: no state.
 */
#include "vsphere/inventory.h"

#include "block/error.h"
#include "vsphere/disks.h"
#include "vsphere/properties.h"
#include "vsphere/reply.h"
#include "vsphere/request.h"
#include "vsphere/vmx-spec.h"

#include <string.h>

/* Folders within one another. */
#define MAX_DEPTH 100u
/* Folders of datacenters. */
#define MAX_FOLDERS 1000u

/* -- searching --------------------------------------------------------------
 */

/* NULL without @error = nothing was found. */
static VsRef *
search(VsSession *session, VsRequest *request, GError **error)
{
    g_autoptr(VsReply) reply = vs_session_call(session, request, error);

    return reply ? vs_ref_from_xml(vs_reply_value(reply)) : NULL;
}

static VsRequest *
search_request(VsSession *session, const char *op, GError **error)
{
    const VsRef *index = vs_session_need_service(session, "searchIndex", error);

    return index ? vs_request_new(op, index) : NULL;
}

/* Takes @found into *@only; false if there is another one already. */
static bool
take_only(VsSession *session, VsRef **only, VsRef *found, const char *what,
          GError **error)
{
    bool same = !found || vs_ref_equal(*only, found);

    if (!*only) {
        *only = found;
        return true;
    }
    vs_ref_free(found);
    return same || vd_throw(error, VD_ERROR_INVALID_ARGUMENT,
                            "%s: more than one virtual machine is '%s'",
                            vs_session_name(session), what);
}

VsRef *
vs_inventory_find_vm_by_uuid(VsSession *session, const char *uuid,
                             bool instance, GError **error)
{
    VsRequest *request = search_request(session, "FindAllByUuid", error);
    g_autoptr(VsReply) reply = NULL;
    g_autoptr(VsRef) only = NULL;

    if (!request)
        return NULL;
    vs_request_text(request, "uuid", uuid);
    vs_request_bool(request, "vmSearch", true);
    vs_request_bool(request, "instanceUuid", instance);
    reply = vs_session_call(session, request, error);
    if (!reply)
        return NULL;
    for (const VsXml *e = vs_reply_value(reply); e; e = vs_xml_next(e))
        if (!take_only(session, &only, vs_ref_from_xml(e), uuid, error))
            return NULL;
    return g_steal_pointer(&only);
}

VsRef *
vs_inventory_find_path(VsSession *session, const char *path, GError **error)
{
    VsRequest *request = search_request(session, "FindByInventoryPath", error);

    if (!request)
        return NULL;
    while (*path == '/')
        path++;
    vs_request_text(request, "inventoryPath", path);
    return search(session, request, error);
}

static VsRef *
find_by_file(VsSession *session, const VsRef *datacenter, const char *file,
             GError **error)
{
    VsRequest *request = search_request(session, "FindByDatastorePath", error);

    if (!request)
        return NULL;
    vs_request_ref(request, "datacenter", datacenter);
    vs_request_text(request, "path", file);
    return search(session, request, error);
}

/* -- datacenters ------------------------------------------------------------
 */

static GPtrArray *
refs_new(void)
{
    return g_ptr_array_new_with_free_func((GDestroyNotify) vs_ref_free);
}

/* What is in @folder, as far as it is one of these. */
static bool
list_folder(VsSession *session, const VsRef *folder, GPtrArray *folders,
            GPtrArray *datacenters, GError **error)
{
    static const char *const paths[] = {"childEntity", NULL};
    g_autoptr(VsProperties) properties =
        vs_properties_fetch(session, folder, paths, error);
    const VsXml *list =
        properties ? vs_properties_get(properties, "childEntity") : NULL;

    for (const VsXml *e = list ? list->first : NULL; e; e = e->next) {
        VsRef *ref = vs_ref_from_xml(e);

        if (ref && strcmp(ref->type, "Datacenter") == 0)
            g_ptr_array_add(datacenters, ref);
        else if (ref && strcmp(ref->type, "Folder") == 0)
            g_ptr_array_add(folders, ref);
        else
            vs_ref_free(ref);
    }
    return properties != NULL;
}

/* All that there are; hosts have one. */
static GPtrArray *
all_datacenters(VsSession *session, GError **error)
{
    const VsRef *root = vs_session_need_service(session, "rootFolder", error);
    g_autoptr(GPtrArray) folders = refs_new();
    g_autoptr(GPtrArray) found = refs_new();

    if (!root)
        return NULL;
    g_ptr_array_add(folders, vs_ref_copy(root));
    for (unsigned i = 0; i < folders->len; i++) {
        if (i == MAX_FOLDERS)
            return vd_throw_null(error, VD_ERROR_LIMIT,
                                 "%s: more than %u folders of datacenters",
                                 vs_session_name(session), MAX_FOLDERS);
        if (!list_folder(session, g_ptr_array_index(folders, i), folders, found,
                         error))
            return NULL;
    }
    return g_steal_pointer(&found);
}

/* One step up from *@ref, whose name goes before @path. */
static bool
step_up(VsSession *session, VsRef **ref, GString *path, GError **error)
{
    static const char *const paths[] = {"name", "parent", NULL};
    g_autoptr(VsProperties) p =
        vs_properties_fetch(session, *ref, paths, error);
    const char *name;

    if (!p)
        return false;
    name = vs_properties_text(p, "name");
    if (path->len > 0)
        g_string_prepend_c(path, '/');
    g_string_prepend(path, name ? name : "");
    vs_ref_free(*ref);
    *ref = vs_properties_ref(p, "parent");
    return true;
}

static VsRef *
in_no_datacenter(VsSession *session, const VsRef *object, GError **error)
{
    return vd_throw_null(error, VD_ERROR_NOT_FOUND,
                         "%s: %s %s is in no datacenter",
                         vs_session_name(session), object->type, object->value);
}

/* A machine in a vApp has no folder, but a resource pool. */
static VsRef *
pool_of(VsSession *session, const VsRef *vm, GError **error)
{
    static const char *const paths[] = {"parent", "resourcePool", NULL};
    g_autoptr(VsProperties) p = vs_properties_fetch(session, vm, paths, error);
    VsRef *pool;

    if (!p)
        return NULL;
    if (vs_properties_get(p, "parent"))
        return vs_ref_copy(vm);
    pool = vs_properties_ref(p, "resourcePool");
    return pool ? pool : in_no_datacenter(session, vm, error);
}

static VsRef *
climb_to_datacenter(VsSession *session, const VsRef *object, VsRef **at,
                    GError **error)
{
    g_autoptr(GString) passed = g_string_new(NULL);

    for (unsigned depth = 0; *at && depth < MAX_DEPTH; depth++) {
        if (strcmp((*at)->type, "Datacenter") == 0)
            return vs_ref_copy(*at);
        if (!step_up(session, at, passed, error))
            return NULL;
    }
    return in_no_datacenter(session, object, error);
}

/* Names from below the root folder to the datacenter *@at. */
static char *
climb_to_root(VsSession *session, VsRef **at, GError **error)
{
    const VsRef *root = vs_session_service(session, "rootFolder");
    g_autoptr(GString) path = g_string_new(NULL);

    for (unsigned depth = 0; *at && depth < MAX_DEPTH; depth++) {
        if (vs_ref_equal(*at, root))
            break;
        if (!step_up(session, at, path, error))
            return NULL;
    }
    return g_strdup(path->str);
}

VsRef *
vs_inventory_datacenter_of(VsSession *session, const VsRef *object, char **path,
                           GError **error)
{
    g_autoptr(VsRef) at = NULL;
    g_autoptr(VsRef) datacenter = NULL;

    if (path)
        *path = NULL;
    if (!vs_session_is_vcenter(session))
        return NULL;
    at = strcmp(object->type, "VirtualMachine") == 0
             ? pool_of(session, object, error)
             : vs_ref_copy(object);
    if (!at)
        return NULL;
    datacenter = climb_to_datacenter(session, object, &at, error);
    if (!datacenter)
        return NULL;
    if (path) {
        *path = climb_to_root(session, &at, error);
        if (!*path)
            return NULL;
    }
    return g_steal_pointer(&datacenter);
}

VsRef *
vs_inventory_datacenter_above(VsSession *session, const VsRef *object,
                              GError **error)
{
    g_autoptr(VsRef) at = vs_ref_copy(object);

    return climb_to_datacenter(session, object, &at, error);
}

VsRef *
vs_inventory_find_datastore(VsSession *session, const VsRef *owner,
                            const char *name, GError **error)
{
    static const char *const list_paths[] = {"datastore", NULL};
    static const char *const name_paths[] = {"name", NULL};
    g_autoptr(VsProperties) p =
        vs_properties_fetch(session, owner, list_paths, error);
    g_autoptr(VsProperties) names = NULL;
    g_autoptr(GPtrArray) refs = refs_new();
    const VsXml *list = p ? vs_properties_get(p, "datastore") : NULL;

    for (const VsXml *e = list ? list->first : NULL; e; e = e->next) {
        VsRef *ref = vs_ref_from_xml(e);

        if (ref)
            g_ptr_array_add(refs, ref);
    }
    if (p)
        names = vs_properties_fetch_many(session, refs, name_paths, error);
    if (!names)
        return NULL;
    for (unsigned i = 0; i < vs_properties_count(names); i++) {
        const VsXml *value = vs_properties_get_nth(names, i, "name");

        if (value && strcmp(value->text, name) == 0)
            return vs_ref_copy(vs_properties_object(names, i));
    }
    return vd_throw_null(error, VD_ERROR_NOT_FOUND,
                         "%s: there is no datastore '%s'",
                         vs_session_name(session), name);
}

/* -- virtual machines -------------------------------------------------------
 */

typedef struct {
    VsSession *session;
    const char *spec;
    GError **error;
} Find;

static VsRef *
not_found(const Find *find)
{
    if (find->error && *find->error)
        return NULL;
    return vd_throw_null(find->error, VD_ERROR_VM_NOT_FOUND,
                         "%s: there is no virtual machine '%s'",
                         vs_session_name(find->session), find->spec);
}

/* Datacenters may call different datastores the same. */
static VsRef *
find_in_all(Find *find, const char *file)
{
    g_autoptr(GPtrArray) datacenters =
        all_datacenters(find->session, find->error);
    g_autoptr(VsRef) only = NULL;

    for (unsigned i = 0; datacenters && i < datacenters->len; i++) {
        g_autoptr(GError) cause = NULL;
        VsRef *vm = find_by_file(
            find->session, g_ptr_array_index(datacenters, i), file, &cause);

        if (cause && vd_error_is(cause, VD_ERROR_INVALID_NAME))
            continue; /* it has no such datastore */
        if (cause || !take_only(find->session, &only, vm, file, &cause)) {
            g_propagate_error(find->error, g_steal_pointer(&cause));
            return NULL;
        }
    }
    return g_steal_pointer(&only);
}

static VsRef *
find_by_vmx(Find *find)
{
    g_autofree char *folder = NULL;
    g_autofree char *file = vs_vmx_spec_parse(find->spec, &folder);
    g_autoptr(VsRef) datacenter = NULL;

    if (*file != '[')
        return vd_throw_null(find->error, VD_ERROR_INVALID_ARGUMENT,
                             "'%s' names no datastore", find->spec);
    if (!folder)
        return find_in_all(find, file);
    datacenter = vs_inventory_find_path(find->session, folder, find->error);
    return datacenter
               ? find_by_file(find->session, datacenter, file, find->error)
               : NULL;
}

static VsRef *
find_any(Find *find)
{
    static const char *const ids[] = {"moref=", "moid=", NULL};
    const char *spec = find->spec;

    for (const char *const *id = ids; *id; id++)
        if (g_ascii_strncasecmp(spec, *id, strlen(*id)) == 0)
            return spec[strlen(*id)]
                       ? vs_ref_new("VirtualMachine", spec + strlen(*id))
                       : NULL;
    if (g_ascii_strncasecmp(spec, "uuid=", 5) == 0)
        return vs_inventory_find_vm_by_uuid(find->session, spec + 5, false,
                                            find->error);
    if (g_ascii_strncasecmp(spec, "instanceuuid=", 13) == 0)
        return vs_inventory_find_vm_by_uuid(find->session, spec + 13, true,
                                            find->error);
    if (vs_is_vmx_spec(spec))
        return find_by_vmx(find);
    return vs_inventory_find_path(find->session, spec, find->error);
}

VsRef *
vs_inventory_find_vm(VsSession *session, const char *spec, GError **error)
{
    g_autoptr(GError) cause = NULL;
    Find find = {.session = session, .spec = spec, .error = &cause};
    VsRef *vm = find_any(&find);

    if (vm && strcmp(vm->type, "VirtualMachine") != 0)
        g_clear_pointer(&vm, vs_ref_free);
    if (!vm) {
        (void) not_found(&find);
        g_propagate_error(error, g_steal_pointer(&cause));
    }
    return vm;
}
