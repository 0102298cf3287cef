/* SPDX-License-Identifier: BSD-3-Clause */
/* tests/support/effort.c - how much of a long test is worth its time? */
#include "tests/support/effort.h"

#include <glib.h>

#define STRIDE 13
#define SHARE 4

static bool was_tried;

static bool
is_set(const char *name, const char *unset)
{
    const char *value = g_getenv(name);

    return value && *value && !g_str_equal(value, unset);
}

bool
test_effort_is_short(void)
{
    if (is_set("VDISK_TEST_LONG", "0"))
        return false;
    return was_tried || is_set("VDISK_TEST_SHORT", "0") ||
           is_set("VDISK_SANITIZE", "none");
}

bool
test_effort_wants_next(void)
{
    static unsigned turn;

    return !test_effort_is_short() || turn++ % STRIDE == 0;
}

unsigned
test_effort_steps(unsigned n)
{
    return test_effort_is_short() ? (n + SHARE - 1) / SHARE : n;
}

void
test_effort_again(bool again)
{
    was_tried = again;
}
