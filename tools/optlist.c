/* SPDX-License-Identifier: BSD-3-Clause */
/* tools/optlist.c - splitting and joining lists of key=value.
 *
 * Concurrency: no shared state.
 */
#include "tools/optlist.h"

#include <string.h>

typedef struct {
    char *key;
    char *value; /* NULL: "help" or "?" */
} OptPair;

struct OptList {
    GPtrArray *pairs; /* of OptPair */
};

static void
pair_free(void *data)
{
    OptPair *pair = data;

    g_free(pair->key);
    g_free(pair->value);
    g_free(pair);
}

OptList *
optlist_new(void)
{
    OptList *list = g_new(OptList, 1);

    list->pairs = g_ptr_array_new_with_free_func(pair_free);
    return list;
}

void
optlist_free(OptList *list)
{
    g_ptr_array_unref(list->pairs);
    g_free(list);
}

static void
pair_add(OptList *list, char *key, char *value)
{
    OptPair *pair = g_new(OptPair, 1);

    *pair = (OptPair){key, value};
    g_ptr_array_add(list->pairs, pair);
}

static bool
text_is_valid(const char *text)
{
    size_t commas = 0;

    if (*text == '\0' || *text == ',')
        return false;
    for (const char *p = text + strlen(text); p > text && p[-1] == ','; p--)
        commas++;
    return commas % 2 == 0;
}

/* Up to the next single comma, pairs of them folded; moves *@text behind. */
static char *
element_take(const char **text)
{
    GString *element = g_string_new(NULL);
    const char *p = *text;

    while (*p && (*p != ',' || p[1] == ',')) {
        p += *p == ',';
        g_string_append_c(element, *p++);
    }
    *text = *p ? p + 1 : p;
    return g_string_free(element, FALSE);
}

static bool
is_help(const char *word)
{
    return !strcmp(word, "help") || !strcmp(word, "?");
}

/* "x" is short for x=on, "nox" for x=off. */
static void
word_add(OptList *list, const char *word)
{
    if (is_help(word))
        pair_add(list, g_strdup(word), NULL);
    else if (g_str_has_prefix(word, "no"))
        pair_add(list, g_strdup(word + 2), g_strdup("off"));
    else
        pair_add(list, g_strdup(word), g_strdup("on"));
}

bool
optlist_add(OptList *list, const char *text)
{
    if (!text_is_valid(text))
        return false;
    while (*text) {
        g_autofree char *element = element_take(&text);
        const char *equals = strchr(element, '=');
        if (equals)
            pair_add(list, g_strndup(element, equals - element),
                     g_strdup(equals + 1));
        else
            word_add(list, element);
    }
    return true;
}

void
optlist_set(OptList *list, const char *key, const char *value)
{
    g_free(optlist_take(list, key));
    pair_add(list, g_strdup(key), g_strdup(value));
}

bool
optlist_wants_help(const OptList *list)
{
    for (unsigned i = 0; i < list->pairs->len; i++) {
        const OptPair *pair = list->pairs->pdata[i];
        if (!pair->value)
            return true;
    }
    return false;
}

bool
optlist_is_empty(const OptList *list)
{
    return list->pairs->len == 0;
}

const char *
optlist_peek(const OptList *list, const char *key)
{
    for (unsigned i = list->pairs->len; i-- > 0;) {
        const OptPair *pair = list->pairs->pdata[i];
        if (pair->value && !strcmp(pair->key, key))
            return pair->value;
    }
    return NULL;
}

char *
optlist_take(OptList *list, const char *key)
{
    char *value = g_strdup(optlist_peek(list, key));

    for (unsigned i = list->pairs->len; i-- > 0;) {
        const OptPair *pair = list->pairs->pdata[i];
        if (pair->value && !strcmp(pair->key, key))
            g_ptr_array_remove_index(list->pairs, i);
    }
    return value;
}

void
optlist_take_unless_set(OptList *list, const char *key, char **value)
{
    g_autofree char *listed = optlist_take(list, key);

    if (!*value)
        *value = g_steal_pointer(&listed);
}

const char *
optlist_find_unknown(const OptList *list,
                     bool (*known)(const char *key, void *opaque), void *opaque)
{
    for (unsigned i = 0; i < list->pairs->len; i++) {
        const OptPair *pair = list->pairs->pdata[i];
        if (!known(pair->key, opaque))
            return pair->key;
    }
    return NULL;
}

static void
escaped_append(GString *out, const char *text)
{
    for (; *text; text++) {
        if (*text == ',')
            g_string_append_c(out, ',');
        g_string_append_c(out, *text);
    }
}

char *
optlist_join(const OptList *list)
{
    GString *out = g_string_new(NULL);

    for (unsigned i = 0; i < list->pairs->len; i++) {
        const OptPair *pair = list->pairs->pdata[i];
        if (i)
            g_string_append_c(out, ',');
        escaped_append(out, pair->key);
        if (pair->value) {
            g_string_append_c(out, '=');
            escaped_append(out, pair->value);
        }
    }
    return g_string_free(out, list->pairs->len == 0);
}
