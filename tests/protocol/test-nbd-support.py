#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""test-nbd-support - what the tests of NBD rely on: peers that answer as they
were told to, certificates that others accept, a proxy that does its harm."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../support"))

import nbd_peers  # noqa: E402
import nbd_proxy  # noqa: E402
import nbd_script  # noqa: E402
import nbd_wire as wire  # noqa: E402
from nbd_certs import shared_certs  # noqa: E402
from nbd_peers import Link  # noqa: E402
from tap import Suite  # noqa: E402
from tools import Failed, need, run, scratch  # noqa: E402

SIZE = 1 << 20
SECONDS = 60

suite = Suite()
shared = {}


def data():
    return shared.setdefault("data", os.urandom(SIZE // 2) + bytes(SIZE // 2))


def raw_file(tmp):
    path = os.path.join(tmp, "disk.raw")
    with open(path, "wb") as file:
        file.write(data())
    return path


def start(kind, path, link):
    if kind == "nbdkit":
        return nbd_peers.nbdkit("file", path, link=link)
    return {"qemu-nbd": nbd_peers.qemu_nbd,
            "nbd-server": nbd_peers.nbd_server}[kind](path, link=link)


def nbdcopy(source, target):
    return run([need("nbdcopy"), source, target], timeout=SECONDS)


def expect(condition, what):
    if not condition:
        raise Failed(str(what))


def answers(kind):
    """Over each transport, with each kind of TLS that it has."""
    with scratch() as tmp:
        path, made, out = raw_file(tmp), shared_certs(), os.path.join(tmp, "out")
        for transport in ("unix", "tcp"):
            for tls in (None, "x509", "psk"):
                if (kind, tls) == ("nbd-server", "psk"):
                    continue
                link = Link(transport, tls, made)
                with start(kind, path, link) as peer:
                    result = nbdcopy(peer.uri(), out)
                    expect(result.code == 0, "%s: %s" % (link, result))
                    with open(out, "rb") as file:
                        expect(file.read() == data(), link)
                    objects, options = peer.for_qemu()
                    result = run([need("qemu-img"), "info", *objects,
                                  "--image-opts", options], timeout=SECONDS)
                    expect(result.code == 0, "%s: %s" % (link, result))


for name in ("nbdkit", "qemu-nbd", "nbd-server"):
    suite.add("%s answers over each link" % name, answers, name)


@suite.case("certificates are refused for the fault that they have")
def _():
    with scratch() as tmp:
        made = shared_certs()
        for fault in ("wrong_ca", "expired", "wrong_host"):
            link = Link("tcp", "x509", made, server_dir=getattr(made, fault))
            with nbd_peers.nbdkit("memory", SIZE, link=link) as peer:
                result = run([need("nbdinfo"), peer.uri()], timeout=SECONDS)
                expect(result.code != 0, "%s was accepted" % fault)
        for fault in ("no_client", "bad_client"):
            link = Link("tcp", "x509", made, client_dir=getattr(made, fault))
            with nbd_peers.nbdkit("memory", SIZE, link=link) as peer:
                result = run([need("nbdinfo"), peer.uri()], timeout=SECONDS)
                expect(result.code != 0, "%s was accepted" % fault)


@suite.case("our own client in Python reads and writes as the peers do")
def _():
    with scratch() as tmp:
        path = raw_file(tmp)
        for kind in ("nbdkit", "qemu-nbd", "nbd-server"):
            with start(kind, path, Link()) as peer:
                expect(wire.content(peer) == data(), kind)
                wire.fill(peer, b"x" * 1000, offset=700)
                expect(wire.content(peer)[700:1700] == b"x" * 1000, kind)
                wire.fill(peer, data())
        with nbd_peers.qemu_nbd(path) as peer:
            with wire.Client(peer).open(
                    headers=wire.STRUCTURED,
                    contexts=["base:allocation"]) as client:
                expect(client.read(5, 5000) == data()[5:5005], "structured")
                extents = client.extents(0, SIZE)["base:allocation"]
                expect(sum(n for n, _ in extents) == SIZE, extents)


@suite.case("a server in Python serves nbdcopy, nbdinfo and qemu-io")
def _():
    server = nbd_script.Server(data=data())
    with scratch() as tmp, nbd_script.serve(server) as peer:
        out = os.path.join(tmp, "out")
        result = nbdcopy(peer.uri(), out)
        expect(result.code == 0, result)
        with open(out, "rb") as file:
            expect(file.read() == data(), "nbdcopy")
        result = run([need("qemu-io"), "-f", "raw", "-c", "write -P 3 5k 64k",
                      peer.uri()], timeout=SECONDS)
        expect(result.code == 0, result)
        expect(bytes(server.data[5120:70656]) == b"\3" * 65536, "qemu-io")


def through(plan, peer, tmp):
    """(exit code, the bytes are right, connections) of nbdcopy."""
    out = os.path.join(tmp, "out")
    with open(out, "wb"):
        pass
    with nbd_proxy.between(peer, plan) as proxy:
        result = run([need("nbdcopy"), "--request-size=32768", proxy.uri(), out],
                     timeout=SECONDS)
    with open(out, "rb") as file:
        return result.code, file.read() == data(), result


HARMLESS = ({}, {"delay": 0.002}, {"fragment": 7}, {"reorder": 4},
            {"drip": ("down", 500)}, {"drip": ("up", 40)})
HARMFUL = ({"cut": ("down", 300)}, {"cut": ("up", 90)},
           {"cut": ("down", 300000)}, {"corrupt": (2, 0)}, {"corrupt": (2, 9)},
           {"option": (2, 5)}, {"repeat": 3}, {"insert": ("down", 500)},
           {"flip": ("up", 4)})


@suite.case("what the proxy may do to a sound connection harms nobody")
def _():
    with scratch() as tmp, nbd_peers.nbdkit("file", raw_file(tmp)) as peer:
        for number, what in enumerate(HARMLESS):
            code, right, result = through(
                nbd_proxy.Plan(number, bad=0, **what), peer, tmp)
            expect(code == 0 and right, "%s: %s" % (what, result))


@suite.case("a client that does not connect again feels what the proxy does")
def _():
    with scratch() as tmp, nbd_peers.nbdkit("file", raw_file(tmp)) as peer:
        for number, what in enumerate(HARMFUL):
            code, _, result = through(
                nbd_proxy.Plan(number, bad=0, **what), peer, tmp)
            expect(code != 0, "%s: %s" % (what, result))


@suite.case("the proxy changes no more connections than it should")
def _():
    with scratch() as tmp, nbd_peers.nbdkit("file", raw_file(tmp)) as peer:
        plan = nbd_proxy.Plan(1, bad=1, refuse=1, cut=("down", 5))
        with nbd_proxy.between(peer, plan) as proxy:
            for _ in range(2):
                try:
                    wire.Client(proxy).open()
                except (wire.Gone, OSError):
                    continue
                raise Failed("a connection survived")
            expect(wire.content(proxy) == data(), "the third one")


suite.run()
