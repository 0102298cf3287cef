#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""test-mixed-chains - links of different formats over one another.

A qcow2 image lies over every kind of disk, directly and with more links between;
each is written and discarded from at random.  What the chain shows, seen by us
and by qemu-img, is what a model says; the parent keeps every byte; and the map
tells each byte's depth.
"""
import json
import os
import random
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../support"))

from digest import raw_nz64k  # noqa: E402
from model import Model  # noqa: E402
from readers import expect, read_with_qemu, read_with_vdisk  # noqa: E402
from tap import Suite  # noqa: E402
from tools import (SHORT, Failed, scratch, vdisk_img,  # noqa: E402
                   write_with_vdisk)

KIB, MIB = 1 << 10, 1 << 20
SIZE = 9 * MIB + 512
SEED = 31

# Of the bottom: format, options for convert, and whether qemu-img reads it so.
BASES = (
    ("raw", "", True),
    ("vmdk", "subformat=monolithicSparse", True),
    ("vmdk", "subformat=monolithicFlat", True),
    ("vmdk", "subformat=twoGbMaxExtentSparse", True),
    ("vmdk", "subformat=streamOptimized", True),
    ("vmdk", "subformat=vmfsSparse", True),
    ("vmdk", "subformat=seSparse", True),
    ("vpc", "subformat=dynamic", True),
    ("vpc", "subformat=fixed", True),
    ("vhdx", "subformat=dynamic", True),
    ("vhdx", "subformat=fixed", True),
    ("vdi", "static=off", True),
    ("qcow2", "compat=0.10,cluster_size=4k", True),
)
LINKS = ("", "extended_l2=on", "cluster_size=512")

suite = Suite()


class Chain:
    """A base with data here and there, and a model of what is shown."""

    def __init__(self, directory, fmt, options):
        self.directory = directory
        self.model = Model(SIZE, SEED)
        raw = os.path.join(directory, "base.raw")
        rng = random.Random(SEED)
        for offset in range(0, SIZE - 512, 700 * KIB):
            length = min(rng.randrange(1, 400) * 512, SIZE - offset)
            self.model.write(offset // 512 * 512, rng.randbytes(length))
        self.model.save(raw)
        self.top, self.fmt = raw, "raw"
        if fmt != "raw":
            self.top, self.fmt = os.path.join(directory, "base." + fmt), fmt
            vdisk_img("convert", "-f", "raw", "-O", fmt, "-o", options, raw,
                      self.top)
            os.unlink(raw)
        self.links = 0

    def add_link(self, options, fmt="qcow2"):
        """By a relative name: the chain may move as a whole."""
        self.links += 1
        path = os.path.join(self.directory, "link%d.%s" % (self.links, fmt))
        vdisk_img("create", "-q", "-f", fmt, "-b", os.path.basename(self.top),
                  "-F", self.fmt, *(("-o", options) if options else ()), path)
        self.top, self.fmt = path, fmt

    def write(self, count=40):
        write_with_vdisk(self.top, self.model.random_writes(self.directory,
                                                            count))

    def expect_shown(self, qemu):
        wanted = self.model.content()
        expect(read_with_vdisk(self.top, fmt=self.fmt), wanted, "vdisk-img")
        if qemu:
            expect(read_with_qemu(self.top, self.fmt), wanted, "qemu-img")


def over(fmt, options, qemu):
    with scratch() as tmp:
        chain = Chain(tmp, fmt, options)
        base, shown = chain.top, chain.model.content()
        chain.add_link("")
        chain.expect_shown(qemu)  # all of it the parent's
        chain.write()
        chain.expect_shown(qemu)
        vdisk_img("check", "-q", chain.top)
        expect(read_with_vdisk(base, fmt=fmt), shown, "the parent")


def deep(fmt, options, qemu):
    """A link of each kind, each of which has some of it."""
    with scratch() as tmp:
        chain = Chain(tmp, fmt, options)
        for link in LINKS:
            chain.add_link(link)
            chain.write(15)
        chain.expect_shown(qemu)
        expect_depths(chain)


def expect_depths(chain):
    """Each byte is in one run, in order; all links have some."""
    runs = json.loads(vdisk_img("map", "--output=json", "-f", chain.fmt,
                                chain.top))
    at, depths = 0, set()
    for run in runs:
        if run["start"] != at:
            raise Failed("the run at %d begins at %d" % (at, run["start"]))
        at += run["length"]
        if run["data"]:
            depths.add(run["depth"])
    if at != len(chain.model.data) or depths != set(range(len(LINKS) + 1)):
        raise Failed("the map ends at %d and has depths %s" % (at, depths))


def vmdk_between():
    """qcow2 over a redo log over a VMDK."""
    with scratch() as tmp:
        chain = Chain(tmp, "vmdk", "subformat=monolithicSparse")
        chain.add_link("", "vmdk")
        chain.write()
        chain.add_link("")
        chain.write()
        chain.expect_shown(True)


def flattened():
    """A deep chain as one image: all holes are filled from where they should
    be."""
    with scratch() as tmp:
        chain = Chain(tmp, "vhdx", "subformat=dynamic")
        for link in LINKS:
            chain.add_link(link)
            chain.write(15)
        for fmt in ("vmdk", "qcow2", "vpc", "vdi", "vhdx"):
            target = os.path.join(tmp, "flat." + fmt)
            vdisk_img("convert", "-f", "qcow2", "-O", fmt, chain.top, target)
            expect(read_with_vdisk(target, fmt=fmt), chain.model.content(), fmt)


def longer_than_its_parent():
    """What a parent lacks is zero, whatever its format."""
    with scratch() as tmp:
        for fmt, options, _ in BASES:
            base = os.path.join(tmp, "b." + fmt)
            raw = os.path.join(tmp, "b.raw")
            with open(raw, "wb") as file:
                file.write(b"\x77" * (MIB + 512))
            if fmt != "raw":
                vdisk_img("convert", "-f", "raw", "-O", fmt, "-o", options, raw,
                          base)
            top = os.path.join(tmp, "t.qcow2")
            vdisk_img("create", "-q", "-f", "qcow2", "-b", base, "-F", fmt, top,
                      3 * MIB)
            with open(raw, "ab") as file:
                file.truncate(3 * MIB)
            expect(read_with_vdisk(top, fmt="qcow2"), raw_nz64k(raw), fmt)
            for name in os.listdir(tmp):
                os.unlink(os.path.join(tmp, name))


for number, (base_fmt, base_options, known) in enumerate(BASES):
    label = base_fmt + (" " + base_options if base_options else "")
    suite.add("qcow2 over " + label, over, base_fmt, base_options, known)
    # Links are alike over whatever: a short run has some.
    if not SHORT or number % 4 == 0:
        suite.add("three qcow2 over " + label, deep, base_fmt, base_options,
                  known)
suite.add("qcow2 over a redo log over VMDK", vmdk_between)
suite.add("a deep chain becomes one image", flattened)
suite.add("longer than the parent", longer_than_its_parent)
suite.run()
