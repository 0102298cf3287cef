/* SPDX-License-Identifier: BSD-3-Clause */
/* tools/img/convert-words.c - which words of convert go together, and what they
 * come to.
 *
 * Concurrency: main thread only.
 */
#include "tools/img/convert.h"

#include "tools/formats.h"
#include "tools/images.h"
#include "tools/img/snapshot-words.h"
#include "tools/output.h"

#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* What a copy must be like for somebody to go on with it. */
static const char *
resume_problem(const ConvertWords *w)
{
    const ConvertJob *job = &w->job;

    if (!job->resume)
        return NULL;
    if (!job->no_create)
        return "--resume requires use of -n flag";
    if (job->verify)
        return "--verify sees only what it copies itself: compare the images "
               "after --resume";
    if (job->copy.compress)
        return "Cannot resume a compressed copy: its records are written once, "
               "in order";
    if (job->from_stdin)
        return "Cannot resume a copy of standard input";
    if (job->no_sync || (!w->sync_given && !g_strcmp0(w->cache, "unsafe")))
        return "Cannot resume a copy that is not flushed (--sync=none, "
               "-t unsafe)";
    return NULL;
}

/* NULL if the words agree, else what is wrong. */
static const char *
contradiction(const ConvertWords *w)
{
    const ConvertJob *job = &w->job;

    if (job->copy.offload && job->copy.compress)
        return "Cannot enable copy offloading when -c is used";
    if (job->copy.offload && w->sparse_given)
        return "Cannot enable copy offloading when -S is used";
    if (job->copy.offload && job->copy.salvage)
        return "Cannot use copy offloading in salvaging mode";
    if (job->copy.zero_units == VD_ZERO_UNITS_STORE && w->sparse_given &&
        job->copy.sparse_size > 0)
        return "--dedup-zero-grains=off makes no sense with -S SIZE";
    if (job->copy.offload && w->no_offload)
        return "Cannot enable copy offloading when --no-offload is used";
    if (job->no_create && w->options_given)
        return "-o has no effect when skipping image creation";
    if (job->target_is_zero && !job->no_create)
        return "--target-is-zero requires use of -n flag";
    if (job->target_is_zero && job->backing)
        return "Cannot use --target-is-zero when the destination image has a "
               "backing file";
    if (job->no_create && job->no_clobber)
        return "--no-clobber makes no sense with -n";
    if (job->require_space && (job->no_create || job->to_stdout))
        return "--require-space is for targets that are created";
    if (job->skip_bitmaps && !job->bitmaps)
        return "Use of --skip-broken-bitmaps requires --bitmaps";
    if (job->bitmaps && job->n_sources > 1)
        return "Copying bitmaps only possible with single source";
    if (job->snapshot && job->n_sources > 1)
        return "No support for concatenating multiple snapshot";
    if (w->keep && job->n_sources > 1)
        return "--keep-metadata makes no sense when concatenating multiple "
               "input images";
    if (job->backing && job->n_sources > 1)
        return "Having a backing file for the target makes no sense when "
               "concatenating multiple input images";
    return NULL;
}

static bool
check_backing(const ConvertJob *job)
{
    g_autofree char *problem = NULL;

    if (job->no_create)
        return true;
    problem = format_parent_problem(job->target_format, job->backing,
                                    job->backing_format);
    if (!problem && job->backing && !job->backing_format)
        problem =
            g_strdup("Use of backing file requires explicit backing format");
    if (problem)
        out_error("%s", problem);
    return !problem;
}

static bool
is_on_the_web(const char *name)
{
    return g_ascii_strncasecmp(name, "http://", 7) == 0 ||
           g_ascii_strncasecmp(name, "https://", 8) == 0;
}

static bool
check_target(const ConvertJob *job)
{
    g_autofree char *problem = NULL;

    if (job->no_create)
        return true;
    problem = format_create_problem(job->target_format);
    if (!problem && !job->to_stdout)
        problem = target_name_problem(job);
    if (!problem && job->verify &&
        (is_on_the_web(job->target) || target_is_machine(job)))
        problem = g_strdup("--verify cannot read back from a server what is "
                           "not whole there yet: compare the images");
    if (!problem)
        problem = format_options_problem(job->target_format, job->list);
    if (!problem)
        return true;
    out_error("%s", problem);
    return false;
}

/* A target given as options can be made if they say no more than format and
 * file: then they are just another way to write -O FMT FILE. */
static bool
target_options_resolve(ConvertJob *job, OptList *opts)
{
    static const char *const names[] = {"file.filename", "filename"};
    g_autofree char *driver = NULL;
    g_autofree char *file_driver = NULL;
    g_autofree char *filename = NULL;

    if (job->target_format || !optlist_add(opts, job->target))
        return false;
    driver = optlist_take(opts, "driver");
    file_driver = optlist_take(opts, "file.driver");
    for (size_t i = 0; i < G_N_ELEMENTS(names) && !filename; i++)
        filename = optlist_take(opts, names[i]);
    if (!driver || !filename ||
        g_strcmp0(file_driver ? file_driver : "file", "file") ||
        !optlist_is_empty(opts))
        return false;
    job->target = g_intern_string(filename);
    job->target_format = g_intern_string(driver);
    job->target_image_opts = false;
    return true;
}

