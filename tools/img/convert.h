/* SPDX-License-Identifier: BSD-3-Clause */
/* tools/img/convert.h - a conversion: what was asked for, and doing it.  Used
 * by cmd-convert.c (the command line), convert-words.c (what goes together),
 * convert.c (the work), convert-result.c (what came of it), resume.c (its
 * journal), target.c (what must not be written to), and by cmd-dd.c, which
 * converts a part. */
#pragma once

#include "tools/options.h"

typedef struct ConvertJob {
    CommonOptions *common;

    /* the words */
    char **sources; /* names; n_sources of them */
    unsigned n_sources;
    const char *target;
    const char *target_format; /* NULL only with target_image_opts */
    OptList *list;             /* -o, without the parent's keys */
    char *backing, *backing_format;
    VdOpenFlags source_cache, target_cache;
    VdCopyParams copy;
    bool target_image_opts, target_is_zero;
    bool no_create; /* -n */
    bool no_sync, no_clobber, atomic;
    bool from_stdin; /* one of the sources is "fd:0" */
    bool open_ended; /* it need not come to its end first */
    bool to_stdout;  /* the target is "fd:1" */
    bool force;      /* skip the checks of devices */
    bool keep_metadata;
    const char *doing; /* "converting vmdk": what failed, in messages */
    /* The sources are open: what else is to be settled now?  NULL = nothing;
     * false after a message. */
    bool (*settle)(struct ConvertJob *job);
    bool grow;    /* a target that exists and is too small is made longer */
    bool nothing; /* no byte is to be copied */
    bool require_space;
    bool bitmaps, skip_bitmaps; /* --bitmaps, and leave out broken ones */
    bool verify;
    const char *resume;   /* --resume: the journal; NULL = none */
    const char *snapshot; /* -l */

    /* the work */
    VdContext *ctx;
    VdDisk **disks; /* of the sources */
    uint64_t total; /* bytes that the target must have: of all sources, each
                       rounded up, unless something else was settled */
    VdCopyResult result;
    uint64_t verified; /* bytes */
    Progress *progress;
    uint64_t resumed_at; /* the journal said that so much was done */
    int64_t started_us;
} ConvertJob;

/* What was said, besides the job. */
typedef struct {
    ConvertJob job;
    const char *cache; /* -t */
    bool sparse_given, sync_given, options_given;
    bool keep_given, keep;
    bool no_offload;
} ConvertWords;

/* Judge the words and do what they say; exit code. */
int convert_words_run(ConvertWords *words);

/* Exit code. */
int convert_run(ConvertJob *job);

/* Of VdInfo: the links of source @i as it is open, for a server may not let it
 * be opened twice.  NULL after a message. */
GPtrArray *convert_source_links(const ConvertJob *job, unsigned i);

/* It went well: say so, as far as anybody wants to know. */
void convert_result_print(const ConvertJob *job);

/* --bitmaps (convert-bitmaps.c): both images can have some, and those of the
 * source are sound; then, behind the data, they go along.  True without
 * --bitmaps; false after a message. */
bool convert_bitmaps_check_source(const ConvertJob *job);
bool convert_bitmaps_check_target(const ConvertJob *job, VdDisk *target);
bool convert_bitmaps_copy(const ConvertJob *job, VdDisk *target);

/* Why no target of this name can be made, and what can be done instead; NULL =
 * one can. */
char *target_name_problem(const ConvertJob *job);
/* The target is a machine that a server is to make. */
bool target_is_machine(const ConvertJob *job);
/* A server makes one of one kind of image: that it is to be that one, unless
 * something else was said. */
void target_settle_machine(ConvertJob *job);
/* Writing to the target would destroy a source, or a device somebody uses:
 * false after a message. */
bool target_check(const ConvertJob *job);
/* Tells if the target may not fit where it is to be; false, after a message, if
 * that was to be an error. */
bool target_space_check(const ConvertJob *job);
/* The target is a block device: what it holds is not zero. */
bool target_is_device(const ConvertJob *job);
