/* SPDX-License-Identifier: BSD-3-Clause */
/* io/iscsi-libiscsi.c - the module that knows libiscsi: one context a
 * connection.
 *
 * It has libiscsi do no more than the protocol.  Left to itself that would
 * connect again in the middle of everything, with a blocking look-up of names,
 * and send again what it likes: so it is told not to, and cancels what is under
 * way when a connection is lost.
 *
 * Concurrency: the runner of the session's loop, outside of coroutines.
 */
#include <errno.h>
#include <iscsi/iscsi.h>
#include <iscsi/scsi-lowlevel.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>

#include "io/iscsi-internal.h"
#include "io/sigpipe.h"

/* What a target answers to a login: class and detail. */
#define LOGIN_NOT_AUTHENTICATED 0x0201
#define LOGIN_NOT_AUTHORIZED 0x0202
#define LOGIN_NOT_FOUND 0x0203
#define LOGIN_REMOVED 0x0204

struct VioIscsiEngine {
    struct iscsi_context *context;
    const VioIscsiHost *host;
    void *client;
    bool freeing;
    bool lost; /* libiscsi has given up, and does not say so otherwise */
};

/* A command as libiscsi has it; outlives the command if that is given up. */
typedef struct VioIscsiTask {
    VioIscsiEngine *engine;
    VioIscsiCommand *command;
    struct scsi_task *scsi;
} VioIscsiTask;

/* -- life ----------------------------------------------------------------- */

static void
engine_free(VioIscsiEngine *engine)
{
    engine->freeing = true;
    if (engine->context)
        (void) iscsi_destroy_context(engine->context);
    g_free(engine);
}

static enum iscsi_header_digest
engine_digest(unsigned digest)
{
    switch (digest) {
    case VIO_ISCSI_DIGEST_NONE:
        return ISCSI_HEADER_DIGEST_NONE;
    case VIO_ISCSI_DIGEST_CRC32C_NONE:
        return ISCSI_HEADER_DIGEST_CRC32C_NONE;
    case VIO_ISCSI_DIGEST_CRC32C:
        return ISCSI_HEADER_DIGEST_CRC32C;
    default:
        return ISCSI_HEADER_DIGEST_NONE_CRC32C;
    }
}

static bool
engine_set_up(struct iscsi_context *context, const VioIscsiParams *params)
{
    iscsi_set_noautoreconnect(context, 1);
    return iscsi_set_session_type(context, ISCSI_SESSION_NORMAL) == 0 &&
           iscsi_set_targetname(context, params->target) == 0 &&
           iscsi_set_header_digest(context,
                                   engine_digest(params->header_digest)) == 0 &&
           iscsi_set_isid_random(context, params->session_id,
                                 params->session_number) == 0 &&
           iscsi_set_initiator_username_pwd(context, params->user,
                                            params->password) == 0;
}

static VioIscsiEngine *
engine_new(const VioIscsiHost *host, void *client, const VioIscsiParams *params,
           char **why)
{
    VioIscsiEngine *engine = g_new0(VioIscsiEngine, 1);

    engine->host = host;
    engine->client = client;
    engine->context = iscsi_create_context(params->initiator);
    if (engine->context && engine_set_up(engine->context, params))
        return engine;
    *why = g_strdup_printf("libiscsi refuses its set-up: %s",
                           engine->context ? iscsi_get_error(engine->context)
                                           : "no context");
    engine_free(engine);
    return NULL;
}

/* -- steps ---------------------------------------------------------------- */

/* libiscsi tells the number behind its text only. */
static int
login_errno(const char *text)
{
    const char *number = strrchr(text, '(');
    unsigned code = 0;

    if (!number || sscanf(number, "(%u)", &code) != 1)
        return -EPROTO;
    switch (code) {
    case LOGIN_NOT_AUTHENTICATED:
    case LOGIN_NOT_AUTHORIZED:
        return -EACCES;
    case LOGIN_NOT_FOUND:
    case LOGIN_REMOVED:
        return -ENOENT;
    default:
        return -EPROTO;
    }
}

static void
on_connected(struct iscsi_context *context, int status, void *unused,
             void *opaque)
{
    VioIscsiEngine *engine = opaque;

    if (engine->freeing)
        return;
    if (status == SCSI_STATUS_GOOD)
        engine->host->on_step(engine->client, 0, NULL);
    else
        engine->host->on_step(engine->client, -ECONNRESET,
                              iscsi_get_error(context));
}

static void
on_logged_in(struct iscsi_context *context, int status, void *unused,
             void *opaque)
{
    VioIscsiEngine *engine = opaque;
    const char *text = iscsi_get_error(context);

    if (engine->freeing)
        return;
    if (status == SCSI_STATUS_GOOD)
        engine->host->on_step(engine->client, 0, NULL);
    else if (status == SCSI_STATUS_REDIRECT)
        engine->host->on_step(engine->client, -EREMCHG,
                              "the target sends us to another place");
    else if (status == SCSI_STATUS_CANCELLED)
        engine->host->on_step(engine->client, -ECONNRESET,
                              "the target closed the connection");
    else
        engine->host->on_step(engine->client, login_errno(text), text);
}

static void
on_logged_out(struct iscsi_context *context, int status, void *unused,
              void *opaque)
{
    VioIscsiEngine *engine = opaque;

    if (!engine->freeing)
        engine->host->on_step(engine->client, 0, NULL);
}

