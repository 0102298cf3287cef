/* SPDX-License-Identifier: BSD-3-Clause */
/* tools/human.c - sizes and nested facts as text for people.
 *
 * Concurrency: no state.
 */
#include "tools/human.h"

#include <string.h>

#include "tools/json.h"

static const char *const units[] = {"B",   "KiB", "MiB", "GiB",
                                    "TiB", "PiB", "EiB"};

/* 999.5 would be rounded to four digits: that is the next unit's. */
static size_t
size_unit(double bytes)
{
    size_t unit = 0;

    for (; bytes >= 999.5 && unit + 1 < G_N_ELEMENTS(units); unit++)
        bytes /= 1024;
    return unit;
}

/* @bytes in units[@unit], written to @text. */
static const char *
size_digits(uint64_t bytes, size_t unit, char text[G_ASCII_DTOSTR_BUF_SIZE])
{
    double value = (double) bytes / (double) (UINT64_C(1) << (10 * unit));

    if (value < 0.001) /* would be scientific */
        value = 0;
    return g_ascii_formatd(text, G_ASCII_DTOSTR_BUF_SIZE, "%.3g", value);
}

char *
human_size(uint64_t bytes)
{
    size_t unit = size_unit((double) bytes);
    char text[G_ASCII_DTOSTR_BUF_SIZE];

    return g_strdup_printf("%s %s", size_digits(bytes, unit, text),
                           units[unit]);
}

char *
human_share(uint64_t part, uint64_t whole)
{
    size_t unit = size_unit((double) whole);
    char text[G_ASCII_DTOSTR_BUF_SIZE];
    char whole_text[G_ASCII_DTOSTR_BUF_SIZE];

    return g_strdup_printf("%s/%s %s", size_digits(part, unit, text),
                           size_digits(whole, unit, whole_text), units[unit]);
}

char *
human_digits(double value)
{
    char text[G_ASCII_DTOSTR_BUF_SIZE];
    const char *form = value >= 99.95   ? "%.0f"
                       : value >= 9.995 ? "%.1f"
                                        : "%.2f";

    return g_strdup(g_ascii_formatd(text, sizeof(text), form, value));
}

char *
human_time(double ns)
{
    static const char *const time_units[] = {"ns", "us", "ms", "s"};
    size_t unit = 0;

    for (; ns >= 999.5 && unit + 1 < G_N_ELEMENTS(time_units); unit++)
        ns /= 1000;
    g_autofree char *number = human_digits(ns);
    return g_strdup_printf("%s %s", number, time_units[unit]);
}

static void human_append_value(GString *out, GVariant *value, unsigned indent);

static void
label_append(GString *out, const char *key, unsigned indent)
{
    g_string_append_printf(out, "%*s", (int) indent, "");
    for (; *key; key++)
        g_string_append_c(out, *key == '-' ? ' ' : *key);
    g_string_append_c(out, ':');
}

static void
array_append(GString *out, GVariant *array, unsigned indent)
{
    size_t n = g_variant_n_children(array);

    for (size_t i = 0; i < n; i++) {
        g_autoptr(GVariant) child = g_variant_get_child_value(array, i);
        g_string_append_printf(out, "%*s[%zu]:", (int) indent, "", i);
        human_append_value(out, child, indent + 4);
    }
}

/* Behind a label: a container goes to lines of its own. */
static void
human_append_value(GString *out, GVariant *value, unsigned indent)
{
    if (g_variant_is_of_type(value, G_VARIANT_TYPE_VARIANT)) {
        g_autoptr(GVariant) inner = g_variant_get_variant(value);
        human_append_value(out, inner, indent);
    } else if (g_variant_is_of_type(value, G_VARIANT_TYPE_VARDICT)) {
        g_string_append_c(out, '\n');
        human_append_dict(out, value, indent);
    } else if (g_variant_is_of_type(value, G_VARIANT_TYPE_ARRAY)) {
        g_string_append_c(out, '\n');
        array_append(out, value, indent);
    } else if (g_variant_is_of_type(value, G_VARIANT_TYPE_STRING)) {
        g_string_append_printf(out, " %s\n", g_variant_get_string(value, NULL));
    } else {
        g_autofree char *text = json_to_text(value, JSON_AS_GIVEN);
        g_string_append_printf(out, " %s", text);
    }
}

void
human_append_dict(GString *out, GVariant *dict, unsigned indent)
{
    g_autoptr(GPtrArray) members = json_members(dict, JSON_RANKED);

    for (unsigned i = 0; i < members->len; i++) {
        const JsonMember *m = members->pdata[i];
        label_append(out, m->key, indent);
        human_append_value(out, m->value, indent + 4);
    }
}
