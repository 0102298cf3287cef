# SPDX-License-Identifier: BSD-3-Clause
"""ours - each operation on each kind, done by vdisk-img and held against a
model.

An operation is a function that does it to a Disk and raises if the outcome is
not as it should be.  A kind that refuses it must do so with the words it names,
and leave every file as it was."""
import hashlib
import os
import random

from digest import raw_nz64k
from kinds import DISK_SIZE as SIZE
from kinds import MIB, SECTOR
from model import Model
from prepared import copy_of
from readers import expect, read_with_vdisk
from tools import (VDISK_IMG, Failed, disk_io, run, scratch, vdisk_img,
                   write_with_vdisk)

SEED = 20


RAW, IMAGE = "content.raw", "disk.vmdk"


def make_disk(directory, kind):
    """Data lie around borders of grains and tables in the first two quarters and
    the last; the third quarter and the last MiB are zero (kinds.py needs it).
    """
    raw = os.path.join(directory, RAW)
    rng = random.Random(SEED)
    with open(raw, "wb") as file:
        for offset in (0, 5 * MIB, SIZE // 4 - 70000, 15 * MIB,
                       32 * MIB - 1000):
            file.seek(offset // SECTOR * SECTOR)
            file.write(rng.randbytes(150 * SECTOR))
        file.truncate(SIZE)
    kind.fill(raw, os.path.join(directory, IMAGE))


class Disk:
    """An image of @kind in @directory, and the bytes it should have."""

    def __init__(self, kind, directory):
        self.kind = kind
        self.directory = directory
        self.raw = os.path.join(directory, RAW)
        self.path = os.path.join(directory, IMAGE)
        copy_of(make_disk, directory, kind)

    def content(self):
        return raw_nz64k(self.raw)

    def expect_content(self, content=None):
        expect(read_with_vdisk(self.path), content or self.content(),
               "vdisk-img")

    def expect_sound(self):
        result = run([VDISK_IMG, "check", self.path])
        if result.code not in (0, 3, 63):
            raise Failed(str(result))

    def paths(self):
        return [os.path.join(self.directory, name)
                for name in sorted(os.listdir(self.directory))
                if name.endswith((".vmdk", ".img"))]

    def files(self):
        """Path -> digest of each file of the image."""
        found = {}
        for path in self.paths():
            with open(path, "rb") as file:
                found[path] = hashlib.sha256(file.read()).hexdigest()
        return found

    def data_blocks(self):
        return sum(os.stat(path).st_blocks for path in self.paths())


def model_of(disk):
    model = Model(SIZE, SEED)
    with open(disk.raw, "rb") as file:
        model.data = bytearray(file.read())
    return model


# -- the operations ------------------------------------------------------------

def do_create(disk):
    path = os.path.join(disk.directory, "new.vmdk")
    disk.kind.create(path, SIZE)
    expect(read_with_vdisk(path), Model(SIZE, 0).content(), "vdisk-img")
    result = run([VDISK_IMG, "check", path])
    if result.code not in (0, 63):
        raise Failed(str(result))


def do_read(disk):
    disk.expect_content()


def do_write(disk):
    model = model_of(disk)
    model.may_write = disk.kind.may_write
    write_with_vdisk(disk.path, model.random_writes(disk.directory, 60))
    disk.expect_content(model.content())
    disk.expect_sound()


def do_grow(disk):
    size, digest = disk.content()
    vdisk_img("resize", disk.path, "+%d" % (64 * MIB))
    disk.expect_content((size + 64 * MIB, digest))
    disk.expect_sound()


def overwrite_with_zeroes(disk, model):
    zeroes = os.path.join(disk.directory, "zeroes.bin")
    with open(zeroes, "wb") as file:
        file.write(bytes(MIB))
    model.write(5 * MIB, bytes(MIB))
    disk_io(disk.path, "write", 5 * MIB, zeroes)


def do_shrink(disk):
    """Data overwritten with zeroes give their space back."""
    model = model_of(disk)
    if "write" not in disk.kind.refuses:
        overwrite_with_zeroes(disk, model)
    before = disk.data_blocks()
    vdisk_img("compact", disk.path)
    if disk.data_blocks() >= before:
        raise Failed("%d blocks before, %d after compact"
                     % (before, disk.data_blocks()))
    disk.expect_content(model.content())
    disk.expect_sound()


def do_check(disk):
    vdisk_img("check", disk.path)
    disk.kind.damage(disk.path)
    result = run([VDISK_IMG, "check", *disk.kind.check_words, disk.path])
    if result.code != 2:
        raise Failed("damage not found: %s" % result)


def do_repair(disk):
    vdisk_img(*disk.kind.repair_words, disk.path)
    vdisk_img("check", *disk.kind.check_words, disk.path)
    disk.expect_content()


def do_discard(disk):
    """What is discarded reads as zeroes or as before; the space is given
    back, the rest stays."""
    model = model_of(disk)
    before = disk.data_blocks()
    disk_io(disk.path, "discard", 4 * MIB, 2 * MIB)
    got = disk_io("-r", disk.path, "read", 4 * MIB, 2 * MIB)
    was = bytes(model.data[4 * MIB:6 * MIB])
    if got not in (was, bytes(2 * MIB)):
        raise Failed("discarded bytes are neither zero nor what they were")
    model.write(4 * MIB, got)
    disk.expect_content(model.content())
    disk.expect_sound()
    if disk.data_blocks() >= before:
        raise Failed("no space was given back")


def do_child(disk):
    """A redo log over it, written and read; the parent stays as it is."""
    child = os.path.join(disk.directory, "child.vmdk")
    vdisk_img("create", "-q", "-f", "vmdk", "-b", disk.path, "-F", "vmdk",
              child)
    model = model_of(disk)
    write_with_vdisk(child, model.random_writes(disk.directory, 30))
    expect(read_with_vdisk(child), model.content(), "vdisk-img")
    disk.expect_content()


OPERATIONS = {"create": do_create, "read": do_read, "write": do_write,
              "grow": do_grow, "shrink": do_shrink, "check": do_check,
              "repair": do_repair, "discard": do_discard, "child": do_child}


def must_refuse(disk, operation):
    """Fails with the words that the kind names; the disk is as before."""
    words = disk.kind.refuses[operation]
    files = disk.files()
    try:
        OPERATIONS[operation](disk)
    except Failed as failure:
        if words not in str(failure):
            raise Failed("not refused with %r but: %s" % (words, failure)) \
                from failure
    else:
        raise Failed("%s works, but should be refused" % operation)
    if disk.files() != files:
        raise Failed("refused, and yet files have changed")


def must_be_idle(disk, operation):
    """Succeeds; there is nothing to do."""
    files = disk.files()
    vdisk_img(*IDLE[operation], disk.path)
    if disk.files() != files:
        raise Failed("files have changed")
    disk.expect_content()


IDLE = {"shrink": ("compact",)}


def run_cell(kind, operation):
    with scratch() as directory:
        disk = Disk(kind, directory)
        if operation == "repair":
            kind.damage(disk.path)
        if operation in kind.refuses:
            must_refuse(disk, operation)
        elif operation in kind.idle:
            must_be_idle(disk, operation)
        else:
            OPERATIONS[operation](disk)
