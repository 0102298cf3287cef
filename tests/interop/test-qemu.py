#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""test-qemu - images go both ways between vdisk-img, qemu-img and libvmdk.

What QEMU has made and written, single or as a chain, reads here as it does
there; what we have made and written passes "qemu-img check" and reads the same
in QEMU and in libvmdk.  Contents are random by seed and kept in a model.
"""
import atexit
import functools
import json
import os
import shutil
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../support"))

from model import Model  # noqa: E402
from readers import (expect, read_with_libvmdk, read_with_qemu,  # noqa: E402
                     read_with_vdisk)
from tap import Suite, skip_all  # noqa: E402
from tools import (DISK_IO, KINDS, SHORT, VDISK_IMG,  # noqa: E402
                   VMFS_KINDS, Failed, qemu_img, run, scratch, vdisk_img, working_engines,
                   write_with_qemu, write_with_vdisk)

WRITABLE = [kind for kind in KINDS if kind != "streamOptimized"]
# What qemu-img reads, and writes to, but does not make.
OURS_ONLY = [*VMFS_KINDS, "vmfsSparse"]
# No whole number of 64 KiB grains, and more than one grain table (32 MiB).
SIZE = (40 << 20) + 5 * 512
WRITES = 30 if SHORT else 60
LONG_CHAIN = 12 if SHORT else 30  # two programs a link

suite = Suite()


def path_in(tmp, name):
    return os.path.join(tmp, name)


def reads_qemus_image(kind, options, seed):
    with scratch() as tmp:
        image = path_in(tmp, "q.vmdk")
        model = Model(SIZE, seed)
        qemu_img("create", "-f", "vmdk", "-o",
                 ",".join(["subformat=" + kind] + options), image, SIZE)
        write_with_qemu(image, model.random_writes(tmp, WRITES))
        expect(read_with_qemu(image), model.content(), "qemu-img")
        engines = working_engines()
        for engine in engines[seed % len(engines):][:1] if SHORT else engines:
            expect(read_with_vdisk(image, engine), model.content(), engine)


def reads_qemus_stream():
    with scratch() as tmp:
        raw, image = path_in(tmp, "q.raw"), path_in(tmp, "q.vmdk")
        model = Model(SIZE, 5)
        list(model.random_writes(tmp, WRITES))
        model.save(raw)
        qemu_img("convert", "-f", "raw", "-O", "vmdk", "-o",
                 "subformat=streamOptimized", raw, image)
        expect(read_with_vdisk(image), model.content(), "vdisk-img")


def reads_qemus_chain(links):
    with scratch() as tmp:
        model, parent = None, None
        for link in range(links):
            model = Model(SIZE, 100 + link, model)
            image = path_in(tmp, "link%d.vmdk" % link)
            backing = ["-b", parent, "-F", "vmdk"] if parent else []
            size = [] if parent else [SIZE]
            qemu_img("create", "-f", "vmdk", *backing, image, *size)
            write_with_qemu(image, model.random_writes(tmp, 8))
            parent = image
        expect(read_with_qemu(parent), model.content(), "qemu-img")
        expect(read_with_vdisk(parent), model.content(), "vdisk-img")


def assert_sound(image):
    """No damage, says each of them; grains that were zeroed may be leaks."""
    qemu_img("check", "-f", "vmdk", image)
    result = run([VDISK_IMG, "check", "-f", "vmdk", image])
    if result.code not in (0, 3):
        raise Failed(str(result))


def qemu_reads_ours(kind, seed):
    with scratch() as tmp:
        image = path_in(tmp, "v.vmdk")
        model = Model(SIZE, seed)
        vdisk_img("create", "-f", "vmdk", "-o", "subformat=" + kind, image,
                  SIZE)
        write_with_vdisk(image, model.random_writes(tmp, WRITES), "flush")
        assert_sound(image)
        expect(read_with_vdisk(image), model.content(), "vdisk-img")
        expect(read_with_qemu(image), model.content(), "qemu-img")
        expect(read_with_libvmdk(image), model.content(), "libvmdk")


def to_sesparse(source, image, *options):
    vdisk_img("convert", "-q", "-O", "vmdk", "-o", "subformat=seSparse",
              *options, source, image)


def qemu_reads_our_sesparse(seed):
    with scratch() as tmp:
        raw, image = path_in(tmp, "s.raw"), path_in(tmp, "s.vmdk")
        model = Model(SIZE, seed)
        list(model.random_writes(tmp, WRITES))
        model.save(raw)
        to_sesparse(raw, image, "-f", "raw")
        assert_sound(image)
        expect(read_with_vdisk(image), model.content(), "vdisk-img")
        expect(read_with_qemu(image), model.content(), "qemu-img")


def qemu_reads_our_sesparse_chain(links, seed):
    """Over a vmfs disk, as ESXi makes them; zeroes above data are told."""
    with scratch() as tmp:
        model = Model(SIZE, seed)
        top = path_in(tmp, "base.vmdk")
        vdisk_img("create", "-q", "-f", "vmdk", "-o", "subformat=vmfs", top,
                  SIZE)
        write_with_vdisk(top, model.random_writes(tmp, WRITES))
        for link in range(links):
            overlay, image = (path_in(tmp, "%s%d.vmdk" % (kind, link))
                              for kind in ("overlay", "link"))
            model = Model(SIZE, seed + 1 + link, model)
            vdisk_img("create", "-q", "-f", "vmdk", "-b", top, "-F", "vmdk",
                      "-o", "grain_size=4k", overlay)
            write_with_vdisk(overlay, model.random_writes(tmp, 10))
            to_sesparse(overlay, image, "-B", top, "-F", "vmdk")
            size = os.path.getsize(path_in(tmp, "link%d-sesparse.vmdk" % link))
            if size > (6 << 20) + 10 * ((300 << 10) + 8192):
                raise Failed("%d bytes are more than what differs" % size)
            top = image
        expect(read_with_vdisk(top), model.content(), "vdisk-img")
        expect(read_with_qemu(top), model.content(), "qemu-img")


def qemu_reads_pieces_of_our_redo_log():
    """Across grains, tables, and what only the parent has."""
    with scratch() as tmp:
        top, model = our_chain(tmp, 2, 20, ("vmfs", "vmfsSparse"))
        raw = path_in(tmp, "wanted.raw")
        model.save(raw)
        qemu_img("compare", "-f", "raw", "-F", "vmdk", raw, top)
        for table in range(1, SIZE // (2 << 20), 4 if SHORT else 1):
            offset = table * (2 << 20) - 1536
            piece = path_in(tmp, "piece.raw")
            qemu_img("dd", "-f", "vmdk", "-O", "raw", "bs=512", "count=%d"
                     % (offset // 512 + 6), "skip=%d" % (offset // 512),
                     "if=" + top, "of=" + piece)
            with open(piece, "rb") as file:
                if file.read() != model.data[offset:offset + 3072]:
                    raise Failed("qemu-img dd reads other bytes at %d" % offset)


def goes_on_where_qemu_stopped(kind, seed):
    """Both write to the same image in turn."""
    with scratch() as tmp:
        image = path_in(tmp, "t.vmdk")
        model = Model(SIZE, seed)
        qemu_img("create", "-f", "vmdk", "-o", "subformat=" + kind, image, SIZE)
        for write in (write_with_qemu, write_with_vdisk, write_with_qemu,
                      write_with_vdisk):
            write(image, model.random_writes(tmp, 15))
        assert_sound(image)
        expect(read_with_qemu(image), model.content(), "qemu-img")
        expect(read_with_vdisk(image), model.content(), "vdisk-img")


def our_chain(tmp, links, writes, kinds=("monolithicSparse",)):
    """A chain made and written by us: (top image, model of it).  Links are of
    these @kinds from the base on, the rest of the last one."""
    model, parent = None, None
    for link in range(links):
        model = Model(SIZE, 200 + link, model)
        image = path_in(tmp, "ours%d.vmdk" % link)
        backing = ["-b", parent, "-F", "vmdk"] if parent else []
        size = [] if parent else [SIZE]
        kind = "subformat=" + kinds[min(link, len(kinds) - 1)]
        vdisk_img("create", "-q", "-f", "vmdk", "-o", kind, *backing, image,
                  *size)
        write_with_vdisk(image, model.random_writes(tmp, writes))
        parent = image
    return parent, model


@functools.cache
def kept_chain(links, *kinds):
    """One that is only read."""
    directory = tempfile.mkdtemp(prefix="vdisk-test-chain-")
    atexit.register(shutil.rmtree, directory, True)
    return our_chain(directory, links, 8, *kinds)


def qemu_reads_our_chain(links, *kinds):
    top, model = kept_chain(links, *kinds)
    assert_sound(top)
    expect(read_with_qemu(top), model.content(), "qemu-img")
    expect(read_with_vdisk(top), model.content(), "vdisk-img")


def leaf_reads(image, *words):
    """(requests, bytes) that reached the files while doing @words."""
    result = run([DISK_IO, "-r", image, *map(str, words), "stats"])
    if result.code:
        raise Failed(str(result))
    words = result.stderr.split()
    return int(words[3]), int(words[5])


def chain_reads_a_run_once(links):
    """However deep, a read costs one device read per run: asking the same
    again, with the tables cached, reads each byte once and no more."""
    top, _ = kept_chain(links)
    for step in range(4 if SHORT else 20):
        offset = step * 1999999 % (SIZE - 4096) // 4096 * 4096
        read = ("read", offset, 4096)
        once, twice = leaf_reads(top, *read), leaf_reads(top, *read, *read)
        requests, count = twice[0] - once[0], twice[1] - once[1]
        if requests > 1 or count > 4096:
            raise Failed("4096 bytes at %d: %d reads of %d bytes"
                         % (offset, requests, count))


def rebased_by_convert():
    """qemu's overlay copied over ours keeps only what the overlay has."""
    with scratch() as tmp:
        base, top = path_in(tmp, "b.vmdk"), path_in(tmp, "t.vmdk")
        copy = path_in(tmp, "c.vmdk")
        model = Model(SIZE, 300)
        vdisk_img("create", "-q", "-f", "vmdk", base, SIZE)
        write_with_vdisk(base, model.random_writes(tmp, 20))
        model = Model(SIZE, 301, model)
        vdisk_img("create", "-q", "-f", "vmdk", "-b", base, "-F", "vmdk", top)
        write_with_vdisk(top, model.random_writes(tmp, 5))
        vdisk_img("convert", "-O", "vmdk", "-B", base, "-F", "vmdk", top, copy)
        expect(read_with_qemu(copy), model.content(), "qemu-img")
        if os.path.getsize(copy) > os.path.getsize(base):
            raise Failed("the copy holds more than the overlay's data")


