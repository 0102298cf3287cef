/* SPDX-License-Identifier: BSD-3-Clause */
/* block/proto/iscsi/exchange.c - one command in one session.
 *
 * A unit may want to hear a command again: it has something to say first, is
 * busy, or another host has it for itself for a moment (old hosts of VMware do
 * so for each change of a volume).
 *
 * Concurrency: any number at a time.
 */
#include "block/proto/iscsi/client.h"

#include <errno.h>

#include "io/op.h"

#define MAX_ASKS 20u
#define MS_NS UINT64_C(1000000)
#define SHORT_PAUSE_MS 50u
#define LONG_PAUSE_MS 200u

/* -- again ----------------------------------------------------------------- */

typedef enum Again { AGAIN_NO, AGAIN_AT_ONCE, AGAIN_LATER } Again;

static Again
sense_again(const VioIscsiCommand *command)
{
    switch (command->key) {
    case SCSI_KEY_UNIT_ATTENTION:
    case SCSI_KEY_ABORTED:
        return AGAIN_AT_ONCE;
    case SCSI_KEY_NOT_READY:
        return command->asc == SCSI_ASC_BECOMING_READY ? AGAIN_LATER : AGAIN_NO;
    default:
        return AGAIN_NO;
    }
}

static Again
again(const VioIscsiCommand *command)
{
    switch (command->status) {
    case VIO_SCSI_CHECK_CONDITION:
        return sense_again(command);
    case VIO_SCSI_BUSY:
    case VIO_SCSI_TASK_SET_FULL:
    case VIO_SCSI_RESERVATION_CONFLICT:
        return AGAIN_LATER;
    default:
        return AGAIN_NO;
    }
}

/* Power was off, or somebody has reset it: its cache is gone.  That it has a
 * new session it says in the same way, but for the qualifier. */
static bool
is_reset(const VioIscsiCommand *command)
{
    return command->status == VIO_SCSI_CHECK_CONDITION &&
           command->key == SCSI_KEY_UNIT_ATTENTION &&
           command->asc >> 8 == SCSI_ASC_NEXUS_LOSS >> 8 &&
           command->asc != SCSI_ASC_NEXUS_LOSS;
}

static bool
throw_lost(const IscsiTarget *target, int ret, const char *why, GError **error)
{
    VdErrorCode code = ret == -ECANCELED   ? VD_ERROR_CANCELLED
                       : ret == -ETIMEDOUT ? VD_ERROR_TIMED_OUT
                                           : VD_ERROR_IO;

    return vd_throw(error, code, "%s: %s", target->name, why);
}

bool
iscsi_co_ask(const VdEnv *env, const IscsiTarget *target, VioIscsi *session,
             VioIscsiCommand *command, bool *forgetful, GError **error)
{
    /* Units from 256 on have another form of number (SAM, flat space). */
    command->lun = target->lun < 256 ? target->lun : 0x4000 | target->lun;
    for (unsigned n = 1;; n++) {
        g_autofree char *why = NULL;
        int ret = vio_iscsi_co_run(session, command, &why);
        Again next;
        uint64_t ms = MIN(SHORT_PAUSE_MS * n, LONG_PAUSE_MS);

        if (ret != 0)
            return throw_lost(target, ret, why, error);
        *forgetful |= is_reset(command);
        next = again(command);
        if (next == AGAIN_NO || n == MAX_ASKS)
            return true;
        if (next == AGAIN_LATER)
            ret = vio_co_sleep(env->loop, ms * MS_NS, env->cancel);
        if (ret != 0)
            return throw_lost(target, ret, "waiting for the unit", error);
    }
}

/* -- results --------------------------------------------------------------- */

bool
iscsi_is_unknown(const VioIscsiCommand *command)
{
    return command->status == VIO_SCSI_CHECK_CONDITION &&
           command->key == SCSI_KEY_ILLEGAL_REQUEST &&
           (command->asc == SCSI_ASC_BAD_OPCODE ||
            command->asc == SCSI_ASC_BAD_FIELD);
}

static VdErrorCode
sense_code(const VioIscsiCommand *command)
{
    if (command->key == SCSI_KEY_DATA_PROTECT)
        return command->asc == SCSI_ASC_SPACE ? VD_ERROR_NO_SPACE
                                              : VD_ERROR_READ_ONLY;
    if (command->key == SCSI_KEY_ILLEGAL_REQUEST &&
        command->asc == SCSI_ASC_NO_SUCH_LUN)
        return VD_ERROR_NOT_FOUND;
    return VD_ERROR_IO;
}

bool
iscsi_throw_status(const IscsiTarget *target, const VioIscsiCommand *command,
                   const char *what, GError **error)
{
    switch (command->status) {
    case VIO_SCSI_CHECK_CONDITION:
        return vd_throw(error, sense_code(command),
                        "%s: %s: %s (sense 0x%x, 0x%04x)", target->name, what,
                        command->asc == SCSI_ASC_NO_SUCH_LUN
                            ? "there is no such unit"
                            : scsi_key_text(command->key),
                        command->key, command->asc);
    case VIO_SCSI_RESERVATION_CONFLICT:
        return vd_throw(error, VD_ERROR_IN_USE,
                        "%s: %s: another host has reserved the unit",
                        target->name, what);
    case VIO_SCSI_BUSY:
    case VIO_SCSI_TASK_SET_FULL:
        return vd_throw(error, VD_ERROR_IO, "%s: %s: the unit stays busy",
                        target->name, what);
    default:
        return vd_throw(error, VD_ERROR_IO,
                        "%s: %s: the unit answers with status 0x%02x",
                        target->name, what, command->status);
    }
}
