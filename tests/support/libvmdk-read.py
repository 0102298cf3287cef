#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""libvmdk-read.py IMAGE - size and nz64k digest of a VMDK as libvmdk sees it.

Runs under the distribution's Python, for which the binding is packaged, and as
a program of its own, so that a crash in that library is a failed test and not
the end of the tests.  Exit 77: the Python binding of libvmdk is missing.
"""
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from digest import Nz64k, PIECE  # noqa: E402

try:
    import pyvmdk
except ImportError:
    sys.exit(77)


LINKS = []  # a child does not keep its parent alive


def open_chain(path):
    """The disk and its parents, which libvmdk wants to be given."""
    disk = pyvmdk.handle()
    disk.open(path)
    disk.open_extent_data_files()
    parent = disk.get_parent_filename()
    if parent:
        disk.set_parent(open_chain(os.path.join(os.path.dirname(path),
                                                parent)))
    LINKS.append(disk)
    return disk


def main():
    disk = open_chain(sys.argv[1])
    size = disk.get_media_size()
    digest = Nz64k()

    for at in range(0, size, PIECE):
        want = min(PIECE, size - at)
        data = disk.read_buffer_at_offset(want, at)
        if len(data) != want:
            sys.exit("%d bytes at %d, wanted %d" % (len(data), at, want))
        digest.feed(at, data)
    disk.close()
    print(size, digest.hexdigest())


main()
