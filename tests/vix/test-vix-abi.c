/* SPDX-License-Identifier: BSD-3-Clause */
/* test-vix-abi - structures lie in memory where old programs look for them,
 * and the library looks at no more than such programs have given it.
 *
 * All numbers are written out here: this program does not know our header.
 * Run once for each of the sonames.
 */
#include <glib.h>
#include <glib/gstdio.h>
#include <malloc.h>
#include <string.h>
#include <unistd.h>

#include "tests/support/temp-dir.h"
#include "tests/vix/abi-raw.h"

enum {
    READ_ONLY = 4,
    PARAMS_SHORT = 80, /* connection parameters of 6.0 and 6.5 */
    PARAMS_LONG = 128, /* 6.7 to 8 */
    CREATE_SHORT = 24, /* creation parameters before 7 */
    CREATE_LONG = 32,
    INVALID_ARG = 3,
    NOT_SUPPORTED = 6,
};

static char *dir;

static char *
path_of(const char *name)
{
    return g_build_filename(dir, name, NULL);
}

/* -- disks ---------------------------------------------------------------- */

#define UUID "60 00 C2 93 7b a0 3a 03-9f 22 56 c5 29 93 b7 27"
#define SECTORS 4096

static char *
make_disk(const char *more)
{
    g_autofree char *data = path_of("base-flat.vmdk");
    char *path = path_of("base.vmdk");
    g_autofree char *text = g_strconcat("# Disk DescriptorFile\n"
                                        "version=1\n"
                                        "CID=0badcafe\n"
                                        "parentCID=ffffffff\n"
                                        "createType=\"monolithicFlat\"\n"
                                        "RW 4096 FLAT \"base-flat.vmdk\" 0\n"
                                        "ddb.virtualHWVersion = \"7\"\n"
                                        "ddb.adapterType = \"lsilogic\"\n"
                                        "ddb.geometry.cylinders = \"101\"\n"
                                        "ddb.geometry.heads = \"102\"\n"
                                        "ddb.geometry.sectors = \"63\"\n"
                                        "ddb.geometry.biosCylinders = \"11\"\n"
                                        "ddb.geometry.biosHeads = \"12\"\n"
                                        "ddb.geometry.biosSectors = \"13\"\n"
                                        "ddb.uuid = \"" UUID "\"\n",
                                        more, NULL);

    test_file_make(data, SECTORS * 512);
    g_assert_true(g_file_set_contents(path, text, -1, NULL));
    return path;
}

static void *
open_disk(void *connection, const char *path, uint32_t flags)
{
    void *disk = NULL;

    assert_code(abi_call(uint64_t, "Open", void *, const char *, uint32_t,
                         void **)(connection, path, flags, &disk),
                0);
    return disk;
}

static void
close_disk(void *disk)
{
    assert_code(abi_call(uint64_t, "Close", void *)(disk), 0);
}

/* The information outlives handle, connection and library. */
static char *
info_of(const char *path)
{
    void *connection, *disk;
    char *info = NULL;

    abi_init();
    connection = abi_connect(NULL);
    disk = open_disk(connection, path, READ_ONLY);
    assert_code(abi_call(uint64_t, "GetInfo", void *, char **)(disk, &info), 0);
    close_disk(disk);
    abi_disconnect(connection);
    abi_exit();
    return info;
}

static void
free_info(char *info)
{
    abi_call(void, "FreeInfo", char *)(info);
}

/* -- VixDiskLibInfo ------------------------------------------------------- */

static void
test_info(void)
{
    static const uint32_t geometry[] = {11, 12, 13, 101, 102, 63};
    g_autofree char *path = make_disk("");
    char *info = info_of(path);

    /* Programs for version 7 copy all 64 bytes, whatever is loaded. */
    g_assert_cmpuint(malloc_usable_size(info), >=, 64);
    for (unsigned i = 0; i < G_N_ELEMENTS(geometry); i++)
        g_assert_cmpuint(abi_u32(info, 4 * i), ==, geometry[i]);
    g_assert_cmpuint(abi_u64(info, 24), ==, SECTORS);
    g_assert_cmpuint(abi_u32(info, 32), ==, 3); /* LSI Logic */
    g_assert_cmpuint(abi_u32(info, 36), ==, 1);
    g_assert_null(abi_string(info, 40));
    g_assert_cmpstr(abi_string(info, 48), ==, UUID);
    g_assert_cmpuint(abi_u32(info, 56), ==, 512);
    g_assert_cmpuint(abi_u32(info, 60), ==, 512);
    free_info(info);
}

