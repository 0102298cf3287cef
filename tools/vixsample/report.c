/* SPDX-License-Identifier: BSD-3-Clause */
/* tools/vixsample/report.c - errors, and what the library says, on stderr.
 *
 * Concurrency: any thread; each message is one write to a locked stream.
 */
#include "tools/vixsample/report.h"

#include <inttypes.h>
#include <stdio.h>

#include "tools/vixsample/library.h"

static bool log_wanted; /* set before the library is initialised */

void
report_error(const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    g_autofree char *text = g_strdup_vprintf(fmt, ap);
    va_end(ap);
    fprintf(stderr, PROGRAM ": %s\n", text);
}

char *
report_text(VixError result)
{
    /* The one message that must do without the library's help. */
    if (!HAVE(VixDiskLib_GetErrorText))
        return g_strdup("(this library has no VixDiskLib_GetErrorText)");
    char *theirs = library.VixDiskLib_GetErrorText(result, NULL);
    char *text = g_strdup(theirs ? theirs : "(no text)");
    if (HAVE(VixDiskLib_FreeErrorText))
        library.VixDiskLib_FreeErrorText(theirs);
    return text;
}

void
report_failure(const char *function, VixError result, const char *text)
{
    report_error("%s: error 0x%" PRIx64 " (%u): %s", function, result,
                 (unsigned) VIX_ERROR_CODE(result), text);
}

bool
report_result(const char *function, VixError result)
{
    if (VIX_SUCCEEDED(result))
        return true;
    g_autofree char *text = report_text(result);
    report_failure(function, result, text);
    return false;
}

bool
report_async_refused(const char *function, VixError result)
{
    if (report_result(function, result))
        report_error("%s: answered VIX_OK instead of VIX_ASYNC", function);
    return false;
}

void
report_set_verbose(bool verbose)
{
    log_wanted = verbose;
}

/* The text brings its newline along. */
G_GNUC_PRINTF(2, 0)
static void
print(const char *kind, const char *fmt, va_list ap)
{
    g_autofree char *text = g_strdup_vprintf(fmt, ap);

    fprintf(stderr, "%s: %s%s", kind, text,
            g_str_has_suffix(text, "\n") ? "" : "\n");
}

G_GNUC_PRINTF(1, 0)
void
report_log(const char *fmt, va_list ap)
{
    if (log_wanted)
        print("log", fmt, ap);
}

G_GNUC_PRINTF(1, 0)
void
report_warn(const char *fmt, va_list ap)
{
    print("warning", fmt, ap);
}

G_GNUC_PRINTF(1, 0)
void
report_panic(const char *fmt, va_list ap)
{
    print("panic", fmt, ap);
}
