/* SPDX-License-Identifier: BSD-3-Clause */
/* tools/vixsample/cmd-info.c - what the library knows of a disk, of itself.
 *
 * Concurrency: main thread only.
 */
#include <inttypes.h>
#include <stdio.h>

#include "tools/vixsample/commands.h"
#include "tools/vixsample/rows.h"

static void
geometry_print(const char *what, const VixDiskLibGeometry *geo)
{
    printf("%s geometry: %u/%u/%u\n", what, geo->cylinders, geo->heads,
           geo->sectors);
}

static void
info_print(const VixDiskLibInfo *info)
{
    const char *adapter = choice_word(adapter_choices, info->adapterType);

    printf("capacity: %" PRIu64 " sectors, %" PRIu64 " bytes\n", info->capacity,
           info->capacity * VIXDISKLIB_SECTOR_SIZE);
    printf("logical sector size: %u\n", info->logicalSectorSize);
    printf("physical sector size: %u\n", info->physicalSectorSize);
    printf("links: %d\n", info->numLinks);
    printf("adapter: %s\n", adapter ? adapter : "unknown");
    geometry_print("BIOS", &info->biosGeo);
    geometry_print("physical", &info->physGeo);
    if (info->parentFileNameHint)
        printf("parent: %s\n", info->parentFileNameHint);
    if (info->uuid)
        printf("uuid: %s\n", info->uuid);
}

static bool
connection_print(Session *session)
{
    VixDiskLibConnectParams *params = NULL;

    if (!HAVE(VixDiskLib_GetConnectParams))
        return true;
    if (!CALL(VixDiskLib_GetConnectParams, session_connection(session),
              &params))
        return false;
    printf("server: %s\n", params->serverName && *params->serverName
                               ? params->serverName
                               : "none");
    VIX(VixDiskLib_FreeConnectParams)(params);
    return true;
}

bool
cmd_info_print(Session *session, VixDiskLibHandle disk)
{
    VixDiskLibInfo *info = session_info(disk);

    if (!info)
        return false;
    info_print(info);
    VIX(VixDiskLib_FreeInfo)(info);
    const char *mode = VIX(VixDiskLib_GetTransportMode)(disk);
    printf("transport mode: %s\n", mode ? mode : "unknown");
    if (HAVE(VixDiskLib_ListTransportModes))
        printf("supported modes: %s\n",
               library.VixDiskLib_ListTransportModes());
    return connection_print(session);
}

bool
cmd_info(Session *session, const Options *opts)
{
    VixDiskLibHandle disk =
        session_open_disk(session, opts, VIXDISKLIB_FLAG_OPEN_READ_ONLY);

    return disk && cmd_info_print(session, disk) &&
           session_close(session, disk);
}

bool
cmd_transports(Session *session, const Options *opts)
{
    printf("%s\n", VIX(VixDiskLib_ListTransportModes)());
    if (HAVE(VixDiskLibExt_Version))
        printf("%s\n", library.VixDiskLibExt_Version());
    return true;
}
