/* SPDX-License-Identifier: BSD-3-Clause */
/* io/net.h - addresses of stream sockets: connecting, listening, names.
 *
 * Sockets made here are blocking and closed on exec.  *@why, where it is an
 * argument, is set with every failure: the reason in words, to be freed; it
 * names the address that was tried, for there may be many behind one name.
 */
#pragma once

#include "io/cancel.h"
#include "io/loop.h"

typedef enum VioNetKind {
    VIO_NET_TCP,
    VIO_NET_UNIX,
    VIO_NET_VSOCK,
} VioNetKind;

typedef struct VioNetAddress {
    VioNetKind kind;
    char *host; /* tcp: name or number (v6 without brackets); to listen on, NULL
                   or "" is all of this machine */
    char *port; /* tcp: number or name of a service; to listen, "0" is any */
    char *path; /* unix: a file, or the rest of an abstract name behind '@' */
    unsigned cid, vport; /* vsock */
} VioNetAddress;

void vio_net_address_copy(VioNetAddress *to, const VioNetAddress *from);
void vio_net_address_clear(VioNetAddress *addr); /* what it points to */
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(VioNetAddress, vio_net_address_clear)

/* For messages, to be freed: host:port, [v6]:port, path, vsock:CID:PORT. */
char *vio_net_name(const VioNetAddress *addr);

/* Tries all addresses behind the name, one after another, each for its part of
 * the time.  The name is looked
 * up on a thread of its own, so that @cancel (whose deadline is for all of it)
 * is heeded there, too.  0 and *@fd, tuned, or -errno (-EHOSTUNREACH: no such
 * name). */
int vio_net_co_connect(VioLoop *loop, const VioNetAddress *addr,
                       VioCancel *cancel, int *fd, char **why);

/* The TCP addresses behind a name, in numbers and as messages have them
 * (host:port, [v6]:port), for who connects by other means: *@found, for
 * g_strfreev().  Looked up as above.  0 or -errno. */
int vio_net_co_lookup(VioLoop *loop, const VioNetAddress *addr,
                      VioCancel *cancel, char ***found, char **why);

/* Appends (int) sockets to @fds: one, or with TCP one for each address behind
 * the name, all with the same port.  A unix socket is made with mode 0600 and
 * replaces the file of one on which nobody listens any more; removing it at
 * the end is up to the caller.  0 or -errno. */
int vio_net_listen(const VioNetAddress *addr, unsigned backlog, GArray *fds,
                   char **why);

/* The address of this end or the other; TCP in numbers.  0 or -errno. */
int vio_net_local(int fd, VioNetAddress *addr);
int vio_net_peer(int fd, VioNetAddress *addr);

/* What every connection should have, accepted ones, too.  TCP: no delay of
 * small packets, an end of being idle with peers that are gone; others: room
 * for long answers that are on their way. */
void vio_net_tune(int fd);

/* Give up a server that takes nothing for a minute, although there is something
 * to be sent.  Not for a client, which may be stopped that long and owes us
 * nothing. */
void vio_net_limit_silence(int fd);
