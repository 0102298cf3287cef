#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""test-info - vdisk-img info --graph and --limits: what an image stands on,
and what requests to it keep to."""
import json
import os
import re
import sys

sys.path.insert(0, os.path.dirname(__file__))

from fixture import Place, assert_equal, run_link  # noqa: E402
from tap import Suite  # noqa: E402
from tools import Failed, vdisk_img, vdisk_img_fails  # noqa: E402

FAULT = ("driver=fault,align=4096,max-transfer=64k,opt-write-zero=16k,"
         "opt-discard=32k,image.driver=raw,image.file.filename=a.raw")
NESTED = "driver=raw,file.driver=vmdk,file.file.filename=a.vmdk"

FAULT_LIMITS = """\
Limits:
    request alignment: 4096
    memory alignment: 1
    max transfer: 65536
    opt transfer: 1048576
    pwrite zeroes alignment: 16384
    pdiscard alignment: 32768
    sequential: false
"""


def masked(text):
    """Allocated space is the file system's own affair."""
    return re.sub(r"disk size: \S+ \S+", "disk size: N", text)


def children_of(text):
    at = text.index("Child node")
    return masked(text[at:])


def file_block(path, name, size, indent=""):
    return "".join(indent + line + "\n" for line in (
        "Child node '%s':" % path, "    filename: " + name,
        "    protocol type: file", "    file length: " + size,
        "    disk size: N"))


def names(node):
    return [child["name"] for child in node["children"]]


def add_graph(suite, place):
    @suite.case("info --graph shows the file of a raw image")
    def _():
        text = vdisk_img("info", "--graph", "a.raw", cwd=place.dir)
        assert_equal("image: a.raw\nfile format: raw\n"
                     "virtual size: 1 MiB (1048576 bytes)\ndisk size: N\n" +
                     file_block("/file", "a.raw", "1 MiB (1048576 bytes)"),
                     masked(text), "text")

    @suite.case("info --graph shows the extents of an image")
    def _():
        size = os.path.getsize(place.path("f.vmdk"))
        text = vdisk_img("info", "--graph", "f.vmdk", cwd=place.dir)
        assert_equal(file_block("/file", "f.vmdk",
                                "%d B (%d bytes)" % (size, size)) +
                     file_block("/extents.0", "f-f001.vmdk",
                                "10 MiB (10485760 bytes)"),
                     children_of(text), "text")

    @suite.case("info --graph indents what stands on one another")
    def _():
        text = children_of(vdisk_img("info", "--graph", "--image-opts",
                                     NESTED, cwd=place.dir))
        begin = ("Child node '/file':\n    image: a.vmdk\n"
                 "    file format: vmdk\n")
        assert_equal(begin, text[:len(begin)], "begin")
        end = file_block("/file/file", "a.vmdk", "256 KiB (262144 bytes)",
                         "    ")
        assert_equal(end, text[-len(end):], "end")

    @suite.case("info without --graph shows no nodes")
    def _():
        for compat in ("7.2", "10"):
            result = run_link(place.link, ["info", "a.vmdk"], place.dir,
                              compat)
            if b"Child node" in result.stdout or b"Limits" in result.stdout:
                raise Failed(str(result))

    @suite.case("info --graph --backing-chain shows those of each link")
    def _():
        text = vdisk_img("info", "--graph", "-b", "c.vmdk", cwd=place.dir)
        links = text.split("\n\n")
        assert_equal(2, len(links), text)
        for link, name in zip(links, ("c.vmdk", "a.vmdk")):
            if "Child node '/file':\n    filename: %s\n" % name not in link:
                raise Failed(text)

    @suite.case("info --graph is what JSON of level 10 has anyway")
    def _():
        words = ["info", "--output=json", "f.vmdk"]
        new = run_link(place.link, words, place.dir, "10").stdout
        old = run_link(place.link, words, place.dir, "7.2").stdout
        assert_equal(["file", "extents.0"], names(json.loads(new)), "names")
        assert_equal(False, "children" in json.loads(old), "7.2")
        for compat in ("7.2", "10"):
            graph = run_link(place.link, [*words, "--graph"], place.dir,
                             compat)
            assert_equal(new, graph.stdout, compat)

    @suite.case("info --output=json nests what stands on one another")
    def _():
        node = json.loads(vdisk_img("info", "--output=json", "--image-opts",
                                    NESTED, cwd=place.dir))
        for fmt in ("raw", "vmdk"):
            assert_equal(fmt, node["format"], "format")
            assert_equal(["file"], names(node), fmt)
            node = node["children"][0]["info"]
        assert_equal(("file", "a.vmdk", []),
                     (node["format"], node["filename"], node["children"]),
                     "file")

    @suite.case("a file that is missing is not in the graph")
    def _():
        os.rename(place.path("f-f001.vmdk"), place.path("away"))
        try:
            text = vdisk_img("info", "--graph", "f.vmdk", cwd=place.dir)
        finally:
            os.rename(place.path("away"), place.path("f-f001.vmdk"))
        assert_equal(["Child node '/file':"],
                     re.findall("Child node.*", text), text)


