/* SPDX-License-Identifier: BSD-3-Clause */
/* tests/unit/test-block-open.c - names, options, probing, parents; and that a
 * failed open leaves nothing open. */
#include <string.h>

#include "block/drivers.h"
#include "tests/unit/block-test.h"

#define SIZE UINT64_C(65536)

static void
begin(TestCo *t)
{
    block_test_begin(t);
    toy_format(ram_store("toy"), SIZE, NULL);
    ram_fill(ram_store("raw"), SIZE, 1);
}

static void
expect_error(TestCo *t, const char *name, const char *format, VdOpenFlags flags,
             const char *text)
{
    g_autoptr(GError) error = NULL;
    VdNode *node = vd_co_open(&t->env, name, format, NULL, flags, &error);

    g_assert_null(node);
    g_assert_nonnull(error);
    g_assert_cmpstr(error->message, ==, text);
    g_assert_false(ram_store("toy")->open);
    g_assert_false(ram_store("raw")->open);
}

static void
expect_open(TestCo *t, const char *name, const char *format, VdOpenFlags flags,
            const char *drivers)
{
    VdNode *node = block_test_open(t, name, format, flags);
    GString *text = g_string_new(NULL);

    for (VdNode *n = node; n; n = vd_node_child(n, "file"))
        g_string_append_printf(text, "%s%s", n == node ? "" : " ",
                               vd_node_driver(n)->name);
    g_assert_cmpstr(text->str, ==, drivers);
    g_string_free(text, TRUE);
    test_co_close(node);
}

/* -- names ----------------------------------------------------------------- */

static void
test_opens_every_form_of_name(TestCo *t)
{
    g_autofree char *path = test_co_path(t, "f");
    g_autofree char *file_name = g_strconcat("file:", path, NULL);
    g_autofree char *json = g_strdup_printf(
        "json:{\"driver\":\"raw\",\"file\":{\"driver\":\"file\","
        "\"filename\":\"%s\"}}",
        path);
    g_autofree char *options =
        g_strdup_printf("driver=raw,file.filename=%s", path);

    begin(t);
    test_file_make(path, 4096);
    expect_open(t, path, NULL, 0, "raw file");
    expect_open(t, path, "raw", 0, "raw file");
    expect_open(t, path, "file", 0, "file");
    expect_open(t, file_name, NULL, 0, "raw file");
    expect_open(t, file_name, "file", 0, "file");
    expect_open(t, json, NULL, 0, "raw file");
    expect_open(t, json, "raw", 0, "raw file");
    expect_open(t, options, NULL, VD_OPEN_IMAGE_OPTS, "raw file");
    expect_open(t, "ram:toy", NULL, 0, "toy ram");
    expect_open(t, "ram:toy", "raw", 0, "raw ram");
    expect_open(t, "ram:toy", "ram", 0, "ram");
    expect_open(t, "ram:toy", "readonly", 0, "readonly ram");
    expect_open(t, "file.driver=ram,file.name=toy", NULL, VD_OPEN_IMAGE_OPTS,
                "toy ram");
    expect_open(t, "file.filename=ram:toy", NULL, VD_OPEN_IMAGE_OPTS,
                "toy ram");
    expect_open(t, "filename=ram:toy", NULL, VD_OPEN_IMAGE_OPTS, "toy ram");
    expect_open(t, "driver=raw,file.driver=toy,file.file.filename=ram:toy",
                NULL, VD_OPEN_IMAGE_OPTS, "raw toy ram");
    expect_open(t, "driver=raw,file.driver=toy,file.filename=ram:toy", NULL,
                VD_OPEN_IMAGE_OPTS, "raw toy ram");
}

static void
test_paths_may_contain_colons_behind_a_slash(TestCo *t)
{
    g_autofree char *path = test_co_path(t, "ram:toy");

    begin(t);
    test_file_make(path, 512);
    expect_open(t, path, NULL, 0, "raw file");
}

