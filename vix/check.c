/* SPDX-License-Identifier: BSD-3-Clause */
/* vix/check.c - is a disk sound, and can it be made so?
 *
 * One link, its parents left alone.  Space that is lost is no damage.
 *
 * Concurrency: any thread; the disk is locked meanwhile.
 */
#include "vix/connection.h"
#include "vix/disk.h"
#include "vix/error.h"
#include "vix/live.h"
#include "vix/log.h"

typedef struct {
    const char *function, *path, *name;
    VdContext *ctx;
    bool is_stream;
    bool mending; /* it has been looked at, and is damaged */
} Check;

/* -- answers --------------------------------------------------------------- */

static void
log_findings(const Check *c, const VdCheckResult *result)
{
    for (unsigned i = 0; i < result->findings->len; i++) {
        const VdFinding *finding = result->findings->pdata[i];

        vix_log("%s: %s: %s at byte %" G_GUINT64_FORMAT ": %s", c->function,
                finding->file, finding->kind, finding->offset, finding->detail);
    }
}

/* A disk that needs repair is no failure of who looked, one that cannot be
 * repaired is. */
static VixError
judge(const Check *c, const VdCheckResult *result)
{
    uint64_t left = result->corruptions + result->check_errors;
    VixError code = c->mending ? VIX_E_DISK_CANTREPAIR : VIX_E_DISK_NEEDSREPAIR;

    log_findings(c, result);
    if (left == 0)
        return VIX_OK;
    return vix_fail(code,
                    "%s: %s: %" G_GUINT64_FORMAT
                    " errors; the log tells what they are",
                    c->function, c->path, left);
}

/* Damage beyond opening or checking: INVALIDDISK. */
static VixError
fail(const Check *c, const GError *error)
{
    bool beyond = g_error_matches(error, VD_ERROR, VD_ERROR_CORRUPT);

    if (c->mending &&
        (beyond || g_error_matches(error, VD_ERROR, VD_ERROR_NOT_SUPPORTED) ||
         g_error_matches(error, VD_ERROR, VD_ERROR_OUT_OF_RANGE)))
        return vix_fail_disk_as(VIX_E_DISK_CANTREPAIR, c->function, error);
    return beyond ? vix_fail_probe(c->function, error)
                  : vix_fail_disk(c->function, error);
}

/* -- one pass -------------------------------------------------------------- */

/* *@leaks: space that is lost. */
static VixError
check_disk(const Check *c, VdDisk *disk, unsigned repair, uint64_t *leaks)
{
    g_autoptr(GError) error = NULL;
    VdCheckParams params = {.repair = repair};
    VdCheckResult result = {0};
    VixError err;

    if (vd_disk_check(disk, &params, &result, &error))
        err = judge(c, &result);
    else
        err = fail(c, error);
    *leaks = result.leaks;
    vd_check_result_clear(&result);
    return err;
}

static VdDisk *
open_link(const Check *c, VdOpenFlags how, GError **error)
{
    return vd_disk_open(
        c->ctx, c->name, "vmdk", NULL,
        how | VD_OPEN_NO_PARENT | VD_OPEN_CHECK | vix_disk_lock_flags(), error);
}

static bool
is_stream(VdDisk *disk)
{
    g_autoptr(VdInfo) info = vd_disk_get_info(disk, NULL);
    const char *type = NULL;

    return info && info->specific &&
           g_variant_lookup(info->specific, "create-type", "&s", &type) &&
           !g_ascii_strcasecmp(type, "streamOptimized");
}

static VixError
look(Check *c, uint64_t *leaks)
{
    g_autoptr(GError) error = NULL;
    VdDisk *disk = open_link(c, 0, &error);
    VixError err;

    if (!disk)
        return fail(c, error);
    c->is_stream = is_stream(disk);
    err = check_disk(c, disk, 0, leaks);
    (void) vd_disk_close(disk, NULL); /* was only read */
    return err;
}

/* -- mending --------------------------------------------------------------- */

/* By its name, since it may be beyond opening. */
static VixError
mend_stream(Check *c)
{
    g_autoptr(GError) error = NULL;
    VdStreamRepair result;
    uint64_t leaks;

    if (!vd_repair_stream(c->ctx, c->name, &result, &error))
        return fail(c, error);
    return look(c, &leaks);
}

static VixError
mend(Check *c)
{
    g_autoptr(GError) error = NULL;
    uint64_t leaks;
    VdDisk *disk;
    VixError err;

    if (c->is_stream)
        return mend_stream(c);
    disk = open_link(c, VD_OPEN_RDWR, &error);
    if (!disk && g_error_matches(error, VD_ERROR, VD_ERROR_CORRUPT))
        return mend_stream(c);
    if (!disk)
        return fail(c, error);
    err = check_disk(c, disk, VD_REPAIR_ALL, &leaks);
    if (!vd_disk_close(disk, &error) && err == VIX_OK)
        err = vix_fail_disk(c->function, error);
    return err;
}

static bool
is_damage(VixError err)
{
    unsigned code = VIX_ERROR_CODE(err);

    return code == VIX_E_DISK_NEEDSREPAIR || code == VIX_E_DISK_INVALIDDISK;
}

/* What is sound is only looked at. */
static VixError
check_and_mend(Check *c, bool repair)
{
    uint64_t leaks = 0;
    VixError err = look(c, &leaks);

    if (!repair || !(is_damage(err) || (err == VIX_OK && leaks > 0)))
        return err;
    c->mending = true;
    return mend(c);
}

VixError
VixDiskLib_CheckRepair(const VixDiskLibConnection connection,
                       const char *filename, Bool repair)
{
    Check c = {.function = "VixDiskLib_CheckRepair", .path = filename};
    g_autofree char *name = NULL;
    VixError err = vix_connection_check_local(c.function, connection);

    if (err == VIX_OK)
        err = vix_check_path(c.function, filename);
    if (err != VIX_OK)
        return err;
    c.ctx = vix_context_new(c.function, &err);
    if (!c.ctx)
        return err;
    c.name = name = vix_disk_file_name(filename);
    err = check_and_mend(&c, repair);
    vd_context_free(c.ctx);
    return err;
}
