/* SPDX-License-Identifier: BSD-3-Clause */
/* tests/unit/test-vsphere-xml.c - XML from servers: what is in it, and what is
 * not let in. */
#include "vsphere/xml.h"

#include "block/error.h"

#include <string.h>

static VsXmlDoc *
parse(const char *text)
{
    g_autoptr(GError) error = NULL;
    VsXmlDoc *doc = vs_xml_parse(text, strlen(text), "test", &error);

    g_assert_no_error(error);
    g_assert_nonnull(doc);
    return doc;
}

static void
assert_refused(const char *text, size_t len, VdErrorCode code)
{
    g_autoptr(GError) error = NULL;
    VsXmlDoc *doc = vs_xml_parse(text, len, "test", &error);

    g_assert_null(doc);
    g_assert_error(error, VD_ERROR, (int) code);
    g_assert_true(g_str_has_prefix(error->message, "test: "));
}

static void
test_tree(void)
{
    g_autoptr(VsXmlDoc) doc =
        parse("<a xmlns='urn:x' xmlns:y='urn:y'><b>one</b><y:c/>"
              "<b at='v'>two<!-- not this --> more</b><d><e>7</e></d></a>");
    const VsXml *root = vs_xml_root(doc), *b = vs_xml_child(root, "b");

    g_assert_cmpstr(root->name, ==, "a");
    g_assert_cmpstr(root->ns, ==, "urn:x");
    g_assert_cmpstr(b->text, ==, "one");
    b = vs_xml_next(b);
    g_assert_cmpstr(b->text, ==, "two more");
    g_assert_cmpstr(vs_xml_attr(b, "at"), ==, "v");
    g_assert_null(vs_xml_next(b));
    g_assert_cmpstr(vs_xml_child(root, "c")->ns, ==, "urn:y");
    g_assert_cmpint(vs_xml_int(vs_xml_path(root, "d"), "e", -1), ==, 7);
    g_assert_cmpstr(vs_xml_path(root, "d/e")->text, ==, "7");
}

/* What is missing is as good as empty, at every step. */
static void
test_missing(void)
{
    g_autoptr(VsXmlDoc) doc = parse("<a><n>12x</n><t>true</t><o>1</o></a>");
    const VsXml *root = vs_xml_root(doc);

    g_assert_null(vs_xml_path(root, "x/y/z"));
    g_assert_null(vs_xml_text(vs_xml_child(root, "x"), "y"));
    g_assert_null(vs_xml_type(NULL));
    g_assert_cmpint(vs_xml_int(root, "n", -5), ==, -5);
    g_assert_cmpint(vs_xml_int(root, "none", 3), ==, 3);
    g_assert_true(vs_xml_bool(root, "t"));
    g_assert_true(vs_xml_bool(root, "o"));
    g_assert_false(vs_xml_bool(root, "n"));
}

/* Servers differ in how they call the name space. */
static void
test_type_by_namespace(void)
{
    g_autoptr(VsXmlDoc) doc = parse(
        "<a xmlns:q='http://www.w3.org/2001/XMLSchema-instance'"
        " xmlns:xsd='http://www.w3.org/2001/XMLSchema' xmlns:xsi='urn:other'>"
        "<b q:type='xsd:string'/><c q:type='VirtualDisk'/>"
        "<d xsi:type='lie'/><e type='plain'/></a>");
    const VsXml *root = vs_xml_root(doc);

    g_assert_cmpstr(vs_xml_type(vs_xml_child(root, "b")), ==, "string");
    g_assert_cmpstr(vs_xml_type(vs_xml_child(root, "c")), ==, "VirtualDisk");
    g_assert_null(vs_xml_type(vs_xml_child(root, "d")));
    g_assert_null(vs_xml_type(vs_xml_child(root, "e")));
    g_assert_cmpstr(vs_xml_attr(vs_xml_child(root, "e"), "type"), ==, "plain");
}

static void
test_text_as_it_was(void)
{
    g_autoptr(VsXmlDoc) doc = parse(
        "<a><b>&amp;&lt;&gt;&quot;&apos;&#228;&#x1F4BE; %2f+</b>"
        "<c><![CDATA[<x>&amp;]]></c><d at='a&#10;b&amp;&lt;&quot;'/></a>");
    const VsXml *root = vs_xml_root(doc);

    g_assert_cmpstr(vs_xml_text(root, "b"), ==, "&<>\"'ä\xf0\x9f\x92\xbe %2f+");
    g_assert_cmpstr(vs_xml_text(root, "c"), ==, "<x>&amp;");
    g_assert_cmpstr(vs_xml_attr(vs_xml_child(root, "d"), "at"), ==, "a\nb&<\"");
}

