/* SPDX-License-Identifier: BSD-3-Clause */
/* io/thumbprint.h - the digest of a certificate, as people write it: 40 (SHA-1)
 * or 64 (SHA-256) hex digits, in any case, with or without colons and blanks.
 *
 * Concurrency: no state.
 */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#define VIO_SHA1_BYTES 20u
#define VIO_SHA256_BYTES 32u

typedef struct VioThumbprint {
    uint8_t bytes[VIO_SHA256_BYTES];
    size_t len; /* which says what digest it is */
} VioThumbprint;

/* False: it is neither of them; @print is left alone. */
bool vio_thumbprint_parse(const char *text, VioThumbprint *print);

/* "AA:BB:...", for messages; g_free. */
char *vio_thumbprint_show(const VioThumbprint *print);
