# SPDX-License-Identifier: BSD-3-Clause
"""heap - what a test program has freed it uses again, instead of fresh pages.

In virtual machines a page that is touched for the first time costs some ten
microseconds: the content of a disk of 40 MiB, made and thrown away, half a second.
"""
import ctypes

# Of malloc.h: never give memory back, never map a large piece on its own.
M_TRIM_THRESHOLD, M_MMAP_MAX = -1, -4
MOST = 0x7fffffff


def keep_what_is_freed():
    """Where the C library has such a thing."""
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError):
        return
    mallopt(M_MMAP_MAX, 0)
    mallopt(M_TRIM_THRESHOLD, MOST)
