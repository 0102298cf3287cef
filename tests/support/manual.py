# SPDX-License-Identifier: BSD-3-Clause
"""manual - a program's manual page, held against what its --help prints."""
import os
import re

from tools import SOURCE_ROOT, Failed, need, run

SECTIONS = ("NAME", "SYNOPSIS", "DESCRIPTION", "EXAMPLES", "OPTIONS",
            "EXIT STATUS", "SEE ALSO")


def fits_screen(text, start):
    """It fits a terminal of 24 lines and 80 columns, and begins with an
    example."""
    lines = text.splitlines()
    if len(lines) > 23 or max(map(len, lines)) > 79:
        raise Failed("%d lines, %d columns" %
                     (len(lines), max(map(len, lines))))
    if not lines[0].startswith("Example: " + start):
        raise Failed(lines[0])


def output(program, *args):
    """What it prints on stdout, and it prints nothing else."""
    result = run([program, *args])
    if result.code or result.stderr:
        raise Failed(str(result))
    return result.stdout.decode()


class Manual:
    def __init__(self, program):
        self.path = os.path.join(SOURCE_ROOT, "docs/man", program + ".pod")
        with open(self.path, encoding="utf-8") as f:
            self.text = f.read()

    def options(self):
        """Options of each =head2 below OPTIONS: {"create": {"-f", ...}}."""
        options = self.text.split("=head1 OPTIONS")[1].split("\n=head1 ")[0]
        result = {}
        for section in options.split("\n=head2 ")[1:]:
            title, body = section.split("\n", 1)
            items = re.findall(r"^=item (.*)$", body, re.M)
            result[title] = {name for item in items
                             for name in re.findall(r"B<(-[^>]*)>", item)}
        return result

    def check_sections(self):
        heads = re.findall(r"^=head1 (.*)$", self.text, re.M)
        found = [h for h in heads if h in SECTIONS]
        if found != list(SECTIONS):
            raise Failed("sections: %s" % heads)

    def check_pod(self):
        result = run([need("podchecker"), self.path])
        if result.code != 0:
            raise Failed(str(result))

    def add_cases(self, suite):
        """What is wanted of any page."""
        suite.add("the page has the usual sections in the usual order",
                  self.check_sections)
        suite.add("the page is sound POD", self.check_pod)


def help_options(text):
    """The options that the output of --help lists, one indented line each."""
    found = set()
    for line in text.splitlines():
        match = re.match(r"  (-\S.*?)(?:  |$)", line)
        if match:
            found |= set(re.findall(r"(?:^|, )(--?[A-Za-z][\w-]*)",
                                    match.group(1)))
    return found


def named(brief, full):
    """The options that are named in @brief, which may have "--vi-*" for all
    those of @full that begin so."""
    known = help_options(full)
    return {option for name in help_options(brief)
            for option in ({o for o in known if o.startswith(name)}
                           if name.endswith("-") else {name})}


def same(wanted, got, what):
    if wanted != got:
        raise Failed("%s: only in --help: %s; only in the manual: %s" %
                     (what, sorted(wanted - got), sorted(got - wanted)))
