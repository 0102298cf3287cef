/* SPDX-License-Identifier: BSD-3-Clause */
/* tests/unit/test-io-net.c - addresses, connecting, listening. */
#include "tests/unit/io-test.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/stat.h>

#include "io/claim.h"
#include "io/net-internal.h"

#define MS UINT64_C(1000000)

/* Connect to @addr and to what @fds lists; the ends must know each other. */
typedef struct Meeting {
    VioLoop *loop;
    VioNetAddress addr;
    GArray *fds;
} Meeting;

static void
meet_main(void *opaque)
{
    Meeting *m = opaque;
    g_autofree char *why = NULL, *name = NULL, *peer_name = NULL;
    g_auto(VioNetAddress) local = {0}, peer = {0};
    VIO_AUTO_FD fd = -1;
    VIO_AUTO_FD accepted = -1;

    g_assert_cmpint(vio_net_co_connect(m->loop, &m->addr, NULL, &fd, &why), ==,
                    0);
    g_assert_null(why);
    accepted = vio_co_accept(m->loop, g_array_index(m->fds, int, 0), NULL);
    g_assert_cmpint(accepted, >=, 0);
    vio_net_tune(accepted);
    g_assert_cmpint(fcntl(fd, F_GETFD), ==, FD_CLOEXEC);
    g_assert_cmpint(fcntl(fd, F_GETFL) & O_NONBLOCK, ==, 0);
    g_assert_cmpint(vio_net_local(accepted, &local), ==, 0);
    g_assert_cmpint(vio_net_peer(fd, &peer), ==, 0);
    name = vio_net_name(&local);
    peer_name = vio_net_name(&peer);
    g_assert_cmpstr(name, ==, peer_name);
}

static void
listen_at(Meeting *m, IoFixture *f, const VioNetAddress *addr)
{
    g_autofree char *why = NULL;
    int ret;

    m->loop = f->loop;
    m->fds = g_array_new(FALSE, FALSE, sizeof(int));
    ret = vio_net_listen(addr, 5, m->fds, &why);
    g_assert_cmpstr(why, ==, NULL);
    g_assert_cmpint(ret, ==, 0);
    g_assert_cmpuint(m->fds->len, >=, 1);
}

static void
meeting_over(Meeting *m)
{
    for (guint i = 0; i < m->fds->len; i++)
        (void) close(g_array_index(m->fds, int, i));
    g_array_unref(m->fds);
    vio_net_address_clear(&m->addr);
}

static void
test_names(IoFixture *f, gconstpointer engine)
{
    static char host[] = "disk.example", six[] = "fe80::1", port[] = "10809",
                path[] = "/run/x y", abstract[] = "@name";
    static const struct {
        VioNetAddress addr;
        const char *name;
    } rows[] = {
        {{VIO_NET_TCP, .host = host, .port = port}, "disk.example:10809"},
        {{VIO_NET_TCP, .host = six, .port = port}, "[fe80::1]:10809"},
        {{VIO_NET_TCP, .port = port}, ":10809"},
        {{VIO_NET_UNIX, .path = path}, "/run/x y"},
        {{VIO_NET_UNIX, .path = abstract}, "@name"},
        {{VIO_NET_VSOCK, .cid = 3, .vport = 10809}, "vsock:3:10809"},
    };

    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autofree char *name = vio_net_name(&rows[i].addr);
        g_auto(VioNetAddress) copy = {0};
        g_autofree char *again = NULL;

        vio_net_address_copy(&copy, &rows[i].addr);
        again = vio_net_name(&copy);
        g_assert_cmpstr(name, ==, rows[i].name);
        g_assert_cmpstr(again, ==, rows[i].name);
    }
}

static void
assert_tuned(int fd)
{
    int value = 0;
    socklen_t len = sizeof(value);

    g_assert_cmpint(getsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &value, &len), ==,
                    0);
    g_assert_cmpint(value, ==, 1);
    g_assert_cmpint(getsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &value, &len), ==,
                    0);
    g_assert_cmpint(value, ==, 1);
}

