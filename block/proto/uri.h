/* SPDX-License-Identifier: BSD-3-Clause */
/* block/proto/uri.h - pieces of URIs that name servers.
 *
 * @name is the whole of it, for messages.  INVALID_ARGUMENT with each failure.
 */
#pragma once

#include <stdbool.h>

#include "block/options.h"

/* @text, which is the @what of it, with each %XX as what it stands for; NULL:
 * %00, no %XX at all, or no text then. */
char *vd_uri_decode(const char *name, const char *what, const char *text,
                    GError **error);

/* The option @key, decoded. */
bool vd_uri_set(VdOptions *opts, const char *name, const char *key,
                const char *text, GError **error);

/* HOST, [V6], both with :PORT, cut in place.  *@host, *@port: "" = not there.
 */
bool vd_uri_split_place(const char *name, char *place, char **host, char **port,
                        GError **error);
