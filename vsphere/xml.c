/* SPDX-License-Identifier: BSD-3-Clause */
/* vsphere/xml.c - the tree: building it within limits, finding things in it.
 *
 * Elements and strings come out of two stores that are freed as a whole; names
 * and name spaces are kept once each.
 *
 * Concurrency: a document does not change once it has been read.
 */
#include "vsphere/xml.h"

#include "block/error.h"
#include "io/module.h"
#include "vsphere/xml-internal.h"

#include <string.h>

#define XSI "http://www.w3.org/2001/XMLSchema-instance"
#define BLOCK_ELEMENTS 256u
/* Servers write what they like; people should be able to read it. */
#define MAX_SHOWN 500u

typedef struct {
    VsXml *element;
    VsXml *last; /* child */
    GString *text;
} Open;

struct VsXmlDoc {
    GStringChunk *strings;
    GPtrArray *blocks; /* of BLOCK_ELEMENTS */
    GPtrArray *attrs;
    VsXml *root;
    unsigned elements;
    /* while it is read */
    GArray *open;      /* Open */
    const char *limit; /* that was passed */
};

/* -- building -------------------------------------------------------------- */

static VsXml *
element_new(VsXmlDoc *doc)
{
    unsigned in_block = doc->elements % BLOCK_ELEMENTS;

    if (in_block == 0)
        g_ptr_array_add(doc->blocks, g_new0(VsXml, BLOCK_ELEMENTS));
    doc->elements++;
    return (VsXml *) g_ptr_array_index(doc->blocks, doc->blocks->len - 1) +
           in_block;
}

static const char *
keep_name(VsXmlDoc *doc, const char *name)
{
    return g_string_chunk_insert_const(doc->strings, name);
}

static void
keep_attrs(VsXmlDoc *doc, VsXml *element, const VsXmlRawAttr *raw, unsigned n)
{
    VsXmlAttr *attrs;

    if (n == 0)
        return;
    attrs = g_new(VsXmlAttr, n);
    g_ptr_array_add(doc->attrs, attrs);
    for (unsigned i = 0; i < n; i++)
        attrs[i] = (VsXmlAttr){
            .ns = keep_name(doc, raw[i].ns),
            .name = keep_name(doc, raw[i].name),
            .value = g_string_chunk_insert_len(doc->strings, raw[i].value,
                                               (gssize) raw[i].len),
        };
    element->attrs = attrs;
    element->n_attrs = n;
}

static bool
build_start(void *arg, const char *ns, const char *name,
            const VsXmlRawAttr *attrs, unsigned n_attrs)
{
    VsXmlDoc *doc = arg;
    Open *parent = doc->open->len
                       ? &g_array_index(doc->open, Open, doc->open->len - 1)
                       : NULL;
    Open open = {0};

    if (doc->open->len == VS_XML_MAX_DEPTH)
        doc->limit = "nested too deeply";
    else if (doc->elements == VS_XML_MAX_ELEMENTS)
        doc->limit = "too many elements";
    if (doc->limit)
        return false;
    open.element = element_new(doc);
    open.element->ns = keep_name(doc, ns);
    open.element->name = keep_name(doc, name);
    open.element->text = "";
    keep_attrs(doc, open.element, attrs, n_attrs);
    if (!parent)
        doc->root = open.element;
    else if (parent->last)
        parent->last->next = open.element;
    else
        parent->element->first = open.element;
    if (parent)
        parent->last = open.element;
    g_array_append_val(doc->open, open);
    return true;
}

static bool
build_text(void *arg, const char *bytes, size_t len)
{
    VsXmlDoc *doc = arg;
    Open *open;

    if (doc->open->len == 0)
        return true;
    open = &g_array_index(doc->open, Open, doc->open->len - 1);
    if (!open->text)
        open->text = g_string_new(NULL);
    g_string_append_len(open->text, bytes, (gssize) len);
    return true;
}

static void
open_clear(void *opaque)
{
    Open *open = opaque;

    if (open->text)
        g_string_free(open->text, TRUE);
}

static void
build_end(void *arg)
{
    VsXmlDoc *doc = arg;
    Open *open = &g_array_index(doc->open, Open, doc->open->len - 1);

    if (open->text)
        open->element->text = g_string_chunk_insert_len(
            doc->strings, open->text->str, (gssize) open->text->len);
    g_array_set_size(doc->open, doc->open->len - 1);
}

static VsXmlDoc *
doc_new(void)
{
    VsXmlDoc *doc = g_new0(VsXmlDoc, 1);

    doc->strings = g_string_chunk_new(4096);
    doc->blocks = g_ptr_array_new_with_free_func(g_free);
    doc->attrs = g_ptr_array_new_with_free_func(g_free);
    doc->open = g_array_new(FALSE, FALSE, sizeof(Open));
    g_array_set_clear_func(doc->open, open_clear);
    return doc;
}

