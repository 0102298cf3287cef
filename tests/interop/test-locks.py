#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""test-locks - an image that somebody uses is left alone, by us and by QEMU.

First QEMU holds an image and our commands refuse or accept; then we hold one
and QEMU's do.  The bytes we lock are read from the kernel's table: they are
part of the contract (docs/ARCHITECTURE.md).
"""
import os
import shutil
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../support"))

from holder import qemu_holds, we_hold  # noqa: E402
from tap import Suite, skip_all  # noqa: E402
from tools import (DISK_IO, VDISK_IMG, Failed, need, qemu_img,  # noqa: E402
                   run, scratch, vdisk_img, vdisk_img_fails)

SIZE = 4 << 20
READ_SET = {100, 201, 203}
WRITE_SET = {100, 101, 103, 201, 203}

suite = Suite()


def make(tmp, fmt, name="image", *options):
    image = os.path.join(tmp, name + "." + fmt)
    qemu_img("create", "-q", "-f", fmt, *options, image, SIZE)
    return image


def content(path):
    with open(path, "rb") as file:
        return file.read()


def refuses(image, *args):
    """The command fails, says why, and changes nothing."""
    before = content(image)
    text = vdisk_img_fails(*args)
    if "lock" not in text or os.path.basename(image) not in text:
        raise Failed("no word of the lock: %r" % text)
    if content(image) != before:
        raise Failed("%s has been changed" % image)


def locked_bytes(path):
    """Bytes of @path under OFD read locks, from the kernel's table."""
    inode = str(os.stat(path).st_ino)
    found = set()
    with open("/proc/locks", encoding="ascii") as table:
        for line in table:
            words = line.split()
            if "OFDLCK" in words and words[5].split(":")[2] == inode:
                found.update(range(int(words[6]), int(words[7]) + 1))
    return found


def qemu_accepts(accepted, *argv):
    tool, *rest = argv
    result = run([need(tool), *rest])
    refused = result.code != 0 or b"lock" in result.stderr
    if refused == accepted:
        raise Failed("wanted %s: %s"
                     % ("success" if accepted else "a refusal", result))


# -- QEMU holds ---------------------------------------------------------------

@suite.case("qemu writes a vmdk: info, convert, map and check refuse")
def _():
    with scratch() as tmp:
        image = make(tmp, "vmdk")
        with qemu_holds(image, "vmdk"):
            out = os.path.join(tmp, "out.raw")
            refuses(image, "info", image)
            refuses(image, "map", image)
            refuses(image, "check", image)
            refuses(image, "convert", "-O", "raw", image, out)
            if os.path.exists(out):
                raise Failed("a refused convert has made its target")
        vdisk_img("info", image)


@suite.case("qemu writes a vmdk: --force-share reads it")
def _():
    with scratch() as tmp:
        image = make(tmp, "vmdk")
        with qemu_holds(image, "vmdk"):
            vdisk_img("info", "-U", image)
            vdisk_img("convert", "-U", "-O", "raw", image,
                      os.path.join(tmp, "out.raw"))


@suite.case("qemu reads a vmdk: we read it, but do not overwrite it")
def _():
    with scratch() as tmp:
        image = make(tmp, "vmdk")
        with qemu_holds(image, "vmdk", "-r"):
            vdisk_img("info", image)
            refuses(image, "create", "-f", "vmdk", image, "1M")


@suite.case("qemu uses the target: create and convert refuse")
def _():
    for fmt in ("vmdk", "raw"):
        for flags in ((), ("-r",)):
            with scratch() as tmp:
                image = make(tmp, fmt)
                source = make(tmp, "raw", "source")
                with qemu_holds(image, fmt, *flags):
                    refuses(image, "create", "-f", fmt, image, "1M")
                    refuses(image, "convert", "-O", fmt, source, image)
                    # Who only reads a raw disk shares it with writers.
                    if fmt == "vmdk" or not flags:
                        refuses(image, "convert", "-n", "-O", fmt, source,
                                image)


@suite.case("qemu writes a raw disk: convert reads it with a warning")
def _():
    with scratch() as tmp:
        image = make(tmp, "raw")
        out = os.path.join(tmp, "out.raw")
        with qemu_holds(image, "raw"):
            result = run([VDISK_IMG, "convert", "-f", "raw",
                          "-O", "raw", image, out])
            if result.code != 0 or b"warning" not in result.stderr:
                raise Failed(str(result))


