#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""test-life - what becomes of a disk: its metadata, names, copies and end."""
import json
import os
import shutil
import sys

sys.path.insert(0, os.path.dirname(__file__))

from fixture import assert_equal, make_images  # noqa: E402
from tap import Suite  # noqa: E402
from tools import (Failed, run, scratch, vdisk_img,  # noqa: E402
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


def main():
    suite = Suite()
    meta_cases(suite)
    suite.run()


main()
