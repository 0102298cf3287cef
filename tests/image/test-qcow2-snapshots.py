#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""test-qcow2-snapshots - snapshots inside qcow2 images, by us and by qemu-img.

Random lives of writes, snapshots, going back and deleting, the steps done by
either program, are held against a mirror of the disk and of each snapshot:
after every step both programs find no fault, and both read each snapshot alike.
Snapshot tables that contradict themselves are refused, and nothing is changed.
RANDOM_SEED=N repeats what N did.
"""
import hashlib
import json
import os
import random
import struct
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../support"))

from prepared import copy_of  # noqa: E402
from tap import Suite  # noqa: E402
from tools import (LONG, SHORT, VDISK_IMG, VDISK_IO, Failed,  # noqa: E402
                   qemu_img, qemu_io, run, scratch, vdisk_img, vdisk_img_fails,
                   working_engines)

SEED = int(os.environ.get("RANDOM_SEED", "11"))
STEPS = 200 if LONG else 10 if SHORT else 20
MIB = 1 << 20
SIZE = 3 * MIB
OLD = {"VDISK_IMG_COMPAT": "7.2"}

LAYOUTS = (
    "cluster_size=64k",
    "cluster_size=512,refcount_bits=8",
    "cluster_size=4k,refcount_bits=64",
    "cluster_size=16k,extended_l2=on,refcount_bits=4",
    "cluster_size=64k,compat=0.10",
)

suite = Suite()


def equal(wanted, found, what):
    if wanted != found:
        raise Failed("%s: wanted %.800r, found %.800r" % (what, wanted, found))


def read_all(path):
    with open(path, "rb") as file:
        return file.read()


def digest(path):
    return hashlib.sha256(read_all(path)).hexdigest()


# -- random lives --------------------------------------------------------------

class Life:
    def __init__(self, folder, options, seed, engine):
        self.image = os.path.join(folder, "a.qcow2")
        self.raw = os.path.join(folder, "out.raw")
        self.rand = random.Random(seed)
        self.engine = engine
        self.bytes = bytearray(SIZE)
        self.kept = {}
        self.count = 0
        vdisk_img("create", "-q", "-f", "qcow2", "-o", options, self.image,
                  SIZE)

    def snapshot(self, *words):
        if self.rand.random() < 0.3:
            qemu_img("snapshot", *words, self.image)
        else:
            vdisk_img("snapshot", *words, self.image, engine=self.engine)

    def write(self):
        off = self.rand.randrange(SIZE // 512) * 512
        length = min(self.rand.randrange(1, 400) * 512, SIZE - off)
        if self.rand.random() < 0.2:
            command, fill = "write -z %d %d" % (off, length), 0
        else:
            fill = self.rand.randrange(1, 256)
            command = "write -P %d %d %d" % (fill, off, length)
        if self.rand.random() < 0.3:
            qemu_io(self.image, command, fmt="qcow2")
        else:
            result = run([VDISK_IO, "-f", "qcow2", "-c", command, self.image],
                         env={"VDISK_ENGINE": self.engine})
            if result.code:
                raise Failed(str(result))
        self.bytes[off:off + length] = bytes([fill]) * length

    def create(self):
        name = "s%d" % self.count
        self.count += 1
        self.snapshot("-c", name)
        self.kept[name] = bytes(self.bytes)

    def apply(self):
        name = self.rand.choice(sorted(self.kept))
        self.snapshot("-a", name)
        self.bytes = bytearray(self.kept[name])

    def delete(self):
        name = self.rand.choice(sorted(self.kept))
        self.snapshot("-d", name)
        del self.kept[name]

    def step(self):
        draw = self.rand.random()
        if draw < 0.45:
            self.write()
        elif draw < 0.7 and len(self.kept) < 6 or not self.kept:
            self.create()
        elif draw < 0.85:
            self.apply()
        else:
            self.delete()

    def verify_disk(self):
        for program in (qemu_img, vdisk_img):
            program("check", "-q", self.image)
        self.rand.choice((qemu_img, vdisk_img))(
            "convert", "-O", "raw", self.image, self.raw)
        if read_all(self.raw) != self.bytes:
            raise Failed("the disk reads differently")

    def verify_snapshots(self):
        equal(qemu_img("snapshot", "-l", self.image),
              ours_old("snapshot", "-l", self.image), "list")
        for name, wanted in self.kept.items():
            for program in (qemu_img, vdisk_img):
                program("convert", "-l", name, "-O", "raw", self.image,
                        self.raw)
                if read_all(self.raw) != wanted:
                    raise Failed("%s reads another %s"
                                 % (program.__name__, name))


def ours_old(*words):
    """What we print in the place of a qemu-img as the one here."""
    result = run([VDISK_IMG, *words], env=OLD)
    if result.code:
        raise Failed(str(result))
    return result.stdout.decode()


def live(options, number, engine):
    with scratch() as tmp:
        life = Life(tmp, options, SEED * 100 + number, engine)
        for step in range(STEPS):
            life.step()
            life.verify_disk()
            if step % 5 == 4:
                life.verify_snapshots()
        for name in list(life.kept):
            life.snapshot("-d", name)
            del life.kept[name]
            life.verify_disk()


ENGINES = working_engines()
for index, layout in enumerate(LAYOUTS):
    chosen = ENGINES[index % len(ENGINES)]
    suite.add("a random life: %s, %s" % (layout, chosen), live, layout, index,
              chosen)


# -- one thing each ------------------------------------------------------------

def make_first(folder, options):
    image = os.path.join(folder, "a.qcow2")
    qemu_img("create", "-q", "-f", "qcow2", "-o", options, image, SIZE)
    qemu_io(image, "write -P 1 0 1M", fmt="qcow2")


def make(folder, options="cluster_size=64k"):
    copy_of(make_first, folder, options)
    return os.path.join(folder, "a.qcow2")


@suite.case("info and the list tell what qemu-img tells")
def _():
    with scratch() as tmp:
        image = make(tmp)
        vdisk_img("snapshot", "-c", "one", image)
        qemu_img("snapshot", "-c", "a name, with=this", image)
        vdisk_img("snapshot", "-c", "2", image)
        for words in (["snapshot", "-l"], ["info"],
                      ["info", "--output=json"]):
            equal(qemu_img(*words, image), ours_old(*words, image), words)
        listed = json.loads(vdisk_img("snapshot", "--output=json", image))
        equal(["one", "a name, with=this", "2"],
              [s["name"] for s in listed["snapshots"]], "names")


@suite.case("-l of convert and measure, by id, name or both")
def _():
    with scratch() as tmp:
        image, raw = make(tmp), os.path.join(tmp, "out.raw")
        vdisk_img("snapshot", "-c", "a, b", image)
        qemu_io(image, "write -P 2 0 2M", fmt="qcow2")
        vdisk_img("snapshot", "-c", "1", image)
        for words, first in (("a, b", 1), ("1", 1), ("snapshot.name=1", 2),
                             ("snapshot.id=2", 2),
                             ("snapshot.id=2,snapshot.name=1", 2)):
            vdisk_img("convert", "-l", words, "-O", "raw", image, raw)
            equal(first, read_all(raw)[0], words)
        for words in ("none", "snapshot.id=1,snapshot.name=1"):
            text = vdisk_img_fails("convert", "-l", words, "-O", "raw", image,
                                   os.path.join(tmp, "no.raw"))
            equal("qemu-img: Failed to load snapshot: Can't find snapshot",
                  text.replace("vdisk-img:", "qemu-img:").strip(), words)
        sizes = [vdisk_img("measure", "-l", name, "-O", "qcow2", image)
                 for name in ("snapshot.id=1", "snapshot.id=2")]
        if sizes[0] == sizes[1]:
            raise Failed("both measure as %s" % sizes[0])
        vdisk_img("compare", "--image-opts", "-q",
                  "driver=qcow2,file.filename=%s,snapshot.id=2" % image,
                  "driver=qcow2,file.filename=%s" % image)


@suite.case("a snapshot has the size that the disk had")
def _():
    with scratch() as tmp:
        image, raw = make(tmp), os.path.join(tmp, "out.raw")
        vdisk_img("snapshot", "-c", "small", image)
        qemu_img("resize", "-q", image, 2 * SIZE)
        qemu_io(image, "write -P 9 %d 1M" % SIZE, fmt="qcow2")
        vdisk_img("snapshot", "-c", "large", image)
        vdisk_img("convert", "-l", "small", "-O", "raw", image, raw)
        equal(SIZE, os.path.getsize(raw), "size")
        for name, size in (("small", SIZE), ("large", 2 * SIZE)):
            vdisk_img("snapshot", "-a", name, image)
            qemu_img("check", "-q", image)
            info = json.loads(qemu_img("info", "--output=json", image))
            equal(size, info["virtual-size"], name)
        qemu_io(image, "read -P 9 %d 1M" % SIZE, fmt="qcow2")


@suite.case("compressed clusters have a user more")
def _():
    with scratch() as tmp:
        source, image = make(tmp), os.path.join(tmp, "c.qcow2")
        qemu_img("convert", "-c", "-O", "qcow2", source, image)
        vdisk_img("snapshot", "-c", "s", image)
        qemu_img("check", "-q", image)
        qemu_io(image, "write -P 3 0 128k", fmt="qcow2")
        vdisk_img("snapshot", "-a", "s", image)
        qemu_img("check", "-q", image)
        qemu_img("compare", "-q", source, image)
        vdisk_img("snapshot", "-d", "s", image)
        qemu_img("check", "-q", image)
        qemu_img("compare", "-q", source, image)


@suite.case("counts that are full change nothing")
def _():
    for bits, fit in ((1, 0), (2, 2)):
        with scratch() as tmp:
            image = make(tmp, "refcount_bits=%d" % bits)
            for i in range(fit):
                vdisk_img("snapshot", "-c", "s%d" % i, image)
            before = digest(image)
            text = vdisk_img_fails("snapshot", "-c", "more", image)
            if "refcounts of %d bits cannot count more" % bits not in text:
                raise Failed(text)
            equal(before, digest(image), "the image")
            qemu_img("check", "-q", image)


@suite.case("a data file, a reader's disk, unknown names: refused")
def _():
    with scratch() as tmp:
        make_first(tmp, "data_file=%s/d.raw" % tmp)
        image = os.path.join(tmp, "a.qcow2")
        text = vdisk_img_fails("snapshot", "-c", "x", image)
        if "Could not create snapshot 'x': -95" not in text:
            raise Failed(text)
        image = make(tmp)
        vdisk_img("snapshot", "-c", "s", image)
        for words, wanted in (
                (["-a", "no"], "Could not apply snapshot 'no': Failed to load "
                 "snapshot: No such file or directory"),
                (["-d", "1"], "Could not delete snapshot '1': snapshot not "
                 "found"),
                (["-c", "n" * 256], "-22 (Invalid argument)")):
            before = digest(image)
            text = vdisk_img_fails("snapshot", *words, image)
            if wanted not in text:
                raise Failed(text)
            equal(before, digest(image), words)
        text = vdisk_img_fails(
            "resize", "--image-opts",
            "driver=qcow2,snapshot=s,file.filename=%s" % image, "+1M")
        if "snapshot can only be read" not in text:
            raise Failed(text)


# -- hostile tables ------------------------------------------------------------

def poke(image, off, data):
    with open(image, "r+b") as file:
        file.seek(off)
        file.write(data)


def header_field(image, off, layout):
    return struct.unpack_from(layout, read_all(image)[:112], off)[0]


# Where, relative to the header or the first entry; what; whether the disk can
# still be read.
HOSTILE = (
    ("too many", "header", 60, struct.pack(">I", 65537), False),
    ("more than there are", "header", 60, struct.pack(">I", 60000), True),
    ("a table inside of a cluster", "header", 64, struct.pack(">Q", 513),
     False),
    ("a table behind the end", "header", 64, struct.pack(">Q", 1 << 40), True),
    ("L1 behind the end", "entry", 0, struct.pack(">Q", 1 << 40), True),
    ("L1 inside of a cluster", "entry", 0, struct.pack(">Q", 513), True),
    ("L1 above 32 MiB", "entry", 8, struct.pack(">I", (4 << 20) + 1), True),
    ("L1 of no entries", "entry", 8, struct.pack(">I", 0), True),
    ("L1 in the header", "entry", 0, struct.pack(">Q", 0), True),
    ("extra data without end", "entry", 36, struct.pack(">I", 1 << 31), True),
    ("a disk of 2^63", "entry", 48, struct.pack(">Q", 1 << 63), True),
    ("names behind the end", "entry", 12, b"\xff\xff\xff\xff", True),
)


def make_one_snapshot(folder):
    vdisk_img("snapshot", "-c", "s", make(folder))


def hostile(place, off, data, readable):
    with scratch() as tmp:
        copy_of(make_one_snapshot, tmp)
        image, raw = (os.path.join(tmp, name) for name in ("a.qcow2",
                                                           "out.raw"))
        base = header_field(image, 64, ">Q") if place == "entry" else 0
        poke(image, base + off, data)
        before = digest(image)
        if readable:
            vdisk_img("convert", "-O", "raw", image, raw)
            equal(1, read_all(raw)[0], "the disk")
        for words in (["convert", "-O", "raw", "-l", "s", image, raw],
                      ["snapshot", "-a", "s", image],
                      ["snapshot", "-d", "s", image]):
            if words[1] == "-d" and base and off == 48:
                continue  # may go: its size matters to nobody
            if words[1] == "-d" and base and off == 8 and not any(data):
                continue  # what it leads to is lost, until a repair
            vdisk_img_fails(*words)
            equal(before, digest(image), words)


for title, *how in HOSTILE:
    suite.add("refused: " + title, hostile, *how)


@suite.case("new ids are free ones, even when the highest number is taken")
def _():
    highest = str(2 ** 64 - 1)
    with scratch() as tmp:
        image = os.path.join(tmp, "a.qcow2")
        vdisk_img("create", "-q", "-f", "qcow2", image, "1M")
        vdisk_img("snapshot", "-c", highest[1:] + "x", image)
        with open(image, "r+b") as file:
            file.seek(64)
            table, = struct.unpack(">Q", file.read(8))
            file.seek(table + 12)
            # Id and name lie side by side: "1" and "844...x" till now.
            file.write(struct.pack(">HH", len(highest), 1))
        for _ in range(3):
            vdisk_img("snapshot", "-c", "new", image)
        rows = json.loads(vdisk_img("info", "--output=json", image))
        equal([highest, "1", "2", "3"],
              [row["id"] for row in rows["snapshots"]], "ids")
        qemu_img("check", "-q", image)


suite.run()
