# SPDX-License-Identifier: BSD-3-Clause
"""nbd_peers - NBD servers for as long as a test needs them.

    with nbd_peers.nbdkit("memory", "10M") as peer:
        vdisk_img("info", peer.uri())
    with nbd_peers.qemu_nbd("disk.raw", link=Link("tcp", "x509", certs)) as peer:
        run(["nbdinfo", peer.uri()])

Each listens on a Unix socket of its own directory or on a free port of
127.0.0.1, is there when the block begins (it has greeted), is stopped whatever
happens, and dies with the test.  A case fails if the server ended or crashed
meanwhile; of ours also if it did not end well.
"""
import contextlib
import ctypes
import os
import signal
import socket
import subprocess
import time
import urllib.parse

from nbd_certs import HOST, PSK_USER
from tap import Skip
from tools import (BUILD_ROOT, CRASH_MARKS, Failed, free_port, need,
                   scratch)

START_SECONDS = 60
STOP_SECONDS = 60
GREETING = b"NBDMAGIC"
UNIX_CONNECTED = "03"  # in /proc/net/unix
ADDRESS = "127.0.0.1"

VDISK_NBD = os.environ.get(
    "VDISK_NBD", os.path.join(BUILD_ROOT, "tools/nbd/vdisk-nbd"))

_libc = ctypes.CDLL(None)


class Link:
    """How server and client meet: @transport = unix or tcp, @tls = None, x509
    or psk with the client's @certs (a Certs).  @server_dir, @client_dir: other
    folders than the good one; @host: the name that the client wants to see."""

    def __init__(self, transport="unix", tls=None, certs=None, server_dir=None,
                 client_dir=None, host=None):
        self.transport = transport
        self.tls = tls
        self.certs = certs
        self.server_dir = server_dir or (certs and certs.good)
        self.client_dir = client_dir or (certs and certs.good)
        self.host = host

    def __str__(self):
        return "%s, %s" % (self.transport, self.tls or "plain")

    def wants_name(self):
        """On a Unix socket nothing else tells who the server should be."""
        return self.tls == "x509" and (self.host or self.transport == "unix")


