/* SPDX-License-Identifier: BSD-3-Clause */
/* formats/vmdk/files.c - the files that one link of a chain is made of.
 *
 * Concurrency: reads the descriptor, which must not change meanwhile.
 */
#include "formats/vmdk/files.h"
#include "formats/vmdk/descriptor/names.h"

#include "block/open.h"

#include <string.h>

#define DIGEST_SUFFIX "-digest.vmdk"

static void
file_free(void *opaque)
{
    VmdkFile *file = opaque;

    g_free(file->path);
    g_free(file->name);
    g_free(file->key);
    g_free(file);
}

static void
add_file(GPtrArray *files, const VmdkState *s, const char *stored, int extent,
         const char *key)
{
    VmdkFile *file;

    if (!*stored)
        return;
    file = g_new0(VmdkFile, 1);
    file->name = g_strdelimit(g_strdup(stored), "\\", '/');
    file->path = vd_path_combine(vd_node_name(s->file), file->name);
    file->extent = extent;
    file->key = g_strdup(key);
    g_ptr_array_add(files, file);
}

/* A line that describes the very file it stands in names no other one. */
static bool
is_embedded(const VmdkState *s, unsigned i)
{
    return i < s->n_extents && s->extents[i].file &&
           s->extents[i].file == s->file;
}

static bool
is_side_file(const char *key, const char *value)
{
    g_autofree char *lower = g_ascii_strdown(key, -1);

    return !strcmp(lower, "changetrackpath") ||
           (strstr(lower, "digest") && g_str_has_suffix(value, DIGEST_SUFFIX));
}

GPtrArray *
vmdk_files(const VmdkState *s)
{
    GPtrArray *files = g_ptr_array_new_with_free_func(file_free);
    g_auto(GStrv) keys = s->desc ? vmdk_descriptor_list_keys(s->desc) : NULL;
    unsigned n = s->desc ? vmdk_descriptor_n_extents(s->desc) : 0;

    for (unsigned i = 0; i < n; i++) {
        const VmdkExtentLine *line = vmdk_descriptor_extent(s->desc, i);

        if (line->file && line->type != VMDK_TYPE_ZERO && !is_embedded(s, i))
            add_file(files, s, line->file, (int) i, NULL);
    }
    for (unsigned i = 0; keys && keys[i]; i++) {
        const char *value = vmdk_descriptor_get(s->desc, keys[i]);

        if (is_side_file(keys[i], value))
            add_file(files, s, value, -1, keys[i]);
    }
    return files;
}

char **
vmdk_list_files(VdNode *node)
{
    const VmdkState *s = vd_node_state(node);
    g_autoptr(GPtrArray) files = vmdk_files(s);
    GPtrArray *paths = g_ptr_array_new();

    g_ptr_array_add(paths, g_strdup(vd_node_name(s->file)));
    for (unsigned i = 0; i < files->len; i++) {
        const VmdkFile *file = files->pdata[i];

        if (!g_ptr_array_find_with_equal_func(paths, file->path, g_str_equal,
                                              NULL))
            g_ptr_array_add(paths, g_strdup(file->path));
    }
    g_ptr_array_add(paths, NULL);
    return (char **) g_ptr_array_free(paths, FALSE);
}
