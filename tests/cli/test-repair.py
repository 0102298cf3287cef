#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""check -r and repair as their users see them: texts, exit codes, results."""
import json
import os
import struct
import sys

sys.path.insert(0, os.path.dirname(__file__))
sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../support"))

import fixture  # noqa: E402
from fixture import assert_equal, run_link  # noqa: E402
from tap import Suite  # noqa: E402
from tools import Failed  # noqa: E402

# Of a disk of 10 MiB: both copies of the one table.
GT, RGT = 27 * 512, 22 * 512
BAD = 0x7fffffff


def poke(path, off, value):
    with open(path, "r+b") as f:
        f.seek(off)
        f.write(struct.pack("<I", value))


class Images(fixture.Place):
    def poke(self, name, off, value):
        poke(self.path(name), off, value)

    def run(self, *args, compat="10"):
        return run_link(self.link, args, self.dir, compat)

    def expect(self, code, *args, **kwargs):
        result = self.run(*args, **kwargs)
        if result.code != code:
            raise Failed("wanted exit %d: %s" % (code, result))
        return result.stdout.decode() + result.stderr.decode()


def case_sound_image_says_so():
    with Images() as images:
        text = images.expect(0, "check", "-r", "all", "a.vmdk")
        if not text.startswith("No errors were found on the image.\n"):
            raise Failed(text)
        if "Double" in text:
            raise Failed(text)


def case_repair_all_tells_what_and_checks_again():
    with Images() as images:
        images.poke("a.vmdk", GT + 4, BAD)
        images.expect(2, "check", "a.vmdk")
        text = images.expect(0, "check", "-r", "all", "a.vmdk")
        wanted = ("The following inconsistencies were found and repaired:\n\n"
                  "    1 leaked clusters\n    2 corruptions\n\n"
                  "Double checking the fixed image now...\n"
                  "No errors were found on the image.\n")
        if wanted not in text:
            raise Failed(text)
        images.expect(0, "check", "a.vmdk")
        images.expect(0, "compare", "a.vmdk", "s.vmdk")


def case_leaks_are_given_back():
    with Images() as images:
        for table in (GT, RGT):
            images.poke("a.vmdk", table + 4, 0)
        text = images.expect(3, "check", "a.vmdk")
        if "1 leaked clusters" not in text:
            raise Failed(text)
        text = images.expect(0, "check", "--repair=leaks", "a.vmdk")
        if "    1 leaked clusters\n    0 corruptions\n" not in text:
            raise Failed(text)
        images.expect(0, "check", "a.vmdk")


def case_leaks_only_leaves_errors():
    with Images() as images:
        images.poke("a.vmdk", GT + 4, BAD)
        images.expect(2, "check", "-r", "leaks", "a.vmdk")


def case_json_counts():
    with Images() as images:
        images.poke("a.vmdk", GT + 4, BAD)
        text = images.expect(0, "check", "-r", "all", "--output=json",
                             "a.vmdk")
        result = json.loads(text)
        assert_equal(2, result.get("corruptions-fixed"), "corruptions-fixed")
        assert_equal(None, result.get("corruptions"), "corruptions")
        assert_equal(0, result["check-errors"], "check-errors")


def case_json_findings_name_their_grain():
    with Images() as images:
        images.expect(0, "convert", "-f", "vmdk", "-O", "vmdk", "-o",
                      "subformat=twoGbMaxExtentSparse,split_size=4M",
                      "a.vmdk", "x.vmdk")
        # Entry 2 of the first extent's table, second copy in front.
        images.poke("x-s001.vmdk", 7 * 512 + 8, BAD)
        images.poke("x-s001.vmdk", 2 * 512 + 8, BAD)
        result = json.loads(images.expect(2, "check", "--output=json",
                                          "x.vmdk"))
        finding = result["findings"][0]
        assert_equal(["kind", "extent", "grain", "offset", "detail"],
                     list(finding), "keys")
        assert_equal("corruption", finding["kind"], "kind")
        assert_equal("x-s001.vmdk", os.path.basename(finding["extent"]),
                     "extent")
        assert_equal(2, finding["grain"], "grain")
        assert_equal(BAD * 512, finding["offset"], "offset")
        leaks = [f for f in result["findings"] if f["kind"] == "leak"]
        if not leaks or "grain" in leaks[0]:
            raise Failed("a leak is nobody's grain: %r" % result)


