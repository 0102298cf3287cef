# SPDX-License-Identifier: BSD-3-Clause
"""vix_sample - run vdisk-vixsample.

Environment, set by tests/meson.build: VDISK_VIXSAMPLE.
"""
import os

from tools import SOURCE_ROOT, Failed, assert_no_crash, run

VIXSAMPLE = os.environ.get(
    "VDISK_VIXSAMPLE",
    os.path.join(SOURCE_ROOT, "build/tools/vixsample/vdisk-vixsample"))


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
