# SPDX-License-Identifier: BSD-3-Clause
"""convert - conversions between raw, VMDK and qcow2 (the reach of this house).

Each is run as its user would, which for us ends with the data on disk and for
qemu-img does not, and with "-t unsafe" on our side, like for like.  The goals
are for like for like; streams are packed more slowly than any disk writes.
"""
import os

from jobs.bench import Ours, Peer, Side
from jobs import job
from jobs.process import run
from jobs.table import Goal

STREAM = ["-O", "vmdk", "-o", "subformat=streamOptimized"]
UNSAFE = ["-t", "unsafe"]
DIRECT = ["-t", "none", "-T", "none"]
# What people find in the manual for speed; streams have to be in order.
QEMU_PARALLEL = ["-m", "16", "-W"]


class Conversion:
    """@words: -f, -O and what belongs to them, which both tools take."""

    def __init__(self, bench, source, words, inputs=None):
        self.bench = bench
        self.source = source
        self.words = words
        self.inputs = tuple(inputs or [source])
        self.form = words[words.index("-O") + 1]

    def side(self, tool, name, more):
        output = self.bench.inputs.path(name + ".out")
        return Side([tool, "convert", *more, *self.words, self.source, output],
                    inputs=self.inputs, output=output,
                    verify=self.verify,
                    mib=self.bench.inputs.data_mib())

    def ours(self, name, more=()):
        return self.side(self.bench.inputs.img, "ours-" + name, more)

    def theirs(self, settings=((), QEMU_PARALLEL)):
        return Peer("qemu-img", [self.side("qemu-img", "theirs", more)
                                 for more in settings])

    def verify(self, output):
        """qemu-img finds in it what is in the source of all sources."""
        raw = self.bench.inputs.raw()
        said = run(["qemu-img", "compare", "-f", "raw", "-F", self.form, raw,
                    output])
        if said.strip() != "Images are identical.":
            raise SystemExit("%s: %s" % (output, said))


def both_ways(b, name, conversion, goal=None, peer=None):
    b.compare(name, [
        Ours("like for like", conversion.ours("like", UNSAFE),
             {"qemu-img": goal} if goal else {}),
        Ours("with our final sync", conversion.ours("synced"))],
        [peer or conversion.theirs()])


# Name, title, source, its format, that of the target, goal.
PLAIN = (
    ("raw-to-raw", "raw -> raw", lambda i: i.raw(), "raw", "raw",
     Goal(1, 1.25)),
    ("raw-to-sparse", "raw -> sparse VMDK", lambda i: i.raw(), "raw", "vmdk",
     Goal(4, 6)),
    ("qcow2-to-sparse", "qcow2 -> sparse VMDK", lambda i: i.qcow2(), "qcow2",
     "vmdk", Goal(4, 6)),
    ("sparse-to-raw", "sparse VMDK -> raw",
     lambda i: i.vmdk("monolithicSparse"), "vmdk", "raw", Goal(2.5, 3.5)),
    ("stream-to-raw", "streamOptimized -> raw",
     lambda i: i.vmdk("streamOptimized"), "vmdk", "raw", Goal(3, 4.5)),
)


def plain(title, source, form, to, goal):
    return lambda b: both_ways(b, title, Conversion(
        b, source(b.inputs), ["-f", form, "-O", to]), goal)


for _name, *_rest in PLAIN:
    job(_name, "reach")(plain(*_rest))


@job("chain-to-raw", "reach")
def chain_to_raw(b):
    links = b.inputs.chain()
    both_ways(b, "%d-link chain -> raw" % len(links), Conversion(
        b, links[-1], ["-f", "vmdk", "-O", "raw"], inputs=links),
        Goal(2.5, 3.5))


@job("raw-to-stream", "reach")
def raw_to_stream(b):
    """qemu-img packs at zlib's level 6; our level 5 gives files of its size."""
    c = Conversion(b, b.inputs.raw(), ["-f", "raw", *STREAM])
    level = ["--compress-level=5"]
    b.compare("raw -> streamOptimized", [
        Ours("like for like", c.ours("like", UNSAFE),
             {"qemu-img": Goal(12, 20, bytes=1.10)}),
        Ours("with our final sync", c.ours("synced")),
        Ours("level 5, like for like", c.ours("like5", UNSAFE + level),
             {"qemu-img": Goal(4, 5.5, bytes=1.02)}),
        Ours("level 5, with our final sync", c.ours("synced5", level))],
        [c.theirs([()])])


