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
from tools import Failed, qemu_io, scratch, vdisk_img

SEED = 42
SIZE = 10 * MIB + 3 * SECTOR
SPLIT = 2047 * MIB

suite = Suite()


def create_type_of(path):
    info = json.loads(vdisk_img("info", "--output=json", path))
    return info["format-specific"]["data"]["create-type"]


def capacity_of(path):
    return json.loads(vdisk_img("info", "--output=json",
                                path))["virtual-size"]


def make_raw(tmp, size):
    """A file with data and holes; its path and the model of it."""
    model = Model(size, SEED)
    for _ in model.random_writes(tmp, 15):
        pass
    path = os.path.join(tmp, "content.raw")
    with open(path, "wb") as file:
        file.write(model.data)
    return path, model


def creates(soname, kind, size, fill):
    """@fill are options of nbdcopy."""
    with scratch() as tmp:
        raw, model = make_raw(tmp, size)
        path = os.path.join(tmp, "new.vmdk")
        with vddk.serve(path, "create=true", "create-size=%d" % size,
                        "create-type=" + kind, soname=soname) as server:
            nbdkit.nbdcopy("--flush", *fill, raw, server.uri)
        equal(create_type_of(path), vddk.CREATE_TYPES[kind], "type")
        equal(capacity_of(path), size, "capacity")
        all_read(path, model.content())
        expect_sound(path)
        expect(read_with_nbdkit(path, soname), model.content(), "nbdkit")


def creates_empty(soname, kind, size):
    with scratch() as tmp:
        path = os.path.join(tmp, "new.vmdk")
        with vddk.serve(path, "create=true", "create-size=%d" % size,
                        "create-type=" + kind, soname=soname) as server:
            equal(nbdkit.size_of(server.uri), size, "size")
        equal(create_type_of(path), vddk.CREATE_TYPES[kind], "type")
        equal(capacity_of(path), size, "capacity")
        expect_sound(path)
        qemu_io(path, "read -P 0 0 512",
                "read -P 0 %d 512" % (size - SECTOR))


def creates_a_stream(soname, size):
    """It comes into being whole and empty; and as nobody writes into a stream
    that is there, the plugin's opening is refused, with the reason."""
    with scratch() as tmp:
        path = os.path.join(tmp, "new.vmdk")
        fails_with(["VixDiskLib_Open: " + path,
                    "a streamOptimized extent cannot be written in place"],
                   path, "create=true", "create-size=%d" % size,
                   "create-type=stream-optimized", soname=soname)
        equal(create_type_of(path), "streamOptimized", "type")
        equal(capacity_of(path), size, "capacity")
        expect_sound(path)
        all_read(path, Model(size, 0).content())
        expect(read_with_nbdkit(path, soname), Model(size, 0).content(),
               "nbdkit")


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
    for_each_soname(suite, "creates stream-optimized", creates_a_stream, SIZE)
    for kind in vddk.CREATE_TYPES:
        if kind == "stream-optimized":
            continue
        for_each_soname(suite, "creates %s, fills it" % kind, creates, kind,
                        SIZE, ("--destination-is-zero",),
                        always=kind == "monolithic-sparse")
        for_each_soname(suite, "creates %s, one sector" % kind, creates_empty,
                        kind, SECTOR)
        for_each_soname(suite, "creates %s, 5 GiB" % kind, creates_empty,
                        kind, 5 << 30)
    for kind in ("monolithic-sparse", "vmfs-flat", "vmfs-sparse"):
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
