/* SPDX-License-Identifier: BSD-3-Clause */
/* tests/unit/test-block-names.c - forms of names, relative names, the path
 * policy, and the registry. */
#include <glib/gstdio.h>
#include <string.h>
#include <unistd.h>

#include "block/name.h"
#include "block/open.h"
#include "block/registry.h"
#include "tests/support/temp-dir.h"

/* -- names ----------------------------------------------------------------- */

static void
test_kinds(void)
{
    static const struct {
        const char *name;
        VdNameKind kind;
        const char *scheme;
    } cases[] = {
        {"x.vmdk", VD_NAME_PATH, NULL},
        {"/a:b", VD_NAME_PATH, NULL},
        {"./a:b", VD_NAME_PATH, NULL},
        {"dir/a:b", VD_NAME_PATH, NULL},
        {"", VD_NAME_PATH, NULL},
        {"a:b", VD_NAME_SCHEME, "a"},
        {"file:a:b", VD_NAME_SCHEME, "file"},
        {"nbd://host/export", VD_NAME_SCHEME, "nbd"},
        {"nbd+unix:///e?socket=/s", VD_NAME_SCHEME, "nbd+unix"},
        {":x", VD_NAME_SCHEME, ""},
        {"json:{\"driver\":\"raw\"}", VD_NAME_JSON, NULL},
    };

    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *scheme = NULL;

        g_assert_cmpint(vd_name_kind(cases[i].name, &scheme), ==,
                        cases[i].kind);
        g_assert_cmpstr(scheme, ==, cases[i].scheme);
    }
}

static void
test_relative_names_count_from_the_image(void)
{
    static const struct {
        const char *base, *child, *combined;
    } cases[] = {
        {"/d/x.vmdk", "y.vmdk", "/d/y.vmdk"},
        {"/d/x.vmdk", "../y.vmdk", "/d/../y.vmdk"},
        {"/d/x.vmdk", "/e/y.vmdk", "/e/y.vmdk"},
        {"x.vmdk", "y.vmdk", "y.vmdk"},
        {"x.vmdk", "s/y.vmdk", "s/y.vmdk"},
        {"file:d/x.vmdk", "y.vmdk", "d/y.vmdk"},
        {"https://h/d/x.vmdk", "y.vmdk", "https://h/d/y.vmdk"},
        /* what an image stores is a path, whatever it looks like */
        {"x.vmdk", "nbd:y", "./nbd:y"},
        {"d/x.vmdk", "nbd:y", "d/nbd:y"},
        {"x.vmdk", "json:{}", "./json:{}"},
        {"json:{\"a\":\"/d/e\"}", "y.vmdk", "y.vmdk"},
    };

    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *combined =
            vd_path_combine(cases[i].base, cases[i].child);

        g_assert_cmpstr(combined, ==, cases[i].combined);
    }
}

static char *
paths_only(const char *base, const char *stored)
{
    return strstr(stored, "://") ? NULL : vd_path_combine(base, stored);
}

static void
test_formats_say_what_names_of_parents_mean(void)
{
    static const VdDriver plain = {VD_DRIVER_HEADER, .name = "plain"};
    static const VdDriver any = {VD_DRIVER_HEADER, .name = "any",
                                 .locate_parent = vd_parent_combine};
    static const VdDriver picky = {VD_DRIVER_HEADER, .name = "picky",
                                   .locate_parent = paths_only};
    static const struct {
        const VdDriver *driver;
        const char *stored, *located;
    } cases[] = {
        {&plain, "y", "/d/y"},         {&plain, "nbd://h/e", "/d/nbd://h/e"},
        {&any, "y", "/d/y"},           {&any, "nbd://h/e", "nbd://h/e"},
        {&any, "json:{}", "json:{}"},  {&any, "./nbd:y", "/d/./nbd:y"},
        {&picky, "nbd:y", "/d/nbd:y"}, {&picky, "nbd://h/e", NULL},
    };

    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(GError) error = NULL;
        g_autofree char *located =
            vd_parent_locate(cases[i].driver, "/d/x", cases[i].stored, &error);

        g_assert_cmpstr(located, ==, cases[i].located);
        if (!located)
            g_assert_error(error, VD_ERROR, VD_ERROR_INVALID_ARGUMENT);
    }
}

/* -- policy ---------------------------------------------------------------- */

typedef struct {
    char *dir, *image; /* dir/in/image */
    VdEnv env;
} Fixture;

