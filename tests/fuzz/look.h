/* SPDX-License-Identifier: BSD-3-Clause */
/* tests/fuzz/look.h - an image in a directory of its own, looked at from all
 * sides: opened, described, mapped, read in places, checked. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Path of @name in the directory, which goes when the program ends; free with
 * g_free. */
char *fuzz_look_path(const char *name);
void fuzz_look_write(const char *name, const void *data, size_t size);

/* Open @name there as @format; a failure must be an error.  Could it? */
bool fuzz_look_at(const char *name, const char *format);
/* The same for writing, and write a sector to each end; if that succeeds the
 * image can be opened afterwards. */
void fuzz_look_change(const char *name, const char *format);
/* If it can be opened for writing: mend it and make it longer, which may fail;
 * if neither does, it can be opened afterwards. */
void fuzz_look_mend(const char *name, const char *format);
