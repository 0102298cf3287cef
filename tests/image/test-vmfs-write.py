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
import resource
import struct
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../support"))

import vmfs_device  # noqa: E402
from digest import Nz64k, data_chunks, raw_nz64k, read_exactly  # noqa: E402
from loop import LoopDevice  # noqa: E402
from tap import Suite  # noqa: E402
from tools import (DISK_IO, LONG, SHORT, VDISK_IO, Failed,  # noqa: E402
                   Result, disk_io, need_engine, run, scratch, vdisk_img,
                   vdisk_img_fails, working_engines)
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
FEW = "/vm/few-flat.vmdk"
ERRORS = ("EIO", "ENOSPC", "EBADE")
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


def few_volume(version, extents=(1,), **how):
    """With a disk of four blocks, in any order."""
    volume = Volume(version, extents, **how)
    volume.folder("/vm")
    volume.blocks(FEW, 4 * MIB, dict.fromkeys(range(4), "d"), zla=PB)
    return volume


def piece_of(directory, data, name="piece"):
    path = os.path.join(directory, name)
    with open(path, "wb") as file:
        file.write(data)
    return path


def io_fails(name, *words, flags=()):
    done = run([DISK_IO, *flags, "-f", "raw", name, *map(str, words)])
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
            if not process.stdout.readline().endswith(b"ready\n"):
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


def pointer_table_at(volume, path):
    """Volume offset of the first block of pointers."""
    address = volume.stored[path].descriptor.pointers[0]
    if volume.layout.large:
        return volume.part_at("sbc", address >> 6 & 0xfffffffff,
                              address >> 56)
    return volume.part_at("pbc", address >> 6 & 0x3fffff, address >> 28)


