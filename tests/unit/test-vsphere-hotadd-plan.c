/* SPDX-License-Identifier: BSD-3-Clause */
/* tests/unit/test-vsphere-hotadd-plan.c - may a disk be attached, where, and
 * which one is it then? */
#include "vsphere/hotadd-plan.h"

#include "vsphere/reconfigure.h"

#define PVSCSI "ParaVirtualSCSIController"
#define LSI "VirtualLsiLogicController"
#define BASE "[ds] vm/x.vmdk"
#define GIB (UINT64_C(1) << 30)

/* -- machines -------------------------------------------------------------- */

/* As vsphere/disks.c makes it: with an entry in "devices" for each. */
static void
add_device(VsHardware *m, int key, int controller_key, int unit)
{
    VsDevice device = {key, controller_key, unit};

    g_array_append_val(m->devices, device);
}

static void
free_controller(void *opaque)
{
    VsController *controller = opaque;

    g_free(controller->kind);
    g_free(controller);
}

static void
free_disk(void *opaque)
{
    VsDiskDevice *disk = opaque;

    g_ptr_array_unref(disk->files);
    g_free(disk);
}

static VsHardware *
machine_new(void)
{
    VsHardware *m = g_new0(VsHardware, 1);

    m->controllers = g_ptr_array_new_with_free_func(free_controller);
    m->disks = g_ptr_array_new_with_free_func(free_disk);
    m->devices = g_array_new(FALSE, FALSE, sizeof(VsDevice));
    return m;
}

static void
add_controller(VsHardware *m, int key, const char *kind, int bus)
{
    VsController *controller = g_new0(VsController, 1);

    controller->key = key;
    controller->kind = g_strdup(kind);
    controller->bus = bus;
    controller->scsi = g_str_has_suffix(kind, "SCSIController") ||
                       g_str_has_prefix(kind, "VirtualLsi");
    g_ptr_array_add(m->controllers, controller);
    add_device(m, key, 100, -1);
}

/* @files: the one in use, then its parents, up to a NULL. */
static VsDiskDevice *
add_disk(VsHardware *m, int key, int controller_key, int unit,
         const char *const *files)
{
    VsDiskDevice *disk = g_new0(VsDiskDevice, 1);

    disk->key = key;
    disk->controller_key = controller_key;
    disk->unit = unit;
    disk->capacity = GIB;
    disk->files = g_ptr_array_new_with_free_func(g_free);
    for (; *files; files++)
        g_ptr_array_add(disk->files, g_strdup(*files));
    g_ptr_array_add(m->disks, disk);
    add_device(m, key, controller_key, unit);
    return disk;
}

static const char *const base_only[] = {BASE, NULL};
static const char *const other_disk[] = {"[ds] vm/y.vmdk", NULL};

/* -- may it be attached? --------------------------------------------------- */

static void
assert_kind(bool scsi, bool raw_mapping, uint64_t capacity, int code)
{
    const VsTarget target = {
        .file = (char *) BASE,
        .scsi = scsi,
        .raw_mapping = raw_mapping,
        .capacity = capacity,
    };
    g_autoptr(GError) error = NULL;
    bool ok = vs_hotadd_check_kind(&target, &error);

    if (code < 0)
        g_assert_no_error(error);
    else
        g_assert_error(error, VD_ERROR, code);
    g_assert_true(ok == (code < 0));
}

static void
test_kinds(void)
{
    assert_kind(true, false, GIB, -1);
    assert_kind(false, false, GIB, VD_ERROR_NOT_SUPPORTED);
    assert_kind(true, true, GIB, VD_ERROR_NOT_SUPPORTED);
    assert_kind(true, false, 0, VD_ERROR_CORRUPT);
}

/* -- where? ---------------------------------------------------------------- */

static void
assert_place(const VsHardware *m, int controller_key, int bus, int unit)
{
    g_autoptr(GError) error = NULL;
    VsHotaddPlace place;

    g_assert_true(vs_hotadd_choose_place(m, &place, &error));
    g_assert_no_error(error);
    g_assert_cmpint(place.controller_key, ==, controller_key);
    g_assert_cmpint(place.bus, ==, bus);
    g_assert_cmpint(place.unit, ==, unit);
}

static void
fill(VsHardware *m, int controller_key)
{
    for (int unit = 0; unit < 16; unit++)
        if (unit != 7)
            add_device(m, 5000 + unit, controller_key, unit);
}

