#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""test-output - results: what scripts parse and qemu-img does not print."""
import json
import os
import pty
import random
import re
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.dirname(__file__))

from fixture import (assert_equal, link_vdisk_img, make_images,  # noqa: E402
                     run_link)
from tap import Skip, Suite  # noqa: E402
from tools import VDISK_IMG, Failed, run, vdisk_img  # noqa: E402


class Stage:
    def __init__(self, make):
        self.make = make
        self.images = None
        self.root = tempfile.TemporaryDirectory(prefix="vdisk-test-cli-")
        self.link = link_vdisk_img(self.root.name)

    def path(self):
        if not self.images:
            directory = tempfile.mkdtemp(dir=self.root.name)
            self.make(directory)
            self.images = directory
        return self.images

    def ours(self, *args, compat="7.2", code=0):
        self.path()
        result = run_link(self.link, list(args), self.images, compat)
        assert_equal(code, result.code, str(result))
        return result.stdout.decode()


OURS = Stage(make_images)


def main():
    suite = Suite()

    @suite.case("map of compressed clusters in human form fails")
    def _():
        OURS.path()
        result = run_link(OURS.link, ["map", "s.vmdk"], OURS.images)
        assert_equal(1, result.code, str(result))
        assert_equal(b"qemu-img: File contains external, encrypted or "
                     b"compressed clusters.\n"
                     b"Use --output=json to see all of them.\n",
                     result.stderr, "stderr")

    @suite.case("map says in level 10 what is compressed")
    def _():
        entries = json.loads(OURS.ours("map", "--output=json", "s.vmdk",
                                       compat="10"))
        assert_equal([e["data"] for e in entries],
                     [e["compressed"] for e in entries], "compressed")
        if not any(e["compressed"] for e in entries):
            raise Failed(repr(entries))

    @suite.case("map beyond the end is one entry of nothing")
    def _():
        entries = json.loads(OURS.ours("map", "--output=json", "-s", "100M",
                                       "a.vmdk"))
        assert_equal([(100 << 20, 0, False)],
                     [(e["start"], e["length"], e["present"])
                      for e in entries], "entries")

    @suite.case("map --depth-names names the file of each depth")
    def _():
        entries = json.loads(OURS.ours("map", "--output=json",
                                       "--depth-names", "c.vmdk"))
        assert_equal({"a.vmdk"}, {e["filename"] for e in entries
                                  if e["data"]}, "files")

    @suite.case("info of level 10 lists the files below as children")
    def _():
        for image, names in (("a.raw", {"file": "a.raw"}),
                             ("a.vmdk", {"file": "a.vmdk"}),
                             ("f.vmdk", {"file": "f.vmdk",
                                         "extents.0": "f-f001.vmdk"})):
            info = json.loads(OURS.ours("info", "--output=json", image,
                                        compat="10"))
            assert_equal(names, {c["name"]: c["info"]["filename"]
                                 for c in info["children"]}, image)
            for child in info["children"]:
                path = os.path.join(OURS.images, child["info"]["filename"])
                assert_equal(os.path.getsize(path),
                             child["info"]["virtual-size"], "size")
                assert_equal({"type": "file", "data": {}},
                             child["info"]["format-specific"], "specific")

    @suite.case("an option given as JSON or as options opens the same")
    def _():
        wanted = OURS.ours("info", "a.raw")
        assert_equal(wanted, OURS.ours(
            "info", "--image-opts", "driver=raw,file.filename=a.raw"), "opts")
        assert_equal(wanted, OURS.ours(
            "info", 'json:{"driver":"raw","file":{"driver":"file",'
                    '"filename":"a.raw"}}'), "json")

    @suite.case("an error in JSON mode is a document too")
    def _():
        OURS.path()
        result = run_link(OURS.link, ["info", "--output=json", "no"],
                          OURS.images)
        assert_equal(1, result.code, str(result))
        error = json.loads(result.stdout)["error"]
        assert_equal("ENOENT", error["errno"], "errno")
        assert_equal("no", error["file"], "file")
        assert_equal("qemu-img: %s\n" % error["message"],
                     result.stderr.decode(), "message")

    @suite.case("compare: verdicts and exit codes")
    def _():
        for args, code, text in (
                (["a.vmdk", "s.vmdk"], 0, "Images are identical.\n"),
                (["-q", "a.vmdk", "s.vmdk"], 0, ""),
                (["-f", "raw", "-F", "raw", "a.raw", "b.raw"], 1,
                 "Content mismatch at offset 65536!\n"),
                (["-q", "-f", "raw", "-F", "raw", "a.raw", "b.raw"], 1, ""),
                (["-s", "-f", "raw", "-F", "raw", "a.raw", "b.raw"], 1,
                 "Strict mode: Image size mismatch!\n")):
            assert_equal(text, OURS.ours("compare", *args, code=code),
                         " ".join(args))

    @suite.case("compare: the longer one may be zero behind the end")
    def _():
        OURS.path()
        path = os.path.join(OURS.images, "long.raw")
        with open(path, "wb") as f:
            f.truncate(3 << 20)
        args = ("compare", "-f", "raw", "-F", "raw", "b.raw", "long.raw")
        assert_equal("Warning: Image size mismatch!\nImages are identical.\n",
                     OURS.ours(*args), "verdict")
        with open(path, "r+b") as f:
            f.seek((2 << 20) + 700)
            f.write(b"x")
        assert_equal("Warning: Image size mismatch!\n"
                     "Content mismatch at offset %d!\n" % ((2 << 20) + 512),
                     OURS.ours(*args, code=1), "verdict")
        report = json.loads(OURS.ours("compare", "--output=json", *args[1:],
                                      code=1))
        assert_equal(False, report["identical"], "identical")
        assert_equal((2 << 20) + 700, report["first-difference"], "offset")
        assert_equal(2 << 20, report["size1"], "size1")
        assert_equal(3 << 20, report["size2"], "size2")

    @suite.case("check of a sound image")
    def _():
        text = OURS.ours("check", "a.vmdk")
        if "No errors were found on the image.\n" not in text:
            raise Failed(text)
        report = json.loads(OURS.ours("check", "--output=json", "a.vmdk"))
        assert_equal(0, report["check-errors"], "check-errors")
        assert_equal("a.vmdk", report["filename"], "filename")
        assert_equal("vmdk", report["format"], "format")
        for key in ("corruptions", "leaks", "findings"):
            if key in report:
                raise Failed("%s: %r" % (key, report))

    @suite.case("check -q prints nothing")
    def _():
        assert_equal("", OURS.ours("check", "-q", "a.vmdk"), "stdout")

    @suite.case("create tells what it makes, in the order of qemu-img")
    def _():
        text = OURS.ours("create", "-f", "vmdk", "-b", "a.vmdk", "-F", "vmdk",
                         "x.vmdk")
        if not text.startswith("Formatting 'x.vmdk', fmt=vmdk size=10485760 "
                               "backing_file=a.vmdk backing_fmt=vmdk"):
            raise Failed(text)

    @suite.case("create --output=json describes the image")
    def _():
        report = json.loads(OURS.ours("create", "--output=json", "-f", "vmdk",
                                      "y.vmdk", "3M"))
        assert_equal(["filename", "format", "virtual-size", "actual-size"],
                     list(report), "keys")
        assert_equal(3 << 20, report["virtual-size"], "size")

    @suite.case("run as qemu-img it splits at 2 GiB, else at 2047 MiB")
    def _():
        words = ["create", "-q", "-f", "vmdk", "-o",
                 "subformat=twoGbMaxExtentFlat", "split.vmdk", "3G"]
        size = os.path.join(OURS.path(), "split-f001.vmdk")
        OURS.ours(*words)
        assert_equal(2 << 30, os.path.getsize(size), "as qemu-img")
        vdisk_img(*words, cwd=OURS.images)
        assert_equal(2047 << 20, os.path.getsize(size), "as vdisk-img")

    @suite.case("-o help lists the options, sorted")
    def _():
        for command, args in (("create", ["-f", "vmdk"]),
                              ("convert", ["-O", "vmdk"])):
            text = OURS.ours(command, *args, "-o", "help")
            assert_equal("Supported vmdk options:", text.split("\n")[0],
                         "head")
            names = re.findall(r"^  (\w+)=<", text, re.M)
            assert_equal(sorted(names), names, "order")
            for name in ("size", "subformat", "adapter_type"):
                if name not in names:
                    raise Failed("no %s: %s" % (name, text))
            assert_equal("Supported options:",
                         OURS.ours(command, *args, "-o", "help", "x",
                                   "y").split("\n")[0], "head")

    @suite.case("two messages are one document")
    def _():
        result = run_link(OURS.link, ["create", "--output=json", "x", "1x"],
                          OURS.path(), "7.2")
        assert_equal(2, len(result.stderr.splitlines()), str(result))
        json.loads(result.stdout)

    @suite.case("progress does not stand in the way of a document")
    def _():
        for words in (["convert", "-O", "raw", "a.vmdk", "w.raw"],
                      ["compare", "a.vmdk", "a.vmdk"]):
            json.loads(OURS.ours(words[0], "--output=json", "-p", *words[1:]))

    @suite.case("convert --output=json accounts for the bytes")
    def _():
        report = json.loads(OURS.ours("convert", "--output=json", "-O", "raw",
                                      "a.vmdk", "z.raw"))
        assert_equal(["source", "target", "format", "virtual-size",
                      "actual-size", "bytes-read", "bytes-written",
                      "bytes-zero", "bytes-offloaded", "elapsed", "rate",
                      "engine", "warnings"], list(report), "keys")
        assert_equal(["a.vmdk"], report["source"], "source")
        assert_equal(10 << 20, report["virtual-size"], "size")
        assert_equal(196608, report["bytes-written"], "written")

    @suite.case("convert -p prints progress on stdout as qemu-img does")
    def _():
        text = OURS.ours("convert", "-p", "-O", "raw", "a.vmdk", "z.raw")
        if not re.fullmatch(r"(    \(\d+\.\d\d/100%\)\r)+\n", text):
            raise Failed(repr(text))
        shares = [float(s) for s in re.findall(r"\((\d+\.\d\d)/", text)]
        assert_equal(sorted(shares), shares, "never backwards")
        assert_equal((0.0, 100.0), (shares[0], shares[-1]), "ends")

    @suite.case("convert -q -p prints nothing")
    def _():
        assert_equal("", OURS.ours("convert", "-q", "-p", "-O", "raw",
                                   "a.vmdk", "z.raw"), "stdout")

    @suite.case("convert --progress=json prints objects on stderr")
    def _():
        OURS.path()
        result = run_link(OURS.link, ["convert", "--progress=json", "-O",
                                      "raw", "a.vmdk", "z.raw"], OURS.images)
        assert_equal((0, b""), (result.code, result.stdout), str(result))
        objects = [json.loads(t) for t in result.stderr.splitlines()]
        last = objects[-1]
        assert_equal(["done", "total", "zero", "rate", "eta", "phase"],
                     list(last), "keys")
        assert_equal(last["total"], last["done"], "done")

    @suite.case("convert --progress=bar draws on a terminal, else nothing")
    def _():
        words = [VDISK_IMG, "convert", "--progress=bar", "-O", "raw",
                 "a.vmdk", "z.raw"]
        result = run(words, cwd=OURS.path())
        assert_equal((0, b"", b""), (result.code, result.stdout,
                                     result.stderr), str(result))
        try:
            leader, follower = pty.openpty()
        except OSError as error:
            raise Skip("no pseudo-terminals here") from error
        done = subprocess.run(words, cwd=OURS.images, stderr=follower,
                              stdout=subprocess.PIPE, check=True)
        os.close(follower)
        text = os.read(leader, 65536).decode()
        os.close(leader)
        assert_equal(b"", done.stdout, "stdout")
        if not re.search(r"\r100\.0% 192/192 KiB, .*/s, ETA 0:00, zero 98%",
                         text):
            raise Failed(repr(text))

    @suite.case("convert concatenates its sources")
    def _():
        OURS.ours("convert", "-f", "raw", "-O", "raw", "a.raw", "b.raw",
                  "z.raw")
        with open(os.path.join(OURS.images, "z.raw"), "rb") as f:
            data = f.read()
        assert_equal(3 << 20, len(data), "size")
        assert_equal(b"\2" * 65536, data[65536:131072], "content")
        assert_equal(b"", data[131072:].strip(b"\0"), "rest")

    @suite.case("convert -S 0 allocates everything")
    def _():
        OURS.ours("convert", "-S", "0", "-O", "raw", "a.vmdk", "z.raw")
        used = os.stat(os.path.join(OURS.images, "z.raw")).st_blocks * 512
        if used < 10 << 20:
            raise Failed("only %d bytes are allocated" % used)

    @suite.case("convert -c and every --compress-level hold the same")
    def _():
        for args in (["-c"], ["--compress-level=1"], ["--compress-level=9"],
                     ["--compress-level=fast"], ["--compress-level=qemu"],
                     ["--compress-level=best"], ["--compress-level=max"]):
            OURS.ours("convert", *args, "-O", "vmdk", "-o",
                      "subformat=streamOptimized", "a.vmdk", "z.vmdk")
            OURS.ours("compare", "a.vmdk", "z.vmdk")

    @suite.case("a higher --compress-level makes a smaller file")
    def _():
        texts = []
        words = random.Random(1).choices([b"grain", b"extent", b"link", b"run",
                                          b"node", b"disk"], k=1 << 17)
        with open(os.path.join(OURS.images, "words.raw"), "wb") as file:
            file.write(b" ".join(words))
        for level in ("1", "9"):
            OURS.ours("convert", "--compress-level=" + level, "-O", "vmdk",
                      "-o", "subformat=streamOptimized", "-f", "raw",
                      "words.raw", "z.vmdk")
            with open(os.path.join(OURS.images, "z.vmdk"), "rb") as file:
                texts.append(file.read())
        if len(texts[1]) >= len(texts[0]):
            raise Failed("%d bytes at level 1, %d at level 9" % (
                len(texts[0]), len(texts[1])))
        if b"evel" in texts[1][512:21 * 512]:
            raise Failed("the descriptor tells the level")

    @suite.case("convert -n writes into what exists")
    def _():
        OURS.ours("create", "-q", "z.raw", "12M")
        inode = os.stat(os.path.join(OURS.images, "z.raw")).st_ino
        OURS.ours("convert", "-n", "-O", "raw", "a.vmdk", "z.raw")
        status = os.stat(os.path.join(OURS.images, "z.raw"))
        assert_equal((inode, 12 << 20), (status.st_ino, status.st_size),
                     "file")
        OURS.ours("compare", "-F", "raw", "a.vmdk", "z.raw")

    @suite.case("convert -B keeps what the parent provides out")
    def _():
        OURS.ours("convert", "-O", "vmdk", "-B", "a.vmdk", "-F", "vmdk",
                  "c.vmdk", "z.vmdk")
        info = json.loads(OURS.ours("info", "--output=json", "z.vmdk"))
        assert_equal("a.vmdk", info["backing-filename"], "parent")
        OURS.ours("compare", "c.vmdk", "z.vmdk")
        entries = json.loads(OURS.ours("map", "--output=json", "z.vmdk"))
        assert_equal({1}, {e["depth"] for e in entries}, "depths")

    @suite.case("--target-image-opts may name a new plain file")
    def _():
        OURS.ours("convert", "--target-image-opts", "a.vmdk",
                  "driver=raw,file.driver=file,file.filename=t.raw")
        OURS.ours("compare", "-F", "raw", "a.vmdk", "t.raw")
        result = run_link(OURS.link, [
            "convert", "--target-image-opts", "a.vmdk",
            "driver=raw,file.filename=t.raw,file.locking=off"], OURS.images)
        assert_equal(1, result.code, str(result))

    @suite.case("--stats prints counts to stderr")
    def _():
        result = run_link(OURS.link, ["map", "--stats", "a.vmdk"],
                          OURS.images)
        if not re.search(rb"^a.vmdk: reads \d+ .* maps [1-9]", result.stderr):
            raise Failed(str(result))

    @suite.case("a result that cannot be written is an error")
    def _():
        OURS.path()
        for words, code in (("info a.vmdk", 1), ("compare a.vmdk a.vmdk", 2)):
            result = run(["sh", "-c", '"$0" %s >/dev/full' % words, OURS.link],
                         cwd=OURS.images)
            assert_equal(code, result.code, str(result))
            if b"No space left on device" not in result.stderr:
                raise Failed(str(result))

    suite.run()


main()
