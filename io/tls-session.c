/* SPDX-License-Identifier: BSD-3-Clause */
/* io/tls-session.c - one end of one connection, by OpenSSL.
 *
 * OpenSSL reads and writes our two buffers through a BIO of our own, so that
 * records are copied no more than must be and the stream sends many at once.
 *
 * Concurrency: one thread at a time.
 */
#include "io/tls-openssl.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <string.h>

/* -- buffers as OpenSSL sees them ----------------------------------------- */

static int
bio_read(BIO *bio, char *out, size_t len, size_t *done)
{
    VioTlsSession *session = BIO_get_data(bio);
    VioTlsBuffer *in = &session->in;
    size_t n = MIN(len, vio_tls_buffer_used(in));

    BIO_clear_retry_flags(bio);
    if (n == 0) {
        BIO_set_retry_read(bio);
        return 0;
    }
    memcpy(out, in->data + in->head, n);
    vio_tls_buffer_consume(in, n);
    *done = n;
    return 1;
}

static int
bio_write(BIO *bio, const char *bytes, size_t len, size_t *done)
{
    VioTlsSession *session = BIO_get_data(bio);
    VioTlsBuffer *out = &session->out;

    BIO_clear_retry_flags(bio);
    if (len > out->size - out->tail) {
        BIO_set_retry_write(bio);
        return 0;
    }
    memcpy(out->data + out->tail, bytes, len);
    out->tail += len;
    *done = len;
    return 1;
}

static long
bio_ctrl(BIO *bio, int what, long number, void *pointer)
{
    return what == BIO_CTRL_FLUSH; /* the stream flushes */
}

static int
bio_create(BIO *bio)
{
    BIO_set_init(bio, 1);
    return 1;
}

static BIO *
bio_new(VioTlsSession *session)
{
    static gsize ready;
    static BIO_METHOD *method; /* for the life of the process */
    BIO *bio;

    if (g_once_init_enter(&ready)) {
        method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK,
                              "vdisk stream");
        (void) BIO_meth_set_read_ex(method, bio_read);
        (void) BIO_meth_set_write_ex(method, bio_write);
        (void) BIO_meth_set_ctrl(method, bio_ctrl);
        (void) BIO_meth_set_create(method, bio_create);
        g_once_init_leave(&ready, 1);
    }
    bio = BIO_new(method);
    BIO_set_data(bio, session);
    return bio;
}

/* -- reasons -------------------------------------------------------------- */

void
vio_tls_why(VioTlsSession *session, const char *format, ...)
{
    va_list args;

    if (session->why)
        return;
    va_start(args, format);
    session->why = g_strdup_vprintf(format, args);
    va_end(args);
}

/* OpenSSL says "tlsv13 alert certificate required". */
static void
why_alert(VioTlsSession *session, const char *reason)
{
    const char *alert = strstr(reason, " alert ");
    VioTlsCreds *creds = session->creds;
    g_autofree char *user = creds->user ? g_strescape(creds->user, NULL) : NULL;

    if (alert)
        reason = alert + strlen(" alert ");
    if (user && !session->done)
        vio_tls_why(session,
                    "the other end does not accept the key of user \"%s\" (%s)",
                    user, reason);
    else
        vio_tls_why(session, "the other end ended the TLS session: %s", reason);
}

static void
why_certificate(VioTlsSession *session)
{
    long code = SSL_get_verify_result(session->ssl);
    const char *reason = X509_verify_cert_error_string(code);

    if (code == X509_V_ERR_HOSTNAME_MISMATCH ||
        code == X509_V_ERR_IP_ADDRESS_MISMATCH)
        vio_tls_why(session, "certificate of the other end is not for \"%s\"",
                    session->hostname);
    else
        vio_tls_why(session, "certificate of the other end: %s", reason);
}

/* After a failed call; never returns 0.  The last reason in the queue is that
 * of the TLS library itself. */
static int
session_fail(VioTlsSession *session)
{
    unsigned long code = ERR_peek_last_error();
    int reason = ERR_GET_LIB(code) == ERR_LIB_SSL ? ERR_GET_REASON(code) : 0;

    if (reason == SSL_R_CERTIFICATE_VERIFY_FAILED)
        why_certificate(session);
    else if (reason >= SSL_AD_REASON_OFFSET)
        why_alert(session, vio_tls_reason());
    else if (reason == SSL_R_WRONG_VERSION_NUMBER ||
             reason == SSL_R_PACKET_LENGTH_TOO_LONG ||
             reason == SSL_R_HTTP_REQUEST)
        vio_tls_why(session, "what the other end sent is no TLS");
    else if (reason == SSL_R_BINDER_DOES_NOT_VERIFY)
        vio_tls_why(session, "the other end has another key");
    else
        vio_tls_why(session, "TLS: %s", vio_tls_reason());
    ERR_clear_error();
    return session->mistaken ? -EKEYREJECTED : -EPROTO;
}

