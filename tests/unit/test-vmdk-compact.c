/* SPDX-License-Identifier: BSD-3-Clause */
/* tests/unit/test-vmdk-compact.c - shrinking and defragmenting: what comes out
 * of it, and what is refused. */
#include "block/node-internal.h"
#include "formats/vmdk/sparse/pack.h"
#include "tests/support/leaf.h"
#include "tests/unit/vmdk-test.h"

#include "io/cancel.h"
#include "io/op.h"

#include <glib/gstdio.h>
#include <string.h>

#define GRAIN (64 * KIB)
#define OVERHEAD (64 * KIB) /* of a disk of 10 MiB */
#define SHRINK VD_COMPACT_SHRINK
#define DEFRAGMENT VD_COMPACT_DEFRAGMENT

static VdNode *
open_disk(TestCo *t)
{
    return vmdk_test_open(t, "d.vmdk", VD_OPEN_RDWR | VD_OPEN_UNMAP);
}

/* For what is not under test: nobody pulls the plug on it. */
static VdNode *
open_unflushed(TestCo *t)
{
    return vmdk_test_open(t, "d.vmdk",
                          VD_OPEN_RDWR | VD_OPEN_UNMAP | VD_OPEN_NO_FLUSH);
}

static VdNode *
make_disk(TestCo *t, const char *options)
{
    vmdk_test_create(t, "d.vmdk", 10 * MIB, options);
    return open_disk(t);
}

static VmdkExtent *
extent_of(VdNode *node)
{
    return &vmdk_test_state(node)->extents[0];
}

/* Where the grain at @off is in the file; 0 = nowhere. */
static uint64_t
place_of(VdNode *node, uint64_t off)
{
    g_autoptr(GError) error = NULL;
    VdRun run;

    vmdk_sparse_co_lookup(extent_of(node), off, 1, &run, &error);
    g_assert_no_error(error);
    return run.kind == VD_RUN_DATA ? run.child_off : 0;
}

static uint64_t
file_size(TestCo *t, const char *name)
{
    g_autofree char *path = test_co_path(t, name);
    GStatBuf st;

    g_assert_cmpint(g_stat(path, &st), ==, 0);
    return (uint64_t) st.st_size;
}

static void
assert_sound_again(TestCo *t)
{
    VdNode *node = vmdk_test_open(t, "d.vmdk", 0);

    vmdk_test_assert_sound(node, false);
    test_co_close(node);
}

static void
write_zero_grain(VdNode *node, uint64_t off)
{
    g_autofree uint8_t *zeroes = g_malloc0(GRAIN);
    g_autoptr(GError) error = NULL;

    vd_node_co_pwrite(node, off, zeroes, GRAIN, &error);
    g_assert_no_error(error);
}

/* -- shrinking --------------------------------------------------------------
 */

static void
test_zeroes_are_freed_and_holes_filled(TestCo *t)
{
    VdNode *node = make_disk(t, "");
    VdCompactResult result;

    test_co_write_pattern(node, 0, 4 * GRAIN, 1);
    write_zero_grain(node, GRAIN);
    write_zero_grain(node, 2 * GRAIN);
    test_co_write_pattern(node, 20 * GRAIN, 3 * GRAIN, 2);
    result = vmdk_test_compact(node, SHRINK);
    g_assert_cmpuint(result.freed_clusters, ==, 2);
    g_assert_cmpuint(result.moved_clusters, ==, 2);
    g_assert_cmpuint(result.file_bytes_before, ==, OVERHEAD + 7 * GRAIN);
    g_assert_cmpuint(result.file_bytes_after, ==, OVERHEAD + 5 * GRAIN);
    g_assert_cmpuint(file_size(t, "d.vmdk"), ==, OVERHEAD + 5 * GRAIN);
    test_co_assert_pattern(node, 0, GRAIN, 1);
    test_co_assert_zero(node, GRAIN, 2 * GRAIN);
    test_co_assert_pattern(node, 3 * GRAIN, GRAIN, 1);
    test_co_assert_pattern(node, 20 * GRAIN, 3 * GRAIN, 2);
    g_assert_cmpuint(place_of(node, GRAIN), ==, 0);
    /* And it goes on. */
    test_co_write_pattern(node, GRAIN, GRAIN, 3);
    test_co_assert_pattern(node, GRAIN, GRAIN, 3);
    test_co_close(node);
    assert_sound_again(t);
}

