/* SPDX-License-Identifier: BSD-3-Clause */
/* tests/unit/test-vmdk-discard.c - what exactly a discard and a write of zeroes
 * make of grains: whole ones, pieces, the last one, above parents. */
#include "tests/unit/vmdk-test.h"

#define GRAIN (64 * KIB)
/* Of a disk of 10 MiB: the redundant table, and the table. */
#define RGT (22 * 512)
#define GT (27 * 512)
#define ABSENT 0u
#define MARK 1u

static VdNode *
open_disk(TestCo *t, const char *name)
{
    return vmdk_test_open(t, name, VD_OPEN_RDWR | VD_OPEN_UNMAP);
}

/* Full of pattern 1. */
static VdNode *
make_full(TestCo *t, const char *name, uint64_t size, const char *options)
{
    VdNode *node;

    vmdk_test_create(t, name, size, options);
    node = open_disk(t, name);
    test_co_write_pattern(node, 0, size, 1);
    return node;
}

/* Over a parent that is full of pattern 1. */
static VdNode *
make_child(TestCo *t, const char *options)
{
    test_co_close(make_full(t, "base.vmdk", 10 * MIB, ""));
    vmdk_test_create_child(t, "c.vmdk", 10 * MIB, options, "base.vmdk");
    return open_disk(t, "c.vmdk");
}

static void
discard(VdNode *node, uint64_t off, uint64_t len)
{
    g_autoptr(GError) error = NULL;

    vd_node_co_discard(node, off, len, &error);
    g_assert_no_error(error);
}

static void
zero(VdNode *node, uint64_t off, uint64_t len)
{
    g_autoptr(GError) error = NULL;

    vd_node_co_write_zeroes(node, off, len, VD_REQ_MAY_UNMAP, &error);
    g_assert_no_error(error);
}

/* In both copies; the disk is closed. */
static void
assert_entry(TestCo *t, const char *name, unsigned i, uint32_t wanted)
{
    g_assert_cmpuint(vmdk_test_peek32(t, name, GT + i * 4), ==, wanted);
    g_assert_cmpuint(vmdk_test_peek32(t, name, RGT + i * 4), ==, wanted);
}

static void
assert_has_place(TestCo *t, const char *name, unsigned i)
{
    g_assert_cmpuint(vmdk_test_peek32(t, name, GT + i * 4), >, MARK);
}

/* -- without a parent -------------------------------------------------------
 */

static void
test_only_whole_grains_are_discarded(TestCo *t)
{
    VdNode *node = make_full(t, "d.vmdk", 10 * MIB, "");

    discard(node, GRAIN / 2, 3 * GRAIN);      /* grains 1 and 2 */
    discard(node, 8 * GRAIN + 512, 512);      /* none */
    discard(node, 10 * GRAIN + 1, 2 * GRAIN); /* grain 11 */
    test_co_assert_pattern(node, 0, GRAIN, 1);
    test_co_assert_zero(node, GRAIN, 2 * GRAIN);
    test_co_assert_pattern(node, 3 * GRAIN, 8 * GRAIN, 1);
    test_co_assert_zero(node, 11 * GRAIN, GRAIN);
    test_co_assert_pattern(node, 12 * GRAIN, 10 * MIB - 12 * GRAIN, 1);
    test_co_close(node);
    assert_has_place(t, "d.vmdk", 0);
    assert_entry(t, "d.vmdk", 1, ABSENT);
    assert_entry(t, "d.vmdk", 2, ABSENT);
    assert_has_place(t, "d.vmdk", 3);
    assert_entry(t, "d.vmdk", 11, ABSENT);
}

static void
test_zeroes_reach_into_grains(TestCo *t)
{
    VdNode *node = make_full(t, "d.vmdk", 10 * MIB, "");

    zero(node, GRAIN / 2, 3 * GRAIN);
    test_co_assert_pattern(node, 0, GRAIN / 2, 1);
    test_co_assert_zero(node, GRAIN / 2, 3 * GRAIN);
    test_co_assert_pattern(node, 7 * GRAIN / 2, GRAIN / 2, 1);
    zero(node, 20 * GRAIN + 7, 9);
    test_co_assert_pattern(node, 20 * GRAIN, 7, 1);
    test_co_assert_zero(node, 20 * GRAIN + 7, 9);
    test_co_assert_pattern(node, 20 * GRAIN + 16, GRAIN - 16, 1);
    test_co_close(node);
    assert_has_place(t, "d.vmdk", 0);
    assert_entry(t, "d.vmdk", 1, ABSENT);
    assert_entry(t, "d.vmdk", 2, ABSENT);
    assert_has_place(t, "d.vmdk", 3);
    assert_has_place(t, "d.vmdk", 20);
}

