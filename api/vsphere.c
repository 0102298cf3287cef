/* SPDX-License-Identifier: BSD-3-Clause */
/* api/vsphere.c - sessions with vCenter and ESXi; disks of virtual machines.
 *
 * Concurrency: any thread; calls of a session wait for each other.
 */
#include "api/vsphere.h"

#include "api/disk.h"
#include "io/http.h"
#include "vsphere/driver.h"
#include "vsphere/inventory.h"
#include "vsphere/password.h"
#include "vsphere/xml.h"

#include <string.h>

const char *
vd_vsphere_missing(void)
{
    const char *why = vio_http_missing();

    return why != NULL ? why : vs_xml_missing();
}

/* -- sessions ------------------------------------------------------------- */

static VsSession *
session_open(const VdVsphereParams *params, const char *password,
             GError **error)
{
    const VsSessionParams how = {
        .server = params->server,
        .port = params->port,
        .user = params->user,
        .password = password,
        .cookie = params->session_id,
        .thumbprint = params->thumbprint,
        .ca_file = params->ca_file,
        .insecure = params->insecure,
        .proxy = params->proxy,
        .timeout_ms = params->timeout_ms,
    };

    return vs_session_open(&how, error);
}

VdVsphere *
vd_vsphere_connect(const VdVsphereParams *params, GError **error)
{
    bool find = params->password == NULL &&
                (params->password_file != NULL || params->password_env != NULL);
    char *found =
        find ? vs_password_find(params->password_file, params->password_env,
                                params->server, error)
             : NULL;
    VsSession *session = NULL;
    VdVsphere *vsphere;

    if (found != NULL || !find)
        session = session_open(params, find ? found : params->password, error);
    vs_wipe(found);
    if (session == NULL)
        return NULL;
    vsphere = g_new(VdVsphere, 1);
    *vsphere = (VdVsphere){
        .session = session,
        .name = vs_session_publish(session),
    };
    return vsphere;
}

void
vd_vsphere_disconnect(VdVsphere *vsphere)
{
    if (vsphere == NULL)
        return;
    vs_session_forget(vsphere->name);
    vs_session_unref(vsphere->session);
    g_free(vsphere->name);
    g_free(vsphere);
}

bool
vd_vsphere_is_vcenter(const VdVsphere *vsphere)
{
    return vs_session_is_vcenter(vsphere->session);
}

const char *
vd_vsphere_product(const VdVsphere *vsphere)
{
    return vs_session_product(vsphere->session);
}

VsRef *
vd_vsphere_find_vm(VdVsphere *vsphere, const char *vm, GError **error)
{
    return vs_inventory_find_vm(vsphere->session, vm, error);
}

/* -- disks ---------------------------------------------------------------- */

/* As a JSON string. */
static void
add_string(GString *text, const char *value)
{
    g_string_append_c(text, '"');
    for (; *value != '\0'; value++) {
        if (*value == '"' || *value == '\\')
            g_string_append_c(text, '\\');
        if ((unsigned char) *value < 0x20)
            g_string_append_printf(text, "\\u%04x", *value);
        else
            g_string_append_c(text, *value);
    }
    g_string_append_c(text, '"');
}

static void
add_option(GString *text, const char *key, const char *value)
{
    if (value == NULL)
        return;
    g_string_append_c(text, ',');
    add_string(text, key);
    g_string_append_c(text, ':');
    add_string(text, value);
}

/* "KEY=VALUE,..." of the caller's. */
static bool
add_options(GString *text, const char *options, GError **error)
{
    g_autoptr(VdOptions) opts = vd_options_new();
    const char *first;

    if (options == NULL || *options == '\0')
        return true;
    if (!vd_options_parse(opts, options, error))
        return false;
    while ((first = vd_options_first(opts)) != NULL) {
        g_autofree char *key = g_strdup(first);
        g_autofree char *value = NULL;

        vd_options_take_string(opts, key, &value);
        add_option(text, key, value);
    }
    return true;
}

char *
vd_vsphere_disk_name(const VdVsphere *vsphere, const VdVsphereDisk *disk,
                     const char *options, GError **error)
{
    g_autoptr(GString) text = g_string_new("json:{\"driver\":\"vsphere\"");

    add_option(text, "session", vsphere->name);
    add_option(text, "vm", disk->vm);
    add_option(text, "snapshot", disk->snapshot);
    add_option(text, "disk", disk->disk);
    add_option(text, "fcd", disk->fcd);
    add_option(text, "fcd-datastore", disk->fcd_datastore);
    add_option(text, "transports", disk->transports);
    if (!add_options(text, options, error))
        return NULL;
    g_string_append_c(text, '}');
    return g_strdup(text->str);
}

void
vd_vsphere_lend(VdVsphere *vsphere, const char *name)
{
    vs_session_lend(vsphere->name, name);
}

const char *
vd_vsphere_disk_transport(VdDisk *disk)
{
    VdNode *node = disk->node;

    while (node != NULL && vd_node_driver(node) != &vd_vsphere_driver)
        node = vd_node_file(node);
    return node != NULL ? vs_driver_transport(node) : NULL;
}
