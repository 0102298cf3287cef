#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""test-vhdx - VHDX images of other products, and ours in their hands.

Samples give their listed content under both engines; one has a log that is to
be replayed.  10,000 random operations on each layout that we make, and on
images that qemu-img has made, are held against a model; then qemu-img finds no
fault and reads the same bytes (it knows sectors of 512 bytes only).  libvhdi
reads what a shorter life has left.  The long
form does ten times as many operations, the short one a fifth.
RANDOM_SEED=N repeats what N did.
"""
import hashlib
import json
import os
import shutil
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../support"))

import samples  # noqa: E402
from digest import raw_nz64k, raw_sha256  # noqa: E402
from readers import (expect, read_with_libvhdi, read_with_qemu,  # noqa: E402
                     read_with_vdisk)
from tap import Suite  # noqa: E402
from tools import (LONG, SHORT, SOURCE_ROOT, Failed, disk_io,  # noqa: E402
                   need_engine, qemu_img, qemu_io, run, scratch, vdisk_img)

RANDOM_LIFE = os.environ.get("VDISK_RANDOM_LIFE", os.path.join(
    SOURCE_ROOT, "build/tests/support/random-life"))
SEED = int(os.environ.get("RANDOM_SEED", "7"))
COUNT = 100000 if LONG else 2000 if SHORT else 10000
MIB = 1 << 20
SIZE = 9 * MIB + 4096
HEADERS = (64 << 10, 128 << 10)

# Options, and whether qemu-img reads it.
LAYOUTS = (
    ("subformat=dynamic", True),
    ("subformat=fixed", True),
    ("block_size=2M,log_size=3M", True),
    ("block_size=256M", True),
    ("logical_sector_size=4096", False),
    ("block_size=4M,logical_sector_size=4096,subformat=fixed", False),
)

suite = Suite()


def file_sha256(path):
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


# -- samples -------------------------------------------------------------------

def sample_reads(sample, engine):
    need_engine(engine)
    with scratch() as tmp:
        image = sample.unpack(tmp)
        before = file_sha256(image)
        raw = os.path.join(tmp, "out.raw")
        vdisk_img("convert", "-O", "raw", image, raw, engine=engine)
        expect(raw_nz64k(raw), (sample.size, sample.nz64k), engine)
        if LONG or sample.size <= 1 << 30:
            expect(raw_sha256(raw), (sample.size, sample.expected[:64]), engine)
        vdisk_img("check", "-q", image)
        if file_sha256(image) != before:
            raise Failed("reading has changed the file")


def log_is_replayed(sample):
    with scratch() as tmp:
        image = sample.unpack(tmp)
        info = json.loads(vdisk_img("info", "--output=json", image))
        if not info["format-specific"]["data"]["log-pending"]:
            raise Failed("no log is pending")
        vdisk_img("check", "-q", "-r", "all", image)
        qemu_img("check", "-q", image)
        wanted = (sample.size, sample.nz64k)
        expect(read_with_vdisk(image), wanted, "vdisk-img")
        expect(read_with_qemu(image, "vhdx"), wanted, "qemu-img")


# -- random lives --------------------------------------------------------------

def live_through(image, model, count):
    result = run([RANDOM_LIFE, "-f", "vhdx", "-s", str(SEED), "-n", str(count),
                  "-x", "grow", "-x", "compact", "-x", "child", image, model],
                 timeout=1500)
    if result.code != 0:
        raise Failed("seed %d: %s" % (SEED, result))


def live(image, model, peer):
    live_through(image, model, COUNT)
    vdisk_img("check", "-q", image)
    wanted = raw_nz64k(model)
    expect(read_with_vdisk(image), wanted, "vdisk-img")
    if peer:
        qemu_img("check", "-q", image)
        expect(read_with_qemu(image, "vhdx"), wanted, "qemu-img")


def ours_lives(options, peer):
    with scratch() as tmp:
        image = os.path.join(tmp, "d.vhdx")
        vdisk_img("create", "-q", "-f", "vhdx", "-o", options, image, SIZE)
        live(image, os.path.join(tmp, "m.raw"), peer)


def libvhdi_reads(options):
    with scratch() as tmp:
        image = os.path.join(tmp, "d.vhdx")
        model = os.path.join(tmp, "m.raw")
        vdisk_img("create", "-q", "-f", "vhdx", "-o", options, image, SIZE)
        live_through(image, model, COUNT // 10)
        expect(read_with_libvhdi(image), raw_nz64k(model), "libvhdi")


def qemus_lives(options):
    with scratch() as tmp:
        image = os.path.join(tmp, "d.vhdx")
        qemu_img("create", "-q", "-f", "vhdx", "-o", options, image, SIZE)
        live(image, os.path.join(tmp, "m.raw"), True)


# -- to and fro ----------------------------------------------------------------

def written_in_turns():
    """Each finds what the other has written, and its log empty."""
    with scratch() as tmp:
        image = os.path.join(tmp, "d.vhdx")
        raw = os.path.join(tmp, "m.raw")
        piece = os.path.join(tmp, "piece")
        vdisk_img("create", "-q", "-f", "vhdx", image, 64 * MIB)
        vdisk_img("create", "-q", "-f", "raw", raw, 64 * MIB)
        for turn in range(6):
            bytes_of_turn = bytes([turn + 1]) * (3 * MIB)
            with open(piece, "wb") as file:
                file.write(bytes_of_turn)
            with open(raw, "r+b") as file:
                file.seek(7 * turn * MIB)
                file.write(bytes_of_turn)
            if turn % 2:
                qemu_io(image, "write -P %d %dM 3M" % (turn + 1, 7 * turn),
                        fmt="vhdx")
            else:
                disk_io(image, "write", 7 * turn * MIB, piece)
            wanted = raw_nz64k(raw)
            vdisk_img("check", "-q", image)
            expect(read_with_vdisk(image), wanted, "vdisk-img")
            expect(read_with_qemu(image, "vhdx"), wanted, "qemu-img")


def mended_header_suits_qemu():
    with scratch() as tmp:
        image = os.path.join(tmp, "d.vhdx")
        vdisk_img("create", "-q", "-f", "vhdx", image, 64 * MIB)
        good = image + ".good"
        shutil.copy(image, good)
        for at in HEADERS:
            shutil.copy(good, image)
            with open(image, "r+b") as file:
                file.seek(at + 20)
                file.write(b"?")
            if vdisk_img("check", "-r", "all", image).count(
                    "1 corruptions") != 1:
                raise Failed("not told what was mended")
            qemu_img("check", "-q", image)


if samples.available():
    for subject in samples.load("VHDX"):
        for name in ("uring", "threads"):
            suite.add("%s reads right (%s)" % (subject.name, name),
                      sample_reads, subject, name)
        if "log" in subject.expected:
            suite.add("%s is replayed" % subject.name, log_is_replayed, subject)
for layout, known in LAYOUTS:
    suite.add("random operations: " + layout, ours_lives, layout, known)
    suite.add("libvhdi reads: " + layout, libvhdi_reads, layout)
for layout in ("subformat=dynamic", "block_size=1M",
               "subformat=fixed,block_state_zero=off"):
    suite.add("random operations on qemu-img's: " + layout, qemus_lives, layout)
suite.add("written in turns with qemu-io", written_in_turns)
suite.add("a mended header suits qemu-img", mended_header_suits_qemu)
suite.run()
