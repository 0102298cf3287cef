#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""test-misread - files that other programs are known to read wrongly.

Each case is one of them: what the disk holds is known, and we must read exactly
that (or refuse it, where there is nothing right to read).  What qemu-img and
libvmdk make of the same file is measured and printed; for the versions that
the claim was made about it is checked, so that the claim stays true.
"""
import functools
import os
import random
import re
import struct
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../support"))

from digest import Nz64k  # noqa: E402
from readers import read_with_libvmdk  # noqa: E402
from tap import Skip, Suite  # noqa: E402
from tools import (VDISK_IMG, Failed, disk_io, need, qemu_img,  # noqa: E402
                   run, scratch, vdisk_img, vdisk_img_fails)

SECTOR = 512
MIB = 1 << 20
HEAD = ("# Disk DescriptorFile\nversion=1\nCID=12345678\nparentCID=ffffffff\n"
        'createType="%s"\n\n# Extent description\n')
TAIL = '\n# The Disk Data Base\n#DDB\n\nddb.adapterType = "ide"\n'
KNOWN_QEMU = "7.2."

suite = Suite()


def noise(length, seed):
    return random.Random(seed).randbytes(length)


def put(path, data):
    with open(path, "wb") as file:
        file.write(data if isinstance(data, bytes) else data.encode())


def get(path):
    with open(path, "rb") as file:
        return file.read()


def poke(path, at, data):
    with open(path, "r+b") as file:
        file.seek(at)
        file.write(data)


def content(data):
    digest = Nz64k()
    digest.feed(0, bytes(data))
    return len(data), digest.hexdigest()


# -- measuring ----------------------------------------------------------------

@functools.cache
def qemu_version():
    return re.search(r"version (\S+?)[\s(]", qemu_img("--version")).group(1)


def qemu_says(image, data, fmt="vmdk", probe=False):
    """"right", "wrong", or "refuses"."""
    raw = image + ".qemu"
    fmt = [] if probe else ["-f", fmt]
    done = run([need("qemu-img"), "convert", *fmt, "-O", "raw", image, raw])
    if done.code != 0:
        return "refuses"
    return "right" if get(raw) == data else "wrong"


def libvmdk_says(image, data):
    try:
        got = read_with_libvmdk(image)
    except Failed:
        return "refuses"
    return "right" if got == content(data) else "wrong"


def note(who, got, claim, known):
    print("# %s: %s" % (who, got), flush=True)
    if known and got != claim:
        raise Failed("%s %s this file; the claim is: %s" % (who, got, claim))


def measure(image, data, qemu=None, libvmdk=None, probe=False):
    """Claims about others; None = nothing is claimed, only measured."""
    version = qemu_version()
    note("qemu-img " + version, qemu_says(image, data, probe=probe), qemu,
         qemu and version.startswith(KNOWN_QEMU))
    try:
        note("libvmdk", libvmdk_says(image, data), libvmdk,
             libvmdk is not None)
    except Skip as skip:
        print("# %s" % skip)


def we_read(image, data, *options):
    raw = image + ".ours"
    vdisk_img("convert", *options, "-O", "raw", image, raw)
    if get(raw) != data:
        raise Failed("vdisk-img reads something else")


# -- descriptors ----------------------------------------------------------------

def flat_files(tmp, *seeds):
    """Files a, b, ... of 64 KiB; their bytes."""
    pieces = []
    for name, seed in zip("abcdef", seeds):
        pieces.append(noise(128 * SECTOR, seed))
        put(os.path.join(tmp, name + ".raw"), pieces[-1])
    return pieces


def described(lines, data_of, qemu, libvmdk=None, head=HEAD % "monolithicFlat",
              tail=TAIL, probe=False):
    """A text descriptor with @lines over files a and b."""
    with scratch() as tmp:
        a, b = flat_files(tmp, 1, 2)
        image = os.path.join(tmp, "d.vmdk")
        put(image, head + lines + tail)
        data = data_of(a, b)
        we_read(image, data)
        measure(image, data, qemu, libvmdk, probe)


ZEROES = bytes(128 * SECTOR)


def add_descriptors():
    suite.add("RDONLY lines count", described,
              'RW 128 FLAT "a.raw" 0\nRDONLY 128 FLAT "b.raw" 0\n'
              'RW 128 FLAT "a.raw" 0\n',
              lambda a, b: a + b + a, "wrong")
    suite.add("ZERO lines count", described,
              'RW 128 FLAT "a.raw" 0\nRW 128 ZERO\nRW 128 FLAT "b.raw" 0\n',
              lambda a, b: a + ZEROES + b, "wrong")
    suite.add("NOACCESS lines count", described,
              'RW 128 FLAT "a.raw" 0\nNOACCESS 128 FLAT "b.raw" 0\n'
              'RW 128 FLAT "b.raw" 0\n',
              lambda a, b: a + ZEROES + b, "wrong")
    suite.add("a blank line does not double an extent", described,
              'RW 128 FLAT "a.raw" 0\n\nRW 128 FLAT "b.raw" 0\n',
              lambda a, b: a + b, "wrong")
    suite.add("trailing blanks are none of the value", described,
              'RW 128 FLAT "a.raw" 0 \n', lambda a, b: a, "wrong",
              None, HEAD.replace("\n", " \n") % "monolithicFlat", TAIL, True)
    suite.add("blanks around the equals sign", described,
              'RW 128 FLAT "a.raw" 0\n', lambda a, b: a, "refuses", None,
              HEAD.replace("createType=", "createType = ")
              % "monolithicFlat")
    suite.add("section titles are comments", described,
              'RW 128 FLAT "a.raw" 0\n', lambda a, b: a, "right", "refuses",
              (HEAD % "monolithicFlat").replace("\n# Extent description\n",
                                                ""), "")
    suite.add("seven values on a line", described,
              'RW 128 FLAT "a.raw" 0 "{uuid}" "\\\\.\\PhysicalDrive0"\n',
              lambda a, b: a, "right")
    suite.add("VMFS with an offset", described,
              'RW 64 VMFS "a.raw" 64\n',
              lambda a, b: a[64 * SECTOR:], "refuses", None, HEAD % "vmfs")
    suite.add("createType is hearsay", described,
              'RW 128 FLAT "a.raw" 0\n', lambda a, b: a, "refuses", None,
              HEAD % "custom")
    suite.add("CRLF and a byte order mark", described,
              'RW 128 FLAT "a.raw" 0\r\n', lambda a, b: a, None, None,
              "\ufeff" + (HEAD % "monolithicFlat").replace("\n", "\r\n"),
              TAIL.replace("\n", "\r\n"))
    suite.add("a flat file that ends early", ends_early)


def ends_early():
    with scratch() as tmp:
        image = os.path.join(tmp, "d.vmdk")
        data = noise(1000 * SECTOR, 1)
        put(os.path.join(tmp, "a.raw"), data)
        put(image, HEAD % "monolithicFlat" + 'RW 1128 FLAT "a.raw" 0\n' + TAIL)
        we_read(image, data + ZEROES)
        measure(image, data + ZEROES)


# -- sparse extents -------------------------------------------------------------

GRAIN = 128 * SECTOR
SIZE = 40 * MIB
# Of a disk of 40 MiB, in sectors: the directory and its two tables; the first
# of the second copy.
GD, GT0, GT1 = 30, 31, 35
RGT0 = 22


def sparse(tmp, name="d.vmdk", size=SIZE):
    """A sparse disk with its first grain written; the bytes of the disk."""
    image = os.path.join(tmp, name)
    vdisk_img("create", "-q", "-f", "vmdk", image, size)
    data = bytearray(size)
    data[:GRAIN] = noise(GRAIN, 1)
    put(os.path.join(tmp, "piece"), bytes(data[:GRAIN]))
    disk_io(image, "write", 0, os.path.join(tmp, "piece"), "flush")
    check_places(image)
    return image, data


def check_places(image):
    """The figures above are those of this file."""
    gd = struct.unpack_from("<Q", get(image)[:SECTOR], 56)[0]
    first = struct.unpack_from("<II", get(image), gd * SECTOR)
    if (gd, *first) != (GD, GT0, GT1):
        raise Failed("directory at %d, tables at %s" % (gd, first))


def renamed():
    """libvmdk looks for the name in there; the extent is the file itself."""
    with scratch() as tmp:
        image, data = sparse(tmp, "old.vmdk")
        new = os.path.join(tmp, "new.vmdk")
        os.rename(image, new)
        we_read(new, bytes(data))
        measure(new, bytes(data), "right", "refuses")


def entry_one_without_the_flag():
    """QEMU reads the descriptor into the guest's disk."""
    with scratch() as tmp:
        image, _ = sparse(tmp)
        for table in (RGT0, GT0):
            poke(image, table * SECTOR + 4, struct.pack("<I", 1))
        text = vdisk_img_fails("convert", "-O", "raw", image, image + ".ours")
        if "names no place" not in text:
            raise Failed(text)
        checked = run([VDISK_IMG, "check", image])
        if checked.code != 2 or b"marked zero" not in checked.stdout:
            raise Failed(str(checked))
        raw = image + ".qemu"
        qemu_img("convert", "-f", "vmdk", "-O", "raw", image, raw)
        leaks = b"Disk DescriptorFile" in get(raw)
        note("qemu-img " + qemu_version(),
             "leaks" if leaks else "does not leak", "leaks",
             qemu_version().startswith(KNOWN_QEMU))
        checked = run([need("qemu-img"), "check", "-f", "vmdk", image])
        note("its check", "is content" if checked.code == 0 else "complains",
             "is content", qemu_version().startswith(KNOWN_QEMU))


