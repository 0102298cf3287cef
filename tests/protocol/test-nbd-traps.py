#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""test-nbd-traps - what real peers do that no book tells, one case each.

Where a peer is dangerous for clients that do not know it, the case first proves
that it still is; if it is no more, a diagnostic line says so.  Q4 and Q6 with TLS: test-nbd-tls.
"""
import contextlib
import os
import re
import struct
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../support"))

import nbd_peers  # noqa: E402
import nbd_script  # noqa: E402
import nbd_wire as wire  # noqa: E402
from tap import Suite  # noqa: E402
from tools import (Failed, VDISK_IO, need, qemu_img, run, scratch,  # noqa: E402
                   vdisk_img, vdisk_img_fails)

KIB, MIB, GIB = 1 << 10, 1 << 20, 1 << 30
SECONDS = 60

suite = Suite()


def expect(condition, what):
    if not condition:
        raise Failed(str(what))


def raw_file(tmp, size, pieces=(), name="disk.raw"):
    """Sparse, with bytes 0x55 at @pieces = (offset, length)."""
    path = os.path.join(tmp, name)
    with open(path, "wb") as file:
        for offset, length in pieces:
            file.seek(offset)
            file.write(b"\x55" * length)
        file.truncate(size)
    return path


def byte_at(path, offset):
    with open(path, "rb") as file:
        file.seek(offset)
        return file.read(1)


def vdisk_io(name, *commands, options=()):
    """(exit code, all that it said)"""
    words = [word for command in commands for word in ("-c", command)]
    result = run([VDISK_IO, *options, *words, name], timeout=SECONDS)
    text = (result.stdout + result.stderr).decode(errors="replace")
    if result.code < 0 or "Sanitizer" in text or "CRITICAL" in text:
        raise Failed(str(result))
    return result.code, text


def io_succeeds(name, *commands, options=()):
    code, text = vdisk_io(name, *commands, options=options)
    expect(code == 0 and "failed" not in text, text)
    return text


def still(dangerous, what):
    if not dangerous:
        print("# here %s" % what)


# -- nbd-server ------------------------------------------------------------------

MARKS = (5 * MIB, 65 * MIB, 100 * MIB, 127 * MIB)


def zero_target(tmp):
    return raw_file(tmp, 128 * MIB, [(at, 512) for at in MARKS], "target.raw")


@suite.case("Q1: nbd-server zeroes 64 MiB at most: our copy is right")
def _():
    with scratch() as tmp:
        empty = raw_file(tmp, 128 * MIB, name="empty.raw")
        target = zero_target(tmp)
        with nbd_peers.nbd_server(target) as peer:
            run([need("nbdcopy"), empty, peer.uri()], timeout=SECONDS)
        still(any(byte_at(target, at) != b"\0" for at in MARKS),
              "nbdcopy is right, too")
        target = zero_target(tmp)
        with nbd_peers.nbd_server(target) as peer:
            vdisk_img("convert", "-n", "-f", "raw", "-O", "raw", empty,
                      peer.uri())
        for at in MARKS:
            expect(byte_at(target, at) == b"\0", "byte %d is left" % at)


@suite.case("Q1: one request to write 128 MiB of zeroes is enough")
def _():
    with scratch() as tmp:
        target = zero_target(tmp)
        with nbd_peers.nbd_server(target) as peer:
            io_succeeds(peer.uri(), "write -z 0 128M", options=["-f", "raw"])
        for at in MARKS:
            expect(byte_at(target, at) == b"\0", "byte %d is left" % at)


@suite.case("Q2: nbd-server tells INFO that the size is 0: ours knows better")
def _():
    with scratch() as tmp:
        path = raw_file(tmp, 3 * MIB)
        with nbd_peers.nbd_server(path) as peer:
            with wire.Client(peer).greet() as client:
                infos = client.option(wire.INFO, wire.string("disk") + b"\0\0")
                sizes = [struct.unpack(">Q", payload[2:10])[0]
                         for _, payload in infos if payload[:2] == b"\0\0"]
                still(sizes == [0], "INFO is answered with %s" % sizes)
            text = vdisk_img("info", "--output=json", peer.uri())
            expect('"virtual-size": %d' % (3 * MIB) in text, text)


@suite.case("Q3: nbd-server hangs up on ABORT: the reason is still told")
def _():
    with scratch() as tmp:
        with nbd_peers.nbd_server(raw_file(tmp, MIB)) as peer:
            text = vdisk_img_fails("info", peer.uri("nonsense"))
            expect("nonsense" in text, text)
            vdisk_img("info", peer.uri())


# -- nbdkit ----------------------------------------------------------------------

@suite.case("Q5: nbdkit dies of a FAST_ZERO that it did not offer: none is sent")
def _():
    with scratch() as tmp:
        path = raw_file(tmp, 8 * MIB, [(0, 4 * MIB)])
        empty = raw_file(tmp, 8 * MIB, name="empty.raw")
        with nbd_peers.nbdkit("file", path) as peer:
            peer.expect_exit = True
            with wire.Client(peer).open() as client:
                expect(not client.flags & wire.SEND_FAST_ZERO, client.flags)
                with contextlib.suppress(wire.Gone, wire.Refused):
                    client.call(wire.ZEROES, 0, MIB, wire.FAST_ZERO)
                    still(False, "nbdkit survives it")
        with nbd_peers.nbdkit("file", path) as peer:
            io_succeeds(peer.uri(), "write -z 0 1M", "write -z -u 1M 1M",
                        "discard 2M 1M", options=["-f", "raw"])
            vdisk_img("convert", "-n", "-f", "raw", "-O", "raw", empty,
                      peer.uri())
            expect(not any(wire.content(peer)), "not all is zero")


@suite.case("Q6: what is out of bounds or read-only is not sent")
def _():
    server = nbd_script.Server(size=MIB)
    with nbd_script.serve(server) as peer:
        code, text = vdisk_io(peer.uri(), "write 1020k 8k", "write 2M 4k",
                              "read 1020k 8k", "write -z 1020k 8k",
                              options=["-f", "raw"])
        expect(code != 0, text)
    for command, _, offset, length in server.requests:
        expect(command in (wire.FLUSH, wire.DISC) or offset + length <= MIB,
               "command %d at %d, %d bytes" % (command, offset, length))
    server = nbd_script.Server(size=MIB)
    server.flags |= wire.READ_ONLY
    with nbd_script.serve(server) as peer:
        code, text = vdisk_io(peer.uri(), "write 0 4k", options=["-f", "raw"])
        expect(code != 0 and re.search("read.?only", text, re.I), text)
        io_succeeds(peer.uri(), "read 0 4k", options=["-r", "-f", "raw"])
    expect(all(command != wire.WRITE for command, *_ in server.requests),
           server.requests)


# -- qemu-nbd ----------------------------------------------------------------------

def failing(path, sector):
    return ("driver=raw,file.driver=blkdebug,file.image.driver=file,"
            "file.image.filename=%s,file.inject-error.0.event=none,"
            "file.inject-error.0.iotype=read,file.inject-error.0.errno=5,"
            "file.inject-error.0.sector=%d" % (path, sector))


@suite.case("Q7: qemu-nbd hangs up when its disk fails: it is told as EIO")
def _():
    with scratch() as tmp:
        path = raw_file(tmp, MIB, [(0, MIB)])
        with nbd_peers.qemu_nbd(failing(path, 1024), fmt=None) as peer:
            with wire.Client(peer).open(headers=wire.STRUCTURED) as client:
                try:
                    client.read(512 * KIB, 4096)
                except wire.Gone:
                    pass
                except wire.Refused as refused:
                    still(False, "qemu-nbd says %s" % refused)
            for delay in (0, 5):
                start = time.monotonic()
                code, text = vdisk_io(
                    peer.uri(more=["reconnect-delay=%d" % delay]),
                    "read -P 0x55 0 64k", "read 512k 4k", "read -P 0x55 64k 64k",
                    options=["-f", "raw"])
                expect(code != 0 and "Input/output error" in text, text)
                expect(text.count("read 65536/65536") == 2, text)
                expect(time.monotonic() - start < 30, "it took long")


@suite.case("Q8: connections beyond what qemu-nbd takes are done without")
def _():
    with scratch() as tmp:
        path = raw_file(tmp, 8 * MIB, [(0, 8 * MIB)])
        for clients in (1, 2):
            with nbd_peers.qemu_nbd(path, clients=clients) as peer:
                start = time.monotonic()
                out = os.path.join(tmp, "out.raw")
                vdisk_img("convert", "-f", "raw", "-O", "raw",
                          peer.uri(more=["connections=4"]), out)
                expect(time.monotonic() - start < 25, "it took long")
                vdisk_img("compare", "-f", "raw", "-F", "raw", path, out)


@suite.case("Q8: a server that has no room for us is not waited for")
def _():
    with scratch() as tmp:
        path = raw_file(tmp, MIB)
        with nbd_peers.qemu_nbd(path, clients=1) as peer:
            with wire.Client(peer).open():
                text = vdisk_img_fails(
                    "info", "--image-opts", "driver=nbd,server.type=unix,"
                    "server.path=%s,handshake-timeout=1" % peer.socket,
                    timeout=SECONDS)
                expect(re.search("time", text), text)


@suite.case("Q9: writes to a read-only qemu-nbd fail with words")
def _():
    with scratch() as tmp:
        path = raw_file(tmp, MIB)
        with nbd_peers.qemu_nbd(path, "--read-only") as peer:
            text = vdisk_img_fails("convert", "-n", "-f", "raw", "-O", "raw",
                                   path, peer.uri())
            expect(re.search("read.?only", text, re.I), text)


@suite.case("Q10: more than 32 MiB are written to qemu-nbd, in pieces")
def _():
    with scratch() as tmp:
        path = raw_file(tmp, 72 * MIB)
        with nbd_peers.qemu_nbd(path) as peer:
            io_succeeds(peer.uri(), "write -P 0x55 1M 70M", "read -P 0x55 1M 70M",
                        options=["-f", "raw"])
        for at, byte in ((MIB - 1, b"\0"), (MIB, b"\x55"), (40 * MIB, b"\x55"),
                         (71 * MIB - 1, b"\x55"), (71 * MIB, b"\0")):
            expect(byte_at(path, at) == byte, at)


def map_rows(uri, *options):
    """[(start, length, zero)], neighbours of a kind as one."""
    import json
    rows = []
    for row in json.loads(vdisk_img("map", "--output=json", *options, uri)):
        if rows and rows[-1][2] == row["zero"]:
            rows[-1][1] += row["length"]
        else:
            rows.append([row["start"], row["length"], row["zero"]])
    return [tuple(row) for row in rows]


PIECES = [(MIB, MIB), (4 * MIB, 512 * KIB)]
WANTED = [(0, MIB, True), (MIB, MIB, False), (2 * MIB, 2 * MIB, True),
          (4 * MIB, 512 * KIB, False), (4 * MIB + 512 * KIB, 3584 * KIB, True)]


@suite.case("Q11: qemu-nbd's context 0 is one like others")
def _():
    with scratch() as tmp:
        path = raw_file(tmp, 8 * MIB, PIECES)
        with nbd_peers.qemu_nbd(path, "--allocation-depth") as peer:
            rows = map_rows(peer.uri(), "-f", "raw")
            expect(rows == WANTED, rows)


@suite.case("Q11: qemu-nbd shows the depth of a chain, and a bitmap")
def _():
    with scratch() as tmp:
        base = os.path.join(tmp, "base.qcow2")
        top = os.path.join(tmp, "top.qcow2")
        qemu_img("create", "-q", "-f", "qcow2", base, "8M")
        run([need("qemu-io"), "-c", "write 1M 1M", base])
        qemu_img("create", "-q", "-f", "qcow2", "-F", "qcow2", "-b", base, top)
        qemu_img("bitmap", "--add", top, "b")
        run([need("qemu-io"), "-c", "write 4M 1M", top])
        with nbd_peers.qemu_nbd(top, "-A", "-B", "b", fmt="qcow2") as peer:
            for context, wanted in (
                    ("qemu:allocation-depth", (MIB, 4 * MIB)),
                    ("qemu:dirty-bitmap:b", (4 * MIB,))):
                rows = map_rows(peer.uri(more=["x-dirty-bitmap=" + context]),
                                "-f", "raw")
                starts = {start for start, _, _ in rows}
                expect(starts >= set(wanted), "%s: %s" % (context, rows))


@suite.case("Q12: nbdkit repeats contexts and lists once: neither matters")
def _():
    with scratch() as tmp:
        path = raw_file(tmp, 8 * MIB, PIECES)
        with nbd_peers.nbdkit("file", path) as peer:
            for more in ((), ("x-dirty-bitmap=base:allocation",)):
                vdisk_img("map", "-f", "raw", peer.uri(more=more))
            expect(map_rows(peer.uri(), "-f", "raw") == WANTED,
                   map_rows(peer.uri(), "-f", "raw"))
            vdisk_img("info", peer.uri())


class Wide(nbd_script.Server):
    """8 GiB, of which nothing is stored."""

    def infos(self, sock, option):
        self.reply(sock, option, wire.REP_INFO, struct.pack(
            ">HQH", 0, 8 * GIB, self.flags))

    def status(self, sock, req):
        self.chunk(sock, req, wire.EXTENTS, struct.pack(
            ">III", 7, req.length, 3))


@suite.case("Q13: extents are asked for in less than 4 GiB")
def _():
    server = Wide()
    with nbd_script.serve(server) as peer:
        rows = map_rows(peer.uri(), "-f", "raw")
        expect(rows == [(0, 8 * GIB, True)], rows)
    lengths = [length for command, _, _, length in server.requests
               if command == wire.STATUS]
    expect(lengths and max(lengths) <= 1 << 31, lengths)
    with nbd_peers.nbdkit("memory", "8G") as peer:
        wire.fill(peer, b"x" * 512, offset=5 * GIB)
        rows = map_rows(peer.uri(), "-f", "raw")
        expect(len(rows) == 3 and rows[1][0] <= 5 * GIB < sum(rows[1][:2]), rows)


# -- other servers -------------------------------------------------------------------

class Coarse(nbd_script.Server):
    """4 KiB at least, but extents of 1000 bytes."""

    def infos(self, sock, option):
        super().infos(sock, option)
        self.reply(sock, option, wire.REP_INFO, struct.pack(
            ">HIII", 3, 4096, 4096, 1 << 25))

    def status(self, sock, req):
        pairs = [(1000, 3), (5000, 0), (req.length - 6000, 3)]
        self.chunk(sock, req, wire.EXTENTS, struct.pack(">I", 7) + b"".join(
            struct.pack(">II", *pair) for pair in pairs))


@suite.case("Q14: extents that are not aligned are rounded to be safe")
def _():
    server = Coarse(data=bytes(4096) + b"x" * 4096 + bytes(MIB - 8192))
    with scratch() as tmp, nbd_script.serve(server) as peer:
        out = os.path.join(tmp, "out.raw")
        vdisk_img("convert", "-f", "raw", "-O", "raw", peer.uri(), out)
        with open(out, "rb") as file:
            got = file.read()
        expect(got[4096:6000] == b"x" * 1904, "data were taken for a hole")
    for command, _, offset, length in server.requests:
        if command in (wire.READ, wire.STATUS):
            expect(not (offset | length) & 4095, (command, offset, length))


@suite.case("Q14: a minimum of 4 KiB is kept by small writes")
def _():
    server = Coarse(data=b"y" * MIB)
    with nbd_script.serve(server) as peer:
        io_succeeds(peer.uri(), "write -P 0x78 1000 512", "write -z 9000 512",
                    "read -P 0x78 1000 512", "read -P 0x79 1512 1000",
                    options=["-f", "raw"])
    for command, _, offset, length in server.requests:
        expect(command not in (wire.READ, wire.WRITE, wire.ZEROES, wire.TRIM)
               or not (offset | length) & 4095, (command, offset, length))
    expect(server.data[999:1513] == b"y" + b"x" * 512 + b"y", "the bytes")


class Drops(nbd_script.Server):
    """As some do: it hangs up on what it has not heard of."""

    def __init__(self, *fatal):
        super().__init__(data=b"z" * MIB)
        self.fatal = fatal

    def option(self, sock, session, option, data):
        if option in self.fatal:
            raise wire.Gone()
        return super().option(sock, session, option, data)


for fatal in ((wire.EXTENDED,), (wire.EXTENDED, wire.STRUCTURED_REPLY)):
    @suite.case("Q17: a server that hangs up on option %s is asked again without"
                % " and ".join(map(str, fatal)))
    def _(fatal=fatal):
        server = Drops(*fatal)
        with scratch() as tmp, nbd_script.serve(server) as peer:
            out = os.path.join(tmp, "out.raw")
            vdisk_img("convert", "-f", "raw", "-O", "raw", peer.uri(), out)
            with open(out, "rb") as file:
                expect(file.read() == server.data, "the bytes")


@suite.case("Q17: flags that were not offered are not sent")
def _():
    server = nbd_script.Server(data=b"z" * MIB)
    server.flags = wire.HAS_FLAGS
    with scratch() as tmp, nbd_script.serve(server) as peer:
        empty = raw_file(tmp, MIB, [(0, 4096)], name="empty.raw")
        io_succeeds(peer.uri(), "write -f -P 1 0 4k", "write -z 4k 4k",
                    "write -z -u 8k 4k", "discard 12k 4k", "flush",
                    "read -P 1 0 4k", "read -P 0 4k 8k", options=["-f", "raw"])
        vdisk_img("convert", "-n", "-f", "raw", "-O", "raw", empty, peer.uri())
        expect(bytes(server.data) == b"\x55" * 4096 + bytes(MIB - 4096), "bytes")
    for command, flags, _, _ in server.requests:
        expect(command in (wire.READ, wire.WRITE, wire.STATUS, wire.DISC)
               and not flags & ~wire.REQ_ONE, "%d, flags %d" % (command, flags))


class Patchy(nbd_script.Server):
    """Every other 4 KiB are stored."""

    def status(self, sock, req):
        pairs = b"".join(struct.pack(">II", 4096, 3 * (at // 4096 % 2))
                         for at in range(req.offset, req.offset + req.length,
                                         4096))
        self.chunk(sock, req, wire.EXTENTS, struct.pack(">I", 7) + pairs)


@suite.case("Q20: many extents are asked for at once, and not again")
def _():
    server = Patchy(data=(b"d" * 4096 + bytes(4096)) * 512)
    with scratch() as tmp, nbd_script.serve(server) as peer:
        out = os.path.join(tmp, "out.raw")
        vdisk_img("convert", "-f", "raw", "-O", "raw", peer.uri(), out)
        with open(out, "rb") as file:
            expect(file.read() == server.data, "the bytes")
    asked = [req for req in server.requests if req[0] == wire.STATUS]
    expect(len(asked) <= 8, "%d times for 1024 extents" % len(asked))


# -- what clients of our server expect ------------------------------------------

@suite.case("Q15: our server's errors are short enough for QEMU's client")
def _():
    with scratch() as tmp:
        deep = os.path.join(tmp, *["x" * 250] * 6)
        os.makedirs(deep)
        path = raw_file(deep, MIB, [(0, MIB)])
        with nbd_peers.vdisk_nbd(failing(path, 1024), fmt=None) as peer:
            with wire.Client(peer).open(headers=wire.STRUCTURED) as client:
                cookie = client.send(wire.READ, 512 * KIB, 4096)
                _, kind, got, payload = client.chunk()
                expect(got == cookie and kind & 0x8000, kind)
                expect(6 < len(payload) <= 1000, len(payload))
                expect(client.read(0, 4096) == b"\x55" * 4096, "the next read")
            text = run([need("qemu-io"), "-f", "raw", "-c", "read 512k 4k", "-c",
                        "read -P 0x55 0 64k", peer.uri()]).stdout.decode()
            expect("read failed: Input/output error" in text and
                   "read 65536/65536" in text, text)


@suite.case("Q16: the size is told to who does not ask, and only chosen contexts")
def _():
    with scratch() as tmp:
        path = raw_file(tmp, MIB)
        with nbd_peers.vdisk_nbd(path) as peer:
            with wire.Client(peer).greet() as client:
                client.go(headers=wire.STRUCTURED,
                          contexts=["base:allocation", "qemu:allocation-depth",
                                    "base:", "x-none:at-all"])
                expect(client.size == MIB and client.flags & 1, client.flags)
                expect(list(client.contexts.values()) == ["base:allocation"],
                       client.contexts)
                expect(list(client.extents(0, MIB)) == ["base:allocation"],
                       "one context, one answer")


@suite.case("Q18: any cookie comes back, to clients that negotiate nothing")
def _():
    with scratch() as tmp:
        path = raw_file(tmp, MIB, [(0, MIB)])
        with nbd_peers.vdisk_nbd(path) as peer, \
                wire.Client(peer).open() as client:
            for cookie in (0, 2 ** 64 - 1, 0x0102030405060708):
                client.send(wire.READ, 0, 16, cookie=cookie)
                client.finish(cookie)
                expect(wire.recv_exact(client.sock, 16) == b"\x55" * 16, "data")


@suite.case("Q19: CACHE, and FUA where it means nothing, are taken")
def _():
    with scratch() as tmp:
        path = raw_file(tmp, MIB, [(0, MIB)])
        for words in ((), ("--read-only",)):
            with nbd_peers.vdisk_nbd(path, *words) as peer, \
                    wire.Client(peer).open(headers=wire.STRUCTURED) as client:
                client.call(wire.CACHE, 0, MIB)
                expect(client.read(0, 16, wire.FUA) == b"\x55" * 16, "data")
                client.call(wire.FLUSH, flags=wire.FUA)


suite.run()
