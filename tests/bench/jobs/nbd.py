# SPDX-License-Identifier: BSD-3-Clause
"""nbd - servers, clients and copies, by tests/bench/nbd; processor time is that
of one request."""
import json
import os

from jobs import job, table
from jobs.process import run

PROGRAM = os.path.join(os.path.dirname(__file__), "../nbd")


@job("nbd", "nbd")
def nbd(b):
    result = b.inputs.path("nbd.json")
    run([PROGRAM, "--build", b.options.build, "--dir", b.options.dir,
         "--rounds", str(b.options.rounds), "--json", result])
    with open(result, encoding="utf-8") as file:
        rows = json.load(file)
    mine = {row["work"]: row for row in rows if row["who"] == "vdisk"}
    for row in rows:
        if row["who"] != "vdisk":
            b.report(table.make(row["work"], None, row["who"],
                                side_of(mine[row["work"]]), side_of(row),
                                None))


def side_of(row):
    return {"seconds": row["seconds"], "cpu": row["cpu-us"] / 1e6}
