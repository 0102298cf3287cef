#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""test-hostile - servers that stall, close, and send anything but answers: an
error, soon, and no more than that."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../support"))

from tap import Suite  # noqa: E402
from tools import Failed  # noqa: E402
from vsphere_do import Client, Refused, connecting_fails  # noqa: E402
from vsphere_fake import (  # noqa: E402
    FakeVsphere, properties, rule, vm)

suite = Suite()

# What the server does instead of answering, and which errors that may be.
BODIES = {
    "bomb": ("CORRUPT",),
    "deep": ("LIMIT", "CORRUPT"),
    "wide": ("LIMIT", "CORRUPT"),
    "endless": ("LIMIT",),
    "truncated": ("CORRUPT",),
    "not-xml": ("CORRUPT",),
    "empty": ("CORRUPT",),
    "cut": ("CONNECTION_LOST", "CANNOT_CONNECT"),
    "close": ("CONNECTION_LOST", "CANNOT_CONNECT"),
    "stall": ("CONNECTION_LOST",),
}
# Enough for whatever is answered, short enough to wait for.
SHORT_MS = "3000"


def expect(condition, what):
    if not condition:
        raise Failed(str(what))


def try_body(action, codes):
    with FakeVsphere([vm("a")]) as fake:
        how = {"timeout_ms": SHORT_MS} if action == "stall" else {}
        with Client(fake, **how) as client:
            name = "moref=" + fake.vms["a"]["moref"]
            fake.knobs(soap_rules=[rule("RetrievePropertiesEx", action)])
            try:
                client.do("vm", name, "")
            except Refused as refusal:
                expect(refusal.code in codes, refusal)
                expect("127.0.0.1:%d" % fake.port in refusal.text, refusal)
                expect(len(refusal.text) < 1000, "a long text")
            else:
                raise Failed("%s was an answer" % action)
            fake.knobs(soap_rules=[])
            client.do("vm", name, "")  # as if nothing had happened


for _action, _codes in BODIES.items():
    suite.add("instead of an answer: %s" % _action, try_body, _action, _codes)


@suite.case("the same at the very beginning")
def _():
    with FakeVsphere([vm("a")]) as fake:
        for action, codes in BODIES.items():
            if action in ("stall", "endless", "wide"):
                continue
            fake.knobs(soap_rules=[rule("RetrieveServiceContent", action)])
            try:
                Client(fake).close()
            except Refused as refusal:
                expect(refusal.code in codes, (action, refusal))
            else:
                raise Failed("%s was an answer" % action)


@suite.case("properties that come in parts without end")
def _():
    more = "ContinueRetrievePropertiesEx"
    with FakeVsphere([vm("a")]) as fake, Client(fake) as client:
        ref = ("VirtualMachine", fake.vms["a"]["moref"])
        for first, most in ((None, 100), (ref, 0)):
            before = fake.ops().count(more)
            fake.knobs(soap_rules=[
                rule("RetrievePropertiesEx", "body",
                     message=properties(first, token="1")),
                rule(more, "body",
                     message=properties(None, token="1", op=more))])
            client.fails("LIMIT", "vm", "moref=" + ref[1], "")
            expect(fake.ops().count(more) - before <= most, fake.ops())


@suite.case("answers about something else, or with nothing in them")
def _():
    with FakeVsphere([vm("a")]) as fake, Client(fake) as client:
        ref = ("VirtualMachine", fake.vms["a"]["moref"])
        for code, answer, command in (
                ("CORRUPT", properties(("VirtualMachine", "vm-1")), "vm"),
                ("CORRUPT", properties(None), "vm"),
                ("NOT_FOUND", properties(ref), "delete")):
            fake.knobs(soap_rules=[rule("RetrievePropertiesEx", "body",
                                        message=answer)])
            client.fails(code, command, "moref=" + ref[1],
                         "[ds] a.vmdk" if command == "delete" else "")


@suite.case("references and names that are too long")
def _():
    with FakeVsphere([vm("a")]) as fake, Client(fake) as client:
        machine = "moref=" + fake.vms["a"]["moref"]
        for size, wrong in ((256, False), (257, True), (1 << 20, True)):
            fake.knobs(soap_rules=[rule(
                "CreateSnapshot_Task", "body",
                message='<CreateSnapshot_TaskResponse xmlns="urn:vim25">'
                '<returnval type="Task">%s</returnval>'
                "</CreateSnapshot_TaskResponse>" % ("x" * size))])
            try:
                client.do("create-snapshot", machine, "s")
            except Refused as refusal:
                expect(("no object in it" in refusal.text) == wrong, refusal)
            else:
                raise Failed("%d bytes were a task" % size)
        fake.knobs(soap_rules=[rule(
            "RetrievePropertiesEx", "body", times=1, message=properties(
                ("VirtualMachine", fake.vms["a"]["moref"]),
                "<propSet><name>name</name><val>%s</val></propSet>" % (
                    "long\n" * 10000)))])
        text = client.fails("NOT_FOUND", "open", machine, "", "[ds] no", "nbd")
        expect("'long long" in text and len(text) < 1000, text[:2000])


@suite.case("statuses of HTTP")
def _():
    with FakeVsphere([vm("a")]) as fake:
        for status, code in ((401, "LOGIN"), (403, "LOGIN"),
                             (404, "CANNOT_CONNECT"), (503, "CANNOT_CONNECT")):
            fake.knobs(soap_rules=[rule("*", "status", status=status,
                                        message="<html>no</html>")])
            text = connecting_fails(fake, code)
            expect(str(status) in text, text)


@suite.case("an answer that comes byte by byte is one")
def _():
    with FakeVsphere([vm("a")]) as fake, Client(fake) as client:
        fake.knobs(soap_rules=[rule("CurrentTime", "slow"),
                               rule("RetrievePropertiesEx", "delay", ms=300)])
        client.do("vm", "moref=" + fake.vms["a"]["moref"], "")


@suite.case("faults that nobody knows")
def _():
    with FakeVsphere([vm("a")]) as fake, Client(fake) as client:
        fake.knobs(soap_rules=[rule("RetrievePropertiesEx", "fault",
                                    fault="SystemError", message="a\nb")])
        text = client.fails("FAILED", "vm",
                            "moref=" + fake.vms["a"]["moref"], "")
        expect("SystemError" in text and "\n" not in text, text)


suite.run()
