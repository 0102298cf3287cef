/* SPDX-License-Identifier: BSD-3-Clause */
/* io/engine.c - chooses the engine of a loop.
 *
 * Concurrency: called while a loop is made, by its maker.
 */
#include "io/engine.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "io/loop-internal.h"

static int
engine_from_env(VioEngineKind *kind)
{
    const char *name = getenv("VDISK_ENGINE");

    if (!name || !*name || strcmp(name, "auto") == 0)
        return 0;
    if (strcmp(name, "uring") == 0)
        *kind = VIO_ENGINE_URING;
    else if (strcmp(name, "threads") == 0)
        *kind = VIO_ENGINE_THREADS;
    else if (strcmp(name, "aio") == 0)
        *kind = VIO_ENGINE_AIO;
    else
        return -EINVAL;
    return 0;
}

static int
engine_try(VioLoop *loop, const VioEngine *engine, const VioLoopParams *params,
           char *why, size_t why_size)
{
    int ret = engine->open(loop, params, why, why_size);

    if (ret == 0)
        loop->engine = engine;
    return ret;
}

static int
engine_open_uring(VioLoop *loop, const VioLoopParams *params, char *why,
                  size_t why_size)
{
#ifdef VIO_HAVE_URING
    return engine_try(loop, &vio_engine_uring, params, why, why_size);
#else
    (void) g_strlcpy(why, "not built in", why_size);
    return -ENOSYS;
#endif
}

/* What there always is, and what it may have in addition. */
static int
engine_open_threads(VioLoop *loop, VioEngineKind kind,
                    const VioLoopParams *params, char *why, size_t why_size)
{
    const VioEngine *engine =
        kind == VIO_ENGINE_AIO ? &vio_engine_aio : &vio_engine_threads;

    if (kind != VIO_ENGINE_AUTO)
        (void) g_strlcpy(loop->engine_reason, "asked for",
                         sizeof(loop->engine_reason));
    loop->may_add_aio = kind == VIO_ENGINE_AUTO;
    return engine_try(loop, engine, params, why, why_size);
}

int
vio_engine_open(VioLoop *loop, const VioLoopParams *params)
{
    VioEngineKind kind = params->engine;
    char *reason = loop->engine_reason;
    const size_t size = sizeof(loop->engine_reason);
    char why[64] = "";
    int ret = 0;

    if (kind == VIO_ENGINE_AUTO)
        ret = engine_from_env(&kind);
    if (ret == 0 && (kind == VIO_ENGINE_AUTO || kind == VIO_ENGINE_URING)) {
        ret = engine_open_uring(loop, params, why, sizeof(why));
        (void) g_snprintf(reason, size, "io_uring: %s", why);
        if (ret == 0 || kind == VIO_ENGINE_URING)
            return ret;
        (void) g_snprintf(reason, size, "no io_uring: %s (%s)",
                          *why ? why : "set-up failed", g_strerror(-ret));
        g_debug("%s", reason);
        ret = 0;
    }
    if (ret != 0)
        return ret;
    return engine_open_threads(loop, kind, params, why, sizeof(why));
}

void
vio_engine_expect_direct(VioLoop *loop)
{
    int ret;

    if (!loop->may_add_aio)
        return;
    loop->may_add_aio = false; /* not again if it fails */
    ret = vio_threads_add_aio(loop);
    g_debug("Linux AIO: %s", ret == 0 ? "in use" : g_strerror(-ret));
}
