/* SPDX-License-Identifier: BSD-3-Clause */
/* vsphere/task.c - operations that take their time.
 *
 * A task is asked for its state, soon at first, then less and less often.
 *
 * Concurrency: as vsphere/session.h.
 */
#include "vsphere/task.h"

#include "block/error.h"
#include "vsphere/fault.h"
#include "vsphere/properties.h"
#include "vsphere/reply.h"
#include "vsphere/request.h"

#include <string.h>

#define FIRST_WAIT_MS 20u
#define LONGEST_WAIT_MS 2000u

typedef struct {
    VsSession *session;
    const char *op;
    VsRef *ref;
    const VsProgress *progress;
    unsigned wait_ms;
    bool cancelled;
} Task;

static const char *const task_paths[] = {"info", NULL};

/* Servers may be unable to; then the task runs to its end. */
static void
task_cancel(Task *task)
{
    if (!task->cancelled)
        (void) vs_session_do(task->session,
                             vs_request_new("CancelTask", task->ref), NULL);
    task->cancelled = true;
}

static void
task_tell(Task *task, const VsXml *info)
{
    int64_t percent = vs_xml_int(info, "progress", -1);

    if (!task->progress || !task->progress->advance)
        return;
    if (!task->progress->advance(task->progress->arg,
                                 (unsigned) CLAMP(percent, 0, 99)))
        task_cancel(task);
}

static void
task_wait(Task *task)
{
    g_usleep((gulong) task->wait_ms * 1000);
    task->wait_ms = MIN(task->wait_ms * 2, LONGEST_WAIT_MS);
}

static bool
task_failed(Task *task, const VsXml *info, GError **error)
{
    g_autoptr(VsFault) fault = vs_fault_of_task(vs_xml_child(info, "error"));

    if (task->cancelled)
        return vd_throw(error, VD_ERROR_CANCELLED, "%s: %s: stopped",
                        vs_session_name(task->session), task->op);
    return vs_fault_throw(error, fault, vs_session_name(task->session),
                          task->op);
}

/* The properties of the task once it has succeeded. */
static VsProperties *
task_finish(Task *task, GError **error)
{
    for (;;) {
        g_autoptr(VsProperties) properties =
            vs_properties_fetch(task->session, task->ref, task_paths, error);
        const VsXml *info;
        const char *state;

        if (!properties)
            return NULL;
        info = vs_properties_get(properties, "info");
        state = vs_xml_text(info, "state");
        if (g_strcmp0(state, "success") == 0)
            return g_steal_pointer(&properties);
        if (g_strcmp0(state, "error") == 0) {
            (void) task_failed(task, info, error);
            return NULL;
        }
        if (g_strcmp0(state, "queued") != 0 && g_strcmp0(state, "running") != 0)
            return vd_throw_null(
                error, VD_ERROR_CORRUPT, "%s: %s: a task in the state '%s'",
                vs_session_name(task->session), task->op, state ? state : "");
        task_tell(task, info);
        task_wait(task);
    }
}

static VsProperties *
task_run(VsSession *session, VsRequest *request, const VsProgress *progress,
         GError **error)
{
    g_autofree char *op = g_strdup(vs_request_op(request));
    g_autoptr(VsRef) ref = vs_session_call_ref(session, request, error);
    Task task = {
        .session = session,
        .op = op,
        .ref = ref,
        .progress = progress,
        .wait_ms = FIRST_WAIT_MS,
    };

    return ref ? task_finish(&task, error) : NULL;
}

bool
vs_task_run(VsSession *session, VsRequest *request, const VsProgress *progress,
            GError **error)
{
    g_autoptr(VsProperties) done = task_run(session, request, progress, error);

    return done != NULL;
}

static const VsXml *
result_of(const VsProperties *properties)
{
    return vs_xml_child(vs_properties_get(properties, "info"), "result");
}

VsRef *
vs_task_run_ref(VsSession *session, VsRequest *request,
                const VsProgress *progress, GError **error)
{
    g_autofree char *op = g_strdup(vs_request_op(request));
    g_autoptr(VsProperties) done = task_run(session, request, progress, error);
    VsRef *ref = done ? vs_ref_from_xml(result_of(done)) : NULL;

    if (done && !ref)
        (void) vd_throw(error, VD_ERROR_CORRUPT,
                        "%s: %s: the task has no object as its result",
                        vs_session_name(session), op);
    return ref;
}

char *
vs_task_run_text(VsSession *session, VsRequest *request,
                 const VsProgress *progress, GError **error)
{
    g_autoptr(VsProperties) done = task_run(session, request, progress, error);
    const VsXml *result = done ? result_of(done) : NULL;

    return done ? g_strdup(result ? result->text : "") : NULL;
}