static void
tuned_main(void *opaque)
{
    Meeting *m = opaque;
    g_autofree char *why = NULL;
    VIO_AUTO_FD fd = -1;

    meet_main(m);
    g_assert_cmpint(vio_net_co_connect(m->loop, &m->addr, NULL, &fd, &why), ==,
                    0);
    assert_tuned(fd);
}

/* By number, and by a name that every machine has. */
static void
test_tcp(IoFixture *f, gconstpointer engine)
{
    static const char *const hosts[] = {"127.0.0.1", "localhost"};

    for (size_t i = 0; i < G_N_ELEMENTS(hosts); i++) {
        char any[] = "0";
        g_autofree char *host = g_strdup(hosts[i]);
        VioNetAddress addr = {VIO_NET_TCP, .host = host, .port = any};
        Meeting m = {0};

        listen_at(&m, f, &addr);
        g_assert_cmpint(vio_net_local(g_array_index(m.fds, int, 0), &m.addr),
                        ==, 0);
        g_assert_cmpstr(m.addr.port, !=, "0");
        for (guint k = 1; k < m.fds->len; k++) {
            g_auto(VioNetAddress) other = {0};

            g_assert_cmpint(vio_net_local(g_array_index(m.fds, int, k), &other),
                            ==, 0);
            g_assert_cmpstr(other.port, ==, m.addr.port);
        }
        io_test_run(f, tuned_main, &m);
        g_free(m.addr.host);
        m.addr.host = g_strdup(hosts[i]);
        if (m.fds->len == 1)
            io_test_run(f, meet_main, &m);
        meeting_over(&m);
    }
}

static void
test_unix(IoFixture *f, gconstpointer engine)
{
    Meeting m = {.addr.kind = VIO_NET_UNIX};
    g_autofree char *why = NULL;
    GArray *second = g_array_new(FALSE, FALSE, sizeof(int));
    struct stat st;

    m.addr.path = g_build_filename(f->dir, "socket", NULL);
    listen_at(&m, f, &m.addr);
    g_assert_cmpint(stat(m.addr.path, &st), ==, 0);
    g_assert_cmpuint(st.st_mode & 07777, ==, 0600);
    io_test_run(f, meet_main, &m);
    /* In use. */
    g_assert_cmpint(vio_net_listen(&m.addr, 5, second, &why), ==, -EADDRINUSE);
    g_assert_nonnull(strstr(why, m.addr.path));
    g_assert_cmpuint(second->len, ==, 0);
    io_test_run(f, meet_main, &m);
    g_array_unref(second);
    meeting_over(&m);
}

/* What a server that was killed left behind is in nobody's way; what is no
 * socket is left alone. */
static void
test_unix_stale(IoFixture *f, gconstpointer engine)
{
    Meeting m = {.addr.kind = VIO_NET_UNIX};
    GArray *none = g_array_new(FALSE, FALSE, sizeof(int));
    g_autofree char *why = NULL, *content = NULL;
    char *path = g_build_filename(f->dir, "socket", NULL);

    m.addr.path = g_strdup(path);
    listen_at(&m, f, &m.addr);
    meeting_over(&m);
    g_assert_true(g_file_test(path, G_FILE_TEST_EXISTS));
    m.addr = (VioNetAddress){VIO_NET_UNIX, .path = g_strdup(path)};
    listen_at(&m, f, &m.addr);
    io_test_run(f, meet_main, &m);
    g_assert_cmpint(unlink(path), ==, 0);
    g_assert_true(g_file_set_contents(path, "precious", -1, NULL));
    g_assert_cmpint(vio_net_listen(&m.addr, 5, none, &why), ==, -EADDRINUSE);
    g_assert_true(g_file_get_contents(path, &content, NULL, NULL));
    g_assert_cmpstr(content, ==, "precious");
    g_array_unref(none);
    g_free(path);
    meeting_over(&m);
}

