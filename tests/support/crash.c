/* SPDX-License-Identifier: BSD-3-Clause */
/* tests/support/crash.c - what may be on the disk after a crash?
 *
 * A change is durable at a moment if it was DONE with FUA, or if it was DONE
 * before a FLUSH of the same file was issued that is itself DONE.  Everything
 * else that was issued floats: it may be there or not.
 */
#include "tests/support/crash.h"

#include <fcntl.h>
#include <glib/gstdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "io/fd.h"
#include "tests/support/effort.h"
#include "tests/support/temp-dir.h"

#define SECTOR 512

static const TestChange *
change_at(const GPtrArray *changes, size_t i)
{
    return g_ptr_array_index(changes, i);
}

static bool
is_change(const TestChange *c)
{
    return c->file && c->record.type <= VD_WRITE_LOG_TRUNCATE;
}

static bool
is_flush(const TestChange *c)
{
    return c->file && c->record.type == VD_WRITE_LOG_FLUSH;
}

/* Index of the record DONE of what @i has asked for; that of the end if there
 * is none. */
static size_t
find_done(const GPtrArray *changes, size_t i)
{
    const TestChange *c = change_at(changes, i);

    for (size_t k = i + 1; k < changes->len; k++) {
        const TestChange *d = change_at(changes, k);

        if (d->file && d->record.type == VD_WRITE_LOG_DONE &&
            d->record.id == c->record.id && strcmp(d->file, c->file) == 0)
            return k;
    }
    return changes->len;
}

/* The first record by which change @i was on the disk for sure. */
static size_t
find_durable(const GPtrArray *changes, const size_t *done, size_t i)
{
    const TestChange *c = change_at(changes, i);
    size_t found = changes->len;

    if (c->record.flags & VD_REQ_FUA)
        return done[i];
    for (size_t k = done[i] + 1; k < found; k++) {
        const TestChange *f = change_at(changes, k);

        if (is_flush(f) && strcmp(f->file, c->file) == 0)
            found = MIN(found, done[k]);
    }
    return found;
}

/* The same of each change; each moment asks for most of them. */
static size_t *
find_all_durable(const GPtrArray *changes)
{
    g_autofree size_t *done = g_new0(size_t, changes->len + 1);
    size_t *durable = g_new0(size_t, changes->len + 1);

    for (size_t i = 0; i < changes->len; i++) {
        const TestChange *c = change_at(changes, i);

        if (is_change(c) || is_flush(c))
            done[i] = find_done(changes, i);
    }
    for (size_t i = 0; i < changes->len; i++)
        if (is_change(change_at(changes, i)))
            durable[i] = find_durable(changes, done, i);
    return durable;
}

/* -- applying ---------------------------------------------------------------
 */

static void
put(int fd, const uint8_t *bytes, uint64_t off, size_t len)
{
    g_assert_cmpint(pwrite(fd, bytes, len, (off_t) off), ==, (ssize_t) len);
}

/* Only some sectors of a write; @rand NULL = all of it. */
static void
apply_write(int fd, const VdWriteLogRecord *r, GRand *rand)
{
    if (!rand) {
        put(fd, r->data, r->off, r->len);
        return;
    }
    for (uint64_t at = 0; at < r->len;) {
        uint64_t n = MIN(r->len - at, SECTOR - (r->off + at) % SECTOR);

        if (g_rand_boolean(rand))
            put(fd, r->data + at, r->off + at, n);
        at += n;
    }
}

static void
apply_zeroes(int fd, uint64_t off, uint64_t len)
{
    struct stat st;
    int r = fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
                      (off_t) off, (off_t) len);

    g_assert_cmpint(r, ==, 0);
    g_assert_cmpint(fstat(fd, &st), ==, 0);
    if ((uint64_t) st.st_size < off + len)
        g_assert_cmpint(ftruncate(fd, (off_t) (off + len)), ==, 0);
}

