/* SPDX-License-Identifier: BSD-3-Clause */
/* tools/img/cmd-convert.c - vdisk-img convert, the command line.
 *
 * Concurrency: main thread only.
 */
#include <inttypes.h>
#include <string.h>

#include "tools/img/commands.h"
#include "tools/img/convert.h"
#include "tools/formats.h"
#include "tools/output.h"

#define SPARSE_DEFAULT 4096
#define SPARSE_MAX ((uint64_t) 16 << 20)
#define SECTOR_BYTES 512
#define DEPTH_MAX 256

enum {
    OPT_TARGET_IMAGE_OPTS = OPT_PRIVATE,
    OPT_TARGET_IS_ZERO,
    OPT_SALVAGE,
    OPT_ATOMIC,
    OPT_NO_CLOBBER,
    OPT_FORCE,
    OPT_COMPRESS_LEVEL,
    OPT_KEEP_METADATA,
    OPT_BITMAPS,
    OPT_SKIP_BITMAPS,
    OPT_REQUIRE_SPACE,
    OPT_VERIFY,
    OPT_RESUME,
    OPT_ZERO_GRAINS,
    OPT_NO_OFFLOAD,
};

static const CmdOption convert_options[] = {
    CMD_ROW_FORMAT,
    CMD_ROW_IMAGE_OPTS,
    {'O', "target-format", "FMT", "format of the target; default raw"},
    {'O', "output-format", "FMT", "the same", true},
    {OPT_TARGET_IMAGE_OPTS, "target-image-opts", NULL,
     "the target is given as options, as with --image-opts", true},
    {'o', "options", "OPTS",
     "KEY=VALUE,... of the target; \"help\" lists them"},
    {'B', "backing", "FILE", "the parent of the target"},
    {'b', NULL, "FILE", "the same", true},
    {'F', "backing-format", "FMT", "format of the target's parent", true},
    {'n', "no-create", NULL, "write into a target that exists"},
    {OPT_TARGET_IS_ZERO, "target-is-zero", NULL,
     "with -n: the target reads as zeroes", true},
    {'c', "compress", NULL, "compress the target"},
    {OPT_COMPRESS_LEVEL, "compress-level", "LEVEL",
     "1 to 9, fast (1, default), qemu (6), best (9) or max", true},
    {'C', "copy-range-offloading", NULL,
     "do not even read what the file system can share or copy", true},
    {OPT_NO_OFFLOAD, "no-offload", NULL,
     "write all data; default: share blocks of what was read where possible",
     true},
    {'S', "sparse-size", "SIZE",
     "zeroes of at least this are left out; default 4k; 0 writes everything",
     true},
    {OPT_ZERO_GRAINS, "dedup-zero-grains", "[on|off]",
     "on: whole grains of zeroes are not stored even with -S 0; off: those that "
     "the source stores are; default: on without -S 0",
     true},
    {'t', "cache", "CACHE",
     "of the target: none, writeback, writethrough, directsync, unsafe", true},
    {'T', "source-cache", "CACHE", "of the sources; default writeback", true},
    {'m', "parallel", "N", "requests in flight, up to 256; default 0 = chosen",
     true},
    {'W', "oob", NULL, "write out of order (done anyway where possible)", true},
    {'r', "rate-limit", "RATE", "bytes a second, at most", true},
    {OPT_SALVAGE, "salvage", NULL, "unreadable areas become zeroes", true},
    CMD_ROW_SYNC,
    {OPT_ATOMIC, "atomic", NULL,
     "do not overwrite an existing target that cannot be replaced", true},
    {OPT_NO_CLOBBER, "no-clobber", NULL, "refuse to replace an existing target",
     true},
    {OPT_FORCE, "force", NULL, "overwrite block devices that are not empty",
     true},
    {OPT_KEEP_METADATA, "keep-metadata", "[on|off]",
     "take over the source's metadata; default: if both are of one format and "
     "there is one source without -n and -B",
     true},
    {OPT_REQUIRE_SPACE, "require-space", NULL,
     "fail at once if the target may not fit; default: warn", true},
    {'l', "snapshot", "SNAPSHOT", "internal snapshot of the source", true},
    {OPT_VERIFY, "verify", NULL,
     "read the target back and compare it with what was read", true},
    {OPT_RESUME, "resume", "FILE",
     "with -n: note in FILE how far it is, and go on there if it exists", true},
    {OPT_BITMAPS, "bitmaps", NULL, "copy persistent bitmaps, too", true},
    {OPT_SKIP_BITMAPS, "skip-broken-bitmaps", NULL,
     "with --bitmaps: leave out those that are broken", true},
    CMD_ROW_PROGRESS,
    CMD_ROW_QUIET,
    CMD_ROW_FORCE_SHARE,
    CMD_ROWS_COMMON,
};

