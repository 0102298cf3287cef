#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""test-bad-input - what goes wrong is said in one line and harms nothing.

A missing, truncated or garbled source, a target that cannot be written, a full
disk: exit 1, one line that names the file, no half-made target, an existing
target and the source as they were.
"""
import os
import random
import resource
import signal
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../support"))

from tap import Suite  # noqa: E402
from tools import (KINDS, LONG, SHORT, VDISK_IMG, Failed, Result,  # noqa: E402
                   assert_no_crash, run, scratch, vdisk_img,
                   vdisk_img_fails)

SIZE = 4 << 20
SECONDS = 5
MEMORY = 512 << 20
# Damaged copies, and lengths, tried per kind; each takes a few programs, and the
# fuzzers try more of them in one.
GARBLED = 400 if LONG else 6 if SHORT else 60
CUT = 4 if SHORT else 10

suite = Suite()


def make(tmp, kind, seed=1):
    """A VMDK of @kind with data in half of it: path of the descriptor."""
    rng = random.Random(seed)
    raw = os.path.join(tmp, "source.raw")
    with open(raw, "wb") as file:
        for at in range(0, SIZE, 128 << 10):
            file.seek(at)
            file.write(rng.randbytes(64 << 10))
        file.truncate(SIZE)
    image = os.path.join(tmp, "image.vmdk")
    vdisk_img("convert", "-f", "raw", "-O", "vmdk", "-o", "subformat=" + kind,
              raw, image)
    return image


def file_bytes(path):
    with open(path, "rb") as file:
        return file.read()


def assert_one_line(text, name):
    """One line of error; what was tried before may have been warned of."""
    lines = [line for line in text.splitlines() if ": warning: " not in line]
    if len(lines) != 1 or name not in lines[0]:
        raise Failed("wanted one line that names %s: %r" % (name, text))


def refused(image, target, fmt="vmdk"):
    text = vdisk_img_fails("convert", "-f", fmt, "-O", "raw", image, target,
                           cpu_seconds=SECONDS, memory=MEMORY)
    assert_one_line(text, os.path.basename(image))
    if os.path.exists(target):
        raise Failed("the target has been left behind")


@suite.case("a missing source")
def _():
    with scratch() as tmp:
        refused(os.path.join(tmp, "none.vmdk"), os.path.join(tmp, "out.raw"))


@suite.case("a directory as source")
def _():
    with scratch() as tmp:
        source = os.path.join(tmp, "directory")
        os.mkdir(source)
        refused(source, os.path.join(tmp, "out.raw"))


@suite.case("an empty source that is said to be a vmdk")
def _():
    with scratch() as tmp:
        source = os.path.join(tmp, "empty.vmdk")
        with open(source, "wb"):
            pass
        refused(source, os.path.join(tmp, "out.raw"))


@suite.case("a missing extent is named")
def _():
    for kind, extent in (("monolithicFlat", "image-flat.vmdk"),
                         ("twoGbMaxExtentSparse", "image-s001.vmdk"),
                         ("twoGbMaxExtentFlat", "image-f001.vmdk")):
        with scratch() as tmp:
            image = make(tmp, kind)
            os.unlink(os.path.join(tmp, extent))
            text = vdisk_img_fails("convert", "-O", "raw", image,
                                   os.path.join(tmp, "out.raw"))
            assert_one_line(text, extent)


def truncated(kind):
    """Cut anywhere: refused, or read without the lost part being made up."""
    with scratch() as tmp:
        image = make(tmp, kind)
        whole = file_bytes(image)
        target = os.path.join(tmp, "out.raw")
        rng = random.Random(2)
        for length in [0, 1, 511, 512, 513, 1024, 11 * 1024, len(whole) // 2,
                       *sorted(rng.sample(range(len(whole) - 70000), CUT))]:
            with open(image, "wb") as file:
                file.write(whole[:length])
            refused(image, target)


def garbled(kind):
    """Damage in the metadata: any answer, but soon, small, without a crash."""
    with scratch() as tmp:
        image = make(tmp, kind)
        whole = file_bytes(image)
        head = min(len(whole), 64 << 10)
        target = os.path.join(tmp, "out.raw")
        rng = random.Random(3)
        for number in range(GARBLED):
            damaged = bytearray(whole)
            for _ in range(rng.choice((1, 1, 4, 64))):
                at = rng.randrange(head) if rng.random() < 0.8 \
                    else rng.randrange(len(whole))
                damaged[at] = rng.choice((0, 255, rng.randrange(256)))
            with open(image, "wb") as file:
                file.write(damaged)
            for command in (["convert", "-f", "vmdk", "-O", "raw", image,
                             target], ["check", "-f", "vmdk", image],
                            ["info", image]):
                result = run([VDISK_IMG, *command], cpu_seconds=SECONDS,
                             memory=MEMORY)
                assert_no_crash(result)
                if result.code not in (0, 1, 2, 3) or (
                        result.code == 1 and not result.stderr):
                    raise Failed("copy %d: %s" % (number, result))
            if os.path.exists(target):
                os.unlink(target)


@suite.case("a target in a directory that does not exist")
def _():
    with scratch() as tmp:
        image = make(tmp, "monolithicSparse")
        target = os.path.join(tmp, "none", "out.raw")
        text = vdisk_img_fails("convert", "-O", "raw", image, target)
        assert_one_line(text, "out.raw")


@suite.case("a failed convert leaves an existing target as it was")
def _():
    with scratch() as tmp:
        target = os.path.join(tmp, "out.raw")
        with open(target, "wb") as file:
            file.write(b"precious" * 100)
        before = file_bytes(target)
        vdisk_img_fails("convert", "-O", "raw", os.path.join(tmp, "none"),
                        target)
        if file_bytes(target) != before:
            raise Failed("the target has been changed")


@suite.case("source and target are the same file")
def _():
    with scratch() as tmp:
        image = make(tmp, "monolithicSparse")
        link = os.path.join(tmp, "link.vmdk")
        os.link(image, link)
        before = file_bytes(image)
        for target in (image, link):
            vdisk_img_fails("convert", "-O", "vmdk", image, target)
            if file_bytes(image) != before:
                raise Failed("the source has been changed")


@suite.case("the target is the parent of the source")
def _():
    with scratch() as tmp:
        base = make(tmp, "monolithicSparse")
        top = os.path.join(tmp, "top.vmdk")
        vdisk_img("create", "-q", "-f", "vmdk", "-b", base, "-F", "vmdk", top)
        before = file_bytes(base)
        vdisk_img_fails("convert", "-O", "vmdk", top, base)
        if file_bytes(base) != before:
            raise Failed("the parent has been changed")


def run_with_file_limit(argv, limit):
    """No file may grow over @limit: as near to a full disk as one gets
    without mounting one (EFBIG for ENOSPC)."""
    def restrict():
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

    return Result(argv, subprocess.run(argv, capture_output=True, check=False,
                                       preexec_fn=restrict, timeout=60))


def full(kind):
    with scratch() as tmp, scratch() as out:
        make(tmp, "monolithicSparse")
        source = os.path.join(tmp, "source.raw")
        target = os.path.join(out, "out.vmdk")
        result = run_with_file_limit(
            [VDISK_IMG, "convert", "-f", "raw", "-O", "vmdk", "-o",
             "subformat=" + kind, source, target], 1 << 20)
        assert_no_crash(result)
        if result.code != 1:
            raise Failed(str(result))
        assert_one_line(result.stderr.decode(), "out")
        if os.listdir(out):
            raise Failed("left behind: %s" % os.listdir(out))


@suite.case("an unreadable source and a read-only target")
def _():
    with scratch() as tmp:
        image = make(tmp, "monolithicSparse")
        target = os.path.join(tmp, "out.raw")
        with open(target, "wb"):
            pass
        os.chmod(target, 0o400)
        assert_one_line(vdisk_img_fails(
            "convert", "-n", "-O", "raw", image, target,
            obey_permissions=True), "out.raw")
        os.chmod(image, 0)
        assert_one_line(vdisk_img_fails("info", image, obey_permissions=True),
                        "image.vmdk")


for kind in KINDS:
    if not kind.endswith("Flat"):
        suite.add("garbled " + kind, garbled, kind)
    if kind != "twoGbMaxExtentFlat":
        suite.add("no room for " + kind, full, kind)
suite.add("truncated monolithicSparse", truncated, "monolithicSparse")
suite.add("truncated streamOptimized", truncated, "streamOptimized")
suite.run()
