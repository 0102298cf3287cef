#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""What fakevsphere does, seen by a client that shares nothing with it."""
import contextlib
import hashlib
import os
import socket
import struct
import sys
import urllib.parse
import zlib

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../support"))

from nfc_client import (  # noqa: E402
    FASTLZ, NONE, READ_WRITE, SKIPZ, ZLIB, Authd, NfcClient, Refused,
    any_certificate, get_ticket)
from soap_client import (  # noqa: E402
    Fault, SoapClient, element, reference)
from tap import Suite  # noqa: E402
from tools import Failed, scratch  # noqa: E402
from vsphere_fake import FakeVsphere, disk, rule, vm  # noqa: E402

MIB = 1 << 20
SIZE = 3 * MIB
ODD = 'd&<>"%+é'
suite = Suite()


def pattern():
    """Text that shrinks, noise that does not, and holes."""
    text = b"".join(b"%08d some words to pack\n" % i for i in range(20000))
    noise = b"".join(hashlib.sha512(b"%d" % i).digest() for i in range(4096))
    data = bytearray(SIZE)
    data[:300000] = text[:300000]
    data[MIB:MIB + len(noise)] = noise
    data[2 * MIB + 5:2 * MIB + 9] = b"here"
    return bytes(data)


CONTENT = pattern()


class World:
    """One fake for most cases, made by the first that needs it."""

    def __init__(self):
        self.stack = contextlib.ExitStack()
        self.made = None

    def __call__(self):
        if not self.made:
            directory = self.stack.enter_context(scratch())
            content = os.path.join(directory, "content")
            with open(content, "wb") as file:
                file.write(CONTENT)
            # Off, on with changes tracked, with names that need care.
            self.made = self.stack.enter_context(FakeVsphere([
                vm("off", [disk(content=content, name="off.vmdk",
                                ddb={"adapterType": "lsilogic"}),
                           disk(capacity=MIB, kind="thick")]),
                vm("on", [disk(content=content)], on=True, cbt=True),
                vm(ODD, [disk(capacity=MIB)]),
            ], check=False))
        self.made.knobs(**self.defaults)
        return self.made

    defaults = {"soap_rules": [], "nfc_rules": [], "fragment": 0,
                "fragment_order": "", "reply_order": "", "compression": "",
                "latency_ms": 0, "banner": "", "session_calls": 0,
                "folder_calls": 0, "ticket_thumbprint": "", "nfc_digest": ""}


world = World()


@contextlib.contextmanager
def logged_in(fake):
    client = SoapClient(fake.port)
    try:
        client.login(fake.user, fake.password)
        yield client
        client.call("Logout", client.content["sessionManager"])
    finally:
        client.close()


@contextlib.contextmanager
def nfc_of(fake, name, operation="NfcGetVmFiles", **options):
    """A session, and the first disk of a VM."""
    machine = fake.vms[name]
    with logged_in(fake) as client:
        key = machine["disks"][0]["key"]
        ticket = get_ticket(client, machine["moref"], operation,
                            None if operation == "NfcGetVmFiles" else key)
    nfc = NfcClient(ticket, **options)
    try:
        yield nfc, machine["disks"][0]["path"]
    finally:
        nfc.close()


def refused(code, func, *args):
    try:
        func(*args)
    except Refused as error:
        assert error.code == code, error
        return
    raise Failed("not refused")


def faults(kind, func, *args):
    try:
        func(*args)
    except Fault as fault:
        assert fault.kind == kind, fault
        return
    raise Failed("no fault")


# -- SOAP ---------------------------------------------------------------------

@suite.case("login, inventory with odd names, logout")
def _():
    fake = world()
    with logged_in(fake) as client:
        for name, machine in fake.vms.items():
            ref = ("VirtualMachine", machine["moref"])
            assert client.get(ref, "name") == name
            found = client.call(
                "FindByInventoryPath", client.content["searchIndex"],
                element("inventoryPath", machine["path"])).find("returnval")
            assert found.text == machine["moref"], name
            devices = client.get(ref, "config.hardware.device")
            paths = [n.text for n in devices.iter("fileName")]
            assert paths == [d["path"] for d in machine["disks"]], paths
    assert fake.log("soap", op="Logout", result="ok")


@suite.case("another password is refused")
def _():
    client = SoapClient(world().port)
    faults("InvalidLogin", client.login, "nobody", "nothing")
    client.close()


@suite.case("a session that is over is NotAuthenticated, and may log in again")
def _():
    fake = world()
    client = SoapClient(fake.port)
    client.login(fake.user, fake.password)
    fake.expire_sessions()
    faults("NotAuthenticated", client.get,
           ("VirtualMachine", fake.vms["off"]["moref"]), "name")
    client.login(fake.user, fake.password)
    assert client.get(("VirtualMachine", fake.vms["off"]["moref"]),
                      "name") == "off"
    client.close()


@suite.case("the descriptor and the flat file are on the datastore")
def _():
    fake = world()
    machine = fake.vms["off"]["disks"][0]
    with open(machine["flat"], "rb") as file:
        assert file.read() == CONTENT
    assert machine["capacity"] == SIZE
    blocks = os.stat(machine["flat"]).st_blocks * 512
    assert blocks < SIZE, "holes were filled"


