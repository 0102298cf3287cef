#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""test-nbdkit-scenarios - what users of nbdkit's vddk plugin do with VMware's
library, from one command line: the scenarios of nbdkit's own tests, and what
CDI reads out of the log.  On each version of the library."""
import os
import random
import re

from vddk_cases import (GRAIN, MIB, SECTOR, Failed, equal, for_each_soname,
                        vddk)

import nbdkit
from tap import Suite
from tools import TRANSPORTS, need, qemu_io, run, scratch, vdisk_img

suite = Suite()


def succeed(result):
    nbdkit.succeed(result)
    log = result.stderr.decode(errors="replace")
    if nbdkit.errors_of(log):
        raise Failed("nbdkit complained: %s" % result)
    return log


def random_file(path, size):
    with open(path, "wb") as file:
        file.write(random.Random(44).randbytes(size))


def same(first, second):
    nbdkit.succeed(run(["cmp", first, second]))


def round_trip(soname):
    """10 MiB of random bytes in and out again, with the plugin's statistics."""
    with scratch() as tmp:
        path, data, out = (os.path.join(tmp, name)
                           for name in ("d.vmdk", "data", "out"))
        random_file(data, 10 * MIB)
        vdisk_img("create", "-q", "-f", "vmdk", path, 10 * MIB)
        stats = ["-D", "vddk.stats=1"]
        log = succeed(vddk.run_with(path, 'nbdcopy --flush "%s" "$uri"' % data,
                                    soname=soname, options=stats))
        # nbdkit ends without waiting for the last Close.
        for function in ("InitEx", "ConnectEx", "Open", "WriteAsync", "Flush",
                         "Exit"):
            if not re.search(r"\b%s\b +\d+ +\d+" % function, log):
                raise Failed("no statistics of %s: %s" % (function, log))
        succeed(vddk.run_with(path, 'nbdcopy "$uri" "%s"' % out,
                              soname=soname, options=[*stats, "-r"]))
        same(data, out)


def create_then_look(soname):
    """file(1) and qemu-img take what create=true made for VMware's."""
    with scratch() as tmp:
        path, data = os.path.join(tmp, "d.vmdk"), os.path.join(tmp, "data")
        random_file(data, 10 * MIB)
        succeed(vddk.run_with(path, 'nbdcopy "%s" "$uri"' % data,
                              "create=true", "create-size=10M",
                              soname=soname))
        with open(path, "rb") as file:
            equal(file.read(4), b"KDMV", "first bytes")
        text = nbdkit.succeed(run([need("file"), path]))
        if "VMware" not in text:
            raise Failed("file says: " + text)
        raw = os.path.join(tmp, "raw")
        nbdkit.succeed(run(["qemu-img", "convert", "-f", "vmdk", "-O", "raw",
                            path, raw]))
        same(data, raw)


def unaligned_chunk(soname):
    """515 sectors, a chunk of which is a hole; the tail is its own extent."""
    with scratch() as tmp:
        path = os.path.join(tmp, "d.vmdk")
        succeed(vddk.run_with(
            path, 'qemu-io -f raw -c "write -P 1 0 192k" '
            '-c "write -P 2 256k 1536" "$uri"',
            "create=true", "create-size=%d" % (515 * SECTOR), soname=soname))
        result = vddk.run_with(path, 'nbdinfo --map "$uri"', soname=soname,
                               options=["-r"])
        succeed(result)
        rows = [line.split() for line in result.stdout.decode().splitlines()]
        equal(rows, [["0", "196608", "0", "data"],
                     ["196608", "65536", "3", "hole,zero"],
                     ["262144", "1536", "0", "data"]], "map")


