/* SPDX-License-Identifier: BSD-3-Clause */
/* tools/img/cmd-bench.c - vdisk-img bench: how fast is an image?
 *
 * Concurrency: main thread only; bench-run.c has its own.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "tools/img/bench-compare.h"
#include "tools/img/bench-output.h"
#include "tools/img/bench-sweep.h"
#include "tools/img/commands.h"
#include "tools/json.h"
#include "tools/output.h"
#include "tools/signals.h"

#define BENCH_COUNT 75000
#define BENCH_DEPTH 64
#define BENCH_BUF_SIZE 4096
#define BENCH_MAX_THREADS 256
#define BENCH_MAX_SECONDS (7 * 24 * 3600.0)
#define BENCH_MAX_SHARE 1000000
#define BENCH_ROUNDS 5

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
};

static const CmdOption bench_options[] = {
    {'c', "count", "N", "requests to send; default 75000"},
    {OPT_TIME, "time", "SEC", "instead of a count: for so long"},
    {'d', "depth", "N", "requests in parallel; default 64"},
    {'s', "buffer-size", "SIZE", "bytes of a request; default 4k"},
    {'w', "write", NULL, "write; DESTROYS what is in the image"},
    {OPT_MIX, "mix", "R:W", "reads and writes in this proportion"},
    {OPT_RANDOM, "random", "[SEED]",
     "in random order, not one after the other"},
    {OPT_THREADS, "threads", "N", "threads, each with requests of its own"},
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
    {'n', "native", NULL, "the best engine there is, which is the default",
     true},
    {'f', "format", "FMT", "format of the image; default: probed", true},
    CMD_ROW_IMAGE_OPTS,
    {'q', "quiet", NULL, "only the lines that qemu-img prints, too", true},
    {'U', "force-share", NULL, "open although somebody writes to the image",
     true},
    CMD_ROWS_COMMON,
};

typedef struct {
    BenchTarget target;
    BenchPlan plan;
    bool write, mix, count_given, depth_given, shape_given;
    const char *compare, *compare_format;
    unsigned rounds;
    const char *report;
    BenchGrid grid;
} BenchJob;

/* -- arguments ------------------------------------------------------------ */

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

static bool
take_cache(BenchTarget *target, const char *text)
{
    target->cache_name = text;
    if (opts_match_cache(text, &target->cache))
        return true;
    out_error("Invalid cache mode");
    return false;
}

static bool
take_threads(BenchPlan *plan, const char *text)
{
    if (opts_parse_number(text, 1, BENCH_MAX_THREADS, &plan->threads))
        return true;
    out_error("Invalid number of threads specified: '%s' (1 to %d)", text,
              BENCH_MAX_THREADS);
    return false;
}

