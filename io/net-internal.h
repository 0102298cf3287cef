/* SPDX-License-Identifier: BSD-3-Clause */
/* io/net-internal.h - addresses as the kernel has them. */
#pragma once

#include "io/net.h"

#include <netdb.h>
#include <sys/socket.h>

/* An address that is no TCP address.  0, or -errno and *@why. */
int vio_net_sockaddr(const VioNetAddress *addr, struct sockaddr_storage *sa,
                     socklen_t *len, char **why);

/* 0 for the name of a service or a number that is a port, or -errno and *@why.
 */
int vio_net_check_port(const char *port, char **why);

/* To the first of @ai that answers; none may take more than its part of the
 * time. */
int vio_net_co_connect_all(VioLoop *loop, const struct addrinfo *ai,
                           VioCancel *cancel, int *fd, char **why);

/* For messages, to be freed. */
char *vio_net_sockaddr_name(const struct sockaddr *sa, socklen_t len);

/* What getaddrinfo() answered, in words, to be freed. */
char *vio_net_lookup_why(const VioNetAddress *addr, int code);