/* What the disk ends in is whole enough. */
static void
test_the_cut_last_grain_goes(TestCo *t)
{
    VdNode *node = make_full(t, "d.vmdk", 2 * GRAIN + 1024, "");

    discard(node, 2 * GRAIN, 512); /* a piece of it */
    test_co_assert_pattern(node, 0, 2 * GRAIN + 1024, 1);
    discard(node, 2 * GRAIN, 1024);
    test_co_assert_pattern(node, 0, 2 * GRAIN, 1);
    test_co_assert_zero(node, 2 * GRAIN, 1024);
    test_co_close(node);
    node = open_disk(t, "d.vmdk");
    vmdk_test_assert_sound(node, false);
    zero(node, 512, 2 * GRAIN + 512); /* to the end, from within a grain */
    test_co_assert_pattern(node, 0, 512, 1);
    test_co_assert_zero(node, 512, 2 * GRAIN + 512);
    test_co_close(node);
    node = vmdk_test_open(t, "d.vmdk", 0);
    vmdk_test_assert_sound(node, false);
    test_co_close(node);
}

static void
test_across_extents(TestCo *t)
{
    VdNode *node = make_full(t, "d.vmdk", 10 * MIB,
                             "subformat=twoGbMaxExtentSparse,split_size=2M");

    discard(node, 2 * MIB - GRAIN - 1, 2 * GRAIN + 2);
    test_co_assert_pattern(node, 0, 2 * MIB - GRAIN, 1);
    test_co_assert_zero(node, 2 * MIB - GRAIN, 2 * GRAIN);
    test_co_assert_pattern(node, 2 * MIB + GRAIN, 2 * MIB - GRAIN, 1);
    zero(node, 3 * MIB + 1, 4 * MIB);
    test_co_assert_pattern(node, 2 * MIB + GRAIN, MIB - GRAIN + 1, 1);
    test_co_assert_zero(node, 3 * MIB + 1, 4 * MIB);
    test_co_assert_pattern(node, 7 * MIB + 1, 3 * MIB - 1, 1);
    test_co_close(node);
}

/* -- above a parent ---------------------------------------------------------
 */

/* Nothing can be given up: the parent would show through. */
static void
test_without_marks_a_discard_does_nothing(TestCo *t)
{
    VdNode *node = make_child(t, "");

    test_co_write_pattern(node, GRAIN, 2 * GRAIN, 2);
    discard(node, 0, 4 * GRAIN);
    test_co_assert_pattern(node, 0, GRAIN, 1);
    test_co_assert_pattern(node, GRAIN, 2 * GRAIN, 2);
    test_co_assert_pattern(node, 3 * GRAIN, GRAIN, 1);
    test_co_close(node);
    assert_entry(t, "c.vmdk", 0, ABSENT);
    assert_has_place(t, "c.vmdk", 1);
}

static void
test_without_marks_zeroes_are_stored(TestCo *t)
{
    VdNode *node = make_child(t, "");

    test_co_write_pattern(node, GRAIN, GRAIN, 2);
    zero(node, GRAIN / 2, 3 * GRAIN);
    test_co_assert_pattern(node, 0, GRAIN / 2, 1);
    test_co_assert_zero(node, GRAIN / 2, 3 * GRAIN);
    test_co_assert_pattern(node, 7 * GRAIN / 2, GRAIN, 1);
    test_co_close(node);
    for (unsigned i = 0; i < 4; i++)
        assert_has_place(t, "c.vmdk", i);
    assert_entry(t, "c.vmdk", 4, ABSENT);
    node = vmdk_test_open(t, "c.vmdk", 0);
    vmdk_test_assert_sound(node, false);
    test_co_close(node);
}