def missing_table_written():
    """QEMU writes the guest's data over the header."""
    with scratch() as tmp:
        image, data = sparse(tmp)
        # Table 1 is in neither directory.
        rgd = struct.unpack_from("<Q", get(image), 48)[0]
        for directory in (GD, rgd):
            poke(image, directory * SECTOR + 4, bytes(4))
        before = get(image)
        piece = os.path.join(tmp, "piece")
        put(piece, noise(4096, 5))
        done = run([need("qemu-io"), "-f", "vmdk", "-c",
                    "write -s %s %d 4096" % (piece, 32 * MIB), image])
        broken = get(image)[:SECTOR] != before[:SECTOR]
        note("qemu-io " + qemu_version(),
             "destroys" if broken else "leaves the header", "destroys",
             qemu_version().startswith(KNOWN_QEMU))
        print("# it says: %s" % done.stdout.decode().strip())
        put(image, before)
        disk_io(image, "write", 32 * MIB, piece, "flush")
        data[32 * MIB:32 * MIB + 4096] = get(piece)
        we_read(image, bytes(data))
        vdisk_img("check", image)
        measure(image, bytes(data), "right", "right")


def line_below_the_header():
    """VirtualBox rounds the header's capacity up; the line is the disk."""
    with scratch() as tmp:
        image, data = sparse(tmp)
        text = get(image)
        at = text.index(b"RW 81920 ")
        poke(image, at, b"RW 81913 ")
        data = bytes(data[:81913 * SECTOR])
        we_read(image, data)
        measure(image, data, "wrong")


