/* SPDX-License-Identifier: BSD-3-Clause */
/* block/proto/creds.c - TLS credentials for a driver.
 *
 * Concurrency: files are read on a worker.
 */
#include "block/proto/creds.h"

#include "io/offload.h"

typedef struct {
    const VioTlsParams *params;
    VioTlsCreds *creds;
    char *why;
} LoadCreds;

static void
load_work(void *opaque)
{
    LoadCreds *work = opaque;

    work->creds = vio_tls_creds_new(work->params, &work->why);
}

VioTlsCreds *
vd_co_load_creds(VioLoop *loop, const VioTlsParams *params, char **why)
{
    LoadCreds work = {.params = params};

    vio_co_offload(loop, load_work, &work);
    *why = work.why;
    return work.creds;
}