class Peer:
    """A running server; start() made it."""

    def __init__(self, name, link, directory):
        self.name = name
        self.link = link
        self.directory = directory
        self.socket = os.path.join(directory, "nbd.sock")
        self.port = None
        self.export = ""
        self.process = None
        self.log_path = os.path.join(directory, "server.log")
        self.expect_exit = False  # a test that wants it to end says so

    # -- where it is ----------------------------------------------------------

    def address(self):
        """(family, address) for a socket of Python's."""
        if self.link.transport == "unix":
            return socket.AF_UNIX, self.socket
        return socket.AF_INET, (ADDRESS, self.port)

    def uri(self, export=None, more=()):
        """As our client and libnbd read it; @more: further key=value words."""
        export = self.export if export is None else export
        words = list(more)
        user = ""
        if self.link.tls == "x509":
            words.append("tls-certificates=" + self.link.client_dir)
        elif self.link.tls == "psk":
            words.append("tls-psk-file=" + self.link.certs.psk_file)
            user = PSK_USER + "@"
        if self.link.wants_name():
            words.append("tls-hostname=" + (self.link.host or HOST))
        scheme = "nbds" if self.link.tls else "nbd"
        path = urllib.parse.quote(export, safe="")
        if self.link.transport == "unix":
            start = "%s+unix://%s/%s" % (scheme, user, path)
            words.insert(0, "socket=" + self.socket)
        else:
            start = "%s://%s%s:%d/%s" % (scheme, user, ADDRESS, self.port, path)
        return start + ("?" + "&".join(words) if words else "")

    def for_qemu(self, export=None):
        """(words for --object, image options) of qemu's tools."""
        export = self.export if export is None else export
        where = "server.type=unix,server.path=" + self.socket
        if self.link.transport == "tcp":
            where = "server.type=inet,server.host=%s,server.port=%d" % (
                ADDRESS, self.port)
        options = "driver=nbd,%s,export=%s" % (where, export)
        if not self.link.tls:
            return [], options
        options += ",tls-creds=tls0"
        if self.link.wants_name():
            options += ",tls-hostname=" + (self.link.host or HOST)
        return ["--object", qemu_creds(self.link, "client")], options

    # -- life -----------------------------------------------------------------

    def spawn(self, argv):
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen(
                argv, stdin=subprocess.PIPE, stdout=log, stderr=log,
                preexec_fn=die_with_parent,
                env=dict(os.environ, LC_ALL="C.UTF-8"))

    def greets(self):
        """Does somebody speak NBD there?"""
        family, address = self.address()
        with socket.socket(family, socket.SOCK_STREAM) as sock:
            sock.settimeout(5)
            try:
                sock.connect(address)
                return sock.recv(8, socket.MSG_WAITALL) == GREETING
            except OSError:
                return False

    def wait_until_up(self):
        """False: it has ended, perhaps because the port was taken."""
        end = time.monotonic() + START_SECONDS
        while True:
            if self.process.poll() is not None:
                return False
            if self.greets() and self.process.poll() is None:
                return True
            if time.monotonic() > end:
                raise Failed("%s does not come up" % self.name)
            time.sleep(0.005)

    def clients(self):
        """Connections of its Unix socket that it has not closed; what a client
        sent that is gone may still be done on them."""
        with open("/proc/net/unix", encoding="utf-8", errors="replace") as file:
            rows = [line.split() for line in file]
        return sum(row[-1] == self.socket and row[5] == UNIX_CONNECTED
                   for row in rows)

    def wait_until_left(self):
        end = time.monotonic() + START_SECONDS
        while self.clients() > 0:
            if time.monotonic() > end:
                raise Failed("%s does not close its connections" % self.name)
            time.sleep(0.001)

    def stop(self):
        if self.process.poll() is not None:
            if not self.expect_exit:
                raise Failed("%s ended with %d meanwhile" % (
                    self.name, self.process.returncode))
            return
        if self.name != "nbd-server":
            self.process.send_signal(signal.SIGTERM)
        self.process.stdin.close()
        try:
            code = self.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            raise Failed("%s does not end" % self.name) from None
        if code != 0 and self.name != "qemu-nbd" and not self.expect_exit:
            raise Failed("%s ended with %d" % (self.name, code))

    def kill(self):
        """Without a chance to say good-bye."""
        self.expect_exit = True
        self.process.kill()
        self.process.wait()

    def finish(self):
        if self.process and self.process.poll() is None:
            self.process.stdin.close()
            if self.name != "nbd-server":
                self.process.kill()
            self.process.wait()

    def log(self):
        with open(self.log_path, encoding="utf-8", errors="replace") as file:
            return file.read()

    def expect_no_crash(self):
        log = self.log()
        for mark in CRASH_MARKS:
            if self.name == "vdisk-nbd" and mark.decode() in log:
                raise Failed("%s in its log:\n%s" % (mark.decode(), log))


def die_with_parent():
    _libc.prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG


def qemu_creds(link, endpoint):
    if link.tls == "psk":
        user = ",username=" + PSK_USER if endpoint == "client" else ""
        return "tls-creds-psk,id=tls0,endpoint=%s,dir=%s%s" % (
            endpoint, link.certs.psk_dir, user)
    folder = link.server_dir if endpoint == "server" else link.client_dir
    return "tls-creds-x509,id=tls0,endpoint=%s,dir=%s,verify-peer=yes" % (
        endpoint, folder)


@contextlib.contextmanager
def serve(name, link, make_argv, export=""):
    """The server whose command line is make_argv(peer)."""
    with scratch() as directory:
        peer = Peer(name, link or Link(), directory)
        peer.export = export
        try:
            start(peer, make_argv)
            yield peer
            peer.stop()
        except Skip:
            raise
        except Exception as failure:
            peer.finish()
            raise Failed("%s\n--- the log of %s ends with\n%s" % (
                failure, name, peer.log()[-4000:])) from failure
        finally:
            peer.finish()
        peer.expect_no_crash()


