/* SPDX-License-Identifier: BSD-3-Clause */
/* block/undo-internal.h - the parts of the undo log.
 *
 *   undo.c           changing a file
 *   undo-recover.c   putting back
 *   undo-file.c      the side file
 *   undo-format.c    its bytes: a head, then records; each a sector and what
 *                    was in the file
 */
#pragma once

#include "block/undo.h"

#define VD_UNDO_SECTOR 512u
#define VD_UNDO_RECORD_SECTORS 64u /* at most, in one record */

/* -- undo-format.c --------------------------------------------------------- */

typedef struct VdUndoHead {
    uint64_t nonce;     /* the same in all records */
    uint64_t file_size; /* before */
    char name[256];     /* last part of the file's name */
} VdUndoHead;

typedef struct VdUndoRecord {
    uint64_t nonce;
    uint64_t off; /* in the file */
    uint32_t sectors;
    uint32_t crc;                             /* of the record */
    uint32_t new_crc[VD_UNDO_RECORD_SECTORS]; /* of what was to be written */
} VdUndoRecord;

void vd_undo_head_encode(const VdUndoHead *head, uint8_t raw[VD_UNDO_SECTOR]);
bool vd_undo_head_decode(const uint8_t raw[VD_UNDO_SECTOR], VdUndoHead *head);
/* @raw: the sector in front of @old. */
void vd_undo_record_encode(const VdUndoRecord *record, const uint8_t *old,
                           uint8_t raw[VD_UNDO_SECTOR]);
/* Shape only. */
bool vd_undo_record_decode(const uint8_t raw[VD_UNDO_SECTOR],
                           VdUndoRecord *record);
/* Is it whole? */
bool vd_undo_record_check(const uint8_t raw[VD_UNDO_SECTOR], const uint8_t *old,
                          const VdUndoRecord *record);
uint32_t vd_undo_crc(const void *bytes, size_t len);

/* -- undo-file.c ----------------------------------------------------------- */

typedef enum VdUndoFound {
    VD_UNDO_ABSENT,
    VD_UNDO_EMPTY, /* the leftover of one that was done with */
    VD_UNDO_THERE,
    VD_UNDO_STRANGE, /* nothing that we would have made */
} VdUndoFound;

/* The path beside @file; NULL if it is not a file of this system. */
char *vd_undo_path(VdNode *file);
bool vd_undo_co_look(VdNode *file, const char *path, VdUndoFound *found,
                     GError **error);
/* An empty one, its name durable, open for writing. */
VdNode *vd_undo_co_make(VdNode *file, const char *path, GError **error);
VdNode *vd_undo_co_open(VdNode *file, const char *path, VdOpenFlags flags,
                        GError **error);
/* Empty, durable, closed and removed.  False: it still counts, and is closed.
 */
bool vd_undo_co_remove(VdNode *log, const char *path, GError **error);

/* -- undo-recover.c -------------------------------------------------------- */

/* Everything in @log back to @file, and durable.  @verify: only if @file is
 * what the log knows (else REFUSED). */
bool vd_undo_co_put_back(VdNode *file, VdNode *log, bool verify,
                         GError **error);
