#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""test-nbdkit-errors - what is wrong with a disk is said, by name, in the log
of nbdkit's vddk plugin, and nothing is changed; what only looks wrong works."""
import glob
import os
import stat

from vddk_cases import (GRAIN, MIB, SECTOR, Failed, equal, fails_with,
                        for_each_soname, read_with_nbdkit, vddk)

import nbdkit
from holder import Holder, qemu_holds, we_hold
from model import Model
from readers import expect
from tap import Suite
from tools import need, qemu_io, scratch, vdisk_img

SIZE = 4 * MIB

suite = Suite()


def make(tmp, options="subformat=monolithicSparse", name="disk.vmdk"):
    path = os.path.join(tmp, name)
    vdisk_img("create", "-q", "-f", "vmdk", "-o", options, path, SIZE)
    qemu_io(path, "write -P 6 1M 128k")
    return path


def content_of(directory):
    """Of the disks; others' locks come and go."""
    found = {}
    for path in sorted(glob.glob(directory + "/*.vmdk")):
        with open(path, "rb") as file:
            found[path] = file.read()
    return found


def refuses(soname, words, path, *parameters, **kwargs):
    """It fails with these words and changes no file."""
    before = content_of(os.path.dirname(path))
    fails_with(["VixDiskLib_", *words], path, *parameters, soname=soname,
               **kwargs)
    equal(content_of(os.path.dirname(path)), before, "files")


def both_ways(soname, words, path):
    refuses(soname, words, path)
    refuses(soname, words, path, options=["-r"])


# -- files that are not as they should be --------------------------------------

def missing(soname):
    with scratch() as tmp:
        both_ways(soname, ["no-such.vmdk", "not found"],
                  os.path.join(tmp, "no-such.vmdk"))


def directory(soname):
    with scratch() as tmp:
        path = os.path.join(tmp, "folder.vmdk")
        os.mkdir(path)
        fails_with(["VixDiskLib_Open: ", "folder.vmdk"], path, soname=soname)


def no_disk(soname):
    with scratch() as tmp:
        path = os.path.join(tmp, "letter.vmdk")
        for content in (b"Dear Sir or Madam\n" * 100, b"", os.urandom(70000)):
            with open(path, "wb") as file:
                file.write(content)
            both_ways(soname, ["letter.vmdk"], path)


def damaged_header(soname):
    with scratch() as tmp:
        path = make(tmp)
        with open(path, "r+b") as file:
            file.seek(56)
            file.write(b"\xff" * 7 + b"\x7f")
        both_ways(soname, ["disk.vmdk"], path)


def missing_extent(soname):
    with scratch() as tmp:
        path = make(tmp, "subformat=twoGbMaxExtentSparse")
        os.unlink(os.path.join(tmp, "disk-s001.vmdk"))
        both_ways(soname, ["disk-s001.vmdk"], path)


def extent_elsewhere(soname):
    """A descriptor may not name files outside of its directory."""
    with scratch() as tmp:
        path = make(tmp, "subformat=monolithicFlat")
        with open(path, encoding="utf-8") as file:
            text = file.read()
        with open(path, "w", encoding="utf-8") as file:
            file.write(text.replace("disk-flat.vmdk", "/etc/passwd"))
        both_ways(soname, ["/etc/passwd"], path)


def missing_parent(soname):
    with scratch() as tmp:
        make(tmp, name="base.vmdk")
        child = os.path.join(tmp, "child.vmdk")
        vdisk_img("create", "-q", "-f", "vmdk", "-b", "base.vmdk", "-F",
                  "vmdk", child)
        os.unlink(os.path.join(tmp, "base.vmdk"))
        both_ways(soname, ["base.vmdk"], child)


def changed_parent(soname):
    """Written to behind its child's back: the content ids differ."""
    with scratch() as tmp:
        base = make(tmp, name="base.vmdk")
        child = os.path.join(tmp, "child.vmdk")
        vdisk_img("create", "-q", "-f", "vmdk", "-b", "base.vmdk", "-F",
                  "vmdk", child)
        with open(base, "r+b") as file:
            text = file.read(8192)
            at = text.index(b"CID=") + 4
            file.seek(at)
            file.write(b"0badc0de")
        both_ways(soname, ["child.vmdk", "base.vmdk"], child)


