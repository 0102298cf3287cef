#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""test-chains - commit and rebase: words, exit codes, what becomes of files."""
import json
import os
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../support"))

from fixture import (assert_equal, link_vdisk_img, make_images,  # noqa: E402
                     run_link)
from tap import Suite  # noqa: E402
from tools import Failed, disk_io  # noqa: E402

MIB = 1 << 20


class Stage:
    """A directory of images and a link to the program."""

    def __init__(self):
        self.root = tempfile.TemporaryDirectory(prefix="vdisk-test-chains-")
        self.link = link_vdisk_img(self.root.name)
        self.directory = tempfile.mkdtemp(dir=self.root.name)
        make_images(self.directory)

    def path(self, name=""):
        return os.path.join(self.directory, name)


STAGE = Stage()


def img(*args, code=0):
    result = run_link(STAGE.link, list(args), STAGE.path())
    assert_equal(code, result.code, str(result))
    return result


def content(name):
    img("convert", "-O", "raw", name, "out.raw")
    with open(STAGE.path("out.raw"), "rb") as f:
        return f.read()


def overlay(name, parent, off, byte):
    """A child of @parent with a MiB of its own."""
    img("create", "-q", "-f", "vmdk", "-b", parent, "-F", "vmdk", name)
    with open(STAGE.path("data.raw"), "wb") as f:
        f.write(bytes([byte]) * MIB)
    disk_io(STAGE.path(name), "write", off, STAGE.path("data.raw"))


def said(result, text):
    if text not in result.stdout + result.stderr:
        raise Failed("no %r in %s" % (text, result))


def size_of(name):
    return os.path.getsize(STAGE.path(name))


def commit_cases(suite):
    @suite.case("commit empties the image, which shows the same")
    def _():
        overlay("m.vmdk", "a.vmdk", 3 * MIB, 7)
        before, full = content("m.vmdk"), size_of("m.vmdk")
        said(img("commit", "m.vmdk"), b"Image committed.\n")
        assert_equal(True, content("m.vmdk") == before, "top")
        assert_equal(True, content("a.vmdk") == before, "base")
        if size_of("m.vmdk") >= full:
            raise Failed("%d bytes, %d before" % (size_of("m.vmdk"), full))

    @suite.case("commit -d keeps what the image holds, -q says nothing")
    def _():
        overlay("d.vmdk", "a.vmdk", 5 * MIB, 9)
        full = size_of("d.vmdk")
        result = img("commit", "-d", "-q", "d.vmdk")
        assert_equal(b"", result.stdout, "stdout")
        assert_equal(full, size_of("d.vmdk"), "size")

    @suite.case("commit -b goes further down and takes the middle out")
    def _():
        overlay("one.vmdk", "a.vmdk", MIB, 1)
        overlay("two.vmdk", "one.vmdk", 2 * MIB, 2)
        before = content("two.vmdk")
        said(img("commit", "-b", "a.vmdk", "two.vmdk"), b"one.vmdk")
        assert_equal(True, content("two.vmdk") == before, "top")
        assert_equal(True, content("a.vmdk") == before, "base")
        info = json.loads(img("info", "--output=json", "two.vmdk").stdout)
        assert_equal("a.vmdk", info["backing-filename"], "parent")
        said(img("info", "--backing-chain", "one.vmdk"), b"one.vmdk")
        said(img("convert", "-O", "raw", "one.vmdk", "x.raw", code=1),
             b"content id")

    @suite.case("commit --output=json is one document")
    def _():
        overlay("j.vmdk", "a.vmdk", MIB, 3)
        document = json.loads(img("commit", "--output=json", "j.vmdk").stdout)
        assert_equal(MIB, document["bytes-written"], str(document))

    @suite.case("commit -p ends at a hundred percent")
    def _():
        overlay("p.vmdk", "a.vmdk", MIB, 4)
        said(img("commit", "-p", "p.vmdk"), b"(100.00/100%)")

    @suite.case("commit --verify reads the base back")
    def _():
        overlay("v.vmdk", "a.vmdk", 3 * MIB, 7)
        assert_equal(b"Base verified: 1048576 bytes.\nImage committed.\n",
                     img("commit", "--verify", "v.vmdk").stdout, "stdout")
        overlay("v.vmdk", "a.vmdk", 3 * MIB, 0)
        document = json.loads(
            img("commit", "--verify", "--output=json", "v.vmdk").stdout)
        assert_equal(MIB, document["verified"], "verified")
        assert_equal(b"", img("commit", "--verify", "-q", "v.vmdk").stdout,
                     "stdout of -q")

    @suite.case("commit says what is wrong")
    def _():
        overlay("w.vmdk", "a.vmdk", MIB, 5)
        said(img("commit", "a.vmdk", code=1),
             b"qemu-img: Image does not have a backing file\n")
        said(img("commit", "-b", "nobody", "w.vmdk", code=1),
             b"Did not find 'nobody' in the backing chain of 'w.vmdk'\n")
        said(img("commit", "nothing.vmdk", code=1),
             b"qemu-img: Could not open 'nothing.vmdk': ")
        said(img("commit", code=1), b"Expecting one image file name")


