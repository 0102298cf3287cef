#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""test-nbd-proxy - seeded accidents on the way between client and server.

Either the operation succeeds and every byte is right, as the server itself shows
it, or it fails with words; it never hangs, crashes, or is wrong in silence.
VDISK_TEST_LONG=1 has a thousand scenarios, VDISK_TEST_SEED=1000 others than
usual.  One of them again:

    test-nbd-proxy.py 'seed 17:*'
"""
import concurrent.futures
import contextlib
import fnmatch
import json
import os
import queue
import re
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../support"))

import nbd_peers  # noqa: E402
import nbd_proxy  # noqa: E402
import nbd_wire as wire  # noqa: E402
from nbd_certs import Certs  # noqa: E402
from nbd_peers import Link  # noqa: E402
from scenarios import (BLOCK, HALF, SIZE, Scenario, Script, other_content,  # noqa: E402
                       start_content)
from tap import Suite  # noqa: E402
from tools import (LONG, SHORT, VDISK_IMG, VDISK_IO, Failed,  # noqa: E402
                   assert_no_crash, need, run, scratch, vdisk_img)

FIRST = int(os.environ.get("VDISK_TEST_SEED", "0"))
COUNT = 1000 if LONG else 60 if SHORT else 180
WORKERS = 3
DEADLINE = 90

suite = Suite()
outcomes = {"succeeded": 0, "failed": 0}


class Store:
    """A server, and what it holds."""

    def __init__(self, peer, path=None):
        self.peer = peer
        self.path = path  # where it can be looked at but through TLS

    def fill(self, content):
        # Whoever was cut off may have left writes behind, which would come
        # after ours.
        self.peer.wait_until_left()
        if not self.path:
            wire.fill(self.peer, content)
            return
        with open(self.path, "r+b") as file:
            file.write(content)

    def content(self):
        if not self.path:
            return wire.content(self.peer)
        with open(self.path, "rb") as file:
            return file.read()


def start_stores(stack, directory, certs, names):
    """{name: Store}, for one worker."""
    os.makedirs(directory)
    path = os.path.join(directory, "disk.raw")
    stores = {}
    for name in names:
        file = "%s-%s" % (path, name.replace(" ", "-"))
        with open(file, "wb") as disk:
            disk.truncate(SIZE)
        if name == "nbdkit TLS":
            peer = nbd_peers.nbdkit("file", file, link=Link("unix", "psk", certs))
        elif name == "qemu-nbd":
            peer = nbd_peers.qemu_nbd(file)
        elif name == "vdisk-nbd":
            peer = nbd_peers.vdisk_nbd(file)
        else:
            options = ["--no-sr"] if "simple" in name else []
            peer = nbd_peers.nbdkit("memory", SIZE, options=options)
        stores[name] = Store(stack.enter_context(peer),
                             file if "TLS" in name else None)
    return stores


# -- operations --------------------------------------------------------------------

class Trial:
    """A scenario under way."""

    def __init__(self, scenario, store, tmp):
        self.scenario = scenario
        self.store = store
        self.tmp = tmp
        self.before = start_content(scenario.seed)
        self.after = self.before  # if all goes well
        store.fill(self.before)

    def path(self, name, content=None):
        path = os.path.join(self.tmp, name)
        if content is not None:
            with open(path, "wb") as file:
                file.write(content)
        return path

    def run(self, argv):
        try:
            result = run(argv, timeout=DEADLINE)
        except subprocess.TimeoutExpired:
            raise Failed("it hangs: %s" % " ".join(argv)) from None
        if not self.scenario.theirs:
            assert_no_crash(result)
        return result

    def ours(self, proxy, argv, *more):
        """With our client's name of the other end behind @argv."""
        options = self.scenario.options()
        name = {"driver": "raw", "file": dict({
            "driver": "nbd", "server.type": "unix", "server.path": proxy.socket,
        }, **{key: str(value) for key, value in options.items()})}
        link = self.store.peer.link
        if link.tls:
            name["file"].update({"tls": "on", "tls-username": "qemu",
                                 "tls-psk-file": link.certs.psk_file})
        return self.run([*argv, "json:" + json.dumps(name), *more])

    # Each returns the Result; what it has to show is looked at first.

    def io(self, proxy):
        script = Script(self.scenario, self.before)
        self.after = bytes(script.disk)
        words = [word for c in script.commands for word in ("-c", c)]
        result = self.ours(proxy, [VDISK_IO, *words])
        self.look_at_patterns(result)
        return result

    def look_at_patterns(self, result):
        text = result.stdout.decode()
        for match in re.finditer(
                r"Pattern verification failed at offset (\d+)", text):
            # What could not be written need not be there.
            if int(match[1]) < HALF or "write failed" not in text.replace(
                    "aio_write", "write"):
                raise Failed("wrong bytes were read: %s" % result)

    def read(self, proxy):
        out = self.path("out.raw", b"")
        result = self.ours(proxy, [VDISK_IMG, "convert", "-O", "raw"], out)
        if result.code == 0:
            self.expect_bytes(out, result)
        return result

    def expect_bytes(self, out, result):
        with open(out, "rb") as file:
            got = file.read()
        if got == self.before:
            return
        held = self.store.content()
        raise Failed("wrong bytes were read, %d bytes; at %s the server is right, "
                     "at %s it is not: %s" % (
                         len(got), differences(got, held),
                         differences(held, self.before), result))

    def write(self, proxy):
        self.after = other_content(self.scenario.seed)
        source = self.path("source.raw", self.after)
        return self.ours(proxy, [VDISK_IMG, "convert", "-n", "-f", "raw", "-O",
                                 "raw", source])

    def compare(self, proxy):
        source = self.path("source.raw", self.before)
        result = self.ours(proxy, [VDISK_IMG, "compare", source])
        if result.code == 1:
            raise Failed("a difference was made up: %s" % result)
        return result

    def map(self, proxy):
        wanted = json.loads(vdisk_img("map", "--output=json", "-f", "raw",
                                      self.store.peer.uri()
                                      if not self.store.path else self.store.path))
        result = self.ours(proxy, [VDISK_IMG, "map", "--output=json"])
        if result.code == 0:
            rows = [(row["start"], row["length"], row["data"])
                    for row in json.loads(result.stdout)]
            if rows != [(row["start"], row["length"], row["data"])
                        for row in wanted] and not self.store.path:
                if not self.scenario.harm == "option":
                    raise Failed("wrong extents: %s" % result)
        return result

    # -- others' clients, our server ----------------------------------------------

    def nbdcopy_read(self, proxy):
        out = self.path("out.raw", b"")
        result = self.run([need("nbdcopy"), proxy.uri(), out])
        if result.code == 0 and not self.scenario.spoils_contents():
            self.expect_bytes(out, result)
        return result

    def nbdcopy_write(self, proxy):
        self.after = other_content(self.scenario.seed)
        source = self.path("source.raw", self.after)
        return self.run([need("nbdcopy"), "--flush", source, proxy.uri()])

    def qemu_io(self, proxy):
        # With several requests in flight qemu-io 7.2 may wait for ever when the
        # connection is lost.
        script = Script(self.scenario, self.before, parallel=False)
        self.after = bytes(script.disk)
        words = [word for c in script.commands for word in ("-c", c)]
        result = self.run([need("qemu-io"), *words, "-f", "raw", proxy.uri()])
        if not self.scenario.spoils_contents():
            self.look_at_patterns(result)
        return result


