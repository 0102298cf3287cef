/* SPDX-License-Identifier: BSD-3-Clause */
/* block/proto/nbd/bitmap.c - the dirty bitmap that was asked for when the
 * export was opened (x-dirty-bitmap), as QEMU's server shows it.
 *
 * Concurrency: as all requests.
 */
#include "block/proto/nbd/client.h"

#include "include/vdisk-snapshot.h"

#include <inttypes.h>
#include <string.h>

#define DIRTY 1u

/* Its name without the name space; NULL = none was asked for. */
static const char *
bitmap_name(const NbdClient *client)
{
    const char *context = client->target->context;

    if (!context || !g_str_has_prefix(context, NBD_CONTEXT_BITMAP))
        return NULL;
    return context + strlen(NBD_CONTEXT_BITMAP);
}

static void
bitmap_free(gpointer data)
{
    VdBitmap *bitmap = data;

    g_free(bitmap->name);
    g_free(bitmap);
}

/* A server does not tell the granularity: blocks are the finest it can be. */
GPtrArray *
nbd_co_list_bitmaps(VdNode *node, GError **error)
{
    const NbdClient *client = vd_node_state(node);
    GPtrArray *list = g_ptr_array_new_with_free_func(bitmap_free);
    const char *name = bitmap_name(client);
    VdBitmap *bitmap;

    if (!name)
        return list;
    bitmap = g_new0(VdBitmap, 1);
    bitmap->name = g_strdup(name);
    bitmap->granularity = MAX(client->export.min_block, 512);
    bitmap->enabled = true;
    g_ptr_array_add(list, bitmap);
    return list;
}

static void
add_range(GArray *ranges, uint64_t off, uint64_t len)
{
    VdDirtyRange next = {off, len};
    VdDirtyRange *last =
        ranges->len ? &g_array_index(ranges, VdDirtyRange, ranges->len - 1)
                    : NULL;

    if (last && last->off + last->len == off)
        last->len += len;
    else
        g_array_append_val(ranges, next);
}

/* One answer; *@told bytes from @off on are known by it. */
static bool
bitmap_co_ask(NbdClient *client, uint64_t off, uint64_t len, GArray *ranges,
              uint64_t *told, GError **error)
{
    g_autoptr(GArray) extents = g_array_new(FALSE, FALSE, sizeof(NbdExtent));
    NbdJob job = {
        .command = NBD_CMD_BLOCK_STATUS,
        .off = off,
        .len = MIN(len, NBD_LONGEST_ASK),
        .extents = extents,
        .own_context = true,
    };
    bool ok = nbd_client_co_run(client, &job, error);

    if (ok && (job.error || extents->len == 0))
        ok = vd_throw(error, VD_ERROR_IO,
                      "%s: the server does not tell what of '%s' is dirty at "
                      "offset %" PRIu64,
                      client->target->name, client->target->context, off);
    nbd_job_clear(&job);
    *told = 0;
    for (guint i = 0; ok && i < extents->len && *told < len; i++) {
        const NbdExtent *extent = &g_array_index(extents, NbdExtent, i);
        uint64_t n = MIN(extent->len, len - *told);

        if (extent->status & DIRTY)
            add_range(ranges, off + *told, n);
        *told += n;
    }
    return ok;
}

bool
nbd_co_read_bitmap(VdNode *node, const char *name, uint64_t off, uint64_t len,
                   GArray *ranges, GError **error)
{
    NbdClient *client = vd_node_state(node);
    const char *known = bitmap_name(client);
    uint64_t told;

    if (!known || strcmp(known, name) != 0)
        return vd_throw(error, VD_ERROR_NOT_FOUND,
                        "%s: the bitmap '%s' was not asked for",
                        client->target->name, name);
    if (off > client->export.size || len > client->export.size - off)
        return vd_throw(error, VD_ERROR_OUT_OF_RANGE,
                        "%s: %" PRIu64 " bytes at offset %" PRIu64
                        " are not all inside",
                        client->target->name, len, off);
    for (; len > 0; off += told, len -= told)
        if (!bitmap_co_ask(client, off, len, ranges, &told, error))
            return false;
    return true;
}