def dump_plugin(soname):
    found = vddk.dump_plugin(soname)
    equal(found["name"], "vddk", "name")
    equal(found["vddk_library_version"], str(soname), "version")
    equal(os.path.basename(found["vddk_dll"]),
          "libvixDiskLib.so.%d" % soname, "library")
    equal(found["vddk_transport_modes"], TRANSPORTS, "transport modes")
    for function in ("VixDiskLib_QueryAllocatedBlocks",
                     "VixDiskLib_AllocateConnectParams",
                     "VixDiskLib_ReadAsync", "VixDiskLib_Wait"):
        equal(found.get(function), "1", function)


# As CDI looks for them in the log.
BANNER = re.compile(r"VMware VixDiskLib \(([\d.]+)\) Release build-(\S+)")
OPENED = re.compile(
    r"DISKLIB-LINK +: Opened '(file://\S+)' \(0x[0-9a-f]+\): (\w+), "
    r"(\d+) sectors / [\d.]+ [KMGT]B\.")


def log_lines(soname):
    """The banner once, an "Opened" line for each link's handle."""
    with scratch() as tmp:
        path = os.path.join(tmp, "d.vmdk")
        vdisk_img("create", "-q", "-f", "vmdk", path, 3 * MIB)
        with vddk.serve(path, soname=soname, options=["-r"]) as server:
            nbdkit.size_of(server.uri)
        lines = nbdkit.debug_of(server.log())
    banners = [found for found in map(BANNER.search, lines) if found]
    equal(len(banners), 1, "banners")
    equal(banners[0].group(1).split(".")[0], str(soname), "version")
    opened = [found.groups() for found in map(OPENED.search, lines) if found]
    if not opened:
        raise Failed("no line of the opening: %s" % server.log())
    equal(opened[0], ("file://" + path, "monolithicSparse",
                      str(3 * MIB // SECTOR)), "opened")
    if "transport mode: file" not in server.log():
        raise Failed("no transport mode: %s" % server.log())


def filters_of_cdi(soname):
    """CDI's own filters around the plugin, reading as CDI reads."""
    with scratch() as tmp:
        path, out = os.path.join(tmp, "d.vmdk"), os.path.join(tmp, "out")
        vdisk_img("create", "-q", "-f", "vmdk", path, 20 * MIB)
        qemu_io(path, "write -P 9 5M 7M")
        with vddk.serve(path, soname=soname,
                        options=["-r", "--filter=retry",
                                 "--filter=cacheextents"]) as server:
            nbdkit.nbdcopy("--request-size=%d" % (2 * MIB), server.uri, out)
            equal([entry[2] for entry in nbdkit.map_of(server.uri)],
                  ["hole,zero", "data", "hole,zero"], "map")
        qemu_io(out, "read -P 0 0 5M", "read -P 9 5M 7M", "read -P 0 12M 8M",
                fmt="raw")


def configuration_file(soname):
    """config= is read; keys of VMware's that mean nothing here do no harm."""
    with scratch() as tmp:
        path, config = os.path.join(tmp, "d.vmdk"), os.path.join(tmp, "conf")
        vdisk_img("create", "-q", "-f", "vmdk", path, MIB)
        with open(config, "w", encoding="utf-8") as file:
            file.write('# mine\nVixDiskLib.nfcAio.Session.BufSizeIn64KB=16\n'
                       'vixDiskLib.transport.LogLevel = "3"\n'
                       'tmpDirectory="%s"\n' % tmp)
        with vddk.serve(path, "config=" + config, soname=soname) as server:
            qemu_io(server.uri, "write -P 4 0 64k", fmt="raw")
        qemu_io(path, "read -P 4 0 %d" % GRAIN)


for title, case in (
        ("10 MiB in and out, with statistics", round_trip),
        ("what create=true made is VMware's for others", create_then_look),
        ("a chunk that is a hole, and an unaligned tail", unaligned_chunk),
        ("--dump-plugin", dump_plugin),
        ("the log has the lines that CDI reads", log_lines),
        ("CDI's filters", filters_of_cdi),
        ("a configuration file", configuration_file)):
    for_each_soname(suite, title, case, always=True)
suite.run()
