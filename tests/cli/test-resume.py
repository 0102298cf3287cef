#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""test-resume - convert --resume: interrupted at any moment the copy goes on and
ends as if nothing had been; what does not belong together is refused."""
import atexit
import contextlib
import functools
import json
import os
import random
import re
import shutil
import signal
import sys
import tempfile
import time

sys.path.insert(0, os.path.dirname(__file__))

from fixture import MIB, assert_equal, digest, make_noise  # noqa: E402
from running import PATIENCE, Running  # noqa: E402
from tap import Suite  # noqa: E402
from tools import (SHORT, VDISK_IMG, Failed, run, scratch,  # noqa: E402
                   vdisk_img, vdisk_img_fails, working_engines)

SIZE = 24 * MIB
KINDS = {
    "raw": ("raw", []),
    "sparse": ("vmdk", []),
    "small-grains": ("vmdk", ["-o", "grain_size=4k"]),
    "split": ("vmdk", ["-o", "subformat=twoGbMaxExtentSparse,split_size=9M"]),
    "flat": ("vmdk", ["-o", "subformat=twoGbMaxExtentFlat,split_size=9M"]),
}

suite = Suite()


def make_source(path):
    """Noise with a hole and a stretch of written zeroes in it."""
    make_noise(path, SIZE)
    with open(path, "r+b") as f:
        f.seek(5 * MIB)
        f.write(bytes(2 * MIB))
        os.posix_fallocate(f.fileno(), 0, SIZE)


class Job:
    """A source, a target of one kind with old content, and the journal j."""

    def __init__(self, directory, kind, engine=None):
        self.dir, self.engine = directory, engine
        self.format, options = KINDS[kind]
        make_source(self.path("source"))
        vdisk_img("create", "-q", "-f", self.format, *options,
                  self.path("target"), SIZE)
        vdisk_img("fill", "-q", "-f", self.format, "--pattern=0x55",
                  "-o", 5 * MIB, "-l", MIB, self.path("target"))

    def path(self, name):
        return os.path.join(self.dir, name)

    def words(self, *more):
        return ["convert", "-n", "-f", "raw", "-O", self.format,
                "--resume=j", *more, "source", "target"]

    def start(self, *more):
        return Running(self.words(*more), self.dir, self.engine)

    def finish(self, *more):
        """Its JSON result."""
        report = json.loads(vdisk_img(*self.words("--output=json", *more),
                                      cwd=self.dir, engine=self.engine))
        if os.path.exists(self.path("j")):
            raise Failed("the journal is still there")
        return report

    def fails(self, pattern, *more):
        text = vdisk_img_fails(*self.words(*more), cwd=self.dir,
                               engine=self.engine)
        if not re.search(pattern, text):
            raise Failed("wanted %r: %s" % (pattern, text))
        return text

    def done(self):
        """What the journal says; it is always whole."""
        try:
            with open(self.path("j"), encoding="ascii") as f:
                text = f.read()
        except FileNotFoundError:
            return 0
        return int(re.search(r"^done: (\d+)\nsum: [0-9a-f]{64}\n\Z", text,
                             re.MULTILINE).group(1))

    def wait_for_done(self, more_than, job):
        deadline = time.monotonic() + PATIENCE
        while self.done() <= more_than:
            if time.monotonic() > deadline or job.process.poll() is not None:
                raise Failed("the journal does not go on")
            time.sleep(0.005)

    def assert_complete(self):
        assert_equal("Images are identical.\n",
                     vdisk_img("compare", "-f", "raw", "-F", self.format,
                               self.path("source"), self.path("target")),
                     "compare")
        if self.format == "vmdk":
            code = run([VDISK_IMG, "check", "-q", self.path("target")]).code
            if code not in (0, 3):  # a kill may leave leaks
                raise Failed("check: %d" % code)

    def states(self):
        return {name: digest(self.path(name))
                for name in sorted(os.listdir(self.dir))
                if os.path.isfile(self.path(name))}


# -- interruptions ------------------------------------------------------------

def interrupted(sig, kind, engine, seed):
    chance = random.Random(seed)
    with scratch() as d:
        job = Job(d, kind, engine)
        done = 0
        for _ in range(1 if SHORT else 2):
            copy = job.start("-r", "6M")
            job.wait_for_done(done, copy)
            time.sleep(chance.random() * 0.3)
            copy.process.send_signal(sig)
            code, _, err = copy.end()
            assert_equal(130 if sig == signal.SIGINT else -sig, code,
                         err.decode())
            if sig == signal.SIGINT and b"goes on where 'j' says" not in err:
                raise Failed(err.decode())
            if job.done() <= done:
                raise Failed("nothing was kept")
            done = job.done()
        report = job.finish()
        assert_equal(done, report["resumed-at"], "resumed-at")
        if report["bytes-read"] > SIZE - done:
            raise Failed("read again: %s behind %d" % (report, done))
        job.assert_complete()


def courses():
    """(number of the kind, kind, engine, signal): a short run has each two of
    them together, a long one all three."""
    for number, kind in enumerate(KINDS):
        for e, engine in enumerate(working_engines()):
            for s, sig in enumerate((signal.SIGINT, signal.SIGKILL)):
                if not SHORT or (number + e + s) % 2 == 0:
                    yield number, kind, engine, sig


for number_, kind_, engine_, sig_ in courses():
    suite.add("a copy to %s goes on after %s (%s)" % (
        kind_, sig_.name, engine_), interrupted, sig_, kind_, engine_, number_)


@suite.case("a copy of links and several files goes on")
def _():
    with scratch() as d:
        job = Job(d, "sparse")
        vdisk_img("convert", "-f", "raw", "-O", "vmdk", "-o",
                  "subformat=twoGbMaxExtentSparse,split_size=9M", "source",
                  "base.vmdk", cwd=d)
        vdisk_img("create", "-q", "-f", "vmdk", "-b", "base.vmdk", "-F",
                  "vmdk", "top.vmdk", cwd=d)
        words = ["convert", "-n", "-O", "vmdk", "--resume=j", "top.vmdk",
                 "target"]
        copy = Running(words + ["-r", "6M"], d)
        job.wait_for_done(2 * MIB, copy)
        copy.process.kill()
        copy.end()
        with open(job.path("base-s002.vmdk"), "r+b") as f:
            os.utime(f.fileno())
        text = vdisk_img_fails(*words, cwd=d)
        if "base-s002.vmdk" not in text:
            raise Failed(text)
        os.unlink(job.path("j"))
        vdisk_img(*words, cwd=d)
        job.assert_complete()


@suite.case("a source that cannot be read holds the copy where it is")
def _():
    with scratch() as d:
        job = Job(d, "raw")
        os.truncate(job.path("target"), 16 * MIB)
        job.fails("output file is smaller than input file")
        assert_equal(0, job.done(), "done")
        os.truncate(job.path("target"), SIZE)
        job.finish()
        job.assert_complete()


# -- what is said -------------------------------------------------------------

def stopped(job):
    """The journal of a copy that was stopped."""
    copy = job.start("-r", "6M")
    job.wait_for_done(0, copy)
    copy.process.send_signal(signal.SIGINT)
    copy.end()
    return job.done()


@suite.case("where it goes on is said to people")
def _():
    with scratch() as d:
        job = Job(d, "raw")
        assert_equal("", vdisk_img(*job.words(), cwd=d), "without a journal")
        done = stopped(job)
        text = vdisk_img(*job.words(), cwd=d)
        match = re.fullmatch(r"Resuming at (\d+(?:\.\d+)?)/24 MiB\.\n", text)
        if not match or abs(float(match.group(1)) - done / MIB) > 0.06:
            raise Failed("%d: %r" % (done, text))
        stopped(job)
        assert_equal("", vdisk_img(*job.words("-q"), cwd=d), "with -q")


@suite.case("where it goes on is said in JSON")
def _():
    with scratch() as d:
        job = Job(d, "raw")
        report = job.finish()
        assert_equal(
            ["source", "target", "format", "virtual-size", "actual-size",
             "bytes-read", "bytes-written", "bytes-zero", "bytes-offloaded",
             "resumed-at", "elapsed", "rate", "engine", "warnings"],
            list(report), "keys")
        assert_equal(0, report["resumed-at"], "resumed-at")


@suite.case("the journal is a text")
def _():
    with scratch() as d:
        job = Job(d, "raw")
        stopped(job)
        with open(job.path("j"), encoding="ascii") as f:
            text = f.read()
        text = re.sub(r"time \d+\.\d{9}", "time T", text)
        text = re.sub(r"inode \d+( of \d+\.\d{9})?", "inode I", text)
        text = re.sub(r"done: \d+", "done: N", text)
        text = re.sub(r"[0-9a-f]{64}", "S", text).replace(d, "D")
        assert_equal(
            "vdisk-img convert journal, version 1\n"
            "source: \"D/source\" raw 25165824\n"
            "file: \"D/source\" size 25165824 time T\n"
            "options: sparse 4096, grains auto, zero off, salvage off, whole chain\n"
            "target: \"D/target\" raw 25165824\n"
            "into: \"D/target\" inode I\n"
            "done: N\n"
            "sum: S\n", text, "journal")


# -- refusals -----------------------------------------------------------------

def edit(change):
    def apply(job):
        with open(job.path("j"), "rb") as f:
            data = f.read()
        with open(job.path("j"), "wb") as f:
            f.write(change(data))
    return apply


def become_directory(job):
    os.unlink(job.path("j"))
    os.mkdir(job.path("j"))


def become_link(job):
    os.rename(job.path("j"), job.path("k"))
    os.symlink("k", job.path("j"))


def replace_target(job):
    os.rename(job.path("target"), job.path("old"))
    vdisk_img("create", "-q", "-f", "raw", job.path("target"), SIZE)


def replace_source(job):
    os.rename(job.path("source"), job.path("old"))
    make_source(job.path("source"))


# What is done to the journal, and why it is refused.
JOURNALS = {
    "is cut short": (edit(lambda b: b[:-30]), "checksum"),
    "is cut at a line": (edit(lambda b: b[:b.rindex(b"sum:")]),
                         "its end is missing"),
    "is empty": (edit(lambda b: b""), "it is empty"),
    "is damaged": (edit(lambda b: b.replace(b"done: ", b"done: 9")),
                   "checksum"),
    "has something behind it": (edit(lambda b: b + b"\n"), "checksum"),
    "is of another version": (
        edit(lambda b: b.replace(b"version 1", b"version 2")),
        "of version '2', and only 1"),
    "is something else": (edit(lambda b: b"precious\n"),
                          "it is something else"),
    "is binary": (edit(lambda b: b + b"\0"), "it is no text"),
    "is a directory": (become_directory, "it is no file"),
    "is a link": (become_link, "it is no file"),
}
# What is done to the files of the copy.
FILES = {
    "is of an older source": (lambda job: os.utime(job.path("source")),
                              "has 'file: .*source.* wanted 'file: "),
    "is of a shorter source": (
        lambda job: os.truncate(job.path("source"), SIZE - MIB),
        "has 'source: .*, wanted 'source: "),
    "is of another source": (replace_source, "has 'file: "),
    "is of another target": (replace_target, "has 'into: .* wanted 'into: "),
}


@functools.cache
def stopped_job():
    directory = tempfile.mkdtemp(prefix="vdisk-test-resume-")
    atexit.register(shutil.rmtree, directory, True)
    job = Job(directory, "raw")
    stopped(job)
    return job


@contextlib.contextmanager
def another_journal(change):
    """The stopped job with its journal changed; it stays as it is for the next
    one."""
    job = stopped_job()
    journal = job.path("j")
    os.rename(journal, job.path("kept"))
    shutil.copy(job.path("kept"), journal)
    try:
        change(job)
        yield job
    finally:
        for name in ("j", "k"):
            path = job.path(name)
            if os.path.isdir(path):
                os.rmdir(path)
            elif os.path.lexists(path):
                os.unlink(path)
        os.rename(job.path("kept"), journal)


@contextlib.contextmanager
def other_files(change):
    with scratch() as d:
        job = Job(d, "raw")
        stopped(job)
        change(job)
        yield job


def refused(changed, change, pattern, words):
    with changed(change) as job:
        before = job.states()
        job.fails("^vdisk-img: Cannot resume from 'j': .*" + pattern, *words)
        assert_equal(before, job.states(), "files")


for place_, table_ in ((another_journal, JOURNALS), (other_files, FILES)):
    for name_, (change_, pattern_) in table_.items():
        suite.add("a journal that %s is refused" % name_, refused, place_,
                  change_, pattern_, [])
for word_ in (["-S", "0"], ["--target-is-zero"], ["--salvage"]):
    suite.add("a journal without %s is refused with it" % word_[0], refused,
              another_journal, lambda job: None,
              "has 'options: .* wanted 'options: ", word_)


@suite.case("nobody spoils the journal of a copy that is running")
def _():
    with scratch() as d:
        job = Job(d, "raw")
        copy = job.start("-r", "6M")
        job.wait_for_done(0, copy)
        copy.process.send_signal(signal.SIGSTOP)  # so that it does not end
        try:
            job.fails('Failed to get (shared )?"[a-z ]+" lock')
        finally:
            copy.process.send_signal(signal.SIGCONT)
        if job.done() == 0:
            raise Failed("the journal is gone")
        copy.process.send_signal(signal.SIGINT)
        copy.end()
        job.finish()
        job.assert_complete()


@suite.case("a journal that cannot be written is told before all else")
def _():
    with scratch() as d:
        job = Job(d, "raw")
        before = job.states()
        words = job.words()
        words[words.index("--resume=j")] = "--resume=missing/j"
        text = vdisk_img_fails(*words, cwd=d)
        assert_equal("vdisk-img: could not write the journal 'missing/j': No "
                     "such file or directory\n", text, "message")
        assert_equal(before, job.states(), "files")


@suite.case("words that do not go with --resume")
def _():
    with scratch() as d:
        job = Job(d, "raw")
        before = job.states()
        for words, wanted in (
                (["source", "new"], "--resume requires use of -n flag"),
                (["-n", "-c", "source", "target"],
                 "Cannot resume a compressed copy: its records are written "
                 "once, in order"),
                (["-n", "--verify", "source", "target"],
                 "--verify sees only what it copies itself: compare the "
                 "images after --resume"),
                (["-n", "-", "target"],
                 "Cannot resume a copy of standard input"),
                (["-n", "--sync=none", "source", "target"],
                 "Cannot resume a copy that is not flushed (--sync=none, "
                 "-t unsafe)"),
                (["-n", "-t", "unsafe", "source", "target"],
                 "Cannot resume a copy that is not flushed (--sync=none, "
                 "-t unsafe)")):
            text = vdisk_img_fails("convert", "--resume=j", *words, cwd=d,
                                   stdin=b"x")
            assert_equal("vdisk-img: %s\n" % wanted, text, " ".join(words))
        vdisk_img(*job.words("-t", "unsafe", "--sync=end"), cwd=d)
        before["target"] = digest(job.path("source"))
        assert_equal(before, job.states(), "files")


@suite.case("streamOptimized cannot be resumed")
def _():
    with scratch() as d:
        job = Job(d, "raw")
        vdisk_img("create", "-q", "-f", "vmdk", "-o",
                  "subformat=streamOptimized", "s.vmdk", SIZE, cwd=d)
        before = job.states()
        text = vdisk_img_fails("convert", "-n", "-f", "raw", "-O", "vmdk",
                               "--resume=j", "source", "s.vmdk", cwd=d)
        assert_equal("vdisk-img: s.vmdk: a copy to it cannot be resumed: what "
                     "it takes is written once, in order\n", text, "message")
        assert_equal(before, job.states(), "files")


suite.run()
