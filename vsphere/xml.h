/* SPDX-License-Identifier: BSD-3-Clause */
/* vsphere/xml.h - XML that servers send, as a small tree.
 *
 * The reader is libxml2, in a module of its own (vdisk-xml) that is loaded on
 * first use.  Nothing but elements, attributes and text comes out of it: a
 * document with a type declaration is refused, so there are no entities of its
 * own, and nothing is ever fetched.  Names have no prefixes but name spaces.
 *
 * All functions take NULL for an element and answer as if it were an empty
 * one: what is missing need not be asked for at every step.
 */
#pragma once

#include "include/vdisk.h"

/* Limits; a document beyond them is refused. */
#define VS_XML_MAX_BYTES (32u << 20)
#define VS_XML_MAX_ELEMENTS 500000u
#define VS_XML_MAX_DEPTH 256u
#define VS_XML_MAX_ATTRIBUTES 32u /* of an element */

typedef struct VsXmlAttr {
    const char *ns, *name, *value;
} VsXmlAttr;

typedef struct VsXml VsXml;
struct VsXml {
    const char *ns, *name;
    const char *text; /* directly inside, joined; not of its children */
    const VsXml *first, *next;
    const VsXmlAttr *attrs;
    unsigned n_attrs;
};

typedef struct VsXmlDoc VsXmlDoc;

/* NULL if there is the module, else why not. */
const char *vs_xml_missing(void);

/* The elements live as long as the document.  @what: for messages, who sent
 * it.  CORRUPT, LIMIT, NOT_SUPPORTED without the module. */
VsXmlDoc *vs_xml_parse(const char *bytes, size_t len, const char *what,
                       GError **error);
void vs_xml_doc_free(VsXmlDoc *doc);
const VsXml *vs_xml_root(const VsXmlDoc *doc);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VsXmlDoc, vs_xml_doc_free)

/* The first child of that name; the next sibling with the name of @element. */
const VsXml *vs_xml_child(const VsXml *element, const char *name);
const VsXml *vs_xml_next(const VsXml *element);
/* Through several levels: "config/hardware". */
const VsXml *vs_xml_path(const VsXml *element, const char *path);

/* Text of the first child of that name; NULL if there is none. */
const char *vs_xml_text(const VsXml *element, const char *name);
bool vs_xml_bool(const VsXml *element, const char *name);
/* @missing if there is none or it is no number. */
int64_t vs_xml_int(const VsXml *element, const char *name, int64_t missing);

/* xsi:type without its prefix, or NULL. */
const char *vs_xml_type(const VsXml *element);
/* The attribute without a name space, or NULL. */
const char *vs_xml_attr(const VsXml *element, const char *name);

/* What a server has written, as it may stand in a message: one line, and where
 * it is too long, cut, with a mark; g_free. */
#define VS_XML_CUT "[...]"
char *vs_xml_shown(const char *text);
/* One line, as long as it is; g_free. */
char *vs_xml_line(const char *text);
