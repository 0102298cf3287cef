#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""test-disks - disks of virtual machines: which may be opened, by which
transport, and what is in them."""
import json
import os
import random
import subprocess
import sys
import urllib.parse

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../support"))

from tap import Suite  # noqa: E402
from tools import VDISK_IMG, VDISK_IO, Failed, run, scratch  # noqa: E402
from vsphere_do import Client  # noqa: E402
from vsphere_fake import PASSWORD, FakeVsphere, disk, rule, vm  # noqa: E402

MIB = 1 << 20
SIZE = 2 * MIB

suite = Suite()


def expect(condition, what):
    if not condition:
        raise Failed(str(what))


class World:
    """A server; machine "a" has a disk with known contents."""

    def __init__(self, folder, on=False, **options):
        self.raw = os.path.join(folder, "content.raw")
        with open(self.raw, "wb") as file:
            file.write(random.Random(9).randbytes(SIZE // 2) + bytes(SIZE // 2))
        self.fake = FakeVsphere([vm("a", disks=[disk(content=self.raw)],
                                    on=on)], **options)
        self.vm = "moref=" + self.fake.vms["a"]["moref"]
        self.disk = self.fake.vms["a"]["disks"][0]["path"]

    def __enter__(self):
        self.fake.__enter__()
        return self

    def __exit__(self, *rest):
        return self.fake.__exit__(*rest)

    def url(self, **more):
        """The disk's name, with the password in the environment."""
        keys = {"vm": self.vm, "disk": self.disk, "password_env": "VI_PW",
                "thumbprint": self.fake.thumbprint, **more}
        query = urllib.parse.urlencode(
            {k.replace("_", "-"): v for k, v in keys.items()
             if v is not None}, quote_via=urllib.parse.quote)
        return "vsphere://%s@%s:%d/?%s" % (
            urllib.parse.quote(self.fake.user, safe=""), self.fake.address,
            self.fake.port, query)

    def spec(self, **nfc):
        """The disk as options, with some for the driver below; no blank."""
        keys = {"driver": "vsphere", "server": self.fake.address,
                "port": self.fake.port, "user": self.fake.user,
                "password-env": "VI_PW", "vm": self.vm,
                "thumbprint": self.fake.thumbprint, "transports": "nbdssl"}
        keys.update(("nfc." + k.replace("_", "-"), v) for k, v in nfc.items())
        return "json:" + json.dumps(keys, separators=(",", ":"))

    def img(self, *arguments, **how):
        result = run([VDISK_IMG, *arguments],
                     env=dict(os.environ, VI_PW=PASSWORD), **how)
        said = result.stdout + result.stderr
        if PASSWORD.encode() in said:
            raise Failed("the password has been told: %r" % said)
        return result


@suite.case("over nbdssl and nbd, alone or after others that cannot")
def _():
    with scratch() as tmp, World(tmp) as w, Client(w.fake) as client:
        for modes, used in (("nbdssl", "nbdssl"), ("nbd", "nbd"),
                            ("file:san:nbd:nbdssl", "nbd"), ("", "nbdssl")):
            answer = client.do("open", w.vm, "", w.disk, modes)
            expect(answer == [[used, str(SIZE)]], (modes, answer))
        client.do("open", w.vm, "", "", "nbd")  # the only disk
        client.do("open", w.vm, "", "Hard disk 1", "nbd")


@suite.case("no transport works: the reason of each is told")
def _():
    with scratch() as tmp, World(tmp) as w, Client(w.fake) as client:
        text = client.fails("NOT_IMPLEMENTED", "open", w.vm, "", w.disk,
                            "nowhere:elsewhere")
        expect("nowhere:elsewhere" in text, text)
        client.fails("INVALID_ARGUMENT", "open", w.vm, "", w.disk, "file")
        w.fake.knobs(nfc_rules=[rule("proxy", "refuse",
                                     message="530 Login incorrect")])
        text = client.fails("HANDSHAKE", "open", w.vm, "", w.disk,
                            "nbdssl:nbd")
        expect("nbdssl: " in text and "nbd: " in text and w.disk in text, text)


@suite.case("a machine that is on: only with a snapshot")
def _():
    with scratch() as tmp, World(tmp, on=True) as w, Client(w.fake) as client:
        text = client.fails("IN_USE", "open", w.vm, "", w.disk, "")
        expect("snapshot" in text, text)
        snapshot = client.do("create-snapshot", w.vm, "s")[0][0]
        client.do("open", w.vm, snapshot, w.disk, "")
        leaf = client.do("vm", w.vm, "")[1][2]
        expect(leaf != w.disk, leaf)
        client.fails("NOT_FOUND", "open", w.vm, snapshot, leaf, "")
        client.do("open", w.vm, "", w.disk, "")  # a parent now


