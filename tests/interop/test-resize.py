#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""test-resize - disks that have grown or shrunk are the same to qemu-img and
libvmdk as to us, whoever made them and whoever writes to them afterwards."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../support"))

from model import Model  # noqa: E402
from readers import (expect, read_with_libvmdk,  # noqa: E402
                     read_with_vdisk)
from tap import Suite, skip_all  # noqa: E402
from tools import (SHORT, VDISK_IMG, Failed, qemu_img, run,  # noqa: E402
                   scratch, vdisk_img, write_with_qemu, write_with_vdisk)

# No whole number of grains; one grain table more, and many more.
SIZE = (6 << 20) + 5 * 512
SIZES = (SIZE + 7 * 512, (40 << 20) + 512, 90 << 20)[:2 if SHORT else 3]
SHRUNK = (5 << 20) + 3 * 512
WRITES = 25
SPLIT = "split_size=16M"

# What we make; what qemu-img makes.
OURS = (
    ("monolithicSparse", ""),
    ("monolithicSparse", "grain_size=8k"),
    ("monolithicSparse", "zeroed_grain=on"),
    ("monolithicFlat", ""),
    ("twoGbMaxExtentSparse", SPLIT),
    ("twoGbMaxExtentFlat", SPLIT),
    ("vmfs", ""),
    ("vmfsThin", ""),
    ("vmfsEagerZeroedThick", ""),
    ("vmfsSparse", ""),
)
QEMUS = (
    ("monolithicSparse", ""),
    ("monolithicSparse", "zeroed_grain=on"),
    ("monolithicFlat", ""),
    ("twoGbMaxExtentSparse", ""),
    ("twoGbMaxExtentFlat", ""),
)

# Flat in a row, with one way of growing: a short run does to each what it does
# not do to the others.
NOT_GROWN = ("vmfsThin",) if SHORT else ()
NOT_SHRUNK = ("vmfs", "vmfsEagerZeroedThick") if SHORT else ()

suite = Suite()


def creation(kind, more):
    return ["-f", "vmdk", "-o", ",".join(filter(None, ["subformat=" + kind,
                                                       more]))]


def assert_sound(image):
    """No damage; what was zeroed may be leaks."""
    qemu_img("check", "-f", "vmdk", image)
    result = run([VDISK_IMG, "check", "-f", "vmdk", image])
    if result.code not in (0, 3):
        raise Failed(str(result))


def assert_same_to_qemu(tmp, image, model):
    raw = os.path.join(tmp, "wanted.raw")
    model.save(raw)
    text = qemu_img("compare", "-f", "vmdk", "-F", "raw", image, raw)
    if "size mismatch" in text:
        raise Failed(text)


def assert_same(tmp, image, model, more, is_last=True):
    """In a short run qemu-img alone sees the states before the last."""
    assert_same_to_qemu(tmp, image, model)
    if SHORT and not is_last:
        return
    wanted = model.content()
    assert_sound(image)
    expect(read_with_vdisk(image), wanted, "vdisk-img")
    # It takes a zero mark for a grain in sector 1.
    if "zeroed_grain" not in more:
        expect(read_with_libvmdk(image), wanted, "libvmdk")


def resize(image, model, size):
    shrink = ["--shrink", "--discard-tail"] if size < model.size else []
    vdisk_img("resize", "-q", *shrink, image, size)
    model.resize(size)


def grows(kind, more, create, write, seed):
    with scratch() as tmp:
        image = os.path.join(tmp, "d.vmdk")
        model = Model(SIZE, seed)
        create("create", *creation(kind, more), image, SIZE)
        write(image, model.random_writes(tmp, WRITES))
        # Tables of 2 MiB, and a slow reader in qemu-img.
        for size in SIZES[:2] if kind == "vmfsSparse" else SIZES:
            resize(image, model, size)
            assert_same(tmp, image, model, more, is_last=False)
            write(image, model.random_writes(tmp, WRITES))
        assert_same(tmp, image, model, more)


def shrinks_and_grows(kind, more, seed):
    """What was cut off does not come back."""
    with scratch() as tmp:
        image = os.path.join(tmp, "d.vmdk")
        model = Model(SIZES[1], seed)
        vdisk_img("create", *creation(kind, more), image, model.size)
        write_with_vdisk(image, model.random_writes(tmp, WRITES), "flush")
        for size in (SHRUNK, SIZES[1]):
            resize(image, model, size)
            assert_same(tmp, image, model, more, is_last=False)
        # Where a table of a vmfsSparse disk is missing QEMU writes over the
        # header.
        write = write_with_vdisk if kind == "vmfsSparse" else write_with_qemu
        write(image, model.random_writes(tmp, WRITES))
        assert_same(tmp, image, model, more)


def preallocated(kind, more, mode, seed):
    with scratch() as tmp:
        image = os.path.join(tmp, "d.vmdk")
        model = Model(SIZE, seed)
        vdisk_img("create", *creation(kind, more), image, SIZE)
        write_with_vdisk(image, model.random_writes(tmp, WRITES), "flush")
        vdisk_img("resize", "-q", "--preallocation", mode, image, SIZES[1])
        model.resize(SIZES[1])
        assert_same(tmp, image, model, more)


def vhdx_that_ends_in_its_last_block():
    """As qemu-img makes fixed ones; but it does not open one where a part of the
    disk is missing."""
    with scratch() as tmp:
        image = os.path.join(tmp, "d.vhdx")
        model = Model((9 << 20) + 4096, 1)
        qemu_img("create", "-f", "vhdx", "-o",
                 "subformat=fixed,block_state_zero=off", image, model.size)
        write_with_vdisk(image, model.random_writes(tmp, WRITES))
        for size in (model.size + (512 << 10), 20 << 20):
            vdisk_img("resize", "-q", "-f", "vhdx", image, size)
            model.resize(size)
            qemu_img("check", "-f", "vhdx", image)
            expect(read_with_vdisk(image, fmt="vhdx"), model.content(),
                   "vdisk-img")


def main():
    if run(["sh", "-c", "command -v qemu-io"]).code != 0:
        skip_all("qemu-io is not installed")
    suite.add("qemu-img's VHDX that ends in its last block",
              vhdx_that_ends_in_its_last_block)
    for seed, (kind, more) in enumerate(OURS):
        name = " ".join(filter(None, (kind, more)))
        if kind not in NOT_GROWN:
            suite.add("ours grows: " + name, grows, kind, more, vdisk_img,
                      write_with_vdisk, 10 + seed)
        if kind not in NOT_SHRUNK:
            suite.add("ours shrinks and grows: " + name, shrinks_and_grows,
                      kind, more, 30 + seed)
    for seed, (kind, more) in enumerate(QEMUS):
        name = " ".join(filter(None, (kind, more)))
        suite.add("qemu-img's grows, qemu-io writes: " + name, grows, kind,
                  more, qemu_img, write_with_qemu, 50 + seed)
    for seed, (kind, more) in enumerate((OURS[0], OURS[4], OURS[3])):
        for mode in ("metadata", "full"):
            if mode == "full" or "Flat" not in kind:
                suite.add("grows with preallocation=%s: %s" % (mode, kind),
                          preallocated, kind, more, mode, 70 + seed)
    suite.run()


main()
