#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""test-ranges - dump and fill: what hexdump would print of the whole disk, and
exactly the bytes that were asked for."""
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
from fixture import (MIB, assert_equal, assert_unchanged, held,  # noqa: E402
                     run_link, snapshot)
from running import PATIENCE  # noqa: E402
from tap import Suite  # noqa: E402
from tools import (SHORT, VDISK_IMG, Failed, need, run,  # noqa: E402
                   vdisk_img)

suite = Suite()
TIB = 1 << 40
IMAGES = ("a.raw", "a.vmdk", "c.vmdk", "s.vmdk", "f.vmdk")


class Place(fixture.Place):
    def ours(self, *words):
        result = run_link(self.link, [str(w) for w in words], self.dir)
        return result.code, result.stdout.decode(), result.stderr.decode()

    def content(self, name):
        vdisk_img("convert", "-O", "raw", name, "content", cwd=self.dir)
        with open(self.path("content"), "rb") as f:
            return f.read()


def rendered(data, off):
    """The same text, made the long way round."""
    out, last, starred = [], None, False
    for i in range(0, len(data), 16):
        line = data[i:i + 16]
        if line == last and len(line) == 16:
            if not starred:
                out.append("*")
            starred = True
            continue
        last, starred = line, False
        halves = [" ".join("%02x" % b for b in line[h:h + 8])
                  for h in (0, 8)]
        text = "".join(chr(b) if 32 <= b < 127 else "." for b in line)
        out.append("%08x  %-23s  %-23s  |%s|" % (off + i, *halves, text))
    out.append("%08x" % (off + len(data)))
    return "\n".join(out) + "\n"


def check_dump(image):
    dice = random.Random(image)
    with Place() as place:
        whole = place.content(image)
        ranges = [(0, len(whole)), (65536 - 100, 333), (len(whole) - 1, 1),
                  (len(whole), 0), (65536, 65536 + 17)]
        ranges += [(off, dice.randrange(0, min(len(whole) - off, 300000)))
                   for off in (dice.randrange(0, len(whole) - 1)
                               for _ in range(5 if SHORT else 20))]
        for off, length in ranges:
            assert_equal((0, rendered(whole[off:off + length], off), ""),
                         place.ours("dump", "-o", off, "-l", length, image),
                         "%d+%d" % (off, length))


@suite.case("dump prints what hexdump -C prints")
def _():
    hexdump = need("hexdump")
    with Place() as place:
        place.content("a.vmdk")
        wanted = run([hexdump, "-C", place.path("content")]).stdout.decode()
        assert_equal((0, wanted, ""),
                     place.ours("dump", "-l", 10 * MIB, "a.vmdk"), "dump")


@suite.case("dump shows a sector by itself")
def _():
    with Place() as place:
        assert_equal((0, rendered(b"\1" * 512, 65536), ""),
                     place.ours("dump", "--offset=64k", "a.vmdk"), "sector")


@suite.case("dump as JSON gives zeroes by length, and bytes")
def _():
    with Place() as place:
        whole = place.content("a.vmdk")
        code, out, err = place.ours("dump", "--output=json", "-l", MIB,
                                    "a.vmdk")
        assert_equal((0, ""), (code, err), "dump")
        document = json.loads(out)
        at, got = 0, b""
        for part in document["ranges"]:
            assert_equal(at, part["offset"], "offset")
            got += bytes(part["length"]) if part["zero"] \
                else bytes.fromhex(part["hex"])
            at += part["length"]
        assert_equal((0, MIB, "a.vmdk"), (document["offset"],
                     document["length"], document["filename"]), "facts")
        if got != whole[:MIB]:
            raise Failed("other bytes")


def dump_until(place, stdout, words, first=0):
    """Its end once @stdout, or who reads it, has had enough."""
    child = subprocess.Popen([VDISK_IMG, "dump", *words], cwd=place.dir,
                             stdout=stdout, stderr=subprocess.PIPE)
    if first:
        child.stdout.read(first)
        child.stdout.close()
    try:
        err = child.stderr.read().decode()
        return child.wait(timeout=60), err
    finally:
        child.stderr.close()
        child.kill()
        child.wait()


@suite.case("dump ends when its reader has seen enough")
def _():
    with Place() as place:
        with open(place.path("noise"), "wb") as f:
            f.write(random.Random(1).randbytes(2 * MIB))
        got = dump_until(place, subprocess.PIPE, ["-l", "2M", "noise"], 100)
    assert_equal((-signal.SIGPIPE, ""), got, "dump")


@suite.case("dump ends where its output has no room")
def _():
    with Place() as place, open("/dev/full", "wb") as full:
        with open(place.path("noise"), "wb") as f:
            f.write(random.Random(1).randbytes(2 * MIB))
        code, err = dump_until(place, full, ["-l", "2M", "noise"])
    assert_equal((1, "vdisk-img: error while writing the result: "
                  "No space left on device\n"), (code, err), "dump")


@suite.case("dump of a huge hole reads nothing")
def _():
    with Place() as place:
        vdisk_img("create", "-q", "-f", "vmdk", "huge.vmdk", TIB,
                  cwd=place.dir)
        vdisk_img("fill", "-q", "-P", 1, "-o", TIB - 16, "-l", 16,
                  "huge.vmdk", cwd=place.dir)
        start = time.monotonic()
        code, out, err = place.ours("dump", "-l", TIB, "huge.vmdk")
        assert_equal((0, ""), (code, err), "dump")
        lines = out.splitlines()
        assert_equal(5 - 1, len(lines), out)
        assert_equal(("*", "%x" % (TIB - 16), "%x" % TIB),
                     (lines[1], lines[2][:10], lines[3]), out)
        if time.monotonic() - start > 60:
            raise Failed("it reads")


@suite.case("fill writes the range and nothing else")
def _():
    dice = random.Random(8)
    with Place() as place:
        os.unlink(place.path("c.vmdk"))
        for image in ("a.raw", "a.vmdk", "f.vmdk"):
            model = bytearray(place.content(image))
            for value in (255, 0, 7, 0, 200, 1):
                off = dice.randrange(0, len(model))
                length = dice.randrange(0, min(len(model) - off, 3 * MIB) + 1)
                code, out, err = place.ours(
                    "fill", "-f", image[2:], "-P", value, "-o", off, "-l",
                    length, image)
                assert_equal((0, "Filled %d bytes at %d with 0x%02x.\n" %
                              (length, off, value), ""), (code, out, err),
                             image)
                model[off:off + length] = bytes([value]) * length
            if place.content(image) != bytes(model):
                raise Failed("%s has other bytes" % image)
        vdisk_img("check", "-q", place.path("a.vmdk"))


@suite.case("fill of a child leaves its parent alone")
def _():
    with Place() as place:
        base = place.content("a.vmdk")
        place.ours("fill", "--pattern=0x41", "-l", 100000, "c.vmdk")
        assert_equal(b"A" * 100000 + base[100000:], place.content("c.vmdk"),
                     "child")
        assert_equal(base, place.content("a.vmdk"), "parent")


@suite.case("fill writes 255 by itself; zeroes give space back")
def _():
    with Place() as place:
        os.unlink(place.path("c.vmdk"))
        assert_equal((0, "", ""),
                     place.ours("fill", "-q", "-l", 2 * MIB, "a.vmdk"), "fill")
        assert_equal(b"\xff" * 2 * MIB, place.content("a.vmdk")[:2 * MIB],
                     "content")
        full = os.stat(place.path("a.vmdk")).st_blocks
        place.ours("fill", "-P", "0", "-l", 2 * MIB, "a.vmdk")
        if os.stat(place.path("a.vmdk")).st_blocks > full // 2:
            raise Failed("zeroes take space")


@suite.case("fill as JSON tells what it did")
def _():
    with Place() as place:
        code, out, err = place.ours("fill", "--output=json", "-P", 3, "-o",
                                    10, "-l", 20, "c.vmdk")
        assert_equal((0, ""), (code, err), "fill")
        assert_equal({"filename": "c.vmdk", "offset": 10, "length": 20,
                      "pattern": 3}, json.loads(out), "document")


WRONG = (
    (2, ["dump"], "Expecting one image file name"),
    (2, ["dump", "a", "b"], "Expecting one image file name"),
    (2, ["dump", "-o", "x", "a.vmdk"], "Invalid offset specified: 'x'."),
    (2, ["dump", "-l", "-1", "a.vmdk"], "Invalid length specified: '-1'."),
    (2, ["dump", "--no-such", "a.vmdk"], "unrecognized option '--no-such'"),
    (1, ["dump", "none"], "Could not open 'none'"),
    (1, ["dump", "-o", "11M", "a.vmdk"], "11534336 is behind the end"),
    (1, ["dump", "-l", "11M", "a.vmdk"], "the disk has 10485760"),
    (1, ["dump", "-o", "1", "-l", "9223372036854775807", "a.vmdk"],
     "are not all there"),
    (2, ["fill"], "Expecting one image file name"),
    (2, ["fill", "a.vmdk"], "Expecting --length"),
    (2, ["fill", "-P", "256", "-l", "1", "a.vmdk"],
     "Invalid pattern byte: 256"),
    (2, ["fill", "-P", "x", "-l", "1", "a.vmdk"], "Invalid pattern byte: x"),
    (2, ["fill", "-P", "0x", "-l", "1", "a.vmdk"], "Invalid pattern byte: 0x"),
    (2, ["fill", "-t", "x", "-l", "1", "a.vmdk"], "Invalid cache option: x"),
    (1, ["fill", "-l", "11M", "a.vmdk"], "are not all there"),
    (1, ["fill", "-l", "1", "s.vmdk"], "s.vmdk"),
    (1, ["fill", "-l", "1", "none"], "Could not open 'none'"),
)


def check_wrong(code, words, text):
    with Place() as place:
        before = snapshot(place.dir)
        got, out, err = place.ours(*words)
        assert_equal((code, ""), (got, out), err)
        if text not in err:
            raise Failed(err)
        assert_unchanged(place.dir, before)


@suite.case("an image in use is not filled")
def _():
    with Place() as place:
        with held(place.path("a.vmdk"), "-f", "vmdk"):
            code, out, err = place.ours("fill", "-l", 512, "a.vmdk")
        assert_equal((1, ""), (code, out), err)
        if "Is another process using the image [a.vmdk]?" not in err:
            raise Failed(err)


@suite.case("failures name the place")
def _():
    with Place() as place:
        fault = ("driver=raw,file.driver=fault,file.inject-error.0.event=%s,"
                 "file.inject-error.0.errno=28,file.file.filename=b.raw")
        for words, text in (
                (["dump", "-o", "5", "-l", "600"], "reading at byte 5"),
                (["fill", "-o", "5", "-l", "600"], "writing at byte 5")):
            event = "read_aio" if words[0] == "dump" else "write_aio"
            with open(place.path("b.raw"), "wb") as f:
                f.write(b"x" * 65536)
            code, _, err = place.ours(*words, "--image-opts", fault % event)
            assert_equal(1, code, err)
            if text not in err or "No space left on device" not in err:
                raise Failed(err)


@suite.case("an interrupted fill ends soon and leaves the image whole")
def _():
    with Place() as place:
        os.unlink(place.path("c.vmdk"))
        before = os.stat(place.path("a.vmdk")).st_blocks
        slow = ("driver=vmdk,file.driver=throttle,file.bps=300000,"
                "file.file.filename=a.vmdk")
        with subprocess.Popen([VDISK_IMG, "fill", "--image-opts", "-l", "10M",
                               slow], cwd=place.dir,
                              stdout=subprocess.DEVNULL,
                              stderr=subprocess.DEVNULL) as job:
            deadline = time.monotonic() + PATIENCE
            while os.stat(place.path("a.vmdk")).st_blocks <= before:
                if time.monotonic() > deadline:
                    raise Failed("it does not begin")
                time.sleep(0.01)
            job.send_signal(signal.SIGTERM)
            assert_equal(143, job.wait(PATIENCE), "exit code")
        code = run([VDISK_IMG, "check", "-q", place.path("a.vmdk")]).code
        if code not in (0, 3):
            raise Failed("check: %d" % code)


def main():
    for image in IMAGES:
        suite.add("dump of " + image, check_dump, image)
    for code, words, text in WRONG:
        suite.add("refused: " + " ".join(words), check_wrong, code, words,
                  text)
    suite.run()


main()
