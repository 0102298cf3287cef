/* SPDX-License-Identifier: BSD-3-Clause */
/* formats/vmdk/chain/children.c - who has this disk as a parent?
 *
 * Walks the directory of the descriptor, reads the text of each file that looks
 * like a VMDK, and takes those whose hint leads to this very file and whose
 * parentCID is its content id.  The work blocks (readdir, small reads), so it
 * is done on a worker.
 *
 * Concurrency: the state is read before the worker starts and not meanwhile.
 */
#include "formats/vmdk/chain/children.h"
#include "formats/vmdk/chain/chain.h"
#include "formats/vmdk/descriptor/names.h"

#include "io/fd.h"
#include "io/offload.h"

#include "block/open.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Directories with more entries than this are not searched to the end. */
#define MAX_ENTRIES 65536

typedef struct {
    const char *path; /* of the disk's descriptor */
    uint32_t cid;
    struct stat self;
    GPtrArray *found;
    GError *error;
} Search;

/* -- reading a descriptor, anywhere it may be -------------------------------
 */

static char *
read_at(int fd, uint64_t off, size_t max)
{
    g_autofree char *text = g_malloc0(max + 1);
    ssize_t n = pread(fd, text, max, (off_t) off);

    return n > 0 ? g_steal_pointer(&text) : NULL;
}

/* The text of an embedded descriptor or of a whole file; NULL = neither. */
static char *
read_text(int fd)
{
    uint8_t head[VMDK_HEADER_BYTES] = {0};
    VmdkHeader hdr;
    ssize_t n = pread(fd, head, sizeof(head), 0);

    if (n <= 0)
        return NULL;
    if (memcmp(head, "KDMV", 4))
        return vmdk_descriptor_probe((const char *) head, (size_t) n)
                   ? read_at(fd, 0, VMDK_DESC_MAX)
                   : NULL;
    if (!vmdk_header_decode(head, "", &hdr, NULL) || !hdr.desc_sector ||
        hdr.desc_sector > G_MAXUINT32)
        return NULL;
    return read_at(fd, hdr.desc_sector * VMDK_SECTOR,
                   (size_t) MIN(hdr.desc_sectors * VMDK_SECTOR, VMDK_DESC_MAX));
}

static VmdkDescriptor *
read_descriptor(const char *path)
{
    VIO_AUTO_FD fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    g_autofree char *text = NULL;
    struct stat st;

    if (fd < 0 || fstat(fd, &st) || !S_ISREG(st.st_mode))
        return NULL;
    text = read_text(fd);
    return text ? vmdk_descriptor_parse(text, strlen(text), path, NULL) : NULL;
}

/* -- is it a child? ---------------------------------------------------------
 */

static bool
is_self(const Search *search, const char *path)
{
    struct stat st;

    return stat(path, &st) == 0 && st.st_dev == search->self.st_dev &&
           st.st_ino == search->self.st_ino;
}

/* The hint as it stands, or its last name in the child's directory: where a
 * child would find its parent here. */
static bool
hint_leads_to(const Search *search, const char *child, const char *stored)
{
    g_autofree char *as_named = vmdk_locate_parent(child, stored);
    g_autofree char *base = NULL, *beside = NULL;

    if (!as_named)
        return false;
    base = g_path_get_basename(as_named);
    beside = vd_path_combine(child, base);
    return is_self(search, as_named) || is_self(search, beside);
}

static bool
is_child(const Search *search, const char *path)
{
    g_autoptr(VmdkDescriptor) desc = read_descriptor(path);
    const char *hint =
        desc ? vmdk_descriptor_get(desc, "parentFileNameHint") : NULL;

    return hint &&
           (vmdk_descriptor_cid(desc, "parentCID") == search->cid ||
            vmdk_descriptor_cid(desc, VMDK_KEY_COMING) == search->cid) &&
           hint_leads_to(search, path, hint);
}

/* -- the directory -----------------------------------------------------------
 */

static void
search_main(void *opaque)
{
    Search *search = opaque;
    g_autofree char *dir_path = g_path_get_dirname(search->path);
    g_autoptr(GDir) dir = NULL;
    const char *name;

    if (stat(search->path, &search->self)) {
        vd_throw_errno(&search->error, errno, "%s", search->path);
        return;
    }
    dir = g_dir_open(dir_path, 0, NULL);
    if (!dir) {
        vd_throw(&search->error, VD_ERROR_IO,
                 "%s: the directory cannot be searched for children", dir_path);
        return;
    }
    for (unsigned n = 0; n < MAX_ENTRIES && (name = g_dir_read_name(dir));
         n++) {
        g_autofree char *path = g_build_filename(dir_path, name, NULL);

        if (!is_self(search, path) && is_child(search, path))
            g_ptr_array_add(search->found, g_steal_pointer(&path));
    }
}

bool
vmdk_children_co_find(VmdkState *s, GPtrArray **paths, GError **error)
{
    g_autoptr(GPtrArray) found = g_ptr_array_new_with_free_func(g_free);
    g_autofree char *path = vmdk_name_localise(vd_node_name(s->file));
    Search search = {.path = path, .cid = s->cid, .found = found};

    /* What is no local file, or has no descriptor, cannot be named by one. */
    if (path && s->desc && s->cid != VMDK_CID_NONE)
        vio_co_offload(vd_node_loop(s->node), search_main, &search);
    if (search.error) {
        g_propagate_error(error, search.error);
        return false;
    }
    *paths = g_steal_pointer(&found);
    return true;
}

bool
vmdk_children_co_refuse(VmdkState *s, const char *doing, GError **error)
{
    g_autoptr(GPtrArray) paths = NULL;

    if (!vmdk_children_co_find(s, &paths, error))
        return false;
    return paths->len == 0 ||
           vd_throw(error, VD_ERROR_REFUSED,
                    "%s: cannot be %s: %s has it as its parent",
                    vd_node_name(s->file), doing,
                    (const char *) g_ptr_array_index(paths, 0));
}
