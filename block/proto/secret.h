/* SPDX-License-Identifier: BSD-3-Clause */
/* block/proto/secret.h - secrets that stand in files. */
#pragma once

#include <glib.h>

/* The first line of the file, of 1 to @most bytes (up to 3071).  Blocks. */
char *vd_secret_read(const char *path, size_t most, GError **error);
/* Overwrites it, frees it; *@secret is NULL then, or was. */
void vd_secret_forget(char **secret);
