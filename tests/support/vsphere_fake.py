# SPDX-License-Identifier: BSD-3-Clause
"""vsphere_fake - starts fakevsphere, a vCenter or an ESXi host for tests.

    with FakeVsphere(vms=[vm("a", disks=[disk(content=path)])]) as fake:
        fake.port, fake.thumbprint, fake.vms["a"]["disks"][0]["path"] ...
        fake.knobs(latency_ms=20, nfc_rules=[rule("read", "cut", skip=3)])
        ...
        fake.ops()            names of the SOAP operations, in their order
        fake.log("nfc")       what happened, as dictionaries

What it can do, the knobs and the log are described at the top of
fakevsphere/main.go.  Leaving the block stops it, also after a failure, and
raises Failed if a client did what no client may (violations).
"""
import atexit
import functools
import http.client
import json
import os
import selectors
import shutil
import subprocess
import tempfile
import time
from xml.sax.saxutils import escape

from nbd_certs import Authority, NAMES
from tap import Skip
from tools import BUILD_ROOT, Failed

PROGRAM = os.environ.get(
    "VDISK_FAKEVSPHERE", os.path.join(BUILD_ROOT, "tests/support/fakevsphere"))
USER = "backup@vsphere.local"
PASSWORD = "s3cret-P@ss&<word>"
START_SECONDS = 60
STOP_SECONDS = 60


def vm(name, disks=(), **more):
    """A virtual machine: on, cbt, folder, uuid, controller ..."""
    return dict(name=name, disks=list(disks), **more)


def disk(**what):
    """A disk: name, content (a file), capacity, kind, uuid, ddb."""
    return what


def rule(where, action, **more):
    """A rule for soap_rules or nfc_rules: skip, times, fault, ms ..."""
    return dict({"on": where, "do": action}, **more)


def properties(ref, *elements, token=None, op="RetrievePropertiesEx"):
    """For the action "body": an answer about the object @ref, (type, id);
    None: about nothing."""
    objects = ""
    if ref:
        objects = '<objects><obj type="%s">%s</obj>%s</objects>' % (
            ref[0], escape(ref[1]), "".join(elements))
    return '<%sResponse xmlns="urn:vim25"><returnval>%s%s</returnval>' \
        '</%sResponse>' % (
            op, "<token>%s</token>" % token if token else "", objects, op)


class Certificates:
    """Key pairs for the SOAP port, authd and NFC, signed by one CA."""

    def __init__(self, directory):
        self.directory = directory
        authority = Authority(os.path.join(directory, "ca"), "vdisk test CA")
        self.ca = authority.cert
        for name in ("soap", "host", "nfc"):
            authority.sign("server", "localhost", self.cert(name),
                           self.key(name), NAMES)

    def cert(self, name):
        return os.path.join(self.directory, name + "-cert.pem")

    def key(self, name):
        return os.path.join(self.directory, name + "-key.pem")


@functools.cache
def certificates():
    """The same for all: openssl is started eleven times for them."""
    directory = tempfile.mkdtemp(prefix="vdisk-test-certs-")
    atexit.register(shutil.rmtree, directory, True)
    return Certificates(directory)


