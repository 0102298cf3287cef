#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""test-life - a backup and a restore from the snapshot to the last byte, on each
way to the bytes, by three programs: vdisk-img, vdisk-vixsample, and nbdkit's
vddk plugin, a client of VixDiskLib that is not ours.

The machine goes on writing while it is backed up.
"""
import contextlib
import os
import re
import sys
import urllib.parse

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../support"))

import nbdkit  # noqa: E402
import vddk  # noqa: E402
from hotadd_world import SIZE, HotaddWorld  # noqa: E402
from tap import Suite  # noqa: E402
from tools import (UNDER_SANITIZER, VDISK_IMG, Failed,  # noqa: E402
                   assert_no_crash, run)
from vix_sample import vix_root, vixsample_run  # noqa: E402
from vsphere_do import Client  # noqa: E402

SECTOR = 512
MODES = ("nbd", "nbdssl", "hotadd")

suite = Suite()


def read_file(path):
    with open(path, "rb") as file:
        return file.read()


def write_file(path, data):
    with open(path, "wb") as file:
        file.write(data)
    return path


def equal(found, wanted, what):
    if found != wanted:
        raise Failed("%s: %s bytes, not what was wanted" % (what, len(found)))


def succeed(world, result):
    assert_no_crash(result)
    if result.code != 0:
        raise Failed(str(result))
    if world.fake.password.encode() in result.stdout + result.stderr:
        raise Failed("the password has been told: %s" % result)
    return result.stdout.decode()


def machine(world, name):
    return "moref=" + world.fake.vms[name]["moref"]


def configuration(world):
    return write_file(world.path("config"),
                      b'tmpDirectory = "%s"\n' % world.tmp.encode())


# -- the programs: backup(world, mode, snapshot) -> bytes, restore -------------

class Img:
    """Names vsphere://."""

    @staticmethod
    def name(world, name, mode, **keys):
        keys = dict({"vm": machine(world, name), "disk": world.files[name],
                     "transport": mode, "thumbprint": world.fake.thumbprint,
                     "password-env": "VDISK_TEST_PASSWORD"}, **keys)
        return "vsphere://%s@127.0.0.1:%d/?%s" % (
            urllib.parse.quote(world.fake.user), world.fake.port,
            urllib.parse.urlencode(keys, quote_via=urllib.parse.quote))

    def backup(self, world, mode, snapshot):
        copy = world.path("copy.raw")
        succeed(world, run([VDISK_IMG, "convert", "-O", "raw",
                            self.name(world, "on", mode, snapshot=snapshot),
                            copy]))
        return read_file(copy)

    def restore(self, world, mode, path):
        succeed(world, run([VDISK_IMG, "convert", "-n", "-f", "raw", "-O",
                            "raw", path, self.name(world, "off", mode)]))


class Sample:
    """PrepareForAccess, ConnectEx, Open ... Cleanup."""

    @staticmethod
    def run(world, mode, name, command, *more):
        with vix_root() as root:
            told = succeed(world, vixsample_run(
                "-libdir", root, "-initex", configuration(world), *command,
                "-host", "127.0.0.1", "-port", world.fake.port, "-user",
                world.fake.user, "-password", world.fake.password, "-thumb",
                world.fake.thumbprint, "-vm", machine(world, name), "-mode",
                mode, *more, "-cleanup", world.files[name]))
        ops = world.fake.ops()
        for op in ("DisableMethods", "EnableMethods"):
            if op not in ops:
                raise Failed("no %s in %s" % (op, ops))
        return told

    def backup(self, world, mode, snapshot):
        then = ("-ssmoref", snapshot)
        told = self.run(world, mode, "on", ["-info"], *then)
        if "transport mode: %s\n" % mode not in told:
            raise Failed("not %s: %s" % (mode, told))
        told = self.run(world, mode, "on", ["-dump"], *then, "-start", "0",
                        "-count", SIZE // SECTOR)
        return bytes.fromhex("".join(re.findall(
            r"^[0-9a-f]+ : ((?:[0-9a-f]{2} )+)", told, re.M)))

    def restore(self, world, mode, path):
        source = world.path("source.vmdk")
        succeed(world, run([VDISK_IMG, "convert", "-f", "raw", "-O", "vmdk",
                            path, source]))
        self.run(world, mode, "off", ["-clone", source])


class Nbdkit:
    """The plugin, and nbdcopy on the other side of nbdkit."""

    @staticmethod
    def serve(world, mode, name, *parameters, options=()):
        secret = write_file(world.path("secret"),
                            world.fake.password.encode())
        return vddk.serve(
            world.files[name], "server=127.0.0.1",
            "port=%d" % world.fake.port, "user=" + world.fake.user,
            "password=+" + secret, "thumbprint=" + world.fake.thumbprint,
            "vm=" + machine(world, name), "transports=" + mode,
            "config=" + configuration(world), *parameters, options=options)

    def backup(self, world, mode, snapshot):
        copy = world.path("copy.raw")
        with self.serve(world, mode, "on", "snapshot=" + snapshot,
                        options=["--readonly"]) as server:
            nbdkit.nbdcopy(server.uri, copy)
        if "transport mode: %s" % mode not in server.log():
            raise Failed("not %s" % mode)
        return read_file(copy)

    def restore(self, world, mode, path):
        with self.serve(world, mode, "off") as server:
            nbdkit.nbdcopy("--flush", path, server.uri)


# -- the life --------------------------------------------------------------------

@contextlib.contextmanager
def environment(world):
    """Everything that is started is "in" the machine that attaches disks."""
    before = dict(os.environ)
    os.environ.update(world.environment())
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def used_disk(world, name):
    return world.fake.state()["vms"][name]["disks"][0]["path"]


def live(world, client, mode):
    wanted = world.contents["on"]
    with Client(world.fake) as vim:
        snapshot = vim.do("create-snapshot", machine(world, "on"), "life")[0][0]
        world.fake.guest_write(used_disk(world, "on"), SECTOR, b"late" * SECTOR)
        backup = client.backup(world, mode, snapshot)
        equal(backup, wanted, "the backup")
        vim.do("remove-snapshot", machine(world, "on"), snapshot)
    path = write_file(world.path("backup.raw"), backup)
    client.restore(world, mode, path)
    equal(world.fake.guest_read(world.files["off"], 0, SIZE), wanted,
          "what was restored")
    equal(world.proxy_state(), world.own, "disks of our machine")
    equal(world.journal(), [], "the journal")
    state = world.fake.state()
    if state["sessions"] != 0:
        raise Failed("not logged out: %s" % state["sessions"])


def lives(name, client):
    for mode in MODES:
        @suite.case("%s, %s" % (name, mode))
        def _(mode=mode):
            with HotaddWorld() as world, environment(world):
                live(world, client, mode)


lives("vdisk-img", Img())
lives("vdisk-vixsample", Sample())
if not UNDER_SANITIZER:  # see tests/vix/meson.build
    lives("nbdkit", Nbdkit())

suite.run()
