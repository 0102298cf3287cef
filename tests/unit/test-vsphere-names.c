/* SPDX-License-Identifier: BSD-3-Clause */
/* tests/unit/test-vsphere-names.c - names of disks: vsphere://..., [ds] x,
 * and URLs of files. */
#include "block/error.h"
#include "io/bytes.h"
#include "vsphere/datastore.h"
#include "vsphere/disks.h"
#include "vsphere/driver.h"
#include "vsphere/import.h"
#include "vsphere/lease.h"
#include "vsphere/open-params.h"
#include "vsphere/vmx-spec.h"

#include <string.h>

static void
assert_option(const VdOptions *opts, const char *key, const char *value)
{
    g_assert_cmpstr(vd_options_peek(opts, key), ==, value);
}

static VdOptions *
parse(const char *name)
{
    VdOptions *opts = vd_options_new();
    g_autoptr(GError) error = NULL;

    g_assert_true(vs_name_parse(name, opts, &error));
    g_assert_no_error(error);
    return opts;
}

static void
test_name(void)
{
    g_autoptr(VdOptions) opts =
        parse("vsphere://DOM%5Cuser%40x@vc.example:8443/?vm=moref=vm-1&"
              "disk=%5Bds%5D%20a%26b%2f%C3%A4%25.vmdk&transport=nbdssl:nbd&"
              "thumbprint=AA:BB&snapshot=s%3D1&password-env=P");

    assert_option(opts, "user", "DOM\\user@x");
    assert_option(opts, "server", "vc.example");
    assert_option(opts, "port", "8443");
    assert_option(opts, "vm", "moref=vm-1");
    assert_option(opts, "disk", "[ds] a&b/ä%.vmdk");
    assert_option(opts, "transports", "nbdssl:nbd");
    assert_option(opts, "thumbprint", "AA:BB");
    assert_option(opts, "snapshot", "s=1");
    assert_option(opts, "password-env", "P");
}

/* What the session was lent for is opened in it, and nothing else is. */
static void
test_name_lent(void)
{
    static const char name[] = "vsphere://u@h:1/?vm=x&password-file=p";
    g_autoptr(VdOptions) lent = vd_options_new();
    g_autoptr(VdOptions) other = vd_options_new();
    g_autoptr(VdOptions) after = vd_options_new();

    vs_session_lend("abc", name);
    g_assert_true(vs_name_parse_to_open(name, lent, NULL));
    g_assert_true(vs_name_parse_to_open("vsphere://u@h:1/?vm=y", other, NULL));
    vs_session_forget("abc");
    g_assert_true(vs_name_parse_to_open(name, after, NULL));
    assert_option(lent, "session", "abc");
    assert_option(lent, "vm", "x");
    assert_option(lent, "server", NULL);
    assert_option(lent, "user", NULL);
    assert_option(lent, "password-file", NULL);
    assert_option(other, "session", NULL);
    assert_option(other, "server", "h");
    assert_option(after, "session", NULL);
    assert_option(after, "password-file", "p");
}

static void
test_name_places(void)
{
    g_autoptr(VdOptions) v6 = parse("VSPHERE://[::1]:443?vm=x");
    g_autoptr(VdOptions) plain = parse("vsphere://host");
    g_autoptr(VdOptions) session = parse("vsphere:///?session=abc&vm=x");
    g_autoptr(VdOptions) user = parse("vsphere://a@vsphere.local@host:1/?vm=x");

    assert_option(v6, "server", "::1");
    assert_option(v6, "port", "443");
    assert_option(plain, "server", "host");
    assert_option(plain, "port", NULL);
    assert_option(session, "server", NULL);
    assert_option(session, "session", "abc");
    assert_option(user, "user", "a@vsphere.local");
    assert_option(user, "server", "host");
}

/* No message repeats the name: there may be a password in the wrong place. */
static void
test_name_refuses(void)
{
    static const char *const names[] = {
        "vsphere:host",
        "vsphere://user:Secret1@host/?vm=x",
        "vsphere://user:Secret1@x@host/?vm=x",
        "vsphere://host/path?vm=x",
        "vsphere://host/?vm",
        "vsphere://host/?password=Secret1",
        "vsphere://host/?vm=%zz",
        "vsphere://host/?vm=%ff",
        "vsphere://[::1/?vm=x",
        "vsphere://[::1]x/?vm=x",
    };

    for (size_t i = 0; i < G_N_ELEMENTS(names); i++) {
        g_autoptr(VdOptions) opts = vd_options_new();
        g_autoptr(GError) error = NULL;

        g_assert_false(vs_name_parse(names[i], opts, &error));
        g_assert_error(error, VD_ERROR, VD_ERROR_INVALID_ARGUMENT);
        g_assert_null(strstr(error->message, "Secret1"));
    }
}