static void
test_tells_what_is_unknown(TestCo *t)
{
    begin(t);
    expect_error(t, "ram:toy", "nosuch", 0, "Unknown driver 'nosuch'");
    expect_error(t, "driver=nosuch", NULL, VD_OPEN_IMAGE_OPTS,
                 "Unknown driver 'nosuch'");
    expect_error(t, "driver=raw,file.driver=nosuch", NULL, VD_OPEN_IMAGE_OPTS,
                 "Unknown driver 'nosuch'");
    expect_error(t, "nosuch:x", NULL, 0, "Unknown protocol 'nosuch'");
    expect_error(t, "nosuch:x", "raw", 0, "Unknown protocol 'nosuch'");
    expect_error(t, "driver=raw,file.filename=ram:toy,typo=1", NULL,
                 VD_OPEN_IMAGE_OPTS,
                 "Block format 'raw' does not support the option 'typo'");
    expect_error(t, "driver=raw,file.filename=ram:toy,file.typo=1", NULL,
                 VD_OPEN_IMAGE_OPTS,
                 "Block protocol 'ram' doesn't support the option 'typo'");
    expect_error(t, "driver=raw", NULL, VD_OPEN_IMAGE_OPTS,
                 "A block device must be specified for \"file\"");
    expect_error(t, "a", NULL, VD_OPEN_IMAGE_OPTS,
                 "Expected '=' after parameter 'a'");
    expect_error(t, "json:{\"driver\":\"raw\",\"file\":\"x\"}", NULL, 0,
                 "A block device must be specified for \"file\"");
    expect_error(t, "json:{\"driver\":\"raw\",\"file.filename\":\"ram:raw\"}",
                 "toy", 0, "Driver specified twice");
    expect_error(t, "file.filename=json:{}", NULL, VD_OPEN_IMAGE_OPTS,
                 "Invalid parameter 'filename'");
}

static void
test_a_missing_file_is_named(TestCo *t)
{
    g_autofree char *path = test_co_path(t, "missing");
    g_autofree char *text =
        g_strdup_printf("Could not open '%s': No such file or directory", path);

    begin(t);
    expect_error(t, path, NULL, 0, text);
    expect_error(t, path, "raw", VD_OPEN_RDWR, text);
}

static void
test_a_read_failure_while_probing_closes(TestCo *t)
{
    begin(t);
    ram_store("toy")->fail_read_at = 100;
    expect_error(t, "ram:toy", NULL, 0,
                 "Could not read image for determining its format: ram read: "
                 "Input/output error");
    expect_error(t, "ram:toy", "readonly", VD_OPEN_RDWR,
                 "opened for writing through a readonly filter");
}

static void
test_drivers_do_not_nest_for_ever(TestCo *t)
{
    GString *options = g_string_new("driver=raw");
    GString *prefix = g_string_new("");

    begin(t);
    for (unsigned i = 0; i < 40; i++) {
        g_string_append(prefix, "file.");
        g_string_append_printf(options, ",%sdriver=raw", prefix->str);
    }
    g_string_append_printf(options, ",%sfile.filename=ram:raw", prefix->str);
    expect_error(t, options->str, NULL, VD_OPEN_IMAGE_OPTS,
                 "raw: more than 16 drivers on top of one another");
    g_string_free(options, TRUE);
    g_string_free(prefix, TRUE);
}

static void
test_nodes_are_named_after_files(TestCo *t)
{
    VdNode *node;

    begin(t);
    node = block_test_open(t, "ram:toy", NULL, 0);
    g_assert_cmpstr(vd_node_name(node), ==, "ram:toy");
    test_co_close(node);
    node = test_co_open(t, "driver=raw,file.driver=ram,file.name=toy", 0);
    g_assert_cmpstr(vd_node_name(node), ==, "toy");
    test_co_close(node);
}

static void
test_generic_options_change_flags(TestCo *t)
{
    VdNode *node;

    begin(t);
    node = test_co_open(t,
                        "driver=raw,file.filename=ram:raw,discard=unmap,"
                        "detect-zeroes=unmap,cache.no-flush=on,node-name=x,"
                        "force-share=on",
                        VD_OPEN_RDWR);
    g_assert_cmphex(vd_node_flags(node), ==,
                    VD_OPEN_RDWR | VD_OPEN_UNMAP | VD_OPEN_DETECT_ZEROES |
                        VD_OPEN_NO_FLUSH | VD_OPEN_FORCE_SHARE);
    g_assert_cmphex(vd_node_flags(vd_node_child(node, "file")), ==,
                    VD_OPEN_RDWR | VD_OPEN_UNMAP | VD_OPEN_NO_FLUSH |
                        VD_OPEN_FORCE_SHARE);
    test_co_close(node);
    node = test_co_open(t, "driver=raw,file.filename=ram:raw,read-only=on",
                        VD_OPEN_RDWR);
    g_assert_false(vd_node_is_writable(node));
    g_assert_false(vd_node_is_writable(vd_node_child(node, "file")));
    test_co_close(node);
    expect_error(t, "driver=raw,file.filename=ram:raw,detect-zeroes=unmap",
                 NULL, VD_OPEN_IMAGE_OPTS,
                 "setting detect-zeroes to unmap is not allowed without "
                 "setting discard operation to unmap");
}

