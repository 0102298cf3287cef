/* SPDX-License-Identifier: BSD-3-Clause */
/* formats/vmdk/create/create.h - what a new disk shall be. */
#pragma once

#include "formats/vmdk/state.h"

#include "block/transaction.h"

#define VMDK_SPLIT_SECTORS 4192256 /* 2047 MiB: fits every file system */

typedef enum VmdkSubformat {
    VMDK_SUB_MONOLITHIC_SPARSE,
    VMDK_SUB_MONOLITHIC_FLAT,
    VMDK_SUB_SPLIT_SPARSE,
    VMDK_SUB_SPLIT_FLAT,
    VMDK_SUB_STREAM,
    VMDK_SUB_VMFS,        /* flat, as on ESXi's datastores */
    VMDK_SUB_VMFS_THIN,   /* the same, says that it is thin */
    VMDK_SUB_VMFS_EAGER,  /* the same, all of it allocated and zeroed */
    VMDK_SUB_VMFS_SPARSE, /* redo logs */
    VMDK_SUB_SESPARSE,    /* for testing: filled once, then read only */
} VmdkSubformat;

/* Values of the option. */
extern const char *const vmdk_subformat_names[];

typedef struct VmdkNew {
    const char *path; /* without "file:" */
    uint64_t sectors;
    VmdkSubformat subformat;
    char *adapter, *hw_version, *tools_version, *uuid, *description;
    uint64_t grain_sectors;
    uint64_t logical_sector, physical_sector; /* bytes; 0 = not told */
    uint64_t split_sectors;
    bool zeroed_grain;
    VdPrealloc prealloc;
    int level; /* of deflate */
    uint32_t cid, parent_cid;
    bool cid_given;
    const char *parent_hint; /* NULL = no parent */
} VmdkNew;

static inline bool
vmdk_new_is_vmfs(const VmdkNew *new)
{
    return new->subformat == VMDK_SUB_VMFS ||
           new->subformat == VMDK_SUB_VMFS_THIN ||
           new->subformat == VMDK_SUB_VMFS_EAGER;
}

static inline bool
vmdk_new_is_flat(const VmdkNew *new)
{
    return new->subformat == VMDK_SUB_MONOLITHIC_FLAT ||
           new->subformat == VMDK_SUB_SPLIT_FLAT || vmdk_new_is_vmfs(new);
}

/* A text that names data files, in the place of one file with all in it. */
static inline bool
vmdk_new_has_data_files(const VmdkNew *new)
{
    return new->subformat != VMDK_SUB_MONOLITHIC_SPARSE &&new->subformat !=
           VMDK_SUB_STREAM;
}

static inline bool
vmdk_new_is_split(const VmdkNew *new)
{
    return new->subformat == VMDK_SUB_SPLIT_SPARSE ||
           new->subformat == VMDK_SUB_SPLIT_FLAT;
}

/* options.c: take and check the options of @spec. */
bool vmdk_new_init(VmdkNew *new, const VdCreateSpec *spec, GError **error);
void vmdk_new_clear(VmdkNew *new);

/* create.c: the sparse extent of @hdr in the empty @file, but for a descriptor
 * inside. */
bool vmdk_new_co_sparse_file(VdNode *file, const VmdkHeader *hdr,
                             VdPrealloc prealloc, GError **error);

/* Data files come in pieces of this, the last one may be smaller. */
uint64_t vmdk_new_piece_sectors(const VmdkNew *new);

/* create.c: the lines of all data files. */
bool vmdk_new_add_extents(const VmdkNew *new, VmdkDescriptor *desc,
                          GError **error);

/* descriptor.c: the text of the disk, but for its extents. */
VmdkDescriptor *vmdk_new_descriptor(const VmdkNew *new, GError **error);
