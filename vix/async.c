/* SPDX-License-Identifier: BSD-3-Clause */
/* vix/async.c - asynchronous requests.
 *
 *   submitting thread      the context                    pump
 *   submitted -----------> libvdisk's own requests
 *                          answered --------------------> callbacks
 *
 * The context is run by the disk's pump, a thread that begins with the first
 * request, or by whoever makes a synchronous call at that moment.  Callbacks
 * run on the pump while it does not run the context, so that they may block,
 * and may make synchronous calls on the same disk.
 *
 * Concurrency: any thread.  The lock of the disk is held for moments only,
 * never while the context is run or a callback.
 */
#include "vix/async.h"

#include <signal.h>

#include "vix/disk.h"
#include "vix/error.h"

typedef enum { OP_READ, OP_WRITE, OP_ZEROES, OP_DISCARD, OP_FLUSH } Op;

/* Requests that were submitted between two calls of VixDiskLib_Wait(). */
typedef struct {
    uint64_t number;
    unsigned in_flight;
    GList link; /* in VixAsync.epochs */
} Epoch;

typedef struct {
    Op op;
    VixDisk *disk;
    const char *function;
    uint64_t off, len;
    struct iovec iov;
    VdReqFlags flags;
    VixDiskLibCompletionCB callback;
    void *opaque;
    VixError result;
    Epoch *epoch;
    GList link; /* in submitted or answered */
} Request;

/* The disk whose pump this thread is. */
static __thread VixDisk *own_disk;

const VixDisk *
vix_async_own_disk(void)
{
    return own_disk;
}

void
vix_async_init(VixDisk *disk)
{
    (void) pthread_mutex_init(&disk->async.lock, NULL);
    (void) pthread_cond_init(&disk->async.work, NULL);
    (void) pthread_cond_init(&disk->async.rest, NULL);
}

void
vix_async_clear(VixDisk *disk)
{
    (void) pthread_mutex_destroy(&disk->async.lock);
    (void) pthread_cond_destroy(&disk->async.work);
    (void) pthread_cond_destroy(&disk->async.rest);
}

/* -- in the context ------------------------------------------------------- */

static void
wake_pump(void *opaque)
{
    /* It has come back from the context, that is all. */
}

/* libvdisk's callback.  The thread that runs the context, if it is not the
 * pump, looks after what it has answered when it leaves the disk. */
static void
request_done(void *opaque, const GError *error)
{
    Request *req = opaque;
    VixDisk *disk = req->disk;
    VixAsync *async = &disk->async;

    if (error)
        req->result = vix_fail_async(req->function, error);
    if (own_disk == disk) {
        g_queue_push_tail_link(&async->answered_here, &req->link);
        return;
    }
    (void) pthread_mutex_lock(&async->lock);
    g_queue_push_tail_link(&async->answered, &req->link);
    g_atomic_int_set(&async->has_answered, true);
    (void) pthread_mutex_unlock(&async->lock); /* the request is gone now */
}

/* Not before this thread has come out of the context: as long as it is in there
 * it would take the message itself, and the pump, which waits to be let in,
 * would find nothing but silence. */
void
vix_async_look_after(VixDisk *disk)
{
    if (g_atomic_int_get(&disk->async.has_answered))
        vd_context_post(disk->ctx, wake_pump, NULL);
}

static void
request_start(Request *req)
{
    VdDisk *disk = req->disk->disk;

    switch (req->op) {
    case OP_READ:
        vd_disk_preadv_async(disk, &req->iov, 1, req->off, request_done, req);
        break;
    case OP_WRITE:
        vd_disk_pwritev_async(disk, &req->iov, 1, req->off, req->flags,
                              request_done, req);
        break;
    case OP_ZEROES:
        vd_disk_write_zeroes_async(disk, req->off, req->len, req->flags,
                                   request_done, req);
        break;
    case OP_DISCARD:
        vd_disk_discard_async(disk, req->off, req->len, request_done, req);
        break;
    case OP_FLUSH:
        vd_disk_flush_async(disk, request_done, req);
        break;
    }
}

static void
start_submitted(void *opaque)
{
    VixDisk *disk = opaque;
    GQueue submitted;
    GList *link;

    (void) pthread_mutex_lock(&disk->async.lock);
    submitted = disk->async.submitted;
    g_queue_init(&disk->async.submitted);
    disk->async.told = false;
    (void) pthread_mutex_unlock(&disk->async.lock);
    while ((link = g_queue_pop_head_link(&submitted)))
        request_start(link->data);
}

/* -- the pump ------------------------------------------------------------- */

static Epoch *
epoch_enter_locked(VixAsync *async)
{
    Epoch *epoch = g_queue_peek_tail(&async->epochs);

    if (!epoch || epoch->number != async->epoch) {
        epoch = g_new0(Epoch, 1);
        epoch->number = async->epoch;
        epoch->link.data = epoch;
        g_queue_push_tail_link(&async->epochs, &epoch->link);
    }
    epoch->in_flight++;
    return epoch;
}