@job("stream-to-stream", "reach")
def stream_to_stream(b):
    c = Conversion(b, b.inputs.vmdk("streamOptimized"),
                   ["-f", "vmdk", *STREAM])
    both_ways(b, "streamOptimized -> streamOptimized", c, Goal(20, 100),
              c.theirs([()]))


@job("direct", "reach")
def direct(b):
    """O_DIRECT on both sides: the disk is the limit, so processor time."""
    c = Conversion(b, b.inputs.raw(), ["-f", "raw", "-O", "raw", *DIRECT])
    b.compare("raw -> raw, O_DIRECT", [
        Ours("", c.ours("direct"), {"qemu-img": Goal(2, 4, "cpu")})],
        [c.theirs()])


# -- other formats, without goals ------------------------------------------------

@job("sparse-to-qcow2", "formats")
def sparse_to_qcow2(b):
    both_ways(b, "sparse VMDK -> qcow2", Conversion(
        b, b.inputs.vmdk("monolithicSparse"), ["-f", "vmdk", "-O", "qcow2"]))


@job("raw-to-compressed", "formats")
def raw_to_compressed(b):
    both_ways(b, "raw -> compressed qcow2", Conversion(
        b, b.inputs.raw(), ["-c", "-f", "raw", "-O", "qcow2"]))


@job("compressed-to-raw", "formats")
def compressed_to_raw(b):
    both_ways(b, "compressed qcow2 -> raw", Conversion(
        b, b.inputs.image("compressed.qcow2", "qcow2", ["-c"]),
        ["-f", "qcow2", "-O", "raw"]))


# Name, QEMU's name, options of creating.
OTHERS = (("VHD", "vpc", ["-o", "force_size=on"]), ("VHDX", "vhdx", []),
          ("VDI", "vdi", []), ("qcow2", "qcow2", []))


@job("others-to-raw", "formats")
def others_to_raw(b):
    for name, form, options in OTHERS:
        both_ways(b, name + " -> raw", Conversion(
            b, b.inputs.image(form, form, options),
            ["-f", form, "-O", "raw"]))


@job("raw-to-others", "formats")
def raw_to_others(b):
    for name, form, options in OTHERS:
        both_ways(b, "raw -> " + name, Conversion(
            b, b.inputs.raw(), ["-f", "raw", "-O", form, *options]))


# -- how cost grows ------------------------------------------------------------

class Copy(Conversion):
    """Of another content: our own reading is checked against theirs."""

    def verify(self, output):
        run(["qemu-img", "compare", *self.words[:2], "-F", self.form,
             self.source, output])


@job("growth-size", "growth")
def growth_size(b):
    for gib in (1, 10, 100):
        raw = b.inputs.sparse_raw(gib)
        c = Copy(b, raw, ["-f", "raw", "-O", "vmdk"])
        b.compare("%d GiB, 1/64 of it data: raw -> sparse VMDK" % gib,
                  [Ours("", c.ours("grown", UNSAFE))], [c.theirs()])


@job("growth-chain", "growth")
def growth_chain(b):
    for links in (1, 10, 100):
        names = b.inputs.chain(links)
        c = Conversion(b, names[-1], ["-f", "vmdk", "-O", "raw"], names)
        b.compare("chain of %d -> raw" % links,
                  [Ours("", c.ours("chain", UNSAFE))], [c.theirs([()])])
        for name in names:
            os.unlink(name)
        os.rmdir(os.path.dirname(names[0]))


# -- what cannot be beaten -----------------------------------------------------

@job("limits", "limits")
def limits(b):
    """The kernel's own copying of as many bytes by one thread."""
    raw = b.inputs.raw()
    written, copy = b.inputs.path("limit.dd"), b.inputs.path("limit.cp")
    sides = {
        "dd, only writing": Side(["dd", "if=/dev/zero", "of=" + written,
                                  "bs=1M", "count=%d" % b.inputs.data_mib()],
                                 output=written),
        "dd, only reading": Side(["dd", "if=" + raw, "of=/dev/null", "bs=1M"],
                                 inputs=(raw,)),
        "cp --sparse": Side(["cp", "--sparse=always", raw, copy],
                            inputs=(raw,), output=copy),
    }
    c = Conversion(b, raw, ["-f", "raw", "-O", "raw"])
    b.compare("raw -> raw, like for like",
              [Ours("", c.ours("like", UNSAFE))],
              [Peer(name, [side]) for name, side in sides.items()])
