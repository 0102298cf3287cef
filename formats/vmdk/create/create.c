/* SPDX-License-Identifier: BSD-3-Clause */
/* formats/vmdk/create/create.c - the files of a new disk.
 *
 * The file that names the others is made known to the transaction first and
 * written last.  Everything else is small: a header, two directories, and a
 * hole where the tables are.
 *
 * Concurrency: create only.
 */
#include "formats/vmdk/create/create.h"
#include "block/codec/codec.h"
#include "formats/vmdk/descriptor/names.h"
#include "formats/vmdk/sparse/new-file.h"
#include "formats/vmdk/sesparse/sesparse.h"
#include "formats/vmdk/sparse/cowd-header.h"

#include "block/open.h"

#include <string.h>

typedef struct {
    VdTransaction *tx;
    const VdEnv *env;
    const VmdkNew *new;
    VmdkDescriptor *desc;
} Creation;

/* -- pieces of a sparse extent
 * --------------------------------------------------- */

static VmdkHeader
sparse_header(const VmdkNew *new, uint64_t sectors, bool embedded)
{
    VmdkHeader hdr;

    vmdk_header_layout_sparse(&hdr, sectors, new->grain_sectors, embedded);
    if (new->zeroed_grain) {
        hdr.version = 2;
        hdr.flags |= VMDK_FLAG_ZEROED_GTE;
    }
    return hdr;
}

/* As it is to stand in the embedded area; NULL if that is too small. */
static char *
embedded_text(const VdNode *file, const VmdkHeader *hdr,
              const VmdkDescriptor *desc, size_t *len, GError **error)
{
    size_t area = (size_t) hdr->desc_sectors * VMDK_SECTOR;
    g_autofree char *text = vmdk_descriptor_text(desc, len);

    if (*len > area)
        return vd_throw_null(error, VD_ERROR_NO_SPACE,
                             "%s: the descriptor would need %zu bytes, there "
                             "is room for %zu",
                             vd_node_name(file), *len, area);
    return g_steal_pointer(&text);
}

static bool
create_co_write_embedded(VdNode *file, const VmdkHeader *hdr,
                         const VmdkDescriptor *desc, GError **error)
{
    size_t len, area = (size_t) hdr->desc_sectors * VMDK_SECTOR;
    g_autofree char *text = embedded_text(file, hdr, desc, &len, error);
    g_autofree char *padded = g_malloc0(area);

    if (!text)
        return false;
    memcpy(padded, text, len);
    return vd_node_co_pwrite(file, hdr->desc_sector * VMDK_SECTOR, padded, area,
                             error);
}

/* -- disks of one file
 * -------------------------------------------------------------- */

/* Readers take no notice of the name in there; it only has to be writable. */
static char *
embedded_name(const char *path)
{
    g_autofree char *base = g_path_get_basename(path);
    char *name = g_utf8_make_valid(base, -1);

    return g_strdelimit(name, "\"\r\n", '_');
}

static bool
add_embedded_extent(Creation *c, GError **error)
{
    g_autofree char *name = embedded_name(c->new->path);
    VmdkExtentLine line = {
        .type = VMDK_TYPE_SPARSE, .sectors = c->new->sectors, .file = name};

    return vmdk_descriptor_add_extent(c->desc, &line, error);
}

/* Complete, but without any grain: a writer starts over (open.c). */
static bool
create_co_write_empty_stream(VdNode *file, const VmdkHeader *hdr,
                             GError **error)
{
    VmdkStreamWriter *writer = vmdk_stream_writer_new(file, hdr);
    VdAppend end = {0};
    bool ok = vmdk_stream_co_append(writer, &end, error);

    vmdk_stream_writer_free(writer);
    return ok;
}

/* Header, descriptor and the gap in front of the records, in one piece; the
 * end comes when the stream is filled. */
static bool
create_co_write_stream_front(VdNode *file, const VmdkHeader *hdr,
                             const VmdkDescriptor *desc, GError **error)
{
    size_t len, room = (size_t) hdr->overhead_sectors * VMDK_SECTOR;
    g_autofree char *text = embedded_text(file, hdr, desc, &len, error);
    g_autofree uint8_t *front = g_malloc0(room);

    if (!text)
        return false;
    vmdk_header_encode(hdr, front);
    memcpy(front + hdr->desc_sector * VMDK_SECTOR, text, len);
    return vd_node_co_pwrite(file, 0, front, room, error);
}

