/* SPDX-License-Identifier: BSD-3-Clause */
/* tests/unit/test-api-rebase.c - links that get another parent. */
#include "tests/unit/chain-test.h"

#include <glib/gstdio.h>
#include <string.h>

#define SIZE (4 * MIB)

/* A chain l0 - l1 - l2 and another base; the top is rebased from one to the
 * other. */
typedef struct {
    unsigned n;
    ChainSpec spec[4];
    ChainSpec other; /* size 0 = no parent at all */
} Kind;

static const Kind kinds[] = {
    {2, {{"", SIZE}, {"", SIZE}}, {"", SIZE}},
    {2, {{"", SIZE}, {"zeroed_grain=on", SIZE}}, {"grain_size=4k", SIZE}},
    {3,
     {{"subformat=monolithicFlat", SIZE},
      {"grain_size=4k", SIZE},
      {"grain_size=16k,zeroed_grain=on", SIZE}},
     {"subformat=twoGbMaxExtentFlat,split_size=1M", SIZE}},
    {3,
     {{"", SIZE},
      {"subformat=twoGbMaxExtentSparse,split_size=2M,zeroed_grain=on", SIZE},
      {"subformat=twoGbMaxExtentSparse,split_size=1M", SIZE}},
     {"", SIZE}},
    /* Shorter and longer parents on both sides. */
    {2, {{"", SIZE - MIB}, {"grain_size=16k", SIZE}}, {"", SIZE}},
    {2, {{"", SIZE}, {"grain_size=4k", SIZE}}, {"", SIZE - MIB - 512}},
    {2, {{"", SIZE + MIB}, {"zeroed_grain=on", SIZE}}, {"", SIZE - MIB}},
    {2, {{"", SIZE - 512}, {"zeroed_grain=on", SIZE}}, {"", SIZE + MIB}},
    /* Alone afterwards, and before. */
    {2, {{"", SIZE}, {"", SIZE}}, {"", 0}},
    {3,
     {{"", SIZE}, {"zeroed_grain=on", SIZE}, {"grain_size=4k", SIZE}},
     {"", 0}},
    {1, {{"", SIZE}}, {"", SIZE}},
    {1, {{"grain_size=16k,zeroed_grain=on", SIZE}}, {"", SIZE}},
    {1, {{"subformat=twoGbMaxExtentSparse,split_size=1M", SIZE}}, {"", SIZE}},
};

static void
rebase(ApiTest *t, const char *path, const char *parent, unsigned flags,
       VdRebaseResult *result)
{
    VdRebaseParams params = {
        .image = {.name = path}, .parent = parent, .flags = flags};
    GError *error = NULL;

    vd_rebase(t->ctx, &params, result, &error);
    g_assert_no_error(error);
}

static uint8_t *
make_other(ApiTest *t, const ChainSpec *spec, uint32_t seed)
{
    VdCreateParams params = {
        .filename = api_test_path(t, "other.vmdk"),
        .format = "vmdk",
        .size = spec->size,
        .options = spec->options,
    };
    uint8_t *view = g_malloc0(spec->size);
    GError *error = NULL;

    vd_create(t->ctx, &params, &error);
    g_assert_no_error(error);
    chain_scribble(t, params.filename, view, spec->size, seed, 24);
    return view;
}

static void
assert_parent_is(ApiTest *t, const char *path, const char *name)
{
    VdDisk *disk = api_test_open(t, path, NULL, VD_OPEN_NO_PARENT);
    g_autoptr(VdInfo) info = vd_disk_get_info(disk, NULL);

    g_assert_cmpstr(info->backing_filename, ==, name);
    api_test_close(disk);
}

static void
test_shows_the_same(ApiTest *t, gconstpointer data)
{
    for (unsigned k = 0; k < G_N_ELEMENTS(kinds); k++) {
        const Kind *kind = &kinds[k];
        unsigned top = kind->n - 1;
        bool alone = kind->other.size == 0;
        g_autofree uint8_t *view = NULL;
        uint32_t cid;
        Chain c;

        g_test_message("kind %u", k);
        chain_build(&c, t, kind->spec, kind->n, 100 + k);
        if (!alone)
            view = make_other(t, &kind->other, 900 + k);
        cid = chain_cid(t, chain_path(&c, top), "cid");
        rebase(t, chain_path(&c, top), alone ? "" : "other.vmdk", 0, NULL);
        assert_parent_is(t, chain_path(&c, top), alone ? NULL : "other.vmdk");
        g_assert_cmphex(chain_cid(t, chain_path(&c, top), "cid"), ==, cid);
        for (unsigned i = 0; i < kind->n; i++) {
            chain_assert_shows(t, chain_path(&c, i), c.view[i], c.spec[i].size);
            chain_assert_sound(t, chain_path(&c, i), true);
        }
        if (!alone)
            chain_assert_shows(t, api_test_path(t, "other.vmdk"), view,
                               kind->other.size);
        /* And it is a disk like any other. */
        chain_scribble(t, chain_path(&c, top), c.view[top], c.spec[top].size, 7,
                       4);
        chain_assert_shows(t, chain_path(&c, top), c.view[top],
                           c.spec[top].size);
        chain_free(&c);
    }
}

