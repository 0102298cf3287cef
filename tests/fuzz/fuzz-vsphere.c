/* SPDX-License-Identifier: BSD-3-Clause */
/* tests/fuzz/fuzz-vsphere.c - any bytes as what a vSphere server answers.
 *
 * What was understood of a text can be sent, and comes back the same.
 */
#include "vsphere/reply.h"
#include "vsphere/request.h"

#include "tests/fuzz/fuzz.h"

static void
assert_sendable(const char *text)
{
    g_autoptr(VsRequest) request = vs_request_new("Op", NULL);
    g_autoptr(VsXmlDoc) doc = NULL;
    const char *sent;
    size_t len;

    vs_request_text(request, "t", text);
    sent = vs_request_finish(request, &len, NULL);
    g_assert_nonnull(sent);
    doc = vs_xml_parse(sent, len, "again", NULL);
    g_assert_nonnull(doc);
    g_assert_cmpstr(vs_xml_path(vs_xml_root(doc), "Body/Op/t")->text, ==, text);
}

static void
look_at(const VsXml *element)
{
    g_autoptr(VsRef) ref = vs_ref_from_xml(element);

    (void) vs_xml_type(element);
    assert_sendable(element->text);
    if (ref)
        assert_sendable(ref->value);
    for (const VsXml *e = element->first; e; e = e->next)
        look_at(e);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    g_autoptr(VsFault) fault = NULL;
    g_autoptr(GError) error = NULL;
    g_autoptr(VsReply) reply =
        vs_reply_parse("fuzz", "Op", data, size, &fault, &error);

    g_assert_true((reply != NULL) + (fault != NULL) + (error != NULL) == 1);
    if (reply && vs_reply_value(reply))
        look_at(vs_reply_value(reply));
    if (fault)
        (void) vs_fault_throw(NULL, fault, "fuzz", "Op");
    return 0;
}
