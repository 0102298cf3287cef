/* SPDX-License-Identifier: BSD-3-Clause */
/* io/process.c - is another process of this machine still the one it was?
 *
 * Concurrency: no state; any thread.  Reads /proc, which does not block.
 */
#include "io/process.h"

#include <errno.h>
#include <glib.h>
#include <signal.h>
#include <string.h>

/* In /proc/PID/stat, of what follows the name, which is field 2. */
#define FIRST_FIELD 3
#define START_FIELD 22

static char *
read_stat(pid_t pid)
{
    g_autofree char *path = pid ? g_strdup_printf("/proc/%d/stat", (int) pid)
                                : g_strdup("/proc/self/stat");
    char *text;

    return g_file_get_contents(path, &text, NULL, NULL) ? text : NULL;
}

uint64_t
vio_process_start(pid_t pid, char **command)
{
    g_autofree char *stat = read_stat(pid);
    char *open = stat ? strchr(stat, '(') : NULL;
    char *close = stat ? strrchr(stat, ')') : NULL; /* a name may have some */
    g_auto(GStrv) fields = NULL;
    guint64 start = 0;

    if (command)
        *command = NULL;
    if (!open || !close || close < open || close[1] != ' ')
        return 0;
    fields = g_strsplit(close + 2, " ", 0);
    if (g_strv_length(fields) <= START_FIELD - FIRST_FIELD ||
        !g_ascii_string_to_unsigned(fields[START_FIELD - FIRST_FIELD], 10, 0,
                                    G_MAXUINT64, &start, NULL))
        return 0;
    if (command)
        *command = g_strndup(open + 1, (gsize) (close - open - 1));
    return start;
}

/* Asked of the kernel first, not of /proc: that may be hidden from us, or there
 * may be no descriptor left to read it with. */
bool
vio_process_is_running(pid_t pid, uint64_t start)
{
    uint64_t running;

    if (pid <= 0)
        return true; /* no process's number: nothing is known */
    if (kill(pid, 0) != 0 && errno == ESRCH)
        return false;
    running = vio_process_start(pid, NULL);
    return start == 0 || running == 0 || running == start;
}
