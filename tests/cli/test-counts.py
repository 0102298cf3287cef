#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""test-counts - what a job asks of the storage and of the kernel, counted.

Times depend on the machine and its other users, counts do not: merged requests,
one synchronisation, few waits for threads, few entries into a ring.  Requests
are counted by vdisk-img itself (--stats), since those of a ring are no system
calls; system calls by strace, and by perf where tracing would change them."""
import collections
import json
import os
import re
import shutil
import subprocess
import sys

sys.path[:0] = [os.path.dirname(__file__),
                os.path.join(os.path.dirname(__file__), "../support")]

from tap import Skip, Suite  # noqa: E402
from tools import (SHORT, UNDER_SANITIZER, VDISK_IMG, Failed,  # noqa: E402
                   need, run, scratch, working_engines)

MIB = 1 << 20
DATA_MIB = 160  # more than a convert may take of memory
STRETCH = 4 * MIB  # of data, then of hole
TABLE_BYTES = 2048
TABLE_COVERS = 32 * MIB
# Headers, descriptors, what is read to find out what a file is.
FEW = 16
MEMORY_LIMIT_KIB = 128 << 10

VMDK = ("-O", "vmdk")
STREAM = ("-O", "vmdk", "-o", "subformat=streamOptimized")
RAW = ("-O", "raw")

Job = collections.namedtuple("Job", "name source form")
# requests: {operation: number of them to the storage below all images}
Measured = collections.namedtuple("Measured", "requests resident_kib")


class Place:
    """A directory with a raw disk, and the other forms of it on demand."""

    def __init__(self, directory):
        self.dir = directory
        self.measured, self.counted = {}, {}
        block = os.urandom(STRETCH)
        with open(self.path("raw"), "wb") as f:
            for n in range(DATA_MIB * MIB // STRETCH):
                f.seek(n * 2 * STRETCH)
                f.write(block)
            f.truncate(2 * DATA_MIB * MIB)

    def path(self, name):
        return os.path.join(self.dir, name)

    def source(self, name):
        """The disk as "raw", "sparse" or "stream"."""
        if not os.path.exists(self.path(name)):
            form = {"sparse": VMDK, "stream": STREAM}[name]
            must_succeed(run([VDISK_IMG, "convert", *form, "raw", name],
                             cwd=self.dir))
        return name

    def convert(self, job, *options):
        """The words of a conversion into a file that is not there."""
        if os.path.exists(self.path("out")):
            os.unlink(self.path("out"))
        return ["convert", *options, *job.form, self.source(job.source), "out"]

    def measure(self, job, engine):
        """What a run of the job asked for and held; the same run for all."""
        if (job, engine) not in self.measured:
            words = self.convert(job, "--stats", "--output=json")
            text, resident = run_for_usage([VDISK_IMG, *words], self.dir,
                                           engine)
            storage = json.loads(text)["stats"]["storage"]
            self.measured[job, engine] = Measured(collections.Counter(
                {op: row["requests"] for op, row in storage.items()}),
                resident)
        return self.measured[job, engine]

    def count(self, job, engine):
        """The system calls of a run of the job, the same run for all."""
        if (job, engine) not in self.counted:
            self.counted[job, engine] = self.calls(self.convert(job), engine)
        return self.counted[job, engine]

    def calls(self, words, engine):
        """{system call: how often}, of all threads together."""
        log = self.path("strace.out")
        env = {"VDISK_ENGINE": engine}
        if UNDER_SANITIZER:  # two tracers of one process cannot be
            env["ASAN_OPTIONS"] = "detect_leaks=0:" + os.environ.get(
                "ASAN_OPTIONS", "")
        done = run([need("strace"), "-f", "-c", "-U", "calls,name", "-o", log,
                    VDISK_IMG, *words], cwd=self.dir, env=env)
        if b"ptrace" in done.stderr or b"PTRACE" in done.stderr:
            raise Skip("processes cannot be traced here")
        must_succeed(done)
        with open(log, encoding="ascii", errors="replace") as f:
            return counts_of(f)


def run_for_usage(argv, directory, engine):
    """(stderr, peak resident KiB)"""
    with open(os.path.join(directory, "stderr"), "w+b") as errors:
        child = subprocess.Popen(argv, cwd=directory, stderr=errors,
                                 stdout=subprocess.DEVNULL,
                                 env=dict(os.environ, VDISK_ENGINE=engine))
        _, status, usage = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
        errors.seek(0)
        text = errors.read().decode()
    if child.returncode:
        raise Failed("%s: exit %d: %s" % (argv, child.returncode, text))
    return text, usage.ru_maxrss


def counts_of(lines):
    counts = collections.Counter()
    for line in lines:
        words = line.split()
        if len(words) == 2 and words[0].isdigit() and words[1] != "total":
            counts[words[1]] += int(words[0])
    return counts


def must_succeed(done):
    if done.code != 0:
        raise Failed(str(done))


def at_most(limit, got, what):
    print("# %s: %s, allowed %s" % (what, got, limit), flush=True)
    if got > limit:
        raise Failed("%s: %s, more than %s" % (what, got, limit))


# -- requests -----------------------------------------------------------------

def check_into_vmdk(place, job, engine):
    """1.2 writes a MiB and one for 4 KiB of table, of which there are two."""
    tables = 2 * (2 * DATA_MIB * MIB // TABLE_COVERS) * TABLE_BYTES
    at_most(int(1.2 * DATA_MIB) + tables // 4096 + FEW,
            place.measure(job, engine).requests["write"], "writes")


def check_into_raw(place, job, engine):
    at_most(int(1.2 * DATA_MIB), place.measure(job, engine).requests["write"],
            "writes")


def check_few_reads(place, job, engine):
    """For a stream 15 grains, and their records, have a buffer: a stretch of
    4 MiB takes five."""
    at_most(int((1.3 if job.form == STREAM else 1.2) * DATA_MIB) + FEW,
            place.measure(job, engine).requests["read"], "reads")


def check_memory(place, job, engine):
    if UNDER_SANITIZER:
        raise Skip("a sanitizer's own memory")
    at_most(MEMORY_LIMIT_KIB, place.measure(job, engine).resident_kib,
            "KiB of resident memory")


# -- system calls -------------------------------------------------------------

def check_calls(place, job):
    """No request is several system calls, where each of them is seen."""
    calls = place.count(job, "threads")
    requests = place.measure(job, "threads").requests
    for op, names in (("write", ("pwrite64", "pwritev", "pwritev2")),
                      ("read", ("pread64", "preadv", "preadv2"))):
        at_most(requests[op] + 3 * FEW, sum(calls[name] for name in names),
                "calls that " + op)


def check_one_sync(place, job, engine):
    """The new file once, its directory once; the ring asks for none either."""
    calls = place.count(job, engine)
    at_most(2, calls["fsync"] + calls["fdatasync"], "synchronisations")
    at_most(0, place.measure(job, engine).requests["flush"],
            "flushes in between")


def futexes_by_perf(place, job, engine):
    """What the kernel has counted without being in the way; None if it may
    not."""
    log = place.path("perf.out")
    words = place.convert(job)
    if not shutil.which("perf"):
        return None
    done = run(["perf", "stat", "-x,", "-e", "syscalls:sys_enter_futex", "-o",
                log, VDISK_IMG, *words], cwd=place.dir,
               env={"VDISK_ENGINE": engine})
    if done.code != 0 or not os.path.exists(log):
        return None
    with open(log, encoding="ascii", errors="replace") as f:
        found = re.search(r"^(\d+),", f.read(), re.MULTILINE)
    return int(found.group(1)) if found else None


def need_inline_reads(place):
    """Where the kernel cannot say "not in memory" each small read, of which
    streams have many, is a worker's."""
    with open(place.path("raw"), "rb") as file:
        try:
            os.preadv(file.fileno(), [bytearray(1)], 0, os.RWF_NOWAIT)
        except BlockingIOError:
            pass
        except OSError as error:
            raise Skip("no RWF_NOWAIT on the file system of TMPDIR") from error


