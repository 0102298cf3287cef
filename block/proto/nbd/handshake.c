/* SPDX-License-Identifier: BSD-3-Clause */
/* block/proto/nbd/handshake.c - from a fresh connection to an export.
 *
 *   greeting -> [TLS] -> extended headers, else structured replies
 *            -> [contexts] -> GO, or EXPORT_NAME with old servers
 *
 * Servers that drop the connection on an option that they do not know exist:
 * h->lost and h->asked tell the caller, who may try again without it.
 *
 * Concurrency: a handshake belongs to the coroutine that connects; a deadline
 * on h->cancel bounds all of it.
 */
#include "block/proto/nbd/handshake.h"

#include "block/proto/text.h"
#include "io/bytes.h"

#include <inttypes.h>
#include <string.h>

/* Names that the message about an unknown export tells. */
#define NAMES_TOLD 10

#define INFO_EXPORT_BYTES 12u
#define INFO_BLOCK_SIZE_BYTES 14u

/* -- what an export says of itself ----------------------------------------- */

static void
set_defaults(NbdExport *e)
{
    e->min_block = 1;
    e->max_payload = NBD_MAX_PAYLOAD;
}

static bool
set_export(NbdHandshake *h, uint64_t size, unsigned flags, GError **error)
{
    NbdExport *e = &h->export;

    if (size > INT64_MAX)
        return nbd_shake_violation(h, error, "export of %" PRIu64 " bytes",
                                   size);
    if (!(flags & NBD_FLAG_SEND_WRITE_ZEROES))
        flags &= ~(unsigned) NBD_FLAG_SEND_FAST_ZERO;
    if (e->headers == NBD_HEADERS_SIMPLE)
        flags &= ~(unsigned) NBD_FLAG_SEND_DF;
    e->size = size;
    e->flags = flags;
    return true;
}

static bool
is_power_of_two(uint32_t n)
{
    return n > 0 && (n & (n - 1)) == 0;
}

static bool
take_block_size(NbdHandshake *h, const uint8_t *p, GError **error)
{
    NbdExport *e = &h->export;
    uint32_t min = vio_get_be32(p), pref = vio_get_be32(p + 4);
    uint32_t max = vio_get_be32(p + 8);

    if (!is_power_of_two(min) || min > NBD_MAX_MIN_BLOCK || max < min)
        return nbd_shake_violation(
            h, error, "block sizes: minimum %" PRIu32 ", maximum %" PRIu32, min,
            max);
    e->has_sizes = true;
    e->min_block = min;
    e->pref_block = is_power_of_two(pref) && pref >= min ? pref : 0;
    e->max_payload = MIN(max, NBD_MAX_PAYLOAD) / min * min;
    return true;
}

/* -- contexts -------------------------------------------------------------- */

static void
append_string(GByteArray *data, const char *text)
{
    uint8_t len[4];

    vio_put_be32(len, (uint32_t) strlen(text));
    g_byte_array_append(data, len, sizeof(len));
    g_byte_array_append(data, (const uint8_t *) text, (guint) strlen(text));
}

static bool
contexts_co_ask(NbdHandshake *h, GError **error)
{
    g_autoptr(GByteArray) data = g_byte_array_new();
    const char *own = h->target->context;
    uint8_t count[4];

    append_string(data, h->target->export);
    vio_put_be32(count, own ? 2 : 1);
    g_byte_array_append(data, count, sizeof(count));
    append_string(data, NBD_CONTEXT_ALLOCATION);
    if (own)
        append_string(data, own);
    return nbd_option_co_send(h, NBD_OPT_SET_META_CONTEXT, data->data,
                              data->len, error);
}

static bool
is_name(const NbdOptionReply *reply, const char *name)
{
    size_t len = strlen(name);

    return reply->len - 4 == len && memcmp(reply->bytes + 4, name, len) == 0;
}

static bool
take_context(NbdHandshake *h, const NbdOptionReply *reply, GError **error)
{
    NbdExport *e = &h->export;
    const char *own = h->target->context;

    if (reply->len <= 4 || reply->len > 4 + NBD_MAX_STRING)
        return nbd_shake_violation(
            h, error, "context reply of %" PRIu32 " bytes", reply->len);
    if (is_name(reply, NBD_CONTEXT_ALLOCATION)) {
        e->has_allocation = true;
        e->allocation_id = vio_get_be32(reply->bytes);
    } else if (own && is_name(reply, own)) {
        e->has_context = true;
        e->context_id = vio_get_be32(reply->bytes);
    }
    return true;
}

static bool
shake_co_contexts(NbdHandshake *h, GError **error)
{
    if (h->export.headers == NBD_HEADERS_SIMPLE)
        return true;
    if (!contexts_co_ask(h, error))
        return false;
    for (unsigned n = 0; n <= NBD_MAX_CONTEXTS; n++) {
        NbdOptionReply reply;

        if (!nbd_option_co_reply(h, &reply, error))
            return false;
        if (reply.type == NBD_REP_ACK || (reply.type & NBD_REP_IS_ERROR))
            return true;
        if (reply.type != NBD_REP_META_CONTEXT)
            return nbd_shake_violation(
                h, error, "reply of type %" PRIu32 " to SET_META_CONTEXT",
                reply.type);
        if (!take_context(h, &reply, error))
            return false;
    }
    return nbd_shake_violation(h, error, "more than %u contexts",
                               NBD_MAX_CONTEXTS);
}

