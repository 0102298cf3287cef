/* SPDX-License-Identifier: BSD-3-Clause */
/* tools/vixsample/session.h - from InitEx to Exit, and the disks between.
 *
 * The order is that of VMware's documentation: InitEx, PrepareForAccess,
 * Connect, Open ... Close, Disconnect, EndAccess, Cleanup, Exit.
 *
 * What a command leaves open is closed at the end, so that it may return
 * wherever something fails.
 */
#pragma once

#include "tools/vixsample/library.h"
#include "tools/vixsample/options.h"

typedef struct Session Session;

/* NULL after a message. */
Session *session_begin(const Options *opts);
/* False after a message.  Again and again is harmless. */
bool session_end(Session *session);
/* After its end. */
void session_free(Session *session);

VixDiskLibConnection session_connection(const Session *session);
/* A connection for local disks; NULL after a message. */
VixDiskLibConnection session_local(Session *session);

/* Flags of Open that the options ask for. */
uint32 session_open_flags(const Options *opts);

/* The disk that the options name; with @more flags.  NULL after a message. */
VixDiskLibHandle session_open_disk(Session *session, const Options *opts,
                                   uint32 more);
/* Any thread; one at a time.  NULL after a message. */
VixDiskLibHandle session_open(Session *session, VixDiskLibConnection connection,
                              const char *path, uint32 flags);
/* Any thread.  False after a message. */
bool session_close(Session *session, VixDiskLibHandle disk);
/* The library has taken it over. */
void session_forget(Session *session, VixDiskLibHandle disk);

/* Free with VixDiskLib_FreeInfo.  NULL after a message. */
VixDiskLibInfo *session_info(VixDiskLibHandle disk);
/* In sectors; false after a message. */
bool session_capacity(VixDiskLibHandle disk, uint64_t *capacity);
/* The range that the options say, else to the end.  False after
 * a message. */
bool session_range(VixDiskLibHandle disk, const Options *opts, uint64_t *start,
                   uint64_t *count);

/* The same, for commands that do one sector by default. */
uint64_t session_count_or_one(const Options *opts);

/* For sectors: aligned, so that UNBUFFERED works with any library.  NULL after
 * a message.  Free with free(). */
uint8 *session_buffer(uint64_t sectors);
