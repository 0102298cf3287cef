/* SPDX-License-Identifier: BSD-3-Clause */
/* formats/vmdk/sparse/move.h - grains to other places of the file. */
#pragma once

#include "formats/vmdk/sparse/sparse.h"

typedef struct VmdkMove {
    uint64_t off;      /* of the grain, in the extent */
    uint64_t from, to; /* bytes of the file; multiples of the grain size */
} VmdkMove;

/* Copy @n grains, and no more than that: entries stay as they are. */
bool vmdk_sparse_co_copy(VmdkExtent *e, const VmdkMove *moves, size_t n,
                         GError **error);

/* Copy @n grains and let their entries name the new places, which nothing on
 * disk may name.  With @give_up the old ones are given up; without, something
 * else still uses them.  The next vmdk_sparse_co_flush() makes it durable, in
 * order: the first @moved moves have happened, also after a failure, and only
 * their new places are in use.
 *
 * The caller sees to it that nobody writes to these grains meanwhile. */
bool vmdk_sparse_co_move(VmdkExtent *e, const VmdkMove *moves, size_t n,
                         bool give_up, size_t *moved, GError **error);
