/* SPDX-License-Identifier: BSD-3-Clause */
/* formats/vdi/parent.c - finding the parent of a differencing disk.
 *
 * A child knows two ids of its parent and no name: the one that the parent was
 * made with, and the one that it had when it was last changed.  VirtualBox
 * keeps the path in a registry of its own; here it is option parent=PATH, else
 * any file beside the child whose header has the first id.
 *
 * The second id tells whether the parent has changed under its child.  That is
 * an error, as it is to VirtualBox, but a warning where the user has named the
 * parent.
 *
 * Concurrency: open only; the directory is read on a worker.
 */
#include "formats/vdi/driver.h"
#include "formats/vdi/vdi.h"

#include "block/open.h"
#include "formats/blocks/parent.h"
#include "io/fd.h"
#include "io/offload.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

/* Directories with more entries than this are not searched to the end. */
#define MAX_ENTRIES 65536
/* So many files of one id are tried. */
#define MAX_FOUND 16

/* -- the directory --------------------------------------------------------- */

typedef struct {
    const uint8_t *wanted; /* id that the parent was made with */
    char *dir;
    GPtrArray *places;
} Search;

static bool
is_made_with(const char *path, const uint8_t *wanted)
{
    VIO_AUTO_FD fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    uint8_t raw[VDI_HEADER_BYTES];
    VdiHeader hdr;
    struct stat st;

    return fd >= 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode) &&
           pread(fd, raw, sizeof(raw), 0) == (ssize_t) sizeof(raw) &&
           vdi_header_decode(&hdr, raw, path, NULL) &&
           memcmp(hdr.create, wanted, VD_UUID_BYTES) == 0;
}

static void
search_main(void *opaque)
{
    Search *search = opaque;
    g_autoptr(GDir) dir = g_dir_open(search->dir, 0, NULL);
    const char *name;

    for (unsigned n = 0;
         dir && n < MAX_ENTRIES && search->places->len < MAX_FOUND &&
         (name = g_dir_read_name(dir));
         n++) {
        g_autofree char *path = g_build_filename(search->dir, name, NULL);

        if (is_made_with(path, search->wanted))
            vd_places_add(search->places, path);
    }
}

/* What is no local file has no directory, and then nothing is found. */
static void
places_co_search(GPtrArray *places, const VdiState *s)
{
    g_autofree char *beside = vd_path_combine(vd_node_name(s->file), "x");
    Search search = {.wanted = s->hdr.parent_create,
                     .dir = g_path_get_dirname(beside),
                     .places = places};

    vio_co_offload(vd_node_loop(s->node), search_main, &search);
    g_free(search.dir);
}

/* -- is it the one? -------------------------------------------------------- */

/* VirtualBox leaves the second id out where it did not know it. */
static bool
has_changed(const VdiState *child, const VdiState *parent)
{
    return !vd_uuid_is_null(child->hdr.parent_modify) &&
           memcmp(child->hdr.parent_modify, parent->hdr.modify,
                  VD_UUID_BYTES) != 0;
}

static bool
is_wanted(VdNode *child, VdNode *parent)
{
    const VdiState *s = vd_node_state(child), *p = vd_node_state(parent);

    if (vd_node_driver(parent) != &vd_vdi_driver ||
        memcmp(p->hdr.create, s->hdr.parent_create, VD_UUID_BYTES) != 0)
        return false;
    if (!has_changed(s, p))
        return true;
    if (s->parent_is_named)
        vd_node_warn(child,
                     "%s: the parent %s has been changed since its child was "
                     "made",
                     vd_node_name(s->file), vd_node_name(parent));
    return s->parent_is_named;
}

static bool
refuse(const VdiState *s, const char *mismatch, GError **error)
{
    char modify[VD_UUID_CHARS + 1];

    vd_uuid_format(s->hdr.parent_modify, true, modify);
    if (!mismatch)
        return vd_throw(error, VD_ERROR_NOT_FOUND,
                        "%s: no VDI image with uuid {%s}, its parent, is "
                        "beside it; name it by the option \"parent\"",
                        vd_node_name(s->file), s->parent_uuid);
    return vd_throw(error, VD_ERROR_PARENT_MISMATCH,
                    "%s: %s is not the parent with uuid {%s}, last changed as "
                    "{%s}",
                    vd_node_name(s->file), mismatch, s->parent_uuid, modify);
}

static bool
parent_co_choose(const VdiState *s, const GPtrArray *places, GError **error)
{
    const char *mismatch;

    return vd_places_co_open_parent(places, s->node, "vdi", is_wanted,
                                    &mismatch, error) &&
           (vd_node_parent(s->node) || refuse(s, mismatch, error));
}

bool
vdi_parent_co_open(VdiState *s, VdOptions *opts, GError **error)
{
    g_autoptr(GPtrArray) places = vd_places_new();
    g_autofree char *override = NULL;

    vd_options_take_string(opts, "parent", &override);
    if (s->hdr.type != VDI_DIFFERENCING)
        return true;
    s->parent_is_named = override != NULL;
    vd_uuid_format(s->hdr.parent_create, true, s->parent_uuid);
    if (override)
        vd_places_add(places, override);
    else
        places_co_search(places, s);
    if (places->len)
        s->parent_path = g_strdup(places->pdata[0]);
    return vd_node_flags(s->node) & (VD_OPEN_NO_PARENT | VD_OPEN_NO_IO) ||
           parent_co_choose(s, places, error);
}