static void
test_nothing_to_do_changes_nothing(TestCo *t)
{
    g_autofree char *before = NULL, *after = NULL;
    VdNode *node = make_disk(t, "");
    size_t len, new_len;

    test_co_write_pattern(node, MIB, 3 * MIB, 1);
    test_co_close(node);
    before = vmdk_test_read_file(t, "d.vmdk", &len);
    node = open_disk(t);
    vmdk_test_compact(node, SHRINK | DEFRAGMENT);
    test_co_close(node);
    after = vmdk_test_read_file(t, "d.vmdk", &new_len);
    g_assert_cmpmem(before, len, after, new_len);
}

/* The content id stays: children of the disk know it by that. */
static void
test_the_content_id_stays(TestCo *t)
{
    VdNode *node = make_disk(t, "");
    uint32_t cid;

    write_zero_grain(node, 0);
    test_co_write_pattern(node, MIB, MIB, 1);
    test_co_close(node);
    vmdk_test_create_child(t, "c.vmdk", 10 * MIB, "", "d.vmdk");
    node = open_disk(t);
    cid = vmdk_test_state(node)->cid;
    g_assert_cmpuint(vmdk_test_compact(node, SHRINK).freed_clusters, ==, 1);
    g_assert_cmphex(vmdk_test_state(node)->cid, ==, cid);
    test_co_close(node);
    node = vmdk_test_open(t, "c.vmdk", 0);
    test_co_assert_zero(node, 0, MIB);
    test_co_assert_pattern(node, MIB, MIB, 1);
    test_co_close(node);
}

/* Places that a crash has leaked. */
static void
test_leaks_are_found(TestCo *t)
{
    VdNode *node = make_disk(t, "");

    test_co_write_pattern(node, 0, 4 * GRAIN, 1);
    test_co_close(node);
    /* Both copies of the table, which for 10 MiB are at sectors 22 and 27. */
    vmdk_test_poke32(t, "d.vmdk", 22 * 512 + 4, 0);
    vmdk_test_poke32(t, "d.vmdk", 27 * 512 + 4, 0);
    node = open_disk(t);
    g_assert_cmpuint(vmdk_test_compact(node, SHRINK).moved_clusters, ==, 1);
    test_co_assert_pattern(node, 0, GRAIN, 1);
    test_co_assert_zero(node, GRAIN, GRAIN);
    test_co_assert_pattern(node, 2 * GRAIN, 2 * GRAIN, 1);
    test_co_close(node);
    g_assert_cmpuint(file_size(t, "d.vmdk"), ==, OVERHEAD + 3 * GRAIN);
    assert_sound_again(t);
}

/* The part of a last grain that is behind the end of the disk is not asked. */
static void
test_the_last_grain_may_be_cut(TestCo *t)
{
    g_autoptr(GError) error = NULL;
    uint8_t junk[512];
    uint64_t place;
    VdNode *node;

    vmdk_test_create(t, "d.vmdk", 2 * GRAIN + 1024, "");
    node = open_disk(t);
    test_co_write_pattern(node, 0, 2 * GRAIN + 1024, 1);
    place = place_of(node, 2 * GRAIN);
    memset(junk, 1, sizeof(junk));
    vd_node_co_pwrite(extent_of(node)->file, place + 1024, junk, 512, &error);
    g_assert_no_error(error);
    vd_node_co_write_zeroes(node, 2 * GRAIN, 1024, 0, &error);
    g_assert_no_error(error);
    g_assert_cmpuint(vmdk_test_compact(node, SHRINK).freed_clusters, ==, 1);
    test_co_assert_pattern(node, 0, 2 * GRAIN, 1);
    test_co_assert_zero(node, 2 * GRAIN, 1024);
    test_co_close(node);
    g_assert_cmpuint(file_size(t, "d.vmdk"), ==, OVERHEAD + 2 * GRAIN);
    assert_sound_again(t);
}

