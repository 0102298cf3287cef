/* SPDX-License-Identifier: BSD-3-Clause */
/* io/fiber.h - tells sanitizers and valgrind about stack switches.
 *
 * Each side of a switch has a VioFiber.  vio_fiber_leave() goes right before
 * the switch, vio_fiber_arrive() right after it, on the stack arrived at.
 * Without tools all of it is empty.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#if defined(__SANITIZE_ADDRESS__)
#    define VIO_ASAN 1
#elif defined(__has_feature)
#    if __has_feature(address_sanitizer)
#        define VIO_ASAN 1
#    endif
#endif

#if defined(__SANITIZE_THREAD__)
#    define VIO_TSAN 1
#elif defined(__has_feature)
#    if __has_feature(thread_sanitizer)
#        define VIO_TSAN 1
#    endif
#endif

#ifdef VIO_ASAN
#    include <sanitizer/asan_interface.h>
#    include <sanitizer/common_interface_defs.h>
#endif
#ifdef VIO_TSAN
#    include <sanitizer/tsan_interface.h>
#endif
#ifdef VIO_HAVE_VALGRIND
#    include <valgrind/valgrind.h>
#endif

typedef struct VioFiber {
    const void *bottom; /* stack bounds */
    size_t size;
    void *fake; /* ASan: fake stack, kept while the fiber is off */
    void *tsan;
    unsigned valgrind_id;
} VioFiber;

/* A fiber on the fresh stack [@stack, @stack + @size). */
static inline void
vio_fiber_init(VioFiber *fiber, void *stack, size_t size)
{
    *fiber = (VioFiber){.bottom = stack, .size = size};
#ifdef VIO_TSAN
    fiber->tsan = __tsan_create_fiber(0);
#endif
#ifdef VIO_HAVE_VALGRIND
    fiber->valgrind_id =
        VALGRIND_STACK_REGISTER(stack, (char *) stack + size - 1);
#endif
}

static inline void
vio_fiber_clear(VioFiber *fiber)
{
#ifdef VIO_ASAN
    /* The frame that never returned left its red zones behind. */
    ASAN_UNPOISON_MEMORY_REGION(fiber->bottom, fiber->size);
#endif
#ifdef VIO_TSAN
    __tsan_destroy_fiber(fiber->tsan);
#endif
#ifdef VIO_HAVE_VALGRIND
    VALGRIND_STACK_DEREGISTER(fiber->valgrind_id);
#endif
}

/* The calling thread's own stack is about to enter coroutines. */
static inline void
vio_fiber_adopt_thread(VioFiber *fiber)
{
#ifdef VIO_TSAN
    fiber->tsan = __tsan_get_current_fiber();
#endif
}

/* @last: @self will never be entered again. */
static inline void
vio_fiber_leave(VioFiber *self, VioFiber *target, bool last)
{
#ifdef VIO_ASAN
    __sanitizer_start_switch_fiber(last ? NULL : &self->fake, target->bottom,
                                   target->size);
#endif
#ifdef VIO_TSAN
    __tsan_switch_to_fiber(target->tsan, 0);
#endif
}

/* @from learns the bounds of the stack that was left, which may be another
 * thread's than last time. */
static inline void
vio_fiber_arrive(VioFiber *self, VioFiber *from)
{
#ifdef VIO_ASAN
    __sanitizer_finish_switch_fiber(self->fake, &from->bottom, &from->size);
#endif
}
