#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""test-changes - snapshots, access, and files of datastores."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../support"))

from tap import Suite  # noqa: E402
from tools import Failed  # noqa: E402
from vsphere_do import Client  # noqa: E402
from vsphere_fake import FakeVsphere, disk, rule, vm  # noqa: E402

MIB = 1 << 20
IDENTITY = "backup <1> & co"

suite = Suite()


def expect(condition, what):
    if not condition:
        raise Failed(str(what))


class World:
    """A server with one machine, and a client."""

    def __init__(self, **options):
        self.fake = FakeVsphere([vm("a", disks=[disk(capacity=MIB)])],
                                **options)
        self.vm = "moref=" + self.fake.vms["a"]["moref"]
        self.store = self.fake.datastore["name"]

    def __enter__(self):
        self.fake.__enter__()
        self.client = Client(self.fake)
        return self

    def __exit__(self, kind, *rest):
        try:
            self.client.__exit__(kind, *rest)
        finally:
            self.fake.__exit__(kind, *rest)


@suite.case("a snapshot: made, listed, seen in the chain, removed")
def _():
    with World() as w:
        base = w.fake.vms["a"]["disks"][0]["path"]
        first = w.client.do("create-snapshot", w.vm, "one & <two>")[0][0]
        second = w.client.do("create-snapshot", w.vm, "second")[0][0]
        listed = w.client.do("snapshots", w.vm)
        expect([line[1:3] for line in listed] ==
               [[first, "one & <two>"], [second, "second"]], listed)
        expect(listed[1][3:] == ["1", "current"], listed)
        now = w.client.do("vm", w.vm, "")[1]
        then = w.client.do("vm", w.vm, first)[1]
        by_name = w.client.do("vm", w.vm, "one & <two>")[1]
        expect(then[2] == base and then[4] == "1", then)
        expect(by_name == then, by_name)
        expect(now[2] != base and now[4] == "3", now)
        for snapshot in (second, first):
            w.client.do("remove-snapshot", w.vm, snapshot)
        expect(w.client.do("snapshots", w.vm) == [], "none is left")


@suite.case("tasks that fail or take their time")
def _():
    with World() as w:
        w.fake.knobs(soap_rules=[rule("CreateSnapshot_Task", "task-fault",
                                      fault="TaskInProgress", times=1),
                                 rule("CreateSnapshot_Task", "task-slow",
                                      ms=500, times=1)])
        text = w.client.fails("BUSY", "create-snapshot", w.vm, "x")
        expect("TaskInProgress" in text, text)
        w.client.do("create-snapshot", w.vm, "x")


@suite.case("a task that is to be stopped is, or is not waited for")
def _():
    slow = rule("CreateSnapshot_Task", "task-slow", ms=3600000)
    with World() as w:
        w.fake.knobs(soap_rules=[slow])
        w.client.fails("CANCELLED", "stop-snapshot", w.vm, "x")
        w.fake.knobs(soap_rules=[slow, rule("CancelTask", "fault",
                                            fault="NotSupported")])
        text = w.client.fails("CANCELLED", "stop-snapshot", w.vm, "x")
        expect("goes on" in text and "NotSupported" in text, text)


@suite.case("a connection that is lost while a task runs")
def _():
    with World() as w:
        w.fake.knobs(soap_rules=[rule("RetrievePropertiesEx", "cut", times=2)])
        w.client.do("create-snapshot", w.vm, "x")
        w.fake.knobs(soap_rules=[rule("RetrievePropertiesEx", "cut")])
        w.client.fails("CONNECTION_LOST", "create-snapshot", w.vm, "y")


@suite.case("access is taken, kept from others, and given back")
def _():
    with World() as w:
        vm_id = w.fake.vms["a"]["moref"]
        w.client.do("prepare", w.vm, IDENTITY)
        expect(w.fake.state()["disabled"].get(vm_id), "nothing is disabled")
        w.client.fails("BUSY", "prepare", w.vm, "somebody else")
        w.client.do("end", w.vm, IDENTITY)
        expect(not w.fake.state()["disabled"].get(vm_id), "still disabled")
        w.client.do("end", w.vm, IDENTITY)  # nothing to end is a success
        for identity in ("", "x" * 51):
            w.client.fails("INVALID_ARGUMENT", "prepare", w.vm, identity)


@suite.case("access: a host has no vCenter to tell")
def _():
    with World(api="esx") as w:
        text = w.client.fails("NOT_IMPLEMENTED", "prepare", w.vm, IDENTITY)
        expect("not a vCenter" in text, text)


@suite.case("files: made, extended, copied, moved, removed")
def _():
    with World() as w:
        def path(name):
            return "[%s] a/%s" % (w.store, name)

        def exists(name):
            return os.path.exists(os.path.join(w.fake.datastore["dir"], "a",
                                               name))

        w.client.do("create", w.vm, path("n.vmdk"), str(2 * MIB), "thin")
        expect(exists("n.vmdk"), "it is not there")
        w.client.fails("EXISTS", "create", w.vm, path("n.vmdk"), str(MIB),
                       "thin")
        w.client.do("extend", w.vm, path("n.vmdk"), str(3 * MIB))
        w.client.do("move", w.vm, path("n.vmdk"), path("m.vmdk"))
        expect(exists("m.vmdk") and not exists("n.vmdk"), "it has not moved")
        w.client.do("copy", w.vm, path("m.vmdk"), path("c.vmdk"))
        expect(exists("m.vmdk") and exists("c.vmdk"), "there is no copy")
        for name in ("m.vmdk", "c.vmdk"):
            w.client.do("delete", w.vm, path(name))
            expect(not exists(name), name)
        w.client.fails("NOT_FOUND", "delete", w.vm, path("m.vmdk"))
        w.client.fails("INVALID_NAME", "delete", w.vm, "no brackets.vmdk")


suite.run()
