#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""test-sample-disks - vdisk-vixsample's commands that make and name disks, for
metadata and maps, on the library as built; what they did is looked at with
vdisk-img and qemu-img."""
import json
import os
import re
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../support"))

from tap import Suite  # noqa: E402
from tools import Failed, scratch, vdisk_img  # noqa: E402
from vix_images import (SECTOR, chain, create_type, image,  # noqa: E402
                        info, no_leftovers, noise, put, raw, same, sample_of)

TYPES = {"monolithicSparse": "monolithicSparse",
         "monolithicFlat": "monolithicFlat",
         "splitSparse": "twoGbMaxExtentSparse",
         "splitFlat": "twoGbMaxExtentFlat",
         "vmfsFlat": "vmfs", "vmfsThin": "vmfs", "vmfsSparse": "vmfsSparse",
         "streamOptimized": "streamOptimized"}

suite = Suite()
vixsample = None  # set in main()


# -- whole disks -------------------------------------------------------------

def check_create(word, kind):
    with scratch() as tmp:
        path = os.path.join(tmp, "x.vmdk")
        vixsample("-create", "-cap", 3, "-type", word, path)
        same((create_type(path), info(path)["virtual-size"]),
             (kind, 3 << 20))


def check_fill(word):
    """A disk that -create has made takes data, whatever its type."""
    with scratch() as tmp:
        path = os.path.join(tmp, "x.vmdk")
        vixsample("-create", "-cap", 3, "-type", word, path)
        vixsample("-fill", "-val", 5, "-start", 200, "-count", 1000, path)
        same(raw(path)[:3 << 20], bytes(200 * SECTOR)
             + b"\x05" * (1000 * SECTOR) + bytes((6144 - 1200) * SECTOR))
        vdisk_img("check", path)


for _word, _kind in TYPES.items():
    suite.add("-create -type " + _word, check_create, _word, _kind)
suite.add("-create -type streamOptimized, then -fill", check_fill,
          "streamOptimized")


@suite.case("-create: 100 MiB, the adapter that is asked for, 4 KiB sectors")
def _():
    with scratch() as tmp:
        for number, (word, adapter) in enumerate([
                (None, "buslogic"), ("ide", "ide"), ("scsi", "buslogic"),
                ("buslogic", "buslogic"), ("lsilogic", "lsilogic")]):
            path = os.path.join(tmp, "%d.vmdk" % number)
            vixsample("-create", *(["-adapter", word] if word else []), path)
            same(info(path)["virtual-size"], 100 << 20)
            same(vdisk_img("meta", "get", path, "adapterType").strip(),
                 adapter)
            if "adapter: %s\n" % adapter not in vixsample("-info", path):
                raise Failed(vixsample("-info", path))
        path = os.path.join(tmp, "4k.vmdk")
        vixsample("-create", "-lssize", 4096, "-pssize", 4096, path)
        out = vixsample("-info", path)
        if ("logical sector size: 4096\nphysical sector size: 4096\n"
                not in out):
            raise Failed(out)


@suite.case("-create: an existing file stays, error 12")
def _():
    with scratch() as tmp:
        path = image(tmp)
        put(path, 0, b"kept" * 128)
        vixsample.fails(12, "-create", path)
        same(raw(path)[:4], b"kept")


@suite.case("-redo: a child that qemu-img and -info know as one")
def _():
    with scratch() as tmp:
        base = image(tmp, "base.vmdk", 2048)
        put(base, 0, noise(300 << 10))
        for word, kind in (("monolithicSparse", "monolithicSparse"),
                           ("splitSparse", "twoGbMaxExtentSparse")):
            child = os.path.join(tmp, word + ".vmdk")
            vixsample("-redo", base, "-type", word, child)
            same(create_type(child), kind)
            same(raw(child), raw(base))
            vixsample("-fill", "-start", 256, "-count", 128, child)
            data = bytearray(raw(base))
            data[128 << 10:192 << 10] = b"\xff" * (64 << 10)
            same(raw(child), bytes(data))
        same(raw(base)[:300 << 10], noise(300 << 10))


@suite.case("-info of a chain, and of its top link alone")
def _():
    with scratch() as tmp:
        child, _ = chain(tmp)
        out = vixsample("-info", child)
        if "links: 2\n" not in out or "parent: base.vmdk\n" not in out:
            raise Failed(out)
        if "links: 1\n" not in vixsample("-info", "-single", child):
            raise Failed("-single opens the parent")


@suite.case("-rename and -unlink take all files along")
def _():
    with scratch() as tmp:
        path = image(tmp, "a.vmdk", 2048, "-o", "subformat=monolithicFlat")
        put(path, 0, noise(1 << 20))
        new = os.path.join(tmp, "b.vmdk")
        vixsample("-rename", new, path)
        no_leftovers(tmp, "b.vmdk", "b-flat.vmdk")
        same(raw(new), noise(1 << 20))
        vixsample("-unlink", new)
        no_leftovers(tmp)


# -- metadata ----------------------------------------------------------------

@suite.case("-meta, -rmeta, -wmeta")
def _():
    with scratch() as tmp:
        path = image(tmp)
        vixsample("-wmeta", "our.key", "some value", path)
        vixsample("-wmeta", "adapterType", "lsilogic", path)
        same(vixsample("-rmeta", "our.key", path), "our.key = some value\n")
        same(vdisk_img("meta", "get", path, "our.key").strip(), "some value")
        listed = dict(line.split(" = ", 1)
                      for line in vixsample("-meta", path).splitlines())
        wanted = json.loads(vdisk_img("meta", "list", "--output=json", path))
        same(listed, wanted)
        same(listed["adapterType"], "lsilogic")
        vixsample.fails(16052, "-rmeta", "no.such.key", path)


# -- maps --------------------------------------------------------------------

@suite.case("-getallocatedblocks: chunks with data, and the odd tail")
def _():
    with scratch() as tmp:
        path = image(tmp, sectors=1027)
        put(path, 384 * SECTOR, noise(128 * SECTOR))
        out = vixsample("-getallocatedblocks", path)
        same(re.findall(r"^0x(\w+)  0x(\w+)$", out, re.M),
             [("%010x" % 384, "%010x" % 128), ("%010x" % 1024, "%010x" % 3)])
        same(out.splitlines()[-1],
             "2 blocks, 131 of 1027 sectors allocated (12.8 %)")
        out = vixsample("-getallocatedblocks", "-chunksize", 512, path)
        same(re.findall(r"^0x(\w+)  0x(\w+)$", out, re.M),
             [("%010x" % 0, "%010x" % 512), ("%010x" % 1024, "%010x" % 3)])


@suite.case("-getallocatedblocks: a disk that takes several queries")
def _():
    with scratch() as tmp:
        sectors = (100 << 30) // SECTOR  # 64 MiB chunks of 64 KiB: 32 GiB
        path = image(tmp, sectors=sectors)
        for offset in (0, 40 << 30, 99 << 30):
            put(path, offset, noise(SECTOR))
        out = vixsample("-getallocatedblocks", path)
        same([int(n, 16) * SECTOR
              for n in re.findall(r"^0x(\w+)  0x", out, re.M)],
             [0, 40 << 30, 99 << 30])


@suite.case("-getallocatedblocks: chunk sizes out of range are refused")
def _():
    with scratch() as tmp:
        path = image(tmp, sectors=262144)
        for chunk in (64, 131073, 262144):
            vixsample.fails(3, "-getallocatedblocks", "-chunksize", chunk, path)


@suite.case("-extents: data, zeroes, holes, and in which link")
def _():
    with scratch() as tmp:
        child, _ = chain(tmp)
        rows = re.findall(r"^0x(\w+)  0x(\w+) +(\d+)  (\S+)$",
                          vixsample("-extents", child), re.M)
        found = [(int(o, 16), int(n, 16), int(d), f) for o, n, d, f in rows]
        same(found, [(0, 256, 1, "data"), (256, 128, 0, "data"),
                     (384, 256, 1, "data"), (640, 1408, found[-1][2],
                                             "hole,zero")])
        out = vixsample("-extents", "-single", child)
        same(re.findall(r"(\S+)$", out, re.M)[1:], ["parent", "data",
                                                    "parent"])


# -- threads -----------------------------------------------------------------

@suite.case("-multithread: copies are the same, nothing is left")
def _():
    with scratch() as tmp:
        child, _ = chain(tmp)
        work = os.path.join(tmp, "work")
        os.mkdir(work)
        out = vixsample("-multithread", 8, child, env={"TMPDIR": work})
        same(out, "".join("thread %d: 2048 sectors copied, the same\n" % n
                          for n in range(8)))
        no_leftovers(work)


# -- other versions ----------------------------------------------------------

def check_version(version):
    with scratch() as tmp, sample_of(version) as sample:
        path = os.path.join(tmp, "x.vmdk")
        sample("-create", "-lssize", 4096, "-cap", 1, path)
        sample("-writeasyncbench", 100, "-val", 3, path)
        same(raw(path), b"\3" * (1 << 20))
        out = sample("-info", path)
        # Programs for version 6 have no sector sizes to ask for.
        if "logical sector size: %d\n" % (4096 if version > 6 else 512) \
                not in out:
            raise Failed(out)


for _version in (6, 7, 8):
    suite.add("libvixDiskLib.so.%d" % _version, check_version, _version)


def main():
    global vixsample
    with sample_of(8) as vixsample:
        suite.run()


main()
