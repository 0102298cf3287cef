/* SPDX-License-Identifier: BSD-3-Clause */
/* tests/unit/test-vmdk-cowd-repair.c - redo logs: one copy of everything, and a
 * word that says where free space begins. */
#include "tests/unit/cowd-test.h"

/* Tables come with the first write to their span: the first behind the
 * directory, its grains behind it. */
#define TABLE FIRST_FREE
#define DATA (TABLE + TABLE_SECTORS)

static uint64_t
entry_byte(unsigned grain)
{
    return TABLE * 512 + 4 * grain;
}

static void
make(TestCo *t)
{
    cowd_test_make_disk(t);
    g_assert_cmpuint(cowd_test_field(t, GD_BYTE), ==, TABLE);
    g_assert_cmpuint(cowd_test_field(t, entry_byte(3)), ==, DATA);
    cowd_test_assert_sound(t);
}

static VdCheckResult
repair(TestCo *t, unsigned what)
{
    VdCheckResult result = {.max_findings = 10};
    g_autoptr(GError) error = NULL;
    VdNode *node = vmdk_test_open(t, "d.vmdk",
                                  VD_OPEN_CHECK | VD_OPEN_RDWR | VD_OPEN_UNMAP);

    vd_vmdk_driver.co_check(node, &(VdCheckParams){.repair = what}, &result,
                            &error);
    g_assert_no_error(error);
    g_clear_pointer(&result.findings, g_ptr_array_unref);
    test_co_close(node);
    return result;
}

/* A sector that belongs to nobody can stay: files have larger holes. */
static void
assert_mended(TestCo *t, uint64_t corruptions)
{
    VdCheckResult result = repair(t, VD_REPAIR_ALL);

    g_assert_cmpuint(result.corruptions_fixed, ==, corruptions);
    result = cowd_test_check(t);
    g_assert_cmpuint(result.corruptions, ==, 0);
    g_assert_cmpuint(result.check_errors, ==, 0);
    g_assert_cmpuint(result.leaks, <=, 1);
}

static void
assert_whole(TestCo *t)
{
    VdNode *node = vmdk_test_open(t, "d.vmdk", VD_OPEN_RDWR);

    cowd_test_assert_disk(node);
    test_co_close(node);
}

/* Sector 3 + @grain, of those with a pattern, is not there. */
static void
assert_whole_but(TestCo *t, unsigned grain)
{
    VdNode *node = vmdk_test_open(t, "d.vmdk", VD_OPEN_RDWR);

    test_co_assert_pattern(node, 3 * 512, grain * UINT64_C(512), 1);
    test_co_assert_zero(node, (3 + grain) * UINT64_C(512), 512);
    test_co_assert_pattern(node, (4 + grain) * UINT64_C(512),
                           (7 - grain) * UINT64_C(512), 1);
    test_co_assert_pattern(node, 2 * SPAN, 4 * 512, 2);
    test_co_close(node);
}

static void
test_free_sector_too_low(TestCo *t)
{
    static const uint32_t values[] = {0, FIRST_FREE, DATA + 1};

    make(t);
    for (unsigned i = 0; i < G_N_ELEMENTS(values); i++) {
        vmdk_test_poke32(t, DELTA, FREE_BYTE, values[i]);
        g_assert_cmpuint(cowd_test_check(t).corruptions, ==, 1);
        assert_mended(t, 1);
        g_assert_cmpuint(cowd_test_field(t, FREE_BYTE), >, DATA + 8);
        assert_whole(t);
    }
}

static void
test_entry_outside(TestCo *t)
{
    make(t);
    vmdk_test_poke32(t, DELTA, entry_byte(5), 0x7fffffff);
    g_assert_cmpuint(cowd_test_check(t).corruptions, ==, 1);
    assert_mended(t, 1);
    g_assert_cmpuint(cowd_test_field(t, entry_byte(5)), ==, 0);
    assert_whole_but(t, 2);
}

static void
test_entry_on_the_directory(TestCo *t)
{
    make(t);
    vmdk_test_poke32(t, DELTA, entry_byte(5), 4);
    assert_mended(t, 1);
    g_assert_cmpuint(cowd_test_field(t, entry_byte(5)), ==, 0);
    assert_whole_but(t, 2);
}

/* Entry 20 reads what entry 3 reads, then and now; a write to one of them no
 * longer changes the other. */
static void
test_shared_grain(TestCo *t)
{
    uint8_t buf[512], want[512];
    VdNode *node;

    make(t);
    vmdk_test_poke32(t, DELTA, entry_byte(20), DATA);
    g_assert_cmpuint(cowd_test_check(t).corruptions, ==, 1);
    assert_mended(t, 1);
    g_assert_cmpuint(cowd_test_field(t, entry_byte(3)), ==, DATA);
    node = vmdk_test_open(t, "d.vmdk", VD_OPEN_RDWR);
    test_pattern_fill(want, sizeof(want), 3 * 512, 1);
    g_assert_true(vd_node_co_pread(node, 20 * 512, buf, sizeof(buf), NULL));
    g_assert_cmpmem(buf, sizeof(buf), want, sizeof(want));
    test_co_write_pattern(node, 20 * 512, 512, 9);
    test_co_assert_pattern(node, 3 * 512, 8 * 512, 1);
    test_co_close(node);
    cowd_test_assert_sound(t);
}

