/* SPDX-License-Identifier: BSD-3-Clause */
/* formats/vhdx/parent.c - finding the parent of a differencing disk.
 *
 * What counts is the parent's data-write id, which the child remembers (and
 * perhaps a second one, which the parent may have after a merge).  Places, in
 * order: option parent=PATH; the relative path, also by its last name; then the
 * last names of the other paths.
 *
 * Concurrency: open only.
 */
#include "formats/blocks/parent.h"
#include "formats/vhdx/driver.h"
#include "formats/vhdx/vhdx.h"

#include "block/open.h"

static GPtrArray *
collect_places(const VhdxState *s, const char *override)
{
    const VhdxLocator *locator = &s->meta.locator;
    GPtrArray *places = vd_places_new();

    if (override) {
        vd_places_add(places, override);
        return places;
    }
    if (locator->relative)
        vd_places_add_windows(places, s->file, locator->relative, true);
    if (locator->volume)
        vd_places_add_windows(places, s->file, locator->volume, false);
    if (locator->absolute)
        vd_places_add_windows(places, s->file, locator->absolute, false);
    return places;
}

static bool
is_id(const uint8_t *wanted, const uint8_t *id)
{
    return !vd_uuid_is_null(wanted) && memcmp(wanted, id, VD_UUID_BYTES) == 0;
}

static bool
is_wanted(VdNode *child, VdNode *parent)
{
    const VhdxState *s = vd_node_state(child), *p = vd_node_state(parent);
    const VhdxLocator *locator = &s->meta.locator;

    return vd_node_driver(parent) == &vd_vhdx_driver &&
           (is_id(locator->linkage, p->headers.now.data_write) ||
            is_id(locator->linkage2, p->headers.now.data_write));
}

static bool
refuse(const VhdxState *s, const GPtrArray *places, const char *mismatch,
       GError **error)
{
    char wanted[VD_UUID_CHARS + 1];

    vd_uuid_format(s->meta.locator.linkage, true, wanted);
    if (mismatch)
        return vd_throw(error, VD_ERROR_PARENT_MISMATCH,
                        "%s: %s is not the parent with data-write id %s",
                        vd_node_name(s->file), mismatch, wanted);
    return vd_throw(
        error, VD_ERROR_NOT_FOUND, "%s: parent %s (data-write id %s) not found",
        vd_node_name(s->file),
        places->len ? (const char *) places->pdata[0] : "without a name",
        wanted);
}

static bool
parent_co_search(VhdxState *s, const GPtrArray *places, GError **error)
{
    const char *mismatch;

    return vd_places_co_open_parent(places, s->node, "vhdx", is_wanted,
                                    &mismatch, error) &&
           (vd_node_parent(s->node) || refuse(s, places, mismatch, error));
}

bool
vhdx_parent_co_open(VhdxState *s, VdOptions *opts, GError **error)
{
    g_autofree char *override = NULL;
    g_autoptr(GPtrArray) places = NULL;

    vd_options_take_string(opts, "parent", &override);
    if (!s->meta.has_parent)
        return true;
    places = collect_places(s, override);
    if (vd_node_flags(s->node) & (VD_OPEN_NO_PARENT | VD_OPEN_NO_IO)) {
        if (places->len)
            s->parent_path = g_strdup(places->pdata[0]);
        return true;
    }
    return parent_co_search(s, places, error);
}
