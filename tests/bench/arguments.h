/* SPDX-License-Identifier: BSD-3-Clause */
/* tests/bench/arguments.h - what the command lines of benchmarks share. */
#pragma once

#include <stdint.h>

/* A number, or the end of the program. */
uint64_t bench_number(const char *text);
/* xorshift64: the generator is not what is measured. */
uint64_t bench_random(uint64_t *state);
