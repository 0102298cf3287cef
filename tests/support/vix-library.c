/* SPDX-License-Identifier: BSD-3-Clause */
/* tests/support/vix-library.c - a libvixDiskLib.so that is loaded as programs
 * with dlopen() load it.
 *
 * Concurrency: loaded once, before any thread; constant afterwards.
 */
#include "tests/support/vix-library.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>

Library vix_library;

/* POSIX lets an object pointer be one to a function. */
static void
find(void *handle, const char *name, void **function)
{
    *function = dlsym(handle, name);
}

void
vix_library_load(const char *file)
{
    void *handle = dlopen(file, RTLD_NOW | RTLD_LOCAL);

    if (!handle) {
        fprintf(stderr, "%s\n", dlerror());
        exit(2);
    }
#define X(name) find(handle, #name, (void **) &vix_library.name);
    LIBRARY_FUNCTIONS(X)
#undef X
}