/* -- old ways to name the export ------------------------------------------- */

static bool
shake_co_skip_zeroes(NbdHandshake *h, GError **error)
{
    uint8_t zeroes[NBD_EXPORT_NAME_ZEROES];

    return nbd_shake_co_read(h, zeroes, sizeof(zeroes), error);
}

/* A server that does not know the name closes the connection. */
static bool
shake_co_export_name(NbdHandshake *h, GError **error)
{
    const char *name = h->target->export;
    uint8_t answer[NBD_EXPORT_NAME_SIZE];

    if (!nbd_option_co_send(h, NBD_OPT_EXPORT_NAME, name, strlen(name),
                            error) ||
        !nbd_shake_co_read(h, answer, sizeof(answer), error))
        return false;
    if (!(h->greeting & NBD_NO_ZEROES) && !shake_co_skip_zeroes(h, error))
        return false;
    return set_export(h, vio_get_be64(answer), vio_get_be16(answer + 8), error);
}

static bool
shake_co_oldstyle(NbdHandshake *h, GError **error)
{
    uint8_t rest[12];
    uint32_t flags;

    if (*h->target->export || h->target->tls) {
        h->final = true;
        return vd_throw(error, VD_ERROR_NOT_SUPPORTED,
                        "%s: the server is an old one without %s",
                        h->target->name,
                        h->target->tls ? "TLS" : "names of exports");
    }
    if (!nbd_shake_co_read(h, rest, sizeof(rest), error))
        return false;
    flags = vio_get_be32(rest + 8);
    if (flags > UINT16_MAX)
        return nbd_shake_violation(
            h, error, "flags %08" PRIx32 " of an old server", flags);
    return shake_co_skip_zeroes(h, error) &&
           set_export(h, vio_get_be64(rest), flags, error);
}

/* -- GO -------------------------------------------------------------------- */

static bool
go_co_ask(NbdHandshake *h, GError **error)
{
    static const uint8_t infos[] = {
        0, 2, 0, NBD_INFO_EXPORT, 0, NBD_INFO_BLOCK_SIZE};
    g_autoptr(GByteArray) data = g_byte_array_new();

    append_string(data, h->target->export);
    g_byte_array_append(data, infos, sizeof(infos));
    return nbd_option_co_send(h, NBD_OPT_GO, data->data, data->len, error);
}

static bool
go_take_info(NbdHandshake *h, const NbdOptionReply *reply, bool *seen,
             GError **error)
{
    unsigned type;

    if (reply->len < 2)
        return nbd_shake_violation(h, error, "info of %" PRIu32 " bytes",
                                   reply->len);
    type = vio_get_be16(reply->bytes);
    if ((type == NBD_INFO_EXPORT && reply->len != INFO_EXPORT_BYTES) ||
        (type == NBD_INFO_BLOCK_SIZE && reply->len != INFO_BLOCK_SIZE_BYTES))
        return nbd_shake_violation(h, error, "info %u of %" PRIu32 " bytes",
                                   type, reply->len);
    if (type == NBD_INFO_BLOCK_SIZE)
        return take_block_size(h, reply->bytes + 2, error);
    if (type != NBD_INFO_EXPORT)
        return true;
    *seen = true;
    return set_export(h, vio_get_be64(reply->bytes + 2),
                      vio_get_be16(reply->bytes + 10), error);
}

/* The names that there are, added to what @error says. */
static void
go_co_tell_names(NbdHandshake *h, GError **error)
{
    g_autoptr(GPtrArray) exports =
        g_ptr_array_new_with_free_func((GDestroyNotify) nbd_listed_free);
    g_autoptr(GString) names = g_string_new(NULL);
    bool refused;

    if (!error || !*error || !nbd_list_co_exports(h, exports, &refused, NULL))
        return;
    for (guint i = 0; i < exports->len && i < NAMES_TOLD; i++) {
        const NbdListed *listed = g_ptr_array_index(exports, i);
        g_autofree char *name =
            vd_escape_text(listed->name, strlen(listed->name));

        g_string_append_printf(names, "%s'%s'", i ? ", " : "", name);
    }
    if (exports->len > NAMES_TOLD)
        g_string_append_printf(names, " and %u more",
                               exports->len - NAMES_TOLD);
    if (exports->len > 0) {
        char *text = g_strdup_printf("%s (the server has: %s)",
                                     (*error)->message, names->str);

        g_free((*error)->message);
        (*error)->message = text;
    }
}

static bool
go_co_refused(NbdHandshake *h, const NbdOptionReply *reply, GError **error)
{
    (void) nbd_option_refused(h, reply, error);
    h->final = true;
    if (reply->type == NBD_REP_ERR_UNKNOWN)
        go_co_tell_names(h, error);
    if (reply->type == NBD_REP_ERR_SHUTDOWN)
        h->final = false;
    nbd_option_co_abort(h);
    return false;
}

