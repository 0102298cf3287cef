/* SPDX-License-Identifier: BSD-3-Clause */
/* test-vix-bad-arguments - nothing, too little, too much, at the wrong time:
 * each has its code, and outputs are NULL afterwards. */
#include <stdlib.h>
#include <string.h>

#include "tests/vix/host.h"

#define SECTORS 2048

typedef struct {
    VixDiskLibConnection connection;
    VixDiskLibHandle disk, read_only;
} Fixture;

static void
set_up(Fixture *f, gconstpointer unused)
{
    host_init();
    f->connection = host_connect();
    f->disk = host_open(f->connection, host_make_disk("disk.vmdk", SECTORS), 0);
    f->read_only =
        host_open(f->connection, host_make_disk("read-only.vmdk", SECTORS),
                  VIXDISKLIB_FLAG_OPEN_READ_ONLY);
}

/* Mistakes of the caller are no warnings: host_exit(). */
static void
tear_down(Fixture *f, gconstpointer unused)
{
    assert_ok(vix(Close)(f->disk));
    assert_ok(vix(Close)(f->read_only));
    assert_ok(vix(Disconnect)(f->connection));
    host_exit();
}

/* -- ranges --------------------------------------------------------------- */

typedef struct {
    uint64 start, count;
} Range;

/* Where sums and products do not fit in 64 bits as well. */
static const Range outside[] = {
    {SECTORS, 1},
    {SECTORS - 1, 2},
    {0, SECTORS + 1},
    {SECTORS + 1, 0},
    {UINT64_MAX, 1},
    {UINT64_MAX, UINT64_MAX},
    {1, UINT64_MAX},
    {SECTORS - 1, UINT64_MAX - SECTORS + 2},
    {0, UINT64_C(1) << 55},
    {UINT64_C(1) << 55, 1},
    {UINT64_C(1) << 63, UINT64_C(1) << 63},
};

static void
test_outside(Fixture *f, gconstpointer unused)
{
    uint8 buf[SECTOR];
    HostCount count;

    host_count_init(&count);
    memset(buf, 0xaa, sizeof(buf));
    for (unsigned i = 0; i < G_N_ELEMENTS(outside); i++) {
        uint64 start = outside[i].start, n = outside[i].count;

        assert_vix(vix(Read)(f->disk, start, n, buf), 16007);
        assert_vix(vix(Write)(f->disk, start, n, buf), 16007);
        assert_vix(vix(ReadAsync)(f->disk, start, n, buf, host_counted, &count),
                   16007);
        assert_vix(
            vix(WriteAsync)(f->disk, start, n, buf, host_counted, &count),
            16007);
        assert_vix(vix_ext(WriteZeroes)(f->disk, start, n, 0), 16007);
        assert_vix(vix_ext(Discard)(f->disk, start, n), 16007);
    }
    g_assert_cmpint(buf[0], ==, 0xaa);
    assert_ok(vix(Wait)(f->disk));
    g_assert_cmpuint(host_count_get(&count), ==, 0);
    host_assert_text(16007, "disk.vmdk");
    host_count_clear(&count);
}

static void
test_nothing(Fixture *f, gconstpointer unused)
{
    uint64 ends[] = {0, 1, SECTORS};
    HostCount count;

    host_count_init(&count);
    for (unsigned i = 0; i < G_N_ELEMENTS(ends); i++) {
        assert_ok(vix(Read)(f->disk, ends[i], 0, NULL));
        assert_ok(vix(Write)(f->disk, ends[i], 0, NULL));
        assert_vix(
            vix(ReadAsync)(f->disk, ends[i], 0, NULL, host_counted, &count),
            VIX_ASYNC);
        assert_vix(
            vix(WriteAsync)(f->disk, ends[i], 0, NULL, host_counted, &count),
            VIX_ASYNC);
    }
    assert_ok(vix(Wait)(f->disk));
    g_assert_cmpuint(host_count_get(&count), ==, 2 * G_N_ELEMENTS(ends));
    host_count_clear(&count);
}

static void
test_no_buffer(Fixture *f, gconstpointer unused)
{
    uint8 buf[SECTOR];

    assert_vix(vix(Read)(f->disk, 0, 1, NULL), VIX_E_INVALID_ARG);
    assert_vix(vix(Write)(f->disk, 0, 1, NULL), VIX_E_INVALID_ARG);
    assert_vix(vix(ReadAsync)(f->disk, 0, 1, NULL, host_counted, NULL),
               VIX_E_INVALID_ARG);
    assert_vix(vix(WriteAsync)(f->disk, 0, 1, NULL, host_counted, NULL),
               VIX_E_INVALID_ARG);
    assert_vix(vix(ReadAsync)(f->disk, 0, 1, buf, NULL, NULL),
               VIX_E_INVALID_ARG);
    assert_vix(vix(WriteAsync)(f->disk, 0, 1, buf, NULL, NULL),
               VIX_E_INVALID_ARG);
}

