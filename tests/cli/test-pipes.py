#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""test-pipes - convert from standard input and to standard output."""
import functools
import json
import os
import resource
import signal
import subprocess
import sys
import time
from random import Random

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../support"))

from model import Model  # noqa: E402
from prepared import copy_sparse, pattern_of  # noqa: E402
from running import PATIENCE, Running  # noqa: E402
from tap import Skip, Suite  # noqa: E402
from tools import (SHORT, UNDER_SANITIZER, VDISK_IMG, Failed,  # noqa: E402
                   run, scratch, vdisk_img, vdisk_img_fails, working_engines)

MIB = 1 << 20
SIZE = 40 * MIB + 5 * 512
STREAM = ["-O", "vmdk", "-o", "subformat=streamOptimized,content_id=12345678"]

suite = Suite()


def make_source(directory):
    model = Model(SIZE, 17)
    list(model.random_writes(directory, 30))
    model.save(os.path.join(directory, "source.raw"))


def make_raw(tmp):
    path = os.path.join(tmp, "source.raw")
    copy_sparse(os.path.join(pattern_of(make_source), "source.raw"), path)
    with open(path, "rb") as file:
        return path, file.read()


def convert(*args, stdin=None, code=0, engine=None, **kwargs):
    """Through pipes; what came out of the other end."""
    env = {"VDISK_ENGINE": engine} if engine else None
    result = run([VDISK_IMG, "convert", *args], stdin=stdin, env=env, **kwargs)
    if result.code != code:
        raise Failed("wanted exit %d, got %d: %s" % (
            code, result.code, result.stderr.decode()))
    if code and not result.stderr:
        raise Failed("failed without a word")
    return result.stdout


def expect_same(got, wanted, what):
    if got != wanted:
        raise Failed("%s: %d bytes, not the %d wanted ones" % (
            what, len(got), len(wanted)))


def stream_out(engine):
    with scratch() as tmp:
        raw, data = make_raw(tmp)
        piped = convert(*STREAM, "-p", raw, "-", engine=engine)
        image = os.path.join(tmp, "p.vmdk")
        with open(image, "wb") as file:
            file.write(piped)
        vdisk_img("check", "-q", "--profile=esxi-import", image)
        expect_same(piped[56:64], b"\xff" * 8, "place of the directory")
        back = os.path.join(tmp, "back.raw")
        vdisk_img("convert", "-O", "raw", image, back)
        with open(back, "rb") as file:
            expect_same(file.read(), data, "content")


def bytes_do_not_depend():
    """Workers, engines, pipe or file: the same."""
    with scratch() as tmp:
        raw, _ = make_raw(tmp)
        wanted = convert(*STREAM, raw, "-")
        for engine in working_engines():
            for workers in (1, 2, 4, 8):
                expect_same(convert(*STREAM, "--workers=%d" % workers, raw,
                                    "-", engine=engine), wanted,
                            "%s, %d workers" % (engine, workers))
        path = os.path.join(tmp, "f.vmdk")
        with open(path, "wb") as file:
            subprocess.run([VDISK_IMG, "convert", *STREAM, raw, "-"],
                           stdout=file, check=True)
        with open(path, "rb") as file:
            expect_same(file.read(), wanted, "to a file")


def raw_out():
    with scratch() as tmp:
        raw, data = make_raw(tmp)
        image = os.path.join(tmp, "i.vmdk")
        vdisk_img("convert", "-O", "vmdk", raw, image)
        expect_same(convert("-O", "raw", "-p", image, "-"), data, "content")


def slow_reader():
    """Who takes a little at a time gets all of it."""
    with scratch() as tmp:
        raw, data = make_raw(tmp)
        with subprocess.Popen([VDISK_IMG, "convert", "-O", "raw", raw, "-"],
                              stdout=subprocess.PIPE) as job:
            got = []
            while piece := os.read(job.stdout.fileno(), 777):
                got.append(piece)
            job.wait()
        expect_same(b"".join(got), data, "content")
        if job.returncode != 0:
            raise Failed("exit %d" % job.returncode)


def reader_goes_away():
    with scratch() as tmp:
        raw, _ = make_raw(tmp)
        for words in ([*STREAM, raw, "-"], ["-O", "raw", raw, "-"],
                      ["-f", "raw", "-O", "raw", "-", "-"]):
            with open("/dev/zero", "rb") as endless, subprocess.Popen(
                    [VDISK_IMG, "convert", *words], stdin=endless,
                    stdout=subprocess.PIPE, stderr=subprocess.PIPE) as job:
                job.stdout.read(1000)
                job.stdout.close()
                text = job.stderr.read()
                job.wait()
            if job.returncode != 1 or b"Broken pipe" not in text:
                raise Failed("exit %d: %s" % (job.returncode, text))


