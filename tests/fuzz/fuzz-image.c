/* SPDX-License-Identifier: BSD-3-Clause */
/* tests/fuzz/fuzz-image.c - any bytes as an image, through the whole stack:
 * opened, described, mapped, read in places, checked.
 *
 * Extents must stay in a directory of ours, which is empty but for the image.
 */
#include "include/vdisk.h"
#include "tests/fuzz/fuzz.h"

#include <glib/gstdio.h>
#include <stdlib.h>

#define MAX_RUNS 256
#define READ_BYTES 4096

static char *image_path;

static void
remove_image(void)
{
    g_autofree char *dir = g_path_get_dirname(image_path);

    g_unlink(image_path);
    g_rmdir(dir);
}

static void
make_place(void)
{
    g_autofree char *dir = g_dir_make_tmp("vdisk-fuzz-XXXXXX", NULL);

    g_assert_nonnull(dir);
    image_path = g_build_filename(dir, "image.vmdk", NULL);
    atexit(remove_image);
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

static void
look_at(VdContext *ctx)
{
    VdCheckResult result = {.max_findings = 4};
    g_autoptr(GError) error = NULL;
    VdDisk *disk =
        vd_disk_open(ctx, image_path, "vmdk", NULL, VD_OPEN_CHECK, &error);

    if (!disk) {
        g_assert_nonnull(error);
        return;
    }
    vd_info_free(vd_disk_get_info(disk, NULL));
    walk(disk);
    read_at(disk, vd_disk_size(disk) / 2 / 512 * 512);
    (void) vd_disk_check(disk, NULL, &result, NULL);
    vd_check_result_clear(&result);
    (void) vd_disk_close(disk, NULL);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    VdContextParams params = {.engine = "threads", .workers = 1};
    g_autoptr(VdContext) ctx = NULL;

    if (!image_path)
        make_place();
    if (!g_file_set_contents(image_path, (const char *) data, (gssize) size,
                             NULL))
        return 0;
    ctx = vd_context_new(&params, NULL);
    g_assert_nonnull(ctx);
    look_at(ctx);
    return 0;
}
