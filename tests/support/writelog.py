# SPDX-License-Identifier: BSD-3-Clause
"""writelog - read the binary log of the "log" filter and replay crashes.

block/filter/write-log.h describes the records.  A change is logged before it
goes down and again when it came back; it must have survived a crash at some
record if a flush that was logged after its return had returned by then.
"""
import struct

HEADER = struct.Struct("<IHHQQQII")
MAGIC = 0x474C4456
WRITE, ZEROES, DISCARD, TRUNCATE, FLUSH, DONE, FAILED = range(1, 8)
CHANGES = (WRITE, ZEROES, DISCARD, TRUNCATE)


class Record:
    def __init__(self, index, kind, tag, ident, off, length, flags, data):
        self.index = index      # position in the log
        self.kind = kind
        self.tag = tag
        self.key = (tag, ident)
        self.off = off
        self.len = length
        self.fua = bool(flags & 1)
        self.data = data
        self.done = None        # index of its DONE
        self.durable = None     # index from which it must survive


def load(path):
    with open(path, "rb") as file:
        text = file.read()
    records, pos = [], 0
    while pos < len(text):
        magic, kind, tag, ident, off, length, flags, count = HEADER.unpack_from(
            text, pos)
        if magic != MAGIC:
            raise ValueError("%s: no record at %d" % (path, pos))
        pos += HEADER.size
        records.append(Record(len(records), kind, tag, ident, off, length,
                              flags, text[pos:pos + count]))
        pos += count
    mark_durable(records)
    return records


def mark_durable(records):
    started = {}
    waiting = {}  # tag -> changes that returned and are not durable yet
    for record in records:
        if record.kind in CHANGES or record.kind == FLUSH:
            started[record.key] = record
            if record.kind == FLUSH:
                # It covers what had returned when it was asked for.
                record.covers = list(waiting.get(record.tag, []))
            continue
        origin = started.pop(record.key)
        if record.kind == FAILED:
            continue
        origin.done = record.index
        if origin.kind == FLUSH:
            for change in origin.covers:
                if change.durable is None:
                    change.durable = record.index
            waiting[origin.tag] = [c for c in waiting.get(origin.tag, [])
                                   if c.durable is None]
        elif origin.fua:
            origin.durable = record.index
        else:
            waiting.setdefault(origin.tag, []).append(origin)


def apply(image, change):
    """Do one change to a bytearray."""
    if change.kind == TRUNCATE:
        if change.len < len(image):
            del image[change.len:]
        else:
            image.extend(bytes(change.len - len(image)))
        return
    end = change.off + change.len
    if end > len(image):
        image.extend(bytes(end - len(image)))
    image[change.off:end] = (change.data if change.kind == WRITE
                             else bytes(change.len))


def changes_before(records, tag, crash):
    return [r for r in records[:crash] if r.tag == tag and r.kind in CHANGES]


def must_survive(change, crash):
    return change.durable is not None and change.durable < crash


def crashed(initial, records, tag, crash, keep):
    """The storage after a crash just before record @crash; keep(change) says
    for each change that need not have survived whether it did."""
    image = bytearray(initial)
    for change in changes_before(records, tag, crash):
        if must_survive(change, crash) or keep(change):
            apply(image, change)
    return image


def overlapped(earlier, later):
    """Both were under way at the same time: either may have come last."""
    return earlier.done is None or earlier.done > later.index


def allowed_contents(base, records, tag, crash):
    """For each 512-byte sector the contents a reader may find: what was there
    after the last write that must have survived, or of any write since."""
    sectors = [[(None, bytes(base[at:at + 512]))]
               for at in range(0, len(base), 512)]
    for change in changes_before(records, tag, crash):
        data = change.data if change.kind == WRITE else bytes(change.len)
        sure = must_survive(change, crash)
        for at in range(0, change.len, 512):
            number = (change.off + at) // 512
            if sure:
                sectors[number] = [(other, sector)
                                   for other, sector in sectors[number]
                                   if other and overlapped(other, change)]
            sectors[number].append((change, data[at:at + 512]))
    return [{sector for _, sector in choices} for choices in sectors]
