/* SPDX-License-Identifier: BSD-3-Clause */
/* formats/common/utf16.h - names of Windows' as images store them. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* UTF-16 of either byte order, up to a NUL or the end, as UTF-8; what is none
 * becomes "?".  Free with g_free. */
char *vd_utf16_text(const uint8_t *raw, size_t len, bool big_endian);
