/* SPDX-License-Identifier: BSD-3-Clause */
/* io/buffer.c - aligned I/O buffers from a bounded pool.
 *
 * A fresh page costs eight times the copy of its content, so memory is mapped
 * in huge-page chunks and handed out again while it is still in a cache.  A
 * chunk is cut into buffers of one size for life; when other sizes need the
 * room, chunks that lie idle are unmapped.
 *
 * Concurrency: everything by coroutines of one loop.
 */
#include "io/buffer.h"

#include <errno.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include "io/fiber.h"
#include "io/loop-internal.h"

#define BUFFER_MIN 4096u
#define BUFFER_CHUNK (2u << 20)
#define BUFFER_LARGE VIO_BUFFER_CLASSES /* class of whole rows of chunks */

struct VioBufferFree {
    VioBufferFree *next;
};

struct VioBufferChunk {
    VioBufferChunk *next;
    char *base;
    size_t size;
    unsigned class;
    unsigned out; /* buffers in use */
    int pin;      /* by the engine; 0 = not (yet), negative = tried in vain */
};

static unsigned
buffer_class(size_t len)
{
    unsigned class = 0;

    while (class < VIO_BUFFER_CLASSES && (size_t) BUFFER_MIN << class < len)
        class ++;
    return class;
}

size_t
vio_buffer_size(size_t len)
{
    unsigned class = buffer_class(len);

    if (class < BUFFER_LARGE)
        return (size_t) BUFFER_MIN << class;
    g_assert(len <= SIZE_MAX - BUFFER_CHUNK);
    return (len + BUFFER_CHUNK - 1) & ~(size_t) (BUFFER_CHUNK - 1);
}

size_t
vio_buffer_longest(size_t room)
{
    unsigned class = VIO_BUFFER_CLASSES - 1;

    if (room >= BUFFER_CHUNK)
        return room & ~(size_t) (BUFFER_CHUNK - 1);
    while (class > 0 && (size_t) BUFFER_MIN << class > room)
        class --;
    return room < BUFFER_MIN ? 0 : (size_t) BUFFER_MIN << class;
}

/* -- chunks --------------------------------------------------------------- */

