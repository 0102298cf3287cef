/* SPDX-License-Identifier: BSD-3-Clause */
/* tests/unit/test-vsphere-scsi-find.c - SCSI devices in trees of our own: what
 * is listed, which one is chosen, and waiting for it. */
#include "vsphere/scsi-find.h"

#include <glib/gstdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "io/op.h"
#include "tests/support/co-test.h"
#include "tests/unit/scsi-tree.h"

#define MIB (UINT64_C(1) << 20)
#define MSEC UINT64_C(1000000)
#define NAME "naa.6000c29a123456789abcdef011223344"
#define OTHER "naa.6000c29a123456789abcdef011223355"
#define PCI "0000:03:00"

static void
add(const char *root, const char *address, const char *block, uint64_t size,
    const char *wwid)
{
    scsi_tree_add(root, &(ScsiTreeDevice){address, block, size, wwid, NULL});
}

/* -- listing --------------------------------------------------------------- */

static GPtrArray *
list(const char *root)
{
    g_autoptr(GError) error = NULL;
    GPtrArray *devices = vs_scsi_list(root, &error);

    g_assert_no_error(error);
    g_assert_nonnull(devices);
    return devices;
}

static void
test_no_tree_has_no_devices(TestCo *t)
{
    g_autoptr(GPtrArray) devices = list(t->dir);

    g_assert_cmpuint(devices->len, ==, 0);
}

static void
test_what_a_device_says(TestCo *t)
{
    static const char page[] = "\0\x83\0\x14\x01\x03\0\x10"
                               "\x60\0\xc2\x9a\x12\x34\x56\x78"
                               "\x9a\xbc\xde\xf0\x11\x22\x33\x44";
    g_autoptr(GPtrArray) devices = NULL;
    const VsScsiDevice *device;

    add(t->dir, "2:0:5:7", "sdq", 3 * MIB, "t10.VMware  x");
    scsi_tree_file(t->dir, "sys/bus/scsi/devices/2:0:5:7/vpd_pg83", page,
                   sizeof(page) - 1);
    scsi_tree_file(t->dir, "sys/bus/scsi/devices/2:0:5:7/vpd_pg80",
                   "\0\x80\0\4AB 1", 8);
    scsi_tree_text(t->dir, "sys/bus/scsi/devices/host2/uevent", "");
    scsi_tree_text(t->dir, "sys/bus/scsi/devices/target2:0:5/uevent", "");
    devices = list(t->dir);
    g_assert_cmpuint(devices->len, ==, 1);
    device = devices->pdata[0];
    g_assert_cmpstr(device->address, ==, "2:0:5:7");
    g_assert_cmpuint(device->host, ==, 2);
    g_assert_cmpuint(device->target, ==, 5);
    g_assert_cmpuint(device->lun, ==, 7);
    g_assert_true(vs_scsi_device_has_name(device, NAME));
    g_assert_true(vs_scsi_device_has_name(device, "t10.VMware__x"));
    g_assert_cmpuint(device->names->len, ==, 2);
    g_assert_cmpstr(device->serial, ==, "ab 1");
    g_assert_cmpstr(device->block, ==, "sdq");
    g_assert_cmpuint(device->size, ==, 3 * MIB);
}

static void
make_strange_device(const char *root)
{
    const char *dir = "sys/bus/scsi/devices/1:0:0:0";
    g_autofree char *big = g_build_filename(root, dir, "vpd_pg83", NULL);
    g_autofree char *fifo = g_build_filename(root, dir, "vpd_pg80", NULL);
    g_autofree char *wwid = g_strconcat(dir, "/wwid", NULL);
    g_autofree char *block = g_strconcat(dir, "/block/sd a;x/dev", NULL);

    scsi_tree_link(root, wwid, "wwid");
    test_file_make(big, UINT64_C(1) << 40);
    g_assert_cmpint(mkfifo(fifo, 0600), ==, 0);
    scsi_tree_text(root, block, "");
}

