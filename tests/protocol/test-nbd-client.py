#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""test-nbd-client - commands on names of NBD, as source and as target."""
import json
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../support"))

import nbd_peers  # noqa: E402
from nbd_peers import Link  # noqa: E402
from tap import Suite  # noqa: E402
from tools import (Failed, scratch, vdisk_img, vdisk_img_fails,  # noqa: E402
                   working_engines)

SIZE = 8 << 20
HOLE = 2 << 20
CLIENTS = 8

suite = Suite()


def raw_file(tmp, name, data=b""):
    path = os.path.join(tmp, name)
    with open(path, "wb") as file:
        file.write(data)
        file.truncate(SIZE)
    return path


def content():
    half = (SIZE - HOLE) // 2
    return os.urandom(half) + bytes(HOLE) + os.urandom(half)


def read(path):
    with open(path, "rb") as file:
        return file.read()


def expect(condition, what):
    if not condition:
        raise Failed(str(what))


def with_hole(tmp, name, data):
    """The same with a real hole."""
    path = raw_file(tmp, name)
    with open(path, "r+b") as file:
        start = data.index(bytes(HOLE))
        file.write(data[:start])
        file.seek(start + HOLE)
        file.write(data[start + HOLE:])
    return path


def copies(transport, engine):
    with scratch() as tmp:
        data = content()
        source = with_hole(tmp, "source", data)
        target = raw_file(tmp, "target")
        with nbd_peers.qemu_nbd(source, "--read-only", clients=CLIENTS,
                                link=Link(transport)) as one, \
                nbd_peers.nbdkit("file", target, link=Link(transport)) as two:
            vdisk_img("convert", "-n", "-O", "raw", one.uri(), two.uri(),
                      engine=engine)
            expect(read(target) == data, "the copy is another")
            vdisk_img("compare", one.uri(), two.uri(), engine=engine)
            rows = json.loads(vdisk_img("map", "--output=json", one.uri(),
                                        engine=engine))
            start = (SIZE - HOLE) // 2
            holes = [(row["start"], row["length"]) for row in rows
                     if row["zero"]]
            expect(holes == [(start, HOLE)], rows)
            info = json.loads(vdisk_img("info", "--output=json", two.uri(),
                                        engine=engine))
            expect(info["virtual-size"] == SIZE and info["format"] == "raw" and
                   "actual-size" not in info, info)


for engine in working_engines():
    for transport in ("unix", "tcp"):
        suite.add("%s: copies, compares and maps over %s" % (engine, transport),
                  copies, transport, engine)


@suite.case("an unknown export is refused, and those that exist are told")
def _():
    with scratch() as tmp:
        path = raw_file(tmp, "disk")
        with nbd_peers.qemu_nbd(path, clients=CLIENTS, export="disk") as peer:
            text = vdisk_img_fails("info", peer.uri("other"))
            expect("unknown export" in text and "'disk'" in text, text)


@suite.case("zeroes of any length arrive at a server that stops at 64 MiB")
def _():
    with scratch() as tmp:
        size = 160 << 20
        source, target = raw_file(tmp, "source"), raw_file(tmp, "target")
        os.truncate(source, size)
        with open(target, "r+b") as file:
            file.truncate(size)
            for off in range(0, size, 5 << 20):
                file.seek(off)
                file.write(b"x")
        with nbd_peers.nbd_server(target) as peer:
            vdisk_img("convert", "-n", "-O", "raw", source, peer.uri())
            peer.expect_no_crash()
        vdisk_img("compare", source, target)


suite.run()