static void
test_unix_abstract(IoFixture *f, gconstpointer engine)
{
    Meeting m = {.addr.kind = VIO_NET_UNIX};
    g_auto(VioNetAddress) local = {0};

    m.addr.path = g_strdup_printf("@vdisk-test-%s", f->dir);
    listen_at(&m, f, &m.addr);
    io_test_run(f, meet_main, &m);
    g_assert_cmpint(vio_net_local(g_array_index(m.fds, int, 0), &local), ==, 0);
    g_assert_cmpstr(local.path, ==, m.addr.path);
    meeting_over(&m);
}

/* -- what goes wrong ------------------------------------------------------ */

typedef struct Attempt {
    VioLoop *loop;
    VioNetAddress addr;
    VioCancel *cancel;
    int ret;
    char *why;
} Attempt;

static void
attempt_main(void *opaque)
{
    Attempt *a = opaque;
    int fd = -1;

    a->ret = vio_net_co_connect(a->loop, &a->addr, a->cancel, &fd, &a->why);
    g_assert_cmpint(fd, ==, -1);
    g_assert_nonnull(a->why);
}

static void
assert_attempt(IoFixture *f, Attempt *a, int ret, const char *word)
{
    a->loop = f->loop;
    io_test_run(f, attempt_main, a);
    g_assert_cmpint(a->ret, ==, ret);
    g_assert_nonnull(strstr(a->why, word));
    g_clear_pointer(&a->why, g_free);
}

static void
test_refused(IoFixture *f, gconstpointer engine)
{
    char host[] = "127.0.0.1", any[] = "0", none[] = "host.invalid",
         port[] = "10809", bad[] = "no-such-service";
    g_autofree char *nothing = g_build_filename(f->dir, "nothing", NULL);
    g_autofree char *lengthy = g_strnfill(200, 'x');
    VioNetAddress addr = {VIO_NET_TCP, .host = host, .port = any};
    Attempt a = {0};
    Meeting m = {0};

    listen_at(&m, f, &addr);
    g_assert_cmpint(vio_net_local(g_array_index(m.fds, int, 0), &a.addr), ==,
                    0);
    meeting_over(&m);
    assert_attempt(f, &a, -ECONNREFUSED, "127.0.0.1:");
    vio_net_address_clear(&a.addr);
    a.addr = (VioNetAddress){VIO_NET_UNIX, .path = nothing};
    assert_attempt(f, &a, -ENOENT, nothing);
    a.addr.path = lengthy;
    assert_attempt(f, &a, -EINVAL, "200 bytes");
    a.addr = (VioNetAddress){VIO_NET_TCP, .host = none, .port = port};
    assert_attempt(f, &a, -EHOSTUNREACH, "host.invalid");
    a.addr = (VioNetAddress){VIO_NET_TCP, .host = host, .port = bad};
    assert_attempt(f, &a, -EHOSTUNREACH, "no-such-service");
}

/* What getaddrinfo() would take for another port, or for none. */
static void
test_bad_ports(IoFixture *f, gconstpointer engine)
{
    static const char *const bad[] = {
        "99999", "65536", "18446744073709551617", "-1", "+80", " 80", ""};
    static const char *const good[] = {"0", "65535", "010809", "http"};
    char host[] = "127.0.0.1";

    for (size_t i = 0; i < G_N_ELEMENTS(bad); i++) {
        g_autoptr(GArray) fds = g_array_new(FALSE, FALSE, sizeof(int));
        g_autofree char *why = NULL;
        Attempt a = {
            .addr = {VIO_NET_TCP, .host = host, .port = (char *) bad[i]}};

        assert_attempt(f, &a, -EINVAL, bad[i]);
        g_assert_cmpint(vio_net_listen(&a.addr, 1, fds, &why), ==, -EINVAL);
        g_assert_nonnull(strstr(why, *bad[i] ? bad[i] : "empty"));
        g_assert_cmpuint(fds->len, ==, 0);
    }
    for (size_t i = 0; i < G_N_ELEMENTS(good); i++) {
        char *why = NULL;

        g_assert_cmpint(vio_net_check_port(good[i], &why), ==, 0);
        g_assert_null(why);
    }
}

