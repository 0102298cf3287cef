/* SPDX-License-Identifier: BSD-3-Clause */
/* vsphere/san-devices.c - devices of this machine that a volume may be on.
 *
 * Whether it is: the driver vmfs looks.  A device that has another name is not
 * even looked at, for it may be a copy that an array has made of the right one,
 * with the same volume as it was some time ago.
 *
 * Concurrency: no state; any thread that may block.
 */
#include "vsphere/san-devices.h"

#include <stdlib.h>
#include <string.h>

#include "block/name.h"
#include "vsphere/scsi-list.h"
#include "vsphere/sys-file.h"

/* As many extents as the driver vmfs takes. */
#define MAX_DEVICES 32u
/* Devices below a device: partition, multipath, disk. */
#define MAX_LEVELS 4u
#define MAX_SLAVES 64u

typedef struct {
    const VsSanVolume *volume;
    const VsSanWish *wish;
    const char *root;
    GPtrArray *devices; /* VsScsiDevice *: all that there are */
    GPtrArray *found;   /* char *: to be opened */
    GString *skipped;   /* why others are not */
} Search;

static void
search_clear(Search *s)
{
    g_clear_pointer(&s->devices, g_ptr_array_unref);
    g_clear_pointer(&s->found, g_ptr_array_unref);
    g_string_free(s->skipped, TRUE);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Search, search_clear)

/* "naa.1, naa.2" */
static char *
list_names(const GPtrArray *names)
{
    GString *text = g_string_new(NULL);

    for (guint i = 0; i < names->len; i++)
        g_string_append_printf(text, "%s%s", i ? ", " : "",
                               (const char *) names->pdata[i]);
    return g_string_free(text, FALSE);
}

static bool
has_right_name(const VsScsiDevice *device, const VsSanVolume *volume)
{
    for (guint i = 0; i < volume->names->len; i++)
        if (vs_scsi_device_has_name(device, volume->names->pdata[i]))
            return true;
    return false;
}

/* -- those of the machine -------------------------------------------------- */

static bool
is_same_node(const char *a, const char *b)
{
    char *real_a = realpath(a, NULL), *real_b = realpath(b, NULL);
    bool same =
        strcmp(a, b) == 0 || (real_a && real_b && strcmp(real_a, real_b) == 0);

    free(real_a);
    free(real_b);
    return same;
}

/* @list: NULL = nothing is in it. */
static bool
is_in_list(const char *list, const char *node)
{
    g_auto(GStrv) parts = g_strsplit(list ? list : "", ",", -1);

    for (char **part = parts; *part; part++)
        if (is_same_node(g_strstrip(*part), node))
            return true;
    return false;
}

static bool
is_denied(const Search *s, const char *node)
{
    const char *deny = s->wish->deny;
    g_autofree char *bare = g_strstrip(g_strdup(deny ? deny : ""));
    bool denied =
        g_ascii_strcasecmp(bare, "all") == 0 || is_in_list(deny, node);

    return denied && !is_in_list(s->wish->allow, node);
}

static void
find_local(Search *s)
{
    for (guint i = 0; i < s->devices->len; i++) {
        const VsScsiDevice *device = s->devices->pdata[i];
        g_autofree char *node = NULL;

        if (!device->block ||
            (device->names->len && !has_right_name(device, s->volume)))
            continue;
        node = vs_scsi_node_path(s->root, device->block);
        if (is_denied(s, node))
            g_string_append_printf(s->skipped, "; %s is denied", node);
        else
            g_ptr_array_add(s->found, g_steal_pointer(&node));
    }
}

/* -- those that somebody lists --------------------------------------------- */

/* "sdb" and "sdb1" are that of "sdb". */
static bool
is_on_block(const VsScsiDevice *device, const char *name)
{
    size_t len = device->block ? strlen(device->block) : 0;

    return len > 0 && strncmp(device->block, name, len) == 0 &&
           strspn(name + len, "0123456789") == strlen(name + len);
}

