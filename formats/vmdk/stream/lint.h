/* SPDX-License-Identifier: BSD-3-Clause */
/* formats/vmdk/stream/lint.h - what vSphere's importers demand of a stream.
 *
 * The profile "esxi-import": rules beyond what a reader needs.  Each has an id,
 * and a finding says where it is broken, what was found and what is wanted.
 * What real importers put up with is only noted.  The walk over the records is
 * check.c's; it tells what it comes by.
 *
 * Private to formats/vmdk/stream.
 */
#pragma once

#include "formats/vmdk/stream/record.h"
#include "formats/vmdk/stream/stream.h"

typedef struct VmdkLint VmdkLint;

/* @hdr: with the directory's place, wherever that was found. */
VmdkLint *vmdk_lint_new(VdNode *file, const VmdkHeader *hdr,
                        VdCheckResult *result);
void vmdk_lint_free(VmdkLint *lint);

void vmdk_lint_break(VmdkLint *lint, const char *rule, uint64_t at,
                     const char *format, ...) G_GNUC_PRINTF(4, 5);
/* The same about grain number @grain, which may be VD_NO_GRAIN. */
void vmdk_lint_break_grain(VmdkLint *lint, const char *rule, uint64_t grain,
                           uint64_t at, const char *format, ...)
    G_GNUC_PRINTF(5, 6);

/* Header, descriptor, and how they agree. */
bool vmdk_lint_co_front(VmdkLint *lint, GError **error);
/* A record at byte @at; @raw has @have bytes of it, all if the file has. */
void vmdk_lint_record(VmdkLint *lint, uint64_t at, const VmdkRecord *rec,
                      const uint8_t *raw, uint64_t have);
/* It has been inflated: to @used bytes. */
void vmdk_lint_grain(VmdkLint *lint, uint64_t at, uint64_t lba, size_t used);
/* A marker; @raw: its sector. */
bool vmdk_lint_co_marker(VmdkLint *lint, uint64_t at, const VmdkRecord *rec,
                         const uint8_t raw[VMDK_SECTOR], GError **error);
/* A record that a table names but the walk did not come by. */
void vmdk_lint_stray(VmdkLint *lint, uint64_t at, uint64_t grain);
/* Behind the walk. */
bool vmdk_lint_co_tables(VmdkLint *lint, GError **error);

/* lint-descriptor.c: @text of @len bytes stands at byte @at. */
void vmdk_lint_descriptor(VmdkLint *lint, const char *text, size_t len,
                          uint64_t at, uint64_t capacity_sectors);
void vmdk_lint_note(VmdkLint *lint, const char *rule, uint64_t at,
                    const char *format, ...) G_GNUC_PRINTF(4, 5);
