/* SPDX-License-Identifier: BSD-3-Clause */
/* tools/json.h - JSON documents in exactly the form that qemu-img prints.
 *
 * Documents are GVariants: a{sv} is an object, keys in the order they were
 * added; arrays of anything are arrays.
 */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

typedef enum JsonOrder {
    JSON_AS_GIVEN,
    JSON_RANKED, /* known keys first, in the order of qemu-img's hash */
} JsonOrder;

/* The document as text with a newline at the end; sinks a floating @value. */
char *json_to_text(GVariant *value, JsonOrder order);
/* The same to stdout. */
void json_print(GVariant *value, JsonOrder order);

/* UTF-8 @text as a JSON string with its quotes. */
char *json_quote(const char *text);

/* The members of the object @dict (a{sv}) as a new array of (key, value)
 * pairs in ranked order; unknown keys keep their place behind the known. */
typedef struct JsonMember {
    char *key;
    GVariant *value;
} JsonMember;

GPtrArray *json_members(GVariant *dict, JsonOrder order);

/* -- building objects ----------------------------------------------------- */

#define JSON_BUILDER_INIT G_VARIANT_BUILDER_INIT(G_VARIANT_TYPE_VARDICT)

void json_add(GVariantBuilder *object, const char *key, GVariant *value);
/* File names need not be UTF-8, JSON must be: what is not is replaced. */
void json_add_string(GVariantBuilder *object, const char *key,
                     const char *value);
/* An array of strings; @n < 0 = up to a NULL. */
GVariant *json_strings(const char *const *texts, int n);
void json_add_uint(GVariantBuilder *object, const char *key, uint64_t value);
void json_add_bool(GVariantBuilder *object, const char *key, bool value);
