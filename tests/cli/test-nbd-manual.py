#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""test-nbd-manual - vdisk-nbd's manual page and --help know the same."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../support"))

from manual import (Manual, fits_screen, help_options, named,  # noqa: E402
                    output, same)
from nbd_peers import VDISK_NBD  # noqa: E402
from tap import Suite  # noqa: E402

PAGE = Manual("vdisk-nbd")


def main():
    suite = Suite()

    @suite.case("options")
    def _():
        same(help_options(output(VDISK_NBD, "--help=all")), PAGE.options()["Options"],
             "options")

    @suite.case("--help names what --help=all explains")
    def _():
        brief, full = (output(VDISK_NBD, "--help" + all_of)
                       for all_of in ("", "=all"))
        same(named(brief, full), help_options(full), "options")

    @suite.case("--help fits a screen")
    def _():
        fits_screen(output(VDISK_NBD, "--help"), "vdisk-nbd ")

    PAGE.add_cases(suite)
    suite.run()


main()
