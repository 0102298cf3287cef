/* SPDX-License-Identifier: BSD-3-Clause */
/* tests/vix/abi-raw.h - libvixDiskLib as a program that was compiled long ago
 * sees it: names, registers, and bytes at offsets.
 *
 * Nothing here comes from include/vixDiskLib.h, which must agree with it.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

/* Of the library that VIX_LIBRARY names. */
extern unsigned abi_soname; /* 6, 7, 8 */

void abi_load(void);
/* Aborts the test if there is none. */
void *abi_find(const char *name);

/* -- functions ------------------------------------------------------------ */

/* abi_call(uint64_t, "VixDiskLib_Open", void *, ...)(connection, ...) */
#define abi_call(result, name, ...)                                            \
    ((result(*)(__VA_ARGS__)) abi_find("VixDiskLib_" name))

#define assert_code(call, code) g_assert_cmpuint((call), ==, (code))

void abi_init(void);
void abi_exit(void);
/* On @params; NULL = none. */
void *abi_connect(const void *params);
void abi_disconnect(void *connection);
uint64_t abi_try_connect(const void *params);

/* -- bytes ---------------------------------------------------------------- */

uint32_t abi_u32(const void *block, size_t off);
uint64_t abi_u64(const void *block, size_t off);
char *abi_string(const void *block, size_t off);
void abi_set_u32(void *block, size_t off, uint32_t value);
void abi_set_u64(void *block, size_t off, uint64_t value);
void abi_set_pointer(void *block, size_t off, const void *value);

/* @bytes of zeroes behind which no byte can be touched. */
void *abi_guarded_new(size_t bytes);
void abi_guarded_free(void *block, size_t bytes);
