/* SPDX-License-Identifier: BSD-3-Clause */
/* formats/vmdk/life/meta-keep.c - what a copy takes over from its source's data
 * base.
 *
 * All of it but what says who the disk is, what shape it has and which files
 * belong to it.  Links further down come first, so that the top has the last
 * word.
 *
 * Concurrency: one change of the new disk's descriptor, under its lock.
 */
#include "formats/vmdk/descriptor/geometry.h"
#include "formats/vmdk/driver.h"
#include "formats/vmdk/state.h"

#include <string.h>

/* Of one disk, or of one kind of disk: whole keys, and beginnings of keys. */
static const char *const own_keys[] = {
    "ddb.uuid",           "ddb.longContentID",     "ddb.thinProvisioned",
    "ddb.encoding",       "ddb.parentAfterCommit", "ddb.keyID",
    "ddb.immutableLength"};
static const char *const own_beginnings[] = {"ddb.geometry.", "ddb.uuid.",
                                             "ddb.digest", "ddb.nativeParent"};

/* What importers of streams want to find, or not to find. */
static const char *const stream_keys[] = {
    "ddb.adapterType", "ddb.virtualHWVersion", "ddb.toolsVersion"};

/* Options that say what a key says. */
static const char *const option_keys[][2] = {
    {"adapter_type", "ddb.adapterType"}, {"hwversion", "ddb.virtualHWVersion"},
    {"compat6", "ddb.virtualHWVersion"}, {"toolsversion", "ddb.toolsVersion"},
    {"description", "ddb.comment"},
};

static bool
is_one_of(const char *key, const char *const *keys, unsigned n)
{
    for (unsigned i = 0; i < n; i++)
        if (!g_ascii_strcasecmp(key, keys[i]))
            return true;
    return false;
}

static bool
is_own(const char *key)
{
    for (unsigned i = 0; i < G_N_ELEMENTS(own_beginnings); i++)
        if (!g_ascii_strncasecmp(key, own_beginnings[i],
                                 strlen(own_beginnings[i])))
            return true;
    return g_ascii_strncasecmp(key, "ddb.", 4) ||
           is_one_of(key, own_keys, G_N_ELEMENTS(own_keys));
}

static bool
is_given(const char *key, const VdOptions *given)
{
    for (unsigned i = 0; given && i < G_N_ELEMENTS(option_keys); i++)
        if (!g_ascii_strcasecmp(key, option_keys[i][1]) &&
            vd_options_peek(given, option_keys[i][0]))
            return true;
    return false;
}

static bool
is_stream(const VmdkDescriptor *desc)
{
    const char *type = vmdk_descriptor_get(desc, "createType");

    return type && !g_ascii_strcasecmp(type, "streamOptimized");
}

static bool
keep_link(VmdkDescriptor *to, const VmdkDescriptor *from,
          const VdOptions *given, GError **error)
{
    g_auto(GStrv) keys = vmdk_descriptor_list_keys(from);
    bool stream = is_stream(to);

    for (unsigned i = 0; keys[i]; i++) {
        if (is_own(keys[i]) || is_given(keys[i], given) ||
            (stream &&
             is_one_of(keys[i], stream_keys, G_N_ELEMENTS(stream_keys))))
            continue;
        if (!vmdk_descriptor_set(to, keys[i],
                                 vmdk_descriptor_get(from, keys[i]), error))
            return false;
    }
    return true;
}

/* The shape depends on the adapter. */
static bool
renew_geometry(VmdkDescriptor *desc, uint64_t sectors, GError **error)
{
    const char *adapter = vmdk_descriptor_get(desc, "ddb.adapterType");
    VmdkGeometry geo = vmdk_geometry_for(adapter ? adapter : "ide", sectors);

    return vmdk_geometry_store(&geo, desc, error);
}

bool
vmdk_keep_meta(VmdkDescriptor *to, uint64_t sectors, VdNode *source,
               const VdOptions *given, GError **error)
{
    const VmdkState *s = vd_node_state(source);
    VdNode *parent = vd_node_parent(source);

    if (parent && vd_node_driver(parent) == &vd_vmdk_driver &&
        !vmdk_keep_meta(to, sectors, parent, given, error))
        return false;
    return !s->desc || (keep_link(to, s->desc, given, error) &&
                        renew_geometry(to, sectors, error));
}

bool
vmdk_co_keep_meta(VdNode *node, VdNode *source, const VdOptions *given,
                  GError **error)
{
    VmdkState *s = vd_node_state(node);
    VmdkDescriptor *desc;

    if (!s->desc)
        return true;
    desc = vmdk_descriptor_copy(s->desc);
    if (vmdk_keep_meta(desc, vd_node_size(node) / VMDK_SECTOR, source, given,
                       error))
        return vmdk_co_replace_descriptor(s, desc, error);
    vmdk_descriptor_free(desc);
    return false;
}
