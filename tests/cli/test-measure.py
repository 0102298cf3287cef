#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""test-measure - what measure says beyond qemu-img: estimates from a sample.

What it says of every kind of image is in test-life.py."""
import functools
import json
import os
import random
import sys

sys.path.insert(0, os.path.dirname(__file__))
sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../support"))

import fixture  # noqa: E402
from fixture import MIB, assert_equal, run_link  # noqa: E402
from tap import Suite  # noqa: E402
from tools import SHORT, Failed, vdisk_img, working_engines  # noqa: E402

suite = Suite()
STREAM = ("-O", "vmdk", "-o", "subformat=streamOptimized")
LARGEST = 24 * MIB


class Place(fixture.Place):
    def measure(self, *words):
        result = run_link(self.link, ["measure", *words], self.dir)
        return result.code, result.stdout.decode(), result.stderr.decode()

    def estimate(self, percent, *words):
        code, out, err = self.measure("--output=json", *STREAM, "--sample",
                                      str(percent), *words)
        assert_equal((0, ""), (code, err), str(words))
        report = json.loads(out)
        if report["estimated"] > report["required"]:
            raise Failed(out)
        return report["estimated"]

    def real(self, *words):
        vdisk_img("convert", *STREAM, *words, "real.vmdk", cwd=self.dir)
        return os.path.getsize(self.path("real.vmdk"))

    def write(self, name, pieces, size):
        with open(self.path(name), "wb") as f:
            for off, data in pieces:
                f.seek(off)
                f.write(data)
            f.truncate(size)


def text(dice, size):
    """Words; behind a MiB they come again, which grains do not see."""
    words = [bytes(dice.choices(b"abcdefghijklmnopqrstuvwxyz",
                                k=dice.randrange(2, 10))) for _ in range(999)]
    piece = b" ".join(dice.choices(words, k=min(size, MIB) // 3)) + b" "
    return (piece * (size // len(piece) + 1))[:size]


def mixture(dice, size):
    """(offset, data) of random bytes, texts, zeroes that are stored, holes."""
    for off in range(0, size, MIB // 2):
        kind = dice.randrange(5)
        if kind == 0:
            yield off, dice.randbytes(MIB // 2)
        elif kind == 1:
            yield off, text(dice, MIB // 2)
        elif kind == 2:
            yield off, bytes(MIB // 2)
        elif kind == 3:
            yield off, text(dice, 100000)


DATA = {
    "random": lambda dice: [(0, dice.randbytes(LARGEST))],
    "zero": lambda dice: [(0, bytes(LARGEST))],
    "text": lambda dice: [(0, text(dice, LARGEST))],
    "mixed": lambda dice: mixture(dice, LARGEST),
    "sparse": lambda dice: [(9 * MIB + 700, text(dice, 5 * MIB))],
    "small": lambda dice: [(70000, text(dice, 200000))],
    "nothing": lambda dice: [],
}


@functools.cache
def pieces_of(kind):
    return list(DATA[kind](random.Random(kind)))


def check_bounds(kind, engine):
    """Close with some, exact with all of it; within 15 % and a few grains."""
    with Place() as place:
        place.write("x.raw", pieces_of(kind), LARGEST)
        real = place.real("-f", "raw", "x.raw")
        words = ("-f", "raw", "-i", {"uring": "io_uring"}.get(engine, engine),
                 "x.raw")
        for percent in (1, 20, 60):
            told = place.estimate(percent, *words)
            if abs(told - real) > 0.15 * real + 4 * 65536:
                raise Failed("%d %%: %d, is %d" % (percent, told, real))
            if not SHORT or percent == 20:
                assert_equal(told, place.estimate(percent, *words), "again")
        assert_equal(real, place.estimate(100, *words), "all of it")


# In a short run each kind with one engine.
for number_, kind_ in enumerate(DATA):
    for engine_ in working_engines()[number_ % 2:][:1] if SHORT \
            else working_engines():
        suite.add("--sample: %s, %s" % (kind_, engine_), check_bounds, kind_,
                  engine_)


@suite.case("--sample: the level counts, and so do chains and formats")
def _():
    with Place() as place:
        place.write("x.raw", [(MIB, text(random.Random(5), 3 * MIB))],
                    10 * MIB)
        levels = []
        for level in ("1", "9"):
            words = ("-o", "compress_level=" + level, "-f", "raw", "x.raw")
            levels.append(place.estimate(100, *words))
            assert_equal(place.real(*words), levels[-1], level)
        if levels[0] <= levels[1]:
            raise Failed(str(levels))
        vdisk_img("convert", "-f", "raw", "-O", "vmdk", "x.raw", "x.vmdk",
                  cwd=place.dir)
        assert_equal(levels[0], place.estimate(100, "x.vmdk"), "sparse")
        vdisk_img("fill", "-o", "200000", "-l", "300000", "--pattern", "9",
                  "c.vmdk", cwd=place.dir)
        assert_equal(place.real("c.vmdk"), place.estimate(100, "c.vmdk"),
                     "child")
        assert_equal(place.real("s.vmdk"), place.estimate(100, "s.vmdk"),
                     "stream")


@suite.case("--sample: the golden forms")
def _():
    with Place() as place:
        size = place.real("a.vmdk")
        assert_equal((0, "required size: 264192\n"
                         "fully allocated size: 10633728\n"
                         "estimated size: %d\n" % size, ""),
                     place.measure(*STREAM, "--sample", "50", "a.vmdk"),
                     "human")
        assert_equal((0, """{
    "required": 264192,
    "fully-allocated": 10633728,
    "estimated": %d
}
""" % size, ""), place.measure("--output=json", *STREAM, "--sample=50",
                               "a.vmdk"), "JSON")
        empty = place.estimate(50, "--size", "10M")
        assert_equal(
            json.loads(place.measure("--output=json", *STREAM, "--size",
                                     "10M")[1])["required"], empty, "empty")


@suite.case("--sample: wrong words and failures")
def _():
    with Place() as place:
        for words, message in (
                (("--sample", "0", "a.vmdk"), "Invalid sample specified. "),
                (("--sample", "101", "a.vmdk"), "Invalid sample specified. "),
                (("--sample", "5%", "a.vmdk"), "Invalid sample specified. "),
                (("--sample", "5", "a.vmdk"), "a sample is for compressed "),
                (("-O", "vmdk", "--sample", "5", "a.vmdk"),
                 "a sample is for compressed "),
                ((*STREAM, "--sample", "5", "--image-opts",
                  "driver=raw,file.driver=blkdebug,"
                  "file.inject-error.0.event=read_aio,"
                  "file.inject-error.0.sector=130,"
                  "file.image.filename=a.raw"), "")):
            code, out, err = place.measure(*words)
            assert_equal((1, ""), (code, out), str(words))
            if not err.startswith("qemu-img: " + message):
                raise Failed(err)


if __name__ == "__main__":
    suite.run()
