# SPDX-License-Identifier: BSD-3-Clause
"""http_servers - web servers for as long as a test needs them.

    with http_servers.Nginx(directory, certs) as server:
        vdisk_img("info", server.url("disk.raw"))
    with http_servers.Script(answer) as server:      # answer(request)
        vdisk_img_fails("info", server.url("disk.raw"))

Nginx serves DIRECTORY/www, plain and (with @certs, an nbd_certs.Certs) in TLS:

    /...       files, in parts
    /whole/... the same, as a whole only
    /auth/...  the same, for "user" with the password "pass word"
    /moved/... leads to the same below /
    /dav/...   takes new files

A Script is a server in Python whose manners are up to the test.
"""
import base64
import ctypes
import os
import shutil
import signal
import socket
import subprocess
import threading
import time

from tools import Failed, need

ADDRESS = "127.0.0.1"
START_SECONDS = 60
USER, PASSWORD = "user", "pass word"

_libc = ctypes.CDLL(None)


def listener():
    """On a port of its own, without anybody coming in between."""
    sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    sock.bind((ADDRESS, 0))
    sock.listen(64)
    return sock


class Nginx:
    def __init__(self, directory, certs=None):
        self.directory = directory
        self.root = os.path.join(directory, "www")
        self.certs = certs
        self.process = None
        for name in ("www", "www/dav", "tmp"):
            os.makedirs(os.path.join(directory, name), exist_ok=True)
        self.plain, self.tls = listener(), listener()
        self.port = self.plain.getsockname()[1]
        self.tls_port = self.tls.getsockname()[1]

    def url(self, path="", tls=False):
        return "http%s://%s:%d/%s" % ("s" if tls else "", ADDRESS,
                                      self.tls_port if tls else self.port,
                                      path)

    def path(self, *names):
        return os.path.join(self.root, *names)

    def config(self):
        tls = ""
        if self.certs:
            tls = "ssl_certificate %s/server-cert.pem;" \
                "ssl_certificate_key %s/server-key.pem;" % (
                    self.certs.good, self.certs.good)
        temps = "".join("%s_temp_path %s/tmp/%s;" % (
            name, self.directory, name) for name in (
                "client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
        places = """
            root {root};
            location /whole/ {{ alias {root}/; max_ranges 0; }}
            location /auth/ {{ alias {root}/; auth_basic secret;
                auth_basic_user_file {dir}/users; }}
            location /moved/ {{ rewrite ^/moved/(.*)$ /$1 redirect; }}
            client_max_body_size 0;
            location /dav/ {{ dav_methods PUT DELETE; }}
            """.format(root=self.root, dir=self.directory)
        return """
            daemon off; worker_processes 1; pid {dir}/pid; {user}
            error_log {dir}/error.log;
            events {{ worker_connections 256; }}
            http {{ access_log {dir}/access.log; {temps}
                server {{ listen {address}:{port}; {places} }}
                {tls_server}
            }}""".format(
                dir=self.directory, address=ADDRESS, port=self.port,
                temps=temps, places=places,
                user="user root;" if os.geteuid() == 0 else "",
                tls_server="server { listen %s:%d ssl; %s %s }" % (
                    ADDRESS, self.tls_port, tls, places) if tls else "")

    def __enter__(self):
        config = os.path.join(self.directory, "nginx.conf")
        with open(config, "w", encoding="utf-8") as file:
            file.write(self.config())
        with open(os.path.join(self.directory, "users"), "w",
                  encoding="ascii") as file:
            file.write("%s:{PLAIN}%s\n" % (USER, PASSWORD))
        fds = [self.plain.fileno()]
        if self.certs:
            fds.append(self.tls.fileno())
        nginx = shutil.which("nginx", path=os.environ.get("PATH", "") +
                             ":/usr/sbin") or need("nginx")
        # The sockets that listen are handed over, as nginx does it itself.
        self.process = subprocess.Popen(
            [nginx, "-e", os.path.join(self.directory, "error.log"), "-p",
             self.directory, "-c", config],
            env=dict(os.environ, NGINX="".join("%d;" % fd for fd in fds)),
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE, pass_fds=fds,
            preexec_fn=lambda: _libc.prctl(1, signal.SIGTERM))
        for sock in (self.plain, self.tls):
            sock.close()
        self.wait_until_it_answers()
        return self

    def wait_until_it_answers(self):
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                raise Failed("nginx: %s" % self.process.stderr.read())
            try:
                with socket.create_connection((ADDRESS, self.port), 1) as sock:
                    sock.settimeout(START_SECONDS)
                    sock.sendall(b"GET / HTTP/1.0\r\n\r\n")
                    if sock.recv(100).startswith(b"HTTP/"):
                        return
            except OSError:
                pass
            time.sleep(0.02)
        raise Failed("nginx does not answer")

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait(timeout=START_SECONDS)
        self.process.stderr.close()

    def log(self):
        with open(os.path.join(self.directory, "access.log"),
                  encoding="utf-8") as file:
            return file.read()


# -- servers with manners of their own ----------------------------------------

class Request:
    """What came, and the connection to answer on."""

    def __init__(self, sock, file, number):
        self.sock = sock
        self.number = number  # of all requests, from 1 on
        self.method, self.path = file.readline().decode().split()[:2]
        self.headers = {}
        for line in iter(file.readline, b"\r\n"):
            if not line:
                raise ConnectionError("half a request")
            name, value = line.decode().split(":", 1)
            self.headers[name.strip().lower()] = value.strip()
        self.file = file

    def range(self):
        """(first, last) that is asked for."""
        first, last = self.headers["range"].split("=")[1].split("-")
        return int(first), int(last)

    def user(self):
        """user:password, or None."""
        word = self.headers.get("authorization", "").split()
        return base64.b64decode(word[1]).decode() if len(word) == 2 else None

    def send(self, data):
        self.sock.sendall(data)

    def answer(self, status, body=b"", length=None, **headers):
        """@headers: Content_Range="..." and so on."""
        lines = ["HTTP/1.1 %s" % status,
                 "Content-Length: %d" % (len(body) if length is None
                                         else length)]
        lines += ["%s: %s" % (name.replace("_", "-"), value)
                  for name, value in headers.items()]
        self.send(("\r\n".join(lines) + "\r\n\r\n").encode() + body)

    def part(self, data, first=None, last=None, total=None, body=None,
             **headers):
        """A good answer of @data, or one spoilt by what is given."""
        start, end = self.range()
        end = min(end, len(data) - 1)
        self.answer("206 Partial Content",
                    data[start:end + 1] if body is None else body,
                    Content_Range="bytes %d-%d/%d" % (
                        start if first is None else first,
                        end if last is None else last,
                        len(data) if total is None else total), **headers)


class Script:
    """@answer(request) answers, or returns False to hang up."""

    def __init__(self, answer):
        self.answer = answer
        self.requests = 0
        self.lock = threading.Lock()
        self.socks = []
        self.stopping = False
        self.listener = listener()
        self.port = self.listener.getsockname()[1]
        self.thread = threading.Thread(target=self.accept, daemon=True)

    def url(self, path="disk.raw"):
        return "http://%s:%d/%s" % (ADDRESS, self.port, path)

    def accept(self):
        while not self.stopping:
            try:
                sock, _ = self.listener.accept()
            except OSError:
                return
            with self.lock:
                self.socks.append(sock)
            threading.Thread(target=self.serve, args=[sock],
                             daemon=True).start()

    def serve(self, sock):
        with sock, sock.makefile("rb") as file:
            try:
                while True:
                    with self.lock:
                        number = self.requests + 1
                    request = Request(sock, file, number)
                    with self.lock:
                        self.requests += 1
                        request.number = self.requests
                    if self.answer(request) is False:
                        return
            except (OSError, ValueError, IndexError):
                pass  # the other end has gone

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.stopping = True
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        with self.lock:
            for sock in self.socks:
                try:
                    sock.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass
        self.thread.join(START_SECONDS)
