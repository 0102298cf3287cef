#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""test-io-paired - the same scripts for qemu-io 7.2 and vdisk-io.

Both run on copies of the same image, vdisk-io through a link named qemu-io.
stdout, stderr and the exit code are compared once times and rates are out of
them, and then what the images hold.

Left out, because the formats are handled differently on purpose: the map of a
VMDK after zeroes were written to it (nothing is allocated for them), resizing
a VMDK (possible here), writing twice to one grain of a streamOptimized VMDK
(possible here).
"""
import os
import re
import shutil
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../support"))

from fixture import assert_equal  # noqa: E402
from tap import Skip, Suite, skip_all  # noqa: E402
from tools import (SHORT, VDISK_IO, need, run, scratch, vdisk_img,  # noqa: E402
                   assert_no_crash, working_engines)

SUBFORMATS = {
    "sparse": "monolithicSparse",
    "split": "twoGbMaxExtentSparse",
    "flat": "monolithicFlat",
    "splitflat": "twoGbMaxExtentFlat",
}
KINDS = ("raw", *SUBFORMATS, "child")
# Every Nth case runs where a sample will do: other cases for each kind.
EVERY = 5 if SHORT else 1

# Scripts for every kind of image: {name: commands}.  The images are of 4 MiB,
# with 0x11 in the second 64 KiB; a child has nothing of its own.
COMMON = {
    "pattern": ["write -P 7 0 64k", "read -P 7 0 64k", "read -P 0x11 64k 64k",
                "read -P 0 128k 64k"],
    "default pattern": ["write 128k 4k", "read -P 0xcd 128k 4k"],
    "wrong pattern": ["read -P 9 64k 64k", "read -P 0x11 64k 128k",
                      "read -P 9 -q 64k 1k"],
    "part of the pattern": ["write -P 1 0 1k", "write -P 2 1k 1k",
                            "read -P 1 -l 1k 0 2k", "read -P 2 -s 1k 0 2k",
                            "read -P 2 -s 512 -l 1k 0 2k",
                            "read -P 2 -s 3k 0 2k", "read -P 1 -l 3k 0 2k"],
    "unaligned": ["write -P 3 1 1", "write -P 4 65535 2", "read -v 65520 40",
                  "read -v 0 3", "write -P 5 513 1023", "read -P 5 513 1023"],
    "over grains": ["write -P 6 60k 200k", "read -P 6 60k 200k",
                    "read -P 0 260k 4k"],
    "dump": ["read -v 65530 20", "read -v -P 0x11 64k 32", "readv -v 65530 8 8"],
    "vectors": ["writev -P 8 1k 1k 2k 3k", "readv -P 8 1k 3k 3k",
                "writev -f 64k 512", "readv -P 9 1k 1k 1k", "readv 0 1k 0 1k"],
    "quiet": ["write -q 0 64k", "read -q 0 64k", "read -v -q 0 16",
              "aio_write -q 0 1k", "aio_flush", "discard -q 0 64k"],
    "for machines": ["write -C 0 64k", "read -C 0 64k", "writev -C 0 1k 1k",
                     "readv -C 0 1k", "discard -C 0 64k", "write -z -C 0 64k"],
    "fua": ["write -f -P 1 0 64k", "write -z -f 64k 64k", "read -P 1 0 64k",
            "aio_write -f 0 1k", "aio_flush"],
    "aio one by one": ["aio_write -P 1 0 64k", "aio_flush",
                       "aio_read -P 1 0 64k", "aio_flush",
                       "aio_read -P 2 0 64k", "aio_flush",
                       "aio_read -v 0 16", "aio_flush"],
    "aio past the end": ["aio_read 8M 1k", "aio_flush", "aio_write 8M 1k",
                         "aio_flush", "aio_write -z 8M 1k", "aio_flush"],
    "aio zeroes": ["aio_write -z 64k 64k", "aio_flush", "read -P 0 64k 64k",
                   "aio_write -z -u 0 64k", "aio_flush"],
    "many in flight": ["aio_write -P %d %dk 64k" % (i + 1, i * 64)
                       for i in range(32)] + ["aio_flush"] +
                      ["read -q -P %d %dk 64k" % (i + 1, i * 64)
                       for i in range(32)],
    "discard": ["discard 0 64k", "discard 1 1", "discard 64k 64k",
                "discard 8M 1k", "discard 4000k 128k"],
    "zeroes": ["write -z 64k 64k", "read -P 0 64k 64k", "write -P 5 64k 128k",
               "write -z 100k 3k", "read -P 0 100k 3k", "read -P 5 64k 36k",
               "write -z -u 64k 64k", "read -P 0 64k 64k"],
    "past the end": ["read 8M 512", "write 8M 512", "read 4194300 100",
                     "write 4194300 100", "write -z 4194300 100",
                     "writev 8M 1k", "readv 8M 1k", "read 7E 1",
                     "write 9223372036854775807 1"],
    "at the end": ["write -P 1 4190208 4k", "read -P 1 4190208 4k",
                   "read 4194304 0", "write 4194303 1", "read -v 4194303 1"],
    "nothing": ["read 0 0", "write 0 0", "writev 0 0", "readv 0 0"],
    "map": ["map", "alloc 0", "alloc 64k 64k", "alloc 0 4M", "alloc 4M",
            "alloc 8M 1", "alloc 100 70000"],
    "map after writes": ["write 1M 64k", "map", "write 3M 1", "map",
                         "alloc 1M 128k", "alloc 0 8M"],
    "length and info": ["length", "info"],
    "closing": ["write -P 1 0 64k", "close", "length", "close"],
    "reopening": ["reopen -r", "write 0 1k", "read -P 0x11 64k 1k",
                  "reopen -w", "write -P 4 0 1k", "reopen -w -c none",
                  "read -P 4 0 1k", "reopen -c writethrough",
                  "write -P 5 0 1k"],
    "compressed": ["write -c -P 3 0 64k", "write -c 100k 512",
                   "write -cC 128k 64k", "write -cq 128k 64k", "write -c 0 0",
                   "write -c 8M 1k", "write -c 8M 0", "write -cz 64k 64k",
                   "read -P 0 64k 64k", "read 0 64k"],
    "flush": ["write -P 1 0 64k", "flush", "flush", "read -P 1 0 1k"],
}
# With options: {name: (options, commands)}.
WITH_OPTIONS = {
    "read-only": (["-r"], ["read -P 0x11 64k 64k", "write 0 1", "writev 0 1",
                           "aio_write 0 1", "discard 0 1", "write -z 0 1",
                           "flush", "write", "write -Z 0 1"]),
    "no cache": (["-n"], ["write -P 1 1000 3000", "read -P 1 1000 3000",
                          "read -P 0x11 64k 64k"]),
    "misaligned": (["-n", "-m"], ["write -P 1 0 64k", "read -P 1 0 64k"]),
    "write through": (["-t", "writethrough"],
                      ["write -P 1 0 64k", "aio_write -P 2 64k 64k",
                       "aio_flush", "read -P 2 64k 64k"]),
    "unsafe": (["-t", "unsafe"], ["write 0 64k", "flush"]),
    "temporary": (["-s"], ["map", "write -P 5 1000 3000", "map",
                           "read -P 5 1000 3000", "read -P 0x11 64k 64k",
                           "write -P 6 100k 1M", "write -z 2M 128k", "map",
                           "write 4194303 1", "write -z 100 100",
                           "read -P 6 100k 1M", "alloc 0 4M", "length",
                           "read -P 0 100 100", "flush", "write 8M 1"]),
    "temporary sizes": (["-s"], ["truncate 5M", "length", "write 4M 64k",
                                 "read -P 0xcd 4M 64k", "truncate 70144",
                                 "read -P 0x11 65536 4464", "truncate 2M",
                                 "read -P 0x11 65536 4464",
                                 "read -P 0 70144 1M", "length"]),
    "temporary, many": (["-s"],
                        ["aio_write -P 1 %dk 6k" % (i * 5) for i in range(40)]
                        + ["aio_flush", "read -P 1 0 200k"]),
    "temporary, read-only": (["-s", "-r"], ["read -P 0x11 64k 64k",
                                            "write 0 1"]),
    "shared": (["-U", "-r"], ["read -P 0x11 64k 64k"]),
}

# On a raw image only.
WORDS = [
    "write", "write 0", "write 0 1 2", "write -1 3", "write x 3", "write 0 x",
    "write 0 -1", "write 0 2G", "write 0 3G", "write -Q 0 1", "write -s",
    "write -u 0 64k", "write -n 0 64k", "write -z -P 1 0 64k",
    "write -z -s pat 0 16", "write -s pat -P 1 0 16", "write -b -z 0 512",
    "write -bf 0 512", "write -cf 0 512", "write -cu 0 512",
    "write -b 0 512", "write -c 0 64k", "write -s nofile 0 16",
    "write -s empty 0 16", "write -z -n 0 64k", "write -z -n 0 3G",
    "write -c 10 10", "write -c 512 10", "write -b 10 512", "write -b 512 10",
    "write -c -s nofile 10 512", "write -c -s nofile 0 512",
    "write -c -z 10 512", "write -c 0 3G", "write -c 0 -1", "write -bc 0 512",
    "read -b 10 512", "read -b 512 10", "write -z -c 0 64k", "write -p 0 512", "write -P 256 0 1",
    "write -P -1 0 1", "write -P x 0 1", "write -P 077 0 1",
    "write -P 1 -P 2 0 1", "write -P \"\" 0 1", "write 1.5k 1",
    "write 1e3 1", "write 1K 1", "write 1b 1", "write 1kb 1", "write +5 1",
    "write 010 1", "write 9223372036854775808 1", "write 8E 1",
    "write 1.5 1", "write .5k 1", "write \"0\" 1", "write\t0\t1",
    "  write   0  1  ", "write 0 1;read 0 1",
    "read", "read 0", "read -P", "read -P 256 0 1", "read -P 0x 0 1",
    "read -P 1k 0 1", "read -s 1 0 64k", "read -l 1 0 64k",
    "read -P 1 -s x 0 64k", "read -P 1 -l x 0 1", "read -P 1 -l 1",
    "read -b 0 512", "read -bp 0 512", "read -p 0 512", "read -a 0 1",
    "read 0 3G",
    "readv", "readv 0", "readv 0 x", "readv 0 -1", "readv x 1",
    "readv -P 1 0", "readv 0 1 3G", "readv -v -q 0 5 x",
    "writev", "writev 0", "writev -z 0 1k", "writev -P 300 0 1",
    "writev 0 1G 1G",
    "aio_read", "aio_read 0", "aio_read x 1", "aio_read 0 x",
    "aio_read -Z 0 1", "aio_read -P 300 0 1", "aio_read -i 0 16",
    "aio_write", "aio_write 0", "aio_write x 1", "aio_write -P 400 0 1",
    "aio_write -z 0 64k 64k", "aio_write -u 0 64k", "aio_write -z x 1",
    "aio_write -z 0 x", "aio_write -i 0 1k", "aio_write -z -P 1 0 64k",
    "aio_flush 1", "aio_flush",
    "discard", "discard 0", "discard x 1", "discard 0 x", "discard 0 3G",
    "discard 0 2G", "discard -Z 0 1", "discard 0 1 2", "discard -q 0 0",
    "alloc", "alloc x", "alloc 0 x", "alloc -1", "alloc 0 -1",
    "alloc 1 1", "alloc 1k 1.5k", "map 1", "length 1", "info 1",
    "flush 1", "close 1", "sleep", "sleep 1", "sleep x", "sleep -1",
    "sleep 1k", "sleep 0x10",
    "truncate", "truncate x", "truncate -1", "truncate -m foo 1M",
    "truncate -Z 1M", "truncate 1M 2M", "truncate -m off 1M",
    "help foo", "help help", "help map", "help abort", "help length",
    "help a b", "?", "help",
    "foo", "", " ", "h", "exit", "# x", "quit", "quit 1", "q", "abort 1",
    "sigraise", "sigraise 0", "sigraise x", "sigraise -1", "sigraise 1000",
    "sigraise 15", "sigraise 9",
    "break", "break a", "break a b", "resume", "resume x", "resume a b",
    "remove_break", "remove_break x", "wait_break",
    "open", "open -f", "open a", "open -r a", "open -t foo a",
    "open -d foo a", "open -i foo a", "open a b", "open -Z a",
    "reopen", "reopen -rw", "reopen -r -r", "reopen -c foo", "reopen foo",
    "reopen -Z", "reopen -o x=y", "reopen -o driver=qcow2",
    "reopen -r -o read-only=on", "reopen -o discard=unmap",
    "r 0 1", "w 0 1", "d 0 1", "f", "c", "l", "i", "a 0", "t 1M", "rv 0 1",
]

RAW_SCRIPTS = {
    "source file": ["write -s pat 0 16", "read -v 0 16", "write -s pat 1 3",
                    "read -v 0 16"],
    "truncate": ["truncate 5M", "length", "read -P 0 4M 1M", "write 5242879 1",
                 "truncate 1M", "length", "read 0 2M", "map",
                 "truncate 1000001", "length", "truncate -m falloc 2M",
                 "truncate -m full 3M", "map"],
    "after quit": ["length", "quit", "length"],
    "after a failure": ["foo", "length", "read 0 1k"],
}

# On an empty streamOptimized VMDK.
STREAM_SCRIPTS = {
    "compressed": ["write -c -P 1 0 64k", "write -P 2 64k 64k",
                   "write -c -P 3 256k 128k", "read -P 1 0 64k",
                   "read -P 2 64k 64k", "read -P 0 128k 128k",
                   "read -P 3 256k 128k", "map", "write -c -P 4 3M 64k",
                   "aio_write -P 5 3136k 64k", "aio_flush",
                   "read -P 4 3M 64k", "write -c 8M 64k", "write -c 0 0"],
}

BLKDEBUG = {
    "break and resume": ["break write_aio a", "aio_write -P 1 0 64k",
                         "wait_break a", "sleep 5", "resume a", "aio_flush",
                         "resume a", "read -P 1 0 64k"],
    "two break points": ["break read_aio a", "break write_aio b",
                         "aio_read 0 64k", "aio_write 64k 64k",
                         "wait_break a", "wait_break b", "resume b",
                         "sleep 300", "resume a", "aio_flush"],
    "a stopped one is overtaken": ["break write_aio a", "aio_write -P 1 0 64k",
                                   "wait_break a", "write -P 2 64k 64k",
                                   "read -P 2 64k 64k", "resume a",
                                   "aio_flush", "read -P 1 0 64k"],
    "remove what has stopped": ["break write_aio a", "aio_write 0 64k",
                                "wait_break a", "remove_break a",
                                "aio_flush"],
    "remove before": ["break write_aio a", "remove_break a", "remove_break a",
                      "aio_write 0 64k", "aio_flush"],
    "no such event": ["break foo a", "resume a", "remove_break a"],
    "used up": ["break write_aio a", "aio_write 0 64k", "wait_break a",
                "resume a", "aio_flush", "aio_write 0 64k", "aio_flush",
                "resume a"],
}
INJECTED = {
    "read fails": ("read_aio", 5, ["read 0 1k", "readv 0 1k", "aio_read 0 1k",
                                   "aio_flush", "write 0 1k"]),
    "write fails": ("write_aio", 28, ["write 0 1k", "writev 0 1k",
                                      "aio_write 0 1k", "aio_flush",
                                      "read 0 1k"]),
}

EXTRA_INFO = re.compile(
    r"^    (hw version|tools version|adapter type|geometry|    cylinders|"
    r"    heads|    sectors|header version|zeroed grain|dirty shutdown|"
    r"embedded descriptor|encoding|parent hint|        access|        offset|"
    r"long content id|uuid).*\n", re.M)


def normalise(text):
    text = re.sub(r"; \S+( sec)? \(\S+ (\w+)/sec and \S+ ops/sec\)", "; T",
                  text)
    text = re.sub(r"(?m)^(\d+,1),\d+:\d\d:\d\d\.\d\d,[\d.]+,[\d.]+$", r"\1,T",
                  text)
    text = re.sub(r"cid: \d+", "cid: N", text)
    return EXTRA_INFO.sub("", text).replace("format: SPARSE", "format: ")


def blocks_sorted(text):
    """Answers to requests in flight come in any order: two lines each."""
    return sorted(re.split(r"(?<=; T)\n", text))


def make_images(directory):
    def path(name):
        return os.path.join(directory, name)

    with open(path("raw.raw"), "wb") as f:
        f.truncate(4 << 20)
        f.seek(65536)
        f.write(b"\x11" * 65536)
    with open(path("pat"), "wb") as f:
        f.write(b"hello")
    open(path("empty"), "wb").close()
    for kind, subformat in SUBFORMATS.items():
        vdisk_img("convert", "-f", "raw", "-O", "vmdk", "-o",
                  "subformat=" + subformat, "raw.raw", kind + ".vmdk",
                  cwd=directory)
    vdisk_img("create", "-q", "-f", "vmdk", "-o", "subformat=streamOptimized",
              "stream.vmdk", "4M", cwd=directory)
    shutil.copy(path("sparse.vmdk"), path("base.vmdk"))
    vdisk_img("create", "-q", "-f", "vmdk", "-b", "base.vmdk", "-F", "vmdk",
              "child.vmdk", cwd=directory)


def image_of(kind):
    return "raw.raw" if kind == "raw" else kind + ".vmdk"


class Pair:
    """Both programs and their directories."""

    def __init__(self, top):
        self.top = top
        self.images = os.path.join(top, "images")
        os.mkdir(self.images)
        make_images(self.images)
        os.mkdir(os.path.join(top, "bin"))
        self.ours = os.path.join(top, "bin/qemu-io")
        os.symlink(VDISK_IO, self.ours)
        self.theirs = need("qemu-io")

    def run_one(self, program, where, argv, stdin, engine):
        directory = os.path.join(self.top, where)
        shutil.rmtree(directory, ignore_errors=True)
        shutil.copytree(self.images, directory)
        env = {"VDISK_ENGINE": engine} if engine else None
        return run([program, *argv], cwd=directory, stdin=stdin, env=env,
                   timeout=60)

    def check(self, argv, stdin=b"", in_flight=False, compare=None):
        want = self.run_one(self.theirs, "theirs", argv, stdin, None)
        for engine in working_engines():
            got = self.run_one(self.ours, "ours", argv, stdin, engine)
            if want.code >= 0:
                assert_no_crash(got)
            self.compare(want, got, in_flight)
            if compare:
                fmt = "vmdk" if compare.endswith("vmdk") else "raw"
                vdisk_img("compare", "-f", fmt, "-F", fmt, "theirs/" + compare,
                          "ours/" + compare, cwd=self.top)

    @staticmethod
    def compare(want, got, in_flight):
        for name in "stdout", "stderr":
            a, b = (normalise(getattr(r, name).decode())
                    for r in (want, got))
            if in_flight:
                a, b = blocks_sorted(a), blocks_sorted(b)
            assert_equal(a, b, name)
        assert_equal(want.code, got.code, "exit code")


def command_words(commands):
    return [word for command in commands for word in ("-c", command)]


def add_cases(suite, pair):
    def add(name, options, commands, image, **kwargs):
        suite.add(name, lambda: pair.check(
            [*options, *command_words(commands), image], **kwargs))

    for kind in KINDS:
        image = image_of(kind)
        fmt = ["-f", "raw" if kind == "raw" else "vmdk"]
        for name, commands in COMMON.items():
            # What is read after a discard is anybody's guess.
            discards = any(c.startswith("discard") for c in commands)
            add("%s: %s" % (kind, name), fmt, commands, image,
                compare=None if discards else image,
                in_flight=name == "many in flight")
        for name, (options, commands) in WITH_OPTIONS.items():
            add("%s: %s" % (kind, name), fmt + options, commands, image,
                compare=image, in_flight="many" in name)
    for words in WORDS:
        add("words: %r" % words, ["-f", "raw"], [words], "raw.raw",
            compare="raw.raw")
    for name, commands in RAW_SCRIPTS.items():
        add("raw: " + name, ["-f", "raw"], commands, "raw.raw",
            compare="raw.raw")
    for name, commands in STREAM_SCRIPTS.items():
        add("stream: " + name, ["-f", "vmdk"], commands, "stream.vmdk",
            compare="stream.vmdk")
    for name, commands in BLKDEBUG.items():
        add("blkdebug: " + name, ["-f", "raw"], commands, "blkdebug::raw.raw",
            compare="raw.raw", in_flight=True)
    for name, (event, errno, commands) in INJECTED.items():
        opts = ("driver=raw,file.driver=blkdebug,file.image.filename=raw.raw,"
                "file.inject-error.0.event=%s,"
                "file.inject-error.0.errno=%d" % (event, errno))
        add("injected: " + name, ["--image-opts"], commands, opts)


NO_FILE = [
    ["-c", "read 0 1", "-c", "length", "-c", "close", "-c", "aio_flush"],
    ["-c", "write"], ["-c", "sleep 1"], ["-c", "help foo"],
    ["-c", "open -o driver=raw raw.raw", "-c", "length", "-c", "open raw.raw"],
    ["-c", "open -o driver=foo raw.raw"],
    ["-c", "open raw.raw b"], ["-c", "open -r nofile", "-c", "length"],
    ["-c", "open -r -o driver=raw raw.raw", "-c", "write 0 1", "-c", "close",
     "-c", "open -o driver=raw raw.raw", "-c", "write 0 1"],
    ["-c", "open -o driver=raw,file.filename=raw.raw", "-c", "length"],
    ["-c", "open -o driver=vmdk child.vmdk", "-c", "read -P 0x11 64k 64k"],
    ["-c", "open -s -o driver=raw raw.raw", "-c", "write -P 1 0 1k", "-c",
     "read -P 1 0 1k", "-c", "close", "-c", "open -o driver=raw raw.raw", "-c",
     "read -P 0 0 1k"],
    ["-s", "--image-opts", "driver=raw,file.filename=raw.raw", "-c",
     "write -P 1 0 1k", "-c", "read -P 1 0 1k"],
    ["-s", "nofile"], ["nofile"], ["-f", "foo", "raw.raw"], ["-t", "foo", "raw.raw"],
    ["-d", "foo", "raw.raw"], ["-i", "foo", "raw.raw"], ["-k", "raw.raw"],
    ["-f", "raw", "-U", "raw.raw"], ["--object", "foo"],
    ["--image-opts", "-f", "raw", "driver=raw"], ["raw.raw", "-c", "length"],
    ["-f", "raw", "-k", "-n", "raw.raw", "-c", "read 0 1"],
    ["--image-opts", "driver=raw,file.filename=raw.raw", "-c", "read 0 1"],
    ["-f", "raw", "-d", "ignore", "raw.raw", "-c", "discard 64k 64k", "-c",
     "read -P 0x11 64k 64k"],
    ["-c", "open -o driver=raw raw.raw", "-c", "discard 64k 64k", "-c",
     "read -P 0 64k 64k"],
    ["-f", "raw", "-d", "unmap", "raw.raw", "-c", "discard 64k 64k", "-c",
     "read -P 0 64k 64k"],
    ["-f", "raw", "-i", "threads", "raw.raw", "-c", "read -P 0x11 64k 1k"],
]
STDIN = [
    "read 0 1\nfoo\nlength\n\nquit\nlength\n", "length", "foo\n", "",
    "\n\n", "length\nwrite -P 1 0 64k\nread -P 1 0 64k\nread -P 2 0 1\n",
    "close\nlength\nopen -o driver=raw raw.raw\nlength\n",
    "aio_write 0 64k\naio_flush\nlength\n",
]


def add_others(suite, pair):
    for argv in NO_FILE:
        suite.add("line: " + " ".join(argv), pair.check, argv)
    for text in STDIN:
        suite.add("standard input: %r" % text, pair.check,
                  ["-f", "raw", "raw.raw"], text.encode())


def main():
    try:
        text = run([need("qemu-io"), "--version"]).stdout.decode()
    except Skip as skip:
        skip_all(str(skip))
    if not re.search(r"version 7\.", text):
        skip_all("qemu-io is not of version 7.x")
    suite = Suite()
    with scratch() as top:
        pair = Pair(top)
        add_cases(suite, pair)
        add_others(suite, pair)
        suite.cases = suite.cases[::EVERY]
        suite.run()


main()
