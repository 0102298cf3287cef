#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""test-life - what becomes of a disk: its metadata, names, copies and end."""
import json
import os
import shutil
import subprocess
import sys

sys.path.insert(0, os.path.dirname(__file__))

from fixture import assert_equal, make_images  # noqa: E402
from tap import Skip, Suite  # noqa: E402
from tools import (VDISK_IMG, Failed, run, scratch, vdisk_img,  # noqa: E402
                   vdisk_img_fails)


def fails(d, code, *args):
    """The command fails with @code; its stderr."""
    return vdisk_img_fails(*args, code=code, cwd=d)


def expect(text, *parts):
    for part in parts:
        if part not in text:
            raise Failed("%r is not in %r" % (part, text))


def peer_compare(d, a, b):
    """qemu-img, if it is here, finds both equal."""
    program = shutil.which("qemu-img")
    if not program:
        return
    result = run([program, "compare", a, b], cwd=d)
    if result.code != 0:
        raise Failed(str(result))


# -- metadata -------------------------------------------------------------

def meta_cases(suite):
    @suite.case("meta: set, get, list, unset")
    def _():
        with scratch() as d:
            make_images(d)
            for name in ("a.vmdk", "f.vmdk", "s.vmdk"):
                vdisk_img("meta", "set", name, "my.key", "a value", cwd=d)
                assert_equal("a value\n",
                             vdisk_img("meta", "get", name, "My.Key", cwd=d),
                             name)
                vdisk_img("meta", "set", name, "my.key", "", cwd=d)
                assert_equal("\n",
                             vdisk_img("meta", "get", name, "my.key", cwd=d),
                             name)
                vdisk_img("meta", "unset", name, "my.key", cwd=d)
                listed = vdisk_img("meta", "list", name, cwd=d)
                expect(listed, "adapterType=")
                if "my.key" in listed:
                    raise Failed(listed)

    @suite.case("meta: JSON")
    def _():
        with scratch() as d:
            make_images(d)
            out = vdisk_img("meta", "set", "--output=json", "a.vmdk", "k",
                            "v", cwd=d)
            assert_equal({"k": "v"}, json.loads(out), "set")
            out = vdisk_img("meta", "list", "--output=json", "a.vmdk", cwd=d)
            assert_equal("v", json.loads(out)["k"], "list")
            out = vdisk_img("meta", "get", "--output=json", "a.vmdk", "k",
                            cwd=d)
            assert_equal({"k": "v"}, json.loads(out), "get")

    @suite.case("meta: a child asks its parent, and stays valid")
    def _():
        with scratch() as d:
            make_images(d)
            vdisk_img("meta", "set", "a.vmdk", "k", "parent's", cwd=d)
            assert_equal("parent's\n",
                         vdisk_img("meta", "get", "c.vmdk", "k", cwd=d), "up")
            expect(fails(d, 1, "meta", "get", "--link", "c.vmdk", "k"),
                   "has no key 'k'")
            vdisk_img("meta", "set", "c.vmdk", "k", "own", cwd=d)
            assert_equal("own\n",
                         vdisk_img("meta", "get", "c.vmdk", "k", cwd=d), "own")
            assert_equal("parent's\n",
                         vdisk_img("meta", "get", "a.vmdk", "k", cwd=d), "not")
            vdisk_img("compare", "a.vmdk", "c.vmdk", cwd=d)
            peer_compare(d, "a.vmdk", "f.vmdk")

    @suite.case("meta: wrong usage is 2, failures are 1")
    def _():
        with scratch() as d:
            make_images(d)
            for words in ((), ("get", "a.vmdk"), ("set", "a.vmdk", "k"),
                          ("list",), ("frob", "a.vmdk"),
                          ("set", "-U", "a.vmdk", "k", "v")):
                fails(d, 2, "meta", *words)
            expect(fails(d, 1, "meta", "get", "a.vmdk", "nothing"),
                   "has no key 'nothing'")
            expect(fails(d, 1, "meta", "unset", "a.vmdk", "nothing"),
                   "has no key")
            expect(fails(d, 1, "meta", "set", "a.vmdk", "k", 'a"b'), "quote")
            expect(fails(d, 1, "meta", "set", "a.vmdk", "k", "v" * 11000),
                   "there is room for 10240")
            expect(fails(d, 1, "meta", "set", "a.raw", "k", "v"),
                   "no metadata")
            expect(fails(d, 1, "meta", "list", "absent.vmdk"),
                   "No such file")


