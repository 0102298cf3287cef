#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""test-nbd-tls - who is let in over TLS and who is not, ours and others both
ways."""
import os
import re
import shutil
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../support"))

import nbd_peers  # noqa: E402
import nbd_proxy  # noqa: E402
from nbd_certs import OTHER_HOST, Certs  # noqa: E402
from nbd_peers import Link  # noqa: E402
from tap import Suite  # noqa: E402
from tools import (VDISK_IO, Failed, need, run,  # noqa: E402
                   vdisk_img, vdisk_img_fails)

MIB = 1 << 20
SECONDS = 60

suite = Suite()


def expect(condition, what):
    if not condition:
        raise Failed(str(what))


class World:
    def __init__(self):
        self.tmp = tempfile.mkdtemp(prefix="vdisk-nbd-tls-")
        self.certs = Certs(os.path.join(self.tmp, "certs"))
        self.disk = os.path.join(self.tmp, "disk.raw")
        with open(self.disk, "wb") as file:
            file.truncate(MIB)

    def link(self, transport="tcp", tls="x509", **faults):
        return Link(transport, tls, self.certs, **{
            key: getattr(self.certs, value) if key != "host" else value
            for key, value in faults.items()})


world = World()


def serve(server, link):
    if server == "nbd-server":
        return nbd_peers.nbd_server(world.disk, link=link)
    if server == "vdisk-nbd":
        return nbd_peers.vdisk_nbd(world.disk, link=link)
    if server == "qemu-nbd":
        return nbd_peers.qemu_nbd(world.disk, link=link)
    return nbd_peers.nbdkit("file", world.disk, link=link)


def without_names(text):
    """The names of files and servers have telling words in them, too."""
    return re.sub(r"nbds?(\+unix)?://\S*", "", text)


def refused(server, words, **faults):
    with serve(server, world.link(**faults)) as peer:
        text = without_names(vdisk_img_fails("info", peer.uri(),
                                             timeout=SECONDS))
        expect(re.search(words, text, re.I), text)


for name in ("nbdkit", "qemu-nbd", "vdisk-nbd"):
    for fault in ("wrong_ca", "expired", "wrong_host"):
        if (name, fault) == ("qemu-nbd", "expired"):
            continue  # looks at its own certificate, and does not start
        suite.add("%s with %s: our client refuses" % (name, fault),
                  lambda n=name, f=fault: refused(
                      n, "certificate|host|verif", server_dir=f))
    for fault in ("no_client", "bad_client"):
        suite.add("%s refuses our client with %s" % (name, fault),
                  lambda n=name, f=fault: refused(
                      n, "certificate|alert|TLS", client_dir=f))


@suite.case("a certificate for another host is good if that is asked for")
def _():
    for transport in ("tcp", "unix"):
        link = world.link(transport, server_dir="wrong_host", host=OTHER_HOST)
        with serve("vdisk-nbd", link) as peer:
            vdisk_img("info", peer.uri(), timeout=SECONDS)


@suite.case("on a unix socket somebody has to say who the server is")
def _():
    with serve("vdisk-nbd", world.link("unix")) as peer:
        uri = peer.uri().replace("&tls-hostname=localhost", "")
        text = vdisk_img_fails("info", uri, timeout=SECONDS)
        expect("tls-hostname" in text, text)
        vdisk_img("info", uri + "&tls-verify-peer=0", timeout=SECONDS)


@suite.case("our server refuses others' clients for the same faults")
def _():
    for fault in ("no_client", "bad_client"):
        with serve("vdisk-nbd", world.link(client_dir=fault)) as peer:
            for argv in (["nbdinfo", peer.uri()], qemu_argv(peer)):
                result = run([need(argv[0]), *argv[1:]], timeout=SECONDS)
                expect(result.code != 0, "%s: %s" % (fault, result))


def qemu_argv(peer):
    objects, options = peer.for_qemu()
    return ["qemu-img", "info", *objects, "--image-opts", options]


@suite.case("a key that the server does not have opens nothing")
def _():
    for server in ("nbdkit", "qemu-nbd", "vdisk-nbd"):
        with serve(server, world.link("unix", "psk")) as peer:
            vdisk_img("info", peer.uri(), timeout=SECONDS)
            wrong = peer.uri().replace(world.certs.psk_file,
                                       world.certs.wrong_psk_file)
            text = without_names(vdisk_img_fails("info", wrong,
                                                 timeout=SECONDS))
            expect("TLS" in text, text)


@suite.case("a server that requires TLS says so to who comes without")
def _():
    for server in ("nbdkit", "qemu-nbd", "nbd-server", "vdisk-nbd"):
        with serve(server, world.link()) as peer:
            peer.link = Link("tcp")
            text = vdisk_img_fails("info", peer.uri(), timeout=SECONDS)
            expect(re.search("TLS.*nbds://|nbds://.*TLS", text, re.S),
                   "%s: %s" % (server, text))


@suite.case("a server without TLS is refused by who wants it")
def _():
    for server in ("nbdkit", "qemu-nbd", "nbd-server", "vdisk-nbd"):
        with serve(server, Link("tcp")) as peer:
            peer.link = world.link()
            text = without_names(vdisk_img_fails("info", peer.uri(),
                                                 timeout=SECONDS))
            expect("TLS" in text, "%s: %s" % (server, text))


@suite.case("Q4: nbd-server wants a client's certificate: that is told")
def _():
    refused("nbd-server", "client.*certificate", client_dir="no_client")


@suite.case("Q6: nbdkit with TLS is not led astray by writes past the end")
def _():
    with nbd_peers.nbdkit("memory", MIB, link=world.link()) as peer:
        result = run([VDISK_IO, "-f", "raw", "-c", "write 1020k 8k", "-c",
                      "write -P 7 0 64k", "-c", "read -P 7 0 64k", peer.uri()],
                     timeout=SECONDS)
        text = result.stdout.decode()
        expect(result.code != 0 and "wrote 65536/65536" in text
               and "read 65536/65536" in text, result)


@suite.case("TLS that is disturbed on the way back in is tried again")
def _():
    plan = nbd_proxy.Plan(cut=("down", MIB // 4),
                          then=nbd_proxy.Plan(insert=("down", 60)))
    full = os.path.join(world.tmp, "full.raw")
    with open(full, "wb") as file:
        file.write(b"\x55" * MIB)
    with nbd_peers.vdisk_nbd(full, link=world.link("unix", "psk")) as peer, \
            nbd_proxy.between(peer, plan) as proxy:
        name = "driver=nbd,server.type=unix,server.path=%s,tls=on," \
            "tls-username=qemu,tls-psk-file=%s,connections=1," \
            "reconnect-delay=%d" % (proxy.socket, world.certs.psk_file, SECONDS)
        vdisk_img("dd", "--image-opts", "-O", "raw", "bs=64k", "if=" + name,
                  "of=" + os.path.join(world.tmp, "out.raw"), timeout=SECONDS)
        expect(proxy.connections >= 3, proxy.connections)


try:
    suite.run()
finally:
    shutil.rmtree(world.tmp)
