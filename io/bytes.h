/* SPDX-License-Identifier: BSD-3-Clause */
/* io/bytes.h - integers of either byte order at any address. */
#pragma once

#include <glib.h>
#include <stdint.h>
#include <string.h>

#define VIO_BYTES_DEFINE(bits, order, ORDER)                                   \
    static inline uint##bits##_t vio_get_##order##bits(const void *p)          \
    {                                                                          \
        uint##bits##_t v;                                                      \
                                                                               \
        memcpy(&v, p, sizeof(v));                                              \
        return GUINT##bits##_FROM_##ORDER(v);                                  \
    }                                                                          \
                                                                               \
    static inline void vio_put_##order##bits(void *p, uint##bits##_t v)        \
    {                                                                          \
        v = GUINT##bits##_TO_##ORDER(v);                                       \
        memcpy(p, &v, sizeof(v));                                              \
    }

VIO_BYTES_DEFINE(16, le, LE)
VIO_BYTES_DEFINE(32, le, LE)
VIO_BYTES_DEFINE(64, le, LE)
VIO_BYTES_DEFINE(16, be, BE)
VIO_BYTES_DEFINE(32, be, BE)
VIO_BYTES_DEFINE(64, be, BE)
