/* SPDX-License-Identifier: BSD-3-Clause */
/* block/overlay.c - a link on top of an image whose changes are temporary.
 *
 * The image is opened for reading, as the parent of this node.  What is written
 * is kept in chunks, behind one another in a file that has lost its name by the
 * time it is used; which chunks there are is known in memory only.  So nothing
 * has to be made durable, and nothing is left when the process ends.
 *
 * Concurrency: whoever changes a chunk holds its range.  A chunk keeps its
 * place, and gets it when all of its bytes are there, so nobody else waits.
 */
#include "block/overlay.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <unistd.h>

#include "block/rw.h"
#include "block/temp-file.h"
#include "io/offload.h"
#include "io/sync.h"

#define OVERLAY_CHUNK (UINT64_C(64) << 10)
/* 1 TiB: bounds the memory for the table. */
#define OVERLAY_MAX_CHUNKS (1u << 24)
/* Chunks looked at by one map call. */
#define OVERLAY_MAP_STEPS 4096

/* What the table says of a chunk; what is above is FIRST + its place. */
enum { CHUNK_NOT_HERE, CHUNK_ZERO, CHUNK_FIRST };

typedef struct {
    VdNode *store;
    GHashTable *chunks; /* number -> what it is */
    uint64_t n_places;  /* of the store that are taken */
    VioRangeLock *changing;
} OverlayState;

/* -- the table ------------------------------------------------------------- */

static uint64_t
chunk_get(const OverlayState *s, uint64_t number)
{
    return GPOINTER_TO_SIZE(
        g_hash_table_lookup(s->chunks, GSIZE_TO_POINTER(number)));
}

static void
chunk_put(OverlayState *s, uint64_t number, uint64_t what)
{
    g_hash_table_insert(s->chunks, GSIZE_TO_POINTER(number),
                        GSIZE_TO_POINTER(what));
}

static bool
check_room(VdNode *node, uint64_t more, GError **error)
{
    const OverlayState *s = vd_node_state(node);

    if (more <= OVERLAY_MAX_CHUNKS - g_hash_table_size(s->chunks))
        return true;
    return vd_throw(error, VD_ERROR_LIMIT,
                    "%s: temporary changes of more than %u chunks of %" PRIu64
                    " bytes",
                    vd_node_name(node), OVERLAY_MAX_CHUNKS, OVERLAY_CHUNK);
}

static uint64_t
store_offset(uint64_t what, uint64_t off)
{
    return (what - CHUNK_FIRST) * OVERLAY_CHUNK + off % OVERLAY_CHUNK;
}

/* Bytes from @off to the end of its chunk, at most @len. */
static uint64_t
chunk_step(uint64_t off, uint64_t len)
{
    return MIN(len, OVERLAY_CHUNK - off % OVERLAY_CHUNK);
}

/* -- reading --------------------------------------------------------------- */

/* Is what @next says of the @nth chunk behind the one of @first more of the
 * same? */
static bool
goes_on(uint64_t first, uint64_t next, uint64_t nth)
{
    return next == (first >= CHUNK_FIRST ? first + nth : first);
}

static bool
overlay_co_map(VdNode *node, uint64_t off, uint64_t len, unsigned want,
               VdRun *run, GError **error)
{
    static const VdRunKind kinds[] = {VD_RUN_PARENT, VD_RUN_ZERO, VD_RUN_DATA};
    const OverlayState *s = vd_node_state(node);
    uint64_t number = off / OVERLAY_CHUNK;
    uint64_t what = chunk_get(s, number);
    uint64_t n = chunk_step(off, len);

    for (unsigned i = 1; i < OVERLAY_MAP_STEPS && n < len; i++) {
        if (!goes_on(what, chunk_get(s, number + i), i))
            break;
        n += chunk_step(off + n, len - n);
    }
    if (g_hash_table_size(s->chunks) == 0)
        n = len;
    *run = (VdRun){.kind = kinds[MIN(what, CHUNK_FIRST)], .len = n};
    if (what >= CHUNK_FIRST) {
        run->child = s->store;
        run->child_off = store_offset(what, off);
    }
    return true;
}

/* -- writing --------------------------------------------------------------- */