static void
test_read_only(Fixture *f, gconstpointer unused)
{
    uint8 buf[SECTOR] = {0};

    assert_vix(vix(Write)(f->read_only, 0, 1, buf), VIX_E_FILE_READ_ONLY);
    assert_vix(vix(WriteAsync)(f->read_only, 0, 1, buf, host_counted, NULL),
               VIX_E_FILE_READ_ONLY);
    assert_vix(vix_ext(WriteZeroes)(f->read_only, 0, 1, 0),
               VIX_E_FILE_READ_ONLY);
    assert_vix(vix_ext(Discard)(f->read_only, 0, 1), VIX_E_FILE_READ_ONLY);
    assert_vix(vix(WriteMetadata)(f->read_only, "key", "value"),
               VIX_E_FILE_READ_ONLY);
    assert_ok(vix(Flush)(f->read_only));
    host_assert_text(VIX_E_FILE_READ_ONLY, "read-only.vmdk");
}

/* -- metadata ------------------------------------------------------------- */

/* Nothing is written to a buffer that is too small. */
static void
test_small_buffers(Fixture *f, gconstpointer unused)
{
    size_t keys = 0, value = 0;
    char buf[4096];

    assert_vix(vix(GetMetadataKeys)(f->disk, NULL, 0, &keys), 24);
    assert_vix(vix(ReadMetadata)(f->disk, "adapterType", NULL, 0, &value), 24);
    g_assert_cmpuint(keys, <=, sizeof(buf));
    for (size_t len = 0; len < keys; len++) {
        size_t needed = 0;

        memset(buf, 'x', sizeof(buf));
        assert_vix(vix(GetMetadataKeys)(f->disk, buf, len, &needed), 24);
        g_assert_cmpuint(needed, ==, keys);
        g_assert_cmpint(buf[0], ==, 'x');
        assert_vix(vix(GetMetadataKeys)(f->disk, buf, len, NULL), 24);
    }
    for (size_t len = 0; len < value; len++) {
        memset(buf, 'x', sizeof(buf));
        assert_vix(vix(ReadMetadata)(f->disk, "adapterType", buf, len, NULL),
                   24);
        g_assert_cmpint(buf[0], ==, 'x');
    }
    assert_ok(vix(ReadMetadata)(f->disk, "adapterType", buf, value, NULL));
    g_assert_cmpuint(strlen(buf), ==, value - 1);
}

static void
test_metadata(Fixture *f, gconstpointer unused)
{
    char buf[64];
    size_t len;

    assert_vix(vix(ReadMetadata)(f->disk, "nokey", buf, 64, NULL), 16052);
    host_assert_text(16052, "nokey");
    assert_vix(vix(ReadMetadata)(f->disk, "nokey", NULL, 0, &len), 16052);
    assert_vix(vix(ReadMetadata)(f->disk, NULL, buf, 64, NULL), 3);
    assert_vix(vix(ReadMetadata)(f->disk, "", buf, 64, NULL), 3);
    assert_vix(vix(ReadMetadata)(f->disk, "adapterType", NULL, 0, NULL), 3);
    assert_vix(vix(GetMetadataKeys)(f->disk, NULL, 0, NULL), 3);
    assert_vix(vix(WriteMetadata)(f->disk, NULL, "value"), 3);
    assert_vix(vix(WriteMetadata)(f->disk, "", "value"), 3);
    assert_vix(vix(WriteMetadata)(f->disk, "key", NULL), 3);
}

/* -- allocated blocks ----------------------------------------------------- */

static void
test_chunks(Fixture *f, gconstpointer unused)
{
    static const uint64 sizes[] = {0, 1, 127, 131073, UINT64_MAX};
    VixDiskLibBlockList *list = (VixDiskLibBlockList *) &list;

    for (unsigned i = 0; i < G_N_ELEMENTS(sizes); i++) {
        list = (VixDiskLibBlockList *) &list;
        assert_vix(vix(QueryAllocatedBlocks)(f->disk, 0, 128, sizes[i], &list),
                   3);
        g_assert_null(list);
    }
    assert_vix(vix(QueryAllocatedBlocks)(f->disk, 1, 128, 128, &list), 3);
    assert_vix(vix(QueryAllocatedBlocks)(f->disk, 0, 129, 128, &list), 3);
    assert_vix(vix(QueryAllocatedBlocks)(f->disk, 0, 128, 128, NULL), 3);
    assert_vix(vix(QueryAllocatedBlocks)(f->disk, 4096, 128, 128, &list),
               16007);
    g_assert_null(list);
    /* Past the end is up to the end. */
    assert_ok(vix(QueryAllocatedBlocks)(f->disk, 0, 1 << 20, 128, &list));
    g_assert_cmpuint(list->numBlocks, ==, 0);
    assert_ok(vix(FreeBlockList)(list));
    assert_ok(vix(FreeBlockList)(NULL));
}

