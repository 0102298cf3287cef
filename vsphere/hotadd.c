/* SPDX-License-Identifier: BSD-3-Clause */
/* vsphere/hotadd.c - what attaching, detaching and cleaning up have in common.
 *
 * Concurrency: an attached disk belongs to one coroutine at a time, and to a
 * worker while that waits for it.
 */
#include "vsphere/hotadd-internal.h"

#include <string.h>

#include "io/offload.h"
#include "vsphere/hotadd-proxy.h"
#include "vsphere/sys-file.h"

#define INTERVAL_NS (UINT64_C(500) * 1000 * 1000)
#define APPEAR_NS (UINT64_C(120) * 1000 * 1000 * 1000)
#define VANISH_NS (UINT64_C(60) * 1000 * 1000 * 1000)

static VsHotaddHook step_hook;

void
vs_hotadd_set_hook(VsHotaddHook hook)
{
    step_hook = hook;
}

void
vs_hotadd_at(const char *step)
{
    if (step_hook)
        step_hook(step);
}

/* -- life ------------------------------------------------------------------ */

VsHotadd *
vs_hotadd_new(const VsHotaddParams *params, GError **error)
{
    g_autoptr(VsHotadd) h = g_new0(VsHotadd, 1);
    g_autofree char *usual = NULL;

    h->session = vs_session_ref(params->session);
    h->root = g_strdup(params->root ? params->root : vs_sys_root());
    h->interval_ns = params->interval_ns ? params->interval_ns : INTERVAL_NS;
    h->appear_ns = params->appear_ns ? params->appear_ns : APPEAR_NS;
    h->vanish_ns = params->vanish_ns ? params->vanish_ns : VANISH_NS;
    h->warn = params->warn;
    h->warn_opaque = params->warn_opaque;
    h->warnings = g_ptr_array_new_with_free_func(g_free);
    h->proxy = vs_hotadd_find_proxy(h->session, h->root, error);
    if (!h->proxy)
        return NULL;
    usual = h->root ? vs_sys_path(h->root, "var/tmp", NULL) : NULL;
    h->dir =
        vs_hotadd_journal_dir(params->tmp_dir ? params->tmp_dir : usual, error);
    return h->dir ? g_steal_pointer(&h) : NULL;
}

void
vs_hotadd_free(VsHotadd *h)
{
    if (!h)
        return;
    vs_hotadd_entry_leave(h->entry);
    vs_hotadd_record_free(h->record);
    vs_scsi_device_free(h->device);
    vs_ref_free(h->proxy);
    vs_session_unref(h->session);
    g_ptr_array_unref(h->warnings);
    g_free(h->name);
    g_free(h->dir);
    g_free(h->root);
    g_free(h);
}

void
vs_hotadd_adopt(VsHotadd *h, VsHotaddFound *found)
{
    vs_hotadd_record_free(h->record);
    h->record = g_steal_pointer(&found->record);
    h->entry = g_steal_pointer(&found->entry);
}

VdOptions *
vs_hotadd_options(const VsHotadd *h)
{
    g_autofree char *node = vs_scsi_node_path(h->root, h->device->block);
    g_autofree char *size = g_strdup_printf("%" G_GUINT64_FORMAT, h->size);
    VdOptions *opts = vd_options_new();

    vd_options_set(opts, "driver", "hotadd");
    vd_options_set(opts, "size", size);
    vd_options_set(opts, "file.driver", "file");
    vd_options_set(opts, "file.filename", node);
    return opts;
}

/* -- the journal ----------------------------------------------------------- */

/* Whether @record is about our machine and this server. */
static bool
is_ours(const VsHotadd *h, const VsHotaddRecord *record)
{
    const char *instance = vs_session_instance(h->session);

    if (strcmp(record->proxy, h->proxy->value) != 0)
        return false;
    if (instance && record->instance)
        return strcmp(instance, record->instance) == 0;
    return strcmp(vs_session_name(h->session), record->server) == 0;
}

GPtrArray *
vs_hotadd_list_ours(VsHotadd *h, GError **error)
{
    GPtrArray *list = vs_hotadd_journal_list(h->dir, h->warnings, error);

    for (guint i = list ? list->len : 0; i-- > 0;) {
        const VsHotaddFound *found = list->pdata[i];

        if (!is_ours(h, found->record))
            g_ptr_array_remove_index(list, i);
    }
    return list;
}

/* -- workers --------------------------------------------------------------- */

static void
free_work(void *opaque)
{
    vs_hotadd_free(opaque);
}

void
vs_hotadd_co_free(VioLoop *loop, VsHotadd *h)
{
    vio_co_offload(loop, free_work, h);
}

/* -- warnings -------------------------------------------------------------- */

void
vs_hotadd_add_warning(VsHotadd *h, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    g_ptr_array_add(h->warnings, g_strdup_vprintf(format, args));
    va_end(args);
}

void
vs_hotadd_warn(VsHotadd *h)
{
    for (guint i = 0; h->warn && i < h->warnings->len; i++)
        h->warn(h->warnings->pdata[i], h->warn_opaque);
    g_ptr_array_set_size(h->warnings, 0);
}
