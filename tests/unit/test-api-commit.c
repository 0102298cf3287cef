/* SPDX-License-Identifier: BSD-3-Clause */
/* tests/unit/test-api-commit.c - links merged into links below them. */
#include "tests/unit/chain-test.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#define SIZE (4 * MIB)

typedef struct {
    unsigned n;
    ChainSpec spec[CHAIN_MAX];
} Kind;

/* Hosted sparse with and without zero marks, split, flat, other grain sizes,
 * shorter and longer links. */
static const Kind kinds[] = {
    {2, {{"", SIZE}, {"", SIZE}}},
    {2, {{"grain_size=4k", SIZE}, {"zeroed_grain=on", SIZE}}},
    {2, {{"", SIZE}, {"subformat=vmfsSparse", SIZE}}},
    {3,
     {{"subformat=vmfs", SIZE},
      {"subformat=vmfsSparse", SIZE},
      {"subformat=vmfsSparse", SIZE}}},
    {2,
     {{"subformat=monolithicFlat", SIZE},
      {"zeroed_grain=on,grain_size=16k", SIZE}}},
    {3,
     {{"subformat=twoGbMaxExtentFlat,split_size=1M", SIZE},
      {"subformat=twoGbMaxExtentSparse,split_size=2M", SIZE},
      {"subformat=twoGbMaxExtentSparse,split_size=1M,zeroed_grain=on", SIZE}}},
    {3,
     {{"", SIZE},
      {"grain_size=4k", SIZE - MIB},
      {"grain_size=16k", SIZE - 512}}},
    {4,
     {{"grain_size=16k,zeroed_grain=on", SIZE},
      {"zeroed_grain=on", SIZE},
      {"grain_size=4k", SIZE},
      {"grain_size=32k,zeroed_grain=on", SIZE}}},
    {6,
     {{"", SIZE + 512},
      {"grain_size=4k,zeroed_grain=on", SIZE},
      {"", SIZE},
      {"subformat=twoGbMaxExtentSparse,split_size=2M", SIZE},
      {"grain_size=128k,zeroed_grain=on", SIZE},
      {"grain_size=8k", SIZE}}},
};

static void
commit_to(ApiTest *t, const char *path, const char *base, bool keep)
{
    VdCommitParams params = {
        .image = {.name = path}, .base = base, .keep_top = keep};
    GError *error = NULL;

    vd_commit(t->ctx, &params, NULL, &error);
    g_assert_no_error(error);
}

/* What the link @i shows once it has taken over all above it. */
static void
merge_view(Chain *c, unsigned i)
{
    unsigned top = c->n - 1;

    g_assert_cmpuint(c->spec[i].size, >=, c->spec[top].size);
    memcpy(c->view[i], c->view[top], c->spec[top].size);
}

static void
assert_link(Chain *c, unsigned i)
{
    chain_assert_shows(c->t, chain_path(c, i), c->view[i], c->spec[i].size);
    /* Grains that zeroes have set free stay in the file. */
    chain_assert_sound(c->t, chain_path(c, i), true);
}

static void
test_into_the_parent(ApiTest *t, gconstpointer data)
{
    for (unsigned k = 0; k < G_N_ELEMENTS(kinds); k++) {
        unsigned n = kinds[k].n, top = n - 1;
        Chain c;

        if (kinds[k].spec[top].size > kinds[k].spec[top - 1].size)
            continue;
        chain_build(&c, t, kinds[k].spec, n, 1000 * (k + 1));
        commit_to(t, chain_path(&c, top), NULL, false);
        merge_view(&c, top - 1);
        for (unsigned i = 0; i < n; i++)
            assert_link(&c, i);
        chain_assert_empty(t, chain_path(&c, top));
        /* And again, with something new in it. */
        chain_scribble(t, chain_path(&c, top), c.view[top], c.spec[top].size,
                       77, 5);
        commit_to(t, chain_path(&c, top), NULL, true);
        merge_view(&c, top - 1);
        assert_link(&c, top);
        assert_link(&c, top - 1);
        chain_free(&c);
    }
}

