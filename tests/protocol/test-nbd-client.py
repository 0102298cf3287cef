#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""test-nbd-client - commands on names of NBD, as source and as target."""
import json
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../support"))

import nbd_peers  # noqa: E402
from nbd_certs import shared_certs  # noqa: E402
from nbd_peers import Link  # noqa: E402
from tap import Suite  # noqa: E402
from tools import (VDISK_IO, Failed, qemu_img, run, scratch,  # noqa: E402
                   vdisk_img, vdisk_img_fails, working_engines)

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
        start = (SIZE - HOLE) // 2  # what is before it may end with zeroes
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


@suite.case("info --list tells what a server has to offer")
def _():
    with scratch() as tmp:
        path = raw_file(tmp, "disk")
        with nbd_peers.qemu_nbd(path, "--description", "a\tdisk",
                                clients=CLIENTS, export="x y") as peer:
            text = vdisk_img("info", "--list", peer.uri(""))
            expect(text == "export: x y\ndescription: a\\x09disk\n", text)
            rows = json.loads(vdisk_img("info", "--list", "--output=json",
                                        peer.uri("")))
            expect(rows == [{"name": "x y", "description": "a\\x09disk"}], rows)
        text = vdisk_img_fails("info", "--list", path)
        expect("no server" in text, text)


def over_tls(tls):
    with scratch() as tmp:
        certs = shared_certs()
        data = content()
        source = with_hole(tmp, "source", data)
        target = os.path.join(tmp, "target")
        for transport in ("unix", "tcp"):
            with nbd_peers.qemu_nbd(
                    source, clients=CLIENTS,
                    link=Link(transport, tls=tls, certs=certs)) as peer:
                vdisk_img("convert", "-O", "raw", peer.uri(), target)
                expect(read(target) == data, "the copy is another")
                plain = peer.uri().replace("nbds", "nbd", 1).split("?")[0]
                if transport == "tcp":
                    plain = plain.replace(nbd_peers.PSK_USER + "@", "")
                    text = vdisk_img_fails("info", plain)
                    expect("nbds://" in text, text)


for kind in ("x509", "psk"):
    suite.add("reads over TLS with " + kind, over_tls, kind)


@suite.case("requests that pile up get more connections, as many as there are")
def _():
    with scratch() as tmp:
        source, target = raw_file(tmp, "source", content()), raw_file(tmp, "t")
        for clients in (2, CLIENTS):
            with nbd_peers.qemu_nbd(target, clients=clients) as peer:
                vdisk_img("convert", "-n", "-O", "raw", source,
                          peer.uri(more=["connections=4"]))
            expect(read(target) == read(source), "the copy is another")
            os.truncate(target, 0)
            os.truncate(target, SIZE)


def connections(tmp, *more):
    """How many a server saw of a copy to it."""
    source, target = raw_file(tmp, "source", content()), raw_file(tmp, "t")
    log = os.path.join(tmp, "log")
    with nbd_peers.nbdkit("file", target, "logfile=" + log, "rdelay=10ms",
                          "wdelay=10ms", options=("--filter=log",
                                                  "--filter=delay")) as peer:
        vdisk_img("convert", "-n", "-S", "0", "-O", "raw", source,
                  peer.uri(more=more))
        expect(read(target) == read(source), "the copy is another")
    with open(log, encoding="utf-8") as file:
        return sum(" Connect " in line for line in file)


@suite.case("a server that allows it sees several connections, or as told, one")
def _():
    with scratch() as tmp:
        n = connections(tmp, "connections=3")
        expect(1 < n <= 3, n)
        n = connections(tmp, "connections=1")
        expect(n == 1, n)


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



def io(*args):
    return run([VDISK_IO, *args])


def over_garbage(form):
    """What the export held before shows nowhere in what is made inside it."""
    with scratch() as tmp:
        source = with_hole(tmp, "source", content())
        target = os.path.join(tmp, "target")
        with open(target, "wb") as file:
            file.write(b"\xa5" * (2 * SIZE + 512))  # no whole cluster
        with nbd_peers.qemu_nbd(target, clients=CLIENTS) as peer:
            vdisk_img("convert", "-f", "raw", "-O", form, source, peer.uri())
            if form == "raw":
                return expect(read(target)[:SIZE] == read(source),
                              "the copy is another")
            vdisk_img("compare", "-f", "raw", "-F", form, source, peer.uri())
        qemu_img("check", "-q", "-f", form, target)
        qemu_img("compare", "-f", "raw", "-F", form, source,
                 target)


for form in ("raw", "qcow2"):
    suite.add("%s is made inside an export that held something" % form,
              over_garbage, form)


@suite.case("a new disk in an export: parts of clusters, and what is refused")
def _():
    with scratch() as tmp:
        target = os.path.join(tmp, "target")
        with open(target, "wb") as file:
            file.write(b"\xa5" * SIZE)
        with nbd_peers.qemu_nbd(target, clients=CLIENTS) as peer:
            uri = peer.uri().replace("nbd+unix", "NBD+unix")
            vdisk_img("create", "-f", "qcow2", uri, "64M")
            result = io("-f", "qcow2", "-c", "write -P 7 1000 500",
                        "-c", "read -P 0 0 1000", "-c", "read -P 7 1000 500",
                        "-c", "read -P 0 1500 128k", uri)
            expect(result.code == 0, result)
            result = io("-f", "qcow2", "-c", "write -P 1 0 16M", uri)
            expect(result.code != 0 and b"does not grow" in result.stderr +
                   result.stdout, result)
            text = vdisk_img_fails("create", "-f", "raw", uri, "64M")
            expect("does not grow" in text, text)
            text = vdisk_img_fails("create", "-f", "vmdk", uri, "1M")
            expect("needs a file that grows" in text, text)
            text = vdisk_img_fails("create", "-f", "raw", "-o",
                                   "preallocation=full", uri, "1M")
            expect("in advance" in text, text)
            vdisk_img("create", "-f", "qcow2", "-o", "preallocation=metadata",
                      uri, "4M")
            result = io("-f", "qcow2", "-c", "read -P 0 0 4M",
                        "-c", "write -P 7 1000 500", uri)
            expect(result.code == 0, result)
        qemu_img("check", "-q", "-f", "qcow2", target)

suite.run()
