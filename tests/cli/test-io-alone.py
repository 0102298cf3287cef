#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""test-io-alone - vdisk-io where it has no peer: its own name and reasons,
signals, closed streams, other users of an image, both engines."""
import os
import re
import signal
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../support"))

from fixture import assert_equal  # noqa: E402
from running import PATIENCE  # noqa: E402
from tap import Suite  # noqa: E402
from tools import (VDISK_IO, Failed, assert_no_crash, run,  # noqa: E402
                   scratch, vdisk_img, working_engines)

TIMES = re.compile(r"; \S+( sec)? \(\S+ \w+/sec and \S+ ops/sec\)")


def io(directory, *args, engine=None, code=0, stdin=b""):
    env = {"VDISK_ENGINE": engine} if engine else None
    result = run([VDISK_IO, *args], cwd=directory, env=env, stdin=stdin,
                 timeout=PATIENCE)
    assert_no_crash(result)
    assert_equal(code, result.code, str(result))
    return TIMES.sub("; T", result.stdout.decode()), result.stderr.decode()


def commands(*texts):
    return [word for text in texts for word in ("-c", text)]


class Running:
    """vdisk-io with something to wait for; it has said @until."""

    def __init__(self, directory, argv, until, engine):
        self.process = subprocess.Popen(
            [VDISK_IO, *argv], cwd=directory, stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            env=dict(os.environ, VDISK_ENGINE=engine))
        seen = b""
        while until not in seen:
            byte = self.process.stdout.read(1)
            if not byte:
                raise Failed("ended after %r" % seen)
            seen += byte

    def stop(self, number):
        self.process.send_signal(number)
        out, err = self.process.communicate(timeout=PATIENCE)
        return self.process.returncode, out.decode(), err.decode()


def check_engine(suite, directory, engine):
    def case(name):
        return suite.case("%s: %s" % (engine, name))

    @case("what the library says follows on standard error")
    def _():
        out, err = io(directory, "-f", "raw", *commands("read 8M 1"),
                      "raw.raw", engine=engine, code=1)
        assert_equal("read failed: Input/output error\n", out, "stdout")
        if not err.startswith("vdisk-io: ") or "raw.raw" not in err:
            raise Failed(err)

    @case("a stopped request is let go by close")
    def _():
        out, _ = io(directory, "-f", "raw", *commands(
            "break write_aio a", "aio_write -P 9 0 1k", "close",
            "open -o driver=raw raw.raw", "read -P 9 0 1k"),
            "blkdebug::raw.raw", engine=engine)
        assert_equal("blkdebug: Suspended request 'a'\n"
                     "wrote 1024/1024 bytes at offset 0\n1 KiB, 1 ops; T\n"
                     "read 1024/1024 bytes at offset 0\n1 KiB, 1 ops; T\n",
                     out, "stdout")

    for number in signal.SIGINT, signal.SIGTERM:
        @case("signal %d ends a read that has stopped" % number)
        def _(number=number):
            running = Running(directory, [
                "-f", "raw", *commands("break read_aio a", "read 0 1k"),
                "blkdebug::raw.raw"], b"Suspended", engine)
            code, _, err = running.stop(number)
            assert_equal(128 + number, code, err)

        @case("signal %d ends the wait for a line" % number)
        def _(number=number):
            running = Running(directory, ["-f", "raw", "raw.raw"],
                              b"vdisk-io> ", engine)
            assert_equal(128 + number, running.stop(number)[0], "exit code")

        @case("signal %d ends a sleep, and what was in flight" % number)
        def _(number=number):
            running = Running(directory, [
                "-f", "raw", *commands("length", "aio_write 0 1k",
                                       "sleep 1000000", "length"), "raw.raw"],
                b"4 MiB\n", engine)
            code, out, _ = running.stop(number)
            assert_equal(128 + number, code, "exit code")
            if "4 MiB" in out.splitlines():
                raise Failed(out)

    @case("a closed standard input is an empty one")
    def _():
        done = subprocess.run(
            ["sh", "-c", '"$0" -f raw raw.raw <&-', VDISK_IO], cwd=directory,
            capture_output=True, timeout=PATIENCE, check=False,
            env=dict(os.environ, VDISK_ENGINE=engine))
        assert_equal((0, b"vdisk-io> ", b""),
                     (done.returncode, done.stdout, done.stderr), "result")

    @case("standard output that is full is a failure")
    def _():
        with open("/dev/full", "wb") as full:
            done = subprocess.run([VDISK_IO, "-c", "help"], stdout=full,
                                  stderr=subprocess.PIPE, timeout=PATIENCE,
                                  check=False)
        assert_equal(1, done.returncode, "exit code")

    @case("a second writer is told who may be in its way")
    def _():
        running = Running(directory, ["-f", "vmdk", "a.vmdk"], b"vdisk-io> ",
                          engine)
        _, err = io(directory, "-f", "vmdk", *commands("read 0 1"), "a.vmdk",
                    engine=engine, code=1)
        if not re.match(r"vdisk-io: can't open device a\.vmdk: .*lock\n"
                        r"Is another process using the image \[a\.vmdk\]\?\n",
                        err):
            raise Failed(err)
        out, _ = io(directory, "-f", "vmdk", "-r", "-U",
                    *commands("read 0 1"), "a.vmdk", engine=engine)
        assert_equal("read 1/1 bytes at offset 0\n1 bytes, 1 ops; T\n", out,
                     "stdout")
        running.process.stdin.close()
        assert_equal(0, running.process.wait(PATIENCE), "exit code of the first")

    @case("requests in flight go on while a line is waited for")
    def _():
        running = Running(directory, ["-f", "raw", "raw.raw"], b"vdisk-io> ",
                          engine)
        running.process.stdin.write(b"aio_write 0 64k\n")
        running.process.stdin.flush()
        seen = b""
        while b"wrote 65536/65536" not in seen:
            seen += running.process.stdout.read(1)
        running.process.stdin.close()
        assert_equal(0, running.process.wait(PATIENCE), "exit code")

    @case("copy on read is refused")
    def _():
        _, err = io(directory, "-C", "-f", "raw", "raw.raw", engine=engine,
                    code=1)
        if "not supported" not in err:
            raise Failed(err)

    @case("what is temporary is not lost by a reopen")
    def _():
        out, err = io(directory, "-s", "-f", "raw", *commands(
            "write -P 3 0 1k", "reopen -r", "read -P 3 0 1k", "info"),
            "raw.raw", engine=engine, code=1)
        assert_equal("vdisk-io: Cannot reopen what is temporary: it would be "
                     "lost\n", err, "stderr")
        for text in "read 1024/1024", "format name: temporary":
            if text not in out:
                raise Failed(out)

    @case("without a place for it nothing is temporary")
    def _():
        env = dict(os.environ, TMPDIR=os.path.join(directory, "nowhere"))
        done = run([VDISK_IO, "-s", "-f", "raw", "-c", "length", "raw.raw"],
                   cwd=directory, env=env)
        assert_equal(1, done.code, "exit code")
        if b"nowhere/vdisk-" not in done.stderr:
            raise Failed(done.stderr)

    @case("a reopen that fails leaves the disk as it was")
    def _():
        out, err = io(directory, "-f", "raw", *commands(
            "write -P 3 0 1k", "reopen -o foo=bar", "read -P 3 0 1k"),
            "raw.raw", engine=engine, code=1)
        assert_equal("vdisk-io: Cannot change the option 'foo'\n", err,
                     "stderr")
        if "read 1024/1024" not in out:
            raise Failed(out)

    @case("a VMDK can be resized")
    def _():
        vdisk_img("create", "-q", "-f", "vmdk", "r.vmdk", "4M", cwd=directory)
        out, _ = io(directory, "-f", "vmdk", *commands(
            "truncate 8M", "length", "write -P 1 7M 1M", "read -P 1 7M 1M",
            "truncate 2M", "length"), "r.vmdk", engine=engine)
        assert_equal(["8 MiB", "2 MiB"], re.findall(r"^\d MiB$", out, re.M),
                     "lengths")


def main():
    suite = Suite()
    with scratch() as directory:
        with open(os.path.join(directory, "raw.raw"), "wb") as f:
            f.truncate(4 << 20)
        vdisk_img("create", "-q", "-f", "vmdk", "a.vmdk", "4M", cwd=directory)
        for engine in working_engines():
            check_engine(suite, directory, engine)
        suite.run()


main()
