/* SPDX-License-Identifier: BSD-3-Clause */
/* formats/vmdk/open.c - opening a VMDK: what is it, and what is it made of?
 *
 * The first bytes decide: a hosted sparse header (with or without a descriptor
 * inside), a COWD header, a descriptor, or something that we know by name only.
 *
 * Concurrency: open and close only.
 */
#include "formats/vmdk/chain/chain.h"
#include "formats/vmdk/create/create.h"
#include "formats/vmdk/sesparse/header.h"
#include "formats/vmdk/sparse/sparse.h"
#include "formats/vmdk/stream/fill.h"

#include "block/open.h"
#include "block/undo.h"
#include "block/codec/codec.h"
#include "io/offload.h"

#include <string.h>
#include <unistd.h>

/* -- descriptor
 * ------------------------------------------------------------------ */

typedef struct {
    const char *text, *name;
    size_t len;
    VmdkDescriptor *desc;
    GError *error;
} Parse;

/* On a worker unless it is light: iconv needs more stack than a coroutine has.
 */
static void
parse_main(void *opaque)
{
    Parse *job = opaque;

    job->desc =
        vmdk_descriptor_parse(job->text, job->len, job->name, &job->error);
}

static bool
open_co_load_descriptor(VmdkState *s, uint64_t off, uint64_t len,
                        GError **error)
{
    g_autofree char *text = NULL;
    Parse job = {.name = vd_node_name(s->file), .len = (size_t) len};

    if (len > VMDK_DESC_MAX)
        return vd_throw(error, VD_ERROR_LIMIT,
                        "%s: descriptor of %" G_GUINT64_FORMAT
                        " bytes, at most %u are read",
                        job.name, len, VMDK_DESC_MAX);
    job.text = text = g_malloc0(len + 1);
    if (!vd_node_co_pread(s->file, off, text, (size_t) len, error))
        return vd_prefix(error, "reading the descriptor: ");
    if (!*text && s->has_header)
        return true; /* reserved but unused: QEMU's split extents */
    if (vmdk_descriptor_is_light(text, (size_t) len))
        parse_main(&job);
    else
        vio_co_offload(vd_node_loop(s->node), parse_main, &job);
    if (!job.desc) {
        g_propagate_error(error, job.error);
        return false;
    }
    s->desc = job.desc;
    return true;
}

static bool
open_co_load_embedded(VmdkState *s, GError **error)
{
    uint64_t off = s->header.desc_sector * VMDK_SECTOR;
    uint64_t room = MIN(s->header.desc_sectors, VMDK_DESC_MAX / VMDK_SECTOR);
    uint64_t size;

    if (!s->header.desc_sector)
        return true;
    if (off < VD_MAX_SIZE &&
        !vd_node_co_await(s->file, off + room * VMDK_SECTOR, error))
        return false;
    size = vd_node_size(s->file);
    if (off >= size)
        return vd_throw(error, VD_ERROR_CORRUPT,
                        "%s: descriptor at byte %" G_GUINT64_FORMAT
                        ", the file has %" G_GUINT64_FORMAT,
                        vd_node_name(s->file), off, size);
    return open_co_load_descriptor(
        s, off, MIN(s->header.desc_sectors * VMDK_SECTOR, size - off), error);
}

/* -- what is it?
 * ------------------------------------------------------------------- */

static bool
refuse_unfinished(const VmdkState *s, const uint8_t *head, GError **error)
{
    if (vmdk_header_is_unfinished(head))
        return vd_throw(error, VD_ERROR_CORRUPT,
                        "%s: is an unfinished streamOptimized image: whoever "
                        "wrote it was interrupted",
                        vd_node_name(s->file));
    return true;
}

/* A redo log without its descriptor. */
static bool
open_co_load_cowd(VmdkState *s, GError **error)
{
    uint8_t raw[VMDK_COWD_HEADER_BYTES];
    uint64_t size = vd_node_size(s->file);

    if (size < sizeof(raw))
        return vd_throw(error, VD_ERROR_CORRUPT,
                        "%s: cut off inside its header at byte "
                        "%" G_GUINT64_FORMAT,
                        vd_node_name(s->file), size);
    if (!vd_node_co_pread(s->file, 0, raw, sizeof(raw), error))
        return false;
    s->has_header = true;
    s->header_parent = vmdk_cowd_parent_name(raw);
    return vmdk_cowd_decode(raw, vd_node_name(s->file), &s->header, error);
}

