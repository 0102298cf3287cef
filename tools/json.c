/* SPDX-License-Identifier: BSD-3-Clause */
/* tools/json.c - GVariant to JSON: four blanks of indentation, a newline
 * between the brackets of empty containers, UTF-8.
 *
 * Concurrency: no state.
 */
#include "tools/json.h"

#include <stdio.h>
#include <string.h>

/* qemu-img prints keys in the order of its hash table, and its tests compare
 * text.  One table serves all its objects, since one hash does there.  Keys of
 * ours stand in none of these and follow as they come. */
static const char *const ranks[] = {
    "image-end-offset",
    "backing-image",
    "compressed-clusters",
    "total-clusters",
    "corruptions",
    "corruptions-fixed",
    "check-errors",
    "leaks",
    "leaks-fixed",
    "allocated-clusters",
    "type",
    "cid",
    "parent-cid",
    "create-type",
    "extents",
    "compressed",
    "children",
    "backing-filename-format",
    "snapshots",
    "virtual-size",
    "filename",
    "cluster-size",
    "format",
    "fragmented-clusters",
    "actual-size",
    "format-specific",
    "data",
    "full-backing-filename",
    "encrypted",
    "backing-filename",
    "dirty-flag",
};

static size_t
key_rank(const char *key)
{
    for (size_t i = 0; i < G_N_ELEMENTS(ranks); i++)
        if (!strcmp(ranks[i], key))
            return i;
    return G_N_ELEMENTS(ranks);
}

static void
member_free(void *data)
{
    JsonMember *m = data;

    g_free(m->key);
    g_variant_unref(m->value);
    g_free(m);
}

/* g_ptr_array_sort is documented to be stable. */
static int
member_compare(const void *a, const void *b)
{
    const JsonMember *ma = *(JsonMember *const *) a;
    const JsonMember *mb = *(JsonMember *const *) b;
    size_t ra = key_rank(ma->key);
    size_t rb = key_rank(mb->key);

    return ra < rb ? -1 : ra > rb;
}

GPtrArray *
json_members(GVariant *dict, JsonOrder order)
{
    GPtrArray *members = g_ptr_array_new_with_free_func(member_free);
    GVariantIter iter;
    char *key;
    GVariant *value;

    g_variant_iter_init(&iter, dict);
    while (g_variant_iter_next(&iter, "{sv}", &key, &value)) {
        JsonMember *m = g_new(JsonMember, 1);
        *m = (JsonMember){key, value};
        g_ptr_array_add(members, m);
    }
    if (order == JSON_RANKED)
        g_ptr_array_sort(members, member_compare);
    return members;
}

static void
string_append(GString *out, const char *text)
{
    static const char specials[] = "\"\\\b\f\n\r\t";
    static const char letters[] = "\"\\bfnrt";

    g_string_append_c(out, '"');
    for (; *text; text++) {
        const char *hit = strchr(specials, *text);
        if (hit)
            g_string_append_printf(out, "\\%c", letters[hit - specials]);
        else if ((unsigned char) *text < 0x20 || *text == 0x7f)
            g_string_append_printf(out, "\\u%04X", (unsigned) *text);
        else
            g_string_append_c(out, *text);
    }
    g_string_append_c(out, '"');
}

char *
json_quote(const char *text)
{
    GString *out = g_string_new(NULL);

    string_append(out, text);
    return g_string_free(out, FALSE);
}

static void
newline_append(GString *out, unsigned depth)
{
    g_string_append_c(out, '\n');
    for (unsigned i = 0; i < depth; i++)
        g_string_append(out, "    ");
}

typedef struct {
    GString *out;
    JsonOrder order;
    unsigned depth;
} Writer;

static void value_append(Writer *w, GVariant *value);