/* A unix socket whose backlog is full keeps us waiting. */
static void
test_deadline(IoFixture *f, gconstpointer engine)
{
    Meeting m = {.addr.kind = VIO_NET_UNIX};
    Attempt a = {.loop = f->loop};
    struct sockaddr_storage sa;
    socklen_t len = sizeof(sa);
    VIO_AUTO_FD waiting = -1;

    m.addr.path = g_build_filename(f->dir, "socket", NULL);
    listen_at(&m, f, &m.addr);
    g_assert_cmpint(listen(g_array_index(m.fds, int, 0), 0), ==, 0);
    a.addr = m.addr;
    g_assert_cmpint(getsockname(g_array_index(m.fds, int, 0),
                                (struct sockaddr *) &sa, &len),
                    ==, 0);
    waiting = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    g_assert_cmpint(connect(waiting, (struct sockaddr *) &sa, len), ==, 0);
    a.cancel = vio_cancel_new();
    vio_cancel_set_deadline(a.cancel, vio_now_ns() + 20 * MS);
    io_test_run(f, attempt_main, &a);
    vio_cancel_unref(a.cancel);
    g_free(a.why);
    g_assert_cmpint(a.ret, ==, -ETIMEDOUT);
    meeting_over(&m);
}

/* -- many addresses -------------------------------------------------------- */

#define LIVE 150u

typedef struct Addresses {
    VioLoop *loop;
    struct sockaddr_in sa[2]; /* one behind which nobody answers, and one that
                                 does */
    struct addrinfo ai[1 + LIVE];
} Addresses;

