/* SPDX-License-Identifier: BSD-3-Clause */
/* formats/qcow/open.c - opening a qcow image, version 1.
 *
 * Concurrency: open and close only.
 */
#include "formats/qcow/qcow.h"

#include "block/open.h"

#include <inttypes.h>

static bool
check_use(const QcowState *s, GError **error)
{
    const char *name = vd_node_name(s->file);

    if (vd_node_is_writable(s->node))
        return vd_throw(error, VD_ERROR_NOT_SUPPORTED,
                        "%s: images of qcow version 1 can only be read; "
                        "convert it to qcow2",
                        name);
    if (s->hdr.crypt_method > 1)
        return vd_throw(error, VD_ERROR_CORRUPT,
                        "%s: encryption method %u in the qcow header, not 0 or "
                        "1",
                        name, s->hdr.crypt_method);
    if (!s->hdr.crypt_method || (vd_node_flags(s->node) & VD_OPEN_NO_IO))
        return true;
    return vd_throw(error, VD_ERROR_ENCRYPTED,
                    "%s: the image is encrypted (AES), which is not supported",
                    name);
}

static bool
qcow_co_read_name(QcowState *s, GError **error)
{
    uint64_t size = vd_node_size(s->file);
    g_autofree char *name = NULL;

    if (!s->hdr.backing_off || !s->hdr.backing_len)
        return true;
    if (s->hdr.backing_off > size ||
        s->hdr.backing_len > size - s->hdr.backing_off)
        return vd_throw(error, VD_ERROR_CORRUPT,
                        "%s: the backing file's name of %u bytes at byte "
                        "%" PRIu64 " ends behind the file",
                        vd_node_name(s->file), s->hdr.backing_len,
                        s->hdr.backing_off);
    name = g_malloc0(s->hdr.backing_len + 1);
    if (!vd_node_co_pread(s->file, s->hdr.backing_off, name, s->hdr.backing_len,
                          error))
        return false;
    s->backing_name = g_steal_pointer(&name);
    return true;
}

static bool
qcow_co_read_header(QcowState *s, GError **error)
{
    uint8_t raw[QCOW_HEADER_BYTES];
    struct iovec iov;
    VioVec dst = vio_vec_from_buf(&iov, raw, sizeof(raw));

    return vd_node_co_preadv_eof(s->file, 0, &dst, error) &&
           qcow_header_decode(&s->hdr, raw, vd_node_name(s->file), error) &&
           check_use(s, error) && qcow_co_read_name(s, error);
}

static bool
qcow_co_read_l1(QcowState *s, GError **error)
{
    uint64_t bytes = s->hdr.n_l1 * sizeof(uint64_t);
    uint64_t size = vd_node_size(s->file);

    if (s->hdr.l1_off > size || bytes > size - s->hdr.l1_off)
        return vd_throw(error, VD_ERROR_CORRUPT,
                        "%s: the L1 table of %u entries at byte %" PRIu64
                        " ends behind the file, which has %" PRIu64 " bytes",
                        vd_node_name(s->file), s->hdr.n_l1, s->hdr.l1_off,
                        size);
    s->l1 = g_try_new0(uint64_t, MAX(s->hdr.n_l1, 1));
    s->tables = g_try_new0(VdTable *, MAX(s->hdr.n_l1, 1));
    if (!s->l1 || !s->tables)
        return vd_throw(error, VD_ERROR_NO_MEMORY,
                        "%s: no memory for an L1 table of %u entries",
                        vd_node_name(s->file), s->hdr.n_l1);
    s->cache = vd_table_cache_ref(vd_node_loop(s->node));
    if (bytes && !vd_node_co_pread(s->file, s->hdr.l1_off, s->l1, bytes, error))
        return vd_prefix(error, "reading the L1 table: ");
    for (uint32_t i = 0; i < s->hdr.n_l1; i++)
        s->l1[i] = GUINT64_FROM_BE(s->l1[i]);
    return true;
}

/* The format of the parent is stored nowhere. */
static bool
qcow_co_open_parent(QcowState *s, GError **error)
{
    g_autofree char *name = NULL;

    if (!s->backing_name ||
        (vd_node_flags(s->node) & (VD_OPEN_NO_PARENT | VD_OPEN_NO_IO)))
        return true;
    name = vd_parent_combine(vd_node_name(s->file), s->backing_name);
    return vd_node_co_open_parent(s->node, name, NULL, error) != NULL;
}

bool
qcow_co_open(VdNode *node, VdOptions *opts, GError **error)
{
    QcowState *s = vd_node_state(node);

    s->node = node;
    s->file = vd_node_co_open_child(node, "file", NULL, opts,
                                    vd_node_flags(node), error);
    if (!s->file)
        return false;
    vd_node_set_name(node, vd_node_name(s->file));
    if (!qcow_co_read_header(s, error) || !qcow_co_read_l1(s, error) ||
        !qcow_co_open_parent(s, error)) {
        qcow_co_close(node);
        return false;
    }
    vd_node_set_size(node, s->hdr.size);
    vd_node_limits(node)->opt_transfer = vd_node_limits(s->file)->opt_transfer;
    return true;
}

void
qcow_co_close(VdNode *node)
{
    QcowState *s = vd_node_state(node);

    for (uint32_t i = 0; s->tables && i < s->hdr.n_l1; i++)
        if (s->tables[i])
            vd_table_cache_drop(s->cache, s->tables[i]);
    g_clear_pointer(&s->cache, vd_table_cache_unref);
    g_clear_pointer(&s->tables, g_free);
    g_clear_pointer(&s->l1, g_free);
    g_clear_pointer(&s->backing_name, g_free);
}
