/* SPDX-License-Identifier: BSD-3-Clause */
/* tests/vix/abi-raw.c - libvixDiskLib as a program that was compiled long ago
 * sees it. */
#include "tests/vix/abi-raw.h"

#include <dlfcn.h>
#include <glib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

unsigned abi_soname;
static void *library;

void
abi_load(void)
{
    const char *file = g_getenv("VIX_LIBRARY");

    g_assert_nonnull(file);
    library = dlopen(file, RTLD_NOW | RTLD_LOCAL);
    if (!library)
        g_error("%s", dlerror());
    abi_soname = (unsigned) (file[strlen(file) - 1] - '0');
}

void *
abi_find(const char *name)
{
    void *found = dlsym(library, name);

    if (!found)
        g_error("there is no %s", name);
    return found;
}

/* -- functions ------------------------------------------------------------ */

void
abi_init(void)
{
    assert_code(abi_call(uint64_t, "InitEx", uint32_t, uint32_t, void *, void *,
                         void *, const char *,
                         const char *)(6, 5, NULL, NULL, NULL, NULL, ""),
                0);
}

void
abi_exit(void)
{
    abi_call(void, "Exit", void)();
}

static uint64_t
connect_ex(const void *params, void **connection)
{
    return abi_call(uint64_t, "ConnectEx", const void *, char, const char *,
                    const char *, void **)(params, 0, NULL, NULL, connection);
}

void *
abi_connect(const void *params)
{
    void *connection = NULL;

    assert_code(connect_ex(params, &connection), 0);
    g_assert_nonnull(connection);
    return connection;
}

void
abi_disconnect(void *connection)
{
    assert_code(abi_call(uint64_t, "Disconnect", void *)(connection), 0);
}

uint64_t
abi_try_connect(const void *params)
{
    void *connection = &connection;
    uint64_t err = connect_ex(params, &connection);

    if (err == 0)
        abi_disconnect(connection);
    else
        g_assert_null(connection);
    return err;
}

/* -- bytes ---------------------------------------------------------------- */

uint32_t
abi_u32(const void *block, size_t off)
{
    uint32_t value;

    memcpy(&value, (const char *) block + off, sizeof(value));
    return value;
}

uint64_t
abi_u64(const void *block, size_t off)
{
    uint64_t value;

    memcpy(&value, (const char *) block + off, sizeof(value));
    return value;
}

char *
abi_string(const void *block, size_t off)
{
    char *value;

    memcpy(&value, (const char *) block + off, sizeof(value));
    return value;
}

void
abi_set_u32(void *block, size_t off, uint32_t value)
{
    memcpy((char *) block + off, &value, sizeof(value));
}

void
abi_set_u64(void *block, size_t off, uint64_t value)
{
    memcpy((char *) block + off, &value, sizeof(value));
}

void
abi_set_pointer(void *block, size_t off, const void *value)
{
    memcpy((char *) block + off, &value, sizeof(value));
}

/* -- guarded memory ------------------------------------------------------- */

void *
abi_guarded_new(size_t bytes)
{
    size_t page = (size_t) sysconf(_SC_PAGESIZE);
    char *pages = mmap(NULL, 2 * page, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    g_assert_true(pages != MAP_FAILED);
    g_assert_cmpint(mprotect(pages + page, page, PROT_NONE), ==, 0);
    return pages + page - bytes;
}

void
abi_guarded_free(void *block, size_t bytes)
{
    size_t page = (size_t) sysconf(_SC_PAGESIZE);

    munmap((char *) block + bytes - page, 2 * page);
}
