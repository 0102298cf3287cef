/* SPDX-License-Identifier: BSD-3-Clause */
/* io/port.h - one descriptor in one direction, whatever it is: a socket, a
 * pipe, a terminal.
 *
 * Descriptors may be blocking or not; they are left as they were.  Nothing
 * here raises SIGPIPE.
 *
 * Concurrency: coroutines of one loop; one transfer at a time.
 */
#pragma once

#include "io/cancel.h"
#include "io/engine.h"

typedef struct VioPort {
    VioLoop *loop;
    int fd;
    bool socket, fifo;
    bool stopped; /* every transfer, now and later, ends with -ESHUTDOWN */
    VioOp *op;    /* under way, or NULL */
} VioPort;

void vio_port_init(VioPort *port, VioLoop *loop, int fd);
void vio_port_stop(VioPort *port);

/* What can be done without waiting: a count (0: end of file), -EAGAIN, or
 * another -errno. */
ssize_t vio_port_read_now(VioPort *port, struct iovec *iov, int niov);
ssize_t vio_port_write_now(VioPort *port, struct iovec *iov, int niov);

/* Waiting for it.  Counts may be short; with @all the kernel is asked to fill
 * everything, or half a MiB of it, before it comes back, where it can. */
ssize_t vio_port_co_read(VioPort *port, struct iovec *iov, int niov, bool all,
                         VioCancel *cancel);
ssize_t vio_port_co_write(VioPort *port, struct iovec *iov, int niov,
                          VioCancel *cancel);

/* No more will be written: what is no socket is closed, unless it is
 * @other_fd, too, which is still in use.  0 or -errno. */
int vio_port_shut_write(VioPort *port, int other_fd);
