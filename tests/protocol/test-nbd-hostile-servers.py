#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""test-nbd-hostile-servers - servers that lie, to our client.

Each is a decent one but for one step.  vdisk-img must fail with words, soon, in
bounded memory, without printing what could steer a terminal; or must not mind,
where the protocol leaves a way.
"""
import os
import re
import struct
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../support"))

import nbd_script  # noqa: E402
import nbd_wire as wire  # noqa: E402
from nbd_script import DATA, DONE, NONE  # noqa: E402
from tap import Suite  # noqa: E402
from tools import Failed, VDISK_IMG, VDISK_IO, run, scratch  # noqa: E402

MIB = 1 << 20
SIZE = MIB
DEADLINE = 60  # nothing of all this takes one, but machines are slow
MEMORY = 2 << 30
HUGE = 0xffffffff
ESCAPE = b"\x1b[31mred\x07\r\n\x9b"

suite = Suite()


def forever(step):
    while True:
        step()


def server(data=None, **steps):
    """A Server but for @steps."""
    made = type("Hostile", (nbd_script.Server,), steps)
    return made(data=data if data is not None else bytes(range(256)) * 4096)


def options_of(peer, more):
    words = ["driver=nbd", "server.type=unix", "server.path=" + peer.socket]
    return ",".join(words + ["%s=%s" % pair for pair in more.items()])


def try_it(hostile, command, more):
    """vdisk-img's Result; it has ended within its deadline."""
    with scratch() as tmp, nbd_script.serve(hostile) as peer:
        words = ["--image-opts", options_of(peer, more)]
        if command == "convert":
            words = ["-O", "raw", *words, os.path.join(tmp, "out.raw")]
        result = run([VDISK_IMG, command, *words], timeout=DEADLINE,
                     memory=MEMORY)
        if result.code == 0 and command == "convert":
            with open(os.path.join(tmp, "out.raw"), "rb") as file:
                if file.read() != hostile.data:
                    raise Failed("wrong data, without a word: %s" % result)
    text = result.stdout + result.stderr
    if re.search(rb"[\x00-\x08\x0b-\x1f\x7f]", text):
        raise Failed("control characters: %s" % text)
    return result


def refused(hostile, command="convert", words="", **more):
    result = try_it(hostile, command, more)
    if result.code == 0:
        raise Failed("it was believed: %s" % result)
    if not re.search(words or "nbd", result.stderr.decode(), re.I):
        raise Failed("no /%s/ in: %s" % (words, result))


def survived(hostile, command="convert", words="", **more):
    result = try_it(hostile, command, more)
    if result.code != 0:
        raise Failed(str(result))
    if not re.search(words, result.stdout.decode()):
        raise Failed("no /%s/ in: %s" % (words, result))


def fails(name, **steps):
    suite.add(name, lambda: refused(server(**steps)))


# -- greeting --------------------------------------------------------------------

def greets_with(data, stay=False):
    def greet(self, sock):
        sock.sendall(data)
        if stay:
            wire.recv_exact(sock, 1 << 30)
        raise wire.Gone()
    return greet


OLDSTYLE = struct.pack(">QQ", wire.MAGIC, 0x0000420281861253)

for title, greeting in (
        ("nothing at all", b""),
        ("half a greeting", b"NBDMAG"),
        ("a greeting of another protocol", b"HTTP/1.1 400 Bad Request\r\n\r\n"),
        ("a greeting of noise", bytes(range(180, 210))),
        ("the first magic, and then noise", b"NBDMAGIC" + b"x" * 200),
        ("a greeting without its flags", struct.pack(
            ">QQ", wire.MAGIC, wire.OPTION_MAGIC)),
        ("half an oldstyle greeting", OLDSTYLE + b"\0" * 20),
        ("an oldstyle size of 2^64-1", OLDSTYLE + struct.pack(
            ">QI", (1 << 64) - 1, 1) + bytes(124)),
        ("oldstyle flags of which nobody knows", OLDSTYLE + struct.pack(
            ">QI", MIB, 0xffff0001) + bytes(124))):
    fails(title, greet=greets_with(greeting))


@suite.case("silence instead of a greeting ends at the deadline")
def _():
    start = time.monotonic()
    refused(server(greet=greets_with(b"", stay=True)), words="time",
            **{"handshake-timeout": 1})
    if time.monotonic() - start > 30:
        raise Failed("the deadline was for nothing")


