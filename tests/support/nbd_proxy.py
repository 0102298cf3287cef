# SPDX-License-Identifier: BSD-3-Clause
"""nbd_proxy - stands between an NBD client and its server, and does harm.

    with nbd_proxy.between(server, Plan(cut=("down", 100), bad=2)) as proxy:
        vdisk_img("convert", proxy.uri(), "out.raw")

It understands where messages begin and end, by their magic; from the first byte
that is none of NBD's (TLS) on it sees bytes only.  Up is towards the server,
down towards the client.  A plan is for the first connections; later ones are
left alone.  Whatever was damaged so that the other end may wait for ever is hung
up soon afterwards.
"""
import contextlib
import os
import random
import socket
import struct
import threading
import time

import nbd_wire as wire
from nbd_script import shut
from tools import scratch

HANG_UP_SECONDS = 0.25
HOLD_SECONDS = 0.004  # replies that wait for others to be put before them
PIECES = 1500         # of a connection that is cut to pieces


class Plan:
    """What shall happen.  @seed decides what is not said.

    @bad          connections that suffer; 0 = all
    @cut          (direction, byte): the connection ends there
    @stall        (direction, byte): nothing more comes; @endless: and it does not
                  end, either
    @then         the plan of the connection after the bad ones
    @refuse       connections after the bad ones that are closed at once
    @delay        longest pause before a message, in seconds
    @fragment     most bytes that are sent at once
    @drip         (direction, byte): the next 40 bytes come one by one, slowly
    @corrupt      (reply, byte): that byte of the header of that reply changes
    @option       (reply, byte): the same in the handshake
    @flip         (direction, byte): that byte changes, whatever it is
    @repeat       this reply comes twice
    @insert       (direction, byte): some bytes of nothing come there
    @garbage      the same before that reply
    @reorder      most replies that others may overtake
    @swap         this reply and the next one change cookies
    """

    def __init__(self, seed=0, bad=1, **what):
        self.rng = random.Random(seed)
        self.bad = bad
        self.cut = self.stall = self.drip = self.corrupt = self.option = None
        self.flip = self.insert = self.repeat = self.swap = self.garbage = None
        self.endless = False
        self.then = None
        self.refuse = self.delay = self.fragment = self.reorder = 0
        for key, value in what.items():
            assert hasattr(self, key), key
            setattr(self, key, value)

    def at(self, what, direction):
        """The byte of @direction where that happens, or None."""
        place = getattr(self, what)
        return place[1] if place and place[0] == direction else None


NOTHING = Plan()


class Message:
    def __init__(self, kind, data, header, cookie=None):
        self.kind = kind      # "greeting", "option", "request", "reply", "bytes"
        self.data = bytearray(data)
        self.header = header  # bytes of it
        self.cookie = cookie


class Reader:
    """Messages of one direction of one connection."""

    def __init__(self, sock, reads):
        self.sock = sock
        self.reads = reads  # cookie: length, of READs without a chunk's length
        self.opaque = False
        self.first = True

    def some(self):
        data = self.sock.recv(65536)
        if not data:
            raise wire.Gone("end of file")
        return Message("bytes", data, 0)

    def exact(self, length):
        return wire.recv_exact(self.sock, length)


class Down(Reader):
    def next(self):
        if self.opaque:
            return self.some()
        if self.first:
            self.first = False
            return Message("greeting", self.exact(18), 18)
        start = self.exact(4)
        magic = struct.unpack(">I", start)[0]
        if magic == wire.OPTION_REPLY_MAGIC >> 32:
            head = start + self.exact(16)
            return Message("option", head + self.exact(wire.OPTION_REPLY.unpack(
                head)[3]), 20)
        if magic == wire.SIMPLE_MAGIC:
            head = start + self.exact(12)
            _, error, cookie = wire.SIMPLE_REPLY.unpack(head)
            length = 0 if error else self.reads.get(cookie, 0)
            return Message("reply", head + self.exact(length), 16, cookie)
        form = {wire.CHUNK_MAGIC: wire.CHUNK,
                wire.EXT_CHUNK_MAGIC: wire.EXT_CHUNK}.get(magic)
        if form:
            head = start + self.exact(form.size - 4)
            fields = form.unpack(head)
            return Message("reply", head + self.exact(fields[-1]), form.size,
                           fields[3])
        self.opaque = True
        return Message("bytes", start, 0)


