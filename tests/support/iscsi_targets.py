# SPDX-License-Identifier: BSD-3-Clause
"""iscsi_targets - iSCSI targets for as long as a test needs them.

    with iscsi_targets.Tgt(directory) as target:
        target.add(1, "disk.raw", readonly=1)
        vdisk_img("info", target.url(1))
    with iscsi_targets.Relay(target.port, cut=100000) as relay:
        vdisk_img("info", target.url(1, port=relay.port))
    with iscsi_targets.Script(answer) as target:   # answer(script, cdb, data)
        vdisk_img_fails("info", target.url())

Tgt is Linux's target in user space (package tgt).  A Relay stands in front of
one and hangs up.  A Script is a target in Python whose manners are up to the
test; it has one unit, a disk of 1 MiB in memory.
"""
import ctypes
import os
import shutil
import signal
import socket
import struct
import subprocess
import threading
import time

from tap import Skip
from tools import Failed, free_port

ADDRESS = "127.0.0.1"
START_SECONDS = 60
IQN = "iqn.2024-01.test:disk"

_libc = ctypes.CDLL(None)


def need_sbin(program):
    path = shutil.which(program, path=os.environ.get("PATH", "") +
                        ":/usr/sbin:/sbin")
    if not path:
        raise Skip("%s is not installed" % program)
    return path


class Url:
    port = None

    def url(self, lun=1, user=None, port=None, iqn=IQN, **query):
        keys = "&".join("%s=%s" % (key.replace("_", "-"), value)
                        for key, value in query.items())
        return "iscsi://%s%s:%d/%s/%d%s" % (
            user + "@" if user else "", ADDRESS, port or self.port, iqn, lun,
            "?" + keys if keys else "")


class Tgt(Url):
    """What is added is there again when it is started anew.  It wants to be
    root, and is reached by tgtadm through a socket in @directory."""

    def __init__(self, directory):
        self.tgtd, self.tgtadm = need_sbin("tgtd"), need_sbin("tgtadm")
        if os.geteuid() != 0:
            raise Skip("tgtd wants to be root")
        os.makedirs(directory, exist_ok=True)
        self.env = dict(os.environ,
                        TGT_IPC_SOCKET=os.path.join(directory, "control"))
        self.log = os.path.join(directory, "tgtd.log")
        self.process = None
        self.port = free_port(ADDRESS)
        self.words = []

    def adm(self, *words, check=True):
        done = subprocess.run(
            [self.tgtadm, "--lld", "iscsi", *map(str, words)], env=self.env,
            capture_output=True, timeout=START_SECONDS, check=False)
        if check and done.returncode:
            raise Failed("tgtadm %s: %s" % (words, done.stderr))
        return done

    def define(self, *words):
        self.adm(*words)
        self.words.append(words)

    def add(self, lun, path, blocksize=512, **params):
        self.define("--op", "new", "--mode", "logicalunit", "--tid", 1,
                    "--lun", lun, "-b", path, "--blocksize", blocksize)
        if params:
            self.define("--op", "update", "--mode", "logicalunit", "--tid", 1,
                        "--lun", lun, "--params",
                        ",".join("%s=%s" % p for p in params.items()))

    def account(self, user, password):
        """From now on nobody else is let in."""
        self.define("--op", "new", "--mode", "account", "--user", user,
                    "--password", password)
        self.define("--op", "bind", "--mode", "account", "--tid", 1, "--user",
                    user)

    def start(self):
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(
                [self.tgtd, "-f", "--iscsi",
                 "portal=%s:%d" % (ADDRESS, self.port)],
                env=self.env, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                preexec_fn=lambda: _libc.prctl(1, signal.SIGKILL))
        deadline = time.monotonic() + START_SECONDS
        while self.adm("--op", "show", "--mode", "sys", check=False).returncode:
            if self.process.poll() is not None or time.monotonic() > deadline:
                with open(self.log, encoding="utf-8") as log:
                    raise Failed("tgtd: " + log.read())
            time.sleep(0.02)
        for words in self.words:
            self.adm(*words)

    def kill(self):
        self.process.kill()
        self.process.wait()

    def __enter__(self):
        self.start()
        for words in (("--op", "new", "--mode", "target", "--tid", 1, "-T",
                       IQN),
                      ("--op", "bind", "--mode", "target", "--tid", 1, "-I",
                       ADDRESS)):
            self.define(*words)
        return self

    def __exit__(self, *_):
        self.kill()


