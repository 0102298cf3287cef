/* SPDX-License-Identifier: BSD-3-Clause */
/* formats/vmdk/descriptor/descriptor.c - the descriptor as a list of lines.
 *
 * Every line keeps its own text; reading interprets, changing rewrites only the
 * line concerned.  Which section a line stands in has no meaning: titles are
 * comments.  For header keys the first occurrence counts, for ddb keys the
 * last.
 *
 * Concurrency: plain data of one owner.
 */
#include "formats/vmdk/descriptor/descriptor.h"

#include <string.h>

typedef enum {
    LINE_OTHER, /* blank, comment, or nothing that we know */
    LINE_KEY,
    LINE_DDB,
    LINE_EXTENT,
} LineKind;

typedef struct {
    LineKind kind;
    char *text;        /* without newline */
    char *key, *value; /* LINE_KEY, LINE_DDB */
    VmdkExtentLine extent;
} DescLine;

struct VmdkDescriptor {
    GPtrArray *lines;   /* of DescLine, owned */
    GPtrArray *extents; /* of DescLine with LINE_EXTENT, borrowed */
};

#define LIGHT_BYTES 4096
#define TITLE_EXTENTS "# Extent description"

static void
line_free(void *opaque)
{
    DescLine *line = opaque;

    g_free(line->text);
    g_free(line->key);
    g_free(line->value);
    vmdk_extent_line_clear(&line->extent);
    g_free(line);
}

static VmdkDescriptor *
descriptor_new_empty(void)
{
    VmdkDescriptor *desc = g_new0(VmdkDescriptor, 1);

    desc->lines = g_ptr_array_new_with_free_func(line_free);
    desc->extents = g_ptr_array_new();
    return desc;
}

void
vmdk_descriptor_free(VmdkDescriptor *desc)
{
    if (!desc)
        return;
    g_ptr_array_unref(desc->extents);
    g_ptr_array_unref(desc->lines);
    g_free(desc);
}

/* -- lines ------------------------------------------------------------------
 */

static bool
is_ddb(const char *key)
{
    return !g_ascii_strncasecmp(key, "ddb.", 4);
}

/* The value behind '=': up to the closing quote, or without blanks around. */
static char *
parse_value(const char *p)
{
    p += strspn(p, " \t");
    if (*p == '"') {
        const char *end = strchr(p + 1, '"');
        return end ? g_strndup(p + 1, (gsize) (end - p - 1)) : g_strdup(p + 1);
    }
    return g_strchomp(g_strdup(p));
}

static void
line_parse_key(DescLine *line, const char *text)
{
    const char *equals = strchr(text, '=');

    if (!equals || equals == text)
        return;
    line->key = g_strchomp(g_strndup(text, (gsize) (equals - text)));
    line->value = parse_value(equals + 1);
    line->kind = is_ddb(line->key) ? LINE_DDB : LINE_KEY;
}

/* @text without newline, taken over. */
static DescLine *
line_parse(char *text, GError **error)
{
    DescLine *line = g_new0(DescLine, 1);
    const char *p = text + strspn(text, " \t");

    line->text = text;
    if (vmdk_extent_line_recognise(p)) {
        line->kind = LINE_EXTENT;
        if (!vmdk_extent_line_parse(p, &line->extent, error)) {
            line_free(line);
            return NULL;
        }
    } else if (*p != '#') {
        line_parse_key(line, p);
    }
    return line;
}

static void
add_line(VmdkDescriptor *desc, DescLine *line)
{
    g_ptr_array_add(desc->lines, line);
    if (line->kind == LINE_EXTENT)
        g_ptr_array_add(desc->extents, line);
}

static void
add_comment(VmdkDescriptor *desc, const char *text)
{
    DescLine *line = g_new0(DescLine, 1);

    line->text = g_strdup(text);
    add_line(desc, line);
}

VmdkDescriptor *
vmdk_descriptor_new(void)
{
    VmdkDescriptor *desc = descriptor_new_empty();

    /* Other readers want these titles to the letter, the blank after "Base"
     * included, and no blank line in front of an extent line. */
    add_comment(desc, "# Disk DescriptorFile");
    add_line(desc, line_parse(g_strdup("version=1"), NULL));
    add_line(desc, line_parse(g_strdup("encoding=\"UTF-8\""), NULL));
    add_comment(desc, "");
    add_comment(desc, TITLE_EXTENTS);
    add_comment(desc, "");
    add_comment(desc, "# The Disk Data Base ");
    add_comment(desc, "#DDB");
    add_comment(desc, "");
    return desc;
}

