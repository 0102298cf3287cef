/* SPDX-License-Identifier: BSD-3-Clause */
/* api/vsphere-hotadd.c - disks that were left attached to this machine.
 *
 * Concurrency: as api/vsphere.c; other processes may do the same.
 */
#include "api/vsphere.h"

#include "vsphere/hotadd.h"

/* One a line. */
static void
add_reason(const char *message, void *opaque)
{
    GString *reasons = opaque;

    g_string_append_printf(reasons, "%s%s", reasons->len ? "\n" : "", message);
}

bool
vd_vsphere_cleanup(VdVsphere *vsphere, const char *tmp_dir, unsigned *cleaned,
                   unsigned *remaining, char **why, GError **error)
{
    g_autoptr(GString) reasons = g_string_new(NULL);
    const VsHotaddParams params = {
        .session = vsphere->session,
        .tmp_dir = tmp_dir,
        .warn = add_reason,
        .warn_opaque = reasons,
    };
    VsHotaddCounts counts;

    if (!vs_hotadd_cleanup(&params, &counts, error))
        return false;
    *cleaned = counts.cleaned;
    *remaining = counts.remaining;
    if (why)
        *why = reasons->len ? g_strdup(reasons->str) : NULL;
    return true;
}
