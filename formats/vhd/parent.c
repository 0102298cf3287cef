/* SPDX-License-Identifier: BSD-3-Clause */
/* formats/vhd/parent.c - finding the parent of a differencing disk.
 *
 * What counts is the parent's unique id, which the child remembers.  Places, in
 * order: option parent=PATH; each locator, as a path from the child's directory
 * and by its last name there; the last part of the parent's name.  Names are
 * Windows', so backslashes separate and drive letters mean nothing here.
 *
 * Concurrency: open only.
 */
#include "formats/vhd/driver.h"
#include "formats/vhd/vhd.h"

#include "block/open.h"

#define RELATIVE UINT32_C(0x57327275) /* "W2ru" */
#define ABSOLUTE UINT32_C(0x57326b75) /* "W2ku" */
#define MAC_URL UINT32_C(0x4d616358)  /* "MacX" */
#define MAX_NAME_BYTES (64u << 10)

static void
places_add(GPtrArray *places, const VhdState *s, const char *name)
{
    char *path = vd_path_combine(vd_node_name(s->file), name);

    if (!*name ||
        g_ptr_array_find_with_equal_func(places, path, g_str_equal, NULL))
        g_free(path);
    else
        g_ptr_array_add(places, path);
}

/* "..\dir\x.vhd" as it is, then "x.vhd". */
static void
places_add_windows(GPtrArray *places, const VhdState *s, char *name,
                   bool relative)
{
    const char *rest;

    g_strdelimit(name, "\\", '/');
    rest = g_str_has_prefix(name, "./") ? name + 2 : name;
    if (relative)
        places_add(places, s, rest);
    rest = strrchr(name, '/');
    places_add(places, s, rest ? rest + 1 : name);
}

static bool
places_co_add_locator(GPtrArray *places, const VhdState *s,
                      const VhdLocator *locator, GError **error)
{
    g_autofree uint8_t *raw = NULL;
    g_autofree char *name = NULL;
    uint64_t size = vd_node_size(s->file);

    if ((locator->platform != RELATIVE && locator->platform != ABSOLUTE) ||
        !locator->len)
        return true;
    if (locator->len > MAX_NAME_BYTES || locator->off > size ||
        locator->len > size - locator->off)
        return vd_throw(error, VD_ERROR_CORRUPT,
                        "%s: a parent locator of %u bytes at byte "
                        "%" G_GUINT64_FORMAT " does not lie in the file",
                        vd_node_name(s->file), locator->len, locator->off);
    raw = g_malloc(locator->len);
    if (!vd_node_co_pread(s->file, locator->off, raw, locator->len, error))
        return false;
    name = vhd_utf16_text(raw, locator->len, false);
    places_add_windows(places, s, name, locator->platform == RELATIVE);
    return true;
}

static GPtrArray *
places_co_new(const VhdState *s, const char *override, GError **error)
{
    g_autoptr(GPtrArray) places = g_ptr_array_new_with_free_func(g_free);
    g_autofree char *name = NULL;

    if (override) {
        g_ptr_array_add(places, g_strdup(override));
        return g_steal_pointer(&places);
    }
    /* Relative ones first: disks are mostly moved together. */
    for (unsigned absolute = 0; absolute < 2; absolute++)
        for (unsigned i = 0; i < VHD_LOCATORS; i++)
            if ((s->hdr.locator[i].platform == ABSOLUTE) == absolute &&
                !places_co_add_locator(places, s, &s->hdr.locator[i], error))
                return NULL;
    name = g_strdup(s->hdr.parent_name);
    places_add_windows(places, s, name, false);
    return g_steal_pointer(&places);
}

/* -- the search ------------------------------------------------------------ */

static bool
refuse(const VhdState *s, const char *mismatch, GError **error)
{
    char wanted[VD_UUID_CHARS + 1];

    vd_uuid_format(s->hdr.parent_uuid, false, wanted);
    if (mismatch)
        return vd_throw(error, VD_ERROR_PARENT_MISMATCH,
                        "%s: %s is not the parent with unique id %s",
                        vd_node_name(s->file), mismatch, wanted);
    return vd_throw(error, VD_ERROR_NOT_FOUND,
                    "%s: parent \"%s\" (unique id %s) not found",
                    vd_node_name(s->file), s->hdr.parent_name, wanted);
}

static bool
is_wanted(const VhdState *s, VdNode *parent)
{
    const VhdState *p = vd_node_state(parent);

    return vd_node_driver(parent) == &vd_vhd_driver &&
           memcmp(p->footer.uuid, s->hdr.parent_uuid, VD_UUID_BYTES) == 0;
}

static bool
parent_co_search(VhdState *s, const GPtrArray *places, GError **error)
{
    const char *mismatch = NULL;

    for (unsigned i = 0; i < places->len; i++) {
        g_autoptr(GError) failure = NULL;
        VdNode *parent =
            vd_node_co_open_parent(s->node, places->pdata[i], "vpc", &failure);

        if (parent && is_wanted(s, parent))
            return true;
        if (parent) {
            mismatch = places->pdata[i];
            vd_node_co_close_parent(s->node);
        } else if (!vd_error_is(failure, VD_ERROR_NOT_FOUND)) {
            g_propagate_error(error, g_steal_pointer(&failure));
            return false;
        }
    }
    return refuse(s, mismatch, error);
}

bool
vhd_parent_co_open(VhdState *s, VdOptions *opts, GError **error)
{
    g_autofree char *override = NULL;
    g_autoptr(GPtrArray) places = NULL;

    vd_options_take_string(opts, "parent", &override);
    if (s->footer.type != VHD_DIFFERENCING)
        return true;
    places = places_co_new(s, override, error);
    if (!places)
        return false;
    if (vd_node_flags(s->node) & (VD_OPEN_NO_PARENT | VD_OPEN_NO_IO)) {
        if (places->len)
            s->parent_path = g_strdup(places->pdata[0]);
        return true;
    }
    return parent_co_search(s, places, error);
}
