/* SPDX-License-Identifier: BSD-3-Clause */
/* formats/vmdk/sparse/cowd-header.h - the 2048-byte header of a COWD extent:
 * ESXi's redo logs (vmfsSparse), and an older form of hosted products.
 *
 * On-disk form only; no I/O.  Tables and grains come one after another as they
 * are needed, each where the header's "free sector" was.  There is one copy of
 * everything and no mark for zeroes.
 * Source: "Virtual Disk Format 5.0" (VMware), ESX Server Sparse Extents.
 */
#pragma once

#include "formats/vmdk/sparse/header.h"

#define VMDK_COWD_HEADER_SECTORS 4
#define VMDK_COWD_HEADER_BYTES 2048
#define VMDK_COWD_GTES_PER_GT 4096
#define VMDK_COWD_MAX_GRAIN_SECTORS 2048
#define VMDK_COWD_MAX_SECTORS                                                  \
    UINT32_MAX /* of the disk; one less than 2 TiB                             \
                */
#define VMDK_COWD_FREE_BYTE 28
#define VMDK_COWD_UNCLEAN_BYTE 1648

bool vmdk_cowd_is_magic(const uint8_t magic[4]);

/* Fills @hdr with what follows from the format where the header says nothing.
 * @name goes into messages.  Errors: CORRUPT, NOT_SUPPORTED, LIMIT. */
bool vmdk_cowd_decode(const uint8_t raw[VMDK_COWD_HEADER_BYTES],
                      const char *name, VmdkHeader *hdr, GError **error);
void vmdk_cowd_encode(const VmdkHeader *hdr,
                      uint8_t raw[VMDK_COWD_HEADER_BYTES]);

/* Size, directory and free sector of @hdr into the first sector. */
void vmdk_cowd_patch(const VmdkHeader *hdr, uint8_t *raw);

/* The older form, whose other fields nobody has described: not to be written.
 */
bool vmdk_cowd_is_legacy(const VmdkHeader *hdr);

/* The parent that a header names, as old products did; NULL = none.  Free it.
 */
char *vmdk_cowd_parent_name(const uint8_t raw[VMDK_COWD_HEADER_BYTES]);

/* A header for a new extent, which ends behind its directory. */
void vmdk_cowd_layout(VmdkHeader *hdr, uint64_t capacity_sectors,
                      uint64_t grain_sectors);
