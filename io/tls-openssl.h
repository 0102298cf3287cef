/* SPDX-License-Identifier: BSD-3-Clause */
/* io/tls-openssl.h - what the files that know OpenSSL share. */
#pragma once

#include "io/thumbprint.h"
#include "io/tls-internal.h"

#include <openssl/ssl.h>

struct VioTlsCreds {
    int refs; /* atomic */
    bool server, verify_peer;
    VioThumbprint pin; /* clients; length 0 = none */
    SSL_CTX *ctx;
    GHashTable *keys; /* servers: user -> GBytes */
    char *user;       /* clients */
    GBytes *key;
};

/* The oldest reason in OpenSSL's queue, in words; empties the queue. */
const char *vio_tls_reason(void);

/* io/tls-session.c: what has gone wrong; the first reason counts. */
void vio_tls_why(VioTlsSession *session, const char *format, ...)
    G_GNUC_PRINTF(2, 3);

/* io/tls-psk.c: read the keys and set creds->ctx up for them. */
bool vio_tls_psk_load(VioTlsCreds *creds, const VioTlsParams *params,
                      char **why);

/* io/tls-creds.c */
VioTlsCreds *vio_tls_openssl_creds_new(const VioTlsParams *params, char **why);
VioTlsCreds *vio_tls_openssl_creds_ref(VioTlsCreds *creds);
void vio_tls_openssl_creds_unref(VioTlsCreds *creds);
