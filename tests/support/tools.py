# SPDX-License-Identifier: BSD-3-Clause
"""tools - run vdisk-img and the programs it is compared with.

Environment, set by tests/meson.build: VDISK_IMG, VDISK_IO, VDISK_SOURCE_ROOT,
VDISK_BUILD_ROOT.
"""
import contextlib
import ctypes
import os
import random
import resource
import shutil
import socket
import subprocess
import tempfile

import heap
from tap import Skip

heap.keep_what_is_freed()

SOURCE_ROOT = os.environ.get(
    "VDISK_SOURCE_ROOT",
    os.path.abspath(os.path.join(os.path.dirname(__file__), "../..")))
BUILD_ROOT = os.environ.get("VDISK_BUILD_ROOT",
                            os.path.join(SOURCE_ROOT, "build"))
VDISK_IMG = os.environ.get(
    "VDISK_IMG", os.path.join(BUILD_ROOT, "tools/img/vdisk-img"))
VDISK_IO = os.environ.get(
    "VDISK_IO", os.path.join(BUILD_ROOT, "tools/io/vdisk-io"))
# Ways to disks, as the library names them.
TRANSPORTS = os.environ.get("VDISK_TRANSPORTS", "file:san:hotadd:nbdssl:nbd")
LONG = os.environ.get("VDISK_TEST_LONG", "") not in ("", "0")

# Sanitizers reserve terabytes of address space.
UNDER_SANITIZER = os.environ.get("VDISK_SANITIZE", "none") != "none"
# Where most would only be said again (tests/support/effort.h).
SHORT = not LONG and (
    UNDER_SANITIZER or os.environ.get("VDISK_TEST_SHORT", "") not in ("", "0"))
# What sanitizers and crash handlers print.
CRASH_MARKS = (b"Sanitizer", b"runtime error:", b"Assertion", b"ERROR:",
               b"CRITICAL", b"WARNING **")

# Does to an image what the command line says (tests/support/disk-io.c).
DISK_IO = os.environ.get(
    "VDISK_DISK_IO", os.path.join(SOURCE_ROOT, "build/tests/support/disk-io"))

KINDS = ("monolithicSparse", "monolithicFlat", "twoGbMaxExtentSparse",
         "twoGbMaxExtentFlat", "streamOptimized")
# As on ESXi's datastores; to other readers they are one.
VMFS_KINDS = ("vmfs", "vmfsThin", "vmfsEagerZeroedThick")


class Failed(AssertionError):
    """A program did not do what was wanted of it."""


class Result:
    def __init__(self, argv, done):
        self.argv = argv
        self.code = done.returncode
        self.stdout = done.stdout
        self.stderr = done.stderr

    def __str__(self):
        return "%s\nexit %d\nstdout: %s\nstderr: %s" % (
            " ".join(self.argv), self.code,
            self.stdout.decode(errors="replace")[-2000:],
            self.stderr.decode(errors="replace")[-4000:])


def drop_root_override():
    """Have file permissions bind root, too, from the next exec on."""
    libc = ctypes.CDLL(None, use_errno=True)
    for capability in (1, 2):  # CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH
        if libc.prctl(24, capability, 0, 0, 0):  # PR_CAPBSET_DROP
            os._exit(126)


def run(argv, stdin=None, timeout=600, memory=None, cpu_seconds=None, env=None,
        cwd=None, obey_permissions=False):
    """Run to the end; @memory limits the address space in bytes, @cpu_seconds
    what it may have of the processor, be the machine as busy as it likes."""
    limits_memory = memory and not UNDER_SANITIZER
    gives_up_root = obey_permissions and os.geteuid() == 0

    def limit():
        if limits_memory:
            resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
        if cpu_seconds:
            resource.setrlimit(resource.RLIMIT_CPU, (cpu_seconds, cpu_seconds))
        if gives_up_root:
            drop_root_override()

    # Without a function to call there Python need not copy its tables of pages
    # for the new process: with large models that takes longer than the program.
    full_env = dict(os.environ, LC_ALL="C.UTF-8", **(env or {}))
    done = subprocess.run(
        argv, input=stdin, capture_output=True, timeout=timeout,
        preexec_fn=limit if limits_memory or cpu_seconds or gives_up_root
        else None,
        env=full_env, cwd=cwd, check=False)
    result = Result(argv, done)
    if obey_permissions and result.code == 126:
        raise Skip("root may not give up capabilities here")
    if argv[0] in (VDISK_IMG, DISK_IO):
        assert_no_crash(result)
    return result


