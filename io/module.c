/* SPDX-License-Identifier: BSD-3-Clause */
/* io/module.c - finding and loading modules.
 *
 * They lie in the folder "vdisk" beside the library; in a build tree where
 * they are made.  Nothing but the place of this very code and that of the
 * installation say where to look: neither the environment nor the working
 * directory can have another file loaded.
 *
 * Concurrency: any thread; each is loaded once, for the life of the process.
 */
#include "io/module.h"

#include <dlfcn.h>

/* The folder of the file that holds this code, or NULL. */
static char *
module_here(void)
{
    static const char here;
    Dl_info info;

    if (dladdr(&here, &info) == 0 || !info.dli_fname)
        return NULL;
    /* A program found in PATH has but its name. */
    if (!g_path_is_absolute(info.dli_fname)) {
        g_autofree char *program = g_file_read_link("/proc/self/exe", NULL);

        return program ? g_path_get_dirname(program) : NULL;
    }
    return g_path_get_dirname(info.dli_fname);
}

static char *
module_at(const char *dir, const char *below, const char *folder,
          const char *file)
{
    char *path = g_build_filename(dir, below, folder, file, NULL);

    if (!g_file_test(path, G_FILE_TEST_EXISTS))
        g_clear_pointer(&path, g_free);
    return path;
}

/* Beside the library or program that this is part of; in a build tree, one or
 * two folders below its top; last, where it was installed: for libraries that
 * went elsewhere. */
static char *
module_find(const VioModule *module, const char *here)
{
    char *path = NULL;

    if (here)
        path = module_at(here, "", "vdisk", module->file);
    if (here && !path)
        path = module_at(here, "..", module->folder, module->file);
    if (here && !path)
        path = module_at(here, "../..", module->folder, module->file);
    return path ? path : module_at(VIO_MODULE_DIR, "", "", module->file);
}

static void
module_load_file(VioModule *module, const char *path)
{
    void *handle = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    const void *table = handle ? dlsym(handle, module->symbol) : NULL;

    if (table && *(const size_t *) table == module->size) {
        module->table = table;
        return;
    }
    module->why = table ? g_strdup_printf("%s: of another version", path)
                        : g_strdup(dlerror());
    if (handle)
        (void) dlclose(handle);
}

static void
module_load(VioModule *module)
{
    g_autofree char *here = module_here();
    g_autofree char *path = module_find(module, here);

    if (path)
        module_load_file(module, path);
    else
        module->why = g_strdup_printf("%s is not installed: no vdisk/%s in %s",
                                      module->what, module->file,
                                      here ? here : "(unknown)");
}

const void *
vio_module_table(VioModule *module)
{
    if (g_once_init_enter(&module->ready)) {
        if (module->absent)
            module->why = g_strdup(module->absent);
        else
            module_load(module);
        g_once_init_leave(&module->ready, 1);
    }
    return module->table;
}

const char *
vio_module_missing(VioModule *module)
{
    return vio_module_table(module) ? NULL : module->why;
}
