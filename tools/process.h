/* SPDX-License-Identifier: BSD-3-Clause */
/* tools/process.h - a process fit for handling images.
 *
 * Concurrency: first thing in main().
 */
#pragma once

/* Standard streams that are closed never become images, as many files may be
 * open as the administrator allows, and RLIMIT_FSIZE is an error like any
 * other. */
void process_prepare(void);
