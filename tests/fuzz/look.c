/* SPDX-License-Identifier: BSD-3-Clause */
/* tests/fuzz/look.c - looking at an image of any bytes, through the whole
 * stack.
 */
#include "tests/fuzz/look.h"
#include "include/vdisk.h"

#include <glib/gstdio.h>
#include <stdlib.h>
#include <sys/statvfs.h>

#define MAX_RUNS 256
#define READ_BYTES 4096
#define GROW_BYTES (UINT64_C(3) << 20)
#define GROW_BELOW (UINT64_C(1) << 40)
#define MEMORY "/dev/shm"
#define MEMORY_BYTES (UINT64_C(1) << 30)

static char *directory;

static void
remove_directory(void)
{
    g_autoptr(GDir) dir = g_dir_open(directory, 0, NULL);
    const char *name;

    while (dir && (name = g_dir_read_name(dir))) {
        g_autofree char *path = fuzz_look_path(name);

        g_unlink(path);
    }
    g_rmdir(directory);
}

/* In memory where there is room: images are flushed thousands of times, and
 * nothing is looked for in a disk here. */
static char *
make_directory(void)
{
    struct statvfs fs;

    if (statvfs(MEMORY, &fs) == 0 &&
        (uint64_t) fs.f_bavail * fs.f_frsize >= MEMORY_BYTES)
        return g_mkdtemp(g_strdup(MEMORY "/vdisk-fuzz-XXXXXX"));
    return g_dir_make_tmp("vdisk-fuzz-XXXXXX", NULL);
}

char *
fuzz_look_path(const char *name)
{
    if (!directory) {
        directory = make_directory();
        g_assert_nonnull(directory);
        atexit(remove_directory);
    }
    return g_build_filename(directory, name, NULL);
}

void
fuzz_look_write(const char *name, const void *data, size_t size)
{
    g_autofree char *path = fuzz_look_path(name);
    GError *error = NULL;

    (void) g_file_set_contents(path, data, (gssize) size, &error);
    g_assert_no_error(error);
}

static void
read_at(VdDisk *disk, uint64_t off)
{
    uint8_t buf[READ_BYTES];
    g_autoptr(GError) error = NULL;

    if (off + READ_BYTES <= vd_disk_size(disk))
        (void) vd_disk_pread(disk, buf, READ_BYTES, off, &error);
}

static void
walk(VdDisk *disk)
{
    uint64_t off = 0, size = vd_disk_size(disk);

    for (unsigned i = 0; i < MAX_RUNS && off < size; i++) {
        VdMapEntry entry;

        if (!vd_disk_map(disk, off, size - off, &entry, NULL))
            return;
        g_assert_cmpuint(entry.len, >, 0);
        g_assert_cmpuint(entry.len, <=, size - off);
        read_at(disk, off);
        off += entry.len;
    }
}

bool
fuzz_look_in(VdContext *ctx, const char *path, const char *format)
{
    VdCheckResult result = {.max_findings = 4};
    g_autoptr(GError) error = NULL;
    VdDisk *disk = vd_disk_open(ctx, path, format, NULL, VD_OPEN_CHECK, &error);

    if (!disk) {
        g_assert_nonnull(error);
        return false;
    }
    vd_info_free(vd_disk_get_info(disk, NULL));
    walk(disk);
    read_at(disk, vd_disk_size(disk) / 2 / 512 * 512);
    (void) vd_disk_check(disk, NULL, &result, NULL);
    vd_check_result_clear(&result);
    (void) vd_disk_close(disk, NULL);
    return true;
}

VdContext *
fuzz_look_context(void)
{
    VdContextParams params = {.engine = "threads", .workers = 1};
    VdContext *ctx = vd_context_new(&params, NULL);

    g_assert_nonnull(ctx);
    return ctx;
}

bool
fuzz_look_at(const char *name, const char *format)
{
    g_autofree char *path = fuzz_look_path(name);
    g_autoptr(VdContext) ctx = fuzz_look_context();

    return fuzz_look_in(ctx, path, format);
}

static bool
write_ends(VdDisk *disk)
{
    uint8_t sector[512] = {1, 2, 3};
    uint64_t size = vd_disk_size(disk);

    return size < sizeof(sector) ||
           (vd_disk_pwrite(disk, sector, sizeof(sector), 0, 0, NULL) &&
            vd_disk_pwrite(disk, sector, sizeof(sector), size - sizeof(sector),
                           0, NULL));
}

void
fuzz_look_change(const char *name, const char *format)
{
    g_autofree char *path = fuzz_look_path(name);
    g_autoptr(VdContext) ctx = fuzz_look_context();
    g_autoptr(GError) error = NULL;
    VdDisk *disk = vd_disk_open(ctx, path, format, NULL,
                                VD_OPEN_RDWR | VD_OPEN_NO_FLUSH, &error);
    bool ok;

    if (!disk) {
        g_assert_nonnull(error);
        return;
    }
    ok = write_ends(disk);
    ok = vd_disk_close(disk, NULL) && ok;
    g_assert_true(!ok || fuzz_look_in(ctx, path, format));
}

void
fuzz_look_mend(const char *name, const char *format)
{
    g_autofree char *path = fuzz_look_path(name);
    g_autoptr(VdContext) ctx = fuzz_look_context();
    VdCheckParams params = {.repair = VD_REPAIR_ALL};
    VdCheckResult result = {.max_findings = 4};
    VdDisk *disk = vd_disk_open(ctx, path, format, NULL,
                                VD_OPEN_RDWR | VD_OPEN_NO_FLUSH, NULL);
    uint64_t size;
    bool ok;

    if (!disk)
        return;
    (void) vd_disk_check(disk, &params, &result, NULL);
    vd_check_result_clear(&result);
    size = vd_disk_size(disk) / 512 * 512;
    ok = size < GROW_BELOW &&
         vd_disk_resize(disk, size + GROW_BYTES, NULL, NULL);
    g_assert_true(!ok || vd_disk_size(disk) == size + GROW_BYTES);
    ok = vd_disk_close(disk, NULL) && ok;
    g_assert_true(!ok || fuzz_look_in(ctx, path, format));
}
