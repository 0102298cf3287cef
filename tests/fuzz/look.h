/* SPDX-License-Identifier: BSD-3-Clause */
/* tests/fuzz/look.h - an image in a directory of its own, looked at from all
 * sides: opened, described, mapped, read in places, checked. */
#pragma once

#include "include/vdisk.h"

/* Path of @name in the directory, which goes when the program ends; free with
 * g_free. */
char *fuzz_look_path(const char *name);
void fuzz_look_write(const char *name, const void *data, size_t size);

/* One worker, the engine without a ring. */
VdContext *fuzz_look_context(void);
/* Open what is called @path as @format; a failure must be an error.  Could it?
 */
bool fuzz_look_in(VdContext *ctx, const char *path, const char *format);

/* Open @name there as @format; a failure must be an error.  Could it? */
bool fuzz_look_at(const char *name, const char *format);
/* The same for writing, and write a sector to each end; if that succeeds the
 * image can be opened afterwards. */
void fuzz_look_change(const char *name, const char *format);
/* If it can be opened for writing: mend it and make it longer, which may fail;
 * if neither does, it can be opened afterwards. */
void fuzz_look_mend(const char *name, const char *format);
