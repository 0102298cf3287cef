#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""test-picture - map --picture draws each link of a chain in proportion."""
import json
import os
import re
import sys
import tempfile
import xml.etree.ElementTree as ET

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../support"))

from tap import Suite  # noqa: E402
from tools import (Failed, disk_io, run, vdisk_img,  # noqa: E402
                   vdisk_img_fails, VDISK_IMG, working_engines)

MIB = 1 << 20
SIZE = 100 * MIB
ROOT = tempfile.TemporaryDirectory(prefix="vdisk-test-picture-")
KINDS = ("data", "compressed", "zero", "unallocated")


def path(name):
    return os.path.join(ROOT.name, name)


def equal(wanted, got, what):
    if wanted != got:
        raise Failed("%s: wanted %r, got %r" % (what, wanted, got))


def make_chain():
    """top (zeroes, and single grains), middle streamOptimized, base."""
    piece = path("piece")
    with open(piece, "wb") as f:
        f.write(os.urandom(MIB))
    small = path("small")
    with open(small, "wb") as f:
        f.write(os.urandom(65536))
    vdisk_img("create", "-q", "-f", "vmdk", path("base.vmdk"), SIZE)
    words = []
    for i in range(10, 30):
        words += ["write", i * MIB, piece]
    disk_io(path("base.vmdk"), *words)
    vdisk_img("convert", "-O", "vmdk", "-o", "subformat=streamOptimized",
              path("base.vmdk"), path("stream.vmdk"))
    vdisk_img("create", "-q", "-f", "vmdk", "-o", "zeroed_grain=on", "-b",
              path("base.vmdk"), "-F", "vmdk", path("top.vmdk"))
    words = ["zero", 0, 5 * MIB]
    for i in range(0, 160, 2):
        words += ["write", 70 * MIB + i * 65536, small]
    disk_io(path("top.vmdk"), *words)


def picture(image, *args, **kwargs):
    """The drawn tree and the figures."""
    target = path("picture.svg")
    report = json.loads(vdisk_img("map", "--picture=" + target,
                                  "--output=json", *args, image, **kwargs))
    equal(target, report["picture"], "name")
    return ET.parse(target).getroot(), report["links"]


def rects_of_path(d):
    number = r"(-?[\d.]+)"
    pattern = r"M%s %sh%sv%sh-[\d.]+z" % ((number,) * 4)
    pieces = re.findall(pattern, d)
    if re.sub(pattern, "", d):
        raise Failed("a path of something else: %s" % d[:200])
    return [tuple(map(float, p)) for p in pieces]


def strips(root):
    """For each strip: its frame, and for each kind the rectangles."""
    frames = [e for e in root if e.get("class") == "frame" and
              float(e.get("height")) > 20]
    result = []
    for frame in frames:
        x, y, w, h = (float(frame.get(k)) for k in ("x", "y", "width",
                                                     "height"))
        kinds = {}
        for e in root:
            if not e.tag.endswith("path"):
                continue
            rects = rects_of_path(e.get("d"))
            inside = [r for r in rects if y - 0.1 <= r[1] <= y + h]
            equal(True, len(inside) in (0, len(rects)), "one strip a path")
            if inside:
                kinds[e.get("class")] = inside
        result.append(((x, y, w, h), kinds))
    return result


def check_area(strip, kind, share):
    """The drawn area is that share of a strip of the whole width."""
    (x, y, w, h), kinds = strip
    area = 0
    for rx, ry, rw, rh in kinds.get(kind, []):
        if rx < x - 0.1 or rx + rw > x + w + 0.1 or ry + rh > y + h + 0.1:
            raise Failed("outside of its strip: %r" % ((rx, ry, rw, rh),))
        area += rw * rh
    if abs(area / (w * h) - share) > 0.003:
        raise Failed("%s: %.4f instead of %.4f" % (kind, area / (w * h),
                                                   share))


def check_chain(engine):
    root, links = picture(path("top.vmdk"), engine=engine)
    drawn = strips(root)
    equal([path("top.vmdk"), path("base.vmdk")],
          [link["filename"] for link in links], "links")
    equal(2, len(drawn), "strips")
    equal((80 * 65536, 0, 5 * MIB, SIZE - 80 * 65536 - 5 * MIB),
          tuple(links[0][k] for k in KINDS), "top")
    equal((20 * MIB, 0, 0, SIZE - 20 * MIB),
          tuple(links[1][k] for k in KINDS), "base")
    for strip, link in zip(drawn, links):
        for kind in KINDS[:3]:
            check_area(strip, kind, link[kind] / SIZE)
    # Where: from 10 to 30 of 100 MiB, in the whole height.
    (x, _, w, h), kinds = drawn[1]
    for rx, _, rw, rh in kinds["data"]:
        if rx < x + 0.099 * w or rx + rw > x + 0.301 * w:
            raise Failed("not where it is: %r" % (kinds["data"],))
        equal(h, rh, "height")
    # Every other grain: half of the height.
    (_, _, _, h), kinds = drawn[0]
    heights = [r[3] / h for r in kinds["data"]]
    if not 0.4 < sum(heights) / len(heights) < 0.6:
        raise Failed(str(heights))


