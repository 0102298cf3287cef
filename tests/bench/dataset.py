#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""dataset.py [ext4|stripes] OUT SIZE_MiB - a raw disk for benchmarks.

The data are this machine's own files (programs, libraries, text) in sorted
order: they compress like a system disk does.  The same on each run on the same
machine.

ext4: a file system of which about two thirds are files, as mke2fs makes it.
stripes: each file from a 4 KiB border on; after every 16 MiB of data comes a hole
of 16 MiB.
"""
import os
import shutil
import subprocess
import sys
import tempfile

# Of each as much as of the others, as far as it is there.
ROOTS = ("/usr/bin", "/usr/share",
         "/usr/lib/%s-linux-gnu" % os.uname().machine, "/usr/include",
         "/usr/lib/jvm")
BLOCK = 4096
STRETCH = 16 << 20
LARGEST = 64 << 20
MIB = 1 << 20
# Of an ext4 image: files; its own tables come to that.
FILES_SHARE = 0.66
UUID = "7d1c3a52-0b6e-4f0c-9d7a-2f41c5e8a903"


def files_of(root):
    for top, dirs, names in os.walk(root):
        dirs.sort()
        for name in sorted(names):
            path = os.path.join(top, name)
            if not os.path.islink(path) and os.path.isfile(path) and \
                    0 < os.path.getsize(path) <= LARGEST:
                yield path


def system_files():
    for root in ROOTS:
        yield from files_of(root)


# -- stripes ------------------------------------------------------------------

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


# -- ext4 ---------------------------------------------------------------------

def fair_share(total):
    """Files of @total bytes: of each root as many as of the others, and then
    whatever is left."""
    left, rest = total, []
    for root in ROOTS:
        share = total // len(ROOTS)
        for path in files_of(root):
            size = -(-os.path.getsize(path) // BLOCK) * BLOCK
            if size > share:
                rest.append((path, size))
                continue
            share -= size
            left -= size
            yield path
    for path, size in rest:
        if size <= left:
            left -= size
            yield path


def stage(top, total):
    for path in fair_share(total):
        target = top + path
        os.makedirs(os.path.dirname(target), exist_ok=True)
        try:
            shutil.copyfile(path, target)
        except OSError:
            continue
        os.utime(target, (0, 0))


def make_ext4(path, size):
    mke2fs = shutil.which("mke2fs", path=os.environ["PATH"] + ":/sbin:/usr/sbin")
    if not mke2fs:
        sys.exit("mke2fs (e2fsprogs) is not installed: --data stripes")
    with tempfile.TemporaryDirectory(dir=os.path.dirname(path)) as top:
        stage(top, int(size * FILES_SHARE))
        with open(path, "wb") as out:
            out.truncate(size)
        subprocess.run(
            [mke2fs, "-q", "-F", "-t", "ext4", "-b", str(BLOCK), "-U", UUID,
             "-E", "nodiscard,lazy_itable_init=1,hash_seed=" + UUID, "-d", top,
             path], check=True, env=dict(os.environ, E2FSPROGS_FAKE_TIME="1"))


MAKERS = {"ext4": make_ext4, "stripes": make}

if __name__ == "__main__":
    if len(sys.argv) != 4 or sys.argv[1] not in MAKERS:
        sys.exit(__doc__)
    MAKERS[sys.argv[1]](sys.argv[2], int(sys.argv[3]) << 20)
