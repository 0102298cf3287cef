#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""test-format-samples - qcow2, VHD, VHDX and VDI images of other products are
read right, as MANIFEST.tsv lists them.

Each gives its listed content under both engines, converts to a VMDK with that
content, and passes a check; none of that changes a file.  Damaged ones, and one
whose data are elsewhere, fail fast, in little memory, with one clear line.
"""
import hashlib
import os
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../support"))

import samples  # noqa: E402
from digest import raw_nz64k, raw_sha256  # noqa: E402
from readers import expect, read_with_vdisk  # noqa: E402
from tap import Suite, skip_all  # noqa: E402
from tools import (LONG, SHORT, VDISK_IMG, Failed, need_engine,  # noqa: E402
                   run, scratch, vdisk_img, vdisk_img_fails)

MIB, GIB = 1 << 20, 1 << 30
# Up to this size all zeroes are hashed, too.
HASHED = 1 << 63 if LONG else 64 * MIB if SHORT else GIB
FAIL_SECONDS = 5
FAIL_MEMORY = 512 << 20
FORMATS = ("QCOW", "VHD", "VHDX", "VDI")

# What a check of it exits with.  This one's snapshot table is its header.
SOUND = {"cdi-large-json": (1, 2)}
# Only its last sector tells, and that is a guest's in a raw image: qemu-img, too,
# has to be told.
TOLD = {"dfvfs-ntfs-fixed": ("-f", "vpc")}
# Virtual PC's own: its size is its geometry's (QEMU's rule; dossier B.2).
BY_GEOMETRY = {"qemu-virtualpc-dynamic": 136363130880}


def digests(directory):
    """Path -> digest of each file in it."""
    found = {}
    for name in sorted(os.listdir(directory)):
        with open(os.path.join(directory, name), "rb") as file:
            found[name] = hashlib.file_digest(file, "sha256").hexdigest()
    return found


class Unpacked:
    """The files of one sample, for as long as cases ask for that one; each of
    them leaves the files as they are."""

    last = None

    def __init__(self, sample):
        self.name = sample.name
        self.temp = tempfile.TemporaryDirectory(prefix="vdisk-sample-")
        self.image = sample.unpack(self.temp.name)
        self.before = digests(self.temp.name)

    @classmethod
    def of(cls, sample):
        if not cls.last or cls.last.name != sample.name:
            cls.last = cls(sample)
        return cls.last

    def expect_unchanged(self):
        if digests(self.temp.name) != self.before:
            raise Failed("a file has been changed")


def told(sample):
    return TOLD.get(sample.name, ()) if sample.format == "VHD" else ()


def size_of(sample):
    return BY_GEOMETRY.get(sample.name, sample.size)


def reads_right(sample, engine):
    need_engine(engine)
    files = Unpacked.of(sample)
    with scratch() as out:
        raw = os.path.join(out, "out.raw")
        vdisk_img("convert", *told(sample), "-O", "raw", files.image, raw,
                  engine=engine)
        expect(raw_nz64k(raw), (size_of(sample), sample.nz64k), engine)
        if sample.expected != "all zeroes" and sample.size <= HASHED:
            expect(raw_sha256(raw), (sample.size, sample.expected[:64]), engine)
    files.expect_unchanged()


def is_sound(sample):
    """A check finds no damage, where there is none; leaks are none."""
    files = Unpacked.of(sample)
    result = run([VDISK_IMG, "check", "-q", *told(sample), files.image])
    if result.code not in SOUND.get(sample.name, (0, 3, 63)):
        raise Failed(str(result))
    files.expect_unchanged()


def becomes_vmdk(sample):
    files = Unpacked.of(sample)
    with scratch() as out:
        target = os.path.join(out, "out.vmdk")
        vdisk_img("convert", *told(sample), "-O", "vmdk", files.image, target)
        vdisk_img("check", "-q", target)
        expect(read_with_vdisk(target), (size_of(sample), sample.nz64k), "it")


def fails_clearly(sample, words):
    with scratch() as tmp, scratch() as out:
        image = sample.unpack(tmp)
        text = vdisk_img_fails(*words, image, *(
            [os.path.join(out, "out.raw")] if words[0] == "convert" else []),
            cpu_seconds=FAIL_SECONDS, memory=FAIL_MEMORY)
        lines = text.splitlines()
        if len(lines) != 1 or os.path.basename(image) not in lines[0]:
            raise Failed("wanted one line that names the image: %r" % text)
        if os.listdir(out):
            raise Failed("left behind: %s" % os.listdir(out))


def describes(sample):
    """Its content is elsewhere; what it says of itself can be read."""
    with scratch() as tmp:
        text = vdisk_img("info", sample.unpack(tmp))
        if "data file" not in text:
            raise Failed(text)


def must_fail(sample):
    return "must fail" in sample.expected


def main():
    if not samples.available():
        skip_all("no sample images at " + samples.ROOT)
    suite = Suite()
    for sample in samples.load(*FORMATS):
        if must_fail(sample):
            for words in (("convert", "-O", "raw"), ("map",), ("check",)):
                suite.add("%s fails clearly (%s)" % (sample.name, words[0]),
                          fails_clearly, sample, words)
            if "metadata readable" in sample.expected:
                suite.add("%s is described" % sample.name, describes, sample)
            continue
        for engine in ("uring", "threads"):
            suite.add("%s reads right (%s)" % (sample.name, engine),
                      reads_right, sample, engine)
        suite.add("%s is sound" % sample.name, is_sound, sample)
        suite.add("%s becomes a VMDK" % sample.name, becomes_vmdk, sample)
    suite.run()


main()