def full_disk():
    with scratch() as tmp:
        raw, _ = make_raw(tmp)
        with open("/dev/full", "wb") as file:
            done = subprocess.run(
                [VDISK_IMG, "convert", *STREAM, raw, "-"], stdout=file,
                stderr=subprocess.PIPE, check=False)
        if done.returncode != 1 or b"No space left" not in done.stderr:
            raise Failed("exit %d: %s" % (done.returncode, done.stderr))


def stream_in(engine, at_end):
    with scratch() as tmp:
        raw, data = make_raw(tmp)
        if at_end:
            image = convert(*STREAM, raw, "-")
        else:
            path = os.path.join(tmp, "i.vmdk")
            vdisk_img("convert", *STREAM, raw, path)
            with open(path, "rb") as file:
                image = file.read()
        target = os.path.join(tmp, "out.raw")
        convert("-f", "vmdk", "-O", "raw", "-", target, stdin=image,
                engine=engine)
        with open(target, "rb") as file:
            expect_same(file.read(), data, "content")


def through():
    """From pipe to pipe; raw too."""
    with scratch() as tmp:
        raw, data = make_raw(tmp)
        stream = convert("-f", "raw", *STREAM, "-", "-", stdin=data)
        expect_same(stream, convert(*STREAM, raw, "-"), "stream")
        expect_same(convert("-f", "vmdk", *STREAM, "-", "-", stdin=stream),
                    stream, "stream to stream")
        expect_same(convert("-O", "raw", "-", "-", stdin=stream), data, "raw")


def standard_input_is_a_file():
    """Read where it is, from its present place on."""
    with scratch() as tmp:
        raw, data = make_raw(tmp)
        with open(raw, "rb") as file:
            file.seek(4096)
            done = subprocess.run(
                [VDISK_IMG, "convert", "-f", "raw", "-O", "raw", "-", "-"],
                stdin=file, stdout=subprocess.PIPE, check=True)
        expect_same(done.stdout, data[4096:], "content")
        with open(raw, "rb") as file:
            done = subprocess.run(
                [VDISK_IMG, "convert", "-f", "raw", "-O", "raw", "-", raw],
                stdin=file, stderr=subprocess.PIPE, check=False)
        if done.returncode != 1 or b"the source itself" not in done.stderr:
            raise Failed("exit %d: %s" % (done.returncode, done.stderr))
        with open(raw, "rb") as file:
            expect_same(file.read(), data, "source")


