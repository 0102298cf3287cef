/* SPDX-License-Identifier: BSD-3-Clause */
/* block/codec/offload.c - inflating on a worker.
 *
 * Concurrency: any number at once; each is one hand-over.
 */
#include "block/codec/codec.h"

#include "io/offload.h"

typedef struct {
    VdCodecFrame frame;
    const void *src;
    size_t len;
    void *dst;
    size_t dst_len;
    GError *error;
} Inflate;

static void
inflate_main(void *opaque)
{
    Inflate *job = opaque;

    (void) vd_codec_inflate_whole(job->frame, job->src, job->len, job->dst,
                                  job->dst_len, &job->error);
}

bool
vd_codec_co_inflate_whole(VioLoop *loop, VdCodecFrame frame, const void *src,
                          size_t len, void *dst, size_t dst_len, GError **error)
{
    Inflate job = {
        .frame = frame, .src = src, .len = len, .dst = dst, .dst_len = dst_len};

    vio_co_offload(loop, inflate_main, &job);
    if (!job.error)
        return true;
    g_propagate_error(error, job.error);
    return false;
}
