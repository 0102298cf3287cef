/* SPDX-License-Identifier: BSD-3-Clause */
/* tests/unit/test-block-options.c - option strings, json, typed values. */
#include <string.h>

#include "block/error.h"
#include "block/options-internal.h"
#include "block/options.h"

static VdOptions *
parse(const char *text)
{
    g_autoptr(GError) error = NULL;
    VdOptions *opts = vd_options_new();

    vd_options_parse(opts, text, &error);
    g_assert_no_error(error);
    return opts;
}

static VdOptions *
parse_json(const char *text)
{
    g_autoptr(GError) error = NULL;
    VdOptions *opts = vd_options_new();

    vd_options_parse_json(opts, text, &error);
    g_assert_no_error(error);
    return opts;
}

#define BAD_SIZE(key)                                                          \
    "Parameter '" key "' expects a non-negative number below 2^64\n"           \
    "Optional suffix k, M, G, T, P or E means kilo-, mega-, giga-, tera-, "    \
    "peta-\nand exabytes, respectively."

static void
append_one(const char *key, const char *value, void *opaque)
{
    g_string_append_printf(opaque, "%s=%s;", key, value);
}

static void
assert_holds(const VdOptions *opts, const char *expected)
{
    GString *text = g_string_new(NULL);

    vd_options_foreach(opts, append_one, text);
    g_assert_cmpstr(text->str, ==, expected);
    g_string_free(text, TRUE);
}

#define assert_invalid(error, text)                                            \
    do {                                                                       \
        g_assert_error(error, VD_ERROR, VD_ERROR_INVALID_ARGUMENT);            \
        g_assert_cmpstr((error)->message, ==, text);                           \
    } while (0)

/* -- strings --------------------------------------------------------------- */

static void
test_parses_pairs(void)
{
    static const struct {
        const char *text, *expected;
    } cases[] = {
        {"a=1", "a=1;"},
        {"b=2,a=1", "a=1;b=2;"},
        {"a=1,a=2", "a=2;"},
        {"a=", "a=;"},
        {"a=x=y", "a=x=y;"},
        {"file.filename=/x y", "file.filename=/x y;"},
        {"a=1,,2", "a=1,2;"},
        {"a=1,,", "a=1,;"},
        {"a=1,,,b=2", "a=1,;b=2;"},
        {"a=,,,,", "a=,,;"},
    };

    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(VdOptions) opts = parse(cases[i].text);

        assert_holds(opts, cases[i].expected);
    }
}

static void
test_refuses_malformed_lists(void)
{
    static const char *const lists[] = {
        "", ",", ",,", ",a=1", "a=1,", "a=1,,,", "a=1,,,,,", ",,a=1",
    };

    for (size_t i = 0; i < G_N_ELEMENTS(lists); i++) {
        g_autoptr(VdOptions) opts = vd_options_new();
        g_autoptr(GError) error = NULL;
        g_autofree char *text =
            g_strconcat("Invalid option list: ", lists[i], NULL);

        g_assert_false(vd_options_parse(opts, lists[i], &error));
        assert_invalid(error, text);
    }
}

static void
test_refuses_bare_words(void)
{
    g_autoptr(VdOptions) opts = vd_options_new();
    g_autoptr(GError) error = NULL;

    g_assert_false(vd_options_parse(opts, "a=1,help", &error));
    assert_invalid(error, "Expected '=' after parameter 'help'");
}

static void
test_refuses_empty_keys(void)
{
    g_autoptr(VdOptions) opts = vd_options_new();
    g_autoptr(GError) error = NULL;

    g_assert_false(vd_options_parse(opts, "=1", &error));
    assert_invalid(error, "Invalid parameter ''");
}

/* -- json ------------------------------------------------------------------ */

