/* SPDX-License-Identifier: BSD-3-Clause */
/* block/proto/iscsi/look.c - what is behind a session.
 *
 * Concurrency: no state of its own.
 */
#include "block/proto/iscsi/client.h"

#include <string.h>

typedef struct {
    const VdEnv *env;
    const IscsiTarget *target;
    VioIscsi *session;
} Look;

/* @command, into the @room bytes at @buf; *@len: so many came.  False: the
 * session is lost. */
static bool
look_co_ask(const Look *look, VioIscsiCommand *command, uint8_t *buf,
            size_t room, size_t *len, GError **error)
{
    struct iovec iov;
    VioVec in = vio_vec_from_buf(&iov, buf, room);
    bool forgetful = false; /* of what?  It is new to us */

    if (room)
        memset(buf, 0, room);
    *len = 0;
    command->in = room ? &in : NULL;
    if (!iscsi_co_ask(look->env, look->target, look->session, command,
                      &forgetful, error))
        return false;
    command->in = NULL;
    if (command->status == VIO_SCSI_GOOD)
        *len = MIN(command->got, room);
    return true;
}

static bool
look_throw(const Look *look, const char *wrong, GError **error)
{
    return vd_throw(error, VD_ERROR_CORRUPT, "%s: %s", look->target->name,
                    wrong);
}

/* -- is it there ----------------------------------------------------------- */

static bool
look_co_kind(const Look *look, GError **error)
{
    VioIscsiCommand command = {0};
    uint8_t buf[SCSI_INQUIRY_ROOM];
    const char *wrong;
    bool is_missing;
    size_t len;

    command.cdb_len = scsi_put_inquiry(command.cdb, SCSI_INQUIRY_STANDARD);
    if (!look_co_ask(look, &command, buf, sizeof(buf), &len, error))
        return false;
    if (command.status != VIO_SCSI_GOOD)
        return iscsi_throw_status(look->target, &command, "opening", error);
    wrong = scsi_take_inquiry(buf, len, &is_missing);
    if (is_missing)
        return vd_throw(error, VD_ERROR_NOT_FOUND, "%s: %s", look->target->name,
                        wrong);
    return !wrong || vd_throw(error, VD_ERROR_NOT_SUPPORTED, "%s: %s",
                              look->target->name, wrong);
}

/* Takes what it has to say to who is new. */
static bool
look_co_ready(const Look *look, GError **error)
{
    VioIscsiCommand command = {0};
    size_t len;

    command.cdb_len = scsi_put_test_ready(command.cdb);
    if (!look_co_ask(look, &command, NULL, 0, &len, error))
        return false;
    return command.status == VIO_SCSI_GOOD ||
           iscsi_throw_status(look->target, &command, "opening", error);
}

/* -- how large ------------------------------------------------------------- */

static bool
look_co_capacity_as(const Look *look, ScsiUnit *unit, bool large, bool *unknown,
                    GError **error)
{
    VioIscsiCommand command = {0};
    uint8_t buf[SCSI_CAPACITY_ROOM];
    const char *wrong;
    size_t len, room = large ? sizeof(buf) : 8;

    command.cdb_len = scsi_put_capacity(command.cdb, large);
    if (!look_co_ask(look, &command, buf, room, &len, error))
        return false;
    *unknown = large && iscsi_is_unknown(&command);
    if (*unknown)
        return true;
    if (command.status != VIO_SCSI_GOOD)
        return iscsi_throw_status(look->target, &command, "asking for its size",
                                  error);
    wrong = scsi_take_capacity(unit, buf, len, large);
    return !wrong || look_throw(look, wrong, error);
}

static bool
look_co_capacity(const Look *look, ScsiUnit *unit, GError **error)
{
    bool unknown;

    if (!look_co_capacity_as(look, unit, true, &unknown, error))
        return false;
    return !unknown || look_co_capacity_as(look, unit, false, &unknown, error);
}

/* -- what it can ----------------------------------------------------------- */

/* Units need not have such pages. */
static bool
look_co_page(const Look *look, ScsiUnit *unit, int page,
             void (*take)(ScsiUnit *unit, const uint8_t *bytes, size_t len),
             GError **error)
{
    VioIscsiCommand command = {0};
    uint8_t buf[SCSI_INQUIRY_ROOM];
    size_t len;

    command.cdb_len = scsi_put_inquiry(command.cdb, page);
    if (!look_co_ask(look, &command, buf, sizeof(buf), &len, error))
        return false;
    take(unit, buf, len);
    return true;
}

static bool
look_co_mode(const Look *look, ScsiUnit *unit, GError **error)
{
    VioIscsiCommand command = {0};
    uint8_t buf[SCSI_MODE_ROOM];
    size_t len;

    unit->write_cache = true; /* unless it says otherwise */
    command.cdb_len = scsi_put_mode_sense(command.cdb);
    if (!look_co_ask(look, &command, buf, sizeof(buf), &len, error))
        return false;
    scsi_take_mode(unit, buf, len);
    return true;
}

bool
iscsi_co_look(const VdEnv *env, const IscsiTarget *target, VioIscsi *session,
              ScsiUnit *unit, GError **error)
{
    const Look look = {env, target, session};

    *unit = (ScsiUnit){0};
    return look_co_kind(&look, error) && look_co_ready(&look, error) &&
           look_co_capacity(&look, unit, error) &&
           look_co_mode(&look, unit, error) &&
           look_co_page(&look, unit, SCSI_PAGE_NAMES, scsi_take_names, error) &&
           look_co_page(&look, unit, SCSI_PAGE_LIMITS, scsi_take_limits,
                        error) &&
           (!unit->thin || look_co_page(&look, unit, SCSI_PAGE_PROVISIONING,
                                        scsi_take_provisioning, error));
}

bool
iscsi_unit_is_same(const ScsiUnit *old, const ScsiUnit *fresh, bool writable)
{
    return fresh->block_size == old->block_size &&
           fresh->blocks >= old->blocks && fresh->names_len == old->names_len &&
           memcmp(fresh->names, old->names, old->names_len) == 0 &&
           (!writable || !fresh->write_protected) && fresh->fua >= old->fua &&
           fresh->zeroes >= old->zeroes;
}