static void
test_path(void)
{
    g_autofree char *store = NULL;
    const char *inside;

    g_assert_true(vs_path_split("[a b] c/d.vmdk", &store, &inside));
    g_assert_cmpstr(store, ==, "a b");
    g_assert_cmpstr(inside, ==, "c/d.vmdk");
    g_assert_true(vs_path_equal("[ds] x.vmdk", "[ds]x.vmdk"));
    g_assert_true(vs_path_equal("[ds] x.vmdk", "[ds] /x.vmdk"));
    g_assert_false(vs_path_equal("[ds] x.vmdk", "[DS] x.vmdk"));
    g_assert_false(vs_path_equal("[ds] x.vmdk", "x.vmdk"));
    g_assert_true(vs_path_equal("plain", "plain"));
}

static void
test_path_refuses(void)
{
    static const char *const paths[] = {"",     "x",   "[",    "[]",
                                        "[] x", "[ds", "ds] x"};

    for (size_t i = 0; i < G_N_ELEMENTS(paths); i++) {
        g_autofree char *store = NULL;
        const char *inside;

        g_assert_false(vs_path_split(paths[i], &store, &inside));
    }
}

static void
test_vmx_spec(void)
{
    static const struct {
        const char *spec, *file, *datacenter;
    } rows[] = {
        {"[ds] a/a.vmx", "[ds] a/a.vmx", NULL},
        {"a/a.vmx?dcPath=F/DC&dsName=ds", "[ds] a/a.vmx", "F/DC"},
        {"/a/a.vmx?dsName=ds&DCPATH=DC", "[ds] a/a.vmx", "DC"},
        {"[ds] a.vmx?dcPath=DC", "[ds] a.vmx", "DC"},
        {"a.vmx?dsName=ds", "[ds] a.vmx", NULL},
        {"[R&D?] a?&b.vmx?dcPath=R&D/a?b", "[R&D?] a?&b.vmx", "R&D/a?b"},
        {"a?&b.vmx?dcPath=x&y&dsName=R&D", "[R&D] a?&b.vmx", "x&y"},
        {"a.vmx?dcPath=DC", "a.vmx", "DC"},
    };

    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autofree char *datacenter = NULL;
        g_autofree char *file = vs_vmx_spec_parse(rows[i].spec, &datacenter);

        g_assert_true(vs_is_vmx_spec(rows[i].spec));
        g_assert_cmpstr(file, ==, rows[i].file);
        g_assert_cmpstr(datacenter, ==, rows[i].datacenter);
    }
    g_assert_false(vs_is_vmx_spec("DC/vm/what?/a"));
    g_assert_false(vs_is_vmx_spec("DC/vm/&dcPath=x"));
}

/* vCenter decodes what follows the question mark twice, a host once. */
static void
test_url(void)
{
    g_autofree char *vcenter = vs_datastore_query("ds 1&2", "DC/a+b");
    g_autofree char *host = vs_datastore_query("ds 1&2", NULL);
    g_autofree char *plain = vs_datastore_query("ds1", "DC0");
    g_autofree char *inside = vs_datastore_inside("a b/x#ä.vmdk");

    g_assert_cmpstr(vcenter, ==, "dcPath=DC%252Fa%252Bb&dsName=ds%25201%25262");
    g_assert_cmpstr(host, ==, "dsName=ds%201%262");
    g_assert_cmpstr(plain, ==, "dcPath=DC0&dsName=ds1");
    g_assert_cmpstr(inside, ==, "a%20b/x%23%C3%A4.vmdk");
}

/* Of leases: the host may be the one that was asked, and what has no need to be
 * in a URL of a file is not. */
static void
test_lease_url(void)
{
    static const struct {
        const char *url, *host, *wanted;
    } rows[] = {
        {"https://h1/nfc/a/d.vmdk", "vc", "https://h1/nfc/a/d.vmdk"},
        {"https://[fd00::1]:8/nfc/a", "vc", "https://[fd00::1]:8/nfc/a"},
        {"https://*/nfc/a", "vc", "https://vc:9/nfc/a"},
        {"https://*:8/nfc/a?b=c", "vc", "https://vc:8/nfc/a?b=c"},
        {"https://*:8/nfc/a", "fd00::1", "https://[fd00::1]:8/nfc/a"},
        {"http://h1/nfc/a", "vc", NULL},
        {"https://h1", "vc", NULL},
        {"https:///a", "vc", NULL},
        {"https://h1?/a", "vc", NULL},
        {"https://u:p@h1/a", "vc", NULL},
        {"https://*h1/a", "vc", NULL},
        {"https://h1/a#password-file=/b", "vc", NULL},
        {"https://h1/a b", "vc", NULL},
        {"https://h1/a\r\nX: y", "vc", NULL},
        {"https://h1/\xc3\xa4", "vc", NULL},
        {"/nfc/a", "vc", NULL},
        {"", "vc", NULL},
    };

    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autofree char *url = vs_lease_url(rows[i].url, "vc:9", rows[i].host);

        g_assert_cmpstr(url, ==, rows[i].wanted);
    }
}

