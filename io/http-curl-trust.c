/* SPDX-License-Identifier: BSD-3-Clause */
/* io/http-curl-trust.c - whose certificate will do.
 *
 * OpenSSL asks us in the middle of the handshake: where we say no it ends
 * there, before anything of a request was sent.  With a thumbprint nothing else
 * is looked at; without one it is OpenSSL that looks, and libcurl at the name,
 * and we keep the reason, which libcurl does not always tell.  Sessions are not
 * resumed, for that would skip the check.
 *
 * Concurrency: the runner of the client's loop, outside of coroutines.
 */
#include "io/http-curl.h"

#include "io/tls-pin.h"

#include <openssl/ssl.h>
#include <openssl/x509.h>

static void
trust_refuse(VioHttpEngine *engine, char *why)
{
    g_free(engine->refusal);
    engine->refusal = why;
}

static bool
trust_is_wanted(VioHttpEngine *engine, X509_STORE_CTX *store)
{
    char *why = NULL;
    bool good =
        vio_tls_pin_check(X509_STORE_CTX_get0_cert(store), &engine->pin, &why);

    if (!good)
        trust_refuse(engine, why);
    X509_STORE_CTX_set_error(store,
                             good ? X509_V_OK : X509_V_ERR_CERT_REJECTED);
    return good;
}

static bool
trust_is_vouched_for(VioHttpEngine *engine, X509_STORE_CTX *store)
{
    if (X509_verify_cert(store) == 1)
        return true;
    trust_refuse(engine,
                 g_strdup_printf("the certificate is not to be trusted: %s",
                                 X509_verify_cert_error_string(
                                     X509_STORE_CTX_get_error(store))));
    return false;
}

static int
trust_verify(X509_STORE_CTX *store, void *opaque)
{
    VioHttpEngine *engine = opaque;
    bool good = engine->pin.len > 0 ? trust_is_wanted(engine, store)
                                    : trust_is_vouched_for(engine, store);

    if (good)
        g_clear_pointer(&engine->refusal, g_free);
    return good;
}

static CURLcode
trust_on_context(CURL *easy, void *context, void *opaque)
{
    SSL_CTX_set_cert_verify_callback(context, trust_verify, opaque);
    SSL_CTX_set_verify(context, SSL_VERIFY_PEER, NULL);
    return CURLE_OK;
}

static bool
trust_set(CURL *easy, long peer, long host, const char *ca_file)
{
    /* NULL in the place of a file or folder of authorities: none. */
    return !curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, peer) &&
           !curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, host) &&
           !curl_easy_setopt(easy, CURLOPT_CAINFO, ca_file) &&
           !curl_easy_setopt(easy, CURLOPT_CAPATH, NULL);
}

bool
vio_curl_set_trust(VioHttpEngine *engine, CURL *easy)
{
    if (curl_easy_setopt(easy, CURLOPT_SSLVERSION,
                         (long) CURL_SSLVERSION_TLSv1_2) ||
        curl_easy_setopt(easy, CURLOPT_SSL_SESSIONID_CACHE, 0L))
        return false;
    if (engine->insecure && engine->pin.len == 0)
        return trust_set(easy, 0, 0, NULL);
    if (curl_easy_setopt(easy, CURLOPT_SSL_CTX_FUNCTION, trust_on_context) ||
        curl_easy_setopt(easy, CURLOPT_SSL_CTX_DATA, engine))
        return false;
    /* There is no certificate to look at over http:. */
    if (engine->pin.len > 0)
        return !curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "https") &&
               trust_set(easy, 0, 0, NULL);
    return !engine->ca_file || trust_set(easy, 1, 2, engine->ca_file);
}