static DescLine *
line_copy(const DescLine *line)
{
    DescLine *copy = g_new(DescLine, 1);

    *copy = *line;
    copy->text = g_strdup(line->text);
    copy->key = g_strdup(line->key);
    copy->value = g_strdup(line->value);
    copy->extent.file = g_strdup(line->extent.file);
    copy->extent.tail = g_strdup(line->extent.tail);
    return copy;
}

VmdkDescriptor *
vmdk_descriptor_copy(const VmdkDescriptor *desc)
{
    VmdkDescriptor *copy = descriptor_new_empty();

    for (unsigned i = 0; i < desc->lines->len; i++)
        add_line(copy, line_copy(g_ptr_array_index(desc->lines, i)));
    return copy;
}

/* -- parsing ----------------------------------------------------------------
 */

/* The line at @p, without its end; *next behind the newline. */
static char *
next_line(const char *p, const char **next)
{
    size_t len = strcspn(p, "\n");

    *next = p[len] ? p + len + 1 : p + len;
    if (len && p[len - 1] == '\r')
        len--;
    return g_strndup(p, len);
}

static bool
parse_lines(VmdkDescriptor *desc, const char *text, GError **error)
{
    while (*text) {
        DescLine *line = line_parse(next_line(text, &text), error);

        if (!line)
            return false;
        add_line(desc, line);
        if (desc->extents->len > VMDK_MAX_EXTENTS)
            return vd_throw(error, VD_ERROR_LIMIT, "more than %d extent lines",
                            VMDK_MAX_EXTENTS);
    }
    return true;
}

/* The value of "encoding" (or the older "ddb.encoding") in text of unknown
 * encoding: all of them keep ASCII.  Only where line_parse() sees the key, too:
 * it is to be changed along with the text. */
static char *
find_encoding(const char *text)
{
    const char *next;

    for (; *text; text = next) {
        g_autofree char *line = next_line(text, &next);
        const char *p = line + strspn(line, " \t");

        if (!g_ascii_strncasecmp(p, "ddb.", 4))
            p += 4;
        if (g_ascii_strncasecmp(p, "encoding", 8))
            continue;
        p += 8 + strspn(p + 8, " \t");
        if (*p == '=')
            return parse_value(p + 1);
    }
    return NULL;
}

static void
normalise_encoding(VmdkDescriptor *desc, const char *found)
{
    const char *key = "encoding";

    if (!found || !g_ascii_strcasecmp(found, "UTF-8"))
        return;
    /* What is written back will be UTF-8. */
    if (vmdk_descriptor_get(desc, key))
        (void) vmdk_descriptor_set(desc, key, "UTF-8", NULL);
    if (vmdk_descriptor_get(desc, "ddb.encoding"))
        (void) vmdk_descriptor_set(desc, "ddb.encoding", "UTF-8", NULL);
}

static bool
looks_like_descriptor(const VmdkDescriptor *desc)
{
    return vmdk_descriptor_get(desc, "version") ||
           vmdk_descriptor_get(desc, "createType") || desc->extents->len;
}

bool
vmdk_descriptor_is_light(const char *text, size_t len)
{
    g_autofree char *raw = NULL, *encoding = NULL;

    len = strnlen(text, len);
    if (len > LIGHT_BYTES)
        return false;
    raw = g_strndup(text, len);
    encoding = find_encoding(raw);
    return vmdk_charset_is_plain(raw, len, encoding);
}

VmdkDescriptor *
vmdk_descriptor_parse(const char *text, size_t len, const char *name,
                      GError **error)
{
    g_autoptr(VmdkDescriptor) desc = descriptor_new_empty();
    g_autofree char *raw = NULL, *encoding = NULL, *utf8 = NULL;

    if (len > VMDK_DESC_MAX)
        return vd_throw_null(error, VD_ERROR_LIMIT,
                             "%s: descriptor of %zu bytes, at most %u are read",
                             name, len, VMDK_DESC_MAX);
    if (len >= 3 && !memcmp(text, "\xef\xbb\xbf", 3)) {
        text += 3;
        len -= 3;
    }
    raw = g_strndup(text, len); /* ends at the first NUL */
    encoding = find_encoding(raw);
    utf8 = vmdk_charset_to_utf8(raw, strlen(raw), encoding);
    if (!parse_lines(desc, utf8, error))
        return vd_prefix_null(error, "%s: ", name);
    if (!looks_like_descriptor(desc))
        return vd_throw_null(error, VD_ERROR_CORRUPT,
                             "%s: no VMDK descriptor: neither \"version\" nor "
                             "an extent line in it",
                             name);
    normalise_encoding(desc, encoding);
    return g_steal_pointer(&desc);
}

