/* SPDX-License-Identifier: BSD-3-Clause */
/* block/proto/iscsi/scsi.h - commands of SCSI disks and what they bring.
 *
 * Sources: SCSI Primary Commands (SPC), SCSI Block Commands (SBC).
 */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#define SCSI_CDB_MAX 16u

#define SCSI_KEY_NOT_READY 0x2
#define SCSI_KEY_MEDIUM_ERROR 0x3
#define SCSI_KEY_ILLEGAL_REQUEST 0x5
#define SCSI_KEY_UNIT_ATTENTION 0x6
#define SCSI_KEY_DATA_PROTECT 0x7
#define SCSI_KEY_ABORTED 0xb

/* Additional sense code and qualifier. */
#define SCSI_ASC_BECOMING_READY 0x0401
#define SCSI_ASC_BAD_OPCODE 0x2000
#define SCSI_ASC_BAD_FIELD 0x2400
#define SCSI_ASC_NO_SUCH_LUN 0x2500
#define SCSI_ASC_SPACE 0x2707 /* of a thin unit, failed write protect */
#define SCSI_ASC_NEXUS_LOSS 0x2907

#define SCSI_PAGE_NAMES 0x83
#define SCSI_PAGE_LIMITS 0xb0
#define SCSI_PAGE_PROVISIONING 0xb2
#define SCSI_INQUIRY_STANDARD (-1)

#define SCSI_INQUIRY_ROOM 255u /* bytes that we give pages of any kind */
#define SCSI_CAPACITY_ROOM 32u
#define SCSI_MODE_ROOM 192u
#define SCSI_UNMAP_BYTES 24u /* the parameters of one range */
#define SCSI_STATUS_STRETCHES 512u
#define SCSI_STATUS_ROOM (8u + 16u * SCSI_STATUS_STRETCHES)

/* What is known of a unit.  All limits are in blocks; 0 = none was told. */
typedef struct ScsiUnit {
    uint64_t blocks;
    uint32_t block_size;
    bool thin, zeroes; /* unmaps; and reads as zeroes where it has */
    bool write_protected, write_cache, fua;
    bool can_unmap, can_unmap_same; /* by UNMAP, by WRITE SAME */
    uint64_t max_transfer, opt_transfer, max_unmap, max_same;
    uint8_t names[SCSI_INQUIRY_ROOM]; /* page 83h */
    size_t names_len;
} ScsiUnit;

/* -- commands -------------------------------------------------------------- */

/* All write a command into @cdb, zeroed by them, and return its length.
 * Numbers of blocks fit the command. */

unsigned scsi_put_test_ready(uint8_t *cdb);
unsigned scsi_put_inquiry(uint8_t *cdb, int page);
unsigned scsi_put_capacity(uint8_t *cdb, bool large);
unsigned scsi_put_mode_sense(uint8_t *cdb);
unsigned scsi_put_read(uint8_t *cdb, uint64_t block, uint32_t blocks);
unsigned scsi_put_write(uint8_t *cdb, uint64_t block, uint32_t blocks,
                        bool fua);
/* One block of data, which is written to all of them. */
unsigned scsi_put_write_same(uint8_t *cdb, uint64_t block, uint32_t blocks,
                             bool unmap);
unsigned scsi_put_unmap(uint8_t *cdb);
void scsi_put_unmap_range(uint8_t params[SCSI_UNMAP_BYTES], uint64_t block,
                          uint32_t blocks);
/* All blocks. */
unsigned scsi_put_flush(uint8_t *cdb);
unsigned scsi_put_status(uint8_t *cdb, uint64_t block);

/* -- answers --------------------------------------------------------------- */

/* What is wrong with the @len bytes, a constant text; or NULL: then @unit knows
 * what they say. */

/* Is there a disk?  *@is_missing: there is no such unit. */
const char *scsi_take_inquiry(const uint8_t *bytes, size_t len,
                              bool *is_missing);
const char *scsi_take_capacity(ScsiUnit *unit, const uint8_t *bytes, size_t len,
                               bool large);
/* Pages that are not as they should be say nothing. */
void scsi_take_mode(ScsiUnit *unit, const uint8_t *bytes, size_t len);
void scsi_take_names(ScsiUnit *unit, const uint8_t *bytes, size_t len);
void scsi_take_limits(ScsiUnit *unit, const uint8_t *bytes, size_t len);
void scsi_take_provisioning(ScsiUnit *unit, const uint8_t *bytes, size_t len);

typedef struct ScsiStretch {
    uint64_t block, blocks;
    bool mapped;
} ScsiStretch;

/* The stretches from @block on, without a gap, to @stretches (of ScsiStretch);
 * nothing if the answer makes no sense. */
void scsi_take_status(const uint8_t *bytes, size_t len, uint64_t block,
                      const ScsiUnit *unit, GArray *stretches);

/* In words what a sense key means, constant. */
const char *scsi_key_text(unsigned key);
