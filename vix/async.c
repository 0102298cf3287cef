/* SPDX-License-Identifier: BSD-3-Clause */
/* vix/async.c - asynchronous requests.
 *
 *   submitting thread      the context                    pump
 *   submitted -----------> libvdisk's own requests
 *                          answered --------------------> callbacks
 *
 * The context is run by the disk's pump, a thread that begins with the first
 * request, or by whoever makes a synchronous call at that moment.  If nobody
 * runs it the submitting thread has a go itself: what is in memory anyway is
 * answered then, and told at once, without another thread.  What must wait is
 * handed over to the pump.
 *
 * Callbacks run while their thread does not run the context, so that they may
 * block, and may make synchronous calls on the same disk.
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
    bool done;
    int handed_over; /* to the pump; atomic */
} Request;

/* The disk that this thread calls a callback of, or, always, whose pump it
 * is. */
static __thread VixDisk *own_disk;
static __thread bool is_pump;

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

/* Another thread than the pump runs the context: the pump learns of it when
 * that one has left the disk, or the submitting thread is going to tell. */
static void
push_answered(VixAsync *async, Request *req)
{
    (void) pthread_mutex_lock(&async->lock);
    req->done = true;
    if (g_atomic_int_get(&req->handed_over)) {
        g_queue_push_tail_link(&async->answered, &req->link);
        g_atomic_int_set(&async->has_answered, 1);
    }
    (void) pthread_mutex_unlock(&async->lock);
}

/* libvdisk's callback. */
static void
request_done(void *opaque, const GError *error)
{
    Request *req = opaque;
    VixDisk *disk = req->disk;

    if (error)
        req->result = vix_fail_async(req->function, error);
    if (is_pump && own_disk == disk && g_atomic_int_get(&req->handed_over))
        g_queue_push_tail_link(&disk->async.answered_here, &req->link);
    else
        push_answered(&disk->async, req);
}

/* Not earlier: who runs the context would take the message itself, and the pump
 * might begin to wait in it for what has been answered. */
void
vix_async_look_after(VixDisk *disk)
{
    if (g_atomic_int_get(&disk->async.has_answered))
        vd_context_post(disk->ctx, wake_pump, NULL);
}

static void
request_start(void *opaque)
{
    Request *req = opaque;
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
forget_one_locked(VixAsync *async, Request *req)
{
    async->in_flight--;
    epoch_leave_locked(async, req->epoch);
    if (async->stop)
        (void) pthread_cond_signal(&async->work);
    g_free(req);
}

static void
forget_locked(VixAsync *async, GQueue *answered)
{
    GList *link;

    while ((link = g_queue_pop_head_link(answered))) {
        Request *req = link->data;

        async->n_handed_over--;
        forget_one_locked(async, req);
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
        g_atomic_int_set(&async->has_answered, 0);
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
    is_pump = true;
    (void) pthread_mutex_lock(&async->lock);
    while (!async->stop || async->in_flight > 0) {
        if (tell_answered_locked(async))
            continue;
        if (async->n_handed_over > 0) {
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
        vix_live_wait_left(disk);
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
    if (is_pump && own_disk == disk) {
        (void) pthread_detach(async->pump);
    } else {
        (void) pthread_mutex_lock(&async->lock);
        async->stop = true;
        (void) pthread_cond_signal(&async->work);
        (void) pthread_mutex_unlock(&async->lock);
        vd_context_post(disk->ctx, wake_pump, NULL);
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
    (void) pthread_cond_signal(&async->work);
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

/* From here on the pump tells; it may be over with @req at once. */
static void
hand_over_locked(VixAsync *async, Request *req)
{
    g_atomic_int_set(&req->handed_over, 1);
    if (async->n_handed_over++ == 0)
        (void) pthread_cond_signal(&async->work);
}

static void
submit_locked(VixAsync *async, Request *req, bool *tell_context)
{
    hand_over_locked(async, req);
    g_queue_push_tail_link(&async->submitted, &req->link);
    *tell_context = !async->told;
    async->told = true;
}

/* True if it has been answered here, and this thread is to tell. */
static bool
try_here(Request *req)
{
    VixAsync *async = &req->disk->async;
    VixDisk *disk = req->disk;
    bool tried =
        own_disk == NULL && vd_context_try_run(disk->ctx, request_start, req);
    bool done, tell_context = false;

    (void) pthread_mutex_lock(&async->lock);
    done = req->done;
    if (!tried)
        submit_locked(async, req, &tell_context);
    else if (!done)
        hand_over_locked(async, req);
    (void) pthread_mutex_unlock(&async->lock);
    if (tell_context)
        vd_context_post(disk->ctx, start_submitted, disk);
    return done;
}

/* The calling thread is inside the disk.  *@here: it is to tell of *@queued,
 * once it has left. */
static VixError
queue(const Request *wanted, Request **queued, bool *here)
{
    Request *req = g_new(Request, 1);
    VixAsync *async = &wanted->disk->async;
    bool has_pump;

    *req = *wanted;
    req->link = (GList){.data = req};
    (void) pthread_mutex_lock(&async->lock);
    has_pump = pump_start_locked(req->disk);
    if (has_pump) {
        req->epoch = epoch_enter_locked(async);
        async->in_flight++;
    }
    (void) pthread_mutex_unlock(&async->lock);
    if (!has_pump) {
        g_free(req);
        return vix_fail(VIX_E_OUT_OF_MEMORY, "%s: no thread for callbacks",
                        wanted->function);
    }
    *queued = req;
    *here = try_here(req);
    return VIX_ASYNC;
}

/* The calling thread has left the disk, which stays until its request is
 * forgotten. */
static void
tell_here(Request *req)
{
    VixAsync *async = &req->disk->async;

    own_disk = req->disk;
    req->callback(req->opaque, req->result);
    own_disk = NULL;
    (void) pthread_mutex_lock(&async->lock);
    forget_one_locked(async, req);
    (void) pthread_mutex_unlock(&async->lock);
}

static VixError
submit(const Request *wanted, VixDiskLibSectorType start,
       VixDiskLibSectorType count, const void *buffer)
{
    VixDisk *disk = wanted->disk;
    Request req = *wanted, *queued = NULL;
    bool has_buffer = buffer || req.op > OP_WRITE, here = false;
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
        err = queue(&req, &queued, &here);
    }
    vix_live_leave(disk);
    if (here)
        tell_here(queued);
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