/* Nothing waits, nothing is believed, the others are found. */
static void
test_strange_trees_are_looked_through(TestCo *t)
{
    g_autoptr(GPtrArray) devices = NULL;
    const VsScsiDevice *device = NULL;

    make_strange_device(t->dir);
    scsi_tree_link(t->dir, "sys/bus/scsi/devices/1:0:1:0", "nowhere");
    scsi_tree_link(t->dir, "sys/bus/scsi/devices/1:0:2:0", "1:0:2:0");
    scsi_tree_text(t->dir, "sys/bus/scsi/devices/1:0:3:0", "no directory");
    scsi_tree_text(t->dir, "sys/bus/scsi/devices/1:0:99999999999:0/x", "");
    scsi_tree_text(t->dir, "sys/bus/scsi/devices/1:0:-4:0/x", "");
    add(t->dir, "1:0:4:0", "sdb", MIB, NULL);
    scsi_tree_text(t->dir, "sys/class/block/sdb/size", "99999999999999999999");
    devices = list(t->dir);
    g_assert_cmpuint(devices->len, ==, 5);
    for (guint i = 0; i < devices->len; i++) {
        device = devices->pdata[i];
        g_assert_cmpuint(device->names->len, ==, 0);
        g_assert_null(device->serial);
        g_assert_cmpuint(device->size, ==, 0);
    }
    g_assert_cmpstr(device->block, ==, "sdb");
}

static void
test_two_nodes_are_none(TestCo *t)
{
    g_autoptr(GPtrArray) devices = NULL;
    const VsScsiDevice *device;

    add(t->dir, "1:0:0:0", "sdb", MIB, NULL);
    scsi_tree_text(t->dir, "sys/bus/scsi/devices/1:0:0:0/block/sdc/dev", "");
    devices = list(t->dir);
    device = devices->pdata[0];
    g_assert_null(device->block);
}

/* Names of one file: folders take long to make, and to go. */
static void
test_too_many_entries(TestCo *t)
{
    g_autofree char *dir =
        g_build_filename(t->dir, "sys/bus/scsi/devices", NULL);
    g_autofree char *first = g_build_filename(dir, "0", NULL);
    g_autoptr(GError) error = NULL;

    scsi_tree_text(t->dir, "sys/bus/scsi/devices/0", "");
    for (unsigned i = 1; i < 16385; i++) {
        g_autofree char *path = g_strdup_printf("%s/%u", dir, i);

        g_assert_cmpint(link(first, path), ==, 0);
    }
    g_assert_null(vs_scsi_list(t->dir, &error));
    g_assert_error(error, VD_ERROR, VD_ERROR_LIMIT);
}

static void
test_slots(TestCo *t)
{
    g_autofree char *good = NULL, *bad = NULL, *none = NULL;

    scsi_tree_text(t->dir, "sys/bus/pci/slots/160/address", PCI "\n");
    scsi_tree_text(t->dir, "sys/bus/pci/slots/161/address", "../../x");
    good = vs_scsi_slot_address(t->dir, 160);
    bad = vs_scsi_slot_address(t->dir, 161);
    none = vs_scsi_slot_address(t->dir, 162);
    g_assert_cmpstr(good, ==, PCI);
    g_assert_null(bad);
    g_assert_null(none);
}

/* -- choosing -------------------------------------------------------------- */

/* The address of what is chosen among all that was added since @before;
 * "failed", "not yet", or with "likely " in front. */
static char *
choose(TestCo *t, const VsScsiWanted *wanted)
{
    g_autoptr(GPtrArray) now = list(t->dir);
    g_autoptr(GError) error = NULL;
    const VsScsiDevice *found = NULL;
    VsScsiChoice choice = vs_scsi_choose(t->dir, now, wanted, &found, &error);

    if (choice == VS_SCSI_FAILED) {
        g_assert_error(error, VD_ERROR, VD_ERROR_REFUSED);
        return g_strdup("failed");
    }
    g_assert_no_error(error);
    if (choice == VS_SCSI_NOT_YET)
        return g_strdup("not yet");
    return g_strconcat(choice == VS_SCSI_LIKELY ? "likely " : "",
                       found->address, NULL);
}

static void
assert_choice(TestCo *t, const VsScsiWanted *wanted, const char *expected)
{
    g_autofree char *chosen = choose(t, wanted);

    g_assert_cmpstr(chosen, ==, expected);
}

