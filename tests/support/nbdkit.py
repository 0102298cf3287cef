# SPDX-License-Identifier: BSD-3-Clause
"""nbdkit - an nbdkit server for as long as a test needs it, and its clients.

    with nbdkit.serve("memory", "10M") as server:
        nbdcopy("data.raw", server.uri)
        print(server.errors())

The server speaks over a Unix socket, is stopped whatever happens, and dies
with the test.  Its whole --verbose log is kept.  A case fails if the server
did not end well, or crashed, or complained although nobody expected it to.
"""
import contextlib
import json
import os
import re
import signal
import subprocess
import time

from tap import Skip
from tools import (CRASH_MARKS, Failed, drop_root_override, need, qemu_io,
                   run, scratch)

START_SECONDS = 60
STOP_SECONDS = 60

ERROR = re.compile(r"^nbdkit: (?:[\w.-]+(?:\[\d+\])?: )?error: (.*)$", re.M)
DEBUG = re.compile(r"^nbdkit: (?:[\w.-]+(?:\[\d+\])?: )?debug: (.*)$", re.M)


def errors_of(log):
    """What nbdkit reports as errors, those of its plugin included."""
    return ERROR.findall(log)


def debug_of(log):
    return DEBUG.findall(log)


class Server:
    def __init__(self, directory):
        self.socket = os.path.join(directory, "nbd.sock")
        self.uri = "nbd+unix:///?socket=" + self.socket
        self.pid_file = os.path.join(directory, "nbdkit.pid")
        self.log_path = os.path.join(directory, "nbdkit.log")
        self.process = None
        self.kept_log = None  # when the directory is gone

    def start(self, args, obey_permissions):
        argv = [need("nbdkit"), "--foreground", "--exit-with-parent",
                "--verbose", "--pidfile", self.pid_file,
                "--unix", self.socket, *map(str, args)]

        # None wherever it can be: see tools.run().
        limits = obey_permissions and os.geteuid() == 0
        with open(self.log_path, "wb") as log:
            self.process = subprocess.Popen(
                argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                preexec_fn=drop_root_override if limits else None,
                env=dict(os.environ, LC_ALL="C.UTF-8"))
        self.wait_until_up(obey_permissions)

    def wait_until_up(self, obey_permissions):
        end = time.monotonic() + START_SECONDS
        while not os.path.exists(self.pid_file):
            code = self.process.poll()
            if code == 126 and obey_permissions:
                raise Skip("root may not give up capabilities here")
            if code is not None:
                raise Failed("nbdkit did not start, exit %d" % code)
            if time.monotonic() > end:
                raise Failed("nbdkit does not come up")
            time.sleep(0.005)

    def terminate(self):
        """Ask it to end, without waiting."""
        self.process.send_signal(signal.SIGTERM)

    def wait(self):
        """Its exit code; Failed if it does not end."""
        try:
            return self.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            raise Failed("nbdkit does not end") from None

    def stop(self):
        if self.process.poll() is None:
            self.terminate()
        code = self.wait()
        if code != 0:
            raise Failed("nbdkit ended with %d" % code)

    def finish(self):
        """It is gone afterwards, its log is not."""
        if self.process and self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self.kept_log = self.log()

    def log(self):
        if self.kept_log is not None:
            return self.kept_log
        with open(self.log_path, encoding="utf-8", errors="replace") as file:
            return file.read()

    def tail(self):
        return self.log()[-6000:]

    def errors(self):
        return errors_of(self.log())

    def expect_no_crash(self):
        log = self.log()
        for mark in CRASH_MARKS:
            if mark.decode() in log:
                raise Failed("%s in nbdkit's log:\n%s" % (mark.decode(), log))

    def expect_no_complaint(self):
        if self.errors():
            raise Failed("nbdkit complained: %s\n%s"
                         % ("; ".join(self.errors()), self.tail()))


@contextlib.contextmanager
def serve(*args, may_complain=False, obey_permissions=False):
    """nbdkit with @args until the end of the block."""
    with scratch() as directory:
        server = Server(directory)
        try:
            server.start(args, obey_permissions)
            yield server
            server.stop()
        except Failed as failure:
            raise Failed("%s\n--- nbdkit's log ends with\n%s" % (
                failure, server.tail())) from None
        finally:
            server.finish()
        server.expect_no_crash()
        if not may_complain:
            server.expect_no_complaint()


# -- clients -------------------------------------------------------------------

def succeed(result):
    if result.code != 0:
        raise Failed(str(result))
    return result.stdout.decode()


def nbdcopy(*args, **kwargs):
    return succeed(run([need("nbdcopy"), *map(str, args)], **kwargs))


def nbdinfo(*args, **kwargs):
    return succeed(run([need("nbdinfo"), *map(str, args)], **kwargs))


def reads(uri, *commands):
    """qemu-io commands that only read."""
    return qemu_io(uri, *commands, fmt="raw", flags=["-r"])


def size_of(uri):
    return int(nbdinfo("--size", uri))


def export_of(uri):
    """What the server says about its export."""
    return json.loads(nbdinfo("--json", uri))["exports"][0]


def map_of(uri):
    """[(offset, length, "data" or "hole,zero" ...)]"""
    return [(entry["offset"], entry["length"], entry["description"])
            for entry in json.loads(nbdinfo("--map", "--json", uri))]