static void
epoch_leave_locked(VixAsync *async, Epoch *epoch)
{
    if (--epoch->in_flight > 0)
        return;
    g_queue_unlink(&async->epochs, &epoch->link);
    g_free(epoch);
    (void) pthread_cond_broadcast(&async->rest);
}

static void
run_callbacks(const GQueue *answered)
{
    for (const GList *link = answered->head; link; link = link->next) {
        const Request *req = link->data;

        req->callback(req->opaque, req->result);
    }
}

static void
forget_locked(VixAsync *async, GQueue *answered)
{
    GList *link;

    while ((link = g_queue_pop_head_link(answered))) {
        Request *req = link->data;

        async->in_flight--;
        epoch_leave_locked(async, req->epoch);
        g_free(req);
    }
}

/* All that is answered; false if nothing is. */
static bool
tell_answered_locked(VixAsync *async)
{
    GQueue *next = g_queue_is_empty(&async->answered) ? &async->answered_here
                                                      : &async->answered;
    GQueue answered = *next;

    if (g_queue_is_empty(next))
        return false;
    g_queue_init(next);
    if (next == &async->answered)
        g_atomic_int_set(&async->has_answered, false);
    (void) pthread_mutex_unlock(&async->lock);
    run_callbacks(&answered);
    (void) pthread_mutex_lock(&async->lock);
    forget_locked(async, &answered);
    return true;
}

static void *
pump_main(void *opaque)
{
    VixDisk *disk = opaque;
    VixAsync *async = &disk->async;
    bool close_later;

    own_disk = disk;
    (void) pthread_mutex_lock(&async->lock);
    while (!async->stop || async->in_flight > 0) {
        if (tell_answered_locked(async))
            continue;
        if (async->in_flight > 0) {
            (void) pthread_mutex_unlock(&async->lock);
            (void) vd_context_iterate(disk->ctx, -1);
            (void) pthread_mutex_lock(&async->lock);
        } else {
            (void) pthread_cond_wait(&async->work, &async->lock);
        }
    }
    close_later = async->close_later;
    (void) pthread_mutex_unlock(&async->lock);
    if (close_later) {
        (void) vix_disk_free(disk); /* has warned if it failed */
        vix_live_end_closing();
    }
    return NULL;
}

/* It takes no signals: those belong to the program's own threads. */
static bool
pump_start_locked(VixDisk *disk)
{
    VixAsync *async = &disk->async;
    sigset_t all, before;

    if (!async->has_pump) {
        (void) sigfillset(&all);
        (void) pthread_sigmask(SIG_SETMASK, &all, &before);
        async->has_pump =
            pthread_create(&async->pump, NULL, pump_main, disk) == 0;
        (void) pthread_sigmask(SIG_SETMASK, &before, NULL);
    }
    return async->has_pump;
}

void
vix_async_stop(VixDisk *disk)
{
    VixAsync *async = &disk->async;

    if (!async->has_pump)
        return;
    async->has_pump = false;
    if (own_disk == disk) {
        (void) pthread_detach(async->pump);
    } else {
        (void) pthread_mutex_lock(&async->lock);
        async->stop = true;
        (void) pthread_cond_signal(&async->work);
        (void) pthread_mutex_unlock(&async->lock);
        (void) pthread_join(async->pump, NULL);
    }
}

bool
vix_async_close_later(VixDisk *disk)
{
    VixAsync *async = &disk->async;

    if (own_disk != disk)
        return false;
    (void) pthread_mutex_lock(&async->lock);
    async->close_later = async->stop = true;
    (void) pthread_mutex_unlock(&async->lock);
    vix_live_begin_closing();
    return true;
}

/* -- waiting -------------------------------------------------------------- */

void
vix_async_drain(VixDisk *disk)
{
    VixAsync *async = &disk->async;

    (void) pthread_mutex_lock(&async->lock);
    while (async->in_flight > 0)
        (void) pthread_cond_wait(&async->rest, &async->lock);
    (void) pthread_mutex_unlock(&async->lock);
}

static bool
has_older_locked(VixAsync *async, uint64_t number)
{
    const Epoch *oldest = g_queue_peek_head(&async->epochs);

    return oldest && oldest->number <= number;
}

/* Requests tell of their failures themselves. */
static void
wait_for_present(VixAsync *async)
{
    uint64_t number;

    (void) pthread_mutex_lock(&async->lock);
    number = async->epoch++;
    while (has_older_locked(async, number))
        (void) pthread_cond_wait(&async->rest, &async->lock);
    (void) pthread_mutex_unlock(&async->lock);
}

VixError
VixDiskLib_Wait(VixDiskLibHandle diskHandle)
{
    const char *function = "VixDiskLib_Wait";
    VixError err = vix_live_enter(function, diskHandle);

    if (err != VIX_OK)
        return err;
    if (own_disk == diskHandle)
        err = vix_fail(VIX_E_OBJECT_IS_BUSY,
                       "%s: in a callback, which it would wait for", function);
    else
        wait_for_present(&diskHandle->async);
    vix_live_leave(diskHandle);
    return err;
}

