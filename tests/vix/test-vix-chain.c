/* SPDX-License-Identifier: BSD-3-Clause */
/* tests/vix/test-vix-chain.c - children, and attaching them. */
#include "tests/vix/vix-test.h"

#include <glib/gstdio.h>
#include <string.h>

#define CAPACITY (8 * GRAIN)
#define SINGLE VIXDISKLIB_FLAG_OPEN_SINGLE_LINK
#define READ_ONLY VIXDISKLIB_FLAG_OPEN_READ_ONLY

static VixError
create_child(VixDiskLibHandle parent, const char *path, VixDiskLibDiskType type)
{
    return VixDiskLib_CreateChild(parent, path, type, NULL, NULL);
}

/* A parent with grain 0, and its child, empty. */
static const char *
make_pair(const VixTest *t, VixDiskLibDiskType type, const char **parent)
{
    const char *child = vix_test_path(t, "child.vmdk");
    VixDiskLibHandle disk;

    *parent = vix_test_create(t, "parent.vmdk",
                              VIXDISKLIB_DISK_MONOLITHIC_SPARSE, CAPACITY);
    disk = vix_test_open(t, *parent, 0);
    vix_test_write(disk, 0, GRAIN, 1);
    assert_ok(create_child(disk, child, type));
    vix_test_close(disk);
    return child;
}

static void
assert_info(VixDiskLibHandle disk, int links, const char *hint)
{
    VixDiskLibInfo *info;

    assert_ok(VixDiskLib_GetInfo(disk, &info));
    g_assert_cmpint(info->numLinks, ==, links);
    g_assert_cmpstr(info->parentFileNameHint, ==, hint);
    g_assert_cmpuint(info->capacity, ==, CAPACITY);
    VixDiskLib_FreeInfo(info);
}

/* -- children ------------------------------------------------------------- */

static void
check_child(VixTest *t, VixDiskLibDiskType type)
{
    const char *parent, *child = make_pair(t, type, &parent);
    VixDiskLibHandle disk = vix_test_open(t, child, 0);

    assert_info(disk, 2, "parent.vmdk");
    vix_test_assert_meta(disk, "adapterType", "buslogic");
    vix_test_write(disk, GRAIN, 1, 2);
    vix_test_close(disk);
    disk = vix_test_open(t, child, READ_ONLY);
    vix_test_assert_reads(disk, 0, GRAIN, 1);
    vix_test_assert_reads(disk, GRAIN, 1, 2);
    vix_test_assert_reads(disk, GRAIN + 1, CAPACITY - GRAIN - 1, 0);
    vix_test_close(disk);
    disk = vix_test_open(t, parent, READ_ONLY);
    vix_test_assert_reads(disk, GRAIN, CAPACITY - GRAIN, 0);
    vix_test_close(disk);
    vix_test_assert_sound(child);
    vix_test_assert_sound(parent);
    assert_ok(VixDiskLib_Unlink(t->connection, child));
    g_assert_true(vix_test_exists(parent));
    assert_ok(VixDiskLib_Unlink(t->connection, parent));
}

static void
test_children(VixTest *t, gconstpointer data)
{
    check_child(t, VIXDISKLIB_DISK_MONOLITHIC_SPARSE);
    check_child(t, VIXDISKLIB_DISK_SPLIT_SPARSE);
}

/* Shape and adapter are the parent's, even if they are odd. */
static void
test_children_inherit(VixTest *t, gconstpointer data)
{
    static const char *const keys[] = {"adapterType", "geometry.cylinders",
                                       "geometry.heads", "geometry.biosSectors",
                                       "virtualHWVersion"};
    static const char *const values[] = {"lsilogic", "3", "5", "17", "11"};
    const char *path =
        vix_test_create(t, "p.vmdk", VIXDISKLIB_DISK_MONOLITHIC_FLAT, CAPACITY);
    const char *child = vix_test_path(t, "c.vmdk");
    VixDiskLibHandle disk = vix_test_open(t, path, 0);

    for (unsigned i = 0; i < G_N_ELEMENTS(keys); i++)
        assert_ok(VixDiskLib_WriteMetadata(disk, keys[i], values[i]));
    assert_ok(create_child(disk, child, VIXDISKLIB_DISK_SPLIT_SPARSE));
    vix_test_close(disk);
    disk = vix_test_open(t, child, SINGLE | READ_ONLY);
    for (unsigned i = 0; i < G_N_ELEMENTS(keys); i++)
        vix_test_assert_meta(disk, keys[i], values[i]);
    vix_test_close(disk);
}

