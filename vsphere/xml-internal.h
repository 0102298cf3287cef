/* SPDX-License-Identifier: BSD-3-Clause */
/* vsphere/xml-internal.h - between the tree and the module that reads XML. */
#pragma once

#include <glib.h>
#include <stdbool.h>

#define VS_XML_MODULE "vdisk-xml.so"
#define VS_XML_SYMBOL "vs_xml_ops"

/* Attributes as libxml2 has them would be too much to ask of anybody else:
 * these are plain strings, which live as long as the call. */
typedef struct VsXmlRawAttr {
    const char *ns, *name; /* ns "" = none */
    const char *value;
    size_t len;
} VsXmlRawAttr;

/* Where the document goes to; false = no more of it, please. */
typedef struct VsXmlSink {
    bool (*start)(void *arg, const char *ns, const char *name,
                  const VsXmlRawAttr *attrs, unsigned n_attrs);
    bool (*text)(void *arg, const char *bytes, size_t len);
    void (*end)(void *arg);
    unsigned max_attrs; /* of an element; more is an error */
    void *arg;
} VsXmlSink;

typedef struct VsXmlOps {
    size_t size; /* of this structure: whether the module fits */
    /* False and *@why (to be freed), which stays NULL if the sink has
     * stopped it. */
    bool (*parse)(const char *bytes, size_t len, const VsXmlSink *sink,
                  char **why);
} VsXmlOps;
