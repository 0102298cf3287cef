# SPDX-License-Identifier: BSD-3-Clause
"""streams - streamOptimized files taken apart, independently of our C code."""
import struct

SECTOR = 512
AT_END = (1 << 64) - 1
GRAIN = 65536


class Stream:
    """Header fields; records: guest offset -> compressed bytes."""

    def __init__(self, data):
        fields = struct.unpack_from("<4sIIQQQQIQQQB4sH", data)
        self.magic, self.version, self.flags, self.capacity = fields[:4]
        self.grain, self.text_at, self.text_sectors, self.gtes = fields[4:8]
        self.rgd, self.gd, self.overhead, self.unclean = fields[8:12]
        self.text = data[self.text_at * SECTOR:][
            :self.text_sectors * SECTOR].split(b"\0")[0].decode()
        self.records = {}
        self.order = []
        self.ended = False
        self.end = self.walk(data)

    def walk(self, data):
        at = self.overhead * SECTOR
        while at + SECTOR <= len(data):
            lba, size, kind = struct.unpack_from("<QII", data, at)
            if size:
                self.records[lba * SECTOR] = data[at + 12:at + 12 + size]
                self.order.append(lba * SECTOR)
                at += -(-(12 + size) // SECTOR) * SECTOR
            elif kind == 0:
                self.ended = True
                return at + SECTOR
            else:
                at += (1 + (lba if kind < 4 else 0)) * SECTOR
        return at


def load(path):
    with open(path, "rb") as file:
        return Stream(file.read())
