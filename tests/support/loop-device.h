/* SPDX-License-Identifier: BSD-3-Clause */
/* tests/support/loop-device.h - block devices over files; need root. */
#pragma once

#include <glib.h>

/* "/dev/loopN" over the file; NULL: the test is marked as skipped. */
char *test_loop_new(const char *path);
/* Detaches and frees; NULL is nothing. */
void test_loop_free(char *device);
