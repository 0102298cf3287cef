/* SPDX-License-Identifier: BSD-3-Clause */
/* tools/img/map/cmd-map.c - vdisk-img map: which bytes are stored where.
 *
 * Entries are printed as they come, so that memory does not grow with the
 * image; neighbours of one kind become one line.
 *
 * Concurrency: main thread only.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "tools/img/commands.h"
#include "tools/img/map/picture.h"
#include "tools/images.h"
#include "tools/json.h"
#include "tools/output.h"
#include "tools/requests.h"

/* Lines gather: a map may have millions of them. */
#define MAP_GATHER 65536

enum { OPT_DEPTH_NAMES = OPT_PRIVATE, OPT_PICTURE };

static const CmdOption map_options[] = {
    CMD_ROW_FORMAT,
    CMD_ROW_IMAGE_OPTS,
    {'s', "start-offset", "OFF", "first byte to tell about; default 0"},
    {'l', "max-length", "LEN", "how many bytes; default: to the end"},
    {OPT_DEPTH_NAMES, "depth-names", NULL,
     "with --output=json: name the file of each entry"},
    {OPT_PICTURE, "picture", "FILE.svg",
     "draw what each link of the chain holds"},
    CMD_ROW_FORCE_SHARE,
    CMD_ROWS_COMMON,
};

typedef struct {
    uint64_t start, length;
    bool json, names;
    bool part;           /* -s or -l */
    const char *picture; /* instead of the map */
    bool first;          /* nothing printed yet */
    GString *text;       /* due for stdout */
} MapJob;

static bool
entries_merge(const VdMapEntry *a, const VdMapEntry *b)
{
    if (a->flags != b->flags || a->depth != b->depth ||
        g_strcmp0(a->host_file, b->host_file))
        return false;
    return !(a->flags & VD_MAP_OFFSET) ||
           a->host_offset + a->len == b->host_offset;
}

static void
map_flush(MapJob *job)
{
    (void) fwrite(job->text->str, 1, job->text->len, stdout); /* as printf() */
    g_string_truncate(job->text, 0);
}

/* printf() takes three times as long as finding out what to print. */
static void
json_number_add(GString *text, const char *key, uint64_t value)
{
    char digits[20];
    size_t at = sizeof(digits);

    do
        digits[--at] = (char) ('0' + value % 10);
    while ((value /= 10) > 0);
    g_string_append(text, key);
    g_string_append_len(text, digits + at, (gssize) (sizeof(digits) - at));
}

static void
json_flag_add(GString *text, const char *key, const VdMapEntry *e,
              unsigned flag)
{
    g_string_append(text, key);
    g_string_append(text, e->flags & flag ? "true" : "false");
}

static void
entry_print_json(MapJob *job, const VdMapEntry *e)
{
    GString *text = job->text;

    g_string_append(text, job->first ? "" : ",\n");
    json_number_add(text, "{ \"start\": ", e->off);
    json_number_add(text, ", \"length\": ", e->len);
    json_number_add(text, ", \"depth\": ", e->depth);
    json_flag_add(text, ", \"present\": ", e, VD_MAP_PRESENT);
    json_flag_add(text, ", \"zero\": ", e, VD_MAP_ZERO);
    json_flag_add(text, ", \"data\": ", e, VD_MAP_DATA);
    if (!out_is_old())
        json_flag_add(text, ", \"compressed\": ", e, VD_MAP_COMPRESSED);
    if (e->flags & VD_MAP_OFFSET)
        json_number_add(text, ", \"offset\": ", e->host_offset);
    if (job->names && e->host_file) {
        g_autofree char *valid = g_utf8_make_valid(e->host_file, -1);
        g_autofree char *quoted = json_quote(valid);

        g_string_append(text, ", \"filename\": ");
        g_string_append(text, quoted);
    }
    g_string_append_c(text, '}');
    job->first = false;
    if (text->len >= MAP_GATHER)
        map_flush(job);
}

static bool
entry_print_human(const VdMapEntry *e)
{
    if (!(e->flags & VD_MAP_DATA))
        return true;
    if (!(e->flags & VD_MAP_OFFSET)) {
        out_error("File contains external, encrypted or compressed clusters.");
        out_hint("Use --output=json to see all of them.");
        return false;
    }
    if (!(e->flags & VD_MAP_ZERO))
        printf("%#-16" PRIx64 "%#-16" PRIx64 "%#-16" PRIx64 "%s\n", e->off,
               e->len, e->host_offset, e->host_file ? e->host_file : "");
    return true;
}

