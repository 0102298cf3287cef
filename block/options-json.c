/* SPDX-License-Identifier: BSD-3-Clause */
/* block/options-json.c - json:{...} names as options.
 *
 * Nested objects and arrays become dotted keys.  The text may come from an
 * image (a parent's name), so its size and its brackets are bounded before the
 * parser, which recurses, sees it.
 *
 * Concurrency: no state; any thread.  Deep stack: offload from coroutines.
 */
#include "block/options-internal.h"

#include "block/error.h"

#include <json-glib/json-glib.h>
#include <string.h>

#define MAX_JSON_BYTES (1u << 20)
#define MAX_JSON_BRACKETS 1024
#define MAX_JSON_VALUES 65536

typedef struct {
    VdOptions *opts;
    GString *key; /* of the value looked at */
    unsigned values;
} Flatten;

static bool flatten_value(Flatten *flat, JsonNode *value, GError **error);

/* An upper bound of the nesting.  Strings are not told from the rest: to know
 * what the parser takes for one would be to parse. */
static unsigned
count_brackets(const char *json)
{
    unsigned n = 0;

    for (const char *p = json; *p; p++)
        n += *p == '{' || *p == '[';
    return n;
}

static bool
flatten_member(Flatten *flat, const char *name, JsonNode *value, GError **error)
{
    size_t len = flat->key->len;
    bool ok;

    if (len > 0)
        g_string_append_c(flat->key, '.');
    g_string_append(flat->key, name);
    ok = flatten_value(flat, value, error);
    g_string_truncate(flat->key, len);
    return ok;
}

static bool
flatten_object(Flatten *flat, JsonObject *object, GError **error)
{
    g_autoptr(GList) names = json_object_get_members(object);

    for (GList *l = names; l; l = l->next) {
        JsonNode *value = json_object_get_member(object, l->data);

        if (!flatten_member(flat, l->data, value, error))
            return false;
    }
    return true;
}

static bool
flatten_array(Flatten *flat, JsonArray *array, GError **error)
{
    for (unsigned i = 0; i < json_array_get_length(array); i++) {
        g_autofree char *index = g_strdup_printf("%u", i);
        JsonNode *value = json_array_get_element(array, i);

        if (!flatten_member(flat, index, value, error))
            return false;
    }
    return true;
}

/* A plain value as text; NULL for a kind that no option has. */
static char *
text_of(JsonNode *value)
{
    switch (json_node_get_value_type(value)) {
    case G_TYPE_STRING:
        return g_strdup(json_node_get_string(value));
    case G_TYPE_BOOLEAN:
        return g_strdup(json_node_get_boolean(value) ? "true" : "false");
    case G_TYPE_INT64:
        return g_strdup_printf("%" G_GINT64_FORMAT, json_node_get_int(value));
    default:
        return NULL;
    }
}

static bool
flatten_scalar(Flatten *flat, JsonNode *value, GError **error)
{
    g_autofree char *text = text_of(value);

    if (!text)
        return vd_throw(error, VD_ERROR_INVALID_ARGUMENT,
                        "Parameter '%s' expects a string, a whole number or a "
                        "boolean",
                        flat->key->str);
    vd_options_set(flat->opts, flat->key->str, text);
    return true;
}

static bool
flatten_value(Flatten *flat, JsonNode *value, GError **error)
{
    if (++flat->values > MAX_JSON_VALUES)
        return vd_throw(error, VD_ERROR_LIMIT,
                        "more than %d values in a JSON "
                        "name",
                        MAX_JSON_VALUES);
    switch (json_node_get_node_type(value)) {
    case JSON_NODE_OBJECT:
        return flatten_object(flat, json_node_get_object(value), error);
    case JSON_NODE_ARRAY:
        return flatten_array(flat, json_node_get_array(value), error);
    case JSON_NODE_NULL: /* "backing": null says none */
        vd_options_set(flat->opts, flat->key->str, "");
        return true;
    case JSON_NODE_VALUE:
        return flatten_scalar(flat, value, error);
    }
    g_assert_not_reached();
}

static bool
check_bounds(const char *json, GError **error)
{
    size_t len = strnlen(json, MAX_JSON_BYTES + 1);

    if (len > MAX_JSON_BYTES)
        return vd_throw(error, VD_ERROR_LIMIT,
                        "JSON name is longer than %u bytes", MAX_JSON_BYTES);
    if (count_brackets(json) > MAX_JSON_BRACKETS)
        return vd_throw(error, VD_ERROR_LIMIT,
                        "JSON name has more than %d objects and arrays",
                        MAX_JSON_BRACKETS);
    return true;
}

static bool
flatten_root(VdOptions *opts, JsonNode *root, GError **error)
{
    Flatten flat = {.opts = opts};
    bool ok;

    if (!root || !JSON_NODE_HOLDS_OBJECT(root))
        return vd_throw(error, VD_ERROR_INVALID_ARGUMENT,
                        "Invalid JSON object given");
    flat.key = g_string_new(NULL);
    ok = flatten_object(&flat, json_node_get_object(root), error);
    g_string_free(flat.key, TRUE);
    return ok;
}

bool
vd_options_parse_json(VdOptions *opts, const char *json, GError **error)
{
    g_autoptr(JsonParser) parser = json_parser_new_immutable();
    g_autoptr(GError) cause = NULL;

    if (!check_bounds(json, error))
        return false;
    if (!json_parser_load_from_data(parser, json, -1, &cause))
        return vd_throw(error, VD_ERROR_INVALID_ARGUMENT,
                        "Could not parse the JSON options: %s", cause->message);
    return flatten_root(opts, json_parser_get_root(parser), error);
}
