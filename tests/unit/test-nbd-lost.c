/* SPDX-License-Identifier: BSD-3-Clause */
/* tests/unit/test-nbd-lost.c - a client that has several connections, and loses
 * some.
 *
 * Of five requests that are not answered the fifth opens a second connection.
 * What comes after that goes there, because it has less to do. */
#include <string.h>

#include "block/proto/nbd/client.h"
#include "block/rw.h"
#include "io/op.h"
#include "io/sync.h"
#include "tests/unit/nbd-script.h"

#define GREETING "> 4e42444d41474943 49484156454f5054 0003\n< 00000003\n"
/* Simple replies; flags: all that can be but zeroes. */
#define SHAKE                                                                  \
    GREETING                                                                   \
    "< 49484156454f5054 0000000b 00000000\n"                                   \
    "> 0003e889045565a9 0000000b 80000001 00000000\n"                          \
    "< 49484156454f5054 00000008 00000000\n"                                   \
    "> 0003e889045565a9 00000008 80000001 00000000\n"                          \
    "< 49484156454f5054 00000007 0000000b 00000001 61 0002 0000 0003\n"        \
    "> 0003e889045565a9 00000007 00000003 0000000c 0000 0000000001000000 "     \
    "012d\n> 0003e889045565a9 00000007 00000001 00000000\n"

#define PILE 5u
#define COOKIE(use, slot) "00000000000" use "000" slot " "
#define REQUEST(command, cookie) "< 25609513 0000 000" command " " cookie
#define OK(cookie) "> 67446698 00000000 " cookie
#define READ(cookie) REQUEST("0", cookie) "???????????????? 00000002\n"
#define WRITE(cookie) REQUEST("1", cookie) "???????????????? 00000002 4142\n"
#define READ_OK(cookie) OK(cookie) "4344\n"
#define WRITE_OK(cookie) OK(cookie) "\n"
#define FLUSH(cookie)                                                          \
    REQUEST("3", cookie) "0000000000000000 00000000\n" OK(cookie) "\n"
/* Once more on a connection that has done one request before. */
#define FOUR(what)                                                             \
    what(COOKIE("1", "1")) what(COOKIE("1", "2")) what(COOKIE("1", "3"))       \
        what(COOKIE("1", "4"))
#define FIVE(what) what(COOKIE("1", "0")) FOUR(what)
#define AGAIN(what) what(COOKIE("2", "0")) FOUR(what)

/* The second one comes and does one read. */
#define SECOND "conn 1\n" SHAKE READ(COOKIE("1", "0")) READ_OK(COOKIE("1", "0"))

typedef struct Lost {
    TestCo *t;
    VdNode *node;
    NbdScript *script;
    VioCoGroup *pile;
} Lost;

static Lost
lost_begin(TestCo *t, const char *text, const char *more)
{
    Lost l = {.t = t, .script = nbd_script_new(t, text)};
    g_autofree char *options = nbd_script_options(l.script, more);

    l.node = test_co_open(t, options, VD_OPEN_RDWR);
    l.pile = vio_co_group_new(PILE);
    return l;
}

static void
lost_end(Lost *l)
{
    g_clear_pointer(&l->pile, vio_co_group_free);
    test_co_close(l->node);
    nbd_script_end(l->script);
}

/* -- requests -------------------------------------------------------------- */

typedef struct Request {
    VdNode *node;
    bool writes;
    uint64_t off;
} Request;

static bool
request_co_main(void *opaque, GError **error)
{
    Request *r = opaque;
    char buf[2] = "AB";

    return r->writes
               ? vd_node_co_pwrite(r->node, r->off, buf, 2, error)
               : vd_node_co_pread(r->node, r->off, buf, 2, error) &&
                     (memcmp(buf, "CD", 2) == 0 ||
                      vd_throw(error, VD_ERROR_CORRUPT, "these are others"));
}

static void
lost_start(Lost *l, bool writes, uint64_t off)
{
    Request *r = g_new(Request, 1);

    *r = (Request){l->node, writes, off};
    vio_co_group_spawn(l->pile, request_co_main, r, g_free);
}

