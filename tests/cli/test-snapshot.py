#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""test-snapshot - snapshot and bitmap: what formats that have neither offer in
their place, the links of a chain."""
import json
import os
import sys

sys.path.insert(0, os.path.dirname(__file__))
sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../support"))

import fixture  # noqa: E402
from fixture import assert_equal, held, run_link  # noqa: E402
from tap import Suite  # noqa: E402
from tools import Failed  # noqa: E402

suite = Suite()
HINT = ("A child disk keeps the state that its parent has now: create -f vmdk "
        "-b a.vmdk -F vmdk CHILD\n")
VMSD = """.encoding = "UTF-8"
snapshot.lastUID = "1"
snapshot.numSnapshots = "1"
snapshot0.uid = "1"
snapshot0.displayName = "before |22it|22"
snapshot0.createTimeHigh = "372529"
snapshot0.createTimeLow = "-1"
snapshot0.numDisks = "1"
snapshot0.disk0.fileName = "/elsewhere/a.vmdk"
"""
CREATED_US = (372529 << 32) + 0xffffffff


class Place(fixture.Place):
    def ours(self, *words, compat="10"):
        result = run_link(self.link, list(words), self.dir, compat)
        return result.code, result.stdout.decode(), result.stderr.decode()


@suite.case("who wants a snapshot is told how to make a child")
def _():
    with Place() as place:
        assert_equal((1, "", "qemu-img: Could not create snapshot 'x': -95 "
                      "(Operation not supported)\n" + HINT),
                     place.ours("snapshot", "-c", "x", "a.vmdk"), "snapshot")


@suite.case("the empty list as JSON")
def _():
    with Place() as place:
        code, out, err = place.ours("snapshot", "--output=json", "a.vmdk")
        assert_equal((0, ""), (code, err), "snapshot")
        assert_equal({"filename": "a.vmdk", "snapshots": []},
                     json.loads(out), "document")


@suite.case("errors are documents, too")
def _():
    with Place() as place:
        for words in (["snapshot", "--output=json", "-d", "x", "a.vmdk"],
                      ["bitmap", "--output=json", "--add", "a.vmdk", "x"]):
            code, out, err = place.ours(*words)
            assert_equal(1, code, err)
            message = json.loads(out)["error"]["message"]
            assert_equal("qemu-img: " + message, err.splitlines()[0], "text")


@suite.case("--chain lists the links from the oldest on")
def _():
    with Place() as place:
        code, out, err = place.ours("snapshot", "--chain", "c.vmdk")
        assert_equal((0, ""), (code, err), "chain")
        lines = out.splitlines()
        assert_equal(4, len(lines), out)
        assert_equal("Snapshot list:", lines[0], "head")
        rows = [line.split() for line in lines[2:]]
        assert_equal([("1", "-", "a.vmdk"), ("2", "-", "c.vmdk")],
                     [(r[0], r[1], r[-1]) for r in rows], "rows")
        assert_equal((rows[0][-3], "-"), (rows[1][-2], rows[0][-2]), "CIDs")


@suite.case("--chain knows names and dates from a .vmsd")
def _():
    with Place() as place:
        with open(place.path("machine.vmsd"), "w", encoding="utf-8") as f:
            f.write(VMSD)
        code, out, err = place.ours("snapshot", "--chain", "--output=json",
                                    "c.vmdk")
        assert_equal((0, ""), (code, err), "chain")
        base, top = json.loads(out)["chain"]
        assert_equal(("before \"it\"", CREATED_US // 10**6, "a.vmdk", 1),
                     (base["name"], base["date-sec"], base["filename"],
                      base["id"]), "base")
        assert_equal(("c.vmdk", 2, base["cid"]),
                     (top["filename"], top["id"], top["parent-cid"]), "top")
        if "name" in top or "date-sec" in top:
            raise Failed(out)
        for part in (base, top):
            used = os.stat(place.path(part["filename"])).st_blocks * 512
            assert_equal(used, part["actual-size"], "allocated")


@suite.case("a .vmsd that makes no sense changes nothing")
def _():
    with Place() as place:
        wanted = place.ours("snapshot", "--chain", "c.vmdk")
        for content in (b"", b"\0" * 100, b"=\"\n\"=\"=\n" * 50000,
                        b"snapshot0.disk0.fileName = \"\n",
                        b"snapshot0.disk0.fileName = \"x" * 70000,
                        os.urandom(65536), b"a = \"" + b"|" * 9000 + b"\"",
                        VMSD.encode() * 9000):
            with open(place.path("odd.vmsd"), "wb") as f:
                f.write(content)
            assert_equal(wanted, place.ours("snapshot", "--chain", "c.vmdk"),
                         repr(content[:40]))
        os.unlink(place.path("odd.vmsd"))
        os.mkfifo(place.path("odd.vmsd"))
        assert_equal(wanted, place.ours("snapshot", "--chain", "c.vmdk"),
                     "fifo")


@suite.case("names from a .vmsd bring no control characters")
def _():
    with Place() as place:
        with open(place.path("m.vmsd"), "w", encoding="utf-8") as f:
            f.write('snapshot0.displayName = "x|1b[31m|0a"\n'
                    'snapshot0.disk0.fileName = "a.vmdk"\n')
        _, out, _ = place.ours("snapshot", "--chain", "c.vmdk")
        if "\x1b" in out or "x?[31m?" not in out or out.count("\n") != 4:
            raise Failed(out)


@suite.case("--chain with wrong words")
def _():
    with Place() as place:
        for words in (["--chain", "-l", "a.vmdk"], ["--chain", "none"],
                      ["--chain", "--image-opts", "driver=raw"]):
            code, out, err = place.ours("snapshot", *words)
            assert_equal((1, ""), (code, out), err)


@suite.case("an image in use gets neither snapshot nor bitmap")
def _():
    with Place() as place:
        with held(place.path("a.vmdk"), "-f", "vmdk"):
            results = [place.ours(*words) for words in (
                ["snapshot", "-c", "x", "a.vmdk"], ["snapshot", "a.vmdk"],
                ["bitmap", "--add", "a.vmdk", "x"])]
            shared = place.ours("snapshot", "-U", "a.vmdk")
        for code, out, err in results:
            assert_equal((1, ""), (code, out), err)
            if "Is another process using the image [a.vmdk]?" not in err:
                raise Failed(err)
        assert_equal((0, "", ""), shared, "-U")


suite.run()
