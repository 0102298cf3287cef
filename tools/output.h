/* SPDX-License-Identifier: BSD-3-Clause */
/* tools/output.h - what the program says, and how.
 *
 * Messages go to stderr as "PROG: text", where PROG is the base name of
 * argv[0].  Results go to stdout and are printed by the commands themselves.
 * Failures that have a name of their own in JSON mode come out twice: as the
 * line on stderr and as {"error": ...} on stdout.
 */
#pragma once

#include "include/vdisk.h"

#include <stdio.h>

/* Take the program's name from @argv0 and the generation of texts from
 * VDISK_IMG_COMPAT. */
void out_init(const char *argv0);
const char *out_program(void);
/* True if texts of qemu-img before 8 are asked for. */
bool out_is_old(void);

/* From now on failures also print the error document. */
void out_set_json(bool json);

void out_error(const char *fmt, ...) G_GNUC_PRINTF(1, 2);
void out_warning(const char *fmt, ...) G_GNUC_PRINTF(1, 2);
/* A line of its own without prefix, behind an error. */
void out_hint(const char *fmt, ...) G_GNUC_PRINTF(1, 2);

/* An operation on @file failed with @error; @fmt is the whole message.  Either
 * may be NULL. */
void out_failure(const char *file, const GError *error, const char *fmt, ...)
    G_GNUC_PRINTF(3, 4);

/* "Try 'PROG --help' ..." */
void out_try_help(void);

/* Data go to stdout: nothing else may, from now on. */
void out_leave_stdout(void);
/* Where plain progress goes: stdout, unless a document is to stand there. */
FILE *out_progress_stream(void);

/* The texts of the first warnings so far, NULL-terminated; belongs to
 * output.c. */
const char *const *out_warnings(void);

/* Flush stdout.  False, with a message, if something was lost on the way. */
bool out_finish(void);