static void
test_equal_parents_need_no_copy(ApiTest *t, gconstpointer data)
{
    static const ChainSpec spec[] = {{"", SIZE}, {"", SIZE}};
    g_autofree char *bytes = NULL;
    VdRebaseResult result;
    uint64_t size;
    size_t len;
    Chain c;

    chain_build(&c, t, spec, 2, 21);
    size = api_test_file_size(chain_path(&c, 1));
    g_assert_true(g_file_get_contents(chain_path(&c, 0), &bytes, &len, NULL));
    g_assert_true(g_file_set_contents(api_test_path(t, "copy.vmdk"), bytes,
                                      (gssize) len, NULL));
    rebase(t, chain_path(&c, 1), "copy.vmdk", 0, &result);
    g_assert_cmpuint(result.bytes_written, ==, 0);
    g_assert_cmpuint(api_test_file_size(chain_path(&c, 1)), ==, size);
    chain_assert_shows(t, chain_path(&c, 1), c.view[1], SIZE);
    chain_free(&c);
}

/* Leaving out a link copies what that link has, and no more. */
static void
test_a_parent_of_the_old_chain(ApiTest *t, gconstpointer data)
{
    static const ChainSpec spec[] = {{"", SIZE}, {"", SIZE}, {"", SIZE}};
    VdRebaseResult result;
    uint64_t middle = 0;
    VdMapEntry entry;
    VdDisk *disk;
    Chain c;

    chain_build(&c, t, spec, 3, 22);
    disk = api_test_open(t, chain_path(&c, 1), NULL, 0);
    for (uint64_t off = 0; off < SIZE; off += entry.len) {
        g_assert_true(vd_disk_map(disk, off, SIZE - off, &entry, NULL));
        middle +=
            (entry.flags & VD_MAP_PRESENT) && entry.depth == 0 ? entry.len : 0;
    }
    api_test_close(disk);
    rebase(t, chain_path(&c, 2), "l0.vmdk", 0, &result);
    g_assert_cmpuint(result.bytes_written, >, 0);
    g_assert_cmpuint(result.bytes_written, <=, middle);
    for (unsigned i = 0; i < 3; i++)
        chain_assert_shows(t, chain_path(&c, i), c.view[i], SIZE);
    chain_free(&c);
}

static void
test_unsafe_only_rewrites(ApiTest *t, gconstpointer data)
{
    static const ChainSpec spec[] = {{"", SIZE}, {"", SIZE}};
    Chain c;

    chain_build(&c, t, spec, 2, 23);
    /* The parent has another name now, and is missed under the old one. */
    g_assert_cmpint(g_rename(chain_path(&c, 0), api_test_path(t, "moved.vmdk")),
                    ==, 0);
    rebase(t, chain_path(&c, 1), "moved.vmdk", VD_REBASE_UNSAFE, NULL);
    chain_assert_shows(t, chain_path(&c, 1), c.view[1], SIZE);
    rebase(t, chain_path(&c, 1), "nowhere.vmdk", VD_REBASE_UNSAFE, NULL);
    assert_parent_is(t, chain_path(&c, 1), "nowhere.vmdk");
    rebase(t, chain_path(&c, 1), "", VD_REBASE_UNSAFE, NULL);
    assert_parent_is(t, chain_path(&c, 1), NULL);
    g_assert_cmphex(chain_cid(t, chain_path(&c, 1), "parent-cid"), ==,
                    UINT32_MAX);
    chain_free(&c);
}

static void
test_update_id_mends_a_chain(ApiTest *t, gconstpointer data)
{
    static const ChainSpec spec[] = {{"", SIZE}, {"", SIZE}};
    VdDisk *disk;
    Chain c;

    chain_build(&c, t, spec, 2, 24);
    chain_scribble(t, chain_path(&c, 0), c.view[0], SIZE, 3, 1);
    disk = vd_disk_open(t->ctx, chain_path(&c, 1), NULL, NULL, 0, NULL);
    g_assert_null(disk);
    rebase(t, chain_path(&c, 1), "l0.vmdk",
           VD_REBASE_UNSAFE | VD_REBASE_UPDATE_ID, NULL);
    api_test_close(api_test_open(t, chain_path(&c, 1), NULL, 0));
    chain_free(&c);
}

