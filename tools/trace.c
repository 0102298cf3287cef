/* SPDX-License-Identifier: BSD-3-Clause */
/* tools/trace.c - trace points by the words of qemu-img's -T.
 *
 * Concurrency: main thread only.
 */
#include "tools/trace.h"

#include <string.h>

#include "include/vdisk.h"
#include "tools/output.h"

/* qemu-img's events= and file= are not for
 * us: traces go to stderr. */
bool
trace_set(const char *spec)
{
    g_auto(GStrv) parts = g_strsplit(spec, ",", -1);
    g_autoptr(GPtrArray) patterns = g_ptr_array_new();

    for (char **part = parts; *part; part++) {
        const char *pattern = *part;
        if (g_str_has_prefix(pattern, "enable="))
            pattern += strlen("enable=");
        if (strchr(pattern, '=')) {
            out_error("Invalid trace option: %s", pattern);
            return false;
        }
        if (*pattern)
            g_ptr_array_add(patterns, (void *) pattern);
    }
    g_ptr_array_add(patterns, NULL);
    g_autofree char *joined = g_strjoinv(",", (char **) patterns->pdata);
    vd_trace_set(joined);
    return true;
}