typedef struct {
    const char *expected;
    const char *name, *pci; /* of the disk that is wanted: unit 3, 1 MiB */
    ScsiTreeDevice before[2], after[3];
} Choice;

static const Choice choices[] = {
    {"not yet", NAME, PCI, {{0}}, {{0}}},
    {"not yet", NAME, NULL, {{"0:0:3:0", "sda", MIB, OTHER}}, {{0}}},
    /* by its name, wherever it is */
    {"5:0:9:0", NAME, PCI, {{0}}, {{"5:0:9:0", "sdb", MIB, NAME}}},
    /* but not what had it before: a copy of the disk, or of its UUID */
    {"not yet", NAME, NULL, {{"5:0:9:0", "sdb", MIB, NAME}}, {{0}}},
    {"2:0:3:0",
     NAME,
     NULL,
     {{"5:0:9:0", "sdb", MIB, NAME}},
     {{"2:0:3:0", "sdc", MIB, NAME}}},
    {"2:0:8:0",
     NAME,
     PCI,
     {{0}},
     {{"2:0:3:0", "sdb", MIB, NULL, PCI}, {"2:0:8:0", "sdc", MIB, NAME}}},
    {"failed",
     NAME,
     NULL,
     {{0}},
     {{"2:0:3:0", "sdb", MIB, NAME}, {"3:0:3:0", "sdc", MIB, NAME}}},
    {"failed", NAME, NULL, {{0}}, {{"2:0:3:0", "sdb", 2 * MIB, NAME}}},
    {"not yet", NAME, NULL, {{0}}, {{"2:0:3:0", NULL, 0, NAME}}},
    {"not yet", NAME, NULL, {{0}}, {{"2:0:3:0", "sdb", 0, NAME}}},
    /* never with somebody else's */
    {"not yet", NAME, PCI, {{0}}, {{"2:0:3:0", "sdb", MIB, OTHER, PCI}}},
    {"2:0:3:0", NULL, PCI, {{0}}, {{"2:0:3:0", "sdb", MIB, OTHER, PCI}}},
    /* by its place */
    {"2:0:3:0",
     NAME,
     PCI,
     {{0}},
     {{"2:0:3:0", "sdb", MIB, NULL, PCI}, {"3:0:3:0", "sdc", MIB}}},
    {"2:0:3:0",
     NAME,
     PCI,
     {{0}},
     {{"2:0:3:0", "sdb", MIB, NULL, PCI},
      {"3:0:3:0", "sdc", MIB, NULL, "0000:0b:00"}}},
    {"not yet",
     NAME,
     PCI,
     {{0}},
     {{"3:0:3:0", "sdc", MIB, NULL, "0000:0b:00"}}},
    {"failed", NAME, PCI, {{0}}, {{"2:0:3:0", "sdb", 2 * MIB, NULL, PCI}}},
    {"not yet", NAME, PCI, {{"2:0:3:0", "sdb", MIB, NULL, PCI}}, {{0}}},
    /* by its number alone */
    {"2:0:3:0",
     NAME,
     NULL,
     {{0}},
     {{"2:0:3:0", "sdb", MIB}, {"2:0:4:0", "sdc", MIB}}},
    {"failed",
     NAME,
     NULL,
     {{0}},
     {{"2:0:3:0", "sdb", MIB}, {"3:0:3:0", "sdc", MIB}}},
    /* for want of another */
    {"likely 2:0:4:0",
     NAME,
     NULL,
     {{"2:0:1:0", "sda", MIB}},
     {{"2:0:4:0", "sdc", MIB}}},
    {"likely 2:0:4:0", NAME, PCI, {{0}}, {{"2:0:4:0", "sdc", MIB, NULL, PCI}}},
    {"not yet", NAME, NULL, {{0}}, {{"2:0:4:0", "sdc", 2 * MIB}}},
    {"not yet",
     NAME,
     NULL,
     {{0}},
     {{"2:0:4:0", "sdb", MIB}, {"2:0:5:0", "sdc", MIB}}},
};

