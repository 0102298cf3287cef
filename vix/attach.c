/* SPDX-License-Identifier: BSD-3-Clause */
/* vix/attach.c - a link on top of a chain.
 *
 * Each handle has a context of its own, so the parent's chain is opened once
 * more in the child's; for attaching, the parent's handle gives up its own
 * before.  The child is opened anew in the end, and shows the chain.
 *
 * Concurrency: nobody else is in either disk meanwhile.  Who needs two disks
 * enters that with the lower address first.
 */
#include "vix/disk.h"
#include "vix/error.h"
#include "vix/live.h"
#include "vix/log.h"

typedef struct {
    const char *function;
    VixDisk *parent, *child;
    char *path; /* of the parent */
    VixDiskLibSectorType capacity;
    bool remote; /* one of them is a server's */
} Attach;

/* -- may it be? ------------------------------------------------------------ */

static VixError
check_child(const Attach *a)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(VdInfo) info = vd_disk_get_info(a->child->disk, &error);

    if (a->remote)
        return vix_fail(VIX_E_NOT_SUPPORTED_ON_REMOTE_OBJECT,
                        "%s: %s: links are attached to local disks only",
                        a->function, a->path);
    if (!info)
        return vix_fail_disk(a->function, error);
    if (!info->backing_filename)
        return vix_fail(VIX_E_DISK_ATTACH_ROOTLINK,
                        "%s: %s: was not made to have a parent", a->function,
                        a->child->path);
    if (!(a->child->flags & VIXDISKLIB_FLAG_OPEN_SINGLE_LINK))
        return vix_fail(VIX_E_DISK_PARENT_NOTALLOWED,
                        "%s: %s: is open with its parent, must be as a single "
                        "link",
                        a->function, a->child->path);
    if (a->child->capacity != a->capacity)
        return vix_fail(VIX_E_DISK_CAPACITY_MISMATCH,
                        "%s: %s: has %" G_GUINT64_FORMAT
                        " sectors, the parent %s %" G_GUINT64_FORMAT,
                        a->function, a->child->path, a->child->capacity,
                        a->path, a->capacity);
    return VIX_OK;
}

/* Sizes and how the child was opened are checked by then; it may still be one
 * of the parent's own links. */
static VixError
fail_attach(const char *function, const GError *error)
{
    if (g_error_matches(error, VD_ERROR, VD_ERROR_INVALID_ARGUMENT))
        return vix_fail_disk_as(VIX_E_DISK_PARENT_NOTALLOWED, function, error);
    return vix_fail_disk(function, error);
}

static VdDisk *
open_parent(const Attach *a, VdOpenFlags how, VixError *err)
{
    g_autofree char *name = vix_disk_file_name(a->path);
    g_autoptr(GError) error = NULL;
    VdDisk *disk = vd_disk_open(a->child->ctx, name, "vmdk", NULL, how, &error);

    if (!disk)
        *err = vix_fail_disk(a->function, error);
    return disk;
}

/* The same answers as attaching would give, without a warning for them. */
static VixError
ask(const Attach *a)
{
    g_autoptr(GError) error = NULL;
    VixError err = check_child(a);
    VdDisk *parent;

    if (err != VIX_OK)
        return err;
    parent = open_parent(a, VD_OPEN_FORCE_SHARE, &err);
    if (!parent)
        return err;
    if (!vd_is_attach_possible(parent, a->child->disk, &error))
        err = vix_fail_probe_as(
            g_error_matches(error, VD_ERROR, VD_ERROR_INVALID_ARGUMENT)
                ? VIX_E_DISK_PARENT_NOTALLOWED
                : vix_error_code(error),
            a->function, error);
    (void) vd_disk_close(parent, NULL); /* was only read */
    return err;
}

/* -- doing it -------------------------------------------------------------- */

/* A child that is open for reading keeps what it says of its parent. */
static VixError
attach_files(const Attach *a)
{
    g_autoptr(GError) error = NULL;
    VixError err = VIX_OK;
    VdDisk *parent = open_parent(a, vix_disk_lock_flags(), &err);
    bool ok;

    if (!parent)
        return err;
    if (vix_disk_is_writable(a->child))
        ok = vd_attach(parent, a->child->disk, 0, &error);
    else
        ok = vd_is_attach_possible(parent, a->child->disk, &error);
    (void) vd_disk_close(parent, NULL); /* was only read */
    return ok ? VIX_OK : fail_attach(a->function, error);
}

/* The child as @flags say, with the parent that it has got, and not another
 * one that its name may lead to. */
