#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""dataset.py OUT SIZE_MiB - a raw disk for benchmarks, half data, half hole.

The data are this machine's own files (programs, libraries, text) in sorted
order, each from a 4 KiB border on, as a file system would lay them: they
compress like a system disk does.  After every 16 MiB of data comes a hole of
16 MiB.  The same on each run on the same machine.
"""
import os
import sys

ROOTS = ("/usr/bin", "/usr/lib", "/usr/share", "/usr/include")
BLOCK = 4096
STRETCH = 16 << 20
LARGEST = 64 << 20


def system_files():
    for root in ROOTS:
        for top, dirs, names in os.walk(root):
            dirs.sort()
            for name in sorted(names):
                path = os.path.join(top, name)
                if not os.path.islink(path) and os.path.isfile(path) and \
                        0 < os.path.getsize(path) <= LARGEST:
                    yield path


def padded_contents():
    for path in system_files():
        try:
            with open(path, "rb") as file:
                data = file.read()
        except OSError:
            continue
        yield data + bytes(-len(data) % BLOCK)


def blocks():
    """The contents in pieces of one stretch; begins anew at the end."""
    buffer = bytearray()
    while True:
        for data in padded_contents():
            buffer += data
            while len(buffer) >= STRETCH:
                yield bytes(buffer[:STRETCH])
                del buffer[:STRETCH]


def make(path, size):
    with open(path, "wb") as out:
        pieces = blocks()
        for at in range(0, size, 2 * STRETCH):
            out.seek(at)
            out.write(next(pieces)[:size - at])
        out.truncate(size)


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    make(sys.argv[1], int(sys.argv[2]) << 20)
