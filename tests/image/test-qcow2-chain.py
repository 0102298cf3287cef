#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""test-qcow2-chain - rebase and commit of qcow2 images, over each kind of base.

qemu-img finds no fault in what we leave and reads the same bytes; the reference
in the header is what qemu-img would write.
"""
import json
import os
import shutil
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../support"))

from prepared import copy_of  # noqa: E402
from tap import Suite  # noqa: E402
from tools import (Failed, qemu_img, qemu_io, scratch, vdisk_img,  # noqa: E402
                   vdisk_img_fails)

MIB = 1 << 20
SIZE = 4 * MIB + 512
FAST = ("-t", "unsafe")
VARIANTS = ("cluster_size=64k", "cluster_size=512", "extended_l2=on",
            "compat=0.10", "cluster_size=4k,refcount_bits=1")
BASES = ("raw", "qcow2", "vmdk", "vpc", "vdi", "vhdx")

suite = Suite()


class Chain:
    """base <- other, and base <- top, with a raw copy of what top shows."""

    def __init__(self, directory, fmt):
        self.fmt = fmt
        self.base = os.path.join(directory, "base." + fmt)
        self.other = os.path.join(directory, "other." + fmt)
        self.top = os.path.join(directory, "top.qcow2")
        self.raw = os.path.join(directory, "top.raw")
        self.named = os.path.basename(self.base)  # in the header of top

    @staticmethod
    def write(path, fmt, *commands):
        qemu_io(path, *commands, fmt=fmt, flags=FAST)

    def keep(self):
        qemu_img("convert", "-f", "qcow2", "-O", "raw", self.top, self.raw)

    def make(self, options):
        size = SIZE if self.fmt in ("raw", "qcow2") else 4 * MIB
        for path, byte in ((self.base, 1), (self.other, 2)):
            extra = ["-o", "force_size"] if self.fmt == "vpc" else []
            qemu_img("create", "-q", "-f", self.fmt, *extra, path, size)
            self.write(path, self.fmt, "write -P %d 0 2M" % byte,
                       "write -P 3 2M 1M")
        qemu_img("create", "-q", "-f", "qcow2", "-o", options, "-b",
                 self.named, "-F", self.fmt, self.top)
        self.write(self.top, "qcow2", "write -P 4 1M 100k", "write -z 64k 64k",
                   "write -P 5 3M 64k")
        self.keep()

    def is_same(self, image, fmt="qcow2"):
        if fmt == "qcow2":
            vdisk_img("check", "-q", image)
            qemu_img("check", "-q", image)
        qemu_img("compare", "-q", "-f", fmt, "-F", "raw", image, self.raw)

    def names(self, base, fmt):
        info = json.loads(qemu_img("info", "-U", "--output=json", self.top))
        found = (info.get("backing-filename"),
                 info.get("backing-filename-format"))
        if found != (base, fmt):
            raise Failed("the header names %s" % (found,))


def make_chain(directory, options, fmt):
    Chain(directory, fmt).make(options)


def chain_of(directory, options, fmt="qcow2"):
    copy_of(make_chain, directory, options, fmt)
    return Chain(directory, fmt)


def rebased_safely(options):
    with scratch() as tmp:
        chain = chain_of(tmp, options)
        vdisk_img("rebase", "-b", chain.other, "-F", "qcow2", chain.top)
        chain.names(chain.other, "qcow2")
        chain.is_same(chain.top)
        os.unlink(chain.base)
        chain.is_same(chain.top)
        vdisk_img("rebase", "-b", "", chain.top)
        chain.names(None, None)
        os.unlink(chain.other)
        chain.is_same(chain.top)


def rebased_to_a_first_parent():
    """What was a hole without one must not show it."""
    with scratch() as tmp:
        chain = chain_of(tmp, "cluster_size=64k")
        qemu_img("create", "-q", "-f", "qcow2", chain.top, SIZE)
        chain.write(chain.top, "qcow2", "write -P 6 1M 100k")
        chain.keep()
        vdisk_img("rebase", "-b", chain.other, "-F", "qcow2", chain.top)
        chain.names(chain.other, "qcow2")
        chain.is_same(chain.top)


def rebased_over(fmt):
    with scratch() as tmp:
        chain = chain_of(tmp, "cluster_size=64k")
        other = os.path.join(tmp, "over." + fmt)
        qemu_img("convert", "-O", fmt, chain.other, other)
        vdisk_img("rebase", "-b", other, "-F", fmt, chain.top)
        chain.names(other, fmt)
        chain.is_same(chain.top)


def rebased_unsafely(options):
    with scratch() as tmp:
        chain = chain_of(tmp, options)
        shutil.copy(chain.base, os.path.join(tmp, "b"))
        vdisk_img("rebase", "-u", "-b", "b", "-F", "qcow2", chain.top)
        chain.names("b", "qcow2")
        chain.is_same(chain.top)
        # Longer and shorter names, until none of them has a new place.
        for n in (1, 40, 200, 3, 100, 2):
            vdisk_img("rebase", "-u", "-b", "x" * n, "-F", "raw", chain.top)
            chain.names("x" * n, "raw")
        vdisk_img("rebase", "-u", "-b", chain.base, "-F", "qcow2", chain.top)
        chain.is_same(chain.top)
        text = vdisk_img_fails("rebase", "-u", "-b", "b", chain.top)
        if "backing format must be specified" not in text:
            raise Failed(text)
        vdisk_img_fails("rebase", "-u", "-b", "x" * 1024, "-F", "raw",
                        chain.top)
        chain.names(chain.base, "qcow2")
        if os.listdir(tmp).count("top.qcow2.vdisk-repair"):
            raise Failed("a side file was left")


def other_extensions_stay():
    """Bitmaps and names of features."""
    with scratch() as tmp:
        chain = chain_of(tmp, "cluster_size=64k")
        qemu_img("bitmap", "--add", chain.top, "b0")
        vdisk_img("rebase", "-u", "-b", "y" * 300, "-F", "host_device",
                  chain.top)
        chain.names("y" * 300, "host_device")
        vdisk_img("rebase", "-u", "-b", chain.base, "-F", "qcow2", chain.top)
        with open(chain.top, "rb") as file:
            head = file.read(1024)
        for mark in (b"\x23\x85\x28\x75", b"lazy refcounts"):
            if mark not in head:
                raise Failed("%s is lost" % mark)
        chain.is_same(chain.top)


def dropped_what_is_equal():
    with scratch() as tmp:
        chain = chain_of(tmp, "cluster_size=64k")
        chain.write(chain.top, "qcow2", "write -P 2 0 1M")
        chain.keep()
        text = vdisk_img("rebase", "--dedup", "-b", chain.other, "-F", "qcow2",
                         chain.top)
        if "%d bytes" % MIB not in text:
            raise Failed(text)
        chain.is_same(chain.top)


def committed(options, fmt):
    with scratch() as tmp:
        chain = chain_of(tmp, options, fmt)
        full = os.stat(chain.top).st_size
        vdisk_img("commit", "-q", chain.top)
        chain.is_same(chain.base, fmt)
        chain.is_same(chain.top)
        chain.names(chain.named, fmt)
        if os.stat(chain.top).st_size >= full and "512" not in options:
            raise Failed("%d of %d bytes are left" % (
                os.stat(chain.top).st_size, full))
        chain.write(chain.top, "qcow2", "write -P 9 0 3M")
        chain.keep()
        vdisk_img("commit", "-q", "-d", chain.top)
        chain.is_same(chain.base, fmt)


def committed_two_levels_down(fmt):
    """The top names the base as its parent from then on."""
    with scratch() as tmp:
        chain = chain_of(tmp, "cluster_size=64k", fmt)
        middle = os.path.join(tmp, "middle.qcow2")
        os.rename(chain.top, middle)
        qemu_img("create", "-q", "-f", "qcow2", "-b", middle, "-F", "qcow2",
                 chain.top)
        chain.write(chain.top, "qcow2", "write -P 7 2M 1M")
        chain.keep()
        vdisk_img("commit", "-q", "-b", chain.base, chain.top)
        chain.is_same(chain.base, fmt)
        chain.is_same(chain.top)
        chain.names(chain.named, fmt)


def snapshots_survive_a_commit():
    with scratch() as tmp:
        chain = chain_of(tmp, "cluster_size=64k")
        qemu_img("snapshot", "-c", "s", chain.top)
        snapshot = os.path.join(tmp, "s.raw")
        qemu_img("convert", "-l", "s", "-O", "raw", chain.top, snapshot)
        chain.write(chain.top, "qcow2", "write -P 9 1M 1M")
        chain.keep()
        vdisk_img("commit", "-q", chain.top)
        chain.is_same(chain.top)
        chain.is_same(chain.base)


for variant in VARIANTS:
    suite.add("rebased-safely/" + variant, rebased_safely, variant)
    suite.add("rebased-unsafely/" + variant, rebased_unsafely, variant)
    suite.add("committed/" + variant, committed, variant, "qcow2")
for kind in BASES:
    suite.add("rebased-over/" + kind, rebased_over, kind)
    suite.add("committed/into-" + kind, committed, "cluster_size=64k", kind)
    suite.add("committed-two-levels-down/" + kind, committed_two_levels_down,
              kind)
suite.add("rebased-to-a-first-parent", rebased_to_a_first_parent)
suite.add("other-extensions-stay", other_extensions_stay)
suite.add("dropped-what-is-equal", dropped_what_is_equal)
suite.add("snapshots-survive-a-commit", snapshots_survive_a_commit)
suite.run()
