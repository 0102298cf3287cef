#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""test-vhdx - VHDX images of other products, and ours in their hands.

One sample has a log that is to be replayed.  qemu-io and we write to one image
in turns.
"""
import json
import os
import shutil
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../support"))

import samples  # noqa: E402
from digest import raw_nz64k  # noqa: E402
from readers import expect, read_with_qemu, read_with_vdisk  # noqa: E402
from tap import Suite  # noqa: E402
from tools import (Failed, disk_io, qemu_img, qemu_io, scratch,  # noqa: E402
                   vdisk_img)

MIB = 1 << 20
SIZE = 9 * MIB + 4096
HEADERS = (64 << 10, 128 << 10)

suite = Suite()


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
        if "log" in subject.expected:
            suite.add("%s is replayed" % subject.name, log_is_replayed, subject)
suite.add("written in turns with qemu-io", written_in_turns)
suite.add("a mended header suits qemu-img", mended_header_suits_qemu)
suite.run()