static bool
create_co_fill_one_file(Creation *c, VdNode *file, GError **error)
{
    const VmdkNew *new = c->new;
    bool sequential = vd_node_limits(file)->sequential;
    VmdkHeader hdr;

    if (sequential && new->subformat != VMDK_SUB_STREAM)
        return vd_throw(error, VD_ERROR_NOT_SUPPORTED,
                        "%s: takes no VMDK but subformat=streamOptimized",
                        vd_node_name(file));
    if (new->subformat != VMDK_SUB_STREAM) {
        hdr = sparse_header(new, new->sectors, true);
        return vmdk_layout_co_write_new(file, &hdr, new->prealloc, error) &&
               create_co_write_embedded(file, &hdr, c->desc, error);
    }
    vmdk_header_layout_stream(&hdr, new->sectors, sequential);
    if (sequential)
        return create_co_write_stream_front(file, &hdr, c->desc, error);
    return create_co_write_embedded(file, &hdr, c->desc, error) &&
           create_co_write_empty_stream(file, &hdr, error);
}

/* The error of what was done counts, else that of closing. */
static bool
create_co_close_after(VdNode *file, bool ok, GError **error)
{
    return vd_node_co_close(file, ok ? error : NULL) && ok;
}

static bool
create_co_one_file(Creation *c, GError **error)
{
    VdNode *file;

    if (!add_embedded_extent(c, error))
        return false;
    file =
        vd_tx_co_file(c->tx, c->env, c->new->path, 0, VD_PREALLOC_OFF, error);
    return file && create_co_close_after(
                       file, create_co_fill_one_file(c, file, error), error);
}

/* -- disks with data files
 * ------------------------------------------------------------ */

static char *
data_path(const VmdkNew *new, unsigned index)
{
    VmdkNameKind kind = VMDK_NAME_SPLIT_SPARSE;

    if (new->subformat == VMDK_SUB_SPLIT_FLAT)
        kind = VMDK_NAME_SPLIT_FLAT;
    else if (vmdk_new_is_flat(new))
        kind = VMDK_NAME_FLAT;
    else if (new->subformat == VMDK_SUB_SESPARSE)
        kind = VMDK_NAME_SESPARSE;
    else if (new->subformat == VMDK_SUB_VMFS_SPARSE)
        kind = VMDK_NAME_DELTA;
    return vmdk_name_extent(new->path, kind, index);
}

static VmdkExtentType
data_type(const VmdkNew *new)
{
    if (vmdk_new_is_vmfs(new))
        return VMDK_TYPE_VMFS;
    if (new->subformat == VMDK_SUB_SESPARSE)
        return VMDK_TYPE_SESPARSE;
    if (new->subformat == VMDK_SUB_VMFS_SPARSE)
        return VMDK_TYPE_VMFSSPARSE;
    return vmdk_new_is_flat(new) ? VMDK_TYPE_FLAT : VMDK_TYPE_SPARSE;
}

static bool
add_data_extent(const VmdkNew *new, VmdkDescriptor *desc, const char *path,
                uint64_t sectors, GError **error)
{
    g_autofree char *name = g_path_get_basename(path);
    VmdkExtentLine line = {
        .type = data_type(new),
        .sectors = sectors,
        .file = name,
    };

    if (!g_utf8_validate(name, -1, NULL))
        return vd_throw(error, VD_ERROR_INVALID_ARGUMENT,
                        "%s: a descriptor cannot name a file whose name is "
                        "not UTF-8",
                        path);
    return vmdk_descriptor_add_extent(desc, &line, error);
}

uint64_t
vmdk_new_piece_sectors(const VmdkNew *new)
{
    return vmdk_new_is_split(new) ? new->split_sectors : new->sectors;
}

bool
vmdk_new_add_extents(const VmdkNew *new, VmdkDescriptor *desc, GError **error)
{
    uint64_t piece = vmdk_new_piece_sectors(new);

    for (uint64_t done = 0, n = 1; done < new->sectors; done += piece, n++) {
        g_autofree char *path = data_path(new, (unsigned) n);

        if (!add_data_extent(new, desc, path, MIN(piece, new->sectors - done),
                             error))
            return false;
    }
    return true;
}

/* Of a redo log there are a header and an empty directory; tables come as they
 * are needed. */
