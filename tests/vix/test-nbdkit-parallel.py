#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""test-nbdkit-parallel - many requests and many connections at once through
nbdkit's vddk plugin, and a server that is stopped amidst them."""
import os
import subprocess
import time

from vddk_cases import (GRAIN, MIB, all_read, expect_sound, for_each_soname,
                        vddk)

import nbdkit
from digest import raw_nz64k
from model import Model
from readers import expect, read_with_vdisk
from tap import Suite
from tools import SHORT, Failed, need, scratch, vdisk_img

SIZE = (36 if SHORT else 64) * MIB + 3 * 512
CLIENTS = 6
PATIENCE = 120  # seconds

suite = Suite()


def make(tmp, subformat="monolithicSparse", size=SIZE, seed=43):
    """A disk full of random places; its path and model."""
    path = os.path.join(tmp, "disk.vmdk")
    model = Model(size, seed)
    for number in range(0, size - 2 * GRAIN, 5 * GRAIN):
        model.write(number, model.random.randbytes(2 * GRAIN + 512))
    raw = os.path.join(tmp, "content.raw")
    model.save(raw)
    vdisk_img("convert", "-f", "raw", "-O", "vmdk", "-o",
              "subformat=" + subformat, raw, path)
    return path, model


def start_copy(source, target, *words):
    return subprocess.Popen([need("nbdcopy"), *words, source, target],
                            stderr=subprocess.PIPE)


def finish(processes):
    for process in processes:
        _, text = process.communicate(timeout=300)
        if process.returncode:
            raise Failed("%s: exit %d: %s" % (process.args,
                                              process.returncode, text))


def several_clients(soname, subformat):
    """Each with a connection of its own, thus a handle of its own."""
    with scratch() as tmp:
        path, model = make(tmp, subformat)
        targets = [os.path.join(tmp, "copy-%d.raw" % number)
                   for number in range(CLIENTS)]
        with vddk.serve(path, soname=soname, options=["-r"]) as server:
            finish([start_copy(server.uri, target) for target in targets])
        for target in targets:
            expect(raw_nz64k(target), model.content(), "nbdkit")


def fills_a_stream(soname):
    """More in flight than is written in order."""
    with scratch() as tmp:
        path, model = make(tmp)
        raw, new = (os.path.join(tmp, name) for name in ("x.raw", "s.vmdk"))
        vdisk_img("convert", "-O", "raw", path, raw)
        with vddk.serve(new, "create=true", "create-type=stream-optimized",
                        "create-size=%d" % os.path.getsize(raw),
                        soname=soname) as server:
            nbdkit.nbdcopy("--connections=4", "--requests=64",
                           "--request-size=65536", "--flush", raw, server.uri)
        all_read(new, model.content())
        vdisk_img("check", "--profile=esxi-import", new)


def one_client_many_connections(soname):
    """nbdkit's filter says that connections agree; nbdcopy then opens many."""
    with scratch() as tmp:
        path, model = make(tmp)
        target = os.path.join(tmp, "copy.raw")
        with vddk.serve(path, "multi-conn-mode=unsafe", soname=soname,
                        options=["-r", "--filter=multi-conn"]) as server:
            finish([start_copy(server.uri, target, "--connections=8",
                               "--requests=64", "--threads=8")])
            opened = server.log().count("VDDK call: VixDiskLib_Open (")
        if opened < 8:
            raise Failed("only %d handles" % opened)
        expect(raw_nz64k(target), model.content(), "nbdkit")


def deep_queue(soname):
    """One connection, small requests, many at a time, both ways."""
    with scratch() as tmp:
        path, model = make(tmp)
        copy, back = (os.path.join(tmp, name) for name in ("c.raw", "b.raw"))
        few = ("--request-size=4096", "--requests=128", "--connections=1")
        for _ in model.random_writes(tmp, 30):
            pass
        with open(copy, "wb") as file:
            file.write(model.data)
        with vddk.serve(path, soname=soname,
                        options=["--threads=32"]) as server:
            finish([start_copy(copy, server.uri, *few)])
        with vddk.serve(path, soname=soname,
                        options=["-r", "--threads=32"]) as server:
            finish([start_copy(server.uri, back, *few)])
        expect(raw_nz64k(back), model.content(), "nbdkit")
        all_read(path, model.content())
        expect_sound(path)


