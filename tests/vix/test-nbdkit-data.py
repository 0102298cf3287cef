#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""test-nbdkit-data - nbdkit's vddk plugin reads and writes disks of every kind
that there is, and chains of them, through our libvixDiskLib: the bytes are
those that vdisk-img sees, and qemu-img where it knows the kind."""
import os

from vddk_cases import (GRAIN, MIB, SECTOR, all_read, equal, expect_sound,
                        for_each_soname, read_with_nbdkit, vddk,
                        write_with_nbdkit)

import nbdkit
from kinds import DISK_SIZE
from matrix import KINDS
from model import Model
from ours import Disk, model_of
from readers import expect, read_with_qemu
from tap import Suite
from tools import (KINDS as HOSTED, SHORT, Failed, qemu_img, qemu_io, run,
                   scratch, vdisk_img, write_with_qemu, write_with_vdisk)

SIZE = 10 * MIB + 5 * SECTOR
SEED = 41
LONG_CHAIN = 12 if SHORT else 30  # two programs a link

suite = Suite()


def is_writable(kind):
    return "write" not in kind.refuses


# -- every kind ----------------------------------------------------------------

def reads(soname, kind):
    with scratch() as tmp:
        disk = Disk(kind, tmp)
        expect(read_with_nbdkit(disk.path, soname), disk.content(), "nbdkit")
        if "qemu-img" in kind.peers:
            expect(read_with_qemu(disk.path), disk.content(), "qemu-img")


def writes(soname, kind):
    with scratch() as tmp:
        disk = Disk(kind, tmp)
        model = model_of(disk)
        model.may_write = kind.may_write
        write_with_nbdkit(disk.path, soname, model.random_writes(tmp, 40))
        expect(read_with_nbdkit(disk.path, soname), model.content(), "nbdkit")
        all_read(disk.path, model.content(), kind.peers)
        expect_sound(disk.path)


def refuses_to_write(soname, kind):
    """The client is told, the log says why, and the files stay as they are."""
    with scratch() as tmp:
        disk = Disk(kind, tmp)
        before = disk.files()
        with vddk.serve(disk.path, soname=soname, may_complain=True) as server:
            result = run(["qemu-io", "-f", "raw", "-c", "write 0 64k",
                          server.uri])
            text = result.stdout + result.stderr
            if result.code == 0 and b"failed" not in text:
                raise Failed("it was written: %s" % result)
            complaints = server.errors()
        words = kind.refuses["write"]
        if not any(words in complaint for complaint in complaints):
            raise Failed("no word of %r: %s" % (words, complaints))
        equal(disk.files(), before, "files")


def fills_a_stream(soname):
    """Writes and zeroes at random into a stream that is empty."""
    with scratch() as tmp:
        path = os.path.join(tmp, "disk.vmdk")
        model = Model(SIZE, SEED)
        vdisk_img("create", "-q", "-f", "vmdk", "-o",
                  "subformat=streamOptimized", path, SIZE)
        write_with_nbdkit(path, soname, model.random_writes(tmp, 40))
        expect(read_with_nbdkit(path, soname), model.content(), "nbdkit")
        all_read(path, model.content())
        vdisk_img("check", "--profile=esxi-import", path)


def reads_what_qemu_wrote(soname, subformat):
    with scratch() as tmp:
        path = os.path.join(tmp, "disk.vmdk")
        model = Model(SIZE, SEED)
        if subformat == "streamOptimized":
            for _ in model.random_writes(tmp, 25):
                pass
            raw = os.path.join(tmp, "content.raw")
            with open(raw, "wb") as file:
                file.write(model.data)
            qemu_img("convert", "-O", "vmdk", "-o", "subformat=" + subformat,
                     raw, path)
        else:
            qemu_img("create", "-q", "-f", "vmdk", "-o",
                     "subformat=" + subformat, path, SIZE)
            write_with_qemu(path, model.random_writes(tmp, 25))
        expect(read_with_nbdkit(path, soname), model.content(), "nbdkit")


# -- chains --------------------------------------------------------------------

def make_chain(tmp, options, seed):
    """Links that lie over one another, each with writes of its own; their
    paths, and the model of what the top shows."""
    model = Model(SIZE, seed)
    paths = [os.path.join(tmp, "link-%d.vmdk" % number)
             for number in range(len(options))]
    for number, (path, option) in enumerate(zip(paths, options)):
        parent = ["-b", "link-%d.vmdk" % (number - 1), "-F", "vmdk"]
        vdisk_img("create", "-q", "-f", "vmdk", "-o", option,
                  *(parent if number else ()), path,
                  *(() if number else (SIZE,)))
        write_with_vdisk(path, model.random_writes(tmp, 6, longest=3 * GRAIN))
    return paths, model


SPARSE = "subformat=monolithicSparse"
CHAINS = {
    "one child": [SPARSE] * 2,
    "a child over a flat base": ["subformat=monolithicFlat", SPARSE],
    "a split child over a split base": ["subformat=twoGbMaxExtentSparse"] * 2,
    "a child with zeroed grains": [SPARSE, SPARSE + ",zeroed_grain=on"],
    "redo logs of ESXi": ["subformat=vmfs"] + ["subformat=vmfsSparse"] * 3,
    "%d links" % LONG_CHAIN: [SPARSE] * LONG_CHAIN,
}


def content_of(paths):
    found = {}
    for path in paths:
        with open(path, "rb") as file:
            found[path] = file.read()
    return found


def reads_and_writes_a_chain(soname, options):
    """The top changes, the links below do not."""
    with scratch() as tmp:
        paths, model = make_chain(tmp, options, SEED + len(options))
        expect(read_with_nbdkit(paths[-1], soname), model.content(), "nbdkit")
        before = content_of(paths[:-1])
        write_with_nbdkit(paths[-1], soname, model.random_writes(tmp, 25))
        expect(read_with_nbdkit(paths[-1], soname), model.content(), "nbdkit")
        all_read(paths[-1], model.content())
        expect_sound(paths[-1])
        if content_of(paths[:-1]) != before:
            raise Failed("a parent has changed")


def reads_a_chain_over_a_stream(soname):
    with scratch() as tmp:
        model = Model(SIZE, SEED)
        model.write(3 * GRAIN, model.random.randbytes(5 * GRAIN))
        raw = os.path.join(tmp, "base.raw")
        with open(raw, "wb") as file:
            file.write(model.data)
        base, child = (os.path.join(tmp, name)
                       for name in ("base.vmdk", "child.vmdk"))
        vdisk_img("convert", "-f", "raw", "-O", "vmdk", "-o",
                  "subformat=streamOptimized", raw, base)
        vdisk_img("create", "-q", "-f", "vmdk", "-b", "base.vmdk", "-F",
                  "vmdk", child)
        write_with_nbdkit(child, soname, model.random_writes(tmp, 20))
        expect(read_with_nbdkit(child, soname), model.content(), "nbdkit")
        all_read(child, model.content())


def single_link_shows_one_link(soname):
    """What the link has is there; elsewhere nothing shines through."""
    with scratch() as tmp:
        base, child = (os.path.join(tmp, name)
                       for name in ("base.vmdk", "child.vmdk"))
        vdisk_img("create", "-q", "-f", "vmdk", base, SIZE)
        qemu_io(base, "write -P 1 0 10M")
        vdisk_img("create", "-q", "-f", "vmdk", "-b", "base.vmdk", "-F",
                  "vmdk", child)
        qemu_io(child, "write -P 2 2M 1M")
        model = Model(SIZE, 0)
        model.write(2 * MIB, b"\2" * MIB)
        expect(read_with_nbdkit(child, soname, "single-link=true"),
               model.content(), "nbdkit")


def single_link_needs_no_parent(soname):
    with scratch() as tmp:
        base, child = (os.path.join(tmp, name)
                       for name in ("base.vmdk", "child.vmdk"))
        vdisk_img("create", "-q", "-f", "vmdk", base, SIZE)
        vdisk_img("create", "-q", "-f", "vmdk", "-b", "base.vmdk", "-F",
                  "vmdk", child)
        qemu_io(child, "write -P 2 2M 1M")
        os.unlink(base)
        model = Model(SIZE, 0)
        model.write(2 * MIB, b"\2" * MIB)
        expect(read_with_nbdkit(child, soname, "single-link=true"),
               model.content(), "nbdkit")


# -- ways to open --------------------------------------------------------------

def works_with(soname, parameter):
    """The bytes are the same in both directions."""
    with scratch() as tmp:
        disk = Disk(KINDS[0], tmp)
        model = model_of(disk)
        write_with_nbdkit(disk.path, soname, model.random_writes(tmp, 25),
                          parameter)
        expect(read_with_nbdkit(disk.path, soname, parameter),
               model.content(), "nbdkit")
        all_read(disk.path, model.content())
        expect_sound(disk.path)


def large_requests(soname):
    """What CDI asks for at once, up to the largest that a server takes."""
    with scratch() as tmp:
        disk = Disk(KINDS[0], tmp)
        for size in (2 * MIB, 32 * MIB):
            got = read_with_nbdkit(disk.path, soname, copy=(
                "--no-extents", "--request-size=%d" % size))
            expect(got, disk.content(), "nbdkit")
        with vddk.serve(disk.path, soname=soname, options=["-r"]) as server:
            nbdkit.reads(server.uri, "read -q 0 23M", "read -q 1536 23M")


def small_requests(soname):
    """Smaller than sectors: nbdkit's blocksize filter has to make whole ones."""
    with scratch() as tmp:
        disk = Disk(KINDS[0], tmp)
        model = model_of(disk)
        at = 5 * MIB + 100
        with vddk.serve(disk.path, soname=soname,
                        options=["--filter=blocksize"]) as server:
            qemu_io(server.uri, "write -P 9 %d 1000" % at, "write -P 8 0 1",
                    fmt="raw")
        model.write(at, b"\t" * 1000)
        model.write(0, b"\b")
        expect(read_with_nbdkit(disk.path, soname), model.content(), "nbdkit")
        all_read(disk.path, model.content())