static void
test_place_lowest_free_unit(void)
{
    g_autoptr(VsHardware) m = machine_new();

    add_controller(m, 200, "VirtualIDEController", 0);
    add_controller(m, 1000, LSI, 0);
    assert_place(m, 1000, 0, 0);
    add_device(m, 2000, 1000, 0);
    add_device(m, 2001, 1000, 1);
    add_device(m, 2003, 1000, 3); /* no disk */
    assert_place(m, 1000, 0, 2);
}

static void
test_place_skips_the_controllers_own(void)
{
    g_autoptr(VsHardware) m = machine_new();

    add_controller(m, 1000, PVSCSI, 0);
    for (int unit = 0; unit < 7; unit++)
        add_device(m, 2000 + unit, 1000, unit);
    assert_place(m, 1000, 0, 8);
}

static void
test_place_prefers_paravirtual(void)
{
    g_autoptr(VsHardware) m = machine_new();

    add_controller(m, 1000, LSI, 0);
    add_controller(m, 1001, PVSCSI, 1);
    assert_place(m, 1001, 1, 0);
    fill(m, 1001);
    assert_place(m, 1000, 0, 0);
}

static void
test_place_on_a_new_controller(void)
{
    g_autoptr(VsHardware) m = machine_new();
    g_autoptr(GError) error = NULL;
    VsHotaddPlace place;

    assert_place(m, VS_NEW_CONTROLLER, 0, 0);
    add_controller(m, 1000, PVSCSI, 0);
    add_controller(m, 1002, PVSCSI, 2);
    fill(m, 1000);
    fill(m, 1002);
    assert_place(m, VS_NEW_CONTROLLER, 1, 0);
    add_controller(m, 1001, LSI, 1);
    add_controller(m, 1003, LSI, 3);
    fill(m, 1001);
    fill(m, 1003);
    g_assert_false(vs_hotadd_choose_place(m, &place, &error));
    g_assert_error(error, VD_ERROR, VD_ERROR_NO_SPACE);
}

/* -- which one? ------------------------------------------------------------ */

static void
test_added_is_what_was_not_there(void)
{
    static const char *const redo[] = {"[ds] proxy/redo.vmdk", BASE, NULL};
    g_autoptr(VsHardware) before = machine_new();
    g_autoptr(VsHardware) after = machine_new();

    add_disk(before, 2000, 1000, 0, base_only);
    add_disk(after, 2000, 1000, 0, base_only);
    add_disk(after, 2001, 1000, 1, other_disk);
    g_assert_null(vs_hotadd_find_added(after, before, BASE));
    add_disk(after, 2002, 1000, 2, redo);
    g_assert_cmpint(vs_hotadd_find_added(after, before, BASE)->key, ==, 2002);
}

static void
test_recorded_needs_file_and_place(void)
{
    g_autoptr(VsHardware) m = machine_new();
    VsHotaddRecord record = {
        .file = (char *) BASE, .controller_key = 1000, .unit = 3};

    add_disk(m, 2001, 1000, 3, other_disk); /* took the place since */
    add_disk(m, 2002, 1000, 4, base_only);  /* somebody else's doing */
    g_assert_null(vs_hotadd_find_recorded(m, &record));
    record.key = 2001;
    g_assert_null(vs_hotadd_find_recorded(m, &record));
    record.key = 2002;
    g_assert_nonnull(vs_hotadd_find_recorded(m, &record));
    record.key = 0;
    record.unit = 4;
    g_assert_nonnull(vs_hotadd_find_recorded(m, &record));
    record.controller_key = 1001;
    g_assert_null(vs_hotadd_find_recorded(m, &record));
    record.controller_key = VS_NEW_CONTROLLER; /* has another key now */
    g_assert_nonnull(vs_hotadd_find_recorded(m, &record));
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/hotadd-plan/kinds", test_kinds);
    g_test_add_func("/hotadd-plan/place/lowest", test_place_lowest_free_unit);
    g_test_add_func("/hotadd-plan/place/own-unit",
                    test_place_skips_the_controllers_own);
    g_test_add_func("/hotadd-plan/place/paravirtual",
                    test_place_prefers_paravirtual);
    g_test_add_func("/hotadd-plan/place/new", test_place_on_a_new_controller);
    g_test_add_func("/hotadd-plan/added", test_added_is_what_was_not_there);
    g_test_add_func("/hotadd-plan/recorded",
                    test_recorded_needs_file_and_place);
    return g_test_run();
}
