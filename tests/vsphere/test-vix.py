#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""test-vix - disks of servers through libvixDiskLib: vdisk-vixsample reads and
writes them, and gets the numbers of VixDiskLib for what goes wrong."""
import os
import random
import re
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../support"))

from tap import Suite  # noqa: E402
from tools import VDISK_IMG, Failed, run, scratch  # noqa: E402
from vix_sample import vixsample_run  # noqa: E402
from vsphere_do import Client  # noqa: E402
from vsphere_fake import PASSWORD, FakeVsphere, disk, rule, vm  # noqa: E402

MIB = 1 << 20
SIZE = 2 * MIB
SECTORS = SIZE // 512

suite = Suite()


def expect(condition, what):
    if not condition:
        raise Failed(str(what))


class World:
    def __init__(self, folder, on=False, **options):
        self.raw = os.path.join(folder, "content.raw")
        with open(self.raw, "wb") as file:
            file.write(random.Random(5).randbytes(SIZE))
        ddb = {"adapterType": "lsilogic", "geometry.biosHeads": "255"}
        self.fake = FakeVsphere([vm("a", disks=[disk(content=self.raw,
                                                     ddb=ddb)], on=on)],
                                **options)
        self.vm = "moref=" + self.fake.vms["a"]["moref"]
        self.disk = self.fake.vms["a"]["disks"][0]["path"]

    def __enter__(self):
        self.fake.__enter__()
        return self

    def __exit__(self, *rest):
        return self.fake.__exit__(*rest)

    def run(self, *arguments, path=None, **options):
        how = {"host": self.fake.address, "port": self.fake.port,
               "user": self.fake.user, "password": PASSWORD,
               "thumb": self.fake.thumbprint, "vm": self.vm, **options}
        argv = list(arguments)
        for name, value in how.items():
            if value is not None:
                argv += ["-" + name, str(value)]
        result = vixsample_run("-verbose", *argv, path or self.disk)
        said = result.stdout + result.stderr
        if PASSWORD.encode() in said:
            raise Failed("the password has been told: %r" % said)
        return result

    def does(self, *arguments, **options):
        result = self.run(*arguments, **options)
        expect(result.code == 0, result)
        return result.stdout.decode()

    def fails(self, code, *arguments, **options):
        result = self.run(*arguments, **options)
        text = result.stderr.decode()
        expect(result.code == 1 and re.search(r"\b%d\b" % code, text), result)
        return text


@suite.case("what a disk is, over nbdssl and nbd")
def _():
    with scratch() as tmp, World(tmp) as w:
        for modes in ("nbdssl", "nbd", "file:san:nbdssl:nbd"):
            text = w.does("-info", mode=modes)
            expect("%d" % SECTORS in text or "%d" % SIZE in text, text)
        expect(w.fake.state()["sessions"] == 0, "logged out")


@suite.case("access is prepared before and given back at the end")
def _():
    with scratch() as tmp, World(tmp) as w:
        w.does("-info")
        ops = w.fake.ops()
        expect("DisableMethods" in ops and "EnableMethods" in ops, ops)
        expect(ops.index("DisableMethods") < ops.index("EnableMethods"), ops)


@suite.case("what is written is in the disk")
def _():
    with scratch() as tmp, World(tmp) as w:
        w.does("-fill", "-val", "90", "-start", "8", "-count", "100")
        expect(w.fake.guest_read(w.disk, 8 * 512, 100 * 512) ==
               b"\x5a" * (100 * 512), "something else is there")
        with open(w.raw, "rb") as file:
            file.seek(108 * 512)
            behind = file.read(512)
        expect(w.fake.guest_read(w.disk, 108 * 512, 512) == behind,
               "more has changed")


@suite.case("a clone to a server and asynchronous reads of it")
def _():
    with scratch() as tmp, World(tmp) as w:
        source = os.path.join(tmp, "s.vmdk")
        other = os.path.join(tmp, "other.raw")
        with open(other, "wb") as file:
            file.write(random.Random(6).randbytes(SIZE))
        made = run([VDISK_IMG, "convert", "-O", "vmdk", other, source])
        expect(made.code == 0, made)
        w.does("-clone", source)
        with open(other, "rb") as file:
            wanted = file.read()
        expect(w.fake.guest_read(w.disk, 0, SIZE) == wanted, "it differs")
        w.does("-readasyncbench", "128")


@suite.case("modes: none that was not named, and the port that was")
def _():
    with scratch() as tmp, World(tmp) as w:
        text = w.fails(6, "-info", mode="san")
        expect("san: " in text and "nbd: " not in text, text)
        w.fake.knobs(ticket_port="1")
        w.fails(14009, "-info", mode="nbdssl")
        w.does("-info", mode="nbdssl", nfchostport=w.fake.authd_port)


@suite.case("files that others build on are not written to")
def _():
    with scratch() as tmp, World(tmp) as w, Client(w.fake) as client:
        second = [client.do("create-snapshot", w.vm, name)[0][0]
                  for name in ("first", "second")][1]
        fill = ("-fill", "-val", "1", "-count", "1")
        w.fails(15, *fill)
        w.fails(15, *fill, ssmoref=second)
        w.does("-info", ssmoref=second)
        for change in (("-grow", "-cap", "9"), ("-unlink",)):
            w.fails(15, *change)


@suite.case("a disk of a server grows, and another one is removed")
def _():
    with scratch() as tmp, World(tmp) as w, Client(w.fake) as client:
        other = "[%s] a/other.vmdk" % w.fake.datastore["name"]
        slow = rule("ExtendVirtualDisk_Task", "task-slow", ms=100)
        w.fake.knobs(soap_rules=[slow])
        told = w.run("-grow", "-cap", "5")
        expect(told.code == 0 and b"100 %" in told.stdout + told.stderr, told)
        text = w.does("-info", mode="nbd")
        expect(str(5 * MIB // 512) in text or str(5 * MIB) in text, text)
        expect(w.fake.guest_read(w.disk, 0, SIZE) ==
               content_of(w.raw), "the contents are others")
        w.fails(3, "-grow", "-cap", "1")
        w.fails(15, "-unlink")
        w.fake.power("a", True)
        w.fails(15, "-grow", "-cap", "6")
        w.fake.power("a", False)
        client.do("create", w.vm, other, str(MIB), "thin")
        w.does("-unlink", path=other)
        w.fails(4, "-unlink", path=other)
        expect(w.fake.state()["sessions"] == 1, "logged out")


def content_of(path):
    with open(path, "rb") as file:
        return file.read()


@suite.case("the numbers of what goes wrong")
def _():
    with scratch() as tmp, World(tmp) as w:
        store = w.fake.datastore["name"]
        w.fails(3014, "-info", user="nobody")
        w.fails(18000, "-info", thumb="00" * 20)
        w.fails(4000, "-info", vm="moref=vm-99999")
        w.fails(13003, "-info", ssmoref="snapshot-99999", mode="nbd")
        w.fails(4, "-info", path="[%s] a/none.vmdk" % store)
        w.fails(20, "-info", "-single")
        w.fails(20, "-create", path="[%s] a/new.vmdk" % store)
        w.fake.power("a", True)
        w.fails(15, "-info")
        w.fake.power("a", False)
        w.fake.knobs(nfc_rules=[rule("proxy", "refuse",
                                     message="530 Login incorrect")])
        w.fails(14006, "-info", mode="nbd")


@suite.case("a host that does not open the disk: because it is locked, or not")
def _():
    # The fake opens it, and then says that it has not.
    with scratch() as tmp, World(tmp, check=False) as w:
        for status, code in ((0x0f, 15), (9, 7)):
            w.fake.knobs(nfc_rules=[rule("open", "error", status=status)])
            w.fails(code, "-info", mode="nbd")


suite.run()
