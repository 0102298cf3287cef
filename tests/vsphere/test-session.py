#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""test-session - logging in to a server, staying in, and being refused."""
import contextlib
import os
import resource
import socket
import sys
from xml.sax.saxutils import escape

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../support"))

from soap_client import SoapClient  # noqa: E402
from tap import Suite  # noqa: E402
from tools import Failed  # noqa: E402
from vsphere_do import Client, connecting_fails  # noqa: E402
from vsphere_fake import (  # noqa: E402
    FakeVsphere, properties, rule, vm)

suite = Suite()


def expect(condition, what):
    if not condition:
        raise Failed(str(what))


def server(**options):
    return FakeVsphere([vm("a")], **options)


@suite.case("logs in by user and password, and out again")
def _():
    for api, kind in (("vc", "vcenter"), ("esx", "host")):
        with server(api=api) as fake:
            with Client(fake) as client:
                expect(client.do("product")[0][0] == kind, api)
                expect(fake.state()["sessions"] == 1, "one session")
            expect(fake.state()["sessions"] == 0, "none is left")
            expect(fake.ops().count("Login") == 1, fake.ops())


@suite.case("speaks the version that the server speaks")
def _():
    old = rule("RetrieveServiceContent", "fault", times=1,
               fault="InvalidRequest", message="Unsupported version URI")
    for rules, first in (([], ["/6.5"]), ([old], ["/6.5", ""])):
        with server(knobs={"soap_rules": rules}) as fake:
            with Client(fake) as client:
                client.do("vm", "moref=" + fake.vms["a"]["moref"], "")
            said = [line["version"] for line in fake.log("soap")]
            expect(said[:len(first)] == ["urn:vim25" + v for v in first], said)
            expect(set(said[len(first):]) == {"urn:vim25/7.0.3.1"}, said)


@suite.case("thumbprints: SHA-1 and SHA-256, with and without colons, any case")
def _():
    with server() as fake:
        for text in (fake.thumbprint, fake.thumbprint.lower(),
                     fake.thumbprint.replace(":", ""),
                     fake.thumbprint_sha256,
                     fake.thumbprint_sha256.replace(":", "").lower()):
            with Client(fake, thumbprint=text) as client:
                client.do("product")


@suite.case("a wrong thumbprint: nothing has been sent")
def _():
    with server() as fake:
        wrong = "00" + fake.thumbprint[2:]
        if wrong == fake.thumbprint:
            wrong = "01" + fake.thumbprint[2:]
        text = connecting_fails(fake, "CANNOT_CONNECT", thumbprint=wrong)
        digits = text.replace(":", "").upper()
        for part in (fake.thumbprint, wrong):
            expect(part.replace(":", "").upper() in digits, text)
        expect("127.0.0.1:%d" % fake.port in text, text)
        expect(fake.ops() == [], fake.ops())


@suite.case("without a thumbprint: authorities decide")
def _():
    with server() as fake:
        connecting_fails(fake, "CANNOT_CONNECT", thumbprint=None)
        expect(fake.ops() == [], fake.ops())
        with Client(fake, thumbprint=None, ca_file=fake.certs.ca) as client:
            client.do("product")
        with Client(fake, thumbprint=None, insecure="on") as client:
            client.do("product")
        connecting_fails(fake, "INVALID_ARGUMENT", thumbprint="12:34")


@suite.case("wrong password, wrong user, none at all")
def _():
    with server() as fake:
        text = connecting_fails(fake, "LOGIN", password="n0t-Th1s-0ne")
        expect("InvalidLogin" in text and str(fake.port) in text, text)
        connecting_fails(fake, "LOGIN", user="somebody")
        connecting_fails(fake, "LOGIN", user=None)
        expect(fake.state()["sessions"] == 0, "no session")


def repeating(fake, message, **how):
    fake.knobs(soap_rules=[rule("Login", "fault", fault="InvalidLogin",
                                message=message)])
    return connecting_fails(fake, "LOGIN", **how)


@suite.case("a server that repeats the password in its refusal")
def _():
    with server() as fake:
        text = repeating(fake, "no <%s>" % fake.password)
        expect("(hidden)" in text, text)
        for known in (1, len(fake.password) - 1):
            text = repeating(fake, "x" * (500 - known) + fake.password)
            expect("x(hidden)" in text and "s3" not in text, text)
        text = repeating(fake, "no <two\twords\n> " + "x" * 500,
                         password="two\twords\n")
        expect("no <(hidden) > xx" in text and "x[...]" in text, text)


@suite.case("a server that repeats it inside of an answer")
def _():
    with server() as fake, Client(fake) as client:
        machine = "moref=" + fake.vms["a"]["moref"]
        no = "no <%s>" % fake.password
        fake.knobs(soap_rules=[
            rule("CreateSnapshot_Task", "task-fault", fault="InvalidState",
                 message=no),
            rule("RetrievePropertiesEx", "body", times=1, message=properties(
                ("VirtualMachine", fake.vms["a"]["moref"]),
                "<missingSet><path>name</path><fault><fault "
                'xsi:type="NoPermission"/><localizedMessage>%s'
                "</localizedMessage></fault></missingSet>" % escape(no)))])
        for code, command in (("LOGIN", ("vm", machine, "")),
                              ("BUSY", ("create-snapshot", machine, "s"))):
            text = client.fails(code, *command)
            expect("(hidden)" in text, text)


