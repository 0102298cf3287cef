/* SPDX-License-Identifier: BSD-3-Clause */
/* formats/qcow2/new.c - options of a new image, and where everything goes.
 *
 * Names, defaults and texts are qemu-img's.
 *
 * Concurrency: never yields.
 */
#include "formats/qcow2/new.h"

#include "block/file-hints.h"
#include "block/codec/codec.h"

#include <inttypes.h>

#define DEFAULT_CLUSTER (64u << 10)
#define DEFAULT_EXTENDED_CLUSTER (64u << 10)
#define MIN_EXTENDED_CLUSTER (16u << 10)

static const char *const prealloc_names[] = {"off", "metadata", "falloc",
                                             "full", NULL};
static const VdPrealloc preallocs[] = {VD_PREALLOC_OFF, VD_PREALLOC_METADATA,
                                       VD_PREALLOC_FALLOC, VD_PREALLOC_FULL};
static const char *const compat_names[] = {"0.10", "v2", "1.1", "v3", NULL};
#define COMPAT_3 2 /* this one and those behind it */
static const char *const compression_names[] = {"zlib", "zstd", NULL};
G_STATIC_ASSERT(QCOW2_DEFLATE == 0 && QCOW2_ZSTD == 1);

const VdOptionSpec qcow2_create_options[] = {
    {"cluster_size", VD_OPTION_SIZE, "65536", "qcow2 cluster size", NULL},
    {"extended_l2", VD_OPTION_BOOL, "off", "Extended L2 tables", NULL},
    {"preallocation", VD_OPTION_ENUM, NULL,
     "Preallocation mode (allowed values: off, metadata, falloc, full)",
     prealloc_names},
    {"compress_level", VD_OPTION_NUMBER, NULL,
     "Compression level of what is written at once, 1 (fast, default) to 9, or "
     "12",
     NULL},
    {"compression_type", VD_OPTION_ENUM, "zlib",
     "Compression method used for image cluster compression",
     compression_names},
    {"size", VD_OPTION_SIZE, NULL, "Virtual disk size", NULL},
    {"compat", VD_OPTION_ENUM, NULL,
     "Compatibility level (v2 [0.10] or v3 [1.1])", compat_names},
    {"backing_file", VD_OPTION_STRING, NULL, "File name of a base image", NULL},
    {"backing_fmt", VD_OPTION_STRING, NULL, "Image format of the base image",
     NULL},
    {"data_file", VD_OPTION_STRING, NULL, "File name of an external data file",
     NULL},
    {"data_file_raw", VD_OPTION_BOOL, NULL,
     "The external data file must stay valid as a raw image", NULL},
    {"lazy_refcounts", VD_OPTION_BOOL, "off", "Postpone refcount updates",
     NULL},
    {"refcount_bits", VD_OPTION_NUMBER, "16",
     "Width of a reference count entry in bits", NULL},
    VD_NO_COW_ROW,
    VD_EXTENT_SIZE_ROW,
    {NULL},
};

/* -- taking ---------------------------------------------------------------- */

static bool
take_cluster_size(Qcow2New *new, VdOptions *opts, bool extended, GError **error)
{
    uint64_t size = extended ? DEFAULT_EXTENDED_CLUSTER : DEFAULT_CLUSTER;
    uint64_t min =
        extended ? MIN_EXTENDED_CLUSTER : UINT64_C(1) << QCOW2_MIN_CLUSTER_BITS;

    if (!vd_options_take_size(opts, "cluster_size", &size, error))
        return false;
    if (size & (size - 1) || size < (1u << QCOW2_MIN_CLUSTER_BITS) ||
        size > (1u << QCOW2_MAX_CLUSTER_BITS))
        return vd_throw(error, VD_ERROR_INVALID_ARGUMENT,
                        "Cluster size must be a power of two between 512 and "
                        "2048k");
    if (size < min)
        return vd_throw(error, VD_ERROR_INVALID_ARGUMENT,
                        "Extended L2 entries are only supported with cluster "
                        "sizes of at least 16384 bytes");
    new->hdr.cluster_bits = (uint32_t) g_bit_storage((gulong) size) - 1;
    return true;
}

static bool
take_refcount_bits(Qcow2New *new, VdOptions *opts, GError **error)
{
    uint64_t bits = 16;

    if (!vd_options_take_uint(opts, "refcount_bits", &bits, error))
        return false;
    if (bits == 0 || bits > 64 || (bits & (bits - 1)))
        return vd_throw(error, VD_ERROR_INVALID_ARGUMENT,
                        "Refcount width must be a power of two and may not "
                        "exceed 64 bits");
    if (new->hdr.version < 3 && bits != 16)
        return vd_throw(error, VD_ERROR_INVALID_ARGUMENT,
                        "Different refcount widths than 16 bits require "
                        "compatibility level 1.1 or above (use version=v3 or "
                        "greater)");
    new->hdr.refcount_order = (uint32_t) g_bit_storage((gulong) bits) - 1;
    return true;
}

