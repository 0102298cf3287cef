#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""test-amend - amend: what changes and what does not."""
import json
import os
import sys

sys.path.insert(0, os.path.dirname(__file__))
sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../support"))

import fixture  # noqa: E402
from fixture import assert_equal, held, qemu_img_72, run_link  # noqa: E402
from tap import Suite  # noqa: E402
from tools import Failed, disk_io, run, vdisk_img  # noqa: E402

suite = Suite()
UUID = "60 00 C2 9a 11 22 33 44-55 66 77 88 99 aa bb cc"
TRY = "Try 'qemu-img [COMMAND] --help' for more info\n"
ONLY = "This option is only supported for image creation\n"


class Place(fixture.Place):
    def amend(self, *words, compat="10"):
        result = run_link(self.link, ["amend", *words], self.dir, compat)
        return result.code, result.stdout.decode(), result.stderr.decode()

    def files(self):
        found = {}
        for name in sorted(os.listdir(self.dir)):
            if name != "qemu-img":
                with open(self.path(name), "rb") as f:
                    found[name] = f.read()
        return found

    def data(self, name):
        return json.loads(vdisk_img("info", "--output=json", name,
                                    cwd=self.dir))["format-specific"]["data"]

    def content(self, name):
        vdisk_img("convert", "-O", "raw", name, "out.raw", cwd=self.dir)
        with open(self.path("out.raw"), "rb") as f:
            return f.read()

    def comment(self, name):
        result = run_link(self.link, ["meta", "get", "--link", name,
                                      "comment"], self.dir)
        return result.stdout.decode() if result.code == 0 else None


def check_all(image):
    with Place() as place:
        before = place.data(image)
        assert_equal((0, "", ""), place.amend(
            "-o", "adapter_type=pvscsi,hwversion=14,toolsversion=10",
            "-o", "description=a,, b,uuid=" + UUID, image), "amend")
        data = place.data(image)
        assert_equal(("lsilogic", 14, 10, UUID),
                     tuple(data[k] for k in ("adapter-type", "hw-version",
                                             "tools-version", "uuid")), image)
        assert_equal("a, b\n", place.comment(image), "description")
        for key in ("cid", "parent-cid", "create-type"):
            assert_equal(before[key], data[key], key)
        place.amend("-o", "description=", image)
        assert_equal(None, place.comment(image), "description")
        if image != "a.raw":
            vdisk_img("check", "-q", place.path(image))
        vdisk_img("compare", "-q", place.path("a.vmdk"), place.path("c.vmdk"))


WRONG = (
    (["-o", "foo=1", "a.vmdk"], "Invalid parameter 'foo'\n"),
    (["-o", "grain_size=4k", "a.vmdk"],
     "Invalid parameter 'grain_size'\n" + ONLY),
    (["-o", "size=1G", "a.vmdk"], "Invalid parameter 'size'\n" + ONLY),
    (["-o", "hwversion=9,subformat=vmfs", "a.vmdk"],
     "Invalid parameter 'subformat'\n" + ONLY),
    (["-o", "backing_file=b.vmdk", "c.vmdk"], "Cannot amend the backing file\n"
     "You can use 'qemu-img rebase' instead.\n"),
    (["-o", "adapter_type=scsi", "a.vmdk"], "scsi"),
    (["-o", "hwversion=9,uuid=x", "a.vmdk"], "uuid must have the form"),
    (["-o", "hwversion=many", "a.vmdk"], "hwversion"),
    (["-o", "hwversion=4294967296", "a.vmdk"], "hwversion must be below"),
    (["-o", "description=" + 1025 * "x", "a.vmdk"], "description is longer"),
    (["a.vmdk"], "Must specify options (-o)\n" + TRY),
    (["-o", "uuid=" + UUID, "none.vmdk"], "Could not open 'none.vmdk'"),
)


def check_wrong(words, text):
    with Place() as place:
        before = place.files()
        code, out, err = place.amend(*words)
        assert_equal((1, ""), (code, out), err)
        if text not in err:
            raise Failed(err)
        assert_equal(before, place.files(), "files")


@suite.case("help lists what can be changed, of a format and of a file")
def _():
    with Place() as place:
        code, out, err = place.amend("-f", "vmdk", "-o", "help")
        assert_equal((0, ""), (code, err), "help")
        lines = out.splitlines()
        assert_equal("Amend options for 'vmdk':", lines[0], out)
        assert_equal(["adapter_type", "description", "hwversion",
                      "toolsversion", "uuid", "zeroed_grain"],
                     [line.split("=")[0].strip() for line in lines[1:]], out)
        assert_equal((0, out, ""), place.amend("-o", "help", "a.vmdk"), "file")


