#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""test-pipes - convert from standard input and to standard output."""
import os
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../support"))

from model import Model  # noqa: E402
from tap import Suite  # noqa: E402
from tools import (VDISK_IMG, Failed, run, scratch, vdisk_img,  # noqa: E402
                   vdisk_img_fails, working_engines)

SIZE = (40 << 20) + 5 * 512
STREAM = ["-O", "vmdk", "-o", "subformat=streamOptimized,content_id=12345678"]

suite = Suite()


def make_raw(tmp):
    model = Model(SIZE, 17)
    list(model.random_writes(tmp, 30))
    path = os.path.join(tmp, "source.raw")
    with open(path, "wb") as file:
        file.write(model.data)
    return path, bytes(model.data)


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
        for target in (STREAM, ["-O", "raw"]):
            with subprocess.Popen([VDISK_IMG, "convert", *target, raw, "-"],
                                  stdout=subprocess.PIPE,
                                  stderr=subprocess.PIPE) as job:
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


def main():
    for engine in working_engines():
        suite.add("a stream to standard output (%s)" % engine, stream_out,
                  engine)
        for at_end in (False, True):
            suite.add("a stream from standard input (%s, directory %s)" % (
                engine, "at the end" if at_end else "in front"), stream_in,
                engine, at_end)
    for func in (bytes_do_not_depend, raw_out, slow_reader, reader_goes_away,
                 full_disk, through, standard_input_is_a_file,
                 cut_input_is_refused, wrong_words_are_refused,
                 memory_is_bounded):
        suite.add(func.__name__.replace("_", " "), func)
    suite.run()


main()
