#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""test-san - disks read from the LUN that their datastore is on: a VMFS volume
that holds the files of fakevsphere's datastore, as a file, as a SCSI device of
this machine and as a unit of iSCSI."""
import hashlib
import json
import os
import re
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../support"))

import iscsi_targets  # noqa: E402
from hotadd_world import SIZE, HotaddWorld  # noqa: E402
from tap import Suite  # noqa: E402
from tools import VDISK_IMG, Failed, run  # noqa: E402
from vix_sample import vix_root, vixsample_run  # noqa: E402
from vmfs_device import write_device  # noqa: E402
from vmfs_layout import EXCLUSIVE, uuid_text  # noqa: E402
from vmfs_volume import Volume  # noqa: E402

NAME = "naa.60000000000000000e00000000010001"
NUMBER = 9  # of the volume
SECTOR = 512
UUID = uuid_text(Volume(6, (1,), number=NUMBER).uuid)

suite = Suite()


def expect(condition, what):
    if not condition:
        raise Failed(str(what))


class World(HotaddWorld):
    def __init__(self, vmfs=True):
        told = {"vmfs": json.dumps({"uuid": UUID, "disks": [NAME]})}
        super().__init__(server=told if vmfs else None)

    def lun(self, name="lun", change=None, instead=None, **how):
        """A file with the datastore in a volume; change: called with the
        volume before it is written; instead: {path: another file}."""
        volume = Volume(6, (1,), **{"number": NUMBER, **how})
        top = self.fake.datastore["dir"]
        for machine in self.contents:
            volume.folder("/" + machine)
            for file in sorted(os.listdir(os.path.join(top, machine))):
                path = "/%s/%s" % (machine, file)
                volume.copy(path, (instead or {}).get(path, top + path))
        if change:
            change(volume)
        volume.finish()
        write_device(self.path(name), [(volume, 0)], "gpt")
        return self.path(name)

    def show(self, block, name, path):
        """@path becomes a SCSI device of this machine."""
        device = "sys/bus/scsi/devices/7:0:%d:0" % (ord(block[2]) - ord("a"))
        os.makedirs(os.path.join(self.root, device, "block", block))
        with open(os.path.join(self.root, device, "wwid"), "w",
                  encoding="utf-8") as file:
            file.write(name + "\n")
        os.symlink(path, os.path.join(self.root, "dev", block))

    def source(self, name="on", **more):
        opts = {"driver": "vsphere", "server": "127.0.0.1",
                "port": str(self.fake.port), "user": self.fake.user,
                "password-env": "VDISK_TEST_PASSWORD",
                "thumbprint": self.fake.thumbprint,
                "vm": "moref=" + self.fake.vms[name]["moref"],
                "disk": self.files[name], "transports": "san"}
        opts.update((k.replace("_", "."), v) for k, v in more.items())
        return "json:" + json.dumps(opts)

    def img(self, *args):
        return run([VDISK_IMG, *args], env=self.environment())

    def convert(self, name, more):
        return self.img("convert", "-O", "raw", self.source(name, **more),
                        self.path("copy.raw"))

    def reads(self, name="on", **more):
        result = self.convert(name, more)
        expect(result.code == 0, result)
        with open(self.path("copy.raw"), "rb") as file:
            found = hashlib.sha256(file.read()).hexdigest()
        expect(found == self.digest(name), "something else is in " + name)

    def refuses(self, *texts, name="on", **more):
        result = self.convert(name, more)
        expect(result.code == 1 and
               all(text in result.stderr.decode() for text in texts), result)

    def sample(self, modes, devices, command, *more):
        """What vdisk-vixsample prints of the disk of "on"."""
        config = self.path("config")
        with open(config, "w", encoding="utf-8") as file:
            file.write('vdisk.san.devices = "%s"\n' % devices)
        with vix_root() as root:
            result = vixsample_run(
                "-verbose", "-libdir", root, "-initex", config, command,
                "-host", "127.0.0.1", "-port", self.fake.port, "-user",
                self.fake.user, "-password", self.fake.password, "-thumb",
                self.fake.thumbprint, "-mode", modes, "-vm",
                "moref=" + self.fake.vms["on"]["moref"], *more,
                self.files["on"], env=self.environment())
        expect(result.code == 0, result)
        return (result.stdout + result.stderr).decode()


@suite.case("VixDiskLib: a LUN of iSCSI, mode san")
def _():
    with World() as world, \
            iscsi_targets.Tgt(world.path("tgt")) as target:
        target.add(1, world.lun())
        told = world.sample("san:nbd", target.url(), "-info")
        expect("transport mode: san\n" in told, told)
        told = world.sample("san", target.url(), "-dump", "-start", "3",
                            "-count", "1")
        found = bytes.fromhex("".join(
            re.findall(r"^[0-9a-f]+ : ((?:[0-9a-f]{2} )+)", told, re.M)))
        expect(found == world.contents["on"][3 * SECTOR:4 * SECTOR], told)
        world.reads(san_devices=target.url())
        expect(not world.fake.log("nfc"), "a host was asked")


@suite.case("VixDiskLib: without a LUN it says why and takes the next mode")
def _():
    with World() as world:
        told = world.sample("san:nbd", "", "-info")
        expect("transport mode: nbd\n" in told and
               "transport san is not used" in told and NAME in told, told)
        told = world.sample("san:nbd", world.path("gone"), "-info")
        expect("transport mode: nbd\n" in told and
               world.path("gone") in told, told)


@suite.case("devices of this machine are known by the names of their units")
def _():
    with World() as world:
        world.show("sdx", "naa.600000000000000000000000000000ff",
                   world.lun("copy"))
        world.refuses(NAME, "SCSI devices")
        world.show("sdy", NAME, world.lun())
        world.reads()
        world.reads("off")


@suite.case("a chain of snapshots")
def _():
    with World() as world:
        link = "[ds] on/on-000001.vmdk"
        change = b"later" * SECTOR
        world.fake.guest_write(link, 8 * SECTOR, change[:4 * SECTOR])
        world.take_snapshot()
        before = world.contents["on"]
        world.contents["on"] = before[:8 * SECTOR] + change[:4 * SECTOR] + \
            before[12 * SECTOR:]
        world.reads(disk=link, san_devices=world.lun())


@suite.case("lists of files; what has nothing of the volume is left out")
def _():
    with World() as world:
        other = world.lun("other", number=3)
        world.refuses(UUID, san_devices=other)
        world.reads(san_devices="%s; %s;%s" % (
            world.path("gone"), other, world.lun()))


@suite.case("what is not the volume, or not the disk, is refused")
def _():
    with World() as world:
        world.refuses(
            "the datastore is volume " + UUID,
            san_devices=world.lun("label", number=3, label=UUID))

        def copied(volume):
            volume.snap_id += 1

        world.refuses("no volume, or more than one", san_devices="%s;%s" % (
            world.lun("copy", change=copied), world.lun()))
        half = world.path("half.vmdk")
        with open(os.path.join(world.fake.datastore["dir"], "off/off.vmdk"),
                  encoding="utf-8") as file, \
                open(half, "w", encoding="utf-8") as smaller:
            smaller.write(file.read().replace(
                "RW %d " % (SIZE // SECTOR), "RW %d " % (SIZE // SECTOR // 2)))
        world.refuses("but the disk has %d" % SIZE, name="off",
                      san_devices=world.lun("half", instead={
                          "/off/off.vmdk": half}))
        world.refuses("is used by host", name="off", san_devices=world.lun(
            "locked", change=lambda v: v.locked("/off/off-flat.vmdk", 2,
                                                EXCLUSIVE)))


@suite.case("other datastores, and writing")
def _():
    with World(vmfs=False) as world:
        world.refuses("is no VMFS", san_devices="x")
    with World() as world:
        result = world.img("convert", "-n", "--target-image-opts",
                           world.path("off"), "driver=raw," + ",".join(
                               "file.%s=%s" % item for item in json.loads(
                                   world.source("off")[5:]).items()))
        expect(result.code == 1 and b"only read" in result.stderr, result)


suite.run()
