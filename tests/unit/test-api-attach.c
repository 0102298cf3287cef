/* SPDX-License-Identifier: BSD-3-Clause */
/* tests/unit/test-api-attach.c - a link on top of a chain. */
#include "tests/unit/chain-test.h"

#define SIZE (2 * MIB)

static const ChainSpec three[] = {{"", SIZE}, {"", SIZE}, {"", SIZE}};

static VdDisk *
open_alone(const Chain *c, const char *path)
{
    return api_test_open(c->t, path, NULL, VD_OPEN_RDWR | VD_OPEN_NO_PARENT);
}

static void
make(ApiTest *t, const char *name, uint64_t size, const char *options)
{
    VdCreateParams params = {
        .filename = api_test_path(t, name),
        .format = "vmdk",
        .size = size,
        .options = options,
    };
    GError *error = NULL;

    vd_create(t->ctx, &params, &error);
    g_assert_no_error(error);
}

/* Asking says the same as doing, and changes nothing. */
static void
assert_attach(const Chain *c, const char *below, const char *above,
              unsigned flags, int code)
{
    g_autoptr(GError) error = NULL, asked = NULL;
    g_autofree char *before = NULL, *after = NULL;
    VdDisk *parent = api_test_open(c->t, below, NULL, 0);
    VdDisk *child = open_alone(c, above);
    gsize len;
    bool possible;

    g_assert_true(g_file_get_contents(above, &before, &len, NULL));
    possible = vd_is_attach_possible(parent, child, &asked);
    g_assert_true(g_file_get_contents(above, &after, &len, NULL));
    g_assert_cmpmem(before, len, after, len);
    g_assert_cmpint(vd_attach(parent, child, flags, &error), ==, code < 0);
    if (code >= 0)
        g_assert_error(error, VD_ERROR, code);
    if (!flags)
        g_assert_cmpint(possible, ==, code < 0);
    api_test_close(child);
    api_test_close(parent);
}

static void
test_an_empty_link_shows_the_chain(ApiTest *t, gconstpointer data)
{
    const char *link = api_test_path(t, "redo.vmdk");
    uint32_t cid;
    Chain c;

    chain_build(&c, t, three, 3, 1);
    make(t, "redo.vmdk", SIZE, "");
    cid = chain_cid(t, link, "cid");
    assert_attach(&c, chain_path(&c, 2), link, 0, -1);
    chain_assert_shows(t, link, c.view[2], SIZE);
    g_assert_cmphex(chain_cid(t, link, "cid"), !=, cid);
    chain_scribble(t, link, c.view[2], SIZE, 2, 4);
    chain_assert_shows(t, link, c.view[2], SIZE);
    chain_free(&c);
}

static void
test_a_fitting_link_keeps_its_id(ApiTest *t, gconstpointer data)
{
    uint32_t cid;
    Chain c;

    chain_build(&c, t, three, 3, 2);
    cid = chain_cid(t, chain_path(&c, 2), "cid");
    assert_attach(&c, chain_path(&c, 1), chain_path(&c, 2), 0, -1);
    chain_assert_shows(t, chain_path(&c, 2), c.view[2], SIZE);
    g_assert_cmphex(chain_cid(t, chain_path(&c, 2), "cid"), ==, cid);
    chain_free(&c);
}

static void
test_what_does_not_fit_is_refused(ApiTest *t, gconstpointer data)
{
    Chain c;

    chain_build(&c, t, three, 3, 3);
    make(t, "short.vmdk", SIZE - 512, "");
    make(t, "flat.vmdk", SIZE, "subformat=monolithicFlat");
    assert_attach(&c, chain_path(&c, 0), chain_path(&c, 2), 0,
                  VD_ERROR_PARENT_MISMATCH);
    assert_attach(&c, chain_path(&c, 0), api_test_path(t, "short.vmdk"), 0,
                  VD_ERROR_INVALID_ARGUMENT);
    assert_attach(&c, chain_path(&c, 0), api_test_path(t, "flat.vmdk"), 0,
                  VD_ERROR_NOT_SUPPORTED);
    for (unsigned i = 0; i < 3; i++)
        chain_assert_shows(t, chain_path(&c, i), c.view[i], SIZE);
    assert_attach(&c, chain_path(&c, 0), chain_path(&c, 2), VD_ATTACH_UPDATE_ID,
                  -1);
    api_test_close(api_test_open(t, chain_path(&c, 2), NULL, 0));
    chain_free(&c);
}

static void
test_loops_and_open_chains_are_refused(ApiTest *t, gconstpointer data)
{
    g_autoptr(GError) error = NULL, other = NULL, third = NULL;
    VdDisk *top, *alone;
    Chain c;

    chain_build(&c, t, three, 3, 4);
    top = api_test_open(t, chain_path(&c, 2), NULL, 0);
    alone = api_test_open(t, chain_path(&c, 0), NULL, VD_OPEN_NO_PARENT);
    g_assert_false(vd_is_attach_possible(top, alone, &error));
    g_assert_error(error, VD_ERROR, VD_ERROR_INVALID_ARGUMENT);
    g_assert_false(vd_is_attach_possible(alone, top, &other));
    g_assert_error(other, VD_ERROR, VD_ERROR_INVALID_ARGUMENT);
    g_assert_false(vd_attach(top, alone, 0, &third));
    g_assert_error(third, VD_ERROR, VD_ERROR_READ_ONLY);
    api_test_close(alone);
    api_test_close(top);
    chain_free(&c);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    api_test_add("/api/attach/empty", test_an_empty_link_shows_the_chain);
    api_test_add("/api/attach/fitting", test_a_fitting_link_keeps_its_id);
    api_test_add("/api/attach/unfit", test_what_does_not_fit_is_refused);
    api_test_add("/api/attach/loops", test_loops_and_open_chains_are_refused);
    return g_test_run();
}