static int
listen_on_loopback(struct sockaddr_in *sa, int backlog)
{
    socklen_t len = sizeof(*sa);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    *sa = (struct sockaddr_in){.sin_family = AF_INET,
                               .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    g_assert_cmpint(bind(fd, (struct sockaddr *) sa, len), ==, 0);
    g_assert_cmpint(listen(fd, backlog), ==, 0);
    g_assert_cmpint(getsockname(fd, (struct sockaddr *) sa, &len), ==, 0);
    return fd;
}

static void
addresses_main(void *opaque)
{
    Addresses *a = opaque;
    g_autoptr(VioCancel) cancel = vio_cancel_new();
    g_autofree char *why = NULL;
    g_auto(VioNetAddress) peer = {0};
    g_autofree char *port = g_strdup_printf("%u", ntohs(a->sa[1].sin_port));
    VIO_AUTO_FD fd = -1;

    vio_cancel_set_deadline(cancel, vio_now_ns() + LIVE * 200 * MS);
    g_assert_cmpint(vio_net_co_connect_all(a->loop, a->ai, cancel, &fd, &why),
                    ==, 0);
    g_assert_cmpint(vio_net_peer(fd, &peer), ==, 0);
    g_assert_cmpstr(peer.port, ==, port);
}

/* A dead address has its part of the time: a listener with a full backlog does
 * not answer, either. */
static void
test_dead_address(IoFixture *f, gconstpointer engine)
{
    g_autofree Addresses *a = g_new0(Addresses, 1);
    VIO_AUTO_FD dead = listen_on_loopback(&a->sa[0], 0);
    VIO_AUTO_FD live = listen_on_loopback(&a->sa[1], 5);
    int waiting[4];

    g_assert_true(dead >= 0 && live >= 0);
    a->loop = f->loop;
    for (size_t i = 0; i < G_N_ELEMENTS(waiting); i++) {
        /* The first succeeds, and has to be there before the others come. */
        waiting[i] =
            socket(AF_INET, SOCK_STREAM | (i == 0 ? 0 : SOCK_NONBLOCK), 0);
        (void) connect(waiting[i], (struct sockaddr *) &a->sa[0],
                       sizeof(a->sa[0]));
    }
    for (size_t i = 0; i < G_N_ELEMENTS(a->ai); i++)
        a->ai[i] = (struct addrinfo){
            .ai_addr = (struct sockaddr *) &a->sa[i > 0],
            .ai_addrlen = sizeof(a->sa[0]),
            .ai_next = i + 1 < G_N_ELEMENTS(a->ai) ? &a->ai[i + 1] : NULL,
        };
    io_test_run(f, addresses_main, a);
    for (size_t i = 0; i < G_N_ELEMENTS(waiting); i++)
        (void) close(waiting[i]);
}

/* What stops the whole stops a part with a deadline of its own; what comes
 * first counts. */
static void
test_child_token(IoFixture *f, gconstpointer engine)
{
    VioCancel *whole = vio_cancel_new();
    VioCancel *part = vio_cancel_new_child(whole);
    char host[] = "host.invalid", port[] = "10809";
    Attempt a = {.addr = {VIO_NET_TCP, .host = host, .port = port},
                 .cancel = part};

    vio_cancel_set_deadline(part, vio_now_ns() + 3600 * 1000 * MS);
    g_assert_cmpint(vio_cancel_check(part), ==, 0);
    vio_cancel_set_deadline(whole, vio_now_ns());
    g_assert_cmpint(vio_cancel_check(part), ==, -ETIMEDOUT);
    vio_cancel_set_deadline(whole, 0);
    vio_cancel_set_deadline(part, vio_now_ns());
    g_assert_cmpint(vio_cancel_check(part), ==, -ETIMEDOUT);
    g_assert_cmpint(vio_cancel_check(whole), ==, 0);
    vio_cancel_set_deadline(part, 0);
    vio_cancel_fire(whole);
    assert_attempt(f, &a, -ECANCELED, "host.invalid");
    vio_cancel_unref(whole);
    vio_cancel_unref(part);
}

static void
test_fired_before(IoFixture *f, gconstpointer engine)
{
    char host[] = "host.invalid", port[] = "10809";
    Attempt a = {
        .addr = {VIO_NET_TCP, .host = host, .port = port},
        .cancel = vio_cancel_new(),
    };

    vio_cancel_fire(a.cancel);
    assert_attempt(f, &a, -ECANCELED, "host.invalid");
    vio_cancel_unref(a.cancel);
}

/* By a process twice, too, and for nobody who comes after it. */
static void
test_claim(void)
{
    g_autofree char *name = g_strdup_printf("ours, %d", (int) getpid());
    VIO_AUTO_FD first = vio_claim_take(name);
    VIO_AUTO_FD other = vio_claim_take(strchr(name, ' '));

    g_assert_cmpint(first, >=, 0);
    g_assert_cmpint(other, >=, 0);
    g_assert_cmpint(vio_claim_take(name), ==, -EADDRINUSE);
    vio_fd_cleanup(&first);
    first = vio_claim_take(name);
    g_assert_cmpint(first, >=, 0);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    io_test_add("net/child-token", test_child_token);
    io_test_add("net/names", test_names);
    io_test_add("net/tcp", test_tcp);
    io_test_add("net/unix", test_unix);
    io_test_add("net/unix-stale", test_unix_stale);
    io_test_add("net/unix-abstract", test_unix_abstract);
    io_test_add("net/refused", test_refused);
    io_test_add("net/bad-ports", test_bad_ports);
    io_test_add("net/deadline", test_deadline);
    io_test_add("net/dead-address", test_dead_address);
    io_test_add("net/fired-before", test_fired_before);
    g_test_add_func("/net/claim", test_claim);
    return g_test_run();
}