def zeroes_are_written(soname):
    """nbdcopy --destination-is-zero leaves holes; write -z makes zeroes."""
    with scratch() as tmp:
        raw, disk = (os.path.join(tmp, name) for name in ("a.raw", "a.vmdk"))
        model = Model(SIZE, SEED)
        model.write(GRAIN, model.random.randbytes(3 * GRAIN))
        with open(raw, "wb") as file:
            file.write(model.data)
        vdisk_img("create", "-q", "-f", "vmdk", disk, SIZE)
        with vddk.serve(disk, soname=soname) as server:
            nbdkit.nbdcopy("--destination-is-zero", "--flush", raw, server.uri)
        if os.path.getsize(disk) > MIB:
            raise Failed("%d bytes for three grains" % os.path.getsize(disk))
        all_read(disk, model.content())
        with vddk.serve(disk, soname=soname) as server:
            qemu_io(server.uri, "write -z %d %d" % (GRAIN, GRAIN),
                    "write -z -u %d 1024" % (3 * GRAIN), fmt="raw")
        model.write(GRAIN, bytes(GRAIN))
        model.write(3 * GRAIN, bytes(1024))
        expect(read_with_nbdkit(disk, soname), model.content(), "nbdkit")
        all_read(disk, model.content())
        expect_sound(disk)


