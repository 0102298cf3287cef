/* SPDX-License-Identifier: BSD-3-Clause */
/* tools/io/map.c - alloc, map, length, info: what is known about a disk.
 *
 * Allocated is what the image itself determines, not its parents.
 *
 * Concurrency: main thread only.
 */
#include <inttypes.h>
#include <stdio.h>

#include "tools/human.h"
#include "tools/io/args.h"
#include "tools/io/report.h"
#include "tools/output.h"

typedef struct {
    uint64_t off, len;
    bool allocated;
} MapRun;

/* The stretch of one kind that begins at @off and ends before @end. */
static bool
run_find(VdDisk *disk, uint64_t off, uint64_t end, MapRun *run, GError **error)
{
    *run = (MapRun){.off = off};
    while (off < end) {
        VdMapEntry entry;
        if (!vd_disk_map(disk, off, end - off, &entry, error))
            return false;
        bool allocated = entry.depth == 0 && (entry.flags & VD_MAP_PRESENT);
        if (run->len && run->allocated != allocated)
            return true;
        run->allocated = allocated;
        run->len += entry.len;
        off += entry.len;
    }
    return true;
}

static bool
map_failed(const GError *error)
{
    printf("Failed to get allocation status: %s\n", report_reason(error));
    report_detail(error);
    return false;
}

static void
run_print(const MapRun *run)
{
    g_autofree char *len = report_amount((double) run->len);
    g_autofree char *off = report_amount((double) run->off);

    printf("%s (0x%" PRIx64 ") bytes %s allocated at offset %s (0x%" PRIx64
           ")\n",
           len, run->len, run->allocated ? "   " : "not", off, run->off);
}

static bool
io_map_run(Shell *shell, const ShellCommand *self, int argc, char **argv)
{
    uint64_t size = vd_disk_size(shell->disk);
    g_autoptr(GError) error = NULL;
    MapRun run;

    for (uint64_t off = 0; off < size; off += run.len) {
        if (!run_find(shell->disk, off, size, &run, &error))
            return map_failed(error);
        run_print(&run);
    }
    return true;
}

static bool
io_alloc_run(Shell *shell, const ShellCommand *self, int argc, char **argv)
{
    uint64_t size = vd_disk_size(shell->disk);
    uint64_t start, len = SHELL_SECTOR, allocated = 0;
    g_autoptr(GError) error = NULL;
    MapRun run;

    if (!args_size(argv[1], &start) || (argc == 3 && !args_size(argv[2], &len)))
        return false;
    len = start < size ? MIN(len, size - start) : 0;
    for (uint64_t done = 0; done < len; done += run.len) {
        if (!run_find(shell->disk, start + done, start + len, &run, &error))
            return map_failed(error);
        allocated += run.allocated ? run.len : 0;
    }
    g_autofree char *where = report_amount((double) start);
    printf("%" PRIu64 "/%" PRIu64 " bytes allocated at offset %s\n", allocated,
           len, where);
    return true;
}

static bool
io_length_run(Shell *shell, const ShellCommand *self, int argc, char **argv)
{
    g_autofree char *text = report_amount((double) vd_disk_size(shell->disk));

    puts(text);
    return true;
}

static bool
io_info_run(Shell *shell, const ShellCommand *self, int argc, char **argv)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(VdInfo) info = vd_disk_get_info(shell->disk, &error);

    if (!info) {
        out_error("%s", error->message);
        return false;
    }
    g_autofree char *cluster = report_amount((double) info->cluster_size);
    printf("format name: %s\ncluster size: %s\nvm state offset: 0 bytes\n",
           info->format, cluster);
    if (info->specific) {
        g_autoptr(GString) text =
            g_string_new("Format specific information:\n");
        human_append_dict(text, info->specific, 4);
        fputs(text->str, stdout);
    }
    return true;
}

const ShellCommand io_map = {
    .name = "map",
    .args = "",
    .summary = "prints the allocated areas of a file",
    .needs = NEEDS_DISK,
    .run = io_map_run,
};

const ShellCommand io_alloc = {
    .name = "alloc",
    .brief = "a",
    .args = "offset [count]",
    .summary = "checks if offset is allocated in the file",
    .min_args = 1,
    .max_args = 2,
    .needs = NEEDS_DISK,
    .run = io_alloc_run,
};

const ShellCommand io_length = {
    .name = "length",
    .brief = "l",
    .summary = "gets the length of the current file",
    .needs = NEEDS_DISK,
    .run = io_length_run,
};

const ShellCommand io_info = {
    .name = "info",
    .brief = "i",
    .summary = "prints information about the current file",
    .needs = NEEDS_DISK,
    .run = io_info_run,
};
