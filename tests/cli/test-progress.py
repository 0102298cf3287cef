#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""test-progress - what commands tell while they work: in the form asked for,
on the stream that it belongs to, and never backwards."""
import json
import os
import pty
import random
import re
import signal
import subprocess
import sys
import time

sys.path.insert(0, os.path.dirname(__file__))

from fixture import MIB, assert_equal  # noqa: E402
from prepared import copy_of  # noqa: E402
from tap import Skip, Suite  # noqa: E402
from tools import (VDISK_IMG, Failed, run, scratch,  # noqa: E402
                   vdisk_img)

PATIENCE = 60
# As in qemu-img, the verdict of compare stands before the newline.
PLAIN = re.compile(r"(    \(\d+\.\d\d/100%\)\r)+"
                   r"(Images are identical\.\n)?\n")
BAR = re.compile(r"\d+\.\d% \S+/\S+ [KMGTP]?i?B, \S+ [KMGTP]?i?B/s, "
                 r"ETA \d+:\d\d, zero \d+%")

# Command line and the least distance of two lines; rate-limited where that
# exists, so that there is something to tell.
COMMANDS = (
    (["convert", "-O", "raw", "p.vmdk", "new.raw"], 1),
    (["convert", "-n", "-O", "raw", "p.vmdk", "big.raw"], 1),
    (["convert", "-O", "vmdk", "-o", "subformat=streamOptimized", "p.vmdk",
      "new.vmdk"], 1),
    (["compare", "p.vmdk", "same.raw"], 2),
    (["commit", "c.vmdk"], 1),
    (["rebase", "-b", "", "c.vmdk"], 2),
    (["resize", "p2.vmdk", "64M"], 1),
    (["compact", "p2.vmdk"], 1),
    (["clone", "p.vmdk", "new.vmdk"], 1),
    (["fill", "-f", "raw", "-l", "16M", "big.raw"], 1),
)


def make_disks(directory):
    """p.vmdk, p2.vmdk, same.raw: 16 MiB of noise; c.vmdk: a child of p.vmdk
    with data of its own, as is e.vmdk of empty.vmdk; big.raw."""
    def path(name):
        return os.path.join(directory, name)

    with open(path("same.raw"), "wb") as f:
        f.write(random.Random(1).randbytes(16 * MIB))
    for name in ("p.vmdk", "p2.vmdk"):
        vdisk_img("convert", "-f", "raw", "-O", "vmdk", "same.raw", name,
                  cwd=directory)
    vdisk_img("create", "-q", "-f", "vmdk", "-b", "p.vmdk", "-F", "vmdk",
              "c.vmdk", cwd=directory)
    vdisk_img("fill", "-q", "-l", "8M", "c.vmdk", "--pattern", "7",
              cwd=directory)
    vdisk_img("create", "-q", "-f", "vmdk", "empty.vmdk", "16M", cwd=directory)
    vdisk_img("create", "-q", "-f", "vmdk", "-b", "empty.vmdk", "-F", "vmdk",
              "e.vmdk", cwd=directory)
    vdisk_img("fill", "-q", "-l", "8M", "e.vmdk", "--pattern", "7",
              cwd=directory)
    with open(path("big.raw"), "wb") as f:
        f.truncate(16 * MIB)


def run_in_place(args):
    with scratch() as d:
        copy_of(make_disks, d)
        result = run([VDISK_IMG, *args], cwd=d)
        assert_equal(0, result.code, str(result))
        return result


def check_plain(args, step):
    result = run_in_place([args[0], "-p", *args[1:]])
    text = result.stdout.decode()
    assert_equal(b"", result.stderr, "stderr")
    progress = PLAIN.match(text)
    if not progress:
        raise Failed(repr(text))
    shares = [float(s) for s in re.findall(r"\((\d+\.\d\d)/",
                                           progress.group(0))]
    assert_equal((0.0, 100.0), (shares[0], shares[-1]), "ends")
    for before, after in zip(shares, shares[1:-1]):
        if after < before + step - 0.011:
            raise Failed("%s after %s" % (after, before))


def check_json(args):
    result = run_in_place([args[0], "--progress=json", *args[1:]])
    if b"/100%" in result.stdout:
        raise Failed(str(result))
    objects = [json.loads(line) for line in result.stderr.splitlines()]
    for o in objects:
        assert_equal(["done", "total", "zero", "rate", "eta", "phase"],
                     list(o), "keys")
        if o["done"] > o["total"]:
            raise Failed(str(o))
    assert_equal(objects[-1]["total"], objects[-1]["done"], "end")
    done = [o["done"] for o in objects]
    assert_equal(sorted(done), done, "never backwards")


def check_silent(args):
    for words in (["--progress=none"], ["-q", "-p"]):
        result = run_in_place([args[0], *words, *args[1:]])
        text = result.stdout + result.stderr
        if b"100%" in text or b"ETA" in text:
            raise Failed(str(result))


def run_on_terminal(args, cwd):
    """What @args write to a terminal that is stderr."""
    try:
        leader, follower = pty.openpty()
    except OSError as error:
        raise Skip("no pseudo-terminals here") from error
    process = subprocess.Popen([VDISK_IMG, *args], cwd=cwd, stderr=follower,
                               stdout=subprocess.PIPE)
    os.close(follower)
    text = b""
    while True:
        try:
            piece = os.read(leader, 65536)
        except OSError:  # the other side is closed
            break
        if not piece:
            break
        text += piece
    os.close(leader)
    out, _ = process.communicate(timeout=PATIENCE)
    assert_equal(0, process.returncode, repr(text))
    return out.decode(), text.decode()


def check_bar(args):
    with scratch() as d:
        copy_of(make_disks, d)
        out, text = run_on_terminal([args[0], "--progress=bar", *args[1:]], d)
        if "ETA" in out:
            raise Failed(out)
        states = [s.strip() for s in re.split(r"[\r\n]+", text) if s.strip()]
        for state in states:
            if not BAR.fullmatch(state):
                raise Failed(repr(state))
        if not states or not states[-1].startswith("100.0% "):
            raise Failed(repr(text))
        shares = [float(s.split("%")[0]) for s in states]
        assert_equal(sorted(shares), shares, "never backwards")


def blocks(path):
    return os.stat(path).st_blocks


def check_signal(args, grows):
    """SIGUSR1 makes one line on stderr; the command goes on."""
    with scratch() as d:
        copy_of(make_disks, d)
        grows = os.path.join(d, grows)
        before = blocks(grows) if os.path.exists(grows) else 0
        process = subprocess.Popen([VDISK_IMG, *args], cwd=d,
                                   stdout=subprocess.PIPE,
                                   stderr=subprocess.PIPE)
        deadline = time.monotonic() + PATIENCE
        while not os.path.exists(grows) or blocks(grows) <= before:
            if time.monotonic() > deadline or process.poll() is not None:
                raise Failed("nothing is being written: %r" %
                             (process.communicate(),))
            time.sleep(0.01)
        process.send_signal(signal.SIGUSR1)
        _, err = process.communicate(timeout=PATIENCE)
        assert_equal(0, process.returncode, repr(err))
        if not re.fullmatch(rb"    \(\d+\.\d\d/100%\)\n", err):
            raise Failed(repr(err))


def check_total_estimated():
    """Work is counted, not the size of the disk."""
    with scratch() as d:
        vdisk_img("create", "-q", "-f", "vmdk", "wide.vmdk", "1G", cwd=d)
        vdisk_img("fill", "-q", "-l", "16M", "--pattern", "7", "wide.vmdk",
                  cwd=d)
        result = run([VDISK_IMG, "convert", "--progress=json", "-O", "vmdk",
                      "wide.vmdk", "new.vmdk"], cwd=d)
        assert_equal(0, result.code, str(result))
        last = json.loads(result.stderr.splitlines()[-1])
        if not 16 * MIB <= last["total"] < 64 * MIB:
            raise Failed(str(last))


def main():
    suite = Suite()
    for args, step in COMMANDS:
        words = " ".join(args)
        suite.add("-p in plain form: " + words, check_plain, args, step)
        suite.add("--progress=json: " + words, check_json, args)
        suite.add("--progress=bar: " + words, check_bar, args)
        suite.add("--progress=none, -q: " + words, check_silent, args)
    suite.add("done and total count work", check_total_estimated)
    suite.add("SIGUSR1 in convert", check_signal,
              ["convert", "-r", "4M", "-O", "raw", "p.vmdk", "new.raw"],
              "new.raw")
    suite.add("SIGUSR1 in commit", check_signal,
              ["commit", "-q", "-r", "2M", "e.vmdk"], "empty.vmdk")
    suite.run()


main()