def main():
    for kind in KINDS:
        every = kind.name in ("monolithicSparse", "vmfs")[:1 if SHORT else 2]
        # What is written is read as well.
        if every or not (SHORT and is_writable(kind)):
            for_each_soname(suite, "reads %s" % kind.name, reads, kind,
                            always=every)
        if is_writable(kind):
            for_each_soname(suite, "writes %s" % kind.name, writes, kind,
                            always=every)
        else:
            for_each_soname(suite, "refuses to write %s" % kind.name,
                            refuses_to_write, kind)
    for_each_soname(suite, "fills an empty streamOptimized disk",
                    fills_a_stream)
    for subformat in HOSTED:
        for_each_soname(suite, "reads what qemu wrote: %s" % subformat,
                        reads_what_qemu_wrote, subformat)
    for name, options in CHAINS.items():
        for_each_soname(suite, "reads and writes %s" % name,
                        reads_and_writes_a_chain, options,
                        always=name == "one child")
    for name, func in (
            ("reads and writes a chain over a stream",
             reads_a_chain_over_a_stream),
            ("single-link=true shows one link", single_link_shows_one_link),
            ("single-link=true needs no parent", single_link_needs_no_parent),
            ("reads with large requests", large_requests),
            ("writes with small requests", small_requests),
            ("zeroes are written, holes stay holes", zeroes_are_written)):
        for_each_soname(suite, name, func)
    for parameter in ("unbuffered=true", "compression=zlib",
                      "compression=skipz", "transports=file"):
        for_each_soname(suite, "works with %s" % parameter, works_with,
                        parameter)
    suite.run()


assert DISK_SIZE % GRAIN  # the tail is no whole grain
main()
