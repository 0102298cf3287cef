/* SPDX-License-Identifier: BSD-3-Clause */
/* formats/vmdk/create/rebuild.c - a descriptor from nothing but the data files
 * that it named.
 *
 * Names tell what kind of disk it was (x-flat, x-f001..., x-s001..., x-delta),
 * headers and file sizes how large.  What nobody can know any more is made
 * anew: content id, uuid, geometry (by rule), adapter.  A parent has to be
 * named.
 *
 * Concurrency: no state.
 */
#include "formats/vmdk/create/create.h"
#include "formats/vmdk/descriptor/ids.h"
#include "formats/vmdk/descriptor/names.h"
#include "formats/vmdk/sparse/cowd-header.h"

#include "block/open.h"
#include "io/offload.h"

#include <string.h>

typedef struct {
    const char *suffix; /* behind the stem, of the first file */
    VmdkSubformat subformat;
    VmdkExtentType type;
    bool numbered;
} Pattern;

static const Pattern patterns[] = {
    {"-flat", VMDK_SUB_MONOLITHIC_FLAT, VMDK_TYPE_FLAT, false},
    {"-f001", VMDK_SUB_SPLIT_FLAT, VMDK_TYPE_FLAT, true},
    {"-s001", VMDK_SUB_SPLIT_SPARSE, VMDK_TYPE_SPARSE, true},
    {"-delta", VMDK_SUB_VMFS_SPARSE, VMDK_TYPE_VMFSSPARSE, false},
};

typedef struct {
    const VdRebuildSpec *spec;
    char *stem; /* path without .vmdk */
    const Pattern *pattern;
    unsigned n_files;
    unsigned missing; /* number in the middle that is not there; 0 = none */
    GError *error;
    GArray *sectors; /* of uint64_t, one a file */
} Rebuild;

static char *
file_path(const Rebuild *r, unsigned number)
{
    const char *suffix = r->pattern->suffix;

    if (!r->pattern->numbered)
        return g_strdup_printf("%s%s.vmdk", r->stem, suffix);
    return g_strdup_printf("%s-%c%03u.vmdk", r->stem, suffix[1], number);
}

/* -- which files? (on a worker) -------------------------------------------- */

static bool
is_there(const Rebuild *r, const Pattern *pattern)
{
    g_autofree char *path =
        g_strdup_printf("%s%s.vmdk", r->stem, pattern->suffix);

    return g_file_test(path, G_FILE_TEST_IS_REGULAR);
}

/* The number in "STEM-sNUMBER.vmdk"; 0 = no such name. */
static unsigned
number_of(const char *name, const char *stem, char letter)
{
    g_autofree char *prefix = g_strdup_printf("%s-%c", stem, letter);
    uint64_t number = 0;
    const char *digits = name + strlen(prefix);
    size_t n;

    if (!g_str_has_prefix(name, prefix))
        return 0;
    n = strspn(digits, "0123456789");
    if (n < 3 || strcmp(digits + n, ".vmdk"))
        return 0;
    number = g_ascii_strtoull(digits, NULL, 10);
    return number <= VMDK_MAX_EXTENTS ? (unsigned) number : 0;
}

static unsigned
highest_number(Rebuild *r)
{
    g_autofree char *dir = g_path_get_dirname(r->stem);
    g_autofree char *base = g_path_get_basename(r->stem);
    g_autoptr(GDir) entries = g_dir_open(dir, 0, &r->error);
    unsigned highest = 0;
    const char *name;

    while (entries && (name = g_dir_read_name(entries)))
        highest = MAX(highest, number_of(name, base, r->pattern->suffix[1]));
    return highest;
}

static void
count_files(Rebuild *r)
{
    r->n_files = r->pattern->numbered ? highest_number(r) : 1;
    for (unsigned i = 1; i <= r->n_files && !r->missing; i++) {
        g_autofree char *path = file_path(r, i);

        if (!g_file_test(path, G_FILE_TEST_IS_REGULAR))
            r->missing = i;
    }
}

