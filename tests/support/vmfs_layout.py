# SPDX-License-Identifier: BSD-3-Clause
"""vmfs_layout - how VMFS 5 and 6 write things down.

Addresses, resource files, file descriptors, directories, locks: everything
here turns values into bytes and knows nothing of a volume.  All numbers are
little-endian; M is the start of a descriptor's metadata.
"""
import struct

MIB = 1 << 20
BLOCK = MIB
LARGE = 512 * MIB
GROUPS_AT = 0x10000

# Types of addresses, which stand in their lowest three bits.
FB, SB, PB, FD, PB2, JB, LFB = range(1, 8)
# Kinds of mapping that are no type of an address.
DOUBLE, RESIDENT = 4304, 4305
# Types of files.
DIRECTORY, FILE, SYMLINK, SYSTEM, RDM = range(2, 7)

FD_LOCK = 0x10c00001
CLUSTER_LOCKS = {"fbb": 0x10c00002, "sbc": 0x10c00003, "pbc": 0x10c00004,
                 "fdc": 0x10c00005, "pb2": 0x10c00006}
HEARTBEAT_FREE, HEARTBEAT_ACTIVE = 0xabcdef01, 0xabcdef02
HEARTBEATS_AT = 0x300000
EXCLUSIVE, READERS, WRITERS = 1, 2, 3

MTIME = 1609459200  # 2021-01-01


def put(buf, at, form, *values):
    struct.pack_into("<" + form, buf, at, *values)


def uuid(number):
    """A UUID of ours; the same number gives the same one."""
    return struct.pack("<IIH6s", 0x5eed0000 + number, 0x600dcafe, number,
                       b"\x02vmfs" + bytes([number & 0xff]))


def uuid_text(raw):
    low, high, word, mac = struct.unpack("<IIH6s", raw)
    return "%08x-%08x-%04x-%s" % (low, high, word, mac.hex())


def lock(kind, at, mode=0, owner=bytes(16), heartbeat=0, generation=0,
         token=1):
    """512 bytes, at volume offset @at."""
    buf = bytearray(512)
    put(buf, 0, "IQQQQI16s", kind, at, heartbeat, generation, token, mode,
        owner)
    put(buf, 0x38, "QI", MTIME * 1000000, 1 if mode else 0)
    return bytes(buf)


def heartbeat(at, state=HEARTBEAT_FREE, generation=0, owner=bytes(16)):
    buf = bytearray(512)
    put(buf, 0, "IQQQ16s", state, at, generation, MTIME * 1000000, owner)
    put(buf, 0x36, "16s", b"192.0.2.7" if state == HEARTBEAT_ACTIVE else b"")
    return bytes(buf)