@suite.case("a greeting that drips ends at the deadline")
def _():
    def greet(self, sock):
        for byte in struct.pack(">QQH", wire.MAGIC, wire.OPTION_MAGIC, 3):
            sock.sendall(bytes([byte]))
            time.sleep(0.3)
    refused(server(greet=greet), words="time", **{"handshake-timeout": 1})


@suite.case("silence instead of an option's reply ends at the deadline")
def _():
    refused(server(option=lambda self, sock, *rest: wire.recv_exact(sock, MIB)),
            words="time", **{"handshake-timeout": 1})


@suite.case("replies to options without end finish at the deadline")
def _():
    def drip(self, sock, session, option, data):
        forever(lambda: (self.reply(sock, option, wire.REP_INFO, b"\x77\x77abc"),
                         time.sleep(0.01)))
    refused(server(go=drip), **{"handshake-timeout": 1})


# -- option replies ----------------------------------------------------------------

def header(option, kind, length, magic=wire.OPTION_REPLY_MAGIC):
    return wire.OPTION_REPLY.pack(magic, option, kind, length)


def raw_reply(make):
    """To any option but ABORT: the bytes make(option)."""
    def answer(self, sock, session, option, data):
        if option == wire.ABORT:
            return self.abort(sock, session, option, data)
        sock.sendall(make(option))
        return False
    return answer


def info_reply(payload, then_ack=True):
    """To GO: that INFO, and the ACK."""
    def go(self, sock, session, option, data):
        self.reply(sock, option, wire.REP_INFO, payload)
        if then_ack:
            self.reply(sock, option, wire.ACK)
        return True
    return go


fails("an option's reply with another magic", option=raw_reply(
    lambda option: header(option, wire.ACK, 0, magic=0x1234567890abcdef)))
fails("a reply to another option", option=raw_reply(
    lambda option: header(option ^ 0x40, wire.ACK, 0)))
fails("an option's reply of 4 GiB", option=raw_reply(
    lambda option: header(option, wire.REP_INFO, HUGE) + bytes(9 * MIB)))
fails("an error's text of 4 GiB", option=raw_reply(
    lambda option: header(option, wire.ERR_POLICY, HUGE) + bytes(9 * MIB)))
fails("half an option's reply", option=lambda self, sock, session, option, data: (
    sock.sendall(header(option, wire.ACK, 0)[:11]), sock.close()))
fails("an ACK that is not empty", go=lambda self, sock, session, option, data: (
    self.infos(sock, option), self.reply(sock, option, wire.ACK, b"hello")))
fails("an ACK without an export", go=lambda self, sock, session, option, data:
      self.reply(sock, option, wire.ACK) is None)
fails("a reply of a type that fits to no option",
      go=lambda self, sock, session, option, data: (
          self.reply(sock, option, 77, b"x"),
          self.reply(sock, option, wire.ACK)))
for title, payload in (
        ("an info of 0 bytes", b""), ("an info of 1 byte", b"\0"),
        ("an export of 11 bytes", struct.pack(">HQB", 0, MIB, 1)),
        ("an export of 13 bytes", struct.pack(">HQHB", 0, MIB, 1, 0)),
        ("an export without flags", struct.pack(">HQH", 0, MIB, 0)),
        ("an export of 2^63 bytes", struct.pack(">HQH", 0, 1 << 63, 1)),
        ("an export of 2^64-1 bytes", struct.pack(">HQH", 0, (1 << 64) - 1, 1))):
    fails(title, go=info_reply(payload))


def sizes(*numbers):
    def infos(self, sock, option):
        nbd_script.Server.infos(self, sock, option)
        self.reply(sock, option, wire.REP_INFO, struct.pack(
            ">HIII"[:2 + len(numbers)], 3, *numbers))
    return infos


for title, numbers in (
        ("a minimum of 0 bytes", (0, 4096, 1 << 25)),
        ("a minimum of 3 bytes", (3, 4096, 1 << 25)),
        ("a minimum of 128 KiB", (1 << 17, 1 << 17, 1 << 25)),
        ("a maximum below the minimum", (4096, 4096, 512)),
        ("block sizes in two numbers", (512, 4096))):
    fails(title, infos=sizes(*numbers))


