/* SPDX-License-Identifier: BSD-3-Clause */
/* formats/vmdk/descriptor/extent-line.c - extent lines of a descriptor.
 *
 * ACCESS SECTORS TYPE ["FILE" [OFFSET ["PARTITION-UUID" "DEVICE-ID"]]]
 *
 * No escape for quotes is defined.  A file name therefore ends at the first
 * quote behind which the rest of the line makes sense.
 *
 * Concurrency: pure functions.
 */
#include "formats/vmdk/descriptor/descriptor.h"

#include <string.h>

static const char *const access_names[] = {"RW", "RDONLY", "NOACCESS"};

static const struct {
    const char *name;
    VmdkExtentType type;
} type_names[] = {
    /* The first of each type is the one that is written. */
    {"FLAT", VMDK_TYPE_FLAT},
    {"SPARSE", VMDK_TYPE_SPARSE},
    {"ZERO", VMDK_TYPE_ZERO},
    {"VMFS", VMDK_TYPE_VMFS},
    {"VMFSSPARSE", VMDK_TYPE_VMFSSPARSE},
    {"VMFSRDM", VMDK_TYPE_VMFSRDM},
    {"VMFSRAW", VMDK_TYPE_VMFSRAW},
    {"SESPARSE", VMDK_TYPE_SESPARSE},
    {"VMFSSESPARSE", VMDK_TYPE_SESPARSE},
    {"VSANSPARSE", VMDK_TYPE_VSANSPARSE},
};

const char *
vmdk_access_name(VmdkAccess access)
{
    return access_names[access];
}

const char *
vmdk_extent_type_name(VmdkExtentType type)
{
    for (unsigned i = 0; i < G_N_ELEMENTS(type_names); i++)
        if (type_names[i].type == type)
            return type_names[i].name;
    g_assert_not_reached();
}

static bool
is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r';
}

static const char *
skip_blanks(const char *p)
{
    while (is_blank(*p))
        p++;
    return p;
}

/* The word at @p, up to a blank or the end; moves *p behind it. */
static size_t
take_word(const char **p, const char **word)
{
    *word = skip_blanks(*p);
    *p = *word + strcspn(*word, " \t\r");
    return (size_t) (*p - *word);
}

static bool
word_is(const char *word, size_t len, const char *wanted)
{
    return strlen(wanted) == len && !g_ascii_strncasecmp(word, wanted, len);
}

static bool
parse_access(const char *word, size_t len, VmdkAccess *access)
{
    for (unsigned i = 0; i < G_N_ELEMENTS(access_names); i++) {
        if (word_is(word, len, access_names[i])) {
            *access = (VmdkAccess) i;
            return true;
        }
    }
    return false;
}

static bool
parse_type(const char *word, size_t len, VmdkExtentType *type)
{
    for (unsigned i = 0; i < G_N_ELEMENTS(type_names); i++) {
        if (word_is(word, len, type_names[i].name)) {
            *type = type_names[i].type;
            return true;
        }
    }
    return false;
}

static bool
parse_number(const char *word, size_t len, uint64_t *value)
{
    char digits[24];

    if (!len || len >= sizeof(digits) || !g_ascii_isdigit(word[0]))
        return false;
    memcpy(digits, word, len);
    digits[len] = '\0';
    return g_ascii_string_to_unsigned(digits, 10, 0, UINT64_MAX, value, NULL);
}

/* A quoted string without quotes in it at *p; moves *p behind it. */
static bool
take_quoted(const char **p)
{
    const char *start = skip_blanks(*p);
    const char *end = *start == '"' ? strchr(start + 1, '"') : NULL;

    if (!end)
        return false;
    *p = end + 1;
    return true;
}

/* What may follow a file name: nothing, or OFFSET, or OFFSET and the two
 * quoted values that Windows hosts write for physical disks. */
static bool
parse_rest(const char *p, uint64_t *offset, const char **tail)
{
    const char *word;
    size_t len = take_word(&p, &word);

    *offset = 0;
    *tail = p;
    if (!len)
        return true;
    if (!parse_number(word, len, offset))
        return false;
    *tail = skip_blanks(p);
    if (*skip_blanks(p) && !take_quoted(&p))
        return false;
    if (*skip_blanks(p) && !take_quoted(&p))
        return false;
    return *skip_blanks(p) == '\0';
}

/* @p is at the opening quote. */
static bool
parse_file(const char *p, VmdkExtentLine *line)
{
    for (const char *end = strchr(p + 1, '"'); end;
         end = strchr(end + 1, '"')) {
        const char *tail;

        if (!parse_rest(end + 1, &line->offset_sectors, &tail))
            continue;
        if (*tail)
            line->tail = g_strchomp(g_strdup(tail));
        if (end > p + 1)
            line->file = g_strndup(p + 1, (gsize) (end - p - 1));
        return true;
    }
    return false;
}

bool
vmdk_extent_line_recognise(const char *text)
{
    const char *word;
    VmdkAccess access;
    size_t len = take_word(&text, &word);

    return is_blank(*text) && parse_access(word, len, &access);
}

static bool
parse_line(const char *p, VmdkExtentLine *line)
{
    const char *word;
    size_t len = take_word(&p, &word);

    if (!parse_access(word, len, &line->access))
        return false;
    len = take_word(&p, &word);
    if (!parse_number(word, len, &line->sectors) || !line->sectors)
        return false;
    len = take_word(&p, &word);
    if (!parse_type(word, len, &line->type))
        return false;
    p = skip_blanks(p);
    if (*p == '"' && !parse_file(p, line))
        return false;
    if (line->type == VMDK_TYPE_ZERO)
        return true; /* whatever follows has no meaning */
    return line->file || (*p == '\0' && line->access == VMDK_ACCESS_NOACCESS);
}

bool
vmdk_extent_line_parse(const char *text, VmdkExtentLine *line, GError **error)
{
    VmdkExtentLine parsed = {0};

    if (!parse_line(text, &parsed)) {
        vmdk_extent_line_clear(&parsed);
        return vd_throw(error, VD_ERROR_CORRUPT, "Invalid extent line: %.200s",
                        text);
    }
    *line = parsed;
    return true;
}

void
vmdk_extent_line_clear(VmdkExtentLine *line)
{
    g_clear_pointer(&line->file, g_free);
    g_clear_pointer(&line->tail, g_free);
}

char *
vmdk_extent_line_format(const VmdkExtentLine *line)
{
    g_autoptr(GString) text = g_string_new(NULL);

    g_string_printf(text, "%s %" G_GUINT64_FORMAT " %s",
                    vmdk_access_name(line->access), line->sectors,
                    vmdk_extent_type_name(line->type));
    if (line->file)
        g_string_append_printf(text, " \"%s\"", line->file);
    if (line->type == VMDK_TYPE_FLAT || line->offset_sectors)
        g_string_append_printf(text, " %" G_GUINT64_FORMAT,
                               line->offset_sectors);
    return g_string_free(g_steal_pointer(&text), FALSE);
}
