#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""test-random-formats - 10,000 random operations on each variant of qcow2, VHD,
VHDX and VDI that we write, and on images that qemu-img has made, held against a
model in memory; then we and qemu-img find no fault, and every peer that knows
the variant reads the image to the same bytes.

Reopenings and growing are among the operations, and children that are
written and committed (tests/support/random-life.c).  The long form does ten times
as many, the short one a tenth.
RANDOM_SEED=N repeats what N did.
"""
import os
import shutil
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "../support"))
sys.path.insert(0, HERE)

from digest import raw_nz64k  # noqa: E402
from formats import BLOCKS, QCOW2, Snapshots  # noqa: E402
from readers import (expect, read_with_libqcow, read_with_libvhdi,  # noqa: E402
                     read_with_qemu, read_with_vdisk)
from tap import Suite  # noqa: E402
from tools import (LONG, SHORT, SOURCE_ROOT, VDISK_IMG,  # noqa: E402
                   Failed, qemu_img, run, scratch)

RANDOM_LIFE = os.environ.get("VDISK_RANDOM_LIFE", os.path.join(
    SOURCE_ROOT, "build/tests/support/random-life"))
SEED = int(os.environ.get("RANDOM_SEED", "7"))
COUNT = 100000 if LONG else 1000 if SHORT else 10000
PARTS = 4  # of a life with snapshots

suite = Suite()


def read_with_peer(peer, variant, image):
    if peer == "qemu-img":
        return read_with_qemu(image, variant.fmt)
    return {"libqcow": read_with_libqcow,
            "libvhdi": read_with_libvhdi}[peer](image)


def live_through(variant, image, model, count, seed):
    leave_out = [word for what in variant.lacks for word in ("-x", what)]
    inherit = ["-i"] if os.path.exists(model) else []
    result = run([RANDOM_LIFE, "-f", variant.fmt, "-s", str(seed), "-n",
                  str(count), *leave_out, *inherit, image, model],
                 timeout=1500)
    if result.code != 0:
        raise Failed("seed %d: %s" % (seed, result))


def expect_sound(variant, image):
    """Leaks are faults, too: none of these lives was interrupted.  But qemu-img
    leaves room in front of the blocks of a VHDX."""
    spare = variant.fmt == "vhdx" and variant.maker is qemu_img
    result = run([VDISK_IMG, "check", "-q", "-f", variant.fmt,
                  image])
    if result.code not in (0, 63) and not (spare and result.code == 3):
        raise Failed(str(result))
    if variant.checked and "qemu-img" in variant.peers:
        qemu_img("check", "-q", "-f", variant.fmt, image)


def expect_same(variant, image, model):
    wanted = raw_nz64k(model)
    expect(read_with_vdisk(image, fmt=variant.fmt), wanted, "vdisk-img")
    for peer in variant.peers:
        expect(read_with_peer(peer, variant, image), wanted, peer)


def live(variant):
    with scratch() as tmp:
        model = os.path.join(tmp, "model.raw")
        image = variant.create(tmp)
        live_through(variant, image, model, COUNT, SEED)
        expect_sound(variant, image)
        expect_same(variant, image, model)


def expect_snapshot(image, name, model, tmp):
    raw = os.path.join(tmp, name + ".raw")
    qemu_img("convert", "-f", "qcow2", "-l", "snapshot.name=" + name, "-O",
             "raw", image, raw)
    expect(raw_nz64k(raw), raw_nz64k(model), "snapshot %s" % name)


def live_with_snapshots(variant):
    """Nothing that is written later may be seen in a snapshot; and when one of
    them goes, the rest stays."""
    with scratch() as tmp:
        model = os.path.join(tmp, "model.raw")
        image = variant.create(tmp)
        for part in range(PARTS):
            live_through(variant, image, model, COUNT // PARTS, SEED + part)
            qemu_img("snapshot", "-c", "s%d" % part, image)
            shutil.copy(model, model + str(part))
            if part == PARTS // 2:
                qemu_img("snapshot", "-d", "s0", image)
        live_through(variant, image, model, COUNT // PARTS, SEED + PARTS)
        expect_sound(variant, image)
        expect_same(variant, image, model)
        for part in range(1, PARTS):
            expect_snapshot(image, "s%d" % part, model + str(part), tmp)


for subject in QCOW2 + BLOCKS:
    suite.add(subject.name, live_with_snapshots
              if isinstance(subject, Snapshots) else live, subject)
suite.run()
