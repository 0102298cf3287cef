#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""libvhdi-read.py IMAGE - size and nz64k digest of a VHD or VHDX without parent
as libvhdi sees it.

A program of its own, as libvmdk-read.py is and why.  Exit 77: the Python binding
of libvhdi is missing.
"""
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from digest import Nz64k, PIECE  # noqa: E402

try:
    import pyvhdi
except ImportError:
    sys.exit(77)

disk = pyvhdi.file()
disk.open(sys.argv[1])
digest = Nz64k()
size = disk.get_media_size()
for at in range(0, size, PIECE):
    digest.feed(at, disk.read_buffer_at_offset(min(PIECE, size - at), at))
print(size, digest.hexdigest())