static bool
go_done(NbdHandshake *h, bool seen, GError **error)
{
    if (!seen)
        return nbd_shake_violation(h, error, "no size of the export");
    if (!(h->export.flags & NBD_FLAG_HAS_FLAGS))
        return nbd_shake_violation(h, error, "flags of the export are missing");
    return true;
}

static bool
shake_co_name_it(NbdHandshake *h, GError **error)
{
    bool seen = false;

    if (!go_co_ask(h, error))
        return false;
    for (unsigned n = 0; n <= NBD_MAX_CONTEXTS; n++) {
        NbdOptionReply reply;

        if (!nbd_option_co_reply(h, &reply, error))
            return false;
        if (reply.type == NBD_REP_ACK)
            return go_done(h, seen, error);
        if (reply.type == NBD_REP_ERR_UNSUP &&
            h->export.headers != NBD_HEADERS_EXTENDED)
            return shake_co_export_name(h, error);
        if (reply.type & NBD_REP_IS_ERROR)
            return go_co_refused(h, &reply, error);
        if (reply.type != NBD_REP_INFO)
            return nbd_shake_violation(
                h, error, "reply of type %" PRIu32 " to GO", reply.type);
        if (!go_take_info(h, &reply, &seen, error))
            return false;
    }
    return nbd_shake_violation(h, error, "more than %u infos",
                               NBD_MAX_CONTEXTS);
}

/* -- the whole ------------------------------------------------------------- */

static bool
greet_co_flags(NbdHandshake *h, GError **error)
{
    uint8_t flags[2], answer[4];

    if (!nbd_shake_co_read(h, flags, sizeof(flags), error))
        return false;
    h->greeting =
        vio_get_be16(flags) & (unsigned) (NBD_FIXED_NEWSTYLE | NBD_NO_ZEROES);
    vio_put_be32(answer, h->greeting);
    return nbd_shake_co_send(h, answer, sizeof(answer), error);
}

/* Whoever wants TLS gets it or nothing. */
static bool
greet_co_tls(NbdHandshake *h, GError **error)
{
    bool accepted = false;

    if (!h->target->tls)
        return true;
    if ((h->greeting & NBD_FIXED_NEWSTYLE) &&
        !nbd_option_co_simple(h, NBD_OPT_STARTTLS, &accepted, error))
        return false;
    if (accepted)
        return nbd_shake_co_start_tls(h, error);
    h->final = true;
    if (h->greeting & NBD_FIXED_NEWSTYLE)
        nbd_option_co_abort(h);
    return vd_throw(error, VD_ERROR_PERMISSION,
                    "%s: the server does not offer TLS, which was asked for",
                    h->target->name);
}

bool
nbd_shake_co_greet(NbdHandshake *h, bool *oldstyle, GError **error)
{
    uint8_t magics[16];
    uint64_t first, second;

    *oldstyle = false;
    set_defaults(&h->export);
    if (!nbd_shake_co_read(h, magics, sizeof(magics), error))
        return false;
    first = vio_get_be64(magics);
    second = vio_get_be64(magics + 8);
    if (first != NBD_MAGIC)
        return nbd_shake_violation(
            h, error, "greeting begins with %016" PRIx64 ": no NBD server",
            first);
    *oldstyle = second == NBD_OLDSTYLE_MAGIC;
    if (*oldstyle)
        return shake_co_oldstyle(h, error);
    if (second != NBD_OPTION_MAGIC)
        return nbd_shake_violation(h, error, "greeting with magic %016" PRIx64,
                                   second);
    return greet_co_flags(h, error) && greet_co_tls(h, error);
}

static bool
shake_co_headers(NbdHandshake *h, GError **error)
{
    bool accepted = false;

    if (!h->no_extended &&
        !nbd_option_co_simple(h, NBD_OPT_EXTENDED_HEADERS, &accepted, error))
        return false;
    if (accepted) {
        h->export.headers = NBD_HEADERS_EXTENDED;
        return true;
    }
    if (!h->no_structured &&
        !nbd_option_co_simple(h, NBD_OPT_STRUCTURED_REPLY, &accepted, error))
        return false;
    if (accepted)
        h->export.headers = NBD_HEADERS_STRUCTURED;
    return true;
}

static bool
check_size(NbdHandshake *h, GError **error)
{
    const NbdExport *e = &h->export;

    return e->size % e->min_block == 0 ||
           nbd_shake_violation(h, error,
                               "size %" PRIu64
                               " is no multiple of the smallest block, %" PRIu32
                               " bytes",
                               e->size, e->min_block);
}

bool
nbd_shake_co_go(NbdHandshake *h, GError **error)
{
    bool oldstyle;

    if (!nbd_shake_co_greet(h, &oldstyle, error))
        return false;
    if (oldstyle)
        return true;
    if (!(h->greeting & NBD_FIXED_NEWSTYLE))
        return shake_co_export_name(h, error);
    return shake_co_headers(h, error) && shake_co_contexts(h, error) &&
           shake_co_name_it(h, error) && check_size(h, error);
}
