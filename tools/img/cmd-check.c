/* SPDX-License-Identifier: BSD-3-Clause */
/* tools/img/cmd-check.c - vdisk-img check: is an image consistent?
 *
 * Exit codes, after a repair for the state behind it: 0 yes, 1 the check
 * failed, 2 corrupt or not as the profile wants it, 3 leaks only, 63 the format
 * has no check (or, with -r, no repair).
 *
 * Concurrency: main thread only.
 */
#include <string.h>

#include "tools/img/check-image.h"
#include "tools/img/commands.h"
#include "tools/output.h"

enum { OPT_MAX_FINDINGS = OPT_PRIVATE, OPT_PROFILE };

static const CmdOption check_options[] = {
    CMD_ROW_FORMAT,
    CMD_ROW_IMAGE_OPTS,
    {'r', "repair", "leaks|all",
     "give back space that nothing uses; or mend all"},
    CMD_ROW_SOURCE_CACHE,
    {OPT_MAX_FINDINGS, "max-findings", "N",
     "how many findings to list; default 100", true},
    {OPT_PROFILE, "profile", "NAME",
     "further rules: esxi-import, for streamOptimized files"},
    CMD_ROW_QUIET,
    CMD_ROW_FORCE_SHARE,
    CMD_ROWS_COMMON,
};

static bool
take_repair(const char *arg, unsigned *repair)
{
    if (!strcmp(arg, "leaks"))
        *repair = VD_REPAIR_LEAKS;
    else if (!strcmp(arg, "all"))
        *repair = VD_REPAIR_ALL;
    else
        return false;
    return true;
}

static int
wrong_repair(OptParser *parser, const char *arg)
{
    if (out_is_old())
        return opts_fail_try(parser,
                             "Unknown option value for -r "
                             "(expecting 'leaks' or 'all'): %s",
                             arg);
    return opts_fail_try(parser, "--repair expects 'leaks' or 'all' not '%s'",
                         arg);
}

static int
cmd_check_run(const Command *command, int argc, char **argv)
{
    g_autoptr(OptParser) parser = opts_begin(command, argc, argv);
    CheckJob job = {.common = opts_common(parser)};
    int code;

    while ((code = opts_next(parser)) > 0) {
        const char *arg = opts_arg(parser);
        if (code == 'T' && !opts_parse_cache("source cache", arg, &job.cache))
            return command->usage_status;
        if (code == OPT_PROFILE)
            job.params.profile = arg;
        if (code == 'r' && !take_repair(arg, &job.params.repair))
            return wrong_repair(parser, arg);
        if (code == OPT_MAX_FINDINGS &&
            !opts_parse_number(arg, 1, 1000000, &job.max_findings))
            return opts_fail(parser, "Invalid number of findings: %s", arg);
    }
    if (code == OPTS_STOP)
        return opts_status(parser);
    if (opts_n_operands(parser) != 1)
        return opts_fail_try(parser, "Expecting one image file name");
    job.name = opts_operands(parser)[0];
    if (job.params.repair && job.common->force_share)
        return opts_fail(parser,
                         "Could not open '%s': force-share=on can only be "
                         "used with read-only images",
                         job.name);
    return check_image(&job);
}

const Command cmd_check = {
    .name = "check",
    .summary = "check an image for inconsistencies",
    .operands = "FILE",
    .example = "-r all disk.vmdk",
    .options = check_options,
    .usage_status = CHECK_FAILED,
    .run = cmd_check_run,
};