static void
check_choice(TestCo *t, const Choice *c)
{
    g_autoptr(GPtrArray) before = NULL;
    VsScsiWanted wanted = {
        .name = c->name, .pci_address = c->pci, .unit = 3, .size = MIB};

    for (unsigned i = 0; i < 2 && c->before[i].address; i++)
        scsi_tree_add(t->dir, &c->before[i]);
    before = list(t->dir);
    wanted.before = before;
    for (unsigned i = 0; i < 3 && c->after[i].address; i++)
        scsi_tree_add(t->dir, &c->after[i]);
    assert_choice(t, &wanted, c->expected);
    test_dir_empty(t->dir);
}

static void
test_choices(TestCo *t)
{
    for (unsigned i = 0; i < G_N_ELEMENTS(choices); i++) {
        g_test_message("choice %u", i);
        check_choice(t, &choices[i]);
    }
}

static void
test_sure_takes_no_likely_one(TestCo *t)
{
    g_autoptr(GPtrArray) before = list(t->dir);
    VsScsiWanted wanted = {
        .unit = 3, .size = MIB, .sure = true, .before = before};

    add(t->dir, "2:0:4:0", "sdb", MIB, NULL);
    assert_choice(t, &wanted, "not yet");
    add(t->dir, "2:0:3:0", "sdc", MIB, NULL);
    assert_choice(t, &wanted, "2:0:3:0");
}

static void
test_serial_names_it_too(TestCo *t)
{
    g_autoptr(GPtrArray) before = list(t->dir);
    VsScsiWanted wanted = {.name = NAME, .size = MIB, .before = before};

    add(t->dir, "2:0:9:0", "sdb", MIB, NULL);
    scsi_tree_file(t->dir, "sys/bus/scsi/devices/2:0:9:0/vpd_pg80",
                   "\0\x80\0\x20"
                   "6000C29A123456789abcdef011223344",
                   36);
    assert_choice(t, &wanted, "2:0:9:0");
}

/* -- waiting --------------------------------------------------------------- */

static const VsScsiWait patient = {
    .interval_ns = MSEC,
    .limit_ns = 60000 * MSEC,
};

static VsScsiDevice *
await(TestCo *t, const VsScsiWait *how, const VsScsiWanted *wanted,
      GError **error)
{
    VsScsiWait wait = *how;

    wait.root = t->dir;
    return vs_scsi_co_await(t->loop, &wait, wanted, error);
}

typedef struct {
    TestCo *t;
    const char *block, *wwid;
    VioCancel *cancel; /* fire it instead */
} Later;

/* coroutine entry: when the kernel has been asked. */
static void
later(void *opaque)
{
    Later *l = opaque;
    char *asked = NULL;

    while (g_strcmp0(asked, "- - -") != 0) {
        g_free(asked);
        vio_co_sleep(l->t->loop, MSEC, NULL);
        asked = scsi_tree_read(l->t->dir, "sys/class/scsi_host/host2/scan");
    }
    g_free(asked);
    if (l->cancel)
        vio_cancel_fire(l->cancel);
    else
        add(l->t->dir, "2:0:3:0", l->block, MIB, l->wwid);
}

static void
test_appears_after_a_while(TestCo *t)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(VsScsiDevice) device = NULL;
    g_autoptr(GPtrArray) before = NULL;
    VsScsiWanted wanted = {.name = NAME, .unit = 3, .size = MIB};
    Later l = {.t = t, .block = "sdc", .wwid = NAME};

    scsi_tree_text(t->dir, "sys/class/scsi_host/host2/scan", "");
    add(t->dir, "2:0:0:0", "sda", MIB, OTHER);
    before = list(t->dir);
    wanted.before = before;
    vio_co_start(t->loop, later, &l);
    device = await(t, &patient, &wanted, &error);
    g_assert_no_error(error);
    g_assert_cmpstr(device->address, ==, "2:0:3:0");
    g_assert_cmpstr(device->block, ==, "sdc");
}

