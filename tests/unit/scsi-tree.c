/* SPDX-License-Identifier: BSD-3-Clause */
/* tests/unit/scsi-tree.c - a machine's /sys and /dev, as the test wants them.
 */
#include "tests/unit/scsi-tree.h"

#include <glib/gstdio.h>
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#include "tests/support/temp-dir.h"

static char *
make_above(const char *root, const char *path)
{
    char *full = g_build_filename(root, path, NULL);
    g_autofree char *dir = g_path_get_dirname(full);

    g_assert_cmpint(g_mkdir_with_parents(dir, 0755), ==, 0);
    return full;
}

void
scsi_tree_file(const char *root, const char *path, const void *bytes,
               size_t len)
{
    g_autofree char *full = make_above(root, path);
    g_autoptr(GError) error = NULL;

    g_file_set_contents(full, bytes, (gssize) len, &error);
    g_assert_no_error(error);
}

void
scsi_tree_text(const char *root, const char *path, const char *text)
{
    scsi_tree_file(root, path, text, strlen(text));
}

void
scsi_tree_link(const char *root, const char *path, const char *target)
{
    g_autofree char *full = make_above(root, path);

    g_assert_cmpint(symlink(target, full), ==, 0);
}

char *
scsi_tree_read(const char *root, const char *path)
{
    g_autofree char *full = g_build_filename(root, path, NULL);
    char *text;

    return g_file_get_contents(full, &text, NULL, NULL) ? text : NULL;
}

static void G_GNUC_PRINTF(3, 4)
    put(const char *root, const char *text, const char *format, ...)
{
    g_autofree char *path = NULL;
    va_list args;

    va_start(args, format);
    path = g_strdup_vprintf(format, args);
    va_end(args);
    scsi_tree_text(root, path, text);
}

static void
add_block(const char *root, const char *dir, const ScsiTreeDevice *device)
{
    g_autofree char *sectors =
        g_strdup_printf("%" PRIu64 "\n", device->size / 512);
    g_autofree char *node = g_strconcat("dev/", device->block, NULL);
    g_autofree char *path = g_build_filename(root, node, NULL);

    put(root, "8:16\n", "%s/block/%s/dev", dir, device->block);
    put(root, sectors, "sys/class/block/%s/size", device->block);
    scsi_tree_text(root, node, "");
    test_file_make(path, device->size);
}

/* As in a real tree the list of devices leads to where they are plugged in, if
 * that is to be seen. */
void
scsi_tree_add(const char *root, const ScsiTreeDevice *device)
{
    g_autofree char *in_bus =
        g_strconcat("sys/bus/scsi/devices/", device->address, NULL);
    g_autofree char *in_tree =
        g_strdup_printf("sys/devices/pci0000:00/0000:00:15.0/%s.0/host/%s",
                        device->pci ? device->pci : "", device->address);
    g_autofree char *target = g_strconcat("../../../../", in_tree, NULL);
    const char *dir = device->pci ? in_tree : in_bus;

    put(root, "", "%s/delete", dir);
    if (device->wwid)
        put(root, device->wwid, "%s/wwid", dir);
    if (device->pci)
        scsi_tree_link(root, in_bus, target);
    if (device->block)
        add_block(root, dir, device);
}

void
scsi_tree_remove(const char *root, const char *address)
{
    g_autofree char *path =
        g_build_filename(root, "sys/bus/scsi/devices", address, NULL);

    if (g_file_test(path, G_FILE_TEST_IS_SYMLINK))
        g_assert_cmpint(g_unlink(path), ==, 0);
    else
        test_dir_remove(g_steal_pointer(&path));
}
