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

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

#define TRUST_SHA1_BYTES 20
#define TRUST_SHA256_BYTES 32

bool
vio_curl_parse_thumbprint(VioHttpEngine *engine, const char *text)
{
    size_t digits = 0;

    for (; *text; text++) {
        int value = g_ascii_xdigit_value(*text);

        if (*text == ':' || *text == ' ')
            continue;
        if (value < 0 || digits == 2 * HTTP_DIGEST_MAX)
            return false;
        if (digits % 2 == 0)
            engine->thumbprint[digits / 2] = (uint8_t) (value << 4);
        else
            engine->thumbprint[digits / 2] |= (uint8_t) value;
        digits++;
    }
    engine->thumbprint_len = digits / 2;
    return digits == 2 * TRUST_SHA1_BYTES || digits == 2 * TRUST_SHA256_BYTES;
}

/* "AB:CD:..." */
static void
trust_append_digest(GString *to, const uint8_t *digest, size_t len)
{
    for (size_t i = 0; i < len; i++)
        g_string_append_printf(to, "%s%02X", i ? ":" : "", digest[i]);
}

static void
trust_refuse(VioHttpEngine *engine, char *why)
{
    g_free(engine->refusal);
    engine->refusal = why;
}

static void
trust_refuse_digest(VioHttpEngine *engine, const uint8_t *digest, size_t len)
{
    GString *text = g_string_new("the certificate has the thumbprint ");

    trust_append_digest(text, digest, len);
    g_string_append(text, ", not ");
    trust_append_digest(text, engine->thumbprint, engine->thumbprint_len);
    trust_refuse(engine, g_string_free(text, FALSE));
}

static bool
trust_is_wanted(VioHttpEngine *engine, X509_STORE_CTX *store)
{
    X509 *leaf = X509_STORE_CTX_get0_cert(store);
    const EVP_MD *kind =
        engine->thumbprint_len == TRUST_SHA1_BYTES ? EVP_sha1() : EVP_sha256();
    uint8_t digest[EVP_MAX_MD_SIZE];
    unsigned len = 0;

    if (leaf && X509_digest(leaf, kind, digest, &len) == 1 &&
        len == engine->thumbprint_len &&
        CRYPTO_memcmp(digest, engine->thumbprint, len) == 0) {
        X509_STORE_CTX_set_error(store, X509_V_OK);
        return true;
    }
    trust_refuse_digest(engine, digest, len);
    X509_STORE_CTX_set_error(store, X509_V_ERR_CERT_REJECTED);
    return false;
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
    bool good = engine->thumbprint_len > 0
                    ? trust_is_wanted(engine, store)
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
    if (engine->insecure && engine->thumbprint_len == 0)
        return trust_set(easy, 0, 0, NULL);
    if (curl_easy_setopt(easy, CURLOPT_SSL_CTX_FUNCTION, trust_on_context) ||
        curl_easy_setopt(easy, CURLOPT_SSL_CTX_DATA, engine))
        return false;
    /* There is no certificate to look at over http:. */
    if (engine->thumbprint_len > 0)
        return !curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "https") &&
               trust_set(easy, 0, 0, NULL);
    return !engine->ca_file || trust_set(easy, 1, 2, engine->ca_file);
}
