/* SPDX-License-Identifier: BSD-3-Clause */
/* tools/values.c - the arguments of options: sizes, numbers, cache modes.
 *
 * Concurrency: no state.
 */
#include "tools/options.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tools/output.h"

static void
size_syntax_error(const char *what, const char *text, const GError *error)
{
    /* The library's hint stands on lines of its own. */
    const char *hint = strchr(error->message, '\n');

    if (out_is_old()) {
        out_error("Invalid %s specified. You may use k, M, G, T, P or E "
                  "suffixes for",
                  what);
        out_error("kilobytes, megabytes, gigabytes, terabytes, petabytes and "
                  "exabytes.");
        return;
    }
    out_error("Invalid %s specified: '%s'.", what, text);
    if (hint)
        out_hint("%s", hint + 1);
}

bool
opts_parse_size_within(const char *what, const char *text, uint64_t min,
                       uint64_t max, uint64_t *size)
{
    g_autoptr(GError) error = NULL;
    bool ok = vd_parse_size(text, size, &error);

    if (ok && *size >= min && *size <= max)
        return true;
    if (ok || g_error_matches(error, VD_ERROR, VD_ERROR_OUT_OF_RANGE))
        out_error("Invalid %s specified. Must be between %" PRIu64
                  " and %" PRIu64 ".",
                  what, min, max);
    else
        size_syntax_error(what, text, error);
    return false;
}

bool
opts_parse_size(const char *what, const char *text, uint64_t *size)
{
    return opts_parse_size_within(what, text, 0, INT64_MAX, size);
}

bool
opts_parse_number(const char *text, unsigned min, unsigned max,
                  unsigned *number)
{
    char *end;

    if (!g_ascii_isdigit(*text))
        return false;
    errno = 0;
    unsigned long value = strtoul(text, &end, 10);
    if (errno || *end || value < min || value > max)
        return false;
    *number = (unsigned) value;
    return true;
}

bool
opts_match_cache(const char *text, VdOpenFlags *flags)
{
    static const struct {
        const char *name;
        unsigned flags;
    } modes[] = {
        {"none", VD_OPEN_DIRECT},
        {"off", VD_OPEN_DIRECT},
        {"writeback", 0},
        {"writethrough", VD_OPEN_WRITETHROUGH},
        {"directsync", VD_OPEN_DIRECT | VD_OPEN_WRITETHROUGH},
        {"unsafe", VD_OPEN_NO_FLUSH},
    };

    for (size_t i = 0; i < G_N_ELEMENTS(modes); i++) {
        if (!strcmp(modes[i].name, text)) {
            *flags = (VdOpenFlags) modes[i].flags;
            return true;
        }
    }
    return false;
}

bool
opts_parse_cache(const char *what, const char *text, VdOpenFlags *flags)
{
    if (opts_match_cache(text, flags))
        return true;
    out_error("Invalid %s option: %s", what, text);
    return false;
}

bool
opts_parse_sync(const char *text, bool *no_sync)
{
    *no_sync = !strcmp(text, "none");
    if (*no_sync || !strcmp(text, "end"))
        return true;
    out_error("Invalid sync mode: %s", text);
    return false;
}

bool
opts_parse_sync_mode(const char *text, SyncMode *mode)
{
    bool no_sync;

    if (!opts_parse_sync(text, &no_sync))
        return false;
    *mode = no_sync ? SYNC_NONE : SYNC_END;
    return true;
}

VdOpenFlags
opts_sync_cache(SyncMode mode, VdOpenFlags cache)
{
    if (mode == SYNC_NONE)
        cache |= VD_OPEN_NO_FLUSH;
    else if (mode == SYNC_END)
        cache &= ~VD_OPEN_NO_FLUSH;
    return cache;
}

bool
opts_parse_list(OptList *list, const char *text)
{
    if (optlist_add(list, text))
        return true;
    out_error("Invalid option list: %s", text);
    return false;
}
