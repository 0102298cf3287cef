/* SPDX-License-Identifier: BSD-3-Clause */
/* io/net-connect.c - looking a name up and connecting to what is behind it.
 *
 * A look-up may take longer than anybody wants to wait, and cannot be stopped.
 * It runs on a thread that owns what it works on together with who waits, and
 * touches no loop: whoever is last frees it.
 *
 * Concurrency: called by coroutines of the loop.
 */
#include "io/net.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "io/fd.h"
#include "io/net-internal.h"
#include "io/op.h"

/* -- looking up ----------------------------------------------------------- */

typedef struct NetLookup {
    int refs;  /* atomic: the thread's and the waiter's */
    int done;  /* eventfd: readable once the thread is through */
    bool over; /* atomic: says the same to the memory model */
    char *host, *port;
    int code; /* of getaddrinfo() */
    int err;  /* errno, with EAI_SYSTEM */
    struct addrinfo *found;
} NetLookup;

static void
lookup_unref(NetLookup *lookup)
{
    if (__atomic_sub_fetch(&lookup->refs, 1, __ATOMIC_ACQ_REL) > 0)
        return;
    if (lookup->found)
        freeaddrinfo(lookup->found);
    (void) close(lookup->done);
    g_free(lookup->host);
    g_free(lookup->port);
    g_free(lookup);
}

static void
lookup_run(NetLookup *lookup, int flags)
{
    const struct addrinfo hints = {
        .ai_flags = flags,
        .ai_family = AF_UNSPEC,
        .ai_socktype = SOCK_STREAM,
    };

    lookup->code =
        getaddrinfo(lookup->host, lookup->port, &hints, &lookup->found);
    lookup->err = errno;
}

static void *
lookup_thread(void *opaque)
{
    NetLookup *lookup = opaque;

    lookup_run(lookup, AI_ADDRCONFIG);
    /* A machine with nothing but a loopback interface has no address by that
     * measure. */
    if (lookup->code == EAI_NONAME || lookup->code == EAI_ADDRFAMILY ||
        lookup->code == EAI_NODATA)
        lookup_run(lookup, 0);
    __atomic_store_n(&lookup->over, true, __ATOMIC_RELEASE);
    (void) eventfd_write(lookup->done, 1);
    lookup_unref(lookup);
    return NULL;
}

static int
lookup_start(NetLookup *lookup)
{
    pthread_attr_t attr;
    pthread_t thread;
    int err;

    lookup->done = eventfd(0, EFD_CLOEXEC);
    if (lookup->done < 0)
        return -errno;
    (void) pthread_attr_init(&attr);
    (void) pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
    lookup->refs++;
    err = pthread_create(&thread, &attr, lookup_thread, lookup);
    (void) pthread_attr_destroy(&attr);
    if (err)
        lookup->refs--;
    return -err;
}

static NetLookup *
lookup_new(const VioNetAddress *addr)
{
    NetLookup *lookup = g_new0(NetLookup, 1);

    lookup->refs = 1;
    lookup->done = -1;
    lookup->host = g_strdup(addr->host);
    lookup->port = g_strdup(addr->port);
    return lookup;
}

/* Numbers need no thread. */
static int
lookup_co_run(VioLoop *loop, NetLookup *lookup, VioCancel *cancel)
{
    int ret;

    lookup_run(lookup, AI_NUMERICHOST | AI_NUMERICSERV);
    if (lookup->code == 0)
        return 0;
    ret = lookup_start(lookup);
    if (ret == 0)
        ret = vio_co_poll(loop, lookup->done, POLLIN, cancel);
    if (ret < 0)
        return ret;
    g_assert(__atomic_load_n(&lookup->over, __ATOMIC_ACQUIRE));
    return 0;
}

/* What is behind the name of @addr, whose kind is TCP. */
static int
lookup_co_find(VioLoop *loop, const VioNetAddress *addr, VioCancel *cancel,
               NetLookup **out, char **why)
{
    NetLookup *lookup;
    int ret = vio_net_check_port(addr->port, why);

    if (ret != 0)
        return ret;
    lookup = lookup_new(addr);
    ret = lookup_co_run(loop, lookup, cancel);
    if (ret != 0) {
        *why = g_strdup_printf("looking up \"%s\": %s", addr->host,
                               g_strerror(-ret));
    } else if (lookup->code != 0) {
        errno = lookup->err;
        *why = vio_net_lookup_why(addr, lookup->code);
        ret = -EHOSTUNREACH;
    } else {
        *out = lookup;
        return 0;
    }
    lookup_unref(lookup);
    return ret;
}

