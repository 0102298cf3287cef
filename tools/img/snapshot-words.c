/* SPDX-License-Identifier: BSD-3-Clause */
/* tools/img/snapshot-words.c - -l of convert and measure.
 *
 * Concurrency: main thread only.
 */
#include "tools/img/snapshot-words.h"

#include <string.h>

#include "tools/optlist.h"
#include "tools/output.h"

static bool
is_snapshot_key(const char *key, void *opaque)
{
    return !strcmp(key, "snapshot.id") || !strcmp(key, "snapshot.name");
}

bool
snapshot_words_check(const char *text)
{
    g_autoptr(OptList) list = optlist_new();
    const char *unknown;

    if (!text || !g_str_has_prefix(text, "snapshot."))
        return true;
    if (!optlist_add(list, text)) {
        out_error("Invalid option list: %s", text);
        return false;
    }
    unknown = optlist_find_unknown(list, is_snapshot_key, NULL);
    if (!unknown)
        return true;
    out_error("Invalid parameter '%s'", unknown);
    out_error("Failed in parsing snapshot param '%s'", text);
    return false;
}

bool
snapshot_refuse(const VdDisk *disk, const char *name, const char *text)
{
    if (!text)
        return true;
    out_failure(name, NULL,
                "Failed to load snapshot: Block format '%s' used by device '' "
                "does not support temporarily loading internal snapshots",
                vd_disk_format(disk));
    return false;
}
