#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""test-vmfs-samples - volumes that ESX wrote are read right.

A VMFS 3 with four disks of 200 MiB, which hold zeroes and have blocks of each
kind that there is for these; a VMFS 6 with small files and a link.  All is
listed and read, and no byte of a volume changes; then the disks are written
where they have blocks, and nothing else changes.
"""
import hashlib
import json
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../support"))

import samples  # noqa: E402
from digest import Nz64k, raw_nz64k  # noqa: E402
from tap import Suite, skip_all  # noqa: E402
from tools import (DISK_IO, Failed, disk_io, run, scratch,  # noqa: E402
                   vdisk_img, working_engines)
from vmfs_made import listed, node  # noqa: E402

NOTHING = Nz64k().hexdigest()
DISK_BYTES = 200 << 20
NAME = b"written in place"
KINDS = ("thin", "thick", "zeroedthick", "eagerzeroedthick")
ROOT_3 = {".fbb.sf": 98304, ".fdc.sf": 1048576, ".pbc.sf": 106496,
          ".sbc.sf": 67239936, ".vh.sf": 4194304, "thin.vmdk": 393,
          "thick.vmdk": 368, "zeroedthick.vmdk": 374,
          "eagerzeroedthick.vmdk": 379,
          **{kind + "-flat.vmdk": DISK_BYTES for kind in KINDS}}
ROOT_6 = {".fbb.sf": 147456, ".fdc.sf": 134807552, ".pbc.sf": 65536,
          ".sbc.sf": 387973120, ".vh.sf": 7340032, ".pb2.sf": 196608,
          ".sdd.sf": 69632, ".jbc.sf": 268632064, "directory": 73728}
FOLDER_6 = {"file1": 0, "file2": 0, "file3": 0, "file4": 8, "file5": 8193,
            "symlink": 5}
FILE5 = "227c62ef44ec9d9d4dbda23feaf622078a496368e919980afcd786acd9f455c4"


def sizes(name):
    return {row["name"]: row["size"] for row in listed(name)}


def expect_sizes(name, wanted):
    if sizes(name) != wanted:
        raise Failed("%s, should be %s" % (sizes(name), wanted))


def contents(name, engine, form="vmfs"):
    """(size, nz64k digest) of the disk, its bytes if they are few."""
    with scratch() as tmp:
        raw = os.path.join(tmp, "raw")
        vdisk_img("convert", "-f", form, "-O", "raw", name, raw,
                  engine=engine)
        with open(raw, "rb") as file:
            return raw_nz64k(raw), file.read(65536)


def unchanged(image, before):
    if raw_nz64k(image) != before:
        raise Failed("reading has changed %s" % image)


def vmfs3(sample):
    with scratch() as tmp:
        image = sample.unpack(tmp)
        before = raw_nz64k(image)
        expect_sizes(node([image]), ROOT_3)
        for n, engine in enumerate(working_engines()):
            for kind in KINDS[n * 2:]:  # they take a while
                got = contents(node([image], "/%s.vmdk" % kind), engine,
                               "vmdk")[0]
                if got != (DISK_BYTES, NOTHING):
                    raise Failed("%s: %s" % (kind, got))
        unchanged(image, before)
        for kind in KINDS:
            write_3(image, kind)


def write_3(image, kind):
    """Each has a first block; where that is the map says."""
    flat = node([image], "/%s-flat.vmdk" % kind, "write=in-place")
    rows = json.loads(vdisk_img("map", "-f", "vmfs", "--output=json", flat))
    place = rows[0]["offset"] + 5
    with open(image, "rb") as file:
        before = file.seek(place) and file.read(len(NAME))
    state = raw_nz64k(image)
    piece = image + ".piece"
    with open(piece, "wb") as file:
        file.write(NAME)
    disk_io("-f", "raw", flat, "write", 5, piece, "zero", 100 << 20, 4096)
    if kind in ("thin", "zeroedthick"):
        done = run([DISK_IO, "-f", "raw", flat, "write",
                    str(100 << 20), piece])
        if done.code == 0:
            raise Failed("written where there is no block: %s" % done)
    with open(image, "r+b") as file:
        if file.seek(place) and file.read(len(NAME)) != NAME:
            raise Failed("%s: not written at byte %d" % (kind, place))
        file.seek(place)
        file.write(before)
    unchanged(image, state)


def vmfs6(sample):
    with scratch() as tmp:
        image = sample.unpack(tmp)
        before = raw_nz64k(image)
        expect_sizes(node([image]), ROOT_6)
        expect_sizes(node([image], "/directory"), FOLDER_6)
        for engine in working_engines():
            for name in ("file4", "symlink"):
                got = contents(node([image], "/directory/" + name), engine)[1]
                if got.rstrip(b"\0") != b"content\n":
                    raise Failed("%s: %r" % (name, got[:99]))
            got = contents(node([image], "/directory/file5"), engine)[1]
            if hashlib.sha256(got[:FOLDER_6["file5"]]).hexdigest() != FILE5:
                raise Failed("file5: %r" % got[:99])
        unchanged(image, before)


def main():
    if not samples.available():
        skip_all("no sample images at " + samples.ROOT)
    suite = Suite()
    for sample in samples.load("VMFS"):
        suite.add(sample.name, {"vmfs-tools-vmfs3": vmfs3,
                                "dissect-vmfs6": vmfs6}[sample.name], sample)
    suite.run()


main()