/* -- set-up --------------------------------------------------------------- */

/* Whom the client wants to talk to.  Addresses are not sent as SNI. */
static bool
session_name(VioTlsSession *session)
{
    SSL *ssl = session->ssl;
    X509_VERIFY_PARAM *param = SSL_get0_param(ssl);

    if (g_hostname_is_ip_address(session->hostname))
        return X509_VERIFY_PARAM_set1_ip_asc(param, session->hostname) == 1;
    SSL_set_hostflags(ssl, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    return SSL_set1_host(ssl, session->hostname) == 1 &&
           SSL_set_tlsext_host_name(ssl, session->hostname) == 1;
}

static void
openssl_session_init(VioTlsSession *session)
{
    VioTlsCreds *creds = session->creds;
    BIO *bio = bio_new(session);

    session->ssl = SSL_new(creds->ctx);
    g_assert(session->ssl && bio); /* fail for want of memory only */
    SSL_set_bio(session->ssl, bio, bio);
    (void) SSL_set_app_data(session->ssl, session);
    if (creds->server)
        SSL_set_accept_state(session->ssl);
    else
        SSL_set_connect_state(session->ssl);
}

static void
openssl_session_clear(VioTlsSession *session)
{
    SSL_free(session->ssl);
}

/* What OpenSSL must know of the peer before it begins. */
static bool
session_prepare(VioTlsSession *session)
{
    VioTlsCreds *creds = session->creds;

    if (creds->server)
        return true;
    if (session->hostname && !session_name(session)) {
        vio_tls_why(session, "\"%s\" is no name of a host", session->hostname);
        return false;
    }
    if (creds->verify_peer && !session->hostname) {
        vio_tls_why(session, "no name of a host to verify the certificate by");
        return false;
    }
    return true;
}

/* -- work ----------------------------------------------------------------- */

static int
openssl_handshake(VioTlsSession *session)
{
    SSL *ssl = session->ssl;
    int ret;

    ERR_clear_error();
    if (SSL_in_before(ssl) && !session_prepare(session))
        return -EINVAL;
    ret = SSL_do_handshake(ssl);
    if (ret != 1)
        return SSL_get_error(ssl, ret) == SSL_ERROR_WANT_READ
                   ? -EAGAIN
                   : session_fail(session);
    session->done = true;
    session->cipher = g_strdup_printf("%s, %s", SSL_get_version(ssl),
                                      SSL_get_cipher_name(ssl));
    return 0;
}

static int
openssl_encrypt(VioTlsSession *session, const void *bytes, size_t len)
{
    size_t done;

    ERR_clear_error();
    if (SSL_write_ex(session->ssl, bytes, len, &done) != 1)
        return session_fail(session);
    return 0;
}

static ssize_t
openssl_decrypt(VioTlsSession *session, void *buf, size_t len)
{
    SSL *ssl = session->ssl;
    size_t done;
    int ret;

    ERR_clear_error();
    ret = SSL_read_ex(ssl, buf, len, &done);
    if (ret == 1) {
        session->served = true;
        return (ssize_t) done;
    }
    switch (SSL_get_error(ssl, ret)) {
    case SSL_ERROR_WANT_READ:
        return -EAGAIN;
    case SSL_ERROR_ZERO_RETURN:
        return 0;
    default:
        return session_fail(session);
    }
}

static void
openssl_goodbye(VioTlsSession *session)
{
    ERR_clear_error();
    (void) SSL_shutdown(session->ssl); /* the other end need not answer */
    ERR_clear_error();
}

/* With TLS 1.3 a client is through with the handshake before the server has
 * judged its certificate; some servers then just hang up. */
static int
openssl_end(VioTlsSession *session)
{
    if (!session->done)
        vio_tls_why(session,
                    "the other end closed the connection during the TLS "
                    "handshake");
    else if (!session->served && !session->creds->server)
        vio_tls_why(session,
                    "server closed the connection after the TLS handshake; it "
                    "may require a client certificate");
    return SSL_has_pending(session->ssl) ? -ECONNRESET : 0;
}

static bool
openssl_has_more(const VioTlsSession *session)
{
    return vio_tls_buffer_used(&session->in) > 0 ||
           SSL_has_pending(session->ssl) == 1;
}

extern const VioTlsOps vio_tls_openssl; /* VIO_TLS_SYMBOL */

__attribute__((visibility("default"))) const VioTlsOps vio_tls_openssl = {
    .session_size = sizeof(VioTlsSession),
    .creds_new = vio_tls_openssl_creds_new,
    .creds_ref = vio_tls_openssl_creds_ref,
    .creds_unref = vio_tls_openssl_creds_unref,
    .session_init = openssl_session_init,
    .session_clear = openssl_session_clear,
    .handshake = openssl_handshake,
    .encrypt = openssl_encrypt,
    .decrypt = openssl_decrypt,
    .goodbye = openssl_goodbye,
    .has_more = openssl_has_more,
    .end = openssl_end,
};
