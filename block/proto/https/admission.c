/* SPDX-License-Identifier: BSD-3-Clause */
/* block/proto/https/admission.c - who lets us in, and for how long.
 *
 * A source of tickets may tell the end of what it lets in to: that stops what
 * is under way, and the source, asked once more, says why.
 *
 * Concurrency: one loop; what is known does not change.
 */
#include "block/proto/https/client.h"

#include <errno.h>

bool
https_admission_co_begin(HttpsAdmission *admission, const char *name,
                         const VdNode *node, VdTicket *ticket, GError **error)
{
    const VdEnv *env = vd_node_env(node);

    admission->source = vd_ticket_source_find(name);
    if (!admission->source)
        return vd_throw(error, VD_ERROR_INVALID_ARGUMENT,
                        "%s: nobody gives tickets by this name",
                        vd_node_name(node));
    if (!vd_ticket_source_co_get(admission->source, env->loop, env->cancel,
                                 ticket, error))
        return false;
    admission->cancel = g_steal_pointer(&ticket->cancel);
    return true;
}

void
https_admission_clear(HttpsAdmission *admission)
{
    g_clear_pointer(&admission->source, vd_ticket_source_unref);
    g_clear_pointer(&admission->cancel, vio_cancel_unref);
}

VioCancel *
https_cancel(const VdNode *node)
{
    const HttpsState *s = vd_node_state(node);

    return s->admission.cancel ? s->admission.cancel
                               : vd_node_env(node)->cancel;
}

bool
https_co_throw(const HttpsAdmission *admission, int ret, char *why,
               GError **error)
{
    VioCancel *cancel = admission->cancel;
    g_autoptr(GError) refusal = NULL;
    g_auto(VdTicket) ticket = {0};

    if (ret != -ECANCELED || !cancel ||
        vd_ticket_source_co_get(admission->source, vio_co_loop(), cancel,
                                &ticket, &refusal) ||
        vd_error_is(refusal, VD_ERROR_CANCELLED))
        return https_throw(ret, why, error);
    g_free(why);
    g_propagate_error(error, g_steal_pointer(&refusal));
    return false;
}
