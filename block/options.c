/* SPDX-License-Identifier: BSD-3-Clause */
/* block/options.c - a set of dotted keys, and taking typed values out of it.
 *
 * Keys are kept sorted, so that messages about what is left over do not depend
 * on hashing.
 *
 * Concurrency: a VdOptions belongs to one thread at a time.
 */
#include "block/options-internal.h"

#include "block/error.h"

#include <inttypes.h>
#include <string.h>

struct VdOptions {
    GTree *values; /* key -> value, both owned */
};

static int
compare_keys(gconstpointer a, gconstpointer b, gpointer data)
{
    return strcmp(a, b);
}

VdOptions *
vd_options_new(void)
{
    VdOptions *opts = g_new0(VdOptions, 1);

    opts->values = g_tree_new_full(compare_keys, NULL, g_free, g_free);
    return opts;
}

void
vd_options_free(VdOptions *opts)
{
    if (!opts)
        return;
    g_tree_unref(opts->values);
    g_free(opts);
}

void
vd_options_set(VdOptions *opts, const char *key, const char *value)
{
    g_tree_replace(opts->values, g_strdup(key), g_strdup(value));
}

const char *
vd_options_peek(const VdOptions *opts, const char *key)
{
    return g_tree_lookup(opts->values, key);
}

bool
vd_options_is_empty(const VdOptions *opts)
{
    return g_tree_nnodes(opts->values) == 0;
}

/* First key >= @key, for walking. */
static GTreeNode *
first_from(const VdOptions *opts, const char *key)
{
    return g_tree_lower_bound(opts->values, key);
}

void
vd_options_foreach(const VdOptions *opts, VdOptionsFunc fn, void *opaque)
{
    for (GTreeNode *n = g_tree_node_first(opts->values); n;
         n = g_tree_node_next(n))
        fn(g_tree_node_key(n), g_tree_node_value(n), opaque);
}

static void
copy_one(const char *key, const char *value, void *opaque)
{
    vd_options_set(opaque, key, value);
}

VdOptions *
vd_options_copy(const VdOptions *opts)
{
    VdOptions *copy = vd_options_new();

    vd_options_foreach(opts, copy_one, copy);
    return copy;
}

static void
add_missing_one(const char *key, const char *value, void *opaque)
{
    if (!vd_options_peek(opaque, key))
        vd_options_set(opaque, key, value);
}

void
vd_options_add_missing(VdOptions *opts, const VdOptions *from)
{
    vd_options_foreach(from, add_missing_one, opts);
}

/* -- taking out ------------------------------------------------------------ */

void
vd_options_take_string(VdOptions *opts, const char *key, char **value)
{
    const char *text = vd_options_peek(opts, key);

    if (!text)
        return;
    g_free(*value);
    *value = g_strdup(text);
    g_tree_remove(opts->values, key);
}

bool
vd_option_parse_bool(const char *key, const char *text, bool *value,
                     GError **error)
{
    static const char *const yes[] = {"on", "true", "yes", NULL};
    static const char *const no[] = {"off", "false", "no", NULL};

    if (!g_strv_contains(yes, text) && !g_strv_contains(no, text))
        return vd_throw(error, VD_ERROR_INVALID_ARGUMENT,
                        "Parameter '%s' expects 'on' or 'off'", key);
    *value = g_strv_contains(yes, text);
    return true;
}

bool
vd_option_parse_uint(const char *key, const char *text, uint64_t *value,
                     GError **error)
{
    bool hex = g_str_has_prefix(text, "0x") || g_str_has_prefix(text, "0X");

    if (!g_ascii_string_to_unsigned(hex ? text + 2 : text, hex ? 16 : 10, 0,
                                    UINT64_MAX, value, NULL))
        return vd_throw(error, VD_ERROR_INVALID_ARGUMENT,
                        "Parameter '%s' expects a number", key);
    return true;
}

bool
vd_option_parse_size(const char *key, const char *text, uint64_t *value,
                     GError **error)
{
    if (!vd_parse_size(text, value, NULL))
        return vd_throw(
            error, VD_ERROR_INVALID_ARGUMENT,
            "Parameter '%s' expects a non-negative number below 2^64\n"
            "Optional suffix k, M, G, T, P or E means kilo-, mega-, giga-, "
            "tera-, peta-\n"
            "and exabytes, respectively.",
            key);
    return true;
}

