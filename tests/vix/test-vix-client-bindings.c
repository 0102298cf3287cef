/* SPDX-License-Identifier: BSD-3-Clause */
/* test-vix-client-bindings - what the bindings to other languages do: Go
 * (vmware/virtual-disks), Python (xuru/vixDiskLib), ctypes; and what becomes of
 * the passwords that they hand over. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/vix/host.h"

#define SECTORS 2048

/* -- Go ------------------------------------------------------------------- */

/* A string of the heap that is overwritten and freed right after the call. */
static void
drop(char *string)
{
    memset(string, 'x', strlen(string));
    free(string);
}

static void
go_init(void)
{
    char *dir = strdup("/usr/local/vmware-vix-disklib-distrib");

    assert_ok(vix(Init)(7, 0, NULL, NULL, NULL, dir));
    drop(dir);
}

/* The structure is never freed, its strings always are. */
static VixDiskLibConnection
go_connect(void)
{
    VixDiskLibConnectParams *params = vix(AllocateConnectParams)();
    VixDiskLibConnection connection;
    char *modes = strdup("nbd"), *snapshot = strdup("");

    params->thumbPrint = strdup("11:22");
    params->credType = VIXDISKLIB_CRED_UID;
    params->creds.uid.userName = strdup("user");
    params->creds.uid.password = strdup("word");
    assert_ok(vix(PrepareForAccess)(params, "identity"));
    assert_ok(vix(ConnectEx)(params, FALSE, snapshot, modes, &connection));
    assert_ok(vix(EndAccess)(params, "identity"));
    drop(params->thumbPrint);
    drop(params->creds.uid.userName);
    drop(params->creds.uid.password);
    drop(modes);
    drop(snapshot);
    return connection;
}

static VixDiskLibHandle
go_open(VixDiskLibConnection connection, const char *path, uint32 flags)
{
    char *copy = strdup(path);
    VixDiskLibHandle disk = host_open(connection, copy, flags);

    drop(copy);
    return disk;
}

/* All of it by value. */
static VixDiskLibInfo
go_info(VixDiskLibHandle disk)
{
    VixDiskLibInfo *info, copy;

    assert_ok(vix(GetInfo)(disk, &info));
    memcpy(&copy, info, 64);
    vix(FreeInfo)(info);
    return copy;
}

/* Any range of bytes, by whole sectors around it. */
static void
go_write_bytes(VixDiskLibHandle disk, uint64 off, const char *bytes)
{
    uint64 first = off / SECTOR, end = (off + strlen(bytes)) / SECTOR + 1;
    g_autofree uint8 *buf = g_malloc((end - first) * SECTOR + 1);

    /* Slices of bytes are not aligned to anything. */
    assert_ok(vix(Read)(disk, first, end - first, buf + 1));
    memcpy(buf + 1 + off % SECTOR, bytes, strlen(bytes));
    assert_ok(vix(Write)(disk, first, end - first, buf + 1));
}

static void
test_go(void)
{
    const char *path = host_make_disk("go.vmdk", SECTORS);
    VixDiskLibConnection connection;
    VixDiskLibHandle disk;
    uint8 sector[SECTOR];

    go_init();
    connection = go_connect();
    disk = go_open(connection, path, VIXDISKLIB_FLAG_OPEN_UNBUFFERED);
    g_assert_cmpuint(go_info(disk).capacity, ==, SECTORS);
    g_assert_cmpuint(go_info(disk).physicalSectorSize, ==, 512);
    go_write_bytes(disk, 1020, "0123456789");
    assert_ok(vix(Close)(disk));
    disk = go_open(connection, path,
                   VIXDISKLIB_FLAG_OPEN_COMPRESSION_SKIPZ |
                       VIXDISKLIB_FLAG_OPEN_READ_ONLY);
    assert_ok(vix(Read)(disk, 2, 1, sector));
    g_assert_cmpint(memcmp(sector, "456789", 7), ==, 0);
    /* What is behind the end is the end of the file to it. */
    assert_vix(vix(Read)(disk, SECTORS, 1, sector), 16007);
    assert_ok(vix(Close)(disk));
    assert_ok(vix(Disconnect)(connection));
    vix(Exit)();
}

static void
test_go_blocks(void)
{
    const char *path = host_make_disk("blocks.vmdk", SECTORS);
    VixDiskLibBlockList *list;
    VixDiskLibConnection connection;
    VixDiskLibHandle disk;

    go_init();
    connection = go_connect();
    disk = go_open(connection, path, 0);
    host_write(disk, 3 * GRAIN, 1, 1);
    assert_ok(vix(QueryAllocatedBlocks)(disk, 0, SECTORS, GRAIN, &list));
    g_assert_cmpuint(list->numBlocks, ==, 1);
    g_assert_cmpuint((&list->blocks[0])->offset, ==, 3 * GRAIN);
    assert_ok(vix(FreeBlockList)(list));
    assert_ok(vix(Close)(disk));
    assert_ok(vix(Disconnect)(connection));
    vix(Exit)();
}

