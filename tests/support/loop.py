# SPDX-License-Identifier: BSD-3-Clause
"""loop - block devices over files, for tests; need root."""
import subprocess

from tap import Skip
from tools import need


class LoopDevice:
    """with LoopDevice(FILE) as "/dev/loopN"; @options of losetup."""

    def __init__(self, backing, *options):
        done = subprocess.run(
            [need("losetup"), "-f", "--show", *options, backing],
            capture_output=True, check=False)
        if done.returncode != 0:
            raise Skip("no loop device is to be had here")
        self.path = done.stdout.decode().strip()

    def __enter__(self):
        return self.path

    def __exit__(self, *exc):
        subprocess.run(["losetup", "-d", self.path], check=True)
