# SPDX-License-Identifier: BSD-3-Clause
"""kinds - every kind of VMDK: how a disk of it comes to be, and how to damage it.

A kind makes an image with the bytes of a raw file; damages one of its files so
that a check must find it and nothing is lost that a repair could not bring
back; and knows which operations are refused on purpose, with which words.
"""
import os
import struct

from tools import vdisk_img

MIB = 1 << 20
SECTOR = 512
DISK_SIZE = 40 * MIB + 3 * SECTOR


def poke(path, offset, data):
    with open(path, "r+b") as file:
        file.seek(offset)
        file.write(data)


def peek(path, offset, form):
    with open(path, "rb") as file:
        file.seek(offset)
        return struct.unpack(form, file.read(struct.calcsize(form)))[0]


class Kind:
    """One row of the table.

    @refuses: {operation: words that its refusal must have}; every other
    operation must work.  @suffix: of the data file, behind the stem.
    @idle: operations that have nothing to do for this kind: they succeed and
    leave every file as it was.
    @lacks: what random-life leaves out.  @peers: which readers know it.
    """

    check_words = ()
    repair_words = ("check", "-r", "all")

    def __init__(self, name, options=None, suffix="", refuses=None, idle=(),
                 lacks=(), peers=("qemu-img", "libvmdk")):
        self.name = name
        self.options = options or "subformat=" + name
        self.suffix = suffix
        self.refuses = refuses or {}
        self.idle = idle
        self.lacks = lacks
        self.peers = peers

    def create(self, path, size):
        vdisk_img("create", "-q", "-f", "vmdk", "-o", self.options, path, size)

    def fill(self, raw, path):
        vdisk_img("convert", "-f", "raw", "-O", "vmdk", "-o", self.options,
                  raw, path)

    def data_file(self, path):
        stem, end = os.path.splitext(path)
        return stem + self.suffix + end

    def may_write(self, offset, length):
        """Can this range of the test's disk be written?"""
        return True

    def damage(self, path):
        raise NotImplementedError(self.name)


class Sparse(Kind):
    def damage(self, path):
        """The first primary table names places behind the end of the file;
        the redundant one is good."""
        file = self.data_file(path)
        directory = peek(file, 56, "<Q") * SECTOR
        table = peek(file, directory, "<I") * SECTOR
        poke(file, table, struct.pack("<I", 0xfffffff0) * 8)


class Flat(Kind):
    def damage(self, path):
        """The file ends early; what it lacks was zero."""
        file = self.data_file(path)
        os.truncate(file, os.path.getsize(file) - MIB // 2)


class Cowd(Kind):
    def damage(self, path):
        """The header's next free sector lies in front of grains in use."""
        poke(self.data_file(path), 28, struct.pack("<I", 5))


class SeSparse(Kind):
    def damage(self, path):
        """An entry of the first table has a kind that does not exist."""
        file = self.data_file(path)
        table = peek(file, 144, "<Q") * SECTOR
        entry = peek(file, table, "<Q")
        poke(file, table, struct.pack("<Q", entry | 7 << 60))


class Stream(Kind):
    check_words = ("--profile=esxi-import",)
    repair_words = ("repair", "--stream")

    def damage(self, path):
        """Zeroes behind the end, as other tools leave them."""
        with open(path, "ab") as file:
            file.write(bytes(64 << 10))


class Lines(Kind):
    """A descriptor by hand, over files that hold the disk's bytes."""

    def __init__(self, name, create_type, layout, data, **rest):
        super().__init__(name, options="-", **rest)
        self.create_type = create_type
        self.layout = layout
        self.data = data

    def data_file(self, path):
        return os.path.splitext(path)[0] + self.data

    def create(self, path, size):
        """Zeroes: a raw file that is a hole."""
        raw = path + ".zeroes"
        with open(raw, "wb") as file:
            file.truncate(size)
        self.fill(raw, path)
        os.unlink(raw)

    def fill(self, raw, path):
        lines = self.layout(self, raw, path)
        with open(path, "w", encoding="utf-8") as file:
            file.write('# Disk DescriptorFile\nversion=1\nCID=12345678\n'
                       'parentCID=ffffffff\ncreateType="%s"\n\n'
                       '# Extent description\n%s\n\n'
                       '# The Disk Data Base \n#DDB\n\n'
                       'ddb.adapterType = "lsilogic"\n'
                       % (self.create_type, "\n".join(lines)))

    def damage(self, path):
        """Its last file ends early; what it lacks was zero."""
        file = self.data_file(path)
        os.truncate(file, os.path.getsize(file) - MIB // 2)


class Mixed(Lines):
    def may_write(self, offset, length):
        """Not into the third quarter, which is a ZERO extent."""
        part = DISK_SIZE // 4 // SECTOR * SECTOR
        return offset + length <= 2 * part or offset >= 3 * part


def cut(raw, offset, length, target, pad=0):
    """Bytes of @raw into @target, behind @pad bytes of something else."""
    with open(raw, "rb") as source, open(target, "wb") as out:
        out.write(b"\xa5" * pad)
        source.seek(offset)
        out.write(source.read(length))


def lines_mixed(kind, raw, path):
    """Flat at an offset, a sparse extent, zeroes, and flat again: zeroes are
    where the test's disk has none either (its third quarter)."""
    size = os.path.getsize(raw)
    part = size // 4 // SECTOR * SECTOR
    stem = os.path.splitext(path)[0]
    name = os.path.basename(stem)
    cut(raw, 0, part, stem + "-a.vmdk", pad=63 * SECTOR)
    cut(raw, part, part, stem + "-b.raw")
    vdisk_img("convert", "-f", "raw", "-O", "vmdk", stem + "-b.raw",
              stem + "-b.vmdk")
    os.unlink(stem + "-b.raw")
    last = size - 3 * part
    cut(raw, 3 * part, last, stem + "-d.vmdk")
    return ['RW %d FLAT "%s-a.vmdk" 63' % (part // SECTOR, name),
            'RW %d SPARSE "%s-b.vmdk"' % (part // SECTOR, name),
            'RW %d ZERO' % (part // SECTOR),
            'RW %d FLAT "%s-d.vmdk" 0' % (last // SECTOR, name)]


def lines_partitions(kind, raw, path):
    """A small file for the partition table, then two parts of one device."""
    size = os.path.getsize(raw)
    stem = os.path.splitext(path)[0]
    name = os.path.basename(stem)
    cut(raw, 0, 63 * SECTOR, stem + "-pt.vmdk")
    cut(raw, 0, size, stem + "-device.img")
    half = size // 2 // SECTOR
    return ['RW 63 FLAT "%s-pt.vmdk" 0' % name,
            'RW %d FLAT "%s-device.img" 63' % (half - 63, name),
            'RW %d FLAT "%s-device.img" %d'
            % (size // SECTOR - half, name, half)]


def lines_device(kind, raw, path):
    stem = os.path.splitext(path)[0]
    cut(raw, 0, os.path.getsize(raw), stem + "-device.img")
    return ['RW %d FLAT "%s-device.img" 0'
            % (os.path.getsize(raw) // SECTOR, os.path.basename(stem))]