/* -- submitting ----------------------------------------------------------- */

static VixError
queue(Request *req)
{
    VixDisk *disk = req->disk;
    VixAsync *async = &disk->async;
    bool tell;

    (void) pthread_mutex_lock(&async->lock);
    if (!pump_start_locked(disk)) {
        (void) pthread_mutex_unlock(&async->lock);
        return vix_fail(VIX_E_OUT_OF_MEMORY, "%s: no thread for callbacks",
                        req->function);
    }
    req->epoch = epoch_enter_locked(async);
    g_queue_push_tail_link(&async->submitted, &req->link);
    tell = !async->told;
    async->told = true;
    if (async->in_flight++ == 0)
        (void) pthread_cond_signal(&async->work);
    (void) pthread_mutex_unlock(&async->lock);
    if (tell)
        vd_context_post(disk->ctx, start_submitted, disk);
    return VIX_ASYNC;
}

/* The calling thread is inside the disk. */
static VixError
queue_copy(const Request *wanted)
{
    Request *req = g_new(Request, 1);
    VixError err;

    *req = *wanted;
    req->link = (GList){.data = req};
    err = queue(req);
    if (err != VIX_ASYNC)
        g_free(req);
    return err;
}

static VixError
submit(const Request *wanted, VixDiskLibSectorType start,
       VixDiskLibSectorType count, const void *buffer)
{
    VixDisk *disk = wanted->disk;
    Request req = *wanted;
    bool has_buffer = buffer || req.op > OP_WRITE;
    VixError err = vix_live_enter(req.function, disk);

    if (err != VIX_OK)
        return err;
    if (!req.callback)
        err = vix_fail(VIX_E_INVALID_ARG, "%s: no callback", req.function);
    else
        err =
            vix_disk_check_request(req.function, disk, start, count, has_buffer,
                                   req.op != OP_READ && req.op != OP_FLUSH);
    if (err == VIX_OK) {
        req.off = vix_bytes(start);
        req.len = vix_bytes(count);
        req.iov = (struct iovec){(void *) buffer, req.len};
        err = queue_copy(&req);
    }
    vix_live_leave(disk);
    return err;
}

VixError
VixDiskLib_ReadAsync(VixDiskLibHandle diskHandle,
                     VixDiskLibSectorType startSector,
                     VixDiskLibSectorType numSectors, uint8 *readBuffer,
                     VixDiskLibCompletionCB callback, void *cbData)
{
    Request req = {.op = OP_READ,
                   .disk = diskHandle,
                   .function = "VixDiskLib_ReadAsync",
                   .callback = callback,
                   .opaque = cbData};

    return submit(&req, startSector, numSectors, readBuffer);
}

VixError
VixDiskLib_WriteAsync(VixDiskLibHandle diskHandle,
                      VixDiskLibSectorType startSector,
                      VixDiskLibSectorType numSectors, const uint8 *writeBuffer,
                      VixDiskLibCompletionCB callback, void *cbData)
{
    Request req = {.op = OP_WRITE,
                   .disk = diskHandle,
                   .function = "VixDiskLib_WriteAsync",
                   .callback = callback,
                   .opaque = cbData};

    return submit(&req, startSector, numSectors, writeBuffer);
}

VixError
VixDiskLibExt_WriteZeroesAsync(VixDiskLibHandle diskHandle,
                               VixDiskLibSectorType startSector,
                               VixDiskLibSectorType numSectors, uint32 flags,
                               VixDiskLibCompletionCB callback, void *cbData)
{
    Request req = {.op = OP_ZEROES,
                   .disk = diskHandle,
                   .function = "VixDiskLibExt_WriteZeroesAsync",
                   .flags = vix_zero_flags(flags),
                   .callback = callback,
                   .opaque = cbData};

    return submit(&req, startSector, numSectors, NULL);
}

VixError
VixDiskLibExt_DiscardAsync(VixDiskLibHandle diskHandle,
                           VixDiskLibSectorType startSector,
                           VixDiskLibSectorType numSectors,
                           VixDiskLibCompletionCB callback, void *cbData)
{
    Request req = {.op = OP_DISCARD,
                   .disk = diskHandle,
                   .function = "VixDiskLibExt_DiscardAsync",
                   .callback = callback,
                   .opaque = cbData};

    return submit(&req, startSector, numSectors, NULL);
}

VixError
VixDiskLibExt_FlushAsync(VixDiskLibHandle diskHandle,
                         VixDiskLibCompletionCB callback, void *cbData)
{
    Request req = {.op = OP_FLUSH,
                   .disk = diskHandle,
                   .function = "VixDiskLibExt_FlushAsync",
                   .callback = callback,
                   .opaque = cbData};

    return submit(&req, 0, 0, NULL);
}
