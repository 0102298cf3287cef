/* SPDX-License-Identifier: BSD-3-Clause */
/* tests/bench/arguments.c - what the command lines of benchmarks share. */
#include "tests/bench/arguments.h"

#include <glib.h>
#include <stdio.h>
#include <stdlib.h>

uint64_t
bench_number(const char *text)
{
    char *end;
    uint64_t value = g_ascii_strtoull(text, &end, 0);

    if (*end || end == text) {
        fprintf(stderr, "no number: %s\n", text);
        exit(2);
    }
    return value;
}

uint64_t
bench_random(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}
