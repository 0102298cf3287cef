# SPDX-License-Identifier: BSD-3-Clause
"""prepared - images that many cases begin with, made once and copied.

    def make(directory): ...

    copy_of(make, directory)

A copy costs a hundredth of the programs that make the images.  What is made must
not name the place it is made in.
"""
import atexit
import functools
import os
import shutil
import tempfile

from holes import data_ranges

PIECE = 16 << 20


def copy_sparse(source, target):
    """Data and holes as they are, and the mode."""
    with open(source, "rb", buffering=0) as a, \
            open(target, "wb", buffering=0) as b:
        size = os.fstat(a.fileno()).st_size
        os.ftruncate(b.fileno(), size)
        for at, end in data_ranges(a.fileno(), size):
            while at < end:
                piece = os.pread(a.fileno(), min(PIECE, end - at), at)
                at += os.pwrite(b.fileno(), piece, at)
    shutil.copymode(source, target)


def copy_tree(source, target):
    """What is in @source into @target, which may have something already."""
    for folder, names, files in os.walk(source):
        place = os.path.join(target, os.path.relpath(folder, source))
        for name in names:
            os.makedirs(os.path.join(place, name), exist_ok=True)
        for name in files:
            copy_sparse(os.path.join(folder, name), os.path.join(place, name))


@functools.cache
def pattern_of(make, *args):
    """A directory with what make(directory, *args) makes; nobody changes it."""
    pattern = tempfile.mkdtemp(prefix="vdisk-prepared-")
    atexit.register(shutil.rmtree, pattern, True)
    make(pattern, *args)
    return pattern


def copy_of(make, directory, *args):
    """The same in @directory."""
    copy_tree(pattern_of(make, *args), directory)
