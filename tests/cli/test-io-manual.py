#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""test-io-manual - vdisk-io's manual page, --help and help know the same."""
import os
import re
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../support"))

from manual import (Manual, fits_screen, help_options, named,  # noqa: E402
                    output, same)
from tap import Suite  # noqa: E402
from tools import VDISK_IO, Failed  # noqa: E402

PAGE = Manual("vdisk-io")


def main():
    suite = Suite()

    @suite.case("options")
    def _():
        brief = output(VDISK_IO, "--help")
        full = output(VDISK_IO, "--help=all")
        same(named(brief, full), help_options(full), "options")
        same(help_options(full), PAGE.options()["Options"], "options")

    @suite.case("commands")
    def _():
        listed = re.findall(r"^(\w+) .*-- ", output(VDISK_IO, "-c", "help"), re.M)
        body = PAGE.text.split("=head2 Commands")[1]
        same(set(listed), set(re.findall(r"^=item (\w+)", body, re.M)),
             "commands")

    @suite.case("help of every command begins with its line in the list")
    def _():
        lines = output(VDISK_IO, "-c", "help").split("\n\n")[0].splitlines()
        for line in lines:
            text = output(VDISK_IO, "-c", "help " + line.split()[0])
            if not text.startswith(line + "\n"):
                raise Failed("%r: %r" % (line, text))

    @suite.case("--help fits a screen")
    def _():
        fits_screen(output(VDISK_IO, "--help"), "vdisk-io ")

    PAGE.add_cases(suite)
    suite.run()


main()