class FakeVsphere:
    """The program while it runs; the ready line's fields are attributes."""

    user = USER
    password = PASSWORD

    def __init__(self, vms, api="vc", check=True, **options):
        """options: flags of the program ("_" for "-"), knobs a dictionary;
        check: raise at the end if there were violations."""
        if not os.path.exists(PROGRAM):
            raise Skip("fakevsphere is not built (golang-go, "
                       "golang-github-vmware-govmomi-dev)")
        self.check = check
        self.directory = tempfile.mkdtemp(prefix="vdisk-test-")
        self.process = None
        try:
            self.start(vms, api, options)
        except BaseException:
            self.stop()
            raise

    def path(self, name):
        return os.path.join(self.directory, name)

    def start(self, vms, api, options):
        self.certs = certificates()
        self.log_file = self.path("log")
        flags = dict(options, api=api, user=USER, password=PASSWORD,
                     log=self.log_file, root=self.path("root"))
        flags["knobs"] = json.dumps(options.get("knobs", {}))
        for flag, name in (("", "soap"), ("host-", "host"), ("nfc-", "nfc")):
            flags[flag + "cert"] = self.certs.cert(name)
            flags[flag + "key"] = self.certs.key(name)
        argv = [PROGRAM]
        for name, value in flags.items():
            argv.append("-%s=%s" % (name.replace("_", "-"), value))
        for machine in vms:
            argv.append("-vm=" + json.dumps(machine))
        self.errors = open(self.path("stderr"), "w+b")
        self.process = subprocess.Popen(
            argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=self.errors)
        vars(self).update(self.ready())

    def ready(self):
        """The line that the program prints when all is up."""
        with selectors.DefaultSelector() as waiting:
            waiting.register(self.process.stdout, selectors.EVENT_READ)
            if not waiting.select(START_SECONDS):
                raise Failed("fakevsphere did not start in time")
        line = self.process.stdout.readline()
        if not line:
            self.process.wait(STOP_SECONDS)
            raise Failed("fakevsphere did not start: %s" % self.said())
        return json.loads(line)

    def said(self):
        self.errors.seek(0)
        return self.errors.read().decode(errors="replace")[-4000:]

    def stop(self):
        if self.process and self.process.poll() is None:
            self.process.stdin.close()
            try:
                self.process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        if self.process:
            self.process.stdout.close()
            self.errors.close()
        shutil.rmtree(self.directory, ignore_errors=True)

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        try:
            if kind is None:
                self.assert_sound()
                if self.check:
                    self.assert_no_violation()
        finally:
            self.stop()

    # -- control --------------------------------------------------------------

    def control(self, path, body=None):
        """Ask the control port; @body makes it a POST."""
        connection = http.client.HTTPConnection(
            "127.0.0.1", self.control_port, timeout=60)
        try:
            connection.request("GET" if body is None else "POST", path,
                               None if body is None else json.dumps(body))
            reply = connection.getresponse()
            text = reply.read().decode()
        finally:
            connection.close()
        if reply.status != 200:
            raise Failed("%s: %s" % (path, text))
        return json.loads(text)

    def knobs(self, **values):
        return self.control("/knobs", values)

    def state(self):
        return self.control("/state")

    def power(self, name, on):
        self.control("/power", {"vm": name, "on": on})

    def guest_write(self, path, offset, data):
        self.control("/write", {"path": path, "offset": offset,
                                "hex": data.hex()})

    def guest_read(self, path, offset, length):
        reply = self.control("/read", {"path": path, "offset": offset,
                                       "length": length})
        return bytes.fromhex(reply["hex"])

    def expire_sessions(self):
        self.control("/expire", {})

    # -- the log --------------------------------------------------------------

    def log(self, kind=None, **wanted):
        """Lines of that kind whose fields have the @wanted values."""
        with open(self.log_file, encoding="utf-8") as file:
            # What stands behind the last newline is not all there yet.
            lines = [json.loads(text) for text in file.read().split("\n")[:-1]]
        return [line for line in lines if kind in (None, line["kind"])
                and all(line.get(k) == v for k, v in wanted.items())]

    def ops(self):
        return [line["op"] for line in self.log("soap")]

    def violations(self):
        return self.log("violation")

    def assert_sound(self):
        """The fake itself has not failed."""
        if "panic" in self.said() or self.log("trouble"):
            raise Failed("fakevsphere failed: %s %s" % (
                self.log("trouble"), self.said()))

    def assert_no_violation(self):
        found = self.violations()
        if found:
            raise Failed("the client did what it may not: %s" % found)

    def wait_for(self, kind, seconds=120, since=0, **wanted):
        """Wait until the log has such a line, besides @since; return it."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            found = self.log(kind, **wanted)
            if len(found) > since:
                return found[since]
            time.sleep(0.01)
        raise Failed("nothing like %s %s in the log" % (kind, wanted))
