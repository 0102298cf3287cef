/* SPDX-License-Identifier: BSD-3-Clause */
/* api/version.c - what this library is and was built with. */
#include "api/context.h"

#include "block/codec/codec.h"
#include "io/trace.h"

#ifdef VD_HAVE_URING
#    define VERSION_ENGINES "uring, aio, threads"
#else
#    define VERSION_ENGINES "aio, threads"
#endif

const char *
vd_version(void)
{
    return VD_VERSION;
}

const char *
vd_build_info(void)
{
    static gsize text; /* a char *, made once and kept */

    if (g_once_init_enter(&text)) {
        char *made = g_strdup_printf("engines: " VERSION_ENGINES "; codecs: %s",
                                     vd_codec_describe());

        g_once_init_leave(&text, (gsize) made);
    }
    return (const char *) text;
}

void
vd_trace_set(const char *patterns)
{
    vio_trace_set(patterns);
}
