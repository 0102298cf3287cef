/* SPDX-License-Identifier: BSD-3-Clause */
/* tests/vix/vix-test.h - what the C tests of libvixDiskLib share: the library,
 * a local connection and a scratch directory for each test. */
#pragma once

#include <glib.h>

#include "include/vdisk.h"
#include "include/vixDiskLib.h"

#define SECTOR VIXDISKLIB_SECTOR_SIZE
#define GRAIN 128 /* sectors */

typedef struct VixTest {
    VixDiskLibConnection connection;
    char *dir;
} VixTest;

/* g_test_add() with a set-up and a tear-down, the latter of which wants that
 * nothing was warned of. */
void vix_test_add(const char *path, void (*func)(VixTest *, gconstpointer));

/* NAME in the scratch directory; lives as long as the program. */
const char *vix_test_path(const VixTest *t, const char *name);

#define assert_vix(call, code) g_assert_cmpuint((call), ==, (code))
#define assert_ok(call) assert_vix(call, VIX_OK)

/* The call warns; the text of its error says @says. */
#define assert_fails(call, code, says)                                         \
    do {                                                                       \
        assert_vix(call, code);                                                \
        vix_test_forgive();                                                    \
        vix_test_assert_text(code, says);                                      \
    } while (0)
/* The call must not warn: the mistake is the caller's. */
#define assert_mistake(call, code, says)                                       \
    do {                                                                       \
        assert_vix(call, code);                                                \
        vix_test_assert_quiet();                                               \
        vix_test_assert_text(code, says);                                      \
    } while (0)

void vix_test_forgive(void);
void vix_test_assert_quiet(void);
void vix_test_assert_text(VixError code, const char *says);

/* -- disks ---------------------------------------------------------------- */

/* Its path. */
const char *vix_test_create(const VixTest *t, const char *name,
                            VixDiskLibDiskType type,
                            VixDiskLibSectorType capacity);
VixDiskLibHandle vix_test_open(const VixTest *t, const char *path,
                               uint32 flags);
void vix_test_close(VixDiskLibHandle disk);

/* Bytes that depend on @seed and their place, never zero. */
void vix_test_write(VixDiskLibHandle disk, VixDiskLibSectorType start,
                    VixDiskLibSectorType count, uint32 seed);
/* @seed 0: zeroes. */
void vix_test_assert_reads(VixDiskLibHandle disk, VixDiskLibSectorType start,
                           VixDiskLibSectorType count, uint32 seed);
/* The value of a key; g_free(). */
char *vix_test_meta(VixDiskLibHandle disk, const char *key);
void vix_test_assert_meta(VixDiskLibHandle disk, const char *key,
                          const char *value);
/* libvdisk finds nothing wrong with it. */
void vix_test_assert_sound(const char *path);
bool vix_test_exists(const char *path);

/* -- progress ------------------------------------------------------------- */

typedef struct VixTestProgress {
    unsigned calls;
    int last;                /* -1 before the first */
    int stop_at;             /* FALSE from there on; -1 = never */
    GThread *thread;         /* on which it must come */
    VixDiskLibHandle inside; /* must answer BUSY meanwhile; NULL = none */
} VixTestProgress;

void vix_test_progress_init(VixTestProgress *p);
Bool vix_test_progress(void *progress, int percent);
/* From 0 to 100. */
void vix_test_assert_progress(const VixTestProgress *p);