static void
test_names_relative_and_absolute(ApiTest *t, gconstpointer data)
{
    static const ChainSpec spec[] = {{"", SIZE}, {"", SIZE}};
    Chain c;

    chain_build(&c, t, spec, 2, 25);
    rebase(t, chain_path(&c, 1), chain_path(&c, 0),
           VD_REBASE_UNSAFE | VD_REBASE_RELATIVE, NULL);
    assert_parent_is(t, chain_path(&c, 1), "l0.vmdk");
    rebase(t, chain_path(&c, 1), "l0.vmdk",
           VD_REBASE_UNSAFE | VD_REBASE_ABSOLUTE, NULL);
    assert_parent_is(t, chain_path(&c, 1), chain_path(&c, 0));
    chain_free(&c);
}

static void
assert_refused(ApiTest *t, const char *path, const char *parent, unsigned flags,
               int code)
{
    VdRebaseParams params = {
        .image = {.name = path}, .parent = parent, .flags = flags};
    g_autoptr(GError) error = NULL;

    g_assert_false(vd_rebase(t->ctx, &params, NULL, &error));
    g_assert_error(error, VD_ERROR, code);
}

static void
test_impossible_parents(ApiTest *t, gconstpointer data)
{
    static const ChainSpec spec[] = {{"", SIZE}, {"", SIZE}, {"", SIZE}};
    Chain c;

    chain_build(&c, t, spec, 3, 26);
    assert_refused(t, chain_path(&c, 1), "l2.vmdk", 0,
                   VD_ERROR_INVALID_ARGUMENT);
    assert_refused(t, chain_path(&c, 1), "l1.vmdk", 0,
                   VD_ERROR_INVALID_ARGUMENT);
    assert_refused(t, chain_path(&c, 1), "l1.vmdk", VD_REBASE_UNSAFE,
                   VD_ERROR_INVALID_ARGUMENT);
    assert_refused(t, chain_path(&c, 1), "nowhere.vmdk", 0, VD_ERROR_NOT_FOUND);
    assert_refused(t, chain_path(&c, 1), "l0.vmdk",
                   VD_REBASE_RELATIVE | VD_REBASE_ABSOLUTE,
                   VD_ERROR_INVALID_ARGUMENT);
    assert_refused(t, chain_path(&c, 1), "l0.vmdk",
                   VD_REBASE_UNSAFE | VD_REBASE_DEDUP,
                   VD_ERROR_INVALID_ARGUMENT);
    for (unsigned i = 0; i < 3; i++)
        chain_assert_shows(t, chain_path(&c, i), c.view[i], SIZE);
    chain_free(&c);
}

/* -- dropping what equals the new parent ------------------------------------
 */

/* No whole grain of the link is what its parent shows there. */
static void
assert_nothing_equal(ApiTest *t, const char *path, const uint8_t *view,
                     uint64_t size, const uint8_t *below, uint64_t below_size)
{
    VdDisk *disk = api_test_open(t, path, NULL, 0);
    g_autoptr(VdInfo) info = vd_disk_get_info(disk, NULL);
    g_autofree uint8_t *padded = g_malloc0(MAX(size, below_size));
    GError *error = NULL;
    uint64_t grain = info->cluster_size;

    if (below)
        memcpy(padded, below, below_size);
    for (uint64_t off = 0; off < size; off += grain) {
        uint64_t len = MIN(grain, size - off);
        VdMapEntry entry;

        vd_disk_map(disk, off, len, &entry, &error);
        g_assert_no_error(error);
        if (entry.depth == 0 && (entry.flags & VD_MAP_PRESENT) &&
            memcmp(view + off, padded + off, len) == 0)
            g_error("%s: the grain at %" G_GUINT64_FORMAT
                    " equals the parent's",
                    path, off);
    }
    api_test_close(disk);
}

static uint64_t
grain_bytes(ApiTest *t, const char *path)
{
    VdDisk *disk = api_test_open(t, path, NULL, 0);
    g_autoptr(VdInfo) info = vd_disk_get_info(disk, NULL);
    uint64_t grain = info->cluster_size;

    api_test_close(disk);
    return grain;
}

