#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""test-paired - the same invocation with qemu-img 7.2 and with vdisk-img.

Each row of pairs/ runs with both, in the same directory on the same images, a
third of the rows with our other engine, too.
Exit code, stdout, stderr, which files are written and what is in them must be
the same, but for what pairs/normal.py names; nothing else may be left behind:
no file, no changed byte, no process.
"""
import atexit
import importlib
import os
import shutil
import sys
import tempfile

sys.path.insert(0, os.path.dirname(__file__))

from fixture import assert_equal, link_vdisk_img, qemu_img_72  # noqa: E402
from pairs import gallery, normal, written  # noqa: E402
from pairs.differ import DIFFER  # noqa: E402
from pairs.stage import Stage  # noqa: E402
from pairs.table import pairs_of  # noqa: E402
from tap import Skip, Suite, skip_all  # noqa: E402
from tools import (SHORT, Failed, assert_no_crash,  # noqa: E402
                   drop_root_override, working_engines)

TABLES = ("info", "map", "check", "measure", "compare", "convert", "create",
          "resize", "rebase", "commit", "bench", "dd", "snapshot", "amend",
          "bitmap", "program", "formats")


# Every Nth row runs, where a sample will do; and every Nth of those with the other
# engine, too.
EVERY = 8 if SHORT else 1
AGAIN = 3
# Rows that begin with this only, when one looks for something.
BEGIN = os.environ.get("VDISK_PAIRED_BEGIN", "")


class Bench:
    """The stage and both programs."""

    def __init__(self, qemu):
        self.root = tempfile.mkdtemp(prefix="vdisk-test-paired-")
        atexit.register(shutil.rmtree, self.root, True)
        self.qemu = qemu
        self.link = link_vdisk_img(self.root)
        self.stage = Stage(self.root, gallery.make)
        self.env = dict(os.environ, LC_ALL="C.UTF-8", TZ="UTC",
                        VDISK_IMG_COMPAT="7.2")

    def run(self, who, program, pair, **more):
        words = [word.replace("{dir}", self.stage.work)
                 for word in pair.words]
        limit = drop_root_override if pair.obey else None
        return self.stage.run(who, [program, *words], dict(self.env, **more),
                              limit)

    def check(self, pair, again):
        theirs = self.run("theirs", self.qemu, pair)
        self.check_ours(pair, theirs)
        if again:
            self.check_ours(pair, theirs, VDISK_ENGINE="threads")

    def check_ours(self, pair, theirs, **engine):
        ours = self.run("ours", self.link, pair, **engine)
        assert_no_crash(ours)
        # Once in many thousands qemu-img fails for no reason to be seen
        # (EINVAL as it writes a VMDK): it has another try.
        if theirs.code != ours.code:
            theirs = self.run("theirs", self.qemu, pair)
        assert_equal(theirs.code, ours.code,
                     "exit code:\n%s\n%s" % (theirs, ours))
        wanted = normal.theirs(pair.words, theirs)
        got = normal.ours(pair.words, ours)
        check_stderr(pair, wanted[1], got[1])
        assert_equal(wanted[0], got[0], "stdout")
        for what in ("written", "gone"):
            names = [[name for name in getattr(result, what)
                      if name not in pair.apart] for result in (theirs, ours)]
            assert_equal(*names, "files " + what)
        if ours.orphans:
            raise Failed("a process is left behind")
        written.check(self.qemu, self.stage,
                      [n for n in ours.written if n not in pair.apart])


def check_stderr(pair, theirs, ours):
    if pair.upto:
        for text in (theirs, ours):
            if pair.upto not in text:
                raise Failed("no %r in %r" % (pair.upto, text))
        if ours.count("\n") != theirs.count("\n"):
            raise Failed("not as many lines: %r, %r" % (theirs, ours))
        theirs, ours = (text.split(pair.upto)[0] for text in (theirs, ours))
    assert_equal(theirs, ours, "stderr")


def table():
    rows = []
    for name in TABLES:
        rows += pairs_of(importlib.import_module("pairs." + name).PAIRS)
    lines = [pair.line for pair in rows]
    twice = {line for line in lines if lines.count(line) > 1}
    if twice:
        sys.exit("these are in the table twice: %s" % sorted(twice))
    unknown = DIFFER - set(lines)
    if unknown:
        sys.exit("these are in no table: %s" % sorted(unknown))
    return [pair for pair in rows if pair.line not in DIFFER and
            pair.line.startswith(BEGIN)][::EVERY]


def main():
    try:
        bench = Bench(qemu_img_72())
    except Skip as skip:
        skip_all(str(skip))
    suite = Suite()
    others = not os.environ.get("VDISK_ENGINE") and \
        "uring" in working_engines()
    for number, pair in enumerate(table()):
        suite.add(pair.line, bench.check, pair,
                  others and number % AGAIN == 0)
    suite.add("nothing is left behind or changed", bench.stage.is_pristine)
    suite.run()


main()