/* The binding hands over the child where the library takes the parent, and the
 * parent as the child. */
static VixError
go_attach(VixDiskLibHandle parent, VixDiskLibHandle child)
{
    return vix(Attach)(child, parent);
}

/* That fails, and what the library took for the parent is used up; no disk has
 * changed, and all handles can be closed. */
static void
check_go_attach(const char *parent_path, const char *child_path, VixError code)
{
    VixDiskLibConnection connection = go_connect();
    VixDiskLibHandle parent =
        go_open(connection, parent_path, VIXDISKLIB_FLAG_OPEN_READ_ONLY);
    VixDiskLibHandle child =
        go_open(connection, child_path, VIXDISKLIB_FLAG_OPEN_SINGLE_LINK);
    uint8 sector[SECTOR];

    assert_vix(go_attach(parent, child), code);
    host_assert_text(code, parent_path);
    assert_vix(vix(Read)(child, 0, 1, sector), VIX_E_INVALID_HANDLE);
    host_assert_reads(parent, 0, 4, 1);
    assert_ok(vix(Close)(child));
    assert_ok(vix(Close)(parent));
    child = go_open(connection, child_path, 0);
    host_assert_reads(child, 0, 4, 1);
    assert_ok(vix(Close)(child));
    assert_ok(vix(Disconnect)(connection));
}

static void
test_go_attach(void)
{
    const char *base = host_make_disk("base.vmdk", SECTORS);
    const char *child, *grandchild;
    VixDiskLibConnection connection;
    VixDiskLibHandle disk;

    go_init();
    connection = go_connect();
    disk = go_open(connection, base, 0);
    host_write(disk, 0, 4, 1);
    assert_ok(vix(Close)(disk));
    assert_ok(vix(Disconnect)(connection));
    child = host_make_child("child.vmdk", base);
    grandchild = host_make_child("grandchild.vmdk", child);
    check_go_attach(base, child, VIX_E_DISK_ATTACH_ROOTLINK);
    check_go_attach(child, grandchild, VIX_E_DISK_PARENT_NOTALLOWED);
    vix(Exit)();
}

/* -- xuru ----------------------------------------------------------------- */

/* Once in the constructor, and again in every connect. */
static void
xuru_init(void)
{
    assert_ok(vix(InitEx)(1, 2, NULL, NULL, NULL, NULL, NULL));
}

static VixDiskLibConnection
xuru_connect(void)
{
    VixDiskLibConnectParams params = {0};
    VixDiskLibConnection connection;
    uint32 cleaned = 1, remaining = 1;

    xuru_init();
    assert_ok(vix(Cleanup)(&params, &cleaned, &remaining));
    assert_ok(vix(ConnectEx)(&params, FALSE, NULL, "", &connection));
    assert_ok(vix(Cleanup)(&params, &cleaned, &remaining));
    g_assert_cmpuint(cleaned + remaining, ==, 0);
    return connection;
}

static void
test_xuru(void)
{
    const char *path = host_make_disk("xuru.vmdk", SECTORS);

    xuru_init();
    for (unsigned i = 1; i < 4; i++) {
        VixDiskLibConnection connection = xuru_connect();
        VixDiskLibHandle disk =
            host_open(connection, path, VIXDISKLIB_FLAG_OPEN_UNBUFFERED);

        host_write(disk, i, 3, i);
        host_assert_reads(disk, i, 3, i);
        assert_ok(vix(Close)(disk));
        assert_ok(vix(Disconnect)(connection));
    }
    for (unsigned i = 0; i < 4; i++)
        vix(Exit)();
}

/* Whatever a failed call has left. */
static void
test_xuru_frees_failed_info(void)
{
    VixDiskLibInfo *info = (VixDiskLibInfo *) &info;

    xuru_init();
    assert_vix(vix(GetInfo)((VixDiskLibHandle) &info, &info),
               VIX_E_INVALID_HANDLE);
    vix(FreeInfo)(info);
    vix(Exit)();
}

/* Makes a disk, and removes it again. */
static void
test_xuru_creates(void)
{
    VixDiskLibCreateParams params = {.diskType = VIXDISKLIB_DISK_SPLIT_SPARSE,
                                     .adapterType = VIXDISKLIB_ADAPTER_IDE,
                                     .capacity = SECTORS};
    VixDiskLibConnection connection = xuru_connect();
    const char *path = host_path("made.vmdk");

    assert_ok(vix(Create)(connection, path, &params, NULL, NULL));
    assert_vix(vix(Create)(connection, path, &params, NULL, NULL), 12);
    assert_ok(vix(Unlink)(connection, path));
    g_assert_false(g_file_test(path, G_FILE_TEST_EXISTS));
    assert_ok(vix(Disconnect)(connection));
    vix(Exit)();
}