def parent_of(name):
    info = json.loads(img("info", "--output=json", name).stdout)
    return info.get("backing-filename")


def rebase_cases(suite):
    @suite.case("rebase to another parent, then to none")
    def _():
        overlay("r.vmdk", "a.vmdk", MIB, 1)
        overlay("q.vmdk", "r.vmdk", 2 * MIB, 2)
        img("create", "-q", "-f", "vmdk", "other.vmdk", "10M")
        before = content("q.vmdk")
        for parent in ("other.vmdk", "a.vmdk", "r.vmdk", ""):
            result = img("rebase", "-b", parent, "-F", "vmdk", "q.vmdk")
            assert_equal(b"", result.stdout + result.stderr, "texts")
            assert_equal(parent or None, parent_of("q.vmdk"), "parent")
            assert_equal(True, content("q.vmdk") == before, parent)

    @suite.case("rebase --dedup drops what equals the new parent")
    def _():
        for form in ([], ["-q"], ["--output=json"]):
            overlay("d.vmdk", "a.vmdk", MIB, 1)
            overlay("e.vmdk", "a.vmdk", MIB, 1)
            disk_io(STAGE.path("e.vmdk"), "write", 3 * MIB,
                    STAGE.path("data.raw"))
            before = content("e.vmdk")
            result = img("rebase", "--dedup", *form, "-b", "d.vmdk", "-F",
                         "vmdk", "e.vmdk")
            wanted = {"": "1048576 bytes that equal the new parent were "
                          "dropped.\n",
                      "-q": "",
                      "--output=json": '{\n    "bytes-written": 0,\n'
                                       '    "bytes-zero": 0,\n'
                                       '    "bytes-dropped": 1048576\n}\n'}
            assert_equal(wanted["".join(form)], result.stdout.decode(), "text")
            assert_equal(True, content("e.vmdk") == before, "content")
            entries = json.loads(img("map", "--output=json",
                                     "e.vmdk").stdout)
            assert_equal([(3 * MIB, MIB)],
                         [(e["start"], e["length"]) for e in entries
                          if e["depth"] == 0], "own grains")

    @suite.case("rebase -u follows a parent that was moved")
    def _():
        overlay("u.vmdk", "a.vmdk", MIB, 1)
        before = content("u.vmdk")
        os.rename(STAGE.path("a.vmdk"), STAGE.path("b.vmdk"))
        img("convert", "-O", "raw", "u.vmdk", "x.raw", code=1)
        img("rebase", "-u", "-b", "b.vmdk", "u.vmdk")
        assert_equal(True, content("u.vmdk") == before, "content")
        os.rename(STAGE.path("b.vmdk"), STAGE.path("a.vmdk"))
        img("rebase", "-u", "--absolute", "-b", "a.vmdk", "u.vmdk")
        assert_equal(STAGE.path("a.vmdk"), parent_of("u.vmdk"), "absolute")
        img("rebase", "-u", "--relative", "-b", STAGE.path("a.vmdk"), "u.vmdk")
        assert_equal("a.vmdk", parent_of("u.vmdk"), "relative")

    @suite.case("rebase -u --update-cid takes a changed parent")
    def _():
        img("create", "-q", "-f", "vmdk", "base.vmdk", "10M")
        overlay("v.vmdk", "base.vmdk", MIB, 1)
        disk_io(STAGE.path("base.vmdk"), "write", 0, STAGE.path("data.raw"))
        img("convert", "-O", "raw", "v.vmdk", "x.raw", code=1)
        said(img("rebase", "-u", "--update-cid", "-b", "base.vmdk", "v.vmdk"),
             b"Content id of the parent: ")
        assert_equal(b"\1" * MIB, content("v.vmdk")[:MIB], "content")

    @suite.case("rebase says what is wrong")
    def _():
        overlay("t.vmdk", "a.vmdk", MIB, 1)
        said(img("rebase", "t.vmdk", code=1),
             b"Must specify backing file (-b) or use unsafe mode (-u)")
        said(img("rebase", "-b", "none.vmdk", "t.vmdk", code=1),
             b"Could not open new backing file 'none.vmdk': Could not open")
        said(img("rebase", "-c", "-b", "a.vmdk", "t.vmdk", code=1),
             b"Compression not supported")
        said(img("rebase", "--dedup", "-u", "-b", "a.vmdk", "t.vmdk", code=1),
             b"--dedup and --unsafe are mutually exclusive")
        said(img("rebase", "-b", "t.vmdk", "a.vmdk", code=1),
             b"would be its own parent")


