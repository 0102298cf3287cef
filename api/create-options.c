/* SPDX-License-Identifier: BSD-3-Clause */
/* api/create-options.c - which options a new image has, and what they say.
 *
 * Concurrency: the public tables are made once a format, under a lock.
 */
#include "api/create.h"

#include "block/name.h"
#include "block/registry.h"

#include <pthread.h>
#include <string.h>

/* The driver called @format, if it can create images. */
static const VdDriver *
create_driver(const char *format, GError **error)
{
    const VdDriver *drv = vd_registry_find(format);

    if (drv == NULL)
        return vd_throw_null(error, VD_ERROR_UNKNOWN_FORMAT,
                             "Unknown file format '%s'", format);
    if (drv->co_create == NULL || drv->create_options == NULL)
        return vd_throw_null(
            error, VD_ERROR_NOT_SUPPORTED,
            "Format driver '%s' does not support image creation", format);
    return drv;
}

/* -- reading the caller's words ----------------------------------------------
 */

static bool
create_take_size(VdCreatePlan *plan, GError **error)
{
    uint64_t size = UINT64_MAX;

    if (!vd_options_take_size(plan->options, "size", &size, error))
        return false;
    if (size == UINT64_MAX)
        return true;
    if (plan->size != UINT64_MAX)
        return vd_throw(error, VD_ERROR_INVALID_ARGUMENT,
                        "The image size must be specified only once");
    plan->size = size;
    return true;
}

/* Move option @key to *@where, which a parameter may have set already. */
static bool
create_take_name(VdOptions *opts, const char *key, char **where, GError **error)
{
    g_autofree char *value = NULL;

    vd_options_take_string(opts, key, &value);
    if (value == NULL)
        return true;
    if (*where != NULL)
        return vd_throw(error, VD_ERROR_INVALID_ARGUMENT,
                        "option '%s' must be specified only once", key);
    *where = g_steal_pointer(&value);
    return true;
}

static bool
create_parse_options(VdCreatePlan *plan, const char *text, GError **error)
{
    if (text == NULL || text[0] == '\0')
        return true;
    return vd_options_parse(plan->options, text, error);
}

bool
vd_create_take_hints(VdCreatePlan *plan, VdFileHints *hints, GError **error)
{
    *hints = VD_FILE_HINTS_DEFAULT;
    hints->insist = vd_options_peek(plan->options, "extent_size_hint") != NULL;
    if (!vd_options_take_size(plan->options, "extent_size_hint",
                              &hints->extent_size, error) ||
        !vd_options_take_bool(plan->options, "nocow", &hints->no_cow, error))
        return false;
    return hints->extent_size <= VD_EXTENT_SIZE_MAX ||
           vd_throw(error, VD_ERROR_INVALID_ARGUMENT,
                    "Extent size hint is too large");
}

VdCreatePlan *
vd_create_plan_new(const VdCreateParams *params, GError **error)
{
    g_autoptr(VdCreatePlan) plan = g_new0(VdCreatePlan, 1);

    vd_context_register_drivers(); /* describing needs no context */
    plan->options = vd_options_new();
    plan->filename = g_strdup(params->filename);
    plan->size = params->size;
    plan->backing_file = g_strdup(params->backing_file);
    plan->backing_format = g_strdup(params->backing_format);
    plan->driver = create_driver(params->format, error);
    if (plan->driver == NULL)
        return NULL;
    if (!create_parse_options(plan, params->options, error) ||
        !create_take_size(plan, error) ||
        !create_take_name(plan->options, "backing_file", &plan->backing_file,
                          error) ||
        !create_take_name(plan->options, "backing_fmt", &plan->backing_format,
                          error))
        return NULL;
    if (!vd_options_validate(plan->options, plan->driver->create_options,
                             error))
        return NULL;
    if (plan->backing_file != NULL && plan->backing_file[0] == '\0')
        g_clear_pointer(&plan->backing_file, g_free);
    return g_steal_pointer(&plan);
}

void
vd_create_plan_free(VdCreatePlan *plan)
{
    if (plan == NULL)
        return;
    g_free(plan->filename);
    g_free(plan->backing_file);
    g_free(plan->backing_format);
    g_clear_pointer(&plan->options, vd_options_free);
    g_free(plan);
}

/* -- telling them ("Formatting ...") -----------------------------------------
 */

/* Commas are doubled, so that the text could be given as options again. */
static void
describe_add(GString *out, const char *key, const char *value)
{
    if (value == NULL)
        return;
    g_string_append_printf(out, "%s%s=", out->len > 0 ? " " : "", key);
    for (const char *p = value; *p != '\0'; p++) {
        if (*p == ',')
            g_string_append_c(out, ',');
        g_string_append_c(out, *p);
    }
}

static void
describe_add_typed(GString *out, const VdOptionSpec *spec, const char *value)
{
    char number[32];
    uint64_t size;

    if (value != NULL && spec->type == VD_OPTION_SIZE &&
        vd_parse_size(value, &size, NULL)) {
        (void) g_snprintf(number, sizeof(number), "%" G_GUINT64_FORMAT, size);
        value = number;
    }
    describe_add(out, spec->name, value);
}

/* What the plan keeps apart from the options; NULL: it is none of these. */
static char *
describe_common(const VdCreatePlan *plan, const char *name)
{
    if (strcmp(name, "size") == 0)
        return plan->size == UINT64_MAX
                   ? NULL
                   : g_strdup_printf("%" G_GUINT64_FORMAT, plan->size);
    if (strcmp(name, "backing_file") == 0)
        return g_strdup(plan->backing_file);
    if (strcmp(name, "backing_fmt") == 0)
        return g_strdup(plan->backing_format);
    return NULL;
}