static char *
at(const Fixture *f, const char *name)
{
    return g_build_filename(f->dir, name, NULL);
}

static void
make(const Fixture *f, const char *name)
{
    g_autofree char *path = at(f, name);

    g_assert_true(g_file_set_contents(path, "x", 1, NULL));
}

static void
set_up(Fixture *f, gconstpointer data)
{
    static const char *const dirs[] = {"in", "in/sub", "out", "inside"};

    f->dir = test_dir_new();
    for (size_t i = 0; i < G_N_ELEMENTS(dirs); i++) {
        g_autofree char *path = at(f, dirs[i]);

        g_assert_cmpint(g_mkdir(path, 0755), ==, 0);
    }
    f->image = at(f, "in/image");
    make(f, "in/image");
    make(f, "in/extent");
    make(f, "in/sub/extent");
    make(f, "out/secret");
    make(f, "inside/secret");
}

static void
tear_down(Fixture *f, gconstpointer data)
{
    g_free(f->image);
    test_dir_remove(f->dir);
}

static bool
allows(const Fixture *f, const char *path)
{
    g_autofree char *full = vd_path_combine(f->image, path);
    g_autoptr(GError) error = NULL;
    bool ok = vd_policy_check(&f->env, f->image, full, &error);

    if (!ok) {
        g_assert_error(error, VD_ERROR, VD_ERROR_REFUSED);
        g_assert_nonnull(strstr(error->message, full));
    }
    return ok;
}

static void
test_allows_beside_and_below(Fixture *f, gconstpointer data)
{
    g_assert_true(allows(f, "extent"));
    g_assert_true(allows(f, "sub/extent"));
    g_assert_true(allows(f, "sub/../extent"));
    g_assert_true(allows(f, "not-there-yet"));
}

static void
test_refuses_outside(Fixture *f, gconstpointer data)
{
    g_autofree char *absolute = at(f, "out/secret");

    g_assert_false(allows(f, "../out/secret"));
    g_assert_false(allows(f, "sub/../../out/secret"));
    g_assert_false(allows(f, absolute));
    g_assert_false(allows(f, "/etc/passwd"));
    g_assert_false(allows(f, "../in2"));
    g_assert_false(allows(f, ".."));
    g_assert_false(allows(f, "no-such-dir/x"));
    g_assert_false(allows(f, "../inside/secret")); /* not below "in" */
}

static void
test_refuses_links_that_lead_out(Fixture *f, gconstpointer data)
{
    g_autofree char *link = at(f, "in/link");
    g_autofree char *dir_link = at(f, "in/dir-link");
    g_autofree char *inner = at(f, "in/inner");

    g_assert_cmpint(symlink("../out/secret", link), ==, 0);
    g_assert_cmpint(symlink("../out", dir_link), ==, 0);
    g_assert_cmpint(symlink("sub/extent", inner), ==, 0);
    g_assert_false(allows(f, "link"));
    g_assert_false(allows(f, "dir-link/secret"));
    g_assert_true(allows(f, "inner"));
}

static void
test_allows_beside_the_target_of_a_link(Fixture *f, gconstpointer data)
{
    g_autofree char *link = at(f, "out/image-link");
    g_autofree char *extent = at(f, "in/extent");
    g_autoptr(GError) error = NULL;

    g_assert_cmpint(symlink("../in/image", link), ==, 0);
    g_assert_true(vd_policy_check(&f->env, link, extent, &error));
    g_assert_no_error(error);
}

/* A pipe stands for devices, which take root to make. */
static void
test_devices_have_to_be_allowed(Fixture *f, gconstpointer data)
{
    g_autofree char *pipe = at(f, "in/pipe");
    g_autofree char *link = at(f, "in/null");
    g_autofree char *in = at(f, "in");
    const char *const allow[] = {"/dev", in, NULL};

    g_assert_cmpint(mkfifo(pipe, 0600), ==, 0);
    g_assert_cmpint(symlink("/dev/null", link), ==, 0);
    g_assert_false(allows(f, "pipe"));
    g_assert_false(allows(f, "null"));
    g_assert_false(allows(f, "/dev/null"));
    f->env.allow_paths = allow;
    g_assert_true(allows(f, "pipe"));
    g_assert_true(allows(f, "null"));
    g_assert_true(allows(f, "/dev/null"));
}

static void
test_allowed_directories_are_allowed(Fixture *f, gconstpointer data)
{
    g_autofree char *out = at(f, "out");
    const char *const allow[] = {"/nonexistent", out, NULL};

    f->env.allow_paths = allow;
    g_assert_true(allows(f, "../out/secret"));
    g_assert_false(allows(f, "../inside/secret"));
}

