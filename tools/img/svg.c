/* SPDX-License-Identifier: BSD-3-Clause */
/* tools/img/svg.c - elements of SVG as text, with numbers in the C locale.
 *
 * Concurrency: no state.
 */
#include "tools/img/svg.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tools/output.h"

void
svg_append_text(GString *out, const char *text)
{
    g_autofree char *valid = g_utf8_make_valid(text, -1);

    for (const char *p = valid; *p; p++) {
        switch (*p) {
        case '&':
            g_string_append(out, "&amp;");
            break;
        case '<':
            g_string_append(out, "&lt;");
            break;
        case '>':
            g_string_append(out, "&gt;");
            break;
        case '"':
            g_string_append(out, "&quot;");
            break;
        default: /* XML has no place for control characters */
            g_string_append_c(out, g_ascii_iscntrl(*p) ? ' ' : *p);
        }
    }
}

/* With at most two digits behind the point. */
static void
append_number(GString *out, double value)
{
    char text[G_ASCII_DTOSTR_BUF_SIZE];
    size_t len;

    g_ascii_formatd(text, sizeof(text), "%.2f", value);
    len = strlen(text);
    while (text[len - 1] == '0')
        len--;
    if (text[len - 1] == '.')
        len--;
    g_string_append_len(out, text, (gssize) len);
}

static void
attribute(GString *out, const char *name, double value)
{
    g_string_append_printf(out, " %s=\"", name);
    append_number(out, value);
    g_string_append_c(out, '"');
}

void
svg_begin(GString *out, double width, double height, const char *title,
          const char *css)
{
    g_string_append(out, "<svg xmlns=\"http://www.w3.org/2000/svg\" "
                         "role=\"img\"");
    attribute(out, "width", width);
    attribute(out, "height", height);
    g_string_append(out, " viewBox=\"0 0 ");
    append_number(out, width);
    g_string_append_c(out, ' ');
    append_number(out, height);
    g_string_append(out, "\">\n<title>");
    svg_append_text(out, title);
    g_string_append(out, "</title>\n");
    if (css)
        g_string_append_printf(out, "<style>\n%s</style>\n", css);
}

void
svg_end(GString *out)
{
    g_string_append(out, "</svg>\n");
}

static void
element_begin(GString *out, const char *name, const char *css_class)
{
    g_string_append_printf(out, "<%s class=\"%s\"", name, css_class);
}

static void
element_end(GString *out, const char *name, const char *title)
{
    if (!title) {
        g_string_append(out, "/>\n");
        return;
    }
    g_string_append(out, "><title>");
    svg_append_text(out, title);
    g_string_append_printf(out, "</title></%s>\n", name);
}

typedef struct Attribute {
    const char *name;
    double value;
} Attribute;

/* An element that is all numbers. */
static void
shape(GString *out, const char *name, const char *css_class,
      const Attribute *attributes, size_t n, const char *title)
{
    element_begin(out, name, css_class);
    for (size_t i = 0; i < n; i++)
        attribute(out, attributes[i].name, attributes[i].value);
    element_end(out, name, title);
}

void
svg_rect(GString *out, const char *css_class, double x, double y, double width,
         double height, const char *title)
{
    const Attribute of[] = {
        {"x", x}, {"y", y}, {"width", width}, {"height", height}};

    shape(out, "rect", css_class, of, G_N_ELEMENTS(of), title);
}

void
svg_circle(GString *out, const char *css_class, double x, double y,
           double radius, const char *title)
{
    const Attribute of[] = {{"cx", x}, {"cy", y}, {"r", radius}};

    shape(out, "circle", css_class, of, G_N_ELEMENTS(of), title);
}

void
svg_line(GString *out, const char *css_class, double x1, double y1, double x2,
         double y2)
{
    const Attribute of[] = {{"x1", x1}, {"y1", y1}, {"x2", x2}, {"y2", y2}};

    shape(out, "line", css_class, of, G_N_ELEMENTS(of), NULL);
}

void
svg_text(GString *out, const char *css_class, double x, double y,
         const char *text)
{
    element_begin(out, "text", css_class);
    attribute(out, "x", x);
    attribute(out, "y", y);
    g_string_append_c(out, '>');
    svg_append_text(out, text);
    g_string_append(out, "</text>\n");
}

void
svg_path_begin(GString *out, const char *css_class)
{
    element_begin(out, "path", css_class);
    g_string_append(out, " d=\"");
}

void
svg_path_point(GString *out, bool first, double x, double y)
{
    g_string_append_c(out, first ? 'M' : 'L');
    append_number(out, x);
    g_string_append_c(out, ' ');
    append_number(out, y);
}

void
svg_path_rect(GString *out, double x, double y, double width, double height)
{
    svg_path_point(out, true, x, y);
    g_string_append_c(out, 'h');
    append_number(out, width);
    g_string_append_c(out, 'v');
    append_number(out, height);
    g_string_append_c(out, 'h');
    append_number(out, -width);
    g_string_append_c(out, 'z');
}

void
svg_path_end(GString *out)
{
    g_string_append(out, "\"/>\n");
}

/* -- files ---------------------------------------------------------------- */

static bool
refuse(const char *path, const char *why)
{
    out_failure(path, NULL, "Could not write '%s': %s", path, why);
    return false;
}

/* Markup, or nothing at all. */
static bool
file_is_document(const char *path)
{
    char first = '<';
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);

    if (fd < 0)
        return false;
    ssize_t n = read(fd, &first, 1);
    close(fd);
    return n >= 0 && first == '<';
}

bool
svg_file_check(const char *path)
{
    g_autofree char *folder = g_path_get_dirname(path);
    struct stat st;

    if (stat(path, &st) == 0) {
        if (!S_ISREG(st.st_mode))
            return refuse(path, "it is not a plain file");
        if (!file_is_document(path))
            return refuse(path, "it exists and does not hold a document");
    }
    if (access(folder, W_OK) != 0)
        return refuse(path, strerror(errno));
    return true;
}

/* A link stays one: what it leads to is replaced. */
static char *
file_target(const char *path)
{
    char *real = realpath(path, NULL);
    char *target = g_strdup(real ? real : path);

    free(real);
    return target;
}

bool
svg_file_write(const char *path, const GString *document)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *target = file_target(path);

    if (!svg_file_check(path))
        return false;
    if (g_file_set_contents_full(target, document->str, (gssize) document->len,
                                 G_FILE_SET_CONTENTS_CONSISTENT |
                                     G_FILE_SET_CONTENTS_DURABLE,
                                 0666, &error))
        return true;
    return refuse(path, error->message);
}
