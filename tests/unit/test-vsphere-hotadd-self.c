/* SPDX-License-Identifier: BSD-3-Clause */
/* tests/unit/test-vsphere-hotadd-self.c - which machine its firmware says that
 * we are. */
#include "vsphere/hotadd-self.h"

#include <string.h>

#include "tests/support/temp-dir.h"
#include "tests/unit/scsi-tree.h"

#define DMI "sys/class/dmi/id/"
#define UUID "42339c8a-1e2f-0011-2233-445566778899"
#define SWAPPED "8a9c3342-2f1e-1100-2233-445566778899"
#define SERIAL "VMware-42 33 9c 8a 1e 2f 00 11-22 33 44 55 66 77 88 99\n"
#define OTHER_SERIAL "VMware-56 4d 00 00 00 00 00 00-00 00 00 00 00 00 00 01"

typedef struct {
    const char *what;
    const char *vendor, *uuid, *serial; /* NULL = no such file */
    const char *wanted;                 /* NULL = an error */
    VdErrorCode code;
} Case;

static const Case cases[] = {
    {"all", "VMware, Inc.\n", UUID "\n", OTHER_SERIAL,
     UUID " " SWAPPED " 564d0000-0000-0000-0000-000000000001"},
    {"once", "VMware, Inc.", UUID, SERIAL, UUID " " SWAPPED},
    {"upper-case", "VMware, Inc.", "42339C8A-1E2F-0011-2233-445566778899", NULL,
     UUID " " SWAPPED},
    {"serial-only", "VMware20,1", NULL, SERIAL, UUID},
    {"bad-uuid", "VMware", "42339c8a-1e2f", SERIAL, UUID},
    {"long-uuid", "VMware", UUID "0", SERIAL, UUID},
    {"nothing", "VMware", NULL, NULL, NULL, VD_ERROR_PERMISSION},
    {"none-of-both", "VMware", "Not Settable", "VMware-", NULL,
     VD_ERROR_PERMISSION},
    {"serial-of-others", "VMware", NULL, "QEMU-42 33", NULL,
     VD_ERROR_PERMISSION},
    {"another-vendor", "QEMU", UUID, SERIAL, NULL, VD_ERROR_NOT_SUPPORTED},
    {"no-vendor", NULL, UUID, SERIAL, NULL, VD_ERROR_NOT_SUPPORTED},
};

static void
put(const char *root, const char *name, const char *text)
{
    if (text)
        scsi_tree_text(root, name, text);
}

static void
test_case(gconstpointer data)
{
    const Case *c = data;
    g_autoptr(GError) error = NULL;
    g_auto(GStrv) uuids = NULL;
    g_autofree char *found = NULL;
    char *root = test_dir_new();

    put(root, DMI "sys_vendor", c->vendor);
    put(root, DMI "product_uuid", c->uuid);
    put(root, DMI "product_serial", c->serial);
    uuids = vs_hotadd_own_uuids(root, &error);
    found = uuids ? g_strjoinv(" ", uuids) : NULL;
    g_assert_cmpstr(found, ==, c->wanted);
    if (c->wanted)
        g_assert_no_error(error);
    else
        g_assert_error(error, VD_ERROR, (int) c->code);
    test_dir_remove(root);
}

/* A vendor of control characters and of any length does no harm. */
static void
test_strange_vendor(void)
{
    g_autofree char *vendor = g_strnfill(5000, 'V');
    g_autoptr(GError) error = NULL;
    char *root = test_dir_new();

    put(root, DMI "sys_vendor", "\033[2J");
    g_assert_null(vs_hotadd_own_uuids(root, &error));
    g_assert_error(error, VD_ERROR, VD_ERROR_NOT_SUPPORTED);
    g_assert_null(strchr(error->message, '\033'));
    g_clear_error(&error);
    put(root, DMI "sys_vendor", vendor);
    g_assert_null(vs_hotadd_own_uuids(root, &error));
    g_assert_error(error, VD_ERROR, VD_ERROR_NOT_SUPPORTED);
    test_dir_remove(root);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    for (unsigned i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *path =
            g_strconcat("/hotadd-self/", cases[i].what, NULL);

        g_test_add_data_func(path, &cases[i], test_case);
    }
    g_test_add_func("/hotadd-self/strange-vendor", test_strange_vendor);
    return g_test_run();
}