static bool
open_co_load_what_it_is(VmdkState *s, GError **error)
{
    uint64_t size = vd_node_size(s->file);
    uint8_t head[VMDK_HEADER_BYTES] = {0};
    size_t len = (size_t) MIN(size, sizeof(head));

    if (!vd_node_co_pread(s->file, 0, head, len, error))
        return false;
    if (s->recover && vmdk_header_is_unfinished(head))
        vmdk_header_mark_finished(head);
    if (!refuse_unfinished(s, head, error))
        return false;
    s->bare_sesparse = vmdk_se_header_is_magic(head, len);
    if (s->bare_sesparse)
        return true;
    if (vmdk_cowd_is_magic(head))
        return open_co_load_cowd(s, error);
    if (memcmp(head, "KDMV", 4))
        return open_co_load_descriptor(s, 0, size, error);
    if (len < sizeof(head))
        return vd_throw(error, VD_ERROR_CORRUPT,
                        "%s: cut off inside its header at byte %zu",
                        vd_node_name(s->file), len);
    s->has_header = true;
    return vmdk_header_decode(head, vd_node_name(s->file), &s->header, error) &&
           open_co_load_embedded(s, error);
}

/* -- the descriptor's word
 * ------------------------------------------------------------ */

static bool
check_version(VmdkState *s, GError **error)
{
    uint64_t version = vmdk_descriptor_get_uint(s->desc, "version", 1);

    if (version >= 1 && version <= 3)
        return true;
    if (vd_node_is_writable(s->node))
        return vd_throw(error, VD_ERROR_NOT_SUPPORTED,
                        "%s: descriptor version %" G_GUINT64_FORMAT
                        " can only be read; 1 to 3 are known",
                        vd_node_name(s->file), version);
    vd_node_warn(s->node, "%s: unknown descriptor version %" G_GUINT64_FORMAT,
                 vd_node_name(s->file), version);
    return true;
}

static bool
check_encryption(VmdkState *s, GError **error)
{
    const char *keys = vmdk_descriptor_get(s->desc, "encryptionKeys");

    s->encrypted = keys || vmdk_descriptor_get(s->desc, "ddb.keyID");
    if (!s->encrypted || (vd_node_flags(s->node) & VD_OPEN_NO_IO))
        return true;
    return vd_throw(error, VD_ERROR_ENCRYPTED,
                    "%s: the disk is encrypted (key %s)", vd_node_name(s->file),
                    keys ? keys : vmdk_descriptor_get(s->desc, "ddb.keyID"));
}

static bool
take_descriptor(VmdkState *s, GError **error)
{
    s->cid = s->parent_cid = s->coming_cid = VMDK_CID_NONE;
    if (!s->desc)
        return true;
    if (!check_version(s, error) || !check_encryption(s, error))
        return false;
    s->cid = vmdk_descriptor_cid(s->desc, "CID");
    s->parent_cid = vmdk_descriptor_cid(s->desc, "parentCID");
    s->coming_cid = vmdk_descriptor_cid(s->desc, VMDK_KEY_COMING);
    if (!g_ascii_strcasecmp(
            vmdk_descriptor_get(s->desc, "isNativeSnapshot")
                ? vmdk_descriptor_get(s->desc, "isNativeSnapshot")
                : "no",
            "yes"))
        vd_node_warn(s->node,
                     "%s: is a native snapshot: its data may be known to the "
                     "storage array only",
                     vd_node_name(s->file));
    return true;
}

/* -- streams
 * ------------------------------------------------------------------------ */

/* What only those that are filled listen to. */
static bool
take_fill_options(VmdkState *s, VdOptions *opts, GError **error)
{
    s->level = VD_CODEC_LEVEL_FAST;
    s->fill_window = VMDK_FILL_WINDOW_BYTES;
    if (!vd_node_is_writable(s->node) || !s->has_header ||
        !(s->header.flags & VMDK_FLAG_COMPRESSED))
        return true;
    return vd_codec_take_level(opts, &s->level, error) &&
           vd_options_take_size(opts, "fill-window", &s->fill_window, error);
}

/* A stream of this transaction, still empty, opened to be filled. */
static bool
is_new_stream(const VmdkState *s)
{
    return vd_node_is_writable(s->node) && vd_node_env(s->node)->tx &&
           s->has_header && (s->header.flags & VMDK_FLAG_COMPRESSED) && s->desc;
}