@suite.case("methods that are disabled do not run")
def _():
    fake = world()
    with logged_in(fake) as client:
        ref = ("VirtualMachine", fake.vms["off"]["moref"])
        manager = client.content["authorizationManager"]

        def disable(who):
            client.call("DisableMethods", manager, reference("entity", ref),
                        "<method><method>RelocateVM_Task</method>"
                        "<reasonId>backup</reasonId></method>",
                        element("sourceId", who),
                        space="urn:internalvim25")

        disable("vdisk")
        faults("MethodAlreadyDisabledFault", disable, "another")
        assert fake.state()["disabled"][ref[1]] == ["RelocateVM_Task"]
        faults("MethodDisabled", client.run, "RelocateVM_Task", ref,
               "<spec></spec>")
        client.call("EnableMethods", manager, reference("entity", ref),
                    element("method", "RelocateVM_Task"),
                    element("sourceId", "vdisk"), space="urn:internalvim25")
        assert ref[1] not in fake.state()["disabled"]


@suite.case("a fault, a failing task, a slow task, a status, as rules say")
def _():
    fake = world()
    ref = ("VirtualMachine", fake.vms["off"]["moref"])
    with logged_in(fake) as client:
        fake.knobs(soap_rules=[
            rule("CurrentTime", "fault", fault="InvalidState", times=1),
            rule("PowerOnVM_Task", "task-fault", fault="FileLocked", times=1,
                 message="it is locked"),
            rule("PowerOnVM_Task", "task-slow", ms=150, times=1)])
        instance = ("ServiceInstance", "ServiceInstance")
        faults("InvalidState", client.call, "CurrentTime", instance)
        client.call("CurrentTime", instance)
        faults("FileLocked", client.run, "PowerOnVM_Task", ref)
        task = client.start("PowerOnVM_Task", ref)
        assert client.get(task, "info.state") == "running"
        client.wait(task)
        client.run("PowerOffVM_Task", ref)


@suite.case("garbage is what rules say it is")
def _():
    fake = world()
    client = SoapClient(fake.port)
    marks = {"bomb": b"<!ENTITY", "deep": b"<a><a><a>", "wide": b"<a/><a/>",
             "not-xml": b"", "empty": b"", "truncated": b"<soapenv"}
    for kind, mark in marks.items():
        fake.knobs(soap_rules=[rule("*", kind)])
        _, _, body = client.request("POST", "/sdk", b"<x/>")
        assert mark in body, (kind, body[:200])
    fake.knobs(soap_rules=[rule("*", "status", status=503, message="later")])
    assert client.request("POST", "/sdk", b"<x/>")[0] == 503
    client.close()


@suite.case("a session ends after as many calls as a knob says; clones live on")
def _():
    fake = world()
    client, other = SoapClient(fake.port), SoapClient(fake.port)
    client.login(fake.user, fake.password)
    manager = client.content["sessionManager"]
    ticket = client.call("AcquireCloneTicket", manager).findtext("returnval")
    other.call("CloneSession", manager, element("cloneTicket", ticket))
    instance = ("ServiceInstance", "ServiceInstance")
    fake.knobs(session_calls=1)
    faults("NotAuthenticated", client.call, "CurrentTime", instance)
    other.call("CurrentTime", instance)
    faults("NotAuthenticated", other.call, "CurrentTime", instance)
    client.close()
    other.close()


@suite.case("a first class disk has files")
def _():
    fake = world()
    with logged_in(fake) as client:
        manager = client.content["vStorageObjectManager"]
        spec = ("<spec xmlns:xsi='http://www.w3.org/2001/XMLSchema-instance'>"
                "<name>first</name><backingSpec xsi:type="
                "'VslmCreateSpecDiskFileBackingSpec'>%s<provisioningType>thin"
                "</provisioningType></backingSpec><capacityInMB>2"
                "</capacityInMB></spec>" % reference(
                    "datastore", ("Datastore", fake.datastore["moref"])))
        info = client.run("CreateDisk_Task", manager, spec)
        path = info.findtext("result/config/backing/filePath")
        assert fake.guest_read(path, 2 * MIB - 512, 512) == bytes(512)


# -- /folder ------------------------------------------------------------------

def folder_url(fake, path, twice=True):
    quote = urllib.parse.quote
    query = {}
    for key, what in (("dcPath", "datacenter"), ("dsName", "datastore")):
        name = quote(getattr(fake, what)["name"], safe="")
        query[key] = quote(name, safe="") if twice else name
    return "/folder/%s?dcPath=%s&dsName=%s" % (
        quote(path.split("] ", 1)[1]), query["dcPath"], query["dsName"])


@suite.case("/folder wants a session, gives ranges, takes whole files")
def _():
    fake = world()
    url = folder_url(fake, fake.vms["off"]["disks"][0]["path"])
    flat = url.replace(".vmdk", "-flat.vmdk")
    stranger = SoapClient(fake.port)
    assert stranger.request("GET", flat)[0] == 401
    stranger.close()
    with logged_in(fake) as client:
        status, _, body = client.request("GET", url)
        assert status == 200 and b'VMFS "off-flat.vmdk"' in body
        status, headers, body = client.request(
            "GET", flat, headers={"Range": "bytes=1000-2999"})
        assert status == 206 and body == CONTENT[1000:3000]
        assert headers["Content-Range"] == "bytes 1000-2999/%d" % SIZE
        new = url.replace("off.vmdk", "new.bin")
        assert client.request("PUT", new, b"12345")[0] == 201
        assert client.request("GET", new)[2] == b"12345"
        assert client.request(
            "PUT", new, b"1", {"Content-Range": "bytes 0-0/5"})[0] == 501
        assert client.request("GET", url.replace("off.vmdk", "no"))[0] == 404
        fake.knobs(folder_calls=1)
        assert client.request("GET", new)[0] == 401
        fake.knobs(folder_calls=0)
        client.login(fake.user, fake.password)


