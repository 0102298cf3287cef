/* SPDX-License-Identifier: BSD-3-Clause */
/* block/open-name.c - from names to options.
 *
 * All opens work on options; a name is a short way to write some.
 *
 * Concurrency: no state.
 */
#include "block/open-internal.h"

#include "block/name.h"
#include "block/options-internal.h"
#include "block/registry.h"
#include "io/offload.h"

#include <string.h>

const VdDriver *
vd_driver_by_name(const char *name, GError **error)
{
    const VdDriver *driver = vd_registry_find(name);

    return driver ? driver
                  : vd_throw_null(error, VD_ERROR_UNKNOWN_FORMAT,
                                  "Unknown driver '%s'", name);
}

/* -- json ------------------------------------------------------------------ */

typedef struct {
    VdOptions *opts;
    const char *json;
    bool ok;
    GError *error;
} ParseJson;

static void
parse_json_work(void *opaque)
{
    ParseJson *work = opaque;

    work->ok = vd_options_parse_json(work->opts, work->json, &work->error);
}

bool
vd_json_co_to_options(const VdEnv *env, const char *name, VdOptions *opts,
                      GError **error)
{
    g_autoptr(VdOptions) parsed = vd_options_new();
    ParseJson work = {
        .opts = parsed,
        .json = name + strlen(VD_JSON_PREFIX),
    };

    vio_co_offload(env->loop, parse_json_work, &work);
    if (!work.ok) {
        g_propagate_error(error, work.error);
        return false;
    }
    vd_options_add_missing(opts, parsed);
    return true;
}

/* -- paths and schemes ----------------------------------------------------- */

static bool
scheme_to_options(const char *scheme, const char *name, VdOptions *opts,
                  GError **error)
{
    const VdDriver *driver = vd_registry_find_scheme(scheme);
    g_autoptr(VdOptions) parsed = vd_options_new();

    if (!driver)
        return vd_throw(error, VD_ERROR_UNKNOWN_FORMAT, "Unknown protocol '%s'",
                        scheme);
    vd_options_set(parsed, "driver", driver->name);
    if (!driver->parse_name)
        vd_options_set(parsed, "filename", name);
    else if (!driver->parse_name(name, parsed, error))
        return false;
    vd_options_add_missing(opts, parsed);
    return true;
}

/* A path is taken as it is: "file:" in front of it would be stripped. */
static bool
path_to_options(const char *path, VdOptions *opts, GError **error)
{
    const VdDriver *driver = vd_registry_find_scheme("file");
    g_autoptr(VdOptions) parsed = vd_options_new();

    if (!driver)
        return vd_throw(error, VD_ERROR_UNKNOWN_FORMAT,
                        "Unknown protocol 'file'");
    vd_options_set(parsed, "driver", driver->name);
    vd_options_set(parsed, "filename", path);
    vd_options_add_missing(opts, parsed);
    return true;
}

bool
vd_name_co_to_options(const VdEnv *env, const char *name, VdOptions *opts,
                      GError **error)
{
    g_autofree char *scheme = NULL;

    switch (vd_name_kind(name, &scheme)) {
    case VD_NAME_JSON:
        return vd_json_co_to_options(env, name, opts, error);
    case VD_NAME_SCHEME:
        return scheme_to_options(scheme, name, opts, error);
    case VD_NAME_PATH:
        return path_to_options(name, opts, error);
    }
    g_assert_not_reached();
}

/* A file name without a driver is a name of its own, but no json: a second
 * time. */
static bool
filename_co_to_options(const VdEnv *env, VdOptions *opts, GError **error)
{
    g_autofree char *filename = NULL;

    vd_options_take_string(opts, "filename", &filename);
    if (vd_name_kind(filename, NULL) == VD_NAME_JSON)
        return vd_throw(error, VD_ERROR_INVALID_ARGUMENT,
                        "Invalid parameter 'filename'");
    return vd_name_co_to_options(env, filename, opts, error);
}

const VdDriver *
vd_protocol_co_driver(const VdEnv *env, const char *name, VdOptions *opts,
                      GError **error)
{
    g_autofree char *driver = NULL;

    if (name && !vd_options_peek(opts, "driver") &&
        !vd_options_peek(opts, "filename") &&
        !vd_name_co_to_options(env, name, opts, error))
        return NULL;
    if (!vd_options_peek(opts, "driver") && vd_options_peek(opts, "filename") &&
        !filename_co_to_options(env, opts, error))
        return NULL;
    vd_options_take_string(opts, "driver", &driver);
    if (!driver)
        return vd_throw_null(error, VD_ERROR_INVALID_ARGUMENT,
                             "Must specify either driver or file");
    return vd_driver_by_name(driver, error);
}
