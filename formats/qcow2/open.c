/* SPDX-License-Identifier: BSD-3-Clause */
/* formats/qcow2/open.c - opening a qcow2 image.
 *
 * Concurrency: open and close only.
 */
#include "formats/qcow2/check.h"
#include "formats/qcow2/snapshot.h"

#include "block/open.h"
#include "block/undo.h"

#include <inttypes.h>

static bool
check_features(const Qcow2State *s, GError **error)
{
    uint64_t unknown = s->hdr.incompatible & ~QCOW2_INCOMPAT_KNOWN;
    g_autofree char *name = NULL;

    if (!unknown)
        return true;
    name = qcow2_feature_name(&s->ext, 0,
                              (unsigned) g_bit_nth_lsf((gulong) unknown, -1));
    return vd_throw(error, VD_ERROR_NOT_SUPPORTED,
                    "%s: the image uses the unknown qcow2 feature \"%s\" "
                    "(incompatible bits 0x%" PRIx64 ")",
                    vd_node_name(s->file), name, unknown);
}

static bool
check_encryption(const Qcow2State *s, GError **error)
{
    static const char *const methods[] = {NULL, "AES", "LUKS"};
    uint32_t method = s->hdr.crypt_method;

    if (!method)
        return true;
    if (method >= G_N_ELEMENTS(methods))
        return vd_throw(error, VD_ERROR_CORRUPT,
                        "%s: encryption method %u in the qcow2 header, not 0, "
                        "1 or 2",
                        vd_node_name(s->file), method);
    if (vd_node_flags(s->node) & VD_OPEN_NO_IO)
        return true;
    return vd_throw(error, VD_ERROR_ENCRYPTED,
                    "%s: the image is encrypted (%s), which is not supported",
                    vd_node_name(s->file), methods[method]);
}

/* @first: the first cluster, as far as it is in the file.  Without its name the
 * image would show zeroes where its parent has data. */
static bool
take_backing_name(Qcow2State *s, const uint8_t *first, size_t len,
                  GError **error)
{
    const Qcow2Header *hdr = &s->hdr;

    if (!hdr->backing_off || !hdr->backing_len)
        return true;
    if (hdr->backing_off + hdr->backing_len > len)
        return vd_throw(error, VD_ERROR_CORRUPT,
                        "%s: the backing file's name of %u bytes at byte "
                        "%" PRIu64 " ends behind the file, which has %zu bytes",
                        vd_node_name(s->file), hdr->backing_len,
                        hdr->backing_off, len);
    s->backing_name =
        g_strndup((const char *) first + hdr->backing_off, hdr->backing_len);
    return true;
}

static bool
qcow2_co_read_header(Qcow2State *s, GError **error)
{
    uint8_t raw[QCOW2_HEADER_BYTES];
    struct iovec iov;
    VioVec dst = vio_vec_from_buf(&iov, raw, sizeof(raw));
    g_autofree uint8_t *first = NULL;
    size_t len;

    if (!vd_node_co_preadv_eof(s->file, 0, &dst, error) ||
        !qcow2_header_decode(&s->hdr, raw, vd_node_name(s->file), error))
        return false;
    len = (size_t) MIN(qcow2_cluster_bytes(&s->hdr), vd_node_size(s->file));
    first = g_malloc(len);
    if (!vd_node_co_pread(s->file, 0, first, len, error) ||
        !qcow2_extensions_decode(&s->ext, &s->hdr, first, len,
                                 vd_node_name(s->file), error))
        return false;
    return take_backing_name(s, first, len, error);
}

/* A name of the user's ("data-file.*") counts more than the stored one. */
static bool
qcow2_co_open_data_file(Qcow2State *s, VdOptions *opts, GError **error)
{
    g_autofree char *path = NULL;

    s->data = s->file;
    if (!(s->hdr.incompatible & QCOW2_INCOMPAT_DATA_FILE))
        return true;
    if (vd_node_flags(s->node) & VD_OPEN_NO_IO)
        return true;
    if (s->ext.data_file)
        path = vd_path_combine(vd_node_name(s->file), s->ext.data_file);
    if (path && !vd_policy_check_parent(vd_node_env(s->node),
                                        vd_node_name(s->file), path, error))
        return false;
    s->data = vd_node_co_open_child(s->node, "data-file", path, opts,
                                    vd_node_flags(s->node), error);
    return s->data != NULL;
}

