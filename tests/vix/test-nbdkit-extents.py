#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""test-nbdkit-extents - what nbdkit's vddk plugin tells about allocation is
what vdisk-img map knows, in the plugin's chunks of 64 KiB."""
import json
import os

from vddk_cases import (GRAIN, MIB, SECTOR, equal, for_each_soname, vddk)

import nbdkit
from matrix import KINDS
from ours import Disk
from tap import Suite
from tools import Failed, qemu_img, qemu_io, scratch, vdisk_img

SIZE = 10 * MIB
HOLE, DATA = "hole,zero", "data"

suite = Suite()


def merge(entries):
    """Neighbours that are alike become one."""
    merged = []
    for start, length, what in entries:
        if merged and merged[-1][2] == what:
            merged[-1][1] += length
        elif length:
            merged.append([start, length, what])
    return [tuple(entry) for entry in merged]


def wanted_map(path, size):
    """From vdisk-img: a chunk is data if anything in it is not known to be
    zero; what is behind the last whole chunk the plugin calls data without
    asking."""
    data = [(entry["start"], entry["start"] + entry["length"])
            for entry in json.loads(vdisk_img("map", "--output=json", path))
            if entry["data"] and not entry["zero"]]
    chunks = {chunk for start, end in data
              for chunk in range(start // GRAIN, -(-end // GRAIN))}
    whole = size // GRAIN
    entries = [(chunk * GRAIN, GRAIN, DATA if chunk in chunks else HOLE)
               for chunk in range(whole)]
    return merge(entries + [(whole * GRAIN, size % GRAIN, DATA)])


def map_of(path, soname, *parameters):
    with vddk.serve(path, *parameters, soname=soname,
                    options=["-r"]) as server:
        size = nbdkit.size_of(server.uri)
        return size, merge(nbdkit.map_of(server.uri))


def expect_map(path, soname, *parameters):
    size, found = map_of(path, soname, *parameters)
    equal(found, wanted_map(path, size), "map of %s" % path)
    return found


def same_map(soname, kind):
    with scratch() as tmp:
        disk = Disk(kind, tmp)
        found = expect_map(disk.path, soname)
        if len(found) < 5 and "parse" in kind.name:
            raise Failed("a sparse disk has no holes: %s" % found)


def tail_is_no_whole_chunk(soname):
    """515 sectors: three chunks of data, a hole, and three sectors."""
    with scratch() as tmp:
        path = os.path.join(tmp, "disk.vmdk")
        vdisk_img("create", "-q", "-f", "vmdk", path, 515 * SECTOR)
        qemu_io(path, "write -P 3 0 192k", "write -P 4 256k 1536")
        equal(map_of(path, soname),
              (515 * SECTOR, [(0, 196608, DATA), (196608, 65536, HOLE),
                              (262144, 1536, DATA)]), "map")


def sizes_around_a_chunk(soname):
    with scratch() as tmp:
        for sectors in (1, 127, 128, 129, 256):
            path = os.path.join(tmp, "disk-%d.vmdk" % sectors)
            vdisk_img("create", "-q", "-f", "vmdk", path, sectors * SECTOR)
            expect_map(path, soname)
            qemu_io(path, "write -P 1 0 512")
            expect_map(path, soname)


def chain_shows_all_links(soname):
    """A chunk is data if any link has it."""
    with scratch() as tmp:
        base, child = (os.path.join(tmp, name)
                       for name in ("base.vmdk", "child.vmdk"))
        vdisk_img("create", "-q", "-f", "vmdk", base, SIZE)
        qemu_io(base, "write -P 1 1M 1M")
        vdisk_img("create", "-q", "-f", "vmdk", "-b", "base.vmdk", "-F",
                  "vmdk", child)
        qemu_io(child, "write -P 2 3M 64k")
        found = expect_map(child, soname)
        equal(found, [(0, MIB, HOLE), (MIB, MIB, DATA),
                      (2 * MIB, MIB, HOLE), (3 * MIB, GRAIN, DATA),
                      (3 * MIB + GRAIN, 7 * MIB - GRAIN, HOLE)], "map")


def single_link_shows_its_own(soname):
    """What is not there may be in the parent: a hole, but not zero."""
    with scratch() as tmp:
        base, child = (os.path.join(tmp, name)
                       for name in ("base.vmdk", "child.vmdk"))
        vdisk_img("create", "-q", "-f", "vmdk", base, SIZE)
        qemu_io(base, "write -P 1 1M 1M")
        vdisk_img("create", "-q", "-f", "vmdk", "-b", "base.vmdk", "-F",
                  "vmdk", child)
        qemu_io(child, "write -P 2 3M 64k")
        _, found = map_of(child, soname, "single-link=true")
        equal(found, [(0, 3 * MIB, "hole"), (3 * MIB, GRAIN, DATA),
                      (3 * MIB + GRAIN, 7 * MIB - GRAIN, "hole")], "map")


def single_link_has_zeroed_grains(soname):
    """They hide the parent, so they must not be told as holes."""
    with scratch() as tmp:
        base, child = (os.path.join(tmp, name)
                       for name in ("base.vmdk", "child.vmdk"))
        vdisk_img("create", "-q", "-f", "vmdk", base, SIZE)
        qemu_io(base, "write -P 1 0 4M")
        vdisk_img("create", "-q", "-f", "vmdk", "-o", "zeroed_grain=on", "-b",
                  "base.vmdk", "-F", "vmdk", child)
        qemu_io(child, "write -z -u 1M 128k")
        _, found = map_of(child, soname, "single-link=true")
        equal(found, [(0, MIB, "hole"), (MIB, 2 * GRAIN, DATA),
                      (MIB + 2 * GRAIN, 9 * MIB - 2 * GRAIN, "hole")], "map")
        expect_map(child, soname)


def large_disk(soname):
    """Two TiB with a grain at each end.  (nbdinfo asks for 4 GiB less one
    byte at a time, which the plugin's block size forbids.)"""
    size = 2 << 40
    with scratch() as tmp:
        path = os.path.join(tmp, "large.vmdk")
        vdisk_img("create", "-q", "-f", "vmdk", path, size)
        qemu_io(path, "write -P 1 0 64k",
                "write -P 1 %d 64k" % (size - GRAIN))
        with vddk.serve(path, soname=soname, options=["-r"]) as server:
            found = json.loads(qemu_img("map", "--output=json", "-f", "raw",
                                        server.uri))
        equal(merge((entry["start"], entry["length"],
                     DATA if entry["data"] else HOLE) for entry in found),
              [(0, GRAIN, DATA), (GRAIN, size - 2 * GRAIN, HOLE),
               (size - GRAIN, GRAIN, DATA)], "map")


def main():
    for kind in KINDS:
        for_each_soname(suite, "the map is vdisk-img's: %s" % kind.name,
                        same_map, kind)
    for_each_soname(suite, "a tail that is no whole chunk is data",
                    tail_is_no_whole_chunk, always=True)
    for name, func in (
            ("disks around the size of a chunk", sizes_around_a_chunk),
            ("a chain shows what all links have", chain_shows_all_links),
            ("single-link=true shows its own", single_link_shows_its_own),
            ("single-link=true: zeroed grains are no holes",
             single_link_has_zeroed_grains),
            ("two TiB", large_disk)):
        for_each_soname(suite, name, func)
    suite.run()


main()