static bool
resolve_target(ConvertJob *job)
{
    g_autoptr(OptList) opts = optlist_new();

    target_settle_machine(job);
    if (!job->target_image_opts && !job->target_format)
        job->target_format = "raw";
    if (!job->target_image_opts || job->no_create ||
        target_options_resolve(job, opts))
        return true;
    out_error("--target-image-opts requires use of -n flag");
    out_hint("Without it, only driver=FMT,file.filename=FILE is understood.");
    return false;
}

/* May the file system share what would be written?  Not where somebody has said
 * how the target is to be stored, or where the source may change between being
 * read and being shared, or could not be read. */
static bool
may_share(const ConvertWords *w)
{
    const ConvertJob *job = &w->job;

    return !job->copy.offload && !w->no_offload && !w->sparse_given &&
           !w->options_given && !job->no_create && !job->copy.salvage &&
           !job->common->force_share;
}

/* streamOptimized has no other form than the compressed one. */
static void
settle_modes(ConvertWords *w)
{
    ConvertJob *job = &w->job;

    if (!g_strcmp0(optlist_peek(job->list, "subformat"), "streamOptimized"))
        job->copy.compress = true;
    if (may_share(w))
        job->copy.offload = VD_OFFLOAD_SHARE;
    /* Who names a level wants it for everything. */
    job->copy.recode = optlist_peek(job->list, "compress_level") != NULL;
    if (!w->sync_given && !g_strcmp0(w->cache, "unsafe"))
        job->no_sync = true;
    /* One a sector, told to somebody who wants to hear nothing. */
    job->common->mute = job->copy.salvage && job->common->quiet;
    job->copy.skip_depth = job->backing ? 1 : 0;
    job->keep_metadata = w->keep_given
                             ? w->keep
                             : !job->no_create && !job->backing &&
                                   !job->to_stdout && job->n_sources == 1;
}

/* With the image there nothing else may go to standard output. */
static const char *
stdout_problem(ConvertWords *w)
{
    ConvertJob *job = &w->job;

    if (strcmp(job->target, "-") != 0 || job->target_image_opts)
        return NULL;
    job->to_stdout = true;
    out_leave_stdout();
    job->target = "fd:1";
    if (job->no_create)
        return "-n makes no sense with standard output";
    if (job->common->json)
        return "--output=json makes no sense with the image on standard output";
    if (w->keep)
        return "--keep-metadata makes no sense with standard output";
    if (job->verify)
        return "--verify makes no sense with standard output";
    if (isatty(STDOUT_FILENO))
        return "Refusing to write an image to a terminal";
    return NULL;
}

/* Some servers send files whole only. */
static bool
may_lack_an_end(const ConvertJob *job)
{
    return job->from_stdin ||
           (!job->common->image_opts && is_on_the_web(job->sources[0]));
}

/* From a pipe to raw nothing need be known in advance, if nobody has asked for
 * what needs to be. */
static bool
can_be_open_ended(const ConvertWords *w)
{
    const ConvertJob *job = &w->job;
    const char *path = image_local_path(job->target);
    const char *source_format = job->common->format;
    struct stat st;

    return job->n_sources == 1 && may_lack_an_end(job) &&
           !job->target_image_opts &&
           (!source_format || !strcmp(source_format, "raw")) &&
           !strcmp(job->target_format, "raw") && optlist_is_empty(job->list) &&
           !job->no_create && !job->backing && !job->require_space &&
           !job->copy.salvage && job->copy.offload != VD_OFFLOAD_WHOLE &&
           !job->verify &&
           (job->to_stdout || !path || stat(path, &st) < 0 ||
            S_ISREG(st.st_mode));
}

/* "-" among the sources. */
static const char *
stdin_problem(ConvertJob *job)
{
    static char name[] = "fd:0";
    unsigned n = 0;

    for (unsigned i = 0; i < job->n_sources && !job->common->image_opts; i++)
        if (strcmp(job->sources[i], "-") == 0) {
            job->sources[i] = name;
            n++;
        }
    job->from_stdin = n > 0;
    if (n > 1)
        return "Standard input can be read only once";
    if (n > 0 && isatty(STDIN_FILENO))
        return "Refusing to read an image from a terminal";
    return NULL;
}

int
convert_words_run(ConvertWords *w)
{
    ConvertJob *job = &w->job;
    const char *wrong = stdout_problem(w);

    if (!wrong)
        wrong = contradiction(w);
    if (!wrong)
        wrong = stdin_problem(job);
    if (!wrong)
        wrong = resume_problem(w);
    if (wrong) {
        out_error("%s", wrong);
        return 1;
    }
    if (!snapshot_words_check(job->snapshot) || !resolve_target(job) ||
        !check_target(job) || !check_backing(job))
        return 1;
    settle_modes(w);
    job->open_ended = can_be_open_ended(w);
    g_autofree char *doing =
        g_strdup_printf("converting %s", job->target_format);
    job->doing = doing;
    return convert_run(job);
}
