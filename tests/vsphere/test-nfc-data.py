#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""test-nfc-data - disks through nbd and nbdssl: what is read and written is what
is there, however the host cuts, orders and compresses it."""
import itertools
import json
import os
import re
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../support"))

from nfc_setting import DDB, KIB, MIB, Setting, reading  # noqa: E402
from tap import Suite  # noqa: E402
from tools import Failed, VDISK_IO, run, vdisk_img  # noqa: E402

COMPRESSIONS = ("none", "zlib", "fastlz", "skipz")

suite = Suite()


@suite.case("nbd and nbdssl read the same, with each compression")
def _():
    with reading() as s:
        for tls, compression in itertools.product((True, False), COMPRESSIONS):
            s.assert_reads(tls=tls, compression=compression)
        services = {line["service"] for line in s.log(event="proxy")}
        if services != {s.disk.service, s.disk.service + "ssl"}:
            raise Failed("services: %s" % services)


@suite.case("fragments and replies come in any order, compressed or not")
def _():
    orders = ("reversed", "shuffled")
    for order, compression in itertools.product(orders, COMPRESSIONS):
        with reading(fragment=16 * KIB, fragment_order=order,
                     reply_order=order, compression="alternate") as s:
            s.assert_reads(tls=False, compression=compression)


@suite.case("what is written is there, in any number of fragments")
def _():
    with Setting(writable=True, reply_order="shuffled") as s:
        source = s.path("new.raw")
        ways = itertools.product((True, False), COMPRESSIONS)
        for number, (tls, compression) in enumerate(ways):
            new = s.data[::-1] if number % 2 else s.data
            with open(source, "wb") as file:
                file.write(new)
            vdisk_img("convert", "-n", "-f", "raw", "-O", "raw", source,
                      s.disk.name(tls=tls, compression=compression,
                                  buffer_size=(64 * KIB, MIB)[number // 2 % 2]))
            if s.disk.content() != new:
                raise Failed("not what was written: %s %s"
                             % (tls, compression))


@suite.case("a digest of either kind will do, and one of the endpoint")
def _():
    with reading() as s:
        for text in (s.fake.host_thumbprint, s.fake.host_thumbprint_sha256,
                     s.fake.host_thumbprint.replace(":", "").lower()):
            s.assert_reads(thumbprint=text)
        s.fake.knobs(authd_refuses_sha2=True)
        s.assert_reads()
        s.fake.knobs(authd_refuses_sha2=False, banner="no-sha256")
        s.assert_reads()


@suite.case("without a thumbprint the certificate must be one of the CA")
def _():
    with reading() as s:
        folder = s.path("ca")
        os.mkdir(folder)
        os.link(s.fake.certs.ca, os.path.join(folder, "ca-cert.pem"))
        s.assert_reads(thumbprint=None, tls_certificates=folder)


@suite.case("holes are known, and what we have written is none")
def _():
    with Setting(writable=True) as s:
        entries = json.loads(vdisk_img("map", "--output=json", s.disk.name()))
        found = [e for e in entries if not e["data"]]
        for e in found:
            if s.data[e["start"]:e["start"] + e["length"]].strip(b"\0"):
                raise Failed("data in %s" % e)
        if sum(e["length"] for e in found) < 2 * MIB:
            raise Failed("hardly any holes: %s" % entries)
        if not s.log(event="allocated"):
            raise Failed("nobody asked")
        done = run([VDISK_IO, "-c", "map", "-c", "write -P 7 1536k 64k",
                    "-c", "map", "-c", "read -P 7 1536k 64k",
                    s.disk.name()])
        if done.code != 0 or b"fail" in done.stdout:
            raise Failed(str(done))


@suite.case("geometry, adapter and uuid are known")
def _():
    with reading() as s:
        text = vdisk_img("meta", "list", s.disk.name())
        for key, value in DDB.items():
            if not re.search(r"^%s\W+%s\b" % (re.escape(key), value), text,
                             re.M):
                raise Failed("no %s = %s in %s" % (key, value, text))
        if "uuid" not in text:
            raise Failed("no uuid in " + text)


suite.run()
