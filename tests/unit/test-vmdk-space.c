/* SPDX-License-Identifier: BSD-3-Clause */
/* tests/unit/test-vmdk-space.c - what becomes of places that were given up:
 * when they are used again, what is cut off, what is never given up, and that
 * moving grains leaves nothing half done. */
#include "block/node-internal.h"
#include "formats/vmdk/sparse/move.h"
#include "tests/support/leaf.h"
#include "tests/unit/vmdk-test.h"

#include <errno.h>
#include <glib/gstdio.h>
#include <string.h>

#define GRAIN (64 * KIB)
#define OVERHEAD                                                               \
    (64 * KIB) /* of a disk of 10 MiB: the first grain is there                \
                */

static VdNode *
open_disk(TestCo *t)
{
    return vmdk_test_open(t, "d.vmdk", VD_OPEN_RDWR | VD_OPEN_UNMAP);
}

static VdNode *
make_disk(TestCo *t)
{
    vmdk_test_create(t, "d.vmdk", 10 * MIB, "");
    return open_disk(t);
}

static void
flush(VdNode *node)
{
    g_autoptr(GError) error = NULL;

    vd_node_co_flush(node, &error);
    g_assert_no_error(error);
}

static void
discard(VdNode *node, uint64_t off, uint64_t len)
{
    g_autoptr(GError) error = NULL;

    vd_node_co_discard(node, off, len, &error);
    g_assert_no_error(error);
}

static VmdkExtent *
extent_of(VdNode *node)
{
    return &vmdk_test_state(node)->extents[0];
}

/* Where grain @i of the disk is in the file. */
static uint64_t
place_of(VdNode *node, uint64_t i)
{
    g_autoptr(GError) error = NULL;
    VdRun run;

    vmdk_sparse_co_lookup(extent_of(node), i * GRAIN, GRAIN, &run, &error);
    g_assert_no_error(error);
    return run.kind == VD_RUN_DATA ? run.child_off : 0;
}

static uint64_t
file_size(TestCo *t)
{
    g_autofree char *path = test_co_path(t, "d.vmdk");
    GStatBuf st;

    g_assert_cmpint(g_stat(path, &st), ==, 0);
    return (uint64_t) st.st_size;
}

static void
assert_sound_again(TestCo *t, bool leaks)
{
    VdNode *node = vmdk_test_open(t, "d.vmdk", 0);

    vmdk_test_assert_sound(node, leaks);
    test_co_close(node);
}

/* -- using again ------------------------------------------------------------
 */

static void
test_a_place_is_used_again_after_a_flush(TestCo *t)
{
    VdNode *node = make_disk(t);
    uint64_t place;

    test_co_write_pattern(node, 0, 4 * GRAIN, 1);
    place = place_of(node, 1);
    discard(node, GRAIN, GRAIN);
    /* The entry on disk may still name it. */
    test_co_write_pattern(node, 10 * GRAIN, GRAIN, 2);
    g_assert_cmpuint(place_of(node, 10), ==, OVERHEAD + 4 * GRAIN);
    flush(node);
    test_co_write_pattern(node, 11 * GRAIN, GRAIN, 3);
    g_assert_cmpuint(place_of(node, 11), ==, place);
    test_co_assert_pattern(node, 0, GRAIN, 1);
    test_co_assert_zero(node, GRAIN, GRAIN);
    test_co_assert_pattern(node, 2 * GRAIN, 2 * GRAIN, 1);
    test_co_assert_pattern(node, 10 * GRAIN, GRAIN, 2);
    test_co_assert_pattern(node, 11 * GRAIN, GRAIN, 3);
    test_co_close(node);
    assert_sound_again(t, false);
}

