/* SPDX-License-Identifier: BSD-3-Clause */
/* tests/unit/test-https-access.c - tickets that a program gets for the driver
 * "https". */
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "block/rw.h"
#include "block/tickets.h"
#include "io/sync.h"
#include "tests/support/co-test.h"
#include "tests/unit/http-server.h"

#define SIZE (256u << 10)
#define STEP (32u << 10)
#define QUEUE_SECONDS 60
#define TICKET_REQUESTS 3 /* that a ticket is good for */

typedef struct {
    int valid;    /* the ticket that counts; under nobody's lock: atomic */
    int requests; /* with it */
    int given;    /* by the source */
    bool refuse;
    bool asked;        /* and has not given yet */
    VioCancel *cancel; /* has to come with the question */
    const char *url;   /* comes with tickets; or NULL */
    const char *path;  /* the only one that is served; NULL = any is */
    int nonsense;      /* is what is answered; atomic */
    VioCancel *end;    /* of what tickets let in to; or NULL */
    int ends;          /* at the next request; atomic */
    bool fails;        /* which is answered so, instead of not at all */
    /* So many requests without a good ticket are refused together. */
    int queue; /* under the lock */
} Office;

static pthread_mutex_t queue_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t queue_full = PTHREAD_COND_INITIALIZER;

static uint8_t
byte_at(uint64_t off)
{
    return (uint8_t) (off * 7 + off / 251);
}

/* -- the server ------------------------------------------------------------ */

static bool
ticket_is_good(HttpPeer *peer, Office *office)
{
    g_autofree char *ticket = http_peer_header(peer, "Ticket");

    return ticket &&
           atoi(ticket) == __atomic_load_n(&office->valid, __ATOMIC_SEQ_CST) &&
           __atomic_add_fetch(&office->requests, 1, __ATOMIC_SEQ_CST) <=
               TICKET_REQUESTS;
}

static void
office_queue(Office *office)
{
    struct timespec end;

    (void) clock_gettime(CLOCK_REALTIME, &end);
    end.tv_sec += QUEUE_SECONDS;
    (void) pthread_mutex_lock(&queue_lock);
    if (--office->queue <= 0)
        (void) pthread_cond_broadcast(&queue_full);
    while (office->queue > 0 &&
           pthread_cond_timedwait(&queue_full, &queue_lock, &end) == 0)
        ;
    (void) pthread_mutex_unlock(&queue_lock);
}

static void
serve(HttpPeer *peer, void *arg)
{
    g_autofree char *range = http_peer_header(peer, "Range");
    g_autofree uint8_t *body = NULL;
    g_autofree char *path = http_peer_path(peer);
    Office *office = arg;
    guint64 first, last;

    if (__atomic_load_n(&office->nonsense, __ATOMIC_SEQ_CST)) {
        (void) http_peer_say(peer, "what?\r\n\r\n");
        peer->hang_up = true;
        return;
    }
    if (__atomic_load_n(&office->ends, __ATOMIC_SEQ_CST)) {
        office->refuse = true;
        if (office->fails)
            http_peer_answer(peer, "503 Later", "", "");
        vio_cancel_fire(office->end);
        return;
    }
    if (office->path)
        g_assert_cmpstr(path, ==, office->path);
    if (!ticket_is_good(peer, office)) {
        office_queue(office);
        http_peer_answer(peer, "401 Who", "", "");
        return;
    }
    g_assert_nonnull(range);
    g_assert_cmpint(sscanf(range, "bytes=%" SCNu64 "-%" SCNu64, &first, &last),
                    ==, 2);
    last = MIN(last, SIZE - 1);
    body = g_malloc(last - first + 1);
    for (guint64 i = first; i <= last; i++)
        body[i - first] = byte_at(i);
    (void) http_peer_say(peer,
                         "HTTP/1.1 206 Part\r\nContent-Length: %" PRIu64
                         "\r\nContent-Range: bytes %" PRIu64 "-%" PRIu64
                         "/%u\r\n\r\n",
                         last - first + 1, first, last, SIZE);
    (void) http_peer_send(peer, body, last - first + 1);
}

