/* SPDX-License-Identifier: BSD-3-Clause */
/* formats/qcow2/snapshot-list.c - which snapshots there are.
 *
 * Concurrency: yields to read the table.
 */
#include "formats/qcow2/qcow2.h"
#include "formats/qcow2/snapshot.h"

#include <inttypes.h>

int
qcow2_snapshots_find(const GArray *list, const char *id, const char *name)
{
    for (unsigned i = 0; i < list->len; i++) {
        const Qcow2Snapshot *s = &g_array_index(list, Qcow2Snapshot, i);

        if ((!id || !strcmp(id, s->id)) && (!name || !strcmp(name, s->name)))
            return (int) i;
    }
    return -1;
}

int
qcow2_snapshots_find_any(const GArray *list, const char *text)
{
    int i = qcow2_snapshots_find(list, text, NULL);

    return i >= 0 ? i : qcow2_snapshots_find(list, NULL, text);
}

bool
qcow2_snapshot_check_size(const Qcow2Snapshot *snapshot, VdNode *file,
                          const Qcow2Header *hdr, GError **error)
{
    uint64_t size = snapshot->disk_size;

    if (size > QCOW2_MAX_DISK_BYTES)
        return vd_throw(error, VD_ERROR_LIMIT,
                        "%s: the disk of snapshot '%s' has %" PRIu64
                        " bytes, not less than 2^62",
                        vd_node_name(file), snapshot->name, size);
    if (snapshot->n_l1 < qcow2_l1_needed(hdr, size))
        return vd_throw(error, VD_ERROR_CORRUPT,
                        "%s: the L1 table of snapshot '%s' at byte %" PRIu64
                        " has %u entries, too few for its %" PRIu64 " bytes",
                        vd_node_name(file), snapshot->name, snapshot->l1_off,
                        snapshot->n_l1, size);
    return true;
}

/* -- for the world outside ------------------------------------------------- */

static void
public_free(gpointer data)
{
    VdSnapshot *snapshot = data;

    g_free(snapshot->id);
    g_free(snapshot->name);
    g_free(snapshot);
}

static VdSnapshot *
public_new(const Qcow2Snapshot *snapshot)
{
    VdSnapshot *public = g_new(VdSnapshot, 1);

    *public = (VdSnapshot){
        .id = g_strdup(snapshot->id),
        .name = g_strdup(snapshot->name),
        .disk_size = snapshot->disk_size,
        .vm_state_size = snapshot->vm_state_bytes,
        .date_sec = snapshot->date_sec,
        .date_nsec = snapshot->date_nsec,
        .vm_clock_nsec = snapshot->vm_clock_nsec,
        .icount = snapshot->icount,
    };
    return public;
}

GPtrArray *
qcow2_co_list_snapshots(VdNode *node, GError **error)
{
    Qcow2State *s = vd_node_state(node);
    g_autoptr(GArray) list =
        qcow2_snapshots_co_read(s->file, &s->hdr, NULL, error);
    GPtrArray *found;

    if (!list)
        return NULL;
    found = g_ptr_array_new_with_free_func(public_free);
    for (unsigned i = 0; i < list->len; i++)
        g_ptr_array_add(found,
                        public_new(&g_array_index(list, Qcow2Snapshot, i)));
    return found;
}