for title, numbers in (
        ("below the minimum", (4096, 512, 1 << 25)),
        ("of 1000 bytes", (1, 1000, 1 << 25))):
    suite.add("a preferred size %s is nothing that matters" % title,
              lambda numbers=numbers: survived(server(infos=sizes(*numbers))))


def meta(payload, times=1):
    def set_meta(self, sock, session, option, data):
        for _ in range(times):
            self.reply(sock, option, wire.REP_META, payload)
        self.reply(sock, option, wire.ACK)
    return set_meta


fails("a context of 3 bytes", set_meta=meta(b"\0\0\0"))
fails("a context with a name of 5000 bytes", set_meta=meta(
    b"\0\0\0\1" + b"base:" + b"x" * 4995))
fails("contexts by the thousand", set_meta=meta(b"\0\0\0\1base:allocation",
                                               times=5000))


@suite.case("what nobody has asked for is ignored")
def _():
    def infos(self, sock, option):
        self.reply(sock, option, wire.REP_INFO, b"\x12\x34" + bytes(100))
        nbd_script.Server.infos(self, sock, option)
        self.reply(sock, option, wire.REP_INFO, b"\0\1a name")
    survived(server(infos=infos))


@suite.case("a server's words are printed, but cannot steer the terminal")
def _():
    def go(self, sock, session, option, data):
        self.reply(sock, option, wire.ERR_POLICY, b"go away" + ESCAPE)
    refused(server(go=go), words="go away")


@suite.case("a long text is cut off, and the connection goes on")
def _():
    def structured(self, sock, session, option, data):
        self.reply(sock, option, wire.ERR_POLICY, b"no" * 100000)
    survived(server(structured=structured))


@suite.case("a list without end is not waited for")
def _():
    def go(self, sock, session, option, data):
        self.reply(sock, option, wire.ERR_UNKNOWN, b"no such")

    def listing(self, sock, session, option, data):
        def entry():
            sent.append(4000)
            self.reply(sock, option, wire.SERVER, wire.string("x" * 4000))
        forever(entry)

    sent = []
    refused(server(go=go, list=listing), "info")
    if sum(sent) > 24 * MIB:
        raise Failed("%d bytes of a list were taken" % sum(sent))


# -- TLS -----------------------------------------------------------------------------

def stripped(**steps):
    """A server that has no TLS; the client must not go on in clear text."""
    hostile = server(**steps)
    refused(hostile, tls="on", words="tls",
            **{"tls-verify-peer": "off"})
    if set(hostile.options) - {wire.STARTTLS, wire.ABORT}:
        raise Failed("options in clear text: %s" % hostile.options)


def plain_after_ack(self, sock, session, option, data):
    self.reply(sock, option, wire.ACK)


def injected(self, sock, session, option, data):
    """As a man in the middle would: an answer in clear text, too early."""
    sock.sendall(header(option, wire.ACK, 0)
                 + header(wire.STRUCTURED_REPLY, wire.ACK, 0))
    wire.recv_exact(sock, MIB)


for title, how in (
        ("TLS is unknown", {}),
        ("TLS is forbidden", {"unknown": lambda self, sock, session, option, data:
                              self.reply(sock, option, wire.ERR_POLICY)}),
        ("TLS begins, but goes on in clear text", {"unknown": plain_after_ack}),
        ("clear text lies behind the ACK", {"unknown": injected}),
        ("the server has no options", {"greeting_flags": 0}),
        ("the server is oldstyle", {"greet": greets_with(
            OLDSTYLE + struct.pack(">QI", MIB, 1) + bytes(124))})):
    suite.add("%s: refused where TLS was asked for" % title,
              lambda how=how: stripped(**how))


# -- replies -----------------------------------------------------------------------

def offset_data(offset, data):
    return struct.pack(">Q", offset % (1 << 64)) + data


def whole(self, sock, req, flags=DONE):
    self.chunk(sock, req, DATA, offset_data(
        req.offset, bytes(self.data[req.offset:req.offset + req.length])), flags)


def chunks(*made):
    """To READ: chunks (type, payload, flags), each made of the request."""
    def read(self, sock, req):
        for make in made:
            kind, payload, *flags = make(req)
            self.chunk(sock, req, kind, payload, *(flags or [DONE]))
    return read


