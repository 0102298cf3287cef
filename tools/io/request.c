/* SPDX-License-Identifier: BSD-3-Clause */
/* tools/io/request.c - submitting requests and telling of them.
 *
 * Concurrency: main thread only.  Callbacks come while the loop goes round;
 * they only queue: what is printed, and when, is the shell's business.
 */
#include "tools/io/request.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tools/output.h"

#define BUFFER_ALIGN 4096
#define BUFFER_OFFSET 16 /* of those that are to be misaligned */
#define TURN_MS 200      /* how soon a signal is noticed at the latest */

Request *
request_new(Shell *shell, RequestOp op)
{
    Request *request = g_new0(Request, 1);

    request->shell = shell;
    request->op = op;
    return request;
}

void
request_free(Request *request)
{
    if (!request)
        return;
    free(request->memory);
    g_free(request->iov);
    g_clear_error(&request->error);
    g_free(request);
}

bool
request_make_buffer(Request *request, const size_t *sizes, int n, uint8_t byte)
{
    size_t shift = request->shell->misaligned ? BUFFER_OFFSET : 0;
    size_t whole = (size_t) request->len;
    uint8_t *next;

    if (posix_memalign(&request->memory, BUFFER_ALIGN, whole + shift + 1)) {
        request->memory = NULL;
        out_error("no memory for %zu bytes", whole);
        return false;
    }
    next = request->bytes = (uint8_t *) request->memory + shift;
    memset(request->bytes, byte, whole);
    request->niov = sizes ? n : 1;
    request->iov = g_new(struct iovec, request->niov);
    for (int i = 0; i < request->niov; i++) {
        size_t len = sizes ? sizes[i] : whole;
        request->iov[i] = (struct iovec){.iov_base = next, .iov_len = len};
        next += len;
    }
    return true;
}

static void
request_ended(void *opaque, const GError *error)
{
    Request *request = opaque;

    request->ended = g_get_monotonic_time();
    request->error = error ? g_error_copy(error) : NULL;
    request->done = true;
    if (request->told_later)
        g_queue_push_tail(&request->shell->finished, request);
}

static void
request_submit(Request *r)
{
    VdDisk *disk = r->shell->disk;

    r->begun = g_get_monotonic_time();
    switch (r->op) {
    case REQUEST_READ:
        vd_disk_preadv_async(disk, r->iov, r->niov, r->off, request_ended, r);
        break;
    case REQUEST_WRITE:
        vd_disk_pwritev_async(disk, r->iov, r->niov, r->off, r->flags,
                              request_ended, r);
        break;
    case REQUEST_ZEROES:
        vd_disk_write_zeroes_async(disk, r->off, r->len, r->flags,
                                   request_ended, r);
        break;
    case REQUEST_DISCARD:
        vd_disk_discard_async(disk, r->off, r->len, request_ended, r);
        break;
    case REQUEST_FLUSH:
        vd_disk_flush_async(disk, request_ended, r);
        break;
    }
}

bool
request_run(Request *request)
{
    request_submit(request);
    while (!request->done) {
        if (shell_interrupted())
            shell_forget_breaks(request->shell);
        shell_turn(request->shell, TURN_MS);
    }
    return !request->error;
}

void
request_start(Request *request)
{
    request->told_later = true;
    request->shell->n_in_flight++;
    request_submit(request);
    shell_kick(request->shell);
}

/* -- telling -------------------------------------------------------------- */

static bool
pattern_found(const Request *request)
{
    const uint8_t *bytes = request->bytes + request->verify_off;

    for (uint64_t i = 0; i < request->verify_len; i++)
        if (bytes[i] != request->pattern)
            return false;
    return true;
}

/* Verify, dump, report a read that succeeded. */
static bool
read_tell(const Request *request)
{
    bool good = !request->verify || pattern_found(request);

    if (!good)
        printf("Pattern verification failed at offset %" PRIu64 ", %" PRIu64
               " bytes\n",
               request->off + request->verify_off, request->verify_len);
    if (request->dump && request->form != REPORT_NONE)
        report_dump(request->bytes, request->len, request->off);
    report_done(request->form, "read", request->off, request->len,
                request->ended - request->begun);
    return good;
}

static bool
request_tell(const Request *request, const char *name)
{
    if (request->error) {
        report_failure(name, request->error);
        return false;
    }
    if (request->op == REQUEST_READ)
        return read_tell(request);
    report_done(request->form,
                request->op == REQUEST_DISCARD ? "discard" : "wrote",
                request->off, request->len, request->ended - request->begun);
    return true;
}

bool
request_finish(Request *request, const char *name)
{
    (void) request_run(request); /* told with the rest */
    return request_tell(request, name);
}

void
shell_turn(Shell *shell, int timeout_ms)
{
    Request *request;

    (void) vd_context_iterate(shell->ctx, timeout_ms);
    shell_tell_breaks(shell);
    while ((request = g_queue_pop_head(&shell->finished))) {
        (void) request_tell(request, request->op == REQUEST_READ
                                         ? "readv"
                                         : "aio_write"); /* long done */
        request_free(request);
        shell->n_in_flight--;
    }
    fflush(stdout); /* whoever waits for it may be what we wait for */
}

void
shell_kick(Shell *shell)
{
    (void) vd_context_dispatch(shell->ctx);
    shell_tell_breaks(shell);
}

void
shell_drain(Shell *shell)
{
    while (shell->n_in_flight) {
        if (shell_interrupted())
            shell_forget_breaks(shell);
        shell_turn(shell, TURN_MS);
    }
}
