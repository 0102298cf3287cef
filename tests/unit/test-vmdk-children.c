/* SPDX-License-Identifier: BSD-3-Clause */
/* tests/unit/test-vmdk-children.c - who names a disk as its parent? */
#include "formats/vmdk/chain/children.h"
#include "tests/unit/vmdk-test.h"

#define SIZE (4 * MIB)

static int
compare_names(gconstpointer a, gconstpointer b)
{
    return g_strcmp0(*(const char *const *) a, *(const char *const *) b);
}

/* The base names that are found, in order, with blanks between them. */
static char *
children_of(TestCo *t, const char *name)
{
    VdNode *node = vmdk_test_open(t, name, VD_OPEN_RDWR);
    g_autoptr(GPtrArray) paths = NULL;
    g_autoptr(GString) text = g_string_new(NULL);
    g_autoptr(GError) error = NULL;

    g_assert_true(vmdk_children_co_find(vmdk_test_state(node), &paths, &error));
    g_assert_no_error(error);
    g_ptr_array_sort(paths, compare_names);
    for (unsigned i = 0; i < paths->len; i++) {
        g_autofree char *base = g_path_get_basename(paths->pdata[i]);

        g_string_append_printf(text, "%s%s", i ? " " : "", base);
    }
    test_co_close(node);
    return g_string_free(g_steal_pointer(&text), FALSE);
}

static void
test_children_beside_are_found(TestCo *t)
{
    g_autofree char *found = NULL, *none = NULL;

    vmdk_test_create(t, "base.vmdk", SIZE, "");
    vmdk_test_create_child(t, "a.vmdk", SIZE, "", "base.vmdk");
    vmdk_test_create_child(t, "b.vmdk", SIZE, "subformat=twoGbMaxExtentSparse",
                           "base.vmdk");
    vmdk_test_create_child(t, "grandchild.vmdk", SIZE, "", "a.vmdk");
    vmdk_test_create(t, "stranger.vmdk", SIZE, "");
    vmdk_test_write_file(t, "junk.vmdk", "KDMV", 4);
    found = children_of(t, "base.vmdk");
    g_assert_cmpstr(found, ==, "a.vmdk b.vmdk");
    none = children_of(t, "b.vmdk");
    g_assert_cmpstr(none, ==, "");
}

static void
test_a_child_of_older_contents_is_none(TestCo *t)
{
    g_autofree char *found = NULL;
    VdNode *node;

    vmdk_test_create(t, "base.vmdk", SIZE, "");
    vmdk_test_create_child(t, "a.vmdk", SIZE, "", "base.vmdk");
    node = vmdk_test_open(t, "base.vmdk", VD_OPEN_RDWR);
    test_co_write_pattern(node, 0, 4096, 1);
    test_co_close(node);
    found = children_of(t, "base.vmdk");
    g_assert_cmpstr(found, ==, "");
}

static void
test_refusal_names_the_child(TestCo *t)
{
    g_autoptr(GError) error = NULL;
    VdNode *node;

    vmdk_test_create(t, "base.vmdk", SIZE, "");
    vmdk_test_create_child(t, "a.vmdk", SIZE, "", "base.vmdk");
    node = vmdk_test_open(t, "base.vmdk", VD_OPEN_RDWR);
    g_assert_false(
        vmdk_children_co_refuse(vmdk_test_state(node), "resized", &error));
    g_assert_error(error, VD_ERROR, VD_ERROR_REFUSED);
    g_assert_nonnull(g_strstr_len(error->message, -1, "cannot be resized"));
    g_assert_nonnull(g_strstr_len(error->message, -1, "a.vmdk"));
    test_co_close(node);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
#define ADD(path, fn) test_co_add("/vmdk/children/" path, fn)
    ADD("beside", test_children_beside_are_found);
    ADD("older-contents", test_a_child_of_older_contents_is_none);
    ADD("refusal", test_refusal_names_the_child);
#undef ADD
    return g_test_run();
}
