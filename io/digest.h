/* SPDX-License-Identifier: BSD-3-Clause */
/* io/digest.h - a short stand-in for bytes, to find out whether others are
 * the same. */
#pragma once

#include <stddef.h>
#include <stdint.h>

typedef struct VioDigest {
    uint64_t word[2];
} VioDigest;

/* Of bytes that storage damages, not of bytes that somebody chose to have the
 * digest of others.  Bytes that differ within one stretch of eight, aligned in
 * @buf, never have the same; others but once in 2^64 times. */
VioDigest vio_digest(const void *buf, size_t len);