/* -- the source ------------------------------------------------------------ */

static bool
office_co_get(void *arg, VioLoop *loop, VioCancel *cancel, VdTicket *ticket,
              GError **error)
{
    Office *office = arg;
    g_autoptr(GStrvBuilder) lines = g_strv_builder_new();
    g_autofree char *line = NULL;

    if (office->refuse)
        return vd_throw(error, VD_ERROR_PERMISSION, "no more tickets");
    g_assert_true(cancel == office->cancel);
    g_assert_false(office->asked);
    office->asked = true;
    vio_co_reschedule();
    office->asked = false;
    office->given++;
    line = g_strdup_printf("Ticket: %d", office->given);
    g_strv_builder_add(lines, line);
    ticket->headers = g_strv_builder_end(lines);
    ticket->url = g_strdup(office->url);
    if (office->end)
        ticket->cancel = vio_cancel_ref(office->end);
    __atomic_store_n(&office->requests, 0, __ATOMIC_SEQ_CST);
    __atomic_store_n(&office->valid, office->given, __ATOMIC_SEQ_CST);
    return true;
}

/* -- cases ----------------------------------------------------------------- */

static VdNode *
try_open(TestCo *t, const HttpServer *server, const char *source,
         unsigned connections, GError **error)
{
    g_autofree char *url = http_server_url(server, "/disk");
    g_autofree char *options =
        g_strdup_printf("driver=https,connections=%u,url=%s,ticket-source=%s",
                        connections, url, source);

    return test_co_try_open(t, options, 0, error);
}

static void
test_renews(TestCo *t)
{
    g_autoptr(VioCancel) cancel = vio_cancel_new();
    Office office = {.cancel = cancel};
    g_autoptr(HttpServer) server = http_server_new(serve, &office, NULL);
    VdTicketSource *source = vd_ticket_source_new(office_co_get, &office, NULL);
    g_autofree uint8_t *buf = g_malloc(STEP);
    g_autoptr(GError) error = NULL;
    VdNode *node;

    t->env.cancel = cancel;
    node = try_open(t, server, vd_ticket_source_name(source), 1, &error);
    g_assert_no_error(error);
    vd_ticket_source_close(source); /* the disk has it */
    for (uint64_t off = 0; off < SIZE; off += STEP) {
        g_assert_true(vd_node_co_pread(node, off, buf, STEP, &error));
        for (size_t i = 0; i < STEP; i++)
            g_assert_cmpuint(buf[i], ==, byte_at(off + i));
    }
    g_assert_cmpint(office.given, >, 1);
    g_assert_cmpint(office.given, <, SIZE / STEP);
    office.refuse = true;
    while (vd_node_co_pread(node, SIZE - STEP, buf, STEP, &error))
        ;
    g_assert_error(error, VD_ERROR, VD_ERROR_PERMISSION);
    test_co_close(node);
}

#define READERS 3 /* one ticket is enough for them */

static bool
reader_co_main(void *node, GError **error)
{
    g_autofree uint8_t *buf = g_malloc(STEP);

    return vd_node_co_pread(node, SIZE - STEP, buf, STEP, error);
}

static void
test_renews_for_all(TestCo *t)
{
    Office office = {0};
    g_autoptr(HttpServer) server = http_server_new(serve, &office, NULL);
    VdTicketSource *source = vd_ticket_source_new(office_co_get, &office, NULL);
    g_autoptr(VioCoGroup) group = vio_co_group_new(READERS);
    g_autoptr(GError) error = NULL;
    VdNode *node =
        try_open(t, server, vd_ticket_source_name(source), READERS, &error);

    g_assert_no_error(error);
    vd_ticket_source_close(source);
    (void) pthread_mutex_lock(&queue_lock);
    office.queue = READERS;
    (void) pthread_mutex_unlock(&queue_lock);
    __atomic_store_n(&office.valid, 0, __ATOMIC_SEQ_CST);
    for (int i = 0; i < READERS; i++)
        vio_co_group_spawn(group, reader_co_main, node, NULL);
    g_assert_true(vio_co_group_join(group, &error));
    g_assert_no_error(error);
    g_assert_cmpint(office.given, ==, 2);
    test_co_close(node);
}

