/* SPDX-License-Identifier: BSD-3-Clause */
/* vsphere/snapshot.h - snapshots of virtual machines. */
#pragma once

#include "vsphere/session.h"
#include "vsphere/task.h"

typedef struct VsSnapshot {
    VsRef *ref;
    char *name, *description;
    char *create_time; /* as the server writes it */
    char *state;       /* of the machine then: "poweredOn" ... */
    int id;
    unsigned depth; /* 0 = no other one below it */
    bool quiesced;
    bool current; /* the machine has gone on from this one */
} VsSnapshot;

void vs_snapshot_free(VsSnapshot *snapshot);

/* Of VsSnapshot, parents before children; empty if there are none. */
GPtrArray *vs_snapshots_list(VsSession *session, const VsRef *vm,
                             GError **error);

/* By its id ("snapshot-47") or its name, if only one has it;
 * SNAPSHOT_NOT_FOUND. */
VsRef *vs_snapshot_find(VsSession *session, const VsRef *vm, const char *which,
                        GError **error);

typedef struct VsSnapshotSpec {
    const char *name, *description; /* description may be NULL */
    bool memory, quiesce;
} VsSnapshotSpec;

VsRef *vs_snapshot_create(VsSession *session, const VsRef *vm,
                          const VsSnapshotSpec *spec,
                          const VsProgress *progress, GError **error);
bool vs_snapshot_remove(VsSession *session, const VsRef *snapshot,
                        bool children, const VsProgress *progress,
                        GError **error);