/* A request that began before the discard may still be on its way there. */
static void
test_a_place_waits_for_older_requests(TestCo *t)
{
    VdNode *node = make_disk(t);
    uint64_t place;
    unsigned older, younger;

    test_co_write_pattern(node, 0, 4 * GRAIN, 1);
    place = place_of(node, 1);
    older = vd_epoch_enter(node->epochs);
    discard(node, GRAIN, GRAIN);
    flush(node);
    flush(node);
    test_co_write_pattern(node, 10 * GRAIN, GRAIN, 2);
    g_assert_cmpuint(place_of(node, 10), !=, place);
    younger = vd_epoch_enter(node->epochs);
    flush(node);
    test_co_write_pattern(node, 11 * GRAIN, GRAIN, 3);
    g_assert_cmpuint(place_of(node, 11), !=, place);
    vd_epoch_leave(node->epochs, older);
    vd_epoch_leave(node->epochs, younger);
    flush(node);
    test_co_write_pattern(node, 12 * GRAIN, GRAIN, 4);
    g_assert_cmpuint(place_of(node, 12), ==, place);
    test_co_close(node);
    assert_sound_again(t, false);
}

static void
settle_main(void *opaque)
{
    VdNode **node = opaque;

    vd_node_co_settle(*node);
    *node = NULL;
}

static void
pass_turns(void)
{
    for (unsigned i = 0; i < 10; i++)
        vio_co_reschedule();
}

static void
test_settling_waits_for_older_requests(TestCo *t)
{
    VdNode *node = make_disk(t), *settling = node;
    unsigned older = vd_epoch_enter(node->epochs), younger;

    vio_co_start(t->loop, settle_main, &settling);
    pass_turns();
    younger = vd_epoch_enter(node->epochs);
    g_assert_nonnull(settling);
    vd_epoch_leave(node->epochs, older);
    vd_epoch_leave(node->epochs, younger);
    pass_turns();
    g_assert_null(settling);
    vd_node_co_settle(node); /* nobody to wait for */
    test_co_close(node);
}

/* The space could not be punched, so the place holds what was there. */
static void
test_what_was_there_before_does_not_show(TestCo *t)
{
    VdNode *node;
    uint64_t place;

    test_leaf_install();
    node = make_disk(t);
    test_co_write_pattern(node, 0, 4 * GRAIN, 1);
    place = place_of(node, 1);
    discard(node, GRAIN, GRAIN);
    test_leaf_fail_nth(TEST_OP_DISCARD, 0, EIO);
    flush(node);
    g_assert_true(test_leaf_fault_fired());
    test_leaf_clear_fault();
    test_co_write_pattern(node, 10 * GRAIN + 4096, 4096, 2);
    g_assert_cmpuint(place_of(node, 10), ==, place);
    test_co_assert_zero(node, 10 * GRAIN, 4096);
    test_co_assert_pattern(node, 10 * GRAIN + 4096, 4096, 2);
    test_co_assert_zero(node, 10 * GRAIN + 8192, GRAIN - 8192);
    test_co_close(node);
    test_leaf_remove();
    assert_sound_again(t, false);
}

/* One request over several places. */
static void
test_small_places_are_filled(TestCo *t)
{
    VdNode *node = make_disk(t);

    test_co_write_pattern(node, 0, 20 * GRAIN, 1);
    for (unsigned i = 1; i < 16; i += 2)
        discard(node, i * GRAIN, GRAIN);
    flush(node);
    test_co_write_pattern(node, 100 * GRAIN, 8 * GRAIN, 2);
    g_assert_cmpuint(extent_of(node)->sparse->next, ==, OVERHEAD + 20 * GRAIN);
    test_co_assert_pattern(node, 100 * GRAIN, 8 * GRAIN, 2);
    test_co_close(node);
    assert_sound_again(t, false);
    g_assert_cmpuint(file_size(t), ==, OVERHEAD + 20 * GRAIN);
}

/* Zeroes above a parent that a mark cannot say need a place, too. */
static void
test_places_for_zeroes_over_a_parent(TestCo *t)
{
    g_autoptr(GError) error = NULL;
    VmdkPlace place;
    VdNode *node;

    vmdk_test_create(t, "base.vmdk", 10 * MIB, "");
    node = vmdk_test_open(t, "base.vmdk", VD_OPEN_RDWR);
    test_co_write_pattern(node, 0, 10 * MIB, 7);
    test_co_close(node);
    vmdk_test_create_child(t, "d.vmdk", 10 * MIB, "", "base.vmdk");
    node = open_disk(t);
    test_co_write_pattern(node, 0, 3 * GRAIN, 1);
    /* A place with old bytes in it, as a failed write may leave it. */
    vmdk_sparse_reserve_new(extent_of(node), GRAIN, &place, &error);
    g_assert_no_error(error);
    test_co_write_pattern(extent_of(node)->file, place.off, GRAIN, 3);
    vmdk_sparse_unreserve(extent_of(node), &place);
    vd_node_co_write_zeroes(node, 20 * GRAIN, 2 * GRAIN, VD_REQ_MAY_UNMAP,
                            &error);
    g_assert_no_error(error);
    g_assert_cmpuint(place_of(node, 20), ==, place.off);
    test_co_assert_zero(node, 20 * GRAIN, 2 * GRAIN);
    test_co_assert_pattern(node, 22 * GRAIN, GRAIN, 7);
    test_co_close(node);
    assert_sound_again(t, false);
}

