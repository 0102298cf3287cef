/* SPDX-License-Identifier: BSD-3-Clause */
/* formats/vmdk/life/unlink.c - removing one link with all its files.
 *
 * The descriptor gets a name by which nobody looks for a disk (NAME.removing)
 * before the first data file goes, and goes last: a crash leaves a whole disk,
 * or none and remains that removing NAME again finds and finishes.
 *
 * Who made the image named the files, so they must lie where the policy allows.
 * Devices are not ours to remove, parents neither.
 *
 * Concurrency: nobody else uses the disk: its files are held.
 */
#include "formats/vmdk/chain/children.h"
#include "formats/vmdk/files.h"

#include "block/moves.h"
#include "block/open.h"
#include "io/offload.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#define DIGEST_END "-digest.vmdk"

typedef struct {
    VmdkState *s;
    const char *path; /* of the descriptor */
    VdMoves *moves;
    GPtrArray *doomed; /* of char: data and side files */
    GPtrArray *spared; /* of char: what to say about those that stay */
    GError *error;
    bool ok;
} Unlink;

/* -- which files
 * ------------------------------------------------------------------------ */

static void
doom(Unlink *u, const char *path)
{
    if (!g_ptr_array_find_with_equal_func(u->doomed, path, g_str_equal, NULL))
        g_ptr_array_add(u->doomed, g_strdup(path));
}

static bool
is_the_descriptor(const Unlink *u, const struct stat *st)
{
    struct stat own;

    return stat(u->path, &own) == 0 && own.st_dev == st->st_dev &&
           own.st_ino == st->st_ino;
}

static bool
judge_file(Unlink *u, const char *path, GError **error)
{
    struct stat st;

    if (lstat(path, &st) != 0)
        return errno == ENOENT || vd_throw_errno(error, errno, "%s", path);
    if (S_ISBLK(st.st_mode) || S_ISCHR(st.st_mode)) {
        g_ptr_array_add(u->spared,
                        g_strdup_printf("%s: is a device and stays", path));
        return true;
    }
    if (is_the_descriptor(u, &st))
        return true;
    if (!vd_policy_check(vd_node_env(u->s->node), u->path, path, error))
        return false;
    if (S_ISLNK(st.st_mode))
        g_ptr_array_add(u->spared,
                        g_strdup_printf("%s: is a symbolic link; what it leads "
                                        "to stays",
                                        path));
    else if (!S_ISREG(st.st_mode))
        return vd_throw(error, VD_ERROR_REFUSED,
                        "%s: is neither a file nor a device", path);
    doom(u, path);
    return true;
}

/* The descriptor of a digest has a data file, too. */
static bool
judge_digest(Unlink *u, const char *path, GError **error)
{
    static const char *const ends[] = {"-digest-flat.vmdk",
                                       "-digest-delta.vmdk"};

    if (!g_str_has_suffix(path, DIGEST_END))
        return true;
    for (unsigned i = 0; i < G_N_ELEMENTS(ends); i++) {
        g_autofree char *data = g_strdup_printf(
            "%.*s%s", (int) (strlen(path) - strlen(DIGEST_END)), path, ends[i]);

        if (!judge_file(u, data, error))
            return false;
    }
    return true;
}

static bool
judge_files(Unlink *u, GError **error)
{
    g_autoptr(GPtrArray) files = vmdk_files(u->s);

    for (unsigned i = 0; i < files->len; i++) {
        const VmdkFile *file = files->pdata[i];

        if (!judge_file(u, file->path, error) ||
            (file->extent < 0 && !judge_digest(u, file->path, error)))
            return false;
    }
    return true;
}

/* -- doing it
 * -------------------------------------------------------------------------- */

static bool
hold_files(Unlink *u, GError **error)
{
    for (unsigned i = 0; i < u->doomed->len; i++) {
        g_autoptr(GError) failure = NULL;

        if (vd_moves_hold(u->moves, u->doomed->pdata[i], &failure) ||
            vd_error_is(failure, VD_ERROR_NOT_FOUND)) /* a dangling link */
            continue;
        g_propagate_error(error, g_steal_pointer(&failure));
        return false;
    }
    return true;
}

static bool
remove_files(Unlink *u, unsigned *n_removed, GError **error)
{
    for (; *n_removed < u->doomed->len; ++*n_removed)
        if (!vd_moves_unlink(u->moves, u->doomed->pdata[*n_removed], NULL,
                             error))
            return false;
    return vd_moves_sync(u->moves, error);
}

/* Once a data file is gone there is no way back, only on. */
static bool
remove_with_files(Unlink *u, GError **error)
{
    bool aside = g_str_has_suffix(u->path, VD_MOVES_REMOVING);
    g_autofree char *name =
        g_strconcat(u->path, aside ? "" : VD_MOVES_REMOVING, NULL);
    unsigned n_removed = 0;
    bool ok = aside || (vd_moves_rename(u->moves, u->path, name, error) &&
                        vd_moves_sync(u->moves, error));

    ok = ok && remove_files(u, &n_removed, error) &&
         vd_moves_unlink(u->moves, name, NULL, error) &&
         vd_moves_sync(u->moves, error);
    if (!ok && n_removed == 0)
        vd_moves_undo(u->moves);
    else if (!ok)
        (void) vd_prefix(error, "remove it again to finish: ");
    return ok;
}

static bool
remove_all(Unlink *u, GError **error)
{
    if (!judge_files(u, error) || !hold_files(u, error))
        return false;
    if (u->doomed->len || g_str_has_suffix(u->path, VD_MOVES_REMOVING))
        return remove_with_files(u, error);
    return vd_moves_unlink(u->moves, u->path, NULL, error) &&
           vd_moves_sync(u->moves, error);
}

static void
unlink_main(void *opaque)
{
    Unlink *u = opaque;

    u->ok = remove_all(u, &u->error);
}

/* -- may it go?
 * ------------------------------------------------------------------------- */

static bool
check_deletable(const VmdkState *s, GError **error)
{
    const char *word = vmdk_descriptor_get(s->desc, "ddb.deletable");

    return !word || g_ascii_strcasecmp(word, "false") ||
           vd_throw(error, VD_ERROR_REFUSED,
                    "%s: says of itself that it is not to be deleted "
                    "(ddb.deletable = \"false\")",
                    vd_node_name(s->file));
}

bool
vmdk_co_unlink(VdNode *node, unsigned flags, VdMoves *moves, GError **error)
{
    VmdkState *s = vd_node_state(node);
    Unlink u = {.s = s, .path = vd_node_name(s->file), .moves = moves};

    if (!s->desc)
        return vd_throw(error, VD_ERROR_REFUSED,
                        "%s: is one extent of a disk; remove the disk", u.path);
    if (!(flags & VD_UNLINK_FORCE) &&
        (!check_deletable(s, error) ||
         !vmdk_children_co_refuse(s, "removed", error)))
        return false;
    u.doomed = g_ptr_array_new_with_free_func(g_free);
    u.spared = g_ptr_array_new_with_free_func(g_free);
    vio_co_offload(vd_node_loop(node), unlink_main, &u);
    for (unsigned i = 0; u.ok && i < u.spared->len; i++)
        vd_node_warn(node, "%s", (const char *) u.spared->pdata[i]);
    if (u.error)
        g_propagate_error(error, u.error);
    g_ptr_array_unref(u.doomed);
    g_ptr_array_unref(u.spared);
    return u.ok;
}
