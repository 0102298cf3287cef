/* SPDX-License-Identifier: BSD-3-Clause */
/* vsphere/task.h - operations that take their time. */
#pragma once

#include "vsphere/session.h"

/* Told on the caller's thread, between polls; false = stop it. */
typedef struct VsProgress {
    bool (*advance)(void *arg, unsigned percent);
    void *arg;
} VsProgress;

/* Sends a request that answers with a task, and waits until that has ended.
 * @progress may be NULL.  A task that was stopped: CANCELLED; so, too, if the
 * server goes on with it all the same, and then the text says so.  A day is
 * too long for any task: TIMED_OUT. */
bool vs_task_run(VsSession *session, VsRequest *request,
                 const VsProgress *progress, GError **error);
/* The same for those whose result is a reference. */
VsRef *vs_task_run_ref(VsSession *session, VsRequest *request,
                       const VsProgress *progress, GError **error);