def case_lost_ranges_are_named():
    with Images() as images:
        for table in (GT, RGT):
            images.poke("a.vmdk", table + 4, BAD)
        text = images.expect(0, "repair", "a.vmdk")
        if "bytes 65536 to 131071 of the disk had been lost before" not in text:
            raise Failed(text)


def case_wrong_words():
    with Images() as images:
        images.expect(1, "check", "-r", "all", "-U", "a.vmdk")
        images.expect(2, "repair")
        images.expect(2, "repair", "--nothing", "a.vmdk")


def case_streams_are_not_repaired_that_way():
    with Images() as images:
        images.expect(63, "check", "-r", "all", "s.vmdk")


def case_raw_has_no_check():
    with Images() as images:
        images.expect(63, "check", "-r", "all", "-f", "raw", "a.raw")


def case_children_take_their_parent_as_it_is():
    with Images() as images:
        path = os.path.join(images.dir, "a.vmdk")
        with open(path, "r+b") as f:
            text = f.read(20480)
            at = text.index(b"\nCID=") + 5
            f.seek(at)
            f.write(b"01234567")
        images.expect(2, "check", "c.vmdk")
        images.expect(1, "repair", "c.vmdk")
        text = images.expect(0, "repair", "--cid", "c.vmdk")
        if "01234567" not in text:
            raise Failed(text)
        images.expect(0, "check", "c.vmdk")
        images.expect(0, "compare", "c.vmdk", "s.vmdk")


def case_an_interrupted_repair_is_undone():
    with Images() as images:
        log = os.path.join(images.dir, "a.vmdk.vdisk-repair")
        with open(log, "wb") as f:
            f.write(b"no backup of ours" * 100)
        images.expect(0, "info", "a.vmdk")
        text = images.expect(1, "check", "-r", "all", "a.vmdk")
        if "a.vmdk.vdisk-repair" not in text:
            raise Failed(text)
        if os.path.getsize(log) != 1700:
            raise Failed("it was changed")


def case_descriptors_come_back_from_extents():
    with Images() as images:
        for kind in ("monolithicFlat", "twoGbMaxExtentFlat",
                     "twoGbMaxExtentSparse", "vmfsSparse"):
            images.expect(0, "convert", "-f", "vmdk", "-O", "vmdk", "-o",
                          "subformat=" + kind, "a.vmdk", kind + ".vmdk")
            os.unlink(os.path.join(images.dir, kind + ".vmdk"))
            images.expect(0, "repair", "--from-extents", kind + ".vmdk")
            images.expect(0, "compare", "a.vmdk", kind + ".vmdk")
            images.expect(0, "check", kind + ".vmdk")


def case_split_disks_come_back_whole_or_not_at_all():
    with Images() as images:
        images.expect(0, "convert", "-f", "vmdk", "-O", "vmdk", "-o",
                      "subformat=twoGbMaxExtentSparse,split_size=4M",
                      "a.vmdk", "x.vmdk")
        before = images.expect(1, "repair", "--from-extents", "x.vmdk")
        if "exists" not in before:
            raise Failed(before)
        images.expect(0, "repair", "--from-extents", "--force", "x.vmdk")
        images.expect(0, "compare", "a.vmdk", "x.vmdk")
        os.unlink(os.path.join(images.dir, "x.vmdk"))
        os.unlink(os.path.join(images.dir, "x-s002.vmdk"))
        text = images.expect(1, "repair", "--from-extents", "x.vmdk")
        if "x-s002.vmdk: is missing" not in text:
            raise Failed(text)
        images.expect(1, "repair", "--from-extents", "nothing.vmdk")
        images.expect(2, "repair", "--force", "a.vmdk")
        if os.path.exists(os.path.join(images.dir, "x.vmdk")):
            raise Failed("a descriptor was written")


def case_children_get_the_parent_that_is_named():
    with Images() as images:
        images.expect(0, "create", "-q", "-f", "vmdk", "-b", "a.vmdk", "-F",
                      "vmdk", "-o", "subformat=twoGbMaxExtentSparse",
                      "y.vmdk")
        os.unlink(os.path.join(images.dir, "y.vmdk"))
        images.expect(0, "repair", "--from-extents", "--parent=a.vmdk",
                      "y.vmdk")
        images.expect(0, "check", "y.vmdk")
        images.expect(0, "compare", "a.vmdk", "y.vmdk")


def main():
    suite = Suite()
    for name, case in list(globals().items()):
        if name.startswith("case_"):
            suite.case(name[5:].replace("_", " "))(case)
    suite.run()


main()
