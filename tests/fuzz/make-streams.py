#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Make the corpora "stream" and "inflate" anew: small files of each layout.

  make-streams.py CORPUS_DIRECTORY
"""
import struct
import sys
import zlib
from pathlib import Path

SECTOR = 512
AT_END = 0xFFFFFFFFFFFFFFFF
GRAIN_SECTORS = 8  # small grains make small files


def pad(data):
    return data + b"\0" * (-len(data) % SECTOR)


def header(capacity, gd, overhead, flags=0x30001, entries=512):
    return pad(struct.pack("<4sIIQQQQIQQQB4sH", b"KDMV", 3, flags, capacity,
                           GRAIN_SECTORS, 1, 1, entries, 0, gd, overhead, 0,
                           b"\n \r\n", 1))


def marker(kind, value):
    return pad(struct.pack("<QII", value, 0, kind))


def plain(grain):
    text = b"grain %d of a small disk, " % grain
    return (text * GRAIN_SECTORS * SECTOR)[:GRAIN_SECTORS * SECTOR]


def deflate(data, wbits=15, level=6):
    z = zlib.compressobj(level, zlib.DEFLATED, wbits)
    return z.compress(data) + z.flush()


def record(grain, markers=True, wbits=15):
    packed = deflate(plain(grain), wbits)
    head = struct.pack("<I", len(packed))
    if markers:
        head = struct.pack("<Q", grain * GRAIN_SECTORS) + head
    return pad(head + packed)


def table(sectors, entries=512):
    return pad(struct.pack("<%dI" % entries,
                           *[sectors.get(i, 0) for i in range(entries)]))


def in_front(grains, entries=16, markers=True, wbits=15, end=True):
    """Directory at sector 2, one table behind it."""
    overhead = 4
    body, places = b"", {}
    for grain in grains:
        places[grain] = overhead + len(body) // SECTOR
        body += record(grain, markers, wbits)
    flags = 0x30001 if markers else 0x10001
    head = header(entries * GRAIN_SECTORS, 2, overhead, flags, entries)
    return (head + pad(b"# Disk DescriptorFile\n") + pad(struct.pack("<I", 3)) +
            table(places, entries) + body + (marker(0, 0) if end else b""))


def at_end(grains, entries=4, tables=3, tail=b""):
    overhead = 2
    body, gd = b"", []
    for t in range(tables):
        places = {}
        for grain in [g for g in grains if g // entries == t]:
            places[grain % entries] = overhead + len(body) // SECTOR
            body += record(grain)
        if places:
            body += marker(1, 1)
            gd.append(overhead + len(body) // SECTOR)
            body += table(places, entries)
        else:
            gd.append(0)
    body += marker(2, 1)
    at = overhead + len(body) // SECTOR
    body += pad(struct.pack("<%dI" % tables, *gd)) + marker(3, 1)
    capacity = entries * tables * GRAIN_SECTORS
    body += header(capacity, at, overhead, entries=entries) + marker(0, 0)
    return (header(capacity, AT_END, overhead, entries=entries) +
            pad(b"# Disk DescriptorFile\n") + body + tail)


STREAMS = {
    "in-front": in_front([0, 1, 5]),
    "in-front-many": in_front(range(12)),
    "no-end": in_front([2], end=False) + b"\0" * 4096,
    "unordered": in_front([5, 3, 4]),
    "empty": in_front([]),
    "no-markers": in_front([1, 2], markers=False),
    "raw-deflate": in_front([0, 3], wbits=-15),
    "at-end": at_end([0, 1, 3, 9]),
    "at-end-padded": at_end([2, 4], tail=b"\0" * 5000),
    "at-end-cut": at_end([0, 1, 3, 9])[:-1100],
    "progress": at_end([0]).replace(marker(1, 1), marker(4, 7) + marker(1, 1)),
}


def inflate_cases():
    text = plain(3)
    yield "zlib", deflate(text)
    yield "zlib-stored", deflate(text[:300], level=0)
    yield "zlib-fixed", deflate(b"abcabcabc")
    yield "raw", deflate(text, -15)
    yield "empty", deflate(b"")
    yield "noise", bytes((i * 131 + i * i // 7) % 256 for i in range(500))
    yield "dictionary", b"\x78\xbb\x00\x00\x00\x01" + deflate(text, -15)
    yield "window", b"\x88\x1c" + deflate(text)[2:]


def main():
    corpus = Path(sys.argv[1])
    for folder in ("stream", "inflate"):
        (corpus / folder).mkdir(parents=True, exist_ok=True)
    for name, data in STREAMS.items():
        (corpus / "stream" / name).write_bytes(data)
    for name, data in inflate_cases():
        room = struct.pack("<H", len(plain(3)))
        (corpus / "inflate" / name).write_bytes(room + data)


main()
