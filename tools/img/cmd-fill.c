/* SPDX-License-Identifier: BSD-3-Clause */
/* tools/img/cmd-fill.c - vdisk-img fill: one byte value all over a range.
 *
 * Zeroes are not written but asked for: they may give space back.
 *
 * Concurrency: main thread only.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "tools/images.h"
#include "tools/img/commands.h"
#include "tools/img/range.h"
#include "tools/json.h"
#include "tools/output.h"
#include "tools/signals.h"

#define FILL_USAGE 2
#define FILL_DEFAULT 255
#define FILL_CHUNK ((uint64_t) 1 << 20)
#define FILL_ZERO_CHUNK ((uint64_t) 1 << 30)

static const CmdOption fill_options[] = {
    CMD_ROWS_RANGE,
    {'P', "pattern", "BYTE", "the value, 0 to 255; default 255"},
    {'t', "cache", "MODE",
     "none, writeback (default), writethrough, directsync or unsafe", true},
    CMD_ROW_FORMAT,
    CMD_ROW_IMAGE_OPTS,
    CMD_ROW_PROGRESS,
    CMD_ROW_QUIET,
    CMD_ROWS_COMMON,
};

typedef struct {
    RangeJob range; /* first: the work gets this */
    VdOpenFlags cache;
    uint8_t value;
} FillJob;

static bool
fill_step(const FillJob *fill, VdDisk *disk, uint64_t off, uint64_t len,
          const uint8_t *buf)
{
    g_autoptr(GError) error = NULL;
    bool ok = fill->value ? vd_disk_pwrite(disk, buf, len, off, 0, &error)
                          : vd_disk_write_zeroes(disk, off, len,
                                                 VD_REQ_MAY_UNMAP, &error);

    if (!ok) {
        out_failure(fill->range.file, error,
                    "error while writing at byte %" PRIu64 ": %s", off,
                    error->message);
        image_hint_space(error, fill->range.file, "the disk", fill->range.len);
    }
    return ok;
}

static bool
fill_walk(const FillJob *fill, VdDisk *disk, Progress *progress)
{
    const RangeJob *job = &fill->range;
    uint64_t most = fill->value ? FILL_CHUNK : FILL_ZERO_CHUNK, n;
    g_autofree uint8_t *buf = g_malloc(FILL_CHUNK);
    VdProgress state = {.total = job->len, .phase = "fill"};

    memset(buf, fill->value, FILL_CHUNK);
    for (; state.done < job->len; state.done += n) {
        uint64_t off = job->off + state.done;

        progress_update(&state, progress);
        /* To the next border of a chunk: whole units of any format. */
        n = MIN(job->len - state.done, most - off % most);
        if (signals_stopped() || !fill_step(fill, disk, off, n, buf))
            return false;
    }
    return true;
}

static bool
fill_flush(const FillJob *fill, VdDisk *disk)
{
    g_autoptr(GError) error = NULL;

    if (vd_disk_flush(disk, &error))
        return true;
    out_failure(fill->range.file, error, "Could not flush '%s': %s",
                fill->range.file, error->message);
    return false;
}

static void
fill_print_json(const FillJob *fill)
{
    g_auto(GVariantBuilder) object = JSON_BUILDER_INIT;

    json_add_string(&object, "filename", fill->range.file);
    json_add_uint(&object, "offset", fill->range.off);
    json_add_uint(&object, "length", fill->range.len);
    json_add_uint(&object, "pattern", fill->value);
    json_print(g_variant_builder_end(&object), JSON_AS_GIVEN);
}

static bool
fill_work(RangeJob *job, VdDisk *disk)
{
    FillJob *fill = (FillJob *) job;
    Progress *progress = progress_begin(job->common->progress, 1);
    bool ok = fill_walk(fill, disk, progress);

    progress_end(progress, ok);
    ok = ok && fill_flush(fill, disk);
    if (ok && job->common->json)
        fill_print_json(fill);
    else if (ok && !job->common->quiet)
        printf("Filled %" PRIu64 " bytes at %" PRIu64 " with 0x%02x.\n",
               job->len, job->off, fill->value);
    return ok;
}

static bool
fill_take(FillJob *fill, int code, const char *arg)
{
    unsigned value;

    if (code == 't')
        return opts_parse_cache("cache", arg, &fill->cache);
    if (code != 'P')
        return range_take(&fill->range, code, arg);
    if (g_ascii_strncasecmp(arg, "0x", 2) == 0) {
        char *end;
        guint64 hex = g_ascii_strtoull(arg + 2, &end, 16);
        value = arg[2] && !*end && hex <= UINT8_MAX ? (unsigned) hex : 256;
    } else if (!opts_parse_number(arg, 0, UINT8_MAX, &value)) {
        value = 256;
    }
    if (value > UINT8_MAX)
        out_error("Invalid pattern byte: %s (between 0 and 255)", arg);
    fill->value = (uint8_t) value;
    return value <= UINT8_MAX;
}

static int
cmd_fill_run(const Command *command, int argc, char **argv)
{
    g_autoptr(OptParser) parser = opts_begin(command, argc, argv);
    FillJob fill = {.range = {.common = opts_common(parser)},
                    .value = FILL_DEFAULT};
    int code;

    while ((code = opts_next(parser)) > 0)
        if (!fill_take(&fill, code, opts_arg(parser)))
            return command->usage_status;
    if (code == OPTS_STOP)
        return opts_status(parser);
    if (opts_n_operands(parser) != 1)
        return opts_fail_try(parser, "Expecting one image file name");
    if (!fill.range.has_len)
        return opts_fail_try(parser, "Expecting --length");
    fill.range.file = opts_operands(parser)[0];
    return range_run(&fill.range, VD_OPEN_RDWR | VD_OPEN_UNMAP | fill.cache,
                     fill_work);
}

const Command cmd_fill = {
    .name = "fill",
    .summary = "write one byte value all over a range",
    .operands = "--length=LEN FILE",
    .example = "-P 0 --offset 1M --length 512k disk.vmdk",
    .options = fill_options,
    .usage_status = FILL_USAGE,
    .run = cmd_fill_run,
};
