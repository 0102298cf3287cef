#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""test-random - 10,000 random operations on each kind that we write, held
against a model in memory; then every peer that knows the kind reads the image
to the same bytes.

Among the operations are reopenings, growing, compacting, and children that are
written and committed (tests/support/random-life.c).  The long form does ten times
as many, the short one a tenth.
RANDOM_SEED=N repeats what N did.
"""
import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "../support"))
sys.path.insert(0, HERE)

from digest import raw_nz64k  # noqa: E402
from matrix import KINDS  # noqa: E402
from readers import (expect, read_with_libvmdk, read_with_qemu,  # noqa: E402
                     read_with_vdisk)
from tap import Suite  # noqa: E402
from tools import (LONG, SHORT, SOURCE_ROOT, Failed,  # noqa: E402
                   run, scratch)

RANDOM_LIFE = os.environ.get("VDISK_RANDOM_LIFE", os.path.join(
    SOURCE_ROOT, "build/tests/support/random-life"))
SEED = int(os.environ.get("RANDOM_SEED", "7"))
COUNT = 100000 if LONG else 1000 if SHORT else 10000
SIZE = (9 << 20) + 512

READERS = {"qemu-img": read_with_qemu, "libvmdk": read_with_libvmdk}

suite = Suite()


def live(kind):
    with scratch() as tmp:
        image = os.path.join(tmp, "disk.vmdk")
        model = os.path.join(tmp, "model.raw")
        kind.create(image, SIZE)
        leave_out = [word for what in ("grow", "compact", "child")
                     if what in kind.lacks for word in ("-x", what)]
        result = run([RANDOM_LIFE, "-s", str(SEED), "-n", str(COUNT),
                      *leave_out, image, model], timeout=1500)
        if result.code != 0:
            raise Failed("seed %d: %s" % (SEED, result))
        wanted = raw_nz64k(model)
        expect(read_with_vdisk(image), wanted, "vdisk-img")
        for peer in kind.peers:
            expect(READERS[peer](image), wanted, peer)


for subject in KINDS:
    if "write" not in subject.refuses and "write" not in subject.lacks:
        suite.add(subject.name, live, subject)
suite.run()