/* -- one option ----------------------------------------------------------- */

static bool
take_sparse(ConvertWords *w, const char *arg)
{
    uint64_t size;

    w->sparse_given = true;
    if (!opts_parse_size("buffer size for sparse output", arg, &size))
        return false;
    w->job.copy.sparse_size = size;
    if (size % SECTOR_BYTES == 0 && size <= SPARSE_MAX)
        return true;
    out_error("Invalid buffer size for sparse output specified. Valid sizes "
              "are multiples of %d up to %" PRIu64 ". Select 0 to disable "
              "sparse detection (fully allocates output).",
              SECTOR_BYTES, SPARSE_MAX);
    return false;
}

static bool
take_depth(ConvertWords *w, const char *arg)
{
    if (opts_parse_number(arg, 0, DEPTH_MAX, &w->job.copy.depth))
        return true;
    out_error("Invalid number of coroutines. Allowed number of coroutines is "
              "between 1 and %d, or 0",
              DEPTH_MAX);
    return false;
}

static bool
take_level(ConvertWords *w, const char *arg)
{
    static const struct {
        const char *word, *level;
    } words[] = {{"fast", "1"}, {"qemu", "6"}, {"best", "9"}, {"max", "12"}};
    unsigned level;

    for (size_t i = 0; i < G_N_ELEMENTS(words); i++) {
        if (!strcmp(words[i].word, arg)) {
            optlist_set(w->job.list, "compress_level", words[i].level);
            return true;
        }
    }
    if (opts_parse_number(arg, 1, 9, &level)) {
        optlist_set(w->job.list, "compress_level", arg);
        return true;
    }
    out_error("Invalid compression level: %s", arg);
    return false;
}

static bool
take_sync(ConvertWords *w, const char *arg)
{
    w->sync_given = true;
    return opts_parse_sync(arg, &w->job.no_sync);
}

/* Bare, it means on. */
static bool
take_keep(ConvertWords *w, const char *arg)
{
    w->keep_given = true;
    w->keep = !arg || !strcmp(arg, "on");
    if (w->keep || !strcmp(arg, "off"))
        return true;
    out_error("Invalid value for --keep-metadata: %s", arg);
    return false;
}

static bool
take_zero_grains(ConvertWords *w, const char *arg)
{
    bool on = !arg || !strcmp(arg, "on");

    w->job.copy.zero_units = on ? VD_ZERO_UNITS_SKIP : VD_ZERO_UNITS_STORE;
    if (on || !strcmp(arg, "off"))
        return true;
    out_error("Invalid value for --dedup-zero-grains: %s", arg);
    return false;
}

static bool
take_cache(ConvertWords *w, const char *arg)
{
    w->cache = arg;
    return opts_parse_cache("cache", arg, &w->job.target_cache);
}

static bool
take_list(ConvertWords *w, const char *arg)
{
    w->options_given = true;
    return opts_parse_list(w->job.list, arg);
}

