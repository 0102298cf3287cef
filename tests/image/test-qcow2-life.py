#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""test-qcow2-life - qcow2 images that are resized.

What we leave is sound to qemu-img and has the bytes that it should have.
"""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../support"))

from tap import Suite  # noqa: E402
from tools import (Failed, qemu_img, qemu_io, scratch, vdisk_img,  # noqa: E402
                   vdisk_img_fails)

MIB = 1 << 20
FAST = ("-t", "unsafe")
VARIANTS = ("cluster_size=64k", "cluster_size=512,refcount_bits=64",
            "extended_l2=on", "compat=0.10", "refcount_bits=1", "data_file")

suite = Suite()


class Pair:
    """An image, and a raw file that has the same content."""

    def __init__(self, directory, options, size):
        self.path = os.path.join(directory, "d.qcow2")
        self.raw = os.path.join(directory, "d.raw")
        if options == "data_file":
            options += "=" + os.path.join(directory, "d.data")
        qemu_img("create", "-q", "-f", "qcow2", "-o", options, self.path, size)
        qemu_io(self.path, "write -P 1 1M 2M", "write -P 5 8M 512",
                fmt="qcow2", flags=FAST)
        qemu_img("convert", "-O", "raw", self.path, self.raw)

    def resize(self, size, *argv):
        vdisk_img("resize", "-q", *argv, self.path, size)
        os.truncate(self.raw, size)
        self.is_sound()

    def is_sound(self):
        vdisk_img("check", "-q", self.path)
        qemu_img("check", "-q", self.path)
        qemu_img("compare", "-q", "-f", "qcow2", "-F", "raw", self.path,
                 self.raw)


def resized(options, preallocation):
    with scratch() as tmp:
        pair = Pair(tmp, options, 8 * MIB + 512)
        pair.resize(30 * MIB, "--preallocation=" + preallocation)
        if preallocation == "full" and \
                os.stat(pair.path).st_blocks * 512 < 20 * MIB and \
                options != "data_file":
            raise Failed("the space is not there")
        pair.resize(2 * MIB, "--shrink")
        pair.resize(9 * MIB)


def snapshots_stay(compat, may_be_resized):
    with scratch() as tmp:
        pair = Pair(tmp, "compat=" + compat, 9 * MIB)
        qemu_img("snapshot", "-c", "s", pair.path)
        kept = os.path.join(tmp, "kept.raw")
        os.link(pair.raw, kept)
        if not may_be_resized:
            for size in (5 * MIB, 10 * MIB):
                vdisk_img_fails("resize", "--shrink", pair.path, size)
            pair.is_sound()
            return
        os.unlink(kept)
        qemu_img("convert", "-O", "raw", pair.path, kept)
        pair.resize(MIB, "--shrink")
        pair.resize(3 << 30)
        qemu_img("snapshot", "-a", "s", pair.path)
        os.rename(kept, pair.raw)
        pair.is_sound()


def longer_parent_stays_hidden(options, preallocation):
    """What it has behind the old end does not come to light."""
    with scratch() as tmp:
        parent = os.path.join(tmp, "parent.raw")
        child = os.path.join(tmp, "child.qcow2")
        size = 3 * MIB + 512
        wanted = os.path.join(tmp, "wanted.raw")
        for path, length in ((parent, 9 * MIB), (wanted, size)):
            with open(path, "wb") as file:
                file.write(b"p" * length)
        qemu_img("create", "-q", "-f", "qcow2", "-o", options, "-b", parent,
                 "-F", "raw", child, size)
        vdisk_img("resize", "-q", "--preallocation=" + preallocation, child,
                  20 * MIB)
        qemu_img("check", "-q", child)
        os.truncate(wanted, 20 * MIB)
        qemu_img("compare", "-q", "-f", "qcow2", "-F", "raw", child, wanted)


for variant in VARIANTS:
    for mode in ("off", "metadata", "falloc", "full") \
            if variant == "cluster_size=64k" else ("metadata", "full"):
        suite.add("resized/%s/%s" % (variant, mode), resized, variant, mode)
suite.add("snapshots-stay/1.1", snapshots_stay, "1.1", True)
suite.add("snapshots-stay/0.10", snapshots_stay, "0.10", False)
for variant in ("compat=1.1", "compat=0.10", "extended_l2=on"):
    for mode in ("off", "full"):
        suite.add("longer-parent-stays-hidden/%s/%s" % (variant, mode),
                  longer_parent_stays_hidden, variant, mode)
suite.run()