static void
look_work(void *opaque)
{
    Rebuild *r = opaque;

    for (unsigned i = 0; i < G_N_ELEMENTS(patterns) && !r->error; i++) {
        if (!is_there(r, &patterns[i]))
            continue;
        if (r->pattern)
            vd_throw(&r->error, VD_ERROR_REFUSED,
                     "%s: there are %s%s.vmdk and %s%s.vmdk, which are no one "
                     "disk",
                     r->spec->filename, r->stem, r->pattern->suffix, r->stem,
                     patterns[i].suffix);
        r->pattern = &patterns[i];
    }
    if (r->pattern && !r->error)
        count_files(r);
}

static bool
rebuild_co_look(Rebuild *r, GError **error)
{
    vio_co_offload(r->spec->env->loop, look_work, r);
    if (r->error) {
        g_propagate_error(error, r->error);
        return false;
    }
    if (!r->pattern)
        return vd_throw(error, VD_ERROR_NOT_FOUND,
                        "%s: no data files %s-flat.vmdk, -f001.vmdk, "
                        "-s001.vmdk or -delta.vmdk",
                        r->spec->filename, r->stem);
    if (r->missing) {
        g_autofree char *path = file_path(r, r->missing);

        return vd_throw(error, VD_ERROR_NOT_FOUND,
                        "%s: is missing, though there are files up to number "
                        "%u",
                        path, r->n_files);
    }
    return true;
}

/* -- how large? ------------------------------------------------------------ */

static bool
flat_sectors(const VdNode *file, uint64_t *sectors, GError **error)
{
    uint64_t size = vd_node_size(file);

    if (!size || size % VMDK_SECTOR)
        return vd_throw(error, VD_ERROR_CORRUPT,
                        "%s: %" G_GUINT64_FORMAT
                        " bytes are no whole number of sectors",
                        vd_node_name(file), size);
    *sectors = size / VMDK_SECTOR;
    return true;
}

static bool
rebuild_co_header_sectors(VdNode *file, bool cowd, uint64_t *sectors,
                          GError **error)
{
    uint8_t raw[VMDK_COWD_HEADER_BYTES] = {0};
    size_t len = (size_t) MIN(sizeof(raw), vd_node_size(file));
    const char *name = vd_node_name(file);
    VmdkHeader hdr;

    if (!vd_node_co_pread(file, 0, raw, len, error) ||
        !(cowd ? vmdk_cowd_decode(raw, name, &hdr, error)
               : vmdk_header_decode(raw, name, &hdr, error)))
        return false;
    if (!hdr.capacity_sectors)
        return vd_throw(error, VD_ERROR_CORRUPT,
                        "%s: a sparse extent with a capacity of 0", name);
    *sectors = hdr.capacity_sectors;
    return true;
}

static bool
rebuild_co_measure_one(Rebuild *r, unsigned number, GError **error)
{
    g_autofree char *path = file_path(r, number);
    VdOptions *opts = vd_options_new();
    uint64_t sectors = 0;
    VdNode *file;
    bool ok;

    vd_options_set(opts, "filename", path);
    file = vd_co_open(r->spec->env, NULL, "file", opts, 0, error);
    if (!file)
        return false;
    if (r->pattern->type == VMDK_TYPE_FLAT)
        ok = flat_sectors(file, &sectors, error);
    else
        ok = rebuild_co_header_sectors(
            file, r->pattern->type == VMDK_TYPE_VMFSSPARSE, &sectors, error);
    (void) vd_node_co_close(file, NULL); /* it was only read */
    g_array_append_val(r->sectors, sectors);
    return ok;
}