# -- renaming ---------------------------------------------------------------

def names(d):
    return " ".join(sorted(n for n in os.listdir(d) if n.startswith("x")))


def rename_cases(suite):
    @suite.case("rename: all files of each kind, and qemu-img reads them")
    def _():
        with scratch() as d:
            make_images(d)
            os.mkdir(os.path.join(d, "sub"))
            for name, after in (("a", "x.vmdk"), ("s", "x.vmdk"),
                                ("f", "x-f001.vmdk x.vmdk")):
                vdisk_img("convert", "-O", "raw", name + ".vmdk",
                          name + ".content", cwd=d)
                if name == "a":
                    os.unlink(os.path.join(d, "c.vmdk"))
                vdisk_img("rename", name + ".vmdk", "x.vmdk", cwd=d)
                assert_equal(after, names(d), name)
                peer_compare(d, "x.vmdk", name + ".content")
                vdisk_img("compare", "x.vmdk", name + ".content", cwd=d)
                vdisk_img("rename", "x.vmdk", "sub/%s.vmdk" % name, cwd=d)
                assert_equal("", names(d), name)
                peer_compare(d, "sub/%s.vmdk" % name, name + ".content")

    @suite.case("rename: raw")
    def _():
        with scratch() as d:
            make_images(d)
            vdisk_img("rename", "a.raw", "x.raw", cwd=d)
            assert_equal("x.raw", names(d), "raw")
            expect(fails(d, 1, "rename", "x.raw", "b.raw"), "File exists")
            assert_equal("x.raw", names(d), "raw")

    @suite.case("rename: children are refused, follow, or are left behind")
    def _():
        with scratch() as d:
            make_images(d)
            vdisk_img("convert", "-O", "raw", "c.vmdk", "content", cwd=d)
            expect(fails(d, 1, "rename", "a.vmdk", "x.vmdk"), "c.vmdk")
            assert_equal("", names(d), "refused")
            vdisk_img("rename", "--update-children", "a.vmdk", "x.vmdk",
                      cwd=d)
            vdisk_img("compare", "c.vmdk", "content", cwd=d)
            peer_compare(d, "c.vmdk", "content")
            vdisk_img("rename", "--force", "x.vmdk", "a.vmdk", cwd=d)
            expect(fails(d, 1, "map", "c.vmdk"), "not found")

    @suite.case("rename: what is no file, is used, or is not there")
    def _():
        with scratch() as d:
            make_images(d)
            os.symlink("a.vmdk", os.path.join(d, "link.vmdk"))
            expect(fails(d, 1, "rename", "link.vmdk", "x.vmdk"),
                   "symbolic link")
            expect(fails(d, 1, "rename", "absent.vmdk", "x.vmdk"),
                   "No such file")
            expect(fails(d, 1, "rename", d, "x.vmdk"), "no regular file")
            expect(fails(d, 1, "rename", "f.vmdk", "nbd://x"), "not the name")
            expect(fails(d, 1, "rename", "f.vmdk", "no/x.vmdk"),
                   "No such file")
            fails(d, 2, "rename", "f.vmdk")
            assert_equal("", names(d), "nothing")

    @suite.case("rename: to another file system is refused with a hint")
    def _():
        with scratch() as d:
            other = "/dev/shm"
            if (not os.access(other, os.W_OK) or
                    os.stat(other).st_dev == os.stat(d).st_dev):
                raise Skip("there is no other file system to write to")
            make_images(d)
            target = os.path.join(other, os.path.basename(d) + ".vmdk")
            expect(fails(d, 1, "rename", "f.vmdk", target),
                   "another file system", "clone")
            vdisk_img("compare", "f.vmdk", "a.vmdk", cwd=d)

    @suite.case("rename: a directory that may not be written to")
    def _():
        with scratch() as d:
            make_images(d)
            os.chmod(d, 0o555)
            try:
                result = run([VDISK_IMG, "rename", "f.vmdk", "x.vmdk"], cwd=d,
                             obey_permissions=True)
            finally:
                os.chmod(d, 0o755)
            assert_equal(1, result.code, str(result))
            vdisk_img("compare", "f.vmdk", "a.vmdk", cwd=d)


