# SPDX-License-Identifier: BSD-3-Clause
"""terminal - a program that has a terminal to ask at.

    with Terminal([VDISK_IMG, ...]) as terminal:
        terminal.await_text("Password")
        terminal.type("secret\\n")
        result = terminal.finish()

Its standard streams are pipes; what it writes to the terminal itself is in
terminal.shown.  It is killed if it still runs at the end of the block.
"""
import fcntl
import os
import pty
import select
import subprocess
import termios
import time

from tools import Failed, Result

SECONDS = 60


class Terminal:
    def __init__(self, argv, env=None):
        self.argv = argv
        self.shown = b""
        self.ours, theirs = pty.openpty()
        try:
            self.process = subprocess.Popen(
                argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                stderr=subprocess.PIPE, start_new_session=True,
                preexec_fn=lambda: fcntl.ioctl(theirs, termios.TIOCSCTTY, 0),
                env=dict(os.environ, **(env or {})))
        except BaseException:
            os.close(self.ours)
            os.close(theirs)
            raise
        # Kept open: a terminal that nobody has forgets its settings.
        self.theirs = theirs

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
        self.process.communicate()
        os.close(self.ours)
        os.close(self.theirs)

    def read(self, seconds):
        """What has been shown meanwhile; False = nothing has."""
        if not select.select([self.ours], [], [], seconds)[0]:
            return False
        self.shown += os.read(self.ours, 4096)
        return True

    def await_text(self, text, times=1):
        end = time.monotonic() + SECONDS
        while self.shown.count(text.encode()) < times:
            if not self.read(1) and (time.monotonic() > end or
                                     self.process.poll() is not None):
                raise Failed("%r has not been shown: %r, exit %s" % (
                    text, self.shown, self.process.poll()))

    def type(self, text):
        os.write(self.ours, text.encode())

    def echoes(self):
        return bool(termios.tcgetattr(self.theirs)[3] & termios.ECHO)

    def proc(self, name):
        with open("/proc/%d/%s" % (self.process.pid, name), "rb") as file:
            return file.read()

    def finish(self):
        out, err = self.process.communicate(timeout=SECONDS)
        while self.read(0):
            pass
        return Result(self.argv, subprocess.CompletedProcess(
            self.argv, self.process.returncode, out, err))