static void
test_any_path_allows_all(Fixture *f, gconstpointer data)
{
    f->env.allow_any_path = true;
    g_assert_true(allows(f, "/etc/passwd"));
}

static void
test_refuses_other_than_paths(Fixture *f, gconstpointer data)
{
    g_autoptr(GError) error = NULL;

    g_assert_false(vd_policy_check(&f->env, f->image, "nbd://h/e", &error));
    g_assert_error(error, VD_ERROR, VD_ERROR_REFUSED);
}

static void
test_without_a_base_nothing_is_beside(Fixture *f, gconstpointer data)
{
    g_autofree char *extent = at(f, "in/extent");

    g_assert_false(vd_policy_check(&f->env, NULL, extent, NULL));
    g_assert_false(vd_policy_check(&f->env, "json:{}", extent, NULL));
}

/* -- registry -------------------------------------------------------------- */

static int
probe_one(const uint8_t *head, size_t len, uint64_t size, const char *filename)
{
    return len > 0 && head[0] == 1 ? 50 : 0;
}

static int
probe_name(const uint8_t *head, size_t len, uint64_t size, const char *filename)
{
    if (len > 0 && head[0] == 2)
        return 90;
    return g_str_has_suffix(filename, ".two") ? 50 : 0;
}

static const char *const one_schemes[] = {"one", "one+x", NULL};
static const VdDriver one = {VD_DRIVER_HEADER, .name = "one",
                             .schemes = one_schemes, .probe = probe_one};
static const VdDriver two = {VD_DRIVER_HEADER, .name = "two",
                             .probe = probe_name};
static const VdDriver any = {VD_DRIVER_HEADER, .name = "any",
                             .caps = VD_CAP_RAW};
static const VdDriver *const registry_table[] = {&any, &one, &two, NULL};

static const VdDriver *
probe(uint8_t first, const char *filename, const VdDriver **second)
{
    return vd_registry_probe(&first, 1, 1, filename, second);
}

static void
test_finds_by_name_and_scheme(void)
{
    vd_registry_set(registry_table);
    g_assert_true(vd_registry_find("two") == &two);
    g_assert_null(vd_registry_find("three"));
    g_assert_true(vd_registry_find_scheme("one+x") == &one);
    g_assert_null(vd_registry_find_scheme("two"));
}

static void
test_highest_score_wins(void)
{
    const VdDriver *second;

    vd_registry_set(registry_table);
    g_assert_true(probe(1, "x", &second) == &one);
    g_assert_null(second);
    g_assert_true(probe(2, "x.two", &second) == &two);
    g_assert_null(second);
}

static void
test_first_of_equals_wins_and_names_the_other(void)
{
    const VdDriver *second;

    vd_registry_set(registry_table);
    g_assert_true(probe(1, "x.two", &second) == &one);
    g_assert_true(second == &two);
}

static void
test_nothing_recognised_is_raw(void)
{
    const VdDriver *second;

    vd_registry_set(registry_table);
    g_assert_true(probe(9, "x", &second) == &any);
    g_assert_null(second);
    g_assert_true(vd_registry_probe(NULL, 0, 0, "x", NULL) == &any);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/block/name/kinds", test_kinds);
    g_test_add_func("/block/name/relative_names_count_from_the_image",
                    test_relative_names_count_from_the_image);
    g_test_add_func("/block/name/formats_say_what_names_of_parents_mean",
                    test_formats_say_what_names_of_parents_mean);
#define TEST(name)                                                             \
    g_test_add("/block/policy/" #name, Fixture, NULL, set_up, test_##name,     \
               tear_down)
    TEST(allows_beside_and_below);
    TEST(refuses_outside);
    TEST(refuses_links_that_lead_out);
    TEST(allows_beside_the_target_of_a_link);
    TEST(devices_have_to_be_allowed);
    TEST(allowed_directories_are_allowed);
    TEST(any_path_allows_all);
    TEST(refuses_other_than_paths);
    TEST(without_a_base_nothing_is_beside);
#undef TEST
#define TEST(name) g_test_add_func("/block/registry/" #name, test_##name)
    TEST(finds_by_name_and_scheme);
    TEST(highest_score_wins);
    TEST(first_of_equals_wins_and_names_the_other);
    TEST(nothing_recognised_is_raw);
    return g_test_run();
}