static VdNode *
make_child(TestCo *t, const char *options)
{
    VdNode *node;

    vmdk_test_create(t, "base.vmdk", 10 * MIB, "");
    node = vmdk_test_open(t, "base.vmdk", VD_OPEN_RDWR);
    test_co_write_pattern(node, 0, 10 * MIB, 7);
    test_co_close(node);
    vmdk_test_create_child(t, "d.vmdk", 10 * MIB, options, "base.vmdk");
    node = open_disk(t);
    write_zero_grain(node, GRAIN);
    test_co_write_pattern(node, 5 * GRAIN, GRAIN, 1);
    return node;
}

static void
test_zeroes_go_on_hiding_the_parent(TestCo *t)
{
    static const char *const options[] = {"", "zeroed_grain=on"};

    for (unsigned i = 0; i < 2; i++) {
        VdNode *node = make_child(t, options[i]);

        g_assert_cmpuint(vmdk_test_compact(node, SHRINK).freed_clusters, ==, i);
        test_co_assert_pattern(node, 0, GRAIN, 7);
        test_co_assert_zero(node, GRAIN, GRAIN);
        test_co_assert_pattern(node, 2 * GRAIN, 3 * GRAIN, 7);
        test_co_assert_pattern(node, 5 * GRAIN, GRAIN, 1);
        test_co_close(node);
        assert_sound_again(t);
        test_dir_empty(t->dir);
    }
}

/* Grains that are larger than what is read at a time. */
static void
test_large_grains(TestCo *t)
{
    VdNode *node;

    vmdk_test_create(t, "d.vmdk", 40 * MIB, "grain_size=1M");
    vmdk_test_poke32(t, "d.vmdk", 20, 4 * MIB / 512); /* in the header */
    node = open_disk(t);
    test_co_write_pattern(node, 0, 12 * MIB, 1);
    test_co_write_pattern(node, 27 * MIB, 512, 2); /* in the 7th grain's end */
    for (uint64_t off = 4 * MIB; off < 8 * MIB; off += GRAIN)
        write_zero_grain(node, off);
    g_assert_cmpuint(vmdk_test_compact(node, SHRINK).freed_clusters, ==, 1);
    test_co_assert_pattern(node, 0, 4 * MIB, 1);
    test_co_assert_zero(node, 4 * MIB, 4 * MIB);
    test_co_assert_pattern(node, 8 * MIB, 4 * MIB, 1);
    test_co_assert_pattern(node, 27 * MIB, 512, 2);
    test_co_close(node);
    assert_sound_again(t);
}

/* Tables that came later lie among the grains and stay where they are. */
static void
test_tables_among_grains_stay(TestCo *t)
{
    static const uint8_t none[12];
    VdNode *node;

    vmdk_test_create(t, "d.vmdk", 5 * MIB, "grain_size=4k");
    /* Three tables; directories at sectors 21 and 34. */
    vmdk_test_poke(t, "d.vmdk", 21 * 512, none, sizeof(none));
    vmdk_test_poke(t, "d.vmdk", 34 * 512, none, sizeof(none));
    node = open_disk(t);
    test_co_write_pattern(node, 4 * MIB, 100 * KIB, 1);
    test_co_write_pattern(node, 0, 100 * KIB, 1);
    test_co_write_pattern(node, 2 * MIB, 100 * KIB, 1);
    test_co_close(node);
    for (unsigned what = SHRINK; what <= DEFRAGMENT; what++) {
        node = open_disk(t);
        vd_node_co_discard(node, 0, what * 40 * KIB, NULL);
        vmdk_test_compact(node, what);
        test_co_assert_zero(node, 0, what * 40 * KIB);
        test_co_assert_pattern(node, 80 * KIB, 20 * KIB, 1);
        test_co_assert_pattern(node, 2 * MIB, 100 * KIB, 1);
        test_co_assert_pattern(node, 4 * MIB, 100 * KIB, 1);
        test_co_close(node);
        assert_sound_again(t);
    }
}