/* What chunk @number, which is not in the store, reads as. */
static bool
chunk_co_read_below(VdNode *node, uint64_t number, uint8_t *bytes,
                    GError **error)
{
    struct iovec iov;
    VioVec dst = vio_vec_from_buf(&iov, bytes, OVERLAY_CHUNK);

    if (chunk_get(vd_node_state(node), number) == CHUNK_ZERO) {
        vio_vec_zero(&dst);
        return true;
    }
    return vd_node_co_preadv_eof(vd_node_parent(node), number * OVERLAY_CHUNK,
                                 &dst, error);
}

/* @src, inside one chunk, and around it what was there before. */
static bool
chunk_co_make(VdNode *node, uint64_t off, const VioVec *src, GError **error)
{
    OverlayState *s = vd_node_state(node);
    uint64_t number = off / OVERLAY_CHUNK;
    g_autofree uint8_t *bytes = g_malloc(OVERLAY_CHUNK);
    uint64_t what;

    if (!check_room(node, 1, error) ||
        (src->len < OVERLAY_CHUNK &&
         !chunk_co_read_below(node, number, bytes, error)))
        return false;
    vio_vec_copy_out(src, bytes + off % OVERLAY_CHUNK);
    what = CHUNK_FIRST + s->n_places++; /* a failure costs the place */
    if (!vd_node_co_pwrite(s->store, store_offset(what, 0), bytes,
                           OVERLAY_CHUNK, error))
        return false;
    chunk_put(s, number, what);
    return true;
}

static bool
chunk_co_write(VdNode *node, uint64_t off, const VioVec *src, GError **error)
{
    OverlayState *s = vd_node_state(node);
    VioRange *range = vio_range_co_lock(s->changing, off - off % OVERLAY_CHUNK,
                                        OVERLAY_CHUNK, true);
    uint64_t what = chunk_get(s, off / OVERLAY_CHUNK);
    bool ok = what >= CHUNK_FIRST
                  ? vd_node_co_pwritev(s->store, store_offset(what, off), src,
                                       (VdReqFlags) 0, error)
                  : chunk_co_make(node, off, src, error);

    vio_range_unlock(s->changing, range);
    return ok;
}

static bool
overlay_co_pwritev(VdNode *node, uint64_t off, const VioVec *src,
                   VdReqFlags flags, GError **error)
{
    for (size_t done = 0; done < src->len;) {
        size_t n = (size_t) chunk_step(off + done, src->len - done);
        VioVec part = vio_vec_slice(src, done, n);

        if (!chunk_co_write(node, off + done, &part, error))
            return false;
        done += n;
    }
    return true;
}

/* Whole chunks, but that the last one may end with the disk. */
static bool
overlay_co_write_zeroes(VdNode *node, uint64_t off, uint64_t len,
                        VdReqFlags flags, GError **error)
{
    OverlayState *s = vd_node_state(node);
    uint64_t first = off / OVERLAY_CHUNK;
    uint64_t n = (len + OVERLAY_CHUNK - 1) / OVERLAY_CHUNK;
    VioRange *range;
    bool ok;

    g_assert(off % OVERLAY_CHUNK == 0);
    range = vio_range_co_lock(s->changing, off, n * OVERLAY_CHUNK, true);
    ok = check_room(node, n, error);
    for (uint64_t i = 0; ok && i < n; i++)
        chunk_put(s, first + i, CHUNK_ZERO);
    vio_range_unlock(s->changing, range);
    return ok;
}

/* -- the size -------------------------------------------------------------- */

static gboolean
is_behind(gpointer number, gpointer what, gpointer end)
{
    return GPOINTER_TO_SIZE(number) >= *(const uint64_t *) end;
}

/* What is cut off must not come back when the disk grows again. */
static bool
overlay_co_truncate(VdNode *node, uint64_t size, VdPrealloc prealloc,
                    GError **error)
{
    OverlayState *s = vd_node_state(node);
    uint64_t what = chunk_get(s, size / OVERLAY_CHUNK);
    uint64_t end = (size + OVERLAY_CHUNK - 1) / OVERLAY_CHUNK;

    if (prealloc != VD_PREALLOC_OFF)
        return vd_throw(error, VD_ERROR_NOT_SUPPORTED,
                        "%s: no preallocation of what is temporary",
                        vd_node_name(node));
    if (size < vd_node_size(node) && what >= CHUNK_FIRST &&
        size % OVERLAY_CHUNK != 0 &&
        !vd_node_co_write_zeroes(s->store, store_offset(what, size),
                                 OVERLAY_CHUNK - size % OVERLAY_CHUNK,
                                 (VdReqFlags) 0, error))
        return false;
    (void) g_hash_table_foreach_remove(s->chunks, is_behind, &end);
    vd_node_set_size(node, size);
    return true;
}

