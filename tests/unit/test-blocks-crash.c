/* SPDX-License-Identifier: BSD-3-Clause */
/* tests/unit/test-blocks-crash.c - power failures and failing requests while
 * VDI and VHD images are written (VHDX has a log: test-vhdx-crash.c). */
#include "formats/vdi/driver.h"
#include "formats/vhd/driver.h"
#include "tests/unit/blocks-test.h"

#define DISK_SIZE (5 * MIB + 4096)

static const BlocksTest vdi = {&vd_vdi_driver, "d.vdi"};
static const BlocksTest vhd = {&vd_vhd_driver, "d.vhd", .mends = true};

static const struct {
    const BlocksTest *image;
    const char *options;
} kinds[] = {
    {&vdi, ""},
    {&vdi, "static=on"},
    {&vhd, ""},
    {&vhd, "subformat=fixed"},
};

static void
test_crash(TestCo *t)
{
    for (unsigned i = 0; i < G_N_ELEMENTS(kinds); i++)
        blocks_test_replay(t, kinds[i].image, DISK_SIZE, kinds[i].options,
                           51 + i);
}

static void
test_fault(TestCo *t)
{
    blocks_test_sweep(t, &vdi, DISK_SIZE, "", 61);
    blocks_test_sweep(t, &vhd, DISK_SIZE, "", 62);
}

static void
test_fault_in_creation(TestCo *t)
{
    for (unsigned i = 0; i < G_N_ELEMENTS(kinds); i++)
        blocks_test_sweep_create(t, kinds[i].image, DISK_SIZE,
                                 kinds[i].options);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    test_co_add("/blocks/crash/writes", test_crash);
    test_co_add("/blocks/fault/writes", test_fault);
    test_co_add("/blocks/fault/creation", test_fault_in_creation);
    return g_test_run();
}