/* The descriptor says less than the header: what is behind does not count, but
 * is not ours to lose. */
static void
test_what_is_behind_the_end_stays(TestCo *t)
{
    VdNode *node = make_disk(t, "");

    test_co_write_pattern(node, 5 * MIB, 5 * MIB, 1);
    test_co_write_pattern(node, 0, 5 * MIB, 1);
    test_co_close(node);
    vmdk_test_replace(t, "d.vmdk", "RW 20480", "RW 10240");
    node = open_disk(t);
    g_assert_cmpuint(vd_node_size(node), ==, 5 * MIB);
    vd_node_co_discard(node, MIB, 2 * MIB, NULL);
    vmdk_test_compact(node, SHRINK | DEFRAGMENT);
    test_co_close(node);
    vmdk_test_replace(t, "d.vmdk", "RW 10240", "RW 20480");
    node = vmdk_test_open(t, "d.vmdk", 0);
    test_co_assert_pattern(node, 0, MIB, 1);
    test_co_assert_zero(node, MIB, 2 * MIB);
    test_co_assert_pattern(node, 3 * MIB, 7 * MIB, 1);
    test_co_close(node);
    assert_sound_again(t);
}

/* -- order ------------------------------------------------------------------
 */

static void
assert_in_order(VdNode *node, uint64_t size, uint64_t grain, uint64_t first)
{
    for (uint64_t off = 0; off < size; off += grain) {
        uint64_t place = place_of(node, off);

        if (!place)
            continue;
        g_assert_cmpuint(place, ==, first);
        first += grain;
    }
}

static void
write_shuffled(VdNode *node, uint64_t size, uint64_t grain, uint32_t seed)
{
    g_autoptr(GRand) rand = g_rand_new_with_seed(seed);

    for (uint64_t i = 0; i < size / grain; i++) {
        uint64_t at =
            (uint64_t) g_rand_int_range(rand, 0, (gint32) (size / grain));

        test_co_write_pattern(node, at * grain, grain, 1);
    }
}

static void
test_grains_come_into_order(TestCo *t)
{
    static const uint64_t batches[] = {0, 4096, 5 * 4096, 100 * 4096};

    for (unsigned i = 0; i < G_N_ELEMENTS(batches); i++) {
        g_autofree uint8_t *before = g_malloc(10 * MIB);
        g_autofree uint8_t *after = g_malloc(10 * MIB);
        uint64_t first;
        VdNode *node;

        vmdk_test_create(t, "d.vmdk", 10 * MIB, "grain_size=4k");
        node = open_unflushed(t);
        write_shuffled(node, 10 * MIB, 4096, i);
        vd_node_co_discard(node, 3 * MIB, MIB, NULL);
        vd_node_co_pread(node, 0, before, 10 * MIB, NULL);
        vmdk_pack_set_bytes(batches[i]);
        g_assert_cmpuint(vmdk_test_compact(node, DEFRAGMENT).moved_clusters, >,
                         0);
        first = extent_of(node)->sparse->hdr.overhead_sectors * 512;
        assert_in_order(node, 10 * MIB, 4096, first);
        g_assert_cmpuint(vmdk_test_compact(node, DEFRAGMENT).moved_clusters, ==,
                         0);
        vmdk_pack_set_bytes(0);
        vd_node_co_pread(node, 0, after, 10 * MIB, NULL);
        g_assert_cmpmem(before, 10 * MIB, after, 10 * MIB);
        test_co_close(node);
        assert_sound_again(t);
        test_dir_empty(t->dir);
    }
}

