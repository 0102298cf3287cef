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

#include "formats/blocks/parent.h"
#include "formats/common/utf16.h"

#define RELATIVE UINT32_C(0x57327275) /* "W2ru" */
#define ABSOLUTE UINT32_C(0x57326b75) /* "W2ku" */
#define MAC_URL UINT32_C(0x4d616358)  /* "MacX" */
#define MAX_NAME_BYTES (64u << 10)

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
    name = vd_utf16_text(raw, locator->len, false);
    vd_places_add_windows(places, s->file, name, locator->platform == RELATIVE);
    return true;
}

static GPtrArray *
places_co_new(const VhdState *s, const char *override, GError **error)
{
    g_autoptr(GPtrArray) places = vd_places_new();

    if (override) {
        vd_places_add(places, override);
        return g_steal_pointer(&places);
    }
    /* Relative ones first: disks are mostly moved together. */
    for (unsigned absolute = 0; absolute < 2; absolute++)
        for (unsigned i = 0; i < VHD_LOCATORS; i++)
            if ((s->hdr.locator[i].platform == ABSOLUTE) == absolute &&
                !places_co_add_locator(places, s, &s->hdr.locator[i], error))
                return NULL;
    vd_places_add_windows(places, s->file, s->hdr.parent_name, false);
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
is_wanted(VdNode *child, VdNode *parent)
{
    const VhdState *s = vd_node_state(child), *p = vd_node_state(parent);

    return vd_node_driver(parent) == &vd_vhd_driver &&
           memcmp(p->footer.uuid, s->hdr.parent_uuid, VD_UUID_BYTES) == 0;
}

static bool
parent_co_search(VhdState *s, const GPtrArray *places, GError **error)
{
    const char *mismatch;

    return vd_places_co_open_parent(places, s->node, "vpc", is_wanted,
                                    &mismatch, error) &&
           (vd_node_parent(s->node) || refuse(s, mismatch, error));
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
