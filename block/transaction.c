/* SPDX-License-Identifier: BSD-3-Clause */
/* block/transaction.c - files that come into being together.
 *
 *   make, in the order of the calls -> write -> commit | abort
 *   commit: sync all files; replace, last made first; sync the directories;
 *           remove the old files
 *
 * The file that names the others is made first and so replaced last: whoever
 * looks in between finds the old image whole or, after a crash, old data files
 * gone but never a new descriptor without its data.
 *
 * Concurrency: one loop; system calls run on a worker, one at a time.
 */
#include "block/transaction.h"

#include "block/name.h"
#include "block/open-internal.h"
#include "block/registry.h"
#include "block/rw.h"
#include "block/tx-path.h"
#include "io/offload.h"

#include <inttypes.h>
#include <string.h>

struct VdTransaction {
    VioLoop *loop;
    bool sync, lock_vmware;
    TxOld old;
    bool flushes; /* those of the files while they are made count */
    bool ended;
    VdFileHints hints;
    bool hints_warned;   /* once is enough for all files of an image */
    GPtrArray *files;    /* of TxFile, in the order they were made */
    GHashTable *by_path; /* absolute path -> its TxFile, by both its names */
    GPtrArray *kept;     /* of TxKept, in the order they were made */
    GPtrArray *fixed;    /* names of what was there and keeps its size */
    const VdEnv *env;    /* for these; outlives the transaction */
};

typedef struct {
    char *key;
    void *what;
    VdTxEndFunc co_end; /* NULL: has been called, or is not wanted */
    GDestroyNotify free_what;
} TxKept;

static void
kept_free(gpointer opaque)
{
    TxKept *kept = opaque;

    kept->free_what(kept->what);
    g_free(kept->key);
    g_free(kept);
}

static void
file_free(gpointer file)
{
    vd_tx_file_free(file);
}

bool
vd_tx_is_synced(const VdTransaction *tx)
{
    return tx->sync;
}

bool
vd_tx_is_careful(const VdTransaction *tx)
{
    return tx->old == TX_OLD_REFUSE;
}

void
vd_tx_allow_flushes(VdTransaction *tx)
{
    tx->flushes = true;
}

VdTransaction *
vd_tx_new(VioLoop *loop, bool sync, bool no_clobber)
{
    VdTransaction *tx = g_new0(VdTransaction, 1);

    tx->loop = loop;
    tx->sync = sync;
    tx->old = no_clobber ? TX_OLD_REFUSE : TX_OLD_REPLACE;
    tx->hints = VD_FILE_HINTS_DEFAULT;
    tx->files = g_ptr_array_new_with_free_func(file_free);
    tx->by_path = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    tx->fixed = g_ptr_array_new_with_free_func(g_free);
    tx->kept = g_ptr_array_new_with_free_func(kept_free);
    return tx;
}

void
vd_tx_free(VdTransaction *tx)
{
    g_assert(tx->ended || tx->files->len == 0);
    g_ptr_array_unref(tx->kept);
    g_hash_table_unref(tx->by_path);
    g_ptr_array_unref(tx->fixed);
    g_ptr_array_unref(tx->files);
    g_free(tx);
}

static TxFile *
tx_file(const VdTransaction *tx, guint i)
{
    return g_ptr_array_index(tx->files, i);
}

void
vd_tx_keep(VdTransaction *tx, const char *key, void *what, VdTxEndFunc co_end,
           GDestroyNotify free_what)
{
    TxKept *kept = g_new(TxKept, 1);

    *kept = (TxKept){.key = g_strdup(key),
                     .what = what,
                     .co_end = co_end,
                     .free_what = free_what};
    g_ptr_array_add(tx->kept, kept);
}

void *
vd_tx_kept(const VdTransaction *tx, const char *key)
{
    for (guint i = 0; i < tx->kept->len; i++) {
        const TxKept *kept = g_ptr_array_index(tx->kept, i);

        if (strcmp(kept->key, key) == 0)
            return kept->what;
    }
    return NULL;
}

/* -- names ----------------------------------------------------------------- */

static char *
absolute(const char *path)
{
    return g_canonicalize_filename(vd_name_strip_file(path), NULL);
}

static TxFile *
tx_find(const VdTransaction *tx, const char *path)
{
    g_autofree char *key = absolute(path);

    return g_hash_table_lookup(tx->by_path, key);
}

