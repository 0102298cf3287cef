/* SPDX-License-Identifier: BSD-3-Clause */
/* io/tls-load.c - finding the module that knows OpenSSL.
 *
 * It lies in the folder "vdisk" beside the library; in a build tree it is in
 * io/.  Nothing but the place of this very code and that of the installation
 * say where to look: neither the environment nor the working directory can
 * have another file loaded.
 *
 * Concurrency: any thread; loaded once, for the life of the process.
 */
#include "io/tls-internal.h"

#include <dlfcn.h>

#ifdef VIO_HAVE_TLS
/* Relative to the folder of the library or program that this is part of. */
static const char *const tls_places[] = {"vdisk", "../io", "../../io"};
/* Last, where it was installed: for libraries that went elsewhere. */
#    define TLS_INSTALLED VIO_TLS_DIR "/" VIO_TLS_MODULE

static char *tls_why;

/* The folder of the file that holds this code, or NULL. */
static char *
tls_folder(void)
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

static const VioTlsOps *
tls_load_file(const char *file)
{
    void *handle = dlopen(file, RTLD_NOW | RTLD_LOCAL);
    const VioTlsOps *ops = handle ? dlsym(handle, VIO_TLS_SYMBOL) : NULL;

    if (ops && ops->session_size == sizeof(VioTlsSession))
        return ops;
    g_free(tls_why);
    tls_why = ops ? g_strdup_printf("%s: of another version", file)
                  : g_strdup(dlerror());
    if (handle)
        (void) dlclose(handle);
    return NULL;
}

static const VioTlsOps *
tls_load(void)
{
    g_autofree char *folder = tls_folder();

    for (size_t i = 0; folder && i < G_N_ELEMENTS(tls_places); i++) {
        g_autofree char *file =
            g_build_filename(folder, tls_places[i], VIO_TLS_MODULE, NULL);

        if (g_file_test(file, G_FILE_TEST_EXISTS))
            return tls_load_file(file);
    }
    if (g_file_test(TLS_INSTALLED, G_FILE_TEST_EXISTS))
        return tls_load_file(TLS_INSTALLED);
    tls_why = g_strdup_printf("TLS is not installed: no vdisk/%s in %s",
                              VIO_TLS_MODULE, folder ? folder : "(unknown)");
    return NULL;
}

const VioTlsOps *
vio_tls_ops(void)
{
    static gsize ready;
    static const VioTlsOps *ops;

    if (g_once_init_enter(&ready)) {
        ops = tls_load();
        g_once_init_leave(&ready, 1);
    }
    return ops;
}

const char *
vio_tls_missing(void)
{
    return vio_tls_ops() ? NULL : tls_why;
}
#else
const VioTlsOps *
vio_tls_ops(void)
{
    return NULL;
}

const char *
vio_tls_missing(void)
{
    return "built without TLS (OpenSSL)";
}
#endif