def entries_behind_the_end():
    """Leftovers of QEMU: entries of the last table behind the capacity."""
    with scratch() as tmp:
        image, data = sparse(tmp)
        poke(image, GT1 * SECTOR + 4 * 300, struct.pack("<I", 0x7fffff00))
        we_read(image, bytes(data))
        measure(image, bytes(data), "right")


def content_id_mismatch():
    """QEMU opens such a child, and fails where it needs the parent."""
    with scratch() as tmp:
        base, data = sparse(tmp, "base.vmdk")
        child = os.path.join(tmp, "child.vmdk")
        vdisk_img("create", "-q", "-f", "vmdk", "-b", base, "-F", "vmdk",
                  child)
        we_read(child, bytes(data))
        cid = re.search(rb"\nCID=([0-9a-f]{8})", get(base)).group(1)
        poke(base, get(base).index(b"\nCID=") + 5,
             b"%08x" % (int(cid, 16) ^ 1))
        text = vdisk_img_fails("convert", "-O", "raw", child, child + ".ours")
        if cid.decode() not in text or \
                "%08x" % (int(cid, 16) ^ 1) not in text:
            raise Failed("not both ids: " + text)
        info = run([need("qemu-img"), "info", child])
        note("qemu-img info", "opens it" if info.code == 0 else "refuses",
             "opens it", qemu_version().startswith(KNOWN_QEMU))
        measure(child, bytes(data), "refuses")