void
vs_xml_doc_free(VsXmlDoc *doc)
{
    if (!doc)
        return;
    g_array_unref(doc->open);
    g_ptr_array_unref(doc->attrs);
    g_ptr_array_unref(doc->blocks);
    g_string_chunk_free(doc->strings);
    g_free(doc);
}

const VsXml *
vs_xml_root(const VsXmlDoc *doc)
{
    return doc->root;
}

/* -- reading ----------------------------------------------------------------
 */

static VioModule xml_module = {
    .file = VS_XML_MODULE,
    .symbol = VS_XML_SYMBOL,
    .size = sizeof(VsXmlOps),
    .what = "XML",
    .folder = "vsphere",
#ifndef VS_HAVE_XML
    .absent = "built without XML (libxml2)",
#endif
};

const char *
vs_xml_missing(void)
{
    return vio_module_missing(&xml_module);
}

VsXmlDoc *
vs_xml_parse(const char *bytes, size_t len, const char *what, GError **error)
{
    g_autoptr(VsXmlDoc) doc = doc_new();
    g_autofree char *why = NULL;
    g_autofree char *shown = NULL;
    const VsXmlSink sink = {
        .start = build_start,
        .text = build_text,
        .end = build_end,
        .max_attrs = VS_XML_MAX_ATTRIBUTES,
        .arg = doc,
    };
    const VsXmlOps *ops = vio_module_table(&xml_module);

    if (!ops)
        return vd_throw_null(error, VD_ERROR_NOT_SUPPORTED, "%s: %s", what,
                             vs_xml_missing());
    if (len > VS_XML_MAX_BYTES)
        return vd_throw_null(error, VD_ERROR_LIMIT,
                             "%s: an answer of %zu bytes, above the maximum %u",
                             what, len, VS_XML_MAX_BYTES);
    if (ops->parse(bytes, len, &sink, &why))
        return g_steal_pointer(&doc);
    if (doc->limit)
        return vd_throw_null(error, VD_ERROR_LIMIT,
                             "%s: the XML of the answer is %s", what,
                             doc->limit);
    shown = vs_xml_shown(why ? why : "unreadable");
    return vd_throw_null(error, VD_ERROR_CORRUPT,
                         "%s: the answer is no XML: %s", what, shown);
}

/* -- finding ----------------------------------------------------------------
 */

static const VsXml *
find_from(const VsXml *element, const char *name)
{
    while (element && strcmp(element->name, name) != 0)
        element = element->next;
    return element;
}

const VsXml *
vs_xml_child(const VsXml *element, const char *name)
{
    return element ? find_from(element->first, name) : NULL;
}

const VsXml *
vs_xml_next(const VsXml *element)
{
    return element ? find_from(element->next, element->name) : NULL;
}

const VsXml *
vs_xml_path(const VsXml *element, const char *path)
{
    g_auto(GStrv) names = g_strsplit(path, "/", -1);

    for (char **name = names; *name; name++)
        element = vs_xml_child(element, *name);
    return element;
}

const char *
vs_xml_text(const VsXml *element, const char *name)
{
    const VsXml *child = vs_xml_child(element, name);

    return child ? child->text : NULL;
}

bool
vs_xml_bool(const VsXml *element, const char *name)
{
    const char *text = vs_xml_text(element, name);

    return text && (strcmp(text, "true") == 0 || strcmp(text, "1") == 0);
}

int64_t
vs_xml_int(const VsXml *element, const char *name, int64_t missing)
{
    const char *text = vs_xml_text(element, name);
    gint64 value;

    if (!text || !g_ascii_string_to_signed(text, 10, G_MININT64, G_MAXINT64,
                                           &value, NULL))
        return missing;
    return value;
}

static const char *
find_attr(const VsXml *element, const char *ns, const char *name)
{
    for (unsigned i = 0; element && i < element->n_attrs; i++)
        if (strcmp(element->attrs[i].ns, ns) == 0 &&
            strcmp(element->attrs[i].name, name) == 0)
            return element->attrs[i].value;
    return NULL;
}

const char *
vs_xml_type(const VsXml *element)
{
    const char *type = find_attr(element, XSI, "type");
    const char *colon = type ? strchr(type, ':') : NULL;

    return colon ? colon + 1 : type;
}

const char *
vs_xml_attr(const VsXml *element, const char *name)
{
    return find_attr(element, "", name);
}

char *
vs_xml_line(const char *text)
{
    char *line = g_utf8_make_valid(text, -1);

    for (char *p = line; *p; p++)
        if (g_ascii_iscntrl(*p))
            *p = ' ';
    return g_strstrip(line);
}

char *
vs_xml_shown(const char *text)
{
    g_autofree char *line = vs_xml_line(text);

    if (g_utf8_strlen(line, -1) <= MAX_SHOWN)
        return g_steal_pointer(&line);
    *g_utf8_offset_to_pointer(line, MAX_SHOWN) = '\0';
    return g_strconcat(line, VS_XML_CUT, NULL);
}
