#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""test-nbd-matrix - our client with every server, every client with ours, over
each transport, with each kind of TLS.

Of each cell: the disk is the same after reading and after writing, holes stay
holes, and extents are where they are.  The table in docs/CONFORMANCE.md is made
of the same cells; one that cannot be is tried all the same, and fails with words.
"""
import json
import os
import random
import shutil
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../support"))

import nbd_peers  # noqa: E402
from nbd_certs import Certs  # noqa: E402
from nbd_peers import Link  # noqa: E402
from tap import Suite  # noqa: E402
from tools import (SHORT, SOURCE_ROOT, Failed, need, run, vdisk_img,  # noqa: E402
                   vdisk_img_fails)

KIB, MIB = 1 << 10, 1 << 20
SIZE = 12 * MIB + 512
SECONDS = 120
DOCUMENT = "docs/CONFORMANCE.md"

# (offset, length) of what is stored; the rest are holes.
PIECES = [(0, 4 * KIB), (MIB, 300 * KIB), (4 * MIB + 512, 1024),
          (8 * MIB - 4 * KIB, 8 * KIB), (SIZE - 512, 512)]
# In units of a file system, and something for its own tables.
MOST_BYTES = 512 * KIB

TLS = (None, "x509", "psk")
LINKS = [(transport, tls) for transport in ("unix", "tcp") for tls in TLS]
# Most would only be said again.
SHORT_LINKS = [link for link in (("unix", None), ("tcp", "x509"), ("unix", "psk"))
               if link in LINKS]

NO_PSK = "nbd-server knows certificates only"
NO_HOLES = "nbd-server tells nothing of holes, and writes zeroes where some are " \
    "wanted"

suite = Suite()


def expect(condition, what):
    if not condition:
        raise Failed(str(what))


class Disks:
    """The disk, and a full one that is to become it."""

    def __init__(self):
        self.tmp = tempfile.mkdtemp(prefix="vdisk-nbd-matrix-")
        self.certs = Certs(self.path("certs"))
        self.source = self.path("source.raw")
        rng = random.Random(7)
        with open(self.source, "wb") as file:
            for offset, length in PIECES:
                file.seek(offset)
                file.write(rng.randbytes(length))
        self.content = read_file(self.source)

    def path(self, name):
        return os.path.join(self.tmp, name)

    def full(self):
        path = self.path("full.raw")
        with open(path, "wb") as file:
            file.write(b"\x11" * SIZE)
        return path

    def new(self):
        path = self.path("new.raw")
        with open(path, "wb"):
            pass
        return path


def read_file(path):
    with open(path, "rb") as file:
        return file.read()


def expect_disk(disks, path, what, thin=True):
    expect(read_file(path) == disks.content, "%s: other bytes" % what)
    taken = 512 * os.stat(path).st_blocks
    expect(not thin or taken <= MOST_BYTES, "%s: takes %d bytes" % (what, taken))


def ok(argv):
    result = run([need(argv[0]), *map(str, argv[1:])], timeout=SECONDS)
    expect(result.code == 0, result)
    return result.stdout.decode()


# -- extents -----------------------------------------------------------------------

def merged(rows):
    """[[offset, length, is a hole]] without neighbours of a kind."""
    out = []
    for offset, length, hole in rows:
        if out and out[-1][2] == hole:
            out[-1][1] += length
        else:
            out.append([offset, length, hole])
    return out


def stored():
    """As the file system has them, which stores pages."""
    rows, at = [], 0
    for offset, length in PIECES:
        start = offset & ~4095
        end = min(SIZE, (offset + length + 4095) & ~4095)
        rows += [[at, start - at, True]] if start > at else []
        rows.append([start, end - start, False])
        at = end
    return merged(rows)


def our_map(uri):
    return merged((row["start"], row["length"], row["zero"]) for row in json.loads(
        vdisk_img("map", "-f", "raw", "--output=json", uri)))


def nbdinfo_map(uri):
    return merged((row["offset"], row["length"], bool(row["type"] & 2))
                  for row in json.loads(ok(["nbdinfo", "--map", "--json", uri])))


def qemu_map(peer):
    objects, options = peer.for_qemu()
    text = ok(["qemu-img", "map", "--output=json", *objects, "--image-opts",
               options])
    return merged((row["start"], row["length"], row["zero"])
                  for row in json.loads(text))


# -- our client ----------------------------------------------------------------------

def serve(server, path, link):
    if server == "nbdkit":
        return nbd_peers.nbdkit("file", path, link=link)
    if server == "qemu-nbd":
        return nbd_peers.qemu_nbd(path, "--discard=unmap", link=link)
    if server == "vdisk-nbd":
        return nbd_peers.vdisk_nbd(path, "--discard=unmap", link=link)
    return nbd_peers.nbd_server(path, link=link)


def ours_reads(disks, peer, server):
    info = json.loads(vdisk_img("info", "--output=json", peer.uri()))
    expect(info["virtual-size"] == SIZE, info)
    new = disks.new()
    vdisk_img("convert", "-f", "raw", "-O", "raw", peer.uri(), new)
    expect_disk(disks, new, "read")
    vdisk_img("compare", "-f", "raw", "-F", "raw", disks.source, peer.uri())
    if server == "nbd-server":
        expect(our_map(peer.uri()) == [[0, SIZE, False]], our_map(peer.uri()))
        return
    rows = our_map(peer.uri())
    expect(rows == stored(), "our map: %s, the file has %s" % (rows, stored()))
    other = nbdinfo_map(peer.uri())
    expect(rows == other, "our map: %s, nbdinfo's: %s" % (rows, other))


def ours_writes(disks, server, link):
    full = disks.full()
    with serve(server, full, link) as peer:
        vdisk_img("convert", "-n", "-f", "raw", "-O", "raw", disks.source,
                  peer.uri())
        vdisk_img("compare", "-f", "raw", "-F", "raw", disks.source, peer.uri())
    expect_disk(disks, full, "written", thin=server != "nbd-server")


def our_client(disks, server, link):
    with serve(server, disks.source, link) as peer:
        ours_reads(disks, peer, server)
    ours_writes(disks, server, link)


def no_psk(disks, transport):
    """nbd-server with certificates, a client with a key."""
    with nbd_peers.nbd_server(disks.source, link=Link(
            transport, "x509", disks.certs)) as peer:
        peer.link = Link(transport, "psk", disks.certs)
        text = vdisk_img_fails("info", peer.uri(), timeout=SECONDS)
        expect("TLS" in text, text)


# -- our server ----------------------------------------------------------------------

def nbdcopy(disks, link):
    with serve("vdisk-nbd", disks.source, link) as peer:
        new = disks.new()
        ok(["nbdcopy", peer.uri(), new])
        expect_disk(disks, new, "read")
    full = disks.full()
    with serve("vdisk-nbd", full, link) as peer:
        ok(["nbdcopy", "--flush", disks.source, peer.uri()])
    expect_disk(disks, full, "written")


def nbdinfo(disks, link):
    with serve("vdisk-nbd", disks.source, link) as peer:
        expect(int(ok(["nbdinfo", "--size", peer.uri()])) == SIZE, "size")
        rows = nbdinfo_map(peer.uri())
        expect(rows == stored(), "%s, the file has %s" % (rows, stored()))
        export = json.loads(ok(["nbdinfo", "--json", peer.uri()]))
        expect(export["TLS"] == bool(link.tls) and export["structured"], export)
        expect("base:allocation" in str(export["exports"]), export)
        ok(["nbdinfo", "--list", peer.uri()])


def qemu_img(disks, link):
    raw = ("driver=raw,file.driver=file,file.filename=" + disks.source)
    with serve("vdisk-nbd", disks.source, link) as peer:
        objects, options = peer.for_qemu()
        new = disks.new()
        ok(["qemu-img", "convert", *objects, "--image-opts", "-O", "raw",
            options, new])
        expect_disk(disks, new, "read")
        ok(["qemu-img", "compare", *objects, "--image-opts", raw, options])
        rows = qemu_map(peer)
        expect(rows == stored(), "%s, the file has %s" % (rows, stored()))
    full = disks.full()
    with serve("vdisk-nbd", full, link) as peer:
        objects, options = peer.for_qemu()
        ok(["qemu-img", "convert", *objects, "-n", "--image-opts",
            "--target-image-opts", raw, options])
    expect_disk(disks, full, "written")


def qemu_io(disks, link):
    full = disks.full()
    with serve("vdisk-nbd", full, link) as peer:
        objects, options = peer.for_qemu()
        commands = ["write -P 7 1M 200k", "write -f -P 9 5k 1k", "write -z 2M 64k",
                    "write -z -u 3M 1M", "discard 8M 1M", "read -P 7 1M 200k",
                    "read -P 9 5k 1k", "read -P 0 2M 64k", "read -P 0 3M 1M",
                    "read -P 0x11 0 5k", "aio_write -P 5 6M 1M", "aio_flush",
                    "read -P 5 6M 1M", "flush"]
        text = ok(["qemu-io", *objects, "--image-opts",
                   *[word for c in commands for word in ("-c", c)], options])
        expect("failed" not in text, text)
    content = read_file(full)
    for byte, offset, length in ((7, MIB, 200 * KIB), (9, 5 * KIB, KIB),
                                 (0, 2 * MIB, 64 * KIB), (0, 3 * MIB, MIB),
                                 (5, 6 * MIB, MIB), (0x11, 0, 5 * KIB)):
        expect(content[offset:offset + length] == bytes([byte]) * length,
               "bytes at %d" % offset)
    expect(len(content) == SIZE, "the size has changed")


# -- the table -----------------------------------------------------------------------

SERVERS = ("nbdkit", "qemu-nbd", "nbd-server", "vdisk-nbd")
CLIENTS = {"nbdcopy": nbdcopy, "nbdinfo": nbdinfo, "qemu-img": qemu_img,
           "qemu-io": qemu_io}


def cell(server, tls):
    """(what the table says, the reason)"""
    if server == "nbd-server":
        return ("no", NO_PSK) if tls == "psk" else ("yes, no holes", NO_HOLES)
    return "yes", None


def documented():
    notes = []

    def words(server, tls):
        text, reason = cell(server, tls)
        if not reason:
            return text
        if reason not in notes:
            notes.append(reason)
        return "%s (%d)" % (text, notes.index(reason) + 1)

    columns = ["%s, %s" % (transport, {None: "plain", "psk": "PSK"}.get(tls, tls))
               for transport, tls in LINKS]
    lines = ["| client | server | %s |" % " | ".join(columns),
             "|---|---|%s" % ("---|" * len(LINKS))]
    pairs = [("vdisk-img", server) for server in SERVERS] + [
        (client, "vdisk-nbd") for client in CLIENTS]
    for client, server in pairs:
        cells = [words(server, tls) for _, tls in LINKS]
        lines.append("| %s | %s | %s |" % (client, server, " | ".join(cells)))
    return "\n".join(lines) + "\n\n" + "".join(
        "%d. %s\n" % (n, note) for n, note in enumerate(notes, 1))


@suite.case("the table in the documentation has these cells")
def _():
    with open(os.path.join(SOURCE_ROOT, DOCUMENT), encoding="utf-8") as file:
        if documented() not in file.read():
            raise Failed("%s does not have this:\n%s" % (DOCUMENT, documented()))


def add_cells(disks):
    for transport, tls in SHORT_LINKS if SHORT else LINKS:
        link = Link(transport, tls, disks.certs)
        for server in SERVERS:
            name = "vdisk-img with %s, %s" % (server, link)
            text, reason = cell(server, tls)
            if text == "no":
                suite.add("%s: cannot be (%s)" % (name, reason), no_psk, disks,
                          transport)
            else:
                suite.add(name, our_client, disks, server, link)
        for client, func in CLIENTS.items():
            suite.add("%s with vdisk-nbd, %s" % (client, link), func, disks, link)


def main():
    disks = Disks()
    try:
        add_cells(disks)
        suite.run()
    finally:
        shutil.rmtree(disks.tmp)


main()
