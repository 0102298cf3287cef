/* SPDX-License-Identifier: BSD-3-Clause */
/* io/tls-creds.c - certificates, authorities, revocations: the context that
 * the sessions of one end share.
 *
 * Concurrency: blocking file reads, any thread; immutable afterwards.
 */
#include "io/tls-openssl.h"

#include "io/tls-pin.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/x509_vfy.h>
#include <sys/stat.h>

/* RSA of 1024 bits, SHA-1: what ESXi 6.5 has. */
#define LOW_SECURITY_LEVEL 1

const char *
vio_tls_reason(void)
{
    unsigned long code = ERR_get_error();
    const char *reason = NULL;

    if (code != 0 && ERR_SYSTEM_ERROR(code))
        reason = g_strerror(ERR_GET_REASON(code));
    else if (code != 0)
        reason = ERR_reason_error_string(code);
    ERR_clear_error();
    return reason ? reason : "unknown reason";
}

static bool
creds_fail(char **why, const char *path, const char *what)
{
    *why = g_strdup_printf("%s: %s: %s", path, what, vio_tls_reason());
    return false;
}

/* NULL if there is no such file.  One that is there and cannot be had, a link
 * to nowhere, too, is not to be done without: it may tell whom not to trust. */
static char *
creds_path(const char *dir, const char *name)
{
    char *path = g_build_filename(dir, name, NULL);
    struct stat st;

    if (lstat(path, &st) < 0 && errno == ENOENT)
        g_clear_pointer(&path, g_free);
    return path;
}

static bool
creds_missing(const char *dir, const char *name, char **why)
{
    g_autofree char *path = g_build_filename(dir, name, NULL);

    *why = g_strdup_printf("%s: %s", path, g_strerror(ENOENT));
    return false;
}

/* -- who we are ----------------------------------------------------------- */

/* Servers must have a certificate; of clients it depends on the server. */
static bool
creds_load_own(VioTlsCreds *creds, const char *dir, char **why)
{
    const char *cert_name =
        creds->server ? "server-cert.pem" : "client-cert.pem";
    const char *key_name = creds->server ? "server-key.pem" : "client-key.pem";
    g_autofree char *cert = creds_path(dir, cert_name);
    g_autofree char *key = creds_path(dir, key_name);

    if (!cert && !key && !creds->server)
        return true;
    if (!cert || !key)
        return creds_missing(dir, cert ? key_name : cert_name, why);
    if (SSL_CTX_use_certificate_chain_file(creds->ctx, cert) != 1)
        return creds_fail(why, cert, "no usable certificate");
    if (SSL_CTX_use_PrivateKey_file(creds->ctx, key, SSL_FILETYPE_PEM) != 1)
        return creds_fail(why, key, "no usable private key");
    return true;
}

/* -- whom we trust -------------------------------------------------------- */

static bool
creds_load_crl(VioTlsCreds *creds, const char *path, char **why)
{
    X509_STORE *store = SSL_CTX_get_cert_store(creds->ctx);
    X509_LOOKUP *lookup = X509_STORE_add_lookup(store, X509_LOOKUP_file());

    if (!lookup || X509_load_crl_file(lookup, path, X509_FILETYPE_PEM) < 1)
        return creds_fail(why, path, "no usable list of revocations");
    (void) X509_STORE_set_flags(store, X509_V_FLAG_CRL_CHECK);
    return true;
}

static bool
creds_load_trust(VioTlsCreds *creds, const char *dir, char **why)
{
    g_autofree char *ca = dir ? creds_path(dir, "ca-cert.pem") : NULL;
    g_autofree char *crl = dir ? creds_path(dir, "ca-crl.pem") : NULL;

    if (!creds->verify_peer)
        return true;
    if (!ca && creds->server) /* the system trusts far too many for that */
        return creds_missing(dir, "ca-cert.pem", why);
    if (!ca && SSL_CTX_set_default_verify_paths(creds->ctx) != 1)
        return creds_fail(why, "OpenSSL", "whom the system trusts");
    if (ca && SSL_CTX_load_verify_locations(creds->ctx, ca, NULL) != 1)
        return creds_fail(why, ca, "no usable certificates");
    if (ca && creds->server) /* tells clients whose certificates will do */
        SSL_CTX_set_client_CA_list(creds->ctx, SSL_load_client_CA_file(ca));
    return !crl || creds_load_crl(creds, crl, why);
}