@suite.case("JSON tells what was changed")
def _():
    with Place() as place:
        code, out, err = place.amend("--output=json", "-o", "hwversion=7",
                                     "f.vmdk")
        assert_equal((0, ""), (code, err), "amend")
        assert_equal({"filename": "f.vmdk", "format": "vmdk",
                      "options": {"hwversion": "7"}}, json.loads(out), out)


def qemu_finds_no_error(place, name):
    qemu = qemu_img_72()
    for command in ("check", "info"):
        result = run([qemu, command, "-f", "vmdk", place.path(name)])
        assert_equal(0, result.code, str(result))


def check_zeroed_grain(options):
    with Place() as place:
        for parent in ("a.vmdk", None):
            words = ["-b", parent, "-F", "vmdk"] if parent else []
            vdisk_img("create", "-q", "-f", "vmdk", *words, "-o", options,
                      place.path("z.vmdk"), "10M")
            disk_io(place.path("z.vmdk"), "zero", 0, 1 << 20, "write", 2 << 20,
                    place.path("a.raw"))
            before = place.content("z.vmdk")
            for value, on, version in (("on", True, 2), ("off", False, 1)):
                assert_equal((0, "", ""), place.amend(
                    "-o", "zeroed_grain=" + value, "z.vmdk"), value)
                data = place.data("z.vmdk")
                assert_equal((on, version), (data["zeroed-grain"],
                                             data["header-version"]), value)
                assert_equal(True, place.content("z.vmdk") == before, value)
                vdisk_img("check", "-q", place.path("z.vmdk"))
                qemu_finds_no_error(place, "z.vmdk")
                # More zeroes for the next turn, and what else is done.
                disk_io(place.path("z.vmdk"), "zero", 2 << 20, 65536)
                before = before[:2 << 20] + bytes(65536) + \
                    before[(2 << 20) + 65536:]
                vdisk_img("compact", "-q", place.path("z.vmdk"))
                assert_equal(True, place.content("z.vmdk") == before, value)
            if not parent:
                vdisk_img("resize", "-q", place.path("z.vmdk"), "+50M")
                vdisk_img("check", "-q", place.path("z.vmdk"))


@suite.case("zeroed_grain of kinds that have none is refused")
def _():
    kinds = (("monolithicFlat", "Flat image can't enable zeroed grain"),
             ("vmfsSparse", "cannot be changed in a redo log"),
             ("seSparse", "seSparse"), ("streamOptimized", "stream"))
    for kind, text in kinds:
        with Place() as place:
            vdisk_img("convert", "-f", "vmdk", "-O", "vmdk", "-o",
                      "subformat=" + kind, place.path("a.vmdk"),
                      place.path("z.vmdk"))
            before = place.files()
            for value in ("on", "off"):
                code, out, err = place.amend("-o", "zeroed_grain=" + value,
                                             "z.vmdk")
                assert_equal((1, ""), (code, out), err)
                if text not in err:
                    raise Failed("%s: %s" % (kind, err))
            assert_equal(before, place.files(), "files")


@suite.case("zeroed_grain changes alone, and JSON tells it")
def _():
    with Place() as place:
        before = place.files()
        code, out, err = place.amend("-o", "zeroed_grain=on,hwversion=7",
                                     "a.vmdk")
        assert_equal((1, ""), (code, out), err)
        if "zeroed_grain is to be changed alone" not in err:
            raise Failed(err)
        assert_equal(before, place.files(), "files")
        code, out, err = place.amend("--output=json", "-o", "zeroed_grain=on",
                                     "a.vmdk")
        assert_equal((0, ""), (code, err), "amend")
        assert_equal('{\n    "filename": "a.vmdk",\n    "format": "vmdk",\n'
                     '    "options": {\n        "zeroed_grain": "on"\n'
                     '    }\n}\n', out, "JSON")


@suite.case("an image in use is left alone")
def _():
    with Place() as place:
        with held(place.path("a.vmdk"), "-f", "vmdk"):
            before = place.files()
            code, out, err = place.amend("-o", "hwversion=7", "a.vmdk")
            assert_equal(before, place.files(), "files")
        assert_equal((1, ""), (code, out), err)
        if "Is another process using the image [a.vmdk]?" not in err:
            raise Failed(err)


def main():
    for image in ("a.vmdk", "c.vmdk", "f.vmdk"):
        suite.add("all options of " + image, check_all, image)
    for options in ("subformat=monolithicSparse",
                    "subformat=twoGbMaxExtentSparse,split_size=4M",
                    "subformat=monolithicSparse,grain_size=4k"):
        suite.add("zeroed_grain on and off: " + options, check_zeroed_grain,
                  options)
    for words, text in WRONG:
        suite.add("refused: amend " + " ".join(words)[:60], check_wrong, words,
                  text)
    suite.run()


main()
