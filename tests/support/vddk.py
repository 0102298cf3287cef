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

import nbdkit
import vddk_plugin
from tools import need, run, scratch
from vix_sample import link_modules

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
    link_modules(os.path.join(lib64, "vdisk"))
    return directory


def file_of(path):
    """file=: of this machine, or "[datastore] path" of a server."""
    return "file=" + (path if path.startswith("[") else os.path.abspath(path))


@contextlib.contextmanager
def arguments(soname):
    """The arguments that load our library."""
    need("nbdkit")
    plugin = vddk_plugin.find()
    with scratch() as root:
        make_root(root, soname)
        yield [plugin, "libdir=" + root]


@contextlib.contextmanager
def serve(path, *parameters, soname=NEWEST, options=(), **kwargs):
    """@options go to nbdkit, @parameters (KEY=VALUE) to the plugin."""
    with arguments(soname) as words:
        with nbdkit.serve(*options, *words, file_of(path),
                          *parameters, **kwargs) as server:
            yield server


def run_with(path, command, *parameters, soname=NEWEST, options=()):
    """The other way: nbdkit runs the shell @command, in which $uri is set.
    Returns the result, with nbdkit's log as its stderr."""
    with arguments(soname) as words:
        return run([need("nbdkit"), "--verbose", "-U", "-", *options, *words,
                    file_of(path), *parameters,
                    "--run", command])


def dump_plugin(soname=NEWEST):
    """{key: value} of nbdkit --dump-plugin."""
    with arguments(soname) as words:
        result = run([need("nbdkit"), *words, "--dump-plugin"])
    text = nbdkit.succeed(result)
    return dict(line.split("=", 1) for line in text.splitlines()
                if "=" in line)
