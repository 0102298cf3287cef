#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""test-sample-change - vdisk-vixsample's commands that copy, resize, attach and
check whole disks, on the library as built; what they did is looked at with
vdisk-img and qemu-img."""
import fcntl
import json
import os
import signal
import struct
import subprocess
import sys
import termios
import time

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../support"))

from tap import Suite  # noqa: E402
from tools import (VDISK_IMG, Failed, run, scratch,  # noqa: E402
                   vdisk_img)
from vix_images import (SECONDS, SECTOR, chain, create_type,  # noqa: E402
                        dumped, image, info, no_leftovers, noise, put, raw,
                        same, sample_of)
from vix_sample import VIXSAMPLE  # noqa: E402

# What a chain may be cloned to; vmfsSparse is a kind of redo logs.
CLONES = {"monolithicSparse": "monolithicSparse",
          "monolithicFlat": "monolithicFlat",
          "splitSparse": "twoGbMaxExtentSparse",
          "splitFlat": "twoGbMaxExtentFlat",
          "vmfsFlat": "vmfs", "vmfsThin": "vmfs",
          "streamOptimized": "streamOptimized"}

suite = Suite()
vixsample = None  # set in main()


def check_clone(word):
    with scratch() as tmp:
        source, data = chain(tmp)
        path = image(tmp, "target.vmdk", 8)  # is overwritten
        out = vixsample("-clone", source, "-type", word, path)
        if not out.endswith("clone: 100 %\n"):
            raise Failed(out)
        same(create_type(path), CLONES[word])
        same(raw(path), data)
        if "links: 1\n" not in vixsample("-info", path):
            raise Failed("not flattened")


for _word in CLONES:
    suite.add("-clone -type %s: the whole chain's data" % _word, check_clone,
              _word)


@suite.case("-clone: a source that is not there leaves no target")
def _():
    with scratch() as tmp:
        vixsample.fails(4, "-clone", os.path.join(tmp, "none.vmdk"),
              os.path.join(tmp, "x.vmdk"))
        no_leftovers(tmp)


def stopped_behind(words, argv):
    """Ctrl-C behind its first @words: its exit code and stderr.  There is no
    room for more until it has been sent, so that it cannot come too late."""
    reader, writer = os.pipe()
    room = fcntl.fcntl(writer, fcntl.F_SETPIPE_SZ, 4096)
    os.write(writer, bytes(room - len(words)))
    with open(reader, "rb") as output, subprocess.Popen(
            argv, stdout=writer, stderr=subprocess.PIPE) as child:
        os.close(writer)
        try:
            deadline = time.monotonic() + SECONDS
            while fcntl.ioctl(reader, termios.FIONREAD, bytes(4)) != \
                    struct.pack("i", room):
                if time.monotonic() > deadline or child.poll() is not None:
                    raise Failed("it does not begin")
                time.sleep(0.005)
            child.send_signal(signal.SIGINT)
            output.read()
            stderr = child.communicate(timeout=SECONDS)[1].decode()
        finally:
            child.kill()
    return child.returncode, stderr


@suite.case("-clone: Ctrl-C stops it, and there is no target")
def _():
    with scratch() as tmp:
        source = image(tmp, "source.vmdk", (192 << 20) // SECTOR)
        vixsample("-writebench", 2048, source)
        argv = [VIXSAMPLE, "-libdir", vixsample.root, "-clone", source,
                "-type", "streamOptimized", os.path.join(tmp, "x.vmdk")]
        code, stderr = stopped_behind(b"\rclone: 0 %", argv)
        same(code, 128 + signal.SIGINT)
        if "error 0xa (10): " not in stderr:
            raise Failed(stderr)
        no_leftovers(tmp, "source.vmdk")


@suite.case("-grow: larger, data kept; -geometry computes it anew")
def _():
    with scratch() as tmp:
        path = image(tmp, sectors=2048)
        put(path, 0, noise(1 << 20))
        before = info(path)["format-specific"]["data"]["geometry"]
        vixsample("-grow", "-cap", 20, path)
        same(raw(path), noise(1 << 20) + bytes(19 << 20))
        same(info(path)["format-specific"]["data"]["geometry"], before)
        vixsample("-grow", "-cap", 30, "-geometry", path)
        same(info(path)["virtual-size"], 30 << 20)
        if info(path)["format-specific"]["data"]["geometry"] == before:
            raise Failed("the geometry is the old one")


@suite.case("-shrink gives back the space of zeroes")
def _():
    with scratch() as tmp:
        path = image(tmp, sectors=8192)
        put(path, 0, noise(1 << 20))
        vixsample("-fill", "-val", 0, "-start", 2048, "-count", 6144, path)
        before = os.path.getsize(path)
        vixsample("-shrink", path)
        if os.path.getsize(path) > before - (2 << 20):
            raise Failed("%d bytes, were %d" % (os.path.getsize(path), before))
        same(raw(path), noise(1 << 20) + bytes(3 << 20))


@suite.case("-defragment puts grains in the order of the disk")
def _():
    with scratch() as tmp:
        path = image(tmp, sectors=2048)
        data = noise(1 << 20)
        for grain in reversed(range(16)):
            put(path, grain << 16, data[grain << 16:(grain + 1) << 16])
        vixsample("-defragment", path)
        places = [row["offset"] for row in json.loads(
            vdisk_img("map", "--output=json", path))]
        same(places, sorted(places))
        same(raw(path), data)


@suite.case("-attach: the link on another parent, files unchanged")
def _():
    with scratch() as tmp:
        child, data = chain(tmp)
        other = os.path.join(tmp, "copy.vmdk")
        base = os.path.join(tmp, "base.vmdk")
        with open(base, "rb") as f, open(other, "wb") as g:
            g.write(f.read())
        os.rename(base, os.path.join(tmp, "gone"))
        before = {n: open(os.path.join(tmp, n), "rb").read()
                  for n in os.listdir(tmp)}
        out = vixsample("-attach", other, "-start", 255, "-count", 2, child)
        if "links: 2\n" not in out:
            raise Failed(out)
        same(dumped(out), data[255 * SECTOR:257 * SECTOR])
        same({n: open(os.path.join(tmp, n), "rb").read()
              for n in os.listdir(tmp)}, before)


@suite.case("-attach: a root cannot be attached")
def _():
    with scratch() as tmp:
        vixsample.fails(16069, "-attach", image(tmp, "a.vmdk"), image(tmp, "b.vmdk"))


@suite.case("-space: room for the clone that is then made")
def _():
    with scratch() as tmp:
        source, _ = chain(tmp)
        for word in ("monolithicSparse", "monolithicFlat"):
            need = int(vixsample("-space", "-type", word, source).split()[0])
            folder = os.path.join(tmp, word)
            os.mkdir(folder)
            vixsample("-clone", source, "-type", word,
                      os.path.join(folder, "x.vmdk"))
            used = sum(os.path.getsize(os.path.join(folder, n))
                       for n in os.listdir(folder))
            if not used <= need <= used + (1 << 20):
                raise Failed("%s: %d bytes announced, %d used" % (word, need,
                                                                  used))


@suite.case("-check: a good disk, then one to repair")
def _():
    with scratch() as tmp:
        path = image(tmp, sectors=8192)
        put(path, 0, noise(1 << 20))
        vixsample("-check", 0, path)
        damage(path)
        same(run([VDISK_IMG, "check", path]).code, 2)
        vixsample.fails(16006, "-check", 0, path)
        vixsample("-check", 1, path)
        vixsample("-check", 0, path)
        vdisk_img("check", path)
        same(raw(path)[:1 << 20], noise(1 << 20))


def damage(path):
    """Its redundant grain table contradicts the first one."""
    with open(path, "r+b") as file:
        header = file.read(SECTOR)
        rgd = int.from_bytes(header[48:56], "little")
        file.seek(rgd * SECTOR)
        table = int.from_bytes(file.read(4), "little")
        file.seek(table * SECTOR)
        file.write(bytes(64))


def main():
    global vixsample
    with sample_of(8) as vixsample:
        suite.run()


main()