static bool
qcow2_co_open_parent(Qcow2State *s, GError **error)
{
    VdOpenFlags flags = vd_node_flags(s->node);
    g_autofree char *name = NULL;

    if (!s->backing_name || (flags & (VD_OPEN_NO_PARENT | VD_OPEN_NO_IO)))
        return true;
    name = vd_parent_combine(vd_node_name(s->file), s->backing_name);
    return vd_node_co_open_parent(s->node, name, s->ext.backing_format,
                                  error) != NULL;
}

bool
qcow2_refuse_writing(const Qcow2State *s, GError **error)
{
    return vd_throw(error, VD_ERROR_CORRUPT,
                    "%s: the image is marked as corrupt or is damaged; it can "
                    "only be read until it is repaired",
                    vd_node_name(s->file));
}

/* To be checked and mended it need not be sound; then it is not written to
 * (qcow2_co_begin). */
static bool
qcow2_co_open_writable(Qcow2State *s, GError **error)
{
    uint64_t marks =
        s->hdr.incompatible & (QCOW2_INCOMPAT_CORRUPT | QCOW2_INCOMPAT_DIRTY);
    bool damaged = vd_node_flags(s->node) & VD_OPEN_CHECK;
    g_autoptr(GError) problem = NULL;

    if (!vd_node_is_writable(s->node))
        return true;
    s->allocating = vio_range_lock_new();
    if (marks && damaged)
        return true;
    if ((marks & QCOW2_INCOMPAT_CORRUPT)
            ? !qcow2_refuse_writing(s, error)
            : marks && !qcow2_co_mend_dirty(s, error))
        return false;
    s->refcounts = qcow2_refcounts_co_open(s, &problem);
    if (s->refcounts || (damaged && vd_error_is(problem, VD_ERROR_CORRUPT)))
        return true;
    g_propagate_error(error, g_steal_pointer(&problem));
    return false;
}

/* Only what is compressed needs the codec, but who knows where that is? */
static bool
take_compression(Qcow2State *s, VdOptions *opts, GError **error)
{
    uint64_t cluster = qcow2_cluster_bytes(&s->hdr);

    s->records = (VdRecordFormat){.unit = cluster, .bound = cluster};
    s->level = VD_CODEC_LEVEL_FAST;
    return vd_codec_take_level(opts, &s->level, error) &&
           ((vd_node_flags(s->node) & VD_OPEN_NO_IO) ||
            vd_codec_check(qcow2_codec(&s->hdr), error) ||
            vd_prefix(error, "%s: ", vd_node_name(s->file)));
}

/* -- which state of the disk ----------------------------------------------- */

typedef struct {
    char *any, *id, *name; /* as asked for; all NULL: the present one */
} Wanted;

static bool
wanted_take(Wanted *wanted, VdOptions *opts, GError **error)
{
    g_autoptr(VdOptions) sub = vd_options_take_sub(opts, "snapshot");

    vd_options_take_string(opts, "snapshot", &wanted->any);
    vd_options_take_string(sub, "id", &wanted->id);
    vd_options_take_string(sub, "name", &wanted->name);
    if (!vd_options_is_empty(sub))
        return vd_throw(error, VD_ERROR_INVALID_ARGUMENT,
                        "Invalid parameter 'snapshot.%s'",
                        vd_options_first(sub));
    return true;
}

static void
wanted_clear(Wanted *wanted)
{
    g_free(wanted->any);
    g_free(wanted->id);
    g_free(wanted->name);
}

