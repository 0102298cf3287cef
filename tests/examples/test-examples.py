#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""test-examples - the embedding examples run and read what is there."""
import os
import random
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../support"))

from tap import Suite  # noqa: E402

suite = Suite()


def checksum(data):
    """Every byte counts with its offset."""
    return sum(b * (2 * i + 1) for i, b in enumerate(data)) % 2 ** 64


def run(program, *args):
    return subprocess.run([program, *args], capture_output=True, timeout=120)


def with_image(size, check):
    data = random.Random(size).randbytes(size)
    with tempfile.NamedTemporaryFile(suffix=".raw") as image:
        image.write(data)
        image.flush()
        check(image.name, data)


def reads_image(program):
    # Blocks of 64 KiB: none, one, several with a rest, more than the depth.
    for size in (0, 512, 300 * 1024 + 512, 2 << 20):
        def check(name, data):
            done = run(program, name)
            want = "%016x %s\n" % (checksum(data), name)
            assert done.returncode == 0, done.stderr.decode()
            assert done.stdout.decode() == want, (done.stdout, want)
        with_image(size, check)


def names_missing_image(program):
    done = run(program, "/nonexistent/image.raw")
    assert done.returncode == 1, done.returncode
    assert b"/nonexistent/image.raw" in done.stderr, done.stderr
    assert done.stdout == b"", done.stdout


def wants_an_image(program):
    done = run(program)
    assert done.returncode == 1, done.returncode
    assert done.stderr.startswith(b"usage: "), done.stderr


for example in os.environ["VDISK_EXAMPLES"].split(os.pathsep):
    short = os.path.basename(example)
    suite.add(short + " reads an image", reads_image, example)
    suite.add(short + " names a missing image", names_missing_image, example)
    suite.add(short + " wants an image", wants_an_image, example)

suite.run()
