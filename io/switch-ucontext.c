/* SPDX-License-Identifier: BSD-3-Clause */
/* io/switch-ucontext.c - portable contexts: made by ucontext, switched by
 * _setjmp and _longjmp, which cost 12 ns instead of two system calls.
 *
 * Concurrency: a context is used by one thread at a time.
 */
#undef _FORTIFY_SOURCE /* its longjmp refuses to leave the current stack */

#include "io/switch.h"

#include <glib.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>

/* makecontext() passes ints; a pointer travels as two halves. */
typedef struct UcontextStart {
    VioContextEntry entry;
    void *arg;
    ucontext_t uc;
} UcontextStart;

static void
ucontext_main(unsigned low, unsigned high)
{
    uintptr_t bits = ((uintptr_t) high << 16 << 16) | low;
    UcontextStart *start = (UcontextStart *) bits;
    VioContextEntry entry = start->entry;
    void *arg = start->arg;

    g_free(start);
    entry(arg);
    g_assert_not_reached();
}

void
vio_context_make(VioContext *ctx, void *stack, size_t size,
                 VioContextEntry entry, void *arg)
{
    UcontextStart *start = g_new0(UcontextStart, 1);
    uintptr_t bits = (uintptr_t) start;
    int ret = getcontext(&start->uc);

    g_assert(ret == 0);
    start->entry = entry;
    start->arg = arg;
    start->uc.uc_link = NULL;
    start->uc.uc_stack.ss_sp = stack;
    start->uc.uc_stack.ss_size = size;
    makecontext(&start->uc, (void (*)(void)) ucontext_main, 2,
                (unsigned) (bits & 0xffffffffu), (unsigned) (bits >> 16 >> 16));
    ctx->start = &start->uc;
}

void
vio_context_clear(VioContext *ctx)
{
    if (ctx->start)
        g_free((char *) ctx->start - offsetof(UcontextStart, uc));
    ctx->start = NULL;
}

void
vio_context_switch(VioContext *from, VioContext *to)
{
    ucontext_t *start = to->start;

    from->start = NULL;
    if (_setjmp(from->env) != 0)
        return;
    if (!start)
        _longjmp(to->env, 1);
    to->start = NULL;
    /* The thread that made the context may have had another signal mask. */
    (void) pthread_sigmask(SIG_SETMASK, NULL, &start->uc_sigmask);
    (void) setcontext(start); /* does not return */
    g_assert_not_reached();
}