bool
vd_option_parse_enum(const char *key, const char *text,
                     const char *const *names, unsigned *value, GError **error)
{
    for (unsigned i = 0; names[i]; i++) {
        if (strcmp(names[i], text) == 0) {
            *value = i;
            return true;
        }
    }
    /* The first line is QEMU's, who does not tell what is wanted. */
    g_autofree char *wanted = g_strjoinv(", ", (char **) names);
    return vd_throw(error, VD_ERROR_INVALID_ARGUMENT,
                    "invalid parameter value: %s\n"
                    "Parameter '%s' is one of: %s.",
                    text, key, wanted);
}

bool
vd_options_take_bool(VdOptions *opts, const char *key, bool *value,
                     GError **error)
{
    const char *text = vd_options_peek(opts, key);

    if (!text)
        return true;
    if (!vd_option_parse_bool(key, text, value, error))
        return false;
    g_tree_remove(opts->values, key);
    return true;
}

bool
vd_options_take_uint(VdOptions *opts, const char *key, uint64_t *value,
                     GError **error)
{
    const char *text = vd_options_peek(opts, key);

    if (!text)
        return true;
    if (!vd_option_parse_uint(key, text, value, error))
        return false;
    g_tree_remove(opts->values, key);
    return true;
}

bool
vd_options_take_uint_upto(VdOptions *opts, const char *key, uint64_t most,
                          uint64_t *value, GError **error)
{
    if (!vd_options_take_uint(opts, key, value, error))
        return false;
    return *value <= most || vd_throw(error, VD_ERROR_INVALID_ARGUMENT,
                                      "Parameter '%s' is %" PRIu64
                                      ", at most %" PRIu64 " is possible",
                                      key, *value, most);
}

bool
vd_options_take_size(VdOptions *opts, const char *key, uint64_t *value,
                     GError **error)
{
    const char *text = vd_options_peek(opts, key);

    if (!text)
        return true;
    if (!vd_option_parse_size(key, text, value, error))
        return false;
    g_tree_remove(opts->values, key);
    return true;
}

bool
vd_options_take_enum(VdOptions *opts, const char *key, const char *const *names,
                     unsigned *value, GError **error)
{
    const char *text = vd_options_peek(opts, key);

    if (!text)
        return true;
    if (!vd_option_parse_enum(key, text, names, value, error))
        return false;
    g_tree_remove(opts->values, key);
    return true;
}

VdOptions *
vd_options_take_sub(VdOptions *opts, const char *prefix)
{
    g_autofree char *dotted = g_strconcat(prefix, ".", NULL);
    VdOptions *sub = vd_options_new();
    GTreeNode *n;

    while ((n = first_from(opts, dotted))) {
        const char *key = g_tree_node_key(n);

        if (!g_str_has_prefix(key, dotted))
            break;
        vd_options_set(sub, key + strlen(dotted), g_tree_node_value(n));
        g_tree_remove(opts->values, key);
    }
    return sub;
}

typedef struct {
    VdOptions *opts;
    const char *prefix;
} PutSub;

static void
put_sub_one(const char *key, const char *value, void *opaque)
{
    const PutSub *put = opaque;
    g_autofree char *dotted = g_strconcat(put->prefix, ".", key, NULL);

    vd_options_set(put->opts, dotted, value);
}

void
vd_options_put_sub(VdOptions *opts, const char *prefix, const VdOptions *sub)
{
    PutSub put = {opts, prefix};

    vd_options_foreach(sub, put_sub_one, &put);
}

bool
vd_options_has_sub(const VdOptions *opts, const char *prefix)
{
    g_autofree char *dotted = g_strconcat(prefix, ".", NULL);
    GTreeNode *n = first_from(opts, dotted);

    return n && g_str_has_prefix(g_tree_node_key(n), dotted);
}

const char *
vd_options_first(const VdOptions *opts)
{
    GTreeNode *n = g_tree_node_first(opts->values);

    return n ? g_tree_node_key(n) : NULL;
}

bool
vd_options_finish(const VdOptions *opts, GError **error)
{
    const char *key = vd_options_first(opts);

    return !key || vd_throw(error, VD_ERROR_INVALID_ARGUMENT,
                            "Invalid parameter '%s'", key);
}
