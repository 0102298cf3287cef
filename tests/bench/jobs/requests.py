# SPDX-License-Identifier: BSD-3-Clause
"""requests - many small requests on one image, and on many.

bench-io walks exactly as "qemu-img bench" does, with one buffer for all requests,
and like it leaves opening and closing out of the time.
"""
import json
import os
import re

from jobs.bench import Ours, Peer, Side
from jobs import job
from jobs.process import run
from jobs.table import Goal
from tools import kernel_allows_uring

NULL_BYTES = 1 << 30
ONE_BUFFER = ["-1"]
# Hops over the image: odd number of 4 KiB blocks, so that it takes long to
# come round, and more than a grain table (32 MiB) from one to the next.
HOP = 4096 * 9973


def ours_told(out):
    return json.loads(out)["seconds"]


def theirs_told(out):
    return float(re.search(r"in ([\d.]+) seconds", out).group(1))


def ours(b, image, arguments, form="vmdk", buffers=ONE_BUFFER, **more):
    return Side([b.inputs.io, *buffers, "-f", form, *arguments, image],
                seconds_of=ours_told, **more)


def theirs(image, arguments, engine, form="vmdk", **more):
    return Side(["qemu-img", "bench", "-f", form, "-i", engine, *arguments,
                 image], seconds_of=theirs_told, **more)


def qemu_engines():
    return ["threads"] + ["io_uring"] * kernel_allows_uring()


def better_qemu(image, arguments, **more):
    return Peer("qemu-img", [theirs(image, arguments, engine, **more)
                             for engine in qemu_engines()])


@job("random-reads", "reach")
def random_reads(b):
    """Each request lands in another grain table, since qemu-img cannot do
    random offsets."""
    image = b.inputs.vmdk("monolithicSparse")
    words = ["-c", "200000", "-d", "32", "-s", "4096", "-S", str(HOP)]
    goals = {"qemu threads": Goal(8, 15), "qemu io_uring": Goal(1.3, 1.8)}
    b.compare("sparse VMDK, 4 KiB reads, hopping, depth 32",
              [Ours("", ours(b, image, words, inputs=(image,)), goals)],
              [Peer("qemu " + engine, [theirs(image, words, engine,
                                              inputs=(image,))])
               for engine in qemu_engines()])


def fresh(image):
    """An empty sparse image: every write allocates."""
    run(["qemu-img", "create", "-q", "-f", "vmdk", image, "4G"])


def is_sound(image):
    run(["qemu-img", "check", "-q", "-f", "vmdk", image])


def new_grains(b, name, size, words, flush=None, goal=None):
    mine, other = b.inputs.path("ours.out"), b.inputs.path("theirs.out")
    words = ["-w", "-s", str(size), "-S", "65536", *words]
    flush_ours = ["-F", str(flush)] if flush else []
    flush_theirs = ["--flush-interval=%d" % flush] if flush else []
    b.compare(name, [
        Ours("", ours(b, mine, words + flush_ours, output=mine,
                      prepare=fresh, verify=is_sound),
             {"qemu-img": goal} if goal else {})],
        [better_qemu(other, words + flush_theirs, output=other,
                     prepare=fresh, verify=is_sound)])


@job("new-grains", "reach")
def new_grains_64k(b):
    new_grains(b, "sparse VMDK, 64 KiB writes into new grains, depth 8", 65536,
               ["-d", "8", "-c", "4096"], goal=Goal(5, 10))


@job("stream-reads", "reach")
def stream_reads(b):
    image = b.inputs.vmdk("streamOptimized")
    words = ["-c", "20000", "-d", "1", "-s", "4096"]
    b.compare("streamOptimized, 4 KiB reads in order",
              [Ours("", ours(b, image, words, inputs=(image,)),
                    {"qemu-img": Goal(10, 25)})],
              [better_qemu(image, words, inputs=(image,))])


@job("null", "reach")
def null(b):
    """No storage: what the layers cost."""
    words = ["-c", "2000000", "-d", "64", "-s", "4096"]
    b.compare("null device, 4 KiB reads, depth 64",
              [Ours("", ours(b, "null-co://", words, "raw"),
                    {"qemu-img": Goal(2, 5)})],
              [Peer("qemu-img", [Side(
                  ["qemu-img", "bench", *words, "--image-opts",
                   "driver=null-co,size=%d" % NULL_BYTES],
                  seconds_of=theirs_told)])])


# -- without goals -------------------------------------------------------------

@job("writes-4k", "requests")
def writes_4k(b):
    new_grains(b, "sparse VMDK, 4 KiB allocating writes, flush every 64", 4096,
               ["-d", "32", "-c", "4096"], flush=64)


@job("writes-64k", "requests")
def writes_64k(b):
    new_grains(b, "sparse VMDK, 64 KiB allocating writes, flush every 64",
               65536, ["-d", "32", "-c", "4096"], flush=64)


@job("chain-reads", "requests")
def chain_reads(b):
    """Ours against ours: 30 links beside their content in a single one."""
    links = b.inputs.chain()
    single = b.inputs.vmdk("monolithicSparse")
    words = ["-c", "200000", "-d", "32", "-s", "4096", "-R", "7"]
    b.compare("4 KiB random reads, 30 links beside 1",
              [Ours("", ours(b, links[-1], words, inputs=tuple(links)))],
              [Peer("single link", [ours(b, single, words,
                                         inputs=(single,))])])


@job("growth-disks", "growth")
def growth_disks(b):
    """As many requests in all, on 1 to 64 disks of one process."""
    words = ["-c", "200000", "-d", "64", "-s", "4096", "-R", "7"]
    copies = [b.inputs.path("disk%d.vmdk" % n) for n in range(64)]
    first = b.inputs.vmdk("monolithicSparse")
    for copy in copies:  # further names: all in the page cache at once
        os.link(first, copy)
    for disks in (1, 4, 16, 64):
        side = ours(b, copies[0], words, inputs=(first,))
        side.argv += copies[1:disks]
        b.compare("4 KiB random reads, depth 64, of %d disks" % disks,
                  [Ours("", side)],
                  [Peer("one disk", [ours(b, first, words,
                                          inputs=(first,))])])
    for copy in copies:
        os.unlink(copy)
