/* SPDX-License-Identifier: BSD-3-Clause */
/* tests/unit/test-vsphere-soap.c - requests as they are sent, answers and
 * faults as they come. */
#include "block/error.h"
#include "vsphere/fault.h"
#include "vsphere/reply.h"
#include "vsphere/request.h"

#include <string.h>

#define XSI "http://www.w3.org/2001/XMLSchema-instance"
#define ENVELOPE_OPEN                                                          \
    "<s:Envelope xmlns:s='" VS_NS_SOAP "' xmlns:xsi='" XSI "'><s:Body>"
#define ENVELOPE_CLOSE "</s:Body></s:Envelope>"

/* -- requests ---------------------------------------------------------------
 */

/* What is between the tags of the body. */
static char *
body_of(VsRequest *taken)
{
    g_autoptr(VsRequest) request = taken;
    g_autoptr(GError) error = NULL;
    size_t len;
    const char *text = vs_request_finish(request, &len, &error);
    const char *open, *close;

    g_assert_no_error(error);
    g_assert_cmpuint(strlen(text), ==, len);
    open = strstr(text, "<soapenv:Body>");
    close = strstr(text, "</soapenv:Body></soapenv:Envelope>");
    g_assert_nonnull(open);
    g_assert_nonnull(close);
    open += strlen("<soapenv:Body>");
    return g_strndup(open, (gsize) (close - open));
}

static void
test_request(void)
{
    const VsRef vm = {(char *) "VirtualMachine", (char *) "vm-57"};
    VsRequest *request = vs_request_new("Do_Task", &vm);
    g_autofree char *body = NULL;

    vs_request_text(request, "name", "n");
    vs_request_text(request, "left", NULL);
    vs_request_bool(request, "yes", true);
    vs_request_int(request, "key", -101);
    vs_request_ref(request, "gone", NULL);
    vs_request_open_as(request, "device", "VirtualDisk");
    vs_request_open(request, "in");
    vs_request_close(request);
    vs_request_close(request);
    vs_request_empty(request, "options");
    body = body_of(request);
    g_assert_cmpstr(body, ==,
                    "<Do_Task xmlns=\"urn:vim25\">"
                    "<_this type=\"VirtualMachine\">vm-57</_this>"
                    "<name>n</name><yes>true</yes><key>-101</key>"
                    "<device xsi:type=\"VirtualDisk\"><in></in></device>"
                    "<options></options></Do_Task>");
}

static void
test_request_escapes(void)
{
    const VsRef odd = {(char *) "A\"&<B", (char *) "x<y>&'\"]]>"};
    VsRequest *request = vs_request_new_in("urn:a\"b", "Op", &odd);
    g_autofree char *body = NULL;

    vs_request_text(request, "t", "a&b<c>d\"e'f%2f+ä\tg\r\n");
    body = body_of(request);
    g_assert_cmpstr(body, ==,
                    "<Op xmlns=\"urn:a&quot;b\">"
                    "<_this type=\"A&quot;&amp;&lt;B\">"
                    "x&lt;y&gt;&amp;&apos;&quot;]]&gt;</_this>"
                    "<t>a&amp;b&lt;c&gt;d&quot;e&apos;f%2f+ä&#9;g&#13;&#10;</t>"
                    "</Op>");
}

/* Whatever can be sent comes out as it went in. */
static void
test_request_round_trip(void)
{
    static const char *const texts[] = {
        "plain", "<a&b>", "\"'",   " \t\n\r ", "Größe 漢字 \xf0\x9f\x92\xbe",
        "&amp;", "]]>",   "%2525", "a+b=c;d",  "",
    };

    for (size_t i = 0; i < G_N_ELEMENTS(texts); i++) {
        g_autoptr(VsRequest) request = vs_request_new("Op", NULL);
        g_autoptr(VsXmlDoc) doc = NULL;
        const char *sent;
        size_t len;

        vs_request_text(request, "t", texts[i]);
        sent = vs_request_finish(request, &len, NULL);
        doc = vs_xml_parse(sent, len, "test", NULL);
        g_assert_nonnull(doc);
        g_assert_cmpstr(vs_xml_path(vs_xml_root(doc), "Body/Op/t")->text, ==,
                        texts[i]);
    }
}

