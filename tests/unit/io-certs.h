/* SPDX-License-Identifier: BSD-3-Clause */
/* tests/unit/io-certs.h - certificates for tests of TLS, made on the spot. */
#pragma once

#include <glib.h>

#include "io/tls.h"
#include "tests/unit/io-test.h"

/* Who signs: in @dir (made if need be) ca-cert.pem. */
typedef struct IoCa IoCa;

IoCa *io_ca_new(const char *dir, const char *name);
void io_ca_free(IoCa *ca);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(IoCa, io_ca_free)

/* Signed by @ca: @dir/WHO-cert.pem and WHO-key.pem for @who "server" or
 * "client", with subject alternative names as OpenSSL writes them
 * ("DNS:a,IP:127.0.0.1") or NULL, valid for @days from yesterday on (0: no
 * more). */
void io_ca_sign(IoCa *ca, const char *dir, const char *who, const char *names,
                int days);

/* The same, with a key that is too short for today (RSA of 1024 bits). */
void io_ca_sign_short(IoCa *ca, const char *dir, const char *who,
                      const char *names);

/* ca-crl.pem in @dir: takes back the certificate signed last, or none. */
void io_ca_revoke(IoCa *ca, const char *dir, gboolean last);

/* -- credentials that must be good ---------------------------------------- */

#define IO_TLS_KEY_A                                                           \
    "0123456789abcdef0123456789ABCDEF0123456789abcdef0123456789abcdef"
#define IO_TLS_KEY_B                                                           \
    "ff23456789abcdef0123456789ABCDEF0123456789abcdef0123456789abcdef"

/* A directory of server and client under one authority. */
char *io_tls_pki(IoFixture *f, const char *name, const char *server_names,
                 int days);
VioTlsCreds *io_tls_x509(bool server, const char *dir, bool verify_peer);
VioTlsCreds *io_tls_psk(IoFixture *f, bool server, const char *file,
                        const char *user, const char *content);