class Listener:
    """A thread for each connection."""

    def __init__(self):
        self.sock = socket.create_server((ADDRESS, 0))
        self.port = self.sock.getsockname()[1]
        self.lock = threading.Lock()
        self.open = []
        self.accepted = 0

    def serve(self, conn, number):
        raise NotImplementedError

    def run(self, conn, number):
        try:
            self.serve(conn, number)
        except (OSError, EOFError):
            pass
        finally:
            conn.close()

    def accept(self):
        while True:
            try:
                conn, _ = self.sock.accept()
            except OSError:
                return
            with self.lock:
                self.open.append(conn)
                number = self.accepted
                self.accepted += 1
            threading.Thread(target=self.run, args=(conn, number),
                             daemon=True).start()

    def __enter__(self):
        threading.Thread(target=self.accept, daemon=True).start()
        return self

    def hang_up(self):
        with self.lock:
            for conn in self.open:
                try:
                    conn.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass
            self.open.clear()

    def refuse(self):
        """No more connections: from now on nobody listens."""
        try:
            self.sock.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass  # again
        self.sock.close()

    def __exit__(self, *_):
        self.refuse()
        self.hang_up()


class Relay(Listener, Url):
    """@cut: the first connection ends after so many bytes, "down" from the
    target or "up" to it; then on_cut() is called, before any other connection
    is let through."""

    def __init__(self, port, cut=None, direction="down", on_cut=None):
        super().__init__()
        self.target = port
        self.cut, self.direction = cut, direction
        self.on_cut = on_cut
        self.cuts = 0
        self.ready = threading.Lock()

    def pump(self, source, sink, limit):
        while True:
            want = 65536 if limit is None else min(65536, limit)
            data = source.recv(want) if want else b""
            if not data:
                return limit == 0
            sink.sendall(data)
            if limit is not None:
                limit -= len(data)

    def one_way(self, source, sink, limit):
        cut = False
        try:
            cut = self.pump(source, sink, limit)
        except OSError:
            pass
        if cut:
            with self.ready:
                self.cuts += 1
                if self.on_cut:
                    self.on_cut()
        for sock in (source, sink):
            try:
                sock.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def serve(self, conn, number):
        limits = {}
        if number == 0 and self.cut is not None:
            limits[self.direction] = self.cut
        with self.ready:
            there = socket.create_connection((ADDRESS, self.target))
        with there:
            up = threading.Thread(target=self.one_way, daemon=True,
                                  args=(conn, there, limits.get("up")))
            up.start()
            self.one_way(there, conn, limits.get("down"))
            up.join()


class Answer:
    """Of a command: @data for reads; @sense = (key, asc and qualifier)."""

    def __init__(self, status=0, data=b"", sense=None, residual=True):
        self.status = 2 if sense else status
        self.data = data
        self.sense = sense
        self.residual = residual  # what is missing is told


