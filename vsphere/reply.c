/* SPDX-License-Identifier: BSD-3-Clause */
/* vsphere/reply.c - what a server answers.
 *
 * Concurrency: a reply does not change.
 */
#include "vsphere/reply.h"

#include "block/error.h"
#include "vsphere/request.h"

#include <string.h>

struct VsReply {
    VsXmlDoc *doc;
    const VsXml *response;
    size_t bytes;
};

static bool
is_soap(const VsXml *element, const char *name)
{
    return element && strcmp(element->name, name) == 0 &&
           strcmp(element->ns, VS_NS_SOAP) == 0;
}

/* What is in the body, or NULL. */
static const VsXml *
soap_content(const VsXmlDoc *doc)
{
    const VsXml *root = vs_xml_root(doc), *body;

    if (!is_soap(root, "Envelope"))
        return NULL;
    for (body = root->first; body; body = body->next)
        if (is_soap(body, "Body"))
            return body->first;
    return NULL;
}

static bool
is_response_to(const VsXml *element, const char *op)
{
    size_t len = strlen(op);

    return element && strncmp(element->name, op, len) == 0 &&
           strcmp(element->name + len, "Response") == 0;
}

VsReply *
vs_reply_parse(const char *server, const char *op, const void *bytes,
               size_t len, VsFault **fault, GError **error)
{
    g_autofree char *what = g_strdup_printf("%s: %s", server, op);
    g_autoptr(VsXmlDoc) doc = vs_xml_parse(bytes, len, what, error);
    g_autofree char *shown = NULL;
    const VsXml *content;
    VsReply *reply;

    *fault = NULL;
    if (!doc)
        return NULL;
    content = soap_content(doc);
    if (is_soap(content, "Fault")) {
        *fault = vs_fault_of_soap(content);
        return NULL;
    }
    if (!is_response_to(content, op)) {
        shown = vs_xml_shown(content ? content->name : "");
        return vd_throw_null(error, VD_ERROR_CORRUPT,
                             "%s: the answer is none to this: <%s>", what,
                             shown);
    }
    reply = g_new(VsReply, 1);
    *reply = (VsReply){
        .doc = g_steal_pointer(&doc),
        .response = content,
        .bytes = len,
    };
    return reply;
}

void
vs_reply_free(VsReply *reply)
{
    if (!reply)
        return;
    vs_xml_doc_free(reply->doc);
    g_free(reply);
}

const VsXml *
vs_reply_value(const VsReply *reply)
{
    return vs_xml_child(reply->response, "returnval");
}

size_t
vs_reply_bytes(const VsReply *reply)
{
    return reply->bytes;
}

VsFault *
vs_reply_missing(const VsReply *reply)
{
    const VsXml *object = vs_xml_child(vs_reply_value(reply), "objects");

    for (; object; object = vs_xml_next(object)) {
        const VsXml *missing = vs_xml_child(object, "missingSet");

        if (missing)
            return vs_fault_of_task(vs_xml_child(missing, "fault"));
    }
    return NULL;
}

/* It goes into messages and records as it is. */
static bool
is_word(const char *text)
{
    const char *p = text;

    while (*p && !g_ascii_iscntrl(*p))
        p++;
    return *p == '\0' && p > text && p - text <= VS_REF_MAX_BYTES;
}

VsRef *
vs_ref_from_xml(const VsXml *element)
{
    const char *type = vs_xml_attr(element, "type");

    return type && is_word(type) && is_word(element->text)
               ? vs_ref_new(type, element->text)
               : NULL;
}