def check_few_futexes(place, job, engine):
    """Under strace a thread that holds a lock is slow, so others wait for it
    that would not: twice as many are allowed."""
    if job.form == STREAM or job.source == "stream":
        need_inline_reads(place)
    limit, count = 5 * DATA_MIB, futexes_by_perf(place, job, engine)
    if count is None:
        limit, count = 2 * limit, place.count(job, engine)["futex"]
    at_most(limit, count, "futex calls")


def check_few_enters(place, image):
    """A ring is entered for many requests at once."""
    probe = os.open(place.path(place.source(image)), os.O_RDONLY)
    try:
        os.close(os.open("/proc/self/fd/%d" % probe,
                         os.O_RDONLY | os.O_DIRECT))
    except OSError as error:
        raise Skip("no O_DIRECT on the file system of TMPDIR") from error
    finally:
        os.close(probe)
    requests = 6400
    calls = place.calls(["bench", "-t", "none", "-d", "32", "--random=7",
                         "-c", str(requests), image], "uring")
    at_most(int(0.2 * requests), calls["io_uring_enter"], "entries")


# -- the page cache -----------------------------------------------------------

UNCACHED = 0x80  # RWF_DONTCACHE


def knows_uncached(place):
    fd = os.open(place.path("probe"), os.O_RDWR | os.O_CREAT)
    try:
        os.pwritev(fd, [b"x"], 0, UNCACHED)
    except OSError:
        return False
    finally:
        os.close(fd)
    return True