static void
test_request_refuses(void)
{
    static const char *const texts[] = {"a\x01", "\x7f\xff", "\xc3",
                                        "\xef\xbf\xbf", "\x1b[0m"};

    for (size_t i = 0; i < G_N_ELEMENTS(texts); i++) {
        g_autoptr(VsRequest) request = vs_request_new("Op", NULL);
        g_autoptr(GError) error = NULL;
        size_t len;

        vs_request_text(request, "password", texts[i]);
        g_assert_null(vs_request_finish(request, &len, &error));
        g_assert_error(error, VD_ERROR, VD_ERROR_INVALID_ARGUMENT);
        g_assert_nonnull(strstr(error->message, "password"));
        g_assert_null(strstr(error->message, texts[i]));
    }
}

/* -- answers ----------------------------------------------------------------
 */

static VsReply *
answer(const char *body, VsFault **fault, GError **error)
{
    g_autofree char *text =
        g_strconcat(ENVELOPE_OPEN, body, ENVELOPE_CLOSE, NULL);

    return vs_reply_parse("h:443", "Op", text, strlen(text), fault, error);
}

static void
test_reply(void)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(VsRef) ref = NULL;
    VsFault *fault;
    g_autoptr(VsReply) reply =
        answer("<OpResponse xmlns='urn:vim25'><returnval type='Task'>task-1"
               "</returnval><returnval>b</returnval></OpResponse>",
               &fault, &error);
    const VsXml *value;

    g_assert_no_error(error);
    g_assert_null(fault);
    value = vs_reply_value(reply);
    ref = vs_ref_from_xml(value);
    g_assert_cmpstr(ref->type, ==, "Task");
    g_assert_cmpstr(ref->value, ==, "task-1");
    g_assert_cmpstr(vs_xml_next(value)->text, ==, "b");
}

static void
test_reply_nothing(void)
{
    VsFault *fault;
    g_autoptr(VsReply) reply = answer("<OpResponse/>", &fault, NULL);

    g_assert_nonnull(reply);
    g_assert_null(vs_reply_value(reply));
    g_assert_null(vs_ref_from_xml(vs_reply_value(reply)));
}

static void
test_reply_of_another(void)
{
    static const char *const bodies[] = {
        "", "<OtherResponse/>", "<Op/>", "<OpResponseX/>", "text",
    };

    for (size_t i = 0; i < G_N_ELEMENTS(bodies); i++) {
        g_autoptr(GError) error = NULL;
        VsFault *fault;

        g_assert_null(answer(bodies[i], &fault, &error));
        g_assert_null(fault);
        g_assert_error(error, VD_ERROR, VD_ERROR_CORRUPT);
        g_assert_nonnull(strstr(error->message, "h:443"));
    }
}

/* Whatever a server writes, messages are short. */
static void
test_reply_of_another_at_length(void)
{
    g_autofree char *name = g_strnfill(20000, 'x');
    g_autofree char *other = g_strdup_printf("<%s/>", name);
    g_autofree char *unended = g_strdup_printf("<%s>", name);
    const char *const bodies[] = {other, unended};

    for (size_t i = 0; i < G_N_ELEMENTS(bodies); i++) {
        g_autoptr(GError) error = NULL;
        VsFault *fault;

        g_assert_null(answer(bodies[i], &fault, &error));
        g_assert_error(error, VD_ERROR, VD_ERROR_CORRUPT);
        g_assert_cmpuint(strlen(error->message), <, 1000);
    }
}

/* -- faults -----------------------------------------------------------------
 */

