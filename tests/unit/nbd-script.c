/* SPDX-License-Identifier: BSD-3-Clause */
/* tests/unit/nbd-script.c - a server of NBD that says what a script says. */
#include "tests/unit/nbd-script.h"

#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "io/fd.h"

#define MAX_CONNS 4u

struct NbdScript {
    char *path;
    char **lines;
    GThread *thread;
    int listener, conns[MAX_CONNS], *conn; /* -1 = none yet */
    char *trouble; /* the first step that went another way */
    bool waits;    /* atomic */
};

/* -- bytes ----------------------------------------------------------------- */

/* *@any: one flag a byte, true for "??". */
static GByteArray *
parse_hex(const char *text, GByteArray *any)
{
    GByteArray *bytes = g_byte_array_new();

    for (const char *p = text; *p;) {
        uint8_t byte, is_any;

        if (*p == ' ') {
            p++;
            continue;
        }
        is_any = p[0] == '?';
        byte = is_any ? 0
                      : (uint8_t) (g_ascii_xdigit_value(p[0]) << 4 |
                                   g_ascii_xdigit_value(p[1]));
        g_byte_array_append(bytes, &byte, 1);
        g_byte_array_append(any, &is_any, 1);
        p += 2;
    }
    return bytes;
}

static void
step_send(NbdScript *s, const char *text, unsigned pause_s)
{
    g_autoptr(GByteArray) any = g_byte_array_new();
    g_autoptr(GByteArray) bytes = parse_hex(text, any);
    size_t step = pause_s ? 1 : bytes->len;

    for (size_t at = 0; at < bytes->len; at += step) {
        if (send(*s->conn, bytes->data + at, step, MSG_NOSIGNAL) < 0)
            break; /* the client has had enough, which it may */
        if (pause_s)
            g_usleep(pause_s * G_USEC_PER_SEC);
    }
}

static bool
step_expect(NbdScript *s, const char *text)
{
    g_autoptr(GByteArray) any = g_byte_array_new();
    g_autoptr(GByteArray) bytes = parse_hex(text, any);
    g_autofree uint8_t *got = g_malloc0(bytes->len);
    ssize_t n = recv(*s->conn, got, bytes->len, MSG_WAITALL);

    if (n != (ssize_t) bytes->len)
        return false;
    for (guint i = 0; i < bytes->len; i++)
        if (!any->data[i] && got[i] != bytes->data[i]) {
            g_test_message("byte %u is %02x", i, got[i]);
            return false;
        }
    return true;
}

/* -- steps ----------------------------------------------------------------- */

static void
drain(NbdScript *s)
{
    char waste[4096];

    if (*s->conn < 0)
        return;
    while (recv(*s->conn, waste, sizeof(waste), 0) > 0)
        ;
    (void) close(*s->conn);
    *s->conn = -1;
}

static void
drain_all(NbdScript *s)
{
    for (unsigned i = 0; i < MAX_CONNS; i++) {
        s->conn = &s->conns[i];
        drain(s);
    }
}

/* A closed Unix socket is told of even if there is something to read. */
static void
step_hold(NbdScript *s)
{
    struct pollfd pfd = {.fd = *s->conn, .events = 0};

    while (poll(&pfd, 1, -1) < 0 || !(pfd.revents & POLLHUP))
        ;
}

static void
step_turn_to(NbdScript *s, const char *text)
{
    unsigned i = (unsigned) g_ascii_digit_value(*text);

    g_assert_cmpuint(i, <, MAX_CONNS);
    s->conn = &s->conns[i];
}

static bool
do_step(NbdScript *s, const char *line)
{
    if (g_str_has_prefix(line, "conn ")) {
        step_turn_to(s, line + 5);
        return true;
    }
    if (*s->conn < 0)
        *s->conn = accept(s->listener, NULL, NULL);
    if (*s->conn < 0)
        return false;
    if (g_str_has_prefix(line, "< "))
        return step_expect(s, line + 2);
    if (g_str_has_prefix(line, "> ")) {
        step_send(s, line + 2, 0);
    } else if (g_str_has_prefix(line, "drip ")) {
        step_send(s, line + 5, 1);
    } else if (strcmp(line, "hold") == 0) {
        step_hold(s);
    } else if (strcmp(line, "wait") == 0) {
        __atomic_store_n(&s->waits, true, __ATOMIC_SEQ_CST);
        drain(s);
    } else {
        g_assert_cmpstr(line, ==, "close");
        (void) close(*s->conn);
        *s->conn = -1;
    }
    return true;
}

static gpointer
serve(gpointer data)
{
    NbdScript *s = data;

    for (char **line = s->lines; *line; line++) {
        if (**line == '\0' || do_step(s, *line))
            continue;
        s->trouble = g_strdup(*line);
        break;
    }
    drain_all(s);
    return NULL;
}

/* -- for tests ------------------------------------------------------------- */

NbdScript *
nbd_script_new(TestCo *t, const char *text)
{
    NbdScript *s = g_new0(NbdScript, 1);
    struct sockaddr_un addr = {.sun_family = AF_UNIX};

    s->path = test_co_path(t, "script.sock");
    s->lines = g_strsplit(text, "\n", -1);
    for (unsigned i = 0; i < MAX_CONNS; i++)
        s->conns[i] = -1;
    s->conn = s->conns;
    s->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    g_assert_cmpint(s->listener, >=, 0);
    g_assert_cmpuint(strlen(s->path), <, sizeof(addr.sun_path));
    strcpy(addr.sun_path, s->path);
    (void) unlink(s->path);
    g_assert_cmpint(bind(s->listener, (struct sockaddr *) &addr, sizeof(addr)),
                    ==, 0);
    g_assert_cmpint(listen(s->listener, 8), ==, 0);
    s->thread = g_thread_new("script", serve, s);
    return s;
}

char *
nbd_script_options(const NbdScript *s, const char *more)
{
    return g_strdup_printf("driver=nbd,server.type=unix,server.path=%s%s%s",
                           s->path, *more ? "," : "", more);
}

bool
nbd_script_waits(NbdScript *s)
{
    return __atomic_load_n(&s->waits, __ATOMIC_SEQ_CST);
}

void
nbd_script_end(NbdScript *s)
{
    (void) shutdown(s->listener, SHUT_RDWR); /* nobody else will come */
    (void) g_thread_join(s->thread);
    g_assert_cmpstr(s->trouble, ==, NULL);
    (void) close(s->listener);
    g_strfreev(s->lines);
    g_free(s->path);
    g_free(s);
}
