#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""test-bench - bench asks for what its options say, counts it right, and tells
it in words that scripts know.  How fast anything is is nobody's business here.
"""
import collections
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree as ET

sys.path.insert(0, os.path.dirname(__file__))

from fixture import (MIB, assert_equal, link_vdisk_img,  # noqa: E402
                     make_images, run_link)
from tap import Suite  # noqa: E402
from tools import (VDISK_IMG, Failed, run, scratch, vdisk_img,  # noqa: E402
                   vdisk_img_fails, working_engines)

ROOT = tempfile.TemporaryDirectory(prefix="vdisk-test-bench-")
LINK = link_vdisk_img(ROOT.name)
make_images(ROOT.name)
SIZE_VMDK = 10 * MIB
CPU = "processor time: N U, N U a request\n"


def path(name):
    return os.path.join(ROOT.name, name)


def bench(*args, **kwargs):
    return vdisk_img("bench", *args, cwd=ROOT.name, **kwargs)


def bench_json(*args, **kwargs):
    return json.loads(bench("--output=json", *args, **kwargs))


def logged(image, *args, fmt="raw", **kwargs):
    """What reaches the image: (operation, offset, length) in the order of the
    answers, and the report."""
    log = path("requests.log")
    if os.path.exists(log):
        os.unlink(log)
    report = bench_json("--image-opts", *args, "driver=log,log=%s,file.driver="
                        "%s,file.file.filename=%s" % (log, fmt, image),
                        **kwargs)
    requests = []
    with open(log, encoding="ascii") as f:
        for line in f:
            op, off, length, _, verdict = line.split()
            assert_equal("ok", verdict, line)
            requests.append((op, int(off), int(length)))
    return requests, report


def places(requests, op="read"):
    return [off for kind, off, _ in requests if kind == op]


def normal(text):
    """Measured figures become N, units of them U."""
    text = re.sub(r"\d+(\.\d+)? (ns|us|ms|s)\b", "N U", text)
    text = re.sub(r"(throughput: ).*", r"\1N", text)
    text = re.sub(r"(IOPS: ).*", r"\1N", text)
    text = re.sub(r"(engine: )(uring|threads)$", r"\1E", text, flags=re.M)
    return re.sub(r"in \d+\.\d{3} seconds", "in N seconds", text)


LATENCY = "latency: min N U, avg N U, p50 N U, p90 N U, p99 N U, p99.9 N U, " \
          "max N U\n"

# Wrong invocations, of options that only we have.
OURS = [
    (["-d", "0", "a.raw"], "Invalid queue depth specified"),
    (["-s", "0", "a.raw"], "Invalid buffer size specified. Must be between 1 "
                           "and 2147483647."),
    (["--random=x", "a.raw"], "Invalid seed specified: 'x'"),
    (["--random=-1", "a.raw"], "Invalid seed specified: '-1'"),
    (["--mix", "1", "a.raw"],
     "Invalid mix specified: '1' (reads:writes, as 70:30)"),
    (["--mix", "0:0", "a.raw"],
     "Invalid mix specified: '0:0' (reads:writes, as 70:30)"),
    (["--mix", "1:2:3", "a.raw"],
     "Invalid mix specified: '1:2:3' (reads:writes, as 70:30)"),
    (["--mix", "1:1", "-w", "a.raw"], "--mix and -w are mutually exclusive"),
    (["--time", "0", "a.raw"],
     "Invalid time specified: '0' (seconds, up to 604800)"),
    (["--time", "inf", "a.raw"],
     "Invalid time specified: 'inf' (seconds, up to 604800)"),
    (["--warmup", "-1", "a.raw"],
     "Invalid warm-up specified: '-1' (seconds, up to 604800)"),
    (["--threads", "0", "a.raw"],
     "Invalid number of threads specified: '0' (1 to 256)"),
    (["--threads", "2", "-w", "-d", "4", "a.raw"],
     "-d cannot be used with several threads that write: each has one request "
     "at a time"),
    (["--rounds", "0", "a.raw"],
     "Invalid number of rounds specified: '0' (1 to 1000)"),
    (["--compare", "engine=warp", "a.raw"], "Invalid aio option: warp"),
    (["--compare", "cache=warp", "a.raw"], "Invalid cache mode"),
    (["--compare", "cache=none,b.raw", "a.raw"],
     "Invalid variant: 'b.raw' (engine= or cache=)"),
    (["--compare", "b.raw", "--report", "x.html", "a.raw"],
     "--report and --compare are mutually exclusive"),
    (["--report", "x.html", "-d", "1", "a.raw"],
     "--report excludes -s, -S and -d: use --sizes and --depths"),
    (["--report", "x.html", "-w", "--flush-interval", "64", "a.raw"],
     "--report excludes --flush-interval"),
    (["--report", "x.html", "-w", "--threads", "2", "a.raw"],
     "--report excludes several threads that write"),
    (["--sizes", "64k,4k", "a.raw"], "Invalid list of sizes specified: "
                                     "'64k,4k' (up to 8, in ascending order)"),
    (["--depths", "1,2,3,4,5,6,7,8,9", "a.raw"],
     "Invalid list of depths specified: '1,2,3,4,5,6,7,8,9' (up to 8, in "
     "ascending order)"),
    (["--depths", "0", "a.raw"], "Invalid queue depth specified"),
    (["--report", "a.raw", "a.vmdk"],
     "Could not write 'a.raw': it exists and does not hold a document"),
    (["--report", "/dev/null", "a.vmdk"],
     "Could not write '/dev/null': it is not a plain file"),
    (["-s", "1G", "-d", "5", "a.raw"],
     "All buffers together may not take more than 4 GiB: use a smaller queue "
     "depth or buffer size"),
]


def check_ours(args, text):
    result = run_link(LINK, ["bench", *args], ROOT.name)
    assert_equal(1, result.code, str(result))
    assert_equal("qemu-img: %s\n" % text, result.stderr.decode(), "stderr")
    assert_equal(b"", result.stdout, "stdout")


def check_counts(engine):
    """Each request once, in all ways to divide the work."""
    for args in (["-d", "1"], ["-d", "7"], ["--threads=3", "-d", "2"],
                 ["--threads=5"]):
        requests, report = logged("a.raw", "-c", "256", *args, engine=engine)
        assert_equal([4096 * i for i in range(256)],
                     sorted(places(requests)), str(args))
        assert_equal((256, 256, 0, MIB),
                     (report["requests"], report["reads"], report["writes"],
                      report["bytes"]), str(args))
        assert_equal(256, report["latency-ns"]["read"]["count"], str(args))
        assert_equal(engine, report["engine"], "engine")


def check_writes(engine):
    for args in (["-d", "1"], ["-d", "9"], ["--threads=3"]):
        vdisk_img("create", "-q", "-f", "vmdk", "w.vmdk", "2M", cwd=ROOT.name)
        report = bench_json("-w", "--pattern", "0x5a", "-c", "20", "-o", "64k",
                            "-S", "64k", "-s", "32k", *args, "w.vmdk",
                            engine=engine)
        assert_equal((20, 0, 20), (report["requests"], report["reads"],
                                   report["writes"]), "counts")
        vdisk_img("convert", "-O", "raw", "w.vmdk", "w.raw", cwd=ROOT.name)
        with open(path("w.raw"), "rb") as f:
            data = f.read()
        piece = b"\x5a" * 32768 + bytes(32768)
        assert_equal(bytes(65536) + piece * 20 + bytes(2 * MIB - 21 * 65536),
                     data, "content %s" % args)
        vdisk_img("check", "-q", "w.vmdk", cwd=ROOT.name)


def check_error(engine):
    """A request that fails is named, and nothing is reported."""
    for args, what in (([], "read"), (["-w"], "write")):
        result = run([VDISK_IMG, "bench", "-c", "100", "-d", "4", *args,
                      "--output=json", "--image-opts",
                      "driver=fault,fail-op=%s,fail-nth=9,fail-errno=ENOSPC,"
                      "file.driver=raw,file.file.filename=b.raw" % what],
                     cwd=ROOT.name, env={"VDISK_ENGINE": engine})
        assert_equal(1, result.code, str(result))
        start = "Failed request: %s of 4096 bytes at offset %d: " % (what,
                                                                     9 * 4096)
        error = json.loads(result.stdout)["error"]
        if not error["message"].startswith(start):
            raise Failed(str(result))
        assert_equal("ENOSPC", error["errno"], "errno")


def wait_for_start(process):
    line = process.stdout.readline()
    if not line.startswith(b"Sending "):
        raise Failed(repr(line))


def check_interrupt(args, sig):
    """It ends, with what was measured so far and the shell's exit code."""
    with subprocess.Popen([VDISK_IMG, "bench", "--time=600", *args],
                          cwd=ROOT.name, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE) as process:
        wait_for_start(process)
        time.sleep(0.3)
        process.send_signal(sig)
        out, err = process.communicate(timeout=120)
    assert_equal(128 + sig, process.returncode, repr(err))
    if not re.match(rb"(?s).*Interrupted after \d+\.\d{3} seconds\.\n.*"
                    rb"IOPS: ", out):
        raise Failed(repr(out))