/* -- xuru, a disk is made here and sent there ------------------------------ */

static const VixDiskLibCreateParams xuru_params = {
    .diskType = VIXDISKLIB_DISK_MONOLITHIC_SPARSE,
    .adapterType = VIXDISKLIB_ADAPTER_SCSI_LSILOGIC,
    .hwVersion = 7,
    .capacity = SECTORS};

static const char *
xuru_make_local(VixDiskLibConnection local)
{
    const char *path = host_path("local.vmdk");
    VixDiskLibHandle disk;

    assert_ok(vix(Create)(local, path, &xuru_params, NULL, NULL));
    disk = host_open(local, path, VIXDISKLIB_FLAG_OPEN_UNBUFFERED);
    host_write(disk, 0, 4, 1);
    assert_ok(vix(Close)(disk));
    return path;
}

/* From 0 to 100, never back. */
static Bool
xuru_progress(void *opaque, int percent)
{
    int *last = opaque;

    g_assert_cmpint(percent, >=, *last);
    g_assert_cmpint(percent, <=, 100);
    *last = percent;
    return TRUE;
}

/* The target, its connection first, then the source, and its connection. */
static void
test_xuru_clones(void)
{
    VixDiskLibConnection local = xuru_connect(), there = xuru_connect();
    const char *path = xuru_make_local(local), *sent = host_path("sent.vmdk");
    VixDiskLibHandle disk;
    int percent = 0;

    assert_ok(vix(Clone)(there, sent, local, path, &xuru_params, xuru_progress,
                         &percent, FALSE));
    g_assert_cmpint(percent, ==, 100);
    assert_vix(
        vix(Clone)(there, sent, local, path, &xuru_params, NULL, NULL, FALSE),
        VIX_E_FILE_ALREADY_EXISTS);
    assert_ok(
        vix(Clone)(there, sent, local, path, &xuru_params, NULL, NULL, TRUE));
    assert_ok(vix(Unlink)(local, path));
    g_assert_false(g_file_test(path, G_FILE_TEST_EXISTS));
    disk = host_open(there, sent, VIXDISKLIB_FLAG_OPEN_UNBUFFERED);
    host_assert_reads(disk, 0, 4, 1);
    host_assert_reads(disk, 4, SECTORS - 4, 0);
    assert_ok(vix(Close)(disk));
    assert_ok(vix(Disconnect)(there));
    assert_ok(vix(Disconnect)(local));
    vix(Exit)();
    vix(Exit)();
}

/* Nobody listens there: the local disk stays until it is removed. */
static void
test_xuru_cannot_send(void)
{
    VixDiskLibConnection local, there;
    const char *path;
    VixDiskLibConnectParams params = {.vmxSpec = (char *) "moref=vm-7",
                                      .serverName = (char *) "127.0.0.1",
                                      .port = 1,
                                      .credType = VIXDISKLIB_CRED_UID};
    VixDiskLibHandle disk;

    if (g_strcmp0(vix(ListTransportModes)(), "file") == 0) {
        g_test_skip("this build talks to no servers");
        return;
    }
    local = xuru_connect();
    path = xuru_make_local(local);
    params.creds.uid.userName = (char *) "user";
    params.creds.uid.password = (char *) "word";
    assert_ok(vix(ConnectEx)(&params, FALSE, NULL, "", &there));
    assert_vix(vix(Clone)(there, "[ds] sent/sent.vmdk", local, path,
                          &xuru_params, xuru_progress, NULL, TRUE),
               VIX_E_HOST_NETWORK_CONN_REFUSED);
    assert_ok(vix(Disconnect)(there));
    disk = host_open(local, path, VIXDISKLIB_FLAG_OPEN_UNBUFFERED);
    host_assert_reads(disk, 0, 4, 1);
    assert_ok(vix(Close)(disk));
    assert_ok(vix(Unlink)(local, path));
    assert_ok(vix(Disconnect)(local));
    vix(Exit)();
}

/* -- ctypes --------------------------------------------------------------- */

static void *
ctypes_main(void *opaque)
{
    const char *path = opaque;
    VixDiskLibConnection connection;
    VixDiskLibHandle disk;

    assert_ok(vix(Connect)(NULL, &connection));
    disk = host_open(connection, path, VIXDISKLIB_FLAG_OPEN_READ_ONLY);
    host_assert_reads(disk, 0, SECTORS, 0);
    assert_ok(vix(Close)(disk));
    assert_ok(vix(Disconnect)(connection));
    return NULL;
}

