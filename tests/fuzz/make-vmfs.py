#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Make the corpus "vmfs" anew: small volumes as rows of pieces, as fuzz-vmfs.c
takes them.

  make-vmfs.py CORPUS_DIRECTORY
"""
import os
import struct
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../support"))

from holes import data_ranges  # noqa: E402
from vmfs_device import write_volume  # noqa: E402
from vmfs_layout import DOUBLE, FB, MIB, PB, PB2  # noqa: E402
from vmfs_volume import Volume  # noqa: E402

UNIT = 16
LONGEST = 32768  # of a piece
# Of a folder's map of its blocks: none of them is written.
UNWRITTEN = b"\x88" * UNIT


def pieces(path):
    """(place, bytes) of what is neither zero nor a matter of course."""
    with open(path, "rb") as file:
        for start, end in data_ranges(file.fileno(), os.path.getsize(path)):
            file.seek(start)
            data = file.read(end - start)
            piece = b""
            for at in range(0, len(data) + UNIT, UNIT):
                unit = data[at:at + UNIT]
                plain = not unit.strip(b"\0") or unit == UNWRITTEN
                if piece and (plain or len(piece) >= LONGEST):
                    yield start + at - len(piece), piece.rstrip(b"\0")
                    piece = b""
                piece += b"" if plain else unit


def row(volume):
    volume.finish()
    with tempfile.TemporaryDirectory() as tmp:
        path = os.path.join(tmp, "device")
        write_volume(volume, [path])
        return b"".join(struct.pack("<IH", at // UNIT, len(data)) + data
                        for at, data in pieces(path))


def volume_of(version):
    return Volume(version, (1,), scatter=False, ends=(16, 16), heads=False)


def files(version):
    volume = volume_of(version)
    volume.folder("/d")
    volume.small("/d/small", b"small\n")
    volume.parts("/d/parts", b"parts")
    volume.blocks("/d/disk", 3 * MIB, {0: "d", 1: "z"})
    volume.free_slot("/d")
    volume.symlink("/link", "d/disk")
    volume.device("/lun")
    volume.locked("/d/disk", 1)
    return volume


def pointers(version):
    volume = volume_of(version)
    volume.blocks("/single", 900 * MIB, {0: "d", 899: "z"}, zla=PB)
    volume.blocks("/second", 900 * MIB, {0: "d", 899: "z"}, zla=PB2)
    volume.blocks("/double", 9000 * MIB, {0: "d", 8999: "z"}, zla=DOUBLE)
    return volume


def flats(version):
    volume = volume_of(version)
    volume.blocks("/a-flat.vmdk", 3 * MIB, {0: "d", 1: "d", 2: "z"})
    volume.blocks("/b-flat.vmdk", 400 * MIB, {0: "d", 1: "d", 399: "d"},
                  zla=PB)
    return volume


def folders(version):
    volume = volume_of(version)
    volume.folder("/a", zla=FB)
    volume.folder("/a/b")
    volume.small("/a/b/deep", b"deep")
    volume.folders["/a/b"].entries.append(
        (2, volume.folders["/a"].address, "up"))
    return volume


def main():
    root = Path(sys.argv[1]) / "vmfs"
    root.mkdir(exist_ok=True)
    for version in (5, 6):
        for make in (files, pointers, folders, flats):
            name = "%s-%d" % (make.__name__, version)
            (root / name).write_bytes(row(make(version)))


main()
