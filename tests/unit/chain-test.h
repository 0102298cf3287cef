/* SPDX-License-Identifier: BSD-3-Clause */
/* tests/unit/chain-test.h - chains of links with known contents.
 *
 * Link 0 is the base, "l0.vmdk"; what each of them shows is kept in memory.
 */
#pragma once

#include "tests/unit/api-test.h"

#define CHAIN_MAX 8

typedef struct ChainSpec {
    const char *options; /* of creation */
    uint64_t size;
} ChainSpec;

typedef struct Chain {
    ApiTest *t;
    unsigned n;
    const ChainSpec *spec;
    uint8_t *view[CHAIN_MAX]; /* spec[i].size bytes each */
} Chain;

/* Make the files in the test's directory: each link gets random writes and
 * zeroes, the base is half full. */
void chain_build(Chain *c, ApiTest *t, const ChainSpec *spec, unsigned n,
                 uint32_t seed);
void chain_free(Chain *c);

/* Path of link @i. */
const char *chain_path(const Chain *c, unsigned i);
/* Random writes and zeroes to the disk at @path and its @view. */
void chain_scribble(ApiTest *t, const char *path, uint8_t *view, uint64_t size,
                    uint32_t seed, unsigned n_writes);

/* The disk at @path shows these @size bytes and zeroes behind them. */
void chain_assert_shows(ApiTest *t, const char *path, const uint8_t *view,
                        uint64_t size);
bool chain_shows(ApiTest *t, const char *path, const uint8_t *view,
                 uint64_t size);
/* No corruptions; leaks only if allowed. */
void chain_assert_sound(ApiTest *t, const char *path, bool leaks_allowed);
/* Nothing is stored in the link at @path itself. */
void chain_assert_empty(ApiTest *t, const char *path);
/* The value of "cid" or "parent-cid" of the image. */
uint32_t chain_cid(ApiTest *t, const char *path, const char *key);
/* A warning with all of these texts in it was given. */
bool chain_was_warned(const ApiTest *t, const char *a, const char *b);