def connections_come_and_go(soname):
    """Handles do not pile up."""
    with scratch() as tmp:
        path, _ = make(tmp, size=4 * MIB)
        with vddk.serve(path, soname=soname, options=["-r"]) as server:
            files = "/proc/%d/fd" % server.process.pid
            nbdkit.size_of(server.uri)
            wait_for_calls(server, "Disconnect", 1)
            before = len(os.listdir(files))
            for _ in range(40):
                nbdkit.size_of(server.uri)
            for function in ("Close", "Disconnect"):
                wait_for_calls(server, function, 41)
            # The last ones are closed a moment after that.
            wait_for("files stay open",
                     lambda: len(os.listdir(files)) <= before + 2)


def wait_for(what, condition):
    end = time.monotonic() + PATIENCE
    while not condition():
        if time.monotonic() > end:
            raise Failed(what)
        time.sleep(0.002)


def wait_for_calls(server, function, number):
    call = "VDDK call: VixDiskLib_%s (" % function
    wait_for("too few calls of " + function,
             lambda: server.log().count(call) >= number)


# -- stopped -------------------------------------------------------------------

def wait_for_requests(server, function):
    wait_for_calls(server, function, 20)


def stopped_while_reading(soname):
    with scratch() as tmp:
        path, model = make(tmp)
        with vddk.serve(path, soname=soname, options=["-r"],
                        may_complain=True) as server:
            clients = [start_copy(server.uri, "null:", "--no-extents",
                                  "--request-size=4096") for _ in range(3)]
            wait_for_requests(server, "ReadAsync")
            server.stop()
            for client in clients:
                client.communicate(timeout=PATIENCE)
        expect(read_with_vdisk(path), model.content(), "vdisk-img")


def stopped_while_writing(soname):
    """The disk is sound, and each sector is the old or the new one."""
    with scratch() as tmp:
        path, model = make(tmp)
        new = os.path.join(tmp, "new.raw")
        fresh = model.random.randbytes(SIZE)
        with open(new, "wb") as file:
            file.write(fresh)
        with vddk.serve(path, soname=soname, may_complain=True) as server:
            client = start_copy(new, server.uri, "--request-size=4096",
                                "--requests=32")
            wait_for_requests(server, "WriteAsync")
            server.stop()
            client.communicate(timeout=PATIENCE)
        expect_sound(path)
        raw = os.path.join(tmp, "after.raw")
        vdisk_img("convert", "-O", "raw", path, raw)
        with open(raw, "rb") as file:
            after = file.read()
        changed = 0
        for at in range(0, SIZE, 512):
            sector = after[at:at + 512]
            changed += sector == fresh[at:at + 512]
            if sector not in (model.data[at:at + 512], fresh[at:at + 512]):
                raise Failed("sector %d is neither" % (at // 512))
        if not changed:
            raise Failed("nothing was written before it stopped")


def killed_while_writing(soname):
    """No chance to close: the next opening goes well; space may be lost."""
    with scratch() as tmp:
        path, model = make(tmp)
        new = os.path.join(tmp, "new.raw")
        with open(new, "wb") as file:
            file.write(model.random.randbytes(SIZE))
        try:
            with vddk.serve(path, soname=soname, may_complain=True) as server:
                client = start_copy(new, server.uri, "--request-size=4096")
                wait_for_requests(server, "WriteAsync")
                server.process.kill()
                client.communicate(timeout=PATIENCE)
                server.wait()
        except Failed:
            if server.process.returncode != -9:
                raise
        with vddk.serve(path, soname=soname) as server:
            nbdkit.nbdcopy(new, server.uri)
        with open(new, "rb") as file:
            model.data[:] = file.read()
        all_read(path, model.content())
        expect_sound(path, may_leak=True)


def main():
    for subformat in ("monolithicSparse", "twoGbMaxExtentFlat",
                      "streamOptimized", "vmfsSparse"):
        for_each_soname(suite, "several clients read a %s" % subformat,
                        several_clients, subformat)
    for name, func, always in (
            ("one client with eight connections",
             one_client_many_connections, True),
            ("many requests fill a stream", fills_a_stream, False),
            ("many requests at a time", deep_queue, False),
            ("connections come and go", connections_come_and_go, False),
            ("stopped while clients read", stopped_while_reading, False),
            ("stopped while a client writes", stopped_while_writing, False),
            ("killed while a client writes", killed_while_writing, False)):
        for_each_soname(suite, name, func, always=always)
    suite.run()


main()