/* -- opening and creating ------------------------------------------------- */

static void
test_open(Fixture *f, gconstpointer unused)
{
    VixDiskLibHandle disk = (VixDiskLibHandle) &disk;

    assert_vix(vix(Open)(f->connection, NULL, 0, &disk), 3);
    g_assert_null(disk);
    assert_vix(vix(Open)(f->connection, "", 0, &disk), 3);
    assert_vix(vix(Open)(f->connection, host_path("disk.vmdk"), 0, NULL), 3);
    assert_vix(vix(Open)(NULL, host_path("disk.vmdk"), 0, &disk), 16054);
    assert_vix(vix(GetInfo)(f->disk, NULL), 3);
    vix(FreeInfo)(NULL);
    vix(FreeErrorText)(NULL);
    vix(FreeConnectParams)(NULL);
}

/* These do warn: the disk, or what there is in its place, is to blame. */
static void
test_open_what_is_none(void)
{
    g_autofree char *text = g_strnfill(100000, 'x');
    VixDiskLibConnection connection;
    VixDiskLibHandle disk;

    host_init();
    connection = host_connect();
    assert_vix(vix(Open)(connection, host_path("none.vmdk"), 0, &disk), 4);
    g_assert_null(disk);
    host_assert_text(4, "none.vmdk");
    g_assert_true(g_file_set_contents(host_path("text.vmdk"), text, -1, NULL));
    assert_vix(vix(Open)(connection, host_path("text.vmdk"), 0, &disk),
               VIX_E_DISK_INVALIDDISK);
    assert_vix(VIX_SUCCEEDED(vix(Open)(connection, host_path("."), 0, &disk)),
               FALSE);
    text[5000] = '\0';
    assert_vix(VIX_SUCCEEDED(vix(Open)(connection, text, 0, &disk)), FALSE);
    g_assert_null(disk);
    g_assert_cmpuint(host_count_warnings(), ==, 4);
    host_messages_clear();
    assert_ok(vix(Disconnect)(connection));
    host_exit();
}

static void
test_create(Fixture *f, gconstpointer unused)
{
    VixDiskLibCreateParams good = {.diskType =
                                       VIXDISKLIB_DISK_MONOLITHIC_SPARSE,
                                   .adapterType = VIXDISKLIB_ADAPTER_IDE,
                                   .hwVersion = 4,
                                   .capacity = SECTORS};
    VixDiskLibCreateParams type = good, adapter = good;
    const char *path = host_path("new.vmdk");

    type.diskType = (VixDiskLibDiskType) 9;
    adapter.adapterType = (VixDiskLibAdapterType) 0x7fffffff;
    assert_vix(vix(Create)(NULL, path, &good, NULL, NULL), 16054);
    assert_vix(vix(Create)(f->connection, NULL, &good, NULL, NULL), 3);
    assert_vix(vix(Create)(f->connection, "", &good, NULL, NULL), 3);
    assert_vix(vix(Create)(f->connection, path, NULL, NULL, NULL), 3);
    assert_vix(vix(Create)(f->connection, path, &type, NULL, NULL), 3);
    assert_vix(vix(Create)(f->connection, path, &adapter, NULL, NULL), 3);
    assert_vix(vix(Unlink)(NULL, path), 16054);
    assert_vix(vix(Unlink)(f->connection, NULL), 3);
    assert_vix(vix(Unlink)(f->connection, ""), 3);
    assert_vix(vix(Rename)(NULL, path), 3);
    assert_vix(vix(Rename)(path, NULL), 3);
    assert_vix(vix(Rename)("", ""), 3);
    g_assert_false(g_file_test(path, G_FILE_TEST_EXISTS));
}

/* -- connecting ----------------------------------------------------------- */

