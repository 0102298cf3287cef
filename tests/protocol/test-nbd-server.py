#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""test-nbd-server - images served by vdisk-nbd, as other clients and a client
that says what it likes see them."""
import functools
import json
import os
import re
import select
import signal
import socket
import ssl
import struct
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../support"))

import nbd_wire as wire  # noqa: E402
from nbd_certs import HOST, Certs  # noqa: E402
from nbd_peers import (ADDRESS, VDISK_NBD, Link, die_with_parent,  # noqa: E402
                       serve)
from nbd_wire import Client, Refused  # noqa: E402
from tap import Skip, Suite  # noqa: E402
from tools import (LONG, Failed, need, qemu_img, run, scratch,  # noqa: E402
                   vdisk_img)

suite = Suite()
KIB, MIB = 1 << 10, 1 << 20
EPERM, EINVAL, ENOSPC = 1, 22, 28
PATTERN = bytes(range(1, 256)) * 257  # 65535 bytes, none of them zero


def vdisk_nbd(*args, link=None, export=""):
    def argv(peer):
        words = [VDISK_NBD, "--persistent"]
        if peer.link.transport == "unix":
            words += ["--socket", peer.socket]
        else:
            words += ["--bind", ADDRESS, "--port", str(peer.port)]
        return words + [*map(str, args)]
    return serve("vdisk-nbd", link, argv, export)


def make(directory, fmt="raw", size="8M", name="disk"):
    path = os.path.join(directory, "%s.%s" % (name, fmt))
    vdisk_img("create", "-q", "-f", fmt, path, size)
    return path


def equal(what, got, wanted):
    if got != wanted:
        raise Failed("%s: %.200r, wanted %.200r" % (what, got, wanted))


def must(argv, **kwargs):
    result = run(argv, **kwargs)
    if result.code:
        raise Failed(str(result))
    return result.stdout.decode()


def refused(code, call, *args):
    try:
        call(*args)
    except Refused as refusal:
        equal("error", refusal.code, code)
        return
    raise Failed("%r was not refused" % (args,))


def wait_for(what, condition, seconds=60):
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise Failed(what)
        time.sleep(0.01)


# -- other clients -------------------------------------------------------------

def check_clients(fmt, transport):
    with scratch() as tmp:
        path, source = make(tmp, fmt), os.path.join(tmp, "source")
        with open(source, "wb") as file:
            file.write(PATTERN * 16)
            file.seek(3 * MIB)
            file.write(PATTERN)
            file.truncate(8 * MIB)
        with vdisk_nbd("-f", fmt, path, link=Link(transport)) as peer:
            must([need("nbdcopy"), source, peer.uri()])
            info = json.loads(must([need("nbdinfo"), "--json", peer.uri()]))
            equal("size", info["exports"][0]["export-size"], 8 * MIB)
            copy = os.path.join(tmp, "copy")
            must(["nbdcopy", peer.uri(), copy])
            must(["cmp", source, copy])
            must([need("qemu-img"), "compare", "-f", "raw", "-F", "raw",
                  source, peer.uri()])
            must(["qemu-img", "convert", "-n", "-f", "raw", "-O", "raw",
                  copy, peer.uri()])
        equal("compare", vdisk_img("compare", "-f", "raw", "-F", fmt, source,
                                   path), "Images are identical.\n")


for _fmt in ("raw", "vmdk", "qcow2"):
    suite.add("nbdcopy, nbdinfo and qemu-img read and write " + _fmt,
              check_clients, _fmt, "unix")
suite.add("they do over TCP", check_clients, "raw", "tcp")


@suite.case("qemu-io writes, zeroes, trims, flushes")
def _():
    with scratch() as tmp, vdisk_nbd("-f", "vmdk", make(tmp, "vmdk")) as peer:
        argv = [need("qemu-io"), "-f", "raw"]
        for command in ("write -P 5 1M 64k", "write -z 2M 1M", "write -zu 4M 1M",
                        "discard 3M 1M", "write -f -P 6 7M 512", "flush",
                        "read -P 5 1M 64k", "read -P 0 2M 1M",
                        "read -P 6 7M 512"):
            argv += ["-c", command]
        text = must(argv + [peer.uri()])
        if "failed" in text:
            raise Failed(text)


# -- requests -------------------------------------------------------------------

HEADERS = {"simple": wire.SIMPLE, "structured": wire.STRUCTURED,
           "extended": wire.EXTENDED_HEADERS}


def check_requests(headers):
    with scratch() as tmp, vdisk_nbd("-f", "vmdk", make(tmp, "vmdk")) as peer, \
            Client(peer).open(headers=headers) as client:
        equal("size", client.size, 8 * MIB)
        for off, size in ((0, 512), (12345, 65535), (4 * MIB - 1, 3),
                          (8 * MIB - 65535, 65535)):
            client.write(off, PATTERN[:size])
            equal("data", client.read(off, size), PATTERN[:size])
        client.call(wire.ZEROES, 12345, 1000, wire.NO_HOLE)
        equal("zeroes", client.read(12345, 1001), bytes(1000) +
              PATTERN[1000:1001])
        client.call(wire.FLUSH)
        client.call(wire.TRIM, MIB, MIB, wire.FUA)
        client.call(wire.CACHE, 0, 8 * MIB)
        client.call(wire.WRITE, 0, 0)
        equal("hole and data", client.read(0, 8 * MIB)[:512], PATTERN[:512])
        refused(EINVAL, client.call, wire.READ, 8 * MIB - 1, 2)
        refused(ENOSPC, client.write, 8 * MIB - 1, b"ab")
        refused(ENOSPC, client.call, wire.ZEROES, 8 * MIB, 1)
        refused(EINVAL, client.call, wire.TRIM, 1 << 63, 1)
        refused(EINVAL, client.call, 77)
        refused(EINVAL, client.call, wire.READ, 0, 512, wire.FAST_ZERO)
        refused(EINVAL, client.call, wire.STATUS, 0, 512)
        equal("in step", client.read(0, 512), PATTERN[:512])
        client.close()


for _name, _headers in HEADERS.items():
    suite.add("requests with %s headers" % _name, check_requests, _headers)


@suite.case("a hole is told, unless the client wants one piece")
def _():
    with scratch() as tmp, vdisk_nbd("-f", "vmdk", make(tmp, "vmdk")) as peer, \
            Client(peer).open(headers=wire.STRUCTURED) as client:
        client.write(MIB, PATTERN)
        kinds = [kind for kind, _ in client.call(wire.READ, 0, 4 * MIB)]
        equal("chunks", kinds, [wire.HOLE, wire.DATA, wire.HOLE])
        kinds = [kind for kind, _ in client.call(wire.READ, 0, 4 * MIB,
                                                 wire.DF)]
        equal("chunks", kinds, [wire.DATA])


def check_status(headers):
    contexts = ("base:allocation", "qemu:allocation-depth", "x:unknown",
                "base:allocation")
    with scratch() as tmp:
        base = make(tmp, "vmdk", name="base")
        top = os.path.join(tmp, "top.vmdk")
        qemu_like = ["-c", "write -P 1 1M 64k"]
        must([need("qemu-io"), "-f", "vmdk", *qemu_like, base])
        vdisk_img("create", "-q", "-f", "vmdk", "-b", base, "-F", "vmdk", top)
        must(["qemu-io", "-f", "vmdk", "-c", "write -P 2 2M 64k", top])
        with vdisk_nbd("-r", "-A", top) as peer, \
                Client(peer).open(headers=headers, contexts=contexts) as client:
            found = client.extents(0, 8 * MIB)
            equal("allocation", found["base:allocation"], [
                (MIB, 3), (64 * KIB, 0), (MIB - 64 * KIB, 3), (64 * KIB, 0),
                (6 * MIB - 64 * KIB, 3)])
            equal("depth", found["qemu:allocation-depth"], [
                (MIB, 0), (64 * KIB, 2), (MIB - 64 * KIB, 0), (64 * KIB, 1),
                (6 * MIB - 64 * KIB, 0)])
            found = client.extents(MIB + 4096, 8192, wire.REQ_ONE)
            equal("one", found["base:allocation"], [(8192, 0)])
            equal("contexts", len(client.contexts), 2)
            refused(EPERM, client.write, 0, b"x")


for _name in ("structured", "extended"):
    suite.add("block status with %s headers" % _name, check_status,
              HEADERS[_name])


@suite.case("block status of chosen contexts only")
def _():
    contexts = ("base:allocation", "qemu:allocation-depth")
    with scratch() as tmp, vdisk_nbd("-A", make(tmp, "vmdk")) as peer, \
            Client(peer).open(headers=wire.EXTENDED_HEADERS,
                              contexts=contexts) as client:
        def filtered(ids, length=MIB):
            payload = struct.pack(">Q%dI" % len(ids), length, *ids)
            client.cookie += 1
            client.sock.sendall(wire.EXT_REQUEST.pack(
                wire.EXT_REQUEST_MAGIC, 32, wire.STATUS, client.cookie, 0,
                len(payload)) + payload)
            return client.finish(client.cookie)

        names = {name: number for number, name in client.contexts.items()}
        number = names["qemu:allocation-depth"]
        chunks = filtered([number])
        equal("chunks", [(kind, struct.unpack(">I", payload[:4])[0])
                         for kind, payload in chunks],
              [(wire.EXTENTS_EXT, number)])
        refused(EINVAL, filtered, [number, number])
        refused(EINVAL, filtered, [4711])
        refused(EINVAL, filtered, [])
        refused(EINVAL, filtered, [number], 9 * MIB)
        equal("in step", len(client.extents(0, MIB)), 2)


@suite.case("changes of the top of a chain, and dirty bitmaps")
def _():
    with scratch() as tmp:
        base = make(tmp, "qcow2", name="base")
        top = os.path.join(tmp, "top.qcow2")
        must([need("qemu-io"), "-f", "qcow2", "-c", "write 1M 64k", base])
        qemu_img("create", "-q", "-f", "qcow2", "-b", base, "-F", "qcow2", top)
        qemu_img("bitmap", "--add", "-g", "64k", top, "daily")
        must(["qemu-io", "-f", "qcow2", "-c", "write 2M 128k", top])
        names = ["qemu:dirty-bitmap:changes", "qemu:dirty-bitmap:daily"]
        with vdisk_nbd("-r", "-B", "daily", "--changes", "1", top) as peer, \
                Client(peer).open(headers=wire.STRUCTURED,
                                  contexts=names) as client:
            wanted = [(2 * MIB, 0), (128 * KIB, 1), (6 * MIB - 128 * KIB, 0)]
            found = client.extents(0, 8 * MIB)
            equal("contexts", sorted(found), names)
            for name in names:
                equal(name, found[name], wanted)
        result = run([VDISK_NBD, "-r", "-B", "none", "-k",
                      os.path.join(tmp, "s"), top])
        if result.code != 1 or b"no dirty bitmap 'none'" not in result.stderr:
            raise Failed(str(result))


# -- handshake ------------------------------------------------------------------

@suite.case("options of the handshake")
def _():
    with scratch() as tmp:
        one, two = make(tmp, name="one"), make(tmp, name="two")
        with vdisk_nbd("-f", "raw", "--export", "one=" + one, "--export",
                       "\u00e9t\u00e9=" + two, "-x", "../main", "-D", "some words",
                       make(tmp)) as peer, Client(peer).greet() as client:
            rows = [payload for _, payload in client.option(wire.LIST)]
            names = [row[4:4 + struct.unpack(">I", row[:4])[0]].decode()
                     for row in rows]
            equal("names", names, ["one", "\u00e9t\u00e9", "../main"])
            refused(wire.ERR_UNSUP, client.option, 4711, b"data")
            refused(wire.ERR_INVALID, client.option, wire.LIST, b"x")
            refused(wire.ERR_INVALID, client.option, wire.GO, b"\0\0\0\7ab\0\0")
            refused(wire.ERR_UNKNOWN, client.option, wire.INFO, bytes(6))
            refused(wire.ERR_INVALID, client.option, wire.SET_META,
                    wire.string("one") + bytes(4))
            refused(wire.REP_ERROR + 9, client.option, wire.INFO,
                    bytes(300 * KIB))
            infos = client.option(wire.INFO, wire.string("../main") +
                                  struct.pack(">HHH", 2, 1, 2))
            equal("infos", {p[:2]: p[2:] for _, p in infos[1:3]},
                  {b"\0\1": b"../main", b"\0\2": b"some words"})
            listed = must([VDISK_NBD, "--list", peer.uri()])
            equal("--list", re.findall("^export: (.*)$", listed, re.M), names)
            client.go("../main", wire.EXTENDED_HEADERS)
            client.write(0, b"here")
            with Client(peer).greet() as other:
                other.option(wire.EXTENDED)
                refused(wire.REP_ERROR + 10, other.option,
                        wire.STRUCTURED_REPLY)
                listed = other.option(wire.LIST_META,
                                      wire.string("one") + bytes(4))
                equal("contexts", [p[4:] for _, p in listed],
                      [b"base:allocation"])
                other.option(wire.ABORT)


@suite.case("EXPORT_NAME, with zeroes and without")
def _():
    with scratch() as tmp, vdisk_nbd("-f", "raw", "-x", "n", make(tmp)) as peer:
        for flags, more in ((3, 0), (1, 124), (0, 124)):
            with Client(peer).greet(flags) as client:
                client.send_option(wire.EXPORT_NAME, b"n")
                answer = wire.recv_exact(client.sock, 10 + more)
                equal("size", answer[:8], struct.pack(">Q", 8 * MIB))
                client.write(0, b"text")
        with Client(peer).greet() as client:
            client.send_option(wire.EXPORT_NAME, b"other")
            equal("end", client.sock.recv(1), b"")


# -- TLS ------------------------------------------------------------------------

@functools.lru_cache(None)
def certs():
    directory = tempfile.TemporaryDirectory()
    made = Certs(os.path.join(directory.name, "certs"))
    made.directory_kept = directory  # until the program ends
    return made


def need_tls():
    if b"this build has no TLS" in run([VDISK_NBD, "--tls=require", "-r",
                                        "/dev/null"]).stderr:
        raise Skip("TLS is not built in")


def tls_words(link):
    if link.tls == "psk":
        return ["--tls=require", "--tls-psk", link.certs.psk_file]
    return ["--tls=require", "--tls-certificates", link.server_dir,
            "--tls-verify-peer"]


def check_tls(kind):
    need_tls()
    link = Link("tcp", kind, certs())
    with scratch() as tmp:
        path, source = make(tmp, "vmdk"), os.path.join(tmp, "source")
        with open(source, "wb") as file:
            file.write(PATTERN * 16)
            file.truncate(8 * MIB)
        with vdisk_nbd("-f", "vmdk", *tls_words(link), path,
                       link=link) as peer:
            must([need("nbdcopy"), source, peer.uri()])
            objects, options = peer.for_qemu()
            equal("compare", must([need("qemu-img"), "compare", *objects,
                                   "--image-opts", options,
                                   "driver=raw,file.filename=" + source]),
                  "Images are identical.\n")
            with Client(peer).greet() as client:
                for option in (wire.LIST, wire.STRUCTURED_REPLY, wire.GO, 4711):
                    refused(wire.ERR_TLS_REQD, client.option, option)
                client.send_option(wire.EXPORT_NAME)
                equal("end", client.sock.recv(1), b"")
            with Client(peer).greet() as client:
                client.send_option(wire.STARTTLS)
                client.send_option(wire.GO, bytes(6))
                client.sock.settimeout(60)
                try:  # whether the answer comes depends on who is quicker
                    list(client.replies())
                    while client.sock.recv(65536):
                        pass
                except (ConnectionResetError, wire.Gone):
                    pass


for _kind in ("x509", "psk"):
    suite.add("TLS with nbdcopy and qemu-img, and none without: " + _kind,
              check_tls, _kind)


@suite.case("TLS for those who want it forgets what was said before")
def _():
    need_tls()
    words = ["--tls=allow", "--tls-certificates", certs().good]
    with scratch() as tmp, vdisk_nbd("-f", "raw", *words, make(tmp)) as peer:
        with Client(peer).open() as client:
            client.write(0, b"in clear")
        with Client(peer).greet() as client:
            client.option(wire.STRUCTURED_REPLY)
            context = ssl.create_default_context(
                cafile=os.path.join(certs().good, "ca-cert.pem"))
            client.start_tls(context, HOST)
            refused(wire.ERR_INVALID, client.option, wire.STARTTLS)
            client.go(headers=wire.STRUCTURED)
            equal("data", client.read(0, 8), b"in clear")
    with scratch() as tmp, vdisk_nbd("-f", "raw", make(tmp)) as peer, \
            Client(peer).greet() as client:
        try:
            client.option(wire.STARTTLS)
        except Refused as refusal:
            if refusal.code not in (wire.ERR_POLICY, wire.ERR_UNSUP):
                raise
        client.go()


@suite.case("bad certificates are told at the start")
def _():
    need_tls()
    with scratch() as tmp:
        for words, text in ((["--tls=require"], "TLS takes certificates"),
                            (["--tls=require", "--tls-certificates", tmp],
                             tmp)):
            result = run([VDISK_NBD, "-r", *words, "-k", tmp + "/s", make(tmp)])
            if result.code != 1 or text not in result.stderr.decode():
                raise Failed(str(result))


# -- clients gone bad -------------------------------------------------------------

def fill_with_reads(client):
    """Ask for more than anybody may hold, and take nothing."""
    client.sock.setblocking(False)
    request = wire.REQUEST.pack(wire.REQUEST_MAGIC, 0, wire.READ, 1, 0,
                                8 * MIB)
    sent = 0
    try:
        while sent < 4000:
            sent += client.sock.send(request * 10) // len(request)
    except BlockingIOError:
        pass


def memory_of(pid):
    with open("/proc/%d/status" % pid, encoding="ascii") as file:
        return int(re.search(r"VmHWM:\s+(\d+)", file.read())[1]) * KIB


@suite.case("clients that read nothing, or send halves, do not stop others")
def _():
    with scratch() as tmp, vdisk_nbd("-f", "raw", make(tmp)) as peer:
        bad = [Client(peer).open() for _ in range(8)]
        for client in bad[:5]:
            fill_with_reads(client)
        for client in bad[5:]:
            client.sock.sendall(wire.REQUEST.pack(
                wire.REQUEST_MAGIC, 0, wire.WRITE, 1, 0, 8 * MIB) + b"half")
        with Client(peer).open() as good:
            for i in range(50):
                good.write(i * 4096, PATTERN[:4096])
                equal("data", good.read(i * 4096, 4096), PATTERN[:4096])
            if LONG:  # more than is kept for each: somebody has to go
                equal("all", len(good.read(0, 8 * MIB)), 8 * MIB)
        used = memory_of(peer.process.pid)
        if used > 700 * MIB:
            raise Failed("%d MiB" % (used // MIB))
        for client in bad:
            client.sock.close()


@suite.case("nonsense ends its own connection only")
def _():
    def hello(*more):
        return b"\0\0\0\3" + b"".join(more)

    go = wire.OPTION.pack(wire.OPTION_MAGIC, wire.GO, 6) + bytes(6)
    rows = (
        b"GET / HTTP/1.0\r\n\r\n", b"\xff" * 4, hello(b"\0" * 16),
        hello(wire.OPTION.pack(wire.OPTION_MAGIC, wire.GO, 0xffffffff)),
        hello(go, b"\0" * 28),
        hello(go, wire.REQUEST.pack(wire.REQUEST_MAGIC, 0, wire.WRITE, 1, 0,
                                    0xffffffff)),
        b"\0\0\0\0" + wire.OPTION.pack(wire.OPTION_MAGIC, wire.LIST, 0),
    )
    with scratch() as tmp, vdisk_nbd("-f", "raw", make(tmp)) as peer, \
            Client(peer).open() as good:
        for row in rows:
            with Client(peer) as client:
                client.sock.sendall(row)
                while client.sock.recv(65536):  # until it has closed
                    pass
            equal("data", good.read(0, 4), bytes(4))


@suite.case("too long a write is skipped or ends it, and the answer tells")
def _():
    with scratch() as tmp, vdisk_nbd("-f", "raw", make(tmp, size="200M")) as \
            peer, Client(peer).open() as client:
        client.write(0, bytes(50 * MIB))
        refused(EINVAL, client.write, 0, bytes(65 * MIB))
        equal("in step", client.read(0, 4), bytes(4))


@suite.case("surplus clients are disconnected")
def _():
    with scratch() as tmp, vdisk_nbd("-f", "raw", "-e", "2", make(tmp)) as peer:
        with Client(peer).open() as a, Client(peer).open() as b:
            with Client(peer) as c:
                equal("third", c.sock.recv(1), b"")
            equal("others", a.read(0, 4) + b.read(0, 4), bytes(8))


# -- the program ----------------------------------------------------------------

@suite.case("a signal: what was asked is answered, and all is durable")
def _():
    with scratch() as tmp:
        path = make(tmp, "vmdk")
        with vdisk_nbd("-f", "vmdk", path) as peer, \
                Client(peer).open(headers=wire.STRUCTURED) as client:
            client.write(MIB, PATTERN)
            cookies = {client.send(wire.READ, MIB, 4096) for _ in range(3)}
            peer.expect_exit = True
            peer.process.send_signal(signal.SIGTERM)
            while cookies:  # done, or refused because the server stops
                _, kind, cookie, payload = client.chunk()
                cookies.remove(cookie)
                if kind != wire.DATA:
                    equal("error", payload[:4], b"\0\0\0\x6c")
            equal("end", client.sock.recv(1), b"")
            client.sock.close()
            equal("exit", peer.process.wait(60), 0)
        vdisk_img("check", "-q", path)
        raw = os.path.join(tmp, "raw")
        vdisk_img("convert", "-q", "-O", "raw", path, raw)
        with open(raw, "rb") as file:
            file.seek(MIB)
            equal("data", file.read(len(PATTERN)), PATTERN)


def write_in_flight(client, offset):
    """Its cookie.  What is behind it is refused without asking the image: the
    answer shows that the write has begun."""
    cookie = client.send(wire.WRITE, offset, len(PATTERN), payload=PATTERN)
    refused(EINVAL, client.call, wire.READ, 8 * MIB, 1)
    return cookie


@suite.case("a signal while the image's own server is slow: all is answered")
def _():
    with scratch() as tmp:
        path = make(tmp)
        with vdisk_nbd("-f", "raw", path) as back, \
                vdisk_nbd("-f", "raw", back.uri()) as front, \
                Client(front).open() as client:
            client.write(0, PATTERN)
            back.process.send_signal(signal.SIGSTOP)
            try:
                cookie = write_in_flight(client, MIB)
                front.expect_exit = True
                front.process.send_signal(signal.SIGTERM)
                # A failure would come at once.
                early = select.select([client.sock], [], [], 0.3)[0]
            finally:
                back.process.send_signal(signal.SIGCONT)
            equal("answered early", early, [])
            client.finish(cookie)
            equal("end", client.sock.recv(1), b"")
            client.sock.close()
            equal("exit", front.process.wait(60), 0)
        with open(path, "rb") as file:
            for offset in 0, MIB:
                file.seek(offset)
                equal("data", file.read(len(PATTERN)), PATTERN)


def has_pending(pid):
    with open("/proc/%d/status" % pid, encoding="ascii") as file:
        return int(re.search(r"ShdPnd:\s+(\w+)", file.read())[1], 16) != 0


def insist(process):
    """Its exit code.  It may not have got round to the first signal when the
    second one came, and so have taken them for one."""
    for _ in range(30):
        try:
            return process.wait(2)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGTERM)
    raise Failed("it does not end")


@suite.case("a second signal breaks off what a dead server keeps waiting")
def _():
    with scratch() as tmp, vdisk_nbd("-f", "raw", make(tmp)) as back, \
            vdisk_nbd("-f", "raw", back.uri()) as front, \
            Client(front).open() as client:
        front.expect_exit = True
        back.process.send_signal(signal.SIGSTOP)
        try:
            write_in_flight(client, MIB)
            front.process.send_signal(signal.SIGTERM)
            wait_for("the signal", lambda: not has_pending(front.process.pid))
            try:  # a second one at once would be the same wish
                raise Failed("exit %d" % front.process.wait(1.5))
            except subprocess.TimeoutExpired:
                front.process.send_signal(signal.SIGTERM)
            equal("exit", insist(front.process), 128 + signal.SIGTERM)
        finally:
            back.process.send_signal(signal.SIGCONT)


@suite.case("it ends with its last client, not with one that only looked")
def _():
    with scratch() as tmp:
        name = os.path.join(tmp, "s")
        server = subprocess.Popen([VDISK_NBD, "-f", "raw", "-k", name, make(tmp)],
                                  preexec_fn=die_with_parent,
                                  stdout=subprocess.PIPE)
        try:
            equal("uri", server.stdout.readline().decode(),
                  "nbd+unix:///?socket=%s\n" % name)
            equal("mode", os.stat(name).st_mode & 0o777, 0o600)
            with Client((socket.AF_UNIX, name)).greet() as client:
                client.option(wire.ABORT)
            with Client((socket.AF_UNIX, name)).open() as client:
                client.write(0, b"data")
                client.close()
            equal("exit", server.wait(60), 0)
            equal("socket", os.path.exists(name), False)
        finally:
            server.kill()
            server.wait()
            server.stdout.close()


@suite.case("--run: with $uri, and its exit code")
def _():
    with scratch() as tmp:
        result = run([VDISK_NBD, "-f", "raw", "--run",
                      'nbdinfo --size "$uri"; test -S "$unixsocket" && exit 7',
                      make(tmp)])
        need("nbdinfo")
        equal("result", (result.code, result.stdout), (7, b"8388608\n"))
        result = run([VDISK_NBD, "-r", "--run", "true", "none"], cwd=tmp)
        if result.code != 1 or b"Could not open 'none'" not in result.stderr:
            raise Failed(str(result))


@suite.case("nbdcopy starts it by socket activation")
def _():
    with scratch() as tmp:
        path, copy = make(tmp, "vmdk"), os.path.join(tmp, "copy")
        must([need("qemu-io"), "-f", "vmdk", "-c", "write -P 9 64k 64k", path])
        must([need("nbdcopy"), "--", "[", VDISK_NBD, "-r", path, "]", copy])
        with open(copy, "rb") as file:
            equal("data", file.read(192 * KIB)[60 * KIB:68 * KIB],
                  bytes(4 * KIB) + b"\x09" * 4 * KIB)


@suite.case("--single: one client on standard input and output")
def _():
    with scratch() as tmp:
        ours, theirs = socket.socketpair()
        server = subprocess.Popen([VDISK_NBD, "-f", "raw", "-s", make(tmp)],
                                  stdin=theirs, stdout=theirs,
                                  preexec_fn=die_with_parent)
        theirs.close()
        try:
            client = Client.__new__(Client)
            client.sock, client.headers, client.cookie = ours, wire.SIMPLE, 0
            client.contexts = {}
            client.sock.settimeout(60)
            client.open()
            client.write(0, b"data")
            equal("data", client.read(0, 4), b"data")
            client.close()
            equal("exit", server.wait(60), 0)
        finally:
            ours.close()
            server.kill()
            server.wait()


@suite.case("--fork and --pid-file")
def _():
    with scratch() as tmp:
        name, pid_file = os.path.join(tmp, "s"), os.path.join(tmp, "pid")
        must([VDISK_NBD, "-f", "raw", "-t", "--fork", "--pid-file", pid_file,
              "-k", name, make(tmp)])
        with open(pid_file, encoding="ascii") as file:
            pid = int(file.read())
        try:
            result = run([VDISK_NBD, "--pid-file", pid_file, "-k", name,
                          "--image-opts", "driver=null,size=1M"])
            if result.code != 1 or b"Could not listen" not in result.stderr:
                raise Failed(str(result))
            with open(pid_file, encoding="ascii") as file:
                equal("the first one's pid file", int(file.read()), pid)
            with Client((socket.AF_UNIX, name)).open() as client:
                client.write(0, b"data")
        finally:
            os.kill(pid, signal.SIGTERM)
        wait_for("it does not end", lambda: not os.path.exists(pid_file))
        result = run([VDISK_NBD, "--fork", "-k", name, "none"], cwd=tmp)
        if result.code != 1 or b"Could not open 'none'" not in result.stderr:
            raise Failed(str(result))


@suite.case("words that do not go together")
def _():
    for words, text in (([], "Expecting an image file"),
                        (["a", "b"], "Unexpected argument: b"),
                        (["-x", "n"], "-x and -D are for"),
                        (["--export", "a"], "--export expects NAME=FILE"),
                        (["-s", "-p", "1", "a"], "--single has its client"),
                        (["-B", "b", "a"], "--bitmap is for --read-only"),
                        (["-e", "0", "a"], "Invalid number of clients: 0"),
                        (["--tls", "x", "a"], "Invalid TLS mode: x"),
                        (["--vsock", "x", "--image-opts", "driver=null,size=1M"],
                         "--vsock expects")):
        result = run([VDISK_NBD, *words])
        if result.code != 1 or text not in result.stderr.decode():
            raise Failed(str(result))


suite.run()
