/* SPDX-License-Identifier: BSD-3-Clause */
/* tests/vix/host.h - a program that loads libvixDiskLib with dlopen(), as its
 * clients do: what such test programs share.
 *
 * Locks and threads are pthread's, which race detectors know.
 */
#pragma once

#include <glib.h>
#include <pthread.h>

#include "tests/support/vix-library.h"

#define SECTOR VIXDISKLIB_SECTOR_SIZE
#define GRAIN 128 /* sectors */

/* Loads what VIX_LIBRARY names and gives the program a scratch directory. */
void host_begin(int *argc, char ***argv);
/* Runs the tests, removes the directory. */
int host_run(void);

/* NAME in the scratch directory; lives as long as the program. */
const char *host_path(const char *name);

#define assert_vix(call, code) g_assert_cmpuint((call), ==, (code))
#define assert_ok(call) assert_vix(call, VIX_OK)

/* -- messages ------------------------------------------------------------- */

/* For InitEx.  They keep the text, which must end in one newline. */
void host_log(const char *format, va_list args) G_GNUC_PRINTF(1, 0);
void host_warn(const char *format, va_list args) G_GNUC_PRINTF(1, 0);
void host_panic(const char *format, va_list args) G_GNUC_PRINTF(1, 0);
/* Forgets what came so far. */
void host_messages_clear(void);
bool host_has_logged(const char *part);
unsigned host_count_warnings(void);
/* Of VixDiskLib_GetErrorText(). */
void host_assert_text(VixError code, const char *part);

/* InitEx with these, nothing to read; Exit, after which nothing was warned. */
void host_init(void);
void host_exit(void);
/* A connection to local disks. */
VixDiskLibConnection host_connect(void);
VixDiskLibHandle host_open(VixDiskLibConnection connection, const char *path,
                           uint32 flags);

/* -- disks ---------------------------------------------------------------- */

/* A sparse disk of libvdisk's, that is, without the library; its path. */
const char *host_make_disk(const char *name, uint64 sectors);
/* A child of @parent. */
const char *host_make_child(const char *name, const char *parent);

/* Bytes that depend on @seed and their place, never zero; @seed 0: zeroes. */
void host_fill(uint8 *buf, uint64 start, uint64 count, uint32 seed);
bool host_holds(const uint8 *buf, uint64 start, uint64 count, uint32 seed);
void host_write(VixDiskLibHandle disk, uint64 start, uint64 count, uint32 seed);
void host_assert_reads(VixDiskLibHandle disk, uint64 start, uint64 count,
                       uint32 seed);

/* -- threads -------------------------------------------------------------- */

pthread_t host_thread(void *(*run)(void *), void *opaque);
void host_join(pthread_t thread);
/* In a child process, which must end well and leave no memory behind. */
void host_in_child(void (*run)(void *), void *opaque);
/* The same, but @run must end it with that code. */
void host_in_child_ending(void (*run)(void *), void *opaque, int code);
unsigned host_count_threads(void);
unsigned host_count_files(void);

/* A number that threads wait for. */
typedef struct HostCount {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    unsigned value;
} HostCount;

void host_count_init(HostCount *count);
void host_count_clear(HostCount *count);
void host_count_add(HostCount *count);
/* Until it is @wanted at least; two minutes are too long. */
void host_count_await(HostCount *count, unsigned wanted);
unsigned host_count_get(HostCount *count);

/* Completion callback: @opaque is a HostCount. */
void host_counted(void *opaque, VixError result);
