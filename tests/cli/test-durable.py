#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""test-durable - what is on disk when a command ends: each file that it wrote
is synchronised after the last write to it, and the directory of new files
after the last of their names; nothing is, if that is what was asked for."""
import os
import re
import sys

sys.path.insert(0, os.path.dirname(__file__))

from fixture import assert_equal, make_images  # noqa: E402
from prepared import copy_of  # noqa: E402
from tap import Skip, Suite  # noqa: E402
from tools import VDISK_IMG, Failed, need, run, scratch  # noqa: E402

# Who changes files and who names them.  Calls that only reserve or cut are
# changes too.
WRITES = ("write", "pwrite64", "pwritev", "pwritev2", "fallocate", "ftruncate",
          "copy_file_range")
SYNCS = ("fsync", "fdatasync")
NAMES = ("rename", "renameat", "renameat2", "link", "linkat", "openat")
CALL = re.compile(r"^\d+ +(?:<\.\.\. )?(\w+)(?:\(| resumed>)(.*)$")
FILE = re.compile(r"\d+<([^>]*)>")
# The header of a sparse extent: the mark that all has been closed well comes
# last, when everything else is on disk, and may get lost.
CLEAN_MARK = re.compile(r'iov_base="KDMV.*iov_len=512}\], 1, 0, ')

# Command, files that it changes, whether it makes names.
COMMANDS = (
    (["convert", "-O", "raw", "a.vmdk", "x.raw"], ["x.raw"], True),
    (["convert", "-O", "raw", "a.vmdk", "b.raw"], ["b.raw"], True),
    (["convert", "-n", "-f", "raw", "-O", "raw", "a.raw", "b.raw"],
     ["b.raw"], False),
    (["convert", "-O", "vmdk", "-o", "subformat=twoGbMaxExtentFlat",
      "a.vmdk", "x.vmdk"], ["x.vmdk", "x-f001.vmdk"], True),
    (["convert", "-O", "vmdk", "-o", "subformat=twoGbMaxExtentSparse",
      "a.vmdk", "x.vmdk"], ["x.vmdk", "x-s001.vmdk"], True),
    (["convert", "-O", "vmdk", "-o", "subformat=streamOptimized", "a.vmdk",
      "x.vmdk"], ["x.vmdk"], True),
    (["dd", "if=a.raw", "of=x.raw"], ["x.raw"], True),
    (["dd", "-O", "vmdk", "if=a.raw", "of=x.vmdk"], ["x.vmdk"], True),
    (["create", "-q", "-f", "vmdk", "x.vmdk", "1M"], ["x.vmdk"], True),
    (["create", "-q", "x.raw", "1M"], ["x.raw"], True),
    (["create", "-q", "-f", "vmdk", "-o", "subformat=monolithicFlat",
      "x.vmdk", "1M"], ["x.vmdk", "x-flat.vmdk"], True),
    (["commit", "-q", "c.vmdk"], ["a.vmdk", "c.vmdk"], False),
    (["rebase", "-q", "-b", "", "c.vmdk"], ["c.vmdk"], False),
    (["resize", "-q", "s2.vmdk", "20M"], ["s2.vmdk"], False),
    (["resize", "-q", "-f", "raw", "b.raw", "20M"], ["b.raw"], False),
    (["resize", "-q", "f.vmdk", "20M"], ["f.vmdk", "f-f001.vmdk"], True),
)
HAS_CACHE = ("convert", "commit", "rebase", "resize")


class Trace:
    """The last write, sync and naming of each file, as times."""

    def __init__(self, text, directory):
        self.directory = directory
        self.written, self.synced, self.names = {}, {}, {}
        self.named = -1
        pending = {}
        for time, line in enumerate(text.splitlines()):
            thread = line.split(" ", 1)[0]
            match = CALL.match(line)
            if not match:
                continue
            call, rest = match.groups()
            if "<unfinished" in rest:
                pending[thread] = rest
                if call in WRITES:  # from its beginning on it may be there
                    self.take(call, rest, time)
                continue
            if " resumed>" in line:
                rest = pending.pop(thread, "") + rest
            if re.search(r"= -1 ", rest):
                continue
            self.take(call, rest, time)

    def take(self, call, rest, time):
        if CLEAN_MARK.search(rest):
            return
        if call in NAMES:
            if call != "openat" or "O_CREAT" in rest:
                if self.directory in rest or '"/' not in rest:
                    self.named = time
            return
        match = FILE.match(rest)
        path = match.group(1) if match else ""
        if not path.startswith(self.directory):
            return
        name = os.path.relpath(path, self.directory)
        if call in WRITES:
            self.written[name] = time
        elif call in SYNCS:
            self.synced[name] = time


def strace(args, directory):
    """Threads' engine: system calls of a ring are not to be seen."""
    log = os.path.join(directory, "strace.out")
    calls = ",".join(WRITES + SYNCS + NAMES)
    options = {"VDISK_ENGINE": "threads"}
    if os.environ.get("VDISK_SANITIZE", "none") != "none":
        # Two tracers of one process cannot be.
        options["ASAN_OPTIONS"] = "detect_leaks=0:" + os.environ.get(
            "ASAN_OPTIONS", "")
    result = run([need("strace"), "-f", "-y", "-qq", "-e", "trace=" + calls,
                  "-o", log, VDISK_IMG, *args], cwd=directory, env=options)
    if b"ptrace" in result.stderr or b"PTRACE" in result.stderr:
        raise Skip("processes cannot be traced here")
    assert_equal(0, result.code, str(result))
    with open(log, encoding="utf-8", errors="replace") as f:
        text = f.read()
    os.unlink(log)
    return Trace(text, directory)


