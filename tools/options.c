/* SPDX-License-Identifier: BSD-3-Clause */
/* tools/options.c - reading command lines by the commands' option tables.
 *
 * Concurrency: main thread only (getopt has global state).
 */
#include "tools/options.h"

#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "tools/output.h"

struct OptParser {
    const Command *command;
    int argc;
    char **argv;
    GArray *longs;   /* of struct option */
    GString *shorts; /* for getopt */
    CommonOptions common;
    int status; /* after OPTS_STOP */
};

static bool
code_is_letter(int code)
{
    return code > 0 && code < 256;
}

static int
argument_kind(const CmdOption *o)
{
    if (!o->arg)
        return no_argument;
    return o->arg[0] == '[' ? optional_argument : required_argument;
}

void
opts_getopt_tables(const CmdOption *options, GString *shorts, GArray *longs)
{
    for (const CmdOption *o = options; o->code; o++) {
        int kind = argument_kind(o);
        struct option row = {o->name, kind, NULL, o->code};
        if (o->name)
            g_array_append_val(longs, row);
        if (!code_is_letter(o->code))
            continue;
        g_string_append_c(shorts, (char) o->code);
        /* An argument that may be left out belongs to the long form only:
         * -p is as plain as in qemu-img. */
        if (kind == required_argument)
            g_string_append_c(shorts, ':');
    }
}

/* Words before --output=json may be wrong, and that is told in the document,
 * too. */
static void
find_json(int argc, char **argv)
{
    for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++)
        if (!strcmp(argv[i], "--output=json") ||
            (!strcmp(argv[i], "--output") && i + 1 < argc &&
             !strcmp(argv[i + 1], "json")))
            out_set_json(true);
}

OptParser *
opts_begin(const Command *command, int argc, char **argv)
{
    OptParser *parser = g_new0(OptParser, 1);

    parser->command = command;
    parser->argc = argc;
    parser->argv = argv;
    parser->longs = g_array_new(TRUE, TRUE, sizeof(struct option));
    /* '+' is not wanted: options and operands mix; ':' tells a missing
     * argument from an unknown option. */
    parser->shorts = g_string_new(":");
    parser->common.allow_paths = g_ptr_array_new();
    parser->common.vi = vi_new();
    opts_getopt_tables(command->options, parser->shorts, parser->longs);
    find_json(argc, argv);
    optind = 0; /* glibc: start anew, also the permutation */
    return parser;
}

void
opts_free(OptParser *parser)
{
    g_array_unref(parser->longs);
    g_string_free(parser->shorts, TRUE);
    g_ptr_array_unref(parser->common.allow_paths);
    vi_free(parser->common.vi);
    g_free(parser);
}

static int
stop(OptParser *parser, int status)
{
    parser->status = status;
    return OPTS_STOP;
}

G_GNUC_PRINTF(3, 0)
static int
usage_print(const OptParser *parser, bool hint, const char *fmt, va_list ap)
{
    g_autofree char *text = g_strdup_vprintf(fmt, ap);

    out_error("%s", text);
    if (hint && parser->command->name)
        out_try_help();
    else if (hint)
        out_hint("Try '%s --help' for more info", out_program());
    return parser->command->usage_status;
}

int
opts_fail(const OptParser *parser, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    int status = usage_print(parser, false, fmt, ap);
    va_end(ap);
    return status;
}

int
opts_fail_try(const OptParser *parser, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    int status = usage_print(parser, true, fmt, ap);
    va_end(ap);
    return status;
}

/* The word at fault as the user wrote it. */
static char *
culprit(const OptParser *parser)
{
    if (code_is_letter(optopt))
        return g_strdup_printf("-%c", optopt);
    return g_strdup(parser->argv[optind - 1]);
}

static int
unknown_option(OptParser *parser)
{
    g_autofree char *word = culprit(parser);

    return stop(parser,
                opts_fail_try(parser, "unrecognized option '%s'", word));
}

static int
missing_argument(OptParser *parser)
{
    g_autofree char *word = culprit(parser);

    return stop(parser, opts_fail_try(
                            parser, "missing argument for option '%s'", word));
}

static int
wrong_output(OptParser *parser, const char *arg)
{
    if (out_is_old())
        return stop(parser, opts_fail(parser, "--output must be used with "
                                              "human or json as argument."));
    return stop(
        parser,
        opts_fail(parser, "--output expects 'human' or 'json' not '%s'", arg));
}

static int
take_output(OptParser *parser, const char *arg)
{
    parser->common.json = !strcmp(arg, "json");
    if (!parser->common.json && strcmp(arg, "human"))
        return wrong_output(parser, arg);
    out_set_json(parser->common.json);
    return OPTS_END;
}

static bool
secret_key_known(const char *key, void *opaque)
{
    static const char *const keys[] = {"secret", "id", "data", "file",
                                       "format"};

    for (size_t i = 0; i < G_N_ELEMENTS(keys); i++)
        if (!strcmp(key, keys[i]))
            return true;
    return false;
}