/* -- what is not let in -----------------------------------------------------
 */

static void
test_no_doctype(void)
{
    static const char *const texts[] = {
        "<!DOCTYPE a><a/>",
        "<!DOCTYPE a [<!ENTITY x 'y'>]><a>&x;</a>",
        "<!DOCTYPE a [<!ENTITY x SYSTEM 'file:///etc/passwd'>]><a>&x;</a>",
        "<!DOCTYPE a SYSTEM 'http://127.0.0.1:1/x.dtd'><a/>",
        ("<!DOCTYPE a [<!ENTITY l '0123456789'><!ENTITY m '&l;&l;&l;&l;&l;&l;'>"
         "<!ENTITY n '&m;&m;&m;&m;&m;&m;'>]><a>&n;&n;&n;&n;&n;&n;</a>"),
    };

    for (size_t i = 0; i < G_N_ELEMENTS(texts); i++)
        assert_refused(texts[i], strlen(texts[i]), VD_ERROR_CORRUPT);
}

static void
test_garbage(void)
{
    static const char *const texts[] = {
        "",
        " ",
        "<",
        "<a>",
        "<a></b>",
        "<a/><b/>",
        "<a>&x;</a>",
        "<a>&#0;</a>",
        "<a x='1' x='2'/>",
        "<a>\xff</a>",
        "HTTP/1.1 200 OK\r\n\r\n<a/>",
        "<html><body>no</html>",
    };

    for (size_t i = 0; i < G_N_ELEMENTS(texts); i++)
        assert_refused(texts[i], strlen(texts[i]), VD_ERROR_CORRUPT);
    assert_refused("<a>\0</a>", 8, VD_ERROR_CORRUPT);
}

/* @n times @open, then @n times @close. */
static char *
repeated(const char *open, unsigned n, const char *middle, const char *close)
{
    g_autoptr(GString) text = g_string_new(NULL);

    for (unsigned i = 0; i < n; i++)
        g_string_append(text, open);
    g_string_append(text, middle);
    for (unsigned i = 0; i < n; i++)
        g_string_append(text, close);
    return g_strdup(text->str);
}

static void
test_depth(void)
{
    g_autofree char *good = repeated("<a>", VS_XML_MAX_DEPTH, "x", "</a>");
    g_autofree char *bad = repeated("<a>", VS_XML_MAX_DEPTH + 1, "x", "</a>");
    g_autofree char *huge = repeated("<a>", 1000000, "", "");
    VsXmlDoc *doc = parse(good);

    vs_xml_doc_free(doc);
    assert_refused(bad, strlen(bad), VD_ERROR_LIMIT);
    assert_refused(huge, strlen(huge), VD_ERROR_LIMIT);
}

static void
test_elements(void)
{
    g_autofree char *inner = repeated("<b/>", VS_XML_MAX_ELEMENTS, "", "");
    g_autofree char *text = g_strconcat("<a>", inner, "</a>", NULL);

    assert_refused(text, strlen(text), VD_ERROR_LIMIT);
}

static void
test_attributes(void)
{
    g_autoptr(GString) text = g_string_new("<a");

    for (unsigned i = 0; i <= VS_XML_MAX_ATTRIBUTES; i++)
        g_string_append_printf(text, " x%u=''", i);
    g_string_append(text, "/>");
    assert_refused(text->str, text->len, VD_ERROR_CORRUPT);
}

static void
test_bytes(void)
{
    size_t len = (size_t) VS_XML_MAX_BYTES + 1;
    g_autofree char *text = g_malloc0(len);

    assert_refused(text, len, VD_ERROR_LIMIT);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    if (vs_xml_missing()) {
        g_test_skip(vs_xml_missing());
        return 77;
    }
    g_test_add_func("/vsphere/xml/tree", test_tree);
    g_test_add_func("/vsphere/xml/missing", test_missing);
    g_test_add_func("/vsphere/xml/type-by-namespace", test_type_by_namespace);
    g_test_add_func("/vsphere/xml/text-as-it-was", test_text_as_it_was);
    g_test_add_func("/vsphere/xml/no-doctype", test_no_doctype);
    g_test_add_func("/vsphere/xml/garbage", test_garbage);
    g_test_add_func("/vsphere/xml/depth", test_depth);
    g_test_add_func("/vsphere/xml/elements", test_elements);
    g_test_add_func("/vsphere/xml/attributes", test_attributes);
    g_test_add_func("/vsphere/xml/bytes", test_bytes);
    return g_test_run();
}
