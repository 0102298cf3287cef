# SPDX-License-Identifier: BSD-3-Clause
"""nfc - a disk of vSphere whose host takes its time: many requests in flight
beside one, at the fake host of the tests (tests/support/fakevsphere)."""
import json
import os
import sys

from jobs import job
from jobs.bench import Ours, Peer, Side
from jobs.table import Goal

LATENCY_MS = 4
COUNT = 1920  # each of which waits so long if it is alone
DISK = 64 << 20


def side(b, name, depth, size):
    return Side([b.inputs.io, "-R", "1", "-c", str(COUNT), "-d", str(depth),
                 "-s", str(size), name],
                seconds_of=lambda out: json.loads(out)["seconds"])


@job("nfc", "nfc")
def nfc(b):
    os.environ.setdefault("VDISK_FAKEVSPHERE", os.path.join(
        b.options.build, "tests/support/fakevsphere"))
    # The host is to send, not to collect the garbage of each answer.
    os.environ.setdefault("GOGC", "400")
    sys.path.insert(0, os.path.join(os.path.dirname(__file__),
                                    "../../support"))
    from nfc_disk import NfcDisk
    from vsphere_fake import FakeVsphere, disk, vm

    with FakeVsphere([vm("a", [disk(capacity=DISK)])],
                     knobs={"latency_ms": LATENCY_MS}) as fake, \
            NfcDisk(fake, "a") as image:
        for transport, tls in (("nbd", False), ("nbdssl", True)):
            for size in (4096, 65536):
                name = image.name(tls=tls)
                b.compare("%s, %d ms away, %d KiB reads, 64 in flight"
                          % (transport, LATENCY_MS, size >> 10),
                          [Ours("", side(b, name, 64, size),
                                {"one at a time": Goal(20, 50)})],
                          [Peer("one at a time", [side(b, name, 1, size)])])
