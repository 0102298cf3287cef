#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""test-dd - dd: the part that is asked for and no other, an output that exists,
one in use, one without space, interrupts."""
import json
import os
import random
import signal
import subprocess
import sys
import time

sys.path.insert(0, os.path.dirname(__file__))
sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../support"))

import fixture  # noqa: E402
from fixture import (MIB, assert_equal, held,  # noqa: E402
                     run_link)
from running import PATIENCE  # noqa: E402
from tap import Suite  # noqa: E402
from tools import VDISK_IMG, Failed, run, vdisk_img  # noqa: E402

suite = Suite()
GARBAGE = bytes(range(1, 252))


class Place(fixture.Place):
    """The images of make_images(), and odd.raw: 1000001 bytes of garbage."""

    def __enter__(self):
        super().__enter__()
        with open(self.path("odd.raw"), "wb") as f:
            f.write((GARBAGE * 4000)[:1000001])
        return self

    def dd(self, *args, compat="10"):
        result = run_link(self.link, ["dd", *args], self.dir, compat)
        return result.code, result.stdout.decode(), result.stderr.decode()

    def bytes(self, name):
        with open(self.path(name), "rb") as f:
            return f.read()

    def content(self, name, fmt):
        vdisk_img("convert", "-f", fmt, "-O", "raw", name, "content",
                  cwd=self.dir)
        return self.bytes("content")


# -- parts ---------------------------------------------------------------------

@suite.case("count begins where skip ends, as in dd(1)")
def _():
    with Place() as place:
        assert_equal((0, "", ""),
                     place.dd("-f", "raw", "bs=100", "skip=5", "count=10",
                              "if=odd.raw", "of=out"), "dd")
        wanted = place.bytes("odd.raw")[500:1500]
        assert_equal(wanted + bytes(24), place.bytes("out"), "content")


@suite.case("random parts arrive in every format")
def _():
    dice = random.Random(5)
    with Place() as place:
        odd = place.bytes("odd.raw")
        for fmt in ("raw", "vmdk") * 10:
            bs = dice.choice((1, 7, 512, 1000, 4096, 65536))
            skip, count, seek = (dice.randrange(0, 600000 // bs)
                                 for _ in range(3))
            place.dd("-f", "raw", "-O", fmt, "bs=%d" % bs, "skip=%d" % skip,
                     "count=%d" % count, "seek=%d" % seek, "if=odd.raw",
                     "of=out")
            part = bytes(seek * bs) + odd[skip * bs:(skip + count) * bs]
            assert_equal(part, place.content("out", fmt)[:len(part)], "part")
            os.unlink(place.path("out"))


@suite.case("conv=notrunc keeps the rest, and grows what is too short")
def _():
    with Place() as place:
        odd = place.bytes("odd.raw")
        before = place.content("a.vmdk", "vmdk")
        os.unlink(place.path("c.vmdk"))  # a disk with children does not grow
        assert_equal((0, "", ""), place.dd(
            "-f", "raw", "-O", "vmdk", "bs=1000", "skip=3", "count=70",
            "seek=61", "conv=notrunc", "if=odd.raw", "of=a.vmdk"), "dd")
        wanted = before[:61000] + odd[3000:73000] + before[131000:]
        assert_equal(wanted, place.content("a.vmdk", "vmdk"), "content")
        place.dd("-f", "raw", "-O", "vmdk", "bs=1M", "seek=10", "count=1",
                 "conv=notrunc,fsync", "if=odd.raw", "of=a.vmdk")
        longer = place.content("a.vmdk", "vmdk")
        assert_equal(wanted + odd, longer[:len(wanted) + len(odd)], "longer")


@suite.case("conv=notrunc makes what does not exist")
def _():
    with Place() as place:
        place.dd("-f", "raw", "count=3", "conv=notrunc", "if=odd.raw",
                 "of=out")
        assert_equal(place.bytes("odd.raw")[:1536], place.bytes("out"), "out")


@suite.case("seek= does not lose what an output has")
def _():
    with Place() as place:
        before = place.bytes("a.raw")
        assert_equal((1, "", "qemu-img: 'a.raw' exists, and seek= would lose "
                      "what it has\nconv=notrunc writes into it.\n"),
                     place.dd("-f", "raw", "seek=1", "if=odd.raw",
                              "of=a.raw"), "dd")
        assert_equal(before, place.bytes("a.raw"), "a.raw")


@suite.case("conv=sparse leaves zeroes out")
def _():
    with Place() as place:
        for conv, least, most in (("", MIB, 2 * MIB),
                                  ("conv=sparse", 65536, 80000)):
            words = ["-f", "raw", "if=a.raw", "of=out"] + [conv] * bool(conv)
            assert_equal((0, "", ""), place.dd(*words), "dd")
            assert_equal(place.bytes("a.raw"), place.bytes("out"), "content")
            used = os.stat(place.path("out")).st_blocks * 512
            if not least <= used <= most:
                raise Failed("%s: %d bytes" % (conv, used))


# -- what is told --------------------------------------------------------------

@suite.case("status= tells blocks, and bytes")
def _():
    with Place() as place:
        words = ("-f", "raw", "bs=300k", "if=odd.raw", "of=out")
        records = "3+1 records in\n3+1 records out\n"
        assert_equal((0, "", ""), place.dd("status=none", *words), "none")
        assert_equal((0, "", records), place.dd("status=noxfer", *words),
                     "noxfer")
        code, out, err = place.dd("status=progress", *words)
        assert_equal((0, ""), (code, out), "progress")
        if not err.startswith(records + "1000448 bytes (977 KiB) copied, "):
            raise Failed(err)


@suite.case("--output=json describes the copy")
def _():
    with Place() as place:
        code, out, err = place.dd("--output=json", "-f", "raw", "bs=1000",
                                  "skip=1", "count=2", "seek=4", "if=odd.raw",
                                  "of=out")
        assert_equal((0, ""), (code, err), "dd")
        report = json.loads(out)
        assert_equal((["odd.raw"], "out", "raw", 6000, 2000),
                     (report["source"], report["target"], report["format"],
                      report["virtual-size"], report["bytes-read"]), out)
        code, out, err = place.dd("--output=json", "-f", "raw", "if=none",
                                  "of=out")
        assert_equal((1, "ENOENT"),
                     (code, json.loads(out)["error"]["errno"]), err)


WRONG = (
    (["conv=ascii"], "invalid conversion: 'ascii'"),
    (["conv="], "Must specify both input and output files"),
    (["conv=notrunc,"], "invalid conversion: ''"),
    (["status=all"], "invalid status level: 'all'"),
    (["seek=x", "if=a.raw", "of=out"], "Invalid seek specified: 'x'."),
    (["seek=8E", "if=a.raw", "of=out"], "Invalid seek specified. Must be"),
    (["-f", "raw", "seek=16P", "if=a.raw", "of=out"],
     "out: error while creating output image: "),
    (["--sync=never", "if=a.raw", "of=out"], "Invalid sync mode: never"),
    (["-f", "raw", "if=a.raw", "of=a.raw"], "the target is the source itself"),
    (["-f", "vmdk", "conv=notrunc", "-O", "vmdk", "if=c.vmdk", "of=a.vmdk"],
     "the target is a parent of the source"),
    (["-f", "raw", "conv=notrunc", "-O", "vmdk", "if=a.raw", "of=s.vmdk"],
     "s.vmdk"),
)


def check_wrong(words, text):
    with Place() as place:
        before = {name: place.bytes(name) for name in os.listdir(place.dir)
                  if name != "qemu-img"}
        code, out, err = place.dd(*words)
        assert_equal((1, ""), (code, out), err)
        if text not in err:
            raise Failed(err)
        after = {name: place.bytes(name) for name in os.listdir(place.dir)
                 if name != "qemu-img"}
        assert_equal(before, after, "files")


# -- others, space, signals ----------------------------------------------------

@suite.case("an output in use is left alone")
def _():
    for conv in ([], ["conv=notrunc"]):
        with Place() as place:
            before = place.bytes("a.vmdk")
            with held(place.path("a.vmdk"), "-f", "vmdk"):
                opened = place.bytes("a.vmdk")
                code, out, err = place.dd("-f", "raw", "-O", "vmdk", *conv,
                                          "if=odd.raw", "of=a.vmdk")
                assert_equal((1, "", opened),
                             (code, out, place.bytes("a.vmdk")), err)
            if "Is another process using the image [a.vmdk]?" not in err:
                raise Failed(err)
            assert_equal(len(before), len(place.bytes("a.vmdk")), "size")


@suite.case("without space the output is gone, and the error says so")
def _():
    with Place() as place:
        limited = ("ulimit -f 300; trap '' XFSZ; exec \"$0\" dd -f raw "
                   "if=odd.raw of=out")
        result = run(["bash", "-c", limited, VDISK_IMG], cwd=place.dir)
        assert_equal(1, result.code, str(result))
        if os.path.exists(place.path("out")) or b"out" not in result.stderr:
            raise Failed(str(result))
        result = run([VDISK_IMG, "dd", "--image-opts",
                      "if=driver=raw,file.driver=fault,"
                      "file.inject-error.0.event=read_aio,"
                      "file.inject-error.0.errno=28,"
                      "file.file.filename=odd.raw", "of=out"], cwd=place.dir)
        assert_equal(1, result.code, str(result))
        if b"left; the copy may need" not in result.stderr or \
                os.path.exists(place.path("out")):
            raise Failed(str(result))


@suite.case("interrupted it removes its output and ends at once")
def _():
    with Place() as place:
        with open(place.path("big.raw"), "wb") as f:
            f.write(GARBAGE * 80000)
        slow = ("if=driver=raw,file.driver=throttle,"
                "file.bps=20000,file.file.filename=big.raw")
        with subprocess.Popen([VDISK_IMG, "dd", "--image-opts", slow,
                               "of=out"], cwd=place.dir) as job:
            deadline = time.monotonic() + PATIENCE
            while not os.path.exists(place.path("out")):
                if time.monotonic() > deadline:
                    raise Failed("it does not begin")
                time.sleep(0.01)
            job.send_signal(signal.SIGINT)
            assert_equal(130, job.wait(PATIENCE), "exit code")
        if os.path.exists(place.path("out")):
            raise Failed("it leaves its output")


def main():
    for words, text in WRONG:
        suite.add("refused: dd " + " ".join(words), check_wrong, words, text)
    suite.run()


main()
