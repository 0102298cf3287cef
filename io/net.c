/* SPDX-License-Identifier: BSD-3-Clause */
/* io/net.c - addresses: their kinds, names and tuning.
 *
 * Concurrency: pure functions.
 */
#include "io/net.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stddef.h>
#include <string.h>
#include <sys/un.h>
#include <linux/vm_sockets.h>

#include "io/net-internal.h"

#define KEEP_IDLE_S 30
/* Bytes under way in other sockets, as far as the system allows: long answers
 * fit, so that the next one is made while the other end takes this one. */
#define SEND_ROOM (1 << 20)
#define USER_TIMEOUT_MS 60000u
#define PORT_MAX 65535u

void
vio_net_address_copy(VioNetAddress *to, const VioNetAddress *from)
{
    *to = *from;
    to->host = g_strdup(from->host);
    to->port = g_strdup(from->port);
    to->path = g_strdup(from->path);
}

void
vio_net_address_clear(VioNetAddress *addr)
{
    g_free(addr->host);
    g_free(addr->port);
    g_free(addr->path);
    *addr = (VioNetAddress){0};
}

char *
vio_net_name(const VioNetAddress *addr)
{
    const char *host = addr->host ? addr->host : "";

    if (addr->kind == VIO_NET_UNIX)
        return g_strdup(addr->path);
    if (addr->kind == VIO_NET_VSOCK)
        return g_strdup_printf("vsock:%u:%u", addr->cid, addr->vport);
    return g_strdup_printf(strchr(host, ':') ? "[%s]:%s" : "%s:%s", host,
                           addr->port);
}

/* -- to the kernel -------------------------------------------------------- */

static int
unix_sockaddr(const char *path, struct sockaddr_un *un, socklen_t *len,
              char **why)
{
    size_t n = strlen(path);
    bool abstract = path[0] == '@';

    *un = (struct sockaddr_un){.sun_family = AF_UNIX};
    if (n == 0 || n >= sizeof(un->sun_path)) {
        *why = g_strdup_printf(
            "\"%s\": path of a unix socket has %zu bytes, allowed are 1 to %zu",
            path, n, sizeof(un->sun_path) - 1);
        return -EINVAL;
    }
    memcpy(un->sun_path, path, n);
    if (abstract)
        un->sun_path[0] = '\0';
    /* The end of an abstract name is told by the length alone. */
    *len = (socklen_t) (offsetof(struct sockaddr_un, sun_path) + n + !abstract);
    return 0;
}

int
vio_net_sockaddr(const VioNetAddress *addr, struct sockaddr_storage *sa,
                 socklen_t *len, char **why)
{
    struct sockaddr_vm *vm = (struct sockaddr_vm *) sa;

    if (addr->kind == VIO_NET_UNIX)
        return unix_sockaddr(addr->path, (struct sockaddr_un *) sa, len, why);
    *vm = (struct sockaddr_vm){
        .svm_family = AF_VSOCK,
        .svm_cid = addr->cid,
        .svm_port = addr->vport,
    };
    *len = sizeof(*vm);
    return 0;
}

/* getaddrinfo() takes whatever strtoul() does for a number and cuts it to 16
 * bits: "99999" would be 34463, and "-1" 65535. */
int
vio_net_check_port(const char *port, char **why)
{
    char *end;
    guint64 number = g_ascii_strtoull(port, &end, 10);

    if (*port == '\0') {
        *why = g_strdup("the port is empty");
        return -EINVAL;
    }
    if (*end != '\0' || end == port) /* the name of a service */
        return 0;
    if (strspn(port, "0123456789") == strlen(port) && number <= PORT_MAX)
        return 0;
    *why = g_strdup_printf("port \"%s\": expected a number of 0 to %u", port,
                           PORT_MAX);
    return -EINVAL;
}

char *
vio_net_lookup_why(const VioNetAddress *addr, int code)
{
    return g_strdup_printf("looking up \"%s\" port \"%s\": %s",
                           addr->host ? addr->host : "", addr->port,
                           code == EAI_SYSTEM ? g_strerror(errno)
                                              : gai_strerror(code));
}

/* -- from the kernel ------------------------------------------------------ */

static int
unix_address(const struct sockaddr_un *un, socklen_t len, VioNetAddress *addr)
{
    const size_t begin = offsetof(struct sockaddr_un, sun_path);
    size_t n = len > begin ? len - begin : 0;

    addr->kind = VIO_NET_UNIX;
    if (n > 0 && un->sun_path[0] == '\0')
        addr->path = g_strdup_printf("@%.*s", (int) n - 1, un->sun_path + 1);
    else
        addr->path = g_strndup(un->sun_path, n);
    return 0;
}

static int
tcp_address(const struct sockaddr *sa, socklen_t len, VioNetAddress *addr)
{
    char host[NI_MAXHOST], port[NI_MAXSERV];

    if (getnameinfo(sa, len, host, sizeof(host), port, sizeof(port),
                    NI_NUMERICHOST | NI_NUMERICSERV) != 0)
        return -EAFNOSUPPORT;
    addr->kind = VIO_NET_TCP;
    addr->host = g_strdup(host);
    addr->port = g_strdup(port);
    return 0;
}

static int
net_address(const struct sockaddr *sa, socklen_t len, VioNetAddress *addr)
{
    const struct sockaddr_vm *vm = (const struct sockaddr_vm *) sa;

    *addr = (VioNetAddress){0};
    if (sa->sa_family == AF_UNIX)
        return unix_address((const struct sockaddr_un *) sa, len, addr);
    if (sa->sa_family != AF_VSOCK)
        return tcp_address(sa, len, addr);
    addr->kind = VIO_NET_VSOCK;
    addr->cid = vm->svm_cid;
    addr->vport = vm->svm_port;
    return 0;
}

char *
vio_net_sockaddr_name(const struct sockaddr *sa, socklen_t len)
{
    g_auto(VioNetAddress) addr = {0};

    if (net_address(sa, len, &addr) != 0)
        return g_strdup("(address of an unknown kind)");
    return vio_net_name(&addr);
}

static int
net_ask(int (*ask)(int, struct sockaddr *, socklen_t *), int fd,
        VioNetAddress *addr)
{
    struct sockaddr_storage sa;
    socklen_t len = sizeof(sa);

    if (ask(fd, (struct sockaddr *) &sa, &len) < 0)
        return -errno;
    return net_address((struct sockaddr *) &sa, len, addr);
}

int
vio_net_local(int fd, VioNetAddress *addr)
{
    return net_ask(getsockname, fd, addr);
}

int
vio_net_peer(int fd, VioNetAddress *addr)
{
    return net_ask(getpeername, fd, addr);
}

void
vio_net_tune(int fd)
{
    const int on = 1, idle = KEEP_IDLE_S, room = SEND_ROOM;

    /* None is a condition. */
    if (setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)) < 0) {
        (void) setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &room, sizeof(room));
        return; /* no TCP, whose room grows by itself */
    }
    (void) setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
    (void) setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle, sizeof(idle));
}

void
vio_net_limit_silence(int fd)
{
    const unsigned timeout = USER_TIMEOUT_MS;

    (void) setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &timeout,
                      sizeof(timeout)); /* nothing for others */
}
