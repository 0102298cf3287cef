/* SPDX-License-Identifier: BSD-3-Clause */
/* vix/context.c - contexts as the configuration wants them.
 *
 * Concurrency: any thread.
 */
#include "vix/config.h"
#include "vix/disk.h"
#include "vix/error.h"
#include "vix/log.h"

/* Hints about odd disks are no failures: to the log. */
static void
context_warn(const char *message, void *opaque)
{
    vix_log("%s", message);
}

VdContext *
vix_context_new(const char *function, VixError *err)
{
    VdContextParams params = {
        .engine = vix_config_engine(),
        .allow_any_path = vix_config_any_path(),
        .lock_wait_ms = vix_config_lock_wait_ms(),
        .warn = context_warn,
    };
    g_autoptr(GError) error = NULL;
    VdContext *ctx = vd_context_new(&params, &error);

    if (!ctx)
        *err =
            vix_fail_disk_as(VIX_E_DISK_SUBSYSTEM_INIT_FAIL, function, error);
    return ctx;
}
