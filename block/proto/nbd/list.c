/* SPDX-License-Identifier: BSD-3-Clause */
/* block/proto/nbd/list.c - what exports a server has.
 *
 * Concurrency: as the handshake it belongs to.
 */
#include "block/proto/nbd/client.h"

#include "block/proto/dial.h"
#include "block/proto/text.h"
#include "io/bytes.h"

#include <inttypes.h>
#include <string.h>

/* Of names and descriptions. */
#define MAX_LIST_BYTES (16u << 20)

void
nbd_listed_free(NbdListed *listed)
{
    g_free(listed->name);
    g_free(listed->description);
    g_free(listed);
}

static bool
list_take(NbdHandshake *h, const NbdOptionReply *reply, GPtrArray *exports,
          GError **error)
{
    NbdListed *listed;
    uint32_t len;

    if (reply->len < 4 || reply->kept < reply->len)
        return nbd_shake_violation(
            h, error, "entry of the list with %" PRIu32 " bytes", reply->len);
    len = vio_get_be32(reply->bytes);
    if (len > reply->len - 4 || len > NBD_MAX_STRING)
        return nbd_shake_violation(
            h, error, "name of %" PRIu32 " bytes in an entry of %" PRIu32, len,
            reply->len);
    if (exports->len >= NBD_MAX_LISTED)
        return nbd_shake_violation(h, error, "list of more than %u exports",
                                   NBD_MAX_LISTED);
    listed = g_new(NbdListed, 1);
    listed->name = g_strndup((const char *) reply->bytes + 4, len);
    listed->description =
        g_strndup((const char *) reply->bytes + 4 + len, reply->len - 4 - len);
    g_ptr_array_add(exports, listed);
    return true;
}

/* Many are well, and long texts are: not both. */
static bool
check_size(NbdHandshake *h, const NbdOptionReply *reply, uint64_t *size,
           GError **error)
{
    *size += reply->len;
    return *size <= MAX_LIST_BYTES ||
           nbd_shake_violation(h, error, "list of more than %u bytes",
                               MAX_LIST_BYTES);
}

bool
nbd_list_co_exports(NbdHandshake *h, GPtrArray *exports, bool *refused,
                    GError **error)
{
    NbdOptionReply reply;
    uint64_t size = 0;

    *refused = false;
    if (!nbd_option_co_send(h, NBD_OPT_LIST, NULL, 0, error))
        return false;
    for (;;) {
        if (!nbd_option_co_reply(h, &reply, error))
            return false;
        if (reply.type == NBD_REP_ACK)
            return true;
        if (reply.type & NBD_REP_IS_ERROR) {
            *refused = true;
            return nbd_option_refused(h, &reply, error);
        }
        if (reply.type != NBD_REP_SERVER)
            return nbd_shake_violation(
                h, error, "reply of type %" PRIu32 " to LIST", reply.type);
        if (!check_size(h, &reply, &size, error) ||
            !list_take(h, &reply, exports, error))
            return false;
    }
}

/* -- for whoever wants to know --------------------------------------------- */

static VdExport *
export_new(const NbdListed *listed)
{
    VdExport *exported = g_new(VdExport, 1);

    exported->name = g_strdup(listed->name);
    exported->label = vd_escape_text(listed->name, strlen(listed->name));
    exported->description =
        vd_escape_text(listed->description, strlen(listed->description));
    return exported;
}

static bool
list_co_ask(NbdHandshake *h, GPtrArray *listed, GError **error)
{
    bool oldstyle, refused;

    if (!nbd_shake_co_greet(h, &oldstyle, error))
        return false;
    if (oldstyle || !(h->greeting & NBD_FIXED_NEWSTYLE))
        return vd_throw(error, VD_ERROR_NOT_SUPPORTED,
                        "%s: the server is an old one that has no list",
                        h->target->name);
    if (!nbd_list_co_exports(h, listed, &refused, error))
        return false;
    nbd_option_co_abort(h);
    return true;
}

static bool
list_co_dial(const VdEnv *env, const NbdTarget *target, GPtrArray *listed,
             GError **error)
{
    g_autofree NbdHandshake *h = g_new0(NbdHandshake, 1);
    g_autoptr(VioCancel) deadline = vio_cancel_new_child(env->cancel);
    bool ok;

    if (target->handshake_timeout > 0)
        vio_cancel_set_deadline(
            deadline, vio_now_ns() + target->handshake_timeout * 1000000000);
    h->target = target;
    h->cancel = deadline;
    h->stream =
        vd_co_dial(env, target->name, &target->address, deadline, error);
    if (!h->stream)
        return false;
    ok = list_co_ask(h, listed, error);
    vio_stream_co_close(h->stream);
    return ok;
}

GPtrArray *
nbd_co_list_exports(const VdEnv *env, VdOptions *opts, GError **error)
{
    g_autoptr(NbdTarget) target = nbd_target_new(opts, error);
    g_autoptr(GPtrArray) listed =
        g_ptr_array_new_with_free_func((GDestroyNotify) nbd_listed_free);
    GPtrArray *exports;

    if (!target || !vd_options_finish(opts, error) ||
        !nbd_target_co_load_creds(target, env->loop, error) ||
        !list_co_dial(env, target, listed, error))
        return NULL;
    exports = g_ptr_array_new_with_free_func((GDestroyNotify) vd_export_free);
    for (guint i = 0; i < listed->len; i++)
        g_ptr_array_add(exports, export_new(g_ptr_array_index(listed, i)));
    return exports;
}
