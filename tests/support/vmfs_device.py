# SPDX-License-Identifier: BSD-3-Clause
"""vmfs_device - puts volumes of vmfs_volume.py on devices: partition tables,
headers and tables of LVM, and the bytes of the volume where these say.

A unit is 256 MiB of a volume.  Of VMFS 5 each has an entry of its own; of
VMFS 6 one entry tells of all units that are in a row.
"""
import struct
import zlib

from vmfs_layout import MTIME, put, uuid, uuid_text

SECTOR = 512
UNIT = 256 << 20
HEADER_AT = 0x100000
DATA_AT = 0x1100000
PARTITION_AT = 2048 * SECTOR
GPT_SECTORS = 33  # header and entries
MBR_TYPE = 0xfb
GPT_TYPE = bytes.fromhex("2ae031aa0f40db119590000c2911d1b8")
VOLUME_SLOTS = 1024
NAMES, NAME_BYTES = 32, 256


# -- what is where ------------------------------------------------------------

def units_of(volume, index):
    """Numbers of the units of extent @index, in the order of the device."""
    first = sum(volume.extents[:index])
    return [first + n for n in
            volume.unit_order(volume.extents[index])]


def place(volume, at):
    """(extent, offset in its partition) of volume offset @at."""
    number, inner = divmod(at, UNIT)
    for index in range(len(volume.extents)):
        units = units_of(volume, index)
        if number in units:
            return index, DATA_AT + units.index(number) * UNIT + inner
    raise ValueError("%#x is behind the volume" % at)


def cut(volume, at, data):
    """The (extent, offset, bytes) of @data, which may cross units."""
    while data:
        some = data[:UNIT - at % UNIT]
        yield (*place(volume, at), some)
        at += len(some)
        data = data[len(some):]


# -- LVM ----------------------------------------------------------------------

def device_header(volume, index):
    units = volume.extents[index]
    buf = bytearray(SECTOR)
    put(buf, 0, "III", 0xc001d00d, volume.layout.number,
        volume.layout.lvm_minor)
    put(buf, 0xc, "BBHBB8s16s4s44s", 2, 44, index, 0, 5, b"VDISK   ",
        b"BUILT VOLUME    ", b"0001", b"naa.%016x" % (index + 1))
    put(buf, 0x5a, "IQ", SECTOR, DATA_AT + units * UNIT)
    entries = len(unit_entries(volume, index))
    put(buf, 0x66, "IIIQQ", 1, entries, entries - 1, 1, DATA_AT)
    put(buf, 0x82, "16sQQ", uuid(32 + index), MTIME * 1000000,
        MTIME * 1000000)
    put(buf, 0xbe, "IQ", 1, 0)
    if volume.layout.large:
        put(buf, 0xca, "III", volume.layout.alignment, units, 0)
    return buf


def volume_entry(volume, index):
    units, first = volume.extents[index], sum(volume.extents[:index])
    buf = bytearray(SECTOR)
    put(buf, 0, "QQI64s16sI", sum(volume.extents) * UNIT, 1, 1,
        uuid_text(volume.lvm_uuid).encode(), volume.lvm_uuid, volume.snap_id)
    put(buf, 0x68, "QIIQQQI", MTIME * 1000000, 0, units, first,
        first + units - 1, MTIME * 1000000, len(volume.extents))
    put(buf, 0x110, "I", units)
    return buf


def unit_entries(volume, index):
    """(physical, logical, length) of each entry."""
    runs = []
    for n, unit in enumerate(units_of(volume, index)):
        logical = unit * UNIT
        if (volume.layout.large and runs
                and runs[-1][1] + runs[-1][2] == logical):
            runs[-1][2] += UNIT
        else:
            runs.append([DATA_AT + n * UNIT, logical, UNIT])
    return runs


def unit_table(volume, index):
    table = b""
    for n, run in enumerate(unit_entries(volume, index)):
        buf = bytearray(128)
        put(buf, 0, "BIIQQQI", 1, n, 0, *run, 1)
        table += buf
    return table


