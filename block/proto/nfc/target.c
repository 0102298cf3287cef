/* SPDX-License-Identifier: BSD-3-Clause */
/* block/proto/nfc/target.c - the options of the driver.
 *
 *   path                 of the disk: [datastore] folder/disk.vmdk
 *   ticket-source        name of who gives tickets (block/tickets.h), or
 *   session-id-file      a file with the id of one session, or a pipe with one
 *                        for each who opens it
 *   host, port, service  where tickets say nothing; 902 and "nfc" else
 *   thumbprint           of the host's certificate; without one it must be
 *   tls-certificates     signed by ca-cert.pem in there, or by whom the system
 *                        trusts, for the host's name
 *   tls                  data in TLS: on (nbdssl) or off (nbd)
 *   buffer-size, buffer-count, compression (none, zlib, fastlz, skipz)
 *   handshake-timeout, request-timeout, reconnect-delay, keep-alive (seconds)
 *
 * Concurrency: constant once it is made.
 */
#include "block/proto/nfc/target.h"

#include "io/thumbprint.h"

#include <inttypes.h>
#include <string.h>

#define MAX_SECONDS 86400u
#define HANDSHAKE_SECONDS 30u
#define REQUEST_SECONDS 120u
#define RECONNECT_SECONDS 10u
#define KEEP_ALIVE_SECONDS 60u
#define MAX_BUFFERS 64u
#define DEFAULT_BUFFERS 4u
#define SMALLEST_BUFFER 4096u
#define DEFAULT_SERVICE "nfc" /* of an ESXi host that one has logged in to */

void
nfc_target_free(NfcTarget *t)
{
    g_free(t->path);
    g_clear_pointer(&t->source, vd_ticket_source_unref);
    g_free(t->session_file);
    g_free(t->host);
    g_free(t->service);
    g_free(t->thumbprint);
    g_free(t->tls_certificates);
    g_free(t->name);
    g_free(t);
}

/* -- admission ------------------------------------------------------------- */

static bool
take_source(VdOptions *opts, NfcTarget *t, GError **error)
{
    g_autofree char *name = NULL;

    vd_options_take_string(opts, "ticket-source", &name);
    vd_options_take_string(opts, "session-id-file", &t->session_file);
    if (!name == !t->session_file)
        return vd_throw(error, VD_ERROR_INVALID_ARGUMENT,
                        "nfc: wanted is either 'ticket-source' or "
                        "'session-id-file'");
    if (!name)
        return true;
    t->source = vd_ticket_source_find(name);
    return t->source ||
           vd_throw(error, VD_ERROR_INVALID_ARGUMENT,
                    "nfc: there is no such ticket-source any more");
}

static bool
check_admission(const NfcTarget *t, GError **error)
{
    VioThumbprint print;

    if (!t->host && t->session_file)
        return vd_throw(error, VD_ERROR_INVALID_ARGUMENT,
                        "nfc: the host is missing");
    return !t->thumbprint || vio_thumbprint_parse(t->thumbprint, &print) ||
           vd_throw(error, VD_ERROR_INVALID_ARGUMENT,
                    "nfc: 'thumbprint' is not 40 (SHA-1) or 64 (SHA-256) hex "
                    "digits");
}

static bool
take_admission(VdOptions *opts, NfcTarget *t, GError **error)
{
    t->port = NFC_PORT;
    vd_options_take_string(opts, "host", &t->host);
    vd_options_take_string(opts, "service", &t->service);
    vd_options_take_string(opts, "thumbprint", &t->thumbprint);
    vd_options_take_string(opts, "tls-certificates", &t->tls_certificates);
    if (!t->service)
        t->service = g_strdup(DEFAULT_SERVICE);
    return vd_options_take_uint_upto(opts, "port", UINT16_MAX, &t->port,
                                     error) &&
           take_source(opts, t, error) && check_admission(t, error);
}

/* -- manners --------------------------------------------------------------- */

static bool
take_buffers(VdOptions *opts, NfcTarget *t, GError **error)
{
    static const char *const names[] = {"none", "zlib", "fastlz", "skipz",
                                        NULL};
    unsigned compression = NFC_PLAIN;

    t->buffer_count = DEFAULT_BUFFERS;
    if (!vd_options_take_size(opts, "buffer-size", &t->buffer_size, error) ||
        !vd_options_take_uint_upto(opts, "buffer-count", MAX_BUFFERS,
                                   &t->buffer_count, error) ||
        !vd_options_take_enum(opts, "compression", names, &compression, error))
        return false;
    t->compression = (NfcCompression) compression;
    t->buffer_count = MAX(t->buffer_count, 1);
    return t->buffer_size == 0 ||
           (t->buffer_size >= SMALLEST_BUFFER &&
            t->buffer_size <= NFC_LARGEST_BUFFER &&
            t->buffer_size % SMALLEST_BUFFER == 0) ||
           vd_throw(error, VD_ERROR_INVALID_ARGUMENT,
                    "nfc: 'buffer-size' is %" PRIu64
                    ", wanted is a multiple of %u, at most %u",
                    t->buffer_size, SMALLEST_BUFFER, NFC_LARGEST_BUFFER);
}

static bool
take_seconds(VdOptions *opts, const char *key, uint64_t otherwise,
             uint64_t *value, GError **error)
{
    *value = otherwise;
    return vd_options_take_uint_upto(opts, key, MAX_SECONDS, value, error);
}

static bool
take_times(VdOptions *opts, NfcTarget *t, GError **error)
{
    return take_seconds(opts, "handshake-timeout", HANDSHAKE_SECONDS,
                        &t->handshake_timeout, error) &&
           take_seconds(opts, "request-timeout", REQUEST_SECONDS,
                        &t->request_timeout, error) &&
           take_seconds(opts, "reconnect-delay", RECONNECT_SECONDS,
                        &t->reconnect_delay, error) &&
           take_seconds(opts, "keep-alive", KEEP_ALIVE_SECONDS, &t->keep_alive,
                        error);
}

static bool
take_path(VdOptions *opts, NfcTarget *t, GError **error)
{
    vd_options_take_string(opts, "path", &t->path);
    if (!t->path || *t->path == '\0')
        return vd_throw(error, VD_ERROR_INVALID_ARGUMENT,
                        "nfc: the path of the disk is missing");
    return strlen(t->path) <= NFC_MAX_PATH ||
           vd_throw(error, VD_ERROR_LIMIT, "nfc: a path has at most %u bytes",
                    NFC_MAX_PATH);
}

NfcTarget *
nfc_target_new(VdOptions *opts, GError **error)
{
    g_autoptr(NfcTarget) t = g_new0(NfcTarget, 1);

    t->tls = true;
    if (!take_path(opts, t, error) || !take_admission(opts, t, error) ||
        !vd_options_take_bool(opts, "tls", &t->tls, error) ||
        !take_buffers(opts, t, error) || !take_times(opts, t, error))
        return NULL;
    t->name = g_strdup_printf("nfc:%s", t->path);
    return g_steal_pointer(&t);
}
