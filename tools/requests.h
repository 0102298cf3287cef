/* SPDX-License-Identifier: BSD-3-Clause */
/* tools/requests.h - --log and --stats: what the storage below images was
 * asked, and how long it took. */
#pragma once

#include "tools/options.h"

/* The first line of a log; what does not begin with it is no log. */
#define REQUESTS_LOG_HEADER "# requests: operation offset length ns result file"

/* By the common options: who is to watch a new context; NULL in *@observer if
 * nobody is.  False after a message: the log cannot be had. */
bool requests_begin(const CommonOptions *common, const VdObserver **observer);

/* What the disk was asked by the command, for --stats. */
void requests_add_disk(const VdDisk *disk, const char *name);

/* After the last context is gone: the statistics to stderr, the log to its
 * file.  False after a message: some of the log is lost. */
bool requests_finish(void);
