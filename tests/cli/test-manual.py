#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""test-manual - vdisk-img's manual page and --help know the same options."""
import os
import re
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../support"))

from manual import (Manual, fits_screen, help_options, named,  # noqa: E402
                    same)
from tap import Suite  # noqa: E402
from tools import Failed, vdisk_img, VDISK_IMG  # noqa: E402

PAGE = Manual("vdisk-img")
SHARED = {"Common options", "Standard options"}


def commands():
    text = vdisk_img("--help").split("Commands")[1].split("Supported")[0]
    return re.findall(r"^  (\w+)  ", text, re.M)


def check_command(name):
    pod = PAGE.options()
    common = set() if name == "completion" else pod["Common options"]
    same(help_options(vdisk_img(name, "--help=all")), pod[name] | common, name)


def check_screen(name):
    fits_screen(vdisk_img(name, "--help"), "vdisk-img %s " % name)


def check_rare(name):
    """--help=all explains what --help only names."""
    brief, full = vdisk_img(name, "--help"), vdisk_img(name, "--help=all")
    same(named(brief, full), help_options(full), name)


def main():
    suite = Suite()

    @suite.case("every command has its section, and no other")
    def _():
        same(set(commands()), set(PAGE.options()) - SHARED, "commands")

    @suite.case("standard options")
    def _():
        same(help_options(vdisk_img("--help")),
             PAGE.options()["Standard options"], "standard")

    for name in sorted(set(PAGE.options()) - SHARED):
        suite.add("options of " + name, check_command, name)
        suite.add("screen of " + name, check_screen, name)
        suite.add("rare options of " + name, check_rare, name)

    PAGE.add_cases(suite)

    @suite.case("--help goes to stdout, wrong usage to stderr")
    def _():
        done = subprocess.run([VDISK_IMG, "info"], capture_output=True,
                              check=False)
        if done.stdout or not done.stderr:
            raise Failed("stdout %r, stderr %r" % (done.stdout, done.stderr))

    suite.run()


main()
