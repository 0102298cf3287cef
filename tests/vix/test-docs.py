#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""test-docs - docs/VIXDISKLIB.md says what the header, the list of exported
symbols, the libraries, the sources and the tests do."""
import os
import re
import shutil
import subprocess
import sys

for folder in ("support", "lint"):
    sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", folder))

import tree  # noqa: E402
from tap import Skip, Suite  # noqa: E402
from tools import Failed  # noqa: E402
from vix_sample import BUILD_ROOT  # noqa: E402

PAGE = tree.read("docs/VIXDISKLIB.md")
HEADER = tree.strip(tree.read("include/vixDiskLib.h"))
WORKS = ("yes", "local")
MISSING = "not yet"

suite = Suite()


def differ(what, found, wanted):
    if found != wanted:
        raise Failed("%s: too many %s, missing %s" % (
            what, sorted(found - wanted), sorted(wanted - found)))


def chapter(title):
    return PAGE.split("\n## %s\n" % title)[1].split("\n## ")[0]


def rows(text):
    """The cells of a table's rows, without its head."""
    lines = re.findall(r"^\| (.*) \|$", text, re.M)
    return [line.split(" | ") for line in lines
            if not re.match(r"(function|key|code) ", line)]


def functions():
    """(name, works, tests) of each row."""
    return [(cells[0].strip("`"), cells[1], cells[2])
            for cells in rows(chapter("Functions"))]


def declared():
    return set(re.findall(r"\b(VixDiskLib(?:Ext)?_\w+)\(", HEADER))


# -- functions -------------------------------------------------------------------

@suite.case("the table has each function of the header, once")
def _():
    names = [name for name, _, _ in functions()]
    if len(names) != len(set(names)):
        raise Failed("some are there twice")
    differ("table", set(names), declared())


@suite.case("the libraries are to export what the header declares")
def _():
    listed = set(re.findall(r"^\s+(VixDiskLib\w+);",
                            tree.read("vix/libvixDiskLib.map"), re.M))
    differ("map", listed, declared())


@suite.case("what works according to the table is in the libraries")
def _():
    nm = shutil.which("nm")
    if not nm:
        raise Skip("nm is missing")
    for version in (6, 7, 8):
        path = os.path.join(BUILD_ROOT, "vix/so%d/libvixDiskLib.so.%d"
                            % (version, version))
        out = subprocess.run([nm, "-D", "--defined-only", path], check=True,
                             capture_output=True, text=True).stdout
        differ("libvixDiskLib.so.%d" % version,
               {line.split()[-1] for line in out.splitlines()},
               {name for name, works, _ in functions() if works in WORKS})


@suite.case("what each function works on is one of the words for it")
def _():
    for name, works, _ in functions():
        if works not in WORKS + (MISSING,):
            raise Failed("%s: '%s'" % (name, works))


def case_names(path):
    text = tree.read(path)
    if path.endswith(".c"):
        return re.findall(r'\w+_test_add\w*\(\s*"([^"]+)"', text)
    return re.findall(r'suite\.(?:case|add)\(\s*"((?:[^"\\]|\\.)+)"', text)


def test_files():
    """"sample-io" -> path."""
    found = {}
    for name in tree.files():
        match = re.match(r"tests/vix/test-([\w-]+)\.(?:py|c)$", name)
        if match:
            found[match.group(1)] = name
    return found


@suite.case("the tests that the table names exist")
def _():
    files = test_files()
    for name, works, tests in functions():
        if works == MISSING:
            continue
        for test in tests.split("; "):
            file, _, case = test.partition(": ")
            if file not in files:
                raise Failed("%s: there is no tests/vix/test-%s" % (name,
                                                                    file))
            if not any(c.startswith(case) for c in case_names(files[file])):
                raise Failed("%s: %s has no case '%s'" % (name, file, case))


# -- other tables ----------------------------------------------------------------

@suite.case("errors: codes and names of the header, texts of the library")
def _():
    codes = dict(re.findall(r"\b(VIX_\w+) = (\d+)", HEADER))
    source = tree.read("vix/error-text.c")
    wanted = {(codes[name], re.sub("^VIX_(E_)?", "", name), text)
              for name, text in re.findall(r'\{(VIX_\w+),\s*"([^"]*)"\}',
                                           source)}
    if len(wanted) != len(codes):
        raise Failed("%d texts for %d codes" % (len(wanted), len(codes)))
    differ("errors", {tuple(cells) for cells in rows(chapter("Errors"))},
           wanted)


@suite.case("configuration: the keys that the library knows")
def _():
    known = set(re.findall(r'\{"([\w.]+)", \w+\}',
                           tree.read("vix/config.c")))
    if len(known) < 20:
        raise Failed("vix/config.c was not understood")
    text = chapter("Configuration")
    ours = {cells[0].strip("`") for cells in rows(text)}
    differ("table", ours, {k for k in known if k.startswith("vdisk.")})
    words = set(re.findall(r"`([\w.]+)`", text.split("Keys of VMware")[1]))
    for key in known - ours:
        if key not in words and key.split(".")[-1] not in words:
            raise Failed("%s is not mentioned" % key)


@suite.case("the root is what the build makes by default")
def _():
    default = re.search(r"option\('vixroot'.*?value: '([^']+)'",
                        tree.read("meson_options.txt"), re.S).group(1)
    if default not in chapter("Where it is installed"):
        raise Failed("no %s" % default)


suite.run()
