/* SPDX-License-Identifier: BSD-3-Clause */
/* vsphere/request.c - writing a request.
 *
 * Concurrency: a request belongs to one thread at a time.
 */
#include "vsphere/request.h"

#include "block/error.h"

#include <inttypes.h>
#include <string.h>

#define HEAD                                                                   \
    "<?xml version=\"1.0\" encoding=\"UTF-8\"?>"                               \
    "<soapenv:Envelope xmlns:soapenv=\"" VS_NS_SOAP "\""                       \
    " xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\""                 \
    " xmlns:xsd=\"http://www.w3.org/2001/XMLSchema\"><soapenv:Body>"
#define TAIL "</soapenv:Body></soapenv:Envelope>"
/* Most requests fit, so that no copies of a password are left behind by a
 * buffer that had to move. */
#define ROOM 4096

struct VsRequest {
    char *op;
    GString *xml;
    GPtrArray *open; /* char *: names of elements */
    char *bad;       /* the parameter that cannot be sent, or NULL */
    bool finished;
};

/* -- text -------------------------------------------------------------------
 */

static bool
may_stand_in_xml(gunichar c)
{
    return c >= 0x20 ? c != 0xfffe && c != 0xffff
                     : c == '\t' || c == '\n' || c == '\r';
}

static bool
is_xml_text(const char *text)
{
    if (!g_utf8_validate(text, -1, NULL))
        return false;
    for (const char *p = text; *p; p = g_utf8_next_char(p))
        if (!may_stand_in_xml(g_utf8_get_char(p)))
            return false;
    return true;
}

/* White space as references: attributes and some readers would change it. */
static void
put_escaped(GString *out, const char *text)
{
    for (; *text; text++)
        switch (*text) {
        case '&':
            g_string_append(out, "&amp;");
            break;
        case '<':
            g_string_append(out, "&lt;");
            break;
        case '>':
            g_string_append(out, "&gt;");
            break;
        case '"':
            g_string_append(out, "&quot;");
            break;
        case '\'':
            g_string_append(out, "&apos;");
            break;
        case '\t':
        case '\n':
        case '\r':
            g_string_append_printf(out, "&#%d;", *text);
            break;
        default:
            g_string_append_c(out, *text);
        }
}

static void
put_text(VsRequest *request, const char *name, const char *text)
{
    if (is_xml_text(text))
        put_escaped(request->xml, text);
    else if (!request->bad)
        request->bad = g_strdup(name);
}

static void
put_attribute(VsRequest *request, const char *name, const char *value)
{
    g_string_append_printf(request->xml, " %s=\"", name);
    put_text(request, name, value);
    g_string_append_c(request->xml, '"');
}

/* -- elements ---------------------------------------------------------------
 */

static void
put_start(VsRequest *request, const char *name)
{
    g_string_append_c(request->xml, '<');
    g_string_append(request->xml, name);
    g_ptr_array_add(request->open, g_strdup(name));
}

void
vs_request_open(VsRequest *request, const char *name)
{
    put_start(request, name);
    g_string_append_c(request->xml, '>');
}

void
vs_request_open_as(VsRequest *request, const char *name, const char *type)
{
    put_start(request, name);
    put_attribute(request, "xsi:type", type);
    g_string_append_c(request->xml, '>');
}

void
vs_request_close(VsRequest *request)
{
    g_string_append_printf(
        request->xml, "</%s>",
        (char *) g_ptr_array_index(request->open, request->open->len - 1));
    g_ptr_array_set_size(request->open, (int) request->open->len - 1);
}

void
vs_request_text(VsRequest *request, const char *name, const char *text)
{
    if (!text)
        return;
    vs_request_open(request, name);
    put_text(request, name, text);
    vs_request_close(request);
}

void
vs_request_int(VsRequest *request, const char *name, int64_t value)
{
    char text[24];

    (void) g_snprintf(text, sizeof(text), "%" PRId64, value);
    vs_request_text(request, name, text);
}

void
vs_request_bool(VsRequest *request, const char *name, bool value)
{
    vs_request_text(request, name, value ? "true" : "false");
}

void
vs_request_ref(VsRequest *request, const char *name, const VsRef *ref)
{
    if (!ref)
        return;
    put_start(request, name);
    put_attribute(request, "type", ref->type);
    g_string_append_c(request->xml, '>');
    put_text(request, name, ref->value);
    vs_request_close(request);
}

void
vs_request_empty(VsRequest *request, const char *name)
{
    vs_request_open(request, name);
    vs_request_close(request);
}

/* -- the whole --------------------------------------------------------------
 */

VsRequest *
vs_request_new_in(const char *ns, const char *op, const VsRef *self)
{
    VsRequest *request = g_new0(VsRequest, 1);

    request->op = g_strdup(op);
    request->open = g_ptr_array_new_with_free_func(g_free);
    request->xml = g_string_sized_new(ROOM);
    g_string_append(request->xml, HEAD);
    put_start(request, op);
    put_attribute(request, "xmlns", ns);
    g_string_append_c(request->xml, '>');
    vs_request_ref(request, "_this", self);
    return request;
}

VsRequest *
vs_request_new(const char *op, const VsRef *self)
{
    return vs_request_new_in(VS_NS_VIM, op, self);
}

void
vs_request_free(VsRequest *request)
{
    if (!request)
        return;
    explicit_bzero(request->xml->str, request->xml->allocated_len);
    g_string_free(request->xml, TRUE);
    g_ptr_array_unref(request->open);
    g_free(request->bad);
    g_free(request->op);
    g_free(request);
}

const char *
vs_request_op(const VsRequest *request)
{
    return request->op;
}

const char *
vs_request_finish(VsRequest *request, size_t *len, GError **error)
{
    if (request->bad)
        return vd_throw_null(error, VD_ERROR_INVALID_ARGUMENT,
                             "%s: parameter '%s' is no text that can be sent: "
                             "UTF-8 without control characters is wanted",
                             request->op, request->bad);
    if (!request->finished) {
        g_assert(request->open->len == 1);
        vs_request_close(request);
        g_string_append(request->xml, TAIL);
        request->finished = true;
    }
    *len = request->xml->len;
    return request->xml->str;
}