/* -- the end of the file ----------------------------------------------------
 */

static void
test_closing_cuts_off_what_is_free(TestCo *t)
{
    VdNode *node = make_disk(t);

    test_co_write_pattern(node, 0, 20 * GRAIN, 1);
    test_co_close(node);
    g_assert_cmpuint(file_size(t), ==, OVERHEAD + 20 * GRAIN);
    node = open_disk(t);
    discard(node, 5 * GRAIN, 15 * GRAIN);
    test_co_close(node);
    g_assert_cmpuint(file_size(t), ==, OVERHEAD + 5 * GRAIN);
    assert_sound_again(t, false);
    node = open_disk(t);
    test_co_assert_pattern(node, 0, 5 * GRAIN, 1);
    test_co_assert_zero(node, 5 * GRAIN, 15 * GRAIN);
    discard(node, 0, 10 * MIB);
    test_co_close(node);
    g_assert_cmpuint(file_size(t), ==, OVERHEAD);
    assert_sound_again(t, false);
}

/* A hole in the middle stays, since nothing in the format says that it is
 * free; but it takes no space. */
static void
test_a_hole_in_the_middle_is_punched(TestCo *t)
{
    g_autofree char *path = test_co_path(t, "d.vmdk");
    VdNode *node = make_disk(t);
    uint64_t before;

    test_co_write_pattern(node, 0, 20 * GRAIN, 1);
    flush(node);
    before = test_file_allocated(path);
    discard(node, 3 * GRAIN, 8 * GRAIN);
    test_co_close(node);
    g_assert_cmpuint(file_size(t), ==, OVERHEAD + 20 * GRAIN);
    g_assert_cmpuint(test_file_allocated(path), <=, before - 8 * GRAIN);
    assert_sound_again(t, true);
}

static void
test_a_failed_write_leaks_nothing(TestCo *t)
{
    g_autoptr(GError) error = NULL;
    g_autofree uint8_t *buf = g_malloc0(4 * GRAIN);
    VdNode *node;

    test_leaf_install();
    node = make_disk(t);
    test_co_write_pattern(node, 0, GRAIN, 1);
    memset(buf, 1, 4 * GRAIN);
    test_leaf_fail_nth(TEST_OP_WRITE, 0, ENOSPC);
    g_assert_false(vd_node_co_pwrite(node, 8 * GRAIN, buf, 4 * GRAIN, &error));
    g_assert_error(error, VD_ERROR, VD_ERROR_NO_SPACE);
    test_leaf_clear_fault();
    test_co_close(node);
    test_leaf_remove();
    g_assert_cmpuint(file_size(t), ==, OVERHEAD + GRAIN);
    assert_sound_again(t, false);
}

/* -- what is not given up ---------------------------------------------------
 */

/* Both copies of the table, which for 10 MiB are at sectors 22 and 27. */
static void
poke_entry(TestCo *t, unsigned i, uint32_t sector)
{
    vmdk_test_poke32(t, "d.vmdk", 22 * 512 + i * 4, sector);
    vmdk_test_poke32(t, "d.vmdk", 27 * 512 + i * 4, sector);
}

