#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""libyal-read.py pyvhdi|pyqcow IMAGE - size and nz64k digest of an image without
parent as libvhdi or libqcow sees it.

A program of its own, as libvmdk-read.py is and why.  Exit 77: the Python binding
of that library is missing.
"""
import importlib
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from digest import Nz64k, PIECE  # noqa: E402

try:
    library = importlib.import_module(sys.argv[1])
except ImportError:
    sys.exit(77)

disk = library.file()
disk.open(sys.argv[2])
digest = Nz64k()
size = disk.get_media_size()
for at in range(0, size, PIECE):
    digest.feed(at, disk.read_buffer_at_offset(min(PIECE, size - at), at))
print(size, digest.hexdigest())
