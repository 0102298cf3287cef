#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""test-golden - what each command prints, for people and as JSON.

golden/COMMAND holds invocations and what they are to print:

    $ info a.vmdk       on the images of fixture.make_images(), all of a file's
    image: a.vmdk       one after the other in the same directory
    ! a warning         a line of stderr
    ? 1                 the exit code, if it is not 0

`<...>` stands for what is drawn by lot, measured, or a matter of the host's
file system.  A command that `--help` lists and that has not both forms fails.

With VDISK_GOLDEN=write the files are written anew, to be looked at.
"""
import os
import re
import shlex
import sys

sys.path.insert(0, os.path.dirname(__file__))

from fixture import Place, assert_equal, run_link  # noqa: E402
from tap import Suite  # noqa: E402
from tools import VDISK_IMG, Failed, run  # noqa: E402
from vmfs_device import write_volume  # noqa: E402
from vmfs_volume import MIB, Volume  # noqa: E402

GOLDEN = os.path.join(os.path.dirname(__file__), "golden")
WRITE = os.environ.get("VDISK_GOLDEN") == "write"

# What is drawn by lot or measured, and what it becomes.
UNSTABLE = (
    (r"\b[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\b", "<uuid>"),
    (r"60 00 C2 9[0-9a-f] .{35}", "<uuid>"),
    (r'(ong[- ]?[cC]ontent[- ]?[iI][dD]"?[:=] ?"?)[0-9a-f]{32}',
     r"\1<long cid>"),
    (r"([cC]ontent id:? |\b(?:is|remember(?:s|ed)) )(?!f{8})[0-9a-f]{8}\b",
     r"\1<cid>"),
    (r'(cid"?: )(?!4294967295)\d+', r"\1<cid>"),
    (r'(actual-size(-before)?": )\d+', r"\1<size>"),
    (r"(disk size: ).*", r"\1<size>"),
    (r"[\d.]+ [KM]?i?B on disk", "<size> on disk"),
    (r'("(elapsed|cpu-seconds)": )[\d.e-]+', r"\1<time>"),
    (r"completed in [\d.]+ seconds", "completed in <time> seconds"),
    (r'("rate": )\d+', r"\1<rate>"),
    (r'("engine": ")\w+', r"\1<engine>"),
    (r'\?socket=[^"]*', "?socket=<socket>"),
)
# What prints a script, not a result.
NO_JSON = ("completion",)


class Case:
    def __init__(self, line):
        self.line = line
        self.words = shlex.split(line)
        self.wanted = []

    def is_json(self):
        return "--output=json" in self.words


def make_volume(path):
    volume = Volume(6, (1,))
    volume.folder("/vm")
    volume.small("/vm/vm.vmx", b"a machine")
    volume.symlink("/vm/link", "vm.vmx")
    volume.blocks("/vm/vm-flat.vmdk", 3 * MIB, {0: "d", 2: "d"})
    volume.finish()
    write_volume(volume, [path])


def read_cases(name):
    cases = []
    with open(os.path.join(GOLDEN, name), encoding="utf-8") as file:
        for line in file.read().splitlines():
            if line.startswith("$ "):
                cases.append(Case(line[2:]))
            elif not cases:
                raise Failed("%s does not begin with '$ '" % name)
            else:
                cases[-1].wanted.append(line)
    return cases


def stable(line):
    for pattern, word in UNSTABLE:
        line = re.sub(pattern, word, line)
    return line


def printed(link, directory, case):
    result = run_link(link, case.words, directory)
    lines = result.stdout.decode().splitlines()
    lines += ["! " + line for line in result.stderr.decode().splitlines()]
    if result.code:
        lines.append("? %d" % result.code)
    return [stable(line.replace(directory, "<dir>")) for line in lines]


def check_file(name):
    cases = read_cases(name)
    with Place() as place:
        if name == "ls":
            make_volume(place.path("lun.img"))
        outputs = [printed(place.link, place.dir, case) for case in cases]
    if WRITE:
        with open(os.path.join(GOLDEN, name), "w", encoding="utf-8") as file:
            for case, lines in zip(cases, outputs):
                file.write("\n".join(["$ " + case.line, *lines]) + "\n")
        return
    for case, lines in zip(cases, outputs):
        assert_equal(case.wanted, lines, case.line)


def commands():
    text = run([VDISK_IMG, "--help"]).stdout.decode()
    part = re.search(r"^Commands .*?\n\n", text, re.M | re.S).group(0)
    return re.findall(r"^  (\w+)  ", part, re.M)


def check_forms(command):
    cases = [case for case in read_cases(command)
             if case.words[0] == command and "? 1" not in case.wanted]
    if all(case.is_json() for case in cases):
        raise Failed("no golden case of %s for people" % command)
    if command not in NO_JSON and not any(case.is_json() for case in cases):
        raise Failed("no golden case of %s --output=json" % command)


def main():
    suite = Suite()
    names = sorted(os.listdir(GOLDEN))
    for command in commands():
        suite.add("both forms of " + command, check_forms, command)
    for name in names:
        suite.add("what %s prints" % name, check_file, name)

    @suite.case("the list of commands is found")
    def _():
        assert_equal(sorted(commands()), names, "commands, files of golden/")

    suite.run()


main()
