/* SPDX-License-Identifier: BSD-3-Clause */
/* tools/img/cmd-dump.c - vdisk-img dump: the bytes of a range in hex.
 *
 * Lines that repeat are told by "*".  What the map says is zero is not read,
 * so holes of any size take no time.
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

#define DUMP_USAGE 2
#define DUMP_DEFAULT 512
#define DUMP_LINE 16
#define DUMP_CHUNK ((size_t) 64 << 10)

static const CmdOption dump_options[] = {
    CMD_ROWS_RANGE,      CMD_ROW_FORMAT,  CMD_ROW_IMAGE_OPTS,
    CMD_ROW_FORCE_SHARE, CMD_ROWS_COMMON,
};

typedef struct {
    uint8_t last[DUMP_LINE]; /* the line printed before */
    bool any;                /* there is one */
    bool starred;            /* and "*" stands behind it */
    GVariantBuilder *ranges; /* JSON; NULL = human */
} Dump;

/* -- human ----------------------------------------------------------------- */

static void
line_print(uint64_t off, const uint8_t *line, size_t len)
{
    printf("%08" PRIx64 " ", off);
    for (size_t i = 0; i < DUMP_LINE; i++) {
        if (i % 8 == 0)
            putchar(' ');
        if (i < len)
            printf("%02x ", line[i]);
        else
            printf("   ");
    }
    printf(" |");
    for (size_t i = 0; i < len; i++)
        putchar(g_ascii_isprint(line[i]) ? line[i] : '.');
    puts("|");
}

static void
line_take(Dump *dump, uint64_t off, const uint8_t *line, size_t len)
{
    if (dump->any && len == DUMP_LINE && !memcmp(line, dump->last, len)) {
        if (!dump->starred)
            puts("*");
        dump->starred = true;
        return;
    }
    line_print(off, line, len);
    dump->any = len == DUMP_LINE;
    dump->starred = false;
    memcpy(dump->last, line, len);
}

/* -- JSON ------------------------------------------------------------------ */

static void
range_add(Dump *dump, uint64_t off, uint64_t len, const uint8_t *bytes)
{
    g_auto(GVariantBuilder) object = JSON_BUILDER_INIT;
    GString *hex = bytes ? g_string_sized_new(2 * len) : NULL;

    json_add_uint(&object, "offset", off);
    json_add_uint(&object, "length", len);
    json_add_bool(&object, "zero", !bytes);
    for (uint64_t i = 0; bytes && i < len; i++)
        g_string_append_printf(hex, "%02x", bytes[i]);
    if (hex)
        json_add_string(&object, "hex", hex->str);
    if (hex)
        g_string_free(hex, TRUE);
    g_variant_builder_add_value(dump->ranges, g_variant_builder_end(&object));
}

/* -- walking --------------------------------------------------------------- */

static void
bytes_take(Dump *dump, uint64_t off, const uint8_t *bytes, size_t len)
{
    if (dump->ranges) {
        range_add(dump, off, len, bytes);
        return;
    }
    for (size_t i = 0; i < len; i += DUMP_LINE)
        line_take(dump, off + i, bytes + i, MIN(len - i, DUMP_LINE));
}

/* Two lines of it say all there is to say. */
static void
zeroes_take(Dump *dump, uint64_t off, uint64_t len)
{
    static const uint8_t zeroes[DUMP_LINE];

    if (dump->ranges) {
        range_add(dump, off, len, NULL);
        return;
    }
    for (uint64_t i = 0; i < len && i < 2 * DUMP_LINE; i += DUMP_LINE)
        line_take(dump, off + i, zeroes, MIN(len - i, DUMP_LINE));
    if (len > 2 * DUMP_LINE && len % DUMP_LINE)
        line_take(dump, off + len / DUMP_LINE * DUMP_LINE, zeroes,
                  len % DUMP_LINE);
}

static bool
dump_fail(const RangeJob *job, uint64_t off, const GError *error)
{
    out_failure(job->file, error, "error while reading at byte %" PRIu64 ": %s",
                off, error->message);
    return false;
}

/* The next stretch of whole lines; what begins as zeroes and is no line long is
 * read like data.  0 after a message. */
static uint64_t
dump_step(const RangeJob *job, VdDisk *disk, Dump *dump, uint64_t off,
          uint8_t *buf)
{
    g_autoptr(GError) error = NULL;
    uint64_t left = job->off + job->len - off, whole;
    VdMapEntry entry;

    if (!vd_disk_map(disk, off, left, &entry, &error))
        return dump_fail(job, off, error);
    whole = entry.len == left ? left : entry.len / DUMP_LINE * DUMP_LINE;
    if ((entry.flags & VD_MAP_ZERO) && whole) {
        zeroes_take(dump, off, whole);
        return whole;
    }
    whole = MIN(MAX(whole, DUMP_LINE), MIN(left, DUMP_CHUNK));
    if (!vd_disk_pread(disk, buf, whole, off, &error))
        return dump_fail(job, off, error);
    bytes_take(dump, off, buf, whole);
    return whole;
}

static bool
dump_walk(const RangeJob *job, VdDisk *disk, Dump *dump)
{
    g_autofree uint8_t *buf = g_malloc(DUMP_CHUNK);
    uint64_t end = job->off + job->len, step;

    for (uint64_t off = job->off; off < end; off += step) {
        step = ferror(stdout) ? 0 : dump_step(job, disk, dump, off, buf);
        if (!step)
            return false;
    }
    return true;
}

static void
dump_print_json(const RangeJob *job, GVariant *ranges)
{
    g_auto(GVariantBuilder) object = JSON_BUILDER_INIT;

    json_add_string(&object, "filename", job->file);
    json_add_uint(&object, "offset", job->off);
    json_add_uint(&object, "length", job->len);
    json_add(&object, "ranges", ranges);
    json_print(g_variant_builder_end(&object), JSON_AS_GIVEN);
}

static bool
dump_work(RangeJob *job, VdDisk *disk)
{
    g_auto(GVariantBuilder) list =
        G_VARIANT_BUILDER_INIT(G_VARIANT_TYPE("aa{sv}"));
    Dump dump = {.ranges = job->common->json ? &list : NULL};
    bool ok = dump_walk(job, disk, &dump);

    if (ok && job->common->json)
        dump_print_json(job, g_variant_builder_end(&list));
    else if (ok)
        printf("%08" PRIx64 "\n", job->off + job->len);
    return ok;
}

/* A sector, or what is left of a disk that has less. */
static bool
dump_settle(RangeJob *job, VdDisk *disk)
{
    if (!job->has_len)
        job->len = MIN(DUMP_DEFAULT, vd_disk_size(disk) - job->off);
    return dump_work(job, disk);
}

static int
cmd_dump_run(const Command *command, int argc, char **argv)
{
    g_autoptr(OptParser) parser = opts_begin(command, argc, argv);
    RangeJob job = {.common = opts_common(parser)};
    int code;

    while ((code = opts_next(parser)) > 0)
        if (!range_take(&job, code, opts_arg(parser)))
            return command->usage_status;
    if (code == OPTS_STOP)
        return opts_status(parser);
    if (opts_n_operands(parser) != 1)
        return opts_fail_try(parser, "Expecting one image file name");
    job.file = opts_operands(parser)[0];
    return range_run(&job, 0, dump_settle);
}

const Command cmd_dump = {
    .name = "dump",
    .summary = "print the bytes of a range in hex; 512 if no length is given",
    .operands = "FILE",
    .example = "--offset 1M --length 4k disk.vmdk",
    .options = dump_options,
    .usage_status = DUMP_USAGE,
    .run = cmd_dump_run,
};