# -- removing ---------------------------------------------------------------

def rm_cases(suite):
    @suite.case("rm: all files of several images")
    def _():
        with scratch() as d:
            make_images(d)
            vdisk_img("rm", "c.vmdk", "f.vmdk", "s.vmdk", "a.raw", cwd=d)
            assert_equal(["a.vmdk", "b.raw"], sorted(os.listdir(d)), "files")

    @suite.case("rm: goes on after a failure, and tells")
    def _():
        with scratch() as d:
            make_images(d)
            err = fails(d, 1, "rm", "absent.vmdk", "a.vmdk", "f.vmdk")
            expect(err, "absent.vmdk", "No such file", "c.vmdk")
            assert_equal(["a.raw", "a.vmdk", "b.raw", "c.vmdk", "s.vmdk"],
                         sorted(os.listdir(d)), "files")
            out = vdisk_img("rm", "--force", "--output=json", "a.vmdk", cwd=d)
            assert_equal(["a.vmdk"], json.loads(out)["removed"], "json")
            fails(d, 2, "rm")

    @suite.case("rm: remains of an interrupted run are removed")
    def _():
        with scratch() as d:
            make_images(d)
            os.rename(os.path.join(d, "f.vmdk"),
                      os.path.join(d, "f.vmdk.removing"))
            vdisk_img("rm", "f.vmdk", cwd=d)
            left = [n for n in os.listdir(d) if n.startswith("f")]
            assert_equal([], left, "files")
            expect(fails(d, 1, "rm", "f.vmdk"), "No such file")

    @suite.case("rm: extents elsewhere need --allow-path, links are refused")
    def _():
        with scratch() as d:
            make_images(d)
            os.mkdir(os.path.join(d, "sub"))
            os.rename(os.path.join(d, "f-f001.vmdk"),
                      os.path.join(d, "sub", "f-f001.vmdk"))
            with open(os.path.join(d, "f.vmdk"), encoding="utf-8") as f:
                text = f.read()
            for where in (d, os.path.join(d, "other")):
                os.makedirs(where, exist_ok=True)
                with open(os.path.join(where, "f.vmdk"), "w",
                          encoding="utf-8") as f:
                    f.write(text.replace("f-f001", os.path.join(
                        d, "sub", "f-f001")))
            expect(fails(d, 1, "rm", "other/f.vmdk"), "may not refer to")
            os.symlink("f.vmdk", os.path.join(d, "link.vmdk"))
            expect(fails(d, 1, "rm", "link.vmdk"), "symbolic link")
            vdisk_img("rm", "--allow-path", os.path.join(d, "sub"),
                      "other/f.vmdk", cwd=d)
            assert_equal([], os.listdir(os.path.join(d, "sub")), "sub")

    @suite.case("rm: what qemu-io has open stays")
    def _():
        with scratch() as d:
            make_images(d)
            program = shutil.which("qemu-io")
            if not program:
                raise Skip("qemu-io is not installed")
            with subprocess.Popen([program, "-f", "vmdk", "a.vmdk"], cwd=d,
                                  stdin=subprocess.PIPE,
                                  stdout=subprocess.PIPE) as user:
                user.stdin.write(b"read 0 512\n")
                user.stdin.flush()
                while b"512" not in user.stdout.readline():
                    pass
                expect(fails(d, 1, "rm", "--force", "a.vmdk"), "lock")
                expect(fails(d, 1, "rename", "--force", "a.vmdk", "x.vmdk"),
                       "lock")
                user.stdin.close()
            vdisk_img("rm", "--force", "a.vmdk", cwd=d)


def main():
    suite = Suite()
    meta_cases(suite)
    rename_cases(suite)
    rm_cases(suite)
    suite.run()


main()
