# SPDX-License-Identifier: BSD-3-Clause
"""model - a disk as it should be, kept in memory beside the image on test."""
import itertools
import os
import random

from digest import CHUNK, PIECE, Nz64k, is_zero


UNIQUE = itertools.count()


class Model:
    """Bytes of a disk and the writes that made them, reproducible by seed."""

    def __init__(self, size, seed, parent=None):
        self.size = size
        self.random = random.Random(seed)
        self.data = bytearray(size)
        self.may_write = lambda offset, length: True
        if parent:
            keep = min(size, parent.size)
            self.data[:keep] = parent.data[:keep]

    def write(self, offset, data):
        self.data[offset:offset + len(data)] = data

    def resize(self, size):
        """What is cut off is gone; what is added is zero."""
        del self.data[size:]
        self.data.extend(bytes(size - len(self.data)))
        self.size = size

    def content(self):
        digest = Nz64k()
        for at in range(0, self.size, PIECE):
            digest.feed(at, self.data[at:at + PIECE])
        return self.size, digest.hexdigest()

    def save(self, path):
        """As a raw file with holes."""
        with open(path, "wb") as file:
            for at in range(0, self.size, CHUNK):
                piece = self.data[at:at + CHUNK]
                if not is_zero(piece):
                    file.seek(at)
                    file.write(piece)
            file.truncate(self.size)

    def random_range(self, longest):
        """Mostly small, sector-aligned, now and then the very end."""
        sectors = self.size // 512
        count = min(self.random.randint(1, longest // 512), sectors)
        if self.random.random() < 0.1:
            start = sectors - count
        else:
            start = self.random.randint(0, sectors - count)
        return start * 512, count * 512

    def random_writes(self, directory, count, longest=300 << 10):
        """Change the model; yields ("write", offset, length, file) and
        ("zero", offset, length, None) to be done to the image as well."""
        for _ in range(count):
            offset, length = self.random_range(longest)
            if not self.may_write(offset, length):
                continue
            if self.random.random() < 0.2:
                self.write(offset, bytes(length))
                yield "zero", offset, length, None
                continue
            data = self.random.randbytes(length)
            self.write(offset, data)
            path = os.path.join(directory, "write-%d.bin" % next(UNIQUE))
            with open(path, "wb") as file:
                file.write(data)
            yield "write", offset, length, path