/* Where the last byte was written. */
static uint64_t
highest_end(const GPtrArray *changes)
{
    uint64_t end = 0;

    for (guint i = 0; i < changes->len; i++) {
        const TestChange *c = g_ptr_array_index(changes, i);

        if (c->record.type == VD_WRITE_LOG_WRITE)
            end = MAX(end, c->record.off + c->record.len);
    }
    return end;
}

/* The file grows by a window at most while it is put in order. */
static void
test_scratch_space_is_bounded(TestCo *t)
{
    g_autoptr(GPtrArray) changes = NULL;
    VdNode *node;
    uint64_t size;

    test_leaf_install();
    vmdk_test_create(t, "d.vmdk", 10 * MIB, "grain_size=4k");
    node = open_unflushed(t);
    write_shuffled(node, 10 * MIB, 4096, 1);
    size = extent_of(node)->sparse->next;
    vmdk_pack_set_bytes(16 * 4096);
    test_leaf_record();
    vmdk_test_compact(node, DEFRAGMENT);
    changes = test_leaf_record_end();
    vmdk_pack_set_bytes(0);
    g_assert_cmpuint(highest_end(changes), >, size);
    g_assert_cmpuint(highest_end(changes), <=, size + 16 * 4096);
    test_co_close(node);
    test_leaf_remove();
    g_assert_cmpuint(file_size(t, "d.vmdk"), ==, size);
    assert_sound_again(t);
}

/* -- readers, cancelling, refusals ------------------------------------------
 */

typedef struct {
    VdNode *node;
    bool done;
} Background;

static void
background_main(void *opaque)
{
    Background *b = opaque;

    vmdk_test_compact(b->node, SHRINK);
    b->done = true;
}

/* A reader that is on its way to a place keeps it from being used. */
static void
test_readers_are_waited_for(TestCo *t)
{
    VdNode *node = make_disk(t, "");
    Background b = {.node = node};
    unsigned reader;

    test_co_write_pattern(node, 0, 8 * GRAIN, 1);
    vd_node_co_discard(node, 0, 3 * GRAIN, NULL);
    reader = vd_epoch_enter(node->epochs);
    vio_co_start(t->loop, background_main, &b);
    for (unsigned i = 0; i < 20; i++)
        vio_co_sleep(t->loop, 1000000, NULL);
    g_assert_false(b.done);
    g_assert_cmpuint(file_size(t, "d.vmdk"), ==, OVERHEAD + 8 * GRAIN);
    vd_epoch_leave(node->epochs, reader);
    while (!b.done)
        vio_co_sleep(t->loop, 1000000, NULL);
    g_assert_cmpuint(file_size(t, "d.vmdk"), ==, OVERHEAD + 5 * GRAIN);
    test_co_assert_pattern(node, 3 * GRAIN, 5 * GRAIN, 1);
    test_co_close(node);
    assert_sound_again(t);
}

typedef struct {
    VioCancel *cancel;
    unsigned calls, stop_at;
    uint64_t done, total;
} Progress;

static void
note_progress(const VdProgress *progress, void *opaque)
{
    Progress *p = opaque;

    g_assert_cmpuint(progress->done, >=, p->done);
    g_assert_cmpuint(progress->total, <=, p->total);
    g_assert_cmpuint(progress->done, <=, progress->total);
    p->done = progress->done;
    p->total = progress->total;
    if (++p->calls == p->stop_at)
        vio_cancel_fire(p->cancel);
}

