/* SPDX-License-Identifier: BSD-3-Clause */
/* tools/vixsample/cmd-meta.c - the metadata of a disk.
 *
 * Concurrency: main thread only.
 */
#include <stdio.h>
#include <string.h>

#include "tools/vixsample/commands.h"
#include "tools/vixsample/report.h"

/* What the first call answers, with no buffer: either of these is fine. */
static bool
size_told(const char *function, VixError result)
{
    return VIX_ERROR_CODE(result) == VIX_E_BUFFER_TOOSMALL ||
           report_result(function, result);
}

/* NULL after a message. */
static char *
value_get(VixDiskLibHandle disk, const char *key)
{
    size_t need = 0;
    VixError result = VIX(VixDiskLib_ReadMetadata)(disk, key, NULL, 0, &need);

    if (!size_told("VixDiskLib_ReadMetadata", result))
        return NULL;
    g_autofree char *value = g_malloc0(need + 1);
    if (!CALL(VixDiskLib_ReadMetadata, disk, key, value, need, NULL))
        return NULL;
    return g_steal_pointer(&value);
}

/* One after the other, an empty one last; NULL after a message. */
static char *
keys_get(VixDiskLibHandle disk)
{
    size_t need = 0;
    VixError result = VIX(VixDiskLib_GetMetadataKeys)(disk, NULL, 0, &need);

    if (!size_told("VixDiskLib_GetMetadataKeys", result))
        return NULL;
    g_autofree char *keys = g_malloc0(need + 1);
    if (!CALL(VixDiskLib_GetMetadataKeys, disk, keys, need, NULL))
        return NULL;
    return g_steal_pointer(&keys);
}

static bool
all_print(VixDiskLibHandle disk)
{
    g_autofree char *keys = keys_get(disk);

    if (!keys)
        return false;
    for (const char *key = keys; *key; key += strlen(key) + 1) {
        g_autofree char *value = value_get(disk, key);
        if (!value)
            return false;
        printf("%s = %s\n", key, value);
    }
    return true;
}

bool
cmd_meta(Session *session, const Options *opts)
{
    VixDiskLibHandle disk =
        session_open_disk(session, opts, VIXDISKLIB_FLAG_OPEN_READ_ONLY);

    return disk && all_print(disk) && session_close(session, disk);
}

bool
cmd_rmeta(Session *session, const Options *opts)
{
    VixDiskLibHandle disk =
        session_open_disk(session, opts, VIXDISKLIB_FLAG_OPEN_READ_ONLY);
    g_autofree char *value = disk ? value_get(disk, opts->words[0]) : NULL;

    if (!value)
        return false;
    printf("%s = %s\n", opts->words[0], value);
    return session_close(session, disk);
}

bool
cmd_wmeta(Session *session, const Options *opts)
{
    VixDiskLibHandle disk = session_open_disk(session, opts, 0);

    return disk &&
           CALL(VixDiskLib_WriteMetadata, disk, opts->words[0],
                opts->words[1]) &&
           session_close(session, disk);
}