/* The likely one counts when it is still the only one at the next look. */
static void
test_likely_has_to_last(TestCo *t)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(VsScsiDevice) device = NULL;
    g_autoptr(GPtrArray) before = list(t->dir);
    VsScsiWanted wanted = {.unit = 9, .size = MIB, .before = before};

    add(t->dir, "2:0:3:0", "sdc", MIB, NULL);
    device = await(t, &(VsScsiWait){.interval_ns = MSEC}, &wanted, &error);
    g_assert_null(device);
    g_assert_error(error, VD_ERROR, VD_ERROR_TIMED_OUT);
    g_clear_error(&error);
    device = await(t, &patient, &wanted, &error);
    g_assert_no_error(error);
    g_assert_cmpstr(device->address, ==, "2:0:3:0");
}

static void
test_never_appears(TestCo *t)
{
    const VsScsiWait hasty = {.interval_ns = MSEC, .limit_ns = 5 * MSEC};
    g_autoptr(GError) error = NULL;
    g_autoptr(GPtrArray) before = list(t->dir);
    VsScsiWanted wanted = {
        .name = NAME, .unit = 3, .size = MIB, .before = before};

    add(t->dir, "2:0:3:0", "sdc", MIB, OTHER);
    g_assert_null(await(t, &hasty, &wanted, &error));
    g_assert_error(error, VD_ERROR, VD_ERROR_TIMED_OUT);
    g_assert_nonnull(strstr(error->message, "2:0:3:0 (sdc"));
}

/* Its node in /dev comes later than it does, or not at all. */
static void
test_has_no_node(TestCo *t)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GPtrArray) before = list(t->dir);
    g_autofree char *node = test_co_path(t, "dev/sdc");
    VsScsiWanted wanted = {.name = NAME, .size = MIB, .before = before};

    add(t->dir, "2:0:3:0", "sdc", MIB, NAME);
    g_assert_cmpint(g_unlink(node), ==, 0);
    g_assert_null(await(t, &(VsScsiWait){0}, &wanted, &error));
    g_assert_error(error, VD_ERROR, VD_ERROR_TIMED_OUT);
}

/* Another device was called so, and its node is there still. */
static void
test_node_is_of_another(TestCo *t)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GPtrArray) before = list(t->dir);
    VsScsiWanted wanted = {.name = NAME, .size = MIB, .before = before};

    add(t->dir, "2:0:3:0", "sdc", MIB, NAME);
    scsi_tree_text(t->dir, "sys/class/block/sdc/dev", "8:32\n");
    g_assert_null(await(t, &(VsScsiWait){0}, &wanted, &error));
    g_assert_error(error, VD_ERROR, VD_ERROR_TIMED_OUT);
}

/* The disk of before goes, and is attached again at the same place. */
static void
test_attached_anew_is_new(TestCo *t)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(VsScsiDevice) device = NULL;
    g_autoptr(GPtrArray) before = NULL;
    VsScsiWanted wanted = {.name = NAME, .size = MIB};

    add(t->dir, "2:0:3:0", "sdb", MIB, NAME);
    before = list(t->dir);
    wanted.before = before;
    scsi_tree_remove(t->dir, "2:0:3:0");
    g_assert_null(await(t, &(VsScsiWait){0}, &wanted, &error));
    g_assert_error(error, VD_ERROR, VD_ERROR_TIMED_OUT);
    g_clear_error(&error);
    add(t->dir, "2:0:3:0", "sdc", MIB, NAME);
    device = await(t, &patient, &wanted, &error);
    g_assert_no_error(error);
    g_assert_cmpstr(device->block, ==, "sdc");
}

static void
test_wrong_size_ends_it(TestCo *t)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GPtrArray) before = list(t->dir);
    VsScsiWanted wanted = {.name = NAME, .size = 2 * MIB, .before = before};

    add(t->dir, "2:0:3:0", "sdc", MIB, NAME);
    g_assert_null(await(t, &patient, &wanted, &error));
    g_assert_error(error, VD_ERROR, VD_ERROR_REFUSED);
}

static void
test_waiting_can_be_cancelled(TestCo *t)
{
    g_autoptr(VioCancel) cancel = vio_cancel_new();
    g_autoptr(GError) error = NULL;
    g_autoptr(GPtrArray) before = list(t->dir);
    VsScsiWanted wanted = {.name = NAME, .size = MIB, .before = before};
    VsScsiWait wait = patient;
    Later l = {.t = t, .cancel = cancel};

    scsi_tree_text(t->dir, "sys/class/scsi_host/host2/scan", "");
    wait.cancel = cancel;
    vio_co_start(t->loop, later, &l);
    g_assert_null(await(t, &wait, &wanted, &error));
    g_assert_error(error, VD_ERROR, VD_ERROR_CANCELLED);
}

