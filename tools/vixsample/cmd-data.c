/* SPDX-License-Identifier: BSD-3-Clause */
/* tools/vixsample/cmd-data.c - sectors by hand: dump and fill.
 *
 * Concurrency: main thread only.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tools/vixsample/commands.h"
#include "tools/vixsample/interrupt.h"

#define LINE_BYTES 16
#define FILL_SECTORS 2048 /* a call */
#define DEFAULT_FILL 255

static void
line_print(uint64_t address, const uint8 *bytes)
{
    printf("%08" PRIx64 " :", address);
    for (unsigned i = 0; i < LINE_BYTES; i++)
        printf(" %02x", bytes[i]);
    printf("  ");
    for (unsigned i = 0; i < LINE_BYTES; i++)
        putchar(g_ascii_isprint((char) bytes[i]) ? bytes[i] : '.');
    putchar('\n');
}

/* What one call reads: a sector as the guest knows it. */
static bool
dump_step(VixDiskLibHandle disk, uint64_t *step)
{
    VixDiskLibInfo *info = session_info(disk);

    if (!info)
        return false;
    *step = MAX(1, info->logicalSectorSize / VIXDISKLIB_SECTOR_SIZE);
    VIX(VixDiskLib_FreeInfo)(info);
    return true;
}

static bool
sectors_dump(VixDiskLibHandle disk, uint64_t sector, uint64_t count,
             uint8 *buffer)
{
    if (!CALL(VixDiskLib_Read, disk, sector, count, buffer))
        return false;
    for (uint64_t i = 0; i < count * VIXDISKLIB_SECTOR_SIZE; i += LINE_BYTES)
        line_print(sector * VIXDISKLIB_SECTOR_SIZE + i, buffer + i);
    return !ferror(stdout);
}

bool
cmd_dump_range(VixDiskLibHandle disk, uint64_t start, uint64_t count)
{
    uint64_t step;

    if (!dump_step(disk, &step))
        return false;
    uint8 *buffer = session_buffer(step);
    bool ok = buffer != NULL;
    interrupt_begin();
    for (uint64_t done = 0; ok && done < count; done += step)
        ok = !interrupt_pending() &&
             sectors_dump(disk, start + done, MIN(step, count - done), buffer);
    interrupt_end();
    free(buffer);
    return ok;
}

bool
cmd_dump(Session *session, const Options *opts)
{
    VixDiskLibHandle disk =
        session_open_disk(session, opts, VIXDISKLIB_FLAG_OPEN_READ_ONLY);

    return disk &&
           cmd_dump_range(disk, opts->start, session_count_or_one(opts)) &&
           session_close(session, disk);
}

static bool
range_fill(VixDiskLibHandle disk, const Options *opts, const uint8 *buffer)
{
    uint64_t count = session_count_or_one(opts);
    bool ok = true;

    for (uint64_t done = 0; ok && done < count; done += FILL_SECTORS)
        ok = !interrupt_pending() &&
             CALL(VixDiskLib_Write, disk, opts->start + done,
                  MIN(FILL_SECTORS, count - done), buffer);
    return ok;
}

bool
cmd_fill(Session *session, const Options *opts)
{
    uint8 *buffer = session_buffer(FILL_SECTORS);
    VixDiskLibHandle disk = NULL;

    if (buffer)
        disk = session_open_disk(session, opts, 0);
    bool ok = disk != NULL;
    if (ok) {
        int byte =
            opts->value == OPTION_NONE ? DEFAULT_FILL : (int) opts->value;
        memset(buffer, byte, FILL_SECTORS * VIXDISKLIB_SECTOR_SIZE);
        interrupt_begin();
        ok = range_fill(disk, opts, buffer);
        interrupt_end();
    }
    free(buffer);
    return ok && session_close(session, disk);
}
