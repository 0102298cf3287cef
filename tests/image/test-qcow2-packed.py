#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""test-qcow2-packed - compressed qcow2 images, ours in qemu-img's hands.

Each cluster size, both compressions, both engines; what is written to them
later, at random and compressed again, against a model; and what damage, or
somebody who means harm, makes of compressed clusters.  The long form lives ten
times as long.  RANDOM_SEED=N repeats what N did.
"""
import functools
import json
import os
import random
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../support"))

from tap import Skip, Suite  # noqa: E402
from tools import (LONG, SHORT, SOURCE_ROOT, VDISK_IMG, VDISK_IO,  # noqa: E402
                   Failed, need_engine, qemu_img, qemu_io, run, scratch,
                   vdisk_img, vdisk_img_fails)

RANDOM_LIFE = os.environ.get("VDISK_RANDOM_LIFE", os.path.join(
    SOURCE_ROOT, "build/tests/support/random-life"))
SEED = int(os.environ.get("RANDOM_SEED", "11"))
COUNT = 20000 if LONG else 300 if SHORT else 1000
MIB = 1 << 20
SIZE = 5 * MIB + 1536
COMPRESSED = 1 << 62
CLUSTERS = (512, 4096, 65536, 2 * MIB)

FAST = ("-t", "unsafe")

suite = Suite()


def need_type(kind):
    text = run([VDISK_IMG, "--version"]).stdout.decode()
    if kind == "zstd" and "zstd" not in text:
        raise Skip("built without libzstd")


@functools.cache
def mixture(size):
    """Zeroes, text, noise, and mixtures of them."""
    rand = random.Random(SEED)
    words = [b"alpha ", b"beta ", b"gamma delta ", b"\n", b"epsilon"]
    pieces, at = [], 0
    while at < size:
        n = min(rand.choice((512, 4096, 65536, 300000)), size - at)
        text = b"".join(rand.choices(words, k=n // 4 + 1))[:n].ljust(n, b"x")
        noise = rand.randbytes(n)
        half = n // 2
        pieces.append(rand.choice((text, noise, bytes(n), bytes(n),
                                   text[:half] + noise[half:])))
        at += n
    return b"".join(pieces)


def make_source(path):
    with open(path, "wb") as file:
        file.write(mixture(SIZE))


def assert_same(image, raw, fmt="qcow2"):
    """Both say so, and find nothing wrong in it."""
    vdisk_img("compare", "-q", "-f", fmt, "-F", "raw", image, raw)
    qemu_img("compare", "-f", fmt, "-F", "raw", image, raw)
    if fmt == "qcow2":
        vdisk_img("check", "-q", image)
        qemu_img("check", "-q", image)


def checked(image):
    return json.loads(vdisk_img("check", "--output=json", image))


# -- converting ----------------------------------------------------------------

def converts(kind, cluster, engine):
    need_engine(engine)
    need_type(kind)
    with scratch() as tmp:
        raw, image = os.path.join(tmp, "s.raw"), os.path.join(tmp, "d.qcow2")
        make_source(raw)
        vdisk_img("convert", *FAST, "-c", "-O", "qcow2", "-o",
                  "compression_type=%s,cluster_size=%d" % (kind, cluster),
                  raw, image, engine=engine)
        assert_same(image, raw)
        if not checked(image).get("compressed-clusters"):
            raise Failed("nothing is compressed")
        if os.path.getsize(image) >= 0.8 * SIZE and cluster < MIB:
            raise Failed("%d bytes" % os.path.getsize(image))


def reads_qemus(kind, cluster):
    need_type(kind)
    with scratch() as tmp:
        raw, image = os.path.join(tmp, "s.raw"), os.path.join(tmp, "d.qcow2")
        make_source(raw)
        qemu_img("convert", "-c", "-O", "qcow2", "-o",
                 "compression_type=%s,cluster_size=%d" % (kind, cluster),
                 raw, image)
        assert_same(image, raw)


@suite.case("what does not shrink is stored as it is")
def _():
    with scratch() as tmp:
        raw, image = os.path.join(tmp, "s.raw"), os.path.join(tmp, "d.qcow2")
        with open(raw, "wb") as file:
            file.write(random.Random(SEED).randbytes(MIB))
        vdisk_img("convert", *FAST, "-c", "-O", "qcow2", raw, image)
        assert_same(image, raw)
        if checked(image).get("compressed-clusters"):
            raise Failed("noise is compressed")


@suite.case("a higher level makes it smaller")
def _():
    with scratch() as tmp:
        raw = os.path.join(tmp, "s.raw")
        with open(raw, "wb") as file:
            file.write(b"".join(b"%d\n" % (i * i) for i in range(400000)))
        sizes = []
        for level in ("3", "9"):
            image = os.path.join(tmp, level + ".qcow2")
            vdisk_img("convert", *FAST, "-c", "--compress-level", level, "-O",
                      "qcow2", raw, image)
            assert_same(image, raw)
            sizes.append(os.path.getsize(image))
        if sizes[1] >= sizes[0]:
            raise Failed("%d bytes, %d" % tuple(sizes))


@suite.case("above a parent only what differs is there, zeroes too")
def _():
    with scratch() as tmp:
        raw, base, image = (os.path.join(tmp, n)
                            for n in ("s.raw", "base.qcow2", "d.qcow2"))
        make_source(raw)
        qemu_img("create", "-q", "-f", "qcow2", base, 8 * MIB)
        qemu_io(base, "write -P 7 0 8M", fmt="qcow2")
        vdisk_img("convert", *FAST, "-c", "-O", "qcow2", "-B", base, "-F",
                  "qcow2", raw, image)
        assert_same(image, raw)


@suite.case("over what an image holds already")
def _():
    with scratch() as tmp:
        raw, image = os.path.join(tmp, "s.raw"), os.path.join(tmp, "d.qcow2")
        make_source(raw)
        qemu_img("create", "-q", "-f", "qcow2", image, SIZE)
        qemu_io(image, "write -P 7 0 %d" % SIZE, fmt="qcow2")
        for _ in range(2):
            vdisk_img("convert", *FAST, "-c", "-n", "-O", "qcow2", raw, image)
            assert_same(image, raw)


@suite.case("a part of a cluster of an existing image is refused")
def _():
    with scratch() as tmp:
        raw, image = os.path.join(tmp, "s.raw"), os.path.join(tmp, "d.qcow2")
        make_source(raw)
        qemu_img("create", "-q", "-f", "qcow2", image, 8 * MIB)
        qemu_io(image, "write -P 7 0 8M", fmt="qcow2")
        text = vdisk_img_fails("convert", "-c", "-n", "-O", "qcow2", raw, image)
        if "whole units of 65536 bytes" not in text:
            raise Failed(text)


@suite.case("a data file has no compressed clusters")
def _():
    with scratch() as tmp:
        raw, image = os.path.join(tmp, "s.raw"), os.path.join(tmp, "d.qcow2")
        make_source(raw)
        vdisk_img_fails("convert", "-c", "-O", "qcow2", "-o",
                        "data_file=" + os.path.join(tmp, "data"), raw, image)
        if os.path.exists(image):
            raise Failed("a failed conversion has left its target")


@suite.case("zstd wants version 3")
def _():
    need_type("zstd")
    with scratch() as tmp:
        image = os.path.join(tmp, "d.qcow2")
        text = vdisk_img_fails("create", "-f", "qcow2", "-o",
                               "compat=0.10,compression_type=zstd", image, MIB)
        if "compatibility level 1.1" not in text:
            raise Failed(text)


# -- writing -------------------------------------------------------------------

def lives(options, cluster):
    need_type("zstd" if "zstd" in options else "zlib")
    with scratch() as tmp:
        image, raw = os.path.join(tmp, "d.qcow2"), os.path.join(tmp, "m.raw")
        qemu_img("create", "-q", "-f", "qcow2", "-o",
                 "%s,cluster_size=%d" % (options, cluster), image,
                 3 * MIB + 512)
        result = run([RANDOM_LIFE, "-f", "qcow2", "-s", str(SEED), "-n",
                      str(COUNT), "-c", str(cluster), "-x", "grow", "-x",
                      "compact", "-x", "child", image, raw], timeout=1500)
        if result.code != 0:
            raise Failed("seed %d: %s" % (SEED, result))
        assert_same(image, raw)


def io(image, *commands, flags=()):
    argv = [VDISK_IO, *flags, "-f", "qcow2"]
    for command in commands:
        argv += ["-c", command]
    return run(argv + [image])


def in_turns(flags):
    """Compressed and plain writes by both, over one another."""
    with scratch() as tmp:
        image = os.path.join(tmp, "d.qcow2")
        qemu_img("create", "-q", "-f", "qcow2", image, 4 * MIB)
        qemu_io(image, "write -c -P 1 0 1M", fmt="qcow2")
        result = io(image, "write -c -P 2 512k 1M", "write -P 3 100k 3k",
                    "read -P 1 0 100k", "read -P 3 100k 3k",
                    "write -c -P 4 3M 1M", "write -z 3136k 8k", flags=flags)
        if result.code != 0:
            raise Failed(str(result))
        qemu_io(image, "read -P 1 103k 400k", "read -P 2 512k 1M",
                "write -P 5 600k 1k", "read -P 4 3144k 900k",
                "read -P 0 3136k 8k", fmt="qcow2")
        qemu_img("check", "-q", image)
        result = io(image, "read -P 5 600k 1k", "read -P 2 601k 900k")
        if result.code != 0 or b"failed" in result.stdout:
            raise Failed(str(result))


@suite.case("a compressed write is of whole clusters")
def _():
    with scratch() as tmp:
        image = os.path.join(tmp, "d.qcow2")
        vdisk_img("create", "-q", "-f", "qcow2", image, MIB + 512)
        for command in ("write -c 512 64k", "write -c 0 1k", "write -c 0 65k"):
            if io(image, command).code == 0:
                raise Failed(command)
        result = io(image, "write -c -P 3 1M 512", "read -P 3 1M 512")
        if result.code != 0:
            raise Failed(str(result))
        qemu_img("check", "-q", image)


# -- damage --------------------------------------------------------------------

class Packed:
    """An image whose first 16 clusters of 4 KiB are compressed."""

    def __init__(self, tmp, kind="zlib"):
        self.path = os.path.join(tmp, "d.qcow2")
        raw = os.path.join(tmp, "s.raw")
        with open(raw, "wb") as file:
            file.write(b"".join(bytes([i + 1]) * 4096 for i in range(16)))
        vdisk_img("convert", *FAST, "-c", "-O", "qcow2", "-o",
                  "cluster_size=4096,compression_type=" + kind, raw, self.path)
        l1 = self.get(40)
        self.l2 = self.get(l1) & ~(1 << 63)
        self.offset_bits = 62 - (12 - 8)

    def get(self, at):
        with open(self.path, "rb") as file:
            file.seek(at)
            return int.from_bytes(file.read(8), "big")

    def put(self, at, data):
        with open(self.path, "r+b") as file:
            file.seek(at)
            file.write(data)

    def entry(self, i):
        return self.get(self.l2 + 8 * i)

    def place(self, i):
        return self.entry(i) & ((1 << self.offset_bits) - 1)

    def set_entry(self, i, offset, sectors):
        word = COMPRESSED | sectors << self.offset_bits | offset
        self.put(self.l2 + 8 * i, word.to_bytes(8, "big"))


def refused(image, *words):
    text = vdisk_img_fails("convert", "-O", "raw", image.path,
                           image.path + ".raw")
    for word in words:
        if word not in text:
            raise Failed("%s is not in: %s" % (word, text))


@suite.case("an entry behind the end of the file")
def _():
    with scratch() as tmp:
        image = Packed(tmp)
        image.set_entry(3, 1 << 40, 0)
        refused(image, "compressed cluster", str(1 << 40))
        result = run([VDISK_IMG, "check", image.path])
        if result.code != 2:
            raise Failed(str(result))


@suite.case("an entry with bits above 2^56")
def _():
    with scratch() as tmp:
        image = Packed(tmp)
        image.set_entry(3, 1 << 57, 0)
        refused(image, "must not be")


@suite.case("more sectors than the file has")
def _():
    with scratch() as tmp:
        image = Packed(tmp)
        size = os.path.getsize(image.path)
        with open(image.path, "rb") as file:
            file.seek(image.place(15))
            record = file.read(64)
        image.put(size, record)
        image.set_entry(15, size, 15)
        # What is there is enough.
        vdisk_img("convert", "-O", "raw", image.path, image.path + ".raw")
        with open(image.path + ".raw", "rb") as file:
            if file.read()[15 * 4096:] != bytes([16]) * 4096:
                raise Failed("other bytes")


def damaged(kind, pattern, *words):
    need_type(kind)
    with scratch() as tmp:
        image = Packed(tmp, kind)
        image.put(image.place(5), pattern)
        refused(image, "compressed cluster", str(image.place(5)), *words)


@suite.case("frames of Zstandard behind one another")
def _():
    """Two of one run each, half a cluster: magic, one segment of 2048 bytes,
    last block of 2048 times one byte."""
    need_type("zstd")
    with scratch() as tmp:
        image = Packed(tmp, "zstd")
        frames = b"".join(
            b"\x28\xb5\x2f\xfd\x60" + (2048 - 256).to_bytes(2, "little") +
            (2048 << 3 | 1 << 1 | 1).to_bytes(3, "little") + bytes([byte])
            for byte in (0x51, 0x52))
        image.put(image.place(5), frames + b"\xee" * 8)
        result = io(image.path, "read -P 0x51 20k 2k", "read -P 0x52 22k 2k")
        if result.code != 0 or b"failed" in result.stdout:
            raise Failed(str(result))
        qemu_io(image.path, "read -P 0x51 20k 2k", "read -P 0x52 22k 2k",
                fmt="qcow2")
        image.put(image.place(5), frames[:11])
        image.put(image.place(5) + 11, b"\xee" * 11)
        refused(image, "compressed cluster")


def type_and_bit(kind, bit):
    need_type("zstd")
    with scratch() as tmp:
        image = Packed(tmp, "zstd" if bit else "zlib")
        image.put(104, bytes([kind]))
        text = vdisk_img_fails("info", image.path)
        if "compression type" not in text:
            raise Failed(text)


for k, kind in enumerate(("zlib", "zstd")):
    for c, cluster in enumerate(CLUSTERS):
        suite.add("%s, clusters of %d: qemu-img's" % (kind, cluster),
                  reads_qemus, kind, cluster)
        # In a short run each two of the three go together once.
        for engine in ("threads", "uring") if not SHORT else \
                (("threads", "uring")[(k + c) % 2],):
            suite.add("%s, clusters of %d: %s" % (kind, cluster, engine),
                      converts, kind, cluster, engine)
for options, cluster in (("refcount_bits=16", 65536),
                         ("compression_type=zstd", 4096),
                         ("refcount_bits=1", 4096), ("refcount_bits=2", 512),
                         ("extended_l2=on", 16384), ("compat=0.10", 32768),
                         ("refcount_bits=64", 2 * MIB)):
    suite.add("a life with compressed writes: %s, clusters of %d"
              % (options, cluster), lives, options, cluster)
for flags in ((), ("-t", "none")):
    suite.add("in turns with qemu-io: %s" % (" ".join(flags) or "writeback"),
              in_turns, flags)
for kind, pattern in (("zlib", b"\xff" * 4), ("zlib", b"\x03\x00"),
                      ("zstd", b"\xff" * 4)):
    suite.add("damaged data: %s, %s" % (kind, pattern.hex()), damaged, kind,
              pattern)
suite.add("compression type without its bit", type_and_bit, 1, False)
suite.add("the bit without a compression type", type_and_bit, 0, True)
suite.add("an unknown compression type", type_and_bit, 9, True)

suite.run()
