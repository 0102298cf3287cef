#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""test-functions - each function of VixDiskLib has its command, and transports
tells what the library can."""
import json
import os
import re
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../support"))

from tap import Suite  # noqa: E402
from tools import (SOURCE_ROOT, VDISK_IMG, Failed, run,  # noqa: E402
                   vdisk_img)

suite = Suite()
ROW = re.compile(r"^\| (.*?) \| (.*?) \|$", re.M)
LIBRARY_ONLY = "library only"


def read(*names):
    with open(os.path.join(SOURCE_ROOT, *names), encoding="utf-8") as f:
        return f.read()


def table():
    text = read("docs", "VIXDISKLIB.md").split("## Functions as commands")[1]
    return ROW.findall(text.split("\n## ")[0])[1:]


@suite.case("every command in the table exists, with its options")
def _():
    for functions, commands in table():
        words = re.findall(r"`([^`]*)`", commands)
        if not words and LIBRARY_ONLY not in commands:
            raise Failed("%s: %s" % (functions, commands))
        for word in words:
            name, *options = word.split()
            text = vdisk_img(name, "--help=all")
            for option in options:
                if option.startswith("-") and not re.search(
                        r"(^|[ ,])%s\b" % re.escape(option), text):
                    raise Failed("%s has no %s" % (name, option))


@suite.case("every function of the header is in the table")
def _():
    functions = set(re.findall(r"\bVixDiskLib_(\w+)\(",
                               read("include", "vixDiskLib.h")))
    told = set(re.findall(r"\w+", " ".join(row[0] for row in table())))
    missing = sorted(functions - told)
    if missing or len(functions) < 30:
        raise Failed("not in the table: %s" % ", ".join(missing))


@suite.case("transports lists the five, and why one is closed")
def _():
    lines = vdisk_img("transports").splitlines()
    rows = json.loads(vdisk_img("transports", "--output=json"))["transports"]
    names = [row["name"] for row in rows]
    if names != ["file", "san", "hotadd", "nbdssl", "nbd"]:
        raise Failed(repr(names))
    for line, row in zip(lines, rows):
        wanted = "available" if row["available"] \
            else "unavailable: " + row["problem"]
        if line.split(None, 1) != [row["name"], wanted]:
            raise Failed("%s: %r" % (line, row))
    if not rows[0]["available"]:
        raise Failed("no files")


@suite.case("transports takes no operand")
def _():
    result = run([VDISK_IMG, "transports", "x"])
    if result.code != 2 or b"Unexpected argument: x" not in result.stderr:
        raise Failed(str(result))


suite.run()
