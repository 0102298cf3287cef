/* SPDX-License-Identifier: BSD-3-Clause */
/* io/module.c - finding and loading modules.
 *
 * They lie in the folder "vdisk" beside the library; in a build tree where
 * they are made.  Nothing but the place of this very code and that of the
 * installation say where to look: neither the environment nor the working
 * directory can have another file loaded.  Nor can other users: a library or
 * program may lie in /tmp, where anybody can make folders beside it.
 *
 * Concurrency: any thread; each is loaded once, for the life of the process.
 */
#include "io/module.h"

#include <dlfcn.h>
#include <limits.h>
#include <link.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define VIO_MODULE_STAMP "vio_module_stamp"
#define MAX_STAMP 100 /* characters of another one in a message */

/* The file that holds this code, or NULL.  A program found in PATH has but its
 * name, and who loads a library by a relative name may have gone elsewhere
 * since: the loader remembers the folder. */
static char *
module_self(void)
{
    static const char here;
    struct link_map *map;
    Dl_info info;
    g_autofree char *origin = g_malloc(PATH_MAX);

    if (dladdr1(&here, &info, (void **) &map, RTLD_DL_LINKMAP) == 0)
        return NULL;
    if (info.dli_fname && g_path_is_absolute(info.dli_fname))
        return g_strdup(info.dli_fname);
    if (map->l_name[0] != '\0' && dlinfo(map, RTLD_DI_ORIGIN, origin) == 0) {
        g_autofree char *name = g_path_get_basename(map->l_name);

        return g_build_filename(origin, name, NULL);
    }
    return g_file_read_link("/proc/self/exe", NULL);
}

/* Can nobody else have put it there or change it? */
static bool
module_is_owned(const char *path, uid_t owner)
{
    struct stat st;

    return stat(path, &st) == 0 && !(st.st_mode & S_IWOTH) &&
           (st.st_uid == 0 || st.st_uid == owner || st.st_uid == geteuid());
}

/* NULL if there is none that can be believed. */
static char *
module_at(const char *self, const char *below, const char *folder,
          const char *file)
{
    g_autofree char *here = g_path_get_dirname(self);
    g_autofree char *dir = g_build_filename(here, below, folder, NULL);
    g_autofree char *path = g_build_filename(dir, file, NULL);
    struct stat st;

    if (stat(self, &st) < 0 || !module_is_owned(dir, st.st_uid) ||
        !module_is_owned(path, st.st_uid))
        return NULL;
    return g_steal_pointer(&path);
}

/* Beside @self; in a build tree, one or two folders below its top. */
static char *
module_beside(const VioModule *module, const char *self)
{
    char *path = module_at(self, "", "vdisk", module->file);

    if (!path)
        path = module_at(self, "..", module->folder, module->file);
    return path ? path : module_at(self, "../..", module->folder, module->file);
}

/* Where the library or program is that this is part of; where it is if that
 * was a link; last, where it was installed: for libraries that went elsewhere.
 */
static char *
module_find(const VioModule *module, const char *self)
{
    g_autofree char *real = self ? realpath(self, NULL) : NULL;
    char *path = self ? module_beside(module, self) : NULL;

    if (!path && real)
        path = module_beside(module, real);
    if (!path)
        path = g_build_filename(VIO_MODULE_DIR, module->file, NULL);
    if (!g_file_test(path, G_FILE_TEST_EXISTS))
        g_clear_pointer(&path, g_free);
    return path;
}

/* What nobody has made for this library is not even looked at. */
static const void *
module_check(const VioModule *module, void *handle, const char *path,
             char **why)
{
    const char *stamp = dlsym(handle, VIO_MODULE_STAMP);
    const void *table = dlsym(handle, module->symbol);

    if (!stamp || strcmp(stamp, vio_module_stamp) != 0)
        *why = g_strdup_printf("%s: of another version: it says '%.*s', '%s' "
                               "is wanted",
                               path, MAX_STAMP, stamp ? stamp : "nothing",
                               vio_module_stamp);
    else if (!table || *(const size_t *) table != module->size)
        *why = g_strdup_printf("%s: has no %s", path, module->symbol);
    return *why ? NULL : table;
}

static void
module_load_file(VioModule *module, const char *path)
{
    void *handle = dlopen(path, RTLD_NOW | RTLD_LOCAL);

    if (handle)
        module->table = module_check(module, handle, path, &module->why);
    else
        module->why = g_strdup(dlerror());
    if (handle && !module->table)
        (void) dlclose(handle);
}

static void
module_load(VioModule *module)
{
    g_autofree char *self = module_self();
    g_autofree char *path = module_find(module, self);

    if (path)
        module_load_file(module, path);
    else
        module->why = g_strdup_printf(
            "%s is not installed: no vdisk/%s beside %s", module->what,
            module->file, self ? self : "(unknown)");
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
