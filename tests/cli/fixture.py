# SPDX-License-Identifier: BSD-3-Clause
"""fixture - a directory of small images, and running image tools in it.

vdisk-img runs through a link named qemu-img, so that its messages begin with
the same name; VDISK_IMG_COMPAT chooses the generation of texts.
"""
import contextlib
import hashlib
import os
import random
import re
import shutil
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../support"))

from prepared import copy_of  # noqa: E402
from tap import Skip  # noqa: E402
from tools import (DISK_IO, VDISK_IMG, Failed, assert_no_crash,  # noqa: E402
                   need, run, scratch, vdisk_img)

MIB = 1 << 20


def make_images(directory):
    """Copies of the images below."""
    copy_of(make_small_images, directory)


def make_small_images(directory):
    """a.raw b.raw (data, twice the size); a.vmdk with two runs of data, its
    child c.vmdk, s.vmdk streamOptimized and f.vmdk flat of the same content."""
    def path(name):
        return os.path.join(directory, name)

    with open(path("a.raw"), "wb") as f:
        f.truncate(MIB)
        f.seek(65536)
        f.write(b"\2" * 65536)
    with open(path("b.raw"), "wb") as f:
        f.truncate(2 * MIB)
    with open(path("content.raw"), "wb") as f:
        f.truncate(10 * MIB)
        f.seek(65536)
        f.write(b"\1" * 131072)
        f.seek(524288)
        f.write(b"\3" * 65536)
    for name, subformat in (("a", "monolithicSparse"),
                            ("s", "streamOptimized"),
                            ("f", "twoGbMaxExtentFlat")):
        vdisk_img("convert", "-f", "raw", "-O", "vmdk", "-o",
                  "subformat=" + subformat, "content.raw", name + ".vmdk",
                  cwd=directory)
    vdisk_img("create", "-q", "-f", "vmdk", "-b", "a.vmdk", "-F", "vmdk",
              "c.vmdk", cwd=directory)
    os.unlink(path("content.raw"))


def link_vdisk_img(directory):
    link = os.path.join(directory, "qemu-img")
    os.symlink(VDISK_IMG, link)
    return link


def run_link(link, args, cwd, compat="10"):
    result = run([link, *args], cwd=cwd, env={"VDISK_IMG_COMPAT": compat})
    assert_no_crash(result)
    return result


def qemu_img_72():
    """qemu-img of the generation whose texts are compared, or skip."""
    program = need("qemu-img")
    text = run([program, "--version"]).stdout.decode()
    match = re.search(r"version (\d+)\.(\d+)", text)
    if not match or match.group(1) != "7":
        raise Skip("qemu-img is not of version 7.x")
    return program


def assert_equal(wanted, got, what):
    if wanted != got:
        raise Failed("%s:\nwanted: %r\ngot:    %r" % (what, wanted, got))


def copy_images(source, target):
    shutil.copytree(source, target, symlinks=True)


@contextlib.contextmanager
def held(path, *options):
    """As long as this lasts disk-io has the image open: to write to it, unless
    the options say -r."""
    with subprocess.Popen([DISK_IO, *options, path, "wait"],
                          stdin=subprocess.PIPE,
                          stdout=subprocess.PIPE) as holder:
        try:
            assert_equal(b"ready\n", holder.stdout.readline(), "answer")
            yield
        finally:
            holder.communicate()


class Place:
    """A scratch folder with images and a link to vdisk-img."""

    def __enter__(self):
        self.temp = scratch()
        self.dir = self.temp.__enter__()
        make_images(self.dir)
        self.link = link_vdisk_img(self.dir)
        return self

    def __exit__(self, *args):
        return self.temp.__exit__(*args)

    def path(self, name):
        return os.path.join(self.dir, name)


def make_noise(path, size):
    """The same incompressible bytes each time."""
    source = random.Random(size)
    with open(path, "wb") as f:
        for _ in range(size // 65536):
            f.write(source.randbytes(65536))


def digest(path):
    with open(path, "rb") as f:
        return hashlib.sha256(f.read()).hexdigest()


def snapshot(directory):
    return {name: digest(os.path.join(directory, name))
            for name in os.listdir(directory)}


def assert_unchanged(directory, before):
    assert_equal(before, snapshot(directory), "files")


class SmallFilesystem:
    """A tmpfs of @size; needs root and the right to mount."""

    def __init__(self, path, size):
        self.path = path
        os.mkdir(path)
        done = subprocess.run(["mount", "-t", "tmpfs", "-o",
                               "size=%d" % size, "none", path],
                              capture_output=True, check=False)
        if done.returncode != 0:
            raise Skip("a small tmpfs cannot be mounted here")

    def __enter__(self):
        return self.path

    def __exit__(self, *exc):
        subprocess.run(["umount", self.path], check=True)
