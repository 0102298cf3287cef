#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""test-verify - convert --verify: what it says, and that a target which is not
what was read is found and removed; commit --verify, and a base that is not."""
import fcntl
import json
import os
import random
import subprocess
import sys
import time

sys.path.insert(0, os.path.dirname(__file__))

from fixture import MIB, assert_equal, make_images  # noqa: E402
from tap import Suite  # noqa: E402
from tools import (VDISK_IMG, Failed, scratch, vdisk_img,  # noqa: E402
                   vdisk_img_fails)

PATIENCE = 60             # seconds until a process is called stuck
PIPE_BYTES = 4096         # the least that the kernel gives
TARGETS = (["raw"], ["vmdk"], ["vmdk", "-o", "subformat=streamOptimized"],
           ["vmdk", "-o", "subformat=monolithicFlat"],
           ["vmdk", "-o", "subformat=twoGbMaxExtentSparse"],
           ["vmdk", "-o", "subformat=twoGbMaxExtentFlat"],
           ["vmdk", "-o", "subformat=vmfs"])


def make_noise(path, size):
    """The same bytes each time, none of them zero."""
    source = random.Random(size)
    block = bytes(1 + source.randrange(255) for _ in range(65536))
    with open(path, "wb") as f:
        for _ in range(size // len(block)):
            f.write(block)


class Halted:
    """vdisk-img -p, stopped at its first percent since the pipe that takes
    them has no room for two."""

    def __init__(self, args, cwd, progress="stdout"):
        self.read, write = os.pipe()
        room = fcntl.fcntl(write, fcntl.F_SETPIPE_SZ, PIPE_BYTES)
        os.write(write, b"x" * (room - 25))
        streams = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        streams[progress] = write
        self.progress = progress
        self.process = subprocess.Popen([VDISK_IMG, *args, "-p"], cwd=cwd,
                                        **streams)
        os.close(write)

    def end(self):
        """Let it go on; its exit code and the other stream."""
        with os.fdopen(self.read, "rb") as f:
            f.read()
        out, err = self.process.communicate(timeout=PATIENCE)
        other = err if self.progress == "stdout" else out
        return self.process.returncode, other.decode()


def first_written(path, places):
    """The first of @places where @path has a byte that is not zero."""
    with open(path, "rb") as f:
        for place in places:
            f.seek(place)
            if f.read(1) not in (b"", b"\0"):
                return place
    return None


def damage_once_there(path, *places):
    """As soon as the byte at one of @places has been written make it another
    one."""
    deadline = time.monotonic() + PATIENCE
    place = None
    while place is None:
        if time.monotonic() > deadline:
            raise Failed("%s: nothing at %s" % (path, places))
        time.sleep(0.005)
        if os.path.exists(path):
            place = first_written(path, places)
    with open(path, "r+b") as f:
        f.seek(place)
        byte = f.read(1)[0]
        f.seek(place)
        f.write(bytes([byte ^ 0xff]))


def run_damaged(directory, args, name, off, progress="stdout"):
    """convert @args, one request after the other; exit code and words."""
    job = Halted(["convert", "--verify", "-m", "1", "-f", "raw", *args],
                 directory, progress)
    damage_once_there(os.path.join(directory, name), off)
    return job.end()


def json_document(*args, cwd):
    out = vdisk_img("convert", "--output=json", *args, cwd=cwd)
    return json.loads(out)


def assert_words(text, *words):
    for word in words:
        if word not in text:
            raise Failed("no %r in: %s" % (word, text))


def check_good(directory, target):
    out = vdisk_img("convert", "--verify", "-O", *target, "a.vmdk", "t.vmdk",
                    cwd=directory)
    assert_equal("Target verified: 10485760 bytes.\n", out, "output")
    out = vdisk_img("convert", "--verify", "-q", "-O", *target, "s.vmdk",
                    "t.vmdk", cwd=directory)
    assert_equal("", out, "output of -q")
    vdisk_img("compare", "a.vmdk", "t.vmdk", cwd=directory)


def add_good(suite):
    @suite.case("a good copy of every kind passes, and is told of")
    def _():
        for target in TARGETS:
            with scratch() as d:
                make_images(d)
                check_good(d, target)

    @suite.case("the JSON result has the bytes that were compared")
    def _():
        with scratch() as d:
            make_images(d)
            doc = json_document("--verify", "-O", "raw", "s.vmdk", "t",
                                cwd=d)
            assert_equal(10 * MIB, doc["verified"], "verified")
            keys = list(doc)
            assert_equal("verified", keys[keys.index("bytes-offloaded") + 1],
                         "its place")
            doc = json_document("-O", "raw", "s.vmdk", "t", cwd=d)
            if "verified" in doc:
                raise Failed("verified without being asked to")

    @suite.case("several sources, -n, -S 0, -c, -C and salvaging pass")
    def _():
        with scratch() as d:
            make_images(d)
            doc = json_document("--verify", "-O", "raw", "a.raw", "s.vmdk",
                                "b.raw", "t", cwd=d)
            assert_equal(13 * MIB, doc["verified"], "several sources")
            for args in (["-n", "-O", "vmdk", "s.vmdk", "f.vmdk"],
                         ["-n", "--target-image-opts", "s.vmdk",
                          "driver=raw,file.filename=t"],
                         ["-S", "0", "-O", "vmdk", "s.vmdk", "t.vmdk"],
                         ["-c", "-O", "vmdk", "-o",
                          "subformat=streamOptimized", "f.vmdk", "t.vmdk"],
                         ["-C", "-O", "raw", "f.vmdk", "t"],
                         ["--salvage", "-O", "raw", "f.vmdk", "t"]):
                doc = json_document("--verify", *args, cwd=d)
                assert_equal(10 * MIB, doc["verified"], args)

    @suite.case("with -B what the parent provides is left out")
    def _():
        with scratch() as d:
            make_images(d)
            vdisk_img("fill", "-o", "3M", "-l", "4k", "c.vmdk", cwd=d)
            doc = json_document("--verify", "-O", "vmdk", "-B", "a.vmdk",
                                "-F", "vmdk", "c.vmdk", "t.vmdk", cwd=d)
            assert_equal(65536, doc["verified"], "verified")

    @suite.case("progress never goes backwards")
    def _():
        with scratch() as d:
            make_noise(os.path.join(d, "source"), 8 * MIB)
            out = vdisk_img("convert", "-p", "--verify", "-O", "raw",
                            "source", "t", cwd=d)
            lines, end = out.split("\n", 1)
            shares = [float(line.strip(" (").split("/")[0])
                      for line in lines.split("\r") if line]
            assert_equal(sorted(shares), shares, "shares")
            assert_equal(100.0, shares[-1], "the last")
            assert_equal("Target verified: 8388608 bytes.\n", end, "end")


def add_damaged(suite):
    cases = ((["raw"], "t", 0, "the 1048576 bytes at offset 0 are not"),
             (["vmdk"], "t", 262144, "at offset 0 are not"),
             (["vmdk", "-o", "subformat=monolithicFlat"], "t-flat", 77,
              "the 1048576 bytes at offset 0 are not"),
             (["vmdk", "-o", "subformat=twoGbMaxExtentSparse"], "t-s001",
              262144, "at offset 0 are not"),
             (["vmdk", "-o", "subformat=twoGbMaxExtentFlat"], "t-f001", 77,
              "the 1048576 bytes at offset 0 are not"))
    for target, name, off, words in cases:
        @suite.case("damage is found, the target removed: " + target[-1])
        def _(target=target, name=name, off=off, words=words):
            with scratch() as d:
                make_noise(os.path.join(d, "source"), 8 * MIB)
                end = "" if target == ["raw"] else ".vmdk"
                code, text = run_damaged(
                    d, ["-O", *target, "source", "t" + end], name + end, off)
                assert_equal(1, code, text)
                assert_words(text, "verification failed: t", words)
                assert_equal(["source"], os.listdir(d), "left behind")

    @suite.case("damage is found, the target removed: streamOptimized")
    def _():
        with scratch() as d:
            make_noise(os.path.join(d, "source"), 8 * MIB)
            code, text = run_damaged(
                d, ["-O", "vmdk", "-o", "subformat=streamOptimized",
                    "source", "t"], "t", 262144)
            # A record that does not inflate cannot be read at all.
            assert_equal(1, code, text)
            assert_words(text, "error while verifying at byte 0: t: ")
            assert_equal(["source"], os.listdir(d), "left behind")

    @suite.case("a target that was to be replaced stays")
    def _():
        with scratch() as d:
            make_noise(os.path.join(d, "source"), 8 * MIB)
            make_noise(os.path.join(d, "t"), MIB)
            job = Halted(["convert", "--verify", "-m", "1", "-f", "raw", "-O",
                          "raw", "source", "t"], d)
            deadline = time.monotonic() + PATIENCE
            new = set()
            while not new and time.monotonic() < deadline:
                new = set(os.listdir(d)) - {"source", "t"}
            damage_once_there(os.path.join(d, new.pop()), 5)
            code, text = job.end()
            assert_equal(1, code, text)
            assert_words(text, "verification failed: t: ")
            assert_equal(["source", "t"], sorted(os.listdir(d)), "files")
            assert_equal(MIB, os.path.getsize(os.path.join(d, "t")), "size")

    @suite.case("with -n the target stays")
    def _():
        with scratch() as d:
            make_noise(os.path.join(d, "source"), 8 * MIB)
            vdisk_img("create", "-q", "-f", "raw", "t", "8M", cwd=d)
            code, text = run_damaged(d, ["-n", "-O", "raw", "source", "t"],
                                     "t", 5)
            assert_equal(1, code, text)
            assert_words(text, "verification failed: t: the 1048576 bytes at "
                         "offset 0 are not what was copied there")
            assert_equal(["source", "t"], sorted(os.listdir(d)), "files")

    @suite.case("damage is told in JSON, too")
    def _():
        with scratch() as d:
            make_noise(os.path.join(d, "source"), 8 * MIB)
            code, text = run_damaged(
                d, ["--output=json", "-O", "raw", "source", "t"], "t", 5,
                progress="stderr")
            assert_equal(1, code, text)
            error = json.loads(text)["error"]
            assert_words(error["message"], "verification failed: t: ")
            assert_equal("t", error["file"], "file")
            assert_equal(["source"], os.listdir(d), "left behind")

    @suite.case("a base that is not what was committed is found")
    def _():
        with scratch() as d:
            make_noise(os.path.join(d, "source"), 8 * MIB)
            vdisk_img("create", "-q", "-f", "vmdk", "-o",
                      "subformat=monolithicFlat", "base.vmdk", "8M", cwd=d)
            vdisk_img("create", "-q", "-f", "vmdk", "-b", "base.vmdk", "-F",
                      "vmdk", "top.vmdk", cwd=d)
            vdisk_img("convert", "-n", "-O", "vmdk", "source", "top.vmdk",
                      cwd=d)
            job = Halted(["commit", "--verify", "top.vmdk"], d)
            # Requests are in flight at once: any may be the first written.
            damage_once_there(os.path.join(d, "base-flat.vmdk"),
                              *range(99, 8 * MIB, 65536))
            code, text = job.end()
            assert_equal(1, code, text)
            assert_words(text, "verification failed: base.vmdk: ",
                         "are not what was copied there")
            vdisk_img("compare", "source", "top.vmdk", cwd=d)
            vdisk_img("commit", "--verify", "top.vmdk", cwd=d)
            vdisk_img("compare", "source", "base.vmdk", cwd=d)
            vdisk_img("compare", "source", "top.vmdk", cwd=d)

    @suite.case("a target that is said to be zero, and is not, is found")
    def _():
        with scratch() as d:
            make_noise(os.path.join(d, "t"), MIB)
            vdisk_img("create", "-q", "-f", "raw", "source", "1M", cwd=d)
            args = ["convert", "-n", "--target-is-zero", "-f", "raw", "-O",
                    "raw"]
            vdisk_img(*args, "source", "t", cwd=d)
            text = vdisk_img_fails(*args, "--verify", "source", "t", cwd=d)
            assert_words(text, "verification failed: t: the byte at offset 0 ")

    @suite.case("standard output cannot be read back")
    def _():
        with scratch() as d:
            make_images(d)
            text = vdisk_img_fails("convert", "--verify", "a.raw", "-", cwd=d)
            assert_words(text, "--verify makes no sense with standard output")


def main():
    suite = Suite()
    add_good(suite)
    add_damaged(suite)
    suite.run()


main()
