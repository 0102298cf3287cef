#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""test-exports - the shared library shows its headers, no more and no less."""
import os
import re
import sys

for folder in ("support", "lint"):
    sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", folder))

import tree  # noqa: E402
from tap import Suite  # noqa: E402
from tools import need, run  # noqa: E402

LIBRARY = sys.argv[1]
HEADERS = ("include/vdisk.h", "include/vdisk-manage.h",
           "include/vdisk-nbd.h", "include/vdisk-snapshot.h",
           "include/vdisk-vsphere.h")

suite = Suite()


def declared():
    return {name for header in HEADERS
            for name in re.findall(r"VD_PUBLIC[^;]*?\b(vd_\w+)\s*\(",
                                   tree.read(header))}


def differ(what, found, wanted):
    if found != wanted:
        raise AssertionError("%s: too many %s, missing %s" % (
            what, sorted(found - wanted), sorted(wanted - found)))


@suite.case("version script lists what the headers declare")
def _():
    script = tree.read("api/libvdisk.map")
    listed = set(re.findall(r"^\s+(vd_\w+);", script, re.M))
    assert len(listed) > 40, "the script was not understood"
    differ("version script", listed, declared())


@suite.case("library exports what the headers declare")
def _():
    out = run([need("nm"), "-D", "--defined-only", LIBRARY]).stdout.decode()
    symbols = {line.split()[-1].split("@")[0] for line in out.splitlines()}
    differ("library", symbols - {"VDISK_0"}, declared())


@suite.case("library stays when a program that has loaded it closes it")
def _():
    """Each time anew it would use up keys of threads, of which there are 1024,
    and GLib would have names that are not there any more."""
    out = run([need("readelf"), "-d", "-W", LIBRARY]).stdout.decode()
    assert re.search(r"\(FLAGS_1\).*\bNODELETE\b", out), out


suite.run([])
