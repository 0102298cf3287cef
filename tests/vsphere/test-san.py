#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""test-san - disks read from the LUN that their datastore is on: a VMFS volume
that holds the files of fakevsphere's datastore, as a file, as a SCSI device of
this machine and as a unit of iSCSI."""
import contextlib
import functools
import hashlib
import json
import os
import re
import shutil
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../support"))

import iscsi_targets  # noqa: E402
from hotadd_world import SIZE, HotaddWorld, content  # noqa: E402
from tap import Suite  # noqa: E402
from tools import VDISK_IMG, Failed, run  # noqa: E402
from vix_sample import vix_root, vixsample_run  # noqa: E402
from vmfs_device import write_device  # noqa: E402
from vmfs_layout import EXCLUSIVE, uuid_text  # noqa: E402
from vmfs_volume import Volume  # noqa: E402
from vsphere_fake import rule  # noqa: E402

NAME = "naa.60000000000000000e00000000010001"
OTHER = "naa.600000000000000000000000000000ff"
UNIT = "vdiskSan1"  # of tgt, whose name is then t10.vdiskSan1
NUMBER = 9  # of the volume
SECTOR = 512
UUID = uuid_text(Volume(6, (1,), number=NUMBER).uuid)
PASSWORD = "correct horse 17"

suite = Suite()


def expect(condition, what):
    if not condition:
        raise Failed(str(what))


class World(HotaddWorld):
    def __init__(self, vmfs=True):
        told = {"vmfs": json.dumps({"uuid": UUID,
                                    "disks": [NAME, "t10." + UNIT]})}
        super().__init__(server=told if vmfs else None)

    # -- LUNs -----------------------------------------------------------------

    def lun(self, name, change=None, instead=None, **how):
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

    @functools.cached_property
    def good(self):
        return self.lun("lun")

    def other_bytes(self, name, change):
        """The path of a LUN where change() has been made to the disk of "on",
        a bytearray."""
        data = bytearray(self.contents["on"])
        change(data)
        with open(self.path("changed"), "wb") as file:
            file.write(data)
        return self.lun(name, instead={
            "/on/on-flat.vmdk": self.path("changed")})

    @contextlib.contextmanager
    def shown(self, block, name, path):
        """@path is a SCSI device of this machine: its node."""
        device = os.path.join(self.root, "sys/bus/scsi/devices",
                              "7:0:%d:0" % (ord(block[2]) - ord("a")))
        node = os.path.join(self.root, "dev", block)
        os.makedirs(os.path.join(device, "block", block))
        with open(os.path.join(device, "wwid"), "w",
                  encoding="utf-8") as file:
            file.write(name + "\n")
        os.symlink(path, node)
        try:
            yield node
        finally:
            shutil.rmtree(device)
            os.unlink(node)

    # -- vdisk-img ------------------------------------------------------------

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

    def reads(self, name="on", wanted=None, **more):
        """What it said meanwhile."""
        result = self.convert(name, more)
        expect(result.code == 0, result)
        with open(self.path("copy.raw"), "rb") as file:
            found = hashlib.sha256(file.read()).hexdigest()
        expect(found == hashlib.sha256(
            wanted or self.contents[name]).hexdigest(),
            "something else is in " + name)
        return result.stderr.decode()

    def refuses(self, *texts, name="on", **more):
        result = self.convert(name, more)
        expect(result.code == 1 and
               all(text in result.stderr.decode() for text in texts), result)

    # -- VixDiskLib -----------------------------------------------------------

    def sample(self, modes, command, *more, code=0, vm="on", disk=None,
               **config):
        """What vdisk-vixsample prints of the disk of @vm; config: its file,
        "_" for "."."""
        path = self.path("config")
        with open(path, "w", encoding="utf-8") as file:
            for key, value in config.items():
                file.write('%s = "%s"\n' % (key.replace("_", "."), value))
        with vix_root() as root:
            result = vixsample_run(
                "-verbose", "-libdir", root, "-initex", path, command,
                "-host", "127.0.0.1", "-port", self.fake.port, "-user",
                self.fake.user, "-password", self.fake.password, "-thumb",
                self.fake.thumbprint, "-mode", modes, "-vm",
                "moref=" + self.fake.vms[vm]["moref"], *more,
                disk or self.files[vm], env=self.environment())
        expect(result.code == code, result)
        return (result.stdout + result.stderr).decode()

    def vix_reads(self, disk=None, wanted=None, **config):
        """By mode san, and all of it."""
        told = self.sample("san", "-info", disk=disk, **config)
        expect("transport mode: san\n" in told, told)
        told = self.sample("san", "-dump", "-start", "0", "-count",
                           str(SIZE // SECTOR), disk=disk, **config)
        found = bytes.fromhex("".join(
            re.findall(r"^[0-9a-f]+ : ((?:[0-9a-f]{2} )+)", told, re.M)))
        expect(found == (wanted or self.contents["on"]),
               "something else is in %s" % disk)


def take_snapshot_of_changes(world):
    """Another link below a snapshot: its name, and what it shows."""
    link = "[ds] on/on-000001.vmdk"
    later = b"later" * SECTOR
    world.fake.guest_write(link, 8 * SECTOR, later[:4 * SECTOR])
    world.take_snapshot()
    before = world.contents["on"]
    return link, before[:8 * SECTOR] + later[:4 * SECTOR] + \
        before[12 * SECTOR:]


# -- through VixDiskLib -------------------------------------------------------

def vix_file(world):
    before = len(world.fake.log("nfc", event="open"))
    world.vix_reads(vdisk_san_devices=world.good)
    expect(len(world.fake.log("nfc", event="open")) == before + 2,
           "a host should be asked at each opening")


def vix_scsi_device(world):
    with world.shown("sdx", OTHER, world.path("nothing")), \
            world.shown("sdy", NAME, world.good) as node:
        world.vix_reads()
        told = world.sample("san:nbdssl", "-info",
                            vixDiskLib_transport_san_denyList="all")
        expect("transport mode: nbdssl\n" in told and
               node + " is denied" in told, told)
        world.vix_reads(vixDiskLib_transport_san_blacklist="all",
                        vixDiskLib_transport_san_allowList="/x, " + node)
    told = world.sample("san", "-info", code=1)
    expect(NAME in told and "devices of this machine may be that" in told,
           told)


def vix_iscsi():
    """With a password, and a chain, which is opened by names; beside a copy
    that has all but its own name and the later bytes."""
    with World() as world, iscsi_targets.Tgt(world.path("tgt")) as target:
        copy = shutil.copyfile(world.lun("lun"), world.path("copy"))
        link, wanted = take_snapshot_of_changes(world)
        target.add(1, world.lun("later"), scsi_id=UNIT)
        target.add(2, copy, scsi_id="vdiskSan2")
        target.account("backup", PASSWORD)
        with open(world.path("password"), "w", encoding="ascii") as file:
            file.write(PASSWORD + "\n")
        good, bad = (target.url(n, user="backup",
                                password_file=world.path("password"))
                     for n in (1, 2))
        world.vix_reads(vdisk_san_devices=bad + ";" + good)
        world.vix_reads(disk=link, wanted=wanted,
                        vdisk_san_devices=bad + ";" + good)
        world.refuses("t10.vdiskSan2", "not as one of the LUNs",
                      san_devices=bad)
        names = json.loads(world.img(
            "info", "-f", "iscsi", "--output=json", good).stdout)
        expect("t10." + UNIT in json.dumps(names), names)


def vix_no_lun(world):
    told = world.sample("san:nbdssl", "-info", vdisk_san_devices="")
    expect("transport mode: nbdssl\n" in told and
           "transport san is not used" in told and NAME in told, told)
    gone = world.path("gone")
    told = world.sample("san:nbdssl", "-info", vdisk_san_devices=gone)
    expect("transport mode: nbdssl\n" in told and gone in told, told)
    told = world.sample("san", "-info", code=1, vdisk_san_devices=gone)
    expect(gone in told and "no transport works: san: " in told, told)


def vix_leaf(world):
    told = world.sample("san", "-info", code=1, disk="[ds] on/on-000001.vmdk",
                        vdisk_san_devices=world.good)
    expect("a snapshot is needed" in told, told)


# -- whose volume is it -------------------------------------------------------

def devices_of_other_names(world):
    """They may be copies: not even looked at."""
    with world.shown("sdx", OTHER, world.good) as node:
        world.refuses(NAME, "SCSI devices of this machine may be that")
        world.refuses("%s is called %s" % (node, OTHER), san_devices=node)
        slaves = os.path.join(world.root, "sys/class/block/dm-0/slaves/sdx")
        path = os.path.join(world.root, "dev/dm-0")
        os.makedirs(slaves)
        os.symlink(world.good, path)
        world.refuses("%s is called %s" % (path, OTHER), san_devices=path)
        with world.shown("sdy", NAME, world.good) as right:
            world.reads("off", san_devices="%s; %s" % (node, right))
        os.unlink(path)


def lists_of_files(world):
    """What has nothing of the volume is left out."""
    other = world.lun("other", number=3)
    world.refuses(UUID, san_devices=other)
    world.reads(san_devices="%s; %s;%s" % (world.path("gone"), other,
                                           world.good))


def another_volume(world):
    world.refuses("the datastore is volume " + UUID,
                  san_devices=world.lun("label", number=3, label=UUID))


def copies(world):
    def copied(volume):
        volume.snap_id += 1

    world.refuses("no volume, or more than one", san_devices="%s;%s" % (
        world.lun("copy", change=copied), world.good))


def another_size(world):
    half = world.path("half.vmdk")
    with open(os.path.join(world.fake.datastore["dir"], "off/off.vmdk"),
              encoding="utf-8") as file, \
            open(half, "w", encoding="utf-8") as smaller:
        smaller.write(file.read().replace(
            "RW %d " % (SIZE // SECTOR), "RW %d " % (SIZE // SECTOR // 2)))
    world.refuses("but the disk has %d" % SIZE, name="off",
                  san_devices=world.lun("half", instead={
                      "/off/off.vmdk": half}))


def other_bytes(world):
    """All but these is right, the name of the device, too."""
    def first(data):
        data[7] ^= 1

    def rest(data):
        data[SECTOR:] = content(5)[SECTOR:]

    with world.shown("sdy", NAME, world.other_bytes("first", first)):
        world.refuses("sector 0 is not what a host has there")
    with world.shown("sdy", NAME, world.other_bytes("rest", rest)):
        world.refuses("is not what a host has there")
        told = world.reads(transports="san:nbdssl")
        expect("transport san is not used: " in told, told)


def no_host(world):
    """To compare with: the rest has to do, and it is said."""
    world.fake.knobs(soap_rules=[rule(
        "NfcGetVmFiles", "fault", fault="NoPermission", message="never")])
    told = world.reads(san_devices=world.good)
    expect("is not compared with what a host has: " in told and
           "never" in told, told)
    world.fake.knobs(soap_rules=[],
                     nfc_rules=[rule("read", "error", skip=5, status=9)])
    told = world.reads(san_devices=world.good)
    expect("is not compared with what a host has: " in told, told)
    world.fake.knobs(nfc_rules=[])


def locked(world):
    world.refuses("is used by host", name="off", san_devices=world.lun(
        "locked", change=lambda v: v.locked("/off/off-flat.vmdk", 2,
                                            EXCLUSIVE)))


def expect_on_lun(world, lun, wanted):
    """And nothing else on it has changed."""
    copy = world.path("copy.raw")
    for name, data in dict(world.contents, off=wanted).items():
        result = world.img("convert", "-O", "raw", "vmfs:%s:/%s/%s-flat.vmdk"
                           % (lun, name, name), copy)
        expect(result.code == 0, result)
        with open(copy, "rb") as file:
            expect(file.read() == data, "something else is in " + name)


def written(world, **more):
    """Of a conversion of other contents to the disk of "off"."""
    with open(world.path("new"), "wb") as file:
        file.write(content(7))
    opts = {"file." + k: v
            for k, v in json.loads(world.source("off", **more)[5:]).items()}
    return world.img("convert", "-n", "-f", "raw", "--target-image-opts",
                     world.path("new"), ",".join(
                         "%s=%s" % item for item in
                         dict(opts, driver="raw").items()))


def writing(world):
    lun = world.lun("written")
    result = written(world, san_devices=lun)
    expect(result.code == 1 and b"unless san.write=in-place" in result.stderr,
           result)
    world.fake.knobs(nfc_rules=[rule("read", "error", skip=5, status=9)])
    result = written(world, san_devices=lun, san_write="in-place")
    expect(result.code == 1 and b"not compared with what a host" in
           result.stderr, result)
    world.fake.knobs(nfc_rules=[])
    expect_on_lun(world, lun, world.contents["off"])
    result = written(world, san_devices=lun, san_write="in-place")
    expect(result.code == 0, result)
    expect_on_lun(world, lun, content(7))


def writing_of_others(world):
    """What a host could not write to either is not even tried."""
    result = written(world, san_devices=world.lun(
        "taken", change=lambda v: v.locked("/off/off-flat.vmdk", 2,
                                           EXCLUSIVE)), san_write="in-place")
    expect(result.code == 1 and b"is locked exclusively" in result.stderr,
           result)
    with World() as other:
        other.take_snapshot("off")
        result = written(other, san_devices=other.good, san_write="in-place")
        expect(result.code == 1 and b"transport" in result.stderr, result)
        expect_on_lun(other, other.good, other.contents["off"])


def vix_writes(world):
    lun = world.lun("filled")
    told = world.sample("san", "-fill", "-val", "5", "-start", "3", "-count",
                        "9", vm="off", vdisk_san_devices=lun,
                        vdisk_san_write="in-place")
    data = bytearray(world.contents["off"])
    data[3 * SECTOR:12 * SECTOR] = b"\5" * (9 * SECTOR)
    expect_on_lun(world, lun, bytes(data))
    told = world.sample("san", "-fill", "-count", "1", vm="off", code=1,
                        vdisk_san_devices=lun, vdisk_san_write="yes")
    expect("are only read" in told, told)


@suite.case("a datastore of another kind")
def _():
    with World(vmfs=False) as world:
        world.refuses("is no VMFS", san_devices="x")


def main():
    suite.add("VixDiskLib: a unit of iSCSI, and a chain on it", vix_iscsi)
    with World() as world:
        for name, func in (
                ("VixDiskLib: a volume in a file", vix_file),
                ("VixDiskLib: a SCSI device", vix_scsi_device),
                ("VixDiskLib: no LUN", vix_no_lun),
                ("VixDiskLib: what a machine writes to", vix_leaf),
                ("devices of other names", devices_of_other_names),
                ("lists of files", lists_of_files),
                ("another volume", another_volume),
                ("a volume and its copy", copies),
                ("another size", another_size),
                ("other bytes", other_bytes),
                ("no host to compare with", no_host),
                ("a file that a host writes to", locked),
                ("writing", writing),
                ("writing what may not be", writing_of_others),
                ("VixDiskLib: writing", vix_writes)):
            suite.add(name, func, world)
        suite.add("the server is content", world.fake.assert_no_violation)
        suite.run()


main()
