#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""test-matrix - every kind of image of every format becomes every other one.

Whatever the way, the target has the same bytes and takes no more space than its
grains explain.  Of each kind the result of two ways is shown to its other
readers.  The disk is sparse, has data at borders of grains and blocks and at its
end, zeroes that the source stores, and a size that is a multiple of 512 only.
"""
import os
import random
import shutil
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../support"))

from digest import raw_nz64k  # noqa: E402
from readers import (expect, read_with_libqcow, read_with_libvhdi,  # noqa: E402
                     read_with_libvmdk, read_with_qemu)
from tap import Suite  # noqa: E402
from tools import VDISK_IMG, SHORT, Failed, run, scratch, vdisk_img  # noqa: E402

KIB, MIB = 1 << 10, 1 << 20
SIZE = 41 * MIB + 512
# Tables, descriptors, and what a file system takes in larger pieces.
OVERHEAD = MIB

READERS = {"libvmdk": read_with_libvmdk, "libvhdi": read_with_libvhdi,
           "libqcow": read_with_libqcow}


class Kind:
    """@unit: bytes that are stored as one; 0 = all are, always.  @words: further
    ones for convert.  @peers: who reads it, besides us."""

    def __init__(self, name, fmt, options="", unit=64 * KIB, peers=("qemu-img",),
                 words=(), suffix=None):
        self.name = name
        self.fmt = fmt
        self.options = options
        self.unit = unit
        self.peers = peers
        self.words = words
        self.suffix = suffix or fmt

    def convert(self, source, origin, target):
        options = ["-o", self.options] if self.options else []
        vdisk_img("convert", "-f", origin, "-O", self.fmt, *options,
                  *self.words, source, target)


def vmdk(name, unit=64 * KIB, peers=("qemu-img", "libvmdk")):
    return Kind(name, "vmdk", "subformat=" + name, unit, peers)


KINDS = (
    Kind("raw", "raw", unit=4 * KIB),
    vmdk("monolithicSparse"),
    vmdk("monolithicFlat", 4 * KIB),
    vmdk("twoGbMaxExtentSparse"),
    vmdk("twoGbMaxExtentFlat", 4 * KIB),
    vmdk("streamOptimized"),
    vmdk("vmfs", 0),
    vmdk("vmfsThin", 4 * KIB),
    vmdk("vmfsEagerZeroedThick", 0),
    vmdk("vmfsSparse", 4 * KIB),
    vmdk("seSparse", 4 * KIB, ("qemu-img",)),
    Kind("qcow2", "qcow2"),
    Kind("qcow2, 2 MiB", "qcow2", "cluster_size=2M", 2 * MIB),
    Kind("qcow2, 512 bytes", "qcow2", "cluster_size=512", 4 * KIB),
    Kind("qcow2, extended_l2", "qcow2", "extended_l2=on", 4 * KIB),
    Kind("qcow2, 0.10", "qcow2", "compat=0.10", peers=("qemu-img", "libqcow")),
    Kind("qcow2, compressed", "qcow2", words=("-c",)),
    Kind("vpc, dynamic", "vpc", "subformat=dynamic", 2 * MIB,
         ("qemu-img", "libvhdi"), suffix="vhd"),
    Kind("vpc, fixed", "vpc", "subformat=fixed", 4 * KIB,
         ("qemu-img", "libvhdi"), suffix="vhd"),
    Kind("vhdx, dynamic", "vhdx", "subformat=dynamic", 4 * KIB,
         ("qemu-img", "libvhdi")),
    Kind("vhdx, fixed", "vhdx", "subformat=fixed", 4 * KIB,
         ("qemu-img", "libvhdi")),
    Kind("vdi, dynamic", "vdi", "static=off", 4 * KIB),
    Kind("vdi, static", "vdi", "static=on", 4 * KIB),
)

suite = Suite()


def places():
    """(offset, length) of the data, ascending."""
    return [(0, 512), (64 * KIB - 512, 1024), (2 * MIB - 4 * KIB, 8 * KIB),
            (10 * MIB + 512, 300 * KIB), (30 * MIB, 65 * KIB),
            (36 * MIB - 512, 512), (SIZE - 512, 512)]


def make_raw(path):
    rng = random.Random(6)
    with open(path, "wb") as file:
        file.seek(20 * MIB)
        file.write(bytes(MIB))  # zeroes that take space
        for number, (offset, length) in enumerate(places()):
            file.seek(offset)
            # Every other one compresses well.
            file.write(rng.randbytes(length) if number % 2
                       else rng.randbytes(256) * (length // 256))
        file.truncate(SIZE)


def most_bytes(kind):
    """That data in units of @kind may take."""
    if not kind.unit:
        return SIZE + OVERHEAD
    units = {unit for offset, length in places()
             for unit in range(offset // kind.unit,
                               (offset + length - 1) // kind.unit + 1)}
    return len(units) * kind.unit + OVERHEAD


class Sources:
    """The disk in every kind, made when first asked for."""

    def __init__(self):
        self.directory = tempfile.mkdtemp(prefix="vdisk-matrix-")
        self.raw = os.path.join(self.directory, "source.raw")
        make_raw(self.raw)
        self.content = raw_nz64k(self.raw)

    def image(self, kind):
        number = KINDS.index(kind)
        path = os.path.join(self.directory, "k%d.%s" % (number, kind.suffix))
        if kind.name == "raw":
            return self.raw
        if not os.path.exists(path):
            kind.convert(self.raw, "raw", path)
        return path


def expect_thin(kind, directory):
    taken = sum(512 * os.stat(os.path.join(directory, name)).st_blocks
                for name in os.listdir(directory))
    if taken > most_bytes(kind):
        raise Failed("the target takes %d bytes, at most %d are explained"
                     % (taken, most_bytes(kind)))


def show_to_peers(kind, path, content):
    for peer in kind.peers:
        if peer == "qemu-img":
            expect(read_with_qemu(path, kind.fmt), content, peer)
        else:
            expect(READERS[peer](path), content, peer)


def becomes(sources, origin, kind, shown):
    with scratch() as tmp:
        target = os.path.join(tmp, "out." + kind.suffix)
        kind.convert(sources.image(origin), origin.fmt, target)
        expect_thin(kind, tmp)
        result = run([VDISK_IMG, "compare", "-q", "-f", kind.fmt, "-F", "raw",
                      target, sources.raw])
        if result.code != 0:
            raise Failed(str(result))
        if shown:
            show_to_peers(kind, target, sources.content)


def main():
    sources = Sources()
    n = len(KINDS)
    try:
        for i, origin in enumerate(KINDS):
            for k, kind in enumerate(KINDS):
                if SHORT and (i + k) % 5:
                    continue
                # From raw, and from another one each.
                shown = i in (0, (k + n // 2) % n)
                suite.add("%s becomes %s" % (origin.name, kind.name),
                          becomes, sources, origin, kind, shown)
        suite.run()
    finally:
        shutil.rmtree(sources.directory)


main()
