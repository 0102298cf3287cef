#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""test-vmfs-write - files on VMFS are written where they have blocks, if that
is asked for, and nothing else of a volume ever changes.

Each volume has a copy, which gets the same bytes where we have put the file:
afterwards both are the same to the last byte.
"""
import collections
import contextlib
import os
import random
import struct
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../support"))

import vmfs_device  # noqa: E402
from digest import raw_nz64k  # noqa: E402
from loop import LoopDevice  # noqa: E402
from tap import Suite  # noqa: E402
from tools import (DISK_IO, LONG, Failed, disk_io, need_engine,  # noqa: E402
                   run, scratch, vdisk_img, vdisk_img_fails,
                   working_engines)
from vmfs_layout import EXCLUSIVE, MIB, PB, READERS, WRITERS  # noqa: E402
from vmfs_made import Made, node  # noqa: E402
from vmfs_volume import Volume  # noqa: E402

Kind = collections.namedtuple("Kind", "version extents table more")
# Of each version one kind to an engine, all to both if there is time.
KINDS = {
    "vmfs5": Kind(5, (3,), None, {}),
    "vmfs5, two extents": Kind(5, (1, 2), "gpt", {"backwards": True}),
    "vmfs6": Kind(6, (8,), "mbr", {"large": 2}),
    "vmfs6, three extents": Kind(6, (1, 2, 3), "gpt", {"backwards": True}),
}
FLAT, THIN, LARGE = ("/vm/vm-flat.vmdk", "/vm/thin-flat.vmdk",
                     "/vm/large-flat.vmdk")
IN_PLACE = "write=in-place"
MANY = 24  # writes
LONGEST = 3 * MIB // 2
TOKEN_AT, MODE_AT = 0x1c, 0x24  # of a lock
SHARED_AT = 0x4c  # of metadata

suite = Suite()


class Beside:
    """A volume in files, and a copy for what should become of it."""

    def __init__(self, volume, directory, table=None, late=None):
        self.volume = volume
        self.table = table
        self.made = Made(volume, directory, table, late=late)
        self.copies = [path + ".copy" for path in self.made.extents]
        for path, copy in zip(self.made.extents, self.copies):
            subprocess.run(["cp", "--sparse=always", path, copy], check=True)

    def node(self, path):
        return self.made.node(path, IN_PLACE)

    def put(self, path, off, data):
        """So many bytes should be written there."""
        stored = self.volume.stored[path]
        self.volume.contents[path].pieces.append((off, data))
        while data:
            number, inner = divmod(off, stored.unit)
            some = data[:stored.unit - inner]
            vmfs_device.patch_volume(self.volume, self.copies,
                                     stored.places[number] + inner, some,
                                     self.table)
            off += len(some)
            data = data[len(some):]

    def change_descriptor(self, path, at, data):
        """As a host does."""
        at += self.volume.fd_at(self.volume.stored[path].descriptor.address)
        for paths in (self.made.extents, self.copies):
            vmfs_device.patch_volume(self.volume, paths, at, data, self.table)

    def expect_right(self, path=None, engine=None):
        for got, wanted in zip(self.made.extents, self.copies):
            if raw_nz64k(got) != raw_nz64k(wanted):
                raise Failed("%s is not as it should be" % got)
        if path:
            self.made.expect_file(path, engine)


def flat_volume(kind):
    """With disks all of which can be written."""
    volume = Volume(kind.version, kind.extents, **kind.more)
    volume.folder("/vm")
    count = volume.layout.top + 20
    volume.blocks(FLAT, count * MIB - 512, dict.fromkeys(range(count), "d"),
                  zla=PB)
    if kind.more.get("large"):
        volume.blocks(LARGE, 1024 * MIB, {0: "D", 1: "D"}, shift=29)
    return volume


def thin_volume(version):
    volume = Volume(version, (1,))
    volume.folder("/vm")
    volume.blocks(THIN, 4 * MIB, {0: "d", 2: "z", 3: "d"})
    return volume


def piece_of(directory, data, name="piece"):
    path = os.path.join(directory, name)
    with open(path, "wb") as file:
        file.write(data)
    return path


def io_fails(name, *words):
    done = run([DISK_IO, "-f", "raw", name, *map(str, words)])
    if done.code != 1:
        raise Failed("wanted exit 1: %s" % done)
    return done.stderr.decode()


# -- writing --------------------------------------------------------------------

def random_words(rng, beside, path, directory):
    """What disk-io is to do; the copy gets it at once."""
    size = beside.volume.contents[path].size
    words = []
    for n in range(MANY):
        length = rng.choice((1, 512, 70000, rng.randrange(1, LONGEST)))
        off = rng.randrange(size - length)
        if n % 3 == 0:
            off, length = off // 512 * 512, -(-length // 512) * 512
        if n % 5 == 4:
            words += ["zero", off, length]
            beside.put(path, off, bytes(length))
        else:
            data = rng.randbytes(length)
            words += ["write", off, piece_of(directory, data, "p%d" % n)]
            beside.put(path, off, data)
        if n % 8 == 7:
            words.append("flush")
    return words


def together_words(rng, beside, path, directory):
    """Three at once, each across the ends of blocks."""
    words = ["together", 3]
    for n in range(3):
        off, data = (n * 5 + 1) * MIB - 3, rng.randbytes(2 * MIB + 11)
        words += [off, piece_of(directory, data, "t%d" % n)]
        beside.put(path, off, data)
    return words


def writes_anywhere(name, engine):
    need_engine(engine)
    kind = KINDS[name]
    rng = random.Random(7)
    with scratch() as tmp:
        beside = Beside(flat_volume(kind), tmp, kind.table)
        for path in (FLAT, LARGE) if kind.more.get("large") else (FLAT,):
            words = random_words(rng, beside, path, tmp)
            words += together_words(rng, beside, path, tmp)
            disk_io("-f", "raw", beside.node(path), *words,
                    env={"VDISK_ENGINE": engine})
            beside.expect_right(path, engine)


def copies_into(version, *options):
    """Where the source has zeroes the disk need not have blocks."""
    with scratch() as tmp:
        beside = Beside(thin_volume(version), tmp)
        first, last = (random.Random(n).randbytes(MIB) for n in (1, 2))
        source = piece_of(tmp, first + bytes(2 * MIB) + last)
        vdisk_img("convert", "-n", *options, "-f", "raw", "-O", "raw", source,
                  beside.node(THIN))
        beside.put(THIN, 0, first)
        beside.put(THIN, 3 * MIB, last)
        beside.expect_right(THIN)


def extent_of_a_disk(version):
    """The descriptor is a local one; that in the volume stays as it is."""
    with scratch() as tmp:
        beside = Beside(thin_volume(version), tmp)
        vmdk = os.path.join(tmp, "local.vmdk")
        vdisk_img("create", "-q", "-f", "vmdk", "-o", "subformat=vmfs", vmdk,
                  "4M")
        data = random.Random(3).randbytes(4096)
        disk_io("-o", "driver=vmdk,file.filename=%s,extents.0.filename=%s"
                % (vmdk, beside.node(THIN)), "write", 3 * MIB,
                piece_of(tmp, data))
        beside.put(THIN, 3 * MIB, data)
        beside.expect_right(THIN)


def link_to_a_disk(version):
    with scratch() as tmp:
        volume = thin_volume(version)
        volume.symlink("/vm/alias", "thin-flat.vmdk")
        beside = Beside(volume, tmp)
        disk_io("-f", "raw", beside.node("/vm/alias"), "write", 5,
                piece_of(tmp, b"by another name"))
        beside.put(THIN, 5, b"by another name")
        beside.expect_right(THIN)


# -- what is refused --------------------------------------------------------------

# Offset, length, what is said of it.
BEYOND = (
    (MIB, 512, "byte 1048576 is in a hole"),
    (MIB - 512, 1024, "byte 1048576 is in a hole"),
    (0, 4 * MIB, "byte 1048576 is in a hole"),
    (2 * MIB + 5, 10, "byte 2097157 is in a block that is still to be zeroed"),
    (3 * MIB - 1, 2, "byte 3145727 is in a block that is still to be zeroed"),
    (4 * MIB - 512, 1024, "beyond the end"),
)


def refuses_the_whole(version):
    with scratch() as tmp:
        beside = Beside(thin_volume(version), tmp)
        for off, length, words in BEYOND:
            piece = piece_of(tmp, b"x" * length)
            text = io_fails(beside.node(THIN), "write", off, piece)
            if words not in text or THIN not in text:
                raise Failed("%d at %d: %s" % (length, off, text))
        beside.made.expect_untouched()


def zeroes_what_is_there(version):
    """Nothing is given back, and a hole stays one."""
    with scratch() as tmp:
        beside = Beside(thin_volume(version), tmp)
        disk_io("-f", "raw", beside.node(THIN), "zero", MIB, 2 * MIB,
                "discard", 0, 4 * MIB)
        beside.made.expect_untouched()
        disk_io("-f", "raw", beside.node(THIN), "zero", 512, 4 * MIB - 1024)
        beside.put(THIN, 512, bytes(MIB - 512))
        beside.put(THIN, 3 * MIB, bytes(MIB - 512))
        beside.expect_right(THIN)


LOCKED = {"exclusive": (EXCLUSIVE, True), "readers": (READERS, True),
          "writers": (WRITERS, True), "dead": (EXCLUSIVE, False)}
# Path: what is said of it.
CLOSED = {
    "/vm": "director", "/vm/vm.vmdk": "no flat extent",
    "/vm/vm-000001-delta.vmdk": "no flat extent",
    "/vm/small-flat.vmdk": "no blocks of its own",
    "/vm/parts-flat.vmdk": "no blocks of its own",
    "/vm/lun-flat.vmdk": "raw device mapping",
    "/vm/link-flat.vmdk": "no flat extent",
    "/vm/shared-flat.vmdk": "shares blocks",
    **{"/vm/%s-flat.vmdk" % name: "is locked" for name in LOCKED},
}


def closed_volume(version):
    volume = thin_volume(version)
    volume.small("/vm/vm.vmdk", b"# Disk DescriptorFile\n")
    volume.small("/vm/small-flat.vmdk", b"x" * 512)
    volume.parts("/vm/parts-flat.vmdk", volume.garbage(4096))
    volume.device("/vm/lun-flat.vmdk")
    volume.symlink("/vm/link-flat.vmdk", "vm-000001-delta.vmdk")
    for name in ("vm-000001-delta", "shared-flat",
                 *(name + "-flat" for name in LOCKED)):
        volume.blocks("/vm/%s.vmdk" % name, MIB, {0: "d"})
    for slot, (name, (mode, alive)) in enumerate(LOCKED.items()):
        volume.locked("/vm/%s-flat.vmdk" % name, slot, mode, alive)
    return volume


def share(volume):
    """A block of it with others, says the descriptor."""
    at = volume.fd_at(volume.stored["/vm/shared-flat.vmdk"].descriptor.address)
    volume.put(at + volume.layout.metadata_at + SHARED_AT,
               struct.pack("<I", 1))


def refuses_to_open(version):
    with scratch() as tmp:
        piece = piece_of(tmp, b"x" * 512)
        beside = Beside(closed_volume(version), tmp, late=share)
        for path, words in CLOSED.items():
            for options in ("", ",force-share=on"):
                text = io_fails(beside.made.node(path, IN_PLACE + options),
                                "write", 0, piece)
                if words not in text or len(text.splitlines()) != 1:
                    raise Failed("%s: %s" % (path, text))
        for options, words in (("", "unless write=in-place"),
                               ("write=off", "unless write=in-place"),
                               ("write=yes", "off, in-place")):
            text = io_fails(beside.made.node(THIN, options), "write", 0, piece)
            if words not in text:
                raise Failed(text)
        beside.made.expect_untouched()


def keeps_its_size(version):
    with scratch() as tmp:
        beside = Beside(thin_volume(version), tmp)
        for size in ("8M", "1M"):
            text = vdisk_img_fails("resize", "--shrink", "-f", "raw",
                                   beside.node(THIN), size)
            if "does not support resize" not in text:
                raise Failed(text)
        beside.made.expect_untouched()


def not_named_by_an_image(version):
    """Whoever commits has not said that the parent may be written."""
    with scratch() as tmp:
        beside = Beside(thin_volume(version), tmp)
        over = os.path.join(tmp, "over.qcow2")
        vdisk_img("create", "-q", "-u", "-f", "qcow2", "-b",
                  beside.node(THIN), "-F", "raw", over, "4M")
        disk_io(over, "write", 0, piece_of(tmp, b"x" * 512))
        text = vdisk_img_fails("commit", over)
        if "named by an image" not in text:
            raise Failed(text)
        beside.made.expect_untouched()


def odd_pointers(version):
    """A pointer leads to what the file system needs for itself, or says that
    the block is not the file's alone."""
    def lead(volume):
        stored = volume.stored[THIN]
        pointers = stored.descriptor.pointers
        pointers[0] = volume.layout.fb(
            max(volume.stored["fdc"].places.values()) // MIB)
        pointers[2] = volume.layout.fb(3)
        pointers[3] |= 0x20 if version == 6 else 0x10
        volume.put_descriptor(stored)

    with scratch() as tmp:
        beside = Beside(thin_volume(version), tmp, late=lead)
        piece = piece_of(tmp, b"x" * 512)
        for number, words in ((0, "file system's own"),
                              (2, "file system's own"),
                              (3, "not in a block of the file alone")):
            for request in (("write", number * MIB, piece),
                            ("zero", number * MIB, 512)):
                text = io_fails(beside.node(THIN), *request)
                if words not in text:
                    raise Failed("%s: %s" % (request, text))
        beside.made.expect_untouched()


# -- hosts ------------------------------------------------------------------------

# What is done before, what a host does then, what is done after that.
TAKEN = {
    "and a write": (["flush"], (TOKEN_AT, "Q", 99), True, []),
    "and a flush": ([], (MODE_AT, "I", EXCLUSIVE), False, ["flush"]),
    "and the end": ([], (MODE_AT, "I", READERS), False, []),
}


@contextlib.contextmanager
def waiting(name, before, after):
    with subprocess.Popen(
            [DISK_IO, "-f", "raw", name, *before, "wait", *after],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE) as process:
        try:
            if process.stdout.readline() != b"ready\n":
                raise Failed(process.stderr.read().decode())
            yield process
        finally:
            process.stdin.close()


def notices_a_host(version, name):
    before, (at, form, value), writes, after = TAKEN[name]
    with scratch() as tmp:
        beside = Beside(thin_volume(version), tmp)
        piece = piece_of(tmp, b"first" * 1000)
        before = ["write", "0", piece, *before]
        if writes:
            after = ["write", str(3 * MIB), piece]
        with waiting(beside.node(THIN), before, after) as process:
            beside.change_descriptor(THIN, at, struct.pack("<" + form, value))
            process.stdin.close()
            text = process.stderr.read().decode()
        if process.returncode != 1 or "taken or changed" not in text:
            raise Failed("exit %d: %s" % (process.returncode, text))
        beside.put(THIN, 0, b"first" * 1000)
        beside.expect_right()


# -- devices ----------------------------------------------------------------------

def on_a_device(version, *options):
    """Past the cache, whose sectors may be larger than what is written."""
    with scratch() as tmp:
        kind = Kind(version, (2,), "gpt", {})
        beside = Beside(flat_volume(kind), tmp, "gpt")
        with LoopDevice(beside.made.extents[0], *options) as device:
            name = node([device], FLAT, IN_PLACE)
            disk_io("-f", "raw", name, *random_words(
                random.Random(9), beside, FLAT, tmp))
        beside.expect_right(FLAT)


def sectors_across_blocks():
    """The partition begins in the middle of one."""
    before = vmfs_device.PARTITION_AT
    vmfs_device.PARTITION_AT = 63 * 512
    try:
        with scratch() as tmp:
            beside = Beside(thin_volume(5), tmp, "mbr")
            with LoopDevice(beside.made.extents[0], "-b", "4096") as device:
                text = io_fails(node([device], THIN, IN_PLACE), "write", 0,
                                piece_of(tmp, b"x"))
            if "begin inside of them" not in text:
                raise Failed(text)
            beside.made.expect_untouched()
    finally:
        vmfs_device.PARTITION_AT = before


def add_cases():
    engines = working_engines()
    for n, name in enumerate(KINDS):
        for engine in engines if LONG else [engines[(n + n // 2) % len(engines)]]:
            suite.add("%s: anywhere (%s)" % (name, engine), writes_anywhere,
                      name, engine)
    for version in (5, 6):
        title = "vmfs%d: " % version
        for what, func, *args in (
                ("copies", copies_into), ("copies directly", copies_into,
                                          "-t", "none"),
                ("an extent of a disk", extent_of_a_disk),
                ("by a link", link_to_a_disk),
                ("the whole or nothing", refuses_the_whole),
                ("zeroes", zeroes_what_is_there),
                ("closed files", refuses_to_open),
                ("keeps its size", keeps_its_size),
                ("parents", not_named_by_an_image),
                ("odd pointers", odd_pointers),
                ("on a device", on_a_device),
                ("on a device of large sectors", on_a_device, "-b", "4096")):
            suite.add(title + what, func, version, *args)
        for name in TAKEN:
            suite.add("%sa host, %s" % (title, name), notices_a_host, version,
                      name)
    suite.add("sectors across blocks", sectors_across_blocks)


add_cases()
suite.run()
