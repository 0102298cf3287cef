/* SPDX-License-Identifier: BSD-3-Clause */
/* tools/img/snapshot-words.h - the argument of -l, and what comes of it with
 * formats that have no internal snapshots. */
#pragma once

#include "include/vdisk.h"

/* @text (may be NULL): a name or "snapshot.id=ID,snapshot.name=NAME".  False
 * after a message. */
bool snapshot_words_check(const char *text);
/* False, after a message, if a snapshot of @disk is asked for: none of the
 * formats has them. */
bool snapshot_refuse(const VdDisk *disk, const char *name, const char *text);