def check_compare(engine):
    """Both sides as often as wanted, in turn."""
    log = path("compare.log")
    if os.path.exists(log):
        os.unlink(log)
    name = "driver=log,log=%s,file.driver=raw,file.file.filename=%s"
    report = bench_json("--image-opts", "--rounds=3", "-c", 4, "-d", 1, "-s",
                        "64k", "--compare", name % (log, "b.raw"),
                        name % (log, "a.raw"), engine=engine)
    with open(log, encoding="ascii") as f:
        assert_equal(24, len(f.readlines()), "requests")
    for side, size in (("a", MIB), ("b", 2 * MIB)):
        assert_equal(size, report[side]["virtual-size"], side)
        assert_equal(engine, report[side]["engine"], side)
        assert_equal([4] * 3, [r["requests"] for r in report[side]["rounds"]],
                     side)
        iops = sorted(r["iops"] for r in report[side]["rounds"])
        assert_equal(iops[1], report[side]["median"]["iops"], "median")
    for key in ("iops", "throughput", "p50", "p99"):
        wanted = report["b"]["median"][key] / report["a"]["median"][key]
        if abs(report["ratio"][key] / wanted - 1) > 0.001:
            raise Failed("%s: %r" % (key, report))


def check_disks(write):
    """Each gets its share, in a thread of its own, with all of the depth."""
    names = ["disk%d.raw" % n for n in range(3)]
    for name in names:
        with open(path(name), "wb") as f:
            f.truncate(MIB)
    more = [word for name in names[1:] for word in ("--disk", name)]
    log = path("disks.log")
    report = bench_json("--log", log, "-f", "raw", "-c", 90, "-d", 4,
                        "--random=1", *(["-w"] if write else []), *more,
                        names[0])
    with open(log, encoding="utf-8") as f:
        kind = "write" if write else "read"
        counts = collections.Counter(
            line.split()[5] for line in f if line.startswith(kind + " "))
    os.unlink(log)
    for name in names:
        if counts[name] < 30:  # some are read to look at what they are
            raise Failed("%s: %r" % (name, counts))
    assert_equal((90, 3, names[0], names[1:]), tuple(report[key] for key in (
        "requests", "threads", "filename", "further-disks")), "report")