static void
apply(const char *dir, const TestChange *c, GRand *torn)
{
    const VdWriteLogRecord *r = &c->record;
    g_autofree char *path = g_build_filename(dir, c->file, NULL);
    VIO_AUTO_FD fd = g_open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0644);

    g_assert_cmpint(fd, >=, 0);
    switch (r->type) {
    case VD_WRITE_LOG_WRITE:
        apply_write(fd, r, torn);
        break;
    case VD_WRITE_LOG_ZEROES:
        apply_zeroes(fd, r->off, r->len);
        break;
    case VD_WRITE_LOG_TRUNCATE:
        g_assert_cmpint(ftruncate(fd, (off_t) r->len), ==, 0);
        break;
    default: /* a discard may have done nothing */
        break;
    }
}

/* -- moments ----------------------------------------------------------------
 */

typedef struct {
    const TestCrash *crash;
    void *arg;
    char *dir;
    GRand *rand;
    size_t *durable_at; /* of each change: the number of its record */
    unsigned states;
} Replay;

static void
check(Replay *replay, size_t end, bool in_order)
{
    TestCrashPoint point = {
        .dir = replay->dir,
        .n_changes = end,
        .in_order = in_order,
    };

    for (size_t i = 0; i < end; i++) {
        const TestChange *c = change_at(replay->crash->changes, i);

        if (!c->file)
            point.mark = c->mark;
    }
    replay->crash->check(&point, replay->arg);
}

static void
replay_in_order(Replay *replay, size_t end)
{
    const GPtrArray *changes = replay->crash->changes;

    test_dir_copy(replay->crash->base_dir, replay->dir);
    for (size_t i = 0; i < end; i++)
        if (is_change(change_at(changes, i)))
            apply(replay->dir, change_at(changes, i), NULL);
    check(replay, end, true);
}

static void
replay_selection(Replay *replay, size_t end)
{
    const GPtrArray *changes = replay->crash->changes;

    test_dir_copy(replay->crash->base_dir, replay->dir);
    for (size_t i = 0; i < end; i++) {
        const TestChange *c = change_at(changes, i);
        bool durable;

        if (!is_change(c))
            continue;
        durable = replay->durable_at[i] < end;
        if (!durable && g_rand_boolean(replay->rand))
            continue;
        apply(replay->dir, c,
              !durable && g_rand_int_range(replay->rand, 0, 4) == 0
                  ? replay->rand
                  : NULL);
    }
    check(replay, end, false);
}

/* The richest moments: a flush has been asked for and is not done. */
static bool
is_before_flush_done(const GPtrArray *changes, size_t end)
{
    return is_flush(change_at(changes, end - 1));
}

/* The last of all moments is what comes of it without a crash. */
static void
try_state(Replay *replay, size_t end, bool in_order)
{
    bool last = end == replay->crash->changes->len;

    replay->states++;
    if (!test_effort_wants_next() && !(last && in_order))
        return;
    if (in_order)
        replay_in_order(replay, end);
    else
        replay_selection(replay, end);
}

unsigned
test_crash_replay(const TestCrash *crash, void *arg)
{
    Replay replay = {
        .crash = crash,
        .arg = arg,
        .dir = test_dir_new(),
        .rand = g_rand_new_with_seed(crash->seed),
        .durable_at = find_all_durable(crash->changes),
    };
    size_t n = crash->changes->len;

    for (size_t end = 0; end <= n; end++) {
        bool last = end == n;

        if (end == 0 || last || is_change(change_at(crash->changes, end - 1)))
            try_state(&replay, end, true);
        if (end == 0 || !(last || is_before_flush_done(crash->changes, end)))
            continue;
        for (unsigned i = 0; i < crash->samples; i++)
            try_state(&replay, end, false);
    }
    g_rand_free(replay.rand);
    g_free(replay.durable_at);
    test_dir_remove(replay.dir);
    return replay.states;
}

unsigned
test_crash_try(const TestCrash *crash, const char *dir,
               bool (*act)(void *arg, GError **error), void *arg)
{
    char *base = test_dir_new();
    TestCrash recorded = *crash;
    g_autoptr(GPtrArray) changes = NULL;
    g_autoptr(GError) error = NULL;
    unsigned states;

    test_dir_copy(dir, base);
    test_leaf_install();
    test_leaf_record();
    act(arg, &error);
    g_assert_no_error(error);
    changes = test_leaf_record_end();
    test_leaf_remove();
    recorded.base_dir = base;
    recorded.changes = changes;
    states = test_crash_replay(&recorded, arg);
    test_dir_remove(base);
    return states;
}
