/* SPDX-License-Identifier: BSD-3-Clause */
/* tests/unit/crash-session.c - a random course of writes, and what may be left
 * of it. */
#include "tests/unit/crash-session.h"

#include "tests/support/leaf.h"
#include "tests/support/pattern.h"

#include <string.h>

#define SECTOR 512u

void
crash_session_plan(CrashSession *s, uint32_t seed)
{
    g_autoptr(GRand) rand = g_rand_new_with_seed(seed);
    gint32 sectors = (gint32) (s->size / SECTOR);

    for (unsigned i = 0; i < CRASH_STEPS; i++) {
        CrashStep *step = &s->steps[i];
        int dice = g_rand_int_range(rand, 0, 8);
        gint32 first = g_rand_int_range(rand, 0, sectors);
        gint32 n = g_rand_int_range(rand, 1, 100);

        step->kind = dice == 0   ? CRASH_DISCARD
                     : dice == 1 ? CRASH_ZERO
                                 : CRASH_WRITE;
        step->off = (uint64_t) first * SECTOR;
        step->len = (uint64_t) MIN(n, sectors - first) * SECTOR;
        step->flushed = g_rand_int_range(rand, 0, 4) == 0;
    }
}

static bool
run_step(CrashSession *s, VdNode *node, unsigned i, GError **error)
{
    const CrashStep *step = &s->steps[i];
    g_autofree uint8_t *buf = g_malloc(step->len);

    switch (step->kind) {
    case CRASH_WRITE:
        test_pattern_fill(buf, step->len, step->off, i + 1);
        return vd_node_co_pwrite(node, step->off, buf, step->len, error);
    case CRASH_ZERO:
        return vd_node_co_write_zeroes(node, step->off, step->len,
                                       VD_REQ_MAY_UNMAP, error);
    case CRASH_DISCARD:
        return vd_node_co_discard(node, step->off, step->len, error);
    }
    g_assert_not_reached();
}

bool
crash_session_run(CrashSession *s, VdNode *node, GError **error)
{
    for (unsigned i = 0; i < CRASH_STEPS; i++) {
        if (!run_step(s, node, i, error))
            return false;
        if (!s->steps[i].flushed)
            continue;
        if (!vd_node_co_flush(node, error))
            return false;
        s->durable = i + 1;
        if (s->recorded)
            test_leaf_mark(i + 1);
    }
    return true;
}

/* -- what a sector may hold
 * ---------------------------------------------------------- */

static bool
is_initial(const CrashSession *s, const uint8_t *sector, uint64_t off)
{
    static const uint8_t zero[SECTOR];

    if (s->has_base)
        return test_pattern_differs(sector, SECTOR, off, CRASH_BASE_SEED) ==
               SECTOR;
    return !memcmp(sector, zero, SECTOR);
}

static bool
is_from_step(const CrashStep *step, unsigned i, const uint8_t *sector,
             uint64_t off)
{
    static const uint8_t zero[SECTOR];

    if (step->kind == CRASH_WRITE)
        return test_pattern_differs(sector, SECTOR, off, i + 1) == SECTOR;
    return !memcmp(sector, zero, SECTOR);
}

/* Newest first: anything down to the last step that was flushed for sure.  A
 * discard decides nothing: what was there before may stay. */
static bool
may_hold(const CrashSession *s, const uint8_t *sector, uint64_t off,
         uint64_t mark)
{
    for (unsigned i = CRASH_STEPS; i-- > 0;) {
        const CrashStep *step = &s->steps[i];

        if (off < step->off || off >= step->off + step->len)
            continue;
        if (is_from_step(step, i, sector, off))
            return true;
        if (i < mark && step->kind != CRASH_DISCARD)
            return false;
    }
    return is_initial(s, sector, off);
}

void
crash_session_assert(const CrashSession *s, VdNode *node, uint64_t mark)
{
    g_autofree uint8_t *buf = g_malloc(s->size);
    g_autoptr(GError) error = NULL;

    vd_node_co_pread(node, 0, buf, s->size, &error);
    g_assert_no_error(error);
    for (uint64_t off = 0; off < s->size; off += SECTOR)
        if (!may_hold(s, buf + off, off, mark))
            g_error("sector at %" G_GUINT64_FORMAT
                    " holds what it must not after flush %" G_GUINT64_FORMAT,
                    off, mark);
}