class Resource:
    """A file of parts of one size.  So many make a cluster, so many clusters
    a group; a group begins with the heads (lock, bitmap) of its clusters."""

    def __init__(self, head, per_cluster, per_group, size, clusters=None,
                 count=None):
        self.head = head
        self.per_cluster = per_cluster
        self.per_group = per_group
        self.size = size
        self.clusters = clusters or per_group
        self.count = count or self.clusters * per_cluster

    @property
    def group_bytes(self):
        return self.per_group * (self.head + self.per_cluster * self.size)

    @property
    def file_bytes(self):
        groups = -(-self.clusters // self.per_group)
        return GROUPS_AT + groups * self.group_bytes

    def head_at(self, cluster):
        group, index = divmod(cluster, self.per_group)
        return GROUPS_AT + group * self.group_bytes + index * self.head

    def at(self, cluster, res):
        group, index = divmod(cluster, self.per_group)
        return (GROUPS_AT + group * self.group_bytes
                + self.per_group * self.head
                + (index * self.per_cluster + res) * self.size)

    def header(self):
        buf = bytearray(512)
        put(buf, 0, "8I", self.per_cluster, self.per_group, GROUPS_AT,
            self.size, self.group_bytes, self.count & 0xffffffff,
            -(-self.clusters // self.per_group), self.count >> 32)
        return buf

    def bitmap(self, cluster, used):
        """What stands behind the lock: a bit is set where a part is free."""
        total = min(self.per_cluster, self.count - cluster * self.per_cluster)
        free = [n for n in range(total) if n not in used]
        bits = sum(1 << n for n in free)
        head = struct.pack("<4I", cluster, total, len(free),
                           free[0] if free else 0)
        return head + bits.to_bytes((total + 7) // 8, "little")


class Descriptor:
    """A file descriptor, before it is written down."""

    def __init__(self, address, kind, zla, size, shift=20, pointers=(),
                 data=b"", **rest):
        self.address = address
        self.kind = kind
        self.zla = zla
        self.size = size
        self.shift = shift
        self.pointers = list(pointers)
        self.data = data
        self.links = rest.pop("links", 1)
        self.generation = rest.pop("generation", 1)
        self.blocks = rest.pop("blocks", len(self.pointers))
        self.tbz = rest.pop("tbz", 0)
        self.mode = rest.pop("mode", 0o100600)
        self.owners = rest.pop("owners", (0, 0))
        if rest:
            raise TypeError("unknown: %s" % ", ".join(rest))

    def metadata(self):
        buf = bytearray(256)
        put(buf, 0, "IIIIIQQQIIIIIIIII", self.address, self.generation,
            self.links, self.kind, 0, self.size, 1 << self.shift, self.blocks,
            MTIME, MTIME, MTIME, *self.owners, self.mode, self.zla, self.tbz,
            0)
        put(buf, 0x89, "B", self.shift)
        return buf


class Vmfs5:
    number, major, minor = 5, 14, 81
    lvm_minor, alignment = 21, 512
    first_fdc = 4 * MIB
    fd_bytes, metadata_at, data_at, resident = 2048, 512, 1024, 1024
    word, top, per_block = "I", 256, 1024
    sub_shift, heartbeats = 13, 2048
    head = 1024
    large = False
    geometry = {"fdc": (32, 64, 2048), "pbc": (16, 64, 4096),
                "sbc": (32, 64, 8192), "pb2": (16, 64, 4096)}

    @staticmethod
    def fb(block, tbz=False):
        return block << 6 | tbz << 5 | FB

    @staticmethod
    def part(kind, cluster, res):
        """Sub-blocks have more than 16 in a cluster: two bits below."""
        return (res & 15) << 28 | cluster << 6 | res >> 4 << 3 | kind

    @classmethod
    def descriptor(cls, descriptor, lock_bytes):
        buf = bytearray(cls.fd_bytes)
        buf[:512] = lock_bytes
        buf[512:768] = descriptor.metadata()
        put(buf, cls.data_at, "%dI" % len(descriptor.pointers),
            *descriptor.pointers)
        buf[cls.data_at:cls.data_at + len(descriptor.data)] = descriptor.data
        return bytes(buf)

    @staticmethod
    def directory(own, parent, entries, first=1):
        """140 bytes an entry; None is a free one, which keeps its name."""
        records = [(DIRECTORY, own, "."), (DIRECTORY, parent, "..")]
        records += [(0, 0, "never there")] * (first - 1)
        records += [each or (0, 0, "no longer here") for each in entries]
        return b"".join(
            struct.pack("<III128s", kind, address, 1, name.encode())
            for kind, address, name in records)


class Vmfs6:
    number, major, minor = 6, 24, 82
    lvm_minor, alignment = 21, 4096
    first_fdc = 7 * MIB
    fd_bytes, metadata_at, data_at, resident = 8192, 4096, 4608, 3584
    pointers_at = 8192 - 2560
    word, top, per_block = "Q", 320, 8192
    sub_shift, heartbeats = 16, 1024
    head = 8192
    large = True
    per_small_cluster = 512
    geometry = {"fdc": (256, 8, 8192), "sbc": (64, 8, 65536),
                "pb2": (32, 8, 65536)}
    SLOT, SLOTS = 288, 14
    ENTRIES, LINKS, MAP = 1, 2, 3

    @classmethod
    def fb(cls, block, tbz=False):
        cluster, res = divmod(block, cls.per_small_cluster)
        return res << 51 | cluster << 15 | (0xff if tbz else 0) << 7 | FB

    @staticmethod
    def lfb(block, tbz=False):
        return block << 15 | (0xff if tbz else 0) << 7 | LFB

    @staticmethod
    def part(kind, cluster, res):
        return res << 56 | cluster << 6 | kind

    @classmethod
    def descriptor(cls, descriptor, lock_bytes):
        buf = bytearray(cls.fd_bytes)
        buf[:512] = lock_bytes
        buf[4096:4352] = descriptor.metadata()
        put(buf, 4096 + 0x64, "I", 0x66646d64)
        put(buf, cls.pointers_at, "%dQ" % len(descriptor.pointers),
            *descriptor.pointers)
        buf[cls.data_at:cls.data_at + len(descriptor.data)] = descriptor.data
        return bytes(buf)

    @classmethod
    def entry(cls, kind, address, name, at):
        return struct.pack("<IIIHHQ256sQ", kind, address, 1, 0, 0, at,
                           name.encode(), 0)

    @classmethod
    def directory(cls, own, parent, entries, first=1):
        """A header of 64 KiB, then blocks: the map of all blocks, some (@first
        - 1) of links, those of the entries."""
        count = -(-len(entries) // cls.SLOTS)
        blocks = [bytearray(4096) for _ in range(first + count)]
        nibbles = [cls.MAP] + [cls.LINKS] * (first - 1)
        for block in blocks[1:first]:
            cls.block_head(block, cls.LINKS, cls.SLOTS, cls.SLOTS)
        for number, block in enumerate(blocks[first:], first):
            some = entries[(number - first) * cls.SLOTS:][:cls.SLOTS]
            free = cls.SLOTS - sum(each is not None for each in some)
            cls.fill(block, GROUPS_AT + number * 4096, some, free)
            nibbles.append(cls.ENTRIES | (4 if free else 0))
        cls.block_head(blocks[0], cls.MAP, 0, 0)
        nibbles += [8] * (2 * (4096 - 64) - len(nibbles))
        blocks[0][64:] = bytes(high << 4 | low for high, low
                               in zip(nibbles[::2], nibbles[1::2]))
        used = sum(each is not None for each in entries)
        return cls.directory_header(own, parent, used, len(blocks)) \
            + b"".join(blocks)

    @classmethod
    def directory_header(cls, own, parent, used, blocks):
        buf = bytearray(GROUPS_AT)
        put(buf, 0, "IIII128I", 0xf50001, used + 2, blocks, 1, *[0] * 128)
        buf[0x3b8:0x3b8 + cls.SLOT] = cls.entry(DIRECTORY, own, ".", 0x3b8)
        buf[0x4d8:0x4d8 + cls.SLOT] = cls.entry(DIRECTORY, parent, "..",
                                                0x4d8)
        return bytes(buf)

    @staticmethod
    def block_head(block, kind, slots, free, bits=0):
        put(block, 0, "HHHH56s", 1, kind, slots, free,
            bits.to_bytes(56, "little"))

    @classmethod
    def fill(cls, block, at, entries, free):
        """A bit is clear where a slot is used; free ones keep their names."""
        bits = (1 << cls.SLOTS) - 1
        for slot, each in enumerate(entries):
            kind, address, name = each or (FILE, 0x00c00004, "no longer here")
            if each:
                bits &= ~(1 << slot)
            place = 64 + slot * cls.SLOT
            block[place:place + cls.SLOT] = cls.entry(kind, address, name,
                                                      at + place)
        cls.block_head(block, cls.ENTRIES, cls.SLOTS, free, bits)


VERSIONS = {5: Vmfs5, 6: Vmfs6}


def fd_address(cluster, res):
    return res << 22 | cluster << 6 | FD


def fd_place(address):
    """(cluster, resource)"""
    return address >> 6 & 0xffff, address >> 22