static bool
create_co_write_cowd(VdNode *file, const VmdkNew *new, GError **error)
{
    uint8_t raw[VMDK_COWD_HEADER_BYTES];
    VmdkHeader hdr;

    vmdk_cowd_layout(&hdr, new->sectors, new->grain_sectors);
    vmdk_cowd_encode(&hdr, raw);
    return vd_node_co_truncate(file, (uint64_t) hdr.free_sector * VMDK_SECTOR,
                               VD_PREALLOC_OFF, error) &&
           vd_node_co_pwrite(file, 0, raw, sizeof(raw), error);
}

static bool
create_co_fill_data_file(const VmdkNew *new, VdNode *file, uint64_t sectors,
                         GError **error)
{
    VmdkHeader hdr;

    if (vmdk_new_is_flat(new))
        return true;
    if (new->subformat == VMDK_SUB_VMFS_SPARSE)
        return create_co_write_cowd(file, new, error);
    if (new->subformat == VMDK_SUB_SESPARSE)
        return vmdk_sesparse_co_create(file, sectors, error);
    hdr = sparse_header(new, sectors, false);
    return vmdk_layout_co_write_new(file, &hdr, new->prealloc, error);
}

static bool
create_co_data_file(Creation *c, const char *path, uint64_t sectors,
                    GError **error)
{
    const VmdkNew *new = c->new;
    VdNode *file = vd_tx_co_file(
        c->tx, c->env, path, vmdk_new_is_flat(new) ? sectors * VMDK_SECTOR : 0,
        new->prealloc, error);

    return file &&
           create_co_close_after(
               file, create_co_fill_data_file(new, file, sectors, error),
               error);
}

static bool
create_co_data_files(Creation *c, GError **error)
{
    const VmdkNew *new = c->new;
    uint64_t piece = vmdk_new_piece_sectors(new);

    if (!vmdk_new_add_extents(new, c->desc, error))
        return false;
    for (uint64_t done = 0, n = 1; done < new->sectors; done += piece, n++) {
        g_autofree char *path = data_path(new, (unsigned) n);

        if (!create_co_data_file(c, path, MIN(piece, new->sectors - done),
                                 error))
            return false;
    }
    return true;
}

static bool
create_co_fill_descriptor_file(Creation *c, VdNode *file, GError **error)
{
    g_autofree char *text = NULL;
    size_t len;

    if (!create_co_data_files(c, error))
        return false;
    text = vmdk_descriptor_text(c->desc, &len);
    return vd_node_co_pwrite(file, 0, text, len, error);
}

static bool
create_co_with_data_files(Creation *c, GError **error)
{
    VdNode *file;

    if (g_str_has_prefix(c->new->path, "fd:"))
        return vd_throw(error, VD_ERROR_NOT_SUPPORTED,
                        "%s: a disk of several files cannot be written there",
                        c->new->path);
    file =
        vd_tx_co_file(c->tx, c->env, c->new->path, 0, VD_PREALLOC_OFF, error);
    return file &&
           create_co_close_after(
               file, create_co_fill_descriptor_file(c, file, error), error);
}

static bool
create_co_files(Creation *c, GError **error)
{
    if (vmdk_new_has_data_files(c->new))
        return create_co_with_data_files(c, error);
    return create_co_one_file(c, error);
}

/* Nobody shall take such a file for one that ESXi has made. */
static void
warn_about(const VmdkNew *new, const VdEnv *env)
{
    g_autofree char *text = NULL;

    if (new->subformat != VMDK_SUB_SESPARSE || !env->warn)
        return;
    text = g_strdup_printf("%s: seSparse images are made for testing: not for "
                           "ESXi, and read only once they are filled",
                           new->path);
    env->warn(text, env->warn_opaque);
}

bool
vmdk_co_create(VdTransaction *tx, const VdCreateSpec *spec, GError **error)
{
    VmdkNew new;
    g_autoptr(VmdkDescriptor) desc = NULL;
    bool ok = vmdk_new_init(&new, spec, error);

    if (ok)
        desc = vmdk_new_descriptor(&new, error);
    if (desc) {
        Creation c = {.tx = tx, .env = spec->env, .new = &new, .desc = desc};

        warn_about(&new, spec->env);
        ok = create_co_files(&c, error);
    }
    if (ok && desc && spec->reopen && new.subformat == VMDK_SUB_STREAM)
        vd_codec_set_level(spec->reopen, new.level);
    vmdk_new_clear(&new);
    return ok && desc;
}
