# SPDX-License-Identifier: BSD-3-Clause
"""looking - commands that look at an image: info, map, compare."""
import json

from jobs.bench import Ours, Peer, Side
from jobs import job
from jobs.process import run
from jobs.table import Goal


@job("info", "reach")
def info(b):
    """From start to exit, of which there is more than of work."""
    image = b.inputs.vmdk("monolithicSparse")
    b.compare("info, start to exit", [
        Ours("", Side([b.inputs.img, "info", image], inputs=(image,),
                      repeat=50), {"qemu-img": Goal(1, 2)})],
        [Peer("qemu-img", [Side(["qemu-img", "info", image], inputs=(image,),
                                repeat=50)])])


def runs_of(argv):
    """The runs of data that a map tells of."""
    return [(part["start"], part["length"]) for part in json.loads(run(argv))
            if part["data"]]


@job("map", "reach")
def look_up(b):
    """A million runs; the list of data must be the same."""
    image = b.inputs.scattered()
    words = ["map", "-f", "vmdk", "--output=json", image]
    mine, other = [b.inputs.img, *words], ["qemu-img", *words]
    if runs_of(mine) != runs_of(other):
        raise SystemExit("the maps of %s differ" % image)
    peer = Peer("qemu-img", [Side(other)])
    vix = Side([*b.inputs.vix, "blocks", image], seconds_of=lambda out:
               json.loads(out)["seconds"])
    b.compare("2 TiB sparse VMDK with a million runs", [
        Ours("map", Side(mine), {"qemu-img": Goal(10, 50)}),
        Ours("QueryAllocatedBlocks", vix, {"qemu-img": Goal(10, 50)})],
        [peer])


@job("compare", "formats")
def compare(b):
    """Images that are the same, so that all of both is read."""
    raw, sparse = b.inputs.raw(), b.inputs.vmdk("monolithicSparse")
    words = ["compare", "-f", "raw", "-F", "vmdk", raw, sparse]
    b.compare("compare, raw and sparse VMDK",
              [Ours("", Side([b.inputs.img, *words], inputs=(raw, sparse)))],
              [Peer("qemu-img", [Side(["qemu-img", *words],
                                      inputs=(raw, sparse))])])


@job("compare-hash", "formats")
def compare_hash(b):
    """What else there is to compare images on two machines."""
    raw = b.inputs.raw()
    b.compare("compare --hash, raw", [
        Ours("", Side([b.inputs.img, "compare", "--hash", "-f", "raw", raw],
                      inputs=(raw,)))],
        [Peer("sha256sum", [Side(["sha256sum", raw], inputs=(raw,))])])
