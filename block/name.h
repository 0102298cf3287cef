/* SPDX-License-Identifier: BSD-3-Clause */
/* block/name.h - what kind of name is it?  For the core itself. */
#pragma once

#include "block/driver.h"
#include "block/options.h"

#define VD_JSON_PREFIX "json:"

typedef enum VdNameKind {
    VD_NAME_PATH,
    VD_NAME_JSON,   /* json:{...} */
    VD_NAME_SCHEME, /* SCHEME:...; no slash before the first colon */
} VdNameKind;

/* @scheme (may be NULL): a copy of the scheme of a SCHEME name. */
VdNameKind vd_name_kind(const char *name, char **scheme);

/* The driver that such a name means: that of its scheme, unless what stands
 * behind that belongs to another one.  NULL = there is no scheme, or nobody has
 * it. */
const VdDriver *vd_name_driver(const char *name);

/* A URL whose driver knows folders (VD_CAP_FOLDERS): bytes up to and with the
 * last '/' of its path; 0 = it is none. */
size_t vd_name_url_folder(const char *name);

/* "SCHEME:PLACE:/PATH" of a driver that has VD_CAP_INNER_PATHS: bytes in front
 * of the colon that the path follows; 0 = it is none, or has no path.  The path
 * begins behind the last ":/" that no second slash follows, so ":/" in a path
 * is written "://". */
size_t vd_name_inner(const char *name);
/* The other way round; g_free. */
char *vd_name_inner_join(const char *place, const char *path);
/* Bytes up to and with the last '/' of such a name; 0 = it is none. */
size_t vd_name_inner_folder(const char *name);

/* @name without a leading "file:". */
const char *vd_name_strip_file(const char *name);
