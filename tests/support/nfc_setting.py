# SPDX-License-Identifier: BSD-3-Clause
"""nfc_setting - a vCenter with one machine and its disk, for tests of NFC.

    with Setting(writable=True, latency_ms=4) as s:
        s.assert_reads(tls=False)
        s.fake, s.disk, s.data, s.path("name")
        s.log(event="open")        what has happened in this block

    with reading(fragment=4096) as s:

is one for many cases, of which none may count on what is written.
"""
import atexit
import contextlib
import os

from nfc_disk import NfcDisk
from tools import Failed, scratch, vdisk_img
from vsphere_fake import FakeVsphere, disk, vm

KIB = 1 << 10
MIB = 1 << 20
SIZE = 5 * MIB + 3 * KIB
DDB = {"adapterType": "lsilogic", "geometry.biosCylinders": "80",
       "geometry.biosHeads": "16", "geometry.biosSectors": "8",
       "geometry.cylinders": "81", "geometry.heads": "16",
       "geometry.sectors": "8"}


def content(size=SIZE):
    """Data, noise and holes; the end is no whole chunk."""
    data = bytearray(size)
    data[0:MIB] = os.urandom(MIB)
    data[2 * MIB:3 * MIB] = (b"text that repeats itself. " * 40330)[:MIB]
    data[4 * MIB + 4096:4 * MIB + 8192] = os.urandom(4096)
    data[size - 512:] = b"e" * 512
    return bytes(data)


def write_sparse(path, data):
    with open(path, "wb") as file:
        file.truncate(len(data))
        for at in range(0, len(data), 64 * KIB):
            piece = data[at:at + 64 * KIB]
            if piece.strip(b"\0"):
                file.seek(at)
                file.write(piece)


class Setting:
    def __init__(self, writable=False, check=True, **knobs):
        """check: what no client may do fails the test."""
        self.directory = scratch()
        self.writable = writable
        self.check = check
        self.knobs = knobs

    def __enter__(self):
        self.tmp = self.directory.__enter__()
        self.data = content()
        raw = self.path("content.raw")
        write_sparse(raw, self.data)
        self.fake = FakeVsphere([vm("a", [disk(content=raw, ddb=DDB)])],
                                check=self.check, knobs=self.knobs)
        self.disk = NfcDisk(self.fake, "a", writable=self.writable)
        self.since = 0
        return self

    def log(self, **wanted):
        return [line for line in self.fake.log("nfc", **wanted)
                if line["t"] > self.since]

    def __exit__(self, *error):
        try:
            self.disk.__exit__(*error)
            self.fake.__exit__(*error)
        finally:
            self.directory.__exit__(*error)

    def path(self, name):
        return os.path.join(self.tmp, name)

    def assert_reads(self, **options):
        out = self.path("out.raw")
        vdisk_img("convert", "-O", "raw", self.disk.name(**options), out)
        with open(out, "rb") as file:
            if file.read() != self.data:
                raise Failed("other data with %s" % options)


QUIET = {"banner": "", "nfc_digest": "", "authd_refuses_sha2": False,
         "fragment": 0, "fragment_order": "", "reply_order": "",
         "compression": "", "latency_ms": 0, "max_buffer": 2 * MIB,
         "memory": 48 * MIB, "error_payload": "", "write_ack_extra": "",
         "nfc_rules": []}
shared = []


@contextlib.contextmanager
def reading(check=True, **knobs):
    """A Setting that is made once and has these knobs in this block."""
    if not shared:
        made = Setting(check=False, writable=True)
        shared.append(made.__enter__())
        atexit.register(made.__exit__, None, None, None)
    setting = shared[0]
    lines = setting.fake.log()
    setting.since = lines[-1]["t"] if lines else 0
    setting.fake.knobs(**{**QUIET, **knobs})
    before = len(setting.fake.violations())
    yield setting
    found = setting.fake.violations()[before:]
    if check and found:
        raise Failed("the client did what it may not: %s" % found)
