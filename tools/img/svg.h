/* SPDX-License-Identifier: BSD-3-Clause */
/* tools/img/svg.h - writing SVG pictures, and files that hold them.
 *
 * Elements are appended to a GString; how they look is said by CSS classes.
 */
#pragma once

#include <glib.h>
#include <stdbool.h>

/* @text as XML text or the value of an attribute, whatever bytes it has. */
void svg_append_text(GString *out, const char *text);

/* @title is what screen readers say; NULL @css = that of the page around. */
void svg_begin(GString *out, double width, double height, const char *title,
               const char *css);
void svg_end(GString *out);

/* @title: shown where the mouse rests; may be NULL. */
void svg_rect(GString *out, const char *css_class, double x, double y,
              double width, double height, const char *title);
void svg_circle(GString *out, const char *css_class, double x, double y,
                double radius, const char *title);
void svg_line(GString *out, const char *css_class, double x1, double y1,
              double x2, double y2);
void svg_text(GString *out, const char *css_class, double x, double y,
              const char *text);

/* A path is begun, gets its pieces, and is ended. */
void svg_path_begin(GString *out, const char *css_class);
void svg_path_rect(GString *out, double x, double y, double width,
                   double height);
/* The first point of a line moves there. */
void svg_path_point(GString *out, bool first, double x, double y);
void svg_path_end(GString *out);

/* Can a document come to stand at @path?  A file that exists and is none, such
 * as an image, is not replaced.  False after a message. */
bool svg_file_check(const char *path);
/* Whole or not at all.  False after a message. */
bool svg_file_write(const char *path, const GString *document);
