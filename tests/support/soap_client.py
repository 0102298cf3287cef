# SPDX-License-Identifier: BSD-3-Clause
"""soap_client - a small client of vSphere's API, apart from ours.

    client = SoapClient(port)
    client.login(user, password)
    client.call("PowerOnVM_Task", ("VirtualMachine", "vm-57"))
    client.get(("VirtualMachine", "vm-57"), "runtime.powerState")

Answers are elements of xml.etree without namespaces.  A SOAP fault is raised
as Fault, its type in .kind.
"""
import http.client
import ssl
import time
import xml.etree.ElementTree as ElementTree
from xml.sax.saxutils import escape

XSI = "{http://www.w3.org/2001/XMLSchema-instance}type"
ENVELOPE = (
    '<?xml version="1.0" encoding="UTF-8"?><soapenv:Envelope '
    'xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/" '
    'xmlns:xsd="http://www.w3.org/2001/XMLSchema" '
    'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"><soapenv:Body>'
    '<%(op)s xmlns="%(space)s"><_this type="%(type)s">%(this)s</_this>'
    '%(inner)s</%(op)s></soapenv:Body></soapenv:Envelope>')


class Fault(Exception):
    def __init__(self, kind, text):
        super().__init__("%s: %s" % (kind, text))
        self.kind = kind


def reference(name, ref):
    """A parameter that is a managed object."""
    return '<%s type="%s">%s</%s>' % (name, ref[0], escape(ref[1]), name)


def element(name, value):
    """A parameter that is text, a number or a boolean."""
    if isinstance(value, bool):
        value = str(value).lower()
    return "<%s>%s</%s>" % (name, escape(str(value)), name)


def without_namespaces(tree):
    for node in tree.iter():
        node.tag = node.tag.split("}")[-1]
    return tree


def local(kind):
    return (kind or "").split(":")[-1]


def value_of(node):
    """A property: text, or the element if there are some below."""
    if local(node.get(XSI)) == "ManagedObjectReference":
        return (node.get("type"), node.text)
    return node if len(node) else node.text


class SoapClient:
    def __init__(self, port, host="127.0.0.1"):
        context = ssl.create_default_context()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        self.connection = http.client.HTTPSConnection(
            host, port, context=context, timeout=60)
        self.cookie = None
        self.content = {}

    def close(self):
        self.connection.close()

    def request(self, method, path, body=None, headers=()):
        """(status, headers, body) of any request, with our cookie."""
        headers = dict(headers)
        if self.cookie and "Cookie" not in headers:
            headers["Cookie"] = self.cookie
        self.connection.request(method, path, body, headers)
        reply = self.connection.getresponse()
        return reply.status, reply.headers, reply.read()

    def call(self, operation, this, *inner, space="urn:vim25"):
        """The answer's element; its returnval are below it."""
        body = ENVELOPE % {
            "op": operation, "space": space, "type": this[0],
            "this": escape(this[1]), "inner": "".join(inner)}
        status, headers, answer = self.request(
            "POST", "/sdk", body.encode(),
            {"Content-Type": "text/xml; charset=utf-8",
             "SOAPAction": '"urn:vim25/6.5"'})
        cookie = headers.get("Set-Cookie")
        if cookie:
            self.cookie = cookie.split(";")[0]
        tree = without_namespaces(ElementTree.fromstring(answer))
        found = tree.find("Body")[0]
        if status != 200 or found.tag == "Fault":
            detail = found.find("detail")
            kind = detail[0].get(XSI) or detail[0].tag[:-len("Fault")]
            raise Fault(local(kind), found.findtext("faultstring"))
        return found

    def login(self, user, password):
        answer = self.call("RetrieveServiceContent",
                           ("ServiceInstance", "ServiceInstance"))
        for node in answer.find("returnval"):
            if node.get("type"):
                self.content[node.tag] = (node.get("type"), node.text)
        self.call("Login", self.content["sessionManager"],
                  element("userName", user), element("password", password))

    def get(self, ref, *paths):
        """The value of one property, or those of several as a dictionary."""
        spec = "<specSet><propSet>%s%s</propSet><objectSet>%s</objectSet>" \
            "</specSet><options/>" % (
                element("type", ref[0]),
                "".join(element("pathSet", path) for path in paths),
                reference("obj", ref))
        answer = self.call("RetrievePropertiesEx",
                           self.content["propertyCollector"], spec)
        found = {p.findtext("name"): value_of(p.find("val"))
                 for p in answer.iter("propSet")}
        return found if len(paths) > 1 else found.get(paths[0])

    def start(self, operation, this, *inner):
        """Begin a task: its reference."""
        node = self.call(operation, this, *inner).find("returnval")
        return (node.get("type"), node.text)

    def wait(self, task, seconds=120):
        """The info of a task that is over; Fault if it failed."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            info = self.get(task, "info")
            if info.findtext("state") == "error":
                fault = info.find("error/fault")
                raise Fault(local(fault.get(XSI)),
                            info.findtext("error/localizedMessage"))
            if info.findtext("state") == "success":
                return info
            time.sleep(0.01)
        raise AssertionError("the task does not end")

    def run(self, operation, this, *inner):
        return self.wait(self.start(operation, this, *inner))