static void
test_flattens_json(void)
{
    g_autoptr(VdOptions) opts =
        parse_json("{\"driver\":\"vmdk\",\"file\":{\"driver\":\"file\","
                   "\"filename\":\"a,b=c\"},\"n\":18,\"minus\":-1,\"yes\":true,"
                   "\"no\":false,\"backing\":null,\"x\":[{\"a\":\"0\"},\"1\"],"
                   "\"e\":{}}");

    assert_holds(opts, "backing=;driver=vmdk;file.driver=file;"
                       "file.filename=a,b=c;minus=-1;n=18;no=false;x.0.a=0;"
                       "x.1=1;yes=true;");
}

static void
test_json_takes_dotted_keys(void)
{
    g_autoptr(VdOptions) opts = parse_json("{\"file.filename\":\"x\"}");

    assert_holds(opts, "file.filename=x;");
}

/* Byte by byte what RFC 8259 says, and QEMU's single quotes. */
static void
test_reads_json_text(void)
{
    g_autoptr(VdOptions) opts = parse_json(
        "\t{ \"a\" : \"\\\"\\\\\\/\\b\\f\\n\\r\\t\" ,\r\n'b':'\"x\\'',"
        "\"c\":\"\\u00e9\\uD83D\\uDE00\xc3\xa9\",\"d\":-9223372036854775808,"
        "\"e\":18446744073709551615,\"f\":0,\"\":[[],{},[1,[2]]]} ");

    assert_holds(opts, "2.0=1;2.1.0=2;a=\"\\/\b\f\n\r\t;b=\"x';"
                       "c=\xc3\xa9\xf0\x9f\x98\x80\xc3\xa9;"
                       "d=-9223372036854775808;e=18446744073709551615;f=0;");
}

/* Where it went wrong is told. */
static void
test_bad_json_has_a_place(void)
{
    g_autoptr(VdOptions) opts = vd_options_new();
    g_autoptr(GError) error = NULL;

    g_assert_false(vd_options_parse_json(opts, "{\"a\": [1, oops]}", &error));
    assert_invalid(error, "Could not parse the JSON options: value expected at "
                          "byte 10");
}

static void
test_refuses_bad_json(void)
{
    static const char *const texts[] = {
        "",
        "{",
        "[]",
        "1",
        "\"x\"",
        "{\"a\":1.5}",
        "{\"a\":1e3}",
        "{\"a\":}",
        "{\"a\"}",
        "{\"a\":1,}",
        "{\"a\":1 \"b\":2}",
        "{\"a\":[1}",
        "{\"a\":[1,]}",
        "{a:1}",
        "{\"a\":1}x",
        "{\"a\":01}",
        "{\"a\":-}",
        "{\"a\":+1}",
        "{\"a\":18446744073709551616}",
        "{\"a\":-9223372036854775809}",
        "{\"a\":truely}",
        "{\"a\":nul}",
        "{\"a\":\"b}",
        "{\"a\":\"b'}",
        "{\"a\":\"\\",
        "{\"a\":\"\\x\"}",
        "{\"a\":\"\\u12\"}",
        "{\"a\":\"\\u0000\"}",
        "{\"a\":\"\\ud800\"}",
        "{\"a\":\"\\ud800\\u0041\"}",
        "{\"a\":\"\\udc00\"}",
        "{\"a\":\"\n\"}",
        "{\"a\":\"\xff\"}",
        "{\"a\":1,\"a\":2}",
        "{\"a.b\":1,\"a\":{\"b\":2}}",
        "/* \" */{\"a\":1}",
        "{\"a\":// \"\n1}",
        "frob",
    };

    for (size_t i = 0; i < G_N_ELEMENTS(texts); i++) {
        g_autoptr(VdOptions) opts = vd_options_new();
        g_autoptr(GError) error = NULL;

        g_assert_false(vd_options_parse_json(opts, texts[i], &error));
        g_assert_error(error, VD_ERROR, VD_ERROR_INVALID_ARGUMENT);
    }
}

