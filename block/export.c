/* SPDX-License-Identifier: BSD-3-Clause */
/* block/export.c - what servers have to offer.
 *
 * Concurrency: no state.
 */
#include "include/vdisk.h"

void
vd_export_free(VdExport *exported)
{
    if (exported == NULL)
        return;
    g_free(exported->name);
    g_free(exported->label);
    g_free(exported->description);
    g_free(exported);
}
