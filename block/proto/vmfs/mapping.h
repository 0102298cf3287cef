/* SPDX-License-Identifier: BSD-3-Clause */
/* block/proto/vmfs/mapping.h - which byte of the volume a byte of a file is. */
#pragma once

#include "block/proto/vmfs/fd.h"

/* Resources that lie in resources that lie in resources: what real volumes have
 * is two. */
#define VMFS_MAX_DEPTH 4

typedef struct VmfsPlace {
    uint64_t offset; /* in the volume */
    uint64_t len;    /* of what lies behind one another from there on */
} VmfsPlace;

/* Byte @within of what the address @raw (not 0) names. */
bool vmfs_place_co_find(VmfsFs *fs, uint64_t raw, uint64_t within,
                        unsigned depth, VmfsPlace *place, GError **error);

typedef struct VmfsStep {
    bool zero;   /* reads as zeroes */
    bool stored; /* there is space for it, at place */
    bool block;  /* in a block that belongs to the file alone */
    VmfsPlace place;
    uint64_t len;
} VmfsStep;

/* What the file of @fd has at @off (inside of it): step->len bytes, of one
 * block or hole. */
bool vmfs_file_co_step(VmfsFs *fs, const VmfsFd *fd, uint64_t off,
                       unsigned depth, VmfsStep *step, GError **error);

/* All or error; zeroes behind the end. */
bool vmfs_file_co_read(VmfsFs *fs, const VmfsFd *fd, uint64_t off, void *buf,
                       size_t len, GError **error);
