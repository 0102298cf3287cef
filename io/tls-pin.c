/* SPDX-License-Identifier: BSD-3-Clause */
/* io/tls-pin.c - is it the certificate that was asked for?
 *
 * Concurrency: no state.
 */
#include "io/tls-pin.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/x509.h>

bool
vio_tls_pin_check(X509 *leaf, const VioThumbprint *wanted, char **why)
{
    const EVP_MD *digest =
        wanted->len == VIO_SHA1_BYTES ? EVP_sha1() : EVP_sha256();
    VioThumbprint found = {.len = wanted->len};
    g_autofree char *found_text = NULL, *wanted_text = NULL;
    uint8_t bytes[EVP_MAX_MD_SIZE];
    unsigned len = 0;

    if (!leaf || X509_digest(leaf, digest, bytes, &len) != 1 ||
        len != wanted->len) {
        *why = g_strdup("the other end has no certificate to compare");
        return false;
    }
    if (CRYPTO_memcmp(bytes, wanted->bytes, len) == 0)
        return true;
    for (unsigned i = 0; i < len; i++)
        found.bytes[i] = bytes[i];
    found_text = vio_thumbprint_show(&found);
    wanted_text = vio_thumbprint_show(wanted);
    *why = g_strdup_printf("certificate of the other end has the thumbprint "
                           "%s, not %s",
                           found_text, wanted_text);
    return false;
}