@contextlib.contextmanager
def foreign_session(fake):
    """The value of the cookie of a session that somebody else has."""
    owner = SoapClient(fake.port)
    try:
        owner.login(fake.user, fake.password)
        yield owner.cookie.split("=", 1)[1]
        if fake.state()["sessions"]:
            owner.call("CurrentTime", ("ServiceInstance", "ServiceInstance"))
    finally:
        owner.close()


@suite.case("a session of somebody else: used, and never logged out")
def _():
    with server() as fake, foreign_session(fake) as cookie:
        machine = "moref=" + fake.vms["a"]["moref"]
        with Client(fake, session=cookie, user=None, password="") as client:
            client.do("vm", machine, "")
        expect(fake.state()["sessions"] == 1, "it is still there")
        expect(fake.ops().count("Login") == 1, fake.ops())
        expect("Logout" not in fake.ops(), fake.ops())


@suite.case("a session of somebody else that ends: another one, if we may")
def _():
    with server() as fake, foreign_session(fake) as cookie:
        machine = "moref=" + fake.vms["a"]["moref"]
        with Client(fake, session=cookie, password="") as stuck, \
                Client(fake, session=cookie) as client:
            fake.expire_sessions()
            stuck.fails("LOGIN", "vm", machine, "")
            expect(fake.ops().count("Login") == 1, "nothing to log in with")
            client.do("vm", machine, "")
            expect(fake.state()["sessions"] == 1, "our own one")
        expect(fake.state()["sessions"] == 0, "it is logged out")
        connecting_fails(fake, "LOGIN", session=cookie, password="")
        with Client(fake, session=cookie) as client:
            client.do("vm", machine, "")
        expect(fake.state()["sessions"] == 0, "it is logged out")


@suite.case("no such host, nobody there, no TLS")
def _():
    with server() as fake:
        connecting_fails(fake, "HOST_NOT_FOUND", server="no-such-host.invalid")
        with socket.socket() as unused:
            unused.bind(("127.0.0.1", 0))
            port = unused.getsockname()[1]
            text = connecting_fails(fake, "CONNECTION_REFUSED", port=port)
            expect("127.0.0.1:%d" % port in text, text)
        connecting_fails(fake, "CANNOT_CONNECT", port=fake.control_port)
        for name in ("", "a/b", "a b", "user@host", "[::1]"):
            connecting_fails(fake, "INVALID_ARGUMENT", server=name)


@suite.case("an expired session is renewed, once for each call")
def _():
    with server() as fake, Client(fake) as client:
        name = "moref=" + fake.vms["a"]["moref"]
        client.do("vm", name, "")
        fake.expire_sessions()
        client.do("vm", name, "")
        expect(fake.ops().count("Login") == 2, fake.ops())
        fake.knobs(session_calls=1)
        fake.expire_sessions()
        client.do("vm", name, "")


@suite.case("an expired session whose user may not come back")
def _():
    with server() as fake, Client(fake) as client:
        name = "moref=" + fake.vms["a"]["moref"]
        fake.knobs(soap_rules=[rule("Login", "fault", fault="InvalidLogin")])
        fake.expire_sessions()
        client.fails("LOGIN", "vm", name, "")
        before = fake.ops().count("Login")
        client.fails("LOGIN", "vm", name, "")
        expect(fake.ops().count("Login") == before,
               "a password that was refused is not tried again and again")


@suite.case("an idle session is kept alive")
def _():
    with server() as fake:
        with Client(fake, env={"VDISK_KEEP_ALIVE_MS": "50"}):
            fake.wait_for("soap", op="CurrentTime")


@suite.case("without a thread to keep it alive it is a session all the same")
def _():
    # The size of threads' stacks: no memory has room for one.
    before = resource.getrlimit(resource.RLIMIT_STACK)
    with server() as fake:
        resource.setrlimit(resource.RLIMIT_STACK, (1 << 50, before[1]))
        try:
            client = Client(fake)
        finally:
            resource.setrlimit(resource.RLIMIT_STACK, before)
        with client:
            client.do("product")
            client.do("vm", "moref=" + fake.vms["a"]["moref"], "")


@suite.case("a proxy is used only if it is asked for")
def _():
    with server() as fake:
        nobody = {"https_proxy": "http://127.0.0.1:9", "all_proxy":
                  "http://127.0.0.1:9"}
        with Client(fake, env=nobody) as client:
            client.do("product")
        with socket.socket() as unused:
            unused.bind(("127.0.0.1", 0))
            connecting_fails(fake, "CONNECTION_REFUSED",
                             proxy="http://127.0.0.1:%d"
                             % unused.getsockname()[1])


suite.run()
