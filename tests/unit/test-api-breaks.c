/* SPDX-License-Identifier: BSD-3-Clause */
/* tests/unit/test-api-breaks.c - requests that are held at a break point. */
#include "tests/unit/api-test.h"

#define STOPPING                                                               \
    "driver=raw,file.driver=blkdebug,file.image.driver=memory,"                \
    "file.image.size=1M"

typedef struct {
    VdDisk *disk;
    uint8_t bytes[512];
    struct iovec iov;
    unsigned done;
} Held;

static void
note_done(void *opaque, const GError *error)
{
    g_assert_no_error(error);
    ((Held *) opaque)->done++;
}

static void
held_open(Held *held, const ApiTest *t)
{
    held->disk = api_test_open_opts(t, VD_OPEN_RDWR, STOPPING);
    held->iov = (struct iovec){held->bytes, sizeof(held->bytes)};
}

static void
held_write(Held *held)
{
    vd_disk_pwritev_async(held->disk, &held->iov, 1, 0, 0, note_done, held);
    while (vd_context_dispatch(vd_disk_context(held->disk)))
        ;
}

static void
run_until_done(Held *held, unsigned goal)
{
    while (held->done < goal)
        (void) vd_context_iterate(vd_disk_context(held->disk), -1);
}

static void
set_break(const Held *held, const char *event, const char *tag)
{
    g_autoptr(GError) error = NULL;

    g_assert_true(vd_disk_set_break(held->disk, event, tag, &error));
    g_assert_no_error(error);
}

static void
test_stops_until_it_is_resumed(ApiTest *t, gconstpointer unused)
{
    g_autoptr(GError) error = NULL;
    Held held = {.bytes = {7}};
    uint8_t byte = 1;

    held_open(&held, t);
    set_break(&held, "write_aio", "a");
    held_write(&held);
    g_assert_cmpuint(held.done, ==, 0);
    g_assert_cmpuint(vd_disk_count_stopped(held.disk, "a"), ==, 1);
    g_assert_cmpuint(vd_disk_count_stopped(held.disk, "b"), ==, 0);
    g_assert_true(vd_disk_pread(held.disk, &byte, 1, 0, &error));
    g_assert_cmpuint(byte, ==, 0);
    g_assert_true(vd_disk_resume_stopped(held.disk, "a", &error));
    run_until_done(&held, 1);
    g_assert_true(vd_disk_pread(held.disk, &byte, 1, 0, &error));
    g_assert_cmpuint(byte, ==, 7);
    g_assert_false(vd_disk_resume_stopped(held.disk, "a", &error));
    g_assert_error(error, VD_ERROR, VD_ERROR_NOT_FOUND);
    api_test_close(held.disk);
}

static void
test_each_point_stops_one(ApiTest *t, gconstpointer unused)
{
    Held held = {0};

    held_open(&held, t);
    set_break(&held, "write_aio", "a");
    set_break(&held, "pwritev", "a");
    held_write(&held);
    held_write(&held);
    g_assert_cmpuint(vd_disk_count_stopped(held.disk, NULL), ==, 2);
    g_assert_true(vd_disk_resume_stopped(held.disk, "a", NULL));
    g_assert_true(vd_disk_resume_stopped(held.disk, "a", NULL));
    run_until_done(&held, 2);
    held_write(&held);
    run_until_done(&held, 3);
    api_test_close(held.disk);
}

static void
test_removing_lets_go(ApiTest *t, gconstpointer unused)
{
    g_autoptr(GError) error = NULL;
    unsigned resumed = 9;
    Held held = {0};

    held_open(&held, t);
    set_break(&held, "write_aio", "a");
    set_break(&held, "read_aio", "b");
    g_assert_true(vd_disk_remove_breaks(held.disk, "b", &resumed, &error));
    g_assert_cmpuint(resumed, ==, 0);
    held_write(&held);
    g_assert_false(vd_disk_remove_breaks(held.disk, "a", &resumed, &error));
    g_assert_error(error, VD_ERROR, VD_ERROR_NOT_FOUND); /* used up */
    g_assert_cmpuint(resumed, ==, 1);
    run_until_done(&held, 1);
    api_test_close(held.disk);
}

static void
test_closing_lets_go(ApiTest *t, gconstpointer unused)
{
    Held held = {0};

    held_open(&held, t);
    set_break(&held, "write_aio", "a");
    held_write(&held);
    api_test_close(held.disk);
    g_assert_cmpuint(held.done, ==, 1);
}

static void
test_what_cannot_stop_says_so(ApiTest *t, gconstpointer unused)
{
    VdDisk *plain = api_test_memory(t, MIB);
    g_autoptr(GError) error = NULL;
    Held held = {0};

    g_assert_false(vd_disk_set_break(plain, "write_aio", "a", &error));
    g_assert_error(error, VD_ERROR, VD_ERROR_NOT_SUPPORTED);
    g_clear_error(&error);
    g_assert_cmpuint(vd_disk_count_stopped(plain, NULL), ==, 0);
    api_test_close(plain);
    held_open(&held, t);
    g_assert_false(vd_disk_set_break(held.disk, "full_moon", "a", &error));
    g_assert_error(error, VD_ERROR, VD_ERROR_NOT_FOUND);
    api_test_close(held.disk);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    api_test_add("/api/breaks/resume", test_stops_until_it_is_resumed);
    api_test_add("/api/breaks/one-by-one", test_each_point_stops_one);
    api_test_add("/api/breaks/remove", test_removing_lets_go);
    api_test_add("/api/breaks/close", test_closing_lets_go);
    api_test_add("/api/breaks/impossible", test_what_cannot_stop_says_so);
    return g_test_run();
}
