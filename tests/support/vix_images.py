# SPDX-License-Identifier: BSD-3-Clause
"""vix_images - images for the tests of vdisk-vixsample, and looks at them that
do not go through the library."""
import contextlib
import json
import os
import random
import re

from tools import Failed, disk_io, qemu_img, scratch, vdisk_img
import vix_sample

SECTOR = 512
ODD_SECTORS = 515  # no multiple of a grain nor of what a bench reads
SECONDS = 60       # more is a hang


class Sample:
    """vdisk-vixsample with the library of one version."""

    def __init__(self, root):
        self.root = root

    def __call__(self, *args, **kwargs):
        return vix_sample.vixsample("-libdir", self.root, *args, **kwargs)

    def fails(self, code, *args):
        """It must fail with the library's @code; returns stderr."""
        stderr = vix_sample.vixsample_fails("-libdir", self.root, *args)
        if "error 0x%x (%d): " % (code, code) not in stderr:
            raise Failed("wanted error %d: %s" % (code, stderr))
        return stderr


@contextlib.contextmanager
def sample_of(version):
    with vix_sample.vix_root(version) as root:
        yield Sample(root)


def shorten(value):
    text = repr(value)
    return text if len(text) < 400 else text[:200] + "..." + text[-100:]


def same(found, wanted):
    if found == wanted:
        return
    where = ""
    if isinstance(found, bytes) and isinstance(wanted, bytes):
        first = next((i for i, (a, b) in enumerate(zip(found, wanted))
                      if a != b), min(len(found), len(wanted)))
        where = "from byte %d of %d (%d) on: " % (first, len(found),
                                                  len(wanted))
        found, wanted = found[first:first + 64], wanted[first:first + 64]
    raise Failed("%swanted %s, found %s" % (where, shorten(wanted),
                                            shorten(found)))


def image(folder, name="x.vmdk", sectors=ODD_SECTORS, *args):
    path = os.path.join(folder, name)
    vdisk_img("create", "-q", "-f", "vmdk", *args, path, sectors * SECTOR)
    return path


def put(path, offset, data):
    """Write @data to the image, not by way of the library."""
    with scratch() as tmp:
        file = os.path.join(tmp, "data")
        with open(file, "wb") as f:
            f.write(data)
        disk_io(path, "write", offset, file, "flush")


def raw(path):
    """The image's bytes, as qemu-img sees them."""
    with scratch() as tmp:
        out = os.path.join(tmp, "raw")
        qemu_img("convert", "-f", "vmdk", "-O", "raw", path, out)
        with open(out, "rb") as f:
            return f.read()


def info(path):
    return json.loads(vdisk_img("info", "--output=json", path))


def create_type(path):
    return info(path)["format-specific"]["data"]["create-type"]


def no_leftovers(folder, *names):
    same(sorted(os.listdir(folder)), sorted(names))


def noise(length, seed=1):
    return random.Random(seed).randbytes(length)


def chain(folder):
    """A base and a child with data of their own; returns (child, bytes)."""
    base = image(folder, "base.vmdk", 2048)
    put(base, 0, noise(320 << 10))
    child = os.path.join(folder, "child.vmdk")
    vdisk_img("create", "-q", "-f", "vmdk", "-b", "base.vmdk", "-F", "vmdk",
              child)
    put(child, 128 << 10, noise(64 << 10, 2))
    data = bytearray(1 << 20)
    data[:320 << 10] = noise(320 << 10)
    data[128 << 10:192 << 10] = noise(64 << 10, 2)
    return child, bytes(data)


def dumped(out):
    """The bytes that -dump has printed."""
    rows = re.findall(r"^[0-9a-f]{8,} :((?: [0-9a-f]{2}){16})  .{16}$", out,
                      re.M)
    return bytes.fromhex("".join(rows))
