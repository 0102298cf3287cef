/* SPDX-License-Identifier: BSD-3-Clause */
/* tools/img/target.c - what a conversion must not write to.
 *
 * The library refuses targets that somebody has open.  What it cannot know is
 * meant here: a target that is part of a source, devices with something on
 * them, and what to do about a disk that only its server can make.
 *
 * Concurrency: main thread only.  Between check and use somebody may swap
 * files; the library's locks are the last word.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "include/vdisk-vsphere.h"
#include "tools/img/convert.h"
#include "tools/images.h"
#include "tools/output.h"

/* Partition tables, boot sectors and superblocks live within this. */
#define DEVICE_HEAD_BYTES ((size_t) 1 << 20)

static bool
target_stat(const ConvertJob *job, struct stat *st)
{
    const char *path = image_local_path(job->target);

    return !job->target_image_opts && path && stat(path, st) == 0;
}

bool
target_is_device(const ConvertJob *job)
{
    struct stat st;

    return target_stat(job, &st) && S_ISBLK(st.st_mode);
}

/* -- parts of sources ----------------------------------------------------- */

static bool
is_same_file(const struct stat *target, const char *name)
{
    const char *path = image_local_path(name);
    struct stat st;

    return path && stat(path, &st) == 0 && st.st_dev == target->st_dev &&
           st.st_ino == target->st_ino;
}

static bool
extents_have(const VdInfo *info, const struct stat *target)
{
    g_autoptr(GVariant) list = NULL;

    if (!info->specific)
        return false;
    list = g_variant_lookup_value(info->specific, "extents",
                                  G_VARIANT_TYPE("aa{sv}"));
    if (!list)
        return false;
    for (size_t i = 0; i < g_variant_n_children(list); i++) {
        g_autoptr(GVariant) extent = g_variant_get_child_value(list, i);
        const char *name;
        if (g_variant_lookup(extent, "filename", "&s", &name) &&
            is_same_file(target, name))
            return true;
    }
    return false;
}

/* What the target is to the source; NULL = nothing. */
static const char *
relation(const GPtrArray *infos, const struct stat *target)
{
    for (unsigned i = 0; i < infos->len; i++) {
        const VdInfo *info = infos->pdata[i];
        if (is_same_file(target, info->filename))
            return i == 0 ? "the source itself" : "a parent of the source";
        if (extents_have(info, target))
            return "an extent of the source";
    }
    return NULL;
}

static bool
refuse_relation(const ConvertJob *job, const char *what)
{
    out_failure(job->target, NULL, "%s: error while %s: the target is %s",
                job->target, job->doing, what);
    return false;
}

/* Opening it again would find nothing there any more. */
static bool
check_stdin(const ConvertJob *job, const struct stat *target)
{
    struct stat st;

    return fstat(STDIN_FILENO, &st) < 0 || st.st_dev != target->st_dev ||
           st.st_ino != target->st_ino ||
           refuse_relation(job, "the source itself");
}

/* The disk of a server is none of our files. */
static bool
check_source(const ConvertJob *job, unsigned i, const struct stat *target)
{
    if (vd_vsphere_disk_transport(job->disks[i]))
        return true;
    g_autoptr(GPtrArray) infos = convert_source_links(job, i);
    if (!infos)
        return false;
    const char *what = relation(infos, target);
    return !what || refuse_relation(job, what);
}

/* -- devices -------------------------------------------------------------- */

static bool
refuse_device(const ConvertJob *job, const char *why)
{
    out_failure(job->target, NULL,
                "%s: error while %s: refusing to overwrite a block device that "
                "%s",
                job->target, job->doing, why);
    out_hint("Use -n to write into it, or --force.");
    return false;
}

static bool
head_is_zero(int fd)
{
    g_autofree char *head = g_malloc0(DEVICE_HEAD_BYTES);
    ssize_t n = pread(fd, head, DEVICE_HEAD_BYTES, 0);

    return n >= 0 && head[0] == 0 && !memcmp(head, head + 1, (size_t) n - !!n);
}

static bool
check_device(const ConvertJob *job)
{
    const char *path = image_local_path(job->target);
    /* O_EXCL on a block device asks whether the kernel itself uses it. */
    int fd = open(path, O_RDONLY | O_EXCL | O_CLOEXEC);

    if (fd < 0 && errno == EBUSY)
        return refuse_device(job, "is mounted or otherwise in use");
    if (fd < 0)
        return true; /* opening it for writing will tell */
    bool empty = head_is_zero(fd);
    close(fd);
    return empty || refuse_device(job, "is not empty");
}

/* -- disks of servers ------------------------------------------------------ */

bool
target_is_machine(const ConvertJob *job)
{
    g_autoptr(VdVsphereName) said = vd_vsphere_name_parse(job->target, NULL);

    return said && said->new_vm;
}

void
target_settle_machine(ConvertJob *job)
{
    if (job->target_image_opts || job->no_create || !target_is_machine(job))
        return;
    if (!job->target_format)
        job->target_format = "vmdk";
    if (!strcmp(job->target_format, "vmdk") &&
        !optlist_peek(job->list, "subformat"))
        optlist_set(job->list, "subformat", "streamOptimized");
}

/* A file there that no machine has as its disk could not be written to. */
char *
target_name_problem(const ConvertJob *job)
{
    g_autoptr(VdVsphereName) said = vd_vsphere_name_parse(job->target, NULL);

    if (!said)
        return vd_create_name_problem(job->target);
    if (said->new_vm)
        return NULL;
    return g_strdup_printf(
        "%s: the disk of a server is made there, as a disk of its machine; -n "
        "(of dd: conv=notrunc) writes into one that is large enough, and "
        "new-vm=PLACE instead of vm=VM makes another machine",
        job->target);
}

bool
target_check(const ConvertJob *job)
{
    struct stat target;

    if (!target_stat(job, &target))
        return true; /* does not exist yet, or is not a local file */
    if (job->from_stdin && !check_stdin(job, &target))
        return false;
    for (unsigned i = 0; i < job->n_sources && !job->open_ended; i++)
        if (strcmp(job->sources[i], "fd:0") != 0 &&
            !check_source(job, i, &target))
            return false;
    if (S_ISBLK(target.st_mode) && !job->no_create && !job->force)
        return check_device(job);
    return true;
}
