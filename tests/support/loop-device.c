/* SPDX-License-Identifier: BSD-3-Clause */
/* tests/support/loop-device.c - block devices over files. */
#include "tests/support/loop-device.h"

#include <unistd.h>

static char *
run_losetup(const char *const *argv)
{
    g_autofree char *out = NULL;
    int status;

    if (!g_spawn_sync(NULL, (char **) argv, NULL,
                      G_SPAWN_SEARCH_PATH | G_SPAWN_STDERR_TO_DEV_NULL, NULL,
                      NULL, &out, NULL, &status, NULL) ||
        !g_spawn_check_wait_status(status, NULL))
        return NULL;
    return g_strdup(g_strstrip(out));
}

char *
test_loop_new(const char *path)
{
    const char *argv[] = {"losetup", "--find", "--show", path, NULL};
    char *device;

    if (geteuid() != 0) {
        g_test_skip("loop devices need root");
        return NULL;
    }
    device = run_losetup(argv);
    if (!device)
        g_test_skip("no loop device to be had (losetup)");
    return device;
}

void
test_loop_free(char *device)
{
    const char *argv[] = {"losetup", "--detach", device, NULL};
    g_autofree char *out = NULL;

    if (!device)
        return;
    out = run_losetup(argv);
    g_assert_nonnull(out);
    g_free(device);
}
