#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""test-vmfs-bad - damaged and malicious VMFS volumes do no harm.

Each damage is one that a reader might believe: addresses outside, loops of
folders and pointers, files of the file system that need themselves, absurd
numbers, devices that end early.  vdisk-img says what is wrong in one line, in
little memory, or reads what is not touched by it; volumes with random bytes in
their metadata it may read or refuse.

VDISK_TEST_LONG=1 takes many more of the latter.
"""
import errno
import json
import os
import random
import struct
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../support"))

from tap import Suite  # noqa: E402
from tools import LONG, SHORT, VDISK_IMG, Failed, run, scratch  # noqa: E402
from vmfs_layout import (DIRECTORY, DOUBLE, FB, FILE, MIB, PB, PB2,  # noqa: E402
                         RESIDENT, SB, SYMLINK, Descriptor, fd_address)
from vmfs_made import Made  # noqa: E402
from vmfs_volume import SUPERBLOCK_AT, Volume  # noqa: E402

MEMORY = 512 << 20
SECONDS = 60
LINES = 200000  # of a listing, at most
SEEDS = 200 if LONG else 4 if SHORT else 8
LVM_AT, UNITS_AT = 0x100000, {5: 0x180600, 6: 0x182000}
RING_AT = 0x1000000  # between what LVM and the volume have

suite = Suite()


def small_volume(version, extents=(1,)):
    """A little of everything that can be damaged."""
    volume = Volume(version, extents)
    volume.folder("/d")
    volume.small("/d/small", b"small\n")
    volume.parts("/d/parts", volume.garbage(30000))
    volume.blocks("/d/disk", 3 * MIB, {0: "d", 2: "d"})
    volume.blocks("/d/pointers", 400 * MIB, {0: "d", 399: "d"}, zla=PB)
    volume.blocks("/d/second", 400 * MIB, {1: "d"}, zla=PB2)
    volume.blocks("/d/double", 9000 * MIB, {1: "d", 8999: "d"}, zla=DOUBLE)
    volume.symlink("/d/link", "disk")
    return volume


def look(*words):
    """Whatever it says: no crash, no hang, no more memory than that."""
    done = run([VDISK_IMG, *words], timeout=SECONDS, memory=MEMORY)
    if done.code not in (0, 1):
        raise Failed(str(done))
    if done.code and not done.stderr.strip():
        raise Failed("failed without a word: %s" % done)
    if done.stdout.count(b"\n") > LINES:
        raise Failed("%d lines" % done.stdout.count(b"\n"))
    return done


def read(made, path):
    with scratch() as tmp:
        return look("convert", "-f", "vmfs", "-O", "raw", made.node(path),
                    os.path.join(tmp, "out"))


def expect_refused(done):
    if done.code != 1 or len(done.stderr.splitlines()) != 1:
        raise Failed("wanted one line that says why: %s" % done)


# -- damage: a function of a finished volume ---------------------------------

def descriptor_of(path, **changes):
    def damage(volume):
        stored = volume.stored[path]
        for key, value in changes.items():
            setattr(stored.descriptor, key, value)
        volume.put_descriptor(stored)
    return damage


def other_address(volume):
    """In the descriptor itself."""
    descriptor = volume.stored["/d/disk"].descriptor
    volume.put(volume.fd_at(descriptor.address) + volume.layout.metadata_at,
               struct.pack("<I", descriptor.address ^ 0x40))


def pointer(path, number, address):
    """@address: of the volume's layout"""
    def damage(volume):
        stored = volume.stored[path]
        stored.descriptor.pointers[number] = address(volume)
        volume.put_descriptor(stored)
    return damage


def leaf(path, address):
    """Entry 0 of the first pointer block."""
    def damage(volume):
        layout = volume.layout
        first = volume.stored[path].descriptor.pointers[0]
        if layout.large:
            name, place = {SB: "sbc", PB2: "pb2"}[first & 7], (
                first >> 6 & 0xfffffffff, first >> 56)
        else:
            name, place = {PB: "pbc", PB2: "pb2"}[first & 7], (
                first >> 6 & 0x3fffff, first >> 28)
        volume.put(volume.part_at(name, *place),
                   struct.pack("<" + layout.word, address(volume)))
    return damage