def page_of(*args, **kwargs):
    """The report as a tree (it is XML, too) and what it says as JSON."""
    target = path("report.html")
    report = bench_json("--report", target, "-c", 30, *args, **kwargs)
    with open(target, encoding="utf-8") as f:
        text = f.read()
    head = "<!DOCTYPE html>\n"
    assert_equal(head, text[:len(head)], "first line")
    return ET.fromstring(text[len(head):]), text, report


def class_of(tag, css, root):
    return [e for e in root.iter() if e.tag.split("}")[-1] == tag and
            css in e.get("class", "").split()]


def check_report(engine):
    root, text, report = page_of("--sizes=4k,64k,256k", "--depths=1,4",
                                 "--random=9", "a.vmdk", engine=engine)
    svgs = [e for e in root.iter() if e.tag.endswith("}svg")]
    # Throughput and IOPS over both, latency for each size.
    assert_equal(4 + 3, len(svgs), "plots")
    for word in ("MiB/s (log)", "requests per second (log)",
                 "time of a request (log)", "block size (log)",
                 "requests in parallel (log)", "depth 4", "64 KiB", "p99.9",
                 "engine " + engine, "Kernel", "Processor", "Date",
                 "bench --output=json --report", "prefers-color-scheme:dark"):
        if word not in text:
            raise Failed("no %r" % word)
    if re.search(r"<script|<link|<img|@import|url\(", text):
        raise Failed("the page needs something else")
    dots = [len(class_of("circle", "dot", svg)) for svg in svgs]
    assert_equal([6] * 4 + [8] * 3, dots, "points")
    for svg in svgs:
        left, top, width, height = map(float, svg.get("viewBox").split())
        for dot in class_of("circle", "dot", svg):
            x, y = float(dot.get("cx")), float(dot.get("cy"))
            if not (left < x < width and top < y < height):
                raise Failed("a point outside: %r" % ((x, y),))
    rows = [e for e in root.iter() if e.tag == "tr"]
    assert_equal(1 + 6, len(rows), "rows")
    assert_equal([(s, d, 30) for s in (4096, 65536, 262144) for d in (1, 4)],
                 [(c["buffer-size"], c["depth"], c["requests"])
                  for c in report["cells"]], "cells")


