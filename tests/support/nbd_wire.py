# SPDX-License-Identifier: BSD-3-Clause
"""nbd_wire - NBD's numbers, and a client that does what it is told.

The client looks straight at what a server holds, whatever the client under test
believes, and says things that no decent client would say.  One request at a
time, no cleverness.
"""
import socket
import ssl
import struct

MAGIC = 0x4e42444d41474943
OPTION_MAGIC = 0x49484156454f5054
OPTION_REPLY_MAGIC = 0x0003e889045565a9
REQUEST_MAGIC = 0x25609513
SIMPLE_MAGIC = 0x67446698
CHUNK_MAGIC = 0x668e33ef
EXT_REQUEST_MAGIC = 0x21e41c71
EXT_CHUNK_MAGIC = 0x6e8a278c

(EXPORT_NAME, ABORT, LIST, STARTTLS, INFO, GO, STRUCTURED_REPLY,
 LIST_META, SET_META, EXTENDED) = 1, 2, 3, 5, 6, 7, 8, 9, 10, 11
ACK, SERVER, REP_INFO, REP_META = 1, 2, 3, 4
REP_ERROR = 1 << 31
ERR_UNSUP, ERR_POLICY, ERR_INVALID = REP_ERROR + 1, REP_ERROR + 2, REP_ERROR + 3
ERR_TLS_REQD, ERR_UNKNOWN = REP_ERROR + 5, REP_ERROR + 6

(HAS_FLAGS, READ_ONLY, SEND_FLUSH, SEND_FUA, SEND_TRIM, SEND_ZEROES, SEND_DF,
 MULTI_CONN, SEND_CACHE, SEND_FAST_ZERO) = (
     1 << n for n in (0, 1, 2, 3, 5, 6, 7, 8, 10, 11))

READ, WRITE, DISC, FLUSH, TRIM, CACHE, ZEROES, STATUS = range(8)
FUA, NO_HOLE, DF, REQ_ONE, FAST_ZERO = (1 << n for n in range(5))
NONE, DATA, HOLE, EXTENTS, EXTENTS_EXT = 0, 1, 2, 5, 6
CHUNK_ERROR = 0x8001
DONE = 1

SIMPLE, STRUCTURED, EXTENDED_HEADERS = range(3)

OPTION = struct.Struct(">QII")        # magic, option, length
OPTION_REPLY = struct.Struct(">QIII")  # magic, option, type, length
REQUEST = struct.Struct(">IHHQQI")    # magic, flags, command, cookie, offset, length
EXT_REQUEST = struct.Struct(">IHHQQQ")
SIMPLE_REPLY = struct.Struct(">IIQ")  # magic, error, cookie
CHUNK = struct.Struct(">IHHQI")       # magic, flags, type, cookie, length
EXT_CHUNK = struct.Struct(">IHHQQQ")  # ... cookie, offset, length


class Gone(Exception):
    """The other end has closed, in the middle or not."""


class Refused(Exception):
    """A reply with an error; @code as on the wire."""

    def __init__(self, code, text=""):
        super().__init__("0x%x %s" % (code, text))
        self.code = code


def recv_exact(sock, length):
    parts = []
    while length:
        try:
            part = sock.recv(min(length, 1 << 20))
        except (ConnectionError, ssl.SSLError) as error:
            raise Gone(str(error)) from None
        if not part:
            raise Gone("end of file")
        parts.append(part)
        length -= len(part)
    return b"".join(parts)


def recv_struct(sock, fmt):
    return fmt.unpack(recv_exact(sock, fmt.size))


def string(text):
    data = text.encode() if isinstance(text, str) else text
    return struct.pack(">I", len(data)) + data