def unpadded_content_id():
    with scratch() as tmp:
        base = os.path.join(tmp, "base.vmdk")
        child = os.path.join(tmp, "child.vmdk")
        put(os.path.join(tmp, "a.raw"), noise(128 * SECTOR, 1))
        put(base, (HEAD % "monolithicFlat").replace("12345678", "abc") +
            'RW 128 FLAT "a.raw" 0\n' + TAIL)
        vdisk_img("create", "-q", "-f", "vmdk", "-b", base, "-F", "vmdk",
                  child)
        we_read(child, noise(128 * SECTOR, 1))
        measure(child, noise(128 * SECTOR, 1), "right")


def read_only_is_read_only():
    """RW in the descriptor of a disk that is opened to be read."""
    with scratch() as tmp:
        image = os.path.join(tmp, "d.vmdk")
        flat = os.path.join(tmp, "a.raw")
        data = flat_files(tmp, 1)[0]
        put(image, HEAD % "monolithicFlat" + 'RW 128 FLAT "a.raw" 0\n' + TAIL)
        for path in (image, flat):
            os.chmod(path, 0o444)
        done = run([VDISK_IMG, "convert", "-O", "raw", image,
                    image + ".ours"], obey_permissions=True)
        if done.code != 0 or get(image + ".ours") != data:
            raise Failed(str(done))


def unmapped_over_a_parent():
    """A seSparse grain that the guest has given back: zeroes, though there
    are readers that show the parent's data there."""
    with scratch() as tmp:
        base, data = sparse(tmp, "base.vmdk")
        overlay = os.path.join(tmp, "overlay.vmdk")
        child = os.path.join(tmp, "child.vmdk")
        vdisk_img("create", "-q", "-f", "vmdk", "-b", base, "-F", "vmdk",
                  overlay)
        disk_io(overlay, "write", 0, os.path.join(tmp, "piece"), "flush")
        vdisk_img("convert", "-q", "-O", "vmdk", "-o", "subformat=seSparse",
                  "-B", base, "-F", "vmdk", overlay, child)
        # The first entry of the first table.
        poke(os.path.join(tmp, "child-sesparse.vmdk"), 3 * MIB,
             struct.pack("<Q", 1 << 60))
        data[:4096] = bytes(4096)
        we_read(child, bytes(data))
        measure(child, bytes(data), "right")


def add_sparse():
    suite.add("the name in a monolithic file means nothing", renamed)
    suite.add("entry 1 without the flag is no place",
              entry_one_without_the_flag)
    suite.add("a missing table is made before it is written to",
              missing_table_written)
    suite.add("a line below the header's capacity", line_below_the_header)
    suite.add("entries behind the end are leftovers", entries_behind_the_end)
    suite.add("a parent that was written to", content_id_mismatch)
    suite.add("a content id without leading zeroes", unpadded_content_id)
    suite.add("reading does not open for writing", read_only_is_read_only)
    suite.add("unmapped seSparse grains hide the parent",
              unmapped_over_a_parent)


add_descriptors()
add_sparse()
suite.run()
