/* SPDX-License-Identifier: BSD-3-Clause */
/* block/proto/vmfs/lun.c - is a device the LUN that it should be?
 *
 * The copy that an array makes of a LUN is the same to the last byte, until a
 * host gives it another id; its name is another one from the beginning.
 *
 * Concurrency: no state.
 */
#include "block/proto/vmfs/state.h"

#include "block/scsi-id.h"

bool
vmfs_lun_take_names(VdOptions *opts, char ***names, GError **error)
{
    g_autofree char *list = NULL;
    g_auto(GStrv) parts = NULL;

    vd_options_take_string(opts, "lun-names", &list);
    if (!list)
        return true;
    parts = g_strsplit(list, ";", -1);
    for (char **part = parts; *part; part++) {
        char *name = vd_scsi_name_canonical(g_strstrip(*part));

        if (!name)
            return vd_throw(error, VD_ERROR_INVALID_ARGUMENT,
                            "Parameter 'lun-names' expects naa.HEX, eui.HEX "
                            "or t10.TEXT, with ';' between them, not '%s'",
                            *part);
        g_free(*part);
        *part = name;
    }
    *names = g_steal_pointer(&parts);
    return true;
}

/* What a unit says that it is called: its driver, or one below it; NULL = none
 * does. */
static char **
names_below(VdNode *node)
{
    for (; node; node = vd_node_file(node)) {
        g_autoptr(GVariant) facts = vd_node_describe(node);
        char **names = NULL;

        if (facts && g_variant_lookup(facts, "names", "^as", &names))
            return names;
    }
    return NULL;
}

bool
vmfs_lun_check(VdNode *extent, char *const *names, GError **error)
{
    g_auto(GStrv) own = names ? names_below(extent) : NULL;
    g_autofree char *all = NULL;

    if (!own || !*own)
        return true;
    for (char **each = own; *each; each++)
        if (g_strv_contains((const char *const *) names, *each))
            return true;
    all = g_strjoinv(", ", own);
    return vd_throw(error, VD_ERROR_REFUSED,
                    "%s: is called %s, and not as one of the LUNs that are "
                    "meant",
                    vd_node_name(extent), all);
}
