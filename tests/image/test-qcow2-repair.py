#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""test-qcow2-repair - damaged qcow2 images, mended like qemu-img's.

Each damage is done to an image with an internal snapshot.  Where qemu-img mends
it, so do we, and the content is the same; where it cannot be mended, both say
so; qemu-img finds nothing more to say about what we have mended.
"""
import os
import shutil
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../support"))

from digest import raw_nz64k  # noqa: E402
from prepared import copy_sparse, pattern_of  # noqa: E402
from readers import expect  # noqa: E402
from tap import Suite  # noqa: E402
from tools import (Failed, VDISK_IMG, VDISK_IO, qemu_img, qemu_io,  # noqa: E402
                   run, scratch, vdisk_img)

COPIED = 1 << 63
FAR = 1 << 40
CLEAN, FAILED, CORRUPT, LEAKS = 0, 1, 2, 3

FAST = ("-t", "unsafe")

suite = Suite()


class Image:
    """Where things are in an image with refcounts of 16 bits."""

    def __init__(self, path):
        self.path = path
        with open(path, "rb") as file:
            self.bytes = bytearray(file.read())
        self.cluster = 1 << self.get(20, 4)
        self.l1 = self.get(40)
        self.table = self.get(48)
        self.block = self.get(self.table)
        self.l2 = self.get(self.l1) & ~COPIED

    def get(self, at, size=8):
        return int.from_bytes(self.bytes[at:at + size], "big")

    def put(self, at, value, size=8):
        self.bytes[at:at + size] = value.to_bytes(size, "big")

    def flip(self, at, bits):
        self.put(at, self.get(at) ^ bits)

    def entry(self, i):
        return self.l2 + 8 * i

    def count_of(self, offset):
        return self.block + offset // self.cluster * 2

    def data(self, i):
        return self.get(self.entry(i)) & ~COPIED

    def save(self):
        with open(self.path, "wb") as file:
            file.write(self.bytes)


def leak(image):
    """A cluster that is in the file and counted, but nobody's."""
    end = -len(image.bytes) % image.cluster
    image.bytes += bytes(end)
    image.put(image.count_of(len(image.bytes)), 1, 2)
    image.bytes += bytes(image.cluster)


def count_too_high(image):
    image.put(image.count_of(image.data(1)), 5, 2)


def count_of_zero(image):
    image.put(image.count_of(image.data(0)), 0, 2)


def copied_bit(image):
    image.flip(image.entry(1), COPIED)


def copied_bit_of_l1(image):
    image.flip(image.l1, COPIED)


def shared_cluster(image):
    image.put(image.entry(2), image.get(image.entry(3)))


def data_in_l1_table(image):
    image.put(image.entry(2), image.l1 | COPIED)


def data_in_refcount_block(image):
    image.put(image.entry(2), image.block | COPIED)


def refcount_block_twice(image):
    image.put(image.table + 8, image.block)


def refcount_block_far(image):
    image.put(image.table, FAR)


def refcount_block_unaligned(image):
    image.flip(image.table, 0x200)


def refcount_block_reserved_bits(image):
    image.flip(image.table, 1)


def refcount_block_gone(image):
    image.put(image.table, 0)


def refcount_block_empty(image):
    image.bytes[image.block:image.block + image.cluster] = \
        bytes(image.cluster)


def refcount_table_far(image):
    image.put(48, FAR)


def marked_dirty(image):
    image.put(72, 1)
    leak(image)
    count_of_zero(image)


def marked_corrupt(image):
    image.put(72, 2)


def entry_reserved_bits(image):
    image.flip(image.entry(2), 0x3e)


def entry_far(image):
    image.put(image.entry(2), FAR | COPIED)


def entry_unaligned(image):
    image.flip(image.entry(2), 0x200)


def l1_entry_far(image):
    image.put(image.l1, FAR | COPIED)


def l1_entry_reserved_bits(image):
    image.flip(image.l1, 1)


MENDED = (count_too_high, count_of_zero, copied_bit, copied_bit_of_l1,
          shared_cluster, data_in_l1_table, data_in_refcount_block,
          refcount_block_twice, refcount_block_far, refcount_block_gone,
          refcount_block_empty, refcount_table_far, marked_dirty,
          marked_corrupt, leak)
# qemu-img gives up here.
MENDED_BY_US = (refcount_block_unaligned, refcount_block_reserved_bits)
BEYOND = (entry_reserved_bits, entry_far, entry_unaligned, l1_entry_far,
          l1_entry_reserved_bits)


def make_sound(directory, options):
    path = os.path.join(directory, "sound.qcow2")
    qemu_img("create", "-q", "-f", "qcow2", "-o", options, path, "8M")
    qemu_io(path, "write -P 1 0 1M", "write -P 2 3M 1M", fmt="qcow2", flags=FAST)
    qemu_img("snapshot", "-c", "s1", path)
    qemu_io(path, "write -P 3 0 256k", fmt="qcow2", flags=FAST)


def make(path, options="cluster_size=64k"):
    copy_sparse(os.path.join(pattern_of(make_sound, options), "sound.qcow2"),
                path)


def damaged(directory, damage):
    ours = os.path.join(directory, "ours.qcow2")
    theirs = os.path.join(directory, "theirs.qcow2")
    make(ours)
    image = Image(ours)
    damage(image)
    image.save()
    shutil.copy(ours, theirs)
    return ours, theirs


