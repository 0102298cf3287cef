#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""test-nbdkit-create - nbdkit's create=true: disks of each type that the API
has, filled through the plugin, are good disks of that kind."""
import json
import os

from vddk_cases import (MIB, SECTOR, all_read, equal, expect_sound,
                        fails_with, for_each_soname, read_with_nbdkit, vddk)

import nbdkit
from model import Model
from readers import expect
from tap import Suite
from tools import Failed, qemu_img, qemu_io, scratch, vdisk_img

SEED = 42
SIZE = 10 * MIB + 3 * SECTOR
SPLIT = 2047 * MIB

suite = Suite()


def expect_created(path, kind, size):
    info = json.loads(vdisk_img("info", "--output=json", path))
    equal(info["format-specific"]["data"]["create-type"],
          vddk.CREATE_TYPES[kind], "type")
    equal(info["virtual-size"], size, "capacity")


def make_raw(tmp, size):
    """A file with data and holes; its path and the model of it."""
    model = Model(size, SEED)
    for _ in model.random_writes(tmp, 15):
        pass
    path = os.path.join(tmp, "content.raw")
    model.save(path)
    return path, model


def creates(soname, kind, size, fill):
    """@fill are options of nbdcopy."""
    with scratch() as tmp:
        raw, model = make_raw(tmp, size)
        path = os.path.join(tmp, "new.vmdk")
        with vddk.serve(path, "create=true", "create-size=%d" % size,
                        "create-type=" + kind, soname=soname) as server:
            nbdkit.nbdcopy("--flush", *fill, raw, server.uri)
        expect_created(path, kind, size)
        all_read(path, model.content())
        expect_sound(path)
        expect(read_with_nbdkit(path, soname), model.content(), "nbdkit")


def creates_empty(soname, kind, size):
    with scratch() as tmp:
        path = os.path.join(tmp, "new.vmdk")
        with vddk.serve(path, "create=true", "create-size=%d" % size,
                        "create-type=" + kind, soname=soname) as server:
            equal(nbdkit.size_of(server.uri), size, "size")
        expect_created(path, kind, size)
        expect_sound(path)
        qemu_io(path, "read -P 0 0 512",
                "read -P 0 %d 512" % (size - SECTOR))


def expect_importable(path, model, soname):
    all_read(path, model.content())
    vdisk_img("check", "--profile=esxi-import", path)
    qemu_img("check", path)
    expect(read_with_nbdkit(path, soname), model.content(), "nbdkit")


def fills_a_stream(soname, size, *options):
    """As importers want it, though qemu-img may write in any order."""
    with scratch() as tmp:
        raw, model = make_raw(tmp, size)
        path = os.path.join(tmp, "new.vmdk")
        with vddk.serve(path, "create=true", "create-size=%d" % size,
                        "create-type=stream-optimized",
                        soname=soname) as server:
            qemu_img("convert", "-n", "-f", "raw", "-O", "raw", *options,
                     raw, server.uri)
        expect_importable(path, model, soname)


def fills_a_stream_anyhow(soname, size):
    """Small pieces, backwards, and over what has been flushed."""
    with scratch() as tmp:
        model = Model(size, SEED)
        path = os.path.join(tmp, "new.vmdk")
        with vddk.serve(path, "create=true", "create-size=%d" % size,
                        "create-type=stream-optimized",
                        soname=soname) as server:
            qemu_io(server.uri, "write -P 8 5M 3M", "flush",
                    "write -P 7 512 100", "read -P 7 512 100",
                    "flush", "write -P 9 5M 9000", "read -P 8 5252000 90000",
                    "write -z 6M 256k", "read -P 0 6M 256k", "flush",
                    fmt="raw")
        for offset, length, byte in ((5 * MIB, 3 * MIB, 8), (512, 100, 7),
                                     (5 * MIB, 9000, 9),
                                     (6 * MIB, 256 << 10, 0)):
            model.data[offset:offset + length] = bytes([byte]) * length
        expect_importable(path, model, soname)


def stream_is_written_once(soname, size):
    """What has grains is not opened for writing, and stays."""
    with scratch() as tmp:
        path = os.path.join(tmp, "new.vmdk")
        with vddk.serve(path, "create=true", "create-size=%d" % size,
                        "create-type=stream-optimized",
                        soname=soname) as server:
            qemu_io(server.uri, "write -P 5 1M 1M", "flush", fmt="raw")
        fails_with(["VixDiskLib_Open: " + path, "has grains already",
                    "a streamOptimized extent cannot be written in place"],
                   path, soname=soname)
        qemu_io(path, "read -P 5 1M 1M", "read -P 0 0 1M")


def creates_split(soname, kind):
    """Data on both sides of the border between two files."""
    size = SPLIT + 5 * MIB
    with scratch() as tmp:
        path = os.path.join(tmp, "new.vmdk")
        with vddk.serve(path, "create=true", "create-size=%d" % size,
                        "create-type=" + kind, soname=soname) as server:
            qemu_io(server.uri, "write -P 5 %d 2M" % (SPLIT - MIB),
                    "flush", fmt="raw")
        qemu_io(path, "read -P 0 %d 1M" % (SPLIT - 2 * MIB),
                "read -P 5 %d 2M" % (SPLIT - MIB),
                "read -P 0 %d 1M" % (SPLIT + MIB))
        expect_sound(path)


def adapter_and_hardware(soname, word, adapter, hardware, version):
    with scratch() as tmp:
        path = os.path.join(tmp, "new.vmdk")
        with vddk.serve(path, "create=true", "create-size=1M",
                        "create-adapter-type=" + word,
                        "create-hwversion=" + hardware,
                        soname=soname) as server:
            nbdkit.size_of(server.uri)
        with open(path, "rb") as file:
            text = file.read(1 << 16).decode("latin-1")
        for line in ('ddb.adapterType = "%s"' % adapter,
                     'ddb.virtualHWVersion = "%s"' % version):
            if line not in text:
                raise Failed("no %s in %s" % (line, text[512:2048]))


def leaves_what_exists(soname):
    """Error 12; the file stays as it is."""
    with scratch() as tmp:
        path = os.path.join(tmp, "old.vmdk")
        for content in (b"something of mine", b""):
            with open(path, "wb") as file:
                file.write(content)
            fails_with(["VixDiskLib_Create: ", "already exists", path], path,
                       "create=true", "create-size=1M", soname=soname)
            with open(path, "rb") as file:
                equal(file.read(), content, "the file")


def refuses(soname, words, name, *parameters):
    with scratch() as tmp:
        path = os.path.join(tmp, name)
        fails_with(words, path, "create=true", *parameters, soname=soname)
        equal(os.listdir(tmp), [], "files")


def main():
    for kind in vddk.CREATE_TYPES:
        for_each_soname(suite, "creates %s, fills it" % kind, creates, kind,
                        SIZE, ("--destination-is-zero",),
                        always=kind == "monolithic-sparse")
        for_each_soname(suite, "creates %s, one sector" % kind, creates_empty,
                        kind, SECTOR)
        for_each_soname(suite, "creates %s, 5 GiB" % kind, creates_empty,
                        kind, 5 << 30)
    for options in ((), ("-W", "-m", "16")):
        for_each_soname(suite, "qemu-img fills stream-optimized" + " %s" * len(
            options) % options, fills_a_stream, SIZE, *options)
    for_each_soname(suite, "stream-optimized, filled in any order",
                    fills_a_stream_anyhow, SIZE)
    for_each_soname(suite, "a stream with grains is not opened for writing",
                    stream_is_written_once, SIZE)
    for kind in ("monolithic-sparse", "vmfs-flat", "vmfs-sparse",
                 "stream-optimized"):
        for_each_soname(suite, "creates %s, fills it with zeroes, too" % kind,
                        creates, kind, SIZE, ())
    for kind in ("split-sparse", "split-flat"):
        for_each_soname(suite, "creates %s, writes over the border" % kind,
                        creates_split, kind)
    for case in (("ide", "ide", "workstation4", "3"),
                 ("scsi-buslogic", "buslogic", "workstation5", "4"),
                 ("scsi-lsilogic", "lsilogic", "esx65", "13")):
        for_each_soname(suite, "adapter %s, hardware %s" % (case[0], case[2]),
                        adapter_and_hardware, *case)
    for_each_soname(suite, "a file that exists is refused, and stays",
                    leaves_what_exists, always=True)
    for_each_soname(suite, "no directory: refused", refuses,
                    ["VixDiskLib_Create: ", "nowhere/new.vmdk"],
                    "nowhere/new.vmdk", "create-size=1M")
    suite.run()


main()
