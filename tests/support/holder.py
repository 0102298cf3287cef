# SPDX-License-Identifier: BSD-3-Clause
"""holder - somebody who has an image open for the length of a with block."""
import subprocess

from tools import DISK_IO, Failed, need


class Holder:
    """A program that has an image open until the with block ends."""

    def __init__(self, argv, greeting, say=b""):
        self.argv = argv
        self.greeting = greeting
        self.say = say

    def __enter__(self):
        self.process = subprocess.Popen(self.argv, stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE)
        self.process.stdin.write(self.say)
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        if self.greeting not in line:
            raise Failed("%s says %r" % (self.argv, line))

    def __exit__(self, *_):
        self.process.stdin.close()
        self.process.stdout.read()
        self.process.wait()
        self.process.stdout.close()


def qemu_holds(image, fmt, *flags):
    return Holder([need("qemu-io"), *flags, "-f", fmt, image],
                  b"read 512/512", b"read 0 512\n")


def we_hold(image, fmt, *flags):
    return Holder([DISK_IO, *flags, "-f", fmt, image, "wait"], b"ready")
