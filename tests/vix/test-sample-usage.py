#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""test-sample-usage - vdisk-vixsample's command line, without any library."""
import os
import re
import sys

for folder in ("support", "lint"):
    sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", folder))

import tree  # noqa: E402
from manual import Manual, help_options, same  # noqa: E402
from tap import Suite  # noqa: E402
from tools import Failed, scratch  # noqa: E402
from vix_sample import vixsample, vixsample_fails  # noqa: E402

PAGE = Manual("vdisk-vixsample")
HELP = vixsample("-help")

# A command line and what the message says of it.
WRONG = [
    ([], "no command"),
    (["-info"], "no disk"),
    (["x.vmdk"], "no command"),
    (["-info", "-dump", "x"], "-info and -dump: only one command"),
    (["-info", "-info", "x"], "only one command"),
    (["-info", "x", "y"], "'x' and 'y': only one disk"),
    (["-transports", "x"], "takes no disk"),
    (["-bogus", "x"], "unknown option '-bogus'"),
    (["-", "x"], "unknown option '-'"),
    (["-redo"], "-redo needs another argument"),
    (["-wmeta", "key"], "-wmeta needs another argument"),
    (["-info", "x", "-mode"], "-mode needs another argument"),
    (["-check", "2", "x"], "-check: '2' is not a number from 0 to 1"),
    (["-check", "", "x"], "-check: '' is not"),
    (["-readbench", "x"], "-readbench: 'x' is not"),
    (["-readbench", "65537", "x"], "-readbench: '65537' is not"),
    (["-multithread", "0", "x"], "-multithread: '0' is not"),
    (["-grow", "x"], "-grow needs -cap"),
    (["-fill", "-val", "256", "x"], "-val: '256' is not"),
    (["-fill", "-val", "-1", "x"], "-val: '-1' is not"),
    (["-fill", "-val", " 1", "x"], "-val: ' 1' is not"),
    (["-fill", "-val", "0x", "x"], "-val: '0x' is not"),
    (["-fill", "-val", "1x", "x"], "-val: '1x' is not"),
    (["-dump", "-count", "0", "x"], "-count: '0' is not"),
    (["-dump", "-start", "36028797018963968", "x"], "-start: '360"),
    (["-dump", "-start", "99999999999999999999", "x"], "-start: '999"),
    (["-create", "-adapter", "floppy", "x"],
     "-adapter: 'floppy' is none of: ide buslogic scsi lsilogic"),
    (["-create", "-type", "sparse", "x"], "-type: 'sparse' is none of:"),
    (["-info", "-compress", "lzma", "x"], "-compress: 'lzma' is none"),
    (["-info", "-port", "0", "-host", "h", "x"], "-port: '0' is not"),
    (["-info", "-snapshot", "s-1", "x"], "-snapshot needs a server"),
    (["-info", "-vm", "moref=vm-1", "x"],
     "a remote disk needs -host, -user and -password"),
]

REMOTE = ["-info", "-host", "h", "-user", "u", "-password", "p"]
WRONG_REMOTE = [
    (["-vm", "v", "-fcdid", "f", "-ds", "d", "x"], "-vm goes without"),
    (["-fcdid", "f", "x"], "need -ds"),
    (["-fcdid", "f", "-folder", "d", "-ds", "d", "x"], "without -folder"),
    (["-folder", "d", "x"], "need -ds"),
    (["-ds", "d", "x"], "-ds needs -fcdid or -folder"),
    (["-fcdssid", "s", "x"], "-fcdssid needs -fcdid"),
    (["-ssmoref", "s", "x"], "-snapshot needs -vm"),
]
# Each of them makes the disk a remote one.
REMOTE_OPTIONS = ("host", "user", "password", "thumb", "cookie", "port",
                  "nfchostport", "vm", "fcdid", "fcdssid", "ds", "folder")


def check_wrong(args, message):
    stderr = vixsample_fails(*args)
    if message not in stderr or "usage: vdisk-vixsample" not in stderr:
        raise Failed("%s: no %r in: %s" % (args, message, stderr))


suite = Suite()


@suite.case("-help lists what the manual page does")
def _():
    items = set().union(*PAGE.options().values())
    same(help_options(HELP), items, "options")


PAGE.add_cases(suite)


@suite.case("--help and -h are -help; other words do not matter then")
def _():
    for args in (["--help"], ["-h"], ["-info", "-help", "a"]):
        if vixsample(*args) != HELP:
            raise Failed("%s prints something else" % args)


@suite.case("wrong usage says what is wrong and exits 1")
def _():
    for args, message in WRONG:
        check_wrong(args, message)


@suite.case("wrong usage with a server says what is wrong")
def _():
    for args, message in WRONG_REMOTE:
        check_wrong(REMOTE + args, message)


@suite.case("each option about servers wants -host, -user and -password")
def _():
    for option in REMOTE_OPTIONS:
        check_wrong(["-info", "-" + option, "1", "x"],
                    "a remote disk needs -host, -user and -password")


@suite.case("the functions looked up are those of the header")
def _():
    declared = set(re.findall(r"\b(VixDiskLib(?:Ext)?_\w+)\(",
                              tree.strip(tree.read("include/vixDiskLib.h"))))
    looked_up = set(re.findall(r"^    X\((\w+)\)",
                               tree.read("tools/vixsample/library.h"), re.M))
    if len(declared) < 50 or declared != looked_up:
        raise Failed("only in the header: %s; only looked up: %s" % (
            declared - looked_up, looked_up - declared))


@suite.case("no library: says where it was looked for")
def _():
    with scratch() as tmp:
        stderr = vixsample_fails("-info", "-libdir", tmp, "x")
        if "no libvixDiskLib.so.8, .7 or .6 in %s" % tmp not in stderr:
            raise Failed(stderr)


@suite.case("a file that is no library: says what the loader says")
def _():
    with scratch() as tmp:
        path = os.path.join(tmp, "libvixDiskLib.so.7")
        with open(path, "wb") as file:
            file.write(b"no library\n" * 100)
        stderr = vixsample_fails("-info", "-libdir", tmp, "x")
        if path not in stderr or "ELF" not in stderr:
            raise Failed(stderr)


suite.run()