def damaged_table(soname):
    """Found when it is read: the client gets an error for that place only."""
    with scratch() as tmp:
        path = make(tmp)
        qemu_io(path, "write -P 7 2M 64k")
        poke_entry(path, 2 * MIB // GRAIN)
        with vddk.serve(path, soname=soname, options=["-r"],
                        may_complain=True) as server:
            nbdkit.reads(server.uri, "read -P 6 1M 128k")
            try:
                nbdkit.reads(server.uri, "read 2M 64k")
            except Failed:
                pass
            else:
                raise Failed("a grain that is nowhere was read")
            complaints = server.errors()
        if not any("VixDiskLib_ReadAsync" in complaint
                   for complaint in complaints):
            raise Failed("no word of the read: %s" % complaints)
        if not any("disk.vmdk" in complaint for complaint in complaints):
            raise Failed("no word of the file: %s" % complaints)


def poke_entry(path, number):
    """Both tables' entry @number names a place far behind the file's end."""
    with open(path, "r+b") as file:
        for field in (48, 56):  # redundant and primary directory
            file.seek(field)
            directory_at = int.from_bytes(file.read(8), "little") * SECTOR
            file.seek(directory_at)
            table_at = int.from_bytes(file.read(4), "little") * SECTOR
            file.seek(table_at + 4 * number)
            file.write((0x7ffffff0).to_bytes(4, "little"))


# -- disks in use --------------------------------------------------------------

def held_by_qemu(soname):
    with scratch() as tmp:
        path = make(tmp)
        with qemu_holds(path, "vmdk"):
            both_ways(soname, ["disk.vmdk", "ocked"], path)
        with qemu_holds(path, "vmdk", "-r"):
            refuses(soname, ["disk.vmdk", "ocked"], path)
            read_with_nbdkit(path, soname)


def held_by_vdisk(soname):
    with scratch() as tmp:
        path = make(tmp, "subformat=monolithicFlat")
        with we_hold(path, "vmdk"):
            both_ways(soname, ["disk", "ocked"], path)
        read_with_nbdkit(path, soname)


def held_by_another_server(soname):
    """Two processes of the library: one writes, the other may not open."""
    with scratch() as tmp:
        path = make(tmp)
        with vddk.serve(path, soname=soname) as server:
            with Holder([need("qemu-io"), "-f", "raw", server.uri],
                        b"read 512/512", b"read 0 512\n"):
                both_ways(soname, ["disk.vmdk", "ocked"], path)
        read_with_nbdkit(path, soname)


def many_readers(soname):
    with scratch() as tmp:
        path = make(tmp)
        with vddk.serve(path, soname=soname, options=["-r"]) as server:
            with Holder([need("qemu-io"), "-r", "-f", "raw", server.uri],
                        b"read 512/512", b"read 0 512\n"):
                read_with_nbdkit(path, soname)
                refuses(soname, ["disk.vmdk", "ocked"], path)


# -- what one may not write ----------------------------------------------------

def set_mode(path, directory_mode, file_mode):
    os.chmod(path, file_mode)
    os.chmod(os.path.dirname(path), directory_mode)


def read_only_directory(soname):
    """Reading leaves no trace and needs none; writing needs to lock."""
    with scratch() as tmp:
        path = make(tmp)
        model = Model(SIZE, 0)
        model.write(MIB, b"\6" * (128 << 10))
        set_mode(path, 0o555, 0o444)
        try:
            with vddk.serve(path, soname=soname, options=["-r"],
                            obey_permissions=True) as server:
                nbdkit.nbdcopy(server.uri, "null:")
                nbdkit.reads(server.uri, "read -P 6 1M 128k")
            refuses(soname, ["disk.vmdk"], path, obey_permissions=True)
            os.chmod(path, 0o666)
            refuses(soname, ["disk.vmdk"], path, obey_permissions=True)
            equal(os.listdir(tmp), ["disk.vmdk"], "files")
        finally:
            set_mode(path, 0o755, 0o644)
        expect(read_with_nbdkit(path, soname), model.content(), "nbdkit")


def read_only_file(soname):
    with scratch() as tmp:
        path = make(tmp)
        os.chmod(path, 0o444)
        refuses(soname, ["disk.vmdk"], path, obey_permissions=True)
        with vddk.serve(path, soname=soname, options=["-r"],
                        obey_permissions=True) as server:
            nbdkit.reads(server.uri, "read -P 6 1M 128k")


def read_only_server(soname):
    """With -r no client may write, and nothing has been touched."""
    with scratch() as tmp:
        path = make(tmp)
        before = content_of(tmp), os.stat(path)[stat.ST_MTIME]
        with vddk.serve(path, soname=soname, options=["-r"]) as server:
            if not nbdkit.export_of(server.uri)["is_read_only"]:
                raise Failed("writing is offered")
            nbdkit.nbdcopy(server.uri, "null:")
        equal((content_of(tmp), os.stat(path)[stat.ST_MTIME]), before, "file")
        equal(os.listdir(tmp), ["disk.vmdk"], "files")


for title, case in (
        ("no such file", missing),
        ("a directory", directory),
        ("a file that is no disk", no_disk),
        ("a damaged header", damaged_header),
        ("a missing extent", missing_extent),
        ("an extent in another directory", extent_elsewhere),
        ("a missing parent", missing_parent),
        ("a parent that was changed", changed_parent),
        ("a damaged table", damaged_table),
        ("held by QEMU", held_by_qemu),
        ("held by another program of libvdisk", held_by_vdisk),
        ("held by another server", held_by_another_server),
        ("several readers", many_readers),
        ("a read-only directory", read_only_directory),
        ("a read-only file", read_only_file),
        ("a read-only server", read_only_server)):
    for_each_soname(suite, title, case, always=case in (
        missing, held_by_qemu, read_only_directory))
suite.run()
