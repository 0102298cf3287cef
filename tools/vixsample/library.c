/* SPDX-License-Identifier: BSD-3-Clause */
/* tools/vixsample/library.c - finding and loading a libvixDiskLib.so.
 *
 * It stays loaded until the process ends: its threads may outlive its Exit.
 *
 * Concurrency: loaded once, before any thread; constant afterwards.
 */
#include "tools/vixsample/library.h"

#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>

#include "tools/vixsample/report.h"

Library library;

static const char *const names[] = {
    "libvixDiskLib.so.8",
    "libvixDiskLib.so.7",
    "libvixDiskLib.so.6",
};

static const struct {
    const char *name;
    size_t field;
} functions[] = {
#define X(name) {#name, offsetof(Library, name)},
    LIBRARY_FUNCTIONS(X)
#undef X
};

static void *
load(const char *file)
{
    return dlopen(file, RTLD_NOW | RTLD_LOCAL);
}

static void *
load_by_name(void)
{
    g_autoptr(GString) why = g_string_new(NULL);

    for (size_t i = 0; i < G_N_ELEMENTS(names); i++) {
        void *handle = load(names[i]);
        if (handle)
            return handle;
        g_string_append_printf(why, "%s%s", i ? "; " : "", dlerror());
    }
    report_error("no library: %s", why->str);
    return NULL;
}

/* One that is there but cannot be loaded is an error, not a reason to take
 * another. */
static void *
load_below(const char *root)
{
    static const char *const folders[] = {"lib64", "."};

    for (size_t folder = 0; folder < G_N_ELEMENTS(folders); folder++) {
        for (size_t i = 0; i < G_N_ELEMENTS(names); i++) {
            g_autofree char *file =
                g_build_filename(root, folders[folder], names[i], NULL);
            if (!g_file_test(file, G_FILE_TEST_EXISTS))
                continue;
            /* A name without a slash would be looked up elsewhere. */
            g_autofree char *path = g_canonicalize_filename(file, NULL);
            void *handle = load(path);
            if (!handle)
                report_error("%s", dlerror());
            return handle;
        }
    }
    report_error("no libvixDiskLib.so.8, .7 or .6 in %s/lib64 or %s", root,
                 root);
    return NULL;
}

bool
library_load(const char *root)
{
    void *handle = root ? load_below(root) : load_by_name();

    if (!handle)
        return false;
    for (size_t i = 0; i < G_N_ELEMENTS(functions); i++) {
        void *symbol = dlsym(handle, functions[i].name);
        memcpy((char *) &library + functions[i].field, &symbol, sizeof(symbol));
    }
    return true;
}

void
library_need(bool have, const char *name)
{
    if (have)
        return;
    report_error("this library has no %s", name);
    exit(1); /* main() has asked that the session be ended */
}
