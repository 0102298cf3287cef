#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""test-sweep - whichever request to the storage fails, nothing worse happens.

A session of writes on a prepared image runs once over a logging filter, which
counts its requests, then again and again on a fresh copy with the first,
second, third ... of them failing.  Each time the failure is one clear line,
the image passes "check" (leaks aside, and redundant tables that lag behind in
an image marked dirty), each sector holds what was there before or what the
session wrote, and the image can be written on and is then sound in all.
"""
import os
import random
import shutil
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../support"))

import writelog  # noqa: E402
from checks import assert_sound  # noqa: E402
from model import Model  # noqa: E402
from readers import expect, read_with_vdisk  # noqa: E402
from tap import Suite  # noqa: E402
from tools import (DISK_IO, LONG, SHORT, UNDER_SANITIZER, Failed,  # noqa: E402
                   disk_io, run, scratch, vdisk_img, words_for,
                   write_with_vdisk)

SIZE = 2 << 20
KINDS = {"write": writelog.WRITE, "zeroes": writelog.ZEROES,
         "flush": writelog.FLUSH, "truncate": writelog.TRUNCATE}
# Tried per session, besides the first and the last; each takes seven programs,
# and the sweeps of tests/unit try more of them in one.
FAULTS = 1000 if LONG else 3 if UNDER_SANITIZER else 6 if SHORT else 40

suite = Suite()


def over_filter(image, options):
    """Option string: the image with a filter between format and file."""
    return ("driver=vmdk,file.driver=%s,file.file.driver=file,"
            "file.file.filename=%s" % (options, image))


class Session:
    """An image with known content, and writes to be done to it."""

    def __init__(self, tmp, seed, options):
        self.tmp = tmp
        self.random = random.Random(seed)
        self.before = Model(SIZE, seed)
        self.prepared = os.path.join(tmp, "prepared.vmdk")
        vdisk_img("create", "-q", "-f", "vmdk", *options, self.prepared, SIZE)
        write_with_vdisk(self.prepared, self.before.random_writes(tmp, 4))

        after = Model(SIZE, seed + 1, self.before)
        self.writes = list(after.random_writes(tmp, 12, 100 << 10))
        half = len(self.writes) // 2
        self.words = [*words_for(self.writes[:half]), "flush",
                      *words_for(self.writes[half:]), "discard", 0, 1 << 20]

    def fresh(self):
        image = os.path.join(self.tmp, "image.vmdk")
        shutil.copyfile(self.prepared, image)
        return image

    def count(self, operation):
        """Requests of that kind that the session makes."""
        log = os.path.join(self.tmp, "log")
        disk_io("-o", over_filter(self.fresh(), "log,file.write-log=" + log),
                *self.words)
        return sum(r.kind == KINDS[operation] for r in writelog.load(log))

    def pick(self, total):
        """Numbers of the requests to fail, and one that is not reached."""
        if total <= FAULTS:
            return [*range(total), total]
        some = self.random.sample(range(total), FAULTS)
        return sorted({0, total - 1, total, *some})

    def values(self):
        """What each sector may hold once the session has begun."""
        data = self.before.data
        values = [{bytes(data[at:at + 512])} for at in range(0, SIZE, 512)]
        for kind, offset, length, path in self.writes:
            new = file_bytes(path) if kind == "write" else bytes(length)
            for at in range(0, length, 512):
                values[(offset + at) // 512].add(new[at:at + 512])
        for number in range((1 << 20) // 512):
            values[number].add(bytes(512))  # discarded
        return values


def file_bytes(path):
    with open(path, "rb") as file:
        return file.read()


def assert_clear(result, image):
    lines = result.stderr.decode().splitlines()
    if result.code != 1 or len(lines) != 1 or image not in lines[0]:
        raise Failed("wanted one line that names %s: %s" % (image, result))


def assert_holds(image, values, where):
    raw = image + ".raw"
    vdisk_img("convert", "-f", "vmdk", "-O", "raw", "--sync=none", image, raw)
    data = file_bytes(raw)
    os.unlink(raw)
    for number, choices in enumerate(values):
        if data[number * 512:number * 512 + 512] not in choices:
            raise Failed("%s: sector %d holds what was never written there"
                         % (where, number))


def assert_goes_on(session, image, where):
    """The image takes all of the writes now."""
    again = Model(SIZE, 99)
    write_with_vdisk(image, [("zero", 0, SIZE, None),
                             *again.random_writes(session.tmp, 4)])
    expect(read_with_vdisk(image), again.content(), "vdisk-img")
    assert_sound(image, where + ", used again")


def sweep(operation, errno, options, seed):
    with scratch() as tmp:
        session = Session(tmp, seed, options)
        values = session.values()
        total = session.count(operation)
        if total == 0:
            raise Failed("the session makes no such request")
        failures = 0
        for nth in session.pick(total):
            where = "%s %d of %d" % (operation, nth, total)
            image = session.fresh()
            result = run([DISK_IO, "-o", over_filter(
                image, "fault,file.fail-op=%s,file.fail-nth=%d,"
                "file.fail-errno=%s" % (operation, nth, errno)),
                *map(str, session.words)])
            if result.code:
                assert_clear(result, image)
                failures += 1
            assert_sound(image, where, True)
            assert_holds(image, values, where)
            assert_goes_on(session, image, where)
        if not failures:
            raise Failed("no fault has been reported")


for seed, (operation, errno) in enumerate((
        ("write", "ENOSPC"), ("write", "EIO"), ("flush", "EIO"))):
    suite.add("sparse image: any %s fails with %s" % (operation, errno),
              sweep, operation, errno, [], seed * 10)
    suite.add("zeroed grains: any %s fails with %s" % (operation, errno),
              sweep, operation, errno, ["-o", "zeroed_grain=on"],
              seed * 10 + 5)
suite.run()
