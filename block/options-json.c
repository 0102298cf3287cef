/* SPDX-License-Identifier: BSD-3-Clause */
/* block/options-json.c - json:{...} names as options.
 *
 * Nested objects and arrays become dotted keys while they are read; nothing is
 * built in between.  (A library for it took every program a third of its start,
 * whether it saw JSON or not.)  The text may come from an image, a parent's
 * name: its size, its brackets and its values are bounded.
 *
 * The language is RFC 8259's, and strings may stand in single quotes, as they
 * may in QEMU's.
 *
 * Concurrency: no state; any thread.  Deep stack: offload from coroutines.
 */
#include "block/options-internal.h"

#include "block/error.h"

#include <errno.h>
#include <string.h>

#define MAX_JSON_BYTES (1u << 20)
#define MAX_JSON_DEPTH 64 /* drivers nest less than this, too */
#define MAX_JSON_KEY 1024 /* bytes, with all that it is inside of */
#define MAX_JSON_VALUES 65536

typedef struct {
    const char *start, *at;
    VdOptions *opts;
    GString *key; /* of the value looked at */
    unsigned values, depth;
} Json;

static bool json_value(Json *json, GError **error);

static bool
json_fail(const Json *json, const char *wanted, GError **error)
{
    return vd_throw(error, VD_ERROR_INVALID_ARGUMENT,
                    "Could not parse the JSON options: %s expected at byte "
                    "%zu",
                    wanted, (size_t) (json->at - json->start));
}

static void
json_skip_space(Json *json)
{
    json->at += strspn(json->at, " \t\r\n");
}

/* True, and @c is behind us, if it is what comes next. */
static bool
json_take(Json *json, char c)
{
    json_skip_space(json);
    if (*json->at != c)
        return false;
    json->at++;
    return true;
}

/* -- strings -------------------------------------------------------------- */

static bool
json_hex4(Json *json, gunichar *unit, GError **error)
{
    *unit = 0;
    for (int i = 0; i < 4; i++, json->at++) {
        int digit = g_ascii_xdigit_value(*json->at);

        if (digit < 0)
            return json_fail(json, "hexadecimal digit", error);
        *unit = *unit << 4 | (unsigned) digit;
    }
    return true;
}

/* Behind "\u": a character, or the first half of a pair. */
static bool
json_unicode(Json *json, GString *text, GError **error)
{
    gunichar c, low;

    if (!json_hex4(json, &c, error))
        return false;
    if (c >= 0xd800 && c < 0xdc00) {
        if (json->at[0] != '\\' || json->at[1] != 'u')
            return json_fail(json, "second half of a surrogate pair", error);
        json->at += 2;
        if (!json_hex4(json, &low, error))
            return false;
        if (low < 0xdc00 || low > 0xdfff)
            return json_fail(json, "second half of a surrogate pair", error);
        c = 0x10000 + ((c - 0xd800) << 10 | (low - 0xdc00));
    }
    if (c == 0 || !g_unichar_validate(c))
        return json_fail(json, "character other than this one", error);
    g_string_append_unichar(text, c);
    return true;
}

static bool
json_escape(Json *json, GString *text, GError **error)
{
    static const char names[] = "\"'\\/bfnrt", chars[] = "\"'\\/\b\f\n\r\t";
    const char *name = *json->at ? strchr(names, *json->at) : NULL;

    if (*json->at == 'u') {
        json->at++;
        return json_unicode(json, text, error);
    }
    if (!name)
        return json_fail(json, "known escape sequence", error);
    g_string_append_c(text, chars[name - names]);
    json->at++;
    return true;
}

/* The text of the string that comes next is added to @text. */
static bool
json_string(Json *json, GString *text, GError **error)
{
    char quote;

    json_skip_space(json);
    quote = *json->at;
    if (quote != '"' && quote != '\'')
        return json_fail(json, "string", error);
    json->at++;
    while (*json->at != quote) {
        if ((unsigned char) *json->at < ' ')
            return json_fail(json, "end of the string", error);
        if (*json->at == '\\') {
            json->at++;
            if (!json_escape(json, text, error))
                return false;
        } else {
            g_string_append_c(text, *json->at++);
        }
    }
    json->at++;
    return true;
}

/* -- plain values --------------------------------------------------------- */

static bool
json_set(Json *json, const char *value, GError **error)
{
    if (json->key->len > MAX_JSON_KEY)
        return vd_throw(error, VD_ERROR_LIMIT,
                        "the name of a value in a JSON name is longer than %d "
                        "bytes",
                        MAX_JSON_KEY);
    if (vd_options_peek(json->opts, json->key->str))
        return vd_throw(error, VD_ERROR_INVALID_ARGUMENT,
                        "Parameter '%s' is given twice", json->key->str);
    vd_options_set(json->opts, json->key->str, value);
    return true;
}

static bool
json_string_value(Json *json, GError **error)
{
    GString *text = g_string_new(NULL);
    bool ok =
        json_string(json, text, error) && json_set(json, text->str, error);

    g_string_free(text, TRUE);
    return ok;
}

