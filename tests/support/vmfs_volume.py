# SPDX-License-Identifier: BSD-3-Clause
"""vmfs_volume - builds VMFS 5 and 6 volumes of any shape, for tests.

    volume = Volume(6, extents=(2, 1))         # in units of 256 MiB
    volume.folder("/vm")
    volume.small("/vm/vm.vmx", b"...")         # inside the descriptor
    volume.parts("/vm/log", b"...")            # sub-blocks
    volume.blocks("/vm/disk", 300 * MIB, {0: "d", 299: "d"}, zla=PB)
    volume.finish()
    write_volume(volume, ["a.img", "b.img"])   # vmfs_device.py
    volume.contents["/vm/disk"].write("expected")

Everything is where the same arguments put it before: random places and bytes
come from the volume's number.  Blocks are scattered over the volume, those of
its own files too, so that nothing is found by luck.  Files are sparse: a block
of data has bytes at its two ends.
"""
import random

from vmfs_layout import (BLOCK, CLUSTER_LOCKS, DIRECTORY, DOUBLE, EXCLUSIVE, FB,
                         FD_LOCK, FILE, GROUPS_AT, HEARTBEAT_ACTIVE,
                         HEARTBEAT_FREE, HEARTBEATS_AT, LARGE, MIB, MTIME, PB,
                         PB2, RDM, RESIDENT, SB, SYMLINK, SYSTEM, VERSIONS,
                         Descriptor, Resource, fd_address, fd_place,
                         heartbeat, lock, put, uuid)

SECTOR = 512
UNIT = 256 * MIB
SUPERBLOCK_AT = 0x200000
HEARTBEATS = 16  # that are written; hosts have more slots
ENDS = (4096, 512)  # bytes of data at the two ends of a block
GARBAGE = b"what nobody may read"
OWN_FDS = 11  # descriptors of the file system itself
SYSTEM_FILES = ("fbb", "fdc", "pbc", "sbc", "vh", "pb2")


class Content:
    """What a file holds: some bytes, zeroes elsewhere."""

    def __init__(self, size, pieces=()):
        self.size = size
        self.pieces = list(pieces)

    def write(self, path):
        with open(path, "wb") as file:
            for at, data in self.pieces:
                file.seek(at)
                file.write(data)
            file.truncate(self.size)

    def bytes(self):
        buf = bytearray(self.size)
        for at, data in self.pieces:
            buf[at:at + len(data)] = data
        return bytes(buf)


class Stored:
    """A file in the volume: its descriptor and the places of its units."""

    def __init__(self, descriptor, places, unit):
        self.descriptor = descriptor
        self.places = places  # number -> volume offset
        self.unit = unit
        self.holder = {}      # of its lock


class Folder:
    def __init__(self, address, parent, zla, kind=DIRECTORY, mode=0o40755):
        self.address = address
        self.how = {"links": 2, "mode": mode}
        self.kind = kind
        self.parent = parent or address
        self.zla = zla
        self.entries = []     # (type, address, name); None is a free slot


