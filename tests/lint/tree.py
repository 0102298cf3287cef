# SPDX-License-Identifier: BSD-3-Clause
"""tree - the files of the source tree, and C sources cut into functions.

The cutting leans on the house style, which the format check enforces: a
definition's name starts a line, its body begins with "{" and ends with "}" in
the first column.
"""
import os
import re
import subprocess

ROOT = os.environ.get(
    "VDISK_SOURCE_ROOT",
    os.path.abspath(os.path.join(os.path.dirname(__file__), "../..")))

C_DIRS = ("include", "io", "block", "formats", "vsphere", "api", "vix",
          "tools", "tests", "examples")


def files():
    """Paths under ROOT that belong to the project, sorted."""
    git = ["git", "-c", "safe.directory=*", "-C", ROOT, "ls-files", "-z",
           "--cached", "--others", "--exclude-standard"]
    try:
        out = subprocess.run(git, capture_output=True, check=True).stdout
        names = [n for n in out.decode().split("\0") if n]
    except (OSError, subprocess.CalledProcessError):
        names = walk()
    return sorted(n for n in names if os.path.isfile(os.path.join(ROOT, n)))


def walk():
    """Without git, as in a release archive."""
    names = []
    for top, dirs, leaves in os.walk(ROOT):
        dirs[:] = [d for d in dirs
                   if d not in (".git", "__pycache__")
                   and not d.startswith("build")]
        names += [os.path.relpath(os.path.join(top, n), ROOT) for n in leaves]
    return names


def c_files():
    return [n for n in files() if n.endswith((".c", ".h"))
            and n.split("/")[0] in C_DIRS]


def read(name):
    with open(os.path.join(ROOT, name), encoding="utf-8") as file:
        return file.read()


def read_head(name):
    """The first line; whatever bytes it has."""
    with open(os.path.join(ROOT, name), "rb") as file:
        return file.readline(200).decode(errors="replace")


TOKENS = re.compile(
    r"/\*.*?\*/|//[^\n]*|\"(?:\\.|[^\"\\\n])*\"|'(?:\\.|[^'\\\n])*'", re.S)


def strip(text):
    """Blank out comments and literals, keep every newline."""
    def blank(match):
        return re.sub(r"[^\n]", " ", match.group())
    return TOKENS.sub(blank, text)


class Function:
    def __init__(self, file, name, line, lines, body, head):
        self.file = file
        self.name = name
        self.line = line    # of the name, from 1
        self.lines = lines  # from the name to the closing brace
        self.body = body    # without comments and literals
        self.head = head    # the line before the return type, with comments


def functions(name):
    """The function definitions of C file @name."""
    original = read(name).split("\n")
    lines = strip("\n".join(original)).split("\n")
    found = []
    i = 0
    while i < len(lines):
        match = re.match(r"([A-Za-z_]\w*)\(", lines[i])
        if not match:
            i += 1
            continue
        start = i
        while i < len(lines) and lines[i] != "{" and not re.search(
                r";\s*$", lines[i]):
            i += 1
        if i == len(lines) or lines[i] != "{":
            i += 1
            continue
        body = i
        while i < len(lines) and lines[i] != "}":
            i += 1
        found.append(Function(
            name, match.group(1), start + 1, i - start + 1,
            "\n".join(lines[body:i]), comment_above(original, start)))
        i += 1
    return found


def comment_above(lines, name_line):
    """The block above a definition, as far as the next blank line."""
    top = name_line
    while top > 0 and lines[top - 1].strip():
        top -= 1
    return "\n".join(lines[top:name_line])
