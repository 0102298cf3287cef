#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""test-samples - images of other products are read right and written back.

For each hosted-VMDK and raw sample: converting to raw gives the listed
content under both engines; written as each hosted kind of VMDK, qemu-img,
libvmdk and we ourselves read that content again.  Damaged samples fail fast,
in little memory, with one clear line.  In a short run each kind is written from
one of both.

VDISK_TEST_LONG=1 also hashes every zero of the huge ones, has libvmdk read
them (it takes minutes), and writes with both engines from both sources.
"""
import json
import os
import re
import shutil
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../support"))

import samples  # noqa: E402
from digest import raw_nz64k, raw_sha256  # noqa: E402
from readers import (expect, read_with_libvmdk, read_with_qemu,  # noqa: E402
                     read_with_vdisk)
from tap import Suite, skip_all  # noqa: E402
from tools import (KINDS, LONG, SHORT, Failed, need_engine, scratch,  # noqa: E402
                   vdisk_img, vdisk_img_fails, working_engines)

MIB, GIB = 1 << 20, 1 << 30
FAIL_SECONDS = 5
FAIL_MEMORY = 512 << 20


class Subject:
    """A disk to test: unpacked by the first case, removed by the last."""

    def __init__(self, name, size, sha256, nz64k, unpack):
        self.name = name
        self.size = size
        self.sha256 = sha256
        self.nz64k = nz64k
        self.unpack = unpack
        self.directory = None
        self.path = None

    def image(self):
        if not self.directory:
            self.directory = tempfile.mkdtemp(prefix="vdisk-sample-")
            self.path = self.unpack(self.directory)
        return self.path

    def raw(self):
        """Our own raw copy; checked by the cases that read."""
        path = os.path.join(os.path.dirname(self.image()), "subject.raw")
        if not os.path.exists(path):
            vdisk_img("convert", "-O", "raw", self.image(), path)
        return path

    def content(self):
        """(size, nz64k); where only a SHA-256 is listed, from the raw copy,
        whose SHA-256 the reading cases compare."""
        if not self.nz64k:
            self.nz64k = raw_nz64k(self.raw())[1]
        return self.size, self.nz64k

    def remove(self):
        if self.directory:
            shutil.rmtree(self.directory)
            self.directory = None


def hashed_size(subject):
    """Up to which size all zeroes are hashed, too."""
    if LONG:
        return subject.size
    return 64 * MIB if SHORT and subject.nz64k else GIB


def is_stream(path):
    """Of the kind that servers send, with its directory at the end."""
    with open(path, "rb") as file:
        head = file.read(64)
    return head[:4] == b"KDMV" and head[56:] == b"\xff" * 8


def arriving(path):
    """A stream as it is read while it comes."""
    return "json:" + json.dumps({"driver": "vmdk", "in-order": True, "file": {
        "driver": "file", "filename": path}})


def reads_right(subject, engine):
    need_engine(engine)
    with scratch() as tmp:
        raw = os.path.join(tmp, "out.raw")
        vdisk_img("convert", "-O", "raw", subject.image(), raw, engine=engine)
        if subject.nz64k:
            expect(raw_nz64k(raw), (subject.size, subject.nz64k), engine)
        if subject.size <= hashed_size(subject):
            expect(raw_sha256(raw), (subject.size, subject.sha256), engine)
        if is_stream(subject.image()):
            vdisk_img("compare", "-q", "-F", "raw", arriving(subject.image()),
                      raw, engine=engine)


def round_up_512(size):
    return -(-size // 512) * 512


def writes_back(subject, kind):
    """Written from the raw copy and from the sample itself."""
    size, digest = subject.content()
    wanted = (round_up_512(size), digest)
    engines = working_engines()
    jobs = [(engines[0], subject.raw()), (engines[-1], subject.image())]
    if LONG and len(engines) > 1:
        jobs += [(engines[-1], subject.raw()), (engines[0], subject.image())]
    if SHORT:
        jobs = [jobs[KINDS.index(kind) % 2]]

    for engine, source in jobs:
        with scratch() as tmp:
            target = os.path.join(tmp, "out.vmdk")
            vdisk_img("convert", "-O", "vmdk", "-o", "subformat=" + kind,
                      source, target, engine=engine)
            if kind == "streamOptimized":
                vdisk_img("check", "-q", "--profile=esxi-import", target)
            expect(read_with_vdisk(target, engine), wanted, "vdisk-img")
            if SHORT:
                continue  # peers would be shown the same bytes again
            expect(read_with_qemu(target), wanted, "qemu-img")
            if LONG or size <= GIB:
                expect(read_with_libvmdk(target), wanted, "libvmdk")


def assert_one_line(text, name):
    lines = text.splitlines()
    if len(lines) != 1 or name not in lines[0]:
        raise Failed("wanted one line that names %s: %r" % (name, text))


def fails_clearly(unpack, command, missing):
    with scratch() as tmp, scratch() as out:
        image = unpack(tmp)
        target = os.path.join(out, "out.raw")
        args = {"convert": ("convert", "-f", "vmdk", "-O", "raw", image,
                            target),
                "map": ("map", "-f", "vmdk", "--output=json", image)}[command]
        text = vdisk_img_fails(*args, cpu_seconds=FAIL_SECONDS, memory=FAIL_MEMORY)
        assert_one_line(text, missing or os.path.basename(image))
        if os.listdir(out):
            raise Failed("left behind: %s" % os.listdir(out))


def add_good(suite, subject):
    for engine in ("uring", "threads"):
        suite.add("%s reads right (%s)" % (subject.name, engine),
                  reads_right, subject, engine)
    for kind in KINDS:
        suite.add("%s written as %s" % (subject.name, kind),
                  writes_back, subject, kind)
    suite.cases[-1] = last_case(suite.cases[-1], subject)


def last_case(case, subject):
    name, func, args = case

    def run_and_remove(*call_args):
        try:
            func(*call_args)
        finally:
            subject.remove()
    return name, run_and_remove, args


def add_bad(suite, name, unpack, missing=None):
    """@missing: the file that the error has to name, if not the image."""
    for command in ("convert", "map"):
        suite.add("%s fails clearly (%s)" % (name, command),
                  fails_clearly, unpack, command, missing)


def missing_extent(expected):
    match = re.search(r"extent (\S+) is missing", expected)
    return match and match[1]


def add_ova(suite, sample):
    if "the disk must fail" in sample.expected:
        add_bad(suite, sample.name,
                lambda tmp: samples.unpack_ova(sample, tmp)[0])
        return
    for number, size, sha256 in samples.ova_disks(sample):
        add_good(suite, Subject(
            "%s disk %d" % (sample.name, number), size, sha256, "",
            lambda tmp, n=number: samples.unpack_ova(sample, tmp)[n - 1]))


def main():
    if not samples.available():
        skip_all("no sample images at " + samples.ROOT)

    suite = Suite()
    for sample in samples.load("VMDK", "RAW"):
        if sample.must_fail:
            add_bad(suite, sample.name, sample.unpack,
                    missing_extent(sample.expected))
        else:
            add_good(suite, Subject(sample.name, sample.size, sample.expected,
                                    sample.nz64k, sample.unpack))
    for sample in samples.load("OVA"):
        add_ova(suite, sample)
    suite.run()


main()