static bool
is_title(const char *line)
{
    static const char *const words[] = {"disk", "descriptor", "file"};

    if (*line++ != '#')
        return false;
    for (unsigned i = 0; i < G_N_ELEMENTS(words); i++) {
        line += strspn(line, " \t");
        if (g_ascii_strncasecmp(line, words[i], strlen(words[i])))
            return false;
        line += strlen(words[i]);
    }
    return true;
}

int
vmdk_descriptor_probe(const char *head, size_t len)
{
    g_autofree char *text = NULL;
    const char *p, *next;

    if (len >= 3 && !memcmp(head, "\xef\xbb\xbf", 3)) {
        head += 3;
        len -= 3;
    }
    text = g_strndup(head, len);
    for (p = text; *p; p = next) {
        g_autofree char *line = g_strstrip(next_line(p, &next));

        if (is_title(line))
            return 100;
        if (!*line || *line == '#')
            continue;
        if (g_ascii_strncasecmp(line, "version", 7))
            return 0;
        p = line + 7 + strspn(line + 7, " \t");
        if (*p++ != '=')
            return 0;
        p += strspn(p, " \t\"");
        return *p >= '1' && *p <= '3' && !g_ascii_isdigit(p[1]) ? 100 : 0;
    }
    return 0;
}

char *
vmdk_descriptor_text(const VmdkDescriptor *desc, size_t *len)
{
    GString *text = g_string_new(NULL);

    for (unsigned i = 0; i < desc->lines->len; i++) {
        const DescLine *line = g_ptr_array_index(desc->lines, i);

        g_string_append(text, line->text);
        g_string_append_c(text, '\n');
    }
    *len = text->len;
    return g_string_free(text, FALSE);
}

/* -- keys -------------------------------------------------------------------
 */

/* The line that determines @key. */
static DescLine *
find_key(const VmdkDescriptor *desc, const char *key)
{
    LineKind kind = is_ddb(key) ? LINE_DDB : LINE_KEY;
    DescLine *found = NULL;

    for (unsigned i = 0; i < desc->lines->len; i++) {
        DescLine *line = g_ptr_array_index(desc->lines, i);

        if (line->kind != kind || g_ascii_strcasecmp(line->key, key))
            continue;
        found = line;
        if (kind == LINE_KEY)
            break;
    }
    return found;
}

const char *
vmdk_descriptor_get(const VmdkDescriptor *desc, const char *key)
{
    const DescLine *line = find_key(desc, key);

    return line ? line->value : NULL;
}

uint64_t
vmdk_descriptor_get_uint(const VmdkDescriptor *desc, const char *key,
                         uint64_t missing)
{
    const char *text = vmdk_descriptor_get(desc, key);
    uint64_t value;

    if (!text ||
        !g_ascii_string_to_unsigned(text, 10, 0, UINT64_MAX, &value, NULL))
        return missing;
    return value;
}

bool
vmdk_descriptor_can_hold(const char *text)
{
    return !strpbrk(text, "\"\r\n");
}

static bool
is_bare(const char *key)
{
    return !g_ascii_strcasecmp(key, "version") ||
           !g_ascii_strcasecmp(key, "CID") ||
           !g_ascii_strcasecmp(key, "parentCID");
}

static char *
format_key(const char *key, const char *value)
{
    if (is_ddb(key))
        return g_strdup_printf("%s = \"%s\"", key, value);
    if (is_bare(key))
        return g_strdup_printf("%s=%s", key, value);
    return g_strdup_printf("%s=\"%s\"", key, value);
}

/* Where a line of @kind goes: behind the last of its kind; the first header
 * key behind the title, the first extent behind its own. */
static unsigned
place_for(const VmdkDescriptor *desc, LineKind kind)
{
    unsigned place = kind == LINE_DDB ? desc->lines->len : 0;

    for (unsigned i = 0; i < desc->lines->len; i++) {
        const DescLine *line = g_ptr_array_index(desc->lines, i);

        if (line->kind == kind)
            place = i + 1;
        else if (kind == LINE_EXTENT && !desc->extents->len &&
                 !strcmp(line->text, TITLE_EXTENTS))
            place = i + 1;
        else if (kind == LINE_KEY && i == 0 && *line->text == '#')
            place = 1;
    }
    return place;
}

bool
vmdk_descriptor_set(VmdkDescriptor *desc, const char *key, const char *value,
                    GError **error)
{
    DescLine *line = find_key(desc, key);

    if (!vmdk_descriptor_can_hold(value))
        return vd_throw(error, VD_ERROR_INVALID_ARGUMENT,
                        "a VMDK descriptor cannot hold \"%s\" with a quote or "
                        "line break in it",
                        key);
    if (!line) {
        line = g_new0(DescLine, 1);
        line->kind = is_ddb(key) ? LINE_DDB : LINE_KEY;
        line->key = g_strdup(key);
        g_ptr_array_insert(desc->lines, (int) place_for(desc, line->kind),
                           line);
    }
    g_free(line->value);
    g_free(line->text);
    line->value = g_strdup(value);
    line->text = format_key(line->key, value);
    return true;
}