def cut_up(volume):
    """The file that pointer blocks are in: its blocks are named anew for each
    512 bytes."""
    stored = volume.stored["sbc" if volume.layout.large else "pbc"]
    descriptor = stored.descriptor
    words = {n: volume.layout.fb(stored.places[n * 512 // MIB] // MIB)
             for n in range(descriptor.size // 512)}
    descriptor.pointers = volume.pointers(words, PB2)
    descriptor.zla, descriptor.shift = PB2, 9
    volume.put_descriptor(stored)


def header_of(name, at, form, *values):
    def damage(volume):
        volume.put_in(volume.stored[name], at, struct.pack("<" + form, *values))
    return damage


def superblock(at, form, *values):
    def damage(volume):
        volume.put(SUPERBLOCK_AT + at, struct.pack("<" + form, *values))
    return damage


def lvm(at, form, *values):
    """Bytes in front of the volume."""
    def damage(volume):
        volume.before.append((at, struct.pack("<" + form, *values)))
    return damage


def volume_entry(at, form, *values):
    def damage(volume):
        lvm(LVM_AT + volume.layout.alignment + at, form, *values)(volume)
    return damage


def units(at, form, *values):
    def damage(volume):
        lvm(UNITS_AT[volume.layout.number] + at, form, *values)(volume)
    return damage


def far_block(volume):
    return volume.layout.fb(volume.blocks_total + 5)


def farthest_block(volume):
    return volume.layout.fb((1 << (40 if volume.layout.large else 26)) - 1)


def part(kind, cluster, res):
    return lambda volume: volume.layout.part(kind, cluster, res)


def first_pointer_block(volume):
    return volume.stored["/d/pointers"].descriptor.pointers[0]


def word(number):
    return lambda volume: number


def tables_in_a_ring(volume):
    for damage in (lvm(LVM_AT + 0x6a, "I", 262144),
                   lvm(LVM_AT + 0xbe, "IQ", 8, RING_AT),
                   lvm(RING_AT, "IIQQ", 0xc001d00d, 8, 0, RING_AT)):
        damage(volume)


# Name: damage, what is read, for VMFS 5, 6 or both
FILES = {
    "a block behind the volume": (pointer("/d/disk", 0, far_block), "/d/disk"),
    "the last block there could be": (
        pointer("/d/disk", 2, farthest_block), "/d/disk"),
    "a sub-block in a cluster that is none": (
        pointer("/d/parts", 0, part(SB, 9999, 0)), "/d/parts"),
    "a pointer block that is none": (
        pointer("/d/pointers", 0, part(PB, 9999, 3)), "/d/pointers"),
    "a second pointer block that is none": (
        pointer("/d/second", 0, part(PB2, 9999, 3)), "/d/second"),
    "a pointer to a descriptor": (
        pointer("/d/disk", 0, word(fd_address(0, 12))), "/d/disk"),
    "a pointer of no type": (pointer("/d/disk", 0, word(0x48)), "/d/disk"),
    "a pointer block in a pointer block": (
        leaf("/d/second", part(PB2, 0, 0)), "/d/second"),
    "pointer blocks in many pieces": (cut_up, "/d/pointers"),
    "an entry behind the volume": (
        leaf("/d/pointers", far_block), "/d/pointers"),
    "a mapping that nobody knows": (
        descriptor_of("/d/disk", zla=77), "/d/disk"),
    "a mapping of type 0": (descriptor_of("/d/disk", zla=0), "/d/disk"),
    "a mapping by descriptors": (
        descriptor_of("/d/disk", zla=4), "/d/disk"),
    "more data than a descriptor has room for": (
        descriptor_of("/d/small", size=100000), "/d/small"),
    "a size over all": (
        descriptor_of("/d/disk", size=(1 << 63) + 5), "/d/disk"),
    "more blocks than pointers": (
        descriptor_of("/d/disk", size=9000 * MIB), "/d/disk"),
    "more sub-blocks than pointers": (
        descriptor_of("/d/parts", size=900 * MIB), "/d/parts"),
    "a shift of 63": (descriptor_of("/d/disk", shift=63), "/d/disk"),
    "a type of file that nobody knows": (
        descriptor_of("/d/disk", kind=7), "/d/disk"),
    "another descriptor's address": (other_address, "/d/disk"),
    "PB2 in need of PB2": (descriptor_of("pb2", zla=PB2), "/d/second"),
    "PB2 in itself": (descriptor_of("pb2", zla=DOUBLE), "/d/second"),
    "sub-blocks in need of sub-blocks": (
        pointer("sbc", 0, part(SB, 0, 1)), "/d/parts"),
    "descriptors in need of sub-blocks": (
        pointer("fdc", 0, part(SB, 0, 1)), "/d/disk"),
    "descriptors in a descriptor": (
        descriptor_of("fdc", zla=RESIDENT), "/d/disk"),
    "an empty file of descriptors": (descriptor_of("fdc", size=0), "/d/disk"),
    "no sub-blocks in a cluster": (header_of("sbc", 0, "I", 0), "/d/parts"),
    "no clusters in a group": (header_of("sbc", 4, "I", 0), "/d/parts"),
    "groups that begin nowhere": (
        header_of("sbc", 8, "I", 0xfffffff0), "/d/parts"),
    "sub-blocks of 4 GiB": (
        header_of("sbc", 12, "I", 0xffffffff), "/d/parts"),
    "groups of no bytes": (header_of("fdc", 16, "I", 0), "/d/disk"),
    "absurd numbers of clusters": (
        header_of("fdc", 0, "II", 0xffffffff, 0xffffffff), "/d/disk"),
    "no file system": (superblock(0, "I", 0), "/d/disk"),
    "VMFS-L": (superblock(0, "I", 0x2fabf15f), "/d/disk"),
    "version 99": (superblock(4, "I", 99), "/d/disk"),
    "blocks of no bytes": (superblock(0xa1, "Q", 0), "/d/disk"),
    "blocks of 3 MiB": (superblock(0xa1, "Q", 3 * MIB), "/d/disk"),
    "blocks of 2^63 bytes": (superblock(0xa1, "Q", 1 << 63), "/d/disk"),
    "sub-blocks of no bytes": (superblock(0xd9, "I", 0), "/d/parts"),
    "the file system of another volume": (
        superblock(0xb1, "16s", b"another volume!!"), "/d/disk"),
    "descriptors far away": (
        superblock(0xd1, "II", 0xffffffff, 0xffffffff), "/d/disk"),
    "no LVM": (lvm(LVM_AT, "I", 0), "/d/disk"),
    "LVM 99": (lvm(LVM_AT + 4, "I", 99), "/d/disk"),
    "no volumes": (lvm(LVM_AT + 0x66, "I", 0), "/d/disk"),
    "an extent of 2^32 extents": (
        volume_entry(0x90, "I", 0xffffffff), "/d/disk"),
    "last before first": (volume_entry(0x78, "QQ", 5, 2), "/d/disk"),
    "units over units": (units(128, "BIIQQQI", 1, 1, 1, 0x1100000, 0,
                               1 << 28, 1), "/d/disk"),
    "a unit behind the device": (units(9, "Q", 1 << 60), "/d/disk"),
    "a unit without a length": (units(0x19, "Q", 0), "/d/disk"),
    "a unit over all": (units(0x11, "QQ", 1 << 63, (1 << 63) + 1), "/d/disk"),
    "no unit 0": (units(0, "B", 0), "/d/disk"),
}
# May be read as well: bytes that nobody needs to look at.
HARMLESS = {"no volumes", "the last block there could be", "a shift of 63",
            "units over units", "a unit over all"}
# These end, whatever comes of it.
LVM_LOOPS = {
    "more tables than fit": lvm(LVM_AT + 0xbe, "I", 0xffffffff),
    "tables that lead to themselves": tables_in_a_ring,
}


class Damaged(Made):
    """@damage is done to the finished volume."""

    def __init__(self, volume, directory, damage):
        volume.before = []
        super().__init__(volume, directory, late=damage)
        for at, data in volume.before:
            with open(self.extents[0], "r+b") as file:
                file.seek(at)
                file.write(data)


def refused(version, name):
    damage, path = FILES[name]
    with scratch() as tmp:
        made = Damaged(small_volume(version), tmp, damage)
        done = read(made, path)
        if name not in HARMLESS:
            expect_refused(done)


def lvm_ends(version, name):
    with scratch() as tmp:
        made = Damaged(small_volume(version), tmp, LVM_LOOPS[name])
        read(made, "/d/disk")


# -- folders ------------------------------------------------------------------

def holds_itself(version):
    """And its parent: nothing is listed for ever."""
    with scratch() as tmp:
        volume = small_volume(version)
        for name, path in (("again", "/d"), ("top", "/")):
            volume.folders["/d"].entries.append(
                (DIRECTORY, volume.folders[path].address, name))
        made = Made(volume, tmp)
        look("ls", "-R", made.node())
        made.expect_file("/d/disk")


def shared_folders(version):
    """Two entries for each folder, 24 deep: 16 million ways down."""
    with scratch() as tmp:
        volume = small_volume(version)
        path = ""
        for n in range(24):
            volume.folder(path + "/x")
            folder = volume.folders[path or "/"]
            folder.entries.append((DIRECTORY, folder.entries[-1][1], "y"))
            path += "/x"
        look("ls", "-R", Made(volume, tmp).node())


def folders_of_one_block(_):
    """Each has 64 times the same block, in which they all are: half a million
    names in each of 30, one in another."""
    with scratch() as tmp:
        volume = small_volume(5)
        small = volume.stored["/d/small"].descriptor.address
        bombs = [volume.new_address() for _ in range(30)]
        entries = [(DIRECTORY, address, "b%02d" % n)
                   for n, address in enumerate(bombs)]
        entries += [(FILE, small, "f%04d" % n) for n in range(7400)]
        block = volume.take_block()
        volume.put(block * MIB, volume.layout.directory(
            bombs[0], volume.folders["/"].address, entries))
        for n, address in enumerate(bombs):
            volume.add("/b%02d" % n, Descriptor(
                address, DIRECTORY, FB, 64 * MIB,
                pointers=[volume.layout.fb(block)] * 64), {}, MIB)
        made = Made(volume, tmp)
        look("ls", "-R", made.node())
        made.expect_file("/d/disk")


def folders_of_holes(_):
    """Nothing is in them, over and over."""
    with scratch() as tmp:
        volume = small_volume(5)
        for n in range(5):
            volume.add("/h%d" % n, Descriptor(
                volume.new_address(), DIRECTORY, FB, 64 * MIB), {}, MIB)
        made = Made(volume, tmp)
        done = look("ls", "-R", made.node())
        if b"directories of more than" not in done.stdout + done.stderr:
            raise Failed("all of them were read: %s" % done)
        made.expect_file("/d/disk")


def long_names(_):
    """7 KiB of folders in front of each of 470000."""
    with scratch() as tmp:
        volume = small_volume(5)
        path = ""
        for _ in range(56):
            path += "/" + "n" * 127
            volume.folder(path)
        small = volume.stored["/d/small"].descriptor.address
        block = volume.take_block()
        volume.put(block * MIB, volume.layout.directory(small, small, [
            (FILE, small, "f%04d" % n) for n in range(7400)]))
        volume.add(path + "/x", Descriptor(
            volume.new_address(), DIRECTORY, FB, 64 * MIB,
            pointers=[volume.layout.fb(block)] * 64), {}, MIB)
        look("ls", "-R", Made(volume, tmp).node())


def entries_that_lie(version):
    """Of descriptors that are not there, of another type, free ones."""
    with scratch() as tmp:
        volume = small_volume(version)
        volume.folders["/d"].entries += [
            (FILE, fd_address(60000, 3), "far"), (DIRECTORY, 0x77, "odd"),
            (DIRECTORY, volume.stored["/d/disk"].descriptor.address, "file"),
            (FILE, fd_address(0, 30), "free"), (99, fd_address(0, 4), "type")]
        made = Made(volume, tmp)
        look("ls", "-R", made.node())
        for name in ("far", "odd", "free"):
            expect_refused(read(made, "/d/" + name))
        made.expect_file("/d/disk")


NAMES = ("..", ".", "", "a/b", "\x1b[31mred", "new\nline", '"quoted\\"',
         "\udcff\udcfe", "x" * 127)


def names(version):
    """What cannot be in a name is no way out; the listing stays JSON."""
    with scratch() as tmp:
        volume = small_volume(version)
        address = volume.stored["/d/small"].descriptor.address
        volume.folder("/n")
        volume.folders["/n"].entries += [
            (FILE, address, BadName(name)) for name in NAMES]
        made = Made(volume, tmp)
        done = look("ls", "-R", "--output=json", made.node("/n"))
        if done.code == 0:
            json.loads(done.stdout)
        done = look("ls", "-l", made.node("/n"))
        if b"\x1b" in done.stdout + done.stderr:
            raise Failed("what a terminal obeys is printed: %s" % done)


class BadName(str):
    def encode(self, *_):
        return super().encode("utf-8", "surrogateescape")


def big_folder(version):
    """A size that no folder has, and numbers of entries that none has."""
    for path in ("/d", "/"):
        with scratch() as tmp:
            made = Damaged(small_volume(version), tmp, descriptor_of(
                path, size=1 << 50))
            look("ls", "-R", made.node())
    if version == 6:
        for at, number in ((4, 0xffffffff), (8, 0xffffffff),
                           (12, 0xffffffff), (16, 0xffffff)):
            with scratch() as tmp:
                made = Damaged(small_volume(version), tmp,
                               header_of("/d", at, "I", number))
                look("ls", "-R", made.node())


def big_link(version):
    with scratch() as tmp:
        made = Damaged(small_volume(version), tmp, descriptor_of(
            "/d/link", size=1 << 40))
        expect_refused(read(made, "/d/link"))
        look("ls", "-l", made.node("/d"))


def link_to_blocks(version):
    """A target of 400 MiB."""
    with scratch() as tmp:
        made = Damaged(small_volume(version), tmp, descriptor_of(
            "/d/pointers", kind=SYMLINK))
        expect_refused(read(made, "/d/pointers"))


def large_block_zeroed_in_part(_):
    """Which part it is nobody knows."""
    with scratch() as tmp:
        volume = Volume(6, (4,), large=1)
        volume.blocks("/disk", 2 * MIB, {0: "D"})
        expect_refused(read(Damaged(volume, tmp, pointer(
            "/disk", 0, lambda v: v.stored["/disk"].descriptor.pointers[0]
            | 1 << 7)), "/disk"))


# -- devices ------------------------------------------------------------------

def ends_early(version):
    """Cut wherever something begins."""
    with scratch() as tmp:
        made = Made(small_volume(version), tmp)
        for size in (0x1100000 + 8 * MIB, 0x1100000 + 0x200000, UNITS_AT[
                version] + 64, LVM_AT + 600, LVM_AT, 512, 0):
            os.truncate(made.extents[0], size)
            done = read(made, "/d/disk")
            expect_refused(done)
            look("ls", "-R", made.node())


def stopped(_):
    """At any request, from which on there are no answers: no word of hosts that
    write, or of volumes that are not there."""
    with scratch() as tmp:
        made = Made(small_volume(5), tmp)
        fault = "file.extent.0."
        code, nth = 1, 0
        while code:
            done = look("convert", "--image-opts", "-O", "raw", ",".join([
                "driver=raw,file.driver=vmfs,file.volume=built",
                "file.path=/d/parts", fault + "driver=fault",
                fault + "fail-op=read", fault + "fail-nth=%d" % nth,
                fault + "fail-count=0",
                fault + "fail-errno=%d" % errno.ECANCELED,
                fault + "file.driver=file",
                fault + "file.filename=" + made.extents[0]]),
                os.path.join(tmp, "out"))
            code = done.code
            if (b"injected failure of read" not in done.stderr if code
                    else done.stderr):
                raise Failed("request %d: %s" % (nth, done))
            nth += 1
        if nth < 10:
            raise Failed("%d requests" % nth)


def garbled(version, seed):
    """Bytes of the metadata anew, some of them wild numbers."""
    rng = random.Random(seed)
    with scratch() as tmp:
        volume = small_volume(version)
        made = Damaged(volume, tmp, lambda volume: None)
        places = [(at, len(data)) for at, data in volume.pieces
                  if data.strip(b"\0")]
        with open(made.extents[0], "r+b") as file:
            for _ in range(rng.choice((1, 3, 10, 40))):
                at, length = rng.choice(places)
                file.seek(0x1100000 + at + rng.randrange(length) // 4 * 4)
                file.write(rng.choice((
                    rng.randbytes(1), rng.randbytes(4), b"\xff" * 4,
                    b"\xff" * 8, bytes(4), struct.pack("<I", 1 << 31))))
        look("ls", "-R", "-l", made.node())
        for path in ("/d/disk", "/d/pointers", "/d/parts"):
            read(made, path)


def main():
    for version in (5, 6):
        title = "vmfs%d: " % version
        for name in FILES:
            suite.add(title + name, refused, version, name)
        for name in LVM_LOOPS:
            suite.add(title + name, lvm_ends, version, name)
        for name, func in (("folders in themselves", holds_itself),
                           ("folders with many parents", shared_folders),
                           ("entries that lie", entries_that_lie),
                           ("names", names), ("big folders", big_folder),
                           ("a long link", big_link),
                           ("a link in blocks", link_to_blocks),
                           ("devices that end early", ends_early)):
            suite.add(title + name, func, version)
        if version == 6:
            suite.add(title + "a large block zeroed in part",
                      large_block_zeroed_in_part, version)
        if version == 5:
            for name, func in (("folders of one block", folders_of_one_block),
                               ("folders of holes", folders_of_holes),
                               ("nobody answers any more", stopped),
                               ("long names", long_names)):
                suite.add(title + name, func, version)
        for seed in range(SEEDS):
            suite.add("%sgarbled, seed %d" % (title, seed), garbled, version,
                      seed)
    suite.run()


main()