/* -- guessing raw ---------------------------------------------------------- */

static VdNode *
open_guessed(TestCo *t)
{
    begin(t);
    return block_test_open(t, "ram:raw", NULL, VD_OPEN_RDWR);
}

static void
test_guessing_raw_warns_writers(TestCo *t)
{
    VdNode *node = open_guessed(t);

    g_assert_cmpuint(t->warnings->len, ==, 1);
    g_assert_true(g_str_has_prefix(
        g_ptr_array_index(t->warnings, 0),
        "Image format was not specified for 'raw' and probing guessed "
        "raw.\n"));
    test_co_close(node);
    expect_open(t, "ram:raw", NULL, 0, "raw ram");
    expect_open(t, "ram:raw", "raw", VD_OPEN_RDWR, "raw ram");
    expect_open(t, "ram:toy", NULL, VD_OPEN_RDWR, "toy ram");
    g_assert_cmpuint(t->warnings->len, ==, 1);
}

static void
test_guessed_raw_cannot_become_another_format(TestCo *t)
{
    VdNode *node = open_guessed(t);
    RamStore *store = ram_store("raw");
    g_autofree uint8_t *before = g_memdup2(store->bytes, SIZE);
    g_autoptr(GError) error = NULL, piecewise = NULL;

    g_assert_false(vd_node_co_pwrite(node, 0, "TOYIMAGE", 8, &error));
    g_assert_error(error, VD_ERROR, VD_ERROR_REFUSED);
    g_assert_cmpmem(store->bytes, SIZE, before, SIZE);
    /* nor in two steps */
    g_assert_true(vd_node_co_pwrite(node, 4, "MAGE", 4, NULL));
    g_assert_false(vd_node_co_pwrite(node, 0, "TOYI", 4, &piecewise));
    g_assert_error(piecewise, VD_ERROR, VD_ERROR_REFUSED);
    g_assert_true(vd_node_co_pwrite(node, 0, "harmless", 8, NULL));
    g_assert_true(vd_node_co_write_zeroes(node, 0, 512, 0, NULL));
    g_assert_true(vd_node_co_pwrite(node, 8192, "TOYIMAGE", 8, NULL));
    test_co_close(node);
}

static void
test_raw_by_name_may_become_anything(TestCo *t)
{
    VdNode *node;

    begin(t);
    node = block_test_open(t, "ram:raw", "raw", VD_OPEN_RDWR);
    g_assert_true(vd_node_co_pwrite(node, 0, "TOYIMAGE", 8, NULL));
    test_co_close(node);
}

static int
probe_also(const uint8_t *head, size_t len, uint64_t size, const char *filename)
{
    return len >= 8 && memcmp(head, "TOYIMAGE", 8) == 0 ? 100 : 0;
}

static void
test_two_claims_are_told(TestCo *t)
{
    static const VdDriver also = {VD_DRIVER_HEADER, .name = "also",
                                  .kind = VD_DRIVER_FORMAT,
                                  .probe = probe_also};
    static const VdDriver *const table[] = {&ram_driver, &toy_driver, &also,
                                            NULL};

    begin(t);
    vd_registry_set(table);
    expect_open(t, "ram:toy", NULL, 0, "toy ram");
    g_assert_cmpuint(t->warnings->len, ==, 1);
    g_assert_cmpstr(g_ptr_array_index(t->warnings, 0), ==,
                    "toy: looks like format 'toy' as well as 'also'; taken "
                    "for the first");
}

/* -- parents --------------------------------------------------------------- */