class Script(Listener, Url):
    SIZE = 1 << 20
    PIECE = 1 << 17

    def __init__(self, answer=None, login=None):
        super().__init__()
        self.answer = answer   # (script, cdb, data) -> Answer, or None: as usual
        self.login = login     # (script, text) -> (class, detail, text) or None
        self.disk = bytearray(os.urandom(self.SIZE))
        self.names = b"\0\x83\0\x0c\x01\x03\0\x08" + b"\x51" + bytes(7)
        self.state = {}        # the test's

    # -- PDUs -----------------------------------------------------------------

    @staticmethod
    def exact(conn, length):
        data = b""
        while len(data) < length:
            more = conn.recv(length - len(data))
            if not more:
                raise EOFError
            data += more
        return data

    def receive(self, conn):
        head = self.exact(conn, 48)
        length = int.from_bytes(head[5:8], "big")
        data = self.exact(conn, (length + 3) // 4 * 4)[:length]
        return head, data

    def send(self, conn, head, data=b"", serial=0):
        head = bytearray(head.ljust(48, b"\0"))
        head[5:8] = len(data).to_bytes(3, "big")
        expected = (serial + 1) & 0xffffffff
        struct.pack_into(">I", head, 28, expected)
        struct.pack_into(">I", head, 32, expected + 32 & 0xffffffff)
        conn.sendall(bytes(head) + data + bytes(-len(data) % 4))

    # -- the protocol ---------------------------------------------------------

    def log_in(self, conn, head, data):
        """True: it goes on with commands."""
        flags = head[1]
        texts = {0: b"AuthMethod=None\0TargetPortalGroupTag=1\0",
                 1: b"HeaderDigest=None\0DataDigest=None\0InitialR2T=Yes\0"
                    b"ImmediateData=Yes\0MaxRecvDataSegmentLength=262144\0"
                    b"FirstBurstLength=262144\0MaxBurstLength=262144\0"}
        done = self.login and self.login(self, data)
        kind, detail, text = done or (0, 0, texts[flags >> 2 & 3])
        reply = bytearray(48)
        reply[0], reply[1] = 0x23, 0 if kind else flags
        reply[8:14] = head[8:14]
        reply[15] = 1
        reply[16:20] = head[16:20]
        reply[36], reply[37] = kind, detail
        self.send(conn, reply, text,
                  struct.unpack_from(">I", head, 24)[0] - 1)
        return not kind and flags & 0x83 == 0x83

    def respond(self, conn, head, answer, serial):
        wanted = struct.unpack_from(">I", head, 20)[0]
        missing = wanted - len(answer.data)
        reply = bytearray(48)
        reply[16:20] = head[16:20]
        reply[20:24] = b"\xff" * 4
        struct.pack_into(">I", reply, 24, self.statsn(conn))
        flags = 0x80
        if head[1] & 0x40 and missing > 0 and answer.residual:
            flags |= 2
            struct.pack_into(">I", reply, 44, missing)
        if answer.status == 0 and answer.data:
            self.respond_with_data(conn, reply, flags, answer.data[:wanted],
                                   serial)
            return
        reply[0], reply[1], reply[3] = 0x21, flags, answer.status
        data = b""
        if answer.sense:
            key, code = answer.sense
            sense = bytes((0x70, 0, key, 0, 0, 0, 0, 10, 0, 0, 0, 0,
                           code >> 8, code & 0xff, 0, 0, 0, 0))
            data = len(sense).to_bytes(2, "big") + sense
        self.send(conn, reply, data, serial)

    def respond_with_data(self, conn, reply, flags, data, serial):
        for number, at in enumerate(range(0, len(data), self.PIECE)):
            last = at + self.PIECE >= len(data)
            reply[0], reply[1] = 0x25, flags | 1 if last else 0
            struct.pack_into(">II", reply, 36, number, at)
            self.send(conn, reply, data[at:at + self.PIECE], serial)

    def statsn(self, conn):
        with self.lock:
            number = self.state.get(conn, 1)
            self.state[conn] = number + 1
        return number

    def serve(self, conn, number):
        while True:
            head, data = self.receive(conn)
            if self.log_in(conn, head, data):
                break
        while True:
            head, data = self.receive(conn)
            opcode = head[0] & 0x3f
            serial = struct.unpack_from(">I", head, 24)[0]
            if opcode == 0x06:
                self.send(conn, bytes((0x26, 0x80)) + bytes(14) + head[16:20],
                          serial=serial - 1)
            if opcode != 0x01:
                return
            cdb = head[32:48]
            answer = self.answer and self.answer(self, cdb, data)
            self.respond(conn, head, answer or self.usual(cdb, data), serial)

    # -- the unit -------------------------------------------------------------

    def usual(self, cdb, data):
        if cdb[0] == 0x12 and not cdb[1]:
            return Answer(data=bytes((0, 0, 6, 2, 31)) + bytes(31))
        if cdb[0] == 0x12 and cdb[2] == 0x83:
            return Answer(data=self.names)
        if cdb[0] == 0x9e and cdb[1] & 0x1f == 0x10:
            return Answer(data=struct.pack(">QI", self.SIZE // 512 - 1, 512) +
                          bytes(20))
        if cdb[0] == 0x1a:
            return Answer(data=bytes((23, 0, 0, 0, 8, 18, 4)) + bytes(17))
        if cdb[0] in (0x28, 0x2a):
            at = struct.unpack_from(">I", cdb, 2)[0] * 512
            length = struct.unpack_from(">H", cdb, 7)[0] * 512
            if cdb[0] == 0x28:
                return Answer(data=bytes(self.disk[at:at + length]))
            self.disk[at:at + length] = data
            return Answer()
        if cdb[0] in (0x00, 0x35):
            return Answer()
        return Answer(sense=(5, 0x2000))