static void
test_info_sector_sizes(void)
{
    g_autofree char *path = make_disk("ddb.logicalSectorSize = \"512\"\n"
                                      "ddb.physicalSectorSize = \"4096\"\n");
    char *info = info_of(path);

    g_assert_cmpuint(abi_u64(info, 24), ==, SECTORS);
    g_assert_cmpuint(abi_u32(info, 56), ==, 512);
    g_assert_cmpuint(abi_u32(info, 60), ==, 4096);
    free_info(info);
}

static char *
make_child(const char *base)
{
    char *path = path_of("child.vmdk");
    const char *argv[] = {g_getenv("VDISK_IMG"),
                          "create",
                          "-q",
                          "-f",
                          "vmdk",
                          "-b",
                          base,
                          "-F",
                          "vmdk",
                          path,
                          NULL};
    int status;

    g_assert_true(g_spawn_sync(NULL, (char **) argv, NULL, 0, NULL, NULL, NULL,
                               NULL, &status, NULL));
    g_assert_cmpint(status, ==, 0);
    return path;
}

static void
test_info_of_child(void)
{
    g_autofree char *base = make_disk("");
    g_autofree char *path = make_child(base);
    char *info = info_of(path);

    g_assert_cmpuint(abi_u64(info, 24), ==, SECTORS);
    g_assert_cmpuint(abi_u32(info, 36), ==, 2);
    g_assert_true(g_str_has_suffix(abi_string(info, 40), "base.vmdk"));
    free_info(info);
}

/* -- VixDiskLibConnectParams ---------------------------------------------- */

static size_t
params_size(void)
{
    return abi_soname == 6 ? PARAMS_SHORT : PARAMS_LONG;
}

static void
test_params_end(void)
{
    void *params = abi_guarded_new(params_size());

    abi_init();
    assert_code(abi_try_connect(params), 0);
    assert_code(abi_call(uint64_t, "Connect", const void *,
                         void **)(params, &(void *){NULL}),
                0);
    assert_code(abi_call(uint64_t, "PrepareForAccess", const void *,
                         const char *)(params, "test"),
                0);
    assert_code(abi_call(uint64_t, "EndAccess", const void *,
                         const char *)(params, "test"),
                0);
    assert_code(abi_call(uint64_t, "Cleanup", const void *, uint32_t *,
                         uint32_t *)(params, NULL, NULL),
                0);
    abi_exit();
    abi_guarded_free(params, params_size());
}

/* A program for 6.5 has its own variables behind its structure. */
static void
test_params_foreign_bytes(void)
{
    unsigned char params[PARAMS_LONG] = {0};

    memset(params + PARAMS_SHORT, 0xa5, sizeof(params) - PARAMS_SHORT);
    abi_init();
    assert_code(abi_try_connect(params), abi_soname == 6 ? 0 : INVALID_ARG);
    abi_exit();
}

/* Those that the library has handed out are long, so that all of it counts. */
static void
test_params_of_library(void)
{
    char *params = abi_call(char *, "AllocateConnectParams", void)();

    g_assert_cmpuint(malloc_usable_size(params), >=, PARAMS_LONG);
    for (unsigned off = 0; off < PARAMS_LONG; off += 8)
        g_assert_cmpuint(abi_u64(params, off), ==, 0);
    abi_init();
    assert_code(abi_try_connect(params), 0);
    abi_set_u32(params, 120, 1); /* a first-class disk, of no vCenter */
    assert_code(abi_try_connect(params), INVALID_ARG);
    abi_exit();
    abi_call(void, "FreeConnectParams", char *)(params);
}

/* Where the machine and the server are named: one without a server, a server
 * without credentials. */
static void
test_params_remote(void)
{
    static const size_t names[] = {0, 8};
    static const uint64_t codes[] = {INVALID_ARG, NOT_SUPPORTED};
    void *params = abi_guarded_new(params_size());

    abi_init();
    for (unsigned i = 0; i < G_N_ELEMENTS(names); i++) {
        char *text;

        abi_set_pointer(params, names[i], "moref=vm-12");
        assert_code(abi_try_connect(params), codes[i]);
        text = abi_call(char *, "GetErrorText", uint64_t,
                        const char *)(codes[i], NULL);
        g_assert_nonnull(strstr(text, "'moref=vm-12'"));
        abi_call(void, "FreeErrorText", char *)(text);
        abi_set_pointer(params, names[i], NULL);
    }
    abi_exit();
    abi_guarded_free(params, params_size());
}

static char *
copy_of_params(void *connection)
{
    char *copy = NULL;

    assert_code(abi_call(uint64_t, "GetConnectParams", void *,
                         char **)(connection, &copy),
                0);
    g_assert_cmpuint(malloc_usable_size(copy), >=, PARAMS_LONG);
    return copy;
}

typedef struct {
    size_t off;
    const char *value;
} String;

static void
assert_strings(const char *copy, const String *strings, unsigned n)
{
    for (unsigned i = 0; i < n; i++)
        g_assert_cmpstr(abi_string(copy, strings[i].off), ==, strings[i].value);
}

