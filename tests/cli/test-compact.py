#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""test-compact - vdisk-img compact: sizes, order, words, what other readers
make of the result, and what is left when it is killed or has no space."""
import json
import os
import random
import resource
import signal
import subprocess
import sys
import time

sys.path.insert(0, os.path.dirname(__file__))

from fixture import assert_equal, held  # noqa: E402
from checks import assert_sound  # noqa: E402
from readers import (expect, read_with_libvmdk, read_with_qemu,  # noqa: E402
                     read_with_vdisk)
from running import PATIENCE  # noqa: E402
from tap import Skip, Suite  # noqa: E402
from tools import (VDISK_IMG, Failed, disk_io, qemu_img, run,  # noqa: E402
                   scratch, vdisk_img, vdisk_img_fails)

GRAIN = 65536
SIZE = 64 << 20
SUBFORMATS = {
    "monolithicSparse": "",
    "twoGbMaxExtentSparse": ",split_size=16M",
}

suite = Suite()


def make(d, name, options="", backing=None, grains=300, seed=1):
    """Data, zeroes and discards in any order; grains of the disk in any
    order of the file."""
    path = os.path.join(d, name)
    rng = random.Random(seed)
    below = ["-b", backing, "-F", "vmdk"] if backing else []
    opts = ["-o", options] if options else []
    vdisk_img("create", "-q", "-f", "vmdk", *opts, *below, path, SIZE, cwd=d)
    zeroes = os.path.join(d, "zeroes")
    with open(zeroes, "wb") as f:
        f.write(bytes(GRAIN))
    words = []
    for number in range(grains):
        offset = rng.randrange(0, SIZE // GRAIN) * GRAIN
        if rng.random() < 0.2:
            words += ["write", offset, zeroes]
        elif rng.random() < 0.1:
            words += ["flush", "discard", offset, 3 * GRAIN]
        else:
            data = os.path.join(d, "data%d" % (number % 7))
            if not os.path.exists(data):
                with open(data, "wb") as f:
                    f.write(rng.randbytes(GRAIN))
            words += ["write", offset, data]
    disk_io(path, *words)
    return path


def fragments(path):
    return json.loads(run([VDISK_IMG, "check", "--output=json",
                           path]).stdout).get("fragmented-clusters", 0)


def compact(path, *options):
    return json.loads(vdisk_img("compact", "--output=json", *options, path))


def assert_clean(path):
    """Sound, and without leaks: exit 0."""
    vdisk_img("check", "-q", path)


def assert_others_read(path, wanted, libvmdk=True):
    expect(read_with_vdisk(path), wanted, "vdisk-img")
    try:
        qemu_img("check", path)
        expect(read_with_qemu(path), wanted, "qemu-img")
        if libvmdk:
            expect(read_with_libvmdk(path), wanted, "libvmdk")
    except Skip as missing:
        print("# %s" % missing)


@suite.case("compact: smaller, in order, and the same to every reader")
def _():
    for kind, more in SUBFORMATS.items():
        with scratch() as d:
            path = make(d, "d.vmdk", "subformat=" + kind + more)
            before = read_with_vdisk(path)
            one = compact(path)
            if not (one["file-length"] < one["file-length-before"] and
                    one["freed-clusters"] > 10 and one["moved-clusters"] > 10):
                raise Failed("%s: %s" % (kind, one))
            assert_clean(path)
            assert_others_read(path, before)
            two = compact(path, "--defragment", "--keep-zeroes")
            assert_equal(0, two["freed-clusters"], "freed")
            assert_equal(one["file-length"], two["file-length"], "length")
            assert_equal(0, fragments(path), "fragments")
            assert_clean(path)
            assert_others_read(path, before)
            three = compact(path, "--defragment")
            assert_equal(0, three["moved-clusters"], "moved again")


@suite.case("compact: parent and child, each on its own")
def _():
    with scratch() as d:
        make(d, "base.vmdk", seed=2)
        child = make(d, "child.vmdk", "zeroed_grain=on", "base.vmdk", 100, 3)
        plain = make(d, "plain.vmdk", "", "base.vmdk", 100, 3)
        before = [read_with_vdisk(child), read_with_vdisk(plain)]
        for name in ("base.vmdk", "child.vmdk", "plain.vmdk"):
            result = compact(os.path.join(d, name), "--defragment")
            if (result["freed-clusters"] > 0) != (name != "plain.vmdk"):
                raise Failed("%s: %s" % (name, result))
        for path, wanted in zip((child, plain), before):
            assert_others_read(path, wanted, libvmdk=False)  # knows no chains
            assert_clean(path)


@suite.case("compact: the space is given back")
def _():
    with scratch() as d:
        path = make(d, "d.vmdk")
        result = compact(path)
        blocks = os.stat(path).st_blocks * 512
        assert_equal(result["actual-size"], blocks, "actual size")
        # The last reading is as after the truncation.
        if blocks > result["file-length"] + (1 << 20):
            raise Failed(str(result))


@suite.case("compact: words and exit codes")
def _():
    with scratch() as d:
        path = make(d, "d.vmdk", grains=20)
        raw = os.path.join(d, "a.raw")
        with open(raw, "wb") as f:
            f.truncate(1 << 20)
        assert_equal("", vdisk_img("compact", "-q", path), "quiet")
        out = vdisk_img("compact", "-p", path)
        for part in ("(100.00/100%)", "Image compacted.", "file length: ",
                     "clusters moved: "):
            if part not in out:
                raise Failed(out)
        for words in ((), (path, path), ("--keep-zeroes", path),
                      ("--frob", path), ("-U", path), ("-t", "odd", path)):
            vdisk_img_fails("compact", *words, code=2)
        if "cannot be compacted" not in vdisk_img_fails("compact", "-f", "raw",
                                                        raw):
            raise Failed("raw")
        vdisk_img("convert", "-O", "vmdk", "-o", "subformat=streamOptimized",
                  path, os.path.join(d, "s.vmdk"))
        if "convert it" not in vdisk_img_fails("compact",
                                               os.path.join(d, "s.vmdk")):
            raise Failed("stream")
        vdisk_img("create", "-q", "-f", "vmdk", "-o",
                  "subformat=monolithicFlat", os.path.join(d, "f.vmdk"), "1M")
        vdisk_img("compact", "-q", os.path.join(d, "f.vmdk"))
        vdisk_img_fails("compact", os.path.join(d, "absent.vmdk"))


@suite.case("compact: an image that somebody uses is left alone")
def _():
    with scratch() as d:
        path = make(d, "d.vmdk", grains=20)
        with held(path, "-r"):
            before = open(path, "rb").read()
            vdisk_img_fails("compact", path)
            assert_equal(before, open(path, "rb").read(), "bytes")


def killed_after(path, seconds, sig, *options):
    """The exit code of a compact that got @sig."""
    process = subprocess.Popen([VDISK_IMG, "compact", "-q", "-t",
                                "writethrough", *options, path],
                               stderr=subprocess.DEVNULL)
    time.sleep(seconds)
    process.send_signal(sig)
    code = process.wait()
    # The kernel may still have requests of it, and with them the file open.
    deadline = time.monotonic() + PATIENCE
    while run([VDISK_IMG, "info", path]).code != 0:
        if time.monotonic() > deadline:
            raise Failed("it is still in use")
        time.sleep(0.05)
    return code


@suite.case("compact: killed in the middle it has lost nothing")
def _():
    killed = 0
    with scratch() as d:
        original = make(d, "d.vmdk", grains=700)
        before = read_with_vdisk(original)
        path = os.path.join(d, "copy.vmdk")
        started = time.monotonic()
        run(["cp", "--sparse=always", original, path])
        compact(path, "--defragment", "-t", "writethrough")
        whole = time.monotonic() - started
        for step in range(8):
            options = ("--defragment",) if step % 2 else ()
            sig = signal.SIGKILL if step < 6 else signal.SIGTERM
            run(["cp", "--sparse=always", original, path])
            code = killed_after(path, whole * (step + 1) / 10, sig, *options)
            killed += code != 0
            if code == 0:  # the one that was timed had been slow
                whole /= 2
            expect(read_with_vdisk(path), before, "after step %d" % step)
            compact(path, *options)
            expect(read_with_vdisk(path), before, "again, step %d" % step)
            assert_clean(path)
    if not killed:
        raise Skip("it was always done before the signal came")


@suite.case("compact: a file that may not grow loses nothing")
def _():
    with scratch() as d:
        path = make(d, "d.vmdk")
        before = read_with_vdisk(path)
        room = os.stat(path).st_size

        def limit():
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            resource.setrlimit(resource.RLIMIT_FSIZE, (room, room))

        done = subprocess.run([VDISK_IMG, "compact", "--defragment", path],
                              preexec_fn=limit, capture_output=True,
                              check=False)
        if done.returncode not in (0, 1):
            raise Failed(str(done))
        expect(read_with_vdisk(path), before, "vdisk-img")
        assert_sound(path, "after a full disk")
        compact(path, "--defragment")
        expect(read_with_vdisk(path), before, "vdisk-img, again")
        assert_clean(path)


suite.run()
