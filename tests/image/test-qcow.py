#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""test-qcow - images of qcow version 1, which only qemu-img makes: read, never
written; and damaged ones.

qemu-img 7.2 ends every compression to this format with a failure and no word
of it, though all is there; what it then reads is what counts.
"""
import json
import os
import random
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../support"))

from tap import Suite  # noqa: E402
from tools import (VDISK_IO, Failed, need, need_engine,  # noqa: E402
                   qemu_img, qemu_io, run, scratch, vdisk_img, vdisk_img_fails)

MIB = 1 << 20
COMPRESSED = 1 << 63

suite = Suite()


def make_source(path):
    """Longer than one L2 table covers, with holes of whole tables."""
    rand = random.Random(3)
    with open(path, "wb") as file:
        for at in (0, 3 * MIB + 512, 2 * MIB, 9 * MIB):
            file.seek(at)
            file.write(b"some text " * 9000 + rand.randbytes(70000))
        file.truncate(11 * MIB + 1024)


def make_image(raw, image, *words):
    result = run([need("qemu-img"), "convert", *words, "-O", "qcow", raw,
                  image])
    if result.code != 0 and (result.stderr or "-c" not in words):
        raise Failed(str(result))
    qemu_img("compare", "-f", "raw", "-F", "qcow", raw, image)


def converts(words, engine):
    need_engine(engine)
    with scratch() as tmp:
        raw, image, back = (os.path.join(tmp, n)
                            for n in ("s.raw", "d.qcow", "back.raw"))
        make_source(raw)
        make_image(raw, image, *words)
        vdisk_img("convert", "-O", "raw", image, back, engine=engine)
        qemu_img("compare", "-f", "raw", "-F", "raw", raw, back)
        vdisk_img("compare", "-q", "-F", "raw", image, raw, engine=engine)


@suite.case("above a parent of another format")
def _():
    with scratch() as tmp:
        base, image = os.path.join(tmp, "base.vmdk"), os.path.join(tmp, "d")
        raw = os.path.join(tmp, "s.raw")
        qemu_img("create", "-q", "-f", "vmdk", base, 8 * MIB)
        qemu_io(base, "write -P 5 0 6M", fmt="vmdk")
        qemu_img("create", "-q", "-f", "qcow", "-b", base, "-F", "vmdk", image)
        qemu_io(image, "write -P 6 1000k 3k", "write -P 7 5M 512", fmt="qcow")
        qemu_img("convert", "-O", "raw", image, raw)
        vdisk_img("compare", "-q", "-F", "raw", image, raw)
        info = json.loads(vdisk_img("info", "--output=json", image))
        got = info["format"], info["backing-filename"], info["cluster-size"]
        if got != ("qcow", base, 512):
            raise Failed(str(got))


@suite.case("a parent beside the image, seen from elsewhere")
def _():
    with scratch() as tmp:
        base, image = os.path.join(tmp, "base.raw"), os.path.join(tmp, "d.qcow")
        qemu_img("create", "-q", "-f", "raw", base, MIB)
        qemu_io(base, "write -P 5 0 1M", fmt="raw")
        qemu_img("create", "-q", "-u", "-f", "qcow", "-b", "base.raw", "-F",
                 "raw", image, MIB)
        vdisk_img("compare", "-q", "-F", "raw", image, base)


class Image:
    """One of clusters of 4 KiB, the first 16 compressed, others not."""

    def __init__(self, tmp):
        self.path = os.path.join(tmp, "d.qcow")
        raw = os.path.join(tmp, "s.raw")
        with open(raw, "wb") as file:
            file.write(b"".join(bytes([i + 1]) * 4096 for i in range(16)))
            file.write(random.Random(4).randbytes(65536))
        make_image(raw, self.path, "-c")
        self.l1 = self.get(40)
        self.l2 = self.get(self.l1)

    def get(self, at):
        with open(self.path, "rb") as file:
            file.seek(at)
            return int.from_bytes(file.read(8), "big")

    def put(self, at, value, size=8):
        with open(self.path, "r+b") as file:
            file.seek(at)
            file.write(value.to_bytes(size, "big"))


def refused(change, *words):
    with scratch() as tmp:
        image = Image(tmp)
        change(image)
        text = vdisk_img_fails("convert", "-O", "raw", image.path,
                               image.path + ".raw")
        for word in words:
            if word not in text:
                raise Failed("%s is not in: %s" % (word, text))


@suite.case("a cluster behind the end reads as zeroes, as qemu-img has it")
def _():
    with scratch() as tmp:
        image, raw = Image(tmp), os.path.join(tmp, "out.raw")
        image.put(image.l2 + 8 * 3, 1 << 40)
        qemu_img("convert", "-O", "raw", image.path, raw)
        vdisk_img("compare", "-q", "-F", "raw", image.path, raw)


@suite.case("is never written to")
def _():
    with scratch() as tmp:
        image = Image(tmp)
        result = run([VDISK_IO, "-c", "write 0 512", image.path])
        if result.code == 0 or b"can only be read" not in result.stderr:
            raise Failed(str(result))
        text = vdisk_img_fails("create", "-f", "qcow", image.path, MIB)
        if "does not support image creation" not in text:
            raise Failed(text)


@suite.case("encrypted: recognised, and refused by name")
def _():
    with scratch() as tmp:
        image = Image(tmp)
        image.put(36, 1, 4)
        text = vdisk_img_fails("convert", "-O", "raw", image.path,
                               image.path + ".raw")
        if "encrypted (AES)" not in text:
            raise Failed(text)
        info = json.loads(vdisk_img("info", "--output=json", image.path))
        if not info.get("encrypted"):
            raise Failed(str(info))


for words in ((), ("-c",)):
    for engine in ("threads", "uring"):
        suite.add("%s: %s" % (" ".join(words) or "plain", engine), converts,
                  words, engine)
for name, change, *words in (
        ("cluster_bits", lambda i: i.put(32, 40, 1), "cluster_bits", "40"),
        ("l2_bits", lambda i: i.put(33, 60, 1), "l2_bits", "60"),
        ("a size beyond all tables", lambda i: i.put(24, 1 << 60),
         "L1 entries"),
        ("a size beyond all disks", lambda i: i.put(24, 1 << 63),
         "disk size"),
        ("an L1 table behind the end", lambda i: i.put(40, 1 << 50),
         "L1 table", str(1 << 50)),
        ("the L1 table wraps around", lambda i: i.put(40, (1 << 64) - 8),
         "L1 table"),
        ("an L2 table behind the end", lambda i: i.put(i.l1, 1 << 50),
         "L2 table"),
        ("a long name of a parent",
         lambda i: (i.put(8, 48), i.put(16, 1 << 20, 4)), "1023"),
        ("a name of a parent behind the end",
         lambda i: (i.put(8, 1 << 40), i.put(16, 9, 4)), "backing file"),
        ("encryption of no kind", lambda i: i.put(36, 7, 4), "method 7"),
        ("compressed behind the end",
         lambda i: i.put(i.l2 + 24, COMPRESSED | 99 << 51 | 1 << 40),
         "compressed cluster", str(1 << 40)),
        ("compressed into nothing",
         lambda i: i.put(i.l2 + 24, COMPRESSED | 4096), "(0 bytes)"),
        ("damaged data", lambda i: i.put(i.get(i.l2 + 24) & ((1 << 51) - 1),
                                         (1 << 64) - 1),
         "compressed cluster")):
    suite.add("bad: " + name, refused, change, *words)

suite.run()