static bool
take_rounds(BenchJob *job, const char *text)
{
    if (opts_parse_number(text, 1, BENCH_MAX_ROUNDS, &job->rounds))
        return true;
    out_error("Invalid number of rounds specified: '%s' (1 to %d)", text,
              BENCH_MAX_ROUNDS);
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

/* Options that qemu-img does not have. */
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
        return take_threads(plan, arg);
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
    case OPT_ROUNDS:
        return take_rounds(job, arg);
    case OPT_REPORT:
        job->report = arg;
        return true;
    case OPT_SIZES:
        return take_list(arg, "sizes", take_list_size, &job->grid.sizes);
    case OPT_DEPTHS:
        return take_list(arg, "depths", take_list_depth, &job->grid.depths);
    default: /* -n: nothing to do */
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
        return take_cache(&job->target, arg);
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

/* -- what goes together --------------------------------------------------- */

/* What was left out. */
static void
plan_complete(BenchJob *job)
{
    BenchPlan *plan = &job->plan;

    if (!job->mix) {
        plan->reads = !job->write;
        plan->writes = job->write;
    }
    if (plan->step == 0)
        plan->step = plan->buf_size;
    if (job->report && plan->seconds <= 0 && !job->count_given)
        plan->seconds = BENCH_CELL_SECONDS;
    if (plan->seconds > 0 && !job->count_given)
        plan->count = 0;
    if (plan->threads > 1 && bench_plan_writes(plan))
        plan->depth = 1;
}

static const char *
report_contradiction(const BenchJob *job)
{
    if (!job->report)
        return NULL;
    if (job->compare)
        return "--report and --compare are mutually exclusive";
    if (job->shape_given)
        return "--report excludes -s, -S and -d: use --sizes and --depths";
    if (job->plan.flush_interval)
        return "--report excludes --flush-interval";
    if (job->plan.threads > 1 && bench_plan_writes(&job->plan))
        return "--report excludes several threads that write";
    return NULL;
}

static const char *
plan_contradiction(const BenchJob *job)
{
    const BenchPlan *plan = &job->plan;

    if (job->write && job->mix)
        return "--mix and -w are mutually exclusive";
    if (plan->flush_interval && !bench_plan_writes(plan))
        return "--flush-interval is only available in write tests";
    if (plan->flush_interval && plan->flush_interval < plan->depth)
        return "Flush interval can't be smaller than depth";
    if (plan->threads > 1 && bench_plan_writes(plan) && job->depth_given)
        return "-d cannot be used with several threads that write: each has "
               "one request at a time";
    return report_contradiction(job);
}

/* -- one run -------------------------------------------------------------- */

static void
start_print(void *opaque)
{
    const BenchJob *job = opaque;

    if (!job->target.common.json)
        bench_print_plan(&job->plan, job->target.common.quiet);
}

static void
result_print_json(const BenchJob *job, const BenchResult *result)
{
    g_auto(GVariantBuilder) object = JSON_BUILDER_INIT;

    bench_json_add_target(&object, &job->target, result);
    bench_json_add_plan(&object, &job->plan);
    bench_json_add_shape(&object, &job->plan);
    bench_json_add_figures(&object, result);
    json_print(g_variant_builder_end(&object), JSON_AS_GIVEN);
}

static int
bench_once(BenchJob *job)
{
    g_autoptr(BenchResult) result =
        bench_run(&job->target, &job->plan, start_print, job);

    if (!result)
        return 1;
    if (job->target.common.json)
        result_print_json(job, result);
    else
        bench_print_result(result, job->target.common.quiet);
    bench_leave_if_abandoned(result);
    return result->interrupted ? 1 : 0;
}

/* -- two in turn ---------------------------------------------------------- */

/* "engine=X" and "cache=X", separated by commas, instead of a name. */
static bool
variant_take(BenchTarget *target, const char *word)
{
    const char *value = strchr(word, '=') + 1;

    if (g_str_has_prefix(word, "cache="))
        return take_cache(target, value);
    if (opts_match_engine(value, &target->common.engine))
        return true;
    out_error("Invalid aio option: %s", value);
    return false;
}

static bool
word_is_variant(const char *word)
{
    return g_str_has_prefix(word, "engine=") ||
           g_str_has_prefix(word, "cache=");
}

static bool
other_target(const BenchJob *job, BenchTarget *other, char **words)
{
    *other = job->target;
    for (unsigned i = 0; words[i]; i++) {
        if (!word_is_variant(words[0])) {
            other->name = job->compare;
            other->common.format = job->compare_format;
            return true;
        }
        if (!word_is_variant(words[i])) {
            out_error("Invalid variant: '%s' (engine= or cache=)", words[i]);
            return false;
        }
        if (!variant_take(other, words[i]))
            return false;
    }
    return true;
}

static int
bench_two(const BenchJob *job)
{
    BenchTarget sides[2] = {job->target};
    g_auto(GStrv) words = g_strsplit(job->compare, ",", -1);

    if (!other_target(job, &sides[1], words))
        return 1;
    return bench_compare(sides, &job->plan, job->rounds);
}

static int
bench_do(BenchJob *job, const char *command_line)
{
    if (job->compare)
        return bench_two(job);
    if (job->report)
        return bench_sweep(&job->target, &job->plan, &job->grid, job->report,
                           command_line);
    return bench_once(job);
}

static bool
bench_options_read(BenchJob *job, OptParser *parser, int *status)
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

/* Before getopt sorts it. */
static char *
command_line_new(char **argv)
{
    GString *line = g_string_new(out_program());

    for (; *argv; argv++) {
        g_autofree char *quoted = g_shell_quote(*argv);
        bool plain = !strpbrk(*argv, " \t\n'\"\\$`*?[]{}()<>|&;!#~") && **argv;
        g_string_append_printf(line, " %s", plain ? *argv : quoted);
    }
    return g_string_free(line, FALSE);
}

static int
cmd_bench_run(const Command *command, int argc, char **argv)
{
    g_autoptr(OptParser) parser = opts_begin(command, argc, argv);
    BenchJob job = {
        .target.cache_name = "writeback",
        .plan = {.count = BENCH_COUNT,
                 .depth = BENCH_DEPTH,
                 .threads = 1,
                 .buf_size = BENCH_BUF_SIZE,
                 .seed = (uint64_t) g_get_real_time()},
        .rounds = BENCH_ROUNDS,
        .grid = {.sizes = {5,
                           {4 << 10, 16 << 10, 64 << 10, 256 << 10, 1 << 20}},
                 .depths = {4, {1, 8, 32, 128}}},
    };
    g_autofree char *command_line = command_line_new(argv);
    int status;

    if (!bench_options_read(&job, parser, &status))
        return status;
    if (opts_n_operands(parser) != 1)
        return opts_fail_try(parser, "Expecting one image file name");
    plan_complete(&job);
    const char *problem = plan_contradiction(&job);
    if (problem)
        return opts_fail(parser, "%s", problem);
    job.target.common = *opts_common(parser);
    job.target.name = opts_operands(parser)[0];
    if (bench_plan_writes(&job.plan) && job.target.common.force_share)
        return opts_fail(parser,
                         "Could not open '%s': force-share=on can only be "
                         "used with read-only images",
                         job.target.name);
    signals_note(true);
    status = bench_do(&job, command_line);
    signals_note(false);
    return status;
}

const Command cmd_bench = {
    .name = "bench",
    .summary = "measure how fast an image can be read or written",
    .operands = "FILE",
    .example = "--random --time=10 -t none disk.vmdk",
    .options = bench_options,
    .usage_status = 1,
    .run = cmd_bench_run,
};
