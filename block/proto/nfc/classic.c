/* SPDX-License-Identifier: BSD-3-Clause */
/* block/proto/nfc/classic.c - agreeing on a session, in messages of 264 bytes.
 *
 *   C 43 nonce  C 33          S 36
 *   C 51 version              S 51 version
 *   C 54 lengths, then client and operation   C 55 features
 *   C 52                      S 52
 *
 * In the place of any answer an error may come: 20, and its text behind it.
 *
 * Concurrency: an opening belongs to the coroutine that connects.
 */
#include "block/proto/nfc/open.h"

#include "block/proto/text.h"

#include <string.h>

static bool
classic_co_write(NfcOpening *o, const void *bytes, size_t len, GError **error)
{
    int r = vio_stream_co_send(o->stream, bytes, len, NULL, o->cancel);

    return r == 0 || nfc_opening_lost(o, -r, "agreeing on a session", error);
}

static bool
classic_co_read(NfcOpening *o, void *bytes, size_t len, GError **error)
{
    int r = vio_stream_co_read(o->stream, bytes, len, o->cancel);

    return r == 0 || nfc_opening_lost(o, -r, "agreeing on a session", error);
}

static bool
classic_co_send(NfcOpening *o, NfcClassic type, uint32_t a, uint32_t b,
                GError **error)
{
    uint8_t message[NFC_CLASSIC_BYTES];

    nfc_put_classic(type, a, b, message);
    return classic_co_write(o, message, sizeof(message), error);
}

/* It may have no room for now, so it is worth another try. */
static bool
refusal_co_read(NfcOpening *o, const uint8_t *message, GError **error)
{
    g_autofree char *text = NULL, *shown = NULL;
    NfcClassicError e;

    nfc_get_classic_error(message, &e);
    if (e.text_len > NFC_MAX_TEXT)
        return nfc_opening_violation(o, error, "an error of %u bytes",
                                     e.text_len);
    text = g_malloc0(e.text_len + 1);
    if (!classic_co_read(o, text, e.text_len, error))
        return false;
    shown = vd_escape_text(text, strlen(text));
    return vd_throw(error, VD_ERROR_HANDSHAKE,
                    "%s: the server does not want a session: error %u.%u%s%s",
                    o->name, e.type, e.code, *shown ? ": " : "", shown);
}

static bool
classic_co_expect(NfcOpening *o, NfcClassic type,
                  uint8_t message[NFC_CLASSIC_BYTES], GError **error)
{
    uint32_t found;

    if (!classic_co_read(o, message, NFC_CLASSIC_BYTES, error))
        return false;
    found = nfc_classic_type(message);
    if (found == NFC_ERROR)
        return refusal_co_read(o, message, error);
    return found == type ||
           nfc_opening_violation(o, error, "message of type %u, not %u", found,
                                 type);
}

static bool
version_co_agree(NfcOpening *o, GError **error)
{
    uint8_t message[NFC_CLASSIC_BYTES];
    uint32_t version;

    if (!classic_co_send(o, NFC_PROTOCOL_VERSION, NFC_VERSION, 0, error) ||
        !classic_co_expect(o, NFC_PROTOCOL_VERSION, message, error))
        return false;
    version = nfc_classic_field(message, 0);
    if (version >= NFC_LEAST_VERSION)
        return true;
    o->final = true;
    return vd_throw(error, VD_ERROR_HANDSHAKE,
                    "%s: the server speaks version %u of NFC, %u is the least",
                    o->name, version, NFC_LEAST_VERSION);
}

static bool
classic_co_introduce(NfcOpening *o, GError **error)
{
    static const char names[] = NFC_CLIENT_NAME NFC_OPERATION;
    uint32_t client = strlen(NFC_CLIENT_NAME);
    uint32_t operation = strlen(NFC_OPERATION);

    return classic_co_send(o, NFC_CONNECTION_DATA, client, operation, error) &&
           classic_co_write(o, names, strlen(names), error) &&
           classic_co_send(o, NFC_FEATURE_SET, NFC_FEATURES, 0, error);
}

bool
nfc_classic_co_agree(NfcOpening *o, GError **error)
{
    uint8_t message[NFC_CLASSIC_BYTES];

    nfc_put_nonce(message);
    return classic_co_write(o, message, sizeof(message), error) &&
           classic_co_send(o, NFC_SESSION_PARAMS, 0, 0, error) &&
           classic_co_expect(o, NFC_FILEOP_STATUS, message, error) &&
           version_co_agree(o, error) && classic_co_introduce(o, error) &&
           classic_co_send(o, NFC_AIO_OPEN, 0, 0, error) &&
           classic_co_expect(o, NFC_AIO_OPEN, message, error);
}