/* For OpenSSL, in the place of its own look at the chain. */
static int
creds_verify_pin(X509_STORE_CTX *store, void *opaque)
{
    const VioTlsCreds *creds = opaque;
    SSL *ssl =
        X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx());
    VioTlsSession *session = SSL_get_app_data(ssl);
    g_autofree char *why = NULL;

    if (vio_tls_pin_check(X509_STORE_CTX_get0_cert(store), &creds->pin, &why))
        return 1;
    session->mistaken = true;
    vio_tls_why(session, "%s", why);
    X509_STORE_CTX_set_error(store, X509_V_ERR_CERT_REJECTED);
    return 0;
}

static bool
creds_load_pin(VioTlsCreds *creds, const char *text, char **why)
{
    if (!text)
        return true;
    if (!vio_thumbprint_parse(text, &creds->pin)) {
        *why = g_strdup("a thumbprint is 40 (SHA-1) or 64 (SHA-256) hex digits "
                        "with or without colons");
        return false;
    }
    creds->verify_peer = false; /* by name and authority */
    SSL_CTX_set_cert_verify_callback(creds->ctx, creds_verify_pin, creds);
    return true;
}

static bool
creds_load_x509(VioTlsCreds *creds, const char *dir, char **why)
{
    int mode = SSL_VERIFY_NONE;

    if (creds->verify_peer || creds->pin.len > 0)
        mode = SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT;
    SSL_CTX_set_verify(creds->ctx, mode, NULL);
    return (!dir || creds_load_own(creds, dir, why)) &&
           creds_load_trust(creds, dir, why);
}

/* -- life ----------------------------------------------------------------- */

/* No sessions are resumed, so none are offered or kept. */
static bool
creds_make_ctx(VioTlsCreds *creds, char **why)
{
    creds->ctx =
        SSL_CTX_new(creds->server ? TLS_server_method() : TLS_client_method());
    if (!creds->ctx ||
        SSL_CTX_set_min_proto_version(creds->ctx, TLS1_2_VERSION) != 1)
        return creds_fail(why, "OpenSSL", "set-up");
    SSL_CTX_set_options(creds->ctx,
                        SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
                            SSL_OP_NO_TICKET | SSL_OP_CIPHER_SERVER_PREFERENCE);
    SSL_CTX_set_session_cache_mode(creds->ctx, SSL_SESS_CACHE_OFF);
    (void) SSL_CTX_set_num_tickets(creds->ctx, 0);
    SSL_CTX_set_app_data(creds->ctx, creds);
    return true;
}

static bool
creds_load(VioTlsCreds *creds, const VioTlsParams *params, char **why)
{
    if (params->dir && params->psk_file) {
        *why = g_strdup("certificates and pre-shared keys exclude each other");
        return false;
    }
    if (!params->dir && !params->psk_file && params->server) {
        *why = g_strdup("a server needs certificates or pre-shared keys");
        return false;
    }
    if (!creds_make_ctx(creds, why) ||
        !creds_load_pin(creds, params->thumbprint, why))
        return false;
    if (params->low_security)
        SSL_CTX_set_security_level(creds->ctx, LOW_SECURITY_LEVEL);
    return params->psk_file ? vio_tls_psk_load(creds, params, why)
                            : creds_load_x509(creds, params->dir, why);
}

VioTlsCreds *
vio_tls_openssl_creds_new(const VioTlsParams *params, char **why)
{
    VioTlsCreds *creds = g_new0(VioTlsCreds, 1);

    creds->refs = 1;
    creds->server = params->server;
    creds->verify_peer = params->verify_peer && !params->psk_file;
    ERR_clear_error();
    if (creds_load(creds, params, why))
        return creds;
    vio_tls_openssl_creds_unref(creds);
    return NULL;
}

VioTlsCreds *
vio_tls_openssl_creds_ref(VioTlsCreds *creds)
{
    __atomic_add_fetch(&creds->refs, 1, __ATOMIC_RELAXED);
    return creds;
}

void
vio_tls_openssl_creds_unref(VioTlsCreds *creds)
{
    if (__atomic_sub_fetch(&creds->refs, 1, __ATOMIC_ACQ_REL) > 0)
        return;
    SSL_CTX_free(creds->ctx);
    g_clear_pointer(&creds->keys, g_hash_table_unref);
    g_clear_pointer(&creds->key, g_bytes_unref);
    g_free(creds->user);
    g_free(creds);
}
