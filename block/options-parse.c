/* SPDX-License-Identifier: BSD-3-Clause */
/* block/options-parse.c - option strings "k=v,k=v", and option tables.
 *
 * Grammar: elements are separated by single commas; two commas stand for one
 * that belongs to the value.  An element is key=value.
 *
 * Concurrency: no state; any thread.
 */
#include "block/options-internal.h"

#include "block/error.h"

#include <string.h>

/* The element at @text with its doubled commas halved; *@rest: the next one,
 * or the end. */
static char *
next_element(const char *text, const char **rest)
{
    GString *element = g_string_new(NULL);

    while (*text) {
        if (*text == ',' && *++text != ',')
            break;
        g_string_append_c(element, *text++);
    }
    *rest = text;
    return g_string_free(element, FALSE);
}

/* No element is empty or starts with a comma, and no comma ends the list. */
static bool
is_well_formed(const char *text)
{
    size_t len = strlen(text);
    size_t trailing = 0;
    const char *rest = text;

    while (trailing < len && text[len - 1 - trailing] == ',')
        trailing++;
    if (len == 0 || trailing % 2 != 0)
        return false;
    while (*rest) {
        g_autofree char *element = next_element(rest, &rest);

        if (*element == '\0' || *element == ',')
            return false;
    }
    return true;
}

static bool
add_element(VdOptions *opts, char *element, GError **error)
{
    char *equals = strchr(element, '=');

    if (!equals)
        return vd_throw(error, VD_ERROR_INVALID_ARGUMENT,
                        "Expected '=' after parameter '%s'", element);
    *equals = '\0';
    if (*element == '\0')
        return vd_throw(error, VD_ERROR_INVALID_ARGUMENT,
                        "Invalid parameter ''");
    vd_options_set(opts, element, equals + 1);
    return true;
}

bool
vd_options_parse(VdOptions *opts, const char *text, GError **error)
{
    const char *rest = text;

    if (!is_well_formed(text))
        return vd_throw(error, VD_ERROR_INVALID_ARGUMENT,
                        "Invalid option list: %s", text);
    while (*rest) {
        g_autofree char *element = next_element(rest, &rest);

        if (!add_element(opts, element, error))
            return false;
    }
    return true;
}

/* -- tables ---------------------------------------------------------------- */

static const VdOptionSpec *
find_spec(const VdOptionSpec *table, const char *name)
{
    for (const VdOptionSpec *spec = table; spec->name; spec++) {
        if (strcmp(spec->name, name) == 0)
            return spec;
    }
    return NULL;
}

static bool
check_value(const VdOptionSpec *spec, const char *text, GError **error)
{
    uint64_t number;
    bool flag;

    switch (spec->type) {
    case VD_OPTION_BOOL:
        return vd_option_parse_bool(spec->name, text, &flag, error);
    case VD_OPTION_NUMBER:
        return vd_option_parse_uint(spec->name, text, &number, error);
    case VD_OPTION_SIZE:
        return vd_option_parse_size(spec->name, text, &number, error);
    case VD_OPTION_ENUM: /* judged by who takes it, as in QEMU */
    case VD_OPTION_STRING:
        return true;
    }
    g_assert_not_reached();
}

typedef struct {
    const VdOptionSpec *table;
    GError *error; /* of the first key that is wrong */
} Validation;

static void
validate_one(const char *key, const char *value, void *opaque)
{
    Validation *v = opaque;
    const VdOptionSpec *spec = find_spec(v->table, key);

    if (v->error)
        return;
    if (!spec)
        (void) vd_throw(&v->error, VD_ERROR_INVALID_ARGUMENT,
                        "Invalid parameter '%s'", key);
    else
        (void) check_value(spec, value, &v->error); /* kept in v->error */
}

bool
vd_options_validate(const VdOptions *opts, const VdOptionSpec *table,
                    GError **error)
{
    Validation v = {.table = table};

    vd_options_foreach(opts, validate_one, &v);
    if (!v.error)
        return true;
    g_propagate_error(error, v.error);
    return false;
}