@suite.case("qemu writes the parent: its overlay cannot be read")
def _():
    with scratch() as tmp:
        base = make(tmp, "vmdk", "base")
        top = os.path.join(tmp, "top.vmdk")
        vdisk_img("create", "-q", "-f", "vmdk", "-b", base, "-F", "vmdk", top)
        with qemu_holds(base, "vmdk"):
            text = vdisk_img_fails("map", top)
            if "lock" not in text or "base.vmdk" not in text:
                raise Failed(text)


# -- we hold ------------------------------------------------------------------

@suite.case("we write a vmdk: qemu refuses all but info -U")
def _():
    with scratch() as tmp:
        image = make(tmp, "vmdk")
        with we_hold(image, "vmdk"):
            qemu_accepts(False, "qemu-io", "-f", "vmdk", "-r", "-c", "length",
                         image)
            qemu_accepts(False, "qemu-io", "-f", "vmdk", "-c", "length", image)
            qemu_accepts(False, "qemu-img", "info", image)
            qemu_accepts(True, "qemu-img", "info", "-U", image)
            qemu_accepts(False, "qemu-img", "create", "-f", "vmdk", image, "1M")


@suite.case("we read a vmdk: qemu reads it, but does not write it")
def _():
    with scratch() as tmp:
        image = make(tmp, "vmdk")
        with we_hold(image, "vmdk", "-r"):
            qemu_accepts(True, "qemu-io", "-f", "vmdk", "-r", "-c", "length",
                         image)
            qemu_accepts(True, "qemu-img", "info", image)
            qemu_accepts(False, "qemu-io", "-f", "vmdk", "-c", "length", image)
            qemu_accepts(False, "qemu-img", "create", "-f", "vmdk", image, "1M")


@suite.case("we write a raw disk: qemu does not write it")
def _():
    with scratch() as tmp:
        image = make(tmp, "raw")
        with we_hold(image, "raw"):
            qemu_accepts(False, "qemu-io", "-f", "raw", "-c", "length", image)


@suite.case("two of us: one writer, or any number of readers")
def _():
    with scratch() as tmp:
        image = make(tmp, "vmdk")
        with we_hold(image, "vmdk", "-r"), we_hold(image, "vmdk", "-r"):
            vdisk_img("info", image)
            if run([DISK_IO, "-f", "vmdk", image, "flush"]).code != 1:
                raise Failed("a writer beside two readers")
        with we_hold(image, "vmdk"):
            if run([DISK_IO, "-r", "-f", "vmdk", image, "flush"]).code != 1:
                raise Failed("a reader beside a writer")


# -- the bytes ----------------------------------------------------------------

def assert_bytes(path, wanted):
    found = locked_bytes(path)
    if found != wanted:
        raise Failed("%s: bytes %s, should be %s"
                     % (path, sorted(found), sorted(wanted)))


@suite.case("the locked bytes are those of the contract")
def _():
    with scratch() as tmp:
        for fmt in ("vmdk", "raw"):
            image = make(tmp, fmt)
            with we_hold(image, fmt, "-r"):
                assert_bytes(image, READ_SET)
            with we_hold(image, fmt):
                assert_bytes(image, WRITE_SET)
            assert_bytes(image, set())


@suite.case("extents of a flat image are locked like the image")
def _():
    with scratch() as tmp:
        image = make(tmp, "vmdk", "image", "-o", "subformat=monolithicFlat")
        flat = os.path.join(tmp, "image-flat.vmdk")
        with we_hold(image, "vmdk"):
            assert_bytes(image, WRITE_SET)
            assert_bytes(flat, WRITE_SET)
        with we_hold(image, "vmdk", "-r"):
            assert_bytes(flat, READ_SET)


@suite.case("the parent of an overlay is locked against writers")
def _():
    with scratch() as tmp:
        base = make(tmp, "vmdk", "base")
        top = os.path.join(tmp, "top.vmdk")
        vdisk_img("create", "-q", "-f", "vmdk", "-b", base, "-F", "vmdk", top)
        with we_hold(top, "vmdk"):
            assert_bytes(base, READ_SET)


for program in ("qemu-img", "qemu-io"):
    if not shutil.which(program):
        skip_all(program + " is not installed")
suite.run()