class Volume:
    def __init__(self, version=5, extents=(3,), label="built", number=1,
                 scatter=True, dense=True, large=0, backwards=False,
                 ends=ENDS, heads=True, first_entries=1):
        self.layout = VERSIONS[version]
        self.extents = extents
        self.label = label
        self.dense = dense
        self.lvm_uuid, self.uuid = uuid(number), uuid(number + 128)
        self.snap_id = number
        self.random = random.Random(number * 8 + version)
        self.blocks_total = sum(extents) * (UNIT // BLOCK)
        self.pieces = []      # (volume offset, bytes), later ones win
        self.beats = []       # the same, of hosts
        self.contents = {}    # path -> Content
        self.stored = {}      # path or name of a system file -> Stored
        self.folders = {}
        self.scatter = scatter
        self.backwards = backwards
        self.ends = ends
        self.heads = heads    # whether what is used is marked so
        self.first_entries = first_entries  # block of folders
        self.make_room(large)
        self.make_system()

    # -- room -------------------------------------------------------------

    def make_room(self, large):
        """The last @large whole units of 512 MiB are for large blocks."""
        first = self.layout.first_fdc // BLOCK
        each = LARGE // BLOCK
        whole = self.blocks_total // each
        self.free_large = list(range(whole - large, whole))
        free = range(first + 1, (whole - large) * each if large
                     else self.blocks_total)
        self.free_blocks = list(free)
        if self.scatter:
            self.random.shuffle(self.free_blocks)
        self.used = {name: {} for name in ("fbb", *self.layout.geometry)}
        geometry = dict(self.layout.geometry)
        if not self.dense:
            geometry["sbc"] = (16, *geometry["sbc"][1:])
        self.resources = {name: Resource(self.layout.head, *numbers)
                          for name, numbers in geometry.items()}
        self.free_parts = {
            name: self.some_order(OWN_FDS if name == "fdc" else 0,
                                  resource.count)
            for name, resource in self.resources.items()}

    def some_order(self, first, count):
        order = list(range(first, count))
        if self.scatter:
            self.random.shuffle(order)
        return order

    def first_pointers(self):
        """Hosts take the first PB2 for the file of sub-blocks, and
        debugvmfs6 knows no other one."""
        self.free_parts["pb2"].remove(0)
        self.free_parts["pb2"].insert(0, 0)

    def unit_order(self, count):
        """Which of an extent's @count units come first on the device."""
        return range(count)[::-1] if self.backwards else range(count)

    def take_block(self, at=None):
        block = self.free_blocks[0] if at is None else at
        self.free_blocks.remove(block)
        self.note_used("fbb", block)
        return block

    def take_run(self, count):
        """The first of so many blocks in a row."""
        free = sorted(self.free_blocks)
        for index in range(len(free) - count + 1):
            if free[index + count - 1] - free[index] == count - 1:
                return free[index]
        raise ValueError("no %d blocks in a row" % count)

    def note_used(self, name, number, per_cluster=200):
        cluster, res = divmod(number, per_cluster)
        self.used[name].setdefault(cluster, set()).add(res)

    def take_part(self, name):
        """(cluster, resource) of a free part of a resource file."""
        per_cluster = self.resources[name].per_cluster
        number = self.free_parts[name].pop(0)
        self.note_used(name, number, per_cluster)
        return divmod(number, per_cluster)

    # -- bytes ------------------------------------------------------------

    def put(self, at, data):
        self.pieces.append((at, bytes(data)))

    def put_in(self, stored, at, data):
        """Bytes of a file that has a place for them."""
        while data:
            number, inner = divmod(at, stored.unit)
            some = data[:stored.unit - inner]
            self.put(stored.places[number] + inner, some)
            at += len(some)
            data = data[len(some):]

    def part_at(self, name, cluster, res):
        """Volume offset of the part."""
        number, inner = divmod(self.resources[name].at(cluster, res), BLOCK)
        return self.stored[name].places[number] + inner

    def fd_at(self, address):
        return self.part_at("fdc", *fd_place(address))

    def garbage(self, length):
        return self.random.randbytes(length)

    # -- files of the file system itself ----------------------------------

    def make_system(self):
        first = self.layout.first_fdc // BLOCK
        self.resources["fbb"] = Resource(
            self.layout.head, 200, 64, 0, -(-self.blocks_total // 200),
            self.blocks_total)
        for block in range(first + 1):
            self.note_used("fbb", block)
        self.first_pointers()
        self.system("fdc", 2, given=[first])
        self.system("vh", 5, given=range(first))
        self.system("fbb", 1)
        self.system("pb2", 6)
        self.system("pbc", 3)
        self.system("sbc", 4, zla=PB2 if self.layout.large else FB)
        self.folders["/"] = Folder(self.own_address(0), None, FB)
        for name in SYSTEM_FILES:
            self.folders["/"].entries.append(
                (SYSTEM, self.stored[name].descriptor.address,
                 ".%s.sf" % name))
        self.make_sdd()

    def make_sdd(self):
        """A folder, which VMFS 6 says is a file of the system."""
        kind = SYSTEM if self.layout.large else DIRECTORY
        self.folders["/.sdd.sf"] = Folder(
            self.own_address(7), self.own_address(0), FB, kind, 0o40700)
        self.folders["/"].entries.append((kind, self.own_address(7),
                                          ".sdd.sf"))

    def own_address(self, res):
        """Of the first descriptors, which have their places."""
        self.note_used("fdc", res, self.resources["fdc"].per_cluster)
        return fd_address(0, res)

    def system_bytes(self, name):
        if name == "vh":
            return self.layout.first_fdc
        if self.layout.large and name in ("fbb", "pbc"):
            return 2 * MIB
        return self.resources[name].file_bytes

    def system(self, name, res, zla=FB, given=()):
        size = self.system_bytes(name)
        count = -(-size // BLOCK)
        blocks = list(given) + [self.take_block() for _ in
                                range(count - len(given))]
        addresses = {n: self.layout.fb(b) for n, b in enumerate(blocks)}
        places = {n: b * BLOCK for n, b in enumerate(blocks)}
        descriptor = Descriptor(self.own_address(res), SYSTEM, zla, size,
                                pointers=self.pointers(addresses, zla),
                                blocks=count, mode=0o400)
        self.stored[name] = Stored(descriptor, places, BLOCK)

    # -- pointers ---------------------------------------------------------

    def pointers(self, addresses, zla, kinds=None):
        """The array in the descriptor; pointer blocks are made."""
        if zla in (FB, SB):
            return self.row(addresses)
        if zla == DOUBLE:
            addresses = self.level(addresses, [PB if not self.layout.large
                                               else SB])
            return self.row(self.level(addresses, [PB2]))
        if not kinds:
            kinds = [zla if zla == PB2 or not self.layout.large else SB]
        return self.row(self.level(addresses, kinds))

    @staticmethod
    def row(addresses):
        return [addresses.get(n, 0) for n in
                range(max(addresses, default=-1) + 1)]

    def level(self, addresses, kinds):
        """{number of a pointer block: its address}; @kinds in turn."""
        above = {}
        for number in sorted({n // self.layout.per_block for n in addresses}):
            first = number * self.layout.per_block
            words = {n - first: address for n, address in addresses.items()
                     if n // self.layout.per_block == number}
            kind = kinds[number % len(kinds)]
            above[number] = self.pointer_block(kind, words)
        return above

    def pointer_block(self, kind, words):
        name = {PB: "pbc", PB2: "pb2", SB: "sbc"}[kind]
        cluster, res = self.take_part(name)
        buf = bytearray(self.layout.per_block * (8 if self.layout.large
                                                 else 4))
        put(buf, 0, "%d%s" % (max(words) + 1, self.layout.word),
            *self.row(words))
        self.put(self.part_at(name, cluster, res), buf.rstrip(b"\0"))
        return self.layout.part(kind, cluster, res)

    # -- what a user sees -------------------------------------------------

    def enter(self, path, kind, address):
        parent, _, name = path.rpartition("/")
        self.folders[parent or "/"].entries.append((kind, address, name))

    def new_address(self):
        return fd_address(*self.take_part("fdc"))

    def add(self, path, descriptor, places, unit):
        self.enter(path, descriptor.kind, descriptor.address)
        self.stored[path] = Stored(descriptor, places, unit)

    def folder(self, path, zla=SB):
        """@zla: SB, FB or RESIDENT (VMFS 5)."""
        address = self.new_address()
        self.enter(path, DIRECTORY, address)
        parent = self.folders[path.rpartition("/")[0] or "/"]
        self.folders[path] = Folder(address, parent.address, zla)

    def free_slot(self, path):
        self.folders[path].entries.append(None)

    def small(self, path, data, kind=FILE, **rest):
        """Inside the descriptor."""
        if len(data) > self.layout.resident:
            raise ValueError("%s has no room in a descriptor" % path)
        self.contents[path] = Content(len(data), [(0, data)])
        self.add(path, Descriptor(self.new_address(), kind, RESIDENT,
                                  len(data), data=data, **rest), {}, BLOCK)

    def symlink(self, path, target):
        self.small(path, target.encode(), SYMLINK, mode=0o777)

    def device(self, path):
        """A LUN that a machine has under this name."""
        self.add(path, Descriptor(self.new_address(), RDM, FB, 4 << 30,
                                  data=b"\x02\x10" + bytes(40)), {}, BLOCK)

    def parts(self, path, data, **rest):
        """In sub-blocks."""
        self.contents[path] = Content(len(data), [(0, data)])
        self.store_parts(path, FILE, self.new_address(), data, **rest)
        self.enter(path, FILE, self.stored[path].descriptor.address)

    def store_parts(self, path, kind, address, data, **rest):
        shift = self.layout.sub_shift
        taken = [self.take_part("sbc")
                 for _ in range(-(-len(data) // (1 << shift)))]
        descriptor = Descriptor(address, kind, SB, len(data), shift, [
            self.layout.part(SB, *each) for each in taken], **rest)
        self.stored[path] = Stored(descriptor, {
            n: self.part_at("sbc", *each) for n, each in enumerate(taken)},
            1 << shift)
        self.put_in(self.stored[path], 0, data)

    def blocks(self, path, size, states, zla=FB, run=False, at=None,
               kinds=None, shift=20):
        """@states: {number: "d" data, "z" allocated but to be zeroed, "D" and
        "Z" of large blocks}; what is missing is a hole.  @run: one behind the
        other, from block @at."""
        content = Content(size)
        if run and at is None:
            at = self.take_run(len(states))
        addresses, places = {}, {}
        for index, (number, state) in enumerate(sorted(states.items())):
            unit = LARGE if state in "DZ" else BLOCK
            place = unit * (self.free_large.pop(0) if state in "DZ"
                            else self.take_block(at + index if run else None))
            address = self.address(place, state)
            for n in range(number, number + max(unit >> shift, 1)):
                if n << shift < size:
                    addresses[n] = address
            places[number] = place
            self.fill(content, number << shift, place, unit, state)
        descriptor = Descriptor(
            self.new_address(), FILE, zla, size, shift,
            self.pointers(addresses, zla, kinds), blocks=len(states),
            tbz=sum(s in "zZ" for s in states.values()))
        self.contents[path] = content
        self.add(path, descriptor, places, 1 << shift)

    def address(self, place, state):
        if state in "DZ":
            return self.layout.lfb(place // LARGE, state == "Z")
        return self.layout.fb(place // BLOCK, state == "z")

    def fill(self, content, off, place, unit, state):
        """A block at @off of the file, @place of the volume."""
        if state in "zZ":
            self.put(place, GARBAGE)
            return
        length = min(unit, content.size - off)
        first = self.garbage(min(self.ends[0], length))
        last = self.garbage(min(self.ends[1], length - len(first)))
        for at, data in ((0, first), (length - len(last), last)):
            content.pieces.append((off + at, data))
            self.put(place + at, data)

    def copy(self, path, source, **how):
        """A file of the host; its blocks of zeroes become holes."""
        with open(source, "rb") as file:
            data = file.read()
        if len(data) <= self.layout.resident:
            self.small(path, data)
        elif len(data) <= 1 << self.layout.sub_shift:
            self.parts(path, data)
        else:
            self.copy_blocks(path, data, **how)

    def copy_blocks(self, path, data, **how):
        pieces = {n: data[n * BLOCK:(n + 1) * BLOCK]
                  for n in range(-(-len(data) // BLOCK))}
        used = {n: "d" for n, piece in pieces.items() if piece.strip(b"\0")}
        self.blocks(path, len(data), used, **how)
        self.contents[path] = Content(len(data), [
            (n * BLOCK, pieces[n]) for n in used])
        for n in used:
            self.put(self.stored[path].places[n], pieces[n])

    def locked(self, path, slot, mode=EXCLUSIVE, alive=True, anew=False):
        """By a host whose heartbeat is in @slot; @anew: it has been away since
        it took the lock."""
        generation = 7
        owner = uuid(64 + slot)
        at = HEARTBEATS_AT + slot * self.layout.alignment
        self.beats.append((at, heartbeat(
            at, HEARTBEAT_ACTIVE if alive else HEARTBEAT_FREE,
            generation + anew, owner)))
        self.stored[path].holder = {
            "mode": mode, "owner": owner, "heartbeat": at,
            "generation": generation}

    # -- writing down -----------------------------------------------------

    def finish(self):
        """Directories, descriptors, heads: once, when all is known."""
        beats, self.beats = self.beats, []
        self.put_superblock()
        self.pieces += beats
        for path, folder in self.folders.items():
            self.store_folder(path, folder)
        for stored in self.stored.values():
            self.put_descriptor(stored)
        for name, resource in self.resources.items():
            if name in self.stored:
                self.put_heads(name, resource)
        if self.layout.large:
            self.put_large_headers()

    def store_folder(self, path, folder):
        data = self.layout.directory(folder.address, folder.parent,
                                     folder.entries, self.first_entries)
        if folder.zla == SB:
            self.store_parts(path, folder.kind, folder.address, data,
                             **folder.how)
        elif folder.zla == RESIDENT:
            self.stored[path] = Stored(Descriptor(
                folder.address, folder.kind, RESIDENT, len(data), data=data,
                **folder.how), {}, BLOCK)
        else:
            self.store_folder_blocks(path, folder, data)

    def store_folder_blocks(self, path, folder, data):
        blocks = [self.take_block() for _ in range(-(-len(data) // BLOCK))]
        self.stored[path] = Stored(Descriptor(
            folder.address, folder.kind, FB, len(data),
            pointers=[self.layout.fb(b) for b in blocks], **folder.how),
            {n: b * BLOCK for n, b in enumerate(blocks)}, BLOCK)
        self.put_in(self.stored[path], 0, data)

    def put_superblock(self):
        buf = bytearray(SECTOR)
        layout = self.layout
        put(buf, 0, "IIB16sI", 0x2fabf15e, layout.major, layout.minor,
            self.uuid, 0x4 if self.dense else 0)
        put(buf, 0x1d, "128sIQII16s", self.label.encode(), SECTOR, BLOCK,
            MTIME, self.snap_id, self.lvm_uuid)
        fdc = self.resources["fdc"]
        put(buf, 0xd1, "III", GROUPS_AT, fdc.per_group,
            1 << layout.sub_shift)
        for at, res in ((0xe1, 6), (0x105, 7)):
            address = fd_address(0, res)
            put(buf, at, "QI", self.fd_at(address), address)
        if layout.large:
            put(buf, 0x134, "IH4xHH2xIIII", layout.alignment, 9, 16, 44, 0, 0,
                16000, 4000)
        self.put(SUPERBLOCK_AT, buf)
        for slot in range(HEARTBEATS):
            at = HEARTBEATS_AT + slot * layout.alignment
            self.put(at, heartbeat(at))

    def put_descriptor(self, stored):
        at = self.fd_at(stored.descriptor.address)
        self.put(at, self.layout.descriptor(
            stored.descriptor, lock(FD_LOCK, at, **stored.holder)))

    def put_heads(self, name, resource):
        stored = self.stored[name]
        self.put_in(stored, 0, self.resource_header(name, resource))
        if self.layout.large or not self.heads:
            return
        for cluster in range(resource.clusters):
            number, inner = divmod(resource.head_at(cluster), BLOCK)
            at = stored.places[number] + inner
            self.put(at, lock(CLUSTER_LOCKS[name], at))
            self.put(at + self.layout.head // 2, resource.bitmap(
                cluster, self.used[name].get(cluster, ())))

    def resource_header(self, name, resource):
        buf = resource.header()
        if self.layout.large:
            put(buf, 0x20, "II", 0x72666d64, 1)
        return bytes(buf)

    def put_large_headers(self):
        """Of .fbb.sf: large blocks, and the small ones in them as their
        child; of .pbc.sf, which holds nothing."""
        layout = self.layout
        lfb = Resource(layout.head, 16, 8, layout.head, count=max(
            1, self.blocks_total * BLOCK // LARGE))
        small = Resource(layout.head, layout.per_small_cluster, 8, 0,
                         count=self.blocks_total)
        parent, child = lfb.header(), small.header()
        for buf in (parent, child):
            put(buf, 0x20, "III", 0x72666d64, 1, 2 if buf is child else 0)
            put(buf, 0x34, "IIII", layout.alignment, 16, 8, lfb.group_bytes)
        self.put_in(self.stored["fbb"], 0, parent)
        self.put_in(self.stored["fbb"], layout.alignment, child)
        empty = Resource(layout.head, 16, 8, 65536).header()
        put(empty, 0x14, "III", 0, 0, 0)
        put(empty, 0x20, "II", 0x72666d64, 1)
        self.put_in(self.stored["pbc"], 0, empty)