static void
test_lease_key(void)
{
    const char *place = "VirtualLsiLogicController0:1";

    g_assert_true(
        vs_lease_key_is("/vm-57/VirtualLsiLogicController0:1", place));
    g_assert_true(vs_lease_key_is("VirtualLsiLogicController0:1", place));
    g_assert_false(
        vs_lease_key_is("/vm-57/VirtualLsiLogicController0:10", place));
    g_assert_false(
        vs_lease_key_is("/vm-57/xVirtualLsiLogicController0:1", place));
    g_assert_false(vs_lease_key_is("", place));
}

/* The end of a promise is told to all, and its first reason counts. */
static void
test_fate(void)
{
    g_autoptr(VioCancel) above = vio_cancel_new();
    VsFate *fate = vs_fate_new(above), *other = vs_fate_new(above);
    g_autoptr(GError) error = NULL;

    g_assert_true(vs_fate_check(fate, &error));
    vs_fate_end(fate, g_error_new(VD_ERROR, VD_ERROR_IO, "one"));
    vs_fate_end(vs_fate_ref(fate), g_error_new(VD_ERROR, VD_ERROR_IO, "two"));
    g_assert_false(vs_fate_check(fate, &error));
    g_assert_cmpstr(error->message, ==, "one");
    g_assert_cmpint(vio_cancel_check(vs_fate_cancel(fate)), <, 0);
    g_assert_cmpint(vio_cancel_check(vs_fate_cancel(other)), ==, 0);
    vio_cancel_fire(above);
    g_assert_true(vs_fate_check(other, NULL));
    g_assert_cmpint(vio_cancel_check(vs_fate_cancel(other)), <, 0);
    vs_fate_unref(other);
    vs_fate_unref(fate);
    vs_fate_unref(fate);
}

/* -- machines that are to be made --------------------------------------------
 */

static void
test_import_name(void)
{
    static const char name[] =
        "vsphere://h/?new-vm=DC/vm/a%2520b&datastore=d%5B&pool=DC/host/c";
    g_autoptr(VdOptions) opts = vd_options_new();
    g_auto(VsImportSpec) spec = {0};

    g_assert_true(vs_name_parse_to_open(name, opts, NULL));
    assert_option(opts, "driver", VS_IMPORT_DRIVER);
    g_assert_true(vs_import_spec_take(&spec, opts, NULL));
    g_assert_cmpstr(spec.vm, ==, "DC/vm/a%20b");
    g_assert_cmpstr(spec.datastore, ==, "d[");
    g_assert_cmpstr(spec.pool, ==, "DC/host/c");
}

static void
test_stream_head(void)
{
    uint8_t raw[512] = "KDMV";
    uint64_t capacity;

    vio_put_le32(raw + 4, 3);
    vio_put_le32(raw + 8, 0x30001);
    vio_put_le64(raw + 12, 2048);
    g_assert_true(vs_stream_capacity(raw, sizeof(raw), &capacity));
    g_assert_cmpuint(capacity, ==, 1 << 20);
    g_assert_false(vs_stream_capacity(raw, sizeof(raw) - 1, &capacity));
    vio_put_le64(raw + 12, UINT64_MAX);
    g_assert_false(vs_stream_capacity(raw, sizeof(raw), &capacity));
    vio_put_le64(raw + 12, 0);
    g_assert_true(vs_stream_capacity(raw, sizeof(raw), &capacity));
    g_assert_cmpuint(capacity, ==, 0);
    vio_put_le64(raw + 12, 2048);
    vio_put_le32(raw + 8, 1); /* not compressed */
    g_assert_false(vs_stream_capacity(raw, sizeof(raw), &capacity));
}

static void
test_stream_position(void)
{
    uint8_t raw[512] = {0};
    uint64_t off;

    vio_put_le64(raw, 128);
    g_assert_false(vs_stream_position(raw, sizeof(raw), 1 << 20, &off));
    vio_put_le32(raw + 8, 100);
    g_assert_true(vs_stream_position(raw, sizeof(raw), 1 << 20, &off));
    g_assert_cmpuint(off, ==, 65536);
    g_assert_false(vs_stream_position(raw, sizeof(raw), 65536, &off));
    g_assert_false(vs_stream_position(raw, 12, 1 << 20, &off));
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/vsphere/name/options", test_name);
    g_test_add_func("/vsphere/name/places", test_name_places);
    g_test_add_func("/vsphere/name/lent", test_name_lent);
    g_test_add_func("/vsphere/name/refuses", test_name_refuses);
    g_test_add_func("/vsphere/path/split", test_path);
    g_test_add_func("/vsphere/path/refuses", test_path_refuses);
    g_test_add_func("/vsphere/vmx-spec", test_vmx_spec);
    g_test_add_func("/vsphere/url", test_url);
    g_test_add_func("/vsphere/lease/url", test_lease_url);
    g_test_add_func("/vsphere/lease/key", test_lease_key);
    g_test_add_func("/vsphere/fate", test_fate);
    g_test_add_func("/vsphere/import/name", test_import_name);
    g_test_add_func("/vsphere/import/head", test_stream_head);
    g_test_add_func("/vsphere/import/position", test_stream_position);
    return g_test_run();
}