@suite.case("a running VM's flat file is locked, except through its host")
def _():
    fake = world()
    url = folder_url(fake, fake.vms["on"]["disks"][0]["path"])
    flat = url.replace(".vmdk", "-flat.vmdk")
    with logged_in(fake) as client:
        assert client.request("GET", flat)[0] == 500
        spec = "<spec xmlns:xsi='http://www.w3.org/2001/XMLSchema-instance' " \
            "xsi:type='SessionManagerHttpServiceRequestSpec'>%s%s</spec>" % (
                element("method", "httpGet"),
                element("url", "https://127.0.0.1:%d%s" % (fake.port, flat)))
        answer = client.call("AcquireGenericServiceTicket",
                             client.content["sessionManager"], spec)
        found = answer.find("returnval")
        assert found.findtext("sslThumbprint") == fake.thumbprint
        cookie = {"Cookie": "vmware_cgi_ticket=" + found.findtext("id")}
        assert client.request("GET", flat, headers=cookie)[0] == 200
        assert client.request("GET", url, headers=cookie)[0] == 401


# -- tickets and authd --------------------------------------------------------

@suite.case("a ticket works once")
def _():
    fake = world()
    with logged_in(fake) as client:
        ticket = get_ticket(client, fake.vms["off"]["moref"], "NfcGetVmFiles")
    assert ticket["service"] == "vpxa-nfc"
    assert ticket["sslThumbprint"] == fake.host_thumbprint
    NfcClient(ticket).finish()
    authd = Authd(ticket)
    authd.say("SESSION " + ticket["sessionId"], answered=False)
    assert authd.say("PROXY vpxa-nfc") == "530 Login incorrect"
    authd.close()


@suite.case("banners and digests as the knobs say")
def _():
    fake = world()
    for banner, inside in (("no-sha256", "SSL Required"),
                           ("hello", "hello")):
        fake.knobs(banner=banner)
        with socket.create_connection(("127.0.0.1", fake.authd_port)) as sock:
            assert inside in Authd.line(sock)
            assert "SHA256" not in inside
    fake.knobs(banner="", ticket_thumbprint="wrong")
    with logged_in(fake) as client:
        ticket = get_ticket(client, fake.vms["off"]["moref"], "NfcGetVmFiles")
    assert ticket["sslThumbprint"] != fake.host_thumbprint
    fake.knobs(ticket_thumbprint="")


@suite.case("old authd: THUMBPRINT, and SESSION and PROXY alone")
def _():
    fake = world()
    fake.knobs(authd_refuses_sha2=True)
    with logged_in(fake) as client:
        tickets = [get_ticket(client, fake.vms["off"]["moref"],
                              "NfcGetVmFiles") for _ in range(2)]
    for ticket, digests in zip(tickets, (True, False)):
        authd = Authd(ticket)
        authd.say("SESSION " + ticket["sessionId"], answered=False)
        if digests:
            assert authd.say("THUMBPRINT_SHA2 PlainText").startswith("530")
            assert authd.say("THUMBPRINT PlainText") == \
                "200 " + fake.nfc_thumbprint
        assert authd.say("PROXY vpxa-nfc") == "200 Connect ha-nfc"
        authd.close()
    fake.knobs(authd_refuses_sha2=False)


# -- NFC ----------------------------------------------------------------------

@suite.case("the dossier's bytes: read of 60, fragments of 129 sectors, write")
def _():
    fake = world()
    with nfc_of(fake, "off", "NfcRandomAccessOpenDisk") as (nfc, path):
        handle = nfc.open(path, READ_WRITE)
        vector = bytes.fromhex(
            "7ada00a1 07000000 2c000000" + "00000000" +
            "0000000000000000 01000000 00000000 0000000000000000"
            "00020000 00000000 00020000 00020000 00000000")
        raw = bytearray(vector)
        struct.pack_into("<I", raw, 12, nfc.operation)
        struct.pack_into("<Q", raw, 16, handle)
        assert len(raw) == 60
        nfc.socket.sendall(raw)
        head = nfc.receive(60)
        assert head[:12] == vector[:12]
        assert head[12:16] == struct.pack("<I", nfc.operation)
        assert head[16:] == vector[16:], "the handle is 0 in replies"
        assert nfc.receive(512) == CONTENT[:512]
        nfc.operation += 1

        seen = []
        assert nfc.read(handle, 0, 129 * 512, seen=seen) == CONTENT[:129 * 512]
        assert seen == [(NONE, 0, 65536), (NONE, 65536, 512)], seen

        # 16 + 44 + 512 = 572 bytes.
        new = b"\xa5" * 512
        frame = struct.pack("<IIII", 0xA100DA7A, 7, 44, nfc.operation) + \
            struct.pack("<QIIQIIIII", handle, 0, 0, 1024, 512, 0, 512, 512, 0) \
            + new
        assert len(frame) == 572
        nfc.socket.sendall(frame)
        ack = nfc.receive(60)
        assert ack[:12] == vector[:12]
        nfc.operation += 1
        assert nfc.read(handle, 1024, 512) == new
        with open(fake.vms["off"]["disks"][0]["flat"], "rb") as file:
            file.seek(1024)
            assert file.read(512) == new
        nfc.write(handle, 1024, CONTENT[1024:1536])
        nfc.close_file(handle)
        nfc.finish()