char **
vmdk_descriptor_list_keys(const VmdkDescriptor *desc)
{
    GPtrArray *keys = g_ptr_array_new();

    for (unsigned i = 0; i < desc->lines->len; i++) {
        const DescLine *line = g_ptr_array_index(desc->lines, i);

        if (line->key && find_key(desc, line->key) == line)
            g_ptr_array_add(keys, g_strdup(line->key));
    }
    g_ptr_array_add(keys, NULL);
    return (char **) g_ptr_array_free(keys, FALSE);
}

bool
vmdk_descriptor_set_uint(VmdkDescriptor *desc, const char *key, uint64_t value,
                         GError **error)
{
    g_autofree char *text = g_strdup_printf("%" G_GUINT64_FORMAT, value);

    return vmdk_descriptor_set(desc, key, text, error);
}

void
vmdk_descriptor_remove(VmdkDescriptor *desc, const char *key)
{
    DescLine *line;

    while ((line = find_key(desc, key)))
        g_ptr_array_remove(desc->lines, line);
}

uint32_t
vmdk_descriptor_cid(const VmdkDescriptor *desc, const char *key)
{
    const char *text = vmdk_descriptor_get(desc, key);
    uint64_t cid;

    /* QEMU writes it without leading zeroes. */
    if (!text ||
        !g_ascii_string_to_unsigned(text, 16, 0, UINT32_MAX, &cid, NULL))
        return VMDK_CID_NONE;
    return (uint32_t) cid;
}

void
vmdk_descriptor_set_cid(VmdkDescriptor *desc, const char *key, uint32_t cid)
{
    char text[9];

    g_snprintf(text, sizeof(text), "%08x", cid);
    (void) vmdk_descriptor_set(desc, key, text, NULL); /* digits always fit */
}

/* -- extents ----------------------------------------------------------------
 */

unsigned
vmdk_descriptor_n_extents(const VmdkDescriptor *desc)
{
    return desc->extents->len;
}

const VmdkExtentLine *
vmdk_descriptor_extent(const VmdkDescriptor *desc, unsigned i)
{
    const DescLine *line = g_ptr_array_index(desc->extents, i);

    return &line->extent;
}

static bool
check_extent_file(const VmdkExtentLine *extent, GError **error)
{
    return !extent->file || vmdk_descriptor_can_hold(extent->file) ||
           vd_throw(error, VD_ERROR_INVALID_ARGUMENT,
                    "%s: a VMDK descriptor cannot hold a file name with a "
                    "quote or line break in it",
                    extent->file);
}

/* @tail: what follows the offset, copied; NULL = nothing. */
static void
line_set_extent(DescLine *line, const VmdkExtentLine *extent, const char *tail)
{
    g_autofree char *text = vmdk_extent_line_format(extent);
    char *file = g_strdup(extent->file), *ids = g_strdup(tail);

    vmdk_extent_line_clear(&line->extent);
    g_free(line->text);
    line->extent = *extent;
    line->extent.file = file;
    line->extent.tail = ids;
    line->text =
        ids ? g_strconcat(text, " ", ids, NULL) : g_steal_pointer(&text);
}

bool
vmdk_descriptor_set_extent(VmdkDescriptor *desc, unsigned i,
                           const VmdkExtentLine *extent, GError **error)
{
    DescLine *line = g_ptr_array_index(desc->extents, i);
    g_autofree char *tail = g_strdup(line->extent.tail);

    if (!check_extent_file(extent, error))
        return false;
    line_set_extent(line, extent, tail);
    return true;
}

void
vmdk_descriptor_remove_extent(VmdkDescriptor *desc, unsigned i)
{
    gpointer line = g_ptr_array_index(desc->extents, i);

    g_ptr_array_remove_index(desc->extents, i);
    g_ptr_array_remove(desc->lines, line);
}

bool
vmdk_descriptor_add_extent(VmdkDescriptor *desc, const VmdkExtentLine *extent,
                           GError **error)
{
    DescLine *line;

    if (!check_extent_file(extent, error))
        return false;
    line = g_new0(DescLine, 1);
    line->kind = LINE_EXTENT;
    line_set_extent(line, extent, extent->tail);
    g_ptr_array_insert(desc->lines, (int) place_for(desc, LINE_EXTENT), line);
    g_ptr_array_add(desc->extents, line);
    return true;
}
