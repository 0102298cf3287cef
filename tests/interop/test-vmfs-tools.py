#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""test-vmfs-tools - VMFS volumes as debugvmfs and debugvmfs6 read them.

The volumes are those that we build for our own tests, so that it is not only us
who take them for VMFS: names, sizes and contents agree.  Where these programs
are known to read something else that is measured and printed, and held against
what docs/VMFS.md says of the version that was looked at.
"""
import os
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../support"))

import vmfs_kinds  # noqa: E402
from digest import Nz64k, raw_nz64k  # noqa: E402
from tap import Suite  # noqa: E402
from tools import LONG, Failed, need, run, scratch, vdisk_img  # noqa: E402
from vmfs_layout import DIRECTORY, MIB  # noqa: E402
from vmfs_made import Made  # noqa: E402

READERS = {5: "debugvmfs", 6: "debugvmfs6"}
VOLUMES = {"vmfs5": (5, (3,)), "vmfs5, two extents": (5, (1, 2)),
           "vmfs6": (6, (9,)), "vmfs6, three extents": (6, (1, 2, 6))}
# It puts this before what it reads, once for each extent.
BANNER = b"VMFS version: 6\n"
LONGEST = (1 << 40 if LONG else 400 * MIB)
PIECE = MIB

# They list free slots of folders, too.
FREED = "no longer here"

suite = Suite()


def words(made, *command):
    return [need(READERS[made.volume.layout.number]), *made.extents, *command]


def banner_of(made):
    return BANNER * len(made.extents) if made.volume.layout.large else b""


def their_content(made, path):
    """(size, nz64k digest) of what it prints; None if it refuses."""
    digest, size = Nz64k(), 0
    with subprocess.Popen(words(made, "cat", path), stdout=subprocess.PIPE,
                          stderr=subprocess.DEVNULL) as child:
        banner = child.stdout.read(len(banner_of(made)))
        if banner != banner_of(made):
            raise Failed("it says %r" % banner)
        while piece := child.stdout.read(PIECE):
            digest.feed(size, piece)
            size += len(piece)
    return (size, digest.hexdigest()) if child.returncode == 0 else None


def our_content(made, path, tmp):
    raw = os.path.join(tmp, "ours")
    vdisk_img("convert", "-f", "vmfs", "-O", "raw", made.node(path), raw)
    return raw_nz64k(raw)


def true_contents(made, path, tmp):
    """Of the file, and of the disk of whole sectors that we make of it."""
    wanted = os.path.join(tmp, "wanted")
    made.volume.contents[path].write(wanted)
    exact = raw_nz64k(wanted)
    made.write_disk(path, wanted)
    return exact, raw_nz64k(wanted)


def their_truth(made, path):
    """What is in it; that we read this has been seen to."""
    with scratch() as tmp:
        exact, disk = true_contents(made, path, tmp)
        ours = our_content(made, path, tmp)
    if ours != disk:
        raise Failed("we read %s, should be %s" % (ours, disk))
    return exact


def agrees(place, name, path):
    made = place[name]
    truth, theirs = their_truth(made, path), their_content(made, path)
    if theirs != truth:
        raise Failed("it reads %s, should be %s" % (theirs, truth))


def differs(place, name, path):
    """Known to be read wrongly: is it still?"""
    made = place[name]
    truth, theirs = their_truth(made, path), their_content(made, path)
    print("# %s reads it %s" % (READERS[made.volume.layout.number],
                                "right" if theirs == truth else "otherwise"))


def their_names(made, path):
    done = run(words(made, "ls", path))
    if done.code or not done.stdout.startswith(banner_of(made)):
        raise Failed(str(done))
    text = done.stdout[len(banner_of(made)):].decode()
    return sorted(set(text.splitlines()) - {".", "..", FREED})


def names_agree(place, name):
    made = place[name]
    for path, folder in made.volume.folders.items():
        if folder.kind != DIRECTORY:
            continue  # of the file system, which VMFS 6 calls no directory
        ours = vdisk_img("ls", made.node(path)).splitlines()
        if sorted(ours) != their_names(made, path):
            raise Failed("%s: %s here, %s there" % (
                path, ours, their_names(made, path)))


def links_agree(place, name):
    made = place[name]
    truth = their_truth(made, "/direct/plain")
    for path in ("/links/near", "/links/chain", "/links/folder/plain"):
        if their_content(made, path) != truth:
            raise Failed(path)


class Place:
    """The volumes, each made when first asked for."""

    def __init__(self, directory):
        self.directory = directory
        self.made = {}

    def __getitem__(self, name):
        if name not in self.made:
            path = os.path.join(self.directory, str(len(self.made)))
            os.mkdir(path)
            self.made[name] = Made(vmfs_kinds.every_kind(*VOLUMES[name]), path)
        return self.made[name]


def add_volume(place, name):
    volume = vmfs_kinds.every_kind(*VOLUMES[name])
    for path in vmfs_kinds.files(volume):
        if volume.contents[path].size > LONGEST or (
                path.startswith("/many/") and path != "/many/file-042"):
            continue
        suite.add("%s: %s" % (name, path),
                  differs if path in volume.only_ours else agrees,
                  place, name, path)
    suite.add("%s: names" % name, names_agree, place, name)
    suite.add("%s: links" % name, links_agree, place, name)


def main():
    with scratch() as directory:
        place = Place(directory)
        for name in VOLUMES:
            add_volume(place, name)
        suite.run()


main()
