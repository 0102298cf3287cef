/* SPDX-License-Identifier: BSD-3-Clause */
/* tools/formats.c - creation options of formats, for checks and help texts.
 *
 * Concurrency: no state.
 */
#include "tools/formats.h"

#include <stdio.h>
#include <string.h>

#include "tools/output.h"

#define OPTION_LABEL_WIDTH 22

char *
format_create_problem(const char *format)
{
    if (!vd_format_exists(format))
        return g_strdup_printf("Unknown file format '%s'", format);
    if (!vd_format_create_options(format))
        return g_strdup_printf(
            "Format driver '%s' does not support image creation", format);
    return NULL;
}

bool
format_has_option(const char *format, const char *name)
{
    const VdOptionInfo *o = vd_format_create_options(format);

    for (; o && o->name; o++)
        if (!strcmp(o->name, name))
            return true;
    return false;
}

static bool
option_known(const char *key, void *opaque)
{
    /* Of every format, whether its table says so or not. */
    return !strcmp(key, "size") || format_has_option(opaque, key);
}

/* The library tells by describing what would be made. */
static char *
values_problem(const char *format, const OptList *list)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *options = optlist_join(list);
    VdCreateParams params = {.filename = "",
                             .format = format,
                             .size = UINT64_MAX,
                             .options = options};
    g_autofree char *description = vd_create_describe(&params, &error);

    return description ? NULL : g_strdup(error->message);
}

char *
format_options_problem(const char *format, const OptList *list)
{
    const char *key = optlist_find_unknown(list, option_known, (void *) format);

    return key ? g_strdup_printf("Invalid parameter '%s'", key)
               : values_problem(format, list);
}

char *
format_parent_problem(const char *format, const char *backing,
                      const char *backing_format)
{
    if (backing && !format_has_option(format, "backing_file"))
        return g_strdup_printf("Backing file not supported for file format "
                               "'%s'",
                               format);
    if (backing_format && !format_has_option(format, "backing_fmt"))
        return g_strdup_printf("Backing file format not supported for file "
                               "format '%s'",
                               format);
    return NULL;
}

void
format_add_defaults(const char *format, OptList *list)
{
    if (!strcmp(out_program(), "qemu-img") &&
        format_has_option(format, "split_size") &&
        !optlist_peek(list, "split_size"))
        optlist_set(list, "split_size", "2G");
}

static int
option_compare(const void *a, const void *b)
{
    const VdOptionInfo *oa = *(const VdOptionInfo *const *) a;
    const VdOptionInfo *ob = *(const VdOptionInfo *const *) b;

    return strcmp(oa->name, ob->name);
}

static void
option_print(const VdOptionInfo *o)
{
    g_autofree char *label = g_strdup_printf("%s=<%s>", o->name, o->type);

    printf("  %-*s - %s", OPTION_LABEL_WIDTH, label, o->help);
    /* qemu-img's own texts name them already. */
    if (o->choices && !strstr(o->help, o->choices[0])) {
        g_autofree char *words = g_strjoinv(", ", (char **) o->choices);
        printf(" (allowed values: %s)", words);
    }
    if (o->default_value && !strstr(o->help, "default"))
        printf(" (default: %s)", o->default_value);
    putchar('\n');
}

void
format_print_option_rows(const VdOptionInfo *options)
{
    for (const VdOptionInfo *o = options; o->name; o++)
        option_print(o);
}

static void
options_print(const char *format, bool with_storage)
{
    static const VdOptionInfo size = {"size", "size", "Virtual disk size", NULL,
                                      NULL};
    g_autoptr(GPtrArray) rows = g_ptr_array_new();
    const VdOptionInfo *o = vd_format_create_options(format);

    for (; o->name; o++)
        if (with_storage || !o->storage)
            g_ptr_array_add(rows, (void *) o);
    if (!format_has_option(format, "size"))
        g_ptr_array_add(rows, (void *) &size);
    g_ptr_array_sort(rows, option_compare);
    for (unsigned i = 0; i < rows->len; i++)
        option_print(rows->pdata[i]);
}

int
format_print_options(const char *format, bool with_file)
{
    g_autofree char *problem = format_create_problem(format);

    if (problem) {
        out_error("%s", problem);
        return 1;
    }
    if (with_file)
        puts("Supported options:");
    else
        printf("Supported %s options:\n", format);
    options_print(format, with_file);
    if (!with_file)
        puts("\nThe protocol level may support further options.\n"
             "Specify the target filename to include those options.");
    return 0;
}
