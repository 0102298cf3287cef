/* SPDX-License-Identifier: BSD-3-Clause */
/* vm_basic_types.h - the type names that programs for the VixDiskLib API use
 * beside those of vixDiskLib.h, which includes this. */
#pragma once

#include <stdint.h>

typedef uint8_t uint8;
typedef uint16_t uint16;
typedef uint32_t uint32;
typedef uint64_t uint64;
typedef int8_t int8;
typedef int16_t int16;
typedef int32_t int32;
typedef int64_t int64;

/* One byte; nothing but TRUE and FALSE. */
typedef char Bool;

#ifndef TRUE
#    define TRUE 1
#endif
#ifndef FALSE
#    define FALSE 0
#endif
