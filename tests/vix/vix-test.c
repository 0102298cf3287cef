/* SPDX-License-Identifier: BSD-3-Clause */
/* tests/vix/vix-test.c - what the C tests of libvixDiskLib share. */
#include "tests/vix/vix-test.h"

#include <glib/gstdio.h>
#include <string.h>

/* -- messages ------------------------------------------------------------- */

static GMutex lock;
static GPtrArray *warnings; /* of char */

static void G_GNUC_PRINTF(1, 0) log_message(const char *format, va_list args)
{
    g_autofree char *text = g_strdup_vprintf(format, args);

    g_assert_true(g_str_has_suffix(text, "\n"));
    g_printerr("# %s", text);
}

static void G_GNUC_PRINTF(1, 0) log_warning(const char *format, va_list args)
{
    char *text = g_strdup_vprintf(format, args);

    g_printerr("# warning: %s", text);
    g_mutex_lock(&lock);
    g_ptr_array_add(warnings, text);
    g_mutex_unlock(&lock);
}

void
vix_test_forgive(void)
{
    g_mutex_lock(&lock);
    g_ptr_array_set_size(warnings, 0);
    g_mutex_unlock(&lock);
}

void
vix_test_assert_quiet(void)
{
    g_mutex_lock(&lock);
    if (warnings->len > 0)
        g_error("warned: %s", (const char *) warnings->pdata[0]);
    g_mutex_unlock(&lock);
}

void
vix_test_assert_text(VixError code, const char *says)
{
    char *text = VixDiskLib_GetErrorText(code, NULL);

    g_assert_nonnull(text);
    if (!strstr(text, says))
        g_error("the text of %u is \"%s\", not \"%s\"", (unsigned) code, text,
                says);
    VixDiskLib_FreeErrorText(text);
}

/* -- set-up --------------------------------------------------------------- */

static void
set_up(VixTest *t, gconstpointer unused)
{
    VixDiskLibConnectParams params = {0};
    GError *error = NULL;

    warnings = g_ptr_array_new_with_free_func(g_free);
    t->dir = g_dir_make_tmp("vdisk-vix-XXXXXX", &error);
    g_assert_no_error(error);
    assert_ok(VixDiskLib_InitEx(8, 0, log_message, log_warning, log_warning,
                                NULL, NULL));
    assert_ok(VixDiskLib_ConnectEx(&params, FALSE, NULL, NULL, &t->connection));
}

static void
remove_directory(const char *dir)
{
    GDir *entries = g_dir_open(dir, 0, NULL);
    const char *name;

    while ((name = g_dir_read_name(entries))) {
        g_autofree char *path = g_build_filename(dir, name, NULL);

        if (g_file_test(path, G_FILE_TEST_IS_DIR) &&
            !g_file_test(path, G_FILE_TEST_IS_SYMLINK))
            remove_directory(path);
        else
            (void) g_unlink(path);
    }
    g_dir_close(entries);
    g_assert_cmpint(g_rmdir(dir), ==, 0);
}

static void
tear_down(VixTest *t, gconstpointer unused)
{
    if (t->connection) {
        assert_ok(VixDiskLib_Disconnect(t->connection));
        VixDiskLib_Exit();
    }
    vix_test_assert_quiet();
    g_ptr_array_unref(warnings);
    remove_directory(t->dir);
    g_free(t->dir);
}

void
vix_test_add(const char *path, void (*func)(VixTest *, gconstpointer))
{
    g_test_add(path, VixTest, NULL, set_up, func, tear_down);
}

const char *
vix_test_path(const VixTest *t, const char *name)
{
    g_autofree char *path = g_build_filename(t->dir, name, NULL);

    return g_intern_string(path);
}

/* -- disks ---------------------------------------------------------------- */

const char *
vix_test_create(const VixTest *t, const char *name, VixDiskLibDiskType type,
                VixDiskLibSectorType capacity)
{
    VixDiskLibCreateParams params = {
        .diskType = type,
        .adapterType = VIXDISKLIB_ADAPTER_SCSI_BUSLOGIC,
        .hwVersion = VIXDISKLIB_HWVERSION_WORKSTATION_5,
        .capacity = capacity,
    };
    const char *path = vix_test_path(t, name);

    assert_ok(VixDiskLib_Create(t->connection, path, &params, NULL, NULL));
    return path;
}

VixDiskLibHandle
vix_test_open(const VixTest *t, const char *path, uint32 flags)
{
    VixDiskLibHandle disk;

    assert_ok(VixDiskLib_Open(t->connection, path, flags, &disk));
    return disk;
}

