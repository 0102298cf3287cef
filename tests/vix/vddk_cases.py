# SPDX-License-Identifier: BSD-3-Clause
"""vddk_cases - what the tests of nbdkit's vddk plugin have in common."""
import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
for folder in ("../support", "../conformance"):
    sys.path.insert(0, os.path.join(HERE, folder))

import nbdkit  # noqa: E402
import vddk  # noqa: E402
from digest import raw_nz64k  # noqa: E402
from readers import expect, read_with_qemu, read_with_vdisk  # noqa: E402
from tools import (LONG, VDISK_IMG, Failed, qemu_io, run,  # noqa: E402
                   scratch)

MIB = 1 << 20
GRAIN = 64 << 10
SECTOR = 512


def for_each_soname(suite, name, func, *args, always=False):
    """Cases on the newest library; on all of them if they are @always to be,
    and in the long form."""
    for soname in vddk.SONAMES if LONG or always else (vddk.NEWEST,):
        suite.add("%s (so.%d)" % (name, soname), func, soname, *args)


def equal(got, wanted, what="result"):
    if got != wanted:
        raise Failed("%s: got %r, wanted %r" % (what, got, wanted))


# Of the server: each has stacks and buffers of its own, which cost more than the
# requests do.  test-nbdkit-parallel.py has many.
THREADS = "--threads=2"


def read_with_nbdkit(path, soname, *parameters, copy=()):
    """What a client reads: (size, nz64k digest), like readers.py."""
    with scratch() as tmp:
        raw = os.path.join(tmp, "nbd.raw")
        with vddk.serve(path, *parameters, soname=soname,
                        options=("-r", THREADS)) as server:
            nbdkit.nbdcopy(*copy, server.uri, raw)
        return raw_nz64k(raw)


def write_with_nbdkit(path, soname, writes, *parameters):
    """Do the @writes of a Model through nbdkit."""
    commands = ["write -q %s %d %d" % ("-s " + source if kind == "write"
                                       else "-z", offset, length)
                for kind, offset, length, source in writes]
    with vddk.serve(path, *parameters, soname=soname,
                    options=[THREADS]) as server:
        qemu_io(server.uri, *commands, "flush", fmt="raw")


def all_read(path, content, peers=("qemu-img",)):
    """vdisk-img, and qemu-img if it knows the kind, read @content."""
    expect(read_with_vdisk(path), content, "vdisk-img")
    if "qemu-img" in peers:
        expect(read_with_qemu(path), content, "qemu-img")


def expect_sound(path, may_leak=False):
    """63: there is nothing to check in this kind; 3: leaks, but no errors."""
    result = run([VDISK_IMG, "check", path])
    if result.code not in ((0, 3, 63) if may_leak else (0, 63)):
        raise Failed(str(result))


def fails_with(words, path, *parameters, soname=vddk.NEWEST, **kwargs):
    """A client cannot connect, and the server's log says why; returns the
    complaints."""
    with vddk.serve(path, *parameters, soname=soname, may_complain=True,
                    **kwargs) as server:
        result = run(["nbdinfo", "--size", server.uri])
        if result.code == 0:
            raise Failed("it can be opened: %s" % result)
        complaints = server.errors()
    for word in words:
        if not any(word in complaint for complaint in complaints):
            raise Failed("no word of %r: %s" % (word, complaints))
    return complaints
