#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""test-resize - resize as its users see it: texts, exit codes, what is
refused, two at once, and what a killed one leaves behind."""
import json
import os
import random
import re
import subprocess
import sys
import time

sys.path.insert(0, os.path.dirname(__file__))
sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../support"))

import fixture  # noqa: E402
from digest import raw_nz64k  # noqa: E402
from fixture import MIB, assert_equal, held, run_link  # noqa: E402
from model import Model  # noqa: E402
from readers import read_with_vdisk  # noqa: E402
from tap import Suite  # noqa: E402
from tools import (SHORT, VDISK_IMG, Failed, run, scratch,  # noqa: E402
                   vdisk_img)

GIB = 1 << 30
KILLS = 2 if SHORT else 8  # of each kind of disk
MOST_TRIES = 4 * KILLS
PATIENCE = 120             # seconds until a lock is called stuck
SHRINK = ("qemu-img: Use the --shrink option to perform a shrink operation.\n"
          "qemu-img: warning: Shrinking an image will delete all data beyond "
          "the shrunken image's end. Before performing such an operation, "
          "make sure there is no important data there.\n")
NOT_POSITIVE = "qemu-img: New image size must be positive\n"
NOT_GROWING = ("qemu-img: Preallocation can only be used for growing "
               "images\n")
TOO_FEW = ("qemu-img: Not enough arguments\n"
           "Try 'qemu-img [COMMAND] --help' for more info\n")
USAGE = ("qemu-img: Expecting image file name and size\n"
         "Try 'qemu-img [COMMAND] --help' for more info\n")

suite = Suite()


class Images(fixture.Place):
    """a.vmdk, f.vmdk, s.vmdk of 10 MiB, a.raw of 1 MiB; c.vmdk is a's child,
    and only there if a case asks for it."""

    def __init__(self, child=False):
        self.child = child

    def __enter__(self):
        super().__enter__()
        if not self.child:
            os.unlink(self.path("c.vmdk"))
        return self

    def resize(self, *args):
        result = run_link(self.link, ["resize", *args], self.dir)
        return result.code, result.stdout.decode(), result.stderr.decode()

    def size(self, name):
        return virtual_size(self.path(name))


def virtual_size(path):
    text = vdisk_img("info", "--output=json", path)
    return json.loads(text)["virtual-size"]


# -- texts and exit codes ------------------------------------------------------

# words behind "resize": exit code, stdout, stderr, size afterwards of the image
# that is named
TEXTS = (
    (["a.vmdk", "20M"], 0, "Image resized.\n", "", 20 * MIB),
    (["a.vmdk", "+3M"], 0, "Image resized.\n", "", 13 * MIB),
    (["a.vmdk", "10M"], 0, "Image resized.\n", "", 10 * MIB),
    (["-q", "a.vmdk", "20M"], 0, "", "", 20 * MIB),
    (["a.vmdk", "-q", "20M"], 0, "", "", 20 * MIB),
    (["--shrink", "a.vmdk", "-2M"], 0, "Image resized.\n", "", 8 * MIB),
    (["--shrink", "a.vmdk", "3M"], 0, "Image resized.\n", "", 3 * MIB),
    (["--shrink", "-q", "a.vmdk", "--", "-2M"], 0, "", "", 8 * MIB),
    (["f.vmdk", "+3M"], 0, "Image resized.\n", "", 13 * MIB),
    (["-f", "raw", "a.raw", "+1M"], 0, "Image resized.\n", "", 2 * MIB),
    (["--shrink", "-f", "raw", "a.raw", "-512k"], 0, "Image resized.\n", "",
     MIB // 2),
    (["--keep-geometry", "a.vmdk", "+1G"], 0, "Image resized.\n", "",
     GIB + 10 * MIB),
    (["--preallocation=metadata", "a.vmdk", "11M"], 0, "Image resized.\n", "",
     11 * MIB),
    (["--preallocation", "full", "a.vmdk", "11M"], 0, "Image resized.\n", "",
     11 * MIB),
    (["a.vmdk", "-1M"], 1, "", SHRINK, 10 * MIB),
    (["a.vmdk", "1M"], 1, "", SHRINK, 10 * MIB),
    (["--discard-tail", "a.vmdk", "1M"], 1, "", SHRINK, 10 * MIB),
    (["--shrink", "a.vmdk", "-10M"], 1, "", NOT_POSITIVE, 10 * MIB),
    (["--shrink", "a.vmdk", "-99G"], 1, "", NOT_POSITIVE, 10 * MIB),
    (["a.vmdk", "-10M"], 1, "", NOT_POSITIVE, 10 * MIB),
    (["a.vmdk", "0"], 1, "", NOT_POSITIVE, 10 * MIB),
    (["--preallocation=full", "a.vmdk", "10M"], 1, "", NOT_GROWING, 10 * MIB),
    (["--preallocation=falloc", "--shrink", "a.vmdk", "9M"], 1, "",
     NOT_GROWING, 10 * MIB),
    (["--preallocation=some", "a.vmdk", "20M"], 1, "",
     "qemu-img: Invalid preallocation mode 'some'\n", 10 * MIB),
    (["a.vmdk"], 1, "", TOO_FEW, 10 * MIB),
    (["a.vmdk", "a.vmdk", "20M"], 1, "", USAGE, 10 * MIB),
    (["a.vmdk", "20M", "-q"], 1, "", USAGE, 10 * MIB),
    (["--no-such", "a.vmdk", "20M"], 1, "",
     "qemu-img: unrecognized option '--no-such'\n"
     "Try 'qemu-img [COMMAND] --help' for more info\n", 10 * MIB),
    (["a.vmdk", "much"], 1, "",
     "qemu-img: Invalid image size specified: 'much'.\n"
     "You may use k, M, G, T, P or E suffixes for kilobytes, megabytes, "
     "gigabytes, terabytes, petabytes and exabytes.\n", 10 * MIB),
)


def check_text(words, code, out, err, size):
    with Images() as images:
        assert_equal((code, out, err), images.resize(*words), "texts")
        name = next(word for word in words if re.search(r"\.(vmdk|raw)$", word))
        got = os.path.getsize(images.path(name)) if name.endswith("raw") \
            else images.size(name)
        assert_equal(size, got, "size")


# The same words, and all of them about raw images, which qemu-img resizes.
@suite.case("--output=json tells both sizes")
def _():
    with Images() as images:
        code, out, err = images.resize("--output=json", "a.vmdk", "+1M")
        assert_equal((0, ""), (code, err), "result")
        assert_equal({"filename": "a.vmdk", "format": "vmdk",
                      "previous-size": 10 * MIB, "virtual-size": 11 * MIB},
                     json.loads(out), "answer")


# -- what is refused -----------------------------------------------------------

def check_refused(args, words, child=False):
    with Images(child) as images:
        before = {name: raw_nz64k(images.path(name))
                  for name in os.listdir(images.dir) if name != "qemu-img"}
        code, out, err = images.resize(*args)
        assert_equal((1, ""), (code, out), err)
        if not re.search(words, err):
            raise Failed(err)
        for name, digest in before.items():
            assert_equal(digest, raw_nz64k(images.path(name)), name)


@suite.case("data are cut off only where --discard-tail says so")
def _():
    with Images() as images:
        code, _, err = images.resize("--shrink", "a.vmdk", "512k")
        assert_equal(1, code, err)
        if "discard-tail" not in err or str(512 << 10) not in err:
            raise Failed(err)
        assert_equal(10 * MIB, images.size("a.vmdk"), "size")
        code, out, err = images.resize("--shrink", "--discard-tail", "a.vmdk",
                                       "512k")
        assert_equal((0, "Image resized.\n", ""), (code, out, err), "texts")
        assert_equal(512 << 10, images.size("a.vmdk"), "size")


# -- two at once ---------------------------------------------------------------

@suite.case("an image in use is not resized")
def _():
    with Images() as images:
        with held(images.path("a.vmdk"), "-f", "vmdk"):
            code, out, err = images.resize("a.vmdk", "20M")
        assert_equal((1, ""), (code, out), err)
        if "Is another process using the image [a.vmdk]?" not in err:
            raise Failed(err)
        assert_equal(10 * MIB, images.size("a.vmdk"), "size")


@suite.case("of many at once some are locked out, and all others count")
def _():
    with Images() as images:
        jobs = [subprocess.Popen([VDISK_IMG, "resize", "a.vmdk", "+1M"],
                                 cwd=images.dir, stdout=subprocess.PIPE,
                                 stderr=subprocess.PIPE) for _ in range(12)]
        done = 0
        for job in jobs:
            out, err = job.communicate()
            if job.returncode == 0:
                assert_equal(b"Image resized.\n", out, "stdout")
                done += 1
            elif b"Is another process using the image" not in err:
                raise Failed(err.decode())
        if not done:
            raise Failed("none could resize")
        assert_equal((10 + done) * MIB, images.size("a.vmdk"), "size")
        vdisk_img("check", "-q", images.path("a.vmdk"))


# -- killed --------------------------------------------------------------------

# Kinds, size of the disk, larger and still larger: the tables do not fit in
# front of the grains any more, so that grains move.
KILLED = {
    "monolithicSparse": ("", 32 * MIB, 512 * GIB, 600 * GIB),
    "grains of 4 KiB": ("grain_size=4k", 16 * MIB, 40 * GIB, 50 * GIB),
    "twoGbMaxExtentSparse": ("subformat=twoGbMaxExtentSparse,split_size=8M",
                             20 * MIB, 300 * MIB, 310 * MIB),
    "vmfsSparse": ("subformat=vmfsSparse", 16 * MIB, 64 * GIB, 65 * GIB),
}


def make_full(path, options, size):
    """A disk full of data; what it reads as."""
    raw = path + ".raw"
    model = Model(size, size)
    with open(raw, "wb") as file:
        file.write(model.random.randbytes(size))
    options = ["-o", options] if options else []
    vdisk_img("convert", "-f", "raw", "-O", "vmdk", *options, raw, path)
    digest = raw_nz64k(raw)
    os.unlink(raw)
    return digest[1]


def copy_files(source, target):
    os.makedirs(target)
    for name in os.listdir(source):
        subprocess.run(["cp", "--sparse=always", os.path.join(source, name),
                        target], check=True)


def timed_resize(path, size):
    start = time.monotonic()
    vdisk_img("resize", path, size)
    return time.monotonic() - start


def kill_resize(path, size, seconds):
    """True if it was still running."""
    job = subprocess.Popen([VDISK_IMG, "resize", "-q", path, str(size)])
    time.sleep(seconds)
    job.kill()
    killed = job.wait() != 0
    wait_for_lock(path)
    return killed


def wait_for_lock(path):
    """The kernel takes down the ring of a killed process, which holds its
    files open, only after the process."""
    deadline = time.monotonic() + PATIENCE
    while b" lock" in run([VDISK_IMG, "check", "-q", path]).stderr:
        if time.monotonic() > deadline:
            raise Failed("still locked")
        time.sleep(0.01)


def assert_resizable(path, old, size, more, digest):
    """Old size or new, all there, and it can grow again."""
    result = run([VDISK_IMG, "check", "--output=json", path])
    if result.code not in (0, 3):  # 3: grains that were not used yet
        raise Failed(str(result))
    got = virtual_size(path)
    if got not in (old, size):
        raise Failed("%d bytes, neither %d nor %d" % (got, old, size))
    for target in (None, size, more):
        if target:
            vdisk_img("resize", path, target)
            assert_equal(target, virtual_size(path), "size")
        # Reads sparse, and digests holes in no time.
        assert_equal(digest, read_with_vdisk(path)[1], "content")
    result = run([VDISK_IMG, "check", "-q", path])
    if result.code not in (0, 3):
        raise Failed(str(result))


def check_killed(options, old, size, more):
    with scratch() as d:
        source = os.path.join(d, "source")
        os.mkdir(source)
        digest = make_full(os.path.join(source, "d.vmdk"), options, old)
        copy_files(source, os.path.join(d, "timed"))
        whole = timed_resize(os.path.join(d, "timed", "d.vmdk"), size)
        moments = random.Random(old)
        killed = tries = 0
        while killed < KILLS and tries < MOST_TRIES:
            work = os.path.join(d, "work-%d" % tries)
            copy_files(source, work)
            path = os.path.join(work, "d.vmdk")
            in_time = kill_resize(path, size, moments.random() * whole)
            assert_resizable(path, old, size, more, digest)
            killed += in_time
            tries += 1
            if not in_time:  # the one that was timed had been slow
                whole /= 2
        if not killed:
            raise Failed("all of them had ended before")


def main():
    for words, *wanted in TEXTS:
        suite.add("resize " + " ".join(words), check_text, words, *wanted)
    for args, words, child in (
            (["s.vmdk", "20M"], "streamOptimized extent cannot be written",
             False),
            (["c.vmdk", "20M"], "c.vmdk: cannot be resized: it has a parent",
             True),
            (["a.vmdk", "20M"], "a.vmdk: cannot be resized: .*c.vmdk has it",
             True),
            (["none.vmdk", "20M"], "'none.vmdk': No such file", False),
            (["a.vmdk", "9999E"], "Invalid image size specified", False),
            (["a.vmdk", "8191P"], "a.vmdk: ", False),
            (["-f", "nosuch", "a.vmdk", "20M"], "nosuch", False)):
        suite.add("refused: resize " + " ".join(args), check_refused, args,
                  words, child)
    for name, case in KILLED.items():
        suite.add("a killed one leaves the disk whole: " + name, check_killed,
                  *case)
    suite.run()


main()