void
vix_test_close(VixDiskLibHandle disk)
{
    assert_ok(VixDiskLib_Close(disk));
}

static uint8
byte_at(uint64 off, uint32 seed)
{
    uint64 x = off / 8 * UINT64_C(0x9e3779b97f4a7c15) + seed;

    return (uint8) ((x >> 32 >> off % 8) | 1);
}

static uint8 *
pattern(VixDiskLibSectorType start, VixDiskLibSectorType count, uint32 seed)
{
    uint8 *buf = g_malloc0(count * SECTOR);

    for (uint64 i = 0; seed && i < count * SECTOR; i++)
        buf[i] = byte_at(start * SECTOR + i, seed);
    return buf;
}

void
vix_test_write(VixDiskLibHandle disk, VixDiskLibSectorType start,
               VixDiskLibSectorType count, uint32 seed)
{
    g_autofree uint8 *buf = pattern(start, count, seed);

    assert_ok(VixDiskLib_Write(disk, start, count, buf));
}

void
vix_test_assert_reads(VixDiskLibHandle disk, VixDiskLibSectorType start,
                      VixDiskLibSectorType count, uint32 seed)
{
    g_autofree uint8 *wanted = pattern(start, count, seed);
    g_autofree uint8 *found = g_malloc(count * SECTOR);

    memset(found, 0xaa, count * SECTOR);
    assert_ok(VixDiskLib_Read(disk, start, count, found));
    for (uint64 i = 0; i < count; i++)
        if (memcmp(found + i * SECTOR, wanted + i * SECTOR, SECTOR))
            g_error("sector %" G_GUINT64_FORMAT " differs", start + i);
}

char *
vix_test_meta(VixDiskLibHandle disk, const char *key)
{
    size_t len = 0;
    char *value;

    assert_vix(VixDiskLib_ReadMetadata(disk, key, NULL, 0, &len),
               VIX_E_BUFFER_TOOSMALL);
    value = g_malloc(len);
    assert_ok(VixDiskLib_ReadMetadata(disk, key, value, len, NULL));
    g_assert_cmpuint(strlen(value) + 1, ==, len);
    return value;
}

void
vix_test_assert_meta(VixDiskLibHandle disk, const char *key, const char *value)
{
    g_autofree char *found = vix_test_meta(disk, key);

    g_assert_cmpstr(found, ==, value);
}

void
vix_test_assert_sound(const char *path)
{
    VdContext *ctx = vd_context_new(NULL, NULL);
    VdCheckResult result = {0};
    GError *error = NULL;
    VdDisk *disk = vd_disk_open(ctx, path, "vmdk", NULL,
                                VD_OPEN_CHECK | VD_OPEN_NO_PARENT, &error);

    g_assert_no_error(error);
    vd_disk_check(disk, NULL, &result, &error);
    g_assert_no_error(error);
    for (unsigned i = 0; i < result.findings->len; i++) {
        const VdFinding *finding = result.findings->pdata[i];

        g_error("%s: %s: %s", path, finding->kind, finding->detail);
    }
    vd_check_result_clear(&result);
    vd_disk_close(disk, &error);
    g_assert_no_error(error);
    vd_context_free(ctx);
}

bool
vix_test_exists(const char *path)
{
    return g_file_test(path, G_FILE_TEST_EXISTS);
}

/* -- progress ------------------------------------------------------------- */

void
vix_test_progress_init(VixTestProgress *p)
{
    *p =
        (VixTestProgress){.last = -1, .stop_at = -1, .thread = g_thread_self()};
}

Bool
vix_test_progress(void *progress, int percent)
{
    VixTestProgress *p = progress;
    uint8 sector[SECTOR];

    g_assert_true(g_thread_self() == p->thread);
    g_assert_cmpint(percent, >, p->last);
    g_assert_cmpint(percent, <=, 100);
    if (p->calls++ == 0)
        g_assert_cmpint(percent, ==, 0);
    p->last = percent;
    if (p->inside)
        assert_mistake(VixDiskLib_Read(p->inside, 0, 1, sector),
                       VIX_E_OBJECT_IS_BUSY, "waiting");
    return p->stop_at < 0 || percent < p->stop_at;
}

void
vix_test_assert_progress(const VixTestProgress *p)
{
    g_assert_cmpuint(p->calls, >=, 2);
    g_assert_cmpint(p->last, ==, 100);
}
