# SPDX-License-Identifier: BSD-3-Clause
"""nbd_script - an NBD server in Python whose manners are up to the test.

    class Liar(nbd_script.Server):
        def read(self, sock, req):
            self.chunk(sock, req, DATA, b"", flags=DONE)

    with nbd_script.serve(Liar()) as peer:
        vdisk_img_fails("convert", peer.uri(), "out.raw")

As it stands it is a decent one over a bytearray.  Hostile ones override the
step that they are hostile in.  It listens on a Unix socket; each connection has
a thread.
"""
import contextlib
import os
import socket
import struct
import threading

import nbd_wire as wire
from tools import scratch
from nbd_wire import (ACK, CHUNK, CHUNK_MAGIC, DATA, DONE, ERR_UNKNOWN,
                      ERR_UNSUP, EXTENTS, Gone, NONE, OPTION, OPTION_REPLY,
                      OPTION_REPLY_MAGIC, REP_INFO, REP_META, recv_exact,
                      recv_struct)

FLAGS = (wire.HAS_FLAGS | wire.SEND_FLUSH | wire.SEND_FUA | wire.SEND_TRIM
         | wire.SEND_ZEROES | wire.SEND_DF)


class Request:
    def __init__(self, flags, command, cookie, offset, length):
        self.flags = flags
        self.command = command
        self.cookie = cookie
        self.offset = offset
        self.length = length
        self.payload = b""


class Session:
    """What one connection has agreed on."""

    def __init__(self):
        self.structured = False
        self.contexts = False


