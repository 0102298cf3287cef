/* SPDX-License-Identifier: BSD-3-Clause */
/* tests/unit/test-tools-human.c - sizes and facts as people read them. */
#include "tools/human.h"

#include "tools/json.h"

#define KIB UINT64_C(1024)
#define MIB (KIB * 1024)
#define GIB (MIB * 1024)
#define TIB (GIB * 1024)

typedef struct {
    uint64_t bytes;
    const char *text;
} SizeCase;

static void
assert_sizes(const SizeCase *cases, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        g_autofree char *text = human_size(cases[i].bytes);
        g_assert_cmpstr(text, ==, cases[i].text);
    }
}

static void
test_whole_units(void)
{
    static const SizeCase cases[] = {
        {0, "0 B"},         {512, "512 B"},
        {KIB, "1 KiB"},     {196 * KIB, "196 KiB"},
        {5 * GIB, "5 GiB"}, {2 * TIB, "2 TiB"},
    };

    assert_sizes(cases, G_N_ELEMENTS(cases));
}

static void
test_three_digits(void)
{
    static const SizeCase cases[] = {
        {1536, "1.5 KiB"},        {10240000000, "9.54 GiB"},
        {5959267328, "5.55 GiB"}, {123457024, "118 MiB"},
        {UINT64_MAX, "16 EiB"},
    };

    assert_sizes(cases, G_N_ELEMENTS(cases));
}

static void
test_unit_changes_at_1000(void)
{
    static const SizeCase cases[] = {
        {999, "999 B"},
        {1000, "0.977 KiB"},
        {999 * MIB, "999 MiB"},
        {1000 * MIB, "0.977 GiB"},
        {1000 * GIB, "0.977 TiB"},
        {1023 * MIB, "0.999 GiB"},
    };

    assert_sizes(cases, G_N_ELEMENTS(cases));
}

/* qemu-img says "1e+03 KiB" here. */
static void
test_never_scientific(void)
{
    static const SizeCase cases[] = {{1023999, "0.977 MiB"},
                                     {1023487, "999 KiB"}};

    assert_sizes(cases, G_N_ELEMENTS(cases));
}

static void
test_share_has_one_unit(void)
{
    g_autofree char *text = human_share(22 * GIB + GIB / 2, 50 * GIB);
    g_autofree char *tiny = human_share(1, 2 * GIB);

    g_assert_cmpstr(text, ==, "22.5/50 GiB");
    g_assert_cmpstr(tiny, ==, "0/2 GiB");
}

static GVariant *
extent_new(const char *filename)
{
    g_auto(GVariantBuilder) extent = JSON_BUILDER_INIT;

    json_add_string(&extent, "format", "");
    json_add_uint(&extent, "cluster-size", 65536);
    json_add_string(&extent, "filename", filename);
    json_add_bool(&extent, "compressed", true);
    return g_variant_builder_end(&extent);
}

static void
test_times_have_a_fitting_unit(void)
{
    static const struct {
        double ns;
        const char *text;
    } cases[] = {
        {0, "0.00 ns"},         {7, "7.00 ns"},     {999.4, "999 ns"},
        {999.5, "1.00 us"},     {12345, "12.3 us"}, {9.996e6, "10.0 ms"},
        {1500000000, "1.50 s"}, {1e13, "10000 s"},
    };

    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *text = human_time(cases[i].ns);
        g_assert_cmpstr(text, ==, cases[i].text);
    }
}

static void
test_nested_facts(void)
{
    g_auto(GVariantBuilder) object = JSON_BUILDER_INIT;
    g_auto(GVariantBuilder) list =
        G_VARIANT_BUILDER_INIT(G_VARIANT_TYPE("aa{sv}"));
    g_autoptr(GString) out = g_string_new(NULL);

    g_variant_builder_add_value(&list, extent_new("x.vmdk"));
    json_add(&object, "extents", g_variant_builder_end(&list));
    json_add_string(&object, "create-type", "monolithicSparse");
    json_add_uint(&object, "parent-cid", 4294967295);
    g_autoptr(GVariant) dict =
        g_variant_ref_sink(g_variant_builder_end(&object));
    human_append_dict(out, dict, 4);

    g_assert_cmpstr(out->str, ==,
                    "    parent cid: 4294967295\n"
                    "    create type: monolithicSparse\n"
                    "    extents:\n"
                    "        [0]:\n"
                    "            compressed: true\n"
                    "            filename: x.vmdk\n"
                    "            cluster size: 65536\n"
                    "            format: \n");
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/tools/human/whole-units", test_whole_units);
    g_test_add_func("/tools/human/three-digits", test_three_digits);
    g_test_add_func("/tools/human/unit-changes-at-1000",
                    test_unit_changes_at_1000);
    g_test_add_func("/tools/human/never-scientific", test_never_scientific);
    g_test_add_func("/tools/human/share-has-one-unit", test_share_has_one_unit);
    g_test_add_func("/tools/human/times-have-a-fitting-unit",
                    test_times_have_a_fitting_unit);
    g_test_add_func("/tools/human/nested-facts", test_nested_facts);
    return g_test_run();
}