static void
test_bounds_json_nesting(void)
{
    g_autoptr(VdOptions) opts = vd_options_new();
    g_autoptr(GError) error = NULL;
    GString *text = g_string_new("{'\"':");

    for (unsigned i = 0; i < 100000; i++)
        g_string_append_c(text, '[');
    g_assert_false(vd_options_parse_json(opts, text->str, &error));
    g_assert_error(error, VD_ERROR, VD_ERROR_LIMIT);
    g_string_free(text, TRUE);
}

/* Not even a name of a megabyte makes much of itself. */
static void
test_bounds_json_keys(void)
{
    g_autoptr(VdOptions) opts = vd_options_new();
    g_autoptr(GError) error = NULL;
    g_autofree char *key = g_strnfill(1025, 'k');
    g_autofree char *text = g_strdup_printf("{\"%s\":[1,2,3]}", key);

    g_assert_false(vd_options_parse_json(opts, text, &error));
    g_assert_error(error, VD_ERROR, VD_ERROR_LIMIT);
}

static void
test_brackets_in_strings_are_bytes(void)
{
    g_autoptr(VdOptions) opts = parse_json("{\"a\":\"{{{{[[[[\\\"]]\"}");

    assert_holds(opts, "a={{{{[[[[\"]];");
}

/* -- taking out ------------------------------------------------------------ */

static void
test_takes_typed_values(void)
{
    g_autoptr(VdOptions) opts = parse("b1=on,b2=no,u=0x20,s=1.5k,e=two,t=text");
    static const char *const names[] = {"one", "two", NULL};
    bool b1 = false, b2 = true;
    uint64_t u = 0, s = 0;
    unsigned e = 0;
    g_autofree char *t = NULL;

    g_assert_true(vd_options_take_bool(opts, "b1", &b1, NULL));
    g_assert_true(vd_options_take_bool(opts, "b2", &b2, NULL));
    g_assert_true(vd_options_take_uint(opts, "u", &u, NULL));
    g_assert_true(vd_options_take_size(opts, "s", &s, NULL));
    g_assert_true(vd_options_take_enum(opts, "e", names, &e, NULL));
    vd_options_take_string(opts, "t", &t);

    g_assert_true(b1);
    g_assert_false(b2);
    g_assert_cmpuint(u, ==, 32);
    g_assert_cmpuint(s, ==, 1536);
    g_assert_cmpuint(e, ==, 1);
    g_assert_cmpstr(t, ==, "text");
    g_assert_true(vd_options_is_empty(opts));
    g_assert_true(vd_options_finish(opts, NULL));
}

static void
test_absent_leaves_the_default(void)
{
    g_autoptr(VdOptions) opts = vd_options_new();
    bool b = true;
    uint64_t u = 7;

    g_assert_true(vd_options_take_bool(opts, "b", &b, NULL));
    g_assert_true(vd_options_take_uint(opts, "u", &u, NULL));
    g_assert_true(b);
    g_assert_cmpuint(u, ==, 7);
}

static void
test_wrong_types_are_told(void)
{
    g_autoptr(VdOptions) opts = parse("b=maybe,u=-1,s=12Q,e=three");
    static const char *const names[] = {"one", "two", NULL};
    g_autoptr(GError) eb = NULL, eu = NULL, es = NULL, ee = NULL;
    bool b;
    uint64_t n;
    unsigned e;

    g_assert_false(vd_options_take_bool(opts, "b", &b, &eb));
    assert_invalid(eb, "Parameter 'b' expects 'on' or 'off'");
    g_assert_false(vd_options_take_uint(opts, "u", &n, &eu));
    assert_invalid(eu, "Parameter 'u' expects a number");
    g_assert_false(vd_options_take_size(opts, "s", &n, &es));
    assert_invalid(es, BAD_SIZE("s"));
    g_assert_false(vd_options_take_enum(opts, "e", names, &e, &ee));
    assert_invalid(ee, "invalid parameter value: three\n"
                       "Parameter 'e' is one of: one, two.");
}

