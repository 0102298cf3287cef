/* SPDX-License-Identifier: BSD-3-Clause */
/* tools/io/break.c - break, resume, remove_break, wait_break: requests that
 * stop at an event in the fault filter until they are told to go on.
 *
 * Concurrency: main thread only.
 */
#include <stdio.h>
#include <string.h>

#include "tools/io/report.h"
#include "tools/io/shell.h"

#define TURN_MS 200

static void
told_free(gpointer tag)
{
    g_free(tag);
}

static void
tag_watch(Shell *shell, const char *tag)
{
    if (!shell->tags)
        shell->tags = g_ptr_array_new_with_free_func(told_free);
    g_ptr_array_add(shell->tags, g_strdup(tag));
}

/* A break point stops one request, so it is heard of once. */
void
shell_tell_breaks(Shell *shell)
{
    for (guint i = 0; shell->tags && shell->disk && i < shell->tags->len;) {
        const char *tag = shell->tags->pdata[i];
        if (!vd_disk_count_stopped(shell->disk, tag)) {
            i++;
            continue;
        }
        printf("blkdebug: Suspended request '%s'\n", tag);
        g_ptr_array_remove_index(shell->tags, i);
    }
    fflush(stdout);
}

void
shell_forget_breaks(Shell *shell)
{
    g_clear_pointer(&shell->tags, g_ptr_array_unref);
    if (shell->disk)
        (void) vd_disk_remove_breaks(shell->disk, NULL, NULL, NULL);
}

static bool
break_failed(const char *what, const GError *error)
{
    printf("Could not %s: %s\n", what, report_reason(error));
    report_detail(error);
    return false;
}

static bool
io_break_run(Shell *shell, const ShellCommand *self, int argc, char **argv)
{
    g_autoptr(GError) error = NULL;

    if (!vd_disk_set_break(shell->disk, argv[1], argv[2], &error))
        return break_failed("set breakpoint", error);
    tag_watch(shell, argv[2]);
    return true;
}

static bool
io_resume_run(Shell *shell, const ShellCommand *self, int argc, char **argv)
{
    g_autoptr(GError) error = NULL;

    if (!vd_disk_resume_stopped(shell->disk, argv[1], &error))
        return break_failed("resume request", error);
    printf("blkdebug: Resuming request '%s'\n", argv[1]);
    shell_kick(shell);
    return true;
}

static bool
io_remove_break_run(Shell *shell, const ShellCommand *self, int argc,
                    char **argv)
{
    g_autoptr(GError) error = NULL;
    unsigned resumed = 0;
    bool ok = vd_disk_remove_breaks(shell->disk, argv[1], &resumed, &error);

    for (unsigned i = 0; i < resumed; i++)
        printf("blkdebug: Resuming request '%s'\n", argv[1]);
    if (ok)
        return true;
    g_autofree char *what = g_strdup_printf("remove breakpoint %s", argv[1]);
    return break_failed(what, error);
}

static bool
io_wait_break_run(Shell *shell, const ShellCommand *self, int argc, char **argv)
{
    while (!vd_disk_count_stopped(shell->disk, argv[1])) {
        if (shell_interrupted())
            return false;
        shell_turn(shell, TURN_MS);
    }
    return true;
}

const ShellCommand io_break = {
    .name = "break",
    .args = "event tag",
    .summary = "sets a breakpoint on event and tags the stopped request as tag",
    .min_args = 2,
    .max_args = 2,
    .needs = NEEDS_DISK,
    .run = io_break_run,
};

const ShellCommand io_resume = {
    .name = "resume",
    .args = "tag",
    .summary = "resumes the request tagged as tag",
    .min_args = 1,
    .max_args = 1,
    .needs = NEEDS_DISK,
    .run = io_resume_run,
};

const ShellCommand io_remove_break = {
    .name = "remove_break",
    .args = "tag",
    .summary = "remove a breakpoint by tag",
    .min_args = 1,
    .max_args = 1,
    .needs = NEEDS_DISK,
    .run = io_remove_break_run,
};

const ShellCommand io_wait_break = {
    .name = "wait_break",
    .args = "tag",
    .summary = "waits for the suspension of a request",
    .min_args = 1,
    .max_args = 1,
    .needs = NEEDS_DISK,
    .run = io_wait_break_run,
};