def tables(volume, index):
    """(offset in the partition, bytes) of all that LVM has there."""
    step = volume.layout.alignment
    bitmap_at = HEADER_AT + step + VOLUME_SLOTS * SECTOR
    entries = unit_table(volume, index)
    used = (1 << len(entries) // 128) - 1
    yield HEADER_AT, device_header(volume, index)
    yield HEADER_AT + step, volume_entry(volume, index)
    if index == 0:
        names = b"".join(b"naa.%016x" % (n + 1) + bytes(NAME_BYTES - 20)
                         for n in range(len(volume.extents)))
        yield bitmap_at - NAMES * NAME_BYTES, names
    yield bitmap_at, used.to_bytes(1024, "little")
    yield bitmap_at + max(step, 1024), entries


# -- partitions ---------------------------------------------------------------

def mbr(rows):
    """@rows: (type, first sector, sectors)"""
    buf = bytearray(SECTOR)
    for n, (kind, first, count) in enumerate(rows):
        put(buf, 446 + 16 * n, "B3sB3sII", 0, b"\xfe\xff\xff", kind,
            b"\xfe\xff\xff", first, count)
    put(buf, 510, "H", 0xaa55)
    return bytes(buf)


def gpt(parts, sectors):
    """(offset, bytes) of the table; @parts: (first sector, sectors)"""
    entries = b"".join(
        struct.pack("<16s16sQQQ72s", GPT_TYPE, uuid(200 + n), first,
                    first + count - 1, 0, "vmfs".encode("utf-16-le"))
        for n, (first, count) in enumerate(parts)).ljust(128 * 128, b"\0")
    last = sectors - 1
    yield 0, mbr([(0xee, 1, min(last, 0xffffffff))])
    for own, other, array in ((1, last, 2), (last, 1, last - 32)):
        head = bytearray(struct.pack(
            "<8sIIIIQQQQ16sQIII", b"EFI PART", 0x10000, 92, 0, 0, own, other,
            34, last - GPT_SECTORS, uuid(199), array, 128, 128,
            zlib.crc32(entries)))
        put(head, 16, "I", zlib.crc32(head))
        yield own * SECTOR, bytes(head)
        yield array * SECTOR, entries


def layout_parts(parts, table):
    """First bytes of the partitions, and of what is behind the last."""
    at = PARTITION_AT if table else 0
    starts = []
    for volume, index in parts:
        starts.append(at)
        at += DATA_AT + volume.extents[index] * UNIT
    return starts, at


def write_device(path, parts, table=None):
    """@parts: (volume, number of its extent), in partitions of a @table
    ("mbr", "gpt"), or one without."""
    starts, end = layout_parts(parts, table)
    bounds = starts + [end]
    sectors = [(a // SECTOR, (b - a) // SECTOR)
               for a, b in zip(bounds, bounds[1:])]
    total = end + (GPT_SECTORS * SECTOR if table == "gpt" else 0)
    with open(path, "wb") as file:
        file.truncate(total)
        if table == "mbr":
            write_at(file, 0, mbr([(MBR_TYPE, *each) for each in sectors]))
        elif table == "gpt":
            for at, data in gpt(sectors, total // SECTOR):
                write_at(file, at, data)
        for (volume, index), start in zip(parts, starts):
            write_extent(file, start, volume, index)


def write_extent(file, start, volume, index):
    for at, data in tables(volume, index):
        write_at(file, start + at, data)
    for at, data in volume.pieces:
        for extent, inner, some in cut(volume, at, data):
            if extent == index:
                write_at(file, start + inner, some)


def write_at(file, at, data):
    file.seek(at)
    file.write(data)


def patch_volume(volume, paths, at, data, table=None):
    """Other bytes at volume offset @at, which has been written down."""
    start = layout_parts([(volume, 0)], table)[0][0]
    for extent, inner, some in cut(volume, at, data):
        with open(paths[extent], "r+b") as file:
            write_at(file, start + inner, some)


def write_volume(volume, paths, table=None):
    for index, path in enumerate(paths):
        write_device(path, [(volume, index)], table)