def sees_what_a_host_did_before(version):
    """A host had the file between the open and the first write, and put its
    blocks elsewhere: only the token of the lock tells."""
    with scratch() as tmp:
        beside = Beside(few_volume(version), tmp)
        volume, data = beside.volume, b"new place" * 500
        word = volume.layout.word
        one, two = (volume.layout.fb(volume.stored[FEW].places[n] // MIB)
                    for n in (1, 2))
        with waiting(beside.node(FEW), ["read", "0", "1"],
                     ["write", str(MIB + 512), piece_of(tmp, data)]) as process:
            for paths in (beside.made.extents, beside.copies):
                vmfs_device.patch_volume(
                    volume, paths, pointer_table_at(volume, FEW)
                    + struct.calcsize("<" + word),
                    struct.pack("<2" + word, two, one))
            beside.change_descriptor(FEW, TOKEN_AT, struct.pack("<Q", 99))
            process.stdin.close()
            text = process.stderr.read().decode()
        if process.returncode != 0:
            raise Failed(text)
        beside.put(FEW, 2 * MIB + 512, data)
        beside.expect_right()


# -- two writers ------------------------------------------------------------------

def one_writer(version, *device):
    """Of a volume; who reads it would not know what of."""
    with scratch() as tmp, contextlib.ExitStack() as stack:
        beside = Beside(few_volume(version), tmp)
        extent = beside.made.extents[0]
        if device:
            extent = stack.enter_context(LoopDevice(extent))
        name = node([extent], FEW, IN_PLACE)
        piece = piece_of(tmp, b"x" * 512)
        with waiting(name, ["write", "0", piece], []):
            for other in (["write", "512", piece], ["read", "0", "1"]):
                if "Is another process using" not in io_fails(
                        name, *other, flags=["-r"] if "read" in other else []):
                    raise Failed(other)
        if "Is another process using" not in io_fails(
                node([extent, extent], FEW, IN_PLACE), "write", 512, piece):
            raise Failed("opened twice by one process")
        beside.put(FEW, 0, b"x" * 512)
        beside.expect_right()


# -- damage -----------------------------------------------------------------------

def refuses_damage(beside, words, piece):
    """What is read all the same is not written."""
    text = io_fails(beside.node(FEW), "write", 3 * MIB - 512, piece)
    if words not in text or len(text.splitlines()) != 1:
        raise Failed(text)
    beside.expect_right(FEW)


def blocks_that_are_free():
    """So says the bitmap, and its clusters may be anything else, too."""
    for at, data, words in (
            (0, None, "says that it is free"),
            (512, struct.pack("<I", 7), "cluster 7 where"),
            (516, struct.pack("<I", 0), "there is no block")):
        with scratch() as tmp:
            beside = Beside(few_volume(5), tmp)
            volume = beside.volume
            cluster, bit = divmod(volume.stored[FEW].places[3] // MIB, 200)
            head = volume.resources["fbb"].head_at(cluster)
            if data is None:
                at, data = 512 + 16 + bit // 8, bytes([1 << bit % 8])
            place, inner = divmod(head + at, MIB)
            for paths in (beside.made.extents, beside.copies):
                vmfs_device.patch_volume(
                    volume, paths, volume.stored["fbb"].places[place] + inner,
                    data)
            refuses_damage(beside, words, piece_of(tmp, b"x" * 1024))


def extents_of_lvm(version):
    """One is said to lie where another one lies, or where tables are."""
    for physical, words in ((vmfs_device.DATA_AT + vmfs_device.UNIT // 2,
                             "in the volume twice"),
                            (vmfs_device.HEADER_AT, "among the tables")):
        with scratch() as tmp:
            beside = Beside(few_volume(version, (2,), backwards=True,
                                       scatter=False), tmp)
            at = list(vmfs_device.tables(beside.volume, 0))[-1][0] + 9
            if vmfs_device.unit_entries(beside.volume, 0)[0][1] == 0:
                raise Failed("that is where the file system is")
            for path in (*beside.made.extents, *beside.copies):
                with open(path, "r+b") as file:
                    vmfs_device.write_at(file, at, struct.pack("<Q", physical))
            refuses_damage(beside, words, piece_of(tmp, b"x" * 1024))


# -- failures ---------------------------------------------------------------------

class Steps:
    """Requests, and what the disk has after each of them."""

    def __init__(self, made, directory):
        rng = random.Random(11)
        self.made = made
        self.words = []
        self.ranges = [(0, 0)]
        self.states = [made.volume.contents[FEW].bytes()]
        for off, length, then in (
                (100, 3000, ()), (MIB - 700, MIB + 1400, ("flush",)),
                (2 * MIB - 5, MIB + 10, ()), (3 * MIB + 512, 4096, ("flush",))):
            data = rng.randbytes(length)
            if length == MIB + 10:
                data = bytes(length)
                self.words += ["zero", off, length]
            else:
                self.words += ["write", off, piece_of(
                    directory, data, "step%d" % off)]
            self.words += then
            before = self.states[-1]
            self.states.append(before[:off] + data + before[off + length:])
            self.ranges.append((off, off + length))
        self.around = self.rest()

    def blocks(self):
        """(offset in the device, number) of the disk's blocks."""
        volume = self.made.volume
        return {vmfs_device.place(volume, at)[1]: number for number, at
                in volume.stored[FEW].places.items()}

    def rest(self):
        """Checksum of all but the disk's blocks."""
        digest, blocks = Nz64k(), self.blocks()
        with open(self.made.extents[0], "rb", buffering=0) as file:
            size = os.fstat(file.fileno()).st_size
            for start, end in data_chunks(file.fileno(), size):
                for at in range(start, end, 1 << 16):
                    if at // MIB * MIB not in blocks:
                        digest.feed(at, read_exactly(
                            file, at, min(1 << 16, end - at)))
        return size, digest.hexdigest()

    def disk(self):
        data = bytearray(4 * MIB)
        with open(self.made.extents[0], "rb") as file:
            for at, number in self.blocks().items():
                file.seek(at)
                data[number * MIB:(number + 1) * MIB] = file.read(MIB)
        return bytes(data)

    def expect(self, whole, where, unit=512):
        """Some of the steps have been done, and perhaps a part of the one that
        comes then; nothing else has changed."""
        if self.rest() != self.around:
            raise Failed("%s: the rest of the volume has changed" % where)
        data = self.disk()
        steps = range(len(self.states))[-1 if whole else 0:]
        if not any(self.is_in(data, step, unit) for step in steps):
            raise Failed("%s: that was never written" % where)

    def again(self):
        disk_io("-f", "raw", self.made.node(FEW, IN_PLACE), *self.words)
        self.expect(True, "again")

    def is_in(self, data, step, unit):
        before, after = self.states[max(step - 1, 0)], self.states[step]
        start, end = self.ranges[step]
        first, last = start // unit * unit, -(-end // unit) * unit
        return data == after or (
            data[:first] == before[:first] and data[last:] == before[last:]
            and all(data[at:at + unit] in (before[at:at + unit],
                                           after[at:at + unit])
                    for at in range(first, last, unit)))


def over_faults(made, *options):
    """Option string: the disk, on an extent whose requests fail."""
    fault = "file.extent.0."
    return ",".join(["driver=raw,file.driver=vmfs,file.write=in-place",
                     "file.path=" + FEW, fault + "driver=fault",
                     *(fault + option for option in options),
                     fault + "file.driver=file",
                     fault + "file.filename=" + made.extents[0]])


def sweep(version, operation):
    """What fails is told with the place, the volume is whole, and the same can
    be written again.  Of reads all that follow fail, too: who does not need the
    last answers is told nothing."""
    with scratch() as tmp:
        beside = Beside(few_volume(version), tmp)
        steps = Steps(beside.made, tmp)
        count = 0 if operation == "read" else 1
        code, nth = 1, 0
        while code:
            subprocess.run(["cp", "--sparse=always", beside.copies[0],
                            beside.made.extents[0]], check=True)
            done = run([DISK_IO, "-o", over_faults(
                beside.made, "fail-op=" + operation, "fail-nth=%d" % nth,
                "fail-count=%d" % count,
                "fail-errno=" + ERRORS[nth % len(ERRORS)]),
                *map(str, steps.words)])
            code, text = done.code, done.stderr.decode()
            where = "%s %d: %s" % (operation, nth, done)
            if text and not code or code and (
                    code != 1 or len(text.splitlines()) != 1
                    or "injected failure of " + operation not in text
                    or operation != "read" and not tells(text, operation)):
                raise Failed(where)
            steps.expect(not code, where)
            nth += 1 if operation != "read" or LONG else 7 if SHORT else 3
        if nth < 2:
            raise Failed("nothing has failed")
        steps.again()


def tells(text, operation):
    return operation == "flush" or FEW + ": byte " in text


def goes_on(version):
    """The same handle writes on, unless it was a flush that failed: nobody
    knows what that has lost."""
    with scratch() as tmp:
        beside = Beside(few_volume(version), tmp)
        for operation, commands, codes in (
                ("write", ("write -P 1 4k 4k", "write -P 2 1M 4k", "flush",
                           "read -P 2 1M 4k"), 1),
                ("flush", ("write -P 2 1M 4k", "flush", "flush"), 2)):
            done = run([VDISK_IO, "--image-opts", *(
                word for command in commands for word in ("-c", command)),
                over_faults(beside.made, "fail-op=" + operation,
                            "fail-nth=0")])
            text = done.stdout.decode() + done.stderr.decode()
            if (done.code != 1 or "verification" in text
                    or text.count("injected failure") < codes):
                raise Failed(done)
            beside.put(FEW, MIB, b"\2" * 4096)
            beside.expect_right()


def cut_short(version):
    """Where the device takes no more than a part of it."""
    with scratch() as tmp:
        beside = Beside(few_volume(version), tmp)
        steps = Steps(beside.made, tmp)
        most = 1000 + max(at for at, number in steps.blocks().items())
        argv = [DISK_IO, "-f", "raw", beside.node(FEW), *map(str, steps.words)]
        done = Result(argv, subprocess.run(
            argv, capture_output=True, check=False, restore_signals=False,
            preexec_fn=lambda: resource.setrlimit(
                resource.RLIMIT_FSIZE, (most, most))))
        text = done.stderr.decode()
        if done.code != 1 or FEW + ": byte " not in text or "large" not in text:
            raise Failed(done)
        steps.expect(False, done, 1)


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
                ("one writer", one_writer),
                ("one writer of a device", one_writer, "loop"),
                ("a host, and the first write", sees_what_a_host_did_before),
                ("damage: LVM", extents_of_lvm),
                *(("%s fails" % operation, sweep, operation)
                  for operation in ("write", "zeroes", "flush", "read")),
                ("a failure, and on", goes_on),
                ("short writes", cut_short),
                ("on a device", on_a_device),
                ("on a device of large sectors", on_a_device, "-b", "4096")):
            suite.add(title + what, func, version, *args)
        for name in TAKEN:
            suite.add("%sa host, %s" % (title, name), notices_a_host, version,
                      name)
    suite.add("sectors across blocks", sectors_across_blocks)
    suite.add("vmfs5: damage: blocks that are free", blocks_that_are_free)


add_cases()
suite.run()
