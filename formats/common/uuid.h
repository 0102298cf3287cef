/* SPDX-License-Identifier: BSD-3-Clause */
/* formats/common/uuid.h - UUIDs as images store them.
 *
 * Most formats store the first three fields in little-endian order
 * ("Microsoft's"), VHD stores all of it as it is written.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define VD_UUID_BYTES 16
#define VD_UUID_CHARS 36

/* A random one (version 4) in either order: nothing tells them apart. */
void vd_uuid_new(uint8_t uuid[VD_UUID_BYTES]);
bool vd_uuid_is_null(const uint8_t uuid[VD_UUID_BYTES]);
/* "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx", lower case. */
void vd_uuid_format(const uint8_t uuid[VD_UUID_BYTES], bool little_endian,
                    char text[VD_UUID_CHARS + 1]);
/* Braces around it are allowed; false if it is none. */
bool vd_uuid_parse(const char *text, bool little_endian,
                   uint8_t uuid[VD_UUID_BYTES]);
