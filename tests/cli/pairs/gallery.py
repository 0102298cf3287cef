# SPDX-License-Identifier: BSD-3-Clause
"""gallery - the images which the paired invocations are about.

But for those in ours/ all are qemu-img's and qemu-io's making, so that a fault
of ours cannot be in both the image and its reading.  The damaged ones are those
with a hole in it.
"""
import os
import random
import shutil

from tools import need, run, vdisk_img, Failed

KIB = 1 << 10
MIB = 1 << 20

# What holds data, by the way it is stored; opened by probing.
RAWS = ("a.raw", "b.raw", "full.raw", "odd.raw", "none.raw", "dots.raw")
SPARSES = ("a.vmdk", "empty.vmdk", "full.vmdk", "dots.vmdk", "zero.vmdk")
SPLITS = ("ts.vmdk", "tf.vmdk")
CHAINS = ("c.vmdk", "g.vmdk", "sub/c.vmdk", "absolute.vmdk")
MAPPED = RAWS + SPARSES + SPLITS + ("f.vmdk",) + CHAINS
IMAGES = MAPPED + ("s.vmdk",)
# Of other formats; those in VDISKS are found by probing.
QCOW2S = ("q.qcow2", "qc.qcow2", "q2.qcow2", "qx.qcow2", "qz.qcow2",
          "qd.qcow2", "qs.qcow2", "qb.qcow2", "sub/q.qcow2")
VDISKS = QCOW2S + ("d.vhd", "h.vhdx", "i.vdi", "t.vdi")
# Made by vdisk-img.
BY_US = ("ours/a.vmdk", "ours/s.vmdk", "ours/f.vmdk", "ours/c.vmdk")
# What cannot be opened as what it is.  No pairs, since ours does better
# (tests/image and tests/conformance test how): short.vmdk, tables.vmdk and
# marker.vmdk (we warn of bad tables and fail where qemu-img reads zeroes),
# words.vmdk (opened), stranger.vmdk (refused at open, not at the first read),
# l.vmdk (qemu-img recurses for a minute before it fails).
DAMAGED = ("version.vmdk", "extent.vmdk", "orphan.vmdk", "magic.vmdk",
           "gone.vmdk", "folder")
# Errors told with more than qemu-img tells, behind the same beginning.
MORE = {"version.vmdk": "Could not open 'version.vmdk': ",
        "orphan.vmdk": "Could not open 'orphan.vmdk': "}
NAMES = ("with space.vmdk", "comma,comma.vmdk", "\u00fcn\u00ef.vmdk",
         "./co:lon.raw", "file:co:lon.raw", "./-dash.raw", "sub/../a.raw")


class Gallery:
    def __init__(self, directory):
        self.directory = directory

    def path(self, name):
        return os.path.join(self.directory, name)

    def tool(self, *args):
        result = run([need(args[0]), *args[1:]], cwd=self.directory)
        if result.code or b"failed" in result.stdout:
            raise Failed(str(result))

    def raw(self, name, size, *pieces):
        with open(self.path(name), "wb") as file:
            file.truncate(size)
            for offset, data in pieces:
                file.seek(offset)
                file.write(data)

    def convert(self, source, target, subformat="monolithicSparse"):
        self.tool("qemu-img", "convert", "-f", "raw", "-O", "vmdk", "-o",
                  "subformat=" + subformat, source, target)

    def child(self, name, parent, *writes):
        self.tool("qemu-img", "create", "-q", "-f", "vmdk", "-b", parent,
                  "-F", "vmdk", name)
        self.write(name, *writes)

    def write(self, name, *commands, form="vmdk"):
        words = [word for command in commands for word in ("-c", command)]
        if words:
            self.tool("qemu-io", "-f", form, *words, name)

    def edited(self, source, target, *edits):
        """@target is @source with bytes overwritten or text replaced."""
        with open(self.path(source), "rb") as file:
            data = bytearray(file.read())
        for old, new in edits:
            if isinstance(old, int):
                data[old:old + len(new)] = new
            else:
                if old not in data:
                    raise Failed("no %r in %s" % (old, source))
                data = data.replace(old, new)
        with open(self.path(target), "wb") as file:
            file.write(data)


