# SPDX-License-Identifier: BSD-3-Clause
"""vmfs - a flat disk in a VMFS volume, beside the same bytes in a plain file.

Ours against ours: what the file system costs.  Every byte of the disk has its
place in the volume, in one stretch.
"""
import os
import sys

from jobs.bench import Ours, Peer, Side
from jobs import job
from jobs.process import run
from jobs.requests import ours
from jobs.table import Goal
from vmfs_device import DATA_AT, write_volume
from vmfs_layout import MIB, PB
from vmfs_volume import Volume

DISK_BYTES = 1 << 30
COUNT = DISK_BYTES // MIB
# 1.1 times the time of the plain file is allowed.
GOAL = Goal(1 / 1.1, 1)


def plain(inputs):
    """No hole in it."""
    def make(path):
        with open(path, "wb") as file:
            for _ in range(COUNT):
                file.write(os.urandom(MIB))
    return inputs.kept("flat-1024.raw", make)


def volume(inputs, version):
    """The name of the disk in it, and of its file."""
    def make(path):
        built = Volume(version, (5,), scatter=False)
        built.blocks("/vm-flat.vmdk", DISK_BYTES,
                     dict.fromkeys(range(COUNT), "d"), zla=PB, run=True)
        built.finish()
        write_volume(built, [path])
        at = DATA_AT + built.stored["/vm-flat.vmdk"].places[0]
        copy_into(plain(inputs), path, at)
    path = inputs.kept("vmfs%d-1024.img" % version, make)
    return "vmfs:%s:/vm-flat.vmdk" % path, path


def copy_into(source, target, at):
    with open(source, "rb") as file, open(target, "r+b") as out:
        out.seek(at)
        while data := file.read(MIB):
            out.write(data)


def copied(b, name, form, source, label):
    output = b.inputs.path("vmfs-%s.out" % label)
    original = plain(b.inputs)

    def verify(path):
        said = run([b.inputs.img, "compare", "-f", "raw", "-F", "raw",
                    original, path])
        if "identical" not in said:
            sys.exit("%s: %s" % (name, said))
    return Side([b.inputs.img, "convert", "-t", "unsafe", "-f", form, "-O",
                 "raw", name, output], inputs=(source,), output=output,
                verify=verify, mib=COUNT)


@job("vmfs", "formats")
def vmfs(b):
    raw = plain(b.inputs)
    words = ["-d", "8", "-s", str(MIB), "-S", str(MIB), "-c", str(4 * COUNT)]
    small = ["-d", "32", "-s", "4096", "-R", "7", "-c", "200000"]
    for version in (5, 6):
        name, path = volume(b.inputs, version)
        title = "1 GiB in VMFS %d, " % version
        b.compare(title + "to a raw file", [
            Ours("", copied(b, name, "vmfs", path, "ours"),
                 {"plain file": GOAL})],
            [Peer("plain file", [copied(b, raw, "raw", raw, "plain")])])
        for what, arguments in (("1 MiB reads in order", words),
                                ("4 KiB random reads", small)):
            b.compare(title + what, [
                Ours("", ours(b, name, arguments, "vmfs", inputs=(path,)),
                     {"plain file": GOAL})],
                [Peer("plain file", [ours(b, raw, arguments, "raw",
                                          inputs=(raw,))])])
