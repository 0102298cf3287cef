#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""test-repair-stream - "repair --stream" turns every streamOptimized file that
qemu-img makes into one that importers take, whatever its shape; cut and damaged
files become what can be had of them, or stay as they were.
"""
import json
import os
import shutil
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../support"))

import streams  # noqa: E402
from digest import raw_nz64k  # noqa: E402
from model import Model  # noqa: E402
from readers import (expect, read_with_libvmdk, read_with_qemu,  # noqa: E402
                     read_with_vdisk)
from tap import Suite  # noqa: E402
from tools import (SHORT, VDISK_IMG, Failed, qemu_img, run,  # noqa: E402
                   scratch, vdisk_img, vdisk_img_fails, working_engines)

MIB = 1 << 20
STREAM = ["-O", "vmdk", "-o", "subformat=streamOptimized"]
TEXT = b"".join(b"a line, %d of them\n" % i for i in range(9000))

suite = Suite()


def incompressible(seed, size):
    model = Model(size, seed)
    return model.random.randbytes(size)


# name -> (size, [(offset, bytes)])
SHAPES = {
    "empty disk": (10 * MIB, []),
    "one grain": (10 * MIB, [(3 * MIB, TEXT[:60000])]),
    "last partial grain": (10 * MIB + 11 * 512, [(10 * MIB, TEXT[:5632])]),
    "10 MiB": (10 * MIB, [(0, TEXT), (5 * MIB, incompressible(3, MIB)),
                          (9 * MIB, TEXT)]),
    "over 2 GiB with holes": (2100 * MIB, [(0, TEXT), (2047 * MIB, TEXT),
                                           (2099 * MIB, TEXT)]),
    "incompressible": (4 * MIB, [(0, incompressible(4, 4 * MIB))]),
    "all zero": (64 * MIB, [(0, bytes(64 * MIB))]),
    "smaller than a grain": (5 * 512, [(0, TEXT[:2560])]),
}
HOW = {
    "plain": ([], ""),
    "out of order": (["-m", "8", "-W"], ""),
    "lsilogic": ([], ",adapter_type=lsilogic"),
    "compat6": ([], ",compat6"),
}


def make_raw(tmp, shape):
    size, writes = SHAPES[shape]
    path = os.path.join(tmp, "source.raw")
    with open(path, "wb") as file:
        file.truncate(size)
        for offset, data in writes:
            file.seek(offset)
            file.write(data)
    return path


def make_qemus(tmp, shape, how):
    """What qemu-img makes of the shape; its content."""
    raw = make_raw(tmp, shape)
    image = os.path.join(tmp, "image.vmdk")
    options, more = HOW[how]
    qemu_img("convert", "-f", "raw", *options, *STREAM[:-1],
             STREAM[-1] + more, raw, image)
    return image, raw, raw_nz64k(raw)


def lint(image):
    return run([VDISK_IMG, "check", "-q", "--profile=esxi-import", image]).code


def repair(image, code=0, engine=None):
    env = {"VDISK_ENGINE": engine} if engine else None
    result = run([VDISK_IMG, "repair", "--stream", "--output=json", image],
                 env=env)
    if result.code != code:
        raise Failed("wanted exit %d: %s" % (code, result))
    return json.loads(result.stdout)


def assert_good(image, wanted):
    vdisk_img("check", "-q", "--profile=esxi-import", image)
    expect(read_with_vdisk(image), wanted, "vdisk-img")
    expect(read_with_qemu(image), wanted, "qemu-img")
    expect(read_with_libvmdk(image), wanted, "libvmdk")
    expect(os.listdir(os.path.dirname(image)).count("image.vmdk"), 1, "names")


def qemus_file_passes(shape, how):
    with scratch() as tmp:
        image, raw, wanted = make_qemus(tmp, shape, how)
        expect(lint(image), 2, "lint before")
        before = streams.load(image)
        expect(repair(image)["changed"], True, "changed")
        after = streams.load(image)
        expect(after.records, before.records, "records")
        expect(after.order, sorted(after.order), "order")
        assert_good(image, wanted)
        qemu_img("compare", "-f", "vmdk", "-F", "raw", image, raw)
        expect(sorted(os.listdir(tmp)), ["image.vmdk", "source.raw"], "files")
        # Once more does nothing.
        expect(repair(image)["changed"], False, "changed again")


def changed_file(damage, rewritten, shape="10 MiB", code=0, engine=None):
    """A good file of ours, damaged, comes back."""
    with scratch() as tmp:
        image = os.path.join(tmp, "image.vmdk")
        raw = make_raw(tmp, shape)
        vdisk_img("convert", *STREAM, raw, image)
        with open(image, "rb") as file:
            data = bytearray(file.read())
        good = bytes(data)
        data = damage(data)
        with open(image, "wb") as file:
            file.write(data)
        if lint(image) == 0:
            raise Failed("the damage is none")
        read = os.path.join(tmp, "read.raw")
        vdisk_img("convert", "--image-opts", "-O", "raw",
                  "driver=vmdk,recover=on,file.filename=" + image, read,
                  engine=engine)
        expect(raw_nz64k(read), raw_nz64k(raw), "recover=on")
        expect(repair(image, code, engine)["rewritten"], rewritten,
               "rewritten")
        assert_good(image, raw_nz64k(raw))
        return good


def version_1(data):
    data[4] = 1
    return data


def no_end(data):
    return data[:-512]


def zero_tail(data):
    return data + bytes(3 * 512 + 7)


def data_tail(data):
    return data + b"x" * 1000


def unclean(data):
    data[72] = 1
    return data


def dirty_padding(data):
    at = streams.Stream(data).overhead * 512
    size = int.from_bytes(data[at + 8:at + 12], "little")
    data[at + 12 + size] = 1
    return data


def unfinished(data):
    """As our writer leaves it when it is killed: no tables, no good header.
    Whether all grains are there nobody knows: exit 3."""
    stream = streams.Stream(data)
    data[:4] = b"kdmv"
    first = stream.gd * 512
    data[first:stream.overhead * 512] = bytes(stream.overhead * 512 - first)
    return data


def cut_stream(keep):
    """A stream with its directory at the end loses that: what is in front of
    the cut is there afterwards."""
    with scratch() as tmp:
        image = os.path.join(tmp, "image.vmdk")
        raw = make_raw(tmp, "10 MiB")
        vdisk_img("convert", *STREAM, raw, image)
        with open(image, "rb") as file:
            data = bytearray(file.read())
        stream = streams.Stream(data)
        data[56:64] = b"\xff" * 8
        cut = stream.overhead * 512 + (len(data) - stream.overhead * 512) // keep
        with open(image, "wb") as file:
            file.write(data[:cut])
        kept = streams.load(image)
        whole = [off for off in kept.order
                 if kept.records[off] == stream.records[off]]
        vdisk_img_fails("info", image)
        # Without repairing, by its records.
        read = os.path.join(tmp, "read.raw")
        vdisk_img("convert", "--image-opts", "-O", "raw",
                  "driver=vmdk,recover=on,file.filename=" + image, read)

        answer = repair(image, code=3)
        expect((answer["cut"], answer["grains"]), (True, len(whole)), "grains")
        expect(answer["data-end"], whole[-1] + 65536, "data-end")
        with open(raw, "r+b") as file:
            file.seek(whole[-1] + 65536)
            rest = os.path.getsize(raw) - file.tell()
            file.write(bytes(rest))
        assert_good(image, raw_nz64k(raw))
        expect(raw_nz64k(read), raw_nz64k(raw), "recover=on")


def damaged_grain_is_left():
    """What would be lost is not thrown away."""
    with scratch() as tmp:
        image = os.path.join(tmp, "image.vmdk")
        vdisk_img("convert", *STREAM, make_raw(tmp, "10 MiB"), image)
        with open(image, "r+b") as file:
            data = bytearray(file.read())
            at = streams.Stream(data).overhead * 512
            data[at + 40] ^= 0xff
            file.seek(0)
            file.write(data)
        text = vdisk_img_fails("repair", "--stream", image)
        if "is damaged, and repairing would lose it" not in text:
            raise Failed(text)
        with open(image, "rb") as file:
            expect(file.read() == bytes(data), True, "unchanged")
        expect(sorted(os.listdir(tmp)), ["image.vmdk", "source.raw"], "files")


def others_are_refused():
    with scratch() as tmp:
        image = os.path.join(tmp, "image.vmdk")
        vdisk_img("create", "-f", "vmdk", image, "1M")
        with open(image, "rb") as file:
            before = file.read()
        if "no streamOptimized VMDK" not in vdisk_img_fails(
                "repair", "--stream", image):
            raise Failed("no reason given")
        with open(image, "rb") as file:
            expect(file.read() == before, True, "unchanged")
        raw = os.path.join(tmp, "x.raw")
        with open(raw, "wb") as file:
            file.write(b"x" * 4096)
        vdisk_img_fails("repair", "--stream", raw)
        vdisk_img_fails("repair", raw, code=1)
        vdisk_img_fails("repair", "--stream", os.path.join(tmp, "none"))


def link_keeps_its_name():
    """A symbolic link stays one; what it names is repaired."""
    with scratch() as tmp, scratch() as other:
        image, _, wanted = make_qemus(tmp, "10 MiB", "out of order")
        moved = os.path.join(other, "moved.vmdk")
        shutil.move(image, moved)
        os.symlink(moved, image)
        repair(image)
        expect(os.path.islink(image), True, "link")
        assert_good(image, wanted)


def main():
    for i, shape in enumerate(SHAPES):
        for k, how in enumerate(HOW):
            if not SHORT or (i + k) % 2 == 0:
                suite.add("qemu-img's %s, %s" % (shape, how),
                          qemus_file_passes, shape, how)
    for damage, rewritten in ((version_1, False), (no_end, False),
                              (zero_tail, False), (data_tail, False),
                              (unclean, False), (dirty_padding, True)):
        suite.add("%s is mended" % damage.__name__, changed_file, damage,
                  rewritten)
    for engine in working_engines():
        suite.add("an unfinished file is completed (%s)" % engine,
                  changed_file, unfinished, True, "10 MiB", 3, engine)
    for keep in (2, 3, 7):
        suite.add("a stream cut to 1/%d" % keep, cut_stream, keep)
    suite.add("a damaged grain is left as it is", damaged_grain_is_left)
    suite.add("other files are refused", others_are_refused)
    suite.add("links stay links", link_keeps_its_name)
    suite.run()


main()