char *
vd_create_describe(const VdCreateParams *params, GError **error)
{
    g_autoptr(VdCreatePlan) plan = vd_create_plan_new(params, error);
    g_autoptr(GString) out = NULL;
    const VdOptionSpec *spec;

    if (plan == NULL)
        return NULL;
    out = g_string_new(NULL);
    for (spec = plan->driver->create_options; spec->name != NULL; spec++) {
        const char *set = vd_options_peek(plan->options, spec->name);
        g_autofree char *common = describe_common(plan, spec->name);

        if (common)
            describe_add(out, spec->name, common);
        else
            describe_add_typed(out, spec, set ? set : spec->default_value);
    }
    return g_string_free(g_steal_pointer(&out), FALSE);
}

/* -- listing --------------------------------------------------------------- */

static const char *
option_type_name(VdOptionType type)
{
    switch (type) {
    case VD_OPTION_BOOL:
        return "bool (on/off)";
    case VD_OPTION_NUMBER:
        return "num";
    case VD_OPTION_SIZE:
        return "size";
    case VD_OPTION_STRING:
    case VD_OPTION_ENUM:
        break;
    }
    return "str";
}

/* NULL: a path, or no protocol that is known. */
static const VdDriver *
name_protocol(const char *filename, char **scheme)
{
    vd_context_register_drivers();
    return vd_name_kind(filename, scheme) == VD_NAME_SCHEME
               ? vd_name_driver(filename)
               : NULL;
}

bool
vd_create_name_is_fixed(const char *filename)
{
    g_autofree char *scheme = NULL;
    const VdDriver *drv = name_protocol(filename, &scheme);

    return drv != NULL && (drv->caps & VD_CAP_FIXED_SIZE);
}

/* What only finds another driver's disk makes none. */
static bool
protocol_creates(const VdDriver *drv)
{
    return drv != NULL && drv->kind == VD_DRIVER_PROTOCOL &&
           (drv->caps & (VD_CAP_FIXED_SIZE | VD_CAP_FOLDERS));
}

char *
vd_create_name_problem(const char *filename)
{
    g_autofree char *scheme = NULL;
    const VdDriver *drv = name_protocol(filename, &scheme);

    if (vd_name_kind(filename, NULL) == VD_NAME_PATH ||
        g_strcmp0(scheme, "file") == 0 || protocol_creates(drv))
        return NULL;
    if (drv != NULL)
        return g_strdup_printf(
            "Protocol driver '%s' does not support image creation", drv->name);
    return g_strdup_printf("Unknown protocol '%s'",
                           scheme != NULL ? scheme : "json");
}

static int
option_infos_compare(const void *a, const void *b)
{
    const VdOptionInfo *x = a, *y = b;

    return strcmp(x->name, y->name);
}

/* By name; tables have the order in which "Formatting ..." tells them. */
static VdOptionInfo *
option_infos_new(const VdOptionSpec *table)
{
    GArray *infos = g_array_new(TRUE, TRUE, sizeof(VdOptionInfo));

    for (const VdOptionSpec *spec = table; spec->name != NULL; spec++) {
        VdOptionInfo info = {
            .name = spec->name,
            .type = option_type_name(spec->type),
            .help = spec->help,
            .default_value = spec->default_value,
            .choices = spec->choices,
            .storage = spec->storage,
        };

        g_array_append_val(infos, info);
    }
    g_array_sort(infos, option_infos_compare);
    return (VdOptionInfo *) (void *) g_array_free(infos, FALSE);
}

static const VdOptionInfo *
option_infos(const VdOptionSpec *table)
{
    static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    static GHashTable *made; /* VdOptionSpec table -> infos; kept for good */
    VdOptionInfo *infos;

    (void) pthread_mutex_lock(&lock);
    if (made == NULL)
        made = g_hash_table_new(NULL, NULL);
    infos = g_hash_table_lookup(made, table);
    if (infos == NULL) {
        infos = option_infos_new(table);
        g_hash_table_insert(made, (void *) table, infos);
    }
    (void) pthread_mutex_unlock(&lock);
    return infos;
}

const VdOptionInfo *
vd_format_create_options(const char *format)
{
    const VdDriver *drv;

    vd_context_register_drivers();
    drv = create_driver(format, NULL);
    return drv != NULL ? option_infos(drv->create_options) : NULL;
}

const VdOptionInfo *
vd_format_amend_options(const char *format)
{
    const VdDriver *drv;

    vd_context_register_drivers();
    drv = vd_registry_find(format);
    return drv != NULL && drv->amend_options != NULL
               ? option_infos(drv->amend_options)
               : NULL;
}

bool
vd_format_exists(const char *format)
{
    vd_context_register_drivers();
    return vd_registry_find(format) != NULL;
}

static int
format_compare(const void *a, const void *b)
{
    return strcmp(*(char *const *) a, *(char *const *) b);
}

char **
vd_format_list(void)
{
    g_autoptr(GPtrArray) names = g_ptr_array_new();

    for (const VdDriver *const *drv = vd_drivers; *drv != NULL; drv++)
        g_ptr_array_add(names, g_strdup((*drv)->name));
    g_ptr_array_sort(names, format_compare);
    g_ptr_array_add(names, NULL);
    return (char **) g_ptr_array_free(g_steal_pointer(&names), FALSE);
}
