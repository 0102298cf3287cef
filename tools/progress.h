/* SPDX-License-Identifier: BSD-3-Clause */
/* tools/progress.h - how far a long command is.
 *
 * plain: qemu-img's "    (12.34/100%)" with a carriage return, on stdout;
 * bar: one line on stderr with rate and time left, if that is a terminal;
 * json: one object a second on stderr.
 * Without any of them SIGUSR1 makes one line on stderr.
 */
#pragma once

#include "include/vdisk.h"

typedef enum ProgressMode {
    PROGRESS_NONE,
    PROGRESS_PLAIN,
    PROGRESS_BAR,
    PROGRESS_JSON,
} ProgressMode;

/* NULL means plain.  False if there is no such mode. */
bool progress_mode_parse(const char *text, ProgressMode *mode);

typedef struct Progress Progress;

/* @step: percent between two plain lines. */
Progress *progress_begin(ProgressMode mode, double step);
/* A phase "verify" will follow the others: what they do is one half of the
 * way. */
void progress_expect_verify(Progress *progress);
/* VdProgressFunc; @opaque is the Progress. */
void progress_update(const VdProgress *state, void *opaque);
/* The percentage so far. */
double progress_reached(const Progress *progress);
/* Says 100 %, or nothing where nothing was to do, and leaves the line open. */
void progress_done(Progress *progress);
/* Ends the line; with @ok it says 100 % before.  Frees. */
void progress_end(Progress *progress, bool ok);

/* The formatting halves, without clock and stream. */
char *progress_bar_text(const VdProgress *state, double seconds);
char *progress_json_text(const VdProgress *state, double seconds);
double progress_percent(const VdProgress *state);