def make_raws(g):
    noise = random.Random(5).randbytes(256 * KIB)
    g.raw("a.raw", MIB, (64 * KIB, b"\2" * 64 * KIB))
    g.raw("b.raw", 2 * MIB)
    g.raw("full.raw", 256 * KIB, (0, noise))
    g.raw("odd.raw", MIB + 700, (MIB, b"\3" * 700))
    g.raw("none.raw", 0)
    g.raw("dots.raw", 4 * MIB, *((n * 256 * KIB + 4 * KIB, b"\4" * 4 * KIB)
                                 for n in range(16)))
    # Zeroes that are written, among data: what -S is about.
    g.raw("zeroes.raw", 256 * KIB, (0, noise[:512] + bytes(3584) +
                                    noise[:4096] + bytes(57344) +
                                    noise[:65536] + bytes(131072)))
    g.raw("content.raw", 10 * MIB, (64 * KIB, b"\1" * 128 * KIB),
          (512 * KIB, b"\3" * 64 * KIB))
    for name in ("co:lon.raw", "-dash.raw", "target.raw"):
        g.raw(name, MIB, (0, b"\5" * 64 * KIB))
    g.raw("readonly.raw", MIB, (0, b"\5" * 64 * KIB))
    os.chmod(g.path("readonly.raw"), 0o444)


def make_vmdks(g):
    g.convert("content.raw", "a.vmdk")
    for name, subformat in (("s", "streamOptimized"), ("f", "monolithicFlat"),
                            ("ts", "twoGbMaxExtentSparse"),
                            ("tf", "twoGbMaxExtentFlat")):
        g.convert("content.raw", name + ".vmdk", subformat)
    g.convert("full.raw", "full.vmdk")
    g.convert("dots.raw", "dots.vmdk")
    g.tool("qemu-img", "create", "-q", "-f", "vmdk", "empty.vmdk", "10M")
    g.tool("qemu-img", "create", "-q", "-f", "vmdk", "-o", "zeroed_grain=on",
           "zero.vmdk", "10M")
    g.write("zero.vmdk", "write -P 6 0 256k", "write -z 64k 64k")
    os.mkdir(g.path("sub"))
    os.mkdir(g.path("folder"))
    g.child("c.vmdk", "a.vmdk", "write -P 2 1M 64k")
    g.child("g.vmdk", "c.vmdk", "write -P 7 2M 64k", "write -P 8 64k 64k")
    g.child("sub/c.vmdk", "../a.vmdk", "write -P 2 3M 128k")
    g.child("absolute.vmdk", g.path("a.vmdk"), "write -P 2 3M 64k")
    for name in ("with space.vmdk", "comma,comma.vmdk",
                 "\u00fcn\u00ef.vmdk", "target.vmdk"):
        shutil.copy(g.path("empty.vmdk"), g.path(name))