static void
open_for_append(VmdkState *s)
{
    s->writer = vmdk_stream_writer_new(s->file, &s->header);
    vd_node_set_size(s->node, s->header.capacity_sectors * VMDK_SECTOR);
}

/* -- the node
 * ----------------------------------------------------------------------------
 */

static uint64_t
largest_grain(const VmdkState *s)
{
    uint64_t grain = 0;

    for (unsigned i = 0; i < s->n_extents; i++)
        grain = MAX(grain, vmdk_extent_grain_bytes(&s->extents[i]));
    return grain;
}

static void
set_limits(VmdkState *s)
{
    VdLimits *limits = vd_node_limits(s->node);
    uint64_t grain = largest_grain(s);

    limits->zeroes_align = grain;
    limits->discard_align = grain;
    vd_node_set_write_flags(s->node, VD_REQ_COMPRESSED,
                            VD_REQ_MAY_UNMAP | VD_REQ_NO_FALLBACK);
}

/* Nothing else is read while it comes. */
static bool
check_in_order(const VmdkState *s, GError **error)
{
    return !s->in_order ||
           (s->has_header && (s->header.flags & VMDK_FLAG_COMPRESSED)) ||
           vd_throw(error, VD_ERROR_NOT_SUPPORTED,
                    "%s: in-order=on is for streamOptimized disks only",
                    vd_node_name(s->file));
}

static bool
open_co_disk(VmdkState *s, VdOptions *opts, GError **error)
{
    if (!open_co_load_what_it_is(s, error) || !take_descriptor(s, error) ||
        !take_fill_options(s, opts, error) || !check_in_order(s, error))
        return false;
    if (is_new_stream(s)) {
        open_for_append(s);
        return true;
    }
    return vmdk_extents_co_open(s, opts, error) &&
           vmdk_parent_co_open(s, opts, error);
}

static bool
check_recover(const VmdkState *s, GError **error)
{
    return !s->recover || !vd_node_is_writable(s->node) ||
           vd_throw(error, VD_ERROR_READ_ONLY,
                    "%s: recover=on is for reading only",
                    vd_node_name(s->file));
}

bool
vmdk_co_finish_repair(VdNode *node, VdNode *file, GError **error)
{
    return vd_node_env(node)->tx || vd_undo_co_recover(file, error);
}

/* What comes in order need not have come. */
static bool
open_co_file(VmdkState *s, VdOptions *opts, GError **error)
{
    unsigned flags = vd_node_flags(s->node);

    if (!vd_options_take_bool(opts, "in-order", &s->in_order, error))
        return false;
    if (s->in_order && vd_node_is_writable(s->node))
        return vd_throw(error, VD_ERROR_READ_ONLY,
                        "in-order=on is for reading only");
    if (s->in_order)
        flags |= VD_OPEN_OPEN_ENDED;
    s->file = vd_node_co_open_child(s->node, "file", NULL, opts,
                                    (VdOpenFlags) flags, error);
    return s->file != NULL;
}

bool
vmdk_co_open(VdNode *node, VdOptions *opts, GError **error)
{
    VmdkState *s = vd_node_state(node);

    s->node = node;
    s->desc_fd = -1;
    s->cache = vd_table_cache_ref(vd_node_loop(node));
    if (!open_co_file(s, opts, error) ||
        !vd_options_take_bool(opts, "keep-cbt", &s->keep_cbt, error) ||
        !vd_options_take_bool(opts, "recover", &s->recover, error) ||
        !check_recover(s, error) ||
        !vd_options_take_bool(opts, "force-dirty", &s->force_dirty, error) ||
        !vmdk_co_finish_repair(node, s->file, error) ||
        !open_co_disk(s, opts, error)) {
        vmdk_co_close(node);
        return false;
    }
    set_limits(s);
    return true;
}

void
vmdk_co_close(VdNode *node)
{
    VmdkState *s = vd_node_state(node);

    vmdk_extents_free(s);
    g_clear_pointer(&s->writer, vmdk_stream_writer_free);
    g_clear_pointer(&s->desc, vmdk_descriptor_free);
    g_clear_pointer(&s->cache, vd_table_cache_unref);
    g_clear_pointer(&s->header_parent, g_free);
    g_clear_pointer(&s->parent_path, g_free);
    g_clear_pointer(&s->parent_problem, g_free);
    if (s->desc_fd >= 0)
        (void) close(s->desc_fd); /* written and synced long ago */
    s->desc_fd = -1;
}