def agrees_on_info(kind):
    """What scripts read from info is what qemu-img says."""
    with scratch() as tmp:
        image = path_in(tmp, "i.vmdk")
        vdisk_img("create", "-q", "-f", "vmdk", "-o", "subformat=" + kind,
                  image, SIZE)
        ours = json.loads(vdisk_img("info", "--output=json", image))
        theirs = json.loads(qemu_img("info", "--output=json", image))
        for key in ("virtual-size", "format", "cluster-size", "filename",
                    "dirty-flag"):
            if ours.get(key) != theirs.get(key):
                raise Failed("%s: %s, qemu-img says %s"
                             % (key, ours.get(key), theirs.get(key)))
        for key in ("cid", "parent-cid", "create-type"):
            mine = ours["format-specific"]["data"][key]
            other = theirs["format-specific"]["data"][key]
            if mine != other:
                raise Failed("%s: %s, qemu-img says %s" % (key, mine, other))


def main():
    for tool in ("qemu-img", "qemu-io"):
        if not shutil.which(tool):
            skip_all(tool + " is not installed")

    for seed, kind in enumerate(WRITABLE):
        suite.add("reads what qemu wrote: " + kind,
                  reads_qemus_image, kind, [], seed)
        suite.add("qemu and libvmdk read what we wrote: " + kind,
                  qemu_reads_ours, kind, 20 + seed)
        suite.add("both write in turn: " + kind,
                  goes_on_where_qemu_stopped, kind, 40 + seed)
    for seed, kind in enumerate(OURS_ONLY):
        suite.add("qemu and libvmdk read what we wrote: " + kind,
                  qemu_reads_ours, kind, 80 + seed)
    suite.add("qemu reads our seSparse", qemu_reads_our_sesparse, 90)
    for links in (1, 2 if SHORT else 4):
        suite.add("qemu reads %d of our seSparse links over vmfs" % links,
                  qemu_reads_our_sesparse_chain, links, 91)
    for seed, option in enumerate(("zeroed_grain=on", "adapter_type=lsilogic",
                                   "compat6=on", "hwversion=17")):
        suite.add("reads what qemu wrote with " + option, reads_qemus_image,
                  "monolithicSparse", [option], 60 + seed)
    suite.add("reads qemu's streamOptimized", reads_qemus_stream)
    for links in (2, 5) if SHORT else (2, 5, 30):
        suite.add("reads qemu's chain of %d links" % links,
                  reads_qemus_chain, links)
    for links in (2, 5, LONG_CHAIN):
        suite.add("qemu reads our chain of %d links" % links,
                  qemu_reads_our_chain, links)
    for links in (2, 5):
        suite.add("qemu reads %d of our redo logs over vmfs" % (links - 1),
                  qemu_reads_our_chain, links, ("vmfs", "vmfsSparse"))
    suite.add("qemu reads a redo log between hosted links",
              qemu_reads_our_chain, 4,
              ("monolithicSparse", "vmfsSparse", "twoGbMaxExtentSparse"))
    suite.add("qemu reads pieces of our redo log",
              qemu_reads_pieces_of_our_redo_log)
    suite.add("a chain of %d links reads a run once" % LONG_CHAIN,
              chain_reads_a_run_once, LONG_CHAIN)
    suite.add("convert -B leaves the parent's data out", rebased_by_convert)
    for kind in (*KINDS, *OURS_ONLY, "seSparse"):
        suite.add("info agrees with qemu-img: " + kind, agrees_on_info, kind)
    suite.run()


main()