class Up(Reader):
    def next(self):
        if self.opaque:
            return self.some()
        start = self.exact(4)
        if self.first:
            self.first = False
            return Message("greeting", start, 4)
        magic = struct.unpack(">I", start)[0]
        if magic == wire.OPTION_MAGIC >> 32:
            head = start + self.exact(12)
            return Message("option", head + self.exact(
                wire.OPTION.unpack(head)[2]), 16)
        form = {wire.REQUEST_MAGIC: wire.REQUEST,
                wire.EXT_REQUEST_MAGIC: wire.EXT_REQUEST}.get(magic)
        if form:
            head = start + self.exact(form.size - 4)
            _, _, command, cookie, _, length = form.unpack(head)
            # Cookies come again: qemu has one for all.
            self.reads[cookie] = length if command == wire.READ else 0
            payload = length if command == wire.WRITE else 0
            return Message("request", head + self.exact(payload), form.size,
                           cookie)
        self.opaque = True
        return Message("bytes", start, 0)


class Faucet:
    """Bytes of one direction on their way out."""

    def __init__(self, link, sock, direction, plan):
        self.link = link
        self.sock = sock
        self.plan = plan
        self.sent = 0
        self.pieces = 0
        # (byte, what to do there), in the order of the bytes
        self.stops = sorted(
            ((plan.at(what, direction), act) for what, act in (
                ("cut", self.cut), ("stall", self.stall), ("drip", self.drip),
                ("insert", self.insert), ("flip", self.flip))
             if plan.at(what, direction) is not None), key=lambda stop: stop[0])

    def write(self, data):
        data = bytes(data)
        while self.stops and self.sent + len(data) > self.stops[0][0]:
            at, act = self.stops.pop(0)
            here = max(0, at - self.sent)
            self.put(data[:here])
            data = act(data[here:])
        self.put(data)

    def put(self, data):
        size = self.plan.fragment
        while size and data and self.pieces < PIECES:
            self.pieces += 1
            piece = self.plan.rng.randint(1, size)
            self.out(data[:piece])
            data = data[piece:]
        self.out(data)

    def out(self, data):
        self.sock.sendall(data)
        self.sent += len(data)

    def cut(self, data):
        self.link.hang_up()
        raise wire.Gone("cut")

    def stall(self, data):
        if not self.plan.endless:
            self.link.doom()
        self.link.ended.wait()
        raise wire.Gone("stalled")

    def drip(self, data):
        for byte in data[:40]:
            if self.link.ended.wait(0.002):
                break
            self.out(bytes([byte]))
        return data[40:]

    def insert(self, data):
        self.put(self.noise())
        return data

    def noise(self):
        self.link.doom()
        return self.plan.rng.randbytes(self.plan.rng.randint(1, 40))

    def flip(self, data):
        self.link.doom()
        return bytes([data[0] ^ 1 << self.plan.rng.randrange(8)]) + data[1:]


class Link:
    """One connection through the proxy."""

    def __init__(self, client, server, plan, gentle):
        self.client = client
        self.server = server
        self.plan = plan
        self.gentle = gentle
        self.ended = threading.Event()
        self.held = []  # replies that wait
        self.replies = self.options = 0

    def hang_up(self):
        self.ended.set()
        with contextlib.suppress(OSError):
            self.client.shutdown(socket.SHUT_RDWR)
        with contextlib.suppress(OSError):
            self.server.shutdown(socket.SHUT_WR if self.gentle
                                 else socket.SHUT_RDWR)

    def doom(self):
        timer = threading.Timer(HANG_UP_SECONDS, self.hang_up)
        timer.daemon = True
        timer.start()

    def run(self):
        reads = {}
        up = threading.Thread(target=self.pump, daemon=True, args=(
            Up(self.client, reads),
            Faucet(self, self.server, "up", self.plan), self.pass_on))
        up.start()
        self.pump(Down(self.server, reads),
                  Faucet(self, self.client, "down", self.plan), self.harm)
        up.join()
        with contextlib.suppress(OSError):
            while self.gentle and self.server.recv(1 << 16):
                pass
        shut(self.client)
        shut(self.server)

    def pump(self, reader, faucet, do):
        try:
            while True:
                do(reader.next(), faucet)
        except (wire.Gone, OSError):
            self.hang_up()

    def pause(self):
        if self.plan.delay and self.plan.rng.random() < 0.3:
            self.ended.wait(self.plan.rng.random() * self.plan.delay)

    def pass_on(self, message, faucet):
        self.pause()
        faucet.write(message.data)

    # -- replies ----------------------------------------------------------------

    def harm(self, message, faucet):
        self.pause()
        copies = 1
        if message.kind == "option":
            if self.plan.option and self.plan.option[0] == self.options:
                self.spoil(message, self.plan.option[1])
            self.options += 1
        if message.kind == "reply":
            if self.plan.corrupt and self.plan.corrupt[0] == self.replies:
                self.spoil(message, noticeable(message, self.plan.corrupt[1]))
            if self.plan.repeat == self.replies:
                copies = 2
                self.doom()
            if self.plan.garbage == self.replies:
                faucet.put(faucet.noise())
            self.replies += 1
            if self.plan.swap is not None or self.plan.reorder:
                self.hold(message, faucet)
                return
        for _ in range(copies):
            faucet.write(message.data)

    def spoil(self, message, byte):
        message.data[byte % message.header] ^= 1 << self.plan.rng.randrange(8)
        self.doom()

    def hold(self, message, faucet):
        """Replies wait for company, but not for long."""
        self.held.append(message)
        # Whoever waits for the last reply would wait for ever.
        more = wait_readable(self.server, HOLD_SECONDS)
        if more and len(self.held) <= (self.plan.reorder or 1):
            return
        if self.plan.swap is not None and len(self.held) > 1 \
                and self.replies > self.plan.swap:
            self.swap_cookies(*self.held[:2])
        if self.plan.reorder:
            self.held = shuffled(self.held, self.plan.rng)
        for held in self.held:
            faucet.write(held.data)
        self.held = []

    def swap_cookies(self, one, other):
        if one.cookie == other.cookie or not confusable(one, other):
            return
        for message, cookie in ((one, other.cookie), (other, one.cookie)):
            message.data[8:16] = struct.pack(">Q", cookie)
        self.plan.swap = None
        self.plan.reorder = self.plan.reorder or 1
        self.doom()


