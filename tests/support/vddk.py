# SPDX-License-Identifier: BSD-3-Clause
"""vddk - our libvixDiskLib behind nbdkit's unmodified vddk plugin.

    with vddk.serve("/some/disk.vmdk", soname=7) as server:
        nbdcopy(server.uri, "copy.raw")

Everything that nbdkit's log must not have on a good disk is asked for on the
way out: what the library passes to its "warn" and "panic" functions comes out
of the plugin as an error.
"""
import contextlib
import os
import re
import subprocess

import nbdkit
import vddk_plugin
from tools import UNDER_SANITIZER, need, run, scratch

# Where soN/libvixDiskLib.so.N are.
LIBRARIES = os.environ.get(
    "VDISK_VIX_DIR", os.path.join(vddk_plugin.BUILD_ROOT, "vix"))
# Those that the plugin knows.
SONAMES = (8, 7, 6)
NEWEST = 8

# The kinds that the plugin's create-type= takes, and what they become.
CREATE_TYPES = {
    "monolithic-sparse": "monolithicSparse",
    "monolithic-flat": "monolithicFlat",
    "split-sparse": "twoGbMaxExtentSparse",
    "split-flat": "twoGbMaxExtentFlat",
    "vmfs-flat": "vmfs",
    "stream-optimized": "streamOptimized",
    "vmfs-thin": "vmfs",
    "vmfs-sparse": "vmfsSparse",
}


def library(soname):
    return os.path.realpath(os.path.join(
        LIBRARIES, "so%d" % soname, "libvixDiskLib.so.%d" % soname))


def make_root(directory, soname):
    """A directory for libdir=, as an installation of VDDK looks; it has one
    version of the library only, since the plugin takes the newest."""
    lib64 = os.path.join(directory, "lib64")
    os.makedirs(lib64)
    for name in ("libvixDiskLib.so", "libvixDiskLib.so.%d" % soname):
        os.symlink(library(soname), os.path.join(lib64, name))
    return directory


def sanitizer_env(soname):
    """A program that is not built with sanitizers must load their libraries
    first; leaks are looked for in programs of ours, not in nbdkit."""
    if not UNDER_SANITIZER:
        return {}
    text = subprocess.run(["ldd", library(soname)], capture_output=True,
                          text=True, check=True).stdout
    paths = re.findall(r"=> (\S*/lib(?:asan|ubsan|tsan)\S*)", text)
    options = os.environ.get("ASAN_OPTIONS", "")
    return {"LD_PRELOAD": ":".join(paths),
            "ASAN_OPTIONS": options + ":detect_leaks=0"}


@contextlib.contextmanager
def arguments(soname):
    """(the arguments that load our library, environment)"""
    need("nbdkit")
    plugin = vddk_plugin.find()
    with scratch() as root:
        make_root(root, soname)
        yield [plugin, "libdir=" + root], sanitizer_env(soname)


@contextlib.contextmanager
def serve(path, *parameters, soname=NEWEST, options=(), **kwargs):
    """@options go to nbdkit, @parameters (KEY=VALUE) to the plugin."""
    with arguments(soname) as (words, env):
        with nbdkit.serve(*options, *words, "file=" + os.path.abspath(path),
                          *parameters, env=env, **kwargs) as server:
            yield server


def run_with(path, command, *parameters, soname=NEWEST, options=()):
    """The other way: nbdkit runs the shell @command, in which $uri is set.
    Returns the result, with nbdkit's log as its stderr."""
    with arguments(soname) as (words, env):
        return run([need("nbdkit"), "--verbose", "-U", "-", *options, *words,
                    "file=" + os.path.abspath(path), *parameters,
                    "--run", command], env=env)


def dump_plugin(soname=NEWEST):
    """{key: value} of nbdkit --dump-plugin."""
    with arguments(soname) as (words, env):
        result = run([need("nbdkit"), *words, "--dump-plugin"], env=env)
    text = nbdkit.succeed(result)
    return dict(line.split("=", 1) for line in text.splitlines()
                if "=" in line)
