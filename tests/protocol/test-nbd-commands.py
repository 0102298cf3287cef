#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""test-nbd-commands - vdisk-img dd, chains and vdisk-io on names of NBD.

With each form of replies: simple (nbdkit), structured (qemu-nbd), extended
(ours).  What arrives is looked at in the file that the server has.
"""
import json
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../support"))

import nbd_peers  # noqa: E402
from tap import Suite  # noqa: E402
from tools import (VDISK_IO, Failed, qemu_img, run, scratch,  # noqa: E402
                   vdisk_img, vdisk_img_fails, working_engines)

SIZE = 1 << 20
RAW = ("-f", "raw", "-O", "raw")

suite = Suite()


def simple(path):
    return nbd_peers.nbdkit("file", path, options=["--no-sr"])


def structured(path):
    return nbd_peers.qemu_nbd(path, clients=4)


def extended(path):
    return nbd_peers.vdisk_nbd(path)


SERVERS = (simple, structured, extended)


def put(tmp, name, data):
    path = os.path.join(tmp, name)
    with open(path, "wb") as file:
        file.write(data)
    return path


def get(path):
    with open(path, "rb") as file:
        return file.read()


def expect(condition, *what):
    if not condition:
        raise Failed(" ".join(map(str, what)))


def expect_disk(path, wanted):
    got = get(path)
    wrong = [at for at in range(0, SIZE, 4)
             if got[at:at + 4] != wanted[at:at + 4]]
    expect(len(got) == SIZE and not wrong, len(got), "bytes, wrong at",
           wrong[:1], "to", wrong[-1:])


# -- dd -----------------------------------------------------------------------------

def dd(engine, source, target, *words):
    return vdisk_img("dd", *RAW, "if=" + source, "of=" + target, *words,
                     engine=engine)


def copies_parts(server, engine):
    """Blocks that are none of any server's, from, to and between exports."""
    with scratch() as tmp:
        one, two = bytearray(os.urandom(SIZE)), bytearray(os.urandom(SIZE))
        source, target = put(tmp, "source", one), put(tmp, "target", two)
        out, part = os.path.join(tmp, "out"), put(tmp, "part", one[:7 << 9])
        with server(source) as a, server(target) as b:
            dd(engine, a.uri(), out, "bs=1000", "skip=3", "count=7")
            expect(get(out)[:7000] == one[3000:10000], "from an export")
            dd(engine, part, b.uri(), "bs=700", "seek=11")
            two[7700:7700 + (7 << 9)] = one[:7 << 9]
            dd(engine, a.uri(), b.uri(), "bs=4096", "skip=100", "count=20",
               "seek=200", "conv=notrunc")
            two[200 << 12:220 << 12] = one[100 << 12:120 << 12]
            dd(engine, a.uri(), b.uri(), "bs=64k", "skip=15", "seek=15",
               "conv=notrunc,fsync")
            two[15 << 16:] = one[15 << 16:]
            text = vdisk_img_fails("dd", *RAW, "if=" + part, "of=" + b.uri(),
                                   "bs=1M", "seek=1", engine=engine)
            expect("does not grow" in text, text)
        expect_disk(source, one)
        expect_disk(target, two)


# -- vdisk-io -----------------------------------------------------------------------

def io(engine, uri, *commands, fmt="raw"):
    words = [word for command in commands for word in ("-c", command)]
    return run([VDISK_IO, "-f", fmt, *words, uri],
               env={"VDISK_ENGINE": engine})


def io_succeeds(engine, uri, *commands, fmt="raw"):
    result = io(engine, uri, *commands, fmt=fmt)
    text = result.stdout.decode()
    expect(result.code == 0 and "failed" not in text, result)
    return text


def single_requests(server, engine):
    with scratch() as tmp:
        disk = bytearray(os.urandom(SIZE))
        disk[512 << 10:] = bytes([0xaa]) * (512 << 10)
        path = put(tmp, "disk", disk)
        with server(path) as peer:
            text = io_succeeds(
                engine, peer.uri(), "length", "read -P 0xaa 512k 512k",
                "write -P 1 1000 24", "read -P 1 1000 24",
                "writev -P 2 4k 512 1k", "readv -P 2 4k 1k 512",
                "aio_write -P 3 64k 64k", "aio_write -P 4 128k 64k",
                "aio_read -P 0xaa 600k 300k", "aio_flush",
                "write -f -P 5 200000 1", "flush",
                "write -z 256k 64k", "write -zu 321k 1k", "discard 384k 64k",
                "read -P 0 256k 64k", "read -P 0 321k 1k")
            expect("1 MiB" in text, text)
        put_all(disk, (1000, 24, 1), (4096, 1536, 2), (64 << 10, 64 << 10, 3),
                (128 << 10, 64 << 10, 4), (200000, 1, 5),
                (256 << 10, 64 << 10, 0), (321 << 10, 1 << 10, 0))
        discarded = slice(384 << 10, 448 << 10)
        disk[discarded] = get(path)[discarded]  # nobody knows
        expect_disk(path, disk)


def put_all(disk, *stretches):
    for off, length, byte in stretches:
        disk[off:off + length] = bytes([byte]) * length


def refusals(server, engine):
    """With words, and nothing of it arrives."""
    with scratch() as tmp:
        disk = os.urandom(SIZE)
        path = put(tmp, "disk", disk)
        with server(path) as peer:
            for command, words in (("read 1M 512", b"beyond the end"),
                                   ("write 1023k 2k", b"beyond the end"),
                                   ("write -z 1023k 2k", b"beyond the end"),
                                   ("discard 1M 4k", b"beyond the end"),
                                   ("write -c 0 64k", b"compressed")):
                result = io(engine, peer.uri(), command)
                expect(result.code == 1 and words in result.stderr, result)
        expect_disk(path, disk)