@suite.case("disks that are not there: the error lists those that are")
def _():
    with scratch() as tmp, World(tmp) as w, Client(w.fake) as client:
        for name in ("[%s] a/none.vmdk" % w.fake.datastore["name"],
                     "[nowhere] a/a.vmdk", "Hard disk 7", "a.vmdk"):
            text = client.fails("NOT_FOUND", "open", w.vm, "", name, "")
            expect(w.disk in text, text)


@suite.case("a session that has expired gets tickets all the same")
def _():
    with scratch() as tmp, World(tmp) as w, Client(w.fake) as client:
        client.do("open", w.vm, "", w.disk, "nbdssl")
        w.fake.expire_sessions()
        client.do("open", w.vm, "", w.disk, "nbdssl")
        w.fake.knobs(soap_rules=[rule("NfcGetVmFiles", "expire", times=1)])
        client.do("open", w.vm, "", w.disk, "nbdssl")


# Much less than the two minutes after which a call is given up by itself.
SOON = 60


@suite.case("a ticket that is kept back is not waited for")
def _():
    with scratch() as tmp, World(tmp) as w:
        w.fake.knobs(soap_rules=[rule("NfcGetVmFiles", "stall")])
        result = w.img("info", w.spec(handshake_timeout=1), timeout=SOON)
        expect(result.code == 1 and b"NfcGetVmFiles" in result.stderr, result)


@suite.case("nor one for which another call would have to be answered first")
def _():
    with scratch() as tmp, World(tmp) as w, subprocess.Popen(
            # The delay bounds the attempt, and not the opening.
            [VDISK_IO, "-r", w.spec(handshake_timeout=40, reconnect_delay=1)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=dict(os.environ, VI_PW=PASSWORD,
                     VDISK_KEEP_ALIVE_MS="50")) as process:
        try:
            w.fake.wait_for("nfc", event="open")
            w.fake.knobs(soap_rules=[rule("CurrentTime", "stall")])
            w.fake.wait_for("rule", on="CurrentTime")
            w.fake.knobs(nfc_rules=[rule("read", "cut", times=1)])
            told = process.communicate(b"read 0 512\n", timeout=SOON)[0]
        finally:
            process.kill()
        expect(b"timed out while" in told, told)


@suite.case("by its name: what comes out of it is what went in")
def _():
    with scratch() as tmp, World(tmp) as w:
        out = os.path.join(tmp, "out.raw")
        for transport in ("nbdssl", "nbd"):
            result = w.img("convert", "-O", "raw", w.url(transport=transport),
                           out)
            expect(result.code == 0, result)
            result = w.img("compare", "-f", "raw", "-F", "raw", out, w.raw)
            expect(result.code == 0, result)
        expect(w.fake.state()["sessions"] == 0, "logged out")


@suite.case("a name without a password, or with a wrong thumbprint")
def _():
    with scratch() as tmp, World(tmp) as w:
        for more in ({"password_env": None}, {"password_env": "NO_SUCH"},
                     {"password_file": os.path.join(tmp, "none"),
                      "password_env": None},
                     {"thumbprint": "00" * 20}):
            result = w.img("info", w.url(**more))
            expect(result.code == 1, result)
        secret = os.path.join(tmp, "password")
        with open(secret, "w", encoding="utf-8") as file:
            file.write(PASSWORD + "\nsecond line\n")
        result = w.img("info", w.url(password_env=None, password_file=secret))
        expect(result.code == 0, result)


@suite.case("an image cannot have a password sent to a server of its choice")
def _():
    with scratch() as tmp, World(tmp) as w:
        child = os.path.join(tmp, "child.qcow2")
        result = w.img("create", "-u", "-f", "qcow2", "-F", "raw", "-b",
                       w.url(transport="nbd"), child, "2M")
        expect(result.code == 0, result)
        result = w.img("map", child)
        expect(result.code == 1 and b"may not say" in result.stderr, result)
        expect(w.fake.ops() == [], w.fake.ops())


@suite.case("what a guest has written is no image")
def _():
    with scratch() as tmp, World(tmp) as w:
        w.fake.guest_write(w.disk, 0, (b"QFI\xfb" + bytes(3) + b"\x02").ljust(
            512, b"\0"))
        result = w.img("info", "--output=json", w.url())
        expect(result.code == 0 and b'"format": "raw"' in result.stdout,
               result)


suite.run()