/* Connects with the strings, forgets them and asks for the copy, which is valid
 * after everything else has ended. */
static char *
go_through_connection(void *params, const String *strings, unsigned n)
{
    g_autoptr(GPtrArray) own = g_ptr_array_new_with_free_func(g_free);
    void *connection;
    char *copy;

    for (unsigned i = 0; i < n; i++) {
        g_ptr_array_add(own, g_strdup(strings[i].value));
        abi_set_pointer(params, strings[i].off, own->pdata[i]);
    }
    abi_init();
    connection = abi_connect(params);
    for (unsigned i = 0; i < n; i++)
        memset(own->pdata[i], 'x', strlen(own->pdata[i]));
    memset(params, 0xa5, params_size());
    copy = copy_of_params(connection);
    abi_disconnect(connection);
    abi_exit();
    return copy;
}

static void
test_params_copy_of_login(void)
{
    static const String strings[] = {
        {16, "aa:bb"}, {40, "user"}, {48, "secret"}, {72, "8.0"}};
    void *params = abi_guarded_new(params_size());
    char *copy;

    abi_set_u32(params, 32, 1); /* user and password */
    abi_set_u32(params, 64, 4443);
    abi_set_u32(params, 68, 9002);
    copy = go_through_connection(params, strings, G_N_ELEMENTS(strings));
    assert_strings(copy, strings, G_N_ELEMENTS(strings));
    g_assert_null(abi_string(copy, 0));
    g_assert_null(abi_string(copy, 8));
    g_assert_cmpuint(abi_u32(copy, 32), ==, 1);
    g_assert_cmpuint(abi_u32(copy, 64), ==, 4443);
    g_assert_cmpuint(abi_u32(copy, 68), ==, 9002);
    abi_call(void, "FreeConnectParams", char *)(copy);
    abi_guarded_free(params, params_size());
}

static void
test_params_copy_of_session(void)
{
    static const String strings[] = {{40, "cookie"}, {48, "user"}, {56, "key"}};
    void *params = abi_guarded_new(params_size());
    char *copy;

    abi_set_u32(params, 32, 2);
    copy = go_through_connection(params, strings, G_N_ELEMENTS(strings));
    assert_strings(copy, strings, G_N_ELEMENTS(strings));
    g_assert_cmpuint(abi_u32(copy, 32), ==, 2);
    abi_call(void, "FreeConnectParams", char *)(copy);
    abi_guarded_free(params, params_size());
}

/* -- VixDiskLibCreateParams ----------------------------------------------- */

/* What the disk @params of @size bytes makes says of itself. */
static char *
create_and_ask(void *params)
{
    g_autofree char *path = path_of("new.vmdk");
    void *connection;

    test_dir_empty(dir);
    abi_set_u32(params, 0, 1); /* monolithic sparse */
    abi_set_u32(params, 4, 2); /* BusLogic */
    abi_set_u32(params, 8, 7); /* hardware version */
    abi_set_u64(params, 16, 20480);
    abi_init();
    connection = abi_connect(NULL);
    assert_code(abi_call(uint64_t, "Create", void *, const char *, const void *,
                         void *, void *)(connection, path, params, NULL, NULL),
                0);
    abi_disconnect(connection);
    abi_exit();
    return info_of(path);
}

static void
test_create_end(void)
{
    size_t size = abi_soname == 6 ? CREATE_SHORT : CREATE_LONG;
    void *params = abi_guarded_new(size);
    char *info = create_and_ask(params);

    g_assert_cmpuint(abi_u64(info, 24), ==, 20480);
    g_assert_cmpuint(abi_u32(info, 32), ==, 2);
    g_assert_cmpuint(abi_u32(info, 56), ==, 512);
    free_info(info);
    abi_guarded_free(params, size);
}

/* Sector sizes, which programs for version 6 do not have. */
static void
assert_created_with(uint32_t logical, uint32_t physical, uint32_t told_logical,
                    uint32_t told_physical)
{
    char params[CREATE_LONG] = {0};
    char *info;

    abi_set_u32(params, 24, logical);
    abi_set_u32(params, 28, physical);
    info = create_and_ask(params);
    g_assert_cmpuint(abi_u32(info, 56), ==,
                     abi_soname == 6 ? 512 : told_logical);
    g_assert_cmpuint(abi_u32(info, 60), ==,
                     abi_soname == 6 ? 512 : told_physical);
    free_info(info);
}

static void
test_create_sector_sizes(void)
{
    assert_created_with(512, 512, 512, 512);
    assert_created_with(512, 4096, 512, 4096);
    assert_created_with(4096, 4096, 4096, 4096);
    assert_created_with(0xa5a5a5a5, 0xa5a5a5a5, 512, 512);
}

