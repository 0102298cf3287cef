#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""test-conformance - each cell of docs/CONFORMANCE.md: a kind of VMDK and an
operation, which works or is refused as the table says."""
import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "../support"))
sys.path.insert(0, HERE)

import table  # noqa: E402
from matrix import KINDS, OPERATIONS  # noqa: E402
from ours import run_cell  # noqa: E402
from tap import Suite  # noqa: E402
from tools import SOURCE_ROOT, Failed  # noqa: E402

suite = Suite()


@suite.case("the table in the documentation has these cells")
def _():
    path = os.path.join(SOURCE_ROOT, table.DOCUMENT)
    with open(path, encoding="utf-8") as file:
        text = file.read()
    if table.ours() not in text:
        raise Failed("%s does not have this table:\n%s"
                     % (table.DOCUMENT, table.ours()))


def main():
    for kind in KINDS:
        for operation in OPERATIONS:
            suite.add("%s: %s" % (kind.name, operation), run_cell, kind,
                      operation)
    suite.run()


main()