static void
test_parents_are_opened_read_only(TestCo *t)
{
    VdNode *node, *parent;

    begin(t);
    toy_format(ram_store("top"), SIZE, "ram:toy");
    node = block_test_open(t, "ram:top", "toy",
                           VD_OPEN_RDWR | VD_OPEN_UNMAP | VD_OPEN_WRITETHROUGH |
                               VD_OPEN_DETECT_ZEROES);
    parent = vd_node_parent(node);
    g_assert_nonnull(parent);
    g_assert_cmphex(vd_node_flags(parent), ==, VD_OPEN_STRICT_LOCK);
    g_assert_false(vd_node_is_writable(vd_node_child(parent, "file")));
    test_co_close(node);
    g_assert_false(ram_store("toy")->open);
}

static void
test_a_missing_parent_fails_the_open(TestCo *t)
{
    begin(t);
    toy_format(ram_store("top"), SIZE, "ram:nosuch");
    expect_error(t, "ram:top", "toy", 0,
                 "Could not open backing file: no store 'nosuch'");
    g_assert_false(ram_store("top")->open);
    expect_open(t, "ram:top", "toy", VD_OPEN_NO_PARENT, "toy ram");
    expect_open(t,
                "json:{\"driver\":\"toy\",\"backing\":null,"
                "\"file.filename\":\"ram:top\"}",
                NULL, 0, "toy ram");
}

static void
test_a_failure_deep_down_closes_all(TestCo *t)
{
    begin(t);
    for (unsigned i = 0; i < 5; i++) {
        g_autofree char *name = g_strdup_printf("c%u", i);
        g_autofree char *backing = g_strdup_printf("ram:c%u", i + 1);

        toy_format(ram_store(name), SIZE, backing);
    }
    g_assert_null(vd_co_open(&t->env, "ram:c0", NULL, NULL, 0, NULL));
    for (unsigned i = 0; i < 5; i++) {
        g_autofree char *name = g_strdup_printf("c%u", i);

        g_assert_false(ram_store(name)->open);
    }
}

static void
test_long_chains_open_too_long_ones_do_not(TestCo *t)
{
    g_autoptr(GError) error = NULL;
    VdNode *node;

    begin(t);
    for (unsigned i = 0; i < VD_MAX_CHAIN; i++) {
        g_autofree char *name = g_strdup_printf("c%u", i);
        g_autofree char *backing =
            i + 1 < VD_MAX_CHAIN ? g_strdup_printf("ram:c%u", i + 1) : NULL;

        toy_format(ram_store(name), SIZE, backing);
    }
    node = block_test_open(t, "ram:c0", "toy", 0);
    g_assert_cmpuint(vd_chain_depth(node), ==, VD_MAX_CHAIN);
    test_co_close(node);

    toy_format(ram_store("top"), SIZE, "ram:c0");
    g_assert_null(vd_co_open(&t->env, "ram:top", "toy", NULL, 0, &error));
    g_assert_error(error, VD_ERROR, VD_ERROR_LIMIT);
    g_assert_false(ram_store("top")->open);
    g_assert_false(ram_store("c255")->open);
}

/* A toy image in a file. */
static void
make_toy_file(const char *path, const char *backing)
{
    RamStore *store = ram_store("scratch");

    toy_format(store, SIZE, backing);
    g_assert_true(g_file_set_contents(path, (const char *) store->bytes,
                                      store->size, NULL));
}

static void
test_chains_that_bite_their_tail_are_refused(TestCo *t)
{
    g_autofree char *a = test_co_path(t, "a");
    g_autofree char *b = test_co_path(t, "b");
    g_autofree char *dotted = test_co_path(t, "./a");

    begin(t);
    make_toy_file(a, b);
    make_toy_file(b, dotted);
    for (unsigned i = 0; i < 2; i++) {
        g_autoptr(GError) error = NULL;

        g_assert_null(
            vd_co_open(&t->env, a, NULL, NULL, i ? VD_OPEN_RDWR : 0, &error));
        g_assert_error(error, VD_ERROR, VD_ERROR_CORRUPT);
        g_assert_nonnull(strstr(error->message, "is its own parent"));
    }
    make_toy_file(a, a);
    g_assert_null(vd_co_open(&t->env, a, NULL, NULL, 0, NULL));
}

