#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""test-zero-grains - which grains of zeroes convert stores: as -S and
--dedup-zero-grains say, in sparse and in compressed targets."""
import json
import os
import sys

sys.path.insert(0, os.path.dirname(__file__))

from fixture import assert_equal  # noqa: E402
from tap import Suite  # noqa: E402
from tools import scratch, vdisk_img, vdisk_img_fails  # noqa: E402

GRAIN = 65536
# Two grains of data; between them four that are zeroes and four that are not
# there.
GRAINS = 10
WRITTEN, HOLES = 4, 4

TARGETS = {
    "sparse": ["-o", "subformat=monolithicSparse"],
    "small": ["-o", "grain_size=4k"],
    "split": ["-o", "subformat=twoGbMaxExtentSparse"],
    "stream": ["-o", "subformat=streamOptimized"],
}
# Words, grains that are stored then: in a sparse target, in a stream.
TABLE = (
    ([], 2, 2),
    (["-S", "0"], 10, 10),
    (["-S", "1M"], 6, 2),
    (["--dedup-zero-grains"], 2, 2),
    (["--dedup-zero-grains=on"], 2, 2),
    (["--dedup-zero-grains=on", "-S", "0"], 2, 2),
    (["--dedup-zero-grains", "-S", "1M"], 2, 2),
    (["--dedup-zero-grains=off"], 6, 6),
    (["--dedup-zero-grains=off", "-S", "0"], 10, 10),
)

suite = Suite()


def make_source(directory):
    data = os.urandom(GRAIN)
    with open(os.path.join(directory, "source"), "wb") as f:
        f.write(data + bytes(WRITTEN * GRAIN))
        f.seek(HOLES * GRAIN, os.SEEK_CUR)
        f.write(data)


def convert(directory, words, source="source", target="target"):
    """Its JSON result."""
    return json.loads(vdisk_img("convert", "--output=json", "-O", "vmdk",
                                *words, source, target, cwd=directory))


def stored(directory, name="target"):
    """Grains that the image has data for; what they hold is not asked."""
    entries = json.loads(vdisk_img("map", "--output=json", name,
                                   cwd=directory))
    return sum(e["length"] for e in entries if e["data"]) / GRAIN


def assert_same(directory, name="target"):
    assert_equal("Images are identical.\n",
                 vdisk_img("compare", "source", name, cwd=directory),
                 "compare")


def check_stored(target, words, wanted):
    with scratch() as d:
        make_source(d)
        report = convert(d, TARGETS[target] + words)
        assert_equal(wanted, stored(d), "grains")
        if wanted == 2:
            assert_equal((WRITTEN + HOLES) * GRAIN, report["bytes-zero"],
                         "bytes-zero")
        assert_same(d)


for target_ in TARGETS:
    for words_, sparse_, stream_ in TABLE:
        suite.add("%s with %s" % (target_, " ".join(words_) or "nothing"),
                  check_stored, target_, words_,
                  stream_ if target_ == "stream" else sparse_)


# -- compressed grains that could be handed over ------------------------------

def check_handed_over(words, wanted):
    with scratch() as d:
        make_source(d)
        convert(d, TARGETS["stream"] + ["-S", "0"], target="full")
        assert_equal(GRAINS, stored(d, "full"), "grains of the source")
        convert(d, TARGETS["stream"] + words, source="full")
        assert_equal(wanted, stored(d), "grains")
        assert_same(d)


for words_, wanted_ in (([], 2), (["--dedup-zero-grains"], 2),
                        (["-S", "0"], GRAINS),
                        (["--dedup-zero-grains", "-S", "0"], 2),
                        (["--dedup-zero-grains=off"], GRAINS),
                        (["--dedup-zero-grains", "--verify"], 2)):
    suite.add("stream to stream with %s" % (" ".join(words_) or "nothing"),
              check_handed_over, words_, wanted_)


@suite.case("grains that hold something are handed over unchanged")
def _():
    with scratch() as d:
        make_source(d)
        words = TARGETS["stream"] + ["-o", "content_id=12345678"]
        convert(d, words, target="a")
        convert(d, words, source="a", target="b")
        with open(os.path.join(d, "a"), "rb") as a, \
                open(os.path.join(d, "b"), "rb") as b:
            assert_equal(stored(d, "a"), stored(d, "b"), "grains")
            assert_equal(len(a.read()), len(b.read()), "length")


# -- into a target that has something -----------------------------------------

@suite.case("old data give way to zeroes that are left out")
def _():
    for word, wanted in (("on", 2), ("off", 6)):
        with scratch() as d:
            make_source(d)
            vdisk_img("create", "-q", "-f", "vmdk", "target", GRAINS * GRAIN,
                      cwd=d)
            vdisk_img("fill", "-q", "-f", "vmdk", "-l", GRAINS * GRAIN,
                      "target", cwd=d)
            convert(d, ["-n", "--dedup-zero-grains=" + word])
            assert_equal(wanted, stored(d), "grains")
            assert_same(d)


# -- words --------------------------------------------------------------------

@suite.case("what does not go with it")
def _():
    with scratch() as d:
        make_source(d)
        before = os.listdir(d)
        for words, text in (
                (["--dedup-zero-grains=off", "-S", "64k"],
                 "--dedup-zero-grains=off makes no sense with -S SIZE"),
                (["--dedup-zero-grains=maybe"],
                 "Invalid value for --dedup-zero-grains: maybe"),
                (["--dedup-zero-grains"],
                 "target: is not made of grains that could be left out or "
                 "stored"),
                (["--dedup-zero-grains=off", "-O", "vmdk", "-o",
                  "subformat=monolithicFlat"],
                 "target: is not made of grains that could be left out or "
                 "stored")):
            got = vdisk_img_fails("convert", "-f", "raw", *words, "source",
                                  "target", cwd=d)
            assert_equal("vdisk-img: %s\n" % text, got, " ".join(words))
            assert_equal(before, os.listdir(d), "files")


suite.run()