def uncached_calls(place, limit):
    """How many calls of a copy ask not to be kept in memory."""
    log = place.path("strace.out")
    env = {"VDISK_ENGINE": "threads", "VDISK_COPY_CACHED": str(limit)}
    if UNDER_SANITIZER:
        env["ASAN_OPTIONS"] = "detect_leaks=0:" + os.environ.get(
            "ASAN_OPTIONS", "")
    words = place.convert(Job("", "raw", RAW))
    done = run([need("strace"), "-f", "-e", "trace=preadv2,pwritev2", "-o", log,
                VDISK_IMG, *words], cwd=place.dir, env=env)
    if b"ptrace" in done.stderr or b"PTRACE" in done.stderr:
        raise Skip("processes cannot be traced here")
    must_succeed(done)
    with open(log, encoding="ascii", errors="replace") as f:
        return sum(bool(re.search(r", (0x80\b|RWF_DONTCACHE)", line))
                   for line in f)


def check_uncached(place):
    at_most(0, uncached_calls(place, 1 << 40), "calls of a small copy")
    got = uncached_calls(place, 32 * MIB)
    if not knows_uncached(place):
        # Both ends of all that is in flight, before the first answer.
        at_most(4 * FEW, got, "calls, which are refused")
    elif got < 2 * DATA_MIB - 2 * 64:
        raise Failed("%d calls of a large copy keep nothing in memory" % got)


# -- all of them --------------------------------------------------------------

JOBS = (Job("raw to sparse VMDK", "raw", VMDK),
        Job("sparse VMDK to another", "sparse", VMDK),
        Job("sparse VMDK to raw", "sparse", RAW),
        Job("raw to raw", "raw", RAW),
        Job("raw to stream", "raw", STREAM),
        Job("stream to raw", "stream", RAW))


def add_checks(suite, place, job, engine):
    def add(text, check):
        suite.add("%s %s, %s" % (job.name, text, engine), check, place, job,
                  engine)

    if job.form == VMDK:
        add("asks for few writes", check_into_vmdk)
    if job.form == RAW:
        add("asks for few writes", check_into_raw)
    if job.source != "stream":  # there a request is what a record takes
        add("asks for few reads", check_few_reads)
    add("synchronises once", check_one_sync)
    add("seldom waits for a thread", check_few_futexes)
    add("takes less than 128 MiB", check_memory)


def main():
    suite = Suite()
    engines = working_engines()
    with scratch() as directory:
        place = Place(directory)
        for job in JOBS:
            for engine in engines[-1:] if SHORT else engines:
                add_checks(suite, place, job, engine)
            if not SHORT:
                suite.add("a request is a call, " + job.name, check_calls,
                          place, job)
        suite.add("a large copy keeps nothing in memory", check_uncached, place)
        for image in ("raw", "sparse") if "uring" in engines else ():
            suite.add("random reads of %s seldom enter the ring" % image,
                      check_few_enters, place, image)
        suite.run()


main()