/* Start so many that a second connection comes, and wait for it. */
static void
lost_pile_up(Lost *l, bool writes)
{
    NbdClient *client = vd_node_state(l->node);

    for (unsigned i = 0; i < PILE; i++)
        lost_start(l, writes, i * 512);
    while (client->n_conns < 2)
        g_assert_cmpint(vio_co_sleep(l->t->loop, 1000 * 1000, NULL), ==, 0);
}

static void
lost_expect_pile(Lost *l)
{
    g_autoptr(GError) error = NULL;

    (void) vio_co_group_join(l->pile, &error);
    g_assert_no_error(error);
}

static void
lost_flush(Lost *l)
{
    g_autoptr(GError) error = NULL;

    (void) vd_node_co_flush(l->node, &error);
    g_assert_no_error(error);
}

static void
lost_flush_tells(Lost *l)
{
    g_autoptr(GError) error = NULL;

    g_assert_false(vd_node_co_flush(l->node, &error));
    g_assert_error(error, VD_ERROR, VD_ERROR_IO);
    g_assert_nonnull(strstr(error->message, "may have forgotten"));
}

static void
lost_do(Lost *l, bool writes)
{
    g_autoptr(GError) error = NULL;
    Request r = {l->node, writes, 4096};

    (void) request_co_main(&r, &error);
    g_assert_no_error(error);
}

/* -- what is sent again ---------------------------------------------------- */

/* Each of them, without a delay: there is a connection. */
static void
test_all_go_to_the_other_connection(TestCo *t)
{
    Lost l = lost_begin(t,
                        SHAKE FIVE(WRITE) SECOND
                        "conn 0\nclose\nconn 1\n" AGAIN(WRITE) AGAIN(WRITE_OK),
                        "export=a,connections=2");

    lost_pile_up(&l, true);
    lost_do(&l, false);
    lost_expect_pile(&l);
    lost_end(&l);
}

/* -- what a slow server may still do --------------------------------------- */

/* It has not answered in time; it may yet do it.  So the write is not done
 * elsewhere, and nothing is written that it could come over. */
static void
test_write_is_not_overtaken(TestCo *t)
{
    Lost l = lost_begin(t,
                        SHAKE WRITE(COOKIE("1", "0")) "conn 1\n" SHAKE READ(
                            COOKIE("1", "0")) READ_OK(COOKIE("1", "0")),
                        "export=a,request-timeout=1,reconnect-delay=300");
    NbdClient *client = vd_node_state(l.node);
    g_autoptr(GError) error = NULL;

    client->target->request_timeout = 0; /* of the second connection */
    g_assert_false(vd_node_co_pwrite(l.node, 0, "AB", 2, &error));
    g_assert_error(error, VD_ERROR, VD_ERROR_TIMED_OUT);
    g_clear_error(&error);
    g_assert_false(vd_node_co_pwrite(l.node, 0, "AB", 2, &error));
    g_assert_error(error, VD_ERROR, VD_ERROR_IO);
    g_assert_nonnull(strstr(error->message, "may do them yet"));
    g_clear_error(&error);
    lost_do(&l, false);
    g_assert_false(vd_node_co_flush(l.node, &error));
    g_assert_error(error, VD_ERROR, VD_ERROR_IO);
    lost_end(&l);
}

#define LONG (8u << 20)

/* It takes no more of a request than its socket holds. */
static void
test_server_that_takes_nothing_is_left(TestCo *t)
{
    Lost l = lost_begin(
        t,
        SHAKE REQUEST("1",
                      COOKIE("1", "0")) "0000000000000000 00800000\nhold\n",
        "export=a,request-timeout=1");
    g_autofree char *data = g_malloc0(LONG);
    g_autoptr(GError) error = NULL;

    g_assert_false(vd_node_co_pwrite(l.node, 0, data, LONG, &error));
    g_assert_error(error, VD_ERROR, VD_ERROR_TIMED_OUT);
    g_assert_nonnull(strstr(error->message, "sending a request"));
    lost_end(&l);
}