/* A child in another directory finds its parent by a relative name, from
 * wherever the program runs. */
static void
test_names_of_parents(VixTest *t, gconstpointer data)
{
    g_autofree char *before = g_get_current_dir();
    VixDiskLibHandle disk;

    vix_test_create(t, "p.vmdk", VIXDISKLIB_DISK_MONOLITHIC_SPARSE, CAPACITY);
    g_assert_cmpint(g_mkdir(vix_test_path(t, "sub"), 0777), ==, 0);
    g_assert_cmpint(g_chdir(t->dir), ==, 0);
    disk = vix_test_open(t, "p.vmdk", READ_ONLY);
    assert_ok(
        create_child(disk, "sub/c.vmdk", VIXDISKLIB_DISK_MONOLITHIC_SPARSE));
    vix_test_close(disk);
    g_assert_cmpint(g_chdir(before), ==, 0);
    disk = vix_test_open(t, vix_test_path(t, "sub/c.vmdk"), 0);
    assert_info(disk, 2, "../p.vmdk");
    vix_test_close(disk);
}

static void
test_grandchildren(VixTest *t, gconstpointer data)
{
    const char *parent;
    const char *child = make_pair(t, VIXDISKLIB_DISK_SPLIT_SPARSE, &parent);
    const char *grand = vix_test_path(t, "grand.vmdk");
    VixDiskLibHandle disk = vix_test_open(t, child, 0);

    vix_test_write(disk, GRAIN, GRAIN, 2);
    assert_ok(create_child(disk, grand, VIXDISKLIB_DISK_MONOLITHIC_SPARSE));
    vix_test_close(disk);
    disk = vix_test_open(t, grand, 0);
    assert_info(disk, 3, "child.vmdk");
    vix_test_write(disk, 2 * GRAIN, GRAIN, 3);
    for (uint32 i = 0; i < 3; i++)
        vix_test_assert_reads(disk, i * GRAIN, GRAIN, i + 1);
    vix_test_close(disk);
}

/* -- the parent stays as it is --------------------------------------------- */

static void
test_the_parent_takes_no_more_writes(VixTest *t, gconstpointer data)
{
    const char *path = vix_test_create(
        t, "p.vmdk", VIXDISKLIB_DISK_MONOLITHIC_SPARSE, CAPACITY);
    const char *child = vix_test_path(t, "c.vmdk");
    VixDiskLibHandle disk = vix_test_open(t, path, 0);
    uint8 sector[SECTOR] = {1};

    vix_test_write(disk, 0, 1, 1);
    assert_ok(create_child(disk, child, VIXDISKLIB_DISK_MONOLITHIC_SPARSE));
    assert_mistake(VixDiskLib_Write(disk, 0, 1, sector), VIX_E_FILE_READ_ONLY,
                   "child");
    assert_vix(VixDiskLibExt_WriteZeroes(disk, 0, 1, 0), VIX_E_FILE_READ_ONLY);
    assert_vix(VixDiskLibExt_Discard(disk, 0, 1), VIX_E_FILE_READ_ONLY);
    vix_test_assert_reads(disk, 0, 1, 1);
    assert_ok(VixDiskLib_WriteMetadata(disk, "note", "still fits"));
    assert_mistake(VixDiskLib_Shrink(disk, NULL, NULL), VIX_E_DISK_CANTSHRINK,
                   "children");
    vix_test_close(disk);
    disk = vix_test_open(t, child, 0);
    vix_test_assert_reads(disk, 0, 1, 1);
    vix_test_close(disk);
    /* Whoever opens it anew may; the child then notices. */
    disk = vix_test_open(t, path, 0);
    vix_test_write(disk, 0, 1, 2);
    vix_test_close(disk);
    assert_fails(VixDiskLib_Open(t->connection, child, 0, &disk),
                 VIX_E_DISK_CID_MISMATCH, "content id");
}