static void
test_shared_places_are_not_given_up(TestCo *t)
{
    VdNode *node = make_disk(t);
    uint64_t place;

    test_co_write_pattern(node, 0, 2 * GRAIN, 1);
    place = place_of(node, 1);
    test_co_close(node);
    poke_entry(t, 9, (uint32_t) (place / 512));
    node = open_disk(t);
    discard(node, 9 * GRAIN, GRAIN);
    flush(node);
    test_co_write_pattern(node, 30 * GRAIN, GRAIN, 5);
    test_co_assert_pattern(node, GRAIN, GRAIN, 1);
    test_co_close(node);
    node = vmdk_test_open(t, "d.vmdk", 0);
    test_co_assert_pattern(node, 0, 2 * GRAIN, 1);
    test_co_assert_pattern(node, 30 * GRAIN, GRAIN, 5);
    test_co_close(node);
}

/* -- moving -----------------------------------------------------------------
 */

static void
test_moved_grains_keep_their_bytes(TestCo *t)
{
    g_autoptr(GError) error = NULL;
    VdNode *node = make_disk(t);
    VmdkExtent *e = extent_of(node);
    VmdkMove moves[4];
    VmdkPlace place;
    size_t moved = 0;

    test_co_write_pattern(node, 0, 8 * GRAIN, 1);
    vmdk_sparse_reserve_new(e, 4 * GRAIN, &place, &error);
    g_assert_no_error(error);
    for (unsigned i = 0; i < 4; i++)
        moves[i] = (VmdkMove){.off = 2 * i * GRAIN,
                              .from = place_of(node, 2 * i),
                              .to = place.off + (3 - i) * GRAIN};
    g_assert_true(vmdk_sparse_co_move(e, moves, 4, true, &moved, &error));
    g_assert_no_error(error);
    g_assert_cmpuint(moved, ==, 4);
    for (unsigned i = 0; i < 4; i++)
        g_assert_cmpuint(place_of(node, 2 * i), ==, moves[i].to);
    test_co_assert_pattern(node, 0, 8 * GRAIN, 1);
    flush(node);
    /* The old places can be had. */
    test_co_write_pattern(node, 40 * GRAIN, GRAIN, 2);
    g_assert_cmpuint(place_of(node, 40), ==, OVERHEAD);
    test_co_assert_pattern(node, 0, 8 * GRAIN, 1);
    test_co_close(node);
    node = vmdk_test_open(t, "d.vmdk", 0);
    test_co_assert_pattern(node, 0, 8 * GRAIN, 1);
    test_co_close(node);
}

static void
test_a_failed_move_moves_nothing(TestCo *t)
{
    g_autoptr(GError) error = NULL;
    VdNode *node;
    VmdkExtent *e;
    VmdkPlace place;
    VmdkMove move;
    size_t moved = 9;

    test_leaf_install();
    node = make_disk(t);
    e = extent_of(node);
    test_co_write_pattern(node, 0, 2 * GRAIN, 1);
    vmdk_sparse_reserve_new(e, GRAIN, &place, &error);
    g_assert_no_error(error);
    move = (VmdkMove){.from = place_of(node, 0), .to = place.off};
    test_leaf_fail_nth(TEST_OP_WRITE, 0, EIO);
    g_assert_false(vmdk_sparse_co_move(e, &move, 1, true, &moved, &error));
    g_assert_error(error, VD_ERROR, VD_ERROR_IO);
    test_leaf_clear_fault();
    g_assert_cmpuint(moved, ==, 0);
    g_assert_cmpuint(place_of(node, 0), ==, OVERHEAD);
    vmdk_sparse_unreserve(e, &place);
    test_co_close(node);
    test_leaf_remove();
    assert_sound_again(t, false);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
#define ADD(path, fn) test_co_add("/vmdk/space/" path, fn)
    ADD("again", test_a_place_is_used_again_after_a_flush);
    ADD("older-requests", test_a_place_waits_for_older_requests);
    ADD("settle", test_settling_waits_for_older_requests);
    ADD("stale-bytes", test_what_was_there_before_does_not_show);
    ADD("small-places", test_small_places_are_filled);
    ADD("zeroes-over-parent", test_places_for_zeroes_over_a_parent);
    ADD("cut-off", test_closing_cuts_off_what_is_free);
    ADD("hole", test_a_hole_in_the_middle_is_punched);
    ADD("failed-write", test_a_failed_write_leaks_nothing);
    ADD("shared", test_shared_places_are_not_given_up);
    ADD("move", test_moved_grains_keep_their_bytes);
    ADD("failed-move", test_a_failed_move_moves_nothing);
#undef ADD
    return g_test_run();
}
