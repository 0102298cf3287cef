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

/* One of the words of -l, or a name that may have commas. */
static char *
open_options(const char *text)
{
    g_auto(GStrv) parts = NULL;
    g_autofree char *doubled = NULL;

    if (g_str_has_prefix(text, "snapshot."))
        return g_strdup(text);
    parts = g_strsplit(text, ",", -1);
    doubled = g_strjoinv(",,", parts);
    return g_strconcat("snapshot=", doubled, NULL);
}

static bool
refuse(const ImageSpec *spec, const VdDisk *disk, const GError *error)
{
    if (disk)
        out_failure(spec->name, error,
                    "Failed to load snapshot: Block format '%s' used by device "
                    "'' does not support temporarily loading internal "
                    "snapshots",
                    vd_disk_format(disk));
    else if (g_error_matches(error, VD_ERROR, VD_ERROR_NOT_FOUND))
        out_failure(spec->name, error,
                    "Failed to load snapshot: Can't find snapshot");
    else
        out_failure(spec->name, error, "Failed to load snapshot: %s",
                    error->message);
    return false;
}

bool
snapshot_load(VdContext *ctx, const ImageSpec *spec, const char *text,
              VdDisk **disk)
{
    unsigned flags = spec->flags | (spec->image_opts ? VD_OPEN_IMAGE_OPTS : 0);
    g_autoptr(GError) error = NULL;
    g_autoptr(GPtrArray) list = NULL;
    g_autofree char *options = NULL;

    if (!text)
        return true;
    list = vd_disk_list_snapshots(*disk, &error);
    if (!list && g_error_matches(error, VD_ERROR, VD_ERROR_NOT_SUPPORTED))
        return refuse(spec, *disk, error);
    if (!list)
        return refuse(spec, NULL, error);
    image_close_quietly(g_steal_pointer(disk));
    options = open_options(text);
    *disk = vd_disk_open(ctx, spec->name, spec->format, options,
                         (VdOpenFlags) flags, &error);
    return *disk || refuse(spec, NULL, error);
}
