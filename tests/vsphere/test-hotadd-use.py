#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""test-hotadd-use - HotAdd as programs see it: vdisk-img, and programs of
VixDiskLib."""
import hashlib
import json
import os
import re
import sys
import urllib.parse

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../support"))

from hotadd_world import SIZE, HotaddWorld  # noqa: E402
from tap import Suite  # noqa: E402
from tools import VDISK_IMG, Failed, run  # noqa: E402
from vix_sample import vix_root, vixsample_run  # noqa: E402

SECTOR = 512
suite = Suite()


def equal(found, wanted, what):
    if found != wanted:
        raise Failed("%s: %r instead of %r" % (what, found, wanted))


def url(world, name, transports="hotadd", **keys):
    keys = dict({"vm": "moref=" + world.fake.vms[name]["moref"],
                 "disk": world.files[name], "transport": transports,
                 "thumbprint": world.fake.thumbprint,
                 "password-env": "VDISK_TEST_PASSWORD"}, **keys)
    return "vsphere://%s@127.0.0.1:%d/?%s" % (
        urllib.parse.quote(world.fake.user), world.fake.port,
        urllib.parse.urlencode(keys, quote_via=urllib.parse.quote))


def options(world, name, **more):
    """The same disk as options, with what names have no place for."""
    return dict({"driver": "vsphere", "server": "127.0.0.1",
                 "port": world.fake.port, "user": world.fake.user,
                 "password-env": "VDISK_TEST_PASSWORD",
                 "thumbprint": world.fake.thumbprint,
                 "vm": "moref=" + world.fake.vms[name]["moref"],
                 "disk": world.files[name], "transports": "hotadd",
                 "hotadd.tmp-dir": world.tmp}, **more)


def source(*args, **more):
    return "json:" + json.dumps(
        {k: str(v) for k, v in options(*args, **more).items()})


def target(*args):
    return ",".join(["driver=raw"] + [
        "file.%s=%s" % item for item in options(*args).items()])


def img(world, *args, code=0, **env):
    """Run vdisk-img where "we" are: what it has printed."""
    result = run([VDISK_IMG, *args], env=dict(world.environment(), **env))
    if result.code != code:
        raise Failed("wanted exit %d: %s" % (code, result))
    return (result.stderr if code else result.stdout).decode()


def digest_of(path):
    with open(path, "rb") as file:
        return hashlib.sha256(file.read()).hexdigest()


@suite.case("convert reads a disk that is attached for as long as it takes")
def _():
    with HotaddWorld() as world:
        copy = world.path("copy.raw")
        img(world, "convert", "-O", "raw", source(world, "on"), copy)
        equal(digest_of(copy), world.digest("on"), "bytes")
        equal(len(world.fake.log("hotadd", event="appeared",
                                 path=world.files["on"])), 1, "attached")
        world.assert_clean()


@suite.case("convert writes one back")
def _():
    with HotaddWorld() as world:
        img(world, "convert", "-n", "--target-image-opts",
            world.path("on"), target(world, "off"))
        equal(world.fake.guest_read(world.files["off"], 0, SIZE),
              world.contents["on"], "bytes")
        equal(world.proxy_state(), world.own, "disks")


@suite.case("info says on which way the bytes come")
def _():
    with HotaddWorld() as world:
        told = img(world, "info", source(world, "on"))
        if "hotadd" not in told:
            raise Failed(told)
        world.assert_clean()


@suite.case("where it cannot be, the reason is told")
def _():
    with HotaddWorld() as world:
        told = img(world, "info", url(world, "on"), code=1,
                   VDISK_HOTADD_ROOT=world.directory)
        if "hotadd: this program does not run in a virtual machine" \
                not in told:
            raise Failed(told)
        told = img(world, "info", source(world, "on", **{"hotadd.x": 1}),
                   code=1)
        if "'x'" not in told:
            raise Failed(told)
        world.assert_clean()


# -- VixDiskLib ---------------------------------------------------------------

def sample(world, root, command, *more):
    config = world.path("config")
    with open(config, "w", encoding="utf-8") as file:
        file.write('tmpDirectory = "%s"\n' % world.tmp)
    result = vixsample_run(
        "-libdir", root, "-initex", config, command, "-host", "127.0.0.1",
        "-port", world.fake.port, "-user", world.fake.user, "-password",
        world.fake.password, "-thumb", world.fake.thumbprint, "-mode",
        "hotadd", *more, env=world.environment())
    if result.code != 0:
        raise Failed(str(result))
    return result.stdout.decode()


@suite.case("VixDiskLib: Open over hotadd, and Cleanup of what others left")
def _():
    with HotaddWorld() as world, vix_root() as root:
        machine = ("-vm", "moref=" + world.fake.vms["on"]["moref"])
        world.host("leave", "off").ok()
        told = sample(world, root, "-info", *machine, "-cleanup",
                      world.files["on"])
        for line in ("transport mode: hotadd",
                     "cleanup: 1 cleaned up, 0 remaining"):
            if line + "\n" not in told:
                raise Failed("no '%s' in %s" % (line, told))
        world.assert_clean()


@suite.case("VixDiskLib: reads what is there")
def _():
    with HotaddWorld() as world, vix_root() as root:
        machine = ("-vm", "moref=" + world.fake.vms["on"]["moref"])
        told = sample(world, root, "-dump", *machine, "-start", "3", "-count",
                      "1", world.files["on"])
        found = bytes.fromhex("".join(
            re.findall(r"^[0-9a-f]+ : ((?:[0-9a-f]{2} )+)", told, re.M)))
        equal(found, world.contents["on"][3 * SECTOR:4 * SECTOR], "bytes")
        world.assert_clean()


suite.run()
