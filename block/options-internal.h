/* SPDX-License-Identifier: BSD-3-Clause */
/* block/options-internal.h - options, for the core itself. */
#pragma once

#include "block/options.h"

typedef void (*VdOptionsFunc)(const char *key, const char *value, void *opaque);

/* In the order of the keys; @fn must not change @opts. */
void vd_options_foreach(const VdOptions *opts, VdOptionsFunc fn, void *opaque);

/* The opposite of take_sub: copy @sub into @opts below "prefix.". */
void vd_options_put_sub(VdOptions *opts, const char *prefix,
                        const VdOptions *sub);
bool vd_options_has_sub(const VdOptions *opts, const char *prefix);

/* Copy what @opts does not have yet. */
void vd_options_add_missing(VdOptions *opts, const VdOptions *from);

/* One value; @key is for the message. */
bool vd_option_parse_bool(const char *key, const char *text, bool *value,
                          GError **error);
bool vd_option_parse_uint(const char *key, const char *text, uint64_t *value,
                          GError **error);
bool vd_option_parse_size(const char *key, const char *text, uint64_t *value,
                          GError **error);
bool vd_option_parse_enum(const char *key, const char *text,
                          const char *const *names, unsigned *value,
                          GError **error);
