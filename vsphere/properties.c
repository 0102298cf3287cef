/* SPDX-License-Identifier: BSD-3-Clause */
/* vsphere/properties.c - reading properties of managed objects.
 *
 * A server may give the answer in parts, with a token for the next one.
 *
 * Concurrency: the result does not change.
 */
#include "vsphere/properties.h"

#include "block/error.h"
#include "vsphere/reply.h"
#include "vsphere/request.h"

#include <string.h>

/* A server that never comes to an end. */
#define MAX_PARTS 100u
#define MAX_BYTES (2 * (size_t) VS_XML_MAX_BYTES)

typedef struct {
    VsRef *ref;
    const VsXml *content; /* ObjectContent */
} Object;

struct VsProperties {
    GPtrArray *replies; /* VsReply: the elements live there */
    GArray *objects;    /* Object */
    size_t bytes;       /* of all answers */
};

static void
object_clear(void *opaque)
{
    Object *object = opaque;

    vs_ref_free(object->ref);
}

static VsProperties *
properties_new(void)
{
    VsProperties *p = g_new0(VsProperties, 1);

    p->replies = g_ptr_array_new_with_free_func((GDestroyNotify) vs_reply_free);
    p->objects = g_array_new(FALSE, FALSE, sizeof(Object));
    g_array_set_clear_func(p->objects, object_clear);
    return p;
}

void
vs_properties_free(VsProperties *properties)
{
    if (!properties)
        return;
    g_array_unref(properties->objects);
    g_ptr_array_unref(properties->replies);
    g_free(properties);
}

/* -- fetching ---------------------------------------------------------------
 */

static VsRequest *
retrieve_request(const VsRef *collector, const GPtrArray *objects,
                 const char *const *paths)
{
    const VsRef *first = g_ptr_array_index(objects, 0);
    VsRequest *request = vs_request_new("RetrievePropertiesEx", collector);

    vs_request_open(request, "specSet");
    vs_request_open(request, "propSet");
    vs_request_text(request, "type", first->type);
    for (const char *const *path = paths; *path; path++)
        vs_request_text(request, "pathSet", *path);
    vs_request_close(request);
    for (unsigned i = 0; i < objects->len; i++) {
        vs_request_open(request, "objectSet");
        vs_request_ref(request, "obj", g_ptr_array_index(objects, i));
        vs_request_close(request);
    }
    vs_request_close(request);
    vs_request_empty(request, "options");
    return request;
}

/* What has no value is simply absent: this is what may not be seen. */
static bool
check_whole(VsSession *session, const VsProperties *properties, GError **error)
{
    for (unsigned i = 0; i < properties->replies->len; i++) {
        g_autoptr(VsFault) fault =
            vs_reply_missing(g_ptr_array_index(properties->replies, i));

        if (fault)
            return vs_session_throw(session, fault, "RetrievePropertiesEx",
                                    error);
    }
    return true;
}

static VsRequest *
continue_request(const VsRef *collector, const char *token)
{
    VsRequest *request =
        vs_request_new("ContinueRetrievePropertiesEx", collector);

    vs_request_text(request, "token", token);
    return request;
}

/* The token for what follows, or NULL. */
static const char *
take_part(VsProperties *properties, VsReply *reply)
{
    const VsXml *result = vs_reply_value(reply);
    const VsXml *content = vs_xml_child(result, "objects");
    const char *token = vs_xml_text(result, "token");

    g_ptr_array_add(properties->replies, reply);
    properties->bytes += vs_reply_bytes(reply);
    for (; content; content = vs_xml_next(content)) {
        Object object = {
            .ref = vs_ref_from_xml(vs_xml_child(content, "obj")),
            .content = content,
        };

        if (object.ref)
            g_array_append_val(properties->objects, object);
    }
    return token && *token ? token : NULL;
}

/* May there be another part, of @wanted objects in all?  Each is kept. */
static bool
check_more(VsSession *session, const VsProperties *properties, unsigned wanted,
           GError **error)
{
    if (properties->objects->len < wanted &&
        properties->replies->len < MAX_PARTS && properties->bytes < MAX_BYTES)
        return true;
    return vd_throw(error, VD_ERROR_LIMIT,
                    "%s: RetrievePropertiesEx: the answer does not end: %u "
                    "parts with %zu bytes, about %u objects of %u",
                    vs_session_name(session), properties->replies->len,
                    properties->bytes, properties->objects->len, wanted);
}

VsProperties *
vs_properties_fetch_many(VsSession *session, const GPtrArray *objects,
                         const char *const *paths, GError **error)
{
    const VsRef *collector = vs_session_service(session, "propertyCollector");
    g_autoptr(VsProperties) properties = properties_new();
    VsRequest *request;

    if (objects->len == 0)
        return g_steal_pointer(&properties);
    request = retrieve_request(collector, objects, paths);
    while (request) {
        VsReply *reply = vs_session_call(session, request, error);
        const char *token;

        if (!reply)
            return NULL;
        token = take_part(properties, reply);
        if (token && !check_more(session, properties, objects->len, error))
            return NULL;
        request = token ? continue_request(collector, token) : NULL;
    }
    return g_steal_pointer(&properties);
}

/* Kinds may differ: what was asked for may be more of one thing. */
static bool
is_about(const VsProperties *properties, const VsRef *object)
{
    return vs_properties_count(properties) == 1 &&
           strcmp(vs_properties_object(properties, 0)->value, object->value) ==
               0;
}

VsProperties *
vs_properties_fetch(VsSession *session, const VsRef *object,
                    const char *const *paths, GError **error)
{
    g_autoptr(GPtrArray) objects = g_ptr_array_new();
    g_autoptr(VsProperties) properties = NULL;

    g_ptr_array_add(objects, (VsRef *) object);
    properties = vs_properties_fetch_many(session, objects, paths, error);
    if (properties && !is_about(properties, object))
        return vd_throw_null(error, VD_ERROR_CORRUPT,
                             "%s: %s %s: the answer is not about this object",
                             vs_session_name(session), object->type,
                             object->value);
    if (properties && !check_whole(session, properties, error))
        return NULL;
    return g_steal_pointer(&properties);
}

/* -- looking ----------------------------------------------------------------
 */

unsigned
vs_properties_count(const VsProperties *properties)
{
    return properties->objects->len;
}

const VsRef *
vs_properties_object(const VsProperties *properties, unsigned nth)
{
    return g_array_index(properties->objects, Object, nth).ref;
}

const VsXml *
vs_properties_get_nth(const VsProperties *properties, unsigned nth,
                      const char *path)
{
    const VsXml *content =
        g_array_index(properties->objects, Object, nth).content;
    const VsXml *set = vs_xml_child(content, "propSet");

    for (; set; set = vs_xml_next(set))
        if (g_strcmp0(vs_xml_text(set, "name"), path) == 0)
            return vs_xml_child(set, "val");
    return NULL;
}

const VsXml *
vs_properties_get(const VsProperties *properties, const char *path)
{
    return vs_properties_get_nth(properties, 0, path);
}

const char *
vs_properties_text(const VsProperties *properties, const char *path)
{
    const VsXml *value = vs_properties_get(properties, path);

    return value ? value->text : NULL;
}

/* "val" has the kind of the reference in its attribute. */
VsRef *
vs_properties_ref(const VsProperties *properties, const char *path)
{
    return vs_ref_from_xml(vs_properties_get(properties, path));
}
