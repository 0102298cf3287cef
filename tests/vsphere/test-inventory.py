#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""test-inventory - finding virtual machines and their disks by all names that
they have, odd ones among them."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../support"))

from soap_client import SoapClient, reference  # noqa: E402
from tap import Suite  # noqa: E402
from tools import Failed  # noqa: E402
from vsphere_do import Client  # noqa: E402
from vsphere_fake import (  # noqa: E402
    FakeVsphere, disk, properties, rule, vm)

MIB = 1 << 20
ODD = 'R&D <"100">+äöü\' x'

suite = Suite()


def expect(condition, what):
    if not condition:
        raise Failed(str(what))


def machines(name="a"):
    return [vm(name, disks=[disk(capacity=3 * MIB), disk(capacity=MIB)]),
            vm("other")]


def names_of(fake, name):
    """All ways to mean the machine."""
    facts = fake.vms[name]
    # "[ds] dir/x.vmx", also in two parts
    store, inside = facts["vmx"][1:].split("] ", 1)
    center = fake.datacenter["path"].strip("/")
    return ["moref=" + facts["moref"], "moid=" + facts["moref"],
            "uuid=" + facts["uuid"], "instanceuuid=" + facts["instance_uuid"],
            facts["vmx"],
            "%s?dcPath=%s&dsName=%s" % (facts["vmx"], center, store),
            "%s?dcPath=%s&dsName=%s" % (inside, center, store),
            facts["path"], facts["path"].lstrip("/")]


def check_all_names(fake, name):
    facts = fake.vms[name]
    with Client(fake) as client:
        for spec in names_of(fake, name):
            answer = client.do("vm", spec, "")
            expect(answer[0][1:3] == [facts["moref"], name], (spec, answer))
            expect(answer[0][4] == facts["vmx"], (spec, answer))
            disks = [(int(d[1]), d[2], int(d[3])) for d in answer[1:]]
            expect(disks == [(d["key"], d["path"], d["capacity"])
                             for d in facts["disks"]], (spec, disks))


@suite.case("a machine by each of its names, at vCenter and at a host")
def _():
    for api in ("vc", "esx"):
        with FakeVsphere(machines(), api=api) as fake:
            check_all_names(fake, "a")


@suite.case("names with & < > \" ' + and umlauts")
def _():
    with FakeVsphere(machines(ODD)) as fake:
        check_all_names(fake, ODD)


@suite.case("a datacenter and a datastore with & and ? in their names")
def _():
    with FakeVsphere(machines(), datacenter="R&D? x",
                     datastore="d?&s") as fake:
        check_all_names(fake, "a")


@suite.case("two machines with one UUID: neither is taken for the other")
def _():
    twins = [vm(name, uuid="420a1111-2222-3333-4444-555566667777")
             for name in ("a", "b")]
    with FakeVsphere(twins) as fake, Client(fake) as client:
        text = client.fails("INVALID_ARGUMENT", "vm",
                            "uuid=" + fake.vms["a"]["uuid"], "")
        expect(fake.vms["a"]["uuid"] in text, text)
        for name in ("a", "b"):
            answer = client.do("vm", "instanceuuid=" +
                               fake.vms[name]["instance_uuid"], "")
            expect(answer[0][2] == name, answer)


def children(ref, *refs):
    return properties(ref, '<propSet><name>childEntity</name><val xsi:type='
                      '"ArrayOfManagedObjectReference">%s</val></propSet>' %
                      "".join(reference("ManagedObjectReference", r)
                              for r in refs))


@suite.case("a file that datacenters in folders may have")
def _():
    with FakeVsphere(machines()) as fake, Client(fake) as client:
        folder = ("Folder", "group-d99")
        # What the rules say of the root and of the folder.
        tree = [rule("RetrievePropertiesEx", "body", times=1, message=message)
                for message in (
                    children(root_of(fake), folder),
                    children(folder, ("Datacenter", "datacenter-99"),
                             ("Datacenter", fake.datacenter["moref"])))]
        other = '<FindByDatastorePathResponse xmlns="urn:vim25">%s' \
            "</FindByDatastorePathResponse>" % reference(
                "returnval", ("VirtualMachine", "vm-99999"))
        file = fake.vms["a"]["vmx"]
        fake.knobs(soap_rules=tree + [rule("FindByDatastorePath", "fault",
                                           fault="InvalidDatastore", times=1)])
        expect(client.do("vm", file, "")[0][2] == "a", "the one that has it")
        fake.knobs(soap_rules=tree + [rule("FindByDatastorePath", "body",
                                           message=other, times=1)])
        text = client.fails("INVALID_ARGUMENT", "vm", file, "")
        expect("more than one" in text, text)


def root_of(fake):
    client = SoapClient(fake.port)
    try:
        client.login(fake.user, fake.password)
        client.call("Logout", client.content["sessionManager"])
        return client.content["rootFolder"]
    finally:
        client.close()


@suite.case("what does not exist")
def _():
    with FakeVsphere(machines()) as fake, Client(fake) as client:
        for spec in ("moref=vm-99999", "moref=", "uuid=no", "DC0/vm/none",
                     "instanceuuid=00000000-0000-0000-0000-000000000000",
                     "[%s] none/none.vmx" % fake.datastore["name"], "",
                     fake.datacenter["path"], "moref=a&b<c>"):
            text = client.fails("VM_NOT_FOUND", "vm", spec, "")
            expect("127.0.0.1:%d" % fake.port in text, text)
        client.fails("SNAPSHOT_NOT_FOUND", "vm",
                     "moref=" + fake.vms["a"]["moref"], "snapshot-99999")
        client.fails("INVALID_ARGUMENT", "vm", "x.vmx?dcPath=DC0", "")
        client.fails("INVALID_ARGUMENT", "vm", "a\x01b", "")


@suite.case("an id is not taken for another kind of object")
def _():
    with FakeVsphere(machines()) as fake, Client(fake) as client:
        try:
            client.do("vm", "moref=" + fake.host["moref"], "")
        except Failed:
            return
        raise Failed("a host was taken for a machine")


suite.run()
