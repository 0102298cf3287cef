/* SPDX-License-Identifier: BSD-3-Clause */
/* io/switch.c - first frame of a context for the assembly back ends.
 *
 * The frame is what vio_switch_stack() pops: callee-saved registers, then the
 * address to go on at, here the trampoline, which finds the entry function and
 * its argument in two of those registers.
 *
 * Concurrency: pure functions over memory of the caller.
 */
#include "io/switch.h"

#include <stdint.h>
#include <string.h>

void vio_switch_trampoline(void);

#if defined(__x86_64__)
/* r15 r14 r13 r12 rbx rbp rip */
enum { FRAME_ARG = 3, FRAME_ENTRY = 4, FRAME_PC = 6, FRAME_WORDS = 7 };
#elif defined(__aarch64__)
/* x19 ... x30, then d8 ... d15. */
enum { FRAME_ARG = 0, FRAME_ENTRY = 1, FRAME_PC = 11, FRAME_WORDS = 20 };
#endif

/* Null words above the frame: backtraces that go by frame pointers end there,
 * and the stack pointer is a multiple of 16 when the trampoline starts. */
enum { FRAME_GAP = 2 };

void
vio_context_make(VioContext *ctx, void *stack, size_t size,
                 VioContextEntry entry, void *arg)
{
    uintptr_t top = ((uintptr_t) stack + size) & ~(uintptr_t) 15;
    uintptr_t *frame = (uintptr_t *) top - FRAME_WORDS - FRAME_GAP;

    memset(frame, 0, (FRAME_WORDS + FRAME_GAP) * sizeof(*frame));
    frame[FRAME_ARG] = (uintptr_t) arg;
    frame[FRAME_ENTRY] = (uintptr_t) entry;
    frame[FRAME_PC] = (uintptr_t) vio_switch_trampoline;
    ctx->sp = frame;
}

void
vio_context_clear(VioContext *ctx)
{
    ctx->sp = NULL;
}