static void
test_ctypes(void)
{
    const char *path = host_make_disk("ctypes.vmdk", SECTORS);
    pthread_t threads[3];

    assert_ok(vix(InitEx)(6, 8, NULL, NULL, NULL, NULL, NULL));
    ctypes_main((void *) path);
    for (unsigned i = 0; i < G_N_ELEMENTS(threads); i++)
        threads[i] = host_thread(ctypes_main, (void *) path);
    for (unsigned i = 0; i < G_N_ELEMENTS(threads); i++)
        host_join(threads[i]);
    vix(Exit)();
}

/* -- secrets -------------------------------------------------------------- */

#define SECRET_BYTES 24
#define MOST_BYTES ((gsize) 64 << 20) /* of a mapping: not sanitizers' own */

static guint8 mask[SECRET_BYTES], masked[SECRET_BYTES];

/* A password that nothing in this program has but what is returned. */
static char *
secret_new(void)
{
    char *secret = malloc(SECRET_BYTES + 1);

    for (unsigned i = 0; i < SECRET_BYTES; i++) {
        mask[i] = (guint8) g_random_int();
        secret[i] = (char) g_random_int_range('a', 'z' + 1);
        masked[i] = (guint8) secret[i] ^ mask[i];
    }
    secret[SECRET_BYTES] = '\0';
    return secret;
}

static void
assert_no_secret(const guint8 *bytes, gsize len)
{
    for (gsize at = 0; at + SECRET_BYTES <= len; at++) {
        unsigned i = 0;

        while (i < SECRET_BYTES && (bytes[at + i] ^ mask[i]) == masked[i])
            i++;
        g_assert_cmpuint(i, <, SECRET_BYTES);
    }
}

/* In what of our memory can be written to: the heap, freed or not. */
static void
look_for_secret(void)
{
    g_autofree char *maps = NULL;
    g_auto(GStrv) lines = NULL;
    int memory = open("/proc/self/mem", O_RDONLY | O_CLOEXEC);

    g_assert_cmpint(memory, >=, 0);
    g_assert_true(g_file_get_contents("/proc/self/maps", &maps, NULL, NULL));
    lines = g_strsplit(maps, "\n", -1);
    for (char **line = lines; *line; line++) {
        unsigned long from, to;
        char mode[5];

        if (sscanf(*line, "%lx-%lx %4s", &from, &to, mode) == 3 &&
            g_str_has_prefix(mode, "rw") && to - from <= MOST_BYTES) {
            g_autofree guint8 *bytes = g_malloc(to - from);
            ssize_t n = pread(memory, bytes, to - from, (off_t) from);

            assert_no_secret(bytes, n > 0 ? (gsize) n : 0);
        }
    }
    close(memory);
}

/* It keeps copies of what the program had. */
static bool
memory_is_shared(void)
{
    const char *preload = g_getenv("LD_PRELOAD");

    return (preload && strstr(preload, "vgpreload")) ||
           g_strcmp0(g_getenv("VDISK_SANITIZE"), "thread") == 0;
}

/* Neither copies of parameters nor connections leave a password behind. */
static void
test_passwords_are_wiped(void)
{
    VixDiskLibConnectParams *params = vix(AllocateConnectParams)(), *copy;
    VixDiskLibConnection connection;
    char *secret = secret_new();

    host_init();
    if (memory_is_shared())
        g_test_skip("a sanitizer's own memory");
    params->credType = VIXDISKLIB_CRED_UID;
    params->creds.uid.userName = (char *) "user";
    params->creds.uid.password = secret;
    assert_ok(vix(Connect)(params, &connection));
    assert_ok(vix(GetConnectParams)(connection, &copy));
    g_assert_cmpstr(copy->creds.uid.password, ==, secret);
    vix(FreeConnectParams)(copy);
    assert_ok(vix(Disconnect)(connection));
    vix(FreeConnectParams)(params);
    drop(secret);
    host_exit();
    if (!memory_is_shared())
        look_for_secret();
}

int
main(int argc, char **argv)
{
    host_begin(&argc, &argv);
    g_test_add_func("/vix/go/disk", test_go);
    g_test_add_func("/vix/go/blocks", test_go_blocks);
    g_test_add_func("/vix/go/attach", test_go_attach);
    g_test_add_func("/vix/xuru/disk", test_xuru);
    g_test_add_func("/vix/xuru/frees-failed-info", test_xuru_frees_failed_info);
    g_test_add_func("/vix/xuru/creates", test_xuru_creates);
    g_test_add_func("/vix/xuru/clones", test_xuru_clones);
    g_test_add_func("/vix/xuru/cannot-send", test_xuru_cannot_send);
    g_test_add_func("/vix/ctypes/threads", test_ctypes);
    g_test_add_func("/vix/secrets/wiped", test_passwords_are_wiped);
    return host_run();
}