static void
test_takes_what_is_below_a_prefix(void)
{
    g_autoptr(VdOptions) opts =
        parse("file.a=1,file.b.c=2,file=3,filex.a=4,a=5");
    g_autoptr(VdOptions) sub = vd_options_take_sub(opts, "file");
    g_autoptr(VdOptions) none = vd_options_take_sub(opts, "nothing");

    assert_holds(sub, "a=1;b.c=2;");
    assert_holds(opts, "a=5;file=3;filex.a=4;");
    g_assert_true(vd_options_is_empty(none));
}

static void
test_left_over_is_an_error(void)
{
    g_autoptr(VdOptions) opts = parse("z=1,typo=2");
    g_autoptr(GError) error = NULL;

    g_assert_false(vd_options_finish(opts, &error));
    assert_invalid(error, "Invalid parameter 'typo'");
}

static void
test_copies_are_separate(void)
{
    g_autoptr(VdOptions) opts = parse("a=1");
    g_autoptr(VdOptions) copy = vd_options_copy(opts);

    vd_options_set(copy, "a", "2");
    vd_options_set(copy, "b", "3");
    assert_holds(opts, "a=1;");
    assert_holds(copy, "a=2;b=3;");
}

static void
test_missing_ones_are_added(void)
{
    g_autoptr(VdOptions) opts = parse("a=1");
    g_autoptr(VdOptions) more = parse("a=2,b=3");

    vd_options_add_missing(opts, more);
    assert_holds(opts, "a=1;b=3;");
}

/* -- tables ---------------------------------------------------------------- */

static const char *const table_choices[] = {"x", "y", NULL};
static const VdOptionSpec table[] = {
    {"flag", VD_OPTION_BOOL, NULL, "", NULL},
    {"kind", VD_OPTION_ENUM, "x", "", table_choices},
    {"number", VD_OPTION_NUMBER, NULL, "", NULL},
    {"size", VD_OPTION_SIZE, NULL, "", NULL},
    {"text", VD_OPTION_STRING, NULL, "", NULL},
    {NULL},
};

static void
test_table_accepts(void)
{
    g_autoptr(VdOptions) opts =
        parse("flag=off,kind=y,number=3,size=4G,text=anything");
    g_autoptr(GError) error = NULL;

    g_assert_true(vd_options_validate(opts, table, &error));
    g_assert_no_error(error);
}

static void
test_table_refuses(void)
{
    static const struct {
        const char *list, *text;
    } cases[] = {
        {"flag=2", "Parameter 'flag' expects 'on' or 'off'"},
        {"number=x", "Parameter 'number' expects a number"},
        {"size=-1", BAD_SIZE("size")},
        {"bogus=1", "Invalid parameter 'bogus'"},
        {"text=1,zz=2,yy=3", "Invalid parameter 'yy'"},
    };

    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(VdOptions) opts = parse(cases[i].list);
        g_autoptr(GError) error = NULL;

        g_assert_false(vd_options_validate(opts, table, &error));
        assert_invalid(error, cases[i].text);
    }
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
#define TEST(name) g_test_add_func("/block/options/" #name, test_##name)
    TEST(parses_pairs);
    TEST(refuses_malformed_lists);
    TEST(refuses_bare_words);
    TEST(refuses_empty_keys);
    TEST(flattens_json);
    TEST(json_takes_dotted_keys);
    TEST(reads_json_text);
    TEST(bad_json_has_a_place);
    TEST(refuses_bad_json);
    TEST(bounds_json_nesting);
    TEST(bounds_json_keys);
    TEST(brackets_in_strings_are_bytes);
    TEST(takes_typed_values);
    TEST(absent_leaves_the_default);
    TEST(wrong_types_are_told);
    TEST(takes_what_is_below_a_prefix);
    TEST(left_over_is_an_error);
    TEST(copies_are_separate);
    TEST(missing_ones_are_added);
    TEST(table_accepts);
    TEST(table_refuses);
    return g_test_run();
}