/* Map @size bytes at a multiple of BUFFER_CHUNK: map more, cut the ends. */
static char *
chunk_map(size_t size)
{
    size_t total = size + BUFFER_CHUNK;
    char *raw = mmap(NULL, total, PROT_READ | PROT_WRITE,
                     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    size_t head;

    if (raw == MAP_FAILED)
        g_error("out of memory for %zu bytes of I/O buffers", size);
    head = -(uintptr_t) raw & (BUFFER_CHUNK - 1);
    if (head > 0)
        (void) munmap(raw, head);
    if (head < BUFFER_CHUNK)
        (void) munmap(raw + head + size, BUFFER_CHUNK - head);
    (void) madvise(raw + head, size, MADV_HUGEPAGE);
    return raw + head;
}

static VioBufferChunk *
chunk_new(VioBufferPool *pool, unsigned class, size_t size)
{
    VioBufferChunk *chunk = g_new0(VioBufferChunk, 1);

    chunk->base = chunk_map(size);
    chunk->size = size;
    chunk->class = class;
    chunk->next = pool->chunks;
    pool->chunks = chunk;
    pool->mapped += size;
    return chunk;
}

static bool
chunk_holds(const VioBufferChunk *chunk, const void *buf)
{
    return (uintptr_t) buf - (uintptr_t) chunk->base < chunk->size;
}

static VioBufferChunk *
chunk_of(const VioBufferPool *pool, const void *buf)
{
    VioBufferChunk *chunk = pool->chunks;

    while (!chunk_holds(chunk, buf))
        chunk = chunk->next;
    return chunk;
}

#ifdef VIO_ASAN
#    define buffer_hide(buf, len) ASAN_POISON_MEMORY_REGION(buf, len)
#    define buffer_show(buf, len) ASAN_UNPOISON_MEMORY_REGION(buf, len)
#else
#    define buffer_hide(buf, len) ((void) (buf), (void) (len))
#    define buffer_show(buf, len) ((void) (buf), (void) (len))
#endif

/* -- free lists ----------------------------------------------------------- */

/* The link stands in the buffer itself, which stays visible to tools. */

static void
free_push(VioBufferPool *pool, unsigned class, void *buf)
{
    VioBufferFree *node = buf;

    node->next = pool->free[class];
    pool->free[class] = node;
    buffer_hide((char *) buf + sizeof(*node),
                ((size_t) BUFFER_MIN << class) - sizeof(*node));
}

static void
free_drop_chunk(VioBufferPool *pool, const VioBufferChunk *chunk)
{
    VioBufferFree **link = &pool->free[chunk->class];

    while (*link)
        if (chunk_holds(chunk, *link))
            *link = (*link)->next;
        else
            link = &(*link)->next;
}

static VioLoop *
pool_loop(VioBufferPool *pool)
{
    return (VioLoop *) ((char *) pool - offsetof(VioLoop, buffers));
}

static void
chunk_free(VioBufferPool *pool, VioBufferChunk **link)
{
    VioBufferChunk *chunk = *link;

    g_assert(chunk->out == 0);
    if (chunk->pin > 0) {
        pool_loop(pool)->engine->unpin(pool_loop(pool), chunk->pin);
        pool->pinned -= chunk->size;
    }
    *link = chunk->next;
    if (chunk->class < BUFFER_LARGE)
        free_drop_chunk(pool, chunk);
    buffer_show(chunk->base, chunk->size);
    pool->mapped -= chunk->size;
    (void) munmap(chunk->base, chunk->size);
    g_free(chunk);
}

/* Unmap idle chunks until @size more bytes fit into the limit, or none is
 * left. */
static void
pool_make_room(VioBufferPool *pool, size_t size)
{
    VioBufferChunk **link = &pool->chunks;

    while (*link && pool->mapped + size > pool->limit)
        if ((*link)->out == 0)
            chunk_free(pool, link);
        else
            link = &(*link)->next;
}

static void
pool_cut(VioBufferPool *pool, unsigned class)
{
    size_t step = (size_t) BUFFER_MIN << class;
    VioBufferChunk *chunk;

    pool_make_room(pool, BUFFER_CHUNK);
    chunk = chunk_new(pool, class, BUFFER_CHUNK);
    for (size_t off = BUFFER_CHUNK; off > 0; off -= step)
        free_push(pool, class, chunk->base + off - step);
}

static void *
pool_take_large(VioBufferPool *pool, size_t size)
{
    VioBufferChunk *chunk = pool->chunks;

    while (chunk && !(chunk->class == BUFFER_LARGE && chunk->out == 0 &&
                      chunk->size == size))
        chunk = chunk->next;
    if (!chunk) {
        pool_make_room(pool, size);
        chunk = chunk_new(pool, BUFFER_LARGE, size);
    }
    chunk->out++;
    return chunk->base;
}

/* A buffer of @size bytes, which the caller has put on pool->used. */
static void *
pool_take(VioBufferPool *pool, size_t size)
{
    unsigned class = buffer_class(size);
    VioBufferFree *node;

    if (class == BUFFER_LARGE)
        return pool_take_large(pool, size);
    if (!pool->free[class])
        pool_cut(pool, class);
    node = pool->free[class];
    pool->free[class] = node->next;
    chunk_of(pool, node)->out++;
    buffer_show(node, size);
    return node;
}

/* -- accounting ----------------------------------------------------------- */

static bool
pool_fits(const VioBufferPool *pool, size_t size)
{
    return pool->used == 0 ||
           (pool->used < pool->limit && size <= pool->limit - pool->used);
}

static void
pool_reserve(VioBufferPool *pool, size_t size)
{
    pool->used += size;
    pool->peak = MAX(pool->peak, pool->used);
}

/* Reserve for those who wait, in order, and let them go. */
static void
pool_serve(VioBufferPool *pool)
{
    while (!vio_co_queue_is_empty(&pool->waiters)) {
        size_t size = GPOINTER_TO_SIZE(g_queue_peek_head(&pool->wants));

        if (!pool_fits(pool, size))
            return;
        pool_reserve(pool, size);
        (void) g_queue_pop_head(&pool->wants);
        (void) vio_co_queue_wake_one(&pool->waiters);
    }
}

void *
vio_buffer_try_get(VioLoop *loop, size_t len)
{
    VioBufferPool *pool = &loop->buffers;
    size_t size = vio_buffer_size(len);

    if (!vio_co_queue_is_empty(&pool->waiters) || !pool_fits(pool, size))
        return NULL;
    pool_reserve(pool, size);
    return pool_take(pool, size);
}

void *
vio_co_buffer_get(VioLoop *loop, size_t len)
{
    VioBufferPool *pool = &loop->buffers;
    size_t size = vio_buffer_size(len);
    void *buf = vio_buffer_try_get(loop, len);

    if (buf)
        return buf;
    g_queue_push_tail(&pool->wants, GSIZE_TO_POINTER(size));
    vio_co_queue_wait(&pool->waiters); /* reserved by pool_serve() */
    return pool_take(pool, size);
}

void
vio_buffer_put(VioLoop *loop, void *buf, size_t len)
{
    VioBufferPool *pool = &loop->buffers;
    size_t size = vio_buffer_size(len);
    VioBufferChunk *chunk = chunk_of(pool, buf);

    g_assert(chunk->out > 0 && pool->used >= size);
    chunk->out--;
    pool->used -= size;
    if (chunk->class < BUFFER_LARGE)
        free_push(pool, chunk->class, buf);
    pool_serve(pool);
}

/* -- memory that the kernel holds on to ----------------------------------- */

/* Rings count as locked memory, too, on the same account of the user: whoever
 * is bound by the limit leaves half of it to others. */
static bool
chunk_may_be_pinned(const VioBufferPool *pool, const VioBufferChunk *chunk)
{
    struct rlimit limit;

    return geteuid() == 0 || getrlimit(RLIMIT_MEMLOCK, &limit) < 0 ||
           limit.rlim_cur == RLIM_INFINITY ||
           pool->pinned + chunk->size <= limit.rlim_cur / 2;
}

/* Once it was refused it is not asked for again: the limit will not move. */
static void
chunk_pin(VioBufferPool *pool, VioBufferChunk *chunk)
{
    VioLoop *loop = pool_loop(pool);

    chunk->pin = -1;
    if (pool->pin_refused || !loop->engine->pin ||
        !chunk_may_be_pinned(pool, chunk))
        return;
    chunk->pin = loop->engine->pin(loop, chunk->base, chunk->size);
    if (chunk->pin > 0)
        pool->pinned += chunk->size;
    else
        pool->pin_refused = chunk->pin != -ENOSPC;
}

uint16_t
vio_buffer_pin(VioLoop *loop, const void *buf, size_t len)
{
    VioBufferChunk *chunk = loop->buffers.chunks;

    while (chunk && !chunk_holds(chunk, buf))
        chunk = chunk->next;
    if (!chunk || (const char *) buf + len > chunk->base + chunk->size)
        return 0;
    if (chunk->pin == 0)
        chunk_pin(&loop->buffers, chunk);
    return (uint16_t) MAX(chunk->pin, 0);
}

void
vio_buffer_pool_unpinned(VioBufferPool *pool)
{
    for (VioBufferChunk *chunk = pool->chunks; chunk; chunk = chunk->next)
        chunk->pin = 0;
    pool->pinned = 0;
}

void
vio_buffer_pool_open(VioBufferPool *pool, size_t limit)
{
    pool->limit = limit;
}

void
vio_buffer_pool_close(VioBufferPool *pool)
{
    g_assert(pool->used == 0 && vio_co_queue_is_empty(&pool->waiters));
    while (pool->chunks)
        chunk_free(pool, &pool->chunks);
}

void
vio_buffer_pool_stats(const VioBufferPool *pool, VioLoopStats *stats)
{
    stats->buffer_bytes = pool->used;
    stats->buffer_bytes_peak = pool->peak;
    stats->buffer_bytes_pinned = pool->pinned;
}