static bool
qcow2_co_show_snapshot(Qcow2State *s, const Wanted *wanted, GError **error)
{
    g_autoptr(GArray) list =
        qcow2_snapshots_co_read(s->file, &s->hdr, NULL, error);
    const Qcow2Snapshot *snapshot;
    int i;

    if (!list)
        return false;
    i = wanted->any ? qcow2_snapshots_find_any(list, wanted->any)
                    : qcow2_snapshots_find(list, wanted->id, wanted->name);
    if (i < 0)
        return vd_throw(error, VD_ERROR_NOT_FOUND, "%s: has no snapshot '%s'",
                        vd_node_name(s->file),
                        wanted->any  ? wanted->any
                        : wanted->id ? wanted->id
                                     : wanted->name);
    if (vd_node_is_writable(s->node))
        return vd_throw(error, VD_ERROR_READ_ONLY,
                        "%s: a snapshot can only be read; apply it to write",
                        vd_node_name(s->file));
    snapshot = &g_array_index(list, Qcow2Snapshot, i);
    if (!qcow2_snapshot_check_size(snapshot, s->file, &s->hdr, error))
        return false;
    s->shows_snapshot = true;
    s->tables = qcow2_tables_co_open(s->file, &s->hdr, snapshot->l1_off,
                                     snapshot->n_l1, error);
    vd_node_set_size(s->node, snapshot->disk_size);
    return s->tables != NULL;
}

static bool
qcow2_co_show(Qcow2State *s, VdOptions *opts, GError **error)
{
    Wanted wanted = {NULL};
    bool ok = wanted_take(&wanted, opts, error);

    if (ok && (wanted.any || wanted.id || wanted.name)) {
        ok = qcow2_co_show_snapshot(s, &wanted, error);
    } else if (ok) {
        vd_node_set_size(s->node, s->hdr.size);
        s->tables = qcow2_tables_co_open(s->file, &s->hdr, s->hdr.l1_off,
                                         s->hdr.n_l1, error);
        ok = s->tables != NULL;
    }
    wanted_clear(&wanted);
    return ok;
}

/* -- opening ----------------------------------------------------------------
 */

static bool
qcow2_co_open_disk(Qcow2State *s, VdOptions *opts, GError **error)
{
    if (!check_features(s, error) || !check_encryption(s, error) ||
        !take_compression(s, opts, error) ||
        !qcow2_co_open_data_file(s, opts, error) ||
        !qcow2_co_show(s, opts, error))
        return false;
    s->decoded = qcow2_decoded_new(s);
    return qcow2_co_open_writable(s, error) && qcow2_co_open_parent(s, error);
}

/* The disk is worth having without them. */
static void
qcow2_co_load_bitmaps(Qcow2State *s)
{
    g_autoptr(GError) error = NULL;

    s->bitmaps = qcow2_co_list_bitmaps(s->node, &error);
    if (!s->bitmaps)
        vd_node_warn(s->node, "%s", error->message);
}

bool
qcow2_co_open(VdNode *node, VdOptions *opts, GError **error)
{
    Qcow2State *s = vd_node_state(node);

    s->node = node;
    s->file = vd_node_co_open_child(node, "file", NULL, opts,
                                    vd_node_flags(node), error);
    if (!s->file)
        return false;
    s->file_bytes = vd_node_size(s->file);
    vd_node_set_name(node, vd_node_name(s->file));
    if (!vd_undo_co_recover(s->file, error) ||
        !qcow2_co_read_header(s, error) ||
        !qcow2_co_open_disk(s, opts, error)) {
        qcow2_co_close(node);
        return false;
    }
    qcow2_co_load_bitmaps(s);
    vd_node_limits(node)->opt_transfer = vd_node_limits(s->file)->opt_transfer;
    vd_node_limits(node)->zeroes_align = qcow2_unit_bytes(s->tables);
    vd_node_set_write_flags(node,
                            qcow2_record_format(node) ? VD_REQ_COMPRESSED : 0,
                            VD_REQ_MAY_UNMAP | VD_REQ_NO_FALLBACK);
    return true;
}

void
qcow2_co_close(VdNode *node)
{
    Qcow2State *s = vd_node_state(node);

    g_clear_pointer(&s->decoded, qcow2_decoded_free);
    g_clear_pointer(&s->refcounts, qcow2_refcounts_free);
    g_clear_pointer(&s->allocating, vio_range_lock_free);
    g_clear_pointer(&s->tables, qcow2_tables_free);
    qcow2_extensions_clear(&s->ext);
    g_clear_pointer(&s->backing_name, g_free);
    g_clear_pointer(&s->bitmaps, g_ptr_array_unref);
}
