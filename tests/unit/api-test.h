/* SPDX-License-Identifier: BSD-3-Clause */
/* tests/unit/api-test.h - what the tests of libvdisk share: a context and a
 * scratch directory for each test, disks and files with known contents. */
#pragma once

#include "include/vdisk.h"

#define KIB ((uint64_t) 1024)
#define MIB (KIB * 1024)
#define GIB (MIB * 1024)

typedef struct ApiTest {
    VdContext *ctx;
    char *dir;
    GPtrArray *warnings; /* of char */
} ApiTest;

void api_test_set_up(ApiTest *t, gconstpointer params);
void api_test_tear_down(ApiTest *t, gconstpointer unused);

/* g_test_add() with these two. */
void api_test_add(const char *path, void (*func)(ApiTest *, gconstpointer));

/* NAME in the scratch directory; lives as long as the test. */
const char *api_test_path(const ApiTest *t, const char *name);

/* All of these abort the test when they fail. */
VdDisk *api_test_open(const ApiTest *t, const char *path, const char *format,
                      VdOpenFlags flags);
VdDisk *api_test_open_opts(const ApiTest *t, VdOpenFlags flags,
                           const char *format, ...) G_GNUC_PRINTF(3, 4);
VdDisk *api_test_memory(const ApiTest *t, uint64_t size);
void api_test_close(VdDisk *disk);

/* A new image. */
typedef struct ApiTestKind {
    const char *format, *options; /* of its creation */
} ApiTestKind;
void api_test_create(const ApiTest *t, const char *path,
                     const ApiTestKind *kind, uint64_t size);

/* For a target that has just been created. */
extern const VdCopyParams api_test_to_new;
/* Fill the new image and let it come into being. */
void api_test_copy_and_commit(VdCreation *creation, VdDisk *const *sources,
                              unsigned n, const VdCopyParams *params,
                              VdCopyResult *result);

/* Bytes that depend on @seed and their offset, never zero. */
void api_test_fill(uint8_t *buf, uint64_t len, uint64_t off, uint32_t seed);

/* A file of @size bytes whose stretches are by turns data, zeroes that are
 * written and holes, of random lengths. */
void api_test_make_sparse(const char *path, uint64_t size, uint32_t seed);
/* A file of data. */
void api_test_make_full(const char *path, uint64_t size, uint32_t seed);

/* VdProgressFunc that asserts that the work goes on, to its end at most;
 * @opaque: uint64_t, 0 at first, that keeps what is done. */
void api_test_count_progress(const VdProgress *progress, void *opaque);

/* Allocated bytes of a file. */
uint64_t api_test_allocated(const char *path);
uint64_t api_test_file_size(const char *path);
void api_test_assert_same_files(const char *a, const char *b);
/* The first bytes of @disk are those of the file @path, the rest is zero. */
void api_test_assert_disk_is_file(VdDisk *disk, const char *path);