static void
test_children_refused(VixTest *t, gconstpointer data)
{
    const char *path = vix_test_create(
        t, "p.vmdk", VIXDISKLIB_DISK_MONOLITHIC_SPARSE, CAPACITY);
    const char *child = vix_test_path(t, "c.vmdk");
    VixDiskLibHandle disk = vix_test_open(t, path, 0);
    VixTestProgress p;

    for (unsigned type = 1; type <= 8; type++)
        if (type != VIXDISKLIB_DISK_MONOLITHIC_SPARSE &&
            type != VIXDISKLIB_DISK_SPLIT_SPARSE)
            assert_mistake(create_child(disk, child, type),
                           VIX_E_DISK_NOTSUPPORTED, "a child can be");
    assert_mistake(create_child(disk, child, 0), VIX_E_INVALID_ARG, "type 0");
    assert_mistake(create_child(disk, child, VIXDISKLIB_DISK_UNKNOWN),
                   VIX_E_INVALID_ARG, "type 256");
    assert_mistake(create_child(disk, NULL, 1), VIX_E_INVALID_ARG, "no path");
    assert_mistake(create_child(disk, "", 1), VIX_E_INVALID_ARG, "no path");
    assert_fails(create_child(disk, path, 1), VIX_E_FILE_ALREADY_LOCKED, path);
    g_file_set_contents(child, "old", 3, NULL);
    assert_fails(create_child(disk, child, 1), VIX_E_FILE_ALREADY_EXISTS,
                 child);
    g_assert_cmpint(g_unlink(child), ==, 0);
    assert_fails(create_child(disk, vix_test_path(t, "no/c.vmdk"), 1),
                 VIX_E_FILE_NOT_FOUND, "c.vmdk");
    g_assert_false(vix_test_exists(child));
    vix_test_write(disk, 0, 1, 1); /* it has no child yet */
    VixDiskLibExt_SetProgressCancels(TRUE);
    vix_test_progress_init(&p);
    p.stop_at = 0;
    assert_mistake(
        VixDiskLib_CreateChild(disk, child, 1, vix_test_progress, &p),
        VIX_E_CANCELLED, "progress");
    g_assert_false(vix_test_exists(child));
    VixDiskLibExt_SetProgressCancels(FALSE);
    vix_test_progress_init(&p);
    p.inside = disk;
    assert_ok(VixDiskLib_CreateChild(disk, child, 1, vix_test_progress, &p));
    vix_test_assert_progress(&p);
    vix_test_close(disk);
    assert_mistake(create_child(disk, child, 1), VIX_E_INVALID_HANDLE,
                   "no handle");
}

/* -- attaching ------------------------------------------------------------- */

/* The way programs for backup go: a child that takes the writes. */
static void
test_attach(VixTest *t, gconstpointer data)
{
    const char *parent_path;
    const char *child_path =
        make_pair(t, VIXDISKLIB_DISK_MONOLITHIC_SPARSE, &parent_path);
    VixDiskLibHandle parent = vix_test_open(t, parent_path, 0);
    VixDiskLibHandle child = vix_test_open(t, child_path, SINGLE);

    assert_ok(VixDiskLib_IsAttachPossible(parent, child));
    vix_test_assert_reads(parent, 0, GRAIN, 1);
    assert_info(child, 1, "parent.vmdk");
    assert_ok(VixDiskLib_Attach(parent, child));
    assert_info(child, 2, "parent.vmdk");
    vix_test_assert_reads(child, 0, GRAIN, 1);
    vix_test_write(child, 0, 1, 5);
    vix_test_assert_reads(child, 0, 1, 5);
    vix_test_assert_reads(child, 1, GRAIN - 1, 1);
    assert_mistake(VixDiskLib_Flush(parent), VIX_E_INVALID_HANDLE, "no handle");
    assert_mistake(VixDiskLib_Attach(parent, child), VIX_E_INVALID_HANDLE,
                   "no handle");
    vix_test_close(parent);
    assert_mistake(VixDiskLib_Close(parent), VIX_E_INVALID_HANDLE, "no handle");
    vix_test_close(child);
    child = vix_test_open(t, child_path, 0);
    vix_test_assert_reads(child, 0, 1, 5);
    vix_test_close(child);
    parent = vix_test_open(t, parent_path, READ_ONLY);
    vix_test_assert_reads(parent, 0, GRAIN, 1);
    vix_test_close(parent);
}

/* The parent's handle need not be closed, nor the child's before the end. */
static void
test_attach_and_leave(VixTest *t, gconstpointer data)
{
    const char *parent_path;
    const char *child_path =
        make_pair(t, VIXDISKLIB_DISK_SPLIT_SPARSE, &parent_path);
    VixDiskLibHandle parent = vix_test_open(t, parent_path, READ_ONLY);
    VixDiskLibHandle child = vix_test_open(t, child_path, SINGLE);

    assert_ok(VixDiskLib_Attach(parent, child));
    vix_test_assert_reads(child, 0, GRAIN, 1);
}

/* A child that has been moved away finds the parent that it is given; open for
 * reading, its file stays as it is. */
