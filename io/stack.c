/* SPDX-License-Identifier: BSD-3-Clause */
/* io/stack.c - coroutine stacks with guard pages, carved from slabs.
 *
 * One mapping holds 64 stacks.  The guard below each is a marker in the page
 * table (MADV_GUARD_INSTALL, Linux 6.13), which costs no mapping of its own;
 * older kernels get a protected page, two mappings a stack.
 *
 * Concurrency: one VioStacks belongs to one loop.
 */
#include "io/stack.h"

#include <glib.h>
#include <stdint.h>
#include <sys/mman.h>
#include <unistd.h>

#ifndef MADV_GUARD_INSTALL
#    define MADV_GUARD_INSTALL 102
#endif

#define SLAB_STACKS 64u

struct VioStackSlab {
    VioStackSlab *next;
    char *base;
    size_t guard;  /* bytes below each stack */
    uint64_t free; /* one bit a stack */
    uint64_t made; /* stacks whose guard stands */
};

static size_t
slab_step(const VioStackSlab *slab)
{
    return slab->guard + VIO_STACK_SIZE;
}

static VioStackSlab *
slab_new(void)
{
    VioStackSlab *slab = g_new0(VioStackSlab, 1);

    slab->guard = (size_t) sysconf(_SC_PAGESIZE);
    slab->free = UINT64_MAX;
    slab->base =
        mmap(NULL, SLAB_STACKS * slab_step(slab), PROT_READ | PROT_WRITE,
             MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK, -1, 0);
    if (slab->base == MAP_FAILED)
        g_error("no address space for coroutine stacks");
    /* A huge page below a stack would turn 8 KiB of use into 2 MiB. */
    (void) madvise(slab->base, SLAB_STACKS * slab_step(slab), MADV_NOHUGEPAGE);
    return slab;
}

static void
slab_guard(VioStackSlab *slab, unsigned index)
{
    char *guard = slab->base + index * slab_step(slab);

    if (slab->made >> index & 1)
        return;
    /* If not even the second way works (too many mappings) the stack is used
     * without a guard: its size is what keeps it safe. */
    if (madvise(guard, slab->guard, MADV_GUARD_INSTALL) != 0)
        (void) mprotect(guard, slab->guard, PROT_NONE);
    slab->made |= UINT64_C(1) << index;
}

void *
vio_stack_get(VioStacks *stacks)
{
    VioStackSlab *slab = stacks->slabs;
    unsigned index;

    while (slab && slab->free == 0)
        slab = slab->next;
    if (!slab) {
        slab = slab_new();
        slab->next = stacks->slabs;
        stacks->slabs = slab;
    }
    index = (unsigned) __builtin_ctzll(slab->free);
    slab->free &= ~(UINT64_C(1) << index);
    slab_guard(slab, index);
    return slab->base + index * slab_step(slab) + slab->guard;
}

static void
slab_free(VioStackSlab *slab)
{
    g_assert(slab->free == UINT64_MAX);
    (void) munmap(slab->base, SLAB_STACKS * slab_step(slab));
    g_free(slab);
}

void
vio_stack_put(VioStacks *stacks, void *stack)
{
    VioStackSlab **link = &stacks->slabs;
    VioStackSlab *slab;
    size_t off;

    while ((uintptr_t) stack - (uintptr_t) (*link)->base >=
           SLAB_STACKS * slab_step(*link))
        link = &(*link)->next;
    slab = *link;
    off = (size_t) ((char *) stack - slab->base);
    slab->free |= UINT64_C(1) << off / slab_step(slab);
    (void) madvise(stack, VIO_STACK_SIZE, MADV_DONTNEED);
    if (slab->free == UINT64_MAX) {
        *link = slab->next;
        slab_free(slab);
    }
}

void
vio_stack_trim(void *stack)
{
    (void) madvise(stack, VIO_STACK_SIZE - VIO_STACK_HOT, MADV_DONTNEED);
}

void
vio_stacks_clear(VioStacks *stacks)
{
    g_assert(!stacks->slabs);
}
