#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""test-qcow2-amend - options of qcow2 images that are changed later.

The content stays, qemu-img finds no fault and tells of the new options; what it
refuses is refused with its words.
"""
import json
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../support"))

from prepared import copy_of  # noqa: E402
from tap import Suite  # noqa: E402
from tools import (Failed, qemu_img, qemu_io, run, scratch,  # noqa: E402
                   vdisk_img, vdisk_img_fails)

MIB = 1 << 20
FAST = ("-t", "unsafe")

suite = Suite()


def make_image(directory, options, backed):
    path, raw = (os.path.join(directory, name)
                 for name in ("d.qcow2", "d.raw"))
    base = []
    if backed:
        with open(os.path.join(directory, "parent.raw"), "wb") as file:
            file.write(b"p" * (6 * MIB))
        base = ["-b", "parent.raw", "-F", "raw"]
    qemu_img("create", "-q", "-f", "qcow2", "-o", options, *base, path,
             6 * MIB)
    commands = ["write -P 1 1M 1M", "write -c -P 2 3M 64k"]
    if "0.10" not in options:
        commands += ["write -z -u 4M 256k", "write -P 3 5M 128k",
                     "write -z 5M 64k"]
    qemu_io(path, *commands, fmt="qcow2", flags=FAST)
    qemu_img("convert", "-O", "raw", path, raw)


class Image:
    """An image with data, zeroes and compressed clusters."""

    def __init__(self, directory, options, backed=False):
        copy_of(make_image, directory, options, backed)
        self.path = os.path.join(directory, "d.qcow2")
        self.raw = os.path.join(directory, "d.raw")

    def amend(self, options):
        vdisk_img("amend", "-o", options, self.path)
        self.is_sound()

    def is_sound(self):
        vdisk_img("check", "-q", self.path)
        qemu_img("check", "-q", self.path)
        qemu_img("compare", "-q", "-f", "qcow2", "-F", "raw", self.path,
                 self.raw)

    def tells(self, **wanted):
        info = json.loads(qemu_img("info", "--output=json", self.path))
        data = info["format-specific"]["data"]
        for key, value in wanted.items():
            if data.get(key.replace("_", "-")) != value:
                raise Failed("%s is %s" % (key, data.get(key)))

    def may_be_written_to(self):
        qemu_io(self.path, "write -P 7 0 3M", fmt="qcow2", flags=FAST)
        qemu_io(self.raw, "write -P 7 0 3M", fmt="raw", flags=FAST)
        self.is_sound()


def versions(backed, cluster):
    with scratch() as tmp:
        image = Image(tmp, "cluster_size=" + cluster, backed)
        image.amend("compat=0.10")
        image.tells(compat="0.10")
        image.amend("compat=v3,lazy_refcounts=on")
        image.tells(compat="1.1", lazy_refcounts=True)
        image.amend("lazy_refcounts=off")
        image.tells(lazy_refcounts=False)
        image.may_be_written_to()


def refcount_widths(cluster):
    with scratch() as tmp:
        image = Image(tmp, "cluster_size=" + cluster)
        for bits in (1, 64, 2, 32, 8, 16):
            if bits == 1:
                # Compressed clusters share theirs.
                qemu_io(image.path, "write -P 2 3M 64k", fmt="qcow2",
                        flags=FAST)
            image.amend("refcount_bits=%d" % bits)
            image.tells(refcount_bits=bits)
        image.amend("refcount_bits=8")
        image.amend("refcount_bits=16,compat=v2")
        image.tells(compat="0.10", refcount_bits=16)
        image.may_be_written_to()


def size():
    with scratch() as tmp:
        image = Image(tmp, "cluster_size=64k", True)
        os.truncate(image.raw, 9 * MIB)
        image.amend("size=9M")
        os.truncate(image.raw, 2 * MIB)
        image.amend("size=2M")


def snapshots_are_counted():
    """One bit cannot count the users of what a snapshot shares."""
    with scratch() as tmp:
        image = Image(tmp, "cluster_size=64k")
        qemu_img("snapshot", "-c", "s", image.path)
        vdisk_img_fails("amend", "-o", "refcount_bits=1", image.path)
        image.is_sound()
        image.amend("refcount_bits=2")
        image.tells(refcount_bits=2)
        text = vdisk_img_fails("amend", "-o", "compat=0.10,refcount_bits=16",
                               image.path)
        if "Internal snapshots prevent downgrade of image" not in text:
            raise Failed(text)
        image.is_sound()


def refused(create, options):
    with scratch() as tmp:
        image = Image(tmp, create)
        result = run(["qemu-img", "amend", "-o", options, image.path])
        text = vdisk_img_fails("amend", "-o", options, image.path)
        if result.code != 1:
            raise Failed(str(result))
        theirs = result.stderr.decode().splitlines()[0].split(": ", 1)[1]
        if theirs not in text:
            raise Failed("%s\nqemu-img: %s" % (text, theirs))
        image.is_sound()


def damaged_is_refused():
    with scratch() as tmp:
        image = Image(tmp, "cluster_size=64k")
        with open(image.path, "r+b") as file:
            file.seek(2 << 16)
            file.write(bytes(2))
        vdisk_img_fails("amend", "-o", "refcount_bits=8", image.path)
        vdisk_img("check", "-q", "-r", "all", image.path)
        image.amend("refcount_bits=8")


for backing in (False, True):
    for clusters in ("64k", "512"):
        suite.add("versions/%s%s" % (clusters, "/backed" * backing), versions,
                  backing, clusters)
for clusters in ("64k", "512", "4k"):
    suite.add("refcount-widths/" + clusters, refcount_widths, clusters)
suite.add("size", size)
suite.add("snapshots-are-counted", snapshots_are_counted)
suite.add("damaged-is-refused", damaged_is_refused)
for given, wish in (("compat=1.1", "cluster_size=512"),
                    ("compat=1.1", "refcount_bits=8,compat=0.10"),
                    ("compat=0.10", "refcount_bits=8"),
                    ("compat=1.1", "refcount_bits=3"),
                    ("compat=0.10", "lazy_refcounts=on"),
                    ("compat=1.1", "compat=0.10,lazy_refcounts=on"),
                    ("compat=1.1", "backing_file=x"),
                    ("compat=1.1", "preallocation=full")):
    suite.add("refused/%s/%s" % (given, wish), refused, given, wish)
suite.run()