static void
test_into_every_link_below(ApiTest *t, gconstpointer data)
{
    for (unsigned k = 0; k < G_N_ELEMENTS(kinds); k++) {
        unsigned top = kinds[k].n - 1;

        for (unsigned base = 0; base + 1 < top; base++) {
            g_autofree char *name = g_strdup_printf("l%u.vmdk", base);
            Chain c;

            if (kinds[k].spec[top].size > kinds[k].spec[base].size)
                continue;
            chain_build(&c, t, kinds[k].spec, kinds[k].n, 50 * (k + base + 1));
            commit_to(t, chain_path(&c, top), name, false);
            merge_view(&c, base);
            assert_link(&c, base);
            assert_link(&c, top);
            g_assert_true(chain_was_warned(t, chain_path(&c, base + 1),
                                           "will not be valid"));
            g_ptr_array_set_size(t->warnings, 0);
            chain_free(&c);
        }
    }
}

static void
test_links_between_are_refused_afterwards(ApiTest *t, gconstpointer data)
{
    static const ChainSpec spec[] = {{"", SIZE}, {"", SIZE}, {"", SIZE}};
    g_autoptr(GError) error = NULL;
    Chain c;

    chain_build(&c, t, spec, 3, 5);
    commit_to(t, chain_path(&c, 2), chain_path(&c, 0), false);
    g_assert_null(
        vd_disk_open(t->ctx, chain_path(&c, 1), NULL, NULL, 0, &error));
    g_assert_error(error, VD_ERROR, VD_ERROR_PARENT_MISMATCH);
    chain_free(&c);
}

static void
test_content_ids(ApiTest *t, gconstpointer data)
{
    static const ChainSpec spec[] = {{"", SIZE}, {"", SIZE}};
    uint32_t top, base;
    Chain c;

    chain_build(&c, t, spec, 2, 6);
    top = chain_cid(t, chain_path(&c, 1), "cid");
    base = chain_cid(t, chain_path(&c, 0), "cid");
    commit_to(t, chain_path(&c, 1), NULL, false);
    g_assert_cmphex(chain_cid(t, chain_path(&c, 0), "cid"), !=, base);
    g_assert_cmphex(chain_cid(t, chain_path(&c, 0), "cid"), ==,
                    chain_cid(t, chain_path(&c, 1), "parent-cid"));
    g_assert_cmphex(chain_cid(t, chain_path(&c, 1), "cid"), ==, top);
    chain_free(&c);
}

static void
test_an_emptied_link_is_small(ApiTest *t, gconstpointer data)
{
    static const ChainSpec spec[] = {{"", SIZE}, {"", SIZE}};
    uint64_t full;
    Chain c;

    chain_build(&c, t, spec, 2, 7);
    full = api_test_file_size(chain_path(&c, 1));
    commit_to(t, chain_path(&c, 1), NULL, true);
    g_assert_cmpuint(api_test_file_size(chain_path(&c, 1)), ==, full);
    commit_to(t, chain_path(&c, 1), NULL, false);
    g_assert_cmpuint(api_test_file_size(chain_path(&c, 1)), ==, 64 * KIB);
    chain_free(&c);
}

static void
make_sibling(ApiTest *t, const Chain *c, const char *name)
{
    VdCreateParams params = {
        .filename = api_test_path(t, name),
        .format = "vmdk",
        .size = UINT64_MAX,
        .backing_file = "l0.vmdk",
        .backing_format = "vmdk",
    };
    GError *error = NULL;

    vd_create(t->ctx, &params, &error);
    g_assert_no_error(error);
}

static void
test_other_children_are_named(ApiTest *t, gconstpointer data)
{
    static const ChainSpec spec[] = {{"", SIZE}, {"", SIZE}};
    g_autoptr(GError) error = NULL;
    Chain c;

    chain_build(&c, t, spec, 2, 8);
    make_sibling(t, &c, "sibling.vmdk");
    commit_to(t, chain_path(&c, 1), NULL, false);
    g_assert_true(chain_was_warned(t, "sibling.vmdk", "another child"));
    g_assert_false(chain_was_warned(t, "l1.vmdk", "another child"));
    g_assert_null(vd_disk_open(t->ctx, api_test_path(t, "sibling.vmdk"), NULL,
                               NULL, 0, &error));
    g_assert_error(error, VD_ERROR, VD_ERROR_PARENT_MISMATCH);
    chain_free(&c);
}

static void
assert_refused(ApiTest *t, const VdCommitParams *params, int code)
{
    g_autoptr(GError) error = NULL;

    g_assert_false(vd_commit(t->ctx, params, NULL, &error));
    g_assert_error(error, VD_ERROR, code);
}

