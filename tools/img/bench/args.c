/* SPDX-License-Identifier: BSD-3-Clause */
/* tools/img/bench/args.c - the options of vdisk-img bench.
 *
 * Concurrency: no state.
 */
#include "tools/img/bench/args.h"

#include <string.h>

#include "tools/img/bench/compare.h"
#include "tools/output.h"

#define BENCH_MAX_THREADS 256
#define BENCH_MAX_SECONDS (7 * 24 * 3600.0)
#define BENCH_MAX_SHARE 1000000

enum {
    OPT_PATTERN = OPT_PRIVATE,
    OPT_FLUSH_INTERVAL,
    OPT_NO_DRAIN,
    OPT_RANDOM,
    OPT_MIX,
    OPT_THREADS,
    OPT_TIME,
    OPT_WARMUP,
    OPT_COMPARE,
    OPT_ROUNDS,
    OPT_REPORT,
    OPT_SIZES,
    OPT_DEPTHS,
    OPT_DISK,
};

const CmdOption bench_options[] = {
    {'c', "count", "N", "requests to send; default 75000"},
    {OPT_TIME, "time", "SEC", "instead of a count: for so long"},
    {'d', "depth", "N", "requests in parallel; default 64"},
    {'s', "buffer-size", "SIZE", "bytes of a request; default 4k"},
    {'w', "write", NULL, "write; DESTROYS what is in the image"},
    {OPT_MIX, "mix", "R:W", "reads and writes in this proportion"},
    {OPT_RANDOM, "random", "[SEED]",
     "in random order, not one after the other"},
    {OPT_THREADS, "threads", "N", "threads, each with requests of its own"},
    {OPT_DISK, "disk", "FILE", "work on this one, too; may be repeated", true},
    {'t', "cache", "CACHE", "none (direct), writeback (default) ..."},
    {OPT_COMPARE, "compare", "OTHER",
     "in turn with this image, or engine=, cache="},
    {OPT_REPORT, "report", "FILE.html", "plots over block sizes and depths"},
    {OPT_ROUNDS, "rounds", "N", "of --compare; default 5", true},
    {'F', "compare-format", "FMT", "format of OTHER; default: probed", true},
    {OPT_SIZES, "sizes", "LIST", "for --report; 4k,16k,64k,256k,1M", true},
    {OPT_DEPTHS, "depths", "LIST", "for --report; 1,8,32,128", true},
    {'S', "step-size", "SIZE", "from one request to the next; default: -s",
     true},
    {'o', "offset", "OFF", "where the first request is; default 0", true},
    {OPT_WARMUP, "warmup", "SEC", "run for so long before measuring", true},
    {OPT_PATTERN, "pattern", "BYTE", "what is written; default 0", true},
    {OPT_FLUSH_INTERVAL, "flush-interval", "N", "flush after every N requests",
     true},
    {OPT_NO_DRAIN, "no-drain", NULL, "do not wait for the others to flush",
     true},
    {'n', "native", NULL, "as -i native", true},
    {'f', "format", "FMT", "format of the image; default: probed", true},
    CMD_ROW_IMAGE_OPTS,
    {'q', "quiet", NULL, "only the lines that qemu-img prints, too", true},
    {'U', "force-share", NULL, "open although somebody writes to the image",
     true},
    CMD_ROWS_COMMON,
};

/* -- values --------------------------------------------------------------- */

static bool
take_number(const char *text, unsigned min, const char *what, unsigned *number)
{
    if (opts_parse_number(text, min, INT32_MAX, number))
        return true;
    out_error("Invalid %s specified", what);
    return false;
}

/* qemu-img's words name 0 as the least, whatever it makes of it. */
static bool
take_size(const char *text, const char *what, unsigned min, uint32_t *size)
{
    uint64_t value;

    if (!opts_parse_size(what, text, &value))
        return false;
    if (value > INT32_MAX || value < min) {
        out_error("Invalid %s specified. Must be between %d and %d.", what,
                  value < min ? (int) min : 0, INT32_MAX);
        return false;
    }
    *size = (uint32_t) value;
    return true;
}

static bool
take_seconds(const char *text, const char *what, double *seconds)
{
    char *end;
    double value = g_ascii_strtod(text, &end);

    if (g_ascii_isdigit(*text) && *end == '\0' && value > 0 &&
        value <= BENCH_MAX_SECONDS) {
        *seconds = value;
        return true;
    }
    out_error("Invalid %s specified: '%s' (seconds, up to %.0f)", what, text,
              BENCH_MAX_SECONDS);
    return false;
}

static bool
take_pattern(const char *text, uint8_t *pattern)
{
    uint64_t value;
    bool hex = g_str_has_prefix(text, "0x");
    const char *digits = text + (hex ? 2 : 0);

    if (g_ascii_isxdigit(*digits) &&
        g_ascii_string_to_unsigned(digits, hex ? 16 : 10, 0, 255, &value,
                                   NULL)) {
        *pattern = (uint8_t) value;
        return true;
    }
    out_error("Invalid pattern byte specified");
    return false;
}

static bool
take_mix(BenchJob *job, const char *text)
{
    g_auto(GStrv) parts = g_strsplit(text, ":", 3);

    job->mix = true;
    if (g_strv_length(parts) == 2 &&
        opts_parse_number(parts[0], 0, BENCH_MAX_SHARE, &job->plan.reads) &&
        opts_parse_number(parts[1], 0, BENCH_MAX_SHARE, &job->plan.writes) &&
        job->plan.reads + job->plan.writes > 0)
        return true;
    out_error("Invalid mix specified: '%s' (reads:writes, as 70:30)", text);
    return false;
}

