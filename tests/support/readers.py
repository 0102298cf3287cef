# SPDX-License-Identifier: BSD-3-Clause
"""readers - what other programs make of an image: (size, nz64k digest)."""
import os
import sys

from digest import raw_nz64k
from tap import Skip
from tools import Failed, qemu_img, run, scratch, vdisk_img

HERE = os.path.dirname(os.path.abspath(__file__))


def read_with_vdisk(image, engine=None, fmt=None):
    with scratch() as tmp:
        raw = os.path.join(tmp, "vdisk.raw")
        probe = ["-f", fmt] if fmt else []
        vdisk_img("convert", *probe, "-O", "raw", "--sync=none", image, raw,
                  engine=engine)
        return raw_nz64k(raw)


def read_with_qemu(image, fmt="vmdk"):
    with scratch() as tmp:
        raw = os.path.join(tmp, "qemu.raw")
        qemu_img("convert", "-f", fmt, "-O", "raw", image, raw)
        return raw_nz64k(raw)


def read_with_library(library, program, *words):
    """Through its Python binding; with the Python that runs us, for what "python3"
    means to a shell may be a slow script."""
    result = run([sys.executable, os.path.join(HERE, program), *words])
    if result.code == 77:
        raise Skip("python3-%s is not installed" % library)
    if result.code != 0:
        raise Failed(str(result))
    size, digest = result.stdout.split()
    return int(size), digest.decode()


def read_with_libvmdk(image):
    return read_with_library("libvmdk", "libvmdk-read.py", image)


def read_with_libvhdi(image):
    return read_with_library("libvhdi", "libyal-read.py", "pyvhdi", image)


def read_with_libqcow(image):
    return read_with_library("libqcow", "libyal-read.py", "pyqcow", image)


def expect(got, wanted, who):
    if got != wanted:
        raise Failed("%s reads %s, should be %s" % (who, got, wanted))
