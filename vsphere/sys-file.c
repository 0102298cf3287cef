/* SPDX-License-Identifier: BSD-3-Clause */
/* vsphere/sys-file.c - small files of the kernel's trees.
 *
 * Concurrency: no state; any thread that may block.
 */
#include "vsphere/sys-file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <string.h>
#include <sys/stat.h>

#include "io/fd.h"

#define ROOT_VARIABLE "VDISK_HOTADD_ROOT"

const char *
vs_sys_root(void)
{
    return g_getenv(ROOT_VARIABLE);
}

char *
vs_sys_path(const char *root, ...)
{
    g_autoptr(GString) path = g_string_new(root);
    const char *part;
    va_list parts;

    va_start(parts, root);
    while ((part = va_arg(parts, const char *)))
        g_string_append_printf(path, "/%s", part);
    va_end(parts);
    return g_strdup(path->str);
}

/* Not what would make us wait, or act, by being opened. */
static int
open_regular(const char *path, int how, GError **error)
{
    VIO_AUTO_FD fd = open(path, how | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    struct stat st;

    if (fd < 0 || fstat(fd, &st) < 0) {
        (void) vd_throw_errno(error, errno, "%s", path);
        return -1;
    }
    if (!S_ISREG(st.st_mode)) {
        (void) vd_throw(error, VD_ERROR_CORRUPT, "%s: not a regular file",
                        path);
        return -1;
    }
    return vio_fd_steal(&fd);
}

/* Up to @len bytes; how many, or -1 with errno set. */
static ssize_t
read_up_to(int fd, char *buf, size_t len)
{
    size_t got = 0;
    ssize_t n;

    do {
        n = read(fd, buf + got, len - got);
        if (n > 0)
            got += (size_t) n;
    } while (n > 0 ? got < len : n < 0 && errno == EINTR);
    return n < 0 ? -1 : (ssize_t) got;
}

char *
vs_sys_read(const char *path, size_t max, size_t *len, GError **error)
{
    VIO_AUTO_FD fd = open_regular(path, O_RDONLY, error);
    g_autofree char *bytes = NULL;
    ssize_t n;

    if (fd < 0)
        return NULL;
    bytes = g_malloc(max + 1);
    n = read_up_to(fd, bytes, max + 1);
    if (n < 0)
        return vd_throw_errno_null(error, errno, "%s", path);
    if ((size_t) n > max)
        return vd_throw_null(error, VD_ERROR_LIMIT,
                             "%s: more than %zu bytes, which it never has",
                             path, max);
    bytes[n] = '\0';
    if (len)
        *len = (size_t) n;
    else
        g_strstrip(bytes);
    return g_steal_pointer(&bytes);
}

bool
vs_sys_write(const char *path, const char *text, GError **error)
{
    VIO_AUTO_FD fd = open_regular(path, O_WRONLY, error);

    if (fd < 0)
        return false;
    if (!vio_write_all(fd, text, strlen(text)))
        return vd_throw_errno(error, errno, "%s: writing '%s'", path, text);
    return true;
}

static int
compare_names(gconstpointer a, gconstpointer b)
{
    return strcmp(*(const char *const *) a, *(const char *const *) b);
}

GPtrArray *
vs_sys_names(const char *path, unsigned max, GError **error)
{
    g_autoptr(GPtrArray) names = g_ptr_array_new_with_free_func(g_free);
    g_autoptr(GError) problem = NULL;
    g_autoptr(GDir) dir = g_dir_open(path, 0, &problem);
    const char *name;

    if (!dir && !g_error_matches(problem, G_FILE_ERROR, G_FILE_ERROR_NOENT))
        return vd_throw_null(error, VD_ERROR_IO, "%s", problem->message);
    while (dir && (name = g_dir_read_name(dir))) {
        if (*name == '.')
            continue;
        if (names->len == max)
            return vd_throw_null(error, VD_ERROR_LIMIT,
                                 "%s: more than %u entries", path, max);
        g_ptr_array_add(names, g_strdup(name));
    }
    g_ptr_array_sort(names, compare_names);
    return g_steal_pointer(&names);
}
