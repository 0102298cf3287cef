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

/* Whose a request is to tell. */
typedef enum {
    OF_SUBMITTER, /* if it is answered before that looks */
    OF_PUMP,
    ANSWERED, /* before it was the pump's */
} State;

/* Memory of that many requests is kept for the next ones. */
#define SPARE_MAX 256

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
    State state;    /* atomic */
    uint64_t epoch; /* VixAsync.epoch when it was submitted */
    GList life;     /* in VixAsync.in_flight */
    GList link;     /* in submitted, answered or spare */
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
    GList *link;

    while ((link = g_queue_pop_head_link(&disk->async.spare)))
        g_free(link->data);
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
 * that one has left the disk. */
static void
push_answered(VixAsync *async, Request *req)
{
    (void) pthread_mutex_lock(&async->lock);
    g_queue_push_tail_link(&async->answered, &req->link);
    g_atomic_int_set(&async->has_answered, 1);
    (void) pthread_mutex_unlock(&async->lock);
}

static bool
is_on_pump_of(const VixDisk *disk)
{
    return is_pump && own_disk == disk;
}

/* libvdisk's callback. */
static void
request_done(void *opaque, const GError *error)
{
    Request *req = opaque;
    VixDisk *disk = req->disk;

    if (error)
        req->result = vix_fail_async(req->function, error);
    if (__atomic_load_n(&req->state, __ATOMIC_ACQUIRE) == OF_SUBMITTER &&
        __atomic_exchange_n(&req->state, ANSWERED, __ATOMIC_ACQ_REL) ==
            OF_SUBMITTER)
        return;
    if (is_on_pump_of(disk))
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

static void
run_callbacks(const GQueue *answered)
{
    for (const GList *link = answered->head; link; link = link->next) {
        const Request *req = link->data;

        req->callback(req->opaque, req->result);
    }
}

static bool
has_older_locked(const VixAsync *async, uint64_t epoch)
{
    const GList *oldest = async->in_flight.head;

    return oldest && ((const Request *) oldest->data)->epoch <= epoch;
}

static void
forget_one_locked(VixAsync *async, Request *req)
{
    g_queue_unlink(&async->in_flight, &req->life);
    if (!has_older_locked(async, req->epoch))
        (void) pthread_cond_broadcast(&async->rest);
    if (async->stop)
        (void) pthread_cond_signal(&async->work);
    if (async->spare.length < SPARE_MAX)
        g_queue_push_head_link(&async->spare, &req->link);
    else
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

/* What callbacks have submitted here needs no message to the context, unless
 * another thread runs it. */
static void
turn_context_locked(VixDisk *disk)
{
    VixAsync *async = &disk->async;
    bool start = !g_queue_is_empty(&async->submitted) && !async->told;

    async->told = async->told || start;
    (void) pthread_mutex_unlock(&async->lock);
    if (!start)
        (void) vd_context_iterate(disk->ctx, -1);
    else if (!vd_context_try_run(disk->ctx, start_submitted, disk))
        vd_context_post(disk->ctx, start_submitted, disk);
    (void) pthread_mutex_lock(&async->lock);
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
    while (!async->stop || async->in_flight.length > 0) {
        if (tell_answered_locked(async))
            continue;
        if (async->n_handed_over > 0)
            turn_context_locked(disk);
        else
            (void) pthread_cond_wait(&async->work, &async->lock);
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
    while (async->in_flight.length > 0)
        (void) pthread_cond_wait(&async->rest, &async->lock);
    (void) pthread_mutex_unlock(&async->lock);
}

/* Requests tell of their failures themselves. */
static void
wait_for_present(VixAsync *async)
{
    uint64_t epoch;

    (void) pthread_mutex_lock(&async->lock);
    epoch = async->epoch++;
    while (has_older_locked(async, epoch))
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

/* From here on the pump tells, unless it has been answered: false. */
static bool
hand_over_locked(VixAsync *async, Request *req)
{
    State before = OF_SUBMITTER;

    if (!__atomic_compare_exchange_n(&req->state, &before, OF_PUMP, false,
                                     __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE))
        return false;
    if (async->n_handed_over++ == 0)
        (void) pthread_cond_signal(&async->work);
    return true;
}

/* True if the context must be told: nobody has, and this is not the pump on
 * its way there. */
static bool
submit_locked(Request *req)
{
    VixAsync *async = &req->disk->async;

    (void) hand_over_locked(async, req);
    g_queue_push_tail_link(&async->submitted, &req->link);
    if (async->told || is_on_pump_of(req->disk))
        return false;
    async->told = true;
    return true;
}

static void
submit_to_pump(Request *req)
{
    VixDisk *disk = req->disk;
    bool tell_context;

    (void) pthread_mutex_lock(&disk->async.lock);
    tell_context = submit_locked(req);
    (void) pthread_mutex_unlock(&disk->async.lock);
    if (tell_context)
        vd_context_post(disk->ctx, start_submitted, disk);
}

/* True if it has been answered here, and this thread is to tell. */
static bool
try_here(Request *req)
{
    VixAsync *async = &req->disk->async;
    bool done;

    if (own_disk || !vd_context_try_run(req->disk->ctx, request_start, req)) {
        submit_to_pump(req);
        return false;
    }
    if (__atomic_load_n(&req->state, __ATOMIC_ACQUIRE) == ANSWERED)
        return true;
    (void) pthread_mutex_lock(&async->lock);
    done = !hand_over_locked(async, req);
    (void) pthread_mutex_unlock(&async->lock);
    return done;
}

static Request *
request_new_locked(VixAsync *async, const Request *wanted)
{
    GList *spare = g_queue_pop_head_link(&async->spare);
    Request *req = spare ? spare->data : g_new(Request, 1);

    *req = *wanted;
    req->epoch = async->epoch;
    req->link = req->life = (GList){.data = req};
    g_queue_push_tail_link(&async->in_flight, &req->life);
    return req;
}

/* The calling thread is inside the disk.  *@here: it is to tell of *@queued,
 * once it has left. */
static VixError
queue(const Request *wanted, Request **queued, bool *here)
{
    VixAsync *async = &wanted->disk->async;
    Request *req = NULL;

    (void) pthread_mutex_lock(&async->lock);
    if (pump_start_locked(wanted->disk))
        req = request_new_locked(async, wanted);
    (void) pthread_mutex_unlock(&async->lock);
    if (!req)
        return vix_fail(VIX_E_OUT_OF_MEMORY, "%s: no thread for callbacks",
                        wanted->function);
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