/* Stop at each call in turn, until it gets through. */
static void
test_cancelled_at_any_time_it_is_sound(TestCo *t)
{
    unsigned cancelled = 0;
    bool ok = false;

    vmdk_pack_set_bytes(8 * GRAIN);
    for (unsigned stop_at = 1; !ok; stop_at++) {
        Progress p = {vio_cancel_new(), 0, stop_at, 0, UINT64_MAX};
        VdCompactParams params = {SHRINK | DEFRAGMENT, note_progress, &p};
        VdCompactResult result = {0};
        g_autoptr(GError) error = NULL;
        VdNode *node;

        test_dir_empty(t->dir);
        vmdk_test_create(t, "d.vmdk", 10 * MIB, "");
        t->env.cancel = p.cancel;
        node = open_unflushed(t);
        write_shuffled(node, 4 * MIB, GRAIN, 5);
        write_zero_grain(node, 8 * MIB);
        ok = vd_node_co_compact(node, &params, &result, &error);
        if (!ok)
            g_assert_error(error, VD_ERROR, VD_ERROR_CANCELLED);
        cancelled += !ok;
        t->env.cancel = NULL;
        test_co_close(node);
        vio_cancel_unref(p.cancel);
        node = vmdk_test_open(t, "d.vmdk", 0);
        vmdk_test_assert_sound(node, !ok);
        test_co_close(node);
    }
    vmdk_pack_set_bytes(0);
    g_assert_cmpuint(cancelled, >, 5);
}

static void
assert_compact_fails(VdNode *node, VdErrorCode code)
{
    VdCompactParams params = {.what = SHRINK};
    VdCompactResult result = {0};
    g_autoptr(GError) error = NULL;

    g_assert_false(vd_node_co_compact(node, &params, &result, &error));
    g_assert_error(error, VD_ERROR, (int) code);
}

static void
test_what_is_refused(TestCo *t)
{
    VdNode *node = make_disk(t, "");

    test_co_write_pattern(node, 0, 2 * GRAIN, 1);
    test_co_close(node);
    node = vmdk_test_open(t, "d.vmdk", 0);
    assert_compact_fails(node, VD_ERROR_READ_ONLY);
    test_co_close(node);
    /* Only one copy: which one is right is not for us to say. */
    vmdk_test_poke32(t, "d.vmdk", 27 * 512, 0);
    node = open_disk(t);
    assert_compact_fails(node, VD_ERROR_CORRUPT);
    test_co_close(node);
    g_assert_cmpuint(file_size(t, "d.vmdk"), ==, OVERHEAD + 2 * GRAIN);
}

static void
test_flat_disks_are_left_alone(TestCo *t)
{
    VdNode *node = make_disk(t, "subformat=monolithicFlat");
    VdCompactResult result;

    test_co_write_pattern(node, MIB, MIB, 1);
    result = vmdk_test_compact(node, SHRINK | DEFRAGMENT);
    g_assert_cmpuint(result.freed_clusters, ==, 0);
    g_assert_cmpuint(result.moved_clusters, ==, 0);
    g_assert_cmpuint(result.file_bytes_after, ==, 10 * MIB);
    test_co_assert_pattern(node, MIB, MIB, 1);
    test_co_close(node);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
#define ADD(path, fn) test_co_add("/vmdk/compact/" path, fn)
    ADD("zeroes", test_zeroes_are_freed_and_holes_filled);
    ADD("nothing-to-do", test_nothing_to_do_changes_nothing);
    ADD("content-id", test_the_content_id_stays);
    ADD("leaks", test_leaks_are_found);
    ADD("last-grain", test_the_last_grain_may_be_cut);
    ADD("parent", test_zeroes_go_on_hiding_the_parent);
    ADD("large-grains", test_large_grains);
    ADD("late-tables", test_tables_among_grains_stay);
    ADD("behind-the-end", test_what_is_behind_the_end_stays);
    ADD("order", test_grains_come_into_order);
    ADD("scratch", test_scratch_space_is_bounded);
    ADD("readers", test_readers_are_waited_for);
    ADD("cancel", test_cancelled_at_any_time_it_is_sound);
    ADD("refused", test_what_is_refused);
    ADD("flat", test_flat_disks_are_left_alone);
#undef ADD
    return g_test_run();
}
