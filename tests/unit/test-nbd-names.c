/* SPDX-License-Identifier: BSD-3-Clause */
/* tests/unit/test-nbd-names.c - names and options of NBD exports. */
#include <string.h>

#include "block/error.h"
#include "block/proto/nbd/target.h"

static void
expect(const char *name, const char *canonical, const char *export)
{
    g_autoptr(VdOptions) opts = vd_options_new();
    g_autoptr(GError) error = NULL;
    NbdTarget *t = NULL;

    if (nbd_parse_name(name, opts, &error))
        t = nbd_target_new(opts, &error);
    g_assert_no_error(error);
    g_assert_cmpstr(t->name, ==, canonical);
    g_assert_cmpstr(t->export, ==, export);
    g_assert_true(vd_options_is_empty(opts));
    nbd_target_free(t);
}

static void
expect_refusal(const char *name, const char *words)
{
    g_autoptr(VdOptions) opts = vd_options_new();
    g_autoptr(GError) error = NULL;
    NbdTarget *t = NULL;

    if (nbd_parse_name(name, opts, &error))
        t = nbd_target_new(opts, &error);
    g_assert_null(t);
    g_assert_error(error, VD_ERROR, VD_ERROR_INVALID_ARGUMENT);
    g_test_message("%s", error->message);
    g_assert_nonnull(strstr(error->message, words));
}

static void
test_names(void)
{
    expect("nbd://h", "nbd://h:10809/", "");
    expect("nbd://h/", "nbd://h:10809/", "");
    expect("nbd://", "nbd://localhost:10809/", "");
    expect("nbd://:99/e", "nbd://localhost:99/e", "e");
    expect("nbd://h:99//e%20f", "nbd://h:99//e%20f", "/e f");
    expect("nbd+tcp://h/e", "nbd://h:10809/e", "e");
    expect("NBDS://[::1]:5/a?tls-verify-peer=0", "nbds://[::1]:5/a", "a");
    expect("nbds://u@h/a?tls-psk-file=/k", "nbds://h:10809/a", "a");
    expect("nbd+unix:///e?socket=/a%3Fb", "nbd+unix:///e?socket=/a%3Fb", "e");
    expect("nbd+unix://?socket=s", "nbd+unix:///?socket=s", "");
    expect("nbd+vsock:///e", "nbd+vsock://2:10809/e", "e");
    expect("nbd+vsock://7:8/", "nbd+vsock://7:8/", "");
    expect("nbd:h:99", "nbd://h:99/", "");
    expect("nbd:h:99:exportname=a:b%20", "nbd://h:99/a%3Ab%2520", "a:b%20");
    expect("nbd:unix:/s:exportname=e", "nbd+unix:///e?socket=/s", "e");
}

static void
test_refusals(void)
{
    expect_refusal("nbd+ssh://h", "no way to reach");
    expect_refusal("nbd://h/e?foo=1", "unknown key 'foo'");
    expect_refusal("nbd://h/e?socket=/s", "belongs to nbd+unix");
    expect_refusal("nbd+unix:///e", "'socket' is missing");
    expect_refusal("nbd+unix://h/e?socket=/s", "cannot be reached");
    expect_refusal("nbd://h/%00", "well encoded");
    expect_refusal("nbd://h/%zz", "well encoded");
    expect_refusal("nbd://h/a#b", "%23");
    expect_refusal("nbd://[::1/a", "no address");
    expect_refusal("nbd://h/e?tls-hostname=x", "TLS was not asked for");
    expect_refusal("nbd:h", "HOST:PORT");
    expect_refusal("nbd+vsock://x/", "server.cid");
    expect_refusal("nbd://h/e?connections=99", "at most 16");
}

static void
test_options_of_qemu(void)
{
    static const char json[] =
        "{\"server\":{\"type\":\"inet\",\"host\":\"h\",\"port\":\"7\"},"
        "\"export\":\"e\",\"reconnect-delay\":5}";
    g_autoptr(VdOptions) opts = vd_options_new();
    g_autoptr(GError) error = NULL;
    g_autoptr(NbdTarget) t = NULL;

    g_assert_true(vd_options_parse_json(opts, json, &error));
    t = nbd_target_new(opts, &error);
    g_assert_no_error(error);
    g_assert_cmpstr(t->name, ==, "nbd://h:7/e");
    g_assert_cmpuint(t->reconnect_delay, ==, 5);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/names", test_names);
    g_test_add_func("/refusals", test_refusals);
    g_test_add_func("/qemu", test_options_of_qemu);
    return g_test_run();
}