static void
object_append(Writer *w, GVariant *dict)
{
    g_autoptr(GPtrArray) members = json_members(dict, w->order);

    g_string_append_c(w->out, '{');
    w->depth++;
    for (unsigned i = 0; i < members->len; i++) {
        const JsonMember *m = members->pdata[i];
        if (i)
            g_string_append_c(w->out, ',');
        newline_append(w->out, w->depth);
        string_append(w->out, m->key);
        g_string_append(w->out, ": ");
        value_append(w, m->value);
    }
    w->depth--;
    newline_append(w->out, w->depth);
    g_string_append_c(w->out, '}');
}

static void
array_append(Writer *w, GVariant *array)
{
    size_t n = g_variant_n_children(array);

    g_string_append_c(w->out, '[');
    w->depth++;
    for (size_t i = 0; i < n; i++) {
        g_autoptr(GVariant) child = g_variant_get_child_value(array, i);
        if (i)
            g_string_append_c(w->out, ',');
        newline_append(w->out, w->depth);
        value_append(w, child);
    }
    w->depth--;
    newline_append(w->out, w->depth);
    g_string_append_c(w->out, ']');
}

static void
number_append(GString *out, GVariant *value)
{
    char text[G_ASCII_DTOSTR_BUF_SIZE];
    g_autofree char *digits = NULL;

    if (g_variant_is_of_type(value, G_VARIANT_TYPE_DOUBLE)) {
        g_ascii_formatd(text, sizeof(text), "%.6g",
                        g_variant_get_double(value));
        g_string_append(out, text);
    } else {
        digits = g_variant_print(value, FALSE);
        g_string_append(out, digits);
    }
}

static void
value_append(Writer *w, GVariant *value)
{
    g_autoptr(GVariant) inner = NULL;

    if (g_variant_is_of_type(value, G_VARIANT_TYPE_VARIANT)) {
        inner = g_variant_get_variant(value);
        value_append(w, inner);
    } else if (g_variant_is_of_type(value, G_VARIANT_TYPE_VARDICT)) {
        object_append(w, value);
    } else if (g_variant_is_of_type(value, G_VARIANT_TYPE_ARRAY)) {
        array_append(w, value);
    } else if (g_variant_is_of_type(value, G_VARIANT_TYPE_STRING)) {
        string_append(w->out, g_variant_get_string(value, NULL));
    } else if (g_variant_is_of_type(value, G_VARIANT_TYPE_BOOLEAN)) {
        g_string_append(w->out,
                        g_variant_get_boolean(value) ? "true" : "false");
    } else {
        number_append(w->out, value);
    }
}

char *
json_to_text(GVariant *value, JsonOrder order)
{
    g_autoptr(GVariant) sunk = g_variant_ref_sink(value);
    Writer w = {g_string_new(NULL), order, 0};

    value_append(&w, sunk);
    g_string_append_c(w.out, '\n');
    return g_string_free(w.out, FALSE);
}

void
json_print(GVariant *value, JsonOrder order)
{
    g_autofree char *text = json_to_text(value, order);

    fputs(text, stdout);
}

void
json_add(GVariantBuilder *object, const char *key, GVariant *value)
{
    g_variant_builder_add(object, "{sv}", key, value);
}

void
json_add_string(GVariantBuilder *object, const char *key, const char *value)
{
    g_autofree char *valid = g_utf8_make_valid(value, -1);

    json_add(object, key, g_variant_new_string(valid));
}

GVariant *
json_strings(const char *const *texts, int n)
{
    g_auto(GVariantBuilder) list =
        G_VARIANT_BUILDER_INIT(G_VARIANT_TYPE_STRING_ARRAY);

    for (int i = 0; n < 0 ? texts[i] != NULL : i < n; i++) {
        g_autofree char *valid = g_utf8_make_valid(texts[i], -1);
        g_variant_builder_add(&list, "s", valid);
    }
    return g_variant_builder_end(&list);
}

void
json_add_uint(GVariantBuilder *object, const char *key, uint64_t value)
{
    json_add(object, key, g_variant_new_uint64(value));
}

void
json_add_bool(GVariantBuilder *object, const char *key, bool value)
{
    json_add(object, key, g_variant_new_boolean(value));
}