static void
tx_add(VdTransaction *tx, TxFile *file)
{
    g_ptr_array_add(tx->files, file);
    g_hash_table_insert(tx->by_path, absolute(file->requested), file);
    g_hash_table_insert(tx->by_path, absolute(file->target), file);
}

const char *
vd_tx_translate(const VdTransaction *tx, const char *path)
{
    const TxFile *file = tx_find(tx, path);

    return file ? vd_tx_file_path(file) : path;
}

void
vd_tx_overwrite(VdTransaction *tx)
{
    if (tx->old == TX_OLD_REPLACE)
        tx->old = TX_OLD_OVERWRITE;
}

void
vd_tx_lock_vmware(VdTransaction *tx)
{
    tx->lock_vmware = true;
}

bool
vd_tx_holds_vmware_lock(const VdTransaction *tx, const char *path)
{
    const TxFile *file = tx_find(tx, path);

    return file && file->vmware_lock;
}

void
vd_tx_set_hints(VdTransaction *tx, const VdFileHints *hints)
{
    tx->hints = *hints;
}

/* -- making ---------------------------------------------------------------- */

typedef struct {
    VdTransaction *tx;
    TxFile *file;
    VdFileHintsResult hints;
    bool ok;
    GError *error;
} TxWork;

static void
resolve_work(void *opaque)
{
    TxWork *work = opaque;

    work->ok = vd_tx_file_resolve(work->file, &work->error);
}

static void
make_work(void *opaque)
{
    TxWork *work = opaque;

    work->ok = vd_tx_file_make(work->file, work->tx->old, &work->error);
    if (work->ok && work->file->new_fd >= 0)
        work->hints = vd_file_hints_apply(work->file->new_fd, &work->tx->hints);
}

static void
remove_work(void *opaque)
{
    TxWork *work = opaque;

    vd_tx_file_remove(work->file);
    work->ok = true;
}

/* On a worker; the error goes to @error. */
static bool
tx_co_work(VdTransaction *tx, VioFunc fn, TxFile *file, GError **error)
{
    TxWork work = {.tx = tx, .file = file};

    vio_co_offload(tx->loop, fn, &work);
    if (!work.ok)
        g_propagate_error(error, work.error);
    return work.ok;
}

/* The leaf alone, which may grow; messages call it by the name asked for. */
static VdNode *
tx_co_open_leaf(VdTransaction *tx, const VdEnv *env, const TxFile *file,
                GError **error)
{
    const VdDriver *driver = vd_registry_find_scheme("file");
    VdOptions *opts = vd_options_new();
    VdEnv inner = *env; /* the lock of @tx is no other's */
    /* No crash finds it half made: the commit makes it durable, or nobody
     * cares. */
    VdOpenImage how = {.env = &inner,
                       .flags =
                           VD_OPEN_RDWR | (tx->flushes ? 0 : VD_OPEN_NO_FLUSH)};
    VdNode *node;

    inner.tx = tx;
    g_assert(driver);
    how.format = driver->name;
    vd_options_set(opts, "filename", vd_tx_file_path(file));
    node = vd_image_co_open(&how, opts, error);
    if (!node)
        return NULL;
    node->env = env; /* which outlives this call */
    node->growable = true;
    vd_node_set_name(node, file->requested);
    return node;
}

static bool
tx_co_size(VdNode *node, uint64_t size, VdPrealloc prealloc, GError **error)
{
    return (size == 0 && node->size == 0) ||
           vd_node_co_truncate(node, size, prealloc, error);
}

/* Symbolic links can make two names of an image one file. */
static bool
tx_co_check_other(VdTransaction *tx, TxFile *file, GError **error)
{
    const TxFile *other = tx_find(tx, file->requested);

    if (!other) {
        if (!tx_co_work(tx, resolve_work, file, error))
            return false;
        other = tx_find(tx, file->target);
    }
    return !other || vd_throw(error, VD_ERROR_REFUSED,
                              "Could not create '%s': it is the same file as "
                              "'%s'",
                              file->requested, other->requested);
}

static void
tx_warn(const VdEnv *env, const char *what, int errnum)
{
    g_autofree char *text =
        g_strdup_printf("Failed to %s: %s", what, g_strerror(errnum));

    if (env->warn)
        env->warn(text, env->warn_opaque);
}

