#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""lint - rules of the house that no compiler checks.

One TAP line per rule; every violation is a diagnostic line "file:line: what".
Run it from anywhere; the tree is the one it lies in.
"""
import fnmatch
import functools
import os
import re
import shutil
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../support"))

import tree  # noqa: E402
from tap import Skip, Suite  # noqa: E402

MAX_FILE_LINES = 800
MAX_FUNCTION_LINES = 80

suite = Suite()


def report(violations):
    violations = list(violations)
    if violations:
        raise AssertionError("\n" + "\n".join(violations))


# -- layers -------------------------------------------------------------------

# What each layer may include besides its own folder.
LAYERS = {
    "include": (),
    "io": ("include",),
    "block": ("io", "include"),
    "formats": ("block", "io", "include"),
    "vsphere": ("block", "io", "include"),
    "api": ("vsphere", "formats", "block", "io", "include"),
    "vix": ("include",),
    "tools": ("include",),
    "examples": ("include",),
}
# Rooms in a layer that see themselves and these headers only, and are seen by
# nobody.
ROOMS = {
    "tools/img": ("include/*", "tools/*"),
    "tools/img/bench": ("include/*", "tools/*"),
    "tools/img/map": ("include/*", "tools/*"),
    "tools/io": ("include/*", "tools/*"),
    "tools/nbd": ("include/*", "tools/*"),
    "tools/vixsample": ("include/vixDiskLib.h",),
}
# Folders of drivers: one a file (and headers of the same name) or a folder,
# always a folder.
DRIVER_FILES = ("block/proto", "block/filter")
DRIVER_FOLDERS = ("formats",)
# What drivers there share.
SHARED = ("formats/blocks", "formats/common")
DRIVER_TABLE = re.compile(r"^const VdDriver \w+ =", re.M)

INCLUDE = re.compile(r'^\s*#\s*include\s+"([^"]+)"', re.M)


def includes(name):
    text = tree.read(name)
    for match in INCLUDE.finditer(text):
        yield text.count("\n", 0, match.start(1)) + 1, match.group(1)


@functools.lru_cache(None)
def single_file_drivers():
    """"block/proto/file" for each source there that has a driver's table;
    what has none is a helper for all of them."""
    return [name[:-2] for name in tree.c_files()
            if os.path.dirname(name) in DRIVER_FILES and name.endswith(".c")
            and DRIVER_TABLE.search(tree.read(name))]


def driver_of(path):
    """Which driver a file belongs to: "formats/vmdk", "block/proto/file"."""
    folder, _, rest = path.partition("/")
    if folder in DRIVER_FOLDERS:
        return folder + "/" + re.sub(r"\.[ch]$", "", rest.split("/")[0])
    for place in DRIVER_FILES:
        if path.startswith(place + "/") and path.count("/") > 2:
            return "/".join(path.split("/")[:3])
    stem = re.sub(r"\.[ch]$", "", path)
    owners = [d for d in single_file_drivers()
              if stem == d or stem.startswith(d + "-")]
    return max(owners, key=len, default=None)


def public_header(path):
    """Public headers may be named as their installed users name them."""
    in_include = "include/" + path
    return in_include if os.path.exists(
        os.path.join(tree.ROOT, in_include)) else path


def room_violation(name, target):
    for room, headers in ROOMS.items():
        inside, wanted = (p.startswith(room + "/") for p in (name, target))
        if inside and not wanted and not any(
                fnmatch.fnmatch(target, h) for h in headers):
            return "%s may see itself and %s only" % (room, ", ".join(headers))
        if wanted and not inside:
            return "nobody may see %s" % room
    return None


def layer_violation(name, target):
    layer, target_layer = name.split("/")[0], target.split("/")[0]
    if not os.path.exists(os.path.join(tree.ROOT, target)):
        return "not a path from the root"
    if target_layer != layer and target_layer not in LAYERS[layer]:
        return "%s may not see %s" % (layer, target_layer)
    if room_violation(name, target):
        return room_violation(name, target)
    own, other = driver_of(name), driver_of(target)
    if other in SHARED or own == other:
        return None
    if own and other:
        return "drivers may not see each other"
    if other and layer != "api":
        return "only drivers and api may see a driver"
    return None


@suite.case("includes point down the layers")
def _():
    def violations():
        for name in tree.c_files():
            if name.split("/")[0] not in LAYERS:
                continue
            for line, target in includes(name):
                what = layer_violation(name, public_header(target))
                if what:
                    yield '%s:%d: "%s": %s' % (name, line, target, what)
    report(violations())


@suite.case("meson.build goes through the layers from the bottom up")
def _():
    order = re.findall(r"^subdir\('(\w+)'\)", tree.read("meson.build"), re.M)
    rank = [n for n in LAYERS if n in order]
    wanted = [n for n in order if n in LAYERS]
    if wanted != rank:
        raise AssertionError("meson.build has %s, layers are %s"
                             % (wanted, rank))


# -- coroutines ---------------------------------------------------------------

# Functions with _co_ in the name that do not yield: they make, wake or end.
NO_YIELD = re.compile(
    r"^vio_co_(start|self|loop|wake|group_new|group_free|group_failed"
    r"|queue_wake_one|queue_wake_all|queue_is_empty|mutex_unlock"
    r"|pool_init|pool_clear|run_ready)$")
CALL = re.compile(r"(?<![\w>.])([a-z]\w*_co_\w+)\s*\(")
METHOD = re.compile(r"(?:->|\.)(co_\w+)\s*\(")
# A coroutine's own first function: started by name, never called.
ENTRY_MARK = "coroutine entry"


def yielding_calls(body):
    calls = [c for c in CALL.findall(body) if not NO_YIELD.match(c)]
    return calls + METHOD.findall(body)


@suite.case("what may yield has _co_ in its name")
def _():
    def violations():
        for name in tree.c_files():
            if name.startswith("tests/") or not name.endswith(".c"):
                continue
            for function in tree.functions(name):
                if "_co_" in function.name or ENTRY_MARK in function.head:
                    continue
                calls = yielding_calls(function.body)
                if calls:
                    yield "%s:%d: %s() calls %s()" % (
                        name, function.line, function.name, calls[0])
    report(violations())


# -- flags --------------------------------------------------------------------

ENUM = re.compile(r"\benum\b[^;{}()]*\{([^{}]*)\}")
FLAG = re.compile(r"(\w+)\s*=\s*1[uU]?\s*<<\s*(\d+)$")


def shared_bits(body):
    """Flags of one enumeration whose bit an earlier one has; masks, which are
    made of others, and a name for none may be among them."""
    owners = {}
    members = [m.strip() for m in body.split(",")]
    for member in filter(None, members):
        flag = FLAG.match(member)
        if flag:
            owner = owners.setdefault(int(flag.group(2)), flag.group(1))
            if owner != flag.group(1):
                yield "%s and %s share a bit" % (owner, flag.group(1))
        elif owners and not re.search(r"=\s*(0|[^\d<]+)$", member):
            yield "%s has no bit of its own" % member


@suite.case("flags of one enumeration share no bit")
def _():
    def violations():
        for name in tree.c_files():
            text = tree.strip(tree.read(name))
            for enum in ENUM.finditer(text):
                line = text.count("\n", 0, enum.start()) + 1
                for what in shared_bits(enum.group(1)):
                    yield "%s:%d: %s" % (name, line, what)
    broken = "A = 1 << 0, B = 1u << 1, C = A | B, D = 1 << 1, E"
    assert list(shared_bits(broken)) == [
        "B and D share a bit", "E has no bit of its own"]
    report(violations())


# -- form ---------------------------------------------------------------------

SPDX_SUFFIXES = (".c", ".h", ".S", ".py", ".sh", ".map", ".pod")
SPDX_NAMES = ("meson.build", "meson_options.txt", "setup", "run",
              "peak-memory")


@suite.case("each source file names its licence")
def _():
    def violations():
        for name in tree.files():
            base = os.path.basename(name)
            if not (name.endswith(SPDX_SUFFIXES) or base in SPDX_NAMES):
                continue
            head = tree.read(name).split("\n")[:3]
            if not any("SPDX-License-Identifier: BSD-3-Clause" in line
                       for line in head):
                yield "%s:1: no SPDX line" % name
    report(violations())


@suite.case("no file is over %d lines" % MAX_FILE_LINES)
def _():
    def violations():
        for name in tree.c_files():
            count = tree.read(name).count("\n")
            if count > MAX_FILE_LINES:
                yield "%s:%d: %d lines" % (name, count, count)
    report(violations())


@suite.case("no function is over %d lines" % MAX_FUNCTION_LINES)
def _():
    def violations():
        for name in tree.c_files():
            for function in tree.functions(name):
                if function.lines > MAX_FUNCTION_LINES:
                    yield "%s:%d: %s() has %d lines" % (
                        name, function.line, function.name, function.lines)
    report(violations())


# Classes in the patterns keep this file from matching itself.
FORBIDDEN = re.compile(
    r"TO[D]O|FIX[M]E|\bX[X]X\b|(?<![\w.])/(?:wor[k]|hom[e]|roo[t])/"
    r"|de[b]\.debian\.org|pyp[i]\.org|snapshot\.de[b]ian")


@suite.case("no leftovers and no paths of somebody's machine")
def _():
    def violations():
        for name in tree.files():
            if name.startswith("tests/data/") and not name.endswith(".md"):
                continue
            try:
                text = tree.read(name)
            except UnicodeDecodeError:
                continue
            for number, line in enumerate(text.split("\n"), 1):
                match = FORBIDDEN.search(line)
                if match:
                    yield "%s:%d: %s" % (name, number, match.group())
    report(violations())


@suite.case("text files end in one newline and have no trailing blanks")
def _():
    def violations():
        for name in tree.files():
            base = os.path.basename(name)
            if not (name.endswith(SPDX_SUFFIXES + (".md", ".tsv"))
                    or base in SPDX_NAMES):
                continue
            text = tree.read(name)
            if text and (not text.endswith("\n") or text.endswith("\n\n")):
                yield "%s: end of file" % name
            for number, line in enumerate(text.split("\n"), 1):
                if line != line.rstrip():
                    yield "%s:%d: trailing blank" % (name, number)
    report(violations())


@suite.case("C sources are formatted (clang-format 14)")
def _():
    tool = shutil.which("clang-format-14")
    if not tool:
        raise Skip("clang-format-14 is not installed")
    names = tree.c_files()
    done = subprocess.run([tool, "--dry-run", "-Werror", *names], cwd=tree.ROOT,
                          capture_output=True, check=False)
    if done.returncode:
        lines = done.stderr.decode().split("\n")
        report(line for line in lines if ": error:" in line)
        raise AssertionError(done.stderr.decode())


@suite.case("shell scripts are sound (shellcheck)")
def _():
    tool = shutil.which("shellcheck")
    if not tool:
        raise Skip("shellcheck is not installed")
    names = [n for n in tree.files()
             if n.endswith(".sh")
             or tree.read_head(n).startswith("#!/usr/bin/env bash")]
    done = subprocess.run([tool, *names], cwd=tree.ROOT, capture_output=True,
                          check=False)
    if done.returncode:
        raise AssertionError("\n" + done.stdout.decode())


suite.run()