def start(peer, make_argv):
    open(peer.log_path, "wb").close()
    for _ in range(5):
        if peer.link.transport == "tcp":
            peer.port = free_port(ADDRESS)  # somebody else may take it first
        peer.spawn(make_argv(peer))
        if peer.wait_until_up():
            return
        if peer.link.transport == "unix":
            break
    raise Failed("%s did not start, exit %d" % (
        peer.name, peer.process.returncode))


# -- the servers ---------------------------------------------------------------

def nbdkit(*args, link=None, options=(), export=""):
    """@args: plugin and its parameters; @options: nbdkit's own."""
    def argv(peer):
        words = [need("nbdkit"), "--foreground", "--exit-with-parent"]
        if peer.link.transport == "unix":
            words += ["--unix", peer.socket]
        else:
            words += ["--ipaddr", ADDRESS, "--port", str(peer.port)]
        if peer.link.tls == "x509":
            words += ["--tls=require", "--tls-verify-peer",
                      "--tls-certificates=" + peer.link.server_dir]
        elif peer.link.tls == "psk":
            words += ["--tls=require", "--tls-psk=" + peer.link.certs.psk_file]
        return words + [*options, *map(str, args)]
    return serve("nbdkit", link, argv, export)


def place_and_image(peer, path, args, fmt, export):
    """Words that both servers take."""
    words = ["--socket", peer.socket] if peer.link.transport == "unix" else \
        ["--bind", ADDRESS, "--port", str(peer.port)]
    if export:
        words += ["--export-name", export]
    words += ["--image-opts"] if fmt is None else ["--format", fmt]
    return words + [*args, str(path)]


def qemu_nbd(path, *args, link=None, fmt="raw", clients=0, export=""):
    """@clients: how many at once, 0 = any number; @fmt None: @path is a word
    for --image-opts."""
    def argv(peer):
        words = [need("qemu-nbd"), "--persistent", "--shared=%d" % clients]
        if peer.link.tls:
            words += ["--object", qemu_creds(peer.link, "server"),
                      "--tls-creds", "tls0"]
        return words + place_and_image(peer, path, args, fmt, export)
    return serve("qemu-nbd", link, argv, export)


# It is a daemon, always: something has to look after it.  It ends when the test
# lets go of the pipe, or is gone.
KEEPER = """
nbd-server -C "$0" -p "$1" || exit 1
read -r _
kill "$(cat "$1")"
"""


def nbd_server(path, link=None, read_only=False, more=()):
    """Its only export has the name "disk"; @more: lines for it."""
    def argv(peer):
        lines = ["[generic]", "allowlist=true"]
        if peer.link.transport == "unix":
            lines.append("unixsock=" + peer.socket)
        else:
            lines += ["listenaddr=" + ADDRESS, "port=%d" % peer.port]
        if peer.link.tls:
            lines += ["force_tls=true"]
            for key, name in (("cacertfile", "ca-cert"), ("keyfile", "server-key"),
                              ("certfile", "server-cert")):
                lines.append("%s=%s/%s.pem" % (key, peer.link.server_dir, name))
        lines += ["[disk]", "exportname=" + os.path.abspath(path),
                  "flush=true", "fua=true", "trim=true",
                  "readonly=%s" % ("true" if read_only else "false"), *more]
        config = os.path.join(peer.directory, "config")
        with open(config, "w", encoding="utf-8") as file:
            file.write("\n".join(lines) + "\n")
        need("nbd-server")
        return ["sh", "-c", KEEPER, config, os.path.join(peer.directory, "pid")]
    return serve("nbd-server", link, argv, "disk")


def vdisk_nbd(path, *args, link=None, fmt="raw", clients=0, export=""):
    """As qemu_nbd(), whose options it has; @clients 0: the default."""
    def argv(peer):
        words = [VDISK_NBD, "--persistent"]
        if clients:
            words.append("--shared=%d" % clients)
        if peer.link.tls == "x509":
            words += ["--tls=require", "--tls-verify-peer",
                      "--tls-certificates=" + peer.link.server_dir]
        elif peer.link.tls == "psk":
            words += ["--tls=require", "--tls-psk=" + peer.link.certs.psk_file]
        return words + place_and_image(peer, path, args, fmt, export)
    return serve("vdisk-nbd", link, argv, export)
