#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""test-iscsi - disks of iSCSI targets: a real one, and one that does harm."""
import atexit
import json
import os
import random
import shutil
import struct
import subprocess
import sys
import tempfile
import threading

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../support"))

from iscsi_targets import Answer, Relay, Script, Tgt  # noqa: E402
from tap import Skip, Suite, skip_all  # noqa: E402
from tools import (DISK_IO, VDISK_IMG, VDISK_IO, Failed,  # noqa: E402
                   qemu_img, run, vdisk_img, vdisk_img_fails, working_engines)

MIB = 1 << 20
SIZE = 24 * MIB
PASSWORD = "correct horse 17"

suite = Suite()


def expect(condition, what):
    if not condition:
        raise Failed(str(what))


def some_disk(path, size=SIZE, seed=1):
    """Stretches of bytes, and holes."""
    rng = random.Random(seed)
    with open(path, "wb") as file:
        for _ in range(24):
            file.seek(rng.randrange(size // 4096 - 200) * 4096)
            file.write(rng.randbytes(4096 * rng.randrange(1, 200)))
        file.truncate(size)


class World:
    """A target with units: 1 to read, 2 thin, 3 write-protected, 4 with blocks
    of 4 KiB."""

    def __init__(self):
        self.tmp = tempfile.mkdtemp(prefix="vdisk-iscsi-")
        atexit.register(shutil.rmtree, self.tmp, ignore_errors=True)
        self.target = Tgt(self.path("tgt"))
        some_disk(self.path("1.raw"))
        for name in ("2.raw", "4.raw"):
            with open(self.path(name), "wb") as file:
                file.truncate(SIZE)
        some_disk(self.path("3.raw"), 2 * MIB, 3)
        self.target.__enter__()
        atexit.register(self.target.__exit__)
        self.target.add(1, self.path("1.raw"))
        self.target.add(2, self.path("2.raw"), thin_provisioning=1)
        self.target.add(3, self.path("3.raw"), readonly=1)
        self.target.add(4, self.path("4.raw"), blocksize=4096)

    def path(self, name):
        return os.path.join(self.tmp, name)

    def url(self, *args, **kwargs):
        return self.target.url(*args, **kwargs)


try:
    world = World()
except Skip as missing:
    skip_all(missing)


def same(name, other):
    with open(world.path(name), "rb") as a, open(world.path(other), "rb") as b:
        expect(a.read() == b.read(), "%s and %s differ" % (name, other))


def vdisk_io(url, *commands, code=0, engine=None):
    argv = [VDISK_IO, "-f", "raw"]
    for command in commands:
        argv += ["-c", command]
    done = run(argv + [url], timeout=120,
               env={"VDISK_ENGINE": engine} if engine else None)
    if done.code != code:
        raise Failed("wanted exit %d: %s" % (code, done))
    return done.stdout.decode() + done.stderr.decode()


# -- data ---------------------------------------------------------------------

def reads(engine):
    info = json.loads(vdisk_img("info", "--output=json", world.url(1),
                                engine=engine))
    expect(info["virtual-size"] == SIZE, info)
    vdisk_img("convert", "-O", "raw", world.url(1, connections=4),
              world.path("out.raw"), engine=engine)
    same("out.raw", "1.raw")


def writes(engine):
    """Both ways of zeroes, and what is not aligned."""
    with open(world.path("4.raw"), "r+b") as file:
        file.write(b"\xee" * SIZE)  # to be overwritten
    vdisk_img("convert", "-n", "-O", "raw", world.path("1.raw"), world.url(4),
              engine=engine)
    same("4.raw", "1.raw")
    vdisk_io(world.url(4), "write -P 7 512 1k", "write -P 8 1M 64k",
             "write -z 1028k 20k", "flush", "read -P 7 512 1k",
             "read -P 8 1M 4k", "read -P 0 1028k 20k", engine=engine)
    shutil.copyfile(world.path("1.raw"), world.path("as.raw"))
    vdisk_io(world.path("as.raw"), "write -P 7 512 1k", "write -P 8 1M 64k",
             "write -z 1028k 20k")
    same("4.raw", "as.raw")


for each in working_engines():
    suite.add("reads, engine " + each, reads, each)
    suite.add("writes blocks of 4 KiB, engine " + each, writes, each)


@suite.case("another initiator sees the same")
def _():
    done = run(["qemu-img", "info", world.url(1)])
    if b"nknown protocol 'iscsi'" in done.stderr:
        raise Skip("qemu-block-extra is not installed")
    qemu_img("compare", "-f", "raw", "-F", "raw", world.url(1),
             world.path("1.raw"))
    vdisk_img("convert", "-n", "-O", "raw", world.path("1.raw"), world.url(2))
    qemu_img("compare", "-f", "raw", "-F", "raw", world.url(2),
             world.path("1.raw"))


@suite.case("a thin unit tells its holes, and gets more of them")
def _():
    url = world.url(2)
    with open(world.path("2.raw"), "r+b") as file:
        file.write(b"\x55" * (4 * MIB))
        file.truncate(4 * MIB)
        file.truncate(SIZE)
    holes = json.loads(vdisk_img("map", "--output=json", url))
    expect([(e["start"], e["zero"]) for e in holes] ==
           [(0, False), (4 * MIB, True)], holes)
    vdisk_io(url, "discard 1M 1M", "write -z -u 2M 1M", "flush",
             "read -P 0 1M 2M", "read -P 0x55 0 1M")
    holes = json.loads(vdisk_img("map", "--output=json", url))
    expect([(e["start"], e["zero"]) for e in holes] == [
        (0, False), (MIB, True), (3 * MIB, False), (4 * MIB, True)], holes)
    expect(os.stat(world.path("2.raw")).st_blocks * 512 <= 2 * MIB + 65536,
           os.stat(world.path("2.raw")))


@suite.case("an image lies in a unit")
def _():
    vdisk_img("convert", "-O", "qcow2", world.path("3.raw"), world.url(2))
    vdisk_img("compare", "-f", "qcow2", "-F", "raw", world.url(2),
              world.path("3.raw"))


@suite.case("many requests take more sessions, and these show the same")
def _():
    with Relay(world.target.port) as relay:
        vdisk_img("bench", "-c", "3000", "-d", "32", "-s", "16k", "-f", "raw",
                  world.url(1, port=relay.port, connections=3))
        expect(relay.accepted in (2, 3), relay.accepted)
    with Relay(world.target.port) as relay:
        vdisk_img("bench", "-c", "600", "-d", "32", "-s", "16k", "-f", "raw",
                  world.url(1, port=relay.port, connections=1))
        expect(relay.accepted == 1, relay.accepted)


# -- who is let in ------------------------------------------------------------

@suite.case("passwords")
def _():
    with Tgt(world.path("chap")) as target:
        target.add(1, world.path("3.raw"), readonly=1)
        target.account("backup", PASSWORD)
        for name, text in (("good", PASSWORD + "\nmore\n"),
                           ("bad", "incorrect horse"), ("empty", "\n")):
            with open(world.path(name), "w", encoding="ascii") as file:
                file.write(text)
        vdisk_img("compare", target.url(
            1, user="backup", password_file=world.path("good")),
            world.path("3.raw"))
        vdisk_img("info", "--image-opts",
                  "driver=raw,file.driver=iscsi,file.portal=127.0.0.1:%d,"
                  "file.target=iqn.2024-01.test:disk,file.lun=1,"
                  "file.user=backup,file.password-file=%s" % (
                      target.port, world.path("good")))
        for name, word in (("bad", "cannot log in"), ("empty", "expected a"),
                           ("none", "No such file")):
            error = vdisk_img_fails("info", target.url(
                1, user="backup", password_file=world.path(name)))
            expect(word in error and "horse" not in error, error)
        error = vdisk_img_fails("info", target.url(1))
        expect("cannot log in" in error, error)


@suite.case("an image does not say with whom we talk")
def _():
    vdisk_img("create", "-q", "-f", "qcow2", "-u", "-b", world.url(1), "-F",
              "raw", world.path("child.qcow2"), SIZE)
    error = vdisk_img_fails("convert", "-O", "raw", world.path("child.qcow2"),
                            world.path("out.raw"))
    expect("may not name an iSCSI target" in error, error)


@suite.case("what is not there")
def _():
    for url, words in (
            (world.url(9), "there is no such unit"),
            (world.url(1, iqn="iqn.2024-01.test:other"), "cannot log in"),
            (world.url(0), "no disk"),
            (world.url(1, port=1), "Connection refused"),
            (world.url(1).replace("127.0.0.1", "no-such.invalid"),
             "cannot log in")):
        error = vdisk_img_fails("info", url)
        expect(words in error, (url, error))


@suite.case("a write-protected unit is only read")
def _():
    vdisk_img("compare", world.url(3), world.path("3.raw"))
    error = vdisk_img_fails("convert", "-n", "-O", "raw",
                            world.path("3.raw"), world.url(3))
    expect("write-protected" in error, error)


@suite.case("of two that would write one is refused, and readers are not")
def _():
    url = world.url(2)
    with subprocess.Popen([DISK_IO, "-f", "raw", url, "wait"],
                          stdin=subprocess.PIPE,
                          stdout=subprocess.PIPE) as first:
        expect(first.stdout.readline() == b"ready\n", "it is not opened")
        text = vdisk_io(url, "write -P 1 0 4k", code=1)
        expect("writes to the unit" in text and url in text, text)
        vdisk_img("map", "-f", "raw", url)
        vdisk_io(world.url(2, locking="off"), "write -P 1 0 4k")
        first.stdin.close()
    vdisk_io(url, "write -P 1 0 4k")


# -- accidents ----------------------------------------------------------------

@suite.case("a lost connection is made again in the middle of a read")
def _():
    for cut in (100, 3 * MIB + 7):
        with Relay(world.target.port, cut) as relay:
            url = world.url(1, port=relay.port, open_timeout=60,
                            reconnect_delay=60)
            vdisk_img("convert", "-O", "raw", url, world.path("out.raw"))
            expect(relay.cuts == 1, relay.cuts)
        same("out.raw", "1.raw")


@suite.case("a target dies in the middle of a read, and comes back")
def _():
    lost, back = threading.Event(), threading.Event()
    results = []

    def convert(url):
        results.append(run([VDISK_IMG, "convert", "-O", "raw", url,
                            world.path("out.raw")]))

    def on_cut():
        lost.set()
        back.wait()

    with Relay(world.target.port, 2 * MIB, on_cut=on_cut) as relay:
        # Not the other way round: tgtd dies with the thread that starts it.
        thread = threading.Thread(target=convert, daemon=True, args=(
            world.url(1, port=relay.port, reconnect_delay=120),))
        thread.start()
        expect(lost.wait(60), "nothing was cut")
        world.target.kill()
        world.target.start()
        back.set()
        thread.join()
    expect(results and results[0].code == 0, results and results[0])
    same("out.raw", "1.raw")


@suite.case("a target dies and stays away")
def _():
    with Relay(world.target.port, 2 * MIB) as relay:
        relay.on_cut = relay.refuse
        error = vdisk_img_fails("convert", "-O", "raw",
                                world.url(1, port=relay.port),
                                world.path("gone.raw"))
    expect("cannot log in" in error, error)
    expect(not os.path.exists(world.path("gone.raw")), "a target is left")


@suite.case("a flush fails after a session was lost with changes")
def _():
    with Relay(world.target.port, 400000, "up") as relay:
        text = vdisk_io(world.url(4, port=relay.port, reconnect_delay=60,
                                  connections=1),
                        "write -P 1 0 256k", "write -P 2 1M 256k", "flush",
                        "read -P 1 0 256k", "read -P 2 1M 256k",
                        code=1)
        expect(relay.cuts == 1, relay.cuts)
    expect("may have forgotten" in text, text)
    expect("verification" not in text, text)


# -- bad manners --------------------------------------------------------------

@suite.case("the target of the other tests is a good one")
def _():
    with Script() as target:
        vdisk_img("convert", "-f", "raw", "-O", "raw", target.url(),
                  world.path("out.raw"))
        with open(world.path("out.raw"), "rb") as file:
            expect(file.read() == bytes(target.disk), "another content")
        vdisk_io(target.url(), "write -P 3 4k 8k", "flush", "read -P 3 4k 8k")


def capacity(last, size, length=32):
    return Answer(data=(struct.pack(">QI", last, size) + bytes(20))[:length])


BAD_CAPACITIES = [capacity(2047, 0), capacity((1 << 64) - 1, 512),
                  capacity(2047, 512, 8)]


@suite.case("units that make no sense")
def _():
    for bad in BAD_CAPACITIES:
        with Script(lambda _, cdb, data: bad if cdb[0] == 0x9e else None
                    ) as target:
            vdisk_img_fails("info", target.url())
    for data, words in ((b"\x7f" + bytes(35), "no such unit"),
                        (b"\x05" + bytes(35), "no disk"), (b"\0\0", "short")):
        with Script(lambda _, cdb, __: Answer(data=data)
                    if cdb[0] == 0x12 and not cdb[1] else None) as target:
            error = vdisk_img_fails("info", target.url())
            expect(words in error, error)


@suite.case("an old unit")
def _():
    def old(target, cdb, data):
        if cdb[0] == 0x25:
            return Answer(data=struct.pack(">II", target.SIZE // 512 - 1, 512))
        if cdb[0] in (0x9e, 0x1a) or cdb[0] == 0x12 and cdb[1]:
            return Answer(sense=(5, 0x2400))
        return None

    with Script(old) as target:
        vdisk_img("convert", "-f", "raw", "-O", "raw", target.url(),
                  world.path("out.raw"))
        with open(world.path("out.raw"), "rb") as file:
            expect(file.read() == bytes(target.disk), "another content")


@suite.case("a unit that is busy, has news, or is somebody else's for a while")
def _():
    def reluctant(target, cdb, data):
        n = target.state["n"] = target.state.get("n", 0) + 1
        return {1: Answer(sense=(6, 0x2900)), 2: Answer(status=8),
                3: Answer(status=0x18), 4: Answer(status=0x28),
                5: Answer(sense=(2, 0x0401)),
                6: Answer(sense=(0xb, 0))}.get(n)

    with Script(reluctant) as target:
        vdisk_img("info", target.url())
    for answer, words in ((Answer(status=0x18), "reserved"),
                          (Answer(sense=(6, 0x2900)), "attention"),
                          (Answer(sense=(3, 0x1100)), "medium error")):
        with Script(lambda *_: answer) as target:
            error = vdisk_img_fails("info", target.url())
            expect(words in error, error)


@suite.case("less data than were asked for")
def _():
    """With the last three nothing says so."""
    for bad in (Answer(data=b"x" * 512), Answer(residual=False),
                Answer(data=b"x" * 8192, residual=False),
                Answer(data=bytes(3 * 512), residual=False)):
        with Script(lambda _, cdb, data: bad if cdb[0] == 0x28 else None
                    ) as target:
            error = vdisk_img_fails("convert", "-f", "raw", "-O", "raw",
                                    target.url(), world.path("out.raw"))
            expect("bytes came of" in error, error)


@suite.case("a write cache that is turned on while nobody is logged in")
def _():
    def other(target, cdb, data):
        if cdb[0] == 0x1a:
            on = target.state.get("lost", False)
            return Answer(data=bytes((23, 0, 0, 0, 8, 18, 4 * on)) + bytes(17))
        if cdb[0] == 0x2a and not target.state.get("lost"):
            target.state["lost"] = True
            target.hang_up()
        if cdb[0] == 0x35:
            target.state["flushed"] = True
        return None

    with Script(other) as target:
        vdisk_io(target.url(reconnect_delay=60, connections=1),
                 "write 0 4k", "flush")
        expect(target.state.get("flushed"), "the unit was not told to flush")


@suite.case("a unit that was reset has forgotten what it was not made to keep")
def _():
    def reset(target, cdb, data):
        if cdb[0] == 0x2a and target.state.setdefault("writes", 0) == 0:
            target.state["writes"] = 1
            return None
        if cdb[0] == 0x2a and target.state["writes"] == 1:
            target.state["writes"] = 2
            return Answer(sense=(6, 0x2901))
        return None

    with Script(reset) as target:
        text = vdisk_io(target.url(), "write 0 4k", "write 8k 4k", "flush",
                        code=1)
        expect("may have forgotten" in text, text)


@suite.case("another disk after a connection was lost")
def _():
    def other(target, cdb, data):
        if cdb[0] == 0x28 and not target.state.get("lost"):
            target.state["lost"] = True
            target.names = target.names[:-1] + b"\1"
            target.hang_up()
        return None

    with Script(other) as target:
        error = vdisk_img_fails("convert", "-f", "raw", "-O", "raw",
                                target.url(reconnect_delay=60),
                                world.path("out.raw"))
        expect("another disk" in error, error)


@suite.case("a target that sends us away")
def _():
    with Script() as there:
        place = b"TargetAddress=127.0.0.1:%d,1\0" % there.port
        with Script(login=lambda *_: (1, 1, place)) as target:
            vdisk_img("compare", "-f", "raw", "-F", "raw", target.url(),
                      there.url())
    for place in (b"", b"x y:1", b"[::1", b"127.0.0.1:99999999", b":", b",1"):
        text = b"TargetAddress=" + place + b"\0"
        with Script(login=lambda *_: (1, 1, text)) as target:
            error = vdisk_img_fails("info", target.url())
            expect("cannot log in" in error, error)
    with Script() as target:  # in a circle
        text = b"TargetAddress=127.0.0.1:%d,1\0" % target.port
        target.login = lambda *_: (1, 1, text)
        vdisk_img_fails("info", target.url())
        expect(target.accepted == 5, target.accepted)


@suite.case("a target that says nothing is given up")
def _():
    over = threading.Event()
    with Script(login=lambda *_: over.wait() and None) as target:
        error = vdisk_img_fails("info", target.url(login_timeout=1))
        over.set()
        expect("cannot log in" in error, error)


suite.run()
