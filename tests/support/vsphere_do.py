# SPDX-License-Identifier: BSD-3-Clause
"""vsphere_do - libvdisk's vSphere functions, for tests (vsphere-do.c).

    with Client(fake) as client:
        client.do("vm", "moref=vm-57", "")      lists of fields
        client.fails("LOGIN", "vm", ...)        the text of the error

Everything that a client has said is searched for secrets at its end.
"""
import os
import re
import selectors
import subprocess

from tools import BUILD_ROOT, CRASH_MARKS, SOURCE_ROOT, Failed

PROGRAM = os.path.join(BUILD_ROOT, "tests/support/vsphere-do")
SECONDS = 120


def error_codes():
    """Names of VD_ERROR in their order."""
    with open(os.path.join(SOURCE_ROOT, "include/vdisk.h"),
              encoding="utf-8") as file:
        enum = re.search(r"typedef enum VdErrorCode \{(.*?)\} VdErrorCode;",
                         file.read(), re.S).group(1)
    return re.findall(r"^\s*VD_ERROR_(\w+)", enum, re.M)


CODES = error_codes()


class Refused(Failed):
    def __init__(self, code, text):
        super().__init__("%s: %s" % (code, text))
        self.code = code
        self.text = text


class Client:
    """A session; the first answer, to connecting, is read at once."""

    def __init__(self, fake, password=None, session=None, env=None, **how):
        self.secrets = [fake.password, password, session]
        arguments = {"server": fake.address, "port": fake.port,
                     "user": fake.user, "thumbprint": fake.thumbprint}
        arguments.update((k.replace("_", "-"), v) for k, v in how.items())
        environment = dict(os.environ, **(env or {}))
        environment["VDISK_TEST_PASSWORD"] = \
            fake.password if password is None else password
        environment["G_MESSAGES_DEBUG"] = "all"
        if session is not None:
            environment["VDISK_TEST_SESSION"] = session
        self.said = b""
        self.process = subprocess.Popen(
            [PROGRAM] + ["%s=%s" % (k, v) for k, v in arguments.items()
                         if v is not None],
            env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, bufsize=0)
        try:
            self.answer()
        except BaseException:
            self.close()
            raise

    def line(self):
        with selectors.DefaultSelector() as waiting:
            waiting.register(self.process.stdout, selectors.EVENT_READ)
            if not waiting.select(SECONDS):
                raise Failed("no answer; so far: %r" % self.said[-2000:])
        text = b""
        while not text.endswith(b"\n"):
            byte = self.process.stdout.read(1)
            if not byte:
                self.said += text
                raise Failed("vsphere-do ended: %r" % self.said[-4000:])
            text += byte
        self.said += text
        return text.decode().rstrip("\n")

    def answer(self):
        lines = []
        while True:
            line = self.line()
            if line == "ok":
                return lines
            match = re.match(r"error (\d+) (.*)", line)
            if match:
                raise Refused(CODES[int(match.group(1))], match.group(2))
            lines.append(line.split("\t"))

    def send(self, *fields):
        self.process.stdin.write("\t".join(fields).encode() + b"\n")

    def do(self, *fields):
        self.send(*fields)
        return self.answer()

    def fails(self, code, *fields):
        try:
            done = self.do(*fields)
        except Refused as refusal:
            if refusal.code != code:
                raise
            return refusal.text
        raise Failed("%s should have failed: %s" % (fields, done))

    def close(self):
        self.process.stdin.close()
        self.said += self.process.stdout.read()
        self.process.stdout.close()
        code = self.process.wait(SECONDS)
        for mark in CRASH_MARKS:
            if mark in self.said:
                raise Failed("it has crashed: %r" % self.said[-4000:])
        if code not in (0, 1):
            raise Failed("exit code %d: %r" % (code, self.said[-2000:]))
        for secret in filter(None, self.secrets):
            if secret.encode() in self.said:
                raise Failed("a secret has been told: %r" % self.said)

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        if kind is not None:
            self.process.kill()
        self.close()


def connecting_fails(fake, code, **how):
    """The text of the error."""
    try:
        Client(fake, **how).close()
    except Refused as refusal:
        if refusal.code != code:
            raise
        return refusal.text
    raise Failed("connecting with %s should have failed" % how)
