#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""test-targets - what a target must not be, by whatever name; what is left of
one that failed; and failures that come as late as can be."""
import json
import os
import re
import resource
import signal
import subprocess
import sys

sys.path.insert(0, os.path.dirname(__file__))

from fixture import (MIB, SmallFilesystem, assert_equal,  # noqa: E402
                     assert_unchanged, make_images, make_noise, snapshot)
from prepared import copy_of  # noqa: E402
from tap import Suite  # noqa: E402
from tools import (VDISK_IMG, Failed, need, run, scratch,  # noqa: E402
                   vdisk_img)

SELF = "the target is the source itself"
PARENT = "the target is a parent of the source"
EXTENT = "the target is an extent of the source"
LOCKED = 'Failed to get "write" lock'
SPLIT = "subformat=twoGbMaxExtentSparse,split_size=1M"


def make_names(directory):
    """Further names of a.raw and a.vmdk, and x-f001.vmdk, which would be an
    extent of x.vmdk."""
    make_images(directory)
    for name, target in (("sym", "a.raw"), ("sym.vmdk", "a.vmdk")):
        os.symlink(target, os.path.join(directory, name))
    os.link(os.path.join(directory, "a.raw"), os.path.join(directory, "hard"))
    make_noise(os.path.join(directory, "x-f001.vmdk"), 65536)


def check_refused(args, words):
    """Descriptor 9 of the program is a.raw."""
    with scratch() as d:
        make_names(d)
        before = snapshot(d)
        with open(os.path.join(d, "a.raw"), "r+b") as f:
            done = subprocess.run(
                ["sh", "-c", 'exec "$0" "$@" 9<&%d' % f.fileno(), VDISK_IMG,
                 *args], cwd=d, capture_output=True, check=False,
                pass_fds=(f.fileno(),))
        assert_equal(1, done.returncode, repr(done))
        if words not in done.stderr.decode():
            raise Failed(done.stderr.decode())
        assert_unchanged(d, before)


def add_refusals(suite):
    names = ("sym", "hard", "./a.raw", "file:a.raw", "/proc/self/fd/9")
    for name in names:
        for words in (["convert", "-f", "raw", "-O", "raw", "a.raw", name],
                      ["convert", "-n", "-f", "raw", "-O", "raw", "a.raw",
                       name],
                      ["dd", "-f", "raw", "if=a.raw", "of=" + name],
                      ["dd", "-f", "raw", "conv=notrunc", "if=a.raw",
                       "of=" + name]):
            suite.add("refused: " + " ".join(words), check_refused, words,
                      SELF)
    for words, why in (
            (["convert", "-f", "raw", "-O", "raw", "sym", "a.raw"], SELF),
            (["convert", "-O", "raw", "json:{\"driver\":\"raw\",\"file\":"
              "{\"driver\":\"file\",\"filename\":\"a.raw\"}}", "sym"], SELF),
            (["convert", "-n", "--target-image-opts", "-f", "raw", "a.raw",
              "driver=raw,file.filename=sym"], LOCKED),
            (["convert", "-O", "raw", "c.vmdk", "sym.vmdk"], PARENT),
            (["dd", "if=c.vmdk", "of=a.vmdk"], PARENT),
            (["dd", "if=f.vmdk", "of=f-f001.vmdk"], EXTENT),
            (["convert", "-n", "-O", "raw", "f.vmdk", "f-f001.vmdk"], EXTENT),
            (["clone", "--overwrite", "c.vmdk", "a.vmdk"], LOCKED),
            (["clone", "--overwrite", "f.vmdk", "f-f001.vmdk"], LOCKED),
            (["create", "-f", "vmdk", "-b", "c.vmdk", "-F", "vmdk", "a.vmdk"],
             LOCKED),
            (["create", "-f", "vmdk", "-b", "a.vmdk", "-F", "vmdk",
              "sym.vmdk"], LOCKED),
            # Not the target, but what it would be made of.
            (["convert", "-f", "raw", "-O", "vmdk", "-o",
              "subformat=twoGbMaxExtentFlat", "x-f001.vmdk", "x.vmdk"],
             LOCKED)):
        suite.add("refused: " + " ".join(words), check_refused, words, why)
    for words in (["convert", "--no-clobber", "-O", "vmdk", "-o",
                   "subformat=twoGbMaxExtentFlat", "a.raw", "x.vmdk"],
                  ["create", "--no-clobber", "-f", "vmdk", "-o",
                   "subformat=twoGbMaxExtentFlat", "x.vmdk", "1M"]):
        suite.add("an extent that exists: " + " ".join(words), check_refused,
                  words, "Could not create 'x-f001.vmdk': File exists")


# -- no room -----------------------------------------------------------------

# Command in small/, which has 4 MiB, and what may be needed.
NO_ROOM = (
    (["convert", "-f", "raw", "-O", "vmdk", "-o", SPLIT, "../noise",
      "x.vmdk"], r"the copy may need up to 8 MiB in all"),
    (["convert", "-f", "raw", "-O", "raw", "--atomic", "../noise", "x"],
     r"the copy may need up to 8 MiB in all"),
    (["dd", "-f", "raw", "if=../noise", "of=x"],
     r"the copy may need up to 8 MiB in all"),
    (["clone", "../noise.vmdk", "x.vmdk"],
     r"the copy may need up to 8 MiB in all"),
    (["create", "-q", "-o", "preallocation=full", "x", "8M"],
     r"the image may need up to 8 MiB in all"),
    (["create", "-q", "-f", "vmdk", "-o",
      SPLIT.replace("Sparse", "Flat") + ",preallocation=full", "x.vmdk",
      "8M"], r"the image may need up to 8 MiB in all"),
    (["resize", "-q", "-f", "raw", "--preallocation=full", "small.raw", "8M"],
     r"the image may need up to 8 MiB in all"),
    (["rebase", "-q", "-b", "", "child.vmdk"],
     r"the image may need up to 8 MiB in all"),
    (["commit", "-q", "../top.vmdk"], r"the base may need up to 8 MiB in all"),
    (["fill", "-q", "-l", "8M", "--pattern", "7", "base.vmdk"],
     r"the disk may need up to 8 MiB in all"),
)


def make_small(directory):
    """noise, noise.vmdk; in small/ a child of it, an empty base.vmdk whose child
    top.vmdk is full, and a raw disk."""
    small = os.path.join(directory, "small")
    os.mkdir(small)
    make_noise(os.path.join(directory, "noise"), 8 * MIB)
    vdisk_img("convert", "-f", "raw", "-O", "vmdk", "noise", "noise.vmdk",
              cwd=directory)
    for words in (["-b", "../noise.vmdk", "-F", "vmdk", "child.vmdk"],
                  ["base.vmdk", "8M"]):
        vdisk_img("create", "-q", "-f", "vmdk", *words, cwd=small)
    vdisk_img("create", "-q", "-f", "vmdk", "-b", "small/base.vmdk", "-F",
              "vmdk", "top.vmdk", cwd=directory)
    vdisk_img("fill", "-q", "-l", "8M", "--pattern", "7", "top.vmdk",
              cwd=directory)
    with open(os.path.join(small, "small.raw"), "wb") as f:
        f.truncate(MIB)


def check_sound(image, cwd):
    result = run([VDISK_IMG, "check", "-q", image], cwd=cwd)
    if result.code not in (0, 3, 63):
        raise Failed("%s: %s" % (image, result))


def check_no_room(args, words):
    need("mount")
    with scratch() as d:
        with SmallFilesystem(os.path.join(d, "small"), 4 * MIB) as small:
            copy_of(make_small, d)
            before = sorted(os.listdir(small))
            result = run([VDISK_IMG, args[0], "--output=json", *args[1:]],
                         cwd=small)
            text = result.stderr.decode()
            assert_equal(1, result.code, str(result))
            error = json.loads(result.stdout)["error"]
            assert_equal("ENOSPC", error["errno"], str(result))
            if "No space left on device" not in text or not re.search(
                    r"(?m)^'\S+' has \S+ [KM]?i?B left; %s\.$" % words, text):
                raise Failed(text)
            assert_equal(before, sorted(os.listdir(small)), "files")
            for image in ("child.vmdk", "base.vmdk"):
                check_sound(image, small)


def check_split_limit(subformat):
    """A limit that only the later extents hit: the earlier ones go, too."""
    def limit():
        signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
        resource.setrlimit(resource.RLIMIT_FSIZE, (MIB // 2, MIB // 2))

    with scratch() as d:
        with open(os.path.join(d, "source"), "wb") as f:
            f.truncate(8 * MIB)
            f.seek(6 * MIB)
            f.write(os.urandom(MIB))
        before = snapshot(d)
        done = subprocess.run(
            [VDISK_IMG, "convert", "-f", "raw", "-O", "vmdk", "-o",
             "subformat=%s,split_size=1M" % subformat, "source", "x.vmdk"],
            cwd=d, capture_output=True, check=False, preexec_fn=limit)
        assert_equal(1, done.returncode, done.stderr.decode())
        if b"File too large" not in done.stderr or \
                not re.search(rb"x-[sf]00\d\.vmdk", done.stderr):
            raise Failed(done.stderr.decode())
        assert_unchanged(d, before)


def add_no_room(suite):
    for args, words in NO_ROOM:
        suite.add("no room: " + " ".join(args), check_no_room, args, words)
    suite.add("all extents of a failed split target go", check_split_limit,
              "twoGbMaxExtentSparse")

    @suite.case("--atomic leaves an existing target as it was")
    def _():
        with scratch() as d:
            make_images(d)
            before = snapshot(d)
            result = run([VDISK_IMG, "convert", "--atomic", "-O", "raw",
                          "--image-opts", fault("read_aio", "a.raw"),
                          "b.raw"], cwd=d)
            assert_equal(1, result.code, str(result))
            assert_unchanged(d, before)


# -- late failures ------------------------------------------------------------

def fault(event, name, fmt="raw"):
    return ("driver=%s,file.driver=fault,file.inject-error.0.event=%s,"
            "file.image.filename=%s" % (fmt, event, name))


def make_for_changes(directory):
    """s2.vmdk, whose grains are in the wrong order, and data in c.vmdk."""
    make_images(directory)
    vdisk_img("create", "-q", "-f", "vmdk", "s2.vmdk", "10M", cwd=directory)
    for image, off in (("s2.vmdk", "1M"), ("s2.vmdk", "0"), ("c.vmdk", "0")):
        vdisk_img("fill", "-q", "-o", off, "-l", "64k", "--pattern", "7",
                  image, cwd=directory)


def check_late(args):
    """A flush that fails is a failure of the command, in whatever it says."""
    for words in ([], ["--output=json"]):
        with scratch() as d:
            copy_of(make_for_changes, d)
            result = run([VDISK_IMG, args[0], *words, *args[1:]], cwd=d)
            assert_equal(1, result.code, str(result))
            if b"Input/output error" not in result.stderr:
                raise Failed(str(result))
            if words:
                assert_equal("EIO", json.loads(result.stdout)["error"]["errno"],
                             str(result))
            else:
                assert_equal(b"", result.stdout, str(result))


def add_late(suite):
    for args in (
            ["convert", "-n", "--target-image-opts", "-f", "raw", "a.raw",
             fault("flush_to_disk", "b.raw")],
            ["fill", "-l", "64k", "--pattern", "7", "--image-opts",
             fault("flush_to_disk", "b.raw")],
            ["resize", "--image-opts", fault("flush_to_disk", "s2.vmdk",
                                             "vmdk"), "20M"],
            ["resize", "--image-opts", fault("flush_to_disk", "b.raw"),
             "20M"],
            ["commit", "--image-opts", fault("flush_to_disk", "c.vmdk",
                                             "vmdk")],
            ["rebase", "-b", "", "--image-opts",
             fault("flush_to_disk", "c.vmdk", "vmdk")],
            ["compact", "--defragment", "--image-opts",
             fault("flush_to_disk", "s2.vmdk", "vmdk")],
            ["amend", "-o", "description=x", "--image-opts",
             fault("flush_to_disk", "a.vmdk", "vmdk")]):
        suite.add("a failing flush: " + " ".join(args), check_late, args)

    @suite.case("extents elsewhere need --allow-path")
    def _():
        with scratch() as d:
            make_images(d)
            for name, place in (("f-f001.vmdk", "sub"), ("f.vmdk", "image")):
                os.mkdir(os.path.join(d, place))
                os.rename(os.path.join(d, name), os.path.join(d, place, name))
            with open(os.path.join(d, "image/f.vmdk"), "r+b") as f:
                text = f.read().replace(b'"f-f001', b'"../sub/f-f001')
                f.seek(0)
                f.write(text)
            for words in (["convert", "-O", "raw", "image/f.vmdk", "x"],
                          ["map", "image/f.vmdk"],
                          ["check", "image/f.vmdk"]):
                result = run([VDISK_IMG, *words], cwd=d)
                assert_equal(1, result.code, str(result))
                if b"../sub/f-f001.vmdk" not in result.stderr:
                    raise Failed(str(result))
                vdisk_img(words[0], "--allow-path", os.path.join(d, "sub"),
                          *words[1:], cwd=d)


def main():
    suite = Suite()
    add_refusals(suite)
    add_no_room(suite)
    add_late(suite)
    suite.run()


main()
