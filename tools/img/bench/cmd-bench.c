/* SPDX-License-Identifier: BSD-3-Clause */
/* tools/img/bench/cmd-bench.c - vdisk-img bench: how fast is an image?
 *
 * Concurrency: main thread only; run.c has its own.
 */
#include <string.h>

#include "tools/img/bench/args.h"
#include "tools/img/bench/compare.h"
#include "tools/img/bench/output.h"
#include "tools/json.h"
#include "tools/output.h"
#include "tools/signals.h"

#define BENCH_COUNT 75000
#define BENCH_DEPTH 64
#define BENCH_BUF_SIZE 4096
#define BENCH_ROUNDS 5

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
    if (job->further->len > 0) {
        plan->disks = true;
        plan->threads = job->further->len + 1;
        job->target.further = job->further;
    }
    if (bench_plan_shares(plan))
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
    if (bench_plan_shares(&job->plan))
        return "--report excludes several threads that write";
    return NULL;
}

static const char *
disks_contradiction(const BenchJob *job)
{
    if (job->threads_given)
        return "--disk and --threads are mutually exclusive: each disk has a "
               "thread";
    if (job->compare)
        return "--disk and --compare are mutually exclusive";
    if (job->report)
        return "--disk and --report are mutually exclusive";
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
    if (bench_plan_shares(plan) && job->depth_given)
        return "-d cannot be used with several threads that write: each has "
               "one request at a time";
    if (plan->disks)
        return disks_contradiction(job);
    return report_contradiction(job);
}

/* False after a message. */
static bool
further_name(const BenchJob *job)
{
    for (unsigned i = 0; i < job->further->len; i++) {
        void **name = &job->further->pdata[i];

        *name = (char *) opts_image_name(&job->target.common, *name);
        if (!*name)
            return false;
    }
    return true;
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
        return bench_args_cache(target, value);
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
    g_autoptr(GPtrArray) further = g_ptr_array_new();
    BenchJob job = {
        .further = further,
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

    if (!bench_args_read(&job, parser, &status))
        return status;
    if (opts_n_operands(parser) != 1)
        return opts_fail_try(parser, "Expecting one image file name");
    plan_complete(&job);
    const char *problem = plan_contradiction(&job);
    if (problem)
        return opts_fail(parser, "%s", problem);
    job.target.common = *opts_common(parser);
    if (job.native)
        job.target.common.engine = "aio";
    job.target.name = opts_operands(parser)[0];
    if (!further_name(&job))
        return 1;
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
