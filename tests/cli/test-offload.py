#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""test-offload - convert on file systems that can share blocks: what it leaves
to them, and that the result is the one of reading and writing."""
import contextlib
import json
import os
import random
import subprocess
import sys

sys.path.insert(0, os.path.dirname(__file__))

from fixture import MIB, assert_equal, make_images  # noqa: E402
from tap import Skip, Suite  # noqa: E402
from tools import Failed, need, scratch, vdisk_img, vdisk_img_fails  # noqa: E402

KINDS = {"xfs": ["mkfs.xfs", "-q"], "btrfs": ["mkfs.btrfs", "-q"]}
STRETCH = 512 * 1024


@contextlib.contextmanager
def mounted(kind):
    """A new file system of 512 MiB; needs root and the right to mount."""
    program, *options = KINDS[kind]
    program = need(program)
    if os.geteuid() != 0:
        raise Skip("loop devices need root")
    with scratch() as d:
        image, place = os.path.join(d, "image"), os.path.join(d, "place")
        os.mkdir(place)
        with open(image, "wb") as f:
            f.truncate(512 * MIB)
        subprocess.run([program, *options, image], check=True,
                       capture_output=True)
        done = subprocess.run(["mount", "-o", "loop", image, place],
                              capture_output=True, check=False)
        if done.returncode != 0:
            raise Skip("%s cannot be mounted here" % kind)
        try:
            yield place
        finally:
            subprocess.run(["umount", place], check=True)


def make_source(path):
    """16 MiB: data, zeroes that are stored, data, a hole, by turns."""
    noise = random.Random(5).randbytes(STRETCH)
    with open(path, "wb") as f:
        for _ in range(8):
            f.write(noise + bytes(STRETCH) + noise)
            f.seek(STRETCH, os.SEEK_CUR)
        f.truncate(16 * MIB)


def convert(directory, *args):
    return json.loads(vdisk_img("convert", "--output=json", *args,
                                cwd=directory))


def map_of(directory, name):
    """Offsets and lengths of what is stored."""
    doc = json.loads(vdisk_img("map", "--output=json", "-f", "raw", name,
                               cwd=directory))
    return [(e["start"], e["length"]) for e in doc if e["data"]]


def same(directory, *names):
    vdisk_img("compare", *names, cwd=directory)


def check_sharing(kind):
    with mounted(kind) as d:
        make_source(os.path.join(d, "source"))
        shared = convert(d, "source", "shared")
        written = convert(d, "--no-offload", "source", "written")
        assert_equal(8 * MIB, shared["bytes-offloaded"], "shared")
        assert_equal(0, written["bytes-offloaded"], "--no-offload")
        for key in ("bytes-read", "bytes-written", "bytes-zero"):
            assert_equal(written[key], shared[key], key)
        same(d, "source", "shared")
        assert_equal(map_of(d, "written"), map_of(d, "shared"), "map")
        whole = convert(d, "-C", "source", "whole")
        assert_equal(0, whole["bytes-read"], "read with -C")
        assert_equal(12 * MIB, whole["bytes-offloaded"], "-C")
        same(d, "source", "whole")


def check_kept_apart(kind):
    """Changing one changes nothing else."""
    with mounted(kind) as d:
        make_source(os.path.join(d, "source"))
        convert(d, "source", "copy")
        convert(d, "source", "other")
        vdisk_img("fill", "-f", "raw", "-l", "1M", "-P", "7", "copy", cwd=d)
        same(d, "source", "other")
        assert_equal(1, subprocess.run(
            ["cmp", "-s", "source", "copy"], cwd=d, check=False).returncode,
            "cmp")


def check_verified(kind):
    with mounted(kind) as d:
        make_source(os.path.join(d, "source"))
        for args in (["--verify"], ["--verify", "-C"]):
            doc = convert(d, *args, "source", "copy")
            assert_equal(16 * MIB, doc["verified"], args)
            if doc["bytes-offloaded"] < 8 * MIB:
                raise Failed("%s" % doc)


def check_left_alone(kind):
    """Where somebody has said how the target is to be stored."""
    with mounted(kind) as d:
        make_source(os.path.join(d, "source"))
        vdisk_img("create", "-q", "-f", "raw", "old", "16M", cwd=d)
        for args in (["-S", "4k", "source", "t"], ["-S", "0", "source", "t"],
                     ["-o", "preallocation=falloc", "source", "t"],
                     ["-n", "source", "old"], ["--salvage", "source", "t"],
                     ["-U", "source", "t"], ["-O", "vmdk", "source", "t"]):
            doc = convert(d, "-f", "raw", *args)
            assert_equal(0, doc["bytes-offloaded"], args)
            same(d, "source", args[-1])


def check_vmdk_source(kind):
    with mounted(kind) as d:
        make_source(os.path.join(d, "source"))
        for options in ("monolithicSparse", "monolithicFlat"):
            vdisk_img("convert", "-f", "raw", "-O", "vmdk", "-o",
                      "subformat=" + options, "source", "v.vmdk", cwd=d)
            doc = convert(d, "v.vmdk", "t")
            assert_equal(8 * MIB, doc["bytes-offloaded"], options)
            same(d, "source", "t")


def main():
    suite = Suite()
    for kind in KINDS:
        for name, check in (
                ("what was read is shared, zeroes stay out", check_sharing),
                ("source and copies are kept apart", check_kept_apart),
                ("what is shared can be verified", check_verified),
                ("not where somebody wants it stored", check_left_alone),
                ("stored grains of a VMDK are shared", check_vmdk_source)):
            suite.add("%s: %s" % (kind, name), check, kind)

    @suite.case("without such a file system all is as ever")
    def _():
        with scratch() as d:
            make_images(d)
            for args in ([], ["--no-offload"], ["-C"]):
                convert(d, *args, "f.vmdk", "t")
                same(d, "f.vmdk", "t")

    @suite.case("-C and --no-offload exclude one another")
    def _():
        with scratch() as d:
            make_images(d)
            text = vdisk_img_fails("convert", "-C", "--no-offload", "a.raw",
                                   "t", cwd=d)
            assert_equal("vdisk-img: Cannot enable copy offloading when "
                         "--no-offload is used\n", text, "stderr")

    suite.run()


main()
