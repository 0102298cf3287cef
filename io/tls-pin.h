/* SPDX-License-Identifier: BSD-3-Clause */
/* io/tls-pin.h - is it the certificate that was asked for?  For the modules
 * that know OpenSSL. */
#pragma once

#include "io/thumbprint.h"

#include <openssl/x509.h>

/* Is the digest of @leaf the @wanted one?  In constant time.  False: *@why (to
 * be freed) has both. */
bool vio_tls_pin_check(X509 *leaf, const VioThumbprint *wanted, char **why);
