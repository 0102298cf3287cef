#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""test-qcow2-bitmaps - dirty bitmaps inside qcow2 images.

Bitmaps that qemu-img has made and QEMU has kept are listed and read; snapshots
leave them as they are, writes of ours end them (QEMU says so, too, and finds no
fault), and directories and tables that contradict themselves are refused.
"""
import json
import os
import struct
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../support"))

from tap import Suite  # noqa: E402
from tools import (VDISK_IMG, Failed, disk_io, qemu_img,  # noqa: E402
                   qemu_io, run, scratch, vdisk_img, vdisk_img_fails,
                   working_engines)

MIB = 1 << 20
SIZE = 40 * MIB
BITMAPS = 0x23852875

suite = Suite()


def equal(wanted, found, what):
    if wanted != found:
        raise Failed("%s: wanted %.800r, found %.800r" % (what, wanted, found))


def make(folder, options="cluster_size=64k"):
    image = os.path.join(folder, "a.qcow2")
    qemu_img("create", "-q", "-f", "qcow2", "-o", options, image, SIZE)
    qemu_img("bitmap", "--add", image, "coarse")
    qemu_img("bitmap", "--add", "-g", "512", image, "fine")
    qemu_img("bitmap", "--add", "--disable", image, "asleep")
    qemu_io(image, "write 0 512", "write 64k 128k", "write 30M 1k",
            "write %d 512" % (SIZE - 512), fmt="qcow2")
    return image


def old(*words):
    result = run([VDISK_IMG, *words], env={"VDISK_IMG_COMPAT": "7.2"})
    if result.code:
        raise Failed(str(result))
    return result.stdout.decode()


def dirty(image, name, engine=None):
    env = {"VDISK_ENGINE": engine} if engine else None
    text = disk_io("-r", image, "dirty", name, 0, SIZE, env=env).decode()
    return [tuple(map(int, line.split())) for line in text.splitlines()]


@suite.case("info lists them as qemu-img does")
def _():
    with scratch() as tmp:
        image = make(tmp)
        for words in (["info"], ["info", "--output=json"]):
            equal(qemu_img(*words, image), old(*words, image), words)
        qemu_img("bitmap", "--remove", image, "coarse")
        qemu_img("bitmap", "--remove", image, "fine")
        qemu_img("bitmap", "--remove", image, "asleep")
        equal(qemu_img("info", image), old("info", image), "none left")


@suite.case("what is dirty, by range")
def _():
    for options in ("cluster_size=64k", "cluster_size=512"):
        with scratch() as tmp:
            image = make(tmp, options)
            info = json.loads(qemu_img("info", "--output=json", image))
            coarse = next(b["granularity"] for b in
                          info["format-specific"]["data"]["bitmaps"]
                          if b["name"] == "coarse")
            last = SIZE - coarse
            for engine in working_engines():
                equal([(0, 512), (64 << 10, 128 << 10), (30 * MIB, 1024),
                       (SIZE - 512, 512)], dirty(image, "fine", engine),
                      "fine")
                equal([(0, 192 << 10), (30 * MIB, coarse), (last, coarse)]
                      if coarse == 65536 else None,
                      dirty(image, "coarse", engine)
                      if coarse == 65536 else None, "coarse")
                equal([], dirty(image, "asleep", engine), "asleep")


@suite.case("a snapshot leaves them, and going back is refused")
def _():
    with scratch() as tmp:
        image = make(tmp)
        before = dirty(image, "fine")
        vdisk_img("snapshot", "-c", "s", image)
        equal(before, dirty(image, "fine"), "after -c")
        text = vdisk_img_fails("snapshot", "-a", "s", image)
        if "Could not apply snapshot 's': Device has active dirty" not in text:
            raise Failed(text)
        vdisk_img("snapshot", "-d", "s", image)
        equal(before, dirty(image, "fine"), "after -d")
        equal(qemu_img("info", image), old("info", image), "info")
        qemu_img("check", "-q", image)


@suite.case("a write of ours ends them")
def _():
    with scratch() as tmp:
        image = make(tmp)
        patch = os.path.join(tmp, "patch")
        with open(patch, "wb") as file:
            file.write(b"new" * 1000)
        disk_io(image, "write", MIB, patch)
        info = json.loads(vdisk_img("info", "--output=json", image))
        if "bitmaps" in info["format-specific"]["data"]:
            raise Failed("bitmaps are listed that miss a change")
        theirs = json.loads(qemu_img("info", "--output=json", image))
        equal(theirs["format-specific"], info["format-specific"], "info")
        result = run([VDISK_IMG, "check", "-q", image])
        equal(0, result.code, str(result))


# -- hostile -------------------------------------------------------------------

def extension_at(data):
    at = struct.unpack_from(">I", data, 100)[0]
    while True:
        kind, length = struct.unpack_from(">II", data, at)
        if kind == BITMAPS:
            return at + 8
        at += 8 + (length + 7) // 8 * 8


# What to change: the extension, the first entry, its table; where; to what.
HOSTILE = (
    ("too many", "extension", 0, struct.pack(">I", 65536)),
    ("more than the directory has", "extension", 0, struct.pack(">I", 9)),
    ("a directory of 2^40", "extension", 8, struct.pack(">Q", 1 << 40)),
    ("a directory behind the end", "extension", 16,
     struct.pack(">Q", 1 << 40)),
    ("a table behind the end", "entry", 0, struct.pack(">Q", 1 << 40)),
    ("a table of 2^32 entries", "entry", 8, b"\xff" * 4),
    ("another type", "entry", 16, b"\x02"),
    ("a granularity of 2^63", "entry", 17, b"\x3f"),
    ("a name of 65535", "entry", 18, b"\xff\xff"),
    ("extra data of 2^32", "entry", 20, b"\xff" * 4),
    ("a cluster behind the end", "table", 0, struct.pack(">Q", 1 << 40)),
    ("a cluster at an odd place", "table", 0, struct.pack(">Q", 513)),
)


def hostile(place, off, data):
    with scratch() as tmp:
        image = make(tmp)
        with open(image, "r+b") as file:
            raw = file.read()
            at = extension_at(raw)
            if place != "extension":
                at = struct.unpack_from(">Q", raw, at + 16)[0]
            if place == "table":
                at = struct.unpack_from(">Q", raw, at)[0]
            file.seek(at + off)
            file.write(data)
        vdisk_img("info", image)
        vdisk_img("convert", "-O", "raw", image, os.path.join(tmp, "o.raw"))
        try:
            dirty(image, "coarse")
        except Failed as e:
            if "disk-io" not in str(e):
                raise
        else:
            raise Failed("it was read")


for title, *how in HOSTILE:
    suite.add("refused: " + title, hostile, *how)

suite.run()
