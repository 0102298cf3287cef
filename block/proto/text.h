/* SPDX-License-Identifier: BSD-3-Clause */
/* block/proto/text.h - text from the other end, fit to be shown. */
#pragma once

#include <stddef.h>

/* The @len bytes at @bytes with everything that a terminal could take for a
 * command, and what is no UTF-8, as \xNN.  g_free. */
char *vd_escape_text(const void *bytes, size_t len);