static void
tx_warn_of_hints(VdTransaction *tx, const VdEnv *env,
                 const VdFileHintsResult *result)
{
    bool extent = result->extent_size && tx->hints.insist;

    if (tx->hints_warned || (!extent && !result->no_cow))
        return;
    tx->hints_warned = true;
    if (extent)
        tx_warn(env, "set extent size hint", result->extent_size);
    if (result->no_cow)
        tx_warn(env, "turn off copy-on-write", result->no_cow);
}

static bool
tx_co_make_file(VdTransaction *tx, const VdEnv *env, TxFile *file,
                GError **error)
{
    TxWork work = {.tx = tx, .file = file};

    vio_co_offload(tx->loop, make_work, &work);
    if (work.ok)
        tx_warn_of_hints(tx, env, &work.hints);
    else
        g_propagate_error(error, work.error);
    return work.ok;
}

static bool
tx_co_make(VdTransaction *tx, const VdEnv *env, TxFile *file, GError **error)
{
    if (!tx_co_check_other(tx, file, error))
        return false;
    if (tx->lock_vmware && !file->is_special) {
        file->vmware_lock = vd_vmware_co_lock(env, file->target, true, error);
        if (!file->vmware_lock)
            return false;
    }
    return tx_co_make_file(tx, env, file, error);
}

/* Neither made nor replaced nor removed. */
static VdNode *
tx_co_stream(VdTransaction *tx, const VdEnv *env, const char *name,
             const VdDriver *driver, uint64_t size, GError **error)
{
    VdEnv inner = *env;
    VdNode *node;

    inner.tx = tx;
    node = vd_co_open(&inner, name, driver->name, NULL, VD_OPEN_RDWR, error);
    if (!node)
        return NULL;
    node->env = env; /* which outlives this call */
    node->growable = true;
    if (tx_co_size(node, size, VD_PREALLOC_OFF, error))
        return node;
    (void) vd_node_co_close(node, NULL); /* the first error counts */
    return NULL;
}

/* Its driver, if @name is not for a file but for something with one of @caps.
 */
static const VdDriver *
special_driver(const char *name, unsigned caps)
{
    const VdDriver *driver = vd_name_driver(name);

    return driver && (driver->caps & caps) ? driver : NULL;
}

static bool
fixed_fits(const VdTransaction *tx, const VdNode *node, uint64_t size,
           VdPrealloc prealloc, GError **error)
{
    const char *name = vd_node_name(node);

    if (tx->old == TX_OLD_REFUSE)
        return vd_throw(error, VD_ERROR_EXISTS, "'%s' exists", name);
    if (prealloc != VD_PREALLOC_OFF)
        return vd_throw(error, VD_ERROR_NOT_SUPPORTED,
                        "%s: space cannot be allocated in advance there", name);
    return size <= node->size ||
           vd_throw(error, VD_ERROR_NO_SPACE,
                    "%s: has %" PRIu64 " bytes and does not grow; the image "
                    "needs %" PRIu64,
                    name, node->size, size);
}

/* Written in place, and what was there is undone by nothing. */
static VdNode *
tx_co_fixed(VdTransaction *tx, const VdEnv *env, const VdDriver *driver,
            const char *name, uint64_t size, VdPrealloc prealloc,
            GError **error)
{
    VdOpenFlags flags =
        (VdOpenFlags) (VD_OPEN_RDWR | (tx->flushes ? 0 : VD_OPEN_NO_FLUSH));
    VdNode *node = vd_co_open(env, name, driver->name, NULL, flags, error);

    if (!node)
        return NULL;
    if (!fixed_fits(tx, node, size, prealloc, error)) {
        (void) vd_node_co_close(node, NULL); /* the first error counts */
        return NULL;
    }
    tx->env = env;
    g_ptr_array_add(tx->fixed, g_strdup(name));
    return node;
}

VdNode *
vd_tx_co_file(VdTransaction *tx, const VdEnv *env, const char *path,
              uint64_t size, VdPrealloc prealloc, GError **error)
{
    const VdDriver *fixed = special_driver(path, VD_CAP_FIXED_SIZE);
    const VdDriver *stream = special_driver(path, VD_CAP_STREAM);
    TxFile *file;
    VdNode *node;

    g_assert(!tx->ended);
    if (stream)
        return tx_co_stream(tx, env, path, stream, size, error);
    if (fixed)
        return tx_co_fixed(tx, env, fixed, path, size, prealloc, error);
    file = vd_tx_file_new(path);
    if (!tx_co_make(tx, env, file, error)) {
        (void) tx_co_work(tx, remove_work, file, NULL); /* cannot fail */
        vd_tx_file_free(file);
        return NULL;
    }
    tx_add(tx, file);
    node = tx_co_open_leaf(tx, env, file, error);
    if (!node || tx_co_size(node, size, prealloc, error))
        return node;
    (void) vd_node_co_close(node, NULL); /* the first error counts */
    return NULL;
}

