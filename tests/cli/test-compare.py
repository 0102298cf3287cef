#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""test-compare - what compare says beyond qemu-img: all ranges that differ, and
hashes."""
import hashlib
import json
import os
import random
import struct
import sys

sys.path.insert(0, os.path.dirname(__file__))
sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../support"))

import fixture  # noqa: E402
from fixture import MIB, assert_equal, run_link  # noqa: E402
from tap import Suite  # noqa: E402
from tools import Failed, vdisk_img, working_engines  # noqa: E402

suite = Suite()
AIO = {"uring": "io_uring", "threads": "threads"}
RAWS = ("-f", "raw", "-F", "raw")


class Place(fixture.Place):
    def ours(self, *words):
        result = run_link(self.link, [str(w) for w in words], self.dir)
        return result.code, result.stdout.decode(), result.stderr.decode()

    def document(self, *words, code=0):
        got, out, err = self.ours(*words, "--output=json")
        assert_equal((code, ""), (got, err), " ".join(words))
        return json.loads(out)

    def write(self, name, off, data):
        with open(self.path(name), "r+b") as f:
            f.seek(off)
            f.write(data)

    def content(self, name):
        with open(self.path(name), "rb") as f:
            return f.read()


def differences(a, b):
    """(start, length) of sectors that differ, the slow way."""
    size = max(len(a), len(b))
    a, b = a.ljust(size, b"\0"), b.ljust(size, b"\0")
    found = []
    for off in range(0, size, 512):
        if a[off:off + 512] == b[off:off + 512]:
            continue
        end = min(off + 512, size)
        if found and found[-1][1] == off:
            found[-1][1] = end
        else:
            found.append([off, end])
    return [(start, end - start) for start, end in found]


def listed(report):
    return [(it["start"], it["length"]) for it in report["differences"]]


# -- --all: the golden forms ------------------------------------------------

def make_ranges(place):
    """b.raw, twice as long as a.raw, differs in three places."""
    place.write("b.raw", 65536, b"\2" * 65536)
    place.write("b.raw", 65536 + 700, b"xyz")
    place.write("b.raw", 65536 + 1024, b"xyz")
    place.write("b.raw", 300000, b"x")
    place.write("b.raw", 2 * MIB - 1, b"x")


@suite.case("--all lists ranges behind the verdict")
def _():
    with Place() as place:
        make_ranges(place)
        for words in ((), ("-p",)):
            code, out, _ = place.ours("compare", *words, "--all", *RAWS,
                                      "a.raw", "b.raw")
            assert_equal((1, "Content mismatch at offset 66048!\n"
                             "Offset 66048, length 1024: contents differ\n"
                             "Offset 299520, length 512: contents differ\n"
                             "Offset 2096640, length 512: contents differ\n"),
                         (code, out), str(words))
        assert_equal((1, "", ""), place.ours("compare", "-q", "--all", *RAWS,
                                             "a.raw", "b.raw"), "quiet")


@suite.case("--all in JSON")
def _():
    with Place() as place:
        make_ranges(place)
        code, out, err = place.ours("compare", "--all", "--output=json", *RAWS,
                                    "a.raw", "b.raw")
        report = json.loads(out)
        compared = report["bytes-compared"]
        assert_equal((1, "", """{
    "identical": false,
    "size1": 1048576,
    "size2": 2097152,
    "first-difference": 66236,
    "bytes-compared": %d,
    "differences": [
        {
            "start": 66048,
            "length": 1024
        },
        {
            "start": 299520,
            "length": 512
        },
        {
            "start": 2096640,
            "length": 512
        }
    ]
}
""" % compared), (code, err, out), "document")


@suite.case("--all of equal images: an empty list")
def _():
    with Place() as place:
        assert_equal((0, "Images are identical.\n", ""),
                     place.ours("compare", "--all", "a.vmdk", "s.vmdk"),
                     "human")
        report = place.document("compare", "--all", "a.vmdk", "s.vmdk")
        assert_equal((True, []), (report["identical"], listed(report)), "JSON")
        if "differences" in place.document("compare", "a.vmdk", "s.vmdk"):
            raise Failed("a list that nobody asked for")


@suite.case("--all --strict: sizes, contents, and maps")
def _():
    with Place() as place:
        vdisk_img("convert", "-O", "vmdk", "a.vmdk", "b.vmdk", cwd=place.dir)
        vdisk_img("fill", "-o", "100", "-l", "1", "--pattern", "9", "b.vmdk",
                  cwd=place.dir)
        vdisk_img("fill", "-o", "70000", "-l", "1", "--pattern", "9", "b.vmdk",
                  cwd=place.dir)
        assert_equal(
            (1, "Strict mode: Offset 0 block status mismatch!\n"
                "Offset 0, length 65536: block status differs\n"
                "Offset 69632, length 512: contents differ\n", ""),
            place.ours("compare", "-s", "--all", "a.vmdk", "b.vmdk"), "human")
        report = place.document("compare", "-s", "--all", "a.vmdk", "b.vmdk",
                                code=1)
        assert_equal([{"start": 0, "length": 65536, "status": True},
                      {"start": 69632, "length": 512, "status": False}],
                     report["differences"], "JSON")
        vdisk_img("resize", "b.vmdk", "12M", cwd=place.dir)
        code, out, err = place.ours("compare", "-s", "--all", "a.vmdk",
                                    "b.vmdk")
        assert_equal((1, "Strict mode: Image size mismatch!\n"
                         "Offset 0, length 65536: block status differs\n"
                         "Offset 69632, length 512: contents differ\n", ""),
                     (code, out, err), "sizes")
        report = place.document("compare", "-s", "--all", "a.vmdk", "b.vmdk",
                                code=1)
        assert_equal(False, report["identical"], "sizes, JSON")


@suite.case("--all --strict: sizes alone make a difference")
def _():
    with Place() as place:
        vdisk_img("convert", "-O", "vmdk", "a.vmdk", "b.vmdk", cwd=place.dir)
        vdisk_img("resize", "b.vmdk", "12M", cwd=place.dir)
        assert_equal((1, "Strict mode: Image size mismatch!\n", ""),
                     place.ours("compare", "-s", "--all", "a.vmdk", "b.vmdk"),
                     "verdict")
        report = place.document("compare", "-s", "--all", "a.vmdk", "b.vmdk",
                                code=1)
        assert_equal((False, []), (report["identical"], listed(report)),
                     "JSON")


# -- --all: against a model -------------------------------------------------

def scatter(dice, size, image):
    data = bytearray(size)
    for _ in range(150):
        off = dice.choice((dice.randrange(size), MIB - 2000 +
                           dice.randrange(4000)))
        piece = dice.choice((1, 512, 700, 5000, 70000))
        piece = min(piece, size - off)
        data[off:off + piece] = bytes([dice.randrange(2)]) * piece
    with open(image, "wb") as f:
        f.write(data)
    return bytes(data)


def check_model(engine, seed):
    dice = random.Random(seed)
    with Place() as place:
        # The last sector of the longer one is short.
        one = scatter(dice, 3 * MIB + 512 * dice.randrange(4),
                      place.path("1.raw"))
        other = scatter(dice, 4 * MIB, place.path("2.raw"))
        wanted = differences(one, other)
        words = ["compare", "--all", "-i", AIO[engine]]
        for name in ("1.raw", "1.vmdk", "1s.vmdk"):
            if name != "1.raw":
                kind = "streamOptimized" if "s" in name[:2] else \
                    "monolithicSparse"
                vdisk_img("convert", "-f", "raw", "-O", "vmdk", "-o",
                          "subformat=" + kind, "1.raw", name, cwd=place.dir)
            form = "raw" if name == "1.raw" else "vmdk"
            report = place.document(*words, "-f", form, "-F", "raw", name,
                                    "2.raw", code=1)
            assert_equal(wanted, listed(report), name)
            first = report["first-difference"]
            plain = place.document("compare", "-f", form, "-F", "raw", name,
                                   "2.raw", code=1)
            assert_equal(plain["first-difference"], first, "first")
            assert_equal(wanted[0][0], first - first % 512, "first")
            code, out, err = place.ours(*words, "-f", form, "-F", "raw",
                                        name, "2.raw")
            lines = out.splitlines()
            assert_equal((1, ""), (code, err), name)
            assert_equal(["Offset %d, length %d: contents differ" % it
                          for it in wanted],
                         [line for line in lines if line[:7] == "Offset "],
                         name)


for engine_ in working_engines():
    for seed_ in range(3):
        suite.add("--all beside a model, %s, %d" % (engine_, seed_),
                  check_model, engine_, seed_)


@suite.case("--all: a failure is one, whatever was found before")
def _():
    with Place() as place:
        make_ranges(place)
        bad = ("driver=raw,file.driver=blkdebug,"
               "file.inject-error.0.event=read_aio,"
               "file.inject-error.0.sector=588,file.image.filename=b.raw")
        words = ("compare", "--all", "--image-opts",
                 "driver=raw,file.filename=a.raw", bad)
        code, out, err = place.ours(*words)
        assert_equal(4, code, err)
        if "error while reading at byte " not in err:
            raise Failed(err)
        code, out, err = place.ours(*words, "--output=json")
        assert_equal((4, "EIO"), (code, json.loads(out)["error"]["errno"]),
                     "JSON")


# -- --hash -----------------------------------------------------------------

BLOCK = 65536
FORMATS = [("raw", "")] + [("vmdk", "subformat=" + kind) for kind in (
    "monolithicSparse", "monolithicFlat", "twoGbMaxExtentSparse",
    "twoGbMaxExtentFlat", "streamOptimized", "vmfs", "vmfsSparse", "seSparse",
    "monolithicSparse,grain_size=4096")]


def hash_of(data, strict=False):
    """As the manual page says."""
    records = hashlib.sha256()
    for off in range(0, len(data), BLOCK):
        block = data[off:off + BLOCK].ljust(BLOCK, b"\0")
        if block.strip(b"\0"):
            records.update(struct.pack(">Q", off // BLOCK))
            records.update(hashlib.sha256(block).digest())
    if strict:
        records.update(struct.pack(">QQ", (1 << 64) - 1, len(data)))
    return records.hexdigest()


def mottled(dice, size):
    """Data and zeroes in pieces of all sizes, on all borders."""
    data = bytearray(size)
    for _ in range(60):
        off = dice.choice((dice.randrange(size), dice.randrange(
            size // BLOCK) * BLOCK))
        piece = min(dice.choice((1, 512, 4096, 65536, 300000)), size - off)
        data[off:off + piece] = dice.choice((bytes(piece),
                                             dice.randbytes(piece)))
    return bytes(data)


@suite.case("--hash: the golden forms")
def _():
    content = bytes(BLOCK) + b"\1" * 131072 + bytes(524288 - 3 * BLOCK) + \
        b"\3" * BLOCK + bytes(10 * MIB - 524288 - BLOCK)
    wanted, strict = hash_of(content), hash_of(content, strict=True)
    with Place() as place:
        assert_equal((0, "%s  a.vmdk\n" % wanted, ""),
                     place.ours("compare", "--hash", "a.vmdk"), "one")
        assert_equal((0, "%s  a.vmdk\n%s  s.vmdk\n" % (wanted, wanted), ""),
                     place.ours("compare", "--hash", "a.vmdk", "s.vmdk"),
                     "two")
        assert_equal((0, "%s  c.vmdk\n" % strict, ""),
                     place.ours("compare", "-s", "--hash", "c.vmdk"), "strict")
        assert_equal((0, "", ""), place.ours("compare", "-q", "--hash",
                                             "a.vmdk"), "quiet")
        code, out, _ = place.ours("compare", "-p", "--hash", "a.vmdk")
        assert_equal((0, "%s  a.vmdk\n" % wanted), (code, out), "progress")
        assert_equal((0, """{
    "algorithm": "sha256",
    "block-size": 65536,
    "strict": false,
    "identical": true,
    "images": [
        {
            "filename": "a.vmdk",
            "hash": "%s",
            "virtual-size": 10485760,
            "bytes-read": 196608
        },
        {
            "filename": "f.vmdk",
            "hash": "%s",
            "virtual-size": 10485760,
            "bytes-read": 196608
        }
    ]
}
""" % (wanted, wanted), ""), place.ours("compare", "--hash", "--output=json",
                                        "a.vmdk", "f.vmdk"), "JSON")
        report = place.document("compare", "--hash", "-s", "a.vmdk")
        assert_equal((strict, True, False),
                     (report["images"][0]["hash"], report["strict"],
                      "identical" in report), "one image, strict")


@suite.case("--hash: size counts only if strict, contents always")
def _():
    with Place() as place:
        hash_ = ("compare", "--hash", *RAWS)
        none = hashlib.sha256().hexdigest()
        place.write("b.raw", 65536, b"\2" * 65536)
        assert_equal(0, place.ours(*hash_, "a.raw", "b.raw")[0], "sizes")
        assert_equal(1, place.ours(*hash_, "-s", "a.raw", "b.raw")[0],
                     "sizes, strict")
        place.write("b.raw", 2 * MIB - 1, b"x")
        code, out, _ = place.ours(*hash_, "a.raw", "b.raw")
        assert_equal((1, "%s  a.raw\n%s  b.raw\n" % (
            hash_of(place.content("a.raw")), hash_of(place.content("b.raw")))),
            (code, out), "contents")
        report = place.document(*hash_, "a.raw", "b.raw", code=1)
        assert_equal(False, report["identical"], "JSON")
        with open(place.path("zero.raw"), "wb") as f:
            f.write(bytes(MIB))  # data, not a hole
        for name in ("zero.raw", "empty.raw"):
            with open(place.path(name), "ab"):
                pass
            assert_equal((0, "%s  %s\n" % (none, name), ""), place.ours(
                "compare", "--hash", "-f", "raw", name), name)


def check_hash_formats(engine):
    """The same for an image and all that it is converted to."""
    dice = random.Random(engine)
    with Place() as place:
        content = mottled(dice, 9 * MIB + 3 * 512)
        with open(place.path("x.raw"), "wb") as f:
            f.write(content)
        for i, (form, options) in enumerate(FORMATS):
            words = ["-o", options] if options else []
            name = "x%d" % i
            vdisk_img("convert", "-f", "raw", "-O", form, *words, "x.raw",
                      name, cwd=place.dir)
            for strict in (False, True):
                assert_equal(
                    (0, "%s  %s\n" % (hash_of(content, strict), name), ""),
                    place.ours("compare", "--hash", "-i", AIO[engine], "-f",
                               form, *(["-s"] if strict else []), name),
                    "%s %s" % (form, options))


def check_hash_odd(engine):
    """Sizes that are no multiple of anything; children of disks."""
    dice = random.Random(engine + "odd")
    with Place() as place:
        for size in (1, 511, 65535, 65537, MIB + 1, 3 * MIB - 700):
            content = bytes(max(size - 700, 0)) + dice.randbytes(
                min(size, 700))
            with open(place.path("x.raw"), "wb") as f:
                f.write(content)
            assert_equal((0, "%s  x.raw\n" % hash_of(content), ""),
                         place.ours("compare", "--hash", "-i", AIO[engine],
                                    "-f", "raw", "x.raw"), str(size))
        vdisk_img("fill", "-o", "70000", "-l", "300000", "--pattern", "9",
                  "c.vmdk", cwd=place.dir)
        vdisk_img("convert", "-O", "raw", "c.vmdk", "c.raw", cwd=place.dir)
        wanted = hash_of(place.content("c.raw"))
        assert_equal((0, "%s  c.vmdk\n%s  c.raw\n" % (wanted, wanted), ""),
                     place.ours("compare", "--hash", "-F", "raw", "c.vmdk",
                                "c.raw"), "child")


for engine_ in working_engines():
    suite.add("--hash: every format, " + engine_, check_hash_formats, engine_)
    suite.add("--hash: odd sizes, " + engine_, check_hash_odd, engine_)


@suite.case("--hash: wrong words and failures")
def _():
    with Place() as place:
        for words, code, text in (
                (("--hash",), 2, "Expecting one or two image file names"),
                (("--hash", "a.raw", "b.raw", "a.raw"), 2,
                 "Expecting one or two image file names"),
                (("--hash", "--all", "a.raw", "b.raw"), 2,
                 "--all and --hash are mutually exclusive"),
                (("--hash", "-F", "raw", "a.raw"), 2,
                 "-F requires a second image"),
                (("--hash", "missing"), 2, "Could not open 'missing'"),
                (("--hash", "a.vmdk", "missing"), 2,
                 "Could not open 'missing'")):
            got, out, err = place.ours("compare", *words)
            assert_equal((code, ""), (got, out), str(words))
            if not err.startswith("qemu-img: " + text):
                raise Failed(err)
        bad = ("driver=raw,file.driver=blkdebug,"
               "file.inject-error.0.event=read_aio,"
               "file.inject-error.0.sector=130,file.image.filename=a.raw")
        code, out, err = place.ours("compare", "--hash", "--image-opts", bad)
        assert_equal((4, ""), (code, out), err)
        if "error while reading at byte " not in err:
            raise Failed(err)


if __name__ == "__main__":
    suite.run()