@suite.case("nbdssl: a second TLS session with its own certificate")
def _():
    fake = world()
    with nfc_of(fake, "off", over_tls=True) as (nfc, path):
        handle = nfc.open(path)
        assert nfc.capacity == SIZE
        assert nfc.read(handle, 0, SIZE) == CONTENT
        nfc.close_file(handle)
        nfc.finish()
    assert fake.log("nfc", event="proxy", service="vpxa-nfcssl",
                    mode="read-only")


@suite.case("reads in every compression, fragments turned round")
def _():
    fake = world()
    fake.knobs(fragment_order="reversed")
    with nfc_of(fake, "off") as (nfc, path):
        handle = nfc.open(path)
        for kind in (NONE, ZLIB, FASTLZ, SKIPZ):
            seen = []
            assert nfc.read(handle, 0, SIZE, kind, seen) == CONTENT, kind
            assert {s[0] for s in seen} == {NONE, kind}
            assert seen[0][1] > seen[-1][1]
            assert nfc.read(handle, 512, 4096, kind) == CONTENT[512:4608]
        fake.knobs(compression="alternate")
        seen = []
        nfc.read(handle, 0, 262144, ZLIB, seen)
        assert sorted(s[0] for s in seen) == [NONE, NONE, ZLIB, ZLIB]
        fake.knobs(compression="never", fragment=1000)
        seen = []
        assert nfc.read(handle, 0, 4096, ZLIB, seen) == CONTENT[:4096]
        assert [s[2] for s in seen] == [96, 1000, 1000, 1000, 1000]


def pack_zlib(part):
    packed = zlib.compress(part, 1)
    return (ZLIB, packed) if len(packed) < len(part) else (NONE, part)


def pack_skipz(part):
    """One run; the fragment's ends are zeros."""
    body = part.strip(b"\0")
    at = part.index(body) if body else 0
    run = struct.pack("<II", at, len(body)) + body if body else b""
    return SKIPZ, struct.pack("<II", len(part), 0) + run