def differences(got, wanted):
    return [(at, got[at:at + 16].hex(), wanted[at:at + 16].hex())
            for at in range(0, SIZE, BLOCK)
            if got[at:at + BLOCK] != wanted[at:at + BLOCK]][:5]


def has_failed(result):
    text = result.stdout + result.stderr
    return result.code != 0 or b"failed" in text or b"error" in text.lower()


def play(seed, stores):
    scenario = Scenario(seed)
    store = stores[scenario.server]
    with scratch() as tmp:
        trial = Trial(scenario, store, tmp)
        with nbd_proxy.between(store.peer, scenario.plan) as proxy:
            operation = getattr(trial, scenario.operation.replace(" ", "_").replace(
                "-", "_"))
            result = operation(proxy)
    failed = has_failed(result)
    outcomes["failed" if failed else "succeeded"] += 1
    if failed and not (result.stdout + result.stderr).strip():
        raise Failed("it failed without a word: %s" % result)
    if failed and scenario.must_succeed():
        raise Failed("it should have succeeded: %s" % result)
    content = store.content()
    if scenario.spoils_contents():
        return  # the server lives: that is all
    if not failed and content != trial.after:
        raise Failed("it succeeded, but the disk is another one: %s" % result)
    if scenario.operation == "io" and content[:HALF] != trial.before[:HALF]:
        raise Failed("written where nobody wrote: %s" % result)


# -- all of them, several at once ----------------------------------------------------

def chosen():
    patterns = sys.argv[1:]
    for seed in range(FIRST, FIRST + COUNT):
        name = str(Scenario(seed))
        if not patterns or any(fnmatch.fnmatch(name, p) for p in patterns):
            yield name, seed


def main():
    seeds = list(chosen())
    names = sorted({Scenario(seed).server for _, seed in seeds})
    with scratch() as tmp, contextlib.ExitStack() as stack:
        certs = Certs(os.path.join(tmp, "certs"))
        idle = queue.Queue()
        for number in range(WORKERS):
            idle.put(start_stores(stack, os.path.join(tmp, str(number)), certs,
                                  names))

        def work(seed):
            stores = idle.get()
            try:
                play(seed, stores)
            finally:
                idle.put(stores)

        with concurrent.futures.ThreadPoolExecutor(WORKERS) as pool:
            for name, seed in seeds:
                suite.add(name, pool.submit(work, seed).result)
            try:
                suite.run()
            finally:
                print("# %(succeeded)d succeeded, %(failed)d failed with words"
                      % outcomes)


main()
