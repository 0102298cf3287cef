#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""make-nbd - what decent clients say to an NBD server, as seeds of its fuzzer.

    make-nbd.py corpus/nbd-server
"""
import os
import struct
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../support"))

import nbd_wire as wire  # noqa: E402

HELLO = b"\0\0\0\3"
CONTEXTS = ("base:allocation", "qemu:allocation-depth")


def option(number, data=b""):
    return wire.OPTION.pack(wire.OPTION_MAGIC, number, len(data)) + data


def request(command, off=0, length=0, flags=0, payload=b""):
    return wire.REQUEST.pack(wire.REQUEST_MAGIC, flags, command, 1, off,
                             length) + payload


def extended(command, off=0, length=0, flags=0, payload=b""):
    return wire.EXT_REQUEST.pack(wire.EXT_REQUEST_MAGIC, flags, command, 1, off,
                                 length) + payload


GO = option(wire.GO, wire.string("a") + b"\0\1\0\3")
META = wire.string("a") + struct.pack(">I", len(CONTEXTS)) + \
    b"".join(map(wire.string, CONTEXTS))


def requests(make, write_flags):
    return b"".join((
        make(wire.WRITE, 4096, 6, write_flags, b"abcdef"),
        make(wire.READ, 4094, 12), make(wire.READ, 0, 1 << 20, 0),
        make(wire.ZEROES, 4096, 8192, wire.FAST_ZERO),
        make(wire.TRIM, 0, 1 << 20, wire.FUA), make(wire.FLUSH),
        make(wire.CACHE, 0, 65536), make(wire.STATUS, 0, 1 << 20),
        make(wire.STATUS, 512, 1024, wire.REQ_ONE), make(wire.DISC)))


SEEDS = {
    "simple": HELLO + GO + requests(request, 0),
    "structured": HELLO + option(wire.STRUCTURED_REPLY) +
    option(wire.SET_META, META) + GO + requests(request, 0),
    "extended": HELLO + option(wire.EXTENDED) + option(wire.SET_META, META) +
    GO + requests(extended, 32) +
    extended(wire.STATUS, 0, 12, 32, struct.pack(">QI", 4096, 1)),
    "export-name": b"\0\0\0\1" + option(wire.EXPORT_NAME, b"a") +
    request(wire.READ, 0, 512),
    "talk": HELLO + option(wire.LIST) + option(wire.INFO, wire.string("a") +
                                               b"\0\3\0\0\0\1\0\2") +
    option(wire.STARTTLS) + option(wire.LIST_META, wire.string("a") + bytes(4)) +
    option(4711, b"what?") + option(wire.ABORT),
}


def main():
    for name, data in SEEDS.items():
        with open(os.path.join(sys.argv[1], name), "wb") as file:
            file.write(data)


main()