/* coroutine entry */
static void
remove_later(void *opaque)
{
    TestCo *t = opaque;

    vio_co_sleep(t->loop, 5 * MSEC, NULL);
    scsi_tree_remove(t->dir, "2:0:3:0");
}

static void
test_waiting_for_the_end(TestCo *t)
{
    VsScsiWait wait = patient;
    g_autoptr(GError) error = NULL;

    wait.root = t->dir;
    add(t->dir, "2:0:3:0", "sdc", MIB, NULL);
    g_assert_true(vs_scsi_delete(t->dir, "2:0:3:0", &error));
    g_assert_no_error(error);
    wait.limit_ns = 0;
    g_assert_false(vs_scsi_co_await_end(t->loop, &wait, "2:0:3:0", &error));
    g_assert_error(error, VD_ERROR, VD_ERROR_TIMED_OUT);
    g_clear_error(&error);
    wait.limit_ns = patient.limit_ns;
    vio_co_start(t->loop, remove_later, t);
    g_assert_true(vs_scsi_co_await_end(t->loop, &wait, "2:0:3:0", &error));
    g_assert_no_error(error);
    g_assert_false(vs_scsi_delete(t->dir, "2:0:3:0", &error));
    g_assert_error(error, VD_ERROR, VD_ERROR_NOT_FOUND);
}

static void
test_each_host_is_asked_once(TestCo *t)
{
    g_autoptr(GHashTable) asked =
        g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    g_autofree char *first = NULL, *again = NULL, *fresh = NULL;

    scsi_tree_text(t->dir, "sys/class/scsi_host/host0/scan", "");
    vs_scsi_rescan(t->dir, asked);
    first = scsi_tree_read(t->dir, "sys/class/scsi_host/host0/scan");
    scsi_tree_text(t->dir, "sys/class/scsi_host/host0/scan", "");
    scsi_tree_text(t->dir, "sys/class/scsi_host/host1/scan", "");
    vs_scsi_rescan(t->dir, asked);
    again = scsi_tree_read(t->dir, "sys/class/scsi_host/host0/scan");
    fresh = scsi_tree_read(t->dir, "sys/class/scsi_host/host1/scan");
    g_assert_cmpstr(first, ==, "- - -");
    g_assert_cmpstr(again, ==, "");
    g_assert_cmpstr(fresh, ==, "- - -");
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    test_co_add("/scsi/list/no-tree", test_no_tree_has_no_devices);
    test_co_add("/scsi/list/device", test_what_a_device_says);
    test_co_add("/scsi/list/strange", test_strange_trees_are_looked_through);
    test_co_add("/scsi/list/two-nodes", test_two_nodes_are_none);
    test_co_add("/scsi/list/too-many", test_too_many_entries);
    test_co_add("/scsi/list/slots", test_slots);
    test_co_add("/scsi/choose/table", test_choices);
    test_co_add("/scsi/choose/sure", test_sure_takes_no_likely_one);
    test_co_add("/scsi/choose/serial", test_serial_names_it_too);
    test_co_add("/scsi/await/appears", test_appears_after_a_while);
    test_co_add("/scsi/await/likely", test_likely_has_to_last);
    test_co_add("/scsi/await/never", test_never_appears);
    test_co_add("/scsi/await/no-node", test_has_no_node);
    test_co_add("/scsi/await/other-node", test_node_is_of_another);
    test_co_add("/scsi/await/anew", test_attached_anew_is_new);
    test_co_add("/scsi/await/wrong-size", test_wrong_size_ends_it);
    test_co_add("/scsi/await/cancelled", test_waiting_can_be_cancelled);
    test_co_add("/scsi/await/end", test_waiting_for_the_end);
    test_co_add("/scsi/rescan", test_each_host_is_asked_once);
    return g_test_run();
}