char *
opts_object_problem(const char *text)
{
    g_autoptr(OptList) list = optlist_new();
    size_t type = strcspn(text, ",");

    if (!optlist_add(list, text))
        return g_strdup_printf("Invalid option list: %s", text);
    if (type != strlen("secret") || strncmp(text, "secret", type))
        return g_strdup_printf("Parameter 'qom-type' does not accept value "
                               "'%.*s'",
                               (int) type, text);
    const char *unknown = optlist_find_unknown(list, secret_key_known, NULL);
    if (unknown)
        return g_strdup_printf("Parameter '%s' is unexpected", unknown);
    if (!optlist_peek(list, "id"))
        return g_strdup("Parameter 'id' is missing");
    bool data = optlist_peek(list, "data"), file = optlist_peek(list, "file");
    if (data && file)
        return g_strdup("'file' and 'data' are mutually exclusive");
    if (!data && !file)
        return g_strdup("Either 'file' or 'data' must be provided");
    return NULL;
}

static int
take_object(OptParser *parser, const char *arg)
{
    g_autofree char *problem = opts_object_problem(arg);

    return problem ? stop(parser, opts_fail(parser, "%s", problem)) : OPTS_END;
}

bool
opts_match_engine(const char *text, const char **engine)
{
    if (!strcmp(text, "threads"))
        *engine = "threads";
    else if (!strcmp(text, "io_uring"))
        *engine = "uring";
    else if (!strcmp(text, "native"))
        *engine = "aio";
    else
        return false;
    return true;
}

static int
take_aio(OptParser *parser, const char *arg)
{
    if (opts_match_engine(arg, &parser->common.engine))
        return OPTS_END;
    return stop(parser, opts_fail(parser, "Invalid aio option: %s", arg));
}

static int
take_workers(OptParser *parser, const char *arg)
{
    if (opts_parse_number(arg, 1, 1024, &parser->common.workers))
        return OPTS_END;
    return stop(parser, opts_fail(parser,
                                  "Invalid number of workers: %s "
                                  "(between 1 and 1024)",
                                  arg));
}

static int
take_progress(OptParser *parser, const char *arg)
{
    if (progress_mode_parse(arg, &parser->common.progress))
        return OPTS_END;
    return stop(parser, opts_fail(parser, "Invalid progress mode: %s", arg));
}

static int
take_help(OptParser *parser, const char *arg)
{
    if (arg && strcmp(arg, "all"))
        return stop(parser,
                    opts_fail_try(parser, "Invalid kind of help: %s", arg));
    opts_print_help(parser->command, arg != NULL);
    return stop(parser, 0);
}

/* -p is the port of a server. */
static bool
letter_means(const OptParser *parser, int letter, const char *name)
{
    for (const CmdOption *o = parser->command->options; o->code; o++)
        if (o->code == letter)
            return o->name && !strcmp(o->name, name);
    return false;
}

/* OPTS_END: the option was one of all commands and is dealt with. */
static int
common_take(OptParser *parser, int code)
{
    CommonOptions *common = &parser->common;

    switch (code) {
    case 'f':
        common->format = optarg;
        return OPTS_END;
    case 'q':
        common->quiet = true;
        return OPTS_END;
    case 'U':
        common->force_share = true;
        return OPTS_END;
    case 'p':
        return letter_means(parser, code, "progress")
                   ? take_progress(parser, optarg)
                   : code;
    case 'i':
        return take_aio(parser, optarg);
    case 'h':
        return take_help(parser, optarg);
    case OPT_OUTPUT:
        return take_output(parser, optarg);
    case OPT_IMAGE_OPTS:
        common->image_opts = true;
        return OPTS_END;
    case OPT_OBJECT:
        return take_object(parser, optarg);
    case OPT_STATS:
        common->stats = true;
        return OPTS_END;
    case OPT_LOG:
        common->log = optarg;
        return OPTS_END;
    case OPT_WORKERS:
        return take_workers(parser, optarg);
    case OPT_ALLOW_PATH:
        g_ptr_array_add(common->allow_paths, optarg);
        return OPTS_END;
    default:
        if (code < OPT_VI || code >= OPT_VI_END)
            return code;
        vi_take(common->vi, (ViOption) (code - OPT_VI), optarg);
        return OPTS_END;
    }
}

const char *
opts_image_name(const CommonOptions *common, const char *word)
{
    return vi_name(common->vi, word);
}

static bool
operands_name(const OptParser *parser)
{
    for (int i = optind; i < parser->argc; i++) {
        unsigned mask = parser->command->no_names;
        const char *name;

        if (i - optind < 32 && mask >> (i - optind) & 1)
            continue;
        name = opts_image_name(&parser->common, parser->argv[i]);
        if (!name)
            return false;
        parser->argv[i] = (char *) name;
    }
    return true;
}

int
opts_next(OptParser *parser)
{
    for (;;) {
        opterr = 0;
        int code =
            getopt_long(parser->argc, parser->argv, parser->shorts->str,
                        (struct option *) (void *) parser->longs->data, NULL);
        if (code == -1)
            break;
        if (code == '?')
            return unknown_option(parser);
        if (code == ':')
            return missing_argument(parser);
        code = common_take(parser, code);
        if (code != OPTS_END)
            return code;
    }
    g_ptr_array_add(parser->common.allow_paths, NULL);
    if (parser->common.quiet)
        parser->common.progress = PROGRESS_NONE;
    return operands_name(parser) ? OPTS_END
                                 : stop(parser, parser->command->usage_status);
}

const char *
opts_arg(const OptParser *parser)
{
    return optarg;
}

int
opts_status(const OptParser *parser)
{
    return parser->status;
}

CommonOptions *
opts_common(OptParser *parser)
{
    return &parser->common;
}

int
opts_n_operands(const OptParser *parser)
{
    return parser->argc - optind;
}

char **
opts_operands(const OptParser *parser)
{
    return parser->argv + optind;
}