static void
test_refusals(TestCo *t)
{
    Office office = {.refuse = true};
    g_autoptr(HttpServer) server = http_server_new(serve, &office, NULL);
    VdTicketSource *source = vd_ticket_source_new(office_co_get, &office, NULL);
    g_autofree char *name = g_strdup(vd_ticket_source_name(source));
    g_autoptr(GError) error = NULL;

    g_assert_null(try_open(t, server, name, 1, &error));
    g_assert_error(error, VD_ERROR, VD_ERROR_PERMISSION);
    g_clear_error(&error);
    vd_ticket_source_close(source);
    g_assert_null(try_open(t, server, name, 1, &error));
    g_assert_error(error, VD_ERROR, VD_ERROR_INVALID_ARGUMENT);
    g_assert_cmpint(http_server_requests(server), ==, 0);
}

/* What a ticket says instead of the option is asked for, and told to nobody. */
static void
test_secret_url(TestCo *t)
{
    Office office = {.path = "/secret"};
    g_autoptr(HttpServer) server = http_server_new(serve, &office, NULL);
    g_autofree char *url = http_server_url(server, "/secret");
    VdTicketSource *source = vd_ticket_source_new(office_co_get, &office, NULL);
    g_autofree uint8_t *buf = g_malloc(STEP);
    g_autoptr(GError) error = NULL;
    VdNode *node;

    office.url = url;
    node = try_open(t, server, vd_ticket_source_name(source), 1, &error);
    g_assert_no_error(error);
    g_assert_true(vd_node_co_pread(node, SIZE - STEP, buf, STEP, &error));
    __atomic_store_n(&office.nonsense, 1, __ATOMIC_SEQ_CST);
    g_assert_false(vd_node_co_pread(node, SIZE - STEP, buf, STEP, &error));
    g_assert_error(error, VD_ERROR, VD_ERROR_IO);
    g_assert_nonnull(strstr(error->message, "/disk"));
    g_assert_null(strstr(error->message, "secret"));
    g_assert_null(strstr(vd_node_name(node), "secret"));
    test_co_close(node);
    vd_ticket_source_close(source);
}

/* What tickets let in to may end while the server is silent, or before it is
 * asked again (@fails): then the source says why. */
static void
check_ends(TestCo *t, bool fails)
{
    g_autoptr(VioCancel) end = vio_cancel_new();
    Office office = {.end = end, .fails = fails};
    g_autoptr(HttpServer) server = http_server_new(serve, &office, NULL);
    VdTicketSource *source = vd_ticket_source_new(office_co_get, &office, NULL);
    g_autofree uint8_t *buf = g_malloc(STEP);
    g_autoptr(GError) error = NULL;
    VdNode *node =
        try_open(t, server, vd_ticket_source_name(source), 1, &error);

    g_assert_no_error(error);
    __atomic_store_n(&office.ends, 1, __ATOMIC_SEQ_CST);
    g_assert_false(vd_node_co_pread(node, SIZE - STEP, buf, STEP, &error));
    g_assert_error(error, VD_ERROR, VD_ERROR_PERMISSION);
    g_assert_nonnull(strstr(error->message, "no more tickets"));
    test_co_close(node);
    vd_ticket_source_close(source);
}

static void
test_ends(TestCo *t)
{
    check_ends(t, false);
}

static void
test_ends_between_tries(TestCo *t)
{
    check_ends(t, true);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    test_co_add("/https/access/renews", test_renews);
    test_co_add("/https/access/renews-for-all", test_renews_for_all);
    test_co_add("/https/access/refusals", test_refusals);
    test_co_add("/https/access/secret-url", test_secret_url);
    test_co_add("/https/access/ends", test_ends);
    test_co_add("/https/access/ends-between-tries", test_ends_between_tries);
    return g_test_run();
}