def code_of(*argv):
    result = run(list(argv))
    if result.code not in (CLEAN, FAILED, CORRUPT, LEAKS):
        raise Failed(str(result))
    return result.code


def check(image, *argv):
    return code_of(VDISK_IMG, "check", *argv, image)


def their_check(image, *argv):
    return code_of("qemu-img", "check", *argv, image)


def snapshot_digest(image):
    with scratch() as tmp:
        raw = os.path.join(tmp, "snapshot.raw")
        qemu_img("convert", "-f", "qcow2", "-O", "raw", "-l", "s1", image, raw)
        return raw_nz64k(raw)


def same_content(ours, theirs):
    qemu_img("compare", "-f", "qcow2", "-F", "qcow2", ours, theirs)
    expect(snapshot_digest(ours), snapshot_digest(theirs), "the snapshot")


def may_be_written_to(image):
    result = run([VDISK_IO, "-c", "write -P 9 100k 3M", image])
    if result.code != 0:
        raise Failed(str(result))
    expect(their_check(image), CLEAN, "qemu-img check after a write")


def mended(damage):
    with scratch() as tmp:
        ours, theirs = damaged(tmp, damage)
        expect(check(ours), their_check(theirs), "check")
        expect(check(ours, "-r", "all"), CLEAN, "check -r all")
        their_check(theirs, "-r", "all")
        expect(their_check(ours), CLEAN, "qemu-img check of ours")
        expect(check(ours), CLEAN, "check behind it")
        same_content(ours, theirs)
        may_be_written_to(ours)


def mended_by_us(damage):
    with scratch() as tmp:
        ours, theirs = damaged(tmp, damage)
        sound = os.path.join(tmp, "sound.qcow2")
        make(sound)
        expect(check(ours), CORRUPT, "check")
        expect(check(ours, "-r", "all"), CLEAN, "check -r all")
        expect(their_check(ours), CLEAN, "qemu-img check of ours")
        same_content(ours, sound)
        may_be_written_to(ours)


def beyond_mending(damage):
    """Nothing is given back, and what can be read is as before."""
    with scratch() as tmp:
        ours, theirs = damaged(tmp, damage)
        with open(ours, "rb") as file:
            before = file.read()
        for repair in ("leaks", "all"):
            expect(check(ours, "-r", repair), CORRUPT, "check -r " + repair)
            expect(their_check(theirs, "-r", repair), CORRUPT, "qemu-img")
        with open(ours, "rb") as file:
            if file.read() != before:
                raise Failed("the repair of nothing has changed the file")


def leaks_only():
    """Counts that are too low wait for -r all."""
    for damage, wanted in ((leak, CLEAN), (count_too_high, CLEAN),
                           (copied_bit, CLEAN), (count_of_zero, CORRUPT),
                           (refcount_block_gone, CORRUPT)):
        with scratch() as tmp:
            ours, _ = damaged(tmp, damage)
            expect(check(ours, "-r", "leaks"), wanted, damage.__name__)


def dirty_is_mended_when_opened():
    with scratch() as tmp:
        ours, theirs = damaged(tmp, marked_dirty)
        result = run([VDISK_IO, "-c", "write -P 9 100k 3M", ours])
        if result.code != 0 or b"not closed cleanly" not in result.stderr:
            raise Failed(str(result))
        expect(their_check(ours), CLEAN, "qemu-img check of ours")
        if Image(ours).get(72) != 0:
            raise Failed("it is still marked")
        qemu_io(theirs, "write -P 9 100k 3M", fmt="qcow2", flags=FAST)
        same_content(ours, theirs)


def marked_images_are_not_written_to():
    with scratch() as tmp:
        ours, _ = damaged(tmp, marked_corrupt)
        result = run([VDISK_IO, "-c", "write 0 1M", ours])
        if result.code == 0 or b"repaired" not in result.stderr:
            raise Failed(str(result))
        vdisk_img("check", "-q", "-r", "all", ours)
        may_be_written_to(ours)


def no_refcount_at_all(options):
    """Every count is made anew, in every width and size of cluster."""
    with scratch() as tmp:
        ours = os.path.join(tmp, "ours.qcow2")
        sound = os.path.join(tmp, "sound.qcow2")
        make(ours, options)
        shutil.copy(ours, sound)
        image = Image(ours)
        image.put(image.table, 0)
        image.save()
        vdisk_img("check", "-q", "-r", "all", ours)
        expect(their_check(ours), CLEAN, "qemu-img check of ours")
        same_content(ours, sound)
        may_be_written_to(ours)


for case in MENDED:
    suite.add("mended/" + case.__name__.replace("_", "-"), mended, case)
for case in MENDED_BY_US:
    suite.add("mended-by-us/" + case.__name__.replace("_", "-"), mended_by_us,
              case)
for case in BEYOND:
    suite.add("beyond-mending/" + case.__name__.replace("_", "-"),
              beyond_mending, case)
suite.add("leaks-only", leaks_only)
suite.add("dirty-is-mended-when-opened", dirty_is_mended_when_opened)
suite.add("marked-images-are-not-written-to", marked_images_are_not_written_to)
for case in ("refcount_bits=2", "refcount_bits=8,cluster_size=512",
             "refcount_bits=64,cluster_size=4k", "cluster_size=2M",
             "compat=0.10", "extended_l2=on"):
    suite.add("all-anew/" + case, no_refcount_at_all, case)
suite.run()
