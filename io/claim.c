/* SPDX-License-Identifier: BSD-3-Clause */
/* io/claim.c - names that one open thing of this machine may have at a time.
 *
 * A socket in the abstract namespace: no file is left behind, and no user
 * needs a place to write.
 *
 * Concurrency: any thread.
 */
#include "io/claim.h"

#include <glib.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "io/fd.h"

#define PREFIX "vdisk/claim/"

int
vio_claim_take(const char *name)
{
    g_autofree char *digest =
        g_compute_checksum_for_string(G_CHECKSUM_SHA256, name, -1);
    g_autofree char *path = g_strconcat(PREFIX, digest, NULL);
    struct sockaddr_un addr = {.sun_family = AF_UNIX}; /* '\0' comes first */
    size_t len = strlen(path);
    VIO_AUTO_FD fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (fd < 0)
        return -errno;
    memcpy(addr.sun_path + 1, path, len);
    if (bind(fd, (struct sockaddr *) &addr,
             (socklen_t) (offsetof(struct sockaddr_un, sun_path) + 1 + len)) <
        0)
        return -errno;
    return vio_fd_steal(&fd);
}
