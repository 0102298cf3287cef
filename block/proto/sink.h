/* SPDX-License-Identifier: BSD-3-Clause */
/* block/proto/sink.h - files that are written from the first byte to the last,
 * for drivers of what cannot seek.
 *
 * A transaction makes such a file once and keeps what was written; nodes that
 * are opened on it meanwhile go on where the last one stopped.  Writes may come
 * in any order but must cover every byte once: each waits until those in front
 * of it are done.  Only the first bytes can be read back, for the format to see
 * what it has made.
 *
 * Concurrency: one loop.
 */
#pragma once

#include "block/driver.h"
#include "io/cancel.h"
#include "io/sync.h"

typedef struct VdSink VdSink;

/* The first member of what a driver keeps. */
struct VdSink {
    char *name; /* for messages */
    VioLoop *loop;
    VioCancel *cancel; /* or NULL */
    uint64_t pos;      /* bytes written */
    uint64_t size;     /* what was announced, or pos */
    GError *failure;   /* of the first write that failed; for ever */
    VioCoQueue turn;
    uint8_t *head;
    /* All @len bytes, behind those before; one call at a time. */
    bool (*co_send)(VdSink *sink, const void *data, size_t len, GError **error);
};

void vd_sink_init(VdSink *sink, const VdNode *node, const char *name);
void vd_sink_clear(VdSink *sink);

bool vd_sink_co_pwritev(VdSink *sink, uint64_t off, const VioVec *src,
                        GError **error);
bool vd_sink_read(const VdSink *sink, uint64_t off, const VioVec *dst,
                  GError **error);
/* @node is one that is opened on it. */
bool vd_sink_truncate(VdSink *sink, VdNode *node, uint64_t size,
                      GError **error);
/* Whatever was announced and not written is zero. */
bool vd_sink_co_fill(VdSink *sink, GError **error);
