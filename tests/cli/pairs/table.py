# SPDX-License-Identifier: BSD-3-Clause
"""table - what the files of invocations are written in.

An invocation is a line as one would type it, after the program's name; {dir}
is the directory.  Pair() adds what its result may differ in, and why.
"""
import itertools
import shlex

from pairs.gallery import MORE


class Pair:
    """@apart: {name of a written file: why its content is not compared};
    @upto: what stderr is compared up to: ours says more of the matter, or
    other words behind it (file, offset, found and wanted value);
    @obey: file permissions bind root, too."""

    def __init__(self, line, apart=None, upto=None, obey=False):
        self.line = line
        self.words = shlex.split(line)
        self.apart = apart or {}
        self.upto = upto
        self.obey = obey


# img-cli.md 7.4: what a failed run made is gone.
LEFT = "qemu-img leaves what it failed to make"


def left(name, row, upto=None):
    """It fails, and qemu-img leaves the beginning of @name behind."""
    return Pair(row, apart={name: LEFT}, upto=upto)


def upto(text, rows):
    return [Pair(row, upto=text) for row in rows]


def each(pattern, **choices):
    """@pattern for every combination of the @choices for its {names}."""
    names = list(choices)
    return [pattern.format(dir="{dir}", **dict(zip(names, values)))
            for values in itertools.product(*choices.values())]


def quoted(names):
    return [shlex.quote(name) for name in names]


def pairs_of(rows):
    return [row if isinstance(row, Pair) else Pair(row) for row in rows]


def damaged(pattern, names, **choices):
    """@pattern for each of the damaged images, whose errors ours tells with
    more words behind the same beginning."""
    rows = []
    for name in names:
        rows += upto(MORE.get(name), each(pattern, image=[name], **choices))
    return rows
