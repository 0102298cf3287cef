/* SPDX-License-Identifier: BSD-3-Clause */
/* tests/support/vix-library.h - a libvixDiskLib.so that is loaded as programs
 * with dlopen() load it. */
#pragma once

#include "tools/vixsample/library.h"

extern Library vix_library;

/* vix(Open)(connection, ...) */
#define vix(name) (vix_library.VixDiskLib_##name)
#define vix_ext(name) (vix_library.VixDiskLibExt_##name)

/* Loads @file, with all functions that it has; ends the program with a message
 * if it cannot be loaded.  Stays loaded. */
void vix_library_load(const char *file);
