#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Make the corpus "sesparse" anew, and the seSparse file and the texts of the
corpus "image": small files of each shape.

  make-sesparse.py CORPUS_DIRECTORY
"""
import struct
import sys
from pathlib import Path

SECTOR = 512
TABLE_SECTORS = 64
ENTRIES = 4096
CAPACITY = 65537  # three tables
# Sectors: headers, directory, tables, grains.
GD, TABLES, GRAINS = 4, 8, 8 + 2 * TABLE_SECTORS
PRESENT = 0x10000000 << 32
ZERO, UNMAPPED = 2 << 60, 1 << 60


def pad(data, length=SECTOR):
    return data + bytes(-len(data) % length)


def stored(index):
    return 3 << 60 | (index & 0xfff) << 48 | index >> 12


def header(capacity=CAPACITY, grains=64, **parts):
    regions = dict(volatile=(1, 1), journal_header=(2, 2), journal=(0, 0),
                   gd=(GD, 4), tables=(TABLES, 2 * TABLE_SECTORS),
                   bitmap=(0, 0), backmap=(0, 0), grains=(GRAINS, grains))
    regions.update(parts)
    return pad(struct.pack("<6Q32x16Q", 0xcafebabe, 0x200000001, capacity, 8,
                           64, 0, *sum(regions.values(), ())))


def volatile(replay=0, magic=0xcafecafe):
    return pad(struct.pack("<4Q", magic, 2, 1, replay))


def table(**entries):
    words = [0] * ENTRIES
    for key, value in entries.items():
        words[int(key[1:])] = value
    return struct.pack("<%dQ" % ENTRIES, *words)


def extent(head=None, vol=None, directory=(PRESENT, 0, PRESENT | 1),
           tables=None, grains=3):
    gd = pad(struct.pack("<%dQ" % len(directory), *directory), 4 * SECTOR)
    if tables is None:
        tables = (table(e0=stored(0), e1=stored(1), e2=ZERO, e3=UNMAPPED,
                        e4095=stored(2)), table(e0=ZERO))
    data = b"".join(bytes([i + 1]) * 4096 for i in range(grains))
    front = (head or header()) + (vol or volatile()) + bytes(2 * SECTOR)
    return front + gd + b"".join(tables) + data


def texts():
    head = "# Disk DescriptorFile\nversion=1\nCID=1\nparentCID=ffffffff\n"
    return {
        "mixed-lines": head + 'RW 64 FLAT "a.raw" 0\nRDONLY 16 FLAT "a.raw" '
                       '64\nRW 8 ZERO\nNOACCESS 9 FLAT "none" 5\n'
                       'RW 8 VMFS "a.raw"\n',
        "pieces-overlap": head + 'RW 64 FLAT "a.raw" 0\nRW 64 FLAT "a.raw" '
                          '63\nRW 64 FLAT "a.raw" 120\n',
        "flat-cut-short": head + 'RW 9999 FLAT "a.raw" 100\n',
        "mapped": head + 'RW 8 VMFSRDM "a.raw"\nRW 8 VMFSRAW "a.raw"\n',
        "own-name": head + 'RW 1 FLAT "image.vmdk" 0\nRW 1 SPARSE '
                    '"image.vmdk"\n',
        "sesparse-over-raw": head + 'RW 128 SESPARSE "a.raw"\n',
        "encrypted": head + 'encryptionKeys="vmware:key/list/(pair/'
                     '(null/%3cVMWARE%2dNULL%3e,HMAC%2dSHA%2d1,x))"\n'
                     'RW 8 FLAT "a.raw" 0\n',
    }


def main():
    root = Path(sys.argv[1])
    cases = {
        "small": extent(),
        "empty": extent(directory=(0, 0, 0), tables=(), grains=0),
        "cut": extent()[:-1000],
        "replay": extent(vol=volatile(replay=1)),
        "other-magic": extent(vol=volatile(magic=0xcafebabe)),
        "bad-entries": extent(tables=(table(e0=4 << 60, e1=1, e2=stored(99),
                                            e3=stored(1 << 40)), table())),
        "one-table-twice": extent(directory=(PRESENT, PRESENT, PRESENT)),
        "bad-directory": extent(directory=(1, PRESENT | 9, 1 << 63)),
        "one-grain-twice": extent(tables=(table(e0=stored(0), e9=stored(0)),
                                          table(e0=stored(0)))),
        "overlap": extent(head=header(tables=(GD, 2 * TABLE_SECTORS))),
        "largest": extent(head=header(capacity=1 << 37)),
        "huge-regions": extent(head=header(bitmap=(1 << 54, 1),
                                           journal=(1 << 54, 0))),
    }
    for name, data in cases.items():
        (root / "sesparse" / name).write_bytes(data)
    (root / "image" / "sesparse-bare").write_bytes(extent())
    for name, text in texts().items():
        (root / "image" / name).write_text(text)


main()