def cut_input_is_refused():
    with scratch() as tmp:
        raw, _ = make_raw(tmp)
        image = convert(*STREAM, raw, "-")
        target = os.path.join(tmp, "out.raw")
        convert("-f", "vmdk", "-O", "raw", "-", target,
                stdin=image[:len(image) // 2], code=1)
        if os.path.exists(target):
            raise Failed("left a target behind")
        convert("-f", "vmdk", "-O", "raw", "-", target, stdin=b"", code=1)


def wrong_words_are_refused():
    with scratch() as tmp:
        raw, _ = make_raw(tmp)
        for words in (["-n", "-O", "raw", raw, "-"],
                      ["--output=json", "-O", "raw", raw, "-"],
                      ["-O", "vmdk", raw, "-"],
                      ["-O", "vmdk", "-o", "subformat=monolithicFlat", raw,
                       "-"],
                      ["-f", "raw", "-O", "raw", "-", "-",
                       os.path.join(tmp, "x")]):
            out = convert(*words, code=1, stdin=b"")
            if b"KDMV" in out or b"# Disk" in out:
                raise Failed("%s wrote an image" % words)
        vdisk_img_fails("create", "-f", "raw", "fd:1", "1M")


def memory_is_bounded():
    with scratch() as tmp:
        raw = os.path.join(tmp, "big.raw")
        with open(raw, "wb") as file:
            file.truncate(600 << 20)
        done = subprocess.run(
            "'%s' convert -O raw '%s' - | '%s' convert -f raw -O vmdk "
            "-o subformat=streamOptimized - - | wc -c" %
            (VDISK_IMG, raw, VDISK_IMG), shell=True, check=True,
            capture_output=True)
        if not 0 < int(done.stdout) < (1 << 20) or done.stderr:
            raise Failed("%s %s" % (done.stdout, done.stderr))


# -- raw from a pipe: nobody knows how long it is -----------------------------

NOWHERE = "/nonexistent/temporary"   # a file there would be the first mistake
# What is looked at before anything is decided is 64 KiB, an item 1 MiB.
LENGTHS = (0, 1, 511, 512, 65535, 65536, 65537, MIB - 1, MIB, MIB + 1,
           3 * MIB + 7)
# In a short run every other one, here these, there those.
SOME, OTHERS = (LENGTHS[::2], LENGTHS[1::2]) if SHORT else (LENGTHS, LENGTHS)


@functools.cache
def data_with_zeroes(length):
    """Data by the block, and a run of them that files may share."""
    noise = Random(length).randbytes(length)
    return b"".join(noise[at:at + 65536] if at // 65536 % 24 not in (1, 4)
                    else bytes(len(noise[at:at + 65536]))
                    for at in range(0, length, 65536))


def padded(data):
    return data + bytes(-len(data) % 512)


def raw_without_spool(engine, words, lengths):
    """The same as with a temporary file, and holes, too."""
    for length in lengths:
        with scratch() as tmp:
            data = data_with_zeroes(length)
            targets = [os.path.join(tmp, name) for name in ("a", "b")]
            result = run([VDISK_IMG, "convert", *words, "-O", "raw", "-",
                          targets[0]], stdin=data,
                         env={"VDISK_ENGINE": engine, "TMPDIR": NOWHERE})
            if result.code != 0 or result.stderr:
                raise Failed("%d bytes: %s" % (length, result))
            convert("--salvage", *words, "-O", "raw", "-", targets[1],
                    stdin=data, engine=engine)
            for target in targets:
                with open(target, "rb") as file:
                    expect_same(file.read(), padded(data), target)
            used = [os.stat(target).st_blocks for target in targets]
            if used[0] > used[1] + 16:
                raise Failed("%d bytes: %d and %d blocks" % (length, *used))


def raw_through(engine):
    """To standard output, as it comes."""
    for length in SOME if engine == "threads" else OTHERS:
        data = data_with_zeroes(length)
        result = run([VDISK_IMG, "convert", "-f", "raw", "-O", "raw", "-",
                      "-"], stdin=data, env={"VDISK_ENGINE": engine,
                                             "TMPDIR": NOWHERE})
        if result.code != 0:
            raise Failed(str(result))
        expect_same(result.stdout, padded(data), "content")


def raw_in_small_pieces():
    """A writer that is in no hurry, and a target that is replaced."""
    with scratch() as tmp:
        data = data_with_zeroes(300000)
        target = os.path.join(tmp, "target")
        with open(target, "wb") as file:
            file.write(b"old" * MIB)
        with subprocess.Popen([VDISK_IMG, "convert", "-f", "raw", "-O", "raw",
                               "-", target], stdin=subprocess.PIPE) as job:
            for at in range(0, len(data), 777):
                os.write(job.stdin.fileno(), data[at:at + 777])
            job.stdin.close()
            if job.wait() != 0:
                raise Failed("exit %d" % job.returncode)
        with open(target, "rb") as file:
            expect_same(file.read(), padded(data), "content")


def small_files():
    signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
    resource.setrlimit(resource.RLIMIT_FSIZE, (8 * MIB, 8 * MIB))


def endless_input(engine, existing):
    """What does not fit leaves what was there before."""
    with scratch() as tmp:
        target = os.path.join(tmp, "target")
        if existing:
            with open(target, "wb") as file:
                file.write(b"old")
        with open("/dev/zero" if existing else "/dev/urandom", "rb") as source:
            done = subprocess.run(
                [VDISK_IMG, "convert", "-S", "0", "-f", "raw", "-O", "raw",
                 "-", target], stdin=source, stderr=subprocess.PIPE,
                preexec_fn=small_files, timeout=PATIENCE, check=False,
                env=dict(os.environ, VDISK_ENGINE=engine))
        if done.returncode != 1 or b"File too large" not in done.stderr:
            raise Failed("exit %d: %s" % (done.returncode, done.stderr))
        if os.listdir(tmp) != (["target"] if existing else []):
            raise Failed("left %s behind" % os.listdir(tmp))
        if existing:
            with open(target, "rb") as file:
                expect_same(file.read(), b"old", "the old target")


def interrupted_wait():
    """Nothing comes any more."""
    with scratch() as tmp:
        job = Running(["convert", "-p", "-f", "raw", "-O", "raw", "-",
                       "target"], tmp, stdin=subprocess.PIPE)
        os.write(job.process.stdin.fileno(), bytes(100000))
        deadline = time.monotonic() + PATIENCE
        while not os.listdir(tmp):
            if time.monotonic() > deadline:
                raise Failed("it does not begin")
            time.sleep(0.01)
        job.process.send_signal(signal.SIGINT)
        code = job.process.wait(PATIENCE)
        if code != 130 or os.listdir(tmp):
            raise Failed("exit %d, left %s" % (code, os.listdir(tmp)))
        job.end()


def little_memory():
    resource.setrlimit(resource.RLIMIT_AS, (1 << 30, 1 << 30))


def memory_of_raw_is_bounded():
    if UNDER_SANITIZER:
        raise Skip("a sanitizer's own memory")
    with scratch() as tmp:
        with subprocess.Popen(["head", "-c", "1200M", "/dev/zero"],
                              stdout=subprocess.PIPE) as source:
            subprocess.run([VDISK_IMG, "convert", "-f", "raw", "-O", "raw",
                            "-", os.path.join(tmp, "target")], check=True,
                           stdin=source.stdout, preexec_fn=little_memory)
        if os.stat(os.path.join(tmp, "target")).st_size != 1200 * MIB:
            raise Failed("not all has come")


def what_is_said():
    with scratch() as tmp:
        data = data_with_zeroes(3 * MIB + 7)
        result = run([VDISK_IMG, "convert", "--output=json",
                      "--progress=json", "-f", "raw", "-O", "raw", "-", "t"],
                     stdin=data, cwd=tmp)
        report = json.loads(result.stdout)
        for key, wanted in (("virtual-size", len(padded(data))),
                            ("bytes-read", len(data))):
            if report[key] != wanted:
                raise Failed("%s: %s" % (key, report))
        last = json.loads(result.stderr.splitlines()[-1])
        if last["done"] != last["total"]:
            raise Failed(result.stderr)
        text = convert("-p", "-f", "raw", "-O", "raw", "-",
                       os.path.join(tmp, "t"), stdin=data)
        if not text.endswith(b"    (100.00/100%)\r\n"):
            raise Failed("%r" % text)


def what_needs_its_length_first():
    """A temporary file there is no place for."""
    with scratch() as tmp:
        data = bytes(MIB)
        vdisk_img("create", "-q", "-f", "raw", "there", MIB, cwd=tmp)
        for words in (["-O", "vmdk", "-", "t"], ["-O", "raw", "-n", "-",
                                                 "there"],
                      ["-O", "raw", "-o", "preallocation=full", "-", "t"],
                      ["-O", "raw", "--require-space", "-", "t"],
                      ["-O", "raw", "-", "there", "t"]):
            result = run([VDISK_IMG, "convert", "-f", "raw", *words],
                         stdin=data, env={"TMPDIR": NOWHERE}, cwd=tmp)
            if result.code != 1 or b"temporary file" not in result.stderr:
                raise Failed("%s: %s" % (words, result))
            if os.listdir(tmp) != ["there"]:
                raise Failed("%s left something" % words)


def main():
    for engine in working_engines():
        suite.add("raw from a pipe without a temporary file (%s)" % engine,
                  raw_without_spool, engine, ["-f", "raw"], SOME)
        suite.add("raw from a pipe that is probed (%s)" % engine,
                  raw_without_spool, engine, [], OTHERS)
        suite.add("raw from pipe to pipe (%s)" % engine, raw_through, engine)
        for existing in (False, True):
            suite.add("endless input, %s target (%s)" % (
                "old" if existing else "new", engine), endless_input, engine,
                existing)
        suite.add("a stream to standard output (%s)" % engine, stream_out,
                  engine)
        for at_end in (False, True):
            suite.add("a stream from standard input (%s, directory %s)" % (
                engine, "at the end" if at_end else "in front"), stream_in,
                engine, at_end)
    for func in (bytes_do_not_depend, raw_out, slow_reader, reader_goes_away,
                 full_disk, through, standard_input_is_a_file,
                 cut_input_is_refused, wrong_words_are_refused,
                 memory_is_bounded, raw_in_small_pieces, interrupted_wait,
                 memory_of_raw_is_bounded,
                 what_is_said, what_needs_its_length_first):
        suite.add(func.__name__.replace("_", " "), func)
    suite.run()


main()
