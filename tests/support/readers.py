# SPDX-License-Identifier: BSD-3-Clause
"""readers - what other programs make of an image: (size, nz64k digest)."""
import os

from digest import raw_nz64k
from tap import Skip
from tools import Failed, qemu_img, run, scratch, vdisk_img

LIBVMDK_READ = os.path.join(os.path.dirname(os.path.abspath(__file__)),
                            "libvmdk-read.py")


def read_with_vdisk(image, engine=None, fmt=None):
    with scratch() as tmp:
        raw = os.path.join(tmp, "vdisk.raw")
        probe = ["-f", fmt] if fmt else []
        vdisk_img("convert", *probe, "-O", "raw", image, raw, engine=engine)
        return raw_nz64k(raw)


def read_with_qemu(image, fmt="vmdk"):
    with scratch() as tmp:
        raw = os.path.join(tmp, "qemu.raw")
        qemu_img("convert", "-f", fmt, "-O", "raw", image, raw)
        return raw_nz64k(raw)


def read_with_libvmdk(image):
    result = run([LIBVMDK_READ, image])
    if result.code == 77:
        raise Skip("python3-libvmdk is not installed")
    if result.code != 0:
        raise Failed(str(result))
    size, digest = result.stdout.split()
    return int(size), digest.decode()


def expect(got, wanted, who):
    if got != wanted:
        raise Failed("%s reads %s, should be %s" % (who, got, wanted))