static void
test_parents_are_contained_if_asked(TestCo *t)
{
    g_autofree char *top = test_co_path(t, "top");
    g_autofree char *base = test_co_path(t, "base");
    g_autofree char *outside = g_strconcat(t->dir, "-outside", NULL);
    g_autoptr(GError) error = NULL, scheme = NULL;
    VdNode *node;

    begin(t);
    make_toy_file(base, NULL);
    make_toy_file(outside, NULL);
    t->env.contain_parents = true;
    make_toy_file(top, base);
    node = block_test_open(t, top, "toy", 0);
    test_co_close(node);

    make_toy_file(top, outside);
    g_assert_null(vd_co_open(&t->env, top, "toy", NULL, 0, &error));
    g_assert_error(error, VD_ERROR, VD_ERROR_REFUSED);
    make_toy_file(top, "ram:toy");
    g_assert_null(vd_co_open(&t->env, top, "toy", NULL, 0, &scheme));
    g_assert_error(scheme, VD_ERROR, VD_ERROR_REFUSED);

    t->env.contain_parents = false;
    make_toy_file(top, outside);
    node = block_test_open(t, top, "toy", 0);
    test_co_close(node);
    g_assert_cmpint(unlink(outside), ==, 0);
}

/* -- locks ----------------------------------------------------------------- */

static void
test_a_writer_keeps_others_out(TestCo *t)
{
    g_autofree char *path = test_co_path(t, "toy");
    VdNode *writer;

    begin(t);
    make_toy_file(path, NULL);
    writer = block_test_open(t, path, NULL, VD_OPEN_RDWR);
    for (unsigned i = 0; i < 3; i++) {
        static const VdOpenFlags flags[] = {0, VD_OPEN_RDWR,
                                            VD_OPEN_STRICT_LOCK};
        g_autoptr(GError) error = NULL;

        g_assert_null(vd_co_open(&t->env, path, NULL, NULL, flags[i], &error));
        g_assert_error(error, VD_ERROR, VD_ERROR_IN_USE);
        g_assert_nonnull(
            strstr(error->message, "Is another process using the image ["));
    }
    expect_open(t, path, NULL, VD_OPEN_FORCE_SHARE, "toy file");
    test_co_close(writer);
    expect_open(t, path, NULL, 0, "toy file");
}

static void
test_raw_readers_do_not_mind_writers(TestCo *t)
{
    g_autofree char *path = test_co_path(t, "raw");
    g_autoptr(GError) strict = NULL;
    VdNode *writer;

    begin(t);
    test_file_make(path, 4096);
    writer = block_test_open(t, path, "raw", VD_OPEN_RDWR);
    expect_open(t, path, NULL, 0, "raw file");
    g_assert_cmpuint(t->warnings->len, ==, 1);
    expect_open(t, path, "raw", 0, "raw file");
    expect_open(t, path, "file", 0, "file");
    g_assert_cmpuint(t->warnings->len, ==, 3);
    g_assert_null(
        vd_co_open(&t->env, path, "raw", NULL, VD_OPEN_STRICT_LOCK, &strict));
    g_assert_error(strict, VD_ERROR, VD_ERROR_IN_USE);
    g_assert_null(vd_co_open(&t->env, path, "raw", NULL, VD_OPEN_RDWR, NULL));
    test_co_close(writer);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
#define TEST(name) test_co_add("/block/open/" #name, test_##name)
    TEST(opens_every_form_of_name);
    TEST(paths_may_contain_colons_behind_a_slash);
    TEST(tells_what_is_unknown);
    TEST(a_missing_file_is_named);
    TEST(a_read_failure_while_probing_closes);
    TEST(drivers_do_not_nest_for_ever);
    TEST(nodes_are_named_after_files);
    TEST(generic_options_change_flags);
    TEST(guessing_raw_warns_writers);
    TEST(guessed_raw_cannot_become_another_format);
    TEST(raw_by_name_may_become_anything);
    TEST(two_claims_are_told);
    TEST(parents_are_opened_read_only);
    TEST(a_missing_parent_fails_the_open);
    TEST(a_failure_deep_down_closes_all);
    TEST(long_chains_open_too_long_ones_do_not);
    TEST(chains_that_bite_their_tail_are_refused);
    TEST(parents_are_contained_if_asked);
    TEST(a_writer_keeps_others_out);
    TEST(raw_readers_do_not_mind_writers);
    return g_test_run();
}
