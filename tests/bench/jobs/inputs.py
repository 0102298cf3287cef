# SPDX-License-Identifier: BSD-3-Clause
"""inputs - the images that jobs read, each made when it is first asked for.

Made by qemu-img where it can, so that neither side reads what suits it.  With
--inputs DIR they stay there for the next time.
"""
import os
import struct

import dataset
from jobs.process import forget, remove, run

MIB = 1 << 20
CHAIN_LINKS = 30
SECTOR = 512
GRAIN = 65536
TABLE_ENTRIES = 512


class Inputs:
    def __init__(self, options):
        self.options = options
        self.build = options.build
        self.dir = options.inputs or options.dir
        self.img = os.path.join(self.build, "tools/img/vdisk-img")
        self.io = os.path.join(self.build, "tests/bench/bench-io")
        self.vix = [os.path.join(self.build, "tests/bench/bench-vix"), "-l",
                    os.path.join(self.build,
                                 "vix/so8/libvixDiskLib.so.8")]
        self.disk_io = os.path.join(self.build, "tests/support/disk-io")
        self._data_mib = None

    def path(self, name):
        """Of a new image, somewhere to be removed."""
        return os.path.join(self.options.dir, name)

    def kept(self, name, make):
        """The image of that name; make(path) if there is none yet."""
        path = os.path.join(self.dir, name)
        if not os.path.exists(path):
            unfinished = path + ".new"
            remove(unfinished)
            make(unfinished)
            forget(unfinished)
            os.rename(unfinished, path)
        return path

    def raw(self):
        make = dataset.MAKERS[self.options.data]
        return self.kept("data-%s-%d.raw" % (
            self.options.data, self.options.size),
            lambda path: make(path, self.options.size * MIB))

    def data_mib(self):
        """What is no hole, in MiB."""
        if self._data_mib is None:
            self._data_mib = os.stat(self.raw()).st_blocks * SECTOR / MIB
        return self._data_mib

    def image(self, name, form, arguments=()):
        raw = self.raw()
        return self.kept(
            os.path.basename(raw)[:-len("raw")] + name,
            lambda path: run(["qemu-img", "convert", "-f", "raw", "-O", form,
                              *arguments, raw, path]))

    def vmdk(self, subformat):
        return self.image(subformat + ".vmdk", "vmdk",
                          ["-o", "subformat=" + subformat])

    def qcow2(self):
        return self.image("qcow2", "qcow2")

    # -- chains -----------------------------------------------------------

    def chain(self, links=CHAIN_LINKS):
        """The names of the links, base first; the data are dealt to them like
        cards, a MiB each."""
        top = os.path.join(self.options.dir, "chain-%d" % links)
        names = [os.path.join(top, "link%d.vmdk" % n) for n in range(links)]
        if not os.path.exists(top):
            os.mkdir(top)
            for number, name in enumerate(names):
                self.make_link(name, names[number - 1] if number else None)
                self.deal(name, number, links)
        return names

    def make_link(self, name, parent):
        words = ["-b", parent, "-F", "vmdk"] if parent else []
        size = [] if parent else [str(os.path.getsize(self.raw()))]
        run([self.img, "create", "-q", "-f", "vmdk", *words, name, *size])

    def deal(self, name, number, links):
        """To link @number what is its share."""
        words, cards = [], []
        with open(self.raw(), "rb") as raw:
            for at in range(number * MIB, os.path.getsize(self.raw()),
                            links * MIB):
                raw.seek(at)
                data = raw.read(MIB)
                if not data.strip(b"\0"):
                    continue
                cards.append(self.path("card-%d" % at))
                with open(cards[-1], "wb") as card:
                    card.write(data)
                words += ["write", str(at), cards[-1]]
        run([self.disk_io, name, *words])
        for card in cards:
            os.unlink(card)

    # -- large ------------------------------------------------------------

    def scattered(self, tib=2, every=64):
        """A sparse disk of which each 64th grain has a place, so that it has a
        million runs.  What is in them is a hole of the file: 32 GiB else."""
        return self.kept(
            "scattered-%dT.vmdk" % tib,
            lambda path: make_scattered(path, tib << 40, every))

    def sparse_raw(self, gib):
        """A raw disk with a MiB of data in each 64 MiB."""
        def make(path):
            with open(self.raw(), "rb") as raw:
                raw.seek(os.path.getsize(self.raw()) // 3)
                data = raw.read(MIB)
            with open(path, "wb") as file:
                for at in range(0, gib << 30, 64 * MIB):
                    file.seek(at)
                    file.write(data)
                file.truncate(gib << 30)
        return self.kept("sparse-%dG.raw" % gib, make)


# -- a sparse extent by hand ----------------------------------------------------

DESCRIPTOR = """# Disk DescriptorFile
version=1
CID=%08x
parentCID=ffffffff
createType="monolithicSparse"

RW %d SPARSE "%s"

ddb.virtualHWVersion = "4"
ddb.geometry.cylinders = "16383"
ddb.geometry.heads = "16"
ddb.geometry.sectors = "63"
ddb.adapterType = "ide"
"""


def make_scattered(path, size, every):
    """Grain @every, 2 * @every ... of each table; one after the other in the
    file."""
    tables = size // (GRAIN * TABLE_ENTRIES)
    directory_sectors = tables * 4 // SECTOR
    table_sectors = TABLE_ENTRIES * 4 // SECTOR
    place = 128
    copies = []
    for _ in range(2):  # redundant, primary
        copies.append(place)
        place += directory_sectors + tables * table_sectors
    overhead = place = -(-place // 128) * 128
    used = range(0, TABLE_ENTRIES, every)
    contents = bytearray(tables * table_sectors * SECTOR)
    for table in range(tables):
        for entry in used:
            struct.pack_into("<I", contents,
                             (table * TABLE_ENTRIES + entry) * 4, place)
            place += GRAIN // SECTOR
    with open(path, "wb") as file:
        file.write(header(size, copies, overhead))
        file.seek(SECTOR)
        name = os.path.basename(path)[:-len(".new")]
        file.write((DESCRIPTOR % (0x5eed, size // SECTOR, name)).encode())
        for at in copies:
            first = at + directory_sectors
            file.seek(at * SECTOR)
            file.write(struct.pack("<%dI" % tables, *range(
                first, first + tables * table_sectors, table_sectors)))
            file.write(contents)
        file.truncate(place * SECTOR)


def header(size, copies, overhead):
    """Virtual Disk Format 5.0, "SparseExtentHeader"; version 1, redundant
    tables, lines end as they should."""
    return struct.pack(
        "<4sIIQQQQIQQQB4sH433x", b"KDMV", 1, 3, size // SECTOR,
        GRAIN // SECTOR, 1, 20, TABLE_ENTRIES, copies[0], copies[1], overhead,
        0, b"\n \r\n", 0)
