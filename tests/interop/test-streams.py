#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""test-streams - streamOptimized: records go over as they are, and the bytes do
not depend on workers or engine.
"""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../support"))

import streams  # noqa: E402
from model import Model  # noqa: E402
from readers import (expect, read_with_libvmdk, read_with_qemu,  # noqa: E402
                     read_with_vdisk)
from tap import Suite  # noqa: E402
from tools import (Failed, qemu_img, scratch, vdisk_img,  # noqa: E402
                   vdisk_img_fails,
                   working_engines, write_with_vdisk)

# No whole number of grains, and more than one grain table (32 MiB).
SIZE = (40 << 20) + 5 * 512
WRITES = 60
STREAM = ["-O", "vmdk", "-o", "subformat=streamOptimized"]

suite = Suite()


def make_raw(tmp, seed=5, size=SIZE):
    """A raw file with random stretches; its path and what it holds."""
    model = Model(size, seed)
    list(model.random_writes(tmp, WRITES))
    # Something that compresses, else levels do not show.
    text = b"".join(b"line %d of a text\n" % i for i in range(20000))
    model.write(7 << 20, text)
    path = os.path.join(tmp, "source.raw")
    with open(path, "wb") as file:
        file.write(model.data)
    return path, model.content()


def assert_same_records(source, target):
    a, b = streams.load(source), streams.load(target)
    expect(sorted(b.order), b.order, "order of " + target)
    expect(b.records, a.records, "records of " + target)


def assert_good(image, wanted):
    vdisk_img("check", "-q", "--profile=esxi-import", image)
    expect(read_with_vdisk(image), wanted, "vdisk-img")
    expect(read_with_qemu(image), wanted, "qemu-img")
    expect(read_with_libvmdk(image), wanted, "libvmdk")


def records_stay(engine, *qemu_options):
    """What qemu-img compressed, at its own level, arrives bit by bit."""
    with scratch() as tmp:
        raw, wanted = make_raw(tmp)
        source = os.path.join(tmp, "q.vmdk")
        target = os.path.join(tmp, "t.vmdk")
        qemu_img("convert", "-f", "raw", *qemu_options, *STREAM, raw, source)
        vdisk_img("convert", *STREAM, source, target, engine=engine)
        assert_same_records(source, target)
        assert_good(target, wanted)


def level_recodes():
    with scratch() as tmp:
        raw, wanted = make_raw(tmp)
        source = os.path.join(tmp, "q.vmdk")
        target = os.path.join(tmp, "t.vmdk")
        anew = os.path.join(tmp, "anew.vmdk")
        qemu_img("convert", "-f", "raw", *STREAM, raw, source)
        ids = ",content_id=12345678"
        options = STREAM[:-1] + [STREAM[-1] + ids]
        vdisk_img("convert", *options, "--compress-level=9", source, target)
        vdisk_img("convert", *options, "--compress-level=9", raw, anew)
        a, b = streams.load(anew), streams.load(target)
        expect(b.records, a.records, "records at level 9")
        if b.records == streams.load(source).records:
            raise Failed("the records were not recoded")
        assert_good(target, wanted)


def partly_covered_records():
    """A child over a stream: what it covers is encoded, the rest stays."""
    with scratch() as tmp:
        raw, _ = make_raw(tmp)
        base = os.path.join(tmp, "base.vmdk")
        child = os.path.join(tmp, "child.vmdk")
        target = os.path.join(tmp, "t.vmdk")
        model = Model(SIZE, 9)
        with open(raw, "rb") as file:
            model.write(0, file.read())
        qemu_img("convert", "-f", "raw", *STREAM, raw, base)
        vdisk_img("create", "-f", "vmdk", "-b", base, "-F", "vmdk", child)
        write_with_vdisk(child, model.random_writes(tmp, 5))
        vdisk_img("convert", *STREAM, child, target)
        a, b = streams.load(base), streams.load(target)
        same = [off for off in b.records
                if b.records[off] == a.records.get(off)]
        if not 0 < len(same) < len(b.records):
            raise Failed("%d of %d records stayed" % (len(same),
                                                      len(b.records)))
        assert_good(target, model.content())


def damaged_record_is_refused():
    with scratch() as tmp:
        raw, _ = make_raw(tmp)
        source = os.path.join(tmp, "s.vmdk")
        target = os.path.join(tmp, "t.vmdk")
        vdisk_img("convert", *STREAM, raw, source)
        with open(source, "r+b") as file:
            data = bytearray(file.read())
            at = streams.Stream(data).overhead * 512
            data[at] ^= 128  # place in the disk
            file.seek(0)
            file.write(data)
        text = vdisk_img_fails("convert", *STREAM, source, target)
        if "where the table has that of sector" not in text:
            raise Failed(text)
        if os.path.exists(target):
            raise Failed("left a target behind")


def bytes_are_the_same():
    """1, 2, 4 and 8 workers, every engine: one file."""
    with scratch() as tmp:
        raw, wanted = make_raw(tmp, seed=11)
        options = STREAM[:-1] + [STREAM[-1] + ",content_id=12345678"]
        target = os.path.join(tmp, "t.vmdk")
        first = None
        for engine in working_engines():
            for workers in (1, 2, 4, 8):
                vdisk_img("convert", "--workers=%d" % workers, *options, raw,
                          target, engine=engine)
                with open(target, "rb") as file:
                    data = file.read()
                first = first or data
                if data != first:
                    raise Failed("%d workers, %s: other bytes" % (workers,
                                                                  engine))
        assert_good(target, wanted)


def main():
    for engine in working_engines():
        suite.add("qemu-img's records stay as they are (%s)" % engine,
                  records_stay, engine)
    suite.add("records out of order stay, and get in order", records_stay,
              None, "-m", "8", "-W")
    suite.add("a level recodes", level_recodes)
    suite.add("what a child covers is encoded", partly_covered_records)
    suite.add("a record of another place is refused",
              damaged_record_is_refused)
    suite.add("workers and engines do not change a byte", bytes_are_the_same)
    suite.run()


main()