static bool
take_with_value(ConvertWords *w, int code, const char *arg)
{
    switch (code) {
    case 'O':
        w->job.target_format = arg;
        return true;
    case 'o':
        return take_list(w, arg);
    case 'B':
    case 'b':
        g_free(w->job.backing);
        w->job.backing = g_strdup(arg);
        return true;
    case 'F':
        g_free(w->job.backing_format);
        w->job.backing_format = g_strdup(arg);
        return true;
    case 'S':
        return take_sparse(w, arg);
    case 't':
        return take_cache(w, arg);
    case 'T':
        return opts_parse_cache("source cache", arg, &w->job.source_cache);
    case 'm':
        return take_depth(w, arg);
    case 'r':
        return opts_parse_size("rate limit", arg, &w->job.copy.rate_limit);
    case 'l':
        w->job.snapshot = arg;
        return true;
    case OPT_RESUME:
        w->job.resume = arg;
        return true;
    case OPT_SYNC:
        return take_sync(w, arg);
    case OPT_COMPRESS_LEVEL:
        return take_level(w, arg);
    default:
        g_assert_not_reached();
    }
}

static bool
convert_take(ConvertWords *w, int code, const char *arg)
{
    switch (code) {
    case OPT_TARGET_IMAGE_OPTS:
        w->job.target_image_opts = true;
        return true;
    case OPT_TARGET_IS_ZERO:
        w->job.target_is_zero = true;
        return true;
    case OPT_SALVAGE:
        w->job.copy.salvage = true;
        return true;
    case OPT_NO_CLOBBER:
        w->job.no_clobber = true;
        return true;
    case OPT_FORCE:
        w->job.force = true;
        return true;
    case OPT_REQUIRE_SPACE:
        w->job.require_space = true;
        return true;
    case OPT_VERIFY:
        w->job.verify = true;
        return true;
    case OPT_BITMAPS:
        w->job.bitmaps = true;
        return true;
    case OPT_SKIP_BITMAPS:
        w->job.skip_bitmaps = true;
        return true;
    case OPT_KEEP_METADATA:
        return take_keep(w, arg);
    case OPT_ZERO_GRAINS:
        return take_zero_grains(w, arg);
    case 'n':
        w->job.no_create = true;
        return true;
    case 'c':
        w->job.copy.compress = true;
        return true;
    case 'C':
        w->job.copy.offload = VD_OFFLOAD_WHOLE;
        return true;
    case OPT_NO_OFFLOAD:
        w->no_offload = true;
        return true;
    case OPT_ATOMIC:
        w->job.atomic = true;
        return true;
    case 'W':
        return true; /* the library works like that anyway */
    default:
        return take_with_value(w, code, arg);
    }
}

/* -- all of them ---------------------------------------------------------- */

static int
convert_operands(ConvertWords *w, const OptParser *parser)
{
    ConvertJob *job = &w->job;
    int n = opts_n_operands(parser);

    if (n < 2)
        return opts_fail(parser, "Must specify image file name");
    job->sources = opts_operands(parser);
    job->n_sources = (unsigned) n - 1;
    job->target = job->sources[n - 1];
    optlist_take_unless_set(job->list, "backing_file", &job->backing);
    optlist_take_unless_set(job->list, "backing_fmt", &job->backing_format);
    return convert_words_run(w);
}

static int
convert_read(ConvertWords *w, OptParser *parser)
{
    ConvertJob *job = &w->job;
    int code;

    while ((code = opts_next(parser)) > 0)
        if (!convert_take(w, code, opts_arg(parser)))
            return 1;
    if (code == OPTS_STOP)
        return opts_status(parser);
    if (optlist_wants_help(job->list))
        return format_print_options(job->target_format ? job->target_format
                                                       : "raw",
                                    opts_n_operands(parser) > 0);
    return convert_operands(w, parser);
}

static int
cmd_convert_run(const Command *command, int argc, char **argv)
{
    g_autoptr(OptParser) parser = opts_begin(command, argc, argv);
    g_autoptr(OptList) list = optlist_new();
    ConvertWords words = {.job = {.common = opts_common(parser),
                                  .list = list,
                                  .copy = {.sparse_size = SPARSE_DEFAULT}}};
    int status = convert_read(&words, parser);

    g_free(words.job.backing);
    g_free(words.job.backing_format);
    return status;
}

const Command cmd_convert = {
    .name = "convert",
    .summary = "copy images into another format or place",
    .operands = "SOURCE... TARGET",
    .example = "-p -O vmdk -o subformat=streamOptimized a.raw a.vmdk",
    .options = convert_options,
    .usage_status = 1,
    .run = cmd_convert_run,
};
