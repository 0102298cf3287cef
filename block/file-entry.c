/* SPDX-License-Identifier: BSD-3-Clause */
/* block/file-entry.c - what directories list.
 *
 * Concurrency: no state.
 */
#include "include/vdisk.h"

void
vd_file_entry_free(VdFileEntry *entry)
{
    if (entry == NULL)
        return;
    g_free(entry->name);
    g_free(entry->label);
    g_free(entry->target);
    g_free(entry->problem);
    g_free(entry);
}
