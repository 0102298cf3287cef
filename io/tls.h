/* SPDX-License-Identifier: BSD-3-Clause */
/* io/tls.h - TLS: who we are and whom we trust.
 *
 * Versions 1.2 and 1.3, by OpenSSL.  Credentials are made once and used by any
 * number of sessions; a session is handed to vio_stream_co_start_tls().  In a
 * build without OpenSSL making credentials fails and says so.
 */
#pragma once

#include <glib.h>
#include <stdbool.h>

typedef struct VioTlsCreds VioTlsCreds;     /* immutable; any thread */
typedef struct VioTlsSession VioTlsSession; /* one end of one connection */

/* Certificates (@dir) or pre-shared keys (@psk_file), not both. */
typedef struct VioTlsParams {
    bool server;
    /* Folder of PEM files, named as QEMU, nbdkit and libnbd name them:
     * ca-cert.pem, ca-crl.pem (optional), server-cert.pem and server-key.pem,
     * client-cert.pem and client-key.pem (optional, together).  Clients: NULL,
     * or a folder without ca-cert.pem, trusts whom the system trusts. */
    const char *dir;
    /* Lines "user:hexkey"; refused if it is open to all users. */
    const char *psk_file;
    /* Clients: which line.  NULL: that of $LOGNAME or of the user's name,
     * else that of "qemu". */
    const char *psk_user;
    /* Clients: the server must have a certificate of its name; leave this on.
     * Servers: clients must have certificates. */
    bool verify_peer;
    /* Clients: the digest of the server's certificate, as io/thumbprint.h has
     * it.  It alone decides: authorities, names and dates are not looked at,
     * whatever @verify_peer says.  Compared inside the handshake, before a
     * byte of ours follows. */
    const char *thumbprint;
    /* Short keys and SHA-1 signatures will do (OpenSSL's level 1), for servers
     * that have nothing better.  TLS 1.2 stays the least. */
    bool low_security;
} VioTlsParams;

bool vio_tls_available(void);

/* Reads files, blocking.  NULL and *@why (to be freed): file and reason. */
VioTlsCreds *vio_tls_creds_new(const VioTlsParams *params, char **why);
VioTlsCreds *vio_tls_creds_ref(VioTlsCreds *creds);
void vio_tls_creds_unref(VioTlsCreds *creds);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VioTlsCreds, vio_tls_creds_unref)

/* @hostname: clients, the name or address that the server's certificate must
 * have; without one a handshake that verifies fails.  Servers: NULL. */
VioTlsSession *vio_tls_session_new(VioTlsCreds *creds, const char *hostname);

/* Of a session that no stream has got. */
void vio_tls_session_free(VioTlsSession *session);

/* What went wrong, in words, or NULL; lives as long as the session, which is
 * as long as its stream. */
const char *vio_tls_session_why(const VioTlsSession *session);

/* Version and cipher, for messages, once the handshake is over; else NULL. */
const char *vio_tls_session_cipher(const VioTlsSession *session);
