#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""test-safety - what a failure or a signal leaves behind: sources untouched,
existing targets as they were, half-made targets gone."""
import contextlib
import json
import os
import re
import resource
import signal
import struct
import subprocess
import sys
import time

sys.path.insert(0, os.path.dirname(__file__))

from fixture import (MIB, SmallFilesystem, assert_equal,  # noqa: E402
                     assert_unchanged, digest, held, make_images,
                     make_noise, snapshot)
from loop import LoopDevice  # noqa: E402
from running import PATIENCE, Running  # noqa: E402
from tap import Skip, Suite  # noqa: E402
from tools import (DISK_IO, VDISK_IMG, Failed, need, run, scratch,  # noqa: E402
                   vdisk_img, vdisk_img_fails)

SLOW = ["-r", "1M"]       # bytes a second: the rest of the case is in control
KINDS = ("raw", "vmdk", "streamOptimized", "twoGbMaxExtentFlat")


def target_args(kind):
    if kind == "raw":
        return ["-O", "raw"]
    if kind == "vmdk":
        return ["-O", "vmdk"]
    return ["-O", "vmdk", "-o", "subformat=" + kind]


def make_damaged_stream(directory):
    """s.vmdk: 32 grains of noise, one of them overwritten."""
    noise = os.path.join(directory, "noise")
    stream = os.path.join(directory, "s.vmdk")
    make_noise(noise, 2 * MIB)
    vdisk_img("convert", "-O", "vmdk", "-o", "subformat=streamOptimized",
              noise, stream)
    with open(stream, "r+b") as f:
        f.seek(MIB)
        f.write(b"\0" * 4096)


def damage_grain_table(path):
    """Let every entry of the tables point far behind the end."""
    with open(path, "r+b") as f:
        header = f.read(512)
        redundant, directory = struct.unpack_from("<QQ", header, 48)
        for start in (redundant, directory):
            f.seek(start * 512)
            table, = struct.unpack("<I", f.read(4))
            f.seek(table * 512)
            f.write(struct.pack("<I", 0x7fffff00) * 32)


def assert_one_error(text, pattern):
    """One line besides warnings, and it matches."""
    errors = [line for line in text.splitlines()
              if not line.startswith("vdisk-img: warning: ")]
    if len(errors) != 1 or not re.search(pattern, errors[0]):
        raise Failed(text)


def wait_for_blocks(path):
    """Until something is stored in @path."""
    deadline = time.monotonic() + PATIENCE
    while not os.path.exists(path) or os.stat(path).st_blocks == 0:
        if time.monotonic() > deadline:
            raise Failed("nothing is being written")
        time.sleep(0.01)


def check_signal(sig, code, kind, existing):
    with scratch() as d:
        make_noise(os.path.join(d, "source"), 16 * MIB)
        if existing:
            make_noise(os.path.join(d, "target"), MIB)
        before = snapshot(d)
        job = Running(["convert", "-p", *SLOW, "-f", "raw",
                       *target_args(kind), "source", "target"], d)
        job.wait_for_share()
        job.process.send_signal(sig)
        status, _, err = job.end()
        assert_equal(code, status, err.decode())
        if not err:
            raise Failed("died without a word")
        assert_unchanged(d, before)


def limit_file_size(size):
    """SIGXFSZ as a shell leaves it: deadly, to a program that lets it."""
    def limit():
        signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))
    return limit


def check_full_by_limit(kind, existing):
    with scratch() as d:
        make_noise(os.path.join(d, "source"), 8 * MIB)
        if existing:
            make_noise(os.path.join(d, "target"), MIB)
        before = snapshot(d)
        done = subprocess.run(
            [VDISK_IMG, "convert", "-f", "raw", *target_args(kind), "source",
             "target"], cwd=d, capture_output=True, check=False,
            preexec_fn=limit_file_size(2 * MIB), timeout=PATIENCE)
        assert_equal(1, done.returncode, done.stderr.decode())
        if b"File too large" not in done.stderr:
            raise Failed(done.stderr.decode())
        assert_unchanged(d, before)


def noisy_device(directory, size):
    """A block device of @size, full of noise."""
    backing = os.path.join(directory, "device")
    make_noise(backing, size)
    return LoopDevice(backing)


def read_all(path, size):
    with open(path, "rb") as f:
        return f.read(size)


def check_full_disk(kind):
    need("mount")
    with scratch() as d:
        make_noise(os.path.join(d, "source"), 8 * MIB)
        with SmallFilesystem(os.path.join(d, "small"), 2 * MIB) as small:
            text = vdisk_img_fails(
                "convert", "-f", "raw", *target_args(kind),
                os.path.join(d, "source"), os.path.join(small, "target"))
            if "No space left on device" not in text or not re.search(
                    r"small' has .* left; the copy may need up to 8 MiB",
                    text):
                raise Failed(text)
            assert_equal([], os.listdir(small), "left behind")


class Held:
    """An image that qemu-io has open."""

    def __init__(self, path, fmt, read_only):
        argv = [need("qemu-io"), "-f", fmt]
        if read_only:
            argv.append("-r")
        self.process = subprocess.Popen([*argv, path], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE)
        # Answers only once the image is open.
        self.process.stdin.write(b"length\n")
        self.process.stdin.flush()
        self.process.stdout.readline()

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.process.stdin.close()
        self.process.stdout.close()
        self.process.wait(timeout=PATIENCE)


class Locked:
    """An image that disk-io reads, with VMware's lock on it."""

    def __init__(self, path):
        self.process = subprocess.Popen(
            [DISK_IO, "-r", "-l", "-f", "vmdk", path, "wait"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert_equal(b"ready\n", self.process.stdout.readline(), "answer")

    def __enter__(self):
        return self

    def kill(self):
        self.process.kill()
        self.process.wait(timeout=PATIENCE)

    def __exit__(self, *exc):
        self.process.stdin.close()
        self.process.stdout.close()
        self.process.wait(timeout=PATIENCE)


# What writes to a.vmdk, alone or as the parent of c.vmdk.
CHANGES = (
    ["resize", "a.vmdk", "20M"],
    ["create", "-f", "vmdk", "a.vmdk", "1M"],
    ["convert", "-O", "vmdk", "b.raw", "a.vmdk"],
    ["commit", "c.vmdk"],
    ["check", "-r", "all", "a.vmdk"],
    ["rename", "a.vmdk", "new.vmdk"],
    ["rm", "a.vmdk"],
)


def check_changes_refused(directory, who):
    before = snapshot_files(directory)
    for args in CHANGES:
        text = vdisk_img_fails(*args, cwd=directory)
        if who not in text or "a.vmdk.lck/M" not in text:
            raise Failed(text)
        assert_equal(before, snapshot_files(directory), "files")


def snapshot_files(directory):
    return {name: digest(os.path.join(directory, name))
            for name in os.listdir(directory) if not name.endswith(".lck")}


def check_in_use(target, fmt, read_only, args):
    with scratch() as d:
        make_images(d)
        before = snapshot(d)
        with Held(os.path.join(d, target), fmt, read_only):
            text = vdisk_img_fails(*args, cwd=d)
        if not re.search(r'Failed to get (shared )?"[a-z ]+" lock', text):
            raise Failed(text)
        if "Is another process using the image [%s]?" % target not in text:
            raise Failed(text)
        assert_unchanged(d, before)


def check_refused(args, words, hard_link=None):
    """vdisk-img @args fails with @words; nothing changes."""
    with scratch() as d:
        make_images(d)
        if hard_link:
            os.link(os.path.join(d, hard_link), os.path.join(d, "link"))
        before = snapshot(d)
        text = vdisk_img_fails(*args, cwd=d)
        if words not in text:
            raise Failed(text)
        assert_unchanged(d, before)


def write_endless_qcow2(path):
    """33 MiB that name one table four million times: hours for a check."""
    cluster, n = 65536, 4 << 20
    table = 3 * cluster + 8 * n
    with open(path, "wb") as f:
        f.truncate(table + cluster)
        f.write(struct.pack(">4sIQIIQIIQQIIQQQQII", b"QFI\xfb", 3, 0, 0, 16,
                            1 << 51, 0, n, 3 * cluster, cluster, 1, 0, 0, 0, 0,
                            0, 4, 104))
        f.seek(cluster)
        f.write(struct.pack(">Q", 2 * cluster))
        f.seek(3 * cluster)
        f.write(struct.pack(">Q", table | 1 << 63) * n)


def wait_for_work(pid):
    """Until it has had half a second of the processor."""
    deadline = time.monotonic() + PATIENCE
    while True:
        with open("/proc/%d/stat" % pid, encoding="ascii") as f:
            ticks = int(f.read().rsplit(")", 1)[1].split()[11])
        if ticks * 2 >= os.sysconf("SC_CLK_TCK"):
            return
        if time.monotonic() > deadline:
            raise Failed("it does nothing")
        time.sleep(0.02)


def add_signals(suite):
    @suite.case("SIGINT stops the check of a table that has no end")
    def _():
        with scratch() as d:
            write_endless_qcow2(os.path.join(d, "image"))
            job = Running(["check", "-q", "-f", "qcow2", "image"], d)
            wait_for_work(job.process.pid)
            job.process.send_signal(signal.SIGINT)
            try:
                status, _, err = job.end()
            finally:
                job.process.kill()
            assert_equal(130, status, err.decode())

    for kind in KINDS:
        suite.add("SIGINT removes a new %s target, exit 130" % kind,
                  check_signal, signal.SIGINT, 130, kind, False)
    suite.add("SIGTERM removes a new target, exit 143", check_signal,
              signal.SIGTERM, 143, "vmdk", False)
    suite.add("SIGHUP removes a new target, exit 129", check_signal,
              signal.SIGHUP, 129, "streamOptimized", False)
    suite.add("SIGINT leaves an existing target as it was", check_signal,
              signal.SIGINT, 130, "raw", True)

    @suite.case("SIGINT stops a creation that fills its file")
    def _():
        with scratch() as d:
            job = Running(["create", "-q", "-f", "raw", "-o",
                           "preallocation=full", "target", "4G"], d)
            wait_for_blocks(os.path.join(d, "target"))
            job.process.send_signal(signal.SIGINT)
            status, _, err = job.end()
            assert_equal(130, status, err.decode())
            assert_equal([], os.listdir(d), "left behind")

    @suite.case("a target that may not fit: a warning, or an error")
    def _():
        with scratch() as d:
            space = os.statvfs(d)
            huge = space.f_bavail * space.f_frsize + (1 << 30)
            vdisk_img("create", "-q", "-f", "vmdk", "empty.vmdk", str(huge),
                      cwd=d)
            with open(os.path.join(d, "source"), "wb") as f:
                f.truncate(huge)
            flat = ["convert", "-O", "vmdk", "-o",
                    "subformat=monolithicFlat,preallocation=full"]
            before = sorted(os.listdir(d))
            done = run([VDISK_IMG, *flat, "--require-space", "--output=json",
                        "-f", "raw", "source", "x.vmdk"], cwd=d)
            assert_equal(1, done.code, str(done))
            error = json.loads(done.stdout)["error"]
            if not re.search("left, but the copy may need up to",
                             error["message"]):
                raise Failed(str(done))
            assert_equal(before, sorted(os.listdir(d)), "files")
            # No data: a sparse target needs next to nothing.
            done = run([VDISK_IMG, "convert", "--require-space", "-O", "vmdk",
                        "empty.vmdk", "y.vmdk"], cwd=d)
            assert_equal((0, b""), (done.code, done.stderr), str(done))

    @suite.case("SIGUSR1 tells how far it is, on stderr")
    def _():
        with scratch() as d:
            make_noise(os.path.join(d, "source"), 4 * MIB)
            job = Running(["convert", *SLOW, "-f", "raw", "-O", "raw",
                           "source", "target"], d)
            wait_for_blocks(os.path.join(d, "target"))
            job.process.send_signal(signal.SIGUSR1)
            status, out, err = job.end()
            assert_equal((0, b""), (status, out), err.decode())
            if not re.fullmatch(rb"    \(\d+\.\d\d/100%\)\n", err):
                raise Failed(repr(err))


def close_streams(*fds):
    def close():
        for fd in fds:
            os.close(fd)
    return close


def check_closed_streams(fds, code, *args):
    """Messages go nowhere, in particular not into files that got the numbers of
    the closed streams."""
    with scratch() as d:
        make_noise(os.path.join(d, "source"), MIB)
        before = digest(os.path.join(d, "source"))
        done = subprocess.run([VDISK_IMG, *args], cwd=d, check=False,
                              stdout=subprocess.DEVNULL,
                              preexec_fn=close_streams(*fds),
                              timeout=PATIENCE)
        assert_equal(code, done.returncode, "status")
        assert_equal(before, digest(os.path.join(d, "source")), "source")
        if os.path.exists(os.path.join(d, "target")):
            assert_equal(before, digest(os.path.join(d, "target")), "target")


def add_inherited(suite):
    copy = ("convert", "-p", "-f", "raw", "-n", "source", "target")

    @suite.case("a closed stdout does not become an image")
    def _():
        for fds, code in (((1,), 1), ((0, 1, 2), 1), ((2,), 0)):
            check_closed_streams(fds, code, "convert", "-p", "-f", "raw",
                                 "source", "target")

    @suite.case("messages do not go into an image that is written in place")
    def _():
        with scratch() as d:
            for name in ("source", "target"):
                make_noise(os.path.join(d, name), MIB)
            done = subprocess.run([VDISK_IMG, *copy], cwd=d, check=False,
                                  preexec_fn=close_streams(0, 1, 2),
                                  timeout=PATIENCE)
            assert_equal(1, done.returncode, "status")
            assert_equal(digest(os.path.join(d, "source")),
                         digest(os.path.join(d, "target")), "target")

    @suite.case("a low soft limit on open files is raised")
    def _():
        def limit():
            _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
            resource.setrlimit(resource.RLIMIT_NOFILE, (32, hard))

        with scratch() as d:
            name = os.path.join(d, "split.vmdk")
            vdisk_img("create", "-q", "-f", "vmdk", "-o",
                      "subformat=twoGbMaxExtentSparse,split_size=1M", name,
                      "64M")
            done = subprocess.run([VDISK_IMG, "check", name], check=False,
                                  capture_output=True, preexec_fn=limit,
                                  timeout=PATIENCE)
            assert_equal(0, done.returncode, done.stderr.decode())


def add_full_disks(suite):
    for kind in KINDS:
        suite.add("a full disk leaves no %s target" % kind, check_full_disk,
                  kind)
        suite.add("a limit of file size leaves no %s target" % kind,
                  check_full_by_limit, kind, False)
    suite.add("a limit of file size leaves an existing target as it was",
              check_full_by_limit, "vmdk", True)


def add_in_use(suite):
    for read_only, who in ((False, "writer"), (True, "reader")):
        suite.add("convert refuses a raw target with a %s" % who,
                  check_in_use, "b.raw", "raw", read_only,
                  ["convert", "-O", "raw", "a.vmdk", "b.raw"])
        suite.add("create refuses a vmdk target with a %s" % who,
                  check_in_use, "a.vmdk", "vmdk", read_only,
                  ["create", "-f", "vmdk", "a.vmdk", "1M"])

    @suite.case("an image that is written to opens with -U only")
    def _():
        with scratch() as d:
            make_images(d)
            with Held(os.path.join(d, "a.vmdk"), "vmdk", False):
                text = vdisk_img_fails("info", "a.vmdk", cwd=d)
                if 'Failed to get shared "write" lock' not in text:
                    raise Failed(text)
                vdisk_img("info", "-U", "a.vmdk", cwd=d)

    @suite.case("VMware's lock of a process keeps changes out while it lives")
    def _():
        with scratch() as d:
            make_images(d)
            locks = os.path.join(d, "a.vmdk.lck")
            with Locked(os.path.join(d, "a.vmdk")) as holder:
                check_changes_refused(d, "process %d (disk-io) of this machine"
                                      % holder.process.pid)
                vdisk_img("info", "a.vmdk", cwd=d)
            assert not os.path.exists(locks), "left behind"
            with Locked(os.path.join(d, "a.vmdk")) as holder:
                holder.kill()
                assert os.path.exists(locks), "it held nothing"
                vdisk_img("resize", "b.raw", "3M", cwd=d)
                vdisk_img("commit", "c.vmdk", cwd=d)

    @suite.case("VMware's lock of another machine keeps changes out")
    def _():
        with scratch() as d:
            make_images(d)
            os.mkdir(os.path.join(d, "a.vmdk.lck"))
            with open(os.path.join(d, "a.vmdk.lck/M00042.lck"), "wb") as f:
                f.write(b"AAAAAP-----9AAA- 7-5(vmx) 1 X 1 lc=1".ljust(
                    512, b"\0"))
            check_changes_refused(d, "process 7 (vmx) of another machine")
            vdisk_img("info", "a.vmdk", cwd=d)


def add_refusals(suite):
    for name, args, words in (
            ("the source", ["-O", "raw", "a.raw", "a.raw"],
             "the target is the source itself"),
            ("a parent of the source", ["-O", "raw", "c.vmdk", "a.vmdk"],
             "the target is a parent of the source"),
            ("an extent of the source",
             ["-O", "raw", "f.vmdk", "f-f001.vmdk"],
             "the target is an extent of the source"),
            ("the second source", ["-f", "raw", "-O", "raw", "a.raw", "b.raw",
                                   "b.raw"],
             "the target is the source itself"),
            ("the source, with -n", ["-n", "-O", "raw", "a.raw", "a.raw"],
             "the target is the source itself")):
        suite.add("convert refuses to overwrite " + name, check_refused,
                  ["convert", *args], words)
    suite.add("convert knows the source by another name", check_refused,
              ["convert", "-O", "raw", "a.raw", "link"],
              "the target is the source itself", "a.raw")
    suite.add("convert --no-clobber refuses an existing target",
              check_refused,
              ["convert", "--no-clobber", "-O", "raw", "a.vmdk", "b.raw"],
              "b.raw")
    suite.add("create --no-clobber refuses an existing target",
              check_refused, ["create", "--no-clobber", "b.raw", "1M"],
              "b.raw")


def move_chain(directory):
    """c.vmdk and its parent's parent's directory go elsewhere: the name that
    c.vmdk has for its parent leads nowhere, the search for it does not."""
    for name in ("old", "old/vm", "old/base", "new", "new/vm", "new/base"):
        os.mkdir(os.path.join(directory, name))
    for name in ("a.vmdk", "c.vmdk"):
        os.unlink(os.path.join(directory, name))
    base = os.path.join(directory, "old/base/a.vmdk")
    vdisk_img("convert", "-O", "vmdk", os.path.join(directory, "a.raw"), base)
    vdisk_img("create", "-q", "-f", "vmdk", "-b", base, "-F", "vmdk",
              os.path.join(directory, "old/vm/c.vmdk"))
    for name in ("vm/c.vmdk", "base/a.vmdk"):
        os.rename(os.path.join(directory, "old", name),
                  os.path.join(directory, "new", name))


class BindMount:
    """The file @path mounted over itself; needs the right to mount."""

    def __init__(self, path):
        self.path = path
        done = subprocess.run([need("mount"), "--bind", path, path],
                              capture_output=True, check=False)
        if done.returncode != 0:
            raise Skip("files cannot be mounted here")

    def __enter__(self):
        return self.path

    def __exit__(self, *exc):
        subprocess.run(["umount", self.path], check=True)


def become_nobody():
    os.setgroups([])
    os.setgid(65534)
    os.setuid(65534)


def as_nobody(directory, *words):
    if os.geteuid() != 0:
        raise Skip("only root can become somebody else")
    try:
        done = subprocess.run([VDISK_IMG, *words], cwd=directory,
                              capture_output=True, check=False,
                              preexec_fn=become_nobody)
    except PermissionError as error:
        raise Skip("nobody may run this build") from error
    return done.returncode, done.stderr.decode()


@contextlib.contextmanager
def irreplaceable(mode):
    """A folder of that mode with a source, and a target that anybody may write
    to but that only root can replace."""
    with scratch() as d:
        make_noise(os.path.join(d, "source"), MIB)
        make_noise(os.path.join(d, "target"), 2 * MIB)
        os.chmod(os.path.join(d, "target"), 0o666)
        os.chmod(d, mode)
        yield d


def assert_overwritten(directory, inode):
    target = os.path.join(directory, "target")
    assert_equal(inode, os.stat(target).st_ino, "inode")
    assert_equal(digest(os.path.join(directory, "source")), digest(target),
                 "content")
    assert_equal(["source", "target"], sorted(os.listdir(directory)), "files")


def add_irreplaceable(suite):
    """Files that can be written to, but whose name cannot be given to
    another."""
    modes = ((0o1777, "in a sticky directory", "only its owner"),
             (0o755, "in somebody else's directory", "Permission denied"))

    @suite.case("a mounted file is overwritten")
    def _():
        with irreplaceable(0o755) as d, \
                BindMount(os.path.join(d, "target")) as target:
            inode = os.stat(target).st_ino
            vdisk_img("convert", "source", "target", cwd=d)
            assert_overwritten(d, inode)

    @suite.case("a mounted file stays with --atomic, before anything is copied")
    def _():
        with irreplaceable(0o755) as d:
            before = snapshot(d)
            with BindMount(os.path.join(d, "target")):
                text = vdisk_img_fails("convert", "--atomic", "-p", "source",
                                       "target", cwd=d)
            if "mount point" not in text:
                raise Failed(text)
            assert_unchanged(d, before)

    for mode, where, why in modes:
        @suite.case("somebody else's file %s is overwritten" % where)
        def _(mode=mode):
            with irreplaceable(mode) as d:
                inode = os.stat(os.path.join(d, "target")).st_ino
                assert_equal((0, ""), as_nobody(d, "convert", "source",
                                                "target"), "convert")
                assert_overwritten(d, inode)
                assert_equal((0, ""), as_nobody(d, "create", "-q", "target",
                                                "3M"), "create")
                assert_equal(3 * MIB, os.stat(os.path.join(d, "target")).st_size,
                             "size")

        @suite.case("somebody else's file %s stays with --atomic" % where)
        def _(mode=mode, why=why):
            with irreplaceable(mode) as d:
                before = snapshot(d)
                code, err = as_nobody(d, "convert", "--atomic", "source",
                                      "target")
                assert_equal((1, True), (code, why in err), err)
                assert_unchanged(d, before)

    @suite.case("a file that is overwritten must not be in use")
    def _():
        with irreplaceable(0o755) as d, held(os.path.join(d, "target")):
            before = snapshot(d)
            code, err = as_nobody(d, "convert", "source", "target")
            assert_equal((1, True), (code, "lock" in err), err)
            assert_unchanged(d, before)

    @suite.case("a failed copy leaves what it overwrites empty")
    def _():
        with irreplaceable(0o755) as d:
            make_damaged_stream(d)
            code, err = as_nobody(d, "convert", "s.vmdk", "target")
            assert_equal((1, True), (code, "error while reading" in err), err)
            assert_equal(0, os.stat(os.path.join(d, "target")).st_size, "size")


def add_moved_chains(suite):
    @suite.case("a chain that was moved is shown as it is read")
    def _():
        with scratch() as d:
            make_images(d)
            move_chain(d)
            text = vdisk_img("info", "-b", "new/vm/c.vmdk", cwd=d)
            if "image: new/vm/../base/a.vmdk" not in text:
                raise Failed(text)

    @suite.case("a chain that was moved can be copied over an existing file")
    def _():
        with scratch() as d:
            make_images(d)
            move_chain(d)
            vdisk_img("convert", "new/vm/c.vmdk", "b.raw", cwd=d)
            assert_equal(digest(os.path.join(d, "a.raw")),
                         digest(os.path.join(d, "b.raw")), "content")

    @suite.case("a parent that was moved is not overwritten either")
    def _():
        with scratch() as d:
            make_images(d)
            move_chain(d)
            text = vdisk_img_fails("convert", "new/vm/c.vmdk",
                                   "new/base/a.vmdk", cwd=d)
            if "the target is a parent of the source" not in text:
                raise Failed(text)

    @suite.case("a failure deep in a chain is told in one breath")
    def _():
        with scratch() as d:
            make_images(d)
            for parent, child in (("c", "d"), ("d", "e"), ("e", "f")):
                vdisk_img("create", "-q", "-f", "vmdk", "-b",
                          parent + ".vmdk", "-F", "vmdk", child + ".vmdk",
                          cwd=d)
            os.unlink(os.path.join(d, "a.vmdk"))
            text = vdisk_img_fails("convert", "f.vmdk", "x", cwd=d)
            assert_equal(1, text.count("Could not open backing file"), text)
            assert_one_error(text, r"c\.vmdk: parent \"a\.vmdk\"")

    @suite.case("create -u makes a child of a parent that is broken itself")
    def _():
        with scratch() as d:
            make_images(d)
            os.unlink(os.path.join(d, "a.vmdk"))
            words = ["create", "-q", "-f", "vmdk", "-b", "c.vmdk", "-F",
                     "vmdk", "d.vmdk", "10M"]
            vdisk_img_fails(*words, cwd=d)
            vdisk_img(*words[:1], "-u", *words[1:], cwd=d)


def add_devices(suite):
    @suite.case("a block device that is not empty needs --force or -n")
    def _():
        with scratch() as d:
            make_images(d)
            source = os.path.join(d, "a.raw")
            with noisy_device(d, 4 * MIB) as device:
                words = ["convert", "-f", "raw", "-O", "raw"]
                text = vdisk_img_fails(*words, source, device)
                if "a block device that is not empty" not in text:
                    raise Failed(text)
                for option in ("--force", "-n"):
                    with open(device, "r+b") as f:
                        f.write(b"x" * (2 * MIB))
                    vdisk_img(*words, option, source, device)
                    assert_equal(read_all(source, MIB),
                                 read_all(device, MIB), option)

    @suite.case("a block device in use needs --force")
    def _():
        with scratch() as d:
            make_images(d)
            with noisy_device(d, 4 * MIB) as device:
                user = os.open(device, os.O_RDONLY | os.O_EXCL)
                try:
                    text = vdisk_img_fails("convert", "-O", "raw", "a.raw",
                                           device, cwd=d)
                finally:
                    os.close(user)
                if "is mounted or otherwise in use" not in text:
                    raise Failed(text)

    @suite.case("a device that is too small stays as it was")
    def _():
        with scratch() as d:
            make_images(d)
            with noisy_device(d, 4 * MIB) as device:
                before = read_all(device, 4 * MIB)
                text = vdisk_img_fails("convert", "--force", "-O", "raw",
                                       "a.vmdk", device, cwd=d)
                assert_one_error(text, "4194304")
                assert_equal(True, before == read_all(device, 4 * MIB),
                             "content")


def add_bad_places(suite):
    @suite.case("a directory is no image")
    def _():
        with scratch() as d:
            text = vdisk_img_fails("info", d)
            if not text.startswith("vdisk-img: Could not open '%s': " % d) \
                    or "a regular file" not in text or text.count("\n") != 1:
                raise Failed(text)

    @suite.case("a target in a directory without write permission")
    def _():
        with scratch() as d:
            make_images(d)
            locked = os.path.join(d, "locked")
            os.mkdir(locked, 0o555)
            result = run([VDISK_IMG, "convert", "-O", "raw", "a.vmdk",
                          "locked/target"], cwd=d, obey_permissions=True)
            assert_equal(1, result.code, str(result))
            if b"Permission denied" not in result.stderr:
                raise Failed(str(result))
            assert_equal([], os.listdir(locked), "left behind")

    @suite.case("an unreadable source leaves an existing target as it was")
    def _():
        with scratch() as d:
            make_damaged_stream(d)
            make_noise(os.path.join(d, "target"), MIB)
            before = snapshot(d)
            text = vdisk_img_fails("convert", "-O", "raw", "s.vmdk",
                                   "target", cwd=d)
            assert_one_error(text, r"error while reading at byte \d+: ")
            assert_unchanged(d, before)

    @suite.case("--salvage makes zeroes of what cannot be read")
    def _():
        with scratch() as d:
            make_damaged_stream(d)
            vdisk_img("convert", "--salvage", "-q", "-O", "raw", "s.vmdk",
                      "target", cwd=d)
            with open(os.path.join(d, "noise"), "rb") as f:
                noise = f.read()
            with open(os.path.join(d, "target"), "rb") as f:
                saved = f.read()
            assert_equal(len(noise), len(saved), "size")
            same = sum(noise[i:i + 65536] == saved[i:i + 65536]
                       for i in range(0, len(noise), 65536))
            if not 24 <= same < 32:
                raise Failed("%d of 32 grains were saved" % same)

    @suite.case("a truncated source is one line, and no target")
    def _():
        with scratch() as d:
            make_images(d)
            with open(os.path.join(d, "s.vmdk"), "r+b") as f:
                f.seek(0, os.SEEK_END)
                f.truncate(f.tell() // 2)
            before = snapshot(d)
            text = vdisk_img_fails("convert", "-O", "raw", "s.vmdk",
                                   "target", cwd=d)
            assert_one_error(text, "s.vmdk")
            assert_unchanged(d, before)

    @suite.case("compare tells a bad map (3) from bad data (4)")
    def _():
        with scratch() as d:
            make_damaged_stream(d)
            vdisk_img_fails("compare", "s.vmdk", "noise", code=4, cwd=d)
            vdisk_img("convert", "-O", "vmdk", "noise", "m.vmdk", cwd=d)
            damage_grain_table(os.path.join(d, "m.vmdk"))
            text = vdisk_img_fails("compare", "m.vmdk", "noise", code=3,
                                   cwd=d)
            assert_one_error(text, "error while reading block status")


def main():
    suite = Suite()
    add_signals(suite)
    add_full_disks(suite)
    add_inherited(suite)
    add_in_use(suite)
    add_refusals(suite)
    add_moved_chains(suite)
    add_irreplaceable(suite)
    add_devices(suite)
    add_bad_places(suite)
    suite.run()


main()
