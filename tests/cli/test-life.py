#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""test-life - what becomes of a disk: its metadata, names, copies and end."""
import contextlib
import json
import os
import shutil
import subprocess
import sys

sys.path.insert(0, os.path.dirname(__file__))

from fixture import MIB, assert_equal, make_images  # noqa: E402
from tap import Skip, Suite  # noqa: E402
from tools import (VDISK_IMG, Failed, need, run, scratch, vdisk_img,  # noqa: E402
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


@contextlib.contextmanager
def qemu_io_user(d, name):
    """qemu-io has the image open for writing."""
    program = need("qemu-io")
    with subprocess.Popen([program, "-f", "vmdk", name], cwd=d,
                          stdin=subprocess.PIPE,
                          stdout=subprocess.PIPE) as user:
        user.stdin.write(b"read 0 512\n")
        user.stdin.flush()
        while b"512" not in user.stdout.readline():
            pass
        yield
        user.stdin.close()


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
            expect(fails(d, 1, "rename", "f.vmdk", "b.raw"),
                   "f.vmdk: giving it the name b.raw: File exists")
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
            other = next((place for place in ("/dev/shm", "/var/tmp", "/tmp")
                          if os.access(place, os.W_OK) and
                          os.stat(place).st_dev != os.stat(d).st_dev), None)
            if not other:
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
            with qemu_io_user(d, "a.vmdk"):
                expect(fails(d, 1, "rm", "--force", "a.vmdk"), "lock")
                expect(fails(d, 1, "rename", "--force", "a.vmdk", "x.vmdk"),
                       "lock")
            vdisk_img("rm", "--force", "a.vmdk", cwd=d)


# -- measuring ----------------------------------------------------------------

EXACT = ("monolithicSparse", "monolithicFlat", "twoGbMaxExtentSparse",
         "twoGbMaxExtentFlat", "vmfs", "vmfsThin", "vmfsSparse", "seSparse")
ALONE = EXACT[:-2]


def make_content(d, size):
    """content.raw: whole 64 KiB of data and holes by turns, at odd places."""
    with open(os.path.join(d, "content.raw"), "wb") as f:
        f.truncate(size)
        for off in (0, 3 * 65536, 20 * 65536, 33 * MIB, size - 65536):
            f.seek(off)
            f.write(b"\7" * 65536)


def files_size(d, stem):
    return sum(os.path.getsize(os.path.join(d, n)) for n in os.listdir(d)
               if n.startswith(stem))


def measure(d, *args):
    return json.loads(vdisk_img("measure", "--output=json", *args, cwd=d))


def measure_cases(suite):
    @suite.case("measure: exactly what convert makes")
    def _():
        with scratch() as d:
            make_content(d, 40 * MIB + 512)
            for source in ("content.raw", "source.vmdk"):
                for kind in EXACT:
                    options = "subformat=" + kind
                    if kind.startswith("two"):
                        options += ",split_size=16M"
                    wanted = measure(d, "-O", "vmdk", "-o", options,
                                     "--target=x.vmdk", source)
                    loose = measure(d, "-O", "vmdk", "-o", options, source)
                    vdisk_img("convert", "-O", "vmdk", "-o", options, source,
                              "x.vmdk", cwd=d)
                    size = files_size(d, "x")
                    assert_equal(size, wanted["required"], source + kind)
                    if not size <= loose["required"] < size + 2000:
                        raise Failed("%s: %s" % (kind, loose))
                    vdisk_img("rm", "x.vmdk", cwd=d)
                vdisk_img("convert", "-O", "vmdk", "content.raw",
                          "source.vmdk", cwd=d)
                vdisk_img("meta", "set", "source.vmdk", "some.key",
                          "some value", cwd=d)

    @suite.case("measure: full disks, grains of other sizes, streams")
    def _():
        with scratch() as d:
            with open(os.path.join(d, "full.raw"), "wb") as f:
                f.write(os.urandom(5 * MIB + 4096))
            for options in ("subformat=monolithicSparse", "grain_size=4k",
                            "grain_size=1M", "subformat=streamOptimized"):
                told = measure(d, "-O", "vmdk", "-o", options, "full.raw")
                empty = measure(d, "-O", "vmdk", "-o", options, "--size",
                                5 * MIB + 4096)
                assert_equal(told["required"], told["fully-allocated"],
                             options)
                assert_equal(told["fully-allocated"],
                             empty["fully-allocated"], options)
                vdisk_img("convert", "-O", "vmdk", "-o", options, "full.raw",
                          "x.vmdk", cwd=d)
                size = files_size(d, "x")
                if size > told["required"] or size < told["required"] - MIB:
                    raise Failed("%s: %d, not %s" % (options, size, told))
                vdisk_img("create", "-q", "-f", "vmdk", "-o", options,
                          "x.vmdk", 5 * MIB + 4096, cwd=d)
                size = files_size(d, "x")
                if not size <= empty["required"] <= size + 512:
                    raise Failed("%s: %d, not %s" % (options, size, empty))

    @suite.case("measure: a chain counts as a whole")
    def _():
        with scratch() as d:
            make_images(d)
            assert_equal(measure(d, "-O", "vmdk", "a.vmdk"),
                         measure(d, "-O", "vmdk", "c.vmdk"), "chain")

    @suite.case("measure: the words of qemu-img's test 178")
    def _():
        with scratch() as d:
            make_images(d)
            for words, text in (
                    ((), "Either --size N or one filename must be specified."),
                    (("--size", "5", "a.raw"),
                     "--size N cannot be used together with a filename."),
                    (("a.raw", "b.raw"),
                     "At most one filename argument is allowed."),
                    (("--image-opts", "--size", "5"), "--image-opts, -f, and "
                     "-l require a filename argument."),
                    (("-f", "raw", "--size", "5"), "--image-opts, -f, and "
                     "-l require a filename argument."),
                    (("-l", "snap", "--size", "5"), "--image-opts, -f, and "
                     "-l require a filename argument."),
                    (("--output", "foo", "--size", "5"), "--output expects "
                     "'human' or 'json' not 'foo'"),
                    (("--size", "-1"), "Invalid image size specified"),
                    (("-O", "foo", "--size", "5"), "Unknown file format "
                     "'foo'")):
                expect(fails(d, 1, "measure", *words), text)
            assert_equal("required size: 1073741824\n"
                         "fully allocated size: 1073741824\n",
                         vdisk_img("measure", "--size", "1G", cwd=d), "raw")
            assert_equal('{\n    "required": 1024,\n'
                         '    "fully-allocated": 1024\n}\n',
                         vdisk_img("measure", "--output=json", "--size", "513",
                                   cwd=d), "json")
            assert_equal("", run([VDISK_IMG, "measure", "--size", "1"],
                                 cwd=d).stderr.decode(), "quiet")


# -- cloning ------------------------------------------------------------------

def facts(d, name):
    return json.loads(vdisk_img("info", "--output=json", name, cwd=d))[
        "format-specific"]["data"]


def meta(d, name):
    return json.loads(vdisk_img("meta", "list", "--output=json", name, cwd=d))


def clone_cases(suite):
    @suite.case("clone: from each kind to each kind")
    def _():
        kinds = ALONE + ("streamOptimized",)
        with scratch() as d:
            make_content(d, 40 * MIB)
            for source in kinds:
                vdisk_img("convert", "-O", "vmdk", "-o",
                          "subformat=" + source, "content.raw", "s.vmdk",
                          cwd=d)
                for target in kinds:
                    vdisk_img("clone", "-o", "subformat=" + target, "s.vmdk",
                              "x.vmdk", cwd=d)
                    vdisk_img("compare", "content.raw", "x.vmdk", cwd=d)
                    peer_compare(d, "content.raw", "x.vmdk")
                    vdisk_img("rm", "x.vmdk", cwd=d)
                vdisk_img("clone", "s.vmdk", "x.vmdk", cwd=d)
                wanted = "vmfs" if source.startswith("vmfs") else source
                assert_equal(wanted, facts(d, "x.vmdk")["create-type"], source)
                vdisk_img("rm", "x.vmdk", "s.vmdk", cwd=d)

    @suite.case("clone: metadata are kept, identity is new")
    def _():
        with scratch() as d:
            vdisk_img("create", "-q", "-f", "vmdk", "-o",
                      "adapter_type=lsilogic,hwversion=9,description=a word",
                      "s.vmdk", "3G", cwd=d)
            vdisk_img("meta", "set", "s.vmdk", "my.key", "value", cwd=d)
            vdisk_img("create", "-q", "-f", "vmdk", "-b", "s.vmdk", "-F",
                      "vmdk", "c.vmdk", cwd=d)
            vdisk_img("meta", "set", "c.vmdk", "my.key", "newer", cwd=d)
            vdisk_img("meta", "set", "c.vmdk", "adapterType", "buslogic",
                      cwd=d)
            before = meta(d, "c.vmdk")
            vdisk_img("clone", "c.vmdk", "x.vmdk", cwd=d)
            after = meta(d, "x.vmdk")
            for key in ("uuid", "longContentID"):
                if before.pop(key) == after.pop(key):
                    raise Failed(key + " was copied")
            for key in ("cylinders", "heads", "sectors"):
                before.pop("geometry." + key)
            assert_equal(["391", "255", "63"],
                         [after.pop("geometry." + key) for key in
                          ("cylinders", "heads", "sectors")], "geometry")
            assert_equal(before, after, "metadata")
            assert_equal("newer", after["my.key"], "top link")
            data = facts(d, "x.vmdk")
            assert_equal(4294967295, data["parent-cid"], "no parent")
            if data["cid"] in (facts(d, "c.vmdk")["cid"],
                               facts(d, "s.vmdk")["cid"]):
                raise Failed("CID was copied")

    @suite.case("clone: options win over what the source says")
    def _():
        with scratch() as d:
            make_images(d)
            vdisk_img("meta", "set", "a.vmdk", "virtualHWVersion", "11", cwd=d)
            vdisk_img("clone", "-o", "adapter_type=lsilogic,hwversion=8",
                      "a.vmdk", "x.vmdk", cwd=d)
            after = meta(d, "x.vmdk")
            assert_equal(("lsilogic", "8"),
                         (after["adapterType"], after["virtualHWVersion"]),
                         "given")

    @suite.case("clone: existing targets, the source among them")
    def _():
        with scratch() as d:
            make_images(d)
            expect(fails(d, 1, "clone", "a.vmdk", "f.vmdk"), "exists")
            expect(fails(d, 1, "clone", "--overwrite", "c.vmdk", "a.vmdk"),
                   "lock")
            expect(fails(d, 1, "clone", "a.vmdk", "a.vmdk"), "exists")
            vdisk_img("clone", "--overwrite", "a.vmdk", "f.vmdk", cwd=d)
            vdisk_img("compare", "a.vmdk", "f.vmdk", cwd=d)
            vdisk_img("clone", "a.raw", "new.vmdk", cwd=d)
            vdisk_img("compare", "a.raw", "new.vmdk", cwd=d)
            fails(d, 2, "clone", "a.vmdk")
            fails(d, 2, "clone", "-o", "subformat=nothing=", "a.vmdk")

    @suite.case("convert: metadata are kept unless told otherwise")
    def _():
        with scratch() as d:
            make_images(d)
            vdisk_img("meta", "set", "a.vmdk", "k", "v", cwd=d)
            for words, kept in (((), True), (("--keep-metadata=off",), False),
                                (("--keep-metadata",), True)):
                vdisk_img("convert", *words, "-O", "vmdk", "a.vmdk", "x.vmdk",
                          cwd=d)
                assert_equal(kept, "k" in meta(d, "x.vmdk"), str(words))
            vdisk_img("convert", "-n", "-O", "vmdk", "a.vmdk", "x.vmdk", cwd=d)
            vdisk_img("convert", "-O", "vmdk", "-o",
                      "subformat=streamOptimized", "a.vmdk", "s.vmdk", cwd=d)
            after = meta(d, "s.vmdk")
            assert_equal(("v", "lsilogic", False),
                         (after["k"], after["adapterType"], "uuid" in after),
                         "stream")
            expect(fails(d, 1, "convert", "--keep-metadata", "-O", "vmdk",
                         "a.vmdk", "c.vmdk", "x.vmdk"), "concatenating")


# -- chains -------------------------------------------------------------------

def chain(d, name, code=0):
    result = run([VDISK_IMG, "chain", "--output=json", name], cwd=d)
    assert_equal(code, result.code, str(result))
    return json.loads(result.stdout)


def make_chain(d):
    vdisk_img("create", "-q", "-f", "vmdk", "-o",
              "subformat=twoGbMaxExtentSparse", "base.vmdk", "4M", cwd=d)
    for child, parent in (("mid", "base"), ("top", "mid")):
        vdisk_img("create", "-q", "-f", "vmdk", "-b", parent + ".vmdk", "-F",
                  "vmdk", child + ".vmdk", cwd=d)


def edit(d, name, *changes):
    """Replace texts of equal length."""
    with open(os.path.join(d, name), "r+b") as f:
        data = f.read()
        for old, new in changes:
            data = data.replace(old, new)
        f.seek(0)
        f.write(data)


def chain_cases(suite):
    @suite.case("chain: all links, their files and users")
    def _():
        with scratch() as d:
            make_chain(d)
            links = chain(d, "top.vmdk")["links"]
            assert_equal(["top.vmdk", "mid.vmdk", "base.vmdk"],
                         [link["filename"] for link in links], "links")
            assert_equal(["base.vmdk", "base-s001.vmdk"],
                         [f["filename"] for f in links[2]["files"]], "files")
            assert_equal(links[0]["parent-cid"], links[1]["cid"], "cid")
            assert_equal({"none"}, {f["use"] for link in links
                                    for f in link["files"]}, "use")
            text = vdisk_img("chain", "top.vmdk", cwd=d)
            expect(text, "0: top.vmdk\n", "2: base.vmdk\n",
                   "format: vmdk, twoGbMaxExtentSparse", "file: base-s001.vmdk",
                   "The chain is sound.")
            fails(d, 2, "chain")
            expect(fails(d, 1, "chain", "absent.vmdk"), "No such file")

    @suite.case("chain: who uses it")
    def _():
        with scratch() as d:
            make_chain(d)
            with qemu_io_user(d, "top.vmdk"):
                links = chain(d, "top.vmdk")["links"]
                assert_equal(["write", "read"],
                             [links[i]["files"][0]["use"] for i in (0, 2)],
                             "use")
                expect(vdisk_img("chain", "top.vmdk", cwd=d),
                       "somebody writes to it", "somebody reads it")

    @suite.case("chain: what is wrong is told, and where")
    def _():
        def broken(text, *where):
            report = chain(d, "top.vmdk", 1)
            assert_equal(1, report["problems"], str(report))
            for i, link in enumerate(report["links"]):
                if link["problems"]:
                    assert_equal(where[0], i, str(report))
                    expect(link["problems"][0], text)

        with scratch() as d:
            make_chain(d)
            os.rename(os.path.join(d, "base-s001.vmdk"),
                      os.path.join(d, "away"))
            broken("No such file", 2)
            os.rename(os.path.join(d, "away"),
                      os.path.join(d, "base-s001.vmdk"))
            os.rename(os.path.join(d, "base.vmdk"), os.path.join(d, "away"))
            broken("No such file", 2)
            os.rename(os.path.join(d, "away"), os.path.join(d, "base.vmdk"))
            cid = b"%08x" % facts(d, "mid.vmdk")["cid"]
            edit(d, "mid.vmdk", (b"CID=" + cid, b"CID=01234567"))
            broken("remembers content id " + cid.decode(), 0)
            edit(d, "mid.vmdk", (b"CID=01234567", b"CID=" + cid))
            edit(d, "mid.vmdk", (b'Hint="base.vmdk"', b'Hint="top.vmdk"\n'))
            broken("a loop", 1)
            edit(d, "mid.vmdk", (b'Hint="top.vmdk"\n', b'Hint="base.vmdk"'))
            chain(d, "top.vmdk")
            with open(os.path.join(d, "base-s001.vmdk"), "r+b") as f:
                f.seek(72)
                f.write(b"\1")
            broken("not closed cleanly", 2)
            with open(os.path.join(d, "base-s001.vmdk"), "r+b") as f:
                f.write(b"junk" * 128)
            report = chain(d, "top.vmdk", 1)
            assert_equal(3, len(report["links"]), str(report))


def main():
    suite = Suite()
    meta_cases(suite)
    rename_cases(suite)
    rm_cases(suite)
    measure_cases(suite)
    clone_cases(suite)
    chain_cases(suite)
    suite.run()


main()
