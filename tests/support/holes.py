# SPDX-License-Identifier: BSD-3-Clause
"""holes - where a file has data, and where it has none."""
import os


def data_ranges(fd, size):
    """The (start, end) of what is stored of the first @size bytes."""
    end = 0
    while end < size:
        try:
            start = os.lseek(fd, end, os.SEEK_DATA)
        except OSError:  # ENXIO: only a hole is left
            return
        end = os.lseek(fd, start, os.SEEK_HOLE)
        yield start, end