/* Behind the version. */
static bool
take_compression(Qcow2New *new, VdOptions *opts, GError **error)
{
    unsigned compression = QCOW2_DEFLATE;

    new->level = VD_CODEC_LEVEL_FAST;
    if (!vd_options_take_enum(opts, "compression_type", compression_names,
                              &compression, error) ||
        !vd_codec_take_level(opts, &new->level, error))
        return false;
    if (compression == QCOW2_DEFLATE)
        return true;
    if (new->hdr.version < 3)
        return vd_throw(error, VD_ERROR_INVALID_ARGUMENT,
                        "Non-zlib compression type is only supported with "
                        "compatibility level 1.1 and above (use version=v3 or "
                        "greater)");
    new->hdr.compression = QCOW2_ZSTD;
    new->hdr.incompatible |= QCOW2_INCOMPAT_COMPRESSION;
    return vd_codec_check(VD_CODEC_ZSTD, error);
}

static bool
take_features(Qcow2New *new, VdOptions *opts, bool *extended, GError **error)
{
    bool lazy = false;
    unsigned compat = COMPAT_3;

    if (!vd_options_take_enum(opts, "compat", compat_names, &compat, error) ||
        !vd_options_take_bool(opts, "lazy_refcounts", &lazy, error) ||
        !vd_options_take_bool(opts, "extended_l2", extended, error))
        return false;
    new->hdr.version = compat < COMPAT_3 ? 2 : 3;
    if (new->hdr.version < 3 && lazy)
        return vd_throw(error, VD_ERROR_INVALID_ARGUMENT,
                        "Lazy refcounts only supported with compatibility "
                        "level 1.1 and above (use version=v3 or greater)");
    if (new->hdr.version < 3 && *extended)
        return vd_throw(error, VD_ERROR_INVALID_ARGUMENT,
                        "Extended L2 entries are only supported with "
                        "compatibility level 1.1 and above (use version=v3 or "
                        "greater)");
    if (lazy)
        new->hdr.compatible |= QCOW2_COMPAT_LAZY_REFCOUNTS;
    if (*extended)
        new->hdr.incompatible |= QCOW2_INCOMPAT_EXTENDED_L2;
    return true;
}

static bool
take_data_file(Qcow2New *new, VdOptions *opts, GError **error)
{
    vd_options_take_string(opts, "data_file", &new->data_file);
    if (!vd_options_take_bool(opts, "data_file_raw", &new->data_file_raw,
                              error))
        return false;
    if (new->data_file_raw && !new->data_file)
        return vd_throw(error, VD_ERROR_INVALID_ARGUMENT,
                        "data-file-raw requires data-file");
    if (new->data_file &&new->hdr.version < 3)
        return vd_throw(error, VD_ERROR_INVALID_ARGUMENT,
                        "External data files are only supported with "
                        "compatibility level 1.1 and above (use version=v3 or "
                        "greater)");
    if (new->data_file_raw &&new->backing_name)
        return vd_throw(error, VD_ERROR_INVALID_ARGUMENT,
                        "Backing file and data-file-raw cannot be used at the "
                        "same time");
    if (new->data_file)
        new->hdr.incompatible |= QCOW2_INCOMPAT_DATA_FILE;
    if (new->data_file_raw)
        new->hdr.autoclear |= QCOW2_AUTOCLEAR_DATA_FILE_RAW;
    return true;
}

static bool
take_prealloc(Qcow2New *new, VdOptions *opts, GError **error)
{
    unsigned prealloc = 0;

    if (!vd_options_take_enum(opts, "preallocation", prealloc_names, &prealloc,
                              error))
        return false;
    new->prealloc = preallocs[prealloc];
    if (new->backing_name &&new->prealloc != VD_PREALLOC_OFF &&
        !(new->hdr.incompatible &QCOW2_INCOMPAT_EXTENDED_L2))
        return vd_throw(error, VD_ERROR_INVALID_ARGUMENT,
                        "Backing file and preallocation can only be used at "
                        "the same time if extended_l2 is enabled");
    return true;
}

static bool
take_options(Qcow2New *new, VdOptions *opts, GError **error)
{
    bool extended = false;

    return take_features(new, opts, &extended, error) &&
           take_compression(new, opts, error) &&
           take_cluster_size(new, opts, extended, error) &&
           take_refcount_bits(new, opts, error) &&
           take_data_file(new, opts, error) && take_prealloc(new, opts, error);
}

