# SPDX-License-Identifier: BSD-3-Clause
"""vix_sample - run vdisk-vixsample.

Environment, set by tests/meson.build: VDISK_VIXSAMPLE, VDISK_BUILD_ROOT.
"""
import contextlib
import os

from tools import SOURCE_ROOT, Failed, assert_no_crash, run, scratch

BUILD_ROOT = os.environ.get("VDISK_BUILD_ROOT",
                            os.path.join(SOURCE_ROOT, "build"))
VIXSAMPLE = os.environ.get(
    "VDISK_VIXSAMPLE",
    os.path.join(BUILD_ROOT, "tools/vixsample/vdisk-vixsample"))


def vixsample_run(*args, **kwargs):
    result = run([VIXSAMPLE, *map(str, args)], **kwargs)
    assert_no_crash(result)
    return result


def vixsample(*args, **kwargs):
    """It must succeed, and say nothing on stderr.  Returns its stdout."""
    result = vixsample_run(*args, **kwargs)
    if result.code != 0 or result.stderr:
        raise Failed(str(result))
    return result.stdout.decode()


def vixsample_fails(*args, **kwargs):
    """It must fail with 1.  Returns its stderr."""
    result = vixsample_run(*args, **kwargs)
    if result.code != 1 or not result.stderr:
        raise Failed(str(result))
    return result.stderr.decode()


def link_modules(directory):
    """What the library loads when it first needs it, as it is installed."""
    os.mkdir(directory)
    for folder in ("io", "vsphere"):
        built = os.path.join(BUILD_ROOT, folder)
        for name in os.listdir(built):
            if name.startswith("vdisk-") and name.endswith(".so"):
                os.symlink(os.path.join(built, name),
                           os.path.join(directory, name))


@contextlib.contextmanager
def vix_root(version=8):
    """An installation root that has the library of @version only."""
    name = "libvixDiskLib.so.%d" % version
    with scratch() as root:
        os.mkdir(os.path.join(root, "lib64"))
        os.symlink(os.path.join(BUILD_ROOT, "vix/so%d" % version, name),
                   os.path.join(root, "lib64", name))
        link_modules(os.path.join(root, "lib64/vdisk"))
        yield root
