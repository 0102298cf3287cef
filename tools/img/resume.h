/* SPDX-License-Identifier: BSD-3-Clause */
/* tools/img/resume.h - the journal of a conversion that may be interrupted. */
#pragma once

#include "tools/img/convert.h"

typedef struct Resume Resume;

/* Look at the journal job->resume: is there one, and of this conversion?  The
 * sources are open, the target is not; nothing is written.  NULL after a
 * message. */
Resume *resume_begin(const ConvertJob *job);
/* For the copy.  Belongs to @resume. */
const VdCheckpoints *resume_checkpoints(const Resume *resume);
/* The target is ours now: see that the journal can be written.  False after a
 * message. */
bool resume_start(Resume *resume);
/* @done: the target is complete and durable.  Then the journal goes, else it
 * stays if it is worth something.  False after a message.  Frees. */
bool resume_end(Resume *resume, bool done);
