# SPDX-License-Identifier: BSD-3-Clause
"""vmfs - a flat disk in a VMFS volume, beside the same bytes in a plain file.

Ours against ours: what the file system costs.  Every byte of the disk has its
place in the volume, in one stretch.  The peers are a file of these bytes only,
and the same bytes of the volume's file, read at their offset.
"""
import json
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
    """The name of the disk in it, of its file, and where in that it lies."""
    built = Volume(version, (5,), scatter=False)
    built.blocks("/vm-flat.vmdk", DISK_BYTES,
                 dict.fromkeys(range(COUNT), "d"), zla=PB, run=True)
    offset = DATA_AT + built.stored["/vm-flat.vmdk"].places[0]

    def make(path):
        built.finish()
        write_volume(built, [path])
        copy_into(plain(inputs), path, offset)
    path = inputs.kept("vmfs%d-1024.img" % version, make)
    return "vmfs:%s:/vm-flat.vmdk" % path, path, offset


def at(path, offset):
    """The same bytes without the file system."""
    return "json:" + json.dumps({"driver": "raw", "offset": offset,
                                 "size": DISK_BYTES, "file.filename": path})


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


@job("vmfs", "vmfs")
def vmfs(b):
    raw = plain(b.inputs)
    words = ["-d", "8", "-s", str(MIB), "-S", str(MIB), "-c", str(4 * COUNT)]
    direct = ["-n", "-d", "8", "-s", str(MIB), "-S", str(MIB), "-c", str(COUNT)]
    small = ["-d", "32", "-s", "4096", "-R", "7", "-c", "200000"]
    for version in (5, 6):
        name, path, offset = volume(b.inputs, version)
        title = "1 GiB in VMFS %d, " % version
        # How the page cache holds two files differs; one file's it is the same.
        peers = {"plain file": (raw, raw), "offset": (at(path, offset), path)}
        goals = dict.fromkeys(peers, GOAL)
        b.compare(title + "to a raw file",
                  [Ours("", copied(b, name, "vmfs", path, "ours"), goals)],
                  [Peer(peer, [copied(b, disk, "raw", source, peer[:5])])
                   for peer, (disk, source) in peers.items()])
        for what, arguments in (("1 MiB reads in order", words),
                                ("1 MiB reads in order, O_DIRECT", direct),
                                ("4 KiB random reads", small)):
            b.compare(title + what,
                      [Ours("", ours(b, name, arguments, "vmfs",
                                     inputs=(path,)), goals)],
                      [Peer(peer, [ours(b, disk, arguments, "raw",
                                        inputs=(source,))])
                       for peer, (disk, source) in peers.items()])
