/* SPDX-License-Identifier: BSD-3-Clause */
/* block/proto/secret.c - secrets that stand in files.
 *
 * Concurrency: no state; blocks.
 */
#include "block/proto/secret.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "block/error.h"
#include "io/fd.h"

#define BUFFER_BYTES 3072

char *
vd_secret_read(const char *path, size_t most, GError **error)
{
    VIO_AUTO_FD fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    char buf[BUFFER_BYTES];
    ssize_t n = fd < 0 ? -1 : read(fd, buf, sizeof(buf));
    char *line;

    g_assert(most < sizeof(buf));
    if (n < 0)
        return vd_throw_errno_null(error, errno, "secret in %s", path);
    line = g_strndup(buf, (size_t) n);
    explicit_bzero(buf, sizeof(buf));
    line[strcspn(line, "\r\n")] = '\0';
    if (*line && strlen(line) <= most)
        return line;
    vd_secret_forget(&line);
    return vd_throw_null(error, VD_ERROR_INVALID_ARGUMENT,
                         "%s: expected a line of 1 to %zu bytes", path, most);
}

void
vd_secret_forget(char **secret)
{
    if (*secret)
        explicit_bzero(*secret, strlen(*secret));
    g_clear_pointer(secret, g_free);
}