/* -- layout ---------------------------------------------------------------- */

static uint64_t
divide_up(uint64_t n, uint64_t unit)
{
    return (n + unit - 1) / unit;
}

static bool
is_extended(const Qcow2New *new)
{
    return new->hdr.incompatible &QCOW2_INCOMPAT_EXTENDED_L2;
}

uint64_t
qcow2_new_disk_clusters(const Qcow2New *new)
{
    return divide_up(new->hdr.size, qcow2_cluster_bytes(&new->hdr));
}

uint64_t
qcow2_new_disk_tables(const Qcow2New *new)
{
    uint64_t entries =
        qcow2_cluster_bytes(&new->hdr) / (is_extended(new) ? 16 : 8);

    return divide_up(qcow2_new_disk_clusters(new), entries);
}

/* Blocks count themselves, and their table is counted, too. */
void
qcow2_new_lay_out(Qcow2New *new, uint64_t n_l2, uint64_t n_data)
{
    uint64_t cluster = qcow2_cluster_bytes(&new->hdr);
    uint64_t per_block = cluster * 8 >> new->hdr.refcount_order;
    uint64_t before;

    new->n_l1 = divide_up(qcow2_new_disk_tables(new) * 8, cluster);
    new->n_l2 = n_l2;
    new->n_data = n_data;
    new->n_reftable = new->n_blocks = 1;
    do {
        before = new->n_blocks + new->n_reftable;
        new->total = 1 + new->n_reftable + new->n_blocks + new->n_l1 +
                     new->n_l2 + new->n_data;
        new->n_blocks = divide_up(new->total, per_block);
        new->n_reftable = MAX(divide_up(new->n_blocks * 8, cluster), 1);
    } while (before != new->n_blocks + new->n_reftable);
    new->reftable = 1;
    new->blocks = new->reftable + new->n_reftable;
    new->l1 = new->blocks + new->n_blocks;
    new->l2 = new->l1 + new->n_l1;
    new->data = new->l2 + new->n_l2;
}

static bool
check_size(const Qcow2New *new, GError **error)
{
    uint64_t tables = qcow2_new_disk_tables(new);

    if (tables <= QCOW2_MAX_L1_BYTES / 8 &&
        (new->n_reftable << new->hdr.cluster_bits) <= QCOW2_MAX_REFTABLE_BYTES)
        return true;
    return vd_throw(error, VD_ERROR_LIMIT,
                    "The image size is too large (try using a larger cluster "
                    "size): %" PRIu64 " bytes need an L1 table of %" PRIu64
                    " entries and a refcount table of %" PRIu64 " bytes",
                    new->hdr.size, tables,
                    new->n_reftable << new->hdr.cluster_bits);
}

static void
fill_header(Qcow2New *new)
{
    Qcow2Header *hdr = &new->hdr;

    hdr->n_l1 = (uint32_t) qcow2_new_disk_tables(new);
    hdr->l1_off = new->l1 << hdr->cluster_bits;
    hdr->reftable_off = new->reftable << hdr->cluster_bits;
    hdr->reftable_clusters = (uint32_t) new->n_reftable;
    hdr->header_bytes =
        hdr->version < 3 ? QCOW2_HEADER_V2_BYTES : QCOW2_HEADER_BYTES;
}

bool
qcow2_new_init(Qcow2New *new, const VdCreateSpec *spec, GError **error)
{
    bool full;

    *new = (Qcow2New){.hdr = {.size = (spec->size + 511) / 512 * 512}};
    new->backing_name = g_strdup(spec->backing_name);
    new->backing_format = g_strdup(spec->backing_format);
    if (spec->size > (uint64_t) VD_MAX_SIZE)
        return vd_throw(error, VD_ERROR_LIMIT,
                        "size %" PRIu64 " is above the maximum %" PRIu64,
                        spec->size, (uint64_t) VD_MAX_SIZE);
    if (new->backing_name && strlen(new->backing_name) > QCOW2_MAX_NAME)
        return vd_throw(error, VD_ERROR_LIMIT,
                        "the backing file's name has more than 1023 bytes");
    if (!take_options(new, spec->options, error))
        return false;
    full = new->prealloc != VD_PREALLOC_OFF;
    qcow2_new_lay_out(new, full ? qcow2_new_disk_tables(new) : 0,
                      full && !new->data_file ? qcow2_new_disk_clusters(new)
                                              : 0);
    fill_header(new);
    return check_size(new, error);
}

void
qcow2_new_clear(Qcow2New *new)
{
    g_free(new->backing_name);
    g_free(new->backing_format);
    g_free(new->data_file);
}