static bool
json_number(Json *json, GError **error)
{
    const char *first = json->at + (*json->at == '-');
    size_t digits = strspn(first, "0123456789");
    g_autofree char *text = NULL;

    if (digits == 0 || (digits > 1 && *first == '0'))
        return json_fail(json, "number", error);
    text = g_strndup(json->at, (size_t) (first + digits - json->at));
    errno = 0;
    if (*json->at == '-')
        (void) g_ascii_strtoll(text, NULL, 10);
    else
        (void) g_ascii_strtoull(text, NULL, 10);
    if (errno != 0 || (first[digits] && strchr(".eE", first[digits])))
        return vd_throw(error, VD_ERROR_INVALID_ARGUMENT,
                        "Parameter '%s' expects a string, a whole number or a "
                        "boolean",
                        json->key->str);
    json->at = first + digits;
    return json_set(json, text, error);
}

static bool
json_word(Json *json, GError **error)
{
    /* "backing": null says none */
    static const struct {
        const char *word, *value;
    } words[] = {{"true", "true"}, {"false", "false"}, {"null", ""}};

    for (size_t i = 0; i < G_N_ELEMENTS(words); i++) {
        size_t len = strlen(words[i].word);

        if (strncmp(json->at, words[i].word, len) == 0 &&
            !g_ascii_isalnum(json->at[len])) {
            json->at += len;
            return json_set(json, words[i].value, error);
        }
    }
    return json_fail(json, "value", error);
}

/* -- objects and arrays --------------------------------------------------- */

/* A dot and what it parts, behind the key so far; returns how long that was. */
static size_t
json_enter(Json *json)
{
    size_t len = json->key->len;

    if (len > 0)
        g_string_append_c(json->key, '.');
    return len;
}

static bool
json_member(Json *json, GError **error)
{
    size_t len = json_enter(json);
    bool ok;

    if (!json_string(json, json->key, error))
        return false;
    ok = json_take(json, ':') ? json_value(json, error)
                              : json_fail(json, "':'", error);
    g_string_truncate(json->key, len);
    return ok;
}

static bool
json_object(Json *json, GError **error)
{
    if (json_take(json, '}'))
        return true;
    do
        if (!json_member(json, error))
            return false;
    while (json_take(json, ','));
    return json_take(json, '}') || json_fail(json, "',' or '}'", error);
}

static bool
json_array(Json *json, GError **error)
{
    unsigned n = 0;

    if (json_take(json, ']'))
        return true;
    do {
        size_t len = json_enter(json);

        g_string_append_printf(json->key, "%u", n++);
        if (!json_value(json, error))
            return false;
        g_string_truncate(json->key, len);
    } while (json_take(json, ','));
    return json_take(json, ']') || json_fail(json, "',' or ']'", error);
}

static bool
json_nested(Json *json, GError **error)
{
    bool ok;

    if (json->depth == MAX_JSON_DEPTH)
        return vd_throw(error, VD_ERROR_LIMIT,
                        "objects and arrays in a JSON name are nested more "
                        "than %d deep",
                        MAX_JSON_DEPTH);
    json->depth++;
    ok =
        *json->at++ == '{' ? json_object(json, error) : json_array(json, error);
    json->depth--;
    return ok;
}

static bool
json_value(Json *json, GError **error)
{
    if (++json->values > MAX_JSON_VALUES)
        return vd_throw(error, VD_ERROR_LIMIT,
                        "more than %d values in a JSON "
                        "name",
                        MAX_JSON_VALUES);
    json_skip_space(json);
    if (*json->at == '{' || *json->at == '[')
        return json_nested(json, error);
    if (*json->at == '"' || *json->at == '\'')
        return json_string_value(json, error);
    if (*json->at == '-' || g_ascii_isdigit(*json->at))
        return json_number(json, error);
    return json_word(json, error);
}

/* -- the whole ------------------------------------------------------------ */

static bool
check_bounds(const char *text, GError **error)
{
    size_t len = strnlen(text, MAX_JSON_BYTES + 1);

    if (len > MAX_JSON_BYTES)
        return vd_throw(error, VD_ERROR_LIMIT,
                        "JSON name is longer than %u bytes", MAX_JSON_BYTES);
    if (!g_utf8_validate(text, -1, NULL))
        return vd_throw(error, VD_ERROR_INVALID_ARGUMENT,
                        "Could not parse the JSON options: not UTF-8");
    return true;
}

/* What is no JSON at all is told apart from JSON that is no object. */
static bool
json_root(Json *json, GError **error)
{
    bool is_object;

    json_skip_space(json);
    is_object = *json->at == '{';
    if (!json_value(json, error))
        return false;
    json_skip_space(json);
    if (*json->at)
        return json_fail(json, "end of the text", error);
    return is_object || vd_throw(error, VD_ERROR_INVALID_ARGUMENT,
                                 "Invalid JSON object given");
}

bool
vd_options_parse_json(VdOptions *opts, const char *text, GError **error)
{
    Json json = {.start = text, .at = text, .opts = opts};
    bool ok;

    if (!check_bounds(text, error))
        return false;
    json.key = g_string_new(NULL);
    ok = json_root(&json, error);
    g_string_free(json.key, TRUE);
    return ok;
}
