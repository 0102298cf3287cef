/* SPDX-License-Identifier: BSD-3-Clause */
/* tests/fuzz/fuzz-vmfs.c - any bytes at any places of a device, as a VMFS
 * volume: listed, what the list has looked at, and what is a flat extent
 * written to.
 *
 * The input is a row of pieces: place in units of 16 bytes (32 bits, little
 * endian), length (16 bits), bytes.  What no piece is in reads as zeroes, so
 * that a whole volume takes a few KiB (make-vmfs.py).
 */
#include "include/vdisk.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/look.h"

#include <fcntl.h>
#include <unistd.h>

#include "io/bytes.h"
#include "io/fd.h"

#define NAME "device"
#define DEVICE_BYTES (UINT64_C(0x1100000) + (UINT64_C(256) << 20))
#define PIECE_HEAD 6
#define PLACE_UNIT 16
#define MAX_FILES 16
#define MAX_ZEROES (UINT64_C(8) << 20)

static void
write_device(const char *path, const uint8_t *data, size_t size)
{
    VIO_AUTO_FD fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

    g_assert_cmpint(fd, >=, 0);
    g_assert_cmpint(ftruncate(fd, (off_t) DEVICE_BYTES), ==, 0);
    while (size > PIECE_HEAD) {
        uint64_t at = (uint64_t) vio_get_le32(data) * PLACE_UNIT;
        size_t n = MIN(vio_get_le16(data + 4), size - PIECE_HEAD);

        if (at + n <= DEVICE_BYTES)
            g_assert_cmpint(pwrite(fd, data + PIECE_HEAD, n, (off_t) at), ==,
                            (ssize_t) n);
        data += PIECE_HEAD + n;
        size -= PIECE_HEAD + n;
    }
}

/* Names may hold anything; what a name of a node cannot say is not looked at.
 */
static void
look_at_file(VdContext *ctx, const char *device, const VdFileEntry *entry)
{
    g_autofree char *name = g_strdup_printf("%s:/%s", device, entry->name);

    if (entry->kind == VD_FILE_REGULAR || entry->kind == VD_FILE_SYMLINK)
        (void) fuzz_look_in(ctx, name, "vmfs");
}

/* At its beginning: whatever that is, it ends in success or with a reason. */
static void
write_to_file(VdContext *ctx, const char *device, const VdFileEntry *entry)
{
    static const uint8_t sector[512] = "written";
    g_autofree char *name =
        g_strdup_printf("%s#write=in-place:/%s", device, entry->name);
    g_autoptr(GError) error = NULL;
    VdDisk *disk;
    bool ok;

    if (!g_str_has_suffix(entry->name, "-flat.vmdk"))
        return;
    disk = vd_disk_open(ctx, name, "raw", NULL, VD_OPEN_RDWR, &error);
    g_assert_true(disk || error);
    if (!disk)
        return;
    ok = vd_disk_size(disk) < sizeof(sector) ||
         (vd_disk_pwrite(disk, sector, sizeof(sector), 0, 0, &error) &&
          vd_disk_write_zeroes(disk, 0, MIN(vd_disk_size(disk), MAX_ZEROES), 0,
                               &error));
    g_assert_true(ok || error);
    (void) vd_disk_close(disk, NULL);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    g_autofree char *path = fuzz_look_path(NAME);
    g_autofree char *device = g_strconcat("vmfs:", path, NULL);
    g_autoptr(VdContext) ctx = fuzz_look_context();
    g_autoptr(GPtrArray) entries = NULL;
    g_autoptr(GError) error = NULL;

    write_device(path, data, size);
    entries = vd_list_directory(ctx, device, VD_LIST_RECURSIVE, &error);
    g_assert_true(entries || error);
    for (guint i = 0; entries && i < MIN(entries->len, MAX_FILES); i++) {
        look_at_file(ctx, device, g_ptr_array_index(entries, i));
        write_to_file(ctx, device, g_ptr_array_index(entries, i));
    }
    return 0;
}