def pack_fastlz(part):
    """A literal, and matches of it: one byte again and again."""
    assert part == part[:1] * len(part)
    rest = len(part) - 1 - 1
    more = rest - 9
    return FASTLZ, bytes([1 << 5, part[0], 7 << 5]) + b"\xff" * (
        more // 255) + bytes([more % 255, 0]) + bytes([0, part[0]])


@suite.case("writes in every compression land in the flat file")
def _():
    fake = world()
    with nfc_of(fake, "off", "NfcRandomAccessOpenDisk") as (nfc, path):
        handle = nfc.open(path, READ_WRITE)
        zeros = bytes(1000)
        for pack, data in ((pack_zlib, b"again and again " * 10000),
                           (pack_skipz, zeros + b"x" * 70000 + bytes(9512)),
                           (pack_fastlz, b"q" * 65536)):
            data = data[:len(data) // 512 * 512]
            nfc.write(handle, 2 * MIB + 4096, data, pack)
            assert nfc.read(handle, 2 * MIB + 4096, len(data)) == data
        nfc.write(handle, 2 * MIB, CONTENT[2 * MIB:])
        assert nfc.read(handle, 0, SIZE) == CONTENT


@suite.case("many in flight wait together and come back in another order")
def _():
    fake = world()
    fake.knobs(latency_ms=100, reply_order="reversed")
    with nfc_of(fake, "off", "NfcRandomAccessOpenDisk") as (nfc, path):
        handle = nfc.open(path, READ_WRITE)
        reads = [nfc.send_read(handle, 512 * i, 512) for i in range(63)]
        write = nfc.send_write(handle, 2 * MIB + 512, bytes(512))
        order = []
        for _ in range(64):
            kind, number, payload = nfc.frame()
            order.append(number)
            assert kind == 7
            if number != write:
                at = 512 * reads.index(number)
                assert nfc.receive(512) == CONTENT[at:at + 512]
        # Which one after the other they could not.
        assert sorted(order) == reads + [write] and order != sorted(order)


@suite.case("database, allocation, and what is refused")
def _():
    fake = world()
    with nfc_of(fake, "off") as (nfc, path):
        refused(0x0b, nfc.open, path, READ_WRITE)
        refused(4, nfc.open, path.replace("off.vmdk", "no.vmdk"))
        refused(4, nfc.open, fake.vms["on"]["disks"][0]["path"])
        handle = nfc.open(path)
        assert nfc.database(handle, "adapterType") == "lsilogic"
        assert nfc.database(handle, "uuid").startswith("60 00 C2 9")
        assert nfc.database(handle, "isDigest") is None
        chunks = nfc.allocated(handle, 65536, 0, SIZE // 65536)
        zero = [i for i in range(SIZE // 65536)
                if not any(CONTENT[i * 65536:i * 65536 + 65536])]
        assert not set(zero) & set(chunks[:0]) and chunks
        assert all(i in chunks for i in range(SIZE // 65536) if i not in zero)
        assert len(chunks) < SIZE // 65536
        refused(0x0b, nfc.write, handle, 0, bytes(512))
        refused(6, nfc.ask, 10, bytes(16))  # GET_FILE_INFO
    fake.knobs(memory=1 * MIB)
    with logged_in(fake) as client:
        ticket = get_ticket(client, fake.vms["off"]["moref"], "NfcGetVmFiles")
    refused(2, lambda: NfcClient(ticket, buffer=MIB))
    fake.knobs(memory=48 * MIB)


@suite.case("a running VM: only below a snapshot, which keeps its bytes")
def _():
    fake = world()
    machine = fake.vms["on"]
    ref = ("VirtualMachine", machine["moref"])
    base = machine["disks"][0]["path"]
    with nfc_of(fake, "on") as (nfc, path):
        refused(0x0f, nfc.open, path)
    with logged_in(fake) as client:
        first = client.get(ref, "config.hardware.device").findtext(
            ".//changeId")
        fake.guest_write(base, 65536, b"1" * 512)
        info = client.run("CreateSnapshot_Task", ref, element("name", "s"),
                          element("memory", False), element("quiesce", False))
        snapshot = (info.find("result").get("type"), info.findtext("result"))
        leaf = fake.state()["vms"]["on"]["disks"][0]["path"]
        assert leaf.endswith("-000001.vmdk"), leaf
        device = client.get(ref, "config.hardware.device")
        assert [n.text for n in device.iter("fileName")] == [leaf, base]
        frozen = client.get(snapshot, "config.hardware.device")
        assert [n.text for n in frozen.iter("fileName")] == [base]

        fake.guest_write(leaf, 0, b"2" * 1024)
        assert fake.guest_read(leaf, 0, 1536) == \
            b"2" * 1024 + CONTENT[1024:1536]
        with nfc_of(fake, "on") as (nfc, _):
            refused(0x0f, nfc.open, leaf)
            handle = nfc.open(base)
            assert nfc.read(handle, 0, 512) == CONTENT[:512]
            assert nfc.read(handle, 65536, 512) == b"1" * 512

        def changed(*inner):
            answer = client.call(
                "QueryChangedDiskAreas", ref, *inner).find("returnval")
            return [(int(a.findtext("start")), int(a.findtext("length")))
                    for a in answer.iter("changedArea")]

        key = element("deviceKey", machine["disks"][0]["key"])
        start = element("startOffset", 0)
        assert changed(reference("snapshot", snapshot), key, start,
                       element("changeId", first)) == [(65536, 65536)]
        second = frozen.findtext(".//changeId")
        assert changed(key, start, element("changeId", second)) == \
            [(0, 65536)]
        everything = changed(reference("snapshot", snapshot), key, start,
                             element("changeId", "*"))
        assert everything and sum(a[1] for a in everything) < SIZE

        client.run("RemoveSnapshot_Task", snapshot,
                   element("removeChildren", False))
        assert fake.state()["vms"]["on"]["disks"][0]["path"] == base
        assert fake.guest_read(base, 0, 1024) == b"2" * 1024


@suite.case("two snapshots, and the merge of what nobody needs")
def _():
    fake = world()
    machine = fake.vms["off"]
    ref = ("VirtualMachine", machine["moref"])
    base = machine["disks"][0]["path"]

    def leaf():
        return fake.state()["vms"]["off"]["disks"][0]["path"]

    with logged_in(fake) as client:
        made = []
        for data in (b"1", b"2"):
            info = client.run("CreateSnapshot_Task", ref,
                              element("name", "s"), element("memory", False),
                              element("quiesce", False))
            made.append(("VirtualMachineSnapshot", info.findtext("result")))
            fake.guest_write(leaf(), 512 * int(data), data * 512)
        assert leaf() == base.replace("off.vmdk", "off-000002.vmdk")
        lease = client.start("ExportSnapshot", made[1])
        url = urllib.parse.urlsplit(
            client.get(lease, "info").findtext("deviceUrl/url"))
        body = client.request("GET", url.path)[2]
        size = struct.unpack_from("<I", body, 128 * 512 + 8)[0]
        grain = zlib.decompress(body[128 * 512 + 12:][:size])
        assert grain[:1536] == CONTENT[:512] + b"1" * 512 + CONTENT[1024:1536]
        client.call("HttpNfcLeaseAbort", lease)

        client.run("RemoveSnapshot_Task", made[0],
                   element("removeChildren", False))
        device = client.get(made[1], "config.hardware.device")
        assert [n.text for n in device.iter("fileName")][0] == base
        client.run("RemoveSnapshot_Task", made[1],
                   element("removeChildren", False))
        assert leaf() == base
    directory = os.path.dirname(machine["disks"][0]["flat"])
    assert not [n for n in os.listdir(directory) if "-0000" in n]
    assert fake.guest_read(base, 0, 2048) == \
        CONTENT[:512] + b"1" * 512 + b"2" * 512 + CONTENT[1536:2048]
    fake.guest_write(base, 0, CONTENT[:2048])


@suite.case("every way to spoil a read is seen")
def _():
    fake = world()
    honest = (1024, 0, 512, 512)  # total, at, length, extra of the last one
    for kind, wanted in (
            ("too-much", (1024, 512, 1024, 1024)),
            ("too-long", (1024, 512, 512, 0x7ffffff0)),
            ("wrong-offset", (1024, 0x7ffff000, 512, 512)),
            ("wrong-total", (1536, 512, 512, 512)),
            ("zero-length", (1024, 512, 0, 0)),
            ("short", None), ("duplicate", honest)):
        fake.knobs(fragment=512, nfc_rules=[rule("read", kind)])
        with nfc_of(fake, "off") as (nfc, path):
            nfc.send_read(nfc.open(path), 0, 1024)
            frames = [nfc.frame()[2]]
            nfc.receive(512)
            if kind == "duplicate":
                nfc.frame()
                nfc.receive(512)
            if wanted:
                frames.append(nfc.frame()[2])
                assert struct.unpack_from("<IIII", frames[1], 24) == wanted, \
                    (kind, struct.unpack_from("<IIII", frames[1], 24))


@suite.case("accidents: error, cut inside a fragment, bad frames")
def _():
    fake = world()
    with nfc_of(fake, "off") as (nfc, path):
        handle = nfc.open(path)
        fake.knobs(nfc_rules=[rule("io", "error", skip=1, times=1, status=20),
                              rule("read", "wrong-op", skip=2, times=1),
                              rule("read", "bad-magic", skip=3, times=1),
                              rule("read", "cut-inside", skip=4, times=1)])
        nfc.read(handle, 0, 512)
        refused(20, nfc.read, handle, 0, 512)
        # What, and how much of the frame is left then.
        for what, left in ((AssertionError, 0), (AssertionError, 44 + 512),
                           ((EOFError, OSError), 0)):
            try:
                nfc.read(handle, 0, 512)
            except what:
                nfc.receive(left)
            else:
                raise Failed("read as if nothing had happened")


# -- disk manager, leases, HotAdd ---------------------------------------------

@suite.case("the disk manager makes, grows, copies, moves, deletes")
def _():
    fake = world()
    with logged_in(fake) as client:
        manager = client.content["virtualDiskManager"]
        dc = reference("datacenter", ("Datacenter",
                                      fake.datacenter["moref"]))
        name = "[%s] off/made.vmdk" % fake.datastore["name"]
        other = name.replace("made", "other")
        spec = "<spec xmlns:xsi='http://www.w3.org/2001/XMLSchema-instance' " \
            "xsi:type='FileBackedVirtualDiskSpec'><diskType>thin</diskType>" \
            "<adapterType>lsiLogic</adapterType>" \
            "<capacityKb>1024</capacityKb></spec>"
        client.run("CreateVirtualDisk_Task", manager, element("name", name),
                   dc, spec)
        faults("FileAlreadyExists", client.run, "CreateVirtualDisk_Task",
               manager, element("name", name), dc, spec)
        fake.guest_write(name, 4096, b"z" * 512)
        client.run("ExtendVirtualDisk_Task", manager, element("name", name),
                   dc, element("newCapacityKb", 2048))
        assert fake.guest_read(name, 2 * MIB - 512, 512) == bytes(512)
        client.run("CopyVirtualDisk_Task", manager,
                   element("sourceName", name),
                   reference("sourceDatacenter",
                             ("Datacenter", fake.datacenter["moref"])),
                   element("destName", other))
        assert fake.guest_read(other, 4096, 512) == b"z" * 512
        client.run("MoveVirtualDisk_Task", manager,
                   element("sourceName", other),
                   reference("sourceDatacenter",
                             ("Datacenter", fake.datacenter["moref"])),
                   element("destName", other.replace("other", "moved")))
        client.call("SetVirtualDiskUuid", manager, element("name", name), dc,
                    element("uuid", "60 00 C2 91 11 11 11 11-"
                                    "22 22 22 22 22 22 22 22"))
        answer = client.call("QueryVirtualDiskUuid", manager,
                             element("name", name), dc)
        assert answer.findtext("returnval").startswith("60 00 C2 91 11")
        for each in (name, other.replace("other", "moved")):
            client.run("DeleteVirtualDisk_Task", manager,
                       element("name", each), dc)
        faults("FileNotFound", client.run, "DeleteVirtualDisk_Task", manager,
               element("name", name), dc)


def stream_of(data, capacity):
    """A streamOptimized disk with one grain at its start."""
    packed = zlib.compress(data, 1)
    record = struct.pack("<QI", 0, len(packed)) + packed
    record += bytes(-len(record) % 512)
    header = struct.pack("<4sIIQQQQIQQQB4sH", b"KDMV", 3, 0x30001,
                         capacity // 512, 128, 1, 1, 512, 0, 2 ** 64 - 1, 128,
                         0, b"\n \r\n", 1)
    return header.ljust(128 * 512, b"\0") + record + bytes(512)


@suite.case("a lease exports a streamOptimized disk")
def _():
    fake = world()
    with logged_in(fake) as client:
        ref = ("VirtualMachine", fake.vms["off"]["moref"])
        lease = client.start("ExportVm", ref)
        assert client.get(lease, "state") == "ready"
        info = client.get(lease, "info")
        link = info.findtext("deviceUrl/url")
        path = urllib.parse.urlsplit(link).path
        status, _, body = client.request("GET", path)
        assert status == 200 and body[:4] == b"KDMV"
        client.call("HttpNfcLeaseProgress", lease, element("percent", 50))
        client.call("HttpNfcLeaseComplete", lease)
        assert fake.state()["leases"][-1]["percent"] == 50
        assert fake.state()["leases"][-1]["state"] == "done"
        # What we write ourselves is a stream for certain.
        at = 128 * 512
        lba, size = struct.unpack_from("<QI", body, at)
        assert lba == 0
        assert zlib.decompress(body[at + 12:at + 12 + size]) == CONTENT[:65536]
        assert body[-512:] == bytes(512)


@suite.case("a lease imports one")
def _():
    fake = world()
    with logged_in(fake) as client:
        pool = client.get(("VirtualMachine", fake.vms["off"]["moref"]),
                          "resourcePool")
        folder = client.get(("Datacenter", fake.datacenter["moref"]),
                            "vmFolder")
        xsi = "xmlns:xsi='http://www.w3.org/2001/XMLSchema-instance' "
        spec = ("<spec %sxsi:type='VirtualMachineImportSpec'><configSpec>"
                "<name>imported</name><guestId>otherGuest</guestId>"
                "<files><vmPathName>[%s]</vmPathName></files>"
                "<deviceChange><operation>add</operation>"
                "<device xsi:type='VirtualLsiLogicController'><key>1000</key>"
                "<busNumber>0</busNumber><sharedBus>noSharing</sharedBus>"
                "</device></deviceChange><deviceChange>"
                "<operation>add</operation><fileOperation>create"
                "</fileOperation><device xsi:type='VirtualDisk'><key>-1</key>"
                "<backing xsi:type='VirtualDiskFlatVer2BackingInfo'><fileName>"
                "</fileName><diskMode>persistent</diskMode></backing>"
                "<controllerKey>1000</controllerKey><unitNumber>0</unitNumber>"
                "<capacityInKB>1024</capacityInKB></device></deviceChange>"
                "</configSpec></spec>" % (xsi, fake.datastore["name"]))
        lease = client.start("ImportVApp", pool, spec,
                             reference("folder", folder))
        assert client.get(lease, "state") == "ready"
        info = client.get(lease, "info")
        path = urllib.parse.urlsplit(info.findtext("deviceUrl/url")).path
        data = b"imported" * 8192
        status, _, body = client.request(
            "POST", path, stream_of(data, MIB),
            {"Content-Type": "application/x-vnd.vmware-streamVmdk",
             "Overwrite": "t"})
        assert status in (200, 201), body
        client.call("HttpNfcLeaseComplete", lease)
        made = fake.state()["vms"]["imported"]["disks"][0]
        assert made["capacity"] == MIB
        assert fake.guest_read(made["path"], 0, 65536) == data
        assert fake.guest_read(made["path"], 65536, 512) == bytes(512)


def attach_spec(path, mode, unit, capacity):
    return ("<spec xmlns:xsi='http://www.w3.org/2001/XMLSchema-instance'>"
            "<deviceChange><operation>add</operation>"
            "<device xsi:type='VirtualDisk'><key>-1</key>"
            "<backing xsi:type='VirtualDiskFlatVer2BackingInfo'><fileName>%s"
            "</fileName><diskMode>%s</diskMode></backing>"
            "<controllerKey>1000</controllerKey><unitNumber>%d</unitNumber>"
            "<capacityInKB>%d</capacityInKB></device></deviceChange></spec>"
            % (path, mode, unit, capacity // 1024))


def detach_spec(key):
    return ("<spec xmlns:xsi='http://www.w3.org/2001/XMLSchema-instance'>"
            "<deviceChange><operation>remove</operation>"
            "<device xsi:type='VirtualDisk'><key>%s</key></device>"
            "</deviceChange></spec>" % key)


@suite.case("HotAdd: a disk comes and goes in the guest's tree")
def _():
    with scratch() as directory:
        content = os.path.join(directory, "content")
        with open(content, "wb") as file:
            file.write(CONTENT)
        tree = os.path.join(directory, "tree")
        machines = [vm("proxy", [disk(capacity=MIB)], on=True,
                       enable_uuid=True, controller="pvscsi"),
                    vm("target", [disk(content=content)])]
        with FakeVsphere(machines, proxy="proxy", hotadd=tree) as fake:
            hot_add(fake, tree)


def hot_add(fake, tree):
    path = os.path.join
    proxy = ("VirtualMachine", fake.vms["proxy"]["moref"])
    target = fake.vms["target"]["disks"][0]
    assert os.path.exists(path(tree, "sys/bus/scsi/devices/2:0:0:0"))
    with open(path(tree, "sys/bus/pci/slots/160/address"),
              encoding="ascii") as file:
        assert file.read() == "0000:03:00\n"
    device = path(tree, "sys/bus/scsi/devices/2:0:3:0")
    for mode in ("independent_nonpersistent", "persistent"):
        with logged_in(fake) as client:
            client.run("ReconfigVM_Task", proxy, attach_spec(
                target["path"], mode, 3, SIZE))
            fake.wait_for("hotadd", event="appeared", path=target["path"])
            node = os.listdir(path(device, "block"))[0]
            with open(path(tree, "sys/class/block", node, "size"),
                      encoding="ascii") as file:
                assert int(file.read()) == SIZE // 512
            with open(path(device, "wwid"), encoding="ascii") as file:
                assert file.read() == "naa.%s\n" % target["uuid"].lower()
            with open(path(tree, "dev", node), "r+b") as file:
                assert file.read() == CONTENT
                file.seek(512)
                file.write(b"w" * 512)
            with open(path(device, "delete"), "w", encoding="ascii") as file:
                file.write("1")
            fake.wait_for("hotadd", event="deleted")
            devices = client.get(proxy, "config.hardware.device")
            key = [d.findtext("key") for d in devices
                   if d.findtext("backing/fileName") == target["path"]][0]
            client.run("ReconfigVM_Task", proxy, detach_spec(key))
            assert not os.path.lexists(device)
            assert not os.path.lexists(path(tree, "dev", node))
        with open(target["flat"], "rb") as file:
            file.seek(512)
            kept = file.read(512) == b"w" * 512
        assert kept == (mode == "persistent"), mode


@suite.case("HotAdd: late, never, wrong, two at once; with its controller")
def _():
    with scratch() as directory:
        tree = os.path.join(directory, "tree")
        machines = [vm("proxy", [disk(capacity=MIB)], on=True,
                       enable_uuid=True),
                    vm("target", [disk(capacity=MIB)])]
        with FakeVsphere(machines, proxy="proxy", hotadd=tree) as fake:
            hot_accidents(fake, tree)


def hot_accidents(fake, tree):
    proxy = ("VirtualMachine", fake.vms["proxy"]["moref"])
    target = fake.vms["target"]["disks"][0]
    scsi = os.path.join(tree, "sys/bus/scsi/devices")
    controller = ("<deviceChange><operation>add</operation><device xsi:type="
                  "'ParaVirtualSCSIController'><key>-101</key><busNumber>1"
                  "</busNumber><sharedBus>noSharing</sharedBus></device>"
                  "</deviceChange>")
    spec = attach_spec(target["path"], "persistent", 2, MIB)
    with logged_in(fake) as client:
        def attach(text, **values):
            fake.knobs(**values)
            client.run("ReconfigVM_Task", proxy, text)
            devices = client.get(proxy, "config.hardware.device")
            return [d for d in devices if d.findtext("backing/fileName") ==
                    target["path"]][0]

        def detach(device):
            client.run("ReconfigVM_Task", proxy,
                       detach_spec(device.findtext("key")))

        device = attach(spec, hotadd="never")
        assert os.listdir(scsi) == ["2:0:0:0"]
        detach(device)
        device = attach(spec, hotadd="two", hotadd_delay_ms=50)
        fake.wait_for("hotadd", event="appeared", device="2:0:3:0")
        assert sorted(os.listdir(scsi)) == ["2:0:0:0", "2:0:2:0", "2:0:3:0"]
        detach(device)
        fake.wait_for("hotadd", event="gone", device="2:0:3:0")
        device = attach(spec, hotadd="wrong-size", hotadd_delay_ms=0)
        node = os.listdir(os.path.join(scsi, "2:0:2:0/block"))[0]
        with open(os.path.join(tree, "sys/class/block", node, "size"),
                  encoding="ascii") as file:
            assert int(file.read()) == MIB // 512 + 1
        detach(device)
        device = attach(
            spec.replace("<deviceChange>", controller + "<deviceChange>")
            .replace("<controllerKey>1000", "<controllerKey>-101"), hotadd="")
        assert int(device.findtext("controllerKey")) > 0
        assert os.path.exists(os.path.join(scsi, "3:0:2:0"))
        assert os.path.exists(os.path.join(tree, "sys/bus/pci/slots/192"))
        fake.knobs(hotadd="stays")
        detach(device)
        assert os.path.exists(os.path.join(scsi, "3:0:2:0"))


# -- ESXi, and the end --------------------------------------------------------

@suite.case("an ESXi host: its own names, tickets without a host")
def _():
    with FakeVsphere([vm("a", [disk(capacity=MIB)])], api="esx") as fake:
        assert fake.api_type == "HostAgent"
        with logged_in(fake) as client:
            assert client.content["sessionManager"][1] == "ha-sessionmgr"
            ticket = get_ticket(client, fake.vms["a"]["moref"],
                                "NfcGetVmFiles")
        assert "host" not in ticket and ticket["service"] == "nfc"
        nfc = NfcClient(ticket, port=fake.authd_port)
        handle = nfc.open(fake.vms["a"]["disks"][0]["path"])
        assert nfc.read(handle, 0, 512) == bytes(512)
        nfc.close_file(handle)
        nfc.finish()
        root = fake.path("root")
        fake.process.stdin.close()
        assert fake.process.wait(120) == 0
        assert not os.path.exists(root), os.listdir(root)


@suite.case("no line of the log has a password or a ticket")
def _():
    fake = world()
    with logged_in(fake) as client:
        ticket = get_ticket(client, fake.vms["off"]["moref"], "NfcGetVmFiles")
        cookie = client.cookie.split('"')[1]
    with open(fake.log_file, encoding="utf-8") as file:
        text = file.read()
    for secret in (fake.password, ticket["sessionId"], cookie):
        assert secret not in text


@suite.case("no case above has done what a client may not, but on purpose")
def _():
    found = {line["what"] for line in world().violations()}
    assert found <= set(), found


with world.stack:
    suite.run()
