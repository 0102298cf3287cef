/* SPDX-License-Identifier: BSD-3-Clause */
/* block/proto/nfc/ticket.c - a ticket for one connection.
 *
 * What becomes part of a line of authd is looked at here: nobody else's command
 * may hide in it.
 *
 * Concurrency: files are read on a worker.
 */
#include "block/proto/nfc/target.h"

#include "block/proto/text.h"
#include "io/fd.h"
#include "io/offload.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/stat.h>

#define MAX_WORD 900u /* of a line, which authd limits to 1016 */
#define WAIT_MS 10
#define MOST_WAITS 1000u

typedef struct {
    const char *path;
    char text[MAX_WORD + 2];
    size_t n;
    int errnum;
} ReadFile;

/* Something may come, or somebody who writes.  False: nothing has in time. */
static bool
await_more(int fd, unsigned *waits)
{
    struct pollfd wait = {.fd = fd, .events = POLLIN};

    (void) poll(&wait, 1, WAIT_MS); /* reading will tell */
    if (wait.revents & POLLHUP)
        g_usleep(WAIT_MS * 1000);
    return ++*waits < MOST_WAITS;
}

/* A line, of a file or of a pipe, which gives another one to each reader. */
static int
read_line(int fd, ReadFile *work)
{
    unsigned waits = 0;
    struct stat st;

    if (fd < 0 || fstat(fd, &st) < 0)
        return errno;
    while (work->n < sizeof(work->text) - 1 &&
           !memchr(work->text, '\n', work->n)) {
        ssize_t n =
            read(fd, work->text + work->n, sizeof(work->text) - 1 - work->n);

        if (n > 0)
            work->n += (size_t) n;
        else if (n == 0 && (work->n > 0 || !S_ISFIFO(st.st_mode)))
            break;
        else if (n < 0 && errno != EAGAIN && errno != EINTR)
            return errno;
        else if (!await_more(fd, &waits))
            return ETIMEDOUT;
    }
    return 0;
}

static void
read_work(void *opaque)
{
    ReadFile *work = opaque;
    VIO_AUTO_FD fd =
        open(work->path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);

    work->errnum = read_line(fd, work);
}

static bool
file_co_read(const NfcTarget *t, VioLoop *loop, VdTicket *ticket,
             GError **error)
{
    g_autofree ReadFile *work = g_new0(ReadFile, 1);

    work->path = t->session_file;
    vio_co_offload(loop, read_work, work);
    if (work->errnum == 0) {
        work->text[strcspn(work->text, "\r\n")] = '\0'; /* one is enough */
        ticket->session_id = g_strdup(g_strstrip(work->text));
    }
    explicit_bzero(work->text, sizeof(work->text));
    return work->errnum == 0 ||
           vd_throw_errno(error, work->errnum, "%s", t->session_file);
}

static bool
is_word(const char *text)
{
    size_t len = strlen(text);

    for (const char *p = text; *p; p++)
        if (!g_ascii_isgraph(*p))
            return false;
    return len > 0 && len <= MAX_WORD;
}

/* It is shown in messages. */
static bool
is_host(const char *text)
{
    g_autofree char *shown = vd_escape_text(text, strlen(text));

    return *text && strcmp(shown, text) == 0;
}

static void
fill_in(char **field, const char *otherwise)
{
    if (!*field)
        *field = g_strdup(otherwise);
}

bool
nfc_ticket_co_get(const NfcTarget *t, VioLoop *loop, VioCancel *cancel,
                  VdTicket *ticket, GError **error)
{
    bool ok = t->source ? vd_ticket_source_co_get(t->source, loop, cancel,
                                                  ticket, error)
                        : file_co_read(t, loop, ticket, error);

    if (!ok)
        return vd_prefix(error, "%s: ticket: ", t->name);
    fill_in(&ticket->host, t->host);
    fill_in(&ticket->service, t->service);
    fill_in(&ticket->thumbprint, t->thumbprint);
    if (ticket->port == 0)
        ticket->port = (unsigned) t->port;
    if (ticket->host && is_host(ticket->host) && ticket->session_id &&
        is_word(ticket->session_id) && is_word(ticket->service))
        return true;
    return vd_throw(error, VD_ERROR_INVALID_ARGUMENT,
                    "%s: a ticket has a host, and a session and a service of "
                    "up to %u characters without blanks",
                    t->name, MAX_WORD);
}
