# SPDX-License-Identifier: BSD-3-Clause
"""written - whether two tools wrote the same.

Raw files and flat extents: byte for byte, data and holes alike.  VMDK: the
same descriptor (but for the content ID drawn by lot), the same bytes for the
guest and the same parts of them stored, as qemu-img sees them; where in its
file an image stores a grain is its own affair.  Other formats: the same bytes,
the same parts stored and the same info, as qemu-img sees them.
"""
import json
import os

from fixture import assert_equal
from holes import data_ranges
from tools import Failed, run

from pairs import normal

SPARSE_MAGIC = b"KDMV"
DESCRIPTOR_MAGIC = b"# Disk DescriptorFile"
DESCRIPTOR_MAX = 20 << 10
PROBE = 4096
FORMATS = {".qcow2": "qcow2", ".vhd": "vpc", ".vhdx": "vhdx", ".vdi": "vdi"}


def check(qemu, stage, names):
    for name in names:
        paths = [os.path.join(stage.kept[who], name)
                 for who in ("theirs", "ours")]
        modes = [os.stat(path).st_mode for path in paths]
        assert_equal(modes[0], modes[1], name + ": mode")
        check_file(qemu, name, paths)


def check_file(qemu, name, paths):
    form = FORMATS.get(os.path.splitext(name)[1])
    if form:
        check_other(qemu, name, form, paths)
        return
    # First of all: what is preallocated counts as data once it is in memory.
    ranges = [stored(path) for path in paths]
    heads = [head_of(path) for path in paths]
    if any(h.startswith((SPARSE_MAGIC, DESCRIPTOR_MAGIC)) for h in heads):
        check_vmdk(qemu, name, paths, heads)
        return
    sizes = [os.path.getsize(path) for path in paths]
    assert_equal(sizes[0], sizes[1], name + ": size")
    with open(paths[0], "rb") as a, open(paths[1], "rb") as b:
        for start, end in ranges[0] + ranges[1]:
            if read_at(a, start, end) != read_at(b, start, end):
                raise Failed("%s: bytes differ" % name)
    ranges[0] = without_probe(paths[0], *ranges)
    assert_equal(ranges[0], ranges[1], name + ": data and holes")


def read_at(file, start, end):
    file.seek(start)
    return file.read(end - start)


def without_probe(path, theirs, ours):
    """QEMU writes to the first block of a new file, to learn what alignment
    it needs: a block of zeroes there is no data of the image."""
    if not theirs or theirs[0][0] != 0 or (ours and ours[0][0] == 0):
        return theirs
    with open(path, "rb") as file:
        if file.read(PROBE).strip(b"\0"):
            return theirs
    end = theirs[0][1]
    return ([[PROBE, end]] if end > PROBE else []) + theirs[1:]


def head_of(path):
    with open(path, "rb") as file:
        return file.read(2 * DESCRIPTOR_MAX)


def check_vmdk(qemu, name, paths, heads):
    texts = [descriptor_of(head) for head in heads]
    assert_equal(texts[0], texts[1], name + ": descriptor")
    if not texts[0]:
        return # an extent: the image's own comparison reads it
    argv = [qemu, "compare", "-U", "-f", "vmdk", "-F", "vmdk", *paths]
    result = run(argv)
    assert_equal((0, b"Images are identical.\n"),
                 (result.code, result.stdout), str(result))
    if "Flat" in texts[0]["createType"]:
        return # its extents are compared themselves, holes and all
    maps = [map_of(qemu, path) for path in paths]
    assert_equal(maps[0], maps[1], name + ": map")


def check_other(qemu, name, form, paths):
    """Alike to QEMU, but for where in the file things lie."""
    result = run([qemu, "compare", "-U", "-f", form, "-F", form, *paths])
    assert_equal((0, b"Images are identical.\n"),
                 (result.code, result.stdout), str(result))
    maps = [map_of(qemu, path, form) for path in paths]
    assert_equal(maps[0], maps[1], name + ": map")
    infos = [info_of(qemu, path, form) for path in paths]
    assert_equal(infos[0], infos[1], name + ": info")


def info_of(qemu, path, form):
    result = run([qemu, "info", "-U", "-f", form, "--output=json", path])
    assert_equal(0, result.code, str(result))
    info = json.loads(result.stdout)
    for key in ("filename", "actual-size", "full-backing-filename"):
        info.pop(key, None)
    return info


def descriptor_of(head):
    start = head.find(DESCRIPTOR_MAGIC)
    if start < 0:
        return None
    text = head[start:start + DESCRIPTOR_MAX].split(b"\0")[0].decode()
    return normal.descriptor(text)


def map_of(qemu, path, form="vmdk"):
    """What is stored where in the image; not where in its file."""
    result = run([qemu, "map", "-U", "-f", form, "--output=json", path])
    assert_equal(0, result.code, str(result))
    runs = []
    for entry in json.loads(result.stdout):
        kind = [entry[key] for key in ("depth", "present", "zero", "data")]
        if runs and runs[-1][1] == kind:
            runs[-1][0] += entry["length"]
        else:
            runs.append([entry["length"], kind])
    return runs


def stored(path):
    """Where a file has data, as [start, end] pairs."""
    with open(path, "rb") as file:
        size = os.fstat(file.fileno()).st_size
        return [list(pair) for pair in data_ranges(file.fileno(), size)]
