# SPDX-License-Identifier: BSD-3-Clause
"""vmfs_kinds - a volume with a file of each kind of mapping, folders of each
kind, links and odd names.

every_kind() says on the volume what other readers are known not to read right:
volume.only_ours is a set of paths (docs/VMFS.md has the reasons).
"""
from vmfs_layout import DOUBLE, FB, FILE, MIB, PB, PB2, RESIDENT, SB
from vmfs_volume import UNIT, Volume

LONG_NAME = "n" * 127
ODD = ("/Größe & ümläut", "/Größe & ümläut/дискъ ✓.vmdk",
       "/a b%c,d#e", "/" + LONG_NAME)
MANY = 120


def every_kind(version, extents, **how):
    large = 3 if version == 6 else 0
    volume = Volume(version, extents, large=large, **how)
    volume.only_ours = set()
    for folder in ("/small", "/parts", "/direct", "/pointer", "/links"):
        volume.folder(folder)
    add_direct(volume)
    add_small(volume)
    add_parts(volume)
    add_pointers(volume)
    if large:
        add_large(volume)
    add_folders(volume)
    add_names(volume)
    add_links(volume)
    return volume


def only_ours(volume, path):
    volume.only_ours.add(path)


def add_direct(volume):
    """The run goes first: it crosses from the first extent into the next."""
    at = None
    if len(volume.extents) > 1:
        at = volume.extents[0] * UNIT // MIB - 3
    volume.blocks("/direct/run", 6 * MIB, dict.fromkeys(range(6), "d"),
                  run=True, at=at)
    volume.blocks("/direct/plain", 3 * MIB + 12345,
                  dict.fromkeys(range(4), "d"))
    volume.blocks("/direct/holes", 9 * MIB,
                  {0: "d", 2: "z", 3: "d", 6: "z", 8: "d"})
    volume.blocks("/direct/nothing", 2 * MIB + 1, {})
    if volume.layout.large:
        only_ours(volume, "/direct/holes")


def add_small(volume):
    volume.small("/small/empty", b"")
    volume.small("/small/one", b"1")
    volume.small("/small/full", volume.garbage(volume.layout.resident))


def add_parts(volume):
    """Enough of VMFS 5 that places from 16 on are among them."""
    part = 1 << volume.layout.sub_shift
    volume.parts("/parts/short", volume.garbage(1000))
    volume.parts("/parts/full", volume.garbage(part))
    volume.parts("/parts/many", volume.garbage(
        24 * part - 5 if part < 65536 else 3 * part - 5))


def add_pointers(volume):
    top, per_block = volume.layout.top, volume.layout.per_block
    volume.blocks("/pointer/plain", (top + 20) * MIB - 777, {
        0: "d", 1: "d", 5: "z", top - 1: "d", top: "d", top + 19: "d"},
        zla=PB)
    volume.blocks("/pointer/thin", (top + 3) * MIB + 5, {
        3: "d", top + 1: "d", top + 3: "d"}, zla=PB)
    volume.blocks("/pointer/wide", (2 * per_block + 9) * MIB, {
        7: "d", per_block - 1: "d", per_block: "d", per_block + 3: "z",
        2 * per_block + 8: "d"}, zla=PB)
    volume.blocks("/pointer/second", (per_block + 4) * MIB, {
        0: "d", 3: "z", per_block + 1: "d"}, zla=PB2)
    volume.blocks("/pointer/mixed", (3 * per_block + 4) * MIB, {
        2: "d", per_block + 1: "d", 3 * per_block + 3: "d"}, zla=PB,
        kinds=[SB if volume.layout.large else PB, PB2])
    far = per_block ** 2 if per_block == 1024 else per_block + 700
    volume.blocks("/pointer/double", (far + 2) * MIB - 1, {
        0: "d", per_block - 1: "d", per_block: "d", far - 1: "d", far: "d"},
        zla=DOUBLE)
    only_ours(volume, "/pointer/double")
    if not volume.layout.large:
        only_ours(volume, "/pointer/second")
        only_ours(volume, "/pointer/mixed")
    else:
        only_ours(volume, "/pointer/plain")  # has a block to be zeroed
        only_ours(volume, "/pointer/wide")
        only_ours(volume, "/pointer/second")


def add_large(volume):
    volume.folder("/large")
    volume.blocks("/large/plain", 1024 * MIB - 5, {0: "D", 1: "Z"}, shift=29)
    volume.blocks("/large/mixed", 1024 * MIB, {
        0: "d", 1: "z", 511: "d", 512: "D"}, zla=PB)
    only_ours(volume, "/large/plain")
    only_ours(volume, "/large/mixed")


def add_folders(volume):
    volume.folder("/many")
    for n in range(MANY):
        volume.small("/many/file-%03d" % n, b"%d\n" % n)
        if n % 7 == 3:
            volume.free_slot("/many")
    path = ""
    for name in "abcdefghijkl":
        path += "/" + name
        volume.folder(path)
    volume.small(path + "/deep", b"down here\n")
    volume.folder("/block", zla=FB)
    volume.small("/block/file", b"in a folder of whole blocks\n")
    volume.folder("/none")
    if not volume.layout.large:
        volume.folder("/inside", zla=RESIDENT)
        volume.small("/inside/file", b"in a folder in its descriptor\n")


def add_names(volume):
    volume.folder(ODD[0])
    for n, path in enumerate(ODD[1:]):
        volume.small(path, b"odd %d\n" % n)
    volume.folder("/a:")
    volume.small("/a:/file", b"behind a colon\n")
    volume.device("/small/lun")


LINKS = {"/links/near": "../direct/plain", "/links/far": "/direct/plain",
         "/links/chain": "near", "/links/folder": "../direct",
         "/links/here": "/vmfs/volumes/built/direct/plain"}
BAD_LINKS = {"/links/loop": "loop", "/links/two": "three",
             "/links/three": "./two", "/links/nowhere": "not there"}


def add_links(volume):
    for path, target in {**LINKS, **BAD_LINKS}.items():
        volume.symlink(path, target)


def files(volume):
    """Paths of all that can be read as a disk."""
    return [path for path in volume.contents
            if volume.stored[path].descriptor.kind == FILE]
