/* SPDX-License-Identifier: BSD-3-Clause */
/* tests/fuzz/look.h - an image in a directory of its own, looked at from all
 * sides: opened, described, mapped, read in places, checked. */
#pragma once

#include <stddef.h>
#include <stdint.h>

/* Path of @name in the directory, which goes when the program ends; free with
 * g_free. */
char *fuzz_look_path(const char *name);
void fuzz_look_write(const char *name, const void *data, size_t size);

/* Open @name there; a failure must be an error. */
void fuzz_look_at(const char *name);
