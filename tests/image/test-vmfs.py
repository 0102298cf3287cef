#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""test-vmfs - volumes of VMFS 5 and 6 that we have built are read right.

Each has a file of each kind of mapping, on one extent or several, with and
without partitions; every file reads as its source, every folder lists what is
in it, and nothing is written.  A virtual machine in a volume is the chain that
it was outside.
"""
import collections
import contextlib
import json
import os
import random
import re
import struct
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../support"))

import vmfs_kinds  # noqa: E402
from loop import LoopDevice  # noqa: E402
from tap import Suite  # noqa: E402
from tools import (VDISK_IMG, Failed, disk_io, need_engine,  # noqa: E402
                   run, scratch, vdisk_img, vdisk_img_fails)
from vmfs_device import (DATA_AT, HEADER_AT, SECTOR, VOLUME_SLOTS,  # noqa: E402
                         write_at, write_device)
from vmfs_layout import (EXCLUSIVE, MIB, READERS, WRITERS,  # noqa: E402
                         uuid_text)
from vmfs_made import Made, listed, node  # noqa: E402
from vmfs_volume import UNIT, Volume  # noqa: E402

Kind = collections.namedtuple("Kind", "version extents table engine more")
KINDS = {
    "vmfs5": Kind(5, (3,), None, "threads", {}),
    "vmfs5, two extents": Kind(5, (1, 2), "gpt", "uring",
                               {"backwards": True}),
    "vmfs5, old": Kind(5, (1, 1, 1), "mbr", "threads", {"dense": False}),
    "vmfs6": Kind(6, (9,), "mbr", "uring", {}),
    "vmfs6, three extents": Kind(6, (1, 2, 6), "gpt", "threads", {
        "backwards": True, "first_entries": 3}),
}
RUN = 6 * MIB
TRANSFER = 2 * MIB
FEW = 40  # requests for what is not data: headers, tables, descriptors

suite = Suite()


class Place:
    """A directory with the volumes, each made when first asked for."""

    def __init__(self, directory):
        self.directory = directory
        self.made = {}

    def __getitem__(self, name):
        if name not in self.made:
            kind = KINDS[name]
            path = os.path.join(self.directory, re.sub("[ ,]+", "-", name))
            os.mkdir(path)
            self.made[name] = Made(
                vmfs_kinds.every_kind(kind.version, kind.extents,
                                      **kind.more), path, kind.table)
        return self.made[name]


# -- files ----------------------------------------------------------------------

def reads_right(place, name, path):
    need_engine(KINDS[name].engine)
    place[name].expect_file(path, KINDS[name].engine)


def links_lead(place, name):
    for path in vmfs_kinds.LINKS:
        if path == "/links/folder":
            path += "/plain"
        made = place[name]
        made.expect_file("/direct/plain", name=made.node(path))


def refuses(place, name):
    """What is no file, or is not there."""
    bad = {path: "" for path in vmfs_kinds.BAD_LINKS}
    bad.update({"/nowhere/file": "nowhere", "/direct": "director",
                "/direct/none": "none", "/small/one/file": "",
                "/small/lun": "", "/": "director",
                "/vmfs/volumes/other/direct/plain": "other"})
    for path, word in bad.items():
        text = vdisk_img_fails("info", "-f", "vmfs", place[name].node(path))
        if word not in text or len(text.splitlines()) != 1:
            raise Failed("%s: %s" % (path, text))


def reads_a_run_at_once(version, extents, engine):
    """One entry of the map for each stretch in a row, which is one to an
    extent, and no more requests than these take."""
    need_engine(engine)
    with scratch() as tmp:
        source = os.path.join(tmp, "source")
        with open(source, "wb") as file:
            file.write(random.Random(1).randbytes(RUN))
        volume = Volume(version, extents)
        at = extents[0] * UNIT // MIB - 3 if len(extents) > 1 else None
        volume.copy("/run", source, run=True, at=at)
        made = Made(volume, tmp)
        rows = json.loads(vdisk_img("map", "-f", "vmfs", "--output=json",
                                    made.node("/run")))
        if len(rows) != len(extents):
            raise Failed("%d runs: %s" % (len(rows), rows))
        done = run([VDISK_IMG, "convert", "--stats", "--output=json", "-f",
                    "vmfs", "-O", "raw", made.node("/run"),
                    os.path.join(tmp, "out")], env={"VDISK_ENGINE": engine})
    if done.code:
        raise Failed(str(done))
    reads = json.loads(done.stderr)["stats"]["storage"]["read"]["requests"]
    print("# %d requests" % reads)
    if reads > FEW * len(extents) + RUN // TRANSFER + len(extents):
        raise Failed("%d requests" % reads)


# -- folders ----------------------------------------------------------------------

def lists_all(place, name):
    tree = place[name].tree()
    got = {"/" + each["name"]: (each["type"], each["size"])
           for each in listed(place[name].node(), "-R")}
    if got != tree:
        raise Failed("only there %s, only here %s" % (
            sorted(set(got.items()) - set(tree.items())),
            sorted(set(tree.items()) - set(got.items()))))


def lists_one(place, name):
    made = place[name]
    wanted = sorted(os.path.basename(path) for path in made.tree()
                    if os.path.dirname(path) == "/many")
    for engine in ("threads", KINDS[name].engine):
        need_engine(engine)
        lines = vdisk_img("ls", made.node("/many"), engine=engine)
        if lines.splitlines() != wanted:
            raise Failed(lines)
    rows = listed(made.node("/links"))
    targets = {"/links/" + row["name"]: row.get("target") for row in rows}
    if targets != {**vmfs_kinds.LINKS, **vmfs_kinds.BAD_LINKS}:
        raise Failed(str(targets))
    row = listed(made.node("/direct/plain"))[0]
    if (row["size"], row["mode"] & 0o7777) != (3 * MIB + 12345, 0o600):
        raise Failed(str(row))


def stays_as_it_was(place, name):
    made = place[name]
    text = vdisk_img_fails("resize", "-f", "vmfs", made.node("/direct/plain"),
                           "64M")
    if "never written" not in text:
        raise Failed(text)
    made.expect_untouched()


# -- devices ----------------------------------------------------------------------

def any_order():
    with scratch() as tmp:
        made = Made(vmfs_kinds.every_kind(6, (1, 2, 6)), tmp)
        for order in ((2, 0, 1), (1, 2, 0)):
            extents = [made.extents[n] for n in order]
            made.expect_file("/direct/run",
                             name=node(extents, "/direct/run"))


def simple(version, number, extents=(1,), label="built"):
    volume = Volume(version, extents, label, number)
    volume.blocks("/disk", 2 * MIB, {0: "d", 1: "d"})
    return volume


def several_on_a_device():
    """By label, by the id of either layer; one of them has to be named."""
    with scratch() as tmp:
        device = os.path.join(tmp, "device")
        volumes = [simple(5, 1, label="eins"), simple(6, 2, label="zwei")]
        made = [Made(volume, tmp, name=volume.label) for volume in volumes]
        write_device(device, [(volume, 0) for volume in volumes], "gpt")
        text = vdisk_img_fails("ls", node([device], "/"))
        if "eins" not in text or "zwei" not in text:
            raise Failed(text)
        for each in made:
            for key in (each.volume.label, uuid_text(each.volume.uuid),
                        uuid_text(each.volume.lvm_uuid)):
                each.expect_file("/disk", name=node(
                    [device], "/disk", "volume=" + key))
        text = vdisk_img_fails("ls", node([device], "/", "volume=drei"))
        if "drei" not in text:
            raise Failed(text)


def extents_that_do_not_fit():
    with scratch() as tmp:
        good = Made(simple(5, 1, (1, 1)), tmp, name="good")
        other = Made(simple(5, 3, (1, 1)), tmp, name="other")
        copy = simple(5, 1, (1, 1))
        copy.snap_id += 1
        copy = Made(copy, tmp, name="copy")
        first, second = good.extents
        for extents, word in (
                ([first], "missing"), ([second], "missing"),
                ([first, copy.extents[1]], "snapshot"),
                ([first, first], ""), ([first, other.extents[1]], "")):
            text = vdisk_img_fails("info", "-f", "vmfs",
                                   node(extents, "/disk"))
            if word not in text or len(text.splitlines()) != 1:
                raise Failed("%s: %s" % (extents, text))
        # One that is there twice is a device that is seen by two ways.
        for extents in ([second, first], [first, second, second]):
            good.expect_file("/disk", name=node(extents, "/disk"))
        expect_spare_left_out(tmp, good, other)
        text = vdisk_img_fails("info", "-f", "vmfs", node(
            [first, second, copy.extents[0]], "/disk",
            "spare-extents=on,volume=" + uuid_text(good.volume.uuid)))
        if "snapshot id" not in text:
            raise Failed(text)


def expect_spare_left_out(tmp, good, other):
    """Lists of what may be a volume have all kinds of things in them."""
    junk, gone = (os.path.join(tmp, name) for name in ("junk", "gone"))
    with open(junk, "wb") as file:
        file.truncate(2 * MIB)
    first, second = good.extents
    spare = "spare-extents=on,volume=" + uuid_text(good.volume.uuid)
    good.expect_file("/disk", name=node(
        [junk, gone, second, other.extents[0], first], "/disk", spare))
    text = vdisk_img_fails("ls", node([junk, gone, first], "/", spare))
    if "missing" not in text:
        raise Failed(text)
    text = vdisk_img_fails("ls", node([junk, gone], "/", spare))
    if junk not in text or gone not in text:
        raise Failed(text)


def shows_what_extents_are_called():
    """And not what they were given as, which may be a URL with a secret."""
    with scratch() as tmp:
        extent = Made(simple(5, 1), tmp).extents[0]
        for more in ("", ",extent.0.cache.direct=off"):
            given = "driver=vmfs,extent.0.filename=file:%s%s,path=/none" % (
                extent, more)
            text = vdisk_img_fails("info", "--image-opts", given)
            text = text.replace("'%s'" % given, "")
            if "extent.0.filename=" + extent not in text:
                raise Failed(text)


def on_block_devices(version, extents, table, engine, *options):
    """Past the cache, whatever sectors the devices have."""
    need_engine(engine)
    with scratch() as tmp, contextlib.ExitStack() as stack:
        made = Made(vmfs_kinds.every_kind(version, extents), tmp, table)
        devices = [stack.enter_context(LoopDevice(path, *options))
                   for path in made.extents]
        if (vdisk_img("ls", "-lR", node(devices, "/"), engine=engine)
                != vdisk_img("ls", "-lR", made.node("/"))):
            raise Failed("other files are listed")
        for path in ("/direct/run", "/direct/plain", "/small/full",
                     "/parts/many", "/pointer/thin", "/pointer/second"):
            for cache in ("writeback", "none"):
                made.expect_file(path, engine, node(devices, path),
                                 ("-T", cache))


FAR_UNITS = 8 * 8192  # as many as one region has entries for
REGION_AT = DATA_AT + UNIT


def more_units(made, region=0xc001d00d):
    """The first unit of the volume is the last of the device, above 16 TiB,
    and its entry stands in a further region of tables."""
    entry = struct.Struct("<BIIQQQI")
    unit = [entry.pack(1, n, 0, DATA_AT + (n + 1) * UNIT, (n + 1) * UNIT, UNIT,
                       1).ljust(128, b"\0") for n in range(FAR_UNITS)]
    tables_at = SECTOR + VOLUME_SLOTS * SECTOR + 1024
    with open(made.extents[0], "r+b") as file:
        write_at(file, HEADER_AT + 0x6a, struct.pack("<I", FAR_UNITS + 1))
        write_at(file, HEADER_AT + 0xbe, struct.pack("<IQ", 8, REGION_AT))
        for n in range(8):
            write_at(file, HEADER_AT + tables_at + n * (1024 + (1 << 20)),
                     b"".join(unit[n * 8192:][:8192]))
        write_at(file, REGION_AT, struct.pack("<IIQQ", region, 1, 0, 0))
        write_at(file, REGION_AT + tables_at, entry.pack(
            1, FAR_UNITS, 0, DATA_AT, 0, UNIT, 1).ljust(128, b"\0"))


def long_device():
    with scratch() as tmp:
        made = Made(simple(5, 1), tmp)
        more_units(made)
        made.expect_file("/disk")
        more_units(made, region=0)
        text = vdisk_img_fails("ls", made.node("/"))
        if "where more tables of LVM should be" not in text:
            raise Failed(text)


# -- hosts ----------------------------------------------------------------------

# Name: mode, is the host alive, has it begun anew since; may it be read?
LOCKS = {
    "mine": (EXCLUSIVE, True, False, False),
    "shared": (WRITERS, True, False, False),
    "readers": (READERS, True, False, True),
    "dead": (EXCLUSIVE, False, False, True),
    "again": (EXCLUSIVE, True, True, True),
}


def honours_locks(version):
    with scratch() as tmp:
        volume = Volume(version)
        for slot, (name, (mode, alive, anew, _)) in enumerate(LOCKS.items()):
            path = "/" + name
            volume.blocks(path, MIB, {0: "d"})
            volume.locked(path, slot, mode, alive, anew=anew)
        made = Made(volume, tmp)
        for name, (*_, may) in LOCKS.items():
            path = "/" + name
            if may:
                made.expect_file(path)
                continue
            text = vdisk_img_fails("info", "-f", "vmfs", made.node(path))
            if "used by host 192.0.2.7" not in text:
                raise Failed(text)
            vdisk_img("info", "-U", "-f", "vmfs", made.node(path))
            made.expect_file(path, name=made.node(path, "force-share=on"))
        if len(listed(made.node("/"))) < len(LOCKS):
            raise Failed("locked files are not listed")
        made.expect_untouched()


# -- machines -----------------------------------------------------------------

def machine(directory):
    """A flat disk and a redo log on it, as on a datastore; the log's path."""
    base = os.path.join(directory, "vm.vmdk")
    child = os.path.join(directory, "vm-000001.vmdk")
    piece = os.path.join(directory, "piece")
    rng = random.Random(5)
    with open(piece, "wb") as file:
        file.write(rng.randbytes(MIB + 512))
    vdisk_img("create", "-q", "-f", "vmdk", "-o", "subformat=vmfsThin", base,
              "24M")
    disk_io(base, "write", 0, piece, "write", 9 * MIB + 512, piece)
    vdisk_img("create", "-q", "-f", "vmdk", "-o", "subformat=vmfsSparse",
              "-b", "vm.vmdk", "-F", "vmdk", child)
    with open(piece, "wb") as file:
        file.write(rng.randbytes(70000 // 512 * 512))
    disk_io(child, "write", 5 * MIB, piece, "write", 9 * MIB, piece)
    os.unlink(piece)
    return child


def machine_in(version):
    with scratch() as tmp, scratch() as local:
        child = machine(local)
        volume = Volume(version, (1, 1))
        volume.folder("/Größe vm")
        for name in sorted(os.listdir(local)):
            volume.copy("/Größe vm/" + name, os.path.join(local, name))
        made = Made(volume, tmp)
        inside = made.node("/Größe vm/vm-000001.vmdk")
        said = vdisk_img("compare", inside, child)
        if "identical" not in said:
            raise Failed(said)
        chain = json.loads(vdisk_img("info", "--backing-chain",
                                     "--output=json", inside))
        if len(chain) != 2 or not chain[-1]["filename"].endswith(
                ":/Größe vm/vm.vmdk"):
            raise Failed(json.dumps(chain, indent=1))
        flat = made.node("/Größe vm/vm-flat.vmdk")
        made.expect_file("/Größe vm/vm-flat.vmdk", name=flat)
        made.expect_untouched()


def add_cases(place):
    for name, kind in KINDS.items():
        paths = vmfs_kinds.files(vmfs_kinds.every_kind(
            kind.version, kind.extents, **kind.more))
        for path in paths:
            if path.startswith("/many/") and path != "/many/file-099":
                continue
            suite.add("%s: %s" % (name, path), reads_right, place, name, path)
        for what, func in (("links", links_lead), ("refuses", refuses),
                           ("lists all", lists_all),
                           ("lists a folder", lists_one),
                           ("stays as it was", stays_as_it_was)):
            suite.add("%s: %s" % (name, what), func, place, name)
    for version, extents, engine in ((5, (1,), "uring"),
                                     (6, (1, 1), "threads")):
        suite.add("vmfs%d: a run is one request (%s)" % (version, engine),
                  reads_a_run_at_once, version, extents, engine)
    suite.add("extents in any order", any_order)
    suite.add("several volumes on a device", several_on_a_device)
    suite.add("extents that do not fit", extents_that_do_not_fit)
    suite.add("names of extents", shows_what_extents_are_called)
    suite.add("a device above 16 TiB", long_device)
    for version, extents, table, engine, *options in (
            (5, (1, 2), "gpt", "threads"),
            (6, (9,), "mbr", "uring", "--direct-io=on"),
            (5, (3,), "mbr", "uring", "-b", "4096"),
            (6, (9,), "gpt", "threads", "-b", "4096", "--direct-io=on")):
        suite.add("vmfs%d: on block devices (%s)" % (
            version, " ".join([engine, *options])), on_block_devices, version,
                  extents, table, engine, *options)
    for version in (5, 6):
        suite.add("vmfs%d: locks of hosts" % version, honours_locks, version)
        suite.add("vmfs%d: a machine" % version, machine_in, version)


def main():
    with scratch() as directory:
        add_cases(Place(directory))
        suite.run()


main()
