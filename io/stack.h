/* SPDX-License-Identifier: BSD-3-Clause */
/* io/stack.h - coroutine stacks with guard pages, carved from slabs. */
#pragma once

#include <stddef.h>

#define VIO_STACK_SIZE (128u * 1024)
#define VIO_STACK_HOT (16u * 1024) /* what a trim leaves in place */

typedef struct VioStackSlab VioStackSlab;

typedef struct VioStacks {
    VioStackSlab *slabs;
} VioStacks;

/* VIO_STACK_SIZE writable bytes above a guard.  Running out of address space
 * aborts, like running out of memory elsewhere. */
void *vio_stack_get(VioStacks *stacks);
void vio_stack_put(VioStacks *stacks, void *stack);

/* Give the memory below the hottest part of an unused stack back. */
void vio_stack_trim(void *stack);

/* Every stack must have been put back. */
void vio_stacks_clear(VioStacks *stacks);