static void
test_leaks_at_the_end(TestCo *t)
{
    VdNode *node;
    VdCheckResult result;
    uint32_t third;

    make(t);
    third = cowd_test_field(t, GD_BYTE + 8);
    for (unsigned i = 0; i < 4; i++)
        vmdk_test_poke32(t, DELTA, third * UINT64_C(512) + 4 * i, 0);
    result = cowd_test_check(t);
    g_assert_cmpuint(result.leaks, ==, 4);
    g_assert_cmpuint(result.corruptions, ==, 0);
    result = repair(t, VD_REPAIR_LEAKS);
    g_assert_cmpuint(result.leaks_fixed, ==, 4);
    cowd_test_assert_sound(t);
    node = vmdk_test_open(t, "d.vmdk", VD_OPEN_RDWR);
    test_co_assert_zero(node, 2 * SPAN, 4 * 512);
    test_co_write_pattern(node, 2 * SPAN, 4 * 512, 2);
    cowd_test_assert_disk(node);
    test_co_close(node);
    cowd_test_assert_sound(t);
}

/* A table shifted into the grains behind it: neither it nor they are lost. */
static void
test_table_over_grains(TestCo *t)
{
    VdNode *node;
    uint32_t third;

    make(t);
    third = cowd_test_field(t, GD_BYTE + 8);
    vmdk_test_poke32(t, DELTA, GD_BYTE + 8, DATA + 2);
    g_assert_cmpuint(third, >, DATA);
    node = vmdk_test_open(t, "d.vmdk", VD_OPEN_CHECK);
    test_co_assert_pattern(node, 3 * 512, 8 * 512, 1);
    test_co_close(node);
    repair(t, VD_REPAIR_ALL);
    node = vmdk_test_open(t, "d.vmdk", VD_OPEN_CHECK);
    test_co_assert_pattern(node, 3 * 512, 8 * 512, 1);
    test_co_close(node);
}

/* What the entries said stays, and can be written to. */
static void
test_zeroes_above_a_parent(TestCo *t)
{
    VdNode *node;

    cowd_test_make_child(t, "subformat=monolithicFlat", COWD);
    node = vmdk_test_open(t, "d.vmdk", VD_OPEN_RDWR);
    test_co_write_pattern(node, SPAN, 4096, 3);
    test_co_close(node);
    vmdk_test_poke32(t, DELTA, GD_BYTE, 1);
    vmdk_test_poke32(t, DELTA, GD_BYTE + 8, 1); /* with a part of a table */
    g_assert_cmpuint(cowd_test_check(t).corruptions, ==, 2);
    assert_mended(t, 2);

    node = vmdk_test_open(t, "d.vmdk", VD_OPEN_RDWR);
    test_co_assert_zero(node, 0, SPAN);
    test_co_assert_zero(node, 2 * SPAN, DISK - 2 * SPAN);
    test_co_write_pattern(node, 512, 512, 5);
    test_co_write_pattern(node, DISK - 512, 512, 6);
    test_co_assert_zero(node, 0, 512);
    test_co_assert_pattern(node, 512, 512, 5);
    test_co_assert_zero(node, 1024, SPAN - 1024);
    test_co_assert_pattern(node, SPAN, 4096, 3);
    test_co_assert_pattern(node, SPAN + 4096, SPAN - 4096, 7);
    test_co_assert_zero(node, 2 * SPAN, DISK - 2 * SPAN - 512);
    test_co_close(node);
    g_assert_cmpuint(cowd_test_check(t).corruptions, ==, 0);
}

#define MAX_BLOCK (64 * KIB / 512)

/* Two TiB that belong to nobody, nearly all of them a hole of the file: new
 * grains come to lie behind, and nobody looks at each sector by itself. */
static void
test_free_sector_far_out(TestCo *t)
{
    const uint32_t far = 0xffffe000;
    uint64_t leaks;
    VdNode *node;
    VdCheckResult result;

    make(t);
    vmdk_test_poke32(t, DELTA, FREE_BYTE, far);
    node = vmdk_test_open(t, "d.vmdk", VD_OPEN_RDWR);
    test_co_write_pattern(node, SPAN, 512, 3);
    test_co_close(node);
    g_assert_cmpuint(cowd_test_field(t, GD_BYTE + 4), ==, far);
    result = cowd_test_check(t);
    g_assert_cmpuint(result.corruptions, ==, 0);
    leaks = result.leaks; /* of a block of the file system with grains in it */
    g_assert_cmpuint(leaks, <=, MAX_BLOCK);

    vmdk_test_poke32(t, DELTA, (UINT64_C(1) << 40) + 512, 1);
    result = cowd_test_check(t);
    g_assert_cmpuint(result.corruptions, ==, 0);
    g_assert_cmpuint(result.leaks, >, leaks);
    g_assert_cmpuint(result.leaks, <=, leaks + MAX_BLOCK);
    repair(t, VD_REPAIR_LEAKS);
    g_assert_cmpuint(cowd_test_check(t).leaks, ==, leaks);

    node = vmdk_test_open(t, "d.vmdk", VD_OPEN_RDWR | VD_OPEN_UNMAP);
    vmdk_test_compact(node, VD_COMPACT_SHRINK);
    test_co_assert_pattern(node, 3 * 512, 8 * 512, 1);
    test_co_assert_pattern(node, SPAN, 512, 3);
    test_co_assert_pattern(node, 2 * SPAN, 4 * 512, 2);
    vmdk_test_assert_sound(node, true);
    test_co_close(node);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
#define ADD(path, fn) test_co_add("/vmdk/cowd-repair/" path, fn)
    ADD("free-sector", test_free_sector_too_low);
    ADD("outside", test_entry_outside);
    ADD("directory", test_entry_on_the_directory);
    ADD("shared", test_shared_grain);
    ADD("zeroes-above-a-parent", test_zeroes_above_a_parent);
    ADD("free-sector-far-out", test_free_sector_far_out);
    ADD("leaks-at-the-end", test_leaks_at_the_end);
    ADD("table-over-grains", test_table_over_grains);
#undef ADD
    return g_test_run();
}
