/* SPDX-License-Identifier: BSD-3-Clause */
/* tests/support/co-test.h - test cases that run as a coroutine, once on each
 * engine, with a directory and an environment of their own. */
#pragma once

#include "block/open.h"
#include "tests/support/temp-dir.h"

typedef struct TestCo {
    VioLoop *loop;
    VdEnv env;
    char *dir;
    GPtrArray *warnings; /* texts that the environment was given */
} TestCo;

typedef void (*TestCoFunc)(TestCo *t);

/* Add @fn as "/threads" + @path and "/uring" + @path (skipped where io_uring
 * is not to be had); only one of them if VDISK_ENGINE names it.  @path starts
 * with a slash. */
void test_co_add(const char *path, TestCoFunc fn);

/* Run @fn as one coroutine on a fresh loop of this engine; false if the engine
 * does not work here. */
bool test_co_run(VioEngineKind engine, TestCoFunc fn);

/* Name of a file in the test's directory; free with g_free. */
char *test_co_path(const TestCo *t, const char *name);

/* Open "driver=...,k=v" text; NULL with @error set on failure. */
VdNode *test_co_try_open(TestCo *t, const char *options, VdOpenFlags flags,
                         GError **error);
/* The same; a failure ends the test. */
VdNode *test_co_open(TestCo *t, const char *options, VdOpenFlags flags);
/* Open a file of the test's directory with the named driver. */
VdNode *test_co_open_file(TestCo *t, const char *driver, const char *name,
                          VdOpenFlags flags);
void test_co_close(VdNode *node);

/* All drivers that the tests may open, in the order of probing. */
void test_register_drivers(void);