int
vio_net_co_lookup(VioLoop *loop, const VioNetAddress *addr, VioCancel *cancel,
                  char ***found, char **why)
{
    g_autoptr(GPtrArray) names = NULL;
    NetLookup *lookup = NULL;
    int ret;

    *why = NULL;
    ret = lookup_co_find(loop, addr, cancel, &lookup, why);
    if (ret != 0)
        return ret;
    names = g_ptr_array_new();
    for (const struct addrinfo *ai = lookup->found; ai; ai = ai->ai_next)
        g_ptr_array_add(names,
                        vio_net_sockaddr_name(ai->ai_addr, ai->ai_addrlen));
    g_ptr_array_add(names, NULL);
    *found = (char **) g_ptr_array_free(g_steal_pointer(&names), FALSE);
    lookup_unref(lookup);
    return 0;
}

/* -- connecting ----------------------------------------------------------- */

/* Appends "ADDRESS: reason" to @why. */
static void
why_add(GString *why, const struct sockaddr *sa, socklen_t len, int err)
{
    g_autofree char *name = vio_net_sockaddr_name(sa, len);

    g_string_append_printf(why, "%s%s: %s", why->len ? "; " : "", name,
                           g_strerror(-err));
}

static int
connect_co_sockaddr(VioLoop *loop, const struct sockaddr *sa, socklen_t len,
                    VioCancel *cancel, int *out)
{
    VIO_AUTO_FD fd = socket(sa->sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int ret;

    if (fd < 0)
        return -errno;
    ret = vio_co_connect(loop, fd, sa, len, cancel);
    if (ret != 0)
        return ret;
    vio_net_tune(fd);
    vio_net_limit_silence(fd);
    *out = vio_fd_steal(&fd);
    return 0;
}

static int
connect_co_one(VioLoop *loop, const VioNetAddress *addr, VioCancel *cancel,
               int *fd, char **why)
{
    struct sockaddr_storage sa;
    socklen_t len;
    int ret = vio_net_sockaddr(addr, &sa, &len, why);

    if (ret != 0)
        return ret;
    ret = connect_co_sockaddr(loop, (struct sockaddr *) &sa, len, cancel, fd);
    if (ret != 0) {
        g_autofree char *name = vio_net_name(addr);

        *why = g_strdup_printf("%s: %s", name, g_strerror(-ret));
    }
    return ret;
}

/* The rest of the time is divided among the @left addresses: one behind which
 * nobody is must not use up what others need. */
static int
connect_co_part(VioLoop *loop, const struct addrinfo *ai, unsigned left,
                VioCancel *cancel, int *fd)
{
    g_autoptr(VioCancel) part = vio_cancel_new_child(cancel);
    uint64_t deadline = vio_cancel_deadline(cancel);
    uint64_t now = vio_now_ns();

    if (deadline > now)
        vio_cancel_set_deadline(part, now + (deadline - now) / left);
    return connect_co_sockaddr(loop, ai->ai_addr, ai->ai_addrlen, part, fd);
}

/* The error of the last address counts, the reasons of all are told. */
int
vio_net_co_connect_all(VioLoop *loop, const struct addrinfo *ai,
                       VioCancel *cancel, int *fd, char **why)
{
    g_autoptr(GString) reasons = g_string_new(NULL);
    int ret = -EHOSTUNREACH;
    unsigned left = 0;

    for (const struct addrinfo *each = ai; each; each = each->ai_next)
        left++;
    for (; ai; ai = ai->ai_next) {
        ret = connect_co_part(loop, ai, left--, cancel, fd);
        if (ret == 0)
            return 0;
        why_add(reasons, ai->ai_addr, ai->ai_addrlen, ret);
        if (vio_cancel_check(cancel) != 0)
            break;
    }
    *why = g_string_free(g_steal_pointer(&reasons), FALSE);
    return ret;
}

int
vio_net_co_connect(VioLoop *loop, const VioNetAddress *addr, VioCancel *cancel,
                   int *fd, char **why)
{
    NetLookup *lookup = NULL;
    int ret;

    *why = NULL;
    if (addr->kind != VIO_NET_TCP)
        return connect_co_one(loop, addr, cancel, fd, why);
    ret = lookup_co_find(loop, addr, cancel, &lookup, why);
    if (ret != 0)
        return ret;
    ret = vio_net_co_connect_all(loop, lookup->found, cancel, fd, why);
    lookup_unref(lookup);
    return ret;
}
