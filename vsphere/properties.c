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
#define MAX_PARTS 1000u

typedef struct {
    VsRef *ref;
    const VsXml *content; /* ObjectContent */
} Object;

struct VsProperties {
    GPtrArray *replies; /* VsReply: the elements live there */
    GArray *objects;    /* Object */
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
    VsProperties *p = g_new(VsProperties, 1);

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
    const VsReply *reply = g_ptr_array_index(properties->replies, 0);
    g_autoptr(VsFault) fault = vs_reply_missing(reply);

    return !fault || vs_fault_throw(error, fault, vs_session_name(session),
                                    "RetrievePropertiesEx");
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
    for (unsigned parts = 0; request; parts++) {
        VsReply *reply = vs_session_call(session, request, error);
        const char *token;

        if (!reply)
            return NULL;
        token = take_part(properties, reply);
        if (token && parts == MAX_PARTS)
            return vd_throw_null(error, VD_ERROR_LIMIT,
                                 "%s: RetrievePropertiesEx: the answer has "
                                 "more than %u parts",
                                 vs_session_name(session), MAX_PARTS);
        request = token ? continue_request(collector, token) : NULL;
    }
    return g_steal_pointer(&properties);
}

VsProperties *
vs_properties_fetch(VsSession *session, const VsRef *object,
                    const char *const *paths, GError **error)
{
    g_autoptr(GPtrArray) objects = g_ptr_array_new();
    g_autoptr(VsProperties) properties = NULL;

    g_ptr_array_add(objects, (VsRef *) object);
    properties = vs_properties_fetch_many(session, objects, paths, error);
    if (properties && properties->objects->len != 1)
        return vd_throw_null(error, VD_ERROR_CORRUPT,
                             "%s: %s %s: the answer is about %u objects",
                             vs_session_name(session), object->type,
                             object->value, properties->objects->len);
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
