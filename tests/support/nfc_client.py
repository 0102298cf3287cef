# SPDX-License-Identifier: BSD-3-Clause
"""nfc_client - NFC from the client's side, with plain sockets.

    ticket = get_ticket(soap, vm, "NfcGetVmFiles")
    nfc = NfcClient(ticket, over_tls=True)
    handle = nfc.open("[ds] a/a.vmdk")
    nfc.read(handle, 0, 512)

Refused requests raise Refused with the code; what breaks the protocol is an
AssertionError, what breaks the connection an OSError or EOFError.
"""
import hashlib
import os
import socket
import ssl
import struct
import zlib

from soap_client import element, reference

MAGIC = 0xA100DA7A
READ_ONLY, READ_WRITE = 0x1e, 0x1a
NONE, ZLIB, FASTLZ, SKIPZ = range(4)


class Refused(Exception):
    def __init__(self, code):
        super().__init__("refused with code %#x" % code)
        self.code = code


def get_ticket(client, vm, operation, key=None, host=None):
    """A HostServiceTicket as a dictionary."""
    content = client.call("RetrieveInternalContent",
                          ("ServiceInstance", "ServiceInstance"))
    service = content.find("returnval/nfcService")
    inner = [reference("vm", ("VirtualMachine", vm))]
    if key is not None:
        inner.append(element("diskDeviceKey", key))
    if host is not None:
        inner.append(reference("hostForAccess", ("HostSystem", host)))
    answer = client.call(operation, (service.get("type"), service.text), *inner)
    return {node.tag: node.text for node in answer.find("returnval")}


def any_certificate():
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def digest(tls, algorithm):
    raw = hashlib.new(algorithm, tls.getpeercert(True)).digest()
    return ":".join("%02X" % byte for byte in raw)


def bare(tls):
    """The socket below a TLS session that is abandoned."""
    return socket.socket(fileno=os.dup(tls.fileno()))


def unskipz(data, size):
    out = bytearray(size)
    total, zero = struct.unpack_from("<II", data)
    assert (total, zero) == (size, 0)
    at = 8
    while at < len(data):
        offset, length = struct.unpack_from("<II", data, at)
        out[offset:offset + length] = data[at + 8:at + 8 + length]
        at += 8 + length
    assert len(out) == size
    return bytes(out)


def unfastlz(data, size):
    """Both levels, from the description of the format."""
    level, out, at = data[0] >> 5, bytearray(), 0
    while at < len(data):
        op = data[at] & 31 if at == 0 else data[at]
        at += 1
        if op < 32:
            out += data[at:at + op + 1]
            at += op + 1
            continue
        length, back = (op >> 5) + 2, (op & 31) << 8
        while op >> 5 == 7:
            length += data[at]
            at += 1
            if level == 0 or data[at - 1] != 255:
                break
        low = data[at]
        at += 1
        if level == 1 and low == 255 and op & 31 == 31:
            back = (data[at] << 8 | data[at + 1]) + 8191
            at += 2
        else:
            back += low
        for _ in range(length):
            out.append(out[-back - 1])
    assert len(out) == size
    return bytes(out)


EXPAND = {
    NONE: lambda data, size: data,
    ZLIB: lambda data, size: zlib.decompress(data),
    FASTLZ: unfastlz,
    SKIPZ: unskipz,
}


class Authd:
    """The lines up to PROXY."""

    def __init__(self, ticket, default_port=None):
        port = int(ticket.get("port", 0)) or default_port
        self.ticket = ticket
        self.socket = socket.create_connection(
            (ticket.get("host", "127.0.0.1"), port), 30)
        self.banner = self.line(self.socket)
        assert self.banner.startswith("220 "), self.banner
        self.tls = any_certificate().wrap_socket(self.socket)
        assert digest(self.tls, "sha1") == ticket["sslThumbprint"]

    @staticmethod
    def line(sock):
        text = b""
        while not text.endswith(b"\r\n"):
            byte = sock.recv(1)
            if not byte:
                raise EOFError("authd has gone")
            text += byte
        return text[:-2].decode()

    def say(self, text, answered=True):
        self.tls.sendall(text.encode() + b"\r\n")
        return self.line(self.tls) if answered else None

    def close(self):
        self.tls.close()


