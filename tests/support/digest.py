# SPDX-License-Identifier: BSD-3-Clause
"""digest - checksums of disk contents that do not need every zero read.

nz64k: SHA-256 over each 64 KiB aligned chunk that has a non-zero byte, in
ascending order, each preceded by its offset (8 bytes, little-endian).  Holes
of a sparse file cost nothing, so it suits contents of any size.
"""
import hashlib
import os
import struct

from holes import data_ranges

CHUNK = 64 << 10
PIECE = 16 * CHUNK
ZEROES = bytes(PIECE)
ZERO_CHUNK = bytes(CHUNK)


def is_zero(chunk):
    """Of one chunk, or the last part of one."""
    return chunk == (ZERO_CHUNK if len(chunk) == CHUNK else bytes(len(chunk)))


class Nz64k:
    """Feed bytes at ascending, CHUNK-aligned offsets; leave zeroes out."""

    def __init__(self):
        self.hash = hashlib.sha256()

    def feed(self, offset, data):
        for at in range(0, len(data), CHUNK):
            chunk = data[at:at + CHUNK]
            if not is_zero(chunk):
                self.hash.update(struct.pack("<Q", offset + at))
                self.hash.update(chunk)

    def hexdigest(self):
        return self.hash.hexdigest()


def data_chunks(fd, size):
    """The (start, end) of a file's data, rounded outward to chunks."""
    done = 0
    for start, end in data_ranges(fd, size):
        start = max(start // CHUNK * CHUNK, done)
        done = max(done, min(-(-end // CHUNK) * CHUNK, size))
        if start < done:
            yield start, done


def raw_nz64k(path):
    """(size, nz64k digest) of a raw file."""
    digest = Nz64k()
    with open(path, "rb", buffering=0) as file:
        size = os.fstat(file.fileno()).st_size
        for start, end in data_chunks(file.fileno(), size):
            for at in range(start, end, PIECE):
                digest.feed(at, read_exactly(file, at, min(PIECE, end - at)))
    return size, digest.hexdigest()


def raw_sha256(path):
    """(size, SHA-256) of all bytes of a raw file, holes included."""
    digest = hashlib.sha256()
    with open(path, "rb", buffering=0) as file:
        size = os.fstat(file.fileno()).st_size
        pos = 0
        for start, end in data_chunks(file.fileno(), size):
            feed_zeroes(digest, start - pos)
            for at in range(start, end, PIECE):
                digest.update(read_exactly(file, at, min(PIECE, end - at)))
            pos = end
        feed_zeroes(digest, size - pos)
    return size, digest.hexdigest()


def feed_zeroes(digest, count):
    while count > 0:
        step = min(count, PIECE)
        digest.update(ZEROES[:step])
        count -= step


def read_exactly(file, offset, count):
    data = os.pread(file.fileno(), count, offset)
    while len(data) < count:
        more = os.pread(file.fileno(), count - len(data), offset + len(data))
        if not more:
            raise EOFError("%s: %d bytes at %d, wanted %d"
                           % (file.name, len(data), offset, count))
        data += more
    return data
