# SPDX-License-Identifier: BSD-3-Clause
"""running - vdisk-img in the background, to be stopped in the middle."""
import os
import re
import signal
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../support"))

from tools import VDISK_IMG, Failed  # noqa: E402

PATIENCE = 120            # seconds until a process is called stuck
# Whoever runs the tests may have some of them ignored (nohup does), and the
# program rightly leaves those alone.
IGNORED = [number for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
           if signal.getsignal(number) == signal.SIG_IGN]


def default_signals():
    for number in IGNORED:
        signal.signal(number, signal.SIG_DFL)


class Running:
    """vdisk-img in the background, its progress read line by line."""

    def __init__(self, args, cwd, engine=None, stdin=None):
        env = dict(os.environ, VDISK_ENGINE=engine) if engine else None
        # Without a function, if it can be: see tools.run().
        self.process = subprocess.Popen(
            [VDISK_IMG, *args], cwd=cwd, env=env, stdin=stdin,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            preexec_fn=default_signals if IGNORED else None)

    def wait_for_share(self):
        """Until some percent are done: the copy has begun."""
        text = b""
        deadline = time.monotonic() + PATIENCE
        while not re.search(rb"\((?!0\.00)\d+\.\d\d/100%\)", text):
            byte = self.process.stdout.read(1)
            if not byte or time.monotonic() > deadline:
                raise Failed("no progress: %r" % text)
            text += byte

    def end(self):
        out, err = self.process.communicate(timeout=PATIENCE)
        return self.process.returncode, out, err