static bool
entry_print(MapJob *job, const VdMapEntry *e)
{
    if (job->json)
        entry_print_json(job, e);
    else if (e->len > 0)
        return entry_print_human(e);
    return true;
}

static bool
map_walk(MapJob *job, VdDisk *disk, const char *name)
{
    uint64_t size = vd_disk_size(disk);
    uint64_t off = MIN(job->start, size);
    uint64_t end = off + MIN(job->length, size - off);
    /* Of nothing there is one entry, as qemu-img prints it. */
    VdMapEntry pending = {.off = job->start};

    while (off < end) {
        g_autoptr(GError) error = NULL;
        VdMapEntry e;
        if (!vd_disk_map(disk, off, end - off, &e, &error)) {
            out_error("Could not read the map of '%s': %s", name,
                      error->message);
            return false;
        }
        off += e.len;
        if (pending.len && entries_merge(&pending, &e)) {
            pending.len += e.len;
            continue;
        }
        if (pending.len && !entry_print(job, &pending))
            return false;
        pending = e;
    }
    return entry_print(job, &pending);
}

static bool
map_print(MapJob *job, VdDisk *disk, const char *name)
{
    bool ok;

    if (job->json)
        putchar('[');
    else
        printf("%-16s%-16s%-16s%s\n", "Offset", "Length", "Mapped to", "File");
    /* The document has begun: no second one for an error in the middle. */
    out_set_json(false);
    job->text = g_string_sized_new(MAP_GATHER + 4096);
    ok = map_walk(job, disk, name);
    map_flush(job);
    g_string_free(job->text, TRUE);
    if (ok && job->json)
        puts("]");
    return ok;
}

static int
map_draw(MapJob *job, const CommonOptions *common, const char *name)
{
    VdContext *ctx = image_context_new(common);
    ImageSpec spec = image_spec(common, name, 0);

    if (!ctx)
        return 1;
    bool ok = map_picture(ctx, &spec, job->picture, job->json);
    vd_context_free(ctx);
    return ok ? 0 : 1;
}

static int
map_run(MapJob *job, const CommonOptions *common, const char *name)
{
    VdContext *ctx = image_context_new(common);

    if (!ctx)
        return 1;
    ImageSpec spec = image_spec(common, name, 0);
    VdDisk *disk = image_open(ctx, &spec);
    bool ok = disk && map_print(job, disk, name);
    if (disk && common->stats)
        requests_add_disk(disk, name);
    image_close_quietly(disk);
    vd_context_free(ctx);
    return ok ? 0 : 1;
}

static bool
map_take(MapJob *job, int code, const char *arg)
{
    switch (code) {
    case 's':
        job->part = true;
        return opts_parse_size("start offset", arg, &job->start);
    case 'l':
        job->part = true;
        return opts_parse_size("max length", arg, &job->length);
    case OPT_PICTURE:
        job->picture = arg;
        return true;
    default:
        job->names = true;
        return true;
    }
}

static int
cmd_map_run(const Command *command, int argc, char **argv)
{
    g_autoptr(OptParser) parser = opts_begin(command, argc, argv);
    MapJob job = {.length = UINT64_MAX, .first = true};
    int code;

    while ((code = opts_next(parser)) > 0)
        if (!map_take(&job, code, opts_arg(parser)))
            return command->usage_status;
    if (code == OPTS_STOP)
        return opts_status(parser);
    if (opts_n_operands(parser) != 1)
        return opts_fail_try(parser, "Expecting one image file name");
    job.json = opts_common(parser)->json;
    if (job.picture && (job.part || job.names))
        return opts_fail(parser, "--picture shows whole disks: it excludes -s, "
                                 "-l and --depth-names");
    if (job.picture)
        return map_draw(&job, opts_common(parser), opts_operands(parser)[0]);
    return map_run(&job, opts_common(parser), opts_operands(parser)[0]);
}

const Command cmd_map = {
    .name = "map",
    .summary = "show which bytes of an image are stored where",
    .operands = "FILE",
    .example = "--output=json disk.vmdk",
    .options = map_options,
    .usage_status = 1,
    .run = cmd_map_run,
};