static void
dedup_kind(ApiTest *t, const Kind *kind, unsigned k)
{
    unsigned top = kind->n - 1;
    bool alone = kind->other.size == 0;
    uint64_t size = kind->spec[top].size;
    g_autofree uint8_t *view = NULL;
    VdRebaseResult result;
    const char *path;
    uint32_t cid;
    Chain c;

    g_test_message("kind %u", k);
    chain_build(&c, t, kind->spec, kind->n, 300 + k);
    path = chain_path(&c, top);
    /* Written to with the same bytes, where they are equally large. */
    if (!alone)
        view = make_other(t, &kind->other, 300 + k + 100 * top);
    cid = chain_cid(t, path, "cid");
    rebase(t, path, alone ? "" : "other.vmdk", VD_REBASE_DEDUP, &result);
    g_assert_cmphex(chain_cid(t, path, "cid"), ==, cid);
    if (kind->other.size == size)
        g_assert_cmpuint(result.bytes_dropped, >, 0);
    chain_assert_shows(t, path, c.view[top], size);
    /* What is smaller than a block of the file system is not punched. */
    chain_assert_sound(t, path, grain_bytes(t, path) < 4 * KIB);
    assert_nothing_equal(t, path, c.view[top], size, view, kind->other.size);
    rebase(t, path, alone ? "" : "other.vmdk", VD_REBASE_DEDUP, &result);
    g_assert_cmpuint(result.bytes_dropped, ==, 0);
    for (unsigned i = 0; i < top; i++)
        chain_assert_shows(t, chain_path(&c, i), c.view[i], c.spec[i].size);
    /* And it is a disk like any other. */
    chain_scribble(t, path, c.view[top], size, 7, 4);
    chain_assert_shows(t, path, c.view[top], size);
    chain_free(&c);
}

static void
test_dedup_drops_what_is_equal(ApiTest *t, gconstpointer data)
{
    for (unsigned k = 0; k < G_N_ELEMENTS(kinds); k++)
        dedup_kind(t, &kinds[k], k);
}

/* A redo log has grains of a sector and tables anywhere. */
static void
test_dedup_of_a_redo_log(ApiTest *t, gconstpointer data)
{
    static const Kind kind = {
        2, {{"", SIZE}, {"subformat=vmfsSparse", SIZE}}, {"", SIZE}};

    dedup_kind(t, &kind, 40);
}

/* A copy of the parent: all of it goes, and so does the space. */
static void
test_dedup_gives_the_space_back(ApiTest *t, gconstpointer data)
{
    static const ChainSpec spec[] = {{"", SIZE}, {"", SIZE}};
    VdRebaseResult result;
    VdDisk *disk;
    GError *error = NULL;
    uint64_t empty;
    Chain c;

    chain_build(&c, t, spec, 2, 61);
    disk = api_test_open(t, chain_path(&c, 1), NULL, VD_OPEN_RDWR);
    vd_disk_pwrite(disk, c.view[0], SIZE, 0, 0, &error);
    g_assert_no_error(error);
    api_test_close(disk);
    g_assert_cmpuint(api_test_file_size(chain_path(&c, 1)), >, SIZE);
    rebase(t, chain_path(&c, 1), "l0.vmdk", VD_REBASE_DEDUP, &result);
    g_assert_cmpuint(result.bytes_dropped, ==, SIZE);
    empty = api_test_file_size(chain_path(&c, 1));
    g_assert_cmpuint(empty, <=, 128 * 512);
    chain_assert_empty(t, chain_path(&c, 1));
    chain_assert_shows(t, chain_path(&c, 1), c.view[0], SIZE);
    chain_free(&c);
}

static void
dedup_note_progress(const VdProgress *progress, void *opaque)
{
    VdProgress *last = opaque;

    g_assert_cmpuint(progress->done, >=, last->done);
    g_assert_cmpuint(progress->done, <=, progress->total);
    *last = *progress;
}

static void
test_dedup_tells_how_far_it_is(ApiTest *t, gconstpointer data)
{
    static const ChainSpec spec[] = {{"", SIZE}, {"", SIZE}};
    VdProgress last = {0};
    VdRebaseParams params = {.parent = "",
                             .flags = VD_REBASE_DEDUP,
                             .progress = dedup_note_progress,
                             .progress_opaque = &last};
    GError *error = NULL;
    Chain c;

    chain_build(&c, t, spec, 2, 62);
    params.image.name = chain_path(&c, 1);
    vd_rebase(t->ctx, &params, NULL, &error);
    g_assert_no_error(error);
    g_assert_cmpuint(last.done, ==, last.total);
    g_assert_cmpuint(last.total, >=, SIZE);
    g_assert_cmpstr(last.phase, ==, "compare");
    chain_free(&c);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    api_test_add("/api/rebase/same", test_shows_the_same);
    api_test_add("/api/rebase/equal", test_equal_parents_need_no_copy);
    api_test_add("/api/rebase/old-chain", test_a_parent_of_the_old_chain);
    api_test_add("/api/rebase/unsafe", test_unsafe_only_rewrites);
    api_test_add("/api/rebase/update-id", test_update_id_mends_a_chain);
    api_test_add("/api/rebase/names", test_names_relative_and_absolute);
    api_test_add("/api/rebase/impossible", test_impossible_parents);
    api_test_add("/api/rebase/dedup", test_dedup_drops_what_is_equal);
    api_test_add("/api/rebase/dedup-redo-log", test_dedup_of_a_redo_log);
    api_test_add("/api/rebase/dedup-space", test_dedup_gives_the_space_back);
    api_test_add("/api/rebase/dedup-progress", test_dedup_tells_how_far_it_is);
    return g_test_run();
}
