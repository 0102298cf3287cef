/* SPDX-License-Identifier: BSD-3-Clause */
/* io/net-listen.c - sockets that wait for connections.
 *
 * Concurrency: blocking calls (look-ups of names, the file system); any
 * thread.
 */
#include "io/net.h"

#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "io/fd.h"
#include "io/net-internal.h"

/* A port that is free for one family may be taken for another. */
#define ANY_PORT_TRIES 16

static int
listen_fail(char **why, const struct sockaddr *sa, socklen_t len, int err)
{
    g_autofree char *name = vio_net_sockaddr_name(sa, len);

    *why = g_strdup_printf("%s: %s", name, g_strerror(-err));
    return err;
}

/* A new socket that listens at @sa. */
static int
listen_at(const struct sockaddr *sa, socklen_t len, unsigned backlog, int *out)
{
    VIO_AUTO_FD fd = socket(sa->sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const int on = 1;

    if (fd < 0)
        return -errno;
    if (sa->sa_family == AF_INET || sa->sa_family == AF_INET6)
        (void) setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    if (sa->sa_family == AF_INET6)
        (void) setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on));
    /* The file takes its mode from the socket: it is never open to others, not
     * even for a moment. */
    if (sa->sa_family == AF_UNIX && fchmod(fd, 0600) < 0)
        return -errno;
    if (bind(fd, sa, len) < 0 || listen(fd, (int) backlog) < 0)
        return -errno;
    *out = vio_fd_steal(&fd);
    return 0;
}

/* -- unix and vsock ------------------------------------------------------- */

/* True if @path is a socket on which nobody listens: what a server that was
 * killed leaves behind. */
static bool
unix_is_stale(const char *path, const struct sockaddr *sa, socklen_t len)
{
    VIO_AUTO_FD fd = -1;
    struct stat st;

    if (path[0] == '@' || lstat(path, &st) < 0 || !S_ISSOCK(st.st_mode))
        return false;
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    return fd >= 0 && connect(fd, sa, len) < 0 && errno == ECONNREFUSED;
}

static int
listen_one(const VioNetAddress *addr, unsigned backlog, GArray *fds, char **why)
{
    struct sockaddr_storage storage;
    struct sockaddr *sa = (struct sockaddr *) &storage;
    socklen_t len;
    int fd, ret = vio_net_sockaddr(addr, &storage, &len, why);

    if (ret != 0)
        return ret;
    ret = listen_at(sa, len, backlog, &fd);
    if (ret == -EADDRINUSE && addr->kind == VIO_NET_UNIX &&
        unix_is_stale(addr->path, sa, len) && unlink(addr->path) == 0)
        ret = listen_at(sa, len, backlog, &fd);
    if (ret != 0)
        return listen_fail(why, sa, len, ret);
    g_array_append_val(fds, fd);
    return 0;
}

/* -- tcp ------------------------------------------------------------------ */

static unsigned
sockaddr_port(const struct sockaddr *sa)
{
    return sa->sa_family == AF_INET6
               ? ntohs(((const struct sockaddr_in6 *) sa)->sin6_port)
               : ntohs(((const struct sockaddr_in *) sa)->sin_port);
}

static void
sockaddr_set_port(struct sockaddr *sa, unsigned port)
{
    if (sa->sa_family == AF_INET6)
        ((struct sockaddr_in6 *) sa)->sin6_port = htons((uint16_t) port);
    else
        ((struct sockaddr_in *) sa)->sin_port = htons((uint16_t) port);
}

static unsigned
socket_port(int fd)
{
    struct sockaddr_storage sa;
    socklen_t len = sizeof(sa);

    if (getsockname(fd, (struct sockaddr *) &sa, &len) < 0)
        return 0;
    return sockaddr_port((struct sockaddr *) &sa);
}

/* Take back the sockets from @keep on. */
static void
listen_close(GArray *fds, guint keep)
{
    for (guint i = keep; i < fds->len; i++)
        (void) close(g_array_index(fds, int, i));
    g_array_set_size(fds, keep);
}

/* The same address may stand twice behind a name. */
static bool
listed_before(const struct addrinfo *list, const struct addrinfo *ai)
{
    for (; list != ai; list = list->ai_next)
        if (list->ai_addrlen == ai->ai_addrlen &&
            memcmp(list->ai_addr, ai->ai_addr, ai->ai_addrlen) == 0)
            return true;
    return false;
}

/* One socket an address; what this machine has not (a family that is switched
 * off) is left out if there is another. */
static int
listen_all_once(struct addrinfo *ai, bool any_port, unsigned backlog,
                GArray *fds, char **why)
{
    struct addrinfo *list = ai;
    const guint before = fds->len;
    unsigned port = 0;
    int ret = -EADDRNOTAVAIL;

    for (; ai; ai = ai->ai_next) {
        int fd;

        if (any_port)
            sockaddr_set_port(ai->ai_addr, port);
        if (listed_before(list, ai))
            continue;
        ret = listen_at(ai->ai_addr, ai->ai_addrlen, backlog, &fd);
        if (ret == 0) {
            g_array_append_val(fds, fd);
            port = socket_port(fd);
            continue;
        }
        g_free(*why);
        (void) listen_fail(why, ai->ai_addr, ai->ai_addrlen, ret);
        if (ret != -EAFNOSUPPORT && ret != -EADDRNOTAVAIL) {
            listen_close(fds, before);
            return ret;
        }
    }
    return fds->len > before ? 0 : ret;
}

static int
listen_all(struct addrinfo *ai, unsigned backlog, GArray *fds, char **why)
{
    bool any_port = sockaddr_port(ai->ai_addr) == 0;
    int tries = any_port ? ANY_PORT_TRIES : 1;
    int ret;

    do
        ret = listen_all_once(ai, any_port, backlog, fds, why);
    while (ret == -EADDRINUSE && --tries > 0);
    if (ret == 0)
        g_clear_pointer(why, g_free);
    return ret;
}

int
vio_net_listen(const VioNetAddress *addr, unsigned backlog, GArray *fds,
               char **why)
{
    const struct addrinfo hints = {
        .ai_flags = AI_PASSIVE,
        .ai_family = AF_UNSPEC,
        .ai_socktype = SOCK_STREAM,
    };
    const char *host = addr->host && *addr->host ? addr->host : NULL;
    struct addrinfo *found;
    int ret;

    *why = NULL;
    if (addr->kind != VIO_NET_TCP)
        return listen_one(addr, backlog, fds, why);
    ret = vio_net_check_port(addr->port, why);
    if (ret != 0)
        return ret;
    ret = getaddrinfo(host, addr->port, &hints, &found);
    if (ret != 0) {
        *why = vio_net_lookup_why(addr, ret);
        return -EADDRNOTAVAIL;
    }
    ret = listen_all(found, backlog, fds, why);
    freeaddrinfo(found);
    return ret;
}
