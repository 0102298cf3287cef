/* SPDX-License-Identifier: BSD-3-Clause */
/* tools/io/request.h - one request to the disk, from submitting to telling.
 *
 * All are asynchronous below, so that a request that has stopped at a break
 * point, or hangs, can be interrupted.
 */
#pragma once

#include "tools/io/report.h"
#include "tools/io/shell.h"

typedef enum RequestOp {
    REQUEST_READ,
    REQUEST_WRITE,
    REQUEST_ZEROES,
    REQUEST_DISCARD,
    REQUEST_FLUSH,
} RequestOp;

typedef struct Request {
    Shell *shell;
    RequestOp op;
    VdReqFlags flags;
    uint64_t off, len;
    uint8_t *bytes;    /* READ, WRITE: len of them, in one piece */
    void *memory;      /* that they lie in */
    struct iovec *iov; /* the same in pieces */
    int niov;
    gint64 begun, ended; /* us */
    bool done;
    GError *error;
    /* How it is told. */
    ReportForm form;
    bool dump, verify;
    uint8_t pattern;
    uint64_t verify_off, verify_len;
    bool told_later; /* one of aio_read and aio_write */
} Request;

Request *request_new(Shell *shell, RequestOp op);
void request_free(Request *request);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Request, request_free)

/* Memory for the pieces @sizes, NULL = all in one, filled with @byte.  False
 * after a message. */
bool request_make_buffer(Request *request, const size_t *sizes, int n,
                         uint8_t byte);

/* Submit and wait.  False if it failed (request->error). */
bool request_run(Request *request);
/* The same, and tell of it; @name stands for the request in a message.  False
 * if it failed, or if other bytes were found than wanted. */
bool request_finish(Request *request, const char *name);
/* Submit; it is told and freed by some shell_turn(). */
void request_start(Request *request);
