/* SPDX-License-Identifier: BSD-3-Clause */
/* tests/unit/test-tools-json.c - documents in qemu-img's form. */
#include "tools/json.h"

static void
assert_text(GVariant *value, JsonOrder order, const char *wanted)
{
    g_autofree char *text = json_to_text(value, order);

    g_assert_cmpstr(text, ==, wanted);
}

static void
test_object(void)
{
    g_auto(GVariantBuilder) object = JSON_BUILDER_INIT;

    json_add_bool(&object, "identical", false);
    json_add_uint(&object, "size1", UINT64_MAX);
    json_add_string(&object, "name", "x");
    assert_text(g_variant_builder_end(&object), JSON_AS_GIVEN,
                "{\n"
                "    \"identical\": false,\n"
                "    \"size1\": 18446744073709551615,\n"
                "    \"name\": \"x\"\n"
                "}\n");
}

static void
test_array_in_object(void)
{
    const char *const names[] = {"a", "b", NULL};
    g_auto(GVariantBuilder) object = JSON_BUILDER_INIT;

    json_add(&object, "source", json_strings(names, -1));
    assert_text(g_variant_builder_end(&object), JSON_AS_GIVEN,
                "{\n"
                "    \"source\": [\n"
                "        \"a\",\n"
                "        \"b\"\n"
                "    ]\n"
                "}\n");
}

static void
test_empty_containers(void)
{
    g_auto(GVariantBuilder) object = JSON_BUILDER_INIT;

    json_add(&object, "warnings", json_strings(NULL, 0));
    assert_text(g_variant_builder_end(&object), JSON_AS_GIVEN,
                "{\n"
                "    \"warnings\": [\n"
                "    ]\n"
                "}\n");
}

static void
test_known_keys_are_ranked(void)
{
    g_auto(GVariantBuilder) object = JSON_BUILDER_INIT;

    json_add_string(&object, "zeta", "ours, first");
    json_add_string(&object, "alpha", "ours, second");
    json_add_bool(&object, "dirty-flag", false);
    json_add_string(&object, "format", "vmdk");
    json_add_string(&object, "filename", "x");
    json_add_uint(&object, "virtual-size", 1);
    assert_text(g_variant_builder_end(&object), JSON_RANKED,
                "{\n"
                "    \"virtual-size\": 1,\n"
                "    \"filename\": \"x\",\n"
                "    \"format\": \"vmdk\",\n"
                "    \"dirty-flag\": false,\n"
                "    \"zeta\": \"ours, first\",\n"
                "    \"alpha\": \"ours, second\"\n"
                "}\n");
}

static void
test_strings_are_escaped(void)
{
    g_autofree char *quoted = json_quote("a\"b\\c\n\t\x01\x7f\xc3\xa9");

    g_assert_cmpstr(quoted, ==, "\"a\\\"b\\\\c\\n\\t\\u0001\\u007F\xc3\xa9\"");
}

/* A file name need not be UTF-8, the document must be. */
static void
test_invalid_utf8_is_replaced(void)
{
    g_auto(GVariantBuilder) object = JSON_BUILDER_INIT;

    json_add_string(&object, "file", "a\xff");
    assert_text(g_variant_builder_end(&object), JSON_AS_GIVEN,
                "{\n    \"file\": \"a\xef\xbf\xbd\"\n}\n");
}

static void
test_numbers_of_all_widths(void)
{
    g_auto(GVariantBuilder) object = JSON_BUILDER_INIT;

    json_add(&object, "i", g_variant_new_int32(-5));
    json_add(&object, "u", g_variant_new_uint32(4294967295));
    json_add(&object, "q", g_variant_new_uint16(7));
    json_add(&object, "d", g_variant_new_double(1.5));
    assert_text(g_variant_builder_end(&object), JSON_AS_GIVEN,
                "{\n    \"i\": -5,\n    \"u\": 4294967295,\n    \"q\": 7,\n"
                "    \"d\": 1.5\n}\n");
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/tools/json/object", test_object);
    g_test_add_func("/tools/json/array-in-object", test_array_in_object);
    g_test_add_func("/tools/json/empty-containers", test_empty_containers);
    g_test_add_func("/tools/json/known-keys-are-ranked",
                    test_known_keys_are_ranked);
    g_test_add_func("/tools/json/strings-are-escaped",
                    test_strings_are_escaped);
    g_test_add_func("/tools/json/invalid-utf8-is-replaced",
                    test_invalid_utf8_is_replaced);
    g_test_add_func("/tools/json/numbers-of-all-widths",
                    test_numbers_of_all_widths);
    return g_test_run();
}