def add_limits(suite, place):
    @suite.case("info --limits tells alignments and maxima")
    def _():
        text = vdisk_img("info", "--limits", "--image-opts", FAULT,
                         cwd=place.dir)
        assert_equal(FAULT_LIMITS, text[text.index("Limits:"):], "limits")

    @suite.case("info --limits --output=json has them as an object")
    def _():
        document = json.loads(vdisk_img("info", "--limits", "--output=json",
                                        "--image-opts", FAULT, cwd=place.dir))
        assert_equal({"request-alignment": 4096, "memory-alignment": 1,
                      "max-transfer": 65536, "opt-transfer": 1048576,
                      "pwrite-zeroes-alignment": 16384,
                      "pdiscard-alignment": 32768, "sequential": False},
                     document["limits"], "limits")
        for child in document["children"]:
            assert_equal(False, "limits" in child["info"], child["name"])

    @suite.case("info --limits of a format names its grain")
    def _():
        limits = json.loads(vdisk_img("info", "--limits", "--output=json",
                                      "a.vmdk", cwd=place.dir))["limits"]
        for key in ("grain-size", "pwrite-zeroes-alignment",
                    "pdiscard-alignment"):
            assert_equal(65536, limits[key], key)

    @suite.case("info --graph --limits has those of every node")
    def _():
        words = ("info", "--graph", "--limits", "f.vmdk")
        text = vdisk_img(*words, cwd=place.dir)
        assert_equal(1, len(re.findall(r"(?m)^Limits:$", text)), text)
        assert_equal(2, len(re.findall(r"(?m)^    Limits:\n"
                                       r"        request alignment: 1$",
                                       text)), text)
        document = json.loads(vdisk_img(*words, "--output=json",
                                        cwd=place.dir))
        for child in document["children"]:
            assert_equal(1, child["info"]["limits"]["request-alignment"],
                         child["name"])

    @suite.case("info --limits knows what direct I/O demands")
    def _():
        document = json.loads(vdisk_img(
            "info", "--graph", "--limits", "--output=json", "--image-opts",
            "driver=raw,file.filename=b.raw,cache.direct=on", cwd=place.dir))
        limits = document["children"][0]["info"]["limits"]
        if limits["request-alignment"] < 512 or limits["max-transfer"] % \
                limits["request-alignment"]:
            raise Failed(str(limits))

    @suite.case("a file name that is no UTF-8 is told")
    def _():
        odd = os.fsdecode(b"b\xffd.vmdk")
        os.symlink("a.vmdk", os.path.join(place.dir, odd))
        for args in (), ("--graph", "--limits"), ("--output=json",):
            result = run_link(place.link, ["info", *args, odd], place.dir)
            assert_equal((0, b""), (result.code, result.stderr), "end")
        specific = json.loads(result.stdout)["format-specific"]
        assert_equal("b\ufffdd.vmdk",
                     specific["data"]["extents"][0]["filename"], "filename")

    @suite.case("--graph and --limits take no argument")
    def _():
        for option in ("--graph=x", "--limits=x"):
            vdisk_img_fails("info", option, "a.vmdk", cwd=place.dir)


def main():
    suite = Suite()
    with Place() as place:
        add_graph(suite, place)
        add_limits(suite, place)
        suite.run()


main()