static void
test_attach_elsewhere(VixTest *t, gconstpointer data)
{
    const char *parent_path;
    const char *child_path =
        make_pair(t, VIXDISKLIB_DISK_MONOLITHIC_SPARSE, &parent_path);
    const char *moved = vix_test_path(t, "sub, with comma/p.vmdk");
    VixDiskLibHandle parent, child;

    g_assert_cmpint(g_mkdir(vix_test_path(t, "sub, with comma"), 0777), ==, 0);
    g_assert_cmpint(g_rename(parent_path, moved), ==, 0);
    assert_fails(VixDiskLib_Open(t->connection, child_path, 0, &child),
                 VIX_E_DISK_OPENPARENT, "parent.vmdk");
    for (unsigned i = 0; i < 2; i++) {
        parent = vix_test_open(t, moved, READ_ONLY);
        child = vix_test_open(t, child_path, SINGLE | (i ? 0 : READ_ONLY));
        assert_ok(VixDiskLib_IsAttachPossible(parent, child));
        assert_ok(VixDiskLib_Attach(parent, child));
        assert_info(child, 2, i ? "sub, with comma/p.vmdk" : "parent.vmdk");
        vix_test_assert_reads(child, 0, GRAIN, 1);
        vix_test_close(parent);
        vix_test_close(child);
    }
    child = vix_test_open(t, child_path, 0);
    vix_test_assert_reads(child, 0, GRAIN, 1);
    vix_test_close(child);
}

/* Asking gives the same code; the parent's handle is consumed, the child's is
 * good. */
static void
assert_no_attach(VixTest *t, const char *below, const char *above, uint32 flags,
                 VixError code, const char *says)
{
    VixDiskLibHandle parent = vix_test_open(t, below, READ_ONLY);
    VixDiskLibHandle child = vix_test_open(t, above, flags);

    assert_mistake(VixDiskLib_IsAttachPossible(parent, child), code, says);
    vix_test_assert_reads(parent, GRAIN, 1, 0);
    assert_fails(VixDiskLib_Attach(parent, child), code, says);
    assert_vix(VixDiskLib_Flush(parent), VIX_E_INVALID_HANDLE);
    vix_test_close(parent);
    vix_test_assert_reads(child, GRAIN, 1, 0);
    vix_test_close(child);
}

static void
test_attach_refused(VixTest *t, gconstpointer data)
{
    const char *parent;
    const char *child =
        make_pair(t, VIXDISKLIB_DISK_MONOLITHIC_SPARSE, &parent);
    const char *other = vix_test_create(
        t, "other.vmdk", VIXDISKLIB_DISK_MONOLITHIC_SPARSE, CAPACITY);
    const char *large = vix_test_create(
        t, "large.vmdk", VIXDISKLIB_DISK_MONOLITHIC_FLAT, CAPACITY + 1);

    assert_no_attach(t, parent, other, 0, VIX_E_DISK_ATTACH_ROOTLINK,
                     "other.vmdk");
    assert_no_attach(t, parent, other, SINGLE, VIX_E_DISK_ATTACH_ROOTLINK,
                     "other.vmdk");
    assert_no_attach(t, parent, child, 0, VIX_E_DISK_PARENT_NOTALLOWED,
                     "single link");
    assert_no_attach(t, large, child, SINGLE, VIX_E_DISK_CAPACITY_MISMATCH,
                     "1025");
    assert_no_attach(t, other, child, SINGLE, VIX_E_DISK_CID_MISMATCH,
                     "content id");
}

static void
test_attach_mistakes(VixTest *t, gconstpointer data)
{
    const char *parent_path;
    const char *child_path =
        make_pair(t, VIXDISKLIB_DISK_MONOLITHIC_SPARSE, &parent_path);
    VixDiskLibHandle parent = vix_test_open(t, parent_path, READ_ONLY);
    VixDiskLibHandle child = vix_test_open(t, child_path, SINGLE);

    assert_mistake(VixDiskLib_Attach(child, child), VIX_E_INVALID_ARG, "same");
    assert_mistake(VixDiskLib_IsAttachPossible(child, child), VIX_E_INVALID_ARG,
                   "same");
    assert_mistake(VixDiskLib_IsAttachPossible(parent, NULL),
                   VIX_E_INVALID_HANDLE, "no handle");
    assert_mistake(VixDiskLib_Attach(NULL, child), VIX_E_INVALID_HANDLE,
                   "no handle");
    assert_mistake(VixDiskLib_Attach(NULL, NULL), VIX_E_INVALID_HANDLE,
                   "no handle");
    assert_info(child, 1, "parent.vmdk");
    vix_test_assert_reads(parent, 0, 1, 1);
    assert_mistake(VixDiskLib_Attach(parent, (VixDiskLibHandle) t),
                   VIX_E_INVALID_HANDLE, "no handle");
    assert_vix(VixDiskLib_Flush(parent), VIX_E_INVALID_HANDLE);
    vix_test_close(parent);
    vix_test_close(child);
    VixDiskLib_Exit();
    assert_vix(VixDiskLib_Attach(parent, child), VIX_E_DISK_NOINIT);
    assert_vix(VixDiskLib_IsAttachPossible(NULL, NULL), VIX_E_DISK_NOINIT);
    t->connection = NULL;
}

