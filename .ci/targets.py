#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""targets.py BUILD WHAT... - what ninja has to build for some of the tests.

WHAT is the name of a suite or of a test.  Prints one target a line.
"""
import json
import os
import sys


def load(build, name):
    path = os.path.join(build, "meson-info", "intro-%s.json" % name)
    with open(path, encoding="utf-8") as file:
        return json.load(file)


def is_wanted(test, what):
    suites = {suite.split(":")[-1] for suite in test["suite"]}
    return test["name"] in what or suites & what


def main(build, what):
    files = {target["id"]: target["filename"]
             for target in load(build, "targets")}
    known = {path for paths in files.values() for path in paths}
    wanted = set()
    for test in load(build, "tests"):
        if is_wanted(test, what):
            for identity in test["depends"]:
                wanted.update(files[identity])
            wanted.update(set(test["cmd"]) & known)
    for path in sorted(wanted):
        print(os.path.relpath(path, build))


if __name__ == "__main__":
    main(os.path.realpath(sys.argv[1]), set(sys.argv[2:]))