def with_header(**fields):
    """To READ: a chunk whose header has some @fields wrong."""
    def read(self, sock, req):
        payload = offset_data(req.offset, bytes(req.length))
        words = dict({"magic": wire.CHUNK_MAGIC, "flags": DONE, "kind": DATA,
                      "cookie": req.cookie, "length": len(payload)}, **fields)
        sock.sendall(wire.CHUNK.pack(*words.values()) + payload)
    return read


def part(req, start, end, flags=0, shift=0):
    return DATA, offset_data(req.offset + start + shift, bytes(end - start)), flags


fails("a reply with another magic", read=with_header(magic=0xdeadbeef))
fails("a reply of the extended kind", read=with_header(magic=wire.EXT_CHUNK_MAGIC))
fails("a reply to nothing", read=with_header(cookie=0xfeedfacecafebeef))
fails("a reply of 4 GiB", read=with_header(length=HUGE))
fails("a reply that is one byte short", read=chunks(
    lambda req: part(req, 0, req.length - 1, DONE)))
fails("a reply that is one byte too long", read=chunks(
    lambda req: part(req, 0, req.length + 1, DONE)))
fails("data before the request", read=chunks(
    lambda req: part(req, 0, req.length, DONE, shift=-512)))
fails("data behind the request", read=chunks(
    lambda req: part(req, 0, req.length, DONE, shift=req.length)))
fails("data whose offset overflows", read=chunks(
    lambda req: (DATA, offset_data((1 << 64) - 256, bytes(512)))))
fails("data that overlap", read=chunks(
    lambda req: part(req, 0, 4096), lambda req: part(req, 512, req.length, DONE)))
fails("the same data twice", read=chunks(
    lambda req: part(req, 0, req.length), lambda req: part(req, 0, req.length),
    lambda req: (NONE, b"")))
fails("data with a gap", read=chunks(
    lambda req: part(req, 0, 512), lambda req: part(req, 1024, req.length, DONE)))
fails("a chunk of data without data", read=chunks(
    lambda req: (DATA, offset_data(req.offset, b""))))
fails("a chunk of data without an offset", read=chunks(
    lambda req: (DATA, b"abc")))
fails("a hole of no bytes", read=chunks(
    lambda req: (wire.HOLE, struct.pack(">QI", req.offset, 0))))
fails("a hole behind the request", read=chunks(
    lambda req: (wire.HOLE, struct.pack(">QI", req.offset + 512, req.length))))
fails("a hole that overflows", read=chunks(
    lambda req: (wire.HOLE, struct.pack(">QI", (1 << 64) - 1, HUGE))))
fails("a hole of 13 bytes", read=chunks(
    lambda req: (wire.HOLE, struct.pack(">QIB", req.offset, req.length, 0))))
fails("nothing, with bytes", read=chunks(lambda req: (NONE, b"abcd")))
fails("nothing, and more to come", read=chunks(
    *[lambda req: (NONE, b"", 0)] * 3))
fails("nothing instead of data", read=chunks(lambda req: (NONE, b"")))
fails("a chunk of a kind that nobody knows", read=chunks(
    lambda req: (99, b"abcd")))
fails("extents instead of data", read=chunks(
    lambda req: (wire.EXTENTS, struct.pack(">III", 7, req.length, 0))))
fails("half a reply", read=lambda self, sock, req: (
    sock.sendall(wire.CHUNK.pack(wire.CHUNK_MAGIC, DONE, DATA, req.cookie,
                                 req.length + 8) + bytes(100)),
    nbd_script.shut(sock)))
fails("half a header", read=lambda self, sock, req: (
    sock.sendall(b"\x66\x8e\x33"), nbd_script.shut(sock)))


def error(code, text, claimed=None, kind=wire.CHUNK_ERROR):
    return chunks(lambda req: (kind, struct.pack(
        ">IH", code, len(text) if claimed is None else claimed) + text))


fails("an error's text longer than its chunk", read=error(5, b"bad", 40000))
fails("an error of two bytes", read=chunks(
    lambda req: (wire.CHUNK_ERROR, b"\0\0")))
fails("an error that is none", read=error(0, b"no error"))
fails("an error of an unknown kind", read=error(5, b"", kind=0x9abc))
fails("a simple reply where chunks were agreed on",
      read=lambda self, sock, req: self.simple(sock, req, data=bytes(req.length)))
