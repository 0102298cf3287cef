# SPDX-License-Identifier: BSD-3-Clause
"""written - whether two tools wrote the same.

Raw files and flat extents: byte for byte, data and holes alike.  VMDK: the
same descriptor (but for the content ID drawn by lot), the same bytes for the
guest and the same parts of them stored, as qemu-img sees them; where in its
file an image stores a grain is its own affair.
"""
import os
import re

import json

from fixture import assert_equal
from tools import Failed, run

from pairs import normal

SPARSE_MAGIC = b"KDMV"
DESCRIPTOR_MAGIC = b"# Disk DescriptorFile"
DESCRIPTOR_MAX = 20 << 10


def check(qemu, stage, names, apart):
    for name in names:
        paths = [os.path.join(stage.kept[who], name)
                 for who in ("theirs", "ours")]
        modes = [os.stat(path).st_mode for path in paths]
        assert_equal(modes[0], modes[1], name + ": mode")
        if name not in apart:
            check_file(qemu, name, paths)


def check_file(qemu, name, paths):
    heads = [head_of(path) for path in paths]
    if any(h.startswith((SPARSE_MAGIC, DESCRIPTOR_MAGIC)) for h in heads):
        check_vmdk(qemu, name, paths, heads)
        return
    with open(paths[0], "rb") as a, open(paths[1], "rb") as b:
        if a.read() != b.read():
            raise Failed("%s: bytes differ" % name)
    assert_equal(stored(paths[0]), stored(paths[1]), name + ": data and holes")


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
    maps = [map_of(qemu, path) for path in paths]
    assert_equal(maps[0], maps[1], name + ": map")


def descriptor_of(head):
    start = head.find(DESCRIPTOR_MAGIC)
    if start < 0:
        return ""
    text = head[start:start + DESCRIPTOR_MAX].split(b"\0")[0].decode()
    return normal.descriptor(text)


def map_of(qemu, path):
    """What is stored where in the image; not where in its file."""
    result = run([qemu, "map", "-U", "-f", "vmdk", "--output=json", path])
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
    ranges, end = [], 0
    with open(path, "rb") as file:
        size = os.fstat(file.fileno()).st_size
        while end < size:
            try:
                start = os.lseek(file.fileno(), end, os.SEEK_DATA)
            except OSError:
                break
            end = os.lseek(file.fileno(), start, os.SEEK_HOLE)
            ranges.append([start, end])
    return ranges
