/* SPDX-License-Identifier: BSD-3-Clause */
/* tools/io/input.c - commands line by line.
 *
 * Concurrency: main thread only.
 */
#include "tools/io/input.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "tools/output.h"

#define LINE_MAX_BYTES (1 << 20)

/* The first line of @text, without its end; NULL if there is none yet (with
 * @last what is left counts as one). */
static char *
line_take(GString *text, bool last)
{
    const char *end = memchr(text->str, '\n', text->len);
    size_t len = end ? (size_t) (end - text->str) : text->len;

    if (!end && (!last || !len))
        return NULL;
    char *line = g_strndup(text->str, len);
    g_string_erase(text, 0, (gssize) (len + (end ? 1 : 0)));
    return line;
}

/* More of standard input, while requests under way go on.  False at its
 * end. */
static bool
input_wait(Shell *shell, GString *text)
{
    struct pollfd fds[] = {
        {.fd = STDIN_FILENO, .events = POLLIN},
        {.fd = vd_context_fd(shell->ctx), .events = POLLIN},
    };
    char bytes[4096];

    for (;;) {
        shell_turn(shell, 0);
        int ready =
            poll(fds, G_N_ELEMENTS(fds), vd_context_timeout_ms(shell->ctx));
        if (shell_interrupted() || (ready < 0 && errno != EINTR))
            return false;
        if (ready > 0 && fds[0].revents)
            break;
    }
    ssize_t got = read(STDIN_FILENO, bytes, sizeof(bytes));
    if (got <= 0 || text->len > LINE_MAX_BYTES)
        return false;
    g_string_append_len(text, bytes, got);
    return true;
}

bool
input_run(Shell *shell)
{
    g_autoptr(GString) text = g_string_new(NULL);
    bool ok = true, more = true;

    while (!shell->finish && !shell_interrupted()) {
        printf("%s> ", out_program());
        fflush(stdout);
        char *line;
        while (!(line = line_take(text, !more)) && more)
            more = input_wait(shell, text);
        if (!line)
            break;
        ok = shell_run(shell, line) && ok;
        g_free(line);
    }
    return ok;
}

bool
lines_run(Shell *shell, const GPtrArray *lines)
{
    bool ok = true;

    for (guint i = 0; i < lines->len && !shell->finish; i++)
        if (!shell_interrupted())
            ok = shell_run(shell, lines->pdata[i]) && ok;
    return ok;
}
