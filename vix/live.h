/* SPDX-License-Identifier: BSD-3-Clause */
/* vix/live.h - what is alive: the library, connections, disk handles.
 *
 * A handle from outside may be anything.  It is one if it is found here, and
 * stays one while somebody is inside (between enter and leave).
 *
 * Each function that can fail does so in the name of @function, with NOINIT if
 * the library has not been started.
 */
#pragma once

#include <glib.h>
#include <pthread.h>
#include <stdbool.h>

#include "include/vixDiskLib.h"

typedef struct VixDiskLibHandleStruct VixDisk;

/* -- the library ---------------------------------------------------------- */

/* Counted: true for the call that was the first or the last. */
bool vix_live_start(void);
bool vix_live_stop(void);
VixError vix_live_check(const char *function);

/* -- connections ---------------------------------------------------------- */

void vix_live_add_connection(VixDiskLibConnection connection);
/* INVALID_CONNECTION. */
VixError vix_live_check_connection(const char *function,
                                   const VixDiskLibConnection connection);
/* The same, and calls fn(connection, arg) while it is one for sure: with the
 * lock held, so it must do next to nothing. */
VixError vix_live_with_connection(
    const char *function, const VixDiskLibConnection connection,
    void (*fn)(VixDiskLibConnection connection, void *arg), void *arg);
VixError vix_live_remove_connection(const char *function,
                                    VixDiskLibConnection connection);
/* One of those that are left; NULL = none. */
VixDiskLibConnection vix_live_any_connection(void);

/* -- disks ---------------------------------------------------------------- */

/* In users: somebody waits for the last of them to leave. */
#define VIX_GATE_AWAITED 0x80000000u

/* First in a disk; for live.c alone. */
typedef struct VixGate {
    VixDiskLibConnection connection;
    unsigned users; /* threads inside; atomic, raised under the lock only */
    bool occupied;  /* only one thread may enter: */
    pthread_t alone;
    int taken;     /* the handle is none any more; atomic */
    bool consumed; /* nothing is behind the handle any more, but it may be
                      closed once */
} VixGate;

/* INVALID_CONNECTION if that has been disconnected meanwhile. */
VixError vix_live_add_disk(const char *function, VixDisk *disk,
                           VixDiskLibConnection connection);

/* INVALID_HANDLE.  Waits while another thread is alone in there; BUSY if it is
 * this one (a progress function that calls back in). */
VixError vix_live_enter(const char *function, VixDisk *disk);
void vix_live_leave(VixDisk *disk);

/* For somebody who must be alone: waits until the others have left, then until
 * requests in flight have been answered.  BUSY in a callback of the disk. */
VixError vix_live_enter_alone(const char *function, VixDisk *disk);
void vix_live_leave_alone(VixDisk *disk);
/* The caller is alone in @disk and has emptied it. */
void vix_live_consume(VixDisk *disk);

/* A disk of @connection that is not consumed, entered alone; NULL = none, or
 * only such as this thread serves. */
VixDisk *vix_live_enter_any(const VixDiskLibConnection connection);

/* The handle is none from now on, the disk is the caller's; *@consumed: there
 * is nothing in it.  All others have left, unless this is a callback of the
 * disk, which they may be waiting for. */
VixError vix_live_take(const char *function, VixDisk *disk, bool *consumed);
/* Until all have left a disk that was taken. */
void vix_live_wait_left(VixDisk *disk);
/* A consumed disk that nobody has closed; NULL = no more. */
VixDisk *vix_live_take_consumed(void);

/* Disks that were taken in their own callbacks and are closed behind those:
 * begun, done, and until all are done (not on a pump). */
void vix_live_begin_closing(void);
void vix_live_end_closing(void);
void vix_live_wait_closing(void);
