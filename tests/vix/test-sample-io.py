#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""test-sample-io - vdisk-vixsample's commands for sectors, on the library as
built; what they did is looked at with vdisk-img and qemu-img."""
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../support"))

from tap import Suite  # noqa: E402
from tools import (DISK_IO, TRANSPORTS, UNDER_SANITIZER,  # noqa: E402
                   Failed, scratch)
from vix_images import (ODD_SECTORS, SECONDS, SECTOR, chain,  # noqa: E402
                        dumped, image, info, no_leftovers, noise, put,
                        raw, same, sample_of)
from vix_sample import BUILD_ROOT  # noqa: E402
from vix_sample import vixsample as plain_vixsample  # noqa: E402
from vix_sample import (VIXSAMPLE, vixsample_fails,  # noqa: E402
                        vixsample_run)

# What talks to servers is in modules, which not every build makes.
CAN_CONNECT = all(os.path.exists(os.path.join(BUILD_ROOT, module)) for module
                  in ("io/vdisk-http.so", "vsphere/vdisk-xml.so"))

suite = Suite()
vixsample = None  # set in main()


@suite.case("-info: what vdisk-img knows, too")
def _():
    with scratch() as tmp:
        path = image(tmp)
        out = vixsample("-info", path)
        facts = info(path)["format-specific"]["data"]
        for line in ("capacity: 515 sectors, 263680 bytes", "links: 1",
                     "logical sector size: 512", "physical sector size: 512",
                     "adapter: ide", "transport mode: file", "server: none",
                     "physical geometry: %(cylinders)d/%(heads)d/%(sectors)d"
                     % facts["geometry"], "uuid: " + facts["uuid"]):
            if line + "\n" not in out:
                raise Failed("no '%s' in: %s" % (line, out))


@suite.case("-transports: what the library has")
def _():
    same(vixsample("-transports").splitlines()[0], TRANSPORTS)


def lay_out(root):
    """Of what is installed, the newest library and what is below its folder,
    copied to @root."""
    with open(os.path.join(BUILD_ROOT, "meson-info/intro-installed.json"),
              encoding="utf-8") as file:
        places = json.load(file)
    lib64 = os.path.dirname(places[os.path.join(
        BUILD_ROOT, "vix/so8/libvixDiskLib.so.8")])
    for built, place in places.items():
        name = os.path.relpath(place, lib64)
        if name == "libvixDiskLib.so.8" or name.startswith("vdisk/"):
            copy = os.path.join(root, "lib64", name)
            os.makedirs(os.path.dirname(copy), exist_ok=True)
            shutil.copy(built, copy)


@suite.case("a root that was copied elsewhere has all that it needs")
def _():
    with scratch() as tmp:
        lay_out(tmp)
        same(plain_vixsample("-transports", "-libdir", tmp).splitlines()[0],
             TRANSPORTS)


# -- data ----------------------------------------------------------------------

@suite.case("-fill and -dump")
def _():
    with scratch() as tmp:
        path = image(tmp)
        put(path, 0, noise(ODD_SECTORS * SECTOR))
        data = bytearray(noise(ODD_SECTORS * SECTOR))
        vixsample("-fill", path)
        data[:SECTOR] = b"\xff" * SECTOR
        vixsample("-fill", "-start", 100, "-count", 414, "-val", 0x5a, path)
        data[100 * SECTOR:514 * SECTOR] = b"Z" * (414 * SECTOR)
        same(raw(path), bytes(data))
        same(dumped(vixsample("-dump", "-count", 515, path)), bytes(data))
        same(len(dumped(vixsample("-dump", path))), SECTOR)
        out = vixsample("-dump", "-start", 100, path).splitlines()
        same(out[0], "0000c800 :" + " 5a" * 16 + "  " + "Z" * 16)
        same(len(out), 32)


@suite.case("-dump of a chain, buffered and not")
def _():
    with scratch() as tmp:
        child, data = chain(tmp)
        for flags in ([], ["-unbuffered"]):
            same(dumped(vixsample("-dump", "-count", 2048, *flags, child)),
                 data)


def check_zero(*args):
    with scratch() as tmp:
        path = image(tmp, sectors=2048)
        put(path, 0, noise(1 << 20))
        vixsample("-zero", "-start", 1, "-count", 1000, *args, path)
        vixsample("-discard", "-start", 1024, "-count", 1024, *args, path)
        data = bytearray(1 << 20)
        data[:1024 * SECTOR] = noise(1 << 20)[:1024 * SECTOR]
        data[SECTOR:1001 * SECTOR] = bytes(1000 * SECTOR)
        same(raw(path), bytes(data))
        vixsample.fails(16007, "-zero", "-start", 2048, *args, path)


suite.add("-zero and -discard", check_zero)
suite.add("-zero and -discard -async, then a flush", check_zero, "-async")


# -- benches -----------------------------------------------------------------

READ = ("-readbench", "-readasyncbench")
WRITE = ("-writebench", "-writeasyncbench")


@suite.case("reading benches read all, the remainder too")
def _():
    with scratch() as tmp:
        path = image(tmp)
        put(path, 0, noise(ODD_SECTORS * SECTOR))
        for command in READ:
            for step in (0, 1, 7, 128, 515, 600):
                out = vixsample(command, step, path)
                if "total: %d bytes read" % (ODD_SECTORS * SECTOR) not in out:
                    raise Failed(out)


@suite.case("reading benches print the rate every 64 MiB")
def _():
    with scratch() as tmp:
        path = image(tmp, sectors=(200 << 20) // SECTOR)
        for command in READ:
            lines = vixsample(command, 1024, path).splitlines()
            rates = [l for l in lines if re.fullmatch(
                r"\d+ MiB read, \d+\.\d MB/s", l)]
            if len(rates) < 2 or not lines[-1].startswith(
                    "total: %d bytes read in " % (200 << 20)):
                raise Failed("\n".join(lines))


@suite.case("writing benches write all, the remainder too")
def _():
    with scratch() as tmp:
        for command in WRITE:
            for number, step in enumerate((0, 1, 7, 600)):
                path = image(tmp, "%s%d.vmdk" % (command, number))
                vixsample(command, step, "-val", 65 + number, path)
                same(raw(path), bytes([65 + number]) * ODD_SECTORS * SECTOR)


@suite.case("writing benches write random bytes, or part of a disk")
def _():
    with scratch() as tmp:
        for command in WRITE:
            path = image(tmp, command + ".vmdk")
            vixsample(command, 16, "-start", 8, "-count", 500, path)
            data = raw(path)
            same(data[:8 * SECTOR] + data[508 * SECTOR:], bytes(15 * SECTOR))
            for sector in range(8, 508):
                part = data[sector * SECTOR:(sector + 1) * SECTOR]
                if len(set(part)) < 100:
                    raise Failed("%s: sector %d is not random" % (command,
                                                                  sector))


# -- errors ------------------------------------------------------------------

@suite.case("a missing disk, a file that is no disk")
def _():
    with scratch() as tmp:
        stderr = vixsample.fails(4, "-info", os.path.join(tmp, "none.vmdk"))
        if "none.vmdk" not in stderr:
            raise Failed("the file is not named: " + stderr)
        path = os.path.join(tmp, "text")
        with open(path, "w", encoding="ascii") as f:
            f.write("no disk\n" * 1000)
        vixsample.fails(16063, "-info", path)


@suite.case("sectors behind the end")
def _():
    with scratch() as tmp:
        path = image(tmp)
        for args in (["-dump", "-start", 515], ["-dump", "-count", 516],
                     ["-fill", "-start", 1 << 54],
                     ["-zero", "-count", (1 << 55) - 1],
                     ["-readbench", 128, "-count", 516],
                     ["-writeasyncbench", 1, "-start", 514, "-count", 2]):
            vixsample.fails(16007, *args, path)


@suite.case("parents that are gone or have changed")
def _():
    with scratch() as tmp:
        child, _ = chain(tmp)
        base = os.path.join(tmp, "base.vmdk")
        put(base, 0, noise(SECTOR, 3))
        vixsample.fails(16008, "-info", child)
        os.rename(base, base + ".away")
        vixsample.fails(16012, "-info", child)


@suite.case("a disk in use is not written to")
def _():
    with scratch() as tmp:
        path = image(tmp)
        with subprocess.Popen([DISK_IO, path, "wait"], stdin=subprocess.PIPE,
                              stdout=subprocess.PIPE) as user:
            user.stdout.readline()
            vixsample.fails(15, "-fill", path)
            user.stdin.close()
        vixsample("-fill", path)


@suite.case("servers that cannot be reached, and the error says so")
def _():
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        vixsample.fails(14009 if CAN_CONNECT else 6, "-info", "-host", "127.0.0.1", "-port",
                        str(nobody.getsockname()[1]), "-user", "u",
                        "-password", "s3cret", "-vm", "moref=vm-1",
                        "[ds] x.vmdk")


@suite.case("without -libdir: where the loader looks, else the one built with it")
def _():
    with scratch() as tmp:
        path = image(tmp)
        env = {"LD_LIBRARY_PATH": os.path.join(vixsample.root, "lib64")}
        if "links: 1\n" not in plain_vixsample("-info", path, env=env):
            raise Failed("nothing in LD_LIBRARY_PATH")
        # dlopen() is the sanitizer's there, which knows no RUNPATH of ours.
        if not UNDER_SANITIZER:
            same(plain_vixsample("-info", path),
                 plain_vixsample("-info", path, env=env))


@suite.case("a configuration file: read, or the error names it")
def _():
    with scratch() as tmp:
        path = image(tmp)
        config = os.path.join(tmp, "config")
        with open(config, "w", encoding="ascii") as f:
            f.write("vdisk.extraErrorBits = 1\n")
        result = vixsample_fails(
            "-libdir", vixsample.root, "-initex", config, "-info",
            os.path.join(tmp, "none"))
        if "error 0x204000004 (4): " not in result:  # ENOENT
            raise Failed(result)
        vixsample("-info", "-initex", config, path)
        vixsample.fails(4, "-info", "-initex", config + ".none", path)


@suite.case("-verbose prints the log, -cleanup its numbers")
def _():
    with scratch() as tmp:
        path = image(tmp)
        result = vixsample_run("-libdir", vixsample.root, "-verbose", "-info",
                                          path)
        if result.code != 0 or b"log: VMware VixDiskLib (8.0)" \
                not in result.stderr:
            raise Failed(str(result))
        out = vixsample("-cleanup", "-info", path)
        same(out.splitlines()[-1], "cleanup: 0 cleaned up, 0 remaining")


@suite.case("an output that cannot be written to is an error")
def _():
    with scratch() as tmp, open("/dev/full", "wb") as full:
        path = image(tmp, sectors=8192)
        for command in (["-info"], ["-dump", "-count", "8192"]):
            done = subprocess.run([VIXSAMPLE, "-libdir", vixsample.root, *command, path],
                                  stdout=full, stderr=subprocess.PIPE,
                                  check=False, timeout=SECONDS)
            same((done.returncode, b"standard output" in done.stderr),
                 (1, True))


# -- signals -----------------------------------------------------------------

def check_signal(sig, *args):
    """After its first line of output it gets @sig."""
    with subprocess.Popen([VIXSAMPLE, "-libdir", vixsample.root, *map(str, args)],
                          stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE) as child:
        child.stdout.readline()
        child.send_signal(sig)
        child.stdout.read()
        stderr = child.stderr.read()
        same((child.wait(SECONDS), stderr), (128 + sig, b""))


@suite.case("Ctrl-C and SIGTERM end a bench, and locks are gone")
def _():
    with scratch() as tmp:
        path = image(tmp, sectors=(8 << 40) // SECTOR)
        for command, sig in (("-readbench", signal.SIGINT),
                             ("-readasyncbench", signal.SIGTERM)):
            check_signal(sig, command, 128, path)
            no_leftovers(tmp, "x.vmdk")
        vixsample("-fill", path)


def main():
    global vixsample
    with sample_of(8) as vixsample:
        suite.run()


main()
