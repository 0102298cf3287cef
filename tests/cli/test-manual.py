#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""test-manual - the manual page and --help know the same options."""
import os
import re
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../support"))

from tap import Suite  # noqa: E402
from tools import (SOURCE_ROOT, Failed, need, run, vdisk_img,  # noqa: E402
                   VDISK_IMG)

POD = os.path.join(SOURCE_ROOT, "docs/man/vdisk-img.pod")
SECTIONS = ("NAME", "SYNOPSIS", "DESCRIPTION", "EXAMPLES", "OPTIONS",
            "EXIT STATUS", "SEE ALSO")


def pod_text():
    with open(POD, encoding="utf-8") as f:
        return f.read()


def pod_options():
    """Options of each =head2 below OPTIONS: {"create": {"-f", "--format"}}."""
    options = pod_text().split("=head1 OPTIONS")[1].split("\n=head1 ")[0]
    result = {}
    for section in options.split("\n=head2 ")[1:]:
        title, body = section.split("\n", 1)
        items = re.findall(r"^=item (.*)$", body, re.M)
        result[title] = {name for item in items
                         for name in re.findall(r"B<(-[^>]*)>", item)}
    return result


def help_options(*command):
    text = vdisk_img(*command, "--help")
    found = set()
    for line in text.splitlines():
        match = re.match(r"  (-\S.*?)(?:  |$)", line)
        if match:
            found |= set(re.findall(r"(?:^|, )(--?[A-Za-z][\w-]*)",
                                    match.group(1)))
    return found


def commands():
    text = vdisk_img("--help").split("Commands")[1].split("Supported")[0]
    return re.findall(r"^  (\w+)  ", text, re.M)


def same(wanted, got, what):
    if wanted != got:
        raise Failed("%s: only in --help: %s; only in the manual: %s" %
                     (what, sorted(wanted - got), sorted(got - wanted)))


def check_command(name):
    pod = pod_options()
    common = pod["Common options"]
    same(help_options(name), pod[name] | common, name)


def main():
    suite = Suite()

    @suite.case("every command has its section, and no other")
    def _():
        titles = set(pod_options()) - {"Common options", "Standard options"}
        same(set(commands()), titles, "commands")

    @suite.case("standard options")
    def _():
        same(help_options(), pod_options()["Standard options"], "standard")

    for name in sorted(set(pod_options()) -
                       {"Common options", "Standard options"}):
        suite.add("options of " + name, check_command, name)

    @suite.case("the page has the usual sections in the usual order")
    def _():
        heads = re.findall(r"^=head1 (.*)$", pod_text(), re.M)
        found = [h for h in heads if h in SECTIONS]
        if found != list(SECTIONS):
            raise Failed("sections: %s" % heads)

    @suite.case("the page is sound POD")
    def _():
        result = run([need("podchecker"), POD])
        if result.code != 0:
            raise Failed(str(result))

    @suite.case("--help goes to stdout, wrong usage to stderr")
    def _():
        done = subprocess.run([VDISK_IMG, "info"], capture_output=True,
                              check=False)
        if done.stdout or not done.stderr:
            raise Failed("stdout %r, stderr %r" % (done.stdout, done.stderr))

    suite.run()


main()