def main():
    suite = Suite()
    for args, text in OURS:
        suite.add("tells: bench " + " ".join(args), check_ours, args, text)

    @suite.case("the lines of a run that reads")
    def _():
        assert_equal(
            "Sending 300 read requests, 512 bytes each, 8 in parallel "
            "(starting at offset 1024, step size 1024)\n"
            "Random order, seed 5\n"
            "2 threads, a handle each\n"
            "Run completed in N seconds.\n"
            "engine: E\n"
            "requests: 300 (300 reads, 0 writes, 0 flushes)\n"
            "IOPS: N\nthroughput: N\n" + CPU + "read " + LATENCY,
            normal(bench("-c", 300, "-s", 512, "-S", "1k", "-o", "1k", "-d", 4,
                         "--threads", 2, "--random=5", "a.vmdk")), "lines")

    @suite.case("the lines of a run that reads and writes")
    def _():
        text = normal(bench("-f", "raw", "-c", 100, "-d", 4, "--mix=1:1",
                            "--random=1", "--flush-interval=10", "b.raw"))
        match = re.search(r"requests: 100 \((\d+) reads, (\d+) writes, "
                          r"10 flushes\)\n", text)
        if not match or int(match.group(1)) + int(match.group(2)) != 100:
            raise Failed(text)
        assert_equal(
            "Sending 100 mixed requests, 4096 bytes each, 4 in parallel "
            "(starting at offset 0, step size 4096)\n"
            "Sending flush every 10 requests\n"
            "Random order, seed 1\n"
            "Reads and writes as 1 to 1\n"
            "Run completed in N seconds.\nengine: E\n" + match.group(0) +
            "IOPS: N\nthroughput: N\n" + CPU + "read " + LATENCY + "write " + LATENCY +
            "flush " + LATENCY, text, "lines")

    @suite.case("the JSON form has all of it")
    def _():
        report = bench_json("-f", "raw", "-c", 50, "-d", 4, "--mix=1:1",
                            "--random=3", "--flush-interval=10", "-t", "none",
                            "b.raw")
        assert_equal(
            ["filename", "format", "virtual-size", "cache", "engine", "kind",
             "read-share", "write-share", "order", "seed", "offset", "threads",
             "flush-interval", "drain", "count", "buffer-size", "step-size",
             "depth", "requests", "reads", "writes", "flushes", "bytes",
             "elapsed", "cpu-seconds", "iops", "throughput", "latency-ns"],
            list(report), "keys")
        assert_equal(("b.raw", "raw", 2 * MIB, "none", "mixed", "random", 3),
                     tuple(report[k] for k in (
                         "filename", "format", "virtual-size", "cache", "kind",
                         "order", "seed")), "values")
        assert_equal(["read", "write", "flush"], list(report["latency-ns"]),
                     "kinds")
        for times in report["latency-ns"].values():
            keys = ["min", "p50", "p90", "p99", "p99.9", "max"]
            values = [times[k] for k in keys]
            assert_equal(sorted(values), values, str(times))
            if not times["min"] <= times["avg"] <= times["max"]:
                raise Failed(str(times))

    for engine in working_engines():
        suite.add("every request once, " + engine, check_counts, engine)
        suite.add("what was written is there, " + engine, check_writes, engine)
        suite.add("a failing request ends it, " + engine, check_error, engine)
        suite.add("two images in turn, " + engine, check_compare, engine)
        suite.add("a report is a whole page, " + engine, check_report, engine)

    @suite.case("the lines of a comparison")
    def _():
        text = normal(bench("-c", 10, "--rounds=2", "-i", "threads",
                            "--compare", "cache=none", "a.vmdk"))
        text = re.sub(r"[\d.]+ (IOPS|p50|p99)", r"N \1", text)
        text = re.sub(r"[\d.]+ [KMGT]?i?B/s", "N B/s", text)
        one = "N IOPS, N B/s"
        assert_equal(
            "Sending 10 read requests, 4096 bytes each, 64 in parallel "
            "(starting at offset 0, step size 4096)\n"
            "round 1: A %s; B %s\nround 2: A %s; B %s\n"
            "A: a.vmdk (vmdk, engine threads, cache writeback)\n"
            "B: a.vmdk (vmdk, engine threads, cache none)\n"
            "median A: %s, p50 N U, p99 N U\n"
            "median B: %s, p50 N U, p99 N U\n"
            "ratio B/A: N IOPS, N p50, N p99\n" % ((one,) * 6), text, "lines")

    @suite.case("processor time is told")
    def _():
        report = bench_json("-c", 20000, "--random=1", "a.vmdk")
        most = report["elapsed"] * os.cpu_count() + 0.1
        if not 0 < report["cpu-seconds"] <= most:
            raise Failed(str(report))

    for write in (False, True):
        suite.add("several disks at once, " + ("write" if write else "read"),
                  check_disks, write)

    @suite.case("a failure names the disk that failed")
    def _():
        text = vdisk_img_fails("bench", "-c", 10, "--disk", "nowhere.vmdk",
                               "a.vmdk", cwd=ROOT.name)
        if "nowhere.vmdk" not in text:
            raise Failed(text)

    @suite.case("an engine against the other")
    def _():
        for engine in working_engines():
            word = {"uring": "io_uring"}.get(engine, engine)
            report = bench_json("-c", 5, "--rounds=1", "-i", "threads",
                                "--compare", "engine=" + word, "a.vmdk")
            assert_equal(("threads", engine), (report["a"]["engine"],
                                               report["b"]["engine"]), word)

    @suite.case("Linux AIO past the page cache")
    def _():
        vdisk_img("create", "-q", "-f", "vmdk", "w.vmdk", "2M", cwd=ROOT.name)
        report = bench_json("-w", "--pattern", "0x5a", "-c", "400", "-d", "64",
                            "-n", "-t", "none", "w.vmdk")
        assert_equal(("aio", "none"), (report["engine"], report["cache"]), "")
        vdisk_img("convert", "-O", "raw", "w.vmdk", "w.raw", cwd=ROOT.name)
        with open(path("w.raw"), "rb") as f:
            data = f.read()
        assert_equal((2 * MIB, 1638400, 1638400),
                     (len(data), data.count(b"\x5a"), data.find(b"\0")),
                     "content")
        report = bench_json("-c", "400", "--random=1", "-i", "native", "-t",
                            "none", "w.vmdk")
        assert_equal(("aio", 400), (report["engine"], report["requests"]), "")

    @suite.case("where io_uring is forbidden")
    def _():
        deny = os.path.join(os.environ["VDISK_BUILD_ROOT"], "tests", "unit",
                            "deny-uring")
        for what, cache, engine in (("all", "none", "aio"),
                                    ("all", "writeback", "threads"),
                                    ("enter", "none", "aio"),
                                    ("aio", "none", "threads")):
            result = run([deny, "EPERM", what, VDISK_IMG, "bench", "-c", "99",
                          "--output=json", "-t", cache, "a.vmdk"],
                         cwd=ROOT.name, env={"VDISK_ENGINE": ""})
            assert_equal(0, result.code, str(result))
            assert_equal(engine, json.loads(result.stdout)["engine"],
                         str((what, cache)))

    @suite.case("the lines of a report")
    def _():
        text = normal(bench("--report=lines.html", "-c", 10, "--sizes=4k",
                            "--depths=1,2", "a.vmdk"))
        text = re.sub(r"[\d.]+ IOPS, [\d.]+ [KMGT]?i?B/s", "N IOPS, N B/s",
                      text)
        assert_equal("Sending read requests of 1 sizes and 2 depths\n" +
                     "".join("4 KiB, depth %d: N IOPS, N B/s, p50 N U, p99 N "
                             "U\n" % d for d in (1, 2)) +
                     "Report written to lines.html\n", text, "lines")

    @suite.case("a name that HTML cannot hold")
    def _():
        name = "<b>&\"'\x02.raw"
        with open(path(name), "wb") as f:
            f.truncate(MIB)
        root, _, _ = page_of("-f", "raw", "--sizes=4k", "--depths=1", name)
        title = next(e for e in root.iter() if e.tag == "h1").text
        assert_equal("Benchmark of <b>&\"' .raw", title, "title")

    @suite.case("a report that fails leaves the old one")
    def _():
        page_of("--sizes=4k", "--depths=1", "a.vmdk")
        with open(path("report.html"), "rb") as f:
            before = f.read()
        text = vdisk_img_fails("bench", "--report=report.html", "-c", 3,
                               "--sizes=4k,1G", "--depths=1", "a.vmdk",
                               cwd=ROOT.name)
        if "Failed request: read of 1073741824 bytes at offset 0" not in text:
            raise Failed(text)
        with open(path("report.html"), "rb") as f:
            assert_equal(before, f.read(), "report")
        assert_equal([], [n for n in os.listdir(ROOT.name) if "html." in n],
                     "left behind")

    @suite.case("a signal ends a report and a comparison")
    def _():
        for args in (["--report=int.html", "--time=600"],
                     ["--compare=cache=none", "--time=600"]):
            with subprocess.Popen([VDISK_IMG, "bench", *args, "a.vmdk"],
                                  cwd=ROOT.name, stdout=subprocess.PIPE,
                                  stderr=subprocess.PIPE) as process:
                wait_for_start(process)
                time.sleep(0.3)
                process.send_signal(signal.SIGINT)
                process.communicate(timeout=120)
            assert_equal(128 + signal.SIGINT, process.returncode, str(args))
        assert_equal(False, os.path.exists(path("int.html")), "report")

    @suite.case("behind the end it begins at the front, in step")
    def _():
        requests, _ = logged("a.raw", "-c", "7", "-d", "1", "-s", "64k", "-S",
                             "256k", "-o", "260k")
        assert_equal([260 << 10, 516 << 10, 772 << 10, 4 << 10, 260 << 10,
                      516 << 10, 772 << 10], places(requests), "places")

    @suite.case("a request never reaches over the end")
    def _():
        requests, _ = logged("a.raw", "-c", "9", "-d", "1", "-s", "300k")
        assert_equal([0, 300 << 10, 600 << 10] * 3, places(requests), "places")

    @suite.case("a seed makes the same requests for any depth and threads")
    def _():
        args = ["-c", "400", "-s", "1k", "-S", "512", "-o", "8k"]
        first, _ = logged("a.raw", "--random=11", "-d", "1", *args)
        assert_equal(400, len(places(first)), "count")
        off = places(first)
        if min(off) < 8192 or max(off) > MIB - 1024 or len(set(off)) < 300 \
                or any(o % 512 for o in off) or off == sorted(off):
            raise Failed(str(off))
        again, _ = logged("a.raw", "--random=11", "-d", "1", *args)
        assert_equal(off, places(again), "again")
        for how in (["-d", "16"], ["--threads=3", "-d", "2"]):
            other, _ = logged("a.raw", "--random=11", *how, *args)
            assert_equal(sorted(off), sorted(places(other)), str(how))
        other, _ = logged("a.raw", "--random=12", "-d", "1", *args)
        if places(other) == off:
            raise Failed("the seed does not matter")

    @suite.case("without a seed each run has its own, and tells it")
    def _():
        a, b = (bench_json("-c", 1, "--random", "a.vmdk") for _ in range(2))
        if a["seed"] == b["seed"]:
            raise Failed(str(a["seed"]))

    @suite.case("a mix keeps its proportion")
    def _():
        for mix, low, high in (("70:30", 600, 800), ("1:9", 50, 150),
                               ("1:0", 1000, 1000), ("0:1", 0, 0)):
            requests, report = logged("b.raw", "-c", "1000", "--mix=" + mix,
                                      "--random=4")
            kinds = collections.Counter(r[0] for r in requests)
            assert_equal((kinds["read"], kinds["write"]),
                         (report["reads"], report["writes"]), mix)
            assert_equal(1000, report["requests"], mix)
            if not low <= report["reads"] <= high:
                raise Failed("%s: %r" % (mix, kinds))

    @suite.case("flushes come after each interval, and after the rest")
    def _():
        requests, report = logged("b.raw", "-w", "-c", "25", "-d", "4",
                                  "--flush-interval=10")
        ops = [r[0] for r in requests]
        # Closing the image may flush once more.
        assert_equal((["write"] * 10 + ["flush"]) * 2 + ["write"] * 5 +
                     ["flush"], ops[:28], "order")
        assert_equal(3, report["flushes"], "flushes")
        requests, report = logged("b.raw", "-w", "-c", "25", "-d", "4",
                                  "--flush-interval=10", "--no-drain")
        assert_equal((25, 3), (report["writes"], report["flushes"]),
                     "without waiting")

    @suite.case("--stats counts the same")
    def _():
        result = run([VDISK_IMG, "bench", "-c", "77", "-s", "8k", "--stats",
                      "a.vmdk"], cwd=ROOT.name)
        if b"a.vmdk: reads 77 (630784 bytes), writes 0 " not in result.stderr:
            raise Failed(str(result))

    @suite.case("a time ends a run without a count, and warming up is extra")
    def _():
        report = bench_json("--time=0.2", "--warmup=0.1", "-d", 2, "a.vmdk")
        if "count" in report or report["requests"] == 0:
            raise Failed(str(report))
        assert_equal((0.2, 0.1), (report["time"], report["warmup"]), "times")
        requests, report = logged("a.raw", "--warmup=0.1", "-c", "40")
        assert_equal(40, report["requests"], "measured")
        if len(places(requests)) <= 40:
            raise Failed("no warm-up")

    @suite.case("a count ends a run before its time")
    def _():
        report = bench_json("--time=600", "-c", 30, "a.vmdk")
        assert_equal(30, report["requests"], "requests")

    @suite.case("any name will do: a chain, options, JSON")
    def _():
        vdisk_img("create", "-q", "-f", "vmdk", "-b", "s.vmdk", "-F", "vmdk",
                  "child.vmdk", cwd=ROOT.name)
        for name, fmt, size in (
                (["child.vmdk"], "vmdk", SIZE_VMDK),
                (["--image-opts", "driver=null,size=1M"], "null", MIB),
                (['json:{"driver":"null","size":65536}'], "null", 65536)):
            report = bench_json("-c", 20, "-s", 512, *name)
            assert_equal((fmt, size, 20),
                         (report["format"], report["virtual-size"],
                          report["requests"]), str(name))

    @suite.case("beyond the end is an error with the place")
    def _():
        text = vdisk_img_fails("bench", "-c", 5, "-o", "2M", path("a.raw"))
        if "Failed request: read of 4096 bytes at offset 2097152: " not in text:
            raise Failed(text)

    @suite.case("an image in use is not written to")
    def _():
        with subprocess.Popen([VDISK_IMG, "bench", "--time=600", "-w", "-f",
                               "raw", "b.raw"], cwd=ROOT.name,
                              stdout=subprocess.PIPE) as process:
            try:
                wait_for_start(process)
                text = vdisk_img_fails("bench", "-w", "-f", "raw",
                                       path("b.raw"))
                if 'Failed to get "write" lock' not in text:
                    raise Failed(text)
            finally:
                process.terminate()
                process.communicate(timeout=120)
        assert_equal(128 + signal.SIGTERM, process.returncode, "exit code")

    @suite.case("a signal ends a run with what was measured")
    def _():
        check_interrupt(["a.vmdk"], signal.SIGINT)
        check_interrupt(["--threads=3", "a.vmdk"], signal.SIGTERM)
        check_interrupt(["-w", "-f", "raw", "b.raw"], signal.SIGINT)

    @suite.case("a signal ends a run whose requests never come back")
    def _():
        check_interrupt(["--image-opts", "driver=fault,delay-ns=600000000000,"
                         "delay-op=read,file.driver=null,file.size=1M"],
                        signal.SIGINT)

    suite.run()


main()