/* NULL: none that is known.  All that multipath puts together is one unit. */
static const VsScsiDevice *
device_of_block(const Search *s, const char *name, unsigned levels)
{
    g_autofree char *below =
        vs_sys_path(s->root, "sys/class/block", name, "slaves", NULL);
    g_autoptr(GPtrArray) slaves = NULL;

    for (guint i = 0; i < s->devices->len; i++)
        if (is_on_block(s->devices->pdata[i], name))
            return s->devices->pdata[i];
    slaves = levels > 0 ? vs_sys_names(below, MAX_SLAVES, NULL) : NULL;
    return slaves && slaves->len
               ? device_of_block(s, slaves->pdata[0], levels - 1)
               : NULL;
}

/* What the kernel calls the device that @path is the node of; NULL = it is no
 * such path. */
static char *
block_of_path(const Search *s, const char *path)
{
    g_autofree char *dir = vs_scsi_node_path(s->root, "");
    char *real = realpath(path, NULL);
    char *block = NULL;

    if (!g_str_has_prefix(path, dir) && real)
        path = real;
    if (g_str_has_prefix(path, dir) && !strchr(path + strlen(dir), '/'))
        block = g_strdup(path + strlen(dir));
    else if (real && g_str_has_prefix(real, dir))
        block = g_path_get_basename(real);
    free(real);
    return block;
}

/* NULL: whatever it is, nobody here knows its names. */
static const VsScsiDevice *
device_of_name(const Search *s, const char *name)
{
    const char *path = vd_name_strip_file(name);
    g_autofree char *block = vd_name_kind(path, NULL) == VD_NAME_PATH
                                 ? block_of_path(s, path)
                                 : NULL;

    return block ? device_of_block(s, block, MAX_LEVELS) : NULL;
}

static void
take_listed(Search *s)
{
    g_auto(GStrv) parts = g_strsplit(s->wish->listed, ";", -1);

    for (char **part = parts; *part; part++) {
        const VsScsiDevice *device =
            *g_strstrip(*part) ? device_of_name(s, *part) : NULL;
        g_autofree char *names = device ? list_names(device->names) : NULL;

        if (device && device->names->len && !s->volume->nameless &&
            !has_right_name(device, s->volume))
            g_string_append_printf(s->skipped, "; %s is called %s", *part,
                                   names);
        else if (**part)
            g_ptr_array_add(s->found, g_strdup(*part));
    }
}

/* -- all ------------------------------------------------------------------- */

static bool
check_number(const Search *s, GError **error)
{
    const VsSanVolume *volume = s->volume;
    g_autofree char *names = list_names(volume->names);
    g_autofree char *seen =
        s->wish->listed
            ? g_strdup("nothing that san.devices lists may be that")
            : g_strdup_printf("none of the %u SCSI devices of this machine may "
                              "be that, and san.devices lists no other",
                              s->devices->len);

    if (s->found->len == 0)
        return vd_throw(error, VD_ERROR_NOT_FOUND,
                        "datastore '%s', volume %s, is on %s: %s%s",
                        volume->datastore, volume->uuid,
                        *names ? names : "a disk of a host", seen,
                        s->skipped->str);
    return s->found->len <= MAX_DEVICES ||
           vd_throw(error, VD_ERROR_LIMIT,
                    "datastore '%s': it may be on %u devices, but no more than "
                    "%u are looked at: name them in san.devices",
                    volume->datastore, s->found->len, MAX_DEVICES);
}

GPtrArray *
vs_san_devices(const VsSanVolume *volume, const VsSanWish *wish, GError **error)
{
    g_auto(Search) s = {
        .volume = volume,
        .wish = wish,
        .root = vs_sys_root(),
        .found = g_ptr_array_new_with_free_func(g_free),
        .skipped = g_string_new(NULL),
    };

    s.devices = vs_scsi_list(s.root, error);
    if (!s.devices)
        return NULL;
    if (wish->listed)
        take_listed(&s);
    else
        find_local(&s);
    return check_number(&s, error) ? g_steal_pointer(&s.found) : NULL;
}
