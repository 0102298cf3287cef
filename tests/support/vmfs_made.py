# SPDX-License-Identifier: BSD-3-Clause
"""vmfs_made - volumes of vmfs_volume.py in files, and how vdisk-img names what
is in them."""
import json
import os

from digest import raw_nz64k
from tools import Failed, scratch, vdisk_img
from vmfs_device import write_volume
from vmfs_layout import DIRECTORY, FILE, RDM, SYMLINK, SYSTEM

TYPES = {DIRECTORY: "directory", FILE: "file", SYMLINK: "symlink",
         SYSTEM: "system", RDM: "rdm"}


def node(extents, path="", options=""):
    """vmfs:EXTENTS#OPTIONS:/PATH; a folder that ends in a colon doubles the
    slash behind it."""
    name = "vmfs:" + ",".join(extents) + ("#" + options if options else "")
    return name + (":" + path.replace(":/", "://") if path else "")


def listed(name, *options):
    return json.loads(vdisk_img("ls", *options, "--output=json", name))


class Made:
    """The files of a volume.  @late: called with it when all is laid out."""

    def __init__(self, volume, directory, table=None, name="extent", late=None):
        self.volume = volume
        self.extents = [os.path.join(directory, "%s%d.img" % (name, n))
                        for n in range(len(volume.extents))]
        volume.finish()
        if late:
            late(volume)
        write_volume(volume, self.extents, table)
        self.before = self.state()

    def node(self, path="", options=""):
        return node(self.extents, path, options)

    def state(self):
        return [(os.stat(path).st_mtime_ns, raw_nz64k(path))
                for path in self.extents]

    def expect_untouched(self):
        if self.state() != self.before:
            raise Failed("%s: something was written" % self.extents)

    def write_disk(self, path, target):
        """What the file holds, in whole sectors, as disks have."""
        self.volume.contents[path].write(target)
        os.truncate(target, -(-self.volume.contents[path].size // 512) * 512)

    def expect_file(self, path, engine=None, name=None, options=()):
        """@path, or what @name is another name of, reads as it should."""
        with scratch() as tmp:
            wanted, got = (os.path.join(tmp, n) for n in ("wanted", "got"))
            self.write_disk(path, wanted)
            vdisk_img("convert", *options, "-f", "vmfs", "-O", "raw",
                      name or self.node(path), got, engine=engine)
            if raw_nz64k(got) != raw_nz64k(wanted):
                raise Failed("%s: %s, should be %s" % (
                    path, raw_nz64k(got), raw_nz64k(wanted)))

    def tree(self):
        """{path: (type, size)} of all that a listing shows."""
        found = {}
        for path, folder in self.volume.folders.items():
            for entry in filter(None, folder.entries):
                found[os.path.join(path, entry[2])] = entry[:2]
        size_of = {stored.descriptor.address: stored.descriptor.size
                   for stored in self.volume.stored.values()}
        return {path: (TYPES[kind], size_of[address])
                for path, (kind, address) in found.items()}
