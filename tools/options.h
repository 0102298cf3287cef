/* SPDX-License-Identifier: BSD-3-Clause */
/* tools/options.h - command lines: what a command accepts, and reading it.
 *
 * Each command lists its options once, in a table; getopt's tables and the
 * text of --help are both made from that.  Options that several commands share
 * are read into a CommonOptions here.
 */
#pragma once

#include "include/vdisk.h"
#include "tools/optlist.h"
#include "tools/progress.h"
#include "tools/vi/vi.h"

typedef struct CmdOption {
    int code;         /* the short letter, or a CmdLongCode */
    const char *name; /* long name; NULL = none */
    const char *arg;  /* what the argument is called; "[X]" = may be left out;
                         NULL = takes none */
    const char *help;
    bool rare;         /* --help names it only; --help=all says more */
    const char *group; /* what --help calls this one and its neighbours */
} CmdOption;

typedef enum CmdLongCode {
    OPT_OUTPUT = 256,
    OPT_IMAGE_OPTS,
    OPT_OBJECT,
    OPT_SYNC,
    OPT_STATS,
    OPT_LOG,
    OPT_WORKERS,
    OPT_ALLOW_PATH,
    OPT_VI, /* plus a ViOption */
    OPT_VI_END = OPT_VI + VI_N_OPTIONS,
    OPT_PRIVATE, /* codes of one command's own start here */
} CmdLongCode;

typedef struct Command {
    const char *name;         /* NULL = the program is its only one */
    const char *summary;      /* half a line for the list of commands */
    const char *operands;     /* "FILE [SIZE]" */
    const char *example;      /* operands and options of a common use */
    const CmdOption *options; /* ends with code 0 */
    unsigned no_names;        /* bit N: operand N is no name of an image */
    int usage_status;         /* exit code of wrong usage */
    int unwritten_status;     /* of a result that stdout, or a log that its file
                                 did not take; 0 = 1 */
    int (*run)(const struct Command *command, int argc, char **argv);
} Command;

/* What the shared options said. */
typedef struct CommonOptions {
    bool quiet, json, image_opts, force_share, stats;
    bool mute;          /* drop the library's warnings */
    const char *format; /* -f */
    const char *log;    /* --log; NULL = none */
    const char *engine; /* -i; NULL = chosen by the library */
    unsigned workers;
    Vi *vi;                 /* --vi-*, and logins; ends with the parser */
    GPtrArray *allow_paths; /* NULL-terminated once reading is over */
    ProgressMode progress;
} CommonOptions;

/* Rows for the tables.  -f, -q, -U, -i and those with long codes are read by
 * the parser; so is -p. */
#define CMD_ROW_FORMAT                                                         \
    {                                                                          \
        'f', "format", "FMT", "format of the image; default: probed"           \
    }
#define CMD_ROW_IMAGE_OPTS                                                     \
    {                                                                          \
        OPT_IMAGE_OPTS, "image-opts", NULL,                                    \
            "the image is given as driver=...,file.filename=...", true         \
    }
#define CMD_ROW_SOURCE_CACHE                                                   \
    {                                                                          \
        'T', "source-cache", "CACHE", "of what is read; default writeback",    \
            true                                                               \
    }
#define CMD_ROW_FORCE_SHARE                                                    \
    {                                                                          \
        'U', "force-share", NULL,                                              \
            "open although somebody writes to the image", true                 \
    }
#define CMD_ROW_SYNC                                                           \
    {                                                                          \
        OPT_SYNC, "sync", "end|none",                                          \
            "end (default): durable before the command ends", true             \
    }
#define CMD_ROW_QUIET                                                          \
    {                                                                          \
        'q', "quiet", NULL, "print nothing but errors"                         \
    }
#define CMD_ROW_PROGRESS                                                       \
    {                                                                          \
        'p', "progress", "[STYLE]", "plain (default), bar, json or none"       \
    }
#define CMD_ROW_VI(code, name, arg, help)                                      \
    {                                                                          \
        OPT_VI + (code), "vi-" name, arg, help, true, "vi-*"                   \
    }
#define CMD_ROWS_VI                                                            \
    CMD_ROW_VI(VI_SERVER, "server", "HOST:PORT",                               \
               "vCenter or ESXi host of names that begin with a datastore"),   \
        CMD_ROW_VI(VI_USER, "user", "USER", "who logs in there"),              \
        CMD_ROW_VI(VI_PASSWORD_FILE, "password-file", "FILE",                  \
                   "its first line is the password"),                          \
        CMD_ROW_VI(VI_PASSWORD_ENV, "password-env", "NAME",                    \
                   "variable that has it; default: the terminal is asked"),    \
        CMD_ROW_VI(VI_THUMBPRINT, "thumbprint", "DIGEST",                      \
                   "of the server's certificate; it alone decides"),           \
        CMD_ROW_VI(VI_CA_FILE, "ca-file", "FILE",                              \
                   "whom to trust; default: whom the system trusts"),          \
        CMD_ROW_VI(VI_INSECURE, "insecure", NULL, "check no certificate"),     \
        CMD_ROW_VI(VI_VM, "vm", "VM",                                          \
                   "whose disks they are; moref=ID, uuid=ID or a path"),       \
        CMD_ROW_VI(VI_SNAPSHOT, "snapshot", "SNAPSHOT",                        \
                   "id or name; default: the machine as it is"),               \
        CMD_ROW_VI(VI_TRANSPORT, "transport", "LIST",                          \
                   "ways to be tried, with colons between them")