/* -- what is forgotten ----------------------------------------------------- */

#define ONE_WRITE WRITE(COOKIE("1", "0")) WRITE_OK(COOKIE("1", "0"))

/* The host that had the change is gone, and its successor knows nothing of it,
 * but answers a flush. */
static void
test_younger_connection_does_not_vouch(TestCo *t)
{
    Lost l = lost_begin(t,
                        SHAKE ONE_WRITE AGAIN(READ) SECOND
                        "conn 0\nclose\nconn 1\n" AGAIN(READ) AGAIN(READ_OK)
                            FLUSH(COOKIE("3", "0")),
                        "export=a,connections=2");

    lost_do(&l, true);
    lost_pile_up(&l, false);
    lost_do(&l, false);
    lost_expect_pile(&l);
    lost_flush_tells(&l);
    lost_end(&l);
}

/* One was cut, the server lives. */
static void
test_older_connection_vouches(TestCo *t)
{
    Lost l = lost_begin(t,
                        SHAKE FIVE(READ) SECOND WRITE(COOKIE("2", "0"))
                            WRITE_OK(COOKIE("2", "0"))
                                READ(COOKIE("3", "0")) "close\nconn 0\n" READ(
                                    COOKIE("1", "5")) READ_OK(COOKIE("1", "5"))
                                    FIVE(READ_OK) FLUSH(COOKIE("2", "0")),
                        "export=a,connections=2");

    lost_pile_up(&l, false);
    lost_do(&l, false);
    lost_do(&l, true);
    lost_do(&l, false);
    lost_expect_pile(&l);
    lost_flush(&l);
    lost_end(&l);
}

/* Changes that were flushed since are safe with the younger one. */
static void
test_flushed_changes_are_not_lost(TestCo *t)
{
    Lost l = lost_begin(
        t,
        SHAKE ONE_WRITE AGAIN(READ) SECOND
        "conn 0\n" FLUSH(COOKIE("1", "5")) "conn 1\n" WRITE(COOKIE("2", "0"))
            WRITE_OK(COOKIE("2", "0")) "conn 0\nclose\nconn 1\n" READ(
                COOKIE("3", "0")) FOUR(READ) READ_OK(COOKIE("3", "0"))
                FOUR(READ_OK) FLUSH(COOKIE("4", "0")),
        "export=a,connections=2");

    lost_do(&l, true);
    lost_pile_up(&l, false);
    lost_do(&l, false);
    lost_flush(&l);
    lost_do(&l, true);
    lost_expect_pile(&l);
    lost_flush(&l);
    lost_end(&l);
}

/* The last word of the server says that it goes, and the one before that it has
 * a change: nobody has taken note of that when the connection is given up. */
static void
test_change_is_counted_after_the_loss(TestCo *t)
{
    Lost l =
        lost_begin(t,
                   SHAKE READ(COOKIE("1", "0")) WRITE(COOKIE("1", "1"))
                       OK(COOKIE("1", "1")) "67446698 0000006c " COOKIE(
                           "1", "0") "\nwait\n" SHAKE READ(COOKIE("1", "0"))
                           READ_OK(COOKIE("1", "0")) FLUSH(COOKIE("2", "0")),
                   "export=a,connections=1");

    lost_start(&l, false, 0);
    lost_start(&l, true, 512);
    lost_expect_pile(&l);
    lost_flush_tells(&l);
    lost_end(&l);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    test_co_add("/again/all", test_all_go_to_the_other_connection);
    test_co_add("/again/doubt", test_write_is_not_overtaken);
    test_co_add("/again/sending", test_server_that_takes_nothing_is_left);
    test_co_add("/loss/younger", test_younger_connection_does_not_vouch);
    test_co_add("/loss/older", test_older_connection_vouches);
    test_co_add("/loss/late", test_change_is_counted_after_the_loss);
    test_co_add("/loss/flushed", test_flushed_changes_are_not_lost);
    return g_test_run();
}