static bool
rebuild_co_measure(Rebuild *r, uint64_t *total, GError **error)
{
    *total = 0;
    for (unsigned i = 1; i <= r->n_files; i++) {
        if (!rebuild_co_measure_one(r, i, error))
            return false;
        if (!g_uint64_checked_add(total, *total,
                                  g_array_index(r->sectors, uint64_t, i - 1)) ||
            *total > (uint64_t) VD_MAX_SIZE / VMDK_SECTOR)
            return vd_throw(error, VD_ERROR_LIMIT,
                            "%s: the extents add up to too much",
                            r->spec->filename);
    }
    return true;
}

/* -- the text -------------------------------------------------------------- */

static bool
add_extents(const Rebuild *r, VmdkDescriptor *desc, GError **error)
{
    for (unsigned i = 1; i <= r->n_files; i++) {
        g_autofree char *path = file_path(r, i);
        g_autofree char *name = g_path_get_basename(path);
        VmdkExtentLine line = {
            .type = r->pattern->type,
            .sectors = g_array_index(r->sectors, uint64_t, i - 1),
            .file = name,
        };

        if (!vmdk_descriptor_add_extent(desc, &line, error))
            return false;
    }
    return true;
}

static bool
rebuild_co_parent(const Rebuild *r, VmdkNew *new, GError **error)
{
    g_autofree char *path = NULL;
    const VmdkState *s;
    VdNode *parent;

    if (!r->spec->parent)
        return true;
    path = vd_path_combine(r->spec->filename, r->spec->parent);
    parent = vd_co_open(r->spec->env, path, "vmdk", NULL,
                        VD_OPEN_NO_PARENT | VD_OPEN_NO_IO, error);
    if (!parent)
        return false;
    s = vd_node_state(parent);
    new->parent_cid = s->cid;
    new->parent_hint = r->spec->parent;
    (void) vd_node_co_close(parent, NULL); /* headers only */
    return true;
}

static bool
rebuild_co_write(const Rebuild *r, const VmdkNew *new, VdTransaction *tx,
                 GError **error)
{
    g_autoptr(VmdkDescriptor) desc = vmdk_new_descriptor(new, error);
    g_autofree char *text = NULL;
    size_t len;
    VdNode *file;
    bool ok;

    if (!desc || !add_extents(r, desc, error))
        return false;
    text = vmdk_descriptor_text(desc, &len);
    file = vd_tx_co_file(tx, r->spec->env, r->spec->filename, 0,
                         VD_PREALLOC_OFF, error);
    if (!file)
        return false;
    ok = vd_node_co_pwrite(file, 0, text, len, error);
    return vd_node_co_close(file, ok ? error : NULL) && ok;
}

static bool
rebuild_co_run(Rebuild *r, VdTransaction *tx, GError **error)
{
    VmdkNew new = {.path = r->spec->filename,
                   .adapter = (char *) "lsilogic",
                   .hw_version = (char *) "4",
                   .cid = vmdk_cid_new(),
                   .parent_cid = VMDK_CID_NONE};

    if (!rebuild_co_look(r, error) ||
        !rebuild_co_measure(r, &new.sectors, error) ||
        !rebuild_co_parent(r, &new, error))
        return false;
    new.subformat = r->pattern->subformat;
    return rebuild_co_write(r, &new, tx, error);
}

bool
vmdk_co_rebuild(VdTransaction *tx, const VdRebuildSpec *spec, GError **error)
{
    Rebuild r = {.spec = spec,
                 .sectors = g_array_new(FALSE, FALSE, sizeof(uint64_t))};
    bool ok;

    r.stem = g_str_has_suffix(spec->filename, ".vmdk")
                 ? g_strndup(spec->filename, strlen(spec->filename) - 5)
                 : NULL;
    ok = r.stem ? rebuild_co_run(&r, tx, error)
                : vd_throw(error, VD_ERROR_INVALID_ARGUMENT,
                           "%s: the name of a descriptor ends in .vmdk",
                           spec->filename);
    g_free(r.stem);
    g_array_unref(r.sectors);
    return ok;
}