LINKS = 1000


def cid_of(i):
    return 0x10000000 + i


def make_long_chain():
    """n0000.vmdk to n0999.vmdk: copies of one child with other names."""
    img("create", "-q", "-f", "vmdk", "n0000.vmdk", "1M")
    img("create", "-q", "-f", "vmdk", "-b", "n0000.vmdk", "-F", "vmdk",
        "n0001.vmdk")
    with open(STAGE.path("n0001.vmdk"), "rb") as f:
        child = f.read()
    data = json.loads(img("info", "--output=json", "n0001.vmdk").stdout)
    data = data["format-specific"]["data"]
    parent = data["parent-cid"]
    for i in range(1, LINKS):
        text = child.replace(b"\nCID=%08x" % data["cid"],
                             b"\nCID=%08x" % cid_of(i))
        text = text.replace(b"parentCID=%08x" % data["parent-cid"],
                            b"parentCID=%08x" % parent)
        text = text.replace(b'Hint="n0000.vmdk', b'Hint="n%04d.vmdk' % (i - 1))
        with open(STAGE.path("n%04d.vmdk" % i), "wb") as f:
            f.write(text)
        parent = cid_of(i)


def long_chain_cases(suite):
    @suite.case("a chain of a thousand links is refused by a named limit")
    def _():
        make_long_chain()
        assert_equal(MIB, len(content("n0255.vmdk")), "256 links")
        for args in (["convert", "-O", "raw", "n0256.vmdk", "x.raw"],
                     ["convert", "-O", "raw", "n0999.vmdk", "x.raw"],
                     ["check", "n0999.vmdk"],
                     ["map", "n0999.vmdk"]):
            said(img(*args, code=1), b"the chain has more than 256 links")
        said(img("info", "--backing-chain", "n0999.vmdk", code=1),
             b"more than 256 images in the chain")
        # One link is a link: its header says where its parent is.
        said(img("info", "n0999.vmdk"), b"n0998.vmdk")
        said(img("commit", "n0999.vmdk", code=1),
             b"the chain has more than 256 links")


def main():
    suite = Suite()
    commit_cases(suite)
    rebase_cases(suite)
    long_chain_cases(suite)
    suite.run()


main()
