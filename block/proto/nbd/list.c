/* SPDX-License-Identifier: BSD-3-Clause */
/* block/proto/nbd/list.c - what exports a server has.
 *
 * Concurrency: as the handshake it belongs to.
 */
#include "block/proto/nbd/handshake.h"

#include "io/bytes.h"

#include <inttypes.h>

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

bool
nbd_list_co_exports(NbdHandshake *h, GPtrArray *exports, bool *refused,
                    GError **error)
{
    NbdOptionReply reply;

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
        if (!list_take(h, &reply, exports, error))
            return false;
    }
}
