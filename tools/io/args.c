/* SPDX-License-Identifier: BSD-3-Clause */
/* tools/io/args.c - options, sizes and patterns among a command's words.
 *
 * Concurrency: main thread only (getopt).
 */
#include "tools/io/args.h"

#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

void
args_begin(void)
{
    optind = 0;
    opterr = 1;
}

int
args_next(const ShellCommand *self, int argc, char **argv, const char *letters)
{
    int code = getopt(argc, argv, letters);

    if (code == '?')
        (void) args_usage(self); /* getopt has said what is wrong */
    return code;
}

bool
args_usage(const ShellCommand *self)
{
    printf("%s %s -- %s\n", self->name, self->args, self->summary);
    return false;
}

bool
args_size(const char *text, uint64_t *size)
{
    g_autoptr(GError) error = NULL;
    const char *digits = *text == '+' ? text + 1 : text;

    if (g_ascii_isdigit(*digits) && vd_parse_size(digits, size, &error))
        return true;
    if (g_error_matches(error, VD_ERROR, VD_ERROR_OUT_OF_RANGE))
        printf("Parsing error: argument too large -- %s\n", text);
    else
        printf("Parsing error: non-numeric argument, or "
               "extraneous/unrecognized suffix -- %s\n",
               text);
    return false;
}

bool
args_pattern(const char *text, uint8_t *byte)
{
    char *end;

    errno = 0;
    long value = strtol(text, &end, 0);
    if (end == text || *end || errno || value < 0 || value > UINT8_MAX) {
        printf("%s is not a valid pattern byte\n", text);
        return false;
    }
    *byte = (uint8_t) value;
    return true;
}

bool
args_vector(char **words, int n, size_t *sizes, uint64_t *sum)
{
    *sum = 0;
    for (int i = 0; i < n; i++) {
        uint64_t size;
        if (!args_size(words[i], &size))
            return false;
        if (size > SHELL_MAX_BYTES) {
            printf("Argument '%s' exceeds maximum size %" PRIu64 "\n", words[i],
                   SHELL_MAX_BYTES);
            return false;
        }
        if (*sum > SHELL_MAX_BYTES - size) {
            printf("The total number of bytes exceed the maximum size "
                   "%" PRIu64 "\n",
                   SHELL_MAX_BYTES);
            return false;
        }
        sizes[i] = (size_t) size;
        *sum += size;
    }
    return true;
}
