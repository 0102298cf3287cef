/* SPDX-License-Identifier: BSD-3-Clause */
/* tests/fuzz/fuzz.h - a fuzz target: one function that takes any bytes.
 *
 * Built twice: with libFuzzer (-Dfuzzers=true, clang) to search, and with
 * replay.c to run its corpus as an ordinary test.
 */
#pragma once

#include <glib.h>
#include <stddef.h>
#include <stdint.h>

/* The name is libFuzzer's. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
