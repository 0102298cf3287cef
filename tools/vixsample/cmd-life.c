/* SPDX-License-Identifier: BSD-3-Clause */
/* tools/vixsample/cmd-life.c - what makes, changes and deletes whole disks.
 *
 * Concurrency: main thread only.
 */
#include <stdio.h>

#include "tools/vixsample/commands.h"
#include "tools/vixsample/progress.h"

#define DEFAULT_CAP_MIB 100
#define SECTORS_PER_MIB ((1 << 20) / VIXDISKLIB_SECTOR_SIZE)

static VixDiskLibDiskType
disk_type(const Options *opts, VixDiskLibDiskType otherwise)
{
    return opts->type == OPTION_NONE ? otherwise
                                     : (VixDiskLibDiskType) opts->type;
}

static VixDiskLibCreateParams
create_params(const Options *opts)
{
    uint64_t mib = opts->cap_mib;

    return (VixDiskLibCreateParams){
        .diskType = disk_type(opts, VIXDISKLIB_DISK_MONOLITHIC_SPARSE),
        .adapterType = (VixDiskLibAdapterType) opts->adapter,
        .hwVersion = VIXDISKLIB_HWVERSION_WORKSTATION_5,
        .capacity =
            (mib == OPTION_NONE ? DEFAULT_CAP_MIB : mib) * SECTORS_PER_MIB,
        .logicalSectorSize = (uint32) opts->logical,
        .physicalSectorSize = (uint32) opts->physical,
    };
}

bool
cmd_create(Session *session, const Options *opts)
{
    VixDiskLibCreateParams params = create_params(opts);
    Progress progress = progress_begin("create");

    return progress_end(&progress,
                        CALL(VixDiskLib_Create, session_connection(session),
                             opts->path, &params, progress_update, &progress));
}

bool
cmd_redo(Session *session, const Options *opts)
{
    VixDiskLibHandle parent =
        session_open(session, session_connection(session), opts->words[0],
                     session_open_flags(opts));

    if (!parent)
        return false;
    Progress progress = progress_begin("redo");
    bool ok = CALL(VixDiskLib_CreateChild, parent, opts->path,
                   disk_type(opts, VIXDISKLIB_DISK_MONOLITHIC_SPARSE),
                   progress_update, &progress);
    return progress_end(&progress, ok) && session_close(session, parent);
}

bool
cmd_clone(Session *session, const Options *opts)
{
    VixDiskLibConnection local = session_local(session);
    VixDiskLibCreateParams params = create_params(opts);

    if (!local)
        return false;
    if (opts->cap_mib == OPTION_NONE)
        params.capacity = 0; /* the source's, not that of a new disk */
    Progress progress = progress_begin("clone");
    bool ok =
        CALL(VixDiskLib_Clone, session_connection(session), opts->path, local,
             opts->words[0], &params, progress_update, &progress, TRUE);
    return progress_end(&progress, ok);
}

bool
cmd_grow(Session *session, const Options *opts)
{
    Progress progress = progress_begin("grow");

    return progress_end(&progress,
                        CALL(VixDiskLib_Grow, session_connection(session),
                             opts->path, opts->cap_mib * SECTORS_PER_MIB,
                             opts->geometry, progress_update, &progress));
}

typedef VixError DiskWork(VixDiskLibHandle disk, VixDiskLibProgressFunc update,
                          void *data);

static bool
disk_work(Session *session, const Options *opts, const char *what,
          const char *function, DiskWork *work)
{
    VixDiskLibHandle disk = session_open_disk(session, opts, 0);

    if (!disk)
        return false;
    Progress progress = progress_begin(what);
    bool ok = report_result(function, work(disk, progress_update, &progress));
    return progress_end(&progress, ok) && session_close(session, disk);
}

bool
cmd_shrink(Session *session, const Options *opts)
{
    return disk_work(session, opts, "shrink", "VixDiskLib_Shrink",
                     VIX(VixDiskLib_Shrink));
}

bool
cmd_defragment(Session *session, const Options *opts)
{
    return disk_work(session, opts, "defragment", "VixDiskLib_Defragment",
                     VIX(VixDiskLib_Defragment));
}

bool
cmd_rename(Session *session, const Options *opts)
{
    return CALL(VixDiskLib_Rename, opts->path, opts->words[0]);
}

bool
cmd_unlink(Session *session, const Options *opts)
{
    return CALL(VixDiskLib_Unlink, session_connection(session), opts->path);
}

bool
cmd_check(Session *session, const Options *opts)
{
    Bool repair = opts->number ? TRUE : FALSE;

    if (!CALL(VixDiskLib_CheckRepair, session_connection(session), opts->path,
              repair))
        return false;
    printf("%s: %s\n", opts->path, repair ? "checked, repaired" : "checked");
    return true;
}

/* Both for reading: this is a look at the chain, not a use of it. */
bool
cmd_attach(Session *session, const Options *opts)
{
    const uint32 read_only = VIXDISKLIB_FLAG_OPEN_READ_ONLY;
    VixDiskLibHandle parent =
        session_open(session, session_connection(session), opts->words[0],
                     session_open_flags(opts) | read_only);
    VixDiskLibHandle child = NULL;

    if (parent)
        child = session_open_disk(session, opts,
                                  read_only | VIXDISKLIB_FLAG_OPEN_SINGLE_LINK);
    if (!parent || !child)
        return false;
    if (HAVE(VixDiskLib_IsAttachPossible) &&
        !CALL(VixDiskLib_IsAttachPossible, parent, child))
        return false;
    session_forget(session, parent); /* consumed, even if this fails */
    if (!CALL(VixDiskLib_Attach, parent, child))
        return false;
    return cmd_info_print(session, child) &&
           (opts->count == OPTION_NONE ||
            cmd_dump_range(child, opts->start, opts->count)) &&
           session_close(session, child);
}

bool
cmd_space(Session *session, const Options *opts)
{
    VixDiskLibHandle disk =
        session_open_disk(session, opts, VIXDISKLIB_FLAG_OPEN_READ_ONLY);
    uint64 bytes = 0;

    if (!disk || !CALL(VixDiskLib_SpaceNeededForClone, disk,
                       disk_type(opts, VIXDISKLIB_DISK_UNKNOWN), &bytes))
        return false;
    printf("%" G_GUINT64_FORMAT " bytes\n", (guint64) bytes);
    return session_close(session, disk);
}