class Server:
    flags = FLAGS
    greeting_flags = 3
    exports = None  # None = any name

    def __init__(self, size=1 << 20, data=None):
        self.data = bytearray(data if data is not None else size)
        self.options = []   # that clients have sent
        self.requests = []  # (command, flags, offset, length)
        self.connections = 0

    # -- handshake --------------------------------------------------------------

    def run(self, sock):
        """One connection, from its first byte."""
        session = Session()
        self.greet(sock)
        if self.negotiate(sock, session):
            self.transmit(sock, session)

    def greet(self, sock):
        sock.sendall(struct.pack(">QQH", wire.MAGIC, wire.OPTION_MAGIC,
                                 self.greeting_flags))
        recv_exact(sock, 4)

    def negotiate(self, sock, session):
        while True:
            magic, option, length = recv_struct(sock, OPTION)
            assert magic == wire.OPTION_MAGIC, hex(magic)
            data = recv_exact(sock, length)
            self.options.append(option)
            if self.option(sock, session, option, data):
                return option != wire.ABORT

    def reply(self, sock, option, kind, payload=b""):
        sock.sendall(OPTION_REPLY.pack(OPTION_REPLY_MAGIC, option, kind,
                                       len(payload)) + payload)

    def option(self, sock, session, option, data):
        """True: that was the last one."""
        name = {wire.STRUCTURED_REPLY: self.structured, wire.GO: self.go,
                wire.INFO: self.go, wire.SET_META: self.set_meta,
                wire.LIST: self.list, wire.EXPORT_NAME: self.export_name,
                wire.ABORT: self.abort}.get(option, self.unknown)
        return name(sock, session, option, data)

    def unknown(self, sock, session, option, data):
        self.reply(sock, option, ERR_UNSUP)

    def structured(self, sock, session, option, data):
        session.structured = True
        self.reply(sock, option, ACK)

    def set_meta(self, sock, session, option, data):
        if b"base:allocation" in data:
            session.contexts = True
            self.reply(sock, option, REP_META,
                       struct.pack(">I", 7) + b"base:allocation")
        self.reply(sock, option, ACK)

    def go(self, sock, session, option, data):
        length = struct.unpack(">I", data[:4])[0]
        if self.exports is not None and data[4:4 + length] not in self.exports:
            self.reply(sock, option, ERR_UNKNOWN, b"no such export")
            return False
        self.infos(sock, option)
        self.reply(sock, option, ACK)
        return option == wire.GO

    def infos(self, sock, option):
        self.reply(sock, option, REP_INFO, struct.pack(
            ">HQH", 0, len(self.data), self.flags))

    def list(self, sock, session, option, data):
        for name in self.exports or [b""]:
            self.reply(sock, option, wire.SERVER, wire.string(name))
        self.reply(sock, option, ACK)

    def export_name(self, sock, session, option, data):
        sock.sendall(struct.pack(">QH", len(self.data), self.flags))
        return True

    def abort(self, sock, session, option, data):
        self.reply(sock, option, ACK)
        return True

    # -- transmission -------------------------------------------------------------

    def transmit(self, sock, session):
        while True:
            magic, *fields = recv_struct(sock, wire.REQUEST)
            assert magic == wire.REQUEST_MAGIC, hex(magic)
            req = Request(*fields)
            req.structured = session.structured
            self.requests.append((req.command, req.flags, req.offset,
                                  req.length))
            if req.command == wire.WRITE:
                req.payload = recv_exact(sock, req.length)
            if req.command == wire.DISC:
                return
            self.request(sock, req)

    def request(self, sock, req):
        {wire.READ: self.read, wire.WRITE: self.write, wire.ZEROES: self.zeroes,
         wire.STATUS: self.status}.get(req.command, self.done)(sock, req)

    def chunk(self, sock, req, kind, payload=b"", flags=DONE):
        sock.sendall(CHUNK.pack(CHUNK_MAGIC, flags, kind, req.cookie,
                                len(payload)) + payload)

    def simple(self, sock, req, error=0, data=b""):
        sock.sendall(wire.SIMPLE_REPLY.pack(wire.SIMPLE_MAGIC, error,
                                            req.cookie) + data)

    def done(self, sock, req):
        if req.structured:
            self.chunk(sock, req, NONE)
        else:
            self.simple(sock, req)

    def read(self, sock, req):
        data = bytes(self.data[req.offset:req.offset + req.length])
        if req.structured:
            self.chunk(sock, req, DATA, struct.pack(">Q", req.offset) + data)
        else:
            self.simple(sock, req, data=data)

    def write(self, sock, req):
        self.data[req.offset:req.offset + req.length] = req.payload
        self.done(sock, req)

    def zeroes(self, sock, req):
        self.data[req.offset:req.offset + req.length] = bytes(req.length)
        self.done(sock, req)

    def status(self, sock, req):
        self.chunk(sock, req, EXTENTS, struct.pack(">III", 7, req.length, 0))


class Listening:
    """Where a Server is to be found, as a Peer of nbd_peers."""

    export = ""

    def __init__(self, directory):
        self.socket = os.path.join(directory, "nbd.sock")

    def address(self):
        return socket.AF_UNIX, self.socket

    def uri(self, export="", scheme="nbd"):
        return "%s+unix:///%s?socket=%s" % (scheme, export, self.socket)


@contextlib.contextmanager
def serve(server):
    """@server until the end of the block."""
    with scratch() as directory:
        peer = Listening(directory)
        open_socks = []
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
            listener.bind(peer.socket)
            listener.listen(16)
            threading.Thread(target=accept_all, daemon=True,
                             args=(listener, server, open_socks)).start()
            try:
                yield peer
            finally:
                listener.shutdown(socket.SHUT_RDWR)
                for sock in list(open_socks):
                    shut(sock)


def accept_all(listener, server, open_socks):
    while True:
        try:
            sock, _ = listener.accept()
        except OSError:
            return
        open_socks.append(sock)
        server.connections += 1
        threading.Thread(target=one, args=(server, sock), daemon=True).start()


def one(server, sock):
    try:
        server.run(sock)
    except (Gone, OSError):
        pass  # clients of a hostile server go when they like
    finally:
        shut(sock)


def shut(sock):
    with contextlib.suppress(OSError):
        sock.shutdown(socket.SHUT_RDWR)
    sock.close()
