#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""test-devices - disks whose extents are devices: partitionedDevice, fullDevice,
raw device mappings.

Each case runs over a real block device, which takes root, and over a file in
its place, which does not.  What is written must be where it belongs, and all
around it as it was.
"""
import contextlib
import os
import random
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../support"))

from loop import LoopDevice  # noqa: E402
from tap import Suite  # noqa: E402
from tools import (DISK_IO, Failed, disk_io, run, scratch,  # noqa: E402
                   vdisk_img, vdisk_img_fails)

SECTOR = 512
DEVICE_SECTORS = 16384
HEAD = ('# Disk DescriptorFile\nversion=1\nCID=12345678\nparentCID=ffffffff\n'
        'createType="%s"\n\n# Extent description\n')
# Sectors of the disk: tables, a hidden partition, a gap, one to write to.
TABLES, HIDDEN, GAP, OPEN = 64, 4096, 128, 8192
OPEN_AT = TABLES + HIDDEN + GAP

suite = Suite()


def noise(sectors, seed):
    return random.Random(seed).randbytes(sectors * SECTOR)


def put(path, data):
    with open(path, "wb") as file:
        file.write(data)


def get(path):
    with open(path, "rb") as file:
        return file.read()


@contextlib.contextmanager
def device_in(tmp, real, data):
    """Path of a device (or a file, if not @real) that holds @data, and whose
    bytes are in the file of the second path."""
    backing = os.path.join(tmp, "backing")
    put(backing, data)
    if not real:
        yield backing, backing
        return
    with LoopDevice(backing) as device:
        yield device, backing


def assert_same(got, wanted, what):
    if got == wanted:
        return
    at = next((i for i, (a, b) in enumerate(zip(got, wanted)) if a != b),
              min(len(got), len(wanted)))
    raise Failed("%s: %d bytes, wanted %d; they differ at byte %d"
                 % (what, len(got), len(wanted), at))


def read_back(image, *options):
    raw = image + ".raw"
    vdisk_img("convert", *options, "-O", "raw", image, raw)
    return get(raw)


def make_partitioned(tmp, device):
    """As VMware and VirtualBox describe a disk of partitions."""
    image = os.path.join(tmp, "d.vmdk")
    put(os.path.join(tmp, "d-pt.vmdk"), noise(TABLES, 2))
    put(image, (HEAD % "partitionedDevice" +
                'RW %d FLAT "d-pt.vmdk" 0\n' % TABLES +
                'NOACCESS %d FLAT "%s" %d\n' % (HIDDEN, device, TABLES) +
                'RW %d ZERO\n' % GAP +
                # Two pieces of the same device.
                'RW %d FLAT "%s" %d\n' % (OPEN // 2, device, OPEN_AT) +
                'RW %d FLAT "%s" %d\n' % (OPEN // 2, device,
                                          OPEN_AT + OPEN // 2)).encode())
    return image


def partitioned(real):
    with scratch() as tmp:
        data = bytearray(noise(DEVICE_SECTORS, 1))
        with device_in(tmp, real, data) as (device, backing):
            image = make_partitioned(tmp, device)
            if real:
                text = vdisk_img_fails("convert", "-O", "raw", image,
                                       image + ".raw")
                if device not in text or "allowed" not in text:
                    raise Failed(text)
            allow = ["--allow-path", os.path.dirname(device)]
            wanted = (noise(TABLES, 2) + bytes((HIDDEN + GAP) * SECTOR) +
                      data[OPEN_AT * SECTOR:][:OPEN * SECTOR])
            assert_same(read_back(image, *allow), wanted, "the disk")
        write_partitioned(tmp, real, data)


def write_partitioned(tmp, real, data):
    """From a raw file onto the disk: the zero extents stay what they are."""
    new = bytearray(noise(TABLES + HIDDEN + GAP + OPEN, 3))
    new[TABLES * SECTOR:OPEN_AT * SECTOR] = bytes((HIDDEN + GAP) * SECTOR)
    with device_in(tmp, real, data) as (device, backing):
        image = make_partitioned(tmp, device)
        piece = os.path.join(tmp, "piece")
        put(piece, new[OPEN_AT * SECTOR:])
        allow = ["-a", os.path.dirname(device)]
        disk_io(*allow, image, "write", OPEN_AT * SECTOR, piece, "flush")
        hidden = run([DISK_IO, *allow, image, "write",
                      str(TABLES * SECTOR), piece])
        if hidden.code == 0 or b"NOACCESS" not in hidden.stderr:
            raise Failed(str(hidden))
    data[OPEN_AT * SECTOR:(OPEN_AT + OPEN) * SECTOR] = new[OPEN_AT * SECTOR:]
    assert_same(get(backing), data, "the device")


def full_device(real):
    with scratch() as tmp:
        data = noise(DEVICE_SECTORS, 1)
        with device_in(tmp, real, data) as (device, _):
            image = os.path.join(tmp, "d.vmdk")
            put(image, (HEAD % "fullDevice" + 'RW %d FLAT "%s" 0\n'
                        % (DEVICE_SECTORS, device)).encode())
            assert_same(read_back(image, "--allow-path",
                                  os.path.dirname(device)), data, "the disk")


def mapped(kind, real):
    """The mapping file holds nothing; what the caller names is the disk."""
    with scratch() as tmp:
        data = bytearray(noise(DEVICE_SECTORS, 1))
        image = os.path.join(tmp, "d.vmdk")
        put(os.path.join(tmp, "d-rdm.vmdk"), noise(1, 9))
        put(image, (HEAD % kind + 'RW %d VMFSRDM "d-rdm.vmdk"\n'
                    % DEVICE_SECTORS).encode())
        text = vdisk_img_fails("convert", "-O", "raw", image, image + ".raw")
        if "on a LUN" not in text:
            raise Failed(text)
        with device_in(tmp, real, data) as (device, backing):
            options = ("driver=vmdk,file.filename=%s,extents.0.filename=%s"
                       % (image, device))
            raw = os.path.join(tmp, "out.raw")
            vdisk_img("convert", "--image-opts", "-O", "raw", options, raw)
            assert_same(get(raw), data, "the disk")
            piece = os.path.join(tmp, "piece")
            put(piece, noise(8, 4))
            disk_io("-o", options, "write", 4096, piece, "flush")
        data[4096:4096 + 8 * SECTOR] = noise(8, 4)
        assert_same(get(backing), data, "the device")


def main():
    for real, what in ((False, "a file"), (True, "a block device")):
        suite.add("partitionedDevice over " + what, partitioned, real)
        suite.add("fullDevice over " + what, full_device, real)
        for kind in ("vmfsRawDeviceMap", "vmfsPassthroughRawDeviceMap"):
            suite.add("%s over %s" % (kind, what), mapped, kind, real)
    suite.run()


main()