/* -- opening --------------------------------------------------------------- */

typedef struct {
    char *path;
    int failed; /* errno */
} TempFile;

static void
temp_make(void *opaque)
{
    TempFile *temp = opaque;
    int fd = vd_temp_file_make(&temp->path);

    temp->failed = fd < 0 ? errno : 0;
    if (fd >= 0)
        (void) close(fd); /* nothing was written */
}

static void
temp_unlink(void *opaque)
{
    const TempFile *temp = opaque;

    (void) unlink(temp->path); /* as temporary as it gets */
}

static VdNode *
store_co_open(VdNode *node, const char *path, GError **error)
{
    g_autoptr(VdOptions) opts = vd_options_new();

    vd_options_set(opts, "store.driver", "file");
    vd_options_set(opts, "store.filename", path);
    return vd_node_co_open_child(node, "store", NULL, opts,
                                 VD_OPEN_RDWR | VD_OPEN_NO_FLUSH, error);
}

static bool
overlay_co_open(VdNode *node, VdOptions *opts, GError **error)
{
    OverlayState *s = vd_node_state(node);
    TempFile temp = {0};

    vio_co_offload(vd_node_loop(node), temp_make, &temp);
    if (temp.failed) {
        (void) vd_throw_errno(error, temp.failed,
                              "%s: making a file for what is temporary",
                              temp.path);
    } else {
        s->store = store_co_open(node, temp.path, error);
        vio_co_offload(vd_node_loop(node), temp_unlink, &temp);
    }
    g_free(temp.path);
    if (!s->store)
        return false;
    s->chunks = g_hash_table_new(NULL, NULL);
    s->changing = vio_range_lock_new();
    vd_node_limits(node)->zeroes_align = OVERLAY_CHUNK;
    vd_node_set_write_flags(node, VD_REQ_FUA,
                            VD_REQ_FUA | VD_REQ_MAY_UNMAP | VD_REQ_NO_FALLBACK);
    vd_node_set_size(node, vd_node_size(vd_node_parent(node)));
    return true;
}

static void
overlay_co_close(VdNode *node)
{
    OverlayState *s = vd_node_state(node);

    g_hash_table_unref(s->chunks);
    vio_range_lock_free(s->changing);
}

static void
overlay_get_info(VdNode *node, VdNodeInfo *info)
{
    info->cluster_size = OVERLAY_CHUNK;
}

static const VdDriver overlay_driver = {
    VD_DRIVER_HEADER,
    .name = "temporary",
    .kind = VD_DRIVER_FORMAT,
    .caps = VD_CAP_HAS_PARENT,
    .state_size = sizeof(OverlayState),
    .co_open = overlay_co_open,
    .co_close = overlay_co_close,
    .co_map = overlay_co_map,
    .co_pwritev = overlay_co_pwritev,
    .co_write_zeroes = overlay_co_write_zeroes,
    .co_truncate = overlay_co_truncate,
    .get_info = overlay_get_info,
};

/* Of the image below: nobody writes to it. */
#define NOT_FOR_IMAGE                                                          \
    (VD_OPEN_TEMPORARY | VD_OPEN_RDWR | VD_OPEN_UNMAP | VD_OPEN_WRITETHROUGH | \
     VD_OPEN_DETECT_ZEROES)

VdNode *
vd_overlay_co_open(const VdOpenImage *how, VdOptions *opts, GError **error)
{
    VdOpenFlags flags = how->flags & ~(VD_OPEN_TEMPORARY | VD_OPEN_IMAGE_OPTS);
    g_autoptr(VdOptions) none = vd_options_new();
    VdNode *node = vd_node_new(how->env, NULL, flags);
    VdOpenImage image = *how;

    image.owner = node;
    image.link = 1;
    image.flags = how->flags & ~NOT_FOR_IMAGE;
    node->parent = vd_image_co_open(&image, opts, error);
    if (!node->parent) {
        vd_node_free(node);
        return NULL;
    }
    vd_node_set_name(node, vd_node_name(node->parent));
    return vd_node_co_start(node, &overlay_driver, none, error) ? node : NULL;
}