def compares(engine, top, wanted):
    """Ours and QEMU's, both through the chain."""
    vdisk_img("compare", "-F", "raw", top, wanted, engine=engine)
    qemu_img("compare", "-F", "raw", top, wanted)


def is_parent(server, engine):
    """Of a new image, of one that had another, and of one that had none."""
    with scratch() as tmp:
        one, two = (put(tmp, name, os.urandom(SIZE)) for name in "ab")
        top, copy = (os.path.join(tmp, name) for name in ("top", "copy"))
        with server(one) as a, server(two) as b:
            uri = a.uri()
            words = {"driver": "raw", "file": {
                "driver": "nbd", "server": {"type": "unix", "path": a.socket}}}
            for name in (uri, "json:" + json.dumps(words)):
                vdisk_img("create", "-q", "-f", "qcow2", "-b", name, "-F",
                          "raw", top, engine=engine)
                infos = json.loads(vdisk_img(
                    "info", "--backing-chain", "--output=json", top,
                    engine=engine))
                expect([i["virtual-size"] for i in infos] == [SIZE] * 2, infos)
                expect(infos[0]["full-backing-filename"] == name, infos)
                compares(engine, top, one)
            expect("is sound" in vdisk_img("chain", top, engine=engine))
            vdisk_img("rebase", "-b", b.uri(), "-F", "raw", top, engine=engine)
            compares(engine, top, one)
            vdisk_img("rebase", "-b", "", top, engine=engine)
            vdisk_img("rebase", "-b", uri, "-F", "raw", top, engine=engine)
            vdisk_img("convert", "-O", "qcow2", "-B", uri, "-F", "raw", top,
                      copy, engine=engine)
            compares(engine, copy, one)
            # Its own data are in front of it, and come into it.
            io_succeeds(engine, copy, "write -P 9 4k 64k", fmt="qcow2")
            vdisk_img("commit", copy, engine=engine)
        expect(get(one)[4096:69632] == bytes([9]) * 65536, "committed")


@suite.case("a server of one client at a time is enough for a conversion")
def _():
    with scratch() as tmp:
        disk = os.urandom(SIZE)
        top, out = os.path.join(tmp, "top"), put(tmp, "out", b"before")
        with nbd_peers.qemu_nbd(put(tmp, "disk", disk), clients=1) as peer:
            vdisk_img("create", "-f", "qcow2", "-b", peer.uri(), "-F", "raw",
                      top)
            for source in (top, peer.uri()):
                vdisk_img("convert", "-O", "raw", source, out, timeout=60)
                expect(get(out) == disk, source)
                put(tmp, "out", b"before")


@suite.case("an export is no parent of a VMDK: told, and nothing is changed")
def _():
    with scratch() as tmp:
        disk, base, top, new = (os.path.join(tmp, name + ".vmdk")
                                for name in ("disk", "base", "top", "new"))
        vdisk_img("create", "-q", "-f", "vmdk", disk, SIZE)
        vdisk_img("create", "-q", "-f", "vmdk", base, SIZE)
        vdisk_img("create", "-q", "-f", "vmdk", "-b", "base.vmdk", "-F", "vmdk",
                  top)
        before = get(top)
        with extended(disk) as peer:
            for words in (("create", "-f", "vmdk", new),
                          ("create", "-f", "vmdk", "-u", new, SIZE),
                          ("convert", "-O", "vmdk", base, new),
                          ("rebase", top), ("rebase", "-u", top)):
                text = vdisk_img_fails(*words, "-F", "vmdk", "-b", peer.uri())
                expect("name their parents by path" in text, text)
        expect(get(top) == before and not os.path.exists(new), "changed")


for server in SERVERS:
    for engine in working_engines():
        for work, what in ((is_parent, "an export is a parent"),
                           (copies_parts, "dd copies parts of exports"),
                           (single_requests, "vdisk-io does single requests"),
                           (refusals, "vdisk-io refuses with words")):
            suite.add("%s: %s, %s replies" % (engine, what, server.__name__),
                      work, server, engine)


@suite.case("a read-only export is read, and not written to")
def _():
    with scratch() as tmp:
        disk = os.urandom(SIZE)
        path = put(tmp, "disk", disk)
        with nbd_peers.qemu_nbd(path, "--read-only", clients=4) as peer:
            uri, out = peer.uri(), os.path.join(tmp, "out")
            dd(None, uri, out, "bs=64k")
            expect(get(out) == disk, "the copy is another")
            text = vdisk_img_fails("dd", *RAW, "if=" + out, "of=" + uri)
            expect("read-only" in text, text)
            result = run([VDISK_IO, "-f", "raw", "-c", "write 0 512", uri])
            expect(result.code == 1 and b"read-only" in result.stderr, result)
            result = run([VDISK_IO, "-r", "-f", "raw", "-c", "read 0 1M", uri])
            expect(result.code == 0, result)
        expect_disk(path, disk)


@suite.case("a handshake may be given no limit")
def _():
    with scratch() as tmp, extended(put(tmp, "disk", bytes(SIZE))) as peer:
        options = ("driver=nbd,handshake-timeout=0,server.type=unix,"
                   "server.path=" + peer.socket)
        text = vdisk_img("info", "--image-opts", options)
        expect("1 MiB" in text, text)


suite.run()
