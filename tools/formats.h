/* SPDX-License-Identifier: BSD-3-Clause */
/* tools/formats.h - what can be said about creating a format: the texts of
 * "-o help", and which options there are. */
#pragma once

#include "include/vdisk.h"
#include "tools/optlist.h"

/* NULL if @format can be created, else why not. */
char *format_create_problem(const char *format);
/* "size", "backing_file" and the like count as options of every format that
 * lists them. */
bool format_has_option(const char *format, const char *name);
/* What is wrong with the first key of @list that @format does not know, or
 * whose value is not of its type; NULL if all are well. */
char *format_options_problem(const char *format, const OptList *list);

/* NULL if images of @format can have that parent; NULL for one not given. */
char *format_parent_problem(const char *format, const char *backing,
                            const char *backing_format);

/* Defaults that depend on the program's name: as "qemu-img" it splits extents
 * where that does, at 2 GiB; VMware's products do at 2047 MiB. */
void format_add_defaults(const char *format, OptList *list);

/* One line for each of a table's options. */
void format_print_option_rows(const VdOptionInfo *options);
/* The text of "-o help"; @with_file: a file name was given too.  The result is
 * the exit code. */
int format_print_options(const char *format, bool with_file);