static bool
take_seed(BenchPlan *plan, const char *text)
{
    plan->random = true;
    if (!text)
        return true;
    if (g_ascii_isdigit(*text) &&
        g_ascii_string_to_unsigned(text, 10, 0, UINT64_MAX, &plan->seed, NULL))
        return true;
    out_error("Invalid seed specified: '%s'", text);
    return false;
}

bool
bench_args_cache(BenchTarget *target, const char *text)
{
    target->cache_name = text;
    if (opts_match_cache(text, &target->cache))
        return true;
    out_error("Invalid cache mode");
    return false;
}

static bool
take_limited(const char *text, const char *what, unsigned max, unsigned *number)
{
    if (opts_parse_number(text, 1, max, number))
        return true;
    out_error("Invalid number of %s specified: '%s' (1 to %u)", what, text,
              max);
    return false;
}

static bool
take_disk(BenchJob *job, const char *name)
{
    g_ptr_array_add(job->further, (char *) name);
    if (job->further->len < BENCH_MAX_THREADS)
        return true;
    out_error("Too many disks (up to %d)", BENCH_MAX_THREADS);
    return false;
}

static bool
take_list_size(const char *text, uint32_t *value)
{
    return take_size(text, "buffer size", 1, value);
}

static bool
take_list_depth(const char *text, uint32_t *value)
{
    return take_number(text, 1, "queue depth", value);
}

/* Values in ascending order, each once, since a plot goes from left to right.
 */
static bool
take_list(const char *text, const char *what,
          bool (*take)(const char *text, uint32_t *value), BenchAxis *axis)
{
    g_auto(GStrv) words = g_strsplit(text, ",", -1);

    *axis = (BenchAxis){0};
    for (unsigned i = 0; words[i]; i++) {
        uint32_t value;
        if (!take(words[i], &value))
            return false;
        if (axis->n == BENCH_AXIS_MAX ||
            (axis->n && value <= axis->values[axis->n - 1])) {
            out_error("Invalid list of %s specified: '%s' (up to %d, in "
                      "ascending order)",
                      what, text, BENCH_AXIS_MAX);
            return false;
        }
        axis->values[axis->n++] = value;
    }
    return axis->n > 0;
}

/* -- options -------------------------------------------------------------- */

/* Those that qemu-img does not have. */
static bool
bench_take_ours(BenchJob *job, int code, const char *arg)
{
    BenchPlan *plan = &job->plan;

    switch (code) {
    case OPT_RANDOM:
        return take_seed(plan, arg);
    case OPT_MIX:
        return take_mix(job, arg);
    case OPT_THREADS:
        job->threads_given = true;
        return take_limited(arg, "threads", BENCH_MAX_THREADS, &plan->threads);
    case OPT_TIME:
        return take_seconds(arg, "time", &plan->seconds);
    case OPT_WARMUP:
        return take_seconds(arg, "warm-up", &plan->warmup);
    case OPT_COMPARE:
        job->compare = arg;
        return true;
    case 'F':
        job->compare_format = arg;
        return true;
    case 'n':
        return job->native = true;
    case OPT_ROUNDS:
        return take_limited(arg, "rounds", BENCH_MAX_ROUNDS, &job->rounds);
    case OPT_DISK:
        return take_disk(job, arg);
    case OPT_REPORT:
        job->report = arg;
        return true;
    case OPT_SIZES:
        return take_list(arg, "sizes", take_list_size, &job->grid.sizes);
    case OPT_DEPTHS:
        return take_list(arg, "depths", take_list_depth, &job->grid.depths);
    default:
        return true;
    }
}

static bool
bench_take(BenchJob *job, int code, const char *arg)
{
    BenchPlan *plan = &job->plan;

    switch (code) {
    case 'c':
        job->count_given = true;
        return take_number(arg, 0, "request count", &plan->count);
    case 'd':
        job->depth_given = true;
        job->shape_given = true;
        return take_number(arg, 1, "queue depth", &plan->depth);
    case 's':
        job->shape_given = true;
        return take_size(arg, "buffer size", 1, &plan->buf_size);
    case 'S':
        job->shape_given = true;
        return take_size(arg, "step_size", 0, &plan->step);
    case 'o':
        return opts_parse_size("offset", arg, &plan->offset);
    case 't':
        return bench_args_cache(&job->target, arg);
    case 'w':
        return job->write = true;
    case OPT_PATTERN:
        return take_pattern(arg, &plan->pattern);
    case OPT_FLUSH_INTERVAL:
        return take_number(arg, 0, "flush interval", &plan->flush_interval);
    case OPT_NO_DRAIN:
        return plan->no_drain = true;
    default:
        return bench_take_ours(job, code, arg);
    }
}

bool
bench_args_read(BenchJob *job, OptParser *parser, int *status)
{
    int code;

    while ((code = opts_next(parser)) > 0) {
        if (!bench_take(job, code, opts_arg(parser))) {
            *status = 1;
            return false;
        }
    }
    *status = code == OPTS_STOP ? opts_status(parser) : 0;
    return code == OPTS_END;
}
