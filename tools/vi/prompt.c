/* SPDX-License-Identifier: BSD-3-Clause */
/* tools/vi/prompt.c - a password is asked for at the terminal.
 *
 * The terminal does not show what is typed, and shows again what is typed later
 * whatever happens here: signals that end or stop the process wait until the
 * terminal is as it was, and are then delivered.  One that has stopped it is
 * followed by the question again.  Standard input and output are left alone:
 * images may go through them.
 *
 * Concurrency: one thread at a time; only this one's signals wait, so it should
 * be the only one there is.
 */
#include "tools/vi/internal.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/signalfd.h>
#include <termios.h>
#include <unistd.h>

#define MAX_PASSWORD 1024

typedef struct {
    int tty, signals;     /* descriptors */
    sigset_t usual, held; /* signals that wait: before, and meanwhile */
    struct termios shown; /* as it was */
    size_t len;
    char line[MAX_PASSWORD + 1];
} Prompt;

void
vi_wipe(char *secret)
{
    if (secret)
        explicit_bzero(secret, strlen(secret));
    g_free(secret);
}

/* -- signals -------------------------------------------------------------- */

/* What is ignored does not end us. */
static void
hold_signals(Prompt *p)
{
    static const int stopping[] = {SIGINT, SIGQUIT, SIGTERM, SIGHUP, SIGTSTP};

    sigemptyset(&p->held);
    for (size_t i = 0; i < G_N_ELEMENTS(stopping); i++) {
        struct sigaction action;

        if (sigaction(stopping[i], NULL, &action) == 0 &&
            action.sa_handler != SIG_IGN)
            sigaddset(&p->held, stopping[i]);
    }
    pthread_sigmask(SIG_BLOCK, &p->held, &p->usual);
}

/* What would have happened to us.  It may be survived. */
static void
deliver(Prompt *p, int sig)
{
    pthread_sigmask(SIG_SETMASK, &p->usual, NULL);
    (void) raise(sig);
    pthread_sigmask(SIG_BLOCK, &p->held, NULL);
}

/* 0 = none. */
static int
take_signal(const Prompt *p)
{
    struct signalfd_siginfo info;

    return read(p->signals, &info, sizeof(info)) == sizeof(info)
               ? (int) info.ssi_signo
               : 0;
}

/* -- the terminal --------------------------------------------------------- */

/* In the background the settings are those of whoever has the terminal, and no
 * ones to come back to: stop until it is ours. */
static bool
hide(Prompt *p)
{
    struct termios hidden;

    if (tcgetpgrp(p->tty) != getpgrp())
        (void) kill(0, SIGTTOU);
    if (tcgetattr(p->tty, &p->shown) < 0)
        return false;
    hidden = p->shown;
    hidden.c_lflag &= ~(tcflag_t) (ECHO | ECHOE | ECHOK | ECHONL);
    hidden.c_lflag |= ICANON | ISIG;
    return tcsetattr(p->tty, TCSAFLUSH, &hidden) == 0;
}

/* What stands behind the line is dropped: it is no command for a shell. */
static void
show(const Prompt *p)
{
    (void) tcsetattr(p->tty, TCSAFLUSH, &p->shown);
    (void) !write(p->tty, "\n", 1); /* for looks */
}

static bool
line_is_full(const Prompt *p)
{
    return p->len == sizeof(p->line) || memchr(p->line, '\n', p->len);
}

/* Until a line is there: 0; or the number of a signal; or -errno. */
static int
read_line(Prompt *p)
{
    struct pollfd fds[] = {{p->signals, POLLIN, 0}, {p->tty, POLLIN, 0}};
    ssize_t n;
    int sig;

    while (!line_is_full(p)) {
        if (poll(fds, G_N_ELEMENTS(fds), -1) < 0) {
            if (errno != EINTR)
                return -errno;
            continue; /* nothing is known of the two */
        }
        sig = take_signal(p);
        if (sig)
            return sig;
        if (!fds[1].revents)
            continue;
        n = read(p->tty, p->line + p->len, sizeof(p->line) - p->len);
        if (n < 0 && errno != EINTR && errno != EAGAIN)
            return -errno;
        if (n == 0)
            return -ENODATA;
        p->len += n > 0 ? (size_t) n : 0;
    }
    return 0;
}

/* The same as read_line(), from the question to the end. */
static int
ask_once(Prompt *p, const char *text)
{
    int r;

    p->len = 0;
    if (!hide(p))
        return -errno;
    if (write(p->tty, text, strlen(text)) < 0)
        r = -errno;
    else
        r = read_line(p);
    show(p);
    return r;
}

/* -- the password --------------------------------------------------------- */

static char *
take_password(const Prompt *p, const char **why)
{
    const char *end = memchr(p->line, '\n', p->len);
    size_t len = end ? (size_t) (end - p->line) : 0;

    if (!end)
        *why = "it is too long";
    else if (len == 0)
        *why = "nothing has been typed";
    else if (memchr(p->line, '\0', len))
        *why = "it is no text";
    else
        return g_strndup(p->line, len);
    return NULL;
}

static char *
ask(Prompt *p, const char *text, const char **why)
{
    int r;

    do {
        r = ask_once(p, text);
        if (r > 0)
            deliver(p, r);
    } while (r == SIGTSTP);
    if (r == 0)
        return take_password(p, why);
    *why = r > 0           ? "it was interrupted"
           : r == -ENODATA ? "nothing has been typed"
                           : g_strerror(-r);
    return NULL;
}

char *
vi_prompt(const char *text, const char **why)
{
    Prompt p = {.tty = open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY)};
    char *password = NULL;

    if (p.tty < 0) {
        *why = "there is no terminal to ask at";
        return NULL;
    }
    hold_signals(&p);
    p.signals = signalfd(-1, &p.held, SFD_CLOEXEC | SFD_NONBLOCK);
    if (p.signals < 0)
        *why = g_strerror(errno);
    else
        password = ask(&p, text, why);
    pthread_sigmask(SIG_SETMASK, &p.usual, NULL);
    explicit_bzero(p.line, sizeof(p.line));
    if (p.signals >= 0)
        (void) close(p.signals);
    (void) close(p.tty);
    return password;
}
