#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""test-chains - what qemu-img and libvmdk make of chains after our commit and
rebase, and what qemu-img's own commit does to the same files."""
import json
import os
import shutil
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../support"))

from model import Model  # noqa: E402
from readers import (expect, read_with_libvmdk, read_with_qemu,  # noqa: E402
                     read_with_vdisk)
from tap import Suite  # noqa: E402
from tools import (Failed, need, qemu_img, run, scratch,  # noqa: E402
                   vdisk_img, write_with_vdisk)

SIZE = (10 << 20) + 5 * 512
# base, child; libvmdk takes a zero mark for a grain in sector 1.
CASES = [
    ("subformat=monolithicSparse", "subformat=monolithicSparse"),
    ("subformat=monolithicFlat", "zeroed_grain=on"),
    ("subformat=twoGbMaxExtentSparse",
     "subformat=twoGbMaxExtentSparse,zeroed_grain=on"),
]

suite = Suite()


def make_chain(tmp, base, child, seed):
    """base.vmdk and child.vmdk; the model of what the child shows."""
    model = Model(SIZE, seed)
    paths = [os.path.join(tmp, name) for name in ("base.vmdk", "child.vmdk")]
    vdisk_img("create", "-q", "-f", "vmdk", "-o", base, paths[0], SIZE)
    write_with_vdisk(paths[0], model.random_writes(tmp, 20))
    vdisk_img("create", "-q", "-f", "vmdk", "-o", child, "-b", "base.vmdk",
              "-F", "vmdk", paths[1])
    write_with_vdisk(paths[1], model.random_writes(tmp, 20))
    return model, paths


def all_read(path, wanted, marks=False):
    expect(read_with_vdisk(path), wanted, "vdisk-img")
    expect(read_with_qemu(path), wanted, "qemu-img")
    if not marks:
        expect(read_with_libvmdk(path), wanted, "libvmdk")


def everybody_reads_after_commit(base, child, seed):
    with scratch() as tmp:
        model, paths = make_chain(tmp, base, child, seed)
        marks = "zeroed_grain" in child
        vdisk_img("commit", paths[1])
        for path in paths:
            all_read(path, model.content())
        write_with_vdisk(paths[1], model.random_writes(tmp, 5))
        all_read(paths[1], model.content(), marks)
        vdisk_img("commit", "-d", paths[1])
        all_read(paths[0], model.content())
        all_read(paths[1], model.content(), marks)


def everybody_reads_after_rebase(base, child, seed):
    with scratch() as tmp:
        model, paths = make_chain(tmp, base, child, seed)
        other = os.path.join(tmp, "other.vmdk")
        vdisk_img("create", "-q", "-f", "vmdk", other, SIZE)
        write_with_vdisk(other, Model(SIZE, seed + 1).random_writes(tmp, 20))
        for parent in ("other.vmdk", ""):
            vdisk_img("rebase", "-b", parent, "-F", "vmdk", paths[1])
            all_read(paths[1], model.content(), "zeroed_grain" in child)


def everybody_reads_after_dedup(base, child, seed):
    """The child holds grains that the other base has just so."""
    with scratch() as tmp:
        model, paths = make_chain(tmp, base, child, seed)
        other = os.path.join(tmp, "other.vmdk")
        vdisk_img("convert", "-f", "vmdk", "-O", "vmdk", paths[1], other)
        write_with_vdisk(other, Model(SIZE, seed + 1).random_writes(tmp, 5))
        text = vdisk_img("rebase", "--dedup", "--output=json", "-b",
                         "other.vmdk", "-F", "vmdk", paths[1])
        if json.loads(text)["bytes-dropped"] < 65536:
            raise Failed("nothing was dropped: " + text)
        all_read(paths[1], model.content(), "zeroed_grain" in child)
        qemu_img("check", "-f", "vmdk", paths[1])
        vdisk_img("check", paths[1])


for number, (base_options, child_options) in enumerate(CASES):
    label = "%s over %s" % (child_options, base_options)
    suite.add("commit: everybody reads %s" % label,
              everybody_reads_after_commit, base_options, child_options,
              number)
    suite.add("rebase: everybody reads %s" % label,
              everybody_reads_after_rebase, base_options, child_options,
              50 + number)
    suite.add("rebase --dedup: everybody reads %s" % label,
              everybody_reads_after_dedup, base_options, child_options,
              70 + number)


@suite.case("qemu-img's own commit leaves the child unreadable, ours does not")
def _():
    with scratch() as tmp:
        model, paths = make_chain(tmp, *CASES[0], 90)
        theirs = os.path.join(tmp, "theirs")
        os.mkdir(theirs)
        for path in paths:
            shutil.copy(path, theirs)
        qemu_img("commit", "-f", "vmdk", os.path.join(theirs, "child.vmdk"))
        expect(read_with_qemu(os.path.join(theirs, "base.vmdk")),
               model.content(), "qemu-img's base")
        result = run([need("qemu-img"), "convert", "-f", "vmdk", "-O", "raw",
                      os.path.join(theirs, "child.vmdk"),
                      os.path.join(tmp, "x.raw")])
        if result.code == 0:
            raise Failed("qemu-img reads its committed child; the manual and "
                         "docs/FORMATS.md say it does not")
        # Nothing is lost: the parent's content id is taken over.
        vdisk_img("rebase", "-u", "--update-cid", "-b", "base.vmdk",
                  os.path.join(theirs, "child.vmdk"))
        all_read(os.path.join(theirs, "child.vmdk"), model.content())
        vdisk_img("commit", paths[1])
        all_read(paths[1], model.content())


suite.run()