/* @ret: of a function of libiscsi. */
static int
step_result(VioIscsiEngine *engine, int ret, char **why)
{
    if (ret == 0)
        return 0;
    *why = g_strdup(iscsi_get_error(engine->context));
    return -EPROTO;
}

static int
engine_connect(VioIscsiEngine *engine, const char *portal, char **why)
{
    return step_result(
        engine,
        iscsi_connect_async(engine->context, portal, on_connected, engine),
        why);
}

static int
engine_login(VioIscsiEngine *engine, const char *unused, char **why)
{
    return step_result(
        engine, iscsi_login_async(engine->context, on_logged_in, engine), why);
}

static int
engine_logout(VioIscsiEngine *engine, const char *unused, char **why)
{
    return step_result(
        engine, iscsi_logout_async(engine->context, on_logged_out, engine),
        why);
}

static const char *
engine_moved_to(VioIscsiEngine *engine)
{
    return iscsi_get_target_address(engine->context);
}

/* -- the socket ----------------------------------------------------------- */

static int
engine_fd(VioIscsiEngine *engine)
{
    return iscsi_get_fd(engine->context);
}

static short
engine_events(VioIscsiEngine *engine)
{
    return (short) iscsi_which_events(engine->context);
}

/* It writes without MSG_NOSIGNAL. */
static int
service_guarded(VioIscsiEngine *engine, short revents)
{
    VioSigpipe guard;
    int ret;

    if (!(revents & POLLOUT))
        return iscsi_service(engine->context, revents);
    vio_sigpipe_block(&guard);
    ret = iscsi_service(engine->context, revents);
    vio_sigpipe_unblock(&guard, ret != 0 || engine->lost);
    return ret;
}

static int
engine_service(VioIscsiEngine *engine, short revents, char **why)
{
    if (service_guarded(engine, revents) == 0 && !engine->lost)
        return 0;
    *why = g_strdup("the target closed the connection");
    return -ECONNRESET;
}

/* -- commands ------------------------------------------------------------- */

static void
task_free(VioIscsiTask *task)
{
    if (task->scsi)
        scsi_free_scsi_task(task->scsi);
    g_free(task);
}

static void
task_take_result(const VioIscsiTask *task, int status)
{
    VioIscsiCommand *command = task->command;
    const struct scsi_task *scsi = task->scsi;
    size_t wanted = command->in ? command->in->len : 0;

    command->status = (uint8_t) status;
    command->key = 0;
    command->asc = 0;
    if (status == SCSI_STATUS_CHECK_CONDITION) {
        command->key = (uint8_t) scsi->sense.key & 0xf;
        command->asc = (uint16_t) scsi->sense.ascq;
    }
    command->got = wanted;
    if (scsi->residual_status == SCSI_RESIDUAL_UNDERFLOW)
        command->got = wanted - MIN(wanted, (size_t) scsi->residual);
}

/* Those above are no status of SCSI. */
static int
task_errno(int status)
{
    if (status == (int) SCSI_STATUS_CANCELLED)
        return -ECONNRESET;
    return status < 0 || status > UINT8_MAX ? -EPROTO : 0;
}

static void
on_answer(struct iscsi_context *context, int status, void *unused, void *opaque)
{
    VioIscsiTask *task = opaque;
    VioIscsiEngine *engine = task->engine;
    int ret = task_errno(status);

    if (!engine->freeing) {
        engine->lost |= ret != 0;
        if (ret == 0)
            task_take_result(task, status);
        engine->host->on_command(engine->client, task->command, ret);
    }
    task_free(task);
}

/* It changes the pieces, and puts them right again. */
static void
task_set_data(VioIscsiTask *task, const VioIscsiCommand *command)
{
    struct scsi_iovec *iov = (struct scsi_iovec *) command->iov;

    /* By its own account it is, and stays, the same. */
    G_STATIC_ASSERT(sizeof(struct scsi_iovec) == sizeof(struct iovec));
    if (command->in)
        scsi_task_set_iov_in(task->scsi, iov, command->niov);
    else if (command->out)
        scsi_task_set_iov_out(task->scsi, iov, command->niov);
}

static int
engine_submit(VioIscsiEngine *engine, VioIscsiCommand *command, char **why)
{
    VioIscsiTask *task = g_new0(VioIscsiTask, 1);
    const VioVec *vec = command->in ? command->in : command->out;
    int direction = command->in    ? SCSI_XFER_READ
                    : command->out ? SCSI_XFER_WRITE
                                   : SCSI_XFER_NONE;

    task->engine = engine;
    task->command = command;
    task->scsi = scsi_create_task((int) command->cdb_len, command->cdb,
                                  direction, vec ? (int) vec->len : 0);
    if (task->scsi)
        task_set_data(task, command);
    if (task->scsi &&
        iscsi_scsi_command_async(engine->context, (int) command->lun,
                                 task->scsi, on_answer, NULL, task) == 0)
        return 0;
    *why = g_strdup_printf("libiscsi does not take the command: %s",
                           iscsi_get_error(engine->context));
    task_free(task);
    return -EPROTO;
}

extern const VioIscsiOps vio_iscsi_libiscsi; /* VIO_ISCSI_SYMBOL */

__attribute__((visibility("default"))) const VioIscsiOps vio_iscsi_libiscsi = {
    .command_size = sizeof(VioIscsiCommand),
    .engine_new = engine_new,
    .engine_free = engine_free,
    .connect = engine_connect,
    .login = engine_login,
    .logout = engine_logout,
    .moved_to = engine_moved_to,
    .fd = engine_fd,
    .events = engine_events,
    .service = engine_service,
    .submit = engine_submit,
};