def chunk_type(message):
    """None: a simple reply, which has none."""
    return struct.unpack(">H", message.data[6:8])[0] if message.header > 16 \
        else None


def noticeable(message, byte):
    """A byte of the header whose change nobody can miss: a reply with the cookie
    of another request is right for that one, unless it says where it belongs."""
    byte %= message.header
    if 12 <= byte < 16 and chunk_type(message) not in (wire.DATA, wire.HOLE):
        return byte - 12
    return byte


def confusable(one, other):
    """May their cookies be changed, as of two which anybody can tell apart, or
    whose meaning is the same?"""
    types = {chunk_type(one), chunk_type(other)}
    return types <= {wire.DATA, wire.HOLE} or types == {wire.NONE}


def wait_readable(sock, seconds):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        try:
            sock.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT)
            return True
        except BlockingIOError:
            time.sleep(0.0005)
        except OSError:
            return False
    return False


def shuffled(messages, rng):
    """In another order, but chunks of one reply in their own."""
    keys = [m.cookie for m in messages]
    rng.shuffle(keys)
    queues = {}
    for message in messages:
        queues.setdefault(message.cookie, []).append(message)
    return [queues[key].pop(0) for key in keys]


class Proxy:
    """@export, uri() and address() as those of a Peer."""

    def __init__(self, peer, plan, directory):
        self.peer = peer
        self.plan = plan
        self.socket = os.path.join(directory, "proxy.sock")
        self.export = peer.export
        self.connections = 0
        self.links = []

    def address(self):
        return socket.AF_UNIX, self.socket

    def uri(self, **kwargs):
        assert self.peer.link.transport == "unix"
        return self.peer.uri(**kwargs).replace(self.peer.socket, self.socket)

    def plan_for(self, number):
        bad = self.plan.bad
        if not bad or number < bad:
            return self.plan
        if self.plan.then and number == bad:
            return self.plan.then
        return None if number < bad + self.plan.refuse else NOTHING

    def serve(self, listener):
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            plan = self.plan_for(self.connections)
            self.connections += 1
            if not plan:
                shut(client)
                continue
            family, address = self.peer.address()
            server = socket.socket(family, socket.SOCK_STREAM)
            try:
                server.connect(address)
            except OSError:
                shut(client)
                server.close()
                continue
            # nbdkit 1.32 has an assertion that fails when two of its threads
            # see at once that nobody reads what they write.
            link = Link(client, server, plan, self.peer.name == "nbdkit")
            self.links.append(link)
            threading.Thread(target=link.run, daemon=True).start()


@contextlib.contextmanager
def between(peer, plan):
    """A proxy before @peer until the end of the block."""
    with scratch() as directory:
        proxy = Proxy(peer, plan, directory)
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
            listener.bind(proxy.socket)
            listener.listen(16)
            thread = threading.Thread(target=proxy.serve, args=(listener,),
                                      daemon=True)
            thread.start()
            try:
                yield proxy
            finally:
                listener.shutdown(socket.SHUT_RDWR)
                thread.join()
                for link in proxy.links:
                    link.hang_up()