class Client:
    """@peer of nbd_peers or (family, address); greeted when made.

    Its handshake is done by open(), or by hand with option() and replies().
    """

    def __init__(self, peer, timeout=60):
        family, address = peer if isinstance(peer, tuple) else peer.address()
        self.sock = socket.socket(family, socket.SOCK_STREAM)
        self.sock.settimeout(timeout)
        self.sock.connect(address)
        self.headers = SIMPLE
        self.cookie = 0
        self.size = self.flags = None
        self.contexts = {}

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.sock.close()

    # -- handshake --------------------------------------------------------------

    def greet(self, flags=3):
        magic, option_magic, self.server_flags = recv_struct(
            self.sock, struct.Struct(">QQH"))
        assert (magic, option_magic) == (MAGIC, OPTION_MAGIC)
        self.sock.sendall(struct.pack(">I", flags))
        return self

    def send_option(self, option, data=b""):
        self.sock.sendall(OPTION.pack(OPTION_MAGIC, option, len(data)) + data)

    def replies(self):
        """(type, payload) of an option, the final one last."""
        while True:
            magic, _, kind, length = recv_struct(self.sock, OPTION_REPLY)
            assert magic == OPTION_REPLY_MAGIC, hex(magic)
            payload = recv_exact(self.sock, length)
            yield kind, payload
            if kind == ACK or kind & REP_ERROR:
                return

    def option(self, option, data=b""):
        """All replies but the ACK; Refused if there is none."""
        self.send_option(option, data)
        replies = list(self.replies())
        kind, payload = replies[-1]
        if kind != ACK:
            raise Refused(kind, payload.decode(errors="replace"))
        return replies[:-1]

    def start_tls(self, context, name):
        self.option(STARTTLS)
        self.sock = context.wrap_socket(self.sock, server_hostname=name)

    def open(self, export="", headers=SIMPLE, contexts=()):
        """From the greeting to transmission."""
        self.greet()
        return self.go(export, headers, contexts)

    def go(self, export="", headers=SIMPLE, contexts=()):
        if headers != SIMPLE:
            self.option(STRUCTURED_REPLY if headers == STRUCTURED else EXTENDED)
        if contexts:
            queries = b"".join(map(string, contexts))
            for _, payload in self.option(SET_META, string(export) + struct.pack(
                    ">I", len(contexts)) + queries):
                self.contexts[struct.unpack(">I", payload[:4])[0]] = \
                    payload[4:].decode()
        for kind, payload in self.option(GO, string(export) + b"\0\0"):
            if kind == REP_INFO and payload[:2] == b"\0\0":
                self.size, self.flags = struct.unpack(">QH", payload[2:])
        self.headers = headers
        return self

    # -- transmission -------------------------------------------------------------

    def send(self, command, offset=0, length=0, flags=0, payload=b"", cookie=None):
        if cookie is None:
            self.cookie = cookie = self.cookie + 1
        if self.headers == EXTENDED_HEADERS:
            flags |= 32 if command == WRITE else 0
            form, magic = EXT_REQUEST, EXT_REQUEST_MAGIC
        else:
            form, magic = REQUEST, REQUEST_MAGIC
        self.sock.sendall(form.pack(magic, flags, command, cookie, offset,
                                    length) + payload)
        return cookie

    def chunk(self):
        """(flags, type, cookie, payload); a simple reply without its data is
        (DONE, NONE or CHUNK_ERROR, cookie, error)."""
        first = recv_exact(self.sock, 16)
        magic = struct.unpack(">I", first[:4])[0]
        if magic == SIMPLE_MAGIC:
            _, error, cookie = SIMPLE_REPLY.unpack(first)
            return DONE, CHUNK_ERROR if error else NONE, cookie, \
                struct.pack(">IH", error, 0)
        form = CHUNK if magic == CHUNK_MAGIC else EXT_CHUNK
        assert magic in (CHUNK_MAGIC, EXT_CHUNK_MAGIC), hex(magic)
        fields = form.unpack(first + recv_exact(self.sock, form.size - 16))
        return *fields[1:4], recv_exact(self.sock, fields[-1])

    def finish(self, cookie):
        """Chunks of the reply to @cookie, [(type, payload)]; or Refused."""
        chunks = []
        error = None
        while True:
            flags, kind, got, payload = self.chunk()
            assert got == cookie, (got, cookie)
            if kind & 0x8000:
                code, length = struct.unpack(">IH", payload[:6])
                error = Refused(code, payload[6:6 + length].decode(
                    errors="replace"))
            chunks.append((kind, payload))
            if flags & DONE:
                break
        if error:
            raise error
        return chunks

    def call(self, command, offset=0, length=0, flags=0, payload=b""):
        return self.finish(self.send(command, offset, length, flags, payload))

    def read(self, offset, length, flags=0):
        chunks = self.call(READ, offset, length, flags)
        if self.headers == SIMPLE:
            return recv_exact(self.sock, length)
        data = bytearray(length)
        for kind, payload in chunks:
            if kind == DATA:
                start = struct.unpack(">Q", payload[:8])[0] - offset
                data[start:start + len(payload) - 8] = payload[8:]
        return bytes(data)

    def write(self, offset, data, flags=0):
        self.call(WRITE, offset, len(data), flags, data)

    def extents(self, offset, length, flags=0):
        """{context: [(length, status)]}"""
        found = {}
        for kind, payload in self.call(STATUS, offset, length, flags):
            if kind == EXTENTS:
                pairs, start = struct.Struct(">II"), 4
            elif kind == EXTENTS_EXT:
                pairs, start = struct.Struct(">QQ"), 8
            else:
                continue
            context = struct.unpack(">I", payload[:4])[0]
            found[self.contexts[context]] = list(
                pairs.iter_unpack(payload[start:]))
        return found

    def close(self):
        """As one should."""
        self.send(DISC)
        self.sock.close()


def content(peer, export=None, piece=8 << 20):
    """All that @peer holds."""
    export = peer.export if export is None else export
    with Client(peer).open(export) as client:
        return b"".join(
            client.read(at, min(piece, client.size - at))
            for at in range(0, client.size, piece))


def fill(peer, data, export=None, offset=0, piece=8 << 20):
    """@peer holds @data from @offset."""
    export = peer.export if export is None else export
    with Client(peer).open(export) as client:
        for at in range(0, len(data), piece):
            client.write(offset + at, data[at:at + piece])
        client.call(FLUSH)
        client.close()
