#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""test-io-manual - vdisk-io's manual page, --help and help know the same."""
import os
import re
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../support"))

from manual import Manual, help_options, same  # noqa: E402
from tap import Suite  # noqa: E402
from tools import VDISK_IO, Failed, run  # noqa: E402

PAGE = Manual("vdisk-io")


def output(*args):
    result = run([VDISK_IO, *args])
    if result.code or result.stderr:
        raise Failed(str(result))
    return result.stdout.decode()


def main():
    suite = Suite()

    @suite.case("options")
    def _():
        same(help_options(output("--help")), PAGE.options()["Options"],
             "options")

    @suite.case("commands")
    def _():
        listed = re.findall(r"^(\w+) .*-- ", output("-c", "help"), re.M)
        body = PAGE.text.split("=head2 Commands")[1]
        same(set(listed), set(re.findall(r"^=item (\w+)", body, re.M)),
             "commands")

    @suite.case("help of every command begins with its line in the list")
    def _():
        lines = output("-c", "help").split("\n\n")[0].splitlines()
        for line in lines:
            text = output("-c", "help " + line.split()[0])
            if not text.startswith(line + "\n"):
                raise Failed("%r: %r" % (line, text))

    @suite.case("--help fits a screen")
    def _():
        lines = output("--help").splitlines()
        if len(lines) > 23 or max(map(len, lines)) > 79:
            raise Failed("%d lines" % len(lines))
        if not lines[0].startswith("Example: vdisk-io "):
            raise Failed(lines[0])

    PAGE.add_cases(suite)
    suite.run()


main()