def assert_no_crash(result):
    if result.code < 0:
        raise Failed("killed by a signal: %s" % result)
    for mark in CRASH_MARKS:
        if mark in result.stderr:
            raise Failed("%s in stderr: %s" % (mark.decode(), result))


def free_port(address):
    """One of @address that nobody has.  Below those which the kernel gives
    away by itself: else any client may have it before the server does."""
    while True:
        port = random.SystemRandom().randrange(20000, 32000)
        with socket.socket() as sock:
            try:
                sock.bind((address, port))
                return port
            except OSError:
                pass


def need(program):
    """Path of @program, or skip."""
    path = shutil.which(program)
    if not path:
        raise Skip("%s is not installed" % program)
    return path


def vdisk_img(*args, engine=None, **kwargs):
    """Run vdisk-img; it must succeed.  Returns its stdout as text."""
    env = {"VDISK_ENGINE": engine} if engine else None
    result = run([VDISK_IMG, *map(str, args)], env=env, **kwargs)
    if result.code != 0:
        raise Failed(str(result))
    return result.stdout.decode()


def vdisk_img_fails(*args, code=1, engine=None, **kwargs):
    """Run vdisk-img; it must fail with @code.  Returns its stderr as text."""
    env = {"VDISK_ENGINE": engine} if engine else None
    result = run([VDISK_IMG, *map(str, args)], env=env, **kwargs)
    if result.code != code:
        raise Failed("wanted exit %d: %s" % (code, result))
    if not result.stderr:
        raise Failed("failed without a word: %s" % result)
    return result.stderr.decode()


def qemu_img(*args, **kwargs):
    result = run([need("qemu-img"), *map(str, args)], **kwargs)
    if result.code != 0:
        raise Failed(str(result))
    return result.stdout.decode()


def qemu_io(image, *commands, fmt="vmdk", flags=()):
    """Run qemu-io commands on @image; each of them must succeed."""
    argv = [need("qemu-io"), *flags, "-f", fmt]
    for command in commands:
        argv += ["-c", command]
    result = run(argv + [str(image)])
    text = result.stdout.decode()
    if result.code != 0 or "failed" in text or "ERROR" in text:
        raise Failed(str(result))
    return text


def disk_io(*words, **kwargs):
    """Run disk-io; it must succeed.  Returns its stdout."""
    result = run([DISK_IO, *map(str, words)], **kwargs)
    if result.code != 0:
        raise Failed(str(result))
    return result.stdout


def words_for(writes):
    """The @writes of a Model as words for disk-io."""
    words = []
    for kind, offset, length, path in writes:
        words += [kind, offset, path if kind == "write" else length]
    return words


def write_with_vdisk(image, writes, *last):
    """Do the @writes of a Model to @image, in one session."""
    disk_io(image, *words_for(writes), *last)


def write_with_qemu(image, writes, fmt="vmdk"):
    commands = []
    for kind, offset, length, path in writes:
        source = "-s %s" % path if kind == "write" else "-z"
        commands.append("write -q %s %d %d" % (source, offset, length))
    qemu_io(image, *commands, fmt=fmt, flags=("-t", "unsafe"))


@contextlib.contextmanager
def scratch():
    """A directory that is gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="vdisk-test-") as path:
        yield path


def kernel_allows_uring():
    """Ask the kernel itself, so that a broken engine cannot hide."""
    libc = ctypes.CDLL(None, use_errno=True)
    params = ctypes.create_string_buffer(120)  # struct io_uring_params
    fd = libc.syscall(425, 4, params)          # io_uring_setup
    if fd >= 0:
        os.close(fd)
    return fd >= 0


def need_engine(engine):
    """Skip if @engine cannot work here."""
    if engine != "uring":
        return
    if os.environ.get("VDISK_HAVE_URING") == "0":
        raise Skip("built without liburing")
    if not kernel_allows_uring():
        raise Skip("the kernel does not allow io_uring here")


def working_engines():
    """The engines that must work here; never empty."""
    try:
        need_engine("uring")
    except Skip:
        return ["threads"]
    return ["threads", "uring"]