static void
test_connect(void)
{
    VixDiskLibConnectParams params = {.serverName = (char *) "vcenter.test",
                                      .vmxSpec = (char *) "moref=vm-1"};
    VixDiskLibConnection connection = (VixDiskLibConnection) &params;

    host_init();
    assert_vix(vix(ConnectEx)(&params, TRUE, NULL, NULL, &connection), 6);
    g_assert_null(connection);
    host_assert_text(6, "vcenter.test");
    assert_vix(vix(Connect)(&params, &connection), 6);
    assert_vix(vix(Connect)(NULL, NULL), 3);
    assert_vix(vix(ConnectEx)(NULL, TRUE, NULL, NULL, NULL), 3);
    assert_vix(vix(PrepareForAccess)(NULL, NULL), 3);
    assert_vix(vix(PrepareForAccess)(NULL, ""), 3);
    assert_vix(vix(PrepareForAccess)(NULL, "no text: \xfc"), 3);
    assert_vix(vix(EndAccess)(NULL, NULL), 3);
    assert_vix(vix(PrepareForAccess)(NULL, "123456789 123456789 123456789 "
                                           "123456789 123456789 1"),
               3);
    assert_ok(vix(Disconnect)(NULL));
    assert_vix(vix(GetConnectParams)(NULL, NULL), 3);
    host_exit();
}

/* -- at the wrong time ---------------------------------------------------- */

static void
assert_not_started(void)
{
    VixDiskLibConnection connection = (VixDiskLibConnection) &connection;
    VixDiskLibHandle disk = (VixDiskLibHandle) &disk;
    VixDiskLibHandle none = disk;
    VixDiskLibInfo *info = (VixDiskLibInfo *) &info;
    uint8 buf[SECTOR];

    assert_vix(vix(Open)(connection, "x", 0, &disk), 16001);
    g_assert_null(disk);
    assert_vix(vix(GetInfo)(none, &info), 16001);
    g_assert_null(info);
    assert_vix(vix(Close)(none), 16001);
    assert_vix(vix(Read)(none, 0, 1, buf), 16001);
    assert_vix(vix(Write)(none, 0, 1, buf), 16001);
    assert_vix(vix(ReadAsync)(none, 0, 1, buf, host_counted, NULL), 16001);
    assert_vix(vix(Wait)(none), 16001);
    assert_vix(vix(Flush)(none), 16001);
    assert_vix(vix(Disconnect)(connection), 16001);
    assert_vix(vix(Rename)("a", "b"), 16001);
    assert_vix(vix(Connect)(NULL, &connection), 16001);
    g_assert_null(connection);
    g_assert_null(vix(GetTransportMode)(none));
    host_assert_text(16001, "InitEx");
}

/* What works at any time. */
static void
assert_works_before(void)
{
    VixDiskLibConnectParams *params = vix(AllocateConnectParams)();

    g_assert_nonnull(params);
    vix(FreeConnectParams)(params);
    assert_ok(vix(Cleanup)(NULL, NULL, NULL));
    g_assert_cmpstr(vix(ListTransportModes)(), ==,
                    g_getenv("VDISK_TRANSPORTS"));
    host_assert_text(1, "Unknown error");
    host_assert_text(0, "Success");
    host_assert_text(54321, "54321");
    host_assert_text(UINT64_C(0x123456784000010) + 15, "");
    assert_ok(vix(FreeBlockList)(NULL));
}

static void
test_not_started(void)
{
    vix(Exit)();
    assert_not_started();
    assert_works_before();
    host_init();
    host_exit();
    vix(Exit)();
    assert_not_started();
    assert_works_before();
}

static void
test_no_configuration(void)
{
    assert_vix(vix(InitEx)(8, 0, NULL, NULL, NULL, NULL, "/nowhere/config"), 4);
    host_assert_text(4, "/nowhere/config");
    assert_not_started();
}

static void
add(const char *path, void (*run)(Fixture *, gconstpointer))
{
    g_test_add(path, Fixture, NULL, set_up, run, tear_down);
}

int
main(int argc, char **argv)
{
    host_begin(&argc, &argv);
    g_test_add_func("/vix/bad/not-started", test_not_started);
    g_test_add_func("/vix/bad/no-configuration", test_no_configuration);
    add("/vix/bad/outside", test_outside);
    add("/vix/bad/nothing", test_nothing);
    add("/vix/bad/no-buffer", test_no_buffer);
    add("/vix/bad/read-only", test_read_only);
    add("/vix/bad/small-buffers", test_small_buffers);
    add("/vix/bad/metadata", test_metadata);
    add("/vix/bad/chunks", test_chunks);
    add("/vix/bad/open", test_open);
    g_test_add_func("/vix/bad/open-what-is-none", test_open_what_is_none);
    add("/vix/bad/create", test_create);
    g_test_add_func("/vix/bad/connect", test_connect);
    return host_run();
}
