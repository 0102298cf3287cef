/* SPDX-License-Identifier: BSD-3-Clause */
/* vsphere/password.c - passwords: where they stand, and that they go.
 *
 * Concurrency: no state.
 */
#include "vsphere/password.h"

#include "block/error.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#define MAX_PASSWORD 1024

void
vs_wipe(char *secret)
{
    if (secret)
        explicit_bzero(secret, strlen(secret));
    g_free(secret);
}

/* Up to a newline, the end, or until @line is full; it may be a pipe.  The
 * number of bytes, or -errno. */
static ssize_t
read_line(const char *path, char *line, size_t room)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    size_t len = 0;
    ssize_t n = fd < 0 ? -errno : 1;

    while (n > 0 && len < room && !memchr(line, '\n', len)) {
        n = read(fd, line + len, room - len);
        if (n < 0 && errno == EINTR)
            n = 1;
        else if (n < 0)
            n = -errno;
        else
            len += (size_t) n;
    }
    if (fd >= 0)
        (void) close(fd); /* was only read */
    return n < 0 ? n : (ssize_t) len;
}

static char *
read_password(const char *path, GError **error)
{
    char line[MAX_PASSWORD + 1];
    ssize_t n = read_line(path, line, sizeof(line));
    size_t len = n > 0 ? (size_t) n : 0;
    const char *end = memchr(line, '\n', len);
    char *password = NULL;

    if (end)
        len = (size_t) (end - line);
    if (n < 0)
        (void) vd_throw_errno(error, (int) -n, "password file '%s'", path);
    else if (len > MAX_PASSWORD)
        (void) vd_throw(error, VD_ERROR_LIMIT,
                        "password file '%s': more than %d bytes", path,
                        MAX_PASSWORD);
    else if (memchr(line, '\0', len))
        (void) vd_throw(error, VD_ERROR_INVALID_ARGUMENT,
                        "password file '%s': is no text", path);
    else
        password = g_strndup(line, len);
    if (password)
        password[strcspn(password, "\r")] = '\0';
    explicit_bzero(line, sizeof(line));
    return password;
}

char *
vs_password_find(const char *file, const char *env, const char *server,
                 GError **error)
{
    const char *value = env ? g_getenv(env) : NULL;

    if (file)
        return read_password(file, error);
    if (!env)
        return vd_throw_null(error, VD_ERROR_LOGIN,
                             "%s: no password: 'password-file' or "
                             "'password-env' must say where it is",
                             server);
    return value ? g_strdup(value)
                 : vd_throw_null(error, VD_ERROR_LOGIN,
                                 "%s: the environment has no '%s' with the "
                                 "password",
                                 server, env);
}