static void
test_children_in_use_refuse(ApiTest *t, gconstpointer data)
{
    static const ChainSpec spec[] = {{"", SIZE}, {"", SIZE}};
    VdCommitParams params = {0};
    VdDisk *user;
    Chain c;

    chain_build(&c, t, spec, 2, 9);
    make_sibling(t, &c, "sibling.vmdk");
    params.image.name = chain_path(&c, 1);
    user = api_test_open(t, api_test_path(t, "sibling.vmdk"), NULL, 0);
    assert_refused(t, &params, VD_ERROR_IN_USE);
    api_test_close(user);
    user = api_test_open(t, chain_path(&c, 0), NULL, 0);
    assert_refused(t, &params, VD_ERROR_IN_USE);
    api_test_close(user);
    for (unsigned i = 0; i < 2; i++)
        assert_link(&c, i);
    commit_to(t, chain_path(&c, 1), NULL, false);
    chain_free(&c);
}

static void
test_impossible_commits(ApiTest *t, gconstpointer data)
{
    static const ChainSpec spec[] = {{"", SIZE}, {"", SIZE}};
    VdCommitParams params = {0};
    Chain c;

    chain_build(&c, t, spec, 2, 10);
    params.image.name = chain_path(&c, 0);
    assert_refused(t, &params, VD_ERROR_INVALID_ARGUMENT);
    params.image.name = chain_path(&c, 1);
    params.base = "nobody.vmdk";
    assert_refused(t, &params, VD_ERROR_NOT_FOUND);
    params.base = chain_path(&c, 1); /* the image itself is no link below it */
    assert_refused(t, &params, VD_ERROR_NOT_FOUND);
    for (unsigned i = 0; i < 2; i++)
        assert_link(&c, i);
    chain_free(&c);
}

static void
test_a_shorter_base_grows(ApiTest *t, gconstpointer data)
{
    static const ChainSpec spec[] = {
        {"subformat=twoGbMaxExtentFlat,split_size=1M", SIZE - MIB},
        {"zeroed_grain=on", SIZE}};
    VdCommitParams params = {0};
    VdCommitResult result;
    GError *error = NULL;
    Chain c;

    chain_build(&c, t, spec, 2, 12);
    params.image.name = chain_path(&c, 1);
    vd_commit(t->ctx, &params, &result, &error);
    g_assert_no_error(error);
    g_assert_cmpuint(result.grown_from, ==, SIZE - MIB);
    assert_link(&c, 1);
    chain_assert_shows(t, chain_path(&c, 0), c.view[1], SIZE);
    chain_free(&c);
}

/* Grown, it would show what is behind its end in its own parent. */
static void
test_a_base_over_a_longer_parent_stays(ApiTest *t, gconstpointer data)
{
    static const ChainSpec spec[] = {
        {"", SIZE}, {"", SIZE - MIB}, {"zeroed_grain=on", SIZE}};
    VdCommitParams params = {0};
    Chain c;

    chain_build(&c, t, spec, 3, 13);
    params.image.name = chain_path(&c, 2);
    assert_refused(t, &params, VD_ERROR_NOT_SUPPORTED);
    for (unsigned i = 0; i < 3; i++)
        assert_link(&c, i);
    chain_free(&c);
}

typedef struct {
    VdContext *ctx;
    unsigned calls;
} Canceller;

static void
cancel_at_once(const VdProgress *progress, void *opaque)
{
    Canceller *canceller = opaque;

    canceller->calls++;
    vd_context_cancel(canceller->ctx);
}

static void
test_cancelled_commit_changes_nothing(ApiTest *t, gconstpointer data)
{
    static const ChainSpec spec[] = {{"", SIZE}, {"", SIZE}};
    Canceller canceller = {.ctx = t->ctx};
    VdCommitParams params = {
        .progress = cancel_at_once,
        .progress_opaque = &canceller,
        .rate_limit = MIB,
    };
    Chain c;

    chain_build(&c, t, spec, 2, 11);
    params.image.name = chain_path(&c, 1);
    assert_refused(t, &params, VD_ERROR_CANCELLED);
    g_assert_cmpuint(canceller.calls, >, 0);
    vd_context_cancel_reset(t->ctx);
    assert_link(&c, 1);
    commit_to(t, chain_path(&c, 1), NULL, false);
    merge_view(&c, 0);
    assert_link(&c, 0);
    assert_link(&c, 1);
    chain_free(&c);
}

/* -- verifying ---------------------------------------------------------------
 */

