#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""test-requests - --log and --stats: what the storage below images was asked,
in every command that does I/O, and never at the cost of an image."""
import json
import os
import re
import subprocess
import sys

sys.path.insert(0, os.path.dirname(__file__))

from fixture import Place, assert_equal, digest  # noqa: E402
from tap import Suite  # noqa: E402
from tools import (VDISK_IMG, VDISK_IO, Failed, run,  # noqa: E402
                   vdisk_img, vdisk_img_fails)

HEADER = "# requests: operation offset length ns result file\n"
LINE = re.compile(r"(read|write|zeroes|discard|flush|truncate|copy|map) "
                  r"\d+ \d+ \d+ (ok|failed) \S+")

# Every command that does I/O, and files that must turn up in its log.
COMMANDS = (
    (["amend", "-o", "description=x", "a.vmdk"], ["a.vmdk"]),
    (["bench", "-c", "5", "a.raw"], ["a.raw"]),
    (["bitmap", "--list", "a.vmdk"], None),
    (["chain", "c.vmdk"], ["a.vmdk", "c.vmdk"]),
    (["check", "a.vmdk"], ["a.vmdk"]),
    (["clone", "a.vmdk", "new.vmdk"], ["a.vmdk", "new.vmdk"]),
    (["commit", "-q", "c.vmdk"], ["a.vmdk", "c.vmdk"]),
    (["compact", "-q", "a.vmdk"], ["a.vmdk"]),
    (["compare", "-q", "a.vmdk", "f.vmdk"], ["a.vmdk", "f-f001.vmdk"]),
    (["convert", "-O", "vmdk", "s.vmdk", "new.vmdk"], ["s.vmdk", "new.vmdk"]),
    (["create", "-q", "-f", "vmdk", "new.vmdk", "1M"], ["new.vmdk"]),
    (["dd", "if=a.raw", "of=new.raw"], ["a.raw", "new.raw"]),
    (["dump", "-l", "512", "a.vmdk"], ["a.vmdk"]),
    (["fill", "-q", "-l", "512", "a.raw"], ["a.raw"]),
    (["info", "a.vmdk"], ["a.vmdk"]),
    (["map", "c.vmdk"], ["a.vmdk", "c.vmdk"]),
    (["measure", "-O", "vmdk", "c.vmdk"], ["a.vmdk", "c.vmdk"]),
    (["meta", "list", "a.vmdk"], ["a.vmdk"]),
    (["rebase", "-q", "-b", "", "c.vmdk"], ["a.vmdk", "c.vmdk"]),
    (["rename", "f.vmdk", "g.vmdk"], ["f.vmdk"]),
    (["repair", "-q", "a.vmdk"], ["a.vmdk"]),
    (["resize", "-q", "f.vmdk", "20M"], ["f.vmdk", "f-f001.vmdk"]),
    (["rm", "f.vmdk"], ["f.vmdk"]),
    (["snapshot", "--chain", "c.vmdk"], ["a.vmdk", "c.vmdk"]),
)


class Images(Place):
    """A fresh directory of images for each case."""

    def run(self, *args, code=0):
        result = run([VDISK_IMG, *args], cwd=self.dir)
        assert_equal(code, result.code, str(result))
        return result

    def log(self):
        with open(self.path("log"), encoding="utf-8") as f:
            text = f.read()
        assert_equal(HEADER, text[:len(HEADER)], "header")
        lines = text[len(HEADER):].splitlines()
        for line in lines:
            if not LINE.fullmatch(line):
                raise Failed(line)
        return lines

    def digest(self, name):
        return digest(self.path(name))


def check_command(args, files):
    with Images() as images:
        result = images.run(args[0], "--log=log", "--stats", *args[1:])
        lines = images.log()
        seen = {line.split(" ")[5] for line in lines}
        for name in files:
            if name not in seen:
                raise Failed("%s is not among %s" % (name, sorted(seen)))
        text = result.stderr.decode()
        counted = sum(map(int, re.findall(
            r"(?m)^storage [a-z]+: requests (\d+) ", text)))
        assert_equal(len(lines), counted, text)
        calls = re.search(r"(?m)^system calls: ([1-9]\d*); ", text)
        if not calls or text.count("\nsystem calls:") != 1:
            raise Failed(text)


def check_knows_options(args):
    result = run([VDISK_IMG, args[0], "--help=all"])
    for option in (b"--log=FILE", b"--stats"):
        if option not in result.stdout:
            raise Failed(str(result))


def add_commands(suite):
    for args, files in COMMANDS:
        suite.add("%s takes both" % args[0], check_knows_options, args)
        if files is not None:
            suite.add("requests of " + " ".join(args), check_command, args,
                      files)


def add_stats(suite):
    @suite.case("--stats --output=json is a document on stderr")
    def _():
        with Images() as images:
            result = images.run("convert", "--output=json", "--stats", "-O",
                                "raw", "a.vmdk", "x.raw")
            assert_equal("x.raw", json.loads(result.stdout)["target"],
                         "result")
            stats = json.loads(result.stderr)["stats"]
            assert_equal(["x.raw", "a.vmdk"],
                         [disk["filename"] for disk in stats["disks"]],
                         "disks")
            write = stats["storage"]["write"]
            assert_equal(["requests", "failed", "bytes", "latency-ns"],
                         list(write), "keys")
            assert_equal(stats["disks"][0]["storage-written-bytes"],
                         write["bytes"], "bytes")
            times = write["latency-ns"]
            assert_equal(["min", "mean", "p50", "p90", "p99", "p99.9", "max"],
                         list(times), "keys")
            ordered = [times[key] for key in ("min", "p50", "p90", "p99",
                                              "p99.9", "max")]
            assert_equal(sorted(ordered), ordered, "order")
            if stats["syscalls"] < write["requests"]:
                raise Failed(str(stats))

    @suite.case("--stats in human form has a line a disk and a kind")
    def _():
        with Images() as images:
            result = images.run("convert", "--stats", "-O", "raw", "a.vmdk",
                                "x.raw")
            assert_equal(b"", result.stdout, "stdout")
            lines = result.stderr.decode().splitlines()
            assert_equal(["x.raw", "a.vmdk"],
                         [line.split(":")[0] for line in lines[:2]], "disks")
            if not re.fullmatch(
                    r"storage read: requests \d+ \(\d+ bytes\), failed 0; "
                    r"latency: avg \S+ [mun]?s, p50 \S+ [mun]?s, "
                    r"p90 \S+ [mun]?s, p99 \S+ [mun]?s, p99\.9 \S+ [mun]?s, "
                    r"max \S+ [mun]?s", lines[2]):
                raise Failed(lines[2])

    @suite.case("--stats counts requests that fail")
    def _():
        with Images() as images:
            result = images.run(
                "convert", "--stats", "--output=json", "-O", "raw",
                "--image-opts",
                "driver=raw,file.driver=fault,"
                "file.inject-error.0.event=read_aio,"
                "file.image.filename=a.raw", "x.raw", code=1)
            storage = json.loads(result.stderr[result.stderr.index(b"{"):])
            assert_equal(True, "storage" in storage["stats"], str(result))


def check_refused(args, name, words):
    """--log=@name is refused, and the file as it was."""
    with Images() as images:
        before = images.digest(name)
        result = images.run(args[0], "--log=" + name, *args[1:], code=1)
        text = result.stderr.decode()
        if not re.search(words, text):
            raise Failed(text)
        assert_equal(before, images.digest(name), name)


def add_log(suite):
    @suite.case("--log appends to a log")
    def _():
        with Images() as images:
            images.run("info", "--log=log", "a.vmdk")
            first = images.log()
            images.run("info", "--log=log", "f.vmdk")
            both = images.log()
            assert_equal(first, both[:len(first)], "first")
            assert_equal(True, len(both) > len(first), "second")

    @suite.case("--log tells writes, flushes and where they went")
    def _():
        with Images() as images:
            images.run("convert", "-n", "--log=log", "-O", "raw", "a.raw",
                       "b.raw")
            lines = [line.split(" ") for line in images.log()]
            written = sum(int(words[2]) for words in lines
                          if words[0] in ("write", "copy") and
                          words[5] == "b.raw" and words[4] == "ok")
            assert_equal(65536, written, "bytes")
            assert_equal(True, any(words[0] == "flush" and
                                   words[5] == "b.raw" for words in lines),
                         "flush")
            assert_equal([], [words for words in lines if words[5] == "a.raw"
                              and words[0] not in ("read", "map")], "source")

    @suite.case("--log writes into a pipe")
    def _():
        with Images() as images:
            done = subprocess.run(
                ["sh", "-c", "\"$0\" info --log=/dev/fd/3 a.vmdk "
                 "3>&1 >/dev/null | cat", VDISK_IMG], cwd=images.dir,
                capture_output=True, check=False)
            if not done.stdout.decode().startswith(HEADER + "read "):
                raise Failed(repr(done))

    @suite.case("--log has what comes out of a pipe")
    def _():
        with Images() as images:
            size = (3 << 20) + 512
            with open(os.path.join(images.dir, "noise"), "wb") as f:
                f.write(os.urandom(size))
            subprocess.run(["sh", "-c", "cat noise | \"$0\" convert --log=log "
                            "-f raw -O raw - x.raw", VDISK_IMG],
                           cwd=images.dir, check=True)
            with open(os.path.join(images.dir, "log"), encoding="utf8") as f:
                reads = [line.split(None, 5) for line in f
                         if line.startswith("read ")
                         and line.endswith("standard input\n")]
            end = 0
            for words in reads:
                if int(words[1]) == end:
                    end += int(words[2])
            assert_equal(size, end, "bytes read in a row: %s" % reads)

    @suite.case("--log on a full device is an error, the work is done")
    def _():
        with Images() as images:
            result = images.run("convert", "--log=/dev/full", "-O", "raw",
                                "a.vmdk", "x.raw", code=1)
            if b"error while writing the log" not in result.stderr:
                raise Failed(str(result))
            vdisk_img("compare", "-q", "-F", "raw", "a.vmdk", "x.raw",
                      cwd=images.dir)

    no_log = "not empty and no log of requests"
    convert = ["convert", "-O", "raw", "a.vmdk", "x.raw"]
    suite.add("--log on the source is refused", check_refused, convert,
              "a.vmdk", no_log)
    suite.add("--log on an existing target is refused", check_refused,
              ["convert", "-O", "raw", "a.vmdk", "b.raw"], "b.raw", no_log)
    suite.add("--log on an image that is not part of it is refused",
              check_refused, ["info", "a.raw"], "f.vmdk", no_log)
    suite.add("--log on a parent is refused", check_refused,
              ["map", "c.vmdk"], "a.vmdk", no_log)

    @suite.case("--log on a new target is refused")
    def _():
        with Images() as images:
            for words in (["convert", "-O", "raw", "a.vmdk", "x"],
                          ["create", "-q", "x", "1M"],
                          ["clone", "--overwrite", "a.vmdk", "x"],
                          ["dd", "if=a.raw", "of=x"]):
                result = images.run(words[0], "--log=x", *words[1:], code=1)
                if not re.search(rb'Failed to get (shared )?"[a-z ]+" lock',
                                 result.stderr):
                    raise Failed(str(result))
                with open(images.path("x"), encoding="utf-8") as f:
                    assert_equal(HEADER, f.readline(), "header")
                os.unlink(images.path("x"))

    @suite.case("--log on an image in use is refused, empty or not")
    def _():
        with Images() as images:
            with open(images.path("empty.raw"), "wb"):
                pass
            for name in ("b.raw", "empty.raw"):
                before = images.digest(name)
                holder = subprocess.Popen(
                    [VDISK_IO, "-f", "raw", name],
                    cwd=images.dir, stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE)
                holder.stdin.write(b"length\n")
                holder.stdin.flush()
                holder.stdout.readline()
                text = vdisk_img_fails("info", "--log=" + name, "a.vmdk",
                                       cwd=images.dir)
                holder.communicate(timeout=60)
                if "somebody else uses it" not in text:
                    raise Failed(text)
                assert_equal(before, images.digest(name), name)

    @suite.case("--log in a directory that is not there")
    def _():
        with Images() as images:
            result = images.run("info", "--log=no/log", "--output=json",
                                "a.vmdk", code=1)
            error = json.loads(result.stdout)["error"]
            assert_equal("Could not write the log 'no/log': "
                         "No such file or directory", error["message"],
                         "message")
            assert_equal("no/log", error["file"], "file")


def main():
    suite = Suite()
    add_commands(suite)
    add_stats(suite)
    add_log(suite)
    suite.run()


main()