class NfcClient:
    def __init__(self, ticket, over_tls=False, buffer=0, port=None):
        self.authd = Authd(ticket, port)
        self.authd.say("SESSION " + ticket["sessionId"], answered=False)
        assert self.authd.say("BANNER ").startswith("220 ")
        print_of_nfc = self.authd.say("THUMBPRINT_SHA2 PlainText")
        assert print_of_nfc.startswith("200 "), print_of_nfc
        service = ticket["service"] + ("ssl" if over_tls else "")
        answer = self.authd.say("PROXY " + service)
        assert answer == "200 Connect ha-nfc" + ("ssl" if over_tls else ""), \
            answer
        self.socket = bare(self.authd.tls)
        if over_tls:
            self.socket = any_certificate().wrap_socket(self.socket)
            assert digest(self.socket, "sha256") == print_of_nfc[4:]
        self.socket.settimeout(120)
        self.operation = 0
        self.buffer = buffer or 65536
        self.classic()
        self.ask(2, struct.pack("<IIII", 0, buffer, 4 if buffer else 0, 0))
        self.ask(9, bytes(12))
        self.ask(22, struct.pack("<I", 1))

    def close(self):
        self.socket.close()
        self.authd.close()

    # -- classic messages -----------------------------------------------------

    def message(self, kind, body=b""):
        self.socket.sendall(struct.pack("<I", kind) + body.ljust(260, b"\0"))

    def reply(self, kind):
        got = self.receive(264)
        assert struct.unpack_from("<I", got)[0] == kind, got[:32]
        return got

    def classic(self):
        self.message(43, b"PlainText")
        self.message(33)
        self.reply(36)
        self.message(51, struct.pack("<I", 11))
        assert struct.unpack_from("<I", self.reply(51), 4)[0] >= 3
        self.message(54, struct.pack("<II", 4, 7))
        self.socket.sendall(b"vddk" + b"nbdmode")
        self.message(55, struct.pack("<I", 3))
        self.message(52)
        self.reply(52)

    # -- AIO frames -----------------------------------------------------------

    def receive(self, count):
        data = b""
        while len(data) < count:
            part = self.socket.recv(count - len(data))
            if not part:
                raise EOFError("NFC has gone")
            data += part
        return data

    def send(self, kind, payload, extra=b"", operation=None):
        """The request's number."""
        if operation is None:
            operation = self.operation
            self.operation += 1
        self.socket.sendall(struct.pack("<IIII", MAGIC, kind, len(payload),
                                        operation) + payload + extra)
        return operation

    def frame(self):
        """(type, number, payload) of the frame that comes next."""
        magic, kind, size, operation = struct.unpack(
            "<IIII", self.receive(16))
        assert magic == MAGIC, hex(magic)
        payload = self.receive(size)
        if kind == 1:
            raise Refused(struct.unpack_from("<I", payload)[0])
        return kind, operation, payload

    def ask(self, kind, payload, extra=b""):
        operation = self.send(kind, payload, extra)
        got = self.frame()
        assert got[:2] == (kind, operation), got
        return got[2]

    def open(self, path, flags=READ_ONLY):
        """The handle; the capacity is in self.capacity."""
        raw = path.encode()
        payload = struct.pack("<IIIIII", len(raw), 0, 0, 0, 2, flags)
        got = self.ask(4, payload.ljust(60, b"\0"), raw)
        handle, kind, echoed, _, self.capacity, size = struct.unpack_from(
            "<QIIIQI", got, 8)
        assert (kind, echoed, size) == (2, flags, 512)
        return handle

    def close_file(self, handle):
        self.ask(5, struct.pack("<Q", handle))

    def finish(self):
        """The polite end of a session without open files."""
        self.ask(3, struct.pack("<I", 0))
        self.message(4)
        self.close()

    @staticmethod
    def record(handle, direction, compression, offset, total, at, length,
               extra):
        return struct.pack("<QIIQIIIII", handle, direction, compression,
                           offset, total, at, length, extra, 0)

    def send_read(self, handle, offset, length, compression=NONE):
        return self.send(7, self.record(handle, 1, compression, offset, length,
                                        0, length, length))

    def fragment(self):
        """(number, compression, offset of the fragment, its data)."""
        kind, operation, payload = self.frame()
        assert kind == 7 and len(payload) == 44
        fields = struct.unpack("<QIIQIIIII", payload)
        assert fields[0] == 0 and fields[1] == 1 and fields[8] == 0
        _, _, compression, _, _, at, length, extra, _ = fields
        data = EXPAND[compression](self.receive(extra), length)
        assert len(data) == length
        return operation, compression, at, data

    def read(self, handle, offset, length, compression=NONE, seen=None):
        """@seen takes (compression, offset, length) of each fragment."""
        operation = self.send_read(handle, offset, length, compression)
        data = bytearray(length)
        done = 0
        while done < length:
            number, kind, at, part = self.fragment()
            assert number == operation
            data[at:at + len(part)] = part
            done += len(part)
            if seen is not None:
                seen.append((kind, at, len(part)))
        return bytes(data)

    def send_write(self, handle, offset, data, pack=None):
        """@pack makes (compression, bytes) of a fragment."""
        operation = self.operation
        self.operation += 1
        for at in range(0, len(data), self.buffer):
            part = data[at:at + self.buffer]
            kind, extra = pack(part) if pack else (NONE, part)
            self.send(7, self.record(handle, 0, kind, offset, len(data), at,
                                     len(part), len(extra)), extra, operation)
        return operation

    def write(self, handle, offset, data, pack=None):
        operation = self.send_write(handle, offset, data, pack)
        kind, number, payload = self.frame()
        assert (kind, number, len(payload)) == (7, operation, 44)

    def database(self, handle, key):
        """A value of the disk's database; None if it is not there."""
        raw = key.encode()
        got = self.ask(11, struct.pack("<QII", handle, len(raw), 0), raw)
        length = struct.unpack_from("<I", got, 12)[0]
        return self.receive(length).decode() if length else None

    def allocated(self, handle, chunk, start, count):
        """Numbers of the chunks that are stored."""
        got = self.ask(13, struct.pack("<QQQQQQ", handle, 0, chunk, start,
                                       count, 0))
        assert struct.unpack_from("<Q", got, 32)[0] == count
        bits = self.receive((count + 31) // 32 * 4)
        return [i for i in range(count) if bits[i // 8] >> i % 8 & 1]
