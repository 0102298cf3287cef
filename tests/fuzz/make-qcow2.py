#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Make the corpus "qcow2" anew: a small image of each shape.

  make-qcow2.py CORPUS_DIRECTORY
"""
import struct
import sys
import zlib
from pathlib import Path

COPIED, PACKED, ZERO = 1 << 63, 1 << 62, 1
BITMAPS, FEATURES, BACKING = 0x23852875, 0x6803f857, 0xe2792aca


class Image:
    """Clusters are given away one after the other; each has one user."""

    def __init__(self, bits=9, version=3, order=4, clusters=8, **fields):
        self.bits = bits
        self.cluster = 1 << bits
        self.version = version
        self.order = order if version > 2 else 4
        self.fields = dict(size=clusters << bits, incompatible=0, compatible=0,
                           autoclear=0, crypt=0, n_snapshots=0,
                           snapshots_off=0)
        self.fields.update(fields)
        self.extensions = b""
        self.backing = b""
        self.data = bytearray(self.cluster)
        self.shared = {}  # users of a cluster, if not one
        self.reftable = self.take()
        self.block = self.take()

    def take(self, data=b""):
        at = len(self.data)
        self.data += data + bytes(-len(data) % self.cluster or
                                  (0 if data else self.cluster))
        return at

    def extension(self, kind, data):
        self.extensions += struct.pack(">II", kind, len(data)) + data + \
            bytes(-len(data) % 8)

    def tables(self, entries, extended=False):
        """L2 table of these words; its L1 table's place."""
        l2 = self.take(b"".join(struct.pack(">QQ" if extended else ">Q", *e)
                                for e in entries) or bytes(8))
        return self.take(struct.pack(">Q", l2 | COPIED))

    def put_refcounts(self):
        width = 1 << self.order
        for i in range(len(self.data) >> self.bits):
            users = self.shared.get(i, 1)
            at = self.block + i * width // 8
            if width < 8:
                self.data[at] |= users << i * width % 8
            else:
                self.data[at:at + width // 8] = users.to_bytes(width // 8,
                                                               "big")
        struct.pack_into(">Q", self.data, self.reftable, self.block)

    def finish(self, l1, n_l1=1):
        f = self.fields
        self.put_refcounts()
        length = 112 if self.version > 2 else 72
        ext = self.extensions + bytes(8 if self.extensions or self.backing
                                      else 0)
        backing_at = length + len(ext) if self.backing else 0
        head = struct.pack(">IIQIIQIIQQIIQ", 0x514649fb, self.version,
                           backing_at, len(self.backing), self.bits, f["size"],
                           f["crypt"], n_l1, l1, self.reftable, 1,
                           f["n_snapshots"], f["snapshots_off"])
        if self.version > 2:
            head += struct.pack(">QQQII8x", f["incompatible"], f["compatible"],
                                f["autoclear"], self.order, length)
        head += ext + self.backing
        self.data[:len(head)] = head
        return bytes(self.data)


def plain(**kind):
    image = Image(**kind)
    places = [image.take(bytes([i]) * image.cluster) for i in (1, 2, 3)]
    entries = [(p | COPIED,) for p in places]
    return image.finish(image.tables(entries[:2] + [(0,)] + entries[2:]))


def zeroes():
    image = Image()
    place = image.take(b"z" * 512)
    return image.finish(image.tables([(ZERO,), (place | COPIED | ZERO,), (0,),
                                      (ZERO,)]))


def packed():
    image = Image()
    squeezer = zlib.compressobj(9, zlib.DEFLATED, -12)
    data = squeezer.compress(b"abcd" * 128) + squeezer.flush()
    place = image.take(data * 2)
    image.shared[place >> 9] = 2
    word = PACKED | place
    return image.finish(image.tables([(word,), (word + len(data),), (0,)]))


def snapshots():
    image = Image(n_snapshots=2)
    place = image.take(b"s" * 512)
    l2 = image.take(struct.pack(">QQ", place, ZERO))
    l1 = [image.take(struct.pack(">Q", l2)) for _ in range(3)]
    image.shared = {place >> 9: 3, l2 >> 9: 3}
    table = b""
    for i in (1, 2):
        entry = struct.pack(">QIHHIIQIIQQ", l1[i], 1, 1, 4, 1, 2, 3, 0, 16, 0,
                            4096) + b"%dname" % i
        table += entry + bytes(-len(entry) % 8)
    image.fields["snapshots_off"] = image.take(table)
    return image.finish(l1[0])


def bitmaps():
    image = Image(autoclear=1)
    data = image.take(b"\x0f" * 512)
    table = image.take(struct.pack(">QQ", data, 1))
    entry = struct.pack(">QIIBBHI", table, 1, 0, 1, 9, 3, 0) + b"map"
    entry += bytes(-len(entry) % 8)
    directory = image.take(entry)
    image.extension(BITMAPS, struct.pack(">IIQQ", 1, 0, len(entry), directory))
    return image.finish(image.tables([(0,)]))


def features():
    image = Image(incompatible=1 << 40)
    image.extension(FEATURES, struct.pack("BB46s", 0, 40, b"teleportation"))
    return image.finish(image.tables([(0,)]))


def backed():
    image = Image()
    image.extension(BACKING, b"raw")
    image.extension(0x12345678, b"whatever")
    image.backing = b"base"
    return image.finish(image.tables([(0,), (ZERO,)]))


def extended():
    image = Image(bits=14, incompatible=16)
    place = image.take(b"e" * 100)
    return image.finish(image.tables(
        [(place | COPIED, 0x0000ff00_0000000f), (0, 0xffffffff << 32), (0, 0)],
        True))


def in_place_of_tables():
    """Data where the L2 table is, and a table that is its own L1 table."""
    image = Image()
    at = len(image.data)
    l1 = image.tables([(at | COPIED,), (image.reftable | COPIED,)])
    data = bytearray(image.finish(l1))
    struct.pack_into(">Q", data, at + 16, l1 | COPIED)
    return bytes(data)


SHAPES = {
    "plain": plain, "version-2": lambda: plain(version=2),
    "one-bit": lambda: plain(order=0), "wide": lambda: plain(order=6),
    "four-bits": lambda: plain(order=2),
    "dirty": lambda: plain(incompatible=1, compatible=1),
    "corrupt": lambda: plain(incompatible=2), "zeroes": zeroes,
    "packed": packed, "snapshots": snapshots, "bitmaps": bitmaps,
    "features": features, "backed": backed, "extended": extended,
    "overlap": in_place_of_tables,
    "encrypted": lambda: plain(crypt=2), "data-file": lambda: plain(
        incompatible=4, autoclear=2),
    "largest": lambda: plain(size=(1 << 63) - 512),
}


def main():
    directory = Path(sys.argv[1])
    directory.mkdir(exist_ok=True)
    for name, make in SHAPES.items():
        (directory / name).write_bytes(make())


main()