/* -- threads --------------------------------------------------------------- */

typedef struct {
    VixDiskLibHandle below, above;
} Pair;

static void *
ask_often(void *opaque)
{
    const Pair *pair = opaque;

    for (unsigned i = 0; i < 100; i++) {
        assert_vix(VixDiskLib_IsAttachPossible(pair->below, pair->above),
                   VIX_E_DISK_ATTACH_ROOTLINK);
        vix_test_assert_reads(pair->above, 0, 1, 0);
    }
    return NULL;
}

/* Two disks in both orders at once. */
static void
test_both_orders(VixTest *t, gconstpointer data)
{
    VixDiskLibHandle a, b;
    GThread *threads[4];
    Pair pairs[2];

    a = vix_test_open(
        t, vix_test_create(t, "a.vmdk", VIXDISKLIB_DISK_SPLIT_SPARSE, CAPACITY),
        0);
    b = vix_test_open(
        t, vix_test_create(t, "b.vmdk", VIXDISKLIB_DISK_SPLIT_SPARSE, CAPACITY),
        0);
    pairs[0] = (Pair){a, b};
    pairs[1] = (Pair){b, a};
    for (unsigned i = 0; i < G_N_ELEMENTS(threads); i++)
        threads[i] = g_thread_new("ask", ask_often, &pairs[i % 2]);
    for (unsigned i = 0; i < G_N_ELEMENTS(threads); i++)
        g_thread_join(threads[i]);
    vix_test_close(a);
    vix_test_close(b);
}

static void
read_done(void *opaque, VixError result)
{
    assert_ok(result);
    g_atomic_int_inc((int *) opaque);
}

/* Asynchronous requests before and after belong to what is there then. */
static void
test_attach_with_a_pump(VixTest *t, gconstpointer data)
{
    const char *parent_path;
    const char *child_path =
        make_pair(t, VIXDISKLIB_DISK_MONOLITHIC_SPARSE, &parent_path);
    VixDiskLibHandle parent = vix_test_open(t, parent_path, 0);
    VixDiskLibHandle child = vix_test_open(t, child_path, SINGLE);
    uint8 before[SECTOR], after[SECTOR], sector[SECTOR];
    int done = 0;

    assert_vix(VixDiskLib_ReadAsync(child, 0, 1, before, read_done, &done),
               VIX_ASYNC);
    assert_vix(VixDiskLib_ReadAsync(parent, 0, 1, sector, read_done, &done),
               VIX_ASYNC);
    assert_ok(VixDiskLib_Attach(parent, child));
    g_assert_cmpint(g_atomic_int_get(&done), ==, 2);
    assert_vix(VixDiskLib_ReadAsync(child, 0, 1, after, read_done, &done),
               VIX_ASYNC);
    assert_ok(VixDiskLib_Wait(child));
    g_assert_cmpint(g_atomic_int_get(&done), ==, 3);
    g_assert_cmpint(before[0], ==, 0);
    g_assert_cmpmem(after, SECTOR, sector, SECTOR);
    vix_test_close(child);
    vix_test_close(parent);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    vix_test_add("/vix/chain/children", test_children);
    vix_test_add("/vix/chain/children-inherit", test_children_inherit);
    vix_test_add("/vix/chain/names-of-parents", test_names_of_parents);
    vix_test_add("/vix/chain/grandchildren", test_grandchildren);
    vix_test_add("/vix/chain/parent-takes-no-more-writes",
                 test_the_parent_takes_no_more_writes);
    vix_test_add("/vix/chain/children-refused", test_children_refused);
    vix_test_add("/vix/chain/attach", test_attach);
    vix_test_add("/vix/chain/attach-and-leave", test_attach_and_leave);
    vix_test_add("/vix/chain/attach-elsewhere", test_attach_elsewhere);
    vix_test_add("/vix/chain/attach-refused", test_attach_refused);
    vix_test_add("/vix/chain/attach-mistakes", test_attach_mistakes);
    vix_test_add("/vix/chain/both-orders", test_both_orders);
    vix_test_add("/vix/chain/attach-with-a-pump", test_attach_with_a_pump);
    return g_test_run();
}