/* -- VixDiskLibBlockList -------------------------------------------------- */

static char *
query(void *disk, uint64_t start, uint64_t count, uint64_t chunk)
{
    char *list = NULL;

    assert_code(abi_call(uint64_t, "QueryAllocatedBlocks", void *, uint64_t,
                         uint64_t, uint64_t,
                         char **)(disk, start, count, chunk, &list),
                0);
    return list;
}

static void
test_block_list(void)
{
    static const char sectors[1024] = "data";
    static const uint64_t writes[] = {130, 1151};
    static const uint64_t wanted[] = {128, 128, 1024, 256};
    char params[CREATE_LONG] = {0};
    g_autofree char *path = path_of("new.vmdk");
    void *connection, *disk;
    char *list;

    free_info(create_and_ask(params));
    abi_init();
    connection = abi_connect(NULL);
    disk = open_disk(connection, path, 0);
    for (unsigned i = 0; i < G_N_ELEMENTS(writes); i++)
        assert_code(abi_call(uint64_t, "Write", void *, uint64_t, uint64_t,
                             const char *)(disk, writes[i], 2, sectors),
                    0);
    list = query(disk, 0, 20480, 128);
    g_assert_cmpuint(abi_u32(list, 0), ==, 2);
    for (unsigned i = 0; i < G_N_ELEMENTS(wanted); i++)
        g_assert_cmpuint(abi_u64(list, 8 + 8 * i), ==, wanted[i]);
    close_disk(disk);
    abi_disconnect(connection);
    abi_exit();
    assert_code(abi_call(uint64_t, "FreeBlockList", char *)(list), 0);
}

/* -- scalars and threads -------------------------------------------------- */

/* Codes are compared as whole numbers. */
static void
test_results(void)
{
    g_autofree char *path = make_disk("");
    g_autofree char *sector = g_malloc0(512);
    void *connection, *disk;

    abi_init();
    connection = abi_connect(NULL);
    disk = open_disk(connection, path, READ_ONLY);
    assert_code(abi_call(uint64_t, "Read", void *, uint64_t, uint64_t,
                         char *)(disk, SECTORS, 1, sector),
                UINT64_C(16007));
    assert_code(abi_call(uint64_t, "Write", void *, uint64_t, uint64_t,
                         const char *)(disk, 0, 1, sector),
                UINT64_C(11));
    g_assert_cmpstr(abi_call(const char *, "GetTransportMode", void *)(disk),
                    ==, "file");
    g_assert_cmpstr(abi_call(const char *, "ListTransportModes", void)(), ==,
                    g_getenv("VDISK_TRANSPORTS"));
    close_disk(disk);
    abi_disconnect(connection);
    abi_exit();
}

static unsigned
count_threads(void)
{
    GDir *tasks = g_dir_open("/proc/self/task", 0, NULL);
    unsigned n = 0;

    while (g_dir_read_name(tasks))
        n++;
    g_dir_close(tasks);
    return n;
}

/* So that a process may fork before it opens a disk.  Run first: what tests
 * before it started may still be on its way out. */
static void
test_no_thread(void)
{
    unsigned before = count_threads();
    void *connection;

    abi_init();
    connection = abi_connect(NULL);
    g_assert_cmpuint(count_threads(), ==, before);
    abi_disconnect(connection);
    abi_exit();
    g_assert_cmpuint(count_threads(), ==, before);
}

int
main(int argc, char **argv)
{
    unsigned threads;
    int result;

    g_test_init(&argc, &argv, NULL);
    threads = count_threads();
    abi_load();
    g_assert_cmpuint(count_threads(), ==, threads);
    dir = test_dir_new();
    g_test_add_func("/vix/abi/no-thread-before-open", test_no_thread);
    g_test_add_func("/vix/abi/info", test_info);
    g_test_add_func("/vix/abi/info-sector-sizes", test_info_sector_sizes);
    g_test_add_func("/vix/abi/info-of-child", test_info_of_child);
    g_test_add_func("/vix/abi/params-end", test_params_end);
    g_test_add_func("/vix/abi/params-foreign-bytes", test_params_foreign_bytes);
    g_test_add_func("/vix/abi/params-of-library", test_params_of_library);
    g_test_add_func("/vix/abi/params-remote", test_params_remote);
    g_test_add_func("/vix/abi/params-copy-of-login", test_params_copy_of_login);
    g_test_add_func("/vix/abi/params-copy-of-session",
                    test_params_copy_of_session);
    g_test_add_func("/vix/abi/create-end", test_create_end);
    g_test_add_func("/vix/abi/create-sector-sizes", test_create_sector_sizes);
    g_test_add_func("/vix/abi/block-list", test_block_list);
    g_test_add_func("/vix/abi/results", test_results);
    result = g_test_run();
    test_dir_remove(dir);
    return result;
}
