#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""summary.py DIR - count what .ci/run has done.

DIR/steps.tsv holds steps that are no tests, DIR/times.tsv the seconds of each
job, DIR/*/meson-logs the tests' logs: the JSON log says how each program ended,
the JUnit one what its cases did.  With CI=true a skip that neither
.ci/skips-allowed nor DIR/skips-allowed knows is a failure.
"""
import fnmatch
import glob
import json
import os
import re
import sys
import xml.etree.ElementTree as ElementTree

HERE = os.path.dirname(os.path.abspath(__file__))


class Count:
    def __init__(self):
        self.passed = 0
        self.failed = []
        self.skipped = []


def allowed_skips(*paths):
    """Patterns of what may skip, with the reason of each."""
    lines = []
    for path in paths:
        with open(path, encoding="utf-8") as file:
            lines += [line.rstrip("\n") for line in file]
    return dict(line.split("\t", 1) for line in lines
                if line and not line.startswith("#"))


def judge_skips(skipped, patterns):
    """Print them, those that may be in one line for each pattern; returns
    those that may not."""
    known, unknown = {}, []
    for what in skipped:
        for pattern in patterns:
            if fnmatch.fnmatch(what, pattern):
                known[pattern] = known.get(pattern, 0) + 1
                break
        else:
            unknown.append(what)
            print("skipped, not allowed in CI: " + what)
    for pattern, count in known.items():
        print("skipped: %d of \"%s\": %s" % (count, pattern,
                                             patterns[pattern]))
    return unknown


def count_steps(path, count):
    with open(path, encoding="utf-8") as file:
        for line in file:
            name, result, *reason = line.rstrip("\n").split("\t")
            if result == "OK":
                count.passed += 1
            elif result == "SKIP":
                count.skipped.append(": ".join([name, *reason]))
            else:
                count.failed.append(name)


def print_times(path):
    with open(path, encoding="utf-8") as file:
        times = [line.rstrip("\n").split("\t") for line in file]
    print("seconds: " + ", ".join("%s %s" % (job, seconds)
                                  for job, seconds in times))


def skip_reason(case):
    return (case.findtext("system-out") or "no reason given").strip()


def program_of(name):
    """"project.project:suite / program", as meson has it, to "program"."""
    return name.split(" / ")[-1].split(".")[-1]


def parse(path):
    """What tests print goes in as it is; XML has no control characters."""
    with open(path, "rb") as file:
        text = re.sub(rb"[\x00-\x08\x0b\x0c\x0e-\x1f]", b"?", file.read())
    return ElementTree.fromstring(text)


def count_cases(path, count):
    """Names of the programs of which a case has failed."""
    blamed = set()
    job = os.path.basename(os.path.dirname(os.path.dirname(path)))
    for suite in parse(path).iter("testsuite"):
        for case in suite.iter("testcase"):
            name = "%s: %s: %s" % (job, suite.get("name"), case.get("name"))
            if case.find("failure") is not None or \
                    case.find("error") is not None:
                count.failed.append(name)
                blamed.add(program_of(suite.get("name")))
                blamed.add(program_of(case.get("name")))
            elif case.find("skipped") is not None:
                count.skipped.append(name + ": " + skip_reason(case))
            else:
                count.passed += 1
    return blamed


def count_programs(path, blamed, count):
    """Programs that ended badly although no case of theirs says so."""
    job = os.path.basename(os.path.dirname(os.path.dirname(path)))
    with open(path, encoding="utf-8") as file:
        for line in file:
            test = json.loads(line)
            name = program_of(test["name"])
            bad = test["result"] not in ("OK", "SKIP", "EXPECTEDFAIL")
            if bad and name not in blamed:
                count.failed.append("%s: %s: %s" % (job, test["name"],
                                                    test["result"]))


def main():
    count = Count()
    top = sys.argv[1]
    count_steps(os.path.join(top, "steps.tsv"), count)
    for junit in sorted(glob.glob(top + "/*/meson-logs/*.junit.xml")):
        blamed = count_cases(junit, count)
        count_programs(junit.replace(".junit.xml", ".json"), blamed, count)

    unknown = judge_skips(count.skipped, allowed_skips(
        os.path.join(HERE, "skips-allowed"),
        os.path.join(top, "skips-allowed")))
    if os.environ.get("CI") == "true":
        count.failed += [what + " (skipped)" for what in unknown]
    print_times(os.path.join(top, "times.tsv"))
    for name in count.failed:
        print("FAILED: " + name)
    print("%d passed, %d failed, %d skipped" % (
        count.passed, len(count.failed), len(count.skipped)))
    sys.exit(1 if count.failed or not count.passed else 0)


main()