static void
assert_fault(const char *body, VdErrorCode code, const char *text)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(VsFault) fault = NULL;

    g_assert_null(answer(body, &fault, &error));
    g_assert_no_error(error);
    g_assert_nonnull(fault);
    g_assert_false(vs_fault_throw(&error, fault, "h:443", "Op"));
    g_assert_error(error, VD_ERROR, (int) code);
    g_assert_cmpstr(error->message, ==, text);
}

#define FAULT(text, detail)                                                    \
    "<s:Fault><faultcode>ServerFaultCode</faultcode><faultstring>" text        \
    "</faultstring><detail>" detail "</detail></s:Fault>"

static void
test_faults(void)
{
    assert_fault(
        FAULT("Wrong password", "<InvalidLoginFault xsi:type='InvalidLogin'/>"),
        VD_ERROR_LOGIN, "h:443: Op: InvalidLogin: Wrong password");
    assert_fault(FAULT("", "<NotSupportedFault/>"), VD_ERROR_NOT_IMPLEMENTED,
                 "h:443: Op: NotSupported");
    assert_fault(FAULT("no", "<x xsi:type='NoPermission'><privilegeId>"
                             "Disk.Read</privilegeId></x>"),
                 VD_ERROR_LOGIN, "h:443: Op: NoPermission (Disk.Read): no");
    assert_fault(
        FAULT("file is busy since it is locked", "<x xsi:type='SystemError'/>"),
        VD_ERROR_IN_USE,
        "h:443: Op: SystemError: file is busy since it is locked");
    assert_fault(FAULT("two\nlines", "<x xsi:type='Odd'/>"), VD_ERROR_FAILED,
                 "h:443: Op: Odd: two lines");
    assert_fault("<s:Fault/>", VD_ERROR_FAILED, "h:443: Op: unknown fault");
}

static void
test_fault_of_task(void)
{
    static const char text[] =
        "<error xmlns:xsi='" XSI "'><fault xsi:type='FileNotFound'>"
        "<file>[ds] a</file></fault><localizedMessage>gone</localizedMessage>"
        "</error>";
    g_autoptr(VsXmlDoc) doc = vs_xml_parse(text, strlen(text), "test", NULL);
    g_autoptr(VsFault) fault = vs_fault_of_task(vs_xml_root(doc));
    g_autoptr(VsFault) none = vs_fault_of_task(NULL);

    g_assert_true(vs_fault_is(fault, "FileNotFound"));
    g_assert_cmpstr(fault->detail, ==, "[ds] a");
    g_assert_cmpstr(fault->text, ==, "gone");
    g_assert_true(vs_fault_is(none, "unknown fault"));
}

static void
test_fault_text_is_bounded(void)
{
    g_autofree char *endless = g_strnfill(100000, 'x');
    g_autofree char *body = g_strconcat("<s:Fault><faultstring>", endless,
                                        "</faultstring></s:Fault>", NULL);
    g_autoptr(VsFault) fault = NULL;

    g_assert_null(answer(body, &fault, NULL));
    g_assert_cmpuint(strlen(fault->text), <, 1000);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    if (vs_xml_missing()) {
        g_test_skip(vs_xml_missing());
        return 77;
    }
    g_test_add_func("/vsphere/request/parameters", test_request);
    g_test_add_func("/vsphere/request/escapes", test_request_escapes);
    g_test_add_func("/vsphere/request/round-trip", test_request_round_trip);
    g_test_add_func("/vsphere/request/refuses", test_request_refuses);
    g_test_add_func("/vsphere/reply/value", test_reply);
    g_test_add_func("/vsphere/reply/nothing", test_reply_nothing);
    g_test_add_func("/vsphere/reply/of-another", test_reply_of_another);
    g_test_add_func("/vsphere/reply/of-another-at-length",
                    test_reply_of_another_at_length);
    g_test_add_func("/vsphere/fault/codes", test_faults);
    g_test_add_func("/vsphere/fault/of-task", test_fault_of_task);
    g_test_add_func("/vsphere/fault/bounded", test_fault_text_is_bounded);
    return g_test_run();
}
