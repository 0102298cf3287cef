#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""test-replay - after a crash at any moment the image is still sound.

A run of random writes and flushes is recorded twice: above the format, as the
guest sees it, and below, as the storage does.  Then the storage is rebuilt as
a crash may have left it - every prefix of the record, all or a random part of
what was not flushed - and each state must

  - open, and pass "check" but for leaks (and for the redundant tables, which
    repeat the primary ones and may lag behind them in an image marked dirty),
  - hold in each sector what was flushed last or what was written since,
  - still do so after it was opened for writing again, and then pass "check".

VDISK_TEST_LONG=1 tries each record instead of a sample of them.
"""
import os
import random
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../support"))

import writelog  # noqa: E402
from checks import assert_sound  # noqa: E402
from tap import Suite  # noqa: E402
from tools import LONG, SHORT, Failed, disk_io, scratch, vdisk_img  # noqa: E402

SIZE = 4 << 20
GUEST, STORAGE = 1, 2  # tags in the log
STATES = 8 if SHORT else 60  # crash points that are tried, unless LONG

suite = Suite()


def recorded_name(image, log):
    """Option string: log above the format, log above the file."""
    return ("driver=log,write-log=%s,tag=%d,file.driver=vmdk,"
            "file.file.driver=log,file.file.write-log=%s,file.file.tag=%d,"
            "file.file.file.driver=file,file.file.file.filename=%s"
            % (log, GUEST, log, STORAGE, image))


def random_range(rng):
    count = rng.randint(1, 400)
    return rng.randrange(0, SIZE // 512 - count) * 512, count * 512


def random_session(rng, tmp):
    """Words for disk-io: bursts of overlapping writes, zeroes, flushes."""
    words = []
    for number in range(12):
        count = rng.randint(1, 6)
        words += ["together", count]
        for write in range(count):
            offset, length = random_range(rng)
            path = os.path.join(tmp, "w%d-%d" % (number, write))
            with open(path, "wb") as file:
                file.write(rng.randbytes(length))
            words += [offset, path]
        if rng.random() < 0.3:
            words += ["zero", *random_range(rng)]
        if rng.random() < 0.5:
            words.append("flush")
    return words


def file_bytes(path):
    with open(path, "rb") as file:
        return file.read()


def content(image, tmp):
    raw = os.path.join(tmp, "content.raw")
    vdisk_img("convert", "-f", "vmdk", "-O", "raw", "--sync=none", image, raw)
    data = file_bytes(raw)
    os.unlink(raw)
    return data


def assert_allowed(data, allowed, where):
    for number, choices in enumerate(allowed):
        sector = data[number * 512:number * 512 + 512]
        if sector not in choices:
            raise Failed("%s: sector %d holds what was never written there "
                         "or has lost what was flushed" % (where, number))


def try_state(image, allowed, where, tmp):
    assert_sound(image, where, True)
    assert_allowed(content(image, tmp), allowed, where)
    # Coming back writes; what it does must not harm either.
    word = os.path.join(tmp, "word")
    with open(word, "wb") as file:
        file.write(b"\x5a" * 512)
    disk_io(image, "write", SIZE - 512, word)
    assert_sound(image, where + ", reopened")
    assert_allowed(content(image, tmp)[:-512], allowed[:-1],
                   where + ", reopened")


def keep_rules(rng):
    """What of the unflushed has reached the storage: all, nothing, some."""
    return (("everything", lambda change: True),
            ("nothing", lambda change: False),
            ("some", lambda change: rng.random() < 0.5),
            ("little", lambda change: rng.random() < 0.15))


def replay(seed, options, with_parent):
    rng = random.Random(seed)
    with scratch() as tmp:
        image, log = os.path.join(tmp, "i.vmdk"), os.path.join(tmp, "log")
        base = bytes(SIZE)
        backing = []
        if with_parent:
            base, backing = make_parent(tmp, rng)
        vdisk_img("create", "-q", "-f", "vmdk", *options, *backing, image, SIZE)
        initial = file_bytes(image)
        disk_io("-o", recorded_name(image, log), *random_session(rng, tmp))
        records = writelog.load(log)
        crash_points = range(1, len(records) + 1)
        if not LONG:
            crash_points = sorted(rng.sample(
                crash_points, min(STATES, len(records))))
        if not any(r.durable for r in records if r.tag == GUEST):
            raise Failed("the session has flushed nothing")
        for crash in crash_points:
            allowed = writelog.allowed_contents(base, records, GUEST, crash)
            name, keep = rng.choice(keep_rules(rng))
            with open(image, "wb") as file:
                file.write(writelog.crashed(initial, records, STORAGE, crash,
                                            keep))
            try_state(image, allowed, "crash at record %d of %d, %s kept"
                      % (crash, len(records), name), tmp)


def make_parent(tmp, rng):
    parent = os.path.join(tmp, "parent.vmdk")
    raw = os.path.join(tmp, "parent.raw")
    with open(raw, "wb") as file:
        file.write(rng.randbytes(SIZE // 2) + bytes(SIZE - SIZE // 2))
    vdisk_img("convert", "-f", "raw", "-O", "vmdk", raw, parent)
    return file_bytes(raw), ["-b", parent, "-F", "vmdk"]


for number in range(3):
    suite.add("sparse image survives any crash (%d)" % number,
              replay, number, [], False)
    suite.add("overlay survives any crash (%d)" % number,
              replay, 10 + number, [], True)
suite.add("image with zeroed grains survives any crash", replay, 20,
          ["-o", "zeroed_grain=on"], False)
suite.run()
