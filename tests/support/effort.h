/* SPDX-License-Identifier: BSD-3-Clause */
/* tests/support/effort.h - how much of a long test is worth its time?
 *
 * All of it, once: in a plain build, with the first engine.  A part of it where
 * most would only be said again: with the second engine (requests fail, and are
 * recorded, above both), under sanitizers, and with VDISK_TEST_SHORT=1, which
 * CI sets for what it builds after the first.  VDISK_TEST_LONG=1 wants all.
 */
#pragma once

#include <stdbool.h>

/* Is a part of it enough here? */
bool test_effort_is_short(void);
/* Of many cases, shall the next one be tried? */
bool test_effort_wants_next(void);
/* How many of @n random steps to do. */
unsigned test_effort_steps(unsigned n);

/* From now on everything has been tried with another engine. */
void test_effort_again(bool again);