def make_others(g):
    """qcow2 plain, with a parent, of version 2, with subclusters, compressed,
    with a data file and with a snapshot; VHD, VHDX, VDI."""
    for name, options in (("q", "compat=1.1"), ("q2", "compat=0.10"),
                          ("qx", "extended_l2=on,cluster_size=128k"),
                          ("qd", "data_file=qd.data,data_file_raw=on"),
                          ("qs", "refcount_bits=8")):
        g.tool("qemu-img", "convert", "-f", "raw", "-O", "qcow2", "-o",
               options, "content.raw", name + ".qcow2")
    g.tool("qemu-img", "convert", "-c", "-f", "raw", "-O", "qcow2",
           "content.raw", "qz.qcow2")
    for name, parent in (("qc", "q"), ("sub/q", "../a")):
        form = "qcow2" if parent == "q" else "vmdk"
        g.tool("qemu-img", "create", "-q", "-f", "qcow2", "-b",
               "%s.%s" % (parent, form), "-F", form, name + ".qcow2")
        g.write(name + ".qcow2", "write -P 2 1M 64k", "write -z 64k 64k",
                form="qcow2")
    g.tool("qemu-img", "snapshot", "-c", "first", "qs.qcow2")
    g.tool("qemu-img", "create", "-q", "-f", "qcow2", "qb.qcow2", "10M")
    g.tool("qemu-img", "bitmap", "--add", "qb.qcow2", "one")
    g.tool("qemu-img", "bitmap", "--add", "--disable", "-g", "512",
           "qb.qcow2", "two")
    g.tool("qemu-img", "convert", "-n", "-f", "raw", "-O", "qcow2",
           "content.raw", "qb.qcow2")
    g.write("qs.qcow2", "write -P 2 1M 64k", form="qcow2")
    for name, form, options in (
            ("d.vhd", "vpc", "subformat=dynamic,force_size=on"),
            ("f.vhd", "vpc", "subformat=fixed,force_size=on"),
            ("h.vhdx", "vhdx", "subformat=dynamic"),
            ("i.vdi", "vdi", "static=off"), ("t.vdi", "vdi", "static=on")):
        g.tool("qemu-img", "convert", "-f", "raw", "-O", form, "-o", options,
               "content.raw", name)


def make_damaged(g):
    shutil.copy(g.path("a.vmdk"), g.path("short.vmdk"))
    os.truncate(g.path("short.vmdk"), 128 * KIB)
    g.edited("a.vmdk", "magic.vmdk", (0, b"XXXX"))
    g.edited("a.vmdk", "version.vmdk", (4, b"\x09\0\0\0"))
    # The first table's first entries; the tables are where the directory
    # of a 10 MiB image of QEMU's making has them.
    tables = table_offset(g.path("a.vmdk"))
    g.edited("a.vmdk", "tables.vmdk", (tables + 4, b"\xff\xff\xff\x7f"))
    g.edited("s.vmdk", "marker.vmdk", (stream_offset(g.path("s.vmdk")) + 20,
                                       b"\xff" * 64))
    g.edited("f.vmdk", "words.vmdk", (b'createType="monolithicFlat"',
                                      b'createType="monolithicFlot"'))
    g.edited("f.vmdk", "extent.vmdk", (b"f-flat.vmdk", b"nowhere.vmdk"))
    g.edited("c.vmdk", "stranger.vmdk", (cid_line(g.path("c.vmdk")),
                                         b"parentCID=12345678"))
    g.edited("c.vmdk", "orphan.vmdk", (b'Hint="a.vmdk"', b'Hint="x.vmdk"'))
    g.edited("c.vmdk", "l.vmdk", (b'Hint="a.vmdk"', b'Hint="l.vmdk"'))


def make_by_us(g):
    """The same by vdisk-img: what it writes is told and mapped alike."""
    os.mkdir(g.path("ours"))
    for name, subformat in (("a", "monolithicSparse"),
                            ("s", "streamOptimized"),
                            ("f", "twoGbMaxExtentFlat")):
        vdisk_img("convert", "-f", "raw", "-O", "vmdk", "-o",
                  "subformat=" + subformat, "content.raw",
                  "ours/%s.vmdk" % name, cwd=g.directory)
    vdisk_img("create", "-q", "-f", "vmdk", "-b", "a.vmdk", "-F", "vmdk",
              "ours/c.vmdk", cwd=g.directory)
    g.write("ours/c.vmdk", "write -P 2 1M 64k")


def le32(data, offset):
    return int.from_bytes(data[offset:offset + 4], "little")


def table_offset(path):
    """Where the first grain table is."""
    with open(path, "rb") as file:
        data = file.read()
    return le32(data, 512 * le32(data, 56)) * 512


def stream_offset(path):
    """Where the first compressed grain's header is."""
    with open(path, "rb") as file:
        return le32(file.read(512), 64) * 512


def cid_line(path):
    with open(path, "rb") as file:
        data = file.read()
    start = data.index(b"parentCID=")
    return data[start:start + 18]


def make(directory):
    g = Gallery(directory)
    make_raws(g)
    make_vmdks(g)
    make_others(g)
    make_damaged(g)
    make_by_us(g)
