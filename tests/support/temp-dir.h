/* SPDX-License-Identifier: BSD-3-Clause */
/* tests/support/temp-dir.h - directories that live as long as a test. */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

/* A fresh directory below TMPDIR.  Free with test_dir_remove(). */
char *test_dir_new(void);
/* Remove it with everything in it and free the name. */
void test_dir_remove(char *dir);
/* Remove what is in it. */
void test_dir_empty(const char *dir);

/* Copy every regular file of @from into @to, which is emptied first.  Holes
 * stay holes, so the copy of a large sparse file is cheap. */
void test_dir_copy(const char *from, const char *to);

/* A file of @size bytes that is one hole. */
void test_file_make(const char *path, uint64_t size);
uint64_t test_file_size(const char *path);
uint64_t test_file_allocated(const char *path);
