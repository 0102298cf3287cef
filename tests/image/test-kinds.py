#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""test-kinds - each kind of VMDK converts to each other kind.

The disk is sparse, larger than two extents of the split kinds, no whole number
of grains, and has data where things change: at the borders of grains, grain
tables and extents, and at the end.  qemu-img (if it is there) and we read each
result.
"""
import os
import random
import shutil
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../support"))

from digest import raw_nz64k  # noqa: E402
from readers import expect, read_with_qemu, read_with_vdisk  # noqa: E402
from tap import Suite  # noqa: E402
from tools import KINDS as HOSTED, SHORT, scratch, vdisk_img  # noqa: E402

GRAIN = 64 << 10
TABLE = 512 * GRAIN
SPLIT = 2047 << 20
SIZE = 2 * SPLIT + 5 * TABLE + 3 * GRAIN + 7 * 512

KINDS = (*HOSTED, "vmfsSparse")
# One way to and from these will do.
FURTHER = ("vmfsThin", "seSparse")

suite = Suite()


def places():
    """(offset, length) of the data, ascending."""
    borders = [0, TABLE, 2 * TABLE, 64 * TABLE, SPLIT, SPLIT + TABLE,
               2 * SPLIT, 2 * SPLIT + TABLE]
    around = [(max(b - GRAIN, 0), 2 * GRAIN) for b in borders]
    return around + [(3 * TABLE + 512, 512), (5 * TABLE, 8 << 20),
                     (SIZE - 512, 512)]


def make_raw(path):
    rng = random.Random(4)
    with open(path, "wb") as file:
        for number, (offset, length) in enumerate(places()):
            file.seek(offset)
            # Every other one compresses well.
            file.write(rng.randbytes(length) if number % 2
                       else rng.randbytes(256) * (length // 256))
        file.truncate(SIZE)


class Sources:
    """The disk in every kind, made when first asked for."""

    def __init__(self):
        self.directory = tempfile.mkdtemp(prefix="vdisk-kinds-")
        self.raw = os.path.join(self.directory, "source.raw")
        make_raw(self.raw)
        self.content = raw_nz64k(self.raw)

    def image(self, kind):
        path = os.path.join(self.directory, kind + ".vmdk")
        if not os.path.exists(path):
            convert(self.raw, kind, path)
        return path


def convert(source, kind, target):
    vdisk_img("convert", "-O", "vmdk", "-o", "subformat=" + kind, source,
              target)


def becomes(sources, origin, kind):
    with scratch() as tmp:
        target = os.path.join(tmp, "out.vmdk")
        convert(sources.image(origin), kind, target)
        vdisk_img("check", target)
        expect(read_with_vdisk(target), sources.content, "vdisk-img")
        if not SHORT and shutil.which("qemu-img"):
            expect(read_with_qemu(target), sources.content, "qemu-img")


def main():
    sources = Sources()
    try:
        for origin in KINDS:
            for kind in KINDS:
                suite.add("%s becomes %s" % (origin, kind),
                          becomes, sources, origin, kind)
        for kind in FURTHER:
            for pair in (("monolithicSparse", kind), (kind, "vmfsSparse"),
                         (kind, "streamOptimized"), (kind, kind)):
                suite.add("%s becomes %s" % pair, becomes, sources, *pair)
        suite.run()
    finally:
        shutil.rmtree(sources.directory)


main()
