# SPDX-License-Identifier: BSD-3-Clause
"""process - running a program: its time, its memory, its system calls."""
import collections
import os
import subprocess
import sys
import tempfile

from holes import data_ranges

# Seconds of wall clock, seconds of all its threads, peak KiB resident.
Sample = collections.namedtuple("Sample", "seconds cpu rss")


def environment(engine):
    return dict(os.environ, **({"VDISK_ENGINE": engine} if engine else {}))


class Runner:
    """Runs programs by bench-run of the build in @build."""

    def __init__(self, build):
        self.program = os.path.join(build, "tests/bench/bench-run")

    def measured(self, argv, engine=None, repeat=1, warm=0):
        """(Sample of one run, what all of them printed)

        Memory is warmed first, so many MiB."""
        with tempfile.NamedTemporaryFile("r") as result:
            out = run([self.program, result.name, str(warm), str(repeat), *argv],
                      env=environment(engine))
            wall, cpu, rss = result.read().split()
        return Sample(float(wall), float(cpu), int(rss)), out


def run(argv, **kwargs):
    """Must succeed; nothing is measured."""
    done = subprocess.run(argv, capture_output=True, check=False, **kwargs)
    if done.returncode:
        sys.exit("%s\n%s" % (" ".join(argv), done.stderr.decode()))
    return done.stdout.decode()


def count_calls(argv, engine=None):
    """System calls of a run of @argv, of all threads together."""
    with tempfile.NamedTemporaryFile() as log:
        run(["strace", "-f", "-c", "-U", "calls,name", "-o", log.name, *argv],
            env=environment(engine))
        with open(log.name, encoding="ascii", errors="replace") as file:
            words = [line.split() for line in file]
    return sum(int(w[0]) for w in words
               if len(w) == 2 and w[0].isdigit() and w[1] != "total")


def read_all(path):
    """So that it is cached; holes are none of that."""
    with open(path, "rb", buffering=0) as file:
        for start, end in data_ranges(file.fileno(), os.path.getsize(path)):
            file.seek(start)
            left = end - start
            while left > 0 and (data := file.read(min(left, 1 << 20))):
                left -= len(data)


def forget(path):
    """Out of the page cache: it holds a file as it was written or read, in
    large pieces or in small ones, and is a third slower with small ones.
    Whatever made @path, it is the reading that counts then."""
    with open(path, "rb") as file:
        os.fsync(file.fileno())
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def remove(path):
    if path and os.path.exists(path):
        os.unlink(path)
