/* SPDX-License-Identifier: BSD-3-Clause */
/* vsphere/xml-libxml2.c - the module "vdisk-xml": libxml2 behind a sink.
 *
 * libxml2 builds no tree here and keeps nothing: each element goes to the sink
 * as it comes.  A document type declaration ends the reading at once, so that
 * no entity can be declared; the five that XML has are all there are.
 *
 * Concurrency: any thread; libxml2 is set up once.
 */
#include "vsphere/xml-internal.h"

#include <libxml/parser.h>
#include <libxml/xmlerror.h>
#include <string.h>

#define MAX_ATTRS 64u
#define CHUNK (64u << 10)
/* libxml2 gives attributes in groups: name, prefix, URI, value, end. */
#define ATTR_FIELDS 5

typedef struct {
    const VsXmlSink *sink;
    xmlParserCtxt *parser;
    char *why;
    bool stopped; /* by the sink, or by us */
} Reader;

static void
stop(Reader *r, const char *why)
{
    if (!r->stopped && why)
        r->why = g_strdup(why);
    r->stopped = true;
    xmlStopParser(r->parser);
}

static const char *
or_empty(const xmlChar *text)
{
    return text ? (const char *) text : "";
}

static void
on_start(void *opaque, const xmlChar *name, const xmlChar *prefix,
         const xmlChar *uri, int n_namespaces, const xmlChar **namespaces,
         int n_attributes, int n_defaulted, const xmlChar **attributes)
{
    Reader *r = opaque;
    VsXmlRawAttr attrs[MAX_ATTRS];

    if (r->stopped)
        return;
    if ((unsigned) n_attributes > MIN(MAX_ATTRS, r->sink->max_attrs)) {
        stop(r, "too many attributes");
        return;
    }
    for (int i = 0; i < n_attributes; i++) {
        const xmlChar **a = attributes + (size_t) i * ATTR_FIELDS;

        attrs[i] = (VsXmlRawAttr){
            .ns = or_empty(a[2]),
            .name = (const char *) a[0],
            .value = (const char *) a[3],
            .len = (size_t) (a[4] - a[3]),
        };
    }
    if (!r->sink->start(r->sink->arg, or_empty(uri), (const char *) name, attrs,
                        (unsigned) n_attributes))
        stop(r, NULL);
}

static void
on_end(void *opaque, const xmlChar *name, const xmlChar *prefix,
       const xmlChar *uri)
{
    Reader *r = opaque;

    if (!r->stopped)
        r->sink->end(r->sink->arg);
}

static void
on_text(void *opaque, const xmlChar *text, int len)
{
    Reader *r = opaque;

    if (!r->stopped &&
        !r->sink->text(r->sink->arg, (const char *) text, (size_t) len))
        stop(r, NULL);
}

static void
on_doctype(void *opaque, const xmlChar *name, const xmlChar *external,
           const xmlChar *system)
{
    stop(opaque, "a document type declaration, which is not allowed");
}

static xmlEntity *
on_entity(void *opaque, const xmlChar *name)
{
    return xmlGetPredefinedEntity(name);
}

/* Errors are looked at when the parser has stopped. */
static void
on_error(void *opaque, const char *format, ...)
{
}

static void
on_structured_error(void *opaque, xmlError *error)
{
}

static const xmlSAXHandler handler = {
    .initialized = XML_SAX2_MAGIC,
    .startElementNs = on_start,
    .endElementNs = on_end,
    .characters = on_text,
    .ignorableWhitespace = on_text,
    .cdataBlock = on_text,
    .internalSubset = on_doctype,
    .getEntity = on_entity,
    .warning = on_error,
    .error = on_error,
    .serror = on_structured_error,
};

static void
feed(Reader *r, const char *bytes, size_t len)
{
    while (!r->stopped && len > 0) {
        size_t n = MIN(len, CHUNK);

        if (xmlParseChunk(r->parser, bytes, (int) n, 0) != 0)
            return;
        bytes += n;
        len -= n;
    }
    if (!r->stopped)
        (void) xmlParseChunk(r->parser, NULL, 0, 1); /* asked for below */
}

static char *
reason(xmlParserCtxt *parser)
{
    const xmlError *last = xmlCtxtGetLastError(parser);

    if (!last || !last->message)
        return g_strdup("it is not well-formed");
    return g_strdup_printf("line %d: %s", last->line, last->message);
}

static bool
parse(const char *bytes, size_t len, const VsXmlSink *sink, char **why)
{
    xmlSAXHandler sax = handler;
    Reader r = {.sink = sink};
    bool ok;

    r.parser = xmlCreatePushParserCtxt(&sax, &r, NULL, 0, NULL);
    if (!r.parser) {
        *why = g_strdup("no memory");
        return false;
    }
    /* In attributes "&amp;" stays a reference unless they are asked for. */
    (void) xmlCtxtUseOptions(r.parser, XML_PARSE_NONET | XML_PARSE_NOENT);
    feed(&r, bytes, len);
    ok = !r.stopped && r.parser->wellFormed;
    *why = r.stopped ? r.why : ok ? NULL : reason(r.parser);
    if (*why)
        g_strchomp(*why);
    xmlFreeDoc(r.parser->myDoc);
    r.parser->myDoc = NULL;
    xmlFreeParserCtxt(r.parser);
    return ok;
}

static bool
parse_once_ready(const char *bytes, size_t len, const VsXmlSink *sink,
                 char **why)
{
    static gsize ready;

    if (g_once_init_enter(&ready)) {
        xmlInitParser();
        g_once_init_leave(&ready, 1);
    }
    return parse(bytes, len, sink, why);
}

extern __attribute__((visibility("default"))) const VsXmlOps vs_xml_ops;
const VsXmlOps vs_xml_ops = {
    .size = sizeof(VsXmlOps),
    .parse = parse_once_ready,
};