fails("extents of other contexts without end", status=lambda self, sock, req:
      forever(lambda: self.chunk(sock, req, wire.EXTENTS, struct.pack(
          ">III", 8, req.length, 3), 0)))
fails("errors without end", read=lambda self, sock, req: forever(
    lambda: self.chunk(sock, req, wire.CHUNK_ERROR, struct.pack(">IH", 5, 0), 0)))


@suite.case("a reply that comes twice is no reply to the next request")
def _():
    hostile = server(data=b"".join(bytes([n]) * 4096 for n in range(256)),
                     read=lambda self, sock, req: (whole(self, sock, req),
                                                   whole(self, sock, req)))
    with nbd_script.serve(hostile) as peer:
        words = [word for n in (1, 9, 30, 77) for word in
                 ("-c", "read -P %d %d 4096" % (n, n * 4096))]
        result = run([VDISK_IO, *words, "-f", "raw", peer.uri()],
                     timeout=DEADLINE)
    if result.code == 0 or b"verification" in result.stdout \
            or b"protocol" not in result.stderr:
        raise Failed(str(result))


@suite.case("an error's words are printed, but cannot steer the terminal")
def _():
    refused(server(read=error(5, b"spindle" + ESCAPE)), words="spindle")


@suite.case("a simple reply for another cookie is not believed")
def _():
    def read(self, sock, req):
        req.cookie ^= 1 << 40
        self.simple(sock, req, data=bytes(req.length))
    refused(server(unknown=nbd_script.Server.unknown, read=read,
                   structured=nbd_script.Server.unknown))


# -- extents -----------------------------------------------------------------------

def extents(make, kind=wire.EXTENTS):
    return lambda self, sock, req: self.chunk(sock, req, kind, make(req))


for title, make in (
        ("an extent of no bytes", lambda req: struct.pack(">III", 7, 0, 0)),
        ("extents of 7 bytes", lambda req: b"\0\0\0\7\0\0\0"),
        ("no extents", lambda req: b"\0\0\0\7"),
        ("half an extent", lambda req: struct.pack(">IIIH", 7, 512, 0, 1)),
        ("more extents than the protocol allows",
         lambda req: b"\0\0\0\7" + struct.pack(">II", 512, 3) * ((1 << 20) + 1))):
    suite.add("%s, to map" % title, lambda make=make: refused(
        server(status=extents(make)), "map"))

suite.add("extended extents where they were not agreed on", lambda: refused(
    server(status=extents(lambda req: struct.pack(">IIQQ", 7, 1, req.length, 0),
                          wire.EXTENTS_EXT)), "map"))


@suite.case("an extent beyond the end of the export is cut off")
def _():
    survived(server(status=extents(lambda req: struct.pack(
        ">IIIII", 7, 4096, 0, 0xfffff000, 0))), "map", words="0x100000|1048576")


@suite.case("holes of a context that was not asked for are not believed")
def _():
    hostile = dict(status=extents(lambda req: struct.pack(
        ">III", 8, req.length, 3)))
    survived(server(**hostile), "map", words="0x100000")
    survived(server(**hostile))


@suite.case("copying does without extents that cannot be used")
def _():
    survived(server(status=lambda self, sock, req: self.chunk(
        sock, req, wire.CHUNK_ERROR, struct.pack(">IH", 22, 0))))


# -- several connections -------------------------------------------------------------

def second_differs(**second):
    """Its second connection is another export, or none."""
    hostile = server()
    hostile.flags |= wire.MULTI_CONN
    first_infos = hostile.infos
    seen = []

    def infos(sock, option):
        if not seen:
            seen.append(sock)
            return first_infos(sock, option)
        size, flags = second.get("size", SIZE), second.get("flags", hostile.flags)
        return hostile.reply(sock, option, wire.REP_INFO, struct.pack(
            ">HQH", 0, size, flags))
    hostile.infos = infos
    return hostile


for title, how in (("smaller", {"size": SIZE // 2}), ("larger", {"size": SIZE * 2}),
                   ("read-only", {"flags": wire.HAS_FLAGS | wire.READ_ONLY})):
    suite.add("further connections to an export that is %s are not used" % title,
              lambda how=how: survived(second_differs(**how), connections=4))


suite.run()
