/* SPDX-License-Identifier: BSD-3-Clause */
/* vsphere/task.c - operations that take their time.
 *
 * A task is asked for its state, soon at first, then less and less often.
 *
 * Concurrency: as vsphere/session.h.
 */
#include "vsphere/task.h"

#include "block/error.h"
#include "io/loop.h"
#include "vsphere/fault.h"
#include "vsphere/properties.h"
#include "vsphere/reply.h"
#include "vsphere/request.h"

#include <string.h>

#define FIRST_WAIT_MS 20u
#define LONGEST_WAIT_MS 2000u
/* No answer to a question about it, one time after another: the task goes on
 * without us, so a short trouble of the network is no reason to give it up. */
#define MAX_LOST 5u
#define MAX_NS (UINT64_C(24) * 3600 * 1000 * 1000 * 1000)
/* Servers may take their time with stopping it, or not do it. */
#define STOP_NS (UINT64_C(60) * 1000 * 1000 * 1000)

typedef struct {
    VsSession *session;
    const char *op;
    VsRef *ref;
    const VsProgress *progress;
    unsigned wait_ms, lost;
    uint64_t until_ns;
    bool cancelled;
} Task;

static const char *const task_paths[] = {"info", NULL};

static bool
task_goes_on(const Task *task, const char *why, GError **error)
{
    return vd_throw(error, VD_ERROR_CANCELLED,
                    "%s: %s: not waited for any longer, but the server goes on "
                    "with it: %s",
                    vs_session_name(task->session), task->op, why);
}

/* BUSY: it is over already, or about to be. */
static void
task_cancel(Task *task, GError **error)
{
    g_autoptr(GError) cause = NULL;

    if (task->cancelled)
        return;
    task->cancelled = true;
    task->until_ns = MIN(task->until_ns, vio_now_ns() + STOP_NS);
    if (!vs_session_do(task->session, vs_request_new("CancelTask", task->ref),
                       &cause) &&
        !vd_error_is(cause, VD_ERROR_BUSY))
        (void) task_goes_on(task, cause->message, error);
}

static void
task_tell(Task *task, const VsXml *info, GError **error)
{
    int64_t percent = vs_xml_int(info, "progress", -1);

    if (!task->progress || !task->progress->advance)
        return;
    if (!task->progress->advance(task->progress->arg,
                                 (unsigned) CLAMP(percent, 0, 99)))
        task_cancel(task, error);
}

static bool
task_wait(Task *task, GError **error)
{
    if (vio_now_ns() >= task->until_ns)
        return task->cancelled
                   ? task_goes_on(task, "it does not end", error)
                   : vd_throw(error, VD_ERROR_TIMED_OUT,
                              "%s: %s: the task does not end",
                              vs_session_name(task->session), task->op);
    g_usleep((gulong) task->wait_ms * 1000);
    task->wait_ms = MIN(task->wait_ms * 2, LONGEST_WAIT_MS);
    return true;
}

static bool
task_failed(Task *task, const VsXml *info, GError **error)
{
    g_autoptr(VsFault) fault = vs_fault_of_task(vs_xml_child(info, "error"));

    if (task->cancelled)
        return vd_throw(error, VD_ERROR_CANCELLED, "%s: %s: stopped",
                        vs_session_name(task->session), task->op);
    return vs_session_throw(task->session, fault, task->op, error);
}

/* False: @error if it is set, else ask again. */
static bool
task_ask(Task *task, VsProperties **properties, GError **error)
{
    g_autoptr(GError) cause = NULL;

    *properties =
        vs_properties_fetch(task->session, task->ref, task_paths, &cause);
    if (*properties) {
        task->lost = 0;
        return true;
    }
    if (vs_session_is_out_of_reach(cause) && ++task->lost < MAX_LOST)
        return false;
    g_propagate_error(error, g_steal_pointer(&cause));
    return false;
}

/* Has the task ended?  False and no @error: it is under way. */
static bool
task_look(Task *task, const VsProperties *properties, GError **error)
{
    const VsXml *info = vs_properties_get(properties, "info");
    const char *state = vs_xml_text(info, "state");
    g_autofree char *shown = vs_xml_shown(state ? state : "");

    if (strcmp(shown, "success") == 0)
        return true;
    if (strcmp(shown, "error") == 0)
        return task_failed(task, info, error);
    if (strcmp(shown, "queued") != 0 && strcmp(shown, "running") != 0)
        return vd_throw(error, VD_ERROR_CORRUPT,
                        "%s: %s: a task in the state '%s'",
                        vs_session_name(task->session), task->op, shown);
    task_tell(task, info, error);
    return false;
}

/* The properties of the task once it has succeeded. */
static VsProperties *
task_finish(Task *task, GError **error)
{
    g_autoptr(GError) cause = NULL;

    do {
        g_autoptr(VsProperties) properties = NULL;

        if (task_ask(task, &properties, &cause) &&
            task_look(task, properties, &cause))
            return g_steal_pointer(&properties);
    } while (!cause && task_wait(task, &cause));
    g_propagate_error(error, g_steal_pointer(&cause));
    return NULL;
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
        .until_ns = vio_now_ns() + MAX_NS,
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

VsRef *
vs_task_run_ref(VsSession *session, VsRequest *request,
                const VsProgress *progress, GError **error)
{
    g_autofree char *op = g_strdup(vs_request_op(request));
    g_autoptr(VsProperties) done = task_run(session, request, progress, error);
    const VsXml *info = done ? vs_properties_get(done, "info") : NULL;
    VsRef *ref = vs_ref_from_xml(vs_xml_child(info, "result"));

    if (done && !ref)
        (void) vd_throw(error, VD_ERROR_CORRUPT,
                        "%s: %s: the task has no object as its result",
                        vs_session_name(session), op);
    return ref;
}