#define CMD_ROWS_COMMON                                                        \
    {OPT_OUTPUT, "output", "human|json", "form of the result"},                \
        {OPT_OBJECT, "object", "OBJ",                                          \
         "secret,id=ID,data=...|file=...; accepted for compatibility", true},  \
        {OPT_STATS, "stats", NULL,                                             \
         "print counts and times of requests to stderr at exit", true},        \
        {'i', "aio", "threads|io_uring|native",                                \
         "default: by probing; native: Linux AIO", true},                      \
        {OPT_WORKERS, "workers", "N",                                          \
         "threads for compression; default: one for each CPU", true},          \
        {OPT_ALLOW_PATH, "allow-path", "DIR",                                  \
         "further directory that extents may lie in; may be repeated", true},  \
        CMD_ROWS_VI,                                                           \
        {OPT_LOG, "log", "FILE",                                               \
         "append each request to files below the images to FILE", true},       \
        {'h', "help", "[all]", "this help; all: every option explained"},      \
    {                                                                          \
        0                                                                      \
    }

typedef struct OptParser OptParser;

/* @argv[0] is the command's name. */
OptParser *opts_begin(const Command *command, int argc, char **argv);
void opts_free(OptParser *parser);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(OptParser, opts_free)

#define OPTS_END 0
#define OPTS_STOP (-1) /* opts_status() tells the exit code */

/* The code of the next option of the command's own, OPTS_END or OPTS_STOP
 * (wrong, with a message, or --help). */
int opts_next(OptParser *parser);
const char *opts_arg(const OptParser *parser);
int opts_status(const OptParser *parser);
CommonOptions *opts_common(OptParser *parser);

/* Operands, after OPTS_END; those that are images by their full names. */
int opts_n_operands(const OptParser *parser);
char **opts_operands(const OptParser *parser);
/* The same for an image that is named elsewhere: as long as the parser lives;
 * NULL after a message. */
const char *opts_image_name(const CommonOptions *common, const char *word);

/* Wrong usage with its message; the result is the command's exit code. */
int opts_fail(const OptParser *parser, const char *fmt, ...)
    G_GNUC_PRINTF(2, 3);
/* The same and a pointer to --help. */
int opts_fail_try(const OptParser *parser, const char *fmt, ...)
    G_GNUC_PRINTF(2, 3);

/* -- values: false after a message ---------------------------------------- */

/* @what: "image size", "start offset" ... */
bool opts_parse_size(const char *what, const char *text, uint64_t *size);
bool opts_parse_size_within(const char *what, const char *text, uint64_t min,
                            uint64_t max, uint64_t *size);
bool opts_parse_number(const char *text, unsigned min, unsigned max,
                       unsigned *number);
/* These two without one. */
bool opts_match_engine(const char *text, const char **engine);
bool opts_match_cache(const char *text, VdOpenFlags *flags);
/* @what: "cache" or "source cache". */
bool opts_parse_cache(const char *what, const char *text, VdOpenFlags *flags);
/* "end" or "none". */
bool opts_parse_sync(const char *text, bool *no_sync);
/* The same for commands that change an image in place: how flushes are to be
 * taken, whatever the cache mode says of them. */
typedef enum SyncMode { SYNC_BY_CACHE, SYNC_END, SYNC_NONE } SyncMode;
bool opts_parse_sync_mode(const char *text, SyncMode *mode);
VdOpenFlags opts_sync_cache(SyncMode mode, VdOpenFlags cache);
bool opts_parse_list(OptList *list, const char *text);

/* What getopt_long() takes: appended to @shorts and to @longs, an array of
 * struct option that keeps zeroes at its end. */
void opts_getopt_tables(const CmdOption *options, GString *shorts,
                        GArray *longs);
/* Each of @options with its text; the rare ones only by their names unless @all
 * are to be explained. */
void opts_print_table(const CmdOption *options, bool all);

/* NULL if @text is a good --object, else what is wrong with it.  Only secrets
 * are known; no format of ours is encrypted, so they have no further effect. */
char *opts_object_problem(const char *text);

void opts_print_help(const Command *command, bool all);