static void
test_with_marks_the_parent_stays_hidden(TestCo *t)
{
    VdNode *node = make_child(t, "zeroed_grain=on");

    test_co_write_pattern(node, GRAIN, 2 * GRAIN, 2);
    discard(node, 0, 2 * GRAIN); /* grain 0 is the parent's, and stays it */
    test_co_assert_pattern(node, 0, GRAIN, 1);
    test_co_assert_zero(node, GRAIN, GRAIN);
    test_co_assert_pattern(node, 2 * GRAIN, GRAIN, 2);
    zero(node, 4 * GRAIN - 1, 3 * GRAIN + 2);
    test_co_assert_pattern(node, 3 * GRAIN, GRAIN - 1, 1);
    test_co_assert_zero(node, 4 * GRAIN - 1, 3 * GRAIN + 2);
    test_co_assert_pattern(node, 7 * GRAIN + 1, GRAIN - 1, 1);
    test_co_close(node);
    assert_entry(t, "c.vmdk", 0, ABSENT);
    assert_entry(t, "c.vmdk", 1, MARK);
    assert_has_place(t, "c.vmdk", 3);
    for (unsigned i = 4; i < 7; i++)
        assert_entry(t, "c.vmdk", i, MARK);
    assert_has_place(t, "c.vmdk", 7);
}

/* A mark that is written to in part does not bring the parent back. */
static void
test_a_mark_is_written_over(TestCo *t)
{
    VdNode *node = make_child(t, "zeroed_grain=on");

    zero(node, 0, 2 * GRAIN);
    test_co_write_pattern(node, 4096, 4096, 3);
    test_co_assert_zero(node, 0, 4096);
    test_co_assert_pattern(node, 4096, 4096, 3);
    test_co_assert_zero(node, 8192, 2 * GRAIN - 8192);
    test_co_close(node);
    assert_has_place(t, "c.vmdk", 0);
    assert_entry(t, "c.vmdk", 1, MARK);
}

/* Three links with grains of 64, 4 and 8 KiB. */
static void
test_links_of_different_grains(TestCo *t)
{
    VdNode *node = make_child(t, "zeroed_grain=on,grain_size=4k");

    zero(node, 4 * KIB, 8 * KIB);
    test_co_write_pattern(node, 20 * KIB, 4 * KIB, 2);
    discard(node, 20 * KIB, 4 * KIB);
    test_co_close(node);
    vmdk_test_create_child(t, "top.vmdk", 10 * MIB,
                           "zeroed_grain=on,grain_size=8k", "c.vmdk");
    node = open_disk(t, "top.vmdk");
    test_co_write_pattern(node, 9 * KIB, KIB, 3); /* 8 to 16: both links' */
    test_co_assert_pattern(node, 0, 4 * KIB, 1);
    test_co_assert_zero(node, 4 * KIB, 5 * KIB);
    test_co_assert_pattern(node, 9 * KIB, KIB, 3);
    test_co_assert_zero(node, 10 * KIB, 2 * KIB);
    test_co_assert_pattern(node, 12 * KIB, 8 * KIB, 1);
    test_co_assert_zero(node, 20 * KIB, 4 * KIB);
    test_co_assert_pattern(node, 24 * KIB, 8 * KIB, 1);
    discard(node, 8 * KIB, 8 * KIB);
    test_co_assert_zero(node, 4 * KIB, 12 * KIB);
    test_co_assert_pattern(node, 16 * KIB, 4 * KIB, 1);
    test_co_close(node);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
#define ADD(path, fn) test_co_add("/vmdk/discard/" path, fn)
    ADD("whole-grains", test_only_whole_grains_are_discarded);
    ADD("zeroes", test_zeroes_reach_into_grains);
    ADD("last-grain", test_the_cut_last_grain_goes);
    ADD("extents", test_across_extents);
    ADD("child", test_without_marks_a_discard_does_nothing);
    ADD("child-zeroes", test_without_marks_zeroes_are_stored);
    ADD("marks", test_with_marks_the_parent_stays_hidden);
    ADD("over-a-mark", test_a_mark_is_written_over);
    ADD("grain-sizes", test_links_of_different_grains);
#undef ADD
    return g_test_run();
}