static void
test_verified_into_every_link_below(ApiTest *t, gconstpointer data)
{
    for (unsigned k = 0; k < G_N_ELEMENTS(kinds); k++) {
        unsigned top = kinds[k].n - 1;

        for (unsigned base = 0; base < top; base++) {
            g_autofree char *name = g_strdup_printf("l%u.vmdk", base);
            VdCommitParams params = {.base = name, .verify = true};
            VdCommitResult result;
            GError *error = NULL;
            Chain c;

            if (kinds[k].spec[top].size > kinds[k].spec[base].size)
                continue;
            chain_build(&c, t, kinds[k].spec, kinds[k].n, 9 * (k + base + 1));
            params.image.name = chain_path(&c, top);
            vd_commit(t->ctx, &params, &result, &error);
            g_assert_no_error(error);
            g_assert_cmpuint(result.verified, >=, result.bytes_written);
            g_assert_cmpuint(result.verified, >, 0);
            merge_view(&c, base);
            assert_link(&c, base);
            assert_link(&c, top);
            chain_free(&c);
        }
    }
}

typedef struct {
    const char *path;
    bool done;
} Damage;

/* All has been written, and nothing been read back. */
static void
damage_at_the_end(const VdProgress *progress, void *opaque)
{
    Damage *damage = opaque;
    static const uint8_t wrong[] = "not what was copied";

    if (damage->done || progress->total == 0 ||
        progress->done < progress->total)
        return;
    int fd = open(damage->path, O_WRONLY | O_CLOEXEC);
    g_assert_cmpint(pwrite(fd, wrong, sizeof(wrong), MIB + 512), ==,
                    sizeof(wrong));
    (void) close(fd);
    damage->done = true;
}

static void
test_damage_leaves_the_image_as_it_was(ApiTest *t, gconstpointer data)
{
    static const ChainSpec spec[] = {{"subformat=monolithicFlat", SIZE},
                                     {"", SIZE}};
    Damage damage = {api_test_path(t, "l0-flat.vmdk"), false};
    VdCommitParams params = {.verify = true,
                             .progress = damage_at_the_end,
                             .progress_opaque = &damage};
    g_autoptr(GError) error = NULL;
    uint32_t cid;
    VdDisk *disk;
    Chain c;

    chain_build(&c, t, spec, 2, 11);
    disk = api_test_open(t, chain_path(&c, 1), NULL, VD_OPEN_RDWR);
    api_test_fill(c.view[1] + MIB, 64 * KIB, 0, 3);
    vd_disk_pwrite(disk, c.view[1] + MIB, 64 * KIB, MIB, 0, &error);
    g_assert_no_error(error);
    api_test_close(disk);
    cid = chain_cid(t, chain_path(&c, 0), "cid");

    params.image.name = chain_path(&c, 1);
    g_assert_false(vd_commit(t->ctx, &params, NULL, &error));
    g_assert_true(damage.done);
    g_assert_error(error, VD_ERROR, VD_ERROR_CORRUPT);
    g_assert_true(g_str_has_prefix(error->message, "verification failed: "));
    g_assert_nonnull(strstr(error->message, chain_path(&c, 0)));
    g_assert_cmpuint(chain_cid(t, chain_path(&c, 0), "cid"), ==, cid);
    assert_link(&c, 1);

    commit_to(t, chain_path(&c, 1), NULL, false);
    merge_view(&c, 0);
    assert_link(&c, 0);
    assert_link(&c, 1);
    chain_free(&c);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    api_test_add("/api/commit/parent", test_into_the_parent);
    api_test_add("/api/commit/every-link", test_into_every_link_below);
    api_test_add("/api/commit/links-between",
                 test_links_between_are_refused_afterwards);
    api_test_add("/api/commit/content-ids", test_content_ids);
    api_test_add("/api/commit/emptied", test_an_emptied_link_is_small);
    api_test_add("/api/commit/siblings", test_other_children_are_named);
    api_test_add("/api/commit/in-use", test_children_in_use_refuse);
    api_test_add("/api/commit/impossible", test_impossible_commits);
    api_test_add("/api/commit/grows", test_a_shorter_base_grows);
    api_test_add("/api/commit/longer-below",
                 test_a_base_over_a_longer_parent_stays);
    api_test_add("/api/commit/cancelled",
                 test_cancelled_commit_changes_nothing);
    api_test_add("/api/commit/verified", test_verified_into_every_link_below);
    api_test_add("/api/commit/verified/damage",
                 test_damage_leaves_the_image_as_it_was);
    return g_test_run();
}
