#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""make-nbd-client - what decent servers say to the NBD client, as seeds of its
fuzzer.

    make-nbd-client.py corpus/nbd-client
"""
import os
import struct
import sys

GREETING = b"NBDMAGICIHAVEOPT\0\3"
BLOCK = 4096
SLOTS = {"read": 0, "write": 1, "status": 2, "flush": 3, "again": 4, "zero": 5}


def option(number, kind, data=b""):
    return struct.pack(">QIII", 0x3e889045565a9, number, kind, len(data)) + data


def cookie(name):
    return 1 << 16 | SLOTS[name]


def simple(name, data=b"", error=0):
    return struct.pack(">IIQ", 0x67446698, error, cookie(name)) + data


def chunk(name, kind, data=b"", flags=1):
    return struct.pack(">IHHQI", 0x668e33ef, flags, kind, cookie(name),
                       len(data)) + data


def extended(name, kind, data=b"", flags=1):
    return struct.pack(">IHHQQQ", 0x6e8a278c, flags, kind, cookie(name),
                       SLOTS[name] * BLOCK, len(data)) + data


def data(off, count):
    return struct.pack(">Q", off) + bytes(range(256)) * (count // 256)


def hole(off, count):
    return struct.pack(">QI", off, count)


def chunks(make, status):
    return b"".join((
        make("write", 0), make("read", 2, hole(2048, 2048), 0),
        make("again", 1, data(4 * BLOCK, BLOCK)),
        make("read", 1, data(0, 2048)), status,
        make("zero", 0x8002, struct.pack(">IH3sQ", 28, 3, b"bad", 8192)),
        make("flush", 0x8001, struct.pack(">IH", 5, 0))))


INFO = option(7, 3, struct.pack(">HQH", 0, 1 << 20, 0xded)) + \
    option(7, 3, struct.pack(">HIII", 3, 1, BLOCK, 1 << 25)) + option(7, 1)
META = option(10, 4, struct.pack(">I", 1) + b"base:allocation") + option(10, 1)
COMPACT = chunks(chunk, chunk("status", 5, struct.pack(
    ">IIIII", 1, 4096, 0, 1 << 19, 3)))
WIDE = chunks(extended, extended("status", 6, struct.pack(
    ">IIQQQQ", 1, 2, 4096, 0, 1 << 19, 3)))
PLAIN = b"".join((simple("read", bytes(BLOCK)), simple("write"),
                  simple("flush"), simple("again", error=5), simple("zero"),
                  simple("status", error=22)))

SEEDS = {
    "greeting-structured": b"\0" + GREETING + option(11, 0x80000001) +
    option(8, 1) + META + INFO + COMPACT,
    "greeting-extended": b"\0" + GREETING + option(11, 1) + META + INFO + WIDE,
    "greeting-simple": b"\0" + GREETING + option(11, 0x80000001) +
    option(8, 0x80000001) + option(7, 0x80000001) +
    struct.pack(">QH", 1 << 20, 0x1ed) + PLAIN,
    "greeting-unknown": b"\0" + GREETING + option(11, 0x80000001) +
    option(8, 1) + META + option(7, 0x80000006, b"no such thing") +
    option(3, 2, struct.pack(">I", 1) + b"b" + b"a disk") + option(3, 1),
    "oldstyle": b"\0" + b"NBDMAGIC" + struct.pack(
        ">QQI", 0x420281861253, 1 << 20, 0x1ed) + bytes(124) + PLAIN,
    "simple": b"\1" + PLAIN,
    "structured": b"\2" + COMPACT,
    "extended": b"\3" + WIDE,
}


def main():
    for name, content in SEEDS.items():
        with open(os.path.join(sys.argv[1], name), "wb") as file:
            file.write(content)


main()
