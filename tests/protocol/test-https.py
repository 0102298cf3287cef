#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""test-https - disks on a real web server: read in parts, sent as a whole."""
import atexit
import hashlib
import json
import os
import random
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../support"))

from http_servers import PASSWORD, Nginx  # noqa: E402
from nbd_certs import Certs  # noqa: E402
from tap import Skip, Suite, skip_all  # noqa: E402
from tools import (VDISK_IMG, VDISK_IO, Failed, run,  # noqa: E402
                   vdisk_img, vdisk_img_fails)

MIB = 1 << 20
SIZE = 12 * MIB + 5 * 512
SECONDS = 120

suite = Suite()


def expect(condition, what):
    if not condition:
        raise Failed(str(what))


class World:
    """A server with one disk in many forms."""

    def __init__(self):
        self.tmp = tempfile.mkdtemp(prefix="vdisk-https-")
        atexit.register(shutil.rmtree, self.tmp, ignore_errors=True)
        self.certs = Certs(os.path.join(self.tmp, "certs"))
        self.server = Nginx(os.path.join(self.tmp, "nginx"), self.certs)
        self.raw = self.server.path("disk.raw")
        self.make()
        self.server.__enter__()
        atexit.register(self.server.__exit__)

    def make(self):
        rng = random.Random(9)
        with open(self.raw, "wb") as file:
            for _ in range(24):
                file.seek(rng.randrange(SIZE // 512 - 600) * 512)
                file.write(rng.randbytes(512 * rng.randrange(1, 600)))
            file.truncate(SIZE)
        for name, fmt, options in FORMS:
            path = self.server.path(name)
            os.makedirs(os.path.dirname(path), exist_ok=True)
            vdisk_img("convert", "-f", "raw", "-O", fmt, *options, self.raw,
                      path)
        with open(self.server.path("empty.raw"), "wb"):
            pass

    def out(self, name="out.raw"):
        return os.path.join(self.tmp, name)

    def options(self, tls=True):
        return "#ca-file=%s/ca-cert.pem" % self.certs.good if tls else ""

    def url(self, name, tls=False):
        return self.server.url(name, tls) + self.options(tls)


FORMS = [
    ("sparse.vmdk", "vmdk", ["-o", "subformat=monolithicSparse"]),
    ("stream.vmdk", "vmdk", ["-o", "subformat=streamOptimized"]),
    ("flat dir/flat.vmdk", "vmdk", ["-o", "subformat=monolithicFlat"]),
    ("split/x.vmdk", "vmdk", ["-o", "subformat=twoGbMaxExtentSparse"]),
    ("disk.qcow2", "qcow2", []),
]
try:
    world = World()
except Skip as missing:
    skip_all(missing)


def digest(path):
    with open(path, "rb") as file:
        return hashlib.sha256(file.read()).hexdigest()


def quoted(name):
    return name.replace(" ", "%20")


# -- reading ------------------------------------------------------------------

def reads(name, tls):
    url = world.url(quoted(name), tls)
    info = json.loads(vdisk_img("info", "--output=json", url,
                                timeout=SECONDS))
    expect(info["virtual-size"] == SIZE, info)
    vdisk_img("compare", url, world.raw, timeout=SECONDS)
    vdisk_img("convert", "-O", "raw", url, world.out(), timeout=SECONDS)
    expect(digest(world.out()) == digest(world.raw), "another content")
    local = json.loads(vdisk_img("map", "--output=json",
                                 world.server.path(name)))
    there = json.loads(vdisk_img("map", "--output=json", url,
                                 timeout=SECONDS))
    if name != "disk.raw" and "flat" not in name:  # holes of files are not told
        keys = ("start", "length", "zero", "data")
        expect([[e[k] for k in keys] for e in local] ==
               [[e[k] for k in keys] for e in there], (local, there))


for form in ["disk.raw"] + [form[0] for form in FORMS]:
    for secure in (False, True):
        suite.add("reads %s%s" % (form, " in TLS" if secure else ""),
                  reads, form, secure)


@suite.case("vdisk-io reads what is there")
def _():
    rng = random.Random(3)
    with open(world.raw, "rb") as file:
        data = file.read()
    commands = []
    for _ in range(20):
        off = rng.randrange(SIZE // 512) * 512
        length = min(512 * rng.randrange(1, 4000), SIZE - off)
        commands += ["-c", "read -v %d %d" % (off, min(length, 512)),
                     "-c", "read %d %d" % (off, length)]
    local, there = (run([VDISK_IO, "-r", "-f", "raw", *commands, name],
                        timeout=SECONDS)
                    for name in (world.raw, world.url("disk.raw")))
    expect(local.code == 0 and there.code == 0, there)

    def bytes_of(result):
        return [line for line in result.stdout.decode().splitlines()
                if " ops;" not in line and "bytes at offset" not in line]
    expect(bytes_of(local) == bytes_of(there) and data, there)


@suite.case("an empty file is an empty disk")
def _():
    info = json.loads(vdisk_img("info", "--output=json",
                                world.url("empty.raw"), timeout=SECONDS))
    expect(info["virtual-size"] == 0, info)


@suite.case("options can be given as such, too")
def _():
    options = "driver=https,url=%s,ca-file=%s/ca-cert.pem,connections=1" % (
        world.server.url("disk.qcow2", True), world.certs.good)
    vdisk_img("compare", "--image-opts",
              "driver=qcow2," + ",".join("file." + o
                                         for o in options.split(",")),
              "driver=raw,file.filename=" + world.raw, timeout=SECONDS)


@suite.case("a chain of images on the server is followed, out of it it is not")
def _():
    base, top, out = (world.server.path(n)
                      for n in ("base.qcow2", "top.qcow2", "out.qcow2"))
    shutil.copy(world.server.path("disk.qcow2"), base)
    vdisk_img("create", "-f", "qcow2", "-b", "base.qcow2", "-F", "qcow2", top)
    vdisk_img("compare", world.url("top.qcow2", True), world.raw,
              timeout=SECONDS)
    vdisk_img("create", "-f", "qcow2", "-b", world.raw, "-F", "raw", out)
    text = vdisk_img_fails("convert", "-O", "raw", world.url("out.qcow2"),
                           world.out("no.raw"), timeout=SECONDS)
    expect("may not refer" in text, text)


def leads_out(name, out, *options):
    """An image with a word that leads out of its folder is refused."""
    vdisk_img("create", "-f", "qcow2", *options, out, SIZE)
    os.replace(out, world.server.path("split", name))
    text = vdisk_img_fails("convert", "-O", "raw", world.url("split/" + name),
                           world.out("no.raw"), timeout=SECONDS)
    expect("may not refer" in text, text)


@suite.case("an image here may have its parent there")
def _():
    top = world.out("child.qcow2")
    vdisk_img("create", "-f", "qcow2", "-b", world.url("disk.qcow2", True),
              "-F", "qcow2", top)
    vdisk_img("compare", top, world.raw, timeout=SECONDS)
    vdisk_img("rebase", "-b", world.url("disk.raw"), "-F", "raw", top,
              timeout=SECONDS)
    vdisk_img("compare", top, world.raw, timeout=SECONDS)
    infos = vdisk_img("info", "--backing-chain", top, timeout=SECONDS)
    expect(world.url("disk.raw") in infos, infos)


@suite.case("nor by a file of its data, nor by what servers decode")
def _():
    leads_out("data.qcow2", world.out("data.qcow2"), "-o",
              "data_file=" + world.out("data.raw"))
    leads_out("dots.qcow2", world.out("dots.qcow2"), "-u", "-F", "raw", "-b",
              world.server.url("split/%2e%2e/disk.raw"))


@suite.case("extents stay in the folder of their descriptor")
def _():
    with open(world.server.path("split/x.vmdk"), encoding="utf-8") as file:
        text = file.read()
    for bad in (world.raw, "../disk.raw", "http://127.0.0.1/x"):
        with open(world.server.path("split/bad.vmdk"), "w",
                  encoding="utf-8") as file:
            file.write(text.replace("x-s001.vmdk", bad))
        vdisk_img_fails("convert", "-O", "raw", world.url("split/bad.vmdk"),
                        world.out("no.raw"), timeout=SECONDS)


# -- manners ------------------------------------------------------------------

@suite.case("a missing file, a missing server")
def _():
    text = vdisk_img_fails("info", world.url("nothing?secret=1"),
                           timeout=SECONDS)
    expect("no such file" in text and "404" in text, text)
    expect("/nothing:" in text, text)
    text = vdisk_img_fails("info", "http://127.0.0.1:1/x", timeout=SECONDS)
    expect("127.0.0.1:1" in text, text)


@suite.case("certificates: authorities, thumbprints, nobody")
def _():
    url = world.server.url("disk.raw", True)
    vdisk_img("info", url + "#sslverify=off", timeout=SECONDS)
    text = vdisk_img_fails("info", url, timeout=SECONDS)
    expect("certificate" in text, text)
    printed = run(["openssl", "x509", "-noout", "-fingerprint", "-sha1", "-in",
                   world.certs.good + "/server-cert.pem"]).stdout.decode()
    thumbprint = printed.strip().split("=")[1]
    vdisk_img("info", url + "#thumbprint=" + thumbprint, timeout=SECONDS)
    wrong = thumbprint[:-1] + ("0" if thumbprint[-1] != "0" else "1")
    before = world.server.log().count("\n")
    text = vdisk_img_fails("info", url + "#thumbprint=" + wrong,
                           timeout=SECONDS)
    expect(thumbprint in text and wrong in text, text)
    expect(world.server.log().count("\n") == before, "something was asked")


@suite.case("a password comes from a file and is shown nowhere")
def _():
    secret = world.out("password")
    url = world.server.url("auth/disk.raw")
    with open(secret, "w", encoding="ascii") as file:
        file.write(PASSWORD + "\n")
    os.chmod(secret, 0o600)
    vdisk_img("compare", url + "#username=user,password-file=" + secret,
              world.raw, timeout=SECONDS)
    vdisk_img("compare", url.replace("//", "//user@") + "#password-file=" +
              secret, world.raw, timeout=SECONDS)
    text = vdisk_img_fails("info", url, timeout=SECONDS)
    expect("401" in text, text)
    with open(secret, "w", encoding="ascii") as file:
        file.write("wrong one")
    text = vdisk_img_fails(
        "info", url + "#username=user,password-file=" + secret,
        timeout=SECONDS)
    expect("401" in text and "wrong one" not in text, text)
    text = vdisk_img_fails("info", url.replace("//", "//user:mine@"),
                           timeout=SECONDS)
    expect("password-file" in text, text)
    text = vdisk_img_fails("info", url + "#proxy=http://me:mine@127.0.0.1:1",
                           timeout=SECONDS)
    expect("proxy=environment" in text, text)


@suite.case("no image sends our secrets to a server that it has chosen")
def _():
    secret = world.out("secret")
    with open(secret, "w", encoding="ascii") as file:
        file.write("much\n")
    words = {"driver": "raw", "file": {
        "driver": "https", "url": world.server.url("disk.raw"),
        "username": "u", "password-file": secret}}
    nfc = {"driver": "raw", "file": {
        "driver": "nfc", "path": "[ds] x.vmdk", "host": "127.0.0.1",
        "port": 1, "session-id-file": secret}}
    names = ["json:" + json.dumps(words), "json:" + json.dumps(nfc),
             world.server.url("disk.raw") + "#username=u,password-file=" +
             secret]
    if "vsphere" in vdisk_img("--help"):
        names.append("vsphere://u@127.0.0.1:1/?vm=x&disk=y&password-file=" +
                     secret)
    for name in names:
        top = world.out("top.qcow2")
        vdisk_img("create", "-f", "qcow2", "-u", "-b", name, "-F", "raw", top,
                  SIZE)
        for words in (("convert", "-O", "raw", top, world.out("no.raw")),
                      ("info", "--backing-chain", top),
                      ("create", "-f", "qcow2", "-b", name, "-F", "raw",
                       world.out("no.qcow2"))):
            text = vdisk_img_fails(*words, timeout=SECONDS)
            expect("may not say" in text, text)
        result = run([VDISK_IMG, "chain", top], timeout=SECONDS)
        expect(b"may not say" in result.stdout, result)
    expect(not os.path.exists(world.out("no.qcow2")), "a child")


@suite.case("what has moved within the server is found")
def _():
    vdisk_img("compare", world.url("moved/disk.raw"), world.raw,
              timeout=SECONDS)


@suite.case("a server that sends no parts: raw can be copied, no more")
def _():
    url = world.url("whole/disk.raw")
    vdisk_img("convert", "-f", "raw", "-O", "raw", url, world.out(),
              timeout=SECONDS)
    expect(digest(world.out()) == digest(world.raw), "another content")
    for argv in (["info", url], ["compare", url, world.raw],
                 ["convert", "-O", "qcow2", url, world.out("no.qcow2")],
                 ["convert", "-O", "raw", world.url("whole/disk.qcow2"),
                  world.out("no.raw")]):
        text = vdisk_img_fails(*argv, code=2 if argv[0] == "compare" else 1,
                               timeout=SECONDS)
        expect("downloaded first" in text, text)


@suite.case("download: what comes as a whole is kept while it is open")
def _():
    for name in ("whole/disk.raw", "whole/disk.qcow2", "disk.raw"):
        url = world.url(name) + "#download=64M"
        vdisk_img("compare", url, world.raw, timeout=SECONDS)
        vdisk_img("convert", "-O", "raw", url, world.out(), timeout=SECONDS)
        expect(digest(world.out()) == digest(world.raw), "another content")
    text = vdisk_img_fails("info", world.url("whole/disk.raw") + "#download=1M",
                           timeout=SECONDS)
    expect("more than %d bytes" % MIB in text, text)
    result = run([VDISK_IMG, "info", url], timeout=SECONDS,
                 env={"TMPDIR": world.out("nowhere")})
    expect(result.code == 1 and
           b"temporary file: No such file" in result.stderr, result)


def arriving(name):
    return "json:" + json.dumps({
        "driver": "vmdk", "in-order": True, "file": {
            "driver": "https", "url": world.url("whole/" + name),
            "download": 64 * MIB}})


@suite.case("in-order: a stream that comes as a whole is read meanwhile")
def _():
    name = arriving("stream.vmdk")
    for fmt in ("raw", "vmdk", "qcow2"):
        vdisk_img("convert", "-O", fmt, name, world.out(), timeout=SECONDS)
        vdisk_img("compare", "-f", fmt, world.out(), world.raw)
    vdisk_img("compare", name, world.raw, timeout=SECONDS)
    there, local = (json.loads(vdisk_img("map", "--output=json", which,
                                         timeout=SECONDS))
                    for which in (name, world.server.path("stream.vmdk")))
    keys = ("start", "length", "zero", "data")
    expect([[e[k] for k in keys] for e in local] ==
           [[e[k] for k in keys] for e in there], (local, there))


def records(stream):
    """Places of grains (marker None) and of markers."""
    at = struct.unpack_from("<Q", stream, 64)[0] * 512
    while True:
        value, size, marker = struct.unpack_from("<QII", stream, at)
        yield at, marker if size == 0 else None
        if size == 0 and marker == 0:
            return
        at += (12 + size + 511) // 512 * 512 if size else 512 + value * 512


@suite.case("in-order: what is wrong with a stream is told where it comes")
def _():
    good = run([VDISK_IMG, "convert", "-f", "raw", "-O", "vmdk", "-o",
                "subformat=streamOptimized", world.raw, "-"],
               timeout=SECONDS).stdout  # tables behind their grains
    found = list(records(good))
    (first, _), (second, _) = found[:2]
    table = next(at for at, marker in found if marker == 1)
    for at, data, text in ((len(good) // 1024 * 512, None, "was cut off"),
                           (table + 512, bytes(2048), "contradicts"),
                           (second, good[first:first + 8], "not in the order"),
                           (second, b"\1", "no compressed grain"),
                           (second + 8, b"\xff" * 4, "no compressed grain"),
                           (second + 8, b"\0\0\0\0\7", "nor a marker"),
                           (4, b"\7", "version")):
        bad = good[:at] if data is None else \
            good[:at] + data + good[at + len(data):]
        with open(world.server.path("bad.vmdk"), "wb") as file:
            file.write(bad)
        told = vdisk_img_fails("convert", "-O", "raw", arriving("bad.vmdk"),
                               world.out("no.raw"), timeout=SECONDS)
        expect(text in told, (text, told))
        expect(not os.path.exists(world.out("no.raw")), text)
    for argv, text in ((["info", arriving("sparse.vmdk")], "streamOptimized"),
                       (["info", arriving("disk.raw")], "")):
        expect(text in vdisk_img_fails(*argv, timeout=SECONDS), argv)


@suite.case("files are not changed")
def _():
    result = run([VDISK_IO, "-f", "raw", "-c", "write 0 512",
                  world.url("disk.raw")], timeout=SECONDS)
    expect(result.code != 0 and b"not changed" in result.stderr, result)


# -- sending ------------------------------------------------------------------

def sends(fmt, options, tls):
    name = "dav/new.%s" % fmt
    vdisk_img("convert", "-f", "raw", "-O", fmt, *options, world.raw,
              world.url(name, tls), timeout=SECONDS)
    vdisk_img("compare", world.url(name, tls), world.raw, timeout=SECONDS)
    vdisk_img("compare", world.server.path(name), world.raw)
    os.remove(world.server.path(name))


for secure in (False, True):
    suite.add("sends a raw disk" + (" in TLS" if secure else ""), sends, "raw",
              [], secure)
    suite.add("sends a streamOptimized disk" + (" in TLS" if secure else ""),
              sends, "vmdk", ["-o", "subformat=streamOptimized"], secure)


@suite.case("from a pipe to a server")
def _():
    with open(world.raw, "rb") as file:
        data = file.read()
    vdisk_img("convert", "-f", "raw", "-O", "raw", "-",
              world.url("dav/piped.raw"), stdin=data, timeout=SECONDS)
    expect(digest(world.server.path("dav/piped.raw")) == digest(world.raw),
           "another content")


@suite.case("what cannot be sent from first to last is refused")
def _():
    for options in (["-O", "qcow2"],
                    ["-O", "vmdk", "-o", "subformat=monolithicSparse"]):
        vdisk_img_fails("convert", "-f", "raw", *options, world.raw,
                        world.url("dav/no"), timeout=SECONDS)
        expect(not os.path.exists(world.server.path("dav/no")), options)


@suite.case("a server that takes no files says so")
def _():
    text = vdisk_img_fails("convert", "-f", "raw", "-O", "raw", world.raw,
                           world.url("no.raw"), timeout=SECONDS)
    expect("405" in text, text)


@suite.case("post: a new file can be sent by POST, too")
def _():
    # This one takes PUT only.
    url = world.url("dav/posted.raw") + "#post=%s"
    text = vdisk_img_fails("convert", "-f", "raw", "-O", "raw", world.raw,
                           url % "a/b", timeout=SECONDS)
    expect("HTTP status 40" in text, text)
    for wrong in ("a", "/b", "a/", "a/b:c"):
        text = vdisk_img_fails("convert", "-f", "raw", "-O", "raw", world.raw,
                               url % wrong, timeout=SECONDS)
        expect("'post'" in text, text)


@suite.case("what is given up in the middle is no file there")
def _():
    name = world.server.path("dav/half.raw")
    child = subprocess.Popen(
        [VDISK_IMG, "convert", "-f", "raw", "-O", "raw", "-",
         world.url("dav/half.raw")],
        stdin=subprocess.PIPE, stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE)
    with child:
        child.stdin.write(bytes(8 * MIB))
        child.stdin.flush()
        deadline = time.monotonic() + SECONDS
        while not os.listdir(os.path.join(world.server.directory, "tmp",
                                          "client_body")):
            expect(time.monotonic() < deadline, "nothing has come")
            time.sleep(0.02)
        child.send_signal(signal.SIGINT)
        text = child.stderr.read()
        expect(child.wait(SECONDS) != 0, text)
    expect(not os.path.exists(name), "half a file")


suite.run()
