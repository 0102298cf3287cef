/* SPDX-License-Identifier: BSD-3-Clause */
/* vsphere/password.h - passwords: where they stand, and that they go. */
#pragma once

#include <glib.h>

/* Overwrites a text that is a secret, and frees it; NULL is nothing. */
void vs_wipe(char *secret);

/* The first line of @file, or the value of the variable @env; either may be
 * NULL.  @server is for the message.  Reads files, and blocks.  To be freed
 * with vs_wipe(). */
char *vs_password_find(const char *file, const char *env, const char *server,
                       GError **error);