def in_place(args):
    with scratch() as d:
        d = os.path.realpath(d)
        copy_of(make_disks, d)
        return strace(args, d)


def make_disks(directory):
    """Those of fixture.py, and s2.vmdk, a sparse disk without children."""
    make_images(directory)
    result = run([VDISK_IMG, "create", "-q", "-f", "vmdk", "s2.vmdk", "10M"],
                 cwd=directory)
    assert_equal(0, result.code, str(result))


def described(trace):
    return "written %s, synced %s, named %d" % (trace.written, trace.synced,
                                                trace.named)


def is_temporary(name):
    return ".vdisk-" in name or ".new-" in name


def check_durable(args, files, makes_names):
    trace = in_place(args)
    # What replaces a file is written under another name.
    written = {f for f in trace.written if not is_temporary(f)}
    assert_equal(set(), written - set(files), "files")
    for name in trace.written:
        if trace.synced.get(name, -1) < trace.written[name]:
            raise Failed("%s is not on disk: %s" % (name, described(trace)))
    if not trace.written:
        raise Failed("nothing was written: " + described(trace))
    if makes_names and trace.synced.get(".", -1) < trace.named:
        raise Failed("the directory is not on disk: " + described(trace))
    if not makes_names and trace.named >= 0:
        raise Failed("a name was made: " + described(trace))


def check_not_durable(args, option):
    """But for a descriptor that is replaced: its name is never given to a file
    that may turn out empty."""
    trace = in_place([args[0], *option, *args[1:]])
    replaced = [name for name in trace.synced if is_temporary(name)]
    if replaced:
        trace.synced.pop(".", None)
    assert_equal([], [name for name in trace.synced if name not in replaced],
                 "synced")
    if not trace.written:
        raise Failed("nothing was written: " + described(trace))


def check_insisted(args, files, makes_names):
    """--sync=end wins over what the cache mode implies, on either side."""
    for option in (["--sync=end", "-t", "unsafe"],
                   ["-t", "unsafe", "--sync=end"]):
        check_durable([args[0], *option, *args[1:]], files, makes_names)


def main():
    suite = Suite()
    for args, files, makes_names in COMMANDS:
        words = " ".join(args)
        suite.add("on disk at the end: " + words, check_durable, args, files,
                  makes_names)
        suite.add("--sync=none: " + words, check_not_durable, args,
                  ["--sync=none"])
        if args[0] in HAS_CACHE:
            suite.add("-t unsafe: " + words, check_not_durable, args,
                      ["-t", "unsafe"])
            suite.add("-t unsafe --sync=end: " + words, check_insisted, args,
                      files, makes_names)
    suite.run()


main()
