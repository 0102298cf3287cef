/* SPDX-License-Identifier: BSD-3-Clause */
/* block/options.h - typed options of opening and creating.
 *
 * A VdOptions is a set of dotted keys with text values ("file.filename"): the
 * common form of "driver=vmdk,file.filename=x" and json:{...}.  Whoever
 * understands a key takes it out; what is left at the end is an error.
 */
#pragma once

#include "include/vdisk.h"

typedef struct VdOptions VdOptions;

VdOptions *vd_options_new(void);
VdOptions *vd_options_copy(const VdOptions *opts);
void vd_options_free(VdOptions *opts);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VdOptions, vd_options_free)

/* Add "k=v,k=v" to @opts; ",," is a comma; a bare word is an error.  Empty
 * lists, a leading comma and a trailing single comma: "Invalid option list:
 * X".  Later keys replace earlier ones. */
bool vd_options_parse(VdOptions *opts, const char *text, GError **error);
/* Add the members of a JSON object (text without "json:"); nested objects and
 * arrays become dotted keys ("extents.0.file"). */
bool vd_options_parse_json(VdOptions *opts, const char *json, GError **error);

void vd_options_set(VdOptions *opts, const char *key, const char *value);
const char *vd_options_peek(const VdOptions *opts, const char *key);

/* Take a key out.  Absent: the output is left alone (preset the default) and
 * true is returned; a value of the wrong type: INVALID_ARGUMENT with
 * "Parameter 'x' expects ..." texts.  Any value is a string. */
void vd_options_take_string(VdOptions *opts, const char *key, char **value);
bool vd_options_take_bool(VdOptions *opts, const char *key, bool *value,
                          GError **error); /* on/off/true/false/yes/no */
bool vd_options_take_uint(VdOptions *opts, const char *key, uint64_t *value,
                          GError **error);
/* The same, of at most @most. */
bool vd_options_take_uint_upto(VdOptions *opts, const char *key, uint64_t most,
                               uint64_t *value, GError **error);
bool vd_options_take_size(VdOptions *opts, const char *key, uint64_t *value,
                          GError **error);
/* @names: NULL-terminated; the index goes to @value. */
bool vd_options_take_enum(VdOptions *opts, const char *key,
                          const char *const *names, unsigned *value,
                          GError **error);
/* Everything below "prefix." with the prefix cut off; empty if none. */
VdOptions *vd_options_take_sub(VdOptions *opts, const char *prefix);

bool vd_options_is_empty(const VdOptions *opts);
/* INVALID_ARGUMENT "Invalid parameter 'x'" if anything is left. */
const char *vd_options_first(const VdOptions *opts); /* key; NULL = empty */
bool vd_options_finish(const VdOptions *opts, GError **error);

/* img-cli.md section 4: 1.5G, 0x200, 10MiB, 8s, 1_000.  Result < 2^63. */
bool vd_parse_size(const char *text, uint64_t *size, GError **error);

/* -- option tables, for help texts and "Formatting" lines ----------------- */
typedef enum VdOptionType {
    VD_OPTION_STRING,
    VD_OPTION_BOOL,
    VD_OPTION_NUMBER,
    VD_OPTION_SIZE,
    VD_OPTION_ENUM,
} VdOptionType;

typedef struct VdOptionSpec {
    const char *name;
    VdOptionType type;
    const char *default_value; /* NULL = none */
    const char *help;
    const char *const *choices; /* ENUM only */
    bool storage;               /* of the file below, not of the format */
} VdOptionSpec; /* in the order of "Formatting"; tables end with a NULL name */

/* Every key of @opts is in @table and has a value of its type; which of the
 * choices an ENUM is shows when it is taken. */
bool vd_options_validate(const VdOptions *opts, const VdOptionSpec *table,
                         GError **error);