/* -- commit and abort ------------------------------------------------------ */

static bool
sync_files(const VdTransaction *tx, GError **error)
{
    for (guint i = 0; i < tx->files->len; i++) {
        if (!vd_tx_file_sync(tx_file(tx, i), error))
            return false;
    }
    return true;
}

static bool
sync_directories(const VdTransaction *tx, GError **error)
{
    for (guint i = 0; i < tx->files->len; i++) {
        const TxFile *file = tx_file(tx, i);

        if (file->state != TX_IN_PLACE && file->state != TX_OVERWRITTEN &&
            !vd_tx_file_sync_directory(file, error))
            return false;
    }
    return true;
}

static bool
replace_all(VdTransaction *tx, GError **error)
{
    for (guint i = tx->files->len; i > 0; i--) {
        if (!vd_tx_file_replace(tx_file(tx, i - 1), error))
            return false;
    }
    return !tx->sync || sync_directories(tx, error);
}

static void
sync_work(void *opaque)
{
    TxWork *work = opaque;

    work->ok = sync_files(work->tx, &work->error) &&
               sync_directories(work->tx, &work->error);
}

/* Nobody who wrote there has flushed; a flush is for all that was written
 * before, through whatever connection. */
static bool
sync_co_fixed(const VdTransaction *tx, GError **error)
{
    for (guint i = 0; i < tx->fixed->len; i++) {
        const char *name = g_ptr_array_index(tx->fixed, i);
        VdNode *node = vd_co_open(tx->env, name,
                                  special_driver(name, VD_CAP_FIXED_SIZE)->name,
                                  NULL, VD_OPEN_RDWR, error);
        bool ok = node && vd_node_co_flush(node, error);

        if (node)
            ok = vd_node_co_close(node, ok ? error : NULL) && ok;
        if (!ok)
            return false;
    }
    return true;
}

bool
vd_tx_co_sync(VdTransaction *tx, GError **error)
{
    return sync_co_fixed(tx, error) && tx_co_work(tx, sync_work, NULL, error);
}

static void
put_all_back(VdTransaction *tx)
{
    for (guint i = 0; i < tx->files->len; i++)
        vd_tx_file_put_back(tx_file(tx, i));
}

static void
commit_work(void *opaque)
{
    TxWork *work = opaque;
    VdTransaction *tx = work->tx;

    if (tx->sync && !sync_files(tx, &work->error))
        return;
    if (!replace_all(tx, &work->error)) {
        put_all_back(tx);
        return;
    }
    for (guint i = 0; i < tx->files->len; i++)
        vd_tx_file_settle(tx_file(tx, i));
    work->ok = true;
}

/* To the first failure; what names others last, as with files. */
static bool
end_co_streams(VdTransaction *tx, bool commit, GError **error)
{
    for (guint i = tx->kept->len; i > 0; i--) {
        TxKept *kept = g_ptr_array_index(tx->kept, i - 1);

        if (kept->co_end && !kept->co_end(kept->what, commit, error))
            return false;
        kept->co_end = NULL;
    }
    return true;
}

bool
vd_tx_co_commit(VdTransaction *tx, GError **error)
{
    g_assert(!tx->ended);
    if (!end_co_streams(tx, true, error) ||
        (tx->sync && !sync_co_fixed(tx, error)) ||
        !tx_co_work(tx, commit_work, NULL, error))
        return false;
    tx->ended = true;
    return true;
}

static void
abort_work(void *opaque)
{
    TxWork *work = opaque;

    for (guint i = work->tx->files->len; i > 0; i--)
        vd_tx_file_remove(tx_file(work->tx, i - 1));
    work->ok = true;
}

void
vd_tx_co_abort(VdTransaction *tx)
{
    if (!tx->ended) {
        (void) end_co_streams(tx, false, NULL); /* cannot fail */
        (void) tx_co_work(tx, abort_work, NULL, NULL);
    }
    tx->ended = true;
}
