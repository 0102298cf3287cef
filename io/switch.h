/* SPDX-License-Identifier: BSD-3-Clause */
/* io/switch.h - machine contexts: make one, switch to one.
 *
 * Two back ends: a few lines of assembly (x86-64, aarch64), or ucontext to
 * make a context and _setjmp/_longjmp to switch.  Neither saves floating point
 * control words or the signal mask: nobody in this library changes them.
 */
#pragma once

#include <stddef.h>

#ifdef VIO_SWITCH_UCONTEXT

#    include <setjmp.h>
#    include <ucontext.h>

typedef struct VioContext {
    jmp_buf env;
    ucontext_t *start; /* not entered yet; NULL afterwards */
} VioContext;

#else

typedef struct VioContext {
    void *sp; /* everything else that must survive is on the stack */
} VioContext;

#endif

typedef void (*VioContextEntry)(void *arg);

/* Prepare @ctx to call entry(arg) on the @size bytes at @stack.  @entry never
 * returns.  A context that is thrown away before it was entered needs
 * vio_context_clear(). */
void vio_context_make(VioContext *ctx, void *stack, size_t size,
                      VioContextEntry entry, void *arg);
void vio_context_clear(VioContext *ctx);

/* Save the running context in @from, continue @to. */
#ifdef VIO_SWITCH_UCONTEXT
void vio_context_switch(VioContext *from, VioContext *to);
#else
void vio_switch_stack(void **save_sp, void *load_sp);

static inline void
vio_context_switch(VioContext *from, VioContext *to)
{
    vio_switch_stack(&from->sp, to->sp);
}
#endif