def main():
    make_chain()
    suite = Suite()
    for engine in working_engines():
        suite.add("a chain in proportion, " + engine, check_chain, engine)

    @suite.case("compressed data")
    def _():
        root, links = picture(path("stream.vmdk"))
        equal(20 * MIB, links[0]["compressed"], "bytes")
        check_area(strips(root)[0], "compressed", 0.2)

    @suite.case("text, legend and axis")
    def _():
        root, _ = picture(path("top.vmdk"))
        texts = [e.text for e in root if e.tag.endswith("text")]
        for word in KINDS + ("offset in the disk", "0 B", "64 MiB"):
            if word not in texts:
                raise Failed("no %r in %r" % (word, texts))
        if not any(t.endswith("top.vmdk") and t.startswith("0") for t in
                   texts):
            raise Failed(repr(texts))

    @suite.case("a huge disk makes no larger picture")
    def _():
        vdisk_img("create", "-q", "-f", "vmdk", path("huge.vmdk"), "1T")
        words = []
        for i in range(0, 1 << 20, 5000):
            words += ["write", i * MIB, path("small")]
        disk_io(path("huge.vmdk"), *words)
        picture(path("huge.vmdk"))
        size = os.path.getsize(path("picture.svg"))
        if size > 100000:
            raise Failed("%d bytes" % size)

    @suite.case("tiny and empty disks, and names that XML cannot hold")
    def _():
        for name, size in (("empty.raw", 0), ("tiny.raw", 512),
                           ("<a&\"\x01b>.raw", 4096)):
            with open(path(name), "wb") as f:
                f.truncate(size)
            root, links = picture(path(name), "-f", "raw")
            equal(size, links[0]["virtual-size"], name)
            equal(1, len(strips(root)), name)

    @suite.case("the figures in human form")
    def _():
        text = vdisk_img("map", "--picture=h.svg", "top.vmdk", cwd=ROOT.name)
        lines = text.splitlines()
        equal("top.vmdk: vmdk, 100 MiB \u00b7 data 5 MiB (5.0 %) \u00b7 zero "
              "5 MiB (5.0 %) \u00b7 unallocated 90 MiB (90.0 %)", lines[0],
              "top")
        equal(2, len(lines), "lines")

    @suite.case("what is no document is not replaced")
    def _():
        for target, why in ((path("base.vmdk"), "does not hold a document"),
                            ("/dev/null", "not a plain file"),
                            (ROOT.name, "not a plain file"),
                            (path("no/x.svg"), "No such file or directory")):
            before = os.path.exists(path("base.vmdk")) and \
                os.path.getsize(path("base.vmdk"))
            text = vdisk_img_fails("map", "--picture=" + target,
                                   path("top.vmdk"))
            if why not in text:
                raise Failed(text)
            equal(before, os.path.getsize(path("base.vmdk")), "size")

    @suite.case("a failure leaves the old picture")
    def _():
        picture(path("top.vmdk"))
        with open(path("picture.svg"), "rb") as f:
            before = f.read()
        text = vdisk_img_fails(
            "map", "--picture=" + path("picture.svg"), "--image-opts",
            "driver=fault,fail-op=map,fail-nth=1,file.driver=vmdk,"
            "file.file.filename=" + path("top.vmdk"))
        if "Could not read the map" not in text:
            raise Failed(text)
        with open(path("picture.svg"), "rb") as f:
            equal(before, f.read(), "picture")
        equal([], [n for n in os.listdir(ROOT.name) if "svg." in n], "left")

    @suite.case("a part of a disk cannot be drawn")
    def _():
        for args in (["-s", "1M"], ["-l", "1M"], ["--depth-names"]):
            result = run([VDISK_IMG, "map", "--picture=x.svg", *args,
                          path("top.vmdk")])
            equal(1, result.code, str(result))
            if b"--picture shows whole disks" not in result.stderr:
                raise Failed(str(result))

    suite.run()


main()
