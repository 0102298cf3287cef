#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""test-qcow2-bitmaps - dirty bitmaps inside qcow2 images.

Bitmaps that qemu-img has made and QEMU has kept are listed and read; snapshots
leave them as they are, writes of ours end them (QEMU says so, too, and finds no
fault), and directories and tables that contradict themselves are refused.  The
same changes by both tools have the same result, in which QEMU finds no fault,
and of what contradicts itself nothing is freed.
"""
import json
import os
import shutil
import struct
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../support"))

from prepared import copy_of  # noqa: E402
from tap import Suite  # noqa: E402
from tools import (LONG, VDISK_IMG, Failed, assert_no_crash, disk_io, qemu_img,  # noqa: E402
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
    copy_of(make_first, folder, options)
    return os.path.join(folder, "a.qcow2")


def make_first(folder, options):
    image = os.path.join(folder, "a.qcow2")
    qemu_img("create", "-q", "-f", "qcow2", "-o", options, image, SIZE)
    qemu_img("bitmap", "--add", image, "coarse")
    qemu_img("bitmap", "--add", "-g", "512", image, "fine")
    qemu_img("bitmap", "--add", "--disable", image, "asleep")
    qemu_io(image, "write 0 512", "write 64k 128k", "write 30M 1k",
            "write %d 512" % (SIZE - 512), fmt="qcow2")


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


# -- changes -------------------------------------------------------------------

CHANGES = (
    "--add -g 4k new", "--merge fine new", "--add --disable -g 2M copy",
    "--merge new --merge coarse copy", "--clear coarse", "--merge fine coarse",
    "--disable fine", "--enable asleep", "--remove coarse",
    "--clear --merge copy new", "--add --merge copy last", "--remove fine",
    "--remove asleep", "--remove new", "--remove copy", "--remove last",
    "--add again")


def sound(image):
    for result in (run(["qemu-img", "check", image]),
                   run([VDISK_IMG, "check", "-q", image])):
        equal((0, b""), (result.code, result.stderr), str(result))


def facts(image):
    return json.loads(qemu_img("info", "--output=json", image))[
        "format-specific"]


def names_in(found):
    return [b["name"] for b in found["data"].get("bitmaps", [])]


def names(image):
    return names_in(facts(image))


def all_dirty(image, found):
    """What disk-io says of all bitmaps that are @found."""
    words = [word for name in names_in(found)
             for word in ("dirty", name, 0, SIZE)]
    return disk_io("-r", image, *words) if words else b""


def change(image, words):
    *action, name = words.split()
    vdisk_img("bitmap", *action, image, name)


def check_changes(options):
    with scratch() as tmp:
        ours = make(tmp, options)
        theirs = os.path.join(tmp, "theirs.qcow2")
        shutil.copyfile(ours, theirs)
        for words in CHANGES:
            *action, name = words.split()
            qemu_img("bitmap", *action, theirs, name)
            change(ours, words)
            sound(ours)
            found = facts(ours)
            equal(facts(theirs), found, words)
            equal(old("info", ours), qemu_img("info", ours), words)
            equal(all_dirty(theirs, found), all_dirty(ours, found), words)
        qemu_img("compare", theirs, ours)


SETTINGS = ("cluster_size=64k", "cluster_size=512,refcount_bits=1")
if LONG:
    SETTINGS += ("refcount_bits=1", "cluster_size=2M", "extended_l2=on")
for setting in SETTINGS:
    suite.add("as qemu-img changes them: " + setting, check_changes, setting)


@suite.case("with a data file, a parent and a long name of it")
def _():
    with scratch() as tmp:
        parent = os.path.join(tmp, "p" * 200)
        qemu_img("create", "-q", "-f", "raw", parent, SIZE)
        for options in (("-o", "data_file=%s/data" % tmp),
                        ("-b", parent, "-F", "raw"),
                        ("-b", parent, "-F", "raw", "-o", "cluster_size=4k")):
            image = os.path.join(tmp, "a.qcow2")
            qemu_img("create", "-q", "-f", "qcow2", *options, image, SIZE)
            before = facts(image)
            for words in ("--add one", "--add two", "--remove one"):
                change(image, words)
                sound(image)
            equal(["two"], names(image), "names")
            change(image, "--remove two")
            sound(image)
            equal(before, facts(image), "none left")


@suite.case("QEMU goes on with what ours has made")
def _():
    with scratch() as tmp:
        image = make(tmp)
        change(image, "--add -g 512 mine")
        change(image, "--merge fine mine")
        known = dirty(image, "mine")
        qemu_io(image, "write 20M 512", fmt="qcow2")
        equal(sorted(known + [(20 * MIB, 512)]), dirty(image, "mine"), "mine")
        sound(image)


@suite.case("one that was not stored can only be removed")
def _():
    with scratch() as tmp:
        image = make(tmp)
        poke(image, "entry", 12, struct.pack(">I", 3))
        for words in ("--clear", "--enable", "--disable", "--merge fine"):
            text = vdisk_img_fails("bitmap", *words.split(), image, "coarse")
            if "Bitmap 'coarse' is inconsistent and cannot be used" not in text:
                raise Failed(text)
        text = vdisk_img_fails("bitmap", "--merge", "coarse", image, "fine")
        if "Bitmap 'coarse' is inconsistent" not in text:
            raise Failed(text)
        change(image, "--remove coarse")
        sound(image)
        equal(["fine", "asleep"], names(image), "left")


@suite.case("convert --bitmaps and one that was not stored")
def _():
    with scratch() as tmp:
        image, copy = make(tmp), os.path.join(tmp, "copy.qcow2")
        poke(image, "entry", 12, struct.pack(">I", 3))
        text = vdisk_img_fails("convert", "--bitmaps", "-O", "qcow2", image,
                               copy)
        if "Cannot copy inconsistent bitmap 'coarse'" not in text:
            raise Failed(text)
        for extra in ((), ("-c",), ("-o", "cluster_size=512")):
            result = run([VDISK_IMG, "convert", "--bitmaps",
                          "--skip-broken-bitmaps", "-O", "qcow2", *extra,
                          image, copy])
            equal(0, result.code, str(result))
            if b"Skipping inconsistent bitmap 'coarse'" not in result.stderr:
                raise Failed(str(result))
            equal(["fine", "asleep"], names(copy), "copied")
            equal(dirty(image, "fine"), dirty(copy, "fine"), "fine")
            sound(copy)
        change(image, "--remove coarse")
        qemu_img("create", "-q", "-f", "qcow2", copy, SIZE)
        vdisk_img("convert", "--bitmaps", "-n", "-O", "qcow2", image, copy)
        equal(["fine", "asleep"], names(copy), "copied with -n")
        equal(dirty(image, "fine"), dirty(copy, "fine"), "fine")
        text = vdisk_img_fails("convert", "--bitmaps", "-n", "-O", "qcow2",
                               image, copy)
        if "Failed to create bitmap fine: Bitmap already exists" not in text:
            raise Failed(text)
        equal(dirty(image, "fine"), dirty(copy, "fine"), "nothing is written")


@suite.case("one that is added after a write of ours stands alone")
def _():
    with scratch() as tmp:
        image = make(tmp)
        patch = os.path.join(tmp, "patch")
        with open(patch, "wb") as file:
            file.write(b"new" * 1000)
        disk_io(image, "write", MIB, patch)
        vdisk_img_fails("bitmap", "--clear", image, "fine")
        change(image, "--add fine")
        equal(["fine"], names(image), "names")
        equal([], dirty(image, "fine"), "fine")
        # What the others took is found as lost.
        vdisk_img("check", "-q", "-r", "leaks", image)
        sound(image)


@suite.case("a disk of no bytes gets none")
def _():
    with scratch() as tmp:
        image = os.path.join(tmp, "a.qcow2")
        qemu_img("create", "-q", "-f", "qcow2", image, "0")
        vdisk_img_fails("bitmap", "--add", image, "x")
        sound(image)


@suite.case("too much for a bitmap, as for qemu-img")
def _():
    with scratch() as tmp:
        image = os.path.join(tmp, "a.qcow2")
        qemu_img("create", "-q", "-f", "qcow2", image, "1P")
        text = vdisk_img_fails("bitmap", "--add", "-g", "128k", image, "x")
        if "Too much space will be occupied by the bitmap" not in text:
            raise Failed(text)
        change(image, "--add -g 256k x")
        sound(image)


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
    ("a zero byte in the name", "entry", 24, b"\0"),
)


def poke(image, place, off, data):
    with open(image, "r+b") as file:
        raw = file.read()
        at = extension_at(raw)
        if place != "extension":
            at = struct.unpack_from(">Q", raw, at + 16)[0]
        if place == "table":
            at = struct.unpack_from(">Q", raw, at)[0]
        file.seek(at + off)
        file.write(data)


def hostile(place, off, data):
    with scratch() as tmp:
        image = make(tmp)
        poke(image, place, off, data)
        vdisk_img("info", image)
        vdisk_img("convert", "-O", "raw", image, os.path.join(tmp, "o.raw"))
        try:
            dirty(image, "coarse")
        except Failed as e:
            if "disk-io" not in str(e):
                raise
        else:
            raise Failed("it was read")
        hostile_changes(tmp, image)


def hostile_changes(tmp, image):
    """Whatever becomes of them, the disk stays."""
    for words in ("--clear coarse", "--merge fine coarse", "--add new",
                  "--disable coarse", "--remove coarse", "--remove fine"):
        *action, name = words.split()
        result = run([VDISK_IMG, "bitmap", *action, image, name])
        assert_no_crash(result)
        if result.code not in (0, 1):
            raise Failed(str(result))
    qemu_img("compare", "-f", "raw", "-F", "raw", os.path.join(tmp, "o.raw"),
             disk_of(tmp, image))


def disk_of(tmp, image):
    copy = os.path.join(tmp, "after.raw")
    vdisk_img("convert", "-f", "qcow2", "-O", "raw", image, copy)
    return copy


@suite.case("a bitmap whose cluster is the disk's: nothing is freed")
def _():
    with scratch() as tmp:
        image = make(tmp)
        entry = json.loads(qemu_img("map", "--output=json", image))[0]
        poke(image, "table", 0, struct.pack(">Q", entry["offset"]))
        vdisk_img("convert", "-O", "raw", image, os.path.join(tmp, "o.raw"))
        for words in ("--clear coarse", "--remove coarse", "--add -g 512 new",
                      "--merge fine new"):
            change(image, words)
        qemu_img("compare", "-f", "raw", "-F", "raw",
                 os.path.join(tmp, "o.raw"), disk_of(tmp, image))
        result = run(["qemu-img", "check", image])
        if result.code not in (0, 3): # what is lost, but no corruption
            raise Failed(str(result))


for title, *how in HOSTILE:
    suite.add("refused: " + title, hostile, *how)

suite.run()