static VdDisk *
open_on_parent(const Attach *a, uint32 flags, VixError *err)
{
    g_autofree char *name = vix_disk_file_name(a->child->path);
    g_autofree char *parent = vix_disk_file_name(a->path);
    g_auto(GStrv) parts = g_strsplit(parent, ",", -1);
    g_autofree char *quoted = g_strjoinv(",,", parts);
    g_autofree char *options = g_strconcat("parent=", quoted, NULL);
    g_autoptr(GError) error = NULL;
    VdDisk *disk = vd_disk_open(a->child->ctx, name, "vmdk", options,
                                vix_disk_open_flags(flags), &error);

    if (!disk)
        *err = vix_fail_disk(a->function, error);
    return disk;
}

/* Should the chain not open, the handle is left with the single link. */
static VixError
reopen_child(const Attach *a)
{
    VixDisk *child = a->child;
    uint32 flags = child->flags & ~(uint32) VIXDISKLIB_FLAG_OPEN_SINGLE_LINK;
    g_autoptr(GError) error = NULL;
    VixError err = VIX_OK, unused;

    if (!vd_disk_close(child->disk, &error))
        err = vix_fail_disk(a->function, error);
    child->disk = err == VIX_OK ? open_on_parent(a, flags, &err) : NULL;
    if (child->disk) {
        child->flags = flags;
        return VIX_OK;
    }
    child->disk = vix_disk_open(child->ctx, a->function, child->path,
                                child->flags, &unused);
    return err;
}

static VixError
attach(const Attach *a)
{
    VixError err = check_child(a);

    if (err == VIX_OK)
        err = attach_files(a);
    if (err == VIX_OK)
        err = reopen_child(a);
    if (err == VIX_OK)
        vix_log("%s: %s stands on %s", a->function, a->child->path, a->path);
    return err;
}

/* -- both handles ---------------------------------------------------------- */

/* Nothing is behind the handle any more. */
static VixError
give_up(VixDisk *disk)
{
    VixError err = vix_disk_empty(disk);

    vix_live_consume(disk);
    return err;
}

static VixError
enter_both(const Attach *a)
{
    bool parent_first = (uintptr_t) a->parent < (uintptr_t) a->child;
    VixDisk *first = parent_first ? a->parent : a->child;
    VixDisk *second = parent_first ? a->child : a->parent;
    VixError err = vix_live_enter_alone(a->function, first);

    if (err != VIX_OK)
        return err;
    err = vix_live_enter_alone(a->function, second);
    if (err != VIX_OK)
        vix_live_leave_alone(first);
    return err;
}

static void
leave_both(const Attach *a)
{
    vix_live_leave_alone(a->parent);
    vix_live_leave_alone(a->child);
}

static VixError
enter_different(const Attach *a)
{
    VixError err;

    if (a->parent != a->child)
        return enter_both(a);
    err = vix_live_enter(a->function, a->child);
    if (err != VIX_OK)
        return err;
    vix_live_leave(a->child);
    return vix_fail(VIX_E_INVALID_ARG, "%s: parent and child are the same disk",
                    a->function);
}

static void
note_parent(Attach *a)
{
    a->path = g_strdup(a->parent->path);
    a->capacity = a->parent->capacity;
    a->remote = a->parent->transport || a->child->transport;
}

/* Programs do not close the parent after a failure. */
static void
give_up_parent_of_none(const Attach *a)
{
    if (vix_live_enter_alone(a->function, a->parent) != VIX_OK)
        return;
    (void) give_up(a->parent); /* the child that is none is worse */
    vix_live_leave_alone(a->parent);
}

VixError
VixDiskLib_Attach(VixDiskLibHandle parent, VixDiskLibHandle child)
{
    Attach a = {
        .function = "VixDiskLib_Attach", .parent = parent, .child = child};
    VixError err = enter_different(&a);

    if (err == VIX_E_INVALID_HANDLE)
        give_up_parent_of_none(&a);
    if (err != VIX_OK)
        return err;
    note_parent(&a);
    err = give_up(parent);
    if (err == VIX_OK)
        err = attach(&a);
    if (!child->disk)
        (void) give_up(child); /* has failed to open, which was told */
    leave_both(&a);
    g_free(a.path);
    return err;
}

VixError
VixDiskLib_IsAttachPossible(VixDiskLibHandle parent, VixDiskLibHandle child)
{
    Attach a = {.function = "VixDiskLib_IsAttachPossible",
                .parent = parent,
                .child = child};
    VixError err = enter_different(&a);

    if (err != VIX_OK)
        return err;
    note_parent(&a);
    err = ask(&a);
    leave_both(&a);
    g_free(a.path);
    return err;
}
