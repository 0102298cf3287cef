# SPDX-License-Identifier: BSD-3-Clause
"""formats - every variant of qcow2, VHD, VHDX and VDI that we write: how a disk
of it comes to be, and who else reads it.

libqcow takes clusters with a zero flag for data, so that it reads compat=0.10
only; and where an image ends in the middle of a cluster it makes the rest up.
libvhdi takes the size that a VHD was created with.
"""
import os
import random

from tools import qemu_img, vdisk_img

MIB = 1 << 20
SIZE = 9 * MIB + 512


CHILDLESS = ("compact", "child")
UNCHANGED = ("grow", "compact", "child")


class Variant:
    """One row of the table.

    @options: for create; {dir} is the directory of the image.  @peers: who
    reads it.  @maker: the program that makes the image, vdisk_img or qemu_img.
    @lacks: what random-life leaves out.  @size: of the disk.
    """

    def __init__(self, fmt, options="", peers=("qemu-img",), maker=vdisk_img,
                 name=None, size=SIZE, checked=True,
                 lacks=CHILDLESS):
        self.fmt = fmt
        self.options = options
        self.peers = peers
        self.maker = maker
        self.size = size
        self.checked = checked  # by qemu-img check
        self.lacks = lacks
        whose = " of qemu-img" if maker is qemu_img else ""
        self.name = "%s%s: %s" % (fmt, whose, name or options or "default")

    def create(self, directory):
        """Path of a new image; what it reads as is in model.raw, which need
        not exist if that is zeroes."""
        path = os.path.join(directory, "disk." + self.fmt)
        options = self.options.format(dir=directory)
        self.maker("create", "-q", "-f", self.fmt,
                   *(("-o", options) if options else ()), path, self.size)
        return path


class Overlay(Variant):
    """Over a raw file that is shorter."""

    def create(self, directory):
        base = os.path.join(directory, "base.raw")
        rng = random.Random(11)
        with open(base, "wb") as file:
            for at in range(0, 6 * MIB, MIB):
                file.seek(at + 512 * rng.randrange(64))
                file.write(rng.randbytes(300 * 512))
            file.truncate(7 * MIB + 512)
        path = os.path.join(directory, "disk." + self.fmt)
        options = self.options.format(dir=directory)
        self.maker("create", "-q", "-f", self.fmt, "-b", base, "-F", "raw",
                   *(("-o", options) if options else ()), path, self.size)
        with open(base, "rb") as file, \
                open(os.path.join(directory, "model.raw"), "wb") as model:
            model.write(file.read())
            model.truncate(self.size)
        return path


class Snapshots(Variant):
    """qemu-img makes internal snapshots between the parts of a life."""


QCOW = ("qemu-img", "libqcow")
VHDI = ("qemu-img", "libvhdi")
VHDX_SIZE = 9 * MIB + 4096

QCOW2 = (
    Variant("qcow2", lacks=("compact",)),
    Variant("qcow2", "cluster_size=512"),
    Variant("qcow2", "cluster_size=4k"),
    Variant("qcow2", "cluster_size=2M"),
    Variant("qcow2", "extended_l2=on", lacks=("compact",)),
    Variant("qcow2", "extended_l2=on,cluster_size=16k"),
    Variant("qcow2", "compat=0.10", peers=QCOW),
    Variant("qcow2", "compat=0.10,cluster_size=512", peers=QCOW),
    Variant("qcow2", "compat=0.10,cluster_size=2M", peers=QCOW),
    Variant("qcow2", "refcount_bits=1", lacks=("compact",)),
    Variant("qcow2", "refcount_bits=2"),
    Variant("qcow2", "refcount_bits=64"),
    Variant("qcow2", "lazy_refcounts=on"),
    Variant("qcow2", "preallocation=metadata"),
    Variant("qcow2", "data_file={dir}/disk.data", name="data_file"),
    Variant("qcow2", "data_file={dir}/disk.data,data_file_raw=on",
            name="data_file_raw"),
    Overlay("qcow2", name="over a raw file"),
    Overlay("qcow2", "extended_l2=on", name="extended_l2 over a raw file"),
    Snapshots("qcow2", name="with internal snapshots", lacks=UNCHANGED),
    Snapshots("qcow2", "cluster_size=4k,refcount_bits=8",
              name="small clusters with internal snapshots", lacks=UNCHANGED),
    Variant("qcow2", maker=qemu_img),
    Variant("qcow2", "extended_l2=on,lazy_refcounts=on", maker=qemu_img),
)
BLOCKS = (
    Variant("vpc", "subformat=dynamic", checked=False, name="dynamic, growing"),
    Variant("vpc", "subformat=fixed", checked=False, name="fixed, growing"),
    Variant("vpc", "subformat=dynamic", peers=VHDI, checked=False,
            lacks=UNCHANGED),
    Variant("vpc", "subformat=fixed", peers=VHDI, checked=False,
            lacks=UNCHANGED),
    Variant("vpc", "force_size=on", peers=VHDI, checked=False,
            maker=qemu_img, lacks=UNCHANGED),
    Variant("vdi", "static=off"),
    Variant("vdi", "static=on"),
    Variant("vdi", maker=qemu_img),
    Variant("vhdx", "subformat=dynamic", peers=VHDI, size=VHDX_SIZE),
    Variant("vhdx", "subformat=fixed", peers=VHDI, size=VHDX_SIZE),
    Variant("vhdx", "block_size=2M,log_size=3M", peers=VHDI, size=VHDX_SIZE),
    Variant("vhdx", "block_size=256M", peers=VHDI, size=VHDX_SIZE),
    # qemu-img knows sectors of 512 bytes only, and so does growing here.
    Variant("vhdx", "logical_sector_size=4096", peers=("libvhdi",),
            size=VHDX_SIZE, lacks=UNCHANGED),
    Variant("vhdx", "block_size=4M,logical_sector_size=4096,subformat=fixed",
            peers=("libvhdi",), size=VHDX_SIZE, lacks=UNCHANGED),
    Variant("vhdx", "subformat=dynamic", maker=qemu_img, size=VHDX_SIZE),
    Variant("vhdx", "block_size=1M", maker=qemu_img, size=VHDX_SIZE),
    Variant("vhdx", "subformat=fixed,block_state_zero=off", maker=qemu_img,
            size=VHDX_SIZE),
)
